/* Numbers as the warehouse reads them: plain digits. */
#ifndef LEAT_SINK_CSV_NUMBER_H
#define LEAT_SINK_CSV_NUMBER_H

#include "base/buf.h"

void csv_put_integer(struct buf *out, int64_t value);
/* The shortest text that reads back as the same number. NULL, or why the warehouse cannot hold the value. */
const char *csv_put_float(struct buf *out, double value, bool is_real);

enum { CSV_MAX_DIGITS = 1040 }; /* numeric(p,s) has at most 1000 */

/* Decimal digits of |unscaled| without leading zeros, "0" for zero. */
struct csv_digits {
    char text[CSV_MAX_DIGITS];
    size_t len;
    bool negative;
};

/* bytes: big-endian two's complement. False when there are more digits than any column holds. */
bool csv_digits_of(struct slice bytes, struct csv_digits *ret);
/* digits * 10^-scale, in plain digits; and how many characters that takes. */
void csv_put_digits(struct buf *out, const struct csv_digits *digits, int scale);
size_t csv_digits_len(const struct csv_digits *digits, int scale);

#endif
