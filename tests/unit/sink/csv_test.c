#include "test.h"

#include <math.h>

#include "proto/envelope.h"
#include "proto/row.h"
#include "proto/shapes.h"
#include "sink/csv.h"

#define REJECT_LONG  ERR_VALUE_TOO_LONG
#define REJECT_VALUE ERR_VALUE_UNLOADABLE

#define TEXT(s)                                                                                                        \
    {                                                                                                                  \
        .kind = AVRO_VALUE_BYTES, .bytes = {(const uint8_t *)(s), sizeof(s) - 1 }                                      \
    }
#define LONG(n)                                                                                                        \
    {                                                                                                                  \
        .kind = AVRO_VALUE_LONG, .i = (n)                                                                              \
    }
#define BOOLEAN(n)                                                                                                     \
    {                                                                                                                  \
        .kind = AVRO_VALUE_BOOL, .i = (n)                                                                              \
    }
#define NUMBER(n)                                                                                                      \
    {                                                                                                                  \
        .kind = AVRO_VALUE_DOUBLE, .d = (n)                                                                            \
    }
#define DECIMAL(s, n)                                                                                                  \
    {                                                                                                                  \
        .kind = AVRO_VALUE_DECIMAL, .scale = (n), .bytes = {(const uint8_t *)(s), sizeof(s) - 1 }                      \
    }

struct csv_case {
    const char *behaviour;
    enum column_type type;
    int precision, scale, length;
    struct avro_value value;
    const char *want; /* NULL: refused with `code` */
    enum err_code code;
};

static const struct csv_case cases[] = {
    {"true is t", COLUMN_BOOL, .value = BOOLEAN(1), .want = "t"},
    {"false is f", COLUMN_BOOL, .value = BOOLEAN(0), .want = "f"},
    {"the smallest bigint", COLUMN_INT64, .value = LONG(INT64_MIN), .want = "-9223372036854775808"},
    {"the largest bigint", COLUMN_INT64, .value = LONG(INT64_MAX), .want = "9223372036854775807"},
    {"zero", COLUMN_INT32, .value = LONG(0), .want = "0"},
    {"the smallest smallint", COLUMN_INT16, .value = LONG(-32768), .want = "-32768"},
    {"a smallint that is none is refused", COLUMN_INT16, .value = LONG(32768), .code = REJECT_VALUE},
    {"an interval is its microseconds", COLUMN_INTERVAL_US, .value = LONG(-1500000), .want = "-1500000"},

    {"a float in its shortest form", COLUMN_FLOAT, .value = NUMBER(0.1f), .want = "0.1"},
    {"a float that needs nine digits", COLUMN_FLOAT, .value = NUMBER(112.237564f), .want = "112.237564"},
    {"a double in its shortest form", COLUMN_DOUBLE, .value = NUMBER(0.1), .want = "0.1"},
    {"a double that needs 17 digits", COLUMN_DOUBLE, .value = NUMBER(0.1 + 0.2), .want = "0.30000000000000004"},
    {"a whole double has no point", COLUMN_DOUBLE, .value = NUMBER(-42), .want = "-42"},
    {"minus zero keeps its sign", COLUMN_DOUBLE, .value = NUMBER(-0.0), .want = "-0"},
    {"a large double", COLUMN_DOUBLE, .value = NUMBER(1.7976931348623157e308), .want = "1.7976931348623157e+308"},
    {"NaN is refused", COLUMN_DOUBLE, .value = NUMBER(NAN), .code = REJECT_VALUE},
    {"infinity is refused", COLUMN_FLOAT, .value = NUMBER(-INFINITY), .code = REJECT_VALUE},

    {"a decimal", COLUMN_DECIMAL, 18, 2, .value = DECIMAL("\x04\xd2", 2), .want = "12.34"},
    {"a negative decimal", COLUMN_DECIMAL, 18, 2, .value = DECIMAL("\xff", 2), .want = "-0.01"},
    {"a decimal below one", COLUMN_DECIMAL, 18, 4, .value = DECIMAL("\x05", 4), .want = "0.0005"},
    {"a decimal zero", COLUMN_DECIMAL, 18, 2, .value = DECIMAL("\x00", 2), .want = "0.00"},
    {"a decimal with superfluous sign bytes", COLUMN_DECIMAL, 18, 0,
     .value = DECIMAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 0), .want = "-2"},
    {"a decimal of eight bytes", COLUMN_DECIMAL, 20, 0, .value = DECIMAL("\x80\x00\x00\x00\x00\x00\x00\x00", 0),
     .want = "-9223372036854775808"},
    {"a decimal of nine bytes", COLUMN_DECIMAL, 38, 0, .value = DECIMAL("\x00\xff\xff\xff\xff\xff\xff\xff\xff", 0),
     .want = "18446744073709551615"},
    {"38 nines", COLUMN_DECIMAL, 38, 10,
     .value = DECIMAL("\x4b\x3b\x4c\xa8\x5a\x86\xc4\x7a\x09\x8a\x22\x3f\xff\xff\xff\xff", 10),
     .want = "9999999999999999999999999999.9999999999"},
    {"minus 38 nines", COLUMN_DECIMAL, 38, 0,
     .value = DECIMAL("\xb4\xc4\xb3\x57\xa5\x79\x3b\x85\xf6\x75\xdd\xc0\x00\x00\x00\x01", 0),
     .want = "-99999999999999999999999999999999999999"},
    {"a decimal with too many digits is refused", COLUMN_DECIMAL, 4, 2, .value = DECIMAL("\x27\x10", 2),
     .code = REJECT_VALUE},
    {"a scale that is too fine is refused", COLUMN_DECIMAL, 18, 2, .value = DECIMAL("\x04\xd3", 3),
     .code = REJECT_VALUE},
    {"a scale that is finer by zeros only is not", COLUMN_DECIMAL, 18, 2, .value = DECIMAL("\x04\xd8", 3),
     .want = "1.24"},
    {"a negative scale is written out", COLUMN_DECIMAL, 4, -2, .value = DECIMAL("\x0c", -2), .want = "1200"},
    {"a decimal without bytes is malformed", COLUMN_DECIMAL, 4, 2, .value = DECIMAL("", 2), .code = ERR_AVRO_MALFORMED},
    {"a variable decimal is exact text", COLUMN_VARIABLE_DECIMAL, .value = DECIMAL("\x04\xd2", 3), .want = "\"1.234\""},
    {"a variable decimal of negative scale", COLUMN_VARIABLE_DECIMAL, .value = DECIMAL("\x01", -3), .want = "\"1000\""},
    {"a variable decimal of 300 digits is refused", COLUMN_VARIABLE_DECIMAL, .value = DECIMAL("\x01", 300),
     .code = REJECT_LONG},

    {"text is quoted", COLUMN_STRING, .value = TEXT("abc"), .want = "\"abc\""},
    {"empty text is not NULL", COLUMN_STRING, .value = TEXT(""), .want = "\"\""},
    {"quotes are doubled", COLUMN_STRING, .value = TEXT("\"a\"\"b\""), .want = "\"\"\"a\"\"\"\"b\"\"\""},
    {"commas, newlines, tabs and backslashes stay", COLUMN_STRING, .value = TEXT("a,b\r\n\tc\\N\\"),
     .want = "\"a,b\r\n\tc\\N\\\""},
    {"text beyond ASCII stays", COLUMN_STRING, .value = TEXT("gr\xc3\xb6\xc3\x9f\"e \xf0\x9f\x98\x80"),
     .want = "\"gr\xc3\xb6\xc3\x9f\"\"e \xf0\x9f\x98\x80\""},
    {"noncharacters stay", COLUMN_STRING, .value = TEXT("\xef\xbf\xbf\xef\xb7\xaf"),
     .want = "\"\xef\xbf\xbf\xef\xb7\xaf\""},
    {"blanks at the end stay outside of keys", COLUMN_STRING, .value = TEXT("a  "), .want = "\"a  \""},
    {"a zero at the start is refused", COLUMN_STRING, .value = TEXT("\0abcdefghij"), .code = REJECT_VALUE},
    {"a zero in the middle is refused", COLUMN_STRING, .value = TEXT("abcdefgh\0ij"), .code = REJECT_VALUE},
    {"a zero at the end is refused", COLUMN_STRING, .value = TEXT("abc\0"), .code = REJECT_VALUE},
    {"invalid UTF-8 is refused", COLUMN_STRING, .value = TEXT("a\xff"), .code = REJECT_VALUE},
    {"a surrogate is refused", COLUMN_STRING, .value = TEXT("\xed\xa0\x80"), .code = REJECT_VALUE},
    {"text as long as the column in four-byte characters", COLUMN_STRING, .length = 1,
     .value = TEXT("\xf0\x9f\x98\x80"), .want = "\"\xf0\x9f\x98\x80\""},
    {"text longer than the column is refused", COLUMN_STRING, .length = 1, .value = TEXT("abcde"), .code = REJECT_LONG},
    {"a uuid", COLUMN_UUID, .value = TEXT("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
     .want = "\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\""},
    {"a time of day with its zone is text", COLUMN_ZONED_TIME, .value = TEXT("10:00:00+02:00"),
     .want = "\"10:00:00+02:00\""},

    {"JSON is quoted", COLUMN_JSON, .value = TEXT("{\"a\": [1, null]}"), .want = "\"{\"\"a\"\": [1, null]}\""},
    {"JSON null is not NULL", COLUMN_JSON, .value = TEXT("null"), .want = "\"null\""},
    {"empty text is not JSON", COLUMN_JSON, .value = TEXT(""), .code = REJECT_VALUE},
    {"a zero character in JSON is refused", COLUMN_JSON, .value = TEXT("\"a\\u0000\""), .code = REJECT_VALUE},
    {"an escaped backslash before u0000 is none", COLUMN_JSON, .value = TEXT("\"\\\\u0000\""),
     .want = "\"\"\"\\\\u0000\"\"\""},

    {"bytes are hex", COLUMN_BYTES, .value = TEXT("\x00\xff\x1a"), .want = "00ff1a"},
    {"no bytes would be NULL and are refused", COLUMN_BYTES, .value = TEXT(""), .code = REJECT_VALUE},

    {"the first day", COLUMN_DATE, .value = LONG(0), .want = "1970-01-01"},
    {"the day before it", COLUMN_DATE, .value = LONG(-1), .want = "1969-12-31"},
    {"a leap day", COLUMN_DATE, .value = LONG(11016), .want = "2000-02-29"},
    {"the first day of year 1", COLUMN_DATE, .value = LONG(-719162), .want = "0001-01-01"},
    {"the day before year 1 is refused", COLUMN_DATE, .value = LONG(-719163), .code = REJECT_VALUE},
    {"the last day redshift knows", COLUMN_DATE, .value = LONG(106762939), .want = "294276-12-31"},
    {"the day after it is refused", COLUMN_DATE, .value = LONG(106762940), .code = REJECT_VALUE},
    {"an infinite date is refused", COLUMN_DATE, .value = LONG(INT32_MAX), .code = REJECT_VALUE},
    {"midnight", COLUMN_TIME_US, .value = LONG(0), .want = "00:00:00.000000"},
    {"the end of the day", COLUMN_TIME_US, .value = LONG(86400000000), .want = "24:00:00.000000"},
    {"a time below zero is refused", COLUMN_TIME_US, .value = LONG(-1), .code = REJECT_VALUE},
    {"a timestamp in microseconds", COLUMN_TIMESTAMP_US, .value = LONG(1498730401000007),
     .want = "2017-06-29 10:00:01.000007"},
    {"a timestamp in milliseconds", COLUMN_TIMESTAMP_MS, .value = LONG(1498730401007),
     .want = "2017-06-29 10:00:01.007000"},
    {"a timestamp before 1970", COLUMN_TIMESTAMP_US, .value = LONG(-1), .want = "1969-12-31 23:59:59.999999"},
    {"an infinite timestamp is refused", COLUMN_TIMESTAMP_US, .value = LONG(9223371331200000000), .code = REJECT_VALUE},
    {"the other one too", COLUMN_TIMESTAMP_US, .value = LONG(-9223372036832400000), .code = REJECT_VALUE},
    {"milliseconds that do not fit are refused", COLUMN_TIMESTAMP_MS, .value = LONG(INT64_MAX), .code = REJECT_VALUE},
    {"a time with zone", COLUMN_ZONED_TIMESTAMP, .value = TEXT("2017-06-29T10:00:01.5Z"),
     .want = "2017-06-29 10:00:01.500000+00"},
    {"another zone becomes UTC", COLUMN_ZONED_TIMESTAMP, .value = TEXT("2017-01-01T00:30:00.123456+02:00"),
     .want = "2016-12-31 22:30:00.123456+00"},
    {"a western zone too", COLUMN_ZONED_TIMESTAMP, .value = TEXT("2016-12-31T23:30:00-0330"),
     .want = "2017-01-01 03:00:00.000000+00"},
    {"nanoseconds are cut", COLUMN_ZONED_TIMESTAMP, .value = TEXT("2017-06-29T10:00:01.123456789Z"),
     .want = "2017-06-29 10:00:01.123456+00"},
    {"a year before 1 with zone is refused", COLUMN_ZONED_TIMESTAMP, .value = TEXT("-0043-03-15T12:00:00Z"),
     .code = REJECT_VALUE},
    {"a year of five digits", COLUMN_ZONED_TIMESTAMP, .value = TEXT("+12017-06-29T10:00:00Z"),
     .want = "12017-06-29 10:00:00.000000+00"},
    {"infinity with zone is refused", COLUMN_ZONED_TIMESTAMP, .value = TEXT("infinity"), .code = REJECT_VALUE},
    {"a time without zone is refused there", COLUMN_ZONED_TIMESTAMP, .value = TEXT("2017-06-29T10:00:01"),
     .code = REJECT_VALUE},
    {"what follows the zone is refused", COLUMN_ZONED_TIMESTAMP, .value = TEXT("2017-06-29T10:00:01Zx"),
     .code = REJECT_VALUE},
    {"bits have their column's width", COLUMN_BITS, .length = 9, .value = TEXT("\x05"), .want = "\"000000101\""},
    {"bits that are all zero", COLUMN_BITS, .length = 3, .value = TEXT(""), .want = "\"000\""},
    {"the highest bit stands first", COLUMN_BITS, .length = 9, .value = TEXT("\x01\x01"), .want = "\"100000001\""},
    {"bits without a limit are as many as there are", COLUMN_BITS, .length = INT32_MAX, .value = TEXT("\x05\0"),
     .want = "\"101\""},
    {"none of them is zero", COLUMN_BITS, .length = INT32_MAX, .value = TEXT(""), .want = "\"0\""},
    {"more bits than the column holds are refused", COLUMN_BITS, .length = 2, .value = TEXT("\x05"),
     .code = REJECT_LONG},
    {"money", COLUMN_DECIMAL, .scale = 2, .value = DECIMAL("\x7f\xff\xff\xff\xff\xff\xff\xff", 2),
     .want = "92233720368547758.07"},

    {"a value of another kind is malformed", COLUMN_INT32, .value = TEXT("1"), .code = ERR_AVRO_MALFORMED},
};

static enum rc put(struct buf *out, const struct csv_case *c, bool is_key, const char *source_type,
                   struct csv_seen *seen, struct err *err)
{
    struct column column = {.name = "some_column",
                            .type = c->type,
                            .precision = c->precision,
                            .scale = c->scale,
                            .length = c->length,
                            .source_type = source_type};
    struct target_column target = target_column_of(&column, is_key);
    struct csv_column csv = csv_column_of(&target, &column);
    return csv_put(out, &csv, &c->value, seen, err);
}

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct csv_case *c = &cases[i];
        struct csv_seen seen = {0};
        struct err err = {0};
        SCOPED(buf_done) struct buf out = buf_new(4096);
        enum rc rc = put(&out, c, false, NULL, &seen, &err);
        if (c->want != NULL) {
            CHECK_EQ(RC_OK, rc, c->behaviour);
            CHECK_STR(c->want, buf_cstr(&out), c->behaviour);
        } else {
            CHECK_EQ(RC_REJECT, rc, c->behaviour);
            CHECK_EQ(c->code, err.code, c->behaviour);
            if (strstr(err.msg, "some_column") == NULL)
                fail_msg("%s: the message does not name the column: %s", c->behaviour, err.msg);
        }
    }
}

static void test_null_is_told_from_everything(void **state)
{
    (void)state;
    struct csv_case null = {.type = COLUMN_STRING, .value = {.kind = AVRO_VALUE_NULL}};
    struct csv_seen seen = {0};
    struct err err = {0};
    SCOPED(buf_done) struct buf out = buf_new(4096);
    ASSERT_OK(put(&out, &null, false, NULL, &seen, &err), &err);
    CHECK_EQ(1, out.len, "NULL is one byte");
    CHECK_EQ(CSV_NULL, out.ptr[0], "which no value holds");
    CHECK_EQ(RC_REJECT, put(&out, &null, true, NULL, &seen, &err), "a key cannot be NULL");

    SCOPED(buf_done) struct buf line = buf_new(4096);
    csv_put_nulls(&line, slice_of("\0,\"\",\0,7,\0", 10), slice_of_str("@NULL@"));
    CHECK_STR("@NULL@,\"\",@NULL@,7,@NULL@", buf_cstr(&line), "each NULL becomes the marker");
}

static void test_keys(void **state)
{
    (void)state;
    static const struct csv_case blank = {.type = COLUMN_STRING, .value = TEXT("a ")};
    static const struct csv_case plain = {.type = COLUMN_STRING, .value = TEXT(" a")};
    static const struct csv_case empty = {.type = COLUMN_STRING, .value = TEXT("")};
    struct csv_seen seen = {0};
    struct err err = {0};
    SCOPED(buf_done) struct buf out = buf_new(4096);
    CHECK_EQ(RC_REJECT, put(&out, &blank, true, NULL, &seen, &err), "a key that ends in a blank is refused");
    CHECK_EQ(RC_OK, put(&out, &blank, true, "BPCHAR", &seen, &err), "but not that of a blank-padded column");
    CHECK_EQ(RC_OK, put(&out, &plain, true, NULL, &seen, &err), "a blank in front is no matter");
    CHECK_EQ(RC_OK, put(&out, &empty, true, NULL, &seen, &err), "an empty key is one");
}

static void test_marker_is_never_a_value(void **state)
{
    (void)state;
    char text[16];
    struct csv_seen seen = {0};
    struct err err = {0};
    SCOPED(buf_done) struct buf out = buf_new(1 << 20);
    csv_marker(&seen, text);
    CHECK_STR("@NULL@", text, "the first candidate when nothing clashes");
    for (int i = 0; i < 63; i++) {
        csv_marker(&seen, text);
        struct csv_case clash = {.type = COLUMN_STRING,
                                 .value = {.kind = AVRO_VALUE_BYTES, .bytes = slice_of_str(text)}};
        CHECK_EQ(RC_OK, put(&out, &clash, false, NULL, &seen, &err), text);
    }
    csv_marker(&seen, text);
    CHECK_STR("@NULL63@", text, "one is left after 63 clashes");
    struct csv_case last = {.type = COLUMN_STRING, .value = TEXT("@NULL63@")};
    CHECK_EQ(RC_REJECT, put(&out, &last, false, NULL, &seen, &err), "the last one is refused as a value");
    csv_marker(&seen, text);
    CHECK_STR("@NULL63@", text, "and stays the marker");

    seen = (struct csv_seen){0};
    static const struct csv_case others[] = {
        {.type = COLUMN_STRING, .value = TEXT("@NULL")},    {.type = COLUMN_STRING, .value = TEXT("@NULL01@")},
        {.type = COLUMN_STRING, .value = TEXT("@NULL@@")},  {.type = COLUMN_STRING, .value = TEXT("@NULLx@")},
        {.type = COLUMN_STRING, .value = TEXT("@NULL99@")}, {.type = COLUMN_STRING, .value = TEXT("@null@")},
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        ASSERT_OK(put(&out, &others[i], false, NULL, &seen, &err), &err);
    CHECK_EQ(0, seen.markers, "what only looks like a marker is none");
}

static void test_sizes(void **state)
{
    (void)state;
    static uint8_t long_text[70000];
    static uint8_t json[140000];
    struct csv_seen seen = {0};
    struct err err = {0};
    SCOPED(buf_done) struct buf out = buf_new(1 << 20);
    memset(long_text, 'x', sizeof(long_text));
    struct csv_case text = {.type = COLUMN_STRING, .value = {.kind = AVRO_VALUE_BYTES, .bytes = {long_text, 65535}}};
    CHECK_EQ(RC_OK, put(&out, &text, false, NULL, &seen, &err), "65,535 bytes of text fit");
    CHECK_EQ(65535, seen.max_bytes, "the longest text is noted");
    text.value.bytes.len = 65536;
    CHECK_EQ(RC_REJECT, put(&out, &text, false, NULL, &seen, &err), "65,536 do not");
    CHECK_EQ(ERR_VALUE_TOO_LONG, err.code, "and the code says why");

    memset(json, 'x', sizeof(json));
    json[0] = '"';
    json[65536] = '"';
    struct csv_case doc = {.type = COLUMN_JSON, .value = {.kind = AVRO_VALUE_BYTES, .bytes = {json, 65537}}};
    CHECK_EQ(RC_OK, put(&out, &doc, false, NULL, &seen, &err), "a JSON string of 65,535 bytes fits");
    json[65536] = 'x';
    json[65537] = '"';
    doc.value.bytes.len = 65538;
    CHECK_EQ(RC_REJECT, put(&out, &doc, false, NULL, &seen, &err), "one of 65,536 does not");

    memset(json, '[', 1001);
    memset(json + 1001, ']', 1001);
    doc.value.bytes.len = 2002;
    CHECK_EQ(RC_REJECT, put(&out, &doc, false, NULL, &seen, &err), "JSON 1,001 deep is refused");
    doc.value.bytes = slice_of(json + 1, 2000);
    CHECK_EQ(RC_OK, put(&out, &doc, false, NULL, &seen, &err), "JSON 1,000 deep is not");
}

static void test_fields_are_split_where_they_were_joined(void **state)
{
    (void)state;
    const char line[] = "1,\"a,\"\"b\"\"\n,\",\0,,\"\"";
    struct slice rest = slice_of(line, sizeof(line) - 1);
    static const struct {
        const char *bytes;
        size_t len;
    } want[] = {{"1", 1}, {"\"a,\"\"b\"\"\n,\"", 11}, {"\0", 1}, {"", 0}, {"\"\"", 2}, {"", 0}};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct slice field = csv_next_field(&rest);
        if (!slice_eq(field, slice_of(want[i].bytes, want[i].len)))
            fail_msg("field %zu is \"%.*s\"", i, SLICE_ARG(field));
    }
}

/* ---- nested ---- */

static void test_nested_values_become_json(void **state)
{
    (void)state;
    static const struct {
        const char *column, *want;
    } nested[] = {
        {"a_point", "\"{\"\"x\"\":1.5,\"\"y\"\":-2,\"\"wkb\"\":null,\"\"srid\"\":null}\""},
        {"a_geom", "\"{\"\"wkb\"\":\"\"0102ff\"\",\"\"srid\"\":4326}\""},
        {"a_dvec", "\"[0.1]\""},
        {"a_fvec", "\"[0.1]\""},
        {"a_svec", "\"{\"\"dimensions\"\":5,\"\"vector\"\":[{\"\"key\"\":3,\"\"value\"\":0.5}]}\""},
        {"a_map", "\"{\"\"a\\\"\"b\"\":\"\"c\\nd\"\",\"\"e\"\":null}\""},
        {"a_ints", "\"[-2147483648,null]\""},
        {"a_texts", "\"[\"\"caf\xc3\xa9\"\",null]\""},
        {"a_decs", "\"[-12345678.90,null]\""},
        {"a_vdecs", "\"[18446744073709551616.5,null]\""},
        {"a_maps", "\"[{\"\"a\\\"\"b\"\":\"\"c\\nd\"\",\"\"e\"\":null},null]\""},
        {"a_dates", "\"[\"\"0001-01-01\"\",null]\""},
    };
    SCOPED(buf_done) struct buf schema = buf_new(1 << 20);
    SCOPED(buf_done) struct buf key = buf_new(1 << 16);
    uint16_t all[MORE_COLUMNS];
    for (uint16_t i = 0; i < MORE_COLUMNS; i++)
        all[i] = i;
    struct table_shape more = more_shape;
    more.key_columns = all;
    more.n_key_columns = MORE_COLUMNS;
    struct err err;
    struct key_plan *plan = NULL;
    struct avro_value values[MORE_COLUMNS];
    ASSERT_OK(envelope_key_schema(&schema, &more, &err), &err);
    ASSERT_OK(key_plan_new((const char *)schema.ptr, schema.len, &plan, &err), &err);
    row_put(&key, &more_shape, false);
    ASSERT_OK(key_decode(plan, slice_of(key.ptr + 1, key.len - 1), values, &err), &err); /* without row_put's branch */
    for (size_t i = 0; i < ARRAY_LEN(nested); i++) {
        size_t at = 0;
        while (strcmp(more_columns[at].name, nested[i].column) != 0)
            at++;
        const struct column *column = &key_plan_shape(plan)->columns[at];
        struct target_column target = target_column_of(column, false);
        struct csv_column csv = csv_column_of(&target, column);
        struct csv_seen seen = {0};
        SCOPED(buf_done) struct buf out = buf_new(4096);
        CHECK_EQ(TARGET_SUPER, target.type, nested[i].column);
        ASSERT_OK(csv_put(&out, &csv, &values[at], &seen, &err), &err);
        CHECK_STR(nested[i].want, buf_cstr(&out), nested[i].column);
    }
    key_plan_free(plan);
}

/* Ints of three dimensions, and what else Avro allows among elements. */
static const char deep_schema[] =
    "{\"type\":\"record\",\"name\":\"Key\",\"fields\":["
    "{\"name\":\"ints\",\"type\":{\"type\":\"array\",\"items\":[\"null\",\"int\",{\"type\":\"array\",\"items\":"
    "[\"null\",\"int\",{\"type\":\"array\",\"items\":[\"null\",\"int\"]}]}]}},"
    "{\"name\":\"odd\",\"type\":{\"type\":\"array\",\"items\":[\"string\",\"null\",{\"type\":\"map\",\"values\":\"long\"},"
    "{\"type\":\"array\",\"items\":\"boolean\"}]}}]}";

static void test_arrays_in_arrays_become_json(void **state)
{
    (void)state;
    static const uint8_t ints[] = {6, 0, 2, 14, 4, 6, 0, 4, 2, 2, 16, 0, 2, 18, 0, 0};
    static const uint8_t odd[] = {8, 2, 0, 2, 'a', 4, 2, 2, 'k', 20, 0, 6, 4, 1, 0, 0, 0};
    static const char *const want[] = {"\"[null,7,[null,[8],9]]\"", "\"[null,\"\"a\"\",{\"\"k\"\":10},[true,false]]\""};
    struct err err;
    struct key_plan *plan = NULL;
    struct avro_value values[2];
    SCOPED(buf_done) struct buf key = buf_new(4096);
    buf_put(&key, ints, sizeof(ints));
    buf_put(&key, odd, sizeof(odd));
    ASSERT_OK(key_plan_new(deep_schema, strlen(deep_schema), &plan, &err), &err);
    const struct column *columns = key_plan_shape(plan)->columns;
    CHECK_EQ(COLUMN_INT32, columns[0].type, "the type of its elements");
    CHECK_EQ(true, columns[0].is_array, "an array");
    CHECK_EQ(3, columns[0].dimensions, "how deep it goes");
    CHECK_EQ(COLUMN_NESTED, columns[1].type, "another union is just nested");
    ASSERT_OK(key_decode(plan, buf_slice(&key), values, &err), &err);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct target_column target = target_column_of(&columns[i], false);
        struct csv_column csv = csv_column_of(&target, &columns[i]);
        struct csv_seen seen = {0};
        SCOPED(buf_done) struct buf out = buf_new(4096);
        CHECK_EQ(TARGET_SUPER, target.type, columns[i].name);
        ASSERT_OK(csv_put(&out, &csv, &values[i], &seen, &err), &err);
        CHECK_STR(want[i], buf_cstr(&out), columns[i].name);
    }
    key_plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_nested_values_become_json),
        cmocka_unit_test(test_arrays_in_arrays_become_json),
        cmocka_unit_test(test_null_is_told_from_everything),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_marker_is_never_a_value),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_fields_are_split_where_they_were_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
