#include "sink/csv_nested.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "sink/csv_number.h"
#include "sink/csv_time.h"

enum {
    SUPER_DECIMAL_DIGITS = 38, /* more of them lose exactness */
    DECIMAL_MAX_PLACES = 1000, /* beyond, the plain form is all zeros */
    UNLIMITED_BITS = INT32_MAX,
};

/* JSON while it is written. */
struct json {
    struct buf *out;
    bool needs_comma;
    const char *fault;
};

static void open_nested(void *context, bool is_array)
{
    struct json *json = context;
    if (json->needs_comma)
        buf_put_u8(json->out, ',');
    buf_put_u8(json->out, is_array ? '[' : '{');
    json->needs_comma = false;
}

static void close_nested(void *context, bool is_array)
{
    struct json *json = context;
    buf_put_u8(json->out, is_array ? ']' : '}');
    json->needs_comma = true;
}

static void put_name(void *context, struct slice name)
{
    struct json *json = context;
    if (json->needs_comma)
        buf_put_u8(json->out, ',');
    buf_put_json_string(json->out, name);
    buf_put_u8(json->out, ':');
    json->needs_comma = false;
}

static const char *put_long(struct buf *out, enum column_type type, int64_t value)
{
    const char *fault = NULL;
    if (type != COLUMN_DATE && type != COLUMN_TIME_US && type != COLUMN_TIMESTAMP_US && type != COLUMN_TIMESTAMP_MS) {
        csv_put_integer(out, value);
        return NULL;
    }
    buf_put_u8(out, '"');
    if (type == COLUMN_DATE)
        fault = csv_put_date(out, value);
    else if (type == COLUMN_TIME_US)
        fault = csv_put_time(out, value);
    else if (type == COLUMN_TIMESTAMP_US)
        fault = csv_put_timestamp(out, value);
    else if (__builtin_mul_overflow(value, (int64_t)US_PER_MS, &value))
        fault = "a time lies outside the years 1 to 294276";
    else
        fault = csv_put_timestamp(out, value);
    buf_put_u8(out, '"');
    return fault;
}

static const char *put_decimal(struct buf *out, const struct avro_value *value)
{
    struct csv_digits digits;
    if (value->bytes.len == 0 || value->scale > DECIMAL_MAX_PLACES || value->scale < -DECIMAL_MAX_PLACES ||
        !csv_digits_of(value->bytes, &digits))
        return "a number has more digits than redshift holds";
    bool exact = csv_digits_len(&digits, value->scale) <= SUPER_DECIMAL_DIGITS;
    if (!exact)
        buf_put_u8(out, '"');
    csv_put_digits(out, &digits, value->scale);
    if (!exact)
        buf_put_u8(out, '"');
    return NULL;
}

static void put_hex(struct buf *out, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    buf_put_u8(out, '"');
    for (size_t i = 0; i < bytes.len; i++) {
        buf_put_u8(out, (uint8_t)digits[bytes.ptr[i] >> 4]);
        buf_put_u8(out, (uint8_t)digits[bytes.ptr[i] & 15]);
    }
    buf_put_u8(out, '"');
}

static size_t significant_bits(struct slice bytes)
{
    size_t n = bytes.len;
    while (n > 0 && bytes.ptr[n - 1] == 0)
        n--;
    return n == 0 ? 0 : n * 8 - (size_t)__builtin_clz((unsigned)bytes.ptr[n - 1] << 24);
}

void csv_put_bits(struct buf *out, struct slice bytes, int bits)
{
    size_t n = significant_bits(bytes);
    if (bits > 0 && bits < UNLIMITED_BITS && (size_t)bits > n)
        n = (size_t)bits;
    buf_put_u8(out, '"');
    for (size_t i = MAX(n, (size_t)1); i-- > 0;)
        buf_put_u8(out, i / 8 < bytes.len && (bytes.ptr[i / 8] >> (i % 8) & 1) != 0 ? '1' : '0');
    buf_put_u8(out, '"');
}

static const char *put_bytes(struct buf *out, const struct column *column, struct slice bytes)
{
    switch (column->type) {
    case COLUMN_BYTES: put_hex(out, bytes); return NULL;
    case COLUMN_BITS: csv_put_bits(out, bytes, column->length); return NULL;
    case COLUMN_JSON:
        if (bytes.len == 0 || !utf8_is_valid(bytes))
            return "an empty text or one that is not valid UTF-8 is not JSON";
        buf_put_slice(out, bytes);
        return NULL;
    default:
        if (!utf8_is_valid(bytes))
            return "a text is not valid UTF-8";
        buf_put_json_string(out, bytes);
        return NULL;
    }
}

static const char *put_scalar(struct buf *out, const struct column *column, const struct avro_value *value)
{
    switch (value->kind) {
    case AVRO_VALUE_NULL: buf_put_str(out, "null"); return NULL;
    case AVRO_VALUE_BOOL: buf_put_str(out, value->i != 0 ? "true" : "false"); return NULL;
    case AVRO_VALUE_LONG: return put_long(out, column->type, value->i);
    case AVRO_VALUE_DOUBLE: return csv_put_float(out, value->d, value->is_float);
    case AVRO_VALUE_DECIMAL: return put_decimal(out, value);
    case AVRO_VALUE_BYTES: return put_bytes(out, column, value->bytes);
    case AVRO_VALUE_NESTED: break;
    }
    return "a value is of a kind that nothing nested has";
}

static void put_value(void *context, const struct column *column, const struct avro_value *value)
{
    struct json *json = context;
    if (json->needs_comma)
        buf_put_u8(json->out, ',');
    json->needs_comma = true;
    const char *fault = put_scalar(json->out, column, value);
    if (json->fault == NULL)
        json->fault = fault;
}

const char *csv_put_nested(struct buf *out, const struct avro_value *value)
{
    static const struct avro_visitor visitor = {open_nested, close_nested, put_name, put_value};
    struct json json = {.out = out};
    if (!avro_value_visit(value, &visitor, &json))
        return "the value does not match its schema";
    return json.fault;
}
