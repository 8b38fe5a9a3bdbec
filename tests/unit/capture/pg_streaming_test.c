/* The stream as bytes of a script: what becomes of it in batches and marks, and what a restart makes of the same bytes.
 * The stream, the publisher and the session's other parts are shims; decoder, spool, emitter are the real ones. */
#include "test.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "capture/pg/session.h"
#include "capture/pg/transfer.h"
#include "capture/publisher.h"

/* ---- the script ---- */

enum { MAX_MESSAGES = 512, XID = 7, SCRIPT_BYTES = 1 << 20, TEXT_OID = 25, INT4_OID = 23, INT4RANGE_OID = 3904 };

static struct {
    struct slice message;
    uint64_t lsn;
} script[MAX_MESSAGES];
static size_t n_script, at_script;
static uint64_t wal_end; /* of the keepalives that came so far */
static uint8_t storage[SCRIPT_BYTES];
static struct buf bytes;
static uint32_t stream_xid; /* messages are between stream start and stop, of this (sub)transaction; 0: they are not */
static uint32_t stream_top;

static void script_new(void)
{
    bytes = buf_over(storage, sizeof(storage));
    n_script = at_script = 0;
    wal_end = 0;
    stream_xid = 0;
}

static void put_u16(uint16_t value)
{
    buf_put_u8(&bytes, (uint8_t)(value >> 8));
    buf_put_u8(&bytes, (uint8_t)value);
}

static void put_text(const char *text)
{
    buf_put(&bytes, text, strlen(text) + 1);
}

static void open_message(char type)
{
    script[n_script].message.ptr = bytes.ptr + bytes.len;
    buf_put_u8(&bytes, (uint8_t)type);
}

static void close_message(uint64_t lsn)
{
    assert_false(bytes.failed);
    script[n_script].message.len = (size_t)(bytes.ptr + bytes.len - script[n_script].message.ptr);
    script[n_script++].lsn = lsn;
}

static void open_change(char type)
{
    open_message(type);
    if (stream_xid != 0)
        buf_put_u32(&bytes, stream_xid);
}

static void begin(uint64_t final_lsn)
{
    open_message('B');
    buf_put_u64(&bytes, final_lsn);
    buf_put_u64(&bytes, 0);
    buf_put_u32(&bytes, XID);
    close_message(final_lsn);
}

static void put_commit(uint64_t lsn, uint64_t end)
{
    buf_put_u8(&bytes, 0);
    buf_put_u64(&bytes, lsn);
    buf_put_u64(&bytes, end);
    buf_put_u64(&bytes, 0);
}

static void commit(uint64_t lsn, uint64_t end)
{
    open_message('C');
    put_commit(lsn, end);
    close_message(end);
}

/* t(id text) or t(id text, more OTHER) */
static void relation_with(uint16_t n_columns, uint32_t other_type)
{
    open_change('R');
    buf_put_u32(&bytes, 1);
    put_text("public");
    put_text("t");
    buf_put_u8(&bytes, 'd');
    put_u16(n_columns);
    for (uint16_t i = 0; i < n_columns; i++) {
        buf_put_u8(&bytes, i == 0);
        put_text(i == 0 ? "id" : "more");
        buf_put_u32(&bytes, i == 0 ? TEXT_OID : other_type);
        buf_put_u32(&bytes, UINT32_MAX);
    }
    close_message(0);
}

static void relation(uint16_t n_columns)
{
    relation_with(n_columns, TEXT_OID);
}

static void insert_wide(const char *key, uint16_t n_columns, uint64_t lsn)
{
    open_change('I');
    buf_put_u32(&bytes, 1);
    buf_put_u8(&bytes, 'N');
    put_u16(n_columns);
    for (uint16_t i = 0; i < n_columns; i++) {
        buf_put_u8(&bytes, 't');
        buf_put_u32(&bytes, (uint32_t)strlen(key));
        buf_put_str(&bytes, key);
    }
    close_message(lsn);
}

static void insert(const char *key)
{
    insert_wide(key, 1, 5);
}

static void logical(const char *prefix, bool transactional, uint64_t lsn)
{
    open_message('M');
    if (stream_xid != 0)
        buf_put_u32(&bytes, stream_top); /* also inside a savepoint */
    buf_put_u8(&bytes, transactional);
    buf_put_u64(&bytes, lsn);
    put_text(prefix);
    buf_put_u32(&bytes, 2);
    buf_put_str(&bytes, "hi");
    close_message(lsn);
}

static void stream_start(uint32_t xid, bool first)
{
    open_message('S');
    buf_put_u32(&bytes, xid);
    buf_put_u8(&bytes, first);
    close_message(0);
    stream_xid = stream_top = xid;
}

static void stream_stop(void)
{
    stream_xid = 0;
    open_message('E');
    close_message(0);
}

static void stream_commit(uint32_t xid, uint64_t lsn, uint64_t end)
{
    open_message('c');
    buf_put_u32(&bytes, xid);
    put_commit(lsn, end);
    close_message(end);
}

static void stream_abort(uint32_t xid, uint32_t subxid)
{
    open_message('A');
    buf_put_u32(&bytes, xid);
    buf_put_u32(&bytes, subxid);
    close_message(0);
}

/* b, P, K, p */
static void prepare(char type, uint32_t xid, uint64_t lsn, uint64_t end)
{
    open_message(type);
    if (type != 'b')
        buf_put_u8(&bytes, 0);
    buf_put_u64(&bytes, lsn);
    buf_put_u64(&bytes, end);
    buf_put_u64(&bytes, 0);
    buf_put_u32(&bytes, xid);
    put_text("gid");
    close_message(end);
}

static void rollback_prepared(uint32_t xid)
{
    open_message('r');
    buf_put_u8(&bytes, 0);
    for (int i = 0; i < 4; i++)
        buf_put_u64(&bytes, 0);
    buf_put_u32(&bytes, xid);
    put_text("gid");
    close_message(0);
}

/* A keepalive: everything committed before was sent. */
static void keepalive(uint64_t end)
{
    script[n_script].message = (struct slice){0};
    script[n_script++].lsn = end;
}

/* ---- shims ---- */

enum rc pg_stream_start(PGconn *replication, const struct pg_stream_options *options, struct pg_stream **ret_stream,
                        struct err *err)
{
    (void)replication;
    (void)options;
    (void)ret_stream;
    return err_set(err, ERR_BUG, "not in this test");
}

enum rc pg_stream_next(struct pg_stream *stream, struct slice *ret_message, uint64_t *ret_lsn, struct err *err)
{
    (void)stream;
    (void)err;
    for (; at_script < n_script; at_script++) {
        if (script[at_script].message.ptr != NULL) {
            *ret_message = script[at_script].message;
            *ret_lsn = script[at_script++].lsn;
            return RC_OK;
        }
        wal_end = script[at_script].lsn;
    }
    return RC_AGAIN;
}

/* A short wait is for a batch that is about to go; a long one is for what the script does not have. */
enum rc pg_stream_wait(struct pg_stream *stream, int other_fd, int timeout_ms, struct err *ret_err)
{
    (void)stream;
    (void)other_fd;
    if (timeout_ms >= MS_PER_S / 2)
        return err_set(ret_err, ERR_PG_UNREACHABLE, "the script is over");
    nanosleep(&(struct timespec){.tv_nsec = timeout_ms * 1000000L}, NULL);
    return RC_OK;
}

bool pg_stream_flows(const struct pg_stream *stream)
{
    (void)stream;
    return false;
}

void pg_stream_confirm(struct pg_stream *stream, uint64_t lsn)
{
    (void)stream;
    (void)lsn;
}

enum rc pg_stream_tend(struct pg_stream *stream, struct err *err)
{
    (void)stream;
    (void)err;
    return RC_OK;
}

uint64_t pg_stream_wal_end(const struct pg_stream *stream)
{
    (void)stream;
    return wal_end;
}

bool pg_stream_take_asked(struct pg_stream *stream)
{
    (void)stream;
    return false;
}

static int protocol = 4;
static const struct pg_type_facts *published_types;
static size_t n_published_types;

int pg_stream_protocol(int server_version)
{
    (void)server_version;
    return protocol;
}

enum rc pg_catalog_published_types(PGconn *conn, const char *publication, struct arena *arena,
                                   const struct pg_type_facts **ret_types, size_t *ret_n, struct err *ret_err)
{
    (void)conn, (void)publication, (void)arena, (void)ret_err;
    *ret_types = published_types;
    *ret_n = n_published_types;
    return RC_OK;
}

enum rc pg_copying_tend(struct source *source, struct err *err)
{
    (void)source;
    (void)err;
    return RC_OK;
}

enum rc pg_copying_complete(struct source *source, const struct pg_relation *relation, struct err *err)
{
    (void)source;
    (void)relation;
    (void)err;
    return RC_OK;
}

int64_t pg_copying_due_ms(const struct source *source)
{
    (void)source;
    return MS_PER_S;
}

uint64_t publisher_committed(const struct publisher *publisher)
{
    (void)publisher;
    return 0;
}

enum rc publisher_topic(struct publisher *publisher, const char *topic, uint32_t *ret_index, struct err *err)
{
    (void)publisher;
    (void)topic;
    (void)err;
    *ret_index = 1;
    return RC_OK;
}

static unsigned n_compiled; /* relation messages that came through */

enum rc pg_session_announce_messages(struct source *source, struct err *err)
{
    (void)source;
    return err_set(err, ERR_BUG, "the messages are announced from the start");
}

enum rc pg_session_take_relation(struct source *source, PGconn *conn, const struct pgoutput_relation *announced,
                                 struct pg_relation **ret_relation, struct err *err)
{
    static const struct pg_table_facts no_facts;
    static const struct config_string_list all_tables;
    const struct pg_relation_options options = {.prefix = "p", .tables = &all_tables};
    const struct envelope_source constant = {
        .connector = CONNECTOR_POSTGRESQL, .name = "p", .database = "d", .schema = "public", .table = "t"};
    (void)conn;
    TRY(pg_relation_compile(announced, &no_facts, &options, ret_relation, err));
    (*ret_relation)->envelope = envelope_new(&constant, 1);
    pg_relcache_put(source->relcache, *ret_relation);
    n_compiled++;
    return RC_OK;
}

enum rc pg_session_relax(struct source *source, struct pg_relation *table, struct err *err)
{
    (void)source;
    (void)table;
    return err_set(err, ERR_BUG, "not in this test");
}

enum rc pg_session_mark(struct source *source, struct batch *batch, enum ledger_kind kind, bool cut, uint64_t confirm,
                        struct err *err)
{
    (void)err;
    batch->mark = (struct batch_mark){.kind = kind, .cut = cut, .pos = source->pos, .confirm = confirm};
    source->marked_mono_us = clock_mono_us();
    return RC_OK;
}

enum rc pg_session_check_server(struct source *source, struct err *err)
{
    (void)source;
    (void)err;
    return RC_OK;
}

enum rc pg_session_check_publisher(const struct source *source, struct err *err)
{
    (void)source;
    (void)err;
    return RC_OK;
}

bool pg_session_is_full(const struct batch *batch)
{
    return batch_is_full(batch);
}

enum rc pg_session_watch_publication(struct source *source, struct err *err)
{
    (void)source, (void)err;
    return RC_OK;
}

bool pg_session_has_room(const struct batch *batch, size_t n)
{
    return batch->n_records + n <= batch->max_records && !pg_session_is_full(batch);
}

/* ---- one session over the script ---- */

#define MODES                                                                                                          \
    .decimal_handling_mode = "precise", .time_precision_mode = "adaptive", .interval_handling_mode = "numeric",        \
    .hstore_handling_mode = "json", .binary_handling_mode = "bytes"
static struct config config = {.prefix = "p", .kafka.message_max_bytes = 1 << 20};
static struct config_source source_config = {
    .name = "core", .batch_max_age_ms = 60000, .heartbeat_interval_ms = 60000, .postgresql = {MODES}};
static struct source_notes notes;
static char events[1 << 16], marks[1 << 16];
static struct pg_state state;        /* as the last mark left it: where the next session begins */
static size_t records_a_batch = 100; /* then it is full */
static uint64_t join_lsn = UINT64_MAX;
static struct err err;

static void describe(const struct batch *batch, struct buf *out)
{
    for (size_t i = 0; i < batch->n_records; i++) {
        const struct batch_record *record = &batch->records[i];
        const char *key = (const char *)record->key.ptr + 6; /* frame, length */
        int len = (int)record->key.len - 6;
        if (record->topic == 9) { /* a message's key is optional */
            key++;
            len--;
        }
        buf_printf(out, "%s%" PRIu64 ".%" PRIu64 "=%.*s", out->len == 0 ? "" : " ", record->pos.major,
                   record->pos.minor, len, key);
    }
}

static bool session_is_binary;

static struct source *session_new(void)
{
    static const struct envelope_source constant = {
        .connector = CONNECTOR_POSTGRESQL, .name = "p", .database = "d", .schema = "", .table = ""};
    struct source *source = calloc(1, sizeof(*source));
    source->join_lsn = join_lsn;
    source->context = (struct source_context){
        .config = &config, .source = &source_config, .notes = &notes, .queue = batch_queue_new(1, 1 << 20)};
    source->config = &source_config.postgresql;
    source->state = state;
    source->phase = PG_PHASE_STREAM;
    source->binary = session_is_binary;
    source->facts_arena = arena_new(1 << 20);
    source->relcache = pg_relcache_new();
    source->msg = malloc(sizeof(*source->msg));
    source->emitter = (struct pg_emitter){
        .source = "core", .prefix = "p", .scratch = buf_new(1 << 20), .origin = buf_new(1 << 10)};
    source->spool = pg_spool_new("/tmp", 64 << 20);
    source->outbox = pg_outbox_of(&config, source->config, NULL, NULL);
    source->outbox.envelope = envelope_new(&constant, 1);
    source->outbox.topic_index = 9;
    source->marked_mono_us = clock_mono_us();
    at_script = 0;
    return source;
}

static void session_free(struct source *source)
{
    pg_streaming_end(source);
    batch_queue_free(source->context.queue);
    arena_free(source->facts_arena);
    pg_relcache_free(source->relcache);
    buf_done(&source->emitter.scratch);
    buf_done(&source->emitter.origin);
    free(source->msg);
    free(source);
}

/* Batch after batch, at most n_batches, until the script is over. The state moves on with each. */
static enum rc run_batches(size_t n_batches)
{
    struct buf out = buf_over(events, sizeof(events)), marked = buf_over(marks, sizeof(marks));
    struct source *source = session_new();
    enum rc rc = RC_OK;
    n_compiled = 0;
    for (size_t i = 0; i < n_batches && rc == RC_OK; i++) {
        struct batch *batch = batch_new(1 << 20);
        batch->max_records = records_a_batch;
        rc = pg_streaming_fill(source, batch, &err);
        if (rc == RC_OK) {
            describe(batch, &out);
            buf_printf(&marked, "%s%" PRIu64 ".%" PRIu64 "%s<%" PRIu64, marked.len == 0 ? "" : " ",
                       batch->mark.pos.major, batch->mark.pos.minor, batch->mark.cut ? "" : "~", batch->mark.confirm);
            state = source->state;
        }
        batch_free(batch);
    }
    session_free(source);
    buf_cstr(&out);
    buf_cstr(&marked);
    return rc;
}

/* The events of a script, each as <commit>.<ordinal>=<key>. */
static const char *run(void)
{
    enum rc rc = run_batches(1000);
    if (rc != RC_RETRY || err.code != ERR_PG_UNREACHABLE)
        fail_msg("%s: %s", rc_name(rc), err.msg);
    return events;
}

static const char *run_from(struct pg_state from)
{
    state = from;
    return run();
}

static const struct pg_state fresh;

/* What is taken before a window of the copy opens whose point this is. */
static const char *run_joining(uint64_t point)
{
    join_lsn = point;
    state = fresh;
    CHECK_EQ(RC_OK, run_batches(1), "up to the point");
    join_lsn = UINT64_MAX;
    return events;
}

/* ---- positions ---- */

static void begin_first_row_and_the_commit_before_share_an_lsn(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    begin(100);
    insert_wide("a", 1, 50);
    commit(100, 200);
    begin(300); /* its first row stands where the commit before ended */
    insert_wide("b", 1, 200);
    insert_wide("c", 1, 200);
    commit(300, 400);
    CHECK_STR("100.0=a 300.0=b 300.1=c", run_from(fresh), "all of it");
    const struct pg_state between = {.end_lsn = 200, .commit_lsn = 100};
    CHECK_STR("300.0=b 300.1=c", run_from(between), "killed between the two");
    const struct pg_state inside = {.end_lsn = 200, .commit_lsn = 300, .next_ordinal = 1};
    CHECK_STR("300.1=c", run_from(inside), "killed inside the second");
}

static void rows_that_share_one_lsn_go_on_in_their_middle(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    begin(100);
    for (int i = 0; i < 5; i++)
        insert_wide((const char *[]){"a", "b", "c", "d", "e"}[i], 1, 60);
    commit(100, 200);
    for (uint64_t done = 1; done < 5; done++) {
        const struct pg_state inside = {.end_lsn = 50, .commit_lsn = 100, .next_ordinal = done};
        CHECK_STR("100.0=a 100.1=b 100.2=c 100.3=d 100.4=e" + 8 * done, run_from(inside), "from the next one on");
    }
}

static void positions_are_compared_across_the_high_word(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    begin(UINT64_C(0x0FFFFFFF0));
    insert("a");
    commit(UINT64_C(0x0FFFFFFF0), UINT64_C(0x100000010));
    begin(UINT64_C(0x100000020));
    insert("b");
    commit(UINT64_C(0x100000020), UINT64_C(0x100000040));
    const struct pg_state low = {.end_lsn = UINT64_C(0x100000010), .commit_lsn = UINT64_C(0x0FFFFFFF0)};
    CHECK_STR("4294967328.0=b", run_from(low), "the one behind the border is new");
    CHECK_STR("4294967328.0<4294967360", marks, "and is confirmed at its end");
    const struct pg_state high = {.end_lsn = UINT64_C(0x100000040), .commit_lsn = UINT64_C(0x100000020)};
    CHECK_STR("", run_from(high), "both are known");
}

static void the_confirmed_position_is_a_commits_end_and_never_moves_back(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    begin(100);
    insert("a");
    commit(100, 200);
    CHECK_STR("100.0=a", run_from(fresh), "one");
    CHECK_STR("100.0<200", marks, "the end, not the commit record");
    const struct pg_state ahead = {.end_lsn = 900, .commit_lsn = 50};
    run_from(ahead); /* a keepalive had moved the end on */
    CHECK_STR("100.0<900", marks, "what was confirmed stays");
}

static void a_keepalive_does_not_pass_what_is_not_in_a_batch(void **unused)
{
    (void)unused;
    source_config.heartbeat_interval_ms = 0;
    script_new();
    relation(1);
    begin(500);
    insert("a");
    keepalive(450);
    CHECK_EQ(RC_RETRY, (state = fresh, run_batches(10)), "a transaction that has not ended");
    CHECK_STR("", marks, "marks nothing while it lasts");
    commit(500, 600);
    keepalive(700);
    state = fresh;
    CHECK_EQ(RC_OK, run_batches(2), "then");
    CHECK_STR("500.0<600 500.0<700", marks, "its own end, and the keepalive's after it");
    source_config.heartbeat_interval_ms = 60000;
}

static void transactions_begin_in_one_order_and_commit_in_the_other(void **unused)
{
    (void)unused;
    script_new();
    stream_start(10, true);
    relation(1);
    insert("a");
    stream_stop();
    stream_start(11, true);
    relation(1);
    insert("x");
    stream_stop();
    begin(100);
    relation(1);
    insert("n");
    commit(100, 110);
    stream_start(10, false);
    insert("b");
    stream_stop();
    stream_commit(11, 200, 210);
    stream_commit(10, 300, 310);
    CHECK_STR("100.0=n 200.0=x 300.0=a 300.1=b", run_from(fresh), "the order of the commits");
    CHECK_STR("300.1<310", marks, "the last one's end");
    const struct pg_state between = {.end_lsn = 210, .commit_lsn = 200};
    CHECK_STR("300.0=a 300.1=b", run_from(between), "killed between the commits");
}

static void the_slot_moves_on_while_a_streamed_transaction_is_open(void **unused)
{
    (void)unused;
    source_config.heartbeat_interval_ms = 0;
    script_new();
    stream_start(10, true);
    relation(1);
    insert("a");
    stream_stop();
    keepalive(900);
    state = fresh;
    CHECK_EQ(RC_OK, run_batches(1), "idle");
    CHECK_STR("0.0<900", marks, "an open transaction is sent again from its start, whatever is confirmed");
    source_config.heartbeat_interval_ms = 60000;
}

/* ---- streamed and whole ---- */

static void what_is_rolled_back_leaves_nothing(void **unused)
{
    (void)unused;
    script_new();
    stream_start(10, true);
    relation(1);
    insert("a");
    stream_xid = 11;
    insert("gone");
    stream_xid = 12;
    insert("gone");
    stream_stop();
    stream_abort(10, 12);
    stream_abort(10, 11);
    stream_start(10, false);
    insert("b");
    stream_xid = 13;
    insert("c");
    stream_stop();
    stream_start(20, true);
    relation(1);
    insert("gone");
    stream_stop();
    stream_abort(20, 20);
    stream_abort(30, 30); /* of which nothing was sent */
    stream_commit(10, 300, 310);
    CHECK_STR("300.0=a 300.1=b 300.2=c", run_from(fresh), "streamed");
}

static void a_shape_that_was_rolled_back_does_not_reach_the_cache(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    begin(100);
    insert("a");
    commit(100, 110);
    stream_start(10, true);
    relation(2);
    insert_wide("gone", 2, 5);
    stream_stop();
    stream_abort(10, 10);
    begin(200);
    insert("b"); /* as it was announced before */
    commit(200, 210);
    CHECK_STR("100.0=a 200.0=b", run_from(fresh), "the old shape");
    CHECK_EQ(1, n_compiled, "shapes that were looked at");
}

static void a_shape_comes_into_force_where_it_stands_in_the_replay(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    stream_start(10, true);
    relation(1);
    insert("a");
    relation(2);
    insert_wide("b", 2, 5);
    stream_stop();
    begin(100); /* meanwhile the old shape is in force for others */
    insert("n");
    commit(100, 110);
    stream_commit(10, 200, 210);
    begin(300); /* afterwards the new one, which the server does not send again */
    insert_wide("c", 2, 5);
    commit(300, 310);
    CHECK_STR("100.0=n 200.0=a 200.1=b 300.0=c", run_from(fresh), "each row with its shape");
    const struct pg_state known = {.end_lsn = 250, .commit_lsn = 200};
    CHECK_STR("300.0=c", run_from(known), "also when the transaction itself is in Kafka already");
}

static void a_replay_fills_batch_after_batch_and_goes_on_after_a_kill(void **unused)
{
    (void)unused;
    static const char all[] = "300.0=a 300.1=b 300.2=c 300.3=d 300.4=e 300.5=f 300.6=g";
    records_a_batch = 3;
    script_new();
    stream_start(10, true);
    relation(1);
    for (int i = 0; i < 7; i++)
        insert((const char *[]){"a", "b", "c", "d", "e", "f", "g"}[i]);
    stream_stop();
    stream_commit(10, 300, 310);
    CHECK_STR(all, run_from(fresh), "all of it");
    assert_non_null(strstr(marks, "~<0 ")); /* parts of it confirm nothing */
    assert_non_null(strstr(marks, "300.6<310"));
    for (size_t killed_after = 1; killed_after < 4; killed_after++) {
        char before[256];
        state = fresh;
        CHECK_EQ(RC_OK, run_batches(killed_after), "some batches");
        snprintf(before, sizeof(before), "%s", events);
        if (killed_after == 2) { /* the server sends it as a whole this time */
            script_new();
            begin(300);
            relation(1);
            for (int i = 0; i < 7; i++)
                insert((const char *[]){"a", "b", "c", "d", "e", "f", "g"}[i]);
            commit(300, 310);
        }
        run();
        size_t len = strlen(before);
        snprintf(before + len, sizeof(before) - len, "%s%s", *events == '\0' ? "" : " ", events);
        CHECK_STR(all, before, "nothing lost or doubled");
    }
    records_a_batch = 100;
}

/* ---- prepared transactions of a slot with two_phase ---- */

static void a_prepared_transaction_comes_at_its_commit(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    prepare('b', 10, 100, 110);
    insert("a");
    prepare('P', 10, 100, 110);
    stream_start(11, true);
    relation(1);
    insert("s");
    stream_stop();
    prepare('p', 11, 120, 130);
    begin(200);
    insert("n");
    commit(200, 210);
    rollback_prepared(11);
    rollback_prepared(12);
    CHECK_STR("200.0=n", run_from(fresh), "nothing before its end");
    CHECK_STR("200.0<100", marks, "its prepare would not come again: nothing behind it is confirmed");
    prepare('K', 10, 300, 310);
    CHECK_STR("200.0=n 300.0=a", run_from(fresh), "at the commit's position");
    CHECK_STR("300.0<310", marks, "and then the slot moves");
    const struct pg_state inside = {.end_lsn = 100, .commit_lsn = 200};
    CHECK_STR("300.0=a", run_from(inside), "killed before its end");
}

static void a_prepared_transaction_is_held_until_all_of_it_is_published(void **unused)
{
    (void)unused;
    records_a_batch = 3;
    script_new();
    relation(1);
    prepare('b', 10, 100, 110);
    for (int i = 0; i < 4; i++)
        insert("a");
    prepare('P', 10, 100, 110);
    begin(200);
    insert("n");
    commit(200, 210);
    prepare('K', 10, 300, 310);
    state = fresh;
    CHECK_EQ(RC_OK, run_batches(2), "two batches");
    assert_true(state.next_ordinal > 0);
    assert_true(state.end_lsn <= 100);
    records_a_batch = 100;
}

static void a_prepared_commit_that_is_published_is_passed_over(void **unused)
{
    (void)unused;
    script_new();
    prepare('b', 11, 250, 260);
    prepare('P', 11, 250, 260); /* this one held the slot back */
    prepare('K', 10, 300, 310);
    const struct pg_state known = {.end_lsn = 250, .commit_lsn = 300};
    CHECK_STR("", run_from(known), "its prepare lies before the start");
    script_new();
    prepare('K', 10, 300, 310);
    state = fresh;
    CHECK_EQ(RC_FATAL, run_batches(1), "one that nobody has is an error");
}

/* ---- logical messages ---- */

static void logical_messages_have_a_place_among_the_events(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    begin(100);
    insert("a");
    logical("in", true, 60);
    insert("b");
    commit(100, 110);
    logical("plain", false, 120);
    logical("leat.own", false, 125);
    begin(200);
    logical("first", true, 130);
    insert("c");
    commit(200, 210);
    CHECK_STR("100.0=a 100.1=in 100.2=b 119.0=plain 200.0=first 200.1=c", run_from(fresh), "in order");
    const struct pg_state before = {.end_lsn = 110, .commit_lsn = 100};
    CHECK_STR("119.0=plain 200.0=first 200.1=c", run_from(before), "killed before the plain one");
    const struct pg_state behind = {.end_lsn = 110, .commit_lsn = 119};
    CHECK_STR("200.0=first 200.1=c", run_from(behind), "killed behind it: it has no end to confirm, and comes again");
    const struct pg_state inside = {.end_lsn = 110, .commit_lsn = 200, .next_ordinal = 1};
    CHECK_STR("200.1=c", run_from(inside), "a message, then a row, killed between them");
}

static void a_plain_message_is_published_once(void **unused)
{
    (void)unused;
    script_new();
    logical("one", false, 120);
    CHECK_STR("119.0=one", run_from(fresh), "the first session");
    CHECK_STR("119.0<0", marks, "nothing is confirmed by it");
    logical("two", false, 130);
    CHECK_STR("129.0=two", run(), "the next one gets it again, and passes it over");
}

/* The commit record stands where the message's record ends. */
static void a_plain_message_right_before_a_commit_record_takes_nothing_from_it(void **unused)
{
    (void)unused;
    static const char all[] = "119.0=plain 120.0=a 120.1=b";
    records_a_batch = 2;
    for (int streamed = 0; streamed < 2; streamed++) {
        script_new();
        if (streamed)
            stream_start(10, true);
        relation(1);
        if (streamed) {
            insert("a");
            insert("b");
            stream_stop();
        }
        logical("plain", false, 120);
        if (!streamed) {
            begin(120);
            insert("a");
            insert("b");
        }
        streamed ? stream_commit(10, 120, 130) : commit(120, 130);
        CHECK_STR(all, run_from(fresh), "both");
        state = fresh;
        CHECK_EQ(RC_OK, run_batches(1), "a kill behind the first batch");
        CHECK_STR("120.0=a 120.1=b", (run(), events), "the transaction comes");
        const struct pg_state inside = {.end_lsn = 110, .commit_lsn = 120, .next_ordinal = 1};
        CHECK_STR("120.1=b", run_from(inside), "killed inside it, neither the message nor a row is lost or doubled");
        const struct pg_state done = {.end_lsn = 130, .commit_lsn = 120};
        CHECK_STR("", run_from(done), "killed behind it");
    }
    records_a_batch = 100;
}

/* Older ones gave a message the end of its record as position. */
static void a_ledger_that_ends_at_a_message_of_an_older_version_is_understood(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    logical("plain", false, 120);
    begin(120);
    insert("a");
    commit(120, 130);
    logical("next", false, 140);
    const struct pg_state at_message = {.end_lsn = 110, .commit_lsn = 120};
    CHECK_STR("120.0=a 139.0=next", run_from(at_message), "not the message again, but the commit behind it");
    const struct pg_state at_keepalive = {.end_lsn = 120, .commit_lsn = 120};
    CHECK_STR("120.0=a 139.0=next", run_from(at_keepalive), "a keepalive had confirmed the message");
    const struct pg_state at_commit = {.end_lsn = 130, .commit_lsn = 120};
    CHECK_STR("139.0=next", run_from(at_commit), "the commit itself");
}

static void a_plain_message_behind_a_windows_point_comes_behind_its_rows(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    logical("before", false, 120);
    logical("behind", false, 140);
    CHECK_STR("119.0=before", run_joining(120), "its record ends at the point");
    CHECK_STR("119.0=before", run_joining(130), "the other one's lies behind it");
    CHECK_STR("119.0=before 139.0=behind", run_joining(140), "now it does not");
}

static void a_streamed_message_keeps_its_ordinal(void **unused)
{
    (void)unused;
    script_new();
    stream_start(10, true);
    relation(1);
    insert("a");
    logical("in", true, 60);
    insert("b");
    stream_xid = 11;
    insert("gone");
    logical("gone", true, 61);
    insert("gone");
    logical("gone", true, 62);
    stream_stop();
    stream_abort(10, 11);
    logical("plain", false, 120); /* while the transaction is open */
    stream_start(10, false);
    insert("c");
    stream_stop();
    stream_commit(10, 200, 210);
    CHECK_STR("119.0=plain 200.0=a 200.1=in 200.2=b 200.3=c", run_from(fresh), "in order");
}

/* The server does not say which savepoint a message is of: streaming is given up rather than a guess made. */
static void a_message_that_may_be_rolled_back_ends_streaming(void **unused)
{
    (void)unused;
    script_new();
    stream_start(10, true);
    relation(1);
    insert("a");
    stream_xid = 11;
    logical("whose", true, 60);
    insert("gone");
    stream_stop();
    stream_abort(10, 11);
    state = fresh;
    notes.streaming.is_off = false;
    CHECK_EQ(RC_RETRY, run_batches(1), "a new session");
    CHECK_EQ(ERR_PG_MESSAGE_UNCLEAR, err.code, "a new session");
    assert_true(notes.streaming.is_off);
    script_new();
    stream_start(10, true);
    relation(1);
    insert("a");
    stream_xid = 11;
    logical("leat.own", true, 60);
    insert("gone");
    stream_stop();
    stream_abort(10, 11);
    stream_commit(10, 200, 210);
    CHECK_STR("200.0=a", run_from(fresh), "one that is not taken does not matter");
}

static void prefixes_are_chosen(void **unused)
{
    (void)unused;
    static const char *included[] = {"outbox.*", "audit"}, *excluded[] = {"outbox.secret"}, *none[] = {"*"};
    struct config_postgresql section = {MODES, .message_prefixes = {included, 2},
                                        .message_prefixes_excluded = {excluded, 1}};
    struct pg_outbox outbox = pg_outbox_of(&config, &section, NULL, NULL);
    assert_true(pg_outbox_takes(&outbox, "outbox.orders"));
    assert_true(pg_outbox_takes(&outbox, "audit"));
    assert_false(pg_outbox_takes(&outbox, "audits"));
    assert_false(pg_outbox_takes(&outbox, "outbox.secret"));
    assert_false(pg_outbox_takes(&outbox, "other"));
    assert_true(pg_outbox_is_wanted(&outbox));
    section = (struct config_postgresql){.message_prefixes_excluded = {none, 1}};
    assert_false(pg_outbox_takes(&outbox, "any"));
    assert_false(pg_outbox_is_wanted(&outbox));
    section = (struct config_postgresql){0};
    assert_true(pg_outbox_takes(&outbox, "any"));
    assert_false(pg_outbox_takes(&outbox, "leat.any"));
}

/* ---- streams that no server sends ---- */

static void refused(const char *behaviour)
{
    state = fresh;
    CHECK_EQ(RC_FATAL, run_batches(2), behaviour);
    CHECK_EQ(ERR_PGOUTPUT_MALFORMED, err.code, behaviour);
}

static void messages_out_of_place_end_the_session(void **unused)
{
    (void)unused;
    script_new();
    relation(1);
    insert("a");
    refused("a change outside of a transaction");
    script_new();
    begin(100);
    begin(200);
    refused("a begin inside a transaction");
    script_new();
    begin(100);
    stream_start(10, true);
    refused("a stream start inside a transaction");
    script_new();
    commit(100, 110);
    refused("a commit without a begin");
    script_new();
    stream_stop();
    refused("a stream stop without a start");
    script_new();
    stream_start(10, false);
    refused("a second part without a first");
    script_new();
    stream_commit(10, 100, 110);
    refused("a stream commit without a part");
    script_new();
    prepare('P', 10, 100, 110);
    refused("a prepare without its begin");
    script_new();
    stream_start(10, true);
    begin(100);
    refused("a begin between stream start and stop");
    script_new();
    begin(100);
    insert("a");
    refused("a change of a relation that was never announced");
    script_new();
    logical("in", true, 60);
    refused("a transaction's message outside of one");
}

/* ---- values in binary ---- */

static void a_session_is_binary_when_every_published_type_is_read_so(void **unused)
{
    (void)unused;
    static const struct pg_type_facts ordinary[] = {{23, {.oid = 23, .name = "int4"}}, {25, {.oid = 25}}},
                                      ranges[] = {{23, {.oid = 23, .name = "int4"}}, {3904, {.oid = 3904}}};
    static const struct {
        const char *behaviour;
        const struct pg_type_facts *types;
        int protocol;
        bool wanted, was_given_up, want;
    } choices[] = {
        {"ordinary types", ordinary, 2, true, false, true},
        {"a server that knows no binary", ordinary, 1, true, false, false},
        {"a setting against it", ordinary, 4, false, false, false},
        {"an earlier session that came upon another type", ordinary, 4, true, true, false},
        {"a type that is read as text only", ranges, 4, true, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        struct source *source = session_new();
        published_types = choices[i].types;
        n_published_types = 2;
        protocol = choices[i].protocol;
        source_config.postgresql.binary_transfer = choices[i].wanted;
        notes.binary_off = choices[i].was_given_up;
        ASSERT_OK(pg_transfer_choose(source, &err), &err);
        CHECK_EQ(choices[i].want, source->binary, choices[i].behaviour);
        session_free(source);
    }
    notes.binary_off = false;
}

static void a_type_that_is_not_read_in_binary_ends_the_session_and_the_next_is_text(void **unused)
{
    (void)unused;
    session_is_binary = true;
    for (size_t i = 0; i < 2; i++) {
        script_new();
        begin(100);
        relation_with(2, i == 0 ? INT4_OID : INT4RANGE_OID);
        commit(100, 110);
        state = fresh;
        enum rc rc = run_batches(10);
        CHECK_EQ(RC_RETRY, rc, "the session ends, the worker does not");
        CHECK_EQ(i == 0 ? ERR_PG_UNREACHABLE : ERR_PG_BINARY_TRANSFER, err.code, "and says why");
        CHECK_EQ(i != 0, notes.binary_off, "the next one knows");
    }
    CHECK_STR("column \"more\" of table public.t has a type that is read as text only", err.msg, "which column it was");
    notes.binary_off = session_is_binary = false;
}

static void a_server_that_cannot_write_binary_is_asked_for_text(void **unused)
{
    (void)unused;
    struct source *source = session_new();
    enum rc rc = err_set(&err, ERR_PG_QUERY, "no binary output function available for type aclitem");
    CHECK_EQ(RC_FATAL, pg_transfer_failed(source, rc, &err), "in text that is the end");
    source->binary = true;
    CHECK_EQ(RC_RETRY, pg_transfer_failed(source, rc, &err), "in binary there is a way on");
    CHECK_EQ(true, notes.binary_off, "the next session knows");
    rc = err_set(&err, ERR_PG_UNREACHABLE, "gone");
    CHECK_EQ(rc, pg_transfer_failed(source, rc, &err), "what has another reason stays as it is");
    CHECK_EQ(ERR_PG_UNREACHABLE, err.code, "what has another reason stays as it is");
    notes.binary_off = false;
    session_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begin_first_row_and_the_commit_before_share_an_lsn),
        cmocka_unit_test(rows_that_share_one_lsn_go_on_in_their_middle),
        cmocka_unit_test(positions_are_compared_across_the_high_word),
        cmocka_unit_test(the_confirmed_position_is_a_commits_end_and_never_moves_back),
        cmocka_unit_test(a_keepalive_does_not_pass_what_is_not_in_a_batch),
        cmocka_unit_test(transactions_begin_in_one_order_and_commit_in_the_other),
        cmocka_unit_test(the_slot_moves_on_while_a_streamed_transaction_is_open),
        cmocka_unit_test(what_is_rolled_back_leaves_nothing),
        cmocka_unit_test(a_shape_that_was_rolled_back_does_not_reach_the_cache),
        cmocka_unit_test(a_shape_comes_into_force_where_it_stands_in_the_replay),
        cmocka_unit_test(a_replay_fills_batch_after_batch_and_goes_on_after_a_kill),
        cmocka_unit_test(a_prepared_transaction_comes_at_its_commit),
        cmocka_unit_test(a_prepared_transaction_is_held_until_all_of_it_is_published),
        cmocka_unit_test(a_prepared_commit_that_is_published_is_passed_over),
        cmocka_unit_test(logical_messages_have_a_place_among_the_events),
        cmocka_unit_test(a_plain_message_is_published_once),
        cmocka_unit_test(a_plain_message_right_before_a_commit_record_takes_nothing_from_it),
        cmocka_unit_test(a_ledger_that_ends_at_a_message_of_an_older_version_is_understood),
        cmocka_unit_test(a_plain_message_behind_a_windows_point_comes_behind_its_rows),
        cmocka_unit_test(a_streamed_message_keeps_its_ordinal),
        cmocka_unit_test(a_message_that_may_be_rolled_back_ends_streaming),
        cmocka_unit_test(prefixes_are_chosen),
        cmocka_unit_test(messages_out_of_place_end_the_session),
        cmocka_unit_test(a_session_is_binary_when_every_published_type_is_read_so),
        cmocka_unit_test(a_type_that_is_not_read_in_binary_ends_the_session_and_the_next_is_text),
        cmocka_unit_test(a_server_that_cannot_write_binary_is_asked_for_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
