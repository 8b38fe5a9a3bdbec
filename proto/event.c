#include "proto/event.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "proto/avro_field.h"
#include "proto/avro_get.h"

enum {
    PLAN_BYTES = 64 << 10, /* of a plan, and for each byte of its schema; address space, touched as it is used */
    PLAN_BYTES_A_BYTE = 64,
};

/* A row: the values of a record in their order, or one value that is no record. */
struct row_plan {
    const struct avro_type *type;
    struct avro_field *values;
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

static enum rc plan_row(struct arena *arena, const struct avro_type *type, struct row_plan *row, struct err *err)
{
    bool is_record = type->kind == AVRO_KIND_RECORD;
    size_t n = is_record ? type->n_children : 1;
    struct avro_field *values = arena_array(arena, struct avro_field, n + 1);
    struct column *columns = arena_array(arena, struct column, n + 1);
    if (values == NULL || columns == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "the plan of a schema does not fit the memory kept for one");
    for (size_t i = 0; i < n; i++)
        TRY(avro_field_plan(arena, is_record ? type->labels[i] : "document", is_record ? type->children[i] : type,
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
        field->type = avro_nullable_type(record->children[i], &field->null_branch);
        field->role = role_of(record->labels[i], in_source);
        bool is_time = field->role == FIELD_TS_US || field->role == FIELD_TS_MS;
        bool wrong_time = is_time && (field->type == NULL || field->type->kind != AVRO_KIND_LONG);
        if (field->role == FIELD_SKIP || wrong_time) {
            *field = (struct field_plan){FIELD_SKIP, AVRO_NO_NULL, record->children[i]};
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

/* Sets ret_bad to the first column that does not match, when the reader fails here. */
static void read_row(struct reader *r, const struct row_plan *row, struct avro_value *values, const char **ret_bad)
{
    if (reader_failed(r))
        return;
    for (size_t i = 0; i < row->shape.n_columns; i++) {
        avro_field_read(&row->values[i], r, &values[i]);
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
        if (!avro_read_branch(r, field->null_branch))
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
    if (!avro_read_branch(r, field->null_branch))
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
