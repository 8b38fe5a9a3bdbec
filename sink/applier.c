#include "sink/applier.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "base/stop.h"
#include "sink/waits.h"

enum { STOP_LOOK_MS = 50, BATCH_ID_BYTES = 512, KEY_PREFIX_BYTES = 1024, FIRST_WAIT_MS = 200, MAX_WAIT_MS = 10000 };

enum job { JOB_NONE, JOB_APPLY, JOB_SHAPE, JOB_END };

struct applier {
    struct applier_context context;
    struct progress *progress; /* the applying thread's */
    size_t n_sources;

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Under the mutex: */
    enum job job; /* JOB_NONE: idle */
    struct sink_batch *batch;
    struct sink_batch_lack lack;
    enum rc failed; /* not RC_OK: the thread ended by this */
    struct err failure;
    bool ended;
    bool abandoned; /* nobody joins the thread: it frees this itself when it ends */
    int64_t *shown_us;
};

/* ---- one batch ---- */

/* <source>-<from>-<next> of each source that moved. */
static void batch_id(const struct load *load, char out[BATCH_ID_BYTES])
{
    struct buf buf = buf_over(out, BATCH_ID_BYTES - 1);
    for (size_t i = 0; i < load->n_sources; i++)
        buf_printf(&buf, "%s%s-%" PRId64 "-%" PRId64, i == 0 ? "" : "_", load->sources[i].source,
                   MAX(load->sources[i].ledger_from, (int64_t)0), load->sources[i].ledger_next);
    out[buf.len] = '\0';
}

struct attempt {
    struct applier *applier;
    struct sink_batch *batch;
    struct load load;
    char id[BATCH_ID_BYTES];
    bool uploaded;
};

/* The writer stands in the key: an older worker that is still alive cannot overwrite what this one is
 * loading. */
static enum rc upload(struct attempt *attempt, struct err *err)
{
    const struct applier_context *context = &attempt->applier->context;
    for (size_t i = 0; i < attempt->load.n_tables; i++) {
        struct load_table *table = &attempt->load.tables[i];
        char prefix[KEY_PREFIX_BYTES];
        const char *base = context->config->s3.prefix == NULL ? "" : context->config->s3.prefix;
        int n = snprintf(prefix, sizeof(prefix), "%s%s%s/%s/%s/%s", base, base[0] == '\0' ? "" : "/",
                         context->config->name, context->writer, attempt->id, table->target->table);
        if (n < 0 || (size_t)n >= sizeof(prefix))
            return err_set(err, ERR_CONFIG_VALUE, "the staging key of table \"%s\" is too long: shorten s3.prefix",
                           table->target->table);
        TRY(table_batch_upload(table->batch, context->s3, context->config->s3.bucket, prefix, table->manifest_key,
                               err));
    }
    return RC_OK;
}

static enum rc try_once(struct attempt *attempt, struct err *err)
{
    const struct applier_context *context = &attempt->applier->context;
    if (!attempt->uploaded)
        TRY(upload(attempt, err));
    attempt->uploaded = true;
    return warehouse_apply(context->warehouse, context->s3, &attempt->load, err);
}

/* Back-off; false: a stop came, or the reading thread wants the end. */
static bool wait_unless_ended(struct applier *applier, int64_t ms)
{
    for (int64_t end_ms = clock_mono_ms() + ms; clock_mono_ms() < end_ms;) {
        pthread_mutex_lock(&applier->mutex);
        bool ends = applier->job == JOB_END;
        pthread_mutex_unlock(&applier->mutex);
        if (ends || !stop_wait_ms(MIN(end_ms - clock_mono_ms(), (int64_t)STOP_LOOK_MS)))
            return false;
    }
    return true;
}

/* RC_AGAIN: a stop came while it waited. */
static enum rc try_until_done(struct attempt *attempt, struct err *err)
{
    struct applier *applier = attempt->applier;
    struct retry retry = retry_of(FIRST_WAIT_MS, MAX_WAIT_MS);
    enum rc rc;
    while ((rc = try_once(attempt, err)) == RC_RETRY) {
        int64_t wait_ms = retry_next_ms(&retry);
        log_warn("batch_retry", LOG_STR("batch", attempt->id), LOG_I64("attempt", retry.attempts),
                 LOG_I64("wait_ms", wait_ms), LOG_ERR(err));
        metric_add(METRIC_sink_retries_total, 1, applier->context.config->name, err_name(err->code));
        metric_add(METRIC_errors_total, 1, err_name(err->code), NULL);
        waits_begin(WAIT_WAREHOUSE, err->msg);
        if (!wait_unless_ended(applier, wait_ms))
            return RC_AGAIN;
    }
    waits_end(WAIT_WAREHOUSE);
    return rc;
}

static size_t source_index(const struct applier *applier, const char *name)
{
    size_t i = 0;
    while (strcmp(applier->progress[i].source, name) != 0)
        i++;
    return i;
}

static void note_progress(struct applier *applier, const struct attempt *attempt, int64_t now_us)
{
    for (size_t i = 0; i < attempt->load.n_sources; i++) {
        const struct load_source *source = &attempt->load.sources[i];
        size_t at = source_index(applier, source->source);
        struct progress *progress = &applier->progress[at];
        int64_t commit_us = attempt->batch->sources[at].commit_time_us;
        progress->ledger_next = source->ledger_next;
        if (position_compare(source->high, progress->high) > 0)
            progress->high = source->high;
        metric_set(METRIC_sink_ledger_offset, (double)source->ledger_next, source->source, NULL);
        if (commit_us == 0)
            continue;
        metric_set(METRIC_sink_lag_seconds, (double)(now_us - commit_us) / US_PER_S, source->source, NULL);
        metric_observe(METRIC_sink_commit_to_queryable_seconds, (double)(now_us - commit_us) / US_PER_S, source->source,
                       NULL);
        pthread_mutex_lock(&applier->mutex);
        applier->shown_us[at] = MAX(applier->shown_us[at], commit_us);
        pthread_mutex_unlock(&applier->mutex);
    }
}

static void note_tables(const struct attempt *attempt)
{
    for (size_t i = 0; i < attempt->load.n_tables; i++) {
        struct table_batch_stats stats;
        table_batch_stats(attempt->load.tables[i].batch, &stats);
        metric_add(METRIC_sink_events_total, (double)stats.events, attempt->load.tables[i].target->table, NULL);
    }
}

static void unstage(const struct attempt *attempt)
{
    const struct applier_context *context = &attempt->applier->context;
    for (size_t i = 0; i < attempt->load.n_tables && !context->config->s3.keep_staged; i++)
        table_batch_unstage(attempt->load.tables[i].batch, context->s3);
}

static enum rc apply(struct applier *applier, struct sink_batch *batch, struct err *err)
{
    struct attempt attempt = {.applier = applier, .batch = batch};
    int64_t start_us = clock_mono_us();
    sink_batch_load(batch, applier->progress, &attempt.load);
    attempt.load.rejects = applier->context.rejects;
    batch_id(&attempt.load, attempt.id);
    enum rc rc = try_until_done(&attempt, err);
    if (rc == RC_OK) {
        double seconds = (double)(clock_mono_us() - start_us) / US_PER_S;
        note_progress(applier, &attempt, clock_wall_us());
        note_tables(&attempt);
        metric_add(METRIC_sink_batches_total, 1, applier->context.config->name, NULL);
        metric_observe(METRIC_sink_apply_seconds, seconds, applier->context.config->name, NULL);
        health_touch();
        log_info("batch_applied", LOG_STR("batch", attempt.id), LOG_U64("events", batch->events),
                 LOG_U64("tables", attempt.load.n_tables), LOG_F64("seconds", seconds));
        unstage(&attempt);
    }
    sink_load_done(&attempt.load);
    return rc;
}

/* ---- one table ---- */

struct shaping {
    struct applier *applier;
    const struct sink_batch_lack *lack;
};

static enum rc shape_once(void *context, struct err *err)
{
    const struct shaping *shaping = context;
    const struct applier_context *applier = &shaping->applier->context;
    const struct sink_batch_lack *lack = shaping->lack;
    TRY(sink_table_shape(lack->table, applier->config->redshift.schema, lack->value, lack->key, err));
    return warehouse_ensure_table(applier->warehouse, lack->table->target, err);
}

static enum rc shape(struct applier *applier, const struct sink_batch_lack *lack, struct err *err)
{
    struct shaping shaping = {applier, lack};
    TRY(waits_retry(WAIT_WAREHOUSE, "table_retry", shape_once, &shaping, err));
    sink_table_set_fitting(lack->table, lack->value, lack->key);
    log_info("table_shaped", LOG_STR("table", lack->table->name), LOG_STR("topic", lack->table->topic),
             LOG_U64("columns", lack->table->target->n_columns), LOG_U64("schema_id", lack->value->id));
    return RC_OK;
}

/* ---- the thread ---- */

static enum rc work(struct applier *applier, enum job job, struct err *err)
{
    if (job == JOB_SHAPE)
        return shape(applier, &applier->lack, err);
    enum rc rc = apply(applier, applier->batch, err);
    sink_batch_free(applier->batch);
    applier->batch = NULL;
    return rc;
}

static void applier_free(struct applier *applier)
{
    sink_batch_free(applier->batch);
    pthread_mutex_destroy(&applier->mutex);
    pthread_cond_destroy(&applier->changed);
    free(applier->progress);
    free(applier->shown_us);
    free(applier);
}

static void *run(void *argument)
{
    struct applier *applier = argument;
    pthread_mutex_lock(&applier->mutex);
    while (applier->failed == RC_OK) {
        while (applier->job == JOB_NONE)
            pthread_cond_wait(&applier->changed, &applier->mutex);
        enum job job = applier->job;
        if (job == JOB_END)
            break;
        pthread_mutex_unlock(&applier->mutex);
        struct err err = {0};
        enum rc rc = work(applier, job, &err);
        pthread_mutex_lock(&applier->mutex);
        applier->failed = rc;
        applier->failure = err;
        if (applier->job == job)
            applier->job = JOB_NONE; /* not when the end was asked for meanwhile */
        pthread_cond_broadcast(&applier->changed);
    }
    applier->ended = true;
    bool abandoned = applier->abandoned;
    pthread_cond_broadcast(&applier->changed);
    pthread_mutex_unlock(&applier->mutex);
    if (abandoned)
        applier_free(applier);
    return NULL;
}

enum rc applier_start(const struct applier_context *context, const struct progress *progress,
                      struct applier **ret_applier, struct err *err)
{
    size_t n = context->config->sources.n;
    struct applier *applier = calloc(1, sizeof(*applier));
    if (applier == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not start the applying thread");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&applier->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&applier->mutex, NULL);
    applier->context = *context;
    applier->n_sources = n;
    applier->progress = calloc(MAX(n, (size_t)1), sizeof(struct progress));
    applier->shown_us = calloc(MAX(n, (size_t)1), sizeof(int64_t));
    if (applier->progress != NULL && n > 0)
        memcpy(applier->progress, progress, n * sizeof(struct progress));
    if (applier->progress == NULL || applier->shown_us == NULL ||
        pthread_create(&applier->thread, NULL, run, applier) != 0) {
        applier_free(applier);
        return err_set(err, ERR_NO_MEMORY, "could not start the applying thread");
    }
    *ret_applier = applier;
    return RC_OK;
}

/* With the mutex held; false when the time ran out. */
static bool await_change(struct applier *applier, int64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_ms % MS_PER_S * 1000000;
    until.tv_sec += timeout_ms / MS_PER_S + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return pthread_cond_timedwait(&applier->changed, &applier->mutex, &until) == 0;
}

bool applier_await_idle(struct applier *applier, int timeout_ms)
{
    pthread_mutex_lock(&applier->mutex);
    if (applier->job != JOB_NONE && !applier->ended && timeout_ms > 0)
        await_change(applier, timeout_ms);
    bool idle = applier->job == JOB_NONE && !applier->ended;
    pthread_mutex_unlock(&applier->mutex);
    return idle;
}

bool applier_is_idle(struct applier *applier)
{
    return applier_await_idle(applier, 0);
}

enum rc applier_state(struct applier *applier, struct err *err)
{
    pthread_mutex_lock(&applier->mutex);
    enum rc rc = applier->failed;
    if (rc != RC_OK)
        *err = applier->failure;
    pthread_mutex_unlock(&applier->mutex);
    return rc;
}

void applier_take(struct applier *applier, struct sink_batch **batch)
{
    pthread_mutex_lock(&applier->mutex);
    applier->batch = *batch;
    *batch = NULL;
    applier->job = JOB_APPLY;
    pthread_cond_broadcast(&applier->changed);
    pthread_mutex_unlock(&applier->mutex);
}

enum rc applier_shape(struct applier *applier, const struct sink_batch_lack *lack, struct err *err)
{
    pthread_mutex_lock(&applier->mutex);
    while (applier->job != JOB_NONE && !applier->ended && !stop_requested())
        await_change(applier, STOP_LOOK_MS);
    bool can = applier->job == JOB_NONE && !applier->ended && !stop_requested();
    if (can) {
        applier->lack = *lack;
        applier->job = JOB_SHAPE;
        pthread_cond_broadcast(&applier->changed);
    }
    while (can && applier->job == JOB_SHAPE && !applier->ended && !stop_requested())
        await_change(applier, STOP_LOOK_MS);
    bool done = can && applier->job == JOB_NONE;
    pthread_mutex_unlock(&applier->mutex);
    TRY(applier_state(applier, err));
    return done ? RC_OK : RC_AGAIN;
}

int64_t applier_shown_us(struct applier *applier, size_t source)
{
    pthread_mutex_lock(&applier->mutex);
    int64_t us = applier->shown_us[source];
    pthread_mutex_unlock(&applier->mutex);
    return us;
}

bool applier_stop(struct applier *applier, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    pthread_mutex_lock(&applier->mutex);
    applier->job = JOB_END;
    pthread_cond_broadcast(&applier->changed);
    while (!applier->ended && clock_mono_ms() < deadline_ms)
        await_change(applier, MAX(deadline_ms - clock_mono_ms(), (int64_t)1));
    bool ended = applier->ended;
    pthread_t thread = applier->thread;
    applier->abandoned = !ended;
    pthread_mutex_unlock(&applier->mutex);
    if (!ended) {
        pthread_detach(thread); /* the applier may be gone by now */
        return false;
    }
    pthread_join(thread, NULL);
    applier_free(applier);
    return true;
}
