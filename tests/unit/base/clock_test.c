#include "test.h"

#include "base/clock.h"

static void instants_have_their_text(void **state)
{
    (void)state;
    static const struct {
        int64_t wall_us;
        const char *want;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {1440938160000000, "2015-08-30T12:36:00.000000Z"},
        {1440938160123456, "2015-08-30T12:36:00.123456Z"},
        {951782400000001, "2000-02-29T00:00:00.000001Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {-1000000, "1969-12-31T23:59:59.000000Z"},
        {253402300799999999, "9999-12-31T23:59:59.999999Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[32];
        clock_format_utc(cases[i].wall_us, text);
        CHECK_STR(cases[i].want, text, cases[i].want);
    }
}

static void clocks_go_forward_and_agree(void **state)
{
    (void)state;
    int64_t us = clock_mono_us(), ms = clock_mono_ms();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_mono_us();
        assert_true(now >= us);
        us = now;
    }
    assert_true(clock_mono_ms() >= ms);
    assert_true(clock_wall_us() / US_PER_MS <= clock_wall_ms());
    assert_true(clock_wall_ms() > 1700000000000); /* after 2023: the unit is right */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_have_their_text),
        cmocka_unit_test(clocks_go_forward_and_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
