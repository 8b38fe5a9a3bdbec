#include "base/wrap/kafka.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"

enum {
    ADMIN_TIMEOUT_MS = 15000,
    TOPIC_READY_TIMEOUT_MS = 15000,
    LEADER_POLL_MS = 50,
    READ_LAST_TIMEOUT_MS = 30000,
    READ_LAST_FIRST_STEP = 64, /* records looked at from the end; grows until one committed record is seen */
};

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    if (strcmp(facility, "TERMINATE") == 0)
        return; /* says that messages are dropped: true of every session that ends by an error, told by its owner */
    enum log_level ours = level <= 3 ? LOG_LEVEL_WARN : level <= 5 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
    log_at(ours, "kafka_client", LOG_STR("client", rd_kafka_name(client)), LOG_STR("facility", facility),
           LOG_STR("text", text));
}

enum rc kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) != RD_KAFKA_CONF_OK)
        return err_set(err, ERR_KAFKA_CONFIG, "could not set %s: %s", name, reason);
    return RC_OK;
}

static enum rc conf_set_all(rd_kafka_conf_t *conf, const struct config_kafka *config, const char *client_id,
                            struct err *err)
{
    const struct {
        const char *name, *value;
    } settings[] = {
        {"bootstrap.servers", config->brokers},
        {"client.id", client_id},
        {"security.protocol", config->security_protocol},
        {"sasl.mechanism", config->sasl_mechanism},
        {"sasl.username", config->sasl_username},
        {"sasl.password", config->sasl_password},
        {"ssl.ca.location", config->ssl_ca_file},
        {"socket.keepalive.enable", "true"},
        {"broker.address.family", "any"},
        {"reconnect.backoff.ms", "50"},
        {"reconnect.backoff.max.ms", "2000"},
        {"log.connection.close", "false"},
    };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (settings[i].value != NULL)
            TRY(kafka_conf_set(conf, settings[i].name, settings[i].value, err));
    return RC_OK;
}

enum rc kafka_conf_new(const struct config_kafka *config, const char *client_id, rd_kafka_conf_t **ret_conf,
                       struct err *err)
{
    SCOPED(rd_kafka_conf_destroy) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, on_log);
    TRY(conf_set_all(conf, config, client_id, err));
    *ret_conf = conf;
    conf = NULL;
    return RC_OK;
}

enum rc kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret_client, struct err *err)
{
    char reason[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, reason, sizeof(reason));
    if (client == NULL) {
        rd_kafka_conf_destroy(conf);
        return err_set(err, ERR_KAFKA_CONFIG, "could not make a Kafka client: %s", reason);
    }
    *ret_client = client;
    return RC_OK;
}

static enum err_code code_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT: return ERR_KAFKA_UNREACHABLE;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED: return ERR_KAFKA_AUTH;
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH: return ERR_KAFKA_FENCED;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: return ERR_KAFKA_RETENTION;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: return ERR_KAFKA_TOO_LARGE;
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION: /* a name that it refuses, or that another one comes too close to */
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION: return ERR_KAFKA_TOPIC;
    case RD_KAFKA_RESP_ERR__INVALID_ARG: return ERR_KAFKA_CONFIG;
    default: return ERR_KAFKA_TRANSIENT;
    }
}

enum rc err_kafka(struct err *err, rd_kafka_resp_err_t code, const char *format, ...)
{
    char what[384];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return err_set(err, code_of(code), "%s: %s", what, rd_kafka_err2str(code));
}

enum rc err_kafka_error(struct err *err, const rd_kafka_error_t *error, const char *format, ...)
{
    char what[384];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return err_set(err, code_of(rd_kafka_error_code(error)), "%s: %s", what, rd_kafka_error_string(error));
}

enum rc kafka_ping(rd_kafka_t *client, const struct config_kafka *config, int timeout_ms, struct err *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(client, 0, NULL, &metadata, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_kafka(err, code, "no broker of kafka.brokers %s answered within %d s", config->brokers,
                         timeout_ms / MS_PER_S);
    rd_kafka_metadata_destroy(metadata);
    return RC_OK;
}

/* A topic just made has no leader for a moment; a producer's first message would wait for its next metadata refresh. */
static enum rc topic_await_leader(rd_kafka_t *client, const char *name, struct err *err)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    int64_t deadline_ms = clock_mono_ms() + TOPIC_READY_TIMEOUT_MS;
    rd_kafka_resp_err_t code;
    bool ready = false;
    do {
        const struct rd_kafka_metadata *metadata = NULL;
        code = rd_kafka_metadata(client, 0, topic, &metadata, ADMIN_TIMEOUT_MS);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        const struct rd_kafka_metadata_topic *seen = metadata->topic_cnt == 1 ? &metadata->topics[0] : NULL;
        ready = seen != NULL && seen->err == RD_KAFKA_RESP_ERR_NO_ERROR && seen->partition_cnt > 0;
        for (int i = 0; ready && i < seen->partition_cnt; i++)
            ready = seen->partitions[i].leader >= 0;
        code = seen == NULL ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART : seen->err;
        rd_kafka_metadata_destroy(metadata);
    } while (!ready && clock_mono_ms() < deadline_ms);
    rd_kafka_topic_destroy(topic);
    if (!ready)
        return err_kafka(err, code, "topic %s has no leader", name);
    return RC_OK;
}

static enum rc new_topic_of(const struct config_kafka *config, const char *name,
                            const struct kafka_topic_settings *settings, rd_kafka_NewTopic_t **ret_topic,
                            struct err *err)
{
    char reason[256], retention[24], max_bytes[24];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, settings->partitions, (int)config->replication_factor,
                                                       reason, sizeof(reason));
    if (topic == NULL)
        return err_set(err, ERR_KAFKA_TOPIC, "could not describe topic %s: %s", name, reason);
    snprintf(retention, sizeof(retention), "%lld", (long long)settings->retention_ms);
    snprintf(max_bytes, sizeof(max_bytes), "%lld", (long long)config->message_max_bytes);
    rd_kafka_NewTopic_set_config(topic, "cleanup.policy", settings->compact ? "compact" : "delete");
    rd_kafka_NewTopic_set_config(topic, "retention.ms", retention);
    rd_kafka_NewTopic_set_config(topic, "max.message.bytes", max_bytes);
    rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", config->replication_factor >= 3 ? "2" : "1");
    rd_kafka_NewTopic_set_config(topic, "message.timestamp.type", "CreateTime");
    *ret_topic = topic;
    return RC_OK;
}

static enum rc create_topic(rd_kafka_t *client, rd_kafka_NewTopic_t *topic, const char *name, bool *ret_existed,
                            struct err *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS);
    enum rc rc = RC_OK;
    if (event == NULL) {
        rc = err_kafka(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "could not create topic %s", name);
    } else if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rc = err_kafka(err, rd_kafka_event_error(event), "could not create topic %s", name);
    } else {
        size_t n = 0;
        const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &n);
        rd_kafka_resp_err_t code = n == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
        *ret_existed = code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR && !*ret_existed)
            rc = err_kafka(err, code, "could not create topic %s", name);
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    return rc;
}

enum rc kafka_topic_ensure(rd_kafka_t *client, const struct config_kafka *config, const char *topic,
                           const struct kafka_topic_settings *settings, struct err *err)
{
    rd_kafka_NewTopic_t *wanted = NULL;
    bool existed = false;
    TRY(new_topic_of(config, topic, settings, &wanted, err));
    enum rc rc = create_topic(client, wanted, topic, &existed, err);
    rd_kafka_NewTopic_destroy(wanted);
    TRY(rc);
    return topic_await_leader(client, topic, err);
}

enum rc kafka_offsets(rd_kafka_t *client, const char *topic, int32_t partition, int timeout_ms, int64_t *ret_low,
                      int64_t *ret_high, struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    rd_kafka_resp_err_t code;
    do { /* a topic made a moment ago, or one whose leader just went, has none */
        code = rd_kafka_query_watermark_offsets(client, topic, partition, ret_low, ret_high, timeout_ms);
    } while ((code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION || code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) &&
             clock_mono_ms() < deadline_ms && stop_wait_ms(LEADER_POLL_MS));
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
        code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return RC_AGAIN;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_kafka(err, code, "could not read the offsets of topic %s", topic);
    return RC_OK;
}

/* Reads [from, end of what is committed), keeping the last record. */
static enum rc read_forward(rd_kafka_t *client, const char *topic, int32_t partition, int64_t from, struct buf *value,
                            int64_t *ret_offset, struct err *err)
{
    SCOPED(rd_kafka_topic_partition_list_destroy)
    rd_kafka_topic_partition_list_t *assignment = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(assignment, topic, partition)->offset = from;
    rd_kafka_resp_err_t code = rd_kafka_assign(client, assignment);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_kafka(err, code, "could not read topic %s", topic);
    int64_t deadline_ms = clock_mono_ms() + READ_LAST_TIMEOUT_MS;
    while (clock_mono_ms() < deadline_ms) {
        SCOPED(rd_kafka_message_destroy) rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 100);
        if (message == NULL)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            return RC_OK;
        if (message->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || message->err == RD_KAFKA_RESP_ERR__TRANSPORT)
            continue; /* librdkafka connects again; the deadline decides */
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return err_kafka(err, message->err, "could not read topic %s from offset %lld", topic, (long long)from);
        buf_clear(value);
        buf_put(value, message->payload, message->len);
        *ret_offset = message->offset;
    }
    return err_kafka(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "could not read topic %s to its end", topic);
}

static enum rc read_last(rd_kafka_t *client, const char *topic, int32_t partition, struct buf *value,
                         int64_t *ret_offset, struct err *err)
{
    int64_t low, high;
    enum rc rc = kafka_offsets(client, topic, partition, READ_LAST_TIMEOUT_MS, &low, &high, err);
    if (rc == RC_AGAIN)
        return RC_OK; /* no topic: no record */
    TRY(rc);
    for (int64_t step = READ_LAST_FIRST_STEP; *ret_offset < 0 && high > low; step *= 16) {
        int64_t from = MAX(low, high - step);
        TRY(read_forward(client, topic, partition, from, value, ret_offset, err));
        if (from == low)
            break;
    }
    return RC_OK;
}

enum rc kafka_read_last(const struct config_kafka *config, const char *client_id, const char *topic, int32_t partition,
                        struct buf *value, int64_t *ret_offset, struct err *err)
{
    rd_kafka_conf_t *conf;
    TRY(kafka_conf_new(config, client_id, &conf, err));
    SCOPED(rd_kafka_destroy) rd_kafka_t *client = NULL;
    static const struct {
        const char *name, *value;
    } settings[] = {
        {"group.id", "leat-none"},        {"enable.auto.commit", "false"}, {"isolation.level", "read_committed"},
        {"enable.partition.eof", "true"}, {"auto.offset.reset", "error"},  {"allow.auto.create.topics", "false"},
        {"fetch.wait.max.ms", "10"}};
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        enum rc rc = kafka_conf_set(conf, settings[i].name, settings[i].value, err);
        if (rc != RC_OK) {
            rd_kafka_conf_destroy(conf);
            return rc;
        }
    }
    TRY(kafka_new(RD_KAFKA_CONSUMER, conf, &client, err));
    rd_kafka_poll_set_consumer(client);
    buf_clear(value);
    *ret_offset = -1;
    enum rc rc = read_last(client, topic, partition, value, ret_offset, err);
    if (rc == RC_OK && value->failed)
        rc = err_set(err, ERR_MEMORY_LIMIT, "the last record of topic %s is larger than %zu bytes", topic, value->max);
    rd_kafka_consumer_close(client);
    return rc;
}
