#include "capture/requests.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/stop.h"
#include "base/wrap/kafka.h"
#include "proto/topic.h"

enum {
    ANSWER_TIMEOUT_MS = 30000,
    POLL_MS = 100,
    NEW_TOPIC_MS = 5000, /* a topic that was made a moment ago may have a leader that does not know of it yet */
    REQUEST_BYTES = 16 << 20,
};

struct requests {
    char topic[TOPIC_NAME_BYTES];
    rd_kafka_t *client;
};

static enum rc client_new(const struct config *config, const struct config_source *source, rd_kafka_type_t type,
                          rd_kafka_t **ret_client, struct err *err)
{
    /* One question every ten seconds while there is nothing; the broker answers it at once when there is. */
    static const char *const of_consumer[][2] = {
        {"group.id", "leat-none"},
        {"enable.auto.commit", "false"},
        {"auto.offset.reset", "earliest"},
        {"fetch.wait.max.ms", "10000"},
        {"allow.auto.create.topics", "false"},
        {"queued.max.messages.kbytes", "1024"},
        {"enable.partition.eof", "false"},
    };
    char client_id[256];
    rd_kafka_conf_t *conf;
    snprintf(client_id, sizeof(client_id), "leat-requests-%s", source->name);
    TRY(kafka_conf_new(&config->kafka, client_id, &conf, err));
    for (size_t i = 0; type == RD_KAFKA_CONSUMER && i < ARRAY_LEN(of_consumer); i++) {
        enum rc rc = kafka_conf_set(conf, of_consumer[i][0], of_consumer[i][1], err);
        if (rc != RC_OK) {
            rd_kafka_conf_destroy(conf);
            return rc;
        }
    }
    return kafka_new(type, conf, ret_client, err);
}

/* ---- reading ---- */

enum rc requests_open(const struct config *config, const struct config_source *source, int64_t next,
                      struct requests **ret_requests, struct err *err)
{
    struct requests *requests = calloc(1, sizeof(*requests));
    if (requests == NULL)
        abort();
    topic_of_requests(requests->topic, config->prefix, source->name);
    enum rc rc = client_new(config, source, RD_KAFKA_CONSUMER, &requests->client, err);
    if (rc != RC_OK) {
        free(requests);
        return rc;
    }
    rd_kafka_poll_set_consumer(requests->client);
    SCOPED(rd_kafka_topic_partition_list_destroy)
    rd_kafka_topic_partition_list_t *assignment = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(assignment, requests->topic, 0)->offset = next;
    rd_kafka_resp_err_t code = rd_kafka_assign(requests->client, assignment);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        requests_close(requests);
        return err_kafka(err, code, "could not read the topic of requests");
    }
    *ret_requests = requests;
    return RC_OK;
}

void requests_close(struct requests *requests)
{
    if (requests == NULL)
        return;
    rd_kafka_consumer_close(requests->client);
    rd_kafka_destroy(requests->client);
    free(requests);
}

/* librdkafka goes on by itself: a broker that is away, a topic that is not there yet. */
static bool mends_itself(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: return true;
    default: return false;
    }
}

static enum rc read_record(struct requests *requests, int wait_ms, struct arena *arena, struct request *ret_request,
                           int64_t *ret_offset, struct err *err)
{
    SCOPED(rd_kafka_message_destroy)
    rd_kafka_message_t *message = rd_kafka_consumer_poll(requests->client, wait_ms);
    if (message == NULL || mends_itself(message->err))
        return RC_AGAIN;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_kafka(err, message->err, "could not read topic %s", requests->topic);
    *ret_offset = message->offset;
    return request_decode(slice_of(message->payload, message->len), arena, ret_request, err);
}

enum rc requests_next(struct requests *requests, struct arena *arena, struct request *ret_request, int64_t *ret_offset,
                      struct err *err)
{
    return read_record(requests, 0, arena, ret_request, ret_offset, err);
}

/* ---- looking ---- */

enum rc requests_end(const struct config *config, const struct config_source *source, int64_t *ret_low,
                     int64_t *ret_end, struct err *err)
{
    char topic[TOPIC_NAME_BYTES];
    int64_t low = 0, end = 0;
    SCOPED(rd_kafka_destroy) rd_kafka_t *client = NULL;
    topic_of_requests(topic, config->prefix, source->name);
    TRY(client_new(config, source, RD_KAFKA_PRODUCER, &client, err));
    int64_t deadline_ms = clock_mono_ms() + NEW_TOPIC_MS;
    enum rc rc;
    while ((rc = kafka_offsets(client, topic, 0, ANSWER_TIMEOUT_MS, &low, &end, err)) == RC_RETRY)
        if (err->code != ERR_KAFKA_TRANSIENT || clock_mono_ms() > deadline_ms || !stop_wait_ms(POLL_MS))
            return rc;
    if (rc != RC_OK && rc != RC_AGAIN)
        return rc;
    if (ret_low != NULL)
        *ret_low = rc == RC_OK ? low : 0;
    *ret_end = rc == RC_OK ? end : 0;
    return RC_OK;
}

static enum rc find_all(struct requests *requests, int64_t end, struct arena *arena, int64_t *ret_offset,
                        struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + ANSWER_TIMEOUT_MS, offset = -1;
    while (offset < end - 1) {
        struct request request;
        arena_reset(arena);
        enum rc rc = read_record(requests, POLL_MS, arena, &request, &offset, err);
        if (rc != RC_OK && rc != RC_AGAIN && err->code != ERR_REQUEST_REFUSED)
            return rc;
        if (rc == RC_OK && request.all)
            *ret_offset = request.kind == REQUEST_SNAPSHOT ? offset : -1;
        if (clock_mono_ms() >= deadline_ms)
            return err_kafka(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "could not read topic %s to its end", requests->topic);
    }
    return RC_OK;
}

enum rc requests_find_all(const struct config *config, const struct config_source *source, int64_t next,
                          int64_t *ret_offset, struct err *err)
{
    int64_t end, low;
    struct requests *requests;
    *ret_offset = -1;
    TRY(requests_end(config, source, &low, &end, err));
    if (end <= MAX(next, low))
        return RC_OK;
    TRY(requests_open(config, source, next, &requests, err));
    SCOPED(arena_free) struct arena *arena = arena_new(REQUEST_BYTES);
    enum rc rc = find_all(requests, end, arena, ret_offset, err);
    requests_close(requests);
    return rc;
}

/* ---- writing ---- */

struct delivery {
    bool done;
    rd_kafka_resp_err_t code;
    int64_t offset;
};

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct delivery *delivery = message->_private;
    (void)client;
    (void)opaque;
    *delivery = (struct delivery){.done = true, .code = message->err, .offset = message->offset};
}

static enum rc producer_new(const struct config *config, const struct config_source *source, rd_kafka_t **ret_client,
                            struct err *err)
{
    char timeout[24];
    rd_kafka_conf_t *conf;
    snprintf(timeout, sizeof(timeout), "%d", ANSWER_TIMEOUT_MS);
    char client_id[256];
    snprintf(client_id, sizeof(client_id), "leat-requests-%s", source->name);
    TRY(kafka_conf_new(&config->kafka, client_id, &conf, err));
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    enum rc rc = kafka_conf_set(conf, "enable.idempotence", "true", err);
    if (rc == RC_OK)
        rc = kafka_conf_set(conf, "message.timeout.ms", timeout, err);
    if (rc != RC_OK) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    return kafka_new(RD_KAFKA_PRODUCER, conf, ret_client, err);
}

static enum rc send_and_wait(rd_kafka_t *client, const char *topic, const char *key, struct slice value,
                             int64_t *ret_offset, struct err *err)
{
    struct delivery delivery = {0};
    rd_kafka_resp_err_t code = rd_kafka_producev(
        client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE((void *)(uintptr_t)value.ptr, value.len),
        RD_KAFKA_V_OPAQUE(&delivery), RD_KAFKA_V_END);
    while (code == RD_KAFKA_RESP_ERR_NO_ERROR && !delivery.done) /* message.timeout.ms ends it */
        rd_kafka_poll(client, POLL_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = delivery.code;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_kafka(err, code, "could not write the request to topic %s", topic);
    *ret_offset = delivery.offset;
    return RC_OK;
}

enum rc requests_write(const struct config *config, const struct config_source *source, const struct request *request,
                       int64_t *ret_offset, struct err *err)
{
    char topic[TOPIC_NAME_BYTES];
    const struct kafka_topic_settings settings = {
        .partitions = 1, .retention_ms = 2 * config->kafka.topic_retention_ms, .compact = false};
    SCOPED(rd_kafka_destroy) rd_kafka_t *client = NULL;
    SCOPED(buf_done) struct buf value = buf_new(REQUEST_BYTES);
    topic_of_requests(topic, config->prefix, source->name);
    request_encode(request, &value);
    if (value.failed)
        return err_set(err, ERR_USAGE, "the request is larger than %d bytes", REQUEST_BYTES);
    TRY(producer_new(config, source, &client, err));
    TRY(kafka_topic_ensure(client, &config->kafka, topic, &settings, err));
    return send_and_wait(client, topic, source->name, buf_slice(&value), ret_offset, err);
}
