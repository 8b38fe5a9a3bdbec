#include "sink/redshift/session.h"

#include <stdio.h>
#include <stdlib.h>

/* What a session needs to be like, one statement each: redshift has no parameters at connect for all of them.
 */
static const char *const session_settings[] = {
    "SET timezone TO 'UTC'",
    "SET statement_timeout TO 0",
    "SET error_on_nondeterministic_update TO true",
};

static void ignore_notice(void *context, const PGresult *res)
{
    (void)context;
    (void)res;
}

enum rc session_connect(struct session *session, struct err *err)
{
    if (session->conn != NULL && PQstatus(session->conn) == CONNECTION_OK)
        return RC_OK;
    session_disconnect(session);
    const struct config_redshift *config = session->config;
    char port[16];
    snprintf(port, sizeof(port), "%lld", (long long)config->port);
    struct pg_target target = {
        .role = PG_ROLE_WAREHOUSE,
        .host = config->host,
        .port = port,
        .database = config->database,
        .user = config->user,
        .password = config->password,
        .sslmode = config->sslmode,
        .sslrootcert = config->sslrootcert,
        .application_name = session->application_name,
    };
    SCOPED(PQfinish) PGconn *conn = NULL;
    TRY(pg_connect(&target, &conn, err));
    PQsetNoticeReceiver(conn, ignore_notice, NULL); /* every COPY has one */
    for (size_t i = 0; i < ARRAY_LEN(session_settings); i++) {
        SCOPED(PQclear) PGresult *res = PQexec(conn, session_settings[i]);
        if (PQresultStatus(res) != PGRES_COMMAND_OK)
            return err_pg(err, PG_ROLE_WAREHOUSE, conn, res, "could not set up the session");
    }
    session->conn = conn;
    conn = NULL;
    return RC_OK;
}

void session_disconnect(struct session *session)
{
    PQfinish(session->conn);
    session->conn = NULL;
}

static enum rc run_word(struct session *session, const char *word, struct err *err)
{
    SCOPED(PQclear) PGresult *res = PQexec(session->conn, word);
    /* The COMMIT of a transaction that failed answers ROLLBACK, and no error. */
    if (PQresultStatus(res) != PGRES_COMMAND_OK || strcmp(PQcmdStatus(res), word) != 0)
        return err_pg(err, PG_ROLE_WAREHOUSE, session->conn, res, "could not %s the transaction",
                      strcmp(word, "BEGIN") == 0 ? "begin" : "commit");
    return RC_OK;
}

enum rc session_begin(struct session *session, struct err *err)
{
    bool was_open = session->conn != NULL;
    TRY(session_connect(session, err));
    enum rc rc = run_word(session, "BEGIN", err);
    if (rc == RC_OK || !was_open || PQstatus(session->conn) == CONNECTION_OK)
        return rc;
    TRY(session_connect(session, err));
    return run_word(session, "BEGIN", err);
}

enum rc session_commit(struct session *session, struct err *err)
{
    return run_word(session, "COMMIT", err);
}

void session_abandon(struct session *session)
{
    if (session->conn == NULL)
        return;
    SCOPED(PQclear) PGresult *res = PQexec(session->conn, "ROLLBACK");
    if (PQresultStatus(res) != PGRES_COMMAND_OK || PQtransactionStatus(session->conn) != PQTRANS_IDLE)
        session_disconnect(session);
}

static enum rc check_length(const struct buf *sql, const char *what, const char *table, struct err *err)
{
    if (sql->failed)
        return err_set(err, ERR_REDSHIFT_SCHEMA, "could not %s \"%s\": the statement is longer than redshift takes",
                       what, table);
    return RC_OK;
}

enum rc session_run(struct session *session, struct buf *sql, const char *what, const char *table, uint64_t *ret_rows,
                    struct err *err)
{
    TRY(check_length(sql, what, table, err));
    SCOPED(PQclear) PGresult *res = PQexec(session->conn, buf_cstr(sql));
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return err_pg(err, PG_ROLE_WAREHOUSE, session->conn, res, "could not %s \"%s\"", what, table);
    if (ret_rows != NULL)
        *ret_rows = strtoull(PQcmdTuples(res), NULL, 10);
    return RC_OK;
}

enum rc session_each(struct session *session, struct buf *sql, const char *what, const char *table, session_row *each,
                     void *context, struct err *err)
{
    TRY(check_length(sql, what, table, err));
    if (PQsendQuery(session->conn, buf_cstr(sql)) != 1 || PQsetSingleRowMode(session->conn) != 1)
        return err_pg(err, PG_ROLE_WAREHOUSE, session->conn, NULL, "could not %s \"%s\"", what, table);
    for (;;) {
        SCOPED(PQclear) PGresult *res = PQgetResult(session->conn);
        if (res == NULL)
            return RC_OK;
        if (PQresultStatus(res) == PGRES_SINGLE_TUPLE)
            TRY(each(context, res, err));
        else if (PQresultStatus(res) != PGRES_TUPLES_OK) /* of no rows: the end */
            return err_pg(err, PG_ROLE_WAREHOUSE, session->conn, res, "could not %s \"%s\"", what, table);
    }
}

enum rc session_query(struct session *session, const char *sql, int n_params, const char *const *params,
                      const char *what, PGresult **ret_res, struct err *err)
{
    PGresult *res = n_params == 0 ? PQexec(session->conn, sql)
                                  : PQexecParams(session->conn, sql, n_params, NULL, params, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        enum rc rc = err_pg(err, PG_ROLE_WAREHOUSE, session->conn, res, "could not %s", what);
        PQclear(res);
        return rc;
    }
    *ret_res = res;
    return RC_OK;
}
