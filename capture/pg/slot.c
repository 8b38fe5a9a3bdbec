#include "capture/pg/slot.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/aws/rds_token.h"
#include "base/clock.h"
#include "base/retry.h"
#include "base/stop.h"
#include "capture/pg/lsn.h"

enum {
    PG_OLDEST_VERSION = 130000,
    PG_VERSION_15 = 150000,
    PG_VERSION_16 = 160000, /* logical decoding on a standby */
    PG_VERSION_17 = 170000, /* failover slots */
    RELEASE_ATTEMPTS = 8,
    SQL_MAX_BYTES = 16 << 20,
};

/* Text of values, as the decoders expect it; and nothing that a role's or database's own settings can cut
 * short. */
static const char SESSION_OPTIONS[] =
    "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c extra_float_digits=3 -c bytea_output=hex"
    " -c lc_monetary=C -c xmlbinary=base64 -c search_path=pg_catalog -c statement_timeout=0"
    " -c idle_in_transaction_session_timeout=0 -c standard_conforming_strings=on -c row_security=off";
/* Questions wait for nobody's lock for long: the stream waits with them, or a start would, without a word. */
static const char QUESTIONS_OPTIONS[] = " -c lock_timeout=3s";
/* Making a slot is waiting for locks: for the end of every transaction that is open. */
static const char REPLICATION_OPTIONS[] = " -c lock_timeout=0";

static const char SQL_SERVER[] =
    "select current_setting('wal_level'), pg_catalog.pg_is_in_recovery(),"
    " r.rolsuper or r.rolreplication or coalesce((select pg_catalog.pg_has_role(current_user, g.oid, 'member')"
    "  from pg_catalog.pg_roles g where g.rolname = 'rds_replication'), false),"
    " current_user,"
    " (select count(*) from pg_catalog.pg_stat_activity where backend_type = 'walsender')"
    "  < current_setting('max_wal_senders')::int, current_setting('max_wal_senders'),"
    " (select count(*) from pg_catalog.pg_replication_slots)"
    "  < current_setting('max_replication_slots')::int, current_setting('max_replication_slots')"
    " from pg_catalog.pg_roles r where r.rolname = current_user";

static const char SQL_DATABASE_OID[] =
    "select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()";

static const char SQL_PUBLICATION[] = "select 1 from pg_catalog.pg_publication where pubname = $1";

static const char SQL_LOG_END[] =
    "select pg_catalog.pg_is_in_recovery(), case when pg_catalog.pg_is_in_recovery()"
    " then pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_insert_lsn() end,"
    " (select setting from pg_catalog.pg_settings where name = 'wal_sender_timeout')";

/* Why a slot is lost has a column of its own from 17 on, a flag in 16. */
#define SQL_SLOT(lost_why, failover)                                                                                   \
    "select s.slot_type = 'logical' and s.plugin = 'pgoutput' and s.database = pg_catalog.current_database(),"         \
    " coalesce(" lost_why ", case when s.wal_status = 'lost' or s.restart_lsn is null then 'max_slot_wal_keep_size'"   \
    " end, ''), s.confirmed_flush_lsn, coalesce(s.active_pid, 0), coalesce(a.application_name, ''),"                   \
    " coalesce(a.client_addr::text, 'local'), s.restart_lsn, " failover                                                \
    " from pg_catalog.pg_replication_slots s left join pg_catalog.pg_stat_activity a on a.pid = s.active_pid"          \
    " where s.slot_name = $1"

static const char SQL_SLOT_BEFORE_16[] = SQL_SLOT("null", "false, false");
static const char SQL_SLOT_16[] = SQL_SLOT("case when s.conflicting and pg_catalog.pg_is_in_recovery()"
                                           " then 'conflict with recovery, or max_slot_wal_keep_size' end",
                                           "false, false");
static const char SQL_SLOT_17[] = SQL_SLOT("s.invalidation_reason",
                                           "s.failover, s.synced and pg_catalog.pg_is_in_recovery()");

static const char SQL_TERMINATE[] = "select pg_catalog.pg_terminate_backend($1::int)";
static const char SQL_DROP_SLOT[] = "select pg_catalog.pg_drop_replication_slot($1)";

void pg_application_name(char out[PG_NAME_BYTES], const char *prefix, const char *source)
{
    snprintf(out, PG_NAME_BYTES, "leat:%s.%s", prefix, source);
    for (char *at = out; *at != '\0'; at++)
        if (*at < 32 || *at > 126) /* pg_clean_ascii() */
            *at = '?';
}

/* The token is sent as it is: never without TLS. */
static enum rc make_token(const struct config_postgresql *config, struct buf *out, struct err *err)
{
    static const char *const without_tls[] = {"disable", "allow", "prefer"};
    for (size_t i = 0; i < ARRAY_LEN(without_tls); i++)
        if (strcmp(config->sslmode, without_tls[i]) == 0)
            return err_set(err, ERR_CONFIG_VALUE, "auth is rds_iam, which wants TLS, but sslmode is \"%s\"",
                           config->sslmode);
    TRY(rds_token_make(out, config->host, (int)config->port, config->user, config->region, err));
    return out->failed ? err_set(err, ERR_AWS_CREDENTIALS, "the token for the source is longer than %d bytes",
                                 RDS_TOKEN_MAX_BYTES)
                       : RC_OK;
}

enum rc pg_source_connect(const struct config_postgresql *config, const char *application_name, bool replication,
                          PGconn **ret_conn, struct err *err)
{
    char port[8], options[sizeof(SESSION_OPTIONS) + sizeof(QUESTIONS_OPTIONS)];
    SCOPED(buf_done) struct buf token = buf_new(RDS_TOKEN_MAX_BYTES);
    bool is_iam = strcmp(config->auth, "rds_iam") == 0;
    snprintf(port, sizeof(port), "%d", (int)config->port);
    snprintf(options, sizeof(options), "%s%s", SESSION_OPTIONS, replication ? REPLICATION_OPTIONS : QUESTIONS_OPTIONS);
    if (is_iam)
        TRY(make_token(config, &token, err));
    const struct pg_target target = {.role = PG_ROLE_SOURCE,
                                     .host = config->host,
                                     .port = port,
                                     .database = config->database,
                                     .user = config->user,
                                     .password = is_iam ? buf_cstr(&token) : config->password,
                                     .sslmode = config->sslmode,
                                     .sslrootcert = config->sslrootcert,
                                     .sslcert = config->sslcert,
                                     .sslkey = config->sslkey,
                                     .application_name = application_name,
                                     .options = options,
                                     .replication = replication};
    return pg_connect(&target, ret_conn, err);
}

/* One row or none; `what` says what could not be read. */
static enum rc ask(PGconn *conn, const char *sql, const char *param, PGresult **ret, const char *what, struct err *err)
{
    const char *params[] = {param};
    SCOPED(PQclear)
    PGresult *res = PQexecParams(conn, sql, param == NULL ? 0 : 1, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return err_pg(err, PG_ROLE_SOURCE, conn, res, "could not %s", what);
    *ret = res;
    res = NULL;
    return RC_OK;
}

static bool flag_of(const PGresult *res, int column)
{
    return PQgetvalue(res, 0, column)[0] == 't';
}

static void copy_text(char *out, size_t size, const PGresult *res, int column)
{
    snprintf(out, size, "%s", PQgetvalue(res, 0, column));
}

enum rc pg_server_identity(PGconn *replication, PGconn *conn, const char *slot, const char *publication,
                           struct pg_state *ret_state, struct err *err)
{
    SCOPED(PQclear) PGresult *database = NULL;
    SCOPED(PQclear) PGresult *system = PQexec(replication, "IDENTIFY_SYSTEM");
    if (PQresultStatus(system) != PGRES_TUPLES_OK || PQntuples(system) != 1)
        return err_pg(err, PG_ROLE_SOURCE, replication, system, "could not identify the server");
    TRY(ask(conn, SQL_DATABASE_OID, NULL, &database, "read the database's oid", err));
    *ret_state = (struct pg_state){.timeline = (uint32_t)strtoul(PQgetvalue(system, 0, 1), NULL, 10),
                                   .database_oid = (uint32_t)strtoul(PQgetvalue(database, 0, 0), NULL, 10)};
    copy_text(ret_state->system_id, sizeof(ret_state->system_id), system, 0);
    snprintf(ret_state->slot, sizeof(ret_state->slot), "%s", slot);
    snprintf(ret_state->publication, sizeof(ret_state->publication), "%s", publication);
    return RC_OK;
}

enum rc pg_server_check(PGconn *conn, bool slot_is_made, struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    if (PQserverVersion(conn) < PG_OLDEST_VERSION)
        return err_set(err, ERR_PG_CONFIG, "the server is version %d.%d: leat needs 13 or later",
                       PQserverVersion(conn) / 10000, PQserverVersion(conn) % 10000);
    TRY(ask(conn, SQL_SERVER, NULL, &res, "read the server's settings", err));
    if (PQntuples(res) != 1)
        return err_set(err, ERR_PG_QUERY, "the server does not know the role it let in");
    if (strcmp(PQgetvalue(res, 0, 0), "logical") != 0)
        return err_set(err, ERR_PG_CONFIG, "wal_level is \"%s\": it has to be \"logical\"", PQgetvalue(res, 0, 0));
    if (flag_of(res, 1) && PQserverVersion(conn) < PG_VERSION_16)
        return err_set(
            err, ERR_PG_CONFIG,
            "the server is a standby of version %d, which cannot decode (16 can): give the primary's address",
            PQserverVersion(conn) / 10000);
    if (!flag_of(res, 2))
        return err_set(err, ERR_PG_PERMISSION,
                       "role \"%s\" may not replicate: alter role ... replication (on RDS: grant rds_replication)",
                       PQgetvalue(res, 0, 3));
    if (!flag_of(res, 4))
        return err_set(err, ERR_PG_TRANSIENT, "all %s walsenders are in use: raise max_wal_senders",
                       PQgetvalue(res, 0, 5));
    if (slot_is_made && !flag_of(res, 6))
        return err_set(err, ERR_PG_CONFIG,
                       "all %s replication slots are in use: raise max_replication_slots, or drop one",
                       PQgetvalue(res, 0, 7));
    return RC_OK;
}

enum rc pg_server_log_end(PGconn *conn, bool *ret_is_standby, uint64_t *ret_lsn, int64_t *ret_sender_timeout_ms,
                          struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    TRY(ask(conn, SQL_LOG_END, NULL, &res, "read where the log ends", err));
    TRY(lsn_parse(PQgetvalue(res, 0, 1), ret_lsn, err));
    *ret_is_standby = flag_of(res, 0);
    *ret_sender_timeout_ms = strtol(PQgetvalue(res, 0, 2), NULL, 10);
    return RC_OK;
}

/* A history file: a line a timeline, "1\t0/3000158\tno recovery target specified"; the rest is comment.
 * https://www.postgresql.org/docs/current/protocol-replication.html, TIMELINE_HISTORY */
static enum rc fork_in_history(const char *history, uint32_t timeline, uint64_t *ret_lsn, struct err *err)
{
    *ret_lsn = 0;
    for (const char *line = history; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        unsigned parent;
        char lsn[LSN_TEXT_BYTES];
        if (sscanf(line, "%u\t%17[0-9A-F/]", &parent, lsn) == 2 && parent == timeline)
            return lsn_parse(lsn, ret_lsn, err);
    }
    return RC_OK;
}

enum rc pg_server_fork(PGconn *replication, uint32_t own, uint32_t timeline, uint64_t *ret_lsn, struct err *err)
{
    char command[64];
    *ret_lsn = 0;
    if (own <= 1) /* the first one has no history */
        return RC_OK;
    snprintf(command, sizeof(command), "TIMELINE_HISTORY %u", own);
    SCOPED(PQclear) PGresult *res = PQexec(replication, command);
    if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1)
        return err_pg(err, PG_ROLE_SOURCE, replication, res, "could not read the history of timeline %u", own);
    return fork_in_history(PQgetvalue(res, 0, 1), timeline, ret_lsn, err);
}

enum rc pg_publication_exists(PGconn *conn, const char *publication, bool *ret_exists, struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    TRY(ask(conn, SQL_PUBLICATION, publication, &res, "read the publication", err));
    *ret_exists = PQntuples(res) == 1;
    return RC_OK;
}

/* "weird ""name""" */
static void put_identifier(struct buf *out, const char *name)
{
    buf_put_u8(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, (uint8_t)*name);
    }
    buf_put_u8(out, '"');
}

enum rc pg_publication_create(PGconn *conn, const char *publication, const struct pg_table *tables, size_t n,
                              struct err *err)
{
    SCOPED(buf_done) struct buf sql = buf_new(SQL_MAX_BYTES);
    buf_put_str(&sql, "create publication ");
    put_identifier(&sql, publication);
    for (size_t i = 0; i < n; i++) {
        buf_put_str(&sql, i == 0 ? " for table " : ", ");
        buf_put_str(&sql, tables[i].kind == 'r' ? "only " : "");
        put_identifier(&sql, tables[i].schema);
        buf_put_u8(&sql, '.');
        put_identifier(&sql, tables[i].name);
    }
    buf_put_str(&sql, " with (publish_via_partition_root = true)");
    SCOPED(PQclear) PGresult *res = PQexec(conn, buf_cstr(&sql));
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        return err_pg(err, PG_ROLE_SOURCE, conn, res, "could not create publication \"%s\"", publication);
    return RC_OK;
}

enum rc pg_slot_read(PGconn *conn, const char *name, struct pg_slot *ret_slot, struct err *err)
{
    struct pg_slot slot = {0};
    SCOPED(PQclear) PGresult *res = NULL;
    const char *sql = PQserverVersion(conn) >= PG_VERSION_17   ? SQL_SLOT_17
                      : PQserverVersion(conn) >= PG_VERSION_16 ? SQL_SLOT_16
                                                               : SQL_SLOT_BEFORE_16;
    TRY(ask(conn, sql, name, &res, "read the replication slot", err));
    if (PQntuples(res) == 1) {
        slot.exists = true;
        slot.is_ours_by_kind = flag_of(res, 0);
        copy_text(slot.lost_why, sizeof(slot.lost_why), res, 1);
        if (!PQgetisnull(res, 0, 6))
            TRY(lsn_parse(PQgetvalue(res, 0, 6), &slot.restart, err));
        slot.has_failover = flag_of(res, 7);
        slot.is_copy = flag_of(res, 8);
        if (!PQgetisnull(res, 0, 2))
            TRY(lsn_parse(PQgetvalue(res, 0, 2), &slot.confirmed, err));
        slot.active_pid = atoi(PQgetvalue(res, 0, 3));
        copy_text(slot.application_name, sizeof(slot.application_name), res, 4);
        copy_text(slot.client, sizeof(slot.client), res, 5);
    }
    *ret_slot = slot;
    return RC_OK;
}

static enum rc terminate(PGconn *conn, int pid, struct err *err)
{
    char text[16];
    SCOPED(PQclear) PGresult *res = NULL;
    snprintf(text, sizeof(text), "%d", pid);
    return ask(conn, SQL_TERMINATE, text, &res, "end the older walsender", err);
}

enum rc pg_slot_release(PGconn *conn, const char *name, const char *application_name, struct err *err)
{
    struct retry retry = retry_of(20, 2000);
    struct pg_slot slot;
    for (int attempt = 0; attempt < RELEASE_ATTEMPTS; attempt++) {
        TRY(pg_slot_read(conn, name, &slot, err));
        if (slot.active_pid == 0)
            return RC_OK;
        if (strcmp(slot.application_name, application_name) != 0)
            break;
        TRY(terminate(conn, slot.active_pid, err));
        if (!stop_wait_ms(retry_next_ms(&retry)))
            return RC_AGAIN;
    }
    return err_set(err, ERR_PG_SLOT_ACTIVE, "replication slot \"%s\" is read by process %d (\"%s\", from %s)", name,
                   slot.active_pid, slot.application_name, slot.client);
}

enum rc pg_slot_drop(PGconn *conn, const char *name, struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    return ask(conn, SQL_DROP_SLOT, name, &res, "drop the replication slot", err);
}

/* Waits for a result, or for a stop: then the command is cancelled. */
static enum rc await_result(PGconn *conn, struct pg_slot_patience patience, struct err *err)
{
    while (PQisBusy(conn)) {
        struct pollfd fds[] = {{.fd = PQsocket(conn), .events = POLLIN}, {.fd = stop_fd(), .events = POLLIN}};
        if (poll(fds, ARRAY_LEN(fds), MS_PER_S) == 0 && patience.tick != NULL)
            patience.tick(patience.context);
        if (stop_requested()) {
            char reason[256];
            PGcancel *cancel = PQgetCancel(conn);
            if (cancel != NULL)
                PQcancel(cancel, reason, sizeof(reason));
            PQfreeCancel(cancel);
            return RC_AGAIN;
        }
        if (PQconsumeInput(conn) == 0)
            return err_pg(err, PG_ROLE_SOURCE, conn, NULL, "could not create the replication slot");
    }
    return RC_OK;
}

bool pg_slot_can_failover(PGconn *conn, bool is_standby)
{
    return PQserverVersion(conn) >= PG_VERSION_17 && !is_standby;
}

enum rc pg_slot_set_failover(PGconn *replication, const char *name, struct err *err)
{
    SCOPED(buf_done) struct buf sql = buf_new(SQL_MAX_BYTES);
    buf_put_str(&sql, "ALTER_REPLICATION_SLOT ");
    put_identifier(&sql, name);
    buf_put_str(&sql, " (FAILOVER true)");
    SCOPED(PQclear) PGresult *res = PQexec(replication, buf_cstr(&sql));
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        return err_pg(err, PG_ROLE_SOURCE, replication, res, "could not set failover of replication slot \"%s\"", name);
    return RC_OK;
}

enum rc pg_slot_create(PGconn *replication, const char *name, bool failover, struct pg_slot_patience patience,
                       uint64_t *ret_consistent_point, char ret_snapshot[PG_SNAPSHOT_NAME_BYTES], struct err *err)
{
    SCOPED(buf_done) struct buf sql = buf_new(SQL_MAX_BYTES);
    buf_put_str(&sql, "CREATE_REPLICATION_SLOT ");
    put_identifier(&sql, name);
    buf_put_str(&sql, PQserverVersion(replication) < PG_VERSION_15 ? " LOGICAL pgoutput EXPORT_SNAPSHOT"
                      : failover ? " LOGICAL pgoutput (SNAPSHOT 'export', FAILOVER true)"
                                 : " LOGICAL pgoutput (SNAPSHOT 'export')");
    if (PQsendQuery(replication, buf_cstr(&sql)) == 0)
        return err_pg(err, PG_ROLE_SOURCE, replication, NULL, "could not create replication slot \"%s\"", name);
    TRY(await_result(replication, patience, err));
    SCOPED(PQclear) PGresult *res = PQgetResult(replication);
    if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1)
        return err_pg(err, PG_ROLE_SOURCE, replication, res, "could not create replication slot \"%s\"", name);
    TRY(lsn_parse(PQgetvalue(res, 0, 1), ret_consistent_point, err));
    snprintf(ret_snapshot, PG_SNAPSHOT_NAME_BYTES, "%s", PQgetvalue(res, 0, 2));
    PGresult *end = PQgetResult(replication);
    PQclear(end);
    return RC_OK;
}
