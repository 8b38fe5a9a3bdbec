/* From the replication stream into batches: whole transactions where they fit, parts of them where they do
 * not. */
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/stop.h"
#include "capture/pg/session.h"
#include "capture/publisher.h"

enum {
    LOOK_EVERY = 256,                   /* messages between two looks at clocks, feedback and the stop flag */
    MESSAGE_MIN_MAX_BYTES = 64 << 20,   /* a row's text may have this much, or eight times the largest record */
    BULK_RECORDS = 500,                 /* a batch with so many is of a busy stream, ... */
    BULK_AGE_US = 50 * US_PER_MS,       /* ... and gathers this long before it is published */
    SHUTDOWN_IDLE_US = 500 * US_PER_MS, /* a server that asks gets a position this often */
};

enum rc pg_streaming_start(struct source *source, struct err *err)
{
    size_t max_bytes = (size_t)source->context.config->kafka.message_max_bytes * 8;
    PGconn *conn = source->replication;
    source->replication = NULL; /* the stream's, whatever happens */
    if (max_bytes < MESSAGE_MIN_MAX_BYTES)
        max_bytes = MESSAGE_MIN_MAX_BYTES;
    source->marked_mono_us = clock_mono_us();
    return pg_stream_start(conn, source->state.slot, source->state.publication, source->state.end_lsn, max_bytes,
                           &source->stream, err);
}

enum rc pg_streaming_tend(struct source *source, struct err *err)
{
    pg_stream_confirm(source->stream, publisher_committed(source->context.publisher));
    return pg_stream_tend(source->stream, err);
}

/* ---- messages ---- */

static void take_begin(struct source *source, const struct pgoutput_begin *begin)
{
    const struct pg_state *state = &source->state;
    source->in_transaction = true;
    source->skips_transaction = begin->final_lsn < state->commit_lsn ||
                                (begin->final_lsn == state->commit_lsn && state->next_ordinal == 0);
    source->emitter.major = begin->final_lsn;
    source->emitter.ordinal = 0;
    source->emitter.skip_below = begin->final_lsn == state->commit_lsn ? state->next_ordinal : 0;
    source->emitter.commit_time_us = begin->commit_time_us;
    source->emitter.xid = begin->xid;
    pg_emit_begin(&source->emitter);
}

static void take_commit(struct source *source, const struct pgoutput_commit *commit)
{
    source->in_transaction = false;
    source->emitter.previous_end = commit->end_lsn;
    source->state.end_lsn = MAX(source->state.end_lsn, commit->end_lsn);
    if (source->skips_transaction)
        return;
    source->state.commit_lsn = source->emitter.major;
    source->state.next_ordinal = 0;
    source->pos = (struct position){source->emitter.major,
                                    source->emitter.ordinal == 0 ? 0 : source->emitter.ordinal - 1};
    source->commit_time_us = commit->commit_time_us;
}

static enum rc find_relation(struct source *source, uint32_t id, struct pg_relation **ret, struct err *err)
{
    *ret = pg_relcache_find(source->relcache, id);
    if (UNLIKELY(*ret == NULL))
        return err_set(err, ERR_PGOUTPUT_MALFORMED, "a change of relation %u, which was never announced", id);
    return RC_OK;
}

static enum rc take_row(struct source *source, struct batch *batch, struct err *err)
{
    struct pg_relation *relation;
    enum rc rc;
    TRY(find_relation(source, source->msg->row.relation_id, &relation, err));
    if (!relation->captured)
        return RC_OK;
    while (UNLIKELY((rc = pg_emit_row(&source->emitter, relation, source->msg, batch, err)) == RC_AGAIN))
        TRY(pg_session_relax(source, relation, err));
    return rc;
}

static enum rc take_truncate(struct source *source, struct batch *batch, struct err *err)
{
    const struct pgoutput_truncate *truncate = &source->msg->truncate;
    for (uint32_t i = 0; i < truncate->n_relations; i++) {
        struct pg_relation *relation;
        TRY(find_relation(source, truncate->relation_ids[i], &relation, err));
        if (relation->captured)
            TRY(pg_emit_truncate(&source->emitter, relation, batch, err));
    }
    return RC_OK;
}

static enum rc outside(struct err *err, const struct pgoutput_msg *msg)
{
    return err_set(err, ERR_PGOUTPUT_MALFORMED, "a message of type '%c' outside of a transaction", (int)msg->type);
}

/* source->msg is decoded; the batch has room for it. */
static enum rc take_message(struct source *source, uint64_t lsn, struct batch *batch, struct err *err)
{
    struct pgoutput_msg *msg = source->msg;
    struct pg_relation *relation;
    switch (msg->type) {
    case PGOUTPUT_BEGIN:
        if (source->in_transaction)
            return err_set(err, ERR_PGOUTPUT_MALFORMED, "a transaction begins inside another one");
        take_begin(source, &msg->begin);
        return RC_OK;
    case PGOUTPUT_COMMIT:
        if (!source->in_transaction)
            return outside(err, msg);
        take_commit(source, &msg->commit);
        return RC_OK;
    case PGOUTPUT_RELATION:
        arena_reset(source->facts_arena);
        return pg_session_take_relation(source, source->conn, &msg->relation, &relation, err);
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
    case PGOUTPUT_TRUNCATE:
        if (!source->in_transaction)
            return outside(err, msg);
        if (source->skips_transaction)
            return RC_OK;
        source->emitter.lsn = lsn;
        return msg->type == PGOUTPUT_TRUNCATE ? take_truncate(source, batch, err) : take_row(source, batch, err);
    case PGOUTPUT_ORIGIN: return pg_emit_origin(&source->emitter, &msg->origin, err);
    case PGOUTPUT_TYPE:
    case PGOUTPUT_MESSAGE: return RC_OK;
    }
    return err_set(err, ERR_BUG, "a message of type '%c' was decoded and not taken", (int)msg->type);
}

static size_t records_of(const struct pgoutput_msg *msg)
{
    return msg->type == PGOUTPUT_TRUNCATE ? msg->truncate.n_relations : PG_EMIT_MAX_RECORDS_A_ROW;
}

/* The next message into the batch. RC_AGAIN: the socket is dry; *ret_full: it waits for the next batch. */
static enum rc take_next(struct source *source, struct batch *batch, bool *ret_full, struct err *err)
{
    struct slice message = source->pending;
    uint64_t lsn = source->pending_lsn;
    source->pending = (struct slice){0};
    if (LIKELY(message.ptr == NULL))
        TRY(pg_stream_next(source->stream, &message, &lsn, err));
    TRY(pgoutput_decode(message, source->msg, err));
    size_t records = records_of(source->msg);
    if (UNLIKELY(!pg_session_has_room(batch, records)) && batch->n_records > 0) {
        source->pending = message;
        source->pending_lsn = lsn;
        *ret_full = true;
        return RC_OK;
    }
    if (records > batch->max_records)
        return err_set(err, ERR_MEMORY_LIMIT, "a truncate of %zu tables does not fit a batch", records);
    return take_message(source, lsn, batch, err);
}

/* ---- marks ---- */

static enum rc mark_commit(struct source *source, struct batch *batch, struct err *err)
{
    return pg_session_mark(source, batch, LEDGER_STREAM, true, source->state.end_lsn, err);
}

/* Inside a transaction: what is before it may be forgotten, it itself comes again from its begin. */
static enum rc mark_partial(struct source *source, struct batch *batch, struct err *err)
{
    source->state.commit_lsn = source->emitter.major;
    source->state.next_ordinal = source->emitter.ordinal;
    source->pos = (struct position){source->emitter.major, source->emitter.ordinal - 1};
    return pg_session_mark(source, batch, LEDGER_STREAM, false, source->state.end_lsn, err);
}

static enum rc mark_idle(struct source *source, struct batch *batch, struct err *err)
{
    source->state.end_lsn = MAX(source->state.end_lsn, pg_stream_wal_end(source->stream));
    return pg_session_mark(source, batch, LEDGER_IDLE, true, source->state.end_lsn, err);
}

/* ---- filling ---- */

static int64_t age_left_us(const struct source *source, const struct batch *batch, int64_t now_us)
{
    return batch->opened_mono_us + source->context.source->batch_max_age_ms * US_PER_MS - now_us;
}

static int64_t heartbeat_left_us(const struct source *source, int64_t now_us)
{
    return source->marked_mono_us + source->context.source->heartbeat_interval_ms * US_PER_MS - now_us;
}

static enum rc look_around(struct source *source, struct err *err)
{
    source->since_look = 0;
    source->emitter.now_us = clock_wall_us();
    return pg_streaming_tend(source, err);
}

/* The stream is dry and the batch is empty: is it time to say where we are? */
static bool is_heartbeat_due(struct source *source, int64_t now_us)
{
    if (source->in_transaction)
        return false;
    if (heartbeat_left_us(source, now_us) <= 0)
        return true;
    return now_us - source->marked_mono_us >= SHUTDOWN_IDLE_US &&
           pg_stream_wal_end(source->stream) > source->state.end_lsn && batch_queue_is_idle(source->context.queue) &&
           pg_stream_take_asked(source->stream);
}

static enum rc wait_for_more(struct source *source, const struct batch *batch, int64_t now_us, struct err *err)
{
    int64_t left_us = heartbeat_left_us(source, now_us);
    bool publishing = !batch_queue_is_idle(source->context.queue);
    int queue_fd = publishing ? batch_queue_fd(source->context.queue) : -1; /* then this batch goes, or we confirm */
    if (source->in_transaction)
        left_us = US_PER_S;
    else if (batch->n_records > 0)
        left_us = publishing ? age_left_us(source, batch, now_us) : batch->opened_mono_us + BULK_AGE_US - now_us;
    int64_t wait_ms = left_us <= 0 ? 0 : left_us / US_PER_MS + 1;
    TRY(pg_stream_wait(source->stream, queue_fd, (int)MIN(wait_ms, MS_PER_S), err));
    if (queue_fd >= 0) {
        uint64_t count;
        ssize_t n = read(queue_fd, &count, sizeof(count));
        (void)n; /* only to clear it */
    }
    TRY(pg_session_check_publisher(source, err));
    return look_around(source, err);
}

/* The publisher is free. A Kafka commit costs the same whatever it holds (librdkafka's main thread alone
 * turns for 2 to 3 ms in each transaction, measured with 2.0.2), so on a busy stream a batch is given a
 * moment to become worth one. */
static bool is_worth_a_commit(const struct source *source, const struct batch *batch, int64_t now_us)
{
    if (!batch_queue_is_idle(source->context.queue))
        return false;
    if (now_us - batch->opened_mono_us >= BULK_AGE_US)
        return true;
    return batch->n_records < BULK_RECORDS && !pg_stream_flows(source->stream);
}

/* Everything in the batch is of whole transactions: also when another one has begun and nothing of it is in.
 */
static bool is_at_commit(const struct source *source)
{
    return !source->in_transaction || source->emitter.ordinal == 0;
}

enum rc pg_streaming_fill(struct source *source, struct batch *batch, struct err *err)
{
    bool is_full = false;
    TRY(look_around(source, err));
    for (;;) {
        enum rc rc = take_next(source, batch, &is_full, err);
        bool at_commit = is_at_commit(source);
        if (rc != RC_OK && rc != RC_AGAIN)
            return rc;
        if (UNLIKELY(is_full || pg_session_is_full(batch)))
            return at_commit ? mark_commit(source, batch, err) : mark_partial(source, batch, err);
        if (rc == RC_OK && ++source->since_look < LOOK_EVERY && source->msg->type != PGOUTPUT_COMMIT)
            continue;

        int64_t now_us = clock_mono_us();
        bool has_whole = at_commit && batch->n_records > 0;
        if (has_whole && age_left_us(source, batch, now_us) <= 0)
            return mark_commit(source, batch, err);
        if (UNLIKELY(stop_requested()))
            return has_whole ? mark_commit(source, batch, err) : RC_AGAIN;
        if (rc == RC_OK) {
            if (source->since_look >= LOOK_EVERY)
                TRY(look_around(source, err));
            continue;
        }
        if (has_whole && is_worth_a_commit(source, batch, now_us))
            return mark_commit(source, batch, err);
        if (batch->n_records == 0 && is_heartbeat_due(source, now_us))
            return mark_idle(source, batch, err);
        TRY(wait_for_more(source, batch, now_us, err));
    }
}
