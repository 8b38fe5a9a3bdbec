#include "test.h"

#include <stdlib.h>

#include "base/health.h"
#include "base/log.h"
#include "base/metrics.h"
#include "capture_stderr.h"

enum { LONG_MS = 1000000 };

static void a_change_is_logged_once_with_from_to_and_why(void **state)
{
    (void)state;
    health_init("capture core");
    char said[4096];
    struct capture_stderr capture = capture_stderr_begin();
    health_set(HEALTH_RUNNING, "caught up");
    health_set(HEALTH_RUNNING, "still there");
    health_set(HEALTH_WAITING, "could not reach \"broker\"");
    capture_stderr_end(&capture, said, sizeof(said));
    assert_non_null(strstr(said,
                           "\"level\":\"info\",\"event\":\"worker_state\",\"from\":\"starting\",\"to\":\"running\","
                           "\"why\":\"caught up\"}"));
    assert_non_null(strstr(said,
                           "\"level\":\"warn\",\"event\":\"worker_state\",\"from\":\"running\",\"to\":\"waiting\","
                           "\"why\":\"could not reach \\\"broker\\\"\"}"));
    assert_null(strstr(said, "still there"));
}

static void the_gauge_shows_the_one_state(void **state)
{
    (void)state;
    health_init("sink w");
    for (int i = HEALTH_STARTING; i <= HEALTH_STOPPED; i++) {
        health_set((enum health_state)i, "next");
        for (int other = HEALTH_STARTING; other <= HEALTH_STOPPED; other++)
            CHECK_EQ(other == i, metric_get(METRIC_worker_state, "sink w", health_state_name((enum health_state)other)),
                     health_state_name((enum health_state)i));
    }
}

static void only_stopped_follows_draining_and_nothing_follows_stopped(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        enum health_state from, to, want;
    } cases[] = {
        {"a start may wait", HEALTH_STARTING, HEALTH_WAITING, HEALTH_WAITING},
        {"a wait may end", HEALTH_WAITING, HEALTH_RUNNING, HEALTH_RUNNING},
        {"a snapshot ends in running", HEALTH_SNAPSHOT, HEALTH_RUNNING, HEALTH_RUNNING},
        {"a table added later is copied", HEALTH_RUNNING, HEALTH_SNAPSHOT, HEALTH_SNAPSHOT},
        {"draining is not undone by a success", HEALTH_DRAINING, HEALTH_RUNNING, HEALTH_DRAINING},
        {"draining is not undone by a failure", HEALTH_DRAINING, HEALTH_WAITING, HEALTH_DRAINING},
        {"draining may end in an error", HEALTH_DRAINING, HEALTH_STOPPED, HEALTH_STOPPED},
        {"stopped stays", HEALTH_STOPPED, HEALTH_RUNNING, HEALTH_STOPPED},
        {"stopped is not drained", HEALTH_STOPPED, HEALTH_DRAINING, HEALTH_STOPPED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        health_init("w");
        health_set(cases[i].from, "");
        health_set(cases[i].to, "");
        CHECK_EQ(cases[i].want, health_get(), cases[i].behaviour);
    }
}

static void ready_means_moving_rows_and_touched(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        enum health_state is;
        const char *why;
        bool touched;
        int64_t max_age_ms;
        bool want;
        const char *want_why;
    } cases[] = {
        {"starting is not ready", HEALTH_STARTING, "", true, LONG_MS, false, "starting"},
        {"running and touched is ready", HEALTH_RUNNING, "ok", true, LONG_MS, true, "running"},
        {"a snapshot is ready", HEALTH_SNAPSHOT, "ok", true, LONG_MS, true, "snapshot"},
        {"running is not enough", HEALTH_RUNNING, "", false, LONG_MS, false,
         "running, but nothing has reached the target yet"},
        {"an old touch is not enough", HEALTH_RUNNING, "", true, -1, false,
         "running, but the target was last reached 0 s ago"},
        {"waiting gives its reason", HEALTH_WAITING, "no broker", true, LONG_MS, false, "waiting: no broker"},
        {"draining takes no more", HEALTH_DRAINING, "stop asked for", true, LONG_MS, false, "draining: stop asked for"},
        {"stopped gives its reason", HEALTH_STOPPED, "slot missing", true, LONG_MS, false, "stopped: slot missing"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char why[256];
        health_init("w");
        health_set(cases[i].is, cases[i].why);
        if (cases[i].touched)
            health_touch();
        CHECK_EQ(cases[i].want, health_is_ready(cases[i].max_age_ms, why, sizeof(why)), cases[i].behaviour);
        CHECK_STR(cases[i].want_why, why, cases[i].behaviour);
    }
}

static void a_report_has_the_newest_reason(void **state)
{
    (void)state;
    struct health_report report;
    health_init("capture core");
    health_set(HEALTH_WAITING, "one is away");
    health_set(HEALTH_WAITING, "another is away");
    health_report(&report);
    assert_string_equal("capture core", report.worker);
    assert_string_equal("another is away", report.why);
    assert_int_equal(HEALTH_WAITING, report.state);
    assert_int_equal(-1, report.touch_age_ms);
}

static int quiet(void **state)
{
    (void)state;
    log_init(LOG_LEVEL_INFO, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_logged_once_with_from_to_and_why),
        cmocka_unit_test(the_gauge_shows_the_one_state),
        cmocka_unit_test(only_stopped_follows_draining_and_nothing_follows_stopped),
        cmocka_unit_test(ready_means_moving_rows_and_touched),
        cmocka_unit_test(a_report_has_the_newest_reason),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
