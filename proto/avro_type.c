#include "proto/avro_type.h"

#include <jansson.h>
#include <stdlib.h>

#include "proto/avro_get.h"

enum {
    TYPE_MAX_DEPTH = 64,         /* of a schema's text, and of a value while it is skipped */
    NO_LENGTH_LIMIT = INT32_MAX, /* what JDBC says of PostgreSQL's text */
};

// clang-format off
static const char *const kind_names[] = {
    [AVRO_KIND_NULL] = "null", [AVRO_KIND_BOOL] = "boolean", [AVRO_KIND_INT] = "int", [AVRO_KIND_LONG] = "long",
    [AVRO_KIND_FLOAT] = "float", [AVRO_KIND_DOUBLE] = "double", [AVRO_KIND_BYTES] = "bytes",
    [AVRO_KIND_STRING] = "string", [AVRO_KIND_FIXED] = "fixed", [AVRO_KIND_ENUM] = "enum",
    [AVRO_KIND_ARRAY] = "array", [AVRO_KIND_MAP] = "map", [AVRO_KIND_UNION] = "union", [AVRO_KIND_RECORD] = "record",
};
// clang-format on

const char *avro_kind_name(enum avro_kind kind)
{
    return kind_names[kind];
}

/* --- parse --- */

struct named_type {
    struct avro_type *type;
    struct named_type *next;
};

struct parser {
    struct arena *arena;
    struct named_type *named;
    const char *place; /* the record's field that is being read, for messages */
    int depth;
};

static enum rc arena_full(struct err *err)
{
    return err_set(err, ERR_MEMORY_LIMIT, "the schema does not fit the memory kept for one");
}

static enum rc unsupported(const struct parser *p, struct err *err, const char *what, const char *name)
{
    return err_set(err, ERR_SCHEMA_UNSUPPORTED, "field \"%s\" of the schema: %s \"%.80s\"", p->place, what, name);
}

static enum rc parse(struct parser *p, const json_t *json, const char *namespace, struct avro_type **ret,
                     struct err *err);

static bool kind_of_name(const char *name, enum avro_kind *ret_kind)
{
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++)
        if (strcmp(kind_names[i], name) == 0) {
            *ret_kind = (enum avro_kind)i;
            return true;
        }
    return false;
}

/* "" when there is none */
static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static const char *keep(struct parser *p, const char *text)
{
    return *text == '\0' ? "" : arena_strdup(p->arena, slice_of_str(text));
}

/* Connect writes numbers as text in its parameters. */
static int number_of(const json_t *value, int otherwise)
{
    if (json_is_integer(value))
        return (int)json_integer_value(value);
    const char *text = json_string_value(value);
    return text == NULL ? otherwise : (int)strtol(text, NULL, 10);
}

/* Connect's converters write 64 where they know of none. 0: unknown. */
static int precision_of(const json_t *object, const json_t *parameters)
{
    enum { CONNECT_UNKNOWN_PRECISION = 64 };
    int known = number_of(json_object_get(parameters, "connect.decimal.precision"), 0);
    int precision = number_of(json_object_get(object, "precision"), known);
    bool from_connect = *text_of(object, "connect.name") != '\0';
    return from_connect && known == 0 && precision == CONNECT_UNKNOWN_PRECISION ? 0 : precision;
}

static enum rc parse_notes(struct parser *p, const json_t *object, struct avro_notes *notes, struct err *err)
{
    const json_t *parameters = json_object_get(object, "connect.parameters");
    int length = number_of(json_object_get(parameters, "__debezium.source.column.length"), 0);
    *notes = (struct avro_notes){
        .connect_name = keep(p, text_of(object, "connect.name")),
        .connect_type = keep(p, text_of(object, "connect.type")),
        .logical_type = keep(p, text_of(object, "logicalType")),
        .length = number_of(json_object_get(parameters, "length"), 0),
        .precision = precision_of(object, parameters),
        .scale = number_of(json_object_get(object, "scale"), number_of(json_object_get(parameters, "scale"), 0)),
        .allowed = keep(p, text_of(parameters, "allowed")),
        .source_type = keep(p, text_of(parameters, "__debezium.source.column.type")),
        .source_length = length > 0 && length < NO_LENGTH_LIMIT ? length : 0,
    };
    if (notes->connect_name == NULL || notes->connect_type == NULL || notes->logical_type == NULL ||
        notes->allowed == NULL || notes->source_type == NULL)
        return arena_full(err);
    return RC_OK;
}

static enum rc new_type(struct parser *p, enum avro_kind kind, struct avro_type **ret, struct err *err)
{
    struct avro_type *type = arena_zalloc(p->arena, sizeof(*type));
    if (type == NULL)
        return arena_full(err);
    type->kind = kind;
    type->defined = true;
    type->zero_bytes = kind == AVRO_KIND_NULL;
    type->name = type->namespace = "";
    type->notes = (struct avro_notes){
        .connect_name = "", .connect_type = "", .logical_type = "", .allowed = "", .source_type = ""};
    *ret = type;
    return RC_OK;
}

static const char *full_name(struct parser *p, const char *name, const char *namespace)
{
    if (strchr(name, '.') != NULL || *namespace == '\0')
        return keep(p, name);
    struct buf text = arena_open(p->arena);
    buf_printf(&text, "%s.%s", namespace, name);
    buf_put_u8(&text, 0);
    return (const char *)arena_close(p->arena, &text).ptr;
}

static struct avro_type *find_named(const struct parser *p, const char *name)
{
    for (const struct named_type *at = p->named; at != NULL; at = at->next)
        if (strcmp(at->type->name, name) == 0)
            return at->type;
    return NULL;
}

static enum rc resolve(struct parser *p, const char *name, const char *namespace, struct avro_type **ret,
                       struct err *err)
{
    enum avro_kind kind;
    if (kind_of_name(name, &kind) && kind <= AVRO_KIND_STRING)
        return new_type(p, kind, ret, err);
    const char *full = full_name(p, name, namespace);
    if (full == NULL)
        return arena_full(err);
    *ret = find_named(p, full);
    if (*ret == NULL)
        *ret = find_named(p, name); /* a name without a namespace */
    return *ret == NULL ? unsupported(p, err, "unknown type", name) : RC_OK;
}

static enum rc name_type(struct parser *p, const json_t *json, const char *namespace, struct avro_type *type,
                         struct err *err)
{
    const char *name = text_of(json, "name"), *own = text_of(json, "namespace");
    if (*name == '\0')
        return unsupported(p, err, "a type has no name:", avro_kind_name(type->kind));
    type->name = full_name(p, name, *own == '\0' ? namespace : own);
    struct named_type *entry = arena_alloc(p->arena, sizeof(*entry));
    if (type->name == NULL || entry == NULL)
        return arena_full(err);
    if (find_named(p, type->name) != NULL)
        return unsupported(p, err, "a type is defined twice:", type->name);
    const char *dot = strrchr(type->name, '.');
    if (dot != NULL) {
        type->namespace = arena_strdup(p->arena, slice_of(type->name, (size_t)(dot - type->name)));
        if (type->namespace == NULL)
            return arena_full(err);
    }
    *entry = (struct named_type){type, p->named};
    p->named = entry;
    return RC_OK;
}

static enum rc parse_list(struct parser *p, const json_t *list, struct avro_type *type, bool labels, struct err *err)
{
    size_t n = json_array_size(list);
    type->children = arena_array(p->arena, const struct avro_type *, n + 1);
    type->labels = labels ? arena_array(p->arena, const char *, n + 1) : NULL;
    if (type->children == NULL || (labels && type->labels == NULL))
        return arena_full(err);
    return RC_OK;
}

static enum rc parse_union(struct parser *p, const json_t *json, const char *namespace, struct avro_type **ret,
                           struct err *err)
{
    struct avro_type *type;
    TRY(new_type(p, AVRO_KIND_UNION, &type, err));
    TRY(parse_list(p, json, type, false, err));
    for (size_t i = 0; i < json_array_size(json); i++) {
        struct avro_type *branch;
        TRY(parse(p, json_array_get(json, i), namespace, &branch, err));
        type->children[type->n_children++] = branch;
    }
    *ret = type;
    return RC_OK;
}

static enum rc parse_field(struct parser *p, const json_t *json, struct avro_type *record, struct err *err)
{
    const char *outer = p->place, *name = keep(p, text_of(json, "name"));
    if (name == NULL)
        return arena_full(err);
    if (*name == '\0')
        return unsupported(p, err, "a field has no name in record", record->name);
    p->place = name;
    struct avro_type *type;
    TRY(parse(p, json_object_get(json, "type"), record->namespace, &type, err));
    if (!type->defined)
        return unsupported(p, err, "a record contains itself:", type->name);
    p->place = outer;
    record->zero_bytes = record->zero_bytes && type->zero_bytes;
    record->labels[record->n_children] = name;
    record->children[record->n_children++] = type;
    record->n_labels = record->n_children;
    return RC_OK;
}

static enum rc parse_record(struct parser *p, const json_t *json, struct avro_type *type, struct err *err)
{
    const json_t *fields = json_object_get(json, "fields");
    if (!json_is_array(fields))
        return unsupported(p, err, "a record has no fields:", type->name);
    type->defined = false;
    type->zero_bytes = true;
    TRY(parse_list(p, fields, type, true, err));
    for (size_t i = 0; i < json_array_size(fields); i++)
        TRY(parse_field(p, json_array_get(fields, i), type, err));
    type->defined = true;
    return RC_OK;
}

static enum rc parse_enum(struct parser *p, const json_t *json, struct avro_type *type, struct err *err)
{
    const json_t *symbols = json_object_get(json, "symbols");
    TRY(parse_list(p, symbols, type, true, err));
    for (size_t i = 0; i < json_array_size(symbols); i++) {
        const char *symbol = json_string_value(json_array_get(symbols, i));
        if (symbol == NULL)
            return unsupported(p, err, "a symbol is not text in enum", type->name);
        type->labels[i] = keep(p, symbol);
        if (type->labels[i] == NULL)
            return arena_full(err);
    }
    type->n_labels = json_array_size(symbols);
    return RC_OK;
}

static enum rc parse_fixed(struct parser *p, const json_t *json, struct avro_type *type, struct err *err)
{
    const json_t *size = json_object_get(json, "size");
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return unsupported(p, err, "a fixed type has no size:", type->name);
    type->size = (size_t)json_integer_value(size);
    type->zero_bytes = type->size == 0;
    return RC_OK;
}

static enum rc parse_items(struct parser *p, const json_t *items, const char *namespace, struct avro_type *type,
                           struct err *err)
{
    struct avro_type *item;
    TRY(parse_list(p, NULL, type, false, err));
    TRY(parse(p, items, namespace, &item, err));
    type->children[0] = item;
    type->n_children = 1;
    return RC_OK;
}

static enum rc parse_object(struct parser *p, const json_t *json, const char *namespace, struct avro_type **ret,
                            struct err *err)
{
    const json_t *inner = json_object_get(json, "type");
    enum avro_kind kind;
    if (!json_is_string(inner)) /* {"type": {"type": "string"}} */
        return parse(p, inner, namespace, ret, err);
    if (!kind_of_name(json_string_value(inner), &kind) || kind == AVRO_KIND_UNION)
        return resolve(p, json_string_value(inner), namespace, ret, err);
    struct avro_type *type;
    TRY(new_type(p, kind, &type, err));
    TRY(parse_notes(p, json, &type->notes, err));
    *ret = type;
    if (kind == AVRO_KIND_ARRAY)
        return parse_items(p, json_object_get(json, "items"), namespace, type, err);
    if (kind == AVRO_KIND_MAP)
        return parse_items(p, json_object_get(json, "values"), namespace, type, err);
    if (kind <= AVRO_KIND_STRING)
        return RC_OK;
    TRY(name_type(p, json, namespace, type, err));
    if (kind == AVRO_KIND_RECORD)
        return parse_record(p, json, type, err);
    return kind == AVRO_KIND_ENUM ? parse_enum(p, json, type, err) : parse_fixed(p, json, type, err);
}

static enum rc parse(struct parser *p, const json_t *json, const char *namespace, struct avro_type **ret,
                     struct err *err)
{
    if (p->depth == TYPE_MAX_DEPTH)
        return unsupported(p, err, "nested too deeply in namespace", namespace);
    p->depth++;
    enum rc rc;
    if (json_is_string(json))
        rc = resolve(p, json_string_value(json), namespace, ret, err);
    else if (json_is_array(json))
        rc = parse_union(p, json, namespace, ret, err);
    else if (json_is_object(json))
        rc = parse_object(p, json, namespace, ret, err);
    else
        rc = unsupported(p, err, "there is no type in namespace", namespace);
    p->depth--;
    return rc;
}

DEFINE_SCOPED(json_t *, json_decref)

enum rc avro_type_parse(const char *schema_json, size_t len, struct arena *arena, const struct avro_type **ret_type,
                        struct err *err)
{
    json_error_t reason;
    /* zero characters: defaults of decimals are bytes, written as \u0000 */
    SCOPED(json_decref)
    json_t *json = json_loadb(schema_json, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &reason);
    if (json == NULL)
        return err_set(err, ERR_SCHEMA_UNSUPPORTED, "the schema is not JSON: %s at byte %d", reason.text,
                       reason.position);
    struct parser parser = {.arena = arena, .place = ""};
    struct avro_type *type;
    TRY(parse(&parser, json, "", &type, err));
    *ret_type = type;
    return RC_OK;
}

/* --- same --- */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static bool same(const struct avro_type *a, const struct avro_type *b, int depth)
{
    if (depth == TYPE_MAX_DEPTH || a->kind != b->kind || a->size != b->size || a->n_children != b->n_children ||
        a->n_labels != b->n_labels || !same_text(a->name, b->name) ||
        !same_text(a->notes.logical_type, b->notes.logical_type) || a->notes.precision != b->notes.precision ||
        a->notes.scale != b->notes.scale)
        return false;
    for (size_t i = 0; i < a->n_labels; i++)
        if (!same_text(a->labels[i], b->labels[i]))
            return false;
    for (size_t i = 0; i < a->n_children; i++)
        if (!same(a->children[i], b->children[i], depth + 1))
            return false;
    return true;
}

bool avro_type_same(const struct avro_type *a, const struct avro_type *b)
{
    return same(a, b, 0);
}

/* --- skip --- */

static void skip(const struct avro_type *type, struct reader *r, int depth);

static void skip_items(const struct avro_type *type, struct reader *r, uint64_t count, int depth)
{
    const struct avro_type *item = type->children[0];
    bool is_map = type->kind == AVRO_KIND_MAP;
    if (!is_map && item->zero_bytes)
        return;
    if (count > reader_left(r)) { /* each takes a byte at least */
        avro_get_fail(r);
        return;
    }
    for (uint64_t i = 0; i < count && !reader_failed(r); i++) {
        if (is_map)
            avro_get_bytes(r);
        skip(item, r, depth);
    }
}

/* Blocks of items; a negative count announces the block's size, so that it can be passed over whole. */
static void skip_blocks(const struct avro_type *type, struct reader *r, int depth)
{
    for (;;) {
        int64_t count = avro_get_long(r);
        if (count == 0)
            return;
        if (count < 0)
            avro_get_bytes(r);
        else
            skip_items(type, r, (uint64_t)count, depth);
    }
}

static void skip(const struct avro_type *type, struct reader *r, int depth)
{
    if (type->zero_bytes)
        return;
    if (UNLIKELY(depth == TYPE_MAX_DEPTH)) {
        avro_get_fail(r);
        return;
    }
    switch (type->kind) {
    case AVRO_KIND_NULL: break;
    case AVRO_KIND_BOOL: avro_get_bool(r); break;
    case AVRO_KIND_INT: avro_get_int(r); break;
    case AVRO_KIND_LONG: avro_get_long(r); break;
    case AVRO_KIND_FLOAT: reader_take(r, 4); break;
    case AVRO_KIND_DOUBLE: reader_take(r, 8); break;
    case AVRO_KIND_BYTES:
    case AVRO_KIND_STRING: avro_get_bytes(r); break;
    case AVRO_KIND_FIXED: reader_take(r, type->size); break;
    case AVRO_KIND_ENUM:
        if ((uint64_t)avro_get_int(r) >= type->n_labels)
            avro_get_fail(r);
        break;
    case AVRO_KIND_ARRAY:
    case AVRO_KIND_MAP: skip_blocks(type, r, depth + 1); break;
    case AVRO_KIND_UNION: {
        uint64_t branch = (uint64_t)avro_get_long(r);
        if (branch < type->n_children)
            skip(type->children[branch], r, depth + 1);
        else
            avro_get_fail(r);
        break;
    }
    case AVRO_KIND_RECORD:
        for (size_t i = 0; i < type->n_children && !reader_failed(r); i++)
            skip(type->children[i], r, depth + 1);
        break;
    }
}

void avro_type_skip(const struct avro_type *type, struct reader *r)
{
    skip(type, r, 0);
}
