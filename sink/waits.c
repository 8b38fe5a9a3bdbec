#include "sink/waits.h"

#include <pthread.h>
#include <stdio.h>

#include "base/health.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "base/stop.h"

enum { FIRST_WAIT_MS = 200, MAX_WAIT_MS = 15000, WHY_BYTES = 768 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char whys[WAIT_COUNT][WHY_BYTES]; /* "" : does not wait for it */

static void tell(void)
{
    for (size_t i = 0; i < WAIT_COUNT; i++) {
        if (whys[i][0] != '\0') {
            health_set(HEALTH_WAITING, whys[i]);
            return;
        }
    }
    health_set(HEALTH_RUNNING, "");
}

void waits_begin(enum wait_for what, const char *why)
{
    pthread_mutex_lock(&mutex);
    bool is_news = whys[what][0] == '\0';
    snprintf(whys[what], WHY_BYTES, "%s", why[0] == '\0' ? "waiting" : why);
    if (is_news)
        tell();
    pthread_mutex_unlock(&mutex);
}

void waits_end(enum wait_for what)
{
    pthread_mutex_lock(&mutex);
    if (whys[what][0] != '\0') {
        whys[what][0] = '\0';
        tell();
    }
    pthread_mutex_unlock(&mutex);
}

enum rc waits_retry(enum wait_for what, const char *event, retried_call *call, void *context, struct err *err)
{
    struct retry retry = retry_of(FIRST_WAIT_MS, MAX_WAIT_MS);
    enum rc rc;
    while ((rc = call(context, err)) == RC_RETRY) {
        int64_t wait_ms = retry_next_ms(&retry);
        log_warn(event, LOG_I64("attempt", retry.attempts), LOG_I64("wait_ms", wait_ms), LOG_ERR(err));
        metric_add(METRIC_errors_total, 1, err_name(err->code), NULL);
        waits_begin(what, err->msg);
        if (!stop_wait_ms(wait_ms))
            return RC_AGAIN;
    }
    waits_end(what);
    return rc;
}
