#include "proto/avro_field.h"

enum { VARIABLE_DECIMAL_FIELDS = 2 };

/* --- from Avro types to columns --- */

/* Connect's schema names; where the unit differs from the column's, the factor between them. */
// clang-format off
static const struct meaning {
    const char *name;
    enum avro_kind kind;
    enum column_type type;
    int32_t multiply, divide;
} connect_names[] = {
    {"org.apache.kafka.connect.data.Decimal",   AVRO_KIND_BYTES,  COLUMN_DECIMAL,         0, 0},
    {"org.apache.kafka.connect.data.Decimal",   AVRO_KIND_FIXED,  COLUMN_DECIMAL,         0, 0},
    {"io.debezium.data.VariableScaleDecimal",   AVRO_KIND_RECORD, COLUMN_VARIABLE_DECIMAL, 0, 0},
    {"io.debezium.data.Uuid",                   AVRO_KIND_STRING, COLUMN_UUID,            0, 0},
    {"io.debezium.data.Json",                   AVRO_KIND_STRING, COLUMN_JSON,            0, 0},
    {"io.debezium.data.Xml",                    AVRO_KIND_STRING, COLUMN_XML,             0, 0},
    {"io.debezium.data.Enum",                   AVRO_KIND_STRING, COLUMN_ENUM,            0, 0},
    {"io.debezium.data.Tsvector",               AVRO_KIND_STRING, COLUMN_TSVECTOR,        0, 0},
    {"io.debezium.data.Ltree",                  AVRO_KIND_STRING, COLUMN_LTREE,           0, 0},
    {"io.debezium.data.Bits",                   AVRO_KIND_BYTES,  COLUMN_BITS,            0, 0},
    {"io.debezium.data.geometry.Point",         AVRO_KIND_RECORD, COLUMN_POINT,           0, 0},
    {"io.debezium.data.geometry.Geometry",      AVRO_KIND_RECORD, COLUMN_GEOMETRY,        0, 0},
    {"io.debezium.data.geometry.Geography",     AVRO_KIND_RECORD, COLUMN_GEOGRAPHY,       0, 0},
    {"io.debezium.data.DoubleVector",           AVRO_KIND_ARRAY,  COLUMN_DOUBLE_VECTOR,   0, 0},
    {"io.debezium.data.FloatVector",            AVRO_KIND_ARRAY,  COLUMN_FLOAT_VECTOR,    0, 0},
    {"io.debezium.data.SparseDoubleVector",     AVRO_KIND_RECORD, COLUMN_SPARSE_VECTOR,   0, 0},
    {"io.debezium.time.IsoDate",                AVRO_KIND_STRING, COLUMN_ISO_DATE,        0, 0},
    {"io.debezium.time.IsoTime",                AVRO_KIND_STRING, COLUMN_ISO_TIME,        0, 0},
    {"io.debezium.time.IsoTimestamp",           AVRO_KIND_STRING, COLUMN_ISO_TIMESTAMP,   0, 0},
    {"io.debezium.time.Interval",               AVRO_KIND_STRING, COLUMN_INTERVAL_TEXT,   0, 0},
    {"io.debezium.time.Date",                   AVRO_KIND_INT,    COLUMN_DATE,            0, 0},
    {"io.debezium.time.Time",                   AVRO_KIND_INT,    COLUMN_TIME_US,         1000, 0},
    {"io.debezium.time.MicroTime",              AVRO_KIND_LONG,   COLUMN_TIME_US,         0, 0},
    {"io.debezium.time.NanoTime",               AVRO_KIND_LONG,   COLUMN_TIME_US,         0, 1000},
    {"io.debezium.time.Timestamp",              AVRO_KIND_LONG,   COLUMN_TIMESTAMP_MS,    0, 0},
    {"io.debezium.time.MicroTimestamp",         AVRO_KIND_LONG,   COLUMN_TIMESTAMP_US,    0, 0},
    {"io.debezium.time.NanoTimestamp",          AVRO_KIND_LONG,   COLUMN_TIMESTAMP_US,    0, 1000},
    {"io.debezium.time.ZonedTime",              AVRO_KIND_STRING, COLUMN_ZONED_TIME,      0, 0},
    {"io.debezium.time.ZonedTimestamp",         AVRO_KIND_STRING, COLUMN_ZONED_TIMESTAMP, 0, 0},
    {"io.debezium.time.MicroDuration",          AVRO_KIND_LONG,   COLUMN_INTERVAL_US,     0, 0},
    {"io.debezium.time.NanoDuration",           AVRO_KIND_LONG,   COLUMN_INTERVAL_US,     0, 1000},
    {"org.apache.kafka.connect.data.Date",      AVRO_KIND_INT,    COLUMN_DATE,            0, 0},
    {"org.apache.kafka.connect.data.Time",      AVRO_KIND_INT,    COLUMN_TIME_US,         1000, 0},
    {"org.apache.kafka.connect.data.Timestamp", AVRO_KIND_LONG,   COLUMN_TIMESTAMP_MS,    0, 0},
};

/* Avro's own, for schemas without Connect's names. */
static const struct meaning logical_types[] = {
    {"decimal",                AVRO_KIND_BYTES,  COLUMN_DECIMAL,      0, 0},
    {"decimal",                AVRO_KIND_FIXED,  COLUMN_DECIMAL,      0, 0},
    {"uuid",                   AVRO_KIND_STRING, COLUMN_UUID,         0, 0},
    {"date",                   AVRO_KIND_INT,    COLUMN_DATE,         0, 0},
    {"time-millis",            AVRO_KIND_INT,    COLUMN_TIME_US,      1000, 0},
    {"time-micros",            AVRO_KIND_LONG,   COLUMN_TIME_US,      0, 0},
    {"timestamp-millis",       AVRO_KIND_LONG,   COLUMN_TIMESTAMP_MS, 0, 0},
    {"timestamp-micros",       AVRO_KIND_LONG,   COLUMN_TIMESTAMP_US, 0, 0},
    {"local-timestamp-millis", AVRO_KIND_LONG,   COLUMN_TIMESTAMP_MS, 0, 0},
    {"local-timestamp-micros", AVRO_KIND_LONG,   COLUMN_TIMESTAMP_US, 0, 0},
};

/* What is left: the primitive itself. */
static const struct {
    enum avro_field_op op;
    enum column_type type;
    bool readable;
} primitives[] = {
    [AVRO_KIND_BOOL]   = {FIELD_OP_BOOL,   COLUMN_BOOL,   true},
    [AVRO_KIND_INT]    = {FIELD_OP_INT,    COLUMN_INT32,  true},
    [AVRO_KIND_LONG]   = {FIELD_OP_LONG,   COLUMN_INT64,  true},
    [AVRO_KIND_FLOAT]  = {FIELD_OP_FLOAT,  COLUMN_FLOAT,  true},
    [AVRO_KIND_DOUBLE] = {FIELD_OP_DOUBLE, COLUMN_DOUBLE, true},
    [AVRO_KIND_BYTES]  = {FIELD_OP_BYTES,  COLUMN_BYTES,  true},
    [AVRO_KIND_STRING] = {FIELD_OP_BYTES,  COLUMN_STRING, true},
    [AVRO_KIND_FIXED]  = {FIELD_OP_FIXED,  COLUMN_BYTES,  true},
    [AVRO_KIND_ENUM]   = {FIELD_OP_ENUM,   COLUMN_ENUM,   true},
    [AVRO_KIND_ARRAY]  = {FIELD_OP_NESTED, COLUMN_NESTED, true},
    [AVRO_KIND_MAP]    = {FIELD_OP_NESTED, COLUMN_NESTED, true},
    [AVRO_KIND_RECORD] = {FIELD_OP_NESTED, COLUMN_NESTED, true},
    [AVRO_KIND_UNION]  = {FIELD_OP_UNION,  COLUMN_NESTED, false},
};
// clang-format on

static const struct meaning *find_meaning(const struct meaning *table, size_t n, const char *name, enum avro_kind kind)
{
    for (size_t i = 0; *name != '\0' && i < n; i++)
        if (table[i].kind == kind && strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static const struct meaning *meaning_of(const struct avro_type *type)
{
    const char *name = *type->notes.connect_name != '\0' ? type->notes.connect_name : type->name;
    const struct meaning *meaning = find_meaning(connect_names, ARRAY_LEN(connect_names), name, type->kind);
    if (meaning == NULL && *type->notes.connect_name == '\0')
        meaning = find_meaning(logical_types, ARRAY_LEN(logical_types), type->notes.logical_type, type->kind);
    return meaning;
}

/* Looks through a union of null and one other type. NULL for any other union. */
const struct avro_type *avro_nullable_type(const struct avro_type *type, uint8_t *ret_null_branch)
{
    *ret_null_branch = AVRO_NO_NULL;
    if (type->kind != AVRO_KIND_UNION)
        return type;
    if (type->n_children != 2)
        return NULL;
    uint8_t null_branch = type->children[0]->kind == AVRO_KIND_NULL ? 0 : 1;
    const struct avro_type *value = type->children[1 - null_branch];
    if (type->children[null_branch]->kind != AVRO_KIND_NULL || value->kind == AVRO_KIND_NULL ||
        value->kind == AVRO_KIND_UNION)
        return NULL;
    *ret_null_branch = null_branch;
    return value;
}

/* Which of scale and value comes first; false when the record is another one. */
static bool variable_decimal_op(const struct avro_type *type, uint8_t *ret_op)
{
    if (type->n_children != VARIABLE_DECIMAL_FIELDS)
        return false;
    size_t scale = strcmp(type->labels[0], "scale") == 0 ? 0 : 1;
    *ret_op = scale == 0 ? FIELD_OP_DECIMAL_VARIABLE : FIELD_OP_DECIMAL_VARIABLE_SWAPPED;
    return strcmp(type->labels[scale], "scale") == 0 && strcmp(type->labels[1 - scale], "value") == 0 &&
           type->children[scale]->kind == AVRO_KIND_INT && type->children[1 - scale]->kind == AVRO_KIND_BYTES;
}

static bool plan_by_meaning(const struct meaning *meaning, const struct avro_type *type, struct avro_field *field,
                            struct column *column)
{
    column->type = meaning->type;
    field->multiply = meaning->multiply;
    field->divide = meaning->divide;
    if (meaning->type == COLUMN_VARIABLE_DECIMAL)
        return variable_decimal_op(type, &field->op);
    field->op = (uint8_t)primitives[type->kind].op;
    if (meaning->type == COLUMN_DECIMAL) {
        field->op = type->kind == AVRO_KIND_FIXED ? FIELD_OP_DECIMAL_FIXED : FIELD_OP_DECIMAL_BYTES;
        field->scale = column->scale = type->notes.scale;
        column->precision = type->notes.precision;
    }
    return true;
}

static bool plan_by_kind(const struct avro_type *type, struct avro_field *field, struct column *column)
{
    if (!primitives[type->kind].readable)
        return false;
    field->op = (uint8_t)primitives[type->kind].op;
    column->type = primitives[type->kind].type;
    const char *connect_type = type->notes.connect_type;
    if (type->kind == AVRO_KIND_INT && (strcmp(connect_type, "int16") == 0 || strcmp(connect_type, "int8") == 0))
        column->type = COLUMN_INT16;
    return true;
}

static const char *join_labels(struct arena *arena, const struct avro_type *type)
{
    struct buf text = arena_open(arena);
    for (size_t i = 0; i < type->n_labels; i++) {
        if (i > 0)
            buf_put_u8(&text, ',');
        buf_put_str(&text, type->labels[i]);
    }
    buf_put_u8(&text, 0);
    return (const char *)arena_close(arena, &text).ptr;
}

static enum rc plan_full(struct err *err)
{
    return err_set(err, ERR_MEMORY_LIMIT, "the plan of a schema does not fit the memory kept for one");
}

/* Of an element's union: null, a type, and the array of the same again. NULL: it is another one. */
static const struct column *column_of_branches(const struct avro_type *type, const struct column *branches)
{
    enum { NULL_BRANCH, VALUE_BRANCH, ARRAY_BRANCH, BRANCHES };
    const struct column *array = &branches[ARRAY_BRANCH];
    bool fits = type->n_children == BRANCHES && type->children[NULL_BRANCH]->kind == AVRO_KIND_NULL &&
                type->children[ARRAY_BRANCH]->kind == AVRO_KIND_ARRAY && array->is_array &&
                array->type == branches[VALUE_BRANCH].type && !branches[VALUE_BRANCH].is_array;
    return fits ? array : NULL;
}

/* An array of scalars is a column of theirs, also one of more dimensions, and a map of texts is one; whatever else is
 * nested deeper is just nested. */
static void column_of_parts(const struct avro_type *type, const struct column *parts, struct column *column)
{
    if (column->type != COLUMN_NESTED)
        return;
    if (type->kind == AVRO_KIND_MAP && parts[0].type == COLUMN_STRING && !parts[0].is_array) {
        column->type = COLUMN_MAP;
    } else if (type->kind == AVRO_KIND_ARRAY && !parts[0].is_array && parts[0].type != COLUMN_NESTED) {
        *column = parts[0];
        column->is_array = true;
        column->dimensions = 1;
    } else if (type->kind == AVRO_KIND_ARRAY && type->children[0]->kind == AVRO_KIND_UNION && parts[0].is_array) {
        *column = parts[0];
        column->dimensions++;
    }
}

static enum rc plan_element(struct arena *arena, const char *name, const struct avro_type *type,
                            struct avro_field *ret_field, struct column *ret_column, struct err *err);

static enum rc plan_parts(struct arena *arena, const char *name, const struct avro_type *type, struct avro_field *field,
                          struct column *column, struct err *err)
{
    struct avro_field *parts = arena_array(arena, struct avro_field, type->n_children + 1);
    struct column *columns = arena_array(arena, struct column, type->n_children + 1);
    if (parts == NULL || columns == NULL)
        return plan_full(err);
    for (size_t i = 0; i < type->n_children; i++) {
        const char *part = type->kind == AVRO_KIND_RECORD ? type->labels[i] : name;
        TRY(type->kind == AVRO_KIND_ARRAY
                ? plan_element(arena, part, type->children[i], &parts[i], &columns[i], err)
                : avro_field_plan(arena, part, type->children[i], &parts[i], &columns[i], err));
    }
    field->parts = parts;
    field->part_columns = columns;
    if (type->n_children > 0)
        column_of_parts(type, columns, column);
    return RC_OK;
}

enum rc avro_field_plan(struct arena *arena, const char *name, const struct avro_type *type,
                        struct avro_field *ret_field, struct column *ret_column, struct err *err)
{
    struct avro_field field = {0};
    struct column column = {0};
    const struct avro_type *value = avro_nullable_type(type, &field.null_branch);
    if (value == NULL)
        return err_set(err, ERR_SCHEMA_UNSUPPORTED, "column \"%s\" is a union of more than null and one type", name);
    const struct meaning *meaning = meaning_of(value);
    if (meaning != NULL ? !plan_by_meaning(meaning, value, &field, &column) : !plan_by_kind(value, &field, &column))
        return err_set(err, ERR_SCHEMA_UNSUPPORTED, "column \"%s\" is of Avro type %s %s, which leat does not load",
                       name, avro_kind_name(value->kind), value->name);
    field.type = value;
    column.length = column.type == COLUMN_BITS ? value->notes.length : value->notes.source_length;
    column.source_type = *value->notes.source_type == '\0' ? NULL : value->notes.source_type;
    if (column.type == COLUMN_ENUM) {
        column.enum_labels = value->kind == AVRO_KIND_ENUM ? join_labels(arena, value) : value->notes.allowed;
        if (column.enum_labels == NULL)
            return plan_full(err);
    }
    if (field.op == FIELD_OP_NESTED)
        TRY(plan_parts(arena, name, value, &field, &column, err));
    column.name = name;
    column.optional = field.null_branch != AVRO_NO_NULL;
    *ret_field = field;
    *ret_column = column;
    return RC_OK;
}

/* Elements may be of several types, none of them a union again. The column says what they have in common. */
static enum rc plan_element(struct arena *arena, const char *name, const struct avro_type *type,
                            struct avro_field *ret_field, struct column *ret_column, struct err *err)
{
    uint8_t null_branch;
    if (avro_nullable_type(type, &null_branch) != NULL)
        return avro_field_plan(arena, name, type, ret_field, ret_column, err);
    struct avro_field *branches = arena_zalloc(arena, (type->n_children + 1) * sizeof(*branches));
    struct column *columns = arena_zalloc(arena, (type->n_children + 1) * sizeof(*columns));
    if (branches == NULL || columns == NULL)
        return plan_full(err);
    for (size_t i = 0; i < type->n_children; i++)
        if (type->children[i]->kind != AVRO_KIND_NULL)
            TRY(avro_field_plan(arena, name, type->children[i], &branches[i], &columns[i], err));
    const struct column *common = column_of_branches(type, columns);
    *ret_column = common != NULL ? *common : (struct column){.name = name, .type = COLUMN_NESTED};
    *ret_field = (struct avro_field){
        .op = FIELD_OP_UNION, .null_branch = AVRO_NO_NULL, .type = type, .parts = branches, .part_columns = columns};
    return RC_OK;
}

/* --- nested values --- */

static bool visit(const struct avro_field *field, const struct column *column, struct reader *r,
                  const struct avro_visitor *visitor, void *context);

/* Items that take no bytes could be told of without end. */
static bool visit_items(const struct avro_field *field, uint64_t count, struct reader *r,
                        const struct avro_visitor *visitor, void *context)
{
    bool is_map = field->type->kind == AVRO_KIND_MAP;
    if (count > reader_left(r))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (is_map)
            visitor->name(context, avro_get_bytes(r));
        if (!visit(&field->parts[0], &field->part_columns[0], r, visitor, context))
            return false;
    }
    return true;
}

static bool visit_blocks(const struct avro_field *field, struct reader *r, const struct avro_visitor *visitor,
                         void *context)
{
    for (;;) {
        int64_t count = avro_get_long(r);
        if (count == 0)
            return !reader_failed(r);
        if (count < 0) {
            if (count == INT64_MIN)
                return false;
            count = -count;
            avro_get_long(r); /* the block's size in bytes */
        }
        if (!visit_items(field, (uint64_t)count, r, visitor, context))
            return false;
    }
}

static bool visit_nested(const struct avro_field *field, struct reader *r, const struct avro_visitor *visitor,
                         void *context)
{
    const struct avro_type *type = field->type;
    visitor->open(context, type->kind == AVRO_KIND_ARRAY);
    if (type->kind != AVRO_KIND_RECORD) {
        if (!visit_blocks(field, r, visitor, context))
            return false;
    }
    for (size_t i = 0; type->kind == AVRO_KIND_RECORD && i < type->n_children; i++) {
        visitor->name(context, slice_of_str(type->labels[i]));
        if (!visit(&field->parts[i], &field->part_columns[i], r, visitor, context))
            return false;
    }
    visitor->close(context, type->kind == AVRO_KIND_ARRAY);
    return true;
}

static bool visit_branch(const struct avro_field *field, struct reader *r, const struct avro_visitor *visitor,
                         void *context)
{
    const struct avro_value null = {.kind = AVRO_VALUE_NULL};
    uint64_t branch = (uint64_t)avro_get_long(r);
    if (reader_failed(r) || branch >= field->type->n_children)
        return false;
    if (field->type->children[branch]->kind != AVRO_KIND_NULL)
        return visit(&field->parts[branch], &field->part_columns[branch], r, visitor, context);
    visitor->value(context, &field->part_columns[branch], &null);
    return true;
}

static bool visit(const struct avro_field *field, const struct column *column, struct reader *r,
                  const struct avro_visitor *visitor, void *context)
{
    struct avro_value value;
    if (field->op == FIELD_OP_UNION)
        return visit_branch(field, r, visitor, context);
    if (field->op != FIELD_OP_NESTED) {
        avro_field_read(field, r, &value);
    } else if (avro_read_branch(r, field->null_branch)) {
        return visit_nested(field, r, visitor, context);
    } else {
        value.kind = AVRO_VALUE_NULL;
    }
    if (reader_failed(r))
        return false;
    visitor->value(context, column, &value);
    return true;
}

bool avro_value_visit(const struct avro_value *value, const struct avro_visitor *visitor, void *context)
{
    struct reader r = reader_of(value->bytes);
    return visit_nested(value->field, &r, visitor, context) && !reader_failed(&r);
}
