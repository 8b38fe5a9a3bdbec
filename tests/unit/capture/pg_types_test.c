#include "test.h"

#include "capture/pg/array.h"
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
    {"without the zeros at its end", 1700, -1, "12.500", "02027d"},
    {"nor the point", 1700, -1, "12.00", "00020c"},
    {"zeros before the point stay", 1700, -1, "100", "000264"},
    {"a zero has scale 0", 1700, -1, "0.000", "000200"},
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
    {"timestamptz has six digits of a second", 1184, -1, "1970-01-01 00:00:00+00",
     "36313937302d30312d30315430303a30303a30302e3030303030305a"},
    {"a timestamptz in another zone is refused", 1184, -1, "1970-01-01 00:00:00+02", NULL},
    {"interval", 1186, -1, "00:00:00.000001", "02"},
};

static const struct pg_type_modes defaults = PG_TYPE_MODES_DEFAULT;

static struct buf encode(uint32_t oid, int32_t typmod, const char *text, bool *ret_ok)
{
    static uint8_t storage[256];
    struct buf out = buf_over(storage, sizeof(storage));
    struct pg_type type = {.oid = oid, .typmod = typmod};
    struct column column = {0};
    struct pg_encoder encoder = {0};
    pg_type_describe(&type, &defaults, &column, &encoder);
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
    {"money has no precision", 790, -1, NULL, COLUMN_DECIMAL, 0, 2, 0},
    {"jsonb", 3802, -1, NULL, COLUMN_JSON, 0, 0, 0},
    {"an enum", 16999, -1, "a,b", COLUMN_ENUM, 0, 0, 0},
    {"an array that the catalog does not know is text", 1007, -1, NULL, COLUMN_STRING, 0, 0, 0},
    {"a type that is named as an enum is one", 16999, -1, "a", COLUMN_ENUM, 0, 0, 0},
    {"bit(1) is a boolean", 1560, 1, NULL, COLUMN_BOOL, 0, 0, 0},
    {"bit(9)", 1560, 9, NULL, COLUMN_BITS, 0, 0, 9},
    {"varbit(1) is a boolean", 1562, 1, NULL, COLUMN_BOOL, 0, 0, 0},
    {"varbit has no limit", 1562, -1, NULL, COLUMN_BITS, 0, 0, INT32_MAX},
    {"point", 600, -1, NULL, COLUMN_POINT, 0, 0, 0},
    {"tsvector", 3614, -1, NULL, COLUMN_TSVECTOR, 0, 0, 0},
    {"time(3)", 1083, 3, NULL, COLUMN_TIME_MS, 0, 0, 0},
    {"time(4)", 1083, 4, NULL, COLUMN_TIME_US, 0, 0, 0},
    {"time", 1083, -1, NULL, COLUMN_TIME_US, 0, 0, 0},
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
        pg_type_describe(&type, &defaults, &column, &encoder);
        CHECK_EQ(columns[i].type, column.type, columns[i].behaviour);
        CHECK_EQ(columns[i].precision, column.precision, columns[i].behaviour);
        CHECK_EQ(columns[i].scale, column.scale, columns[i].behaviour);
        CHECK_EQ(columns[i].length, column.length, columns[i].behaviour);
    }
}

/* What arrays, extensions and the other modes make of a value. want: hex, or a string's text in quotes. */
// clang-format off
#define ARRAY(...)  {.is_array = true, .delimiter = ',', .typmod = -1, __VA_ARGS__}
#define NAMED(type) {.oid = 20000, .name = type, .typmod = -1}
#define PLAIN(type) {.oid = type, .typmod = -1}
static const struct {
    const char *behaviour;
    struct pg_type type;
    struct pg_type_modes modes;
    const char *text, *want; /* NULL: refused */
} rarer[] = {
    {"an empty array",                    ARRAY(.oid = 23), {0}, "{}",                  "00"},
    {"an array",                          ARRAY(.oid = 23), {0}, "{1,-1}",              "040202020100"},
    {"an array with a null",              ARRAY(.oid = 23), {0}, "{NULL,1}",            "0400020200"},
    {"bounds are dropped",                ARRAY(.oid = 23), {0}, "[0:1]={1,-1}",        "040202020100"},
    {"two dimensions have no room",       ARRAY(.oid = 23), {0}, "{{1,2},{3,4}}",       NULL},
    {"also of text",                      ARRAY(.oid = 25), {0}, "{{a,b},{c,d}}",       NULL},
    {"an element of another type",        ARRAY(.oid = 23), {0}, "{1,a}",               NULL},
    {"no closing brace",                  ARRAY(.oid = 23), {0}, "{1",                  NULL},
    {"an empty element",                  ARRAY(.oid = 23), {0}, "{1,}",                NULL},
    {"an empty element in front",         ARRAY(.oid = 23), {0}, "{,1}",                NULL},
    {"an open quote",                     ARRAY(.oid = 25), {0}, "{\"a}",               NULL},
    {"an escape at the end",              ARRAY(.oid = 25), {0}, "{\"a\\}",             NULL},
    {"nothing at all",                    ARRAY(.oid = 25), {0}, "",                    NULL},
    {"bounds without an array",           ARRAY(.oid = 25), {0}, "[0:1]=",              NULL},
    {"text behind a quote",               ARRAY(.oid = 25), {0}, "{\"a\"b}",            NULL},
    {"texts",                             ARRAY(.oid = 25), {0}, "{a,\"\",\"NULL\"}",   "060202610200" "02084e554c4c" "00"},
    {"escapes in a text",                 ARRAY(.oid = 25), {0}, "{\"a\\\"\\\\,\"}",  "0202086122" "5c2c" "00"},
    {"bytea in an array",                 ARRAY(.oid = 17), {0}, "{\"\\\\x00ff\"}",    "02020400ff00"},
    {"boxes are parted by semicolons",    {.oid = 603, .typmod = -1, .is_array = true, .delimiter = ';'}, {0},
                                          "{(2,2),(1,1);(0,0),(0,0)}", "040216" "28322c32292c28312c3129" "0216" "28302c30292c28302c3029" "00"},
    {"timestamps in an array",            ARRAY(.oid = 1114), {0}, "{\"1970-01-01 00:00:00.000001\"}", "02020200"},
    {"numeric(10,2)[]",                   {.oid = 1700, .typmod = NUMERIC_10_2, .is_array = true, .delimiter = ','}, {0}, "{1.50}", "0202040096" "00"},
    {"NaN in an array has no place",      ARRAY(.oid = 1700), {0}, "{NaN}", NULL},

    {"bit(1)",                            {.oid = 1560, .typmod = 1}, {0}, "1", "01"},
    {"two bits are not one",              {.oid = 1560, .typmod = 1}, {0}, "10", NULL},
    {"bits, the least significant byte first", {.oid = 1560, .typmod = 9}, {0}, "100000011", "040301"},
    {"zero bits have no bytes",           {.oid = 1560, .typmod = 9}, {0}, "000000000", "00"},
    {"zeros in front have none",          PLAIN(1562), {0}, "0000000000000001", "0201"},
    {"no bits",                           PLAIN(1562), {0}, "", "00"},
    {"a bit of another kind",             PLAIN(1562), {0}, "012", NULL},

    {"a point",                           PLAIN(600), {0}, "(1,-2)", "000000000000f03f" "00000000000000c0" "022a"
                                          "0101000000" "000000000000f03f" "00000000000000c0" "00"},
    {"a point without a comma",           PLAIN(600), {0}, "(1)", NULL},
    {"a point of words",                  PLAIN(600), {0}, "(a,b)", NULL},
    {"geometry with a srid",              NAMED("geometry"), {0}, "0101000020E6100000000000000000F03F0000000000000040",
                                          "320101000020e6100000000000000000f03f000000000000004002cc43"},
    {"geometry without one",              NAMED("geometry"), {0}, "0101000000000000000000F03F0000000000000040",
                                          "2a0101000000000000000000f03f000000000000004000"},
    {"big-endian geometry",               NAMED("geography"), {0}, "0020000001000010E63FF00000000000004000000000000000",
                                          "320020000001000010e63ff0000000000000400000000000000002cc43"},
    {"too short a geometry",              NAMED("geometry"), {0}, "0101000000", NULL},
    {"a geometry that is not hex",        NAMED("geometry"), {0}, "0101000000zz000000000000F03F0000000000000040", NULL},
    {"geometry of pg_catalog is none",    {.oid = 600, .name = "geometry", .typmod = -1}, {0}, "x", NULL},

    {"a vector",                          NAMED("vector"), {0}, "[1,-2]", "04" "000000000000f03f" "00000000000000c0" "00"},
    {"an empty vector",                   NAMED("vector"), {0}, "[]", "00"},
    {"a half vector",                     NAMED("halfvec"), {0}, "[1.5]", "020000c03f00"},
    {"a vector of words",                 NAMED("vector"), {0}, "[a]", NULL},
    {"a vector without brackets",         NAMED("vector"), {0}, "1,2", NULL},
    {"a sparse vector",                   NAMED("sparsevec"), {0}, "{1:1.5,3:-2}/5", "0a" "04" "02" "000000000000f83f" "06" "00000000000000c0" "00"},
    {"an empty sparse vector",            NAMED("sparsevec"), {0}, "{}/5", "0a00"},
    {"more dimensions than Debezium counts", NAMED("sparsevec"), {0}, "{}/32768", NULL},
    {"a sparse vector without dimensions", NAMED("sparsevec"), {0}, "{}", NULL},
    {"a sparse vector without a colon",   NAMED("sparsevec"), {0}, "{1}/5", NULL},

    {"hstore is JSON",                    NAMED("hstore"), {0}, "\"a\"=>\"1\", \"b\"=>NULL", "\"{\"a\":\"1\",\"b\":null}"},
    {"hstore with escapes",               NAMED("hstore"), {0}, "\"a\\\"\\\\\"=>\"\n\x01\"", "\"{\"a\\\"\\\\\":\"\\n\\u0001\"}"},
    {"an empty hstore",                   NAMED("hstore"), {0}, "", "\"{}"},
    {"hstore without an arrow",           NAMED("hstore"), {0}, "\"a\"", NULL},
    {"hstore without a value",            NAMED("hstore"), {0}, "\"a\"=>", NULL},
    {"hstore with an open end",           NAMED("hstore"), {0}, "\"a\"=>NULL, ", NULL},
    {"hstore as a map",                   NAMED("hstore"), {.hstore = PG_HSTORE_MAP}, "\"a\"=>\"\\\"\", \"b\"=>NULL", "04" "0261" "020222" "0262" "00" "00"},
    {"an array of hstore",                {.oid = 20000, .name = "hstore", .typmod = -1, .is_array = true, .delimiter = ','}, {0},
                                          "{\"\\\"a\\\"=>\\\"1\\\"\"}", "0202127b2261223a2231227d00"},
    {"citext is text",                    NAMED("citext"), {0}, "MiXed", "\"MiXed"},
    {"ltree is text",                     NAMED("ltree"), {0}, "a.b", "\"a.b"},

    {"numeric as a double",               PLAIN(1700), {.decimal = PG_DECIMAL_DOUBLE}, "1.50", "000000000000f83f"},
    {"numeric NaN as a double",           PLAIN(1700), {.decimal = PG_DECIMAL_DOUBLE}, "NaN", "000000000000f87f"},
    {"numeric infinity as a double",      PLAIN(1700), {.decimal = PG_DECIMAL_DOUBLE}, "-Infinity", "000000000000f0ff"},
    {"numeric as text",                   PLAIN(1700), {.decimal = PG_DECIMAL_STRING}, "1.50", "\"1.50"},
    {"numeric NaN as text is Debezium's word", PLAIN(1700), {.decimal = PG_DECIMAL_STRING}, "NaN", "\"NAN"},
    {"numeric infinity as text",          PLAIN(1700), {.decimal = PG_DECIMAL_STRING}, "Infinity", "\"POSITIVE_INFINITY"},
    {"numeric that is none",              PLAIN(1700), {.decimal = PG_DECIMAL_STRING}, "1.5.0", NULL},
    {"money with four digits",            PLAIN(790), {.money_fraction_digits = 4}, "$1.50", "043a98"},
    {"money without digits rounds",       PLAIN(790), {.money_fraction_digits = 0}, "-$9.50", "02f6"},
    {"money that rounds to one digit more", PLAIN(790), {.money_fraction_digits = 1}, "$99.96", "0403e8"},
    {"money that rounds down",            PLAIN(790), {.money_fraction_digits = 1}, "$99.94", "0403e7"},
    {"money in parentheses is negative",  PLAIN(790), {.money_fraction_digits = 2}, "($1.00)", "029c"},
    {"money in euros",                    PLAIN(790), {.money_fraction_digits = 2}, "\xe2\x82\xac" "1.00", "0264"},
    {"money as a double",                 PLAIN(790), {.decimal = PG_DECIMAL_DOUBLE}, "$1,000.50", "000000000044" "8f40"},
    {"money as text",                     PLAIN(790), {.decimal = PG_DECIMAL_STRING}, "-$1,000.50", "\"-1000.50"},
    {"money that is none",                PLAIN(790), {0}, "$", NULL},
    {"bytea as hex",                      PLAIN(17), {.binary = PG_BINARY_HEX}, "\\x00ff", "\"00ff"},
    {"bytea as base64",                   PLAIN(17), {.binary = PG_BINARY_BASE64}, "\\xfbff", "\"+/8="},
    {"bytea as base64, one byte",         PLAIN(17), {.binary = PG_BINARY_BASE64}, "\\xff", "\"/w=="},
    {"bytea as base64, three bytes",      PLAIN(17), {.binary = PG_BINARY_BASE64}, "\\x616263", "\"YWJj"},
    {"no bytea as base64",                PLAIN(17), {.binary = PG_BINARY_BASE64}, "\\x", "\""},
    {"bytea as base64 for addresses",     PLAIN(17), {.binary = PG_BINARY_BASE64_URL_SAFE}, "\\xfbff", "\"-_8="},
    {"bytea as base64 of another digit",  PLAIN(17), {.binary = PG_BINARY_BASE64}, "\\xzz", NULL},

    {"time(3) in milliseconds",           {.oid = 1083, .typmod = 3}, {0}, "00:00:01.5", "b817"},
    {"the end of the day in milliseconds", {.oid = 1083, .typmod = 0}, {0}, "24:00:00", "80f0b252"},
    {"time(3) in microseconds by mode",   {.oid = 1083, .typmod = 3}, {.time = PG_TIME_ADAPTIVE_TIME_MICROSECONDS}, "00:00:00.001", "d00f"},
    {"time in nanoseconds",               PLAIN(1083), {.time = PG_TIME_NANOSECONDS}, "00:00:00.000001", "d00f"},
    {"Connect's time",                    PLAIN(1083), {.time = PG_TIME_CONNECT}, "00:00:00.0019", "02"},
    {"time as ISO",                       PLAIN(1083), {.time = PG_TIME_ISOSTRING}, "01:02:03.50", "\"01:02:03.5Z"},
    {"date as ISO",                       PLAIN(1082), {.time = PG_TIME_ISOSTRING}, "0044-03-15 BC", "\"-0043-03-15Z"},
    {"timestamp as ISO",                  PLAIN(1114), {.time = PG_TIME_ISOSTRING}, "12345-01-01 00:00:00.5", "\"+12345-01-01T00:00:00.5Z"},
    {"infinity as ISO stays the word",    PLAIN(1114), {.time = PG_TIME_ISOSTRING}, "-infinity", "\"-infinity"},
    {"timestamp(0) in microseconds by mode", {.oid = 1114, .typmod = 0}, {.time = PG_TIME_MICROSECONDS}, "1970-01-01 00:00:01", "80897a"},
    {"timestamp in nanoseconds",          PLAIN(1114), {.time = PG_TIME_NANOSECONDS}, "1970-01-01 00:00:00.000001", "d00f"},
    {"nanoseconds end in 2262",           PLAIN(1114), {.time = PG_TIME_NANOSECONDS}, "2262-04-12 00:00:00", NULL},
    {"infinity in nanoseconds",           PLAIN(1114), {.time = PG_TIME_NANOSECONDS}, "infinity", "feffffffffffffffff01"},
    {"timestamp(3) of the server's last year", {.oid = 1114, .typmod = 3}, {0}, "294276-12-31 23:59:59.999", "febf9ceafcdde220"},
    {"timestamptz(0) has no fraction",    {.oid = 1184, .typmod = 0}, {0}, "2017-06-29 12:00:00+00", "\"2017-06-29T12:00:00Z"},
    {"timestamptz(3) has three digits",   {.oid = 1184, .typmod = 3}, {0}, "2017-06-29 12:00:00.1+00", "\"2017-06-29T12:00:00.100Z"},
    {"an interval as text",               PLAIN(1186), {.interval = PG_INTERVAL_STRING}, "1 year -2 mons +3 days 04:05:06.70", "\"P1Y-2M3DT4H5M6.7S"},
    {"a negative clock",                  PLAIN(1186), {.interval = PG_INTERVAL_STRING}, "-04:05:00.5", "\"P0Y0M0DT-4H-5M-0.5S"},
    {"an interval of whole minutes",      PLAIN(1186), {.interval = PG_INTERVAL_STRING}, "-00:05:00", "\"P0Y0M0DT0H-5M0S"},
    {"no interval",                       PLAIN(1186), {.interval = PG_INTERVAL_STRING}, "1 week", NULL},
};
// clang-format on

static void the_rarer_values_become_avro(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rarer); i++) {
        uint8_t storage[256];
        struct buf out = buf_over(storage, sizeof(storage));
        struct column column = {0};
        struct pg_encoder encoder = {0};
        pg_type_describe(&rarer[i].type, &rarer[i].modes, &column, &encoder);
        bool ok = pg_encoder_put(&encoder, slice_of_str(rarer[i].text), &out);
        CHECK_EQ(rarer[i].want != NULL, ok, rarer[i].behaviour);
        CHECK_EQ(rarer[i].type.is_array, column.is_array, rarer[i].behaviour);
        if (!ok || rarer[i].want == NULL)
            continue;
        if (rarer[i].want[0] != '"') {
            CHECK_STR(rarer[i].want, hex_of(&out), rarer[i].behaviour);
            continue;
        }
        CHECK_EQ(strlen(rarer[i].want) - 1, out.ptr[0] / 2, rarer[i].behaviour);
        CHECK_STR(rarer[i].want + 1, buf_cstr(&out) + 1, rarer[i].behaviour);
    }
}

/* Elements: 00 null, 02 a value, 04 an array. */
// clang-format off
static const struct {
    const char *behaviour;
    struct pg_type type;
    int dimensions; /* of the schema */
    const char *text;
    int seems; /* pg_array_dimensions() */
    const char *want;
} deep_arrays[] = {
    {"one dimension stays as it was",        ARRAY(.oid = 23), 2, "{1,NULL}",              1, "04020200" "00"},
    {"two dimensions",                       ARRAY(.oid = 23), 2, "{{1,2},{3,NULL}}",      2, "04" "0404" "02020204" "00" "0404" "020600" "00" "00"},
    {"three dimensions",                     ARRAY(.oid = 23), 3, "{{{1},{2}},{{3},{4}}}", 3,
     "04" "0404" "0402020200" "0402020400" "00" "0404" "0402020600" "0402020800" "00" "00"},
    {"six dimensions",                       ARRAY(.oid = 23), 6, "{{{{{{1}}}}}}",         6, "0204" "0204" "0204" "0204" "0204" "020202" "000000000000"},
    {"bounds of each dimension are dropped", ARRAY(.oid = 23), 2, "[0:0][-1:0]={{1,2}}",   2, "02" "0404" "02020204" "00" "00"},
    {"an empty array has none",              ARRAY(.oid = 23), 2, "{}",                    1, "00"},
    {"braces in quotes are text",            ARRAY(.oid = 25), 2, "{{\"{a}\"},{\"}\\\"{\"}}", 2, "04" "040202" "067b617d" "00" "040202" "067d227b" "00" "00"},
    {"boxes are parted by semicolons",       {.oid = 603, .typmod = -1, .is_array = true, .delimiter = ';'}, 2,
                                             "{{(2,2),(1,1);(0,0),(0,0)}}", 2, "02" "04" "040216" "28322c32292c28312c3129" "0216" "28302c30292c28302c3029" "00" "00"},
    {"more than the schema has",             ARRAY(.oid = 23), 2, "{{{1}}}",               3, NULL},
    {"levels that differ",                   ARRAY(.oid = 23), 2, "{{1},2}",               2, NULL},
    {"levels that differ the other way",     ARRAY(.oid = 23), 2, "{1,{2}}",               1, NULL},
    {"a deeper one inside",                  ARRAY(.oid = 23), 3, "{{1},{{2}}}",           2, NULL},
    {"an empty one inside",                  ARRAY(.oid = 23), 2, "{{}}",                  2, NULL},
    {"no comma between",                     ARRAY(.oid = 23), 2, "{{1}{2}}",              2, NULL},
    {"a comma at the end",                   ARRAY(.oid = 23), 2, "{{1},}",                2, NULL},
    {"one that does not end",                ARRAY(.oid = 23), 2, "{{1}",                  2, NULL},
    {"one that ends too often",              ARRAY(.oid = 23), 2, "{{1}}}",                2, NULL},
    {"braces only",                          ARRAY(.oid = 23), 6, "{{{{{{}",               6, NULL},
    {"no array",                             ARRAY(.oid = 23), 6, "1",                     0, NULL},
};
// clang-format on

static void arrays_have_as_many_dimensions_as_their_schema_or_fewer(void **state)
{
    (void)state;
    static const struct pg_type_modes modes = PG_TYPE_MODES_DEFAULT;
    for (size_t i = 0; i < ARRAY_LEN(deep_arrays); i++) {
        uint8_t storage[256];
        struct buf out = buf_over(storage, sizeof(storage));
        struct column column = {0};
        struct pg_encoder encoder = {0};
        struct slice text = slice_of_str(deep_arrays[i].text);
        pg_type_describe(&deep_arrays[i].type, &modes, &column, &encoder);
        CHECK_EQ(1, encoder.dimensions, "one, unless more were seen");
        encoder.dimensions = deep_arrays[i].dimensions;
        CHECK_EQ(deep_arrays[i].want != NULL, pg_encoder_put(&encoder, text, &out), deep_arrays[i].behaviour);
        if (deep_arrays[i].want != NULL)
            CHECK_STR(deep_arrays[i].want, hex_of(&out), deep_arrays[i].behaviour);
        CHECK_EQ(deep_arrays[i].seems, pg_array_dimensions(text), deep_arrays[i].behaviour);
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
    {"zeros at the end go", false, "2017-06-29 12:00:00.12+00", "2017-06-29T12:00:00.12Z"},
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
        size_t len = zoned[i].is_time ? pg_timetz_format(text, out) : pg_timestamptz_format(text, 0, out);
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

/* In the modes that have one of their own. */
static void every_type_has_a_zero(void **state)
{
    (void)state;
    static const struct {
        struct pg_type type;
        struct pg_type_modes modes;
        const char *want;
    } zeros[] = {
        {PLAIN(16), {0}, "00"},
        {PLAIN(17), {0}, "00"},
        {PLAIN(17), {.binary = PG_BINARY_BASE64}, "\""},
        {PLAIN(20), {0}, "00"},
        {PLAIN(25), {0}, "\""},
        {PLAIN(3802), {0}, "\""},
        {PLAIN(700), {0}, "00000000"},
        {PLAIN(701), {0}, "0000000000000000"},
        {PLAIN(1700), {0}, "000200"},
        {{.oid = 1700, .typmod = NUMERIC_10_2}, {0}, "0200"},
        {{.oid = 1700, .typmod = NUMERIC_10_2}, {.decimal = PG_DECIMAL_STRING}, "\"0.00"},
        {PLAIN(1700), {.decimal = PG_DECIMAL_STRING}, "\"0"},
        {PLAIN(1700), {.decimal = PG_DECIMAL_DOUBLE}, "0000000000000000"},
        {PLAIN(790), {.money_fraction_digits = 2}, "0200"},
        {PLAIN(790), {.decimal = PG_DECIMAL_STRING, .money_fraction_digits = 2}, "\"0.00"},
        {PLAIN(1082), {0}, "00"},
        {PLAIN(1082), {.time = PG_TIME_ISOSTRING}, "\"1970-01-01Z"},
        {PLAIN(1083), {0}, "00"},
        {PLAIN(1083), {.time = PG_TIME_ISOSTRING}, "\"00:00:00Z"},
        {PLAIN(1114), {0}, "00"},
        {PLAIN(1114), {.time = PG_TIME_ISOSTRING}, "\"1970-01-01T00:00:00Z"},
        {PLAIN(1184), {0}, "\"1970-01-01T00:00:00Z"},
        {PLAIN(1266), {0}, "\"00:00:00Z"},
        {PLAIN(1186), {0}, "00"},
        {PLAIN(1186), {.interval = PG_INTERVAL_STRING}, "\"P0Y0M0DT0H0M0S"},
        {{.oid = 1560, .typmod = 1}, {0}, "00"},
        {PLAIN(1562), {0}, "00"},
        {PLAIN(600),
         {0},
         "0000000000000000"
         "0000000000000000"
         "022a0101000000"
         "0000000000000000"
         "0000000000000000"
         "00"},
        {NAMED("geometry"), {0}, "1201070000000000000000"},
        {NAMED("vector"), {0}, "00"},
        {NAMED("sparsevec"), {0}, "0000"},
        {NAMED("hstore"), {0}, "\"{}"},
        {NAMED("hstore"), {.hstore = PG_HSTORE_MAP}, "00"},
        {ARRAY(.oid = 25), {0}, "00"},
    };
    for (size_t i = 0; i < ARRAY_LEN(zeros); i++) {
        char name[32];
        uint8_t storage[64];
        struct buf out = buf_over(storage, sizeof(storage));
        struct column column = {0};
        struct pg_encoder encoder = {0};
        snprintf(name, sizeof(name), "zero of type %u, row %zu", zeros[i].type.oid, i);
        pg_type_describe(&zeros[i].type, &zeros[i].modes, &column, &encoder);
        pg_encoder_put_zero(&encoder, &out);
        if (zeros[i].want[0] == '"') {
            CHECK_EQ(strlen(zeros[i].want) - 1, out.ptr[0] / 2, name);
            CHECK_STR(zeros[i].want + 1, buf_cstr(&out) + 1, name);
        } else {
            CHECK_STR(zeros[i].want, hex_of(&out), name);
        }
    }
}

static void toast_placeholders_are_debeziums(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        struct pg_type type;
        struct pg_type_modes modes;
        const char *want; /* NULL: none */
    } placeholders[] = {
        {"text", PLAIN(25), {.unavailable_value = "p"}, "0270"},
        {"bytea", PLAIN(17), {.unavailable_value = "p"}, "0270"},
        {"bytea as hex has the text itself", PLAIN(17), {.unavailable_value = "p", .binary = PG_BINARY_HEX}, "0270"},
        {"bytea as base64 has none", PLAIN(17), {.unavailable_value = "p", .binary = PG_BINARY_BASE64}, NULL},
        {"numeric has none", PLAIN(1700), {.unavailable_value = "p"}, NULL},
        {"numeric as text", PLAIN(1700), {.unavailable_value = "p", .decimal = PG_DECIMAL_STRING}, "0270"},
        {"texts", ARRAY(.oid = 25), {.unavailable_value = "p"}, "0202027000"},
        {"integers are its bytes", ARRAY(.oid = 23), {.unavailable_value = "pA"}, "0402e00102820100"},
        {"dates too", ARRAY(.oid = 1082), {.unavailable_value = "p"}, "0202e00100"},
        {"uuids are one of its digest",
         ARRAY(.oid = 2950),
         {.unavailable_value = "__debezium_unavailable_value"},
         "02024862363861333561372d313761642d333562332d616632612d61653436656462343534356100"},
        {"dates of Connect have none", ARRAY(.oid = 1082), {.unavailable_value = "p", .time = PG_TIME_CONNECT}, NULL},
        {"bytes as hex in an array have none",
         ARRAY(.oid = 17),
         {.unavailable_value = "p", .binary = PG_BINARY_HEX},
         NULL},
        {"smallints have none", ARRAY(.oid = 21), {.unavailable_value = "p"}, NULL},
        {"floats have none", ARRAY(.oid = 701), {.unavailable_value = "p"}, NULL},
        {"hstore", NAMED("hstore"), {.unavailable_value = "p"}, "127b2270223a2270227d"},
        {"hstore as a map", NAMED("hstore"), {.unavailable_value = "p", .hstore = PG_HSTORE_MAP}, "02027002027000"},
        {"geometry has none", NAMED("geometry"), {.unavailable_value = "p"}, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(placeholders); i++) {
        uint8_t storage[128];
        struct buf out = buf_over(storage, sizeof(storage));
        struct column column = {0};
        struct pg_encoder encoder = {0};
        pg_type_describe(&placeholders[i].type, &placeholders[i].modes, &column, &encoder);
        bool has_one = pg_encoder_put_unavailable(&encoder, &out);
        CHECK_EQ(placeholders[i].want != NULL, has_one, placeholders[i].behaviour);
        CHECK_STR(has_one ? placeholders[i].want : "", hex_of(&out), placeholders[i].behaviour);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_avro),
        cmocka_unit_test(the_rarer_values_become_avro),
        cmocka_unit_test(arrays_have_as_many_dimensions_as_their_schema_or_fewer),
        cmocka_unit_test(types_become_columns),
        cmocka_unit_test(dates_are_days_of_the_proleptic_calendar),
        cmocka_unit_test(timestamps_are_microseconds),
        cmocka_unit_test(intervals_are_microseconds),
        cmocka_unit_test(zones_become_utc),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_when_the_server_does_not_promise),
        cmocka_unit_test(every_type_has_a_zero),
        cmocka_unit_test(toast_placeholders_are_debeziums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
