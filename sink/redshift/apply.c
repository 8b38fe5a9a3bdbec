#include "sink/redshift/apply.h"

#include <stdlib.h>

#include "sink/redshift/missing.h"
#include "sink/redshift/sql.h"

/* Redshift's own limit of a statement. */
enum { SQL_MAX_BYTES = 16 << 20 };

static const char SQL_COPY_COUNT[] = "SELECT pg_last_copy_count()";
/* The newer view, on every kind of cluster; then the older one. Both without the columns that hold row
 * values. */
static const char *const sql_load_errors[] = {
    "SELECT column_name, error_code, error_message, file_name, line_number FROM sys_load_error_detail "
    "WHERE file_name LIKE $1 ORDER BY start_time DESC LIMIT 1",
    "SELECT colname, err_code, err_reason, filename, line_number FROM stl_load_errors "
    "WHERE filename LIKE $1 ORDER BY starttime DESC LIMIT 1",
};

/* One table on its way: what is in the staging table by now. */
struct table_run {
    struct apply *apply;
    const struct load_table *table;
    const struct target *target;
    struct table_batch_stats stats;
    uint64_t staged;  /* of them `missing` as deletes */
    uint64_t missing; /* partial rows whose row is not in the warehouse */
    struct buf sql;
};

static enum rc run(struct table_run *run, const char *what, uint64_t *ret_rows, struct err *err)
{
    enum rc rc = session_run(run->apply->session, &run->sql, what, run->target->table, ret_rows, err);
    buf_clear(&run->sql);
    return rc;
}

static enum rc copy_count(struct table_run *run, uint64_t *ret_rows, struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    TRY(session_query(run->apply->session, SQL_COPY_COUNT, 0, NULL, "read the count of a load", &res, err));
    if (PQntuples(res) != 1)
        return err_set(err, ERR_REDSHIFT_COUNT, "redshift gave no count for the load of \"%s\"", run->target->table);
    *ret_rows = strtoull(PQgetvalue(res, 0, 0), NULL, 10);
    return RC_OK;
}

static enum rc put_copy(struct table_run *run, struct err *err)
{
    const struct config_sink *config = run->apply->config;
    struct sql_copy copy = {
        .bucket = config->s3.bucket,
        .manifest_key = run->table->manifest_key,
        .null_marker = table_batch_null_marker(run->table->batch),
        .iam_role = config->redshift.iam_role,
        /* Another S3 server has no region that the warehouse could know. */
        .region = config->s3.endpoint == NULL ? config->s3.region : NULL,
        .with_partial = run->stats.partial > 0,
    };
    if (copy.iam_role == NULL)
        TRY(s3_copy_credentials(run->apply->s3, &copy.access_key_id, &copy.secret_access_key, &copy.session_token,
                                err));
    sql_copy(&run->sql, run->target, &copy);
    return RC_OK;
}

static enum rc stage(struct table_run *self, struct err *err)
{
    sql_create_stage(&self->sql, self->target, self->stats.partial > 0);
    TRY(run(self, "make the staging table of", NULL, err));
    TRY(put_copy(self, err));
    enum rc rc = run(self, "load into", NULL, err);
    if (rc != RC_OK) {
        if (strstr(err->msg, "Load into table") != NULL)
            self->apply->load_failed = self->table;
        return rc;
    }
    uint64_t copied = 0, expected = self->stats.upserts + self->stats.deletes;
    TRY(copy_count(self, &copied, err));
    if (copied != expected)
        return err_set(err, ERR_REDSHIFT_COUNT, "\"%s\": %llu rows were staged, redshift loaded %llu",
                       self->target->table, (unsigned long long)expected, (unsigned long long)copied);
    self->staged = copied;
    return RC_OK;
}

static enum rc drop_stale(struct table_run *self, struct err *err)
{
    uint64_t stale = 0;
    sql_drop_stale(&self->sql, self->target);
    TRY(run(self, "compare the replayed rows with", &stale, err));
    self->staged -= MIN(stale, self->staged);
    return RC_OK;
}

/* Partial rows whose row is not in the warehouse go to the rejects, and what may stand under their keys goes.
 * In a replay only those that were never applied: the others had their row when they were. */
static enum rc reject_missing(struct table_run *self, struct err *err)
{
    const struct position *above = self->table->replay ? &self->table->applied : NULL;
    uint64_t deletes = 0;
    sql_read_incomplete(&self->sql, self->target, above);
    enum rc rc = missing_reject(self->apply->session, &self->sql, self->table, self->apply->rejects, &self->missing,
                                err);
    buf_clear(&self->sql);
    if (rc != RC_OK || self->missing == 0)
        return rc;
    sql_delete_incomplete(&self->sql, self->target, above);
    TRY(run(self, "leave out rows of", &deletes, err));
    if (deletes != self->missing)
        return err_set(err, ERR_REDSHIFT_COUNT, "\"%s\": %llu rows were rejected, but %llu left out",
                       self->target->table, (unsigned long long)self->missing, (unsigned long long)deletes);
    return RC_OK;
}

static enum rc complete_replay(struct table_run *self, struct err *err)
{
    uint64_t dropped = 0;
    TRY(reject_missing(self, err));
    sql_drop_incomplete(&self->sql, self->target);
    TRY(run(self, "drop replayed rows of", &dropped, err));
    self->staged -= MIN(dropped, self->staged);
    return RC_OK;
}

static enum rc complete(struct table_run *self, struct err *err)
{
    uint64_t completed = 0;
    sql_complete(&self->sql, self->target, self->table->batch, self->table->replay);
    TRY(run(self, "complete rows from", &completed, err));
    if (self->table->replay)
        return complete_replay(self, err);
    if (completed < self->stats.partial)
        TRY(reject_missing(self, err));
    if (completed + self->missing != self->stats.partial)
        return err_set(err, ERR_REDSHIFT_COUNT,
                       "\"%s\": %llu changed rows leave columns as they are in redshift: %llu are there, %llu are not",
                       self->target->table, (unsigned long long)self->stats.partial, (unsigned long long)completed,
                       (unsigned long long)self->missing);
    return RC_OK;
}

static enum rc delete_rows(struct table_run *self, uint64_t *ret_deleted, struct err *err)
{
    uint64_t dropped = 0, expected = self->stats.deletes + self->missing;
    sql_delete(&self->sql, self->target);
    TRY(run(self, "delete from", ret_deleted, err));
    sql_drop_deletes(&self->sql, self->target);
    TRY(run(self, "delete from the staging table of", &dropped, err));
    if (!self->table->replay && dropped != expected)
        return err_set(err, ERR_REDSHIFT_COUNT, "\"%s\": %llu deletes were staged, redshift had %llu",
                       self->target->table, (unsigned long long)expected, (unsigned long long)dropped);
    self->staged -= MIN(dropped, self->staged);
    return RC_OK;
}

static enum rc empty_target(struct table_run *self, uint64_t *ret_deleted, struct err *err)
{
    sql_empty_target(&self->sql, self->target, self->table->replay ? &self->stats.truncate_pos : NULL);
    return run(self, "empty", ret_deleted, err);
}

/* Partial rows take their columns before anything of the target goes. */
static enum rc apply_run(struct table_run *self, struct applied *ret_applied, struct err *err)
{
    struct applied applied = {0};
    uint64_t deleted = 0;
    if (self->table->manifest_key[0] != '\0') {
        TRY(stage(self, err));
        if (self->table->replay)
            TRY(drop_stale(self, err));
        if (self->stats.partial > 0)
            TRY(complete(self, err));
    }
    if (self->stats.truncated)
        TRY(empty_target(self, &applied.deleted, err));
    if (self->staged > 0 && self->stats.deletes + self->missing > 0)
        TRY(delete_rows(self, &deleted, err));
    if (self->staged > 0) {
        sql_merge(&self->sql, self->target);
        TRY(run(self, "merge into", NULL, err));
    }
    applied.deleted += deleted;
    applied.merged = self->staged;
    applied.missing = self->missing;
    *ret_applied = applied;
    return RC_OK;
}

enum rc apply_table(struct apply *apply, const struct load_table *table, struct applied *ret_applied, struct err *err)
{
    struct table_run self = {.apply = apply, .table = table, .target = table->target, .sql = buf_new(SQL_MAX_BYTES)};
    table_batch_stats(table->batch, &self.stats);
    enum rc rc = apply_run(&self, ret_applied, err);
    buf_done(&self.sql);
    return rc;
}

/* "Invalid digit, Value 'x', Pos 0" : the value stays out. */
static int reason_len(const char *reason)
{
    const char *value = strstr(reason, ", Value");
    int len = (int)(value == NULL ? strlen(reason) : (size_t)(value - reason));
    while (len > 0 && reason[len - 1] == ' ')
        len--;
    return len;
}

static int trimmed_len(const char *text)
{
    int len = (int)strlen(text);
    while (len > 0 && text[len - 1] == ' ')
        len--;
    return len;
}

static enum rc err_load(struct err *err, const struct target *target, const PGresult *res)
{
    const char *column = PQgetvalue(res, 0, 0), *reason = PQgetvalue(res, 0, 2), *file = PQgetvalue(res, 0, 3);
    return err_set(err, ERR_REDSHIFT_LOAD,
                   "could not load into \"%s\": column \"%.*s\": code %s, %.*s, in %.*s line %s", target->table,
                   trimmed_len(column), column, PQgetvalue(res, 0, 1), reason_len(reason), reason, trimmed_len(file),
                   file, PQgetvalue(res, 0, 4));
}

enum rc apply_explain_load(struct apply *apply, struct err *err)
{
    const struct load_table *table = apply->load_failed;
    const char *name = strrchr(table->manifest_key, '/');
    int folder = name == NULL ? 0 : (int)(name - table->manifest_key) + 1;
    SCOPED(buf_done) struct buf files = buf_new(4096);
    buf_printf(&files, "s3://%s/%.*s%%", apply->config->s3.bucket, folder, table->manifest_key);
    const char *params[] = {buf_cstr(&files)};
    for (size_t i = 0; i < ARRAY_LEN(sql_load_errors); i++) {
        SCOPED(PQclear) PGresult *res = NULL;
        struct err unread;
        if (session_query(apply->session, sql_load_errors[i], 1, params, "read the load errors", &res, &unread) ==
                RC_OK &&
            PQntuples(res) > 0)
            return err_load(err, table->target, res);
    }
    return err_set(err, ERR_REDSHIFT_LOAD,
                   "could not load into \"%s\", and the load error views say nothing of s3://%s/%.*s",
                   table->target->table, apply->config->s3.bucket, folder, table->manifest_key);
}
