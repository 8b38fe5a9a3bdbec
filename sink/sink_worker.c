#include "sink/sink_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/stop.h"
#include "proto/topic.h"
#include "sink/applier.h"
#include "sink/consumer.h"
#include "sink/waits.h"

enum {
    PING_TIMEOUT_MS = 10000,
    IDLE_WAIT_MS = 20, /* shared by the sources when none has anything */
    HOUSEKEEPING_MS = 1000,
    KAFKA_WAIT_MS = 200,
    LEDGER_LOOK_MS = 1000, /* how often a ledger that does not exist is looked for */
    REJECTS_FLUSH_MS = 5000,
    DRAIN_MS = 20000, /* what the applying thread may take after a stop */
    PROGRESS_MAX_AGE_MS = 24 * 60 * 60 * 1000,
    WRITER_BYTES = 160,
};

/* One source of the sink, as the reading thread follows it. */
struct source {
    const char *name;
    char ledger_topic[TOPIC_NAME_BYTES];
    struct ledger_reader *reader;
    bool open;       /* the reader stands at the batch's start or behind it */
    bool is_missing; /* the ledger does not exist yet */
    int64_t looked_at_ms;
    int64_t from;           /* as the warehouse has it once everything handed over is applied */
    int64_t batch_start;    /* where reading the current batch again would begin; -1: the ledger's first record */
    bool at_cut, moved;     /* moved: records since `from` */
    int64_t last_cut_next;  /* behind the last cut */
    int64_t commit_time_us; /* newest commit of the records since `from` */
    int64_t idle_shown_us;  /* the source had nothing more up to this time, and all of it was in the warehouse */
    int64_t until, limit;   /* until-caught-up: the ledger's end at start; where reading stops, -1: nowhere */
};

struct sink_worker {
    const struct config *config;
    const struct config_sink *sink;
    bool until_caught_up;
    char rejects_topic[TOPIC_NAME_BYTES], heartbeats_topic[TOPIC_NAME_BYTES], messages_topic[TOPIC_NAME_BYTES];
    char writer[WRITER_BYTES];
    struct consumer *consumer;
    struct registry *registry;
    struct s3 *s3;
    struct warehouse *warehouse;
    struct plans *plans;
    struct tables *tables;
    struct rejects *rejects, *applier_rejects; /* of the reading and of the applying thread */
    struct applier *applier;
    struct source *sources;
    size_t n_sources;
    struct progress *progress; /* as claimed */
    struct sink_batch *batch;
    int64_t handed_over_ms; /* the last batch; at start: the start */
    int64_t housekept_ms;
};

/* ---- opening and closing ---- */

static void name_writer(struct sink_worker *worker)
{
    char host[64] = "";
    uint64_t draw = 0;
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    if (getrandom(&draw, sizeof(draw), 0) != sizeof(draw))
        draw = (uint64_t)clock_wall_us();
    snprintf(worker->writer, sizeof(worker->writer), "%s-%d-%016llx", host, (int)getpid(), (unsigned long long)draw);
    for (char *at = worker->writer; *at != '\0'; at++)
        if ((*at < 'a' || *at > 'z') && (*at < 'A' || *at > 'Z') && (*at < '0' || *at > '9'))
            *at = '-';
}

static enum rc worker_new(const struct config *config, const struct config_sink *sink, struct sink_worker *worker,
                          struct err *err)
{
    *worker = (struct sink_worker){.config = config, .sink = sink, .n_sources = sink->sources.n};
    name_writer(worker);
    topic_of_rejects(worker->rejects_topic, config->prefix);
    topic_of_heartbeats(worker->heartbeats_topic, config->prefix);
    topic_of_messages(worker->messages_topic, config->prefix);
    worker->sources = calloc(MAX(worker->n_sources, (size_t)1), sizeof(struct source));
    worker->progress = calloc(MAX(worker->n_sources, (size_t)1), sizeof(struct progress));
    if (worker->sources == NULL || worker->progress == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not start sink \"%s\"", sink->name);
    char client_id[128];
    snprintf(client_id, sizeof(client_id), "leat-sink-%s", sink->name);
    TRY(consumer_new(&config->kafka, client_id, &worker->consumer, err));
    worker->registry = registry_new(&config->registry);
    worker->s3 = s3_new(&sink->s3, sink->name);
    worker->warehouse = warehouse_new(sink, worker->writer);
    worker->plans = plans_new(&config->registry, worker->registry);
    worker->tables = tables_new(sink->redshift.schema);
    worker->rejects = rejects_new(config, sink->name);
    worker->applier_rejects = rejects_new(config, sink->name);
    worker->batch = sink_batch_new(sink, worker->tables, worker->plans, worker->rejects);
    for (size_t i = 0; i < worker->n_sources; i++) {
        struct source *source = &worker->sources[i];
        *source = (struct source){.name = sink->sources.items[i], .at_cut = true, .limit = -1};
        topic_of_ledger(source->ledger_topic, config->prefix, source->name);
        source->reader = ledger_reader_new(consumer_log(worker->consumer), source->name, source->ledger_topic);
        ledger_reader_ignore(source->reader, worker->rejects_topic);
        ledger_reader_ignore(source->reader, worker->heartbeats_topic);
        ledger_reader_ignore(source->reader, worker->messages_topic);
    }
    return RC_OK;
}

static void worker_done(struct sink_worker *worker)
{
    if (worker->applier != NULL && !applier_stop(worker->applier, DRAIN_MS)) {
        /* The thread still holds what it was given; the process is about to end, and the server rolls back
         * what was not committed. */
        log_warn("batch_abandoned", LOG_I64("waited_ms", DRAIN_MS));
        return;
    }
    sink_batch_free(worker->batch);
    for (size_t i = 0; worker->sources != NULL && i < worker->n_sources; i++)
        ledger_reader_free(worker->sources[i].reader);
    rejects_free(worker->rejects);
    rejects_free(worker->applier_rejects);
    tables_free(worker->tables);
    plans_free(worker->plans);
    warehouse_free(worker->warehouse);
    s3_free(worker->s3);
    registry_free(worker->registry);
    consumer_free(worker->consumer);
    free(worker->sources);
    free(worker->progress);
}

/* ---- what must be there at start ---- */

static enum rc check_endpoints(struct sink_worker *worker, struct err *err)
{
    TRY(kafka_ping(consumer_client(worker->consumer), &worker->config->kafka, PING_TIMEOUT_MS, err));
    TRY(registry_ping(worker->registry, err));
    TRY(s3_check(worker->s3, err));
    return warehouse_check(worker->warehouse, err);
}

/* Every source's ledger holds what comes next. RC_OK also for ledgers that do not exist yet. */
static enum rc check_ledgers(struct sink_worker *worker, struct err *err)
{
    for (size_t i = 0; i < worker->n_sources; i++) {
        enum rc rc = ledger_reader_seek(worker->sources[i].reader, worker->progress[i].ledger_next, err);
        if (rc != RC_OK && rc != RC_AGAIN)
            return rc;
    }
    return RC_OK;
}

static enum rc check_all(struct sink_worker *worker, struct err *err)
{
    TRY(check_endpoints(worker, err));
    TRY(warehouse_read_progress(worker->warehouse, worker->sink->sources.items, worker->n_sources, worker->progress,
                                err));
    return check_ledgers(worker, err);
}

enum rc sink_check(const struct config *config, const struct config_sink *sink, struct err *err)
{
    struct sink_worker worker;
    enum rc rc = worker_new(config, sink, &worker, err);
    if (rc == RC_OK)
        rc = check_all(&worker, err);
    worker_done(&worker);
    return rc;
}

/* ---- sources ---- */

/* Begins a batch at `next`. RC_AGAIN: there is no ledger yet. */
static enum rc source_begin(struct source *source, int64_t next, struct err *err)
{
    source->at_cut = true;
    source->moved = false;
    source->commit_time_us = 0;
    source->batch_start = next;
    source->last_cut_next = next;
    enum rc rc = ledger_reader_seek(source->reader, next, err);
    source->open = rc == RC_OK;
    return rc;
}

static enum rc source_open(struct source *source, struct err *err)
{
    int64_t now_ms = clock_mono_ms();
    if (source->looked_at_ms != 0 && now_ms - source->looked_at_ms < LEDGER_LOOK_MS)
        return RC_AGAIN;
    source->looked_at_ms = now_ms;
    enum rc rc = source_begin(source, source->batch_start, err);
    source->is_missing = rc == RC_AGAIN;
    return rc;
}

/* until-caught-up: where each ledger ends now. A ledger that does not exist has nothing to load. */
static enum rc note_ends(struct sink_worker *worker, struct err *err)
{
    for (size_t i = 0; i < worker->n_sources; i++) {
        struct source *source = &worker->sources[i];
        int64_t low = 0, end = 0;
        enum rc rc = log_bounds(consumer_log(worker->consumer), source->ledger_topic, 0, &low, &end, err);
        if (rc != RC_OK && rc != RC_AGAIN)
            return rc;
        source->until = rc == RC_OK ? end : 0;
        if (source->until == 0)
            source->limit = 0;
    }
    return RC_OK;
}

static bool source_has_ended(const struct source *source)
{
    int64_t next = source->open ? ledger_reader_next(source->reader) : MAX(source->batch_start, (int64_t)0);
    return source->limit >= 0 && next >= source->limit;
}

static bool all_at_cuts(const struct sink_worker *worker)
{
    for (size_t i = 0; i < worker->n_sources; i++)
        if (!worker->sources[i].at_cut)
            return false;
    return true;
}

static bool all_have_ended(const struct sink_worker *worker)
{
    for (size_t i = 0; i < worker->n_sources; i++)
        if (!source_has_ended(&worker->sources[i]))
            return false;
    return true;
}

/* ---- reading ---- */

/* Drops what the batch holds and goes back to where it began. */
static void restart_batch(struct sink_worker *worker, const char *why)
{
    log_info("batch_restarted", LOG_STR("why", why), LOG_U64("events", worker->batch->events));
    sink_batch_free(worker->batch);
    worker->batch = sink_batch_new(worker->sink, worker->tables, worker->plans, worker->rejects);
    for (size_t i = 0; i < worker->n_sources; i++) {
        struct source *source = &worker->sources[i];
        if (!source->open)
            continue;
        source->open = false; /* source_open goes there, now or when the broker answers again */
        source->looked_at_ms = 0;
        source->at_cut = true;
    }
}

struct taking {
    struct sink_worker *worker;
    size_t source, at;
    const struct ledger_events *events;
};

static enum rc take_some(void *context, struct err *err)
{
    struct taking *taking = context;
    enum rc rc = sink_batch_add(taking->worker->batch, taking->source, taking->events, &taking->at, err);
    /* RC_AGAIN means "stop" to waits_retry's caller: a table that lacks something is told apart by the batch.
     */
    return rc == RC_AGAIN ? RC_OK : rc;
}

/* RC_AGAIN: a stop was requested, or the batch begins again. */
static enum rc take_events(struct sink_worker *worker, size_t source, const struct ledger_events *events,
                           struct err *err)
{
    struct taking taking = {worker, source, 0, events};
    while (taking.at < events->n) {
        worker->batch->lack.table = NULL;
        TRY(waits_retry(WAIT_REGISTRY, "events_retry", take_some, &taking, err));
        if (worker->batch->lack.table == NULL)
            continue;
        struct sink_batch_lack lack = worker->batch->lack;
        if (lack.in_batch)
            restart_batch(worker, "a table got a new shape");
        TRY(applier_shape(worker->applier, &lack, err));
        if (lack.in_batch)
            return RC_AGAIN;
    }
    return RC_OK;
}

/* Somebody accepted it at the capture: what is missing is in the ledger's record, not here. */
static void pass_gap(const struct source *source)
{
    log_warn("gap_passed", LOG_STR("source", source->name), LOG_I64("ledger_next", ledger_reader_next(source->reader)));
    metric_add(METRIC_sink_gaps_total, 1, source->name, NULL);
}

static void take_record(struct sink_worker *worker, struct source *source)
{
    const struct ledger_record *record = ledger_reader_record(source->reader);
    source->moved = true;
    source->at_cut = record->cut;
    source->commit_time_us = MAX(source->commit_time_us, record->commit_time_us);
    if (record->kind == LEDGER_GAP)
        pass_gap(source);
    if (!record->cut)
        return;
    source->last_cut_next = ledger_reader_next(source->reader);
    if (worker->batch->events > 0)
        return;
    source->batch_start = source->last_cut_next; /* nothing before it has to be read again */
    if (record->kind == LEDGER_IDLE && applier_is_idle(worker->applier))
        source->idle_shown_us = MAX(record->written_us, record->commit_time_us);
}

/* until-caught-up: where this source's reading stops. Behind its end there may be the beginning of a
 * transaction whose rest was not written yet: the batch then ends before it. */
static void judge_end(struct sink_worker *worker, struct source *source)
{
    if (source->until == 0 || source->limit >= 0 || ledger_reader_position(source->reader) < source->until)
        return;
    source->limit = MAX(source->last_cut_next, (int64_t)0);
    if (!source->at_cut)
        restart_batch(worker, "a source ends inside a transaction");
}

static bool source_may_read(const struct source *source, enum batch_verdict verdict)
{
    if (source_has_ended(source))
        return false;
    return verdict == BATCH_FILL || (verdict == BATCH_FINISH_RUN && !source->at_cut);
}

/* RC_AGAIN: it had nothing. */
static enum rc source_step(struct sink_worker *worker, size_t index, int timeout_ms, struct err *err)
{
    struct source *source = &worker->sources[index];
    enum ledger_step step;
    struct ledger_events events;
    if (!source->open)
        return source_open(source, err);
    enum rc rc = ledger_reader_step(source->reader, timeout_ms, &step, &events, err);
    if (rc == RC_AGAIN)
        judge_end(worker, source);
    TRY(rc);
    if (step == LEDGER_STEP_EVENTS) {
        source->at_cut = false; /* in the middle of a record: its other partitions are still to come */
        return take_events(worker, index, &events, err);
    }
    take_record(worker, source);
    judge_end(worker, source);
    return RC_OK;
}

/* ---- handing over ---- */

static enum batch_verdict judge_batch(struct sink_worker *worker)
{
    const struct sink_batch *batch = worker->batch;
    const struct batch_status status = {
        .events = batch->events,
        .bytes = batch->bytes,
        .age_ms = batch->events > 0 ? clock_mono_ms() - batch->opened_ms : 0,
        .at_cuts = all_at_cuts(worker),
        .applier_idle = applier_is_idle(worker->applier),
        .nothing_more = worker->until_caught_up && all_have_ended(worker),
    };
    return batch_judge(worker->sink, &status);
}

static enum rc flush_once(void *context, struct err *err)
{
    struct sink_worker *worker = context;
    return rejects_flush(worker->rejects, REJECTS_FLUSH_MS, err);
}

static enum rc hand_over(struct sink_worker *worker, struct err *err)
{
    /* Before the warehouse moves past them, the rejects are safe. */
    TRY(waits_retry(WAIT_REJECTS, "rejects_retry", flush_once, worker, err));
    for (size_t i = 0; i < worker->n_sources; i++) {
        struct source *source = &worker->sources[i];
        struct sink_batch_source *part = &worker->batch->sources[i];
        part->from = source->from;
        part->next = source->moved ? ledger_reader_next(source->reader) : source->from;
        part->commit_time_us = source->commit_time_us;
        source->from = part->next;
        source->batch_start = source->moved ? part->next : source->batch_start;
        source->moved = false;
        source->commit_time_us = 0;
    }
    applier_take(worker->applier, &worker->batch);
    worker->batch = sink_batch_new(worker->sink, worker->tables, worker->plans, worker->rejects);
    worker->handed_over_ms = clock_mono_ms();
    return RC_OK;
}

/* Records without events are not worth a transaction of the warehouse, but the ledger does not keep them for
 * ever: once a day the progress follows, so that a restart finds its place. */
static bool progress_is_stale(struct sink_worker *worker)
{
    if (worker->batch->events > 0 || !all_at_cuts(worker) ||
        clock_mono_ms() - worker->handed_over_ms < PROGRESS_MAX_AGE_MS || !applier_is_idle(worker->applier))
        return false;
    for (size_t i = 0; i < worker->n_sources; i++)
        if (worker->sources[i].moved)
            return true;
    return false;
}

/* ---- the loop ---- */

static void tell_lag(struct sink_worker *worker)
{
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < worker->n_sources; i++) {
        const struct source *source = &worker->sources[i];
        int64_t shown_us = MAX(applier_shown_us(worker->applier, i), source->idle_shown_us);
        int64_t end = consumer_end_seen(worker->consumer, source->ledger_topic, 0);
        if (source->open && source->at_cut && worker->batch->events == 0 && applier_is_idle(worker->applier))
            metric_set(METRIC_sink_ledger_offset, (double)ledger_reader_position(source->reader), source->name, NULL);
        if (shown_us > 0)
            metric_set(METRIC_sink_lag_seconds, (double)(now_us - shown_us) / US_PER_S, source->name, NULL);
        if (end >= 0)
            metric_set(METRIC_sink_ledger_end, (double)end, source->name, NULL);
    }
}

static void tell_missing(struct sink_worker *worker)
{
    for (size_t i = 0; i < worker->n_sources; i++) {
        const struct source *source = &worker->sources[i];
        if (!source->is_missing || source_has_ended(source))
            continue;
        char why[TOPIC_NAME_BYTES + 256];
        snprintf(why, sizeof(why), "waiting for the first record of source \"%s\" in %s", source->name,
                 source->ledger_topic);
        waits_begin(WAIT_LEDGER, why);
        return;
    }
    waits_end(WAIT_LEDGER);
}

static void housekeep(struct sink_worker *worker)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms - worker->housekept_ms < HOUSEKEEPING_MS)
        return;
    worker->housekept_ms = now_ms;
    struct err err;
    if (consumer_state(worker->consumer, &err) == RC_OK)
        waits_end(WAIT_KAFKA);
    else
        waits_begin(WAIT_KAFKA, err.msg);
    tell_missing(worker);
    tell_lag(worker);
    if (worker->batch->events == 0 && applier_is_idle(worker->applier) && health_get() == HEALTH_RUNNING)
        health_touch(); /* nothing is missing in the warehouse */
}

static enum rc read_round(struct sink_worker *worker, enum batch_verdict verdict, bool *was_dry, struct err *err)
{
    int timeout_ms = *was_dry ? (int)MAX(IDLE_WAIT_MS / MAX(worker->n_sources, (size_t)1), (size_t)1) : 0;
    int64_t start_ms = clock_mono_ms();
    bool dry = true;
    for (size_t i = 0; i < worker->n_sources && !stop_requested(); i++) {
        if (!source_may_read(&worker->sources[i], verdict))
            continue;
        enum rc rc = source_step(worker, i, timeout_ms, err);
        if (rc == RC_RETRY) {
            waits_begin(WAIT_KAFKA, err->msg); /* housekeep ends it */
            stop_wait_ms(KAFKA_WAIT_MS);
        } else if (rc == RC_OK) {
            dry = false;
        } else if (rc != RC_AGAIN) {
            return rc;
        }
    }
    /* Where no ledger is open, or none may be read, nothing has waited so far. */
    if (dry && *was_dry && clock_mono_ms() - start_ms < timeout_ms)
        stop_wait_ms(timeout_ms);
    *was_dry = dry;
    return RC_OK;
}

static bool is_caught_up(struct sink_worker *worker)
{
    return worker->until_caught_up && all_have_ended(worker) && worker->batch->events == 0 &&
           applier_is_idle(worker->applier);
}

static enum rc pump(struct sink_worker *worker, struct err *err)
{
    bool was_dry = false;
    while (!stop_requested()) {
        housekeep(worker);
        TRY(applier_state(worker->applier, err));
        enum batch_verdict verdict = judge_batch(worker);
        if (verdict == BATCH_SEAL || progress_is_stale(worker))
            TRY(hand_over(worker, err));
        else if (verdict == BATCH_HOLD)
            applier_await_idle(worker->applier, IDLE_WAIT_MS);
        else
            TRY(read_round(worker, verdict, &was_dry, err));
        if (is_caught_up(worker))
            return applier_state(worker->applier, err);
    }
    return RC_AGAIN;
}

static enum rc start(struct sink_worker *worker, struct err *err)
{
    TRY(check_all(worker, err));
    TRY(warehouse_claim(worker->warehouse, worker->sink->sources.items, worker->n_sources, worker->progress, err));
    TRY(check_ledgers(worker, err)); /* the worker that was fenced just now may have gone on since */
    if (worker->until_caught_up)
        TRY(note_ends(worker, err));
    for (size_t i = 0; i < worker->n_sources; i++) {
        worker->sources[i].from = worker->sources[i].batch_start = worker->progress[i].ledger_next;
        metric_set(METRIC_sink_ledger_offset, (double)worker->progress[i].ledger_next, worker->sources[i].name, NULL);
        log_info("source_opened", LOG_STR("source", worker->sources[i].name),
                 LOG_I64("ledger_next", worker->progress[i].ledger_next));
    }
    const struct applier_context context = {worker->sink, worker->writer, worker->s3, worker->warehouse,
                                            worker->applier_rejects};
    TRY(applier_start(&context, worker->progress, &worker->applier, err));
    worker->handed_over_ms = clock_mono_ms();
    return RC_OK;
}

enum rc sink_run(const struct config *config, const struct config_sink *sink, bool until_caught_up, struct err *err)
{
    struct sink_worker worker;
    health_set(HEALTH_STARTING, "");
    enum rc rc = worker_new(config, sink, &worker, err);
    worker.until_caught_up = until_caught_up;
    if (rc == RC_OK)
        rc = start(&worker, err);
    if (rc == RC_OK) {
        health_set(HEALTH_RUNNING, "");
        health_touch();
        log_info("sink_started", LOG_STR("sink", sink->name), LOG_STR("writer", worker.writer));
        rc = pump(&worker, err);
    }
    if (rc == RC_AGAIN)
        health_set(HEALTH_DRAINING, "stop was asked for");
    worker_done(&worker);
    return rc == RC_AGAIN ? RC_OK : rc;
}
