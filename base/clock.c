#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t clock_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / US_PER_MS;
}

int64_t clock_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / US_PER_MS;
}

void clock_format_utc(int64_t wall_us, char out[32])
{
    time_t seconds = (time_t)(wall_us / US_PER_S);
    int64_t micros = wall_us % US_PER_S;
    if (micros < 0) {
        micros += US_PER_S;
        seconds -= 1;
    }
    struct tm tm;
    char date[24];
    gmtime_r(&seconds, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, 32, "%s.%06dZ", date, (int)micros);
}
