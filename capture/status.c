#include "capture/status.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/wrap/kafka.h"
#include "capture/pg/lsn.h"
#include "capture/pg/slot.h"
#include "capture/requests.h"
#include "proto/topic.h"

enum { STATUS_ARENA_BYTES = 64 << 20, LEDGER_BYTES = 32 << 20 };

static const char SQL_SLOT[] =
    "select s.active, coalesce(s.active_pid, 0), coalesce(s.confirmed_flush_lsn, '0/0'), coalesce(s.restart_lsn, '0/0'),"
    " coalesce(s.wal_status, ''), coalesce(s.safe_wal_size, -1)"
    " from pg_catalog.pg_replication_slots s where s.slot_name = $1";

static const char SQL_NAME[] =
    "select n.nspname || '.' || c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n"
    " on n.oid = c.relnamespace where c.oid = $1::pg_catalog.oid";

/* ---- the server ---- */

static enum rc ask(PGconn *conn, const char *sql, const char *parameter, PGresult **ret_result, struct err *err)
{
    PGresult *res = PQexecParams(conn, sql, 1, NULL, &parameter, NULL, NULL, 0);
    if (PQresultStatus(res) == PGRES_TUPLES_OK) {
        *ret_result = res;
        return RC_OK;
    }
    enum rc rc = err_pg(err, PG_ROLE_SOURCE, conn, res, "could not look at the server");
    PQclear(res);
    return rc;
}

static enum rc read_slot(PGconn *conn, const char *name, struct capture_slot_status *slot, struct err *err)
{
    bool is_standby;
    int64_t timeout_ms;
    SCOPED(PQclear) PGresult *res = NULL;
    TRY(pg_server_log_end(conn, &is_standby, &slot->log_end, &timeout_ms, err));
    TRY(ask(conn, SQL_SLOT, name, &res, err));
    slot->exists = PQntuples(res) == 1;
    if (!slot->exists)
        return RC_OK;
    slot->active = PQgetvalue(res, 0, 0)[0] == 't';
    slot->pid = atoi(PQgetvalue(res, 0, 1));
    TRY(lsn_parse(PQgetvalue(res, 0, 2), &slot->confirmed, err));
    TRY(lsn_parse(PQgetvalue(res, 0, 3), &slot->restart, err));
    snprintf(slot->wal_status, sizeof(slot->wal_status), "%s", PQgetvalue(res, 0, 4));
    slot->safe_wal_bytes = atoll(PQgetvalue(res, 0, 5));
    return RC_OK;
}

/* The ledger keeps only the numbers of tables that wait. */
static enum rc name_tables(PGconn *conn, struct pg_copy_plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        char oid[16];
        SCOPED(PQclear) PGresult *res = NULL;
        struct pg_copy_table *table = plan->tables[i];
        if (table->name != NULL)
            continue;
        snprintf(oid, sizeof(oid), "%u", table->oid);
        TRY(ask(conn, SQL_NAME, oid, &res, err));
        if (PQntuples(res) == 1)
            table->name = strdup(PQgetvalue(res, 0, 0));
    }
    return RC_OK;
}

static enum rc look_at_server(const struct config *config, struct capture_status *status, struct err *err)
{
    char name[PG_NAME_BYTES];
    SCOPED(PQfinish) PGconn *conn = NULL;
    const struct config_postgresql *pg = &status->source->postgresql;
    pg_application_name(name, config->prefix, status->source->name);
    TRY(pg_source_connect(pg, name, false, &conn, err));
    TRY(read_slot(conn, pg->slot, &status->slot, err));
    return name_tables(conn, &status->plan, err);
}

/* ---- the ledger ---- */

DEFINE_SCOPED(json_t *, json_decref)

static void take_pair(const json_t *copy, const char *name, uint64_t *done, uint64_t *all)
{
    const json_t *pair = json_object_get(copy, name);
    *done = (uint64_t)json_integer_value(json_array_get(pair, 0));
    *all = (uint64_t)json_integer_value(json_array_get(pair, 1));
}

static enum rc read_state(struct capture_status *status, struct err *err)
{
    bool known;
    json_error_t reason;
    struct slice text = status->last.state;
    TRY(pg_state_decode(text, status->arena, &status->state, err));
    TRY(pg_copy_plan_decode(text, &status->plan, &known, err));
    pg_copy_plan_totals(&status->plan, &status->totals);
    SCOPED(json_decref) json_t *json = json_loadb((const char *)text.ptr, text.len, 0, &reason);
    const json_t *copy = json_object_get(json, "copy");
    take_pair(copy, "chunks", &status->totals.chunks_done, &status->totals.chunks);
    take_pair(copy, "blocks", &status->totals.blocks_done, &status->totals.blocks);
    return RC_OK;
}

static enum rc read_ledger(const struct config *config, struct capture_status *status, struct err *err)
{
    char topic[TOPIC_NAME_BYTES];
    int64_t offset;
    SCOPED(buf_done) struct buf value = buf_new(LEDGER_BYTES);
    topic_of_ledger(topic, config->prefix, status->source->name);
    TRY(kafka_read_last(&config->kafka, "leat-status", topic, 0, &value, &offset, err));
    status->has_ledger = offset >= 0;
    return status->has_ledger ? ledger_decode(buf_slice(&value), status->arena, &status->last, err) : RC_OK;
}

static enum rc count_requests(const struct config *config, struct capture_status *status, struct err *err)
{
    int64_t low, end;
    TRY(requests_end(config, status->source, &low, &end, err));
    status->requests_unread = MAX(end - MAX(low, status->plan.next_request), (int64_t)0);
    return RC_OK;
}

static enum rc read_all(const struct config *config, struct capture_status *status, struct err *err)
{
    TRY(read_ledger(config, status, err));
    if (status->source->type != CONFIG_SOURCE_POSTGRESQL)
        return RC_OK;
    if (status->has_ledger)
        TRY(read_state(status, err));
    TRY(count_requests(config, status, err));
    status->is_away = look_at_server(config, status, &status->away) != RC_OK;
    return RC_OK;
}

enum rc capture_status_read(const struct config *config, const struct config_source *source,
                            struct capture_status *ret_status, struct err *err)
{
    struct capture_status status = {
        .source = source, .arena = arena_new(STATUS_ARENA_BYTES), .now_us = clock_wall_us()};
    enum rc rc = read_all(config, &status, err);
    if (rc != RC_OK) {
        capture_status_done(&status);
        return rc;
    }
    *ret_status = status;
    return RC_OK;
}

void capture_status_done(struct capture_status *status)
{
    pg_copy_plan_done(&status->plan);
    arena_free(status->arena);
}
