/* Times as people write them on a command line. */
#ifndef LEAT_CLI_ISO_TIME_H
#define LEAT_CLI_ISO_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-11-23T18:45:00Z", "2026-11-23 18:45:00.250+01:00": a date, a time and a zone, which is not guessed.
 * false: not one of these, or no such day. */
bool iso_time_parse(const char *text, int64_t *ret_us);

#endif
