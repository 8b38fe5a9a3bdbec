#include "proto/avro_put.h"

#include <stdlib.h>

/* PostgreSQL's numeric has at most 131072 digits before the point and 16383 after; nobody else has more. */
enum {
    DECIMAL_MAX_DIGITS = 131072 + 16383,
    DECIMAL_FAST_DIGITS = 18, /* fit an int64 */
    DECIMAL_STACK_WORDS = 16, /* 64-bit words: 308 digits */
    DECIMAL_MAX_EXPONENT = 1000000,
};
static const uint64_t DECIMAL_CHUNK = UINT64_C(1000000000000000000); /* 10^18 */

void avro_put_length_before(struct buf *out, size_t start)
{
    size_t len = out->len - start;
    avro_put_long(out, (int64_t)len);
    if (out->failed)
        return;
    uint8_t length[10];
    size_t n = out->len - start - len;
    memcpy(length, out->ptr + start + len, n);
    memmove(out->ptr + start + n, out->ptr + start, len);
    memcpy(out->ptr + start, length, n);
}

/* A decimal text taken apart: digits before and after the point, in place. */
struct decimal_text {
    bool negative;
    const uint8_t *whole, *fraction;
    size_t n_whole, n_fraction;
    int32_t exponent;
};

static size_t digits_at(const uint8_t *ptr, const uint8_t *end)
{
    const uint8_t *at = ptr;
    while (at < end && (uint8_t)(*at - '0') <= 9)
        at++;
    return (size_t)(at - ptr);
}

static bool parse_exponent(const uint8_t **ptr, const uint8_t *end, int32_t *ret_exponent)
{
    const uint8_t *at = *ptr;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    size_t n = digits_at(at, end);
    if (n == 0)
        return false;
    int32_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value * 10 + (at[i] - '0');
        if (value > DECIMAL_MAX_EXPONENT)
            return false;
    }
    *ret_exponent = negative ? -value : value;
    *ptr = at + n;
    return true;
}

static bool decimal_parse(struct slice text, bool with_exponent, struct decimal_text *ret)
{
    const uint8_t *at = text.ptr, *end = text.ptr + text.len;
    *ret = (struct decimal_text){0};
    if (at < end && *at == '-') {
        ret->negative = true;
        at++;
    }
    ret->whole = at;
    ret->n_whole = digits_at(at, end);
    at += ret->n_whole;
    if (at < end && *at == '.') {
        ret->fraction = ++at;
        ret->n_fraction = digits_at(at, end);
        at += ret->n_fraction;
    }
    if (with_exponent && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (!parse_exponent(&at, end, &ret->exponent))
            return false;
    }
    while (ret->n_whole > 0 && ret->whole[0] == '0') {
        ret->whole++;
        ret->n_whole--;
        if (ret->n_whole == 0 && ret->n_fraction == 0)
            return at == end; /* zero */
    }
    return at == end && ret->n_whole + ret->n_fraction > 0 && ret->n_whole + ret->n_fraction <= DECIMAL_MAX_DIGITS;
}

/* Digit i of the number without its point; zero behind the last one. */
static inline uint8_t decimal_digit(const struct decimal_text *text, size_t i)
{
    if (i < text->n_whole)
        return (uint8_t)(text->whole[i] - '0');
    i -= text->n_whole;
    return i < text->n_fraction ? (uint8_t)(text->fraction[i] - '0') : 0;
}

static uint64_t decimal_digits(const struct decimal_text *text, size_t from, size_t n)
{
    uint64_t value = 0;
    for (size_t i = from; i < from + n; i++)
        value = value * 10 + decimal_digit(text, i);
    return value;
}

void avro_put_decimal_of(struct buf *out, int64_t value)
{
    uint64_t magnitude = (uint64_t)(value < 0 ? ~value : value);
    size_t n_bytes = magnitude == 0 ? 1 : (size_t)(64 - __builtin_clzll(magnitude)) / 8 + 1;
    uint8_t *at = buf_reserve(out, 1 + n_bytes);
    if (UNLIKELY(at == NULL))
        return;
    *at++ = (uint8_t)(n_bytes << 1); /* zigzag; at most 8 bytes */
    uint64_t big_endian = __builtin_bswap64((uint64_t)value << (64 - 8 * n_bytes));
    memcpy(at, &big_endian, n_bytes);
    out->len += 1 + n_bytes;
}

/* words (least significant first) = words * factor + carry */
static size_t words_multiply_add(uint64_t *words, size_t n_words, uint64_t factor, uint64_t carry)
{
    for (size_t i = 0; i < n_words; i++) {
        unsigned __int128 product = (unsigned __int128)words[i] * factor + carry;
        words[i] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
    if (carry != 0)
        words[n_words++] = carry;
    return n_words;
}

static size_t words_of_digits(uint64_t *words, const struct decimal_text *text, size_t n_digits)
{
    size_t first = n_digits % DECIMAL_FAST_DIGITS;
    size_t n_words = 0;
    uint64_t chunk = decimal_digits(text, 0, first);
    if (chunk != 0)
        words[n_words++] = chunk;
    for (size_t i = first; i < n_digits; i += DECIMAL_FAST_DIGITS)
        n_words = words_multiply_add(words, n_words, DECIMAL_CHUNK, decimal_digits(text, i, DECIMAL_FAST_DIGITS));
    return n_words;
}

/* -m is ~(m - 1) in two's complement; the length is that of m - 1 as well. */
static void words_minus_one(uint64_t *words, size_t *n_words)
{
    size_t i = 0;
    while (words[i]-- == 0)
        i++;
    if (words[*n_words - 1] == 0)
        (*n_words)--;
}

static void put_words(struct buf *out, uint64_t *words, size_t n_words, bool negative)
{
    if (n_words == 0) {
        avro_put_decimal_of(out, 0);
        return;
    }
    if (negative)
        words_minus_one(words, &n_words);
    size_t n_bits = n_words == 0 ? 0 : n_words * 64 - (size_t)__builtin_clzll(words[n_words - 1]);
    size_t n_bytes = n_bits / 8 + 1;
    avro_put_long(out, (int64_t)n_bytes);
    uint8_t *at = buf_reserve(out, n_bytes);
    if (at == NULL)
        return;
    uint8_t flip = negative ? 0xFF : 0;
    for (size_t i = 0; i < n_bytes; i++) {
        size_t byte = n_bytes - 1 - i;
        uint64_t word = byte / 8 < n_words ? words[byte / 8] : 0;
        at[i] = (uint8_t)(word >> (8 * (byte % 8))) ^ flip;
    }
    out->len += n_bytes;
}

static void put_large(struct buf *out, const struct decimal_text *text, size_t n_digits)
{
    uint64_t on_stack[DECIMAL_STACK_WORDS], *words = on_stack, *on_heap = NULL;
    size_t max_words = n_digits / DECIMAL_FAST_DIGITS + 2;
    if (max_words > DECIMAL_STACK_WORDS) {
        words = on_heap = malloc(max_words * sizeof(*words));
        if (words == NULL) {
            out->failed = true;
            return;
        }
    }
    put_words(out, words, words_of_digits(words, text, n_digits), text->negative);
    free(on_heap);
}

static void put_digits(struct buf *out, const struct decimal_text *text, size_t n_digits)
{
    if (LIKELY(n_digits <= DECIMAL_FAST_DIGITS)) {
        int64_t value = (int64_t)decimal_digits(text, 0, n_digits);
        avro_put_decimal_of(out, text->negative ? -value : value);
    } else {
        put_large(out, text, n_digits);
    }
}

bool avro_put_decimal(struct buf *out, struct slice text, int scale)
{
    struct decimal_text number;
    if (!decimal_parse(text, false, &number))
        return false;
    int64_t n_digits = (int64_t)number.n_whole +
                       scale; /* of the unscaled number; below 1 when only zeros may be left */
    for (size_t i = n_digits < 0 ? 0 : (size_t)n_digits; i < number.n_whole + number.n_fraction; i++)
        if (decimal_digit(&number, i) != 0)
            return false;
    if (n_digits > 2 * DECIMAL_MAX_DIGITS)
        return false;
    put_digits(out, &number, n_digits < 0 ? 0 : (size_t)n_digits);
    return true;
}

bool avro_put_variable_decimal(struct buf *out, struct slice text)
{
    struct decimal_text number;
    if (!decimal_parse(text, true, &number))
        return false;
    avro_put_long(out, (int64_t)number.n_fraction - number.exponent);
    put_digits(out, &number, number.n_whole + number.n_fraction);
    return true;
}
