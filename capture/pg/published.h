/* What a publication carries, and by which catalog rows it does: kept in the ledger as one line of text, and compared
 * at every start and reconnect. pgoutput asks the catalog as it was at each place in the log, so a table that left the
 * publication and came back while nobody looked has lost changes although the publication reads the same. The row that
 * puts a table into it has an oid of its own, new each time: that tells.
 *
 *   "16412 741 iudt root none; 16385:16413 16390:16414+16420"
 *
 * oid and xmin of the publication's row, operations, partitions as "root" or "leaf", generated columns; then each
 * captured table's oid with those of the rows that put it there (0: for all tables). */
#ifndef LEAT_CAPTURE_PG_PUBLISHED_H
#define LEAT_CAPTURE_PG_PUBLISHED_H

#include "base/arena.h"
#include "base/wrap/pg.h"
#include "capture/pg/catalog.h"

/* The line for these tables, in the arena. The publication has to exist. */
MUST_CHECK enum rc pg_published_read(PGconn *conn, const char *publication, const struct pg_table *tables, size_t n,
                                     struct arena *arena, const char **ret_line, struct err *err);

/* What the ledger's line says of a table that is published now. */
enum pg_published_table {
    PG_PUBLISHED_SAME,
    PG_PUBLISHED_NEW,     /* the ledger does not have it: streamed from now on, its older rows are not copied */
    PG_PUBLISHED_REMADE,  /* it was taken out and back, or its row filter or column list changed */
    PG_PUBLISHED_UNKNOWN, /* the ledger has no line */
};
enum pg_published_table pg_published_table(const char *ledger_line, const char *line, uint32_t oid);

/* ERR_PG_PUBLICATION_CHANGED, saying what, when changes may be missing between the two lines; also for a line that is
 * none. Tables that are new, or gone, are no gap. A NULL ledger_line: RC_OK. */
MUST_CHECK enum rc pg_published_compare(const char *ledger_line, const char *line, const struct pg_table *tables,
                                        size_t n, struct err *err);

#endif
