/* Input: a schema as a registry may answer it, a zero byte, then the bytes of one value. What is accepted is read within its
 * bytes: passed over, and as a key, an event and every part of what is nested. */
#include <stdlib.h>

#include "base/arena.h"
#include "proto/avro_get.h"
#include "proto/avro_type.h"
#include "proto/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 16 << 20, MAX_COLUMNS = 2000 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void hear_bracket(void *context, bool is_array)
{
    *(size_t *)context += is_array;
}

static void hear_name(void *context, struct slice name)
{
    *(size_t *)context += name.len;
}

static void hear_value(void *context, const struct column *column, const struct avro_value *value)
{
    must(value->kind != AVRO_VALUE_NESTED);
    *(size_t *)context += (size_t)column->type;
}

static void visit_nested(const struct avro_value *values, size_t n)
{
    static const struct avro_visitor visitor = {hear_bracket, hear_bracket, hear_name, hear_value};
    size_t heard = 0;
    for (size_t i = 0; i < n; i++)
        if (values[i].kind == AVRO_VALUE_NESTED)
            (void)!avro_value_visit(&values[i], &visitor, &heard); /* items without bytes are refused there only */
}

static void skip_value(struct slice schema, struct slice payload)
{
    SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
    const struct avro_type *type;
    struct err err;
    struct reader r = reader_of(payload);
    if (avro_type_parse((const char *)schema.ptr, schema.len, arena, &type, &err) != RC_OK) {
        must(err.code == ERR_SCHEMA_UNSUPPORTED || err.code == ERR_MEMORY_LIMIT);
        return;
    }
    (void)avro_type_same(type, type);
    avro_type_skip(type, &r);
}

static void read_as_key(struct slice schema, struct slice payload)
{
    static struct avro_value values[MAX_COLUMNS];
    struct key_plan *plan;
    struct err err;
    if (key_plan_new((const char *)schema.ptr, schema.len, &plan, &err) != RC_OK)
        return;
    size_t n = key_plan_shape(plan)->n_columns;
    if (n <= MAX_COLUMNS && key_decode(plan, payload, values, &err) == RC_OK)
        visit_nested(values, n);
    key_plan_free(plan);
}

static void read_as_event(struct slice schema, struct slice payload)
{
    static struct avro_value before[MAX_COLUMNS], after[MAX_COLUMNS];
    struct event event = {.before = before, .after = after};
    struct event_plan *plan;
    struct err err;
    if (event_plan_new((const char *)schema.ptr, schema.len, &plan, &err) != RC_OK)
        return;
    size_t n = event_plan_shape(plan)->n_columns;
    if (n <= MAX_COLUMNS && event_decode(plan, payload, &event, &err) == RC_OK) {
        visit_nested(before, event.has_before ? n : 0);
        visit_nested(after, event.has_after ? n : 0);
    }
    event_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    struct slice schema = slice_of(data, zero == NULL ? size : (size_t)(zero - data)), payload = {0};
    if (zero != NULL)
        payload = slice_of(zero + 1, size - schema.len - 1);
    skip_value(schema, payload);
    read_as_key(schema, payload);
    read_as_event(schema, payload);
    return 0;
}
