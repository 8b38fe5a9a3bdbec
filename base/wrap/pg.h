/* libpq: connecting, and turning its failures into ours. The only place that knows SQLSTATEs of connecting. */
#ifndef LEAT_BASE_WRAP_PG_H
#define LEAT_BASE_WRAP_PG_H

#include <stdbool.h>

#include <libpq-fe.h>

#include "base/err.h"

DEFINE_SCOPED(PGresult *, PQclear)
DEFINE_SCOPED(PGconn *, PQfinish)

/* Which server a failure belongs to, so that advice fits. */
enum pg_role { PG_ROLE_SOURCE, PG_ROLE_WAREHOUSE };

struct pg_target {
    enum pg_role role;
    const char *host, *port, *database, *user, *password;
    const char *sslmode, *sslrootcert; /* NULL: libpq's default */
    const char *sslcert, *sslkey;      /* our own, where the server asks for one; NULL or "": none */
    const char *application_name;
    const char *options;   /* "-c name=value ..." or NULL */
    bool replication;      /* replication=database */
    int connect_timeout_s; /* 0: 10 */
};

/* Connects with TCP keepalives and tcp_user_timeout. Wrong password or database: FATAL; everything that can mend
 * itself (refused, starting up, shutting down, too many connections, DNS): RETRY. */
MUST_CHECK enum rc pg_connect(const struct pg_target *target, PGconn **ret_conn, struct err *err);

/* The class of a failed result or of a broken connection, by role and SQLSTATE (docs/errors.md), with the server's
 * message, first line only, values left out. res may be NULL. `format` says what could not be done. */
enum rc err_pg(struct err *err, enum pg_role role, PGconn *conn, const PGresult *res, const char *format, ...)
    PRINTF_LIKE(5, 6);
/* The same for an error that did not come through libpq. */
enum rc err_pg_state(struct err *err, enum pg_role role, const char *sqlstate, const char *message, const char *what);

#endif
