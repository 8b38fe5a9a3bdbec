#include "test.h"

#include <stdlib.h>

#include "proto/avro_oracle.h"
#include "proto/event.h"
#include "proto/row.h"
#include "proto/shapes.h"

enum { SCHEMA_MAX_BYTES = 1 << 20, RECORD_MAX_BYTES = 1 << 16, MAX_COLUMNS = 64, CORPUS_MAX_BYTES = 4096 };

static const struct envelope_source pg_source = {
    .connector = CONNECTOR_POSTGRESQL,
    .name = "bank",
    .database = "stori",
    .schema = "public",
    .table = "transactions",
    .commit_time_us = 1795459547123456,
    .transaction_id = 7781,
    .lsn = 0x16B374848,
};
static const int64_t NOW_US = 1795459547999999;

static struct event_plan *plan_of(const char *schema_json)
{
    struct event_plan *plan = NULL;
    struct err err;
    ASSERT_OK(event_plan_new(schema_json, strlen(schema_json), &plan, &err), &err);
    return plan;
}

static struct event_plan *plan_of_shape(const struct table_shape *shape, enum connector connector)
{
    SCOPED(buf_done) struct buf schema = buf_new(SCHEMA_MAX_BYTES);
    struct err err;
    ASSERT_OK(envelope_schema(&schema, shape, connector, &err), &err);
    return plan_of(buf_cstr(&schema));
}

static void put_event(struct buf *out, const struct table_shape *shape, enum envelope_op op, const bool nulls[2])
{
    struct envelope *envelope = envelope_new(&pg_source, 1);
    envelope_begin(envelope, out);
    if (op == OP_UPDATE || op == OP_DELETE)
        row_put(out, shape, nulls[0]);
    else
        avro_put_null(out);
    if (op == OP_DELETE || op == OP_TRUNCATE)
        avro_put_null(out);
    else
        row_put(out, shape, nulls[1]);
    envelope_end(envelope, out, op, &pg_source, NOW_US);
    envelope_free(envelope);
}

static struct slice payload_of(const struct buf *record)
{
    struct slice payload = {0};
    uint32_t id;
    struct err err;
    ASSERT_OK(avro_unframe(buf_slice(record), &id, &payload, &err), &err);
    return payload;
}

static void check_slice(struct slice want, struct slice got, const char *what)
{
    if (!slice_eq(want, got))
        fail_msg("%s: want %zu bytes, got %zu, or they differ", what, want.len, got.len);
}

static void check_decimal(const char *unscaled, size_t len, int32_t scale, const struct avro_value *got,
                          const char *what)
{
    CHECK_EQ(AVRO_VALUE_DECIMAL, got->kind, what);
    CHECK_EQ(scale, got->scale, what);
    check_slice(slice_of(unscaled, len), got->bytes, what);
}

static void check_long(int64_t want, const struct avro_value *got, const char *what)
{
    CHECK_EQ(AVRO_VALUE_LONG, got->kind, what);
    CHECK_EQ(want, got->i, what);
}

/* What row_put_value put. */
static void check_value(const struct column *column, const struct avro_value *got)
{
    const char *name = column->name;
    switch (column->type) {
    case COLUMN_BOOL:
        CHECK_EQ(AVRO_VALUE_BOOL, got->kind, name);
        CHECK_EQ(1, got->i, name);
        break;
    case COLUMN_INT16: check_long(-32768, got, name); break;
    case COLUMN_INT32: check_long(INT32_MIN, got, name); break;
    case COLUMN_INT64: check_long(INT64_MIN, got, name); break;
    case COLUMN_FLOAT:
    case COLUMN_DOUBLE:
        CHECK_EQ(AVRO_VALUE_DOUBLE, got->kind, name);
        CHECK_EQ(column->type == COLUMN_FLOAT, got->is_float, name);
        assert_true(got->d == (column->type == COLUMN_FLOAT ? 1.25 : -2.5e300));
        break;
    case COLUMN_DECIMAL: check_decimal("\xb6\x69\xfd\x2e", 4, 2, got, name); break;
    case COLUMN_VARIABLE_DECIMAL: check_decimal("\x0a\0\0\0\0\0\0\0\5", 9, 1, got, name); break;
    case COLUMN_BYTES:
        CHECK_EQ(AVRO_VALUE_BYTES, got->kind, name);
        check_slice(slice_of("\0\xff", 2), got->bytes, name);
        break;
    case COLUMN_DATE: check_long(-719162, got, name); break;
    case COLUMN_TIME_US: check_long(INT64_C(86399999999), got, name); break;
    case COLUMN_TIMESTAMP_US: check_long(INT64_C(-62135596800000000), got, name); break;
    case COLUMN_TIMESTAMP_MS: check_long(INT64_C(1795459547123), got, name); break;
    case COLUMN_INTERVAL_US: check_long(-1, got, name); break;
    case COLUMN_STRING:
    case COLUMN_UUID:
    case COLUMN_JSON:
    case COLUMN_XML:
    case COLUMN_ENUM:
    case COLUMN_ZONED_TIME:
    case COLUMN_ZONED_TIMESTAMP:
        CHECK_EQ(AVRO_VALUE_BYTES, got->kind, name);
        check_slice(slice_of_str("caf\xc3\xa9"), got->bytes, name);
        break;
    default: fail_msg("%s is of a type that all_shape does not have", name);
    }
}

static void check_row(const struct table_shape *shape, bool nulls, const struct avro_value *got)
{
    for (size_t i = 0; i < shape->n_columns; i++)
        if (shape->columns[i].optional && nulls)
            CHECK_EQ(AVRO_VALUE_NULL, got[i].kind, shape->columns[i].name);
        else
            check_value(&shape->columns[i], &got[i]);
}

static void our_own_events_are_read_with_every_type(void **state)
{
    (void)state;
    struct event_plan *plan = plan_of_shape(&all_shape, CONNECTOR_POSTGRESQL);
    for (int nulls = 0; nulls < 2; nulls++) {
        SCOPED(buf_done) struct buf record = buf_new(RECORD_MAX_BYTES);
        struct avro_value before[MAX_COLUMNS], after[MAX_COLUMNS];
        struct event event = {.before = before, .after = after};
        struct err err;
        put_event(&record, &all_shape, OP_UPDATE, (bool[]){nulls, !nulls});
        ASSERT_OK(event_decode(plan, payload_of(&record), &event, &err), &err);
        CHECK_EQ('u', event.op, "op");
        CHECK_EQ(pg_source.commit_time_us, event.source_ts_us, "commit time");
        CHECK_EQ(true, event.has_before && event.has_after, "both rows");
        check_row(&all_shape, nulls, before);
        check_row(&all_shape, !nulls, after);
    }
    event_plan_free(plan);
    event_plan_free(NULL);
}

/* What a visitor is told, as text: scalars by their kind's number. */
static void told_open(void *context, bool is_array)
{
    buf_put_u8(context, is_array ? '[' : '{');
}

static void told_close(void *context, bool is_array)
{
    buf_put_u8(context, is_array ? ']' : '}');
}

static void told_name(void *context, struct slice name)
{
    buf_put_slice(context, name);
    buf_put_u8(context, ':');
}

static void told_value(void *context, const struct column *column, const struct avro_value *value)
{
    (void)column;
    if (value->kind == AVRO_VALUE_LONG)
        buf_printf(context, "%" PRId64 " ", value->i);
    else if (value->kind == AVRO_VALUE_DOUBLE)
        buf_printf(context, "%g ", value->d);
    else
        buf_printf(context, "%s ", value->kind == AVRO_VALUE_NULL ? "null" : "bytes");
}

static void nested_values_are_told_in_their_order(void **state)
{
    (void)state;
    static const struct avro_visitor visitor = {told_open, told_close, told_name, told_value};
    static const struct {
        const char *column;
        enum column_type type;
        bool is_array;
        const char *want;
    } told[] = {
        {"a_point", COLUMN_POINT, false, "{x:1.5 y:-2 wkb:null srid:null }"},
        {"o_geom", COLUMN_GEOMETRY, false, "{wkb:bytes srid:4326 }"},
        {"a_geog", COLUMN_GEOGRAPHY, false, "{wkb:bytes srid:4326 }"},
        {"a_dvec", COLUMN_DOUBLE_VECTOR, false, "[0.1 ]"},
        {"o_fvec", COLUMN_FLOAT_VECTOR, false, "[0.1 ]"},
        {"a_svec", COLUMN_SPARSE_VECTOR, false, "{dimensions:5 vector:[{key:3 value:0.5 }]}"},
        {"o_map", COLUMN_MAP, false, "{a\"b:bytes e:null }"},
        {"a_ints", COLUMN_INT32, true, "[-2147483648 null ]"},
        {"o_decs", COLUMN_DECIMAL, true, "[bytes null ]"},
        {"a_vdecs", COLUMN_VARIABLE_DECIMAL, true, "[bytes null ]"},
        {"a_points", COLUMN_POINT, true, "[{x:1.5 y:-2 wkb:null srid:null }null ]"},
        {"a_maps", COLUMN_MAP, true, "[{a\"b:bytes e:null }null ]"},
    };
    SCOPED(buf_done) struct buf record = buf_new(RECORD_MAX_BYTES);
    struct event_plan *plan = plan_of_shape(&more_shape, CONNECTOR_POSTGRESQL);
    const struct table_shape *shape = event_plan_shape(plan);
    struct avro_value before[MORE_COLUMNS], after[MORE_COLUMNS];
    struct event event = {.before = before, .after = after};
    struct err err;
    put_event(&record, &more_shape, OP_CREATE, (bool[]){false, false});
    ASSERT_OK(event_decode(plan, payload_of(&record), &event, &err), &err);
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        size_t at = 0;
        while (strcmp(shape->columns[at].name, told[i].column) != 0)
            at++;
        SCOPED(buf_done) struct buf out = buf_new(4096);
        bool is_told = after[at].kind == AVRO_VALUE_NESTED && avro_value_visit(&after[at], &visitor, &out);
        CHECK_EQ(true, is_told, told[i].column);
        CHECK_STR(told[i].want, buf_cstr(&out), told[i].column);
        CHECK_EQ(told[i].type, shape->columns[at].type, told[i].column);
        CHECK_EQ(told[i].is_array, shape->columns[at].is_array, told[i].column);
    }
    event_plan_free(plan);
}

static void each_operation_has_its_rows(void **state)
{
    (void)state;
    static const struct {
        enum envelope_op op;
        bool before, after;
    } operations[] = {{OP_CREATE, false, true},
                      {OP_UPDATE, true, true},
                      {OP_DELETE, true, false},
                      {OP_READ, false, true},
                      {OP_TRUNCATE, false, false}};
    struct event_plan *plan = plan_of_shape(&bank_shape, CONNECTOR_POSTGRESQL);
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        SCOPED(buf_done) struct buf record = buf_new(RECORD_MAX_BYTES);
        struct avro_value before[MAX_COLUMNS], after[MAX_COLUMNS];
        struct event event = {.before = before, .after = after};
        struct err err;
        put_event(&record, &bank_shape, operations[i].op, (bool[2]){false, false});
        ASSERT_OK(event_decode(plan, payload_of(&record), &event, &err), &err);
        CHECK_EQ(operations[i].op, event.op, "op");
        CHECK_EQ(operations[i].before, event.has_before, "before");
        CHECK_EQ(operations[i].after, event.has_after, "after");
    }
    event_plan_free(plan);
}

static void check_column(const struct column *want, const struct column *got)
{
    CHECK_STR(want->name, got->name, "name");
    CHECK_EQ(want->type, got->type, want->name);
    CHECK_EQ(want->optional, got->optional, want->name);
    CHECK_EQ(want->precision, got->precision, want->name);
    CHECK_EQ(want->scale, got->scale, want->name);
    CHECK_EQ(want->length == INT32_MAX ? 0 : want->length, got->length, want->name);
    CHECK_STR(want->source_type == NULL ? "" : want->source_type, got->source_type == NULL ? "" : got->source_type,
              want->name);
    CHECK_STR(want->enum_labels == NULL ? "" : want->enum_labels, got->enum_labels == NULL ? "" : got->enum_labels,
              want->name);
}

static void the_shape_survives_its_schema(void **state)
{
    (void)state;
    static const enum connector connectors[] = {CONNECTOR_POSTGRESQL, CONNECTOR_DOCUMENTDB};
    const struct table_shape *shapes[] = {&all_shape, &bank_shape};
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct event_plan *plan = plan_of_shape(shapes[i], connectors[i]);
        const struct table_shape *got = event_plan_shape(plan);
        CHECK_STR(shapes[i]->topic, got->topic, "topic");
        CHECK_EQ(shapes[i]->n_columns, got->n_columns, "columns");
        CHECK_EQ(0, got->n_key_columns, "no key");
        for (size_t c = 0; c < got->n_columns; c++)
            check_column(&shapes[i]->columns[c], &got->columns[c]);
        event_plan_free(plan);
    }
}

/* --- an envelope with everything in it --- */

static void put_odd_row(struct buf *out)
{
    avro_put_long(out, 1); /* kind GREEN */
    avro_put_long(out, 0); /* hash: null is branch 1 */
    buf_put(out, "\1\2\3", 3);
    buf_put(out, "\xff\xff\xff\xfe", 4); /* price */
    avro_put_some(out);                  /* rate: value, then scale */
    avro_put_bytes(out, slice_of("\x7f", 1));
    avro_put_long(out, -3);
    avro_put_long(out, 86399999); /* opens, milliseconds */
    avro_put_long(out, 0);        /* seen */
    avro_put_long(out, -1001);    /* nanoseconds */
    avro_put_long(out, -128);     /* tiny */
}

static void put_list(struct buf *out, int depth)
{
    for (int i = 0; i < depth; i++) {
        avro_put_some(out);
        avro_put_long(out, i);
    }
    avro_put_null(out);
}

static void put_odd_arrays(struct buf *out)
{
    avro_put_long(out, 2); /* a block of two: null, "x" */
    avro_put_long(out, 0);
    avro_put_long(out, 1);
    avro_put_str(out, "x");
    avro_put_long(out, -2); /* a block that tells its size: a double, an array */
    avro_put_long(out, 1 + 8 + 1 + 4);
    avro_put_long(out, 2);
    avro_put_double(out, 1.5);
    avro_put_long(out, 3);
    avro_put_long(out, 2);
    avro_put_long(out, 1);
    avro_put_long(out, 2);
    avro_put_long(out, 0);
    avro_put_long(out, 0); /* the end */
}

static void put_odd_maps(struct buf *out)
{
    avro_put_long(out, 1);
    avro_put_str(out, "key");
    avro_put_long(out, 1);
    avro_put_str(out, "inner");
    avro_put_bytes(out, slice_of("\0", 1));
    avro_put_long(out, 0);
    avro_put_long(out, 0);
}

static void put_odd_event(struct buf *out, int list_depth, int64_t n_nothings)
{
    buf_put(out, "\7\7\7", 3);
    avro_put_long(out, 0);
    avro_put_str(out, "d");
    put_odd_arrays(out);
    avro_put_long(out, 1); /* after: null */
    put_odd_maps(out);
    avro_put_long(out, n_nothings); /* records without a byte */
    if (n_nothings != 0)
        avro_put_long(out, 0);
    avro_put_some(out); /* source */
    avro_put_float(out, 2.5f);
    avro_put_long(out, 0);
    avro_put_some(out);
    avro_put_long(out, -5); /* ts_ms */
    avro_put_bool(out, true);
    put_list(out, list_depth);
    avro_put_some(out); /* before */
    put_odd_row(out);
}

static void an_envelope_of_any_order_with_unknown_fields_is_read(void **state)
{
    (void)state;
    struct event_plan *plan = plan_of(odd_schema);
    SCOPED(buf_done) struct buf out = buf_new(RECORD_MAX_BYTES);
    struct avro_value before[MAX_COLUMNS], after[MAX_COLUMNS];
    struct event event = {.before = before, .after = after};
    struct err err;
    avro_put_frame(&out, 1);
    put_odd_event(&out, 3, 1000);

    struct oracle oracle;
    oracle_open(&oracle, slice_of_str(odd_schema));
    oracle_read(&oracle, buf_slice(&out));
    oracle_close(&oracle);

    ASSERT_OK(event_decode(plan, payload_of(&out), &event, &err), &err);
    CHECK_EQ('d', event.op, "op");
    CHECK_EQ(true, event.has_before, "before");
    CHECK_EQ(false, event.has_after, "after");
    CHECK_EQ(-5000, event.source_ts_us, "milliseconds where there are no microseconds");
    check_slice(slice_of_str("GREEN"), before[0].bytes, "an enum is its symbol");
    check_slice(slice_of("\1\2\3", 3), before[1].bytes, "a fixed is its bytes");
    check_decimal("\xff\xff\xff\xfe", 4, 3, &before[2], "a fixed decimal");
    check_decimal("\x7f", 1, -3, &before[3], "a variable decimal with its fields exchanged");
    check_long(INT64_C(86399999000), &before[4], "milliseconds become microseconds");
    check_long(-2, &before[5], "nanoseconds become microseconds, rounded down");
    check_long(-128, &before[6], "int8");

    const struct table_shape *shape = event_plan_shape(plan);
    static const struct column want[] = {
        {.name = "kind", .type = COLUMN_ENUM, .enum_labels = "RED,GREEN"},
        {.name = "hash", .type = COLUMN_BYTES, .optional = true},
        {.name = "price", .type = COLUMN_DECIMAL, .precision = 9, .scale = 3},
        {.name = "rate", .type = COLUMN_VARIABLE_DECIMAL, .optional = true},
        {.name = "opens", .type = COLUMN_TIME_US},
        {.name = "seen", .type = COLUMN_TIMESTAMP_US, .optional = true},
        {.name = "tiny", .type = COLUMN_INT16},
    };
    CHECK_STR("odd.ns", shape->topic, "topic");
    CHECK_EQ(ARRAY_LEN(want), shape->n_columns, "columns");
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        check_column(&want[i], &shape->columns[i]);
    event_plan_free(plan);
}

static enum rc decode_odd(const struct buf *out, struct err *err)
{
    struct event_plan *plan = plan_of(odd_schema);
    struct avro_value before[MAX_COLUMNS], after[MAX_COLUMNS];
    struct event event = {.before = before, .after = after};
    enum rc rc = event_decode(plan, buf_slice(out), &event, err);
    event_plan_free(plan);
    return rc;
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        int depth;
        enum rc want;
    } cases[] = {{"a short list is skipped", 20, RC_OK}, {"a deep one is refused", 20000, RC_REJECT}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED(buf_done) struct buf out = buf_new(1 << 20);
        struct err err = {0};
        put_odd_event(&out, cases[i].depth, 0);
        CHECK_EQ(cases[i].want, decode_odd(&out, &err), cases[i].behaviour);
    }
}

static void items_without_a_byte_cost_no_time(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = buf_new(RECORD_MAX_BYTES);
    struct err err = {0};
    put_odd_event(&out, 0, INT64_MAX);
    CHECK_EQ(RC_OK, decode_odd(&out, &err), "a block of 2^63-1 nothings");
}

/* --- malformed --- */

/* {before: null | {n: int, s: string?, b: boolean, d: decimal}, after: the same, op, list: array of string,
 * m: map of long} */
static const char small_schema[] =
    "{\"type\":\"record\",\"name\":\"Envelope\",\"fields\":["
    "{\"name\":\"before\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"V\",\"fields\":["
    "{\"name\":\"n\",\"type\":\"int\"},{\"name\":\"s\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"b\",\"type\":\"boolean\"},"
    "{\"name\":\"d\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}}]}]},"
    "{\"name\":\"after\",\"type\":[\"null\",\"V\"]},{\"name\":\"op\",\"type\":\"string\"},"
    "{\"name\":\"list\",\"type\":{\"type\":\"array\",\"items\":\"string\"}},"
    "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"long\"}}]}";

// clang-format off
static const struct {
    const char *behaviour, *hex;
    enum rc want;
    const char *says;
} payloads[] = {
    {"a whole record is read",                  "00 02 0e 02 0278 01 0201 0263 00 00",    RC_OK, ""},
    {"nothing at all",                          "",                                       RC_REJECT, "\"before\""},
    {"a branch that the union does not have",   "04",                                     RC_REJECT, "\"before\""},
    {"a negative branch",                       "01",                                     RC_REJECT, "\"before\""},
    {"an int beyond 32 bits",                   "00 02 ffffffff7f 02 0278 01 0201 0263 00 00", RC_REJECT, "\"after.n\""},
    {"a varint of eleven bytes",                "00 02 8080808080808080808001",           RC_REJECT, "\"after.n\""},
    {"a varint of more than 64 bits",           "00 02 ffffffffffffffffff02",             RC_REJECT, "\"after.n\""},
    {"a string longer than the record",         "00 02 0e 02 ff01 78",                    RC_REJECT, "\"after.s\""},
    {"a string of the largest length",          "00 02 0e 02 feffffffffffffffff01 78",    RC_REJECT, "\"after.s\""},
    {"a string of negative length",             "00 02 0e 02 01 78",                      RC_REJECT, "\"after.s\""},
    {"a boolean that is 2",                     "00 02 0e 02 0278 02 0201 0263 00 00",    RC_REJECT, "\"after.b\""},
    {"a decimal without a byte",                "00 02 0e 02 0278 01 00 0263 00 00",      RC_REJECT, "\"after.d\""},
    {"an operation of two letters",             "00 00 046363 00 00",                     RC_REJECT, "\"op\""},
    {"an operation that nobody knows",          "00 00 027a 00 00",                       RC_REJECT, "\"op\""},
    {"an empty operation",                      "00 00 00 00 00",                         RC_REJECT, "\"op\""},
    {"a block count larger than the record",    "00 00 0263 ffffffff0f",                  RC_REJECT, "\"list\""},
    {"a list without its end",                  "00 00 0263 02 0278",                     RC_REJECT, "\"list\""},
    {"a sized block is passed over",            "00 00 0263 01 04 0278 00 00",            RC_OK, ""},
    {"a sized block longer than the record",    "00 00 0263 01 7e 0278 00 00",            RC_REJECT, "\"list\""},
    {"a sized block of negative size",          "00 00 0263 01 01 0278 00 00",            RC_REJECT, "\"list\""},
    {"the smallest block count",                "00 00 0263 ffffffffffffffffff01 00 00 00", RC_OK, ""},
    {"a map is skipped",                        "00 00 0263 00 02 0278 08 00",            RC_OK, ""},
    {"a map cut in its value",                  "00 00 0263 00 02 0278 88",               RC_REJECT, "\"m\""},
    {"a byte too many",                         "00 00 0263 00 00 00",                    RC_REJECT, "1 bytes too many"},
};
// clang-format on

static size_t bytes_of_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned byte;
    int used;
    while (sscanf(hex, " %2x%n", &byte, &used) == 1) {
        out[n++] = (uint8_t)byte;
        hex += used;
    }
    return n;
}

static void a_record_that_does_not_match_is_rejected_and_the_field_is_named(void **state)
{
    (void)state;
    struct event_plan *plan = plan_of(small_schema);
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        struct avro_value before[4], after[4];
        struct event event = {.before = before, .after = after};
        struct err err = {0};
        uint8_t bytes[64];
        size_t len = bytes_of_hex(payloads[i].hex, bytes);
        uint8_t *exact = malloc(len + 1); /* so that the sanitizer sees a read past the end */
        assert_non_null(exact);
        memcpy(exact, bytes, len);
        CHECK_EQ(payloads[i].want, event_decode(plan, slice_of(exact, len), &event, &err), payloads[i].behaviour);
        if (strstr(err.msg, payloads[i].says) == NULL)
            fail_msg("%s: \"%s\" does not say %s", payloads[i].behaviour, err.msg, payloads[i].says);
        if (payloads[i].want != RC_OK)
            CHECK_EQ(ERR_AVRO_MALFORMED, err.code, payloads[i].behaviour);
        free(exact);
    }
    event_plan_free(plan);
}

static void every_cut_of_a_record_is_rejected(void **state)
{
    (void)state;
    struct event_plan *plan = plan_of_shape(&all_shape, CONNECTOR_POSTGRESQL);
    SCOPED(buf_done) struct buf record = buf_new(RECORD_MAX_BYTES);
    put_event(&record, &all_shape, OP_UPDATE, (bool[]){false, true});
    struct slice payload = payload_of(&record);
    for (size_t len = 0; len < payload.len; len++) {
        struct avro_value before[MAX_COLUMNS], after[MAX_COLUMNS];
        struct event event = {.before = before, .after = after};
        struct err err;
        uint8_t *exact = malloc(len + 1);
        assert_non_null(exact);
        memcpy(exact, payload.ptr, len);
        CHECK_EQ(RC_REJECT, event_decode(plan, slice_of(exact, len), &event, &err), "a cut record");
        free(exact);
    }
    event_plan_free(plan);
}

static void no_changed_byte_breaks_the_decoder(void **state)
{
    (void)state;
    struct event_plan *plan = plan_of_shape(&all_shape, CONNECTOR_POSTGRESQL);
    SCOPED(buf_done) struct buf record = buf_new(RECORD_MAX_BYTES);
    put_event(&record, &all_shape, OP_UPDATE, (bool[]){false, true});
    static const uint8_t changes[] = {0x01, 0x02, 0x7f, 0x80, 0xff};
    for (size_t at = AVRO_FRAME_BYTES; at < record.len; at++)
        for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
            struct avro_value before[MAX_COLUMNS], after[MAX_COLUMNS];
            struct event event = {.before = before, .after = after};
            struct err err;
            record.ptr[at] ^= changes[i];
            enum rc rc = event_decode(plan, payload_of(&record), &event, &err);
            CHECK_EQ(true, rc == RC_OK || rc == RC_REJECT, "read or rejected");
            record.ptr[at] ^= changes[i];
        }
    event_plan_free(plan);
}

/* --- schemas --- */

#define ENVELOPE(before, after, op)                                                                                    \
    "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"before\",\"type\":" before                            \
    "},{\"name\":\"after\",\"type\":" after "},{\"name\":\"op\",\"type\":" op "}]}"
#define ROW(type)          "[\"null\",{\"type\":\"record\",\"name\":\"V\",\"fields\":[{\"name\":\"col\",\"type\":" type "}]}]"
#define ROW_ENVELOPE(type) ENVELOPE(ROW(type), "[\"null\",\"V\"]", "\"string\"")

// clang-format off
static const struct {
    const char *behaviour, *schema, *says;
} bad_schemas[] = {
    {"no JSON",                         "{\"type\":",                                    "is not JSON"},
    {"nothing",                         "",                                              "is not JSON"},
    {"a number",                        "7",                                             "there is no type"},
    {"a primitive",                     "\"string\"",                                    "it is not a record"},
    {"an unknown type",                 ROW_ENVELOPE("\"Ghost\""),                       "unknown type \"Ghost\""},
    {"a record without fields",         "{\"type\":\"record\",\"name\":\"E\"}",          "has no fields"},
    {"a record without a name",         "{\"type\":\"record\",\"fields\":[]}",           "has no name"},
    {"a row event's value alone",       "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"id\",\"type\":\"int\"}]}", "it lacks"},
    {"rows of two different records",   ENVELOPE(ROW("\"int\""), "[\"null\",{\"type\":\"record\",\"name\":\"W\",\"fields\":[]}]", "\"string\""), "of another type"},
    {"a row that is a number",          ENVELOPE("\"int\"", "\"int\"", "\"string\""),    "neither a record nor text"},
    {"an operation that is a number",   ENVELOPE(ROW("\"int\""), "[\"null\",\"V\"]", "\"int\""), "\"op\" is not text"},
    {"a column of three types",         ROW_ENVELOPE("[\"null\",\"int\",\"string\"]"),   "union of more than null and one"},
    {"a column that is only null",      ROW_ENVELOPE("\"null\""),                        "Avro type null"},
    {"a column without a null",         ROW_ENVELOPE("[\"int\",\"string\"]"),            "union of more than null and one"},
    {"a fixed without a size",          ROW_ENVELOPE("{\"type\":\"fixed\",\"name\":\"F\"}"), "has no size"},
    {"a fixed of negative size",        ROW_ENVELOPE("{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}"), "has no size"},
    {"a record that holds itself",      "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"e\",\"type\":\"E\"}]}", "contains itself"},
    {"two types of one name",           "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"e\",\"type\":{\"type\":\"fixed\",\"name\":\"E\",\"size\":1}}]}", "defined twice"},
    {"a variable decimal of another form", ROW_ENVELOPE("{\"type\":\"record\",\"name\":\"io.debezium.data.VariableScaleDecimal\",\"fields\":[{\"name\":\"scale\",\"type\":\"long\"},{\"name\":\"value\",\"type\":\"bytes\"}]}"), "which leat does not load"},
};
// clang-format on

static void a_schema_that_is_no_envelope_is_refused_with_the_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_schemas); i++) {
        struct event_plan *plan = NULL;
        struct err err = {0};
        CHECK_EQ(RC_FATAL, event_plan_new(bad_schemas[i].schema, strlen(bad_schemas[i].schema), &plan, &err),
                 bad_schemas[i].behaviour);
        CHECK_EQ(ERR_SCHEMA_UNSUPPORTED, err.code, bad_schemas[i].behaviour);
        if (strstr(err.msg, bad_schemas[i].says) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", bad_schemas[i].behaviour, err.msg, bad_schemas[i].says);
    }
}

static void a_schema_nested_without_end_is_refused(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf schema = buf_new(1 << 20);
    for (int i = 0; i < 1500; i++)
        buf_put_str(&schema, "{\"type\":\"array\",\"items\":");
    buf_put_str(&schema, "\"int\"");
    for (int i = 0; i < 1500; i++)
        buf_put_u8(&schema, '}');
    struct event_plan *plan = NULL;
    struct err err = {0};
    CHECK_EQ(RC_FATAL, event_plan_new((const char *)schema.ptr, schema.len, &plan, &err), "rc");
    assert_non_null(strstr(err.msg, "nested too deeply"));
}

/* One column of each foreign type. */
// clang-format off
static const struct {
    const char *behaviour, *type;
    enum column_type want;
} foreign_types[] = {
    {"Avro's date",                    "{\"type\":\"int\",\"logicalType\":\"date\"}",                  COLUMN_DATE},
    {"Avro's time-millis",             "{\"type\":\"int\",\"logicalType\":\"time-millis\"}",           COLUMN_TIME_US},
    {"Avro's time-micros",             "{\"type\":\"long\",\"logicalType\":\"time-micros\"}",          COLUMN_TIME_US},
    {"Avro's timestamp-millis",        "{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}",     COLUMN_TIMESTAMP_MS},
    {"Avro's timestamp-micros",        "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}",     COLUMN_TIMESTAMP_US},
    {"Avro's uuid",                    "{\"type\":\"string\",\"logicalType\":\"uuid\"}",               COLUMN_UUID},
    {"a logical type of another kind", "{\"type\":\"long\",\"logicalType\":\"date\"}",                 COLUMN_INT64},
    {"Connect's Date",                 "{\"type\":\"int\",\"connect.name\":\"org.apache.kafka.connect.data.Date\",\"logicalType\":\"date\"}", COLUMN_DATE},
    {"Connect's Timestamp",            "{\"type\":\"long\",\"connect.name\":\"org.apache.kafka.connect.data.Timestamp\"}", COLUMN_TIMESTAMP_MS},
    {"a year",                         "{\"type\":\"int\",\"connect.name\":\"io.debezium.time.Year\"}", COLUMN_INT32},
    {"an unknown name is its primitive", "{\"type\":\"string\",\"connect.name\":\"com.example.Thing\"}", COLUMN_STRING},
    {"a type in a type",               "{\"type\":{\"type\":\"long\",\"connect.name\":\"io.debezium.time.MicroTime\"}}", COLUMN_TIME_US},
    {"bits",                           "{\"type\":\"bytes\",\"connect.name\":\"io.debezium.data.Bits\"}", COLUMN_BITS},
    {"a default with a zero character", "{\"type\":\"bytes\",\"connect.default\":\"\\u0000\"}",        COLUMN_BYTES},
};
// clang-format on

static void foreign_types_find_their_columns(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(foreign_types); i++) {
        SCOPED(buf_done) struct buf schema = buf_new(SCHEMA_MAX_BYTES);
        buf_printf(&schema, "%s%s%s",
                   "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"before\",\"type\":[\"null\",{\"type\":"
                   "\"record\",\"name\":\"V\",\"fields\":[{\"name\":\"col\",\"type\":",
                   foreign_types[i].type,
                   "}]}]},{\"name\":\"after\",\"type\":[\"null\",\"V\"]},{\"name\":\"op\",\"type\":\"string\"}]}");
        struct event_plan *plan = plan_of(buf_cstr(&schema));
        CHECK_EQ(foreign_types[i].want, event_plan_shape(plan)->columns[0].type, foreign_types[i].behaviour);
        event_plan_free(plan);
    }
}

static void debeziums_document_as_text_is_one_column(void **state)
{
    (void)state;
    static const char schema[] = ENVELOPE("[\"null\",{\"type\":\"string\",\"connect.name\":\"io.debezium.data.Json\"}]",
                                          "[\"null\",{\"type\":\"string\",\"connect.name\":\"io.debezium.data.Json\"}]",
                                          "\"string\"");
    struct event_plan *plan = plan_of(schema);
    SCOPED(buf_done) struct buf out = buf_new(RECORD_MAX_BYTES);
    struct avro_value before[1], after[1];
    struct event event = {.before = before, .after = after};
    struct err err;
    avro_put_null(&out);
    avro_put_some(&out);
    avro_put_str(&out, "{\"_id\":1}");
    avro_put_str(&out, "c");
    ASSERT_OK(event_decode(plan, buf_slice(&out), &event, &err), &err);
    CHECK_EQ(1, event_plan_shape(plan)->n_columns, "columns");
    CHECK_STR("document", event_plan_shape(plan)->columns[0].name, "name");
    CHECK_EQ(COLUMN_JSON, event_plan_shape(plan)->columns[0].type, "type");
    check_slice(slice_of_str("{\"_id\":1}"), after[0].bytes, "document");
    event_plan_free(plan);
}

static void a_table_of_1600_columns_has_a_plan(void **state)
{
    (void)state;
    enum { WIDEST = 1600 };
    static struct column columns[WIDEST];
    static char names[WIDEST][8];
    for (size_t i = 0; i < WIDEST; i++) {
        snprintf(names[i], sizeof(names[i]), "c%zu", i);
        columns[i] = (struct column){.name = names[i],
                                     .type = all_columns[i % all_shape.n_columns].type,
                                     .optional = true,
                                     .precision = 5,
                                     .enum_labels = "a"};
    }
    const struct table_shape shape = {"t", columns, WIDEST, NULL, 0};
    struct event_plan *plan = plan_of_shape(&shape, CONNECTOR_POSTGRESQL);
    const struct table_shape *got = event_plan_shape(plan);
    CHECK_EQ(WIDEST, got->n_columns, "columns");
    for (size_t i = 0; i < WIDEST; i++)
        CHECK_EQ(columns[i].type, got->columns[i].type, names[i]);
    event_plan_free(plan);
}

/* Debezium's own schema, with what its connector adds beyond our shape, is read too. */
static void debeziums_own_schema_is_read(void **state)
{
    (void)state;
    char schema[1 << 14];
    FILE *file = fopen("unit/proto/debezium/postgresql_all_types.avsc", "rb");
    assert_non_null(file);
    size_t len = fread(schema, 1, sizeof(schema), file);
    fclose(file);
    struct event_plan *plan = NULL;
    struct err err;
    ASSERT_OK(event_plan_new(schema, len, &plan, &err), &err);
    const struct table_shape *got = event_plan_shape(plan);
    for (size_t i = 0; i < got->n_columns; i++)
        check_column(&all_shape.columns[i], &got->columns[i]);
    event_plan_free(plan);
}

/* --- keys, framing --- */

static void a_key_is_read_back(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf schema = buf_new(SCHEMA_MAX_BYTES);
    SCOPED(buf_done) struct buf out = buf_new(RECORD_MAX_BYTES);
    struct key_plan *plan = NULL;
    struct avro_value values[2];
    struct err err;
    ASSERT_OK(envelope_key_schema(&schema, &all_shape, &err), &err);
    ASSERT_OK(key_plan_new((const char *)schema.ptr, schema.len, &plan, &err), &err);
    CHECK_EQ(2, key_plan_shape(plan)->n_columns, "columns");
    for (size_t i = 0; i < 2; i++) {
        check_column(&all_shape.columns[all_shape.key_columns[i]], &key_plan_shape(plan)->columns[i]);
        row_put_value(&out, all_shape.columns[all_shape.key_columns[i]].type);
    }
    ASSERT_OK(key_decode(plan, buf_slice(&out), values, &err), &err);
    for (size_t i = 0; i < 2; i++)
        check_value(&key_plan_shape(plan)->columns[i], &values[i]);
    CHECK_EQ(RC_REJECT, key_decode(plan, slice_of(out.ptr, out.len - 1), values, &err), "a cut key");
    assert_non_null(strstr(err.msg, "\"a_uuid\""));
    buf_put_u8(&out, 0);
    CHECK_EQ(RC_REJECT, key_decode(plan, buf_slice(&out), values, &err), "a byte too many");
    key_plan_free(plan);
    key_plan_free(NULL);
    CHECK_EQ(RC_FATAL, key_plan_new("\"long\"", 6, &plan, &err), "a key that is no record");
    CHECK_EQ(ERR_SCHEMA_UNSUPPORTED, err.code, "a key that is no record");
}

static void framing_is_confluents(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *hex;
        enum rc want;
    } frames[] = {
        {"an id and a payload", "00 ffffffff 07", RC_OK},
        {"an empty payload", "00 ffffffff", RC_OK},
        {"another magic", "01 ffffffff 07", RC_REJECT},
        {"too short for an id", "00 ffffff", RC_REJECT},
        {"nothing", "", RC_REJECT},
    };
    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        uint8_t bytes[8];
        size_t len = bytes_of_hex(frames[i].hex, bytes);
        uint32_t id = 0;
        struct slice payload;
        struct err err;
        CHECK_EQ(frames[i].want, avro_unframe(slice_of(bytes, len), &id, &payload, &err), frames[i].behaviour);
        if (frames[i].want == RC_OK) {
            CHECK_EQ(UINT32_MAX, id, frames[i].behaviour);
            CHECK_EQ(len - 5, payload.len, frames[i].behaviour);
        }
    }
}

/* --- corpus --- */

/* tests/corpus/event holds real encodings for the fuzz target: its first byte chooses the schema. With
 * LEAT_WRITE_CORPUS=1 in the environment this writes them anew; without, they must be there. */
static void keep_in_corpus(const char *name, uint8_t schema, struct slice payload)
{
    char path[128];
    snprintf(path, sizeof(path), "corpus/event/%s", name);
    if (getenv("LEAT_WRITE_CORPUS") != NULL) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(1, fwrite(&schema, 1, 1, file));
        assert_int_equal(payload.len, fwrite(payload.ptr, 1, payload.len, file));
        fclose(file);
    }
    uint8_t bytes[CORPUS_MAX_BYTES];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s is missing", path);
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    CHECK_EQ(schema, len > 0 ? bytes[0] : 255, name);
    CHECK_EQ(payload.len, len - 1, name);
}

static void the_corpus_holds_real_encodings(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const struct table_shape *shape;
        uint8_t schema;
        enum envelope_op op;
        bool nulls;
    } events[] = {
        {"bank_create", &bank_shape, 0, OP_CREATE, false},   {"bank_update", &bank_shape, 0, OP_UPDATE, true},
        {"bank_delete", &bank_shape, 0, OP_DELETE, false},   {"bank_truncate", &bank_shape, 0, OP_TRUNCATE, false},
        {"types_update", &all_shape, 1, OP_UPDATE, false},   {"types_nulls", &all_shape, 1, OP_READ, true},
        {"nested_create", &more_shape, 3, OP_CREATE, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        SCOPED(buf_done) struct buf record = buf_new(RECORD_MAX_BYTES);
        put_event(&record, events[i].shape, events[i].op, (bool[]){events[i].nulls, events[i].nulls});
        keep_in_corpus(events[i].name, events[i].schema, payload_of(&record));
    }
    SCOPED(buf_done) struct buf odd = buf_new(RECORD_MAX_BYTES);
    put_odd_event(&odd, 3, 1000);
    keep_in_corpus("odd", 2, buf_slice(&odd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_events_are_read_with_every_type),
        cmocka_unit_test(nested_values_are_told_in_their_order),
        cmocka_unit_test(each_operation_has_its_rows),
        cmocka_unit_test(the_shape_survives_its_schema),
        cmocka_unit_test(an_envelope_of_any_order_with_unknown_fields_is_read),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(items_without_a_byte_cost_no_time),
        cmocka_unit_test(a_record_that_does_not_match_is_rejected_and_the_field_is_named),
        cmocka_unit_test(every_cut_of_a_record_is_rejected),
        cmocka_unit_test(no_changed_byte_breaks_the_decoder),
        cmocka_unit_test(a_schema_that_is_no_envelope_is_refused_with_the_place),
        cmocka_unit_test(a_schema_nested_without_end_is_refused),
        cmocka_unit_test(foreign_types_find_their_columns),
        cmocka_unit_test(debeziums_document_as_text_is_one_column),
        cmocka_unit_test(a_table_of_1600_columns_has_a_plan),
        cmocka_unit_test(debeziums_own_schema_is_read),
        cmocka_unit_test(a_key_is_read_back),
        cmocka_unit_test(framing_is_confluents),
        cmocka_unit_test(the_corpus_holds_real_encodings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
