/* What the worker's threads are waiting for, as one state of the process: waiting while any of them is. Any
 * thread. */
#ifndef LEAT_SINK_WAITS_H
#define LEAT_SINK_WAITS_H

#include "base/err.h"

enum wait_for {
    WAIT_KAFKA,
    WAIT_LEDGER, /* of a source whose capture never ran */
    WAIT_REGISTRY,
    WAIT_REJECTS,
    WAIT_WAREHOUSE, /* or the bucket */
    WAIT_COUNT,
};

/* Calls health_set when the whole changes. `why` is copied. */
void waits_begin(enum wait_for what, const char *why);
void waits_end(enum wait_for what);

/* Calls with back-off until it is something else than RC_RETRY: registers the wait, counts errors. RC_AGAIN:
 * a stop was requested. */
typedef enum rc retried_call(void *context, struct err *err);
MUST_CHECK enum rc waits_retry(enum wait_for what, const char *event, retried_call *call, void *context,
                               struct err *err);

#endif
