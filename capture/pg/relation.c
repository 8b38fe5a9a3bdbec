#include "capture/pg/relation.h"

#include <ctype.h>
#include <stdlib.h>

#include "capture/pg/array.h"
#include "capture/pg/defaults.h"
#include "capture/publisher.h"
#include "proto/registry.h"

enum {
    RELATION_ARENA_BYTES = 8 << 20,
    SCHEMA_MAX_BYTES = 8 << 20,
    SUBJECT_BYTES = TOPIC_NAME_BYTES + 8,
};

/* ---- compiling ---- */

static bool is_captured(const struct pgoutput_relation *announced, const struct config_string_list *tables)
{
    size_t schema = strlen(announced->schema);
    for (size_t i = 0; i < tables->n; i++)
        if (strncmp(tables->items[i], announced->schema, schema) == 0 && tables->items[i][schema] == '.' &&
            strcmp(tables->items[i] + schema + 1, announced->name) == 0)
            return true;
    return tables->n == 0;
}

/* ---- which column of the catalog is which of the announced ones ---- */

static const struct pg_column_facts no_facts;

/* By name, from `from` on: both lists have the table's order, so that the first look nearly always hits. */
static size_t find_name(const struct pg_table_facts *facts, const char *name, size_t from)
{
    for (size_t n = 0; n < facts->n_columns; n++) {
        size_t at = (from + n) % facts->n_columns;
        if (facts->columns[at].name != NULL && strcmp(facts->columns[at].name, name) == 0)
            return at;
    }
    return SIZE_MAX;
}

/* Announced columns [first, end) are not in the catalog by name; the catalog's between their neighbours are as many:
 * they were renamed. With more or fewer there is no telling. */
static void pair_renamed(const struct pg_column_facts **map, size_t first, size_t end,
                         const struct pg_table_facts *facts, size_t facts_first, size_t facts_end)
{
    if (facts_end - facts_first != end - first)
        return;
    for (size_t i = first; i < end; i++)
        if (map[i] != &no_facts)
            return; /* names changed places */
    for (size_t i = 0; i < end - first; i++)
        if (facts->columns[facts_first + i].name != NULL)
            map[first + i] = &facts->columns[facts_first + i];
}

/* What the catalog knows of each announced column; no_facts where it knows nothing. */
static const struct pg_column_facts **map_columns(struct arena *arena, const struct pgoutput_relation *announced,
                                                  const struct pg_table_facts *facts)
{
    const struct pg_column_facts **map = arena_alloc(arena, (announced->n_columns + 1) * sizeof(*map));
    size_t first = 0, facts_first = 0;
    for (size_t i = 0; map != NULL && i <= announced->n_columns; i++) {
        bool end = i == announced->n_columns;
        size_t at = end ? facts->n_columns : find_name(facts, announced->columns[i].name, facts_first);
        map[i] = at >= facts->n_columns ? &no_facts : &facts->columns[at];
        if (at == SIZE_MAX || at < facts_first)
            continue;
        pair_renamed(map, first, i, facts, facts_first, at);
        first = i + 1;
        facts_first = at + 1;
    }
    return map;
}

/* The type with its domains taken off. A type that is gone from the catalog is read as text. */
static struct pg_type resolve_type(const struct pgoutput_column *column, const struct pg_table_facts *facts)
{
    for (size_t i = 0; i < facts->n_types; i++) {
        if (facts->types[i].oid != column->type_oid)
            continue;
        struct pg_type type = facts->types[i].base;
        if (!type.is_domain)
            type.typmod = column->typmod;
        return type;
    }
    return (struct pg_type){.oid = column->type_oid, .typmod = column->typmod};
}

static const char *upper_in(struct arena *arena, const char *text)
{
    char *copy = arena_alloc(arena, strlen(text) + 1);
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i <= strlen(text); i++)
        copy[i] = (char)toupper((unsigned char)text[i]);
    return copy;
}

static void compile_default(struct pg_relation *relation, const struct pg_type *type, const char *sql, size_t i)
{
    struct column *column = &relation->shape.columns[i];
    struct buf value = arena_open(relation->arena);
    if (sql != NULL && pg_default_put(type, column, &relation->encoders[i], sql, &value))
        column->default_value = arena_close(relation->arena, &value);
}

static void compile_column(struct pg_relation *relation, const struct pgoutput_column *announced, size_t i,
                           const struct pg_table_facts *facts, const struct pg_column_facts *column_facts,
                           const struct pg_type_modes *modes)
{
    struct pg_type type = resolve_type(announced, facts);
    struct column *column = &relation->shape.columns[i];
    pg_type_describe(&type, modes, column, &relation->encoders[i]);
    column->name = arena_strdup(relation->arena, slice_of_str(announced->name));
    column->source_type = type.name == NULL ? NULL : upper_in(relation->arena, type.name);
    if (column->enum_labels != NULL)
        column->enum_labels = arena_strdup(relation->arena, slice_of_str(column->enum_labels));
    /* Debezium's schema of a geometry is optional whatever the column says; what stands for it beside a key is not. */
    relation->encoders[i].zero_beside_key = column_facts->not_null && column->type == COLUMN_GEOMETRY &&
                                            !column->is_array;
    column->optional = !column_facts->not_null || relation->encoders[i].zero_beside_key;
    compile_default(relation, &type, column_facts->default_sql, i);
}

/* ---- the key ---- */

/* Where a key is written down: in the announcement's flags, or in the catalog. */
enum key_place { KEY_NOWHERE, KEY_FLAGGED, KEY_FLAGGED_IDENTITY, KEY_PRIMARY, KEY_UNIQUE };

static int catalog_position(const struct pg_column_facts *facts, enum key_place place)
{
    switch (place) {
    case KEY_FLAGGED_IDENTITY: return facts->identity_position;
    case KEY_UNIQUE: return facts->unique_position;
    default: return facts->primary_position;
    }
}

static size_t count_flagged(const struct pgoutput_relation *announced)
{
    size_t n = 0;
    for (size_t i = 0; i < announced->n_columns; i++)
        n += (announced->columns[i].flags & PGOUTPUT_COLUMN_KEY) != 0;
    return n;
}

/* A part of a key would take different rows for one: without the rest of it there is none. `carried`: of columns that
 * deletes carry. */
static bool has_whole_key(const struct pgoutput_relation *announced, const struct pg_table_facts *facts,
                          const struct pg_column_facts *const *map, enum key_place place, bool carried)
{
    size_t wanted = 0, found = 0;
    for (size_t i = 0; i < facts->n_columns; i++)
        wanted += catalog_position(&facts->columns[i], place) > 0;
    for (size_t i = 0; i < announced->n_columns; i++)
        found += catalog_position(map[i], place) > 0 &&
                 (!carried || (announced->columns[i].flags & PGOUTPUT_COLUMN_KEY) != 0);
    return wanted > 0 && found == wanted;
}

static bool catalog_has_primary(const struct pg_table_facts *facts)
{
    for (size_t i = 0; i < facts->n_columns; i++)
        if (facts->columns[i].primary_position > 0)
            return true;
    return false;
}

/* The key has to be in every old row that the server sends: the identity's columns, which are flagged; with FULL all are.
 * Without flags there are inserts only: then, as with FULL, the catalog says which columns it is. */
static enum key_place find_key(const struct pgoutput_relation *announced, const struct pg_table_facts *facts,
                               const struct pg_column_facts *const *map)
{
    uint8_t identity = announced->replica_identity;
    bool flagged = identity != 'f' && count_flagged(announced) > 0;
    if (flagged && identity != 'i')
        return KEY_FLAGGED;
    if (flagged)
        return has_whole_key(announced, facts, map, KEY_PRIMARY, true) ? KEY_PRIMARY : KEY_FLAGGED_IDENTITY;
    if (catalog_has_primary(facts)) /* with DEFAULT it was made since: not the row's */
        return identity != 'd' && has_whole_key(announced, facts, map, KEY_PRIMARY, false) ? KEY_PRIMARY : KEY_NOWHERE;
    return has_whole_key(announced, facts, map, KEY_UNIQUE, false) ? KEY_UNIQUE : KEY_NOWHERE;
}

static int key_rank(const struct pg_column_facts *facts, enum key_place place)
{
    int position = catalog_position(facts, place);
    return position == 0 ? INT16_MAX : position;
}

/* Key order is the index's; columns that the catalog does not rank keep the table's order behind the others. */
static void compile_key(struct pg_relation *relation, const struct pgoutput_relation *announced,
                        const struct pg_table_facts *facts, const struct pg_column_facts *const *map, uint16_t *key)
{
    size_t n = 0;
    enum key_place place = find_key(announced, facts, map);
    bool has_flags = announced->replica_identity != 'f' && count_flagged(announced) > 0;
    relation->shape.key_columns = key;
    relation->key_is_the_catalogs = !has_flags;
    for (uint16_t i = 0; place != KEY_NOWHERE && i < announced->n_columns; i++) {
        bool is_flagged = has_flags && (announced->columns[i].flags & PGOUTPUT_COLUMN_KEY) != 0;
        bool is_catalogs = catalog_position(map[i], place) > 0;
        relation->is_key[i] = is_flagged || (!has_flags && is_catalogs);
        if (relation->is_key[i])
            relation->shape.columns[i].optional = false;
        if (place == KEY_FLAGGED || place == KEY_FLAGGED_IDENTITY ? !is_flagged : !is_catalogs)
            continue;
        size_t at = n++;
        for (; at > 0 && key_rank(map[key[at - 1]], place) > key_rank(map[i], place); at--)
            key[at] = key[at - 1];
        key[at] = i;
    }
    relation->shape.n_key_columns = n;
}

/* "a,b" of "schema.table:a,b", when it is this table's; NULL: another's. */
static const char *columns_of_key(const char *key, const struct pgoutput_relation *announced)
{
    size_t schema = strlen(announced->schema), name = strlen(announced->name);
    if (strncmp(key, announced->schema, schema) != 0 || key[schema] != '.' ||
        strncmp(key + schema + 1, announced->name, name) != 0 || key[schema + 1 + name] != ':')
        return NULL;
    return key + schema + 1 + name + 1;
}

static size_t find_announced(const struct pgoutput_relation *announced, const char *name, size_t len)
{
    size_t i = 0;
    while (i < announced->n_columns &&
           (strlen(announced->columns[i].name) != len || memcmp(announced->columns[i].name, name, len) != 0))
        i++;
    return i;
}

/* Every change has to carry the key, and it may never be null: records of different rows would get one key. NULL: column
 * i may follow the n of the key; else why it may not. */
static const char *why_no_key(const struct pgoutput_relation *announced, const struct pg_column_facts *const *map,
                              size_t i, const uint16_t *key, size_t n)
{
    if (i == announced->n_columns)
        return "it does not exist";
    if (!map[i]->not_null)
        return "it may be null";
    if (announced->replica_identity != 'f' && (announced->columns[i].flags & PGOUTPUT_COLUMN_KEY) == 0)
        return "deletes do not carry it, unless the table has replica identity full";
    for (size_t k = 0; k < n; k++)
        if (key[k] == i)
            return "it stands there twice";
    return NULL;
}

/* A key of the configuration's choice. */
static enum rc choose_key(struct pg_relation *relation, const struct pgoutput_relation *announced, const char *columns,
                          const struct pg_column_facts *const *map, struct err *err)
{
    uint16_t *key = arena_array(relation->arena, uint16_t, announced->n_columns + 1);
    size_t n = 0, len;
    if (key == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "table %s.%s has too many columns", announced->schema, announced->name);
    for (const char *at = columns;; at += len + 1) {
        len = strcspn(at, ",");
        size_t i = find_announced(announced, at, len);
        const char *why = why_no_key(announced, map, i, key, n);
        if (why != NULL)
            return err_set(err, ERR_PG_NO_KEY, "column \"%.*s\" cannot be of the key of table %s.%s: %s", (int)len, at,
                           announced->schema, announced->name, why);
        relation->shape.columns[i].optional = false;
        key[n++] = (uint16_t)i;
        if (at[len] == '\0')
            break;
    }
    relation->shape.key_columns = key;
    relation->shape.n_key_columns = n;
    return RC_OK;
}

static enum rc compile_chosen_key(struct pg_relation *relation, const struct pgoutput_relation *announced,
                                  const struct config_string_list *keys, const struct pg_column_facts *const *map,
                                  struct err *err)
{
    for (size_t i = 0; keys != NULL && i < keys->n; i++) {
        const char *columns = columns_of_key(keys->items[i], announced);
        if (columns != NULL)
            return choose_key(relation, announced, columns, map, err);
    }
    return RC_OK;
}

static enum rc compile_into(struct pg_relation *relation, const struct pgoutput_relation *announced,
                            const struct pg_table_facts *facts, const struct pg_relation_options *options,
                            struct err *err)
{
    struct arena *arena = relation->arena;
    relation->id = announced->id;
    relation->schema = arena_strdup(arena,
                                    slice_of_str(announced->schema[0] == '\0' ? "pg_catalog" : announced->schema));
    relation->name = arena_strdup(arena, slice_of_str(announced->name));
    relation->replica_identity = announced->replica_identity;
    relation->captured = is_captured(announced, options->tables);
    if (!relation->captured)
        return RC_OK;
    size_t n = announced->n_columns;
    uint16_t *key = arena_array(arena, uint16_t, n + 1);
    const struct pg_column_facts **map = map_columns(arena, announced, facts);
    relation->shape.columns = arena_zalloc(arena, (n + 1) * sizeof(struct column));
    relation->encoders = arena_zalloc(arena, (n + 1) * sizeof(struct pg_encoder));
    relation->is_key = arena_zalloc(arena, n + 1);
    if (key == NULL || map == NULL || relation->shape.columns == NULL || relation->encoders == NULL ||
        relation->is_key == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "table %s.%s has too many columns", announced->schema, announced->name);
    topic_of_table(relation->topic, options->prefix, relation->schema, relation->name);
    relation->shape.topic = relation->topic;
    relation->shape.n_columns = n;
    for (size_t i = 0; i < n; i++) {
        relation->encoders[i].check_utf8 = options->check_utf8;
        compile_column(relation, &announced->columns[i], i, facts, map[i], &options->modes);
    }
    compile_key(relation, announced, facts, map, key);
    return compile_chosen_key(relation, announced, options->keys, map, err);
}

enum rc pg_relation_compile(const struct pgoutput_relation *announced, const struct pg_table_facts *facts,
                            const struct pg_relation_options *options, struct pg_relation **ret_relation,
                            struct err *err)
{
    struct pg_relation *relation = calloc(1, sizeof(*relation));
    if (relation == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not take in table %s.%s", announced->schema, announced->name);
    relation->arena = arena_new(RELATION_ARENA_BYTES);
    enum rc rc = compile_into(relation, announced, facts, options, err);
    if (rc != RC_OK) {
        pg_relation_free(relation);
        return rc;
    }
    *ret_relation = relation;
    return RC_OK;
}

void pg_relation_free(struct pg_relation *relation)
{
    if (relation == NULL)
        return;
    if (relation->envelope != NULL)
        envelope_free(relation->envelope);
    arena_free(relation->arena);
    free(relation);
}

void pg_relation_drop_key(struct pg_relation *relation)
{
    relation->shape.n_key_columns = 0;
    memset(relation->is_key, 0, relation->shape.n_columns);
}

size_t pg_relation_text_column(const struct pg_relation *relation)
{
    size_t i = 0;
    while (i < relation->shape.n_columns && relation->encoders[i].wire != PG_WIRE_NONE)
        i++;
    return i;
}

void pg_relation_stop(struct pg_relation *relation, const struct err *why)
{
    relation->stop_code = why->code;
    relation->stop_why = arena_strdup(relation->arena, slice_of_str(why->msg));
}

void pg_relation_set_dimensions(struct pg_relation *relation, size_t column, int dimensions)
{
    relation->shape.columns[column].dimensions = dimensions;
    relation->encoders[column].dimensions = dimensions;
}

void pg_relation_keep_dimensions(struct pg_relation *relation, const struct pg_relation *older)
{
    for (size_t i = 0; i < relation->shape.n_columns; i++) {
        const struct column *column = &relation->shape.columns[i];
        for (size_t j = 0; older != NULL && column->is_array && j < older->shape.n_columns; j++) {
            const struct column *was = &older->shape.columns[j];
            if (strcmp(was->name, column->name) == 0 && was->is_array && was->dimensions > column->dimensions)
                pg_relation_set_dimensions(relation, i, was->dimensions);
        }
    }
}

/* ---- announcing ---- */

static enum rc register_schema(const struct pg_relation *relation, const char *part, const struct buf *schema,
                               struct registry *registry, uint32_t *ret_id, struct err *err)
{
    char subject[SUBJECT_BYTES];
    snprintf(subject, sizeof(subject), "%s-%s", relation->topic, part);
    return registry_register(registry, subject, buf_slice(schema), ret_id, err);
}

static enum rc register_value(struct pg_relation *relation, struct registry *registry, struct err *err)
{
    SCOPED(buf_done) struct buf schema = buf_new(SCHEMA_MAX_BYTES);
    TRY(envelope_schema(&schema, &relation->shape, CONNECTOR_POSTGRESQL, err));
    return register_schema(relation, "value", &schema, registry, &relation->value_schema_id, err);
}

static enum rc register_key(struct pg_relation *relation, struct registry *registry, struct err *err)
{
    SCOPED(buf_done) struct buf schema = buf_new(SCHEMA_MAX_BYTES);
    if (relation->shape.n_key_columns == 0)
        return RC_OK;
    TRY(envelope_key_schema(&schema, &relation->shape, err));
    return register_schema(relation, "key", &schema, registry, &relation->key_schema_id, err);
}

/* False: they were. */
static bool make_optional(struct pg_relation *relation)
{
    bool changed = false;
    for (size_t i = 0; i < relation->shape.n_columns; i++) {
        changed = changed || (!relation->is_key[i] && !relation->shape.columns[i].optional);
        relation->shape.columns[i].optional = !relation->is_key[i];
    }
    return changed;
}

/* One dimension more for every array. False: none can have more. */
static bool deepen_arrays(struct pg_relation *relation)
{
    bool changed = false;
    for (size_t i = 0; i < relation->shape.n_columns; i++) {
        const struct column *column = &relation->shape.columns[i];
        if (!column->is_array || !column_can_nest(column) || column->dimensions == PG_ARRAY_MAX_DIMENSIONS)
            continue;
        pg_relation_set_dimensions(relation, i, column->dimensions + 1);
        changed = true;
    }
    return changed;
}

static enum rc register_wider(struct pg_relation *relation, struct registry *registry, struct err *err)
{
    enum rc rc = err_set(err, ERR_REGISTRY_INCOMPATIBLE, "table %s.%s has no wider schema", relation->schema,
                         relation->name);
    while (rc != RC_OK && err->code == ERR_REGISTRY_INCOMPATIBLE &&
           (make_optional(relation) || deepen_arrays(relation)))
        rc = register_value(relation, registry, err);
    return rc;
}

/* The first refusal is the one that a person should read, and the schema that it was about is the next to be tried. */
static enum rc register_values(struct pg_relation *relation, struct registry *registry, struct err *err)
{
    struct err later;
    enum rc rc = register_value(relation, registry, err);
    if (rc == RC_OK || err->code != ERR_REGISTRY_INCOMPATIBLE)
        return rc;
    size_t columns_bytes = relation->shape.n_columns * sizeof(struct column);
    SCOPED(buf_done) struct buf columns = buf_new(columns_bytes + 1);
    buf_put(&columns, relation->shape.columns, columns_bytes);
    enum rc wider_rc = register_wider(relation, registry, &later);
    if (wider_rc == RC_OK)
        return RC_OK;
    for (size_t i = 0; !columns.failed && i < relation->shape.n_columns; i++) {
        relation->shape.columns[i] = ((const struct column *)(const void *)columns.ptr)[i];
        relation->encoders[i].dimensions = relation->shape.columns[i].dimensions;
    }
    if (later.code == ERR_REGISTRY_INCOMPATIBLE)
        return rc;
    *err = later;
    return wider_rc;
}

enum rc pg_relation_announce(struct pg_relation *relation, const char *prefix, const char *database,
                             struct registry *registry, struct publisher *publisher, struct err *err)
{
    TRY(register_values(relation, registry, err));
    TRY(register_key(relation, registry, err));
    TRY(publisher_topic(publisher, relation->topic, &relation->topic_index, err));
    const struct envelope_source source = {.connector = CONNECTOR_POSTGRESQL,
                                           .name = prefix,
                                           .database = database,
                                           .schema = relation->schema,
                                           .table = relation->name};
    struct envelope *envelope = envelope_new(&source, relation->value_schema_id);
    if (envelope == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not take in table %s.%s", relation->schema, relation->name);
    if (relation->envelope != NULL)
        envelope_free(relation->envelope);
    relation->envelope = envelope;
    return RC_OK;
}

/* ---- the cache: sorted by id, and the one used last in front ---- */

struct pg_relcache {
    struct pg_relation **relations;
    size_t n, cap;
    struct pg_relation *last;
};

struct pg_relcache *pg_relcache_new(void)
{
    struct pg_relcache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        abort();
    return cache;
}

void pg_relcache_free(struct pg_relcache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < cache->n; i++)
        pg_relation_free(cache->relations[i]);
    free(cache->relations);
    free(cache);
}

/* Where the id is, or would be. */
static size_t relcache_place(const struct pg_relcache *cache, uint32_t id)
{
    size_t low = 0, high = cache->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (cache->relations[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void pg_relcache_put(struct pg_relcache *cache, struct pg_relation *relation)
{
    size_t at = relcache_place(cache, relation->id);
    cache->last = NULL;
    if (at < cache->n && cache->relations[at]->id == relation->id) {
        pg_relation_free(cache->relations[at]);
        cache->relations[at] = relation;
        return;
    }
    if (cache->n == cache->cap) {
        cache->cap = cache->cap == 0 ? 16 : cache->cap * 2;
        cache->relations = realloc(cache->relations, cache->cap * sizeof(struct pg_relation *));
        if (cache->relations == NULL)
            abort();
    }
    memmove(cache->relations + at + 1, cache->relations + at, (cache->n - at) * sizeof(struct pg_relation *));
    cache->relations[at] = relation;
    cache->n++;
}

struct pg_relation *pg_relcache_find(struct pg_relcache *cache, uint32_t id)
{
    if (LIKELY(cache->last != NULL && cache->last->id == id))
        return cache->last;
    size_t at = relcache_place(cache, id);
    if (at == cache->n || cache->relations[at]->id != id)
        return NULL;
    cache->last = cache->relations[at];
    return cache->last;
}

static bool has_name_of(const struct pg_relation *a, const struct pg_relation *b)
{
    return strcmp(a->schema, b->schema) == 0 && strcmp(a->name, b->name) == 0;
}

const struct pg_relation *pg_relcache_rival(const struct pg_relcache *cache, const struct pg_relation *relation,
                                            const struct pg_relation *after)
{
    for (size_t i = after == NULL ? 0 : relcache_place(cache, after->id) + 1; i < cache->n; i++) {
        const struct pg_relation *other = cache->relations[i];
        if (other->id != relation->id && other->captured && other->stop_code == ERR_NONE &&
            topic_collides(other->topic, relation->topic) && !has_name_of(other, relation))
            return other;
    }
    return NULL;
}
