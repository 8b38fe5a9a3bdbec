#include "capture/publisher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/health.h"
#include "base/metrics.h"
#include "base/stop.h"
#include "base/wrap/kafka.h"
#include "proto/headers.h"
#include "proto/topic.h"

enum {
    PUBLISHER_MAX_TOPICS = 65536,
    PUBLISHER_POLL_MS = 100,
    PUBLISHER_STOP_GRACE_MS = 15000, /* a transaction under way at a stop gets this long */
    PUBLISHER_INIT_TIMEOUT_MS = 30000,
    LEDGER_BYTES = 16 << 20,
};

/* What one transaction put into one partition, told by the delivery reports. */
struct span {
    uint32_t topic;
    int32_t partition;
    int64_t first, next;
};

struct spans {
    struct span *items;
    size_t n, max;
};

struct topic_slot {
    char name[TOPIC_NAME_BYTES];
    rd_kafka_topic_t *handle;
    /* Of the publishing stage: */
    int64_t next;          /* offset that the next record will have in partition 0; NOT_KNOWN */
    unsigned int n_misses; /* so often it had another */
    size_t n_sent;         /* records of the transaction under way */
};

enum {
    NOT_KNOWN = -1,
    MAX_MISSES = 3, /* then somebody else writes there, too (or it has several partitions): nothing is expected again */
};

struct publisher {
    const struct config *config;
    const struct config_source *source;
    char writer[64];
    char ledger_topic[TOPIC_NAME_BYTES];
    rd_kafka_t *client;

    pthread_mutex_t topics_mutex; /* the source stage adds, the publishing stage looks up */
    struct topic_slot **topics;
    uint32_t n_topics;

    struct spans spans;    /* where the records of the transaction are */
    struct spans expected; /* where they should come to be */
    int64_t
        transaction_wall_ms; /* one timestamp for all records: a look at the clock for each costs more than its use */
    size_t outstanding;      /* produced and not yet reported */
    rd_kafka_resp_err_t delivery_error;
    char delivery_topic[TOPIC_NAME_BYTES];

    struct arena *ledger_arena; /* the partitions of the record being written */
    struct buf ledger_json;
    _Atomic uint64_t committed;
};

static void spans_add(struct spans *spans, struct span span)
{
    if (spans->n == spans->max) {
        spans->max = MAX(spans->max * 2, (size_t)64);
        spans->items = realloc(spans->items, spans->max * sizeof(*spans->items));
        if (spans->items == NULL)
            abort();
    }
    spans->items[spans->n++] = span;
}

static void spans_include(struct spans *spans, uint32_t topic, int32_t partition, int64_t offset)
{
    /* Reports come in runs of one partition: the last span is nearly always the one. */
    for (size_t i = spans->n; i-- > 0;) {
        struct span *span = &spans->items[i];
        if (span->topic != topic || span->partition != partition)
            continue;
        span->first = MIN(span->first, offset);
        span->next = MAX(span->next, offset + 1);
        return;
    }
    spans_add(spans, (struct span){topic, partition, offset, offset + 1});
}

enum { LEDGER_OPAQUE = PUBLISHER_MAX_TOPICS };

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    struct publisher *publisher = opaque;
    publisher->outstanding--;
    uint32_t topic = (uint32_t)(uintptr_t)message->_private;
    rd_kafka_resp_err_t code = message->err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset < 0 && topic != LEDGER_OPAQUE)
        code = RD_KAFKA_RESP_ERR__STATE; /* a resent record that the broker had: stored, but nobody says where */
    if (UNLIKELY(code != RD_KAFKA_RESP_ERR_NO_ERROR)) {
        if (publisher->delivery_error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            publisher->delivery_error = code;
            snprintf(publisher->delivery_topic, sizeof(publisher->delivery_topic), "%s",
                     rd_kafka_topic_name(message->rkt));
        }
        return;
    }
    if (topic != LEDGER_OPAQUE)
        spans_include(&publisher->spans, topic, message->partition, message->offset);
}

/* Served on the publishing stage, while it waits for a broker that does not answer. The next commit clears it. */
static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    (void)client;
    (void)opaque;
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        health_set(HEALTH_WAITING, reason);
}

static enum rc producer_new(struct publisher *publisher, struct err *err)
{
    const struct config_kafka *kafka = &publisher->config->kafka;
    char client_id[256], transactional_id[256], timeout[24], max_bytes[24];
    snprintf(client_id, sizeof(client_id), "leat-capture-%s", publisher->source->name);
    snprintf(transactional_id, sizeof(transactional_id), "%s.%s", publisher->config->prefix, publisher->source->name);
    snprintf(timeout, sizeof(timeout), "%lld", (long long)kafka->transaction_timeout_ms);
    snprintf(max_bytes, sizeof(max_bytes), "%lld", (long long)kafka->message_max_bytes);
    const struct {
        const char *name, *value;
    } settings[] = {
        {"transactional.id", transactional_id},
        {"transaction.timeout.ms", timeout},
        {"message.timeout.ms", timeout},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"compression.type", kafka->compression},
        {"message.max.bytes", max_bytes},
        /* One request for all that a transaction has for a partition: rd_kafka_flush() sends it, not the linger. While
         * one is on its way and more waits with its linger over, the client's broker thread turns in a loop. */
        {"linger.ms", "1000"},
        {"partitioner", "murmur2_random"}, /* where Java's clients would put the key */
        {"batch.size", max_bytes},
        {"batch.num.messages", "100000"},
        {"queue.buffering.max.messages", "1000000"},
        {"queue.buffering.max.kbytes", "1048576"}, /* the batches' arenas are the bound; nothing is copied */
        {"topic.metadata.refresh.interval.ms", "30000"},
    };
    rd_kafka_conf_t *conf;
    TRY(kafka_conf_new(kafka, client_id, &conf, err));
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        enum rc rc = kafka_conf_set(conf, settings[i].name, settings[i].value, err);
        if (rc != RC_OK) {
            rd_kafka_conf_destroy(conf);
            return rc;
        }
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, publisher);
    return kafka_new(RD_KAFKA_PRODUCER, conf, &publisher->client, err);
}

/* Older writers end here: the broker refuses whatever they send from now on, and aborts what they left open. */
static enum rc fence_older_writers(struct publisher *publisher, struct err *err)
{
    SCOPED(rd_kafka_error_destroy)
    rd_kafka_error_t *error = rd_kafka_init_transactions(publisher->client, PUBLISHER_INIT_TIMEOUT_MS);
    if (error != NULL)
        return err_kafka_error(err, error, "could not begin writing as %s.%s", publisher->config->prefix,
                               publisher->source->name);
    return RC_OK;
}

static enum rc read_ledger(struct publisher *publisher, struct arena *arena, struct ledger_record *ret_last,
                           struct err *err)
{
    int64_t offset;
    SCOPED(buf_done) struct buf value = buf_new(LEDGER_BYTES);
    *ret_last = (struct ledger_record){0};
    TRY(kafka_read_last(&publisher->config->kafka, "leat-ledger", publisher->ledger_topic, 0, &value, &offset, err));
    if (offset < 0)
        return RC_OK;
    enum rc rc = ledger_decode(buf_slice(&value), arena, ret_last, err);
    return rc == RC_OK ? RC_OK : err_wrap(err, "topic %s, offset %lld", publisher->ledger_topic, (long long)offset);
}

static enum rc refuse_when_older(struct publisher *publisher, const struct ledger_record *last, struct err *err)
{
    if (last->source == NULL || strcmp(last->writer, publisher->writer) == 0)
        return RC_OK;
    char when[32];
    clock_format_utc(last->written_us, when);
    return err_set(err, ERR_KAFKA_FENCED, "another capture of source \"%s\" took over at %s (writer %s, this is %s)",
                   publisher->source->name, when, last->writer, publisher->writer);
}

static enum rc transaction_begin(struct publisher *publisher, struct err *err)
{
    SCOPED(rd_kafka_error_destroy) rd_kafka_error_t *error = rd_kafka_begin_transaction(publisher->client);
    if (error != NULL)
        return err_kafka_error(err, error, "could not begin a Kafka transaction");
    publisher->spans.n = publisher->expected.n = 0;
    publisher->transaction_wall_ms = clock_wall_ms();
    publisher->delivery_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    return RC_OK;
}

/* librdkafka's own queue is full only when the broker is slower than us: serve its reports until there is room. */
static enum rc produce(struct publisher *publisher, rd_kafka_topic_t *topic, rd_kafka_headers_t *headers,
                       struct slice key, struct slice value, uint32_t opaque, struct err *err)
{
    rd_kafka_vu_t fields[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = 0}, /* not copied: the batch outlives the delivery report */
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = publisher->transaction_wall_ms},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)opaque},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key.ptr, key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value.ptr, value.len}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    for (;;) {
        SCOPED(rd_kafka_error_destroy)
        rd_kafka_error_t *error = rd_kafka_produceva(publisher->client, fields, ARRAY_LEN(fields) - (headers == NULL));
        if (error == NULL) {
            publisher->outstanding++;
            return RC_OK;
        }
        if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL && stop_age_ms() < PUBLISHER_STOP_GRACE_MS) {
            rd_kafka_poll(publisher->client, PUBLISHER_POLL_MS);
            continue;
        }
        if (headers != NULL)
            rd_kafka_headers_destroy(headers);
        return err_kafka_error(err, error, "could not send a record to topic %s", rd_kafka_topic_name(topic));
    }
}

static rd_kafka_headers_t *headers_of(const struct batch_record *record)
{
    uint8_t position[POSITION_BYTES];
    position_encode(record->pos, position);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, HEADER_POSITION, sizeof(HEADER_POSITION) - 1, position, sizeof(position));
    if (record->unchanged.len > 0)
        rd_kafka_header_add(headers, HEADER_UNCHANGED, sizeof(HEADER_UNCHANGED) - 1, record->unchanged.ptr,
                            (ssize_t)record->unchanged.len);
    if (record->moved_from.len > 0)
        rd_kafka_header_add(headers, HEADER_MOVED_FROM, sizeof(HEADER_MOVED_FROM) - 1, record->moved_from.ptr,
                            (ssize_t)record->moved_from.len);
    if (record->other_key.len > 0)
        rd_kafka_header_add(headers, record->moved_from.len > 0 ? HEADER_OLD_KEY : HEADER_NEW_KEY, -1,
                            record->other_key.ptr, (ssize_t)record->other_key.len);
    return headers;
}

static struct topic_slot *topic_slot(struct publisher *publisher, uint32_t index)
{
    pthread_mutex_lock(&publisher->topics_mutex);
    struct topic_slot *slot = publisher->topics[index];
    pthread_mutex_unlock(&publisher->topics_mutex);
    return slot;
}

static enum rc produce_events(struct publisher *publisher, const struct batch *batch, struct err *err)
{
    uint32_t topic = UINT32_MAX;
    struct topic_slot *slot = NULL;
    for (size_t i = 0; i < batch->n_records; i++) {
        const struct batch_record *record = &batch->records[i];
        if (record->topic != topic) {
            topic = record->topic;
            slot = topic_slot(publisher, topic);
            if (slot->n_sent == 0)
                spans_add(&publisher->expected, (struct span){.topic = topic});
        }
        TRY(produce(publisher, slot->handle, headers_of(record), record->key, record->value, topic, err));
        if (record->tombstone_follows)
            TRY(produce(publisher, slot->handle, headers_of(record), record->key, (struct slice){0}, topic, err));
        slot->n_sent += record->tombstone_follows ? 2 : 1;
        if (i % 1024 == 1023)
            rd_kafka_poll(publisher->client, 0);
    }
    return RC_OK;
}

/* Waits for every delivery report. */
static enum rc await_deliveries(struct publisher *publisher, struct err *err)
{
    while (publisher->outstanding > 0) {
        rd_kafka_resp_err_t code = rd_kafka_flush(publisher->client, PUBLISHER_POLL_MS);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__TIMED_OUT)
            return err_kafka(err, code, "could not send the records of a batch");
        if (stop_age_ms() > PUBLISHER_STOP_GRACE_MS)
            return err_set(err, ERR_KAFKA_TRANSIENT, "the batch under way was given up at the stop");
    }
    if (publisher->delivery_error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_kafka(err, publisher->delivery_error, "topic %s did not take a record", publisher->delivery_topic);
    return RC_OK;
}

static enum rc ledger_partitions(struct publisher *publisher, const struct spans *spans, struct ledger_record *record,
                                 struct err *err)
{
    arena_reset(publisher->ledger_arena);
    record->n_partitions = spans->n;
    record->partitions = arena_array(publisher->ledger_arena, struct ledger_partition, spans->n);
    if (record->partitions == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "a batch touches %zu partitions", spans->n);
    for (size_t i = 0; i < spans->n; i++) {
        const struct span *span = &spans->items[i];
        record->partitions[i] = (struct ledger_partition){.topic = publisher->topics[span->topic]->name,
                                                          .partition = span->partition,
                                                          .first = span->first,
                                                          .next = span->next};
    }
    return RC_OK;
}

static enum rc write_ledger(struct publisher *publisher, struct ledger_record *record, struct err *err)
{
    record->source = publisher->source->name;
    record->writer = publisher->writer;
    record->written_us = clock_wall_us();
    buf_clear(&publisher->ledger_json);
    ledger_encode(record, &publisher->ledger_json);
    if (publisher->ledger_json.failed)
        return err_set(err, ERR_MEMORY_LIMIT, "a ledger record is larger than %d bytes", LEDGER_BYTES);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(publisher->client, publisher->ledger_topic, NULL);
    enum rc rc = produce(publisher, topic, NULL, slice_of_str(publisher->source->name),
                         buf_slice(&publisher->ledger_json), LEDGER_OPAQUE, err);
    rd_kafka_topic_destroy(topic);
    return rc;
}

static enum rc transaction_commit(struct publisher *publisher, struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + publisher->config->kafka.transaction_timeout_ms;
    for (;;) {
        SCOPED(rd_kafka_error_destroy)
        rd_kafka_error_t *error = rd_kafka_commit_transaction(publisher->client, PUBLISHER_POLL_MS * 10);
        if (error == NULL)
            break;
        bool again = rd_kafka_error_is_retriable(error) && clock_mono_ms() < deadline_ms &&
                     stop_age_ms() < PUBLISHER_STOP_GRACE_MS;
        if (!again)
            return err_kafka_error(err, error, "could not commit a Kafka transaction");
        rd_kafka_poll(publisher->client, 0);
    }
    if (publisher->delivery_error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set(err, ERR_BUG, "a transaction was committed although topic %s refused a record",
                       publisher->delivery_topic);
    return RC_OK;
}

/* The first thing a writer says: from here on an older one can see that it is not alone. */
static enum rc announce(struct publisher *publisher, const struct ledger_record *last, struct err *err)
{
    struct ledger_record start = {.kind = LEDGER_START, .cut = true, .state = slice_of_str("{}")};
    if (last->source != NULL) {
        start.cut = last->cut;
        start.pos = last->pos;
        start.commit_time_us = last->commit_time_us;
        start.state = last->state;
    }
    TRY(transaction_begin(publisher, err));
    TRY(write_ledger(publisher, &start, err));
    TRY(await_deliveries(publisher, err));
    return transaction_commit(publisher, err);
}

static enum rc open_steps(struct publisher *publisher, bool wrote_before, struct arena *arena,
                          struct ledger_record *ret_last, struct err *err)
{
    const struct kafka_topic_settings settings = {
        .partitions = 1, .retention_ms = 2 * publisher->config->kafka.topic_retention_ms, .compact = false};
    TRY(producer_new(publisher, err));
    if (wrote_before) {
        TRY(read_ledger(publisher, arena, ret_last, err));
        TRY(refuse_when_older(publisher, ret_last, err));
    }
    TRY(kafka_topic_ensure(publisher->client, &publisher->config->kafka, publisher->ledger_topic, &settings, err));
    if (publisher->source->type == CONFIG_SOURCE_POSTGRESQL) {
        char requests[TOPIC_NAME_BYTES];
        topic_of_requests(requests, publisher->config->prefix, publisher->source->name);
        TRY(kafka_topic_ensure(publisher->client, &publisher->config->kafka, requests, &settings, err));
    }
    TRY(fence_older_writers(publisher, err));
    TRY(read_ledger(publisher, arena, ret_last, err));
    if (wrote_before)
        TRY(refuse_when_older(publisher, ret_last, err));
    return announce(publisher, ret_last, err);
}

enum rc publisher_open(const struct config *config, const struct config_source *source, const char *writer,
                       bool wrote_before, struct arena *arena, struct ledger_record *ret_last,
                       struct publisher **ret_publisher, struct err *err)
{
    struct publisher *publisher = calloc(1, sizeof(*publisher));
    if (publisher == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not make a publisher");
    publisher->config = config;
    publisher->source = source;
    snprintf(publisher->writer, sizeof(publisher->writer), "%s", writer);
    topic_of_ledger(publisher->ledger_topic, config->prefix, source->name);
    pthread_mutex_init(&publisher->topics_mutex, NULL);
    publisher->topics = calloc(PUBLISHER_MAX_TOPICS, sizeof(struct topic_slot *));
    publisher->ledger_arena = arena_new(LEDGER_BYTES);
    publisher->ledger_json = buf_new(LEDGER_BYTES);
    if (publisher->topics == NULL) {
        publisher_close(publisher);
        return err_set(err, ERR_NO_MEMORY, "could not make a publisher");
    }
    enum rc rc = open_steps(publisher, wrote_before, arena, ret_last, err);
    if (rc != RC_OK) {
        publisher_close(publisher);
        return rc;
    }
    *ret_publisher = publisher;
    return RC_OK;
}

void publisher_close(struct publisher *publisher)
{
    if (publisher == NULL)
        return;
    for (uint32_t i = 0; i < publisher->n_topics; i++) {
        rd_kafka_topic_destroy(publisher->topics[i]->handle);
        free(publisher->topics[i]);
    }
    if (publisher->client != NULL) {
        rd_kafka_purge(publisher->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(publisher->client, 0);
        rd_kafka_destroy(publisher->client);
    }
    free(publisher->topics);
    free(publisher->spans.items);
    free(publisher->expected.items);
    arena_free(publisher->ledger_arena);
    buf_done(&publisher->ledger_json);
    pthread_mutex_destroy(&publisher->topics_mutex);
    free(publisher);
}

enum rc publisher_topic(struct publisher *publisher, const char *topic, uint32_t *ret_index, struct err *err)
{
    for (uint32_t i = 0; i < publisher->n_topics; i++) {
        if (strcmp(publisher->topics[i]->name, topic) == 0) {
            *ret_index = i;
            return RC_OK;
        }
    }
    if (publisher->n_topics == PUBLISHER_MAX_TOPICS)
        return err_set(err, ERR_KAFKA_TOPIC, "a source can have at most %d topics", PUBLISHER_MAX_TOPICS);
    const struct kafka_topic_settings settings = {
        .partitions = 1, .retention_ms = publisher->config->kafka.topic_retention_ms, .compact = false};
    TRY(kafka_topic_ensure(publisher->client, &publisher->config->kafka, topic, &settings, err));
    struct topic_slot *slot = calloc(1, sizeof(*slot));
    if (slot == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not add topic %s", topic);
    snprintf(slot->name, sizeof(slot->name), "%s", topic);
    slot->next = NOT_KNOWN;
    slot->handle = rd_kafka_topic_new(publisher->client, topic, NULL);
    pthread_mutex_lock(&publisher->topics_mutex);
    *ret_index = publisher->n_topics;
    publisher->topics[publisher->n_topics++] = slot;
    pthread_mutex_unlock(&publisher->topics_mutex);
    return RC_OK;
}

static void count_committed(struct publisher *publisher, const struct batch *batch)
{
    const char *source = publisher->source->name;
    for (size_t i = 0; i < publisher->spans.n; i++) {
        const struct span *span = &publisher->spans.items[i];
        metric_add(METRIC_capture_events_total, (double)(span->next - span->first),
                   publisher->topics[span->topic]->name, NULL);
    }
    metric_add(METRIC_capture_commits_total, 1, source, NULL);
    metric_add(METRIC_capture_bytes_total, (double)arena_used(batch->arena), source, NULL);
    metric_set(METRIC_capture_last_commit_timestamp_seconds, (double)clock_wall_us() / US_PER_S, source, NULL);
    metric_set(METRIC_capture_position, (double)batch->mark.pos.major, source, NULL);
    if (batch->mark.commit_time_us != 0)
        metric_set(METRIC_capture_lag_seconds, (double)(clock_wall_us() - batch->mark.commit_time_us) / US_PER_S,
                   source, NULL);
}

/* ---- offsets before they are told ----
 * The ledger record names the offsets of what goes with it, so it would have to wait until the broker has told them: two
 * more trips to the broker in each transaction. But who writes alone to a partition knows them: behind the last record
 * comes the marker of its commit, behind that the next record. So the ledger record goes along with the others, what the
 * broker tells is compared before the commit, and where it differs a second ledger record replaces the first. The
 * transaction is not rolled back for it: docs/adr/0012. */

/* Completes `expected`; false when not all of it is known. */
static bool expect_offsets(struct publisher *publisher)
{
    bool is_known = true;
    for (size_t i = 0; i < publisher->expected.n; i++) {
        struct span *span = &publisher->expected.items[i];
        struct topic_slot *slot = topic_slot(publisher, span->topic);
        span->first = slot->next;
        span->next = slot->next + (int64_t)slot->n_sent;
        is_known = is_known && slot->next != NOT_KNOWN;
        slot->n_sent = 0;
    }
    return is_known;
}

static const struct span *expected_of(const struct publisher *publisher, uint32_t topic)
{
    for (size_t i = 0; i < publisher->expected.n; i++)
        if (publisher->expected.items[i].topic == topic)
            return &publisher->expected.items[i];
    return NULL;
}

static bool is_same(const struct span *span, const struct span *expected)
{
    return span->partition == expected->partition && span->first == expected->first && span->next == expected->next;
}

static bool came_as_expected(const struct publisher *publisher)
{
    bool all = publisher->spans.n == publisher->expected.n;
    for (size_t i = 0; all && i < publisher->spans.n; i++)
        all = is_same(&publisher->spans.items[i], expected_of(publisher, publisher->spans.items[i].topic));
    return all;
}

/* After the commit: its marker stands behind the records. */
static void know_next(struct publisher *publisher)
{
    for (size_t i = 0; i < publisher->spans.n; i++) {
        const struct span *span = &publisher->spans.items[i], *expected = expected_of(publisher, span->topic);
        struct topic_slot *slot = topic_slot(publisher, span->topic);
        if (span->partition != 0)
            slot->n_misses = MAX_MISSES;
        else if (expected->first != NOT_KNOWN && !is_same(span, expected))
            slot->n_misses++;
        slot->next = slot->n_misses >= MAX_MISSES ? NOT_KNOWN : span->next + 1;
    }
}

static enum rc tell_ledger(struct publisher *publisher, const struct spans *spans, struct ledger_record *record,
                           struct err *err)
{
    TRY(ledger_partitions(publisher, spans, record, err));
    return write_ledger(publisher, record, err);
}

static enum rc write_transaction(struct publisher *publisher, const struct batch *batch, struct ledger_record *record,
                                 struct err *err)
{
    TRY(transaction_begin(publisher, err));
    TRY(produce_events(publisher, batch, err));
    bool is_known = expect_offsets(publisher);
    if (!is_known)
        TRY(await_deliveries(publisher, err));
    TRY(tell_ledger(publisher, is_known ? &publisher->expected : &publisher->spans, record, err));
    TRY(await_deliveries(publisher, err));
    if (is_known && !came_as_expected(publisher)) {
        record->replaces = true;
        TRY(tell_ledger(publisher, &publisher->spans, record, err));
        TRY(await_deliveries(publisher, err));
    }
    return transaction_commit(publisher, err);
}

enum rc publisher_publish(struct publisher *publisher, const struct batch *batch, struct err *err)
{
    struct ledger_record record = {.kind = batch->mark.kind,
                                   .cut = batch->mark.cut,
                                   .pos = batch->mark.pos,
                                   .commit_time_us = batch->mark.commit_time_us,
                                   .state = batch->mark.state};
    TRY(write_transaction(publisher, batch, &record, err));
    know_next(publisher);
    if (batch->mark.confirm != 0)
        atomic_store(&publisher->committed, batch->mark.confirm);
    count_committed(publisher, batch);
    return RC_OK;
}

uint64_t publisher_committed(const struct publisher *publisher)
{
    return atomic_load(&publisher->committed);
}
