#include "test.h"

#include <stdlib.h>

#include "proto/avro_put.h"

static void hex_of(const struct buf *buf, char *out, size_t size)
{
    assert_true(buf->len * 2 < size);
    for (size_t i = 0; i < buf->len; i++)
        snprintf(out + 2 * i, 3, "%02x", buf->ptr[i]);
    out[2 * buf->len] = '\0';
}

/* The right column is Python's: a zigzag varint of the length, then
 *   u.to_bytes((u if u >= 0 else ~u).bit_length() // 8 + 1, "big", signed=True)
 * of the unscaled integer u = int(Decimal(text).scaleb(scale)). */
// clang-format off
static const struct {
    const char *behaviour, *text;
    int scale;
    const char *hex;
} decimals[] = {
    {"zero", "0", 0, "0200"},
    {"negative zero is zero", "-0", 0, "0200"},
    {"zero with a scale", "0.00", 2, "0200"},
    {"zero with a large scale", "0", 20, "0200"},
    {"one", "1", 0, "0201"},
    {"minus one", "-1", 0, "02ff"},
    {"the largest of one byte", "127", 0, "027f"},
    {"one more needs two bytes", "128", 0, "040080"},
    {"the smallest of one byte", "-128", 0, "0280"},
    {"one less needs two bytes", "-129", 0, "04ff7f"},
    {"all bits of a byte set", "255", 0, "0400ff"},
    {"a ninth bit", "256", 0, "040100"},
    {"minus 256", "-256", 0, "04ff00"},
    {"the largest of two bytes", "32767", 0, "047fff"},
    {"one more", "32768", 0, "06008000"},
    {"the smallest of two", "-32768", 0, "048000"},
    {"one less", "-32769", 0, "06ff7fff"},
    {"zeros are added up to the scale", "1.5", 2, "040096"},
    {"zeros beyond the scale are dropped", "1.50", 1, "020f"},
    {"a small negative", "-0.01", 2, "02ff"},
    {"no digit before the point", ".5", 1, "0205"},
    {"no digit behind the point", "5.", 1, "0232"},
    {"leading zeros", "000123.4500", 2, "043039"},
    {"a negative scale", "1200", -2, "020c"},
    {"a negative scale and zeros", "-1200.000", -2, "02f4"},
    {"zero with a negative scale", "0", -30, "0200"},
    {"the largest of the short path", "999999999999999999", 0, "100de0b6b3a763ffff"},
    {"and its negative", "-999999999999999999", 0, "10f21f494c589c0001"},
    {"the first of the long path", "1000000000000000000", 0, "100de0b6b3a7640000"},
    {"and its negative", "-1000000000000000000", 0, "10f21f494c589c0000"},
    {"int64's largest", "9223372036854775807", 0, "107fffffffffffffff"},
    {"one more", "9223372036854775808", 0, "12008000000000000000"},
    {"int64's smallest", "-9223372036854775808", 0, "108000000000000000"},
    {"one less", "-9223372036854775809", 0, "12ff7fffffffffffffff"},
    {"uint64's largest", "18446744073709551615", 0, "1200ffffffffffffffff"},
    {"one more: a second word", "18446744073709551616", 0, "12010000000000000000"},
    {"its negative: a borrow through a word", "-18446744073709551616", 0, "12ff0000000000000000"},
    {"a negative below it", "-18446744073709551615", 0, "12ff0000000000000001"},
    {"2^128", "340282366920938463463374607431768211456", 0, "220100000000000000000000000000000000"},
    {"-2^128", "-340282366920938463463374607431768211456", 0, "22ff00000000000000000000000000000000"},
    {"-2^127 fits 16 bytes", "-170141183460469231731687303715884105728", 0, "2080000000000000000000000000000000"},
    {"2^127 needs 17", "170141183460469231731687303715884105728", 0, "220080000000000000000000000000000000"},
    {"38 places", "0.00000000000000000000000000000000000001", 38, "0201"},
    {"38 digits", "99999999999999999999999999999999999999", 0, "204b3b4ca85a86c47a098a223fffffffff"},
    {"digits on both sides", "12345678901234567890.123456789012345678", 18, "200949b0f6f0023313c4499050de38f34e"},
    {"dropped zeros by the dozen", "10000000000000000000000000000000000000000", -40, "0201"},
    {"19 random digits", "-6972281866201164104", 0, "109f3d7a955b2e96b8"},
    {"36 random digits", "175004079337915668596608884442056734", 0, "1e21b45e05ea04075110b6bd9ad2c81e"},
    {"37 random digits", "-8678842377826024168352448562864390630", 0, "20f9788408ba9ab1af1a62ff95e63efe1a"},
    {"54 random digits", "113105067337336549440555357928569990168152153589896513", 0, "2e012e4da0a55969daccda5a0096718460fcccbb35495541"},
    {"100 random digits", "6348014369981166394046892294278245937454356996430436912312261613837521007782758400937206626436606191", 0, "540b9bef542210a21d9c4a8f641d93edf7174ac701961c778b970344ddb206b054e5ad8688ebd731e568ef"},
    {"307 random digits", "-5816268529858957474712001744001696101406349445974251639919193859214928452000497671900307606327065584358192155802839469400313079525382693171943365804743629355680021054260025923932236814096137813997016526564608396800877476073956397004817159203030848028140861416371141165648471474205176320346541458584107195990", 0, "8002f7b7a4d18d64bad0e978f051f3d56a551926b5c16f2ed0803012d58f09dde264ad01d0f8d238c40cb4136c11fa70dccd4e2b244580a32b38343e7b360e6ef852ba756fee5ff47feebf9b49abc61389f916d0bc2c25c439a096cece5242475bdb3b79ddb425305e0d902a1f003c26b437d7fb2245fa4dd083c275c7dddc8c61aa"},
    {"308 random digits", "42016309250205673721949892523530212310002403822467314228861688647033492299450932691474306330484249126421430810276743181157472436147415926886840307883654876273043210220137373063474254769047355037680276251752788390799598972632797637915634886405939032569997668901119016590143092542855249425712424842510679990891", 0, "80023bd54d47dbefdb8e64deea8eaec8b7792c13a651ebe0fdc585bda15f79acf1eab6c6021de164e2d577299ad4a4a4c2023db218adcd102444bd6344967dca6df1518e976ead428d9cefc5f51841ec7247541c09b578f63543c85379e29e5b0e2a8546192cb7f8437aeb68bfedc586134e270d27056474bc604d27da334d50e26b"},
    {"309 random digits", "-358542859050670828712084512521105683833668758199047207918448596729998033249217739409133166371539070367276651078201868224266794498453825414654449253244707803050291308554660163731739153973898046509838387773309188153645954304168582740714729733135759538985145483937523639659270271660395862756265614996795716423999", 0, "8202fe016b0365bb3a98919baf966270f8c85de53c27428735ca680864d67c76148e439250a0f9d8ef2720eb3ffcc1776cfd0e8beec6b4a69a6c4849ed7f212b6c3fa1c9900fbcc4fdc920848e7a0ecae9b187d3bdd470773df0e6ad9e925cef2c22ca2aaf2acbc043e3b43d6a2595adcaf603d522bac6b1f585599cf6bb5d684daec1"},
    {"400 random digits", "9810227785459489926548182260056515471111513266095345316189196708239683558594042728665423158642845940923356005008656071200277796508165872618483892847196824097542438142900478342277803723349777019785582307351762676608865457676578174419496332961629651304745420744703276105066406430691772579363309056354790101164886583820702708631662980798959268774488430512866135101404307845342555865049010437777013647693", 0, "ce0201aca1d943645f2884756f64f3248795694656b4354098d7e34f8c643d2147447156dbef5b05fcabd143dff5427af49ee94b0b5b0caa2db8e0dbb34fb7cdad88380999565ebf14d2a4c5b5e48cba044cc84f0cc716584f34cb222874d11703df18a8df6d4b33f8833df0c593f7447e1588f6a1d3b852455c3e1acc7d5f4e02dc9a5e52a2b9ae9a165e322efcf7f0da3575ed78df189586806d0f015e4550c48d5dec8fd6e8a94d"},
    {"a random short one", "422", 2, "0600a4d8"},
    {"a random short one", "12.77083", 6, "0800c2de0e"},
    {"a random short one", "-4.097055099", 12, "0cfc46147c7788"},
    {"a random short one", "2197.53", 2, "06035a69"},
    {"a random short one", "-6.96", 2, "04fd48"},
    {"a random short one", "-79522376", 0, "08fb4295b8"},
    {"a random short one", "3594074.66", 5, "0a53ae5ab610"},
    {"a random short one", "-549582641.58332", 6, "0efe0c2851dfab28"},
    {"a random short one", "-29570406828.93589", 8, "10d6f67b2a7dbfc5f8"},
    {"a random short one", "-684.90693723", 9, "0cff60885d8472"},
    {"a random short one", "105567.435", 3, "08064ad4cb"},
    {"a random short one", "-219188.8817957", 8, "0cec109c74c88e"},
    {"a random short one", "307363457.700689557", 10, "102aa7be5cebdaa1d2"},
    {"a random short one", "-2391599.205855240", 10, "0eab08882ce61fb0"},
    {"a random short one", "243064.9768", 5, "0a05a8c7b890"},
    {"a random short one", "930725.67", 4, "0a022ac1777c"},
    {"a random short one", "315718073.00329739", 11, "1201b62597770d3d12f8"},
    {"a random short one", "116.13142153", 11, "0c0a8fe5367728"},
    {"a random short one", "-86710567.800", 3, "0aebcfa5bc88"},
    {"a random short one", "285354980", 3, "0a42707b72a0"},
    {"a random short one", "-890223.41365", 8, "0caf08def742f8"},
    {"a random short one", "823898208.83505", 5, "0c4aeee001c231"},
    {"a random short one", "-19533484519.32", 3, "0cee3c01981068"},
    {"a random short one", "9280571626.84", 3, "0c0870cd2cd558"},
};

static const struct {
    const char *behaviour, *text;
    int scale;
} refused_decimals[] = {
    {"nothing",                              "",          2},
    {"a sign alone",                         "-",         2},
    {"a point alone",                        ".",         2},
    {"a plus sign",                          "+1",        2},
    {"not a number",                         "NaN",       2},
    {"infinity",                             "Infinity",  2},
    {"minus infinity",                       "-Infinity", 2},
    {"an exponent",                          "1E2",       2},
    {"a blank in front",                     " 1",        2},
    {"a blank behind",                       "1 ",        2},
    {"two points",                           "1.2.3",     2},
    {"a digit beyond the scale",             "1.234",     2},
    {"one far beyond the scale",             "0.0000001", 2},
    {"one dropped by a negative scale",      "1250",      -2},
    {"all dropped by a negative scale",      "7",         -30},
    {"a letter in the middle",               "1x2",       0},
};

/* scale and unscaled value as java.math.BigDecimal reads the text. */
static const struct {
    const char *behaviour, *text, *hex;
} variable_decimals[] = {
    {"an integer has scale 0",                    "12",       "00" "02" "0c"},
    {"zeros of the fraction count",               "1.50",     "04" "04" "0096"},
    {"a positive exponent makes it negative",     "1.5E+10",  "11" "02" "0f"},
    {"an exponent without a sign",                "15e3",     "05" "02" "0f"},
    {"a negative exponent adds to it",            "-1.5e-10", "16" "02" "f1"},
    {"zero",                                      "0.000",    "06" "02" "00"},
    {"Decimal128's smallest exponent",            "1E-6176",  "c060" "02" "01"},
    {"Decimal128's largest exponent",             "1E+6111",  "bd5f" "02" "01"},
    {"more digits than a word has",               "18446744073709551616.0", "02" "12" "0a" "0000000000000000"},
};
// clang-format on

static const char *const refused_variable_decimals[] = {"",   "-",     "NaN",   "Infinity",      "1E",   "1E+",
                                                        "E5", "1E5.5", "1e1e1", "1E99999999999", "1 E5", "0x1"};

static void a_decimal_is_the_shortest_twos_complement(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(decimals); i++) {
        SCOPED(buf_done) struct buf out = buf_new(4096);
        char hex[2048];
        CHECK_EQ(true, avro_put_decimal(&out, slice_of_str(decimals[i].text), decimals[i].scale),
                 decimals[i].behaviour);
        hex_of(&out, hex, sizeof(hex));
        CHECK_STR(decimals[i].hex, hex, decimals[i].behaviour);
    }
}

static void a_text_that_is_no_decimal_is_refused_and_nothing_is_put(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused_decimals); i++) {
        SCOPED(buf_done) struct buf out = buf_new(4096);
        CHECK_EQ(false, avro_put_decimal(&out, slice_of_str(refused_decimals[i].text), refused_decimals[i].scale),
                 refused_decimals[i].behaviour);
        CHECK_EQ(0, out.len, refused_decimals[i].behaviour);
    }
    for (size_t i = 0; i < ARRAY_LEN(refused_variable_decimals); i++) {
        SCOPED(buf_done) struct buf out = buf_new(4096);
        CHECK_EQ(false, avro_put_variable_decimal(&out, slice_of_str(refused_variable_decimals[i])),
                 refused_variable_decimals[i]);
        CHECK_EQ(0, out.len, refused_variable_decimals[i]);
    }
}

static void a_variable_decimal_carries_its_own_scale(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(variable_decimals); i++) {
        SCOPED(buf_done) struct buf out = buf_new(4096);
        char hex[256];
        CHECK_EQ(true, avro_put_variable_decimal(&out, slice_of_str(variable_decimals[i].text)),
                 variable_decimals[i].behaviour);
        hex_of(&out, hex, sizeof(hex));
        CHECK_STR(variable_decimals[i].hex, hex, variable_decimals[i].behaviour);
    }
}

static const uint64_t PRIME = (UINT64_C(1) << 61) - 1;

static uint64_t next_mod(uint64_t value, uint64_t base, uint64_t digit)
{
    return (uint64_t)(((unsigned __int128)value * base + digit) % PRIME);
}

/* Too long for a table: the value is compared modulo a prime. */
static void the_longest_numeric_of_postgresql_is_right(void **state)
{
    (void)state;
    enum { WHOLE = 131072, FRACTION = 16383 };
    char *text = malloc(WHOLE + 1 + FRACTION);
    assert_non_null(text);
    uint64_t want = 0, seed = 7;
    for (size_t i = 0; i < WHOLE + 1 + FRACTION; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        text[i] = i == WHOLE ? '.' : i == 0 ? '9' : (char)('0' + (seed >> 33) % 10);
        if (i != WHOLE)
            want = next_mod(want, 10, (uint64_t)(text[i] - '0'));
    }
    SCOPED(buf_done) struct buf out = buf_new(1 << 20);
    assert_true(avro_put_decimal(&out, slice_of(text, WHOLE + 1 + FRACTION), FRACTION));
    free(text);
    uint64_t got = 0;
    size_t prefix = 3; /* a varint of 61 thousand */
    CHECK_EQ(61230, out.len - prefix, "bytes of a number of 147455 digits");
    for (size_t i = prefix; i < out.len; i++)
        got = next_mod(got, 256, out.ptr[i]);
    CHECK_EQ(want, got, "value modulo a prime");
}

static void a_number_longer_than_any_numeric_is_refused(void **state)
{
    (void)state;
    enum { DIGITS = 131072 + 16383 + 1 };
    char *text = malloc(DIGITS);
    assert_non_null(text);
    memset(text, '1', DIGITS);
    SCOPED(buf_done) struct buf out = buf_new(1 << 20);
    CHECK_EQ(false, avro_put_decimal(&out, slice_of(text, DIGITS), 0), "one digit more");
    CHECK_EQ(true, avro_put_decimal(&out, slice_of(text, DIGITS - 1), 0), "as many as there can be");
    free(text);
}

static void a_buffer_that_is_full_only_fails(void **state)
{
    (void)state;
    static const char *const texts[] = {"1.25", "-123456789012345678901234567890.55"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t room = 0; room < 2; room++) {
            uint8_t storage[2];
            struct buf out = buf_over(storage, room);
            CHECK_EQ(true, avro_put_decimal(&out, slice_of_str(texts[i]), 2), texts[i]);
            CHECK_EQ(true, out.failed, texts[i]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decimal_is_the_shortest_twos_complement),
        cmocka_unit_test(a_text_that_is_no_decimal_is_refused_and_nothing_is_put),
        cmocka_unit_test(a_variable_decimal_carries_its_own_scale),
        cmocka_unit_test(the_longest_numeric_of_postgresql_is_right),
        cmocka_unit_test(a_number_longer_than_any_numeric_is_refused),
        cmocka_unit_test(a_buffer_that_is_full_only_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
