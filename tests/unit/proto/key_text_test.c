/* Keys as Debezium's headers have them. */
#include "test.h"

#include <stdlib.h>

#include "proto/avro_put.h"
#include "proto/key_text.h"

// clang-format off
static const struct {
    const char *behaviour;
    enum column_type type;
    int scale;
    const char *value; /* decimal: as text; bytes and texts: as they are; numbers: as text */
    const char *want;
} cases[] = {
    {"a number",                               COLUMN_INT32,   0, "-7",           "{\"k\":-7}"},
    {"a large number",                         COLUMN_INT64,   0, "9223372036854775807", "{\"k\":9223372036854775807}"},
    {"a day is its number",                    COLUMN_DATE,    0, "19782",        "{\"k\":19782}"},
    {"Connect's day",                          COLUMN_CONNECT_DATE, 0, "19782",   "{\"k\":2024-02-29}"},
    {"Connect's day before 1970 is a time",    COLUMN_CONNECT_DATE, 0, "-1",      "{\"k\":00:00:00.000Z}"},
    {"Connect's time",                         COLUMN_CONNECT_TIME, 0, "3723040", "{\"k\":01:02:03.040Z}"},
    {"Connect's instant",                      COLUMN_CONNECT_TIMESTAMP, 0, "1709168523040", "{\"k\":2024-02-29T01:02:03.040Z}"},
    {"the first of March",                     COLUMN_CONNECT_TIMESTAMP, 0, "951868800001", "{\"k\":2000-03-01T00:00:00.001Z}"},
    {"the last of December",                   COLUMN_CONNECT_TIMESTAMP, 0, "978220800000", "{\"k\":2000-12-31}"},
    {"a text",                                 COLUMN_STRING,  0, "ab",           "{\"k\":\"ab\"}"},
    {"quotes and backslashes are escaped",     COLUMN_STRING,  0, "a\"b\\c\n",    "{\"k\":\"a\\\"b\\\\c\n\"}"},
    {"an identifier",                          COLUMN_UUID,    0, "0-1",          "{\"k\":\"0-1\"}"},
    {"bytes are base64",                       COLUMN_BYTES,   0, "abc",          "{\"k\":\"YWJj\"}"},
    {"a decimal",                              COLUMN_DECIMAL, 2, "12.50",        "{\"k\":12.50}"},
    {"a negative decimal",                     COLUMN_DECIMAL, 2, "-0.05",        "{\"k\":-0.05}"},
    {"zero",                                   COLUMN_DECIMAL, 3, "0",            "{\"k\":0.000}"},
    {"no fraction",                            COLUMN_DECIMAL, 0, "1000",         "{\"k\":1000}"},
    {"minus 128 is one byte",                  COLUMN_DECIMAL, 0, "-128",         "{\"k\":-128}"},
    {"minus two to the 32nd",                  COLUMN_DECIMAL, 0, "-4294967296",  "{\"k\":-4294967296}"},
    {"zeros inside",                           COLUMN_DECIMAL, 0, "1000000000000000000001", "{\"k\":1000000000000000000001}"},
    {"more digits than 64 bits have",          COLUMN_DECIMAL, 1, "123456789012345678901234567890.5",
     "{\"k\":123456789012345678901234567890.5}"},
    {"a small one has an exponent",            COLUMN_DECIMAL, 7, "0.0000012",    "{\"k\":0.0000012}"},
    {"a smaller one",                          COLUMN_DECIMAL, 8, "0.00000012",   "{\"k\":1.2E-7}"},
    {"one digit with an exponent",             COLUMN_DECIMAL, 8, "0.00000001",   "{\"k\":1E-8}"},
};
// clang-format on

static void put_key(struct buf *out, size_t i)
{
    avro_put_frame(out, 1);
    switch (cases[i].type) {
    case COLUMN_DECIMAL: assert_true(avro_put_decimal(out, slice_of_str(cases[i].value), cases[i].scale)); break;
    case COLUMN_INT32:
    case COLUMN_INT64:
    case COLUMN_CONNECT_DATE:
    case COLUMN_CONNECT_TIME:
    case COLUMN_CONNECT_TIMESTAMP:
    case COLUMN_DATE: avro_put_long(out, strtoll(cases[i].value, NULL, 10)); break;
    default: avro_put_str(out, cases[i].value); break;
    }
}

static void keys_are_written_as_connect_writes_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct column column = {.name = "k", .type = cases[i].type, .scale = cases[i].scale};
        const uint16_t key[] = {0};
        const struct table_shape shape = {.columns = &column, .n_columns = 1, .key_columns = key, .n_key_columns = 1};
        SCOPED(buf_done) struct buf framed = buf_new(1 << 12);
        SCOPED(buf_done) struct buf out = buf_new(1 << 12);
        put_key(&framed, i);
        CHECK_EQ(true, key_text_put(&out, &shape, buf_slice(&framed)), cases[i].behaviour);
        CHECK_STR(cases[i].want, buf_cstr(&out), cases[i].behaviour);
        buf_clear(&out);
        CHECK_EQ(false, key_text_put(&out, &shape, slice_of(framed.ptr, framed.len - 1)), "a cut key");
    }
}

static void columns_stand_in_the_order_of_the_key(void **state)
{
    (void)state;
    struct column columns[] = {{.name = "a b", .type = COLUMN_INT32}, {.name = "c", .type = COLUMN_BOOL}};
    const uint16_t key[] = {1, 0};
    const struct table_shape shape = {.columns = columns, .n_columns = 2, .key_columns = key, .n_key_columns = 2};
    SCOPED(buf_done) struct buf framed = buf_new(1 << 12);
    SCOPED(buf_done) struct buf out = buf_new(1 << 12);
    avro_put_frame(&framed, 1);
    buf_put_u8(&framed, 1);
    avro_put_long(&framed, 5);
    CHECK_EQ(true, key_text_put(&out, &shape, buf_slice(&framed)), "two columns");
    CHECK_STR("{\"c\":true,\"a_b\":5}", buf_cstr(&out), "two columns");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_written_as_connect_writes_them),
        cmocka_unit_test(columns_stand_in_the_order_of_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
