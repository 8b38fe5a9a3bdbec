/* Kafka as a log: committed records only, each partition read on its own, at any offset, without a consumer
 * group.
 *
 * Prefetch is bounded by CONSUMER_PREFETCH_KIB a partition, and at most CONSUMER_MAX_ACTIVE partitions are
 * fetched at a time: the one unused for longest is stopped when another is needed. One thread. */
#ifndef LEAT_SINK_CONSUMER_H
#define LEAT_SINK_CONSUMER_H

#include "base/wrap/kafka.h"
#include "sink/log.h"

enum { CONSUMER_PREFETCH_KIB = 2048, CONSUMER_MAX_ACTIVE = 24 };

struct consumer;

/* Does not wait for a broker. */
MUST_CHECK enum rc consumer_new(const struct config_kafka *config, const char *client_id,
                                struct consumer **ret_consumer, struct err *err);
void consumer_free(struct consumer *consumer);
DEFINE_SCOPED(struct consumer *, consumer_free)

struct log *consumer_log(struct consumer *consumer);
rd_kafka_t *consumer_client(struct consumer *consumer);

/* RC_OK: a broker is connected, as far as is known. RC_RETRY: none is, err says why; asks again about once a
 * second, so that the answer turns good although no record comes. */
MUST_CHECK enum rc consumer_state(struct consumer *consumer, struct err *err);
/* End of a partition that is being read, as the last fetch saw it; -1: not seen yet. */
int64_t consumer_end_seen(struct consumer *consumer, const char *topic, int32_t partition);

#endif
