#include "test.h"

#include "base/reader.h"

static void fields_are_read_in_order(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0ftext\0xyz";
    struct reader r = reader_of(slice_of(bytes, sizeof(bytes) - 1));
    struct err err = {0};
    assert_int_equal(0x01, reader_u8(&r));
    assert_int_equal(0x0203, reader_u16(&r));
    assert_int_equal(0x04050607, reader_u32(&r));
    assert_true(reader_u64(&r) == 0x08090a0b0c0d0e0f);
    assert_true(slice_eq_str(reader_cstr(&r), "text"));
    assert_int_equal(3, reader_left(&r));
    assert_true(slice_eq_str(reader_bytes(&r, 3), "xyz"));
    assert_false(reader_failed(&r));
    ASSERT_OK(reader_end(&r, ERR_MALFORMED, &err), &err);
}

static void after_a_short_read_everything_is_zero(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        size_t len;
        int which;
    } cases[] = {
        {"u8 of nothing", 0, 0},   {"u16 of one", 1, 1},          {"u32 of three", 3, 2},
        {"u64 of seven", 7, 3},    {"four bytes of three", 3, 4}, {"text without an end", 3, 5},
        {"text of nothing", 0, 5}, {"a length that wraps", 3, 6},
    };
    static const uint8_t bytes[] = "\x11\x22\x33\x44\x55\x66\x77";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reader r = reader_of(slice_of(bytes, cases[i].len));
        struct err err = {0};
        uint64_t got = 0;
        switch (cases[i].which) {
        case 0: got = reader_u8(&r); break;
        case 1: got = reader_u16(&r); break;
        case 2: got = reader_u32(&r); break;
        case 3: got = reader_u64(&r) & UINT32_MAX; break; /* its first half was there */
        case 4: got = reader_bytes(&r, 4).len; break;
        case 5: got = reader_cstr(&r).len; break;
        default: got = reader_bytes(&r, SIZE_MAX).len; break;
        }
        CHECK_EQ(0, got, cases[i].behaviour);
        CHECK_EQ(true, reader_failed(&r), cases[i].behaviour);
        CHECK_EQ(0, reader_left(&r), cases[i].behaviour);
        CHECK_EQ(0, reader_u8(&r), "it stays so");
        CHECK_EQ(RC_FATAL, reader_end(&r, ERR_PGOUTPUT_MALFORMED, &err), cases[i].behaviour);
        CHECK_EQ(ERR_PGOUTPUT_MALFORMED, err.code, cases[i].behaviour);
        CHECK_STR("the message ends too early", err.msg, cases[i].behaviour);
    }
}

static void bytes_left_over_are_an_error(void **state)
{
    (void)state;
    struct reader r = reader_of(slice_of("abc", 3));
    struct err err = {0};
    (void)reader_u8(&r);
    assert_int_equal(RC_FATAL, reader_end(&r, ERR_MALFORMED, &err));
    assert_string_equal("the message has 2 bytes too many", err.msg);
}

static void nothing_is_read_from_nothing(void **state)
{
    (void)state;
    struct reader r = reader_of((struct slice){0});
    struct err err = {0};
    ASSERT_OK(reader_end(&r, ERR_MALFORMED, &err), &err);
    assert_int_equal(0, reader_left(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_in_order),
        cmocka_unit_test(after_a_short_read_everything_is_zero),
        cmocka_unit_test(bytes_left_over_are_an_error),
        cmocka_unit_test(nothing_is_read_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
