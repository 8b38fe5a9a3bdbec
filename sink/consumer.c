#include "sink/consumer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "proto/headers.h"

enum {
    CHUNK_RECORDS = 500,
    /* A fetch waits this long for data. While one partition (the ledger, mostly) waits so, partitions whose
     * queues were full are asked again at least as often: librdkafka itself would look only once a second. */
    FETCH_WAIT_MS = 50,
    FETCH_BYTES = 1 << 20,
    RECEIVE_MIN_BYTES = 100000000, /* librdkafka's default */
    BOUNDS_TIMEOUT_MS = 10000,
    SKIP_RECORDS = 20000, /* going forward less than this is reading on, not a seek: most gaps are control records */
    PING_INTERVAL_MS = 1000,
    PING_TIMEOUT_MS = 1000,
};

struct partition {
    char *topic;
    int32_t number;
    rd_kafka_topic_t *handle;
    bool active, at_end; /* at_end: the log ended at `position` when last looked at */
    int64_t position;    /* all below it was handed out, skipped, or is not there */
    uint64_t used_at;    /* of consumer->clock */
    rd_kafka_message_t *messages[CHUNK_RECORDS];
    size_t n_messages, at; /* messages[0, at) were handed out, [at, n) wait */
    struct log_record records[CHUNK_RECORDS];
};

struct consumer {
    struct log log; /* first: a struct log * is a struct consumer * */
    rd_kafka_t *client;
    const struct config_kafka *config;
    struct partition **partitions;
    size_t n_partitions, n_active;
    uint64_t clock;
    atomic_bool away;
    int64_t asked_at_ms;
    rd_kafka_resp_err_t away_code;
};

static enum rc consumer_read(struct log *log, const char *topic, int32_t number, int64_t from, int64_t below,
                             int timeout_ms, struct log_chunk *ret_chunk, struct err *err);
static enum rc consumer_bounds(struct log *log, const char *topic, int32_t number, int64_t *ret_low, int64_t *ret_end,
                               struct err *err);
static const struct log_ops consumer_ops = {.read = consumer_read, .bounds = consumer_bounds};

static void on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    (void)client, (void)reason;
    struct consumer *consumer = opaque;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && code != RD_KAFKA_RESP_ERR__AUTHENTICATION)
        return; /* librdkafka mends the rest by itself */
    consumer->away_code = code;
    atomic_store(&consumer->away, true);
}

static enum rc set_conf(rd_kafka_conf_t *conf, const struct config_kafka *config, struct err *err)
{
    char prefetch[24], fetch[24], wait[24], receive[24];
    snprintf(prefetch, sizeof(prefetch), "%d", CONSUMER_PREFETCH_KIB);
    snprintf(fetch, sizeof(fetch), "%d", FETCH_BYTES);
    snprintf(wait, sizeof(wait), "%d", FETCH_WAIT_MS);
    snprintf(receive, sizeof(receive), "%lld",
             (long long)MIN(MAX(2 * config->message_max_bytes, (int64_t)RECEIVE_MIN_BYTES), (int64_t)INT32_MAX));
    const struct {
        const char *name, *value;
    } settings[] = {
        {"isolation.level", "read_committed"}, {"auto.offset.reset", "error"},
        {"enable.auto.commit", "false"},       {"enable.partition.eof", "true"},
        {"allow.auto.create.topics", "false"}, {"queued.max.messages.kbytes", prefetch},
        {"fetch.message.max.bytes", fetch},    {"fetch.wait.max.ms", wait},
        {"fetch.error.backoff.ms", wait},      {"receive.message.max.bytes", receive},
    };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        TRY(kafka_conf_set(conf, settings[i].name, settings[i].value, err));
    return RC_OK;
}

enum rc consumer_new(const struct config_kafka *config, const char *client_id, struct consumer **ret_consumer,
                     struct err *err)
{
    SCOPED(rd_kafka_conf_destroy) rd_kafka_conf_t *conf = NULL;
    TRY(kafka_conf_new(config, client_id, &conf, err));
    TRY(set_conf(conf, config, err));
    struct consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not make a consumer");
    consumer->log.ops = &consumer_ops;
    consumer->config = config;
    rd_kafka_conf_set_opaque(conf, consumer);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_t *given = conf;
    conf = NULL;
    enum rc rc = kafka_new(RD_KAFKA_CONSUMER, given, &consumer->client, err);
    if (rc != RC_OK) {
        free(consumer);
        return rc;
    }
    *ret_consumer = consumer;
    return RC_OK;
}

/* ---- partitions ---- */

static void drop_messages(struct partition *partition)
{
    for (size_t i = 0; i < partition->n_messages; i++)
        rd_kafka_message_destroy(partition->messages[i]);
    partition->n_messages = partition->at = 0;
}

/* What waits is dropped, it can be read again. What was handed out stays: its reader still looks at it. */
static void partition_stop(struct consumer *consumer, struct partition *partition)
{
    while (partition->n_messages > partition->at)
        rd_kafka_message_destroy(partition->messages[--partition->n_messages]);
    if (!partition->active)
        return;
    rd_kafka_consume_stop(partition->handle, partition->number);
    partition->active = false;
    consumer->n_active--;
}

void consumer_free(struct consumer *consumer)
{
    if (consumer == NULL)
        return;
    for (size_t i = 0; i < consumer->n_partitions; i++) {
        partition_stop(consumer, consumer->partitions[i]);
        drop_messages(consumer->partitions[i]);
        rd_kafka_topic_destroy(consumer->partitions[i]->handle);
        free(consumer->partitions[i]->topic);
        free(consumer->partitions[i]);
    }
    free(consumer->partitions);
    rd_kafka_destroy(consumer->client);
    free(consumer);
}

struct log *consumer_log(struct consumer *consumer)
{
    return &consumer->log;
}

rd_kafka_t *consumer_client(struct consumer *consumer)
{
    return consumer->client;
}

static struct partition *partition_find(struct consumer *consumer, const char *topic, int32_t number)
{
    for (size_t i = 0; i < consumer->n_partitions; i++) {
        struct partition *partition = consumer->partitions[i];
        if (partition->number == number && strcmp(partition->topic, topic) == 0)
            return partition;
    }
    return NULL;
}

static enum rc partition_add(struct consumer *consumer, const char *topic, int32_t number,
                             struct partition **ret_partition, struct err *err)
{
    struct partition **grown = realloc(consumer->partitions, (consumer->n_partitions + 1) * sizeof(struct partition *));
    if (grown == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not read one more partition");
    consumer->partitions = grown;
    struct partition *partition = calloc(1, sizeof(*partition));
    if (partition == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not read one more partition");
    partition->handle = rd_kafka_topic_new(consumer->client, topic, NULL);
    if (partition->handle == NULL) {
        free(partition);
        return err_kafka(err, rd_kafka_last_error(), "could not open topic %s", topic);
    }
    partition->topic = strdup(topic);
    partition->number = number;
    consumer->partitions[consumer->n_partitions++] = partition;
    *ret_partition = partition;
    return RC_OK;
}

static void stop_least_used(struct consumer *consumer)
{
    struct partition *least = NULL;
    for (size_t i = 0; i < consumer->n_partitions; i++) {
        struct partition *partition = consumer->partitions[i];
        if (partition->active && (least == NULL || partition->used_at < least->used_at))
            least = partition;
    }
    if (least != NULL)
        partition_stop(consumer, least);
}

/* A stop and a start rather than rd_kafka_seek: that one is refused while a partition has no leader. */
static enum rc partition_seek(struct consumer *consumer, struct partition *partition, int64_t from, struct err *err)
{
    partition_stop(consumer, partition);
    drop_messages(partition);
    if (consumer->n_active >= CONSUMER_MAX_ACTIVE)
        stop_least_used(consumer);
    if (rd_kafka_consume_start(partition->handle, partition->number, from) != 0)
        return err_kafka(err, rd_kafka_last_error(), "could not read topic %s, partition %d, from offset %lld",
                         partition->topic, partition->number, (long long)from);
    partition->active = true;
    partition->at_end = false;
    partition->position = from;
    consumer->n_active++;
    return RC_OK;
}

/* ---- messages ---- */

static struct slice header_of(rd_kafka_headers_t *headers, const char *name)
{
    const void *value;
    size_t len;
    if (rd_kafka_header_get_last(headers, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return (struct slice){0};
    return slice_of(value, len);
}

static void record_of(rd_kafka_message_t *message, struct log_record *ret)
{
    *ret = (struct log_record){.offset = message->offset,
                               .key = slice_of(message->key, message->key_len),
                               .value = slice_of(message->payload, message->len)};
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    ret->pos = header_of(headers, HEADER_POSITION);
    if (rd_kafka_header_cnt(headers) == 1)
        return;
    ret->unchanged = header_of(headers, HEADER_UNCHANGED);
    ret->moved_from = header_of(headers, HEADER_MOVED_FROM);
}

static enum rc out_of_range(struct consumer *consumer, struct partition *partition, struct err *err)
{
    int64_t low, end;
    enum rc rc = consumer_bounds(&consumer->log, partition->topic, partition->number, &low, &end, err);
    if (rc == RC_AGAIN)
        return err_set(err, ERR_KAFKA_RETENTION, "topic %s does not exist any more", partition->topic);
    TRY(rc);
    return err_set(err, ERR_KAFKA_RETENTION,
                   "offset %lld of topic %s, partition %d, is not there: the topic holds offsets %lld to %lld",
                   (long long)partition->position, partition->topic, partition->number, (long long)low, (long long)end);
}

/* What librdkafka says in the place of a record. RC_AGAIN: nothing that the reader needs to know. */
static enum rc judge(struct consumer *consumer, struct partition *partition, const rd_kafka_message_t *message,
                     struct err *err)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        partition->position = MAX(partition->position, message->offset);
        partition->at_end = true;
        return RC_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: return out_of_range(consumer, partition, err);
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return err_set(err, ERR_KAFKA_RETENTION, "topic %s, partition %d, does not exist any more: %s",
                       partition->topic, partition->number, rd_kafka_err2str(message->err));
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return err_kafka(err, message->err, "could not read topic %s", partition->topic);
    default: return RC_AGAIN; /* librdkafka asks again */
    }
}

/* Waits for the first message, then takes what is there: rd_kafka_consume_batch with a timeout would wait
 * until its array is full. */
static void fill(struct consumer *consumer, struct partition *partition, int timeout_ms)
{
    drop_messages(partition);
    ssize_t n = rd_kafka_consume_batch(partition->handle, partition->number, 0, partition->messages, CHUNK_RECORDS);
    if (n <= 0 && timeout_ms > 0) {
        rd_kafka_message_t *first = rd_kafka_consume(partition->handle, partition->number, timeout_ms);
        n = 0;
        if (first != NULL) {
            partition->messages[0] = first;
            n = 1;
        }
    }
    partition->n_messages = n < 0 ? 0 : (size_t)n;
    if (partition->n_messages == 0)
        rd_kafka_poll(consumer->client, 0); /* serves on_error */
}

/* Hands out the waiting messages of [from, below), up to the first that is not a record. */
static enum rc hand_out(struct consumer *consumer, struct partition *partition, int64_t from, int64_t below,
                        struct log_chunk *ret_chunk, struct err *err)
{
    size_t n = 0;
    while (partition->at < partition->n_messages && partition->position < below) {
        rd_kafka_message_t *message = partition->messages[partition->at];
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (n > 0)
                break; /* after the records before it */
            partition->at++;
            enum rc rc = judge(consumer, partition, message, err);
            if (rc != RC_OK && rc != RC_AGAIN)
                return rc;
            continue;
        }
        atomic_store_explicit(&consumer->away, false, memory_order_relaxed);
        partition->at_end = false;
        if (message->offset >= below) {
            partition->position = below; /* a hole up to there; the message stays for the next read */
            break;
        }
        if (message->offset >= from)
            record_of(message, &partition->records[n++]);
        partition->position = message->offset + 1;
        partition->at++;
    }
    *ret_chunk = (struct log_chunk){partition->records, n, MAX(from, partition->position)};
    return RC_OK;
}

static enum rc go_to(struct consumer *consumer, struct partition *partition, int64_t from, struct err *err)
{
    bool forward = from >= partition->position && from - partition->position <= SKIP_RECORDS;
    if (partition->active && forward)
        return RC_OK;
    return partition_seek(consumer, partition, from, err);
}

static enum rc consumer_read(struct log *log, const char *topic, int32_t number, int64_t from, int64_t below,
                             int timeout_ms, struct log_chunk *ret_chunk, struct err *err)
{
    struct consumer *consumer = (struct consumer *)log;
    struct partition *partition = partition_find(consumer, topic, number);
    if (partition == NULL)
        TRY(partition_add(consumer, topic, number, &partition, err));
    partition->used_at = ++consumer->clock;
    TRY(go_to(consumer, partition, from, err));
    if (partition->at == partition->n_messages)
        fill(consumer, partition, timeout_ms);
    TRY(hand_out(consumer, partition, from, below, ret_chunk, err));
    if (ret_chunk->n == 0 && partition->at_end && partition->position < from)
        TRY(partition_seek(consumer, partition, from, err)); /* the broker says whether it has such an offset */
    return ret_chunk->n > 0 || ret_chunk->position > from ? RC_OK : RC_AGAIN;
}

static enum rc consumer_bounds(struct log *log, const char *topic, int32_t number, int64_t *ret_low, int64_t *ret_end,
                               struct err *err)
{
    struct consumer *consumer = (struct consumer *)log;
    return kafka_offsets(consumer->client, topic, number, BOUNDS_TIMEOUT_MS, ret_low, ret_end, err);
}

enum rc consumer_state(struct consumer *consumer, struct err *err)
{
    rd_kafka_poll(consumer->client, 0);
    if (!atomic_load_explicit(&consumer->away, memory_order_relaxed))
        return RC_OK;
    int64_t now_ms = clock_mono_ms();
    if (now_ms - consumer->asked_at_ms >= PING_INTERVAL_MS) {
        consumer->asked_at_ms = now_ms;
        if (kafka_ping(consumer->client, consumer->config, PING_TIMEOUT_MS, err) == RC_OK) {
            atomic_store(&consumer->away, false);
            return RC_OK;
        }
    }
    (void)err_kafka(err, consumer->away_code, "could not reach kafka.brokers %s", consumer->config->brokers);
    return RC_RETRY;
}

int64_t consumer_end_seen(struct consumer *consumer, const char *topic, int32_t number)
{
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(consumer->client, topic, number, &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    return high;
}
