/* PostgreSQL as a kind of source: checks, opening and closing of a session. docs/postgresql.md tells the
 * story. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/stop.h"
#include "capture/pg/lsn.h"
#include "capture/pg/session.h"
#include "capture/publisher.h"
#include "proto/topic.h"

enum {
    TABLES_ARENA_BYTES = 64 << 20,
    FACTS_ARENA_BYTES = 16 << 20,
    STATE_MAX_BYTES = 2048,
    ORIGIN_MAX_BYTES = 64 << 10,
};

/* ---- what the parts share ---- */

enum rc pg_session_mark(struct source *source, struct batch *batch, enum ledger_kind kind, bool cut, uint64_t confirm,
                        struct err *err)
{
    struct buf out = arena_open(batch->arena);
    pg_state_encode(&source->state, &out);
    struct slice state = arena_close(batch->arena, &out);
    if (state.ptr == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "a batch has no room for its ledger record");
    batch->mark = (struct batch_mark){.kind = kind,
                                      .cut = cut,
                                      .pos = source->pos,
                                      .commit_time_us = source->commit_time_us,
                                      .confirm = confirm,
                                      .state = state};
    source->handed_confirm = confirm;
    source->marked_mono_us = clock_mono_us();
    if (source->stream != NULL)
        metric_set(METRIC_capture_unconfirmed_bytes,
                   (double)(MAX(pg_stream_wal_end(source->stream), source->state.end_lsn) -
                            pg_stream_confirmed(source->stream)),
                   source->context.source->name, NULL);
    return RC_OK;
}

enum rc pg_session_check_publisher(const struct source *source, struct err *err)
{
    bool idle = batch_queue_is_idle(source->context.queue); /* before the next look: it is set after the commit */
    if (idle && publisher_committed(source->context.publisher) < source->handed_confirm)
        return err_set(err, ERR_KAFKA_TRANSIENT, "the publishing stage ended before the last batch was committed");
    return RC_OK;
}

/* Small rows have records as large as themselves: both count, so that the bound is one of memory. */
bool pg_session_is_full(const struct batch *batch)
{
    return batch_is_full(batch) ||
           arena_used(batch->arena) + batch->n_records * sizeof(*batch->records) >= batch->max_bytes;
}

bool pg_session_has_room(const struct batch *batch, size_t n)
{
    return batch->n_records + n <= batch->max_records && !pg_session_is_full(batch);
}

/* ---- checks: read only ---- */

/* What a session finds out before it changes anything. */
struct findings {
    struct pg_state ledger; /* snapshot NONE: the ledger has no position */
    struct pg_state server; /* identity only */
    struct pg_slot slot;
    bool publication_exists;
};

static enum rc check_publication(struct source *source, const struct findings *found, struct err *err)
{
    const struct config_postgresql *config = source->config;
    if (!found->publication_exists) {
        if (found->ledger.snapshot == PG_SNAPSHOT_DONE)
            return err_set(err, ERR_PG_PUBLICATION_MISSING,
                           "publication \"%s\" does not exist, although the ledger has a position: what it left out "
                           "meanwhile cannot be known",
                           config->publication);
        if (!config->publication_create)
            return err_set(err, ERR_PG_PUBLICATION_MISSING, "publication \"%s\" does not exist", config->publication);
        if (config->tables.n == 0)
            return err_set(err, ERR_PG_PUBLICATION_MISSING,
                           "publication \"%s\" does not exist, and there are no `tables` to make it for",
                           config->publication);
    }
    return pg_catalog_tables(source->conn, config, config->publication, found->publication_exists,
                             found->ledger.snapshot == PG_SNAPSHOT_DONE, source->tables_arena, &source->tables,
                             &source->n_tables, err);
}

static enum rc inspect(struct source *source, const struct ledger_record *last, struct findings *found, struct err *err)
{
    const struct config_postgresql *config = source->config;
    if (last != NULL)
        TRY(pg_state_decode(last->state, &found->ledger, err));
    TRY(pg_source_connect(config, source->application_name, false, &source->conn, err));
    TRY(pg_slot_read(source->conn, config->slot, &found->slot, err));
    TRY(pg_server_check(source->conn, !found->slot.exists && found->ledger.snapshot != PG_SNAPSHOT_DONE, err));
    TRY(pg_source_connect(config, source->application_name, true, &source->replication, err));
    TRY(pg_server_identity(source->replication, source->conn, config->slot, config->publication, &found->server, err));
    if (found->ledger.snapshot != PG_SNAPSHOT_NONE)
        TRY(pg_state_check_identity(&found->ledger, &found->server, err));
    TRY(pg_publication_exists(source->conn, config->publication, &found->publication_exists, err));
    TRY(check_publication(source, found, err));
    TRY(pg_slot_check(&found->slot, &found->ledger, config->slot, err));
    if (found->slot.active_pid != 0 && strcmp(found->slot.application_name, source->application_name) != 0)
        return err_set(err, ERR_PG_SLOT_ACTIVE, "replication slot \"%s\" is read by process %d (\"%s\", from %s)",
                       config->slot, found->slot.active_pid, found->slot.application_name, found->slot.client);
    return RC_OK;
}

static void source_close(struct source *source);

static struct source *source_new(const struct source_context *context)
{
    struct source *source = calloc(1, sizeof(*source));
    if (source == NULL)
        abort();
    source->context = *context;
    source->config = &context->source->postgresql;
    source->tables_arena = arena_new(TABLES_ARENA_BYTES);
    pg_application_name(source->application_name, context->config->prefix, context->source->name);
    return source;
}

static enum rc source_check(const struct source_context *context, const struct ledger_record *last, struct err *err)
{
    struct findings found = {0};
    struct source *source = source_new(context);
    enum rc rc = inspect(source, last, &found, err);
    source_close(source);
    return rc;
}

/* ---- opening ---- */

static enum rc open_emitter(struct source *source, struct err *err)
{
    char rejects[TOPIC_NAME_BYTES];
    const struct config *config = source->context.config;
    topic_of_rejects(rejects, config->prefix);
    source->emitter = (struct pg_emitter){.source = source->context.source->name,
                                          .prefix = config->prefix,
                                          .tombstones = source->config->tombstones_on_delete,
                                          .origin = buf_new(ORIGIN_MAX_BYTES),
                                          .scratch = buf_new((size_t)config->kafka.message_max_bytes * 8)};
    return publisher_topic(source->context.publisher, rejects, &source->emitter.rejects_topic, err);
}

static enum rc open_session(struct source *source, const struct ledger_record *last, struct err *err)
{
    struct findings found = {0};
    TRY(inspect(source, last, &found, err));
    TRY(open_emitter(source, err));
    bool resumes = found.ledger.snapshot == PG_SNAPSHOT_DONE;
    if (resumes)
        TRY(pg_slot_release(source->conn, source->config->slot, source->application_name, err));
    if (!found.publication_exists)
        TRY(pg_publication_create(source->conn, source->config->publication, source->tables, source->n_tables, err));
    source->state = found.ledger.snapshot == PG_SNAPSHOT_NONE ? found.server : found.ledger;
    source->phase = resumes ? PG_PHASE_STREAM : PG_PHASE_ANNOUNCE;
    source->emitter.previous_end = resumes ? source->state.end_lsn : 0;
    if (last != NULL) {
        source->pos = last->pos;
        source->commit_time_us = last->commit_time_us;
    }
    return resumes ? pg_streaming_start(source, err) : RC_OK;
}

static enum rc source_open(const struct source_context *context, const struct ledger_record *last,
                           struct source **ret_source, struct err *err)
{
    struct source *source = source_new(context);
    source->facts_arena = arena_new(FACTS_ARENA_BYTES);
    source->relcache = pg_relcache_new();
    source->msg = malloc(sizeof(*source->msg));
    if (source->msg == NULL)
        abort();
    enum rc rc = open_session(source, last, err);
    if (rc != RC_OK) {
        source_close(source);
        return rc;
    }
    *ret_source = source;
    return RC_OK;
}

/* ---- the other operations ---- */

static enum rc source_fill(struct source *source, struct batch *batch, struct err *err)
{
    if (source->phase != PG_PHASE_STREAM)
        return pg_copying_fill(source, batch, err);
    if (source->stream == NULL)
        TRY(pg_streaming_start(source, err));
    return pg_streaming_fill(source, batch, err);
}

static enum rc source_idle(struct source *source, struct err *err)
{
    return source->stream == NULL ? RC_OK : pg_streaming_tend(source, err);
}

static void source_close(struct source *source)
{
    struct err err;
    if (source->stream != NULL) {
        pg_stream_confirm(source->stream, publisher_committed(source->context.publisher));
        enum rc rc = pg_stream_flush(source->stream, &err);
        (void)rc; /* the connection may be what failed */
    }
    pg_streaming_end(source);
    pg_stream_free(source->stream);
    pg_snapshot_free(source->snapshot);
    pg_relcache_free(source->relcache);
    buf_done(&source->emitter.scratch);
    buf_done(&source->emitter.origin);
    arena_free(source->facts_arena);
    arena_free(source->tables_arena);
    PQfinish(source->replication);
    PQfinish(source->conn);
    free(source->msg);
    free(source);
}

const struct source_ops pg_source_ops = {
    .check = source_check,
    .open = source_open,
    .fill = source_fill,
    .idle = source_idle,
    .close = source_close,
};
