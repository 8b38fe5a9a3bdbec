#include "capture/pg/types.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "capture/pg/datetime.h"
#include "proto/avro_put.h"

static const char UNAVAILABLE_VALUE[] = "__debezium_unavailable_value";

/* Type OIDs never change: src/include/catalog/pg_type.dat. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_JSON = 114,
    OID_XML = 142,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_MONEY = 790,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_DATE = 1082,
    OID_TIME = 1083,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
    OID_INTERVAL = 1186,
    OID_TIMETZ = 1266,
    OID_NUMERIC = 1700,
    OID_UUID = 2950,
    OID_JSONB = 3802,
};

static const struct {
    uint32_t oid;
    enum column_type type;
    enum pg_encoding encoding;
} types[] = {
    {OID_BOOL, COLUMN_BOOL, PG_ENCODE_BOOL},
    {OID_BYTEA, COLUMN_BYTES, PG_ENCODE_BYTEA},
    {OID_INT8, COLUMN_INT64, PG_ENCODE_INT64},
    {OID_INT2, COLUMN_INT16, PG_ENCODE_INT16},
    {OID_INT4, COLUMN_INT32, PG_ENCODE_INT32},
    {OID_OID, COLUMN_INT64, PG_ENCODE_INT64},
    {OID_JSON, COLUMN_JSON, PG_ENCODE_TEXT},
    {OID_JSONB, COLUMN_JSON, PG_ENCODE_TEXT},
    {OID_XML, COLUMN_XML, PG_ENCODE_TEXT},
    {OID_FLOAT4, COLUMN_FLOAT, PG_ENCODE_FLOAT4},
    {OID_FLOAT8, COLUMN_DOUBLE, PG_ENCODE_FLOAT8},
    {OID_MONEY, COLUMN_DECIMAL, PG_ENCODE_MONEY},
    {OID_BPCHAR, COLUMN_STRING, PG_ENCODE_TEXT},
    {OID_VARCHAR, COLUMN_STRING, PG_ENCODE_TEXT},
    {OID_DATE, COLUMN_DATE, PG_ENCODE_DATE},
    {OID_TIME, COLUMN_TIME_US, PG_ENCODE_TIME},
    {OID_TIMETZ, COLUMN_ZONED_TIME, PG_ENCODE_TIMETZ},
    {OID_TIMESTAMP, COLUMN_TIMESTAMP_US, PG_ENCODE_TIMESTAMP_US},
    {OID_TIMESTAMPTZ, COLUMN_ZONED_TIMESTAMP, PG_ENCODE_TIMESTAMPTZ},
    {OID_INTERVAL, COLUMN_INTERVAL_US, PG_ENCODE_INTERVAL},
    {OID_NUMERIC, COLUMN_VARIABLE_DECIMAL, PG_ENCODE_VARIABLE_NUMERIC},
    {OID_UUID, COLUMN_UUID, PG_ENCODE_TEXT},
};

enum { VARHDRSZ = 4, MONEY_PRECISION = 19, MONEY_SCALE = 2, TIMESTAMP_MS_DIGITS = 3 };

/* numeric_typmod_scale(): eleven bits, signed since 15. */
static void describe_numeric(int32_t typmod, struct column *column, struct pg_encoder *encoder)
{
    if (typmod < VARHDRSZ)
        return;
    int precision = (typmod - VARHDRSZ) >> 16 & 0xffff;
    int scale = (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
    if (scale < 0)
        return; /* Avro has no negative scale: each value carries its own */
    column->type = COLUMN_DECIMAL;
    column->precision = MAX(precision, scale);
    column->scale = scale;
    encoder->encoding = PG_ENCODE_NUMERIC;
    encoder->scale = scale;
}

void pg_type_describe(const struct pg_type *type, struct column *ret_column, struct pg_encoder *ret_encoder)
{
    ret_column->type = COLUMN_STRING;
    ret_encoder->encoding = PG_ENCODE_TEXT;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].oid == type->oid) {
            ret_column->type = types[i].type;
            ret_encoder->encoding = types[i].encoding;
        }
    }
    if (type->enum_labels != NULL) {
        ret_column->type = COLUMN_ENUM;
        ret_column->enum_labels = type->enum_labels;
    }
    switch (type->oid) {
    case OID_NUMERIC: describe_numeric(type->typmod, ret_column, ret_encoder); break;
    case OID_MONEY:
        ret_column->precision = MONEY_PRECISION;
        ret_column->scale = ret_encoder->scale = MONEY_SCALE;
        break;
    case OID_BPCHAR:
    case OID_VARCHAR: ret_column->length = type->typmod < VARHDRSZ ? 0 : type->typmod - VARHDRSZ; break;
    case OID_TIMESTAMP:
        if (type->typmod >= 0 && type->typmod <= TIMESTAMP_MS_DIGITS) {
            ret_column->type = COLUMN_TIMESTAMP_MS;
            ret_encoder->encoding = PG_ENCODE_TIMESTAMP_MS;
        }
        break;
    default: break;
    }
}

/* ---- values ---- */

static bool put_bool(struct slice text, struct buf *out)
{
    if (text.len != 1 || (text.ptr[0] != 't' && text.ptr[0] != 'f'))
        return false;
    avro_put_bool(out, text.ptr[0] == 't');
    return true;
}

static bool put_integer(struct slice text, int64_t min, int64_t max, struct buf *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t i = negative;
    uint64_t magnitude = 0;
    if (i == text.len || text.len > 20)
        return false;
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)text.ptr[i] - '0';
        if (digit > 9 || magnitude > (UINT64_MAX - digit) / 10)
            return false;
        magnitude = magnitude * 10 + digit;
    }
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    int64_t value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    if (value < min || value > max)
        return false;
    avro_put_long(out, value);
    return true;
}

/* strtod takes more than the server writes: hex, blanks, "nan(...)". */
static bool copy_float_text(struct slice text, char out[64])
{
    bool is_word = slice_eq_str(text, "NaN") || slice_eq_str(text, "Infinity") || slice_eq_str(text, "-Infinity");
    if (text.len == 0 || text.len >= 64)
        return false;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return is_word || strspn(out, "0123456789+-.eE") == text.len;
}

static bool put_float4(struct slice text, struct buf *out)
{
    char copy[64], *end;
    if (!copy_float_text(text, copy))
        return false;
    float value = strtof(copy, &end);
    if (*end != '\0' || end == copy)
        return false;
    avro_put_float(out, value);
    return true;
}

static bool put_float8(struct slice text, struct buf *out)
{
    char copy[64], *end;
    if (!copy_float_text(text, copy))
        return false;
    double value = strtod(copy, &end);
    if (*end != '\0' || end == copy)
        return false;
    avro_put_double(out, value);
    return true;
}

/* "-$1,234.00", as lc_monetary C has it. */
static bool put_money(struct slice text, struct buf *out)
{
    char plain[64];
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '$' || text.ptr[i] == ',')
            continue;
        if (n == sizeof(plain))
            return false;
        plain[n++] = (char)text.ptr[i];
    }
    return avro_put_decimal(out, slice_of(plain, n), MONEY_SCALE);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool put_bytea(struct slice text, struct buf *out)
{
    if (text.len < 2 || text.len % 2 != 0 || text.ptr[0] != '\\' || text.ptr[1] != 'x')
        return false;
    size_t n = text.len / 2 - 1;
    avro_put_long(out, (int64_t)n);
    uint8_t *at = buf_reserve(out, n);
    if (at == NULL)
        return true; /* out is failed: the caller sees that */
    const uint8_t *hex = text.ptr + 2;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        at[i] = (uint8_t)(high << 4 | low);
    }
    out->len += n;
    return true;
}

static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

static bool put_timestamp(struct slice text, int64_t unit_us, struct buf *out)
{
    int64_t us;
    if (!pg_timestamp_parse(text, &us))
        return false;
    avro_put_long(out, floor_div(us, unit_us));
    return true;
}

static bool put_zoned(size_t (*format)(struct slice, char *), struct slice text, struct buf *out)
{
    char zoned[PG_ZONED_TEXT_BYTES];
    size_t len = format(text, zoned);
    if (len == 0)
        return false;
    avro_put_bytes(out, slice_of(zoned, len));
    return true;
}

static bool put_us(bool (*parse)(struct slice, int64_t *), struct slice text, struct buf *out)
{
    int64_t us;
    if (!parse(text, &us))
        return false;
    avro_put_long(out, us);
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

bool pg_encoder_put(const struct pg_encoder *encoder, struct slice text, struct buf *out)
{
    switch (encoder->encoding) {
    case PG_ENCODE_TEXT:
        if (encoder->check_utf8 && !utf8_is_valid(text))
            return false;
        avro_put_bytes(out, text);
        return true;
    case PG_ENCODE_BOOL: return put_bool(text, out);
    case PG_ENCODE_INT16: return put_integer(text, INT16_MIN, INT16_MAX, out);
    case PG_ENCODE_INT32: return put_integer(text, INT32_MIN, INT32_MAX, out);
    case PG_ENCODE_INT64: return put_integer(text, INT64_MIN, INT64_MAX, out);
    case PG_ENCODE_FLOAT4: return put_float4(text, out);
    case PG_ENCODE_FLOAT8: return put_float8(text, out);
    case PG_ENCODE_NUMERIC: return avro_put_decimal(out, text, encoder->scale);
    case PG_ENCODE_VARIABLE_NUMERIC: return avro_put_variable_decimal(out, text);
    case PG_ENCODE_MONEY: return put_money(text, out);
    case PG_ENCODE_BYTEA: return put_bytea(text, out);
    case PG_ENCODE_DATE: return put_date(text, out);
    case PG_ENCODE_TIME: return put_us(pg_time_parse, text, out);
    case PG_ENCODE_INTERVAL: return put_us(pg_interval_parse, text, out);
    case PG_ENCODE_TIMETZ: return put_zoned(pg_timetz_format, text, out);
    case PG_ENCODE_TIMESTAMPTZ: return put_zoned(pg_timestamptz_format, text, out);
    case PG_ENCODE_TIMESTAMP_US: return put_timestamp(text, 1, out);
    case PG_ENCODE_TIMESTAMP_MS: return put_timestamp(text, 1000, out);
    }
    return false;
}

void pg_encoder_put_zero(const struct pg_encoder *encoder, const struct column *column, struct buf *out)
{
    static const struct slice zero = {(const uint8_t *)"0", 1};
    switch (encoder->encoding) {
    case PG_ENCODE_TEXT: avro_put_str(out, column->type == COLUMN_JSON ? "{}" : ""); break;
    case PG_ENCODE_BYTEA: avro_put_str(out, ""); break;
    case PG_ENCODE_BOOL: avro_put_bool(out, false); break;
    case PG_ENCODE_FLOAT4: avro_put_float(out, 0); break;
    case PG_ENCODE_FLOAT8: avro_put_double(out, 0); break;
    case PG_ENCODE_MONEY:
    case PG_ENCODE_NUMERIC: (void)!avro_put_decimal(out, zero, encoder->scale); break;
    case PG_ENCODE_VARIABLE_NUMERIC: (void)!avro_put_variable_decimal(out, zero); break;
    case PG_ENCODE_TIMETZ: avro_put_str(out, "00:00:00Z"); break;
    case PG_ENCODE_TIMESTAMPTZ: avro_put_str(out, "1970-01-01T00:00:00Z"); break;
    case PG_ENCODE_INT16:
    case PG_ENCODE_INT32:
    case PG_ENCODE_INT64:
    case PG_ENCODE_DATE:
    case PG_ENCODE_TIME:
    case PG_ENCODE_INTERVAL:
    case PG_ENCODE_TIMESTAMP_US:
    case PG_ENCODE_TIMESTAMP_MS: avro_put_long(out, 0); break;
    }
}

bool pg_encoder_put_unavailable(const struct pg_encoder *encoder, struct buf *out)
{
    if (encoder->encoding != PG_ENCODE_TEXT && encoder->encoding != PG_ENCODE_BYTEA)
        return false;
    avro_put_str(out, UNAVAILABLE_VALUE);
    return true;
}
