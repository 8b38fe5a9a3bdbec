#include "test.h"

#include "base/retry.h"

static void waits_grow_to_their_limit_and_start_again_after_a_reset(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        unsigned attempts;
        int64_t first_ms, max_ms, want_whole_ms;
    } cases[] = {
        {"the first", 0, 100, 20000, 100},
        {"the second is twice that", 1, 100, 20000, 200},
        {"the eighth", 7, 100, 20000, 12800},
        {"the ninth meets the limit", 8, 100, 20000, 20000},
        {"the limit stays", 1000, 100, 20000, 20000},
        {"a first wait above the limit", 0, 500, 200, 200},
        {"a millisecond", 0, 1, 1, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int draw = 0; draw < 200; draw++) {
            struct retry retry = retry_of(cases[i].first_ms, cases[i].max_ms);
            retry.attempts = cases[i].attempts;
            int64_t ms = retry_next_ms(&retry);
            if (ms < cases[i].want_whole_ms / 2 || ms > cases[i].want_whole_ms)
                fail_msg("%s: %lld ms", cases[i].behaviour, (long long)ms);
            CHECK_EQ(cases[i].attempts + 1, retry.attempts, cases[i].behaviour);
            retry_reset(&retry);
            CHECK_EQ(0, retry.attempts, "after a reset");
        }
    }
}

static void waits_differ(void **state)
{
    (void)state;
    int64_t least = INT64_MAX, most = 0;
    for (int draw = 0; draw < 500; draw++) {
        struct retry retry = retry_of(10000, 10000);
        int64_t ms = retry_next_ms(&retry);
        least = MIN(least, ms);
        most = MAX(most, ms);
    }
    assert_true(least < 6000 && most > 9000); /* by chance not so: once in 10^47 runs */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_grow_to_their_limit_and_start_again_after_a_reset),
        cmocka_unit_test(waits_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
