/* Back-off with full jitter: waits grow from first_ms to max_ms, each drawn between half and the whole. */
#ifndef LEAT_BASE_RETRY_H
#define LEAT_BASE_RETRY_H

#include <stdint.h>

struct retry {
    int64_t first_ms, max_ms;
    unsigned attempts;
};

static inline struct retry retry_of(int64_t first_ms, int64_t max_ms)
{
    return (struct retry){first_ms, max_ms, 0};
}

int64_t retry_next_ms(struct retry *retry); /* how long to wait before the next try */
static inline void retry_reset(struct retry *retry)
{
    retry->attempts = 0;
}

#endif
