/* The publishing stage: one batch = one Kafka transaction = one ledger record. */
#ifndef LEAT_CAPTURE_PUBLISHER_H
#define LEAT_CAPTURE_PUBLISHER_H

#include "base/config.h"
#include "capture/batch.h"

struct publisher;

/* Connects, fences every older writer of this source (init_transactions), reads the ledger's last record into `arena`
 * (ret_last->source NULL when the ledger is empty) and commits a LEDGER_START record that carries on its position.
 * `writer` is this process's; when the ledger's last writer is somebody else although this process has written before,
 * this one is the older: ERR_KAFKA_FENCED. */
MUST_CHECK enum rc publisher_open(const struct config *config, const struct config_source *source, const char *writer,
                                  bool wrote_before, struct arena *arena, struct ledger_record *ret_last,
                                  struct publisher **ret_publisher, struct err *err);
void publisher_close(struct publisher *publisher);

/* The number of a topic for batch_record.topic; creates the topic when it is missing. Source stage. */
MUST_CHECK enum rc publisher_topic(struct publisher *publisher, const char *topic, uint32_t *ret_index,
                                   struct err *err);

/* One transaction. Retries inside what can be retried without a doubt (abort, and again); a commit in doubt is
 * RC_RETRY: the next session reads in the ledger whether it happened. Publishing stage. */
MUST_CHECK enum rc publisher_publish(struct publisher *publisher, const struct batch *batch, struct err *err);

/* batch_mark.confirm of the last committed batch (0: none yet). Any thread. */
uint64_t publisher_committed(const struct publisher *publisher);

#endif
