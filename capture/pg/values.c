/* The value half of types.h: from a value's text to its Avro bytes. */
#include <openssl/evp.h>
#include <stdio.h>

#include "base/utf8.h"
#include "capture/pg/array.h"
#include "capture/pg/bytes.h"
#include "capture/pg/datetime.h"
#include "capture/pg/geometry.h"
#include "capture/pg/hstore.h"
#include "capture/pg/number.h"
#include "capture/pg/types.h"
#include "capture/pg/vector.h"
#include "proto/avro_put.h"

enum { US_A_MS = 1000, NS_A_US = 1000, UUID_BYTES = 16 };

static bool put_text(const struct pg_encoder *encoder, struct slice text, struct buf *out)
{
    if (encoder->check_utf8 && !utf8_is_valid(text))
        return false;
    avro_put_bytes(out, text);
    return true;
}

static bool put_formatted(const char *text, size_t len, struct buf *out)
{
    avro_put_bytes(out, slice_of(text, len));
    return len > 0;
}

static bool put_moment(size_t (*format)(struct slice, char *), struct slice text, struct buf *out)
{
    char formatted[PG_ZONED_TEXT_BYTES];
    return put_formatted(formatted, format(text, formatted), out);
}

static bool put_timestamptz(struct slice text, int digits, struct buf *out)
{
    char formatted[PG_ZONED_TEXT_BYTES];
    return put_formatted(formatted, pg_timestamptz_format(text, digits, formatted), out);
}

static bool put_interval_text(struct slice text, struct buf *out)
{
    char formatted[PG_INTERVAL_TEXT_BYTES];
    return put_formatted(formatted, pg_interval_format(text, formatted), out);
}

/* In units of `unit` of what was parsed: only times of day, which have no sign, have one but 1. */
static bool put_units(bool (*parse)(struct slice, int64_t *), struct slice text, int64_t unit, struct buf *out)
{
    int64_t value;
    if (!parse(text, &value))
        return false;
    avro_put_long(out, value / unit);
    return true;
}

/* Nanoseconds of 64 bits end in 2262; Debezium's infinity is their end. */
static bool put_nanoseconds(bool (*parse)(struct slice, int64_t *), struct slice text, struct buf *out)
{
    int64_t us, ns;
    if (!parse(text, &us))
        return false;
    if (us == PG_TIMESTAMP_INFINITY_US || us == PG_TIMESTAMP_MINUS_INFINITY_US)
        ns = us > 0 ? INT64_MAX : INT64_MIN;
    else if (__builtin_mul_overflow(us, (int64_t)NS_A_US, &ns))
        return false;
    avro_put_long(out, ns);
    return true;
}

static bool put_date(struct slice text, struct buf *out)
{
    int32_t days;
    if (!pg_date_parse(text, &days))
        return false;
    avro_put_long(out, days);
    return true;
}

bool pg_encoder_put_one(const struct pg_encoder *encoder, struct slice text, struct buf *out)
{
    switch (encoder->encoding) {
    case PG_ENCODE_TEXT: return put_text(encoder, text, out);
    case PG_ENCODE_BOOL: return pg_bool_put(text, out);
    case PG_ENCODE_INT16: return pg_integer_put(text, INT16_MIN, INT16_MAX, out);
    case PG_ENCODE_INT32: return pg_integer_put(text, INT32_MIN, INT32_MAX, out);
    case PG_ENCODE_INT64: return pg_integer_put(text, INT64_MIN, INT64_MAX, out);
    case PG_ENCODE_FLOAT4: return pg_float4_put(text, out);
    case PG_ENCODE_FLOAT8: return pg_float8_put(text, out);
    case PG_ENCODE_NUMERIC: return avro_put_decimal(out, text, encoder->scale);
    case PG_ENCODE_VARIABLE_NUMERIC: return pg_variable_numeric_put(text, out);
    case PG_ENCODE_NUMERIC_DOUBLE: return pg_numeric_put_double(text, out);
    case PG_ENCODE_NUMERIC_TEXT: return pg_numeric_put_text(text, out);
    case PG_ENCODE_MONEY: return pg_money_put(text, encoder->scale, out);
    case PG_ENCODE_MONEY_DOUBLE: return pg_money_put_double(text, out);
    case PG_ENCODE_MONEY_TEXT: return pg_money_put_text(text, out);
    case PG_ENCODE_BYTEA: return pg_bytea_put(text, out);
    case PG_ENCODE_BYTEA_BASE64: return pg_bytea_put_base64(text, false, out);
    case PG_ENCODE_BYTEA_BASE64_URL_SAFE: return pg_bytea_put_base64(text, true, out);
    case PG_ENCODE_BYTEA_HEX: return pg_bytea_put_hex(text, out);
    case PG_ENCODE_BIT: return pg_bit_put(text, out);
    case PG_ENCODE_BITS: return pg_bits_put(text, out);
    case PG_ENCODE_DATE: return put_date(text, out);
    case PG_ENCODE_DATE_ISO: return put_moment(pg_date_format, text, out);
    case PG_ENCODE_TIME_MS: return put_units(pg_time_parse, text, US_A_MS, out);
    case PG_ENCODE_TIME_US: return put_units(pg_time_parse, text, 1, out);
    case PG_ENCODE_TIME_NS: return put_nanoseconds(pg_time_parse, text, out);
    case PG_ENCODE_TIME_ISO: return put_moment(pg_time_format, text, out);
    case PG_ENCODE_TIMETZ: return put_moment(pg_timetz_format, text, out);
    case PG_ENCODE_TIMESTAMP_MS: return put_units(pg_timestamp_parse_ms, text, 1, out);
    case PG_ENCODE_TIMESTAMP_US: return put_units(pg_timestamp_parse, text, 1, out);
    case PG_ENCODE_TIMESTAMP_NS: return put_nanoseconds(pg_timestamp_parse, text, out);
    case PG_ENCODE_TIMESTAMP_ISO: return put_moment(pg_timestamp_format, text, out);
    case PG_ENCODE_TIMESTAMPTZ: return put_timestamptz(text, encoder->scale, out);
    case PG_ENCODE_INTERVAL: return put_units(pg_interval_parse, text, 1, out);
    case PG_ENCODE_INTERVAL_TEXT: return put_interval_text(text, out);
    case PG_ENCODE_POINT: return pg_point_put(text, out);
    case PG_ENCODE_GEOMETRY: return pg_geometry_put(text, out);
    case PG_ENCODE_VECTOR: return pg_vector_put(text, false, out);
    case PG_ENCODE_HALF_VECTOR: return pg_vector_put(text, true, out);
    case PG_ENCODE_SPARSE_VECTOR: return pg_sparse_vector_put(text, out);
    case PG_ENCODE_HSTORE_JSON: return (!encoder->check_utf8 || utf8_is_valid(text)) && pg_hstore_put_json(text, out);
    case PG_ENCODE_HSTORE_MAP: return (!encoder->check_utf8 || utf8_is_valid(text)) && pg_hstore_put_map(text, out);
    }
    return false;
}

bool pg_encoder_put(const struct pg_encoder *encoder, struct slice text, struct buf *out)
{
    if (UNLIKELY(encoder->is_array))
        return pg_array_put(encoder, text, out);
    return pg_encoder_put_one(encoder, text, out);
}

/* ---- what stands for a value that did not travel ---- */

static void put_zero_decimal_text(int scale, struct buf *out)
{
    char text[32] = "0";
    if (scale > 0)
        snprintf(text, sizeof(text), "0.%0*d", MIN(scale, 18), 0);
    avro_put_str(out, text);
}

static void put_zero_sparse_vector(struct buf *out)
{
    avro_put_long(out, 0);
    avro_put_long(out, 0);
}

void pg_encoder_put_zero(const struct pg_encoder *encoder, struct buf *out)
{
    if (encoder->is_array) {
        avro_put_long(out, 0);
        return;
    }
    switch (encoder->encoding) {
    case PG_ENCODE_TEXT:
    case PG_ENCODE_BYTEA:
    case PG_ENCODE_BYTEA_BASE64:
    case PG_ENCODE_BYTEA_BASE64_URL_SAFE:
    case PG_ENCODE_BYTEA_HEX:
    case PG_ENCODE_BITS: avro_put_str(out, ""); break;
    case PG_ENCODE_HSTORE_JSON: avro_put_str(out, "{}"); break;
    case PG_ENCODE_BIT:
    case PG_ENCODE_BOOL: avro_put_bool(out, false); break;
    case PG_ENCODE_FLOAT4: avro_put_float(out, 0); break;
    case PG_ENCODE_NUMERIC_DOUBLE:
    case PG_ENCODE_MONEY_DOUBLE:
    case PG_ENCODE_FLOAT8: avro_put_double(out, 0); break;
    case PG_ENCODE_MONEY:
    case PG_ENCODE_NUMERIC: (void)!avro_put_decimal(out, slice_of_str("0"), encoder->scale); break;
    case PG_ENCODE_VARIABLE_NUMERIC: (void)!avro_put_variable_decimal(out, slice_of_str("0")); break;
    case PG_ENCODE_NUMERIC_TEXT:
    case PG_ENCODE_MONEY_TEXT: put_zero_decimal_text(encoder->scale, out); break;
    case PG_ENCODE_TIME_ISO:
    case PG_ENCODE_TIMETZ: avro_put_str(out, "00:00:00Z"); break;
    case PG_ENCODE_DATE_ISO: avro_put_str(out, "1970-01-01Z"); break;
    case PG_ENCODE_TIMESTAMP_ISO:
    case PG_ENCODE_TIMESTAMPTZ: avro_put_str(out, "1970-01-01T00:00:00Z"); break;
    case PG_ENCODE_INTERVAL_TEXT: avro_put_str(out, "P0Y0M0DT0H0M0S"); break;
    case PG_ENCODE_POINT: (void)!pg_point_put(slice_of_str("(0,0)"), out); break;
    case PG_ENCODE_GEOMETRY: pg_geometry_put_empty(out); break;
    case PG_ENCODE_SPARSE_VECTOR: put_zero_sparse_vector(out); break;
    case PG_ENCODE_VECTOR:
    case PG_ENCODE_HALF_VECTOR:
    case PG_ENCODE_HSTORE_MAP:
    case PG_ENCODE_INT16:
    case PG_ENCODE_INT32:
    case PG_ENCODE_INT64:
    case PG_ENCODE_DATE:
    case PG_ENCODE_TIME_MS:
    case PG_ENCODE_TIME_US:
    case PG_ENCODE_TIME_NS:
    case PG_ENCODE_INTERVAL:
    case PG_ENCODE_TIMESTAMP_MS:
    case PG_ENCODE_TIMESTAMP_US:
    case PG_ENCODE_TIMESTAMP_NS: avro_put_long(out, 0); break;
    }
}

/* The bytes of the placeholder as numbers: Debezium's way for integer[], bigint[] and date[]. */
static void put_placeholder_numbers(struct slice placeholder, struct buf *out)
{
    if (placeholder.len > 0)
        avro_put_long(out, (int64_t)placeholder.len);
    for (size_t i = 0; i < placeholder.len; i++) {
        avro_put_some(out);
        avro_put_long(out, (int8_t)placeholder.ptr[i]);
    }
    avro_put_long(out, 0);
}

/* Java's UUID.nameUUIDFromBytes: version 3 without a namespace. */
static void put_placeholder_uuid(struct slice placeholder, struct buf *out)
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    char text[37], *at = text;
    EVP_Digest(placeholder.ptr, placeholder.len, digest, NULL, EVP_md5(), NULL);
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x30);
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    for (int i = 0; i < UUID_BYTES; i++)
        at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", digest[i]);
    avro_put_str(out, text);
}

static void put_placeholder_array(const struct pg_encoder *encoder, struct buf *out)
{
    struct slice placeholder = slice_of_str(encoder->unavailable_value);
    switch (encoder->encoding) {
    case PG_ENCODE_INT32:
    case PG_ENCODE_INT64:
    case PG_ENCODE_DATE: put_placeholder_numbers(placeholder, out); return;
    default: break;
    }
    avro_put_long(out, 1);
    avro_put_some(out);
    if (encoder->is_uuid)
        put_placeholder_uuid(placeholder, out);
    else
        avro_put_bytes(out, placeholder);
    avro_put_long(out, 0);
}

static void put_placeholder_map(const char *placeholder, struct buf *out)
{
    avro_put_long(out, 1);
    avro_put_str(out, placeholder);
    avro_put_some(out);
    avro_put_str(out, placeholder);
    avro_put_long(out, 0);
}

bool pg_encoder_put_unavailable(const struct pg_encoder *encoder, struct buf *out)
{
    const char *placeholder = encoder->unavailable_value;
    if (placeholder == NULL)
        return false;
    if (encoder->is_array) {
        put_placeholder_array(encoder, out);
    } else if (encoder->encoding == PG_ENCODE_HSTORE_JSON) {
        size_t start = out->len;
        buf_put_u8(out, '{');
        buf_put_json_string(out, slice_of_str(placeholder));
        buf_put_u8(out, ':');
        buf_put_json_string(out, slice_of_str(placeholder));
        buf_put_u8(out, '}');
        avro_put_length_before(out, start);
    } else if (encoder->encoding == PG_ENCODE_HSTORE_MAP) {
        put_placeholder_map(placeholder, out);
    } else {
        avro_put_str(out, placeholder);
    }
    return true;
}
