#include "proto/event.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "proto/avro_get.h"
#include "proto/avro_type.h"

enum {
    PLAN_BYTES = 64 << 10, /* of a plan, and for each byte of its schema; address space, touched as it is used */
    PLAN_BYTES_A_BYTE = 64,
    NO_NULL = 255, /* not a union: there is no branch to read */
    VARIABLE_DECIMAL_FIELDS = 2,
};

/* How to read one value. */
enum value_op {
    VALUE_BOOL,
    VALUE_INT,
    VALUE_LONG,
    VALUE_FLOAT,
    VALUE_DOUBLE,
    VALUE_BYTES,
    VALUE_FIXED,
    VALUE_ENUM,
    VALUE_DECIMAL_BYTES,
    VALUE_DECIMAL_FIXED,
    VALUE_DECIMAL_VARIABLE, /* record {scale, value} */
    VALUE_DECIMAL_VARIABLE_SWAPPED,
};

struct value_plan {
    uint8_t op;
    uint8_t null_branch; /* 0 or 1: a union of null and the value; NO_NULL */
    int32_t scale;
    int32_t multiply, divide; /* LONG, INT: brings the source's unit to the column's; 0: as it is */
    const struct avro_type *type;
};

/* A row: the values of a record in their order, or one value that is no record. */
struct row_plan {
    const struct avro_type *type;
    struct value_plan *values;
    struct table_shape shape;
};

/* What to do with a field of the envelope or of its source block. */
enum field_role { FIELD_SKIP, FIELD_BEFORE, FIELD_AFTER, FIELD_SOURCE, FIELD_OP, FIELD_TS_US, FIELD_TS_MS };

struct field_plan {
    enum field_role role;
    uint8_t null_branch;
    const struct avro_type *type;
};

struct event_plan {
    struct arena *arena;
    struct row_plan row;
    const struct avro_type *envelope;
    struct field_plan *fields;
    const struct avro_type *source; /* NULL: none that we can read */
    struct field_plan *source_fields;
};

struct key_plan {
    struct arena *arena;
    struct row_plan row;
};

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
    enum value_op op;
    enum column_type type;
    bool readable;
} primitives[] = {
    [AVRO_KIND_BOOL]   = {VALUE_BOOL,   COLUMN_BOOL,   true},
    [AVRO_KIND_INT]    = {VALUE_INT,    COLUMN_INT32,  true},
    [AVRO_KIND_LONG]   = {VALUE_LONG,   COLUMN_INT64,  true},
    [AVRO_KIND_FLOAT]  = {VALUE_FLOAT,  COLUMN_FLOAT,  true},
    [AVRO_KIND_DOUBLE] = {VALUE_DOUBLE, COLUMN_DOUBLE, true},
    [AVRO_KIND_BYTES]  = {VALUE_BYTES,  COLUMN_BYTES,  true},
    [AVRO_KIND_STRING] = {VALUE_BYTES,  COLUMN_STRING, true},
    [AVRO_KIND_FIXED]  = {VALUE_FIXED,  COLUMN_BYTES,  true},
    [AVRO_KIND_ENUM]   = {VALUE_ENUM,   COLUMN_ENUM,   true},
    [AVRO_KIND_RECORD] = {0}, /* the largest kind: the table has them all */
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
static const struct avro_type *nullable_type(const struct avro_type *type, uint8_t *ret_null_branch)
{
    *ret_null_branch = NO_NULL;
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
    *ret_op = scale == 0 ? VALUE_DECIMAL_VARIABLE : VALUE_DECIMAL_VARIABLE_SWAPPED;
    return strcmp(type->labels[scale], "scale") == 0 && strcmp(type->labels[1 - scale], "value") == 0 &&
           type->children[scale]->kind == AVRO_KIND_INT && type->children[1 - scale]->kind == AVRO_KIND_BYTES;
}

static bool plan_by_meaning(const struct meaning *meaning, const struct avro_type *type, struct value_plan *plan,
                            struct column *column)
{
    column->type = meaning->type;
    plan->multiply = meaning->multiply;
    plan->divide = meaning->divide;
    if (meaning->type == COLUMN_VARIABLE_DECIMAL)
        return variable_decimal_op(type, &plan->op);
    plan->op = (uint8_t)primitives[type->kind].op;
    if (meaning->type == COLUMN_DECIMAL) {
        plan->op = type->kind == AVRO_KIND_FIXED ? VALUE_DECIMAL_FIXED : VALUE_DECIMAL_BYTES;
        plan->scale = column->scale = type->notes.scale;
        column->precision = type->notes.precision;
    }
    return true;
}

static bool plan_by_kind(const struct avro_type *type, struct value_plan *plan, struct column *column)
{
    if (!primitives[type->kind].readable)
        return false;
    plan->op = (uint8_t)primitives[type->kind].op;
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

static enum rc plan_value(struct arena *arena, const char *name, const struct avro_type *type, struct value_plan *plan,
                          struct column *column, struct err *err)
{
    *plan = (struct value_plan){0};
    *column = (struct column){.name = name};
    const struct avro_type *value = nullable_type(type, &plan->null_branch);
    if (value == NULL)
        return err_set(err, ERR_SCHEMA_UNSUPPORTED, "column \"%s\" is a union of more than null and one type", name);
    const struct meaning *meaning = meaning_of(value);
    if (meaning != NULL ? !plan_by_meaning(meaning, value, plan, column) : !plan_by_kind(value, plan, column))
        return err_set(err, ERR_SCHEMA_UNSUPPORTED, "column \"%s\" is of Avro type %s %s, which leat does not load",
                       name, avro_kind_name(value->kind), value->name);
    plan->type = value;
    column->optional = plan->null_branch != NO_NULL;
    column->length = value->notes.source_length;
    column->source_type = *value->notes.source_type == '\0' ? NULL : value->notes.source_type;
    if (column->type == COLUMN_ENUM) {
        column->enum_labels = value->kind == AVRO_KIND_ENUM ? join_labels(arena, value) : value->notes.allowed;
        if (column->enum_labels == NULL)
            return err_set(err, ERR_MEMORY_LIMIT, "the plan of a schema does not fit the memory kept for one");
    }
    return RC_OK;
}

static enum rc plan_row(struct arena *arena, const struct avro_type *type, struct row_plan *row, struct err *err)
{
    bool is_record = type->kind == AVRO_KIND_RECORD;
    size_t n = is_record ? type->n_children : 1;
    struct value_plan *values = arena_array(arena, struct value_plan, n + 1);
    struct column *columns = arena_array(arena, struct column, n + 1);
    if (values == NULL || columns == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "the plan of a schema does not fit the memory kept for one");
    for (size_t i = 0; i < n; i++)
        TRY(plan_value(arena, is_record ? type->labels[i] : "document", is_record ? type->children[i] : type,
                       &values[i], &columns[i], err));
    row->type = type;
    row->values = values;
    row->shape.columns = columns;
    row->shape.n_columns = n;
    return RC_OK;
}

/* --- plans --- */

static const struct {
    const char *name;
    enum field_role role;
} envelope_roles[] = {{"before", FIELD_BEFORE}, {"after", FIELD_AFTER}, {"source", FIELD_SOURCE}, {"op", FIELD_OP}},
  source_roles[] = {{"ts_us", FIELD_TS_US}, {"ts_ms", FIELD_TS_MS}};

static enum field_role role_of(const char *name, bool in_source)
{
    if (in_source) {
        for (size_t i = 0; i < ARRAY_LEN(source_roles); i++)
            if (strcmp(name, source_roles[i].name) == 0)
                return source_roles[i].role;
    } else {
        for (size_t i = 0; i < ARRAY_LEN(envelope_roles); i++)
            if (strcmp(name, envelope_roles[i].name) == 0)
                return envelope_roles[i].role;
    }
    return FIELD_SKIP;
}

static struct field_plan *plan_fields(struct arena *arena, const struct avro_type *record, bool in_source)
{
    struct field_plan *fields = arena_array(arena, struct field_plan, record->n_children + 1);
    for (size_t i = 0; fields != NULL && i < record->n_children; i++) {
        struct field_plan *field = &fields[i];
        field->type = nullable_type(record->children[i], &field->null_branch);
        field->role = role_of(record->labels[i], in_source);
        bool is_time = field->role == FIELD_TS_US || field->role == FIELD_TS_MS;
        bool wrong_time = is_time && (field->type == NULL || field->type->kind != AVRO_KIND_LONG);
        if (field->role == FIELD_SKIP || wrong_time) {
            *field = (struct field_plan){FIELD_SKIP, NO_NULL, record->children[i]};
        }
    }
    return fields;
}

static const struct field_plan *find_role(const struct event_plan *plan, enum field_role role)
{
    for (size_t i = 0; i < plan->envelope->n_children; i++)
        if (plan->fields[i].role == role)
            return &plan->fields[i];
    return NULL;
}

static enum rc not_an_envelope(struct err *err, const char *why)
{
    return err_set(err, ERR_SCHEMA_UNSUPPORTED, "the value's schema is not a change event's envelope: %s", why);
}

/* A row is a record, or a text: Debezium's MongoDB connector puts the document in as JSON. */
static enum rc check_envelope(const struct event_plan *plan, struct err *err)
{
    const struct field_plan *before = find_role(plan, FIELD_BEFORE), *after = find_role(plan, FIELD_AFTER);
    const struct field_plan *op = find_role(plan, FIELD_OP);
    if (before == NULL || after == NULL || op == NULL)
        return not_an_envelope(err, "it lacks \"before\", \"after\" or \"op\"");
    if (after->type == NULL || (after->type->kind != AVRO_KIND_RECORD && after->type->kind != AVRO_KIND_STRING))
        return not_an_envelope(err, "\"after\" is neither a record nor text");
    bool same = before->type != NULL && before->type->kind == after->type->kind &&
                (before->type == after->type || after->type->kind == AVRO_KIND_STRING);
    if (!same)
        return not_an_envelope(err, "\"before\" is of another type than \"after\"");
    if (op->type == NULL || op->type->kind != AVRO_KIND_STRING)
        return not_an_envelope(err, "\"op\" is not text");
    return RC_OK;
}

static enum rc plan_source(struct event_plan *plan, struct err *err)
{
    const struct field_plan *source = find_role(plan, FIELD_SOURCE);
    if (source == NULL)
        return RC_OK;
    if (source->type == NULL || source->type->kind != AVRO_KIND_RECORD)
        return not_an_envelope(err, "\"source\" is not a record");
    plan->source = source->type;
    plan->source_fields = plan_fields(plan->arena, source->type, true);
    if (plan->source_fields == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "the plan of a schema does not fit the memory kept for one");
    return RC_OK;
}

static enum rc plan_envelope(struct event_plan *plan, struct err *err)
{
    if (plan->envelope->kind != AVRO_KIND_RECORD)
        return not_an_envelope(err, "it is not a record");
    plan->fields = plan_fields(plan->arena, plan->envelope, false);
    if (plan->fields == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "the plan of a schema does not fit the memory kept for one");
    TRY(check_envelope(plan, err));
    TRY(plan_source(plan, err));
    TRY(plan_row(plan->arena, find_role(plan, FIELD_AFTER)->type, &plan->row, err));
    plan->row.shape.topic = plan->envelope->namespace;
    return RC_OK;
}

enum rc event_plan_new(const char *schema_json, size_t len, struct event_plan **ret_plan, struct err *err)
{
    struct event_plan *plan = calloc(1, sizeof(*plan));
    if (plan == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not allocate the plan of a schema");
    plan->arena = arena_new(PLAN_BYTES + PLAN_BYTES_A_BYTE * len);
    enum rc rc = avro_type_parse(schema_json, len, plan->arena, &plan->envelope, err);
    if (rc == RC_OK)
        rc = plan_envelope(plan, err);
    if (rc == RC_OK)
        *ret_plan = plan;
    else
        event_plan_free(plan);
    return rc;
}

void event_plan_free(struct event_plan *plan)
{
    if (plan == NULL)
        return;
    arena_free(plan->arena);
    free(plan);
}

const struct table_shape *event_plan_shape(const struct event_plan *plan)
{
    return &plan->row.shape;
}

static enum rc plan_key(struct key_plan *plan, const struct avro_type *type, struct err *err)
{
    if (type->kind != AVRO_KIND_RECORD)
        return err_set(err, ERR_SCHEMA_UNSUPPORTED, "the key's schema is a %s, not a record",
                       avro_kind_name(type->kind));
    TRY(plan_row(plan->arena, type, &plan->row, err));
    plan->row.shape.topic = type->namespace;
    return RC_OK;
}

enum rc key_plan_new(const char *schema_json, size_t len, struct key_plan **ret_plan, struct err *err)
{
    struct key_plan *plan = calloc(1, sizeof(*plan));
    if (plan == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not allocate the plan of a schema");
    plan->arena = arena_new(PLAN_BYTES + PLAN_BYTES_A_BYTE * len);
    const struct avro_type *type;
    enum rc rc = avro_type_parse(schema_json, len, plan->arena, &type, err);
    if (rc == RC_OK)
        rc = plan_key(plan, type, err);
    if (rc == RC_OK)
        *ret_plan = plan;
    else
        key_plan_free(plan);
    return rc;
}

void key_plan_free(struct key_plan *plan)
{
    if (plan == NULL)
        return;
    arena_free(plan->arena);
    free(plan);
}

const struct table_shape *key_plan_shape(const struct key_plan *plan)
{
    return &plan->row.shape;
}

/* --- decode --- */

/* False when the value is null. A branch that the union does not have fails the reader. */
static inline bool read_branch(struct reader *r, uint8_t null_branch)
{
    if (null_branch == NO_NULL)
        return true;
    int64_t branch = avro_get_long(r);
    if (UNLIKELY(branch != 0 && branch != 1)) {
        avro_get_fail(r);
        return false;
    }
    return branch != null_branch;
}

static int64_t convert_unit(int64_t value, const struct value_plan *plan, struct reader *r)
{
    if (plan->multiply != 0 && __builtin_mul_overflow(value, (int64_t)plan->multiply, &value))
        return avro_get_fail(r);
    if (plan->divide != 0)
        value = value / plan->divide - (value % plan->divide < 0); /* down, also before the epoch */
    return value;
}

static struct slice read_enum(struct reader *r, const struct avro_type *type)
{
    uint64_t symbol = (uint64_t)avro_get_int(r);
    if (symbol < type->n_labels)
        return slice_of_str(type->labels[symbol]);
    avro_get_fail(r);
    return (struct slice){0};
}

/* Even zero has one byte: a decimal without any is not a number. */
static void read_decimal(struct reader *r, struct slice bytes, int64_t scale, struct avro_value *ret)
{
    if (UNLIKELY(bytes.len == 0 || scale != (int32_t)scale))
        avro_get_fail(r);
    ret->kind = AVRO_VALUE_DECIMAL;
    ret->scale = (int32_t)scale;
    ret->bytes = bytes;
}

static void read_variable_decimal(struct reader *r, bool swapped, struct avro_value *ret)
{
    struct slice bytes = {0};
    if (swapped)
        bytes = avro_get_bytes(r);
    int64_t scale = avro_get_int(r);
    if (!swapped)
        bytes = avro_get_bytes(r);
    read_decimal(r, bytes, scale, ret);
}

static inline void read_value(struct reader *r, const struct value_plan *plan, struct avro_value *ret)
{
    if (!read_branch(r, plan->null_branch)) {
        ret->kind = AVRO_VALUE_NULL;
        return;
    }
    switch ((enum value_op)plan->op) {
    case VALUE_BOOL:
        ret->kind = AVRO_VALUE_BOOL;
        ret->i = avro_get_bool(r);
        break;
    case VALUE_INT:
    case VALUE_LONG:
        ret->kind = AVRO_VALUE_LONG;
        ret->i = plan->op == VALUE_INT ? avro_get_int(r) : avro_get_long(r);
        if (UNLIKELY((plan->multiply | plan->divide) != 0))
            ret->i = convert_unit(ret->i, plan, r);
        break;
    case VALUE_FLOAT:
        ret->kind = AVRO_VALUE_DOUBLE;
        ret->is_float = true;
        ret->d = (double)avro_get_float(r);
        break;
    case VALUE_DOUBLE:
        ret->kind = AVRO_VALUE_DOUBLE;
        ret->is_float = false;
        ret->d = avro_get_double(r);
        break;
    case VALUE_BYTES:
        ret->kind = AVRO_VALUE_BYTES;
        ret->bytes = avro_get_bytes(r);
        break;
    case VALUE_FIXED:
        ret->kind = AVRO_VALUE_BYTES;
        ret->bytes = reader_bytes(r, plan->type->size);
        break;
    case VALUE_ENUM:
        ret->kind = AVRO_VALUE_BYTES;
        ret->bytes = read_enum(r, plan->type);
        break;
    case VALUE_DECIMAL_BYTES: read_decimal(r, avro_get_bytes(r), plan->scale, ret); break;
    case VALUE_DECIMAL_FIXED: read_decimal(r, reader_bytes(r, plan->type->size), plan->scale, ret); break;
    case VALUE_DECIMAL_VARIABLE: read_variable_decimal(r, false, ret); break;
    case VALUE_DECIMAL_VARIABLE_SWAPPED: read_variable_decimal(r, true, ret); break;
    }
}

/* Sets ret_bad to the first column that does not match, when the reader fails here. */
static void read_row(struct reader *r, const struct row_plan *row, struct avro_value *values, const char **ret_bad)
{
    if (reader_failed(r))
        return;
    for (size_t i = 0; i < row->shape.n_columns; i++) {
        read_value(r, &row->values[i], &values[i]);
        if (UNLIKELY(reader_failed(r))) {
            *ret_bad = row->shape.columns[i].name;
            return;
        }
    }
}

static int64_t read_source(struct reader *r, const struct event_plan *plan)
{
    int64_t us = 0;
    bool exact = false;
    for (size_t i = 0; i < plan->source->n_children; i++) {
        const struct field_plan *field = &plan->source_fields[i];
        if (field->role == FIELD_SKIP) {
            avro_type_skip(field->type, r);
            continue;
        }
        if (!read_branch(r, field->null_branch))
            continue;
        int64_t value = avro_get_long(r);
        if (field->role == FIELD_TS_US) {
            us = value;
            exact = true;
        } else if (!exact && __builtin_mul_overflow(value, (int64_t)US_PER_MS, &us)) {
            us = 0;
        }
    }
    return us;
}

static enum envelope_op read_op(struct reader *r)
{
    struct slice text = avro_get_bytes(r);
    if (text.len == 1)
        switch (text.ptr[0]) {
        case OP_CREATE:
        case OP_UPDATE:
        case OP_DELETE:
        case OP_READ:
        case OP_TRUNCATE: return (enum envelope_op)text.ptr[0];
        default: break;
        }
    avro_get_fail(r);
    return 0;
}

static void read_field(struct reader *r, const struct event_plan *plan, const struct field_plan *field,
                       struct event *event, const char **ret_bad)
{
    if (field->role == FIELD_SKIP) {
        avro_type_skip(field->type, r);
        return;
    }
    if (!read_branch(r, field->null_branch))
        return;
    switch (field->role) {
    case FIELD_BEFORE:
        event->has_before = true;
        read_row(r, &plan->row, event->before, ret_bad);
        break;
    case FIELD_AFTER:
        event->has_after = true;
        read_row(r, &plan->row, event->after, ret_bad);
        break;
    case FIELD_SOURCE: event->source_ts_us = read_source(r, plan); break;
    case FIELD_OP: event->op = read_op(r); break;
    case FIELD_SKIP:
    case FIELD_TS_US:
    case FIELD_TS_MS: break;
    }
}

enum rc event_decode(const struct event_plan *plan, struct slice payload, struct event *ret_event, struct err *err)
{
    struct reader r = reader_of(payload);
    struct event event = {.before = ret_event->before, .after = ret_event->after};
    const struct avro_type *envelope = plan->envelope;
    for (size_t i = 0; i < envelope->n_children; i++) {
        const char *bad = NULL;
        read_field(&r, plan, &plan->fields[i], &event, &bad);
        if (UNLIKELY(reader_failed(&r)))
            return err_set(err, ERR_AVRO_MALFORMED, "the event does not match its schema in \"%s%s%s\"",
                           envelope->labels[i], bad == NULL ? "" : ".", bad == NULL ? "" : bad);
    }
    TRY(reader_end(&r, ERR_AVRO_MALFORMED, err));
    if (UNLIKELY(event.op == 0))
        return err_set(err, ERR_AVRO_MALFORMED, "the event's \"op\" is null");
    *ret_event = event;
    return RC_OK;
}

enum rc key_decode(const struct key_plan *plan, struct slice payload, struct avro_value *ret_values, struct err *err)
{
    struct reader r = reader_of(payload);
    const char *bad = NULL;
    read_row(&r, &plan->row, ret_values, &bad);
    if (UNLIKELY(reader_failed(&r)))
        return err_set(err, ERR_AVRO_MALFORMED, "the key does not match its schema in \"%s\"", bad);
    return reader_end(&r, ERR_AVRO_MALFORMED, err);
}

enum rc avro_unframe(struct slice record, uint32_t *ret_schema_id, struct slice *ret_payload, struct err *err)
{
    struct reader r = reader_of(record);
    uint8_t magic = reader_u8(&r);
    uint32_t schema_id = reader_u32(&r);
    if (reader_failed(&r))
        return err_set(err, ERR_AVRO_MALFORMED, "a record of %zu bytes is too short for a schema id", record.len);
    if (magic != 0)
        return err_set(err, ERR_AVRO_MALFORMED, "a record starts with %#x instead of Confluent's magic 0", magic);
    *ret_schema_id = schema_id;
    *ret_payload = slice_of(r.ptr, reader_left(&r));
    return RC_OK;
}
