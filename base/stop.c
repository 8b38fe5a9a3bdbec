#include "base/stop.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

static atomic_bool requested;
static _Atomic int64_t requested_at_ms;
static int stop_pipe[2] = {-1, -1};

void stop_request(void)
{
    if (atomic_exchange(&requested, true))
        return;
    atomic_store(&requested_at_ms, clock_mono_ms());
    if (stop_pipe[1] >= 0) {
        ssize_t n = write(stop_pipe[1], "", 1); /* async-signal-safe; the byte is never read: the fd stays readable */
        (void)n;
    }
}

static void on_signal(int number)
{
    (void)number;
    stop_request();
}

void stop_init(void)
{
    if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        abort();
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool stop_requested(void)
{
    return atomic_load_explicit(&requested, memory_order_relaxed);
}

int stop_fd(void)
{
    return stop_pipe[0];
}

bool stop_wait_ms(int64_t ms)
{
    struct pollfd fd = {.fd = stop_pipe[0], .events = POLLIN};
    int64_t end = clock_mono_ms() + ms;
    while (!stop_requested()) {
        int64_t left = end - clock_mono_ms();
        if (left <= 0)
            return true;
        poll(&fd, stop_pipe[0] >= 0 ? 1 : 0, (int)(left > 60000 ? 60000 : left));
    }
    return false;
}

int64_t stop_age_ms(void)
{
    return stop_requested() ? clock_mono_ms() - atomic_load(&requested_at_ms) : 0;
}
