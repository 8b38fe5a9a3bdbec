#include "test.h"

#include "proto/ledger.h"

enum { ARENA_BYTES = 1 << 20 };

static struct ledger_partition partitions[] = {
    {"bank.public.accounts", 0, 0, 4},
    {"bank.public.transactions", 2, INT64_MAX - 1, INT64_MAX},
};

static struct ledger_record sample(void)
{
    return (struct ledger_record){
        .kind = LEDGER_STREAM,
        .source = "core",
        .writer = "5f2c\"\\",
        .cut = true,
        .pos = {0x1000000016b3748, 3},
        .commit_time_us = 1795459547123456,
        .written_us = 1795459547200001,
        .partitions = partitions,
        .n_partitions = 2,
        .state = slice_of_str("{\"slot\":\"leat\",\"end\":9007199254740993,\"chunks\":[[0,1],[2,3]]}"),
    };
}

static void check_same(const struct ledger_record *want, const struct ledger_record *got)
{
    CHECK_EQ(want->kind, got->kind, "kind");
    CHECK_STR(want->source, got->source, "source");
    CHECK_STR(want->writer, got->writer, "writer");
    CHECK_EQ(want->cut, got->cut, "cut");
    CHECK_EQ(want->replaces, got->replaces, "replaces");
    CHECK_EQ(0, position_compare(want->pos, got->pos), "pos");
    CHECK_EQ(want->commit_time_us, got->commit_time_us, "commit time");
    CHECK_EQ(want->written_us, got->written_us, "written");
    CHECK_EQ(want->n_partitions, got->n_partitions, "number of partitions");
    for (size_t i = 0; i < want->n_partitions; i++) {
        CHECK_STR(want->partitions[i].topic, got->partitions[i].topic, "topic");
        CHECK_EQ(want->partitions[i].partition, got->partitions[i].partition, "partition");
        CHECK_EQ(want->partitions[i].first, got->partitions[i].first, "first");
        CHECK_EQ(want->partitions[i].next, got->partitions[i].next, "next");
    }
    CHECK_EQ(1, slice_eq(want->state, got->state), "state");
}

static void check_round_trip(const struct ledger_record *record)
{
    SCOPED(buf_done) struct buf out = buf_new(1 << 16);
    SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
    struct ledger_record got;
    struct err err;
    ledger_encode(record, &out);
    ASSERT_OK(ledger_decode(buf_slice(&out), arena, &got, &err), &err);
    check_same(record, &got);
}

static void a_record_survives_the_round_trip_in_every_kind(void **state)
{
    (void)state;
    for (enum ledger_kind kind = LEDGER_START; kind <= LEDGER_IDLE; kind++) {
        struct ledger_record record = sample();
        record.kind = kind;
        record.cut = kind % 2;
        record.n_partitions = (size_t)kind % 3;
        check_round_trip(&record);
    }
}

static void a_record_says_that_it_replaces_another(void **state)
{
    (void)state;
    struct ledger_record record = sample();
    record.replaces = true;
    check_round_trip(&record);
}

static void positions_above_int64_are_exact(void **state)
{
    (void)state;
    struct ledger_record record = sample();
    record.pos = (struct position){UINT64_MAX, (uint64_t)INT64_MAX + 1};
    check_round_trip(&record);
    record.pos = (struct position){INT64_MAX, INT64_MAX};
    check_round_trip(&record);
}

static void the_text_is_what_the_header_says(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = buf_new(1 << 16);
    struct ledger_record record = sample();
    record.writer = "w";
    record.n_partitions = 1;
    record.state = (struct slice){0};
    record.pos = (struct position){7, 8};
    ledger_encode(&record, &out);
    CHECK_STR("{\"v\":1,\"kind\":\"stream\",\"source\":\"core\",\"writer\":\"w\",\"cut\":true,\"pos\":[7,8],"
              "\"commit_time_us\":1795459547123456,\"written_us\":1795459547200001,"
              "\"partitions\":[[\"bank.public.accounts\",0,0,4]],\"state\":{}}",
              buf_cstr(&out), "encoding");
}

/* A good record with one field replaced. */
// clang-format off
static const struct {
    const char *behaviour, *from, *to, *says;
} refusals[] = {
    {"another version",               "\"v\":1",             "\"v\":2",             "version 2, this leat reads version 1"},
    {"no version",                    "\"v\":1",             "\"w\":1",             "has no \"v\""},
    {"an unknown kind",               "\"stream\"",          "\"river\"",           "unknown kind \"river\""},
    {"a kind that is a number",       "\"stream\"",          "7",                   "\"kind\" of a ledger record is not text"},
    {"no source",                     "\"source\"",          "\"sauce\"",           "has no \"source\""},
    {"a writer that is null",         "\"w\"",               "null",                "\"writer\" of a ledger record is not text"},
    {"a cut that is a number",        "true",                "1",                   "\"cut\" of a ledger record is not true or false"},
    {"no cut",                        "\"cut\"",             "\"cat\"",             "has no \"cut\""},
    {"a position of one number",      "[7,8]",               "[7]",                 "\"pos\""},
    {"a negative position",           "[7,8]",               "[-7,8]",              "\"pos\""},
    {"a position of words",           "[7,8]",               "[\"a\",8]",           "\"pos\""},
    {"a position beyond 64 bits",     "[7,8]",               "[\"18446744073709551616\",8]", "\"pos\""},
    {"a time that is a fraction",     "1001",                "1.5",                 "\"commit_time_us\" of a ledger record is not an integer"},
    {"an integer beyond 64 bits",     "1001",                "9223372036854775808", "is not JSON"},
    {"partitions that are an object", "[[\"t\",0,0,4]]",     "{}",                  "\"partitions\" of a ledger record is not an array"},
    {"a partition that is short",     "0,0,4",               "0,0",                 "partition 0 of a ledger record is not"},
    {"a partition beyond int32",      "0,0,4",               "2147483648,0,4",      "numbers that cannot be"},
    {"offsets that go backwards",     "0,0,4",               "0,5,4",               "numbers that cannot be"},
    {"a state that is an array",      "\"state\":{}",        "\"state\":[]",        "\"state\" of a ledger record is not an object"},
    {"a replaces that is a number",   "\"state\":{}",        "\"state\":{},\"replaces\":1", "\"replaces\" of a ledger record is not true or false"},
    {"a key given twice",             "\"state\":{}",        "\"state\":{},\"v\":1","is not JSON"},
    {"a cut record",                  "\"state\":{}}",       "\"state\":{}",        "is not JSON"},
};
// clang-format on

static const char GOOD[] =
    "{\"v\":1,\"kind\":\"stream\",\"source\":\"core\",\"writer\":\"w\",\"cut\":true,\"pos\":[7,8],"
    "\"commit_time_us\":1001,\"written_us\":1002,\"partitions\":[[\"t\",0,0,4]],\"state\":{}}";

static const char *replaced(const char *from, const char *to, char out[512])
{
    const char *at = strstr(GOOD, from);
    assert_non_null(at);
    snprintf(out, 512, "%.*s%s%s", (int)(at - GOOD), GOOD, to, at + strlen(from));
    return out;
}

static void a_malformed_record_is_refused_and_the_message_says_why(void **state)
{
    (void)state;
    SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        char text[512];
        struct ledger_record got;
        struct err err = {0};
        enum rc rc = ledger_decode(slice_of_str(replaced(refusals[i].from, refusals[i].to, text)), arena, &got, &err);
        CHECK_EQ(RC_FATAL, rc, refusals[i].behaviour);
        CHECK_EQ(ERR_LEDGER_MALFORMED, err.code, refusals[i].behaviour);
        if (strstr(err.msg, refusals[i].says) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", refusals[i].behaviour, err.msg, refusals[i].says);
    }
}

static void keys_of_a_newer_leat_are_ignored(void **state)
{
    (void)state;
    SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
    char text[512];
    struct ledger_record got;
    struct err err;
    replaced("\"v\":1", "\"v\":1,\"hint\":{\"a\":[1,2.5,null]}", text);
    ASSERT_OK(ledger_decode(slice_of_str(text), arena, &got, &err), &err);
    CHECK_STR("core", got.source, "source");
}

static void an_arena_that_is_full_is_a_memory_limit(void **state)
{
    (void)state;
    SCOPED(arena_free) struct arena *arena = arena_new(1 << 16);
    while (arena_alloc(arena, 16) != NULL)
        continue;
    struct ledger_record got;
    struct err err;
    CHECK_EQ(RC_FATAL, ledger_decode(slice_of_str(GOOD), arena, &got, &err), "rc");
    CHECK_EQ(ERR_MEMORY_LIMIT, err.code, "code");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_survives_the_round_trip_in_every_kind),
        cmocka_unit_test(a_record_says_that_it_replaces_another),
        cmocka_unit_test(positions_above_int64_are_exact),
        cmocka_unit_test(the_text_is_what_the_header_says),
        cmocka_unit_test(a_malformed_record_is_refused_and_the_message_says_why),
        cmocka_unit_test(keys_of_a_newer_leat_are_ignored),
        cmocka_unit_test(an_arena_that_is_full_is_a_memory_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
