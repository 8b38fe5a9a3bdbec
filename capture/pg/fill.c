#include "capture/pg/fill.h"

#include <stdlib.h>

#include "capture/pg/copy_sql.h"
#include "capture/pg/wire.h"

enum {
    SQL_MAX_BYTES = 1 << 20,
    FILL_MAX_KEYS = 32, /* INDEX_MAX_KEYS */
    KEY_MAX_BYTES = 64 << 10,
    COLUMN_SNAPSHOT = 0,
    COLUMN_FOUND,
    COLUMN_FIRST_VALUE,
};

void pg_fill_done(struct pg_fill *fill)
{
    PQclear(fill->row);
    fill->row = NULL;
}

static bool is_missing(const struct pgoutput_tuple *row, size_t i)
{
    return row->values[i].kind == PGOUTPUT_TUPLE_UNCHANGED_TOAST;
}

void pg_fill_sql(const struct pg_relation *relation, bool only, const struct pgoutput_tuple *row, struct buf *out)
{
    buf_put_str(out, "select s.snapshot, t.* from (select pg_catalog.pg_current_snapshot() as snapshot) s"
                     " left join lateral (select true");
    for (size_t i = 0; i < relation->shape.n_columns; i++) {
        if (!is_missing(row, i))
            continue;
        buf_put_str(out, ", ");
        pg_copy_sql_identifier(relation->shape.columns[i].name, out);
    }
    buf_put_str(out, only ? " from only " : " from ");
    pg_copy_sql_identifier(relation->schema, out);
    buf_put_u8(out, '.');
    pg_copy_sql_identifier(relation->name, out);
    for (size_t i = 0, k = 0; i < relation->shape.n_columns; i++) {
        if (!relation->is_key[i])
            continue;
        buf_put_str(out, k == 0 ? " where " : " and ");
        pg_copy_sql_identifier(relation->shape.columns[i].name, out);
        buf_printf(out, " = $%zu", ++k);
    }
    buf_put_str(out, " limit 1) t on true");
}

bool pg_fill_sees(const char *snapshot, uint32_t xid)
{
    char *at;
    uint32_t xmin = (uint32_t)strtoull(snapshot, &at, 10);
    uint32_t xmax = *at == ':' ? (uint32_t)strtoull(at + 1, &at, 10) : xmin;
    if ((int32_t)(xid - xmin) < 0)
        return true;
    if ((int32_t)(xid - xmax) >= 0)
        return false;
    while ((*at == ':' || *at == ',') && at[1] != '\0')
        if ((uint32_t)strtoull(at + 1, &at, 10) == xid)
            return false;
    return true;
}

bool pg_snapshot_is_settled(const char *exported, const char *now)
{
    const char *at = strrchr(now, ':');
    while (at != NULL && at[1] != '\0') {
        if (pg_fill_sees(exported, (uint32_t)strtoull(at + 1, NULL, 10)))
            return false;
        at = strchr(at + 1, ',');
    }
    return true;
}

/* The values by which the server knows the row (not the event's key, which may be another), each ended by a zero;
 * false: one of them did not travel either. */
static bool put_key(const struct pg_relation *relation, const struct pgoutput_tuple *row, struct buf *text,
                    size_t starts[FILL_MAX_KEYS], int *ret_n)
{
    int n = 0;
    for (size_t i = 0; i < relation->shape.n_columns; i++) {
        if (!relation->is_key[i])
            continue;
        if (n == FILL_MAX_KEYS || !pgoutput_value_travelled(&row->values[i]))
            return false;
        starts[n++] = text->len;
        if (!pg_value_put_text(&relation->encoders[i], &row->values[i], text))
            return false; /* no value of its type: the row's event says so */
        buf_put_u8(text, 0);
    }
    *ret_n = n;
    return !text->failed && n > 0;
}

static void take_values(struct pg_fill *fill, const struct pg_relation *relation, struct pgoutput_tuple *row)
{
    int column = COLUMN_FIRST_VALUE;
    for (size_t i = 0; i < relation->shape.n_columns; i++) {
        if (!is_missing(row, i))
            continue;
        bool is_null = PQgetisnull(fill->row, 0, column) != 0;
        row->values[i] = (struct pgoutput_value){
            .kind = is_null ? PGOUTPUT_TUPLE_NULL : PGOUTPUT_TUPLE_TEXT,
            .bytes = slice_of(PQgetvalue(fill->row, 0, column), (size_t)PQgetlength(fill->row, 0, column))};
        column++;
    }
}

/* A table or column that has another name, or is gone, by now: the value cannot be had. */
static bool is_of_another_shape(const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    return state != NULL && (strcmp(state, "42P01") == 0 || strcmp(state, "42703") == 0);
}

enum rc pg_fill_row(struct pg_fill *fill, PGconn *conn, const struct pg_relation *relation, bool only, uint32_t xid,
                    struct pgoutput_tuple *row, enum pg_fill_outcome *ret_outcome, struct err *err)
{
    size_t starts[FILL_MAX_KEYS];
    const char *params[FILL_MAX_KEYS];
    SCOPED(buf_done) struct buf sql = buf_new(SQL_MAX_BYTES);
    SCOPED(buf_done) struct buf key = buf_new(KEY_MAX_BYTES);
    *ret_outcome = PG_FILL_GONE;
    int n_keys;
    if (!put_key(relation, row, &key, starts, &n_keys))
        return RC_OK;
    for (int k = 0; k < n_keys; k++)
        params[k] = (const char *)key.ptr + starts[k];
    pg_fill_sql(relation, only, row, &sql);
    PQclear(fill->row);
    fill->row = PQexecParams(conn, buf_cstr(&sql), n_keys, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(fill->row) != PGRES_TUPLES_OK)
        return is_of_another_shape(fill->row)
                   ? RC_OK
                   : err_pg(err, PG_ROLE_SOURCE, conn, fill->row, "could not read a row of table %s.%s",
                            relation->schema, relation->name);
    if (!pg_fill_sees(PQgetvalue(fill->row, 0, COLUMN_SNAPSHOT), xid)) {
        *ret_outcome = PG_FILL_LATER;
    } else if (!PQgetisnull(fill->row, 0, COLUMN_FOUND)) {
        take_values(fill, relation, row);
        *ret_outcome = PG_FILL_FOUND;
    }
    return RC_OK;
}
