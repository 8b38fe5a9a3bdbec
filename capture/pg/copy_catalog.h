/* What the catalog says of the heaps that hold the rows of tables. */
#ifndef LEAT_CAPTURE_PG_COPY_CATALOG_H
#define LEAT_CAPTURE_PG_COPY_CATALOG_H

#include "base/arena.h"
#include "base/wrap/pg.h"
#include "capture/pg/copy_plan.h"

/* All heaps of the plan's tables, in one question: a table itself, or the leaves of a partitioned one. The arena
 * holds them. by_size false: blocks as last analyzed, which asks for no lock. */
MUST_CHECK enum rc pg_copy_catalog_heaps(PGconn *conn, const struct pg_copy_plan *plan, bool by_size,
                                         struct arena *arena, struct pg_copy_found **ret_found, size_t *ret_n,
                                         struct err *err);
/* pg_current_snapshot(): xmin:xmax:xip,... The result is the caller's to PQclear(); its text is the first value. */
MUST_CHECK enum rc pg_copy_catalog_snapshot(PGconn *conn, PGresult **ret, struct err *err);
/* The oldest transaction that is running, and the number that the next one gets. */
MUST_CHECK enum rc pg_copy_catalog_running(PGconn *conn, uint64_t *ret_oldest, uint64_t *ret_next, struct err *err);
/* The end of the log. */
MUST_CHECK enum rc pg_copy_catalog_wal_end(PGconn *conn, uint64_t *ret_lsn, struct err *err);

#endif
