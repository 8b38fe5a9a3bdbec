/* The other half of wire.h: the texts that the types' output functions write, with the settings of our sessions
 * (datetime.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/reader.h"
#include "capture/pg/datetime.h"
#include "capture/pg/numeric.h"
#include "capture/pg/wire.h"

enum { TEXT_VERSION = 1, UUID_BYTES = 16, FLOAT_TEXT_BYTES = 40, HIGHEST_ASCII = 127 };

static const char hex_digits[] = "0123456789abcdef";

static bool put_formatted(const char *text, size_t len, struct buf *out)
{
    buf_put(out, text, len);
    return len > 0;
}

/* ---- texts, bytes ---- */

static bool put_versioned(struct slice bytes, struct buf *out)
{
    if (bytes.len == 0 || bytes.ptr[0] != TEXT_VERSION)
        return false;
    buf_put(out, bytes.ptr + 1, bytes.len - 1);
    return true;
}

/* charout(): nothing for a zero, octal beyond ASCII (from 16 on; before, a byte that is no text). */
static bool put_char(struct slice bytes, struct buf *out)
{
    if (bytes.len != 1)
        return false;
    if (bytes.ptr[0] > HIGHEST_ASCII)
        buf_printf(out, "\\%03o", bytes.ptr[0]);
    else if (bytes.ptr[0] != 0)
        buf_put_u8(out, bytes.ptr[0]);
    return true;
}

static bool put_bytea(struct slice bytes, struct buf *out)
{
    buf_put_str(out, "\\x");
    uint8_t *at = buf_reserve(out, 2 * bytes.len);
    for (size_t i = 0; at != NULL && i < bytes.len; i++) {
        at[2 * i] = (uint8_t)hex_digits[bytes.ptr[i] >> 4];
        at[2 * i + 1] = (uint8_t)hex_digits[bytes.ptr[i] & 15];
    }
    out->len += at == NULL ? 0 : 2 * bytes.len;
    return true;
}

static bool put_bits(struct slice bytes, struct buf *out)
{
    struct reader r = reader_of(bytes);
    uint32_t n = reader_u32(&r);
    if (reader_failed(&r) || reader_left(&r) != ((uint64_t)n + 7) / 8)
        return false;
    uint8_t *at = buf_reserve(out, n);
    for (uint32_t i = 0; at != NULL && i < n; i++)
        at[i] = (uint8_t)('0' + (r.ptr[i / 8] >> (7 - i % 8) & 1));
    out->len += at == NULL ? 0 : n;
    return true;
}

static bool put_uuid(struct slice bytes, struct buf *out)
{
    char text[36], *at = text;
    if (bytes.len != UUID_BYTES)
        return false;
    for (int i = 0; i < UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = hex_digits[bytes.ptr[i] >> 4];
        *at++ = hex_digits[bytes.ptr[i] & 15];
    }
    return put_formatted(text, sizeof(text), out);
}

/* ---- numbers ---- */

static bool put_bool(struct slice bytes, struct buf *out)
{
    if (bytes.len != 1 || bytes.ptr[0] > 1)
        return false;
    buf_put_u8(out, bytes.ptr[0] == 1 ? 't' : 'f');
    return true;
}

static bool put_integer(struct slice bytes, enum pg_wire wire, struct buf *out)
{
    struct reader r = reader_of(bytes);
    int64_t value = wire == PG_WIRE_INT2    ? (int16_t)reader_u16(&r)
                    : wire == PG_WIRE_INT4  ? (int32_t)reader_u32(&r)
                    : wire == PG_WIRE_UINT4 ? (int64_t)reader_u32(&r)
                                            : (int64_t)reader_u64(&r);
    if (reader_failed(&r) || reader_left(&r) > 0)
        return false;
    buf_printf(out, "%lld", (long long)value);
    return true;
}

/* Whether so many digits read back as the same number; they are in text then, as d.ddde+xx. */
static bool has_digits(double value, bool is_single, int digits, char text[FLOAT_TEXT_BYTES])
{
    snprintf(text, FLOAT_TEXT_BYTES, "%.*e", digits - 1, value);
    return is_single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* The shortest text that reads back as the same number; without an exponent as long as %g writes none. */
static bool put_float(double value, bool is_single, struct buf *out)
{
    char text[FLOAT_TEXT_BYTES];
    int digits = 1, without_exponent = is_single ? 6 : 15;
    if (isnan(value) || isinf(value)) {
        buf_put_str(out, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
        return true;
    }
    while (!has_digits(value, is_single, digits, text))
        digits++;
    int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent >= -4 && exponent < without_exponent)
        buf_printf(out, "%.*f", exponent >= digits - 1 ? 0 : digits - 1 - exponent, value);
    else
        buf_put_str(out, text);
    return true;
}

static bool put_float4(struct slice bytes, struct buf *out)
{
    struct reader r = reader_of(bytes);
    uint32_t bits = reader_u32(&r);
    float value;
    memcpy(&value, &bits, sizeof(value));
    return !reader_failed(&r) && reader_left(&r) == 0 && put_float((double)value, true, out);
}

static bool put_float8(struct slice bytes, struct buf *out)
{
    struct reader r = reader_of(bytes);
    uint64_t bits = reader_u64(&r);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return !reader_failed(&r) && reader_left(&r) == 0 && put_float(value, false, out);
}

/* ---- moments ---- */

static bool put_moment(struct slice bytes, enum pg_wire wire, struct buf *out)
{
    char text[PG_INTERVAL_TEXT_BYTES];
    struct reader r = reader_of(bytes);
    int32_t days = wire == PG_WIRE_DATE ? (int32_t)reader_u32(&r) : 0;
    int64_t us = wire == PG_WIRE_DATE ? 0 : (int64_t)reader_u64(&r);
    if (wire == PG_WIRE_INTERVAL || wire == PG_WIRE_TIMETZ)
        days = (int32_t)reader_u32(&r); /* of a timetz: the zone's seconds */
    int32_t months = wire == PG_WIRE_INTERVAL ? (int32_t)reader_u32(&r) : 0;
    if (reader_failed(&r) || reader_left(&r) > 0)
        return false;
    switch (wire) {
    case PG_WIRE_DATE: return put_formatted(text, pg_date_put_text(days, text), out);
    case PG_WIRE_TIME: return put_formatted(text, pg_time_put_text(us, text), out);
    case PG_WIRE_TIMETZ: return put_formatted(text, pg_timetz_put_text(us, days, text), out);
    case PG_WIRE_TIMESTAMP: return put_formatted(text, pg_timestamp_put_text(us, "", text), out);
    case PG_WIRE_TIMESTAMPTZ: return put_formatted(text, pg_timestamp_put_text(us, "+00", text), out);
    default: return put_formatted(text, pg_interval_put_text(us, days, months, text), out);
    }
}

/* ---- hstore ---- */

static void put_quoted(struct slice text, struct buf *out)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_put_u8(out, '\\');
        buf_put_u8(out, text.ptr[i]);
    }
    buf_put_u8(out, '"');
}

static bool put_hstore(struct slice bytes, struct buf *out)
{
    struct reader r = reader_of(bytes);
    uint32_t n = reader_u32(&r);
    for (uint32_t i = 0; i < n && !reader_failed(&r); i++) {
        struct slice key = reader_bytes(&r, reader_u32(&r));
        uint32_t len = reader_u32(&r);
        if (i > 0)
            buf_put_str(out, ", ");
        put_quoted(key, out);
        buf_put_str(out, "=>");
        if (len == UINT32_MAX)
            buf_put_str(out, "NULL");
        else
            put_quoted(reader_bytes(&r, len), out);
    }
    return !reader_failed(&r) && reader_left(&r) == 0;
}

bool pg_wire_put_text_one(enum pg_wire wire, struct slice bytes, struct buf *out)
{
    switch (wire) {
    case PG_WIRE_NONE: break;
    case PG_WIRE_TEXT: buf_put_slice(out, bytes); return true;
    case PG_WIRE_VERSIONED_TEXT: return put_versioned(bytes, out);
    case PG_WIRE_CHAR: return put_char(bytes, out);
    case PG_WIRE_BOOL: return put_bool(bytes, out);
    case PG_WIRE_INT2:
    case PG_WIRE_INT4:
    case PG_WIRE_INT8:
    case PG_WIRE_UINT4: return put_integer(bytes, wire, out);
    case PG_WIRE_FLOAT4: return put_float4(bytes, out);
    case PG_WIRE_FLOAT8: return put_float8(bytes, out);
    case PG_WIRE_NUMERIC: return pg_numeric_put_server_text(bytes, out);
    case PG_WIRE_BYTEA: return put_bytea(bytes, out);
    case PG_WIRE_BITS: return put_bits(bytes, out);
    case PG_WIRE_UUID: return put_uuid(bytes, out);
    case PG_WIRE_DATE:
    case PG_WIRE_TIME:
    case PG_WIRE_TIMETZ:
    case PG_WIRE_TIMESTAMP:
    case PG_WIRE_TIMESTAMPTZ:
    case PG_WIRE_INTERVAL: return put_moment(bytes, wire, out);
    case PG_WIRE_HSTORE: return put_hstore(bytes, out);
    }
    return false;
}

/* ---- arrays ---- */

/* array_out(): quotes around what would be read as something else. */
static bool wants_quotes(struct slice text, char delimiter)
{
    if (text.len == 0 || (text.len == 4 && strncasecmp((const char *)text.ptr, "null", 4) == 0))
        return true;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '"' || c == '\\' || c == '{' || c == '}' || c == (uint8_t)delimiter || c == ' ' ||
            (c >= '\t' && c <= '\r'))
            return true;
    }
    return false;
}

static bool put_element(const struct pg_encoder *encoder, struct slice element, struct buf *out)
{
    if (element.ptr == NULL) {
        buf_put_str(out, "NULL");
        return true;
    }
    size_t start = out->len;
    if (!pg_wire_put_text_one(encoder->wire, element, out))
        return false;
    struct slice text = slice_of(out->ptr + start, out->len - start);
    if (out->failed || !wants_quotes(text, encoder->delimiter))
        return true;
    SCOPED(buf_done) struct buf copy = buf_new(text.len);
    buf_put_slice(&copy, text);
    out->len = start;
    put_quoted(buf_slice(&copy), out);
    out->failed = out->failed || copy.failed;
    return true;
}

/* "[2:3]=" when a dimension does not begin at 1. */
static void put_bounds(const struct pg_wire_array *array, struct buf *out)
{
    bool wanted = false;
    for (uint32_t i = 0; i < array->n_dimensions; i++)
        wanted = wanted || array->lower_bounds[i] != 1;
    for (uint32_t i = 0; wanted && i < array->n_dimensions; i++)
        buf_printf(out, "[%d:%lld]", array->lower_bounds[i],
                   (long long)array->lower_bounds[i] + (long long)array->sizes[i] - 1);
    if (wanted)
        buf_put_u8(out, '=');
}

static bool put_array(const struct pg_encoder *encoder, struct slice bytes, struct buf *out)
{
    struct pg_wire_array array;
    uint32_t taken[PG_ARRAY_MAX_DIMENSIONS] = {0}; /* of each dimension that is open */
    if (!pg_wire_array_open(bytes, &array))
        return false;
    put_bounds(&array, out);
    if (array.n_dimensions == 0)
        buf_put_str(out, "{}");
    for (uint32_t depth = 0; array.n > 0;) {
        for (; depth < array.n_dimensions; depth++)
            buf_put_u8(out, '{');
        struct slice element;
        if (!pg_wire_array_take(&array, &element) || !put_element(encoder, element, out))
            return false;
        for (; depth > 0 && ++taken[depth - 1] == array.sizes[depth - 1]; depth--) {
            taken[depth - 1] = 0;
            buf_put_u8(out, '}');
        }
        if (depth > 0)
            buf_put_u8(out, (uint8_t)encoder->delimiter);
    }
    return true;
}

bool pg_wire_put_text(const struct pg_encoder *encoder, struct slice bytes, struct buf *out)
{
    if (encoder->wire == PG_WIRE_NONE)
        return false;
    return encoder->is_array ? put_array(encoder, bytes, out) : pg_wire_put_text_one(encoder->wire, bytes, out);
}

bool pg_value_put_text(const struct pg_encoder *encoder, const struct pgoutput_value *value, struct buf *out)
{
    if (value->kind == PGOUTPUT_TUPLE_BINARY)
        return pg_wire_put_text(encoder, value->bytes, out);
    buf_put_slice(out, value->bytes);
    return true;
}
