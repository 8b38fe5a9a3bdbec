#include "base/retry.h"

#include <sys/random.h>

int64_t retry_next_ms(struct retry *retry)
{
    int64_t ms = retry->first_ms;
    for (unsigned i = 0; i < retry->attempts && ms < retry->max_ms; i++)
        ms *= 2;
    if (ms > retry->max_ms)
        ms = retry->max_ms;
    retry->attempts++;
    uint32_t draw = 0;
    if (getrandom(&draw, sizeof(draw), 0) != sizeof(draw))
        draw = 0;
    return ms / 2 + (int64_t)(draw % (uint32_t)(ms / 2 + 1));
}
