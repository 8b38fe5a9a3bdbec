#include "base/health.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define FOLLOWED_BY(state) (1u << (state))

enum {
    WHILE_WORKING = FOLLOWED_BY(HEALTH_STARTING) | FOLLOWED_BY(HEALTH_SNAPSHOT) | FOLLOWED_BY(HEALTH_RUNNING) |
                    FOLLOWED_BY(HEALTH_WAITING) | FOLLOWED_BY(HEALTH_DRAINING) | FOLLOWED_BY(HEALTH_STOPPED),
};

/* A worker that drains may meet errors and good news of its other stage; it drains on all the same. */
static const struct {
    const char *name;
    bool is_ready;        /* it moves rows */
    enum log_level level; /* of the line that says it was entered */
    unsigned followed_by; /* states that may come next */
} states[] = {
    [HEALTH_STARTING] = {"starting", false, LOG_LEVEL_INFO, WHILE_WORKING},
    [HEALTH_SNAPSHOT] = {"snapshot", true, LOG_LEVEL_INFO, WHILE_WORKING},
    [HEALTH_RUNNING] = {"running", true, LOG_LEVEL_INFO, WHILE_WORKING},
    [HEALTH_WAITING] = {"waiting", false, LOG_LEVEL_WARN, WHILE_WORKING},
    [HEALTH_DRAINING] = {"draining", false, LOG_LEVEL_INFO, FOLLOWED_BY(HEALTH_STOPPED)},
    [HEALTH_STOPPED] = {"stopped", false, LOG_LEVEL_ERROR, 0},
};

static struct {
    pthread_mutex_t mutex;
    enum health_state state;
    char worker[128], why[512];
    int64_t entered_at_ms;
    int64_t touched_at_ms; /* 0: never */
} health = {.mutex = PTHREAD_MUTEX_INITIALIZER};

const char *health_state_name(enum health_state state)
{
    return states[state].name;
}

/* Under the mutex: a slower thread must not show an older state. */
static void show_state(void)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        metric_set(METRIC_worker_state, (enum health_state)i == health.state, health.worker, states[i].name);
}

void health_init(const char *worker)
{
    pthread_mutex_lock(&health.mutex);
    snprintf(health.worker, sizeof(health.worker), "%s", worker);
    health.why[0] = '\0';
    health.state = HEALTH_STARTING;
    health.entered_at_ms = clock_mono_ms();
    health.touched_at_ms = 0;
    show_state();
    pthread_mutex_unlock(&health.mutex);
}

void health_set(enum health_state state, const char *why)
{
    pthread_mutex_lock(&health.mutex);
    enum health_state from = health.state;
    bool is_allowed = (states[from].followed_by & FOLLOWED_BY(state)) != 0;
    if (is_allowed)
        snprintf(health.why, sizeof(health.why), "%s", why == NULL ? "" : why);
    if (is_allowed && state != from) {
        health.state = state;
        health.entered_at_ms = clock_mono_ms();
        show_state();
        log_at(states[state].level, "worker_state", LOG_STR("from", states[from].name),
               LOG_STR("to", states[state].name), LOG_STR("why", health.why));
    }
    pthread_mutex_unlock(&health.mutex);
}

enum health_state health_get(void)
{
    pthread_mutex_lock(&health.mutex);
    enum health_state state = health.state;
    pthread_mutex_unlock(&health.mutex);
    return state;
}

void health_touch(void)
{
    pthread_mutex_lock(&health.mutex);
    health.touched_at_ms = clock_mono_ms();
    pthread_mutex_unlock(&health.mutex);
}

void health_report(struct health_report *ret_report)
{
    pthread_mutex_lock(&health.mutex);
    int64_t now_ms = clock_mono_ms();
    *ret_report = (struct health_report){
        .state = health.state,
        .in_state_ms = now_ms - health.entered_at_ms,
        .touch_age_ms = health.touched_at_ms == 0 ? -1 : now_ms - health.touched_at_ms,
    };
    memcpy(ret_report->worker, health.worker, sizeof(health.worker));
    memcpy(ret_report->why, health.why, sizeof(health.why));
    pthread_mutex_unlock(&health.mutex);
}

bool health_is_ready(int64_t max_age_ms, char *why, size_t why_size)
{
    struct health_report report;
    health_report(&report);
    const char *name = states[report.state].name;
    if (!states[report.state].is_ready) {
        snprintf(why, why_size, "%s%s%s", name, report.why[0] == '\0' ? "" : ": ", report.why);
        return false;
    }
    if (report.touch_age_ms < 0) {
        snprintf(why, why_size, "%s, but nothing has reached the target yet", name);
        return false;
    }
    if (report.touch_age_ms > max_age_ms) {
        snprintf(why, why_size, "%s, but the target was last reached %lld s ago", name,
                 (long long)(report.touch_age_ms / MS_PER_S));
        return false;
    }
    snprintf(why, why_size, "%s", name);
    return true;
}
