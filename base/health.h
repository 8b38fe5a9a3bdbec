/* What a worker is doing right now, told to the log, to /metrics and to the probes by one call.
 * One state for the process: a worker is one process. */
#ifndef LEAT_BASE_HEALTH_H
#define LEAT_BASE_HEALTH_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum health_state {
    HEALTH_STARTING,
    HEALTH_SNAPSHOT, /* first copy under way */
    HEALTH_RUNNING,
    HEALTH_WAITING,  /* something is away; backing off */
    HEALTH_DRAINING, /* asked to stop */
    HEALTH_STOPPED,  /* ended by an error that a person must act on */
};

void health_init(const char *worker);
/* Logs "worker_state" with from, to and why when the state changes. `why` may carry an error's message. A change that
 * the table in health.c does not have is left out: nothing follows stopped, and only stopped follows draining. */
void health_set(enum health_state state, const char *why);
enum health_state health_get(void);
const char *health_state_name(enum health_state state);
/* The target was reached (a commit, or an idle check that it answers). Readiness is red when this is too long ago. */
void health_touch(void);
/* /healthz: the process turns; /readyz: running or snapshotting, and touched within max_age_ms. `why` gets a line. */
bool health_is_ready(int64_t max_age_ms, char *why, size_t why_size);

/* A copy of everything, for the status page. */
struct health_report {
    enum health_state state;
    char worker[128], why[512];
    int64_t in_state_ms;  /* since the state was entered */
    int64_t touch_age_ms; /* since health_touch; -1 before the first */
};
void health_report(struct health_report *ret_report);

#endif
