#include "capture/pg/snapshot.h"

#include <stdlib.h>

#include "base/buf.h"

enum { COPY_SQL_MAX_BYTES = 16 << 20 };

struct pg_snapshot {
    PGconn *conn;
    char *line; /* libpq's, of the row handed out */
    uint16_t n_columns;
    const struct pg_table *table;
};

/* ---- COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html ---- */

static char unescape(char c)
{
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: return c;
    }
}

enum rc pg_copy_parse(char *line, size_t len, uint16_t n, struct pgoutput_tuple *ret_row, struct err *err)
{
    char *at = line, *end = line + len;
    uint16_t columns = 0;
    if (len > 0 && end[-1] == '\n')
        end--;
    ret_row->n = n;
    if (n == 0)
        return at == end ? RC_OK : err_set(err, ERR_MALFORMED, "a copied row has values and the table no columns");
    for (;;) {
        char *start = at, *to = at;
        bool is_null = end - at >= 2 && at[0] == '\\' && at[1] == 'N' && (at + 2 == end || at[2] == '\t');
        while (at < end && *at != '\t') {
            if (*at == '\\' && at + 1 < end) {
                *to++ = unescape(at[1]);
                at += 2;
            } else {
                *to++ = *at++;
            }
        }
        if (columns == n)
            return err_set(err, ERR_MALFORMED, "a copied row has more than %u columns", n);
        ret_row->values[columns++] = (struct pgoutput_value){
            .kind = is_null ? PGOUTPUT_TUPLE_NULL : PGOUTPUT_TUPLE_TEXT,
            .text = is_null ? (struct slice){0} : slice_of(start, (size_t)(to - start))};
        if (at == end)
            break;
        at++;
    }
    if (columns != n)
        return err_set(err, ERR_MALFORMED, "a copied row has %u columns instead of %u", columns, n);
    return RC_OK;
}

/* ---- the copy ---- */

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

/* An inheritance parent is copied without its children: they are published by themselves. */
static void put_table(struct buf *out, const struct pg_table *table)
{
    buf_put_str(out, table->kind == 'r' ? "only " : "");
    put_identifier(out, table->schema);
    buf_put_u8(out, '.');
    put_identifier(out, table->name);
}

static enum rc execute(PGconn *conn, const char *sql, const char *what, struct err *err)
{
    SCOPED(PQclear) PGresult *res = PQexec(conn, sql);
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        return err_pg(err, PG_ROLE_SOURCE, conn, res, "could not %s", what);
    return RC_OK;
}

static enum rc join_snapshot(PGconn *conn, const char *exported, const struct pg_table *tables, size_t n,
                             struct err *err)
{
    SCOPED(buf_done) struct buf sql = buf_new(COPY_SQL_MAX_BYTES);
    TRY(execute(conn, "begin isolation level repeatable read read only", "begin the first copy", err));
    buf_printf(&sql, "set transaction snapshot '%s'", exported);
    TRY(execute(conn, buf_cstr(&sql), "take the slot's snapshot", err));
    buf_clear(&sql);
    for (size_t i = 0; i < n; i++) {
        buf_put_str(&sql, i == 0 ? "lock table " : ", ");
        put_table(&sql, &tables[i]);
    }
    buf_put_str(&sql, " in access share mode");
    return execute(conn, buf_cstr(&sql), "lock the tables for the first copy", err);
}

enum rc pg_snapshot_open(PGconn *conn, const char *exported, const struct pg_table *tables, size_t n,
                         struct pg_snapshot **ret_snapshot, struct err *err)
{
    struct pg_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (snapshot == NULL)
        abort();
    snapshot->conn = conn;
    enum rc rc = join_snapshot(conn, exported, tables, n, err);
    if (rc != RC_OK) {
        pg_snapshot_free(snapshot);
        return rc;
    }
    *ret_snapshot = snapshot;
    return RC_OK;
}

void pg_snapshot_free(struct pg_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    PQfreemem(snapshot->line);
    PQfinish(snapshot->conn);
    free(snapshot);
}

PGconn *pg_snapshot_connection(struct pg_snapshot *snapshot)
{
    return snapshot->conn;
}

enum rc pg_snapshot_begin(struct pg_snapshot *snapshot, const struct pg_table *table,
                          const struct pgoutput_relation *relation, struct err *err)
{
    SCOPED(buf_done) struct buf sql = buf_new(COPY_SQL_MAX_BYTES);
    buf_put_str(&sql, "copy (select ");
    for (uint16_t i = 0; i < relation->n_columns; i++) {
        buf_put_str(&sql, i == 0 ? "" : ", ");
        put_identifier(&sql, relation->columns[i].name);
    }
    buf_put_str(&sql, " from ");
    put_table(&sql, table);
    if (table->row_filter != NULL) {
        buf_put_str(&sql, " where ");
        buf_put_str(&sql, table->row_filter);
    }
    buf_put_str(&sql, ") to stdout");
    SCOPED(PQclear) PGresult *res = PQexec(snapshot->conn, buf_cstr(&sql));
    if (PQresultStatus(res) != PGRES_COPY_OUT)
        return err_pg(err, PG_ROLE_SOURCE, snapshot->conn, res, "could not copy table %s.%s", table->schema,
                      table->name);
    snapshot->n_columns = relation->n_columns;
    snapshot->table = table;
    return RC_OK;
}

static enum rc end_copy(struct pg_snapshot *snapshot, struct err *err)
{
    PGresult *next;
    enum rc rc = RC_OK;
    while ((next = PQgetResult(snapshot->conn)) != NULL) {
        if (PQresultStatus(next) != PGRES_COMMAND_OK && rc == RC_OK)
            rc = err_pg(err, PG_ROLE_SOURCE, snapshot->conn, next, "could not copy table %s.%s",
                        snapshot->table->schema, snapshot->table->name);
        PQclear(next);
    }
    return rc;
}

enum rc pg_snapshot_next(struct pg_snapshot *snapshot, struct pgoutput_tuple *ret_row, bool *ret_end, struct err *err)
{
    PQfreemem(snapshot->line);
    snapshot->line = NULL;
    *ret_end = false;
    int n = PQgetCopyData(snapshot->conn, &snapshot->line, 1);
    if (n == 0 && PQconsumeInput(snapshot->conn) == 1) {
        n = PQgetCopyData(snapshot->conn, &snapshot->line, 1);
        if (n == 0)
            return RC_AGAIN;
    }
    if (n > 0)
        return pg_copy_parse(snapshot->line, (size_t)n, snapshot->n_columns, ret_row, err);
    if (n == -1) {
        TRY(end_copy(snapshot, err));
        *ret_end = true;
        return RC_OK;
    }
    return err_pg(err, PG_ROLE_SOURCE, snapshot->conn, NULL, "could not copy table %s.%s", snapshot->table->schema,
                  snapshot->table->name);
}
