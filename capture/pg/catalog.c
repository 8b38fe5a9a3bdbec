#include "capture/pg/catalog.h"

#include <stdio.h>
#include <stdlib.h>

enum { CATALOG_LIST_MAX_BYTES = 16 << 20, PG_VERSION_15 = 150000, PG_VERSION_18 = 180000 };

/* Column lists and row filters came with 15. */
#define SQL_TABLES_SELECT(columns, filter)                                                                             \
    "select c.oid, n.nspname, c.relname, c.relkind, c.relreplident,"                                                   \
    " exists(select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary),"                          \
    " exists(select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisreplident),"                        \
    " pg_catalog.has_table_privilege(c.oid, 'select'), " filter ", " columns
#define SQL_TABLES_PUBLISHED                                                                                           \
    " from pg_catalog.pg_publication_tables t"                                                                         \
    " join pg_catalog.pg_namespace n on n.nspname = t.schemaname"                                                      \
    " join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.tablename"                                \
    " where t.pubname = $1 order by n.nspname, c.relname"

static const char SQL_PUBLISHED_TABLES[] = SQL_TABLES_SELECT("t.attnames", "t.rowfilter") SQL_TABLES_PUBLISHED;

static const char SQL_PUBLISHED_TABLES_BEFORE_15[] = SQL_TABLES_SELECT("null", "null") SQL_TABLES_PUBLISHED;

static const char SQL_NAMED_TABLES[] = SQL_TABLES_SELECT(
    "null", "null") " from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
                    " where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any($1::text[])"
                    " order by n.nspname, c.relname";

static const char SQL_TABLE_EXISTS[] =
    "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
    " where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = $1";

static const char SQL_COLUMN_FACTS[] =
    "select case when not a.attisdropped then a.attname end, a.attnotnull,"
    " coalesce((select p.place from pg_catalog.pg_index i,"
    "  unnest(i.indkey::int2[]) with ordinality p(attnum, place)"
    "  where i.indrelid = c.oid and p.attnum = a.attnum and p.place <= i.indnkeyatts"
    "  and case c.relreplident when 'i' then i.indisreplident else i.indisprimary end limit 1), 0)"
    " from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid"
    " where c.oid = $1 and a.attnum > 0 order by a.attnum";

/* A domain over a domain has no modifier of its own; the innermost one counts. */
static const char SQL_TYPE_FACTS[] =
    "with recursive base(root, oid, typmod) as ("
    " select o, o, -1 from unnest($1::oid[]) o"
    " union all"
    " select b.root, t.typbasetype, t.typtypmod from base b"
    " join pg_catalog.pg_type t on t.oid = b.oid where t.typtype = 'd')"
    " select b.root, t.oid, b.typmod, t.typname,"
    " (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_catalog.pg_enum e"
    "  where e.enumtypid = t.oid)"
    " from base b join pg_catalog.pg_type t on t.oid = b.oid where t.typtype <> 'd'";

static const char SQL_RELATION_COLUMNS[] =
    "select a.attname, a.atttypid, a.atttypmod from pg_catalog.pg_attribute a"
    " where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped"
    " and ($2::name[] is null or a.attname = any($2::name[]))"
    " and (a.attgenerated = '' or ($3 and $2::name[] is not null)) order by a.attnum";

static enum rc query(PGconn *conn, const char *sql, int n, const char *const *params, PGresult **ret, const char *what,
                     struct err *err)
{
    SCOPED(PQclear) PGresult *res = PQexecParams(conn, sql, n, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return err_pg(err, PG_ROLE_SOURCE, conn, res, "could not read %s", what);
    *ret = res;
    res = NULL;
    return RC_OK;
}

static const char *text_in(struct arena *arena, const PGresult *res, int row, int column)
{
    if (PQgetisnull(res, row, column))
        return NULL;
    return arena_strdup(arena, slice_of_str(PQgetvalue(res, row, column)));
}

static bool flag_of(const PGresult *res, int row, int column)
{
    return PQgetvalue(res, row, column)[0] == 't';
}

static uint32_t oid_of(const PGresult *res, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

/* An array literal: {"public.a","public.b"}. */
static void put_text_array(struct buf *out, const struct config_string_list *list)
{
    buf_put_u8(out, '{');
    for (size_t i = 0; i < list->n; i++) {
        buf_put_str(out, i == 0 ? "\"" : ",\"");
        for (const char *at = list->items[i]; *at != '\0'; at++) {
            if (*at == '"' || *at == '\\')
                buf_put_u8(out, '\\');
            buf_put_u8(out, (uint8_t)*at);
        }
        buf_put_u8(out, '"');
    }
    buf_put_u8(out, '}');
}

static enum rc read_tables(PGconn *conn, const struct config_postgresql *config, const char *publication,
                           bool publication_exists, PGresult **ret, struct err *err)
{
    SCOPED(buf_done) struct buf names = buf_new(CATALOG_LIST_MAX_BYTES);
    put_text_array(&names, &config->tables);
    const char *params[] = {publication_exists ? publication : buf_cstr(&names)};
    const char *sql = !publication_exists                      ? SQL_NAMED_TABLES
                      : PQserverVersion(conn) >= PG_VERSION_15 ? SQL_PUBLISHED_TABLES
                                                               : SQL_PUBLISHED_TABLES_BEFORE_15;
    return query(conn, sql, 1, params, ret, "the tables to capture", err);
}

static bool table_is(const struct pg_table *table, const char *qualified)
{
    size_t schema = strlen(table->schema);
    return strncmp(qualified, table->schema, schema) == 0 && qualified[schema] == '.' &&
           strcmp(qualified + schema + 1, table->name) == 0;
}

static bool is_wanted(const struct config_string_list *wanted, const struct pg_table *table)
{
    for (size_t i = 0; i < wanted->n; i++)
        if (table_is(table, wanted->items[i]))
            return true;
    return wanted->n == 0;
}

static enum rc check_table(const struct pg_table *table, struct err *err)
{
    bool has_key = (table->replica_identity == 'd' && table->has_primary_key) ||
                   (table->replica_identity == 'f' && table->has_primary_key) ||
                   (table->replica_identity == 'i' && table->has_identity_index);
    if (!has_key && table->replica_identity == 'f')
        return err_set(err, ERR_PG_NO_KEY, "table %s.%s has replica identity full but no primary key", table->schema,
                       table->name);
    if (!has_key && table->replica_identity == 'n' && table->has_primary_key)
        return err_set(err, ERR_PG_NO_KEY,
                       "table %s.%s has a primary key but replica identity nothing: its deletes would not say what "
                       "was deleted",
                       table->schema, table->name);
    if (!has_key)
        return err_set(err, ERR_PG_NO_KEY, "table %s.%s has no primary key and no replica identity index",
                       table->schema, table->name);
    if (!table->can_select)
        return err_set(err, ERR_PG_PERMISSION, "the role may not select from table %s.%s", table->schema, table->name);
    return RC_OK;
}

static enum rc check_all_found(PGconn *conn, const struct config_string_list *wanted, const struct pg_table *tables,
                               size_t n, const char *publication, struct err *err)
{
    for (size_t i = 0; i < wanted->n; i++) {
        bool found = false;
        for (size_t t = 0; t < n && !found; t++)
            found = table_is(&tables[t], wanted->items[i]);
        if (found)
            continue;
        SCOPED(PQclear) PGresult *res = NULL;
        const char *params[] = {wanted->items[i]};
        TRY(query(conn, SQL_TABLE_EXISTS, 1, params, &res, "the catalog", err));
        if (PQntuples(res) == 0)
            return err_set(err, ERR_PG_TABLE_MISSING, "table %s does not exist", wanted->items[i]);
        return err_set(err, ERR_PG_TABLE_MISSING,
                       "table %s is not in publication \"%s\": alter publication ... add table", wanted->items[i],
                       publication);
    }
    return RC_OK;
}

enum rc pg_catalog_tables(PGconn *conn, const struct config_postgresql *config, const char *publication,
                          bool publication_exists, struct arena *arena, struct pg_table **ret_tables, size_t *ret_n,
                          struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    TRY(read_tables(conn, config, publication, publication_exists, &res, err));
    struct pg_table *tables = arena_array(arena, struct pg_table, PQntuples(res) + 1);
    size_t n = 0;
    for (int row = 0; tables != NULL && row < PQntuples(res); row++) {
        struct pg_table table = {.oid = oid_of(res, row, 0),
                                 .schema = text_in(arena, res, row, 1),
                                 .name = text_in(arena, res, row, 2),
                                 .kind = PQgetvalue(res, row, 3)[0],
                                 .replica_identity = PQgetvalue(res, row, 4)[0],
                                 .has_primary_key = flag_of(res, row, 5),
                                 .has_identity_index = flag_of(res, row, 6),
                                 .can_select = flag_of(res, row, 7),
                                 .row_filter = text_in(arena, res, row, 8),
                                 .columns = text_in(arena, res, row, 9)};
        if (table.schema == NULL || table.name == NULL)
            return err_set(err, ERR_MEMORY_LIMIT, "the list of tables is too long");
        if (is_wanted(&config->tables, &table))
            tables[n++] = table;
    }
    if (tables == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "the list of tables is too long");
    TRY(check_all_found(conn, &config->tables, tables, n, publication, err));
    for (size_t i = 0; i < n; i++)
        TRY(check_table(&tables[i], err));
    if (n == 0)
        return err_set(err, ERR_PG_TABLE_MISSING, "publication \"%s\" has no tables", publication);
    *ret_tables = tables;
    *ret_n = n;
    return RC_OK;
}

static enum rc read_column_facts(PGconn *conn, uint32_t relation_id, struct arena *arena, struct pg_table_facts *facts,
                                 struct err *err)
{
    char id[16];
    SCOPED(PQclear) PGresult *res = NULL;
    snprintf(id, sizeof(id), "%u", relation_id);
    const char *params[] = {id};
    TRY(query(conn, SQL_COLUMN_FACTS, 1, params, &res, "the columns of a table", err));
    struct pg_column_facts *columns = arena_array(arena, struct pg_column_facts, PQntuples(res) + 1);
    if (columns == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "a table has too many columns");
    for (int row = 0; row < PQntuples(res); row++)
        columns[row] = (struct pg_column_facts){.name = text_in(arena, res, row, 0),
                                                .not_null = flag_of(res, row, 1),
                                                .key_position = atoi(PQgetvalue(res, row, 2))};
    facts->columns = columns;
    facts->n_columns = (size_t)PQntuples(res);
    return RC_OK;
}

static enum rc read_type_facts(PGconn *conn, const struct pgoutput_relation *relation, struct arena *arena,
                               struct pg_table_facts *facts, struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    SCOPED(buf_done) struct buf oids = buf_new(CATALOG_LIST_MAX_BYTES);
    for (uint16_t i = 0; i < relation->n_columns; i++)
        buf_printf(&oids, "%c%u", i == 0 ? '{' : ',', relation->columns[i].type_oid);
    buf_put_str(&oids, relation->n_columns == 0 ? "{}" : "}");
    const char *params[] = {buf_cstr(&oids)};
    TRY(query(conn, SQL_TYPE_FACTS, 1, params, &res, "the types of a table", err));
    struct pg_type_facts *types = arena_array(arena, struct pg_type_facts, PQntuples(res) + 1);
    if (types == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "a table has too many types");
    for (int row = 0; row < PQntuples(res); row++)
        types[row] = (struct pg_type_facts){.oid = oid_of(res, row, 0),
                                            .base = {.oid = oid_of(res, row, 1),
                                                     .typmod = atoi(PQgetvalue(res, row, 2)),
                                                     .name = text_in(arena, res, row, 3),
                                                     .enum_labels = text_in(arena, res, row, 4)}};
    facts->types = types;
    facts->n_types = (size_t)PQntuples(res);
    return RC_OK;
}

enum rc pg_catalog_facts(PGconn *conn, const struct pgoutput_relation *relation, struct arena *arena,
                         struct pg_table_facts *ret_facts, struct err *err)
{
    struct pg_table_facts facts = {0};
    TRY(read_column_facts(conn, relation->id, arena, &facts, err));
    TRY(read_type_facts(conn, relation, arena, &facts, err));
    *ret_facts = facts;
    return RC_OK;
}

enum rc pg_catalog_relation(PGconn *conn, const struct pg_table *table, struct arena *arena,
                            struct pgoutput_relation *ret_relation, struct err *err)
{
    char id[16];
    SCOPED(PQclear) PGresult *res = NULL;
    snprintf(id, sizeof(id), "%u", table->oid);
    const char *params[] = {id, table->columns, PQserverVersion(conn) >= PG_VERSION_18 ? "t" : "f"};
    struct pg_table_facts facts = {0};
    TRY(query(conn, SQL_RELATION_COLUMNS, 3, params, &res, "the columns of a table", err));
    TRY(read_column_facts(conn, table->oid, arena, &facts, err));
    if (PQntuples(res) > PGOUTPUT_MAX_COLUMNS)
        return err_set(err, ERR_BUG, "table %s.%s has %d columns", table->schema, table->name, PQntuples(res));
    ret_relation->id = table->oid;
    ret_relation->schema = table->schema;
    ret_relation->name = table->name;
    ret_relation->replica_identity = (uint8_t)table->replica_identity;
    ret_relation->n_columns = (uint16_t)PQntuples(res);
    for (int row = 0; row < PQntuples(res); row++) {
        const char *name = text_in(arena, res, row, 0);
        if (name == NULL)
            return err_set(err, ERR_MEMORY_LIMIT, "table %s.%s has too many columns", table->schema, table->name);
        bool is_key = table->replica_identity == 'f';
        for (size_t i = 0; i < facts.n_columns; i++)
            is_key = is_key || (facts.columns[i].key_position > 0 && strcmp(facts.columns[i].name, name) == 0);
        ret_relation->columns[row] = (struct pgoutput_column){.flags = is_key ? PGOUTPUT_COLUMN_KEY : 0,
                                                              .name = name,
                                                              .type_oid = oid_of(res, row, 1),
                                                              .typmod = atoi(PQgetvalue(res, row, 2))};
    }
    return RC_OK;
}
