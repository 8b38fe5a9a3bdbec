/* Days and times as the warehouse reads them: YYYY-MM-DD HH:MM:SS.ffffff. Years before 1 are refused: COPY is not known
 * to read them, and what COPY cannot read stops the sink. Each function answers NULL, or says why the warehouse cannot
 * hold the value. */
#ifndef LEAT_SINK_CSV_TIME_H
#define LEAT_SINK_CSV_TIME_H

#include "base/buf.h"

const char *csv_put_date(struct buf *out, int64_t days);                /* since 1970-01-01 */
const char *csv_put_time(struct buf *out, int64_t us);                  /* since midnight */
const char *csv_put_timestamp(struct buf *out, int64_t us);             /* since 1970 */
const char *csv_put_zoned_timestamp(struct buf *out, struct slice iso); /* ISO 8601; comes out in UTC */

#endif
