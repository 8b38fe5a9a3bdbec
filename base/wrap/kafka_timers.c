/* librdkafka 2.0.2 (Debian 12) waits for its next timer in whole milliseconds, rounded down: with less than one left
 * its main thread turns in a loop until the timer is due. Each transaction starts such timers up to four times, so it
 * cost 2 to 4 ms of CPU. Later versions round up (rd_kafka_thread_main(), "ceiling division"); the linker puts this
 * function in the place of the archive's, with the same effect. docs/adr/0007. */
#include <stdint.h>

#include "base/wrap/kafka.h"

struct rd_kafka_timers_s;

/* Microseconds until the next timer is due. */
int64_t __real_rd_kafka_timers_next(struct rd_kafka_timers_s *timers, int most_us, int do_lock);
int64_t __wrap_rd_kafka_timers_next(struct rd_kafka_timers_s *timers, int most_us, int do_lock);

int64_t __wrap_rd_kafka_timers_next(struct rd_kafka_timers_s *timers, int most_us, int do_lock)
{
    int64_t left_us = __real_rd_kafka_timers_next(timers, most_us, do_lock);
    return left_us <= 0 ? left_us : (left_us + 999) / 1000 * 1000;
}
