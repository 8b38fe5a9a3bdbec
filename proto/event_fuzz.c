/* Input: one byte that chooses the schema, then a record. What is accepted must survive a round trip: its
 * rows, written again with the writer's functions, are read back as the same values. */
#include <math.h>
#include <stdlib.h>

#include "proto/event.h"

#include "../tests/unit/proto/shapes.h"

enum { N_SCHEMAS = 4, MAX_COLUMNS = 64, SCHEMA_MAX_BYTES = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct event_plan *plan_of_shape(const struct table_shape *shape)
{
    SCOPED(buf_done) struct buf schema = buf_new(SCHEMA_MAX_BYTES);
    struct event_plan *plan = NULL;
    struct err err;
    must(envelope_schema(&schema, shape, CONNECTOR_POSTGRESQL, &err) == RC_OK);
    must(event_plan_new((const char *)schema.ptr, schema.len, &plan, &err) == RC_OK);
    return plan;
}

static const struct event_plan *plan_of(uint8_t schema)
{
    static struct event_plan *plans[N_SCHEMAS];
    struct err err;
    if (plans[0] == NULL) {
        plans[0] = plan_of_shape(&bank_shape);
        plans[1] = plan_of_shape(&all_shape);
        must(event_plan_new(odd_schema, sizeof(odd_schema) - 1, &plans[2], &err) == RC_OK);
        plans[3] = plan_of_shape(&more_shape);
    }
    return plans[schema % N_SCHEMAS];
}

static bool same_value(const struct avro_value *a, const struct avro_value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case AVRO_VALUE_NULL: return true;
    case AVRO_VALUE_BOOL:
    case AVRO_VALUE_LONG: return a->i == b->i;
    case AVRO_VALUE_DOUBLE: return a->d == b->d || (isnan(a->d) && isnan(b->d));
    case AVRO_VALUE_NESTED:
    case AVRO_VALUE_BYTES: return slice_eq(a->bytes, b->bytes);
    case AVRO_VALUE_DECIMAL: return a->scale == b->scale && slice_eq(a->bytes, b->bytes);
    }
    return false;
}

static void put_value(struct buf *out, const struct column *column, const struct avro_value *value)
{
    if (column->optional && value->kind == AVRO_VALUE_NULL) {
        avro_put_null(out);
        return;
    }
    if (column->optional)
        avro_put_some(out);
    switch (value->kind) {
    case AVRO_VALUE_NULL: abort();
    case AVRO_VALUE_BOOL: avro_put_bool(out, value->i); break;
    case AVRO_VALUE_LONG: avro_put_long(out, value->i); break;
    case AVRO_VALUE_DOUBLE:
        if (value->is_float)
            avro_put_float(out, (float)value->d);
        else
            avro_put_double(out, value->d);
        break;
    case AVRO_VALUE_DECIMAL:
        if (column->type == COLUMN_VARIABLE_DECIMAL)
            avro_put_long(out, value->scale);
        avro_put_bytes(out, value->bytes);
        break;
    case AVRO_VALUE_BYTES: avro_put_bytes(out, value->bytes); break;
    case AVRO_VALUE_NESTED: buf_put_slice(out, value->bytes); break;
    }
}

static void put_row(struct buf *out, const struct table_shape *shape, bool present, const struct avro_value *row)
{
    if (!present) {
        avro_put_null(out);
        return;
    }
    avro_put_some(out);
    for (size_t i = 0; i < shape->n_columns; i++)
        put_value(out, &shape->columns[i], &row[i]);
}

static void check_row(const struct table_shape *shape, const struct avro_value *a, const struct avro_value *b)
{
    for (size_t i = 0; i < shape->n_columns; i++)
        must(same_value(&a[i], &b[i]));
}

/* For the schemas that our own encoder writes. */
static void check_round_trip(const struct event_plan *plan, const struct event *event, size_t size)
{
    const struct table_shape *shape = event_plan_shape(plan);
    const struct envelope_source source = {
        .connector = CONNECTOR_POSTGRESQL,
        .name = "bank",
        .database = "stori",
        .schema = "public",
        .table = "t",
        .commit_time_us = event->source_ts_us,
    };
    SCOPED(buf_done) struct buf record = buf_new(size + (1 << 16));
    struct envelope *envelope = envelope_new(&source, 1);
    must(envelope != NULL);
    envelope_begin(envelope, &record);
    put_row(&record, shape, event->has_before, event->before);
    put_row(&record, shape, event->has_after, event->after);
    envelope_end(envelope, &record, event->op, &source, 0);
    envelope_free(envelope);
    must(!record.failed);

    struct avro_value before[MAX_COLUMNS], after[MAX_COLUMNS];
    struct event again = {.before = before, .after = after};
    struct slice payload = {0};
    uint32_t id;
    struct err err;
    must(avro_unframe(buf_slice(&record), &id, &payload, &err) == RC_OK);
    must(event_decode(plan, payload, &again, &err) == RC_OK);
    must(again.op == event->op && again.source_ts_us == event->source_ts_us);
    must(again.has_before == event->has_before && again.has_after == event->has_after);
    if (event->has_before)
        check_row(shape, event->before, before);
    if (event->has_after)
        check_row(shape, event->after, after);
}

static void hear_bracket(void *context, bool is_array)
{
    *(int64_t *)context += is_array;
}

static void hear_name(void *context, struct slice name)
{
    *(int64_t *)context += name.len > 0 ? name.ptr[0] : 0;
}

static void hear_value(void *context, const struct column *column, const struct avro_value *value)
{
    bool has_bytes = value->kind == AVRO_VALUE_BYTES || value->kind == AVRO_VALUE_DECIMAL;
    *(int64_t *)context += column->type + (has_bytes && value->bytes.len > 0 ? value->bytes.ptr[0] : 0);
}

/* Whatever a nested value says, telling of it stays inside its bytes. */
static void take_apart(const struct event_plan *plan, bool present, const struct avro_value *row)
{
    static const struct avro_visitor visitor = {hear_bracket, hear_bracket, hear_name, hear_value};
    int64_t heard = 0;
    for (size_t i = 0; present && i < event_plan_shape(plan)->n_columns; i++)
        if (row[i].kind == AVRO_VALUE_NESTED)
            (void)!avro_value_visit(&row[i], &visitor, &heard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct event_plan *plan = plan_of(data[0]);
    struct avro_value before[MAX_COLUMNS], after[MAX_COLUMNS];
    struct event event = {.before = before, .after = after};
    struct err err;
    enum rc rc = event_decode(plan, slice_of(data + 1, size - 1), &event, &err);
    must(rc == RC_OK || (rc == RC_REJECT && err.code == ERR_AVRO_MALFORMED));
    if (rc == RC_OK) {
        take_apart(plan, event.has_before, before);
        take_apart(plan, event.has_after, after);
    }
    if (rc == RC_OK && data[0] % N_SCHEMAS < 2) /* the others' units are not the writer's */
        check_round_trip(plan, &event, size);
    return 0;
}
