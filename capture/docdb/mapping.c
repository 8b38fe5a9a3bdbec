#include "capture/docdb/mapping.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "capture/docdb/bson_json.h"
#include "proto/avro_put.h"

enum {
    MAPPING_ID_CHARS = 128, /* what the column is declared for; longer ids still travel */
    MAPPING_ID_BYTES = 1 << 20,
    MAPPING_JSON_BYTES = 64 << 20,
};

/* A path is a chain of names; the names of all columns form one tree, so a document is walked once. */
struct node {
    const char *name;
    size_t name_len;
    struct node *children;
    size_t n_children;
    int column; /* -1: only a way to deeper ones */
};

/* bson_iter_t asks for 128-byte alignment and is 80 bytes long: an array of it would be misaligned. */
struct found {
    bson_iter_t value;
    bool is_there;
};

struct mapping {
    const struct config_collection *collection;
    char *topic;
    struct table_shape shape;
    struct column *columns; /* [0] is _id, [i + 1] the collection's column i */
    struct node root;
    struct found *found; /* where column i's value stands in the document being mapped */
};

static const uint16_t id_column[] = {0};

static struct node *node_child(struct node *node, const char *name, size_t len)
{
    for (size_t i = 0; i < node->n_children; i++)
        if (node->children[i].name_len == len && memcmp(node->children[i].name, name, len) == 0)
            return &node->children[i];
    struct node *children = realloc(node->children, (node->n_children + 1) * sizeof(*children));
    if (children == NULL)
        abort();
    node->children = children;
    node->children[node->n_children] = (struct node){.name = name, .name_len = len, .column = -1};
    return &node->children[node->n_children++];
}

static void node_add_path(struct node *root, const char *path, int column)
{
    struct node *node = root;
    for (const char *name = path;;) {
        size_t len = strcspn(name, ".");
        node = node_child(node, name, len);
        if (name[len] == '\0')
            break;
        name += len + 1;
    }
    node->column = column;
}

static void node_done(struct node *node)
{
    for (size_t i = 0; i < node->n_children; i++)
        node_done(&node->children[i]);
    free(node->children);
}

static struct column column_of(const struct config_column *config)
{
    static const enum column_type types[] = {
        [CONFIG_COLUMN_STRING] = COLUMN_STRING,   [CONFIG_COLUMN_INT] = COLUMN_INT32,
        [CONFIG_COLUMN_LONG] = COLUMN_INT64,      [CONFIG_COLUMN_DOUBLE] = COLUMN_DOUBLE,
        [CONFIG_COLUMN_BOOL] = COLUMN_BOOL,       [CONFIG_COLUMN_TIMESTAMP] = COLUMN_TIMESTAMP_MS,
        [CONFIG_COLUMN_JSON] = COLUMN_JSON,       [CONFIG_COLUMN_DECIMAL] = COLUMN_DECIMAL,
        [CONFIG_COLUMN_OBJECTID] = COLUMN_STRING,
    };
    return (struct column){.name = config->column,
                           .type = types[config->type],
                           .optional = true, /* `required` can change without a new kind of schema */
                           .precision = config->precision,
                           .scale = config->scale};
}

struct mapping *mapping_new(const struct config_collection *collection, const char *topic)
{
    size_t n = collection->n_columns + 1;
    struct mapping *mapping = calloc(1, sizeof(*mapping));
    if (mapping == NULL)
        abort();
    mapping->collection = collection;
    mapping->topic = strdup(topic);
    mapping->columns = calloc(n, sizeof(*mapping->columns));
    mapping->found = aligned_alloc(_Alignof(struct found), n * sizeof(*mapping->found));
    if (mapping->topic == NULL || mapping->columns == NULL || mapping->found == NULL)
        abort();
    mapping->root.column = -1;
    mapping->columns[0] = (struct column){.name = "_id", .type = COLUMN_STRING, .length = MAPPING_ID_CHARS};
    node_add_path(&mapping->root, "_id", 0);
    for (size_t i = 0; i < collection->n_columns; i++) {
        mapping->columns[i + 1] = column_of(&collection->columns[i]);
        node_add_path(&mapping->root, collection->columns[i].path, (int)i + 1);
    }
    mapping->shape = (struct table_shape){.topic = mapping->topic,
                                          .columns = mapping->columns,
                                          .n_columns = n,
                                          .key_columns = id_column,
                                          .n_key_columns = 1};
    return mapping;
}

void mapping_free(struct mapping *mapping)
{
    if (mapping == NULL)
        return;
    node_done(&mapping->root);
    free(mapping->topic);
    free(mapping->columns);
    free(mapping->found);
    free(mapping);
}

const struct table_shape *mapping_shape(const struct mapping *mapping)
{
    return &mapping->shape;
}

/* Duplicate names are legal BSON: the last one wins, as in most readers. */
static void find_values(const struct mapping *mapping, const struct node *node, bson_iter_t *member)
{
    while (bson_iter_next(member)) {
        const char *name = bson_iter_key(member);
        size_t len = bson_iter_key_len(member);
        for (size_t i = 0; i < node->n_children; i++) {
            const struct node *child = &node->children[i];
            if (child->name_len != len || memcmp(child->name, name, len) != 0)
                continue;
            if (child->column >= 0) {
                mapping->found[child->column].value = *member;
                mapping->found[child->column].is_there = true;
            }
            bson_iter_t members;
            if (child->n_children > 0 && BSON_ITER_HOLDS_DOCUMENT(member) && bson_iter_recurse(member, &members))
                find_values(mapping, child, &members);
            break;
        }
    }
}

static const char *type_name(const bson_iter_t *value)
{
    switch (bson_iter_type(value)) {
    case BSON_TYPE_DOUBLE: return "double";
    case BSON_TYPE_UTF8: return "string";
    case BSON_TYPE_DOCUMENT: return "object";
    case BSON_TYPE_ARRAY: return "array";
    case BSON_TYPE_BINARY: return "binary";
    case BSON_TYPE_OID: return "objectId";
    case BSON_TYPE_BOOL: return "bool";
    case BSON_TYPE_DATE_TIME: return "date";
    case BSON_TYPE_INT32: return "int32";
    case BSON_TYPE_INT64: return "int64";
    case BSON_TYPE_DECIMAL128: return "decimal128";
    case BSON_TYPE_TIMESTAMP: return "timestamp";
    default: return "another type";
    }
}

static enum rc wrong_type(const bson_iter_t *value, const char *path, const char *wanted, struct err *err)
{
    return err_set(err, ERR_DOC_WRONG_TYPE, "%s is %s, the column wants %s", path, type_name(value), wanted);
}

static enum rc put_integer(const bson_iter_t *value, const char *path, int64_t low, int64_t high, const char *wanted,
                           struct buf *out, struct err *err)
{
    int64_t number;
    if (BSON_ITER_HOLDS_INT32(value)) {
        number = bson_iter_int32(value);
    } else if (BSON_ITER_HOLDS_INT64(value)) {
        number = bson_iter_int64(value);
    } else if (BSON_ITER_HOLDS_DOUBLE(value)) { /* JavaScript clients write 5 as 5.0 */
        double real = bson_iter_double(value);
        if (!(real >= -9007199254740992.0 && real <= 9007199254740992.0) || real != floor(real))
            return err_set(err, ERR_DOC_WRONG_TYPE, "%s is a double that is no %s", path, wanted);
        number = (int64_t)real;
    } else {
        return wrong_type(value, path, wanted, err);
    }
    if (number < low || number > high)
        return err_set(err, ERR_DOC_OUT_OF_RANGE, "%s does not fit into %s", path, wanted);
    avro_put_long(out, number);
    return RC_OK;
}

static enum rc put_real(const bson_iter_t *value, const char *path, struct buf *out, struct err *err)
{
    if (BSON_ITER_HOLDS_DOUBLE(value)) {
        avro_put_double(out, bson_iter_double(value));
        return RC_OK;
    }
    if (BSON_ITER_HOLDS_INT32(value)) {
        avro_put_double(out, bson_iter_int32(value));
        return RC_OK;
    }
    if (!BSON_ITER_HOLDS_INT64(value))
        return wrong_type(value, path, "double", err);
    int64_t number = bson_iter_int64(value);
    if (number < -(INT64_C(1) << 53) || number > INT64_C(1) << 53)
        return err_set(err, ERR_DOC_OUT_OF_RANGE, "%s has more digits than a double", path);
    avro_put_double(out, (double)number);
    return RC_OK;
}

/* Writes out the exponent of "1.5E+3", so that the digits stand as they are. False for NaN and infinities. */
static bool decimal_plain(const char *text, struct buf *out)
{
    const char *at = text;
    if (*at == '-') {
        buf_put_u8(out, '-');
        at++;
    }
    char digits[64];
    size_t n = 0;
    int point = -1;
    for (; *at != '\0' && *at != 'E'; at++) {
        if (*at == '.')
            point = (int)n;
        else if (*at >= '0' && *at <= '9' && n < sizeof(digits))
            digits[n++] = *at;
        else
            return false;
    }
    int whole = (point < 0 ? (int)n : point) + (*at == 'E' ? atoi(at + 1) : 0); /* digits before the point */
    if (n == 0 || whole > 6200 || whole < -6200)
        return false;
    if (whole <= 0)
        buf_put_u8(out, '0');
    for (int i = 0; i < whole; i++)
        buf_put_u8(out, i < (int)n ? (uint8_t)digits[i] : '0');
    if (whole < (int)n) {
        buf_put_u8(out, '.');
        for (int i = whole; i < (int)n; i++)
            buf_put_u8(out, i < 0 ? '0' : (uint8_t)digits[i]);
    }
    return !out->failed;
}

static bool fits_precision(struct slice plain, int precision, int scale)
{
    size_t whole = 0;
    bool leading = true;
    for (size_t i = 0; i < plain.len && plain.ptr[i] != '.'; i++) {
        if (plain.ptr[i] == '-' || (leading && plain.ptr[i] == '0'))
            continue;
        leading = false;
        whole++;
    }
    return (int)whole <= precision - scale;
}

static enum rc put_decimal(const bson_iter_t *value, const struct config_column *column, struct buf *out,
                           struct err *err)
{
    char text[BSON_DECIMAL128_STRING];
    uint8_t storage[16384];
    struct buf plain = buf_over(storage, sizeof(storage));
    bson_decimal128_t decimal;
    if (BSON_ITER_HOLDS_INT32(value) || BSON_ITER_HOLDS_INT64(value))
        snprintf(text, sizeof(text), "%" PRId64, bson_iter_as_int64(value));
    else if (bson_iter_decimal128(value, &decimal))
        bson_decimal128_to_string(&decimal, text);
    else
        return wrong_type(value, column->path, "decimal", err);
    if (!decimal_plain(text, &plain))
        return err_set(err, ERR_DOC_OUT_OF_RANGE, "%s is not a finite decimal", column->path);
    if (!fits_precision(buf_slice(&plain), column->precision, column->scale) ||
        !avro_put_decimal(out, buf_slice(&plain), column->scale))
        return err_set(err, ERR_DOC_OUT_OF_RANGE, "%s does not fit into decimal(%d,%d) without loss", column->path,
                       column->precision, column->scale);
    return RC_OK;
}

static enum rc put_string(const bson_iter_t *value, const char *path, struct buf *out, struct err *err)
{
    uint32_t len = 0;
    if (!BSON_ITER_HOLDS_UTF8(value))
        return wrong_type(value, path, "string", err);
    const char *text = bson_iter_utf8(value, &len);
    struct slice bytes = slice_of(text, len);
    if (!utf8_is_valid(bytes) || memchr(text, 0, len) != NULL)
        return err_set(err, ERR_DOC_OUT_OF_RANGE, "%s holds a zero byte or invalid UTF-8", path);
    avro_put_bytes(out, bytes);
    return RC_OK;
}

static enum rc put_json(const bson_iter_t *value, const char *path, struct buf *out, struct err *err)
{
    SCOPED(buf_done) struct buf json = buf_new(MAPPING_JSON_BYTES);
    bson_json_put(&json, value);
    if (json.failed)
        return err_set(err, ERR_DOC_OUT_OF_RANGE, "%s is nested too deeply, or too large", path);
    avro_put_bytes(out, buf_slice(&json));
    return RC_OK;
}

static enum rc put_value(const bson_iter_t *value, const struct config_column *column, struct buf *out, struct err *err)
{
    const char *path = column->path;
    char hex[25];
    switch (column->type) {
    case CONFIG_COLUMN_STRING: return put_string(value, path, out, err);
    case CONFIG_COLUMN_INT: return put_integer(value, path, INT32_MIN, INT32_MAX, "int", out, err);
    case CONFIG_COLUMN_LONG: return put_integer(value, path, INT64_MIN, INT64_MAX, "long", out, err);
    case CONFIG_COLUMN_DOUBLE: return put_real(value, path, out, err);
    case CONFIG_COLUMN_BOOL:
        if (!BSON_ITER_HOLDS_BOOL(value))
            return wrong_type(value, path, "bool", err);
        avro_put_bool(out, bson_iter_bool(value));
        return RC_OK;
    case CONFIG_COLUMN_TIMESTAMP:
        if (!BSON_ITER_HOLDS_DATE_TIME(value))
            return wrong_type(value, path, "date", err);
        avro_put_long(out, bson_iter_date_time(value));
        return RC_OK;
    case CONFIG_COLUMN_JSON: return put_json(value, path, out, err);
    case CONFIG_COLUMN_DECIMAL: return put_decimal(value, column, out, err);
    case CONFIG_COLUMN_OBJECTID:
        if (!BSON_ITER_HOLDS_OID(value))
            return wrong_type(value, path, "objectId", err);
        bson_oid_to_string(bson_iter_oid(value), hex);
        avro_put_str(out, hex);
        return RC_OK;
    }
    return err_set(err, ERR_BUG, "column type %d", (int)column->type);
}

static enum rc put_column(const struct mapping *mapping, size_t i, struct buf *out, struct err *err)
{
    const struct config_column *column = &mapping->collection->columns[i - 1];
    const bson_iter_t *value = &mapping->found[i].value;
    if (!mapping->found[i].is_there || BSON_ITER_HOLDS_NULL(value) || BSON_ITER_HOLDS_UNDEFINED(value)) {
        if (column->required)
            return err_set(err, ERR_DOC_MISSING_FIELD, "%s is missing", column->path);
        avro_put_null(out);
        return RC_OK;
    }
    avro_put_some(out);
    return put_value(value, column, out, err);
}

enum rc mapping_put_row(const struct mapping *mapping, const bson_t *document, struct buf *out,
                        struct mapping_refusal *ret_refusal, struct err *err)
{
    bson_iter_t members;
    size_t before = out->len;
    for (size_t i = 0; i < mapping->shape.n_columns; i++)
        mapping->found[i].is_there = false;
    if (bson_iter_init(&members, document))
        find_values(mapping, &mapping->root, &members);
    if (!mapping->found[0].is_there) {
        ret_refusal->path = "_id";
        return err_set(err, ERR_DOC_MISSING_FIELD, "_id is missing");
    }
    mapping_put_key(&mapping->found[0].value, out);
    for (size_t i = 1; i < mapping->shape.n_columns; i++) {
        enum rc rc = put_column(mapping, i, out, err);
        if (rc != RC_OK) {
            ret_refusal->path = mapping->collection->columns[i - 1].path;
            out->len = before;
            return rc;
        }
    }
    return RC_OK;
}

void mapping_put_id_text(const bson_iter_t *id, struct buf *out)
{
    uint32_t len = 0;
    char hex[25];
    if (BSON_ITER_HOLDS_OID(id)) {
        bson_oid_to_string(bson_iter_oid(id), hex);
        buf_put_str(out, hex);
    } else if (BSON_ITER_HOLDS_UTF8(id)) {
        const char *text = bson_iter_utf8(id, &len);
        buf_put(out, text, len);
    } else {
        bson_json_put_canonical_value(out, id);
    }
}

void mapping_put_key(const bson_iter_t *id, struct buf *out)
{
    SCOPED(buf_done) struct buf text = buf_new(MAPPING_ID_BYTES);
    char hex[25];
    if (BSON_ITER_HOLDS_OID(id)) { /* the usual one, without the heap */
        bson_oid_to_string(bson_iter_oid(id), hex);
        avro_put_str(out, hex);
        return;
    }
    mapping_put_id_text(id, &text);
    avro_put_bytes(out, buf_slice(&text));
}
