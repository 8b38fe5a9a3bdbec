#include "sink/redshift/warehouse.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "sink/redshift/apply.h"
#include "sink/redshift/catalog.h"
#include "sink/redshift/progress.h"
#include "sink/redshift/session.h"
#include "sink/redshift/sql.h"

static const char SQL_SCHEMA_RIGHTS[] = "SELECT has_schema_privilege($1, 'USAGE'), has_schema_privilege($1, 'CREATE')";
static const char SQL_DATABASE_RIGHTS[] =
    "SELECT has_database_privilege(current_database(), 'CREATE'), has_database_privilege(current_database(), 'TEMP')";
enum { STATEMENT_BYTES = 4096, NUMBER_CHARS = 24, REJECTS_FLUSH_MS = 5000 };

struct warehouse {
    const struct config_sink *config;
    char writer[256];
    char schema[TARGET_NAME_BYTES], progress_table[TARGET_NAME_BYTES];
    struct sql_progress progress;
    struct session session;
};

struct warehouse *warehouse_new(const struct config_sink *config, const char *writer)
{
    struct warehouse *warehouse = calloc(1, sizeof(*warehouse));
    char name[256];
    if (warehouse == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    warehouse->config = config;
    snprintf(warehouse->writer, sizeof(warehouse->writer), "%s", writer);
    target_fold_name(config->redshift.schema, warehouse->schema);
    snprintf(name, sizeof(name), "_leat_progress_%s", config->name);
    target_fold_name(name, warehouse->progress_table);
    warehouse->progress = (struct sql_progress){warehouse->schema, warehouse->progress_table};
    warehouse->session.config = &config->redshift;
    snprintf(warehouse->session.application_name, sizeof(warehouse->session.application_name), "leat sink %s",
             config->name);
    return warehouse;
}

void warehouse_free(struct warehouse *warehouse)
{
    if (warehouse == NULL)
        return;
    session_disconnect(&warehouse->session);
    free(warehouse);
}

/* ---- the progress table ---- */

typedef void progress_sql(struct buf *out, const struct sql_progress *progress);

static enum rc progress_query(struct warehouse *warehouse, progress_sql *build, int n_params, const char *const *params,
                              const char *what, PGresult **ret_res, struct err *err)
{
    char storage[STATEMENT_BYTES];
    struct buf sql = buf_over(storage, sizeof(storage));
    build(&sql, &warehouse->progress);
    return session_query(&warehouse->session, buf_cstr(&sql), n_params, params, what, ret_res, err);
}

static enum rc progress_run(struct warehouse *warehouse, progress_sql *build, int n_params, const char *const *params,
                            const char *what, uint64_t *ret_rows, struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    TRY(progress_query(warehouse, build, n_params, params, what, &res, err));
    if (ret_rows != NULL)
        *ret_rows = strtoull(PQcmdTuples(res), NULL, 10);
    return RC_OK;
}

/* Redshift has no rows to lock: the whole table is, so that one worker at a time is between here and its
 * commit. */
static enum rc progress_lock_and_read(struct warehouse *warehouse, PGresult **ret_rows, struct err *err)
{
    TRY(progress_run(warehouse, sql_progress_lock, 0, NULL, "lock the progress table", NULL, err));
    return progress_query(warehouse, sql_progress_read, 0, NULL, "read the progress", ret_rows, err);
}

static enum rc progress_exists(struct warehouse *warehouse, bool *ret_exists, struct err *err)
{
    return catalog_has_table(warehouse->session.conn, warehouse->schema, warehouse->progress_table, ret_exists, err);
}

static enum rc progress_create(struct warehouse *warehouse, struct err *err)
{
    char storage[STATEMENT_BYTES];
    struct buf sql = buf_over(storage, sizeof(storage));
    bool exists;
    /* CREATE ... IF NOT EXISTS asks for the right to create even when there is nothing to do. */
    TRY(catalog_has_schema(warehouse->session.conn, warehouse->schema, &exists, err));
    if (!exists) {
        buf_put_str(&sql, "CREATE SCHEMA IF NOT EXISTS ");
        sql_put_identifier(&sql, warehouse->schema);
        TRY(session_run(&warehouse->session, &sql, "create the schema", warehouse->schema, NULL, err));
        buf_clear(&sql);
    }
    TRY(progress_exists(warehouse, &exists, err));
    if (exists)
        return RC_OK;
    sql_progress_create(&sql, &warehouse->progress);
    return session_run(&warehouse->session, &sql, "create the progress table", warehouse->progress_table, NULL, err);
}

static enum rc progress_insert(struct warehouse *warehouse, const char *source, const char *writer, struct err *err)
{
    const char *params[] = {source, writer};
    return progress_run(warehouse, sql_progress_insert, 2, params, "write the progress", NULL, err);
}

static enum rc claim_in_transaction(struct warehouse *warehouse, const char *const *sources, size_t n_sources,
                                    PGresult **ret_rows, struct err *err)
{
    SCOPED(PQclear) PGresult *rows = NULL;
    TRY(session_begin(&warehouse->session, err));
    TRY(progress_lock_and_read(warehouse, &rows, err));
    for (size_t i = 0; i < n_sources; i++)
        if (progress_row(rows, sources[i]) < 0)
            TRY(progress_insert(warehouse, sources[i], warehouse->writer, err));
    const char *params[] = {warehouse->writer};
    TRY(progress_run(warehouse, sql_progress_claim, 1, params, "claim the progress", NULL, err));
    TRY(session_commit(&warehouse->session, err));
    *ret_rows = rows;
    rows = NULL;
    return RC_OK;
}

enum rc warehouse_claim(struct warehouse *warehouse, const char *const *sources, size_t n_sources,
                        struct progress *ret_progress, struct err *err)
{
    SCOPED(PQclear) PGresult *rows = NULL;
    TRY(session_connect(&warehouse->session, err));
    enum rc rc = progress_create(warehouse, err);
    if (rc == RC_OK)
        rc = claim_in_transaction(warehouse, sources, n_sources, &rows, err);
    if (rc != RC_OK) {
        session_abandon(&warehouse->session);
        return rc;
    }
    for (size_t i = 0; i < n_sources; i++)
        ret_progress[i] = progress_of(rows, sources[i]);
    return RC_OK;
}

enum rc warehouse_read_progress(struct warehouse *warehouse, const char *const *sources, size_t n_sources,
                                struct progress *ret_progress, struct err *err)
{
    SCOPED(PQclear) PGresult *rows = NULL;
    bool exists;
    TRY(session_connect(&warehouse->session, err));
    TRY(progress_exists(warehouse, &exists, err));
    if (exists)
        TRY(progress_query(warehouse, sql_progress_read, 0, NULL, "read the progress", &rows, err));
    for (size_t i = 0; i < n_sources; i++)
        ret_progress[i] = exists ? progress_of(rows, sources[i])
                                 : (struct progress){.source = sources[i], .ledger_next = -1};
    return RC_OK;
}

static enum rc set_in_transaction(struct warehouse *warehouse, const char *source, int64_t ledger_next, struct err *err)
{
    SCOPED(PQclear) PGresult *rows = NULL;
    char next[NUMBER_CHARS];
    snprintf(next, sizeof(next), "%lld", (long long)ledger_next);
    TRY(session_begin(&warehouse->session, err));
    TRY(progress_lock_and_read(warehouse, &rows, err));
    if (progress_row(rows, source) < 0)
        TRY(progress_insert(warehouse, source, "", err));
    const char *params[] = {source, next};
    TRY(progress_run(warehouse, sql_progress_reset, 2, params, "move the progress", NULL, err));
    return session_commit(&warehouse->session, err);
}

enum rc warehouse_set_progress(struct warehouse *warehouse, const char *source, int64_t ledger_next, struct err *err)
{
    TRY(session_connect(&warehouse->session, err));
    enum rc rc = progress_create(warehouse, err);
    if (rc == RC_OK)
        rc = set_in_transaction(warehouse, source, ledger_next, err);
    if (rc != RC_OK)
        session_abandon(&warehouse->session);
    return rc;
}

/* ---- before the first batch ---- */

static enum rc check_database(struct warehouse *warehouse, bool schema_exists, struct err *err)
{
    const struct config_redshift *config = &warehouse->config->redshift;
    SCOPED(PQclear) PGresult *rights = NULL;
    TRY(session_query(&warehouse->session, SQL_DATABASE_RIGHTS, 0, NULL, "read the rights on the database", &rights,
                      err));
    if (!schema_exists && strcmp(PQgetvalue(rights, 0, 0), "t") != 0)
        return err_set(err, ERR_REDSHIFT_PERMISSION,
                       "schema \"%s\" does not exist, and \"%s\" may not create schemas in database \"%s\"",
                       warehouse->schema, config->user, config->database);
    if (strcmp(PQgetvalue(rights, 0, 1), "t") != 0)
        return err_set(err, ERR_REDSHIFT_PERMISSION, "\"%s\" may not make temporary tables in database \"%s\"",
                       config->user, config->database);
    return RC_OK;
}

static enum rc check_rights(struct warehouse *warehouse, struct err *err)
{
    bool exists;
    TRY(catalog_has_schema(warehouse->session.conn, warehouse->schema, &exists, err));
    TRY(check_database(warehouse, exists, err));
    if (!exists)
        return RC_OK;
    SCOPED(PQclear) PGresult *rights = NULL;
    const char *params[] = {warehouse->schema};
    TRY(session_query(&warehouse->session, SQL_SCHEMA_RIGHTS, 1, params, "read the rights on the schema", &rights,
                      err));
    if (strcmp(PQgetvalue(rights, 0, 0), "t") != 0 || strcmp(PQgetvalue(rights, 0, 1), "t") != 0)
        return err_set(err, ERR_REDSHIFT_PERMISSION, "\"%s\" needs USAGE and CREATE on schema \"%s\"",
                       warehouse->config->redshift.user, warehouse->schema);
    return RC_OK;
}

enum rc warehouse_check(struct warehouse *warehouse, struct err *err)
{
    TRY(session_connect(&warehouse->session, err));
    enum rc rc = check_rights(warehouse, err);
    session_disconnect(&warehouse->session);
    return rc;
}

enum rc warehouse_ensure_table(struct warehouse *warehouse, struct target *target, struct err *err)
{
    size_t statements = 0;
    TRY(session_connect(&warehouse->session, err));
    enum rc rc = catalog_ensure_table(warehouse->session.conn, target, &statements, err);
    if (rc != RC_OK)
        session_abandon(&warehouse->session);
    else if (statements > 0)
        metric_add(METRIC_sink_ddl_total, (double)statements, target->table, NULL);
    return rc;
}

/* ---- one batch ---- */

static enum rc advance(struct warehouse *warehouse, const struct load_source *source, const PGresult *rows,
                       struct err *err)
{
    struct position high = progress_of(rows, source->source).high;
    if (position_compare(source->high, high) > 0)
        high = source->high;
    char next[NUMBER_CHARS], major[NUMBER_CHARS], minor[NUMBER_CHARS];
    snprintf(next, sizeof(next), "%lld", (long long)source->ledger_next);
    snprintf(major, sizeof(major), "%llu", (unsigned long long)high.major);
    snprintf(minor, sizeof(minor), "%llu", (unsigned long long)high.minor);
    const char *params[] = {source->source, next, major, minor};
    uint64_t updated = 0;
    TRY(progress_run(warehouse, sql_progress_advance, 4, params, "move the progress", &updated, err));
    if (updated != 1)
        return err_set(err, ERR_REDSHIFT_COUNT, "the progress table has %llu rows for source \"%s\"",
                       (unsigned long long)updated, source->source);
    return RC_OK;
}

/* Two transactions that take tables in different orders lock each other out: one order for all, by name. */
static int compare_tables(const void *a, const void *b)
{
    const struct load_table *const *left = a, *const *right = b;
    int schema = strcmp((*left)->target->schema, (*right)->target->schema);
    return schema != 0 ? schema : strcmp((*left)->target->table, (*right)->target->table);
}

/* A batch on its way. */
struct batch_run {
    struct warehouse *warehouse;
    const struct load *load;
    struct apply apply;
    const struct load_table **tables; /* in order */
    struct applied *applied;          /* by table in order */
    const struct target **staged;
};

static enum rc apply_tables(struct batch_run *run, struct err *err)
{
    size_t n_staged = 0;
    for (size_t i = 0; i < run->load->n_tables; i++) {
        TRY(apply_table(&run->apply, run->tables[i], &run->applied[i], err));
        if (run->tables[i]->manifest_key[0] != '\0')
            run->staged[n_staged++] = run->tables[i]->target;
    }
    if (n_staged == 0)
        return RC_OK;
    SCOPED(buf_done) struct buf sql = buf_new((size_t)1 << 20);
    sql_drop_stages(&sql, run->staged, n_staged);
    return session_run(&run->warehouse->session, &sql, "drop the staging tables of", run->warehouse->config->name, NULL,
                       err);
}

static enum rc run_transaction(struct batch_run *run, bool *ret_was_in, struct err *err)
{
    struct warehouse *warehouse = run->warehouse;
    SCOPED(PQclear) PGresult *rows = NULL;
    bool is_in;
    TRY(session_begin(&warehouse->session, err));
    TRY(progress_lock_and_read(warehouse, &rows, err));
    TRY(progress_check(rows, run->load, warehouse->config->name, warehouse->writer, &is_in, err));
    *ret_was_in = is_in;
    if (is_in) {
        session_abandon(&warehouse->session);
        return RC_OK;
    }
    TRY(apply_tables(run, err));
    for (size_t i = 0; i < run->load->n_sources; i++)
        TRY(advance(warehouse, &run->load->sources[i], rows, err));
    TRY(rejects_flush(run->load->rejects, REJECTS_FLUSH_MS, err));
    return session_commit(&warehouse->session, err);
}

static void count_applied(const struct batch_run *run)
{
    for (size_t i = 0; i < run->load->n_tables; i++) {
        const char *table = run->tables[i]->target->table;
        metric_add(METRIC_sink_rows_merged_total, (double)run->applied[i].merged, table, NULL);
        metric_add(METRIC_sink_rows_deleted_total, (double)run->applied[i].deleted, table, NULL);
        if (run->applied[i].missing > 0)
            metric_add(METRIC_sink_rejects_total, (double)run->applied[i].missing, table, err_name(ERR_ROW_MISSING));
    }
}

static void batch_run_init(struct batch_run *run)
{
    size_t n = MAX(run->load->n_tables, (size_t)1);
    run->tables = calloc(n, sizeof(struct load_table *));
    run->applied = calloc(n, sizeof(struct applied));
    run->staged = calloc(n, sizeof(struct target *));
    if (run->tables == NULL || run->applied == NULL || run->staged == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    for (size_t i = 0; i < run->load->n_tables; i++)
        run->tables[i] = &run->load->tables[i];
    qsort(run->tables, run->load->n_tables, sizeof(struct load_table *), compare_tables);
}

static void batch_run_done(struct batch_run *run)
{
    free(run->tables);
    free(run->applied);
    free(run->staged);
}

enum rc warehouse_apply(struct warehouse *warehouse, struct s3 *s3, const struct load *load, struct err *err)
{
    struct batch_run run = {
        .warehouse = warehouse,
        .load = load,
        .apply = {.session = &warehouse->session, .config = warehouse->config, .s3 = s3, .rejects = load->rejects},
    };
    bool was_in = false;
    /* Of an earlier attempt: while Kafka does not take them, the warehouse need not be asked again. */
    TRY(rejects_flush(load->rejects, REJECTS_FLUSH_MS, err));
    batch_run_init(&run);
    int64_t start_us = clock_mono_us();
    enum rc rc = run_transaction(&run, &was_in, err);
    if (rc != RC_OK) {
        session_abandon(&warehouse->session);
        if (run.apply.load_failed != NULL && warehouse->session.conn != NULL)
            rc = apply_explain_load(&run.apply, err);
    } else if (!was_in) {
        count_applied(&run);
    }
    metric_add(METRIC_sink_warehouse_seconds_total, (double)(clock_mono_us() - start_us) / US_PER_S,
               warehouse->config->name, NULL);
    batch_run_done(&run);
    return rc;
}
