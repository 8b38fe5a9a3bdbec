#include "sink/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "sink/csv_time.h"

enum {
    VARCHAR_MAX_BYTES = 65535,
    SUPER_STRING_MAX_BYTES = 65535,
    SUPER_MAX_DEPTH = 1000,
    MARKER_CANDIDATES = 64,
    DECIMAL_MAX_BYTES = 112, /* more than 256 digits need more than 106 bytes */
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

static enum rc put_json(struct buf *out, const struct csv_column *column, struct slice json, struct err *err)
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

static size_t format_u64(uint64_t value, char end[20]) /* digits end at end[20] */
{
    char *at = end + 20;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return (size_t)(end + 20 - at);
}

static void put_i64(struct buf *out, int64_t value)
{
    char digits[20];
    size_t n = format_u64(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, digits);
    if (value < 0)
        buf_put_u8(out, '-');
    buf_put(out, digits + 20 - n, n);
}

static enum rc put_integer(struct buf *out, const struct csv_column *column, int64_t value, struct err *err)
{
    enum target_type type = column->target->type;
    int64_t limit = type == TARGET_SMALLINT ? INT16_MAX : type == TARGET_INTEGER ? INT32_MAX : INT64_MAX;
    if (value > limit || value < -limit - 1)
        return err_value(err, column, "the number is too large for redshift's column");
    put_i64(out, value);
    return RC_OK;
}

static enum rc put_float(struct buf *out, const struct csv_column *column, double value, struct err *err)
{
    char text[32];
    if (!isfinite(value))
        return err_value(err, column, "redshift cannot load NaN or Infinity");
    if (value == trunc(value) && fabs(value) < 1e6 && !(value == 0 && signbit(value))) {
        put_i64(out, (int64_t)value);
        return RC_OK;
    }
    bool is_real = column->target->type == TARGET_REAL;
    for (int digits = is_real ? 6 : 15; digits <= (is_real ? 9 : 17); digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (is_real ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    buf_put_str(out, text);
    return RC_OK;
}

/* Decimal digits of |unscaled| without leading zeros, "0" for zero. */
struct decimal_digits {
    char text[320];
    size_t len;
    bool negative;
};

static void digits_of_u64(struct decimal_digits *ret, uint64_t value)
{
    char digits[20];
    ret->len = format_u64(value, digits);
    memcpy(ret->text, digits + 20 - ret->len, ret->len);
}

/* Long division by 10^9 over 32-bit limbs, most significant first. */
static void digits_of_bytes(struct decimal_digits *ret, struct slice magnitude)
{
    uint32_t limbs[DECIMAL_MAX_BYTES / 4 + 1] = {0};
    size_t n_limbs = (magnitude.len + 3) / 4;
    for (size_t i = 0; i < magnitude.len; i++) {
        size_t from_end = magnitude.len - 1 - i;
        limbs[n_limbs - 1 - from_end / 4] |= (uint32_t)magnitude.ptr[i] << (from_end % 4 * 8);
    }
    char reversed[320];
    size_t n = 0, first = 0;
    while (first < n_limbs) {
        uint64_t rest = 0;
        for (size_t i = first; i < n_limbs; i++) {
            rest = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(rest / 1000000000);
            rest %= 1000000000;
        }
        while (first < n_limbs && limbs[first] == 0)
            first++;
        for (int i = 0; i < 9; i++, rest /= 10)
            reversed[n++] = (char)('0' + rest % 10);
    }
    while (n > 1 && reversed[n - 1] == '0')
        n--;
    for (size_t i = 0; i < n; i++)
        ret->text[i] = reversed[n - 1 - i];
    ret->len = n;
}

/* False when there are more digits than any column holds. */
static bool decimal_digits_of(struct slice bytes, struct decimal_digits *ret)
{
    uint8_t magnitude[DECIMAL_MAX_BYTES];
    ret->negative = bytes.len > 0 && (bytes.ptr[0] & 0x80) != 0;
    uint8_t sign = ret->negative ? 0xff : 0;
    while (bytes.len > 1 && bytes.ptr[0] == sign && ((bytes.ptr[1] ^ sign) & 0x80) == 0)
        bytes = slice_of(bytes.ptr + 1, bytes.len - 1);
    if (bytes.len <= 8) {
        uint64_t value = ret->negative ? UINT64_MAX : 0;
        for (size_t i = 0; i < bytes.len; i++)
            value = value << 8 | bytes.ptr[i];
        digits_of_u64(ret, ret->negative ? 0 - value : value);
        return true;
    }
    if (bytes.len > DECIMAL_MAX_BYTES)
        return false;
    unsigned carry = 1;
    for (size_t i = bytes.len; i-- > 0;) {
        unsigned byte = ret->negative ? (uint8_t)~bytes.ptr[i] + carry : bytes.ptr[i];
        magnitude[i] = (uint8_t)byte;
        carry = byte >> 8;
    }
    digits_of_bytes(ret, slice_of(magnitude, bytes.len));
    return true;
}

static void put_zeros(struct buf *out, size_t n)
{
    for (; n > 0; n--)
        buf_put_u8(out, '0');
}

/* digits * 10^-scale, in plain digits. */
static void put_scaled(struct buf *out, const struct decimal_digits *digits, int scale)
{
    bool is_zero = digits->len == 1 && digits->text[0] == '0';
    if (digits->negative)
        buf_put_u8(out, '-');
    if (scale <= 0) {
        buf_put(out, digits->text, digits->len);
        put_zeros(out, is_zero ? 0 : (size_t)-scale);
        return;
    }
    size_t after = (size_t)scale;
    if (digits->len > after) {
        buf_put(out, digits->text, digits->len - after);
        buf_put_u8(out, '.');
        buf_put(out, digits->text + digits->len - after, after);
    } else {
        buf_put_str(out, "0.");
        put_zeros(out, after - digits->len);
        buf_put(out, digits->text, digits->len);
    }
}

static size_t scaled_len(const struct decimal_digits *digits, int scale)
{
    size_t after = scale > 0 ? (size_t)scale : 0;
    size_t before = digits->len > after ? digits->len - after : 1;
    bool is_zero = digits->len == 1 && digits->text[0] == '0';
    size_t zeros = scale < 0 && !is_zero ? (size_t)-scale : 0;
    return digits->negative + before + zeros + (after > 0) + after;
}

static enum rc put_decimal(struct buf *out, const struct csv_column *column, const struct avro_value *value,
                           struct csv_seen *seen, struct err *err)
{
    struct decimal_digits digits;
    const struct target_column *target = column->target;
    int scale = value->scale;
    bool is_text = target->type == TARGET_VARCHAR;
    if (value->bytes.len == 0)
        return err_kind(err, column);
    if (scale > VARCHAR_MAX_BYTES || scale < -VARCHAR_MAX_BYTES || !decimal_digits_of(value->bytes, &digits))
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
        put_scaled(out, &digits, is_zero ? MAX(MIN(scale, target->scale), 0) : scale);
        return RC_OK;
    }
    size_t len = scaled_len(&digits, scale);
    if (len > (size_t)target->bytes)
        return err_set(err, ERR_VALUE_TOO_LONG,
                       "column \"%s\": the number has more digits than redshift's column holds", target->name);
    seen->max_bytes = MAX(seen->max_bytes, (int64_t)len);
    buf_put_u8(out, '"');
    put_scaled(out, &digits, scale);
    buf_put_u8(out, '"');
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
            return err_value(err, column, "the time lies outside 4713 BC to 294276 AD");
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
    default: return put_bytes(out, column, value->bytes, seen, err);
    }
}
