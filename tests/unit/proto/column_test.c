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

#define BYTES(text) {(const uint8_t *)(text), sizeof(text) - 1}
static const struct {
    const char *behaviour;
    struct column column;
    const char *type, *value;
} defaults[] = {
    {"an optional type without a default has null", {.type = COLUMN_INT32, .optional = true}, "[\"null\",\"int\"]", "null"},
    {"a required type without a default has none", {.type = COLUMN_INT32}, "\"int\"", ""},
    {"with a default null is the second branch", {.type = COLUMN_INT32, .optional = true, .default_value = BYTES("\x0a")},
     "[{\"type\":\"int\",\"connect.default\":5},\"null\"]", "5"},
    {"a required type has one too", {.type = COLUMN_INT16, .default_value = BYTES("\x09")},
     "{\"type\":\"int\",\"connect.default\":-5,\"connect.type\":\"int16\"}", "-5"},
    {"a boolean", {.type = COLUMN_BOOL, .default_value = BYTES("\x01")}, "{\"type\":\"boolean\",\"connect.default\":true}", "true"},
    {"a double", {.type = COLUMN_DOUBLE, .default_value = BYTES("\0\0\0\0\0\0\xf8\x3f")},
     "{\"type\":\"double\",\"connect.default\":1.5}", "1.5"},
    {"a text", {.type = COLUMN_STRING, .default_value = BYTES("\x04" "a\"")}, "{\"type\":\"string\",\"connect.default\":\"a\\\"\"}", "\"a\\\"\""},
    {"a name of Connect's", {.type = COLUMN_DATE, .default_value = BYTES("\x02")},
     "{\"type\":\"int\",\"connect.version\":1,\"connect.default\":1,\"connect.name\":\"io.debezium.time.Date\"}", "1"},
    {"bytes are characters", {.type = COLUMN_BITS, .length = 16, .default_value = BYTES("\x04\x00\xff")},
     "{\"type\":\"bytes\",\"connect.version\":1,\"connect.parameters\":{\"length\":\"16\"},\"connect.default\":\"\\u0000\xc3\xbf\","
     "\"connect.name\":\"io.debezium.data.Bits\"}", "\"\\u0000\xc3\xbf\""},
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

static void column_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        SCOPED(buf_done) struct buf type = buf_new(4096);
        SCOPED(buf_done) struct buf value = buf_new(4096);
        column_put_avro_type(&type, &defaults[i].column);
        CHECK_EQ(*defaults[i].value != '\0', column_put_avro_default(&value, &defaults[i].column),
                 defaults[i].behaviour);
        CHECK_STR(defaults[i].type, buf_cstr(&type), defaults[i].behaviour);
        CHECK_STR(defaults[i].value, buf_cstr(&value), defaults[i].behaviour);
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
        cmocka_unit_test(column_defaults),
        cmocka_unit_test(column_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
