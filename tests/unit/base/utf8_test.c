#include "test.h"

#include "base/utf8.h"

static void sequences_are_measured(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *bytes;
        size_t left, want;
    } cases[] = {
        {"nothing", "", 0, 0},
        {"a zero byte is a character", "\0", 1, 1},
        {"the last of one byte", "\x7f", 1, 1},
        {"a tail alone", "\x80", 1, 0},
        {"overlong in two", "\xc1\xbf", 2, 0},
        {"the first of two", "\xc2\x80", 2, 2},
        {"the last of two", "\xdf\xbf", 2, 2},
        {"two, cut", "\xc3", 1, 0},
        {"two, with another lead", "\xc3\xc3", 2, 0},
        {"overlong in three", "\xe0\x9f\xbf", 3, 0},
        {"the first of three", "\xe0\xa0\x80", 3, 3},
        {"the last before the surrogates", "\xed\x9f\xbf", 3, 3},
        {"the first surrogate", "\xed\xa0\x80", 3, 0},
        {"the last surrogate", "\xed\xbf\xbf", 3, 0},
        {"the first after the surrogates", "\xee\x80\x80", 3, 3},
        {"the last of three", "\xef\xbf\xbf", 3, 3},
        {"three, cut", "\xe6\x97", 2, 0},
        {"three, with an ASCII tail", "\xe6\x97z", 3, 0},
        {"overlong in four", "\xf0\x8f\xbf\xbf", 4, 0},
        {"the first of four", "\xf0\x90\x80\x80", 4, 4},
        {"the last there is", "\xf4\x8f\xbf\xbf", 4, 4},
        {"beyond the last", "\xf4\x90\x80\x80", 4, 0},
        {"four, cut", "\xf0\x9f\x98", 3, 0},
        {"a lead that does not exist", "\xf5\x80\x80\x80", 4, 0},
        {"a byte that never is", "\xff", 1, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_EQ(cases[i].want, utf8_sequence_len((const uint8_t *)cases[i].bytes, cases[i].left), cases[i].behaviour);
}

static void text_is_valid_only_as_a_whole(void **state)
{
    (void)state;
    /* A bad byte at every place around the eight bytes that are looked at in one go. */
    for (size_t at = 0; at < 40; at++) {
        uint8_t text[40];
        memset(text, 'a', sizeof(text));
        assert_true(utf8_is_valid(slice_of(text, sizeof(text))));
        text[at] = 0xff;
        assert_false(utf8_is_valid(slice_of(text, sizeof(text))));
        text[at] = 0xc3;
        if (at + 1 < sizeof(text))
            text[at + 1] = 0xa9;
        assert_int_equal(at + 1 < sizeof(text), utf8_is_valid(slice_of(text, sizeof(text))));
    }
    assert_true(utf8_is_valid((struct slice){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_are_measured),
        cmocka_unit_test(text_is_valid_only_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
