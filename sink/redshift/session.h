/* One connection to the warehouse, and one statement at a time on it. */
#ifndef LEAT_SINK_REDSHIFT_SESSION_H
#define LEAT_SINK_REDSHIFT_SESSION_H

#include <libpq-fe.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/wrap/pg.h"

struct session {
    const struct config_redshift *config;
    char application_name[128];
    PGconn *conn; /* NULL: not connected */
};

/* Nothing to do when connected already. */
MUST_CHECK enum rc session_connect(struct session *session, struct err *err);
void session_disconnect(struct session *session);

/* A session that died while it was idle is opened again. */
MUST_CHECK enum rc session_begin(struct session *session, struct err *err);
MUST_CHECK enum rc session_commit(struct session *session, struct err *err);
/* Ends whatever is open, without a complaint: the connection is dropped when that does not work. */
void session_abandon(struct session *session);

/* A statement without parameters; ret_rows (may be NULL): how many rows its tag says. `what`: "merge into".
 */
MUST_CHECK enum rc session_run(struct session *session, struct buf *sql, const char *what, const char *table,
                               uint64_t *ret_rows, struct err *err);
/* A query whose answer may be large: each row by itself as it comes, a result with one row. A bad rc from `each` ends
 * it and is passed up; the transaction then must be abandoned. */
typedef enum rc session_row(void *context, const PGresult *row, struct err *err);
MUST_CHECK enum rc session_each(struct session *session, struct buf *sql, const char *what, const char *table,
                                session_row *each, void *context, struct err *err);
/* A statement with text parameters; ret_res is the caller's to clear. */
MUST_CHECK enum rc session_query(struct session *session, const char *sql, int n_params, const char *const *params,
                                 const char *what, PGresult **ret_res, struct err *err);

#endif
