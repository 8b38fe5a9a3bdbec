#include "sink/csv_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DECIMAL_MAX_BYTES = 424 }; /* 1000 digits take 416; nine digits at a time fit CSV_MAX_DIGITS */

static size_t format_u64(uint64_t value, char end[20]) /* digits end at end[20] */
{
    char *at = end + 20;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return (size_t)(end + 20 - at);
}

void csv_put_integer(struct buf *out, int64_t value)
{
    char digits[20];
    size_t n = format_u64(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, digits);
    if (value < 0)
        buf_put_u8(out, '-');
    buf_put(out, digits + 20 - n, n);
}

const char *csv_put_float(struct buf *out, double value, bool is_real)
{
    char text[32];
    if (!isfinite(value))
        return "redshift cannot load NaN or Infinity";
    if (value == trunc(value) && fabs(value) < 1e6 && !(value == 0 && signbit(value))) {
        csv_put_integer(out, (int64_t)value);
        return NULL;
    }
    for (int digits = is_real ? 6 : 15; digits <= (is_real ? 9 : 17); digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (is_real ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    buf_put_str(out, text);
    return NULL;
}

static void digits_of_u64(struct csv_digits *ret, uint64_t value)
{
    char digits[20];
    ret->len = format_u64(value, digits);
    memcpy(ret->text, digits + 20 - ret->len, ret->len);
}

/* Long division by 10^9 over 32-bit limbs, most significant first. */
static void digits_of_bytes(struct csv_digits *ret, struct slice magnitude)
{
    uint32_t limbs[DECIMAL_MAX_BYTES / 4 + 1] = {0};
    size_t n_limbs = (magnitude.len + 3) / 4;
    for (size_t i = 0; i < magnitude.len; i++) {
        size_t from_end = magnitude.len - 1 - i;
        limbs[n_limbs - 1 - from_end / 4] |= (uint32_t)magnitude.ptr[i] << (from_end % 4 * 8);
    }
    char reversed[CSV_MAX_DIGITS];
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

bool csv_digits_of(struct slice bytes, struct csv_digits *ret)
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

void csv_put_digits(struct buf *out, const struct csv_digits *digits, int scale)
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

size_t csv_digits_len(const struct csv_digits *digits, int scale)
{
    size_t after = scale > 0 ? (size_t)scale : 0;
    size_t before = digits->len > after ? digits->len - after : 1;
    bool is_zero = digits->len == 1 && digits->text[0] == '0';
    size_t zeros = scale < 0 && !is_zero ? (size_t)-scale : 0;
    return digits->negative + before + zeros + (after > 0) + after;
}
