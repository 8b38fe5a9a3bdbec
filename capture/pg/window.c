#include "capture/pg/window.h"

#include <stdio.h>
#include <stdlib.h>

#include "capture/pg/lsn.h"

enum { SLOT_NAME_KEPT = 40 }; /* of the main slot's, in the temporary one's; the server's limit is 63 */

struct pg_window {
    const struct config_postgresql *config;
    const char *application_name;
    PGconn *conn; /* replication; NULL: not connected */
    bool has_slot;
    char slot[PG_NAME_BYTES];
    uint64_t point;
    char exported[PG_SNAPSHOT_NAME_BYTES];
};

struct pg_window *pg_window_new(const struct config_postgresql *config, const char *application_name)
{
    struct pg_window *window = calloc(1, sizeof(*window));
    if (window == NULL)
        abort();
    window->config = config;
    window->application_name = application_name;
    return window;
}

void pg_window_free(struct pg_window *window)
{
    if (window == NULL)
        return;
    PQfinish(window->conn); /* a temporary slot goes with its connection */
    free(window);
}

static void disconnect(struct pg_window *window)
{
    PQfinish(window->conn);
    window->conn = NULL;
    window->has_slot = false;
}

static enum rc failed(struct pg_window *window, const PGresult *res, const char *what, struct err *err)
{
    enum rc rc = err_pg(err, PG_ROLE_SOURCE, window->conn, res, "could not %s temporary replication slot \"%s\"", what,
                        window->slot);
    disconnect(window);
    return rc;
}

/* The name is of this connection alone: a slot whose process was killed may outlive it for a moment. */
enum rc pg_window_begin(struct pg_window *window, struct err *err)
{
    char sql[256];
    if (window->conn == NULL)
        TRY(pg_source_connect(window->config, window->application_name, true, &window->conn, err));
    snprintf(window->slot, sizeof(window->slot), "%.*s_copy_%d", SLOT_NAME_KEPT, window->config->slot,
             PQbackendPID(window->conn));
    snprintf(sql, sizeof(sql), "CREATE_REPLICATION_SLOT \"%s\" TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT",
             window->slot);
    if (PQsendQuery(window->conn, sql) == 0)
        return failed(window, NULL, "make", err);
    return RC_OK;
}

static enum rc take_point(struct pg_window *window, const PGresult *res, struct err *err)
{
    if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1)
        return failed(window, res, "make", err);
    TRY(lsn_parse(PQgetvalue(res, 0, 1), &window->point, err));
    snprintf(window->exported, sizeof(window->exported), "%s", PQgetvalue(res, 0, 2));
    window->has_slot = true;
    return RC_OK;
}

enum rc pg_window_poll(struct pg_window *window, struct err *err)
{
    if (PQconsumeInput(window->conn) == 0)
        return failed(window, NULL, "make", err);
    if (PQisBusy(window->conn))
        return RC_AGAIN;
    SCOPED(PQclear) PGresult *res = PQgetResult(window->conn);
    TRY(take_point(window, res, err));
    SCOPED(PQclear) PGresult *end = PQgetResult(window->conn);
    return end == NULL ? RC_OK : failed(window, end, "make", err);
}

void pg_window_adopt(struct pg_window *window, uint64_t point, const char *exported)
{
    window->point = point;
    snprintf(window->exported, sizeof(window->exported), "%s", exported);
}

enum rc pg_window_end(struct pg_window *window, struct err *err)
{
    char sql[128];
    if (!window->has_slot)
        return RC_OK;
    window->has_slot = false;
    snprintf(sql, sizeof(sql), "DROP_REPLICATION_SLOT \"%s\"", window->slot);
    SCOPED(PQclear) PGresult *res = PQexec(window->conn, sql);
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        return failed(window, res, "drop", err);
    return RC_OK;
}

uint64_t pg_window_point(const struct pg_window *window)
{
    return window->point;
}

const char *pg_window_exported(const struct pg_window *window)
{
    return window->exported;
}
