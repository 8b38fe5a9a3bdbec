/* The ledger hears of the first copy before its slot is made, so that a slot found later is known to be ours. From the
 * first rows on it has a position, and everything that follows is like any other window. */
#include "capture/pg/copying.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "base/stop.h"
#include "capture/pg/copiers.h"
#include "capture/pg/copy_catalog.h"
#include "capture/pg/copy_requests.h"
#include "capture/pg/fill.h"
#include "capture/pg/session.h"
#include "capture/pg/window.h"
#include "capture/publisher.h"

enum {
    ANNOUNCED_POLL_MS = 100,
    ROWS_POLL_MS = 100,
    HOLD_FIRST_MS = 100,     /* a window that is being opened holds the stream for so long at first */
    HOLD_STANDBY_MS = 20000, /* ... on a standby: a primary that is written to says every 15 s which transactions run */
    HOLD_POLL_MS = 1,
    OPENING_POLL_MS = 10,           /* how often the temporary slot, and then the stream's place, is looked at */
    OPENING_SLOW_US = 5 * US_PER_S, /* after this long somebody should know what is waited for */
    PROGRESS_US = 10 * US_PER_S,
    RETRY_FIRST_MS = 1000,
    RETRY_MAX_MS = 60000,
    INVISIBLE_POLL_MS = 10,
    PLAN_ARENA_BYTES = 64 << 20,
};

enum window_state {
    WINDOW_CLOSED,   /* the stream flows */
    WINDOW_OPENING,  /* it still does; a temporary slot is being made */
    WINDOW_SETTLING, /* what was committed before the point is not yet committed in everybody's eyes */
    WINDOW_JOINING,  /* the point is known, the stream reads up to it */
    WINDOW_OPEN,     /* the stream holds */
};

struct pg_copying {
    struct pg_copy_plan plan;
    enum window_state state;
    struct pg_window *window;
    struct pg_copiers *copiers;
    struct pg_fill fill;
    struct pg_copy_requests requests;
    struct arena *arena; /* what the catalog said at the window's opening */
    int64_t since_us;    /* of the state */
    bool said_slow, said_missed;
    bool had_turn;         /* each connection may begin one chunk, however short the window is */
    uint64_t bytes_before; /* copied before this window */

    /* the next window */
    uint64_t due_lsn; /* when the stream has come to here, ... */
    int64_t due_us;   /* ... or at this time, whichever is first */
    int64_t hold_ms;  /* how long it may hold the stream before its point is known */
    struct retry retry;
    int64_t retry_us; /* but not before */

    int64_t began_us, progress_us; /* of the copy; of the last look at it */
};

static const char *name_of(const struct source *source)
{
    return source->context.source->name;
}

/* Once in a wait: somebody should know that nothing goes on before a transaction ends, or a primary has spoken. */
static void say_slow(const struct source *source, const char *what, int64_t since_us, bool *said)
{
    if (*said || clock_mono_us() - since_us <= OPENING_SLOW_US)
        return;
    *said = true;
    if (source->is_standby)
        log_warn("snapshot_waits_for_primary", LOG_STR("source", name_of(source)), LOG_STR("what", what),
                 LOG_STR("hint", "select pg_log_standby_snapshot() on the primary"));
    else
        log_warn("snapshot_waits_for_transactions", LOG_STR("source", name_of(source)), LOG_STR("what", what));
}

static void set_state(struct pg_copying *copying, enum window_state state)
{
    copying->state = state;
    copying->since_us = clock_mono_us();
    copying->said_slow = false;
}

/* On a standby the server may not say sooner where the point is; a stream that went on meanwhile would have passed it
 * each time. */
static int64_t first_hold_ms(const struct source *source)
{
    return source->is_standby ? HOLD_STANDBY_MS : HOLD_FIRST_MS;
}

static int64_t longest_hold_ms(const struct source *source)
{
    return MAX(source->config->snapshot_window_ms, first_hold_ms(source));
}

/* ---- the plan ---- */

struct pg_copy_plan *pg_copying_plan(struct pg_copying *copying)
{
    return &copying->plan;
}

static const struct pg_table *find_published(const struct source *source, uint32_t oid)
{
    for (size_t i = 0; i < source->n_tables; i++)
        if (source->tables[i].oid == oid)
            return &source->tables[i];
    return NULL;
}

static void queue_table(struct pg_copy_plan *plan, const struct pg_table *table)
{
    struct buf name = buf_new(1024);
    buf_printf(&name, "%s.%s", table->schema, table->name);
    pg_copy_plan_add(plan, table->oid, buf_cstr(&name), NULL);
    buf_done(&name);
}

/* The plan against what the publication has: what left it is copied no more, what joined it is. */
static void match_tables(struct source *source)
{
    struct pg_copy_plan *plan = &source->copying->plan;
    for (size_t i = plan->n_tables; i-- > 0;)
        if (find_published(source, plan->tables[i]->oid) == NULL)
            pg_copy_plan_remove(plan, plan->tables[i], false);
    for (size_t i = 0; i < source->n_tables; i++) {
        uint32_t oid = source->tables[i].oid;
        if (pg_copy_plan_is_copied(plan, oid) || pg_copy_plan_find(plan, oid) != NULL)
            continue;
        if (source->config->snapshot_added_tables)
            queue_table(plan, &source->tables[i]);
        else
            pg_copy_plan_set_copied(plan, oid, true);
    }
}

static void queue_all(struct source *source)
{
    for (size_t i = 0; i < source->n_tables; i++)
        queue_table(&source->copying->plan, &source->tables[i]);
}

static void show_metrics(const struct source *source, const struct pg_copy_totals *totals, double left_s)
{
    const char *name = name_of(source);
    metric_set(METRIC_capture_snapshot_chunks, (double)totals->chunks_done, name, "done");
    metric_set(METRIC_capture_snapshot_chunks, (double)(totals->chunks - totals->chunks_done), name, "left");
    metric_set(METRIC_capture_snapshot_tables, (double)(totals->tables - totals->parked), name, "queued");
    metric_set(METRIC_capture_snapshot_tables, (double)totals->parked, name, "parked");
    metric_set(METRIC_capture_snapshot_left_seconds, left_s, name, NULL);
}

/* All tables, whatever was done before. Requests that were made until now are answered by this. */
static enum rc begin_anew(struct source *source, bool known, struct err *err)
{
    struct pg_copy_plan *plan = &source->copying->plan;
    struct pg_copy_plan kept = {.truncate = plan->truncate, .next_request = plan->next_request};
    if (!known)
        TRY(requests_end(source->context.config, source->context.source, NULL, &kept.next_request, err));
    pg_copy_plan_done(plan);
    *plan = kept;
    queue_all(source);
    return RC_OK;
}

enum rc pg_copying_open(struct source *source, struct slice state, bool resumes, struct err *err)
{
    bool known;
    struct pg_copying *copying = calloc(1, sizeof(*copying));
    if (copying == NULL)
        abort();
    source->copying = copying;
    source->join_lsn = UINT64_MAX;
    copying->window = pg_window_new(source->config, source->application_name);
    copying->copiers = pg_copiers_new((size_t)source->config->snapshot_connections);
    copying->arena = arena_new(PLAN_ARENA_BYTES);
    copying->retry = retry_of(RETRY_FIRST_MS, RETRY_MAX_MS);
    copying->hold_ms = first_hold_ms(source);
    TRY(pg_copy_plan_decode(state, &copying->plan, &known, err));
    if (!resumes) {
        TRY(begin_anew(source, known, err));
    } else if (known) {
        match_tables(source);
    } else { /* written before tables were kept: they had all been copied */
        for (size_t i = 0; i < source->n_tables; i++)
            pg_copy_plan_set_copied(&copying->plan, source->tables[i].oid, true);
    }
    struct pg_copy_totals totals;
    pg_copy_plan_totals(&copying->plan, &totals);
    show_metrics(source, &totals, 0);
    return RC_OK;
}

void pg_copying_free(struct pg_copying *copying)
{
    if (copying == NULL)
        return;
    pg_copy_requests_done(&copying->requests);
    pg_copiers_free(copying->copiers);
    pg_window_free(copying->window);
    pg_copy_plan_done(&copying->plan);
    pg_fill_done(&copying->fill);
    arena_free(copying->arena);
    free(copying);
}

/* ---- partial rows ---- */

static bool is_partial(const struct pgoutput_msg *msg)
{
    if (msg->row.old == PGOUTPUT_OLD_ROW)
        return false;
    for (uint16_t i = 0; i < msg->new_tuple.n; i++)
        if (msg->new_tuple.values[i].kind == PGOUTPUT_TUPLE_UNCHANGED_TOAST)
            return true;
    return false;
}

/* Until the row's transaction is visible. */
static enum rc read_missing(struct source *source, const struct pg_relation *relation,
                            enum pg_fill_outcome *ret_outcome, struct err *err)
{
    const struct pg_table *table = find_published(source, relation->id);
    bool only = table == NULL || table->kind == 'r', said = false;
    int64_t began_us = clock_mono_us();
    for (;;) {
        TRY(pg_fill_row(&source->copying->fill, source->conn, relation, only, (uint32_t)source->emitter.xid,
                        &source->msg->new_tuple, ret_outcome, err));
        if (*ret_outcome != PG_FILL_LATER)
            return RC_OK;
        say_slow(source, "row", began_us, &said);
        TRY(pg_streaming_tend(source, err));
        if (!stop_wait_ms(INVISIBLE_POLL_MS))
            return err_set(err, ERR_PG_TRANSIENT, "stopped while a transaction was not visible yet");
    }
}

/* The copy of the whole table, not of some rows that somebody asked for. */
static struct pg_copy_table *find_whole(const struct pg_copy_plan *plan, uint32_t oid)
{
    for (size_t i = 0; i < plan->n_tables; i++)
        if (plan->tables[i]->oid == oid && plan->tables[i]->where == NULL)
            return plan->tables[i];
    return NULL;
}

/* A value that is not to be had (no right, a lock, a torn page) comes with its table, of which everything is copied once
 * more. No chunk is under way while the stream flows. */
static void copy_again(struct source *source, const struct pg_relation *relation, const struct err *err)
{
    struct pg_copy_plan *plan = &source->copying->plan;
    const struct pg_table *published = find_published(source, relation->id);
    if (published == NULL)
        return;
    if (find_whole(plan, relation->id) == NULL)
        queue_table(plan, published);
    struct pg_copy_table *table = find_whole(plan, relation->id);
    pg_copy_table_restart(table);
    pg_copiers_park(source, table, err);
}

/* All of its rows are still to come. */
static bool is_parked_at_its_start(const struct pg_copy_plan *plan, uint32_t oid)
{
    const struct pg_copy_table *table = find_whole(plan, oid);
    return table != NULL && table->error != NULL && !pg_copy_table_is_begun(table);
}

enum rc pg_copying_complete(struct source *source, const struct pg_relation *relation, struct err *err)
{
    struct pg_copy_plan *plan = &source->copying->plan;
    enum pg_fill_outcome outcome;
    if (LIKELY(plan->n_tables == 0 && source->emitter.major >= plan->fill_until))
        return RC_OK;
    if (!is_partial(source->msg) || source->emitter.ordinal < source->emitter.skip_below)
        return RC_OK;
    if (pg_copy_plan_is_copied(plan, relation->id) && source->emitter.major >= plan->fill_until)
        return RC_OK;
    if (is_parked_at_its_start(plan, relation->id))
        return RC_OK;
    enum rc rc = read_missing(source, relation, &outcome, err);
    if (rc != RC_OK && !stop_requested() && pg_copiers_is_of_one_table(err->code) &&
        PQstatus(source->conn) == CONNECTION_OK) {
        copy_again(source, relation, err);
        return RC_OK;
    }
    TRY(rc);
    /* Later the row was deleted, or has another key. That event lies before the log's end of now: the values that it
     * does not carry either are asked for when it comes. */
    if (outcome == PG_FILL_GONE)
        return pg_copy_catalog_wal_end(source->conn, &plan->fill_until, err);
    return RC_OK;
}

/* ---- progress ---- */

static void show_progress(struct source *source, bool at_once)
{
    struct pg_copying *copying = source->copying;
    struct pg_copy_totals totals;
    int64_t now_us = clock_mono_us();
    if (!at_once && now_us - copying->progress_us < PROGRESS_US)
        return;
    copying->progress_us = now_us;
    pg_copy_plan_totals(&copying->plan, &totals);
    double left_s = MAX(pg_copy_plan_seconds_left(&copying->plan, &totals, clock_wall_us()), 0);
    show_metrics(source, &totals, left_s);
    if (at_once)
        return;
    log_info("snapshot_progress", LOG_STR("source", name_of(source)), LOG_U64("tables_left", totals.tables),
             LOG_U64("tables_parked", totals.parked), LOG_U64("rows", totals.rows), LOG_U64("bytes", totals.bytes),
             LOG_U64("chunks_done", totals.chunks_done), LOG_U64("chunks", totals.chunks), LOG_F64("left_s", left_s));
}

/* ---- the first window ---- */

static enum rc mark(struct source *source, struct batch *batch, struct err *err)
{
    uint64_t confirm = source->state.snapshot == PG_SNAPSHOT_DONE ? source->state.end_lsn : PG_CONFIRM_ANNOUNCED;
    return pg_session_mark(source, batch, LEDGER_SNAPSHOT, true, confirm, err);
}

static enum rc announce(struct source *source, struct batch *batch, struct err *err)
{
    source->state.snapshot = PG_SNAPSHOT_COPYING;
    source->state.attempt++;
    source->state.end_lsn = source->state.commit_lsn = source->state.next_ordinal = 0;
    source->phase = PG_PHASE_PREPARE;
    return mark(source, batch, err);
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

/* RC_AGAIN: a reader in the window's snapshot would still take a committed transaction for one that was aborted. */
static enum rc look_at_settling(struct source *source, struct err *err)
{
    struct pg_copying *copying = source->copying;
    SCOPED(PQclear) PGresult *exported = NULL;
    SCOPED(PQclear) PGresult *now = NULL;
    TRY(pg_copy_catalog_snapshot(pg_copiers_connection(copying->copiers), &exported, err));
    TRY(pg_copy_catalog_snapshot(source->conn, &now, err));
    return pg_snapshot_is_settled(PQgetvalue(exported, 0, 0), PQgetvalue(now, 0, 0)) ? RC_OK : RC_AGAIN;
}

static void slot_takes_long(void *context)
{
    struct source *source = context;
    say_slow(source, "window", source->copying->since_us, &source->copying->said_slow);
}

/* The main slot's point is the first window's: the stream will begin there. */
static enum rc make_slot(struct source *source, struct err *err)
{
    char exported[PG_SNAPSHOT_NAME_BYTES];
    const struct pg_slot_patience patience = {slot_takes_long, source};
    uint64_t point;
    TRY(await_announced(source, err));
    TRY(drop_older_slot(source, err));
    set_state(source->copying, WINDOW_OPENING);
    TRY(pg_slot_create(source->replication, source->state.slot, pg_slot_can_failover(source->conn, source->is_standby),
                       patience, &point, exported, err));
    pg_window_adopt(source->copying->window, point, exported);
    TRY(pg_copiers_join(source->copying->copiers, source, pg_window_exported(source->copying->window), err));
    enum rc rc;
    set_state(source->copying, WINDOW_SETTLING);
    while ((rc = look_at_settling(source, err)) == RC_AGAIN) {
        say_slow(source, "window", source->copying->since_us, &source->copying->said_slow);
        if (!stop_wait_ms(INVISIBLE_POLL_MS))
            return RC_AGAIN;
    }
    TRY(rc);
    source->state.end_lsn = point;
    source->state.commit_lsn = point - 1;
    source->state.snapshot = PG_SNAPSHOT_DONE;
    return RC_OK;
}

/* ---- opening ---- */

static void forget_connections(struct source *source)
{
    struct pg_copying *copying = source->copying;
    pg_copiers_free(copying->copiers);
    pg_window_free(copying->window);
    copying->copiers = pg_copiers_new((size_t)source->config->snapshot_connections);
    copying->window = pg_window_new(source->config, source->application_name);
}

/* A window that cannot be opened does not stop the stream. */
static enum rc put_off(struct source *source, const struct err *err)
{
    struct pg_copying *copying = source->copying;
    forget_connections(source);
    copying->retry_us = clock_mono_us() + retry_next_ms(&copying->retry) * US_PER_MS;
    set_state(copying, WINDOW_CLOSED);
    log_warn("snapshot_window_failed", LOG_STR("source", name_of(source)), LOG_U64("attempts", copying->retry.attempts),
             LOG_ERR(err));
    return RC_OK;
}

static bool is_due(const struct source *source, int64_t now_us)
{
    const struct pg_copying *copying = source->copying;
    if (now_us < copying->retry_us || pg_copy_plan_due_ms(&copying->plan, now_us / US_PER_MS) != 0)
        return false;
    return now_us >= copying->due_us ||
           MAX(pg_stream_wal_end(source->stream), source->state.end_lsn) >= copying->due_lsn;
}

static enum rc look_at_opening(struct source *source, struct err *err)
{
    struct pg_copying *copying = source->copying;
    enum rc rc = pg_window_poll(copying->window, err);
    if (rc == RC_AGAIN) {
        say_slow(source, "window", copying->since_us, &copying->said_slow);
        return RC_OK;
    }
    if (rc == RC_OK)
        rc = pg_copiers_join(copying->copiers, source, pg_window_exported(copying->window), err);
    if (rc != RC_OK)
        return put_off(source, err);
    set_state(copying, WINDOW_SETTLING);
    return RC_OK;
}

/* Somebody's transactions are longer than the stream may be held: when there is always one of them, no window opens. */
static void tell_missed(struct source *source)
{
    struct pg_copying *copying = source->copying;
    metric_add(METRIC_capture_snapshot_windows_missed_total, 1, name_of(source), NULL);
    if (copying->hold_ms < longest_hold_ms(source) || copying->said_missed)
        return;
    copying->said_missed = true;
    log_warn("snapshot_window_missed", LOG_STR("source", name_of(source)), LOG_I64("held_ms", copying->hold_ms),
             LOG_STR("hint", "snapshot_window should be longer than the source's longest write transactions"));
}

/* The stream has gone beyond the point before the point was known: rows as of then would come too late. The next
 * window holds the stream for longer. */
static enum rc miss_point(struct source *source, struct err *err)
{
    struct pg_copying *copying = source->copying;
    tell_missed(source);
    copying->hold_ms = MIN(copying->hold_ms * 2, longest_hold_ms(source));
    set_state(copying, WINDOW_CLOSED);
    enum rc rc = pg_copiers_leave(copying->copiers, err);
    if (rc == RC_OK)
        rc = pg_window_end(copying->window, err);
    return rc == RC_OK ? RC_OK : put_off(source, err);
}

static enum rc settle(struct source *source, struct err *err)
{
    struct pg_copying *copying = source->copying;
    uint64_t point = pg_window_point(copying->window);
    uint64_t taken = source->in_transaction ? source->emitter.major : source->state.commit_lsn;
    if (MAX(taken, source->state.commit_lsn) >= point)
        return miss_point(source, err);
    enum rc rc = look_at_settling(source, err);
    if (rc == RC_AGAIN) {
        say_slow(source, "window", copying->since_us, &copying->said_slow);
        return RC_OK;
    }
    TRY(rc);
    copying->hold_ms = first_hold_ms(source);
    copying->said_missed = false;
    source->join_lsn = point;
    set_state(copying, WINDOW_JOINING);
    return RC_OK;
}

/* Nothing is read from the stream until the point is known: it may not go beyond it. But somebody's long transaction
 * does not hold it for long; then the stream goes on, and the point may be missed. */
static enum rc open_holding(struct source *source, struct err *err)
{
    struct pg_copying *copying = source->copying;
    int64_t end_us = clock_mono_us() + copying->hold_ms * US_PER_MS;
    set_state(copying, WINDOW_OPENING);
    if (pg_window_begin(copying->window, err) != RC_OK)
        return put_off(source, err);
    while (clock_mono_us() < end_us && stop_wait_ms(HOLD_POLL_MS)) {
        TRY(copying->state == WINDOW_OPENING ? look_at_opening(source, err) : settle(source, err));
        if (copying->state != WINDOW_OPENING && copying->state != WINDOW_SETTLING)
            return RC_OK;
        TRY(pg_streaming_tend(source, err));
    }
    return RC_OK;
}

/* Its connections are not needed while nothing is copied. */
static void end_copy(struct source *source)
{
    struct pg_copying *copying = source->copying;
    struct pg_copy_totals none = {0};
    int64_t took_us = copying->began_us == 0 ? 0 : clock_mono_us() - copying->began_us;
    log_info("snapshot_done", LOG_STR("source", name_of(source)), LOG_I64("took_ms", took_us / US_PER_MS));
    show_metrics(source, &none, 0);
    copying->began_us = 0;
    forget_connections(source);
}

static void drop_done_tables(struct pg_copy_plan *plan)
{
    for (size_t i = plan->n_tables; i-- > 0;)
        if (pg_copy_table_is_done(plan->tables[i]))
            pg_copy_plan_remove(plan, plan->tables[i], true);
}

enum rc pg_copying_abandon(struct source *source, const struct pg_copy_table *table, struct err *err)
{
    struct pg_copying *copying = source->copying;
    return copying->state == WINDOW_OPEN ? pg_copiers_abandon(copying->copiers, source, table, err) : RC_OK;
}

/* What is asked for in an open window is copied in the next one; what is cancelled ends at once. */
static enum rc look_at_requests(struct source *source, struct err *err)
{
    struct pg_copying *copying = source->copying;
    bool changed, was_copying = copying->plan.n_tables > 0;
    drop_done_tables(&copying->plan); /* who asks for one of them wants it once more */
    TRY(pg_copy_requests_tend(source, &copying->requests, &changed, err));
    if (!changed)
        return RC_OK;
    if (was_copying && copying->plan.n_tables == 0 && copying->state == WINDOW_CLOSED)
        end_copy(source); /* cancelled; a window that is being opened ends it later */
    return RC_OK;
}

enum rc pg_copying_tend(struct source *source, struct err *err)
{
    struct pg_copying *copying = source->copying;
    int64_t now_us = clock_mono_us();
    TRY(look_at_requests(source, err));
    switch (copying->state) {
    case WINDOW_CLOSED:
        if (copying->plan.n_tables == 0 || !is_due(source, now_us))
            return RC_OK;
        return open_holding(source, err);
    case WINDOW_OPENING: return look_at_opening(source, err);
    case WINDOW_SETTLING: return settle(source, err);
    case WINDOW_JOINING:
        if (now_us - copying->since_us < OPENING_POLL_MS * US_PER_MS)
            return RC_OK;
        copying->since_us = now_us;
        return pg_stream_flush(source->stream, err); /* it asks for the keepalive that says where the server reads */
    case WINDOW_OPEN: break;
    }
    return RC_OK;
}

int64_t pg_copying_due_ms(const struct source *source)
{
    const struct pg_copying *copying = source->copying;
    if (copying->state != WINDOW_CLOSED)
        return OPENING_POLL_MS;
    return copying->plan.n_tables > 0 ? ROWS_POLL_MS : MS_PER_S;
}

static void set_emitter(struct source *source)
{
    struct pg_emitter *emitter = &source->emitter;
    uint64_t point = pg_window_point(source->copying->window);
    /* A transaction whose commit record begins right at the point is not in the snapshot: one below it is the rows'
     * position. Two windows can have one point. */
    emitter->major = point - 1;
    emitter->ordinal = source->pos.major == emitter->major ? source->pos.minor + 1 : 0;
    emitter->skip_below = 0;
    emitter->lsn = point;
    emitter->xid = 0;
    emitter->snapshot = true;
    emitter->now_us = emitter->commit_time_us = clock_wall_us();
    source->commit_time_us = emitter->commit_time_us;
}

/* The heaps as the snapshot sees them; a table without any is gone. */
static enum rc plan_heaps(struct source *source, const char *exported, struct err *err)
{
    struct pg_copying *copying = source->copying;
    struct pg_copy_found *found;
    size_t n;
    bool has_tid_ranges = PQserverVersion(source->conn) >= 140000;
    uint32_t chunk_blocks = has_tid_ranges ? (uint32_t)(source->config->snapshot_chunk / 8192) : 0;
    arena_reset(copying->arena);
    enum rc rc = pg_copy_catalog_heaps(pg_copiers_connection(copying->copiers), &copying->plan, true, copying->arena,
                                       &found, &n, err);
    if (rc != RC_OK && err->code == ERR_PG_TRANSIENT) { /* somebody holds a lock on one of them */
        TRY(pg_copiers_join(copying->copiers, source, exported, err));
        rc = pg_copy_catalog_heaps(pg_copiers_connection(copying->copiers), &copying->plan, false, copying->arena,
                                   &found, &n, err);
    }
    TRY(rc);
    pg_copy_plan_found(&copying->plan, found, n, chunk_blocks);
    return RC_OK;
}

static enum rc truncate_tables(struct source *source, struct batch *batch, struct err *err)
{
    PGconn *conn = pg_copiers_connection(source->copying->copiers);
    for (size_t i = 0; i < source->n_tables; i++) {
        struct pg_relation *relation;
        if (!pg_session_has_room(batch, 1))
            return err_set(err, ERR_MEMORY_LIMIT, "a batch has no room for a truncate of %zu tables", source->n_tables);
        arena_reset(source->facts_arena);
        TRY(pg_catalog_relation(conn, &source->tables[i], source->facts_arena, &source->msg->relation, err));
        TRY(pg_session_take_relation(source, conn, &source->msg->relation, &relation, err));
        TRY(pg_emit_truncate(&source->emitter, relation, batch, err));
    }
    source->copying->plan.truncate = false;
    return RC_OK;
}

static enum rc open_window(struct source *source, struct batch *batch, struct err *err)
{
    struct pg_copying *copying = source->copying;
    struct pg_copy_totals totals;
    const char *exported = pg_window_exported(copying->window);
    source->join_lsn = UINT64_MAX;
    source->joined = false;
    source->phase = PG_PHASE_COPY;
    set_state(copying, WINDOW_OPEN);
    set_emitter(source);
    TRY(plan_heaps(source, exported, err));
    if (copying->plan.truncate)
        TRY(truncate_tables(source, batch, err));
    copying->bytes_before = pg_copiers_bytes(copying->copiers);
    copying->since_us = clock_mono_us();
    copying->had_turn = false;
    pg_copy_plan_totals(&copying->plan, &totals);
    if (copying->plan.began_us == 0)
        copying->plan.began_us = clock_wall_us();
    if (copying->began_us == 0) {
        copying->began_us = copying->progress_us = clock_mono_us();
        log_info("snapshot_started", LOG_STR("source", name_of(source)), LOG_U64("tables", totals.tables),
                 LOG_U64("chunks", totals.chunks), LOG_U64("chunks_done", totals.chunks_done));
    }
    return RC_OK;
}

/* ---- rows ---- */

/* Milliseconds to wait so that no more is read than may be. */
static int64_t throttle_ms(const struct source *source, int64_t now_us)
{
    const struct pg_copying *copying = source->copying;
    int64_t per_s = source->config->snapshot_max_bytes_per_s;
    if (per_s == 0)
        return 0;
    double bytes = (double)(pg_copiers_bytes(copying->copiers) - copying->bytes_before);
    double due_us = bytes / (double)per_s * US_PER_S;
    return MAX((int64_t)due_us - (now_us - copying->since_us), 0) / US_PER_MS;
}

/* Rows until the batch is full or old, or the window has none left: then *ret_over. */
static enum rc copy_rows(struct source *source, struct batch *batch, bool *ret_over, struct err *err)
{
    struct pg_copying *copying = source->copying;
    int64_t end_us = clock_mono_us() + source->context.source->batch_max_age_ms * US_PER_MS;
    for (;;) {
        int64_t now_us = clock_mono_us(), wait_ms = throttle_ms(source, now_us);
        bool is_young = now_us - copying->since_us < source->config->snapshot_window_ms * US_PER_MS;
        struct pg_copiers_turn turn = {.may_begin = is_young || !copying->had_turn};
        if (source->stream != NULL)
            TRY(pg_streaming_tend(source, err));
        TRY(look_at_requests(source, err));
        if (wait_ms == 0) {
            TRY(pg_copiers_turn(copying->copiers, source, batch, &turn, err));
            copying->had_turn = true;
        }
        *ret_over = wait_ms == 0 && turn.n_busy == 0 && !turn.moved && pg_session_has_room(batch, 1);
        if (*ret_over || !pg_session_has_room(batch, 1) || (batch->n_records > 0 && clock_mono_us() >= end_us))
            return RC_OK;
        if (stop_requested())
            return RC_AGAIN;
        if (wait_ms > 0)
            stop_wait_ms(MIN(wait_ms, ROWS_POLL_MS));
        else if (!turn.moved)
            pg_copiers_wait(copying->copiers, ROWS_POLL_MS);
    }
}

/* ---- closing ---- */

static void forget_window(struct pg_copy_plan *plan)
{
    for (size_t i = 0; i < plan->n_tables; i++)
        plan->tables[i]->waits = plan->tables[i]->announced = false;
}

static enum rc close_window(struct source *source, struct err *err)
{
    struct pg_copying *copying = source->copying;
    int64_t now_us = clock_mono_us(), took_us = now_us - copying->since_us;
    forget_window(&copying->plan);
    TRY(pg_copiers_leave(copying->copiers, err));
    TRY(pg_window_end(copying->window, err));
    TRY(pg_copy_catalog_wal_end(source->conn, &copying->due_lsn, err));
    log_debug("snapshot_window_closed", LOG_STR("source", name_of(source)), LOG_I64("took_ms", took_us / US_PER_MS));
    copying->due_us = now_us + took_us;
    retry_reset(&copying->retry);
    set_state(copying, WINDOW_CLOSED);
    source->emitter.snapshot = false;
    source->phase = PG_PHASE_STREAM;
    if (copying->plan.n_tables == 0)
        end_copy(source);
    return RC_OK;
}

enum rc pg_copying_fill(struct source *source, struct batch *batch, struct err *err)
{
    bool over;
    if (source->phase == PG_PHASE_ANNOUNCE)
        return announce(source, batch, err);
    if (source->phase == PG_PHASE_PREPARE)
        TRY(make_slot(source, err));
    if (source->copying->state != WINDOW_OPEN)
        TRY(open_window(source, batch, err));
    TRY(pg_session_check_publisher(source, err));
    source->emitter.now_us = clock_wall_us();
    TRY(copy_rows(source, batch, &over, err));
    drop_done_tables(&source->copying->plan);
    source->pos = (struct position){source->emitter.major,
                                    source->emitter.ordinal == 0 ? 0 : source->emitter.ordinal - 1};
    show_progress(source, over);
    if (over)
        TRY(close_window(source, err));
    return mark(source, batch, err);
}
