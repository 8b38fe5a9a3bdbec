/* A log of partitions, as much of one as the sink reads. consumer.c is Kafka's; tests script their own. */
#ifndef LEAT_SINK_LOG_H
#define LEAT_SINK_LOG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

struct log_record {
    int64_t offset;
    struct slice key, value;                 /* ptr NULL: none */
    struct slice pos, unchanged, moved_from; /* headers; len 0: absent */
};

/* Records in offset order. `position`: every committed record below it has been handed out; it may lie beyond
 * the last record, because control records and aborted transactions take offsets too. */
struct log_chunk {
    const struct log_record *records;
    size_t n;
    int64_t position;
};

struct log {
    const struct log_ops *ops;
};

struct log_ops {
    /* Committed records of [from, below). RC_OK: there are some, or the position went on; RC_AGAIN: neither
     * within timeout_ms. Borrowed until the next read of the same partition. Reading on from where the last
     * read ended is cheap, any other `from` is a seek. ERR_KAFKA_RETENTION: `from` is not in the log. */
    enum rc (*read)(struct log *log, const char *topic, int32_t partition, int64_t from, int64_t below, int timeout_ms,
                    struct log_chunk *ret_chunk, struct err *err);
    /* Offset of the first record, and behind the last committed one. RC_AGAIN: there is no such topic. */
    enum rc (*bounds)(struct log *log, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_end,
                      struct err *err);
};

/* For `below`: no bound. */
#define LOG_NO_BOUND INT64_MAX

MUST_CHECK static inline enum rc log_read(struct log *log, const char *topic, int32_t partition, int64_t from,
                                          int64_t below, int timeout_ms, struct log_chunk *ret_chunk, struct err *err)
{
    return log->ops->read(log, topic, partition, from, below, timeout_ms, ret_chunk, err);
}

MUST_CHECK static inline enum rc log_bounds(struct log *log, const char *topic, int32_t partition, int64_t *ret_low,
                                            int64_t *ret_end, struct err *err)
{
    return log->ops->bounds(log, topic, partition, ret_low, ret_end, err);
}

#endif
