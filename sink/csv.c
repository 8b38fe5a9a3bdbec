#include "sink/csv.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "sink/csv_nested.h"
#include "sink/csv_number.h"
#include "sink/csv_time.h"

enum {
    VARCHAR_MAX_BYTES = 65535,
    SUPER_STRING_MAX_BYTES = 65535,
    SUPER_MAX_DEPTH = 1000,
    MARKER_CANDIDATES = 64,
};

static enum rc err_value(struct err *err, const struct csv_column *column, const char *why)
{
    return err_set(err, ERR_VALUE_UNLOADABLE, "column \"%s\": %s", column->target->name, why);
}

static enum rc err_kind(struct err *err, const struct csv_column *column)
{
    return err_set(err, ERR_AVRO_MALFORMED, "column \"%s\" holds a value of another kind than its schema says",
                   column->target->name);
}

struct csv_column csv_column_of(const struct target_column *target, const struct column *source)
{
    const char *type = source->source_type;
    return (struct csv_column){
        .target = target,
        .source = column_is_nested(source) ? COLUMN_NESTED : source->type,
        .blank_padded = type != NULL && (strcmp(type, "BPCHAR") == 0 || strcmp(type, "CHAR") == 0),
        .bits = source->type == COLUMN_BITS ? source->length : 0,
    };
}

/* ---- the marker ---- */

void csv_marker(const struct csv_seen *seen, char out[CSV_MARKER_BYTES])
{
    int n = seen->markers == 0 ? 0 : __builtin_ctzll(~seen->markers);
    if (n == 0)
        snprintf(out, CSV_MARKER_BYTES, "@NULL@");
    else
        snprintf(out, CSV_MARKER_BYTES, "@NULL%d@", n);
}

/* The number of the candidate that the text equals, -1 when it is none. */
static int marker_number(struct slice text)
{
    if (text.len < 6 || text.len > 8 || memcmp(text.ptr, "@NULL", 5) != 0 || text.ptr[text.len - 1] != '@')
        return -1;
    int n = 0;
    for (size_t i = 5; i < text.len - 1; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || (i == 5 && text.ptr[i] == '0'))
            return -1;
        n = n * 10 + (text.ptr[i] - '0');
    }
    return n < MARKER_CANDIDATES ? n : -1;
}

void csv_put_nulls(struct buf *out, struct slice fields, struct slice marker)
{
    while (fields.len > 0) {
        const uint8_t *null = memchr(fields.ptr, CSV_NULL, fields.len);
        size_t run = null == NULL ? fields.len : (size_t)(null - fields.ptr);
        buf_put(out, fields.ptr, run);
        if (null == NULL)
            return;
        buf_put_slice(out, marker);
        fields = slice_of(null + 1, fields.len - run - 1);
    }
}

struct slice csv_next_field(struct slice *fields)
{
    size_t i = 0;
    bool quoted = false;
    while (i < fields->len && (quoted || fields->ptr[i] != ','))
        quoted ^= fields->ptr[i++] == '"';
    struct slice field = slice_of(fields->ptr, i);
    size_t taken = i < fields->len ? i + 1 : i;
    *fields = slice_of(fields->ptr + taken, fields->len - taken);
    return field;
}

/* ---- text ---- */

static bool word_has(uint64_t word, uint8_t byte) /* Mycroft's test */
{
    uint64_t x = word ^ (0x0101010101010101u * byte);
    return ((x - 0x0101010101010101u) & ~x & 0x8080808080808080u) != 0;
}

/* Nothing to double, check or refuse: ASCII without quotes and zeros. */
static bool is_plain(struct slice text)
{
    size_t i = 0;
    for (; i + 8 <= text.len; i += 8) {
        uint64_t word;
        memcpy(&word, text.ptr + i, sizeof(word));
        if ((word & 0x8080808080808080u) != 0 || word_has(word, '"') || word_has(word, 0))
            return false;
    }
    for (; i < text.len; i++)
        if (text.ptr[i] == 0 || text.ptr[i] == '"' || text.ptr[i] >= 0x80)
            return false;
    return true;
}

static enum rc put_quoted(struct buf *out, const struct csv_column *column, struct slice text, struct err *err)
{
    buf_put_u8(out, '"');
    if (is_plain(text)) {
        buf_put_slice(out, text);
    } else {
        if (memchr(text.ptr, 0, text.len) != NULL)
            return err_value(err, column, "the text holds a zero character");
        if (!utf8_is_valid(text))
            return err_value(err, column, "the text is not valid UTF-8");
        while (text.len > 0) {
            const uint8_t *quote = memchr(text.ptr, '"', text.len);
            size_t run = quote == NULL ? text.len : (size_t)(quote - text.ptr) + 1;
            buf_put(out, text.ptr, run);
            if (quote != NULL)
                buf_put_u8(out, '"');
            text = slice_of(text.ptr + run, text.len - run);
        }
    }
    buf_put_u8(out, '"');
    return RC_OK;
}

static enum rc put_text(struct buf *out, const struct csv_column *column, struct slice text, struct csv_seen *seen,
                        struct err *err)
{
    if (text.len > (size_t)column->target->bytes)
        return err_set(err, ERR_VALUE_TOO_LONG, "column \"%s\": %zu bytes of text, redshift's column holds %d",
                       column->target->name, text.len, column->target->bytes);
    if (column->target->is_key && !column->blank_padded && text.len > 0 && text.ptr[text.len - 1] == ' ')
        return err_value(err, column, "a key that ends in a blank is the same as one without to redshift");
    int marker = marker_number(text);
    if (marker >= 0) {
        uint64_t markers = seen->markers | (uint64_t)1 << marker;
        if (markers == UINT64_MAX)
            return err_value(err, column, "every text that could stand for NULL is a value of this batch");
        seen->markers = markers;
    }
    seen->max_bytes = MAX(seen->max_bytes, (int64_t)text.len);
    return put_quoted(out, column, text, err);
}

/* What SUPER refuses, and what is cheap to see: long strings, depth, zero characters. */
static const char *json_fault(struct slice json)
{
    size_t depth = 0, string_from = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.len; i++) {
        uint8_t byte = json.ptr[i];
        if (in_string && byte == '\\') {
            if (json.len - i >= 6 && memcmp(json.ptr + i, "\\u0000", 6) == 0)
                return "the JSON holds a zero character";
            i++;
        } else if (byte == '"') {
            if (in_string && i - string_from - 1 > SUPER_STRING_MAX_BYTES)
                return "the JSON holds a string of more than 65535 bytes";
            in_string = !in_string;
            string_from = i;
        } else if (!in_string && (byte == '[' || byte == '{')) {
            if (++depth > SUPER_MAX_DEPTH)
                return "the JSON is nested more than 1000 deep";
        } else if (!in_string && (byte == ']' || byte == '}') && depth > 0) {
            depth--;
        }
    }
    return NULL;
}

static enum rc check_json(const struct csv_column *column, struct slice json, struct err *err)
{
    if (json.len == 0)
        return err_value(err, column, "an empty text is not JSON");
    if (json.len > CSV_ROW_MAX_BYTES)
        return err_set(err, ERR_VALUE_TOO_LONG, "column \"%s\": %zu bytes of JSON, a row of COPY holds %d",
                       column->target->name, json.len, CSV_ROW_MAX_BYTES);
    /* A document that is small holds no long string and can hardly be deep; a zero character is told by its
     * escape. */
    if (json.len > 2 * SUPER_MAX_DEPTH || memmem(json.ptr, json.len, "\\u0000", 6) != NULL) {
        const char *fault = json_fault(json);
        if (fault != NULL)
            return err_value(err, column, fault);
    }
    return RC_OK;
}

static enum rc put_json(struct buf *out, const struct csv_column *column, struct slice json, struct err *err)
{
    TRY(check_json(column, json, err));
    return put_quoted(out, column, json, err);
}

static enum rc put_hex(struct buf *out, const struct csv_column *column, struct slice bytes, struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    if (bytes.len > (size_t)column->target->bytes)
        return err_set(err, ERR_VALUE_TOO_LONG, "column \"%s\": %zu bytes, redshift's column holds %d",
                       column->target->name, bytes.len, column->target->bytes);
    if (bytes.len == 0)
        return err_value(err, column, "no bytes at all would arrive as NULL");
    uint8_t *at = buf_reserve(out, bytes.len * 2);
    if (at == NULL)
        return RC_OK; /* sticky: the row's check finds it */
    for (size_t i = 0; i < bytes.len; i++) {
        at[2 * i] = (uint8_t)digits[bytes.ptr[i] >> 4];
        at[2 * i + 1] = (uint8_t)digits[bytes.ptr[i] & 15];
    }
    out->len += bytes.len * 2;
    return RC_OK;
}

/* ---- numbers ---- */

static enum rc put_integer(struct buf *out, const struct csv_column *column, int64_t value, struct err *err)
{
    enum target_type type = column->target->type;
    int64_t limit = type == TARGET_SMALLINT ? INT16_MAX : type == TARGET_INTEGER ? INT32_MAX : INT64_MAX;
    if (value > limit || value < -limit - 1)
        return err_value(err, column, "the number is too large for redshift's column");
    csv_put_integer(out, value);
    return RC_OK;
}

static enum rc put_float(struct buf *out, const struct csv_column *column, double value, struct err *err)
{
    const char *fault = csv_put_float(out, value, column->target->type == TARGET_REAL);
    return fault == NULL ? RC_OK : err_value(err, column, fault);
}

static enum rc put_decimal(struct buf *out, const struct csv_column *column, const struct avro_value *value,
                           struct csv_seen *seen, struct err *err)
{
    struct csv_digits digits;
    const struct target_column *target = column->target;
    int scale = value->scale;
    bool is_text = target->type == TARGET_VARCHAR;
    if (value->bytes.len == 0)
        return err_kind(err, column);
    if (scale > VARCHAR_MAX_BYTES || scale < -VARCHAR_MAX_BYTES || !csv_digits_of(value->bytes, &digits))
        return err_set(err, ERR_VALUE_TOO_LONG,
                       "column \"%s\": the number has more digits than redshift's column holds", target->name);
    bool is_zero = digits.len == 1 && digits.text[0] == '0';
    if (!is_text && !is_zero) {
        while (scale > target->scale && digits.len > 1 && digits.text[digits.len - 1] == '0') {
            digits.len--;
            scale--;
        }
        if (scale > target->scale || (int64_t)digits.len - scale > target->precision - target->scale)
            return err_set(err, ERR_VALUE_UNLOADABLE, "column \"%s\": the number does not fit DECIMAL(%d,%d)",
                           target->name, target->precision, target->scale);
    }
    if (!is_text) {
        csv_put_digits(out, &digits, is_zero ? MAX(MIN(scale, target->scale), 0) : scale);
        return RC_OK;
    }
    size_t len = csv_digits_len(&digits, scale);
    if (len > (size_t)target->bytes)
        return err_set(err, ERR_VALUE_TOO_LONG,
                       "column \"%s\": the number has more digits than redshift's column holds", target->name);
    seen->max_bytes = MAX(seen->max_bytes, (int64_t)len);
    buf_put_u8(out, '"');
    csv_put_digits(out, &digits, scale);
    buf_put_u8(out, '"');
    return RC_OK;
}

/* ---- nested ---- */

/* A CSV field made of the bytes from `start` on: quotes around it, those in it doubled, in place. */
static void quote_tail(struct buf *out, size_t start)
{
    size_t len = out->len - start, quotes = 2;
    for (size_t i = start; i < out->len; i++)
        quotes += out->ptr[i] == '"';
    if (buf_reserve(out, quotes) == NULL)
        return; /* sticky: the row's check finds it */
    uint8_t *from = out->ptr + start + len, *to = from + quotes;
    *--to = '"';
    while (from > out->ptr + start) {
        *--to = *--from;
        if (*from == '"')
            *--to = '"';
    }
    *--to = '"';
    out->len += quotes;
}

static enum rc put_nested(struct buf *out, const struct csv_column *column, const struct avro_value *value,
                          struct err *err)
{
    size_t start = out->len;
    const char *fault = csv_put_nested(out, value);
    if (fault != NULL)
        return err_value(err, column, fault);
    if (out->failed)
        return RC_OK;
    TRY(check_json(column, slice_of(out->ptr + start, out->len - start), err));
    quote_tail(out, start);
    return RC_OK;
}

static enum rc put_bits(struct buf *out, const struct csv_column *column, struct slice bytes, struct err *err)
{
    size_t start = out->len;
    csv_put_bits(out, bytes, column->bits);
    if (out->len - start > (size_t)column->target->bytes + 2)
        return err_set(err, ERR_VALUE_TOO_LONG, "column \"%s\": %zu bits, redshift's column holds %d",
                       column->target->name, out->len - start, column->target->bytes);
    return RC_OK;
}

/* ---- all of them ---- */

static enum rc put_long(struct buf *out, const struct csv_column *column, int64_t value, struct err *err)
{
    const char *fault;
    switch (column->source) {
    case COLUMN_DATE: fault = csv_put_date(out, value); break;
    case COLUMN_TIME_US: fault = csv_put_time(out, value); break;
    case COLUMN_TIMESTAMP_US: fault = csv_put_timestamp(out, value); break;
    case COLUMN_TIMESTAMP_MS:
        if (value > INT64_MAX / US_PER_MS || value < INT64_MIN / US_PER_MS)
            return err_value(err, column, "the time lies outside the years 1 to 294276");
        fault = csv_put_timestamp(out, value * US_PER_MS);
        break;
    default: return put_integer(out, column, value, err);
    }
    return fault == NULL ? RC_OK : err_value(err, column, fault);
}

static enum rc put_bytes(struct buf *out, const struct csv_column *column, struct slice bytes, struct csv_seen *seen,
                         struct err *err)
{
    switch (column->source) {
    case COLUMN_BYTES: return put_hex(out, column, bytes, err);
    case COLUMN_JSON: return put_json(out, column, bytes, err);
    case COLUMN_BITS: return put_bits(out, column, bytes, err);
    case COLUMN_ZONED_TIMESTAMP: {
        const char *fault = csv_put_zoned_timestamp(out, bytes);
        return fault == NULL ? RC_OK : err_value(err, column, fault);
    }
    default: return put_text(out, column, bytes, seen, err);
    }
}

/* How Avro carries each type. */
static enum avro_value_kind kind_of(enum column_type source)
{
    switch (source) {
    case COLUMN_BOOL: return AVRO_VALUE_BOOL;
    case COLUMN_FLOAT:
    case COLUMN_DOUBLE: return AVRO_VALUE_DOUBLE;
    case COLUMN_DECIMAL:
    case COLUMN_VARIABLE_DECIMAL: return AVRO_VALUE_DECIMAL;
    case COLUMN_INT16:
    case COLUMN_INT32:
    case COLUMN_INT64:
    case COLUMN_DATE:
    case COLUMN_TIME_US:
    case COLUMN_TIMESTAMP_US:
    case COLUMN_TIMESTAMP_MS:
    case COLUMN_INTERVAL_US: return AVRO_VALUE_LONG;
    case COLUMN_NESTED: return AVRO_VALUE_NESTED;
    default: return AVRO_VALUE_BYTES;
    }
}

enum rc csv_put(struct buf *out, const struct csv_column *column, const struct avro_value *value, struct csv_seen *seen,
                struct err *err)
{
    if (value->kind == AVRO_VALUE_NULL) {
        if (column->target->is_key)
            return err_value(err, column, "a key is NULL");
        buf_put_u8(out, CSV_NULL);
        return RC_OK;
    }
    if (value->kind != kind_of(column->source))
        return err_kind(err, column);
    switch (value->kind) {
    case AVRO_VALUE_BOOL: buf_put_u8(out, value->i != 0 ? 't' : 'f'); return RC_OK;
    case AVRO_VALUE_LONG: return put_long(out, column, value->i, err);
    case AVRO_VALUE_DOUBLE: return put_float(out, column, value->d, err);
    case AVRO_VALUE_DECIMAL: return put_decimal(out, column, value, seen, err);
    case AVRO_VALUE_NESTED: return put_nested(out, column, value, err);
    default: return put_bytes(out, column, value->bytes, seen, err);
    }
}
