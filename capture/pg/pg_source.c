/* PostgreSQL as a kind of source: checks, opening and closing of a session. docs/postgresql.md tells the
 * story. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/stop.h"
#include "capture/pg/guard.h"
#include "capture/pg/lsn.h"
#include "capture/pg/published.h"
#include "capture/pg/session.h"
#include "capture/publisher.h"
#include "capture/requests.h"
#include "proto/topic.h"

enum {
    TABLES_ARENA_BYTES = 64 << 20,
    FACTS_ARENA_BYTES = 16 << 20,
    WATCH_INTERVAL_S = 10,
    ORIGIN_MAX_BYTES = 64 << 10,
    SERVER_LOOK_MS = 500,
};

/* ---- what the parts share ---- */

enum rc pg_session_mark(struct source *source, struct batch *batch, enum ledger_kind kind, bool cut, uint64_t confirm,
                        struct err *err)
{
    if (source->stream != NULL)
        heartbeat_put(&source->heartbeat, batch, source->pos);
    struct buf out = arena_open(batch->arena);
    pg_state_encode(&source->state, pg_copying_plan(source->copying), &out);
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
    source->marks_soon = source->is_first_batch = false;
    source->marked_mono_us = clock_mono_us();
    if (source->stream != NULL)
        metric_set(METRIC_capture_unconfirmed_bytes,
                   (double)(MAX(pg_stream_wal_end(source->stream), source->state.end_lsn) -
                            pg_stream_confirmed(source->stream)),
                   source->context.source->name, NULL);
    return RC_OK;
}

enum rc pg_session_check_server(struct source *source, struct err *err)
{
    int64_t now_ms = clock_mono_ms();
    if (source->conn == NULL || now_ms - source->looked_mono_ms < SERVER_LOOK_MS)
        return RC_OK;
    source->looked_mono_ms = now_ms;
    if (PQconsumeInput(source->conn) == 1 && PQstatus(source->conn) == CONNECTION_OK)
        return RC_OK;
    pg_stream_free(source->stream); /* at once: the session's end may have to wait for Kafka */
    source->stream = NULL;
    return err_set(err, ERR_PG_UNREACHABLE,
                   "the source ended the connection for questions: it shuts down, or somebody "
                   "ended it");
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
    struct pg_found found;
    bool publication_exists;
    struct pg_judgement judgement;
    bool looked_for_request;
    int64_t all_request; /* offset of an unread `leat snapshot SOURCE --all`; below 0: there is none */
};

static bool accepts_gap(const struct source *source)
{
    return source->context.accept_gap != NULL && *source->context.accept_gap;
}

/* A gap was found. Was it asked to copy everything again? A request that was taken before asked for something else. */
static enum rc look_for_request(struct source *source, const struct ledger_record *last, struct findings *findings,
                                struct err *err)
{
    struct pg_copy_plan plan;
    bool known;
    if (findings->looked_for_request)
        return RC_OK;
    findings->looked_for_request = true;
    TRY(pg_copy_plan_decode(last->state, &plan, &known, err));
    int64_t next = plan.next_request;
    pg_copy_plan_done(&plan);
    return requests_find_all(source->context.config, source->context.source, next, &findings->all_request, err);
}

static bool starts_over(const struct findings *findings)
{
    return findings->judgement.gap.code != ERR_NONE && findings->all_request >= 0;
}

/* Neither of the two ways on was chosen. */
static bool is_refused(const struct source *source, const struct findings *findings)
{
    bool accepted = accepts_gap(source) && findings->ledger.snapshot == PG_SNAPSHOT_DONE;
    return findings->judgement.gap.code != ERR_NONE && !starts_over(findings) && !accepted;
}

/* What a missing publication left out is a gap; before there is a position it is made. */
static enum rc check_publication(struct source *source, const struct ledger_record *last, struct findings *findings,
                                 struct err *err)
{
    const struct config_postgresql *config = source->config;
    struct pg_judgement *judgement = &findings->judgement;
    bool is_gap = findings->ledger.snapshot == PG_SNAPSHOT_DONE;
    if (!findings->publication_exists && is_gap && judgement->gap.code == ERR_NONE) {
        judgement->makes_slot = true; /* up to 17 the old one cannot decode what was written without a publication */
        enum rc rc = err_set(&judgement->gap, ERR_PG_PUBLICATION_MISSING,
                             "publication \"%s\" does not exist, although the ledger has a position: what it left out "
                             "meanwhile cannot be known",
                             config->publication);
        TRY(look_for_request(source, last, findings, err));
        if (is_refused(source, findings)) {
            *err = judgement->gap;
            return rc;
        }
    }
    if (!findings->publication_exists && findings->found.is_standby)
        return err_set(err, ERR_PG_PUBLICATION_MISSING,
                       "publication \"%s\" does not exist, and the server is a standby: create it on the primary",
                       config->publication);
    if (!findings->publication_exists && !config->publication_create)
        return err_set(err, ERR_PG_PUBLICATION_MISSING, "publication \"%s\" does not exist", config->publication);
    if (!findings->publication_exists && config->tables.n == 0)
        return err_set(err, ERR_PG_PUBLICATION_MISSING,
                       "publication \"%s\" does not exist, and there are no `tables` to make it for",
                       config->publication);
    return pg_catalog_tables(source->conn, config, config->publication, findings->publication_exists, is_gap,
                             source->tables_arena, &source->tables, &source->n_tables, err);
}

/* The publication's contents against the ledger's; the same server, or its rows' oids mean nothing. */
static enum rc compare_publication(struct source *source, struct findings *findings, struct err *err)
{
    struct pg_judgement *judgement = &findings->judgement;
    if (!findings->publication_exists)
        return RC_OK;
    TRY(pg_published_read(source->conn, source->config->publication, source->tables, source->n_tables,
                          source->tables_arena, &findings->found.server.published, err));
    if (findings->ledger.snapshot != PG_SNAPSHOT_DONE || judgement->gap.code != ERR_NONE)
        return RC_OK;
    enum rc rc = pg_published_compare(findings->ledger.published, findings->found.server.published, source->tables,
                                      source->n_tables, &judgement->gap);
    return rc == RC_OK || judgement->gap.code == ERR_PG_PUBLICATION_CHANGED ? RC_OK : (*err = judgement->gap, rc);
}

/* Who the server is, where its log ends, and how it came out of the ledger's timeline. */
static enum rc look_at_server(struct source *source, struct findings *findings, struct err *err)
{
    const struct config_postgresql *config = source->config;
    struct pg_found *found = &findings->found;
    uint32_t timeline = findings->ledger.timeline;
    TRY(pg_server_identity(source->replication, source->conn, config->slot, config->publication, &found->server, err));
    TRY(pg_server_log_end(source->conn, &found->is_standby, &found->wal_end, &source->sender_timeout_ms, err));
    source->is_standby = found->is_standby;
    found->fork_lsn = UINT64_MAX;
    if (findings->ledger.snapshot != PG_SNAPSHOT_NONE && timeline != found->server.timeline)
        TRY(pg_server_fork(source->replication, found->server.timeline, timeline, &found->fork_lsn, err));
    return RC_OK;
}

static enum rc inspect(struct source *source, const struct ledger_record *last, struct findings *findings,
                       struct err *err)
{
    const struct config_postgresql *config = source->config;
    struct pg_found *found = &findings->found;
    struct pg_judgement *judgement = &findings->judgement;
    enum rc rc;
    findings->all_request = -1;
    if (last != NULL) {
        TRY(pg_state_decode(last->state, source->tables_arena, &findings->ledger, err));
        found->ledger_written_us = last->written_us;
    }
    found->now_us = clock_wall_us();
    TRY(pg_source_connect(config, source->application_name, false, &source->conn, err));
    TRY(pg_slot_read(source->conn, config->slot, &found->slot, err));
    TRY(pg_server_check(source->conn, !found->slot.exists && findings->ledger.snapshot != PG_SNAPSHOT_DONE, err));
    TRY(pg_source_connect(config, source->application_name, true, &source->replication, err));
    TRY(look_at_server(source, findings, err));
    rc = pg_guard_judge(&findings->ledger, found, judgement, err);
    if (rc != RC_OK && err->code != ERR_LEDGER_IDENTITY)
        return rc;
    if (rc != RC_OK) { /* before the first copy is done there is no gap to accept, but it can begin again elsewhere */
        judgement->gap = *err;
        judgement->is_other_server = true;
    }
    TRY(pg_publication_exists(source->conn, config->publication, &findings->publication_exists, err));
    TRY(check_publication(source, last, findings, err));
    TRY(compare_publication(source, findings, err));
    if (judgement->gap.code != ERR_NONE)
        TRY(look_for_request(source, last, findings, err));
    if (is_refused(source, findings)) {
        *err = judgement->gap;
        return err_class(err->code);
    }
    if (judgement->gap.code != ERR_NONE)
        TRY(pg_guard_check_acceptable(&findings->ledger, found, judgement, err));
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
    struct findings findings = {0};
    struct source *source = source_new(context);
    enum rc rc = inspect(source, last, &findings, err);
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

/* Goes on in spite of a gap: a slot that works, and a state that says where it begins. What was under way in Kafka is
 * cut off there, unless its commit is not missing. */
static enum rc accept_gap(struct source *source, const struct findings *findings, struct err *err)
{
    const struct pg_found *found = &findings->found;
    const struct pg_judgement *judgement = &findings->judgement;
    char exported[PG_SNAPSHOT_NAME_BYTES];
    struct pg_state *state = &source->state;
    uint64_t start = MAX(found->slot.confirmed, state->end_lsn);
    if (judgement->makes_slot && found->slot.exists)
        TRY(pg_slot_drop(source->conn, source->config->slot, err));
    if (judgement->makes_slot)
        TRY(pg_slot_create(source->replication, source->config->slot,
                           pg_slot_can_failover(source->conn, found->is_standby), (struct pg_slot_patience){0}, &start,
                           exported, err));
    source->gap = (struct pg_gap){.from = state->end_lsn, .to = start, .why = err_name(judgement->gap.code)};
    source->phase = PG_PHASE_GAP;
    log_warn("gap_accepted", LOG_ERR(&judgement->gap), LOG_STR("source", source->context.source->name),
             LOG_U64("missing_bytes", start - state->end_lsn));
    metric_add(METRIC_capture_gaps_total, 1, source->context.source->name, NULL);
    if (start <= state->end_lsn && !judgement->is_other_server)
        return RC_OK;
    state->end_lsn = start;
    if (state->commit_lsn < start) { /* else its transaction comes again, also what Kafka does not have of it */
        state->commit_lsn = start - 1;
        state->next_ordinal = 0;
        source->pos = (struct position){state->commit_lsn, 0};
    }
    return RC_OK;
}

static void log_publication_changes(const struct source *source, const struct findings *findings)
{
    for (size_t i = 0; i < source->n_tables; i++) {
        const struct pg_table *table = &source->tables[i];
        if (pg_published_table(findings->ledger.published, findings->found.server.published, table->oid) ==
            PG_PUBLISHED_NEW)
            log_warn("publication_widened", LOG_STR("source", source->context.source->name),
                     LOG_STR("schema", table->schema), LOG_STR("table", table->name));
    }
}

static enum rc widened_by(const struct source *source, const struct pg_table *table, struct err *err)
{
    return err_set(err, ERR_PG_PUBLICATION_WIDENED, "table %s.%s joined publication \"%s\"", table->schema, table->name,
                   source->config->publication);
}

static enum rc read_published(struct source *source, struct pg_table **ret_tables, size_t *ret_n, const char **ret_line,
                              struct err *err)
{
    const struct config_postgresql *config = source->config;
    arena_reset(source->facts_arena);
    TRY(pg_catalog_tables(source->conn, config, config->publication, true, true, source->facts_arena, ret_tables, ret_n,
                          err));
    return pg_published_read(source->conn, config->publication, *ret_tables, *ret_n, source->facts_arena, ret_line,
                             err);
}

enum rc pg_session_watch_publication(struct source *source, struct err *err)
{
    struct pg_table *tables;
    const char *published;
    size_t n;
    int64_t now_us = clock_mono_us();
    if (!source->config->snapshot_added_tables || now_us - source->watched_mono_us < WATCH_INTERVAL_S * US_PER_S)
        return RC_OK;
    source->watched_mono_us = now_us;
    if (read_published(source, &tables, &n, &published, err) !=
        RC_OK) { /* what is known already is not stopped by it */
        log_warn("publication_unread", LOG_STR("source", source->context.source->name), LOG_ERR(err));
        return RC_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (pg_published_table(source->state.published, published, tables[i].oid) == PG_PUBLISHED_NEW)
            return widened_by(source, &tables[i], err);
    return RC_OK;
}

/* The state goes on from the ledger's, with the server's identity as it is now. */
static void take_up_state(struct source *source, const struct findings *findings)
{
    const struct pg_state *server = &findings->found.server;
    source->state = findings->ledger;
    memcpy(source->state.system_id, server->system_id, sizeof(server->system_id));
    memcpy(source->state.slot, server->slot, sizeof(server->slot));
    memcpy(source->state.publication, server->publication, sizeof(server->publication));
    source->state.timeline = server->timeline;
    source->state.database_oid = server->database_oid;
    source->state.published = server->published;
    source->state.restart_lsn = findings->judgement.makes_slot ? 0 : findings->found.slot.restart;
}

/* Slots that were made before the server could, or by an older leat. */
static enum rc keep_on_standbys(struct source *source, const struct pg_found *found, struct err *err)
{
    if (!pg_slot_can_failover(source->conn, found->is_standby) || found->slot.has_failover)
        return RC_OK;
    return pg_slot_set_failover(source->replication, source->config->slot, err);
}

static enum rc resume_session(struct source *source, const struct findings *findings, struct err *err)
{
    const struct pg_found *found = &findings->found;
    TRY(pg_slot_release(source->conn, source->config->slot, source->application_name, err));
    take_up_state(source, findings);
    if (findings->judgement.gap.code != ERR_NONE)
        return accept_gap(source, findings, err);
    if (found->server.timeline != findings->ledger.timeline)
        log_warn("failed_over", LOG_STR("source", source->context.source->name),
                 LOG_U64("from_timeline", findings->ledger.timeline), LOG_U64("to_timeline", found->server.timeline));
    if (source->context.accept_gap != NULL)
        *source->context.accept_gap = false; /* nothing is missing: a later gap was not what was accepted */
    log_publication_changes(source, findings);
    TRY(keep_on_standbys(source, found, err));
    source->state.end_lsn = findings->judgement.resume_lsn;
    source->phase = PG_PHASE_STREAM;
    return pg_streaming_start(source, err);
}

/* Everything is copied again, and what consumers have is truncated before: rows that were deleted meanwhile go, too. The
 * slot is dropped and made anew once the ledger has been told. */
static void start_over(struct source *source, const struct findings *findings)
{
    struct pg_copy_plan *plan = pg_copying_plan(source->copying);
    plan->truncate = true;
    plan->next_request = findings->all_request + 1;
    log_warn("starts_over", LOG_ERR(&findings->judgement.gap), LOG_STR("source", source->context.source->name),
             LOG_I64("request", findings->all_request));
    if (source->context.accept_gap != NULL)
        *source->context.accept_gap = false; /* nothing will be missing */
}

static enum rc open_session(struct source *source, const struct ledger_record *last, struct err *err)
{
    struct findings findings = {0};
    TRY(inspect(source, last, &findings, err));
    TRY(open_emitter(source, err));
    if (source->config->heartbeat_topic)
        TRY(heartbeat_open(&source->context, &source->heartbeat, err));
    if (!findings.publication_exists) {
        TRY(pg_publication_create(source->conn, source->config->publication, source->tables, source->n_tables, err));
        TRY(pg_published_read(source->conn, source->config->publication, source->tables, source->n_tables,
                              source->tables_arena, &findings.found.server.published, err));
    }
    if (last != NULL) {
        source->pos = last->pos;
        source->commit_time_us = last->commit_time_us;
    }
    bool resumes = findings.ledger.snapshot == PG_SNAPSHOT_DONE && !starts_over(&findings);
    TRY(pg_copying_open(source, last != NULL ? last->state : (struct slice){0}, resumes, err));
    source->emitter.previous_end = resumes ? findings.ledger.end_lsn : 0;
    if (resumes)
        return resume_session(source, &findings, err);
    if (starts_over(&findings))
        start_over(source, &findings);
    take_up_state(source, &findings);
    source->phase = PG_PHASE_ANNOUNCE;
    return RC_OK;
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

/* A whole state of the source, unless the ledger ends inside a transaction that goes on behind the gap. */
static enum rc mark_gap(struct source *source, struct batch *batch, struct err *err)
{
    source->state.gap = &source->gap;
    TRY(pg_session_mark(source, batch, LEDGER_GAP, source->state.next_ordinal == 0, source->state.end_lsn, err));
    source->state.gap = NULL;
    source->phase = PG_PHASE_STREAM;
    return RC_OK;
}

static enum rc source_fill(struct source *source, struct batch *batch, struct err *err)
{
    if (source->phase == PG_PHASE_GAP)
        return mark_gap(source, batch, err);
    if (source->phase == PG_PHASE_STREAM) {
        if (source->stream == NULL)
            TRY(pg_streaming_start(source, err));
        TRY(pg_streaming_fill(source, batch, err));
        if (!source->joined || batch->n_records > 0)
            return RC_OK;
    }
    return pg_copying_fill(source, batch, err);
}

static enum rc source_idle(struct source *source, struct err *err)
{
    return source->stream == NULL ? RC_OK : pg_streaming_tend(source, err);
}

static void source_close(struct source *source)
{
    struct err err;
    if (source->gap.why != NULL && publisher_committed(source->context.publisher) > 0)
        *source->context.accept_gap = false; /* this one was recorded; another one was not accepted */
    if (source->stream != NULL) {
        pg_stream_confirm(source->stream, publisher_committed(source->context.publisher));
        enum rc rc = pg_stream_flush(source->stream, &err);
        (void)rc; /* the connection may be what failed */
    }
    pg_streaming_end(source);
    pg_stream_free(source->stream);
    pg_copying_free(source->copying);
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

static bool source_is_placed(const struct source *source)
{
    return source->state.snapshot == PG_SNAPSHOT_DONE;
}

const struct source_ops pg_source_ops = {
    .check = source_check,
    .open = source_open,
    .fill = source_fill,
    .is_placed = source_is_placed,
    .idle = source_idle,
    .close = source_close,
};
