/* Input: one byte that chooses a type and its modes, its first bit whether the schema has seen arrays of three
 * dimensions, then a value's text. What is accepted must be read back by a plan of
 * the schema that the type makes: all of it, and no more. */
#include <stdio.h>
#include <stdlib.h>

#include "capture/pg/types.h"
#include "proto/envelope.h"
#include "proto/event.h"

enum { SCHEMA_MAX_BYTES = 1 << 14, VALUE_ROOM = 1 << 12, DEEP = 0x80, DEEP_DIMENSIONS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

// clang-format off
#define PLAIN(type) {.oid = type, .typmod = -1}
#define ARRAY(type) {.oid = type, .typmod = -1, .is_array = true, .delimiter = ','}
#define NAMED(text) {.oid = 20000, .name = text, .typmod = -1}
#define DEFAULT     PG_TYPE_MODES_DEFAULT
/* New rows go to the end: the corpus counts them. */
static const struct {
    struct pg_type type;
    struct pg_type_modes modes;
} kinds[] = {
    {PLAIN(16), DEFAULT},   {PLAIN(17), DEFAULT},   {PLAIN(20), DEFAULT},   {PLAIN(21), DEFAULT},   {PLAIN(23), DEFAULT},
    {PLAIN(25), DEFAULT},   {PLAIN(26), DEFAULT},   {PLAIN(600), DEFAULT},  {PLAIN(700), DEFAULT},  {PLAIN(701), DEFAULT},
    {PLAIN(790), DEFAULT},  {PLAIN(1082), DEFAULT}, {PLAIN(1083), DEFAULT}, {PLAIN(1114), DEFAULT}, {PLAIN(1184), DEFAULT},
    {PLAIN(1186), DEFAULT}, {PLAIN(1266), DEFAULT}, {PLAIN(1562), DEFAULT}, {PLAIN(1700), DEFAULT}, {PLAIN(3802), DEFAULT},
    {{.oid = 1700, .typmod = ((10 << 16) | 2) + 4}, DEFAULT},
    {{.oid = 1083, .typmod = 3}, DEFAULT},
    {{.oid = 1114, .typmod = 3}, DEFAULT},
    {{.oid = 1560, .typmod = 1}, DEFAULT},
    {NAMED("hstore"), DEFAULT}, {NAMED("geometry"), DEFAULT}, {NAMED("vector"), DEFAULT}, {NAMED("halfvec"), DEFAULT},
    {NAMED("sparsevec"), DEFAULT},
    {NAMED("hstore"), {.hstore = PG_HSTORE_MAP}},
    {PLAIN(1700), {.decimal = PG_DECIMAL_DOUBLE}},
    {PLAIN(1700), {.decimal = PG_DECIMAL_STRING}},
    {PLAIN(790), {.decimal = PG_DECIMAL_DOUBLE}},
    {PLAIN(790), {.decimal = PG_DECIMAL_STRING}},
    {PLAIN(790), {.money_fraction_digits = 0}},
    {PLAIN(17), {.binary = PG_BINARY_BASE64}},
    {PLAIN(17), {.binary = PG_BINARY_HEX}},
    {PLAIN(1186), {.interval = PG_INTERVAL_STRING}},
    {PLAIN(1082), {.time = PG_TIME_ISOSTRING}},
    {PLAIN(1083), {.time = PG_TIME_ISOSTRING}},
    {PLAIN(1114), {.time = PG_TIME_ISOSTRING}},
    {PLAIN(1083), {.time = PG_TIME_NANOSECONDS}},
    {PLAIN(1114), {.time = PG_TIME_NANOSECONDS}},
    {PLAIN(1114), {.time = PG_TIME_CONNECT}},
    {ARRAY(23), DEFAULT}, {ARRAY(25), DEFAULT}, {ARRAY(17), DEFAULT}, {ARRAY(1700), DEFAULT}, {ARRAY(1114), DEFAULT},
    {ARRAY(701), DEFAULT}, {ARRAY(600), DEFAULT},
    {{.oid = 20000, .name = "hstore", .typmod = -1, .is_array = true, .delimiter = ','}, DEFAULT},
};
// clang-format on

/* A key of one column is the smallest record there is. */
static struct key_plan *plan_of(struct column *column)
{
    const struct table_shape shape = {"fuzz.public.t", column, 1, (const uint16_t[]){0}, 1};
    SCOPED(buf_done) struct buf schema = buf_new(SCHEMA_MAX_BYTES);
    struct key_plan *plan = NULL;
    struct err err;
    must(envelope_key_schema(&schema, &shape, &err) == RC_OK);
    must(key_plan_new((const char *)schema.ptr, schema.len, &plan, &err) == RC_OK);
    return plan;
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
    *(size_t *)context += column->optional && value->kind == AVRO_VALUE_NULL;
}

static void read_back(const struct key_plan *plan, struct slice encoded)
{
    static const struct avro_visitor visitor = {hear_bracket, hear_bracket, hear_name, hear_value};
    struct avro_value value;
    struct err err;
    size_t heard = 0;
    must(key_decode(plan, encoded, &value, &err) == RC_OK);
    if (value.kind == AVRO_VALUE_NESTED)
        must(avro_value_visit(&value, &visitor, &heard));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct key_plan *plans[2][ARRAY_LEN(kinds)];
    if (size == 0)
        return 0;
    bool deep = (data[0] & DEEP) != 0;
    size_t kind = (data[0] & ~DEEP) % ARRAY_LEN(kinds);
    struct column column = {.name = "c"};
    struct pg_encoder encoder = {.check_utf8 = true};
    SCOPED(buf_done) struct buf out = buf_new(8 * size + VALUE_ROOM);
    pg_type_describe(&kinds[kind].type, &kinds[kind].modes, &column, &encoder);
    if (deep && column.is_array && column_can_nest(&column))
        column.dimensions = encoder.dimensions = DEEP_DIMENSIONS;
    struct key_plan **plan = &plans[deep][kind];
    if (*plan == NULL)
        *plan = plan_of(&column);
    bool accepted = pg_encoder_put(&encoder, slice_of(data + 1, size - 1), &out);
    must(!out.failed);
    if (accepted)
        read_back(*plan, buf_slice(&out));
    buf_clear(&out);
    pg_encoder_put_zero(&encoder, &out);
    read_back(*plan, buf_slice(&out));
    buf_clear(&out);
    if (pg_encoder_put_unavailable(&encoder, &out))
        read_back(*plan, buf_slice(&out));
    return 0;
}
