#include "capture/capture_worker.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "base/stop.h"
#include "base/wrap/kafka.h"
#include "capture/publisher.h"
#include "capture/source.h"
#include "proto/topic.h"

enum {
    SESSION_BATCHES = 3,      /* one fills, one waits, one is published */
    SESSION_IDLE_MS = 50,     /* how often a source without a free batch looks after its connection */
    SESSION_DRAIN_MS = 20000, /* what is under way at a stop may take this long */
    LEDGER_ARENA_BYTES = 32 << 20,
    PING_TIMEOUT_MS = 10000,
};

/* One session: from one START record in the ledger to the failure, or the stop, that ends it. */
struct session {
    struct source_context context;
    const struct source_ops *ops;
    struct source *source;
    struct arena *arena; /* the ledger's last record */
    struct ledger_record last;

    pthread_t publishing;
    bool publishing_runs;
    enum rc publish_rc; /* the publishing stage's end; read after join */
    struct err publish_err;
};

void capture_process_init(void)
{
    char name[32];
    snprintf(name, sizeof(name), "/mongoc-%d", (int)getpid());
    shm_unlink(name);
}

static const struct source_ops *ops_of(const struct config_source *source)
{
    return source->type == CONFIG_SOURCE_POSTGRESQL ? &pg_source_ops : &docdb_source_ops;
}

/* The publishing stage: until the queue fails, which also means "end". */
static void tell_health(enum ledger_kind kind)
{
    health_touch();
    health_set(kind == LEDGER_SNAPSHOT ? HEALTH_SNAPSHOT : HEALTH_RUNNING, "");
}

static void *publishing_stage(void *argument)
{
    struct session *session = argument;
    struct batch *batch;
    pthread_setname_np(pthread_self(), "publisher"); /* for top -H, and for bench/capture */
    for (;;) {
        enum rc rc = batch_queue_take_full(session->context.queue, MS_PER_S, &batch);
        if (rc == RC_AGAIN)
            continue;
        if (rc != RC_OK)
            break; /* the source stage ended the session */
        rc = publisher_publish(session->context.publisher, batch, &session->publish_err);
        if (rc != RC_OK) {
            session->publish_rc = rc;
            batch_queue_fail(session->context.queue);
            break;
        }
        if (batch->mark.is_placed)
            tell_health(batch->mark.kind);
        batch_queue_give_back(session->context.queue, &batch);
    }
    return NULL;
}

static enum rc session_open(struct session *session, const char *writer, bool *wrote_before, struct err *err)
{
    struct source_context *context = &session->context;
    TRY(publisher_open(context->config, context->source, writer, *wrote_before, session->arena, &session->last,
                       &context->publisher, err));
    *wrote_before = true;
    context->queue = batch_queue_new(SESSION_BATCHES, (size_t)context->source->batch_max_bytes);
    TRY(session->ops->open(context, session->last.source == NULL ? NULL : &session->last, &session->source, err));
    if (pthread_create(&session->publishing, NULL, publishing_stage, session) != 0)
        return err_set(err, ERR_NO_MEMORY, "could not start the publishing thread");
    session->publishing_runs = true;
    return RC_OK;
}

/* The source stage. RC_AGAIN: a stop was asked for. */
static enum rc session_pump(struct session *session, struct err *err)
{
    struct batch_queue *queue = session->context.queue;
    while (!stop_requested()) {
        struct batch *batch;
        enum rc rc = batch_queue_take_free(queue, SESSION_IDLE_MS, &batch);
        if (rc == RC_AGAIN) {
            TRY(session->ops->idle(session->source, err));
            continue;
        }
        if (rc != RC_OK)
            return RC_OK; /* the publishing stage failed: its error counts */
        TRY(session->ops->fill(session->source, batch, err));
        batch->mark.is_placed = session->ops->is_placed(session->source);
        batch_queue_hand_over(queue, &batch);
    }
    return RC_AGAIN;
}

static void session_drain(struct session *session)
{
    struct err err;
    int64_t deadline_ms = clock_mono_ms() + SESSION_DRAIN_MS;
    health_set(HEALTH_DRAINING, "stop was asked for");
    while (!batch_queue_is_idle(session->context.queue) && clock_mono_ms() < deadline_ms) {
        struct batch *unused;
        enum rc rc = batch_queue_take_free(session->context.queue, SESSION_IDLE_MS, &unused);
        if (rc == RC_RETRY || (rc == RC_AGAIN && session->ops->idle(session->source, &err) != RC_OK))
            break; /* what is not committed comes again after the next start */
    }
}

static void session_close(struct session *session)
{
    if (session->publishing_runs) {
        batch_queue_fail(session->context.queue);
        pthread_join(session->publishing, NULL);
    }
    if (session->source != NULL)
        session->ops->close(session->source);
    publisher_close(session->context.publisher); /* before the batches: it may still point into them */
    batch_queue_free(session->context.queue);
    arena_free(session->arena);
}

/* RC_AGAIN: ended by a stop, everything handed over was committed or will come again. */
static enum rc session_run(const struct source_context *context, const char *writer, bool *wrote_before,
                           struct err *err)
{
    struct session session = {
        .context = *context, .ops = ops_of(context->source), .arena = arena_new(LEDGER_ARENA_BYTES)};
    enum rc rc = session_open(&session, writer, wrote_before, err);
    if (rc == RC_OK) {
        log_info("session_opened", LOG_STR("source", context->source->name), LOG_STR("writer", writer));
        if (session.ops->is_placed(session.source))
            tell_health(LEDGER_START);
        rc = session_pump(&session, err);
    }
    if (rc == RC_AGAIN && session.publishing_runs)
        session_drain(&session);
    session_close(&session);
    if (session.publish_rc != RC_OK && rc != RC_AGAIN) {
        *err = session.publish_err;
        return session.publish_rc;
    }
    return rc;
}

static enum rc check_endpoints(const struct source_context *context, struct err *err)
{
    const struct config_kafka *kafka = &context->config->kafka;
    rd_kafka_conf_t *conf;
    TRY(kafka_conf_new(kafka, "leat-check", &conf, err));
    SCOPED(rd_kafka_destroy) rd_kafka_t *client = NULL;
    TRY(kafka_new(RD_KAFKA_PRODUCER, conf, &client, err));
    TRY(kafka_ping(client, kafka, PING_TIMEOUT_MS, err));
    return registry_ping(context->registry, err);
}

/* Somebody works on this source, and its slot moved since the ledger was read. A session fences first and reads then:
 * it will know. */
static bool has_moved(const struct source_context *context, const char *ledger_topic, int64_t offset)
{
    struct err err;
    int64_t now;
    SCOPED(buf_done) struct buf value = buf_new(LEDGER_ARENA_BYTES);
    return kafka_read_last(&context->config->kafka, "leat-check", ledger_topic, 0, &value, &now, &err) == RC_OK &&
           now > offset;
}

static enum rc check_source(const struct source_context *context, struct err *err)
{
    char topic[TOPIC_NAME_BYTES];
    int64_t offset;
    struct ledger_record last;
    SCOPED(buf_done) struct buf value = buf_new(LEDGER_ARENA_BYTES);
    SCOPED(arena_free) struct arena *arena = arena_new(LEDGER_ARENA_BYTES);
    topic_of_ledger(topic, context->config->prefix, context->source->name);
    TRY(kafka_read_last(&context->config->kafka, "leat-check", topic, 0, &value, &offset, err));
    if (offset >= 0)
        TRY(ledger_decode(buf_slice(&value), arena, &last, err));
    enum rc rc = ops_of(context->source)->check(context, offset >= 0 ? &last : NULL, err);
    return rc != RC_OK && err->code == ERR_PG_SLOT_LOST && has_moved(context, topic, offset) ? RC_OK : rc;
}

static enum rc check_all(const struct source_context *context, struct err *err)
{
    TRY(check_endpoints(context, err));
    return check_source(context, err);
}

enum rc capture_check(const struct config *config, const struct config_source *source, struct err *err)
{
    struct source_context context = {.config = config, .source = source, .registry = registry_new(&config->registry)};
    enum rc rc = check_all(&context, err);
    registry_free(context.registry);
    return rc;
}

static void draw_writer(char out[33])
{
    uint8_t bytes[16] = {0};
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        bytes[0] = (uint8_t)clock_wall_us();
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* A fence can also be the broker's own doing (a transaction that timed out). The next session reads in the ledger who
 * wrote last, and stops only when it was somebody else. */
static bool worth_another_session(enum rc rc, const struct err *err, bool was_fenced)
{
    return rc == RC_RETRY || (err->code == ERR_KAFKA_FENCED && !was_fenced);
}

static enum rc run_sessions(const struct source_context *context, struct err *err)
{
    char writer[33];
    bool wrote_before = false, was_fenced = false;
    struct retry retry = retry_of(200, 15000);
    draw_writer(writer);
    for (;;) {
        int64_t began_ms = clock_mono_ms();
        enum rc rc = session_run(context, writer, &wrote_before, err);
        if (stop_requested())
            return RC_OK;
        if (rc == RC_AGAIN)
            continue;
        if (!worth_another_session(rc, err, was_fenced))
            return rc;
        was_fenced = err->code == ERR_KAFKA_FENCED;
        if (clock_mono_ms() - began_ms > 30 * MS_PER_S)
            retry_reset(&retry);
        int64_t wait_ms = retry_next_ms(&retry);
        metric_add(METRIC_errors_total, 1, err_name(err->code), NULL);
        metric_add(METRIC_capture_reconnects_total, 1, context->source->name, NULL);
        log_warn("session_failed", LOG_ERR(err), LOG_I64("retry_in_ms", wait_ms));
        health_set(HEALTH_WAITING, err->msg);
        if (!stop_wait_ms(wait_ms))
            return RC_OK;
    }
}

enum rc capture_run(const struct config *config, const struct config_source *source, bool accept_gap, struct err *err)
{
    struct source_notes notes = {0};
    struct source_context context = {.config = config,
                                     .source = source,
                                     .registry = registry_new(&config->registry),
                                     .notes = &notes,
                                     .accept_gap = &accept_gap};
    enum rc rc = check_all(&context, err);
    if (rc == RC_OK)
        rc = run_sessions(&context, err);
    registry_free(context.registry);
    return rc;
}
