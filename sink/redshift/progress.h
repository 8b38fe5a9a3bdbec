/* What the rows of the progress table say: where the warehouse stands, and whether a batch may go in. Pure.
 */
#ifndef LEAT_SINK_REDSHIFT_PROGRESS_H
#define LEAT_SINK_REDSHIFT_PROGRESS_H

#include <libpq-fe.h>

#include "sink/redshift/warehouse.h"

/* Columns of sql_progress_read. */
enum { PROGRESS_SOURCE, PROGRESS_NEXT, PROGRESS_HIGH_MAJOR, PROGRESS_HIGH_MINOR, PROGRESS_WRITER, PROGRESS_UPDATED };

int progress_row(const PGresult *rows, const char *source); /* -1: none */
/* ledger_next -1 when the source has no row. */
struct progress progress_of(const PGresult *rows, const char *source);

/* Does the batch begin where the warehouse stands, and is `writer` still the worker that may write? Else
 * ERR_SINK_FENCED. ret_is_in: the batch is in the warehouse already, whoever put it there. */
MUST_CHECK enum rc progress_check(const PGresult *rows, const struct load *load, const char *sink, const char *writer,
                                  bool *ret_is_in, struct err *err);

#endif
