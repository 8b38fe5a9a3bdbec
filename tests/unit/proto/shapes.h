/* Tables that the tests of events and their fuzz target share. */
#ifndef LEAT_TEST_SHAPES_H
#define LEAT_TEST_SHAPES_H

#include "proto/column.h"
#include "proto/envelope.h"

/* A row of a bank's ledger: nine columns of the common types. */
static struct column bank_columns[] = {
    {.name = "id", .type = COLUMN_INT64},
    {.name = "account_id", .type = COLUMN_UUID},
    {.name = "kind", .type = COLUMN_STRING, .length = 16, .source_type = "VARCHAR"},
    {.name = "amount", .type = COLUMN_DECIMAL, .precision = 18, .scale = 2},
    {.name = "currency", .type = COLUMN_STRING, .optional = true, .length = 3, .source_type = "BPCHAR"},
    {.name = "note", .type = COLUMN_STRING, .optional = true},
    {.name = "settled", .type = COLUMN_BOOL, .optional = true},
    {.name = "created_at", .type = COLUMN_ZONED_TIMESTAMP},
    {.name = "value_date", .type = COLUMN_DATE, .optional = true},
};
static const uint16_t bank_key[] = {0};
static const struct table_shape bank_shape = {"bank.public.transactions", bank_columns, 9, bank_key, 1};

/* Each type required and optional. */
// clang-format off
#define BOTH(column_name, ...) \
    {.name = "a_" column_name, __VA_ARGS__}, {.name = "o_" column_name, .optional = true, __VA_ARGS__}
static struct column all_columns[] = {
    BOTH("bool",     .type = COLUMN_BOOL),
    BOTH("int16",    .type = COLUMN_INT16),
    BOTH("int32",    .type = COLUMN_INT32),
    BOTH("int64",    .type = COLUMN_INT64),
    BOTH("float",    .type = COLUMN_FLOAT),
    BOTH("double",   .type = COLUMN_DOUBLE),
    BOTH("decimal",  .type = COLUMN_DECIMAL, .precision = 10, .scale = 2),
    BOTH("vdecimal", .type = COLUMN_VARIABLE_DECIMAL),
    BOTH("string",   .type = COLUMN_STRING),
    BOTH("bytes",    .type = COLUMN_BYTES),
    BOTH("uuid",     .type = COLUMN_UUID),
    BOTH("json",     .type = COLUMN_JSON),
    BOTH("xml",      .type = COLUMN_XML),
    BOTH("enum",     .type = COLUMN_ENUM, .enum_labels = "red,green"),
    BOTH("date",     .type = COLUMN_DATE),
    BOTH("mtime",    .type = COLUMN_TIME_US),
    BOTH("mts",      .type = COLUMN_TIMESTAMP_US),
    BOTH("ts",       .type = COLUMN_TIMESTAMP_MS),
    BOTH("zt",       .type = COLUMN_ZONED_TIME),
    BOTH("zts",      .type = COLUMN_ZONED_TIMESTAMP),
    BOTH("dur",      .type = COLUMN_INTERVAL_US),
    {.name = "o_varchar", .type = COLUMN_STRING, .optional = true, .length = 40, .source_type = "VARCHAR"},
    {.name = "e_prop",    .type = COLUMN_ENUM, .length = 2147483647, .source_type = "mood", .enum_labels = "red,green"},
};
// clang-format on
static const uint16_t all_key[] = {6, 20};
static const struct table_shape all_shape = {"bank.public.all_types", all_columns,
                                             sizeof(all_columns) / sizeof(all_columns[0]), all_key, 2};

/* What the type modes and the rarer types add; its key has all columns. */
// clang-format off
static struct column more_columns[] = {
    BOTH("time",   .type = COLUMN_TIME_MS),
    BOTH("ntime",  .type = COLUMN_TIME_NS),
    BOTH("nts",    .type = COLUMN_TIMESTAMP_NS),
    BOTH("cdate",  .type = COLUMN_CONNECT_DATE),
    BOTH("ctime",  .type = COLUMN_CONNECT_TIME),
    BOTH("cts",    .type = COLUMN_CONNECT_TIMESTAMP),
    BOTH("idate",  .type = COLUMN_ISO_DATE),
    BOTH("itime",  .type = COLUMN_ISO_TIME),
    BOTH("its",    .type = COLUMN_ISO_TIMESTAMP),
    BOTH("span",   .type = COLUMN_INTERVAL_TEXT),
    BOTH("bits",   .type = COLUMN_BITS, .length = 9),
    BOTH("tsv",    .type = COLUMN_TSVECTOR),
    BOTH("ltree",  .type = COLUMN_LTREE),
    BOTH("point",  .type = COLUMN_POINT),
    /* Debezium's geometry may always be null, whatever its column says. */
    {.name = "a_geom", .type = COLUMN_GEOMETRY, .optional = true}, {.name = "o_geom", .type = COLUMN_GEOMETRY, .optional = true},
    BOTH("geog",   .type = COLUMN_GEOGRAPHY),
    BOTH("dvec",   .type = COLUMN_DOUBLE_VECTOR),
    BOTH("fvec",   .type = COLUMN_FLOAT_VECTOR),
    BOTH("svec",   .type = COLUMN_SPARSE_VECTOR),
    BOTH("map",    .type = COLUMN_MAP),
    BOTH("ints",   .type = COLUMN_INT32, .is_array = true),
    BOTH("shorts", .type = COLUMN_INT16, .is_array = true),
    BOTH("texts",  .type = COLUMN_STRING, .is_array = true),
    BOTH("decs",   .type = COLUMN_DECIMAL, .precision = 10, .scale = 2, .is_array = true),
    BOTH("vdecs",  .type = COLUMN_VARIABLE_DECIMAL, .is_array = true),
    BOTH("uuids",  .type = COLUMN_UUID, .is_array = true),
    BOTH("enums",  .type = COLUMN_ENUM, .enum_labels = "red,green", .is_array = true),
    BOTH("points", .type = COLUMN_POINT, .is_array = true),
    BOTH("maps",   .type = COLUMN_MAP, .is_array = true),
    BOTH("svecs",  .type = COLUMN_SPARSE_VECTOR, .is_array = true),
    BOTH("dates",  .type = COLUMN_DATE, .is_array = true),
    {.name = "money", .type = COLUMN_DECIMAL, .scale = 2},
};
// clang-format on
enum { MORE_COLUMNS = sizeof(more_columns) / sizeof(more_columns[0]) };
static const struct table_shape more_shape = {"bank.public.more_types", more_columns, MORE_COLUMNS,
                                              (const uint16_t[]){0}, 1};

/* An envelope that no Debezium writes but that is one all the same: fields in another order, null behind the
 * value, units of other schema names, and between them everything that Avro knows, to be skipped. */
// clang-format off
static const char odd_schema[] =
    "{\"type\":\"record\",\"name\":\"Envelope\",\"namespace\":\"odd.ns\",\"fields\":["
    "{\"name\":\"f_fixed\",\"type\":{\"type\":\"fixed\",\"name\":\"F3\",\"size\":3}},"
    "{\"name\":\"op\",\"type\":[\"string\",\"null\"]},"
    "{\"name\":\"f_array\",\"type\":{\"type\":\"array\",\"items\":[\"null\",\"string\",\"double\",{\"type\":\"array\",\"items\":\"int\"}]}},"
    "{\"name\":\"after\",\"type\":[{\"type\":\"record\",\"name\":\"Row\",\"fields\":["
        "{\"name\":\"kind\",\"type\":{\"type\":\"enum\",\"name\":\"Kind\",\"symbols\":[\"RED\",\"GREEN\"]}},"
        "{\"name\":\"hash\",\"type\":[\"F3\",\"null\"]},"
        "{\"name\":\"price\",\"type\":{\"type\":\"fixed\",\"name\":\"D4\",\"size\":4,\"logicalType\":\"decimal\",\"precision\":9,\"scale\":3}},"
        "{\"name\":\"rate\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"VariableScaleDecimal\",\"namespace\":\"io.debezium.data\",\"fields\":["
            "{\"name\":\"value\",\"type\":\"bytes\"},{\"name\":\"scale\",\"type\":\"int\"}]}]},"
        "{\"name\":\"opens\",\"type\":{\"type\":\"int\",\"connect.name\":\"io.debezium.time.Time\"}},"
        "{\"name\":\"seen\",\"type\":[{\"type\":\"long\",\"connect.name\":\"io.debezium.time.NanoTimestamp\"},\"null\"]},"
        "{\"name\":\"tiny\",\"type\":{\"type\":\"int\",\"connect.type\":\"int8\"}}"
    "]},\"null\"]},"
    "{\"name\":\"f_map\",\"type\":{\"type\":\"map\",\"values\":{\"type\":\"map\",\"values\":\"bytes\"}}},"
    "{\"name\":\"f_nulls\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"Nothing\",\"fields\":[{\"name\":\"n\",\"type\":\"null\"}]}}},"
    "{\"name\":\"source\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"Source\",\"fields\":["
        "{\"name\":\"f_float\",\"type\":\"float\"},{\"name\":\"f_kind\",\"type\":\"Kind\"},"
        "{\"name\":\"ts_ms\",\"type\":[\"null\",\"long\"]},{\"name\":\"f_bool\",\"type\":\"boolean\"}]}]},"
    "{\"name\":\"f_list\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"List\",\"fields\":["
        "{\"name\":\"n\",\"type\":\"int\"},{\"name\":\"next\",\"type\":[\"null\",\"List\"]}]}]},"
    "{\"name\":\"before\",\"type\":[\"null\",\"Row\"]}]}";
// clang-format on

#endif
