#include "watchdog.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"

struct watchdog {
    pthread_t thread;
    int64_t limit_ms;
    int done_fd; /* readable from watchdog_stop() on */
};

/* false: the time passed. Any signal only begins the wait anew. */
static bool wait_done(const struct watchdog *watchdog, int64_t until_ms)
{
    struct pollfd done = {.fd = watchdog->done_fd, .events = POLLIN};
    for (;;) {
        int64_t left_ms = until_ms - clock_mono_ms();
        int n = poll(&done, 1, left_ms <= 0 ? 0 : (int)left_ms);
        if (n > 0)
            return true;
        if (left_ms <= 0)
            return false;
    }
}

static void *watch(void *argument)
{
    const struct watchdog *watchdog = argument;
    struct pollfd fds[] = {{.fd = watchdog->done_fd, .events = POLLIN}, {.fd = stop_fd(), .events = POLLIN}};
    while (!stop_requested() && fds[0].revents == 0)
        (void)poll(fds, 2, -1);
    if (wait_done(watchdog, clock_mono_ms() - stop_age_ms() + watchdog->limit_ms))
        return NULL;
    log_error("drain_timeout", LOG_I64("limit_ms", watchdog->limit_ms),
              LOG_STR("error", "the worker did not end in time after the stop request"),
              LOG_STR("hint", "nothing is lost: what was not committed comes again after the next start"));
    _exit(EXIT_CODE_FATAL);
}

enum rc watchdog_start(int64_t limit_ms, struct watchdog **ret_watchdog, struct err *err)
{
    struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
    if (watchdog == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not start the watchdog");
    watchdog->limit_ms = limit_ms;
    watchdog->done_fd = eventfd(0, EFD_CLOEXEC);
    if (watchdog->done_fd < 0 || pthread_create(&watchdog->thread, NULL, watch, watchdog) != 0) {
        if (watchdog->done_fd >= 0)
            close(watchdog->done_fd);
        free(watchdog);
        return err_set(err, ERR_NO_MEMORY, "could not start the watchdog");
    }
    *ret_watchdog = watchdog;
    return RC_OK;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    eventfd_write(watchdog->done_fd, 1);
    pthread_join(watchdog->thread, NULL);
    close(watchdog->done_fd);
    free(watchdog);
}
