#include "test.h"

#include <bson/bson.h>

#include "capture/docdb/bson_json.h"
#include "capture/docdb/docdb_state.h"
#include "capture/docdb/mapping.h"

static struct config_column columns[] = {
    {.column = "name", .path = "name", .type = CONFIG_COLUMN_STRING, .required = true},
    {.column = "lag", .path = "details.lag", .type = CONFIG_COLUMN_INT, .required = true},
    {.column = "asks", .path = "details.asks", .type = CONFIG_COLUMN_JSON},
    {.column = "price", .path = "price", .type = CONFIG_COLUMN_DECIMAL, .precision = 8, .scale = 2},
    {.column = "at", .path = "time.date", .type = CONFIG_COLUMN_TIMESTAMP},
    {.column = "big", .path = "big", .type = CONFIG_COLUMN_LONG},
    {.column = "rate", .path = "rate", .type = CONFIG_COLUMN_DOUBLE},
};
static const struct config_collection collection = {.name = "trades", .columns = columns, .n_columns = 7};

static const struct {
    const char *behaviour, *json;
    enum err_code want;
    const char *path;
} cases[] = {
    {"a whole document fits",
     "{\"_id\":\"a\",\"name\":\"n\",\"details\":{\"lag\":3,\"asks\":[1,{\"x\":null}]},"
     "\"price\":{\"$numberDecimal\":\"12.50\"},\"time\":{\"date\":{\"$date\":{\"$numberLong\":\"0\"}}}}",
     ERR_NONE, NULL},
    {"optional fields may be absent", "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":3}}", ERR_NONE, NULL},
    {"optional fields may be null", "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":3,\"asks\":null}}", ERR_NONE, NULL},
    {"a whole double is an int", "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":5.0}}", ERR_NONE, NULL},
    {"a fraction is no int", "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":5.5}}", ERR_DOC_WRONG_TYPE, "details.lag"},
    {"a missing required field is refused", "{\"_id\":1,\"details\":{\"lag\":3}}", ERR_DOC_MISSING_FIELD, "name"},
    {"a required field that is null is refused", "{\"_id\":1,\"name\":null,\"details\":{\"lag\":3}}",
     ERR_DOC_MISSING_FIELD, "name"},
    {"a missing parent is a missing field", "{\"_id\":1,\"name\":\"n\"}", ERR_DOC_MISSING_FIELD, "details.lag"},
    {"a parent that is no object is a missing field", "{\"_id\":1,\"name\":\"n\",\"details\":7}", ERR_DOC_MISSING_FIELD,
     "details.lag"},
    {"a number is no string", "{\"_id\":1,\"name\":7,\"details\":{\"lag\":3}}", ERR_DOC_WRONG_TYPE, "name"},
    {"text is no int", "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":\"3\"}}", ERR_DOC_WRONG_TYPE, "details.lag"},
    {"an int64 beyond int32 is out of range",
     "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":{\"$numberLong\":\"4294967296\"}}}", ERR_DOC_OUT_OF_RANGE,
     "details.lag"},
    {"a decimal with more digits than the scale is refused",
     "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":3},\"price\":{\"$numberDecimal\":\"1.005\"}}",
     ERR_DOC_OUT_OF_RANGE, "price"},
    {"a decimal beyond the precision is refused",
     "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":3},\"price\":{\"$numberDecimal\":\"1234567\"}}",
     ERR_DOC_OUT_OF_RANGE, "price"},
    {"an exponent is written out",
     "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":3},\"price\":{\"$numberDecimal\":\"1.2E+3\"}}", ERR_NONE, NULL},
    {"a decimal NaN is refused",
     "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":3},\"price\":{\"$numberDecimal\":\"NaN\"}}", ERR_DOC_OUT_OF_RANGE,
     "price"},
    {"text is no date", "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":3},\"time\":{\"date\":\"2020-01-01\"}}",
     ERR_DOC_WRONG_TYPE, "time.date"},
    {"a long beyond 2^53 is no double",
     "{\"_id\":1,\"name\":\"n\",\"details\":{\"lag\":3},\"rate\":{\"$numberLong\":\"9007199254740993\"}}",
     ERR_DOC_OUT_OF_RANGE, "rate"},
    {"a document without _id is refused", "{\"name\":\"n\"}", ERR_DOC_MISSING_FIELD, "_id"},
};

static void a_document_fits_or_says_why_not(void **state)
{
    (void)state;
    struct mapping *mapping = mapping_new(&collection, "bank.db.trades");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t storage[4096];
        struct buf out = buf_over(storage, sizeof(storage));
        struct err err = {0};
        struct mapping_refusal refusal = {NULL};
        bson_t *document = bson_new_from_json((const uint8_t *)cases[i].json, -1, NULL);
        assert_non_null(document);
        enum rc rc = mapping_put_row(mapping, document, &out, &refusal, &err);
        CHECK_EQ(cases[i].want == ERR_NONE ? RC_OK : RC_REJECT, rc, cases[i].behaviour);
        if (rc == RC_OK) {
            assert_true(out.len > 0);
        } else {
            CHECK_EQ(cases[i].want, err.code, cases[i].behaviour);
            CHECK_STR(cases[i].path, refusal.path, cases[i].behaviour);
            CHECK_EQ(0, out.len, "a refused document leaves nothing behind");
        }
        bson_destroy(document);
    }
    mapping_free(mapping);
}

static void the_row_is_avro_in_column_order(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        2, 'a',                                                        /* _id, not optional */
        2, 2,   'n',                                                   /* name */
        2, 6,                                                          /* lag: 3 */
        2, 22,  '[', '1', ',', '{', '"', 'x', '"', ':', '1', '}', ']', /* asks: 11 bytes of JSON */
        0,                                                             /* price */
        2, 1,                                                          /* at: -1 ms */
        0, 0,                                                          /* big, rate */
    };
    const char *json = "{\"time\":{\"date\":{\"$date\":{\"$numberLong\":\"-1\"}}},\"details\":{\"asks\":[1,{\"x\":1}],"
                       "\"lag\":3},\"name\":\"n\",\"_id\":\"a\"}";
    struct mapping *mapping = mapping_new(&collection, "bank.db.trades");
    uint8_t storage[256];
    struct buf out = buf_over(storage, sizeof(storage));
    struct err err = {0};
    struct mapping_refusal refusal;
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, NULL);
    ASSERT_OK(mapping_put_row(mapping, document, &out, &refusal, &err), &err);
    assert_int_equal(sizeof(want), out.len);
    assert_memory_equal(want, out.ptr, sizeof(want));
    bson_destroy(document);
    mapping_free(mapping);
}

static const struct {
    const char *behaviour, *json, *want;
} json_cases[] = {
    {"empty containers stay what they are", "{\"v\":[{},[]]}", "[{},[]]"},
    {"text is escaped", "{\"v\":\"a\\\"b\\n\"}", "\"a\\\"b\\n\""},
    {"an ObjectId is its hex text", "{\"v\":{\"$oid\":\"0123456789abcdef01234567\"}}", "\"0123456789abcdef01234567\""},
    {"a date is ISO 8601 with milliseconds", "{\"v\":{\"$date\":{\"$numberLong\":\"1\"}}}",
     "\"1970-01-01T00:00:00.001Z\""},
    {"a date beyond year 9999 is its number", "{\"v\":{\"$date\":{\"$numberLong\":\"253402300800000\"}}}",
     "253402300800000"},
    {"a long keeps its digits", "{\"v\":{\"$numberLong\":\"9223372036854775807\"}}", "9223372036854775807"},
    {"a decimal is exact text", "{\"v\":{\"$numberDecimal\":\"0.10\"}}", "\"0.10\""},
    {"NaN is text", "{\"v\":{\"$numberDouble\":\"NaN\"}}", "\"NaN\""},
    {"a double has its shortest digits", "{\"v\":0.1}", "0.1"},
    {"binary is base64", "{\"v\":{\"$binary\":{\"base64\":\"AQI=\",\"subType\":\"00\"}}}", "\"AQI=\""},
};

static void super_json_is_plain(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(json_cases); i++) {
        struct buf out = buf_new(4096);
        bson_iter_t iter;
        bson_t *document = bson_new_from_json((const uint8_t *)json_cases[i].json, -1, NULL);
        assert_true(bson_iter_init_find(&iter, document, "v"));
        bson_json_put(&out, &iter);
        CHECK_STR(json_cases[i].want, buf_cstr(&out), json_cases[i].behaviour);
        bson_destroy(document);
        buf_done(&out);
    }
}

static const struct {
    const char *behaviour, *json, *want;
} id_cases[] = {
    {"an ObjectId is its hex text", "{\"_id\":{\"$oid\":\"0123456789abcdef01234567\"}}", "0123456789abcdef01234567"},
    {"text is itself", "{\"_id\":\"a b\"}", "a b"},
    {"an int is told from text", "{\"_id\":7}", "{\"$numberInt\":\"7\"}"},
    {"an object keeps its order", "{\"_id\":{\"b\":1,\"a\":\"x\"}}", "{\"b\":{\"$numberInt\":\"1\"},\"a\":\"x\"}"},
};

static void an_id_is_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(id_cases); i++) {
        struct buf out = buf_new(4096);
        bson_iter_t iter;
        bson_t *document = bson_new_from_json((const uint8_t *)id_cases[i].json, -1, NULL);
        assert_true(bson_iter_init_find(&iter, document, "_id"));
        mapping_put_id_text(&iter, &out);
        CHECK_STR(id_cases[i].want, buf_cstr(&out), id_cases[i].behaviour);
        bson_destroy(document);
        buf_done(&out);
    }
}

static void the_state_survives_the_ledger(void **state)
{
    (void)state;
    struct err err = {0};
    struct docdb_state written, read;
    docdb_state_init(&written);
    docdb_state_init(&read);
    snprintf(written.set, sizeof(written.set), "rs0");
    snprintf(written.database, sizeof(written.database), "d\"b");
    written.snapshot_done = true;
    written.start = UINT64_C(7) << 32 | 9;
    written.last = (struct position){UINT64_C(8) << 32 | 1, 4};
    bson_t *token = bson_new_from_json((const uint8_t *)"{\"_data\":\"8263\"}", -1, NULL);
    docdb_state_set_token(&written, token);
    struct buf out = buf_new(4096);
    docdb_state_encode(&written, &out);
    ASSERT_OK(docdb_state_decode(buf_slice(&out), &read, &err), &err);
    assert_true(read.known && read.snapshot_done);
    assert_string_equal("d\"b", read.database);
    assert_true(read.start == written.start && position_compare(read.last, written.last) == 0);
    assert_true(bson_equal(&read.token, token));
    bson_destroy(token);
    buf_done(&out);
    docdb_state_done(&read);
    docdb_state_init(&read);
    ASSERT_OK(docdb_state_decode(slice_of_str("{}"), &read, &err), &err);
    assert_false(read.known);
    assert_int_equal(RC_FATAL, docdb_state_decode(slice_of_str("{\"set\":1}"), &read, &err));
    docdb_state_done(&read);
    docdb_state_done(&written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_fits_or_says_why_not),
        cmocka_unit_test(the_row_is_avro_in_column_order),
        cmocka_unit_test(super_json_is_plain),
        cmocka_unit_test(an_id_is_text),
        cmocka_unit_test(the_state_survives_the_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
