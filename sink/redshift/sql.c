#include "sink/redshift/sql.h"

#include <stdio.h>

#include <xxhash.h>

static const char POS_TYPE[] = "VARCHAR(33)";

void sql_put_identifier(struct buf *out, const char *name)
{
    buf_put_u8(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, (uint8_t)*name);
    }
    buf_put_u8(out, '"');
}

void sql_put_literal(struct buf *out, const char *text)
{
    buf_put_u8(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            buf_put_u8(out, (uint8_t)*text);
        buf_put_u8(out, (uint8_t)*text);
    }
    buf_put_u8(out, '\'');
}

static void put_name(struct buf *out, const char *schema, const char *table)
{
    sql_put_identifier(out, schema);
    buf_put_u8(out, '.');
    sql_put_identifier(out, table);
}

static void put_target(struct buf *out, const struct target *target)
{
    put_name(out, target->schema, target->table);
}

static void put_target_column(struct buf *out, const struct target *target, const char *column)
{
    put_name(out, target->table, column);
}

static void put_stage(struct buf *out, const struct target *target)
{
    char stage[SQL_STAGE_NAME_BYTES];
    sql_stage_name(target, stage);
    sql_put_identifier(out, stage);
}

static void put_stage_column(struct buf *out, const struct target *target, const char *column)
{
    char stage[SQL_STAGE_NAME_BYTES];
    sql_stage_name(target, stage);
    put_name(out, stage, column);
}

/* "from_1" and so on are named like the key columns' order. */
static void from_name(char out[32], size_t key)
{
    snprintf(out, 32, "_leat_from_%zu", key + 1);
}

static const struct target_column *key_of(const struct target *target, size_t key)
{
    return &target->columns[target->key_columns[key]];
}

/* target.k = stage.k AND ... */
static void put_keys_equal(struct buf *out, const struct target *target)
{
    for (size_t i = 0; i < target->n_key_columns; i++) {
        if (i > 0)
            buf_put_str(out, " AND ");
        put_target_column(out, target, key_of(target, i)->name);
        buf_put_str(out, " = ");
        put_stage_column(out, target, key_of(target, i)->name);
    }
}

/* "a", "b", ..., "_leat_pos" */
static void put_column_names(struct buf *out, const struct target *target)
{
    for (size_t i = 0; i < target->n_columns; i++) {
        sql_put_identifier(out, target->columns[i].name);
        buf_put_str(out, ", ");
    }
    sql_put_identifier(out, TARGET_POS_COLUMN);
}

/* ---- DDL ---- */

void sql_create_table(struct buf *out, const struct target *target)
{
    buf_put_str(out, "CREATE TABLE IF NOT EXISTS ");
    put_target(out, target);
    buf_put_str(out, " (");
    for (size_t i = 0; i < target->n_columns; i++) {
        sql_put_identifier(out, target->columns[i].name);
        buf_put_u8(out, ' ');
        target_put_type(out, &target->columns[i]);
        /* All but the key may be NULL: redshift cannot drop a NOT NULL later. */
        buf_put_str(out, target->columns[i].is_key ? " NOT NULL, " : ", ");
    }
    sql_put_identifier(out, TARGET_POS_COLUMN);
    buf_printf(out, " %s, PRIMARY KEY (", POS_TYPE);
    for (size_t i = 0; i < target->n_key_columns; i++) {
        if (i > 0)
            buf_put_str(out, ", ");
        sql_put_identifier(out, key_of(target, i)->name);
    }
    buf_put_str(out, ")) DISTKEY(");
    sql_put_identifier(out, key_of(target, 0)->name);
    buf_put_str(out, ") SORTKEY(");
    sql_put_identifier(out, key_of(target, 0)->name);
    buf_put_str(out, ")");
}

static void put_add_column(struct buf *out, const struct target *target, const char *name)
{
    buf_put_str(out, "ALTER TABLE ");
    put_target(out, target);
    buf_put_str(out, " ADD COLUMN ");
    sql_put_identifier(out, name);
    buf_put_u8(out, ' ');
}

void sql_add_column(struct buf *out, const struct target *target, const struct target_column *column)
{
    put_add_column(out, target, column->name);
    target_put_type(out, column);
}

void sql_add_pos_column(struct buf *out, const struct target *target)
{
    put_add_column(out, target, TARGET_POS_COLUMN);
    buf_put_str(out, POS_TYPE);
}

void sql_widen_column(struct buf *out, const struct target *target, const struct target_column *column)
{
    buf_put_str(out, "ALTER TABLE ");
    put_target(out, target);
    buf_put_str(out, " ALTER COLUMN ");
    sql_put_identifier(out, column->name);
    buf_put_str(out, " TYPE ");
    target_put_type(out, column);
}

/* ---- staging ---- */

void sql_stage_name(const struct target *target, char out[SQL_STAGE_NAME_BYTES])
{
    char name[2 * TARGET_NAME_BYTES];
    int n = snprintf(name, sizeof(name), "%s.%s", target->schema, target->table);
    snprintf(out, SQL_STAGE_NAME_BYTES, "_leat_stage_%016llx", (unsigned long long)XXH3_64bits(name, (size_t)n));
}

void sql_create_stage(struct buf *out, const struct target *target, bool with_partial)
{
    buf_put_str(out, "CREATE TEMP TABLE ");
    put_stage(out, target);
    buf_put_str(out, " (LIKE ");
    put_target(out, target);
    buf_put_str(out, ", \"_leat_op\" CHAR(1)");
    if (with_partial) {
        buf_printf(out, ", \"_leat_keep\" VARCHAR(%zu)", target->n_columns);
        for (size_t i = 0; i < target->n_key_columns; i++) {
            char name[32];
            from_name(name, i);
            buf_printf(out, ", \"%s\" ", name);
            target_put_type(out, key_of(target, i));
        }
    }
    buf_put_u8(out, ')');
}

void sql_drop_stages(struct buf *out, const struct target *const *targets, size_t n)
{
    buf_put_str(out, "DROP TABLE IF EXISTS ");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_str(out, ", ");
        put_stage(out, targets[i]);
    }
}

static void put_authorization(struct buf *out, const struct sql_copy *copy)
{
    if (copy->iam_role != NULL && strcmp(copy->iam_role, "default") == 0) {
        buf_put_str(out, "IAM_ROLE default");
        return;
    }
    if (copy->iam_role != NULL) {
        buf_put_str(out, "IAM_ROLE ");
        sql_put_literal(out, copy->iam_role);
        return;
    }
    buf_put_str(out, "ACCESS_KEY_ID ");
    sql_put_literal(out, copy->access_key_id);
    buf_put_str(out, " SECRET_ACCESS_KEY ");
    sql_put_literal(out, copy->secret_access_key);
    if (copy->session_token != NULL) {
        buf_put_str(out, " SESSION_TOKEN ");
        sql_put_literal(out, copy->session_token);
    }
}

void sql_copy(struct buf *out, const struct target *target, const struct sql_copy *copy)
{
    buf_put_str(out, "COPY ");
    put_stage(out, target);
    buf_put_str(out, " (");
    put_column_names(out, target);
    buf_put_str(out, ", \"_leat_op\"");
    if (copy->with_partial) {
        buf_put_str(out, ", \"_leat_keep\"");
        for (size_t i = 0; i < target->n_key_columns; i++) {
            char name[32];
            from_name(name, i);
            buf_printf(out, ", \"%s\"", name);
        }
    }
    SCOPED(buf_done) struct buf url = buf_new(4096);
    buf_printf(&url, "s3://%s/%s", copy->bucket, copy->manifest_key);
    buf_put_str(out, ") FROM ");
    sql_put_literal(out, buf_cstr(&url));
    buf_put_u8(out, ' ');
    put_authorization(out, copy);
    if (copy->region != NULL) {
        buf_put_str(out, " REGION ");
        sql_put_literal(out, copy->region);
    }
    buf_put_str(out, " FORMAT CSV NULL AS ");
    sql_put_literal(out, copy->null_marker);
    buf_put_str(out, " ZSTD MANIFEST TIMEFORMAT 'auto' DATEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF");
}

/* ---- applying ---- */

void sql_drop_stale(struct buf *out, const struct target *target)
{
    buf_put_str(out, "DELETE FROM ");
    put_stage(out, target);
    buf_put_str(out, " USING ");
    put_target(out, target);
    buf_put_str(out, " WHERE ");
    put_keys_equal(out, target);
    buf_put_str(out, " AND ");
    put_stage_column(out, target, TARGET_POS_COLUMN);
    buf_put_str(out, " <= ");
    put_target_column(out, target, TARGET_POS_COLUMN);
}

static void put_completed_column(struct buf *out, const struct target *target, size_t column)
{
    const char *name = target->columns[column].name;
    sql_put_identifier(out, name);
    buf_put_str(out, " = CASE WHEN SUBSTRING(");
    put_stage_column(out, target, "_leat_keep");
    buf_printf(out, ", %zu, 1) = '1' THEN ", column + 1);
    put_target_column(out, target, name);
    buf_put_str(out, " ELSE ");
    put_stage_column(out, target, name);
    buf_put_str(out, " END, ");
}

void sql_complete(struct buf *out, const struct target *target, const struct table_batch *batch, bool replay)
{
    buf_put_str(out, "UPDATE ");
    put_stage(out, target);
    buf_put_str(out, " SET ");
    for (size_t i = 0; i < target->n_columns; i++)
        if (table_batch_keeps(batch, i))
            put_completed_column(out, target, i);
    buf_put_str(out, "\"_leat_keep\" = '' FROM ");
    put_target(out, target);
    buf_put_str(out, " WHERE ");
    for (size_t i = 0; i < target->n_key_columns; i++) {
        char name[32];
        from_name(name, i);
        put_target_column(out, target, key_of(target, i)->name);
        buf_put_str(out, " = ");
        put_stage_column(out, target, name);
        buf_put_str(out, " AND ");
    }
    put_stage_column(out, target, "_leat_keep");
    buf_put_str(out, " <> ''");
    if (!replay)
        return;
    buf_put_str(out, " AND ");
    put_target_column(out, target, TARGET_POS_COLUMN);
    buf_put_str(out, " < ");
    put_stage_column(out, target, TARGET_POS_COLUMN);
}

static void put_pos_literal(struct buf *out, const struct position *pos)
{
    buf_printf(out, "'%016llx.%016llx'", (unsigned long long)pos->major, (unsigned long long)pos->minor);
}

static void put_is_incomplete(struct buf *out, const struct position *above)
{
    buf_put_str(out, " WHERE \"_leat_keep\" <> ''");
    if (above == NULL)
        return;
    buf_printf(out, " AND \"%s\" > ", TARGET_POS_COLUMN);
    put_pos_literal(out, above);
}

void sql_read_incomplete(struct buf *out, const struct target *target, const struct position *above)
{
    buf_put_str(out, "SELECT ");
    put_column_names(out, target);
    buf_put_str(out, ", \"_leat_keep\" FROM ");
    put_stage(out, target);
    put_is_incomplete(out, above);
    buf_printf(out, " ORDER BY \"%s\"", TARGET_POS_COLUMN);
}

void sql_delete_incomplete(struct buf *out, const struct target *target, const struct position *above)
{
    buf_put_str(out, "UPDATE ");
    put_stage(out, target);
    buf_put_str(out, " SET \"_leat_op\" = 'd', \"_leat_keep\" = ''");
    put_is_incomplete(out, above);
}

void sql_drop_incomplete(struct buf *out, const struct target *target)
{
    buf_put_str(out, "DELETE FROM ");
    put_stage(out, target);
    put_is_incomplete(out, NULL);
}

void sql_empty_target(struct buf *out, const struct target *target, const struct position *before)
{
    buf_put_str(out, "DELETE FROM ");
    put_target(out, target);
    if (before == NULL)
        return;
    buf_printf(out, " WHERE \"%s\" IS NULL OR \"%s\" <= ", TARGET_POS_COLUMN, TARGET_POS_COLUMN);
    put_pos_literal(out, before);
}

void sql_delete(struct buf *out, const struct target *target)
{
    buf_put_str(out, "DELETE FROM ");
    put_target(out, target);
    buf_put_str(out, " USING ");
    put_stage(out, target);
    buf_put_str(out, " WHERE ");
    put_keys_equal(out, target);
    buf_put_str(out, " AND ");
    put_stage_column(out, target, "_leat_op");
    buf_put_str(out, " = 'd'");
}

void sql_drop_deletes(struct buf *out, const struct target *target)
{
    buf_put_str(out, "DELETE FROM ");
    put_stage(out, target);
    buf_put_str(out, " WHERE \"_leat_op\" = 'd'");
}

void sql_merge(struct buf *out, const struct target *target)
{
    buf_put_str(out, "MERGE INTO ");
    put_target(out, target);
    buf_put_str(out, " USING ");
    put_stage(out, target);
    buf_put_str(out, " ON ");
    put_keys_equal(out, target);
    buf_put_str(out, " WHEN MATCHED THEN UPDATE SET ");
    for (size_t i = 0; i < target->n_columns; i++) {
        if (target->columns[i].is_key)
            continue;
        sql_put_identifier(out, target->columns[i].name);
        buf_put_str(out, " = ");
        put_stage_column(out, target, target->columns[i].name);
        buf_put_str(out, ", ");
    }
    sql_put_identifier(out, TARGET_POS_COLUMN);
    buf_put_str(out, " = ");
    put_stage_column(out, target, TARGET_POS_COLUMN);
    buf_put_str(out, " WHEN NOT MATCHED THEN INSERT (");
    put_column_names(out, target);
    buf_put_str(out, ") VALUES (");
    for (size_t i = 0; i < target->n_columns; i++) {
        put_stage_column(out, target, target->columns[i].name);
        buf_put_str(out, ", ");
    }
    put_stage_column(out, target, TARGET_POS_COLUMN);
    buf_put_u8(out, ')');
}

/* ---- progress ---- */

static void put_progress(struct buf *out, const char *before, const struct sql_progress *progress, const char *after)
{
    buf_put_str(out, before);
    put_name(out, progress->schema, progress->table);
    buf_put_str(out, after);
}

void sql_progress_create(struct buf *out, const struct sql_progress *progress)
{
    /* DECIMAL(20,0) holds every unsigned 64-bit number; BIGINT does not. */
    put_progress(
        out, "CREATE TABLE IF NOT EXISTS ", progress,
        " (\"source\" VARCHAR(256) NOT NULL, \"ledger_next\" BIGINT NOT NULL, \"high_major\" DECIMAL(20,0) NOT NULL, "
        "\"high_minor\" DECIMAL(20,0) NOT NULL, \"writer\" VARCHAR(256) NOT NULL, \"updated_at\" TIMESTAMP NOT NULL) "
        "DISTSTYLE ALL");
}

void sql_progress_lock(struct buf *out, const struct sql_progress *progress)
{
    put_progress(out, "LOCK ", progress, "");
}

void sql_progress_read(struct buf *out, const struct sql_progress *progress)
{
    put_progress(out,
                 "SELECT \"source\", \"ledger_next\", \"high_major\", \"high_minor\", \"writer\", \"updated_at\" FROM ",
                 progress, "");
}

void sql_progress_insert(struct buf *out, const struct sql_progress *progress)
{
    put_progress(out, "INSERT INTO ", progress,
                 " (\"source\", \"ledger_next\", \"high_major\", \"high_minor\", \"writer\", \"updated_at\") "
                 "VALUES ($1, -1, 0, 0, $2, GETDATE())");
}

void sql_progress_claim(struct buf *out, const struct sql_progress *progress)
{
    put_progress(out, "UPDATE ", progress, " SET \"writer\" = $1, \"updated_at\" = GETDATE()");
}

void sql_progress_advance(struct buf *out, const struct sql_progress *progress)
{
    put_progress(out, "UPDATE ", progress,
                 " SET \"ledger_next\" = $2, \"high_major\" = $3, \"high_minor\" = $4, \"updated_at\" = GETDATE() "
                 "WHERE \"source\" = $1");
}

void sql_progress_reset(struct buf *out, const struct sql_progress *progress)
{
    put_progress(out, "UPDATE ", progress,
                 " SET \"ledger_next\" = $2, \"writer\" = '', \"updated_at\" = GETDATE() WHERE \"source\" = $1");
}
