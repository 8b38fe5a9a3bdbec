/* Ends a process that does not drain: its orchestrator would kill it without a word at 30 s. */
#ifndef LEAT_CLI_WATCHDOG_H
#define LEAT_CLI_WATCHDOG_H

#include <stdint.h>

#include "base/err.h"

/* Starts a thread that waits for the stop request (stop_init() came first). When the process is still there
 * limit_ms after it, the thread logs "drain_timeout" and ends the process with EXIT_CODE_FATAL. */
struct watchdog;
MUST_CHECK enum rc watchdog_start(int64_t limit_ms, struct watchdog **ret_watchdog, struct err *err);
void watchdog_stop(struct watchdog *watchdog);

#endif
