#include "test.h"

#include "sink/rejects.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *encode(const struct rejected *rejected, size_t max_bytes, char key[256])
{
    SCOPED(buf_done) struct buf value = buf_new(1 << 20);
    struct buf key_buf = buf_over(key, 256);
    json_error_t why;
    rejected_encode(rejected, max_bytes, 1700000000000000, &key_buf, &value);
    buf_cstr(&key_buf);
    json_t *json = json_loadb((const char *)value.ptr, value.len, 0, &why);
    if (json == NULL)
        fail_msg("not JSON: %s: %.*s", why.text, (int)value.len, (const char *)value.ptr);
    return json;
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text == NULL ? "(none)" : text;
}

static const struct avro_value key_values[] = {
    {.kind = AVRO_VALUE_LONG, .i = -17},
    {.kind = AVRO_VALUE_BYTES, .bytes = {(const uint8_t *)"a\"b", 3}},
    {.kind = AVRO_VALUE_BYTES, .bytes = {(const uint8_t *)"\xff\x00", 2}},
    {.kind = AVRO_VALUE_NULL},
    {.kind = AVRO_VALUE_BOOL, .i = 1},
};

static struct rejected sample(struct log_record *record, struct err *why)
{
    static const uint8_t bytes[] = {0, 0, 0, 0, 5, 'h', 'i'};
    *record = (struct log_record){.offset = 42, .key = {bytes, 6}, .value = {bytes, sizeof(bytes)}};
    (void)err_set(why, ERR_VALUE_TOO_LONG, "table \"a\": column \"note\" is longer than 65535 bytes");
    return (struct rejected){.source = "core",
                             .topic = "p.public.a",
                             .table = "a",
                             .record = record,
                             .pos = {7, 3},
                             .schema_id = 5,
                             .key_values = key_values,
                             .n_key_values = ARRAY_LEN(key_values),
                             .why = why};
}

static void a_reject_says_what_why_and_where(void **state)
{
    (void)state;
    char key[256];
    struct err why;
    struct log_record record;
    struct rejected rejected = sample(&record, &why);
    json_t *json = encode(&rejected, 1 << 20, key);
    const json_t *kept = json_object_get(json, "record");
    CHECK_STR("p.public.a/7/3", key, "the same reject has the same key");
    CHECK_STR("sink", text_of(json, "stage"), "stage");
    CHECK_STR("core", text_of(json, "source"), "source");
    CHECK_STR("p.public.a", text_of(json, "topic"), "topic");
    CHECK_STR("VALUE_TOO_LONG", text_of(json, "code"), "code");
    CHECK_STR(why.msg, text_of(json, "message"), "message");
    CHECK_STR("-17,a\"b,/wA=,null,true", text_of(json, "key"), "the key as text");
    CHECK_EQ(42, json_integer_value(json_object_get(json, "offset")), "offset");
    CHECK_STR("AAAAAAVoaQ==", text_of(kept, "avro"), "the event, whole");
    CHECK_STR("AAAAAAVo", text_of(kept, "key"), "the key, whole");
    CHECK_EQ(5, json_integer_value(json_object_get(kept, "schema_id")), "schema id");
    json_decref(json);
}

static void a_reject_that_kafka_would_not_take_leaves_the_event_where_it_is(void **state)
{
    (void)state;
    char key[256];
    struct err why;
    struct log_record record;
    struct rejected rejected = sample(&record, &why);
    uint8_t *large = calloc(1, 4000);
    record.value = slice_of(large, 4000);
    json_t *json = encode(&rejected, 4096, key);
    const json_t *kept = json_object_get(json, "record");
    assert_true(json_is_null(json_object_get(kept, "avro")));
    CHECK_EQ(4000, json_integer_value(json_object_get(kept, "bytes")), "its size is told");
    CHECK_EQ(42, json_integer_value(json_object_get(json, "offset")), "and where it is");
    json_decref(json);
    free(large);
}

static void a_key_that_could_not_be_read_is_empty_text(void **state)
{
    (void)state;
    char key[256];
    struct err why;
    struct log_record record;
    struct rejected rejected = sample(&record, &why);
    rejected.n_key_values = 0;
    json_t *json = encode(&rejected, 1 << 20, key);
    CHECK_STR("", text_of(json, "key"), "no key");
    json_decref(json);
}

static const char *const row_records[] = {"{\"id\":\"17\",\"note\":\"a long one\"}", "{\"id\":\"17\"}"};

static json_t *encode_row(struct slice record, size_t max_bytes, char key[256])
{
    SCOPED(buf_done) struct buf value = buf_new(1 << 20);
    struct buf key_buf = buf_over(key, 256);
    struct err why;
    (void)err_set(&why, ERR_ROW_MISSING, "table \"a\": the row is not there");
    const struct rejected_row rejected = {.source = "core",
                                          .topic = "p.public.a",
                                          .pos = {7, 3},
                                          .key = slice_of_str("17"),
                                          .record = record,
                                          .brief = slice_of_str(row_records[1]),
                                          .why = &why};
    rejected_row_encode(&rejected, max_bytes, 1700000000000000, &key_buf, &value);
    buf_cstr(&key_buf);
    json_t *json = json_loadb((const char *)value.ptr, value.len, 0, NULL);
    assert_non_null(json);
    return json;
}

static void a_rejected_row_is_an_object_of_its_columns(void **state)
{
    (void)state;
    char key[256];
    json_t *json = encode_row(slice_of_str(row_records[0]), 1 << 20, key);
    const json_t *kept = json_object_get(json, "record");
    CHECK_STR("p.public.a/7/3", key, "the same reject has the same key");
    CHECK_STR("ROW_MISSING", text_of(json, "code"), "code");
    CHECK_STR("17", text_of(json, "key"), "the key as text");
    CHECK_STR("a long one", text_of(kept, "note"), "a column");
    assert_null(json_object_get(json, "offset"));
    json_decref(json);
}

static void a_rejected_row_that_kafka_would_not_take_is_its_key(void **state)
{
    (void)state;
    char key[256];
    json_t *whole = encode_row(slice_of_str(row_records[0]), 1 << 20, key);
    char *text = json_dumps(whole, JSON_COMPACT);
    const struct {
        const char *behaviour;
        struct slice record;
        size_t max_bytes;
    } cases[] = {
        {"a byte too long", slice_of_str(row_records[0]), strlen(text) - 1},
        {"too long for any buffer", slice_of(NULL, 0), 1 << 20},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *json = encode_row(cases[i].record, cases[i].max_bytes, key);
        const json_t *kept = json_object_get(json, "record");
        CHECK_STR("17", text_of(kept, "id"), cases[i].behaviour);
        CHECK_STR("(none)", text_of(kept, "note"), cases[i].behaviour);
        json_decref(json);
    }
    free(text);
    json_decref(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reject_says_what_why_and_where),
        cmocka_unit_test(a_reject_that_kafka_would_not_take_leaves_the_event_where_it_is),
        cmocka_unit_test(a_key_that_could_not_be_read_is_empty_text),
        cmocka_unit_test(a_rejected_row_is_an_object_of_its_columns),
        cmocka_unit_test(a_rejected_row_that_kafka_would_not_take_is_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
