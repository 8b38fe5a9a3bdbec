#include "capture/pg/copy_catalog.h"

#include <stdlib.h>

#include "capture/pg/lsn.h"

enum { OIDS_MAX_BYTES = 16 << 20 };

/* The size of a table that somebody holds for himself could only be waited for. */
static const char SQL_HEAPS[] =
    "select r.oid, c.oid, n.nspname, c.relname, c.relfilenode,"
    " case when $2::bool and c.oid <> all (array(select k.relation from pg_catalog.pg_locks k"
    "   where k.locktype = 'relation' and k.mode = 'AccessExclusiveLock')) then pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::int8"
    "  else c.relpages end"
    " from unnest($1::oid[]) with ordinality r(oid, place)"
    " join pg_catalog.pg_class p on p.oid = r.oid"
    " cross join lateral (select p.oid as leaf where p.relkind = 'r'"
    "  union all select t.relid from pg_catalog.pg_partition_tree(p.oid) t where p.relkind = 'p' and t.isleaf) l"
    " join pg_catalog.pg_class c on c.oid = l.leaf and c.relkind = 'r'"
    " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
    " order by r.place, c.oid";

static const char SQL_WAL_END[] =
    "select case when pg_catalog.pg_is_in_recovery() then"
    " pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_insert_lsn() end";

static uint32_t number_of(const PGresult *res, int row, int column)
{
    unsigned long long number = strtoull(PQgetvalue(res, row, column), NULL, 10);
    return number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

static const char *text_in(struct arena *arena, const PGresult *res, int row, int column)
{
    return arena_strdup(arena, slice_of_str(PQgetvalue(res, row, column)));
}

enum rc pg_copy_catalog_heaps(PGconn *conn, const struct pg_copy_plan *plan, bool by_size, struct arena *arena,
                              struct pg_copy_found **ret_found, size_t *ret_n, struct err *err)
{
    SCOPED(buf_done) struct buf oids = buf_new(OIDS_MAX_BYTES);
    for (size_t i = 0; i < plan->n_tables; i++)
        buf_printf(&oids, "%c%u", i == 0 ? '{' : ',', plan->tables[i]->oid);
    buf_put_str(&oids, plan->n_tables == 0 ? "{}" : "}");
    const char *params[] = {buf_cstr(&oids), by_size ? "t" : "f"};
    SCOPED(PQclear) PGresult *res = PQexecParams(conn, SQL_HEAPS, 2, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return err_pg(err, PG_ROLE_SOURCE, conn, res, "could not read the sizes of the tables to copy");
    size_t n = (size_t)PQntuples(res);
    struct pg_copy_found *found = arena_array(arena, struct pg_copy_found, n + 1);
    for (size_t i = 0; found != NULL && i < n; i++) {
        int row = (int)i;
        found[i] = (struct pg_copy_found){.table_oid = number_of(res, row, 0),
                                          .oid = number_of(res, row, 1),
                                          .schema = text_in(arena, res, row, 2),
                                          .name = text_in(arena, res, row, 3),
                                          .filenode = number_of(res, row, 4),
                                          .n_blocks = number_of(res, row, 5)};
        if (found[i].schema == NULL || found[i].name == NULL)
            found = NULL;
    }
    if (found == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "the list of %zu heaps to copy is too long", n);
    *ret_found = found;
    *ret_n = n;
    return RC_OK;
}

enum rc pg_copy_catalog_snapshot(PGconn *conn, PGresult **ret, struct err *err)
{
    PGresult *res = PQexec(conn, "select pg_catalog.pg_current_snapshot()");
    if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1) {
        enum rc rc = err_pg(err, PG_ROLE_SOURCE, conn, res, "could not read which transactions are running");
        PQclear(res);
        return rc;
    }
    *ret = res;
    return RC_OK;
}

enum rc pg_copy_catalog_running(PGconn *conn, uint64_t *ret_oldest, uint64_t *ret_next, struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    TRY(pg_copy_catalog_snapshot(conn, &res, err));
    char *at;
    *ret_oldest = strtoull(PQgetvalue(res, 0, 0), &at, 10);
    *ret_next = *at == ':' ? strtoull(at + 1, NULL, 10) : *ret_oldest;
    return RC_OK;
}

enum rc pg_copy_catalog_wal_end(PGconn *conn, uint64_t *ret_lsn, struct err *err)
{
    SCOPED(PQclear) PGresult *res = PQexec(conn, SQL_WAL_END);
    if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1)
        return err_pg(err, PG_ROLE_SOURCE, conn, res, "could not read where the log ends");
    return lsn_parse(PQgetvalue(res, 0, 0), ret_lsn, err);
}
