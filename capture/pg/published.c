#include "capture/pg/published.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

enum {
    PUBLISHED_MAX_BYTES = 1 << 20,
    OPERATIONS_BYTES = 8,
    WORD_BYTES = 16,
    NAMES_SHOWN = 3,
    VERSION_15 = 150000,
    VERSION_18 = 180000
};

#define SQL_PUBLICATION(generated)                                                                                     \
    "select p.oid, p.xmin, case when p.pubinsert then 'i' else '' end || case when p.pubupdate then 'u' else '' end"   \
    " || case when p.pubdelete then 'd' else '' end || case when p.pubtruncate then 't' else '' end,"                  \
    " case when p.pubviaroot then 'root' else 'leaf' end, " generated                                                  \
    " from pg_catalog.pg_publication p where p.pubname = $1"

static const char SQL_PUBLICATION_BEFORE_18[] = SQL_PUBLICATION("'none'");
static const char SQL_PUBLICATION_18[] = SQL_PUBLICATION(
    "case p.pubgencols::text when 's' then 'stored' when 'n' then 'none' else p.pubgencols::text end");

/* A partition is there by its own row or by an ancestor's. */
#define SQL_TABLE_ROWS(and_schemas)                                                                                    \
    "select c.oid, coalesce((select string_agg(w.oid::text, '+' order by w.oid) from ("                                \
    "  select r.oid from pg_catalog.pg_publication_rel r where r.prpubid = p.oid and (r.prrelid = c.oid"               \
    "   or r.prrelid in (select a.relid from pg_catalog.pg_partition_ancestors(c.oid) a(relid)))" and_schemas          \
    " ) w), '0') from pg_catalog.pg_publication p, pg_catalog.pg_class c"                                              \
    " where p.pubname = $1 and c.oid = any($2::oid[]) order by c.oid"

static const char SQL_TABLE_ROWS_BEFORE_15[] = SQL_TABLE_ROWS("");
static const char SQL_TABLE_ROWS_15[] = SQL_TABLE_ROWS(
    "  union all select n.oid from pg_catalog.pg_publication_namespace n where n.pnpubid = p.oid"
    "   and n.pnnspid in (select k.relnamespace from pg_catalog.pg_class k where k.oid = c.oid or k.oid"
    "    in (select a.relid from pg_catalog.pg_partition_ancestors(c.oid) a(relid)))");

static enum rc query(PGconn *conn, const char *sql, const char *publication, const char *oids, PGresult **ret,
                     struct err *err)
{
    const char *params[] = {publication, oids};
    SCOPED(PQclear) PGresult *res = PQexecParams(conn, sql, oids == NULL ? 1 : 2, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return err_pg(err, PG_ROLE_SOURCE, conn, res, "could not read what the publication carries");
    *ret = res;
    res = NULL;
    return RC_OK;
}

enum rc pg_published_read(PGconn *conn, const char *publication, const struct pg_table *tables, size_t n,
                          struct arena *arena, const char **ret_line, struct err *err)
{
    int version = PQserverVersion(conn);
    SCOPED(PQclear) PGresult *head = NULL;
    SCOPED(PQclear) PGresult *rows = NULL;
    SCOPED(buf_done) struct buf oids = buf_new(PUBLISHED_MAX_BYTES);
    SCOPED(buf_done) struct buf line = buf_new(PUBLISHED_MAX_BYTES);
    for (size_t i = 0; i < n; i++)
        buf_printf(&oids, "%c%u", i == 0 ? '{' : ',', tables[i].oid);
    buf_put_str(&oids, n == 0 ? "{}" : "}");
    TRY(query(conn, version >= VERSION_18 ? SQL_PUBLICATION_18 : SQL_PUBLICATION_BEFORE_18, publication, NULL, &head,
              err));
    if (PQntuples(head) != 1)
        return err_set(err, ERR_PG_PUBLICATION_MISSING, "publication \"%s\" does not exist", publication);
    TRY(query(conn, version >= VERSION_15 ? SQL_TABLE_ROWS_15 : SQL_TABLE_ROWS_BEFORE_15, publication, buf_cstr(&oids),
              &rows, err));
    for (int column = 0; column < PQnfields(head); column++) {
        const char *word = PQgetvalue(head, 0, column);
        buf_printf(&line, "%s%s", column == 0 ? "" : " ", word[0] == '\0' ? "-" : word);
    }
    buf_put_u8(&line, ';');
    for (int row = 0; row < PQntuples(rows); row++)
        buf_printf(&line, " %s:%s", PQgetvalue(rows, row, 0), PQgetvalue(rows, row, 1));
    *ret_line = line.failed ? NULL : arena_strdup(arena, buf_slice(&line));
    if (*ret_line == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "the list of tables is too long");
    return RC_OK;
}

/* ---- comparing ---- */

struct head {
    unsigned oid, xmin;
    char operations[OPERATIONS_BYTES], partitions[WORD_BYTES], generated[WORD_BYTES];
};

static bool read_head(const char *line, struct head *ret)
{
    return sscanf(line, "%u %u %7[^ ] %15[^ ] %15[^; ];", &ret->oid, &ret->xmin, ret->operations, ret->partitions,
                  ret->generated) == 5;
}

/* The rows of one table, "16414+16420"; ptr NULL: the line does not have it. */
static struct slice rows_of(const char *line, uint32_t oid)
{
    const char *at = strchr(line, ';');
    while (at != NULL && (at = strchr(at, ' ')) != NULL) {
        char *rest;
        unsigned long found = strtoul(++at, &rest, 10);
        if (*rest == ':' && found == oid)
            return slice_of(rest + 1, strcspn(rest + 1, " "));
    }
    return (struct slice){0};
}

enum pg_published_table pg_published_table(const char *ledger_line, const char *line, uint32_t oid)
{
    if (ledger_line == NULL)
        return PG_PUBLISHED_UNKNOWN;
    struct slice before = rows_of(ledger_line, oid), now = rows_of(line, oid);
    if (before.ptr == NULL)
        return PG_PUBLISHED_NEW;
    return now.ptr != NULL && slice_eq(before, now) ? PG_PUBLISHED_SAME : PG_PUBLISHED_REMADE;
}

static bool gained_operation(const char *before, const char *now)
{
    for (; *now != '\0'; now++)
        if (*now != '-' && strchr(before, *now) == NULL)
            return true;
    return false;
}

static enum rc changed(struct err *err, const char *what)
{
    return err_set(err, ERR_PG_PUBLICATION_CHANGED, "the publication %s since the ledger's last record", what);
}

static enum rc compare_heads(const struct head *before, const struct head *now, struct err *err)
{
    if (before->oid != now->oid)
        return changed(err, "was dropped and made again");
    if (gained_operation(before->operations, now->operations))
        return changed(err, "got operations that it had left out (publish = ...)");
    if (strcmp(before->partitions, now->partitions) != 0)
        return changed(err, "publishes partitions in another way (publish_via_partition_root)");
    if (strcmp(before->generated, now->generated) != 0)
        return changed(err, "publishes generated columns in another way");
    if (before->xmin != now->xmin && strcmp(before->operations, now->operations) == 0)
        return changed(err, "was altered, and reads as before: what it left out meanwhile cannot be known;");
    return RC_OK;
}

enum rc pg_published_compare(const char *ledger_line, const char *line, const struct pg_table *tables, size_t n,
                             struct err *err)
{
    struct head before, now;
    if (ledger_line == NULL)
        return RC_OK;
    if (!read_head(ledger_line, &before) || !read_head(line, &now))
        return err_set(err, ERR_LEDGER_MALFORMED, "the ledger's state has no valid \"published\"");
    TRY(compare_heads(&before, &now, err));
    char storage[NAMES_SHOWN * 2 * 66];
    struct buf names = buf_over(storage, sizeof(storage));
    size_t n_remade = 0;
    for (size_t i = 0; i < n; i++) {
        if (pg_published_table(ledger_line, line, tables[i].oid) != PG_PUBLISHED_REMADE)
            continue;
        if (n_remade++ < NAMES_SHOWN)
            buf_printf(&names, "%s%s.%s", n_remade == 1 ? "" : ", ", tables[i].schema, tables[i].name);
    }
    if (n_remade == 0)
        return RC_OK;
    return err_set(err, ERR_PG_PUBLICATION_CHANGED,
                   "tables left the publication and came back, or have another row filter or column list, since the "
                   "ledger's last record: %zu, such as %s",
                   n_remade, buf_cstr(&names));
}
