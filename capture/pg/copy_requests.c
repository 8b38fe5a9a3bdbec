#include "capture/pg/copy_requests.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/pg/copy_sql.h"
#include "capture/pg/session.h"

enum {
    LOOK_US = US_PER_S,
    REQUEST_ARENA_BYTES = 32 << 20,
    MOST_AT_ONCE = 100, /* requests of one look: the stream waits meanwhile */
    NAME_BYTES = 4 * PG_NAME_BYTES,
    SQL_MAX_BYTES = 16 << 20,
};

static const char SQL_BEGIN[] = "begin read only; set local lock_timeout = '1s'";
static const char SQLSTATE_LOCKED[] = "55P03";

void pg_copy_requests_done(struct pg_copy_requests *reader)
{
    requests_close(reader->requests);
    arena_free(reader->arena);
    *reader = (struct pg_copy_requests){0};
}

/* ---- names ---- */

static const struct pg_table *find_named(const struct source *source, const char *name)
{
    char full[NAME_BYTES];
    for (size_t i = 0; i < source->n_tables; i++) {
        snprintf(full, sizeof(full), "%s.%s", source->tables[i].schema, source->tables[i].name);
        if (strcmp(full, name) == 0)
            return &source->tables[i];
    }
    return NULL;
}

/* Tables may have joined the publication since the session began. */
static enum rc find_all_named(struct source *source, const struct request *request, struct err *err)
{
    bool looked = false;
    for (size_t i = 0; i < request->n_tables; i++) {
        if (find_named(source, request->tables[i]) != NULL)
            continue;
        if (!looked)
            TRY(pg_catalog_tables(source->conn, source->config, source->config->publication, true, true,
                                  source->tables_arena, &source->tables, &source->n_tables, err));
        looked = true;
        if (find_named(source, request->tables[i]) == NULL)
            return err_set(err, ERR_REQUEST_REFUSED, "table %s is not captured", request->tables[i]);
    }
    return RC_OK;
}

/* ---- conditions ---- */

/* As the copy will ask, without asking: the extended protocol takes one statement, and parses it. */
static enum rc parse_condition(PGconn *conn, const struct pg_table *table, const char *where, struct err *err)
{
    SCOPED(buf_done) struct buf sql = buf_new(SQL_MAX_BYTES);
    buf_put_str(&sql, "select from ");
    pg_copy_sql_identifier(table->schema, &sql);
    buf_put_u8(&sql, '.');
    pg_copy_sql_identifier(table->name, &sql);
    buf_printf(&sql, " where true\nand (%s\n)", where);
    if (sql.failed)
        return err_set(err, ERR_REQUEST_REFUSED, "the condition is too long");
    SCOPED(PQclear) PGresult *res = PQprepare(conn, "", buf_cstr(&sql), 0, NULL);
    if (PQresultStatus(res) == PGRES_COMMAND_OK)
        return RC_OK;
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    if (state != NULL && strcmp(state, SQLSTATE_LOCKED) == 0)
        return RC_OK; /* somebody holds the table: the copy will see */
    enum rc rc = err_pg(err, PG_ROLE_SOURCE, conn, res, "table %s.%s cannot be asked for (%s)", table->schema,
                        table->name, where);
    if (PQstatus(conn) != CONNECTION_OK)
        return rc;
    err->code = ERR_REQUEST_REFUSED;
    return RC_REJECT;
}

static enum rc run(PGconn *conn, const char *sql, struct err *err)
{
    SCOPED(PQclear) PGresult *res = PQexec(conn, sql);
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        return err_pg(err, PG_ROLE_SOURCE, conn, res, "could not look at a request");
    return RC_OK;
}

static enum rc check_condition(struct source *source, const struct request *request, struct err *err)
{
    enum rc rc = RC_OK;
    if (request->where == NULL)
        return RC_OK;
    for (size_t i = 0; i < request->n_tables && rc == RC_OK; i++) {
        TRY(run(source->conn, SQL_BEGIN, err));
        rc = parse_condition(source->conn, find_named(source, request->tables[i]), request->where, err);
        if (rc == RC_OK || rc == RC_REJECT) {
            struct err ignored;
            TRY(run(source->conn, "rollback", rc == RC_OK ? err : &ignored));
        }
    }
    return rc;
}

/* ---- taking ---- */

static void queue(struct pg_copy_plan *plan, const struct pg_table *table, const char *where)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%s.%s", table->schema, table->name);
    pg_copy_plan_add(plan, table->oid, name, where);
}

static enum rc take_snapshot(struct source *source, const struct request *request, struct err *err)
{
    struct pg_copy_plan *plan = pg_copying_plan(source->copying);
    if (!request->all)
        TRY(find_all_named(source, request, err));
    TRY(check_condition(source, request, err));
    for (size_t i = 0; request->all && i < source->n_tables; i++)
        queue(plan, &source->tables[i], NULL);
    for (size_t i = 0; i < request->n_tables; i++)
        queue(plan, find_named(source, request->tables[i]), request->where);
    return RC_OK;
}

/* A table whose copy was cancelled counts as copied: the next start does not take it up again. */
static enum rc take_cancel(struct source *source, const struct request *request, struct err *err)
{
    struct pg_copy_plan *plan = pg_copying_plan(source->copying);
    if (!request->all)
        TRY(find_all_named(source, request, err));
    for (size_t i = plan->n_tables; i-- > 0;) {
        bool is_named = request->all;
        for (size_t k = 0; k < request->n_tables && !is_named; k++)
            is_named = find_named(source, request->tables[k])->oid == plan->tables[i]->oid;
        if (!is_named)
            continue;
        TRY(pg_copying_abandon(source, plan->tables[i], err));
        pg_copy_plan_remove(plan, plan->tables[i], true);
    }
    return RC_OK;
}

static enum rc take(struct source *source, const struct request *request, struct err *err)
{
    switch (request->kind) {
    case REQUEST_SNAPSHOT: return take_snapshot(source, request, err);
    case REQUEST_CANCEL: return take_cancel(source, request, err);
    }
    return err_set(err, ERR_BUG, "a request of kind %d was decoded and not taken", (int)request->kind);
}

static enum rc take_or_refuse(struct source *source, const struct request *request, struct err *err)
{
    const char *name = source->context.source->name;
    enum rc rc = take(source, request, err);
    if (rc == RC_OK) {
        log_info("request_taken", LOG_STR("source", name), LOG_STR("kind", request_kind_name(request->kind)),
                 LOG_STR("id", request->id), LOG_BOOL("all", request->all), LOG_U64("tables", request->n_tables));
        return RC_OK;
    }
    if (PQstatus(source->conn) != CONNECTION_OK)
        return rc;
    log_warn("request_refused", LOG_STR("source", name), LOG_STR("kind", request_kind_name(request->kind)),
             LOG_STR("id", request->id), LOG_ERR(err));
    return RC_OK;
}

/* ---- reading ---- */

static enum rc open_reader(struct source *source, struct pg_copy_requests *reader, struct err *err)
{
    if (reader->requests != NULL)
        return RC_OK;
    if (reader->arena == NULL)
        reader->arena = arena_new(REQUEST_ARENA_BYTES);
    return requests_open(source->context.config, source->context.source, pg_copying_plan(source->copying)->next_request,
                         &reader->requests, err);
}

/* Requests can wait, the stream cannot. */
static enum rc say_unreadable(const struct source *source, struct pg_copy_requests *reader, const struct err *err)
{
    if (!reader->said_unreadable)
        log_warn("requests_unreadable", LOG_STR("source", source->context.source->name), LOG_ERR(err));
    reader->said_unreadable = true;
    return RC_OK;
}

static enum rc take_next(struct source *source, struct pg_copy_requests *reader, bool *ret_changed, struct err *err)
{
    struct request request;
    int64_t offset;
    arena_reset(reader->arena);
    enum rc rc = requests_next(reader->requests, reader->arena, &request, &offset, err);
    if (rc == RC_AGAIN)
        return rc;
    if (rc == RC_OK)
        TRY(take_or_refuse(source, &request, err));
    else if (err->code == ERR_REQUEST_REFUSED)
        log_warn("request_refused", LOG_STR("source", source->context.source->name), LOG_I64("offset", offset),
                 LOG_ERR(err));
    else
        return rc;
    pg_copying_plan(source->copying)->next_request = offset + 1;
    source->marks_soon = *ret_changed = true;
    return RC_OK;
}

enum rc pg_copy_requests_tend(struct source *source, struct pg_copy_requests *reader, bool *ret_changed,
                              struct err *err)
{
    int64_t now_us = clock_mono_us();
    *ret_changed = false;
    if (now_us < reader->look_us)
        return RC_OK;
    reader->look_us = now_us + LOOK_US;
    if (open_reader(source, reader, err) != RC_OK)
        return say_unreadable(source, reader, err);
    for (int i = 0; i < MOST_AT_ONCE; i++) {
        enum rc rc = take_next(source, reader, ret_changed, err);
        if (rc == RC_AGAIN)
            return RC_OK;
        if (rc != RC_OK)
            return PQstatus(source->conn) == CONNECTION_OK ? say_unreadable(source, reader, err) : rc;
    }
    return RC_OK;
}
