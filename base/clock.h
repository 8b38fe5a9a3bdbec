/* Instants. Wall time is for what is compared with a source's or a broker's time; everything that waits uses the
 * monotonic clock. */
#ifndef LEAT_BASE_CLOCK_H
#define LEAT_BASE_CLOCK_H

#include <stdint.h>

enum { US_PER_MS = 1000, US_PER_S = 1000000, MS_PER_S = 1000 };

int64_t clock_wall_us(void); /* since 1970 */
int64_t clock_wall_ms(void);
int64_t clock_mono_us(void); /* since some start */
int64_t clock_mono_ms(void);

/* "2026-11-23T18:45:47.123456Z" into out. */
void clock_format_utc(int64_t wall_us, char out[32]);

#endif
