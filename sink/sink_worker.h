/* The worker of one sink: one thread reads and coalesces, one uploads and applies. */
#ifndef LEAT_SINK_SINK_WORKER_H
#define LEAT_SINK_SINK_WORKER_H

#include "base/config.h"
#include "base/err.h"

/* Runs until stop is requested (RC_OK) or a person must act. until_caught_up: ends with RC_OK as soon as all ledger
 * records that were committed at the start are in the warehouse. */
MUST_CHECK enum rc sink_run(const struct config *config, const struct config_sink *sink, bool until_caught_up,
                            struct err *err);
/* Everything that sink_run would need, read only: broker, registry, ledgers, bucket, warehouse. */
MUST_CHECK enum rc sink_check(const struct config *config, const struct config_sink *sink, struct err *err);

#endif
