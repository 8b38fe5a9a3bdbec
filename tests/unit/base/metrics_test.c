#include "test.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/metrics.h"

enum { PAGE_BYTES = 1 << 20 };

static struct buf rendered(void)
{
    struct buf page = buf_new(PAGE_BYTES);
    metrics_render(&page);
    buf_cstr(&page);
    assert_false(page.failed);
    return page;
}

static void assert_shown(const char *line, const char *behaviour)
{
    SCOPED(buf_done) struct buf page = rendered();
    if (strstr((const char *)page.ptr, line) == NULL)
        fail_msg("%s: the page lacks\n%s\nand is\n%s", behaviour, line, (const char *)page.ptr);
}

static void each_kind_is_shown_as_prometheus_reads_it(void **state)
{
    (void)state;
    metric_add(METRIC_capture_events_total, 3, "bank.public.t", NULL);
    metric_add(METRIC_capture_events_total, 4, "bank.public.t", NULL);
    metric_set(METRIC_worker_state, 1, "capture core", "running");
    metric_set(METRIC_capture_position, 18446744073709.0, "core", NULL);
    metric_set(METRIC_sink_lag_seconds, 0.25, "core", NULL);
    metric_set(METRIC_sink_lag_seconds, INFINITY, "docs", NULL);
    metric_add(METRIC_sink_rejects_total, 1, "a\\b\"c\nd", "\xff");
    metric_observe(METRIC_sink_apply_seconds, 0.01, "w", NULL);
    metric_observe(METRIC_sink_apply_seconds, 3, "w", NULL);
    metric_observe(METRIC_sink_apply_seconds, 4000, "w", NULL);

    static const struct {
        const char *behaviour, *line;
    } cases[] = {
        {"a counter adds up", "\nleat_capture_events_total{topic=\"bank.public.t\"} 7\n"},
        {"a metric has its help", "\n# HELP leat_capture_events_total events committed to Kafka\n"},
        {"a metric has its type", "\n# TYPE leat_capture_events_total counter\n"},
        {"two labels are in their order", "\nleat_worker_state{worker=\"capture core\",state=\"running\"} 1\n"},
        {"a large number keeps its digits", "\nleat_capture_position{source=\"core\"} 18446744073709\n"},
        {"a fraction stays one", "\nleat_sink_lag_seconds{source=\"core\"} 0.25\n"},
        {"infinity has Prometheus's spelling", "\nleat_sink_lag_seconds{source=\"docs\"} +Inf\n"},
        {"label values are escaped",
         "\nleat_sink_rejects_total{table=\"a\\\\b\\\"c\\nd\",reason=\"\xef\xbf\xbd\"} 1\n"},
        {"a bucket's bound belongs to it", "\nleat_sink_apply_seconds_bucket{sink=\"w\",le=\"0.01\"} 1\n"},
        {"buckets are cumulative", "\nleat_sink_apply_seconds_bucket{sink=\"w\",le=\"600\"} 2\n"},
        {"the last bucket has everything", "\nleat_sink_apply_seconds_bucket{sink=\"w\",le=\"+Inf\"} 3\n"},
        {"a histogram has its sum", "\nleat_sink_apply_seconds_sum{sink=\"w\"} 4003.01\n"},
        {"a histogram has its count", "\nleat_sink_apply_seconds_count{sink=\"w\"} 3\n"},
        {"what has no label is there from the start", "\nleat_resident_bytes "},
        {"the version is a label", "leat_build_info{version=\"" LEAT_VERSION "\"} 1\n"},
        {"a labelled metric that was never touched has its help only",
         "\n# TYPE leat_sink_batches_total counter\n# HELP "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_shown(cases[i].line, cases[i].behaviour);
}

static void a_value_reads_back_and_is_zero_before(void **state)
{
    (void)state;
    assert_true(metric_get(METRIC_sink_batches_total, "warehouse", NULL) == 0);
    metric_add(METRIC_sink_batches_total, 2, "warehouse", NULL);
    assert_true(metric_get(METRIC_sink_batches_total, "warehouse", NULL) == 2);
    assert_true(metric_get(METRIC_sink_batches_total, "other", NULL) == 0);
    metric_set(METRIC_sink_ledger_end, 9, "core", NULL);
    metric_set(METRIC_sink_ledger_end, 5, "core", NULL);
    assert_true(metric_get(METRIC_sink_ledger_end, "core", NULL) == 5);
}

static void *add_many(void *name)
{
    for (int i = 0; i < 2000; i++) {
        char topic[32];
        snprintf(topic, sizeof(topic), "t%d", i % 50);
        metric_add(METRIC_capture_events_total, 1, topic, NULL);
        metric_add(METRIC_errors_total, 1, name, NULL);
    }
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    (void)state;
    static char code[] = "THREADS";
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(0, pthread_create(&threads[i], NULL, add_many, code));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    assert_true(metric_get(METRIC_errors_total, code, NULL) == 8000);
    assert_true(metric_get(METRIC_capture_events_total, "t49", NULL) == 160);
}

static void resident_memory_is_measured(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf page = rendered();
    assert_true(metric_get(METRIC_resident_bytes, NULL, NULL) > 100000);
}

/* promtool's lint is what people's own tools say to the page; it reads it from stdin and prints complaints.
 */
static void promtool_has_no_complaint(void **state)
{
    (void)state;
    if (system("command -v promtool >/dev/null 2>&1") != 0) {
        print_message("promtool is not installed: deploy/local/install brings it\n");
        return;
    }
    SCOPED(buf_done) struct buf page = rendered();
    char path[] = "/tmp/leat-metrics-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal((ssize_t)page.len, write(fd, page.ptr, page.len));
    close(fd);
    char command[128], said[512] = "";
    snprintf(command, sizeof(command), "promtool check metrics <%s 2>&1", path);
    FILE *answer = popen(command, "r");
    assert_non_null(answer);
    size_t len = fread(said, 1, sizeof(said) - 1, answer);
    said[len] = '\0';
    int status = pclose(answer);
    unlink(path);
    if (status != 0 || len > 0)
        fail_msg("promtool: status %d: %s", status, said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_shown_as_prometheus_reads_it),
        cmocka_unit_test(a_value_reads_back_and_is_zero_before),
        cmocka_unit_test(threads_lose_nothing),
        cmocka_unit_test(resident_memory_is_measured),
        cmocka_unit_test(promtool_has_no_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
