#include "sink/redshift/catalog.h"

#include <stdlib.h>

#include "base/wrap/pg.h"
#include "sink/redshift/sql.h"

static const char SQL_HAS_SCHEMA[] = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
static const char SQL_HAS_TABLE[] =
    "SELECT 1 FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2";
static const char SQL_COLUMNS[] =
    "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable "
    "FROM svv_columns WHERE table_schema = $1 AND table_name = $2";
enum { COL_NAME, COL_TYPE, COL_LENGTH, COL_PRECISION, COL_SCALE, COL_NULLABLE };

enum { SQL_MAX_BYTES = 16 << 20 };

/* As svv_columns spells them. */
static const struct {
    const char *name;
    enum target_type type;
} catalog_types[] = {
    {"boolean", TARGET_BOOLEAN},
    {"smallint", TARGET_SMALLINT},
    {"integer", TARGET_INTEGER},
    {"bigint", TARGET_BIGINT},
    {"real", TARGET_REAL},
    {"double precision", TARGET_DOUBLE},
    {"numeric", TARGET_DECIMAL},
    {"character varying", TARGET_VARCHAR},
    {"binary varying", TARGET_VARBYTE},
    {"varbyte", TARGET_VARBYTE},
    {"date", TARGET_DATE},
    {"time without time zone", TARGET_TIME},
    {"timestamp without time zone", TARGET_TIMESTAMP},
    {"timestamp with time zone", TARGET_TIMESTAMPTZ},
    {"super", TARGET_SUPER},
};

enum rc catalog_execute(PGconn *conn, const char *sql, const char *what, struct err *err)
{
    SCOPED(PQclear) PGresult *res = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return err_pg(err, PG_ROLE_WAREHOUSE, conn, res, "could not %s", what);
    return RC_OK;
}

static enum rc has_rows(PGconn *conn, const char *sql, const char *const *params, int n_params, bool *ret_has,
                        struct err *err)
{
    SCOPED(PQclear) PGresult *res = PQexecParams(conn, sql, n_params, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return err_pg(err, PG_ROLE_WAREHOUSE, conn, res, "could not read the catalog");
    *ret_has = PQntuples(res) > 0;
    return RC_OK;
}

enum rc catalog_has_schema(PGconn *conn, const char *schema, bool *ret_exists, struct err *err)
{
    const char *params[] = {schema};
    return has_rows(conn, SQL_HAS_SCHEMA, params, 1, ret_exists, err);
}

enum rc catalog_has_table(PGconn *conn, const char *schema, const char *table, bool *ret_exists, struct err *err)
{
    const char *params[] = {schema, table};
    return has_rows(conn, SQL_HAS_TABLE, params, 2, ret_exists, err);
}

static enum rc read_columns(PGconn *conn, const struct target *target, PGresult **ret_columns, struct err *err)
{
    const char *params[] = {target->schema, target->table};
    PGresult *res = PQexecParams(conn, SQL_COLUMNS, 2, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        enum rc rc = err_pg(err, PG_ROLE_WAREHOUSE, conn, res, "could not read the columns of \"%s\".\"%s\"",
                            target->schema, target->table);
        PQclear(res);
        return rc;
    }
    *ret_columns = res;
    return RC_OK;
}

static int find_row(const PGresult *columns, const char *name)
{
    for (int row = 0; row < PQntuples(columns); row++)
        if (strcmp(PQgetvalue(columns, row, COL_NAME), name) == 0)
            return row;
    return -1;
}

/* False when the type is one that leat does not write. */
static bool column_at(const PGresult *columns, int row, struct target_column *ret)
{
    const char *type = PQgetvalue(columns, row, COL_TYPE);
    for (size_t i = 0; i < ARRAY_LEN(catalog_types); i++)
        if (strcmp(type, catalog_types[i].name) == 0) {
            *ret = (struct target_column){.type = catalog_types[i].type};
            if (ret->type == TARGET_DECIMAL) {
                ret->precision = atoi(PQgetvalue(columns, row, COL_PRECISION));
                ret->scale = atoi(PQgetvalue(columns, row, COL_SCALE));
            } else if (ret->type == TARGET_VARCHAR || ret->type == TARGET_VARBYTE) {
                ret->bytes = atoi(PQgetvalue(columns, row, COL_LENGTH));
            }
            return true;
        }
    return false;
}

static enum rc err_type(struct err *err, const struct target *target, const struct target_column *wanted,
                        const char *held)
{
    char text[64];
    struct buf type = buf_over(text, sizeof(text));
    target_put_type(&type, wanted);
    return err_set(err, ERR_REDSHIFT_SCHEMA, "column \"%s\" of \"%s\".\"%s\" is %s, the events need %s", wanted->name,
                   target->schema, target->table, held, buf_cstr(&type));
}

/* What the catalog has replaces what the events would get, when it holds all of it. */
static enum rc adopt_column(const struct target *target, struct target_column *column, const PGresult *columns, int row,
                            bool *ret_too_narrow, struct err *err)
{
    struct target_column held;
    const char *type_name = PQgetvalue(columns, row, COL_TYPE);
    if (!column_at(columns, row, &held))
        return err_type(err, target, column, type_name);
    /* Some releases give no length for binary columns: the default is what an unnamed length means. */
    if (held.type == TARGET_VARBYTE && held.bytes == 0)
        held.bytes = column->bytes;
    if (!target_column_holds(&held, column)) {
        char text[64];
        struct buf type = buf_over(text, sizeof(text));
        target_put_type(&type, &held);
        return err_type(err, target, column, buf_cstr(&type));
    }
    *ret_too_narrow = held.type == TARGET_VARCHAR && held.bytes < column->bytes;
    if (*ret_too_narrow)
        return RC_OK;
    column->type = held.type;
    column->precision = held.precision;
    column->scale = held.scale;
    column->bytes = held.bytes;
    return RC_OK;
}

/* Columns that leat does not fill must be able to stay empty; deletes are staged with nothing but the key. */
static enum rc check_nullable(const struct target *target, const PGresult *columns, struct err *err)
{
    for (int row = 0; row < PQntuples(columns); row++) {
        const char *name = PQgetvalue(columns, row, COL_NAME);
        int at = target_find(target, name);
        if (strcmp(PQgetvalue(columns, row, COL_NULLABLE), "NO") == 0 && (at < 0 || !target->columns[at].is_key))
            return err_set(err, ERR_REDSHIFT_SCHEMA,
                           "column \"%s\" of \"%s\".\"%s\" is NOT NULL, only key columns may be", name, target->schema,
                           target->table);
    }
    return RC_OK;
}

static enum rc run_ddl(PGconn *conn, struct buf *sql, const struct target *target, size_t *statements, struct err *err)
{
    if (sql->failed)
        return err_set(err, ERR_REDSHIFT_SCHEMA, "a statement for \"%s\".\"%s\" is longer than redshift takes",
                       target->schema, target->table);
    TRY(catalog_execute(conn, buf_cstr(sql), "change a target table", err));
    ++*statements;
    return RC_OK;
}

/* Another worker may have added the column meanwhile: then the failure is none. */
static enum rc add_column(PGconn *conn, const struct target *target, const struct target_column *column,
                          size_t *statements, struct err *err)
{
    SCOPED(buf_done) struct buf sql = buf_new(SQL_MAX_BYTES);
    const char *name = column == NULL ? TARGET_POS_COLUMN : column->name;
    if (column == NULL)
        sql_add_pos_column(&sql, target);
    else
        sql_add_column(&sql, target, column);
    enum rc rc = run_ddl(conn, &sql, target, statements, err);
    if (rc == RC_OK || PQstatus(conn) != CONNECTION_OK)
        return rc;
    SCOPED(PQclear) PGresult *columns = NULL;
    struct err ignored;
    if (read_columns(conn, target, &columns, &ignored) == RC_OK && find_row(columns, name) >= 0)
        return RC_OK;
    return rc;
}

static enum rc widen_column(PGconn *conn, const struct target *target, const struct target_column *column,
                            const PGresult *columns, int row, size_t *statements, struct err *err)
{
    if (column->is_key)
        return err_set(
            err, ERR_REDSHIFT_SCHEMA,
            "key column \"%s\" of \"%s\".\"%s\" holds %s bytes, the events need %d, and redshift cannot widen a key",
            column->name, target->schema, target->table, PQgetvalue(columns, row, COL_LENGTH), column->bytes);
    SCOPED(buf_done) struct buf sql = buf_new(SQL_MAX_BYTES);
    sql_widen_column(&sql, target, column);
    return run_ddl(conn, &sql, target, statements, err);
}

static enum rc ensure_columns(PGconn *conn, struct target *target, const PGresult *columns, size_t *statements,
                              struct err *err)
{
    TRY(check_nullable(target, columns, err));
    for (size_t i = 0; i < target->n_columns; i++) {
        struct target_column *column = &target->columns[i];
        int row = find_row(columns, column->name);
        bool too_narrow = false;
        if (row < 0 && column->is_key)
            return err_set(err, ERR_REDSHIFT_SCHEMA,
                           "\"%s\".\"%s\" has no column \"%s\", which is the key of its events", target->schema,
                           target->table, column->name);
        if (row < 0) {
            TRY(add_column(conn, target, column, statements, err));
            continue;
        }
        TRY(adopt_column(target, column, columns, row, &too_narrow, err));
        if (too_narrow)
            TRY(widen_column(conn, target, column, columns, row, statements, err));
    }
    if (find_row(columns, TARGET_POS_COLUMN) < 0)
        TRY(add_column(conn, target, NULL, statements, err));
    return RC_OK;
}

enum rc catalog_ensure_table(PGconn *conn, struct target *target, size_t *ret_statements, struct err *err)
{
    size_t statements = 0;
    SCOPED(PQclear) PGresult *columns = NULL;
    TRY(read_columns(conn, target, &columns, err));
    if (PQntuples(columns) == 0) {
        SCOPED(buf_done) struct buf sql = buf_new(SQL_MAX_BYTES);
        sql_create_table(&sql, target);
        TRY(run_ddl(conn, &sql, target, &statements, err));
    } else {
        TRY(ensure_columns(conn, target, columns, &statements, err));
    }
    *ret_statements = statements;
    return RC_OK;
}
