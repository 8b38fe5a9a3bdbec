/* Avro's binary encoding, one primitive a function: https://avro.apache.org/docs/1.11.1/specification/#binary-encoding */
#ifndef LEAT_PROTO_AVRO_PUT_H
#define LEAT_PROTO_AVRO_PUT_H

#include "base/buf.h"

static inline void avro_put_long(struct buf *out, int64_t value) /* also int, union branch, string length */
{
    uint8_t *at = buf_reserve(out, 10);
    if (UNLIKELY(at == NULL))
        return;
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    size_t n = 0;
    while (zigzag >= 0x80) {
        at[n++] = (uint8_t)(zigzag | 0x80);
        zigzag >>= 7;
    }
    at[n++] = (uint8_t)zigzag;
    out->len += n;
}

static inline void avro_put_bool(struct buf *out, bool value)
{
    buf_put_u8(out, value);
}

static inline void avro_put_bytes(struct buf *out, struct slice bytes) /* also string */
{
    avro_put_long(out, (int64_t)bytes.len);
    buf_put_slice(out, bytes);
}

static inline void avro_put_str(struct buf *out, const char *str)
{
    avro_put_bytes(out, slice_of_str(str));
}

/* Makes a string of the bytes from `start` on, which were put before their length was known. */
void avro_put_length_before(struct buf *out, size_t start);

static inline void avro_put_float(struct buf *out, float value) /* little-endian IEEE 754 */
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint8_t bytes[4] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)};
    buf_put(out, bytes, sizeof(bytes));
}

static inline void avro_put_double(struct buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(bits >> (8 * i));
    buf_put(out, bytes, sizeof(bytes));
}

static inline void avro_put_null(struct buf *out)
{
    buf_put_u8(out, 0); /* branch 0 of ["null", T] */
}

static inline void avro_put_some(struct buf *out)
{
    buf_put_u8(out, 2); /* branch 1 of ["null", T], zigzag */
}

/* Confluent framing: magic 0, schema id big-endian. */
enum { AVRO_FRAME_BYTES = 5 };
static inline void avro_put_frame(struct buf *out, uint32_t schema_id)
{
    buf_put_u8(out, 0);
    buf_put_u32(out, schema_id);
}

/* A decimal's digits as big-endian two's complement, shortest form (Avro's decimal; Java's BigInteger).
 * `text` is plain decimal: [-]digits[.digits], no exponent. Digits beyond `scale` must be zero, else false.
 * Any number of digits. */
bool avro_put_decimal(struct buf *out, struct slice text, int scale);
/* Of a decimal's digits that fit a machine word: nearly every number there is. */
void avro_put_decimal_of(struct buf *out, int64_t unscaled);
/* The same with the text's own scale: the record VariableScaleDecimal {scale, value}. Exponents (1.5E+10) are allowed. */
bool avro_put_variable_decimal(struct buf *out, struct slice text);

#endif
