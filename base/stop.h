/* One flag for the whole process: SIGTERM and SIGINT ask the worker to drain and end. Everything that waits, waits
 * through here, so that a stop wakes it at once. */
#ifndef LEAT_BASE_STOP_H
#define LEAT_BASE_STOP_H

#include <stdbool.h>
#include <stdint.h>

void stop_init(void); /* installs the handlers; ignores SIGPIPE */
bool stop_requested(void);
void stop_request(void); /* any thread */
int stop_fd(void);       /* readable from the moment of the request on: for poll() */
/* Sleeps; false when woken by a stop request. */
bool stop_wait_ms(int64_t ms);
/* Milliseconds since the stop was asked for; 0 when it was not. */
int64_t stop_age_ms(void);

#endif
