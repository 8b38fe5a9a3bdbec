/* The first copy: every table as it was at the slot's consistent point, row by row over one connection. */
#ifndef LEAT_CAPTURE_PG_SNAPSHOT_H
#define LEAT_CAPTURE_PG_SNAPSHOT_H

#include "base/wrap/pg.h"
#include "capture/pg/catalog.h"
#include "capture/pg/pgoutput.h"

struct pg_snapshot;

/* Takes the connection over, also on failure: joins the exported snapshot and locks the tables against
 * changes of their shape. The tables have to outlive it. */
MUST_CHECK enum rc pg_snapshot_open(PGconn *conn, const char *exported, const struct pg_table *tables, size_t n,
                                    struct pg_snapshot **ret_snapshot, struct err *err);
void pg_snapshot_free(struct pg_snapshot *snapshot);
/* For questions about the tables as the snapshot sees them; not while a table is being copied. */
PGconn *pg_snapshot_connection(struct pg_snapshot *snapshot);

/* Begins to copy one table, the columns in the relation's order. */
MUST_CHECK enum rc pg_snapshot_begin(struct pg_snapshot *snapshot, const struct pg_table *table,
                                     const struct pgoutput_relation *relation, struct err *err);
/* The next row, valid until the next call. *ret_end: the table is done, there is no row. RC_AGAIN: nothing
 * has come yet, wait for the socket. */
MUST_CHECK enum rc pg_snapshot_next(struct pg_snapshot *snapshot, struct pgoutput_tuple *ret_row, bool *ret_end,
                                    struct err *err);

/* One line of COPY's text format, its newline included or not, taken apart in place: values point into the
 * line. ERR_MALFORMED when it has not exactly n columns. */
MUST_CHECK enum rc pg_copy_parse(char *line, size_t len, uint16_t n, struct pgoutput_tuple *ret_row, struct err *err);

#endif
