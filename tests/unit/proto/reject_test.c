#include "test.h"

#include "proto/reject.h"

static const struct {
    const char *behaviour, *bytes, *want;
} base64_cases[] = {
    /* RFC 4648 section 10 */
    {"nothing", "", ""},
    {"one byte has two signs of padding", "f", "Zg=="},
    {"two bytes have one", "fo", "Zm8="},
    {"three bytes have none", "foo", "Zm9v"},
    {"four", "foob", "Zm9vYg=="},
    {"five", "fooba", "Zm9vYmE="},
    {"six", "foobar", "Zm9vYmFy"},
    {"the last two letters of the alphabet", "\xfb\xff\xbf", "+/+/"},
};

static void base64_is_rfc_4648s(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(base64_cases); i++) {
        SCOPED(buf_done) struct buf out = buf_new(64);
        base64_put(&out, slice_of_str(base64_cases[i].bytes));
        CHECK_STR(base64_cases[i].want, buf_cstr(&out), base64_cases[i].behaviour);
    }
}

static struct reject sample(void)
{
    return (struct reject){
        .stage = "capture",
        .source = "docs",
        .topic = "bank.db.trades",
        .path = "details.lag",
        .message = "the document lacks \"lag\"",
        .code = ERR_DOC_MISSING_FIELD,
        .key = slice_of_str("{\"$oid\":\"5f\"}"),
        .pos = {UINT64_MAX, 2},
        .offset = -1,
        .record = slice_of_str("{\"_id\":1}"),
    };
}

static void a_reject_is_one_json_object(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = buf_new(4096);
    struct reject reject = sample();
    reject_encode(&reject, 1795459547123456, &out);
    CHECK_STR(
        "{\"v\":1,\"stage\":\"capture\",\"source\":\"docs\",\"topic\":\"bank.db.trades\","
        "\"key\":\"{\\\"$oid\\\":\\\"5f\\\"}\",\"pos\":[18446744073709551615,2],\"code\":\"DOC_MISSING_FIELD\","
        "\"path\":\"details.lag\",\"message\":\"the document lacks \\\"lag\\\"\",\"rejected_us\":1795459547123456,"
        "\"record\":{\"_id\":1}}",
        buf_cstr(&out), "capture");
}

static void the_sinks_reject_tells_its_offset(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = buf_new(4096);
    struct reject reject = sample();
    reject.stage = "sink";
    reject.offset = 0;
    reject.path = NULL;
    reject.record = (struct slice){0};
    reject_encode(&reject, 1, &out);
    const char *text = buf_cstr(&out);
    assert_non_null(strstr(text, ",\"offset\":0,"));
    assert_null(strstr(text, "\"path\""));
    assert_non_null(strstr(text, "\"record\":null}"));
}

static void the_key_is_the_same_for_the_same_change(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = buf_new(4096);
    struct reject reject = sample();
    reject_encode_key(&reject, &out);
    CHECK_STR("bank.db.trades/18446744073709551615/2", buf_cstr(&out), "key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_rfc_4648s),
        cmocka_unit_test(a_reject_is_one_json_object),
        cmocka_unit_test(the_sinks_reject_tells_its_offset),
        cmocka_unit_test(the_key_is_the_same_for_the_same_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
