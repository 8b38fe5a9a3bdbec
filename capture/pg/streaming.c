/* From the replication stream into batches: whole transactions where they fit, parts of them where they do
 * not.
 *
 * What the server sends of a transaction before its end goes to the spool. At its commit the spool is the stream until
 * it is empty: from then on nothing differs from a transaction that came as a whole, its ordinals included, for the
 * server sends the same changes in the same order either way. */
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/reader.h"
#include "base/stop.h"
#include "capture/pg/copy_catalog.h"
#include "capture/pg/session.h"
#include "capture/pg/transfer.h"
#include "capture/publisher.h"

enum {
    LOOK_EVERY = 256,                 /* messages between two looks at clocks, feedback and the stop flag */
    MESSAGE_MIN_MAX_BYTES = 64 << 20, /* a row's text may have this much, or eight times the largest record */
    PACE_US = 16 * US_PER_MS,         /* at least, between two batches of a stream that is quiet otherwise */
    FEW_RECORDS = 5,                  /* ... and has not brought more than this */
    GATHER_US = 7 * US_PER_MS,        /* while more keeps coming, a batch gathers this long, ... */
    BULK_RECORDS = 500,               /* ... and when it has so many by then, */
    BULK_GATHER_US = 50 * US_PER_MS,  /* this long: nobody waits for a single event of a flood */
    OFF_FIRST_MS = 5 * MS_PER_S,      /* without streaming for so long at first, ... */
    OFF_MAX_MS = 3600 * MS_PER_S,     /* ... twice as long each time, up to this */
    OFF_LOOK_US = US_PER_S,
    SHUTDOWN_IDLE_US = 500 * US_PER_MS, /* a server that asks gets a position this often */
};

enum rc pg_streaming_start(struct source *source, struct err *err)
{
    const struct config_postgresql *config = source->config;
    TRY(pg_transfer_choose(source, err));
    source->outbox = pg_outbox_of(source->context.config, config, source->context.registry, source->context.publisher);
    const struct pg_stream_options options = {
        .slot = source->state.slot,
        .publication = source->state.publication,
        .start_lsn = source->state.end_lsn,
        .sender_timeout_ms = source->sender_timeout_ms,
        .silence_max_ms = source->config->silence_max_ms,
        .max_message_bytes = MAX((size_t)source->context.config->kafka.message_max_bytes * 8, MESSAGE_MIN_MAX_BYTES),
        .streaming = config->streaming && !source->context.notes->streaming.is_off,
        .binary = source->binary,
        .messages = pg_outbox_is_wanted(&source->outbox),
        .origin = config->origin};
    PGconn *conn = source->replication;
    source->replication = NULL; /* the stream's, whatever happens */
    source->marked_mono_us = clock_mono_us();
    source->watched_mono_us = clock_mono_us();
    source->is_first_batch = true;
    source->spool = pg_spool_new(config->spool_dir, (uint64_t)config->spool_max_bytes);
    return pg_stream_start(conn, &options, &source->stream, err);
}

void pg_streaming_end(struct source *source)
{
    pg_outbox_done(&source->outbox);
    pg_spool_free(source->spool);
    source->spool = NULL;
    metric_set(METRIC_capture_spool_bytes, 0, source->context.source->name, NULL);
}

enum rc pg_streaming_tend(struct source *source, struct err *err)
{
    TRY(pg_session_check_server(source, err));
    pg_stream_confirm(source->stream, publisher_committed(source->context.publisher));
    return pg_stream_tend(source->stream, err);
}

/* ---- messages ---- */

/* All of what has this position is in Kafka, or in a batch on the way. */
static bool is_published(const struct source *source, uint64_t major)
{
    const struct pg_state *state = &source->state;
    return major < state->commit_lsn || (major == state->commit_lsn && state->next_ordinal == 0);
}

/* An older leat gave a plain message the end of its record as position, which the commit record behind it may have,
 * too. Whose position is in the ledger shows where the stream begins: at the end of a commit that was published, unless
 * a prepare held it back, which has come again by now. */
static bool is_transaction_published(const struct source *source, uint64_t commit_lsn)
{
    const struct pg_state *state = &source->state;
    bool is_messages = commit_lsn == state->commit_lsn && state->end_lsn <= commit_lsn &&
                       pg_spool_oldest_prepared(source->spool) > commit_lsn;
    return !is_messages && is_published(source, commit_lsn);
}

/* The last byte of the message's record: no commit record begins there, no other record ends there. Where it ends
 * (that is the LSN that the server gives it) the commit record of a transaction may begin. */
static uint64_t position_of_plain(const struct pgoutput_logical *message)
{
    return message->lsn - 1;
}

static void take_begin(struct source *source, const struct pgoutput_begin *begin)
{
    const struct pg_state *state = &source->state;
    source->in_transaction = true;
    source->skips_transaction = is_transaction_published(source, begin->final_lsn);
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
    if (source->msg->type == PGOUTPUT_UPDATE)
        TRY(pg_copying_complete(source, relation, err));
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

/* One that belongs to no transaction is a transaction of its own, of one event: it comes when the server reads it in
 * its log, between the commits before and behind it, and its own place is its identity. It has no end that we could
 * confirm; the next commit or keepalive has. */
static enum rc take_plain_logical(struct source *source, uint64_t lsn, struct batch *batch, struct err *err)
{
    const struct pgoutput_logical *message = &source->msg->logical;
    uint64_t major = position_of_plain(message);
    if (source->in_transaction)
        return err_set(err, ERR_PGOUTPUT_MALFORMED, "a logical message of no transaction inside one");
    if (is_published(source, major))
        return RC_OK;
    take_begin(source, &(struct pgoutput_begin){.final_lsn = major, .commit_time_us = source->emitter.now_us});
    source->in_transaction = false;
    source->emitter.lsn = lsn;
    source->emitter.previous_end = message->lsn; /* Debezium counts it as a commit, its own too */
    TRY(pg_outbox_emit(&source->outbox, &source->emitter, message, batch, err));
    source->state.commit_lsn = major;
    source->state.next_ordinal = 0;
    source->pos = (struct position){major, 0};
    source->commit_time_us = source->emitter.now_us;
    return RC_OK;
}

static enum rc take_logical(struct source *source, uint64_t lsn, struct batch *batch, struct err *err)
{
    const struct pgoutput_logical *message = &source->msg->logical;
    if ((message->flags & PGOUTPUT_MESSAGE_TRANSACTIONAL) == 0)
        source->emitter.previous_end = lsn; /* Debezium counts it as a commit */
    if (!pg_outbox_takes(&source->outbox, message->prefix))
        return RC_OK;
    if ((message->flags & PGOUTPUT_MESSAGE_TRANSACTIONAL) == 0)
        return take_plain_logical(source, lsn, batch, err);
    if (!source->in_transaction)
        return err_set(err, ERR_PGOUTPUT_MALFORMED, "a transaction's logical message outside of one");
    if (source->skips_transaction)
        return RC_OK;
    source->emitter.lsn = lsn;
    return pg_outbox_emit(&source->outbox, &source->emitter, message, batch, err);
}

/* ---- transactions that come before they end ---- */

static enum rc unknown(struct err *err, const char *what, uint32_t xid)
{
    return err_set(err, ERR_PGOUTPUT_MALFORMED, "%s of transaction %u, of which nothing was sent", what, xid);
}

/* Then the next session does without: the server keeps what is open, and knows what was rolled back. */
static enum rc spool_failed(struct source *source, enum rc rc, const struct err *err)
{
    struct source_notes *notes = source->context.notes;
    if (err->code != ERR_PG_SPOOL_FULL && err->code != ERR_PG_MESSAGE_UNCLEAR)
        return rc;
    int64_t pause_ms = notes->streaming.pause_ms == 0 ? OFF_FIRST_MS
                                                      : MIN(notes->streaming.pause_ms * 2, (int64_t)OFF_MAX_MS);
    notes->streaming.is_off = true;
    notes->streaming.pause_ms = pause_ms;
    notes->streaming.until_mono_us = clock_mono_us() + pause_ms * US_PER_MS;
    notes->streaming.xid = notes->streaming.lsn = 0;
    return rc;
}

/* What had no room is over when every transaction that was open then has ended, and Kafka has what the log held by then:
 * before that the server would send it in parts once more. */
static enum rc look_for_streaming(struct source *source, struct err *err)
{
    struct source_notes *notes = source->context.notes;
    int64_t now_us = clock_mono_us();
    uint64_t oldest, next;
    if (LIKELY(!notes->streaming.is_off) || now_us < notes->streaming.until_mono_us)
        return RC_OK;
    notes->streaming.until_mono_us = now_us + OFF_LOOK_US;
    if (notes->streaming.lsn == 0) {
        TRY(pg_copy_catalog_running(source->conn, &oldest, &next, err));
        if (notes->streaming.xid == 0)
            notes->streaming.xid = next;
        if (oldest >= notes->streaming.xid)
            TRY(pg_copy_catalog_wal_end(source->conn, &notes->streaming.lsn, err));
    }
    if (notes->streaming.lsn == 0 || publisher_committed(source->context.publisher) < notes->streaming.lsn)
        return RC_OK;
    notes->streaming.is_off = false;
    return err_set(err, ERR_PG_STREAMING_AGAIN, "the transactions that had no room in the spool have ended");
}

static enum rc take_stream_start(struct source *source, const struct pgoutput_stream_start *start, struct err *err)
{
    source->spooling = start->is_first ? pg_spool_add(source->spool, start->xid)
                                       : pg_spool_find(source->spool, start->xid);
    return source->spooling == NULL ? unknown(err, "a second part", start->xid) : RC_OK;
}

static enum rc end_spooling(struct source *source, struct err *err)
{
    source->spooling = NULL;
    source->spools_prepared = false;
    metric_set(METRIC_capture_spool_bytes, (double)pg_spool_bytes(source->spool), source->context.source->name, NULL);
    enum rc rc = pg_spool_flush(source->spool, err);
    return rc == RC_OK ? RC_OK : spool_failed(source, rc, err);
}

static void drop_spooled(struct source *source, struct pg_spool_txn *txn)
{
    pg_spool_drop(source->spool, txn);
    metric_set(METRIC_capture_spool_bytes, (double)pg_spool_bytes(source->spool), source->context.source->name, NULL);
}

static enum rc take_stream_abort(struct source *source, const struct pgoutput_stream_abort *aborted, struct err *err)
{
    struct pg_spool_txn *txn = pg_spool_find(source->spool, aborted->xid);
    if (txn == NULL)
        return RC_OK;
    if (aborted->subxid != aborted->xid) {
        enum rc rc = pg_spool_cut(source->spool, txn, aborted->subxid, err);
        return rc == RC_OK ? RC_OK : spool_failed(source, rc, err);
    }
    drop_spooled(source, txn);
    return RC_OK;
}

/* From here on what was spooled is what comes: as if the server had sent it now, all at once. */
static enum rc replay(struct source *source, uint32_t xid, const struct pgoutput_commit *commit, struct err *err)
{
    struct pg_spool_txn *txn = pg_spool_find(source->spool, xid);
    if (txn == NULL)
        return is_transaction_published(source, commit->commit_lsn) ? RC_OK : unknown(err, "the commit", xid);
    pg_spool_rewind(source->spool, txn);
    source->replaying = txn;
    source->replayed = *commit;
    take_begin(source, &(struct pgoutput_begin){
                           .final_lsn = commit->commit_lsn, .commit_time_us = commit->commit_time_us, .xid = xid});
    return RC_OK;
}

/* A slot with two_phase (leat makes none) sends a prepared transaction at its PREPARE and then never again: it waits
 * here, and no position behind its prepare is confirmed. */
static enum rc take_prepared(struct source *source, const struct pgoutput_msg *msg, struct err *err)
{
    const struct pgoutput_prepare *prepare = &msg->prepare;
    const struct pgoutput_commit commit = {
        .commit_lsn = prepare->lsn, .end_lsn = prepare->end_lsn, .commit_time_us = prepare->time_us};
    struct pg_spool_txn *txn = NULL;
    switch ((int)msg->type) {
    case PGOUTPUT_BEGIN_PREPARE:
        source->spooling = pg_spool_add(source->spool, prepare->xid);
        source->spools_prepared = true;
        return RC_OK;
    case PGOUTPUT_COMMIT_PREPARED: return replay(source, prepare->xid, &commit, err);
    case PGOUTPUT_ROLLBACK_PREPARED: txn = pg_spool_find(source->spool, msg->rollback_prepared.xid); break;
    default: /* prepare, stream prepare */
        txn = pg_spool_find(source->spool, prepare->xid);
        if (txn == NULL)
            return unknown(err, "the prepare", prepare->xid);
        pg_spool_set_prepared(txn, prepare->lsn);
        return RC_OK;
    }
    if (txn != NULL)
        drop_spooled(source, txn);
    return RC_OK;
}

/* A logical message that is not taken is not kept either. */
static bool is_unwanted(const struct source *source, const struct pgoutput_streamed *streamed)
{
    if (streamed->type != PGOUTPUT_MESSAGE)
        return streamed->type == PGOUTPUT_TYPE;
    struct reader r = reader_of(streamed->body);
    reader_u8(&r);  /* flags */
    reader_u64(&r); /* LSN */
    struct slice prefix = reader_cstr(&r);
    return prefix.ptr != NULL && !pg_outbox_takes(&source->outbox, (const char *)prefix.ptr);
}

static enum rc spool_message(struct source *source, struct slice message, uint64_t lsn, struct err *err)
{
    struct pgoutput_streamed streamed = {.type = message.ptr[0], .body = slice_of(message.ptr + 1, message.len - 1)};
    if (!source->spools_prepared)
        TRY(pgoutput_split_streamed(message, &streamed, err));
    if (is_unwanted(source, &streamed))
        return RC_OK;
    if (streamed.type == PGOUTPUT_MESSAGE)
        streamed.xid = 0; /* the server gives the whole transaction's, also inside a savepoint */
    enum rc rc = pg_spool_append(source->spool, source->spooling, streamed.xid, lsn, streamed.type, streamed.body, err);
    return rc == RC_OK ? RC_OK : spool_failed(source, rc, err);
}

/* Between stream start and stop, or begin prepare and prepare. */
static enum rc take_spooled(struct source *source, struct slice message, uint64_t lsn, struct err *err)
{
    uint8_t last = source->spools_prepared ? PGOUTPUT_PREPARE : PGOUTPUT_STREAM_STOP;
    if (LIKELY(message.len > 0 && message.ptr[0] != last))
        return spool_message(source, message, lsn, err);
    TRY(pgoutput_decode(message, source->msg, err));
    TRY(end_spooling(source, err));
    return last == PGOUTPUT_PREPARE ? take_prepared(source, source->msg, err) : RC_OK;
}

/* ---- messages ---- */

static enum rc outside(struct err *err, const struct pgoutput_msg *msg)
{
    return err_set(err, ERR_PGOUTPUT_MALFORMED, "a message of type '%c' outside of a transaction", (int)msg->type);
}

/* Begins of any kind, and what ends what is not under way. */
static enum rc take_between(struct source *source, const struct pgoutput_msg *msg, struct err *err)
{
    if (source->in_transaction)
        return err_set(err, ERR_PGOUTPUT_MALFORMED, "a message of type '%c' inside a transaction", (int)msg->type);
    switch ((int)msg->type) {
    case PGOUTPUT_BEGIN: take_begin(source, &msg->begin); return RC_OK;
    case PGOUTPUT_STREAM_START: return take_stream_start(source, &msg->stream_start, err);
    case PGOUTPUT_STREAM_COMMIT: return replay(source, msg->commit.xid, &msg->commit, err);
    case PGOUTPUT_STREAM_ABORT: return take_stream_abort(source, &msg->stream_abort, err);
    case PGOUTPUT_STREAM_STOP:
    case PGOUTPUT_PREPARE: return outside(err, msg);
    default: return take_prepared(source, msg, err);
    }
}

/* source->msg is decoded; the batch has room for it. */
static enum rc take_message(struct source *source, uint64_t lsn, struct batch *batch, struct err *err)
{
    struct pgoutput_msg *msg = source->msg;
    switch (msg->type) {
    case PGOUTPUT_COMMIT:
        if (!source->in_transaction)
            return outside(err, msg);
        take_commit(source, &msg->commit);
        return RC_OK;
    case PGOUTPUT_RELATION: break; /* take_relation */
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
    case PGOUTPUT_TYPE: return RC_OK;
    case PGOUTPUT_MESSAGE: return take_logical(source, lsn, batch, err);
    case PGOUTPUT_BEGIN:
    case PGOUTPUT_STREAM_START:
    case PGOUTPUT_STREAM_STOP:
    case PGOUTPUT_STREAM_COMMIT:
    case PGOUTPUT_STREAM_ABORT:
    case PGOUTPUT_BEGIN_PREPARE:
    case PGOUTPUT_PREPARE:
    case PGOUTPUT_COMMIT_PREPARED:
    case PGOUTPUT_ROLLBACK_PREPARED:
    case PGOUTPUT_STREAM_PREPARE: return take_between(source, msg, err);
    }
    return err_set(err, ERR_BUG, "a message of type '%c' was decoded and not taken", (int)msg->type);
}

static size_t records_of(const struct pgoutput_msg *msg)
{
    return msg->type == PGOUTPUT_TRUNCATE ? msg->truncate.n_relations : PG_EMIT_MAX_RECORDS_A_ROW;
}

/* The next message of the spool; at its end the commit that was waiting for it. */
static enum rc next_replayed(struct source *source, struct slice *ret_message, uint64_t *ret_lsn, struct err *err)
{
    enum rc rc = pg_spool_next(source->spool, ret_message, ret_lsn, err);
    if (rc != RC_AGAIN)
        return rc;
    drop_spooled(source, source->replaying);
    source->replaying = NULL;
    source->msg->type = PGOUTPUT_COMMIT;
    source->msg->commit = source->replayed;
    return RC_AGAIN;
}

/* Everything in the batch is of whole transactions: also when another one has begun and nothing of it is in.
 */
static bool is_at_commit(const struct source *source)
{
    return !source->in_transaction || source->emitter.ordinal == 0;
}

static enum rc keep_for_next(struct source *source, struct slice message, uint64_t lsn, bool *ret_full)
{
    source->pending = message;
    source->pending_lsn = lsn;
    *ret_full = true;
    return RC_OK;
}

/* The registry may have to be waited for: what is whole before it goes first. */
static enum rc take_relation(struct source *source, struct slice message, uint64_t lsn, const struct batch *batch,
                             bool *ret_full, struct err *err)
{
    struct pg_relation *relation;
    arena_reset(source->facts_arena);
    source->holds_whole = batch->n_records > 0 && is_at_commit(source);
    enum rc rc = pg_session_take_relation(source, source->conn, &source->msg->relation, &relation, err);
    source->holds_whole = false;
    if (rc == RC_OK)
        return pg_transfer_check(source, relation, err);
    if (rc != RC_AGAIN || !source->let_go)
        return rc;
    source->let_go = false;
    return keep_for_next(source, message, lsn, ret_full);
}

/* The same before the first logical message that is taken. */
static enum rc announce_messages(struct source *source, struct slice message, uint64_t lsn, const struct batch *batch,
                                 bool *ret_full, struct err *err)
{
    if (pg_outbox_is_announced(&source->outbox) || !pg_outbox_takes(&source->outbox, source->msg->logical.prefix))
        return RC_OK;
    source->holds_whole = batch->n_records > 0 && is_at_commit(source);
    enum rc rc = pg_session_announce_messages(source, err);
    source->holds_whole = false;
    if (rc != RC_AGAIN || !source->let_go)
        return rc;
    source->let_go = false;
    return keep_for_next(source, message, lsn, ret_full);
}

/* Of the transaction that the message opens, or that it is; 0: it opens none. */
static uint64_t commit_lsn_of(const struct pgoutput_msg *msg)
{
    switch ((int)msg->type) {
    case PGOUTPUT_BEGIN: return msg->begin.final_lsn;
    case PGOUTPUT_STREAM_COMMIT: return msg->commit.commit_lsn;
    case PGOUTPUT_COMMIT_PREPARED: return msg->prepare.lsn;
    case PGOUTPUT_MESSAGE:
        return (msg->logical.flags & PGOUTPUT_MESSAGE_TRANSACTIONAL) == 0 ? position_of_plain(&msg->logical) : 0;
    default: return 0;
    }
}

static enum rc take_decoded(struct source *source, struct slice message, uint64_t lsn, struct batch *batch,
                            bool *ret_full, struct err *err)
{
    size_t records = records_of(source->msg);
    source->joined = UNLIKELY(source->join_lsn != UINT64_MAX) && commit_lsn_of(source->msg) >= source->join_lsn;
    if (UNLIKELY(source->joined || (!pg_session_has_room(batch, records) && batch->n_records > 0)))
        return keep_for_next(source, message, lsn, ret_full);
    if (records > batch->max_records)
        return err_set(err, ERR_MEMORY_LIMIT, "a truncate of %zu tables does not fit a batch", records);
    if (UNLIKELY(source->msg->type == PGOUTPUT_RELATION))
        return take_relation(source, message, lsn, batch, ret_full, err);
    if (UNLIKELY(source->msg->type == PGOUTPUT_MESSAGE)) {
        TRY(announce_messages(source, message, lsn, batch, ret_full, err));
        if (*ret_full)
            return RC_OK;
    }
    return take_message(source, lsn, batch, err);
}

/* The next message into the batch. RC_AGAIN: the socket is dry; *ret_full: it waits for the next batch, or for the
 * window of the copy that its transaction is not in. */
static enum rc take_next(struct source *source, struct batch *batch, bool *ret_full, struct err *err)
{
    struct slice message = source->pending;
    uint64_t lsn = source->pending_lsn;
    source->pending = (struct slice){0};
    source->joined = false;
    if (LIKELY(message.ptr == NULL)) {
        if (UNLIKELY(source->replaying != NULL)) {
            enum rc rc = next_replayed(source, &message, &lsn, err);
            if (rc == RC_AGAIN)
                return take_message(source, lsn, batch, err);
            if (rc != RC_OK)
                return rc;
        } else {
            enum rc rc = pg_stream_next(source->stream, &message, &lsn, err);
            if (rc != RC_OK)
                return rc == RC_AGAIN ? rc : pg_transfer_failed(source, rc, err);
        }
    }
    if (UNLIKELY(source->spooling != NULL))
        return take_spooled(source, message, lsn, err);
    TRY(pgoutput_decode(message, source->msg, err));
    return take_decoded(source, message, lsn, batch, ret_full, err);
}

/* ---- marks ---- */

/* The stream starts at end_lsn, and up to there the server may forget: never past a prepare that waits for its end. */
static void hold_back(struct source *source)
{
    source->state.end_lsn = MIN(source->state.end_lsn, pg_spool_oldest_prepared(source->spool));
}

static enum rc mark_commit(struct source *source, struct batch *batch, struct err *err)
{
    hold_back(source);
    return pg_session_mark(source, batch, LEDGER_STREAM, true, source->state.end_lsn, err);
}

/* Inside a transaction: what is before it may be forgotten, it itself comes again from its begin. */
static enum rc mark_partial(struct source *source, struct batch *batch, struct err *err)
{
    source->state.commit_lsn = source->emitter.major;
    source->state.next_ordinal = source->emitter.ordinal;
    source->pos = (struct position){source->emitter.major, source->emitter.ordinal - 1};
    hold_back(source);
    return pg_session_mark(source, batch, LEDGER_STREAM, false, source->state.end_lsn, err);
}

static enum rc mark_idle(struct source *source, struct batch *batch, struct err *err)
{
    source->state.end_lsn = MAX(source->state.end_lsn, pg_stream_wal_end(source->stream));
    hold_back(source);
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
    TRY(pg_copying_tend(source, err));
    TRY(pg_session_watch_publication(source, err));
    TRY(look_for_streaming(source, err));
    return pg_streaming_tend(source, err);
}

/* The stream is dry and the batch is empty: is it time to say where we are? */
static bool is_heartbeat_due(struct source *source, int64_t now_us)
{
    if (source->in_transaction)
        return false;
    if (source->marks_soon || heartbeat_left_us(source, now_us) <= 0)
        return true;
    return now_us - source->marked_mono_us >= SHUTDOWN_IDLE_US &&
           pg_stream_wal_end(source->stream) > source->state.end_lsn && batch_queue_is_idle(source->context.queue) &&
           pg_stream_take_asked(source->stream);
}

/* When a batch goes to a publisher that is free. A Kafka commit costs about the same whatever it holds: at a distance
 * from the last one it goes at once, for the sake of latency; close to it, or while more keeps coming, it is given a
 * moment to become worth one. */
static int64_t publish_at_us(const struct source *source, const struct batch *batch)
{
    if (source->is_first_batch) /* after a restart somebody may be waiting for a sign of life */
        return batch->opened_mono_us;
    if (batch->n_records >= BULK_RECORDS)
        return batch->opened_mono_us + BULK_GATHER_US;
    int64_t paced_us = MAX(batch->opened_mono_us, source->marked_mono_us + PACE_US);
    if (batch->n_records < FEW_RECORDS && !pg_stream_flows(source->stream))
        return paced_us;
    return MIN(paced_us, batch->opened_mono_us + GATHER_US);
}

static enum rc wait_for_more(struct source *source, const struct batch *batch, int64_t now_us, struct err *err)
{
    int64_t left_us = heartbeat_left_us(source, now_us);
    bool publishing = !batch_queue_is_idle(source->context.queue);
    int queue_fd = publishing ? batch_queue_fd(source->context.queue) : -1; /* then this batch goes, or we confirm */
    if (source->in_transaction)
        left_us = US_PER_S;
    else if (batch->n_records > 0)
        left_us = publishing ? age_left_us(source, batch, now_us) : publish_at_us(source, batch) - now_us;
    int64_t wait_ms = left_us <= 0 ? 0 : left_us / US_PER_MS + 1;
    TRY(pg_stream_wait(source->stream, queue_fd, (int)MIN(wait_ms, pg_copying_due_ms(source)), err));
    if (queue_fd >= 0) {
        uint64_t count;
        ssize_t n = read(queue_fd, &count, sizeof(count));
        (void)n; /* only to clear it */
    }
    TRY(pg_session_check_publisher(source, err));
    return look_around(source, err);
}

/* The stream is dry. */
static bool has_all_before(const struct source *source, uint64_t lsn)
{
    return !source->in_transaction && pg_stream_wal_end(source->stream) >= lsn;
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
        if (UNLIKELY(rc == RC_AGAIN && has_all_before(source, source->join_lsn)))
            source->joined = true;
        if (UNLIKELY(source->joined))
            return batch->n_records > 0 ? mark_commit(source, batch, err) : RC_OK;
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
            if (batch->n_records == 0 && heartbeat_left_us(source, now_us) <= 0 && !source->in_transaction)
                return mark_idle(source, batch, err);
            continue;
        }
        if (has_whole && batch_queue_is_idle(source->context.queue) && publish_at_us(source, batch) <= now_us)
            return mark_commit(source, batch, err);
        if (batch->n_records == 0 && is_heartbeat_due(source, now_us))
            return mark_idle(source, batch, err);
        TRY(wait_for_more(source, batch, now_us, err));
    }
}
