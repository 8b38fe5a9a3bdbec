#include "test.h"

#include "proto/column.h"

/* What Debezium makes of each type is compared in envelope_test.c; here is what it leaves open. */
// clang-format off
static const struct {
    const char *behaviour;
    struct column column;
    const char *want;
} types[] = {
    {"an optional type is a union with null first", {.type = COLUMN_INT32, .optional = true}, "[\"null\",\"int\"]"},
    {"a decimal of unknown precision has Connect's 64", {.type = COLUMN_DECIMAL, .scale = 3},
     "{\"type\":\"bytes\",\"scale\":3,\"precision\":64,\"connect.version\":1,\"connect.parameters\":{\"scale\":\"3\"},"
     "\"connect.name\":\"org.apache.kafka.connect.data.Decimal\",\"logicalType\":\"decimal\"}"},
    {"a text without a known length says nothing of its source", {.type = COLUMN_STRING, .source_type = "TEXT"}, "\"string\""},
    {"nor does one without a source type", {.type = COLUMN_STRING, .length = 5}, "\"string\""},
    {"a type's name is quoted", {.type = COLUMN_STRING, .length = 5, .source_type = "a\"b"},
     "{\"type\":\"string\",\"connect.parameters\":{\"__debezium.source.column.type\":\"a\\\"b\","
     "\"__debezium.source.column.length\":\"5\"}}"},
    {"only text carries its length", {.type = COLUMN_BYTES, .length = 5, .source_type = "BYTEA"}, "\"bytes\""},
    {"an array", {.type = COLUMN_INT32, .is_array = true, .dimensions = 1},
     "{\"type\":\"array\",\"items\":[\"null\",\"int\"]}"},
    {"an array that does not say its dimensions has one", {.type = COLUMN_INT32, .is_array = true},
     "{\"type\":\"array\",\"items\":[\"null\",\"int\"]}"},
    {"an element of an array of two dimensions may be an array", {.type = COLUMN_INT32, .optional = true, .is_array = true, .dimensions = 2},
     "[\"null\",{\"type\":\"array\",\"items\":[\"null\",\"int\",{\"type\":\"array\",\"items\":[\"null\",\"int\"]}]}]"},
    {"a record is defined once, whatever the dimensions", {.type = COLUMN_VARIABLE_DECIMAL, .is_array = true, .dimensions = 2},
     "{\"type\":\"array\",\"items\":[\"null\",{\"type\":\"record\",\"name\":\"VariableScaleDecimal\",\"namespace\":\"io.debezium.data\","
     "\"fields\":[{\"name\":\"scale\",\"type\":\"int\"},{\"name\":\"value\",\"type\":\"bytes\"}],"
     "\"connect.doc\":\"Variable scaled decimal\",\"connect.version\":1,\"connect.name\":\"io.debezium.data.VariableScaleDecimal\"},"
     "{\"type\":\"array\",\"items\":[\"null\",\"io.debezium.data.VariableScaleDecimal\"]}]}"},
    {"labels of an enum are quoted", {.type = COLUMN_ENUM, .enum_labels = "it's,\"x\""},
     "{\"type\":\"string\",\"connect.version\":1,\"connect.parameters\":{\"allowed\":\"it's,\\\"x\\\"\"},"
     "\"connect.name\":\"io.debezium.data.Enum\"}"},
};

static const struct {
    const char *behaviour, *name, *want;
} names[] = {
    {"what Avro allows stays",                      "a_B9",             "a_B9"},
    {"anything else becomes an underscore",         "a b-c.d\"$",       "a_b_c_d__"},
    {"a leading digit gets one in front",           "1st",              "_1st"},
    {"a letter outside ASCII is one",               "\xc3\xa9t\xe2\x82\xac", "_t_"},
    {"beyond the basic plane it is two",            "\xf0\x9f\x99\x82", "__"},
    {"an empty name is one underscore",             "",                 "_"},
};
// clang-format on

static void column_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        SCOPED(buf_done) struct buf out = buf_new(4096);
        column_put_avro_type(&out, &types[i].column);
        CHECK_STR(types[i].want, buf_cstr(&out), types[i].behaviour);
    }
}

static void column_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        SCOPED(buf_done) struct buf out = buf_new(4096);
        column_put_avro_name(&out, names[i].name);
        CHECK_STR(names[i].want, buf_cstr(&out), names[i].behaviour);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(column_types),
        cmocka_unit_test(column_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
