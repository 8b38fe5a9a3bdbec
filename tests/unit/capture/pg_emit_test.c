/* From an announced table and a row's text to the records of a batch, read back by proto/event.h. */
#include "test.h"

#include <stdlib.h>

#include "capture/pg/emit.h"
#include "proto/event.h"

static struct pgoutput_relation announced; /* large */
static struct pgoutput_msg msg;

#define FACTS(column, required, primary, identity)                                                                     \
    {                                                                                                                  \
        .name = (column), .not_null = (required), .primary_position = (primary), .identity_position = (identity)       \
    }
static const struct pg_column_facts column_facts[] = {FACTS("b", true, 2, 0), FACTS("a", true, 1, 0),
                                                      FACTS("name", true, 0, 0), FACTS("big", false, 0, 0),
                                                      FACTS("n", false, 0, 0)};
static const struct pg_type_facts type_facts[] = {
    {23, {.oid = 23, .typmod = -1, .name = "int4"}},
    {25, {.oid = 25, .typmod = -1, .name = "text"}},
    {90000, {.oid = 1700, .typmod = ((10 << 16) | 2) + 4, .name = "numeric", .is_domain = true}},
};
static const struct pg_table_facts facts = {column_facts, ARRAY_LEN(column_facts), type_facts, ARRAY_LEN(type_facts)};
static const struct config_string_list all_tables;
static const struct pg_relation_options options = {
    .prefix = "bank", .tables = &all_tables, .modes = PG_TYPE_MODES_DEFAULT};

/* (b int, a int, name text not null, big text, n a domain over numeric(10,2)), primary key (a, b) */
static struct pg_relation *relation_of(uint8_t replica_identity)
{
    struct err err = {0};
    struct pg_relation *relation;
    announced.id = 7;
    announced.schema = "public";
    announced.name = "t";
    announced.replica_identity = replica_identity;
    announced.n_columns = 5;
    announced.columns[0] = (struct pgoutput_column){1, "b", 23, -1};
    announced.columns[1] = (struct pgoutput_column){1, "a", 23, -1};
    announced.columns[2] = (struct pgoutput_column){replica_identity == 'f', "name", 25, -1};
    announced.columns[3] = (struct pgoutput_column){replica_identity == 'f', "big", 25, -1};
    announced.columns[4] = (struct pgoutput_column){replica_identity == 'f', "n", 90000, -1};
    ASSERT_OK(pg_relation_compile(&announced, &facts, &options, &relation, &err), &err);
    const struct envelope_source source = {
        .connector = CONNECTOR_POSTGRESQL, .name = "bank", .database = "db", .schema = "public", .table = "t"};
    relation->value_schema_id = 11;
    relation->key_schema_id = 12;
    relation->topic_index = 3;
    relation->envelope = envelope_new(&source, relation->value_schema_id);
    return relation;
}

/* "1|2|x|~|?": ~ null, ? unchanged */
static void tuple_of(struct pgoutput_tuple *tuple, const char *text)
{
    tuple->n = 0;
    for (;;) {
        size_t len = strcspn(text, "|");
        struct pgoutput_value value = {PGOUTPUT_TUPLE_TEXT, slice_of(text, len)};
        if (len == 1 && (*text == '~' || *text == '?'))
            value = (struct pgoutput_value){*text == '~' ? PGOUTPUT_TUPLE_NULL : PGOUTPUT_TUPLE_UNCHANGED_TOAST, {0}};
        tuple->values[tuple->n++] = value;
        if (text[len] == '\0')
            return;
        text += len + 1;
    }
}

/* int4_send(), numeric_send() of what the cases have. */
static struct slice int4_of(struct slice text)
{
    static uint8_t numbers[10][4];
    uint8_t *bytes = numbers[text.ptr[0] - '0'];
    CHECK_EQ(1, text.len, "a digit is enough here");
    bytes[3] = (uint8_t)(text.ptr[0] - '0');
    return slice_of(bytes, 4);
}

static struct slice numeric_of(struct slice text)
{
    static const uint8_t one_and_a_half[] = {0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 0x13, 0x88}, nan[8] = {[4] = 0xc0};
    return slice_eq_str(text, "NaN") ? slice_of(nan, sizeof(nan)) : slice_of(one_and_a_half, sizeof(one_and_a_half));
}

/* The same row as a server sends it with option binary. */
static void make_binary(struct pgoutput_tuple *tuple)
{
    for (size_t i = 0; i < tuple->n; i++) {
        struct pgoutput_value *value = &tuple->values[i];
        if (value->kind != PGOUTPUT_TUPLE_TEXT)
            continue;
        value->kind = PGOUTPUT_TUPLE_BINARY;
        value->bytes = i < 2 ? int4_of(value->bytes) : i == 4 ? numeric_of(value->bytes) : value->bytes;
    }
}

struct fixture {
    struct pg_relation *relation;
    struct pg_emitter emitter;
    struct batch *batch;
    struct event_plan *plan;
    struct key_plan *key_plan;
};

static struct fixture fixture_of(uint8_t replica_identity)
{
    struct err err = {0};
    struct fixture f = {.relation = relation_of(replica_identity), .batch = batch_new(1 << 20)};
    struct buf schema = buf_new(1 << 20);
    f.emitter = (struct pg_emitter){.source = "core",
                                    .prefix = "bank",
                                    .rejects_topic = 9,
                                    .tombstones = true,
                                    .origin = buf_new(1 << 10),
                                    .scratch = buf_new(1 << 20),
                                    .major = 100,
                                    .xid = 5,
                                    .lsn = 90,
                                    .commit_time_us = 1000,
                                    .now_us = 2000};
    ASSERT_OK(envelope_schema(&schema, &f.relation->shape, CONNECTOR_POSTGRESQL, &err), &err);
    ASSERT_OK(event_plan_new((const char *)schema.ptr, schema.len, &f.plan, &err), &err);
    buf_clear(&schema);
    ASSERT_OK(envelope_key_schema(&schema, &f.relation->shape, &err), &err);
    ASSERT_OK(key_plan_new((const char *)schema.ptr, schema.len, &f.key_plan, &err), &err);
    buf_done(&schema);
    return f;
}

static void fixture_done(struct fixture *f)
{
    pg_relation_free(f->relation);
    batch_free(f->batch);
    buf_done(&f->emitter.scratch);
    buf_done(&f->emitter.origin);
    event_plan_free(f->plan);
    key_plan_free(f->key_plan);
}

static void put_avro_value(struct buf *out, const struct avro_value *value)
{
    switch (value->kind) {
    case AVRO_VALUE_NULL: buf_put_str(out, "~"); break;
    case AVRO_VALUE_LONG: buf_printf(out, "%lld", (long long)value->i); break;
    case AVRO_VALUE_BYTES: buf_put_slice(out, value->bytes); break;
    case AVRO_VALUE_DECIMAL: /* small ones are enough here */
        buf_printf(out, "%d",
                   value->bytes.len == 1 ? (int8_t)value->bytes.ptr[0]
                                         : (int)(int8_t)value->bytes.ptr[0] * 256 + value->bytes.ptr[1]);
        break;
    default: buf_put_str(out, "!"); break;
    }
}

static void put_image(struct buf *out, const struct avro_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_u8(out, '|');
        put_avro_value(out, &values[i]);
    }
}

static void put_key(struct buf *out, const struct fixture *f, struct slice framed)
{
    struct err err = {0};
    struct avro_value values[2];
    struct slice payload;
    uint32_t id;
    ASSERT_OK(avro_unframe(framed, &id, &payload, &err), &err);
    CHECK_EQ(12, id, "key schema id");
    ASSERT_OK(key_decode(f->key_plan, payload, values, &err), &err);
    put_image(out, values, 2);
}

/* "op key [before] [after] unchanged=.. moved=.. +tombstone @ordinal; ..." */
static const char *described(const struct fixture *f)
{
    static struct buf out;
    struct err err = {0};
    buf_done(&out);
    out = buf_new(1 << 16);
    for (size_t i = 0; i < f->batch->n_records; i++) {
        const struct batch_record *record = &f->batch->records[i];
        struct avro_value before[5], after[5];
        struct event event = {.before = before, .after = after};
        struct slice payload;
        uint32_t id;
        if (i > 0)
            buf_put_str(&out, "; ");
        if (record->topic == f->emitter.rejects_topic) {
            buf_printf(&out, "reject %.*s @%d", SLICE_ARG(record->key), (int)record->pos.minor);
            continue;
        }
        ASSERT_OK(avro_unframe(record->value, &id, &payload, &err), &err);
        CHECK_EQ(11, id, "value schema id");
        ASSERT_OK(event_decode(f->plan, payload, &event, &err), &err);
        buf_printf(&out, "%c ", (int)event.op);
        if (record->key.len == 0)
            buf_put_str(&out, "-");
        else
            put_key(&out, f, record->key);
        buf_put_str(&out, " [");
        if (event.has_before)
            put_image(&out, before, 5);
        buf_put_str(&out, "] [");
        if (event.has_after)
            put_image(&out, after, 5);
        buf_put_str(&out, "]");
        if (record->unchanged.len > 0)
            buf_printf(&out, " unchanged=%02x", record->unchanged.ptr[0]);
        if (record->moved_from.len > 0) {
            buf_put_str(&out, " moved=");
            put_key(&out, f, record->moved_from);
        }
        if (record->other_key.len > 0)
            buf_printf(&out, " %s=%.*s", record->moved_from.len > 0 ? "old" : "new", SLICE_ARG(record->other_key));
        buf_printf(&out, "%s @%d", record->tombstone_follows ? " +tombstone" : "", (int)record->pos.minor);
        CHECK_EQ(100, record->pos.major, "position");
    }
    return buf_cstr(&out);
}

static const struct {
    const char *behaviour;
    uint8_t identity;
    char type;
    uint8_t old;
    const char *old_row, *new_row, *want;
} cases[] = {
    {"an insert", 'd', 'I', 0, NULL, "1|2|x|y|1.50", "c 2|1 [] [1|2|x|y|150] @0"},
    {"an insert with nulls", 'd', 'I', 0, NULL, "1|2||~|~", "c 2|1 [] [1|2||~|~] @0"},
    {"an update tells nothing of before", 'd', 'U', 0, NULL, "1|2|z|y|~", "u 2|1 [] [1|2|z|y|~] @0"},
    {"an unchanged toast value is marked, not told", 'd', 'U', 0, NULL, "1|2|z|?|~",
     "u 2|1 [] [1|2|z|__debezium_unavailable_value|~] unchanged=08 @0"},
    {"an unchanged number has no placeholder", 'd', 'U', 0, NULL, "1|2|?|y|?",
     "u 2|1 [] [1|2|__debezium_unavailable_value|y|~] unchanged=14 @0"},
    {"full identity tells before, and what toast was", 'f', 'U', 'O', "1|2|x|old|1.50", "1|2|z|?|?",
     "u 2|1 [1|2|x|old|150] [1|2|z|old|150] @0"},
    {"an old key that is the same moves nothing", 'd', 'U', 'K', "1|2|~|~|~", "1|2|z|y|~",
     "u 2|1 [1|2||~|~] [1|2|z|y|~] @0"},
    {"a changed key is a delete and a create", 'd', 'U', 'K', "1|2|~|~|~", "1|3|z|?|~",
     "d 2|1 [1|2||~|~] [] new={\"a\":3,\"b\":1} +tombstone @0; "
     "c 3|1 [] [1|3|z|__debezium_unavailable_value|~] unchanged=08 moved=2|1 old={\"a\":2,\"b\":1} @1"},
    {"a changed key under full identity", 'f', 'U', 'O', "1|2|x|old|~", "1|3|x|?|~",
     "d 2|1 [1|2|x|old|~] [] new={\"a\":3,\"b\":1} +tombstone @0; "
     "c 3|1 [] [1|3|x|old|~] moved=2|1 old={\"a\":2,\"b\":1} @1"},
    {"a delete tells the key, and zeros where null cannot be", 'd', 'D', 'K', "1|2|~|~|~", NULL,
     "d 2|1 [1|2||~|~] [] +tombstone @0"},
    {"a delete under full identity tells the row", 'f', 'D', 'O', "1|2|x|y|1.50", NULL,
     "d 2|1 [1|2|x|y|150] [] +tombstone @0"},
    {"a value that has no place is kept in the reject topic", 'd', 'I', 0, NULL, "1|2|x|y|NaN",
     "reject bank.public.t/100/0 @0"},
    {"a changed key with such a value is one reject, never half a move", 'd', 'U', 'K', "1|2|~|~|~", "1|3|x|y|NaN",
     "reject bank.public.t/100/0 @0"},
};

static enum rc emit_as(struct fixture *f, size_t i, bool binary, struct err *err)
{
    msg.type = (enum pgoutput_type)cases[i].type;
    msg.row.old = (enum pgoutput_old)cases[i].old;
    if (cases[i].old_row != NULL)
        tuple_of(&msg.old_tuple, cases[i].old_row);
    if (cases[i].new_row != NULL)
        tuple_of(&msg.new_tuple, cases[i].new_row);
    if (binary) {
        make_binary(&msg.old_tuple);
        make_binary(&msg.new_tuple);
    }
    return pg_emit_row(&f->emitter, f->relation, &msg, f->batch, err);
}

static enum rc emit(struct fixture *f, size_t i, struct err *err)
{
    return emit_as(f, i, false, err);
}

static void rows_become_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct fixture f = fixture_of(cases[i].identity);
        ASSERT_OK(emit(&f, i, &err), &err);
        CHECK_STR(cases[i].want, described(&f), cases[i].behaviour);
        fixture_done(&f);
    }
}

static void binary_rows_become_the_same_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct fixture text = fixture_of(cases[i].identity), binary = fixture_of(cases[i].identity);
        ASSERT_OK(emit_as(&text, i, false, &err), &err);
        ASSERT_OK(emit_as(&binary, i, true, &err), &err);
        CHECK_EQ(text.batch->n_records, binary.batch->n_records, cases[i].behaviour);
        for (size_t r = 0; r < text.batch->n_records; r++) {
            const struct batch_record *a = &text.batch->records[r], *b = &binary.batch->records[r];
            CHECK_EQ(true, slice_eq(a->key, b->key) && slice_eq(a->value, b->value), cases[i].behaviour);
            CHECK_EQ(true, slice_eq(a->moved_from, b->moved_from) && slice_eq(a->other_key, b->other_key),
                     cases[i].behaviour);
        }
        fixture_done(&text);
        fixture_done(&binary);
    }
}

static void bytes_that_are_no_value_of_their_type_are_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        size_t column;
        const char *want;
    } wrong[] = {
        {"in the key", 0, "column \"b\" of table public.t came with bytes that are no value of its type"},
        {"in the row", 4, "column \"n\" of table public.t came with bytes that are no value of its type"},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct err err = {0};
        struct fixture f = fixture_of('d');
        msg.type = PGOUTPUT_INSERT;
        msg.row.old = PGOUTPUT_OLD_NONE;
        tuple_of(&msg.new_tuple, "1|2|x|y|1.50");
        make_binary(&msg.new_tuple);
        msg.new_tuple.values[wrong[i].column].bytes.len--;
        CHECK_EQ(RC_FATAL, pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), wrong[i].behaviour);
        CHECK_EQ(ERR_PGOUTPUT_MALFORMED, err.code, wrong[i].behaviour);
        CHECK_STR(wrong[i].want, err.msg, wrong[i].behaviour);
        CHECK_EQ(0, f.batch->n_records, wrong[i].behaviour);
        fixture_done(&f);
    }
}

static void what_kafka_has_is_counted_and_not_added(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct fixture all = fixture_of(cases[i].identity), none = fixture_of(cases[i].identity),
                       second = fixture_of(cases[i].identity);
        ASSERT_OK(emit(&all, i, &err), &err);
        none.emitter.skip_below = all.emitter.ordinal;
        ASSERT_OK(emit(&none, i, &err), &err);
        CHECK_EQ(0, none.batch->n_records, cases[i].behaviour);
        CHECK_EQ(all.emitter.ordinal, none.emitter.ordinal, cases[i].behaviour);
        second.emitter.skip_below = 1; /* inside of a pair */
        ASSERT_OK(emit(&second, i, &err), &err);
        CHECK_EQ(all.batch->n_records - 1, second.batch->n_records, cases[i].behaviour);
        fixture_done(&all);
        fixture_done(&none);
        fixture_done(&second);
    }
}

static void unexpected_null_asks_for_an_optional_column_and_adds_nothing(void **state)
{
    (void)state;
    struct err err = {0};
    struct fixture f = fixture_of('d');
    msg.type = PGOUTPUT_INSERT;
    msg.row.old = PGOUTPUT_OLD_NONE;
    tuple_of(&msg.new_tuple, "1|2|~|y|~");
    CHECK_EQ(RC_AGAIN, pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), "a null in a not null column");
    CHECK_EQ(2, f.emitter.narrow_column, "which one");
    CHECK_EQ(0, f.batch->n_records, "nothing was added");
    CHECK_EQ(0, f.emitter.ordinal, "nothing was counted");
    f.relation->shape.columns[2].optional = true;
    ASSERT_OK(pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), &err);
    CHECK_EQ(1, f.batch->n_records, "then it fits");
    fixture_done(&f);
}

static void null_key_and_wrong_width_are_malformed(void **state)
{
    (void)state;
    struct err err = {0};
    struct fixture f = fixture_of('d');
    msg.type = PGOUTPUT_INSERT;
    msg.row.old = PGOUTPUT_OLD_NONE;
    tuple_of(&msg.new_tuple, "~|2|x|y|~");
    CHECK_EQ(RC_FATAL, pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), "a null in the key");
    tuple_of(&msg.new_tuple, "1|2|x|y");
    CHECK_EQ(RC_FATAL, pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), "a column is missing");
    CHECK_EQ(ERR_PGOUTPUT_MALFORMED, err.code, "a column is missing");
    fixture_done(&f);
}

static void an_array_of_more_dimensions_asks_for_room_and_adds_nothing(void **state)
{
    (void)state;
    struct err err = {0};
    struct fixture f = fixture_of('d');
    struct pg_type ints = {.oid = 23, .typmod = -1, .is_array = true, .delimiter = ','};
    struct pg_type vectors = {.oid = 20000, .typmod = -1, .name = "vector", .is_array = true, .delimiter = ','};
    msg.type = PGOUTPUT_INSERT;
    msg.row.old = PGOUTPUT_OLD_NONE;
    tuple_of(&msg.new_tuple, "1|2|x|{{1,2}}|~");
    pg_type_describe(&ints, &options.modes, &f.relation->shape.columns[3], &f.relation->encoders[3]);
    CHECK_EQ(RC_AGAIN, pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), "two dimensions where one was seen");
    CHECK_EQ(3, f.emitter.narrow_column, "which one");
    CHECK_EQ(2, f.emitter.dimensions, "how many it needs");
    CHECK_EQ(0, f.batch->n_records, "nothing was added");
    pg_relation_set_dimensions(f.relation, 3, 2);
    ASSERT_OK(pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), &err);
    CHECK_EQ(2, f.relation->shape.columns[3].dimensions, "the schema's, too");
    CHECK_EQ(f.relation->topic_index, f.batch->records[0].topic, "then it is an event");

    tuple_of(&msg.new_tuple, "1|2|x|{{1,2}|~");
    ASSERT_OK(pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), &err);
    CHECK_EQ(f.emitter.rejects_topic, f.batch->records[1].topic, "what is no array is not asked about");
    tuple_of(&msg.new_tuple, "1|2|x|{{{{{{{1}}}}}}}|~");
    ASSERT_OK(pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), &err);
    CHECK_EQ(f.emitter.rejects_topic, f.batch->records[2].topic, "nor are seven dimensions, which no server has");
    tuple_of(&msg.new_tuple, "1|2|x|{{\"[1]\"}}|~");
    pg_type_describe(&vectors, &options.modes, &f.relation->shape.columns[3], &f.relation->encoders[3]);
    ASSERT_OK(pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), &err);
    CHECK_EQ(f.emitter.rejects_topic, f.batch->records[3].topic, "a vector is an array itself: a union has one");
    fixture_done(&f);
}

static void a_geometry_that_may_not_be_null_is_empty_beside_a_key_and_null_when_unchanged(void **state)
{
    (void)state;
    struct err err = {0};
    struct fixture f = fixture_of('d');
    struct pg_type geometry = {.oid = 20000, .typmod = -1, .name = "geometry"};
    struct pg_type_facts with_geometry[] = {{25, geometry}, type_facts[0], type_facts[2]};
    struct pg_table_facts changed = facts;
    struct pg_relation *relation;
    changed.types = with_geometry;
    ASSERT_OK(pg_relation_compile(&announced, &changed, &options, &relation, &err), &err);
    CHECK_EQ(COLUMN_GEOMETRY, relation->shape.columns[2].type, "a column that is not null");
    CHECK_EQ(true, relation->shape.columns[2].optional, "Debezium's schema allows it");
    CHECK_EQ(true, relation->encoders[2].zero_beside_key, "its value is none");
    CHECK_EQ(false, relation->encoders[3].zero_beside_key, "a column that may be null");
    relation->envelope = f.relation->envelope;
    f.relation->envelope = NULL;
    msg.type = PGOUTPUT_DELETE;
    msg.row.old = PGOUTPUT_OLD_KEY;
    tuple_of(&msg.old_tuple, "1|2|~|~|~");
    ASSERT_OK(pg_emit_row(&f.emitter, relation, &msg, f.batch, &err), &err);
    static const uint8_t empty[] = {2, 18, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct slice value = f.batch->records[0].value;
    /* frame, before, b, a; then the geometry without a srid, and null */
    CHECK_EQ(true, slice_eq(slice_of(empty, sizeof(empty)), slice_of(value.ptr + 8, sizeof(empty))),
             "an empty collection");
    msg.type = PGOUTPUT_UPDATE;
    msg.row.old = PGOUTPUT_OLD_NONE;
    tuple_of(&msg.new_tuple, "1|2|?|~|~");
    ASSERT_OK(pg_emit_row(&f.emitter, relation, &msg, f.batch, &err), &err);
    value = f.batch->records[1].value;
    CHECK_EQ(0, value.ptr[9], "null, and the header says why"); /* frame, no before, after, b, a */
    pg_relation_free(relation);
    fixture_done(&f);
}

static void a_new_version_of_a_table_keeps_the_dimensions(void **state)
{
    (void)state;
    struct pg_relation *older = relation_of('d'), *newer = relation_of('d');
    struct pg_type ints = {.oid = 23, .typmod = -1, .is_array = true, .delimiter = ','};
    for (size_t i = 2; i < 5; i++) {
        pg_type_describe(&ints, &options.modes, &older->shape.columns[i], &older->encoders[i]);
        if (i > 2)
            pg_type_describe(&ints, &options.modes, &newer->shape.columns[i], &newer->encoders[i]);
        pg_relation_set_dimensions(older, i, 3);
    }
    newer->shape.columns[4].name = "renamed";
    pg_relation_keep_dimensions(newer, NULL);
    CHECK_EQ(1, newer->shape.columns[3].dimensions, "a table that was not known");
    pg_relation_keep_dimensions(newer, older);
    CHECK_EQ(0, newer->encoders[2].dimensions, "no array any more");
    CHECK_EQ(3, newer->shape.columns[3].dimensions, "the same column");
    CHECK_EQ(3, newer->encoders[3].dimensions, "its encoder");
    CHECK_EQ(1, newer->shape.columns[4].dimensions, "another column");
    pg_relation_free(older);
    pg_relation_free(newer);
}

static void truncate_and_read_events(void **state)
{
    (void)state;
    struct err err = {0};
    struct fixture f = fixture_of('d');
    ASSERT_OK(pg_emit_truncate(&f.emitter, f.relation, f.batch, &err), &err);
    tuple_of(&msg.new_tuple, "1|2|x|y|~");
    f.emitter.snapshot = true;
    ASSERT_OK(pg_emit_read(&f.emitter, f.relation, &msg.new_tuple, f.batch, &err), &err);
    CHECK_STR("t - [] [] @0; r 2|1 [] [1|2|x|y|~] @1", described(&f), "truncate, then a copied row");
    fixture_done(&f);
}

static void tombstones_can_be_left_out(void **state)
{
    (void)state;
    struct err err = {0};
    struct fixture f = fixture_of('d');
    f.emitter.tombstones = false;
    msg.type = PGOUTPUT_DELETE;
    msg.row.old = PGOUTPUT_OLD_KEY;
    tuple_of(&msg.old_tuple, "1|2|~|~|~");
    ASSERT_OK(pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), &err);
    CHECK_STR("d 2|1 [1|2||~|~] [] @0", described(&f), "no tombstone");
    fixture_done(&f);
}

static void plan_follows_announcement_and_catalog(void **state)
{
    (void)state;
    struct pg_relation *relation = relation_of('d');
    CHECK_STR("bank.public.t", relation->topic, "topic");
    CHECK_EQ(2, relation->shape.n_key_columns, "key");
    CHECK_EQ(1, relation->shape.key_columns[0], "the key has its index's order, not the table's");
    CHECK_EQ(COLUMN_DECIMAL, relation->shape.columns[4].type, "a domain is its base type");
    CHECK_EQ(2, relation->shape.columns[4].scale, "with its modifier");
    CHECK_STR("INT4", relation->shape.columns[0].source_type, "source type");
    assert_true(relation->shape.columns[3].optional);
    assert_false(relation->shape.columns[2].optional);
    pg_relation_free(relation);
}

// clang-format off
static const struct {
    const char *behaviour, *key;
    uint8_t identity;
    const char *want; /* key columns; or after "!" what the error says */
} chosen_keys[] = {
    {"columns in the order that was given",    "public.t:name,a",  'f', "name a "},
    {"part of the identity",                   "public.t:b",       'd', "b "},
    {"another table's",                        "public.t2:name",   'f', "a b "},
    {"another schema's",                       "publi.t:name",     'f', "a b "},
    {"a column that is not there",             "public.t:nam",     'f', "!it does not exist"},
    {"a column that may be null",              "public.t:big",     'f', "!it may be null"},
    {"twice the same",                         "public.t:a,name,a", 'f', "!it stands there twice"},
    {"no column",                              "public.t:",        'f', "!it does not exist"},
    {"a column that deletes do not carry",     "public.t:name",    'd', "!deletes do not carry it"},
};
// clang-format on

static void keys_can_be_chosen(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(chosen_keys); i++) {
        struct err err = {0};
        struct pg_relation *relation;
        SCOPED(buf_done) struct buf got = buf_new(1 << 12);
        const char *items[] = {chosen_keys[i].key};
        const struct config_string_list keys = {.items = items, .n = 1};
        struct pg_relation_options chosen = options;
        chosen.keys = &keys;
        pg_relation_free(relation_of(chosen_keys[i].identity)); /* fills `announced` */
        enum rc rc = pg_relation_compile(&announced, &facts, &chosen, &relation, &err);
        if (chosen_keys[i].want[0] == '!') {
            CHECK_EQ(ERR_PG_NO_KEY, err.code, chosen_keys[i].behaviour);
            CHECK_EQ(true, strstr(err.msg, chosen_keys[i].want + 1) != NULL, chosen_keys[i].behaviour);
            continue;
        }
        ASSERT_OK(rc, &err);
        for (size_t k = 0; k < relation->shape.n_key_columns; k++)
            buf_printf(&got, "%s ", relation->shape.columns[relation->shape.key_columns[k]].name);
        CHECK_STR(chosen_keys[i].want, buf_cstr(&got), chosen_keys[i].behaviour);
        pg_relation_free(relation);
    }
}

static void what_the_catalog_forgot_is_optional_text(void **state)
{
    (void)state;
    struct err err = {0};
    struct pg_relation *relation;
    const struct pg_table_facts nothing = {0};
    pg_relation_free(relation_of('d')); /* fills `announced` */
    ASSERT_OK(pg_relation_compile(&announced, &nothing, &options, &relation, &err), &err);
    CHECK_EQ(COLUMN_INT32, relation->shape.columns[0].type, "a built-in type needs no catalog");
    CHECK_EQ(COLUMN_STRING, relation->shape.columns[4].type, "another one is its text");
    assert_true(relation->shape.columns[2].optional);
    assert_false(relation->shape.columns[0].optional);
    pg_relation_free(relation);
}

/* What is captured, and by which key: "captured keyless", "captured 2,1", "left out". */
static const struct {
    const char *behaviour;
    uint8_t identity;
    bool flagged;           /* the announcement flags a and b */
    const char *catalog[6]; /* names in the catalog, in the table's order; "" dropped */
    int key_positions[6];   /* there */
    const char *want;       /* indexes of the key's columns */
} key_cases[] = {
    {"the announced key, in its index's order", 'd', true, {"b", "a", "name", "big", "n"}, {2, 1}, "1,0"},
    {"no primary key", 'd', false, {"b", "a", "name", "big", "n"}, {0}, ""},
    {"a key that only the catalog has by now is not the row's", 'd', false, {"b", "a", "name", "big", "n"}, {2, 1}, ""},
    {"a key that the catalog has lost by now", 'd', true, {"b", "a", "name", "big", "n"}, {0}, "0,1"},
    {"a table that is gone by now", 'd', true, {0}, {0}, "0,1"},
    {"full: the primary key", 'f', false, {"b", "a", "name", "big", "n"}, {2, 1}, "1,0"},
    {"full without a primary key", 'f', false, {"b", "a", "name", "big", "n"}, {0}, ""},
    {"full, a key column renamed since", 'f', false, {"b", "alpha", "name", "big", "n"}, {2, 1}, "1,0"},
    {"full, all renamed since", 'f', false, {"b1", "a1", "name1", "big1", "n1"}, {2, 1}, "1,0"},
    {"full, a key column renamed and columns added since",
     'f',
     false,
     {"b", "alpha", "name", "big", "n", "new"},
     {2, 1},
     "1,0"},
    {"full, columns dropped before", 'f', false, {"", "b", "a", "name", "big", "n"}, {0, 2, 1}, "1,0"},
    {"full, a part of the key cannot be told: none",
     'f',
     false,
     {"b", "", "name", "big", "n", "a2"},
     {2, 0, 0, 0, 0, 1},
     ""},
    {"nothing: the primary key, of inserts", 'n', false, {"b", "a", "name", "big", "n"}, {2, 1}, "1,0"},
    {"an index, in its order", 'i', true, {"b", "a", "name", "big", "n"}, {0}, "1,0"},
    {"an index with the primary key's columns: that, in its order",
     'i',
     true,
     {"b", "a", "name", "big", "n"},
     {1, 2},
     "0,1"},
    {"an index without one of the primary key's columns", 'i', true, {"b", "a", "name", "big", "n"}, {1, 0, 2}, "1,0"},
    {"full, when the catalog has an index as identity by now: still the primary key",
     'f',
     false,
     {"b", "a", "name", "big", "n"},
     {1, 2},
     "0,1"},
    {"an index that was dropped", 'i', false, {"b", "a", "name", "big", "n"}, {0}, ""},
};

static struct pg_relation *compile_key_case(size_t i)
{
    struct err err = {0};
    struct pg_relation *relation;
    struct pg_column_facts columns[ARRAY_LEN(key_cases[i].catalog)] = {0};
    struct pg_table_facts catalog = {columns, 0, type_facts, ARRAY_LEN(type_facts)};
    for (; catalog.n_columns < ARRAY_LEN(columns) && key_cases[i].catalog[catalog.n_columns] != NULL;
         catalog.n_columns++) {
        const char *name = key_cases[i].catalog[catalog.n_columns];
        int identity_position = catalog.n_columns < 2 ? 2 - (int)catalog.n_columns : 0; /* an index of (a, b) */
        columns[catalog.n_columns] = (struct pg_column_facts)FACTS(
            *name == '\0' ? NULL : name, true, key_cases[i].key_positions[catalog.n_columns], identity_position);
    }
    pg_relation_free(relation_of(key_cases[i].identity)); /* fills `announced` */
    announced.columns[0].flags = announced.columns[1].flags = key_cases[i].flagged || key_cases[i].identity == 'f';
    ASSERT_OK(pg_relation_compile(&announced, &catalog, &options, &relation, &err), &err);
    return relation;
}

static void key_is_the_one_that_the_row_had(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(key_cases); i++) {
        SCOPED(buf_done) struct buf key = buf_new(64);
        struct pg_relation *relation = compile_key_case(i);
        for (size_t k = 0; k < relation->shape.n_key_columns; k++)
            buf_printf(&key, "%s%u", k == 0 ? "" : ",", relation->shape.key_columns[k]);
        CHECK_STR(key_cases[i].want, buf_cstr(&key), key_cases[i].behaviour);
        pg_relation_free(relation);
    }
}

/* A unique index of (name, b), and perhaps a primary key of (n). */
static const struct {
    const char *behaviour;
    uint8_t identity;
    bool flagged, has_primary, has_renamed;
    const char *want;
} unique_cases[] = {
    {"full: a unique index is the key", 'f', false, false, false, "2,0"},
    {"nothing: a unique index is the key, of inserts", 'n', false, false, false, "2,0"},
    {"the default without a primary key is the same", 'd', false, false, false, "2,0"},
    {"a primary key comes before it", 'f', false, true, false, "4"},
    {"a primary key that was made since: neither is the row's", 'd', false, true, false, ""},
    {"an identity comes before it", 'i', true, false, false, "0,1"},
    {"a part of the index cannot be told: none", 'f', false, false, true, ""},
};

static void unique_index_is_the_key_of_a_table_without_a_primary_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unique_cases); i++) {
        struct err err = {0};
        struct pg_relation *relation;
        SCOPED(buf_done) struct buf key = buf_new(64);
        const struct pg_column_facts columns[] = {
            {.name = "b", .not_null = true, .unique_position = 2},
            FACTS("a", true, 0, 0),
            {.name = unique_cases[i].has_renamed ? NULL : "name", .not_null = true, .unique_position = 1},
            FACTS("big", false, 0, 0),
            FACTS("n", true, unique_cases[i].has_primary, 0),
            {.name = "new", .unique_position = unique_cases[i].has_renamed},
        };
        const struct pg_table_facts catalog = {columns, ARRAY_LEN(columns), type_facts, ARRAY_LEN(type_facts)};
        pg_relation_free(relation_of(unique_cases[i].identity)); /* fills `announced` */
        announced.columns[0].flags = announced.columns[1].flags = unique_cases[i].flagged ||
                                                                  unique_cases[i].identity == 'f';
        ASSERT_OK(pg_relation_compile(&announced, &catalog, &options, &relation, &err), &err);
        for (size_t k = 0; k < relation->shape.n_key_columns; k++)
            buf_printf(&key, "%s%u", k == 0 ? "" : ",", relation->shape.key_columns[k]);
        CHECK_STR(unique_cases[i].want, buf_cstr(&key), unique_cases[i].behaviour);
        pg_relation_free(relation);
    }
}

static void column_renamed_since_keeps_what_the_catalog_knows(void **state)
{
    (void)state;
    struct err err = {0};
    struct pg_relation *relation;
    static const struct pg_column_facts renamed[] = {FACTS("b", true, 2, 0),     FACTS("a", true, 1, 0),
                                                     FACTS("title", true, 0, 0), FACTS(NULL, false, 0, 0),
                                                     FACTS("n", false, 0, 0),    FACTS("extra", true, 0, 0)};
    const struct pg_table_facts catalog = {renamed, ARRAY_LEN(renamed), type_facts, ARRAY_LEN(type_facts)};
    pg_relation_free(relation_of('d'));
    ASSERT_OK(pg_relation_compile(&announced, &catalog, &options, &relation, &err), &err);
    CHECK_STR("name", relation->shape.columns[2].name, "the announced name");
    CHECK_EQ(false, relation->shape.columns[2].optional, "renamed, and the next one was dropped since");
    pg_relation_free(relation);
    static const struct pg_column_facts unclear[] = {FACTS("b", true, 2, 0),     FACTS("a", true, 1, 0),
                                                     FACTS("title", true, 0, 0), FACTS(NULL, false, 0, 0),
                                                     FACTS("large", true, 0, 0), FACTS("n", false, 0, 0)};
    const struct pg_table_facts three = {unclear, ARRAY_LEN(unclear), type_facts, ARRAY_LEN(type_facts)};
    ASSERT_OK(pg_relation_compile(&announced, &three, &options, &relation, &err), &err);
    CHECK_EQ(true, relation->shape.columns[2].optional, "two in the place of three: there is no telling");
    pg_relation_free(relation);
    static const struct pg_column_facts one[] = {FACTS("b", true, 2, 0), FACTS("a", true, 1, 0),
                                                 FACTS("title", true, 0, 0), FACTS("big", false, 0, 0),
                                                 FACTS("n", false, 0, 0)};
    const struct pg_table_facts plain = {one, ARRAY_LEN(one), type_facts, ARRAY_LEN(type_facts)};
    ASSERT_OK(pg_relation_compile(&announced, &plain, &options, &relation, &err), &err);
    CHECK_EQ(false, relation->shape.columns[2].optional, "between its neighbours it is the same column");
    pg_relation_free(relation);
}

static void table_that_is_not_configured_is_left_out(void **state)
{
    (void)state;
    struct err err = {0};
    struct pg_relation *relation;
    const char *other[] = {"public.other"};
    const struct config_string_list others = {other, 1};
    const struct pg_relation_options ignoring = {.prefix = "bank", .tables = &others};
    pg_relation_free(relation_of('d'));
    ASSERT_OK(pg_relation_compile(&announced, &facts, &ignoring, &relation, &err), &err);
    assert_false(relation->captured);
    pg_relation_free(relation);
}

/* Without a key: no key, no tombstone, no move. */
static void rows_of_a_keyless_table_are_events_without_a_key(void **state)
{
    static const struct {
        const char *behaviour;
        char type;
        uint8_t old;
        const char *old_row, *new_row, *want;
    } rows[] = {
        {"an insert", 'I', 0, NULL, "1|2|x|y|1.50", "c - [] [1|2|x|y|150] @0"},
        {"an update", 'U', 'O', "1|2|x|y|~", "3|2|z|?|~", "u - [1|2|x|y|~] [3|2|z|y|~] @0"},
        {"a delete", 'D', 'O', "1|2|x|y|~", NULL, "d - [1|2|x|y|~] [] @0"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        struct fixture f = fixture_of('f');
        f.relation->shape.n_key_columns = 0;
        memset(f.relation->is_key, 0, f.relation->shape.n_columns);
        msg.type = (enum pgoutput_type)rows[i].type;
        msg.row.old = (enum pgoutput_old)rows[i].old;
        if (rows[i].old_row != NULL)
            tuple_of(&msg.old_tuple, rows[i].old_row);
        if (rows[i].new_row != NULL)
            tuple_of(&msg.new_tuple, rows[i].new_row);
        ASSERT_OK(pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), &err);
        CHECK_STR(rows[i].want, described(&f), rows[i].behaviour);
        fixture_done(&f);
    }
}

static void rows_of_a_stopped_table_are_kept_in_the_reject_topic(void **state)
{
    (void)state;
    struct err err = {0};
    struct fixture f = fixture_of('d');
    err_set(&err, ERR_COLUMN_NAMES, "two columns become one");
    pg_relation_stop(f.relation, &err);
    for (size_t i = 0; i < 3; i++) {
        msg.type = "IUD"[i];
        msg.row.old = i == 0 ? PGOUTPUT_OLD_NONE : PGOUTPUT_OLD_KEY;
        tuple_of(&msg.old_tuple, "1|2|~|~|~");
        tuple_of(&msg.new_tuple, "1|3|x|?|~");
        ASSERT_OK(pg_emit_row(&f.emitter, f.relation, &msg, f.batch, &err), &err);
    }
    ASSERT_OK(pg_emit_truncate(&f.emitter, f.relation, f.batch, &err), &err);
    CHECK_STR("reject bank.public.t/100/0 @0; reject bank.public.t/100/1 @1; reject bank.public.t/100/2 @2; "
              "reject bank.public.t/100/3 @3",
              described(&f), "one reject a change");
    const struct slice update = f.batch->records[1].value;
    char text[1024];
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(update));
    assert_non_null(strstr(text, "\"code\":\"COLUMN_NAMES\""));
    assert_non_null(strstr(text, "\"record\":{\"op\":\"u\",\"before\":{\"b\":\"1\",\"a\":\"2\""));
    assert_non_null(strstr(text, "\"after\":{\"b\":\"1\",\"a\":\"3\",\"name\":\"x\",\"n\":null}}"));
    CHECK_EQ(RC_FATAL, pg_emit_read(&f.emitter, f.relation, &msg.new_tuple, f.batch, &err), "it cannot be copied");
    CHECK_EQ(ERR_COLUMN_NAMES, err.code, "and says why");
    fixture_done(&f);
}

static void cache_replaces_by_id(void **state)
{
    (void)state;
    struct pg_relcache *cache = pg_relcache_new();
    const uint32_t first = 4000000000; /* beyond what a signed number holds */
    for (uint32_t i = 0; i < 100; i++) {
        struct pg_relation *relation = relation_of('d');
        relation->id = first + (i * 37) % 50; /* each twice, in no order */
        relation->topic_index = i;
        pg_relcache_put(cache, relation);
        assert_ptr_equal(relation, pg_relcache_find(cache, relation->id));
    }
    for (uint32_t id = first; id < first + 50; id++) {
        assert_non_null(pg_relcache_find(cache, id));
        assert_true(pg_relcache_find(cache, id)->topic_index >= 50);
    }
    assert_null(pg_relcache_find(cache, first + 50));
    assert_null(pg_relcache_find(cache, first - 1));
    pg_relcache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_events),
        cmocka_unit_test(binary_rows_become_the_same_records),
        cmocka_unit_test(bytes_that_are_no_value_of_their_type_are_malformed),
        cmocka_unit_test(what_kafka_has_is_counted_and_not_added),
        cmocka_unit_test(unexpected_null_asks_for_an_optional_column_and_adds_nothing),
        cmocka_unit_test(null_key_and_wrong_width_are_malformed),
        cmocka_unit_test(an_array_of_more_dimensions_asks_for_room_and_adds_nothing),
        cmocka_unit_test(a_geometry_that_may_not_be_null_is_empty_beside_a_key_and_null_when_unchanged),
        cmocka_unit_test(a_new_version_of_a_table_keeps_the_dimensions),
        cmocka_unit_test(truncate_and_read_events),
        cmocka_unit_test(tombstones_can_be_left_out),
        cmocka_unit_test(keys_can_be_chosen),
        cmocka_unit_test(plan_follows_announcement_and_catalog),
        cmocka_unit_test(what_the_catalog_forgot_is_optional_text),
        cmocka_unit_test(key_is_the_one_that_the_row_had),
        cmocka_unit_test(unique_index_is_the_key_of_a_table_without_a_primary_one),
        cmocka_unit_test(column_renamed_since_keeps_what_the_catalog_knows),
        cmocka_unit_test(table_that_is_not_configured_is_left_out),
        cmocka_unit_test(rows_of_a_keyless_table_are_events_without_a_key),
        cmocka_unit_test(rows_of_a_stopped_table_are_kept_in_the_reject_topic),
        cmocka_unit_test(cache_replaces_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
