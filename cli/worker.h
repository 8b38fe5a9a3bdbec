/* What every always-on command has around its work: log, signals, health, metrics, the watchdog, and one last
 * line. */
#ifndef LEAT_CLI_WORKER_H
#define LEAT_CLI_WORKER_H

#include "command.h"

struct worker;
/* name: "capture core". On RC_OK worker_end() follows. Until here nothing was logged: the caller prints the
 * error. */
MUST_CHECK enum rc worker_begin(const struct cli_args *args, const struct config *config, const char *name,
                                struct worker **ret_worker, struct err *err);
/* Logs how the work ended, rc and err being its answer, and ends the process: at once, because a stage that
 * was given up after its time may still run, and nothing may be taken away from under it. */
_Noreturn void worker_end(struct worker *worker, enum rc rc, const struct err *err);

#endif
