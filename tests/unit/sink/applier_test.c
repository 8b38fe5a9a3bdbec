#include "test.h"

#include "sink/applier.h"

#include <dirent.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/health.h"
#include "base/stop.h"

/* The warehouse, scripted: what each call answers, then RC_OK. */
static struct {
    enum err_code answers[8];
    atomic_int calls;
    atomic_bool held; /* a call waits while this is set */
    int64_t from, next;
} script;

enum rc warehouse_apply(struct warehouse *warehouse, struct s3 *s3, const struct load *load, struct err *err)
{
    (void)warehouse, (void)s3;
    int call = atomic_fetch_add(&script.calls, 1);
    while (atomic_load(&script.held))
        stop_wait_ms(1);
    script.from = load->sources[0].ledger_from;
    script.next = load->sources[0].ledger_next;
    enum err_code code = call < 8 ? script.answers[call] : ERR_NONE;
    return code == ERR_NONE ? RC_OK : err_set(err, code, "scripted");
}

enum rc warehouse_ensure_table(struct warehouse *warehouse, struct target *target, struct err *err)
{
    (void)warehouse, (void)target, (void)err;
    return RC_OK;
}

static const char *names[] = {"core"};
static const struct config_sink config = {.name = "wh", .sources = {names, 1}, .memory_bytes = 1 << 24};

static struct applier *start(void)
{
    struct applier *applier = NULL;
    struct err err;
    const struct applier_context context = {.config = &config, .writer = "w"};
    const struct progress progress = {.source = "core", .ledger_next = 5};
    ASSERT_OK(applier_start(&context, &progress, &applier, &err), &err);
    return applier;
}

static struct sink_batch *batch_of(int64_t from, int64_t next)
{
    struct sink_batch *batch = sink_batch_new(&config, NULL, NULL, NULL);
    batch->sources[0].from = from;
    batch->sources[0].next = next;
    batch->sources[0].commit_time_us = 77;
    return batch;
}

static void await_end_of_job(struct applier *applier)
{
    struct err err;
    while (!applier_await_idle(applier, 1000) && applier_state(applier, &err) == RC_OK)
        ;
}

static void reset(void)
{
    memset(&script, 0, sizeof(script));
}

static void a_batch_is_applied_once(void **state)
{
    (void)state;
    reset();
    struct err err;
    struct applier *applier = start();
    struct sink_batch *batch = batch_of(5, 9);
    assert_true(applier_is_idle(applier));
    applier_take(applier, &batch);
    assert_null(batch);
    await_end_of_job(applier);
    ASSERT_OK(applier_state(applier, &err), &err);
    CHECK_EQ(1, script.calls, "calls");
    CHECK_EQ(5, script.from, "from");
    CHECK_EQ(9, script.next, "next");
    CHECK_EQ(77, applier_shown_us(applier, 0), "the commit that the warehouse shows");
    assert_true(applier_stop(applier, 1000));
}

static void a_batch_is_kept_until_the_warehouse_has_it(void **state)
{
    (void)state;
    reset();
    script.answers[0] = ERR_REDSHIFT_UNREACHABLE;
    script.answers[1] = ERR_REDSHIFT_TRANSIENT;
    struct err err;
    struct applier *applier = start();
    struct sink_batch *batch = batch_of(5, 9);
    applier_take(applier, &batch);
    await_end_of_job(applier);
    ASSERT_OK(applier_state(applier, &err), &err);
    CHECK_EQ(3, script.calls, "calls");
    CHECK_EQ(9, script.next, "the same batch");
    CHECK_EQ(HEALTH_RUNNING, health_get(), "nothing is waited for any more");
    assert_true(applier_stop(applier, 1000));
}

static void what_a_person_must_mend_ends_the_thread(void **state)
{
    (void)state;
    reset();
    script.answers[0] = ERR_SINK_FENCED;
    struct err err;
    struct applier *applier = start();
    struct sink_batch *batch = batch_of(5, 9);
    applier_take(applier, &batch);
    await_end_of_job(applier);
    CHECK_EQ(RC_FATAL, applier_state(applier, &err), "state");
    CHECK_EQ(ERR_SINK_FENCED, err.code, "why");
    assert_false(applier_is_idle(applier));
    CHECK_EQ(1, script.calls, "not tried again");
    assert_true(applier_stop(applier, 1000));
}

static void one_batch_at_a_time(void **state)
{
    (void)state;
    reset();
    atomic_store(&script.held, true);
    struct applier *applier = start();
    struct sink_batch *batch = batch_of(5, 9);
    applier_take(applier, &batch);
    assert_false(applier_is_idle(applier));
    assert_false(applier_await_idle(applier, 20));
    atomic_store(&script.held, false);
    await_end_of_job(applier);
    assert_true(applier_is_idle(applier));
    assert_true(applier_stop(applier, 1000));
}

static void an_end_interrupts_the_back_off(void **state)
{
    (void)state;
    reset();
    for (size_t i = 0; i < ARRAY_LEN(script.answers); i++)
        script.answers[i] = ERR_REDSHIFT_UNREACHABLE;
    struct applier *applier = start();
    struct sink_batch *batch = batch_of(5, 9);
    applier_take(applier, &batch);
    while (atomic_load(&script.calls) < 3)
        stop_wait_ms(1);
    int64_t start_ms = clock_mono_ms();
    assert_true(applier_stop(applier, 10000));
    assert_true(clock_mono_ms() - start_ms < 5000);
}

static int threads_now(void)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks))
        n += task->d_name[0] != '.';
    closedir(tasks);
    return n;
}

static void an_end_waits_for_what_is_under_way(void **state)
{
    (void)state;
    int before = threads_now();
    reset();
    atomic_store(&script.held, true);
    struct applier *applier = start();
    struct sink_batch *batch = batch_of(5, 9);
    applier_take(applier, &batch);
    while (atomic_load(&script.calls) < 1)
        stop_wait_ms(1);
    /* Whoever gives up waiting leaves the thread what it was given; it then ends by itself and leaves nothing. */
    assert_false(applier_stop(applier, 30));
    atomic_store(&script.held, false);
    while (threads_now() > before)
        stop_wait_ms(1);
}

int main(void)
{
    stop_init();
    health_init("test");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_applied_once),
        cmocka_unit_test(a_batch_is_kept_until_the_warehouse_has_it),
        cmocka_unit_test(what_a_person_must_mend_ends_the_thread),
        cmocka_unit_test(one_batch_at_a_time),
        cmocka_unit_test(an_end_interrupts_the_back_off),
        cmocka_unit_test(an_end_waits_for_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
