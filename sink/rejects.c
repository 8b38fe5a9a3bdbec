#include "sink/rejects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/utf8.h"
#include "base/wrap/kafka.h"
#include "proto/topic.h"

enum {
    FRAME_SLACK_BYTES = 4096, /* key, headers and batch frame beside a record's value */
    KEY_BYTES = 512,
    QUEUE_FULL_WAIT_MS = 100,
};

struct rejects {
    const struct config *config;
    char topic[TOPIC_NAME_BYTES], client_id[128];
    rd_kafka_t *client; /* NULL until the first one */
    struct buf key, value;
    size_t max_bytes;
    rd_kafka_resp_err_t failed; /* of a delivery */
};

struct rejects *rejects_new(const struct config *config, const char *sink)
{
    struct rejects *rejects = calloc(1, sizeof(*rejects));
    if (rejects == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    rejects->config = config;
    topic_of_rejects(rejects->topic, config->prefix);
    snprintf(rejects->client_id, sizeof(rejects->client_id), "leat-rejects-%s", sink);
    rejects->max_bytes = (size_t)config->kafka.message_max_bytes - FRAME_SLACK_BYTES;
    rejects->key = buf_new(KEY_BYTES);
    rejects->value = buf_new(2 * (size_t)config->kafka.message_max_bytes + FRAME_SLACK_BYTES);
    return rejects;
}

void rejects_free(struct rejects *rejects)
{
    if (rejects == NULL)
        return;
    if (rejects->client != NULL) {
        rd_kafka_purge(rejects->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(rejects->client, 0);
        rd_kafka_destroy(rejects->client);
    }
    buf_done(&rejects->key);
    buf_done(&rejects->value);
    free(rejects);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    struct rejects *rejects = opaque;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && message->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
        message->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        rejects->failed = message->err;
}

static enum rc set_conf(rd_kafka_conf_t *conf, const struct config_kafka *config, struct err *err)
{
    char max_bytes[24];
    snprintf(max_bytes, sizeof(max_bytes), "%" PRId64, config->message_max_bytes);
    const struct {
        const char *name, *value;
    } settings[] = {
        {"enable.idempotence", "true"},
        {"message.timeout.ms", "0"}, /* a broker that is away is waited for */
        {"linger.ms", "20"},
        {"queue.buffering.max.kbytes", "16384"},
        {"compression.type", config->compression},
        {"message.max.bytes", max_bytes},
    };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        TRY(kafka_conf_set(conf, settings[i].name, settings[i].value, err));
    return RC_OK;
}

static enum rc client_open(struct rejects *rejects, struct err *err)
{
    if (rejects->client != NULL)
        return RC_OK;
    SCOPED(rd_kafka_conf_destroy) rd_kafka_conf_t *conf = NULL;
    SCOPED(rd_kafka_destroy) rd_kafka_t *client = NULL;
    TRY(kafka_conf_new(&rejects->config->kafka, rejects->client_id, &conf, err));
    TRY(set_conf(conf, &rejects->config->kafka, err));
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, rejects);
    rd_kafka_conf_t *given = conf;
    conf = NULL;
    TRY(kafka_new(RD_KAFKA_PRODUCER, given, &client, err));
    const struct kafka_topic_settings settings = {
        .partitions = 1, .retention_ms = rejects->config->kafka.topic_retention_ms, .compact = false};
    TRY(kafka_topic_ensure(client, &rejects->config->kafka, rejects->topic, &settings, err));
    rejects->client = client;
    client = NULL;
    return RC_OK;
}

static void put_event(struct buf *out, const struct rejected *rejected, bool whole)
{
    buf_printf(out, "{\"schema_id\":%u", rejected->schema_id);
    if (whole) {
        buf_put_str(out, ",\"avro\":\"");
        base64_put(out, rejected->record->value);
        buf_put_u8(out, '"');
    } else {
        buf_printf(out, ",\"avro\":null,\"bytes\":%zu", rejected->record->value.len);
    }
    buf_put_str(out, ",\"key\":\"");
    base64_put(out, rejected->record->key);
    buf_put_str(out, "\"}");
}

/* Text that a person can search for: 17,abc. Bytes that are no text stand in base64. */
static void put_key_values(struct buf *out, const struct rejected *rejected)
{
    for (size_t i = 0; i < rejected->n_key_values; i++) {
        const struct avro_value *value = &rejected->key_values[i];
        if (i > 0)
            buf_put_u8(out, ',');
        switch (value->kind) {
        case AVRO_VALUE_NULL: buf_put_str(out, "null"); break;
        case AVRO_VALUE_BOOL: buf_put_str(out, value->i != 0 ? "true" : "false"); break;
        case AVRO_VALUE_LONG: buf_printf(out, "%" PRId64, value->i); break;
        case AVRO_VALUE_DOUBLE: buf_printf(out, "%.17g", value->d); break;
        case AVRO_VALUE_DECIMAL:
        case AVRO_VALUE_NESTED: base64_put(out, value->bytes); break;
        case AVRO_VALUE_BYTES:
            if (utf8_is_valid(value->bytes))
                buf_put_slice(out, value->bytes);
            else
                base64_put(out, value->bytes);
            break;
        }
    }
}

void rejected_encode(const struct rejected *rejected, size_t max_bytes, int64_t now_us, struct buf *ret_key,
                     struct buf *ret_value)
{
    SCOPED(buf_done) struct buf event = buf_new(2 * (rejected->record->value.len + rejected->record->key.len) + 256);
    SCOPED(buf_done) struct buf key_text = buf_new(2 * rejected->record->key.len + 32 * (rejected->n_key_values + 1));
    put_key_values(&key_text, rejected);
    struct reject reject = {.stage = "sink",
                            .source = rejected->source,
                            .topic = rejected->topic,
                            .message = rejected->why->msg,
                            .code = rejected->why->code,
                            .key = buf_slice(&key_text),
                            .pos = rejected->pos,
                            .offset = rejected->record->offset};
    buf_clear(ret_key);
    reject_encode_key(&reject, ret_key);
    for (int whole = 1; whole >= 0; whole--) {
        buf_clear(&event);
        buf_clear(ret_value);
        put_event(&event, rejected, whole == 1);
        reject.record = buf_slice(&event);
        reject_encode(&reject, now_us, ret_value);
        if (!ret_value->failed && ret_value->len <= max_bytes)
            return;
    }
}

void rejected_row_encode(const struct rejected_row *rejected, size_t max_bytes, int64_t now_us, struct buf *ret_key,
                         struct buf *ret_value)
{
    struct reject reject = {.stage = "sink",
                            .source = rejected->source,
                            .topic = rejected->topic,
                            .message = rejected->why->msg,
                            .code = rejected->why->code,
                            .key = rejected->key,
                            .pos = rejected->pos,
                            .offset = -1,
                            .record = rejected->record};
    buf_clear(ret_key);
    reject_encode_key(&reject, ret_key);
    buf_clear(ret_value);
    reject_encode(&reject, now_us, ret_value);
    if (rejected->record.len > 0 && !ret_value->failed && ret_value->len <= max_bytes)
        return;
    buf_clear(ret_value);
    reject.record = rejected->brief;
    reject_encode(&reject, now_us, ret_value);
}

/* What stands in key and value. */
static enum rc produce(struct rejects *rejects, struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_producev(rejects->client, RD_KAFKA_V_TOPIC(rejects->topic),
                                                 RD_KAFKA_V_KEY(rejects->key.ptr, rejects->key.len),
                                                 RD_KAFKA_V_VALUE(rejects->value.ptr, rejects->value.len),
                                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_poll(rejects->client, QUEUE_FULL_WAIT_MS);
        return err_set(err, ERR_KAFKA_TRANSIENT, "could not write to topic %s: the queue is full", rejects->topic);
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_kafka(err, code, "could not write to topic %s", rejects->topic);
    return RC_OK;
}

enum rc rejects_put(struct rejects *rejects, const struct rejected *rejected, struct err *err)
{
    TRY(client_open(rejects, err));
    rejected_encode(rejected, rejects->max_bytes, clock_wall_us(), &rejects->key, &rejects->value);
    if (rejects->key.failed || rejects->value.failed)
        return err_set(err, ERR_KAFKA_TOO_LARGE,
                       "a reject of topic %s, offset %lld, is larger than the reject topic takes", rejected->topic,
                       (long long)rejected->record->offset);
    TRY(produce(rejects, err));
    metric_add(METRIC_sink_rejects_total, 1, rejected->table, err_name(rejected->why->code));
    return RC_OK;
}

enum rc rejects_put_row(struct rejects *rejects, const struct rejected_row *rejected, struct err *err)
{
    TRY(client_open(rejects, err));
    rejected_row_encode(rejected, rejects->max_bytes, clock_wall_us(), &rejects->key, &rejects->value);
    if (rejects->key.failed || rejects->value.failed)
        return err_set(err, ERR_KAFKA_TOO_LARGE,
                       "a reject of topic %s, position %" PRIu64 "/%" PRIu64 ", is larger than the reject topic takes",
                       rejected->topic, rejected->pos.major, rejected->pos.minor);
    return produce(rejects, err);
}

enum rc rejects_flush(struct rejects *rejects, int timeout_ms, struct err *err)
{
    if (rejects->client == NULL)
        return RC_OK;
    rd_kafka_resp_err_t code = rd_kafka_flush(rejects->client, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_kafka(err, code, "could not write %d rejects to topic %s", rd_kafka_outq_len(rejects->client),
                         rejects->topic);
    if (rejects->failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = rejects->failed;
        rejects->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
        (void)err_kafka(err, code, "could not write a reject to topic %s", rejects->topic);
        /* Lost deliveries are not sent again by themselves: whatever the reason, the batch must not be
         * applied. */
        return err_set(err, ERR_KAFKA_TOPIC, "could not write a reject to topic %s: %s", rejects->topic,
                       rd_kafka_err2str(code));
    }
    return RC_OK;
}
