#include "capture/pg/catalog.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/column.h"
#include "proto/topic.h"

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

static const char SQL_TABLE_HAS[] =
    "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
    " where c.oid = $1 and n.nspname = $2 and c.relname = $3";

/* Pairs that may become one name in Avro; column_put_avro_name() decides. */
static const char SQL_COLUMNS_ALIKE[] =
    "select t.place, min(a.attname::text collate \"C\"), max(a.attname::text collate \"C\")"
    " from unnest($1::oid[], $2::text[]) with ordinality t(oid, columns, place)"
    " join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped"
    " where t.columns is null or a.attname = any(t.columns::name[])"
    " group by t.place, regexp_replace(regexp_replace(a.attname, '[^A-Za-z0-9_]', '_', 'g'), '^([0-9])', '_\\1')"
    " having count(*) > 1 order by t.place limit 1";

#define SQL_PLACE_IN_INDEX(flag)                                                                                       \
    " coalesce((select p.place from pg_catalog.pg_index i,"                                                            \
    "  unnest(i.indkey::int2[]) with ordinality p(attnum, place)"                                                      \
    "  where i.indrelid = a.attrelid and i." flag " and p.attnum = a.attnum and p.place <= i.indnkeyatts limit 1), 0)"

/* The key of a table without a primary one: the unique index that Debezium takes (the one the table is clustered by, else
 * the first by name) of those that can be one. A part of the rows, expressions, columns that may be null and checks at the
 * commit's time would give several rows one key. */
#define SQL_UNIQUE_INDEX                                                                                               \
    " coalesce((select p.place from (select i.* from pg_catalog.pg_index i"                                            \
    "  join pg_catalog.pg_class c on c.oid = i.indexrelid"                                                             \
    "  where i.indrelid = $1 and i.indisunique and i.indimmediate and i.indisvalid"                                    \
    "  and i.indpred is null and i.indexprs is null and not exists ("                                                  \
    "   select from unnest(i.indkey::int2[]) with ordinality k(attnum, place)"                                         \
    "   join pg_catalog.pg_attribute n on n.attrelid = i.indrelid and n.attnum = k.attnum"                             \
    "   where k.place <= i.indnkeyatts and not n.attnotnull)"                                                          \
    "  order by i.indisclustered desc, c.relname limit 1) u,"                                                          \
    "  unnest(u.indkey::int2[]) with ordinality p(attnum, place)"                                                      \
    "  where p.attnum = a.attnum and p.place <= u.indnkeyatts limit 1), 0)"

// clang-format off
static const char SQL_COLUMN_FACTS[] =
    "select case when not a.attisdropped then a.attname end, a.attnotnull or exists (select from pg_catalog.pg_type t"
    " where t.oid = a.atttypid and t.typtype = 'd' and t.typnotnull),"
    SQL_PLACE_IN_INDEX("indisprimary and i.indimmediate") "," SQL_PLACE_IN_INDEX("indisreplident") "," SQL_UNIQUE_INDEX ","
    " (select pg_catalog.pg_get_expr(d.adbin, d.adrelid) from pg_catalog.pg_attrdef d"
    "  where d.adrelid = a.attrelid and d.adnum = a.attnum and a.attgenerated = '')"
    " from pg_catalog.pg_attribute a where a.attrelid = $1 and a.attnum > 0 order by a.attnum";
// clang-format on

/* Takes off domains, and once an array, from each type. A domain over a domain has no modifier of its own: the innermost
 * one counts. int2vector and its like are no arrays: their text is another. */
static const char SQL_TYPE_FACTS[] =
    "with recursive base(root, oid, typmod, is_domain, is_array, delimiter) as ("
    " select o, o, -1, false, false, ','::text from unnest($1::oid[]) o"
    " union all"
    " select b.root, case t.typtype when 'd' then t.typbasetype else t.typelem end,"
    " case t.typtype when 'd' then t.typtypmod else b.typmod end, b.is_domain or t.typtype = 'd',"
    " b.is_array or t.typtype <> 'd', case t.typtype when 'd' then b.delimiter else t.typdelim::text end"
    " from base b join pg_catalog.pg_type t on t.oid = b.oid"
    " where t.typtype = 'd' or (t.typinput = 'pg_catalog.array_in'::regproc and t.typelem <> 0 and not b.is_array))"
    " select b.root, t.oid, b.typmod, t.typname,"
    " (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_catalog.pg_enum e"
    "  where e.enumtypid = t.oid), b.is_domain, b.is_array, b.delimiter"
    " from base b join pg_catalog.pg_type t on t.oid = b.oid where t.typtype <> 'd'"
    " and (b.is_array or t.typinput <> 'pg_catalog.array_in'::regproc or t.typelem = 0)";

#define SQL_PUBLISHED_TYPES_OF(columns)                                                                                \
    "select coalesce(array_agg(distinct a.atttypid), '{}') from pg_catalog.pg_publication_tables t"                    \
    " join pg_catalog.pg_namespace n on n.nspname = t.schemaname"                                                      \
    " join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.tablename"                                \
    " join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"                    \
    " where t.pubname = $1" columns

static const char SQL_PUBLISHED_TYPES[] = SQL_PUBLISHED_TYPES_OF(" and a.attname = any(t.attnames)");

static const char SQL_PUBLISHED_TYPES_BEFORE_15[] = SQL_PUBLISHED_TYPES_OF("");

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

static void put_text_element(struct buf *out, const char *text)
{
    if (text == NULL) {
        buf_put_str(out, "null");
        return;
    }
    buf_put_u8(out, '"');
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t)*at);
    }
    buf_put_u8(out, '"');
}

/* An array literal: {"public.a","public.b"}. */
static void put_text_array(struct buf *out, const struct config_string_list *list)
{
    buf_put_u8(out, '{');
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_text_element(out, list->items[i]);
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

static bool has_key(const struct pg_table *table)
{
    switch (table->replica_identity) {
    case 'd':
    case 'f': return table->has_primary_key;
    case 'i': return table->has_identity_index;
    default: return false;
    }
}

/* What is published already is taken as it is: the server refuses updates and deletes of what has no identity. To
 * publish such a table would make it refuse them from then on, and that is not for us to decide. */
static enum rc check_table(const struct pg_table *table, bool publication_exists, struct err *err)
{
    bool may_publish = publication_exists || has_key(table) || table->replica_identity == 'f';
    if (!may_publish && table->replica_identity == 'n' && table->has_primary_key)
        return err_set(err, ERR_PG_NO_KEY,
                       "table %s.%s has a primary key but replica identity nothing: once published, the server would "
                       "refuse its updates and deletes",
                       table->schema, table->name);
    if (!may_publish)
        return err_set(
            err, ERR_PG_NO_KEY,
            "table %s.%s has no primary key and no replica identity: once published, the server would refuse "
            "its updates and deletes",
            table->schema, table->name);
    if (!table->can_select)
        return err_set(err, ERR_PG_PERMISSION, "the role may not select from table %s.%s", table->schema, table->name);
    return RC_OK;
}

struct named_topic {
    char topic[TOPIC_NAME_BYTES];
    const struct pg_table *table;
};

/* As topic_collides() has it. */
static int compare_topics(const void *a_, const void *b_)
{
    const struct named_topic *a = a_, *b = b_;
    for (size_t i = 0;; i++) {
        char x = a->topic[i] == '.' ? '_' : a->topic[i], y = b->topic[i] == '.' ? '_' : b->topic[i];
        if (x != y || x == '\0')
            return (x > y) - (x < y);
    }
}

/* The prefix is the same for all, and a short one: what differs is what stands behind it. */
static enum rc check_topics(const struct pg_table *tables, size_t n, struct err *err)
{
    static const char prefix[] = "p";
    enum rc rc = RC_OK;
    struct named_topic *topics = calloc(n + 1, sizeof(*topics));
    if (topics == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not compare the topics of %zu tables", n);
    for (size_t i = 0; i < n; i++) {
        topic_of_table(topics[i].topic, prefix, tables[i].schema, tables[i].name);
        topics[i].table = &tables[i];
        if (rc == RC_OK && topic_is_reserved(topics[i].topic, prefix))
            rc = err_set(err, ERR_PG_TOPIC_TAKEN, "the topic of table %s.%s would be one that leat keeps for itself",
                         tables[i].schema, tables[i].name);
    }
    qsort(topics, n, sizeof(*topics), compare_topics);
    for (size_t i = 1; i < n && rc == RC_OK; i++)
        if (topic_collides(topics[i - 1].topic, topics[i].topic))
            rc = err_set(err, ERR_PG_TOPIC_TAKEN, "tables %s.%s and %s.%s would share one topic",
                         topics[i - 1].table->schema, topics[i - 1].table->name, topics[i].table->schema,
                         topics[i].table->name);
    free(topics);
    return rc;
}

static bool become_one_name(const char *a, const char *b)
{
    enum { NAME_MAX_BYTES = 1024 };
    SCOPED(buf_done) struct buf a_name = buf_new(NAME_MAX_BYTES);
    SCOPED(buf_done) struct buf b_name = buf_new(NAME_MAX_BYTES);
    column_put_avro_name(&a_name, a);
    column_put_avro_name(&b_name, b);
    return slice_eq(buf_slice(&a_name), buf_slice(&b_name));
}

static enum rc check_column_names(PGconn *conn, const struct pg_table *tables, size_t n, struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    SCOPED(buf_done) struct buf oids = buf_new(CATALOG_LIST_MAX_BYTES);
    SCOPED(buf_done) struct buf columns = buf_new(CATALOG_LIST_MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&oids, "%c%u", i == 0 ? '{' : ',', tables[i].oid);
        buf_put_u8(&columns, i == 0 ? '{' : ',');
        put_text_element(&columns, tables[i].columns);
    }
    buf_put_str(&oids, n == 0 ? "{}" : "}");
    buf_put_str(&columns, n == 0 ? "{}" : "}");
    const char *params[] = {buf_cstr(&oids), buf_cstr(&columns)};
    if (oids.failed || columns.failed)
        return err_set(err, ERR_MEMORY_LIMIT, "the list of tables is too long");
    TRY(query(conn, SQL_COLUMNS_ALIKE, 2, params, &res, "the columns of the tables", err));
    if (PQntuples(res) == 0 || !become_one_name(PQgetvalue(res, 0, 1), PQgetvalue(res, 0, 2)))
        return RC_OK;
    const struct pg_table *table = &tables[strtoul(PQgetvalue(res, 0, 0), NULL, 10) - 1];
    return err_set(err, ERR_COLUMN_NAMES, "columns \"%s\" and \"%s\" of table %s.%s become one name in Avro",
                   PQgetvalue(res, 0, 1), PQgetvalue(res, 0, 2), table->schema, table->name);
}

static enum rc check_all_found(PGconn *conn, const struct config_string_list *wanted, const struct pg_table *tables,
                               size_t n, const char *publication, bool resumes, struct err *err)
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
        if (PQntuples(res) == 0 && resumes)
            continue; /* dropped: what it had before is in the log, and after it there is nothing to miss */
        if (PQntuples(res) == 0)
            return err_set(err, ERR_PG_TABLE_MISSING, "table %s does not exist", wanted->items[i]);
        return err_set(err, ERR_PG_TABLE_MISSING,
                       "table %s is not in publication \"%s\": alter publication ... add table", wanted->items[i],
                       publication);
    }
    return RC_OK;
}

enum rc pg_catalog_tables(PGconn *conn, const struct config_postgresql *config, const char *publication,
                          bool publication_exists, bool resumes, struct arena *arena, struct pg_table **ret_tables,
                          size_t *ret_n, struct err *err)
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
    TRY(check_all_found(conn, &config->tables, tables, n, publication, resumes, err));
    for (size_t i = 0; i < n; i++)
        TRY(check_table(&tables[i], publication_exists, err));
    if (!resumes)
        TRY(check_topics(tables, n, err));
    if (!resumes)
        TRY(check_column_names(conn, tables, n, err));
    if (n == 0 && !resumes)
        return err_set(err, ERR_PG_TABLE_MISSING, "publication \"%s\" has no tables", publication);
    *ret_tables = tables;
    *ret_n = n;
    return RC_OK;
}

enum rc pg_catalog_has(PGconn *conn, uint32_t oid, const char *schema, const char *name, bool *ret_has, struct err *err)
{
    char id[16];
    SCOPED(PQclear) PGresult *res = NULL;
    snprintf(id, sizeof(id), "%u", oid);
    const char *params[] = {id, schema, name};
    TRY(query(conn, SQL_TABLE_HAS, ARRAY_LEN(params), params, &res, "the catalog", err));
    *ret_has = PQntuples(res) > 0;
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
                                                .primary_position = atoi(PQgetvalue(res, row, 2)),
                                                .identity_position = atoi(PQgetvalue(res, row, 3)),
                                                .unique_position = atoi(PQgetvalue(res, row, 4)),
                                                .default_sql = text_in(arena, res, row, 5)};
    facts->columns = columns;
    facts->n_columns = (size_t)PQntuples(res);
    return RC_OK;
}

/* oids: an array literal. */
static enum rc read_types(PGconn *conn, const char *oids, struct arena *arena, const struct pg_type_facts **ret_types,
                          size_t *ret_n, struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    const char *params[] = {oids};
    TRY(query(conn, SQL_TYPE_FACTS, 1, params, &res, "the types of a table", err));
    struct pg_type_facts *types = arena_array(arena, struct pg_type_facts, PQntuples(res) + 1);
    if (types == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "a table has too many types");
    for (int row = 0; row < PQntuples(res); row++)
        types[row] = (struct pg_type_facts){.oid = oid_of(res, row, 0),
                                            .base = {.oid = oid_of(res, row, 1),
                                                     .typmod = atoi(PQgetvalue(res, row, 2)),
                                                     .name = text_in(arena, res, row, 3),
                                                     .enum_labels = text_in(arena, res, row, 4),
                                                     .is_domain = flag_of(res, row, 5),
                                                     .is_array = flag_of(res, row, 6),
                                                     .delimiter = PQgetvalue(res, row, 7)[0]}};
    *ret_types = types;
    *ret_n = (size_t)PQntuples(res);
    return RC_OK;
}

static enum rc read_type_facts(PGconn *conn, const struct pgoutput_relation *relation, struct arena *arena,
                               struct pg_table_facts *facts, struct err *err)
{
    SCOPED(buf_done) struct buf oids = buf_new(CATALOG_LIST_MAX_BYTES);
    for (uint16_t i = 0; i < relation->n_columns; i++)
        buf_printf(&oids, "%c%u", i == 0 ? '{' : ',', relation->columns[i].type_oid);
    buf_put_str(&oids, relation->n_columns == 0 ? "{}" : "}");
    return read_types(conn, buf_cstr(&oids), arena, &facts->types, &facts->n_types, err);
}

enum rc pg_catalog_published_types(PGconn *conn, const char *publication, struct arena *arena,
                                   const struct pg_type_facts **ret_types, size_t *ret_n, struct err *err)
{
    SCOPED(PQclear) PGresult *res = NULL;
    const char *params[] = {publication};
    const char *sql = PQserverVersion(conn) >= PG_VERSION_15 ? SQL_PUBLISHED_TYPES : SQL_PUBLISHED_TYPES_BEFORE_15;
    TRY(query(conn, sql, 1, params, &res, "the types of the published tables", err));
    return read_types(conn, PQgetvalue(res, 0, 0), arena, ret_types, ret_n, err);
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
            is_key = is_key || (pg_column_key_position(&facts.columns[i], (uint8_t)table->replica_identity) > 0 &&
                                strcmp(facts.columns[i].name, name) == 0);
        ret_relation->columns[row] = (struct pgoutput_column){.flags = is_key ? PGOUTPUT_COLUMN_KEY : 0,
                                                              .name = name,
                                                              .type_oid = oid_of(res, row, 1),
                                                              .typmod = atoi(PQgetvalue(res, row, 2))};
    }
    return RC_OK;
}
