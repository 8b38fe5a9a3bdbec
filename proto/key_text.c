#include "proto/key_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/avro_get.h"
#include "proto/reject.h"

enum {
    FRAME_BYTES = 5,
    DECIMAL_MAX_BYTES = 1024,
    DECIMAL_DIGITS = DECIMAL_MAX_BYTES * 5 / 2, /* 2.41 digits a byte */
    PLAIN_MIN_EXPONENT = -6,                    /* smaller numbers are written with an exponent */
    BASE = 1000000000,
    BASE_DIGITS = 9,
};

/* Only these two are escaped: control characters stand as they are. */
static void put_quoted(struct buf *out, struct slice text)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_put_u8(out, '\\');
        buf_put_u8(out, text.ptr[i]);
    }
    buf_put_u8(out, '"');
}

static void put_base64(struct buf *out, struct slice bytes)
{
    buf_put_u8(out, '"');
    base64_put(out, bytes);
    buf_put_u8(out, '"');
}

/* ---- decimals ---- */

/* Magnitude of big-endian two's complement as 32-bit words, the highest first. */
static size_t magnitude(struct slice bytes, bool negative, uint32_t *words)
{
    size_t n = (bytes.len + 3) / 4;
    uint64_t carry = negative;
    for (size_t i = 0; i < n; i++) {
        uint32_t word = 0;
        for (size_t k = 0; k < 4; k++) {
            size_t from_end = i * 4 + k;
            uint8_t byte = from_end < bytes.len ? bytes.ptr[bytes.len - 1 - from_end] : (negative ? 0xFF : 0);
            word |= (uint32_t)byte << (8 * k);
        }
        uint64_t sum = (uint64_t)(negative ? ~word : word) + carry;
        words[n - 1 - i] = (uint32_t)sum;
        carry = sum >> 32;
    }
    return n;
}

/* Divides in place; the remainder. */
static uint32_t divide(uint32_t *words, size_t n, uint32_t by)
{
    uint64_t rest = 0;
    for (size_t i = 0; i < n; i++) {
        rest = rest << 32 | words[i];
        words[i] = (uint32_t)(rest / by);
        rest %= by;
    }
    return (uint32_t)rest;
}

static bool is_zero(const uint32_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (words[i] != 0)
            return false;
    return true;
}

/* The digits without zeros in front, at the end of `digits`; where they begin. */
static size_t put_digits(uint32_t *words, size_t n, char digits[DECIMAL_DIGITS])
{
    size_t first = DECIMAL_DIGITS;
    do {
        uint32_t part = divide(words, n, BASE);
        bool last = is_zero(words, n);
        for (int i = 0; i < BASE_DIGITS && (!last || part > 0); i++, part /= 10)
            digits[--first] = (char)('0' + part % 10);
        if (last)
            break;
    } while (true);
    if (first == DECIMAL_DIGITS)
        digits[--first] = '0';
    return first;
}

/* As java.math.BigDecimal writes itself. */
static bool put_decimal(struct buf *out, struct slice bytes, int scale)
{
    if (bytes.len == 0 || bytes.len > DECIMAL_MAX_BYTES)
        return false;
    bool negative = (bytes.ptr[0] & 0x80) != 0;
    uint32_t words[DECIMAL_MAX_BYTES / 4];
    char digits[DECIMAL_DIGITS];
    size_t first = put_digits(words, magnitude(bytes, negative, words), digits);
    const char *text = digits + first;
    int n = (int)(DECIMAL_DIGITS - first), exponent = n - 1 - scale;
    if (negative)
        buf_put_u8(out, '-');
    if (scale < 0 || exponent < PLAIN_MIN_EXPONENT) {
        buf_printf(out, "%c%s%.*sE%+d", text[0], n > 1 ? "." : "", n - 1, text + 1, exponent);
        return true;
    }
    if (n <= scale)
        buf_put_str(out, "0");
    buf_put(out, text, n > scale ? (size_t)(n - scale) : 0);
    if (scale > 0)
        buf_put_u8(out, '.');
    for (int i = n; i < scale; i++)
        buf_put_u8(out, '0');
    buf_put(out, n > scale ? text + n - scale : text, (size_t)(n > scale ? scale : n));
    return true;
}

/* ---- floating point ---- */

/* The shortest digits that read back as the same number. */
static void put_double(struct buf *out, double value, int max_digits)
{
    char text[40];
    for (int digits = 1; digits <= max_digits; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (max_digits > 9 ? strtod(text, NULL) == value : strtof(text, NULL) == (float)value)
            break;
    }
    buf_put_str(out, text);
}

/* ---- Kafka Connect's own Date, Time and Timestamp ---- */

static int64_t floor_divide(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

/* As Connect does: what lies before the second day of 1970 is a time, a whole day a date, all else both. False before
 * our era. */
static bool put_instant(struct buf *out, int64_t ms)
{
    enum { MS_A_DAY = 86400000, MS_AN_HOUR = 3600000, MS_A_MINUTE = 60000, MS_A_SECOND = 1000 };
    enum { DAYS_TO_EPOCH = 719468, DAYS_400_YEARS = 146097, DAYS_100_YEARS = 36524, DAYS_4_YEARS = 1460 };
    int64_t days = floor_divide(ms, MS_A_DAY) + DAYS_TO_EPOCH; /* since 0000-03-01: a leap day ends its year */
    int64_t era = floor_divide(days, DAYS_400_YEARS), of_era = days - era * DAYS_400_YEARS;
    int64_t year = (of_era - of_era / DAYS_4_YEARS + of_era / DAYS_100_YEARS - of_era / (DAYS_400_YEARS - 1)) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    int of_day = (int)(ms - floor_divide(ms, MS_A_DAY) * MS_A_DAY);
    int day = (int)(of_year - (153 * month + 2) / 5 + 1);
    year += era * 400 + (month >= 10);
    month += month < 10 ? 3 : -9;
    if (year < 1)
        return false;
    if (ms >= MS_A_DAY)
        buf_printf(out, "%04d-%02d-%02d%s", (int)year, (int)month, day, of_day == 0 ? "" : "T");
    if (ms < MS_A_DAY || of_day > 0)
        buf_printf(out, "%02d:%02d:%02d.%03dZ", of_day / MS_AN_HOUR, of_day / MS_A_MINUTE % 60,
                   of_day / MS_A_SECOND % 60, of_day % MS_A_SECOND);
    return true;
}

/* ---- keys ---- */

static bool put_value(struct buf *out, const struct column *column, struct reader *r)
{
    enum { FLOAT_DIGITS = 9, DOUBLE_DIGITS = 17 };
    switch (column->type) {
    case COLUMN_BOOL: buf_put_str(out, avro_get_bool(r) ? "true" : "false"); return true;
    case COLUMN_INT16:
    case COLUMN_INT32:
    case COLUMN_INT64:
    case COLUMN_DATE:
    case COLUMN_TIME_MS:
    case COLUMN_TIME_US:
    case COLUMN_TIME_NS:
    case COLUMN_TIMESTAMP_MS:
    case COLUMN_TIMESTAMP_US:
    case COLUMN_TIMESTAMP_NS:
    case COLUMN_INTERVAL_US: buf_printf(out, "%" PRId64, avro_get_long(r)); return true;
    case COLUMN_CONNECT_DATE: return put_instant(out, avro_get_long(r) * 86400000);
    case COLUMN_CONNECT_TIME:
    case COLUMN_CONNECT_TIMESTAMP: return put_instant(out, avro_get_long(r));
    case COLUMN_FLOAT: put_double(out, (double)avro_get_float(r), FLOAT_DIGITS); return true;
    case COLUMN_DOUBLE: put_double(out, avro_get_double(r), DOUBLE_DIGITS); return true;
    case COLUMN_DECIMAL: return put_decimal(out, avro_get_bytes(r), column->scale);
    case COLUMN_VARIABLE_DECIMAL:
        buf_printf(out, "{\"scale\":%" PRId64 ",\"value\":", avro_get_long(r));
        put_base64(out, avro_get_bytes(r));
        buf_put_u8(out, '}');
        return true;
    case COLUMN_BITS:
    case COLUMN_BYTES: put_base64(out, avro_get_bytes(r)); return true;
    case COLUMN_STRING:
    case COLUMN_UUID:
    case COLUMN_JSON:
    case COLUMN_XML:
    case COLUMN_ENUM:
    case COLUMN_ISO_DATE:
    case COLUMN_ISO_TIME:
    case COLUMN_ISO_TIMESTAMP:
    case COLUMN_INTERVAL_TEXT:
    case COLUMN_TSVECTOR:
    case COLUMN_LTREE:
    case COLUMN_ZONED_TIME:
    case COLUMN_ZONED_TIMESTAMP: put_quoted(out, avro_get_bytes(r)); return true;
    default: return false;
    }
}

bool key_text_put(struct buf *out, const struct table_shape *shape, struct slice framed)
{
    struct reader r = reader_of(framed);
    reader_bytes(&r, FRAME_BYTES);
    for (size_t k = 0; k < shape->n_key_columns; k++) {
        const struct column *column = &shape->columns[shape->key_columns[k]];
        buf_put_str(out, k == 0 ? "{\"" : ",\"");
        column_put_avro_name(out, column->name);
        buf_put_str(out, "\":");
        if (column->is_array || !put_value(out, column, &r))
            return false;
    }
    buf_put_u8(out, '}');
    return !r.failed && !out->failed && reader_left(&r) == 0;
}
