#include "test.h"

#include "capture/pg/datetime.h"
#include "capture/pg/types.h"

enum {
    NUMERIC_10_2 = ((10 << 16) | 2) + 4,
    NUMERIC_3_NEGATIVE_2 = ((3 << 16) | (-2 & 0x7ff)) + 4,
    NUMERIC_2_5 = ((2 << 16) | 5) + 4
};

static const struct {
    const char *behaviour;
    uint32_t oid;
    int32_t typmod;
    const char *text;
    const char *hex; /* NULL: refused */
} values[] = {
    {"bool true", 16, -1, "t", "01"},
    {"bool false", 16, -1, "f", "00"},
    {"bool in words is not what the server sends", 16, -1, "true", NULL},
    {"int2 least", 21, -1, "-32768", "ffff03"},
    {"int2 beyond is refused", 21, -1, "32768", NULL},
    {"int4", 23, -1, "1", "02"},
    {"int4 greatest", 23, -1, "2147483647", "feffffff0f"},
    {"int4 beyond is refused", 23, -1, "-2147483649", NULL},
    {"int8 greatest", 20, -1, "9223372036854775807", "feffffffffffffffff01"},
    {"int8 least", 20, -1, "-9223372036854775808", "ffffffffffffffffff01"},
    {"int8 beyond is refused", 20, -1, "9223372036854775808", NULL},
    {"int8 far beyond is refused", 20, -1, "99999999999999999999", NULL},
    {"an empty integer is refused", 23, -1, "", NULL},
    {"a sign alone is refused", 23, -1, "-", NULL},
    {"blanks in an integer are refused", 23, -1, " 1", NULL},
    {"oid above 2^31", 26, -1, "4294967295", "feffffff1f"},
    {"float4", 700, -1, "1.5", "0000c03f"},
    {"float4 NaN", 700, -1, "NaN", "0000c07f"},
    {"float8", 701, -1, "-0.1", "9a9999999999b9bf"},
    {"float8 infinity", 701, -1, "-Infinity", "000000000000f0ff"},
    {"float8 with exponent", 701, -1, "1e+300", "9c7500883ce4377e"},
    {"hex floats are refused", 701, -1, "0x10", NULL},
    {"an empty float is refused", 701, -1, "", NULL},
    {"numeric(10,2)", 1700, NUMERIC_10_2, "1234.50", "0601e23a"},
    {"numeric(10,2) negative", 1700, NUMERIC_10_2, "-0.01", "02ff"},
    {"numeric NaN has no place", 1700, NUMERIC_10_2, "NaN", NULL},
    {"unbounded numeric carries its scale", 1700, -1, "12.5", "02027d"},
    {"unbounded numeric infinity has no place", 1700, -1, "Infinity", NULL},
    {"money", 790, -1, "$1,234.00", "0601e208"},
    {"negative money", 790, -1, "-$0.01", "02ff"},
    {"text", 25, -1, "h\xc3\xa9", "0668c3a9"},
    {"empty text", 25, -1, "", "00"},
    {"an unknown type is its text", 3904, -1, "[1,2)", "0a5b312c3229"},
    {"bytea", 17, -1, "\\x00ff10", "0600ff10"},
    {"empty bytea", 17, -1, "\\x", "00"},
    {"bytea with an odd digit is refused", 17, -1, "\\x0", NULL},
    {"bytea in escape format is refused", 17, -1, "abcd", NULL},
    {"bytea with another digit is refused", 17, -1, "\\xzz", NULL},
    {"uuid", 2950, -1, "a-b", "06612d62"},
    {"date of the epoch", 1082, -1, "1970-01-01", "00"},
    {"date", 1082, -1, "2017-06-29", "848f02"},
    {"date infinity", 1082, -1, "infinity", "feffffff0f"},
    {"a date with month 13 is refused", 1082, -1, "2017-13-01", NULL},
    {"a date in another style is refused", 1082, -1, "29-06-2017", NULL},
    {"time", 1083, -1, "00:00:01.5", "c08db701"},
    {"time with minute 60 is refused", 1083, -1, "00:60:00", NULL},
    {"timetz goes to UTC", 1266, -1, "12:00:00.12+02", "1831303a30303a30302e31325a"},
    {"timestamp", 1114, -1, "1970-01-01 00:00:00.000001", "02"},
    {"timestamp before the epoch", 1114, -1, "1969-12-31 23:59:59.999999", "01"},
    {"timestamp(3) is in milliseconds", 1114, 3, "1970-01-01 00:00:00.002", "04"},
    {"timestamp(3) before the epoch rounds down", 1114, 3, "1969-12-31 23:59:59.999", "01"},
    {"timestamp infinity is Debezium's number", 1114, -1, "infinity", "80d6e5e3ffffffffff01"},
    {"a timestamp with a zone is refused", 1114, -1, "1970-01-01 00:00:00+00", NULL},
    {"timestamptz", 1184, -1, "1970-01-01 00:00:00+00", "28313937302d30312d30315430303a30303a30305a"},
    {"a timestamptz in another zone is refused", 1184, -1, "1970-01-01 00:00:00+02", NULL},
    {"interval", 1186, -1, "00:00:00.000001", "02"},
};

static struct buf encode(uint32_t oid, int32_t typmod, const char *text, bool *ret_ok)
{
    static uint8_t storage[256];
    struct buf out = buf_over(storage, sizeof(storage));
    struct pg_type type = {.oid = oid, .typmod = typmod};
    struct column column = {0};
    struct pg_encoder encoder = {0};
    pg_type_describe(&type, &column, &encoder);
    *ret_ok = pg_encoder_put(&encoder, slice_of_str(text), &out);
    return out;
}

static const char *hex_of(const struct buf *buf)
{
    static char hex[513];
    hex[0] = '\0';
    for (size_t i = 0; i < buf->len; i++)
        snprintf(hex + 2 * i, 3, "%02x", buf->ptr[i]);
    return hex;
}

static void values_become_avro(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        bool ok;
        struct buf out = encode(values[i].oid, values[i].typmod, values[i].text, &ok);
        CHECK_EQ(values[i].hex != NULL, ok, values[i].behaviour);
        if (ok)
            CHECK_STR(values[i].hex, hex_of(&out), values[i].behaviour);
    }
}

static const struct {
    const char *behaviour;
    uint32_t oid;
    int32_t typmod;
    const char *enum_labels;
    enum column_type type;
    int precision, scale, length;
} columns[] = {
    {"varchar(20) knows its length", 1043, 24, NULL, COLUMN_STRING, 0, 0, 20},
    {"varchar has none", 1043, -1, NULL, COLUMN_STRING, 0, 0, 0},
    {"char(3)", 1042, 7, NULL, COLUMN_STRING, 0, 0, 3},
    {"text", 25, -1, NULL, COLUMN_STRING, 0, 0, 0},
    {"numeric(10,2)", 1700, NUMERIC_10_2, NULL, COLUMN_DECIMAL, 10, 2, 0},
    {"numeric without bounds", 1700, -1, NULL, COLUMN_VARIABLE_DECIMAL, 0, 0, 0},
    {"numeric(3,-2) has no decimal in Avro", 1700, NUMERIC_3_NEGATIVE_2, NULL, COLUMN_VARIABLE_DECIMAL, 0, 0, 0},
    {"numeric(2,5) needs five digits", 1700, NUMERIC_2_5, NULL, COLUMN_DECIMAL, 5, 5, 0},
    {"money", 790, -1, NULL, COLUMN_DECIMAL, 19, 2, 0},
    {"jsonb", 3802, -1, NULL, COLUMN_JSON, 0, 0, 0},
    {"an enum", 16999, -1, "a,b", COLUMN_ENUM, 0, 0, 0},
    {"an array is text", 1007, -1, NULL, COLUMN_STRING, 0, 0, 0},
    {"timestamp(6)", 1114, 6, NULL, COLUMN_TIMESTAMP_US, 0, 0, 0},
    {"timestamp(0)", 1114, 0, NULL, COLUMN_TIMESTAMP_MS, 0, 0, 0},
};

static void types_become_columns(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        struct pg_type type = {
            .oid = columns[i].oid, .typmod = columns[i].typmod, .enum_labels = columns[i].enum_labels};
        struct column column = {0};
        struct pg_encoder encoder = {0};
        pg_type_describe(&type, &column, &encoder);
        CHECK_EQ(columns[i].type, column.type, columns[i].behaviour);
        CHECK_EQ(columns[i].precision, column.precision, columns[i].behaviour);
        CHECK_EQ(columns[i].scale, column.scale, columns[i].behaviour);
        CHECK_EQ(columns[i].length, column.length, columns[i].behaviour);
    }
}

static const struct {
    const char *behaviour, *text;
    bool ok;
    int64_t want;
} dates[] = {
    {"the leap day of 2000", "2000-02-29", true, 11016},
    {"the day after it", "2000-03-01", true, 11017},
    {"the last day before the epoch", "1969-12-31", true, -1},
    {"1 BC is the year before 1", "0001-12-31 BC", true, -719163},
    {"the first day of year 1", "0001-01-01", true, -719162},
    {"the server's first day", "4714-11-24 BC", true, -2440588},
    {"the server's last day", "5874897-12-31", true, 2145042905},
    {"-infinity", "-infinity", true, INT32_MIN},
    {"nothing", "", false, 0},
    {"year 0 is never written", "0000-01-01", false, 0},
    {"day 0", "2000-01-00", false, 0},
    {"what follows", "2000-01-01 AD", false, 0},
};

static void dates_are_days_of_the_proleptic_calendar(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        int32_t days = 0;
        CHECK_EQ(dates[i].ok, pg_date_parse(slice_of_str(dates[i].text), &days), dates[i].behaviour);
        if (dates[i].ok)
            CHECK_EQ(dates[i].want, days, dates[i].behaviour);
    }
}

static const struct {
    const char *behaviour, *text;
    bool ok;
    int64_t want;
} timestamps[] = {
    {"microseconds", "2017-06-29 12:00:00.123456", true, INT64_C(1498737600123456)},
    {"the server's first", "4714-11-24 00:00:00 BC", true, INT64_C(-210866803200000000)},
    {"one that int64 holds", "294246-12-31 23:59:59.999999", true, INT64_C(9223371244799999999)},
    {"the server's last does not fit microseconds since 1970", "294276-12-31 23:59:59.999999", false, 0},
    {"-infinity", "-infinity", true, PG_TIMESTAMP_MINUS_INFINITY_US},
    {"seven digits of a fraction", "2017-06-29 12:00:00.1234567", false, 0},
    {"a point without digits", "2017-06-29 12:00:00.", false, 0},
    {"no seconds", "2017-06-29 12:00", false, 0},
};

static void timestamps_are_microseconds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(timestamps); i++) {
        int64_t us = 0;
        CHECK_EQ(timestamps[i].ok, pg_timestamp_parse(slice_of_str(timestamps[i].text), &us), timestamps[i].behaviour);
        if (timestamps[i].ok)
            CHECK_EQ(timestamps[i].want, us, timestamps[i].behaviour);
    }
}

static const struct {
    const char *behaviour, *text;
    bool ok;
    int64_t want;
} intervals[] = {
    {"nothing at all", "00:00:00", true, 0},
    {"a day", "1 day", true, INT64_C(86400000000)},
    {"a month is 30.4375 days", "1 mon", true, INT64_C(2629800000000)},
    {"a year is twelve of them", "1 year", true, INT64_C(31557600000000)},
    {"parts add up", "1 year 2 mons 3 days 04:05:06.789", true, INT64_C(37091106789000)},
    {"each part has its sign", "-1 years -2 mons +3 days -04:05:06.789", true, INT64_C(-36572706789000)},
    {"a long clock", "2562047788:00:54.775807", true, INT64_MAX},
    {"too long a clock", "2562047789:00:00", false, 0},
    {"too many years", "178000000 years", false, 0},
    {"infinity has no place", "infinity", false, 0},
    {"an unknown unit", "1 week", false, 0},
    {"an empty text", "", false, 0},
    {"a number alone", "1", false, 0},
    {"a blank at the end", "1 day ", false, 0},
};

static void intervals_are_microseconds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(intervals); i++) {
        int64_t us = 0;
        CHECK_EQ(intervals[i].ok, pg_interval_parse(slice_of_str(intervals[i].text), &us), intervals[i].behaviour);
        if (intervals[i].ok)
            CHECK_EQ(intervals[i].want, us, intervals[i].behaviour);
    }
}

static const struct {
    const char *behaviour;
    bool is_time;
    const char *text, *want; /* "": refused */
} zoned[] = {
    {"microseconds", false, "2017-06-29 12:00:00.123456+00", "2017-06-29T12:00:00.123456Z"},
    {"trailing zeros go", false, "2017-06-29 12:00:00.12+00", "2017-06-29T12:00:00.12Z"},
    {"no fraction", false, "2017-06-29 12:00:00+00", "2017-06-29T12:00:00Z"},
    {"before Christ", false, "0044-03-15 12:00:00+00 BC", "-0043-03-15T12:00:00Z"},
    {"1 BC is year 0", false, "0001-01-01 00:00:00+00 BC", "0000-01-01T00:00:00Z"},
    {"five digits of a year", false, "12345-01-01 00:00:00+00", "+12345-01-01T00:00:00Z"},
    {"infinity", false, "infinity", "infinity"},
    {"-infinity", false, "-infinity", "-infinity"},
    {"no zone", false, "2017-06-29 12:00:00", ""},
    {"a time east of UTC", true, "01:00:00+02", "23:00:00Z"},
    {"a time west of UTC", true, "23:30:00.5-03:30", "03:00:00.5Z"},
    {"an offset with seconds", true, "12:00:00+00:00:01", "11:59:59Z"},
    {"the end of a day", true, "24:00:00+00", "24:00:00Z"},
    {"a time without a zone", true, "12:00:00", ""},
};

static void zones_become_utc(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(zoned); i++) {
        char out[PG_ZONED_TEXT_BYTES + 1];
        struct slice text = slice_of_str(zoned[i].text);
        size_t len = zoned[i].is_time ? pg_timetz_format(text, out) : pg_timestamptz_format(text, out);
        out[len] = '\0';
        CHECK_STR(zoned[i].want, out, zoned[i].behaviour);
    }
}

static void text_that_is_not_utf8_is_refused_when_the_server_does_not_promise(void **state)
{
    (void)state;
    uint8_t storage[16];
    struct buf out = buf_over(storage, sizeof(storage));
    struct pg_encoder encoder = {.encoding = PG_ENCODE_TEXT, .check_utf8 = true};
    assert_false(pg_encoder_put(&encoder, slice_of("\xff", 1), &out));
    encoder.check_utf8 = false;
    assert_true(pg_encoder_put(&encoder, slice_of("\xff", 1), &out));
}

static void every_type_has_a_zero(void **state)
{
    (void)state;
    static const uint32_t oids[] = {16,  17,   20,   21,   23,   25,   26,   114,  142,  700, 701,
                                    790, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950, 3802};
    for (size_t i = 0; i < ARRAY_LEN(oids); i++) {
        uint8_t storage[64];
        struct buf out = buf_over(storage, sizeof(storage));
        struct pg_type type = {.oid = oids[i], .typmod = -1};
        struct column column = {0};
        struct pg_encoder encoder = {0};
        pg_type_describe(&type, &column, &encoder);
        pg_encoder_put_zero(&encoder, &column, &out);
        assert_true(out.len > 0 && !out.failed);
    }
}

static void toast_placeholder_is_for_text_and_bytes(void **state)
{
    (void)state;
    uint8_t storage[64];
    struct buf out = buf_over(storage, sizeof(storage));
    struct pg_encoder text = {.encoding = PG_ENCODE_TEXT}, numeric = {.encoding = PG_ENCODE_NUMERIC};
    assert_true(pg_encoder_put_unavailable(&text, &out));
    assert_int_equal(29, out.len);
    assert_memory_equal("\x38__debezium_unavailable_value", out.ptr, 29);
    assert_false(pg_encoder_put_unavailable(&numeric, &out));
    assert_int_equal(29, out.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_avro),
        cmocka_unit_test(types_become_columns),
        cmocka_unit_test(dates_are_days_of_the_proleptic_calendar),
        cmocka_unit_test(timestamps_are_microseconds),
        cmocka_unit_test(intervals_are_microseconds),
        cmocka_unit_test(zones_become_utc),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_when_the_server_does_not_promise),
        cmocka_unit_test(every_type_has_a_zero),
        cmocka_unit_test(toast_placeholder_is_for_text_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
