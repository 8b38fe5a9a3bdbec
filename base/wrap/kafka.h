/* librdkafka: configuration, errors, topics, and reading the end of a partition. */
#ifndef LEAT_BASE_WRAP_KAFKA_H
#define LEAT_BASE_WRAP_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"

DEFINE_SCOPED(rd_kafka_t *, rd_kafka_destroy)
DEFINE_SCOPED(rd_kafka_conf_t *, rd_kafka_conf_destroy)
DEFINE_SCOPED(rd_kafka_message_t *, rd_kafka_message_destroy)
DEFINE_SCOPED(rd_kafka_error_t *, rd_kafka_error_destroy)
DEFINE_SCOPED(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy)

/* Brokers, security, client id, log callback (our log). client_id: "leat-capture-core". */
MUST_CHECK enum rc kafka_conf_new(const struct config_kafka *config, const char *client_id, rd_kafka_conf_t **ret_conf,
                                  struct err *err);
MUST_CHECK enum rc kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err);
/* Takes conf over, also on failure. */
MUST_CHECK enum rc kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret_client, struct err *err);

/* Our class of librdkafka's code; the message says what could not be done and librdkafka's reason. */
enum rc err_kafka(struct err *err, rd_kafka_resp_err_t code, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same for transactional calls: fatal -> ERR_KAFKA_FENCED or ERR_KAFKA_TRANSIENT (recreate the producer). */
enum rc err_kafka_error(struct err *err, const rd_kafka_error_t *error, const char *format, ...) PRINTF_LIKE(3, 4);

/* A broker answers metadata within timeout_ms, else ERR_KAFKA_UNREACHABLE (or _AUTH) that names kafka.brokers. */
MUST_CHECK enum rc kafka_ping(rd_kafka_t *client, const struct config_kafka *config, int timeout_ms, struct err *err);

/* What a topic is made with. Existing topics are left as they are. */
struct kafka_topic_settings {
    int partitions;
    int64_t retention_ms; /* -1: for ever */
    bool compact;         /* false: delete */
};
MUST_CHECK enum rc kafka_topic_ensure(rd_kafka_t *client, const struct config_kafka *config, const char *topic,
                                      const struct kafka_topic_settings *settings, struct err *err);

/* Earliest and end offset as the broker has them now. RC_AGAIN when the topic does not exist. The end is the high
 * watermark: behind it stand control records too, so the last record's offset is not simply end - 1. */
MUST_CHECK enum rc kafka_offsets(rd_kafka_t *client, const char *topic, int32_t partition, int timeout_ms,
                                 int64_t *ret_low, int64_t *ret_high, struct err *err);

/* The last committed record of a partition: its bytes into `value` (cleared first), its offset into ret_offset, -1
 * when the partition holds none. Opens a read_committed consumer of its own and closes it again. */
MUST_CHECK enum rc kafka_read_last(const struct config_kafka *config, const char *client_id, const char *topic,
                                   int32_t partition, struct buf *value, int64_t *ret_offset, struct err *err);

#endif
