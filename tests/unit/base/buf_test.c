#include "test.h"

#include "base/buf.h"

static void bytes_are_put_one_after_the_other(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf buf = buf_new(64);
    buf_put_u8(&buf, 1);
    buf_put_u32(&buf, 0x02030405);
    buf_put_u64(&buf, 0x060708090a0b0c0d);
    buf_put(&buf, "xy", 2);
    buf_put_str(&buf, "z");
    buf_put_slice(&buf, slice_of_str("!"));
    buf_put_slice(&buf, (struct slice){0});
    assert_int_equal(17, buf.len);
    assert_memory_equal("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0dxyz!", buf.ptr, 17);
    assert_false(buf.failed);
}

enum { LIMIT = 512 };

static void the_first_put_that_does_not_fit_is_the_last(void **state)
{
    (void)state;
    static uint8_t storage[LIMIT];
    static const struct {
        const char *behaviour;
        bool is_heap;
        size_t first, second;
        bool want_failed;
    } cases[] = {
        {"a heap buffer takes its largest size", true, LIMIT, 0, false},
        {"a heap buffer takes no more", true, LIMIT, 1, true},
        {"a fixed buffer takes its storage", false, LIMIT, 0, false},
        {"a fixed buffer takes no more", false, LIMIT, 1, true},
        {"a put that is too large leaves nothing", true, 0, LIMIT + 1, true},
        {"a size that overflows is refused", true, 4, SIZE_MAX, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        static const uint8_t bytes[LIMIT];
        SCOPED(buf_done) struct buf buf = cases[i].is_heap ? buf_new(LIMIT) : buf_over(storage, sizeof(storage));
        buf_put(&buf, bytes, cases[i].first);
        if (cases[i].second > 0 && buf_reserve(&buf, cases[i].second) != NULL)
            buf.len += cases[i].second;
        CHECK_EQ(cases[i].want_failed, buf.failed, cases[i].behaviour);
        CHECK_EQ(cases[i].first, buf.len, cases[i].behaviour);
        if (cases[i].want_failed)
            buf_put_u8(&buf, 'x');
        CHECK_EQ(cases[i].first, buf.len, "later puts do nothing");
        CHECK_EQ(cases[i].want_failed, buf_reserve(&buf, 0) == NULL, "a failed buffer gives no room at all");
        buf_clear(&buf);
        buf_put_u8(&buf, 'x');
        CHECK_EQ(1, buf.len, "a cleared buffer starts again");
    }
}

static void a_heap_buffer_keeps_its_bytes_as_it_grows(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf buf = buf_new(100000);
    for (uint32_t i = 0; i < 25000; i++)
        buf_put_u32(&buf, i);
    assert_int_equal(100000, buf.len);
    for (uint32_t i = 0; i < 25000; i++)
        assert_int_equal(i, (uint32_t)buf.ptr[4 * i] << 24 | (uint32_t)buf.ptr[4 * i + 1] << 16 |
                                (uint32_t)buf.ptr[4 * i + 2] << 8 | buf.ptr[4 * i + 3]);
}

static void text_is_formatted_whole_or_not_at_all(void **state)
{
    (void)state;
    char storage[8];
    struct buf buf = buf_over(storage, sizeof(storage));
    buf_printf(&buf, "%d-%s", 42, "abc"); /* with the zero that printf writes: 7 bytes */
    assert_int_equal(6, buf.len);
    buf_printf(&buf, "%s", "de");
    assert_true(buf.failed);
    assert_int_equal(6, buf.len);
    assert_memory_equal("42-abc", storage, 6);
}

static void a_c_string_ends_without_being_longer(void **state)
{
    (void)state;
    char storage[4];
    struct buf buf = buf_over(storage, sizeof(storage));
    assert_string_equal("", buf_cstr(&buf));
    buf_put_str(&buf, "abc");
    assert_string_equal("abc", buf_cstr(&buf));
    assert_int_equal(3, buf.len);
    buf_put_u8(&buf, 'd');
    assert_string_equal("", buf_cstr(&buf)); /* no room for the zero */
    assert_true(buf.failed);
}

static void json_strings_are_valid_whatever_came(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *text, *want;
    } cases[] = {
        {"plain text", "abc", "\"abc\""},
        {"nothing", "", "\"\""},
        {"quotes and backslashes", "a\"b\\c", "\"a\\\"b\\\\c\""},
        {"line ends and tabs", "\r\n\t", "\"\\r\\n\\t\""},
        {"other control characters", "\x01\x1f", "\"\\u0001\\u001f\""},
        {"delete is printed", "\x7f", "\"\x7f\""},
        {"UTF-8 stays", "\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80", "\"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80\""},
        {"a byte that is no UTF-8 is replaced",
         "a\xff"
         "b",
         "\"a\xef\xbf\xbd"
         "b\""},
        {"a cut sequence is replaced byte by byte", "\xe6\x97", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"a surrogate is replaced", "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED(buf_done) struct buf buf = buf_new(256);
        buf_put_json_string(&buf, slice_of_str(cases[i].text));
        CHECK_STR(cases[i].want, buf_cstr(&buf), cases[i].behaviour);
    }
}

static void a_small_limit_is_held(void **state)
{
    (void)state;
    struct buf buf = buf_new(10);
    buf_put(&buf, "0123456789", 10);
    assert_false(buf.failed);
    assert_true(buf.cap <= 10);
    buf_put_u8(&buf, '!');
    assert_true(buf.failed);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_limit_is_held),
        cmocka_unit_test(bytes_are_put_one_after_the_other),
        cmocka_unit_test(the_first_put_that_does_not_fit_is_the_last),
        cmocka_unit_test(a_heap_buffer_keeps_its_bytes_as_it_grows),
        cmocka_unit_test(text_is_formatted_whole_or_not_at_all),
        cmocka_unit_test(a_c_string_ends_without_being_longer),
        cmocka_unit_test(json_strings_are_valid_whatever_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
