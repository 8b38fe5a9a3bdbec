/* Numbers as PostgreSQL writes them to their Avro bytes. Strict: false for any other text, and for what the Avro type
 * has no place for; what was put is then to be dropped. */
#ifndef LEAT_CAPTURE_PG_NUMBER_H
#define LEAT_CAPTURE_PG_NUMBER_H

#include "base/buf.h"

bool pg_bool_put(struct slice text, struct buf *out);
bool pg_integer_put(struct slice text, int64_t min, int64_t max, struct buf *out);
bool pg_float4_put(struct slice text, struct buf *out);
bool pg_float8_put(struct slice text, struct buf *out);
/* A float without its Avro form. */
bool pg_float8_parse(struct slice text, double *ret_value);

/* numeric as decimal_handling_mode has it. NaN and infinity are no decimals; as text they are Debezium's words. */
bool pg_variable_numeric_put(struct slice text, struct buf *out); /* without the zeros at its end */
bool pg_numeric_put_double(struct slice text, struct buf *out);
bool pg_numeric_put_text(struct slice text, struct buf *out);

/* "-$1,234.00", "($1.50)": one character of currency, which may be no ASCII. Half is rounded away from zero. */
bool pg_money_put(struct slice text, int fraction_digits, struct buf *out);
bool pg_money_put_double(struct slice text, struct buf *out);
bool pg_money_put_text(struct slice text, struct buf *out);

#endif
