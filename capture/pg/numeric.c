#include "capture/pg/numeric.h"

#include "base/reader.h"
#include "proto/avro_put.h"

/* src/backend/utils/adt/numeric.c */
enum {
    NUMERIC_POS = 0x0000,
    NUMERIC_NEG = 0x4000,
    NUMERIC_NAN = 0xC000,
    NUMERIC_PINF = 0xD000,
    NUMERIC_NINF = 0xF000,
    NUMERIC_DSCALE_MASK = 0x3FFF,
    NBASE = 10000,
    DEC_DIGITS = 4,
    HEADER_BYTES = 8,
    DIGIT_BYTES = 2,
};

enum {
    SHORT_DIGITS = 4,      /* of base 10,000: they fit an int64, ... */
    SHORT_FIRST_MAX = 921, /* ... and so does one more in front, up to this */
    POWERS = 19,
};

static const int64_t powers_of_10[POWERS] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
};

struct numeric {
    size_t n;   /* digits */
    int weight; /* the first digit counts NBASE to the power of this */
    int sign, dscale;
    const uint8_t *digits;
};

static inline int u16_at(const uint8_t *at)
{
    return at[0] << 8 | at[1];
}

static inline int numeric_digit(const struct numeric *number, int i)
{
    return i < 0 || (size_t)i >= number->n ? 0 : u16_at(number->digits + DIGIT_BYTES * i);
}

static inline bool numeric_open(struct slice bytes, struct numeric *ret)
{
    if (UNLIKELY(bytes.len < HEADER_BYTES))
        return false;
    *ret = (struct numeric){.n = (size_t)u16_at(bytes.ptr),
                            .weight = (int16_t)u16_at(bytes.ptr + 2),
                            .sign = u16_at(bytes.ptr + 4),
                            .dscale = u16_at(bytes.ptr + 6),
                            .digits = bytes.ptr + HEADER_BYTES};
    return bytes.len == HEADER_BYTES + DIGIT_BYTES * ret->n;
}

/* ---- short ones ---- */

/* unscaled * 10^exponent */
struct decimal {
    int64_t unscaled;
    int exponent;
};

/* Digits behind the scale that is shown are zero, or it is not one of ours to judge. */
static inline bool is_within_dscale(const struct decimal *decimal, int dscale)
{
    int hidden = -decimal->exponent - dscale;
    return hidden <= 0 || (hidden < DEC_DIGITS && decimal->unscaled % powers_of_10[hidden] == 0);
}

static inline bool take_short(struct slice bytes, struct decimal *ret)
{
    struct numeric number;
    if (!numeric_open(bytes, &number) || (number.sign != NUMERIC_POS && number.sign != NUMERIC_NEG) ||
        number.n > SHORT_DIGITS + 1 || number.dscale > NUMERIC_DSCALE_MASK ||
        (number.n > SHORT_DIGITS && u16_at(number.digits) > SHORT_FIRST_MAX))
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < number.n; i++) {
        int digit = u16_at(number.digits + DIGIT_BYTES * i);
        if (UNLIKELY(digit >= NBASE))
            return false;
        value = value * NBASE + digit;
    }
    if (UNLIKELY(value == 0 && number.sign == NUMERIC_NEG))
        return false; /* no server writes it; as a double its text is another zero */
    ret->unscaled = number.sign == NUMERIC_NEG ? -value : value;
    ret->exponent = value == 0 ? 0 : DEC_DIGITS * (number.weight + 1 - (int)number.n);
    return is_within_dscale(ret, number.dscale);
}

/* *value times 10^power, exactly. */
static inline bool scale_by(int64_t *value, int power)
{
    if (power >= POWERS || power <= -POWERS)
        return *value == 0;
    if (power >= 0)
        return !__builtin_mul_overflow(*value, powers_of_10[power], value);
    int64_t divisor = powers_of_10[-power], quotient = *value / divisor;
    bool exact = quotient * divisor == *value;
    *value = quotient;
    return exact;
}

bool pg_numeric_put_short(struct slice bytes, int scale, struct buf *out)
{
    struct decimal decimal;
    if (!take_short(bytes, &decimal) || !scale_by(&decimal.unscaled, scale + decimal.exponent))
        return false;
    avro_put_decimal_of(out, decimal.unscaled);
    return true;
}

bool pg_numeric_put_short_variable(struct slice bytes, struct buf *out)
{
    struct decimal decimal;
    if (!take_short(bytes, &decimal))
        return false;
    if (decimal.exponent > 0) {
        if (!scale_by(&decimal.unscaled, decimal.exponent))
            return false;
        decimal.exponent = 0;
    }
    for (; decimal.exponent < 0 && decimal.unscaled % 10 == 0; decimal.exponent++)
        decimal.unscaled /= 10;
    avro_put_long(out, -decimal.exponent);
    avro_put_decimal_of(out, decimal.unscaled);
    return true;
}

/* A product or quotient of two doubles that are exact is the nearest double, which is what strtod() finds. */
bool pg_numeric_put_short_double(struct slice bytes, struct buf *out)
{
    enum { EXACT_POWER = 22, MANTISSA_BITS = 53 };
    static const double doubles[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal decimal;
    if (!take_short(bytes, &decimal) || decimal.exponent > EXACT_POWER || decimal.exponent < -EXACT_POWER ||
        decimal.unscaled > INT64_C(1) << MANTISSA_BITS || decimal.unscaled < -(INT64_C(1) << MANTISSA_BITS))
        return false;
    double value = (double)decimal.unscaled;
    avro_put_double(out, decimal.exponent < 0 ? value / doubles[-decimal.exponent] : value * doubles[decimal.exponent]);
    return true;
}

/* ---- any ---- */

static bool put_special(const struct numeric *number, struct buf *out)
{
    const char *word = number->sign == NUMERIC_NAN    ? "NaN"
                       : number->sign == NUMERIC_PINF ? "Infinity"
                       : number->sign == NUMERIC_NINF ? "-Infinity"
                                                      : NULL;
    if (word == NULL || number->n > 0)
        return false;
    buf_put_str(out, word);
    return true;
}

/* Every digit is one, and those behind the scale are zero: numeric_recv() would cut them. */
static bool has_digits(const struct numeric *number)
{
    for (size_t i = 0; i < number->n; i++) {
        int digit = numeric_digit(number, (int)i);
        int64_t first_place = DEC_DIGITS * ((int64_t)i - number->weight - 1); /* behind the point */
        int64_t hidden = first_place + DEC_DIGITS - number->dscale;
        if (digit >= NBASE || (hidden >= DEC_DIGITS && digit != 0) ||
            (hidden > 0 && hidden < DEC_DIGITS && digit % powers_of_10[hidden] != 0))
            return false;
    }
    return true;
}

static void put_digit(int digit, int n_places, struct buf *out)
{
    int divisor = NBASE / 10;
    for (int i = 0; i < n_places; i++, divisor /= 10)
        buf_put_u8(out, (uint8_t)('0' + digit / divisor % 10));
}

static void put_whole(const struct numeric *number, struct buf *out)
{
    size_t start = out->len;
    for (int i = 0; i <= number->weight; i++) {
        int digit = numeric_digit(number, i);
        if (out->len > start)
            put_digit(digit, DEC_DIGITS, out);
        else if (digit > 0)
            buf_printf(out, "%d", digit);
    }
    if (out->len == start)
        buf_put_u8(out, '0');
}

bool pg_numeric_put_server_text(struct slice bytes, struct buf *out)
{
    struct numeric number;
    if (!numeric_open(bytes, &number))
        return false;
    if (number.sign != NUMERIC_POS && number.sign != NUMERIC_NEG)
        return put_special(&number, out);
    if (number.dscale > NUMERIC_DSCALE_MASK || !has_digits(&number))
        return false;
    if (number.sign == NUMERIC_NEG)
        buf_put_u8(out, '-');
    put_whole(&number, out);
    if (number.dscale > 0)
        buf_put_u8(out, '.');
    for (int left = number.dscale, i = number.weight + 1; left > 0; left -= DEC_DIGITS, i++)
        put_digit(numeric_digit(&number, i), MIN(left, DEC_DIGITS), out);
    return true;
}
