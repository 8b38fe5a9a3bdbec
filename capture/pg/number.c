#include "capture/pg/number.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "proto/avro_put.h"

enum { FLOAT_TEXT_BYTES = 64, MONEY_TEXT_BYTES = 64, NUMERIC_STACK_BYTES = 1024 };

bool pg_bool_put(struct slice text, struct buf *out)
{
    if (text.len != 1 || (text.ptr[0] != 't' && text.ptr[0] != 'f'))
        return false;
    avro_put_bool(out, text.ptr[0] == 't');
    return true;
}

bool pg_integer_put(struct slice text, int64_t min, int64_t max, struct buf *out)
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
static bool copy_float_text(struct slice text, char out[FLOAT_TEXT_BYTES])
{
    bool is_word = slice_eq_str(text, "NaN") || slice_eq_str(text, "Infinity") || slice_eq_str(text, "-Infinity");
    if (text.len == 0 || text.len >= FLOAT_TEXT_BYTES)
        return false;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return is_word || strspn(out, "0123456789+-.eE") == text.len;
}

bool pg_float4_put(struct slice text, struct buf *out)
{
    char copy[FLOAT_TEXT_BYTES], *end;
    if (!copy_float_text(text, copy))
        return false;
    float value = strtof(copy, &end);
    if (*end != '\0' || end == copy)
        return false;
    avro_put_float(out, value);
    return true;
}

bool pg_float8_parse(struct slice text, double *ret_value)
{
    char copy[FLOAT_TEXT_BYTES], *end;
    if (!copy_float_text(text, copy))
        return false;
    *ret_value = strtod(copy, &end);
    return *end == '\0' && end != copy;
}

bool pg_float8_put(struct slice text, struct buf *out)
{
    double value;
    if (!pg_float8_parse(text, &value))
        return false;
    avro_put_double(out, value);
    return true;
}

/* ---- numeric ---- */

static bool is_plain_number(struct slice text)
{
    size_t i = text.len > 0 && text.ptr[0] == '-', digits = 0, points = 0;
    for (; i < text.len; i++) {
        digits += text.ptr[i] >= '0' && text.ptr[i] <= '9';
        points += text.ptr[i] == '.';
    }
    return digits > 0 && points <= 1 && digits + points + (text.ptr[0] == '-') == text.len;
}

bool pg_variable_numeric_put(struct slice text, struct buf *out)
{
    if (memchr(text.ptr, '.', text.len) != NULL) {
        while (text.len > 0 && text.ptr[text.len - 1] == '0')
            text.len--;
        if (text.len > 0 && text.ptr[text.len - 1] == '.')
            text.len--;
    }
    return avro_put_variable_decimal(out, text);
}

/* The text of a double may be long: numeric has up to 147,455 digits. */
static bool put_long_double(struct slice text, struct buf *out)
{
    char on_stack[NUMERIC_STACK_BYTES], *copy = on_stack;
    if (text.len >= sizeof(on_stack)) {
        copy = malloc(text.len + 1);
        if (copy == NULL) {
            out->failed = true;
            return true; /* out is failed: the caller sees that */
        }
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    avro_put_double(out, strtod(copy, NULL));
    if (copy != on_stack)
        free(copy);
    return true;
}

bool pg_numeric_put_double(struct slice text, struct buf *out)
{
    return is_plain_number(text) ? put_long_double(text, out) : pg_float8_put(text, out);
}

bool pg_numeric_put_text(struct slice text, struct buf *out)
{
    if (slice_eq_str(text, "NaN"))
        avro_put_str(out, "NAN");
    else if (slice_eq_str(text, "Infinity"))
        avro_put_str(out, "POSITIVE_INFINITY");
    else if (slice_eq_str(text, "-Infinity"))
        avro_put_str(out, "NEGATIVE_INFINITY");
    else if (is_plain_number(text))
        avro_put_bytes(out, text);
    else
        return false;
    return true;
}

/* ---- money ---- */

/* Digits with a sign; 0 when it is none. As the locale writes it: one sign of currency, commas, parentheses. */
static size_t plain_money(struct slice text, char out[MONEY_TEXT_BYTES])
{
    size_t n = 0, at = 0, end = text.len, currency = 0;
    bool parentheses = end > 1 && text.ptr[0] == '(' && text.ptr[end - 1] == ')';
    if (parentheses || (end > 0 && text.ptr[0] == '-')) {
        out[n++] = '-';
        at++;
        end -= parentheses;
    }
    if (at < end && (text.ptr[at] < '0' || text.ptr[at] > '9') && text.ptr[at] != '.')
        currency = utf8_sequence_len(text.ptr + at, end - at);
    for (at += currency; at < end; at++) {
        if (text.ptr[at] == ',')
            continue;
        if (n == MONEY_TEXT_BYTES)
            return 0;
        out[n++] = (char)text.ptr[at];
    }
    return is_plain_number(slice_of(out, n)) ? n : 0;
}

/* Cuts the digits after `fraction_digits`; adds one to the last that stays when what went was half or more. The text
 * has room for one digit more. */
static size_t round_digits(char *text, size_t len, int fraction_digits)
{
    const char *point = memchr(text, '.', len);
    size_t keep = point == NULL ? len : (size_t)(point - text) + 1 + (size_t)fraction_digits;
    if (keep >= len)
        return len;
    bool up = text[keep] >= '5';
    size_t end = fraction_digits == 0 ? keep - 1 : keep;
    for (size_t i = end; up && i-- > 0;) {
        if (text[i] == '.')
            continue;
        if (text[i] == '-') {
            memmove(text + 2, text + 1, end - 1);
            text[1] = '1';
            return end + 1;
        }
        up = text[i] == '9';
        text[i] = (char)(up ? '0' : text[i] + 1);
    }
    if (up) {
        memmove(text + 1, text, end);
        text[0] = '1';
        end++;
    }
    return end;
}

bool pg_money_put(struct slice text, int fraction_digits, struct buf *out)
{
    char plain[MONEY_TEXT_BYTES + 1];
    size_t len = plain_money(text, plain);
    if (len == 0)
        return false;
    len = round_digits(plain, len, fraction_digits);
    return avro_put_decimal(out, slice_of(plain, len), fraction_digits);
}

bool pg_money_put_double(struct slice text, struct buf *out)
{
    char plain[MONEY_TEXT_BYTES];
    size_t len = plain_money(text, plain);
    return len > 0 && put_long_double(slice_of(plain, len), out);
}

bool pg_money_put_text(struct slice text, struct buf *out)
{
    char plain[MONEY_TEXT_BYTES];
    size_t len = plain_money(text, plain);
    if (len > 0)
        avro_put_bytes(out, slice_of(plain, len));
    return len > 0;
}
