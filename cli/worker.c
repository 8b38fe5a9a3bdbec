#include "worker.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/health.h"
#include "base/http_server.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/stop.h"
#include "watchdog.h"

enum { DRAIN_LIMIT_MS = 28000 }; /* orchestrators send SIGKILL 30 s after SIGTERM */

struct worker {
    struct http_server *http;
    struct watchdog *watchdog;
};

static enum rc start_http(struct worker *worker, const char *listen, struct err *err)
{
    if (listen == NULL || *listen == '\0')
        return RC_OK;
    TRY(http_server_start(listen, &worker->http, err));
    log_info("http_listening", LOG_STR("listen", listen), LOG_U64("port", http_server_port(worker->http)));
    return RC_OK;
}

static void worker_free(struct worker *worker)
{
    watchdog_stop(worker->watchdog);
    if (worker->http != NULL)
        http_server_stop(worker->http);
    free(worker);
}

static enum rc start(struct worker *worker, const struct cli_args *args, const struct config *config, struct err *err)
{
    TRY(start_http(worker, args->http != NULL ? args->http : config->http.listen, err));
    return watchdog_start(DRAIN_LIMIT_MS, &worker->watchdog, err);
}

enum rc worker_begin(const struct cli_args *args, const struct config *config, const char *name,
                     struct worker **ret_worker, struct err *err)
{
    enum log_level level;
    const char *level_name = args->log_level != NULL ? args->log_level : config->log_level;
    if (!log_level_parse(level_name, &level))
        return err_set(err, ERR_USAGE, "--log-level is \"%s\": must be debug, info, warn or error", level_name);
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not start the worker");
    log_init(level, name);
    stop_init();
    health_init(name);
    metric_set(METRIC_build_info, 1, LEAT_VERSION, NULL);
    enum rc rc = start(worker, args, config, err);
    if (rc != RC_OK) {
        worker_free(worker);
        return rc;
    }
    log_info("worker_started", LOG_STR("version", LEAT_VERSION));
    *ret_worker = worker;
    return RC_OK;
}

_Noreturn void worker_end(struct worker *worker, enum rc rc, const struct err *err)
{
    int exit_code = EXIT_CODE_OK;
    if (rc == RC_OK || rc == RC_AGAIN || err->code == ERR_STOPPED) {
        log_info("worker_ended", LOG_STR("why", stop_requested() ? "stop was asked for" : "all work is done"));
    } else {
        health_set(HEALTH_STOPPED, err->msg);
        log_error("worker_failed", LOG_ERR(err));
        exit_code = err->code == ERR_NONE ? EXIT_CODE_BUG : (int)err_exit_code(err);
    }
    worker_free(worker);
    _exit(exit_code);
}
