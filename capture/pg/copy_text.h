/* Rows of COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html */
#ifndef LEAT_CAPTURE_PG_COPY_TEXT_H
#define LEAT_CAPTURE_PG_COPY_TEXT_H

#include "capture/pg/pgoutput.h"

/* One line, its newline included or not, taken apart in place: values point into the line. ERR_MALFORMED when
 * it has not exactly n columns. */
MUST_CHECK enum rc pg_copy_parse(char *line, size_t len, uint16_t n, struct pgoutput_tuple *ret_row, struct err *err);

#endif
