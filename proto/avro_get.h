/* Reading Avro's binary encoding with the sticky reader: the counterpart of avro_put.h. Internal to proto/.
 */
#ifndef LEAT_PROTO_AVRO_GET_H
#define LEAT_PROTO_AVRO_GET_H

#include "base/reader.h"

static inline int64_t avro_get_fail(struct reader *r)
{
    r->failed = true;
    r->ptr = r->end;
    return 0;
}

/* More than one byte; an encoding of more than 64 bits is refused. */
static inline int64_t avro_get_long_slow(struct reader *r)
{
    enum { LAST_SHIFT = 63 };
    uint64_t zigzag = 0;
    for (unsigned shift = 0; shift <= LAST_SHIFT; shift += 7) {
        if (r->ptr == r->end)
            return avro_get_fail(r);
        uint8_t byte = *r->ptr++;
        if (shift == LAST_SHIFT && byte > 1)
            return avro_get_fail(r);
        zigzag |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
    }
    return avro_get_fail(r);
}

static inline int64_t avro_get_long(struct reader *r)
{
    if (LIKELY(r->ptr < r->end && *r->ptr < 0x80)) {
        uint8_t zigzag = *r->ptr++;
        return (zigzag >> 1) ^ -(zigzag & 1);
    }
    return avro_get_long_slow(r);
}

static inline int64_t avro_get_int(struct reader *r)
{
    int64_t value = avro_get_long(r);
    return LIKELY(value == (int32_t)value) ? value : avro_get_fail(r);
}

static inline bool avro_get_bool(struct reader *r)
{
    uint8_t byte = reader_u8(r);
    return UNLIKELY(byte > 1) ? avro_get_fail(r) : byte;
}

/* bytes, string; a length is believed only if its bytes are there */
static inline struct slice avro_get_bytes(struct reader *r)
{
    uint64_t len = (uint64_t)avro_get_long(r); /* a negative length is larger than what is left */
    return reader_bytes(r, len);
}

static inline float avro_get_float(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);
    if (p == NULL)
        return 0;
    uint32_t bits = (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline double avro_get_double(struct reader *r)
{
    const uint8_t *p = reader_take(r, 8);
    if (p == NULL)
        return 0;
    uint64_t bits = 0;
    for (unsigned i = 0; i < 8; i++)
        bits |= (uint64_t)p[i] << (8 * i);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

#endif
