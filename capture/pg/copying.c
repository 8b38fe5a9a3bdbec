/* The first copy. The ledger hears of an attempt before its slot is made, so that a slot found later is known
 * to be ours; an attempt that died leaves rows behind, so the next one begins by truncating. */
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/stop.h"
#include "capture/pg/session.h"
#include "capture/publisher.h"

enum { ANNOUNCED_POLL_MS = 100 };

static enum rc mark_copying(struct source *source, struct batch *batch, bool cut, struct err *err)
{
    return pg_session_mark(source, batch, LEDGER_SNAPSHOT, cut, PG_CONFIRM_ANNOUNCED, err);
}

static enum rc announce(struct source *source, struct batch *batch, struct err *err)
{
    source->state.snapshot = PG_SNAPSHOT_COPYING;
    source->state.attempt++;
    source->state.end_lsn = source->state.commit_lsn = source->state.next_ordinal = 0;
    source->phase = PG_PHASE_PREPARE;
    return mark_copying(source, batch, false, err);
}

/* Until the announcement is committed to the ledger. */
static enum rc await_announced(struct source *source, struct err *err)
{
    for (;;) {
        bool idle = batch_queue_is_idle(source->context.queue); /* before the next look: it is set after the commit */
        if (publisher_committed(source->context.publisher) >= PG_CONFIRM_ANNOUNCED)
            return RC_OK;
        if (idle)
            return err_set(err, ERR_KAFKA_TRANSIENT, "the first copy could not be announced");
        if (stop_requested())
            return RC_AGAIN;
        struct pollfd fds[] = {{.fd = batch_queue_fd(source->context.queue), .events = POLLIN},
                               {.fd = stop_fd(), .events = POLLIN}};
        poll(fds, ARRAY_LEN(fds), ANNOUNCED_POLL_MS);
        uint64_t count;
        ssize_t n = read(batch_queue_fd(source->context.queue), &count, sizeof(count));
        (void)n; /* only to clear it */
    }
}

/* What an earlier attempt left: ours, the ledger named it before it was made. Before the first one there is
 * none. */
static enum rc drop_older_slot(struct source *source, struct err *err)
{
    struct pg_slot slot;
    TRY(pg_slot_read(source->conn, source->state.slot, &slot, err));
    if (!slot.exists)
        return RC_OK;
    if (!slot.is_ours_by_kind)
        return err_set(err, ERR_PG_SLOT_FOREIGN, "replication slot \"%s\" is not one of pgoutput in this database",
                       source->state.slot);
    if (source->state.attempt == 1)
        return err_set(err, ERR_PG_SLOT_FOREIGN, "replication slot \"%s\" was made by somebody else just now",
                       source->state.slot);
    TRY(pg_slot_release(source->conn, source->state.slot, source->application_name, err));
    return pg_slot_drop(source->conn, source->state.slot, err);
}

static enum rc open_snapshot(struct source *source, uint64_t *ret_point, struct err *err)
{
    char exported[PG_SNAPSHOT_NAME_BYTES];
    PGconn *conn;
    TRY(pg_slot_create(source->replication, source->state.slot, pg_slot_can_failover(source->conn, source->is_standby),
                       ret_point, exported, err));
    TRY(pg_source_connect(source->config, source->application_name, false, &conn, err));
    return pg_snapshot_open(conn, exported, source->tables, source->n_tables, &source->snapshot, err);
}

static enum rc take_tables(struct source *source, struct err *err)
{
    for (size_t i = 0; i < source->n_tables; i++) {
        struct pg_relation *relation;
        PGconn *conn = pg_snapshot_connection(source->snapshot);
        arena_reset(source->facts_arena);
        TRY(pg_catalog_relation(conn, &source->tables[i], source->facts_arena, &source->msg->relation, err));
        TRY(pg_session_take_relation(source, conn, &source->msg->relation, &relation, err));
    }
    return RC_OK;
}

static enum rc truncate_tables(struct source *source, struct batch *batch, struct err *err)
{
    for (size_t i = 0; i < source->n_tables; i++) {
        if (!pg_session_has_room(batch, 1))
            return err_set(err, ERR_MEMORY_LIMIT, "a batch has no room for a truncate of %zu tables", source->n_tables);
        TRY(pg_emit_truncate(&source->emitter, pg_relcache_find(source->relcache, source->tables[i].oid), batch, err));
    }
    return RC_OK;
}

/* A transaction whose commit record begins right at the consistent point is not in the snapshot, so the rows'
 * position is the one just before it. */
static enum rc prepare(struct source *source, struct batch *batch, struct err *err)
{
    uint64_t point;
    TRY(await_announced(source, err));
    TRY(drop_older_slot(source, err));
    TRY(open_snapshot(source, &point, err));
    log_info("snapshot_started", LOG_STR("source", source->context.source->name), LOG_U64("tables", source->n_tables),
             LOG_U64("attempt", source->state.attempt));
    source->state.end_lsn = point;
    source->state.commit_lsn = point - 1;
    source->emitter.major = point - 1;
    source->emitter.ordinal = 0;
    source->emitter.skip_below = 0;
    source->emitter.lsn = point;
    source->emitter.xid = 0;
    source->emitter.snapshot = true;
    source->emitter.now_us = source->emitter.commit_time_us = clock_wall_us();
    source->commit_time_us = source->emitter.commit_time_us;
    TRY(take_tables(source, err));
    if (source->state.attempt > 1)
        TRY(truncate_tables(source, batch, err));
    source->next_table = 0;
    source->phase = PG_PHASE_COPY;
    return RC_OK;
}

static enum rc wait_for_rows(struct source *source, int64_t timeout_ms)
{
    struct pollfd fds[] = {{.fd = PQsocket(pg_snapshot_connection(source->snapshot)), .events = POLLIN},
                           {.fd = stop_fd(), .events = POLLIN}};
    poll(fds, ARRAY_LEN(fds), (int)timeout_ms);
    return RC_OK;
}

static enum rc begin_table(struct source *source, struct err *err)
{
    const struct pg_table *table = &source->tables[source->next_table];
    PGconn *conn = pg_snapshot_connection(source->snapshot);
    arena_reset(source->facts_arena);
    TRY(pg_catalog_relation(conn, table, source->facts_arena, &source->msg->relation, err));
    TRY(pg_snapshot_begin(source->snapshot, table, &source->msg->relation, err));
    source->copied = pg_relcache_find(source->relcache, table->oid);
    source->copying = true;
    return RC_OK;
}

static enum rc add_row(struct source *source, struct batch *batch, struct err *err)
{
    enum rc rc;
    while ((rc = pg_emit_read(&source->emitter, source->copied, &source->msg->new_tuple, batch, err)) == RC_AGAIN)
        TRY(pg_session_relax(source, source->copied, err));
    return rc;
}

/* Rows until the batch is full or old, or the tables are done. */
static enum rc copy_rows(struct source *source, struct batch *batch, struct err *err)
{
    size_t counted = batch->n_records;
    int64_t end_us = clock_mono_us() + source->context.source->batch_max_age_ms * US_PER_MS;
    while (source->next_table < source->n_tables && pg_session_has_room(batch, 1)) {
        bool end;
        if (!source->copying)
            TRY(begin_table(source, err));
        enum rc rc = pg_snapshot_next(source->snapshot, &source->msg->new_tuple, &end, err);
        if (rc == RC_AGAIN) {
            int64_t left_us = end_us - clock_mono_us();
            if (left_us <= 0 && batch->n_records > 0)
                break;
            if (stop_requested())
                return RC_AGAIN;
            TRY(wait_for_rows(source, left_us <= 0 ? ANNOUNCED_POLL_MS : left_us / US_PER_MS + 1));
            continue;
        }
        TRY(rc);
        if (!end) {
            TRY(add_row(source, batch, err));
            continue;
        }
        metric_add(METRIC_capture_snapshot_rows_total, (double)(batch->n_records - counted), source->copied->topic,
                   NULL);
        counted = batch->n_records;
        source->copying = false;
        source->next_table++;
    }
    if (source->copying)
        metric_add(METRIC_capture_snapshot_rows_total, (double)(batch->n_records - counted), source->copied->topic,
                   NULL);
    return RC_OK;
}

static enum rc finish(struct source *source, struct batch *batch, struct err *err)
{
    log_info("snapshot_done", LOG_STR("source", source->context.source->name),
             LOG_U64("rows", source->emitter.ordinal));
    pg_snapshot_free(source->snapshot);
    source->snapshot = NULL;
    source->emitter.snapshot = false;
    source->state.snapshot = PG_SNAPSHOT_DONE;
    source->phase = PG_PHASE_STREAM;
    return pg_session_mark(source, batch, LEDGER_SNAPSHOT, true, source->state.end_lsn, err);
}

enum rc pg_copying_fill(struct source *source, struct batch *batch, struct err *err)
{
    if (source->phase == PG_PHASE_ANNOUNCE)
        return announce(source, batch, err);
    if (source->phase == PG_PHASE_PREPARE)
        TRY(prepare(source, batch, err));
    TRY(pg_session_check_publisher(source, err));
    source->emitter.now_us = clock_wall_us();
    TRY(copy_rows(source, batch, err));
    source->pos = (struct position){source->emitter.major,
                                    source->emitter.ordinal == 0 ? 0 : source->emitter.ordinal - 1};
    if (source->next_table == source->n_tables)
        return finish(source, batch, err);
    return mark_copying(source, batch, true, err);
}
