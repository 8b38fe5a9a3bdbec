#include "capture/pg/bytes.h"

#include "proto/avro_put.h"

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int pg_hex_byte(const uint8_t *digits)
{
    int high = hex_digit(digits[0]), low = hex_digit(digits[1]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* The digits behind \x. */
static bool bytea_digits(struct slice text, struct slice *ret_digits)
{
    if (text.len < 2 || text.len % 2 != 0 || text.ptr[0] != '\\' || text.ptr[1] != 'x')
        return false;
    *ret_digits = slice_of(text.ptr + 2, text.len - 2);
    return true;
}

bool pg_bytea_put(struct slice text, struct buf *out)
{
    struct slice digits;
    if (!bytea_digits(text, &digits))
        return false;
    size_t n = digits.len / 2;
    avro_put_long(out, (int64_t)n);
    uint8_t *at = buf_reserve(out, n);
    if (at == NULL)
        return true; /* out is failed: the caller sees that */
    for (size_t i = 0; i < n; i++) {
        int byte = pg_hex_byte(digits.ptr + 2 * i);
        if (byte < 0)
            return false;
        at[i] = (uint8_t)byte;
    }
    out->len += n;
    return true;
}

bool pg_bytea_put_hex(struct slice text, struct buf *out)
{
    struct slice digits;
    if (!bytea_digits(text, &digits))
        return false;
    for (size_t i = 0; i < digits.len; i += 2)
        if (pg_hex_byte(digits.ptr + i) < 0)
            return false;
    avro_put_bytes(out, digits);
    return true;
}

bool pg_bytea_put_base64(struct slice text, bool url_safe, struct buf *out)
{
    static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *last_two = url_safe ? "-_" : "+/";
    struct slice digits;
    if (!bytea_digits(text, &digits))
        return false;
    size_t n = digits.len / 2, chars = (n + 2) / 3 * 4;
    avro_put_long(out, (int64_t)chars);
    uint8_t *at = buf_reserve(out, chars);
    if (at == NULL)
        return true;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t three = 0;
        for (size_t k = i; k < i + 3; k++) {
            int byte = k < n ? pg_hex_byte(digits.ptr + 2 * k) : 0;
            if (byte < 0)
                return false;
            three = three << 8 | (uint32_t)byte;
        }
        for (int shift = 18; shift >= 0; shift -= 6) {
            uint32_t six = three >> shift & 63;
            *at++ = (uint8_t)(six < 62 ? common[six] : last_two[six - 62]);
        }
    }
    for (size_t missing = (3 - n % 3) % 3; missing > 0; missing--)
        at[-(ptrdiff_t)missing] = '=';
    out->len += chars;
    return true;
}

bool pg_bits_put(struct slice text, struct buf *out)
{
    size_t first = 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '0' && text.ptr[i] != '1')
            return false;
    while (first < text.len && text.ptr[first] == '0')
        first++;
    size_t n = (text.len - first + 7) / 8;
    avro_put_long(out, (int64_t)n);
    uint8_t *at = buf_reserve(out, n);
    if (at == NULL)
        return true;
    memset(at, 0, n);
    for (size_t i = first; i < text.len; i++) {
        size_t bit = text.len - 1 - i;
        at[bit / 8] |= (uint8_t)((text.ptr[i] - '0') << (bit % 8));
    }
    out->len += n;
    return true;
}

bool pg_bit_put(struct slice text, struct buf *out)
{
    if (text.len != 1 || (text.ptr[0] != '0' && text.ptr[0] != '1'))
        return false;
    avro_put_bool(out, text.ptr[0] == '1');
    return true;
}
