/* numeric in its binary form (numeric_send): digits of base 10,000 to Avro, without a text between where the number is
 * as short as nearly all are. */
#ifndef LEAT_CAPTURE_PG_NUMERIC_H
#define LEAT_CAPTURE_PG_NUMERIC_H

#include "base/buf.h"

/* The longest text there is: digits before and after the point, sign and point. */
enum { PG_NUMERIC_TEXT_BYTES = 32768 * 4 + 16383 + 2 };

/* What number.h's functions of the text would have put. false: nothing was put; the text decides. */
bool pg_numeric_put_short(struct slice bytes, int scale, struct buf *out);
bool pg_numeric_put_short_variable(struct slice bytes, struct buf *out);
bool pg_numeric_put_short_double(struct slice bytes, struct buf *out);

/* The server's text of it. false: the bytes are no numeric. */
bool pg_numeric_put_server_text(struct slice bytes, struct buf *out);

#endif
