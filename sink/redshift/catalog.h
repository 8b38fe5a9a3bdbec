/* What stands in the warehouse's catalog, and bringing a table into shape. Each DDL statement commits by
 * itself. */
#ifndef LEAT_SINK_REDSHIFT_CATALOG_H
#define LEAT_SINK_REDSHIFT_CATALOG_H

#include <libpq-fe.h>

#include "base/err.h"
#include "sink/redshift/target.h"

MUST_CHECK enum rc catalog_has_schema(PGconn *conn, const char *schema, bool *ret_exists, struct err *err);
MUST_CHECK enum rc catalog_has_table(PGconn *conn, const char *schema, const char *table, bool *ret_exists,
                                     struct err *err);
/* Creates the table, adds columns, widens texts; then the target's types and widths are the catalog's.
 * Outside of a transaction. ret_statements: how many statements changed something. */
MUST_CHECK enum rc catalog_ensure_table(PGconn *conn, struct target *target, size_t *ret_statements, struct err *err);

/* A statement that yields no rows. */
MUST_CHECK enum rc catalog_execute(PGconn *conn, const char *sql, const char *what, struct err *err);

#endif
