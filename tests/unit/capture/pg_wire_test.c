/* Values in binary against the same values as text: one event, whichever form the session has. */
#include "test.h"

#include "capture/pg/wire.h"

enum {
    NUMERIC_5 = (5 << 16) + 4,
    NUMERIC_10_2 = ((10 << 16) | 2) + 4,
    NUMERIC_38_10 = ((38 << 16) | 10) + 4,
    NUMERIC_1000_500 = ((1000 << 16) | 500) + 4,
    NUMERIC_3_NEGATIVE_2 = ((3 << 16) | (-2 & 0x7ff)) + 4,
    TEXT_BYTES = 1 << 18,
};

// clang-format off
#define PLAIN(type)       {.oid = type, .typmod = -1}
#define ARRAY(type)       {.oid = type, .typmod = -1, .is_array = true, .delimiter = ','}
#define NAMED(text)       {.oid = 20000, .name = text, .typmod = -1}
#define NAMED_ARRAY(text) {.oid = 20000, .name = text, .typmod = -1, .is_array = true, .delimiter = ','}

/* As PostgreSQL's output and send functions write them. */
static const struct {
    struct pg_type type;
    const char *text, *hex;
} values[] = {
    {PLAIN(16), "t", "01"},
    {PLAIN(16), "f", "00"},
    {PLAIN(21), "0", "0000"},
    {PLAIN(21), "1", "0001"},
    {PLAIN(21), "-1", "ffff"},
    {PLAIN(21), "32767", "7fff"},
    {PLAIN(21), "-32768", "8000"},
    {PLAIN(23), "0", "00000000"},
    {PLAIN(23), "-1", "ffffffff"},
    {PLAIN(23), "2147483647", "7fffffff"},
    {PLAIN(23), "-2147483648", "80000000"},
    {PLAIN(20), "0", "0000000000000000"},
    {PLAIN(20), "-1", "ffffffffffffffff"},
    {PLAIN(20), "9223372036854775807", "7fffffffffffffff"},
    {PLAIN(20), "-9223372036854775808", "8000000000000000"},
    {PLAIN(26), "0", "00000000"},
    {PLAIN(26), "1", "00000001"},
    {PLAIN(26), "4294967295", "ffffffff"},
    {PLAIN(28), "4294967295", "ffffffff"},
    {PLAIN(700), "0", "00000000"},
    {PLAIN(700), "-0", "80000000"},
    {PLAIN(700), "1.5", "3fc00000"},
    {PLAIN(700), "0.1", "3dcccccd"},
    {PLAIN(700), "3.4028235e+38", "7f7fffff"},
    {PLAIN(700), "1.1754944e-38", "00800000"},
    {PLAIN(700), "1e-45", "00000001"},
    {PLAIN(700), "1e+06", "49742400"},
    {PLAIN(700), "123456.7", "47f1205a"},
    {PLAIN(700), "100000", "47c35000"},
    {PLAIN(700), "0.0001", "38d1b717"},
    {PLAIN(700), "1e-05", "3727c5ac"},
    {PLAIN(700), "NaN", "7fc00000"},
    {PLAIN(700), "Infinity", "7f800000"},
    {PLAIN(700), "-Infinity", "ff800000"},
    {PLAIN(700), "1.6777216e+07", "4b800000"},
    {PLAIN(701), "0", "0000000000000000"},
    {PLAIN(701), "-0", "8000000000000000"},
    {PLAIN(701), "-0.1", "bfb999999999999a"},
    {PLAIN(701), "1e+300", "7e37e43c8800759c"},
    {PLAIN(701), "5e-324", "0000000000000001"},
    {PLAIN(701), "1.7976931348623157e+308", "7fefffffffffffff"},
    {PLAIN(701), "2.2250738585072014e-308", "0010000000000000"},
    {PLAIN(701), "1e+15", "430c6bf526340000"},
    {PLAIN(701), "123456789012345", "42dc12218377de40"},
    {PLAIN(701), "100000000000000", "42d6bcc41e900000"},
    {PLAIN(701), "0.0001", "3f1a36e2eb1c432d"},
    {PLAIN(701), "1e-05", "3ee4f8b588e368f1"},
    {PLAIN(701), "NaN", "7ff8000000000000"},
    {PLAIN(701), "Infinity", "7ff0000000000000"},
    {PLAIN(701), "-Infinity", "fff0000000000000"},
    {PLAIN(701), "0.30000000000000004", "3fd3333333333334"},
    {PLAIN(701), "9.007199254740992e+15", "4340000000000000"},
    {PLAIN(1700), "0", "0000000000000000"},
    {PLAIN(1700), "0.00", "0000000000000002"},
    {PLAIN(1700), "1", "00010000000000000001"},
    {PLAIN(1700), "-1", "00010000400000000001"},
    {PLAIN(1700), "100", "00010000000000000064"},
    {PLAIN(1700), "10000", "00010001000000000001"},
    {PLAIN(1700), "1.5", "000200000000000100011388"},
    {PLAIN(1700), "1.50", "000200000000000200011388"},
    {PLAIN(1700), "1.500000", "000200000000000600011388"},
    {PLAIN(1700), "12.5", "0002000000000001000c1388"},
    {PLAIN(1700), "-0.01", "0001ffff400000020064"},
    {PLAIN(1700), "0.0001", "0001ffff000000040001"},
    {PLAIN(1700), "0.00001", "0001fffe0000000503e8"},
    {PLAIN(1700), "0.000100", "0001ffff000000060001"},
    {PLAIN(1700), "1234.50", "000200000000000204d21388"},
    {PLAIN(1700), "99999999.99", "0003000100000002270f270f26ac"},
    {PLAIN(1700), "-99999999.99", "0003000140000002270f270f26ac"},
    {PLAIN(1700), "9999", "0001000000000000270f"},
    {PLAIN(1700), "9223372036854775807", "0005000400000000039a0d2c0170156516af"},
    {PLAIN(1700), "-9223372036854775808", "0005000440000000039a0d2c0170156516b0"},
    {PLAIN(1700), "9223372036854775808", "0005000400000000039a0d2c0170156516b0"},
    {PLAIN(1700), "922337203685477580.7", "0006000400000001005c092107f421631d9c1b58"},
    {PLAIN(1700), "123456789012345678", "0005000400000000000c0d801ed204d2162e"},
    {PLAIN(1700), "12345678901234567890.5", "000600040000000104d2162e23340d801ed21388"},
    {PLAIN(1700), "100000000000000000000", "00010005000000000001"},
    {PLAIN(1700), "1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
     "0001004b000000000001"},
    {PLAIN(1700), "0.00000000000000000001", "0001fffb000000140001"},
    {PLAIN(1700), "-0.00000000000000000001", "0001fffb400000140001"},
    {PLAIN(1700), "0.1", "0001ffff0000000103e8"},
    {PLAIN(1700), "0.3", "0001ffff000000010bb8"},
    {PLAIN(1700), "NaN", "00000000c0000000"},
    {PLAIN(1700), "Infinity", "00000000d0000020"},
    {PLAIN(1700), "-Infinity", "00000000f0000020"},
    {PLAIN(1700), "123456789.123456789", "0006000200000009000109291a8504d2162e2328"},
    {PLAIN(1700), "90000000000000000", "00010004000000000009"},
    {PLAIN(1700), "9210000000000000000.00", "00010004000000020399"},
    {PLAIN(1700), "99990000000000000000", "0001000400000000270f"},
    {PLAIN(1700), "0.0000000000000000000000000000001", "0001fff80000001f000a"},
    {PLAIN(1700), "3.1415926535897914159265358979141592653589791415926535897914159265358979",
     "00130000000000460003058724310e051eea063819872313058724310e051eea063819872313058724310e051edc"},
    {PLAIN(25), "", ""},
    {PLAIN(25), "a", "61"},
    {PLAIN(25), "hé", "68c3a9"},
    {PLAIN(25), "null", "6e756c6c"},
    {PLAIN(1042), "a  ", "612020"},
    {PLAIN(1043), "x", "78"},
    {PLAIN(19), "naïve", "6e61c3af7665"},
    {PLAIN(18), "", "00"},
    {PLAIN(18), "a", "61"},
    {PLAIN(17), "\\x", ""},
    {PLAIN(17), "\\x00ff10", "00ff10"},
    {PLAIN(17), "\\x616263", "616263"},
    {PLAIN(2950), "00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"},
    {PLAIN(2950), "12345678-9abc-def0-1234-567812345678", "123456789abcdef01234567812345678"},
    {PLAIN(114), "{ \"b\":1}", "7b202262223a317d"},
    {PLAIN(3802), "{\"a\": [1, null]}", "017b2261223a205b312c206e756c6c5d7d"},
    {PLAIN(142), "<a/>", "3c612f3e"},
    {PLAIN(1186), "-2562047788:00:54.775808", "80000000000000000000000000000000"},
    {PLAIN(1186), "infinity", "7fffffffffffffff7fffffff7fffffff"},
    {PLAIN(1186), "-infinity", "80000000000000008000000080000000"},
    {PLAIN(1082), "1970-01-01", "ffffd533"},
    {PLAIN(1082), "2000-01-01", "00000000"},
    {PLAIN(1082), "1999-12-31", "ffffffff"},
    {PLAIN(1082), "2017-06-29", "000018f5"},
    {PLAIN(1082), "2024-02-29", "00002279"},
    {PLAIN(1082), "2023-02-28", "0000210b"},
    {PLAIN(1082), "2100-03-01", "00008ee8"},
    {PLAIN(1082), "1582-10-04", "fffdacb5"},
    {PLAIN(1082), "0001-01-01", "fff4dbf9"},
    {PLAIN(1082), "0001-12-31 BC", "fff4dbf8"},
    {PLAIN(1082), "0044-03-15 BC", "fff49d7b"},
    {PLAIN(1082), "4714-11-24 BC", "ffda97a7"},
    {PLAIN(1082), "10000-01-01", "002c95d4"},
    {PLAIN(1082), "5874897-12-31", "7fda970c"},
    {PLAIN(1082), "infinity", "7fffffff"},
    {PLAIN(1082), "-infinity", "80000000"},
    {PLAIN(1083), "00:00:00", "0000000000000000"},
    {PLAIN(1083), "00:00:01.5", "000000000016e360"},
    {PLAIN(1083), "12:34:56.123456", "0000000a8bdbfe40"},
    {PLAIN(1083), "23:59:59.999999", "000000141dd75fff"},
    {PLAIN(1083), "24:00:00", "000000141dd76000"},
    {PLAIN(1083), "00:00:00.0019", "000000000000076c"},
    {PLAIN(1266), "12:00:00.12+02", "0000000a0eed84c0ffffe3e0"},
    {PLAIN(1266), "24:00:00+00", "000000141dd7600000000000"},
    {PLAIN(1266), "24:00:00+02", "000000141dd76000ffffe3e0"},
    {PLAIN(1266), "01:02:03+01:02:03", "00000000dde878c0fffff175"},
    {PLAIN(1266), "00:00:00-11", "000000000000000000009ab0"},
    {PLAIN(1266), "23:00:00+05:45", "000000134743bc00ffffaf24"},
    {PLAIN(1114), "1970-01-01 00:00:00", "fffca2fec4c82000"},
    {PLAIN(1114), "1970-01-01 00:00:00.000001", "fffca2fec4c82001"},
    {PLAIN(1114), "1969-12-31 23:59:59.999999", "fffca2fec4c81fff"},
    {PLAIN(1114), "2000-01-01 00:00:00", "0000000000000000"},
    {PLAIN(1114), "1999-12-31 23:59:59.999", "fffffffffffffc18"},
    {PLAIN(1114), "2024-02-29 12:34:56.12", "0002b583416850c0"},
    {PLAIN(1114), "0044-03-15 12:00:00 BC", "ff1af9e8fb46d000"},
    {PLAIN(1114), "4714-11-24 00:00:00 BC", "fd0f7cc1411fa000"},
    {PLAIN(1114), "10000-01-01 00:00:00", "0380e70b913b8000"},
    {PLAIN(1114), "294246-12-31 23:59:59.999999", "7ffca2465aa35fff"},
    {PLAIN(1114), "294276-12-31 23:59:59.999999", "7fffff5bb3b29fff"},
    {PLAIN(1114), "2262-04-11 23:47:16.854775", "001d679a6aab73f7"},
    {PLAIN(1114), "2262-04-12 00:00:00", "001d679a98282000"},
    {PLAIN(1114), "1677-09-21 00:12:43.145225", "ffdbde631ee4cc09"},
    {PLAIN(1114), "infinity", "7fffffffffffffff"},
    {PLAIN(1114), "-infinity", "8000000000000000"},
    {PLAIN(1184), "1970-01-01 00:00:00+00", "fffca2fec4c82000"},
    {PLAIN(1184), "2017-06-29 12:00:00.12+00", "0001f616cf0c64c0"},
    {PLAIN(1184), "0044-03-15 12:00:00.5+00 BC", "ff1af9e8fb4e7120"},
    {PLAIN(1184), "12345-06-07 08:09:10+00", "0487db00297a1580"},
    {PLAIN(1184), "1969-12-31 23:59:59.999999+00", "fffca2fec4c81fff"},
    {PLAIN(1184), "294276-12-31 23:59:59.999999+00", "7fffff5bb3b29fff"},
    {PLAIN(1184), "4714-11-24 00:00:00+00 BC", "fd0f7cc1411fa000"},
    {PLAIN(1184), "infinity", "7fffffffffffffff"},
    {PLAIN(1184), "-infinity", "8000000000000000"},
    {PLAIN(1186), "00:00:00", "00000000000000000000000000000000"},
    {PLAIN(1186), "00:00:00.000001", "00000000000000010000000000000000"},
    {PLAIN(1186), "-00:00:00.5", "fffffffffff85ee00000000000000000"},
    {PLAIN(1186), "10 mons 3 days 04:05:06.7", "000000036c966ee0000000030000000a"},
    {PLAIN(1186), "-1 years -2 mons -3 days -04:05:06.7", "fffffffc93699120fffffffdfffffff2"},
    {PLAIN(1186), "1 mon", "00000000000000000000000000000001"},
    {PLAIN(1186), "-1 mons", "000000000000000000000000ffffffff"},
    {PLAIN(1186), "1 day", "00000000000000000000000100000000"},
    {PLAIN(1186), "-1 days +02:03:00", "00000001b7e1dd00ffffffff00000000"},
    {PLAIN(1186), "2 years 3 days", "00000000000000000000000300000018"},
    {PLAIN(1186), "178000000 years", "0000000000000000000000007f50c600"},
    {PLAIN(1186), "-178000000 years", "00000000000000000000000080af3a00"},
    {PLAIN(1186), "2147483647 days", "00000000000000007fffffff00000000"},
    {PLAIN(1186), "-2147483648 days", "00000000000000008000000000000000"},
    {PLAIN(1186), "2562047788:00:54.775807", "7fffffffffffffff0000000000000000"},
    {PLAIN(1186), "-2562047788:00:54.775807", "80000000000000010000000000000000"},
    {PLAIN(1186), "1 day -00:00:01", "fffffffffff0bdc00000000100000000"},
    {{.oid = 1560, .typmod = 1}, "0", "0000000100"},
    {{.oid = 1560, .typmod = 1}, "1", "0000000180"},
    {{.oid = 1560, .typmod = 9}, "100000001", "000000098080"},
    {{.oid = 1560, .typmod = 9}, "000000000", "000000090000"},
    {PLAIN(1562), "", "00000000"},
    {PLAIN(1562), "0", "0000000100"},
    {PLAIN(1562), "1", "0000000180"},
    {PLAIN(1562), "101", "00000003a0"},
    {PLAIN(1562), "0000000001", "0000000a0040"},
    {PLAIN(1562), "11111111111111111", "00000011ffff80"},
    {ARRAY(23), "{}", "000000000000000000000017"},
    {ARRAY(23), "{1}", "00000001000000000000001700000001000000010000000400000001"},
    {ARRAY(23), "{1,NULL,-3}", "00000001000000010000001700000003000000010000000400000001ffffffff00000004fffffffd"},
    {ARRAY(23), "[0:1]={4,5}", "000000010000000000000017000000020000000000000004000000040000000400000005"},
    {ARRAY(23), "{{1,2},{3,4}}",
     "000000020000000000000017000000020000000100000002000000010000000400000001000000040000000200000004"
     "000000030000000400000004"},
    {ARRAY(23), "[0:1][2:3]={{1,2},{3,4}}",
     "000000020000000000000017000000020000000000000002000000020000000400000001000000040000000200000004"
     "000000030000000400000004"},
    {ARRAY(23), "{{{1},{2}}}",
     "000000030000000000000017000000010000000100000002000000010000000100000001000000040000000100000004"
     "00000002"},
    {ARRAY(25), "{}", "000000000000000000000019"},
    {ARRAY(25), "{NULL}", "0000000100000001000000190000000100000001ffffffff"},
    {ARRAY(25), "{\"\",a,\" \",\"null\",NULL,\"a,b\",\"{a}\",\"a\\\"b\",\"a\\\\b\",é}",
     "0000000100000001000000190000000a000000010000000000000001610000000120000000046e756c6cffffffff0000"
     "0003612c62000000037b617d0000000361226200000003615c6200000002c3a9"},
    {ARRAY(1700), "{1.50,NULL,-0.1}",
     "0000000100000001000006a400000003000000010000000c000200000000000200011388ffffffff0000000a0001ffff"
     "4000000103e8"},
    {ARRAY(1700), "{NaN}", "0000000100000000000006a400000001000000010000000800000000c0000000"},
    {ARRAY(1114), "{\"2024-02-29 01:02:03.123456\"}",
     "00000001000000000000045a0000000100000001000000080002b5799376bb00"},
    {ARRAY(701), "{0.1,NaN,-Infinity}",
     "0000000100000000000002bd0000000300000001000000083fb999999999999a000000087ff800000000000000000008"
     "fff0000000000000"},
    {ARRAY(17), "{\"\\\\x00ff\"}", "00000001000000000000001100000001000000010000000200ff"},
    {ARRAY(2950), "{12345678-9abc-def0-1234-567812345678,NULL}",
     "000000010000000100000b86000000020000000100000010123456789abcdef01234567812345678ffffffff"},
    {ARRAY(1082), "{2024-02-29,infinity}",
     "00000001000000000000043a00000002000000010000000400002279000000047fffffff"},
    {ARRAY(3802), "{\"{\\\"a\\\": 1}\",NULL,\"\\\"x\\\"\"}",
     "000000010000000100000eda000000030000000100000009017b2261223a20317dffffffff0000000401227822"},
    {NAMED("citext"), "MiXed", "4d69586564"},
    {NAMED("ltree"), "a.b", "01612e62"},
    {NAMED("hstore"), "", "00000000"},
    {NAMED("hstore"), "\"a\"=>\"1\", \"b\"=>NULL", "00000002000000016100000001310000000162ffffffff"},
    {NAMED("hstore"), "\"q\\\"\\\\\"=>\"=>, \"", "000000010000000371225c000000043d3e2c20"},
    {NAMED_ARRAY("hstore"), "{\"\\\"a\\\"=>\\\"1\\\"\"}",
     "00000001000000000000422b00000001000000010000000e0000000100000001610000000131"},
};
// clang-format on

/* Between them each mode of each setting. */
static const struct pg_type_modes modes[] = {
    {.time = PG_TIME_ADAPTIVE, .money_fraction_digits = 2},
    {.time = PG_TIME_ADAPTIVE_TIME_MICROSECONDS, .decimal = PG_DECIMAL_DOUBLE, .binary = PG_BINARY_BASE64},
    {.time = PG_TIME_CONNECT, .decimal = PG_DECIMAL_STRING, .binary = PG_BINARY_BASE64_URL_SAFE},
    {.time = PG_TIME_ISOSTRING, .interval = PG_INTERVAL_STRING, .binary = PG_BINARY_HEX},
    {.time = PG_TIME_MICROSECONDS, .hstore = PG_HSTORE_MAP},
    {.time = PG_TIME_NANOSECONDS},
};

static const int32_t typmods[] = {
    -1, 0, 1, 3, 6, NUMERIC_5, NUMERIC_10_2, NUMERIC_38_10, NUMERIC_1000_500, NUMERIC_3_NEGATIVE_2};

static uint8_t text_storage[TEXT_BYTES], event_storage[TEXT_BYTES], other_storage[TEXT_BYTES];

static struct slice bytes_of(const char *hex)
{
    static uint8_t bytes[1 << 12];
    size_t n = strlen(hex) / 2;
    assert_true(n <= sizeof(bytes));
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(1, sscanf(hex + 2 * i, "%2x", &byte));
        bytes[i] = (uint8_t)byte;
    }
    return slice_of(bytes, n);
}

static struct pg_encoder encoder_of(struct pg_type type, int32_t typmod, const struct pg_type_modes *mode)
{
    struct column column = {0};
    struct pg_encoder encoder = {0};
    type.typmod = typmod;
    pg_type_describe(&type, mode, &column, &encoder);
    return encoder;
}

static void check_one_event(size_t i, const struct pg_encoder *encoder, const char *name)
{
    struct buf of_text = buf_over(event_storage, TEXT_BYTES), of_bytes = buf_over(other_storage, TEXT_BYTES);
    bool text_ok = pg_encoder_put(encoder, slice_of_str(values[i].text), &of_text);
    bool bytes_ok = pg_wire_put(encoder, bytes_of(values[i].hex), &of_bytes);
    CHECK_EQ(text_ok, bytes_ok, name);
    if (text_ok && !slice_eq(buf_slice(&of_text), buf_slice(&of_bytes)))
        fail_msg("%s: the events differ", name);
}

static void binary_and_text_are_one_event(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        for (size_t m = 0; m < ARRAY_LEN(modes); m++)
            for (size_t t = 0; t < ARRAY_LEN(typmods); t++)
                for (int dimensions = 0; dimensions <= 3; dimensions++) {
                    char name[256];
                    struct pg_encoder encoder = encoder_of(values[i].type, typmods[t], &modes[m]);
                    encoder.dimensions = dimensions;
                    snprintf(name, sizeof(name), "type %u, modifier %d, modes %zu, dimensions %d: %.100s",
                             values[i].type.oid, typmods[t], m, dimensions, values[i].text);
                    check_one_event(i, &encoder, name);
                }
}

static void binary_becomes_the_servers_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct pg_encoder encoder = encoder_of(values[i].type, -1, &modes[0]);
        struct buf text = buf_over(text_storage, TEXT_BYTES);
        if (!pg_wire_put_text(&encoder, bytes_of(values[i].hex), &text))
            fail_msg("%s of type %u is refused", values[i].text, values[i].type.oid);
        CHECK_STR(values[i].text, buf_cstr(&text), "the server's text");
    }
}

static const struct {
    const char *behaviour;
    struct pg_type type;
    const char *hex;
} malformed[] = {
    {"a boolean of no bytes", PLAIN(16), ""},
    {"a boolean that is 2", PLAIN(16), "02"},
    {"a boolean of two bytes", PLAIN(16), "0100"},
    {"a smallint of one byte", PLAIN(21), "00"},
    {"an integer of three bytes", PLAIN(23), "000000"},
    {"an integer of five bytes", PLAIN(23), "0000000000"},
    {"a bigint of four bytes", PLAIN(20), "00000000"},
    {"an oid of eight bytes", PLAIN(26), "0000000000000000"},
    {"a real of three bytes", PLAIN(700), "000000"},
    {"a double of four bytes", PLAIN(701), "00000000"},
    {"a numeric without a header", PLAIN(1700), "00000000000000"},
    {"a numeric of fewer digits than it says", PLAIN(1700), "00020000000000000001"},
    {"a numeric of more digits than it says", PLAIN(1700),
     "0000000000000000"
     "0001"},
    {"a numeric whose digit is 10,000", PLAIN(1700), "00010000000000002710"},
    {"a numeric of an unknown sign", PLAIN(1700), "00010000800000000001"},
    {"NaN with digits", PLAIN(1700), "00010000c00000000001"},
    {"a numeric with digits behind its scale", PLAIN(1700), "0001ffff000000011001"},
    {"a numeric with a digit far behind its scale", PLAIN(1700), "0001fff0000000010001"},
    {"a numeric of too large a scale", PLAIN(1700), "0000000000004000"},
    {"a char of two bytes", PLAIN(18), "6161"},
    {"a uuid of 15 bytes", PLAIN(2950), "000000000000000000000000000000"},
    {"a jsonb without its version", PLAIN(3802), ""},
    {"a jsonb of another version", PLAIN(3802), "027b7d"},
    {"a date of three bytes", PLAIN(1082), "000000"},
    {"a date before the first", PLAIN(1082), "ffda97a6"},
    {"a date behind the last", PLAIN(1082), "7fdaac8d"},
    {"a time of four bytes", PLAIN(1083), "00000000"},
    {"a time below zero", PLAIN(1083), "ffffffffffffffff"},
    {"a time behind 24:00", PLAIN(1083), "000000141dd76001"},
    {"a timetz without its zone", PLAIN(1266), "0000000000000000"},
    {"a timetz of a zone of 16 hours", PLAIN(1266), "00000000000000000000e100"},
    {"a timestamp of four bytes", PLAIN(1114), "00000000"},
    {"a timestamp before the first", PLAIN(1114), "fd0f7cc1411f9fff"},
    {"a timestamp behind the last", PLAIN(1114), "7fffff5bb3b2a000"},
    {"a timestamptz of nine bytes", PLAIN(1184), "000000000000000000"},
    {"a timestamptz behind the last", PLAIN(1184), "7fffff5bb3b2a000"},
    {"an interval of twelve bytes", PLAIN(1186), "000000000000000000000000"},
    {"bits of fewer bytes than they are", PLAIN(1562), "00000009ff"},
    {"bits of more bytes than they are", PLAIN(1562), "00000008ffff"},
    {"bits beyond all bytes", PLAIN(1562), "ffffffffff"},
    {"an array without a header", ARRAY(23), "00000001000000000000"},
    {"an array of seven dimensions", ARRAY(23), "000000070000000000000017"},
    {"an array without its dimension", ARRAY(23), "000000010000000000000017"},
    {"an array of a dimension of nothing", ARRAY(23), "0000000100000000000000170000000000000001"},
    {"an array of more elements than bytes", ARRAY(23), "0000000100000000000000177fffffff00000001"},
    {"an array of fewer elements than it says", ARRAY(23),
     "000000010000000000000017000000020000000100000004"
     "00000001"},
    {"an array of more elements than it says", ARRAY(23),
     "000000010000000000000017000000010000000100000004"
     "00000001"
     "00"},
    {"an empty array with an element", ARRAY(23),
     "000000000000000000000017"
     "0000000400000001"},
    {"an element of a wrong length", ARRAY(23),
     "0000000100000000000000170000000100000001"
     "00000003000000"},
    {"an element beyond the array", ARRAY(23),
     "0000000100000000000000170000000100000001"
     "0000000500000000"},
    {"an element of a length below -1", ARRAY(23),
     "0000000100000000000000170000000100000001"
     "fffffffe"},
    {"dimensions whose product is beyond all bytes", ARRAY(23),
     "000000020000000000000017"
     "7fffffff00000001"
     "7fffffff00000001"
     "00000000"},
    {"an hstore of fewer pairs than it says", NAMED("hstore"), "000000020000000161ffffffff"},
    {"an hstore with bytes behind it", NAMED("hstore"), "0000000000"},
    {"money, whose digits only the text tells", PLAIN(790), "0000000000000064"},
    {"a type that is read as text", PLAIN(3904), "01"},
};

static void malformed_bytes_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++)
        for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
            struct pg_encoder encoder = encoder_of(malformed[i].type, -1, &modes[m]);
            struct buf out = buf_over(text_storage, TEXT_BYTES);
            CHECK_EQ(false, pg_wire_put(&encoder, bytes_of(malformed[i].hex), &out), malformed[i].behaviour);
            buf_clear(&out);
            CHECK_EQ(false, pg_wire_put_text(&encoder, bytes_of(malformed[i].hex), &out), malformed[i].behaviour);
        }
}

/* The largest numeric there is has 131,072 digits before its point: no stack has room for it. */
static void a_text_may_be_long(void **state)
{
    (void)state;
    struct pg_encoder encoder = encoder_of((struct pg_type){.oid = 1700}, -1, &modes[0]);
    struct buf out = buf_over(text_storage, TEXT_BYTES);
    assert_true(pg_wire_put_text(&encoder, bytes_of("00017fff000000000001"), &out));
    CHECK_EQ(131069, out.len, "one and its zeros");
    buf_clear(&out);
    assert_true(pg_wire_put(&encoder, bytes_of("00017fff000000000001"), &out));
    CHECK_EQ(1 + 3 + 54425, out.len, "scale, length, bytes");
}

static void text_that_is_not_utf8_is_refused_when_the_server_does_not_promise(void **state)
{
    (void)state;
    struct pg_encoder encoder = encoder_of((struct pg_type){.oid = 25}, -1, &modes[0]);
    struct buf out = buf_over(text_storage, TEXT_BYTES);
    encoder.check_utf8 = true;
    assert_false(pg_wire_put(&encoder, bytes_of("ff"), &out));
    encoder.check_utf8 = false;
    assert_true(pg_wire_put(&encoder, bytes_of("ff"), &out));
}

/* ---- docs/types.md says which ---- */

static const struct {
    const char *name;
    struct pg_type type;
    bool in_binary;
} documented[] = {
    {"boolean", {.oid = 16}, true},
    {"smallint", {.oid = 21}, true},
    {"integer", {.oid = 23}, true},
    {"bigint", {.oid = 20}, true},
    {"real", {.oid = 700}, true},
    {"double precision", {.oid = 701}, true},
    {"numeric", {.oid = 1700}, true},
    {"oid", {.oid = 26}, true},
    {"xid", {.oid = 28}, true},
    {"cid", {.oid = 29}, true},
    {"text", {.oid = 25}, true},
    {"character varying", {.oid = 1043}, true},
    {"character", {.oid = 1042}, true},
    {"name", {.oid = 19}, true},
    {"\"char\"", {.oid = 18}, true},
    {"citext", {.oid = 20000, .name = "citext"}, true},
    {"ltree", {.oid = 20000, .name = "ltree"}, true},
    {"bytea", {.oid = 17}, true},
    {"bit", {.oid = 1560}, true},
    {"bit varying", {.oid = 1562}, true},
    {"uuid", {.oid = 2950}, true},
    {"json", {.oid = 114}, true},
    {"jsonb", {.oid = 3802}, true},
    {"xml", {.oid = 142}, true},
    {"hstore", {.oid = 20000, .name = "hstore"}, true},
    {"date", {.oid = 1082}, true},
    {"time", {.oid = 1083}, true},
    {"timetz", {.oid = 1266}, true},
    {"timestamp", {.oid = 1114}, true},
    {"timestamptz", {.oid = 1184}, true},
    {"interval", {.oid = 1186}, true},
    {"money", {.oid = 790}, false},
    {"inet", {.oid = 869}, false},
    {"cidr", {.oid = 650}, false},
    {"macaddr", {.oid = 829}, false},
    {"point", {.oid = 600}, false},
    {"tsvector", {.oid = 3614}, false},
    {"pg_lsn", {.oid = 3220}, false},
    {"int4range", {.oid = 3904}, false},
    {"int4multirange", {.oid = 4451}, false},
};

/* The documentation's word for a type: | `integer`, `bigint` | yes | */
static const char *word_of(const char *name)
{
    static char line[1024], word[8];
    char quoted[64];
    FILE *file = fopen("../docs/types.md", "r");
    assert_non_null(file);
    snprintf(quoted, sizeof(quoted), "`%s`", name);
    word[0] = '\0';
    while (fgets(line, sizeof(line), file) != NULL) {
        char *end = strstr(line, " | yes |") != NULL ? strstr(line, " | yes |") : strstr(line, " | no |");
        if (line[0] != '|' || end == NULL)
            continue;
        end[0] = '\0';
        if (strstr(line, quoted) != NULL)
            sscanf(end + 3, "%3s", word);
    }
    fclose(file);
    return word;
}

static void the_documentation_says_which_types_are_read_in_binary(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(documented); i++) {
        struct pg_encoder encoder = encoder_of(documented[i].type, -1, &modes[0]);
        CHECK_EQ(documented[i].in_binary, encoder.wire != PG_WIRE_NONE, documented[i].name);
        CHECK_STR(documented[i].in_binary ? "yes" : "no", word_of(documented[i].name), documented[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_and_text_are_one_event),
        cmocka_unit_test(binary_becomes_the_servers_text),
        cmocka_unit_test(malformed_bytes_are_refused),
        cmocka_unit_test(the_documentation_says_which_types_are_read_in_binary),
        cmocka_unit_test(a_text_may_be_long),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_when_the_server_does_not_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
