/* The always-on worker of one source: sessions one after the other, two threads each. */
#ifndef LEAT_CAPTURE_CAPTURE_WORKER_H
#define LEAT_CAPTURE_CAPTURE_WORKER_H

#include "base/config.h"
#include "base/err.h"

/* The first thing in main, before anything can end the process. libmongoc makes a shared memory object for its counters
 * when it is loaded, and a process that is killed would leave it behind for ever: it gets no name. */
void capture_process_init(void);

/* Runs until stop is requested (RC_OK) or a person must act. What is missing at start ends it; what goes away later is
 * waited for. accept_gap: when changes are missing, says so in the ledger and goes on without them, once. */
MUST_CHECK enum rc capture_run(const struct config *config, const struct config_source *source, bool accept_gap,
                               struct err *err);
/* Everything that capture_run would need, read only: broker, registry, source, its settings, the ledger's identity. */
MUST_CHECK enum rc capture_check(const struct config *config, const struct config_source *source, struct err *err);

#endif
