#include "capture/pg/wire.h"

#include <math.h>

#include "base/reader.h"
#include "base/utf8.h"
#include "capture/pg/datetime.h"
#include "capture/pg/numeric.h"
#include "proto/avro_put.h"

enum {
    TEXT_STACK_BYTES = 1024,
    TEXT_BYTES_A_BYTE = 8, /* bits have the longest texts, but for numbers */
    UUID_BYTES = 16,
    UUID_TEXT_BYTES = 36,
    TEXT_VERSION = 1,
    US_A_MS = 1000,
    NS_A_US = 1000,
    ARRAY_DIMENSION_BYTES = 8,
    LENGTH_BYTES = 4,
};

static inline uint16_t u16_at(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t u32_at(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t u64_at(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return __builtin_bswap64(value);
}

/* ---- through the text: the rare types, and what is to be judged ---- */

static bool put_through_heap(const struct pg_encoder *encoder, struct slice bytes, struct buf *out)
{
    SCOPED(buf_done) struct buf text = buf_new(bytes.len * TEXT_BYTES_A_BYTE + PG_NUMERIC_TEXT_BYTES);
    if (!pg_wire_put_text(encoder, bytes, &text))
        return false;
    if (!text.failed)
        return pg_encoder_put(encoder, buf_slice(&text), out);
    out->failed = true;
    return true; /* out is failed: the caller sees that */
}

static bool put_through_text(const struct pg_encoder *encoder, struct slice bytes, struct buf *out)
{
    uint8_t storage[TEXT_STACK_BYTES];
    struct buf text = buf_over(storage, sizeof(storage));
    if (!pg_wire_put_text(encoder, bytes, &text))
        return false;
    return text.failed ? put_through_heap(encoder, bytes, out) : pg_encoder_put(encoder, buf_slice(&text), out);
}

/* Of an element: the encoder is the array's. */
static bool put_one_through_text(const struct pg_encoder *encoder, struct slice bytes, struct buf *out)
{
    struct pg_encoder one = *encoder;
    one.is_array = false;
    return put_through_text(&one, bytes, out);
}

/* ---- one value ---- */

static inline bool put_plain(const struct pg_encoder *encoder, struct slice text, struct buf *out)
{
    if (UNLIKELY(encoder->check_utf8) && !utf8_is_valid(text))
        return false;
    avro_put_bytes(out, text);
    return true;
}

static bool put_text(const struct pg_encoder *encoder, struct slice bytes, struct buf *out)
{
    switch (encoder->wire) {
    case PG_WIRE_TEXT: return put_plain(encoder, bytes, out);
    case PG_WIRE_VERSIONED_TEXT:
        return bytes.len > 0 && bytes.ptr[0] == TEXT_VERSION &&
               put_plain(encoder, slice_of(bytes.ptr + 1, bytes.len - 1), out);
    default: return put_one_through_text(encoder, bytes, out);
    }
}

static bool put_bool(struct slice bytes, struct buf *out)
{
    if (bytes.len != 1 || bytes.ptr[0] > 1)
        return false;
    avro_put_bool(out, bytes.ptr[0] == 1);
    return true;
}

static inline bool put_int2(struct slice bytes, struct buf *out)
{
    if (UNLIKELY(bytes.len != sizeof(int16_t)))
        return false;
    avro_put_long(out, (int16_t)u16_at(bytes.ptr));
    return true;
}

static inline bool put_int4(struct slice bytes, struct buf *out)
{
    if (UNLIKELY(bytes.len != sizeof(int32_t)))
        return false;
    avro_put_long(out, (int32_t)u32_at(bytes.ptr));
    return true;
}

static inline bool put_int8(const struct pg_encoder *encoder, struct slice bytes, struct buf *out)
{
    bool is_short = encoder->wire == PG_WIRE_UINT4;
    if (UNLIKELY(bytes.len != (is_short ? sizeof(uint32_t) : sizeof(int64_t))))
        return false;
    avro_put_long(out, is_short ? (int64_t)u32_at(bytes.ptr) : (int64_t)u64_at(bytes.ptr));
    return true;
}

/* One NaN for all: the text has one only. */
static bool put_float4(struct slice bytes, struct buf *out)
{
    if (bytes.len != sizeof(float))
        return false;
    uint32_t bits = u32_at(bytes.ptr);
    float value;
    memcpy(&value, &bits, sizeof(value));
    avro_put_float(out, isnan(value) ? NAN : value);
    return true;
}

static bool put_float8(struct slice bytes, struct buf *out)
{
    if (bytes.len != sizeof(double))
        return false;
    uint64_t bits = u64_at(bytes.ptr);
    double value;
    memcpy(&value, &bits, sizeof(value));
    avro_put_double(out, isnan(value) ? (double)NAN : value);
    return true;
}

static inline bool put_date(struct slice bytes, struct buf *out)
{
    int32_t days;
    if (UNLIKELY(bytes.len != sizeof(days) || !pg_date_of_number((int32_t)u32_at(bytes.ptr), &days)))
        return false;
    avro_put_long(out, days);
    return true;
}

static bool put_time(struct slice bytes, int64_t unit, struct buf *out)
{
    if (bytes.len != sizeof(int64_t) || !pg_time_is_valid((int64_t)u64_at(bytes.ptr)))
        return false;
    avro_put_long(out, (int64_t)u64_at(bytes.ptr) / unit);
    return true;
}

static bool put_time_ns(struct slice bytes, struct buf *out)
{
    if (bytes.len != sizeof(int64_t) || !pg_time_is_valid((int64_t)u64_at(bytes.ptr)))
        return false;
    avro_put_long(out, (int64_t)u64_at(bytes.ptr) * NS_A_US);
    return true;
}

static inline bool put_timestamp(bool (*convert)(int64_t, int64_t *), struct slice bytes, struct buf *out)
{
    int64_t value;
    if (UNLIKELY(bytes.len != sizeof(value) || !convert((int64_t)u64_at(bytes.ptr), &value)))
        return false;
    avro_put_long(out, value);
    return true;
}

static inline bool put_timestamptz(struct slice bytes, int digits, struct buf *out)
{
    char formatted[PG_ZONED_TEXT_BYTES];
    if (UNLIKELY(bytes.len != sizeof(int64_t)))
        return false;
    size_t len = pg_timestamptz_format_number((int64_t)u64_at(bytes.ptr), digits, formatted);
    avro_put_bytes(out, slice_of(formatted, len));
    return len > 0;
}

static inline bool pg_wire_put_one(const struct pg_encoder *encoder, struct slice bytes, struct buf *out)
{
    switch (encoder->encoding) {
    case PG_ENCODE_TEXT: return put_text(encoder, bytes, out);
    case PG_ENCODE_BOOL: return put_bool(bytes, out);
    case PG_ENCODE_INT16: return put_int2(bytes, out);
    case PG_ENCODE_INT32: return put_int4(bytes, out);
    case PG_ENCODE_INT64: return put_int8(encoder, bytes, out);
    case PG_ENCODE_FLOAT4: return put_float4(bytes, out);
    case PG_ENCODE_FLOAT8: return put_float8(bytes, out);
    case PG_ENCODE_DATE: return put_date(bytes, out);
    case PG_ENCODE_TIME_MS: return put_time(bytes, US_A_MS, out);
    case PG_ENCODE_TIME_US: return put_time(bytes, 1, out);
    case PG_ENCODE_TIME_NS: return put_time_ns(bytes, out);
    case PG_ENCODE_TIMESTAMP_MS: return put_timestamp(pg_timestamp_ms_of_number, bytes, out);
    case PG_ENCODE_TIMESTAMP_US: return put_timestamp(pg_timestamp_of_number, bytes, out);
    case PG_ENCODE_TIMESTAMPTZ: return put_timestamptz(bytes, encoder->scale, out);
    case PG_ENCODE_BYTEA: avro_put_bytes(out, bytes); return true;
    case PG_ENCODE_NUMERIC:
        if (LIKELY(pg_numeric_put_short(bytes, encoder->scale, out)))
            return true;
        break;
    case PG_ENCODE_VARIABLE_NUMERIC:
        if (LIKELY(pg_numeric_put_short_variable(bytes, out)))
            return true;
        break;
    case PG_ENCODE_NUMERIC_DOUBLE:
        if (LIKELY(pg_numeric_put_short_double(bytes, out)))
            return true;
        break;
    default: break;
    }
    return put_one_through_text(encoder, bytes, out);
}

/* ---- arrays ---- */

bool pg_wire_array_open(struct slice bytes, struct pg_wire_array *ret)
{
    struct reader r = reader_of(bytes);
    uint64_t n = 1;
    *ret = (struct pg_wire_array){.n_dimensions = reader_u32(&r)};
    uint32_t has_null = reader_u32(&r);
    reader_u32(&r); /* the elements' type */
    if (reader_failed(&r) || ret->n_dimensions > PG_ARRAY_MAX_DIMENSIONS || has_null > 1)
        return false;
    for (uint32_t i = 0; i < ret->n_dimensions; i++) {
        ret->sizes[i] = reader_u32(&r);
        ret->lower_bounds[i] = (int32_t)reader_u32(&r);
        if (ret->sizes[i] == 0 || ret->sizes[i] > INT32_MAX || __builtin_mul_overflow(n, (uint64_t)ret->sizes[i], &n) ||
            n > reader_left(&r) / LENGTH_BYTES)
            return false;
    }
    ret->n = ret->n_dimensions == 0 ? 0 : n;
    ret->rest = slice_of(r.ptr, reader_left(&r));
    return ret->n > 0 || ret->rest.len == 0;
}

bool pg_wire_array_take(struct pg_wire_array *array, struct slice *ret_element)
{
    if (array->rest.len < LENGTH_BYTES || array->n-- == 0)
        return false;
    uint32_t len = u32_at(array->rest.ptr);
    struct slice rest = slice_of(array->rest.ptr + LENGTH_BYTES, array->rest.len - LENGTH_BYTES);
    bool is_null = len == UINT32_MAX;
    len = is_null ? 0 : len;
    if (len > rest.len)
        return false;
    *ret_element = is_null ? (struct slice){0} : slice_of(rest.ptr, len);
    array->rest = slice_of(rest.ptr + len, rest.len - len);
    return array->n > 0 || array->rest.len == 0;
}

int pg_value_dimensions(const struct pgoutput_value *value)
{
    struct pg_wire_array array;
    if (value->kind != PGOUTPUT_TUPLE_BINARY)
        return pg_array_dimensions(value->bytes);
    return pg_wire_array_open(value->bytes, &array) ? MAX((int)array.n_dimensions, 1) : 0;
}

static bool put_array(const struct pg_encoder *encoder, struct slice bytes, struct buf *out)
{
    struct pg_wire_array array;
    struct slice element;
    if (!pg_wire_array_open(bytes, &array))
        return false;
    if (array.n_dimensions > 1)
        return put_through_text(encoder, bytes, out);
    if (encoder->dimensions < 1)
        return false;
    if (array.n > 0)
        avro_put_long(out, (int64_t)array.n);
    while (array.n > 0) {
        if (!pg_wire_array_take(&array, &element))
            return false;
        if (element.ptr == NULL) {
            avro_put_null(out);
            continue;
        }
        avro_put_some(out);
        if (!pg_wire_put_one(encoder, element, out))
            return false;
    }
    avro_put_long(out, 0);
    return true;
}

bool pg_wire_put(const struct pg_encoder *encoder, struct slice bytes, struct buf *out)
{
    if (UNLIKELY(encoder->wire == PG_WIRE_NONE))
        return false;
    return UNLIKELY(encoder->is_array) ? put_array(encoder, bytes, out) : pg_wire_put_one(encoder, bytes, out);
}
