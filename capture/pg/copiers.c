#include "capture/pg/copiers.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "base/stop.h"
#include "capture/pg/session.h"

enum {
    ROW_MIN_MAX_BYTES = 64 << 20, /* a row's text may have this much, or eight times the largest record */
    LOCK_TIMEOUT_MS = 3000,       /* somebody is changing the table: it is copied later */
    RETRY_FIRST_MS = 1000,
    RETRY_MAX_MS = 60000,
    GATHER_NS = 200 * 1000, /* how long rows may gather while they flow */
};

struct copier {
    struct pg_copy_reader *reader;
    bool busy;
    struct pg_chunk chunk;
    struct pg_relation *relation;
    uint64_t rows, bytes_before; /* of the chunk */
};

struct pg_copiers {
    struct copier *items;
    size_t n, first; /* whose turn comes first */
    const char *exported;
    bool flows;
    uint64_t bytes_of_closed; /* of readers that are gone */
};

struct pg_copiers *pg_copiers_new(size_t n)
{
    struct pg_copiers *copiers = calloc(1, sizeof(*copiers));
    if (copiers == NULL || (copiers->items = calloc(n, sizeof(*copiers->items))) == NULL)
        abort();
    copiers->n = n;
    return copiers;
}

void pg_copiers_free(struct pg_copiers *copiers)
{
    if (copiers == NULL)
        return;
    for (size_t i = 0; i < copiers->n; i++)
        pg_copy_reader_free(copiers->items[i].reader);
    free(copiers->items);
    free(copiers);
}

PGconn *pg_copiers_connection(struct pg_copiers *copiers)
{
    return pg_copy_reader_connection(copiers->items[0].reader);
}

uint64_t pg_copiers_bytes(const struct pg_copiers *copiers)
{
    uint64_t bytes = copiers->bytes_of_closed;
    for (size_t i = 0; i < copiers->n; i++)
        bytes += copiers->items[i].reader == NULL ? 0 : pg_copy_reader_bytes(copiers->items[i].reader);
    return bytes;
}

static enum rc connect_reader(struct pg_copiers *copiers, struct source *source, struct copier *copier, struct err *err)
{
    size_t max_row_bytes = MAX((size_t)source->context.config->kafka.message_max_bytes * 8, (size_t)ROW_MIN_MAX_BYTES);
    PGconn *conn;
    if (copier->reader == NULL) {
        TRY(pg_source_connect(source->config, source->application_name, false, &conn, err));
        copier->reader = pg_copy_reader_new(conn, max_row_bytes);
    }
    return pg_copy_reader_join(copier->reader, copiers->exported, LOCK_TIMEOUT_MS, err);
}

enum rc pg_copiers_join(struct pg_copiers *copiers, struct source *source, const char *exported, struct err *err)
{
    copiers->exported = exported;
    for (size_t i = 0; i < copiers->n; i++)
        TRY(connect_reader(copiers, source, &copiers->items[i], err));
    return RC_OK;
}

enum rc pg_copiers_leave(struct pg_copiers *copiers, struct err *err)
{
    for (size_t i = 0; i < copiers->n; i++)
        TRY(pg_copy_reader_leave(copiers->items[i].reader, err));
    return RC_OK;
}

/* ---- trouble with one table ---- */

bool pg_copiers_is_of_one_table(enum err_code code)
{
    return code == ERR_PG_QUERY || code == ERR_PG_PERMISSION || code == ERR_PG_TRANSIENT ||
           code == ERR_PG_TABLE_MISSING || code == ERR_PG_NO_KEY || code == ERR_MALFORMED || code == ERR_MEMORY_LIMIT;
}

void pg_copiers_park(const struct source *source, struct pg_copy_table *table, const struct err *err)
{
    struct retry retry = {RETRY_FIRST_MS, RETRY_MAX_MS, table->attempts};
    pg_copy_table_park(table, err->msg, clock_mono_ms() + retry_next_ms(&retry));
    log_warn("snapshot_table_parked", LOG_STR("source", source->context.source->name),
             LOG_STR("table", table->name == NULL ? "" : table->name), LOG_U64("attempts", table->attempts),
             LOG_ERR(err));
}

/* A connection in the middle of a chunk, or whose transaction has failed, is made anew. */
static enum rc give_back(struct pg_copiers *copiers, struct source *source, struct copier *copier, struct err *err)
{
    pg_copy_plan_give_back(&copier->chunk);
    copier->busy = false;
    copiers->bytes_of_closed += pg_copy_reader_bytes(copier->reader);
    pg_copy_reader_free(copier->reader);
    copier->reader = NULL;
    return connect_reader(copiers, source, copier, err);
}

enum rc pg_copiers_abandon(struct pg_copiers *copiers, struct source *source, const struct pg_copy_table *table,
                           struct err *err)
{
    for (size_t i = 0; i < copiers->n; i++)
        if (copiers->items[i].busy && copiers->items[i].chunk.table == table)
            TRY(give_back(copiers, source, &copiers->items[i], err));
    return RC_OK;
}

/* The table waits. */
static enum rc park(struct pg_copiers *copiers, struct source *source, struct copier *copier, struct err *err)
{
    struct pg_copy_table *table = copier->chunk.table;
    bool is_stopped = copier->relation != NULL && copier->relation->stop_code == err->code;
    if (!is_stopped && !pg_copiers_is_of_one_table(err->code))
        return err_class(err->code);
    table->waits = table->whole;
    pg_copiers_park(source, table, err);
    return give_back(copiers, source, copier, err);
}

/* ---- one chunk ---- */

static const struct pg_table *find_table(const struct source *source, uint32_t oid)
{
    for (size_t i = 0; i < source->n_tables; i++)
        if (source->tables[i].oid == oid)
            return &source->tables[i];
    return NULL;
}

/* Nobody can tell a row without a key from the same row copied again, or from one that was streamed before: all of
 * them are copied at one point, and what was sent before is taken back. */
static enum rc begin_whole(struct source *source, struct copier *copier, struct batch *batch, struct err *err)
{
    pg_copy_table_restart(copier->chunk.table);
    return source->stream == NULL ? RC_OK : pg_emit_truncate(&source->emitter, copier->relation, batch, err);
}

/* The relation as the snapshot sees it: what the stream would announce at this point. */
static enum rc begin_chunk(struct source *source, struct copier *copier, struct batch *batch, struct err *err)
{
    PGconn *conn = pg_copy_reader_connection(copier->reader);
    struct pgoutput_relation *relation = &source->msg->relation;
    struct pg_copy_table *table = copier->chunk.table;
    const struct pg_table *published = find_table(source, table->oid);
    if (published == NULL)
        return err_set(err, ERR_PG_TABLE_MISSING, "table %s is not in the publication any more",
                       table->name == NULL ? "" : table->name);
    arena_reset(source->facts_arena);
    TRY(pg_catalog_relation(conn, published, source->facts_arena, relation, err));
    if (!table->announced) {
        TRY(pg_session_take_relation(source, conn, relation, &copier->relation, err));
        table->whole = copier->relation->shape.n_key_columns == 0;
        if (table->whole)
            TRY(begin_whole(source, copier, batch, err));
        table->announced = true;
    }
    copier->relation = pg_relcache_find(source->relcache, table->oid);
    if (copier->relation->stop_code != ERR_NONE)
        return err_set(err, copier->relation->stop_code, "%s", copier->relation->stop_why);
    struct pg_copy_statement statement = {.schema = copier->chunk.heap->schema,
                                          .name = copier->chunk.heap->name,
                                          .oid = copier->chunk.heap->oid,
                                          .filenode = copier->chunk.heap->filenode,
                                          .relation = relation,
                                          .row_filter = published->row_filter,
                                          .where = table->where};
    pg_chunk_blocks(&copier->chunk, &statement.first_block, &statement.end_block);
    return pg_copy_reader_begin(copier->reader, &statement, err);
}

static void end_chunk(struct source *source, struct copier *copier)
{
    struct pg_copy_files files = pg_copy_reader_files(copier->reader);
    const struct pg_copy_heap *heap = copier->chunk.heap;
    uint64_t bytes = pg_copy_reader_bytes(copier->reader) - copier->bytes_before;
    copier->busy = false;
    if (files.seen != heap->filenode || files.now != heap->filenode) {
        /* Rewritten (vacuum full, cluster, truncate, alter table) between the window's point and the lock: no row came.
         * The next window's snapshot sees the new file, and the heap begins again. */
        pg_copy_plan_give_back(&copier->chunk);
        copier->chunk.table->waits = true;
        return;
    }
    pg_copy_plan_finish(&copier->chunk, copier->rows, bytes);
    metric_add(METRIC_capture_snapshot_rows_total, (double)copier->rows, copier->relation->topic, NULL);
    metric_add(METRIC_capture_snapshot_bytes_total, (double)bytes, source->context.source->name, NULL);
}

static enum rc add_row(struct source *source, struct copier *copier, struct batch *batch, struct err *err)
{
    enum rc rc;
    copier->rows++;
    while (UNLIKELY((rc = pg_emit_read(&source->emitter, copier->relation, &source->msg->new_tuple, batch, err)) ==
                    RC_AGAIN))
        TRY(pg_session_relax(source, copier->relation, err));
    return rc;
}

/* What this connection has, until it is dry or the batch is full. */
static enum rc drain(struct pg_copiers *copiers, struct source *source, struct copier *copier, struct batch *batch,
                     bool *moved, struct err *err)
{
    enum pg_copy_event event;
    while (pg_session_has_room(batch, 1)) {
        enum rc rc = pg_copy_reader_next(copier->reader, &event, &source->msg->new_tuple, err);
        if (rc == RC_AGAIN)
            return RC_OK;
        *moved = true;
        if (UNLIKELY(rc != RC_OK))
            return park(copiers, source, copier, err);
        if (LIKELY(event == PG_COPY_ROW)) {
            TRY(add_row(source, copier, batch, err));
        } else if (event == PG_COPY_END) {
            end_chunk(source, copier);
            return RC_OK;
        }
    }
    return RC_OK;
}

static enum rc begin_next(struct pg_copiers *copiers, struct source *source, struct copier *copier, struct batch *batch,
                          bool ends, struct err *err)
{
    struct pg_copy_plan *plan = pg_copying_plan(source->copying);
    while (!copier->busy && pg_session_has_room(batch, 1) &&
           pg_copy_plan_take(plan, clock_mono_ms(), ends, &copier->chunk)) {
        copier->busy = true;
        copier->relation = NULL;
        copier->rows = 0;
        copier->bytes_before = pg_copy_reader_bytes(copier->reader);
        enum rc rc = begin_chunk(source, copier, batch, err);
        if (rc == RC_AGAIN)
            return rc; /* a stop, while the registry was waited for */
        if (rc != RC_OK)
            TRY(park(copiers, source, copier, err));
    }
    return RC_OK;
}

/* ---- all of them ---- */

enum rc pg_copiers_turn(struct pg_copiers *copiers, struct source *source, struct batch *batch,
                        struct pg_copiers_turn *turn, struct err *err)
{
    turn->moved = false;
    turn->n_busy = 0;
    for (size_t i = 0; i < copiers->n; i++) {
        struct copier *copier = &copiers->items[(copiers->first + i) % copiers->n];
        if (!copier->busy)
            TRY(begin_next(copiers, source, copier, batch, !turn->may_begin, err));
        if (copier->busy)
            TRY(drain(copiers, source, copier, batch, &turn->moved, err));
        turn->n_busy += copier->busy;
    }
    copiers->first = (copiers->first + 1) % copiers->n;
    return RC_OK;
}

/* The server sends as soon as it has a little: while rows flow they are given a moment to gather. */
void pg_copiers_wait(struct pg_copiers *copiers, int timeout_ms)
{
    struct pollfd fds[1 + 64] = {{.fd = stop_fd(), .events = POLLIN}};
    struct timespec gather = {.tv_nsec = GATHER_NS};
    nfds_t n = 1;
    if (copiers->flows) {
        nanosleep(&gather, NULL);
        timeout_ms = MIN(timeout_ms, 1);
    }
    for (size_t i = 0; i < copiers->n && n < ARRAY_LEN(fds); i++)
        if (copiers->items[i].busy)
            fds[n++] = (struct pollfd){.fd = pg_copy_reader_fd(copiers->items[i].reader), .events = POLLIN};
    copiers->flows = poll(fds, n, timeout_ms) > 0;
}
