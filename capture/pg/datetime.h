/* Dates, times and intervals as PostgreSQL writes them with datestyle ISO, timezone UTC, intervalstyle
 * postgres. Strict: false for anything else, and for what does not fit the result. */
#ifndef LEAT_CAPTURE_PG_DATETIME_H
#define LEAT_CAPTURE_PG_DATETIME_H

#include "base/slice.h"

/* Debezium's numbers for an infinite timestamp: the JDBC driver's, taken as microseconds. */
#define PG_TIMESTAMP_INFINITY_US       INT64_C(9223372036825200000)
#define PG_TIMESTAMP_MINUS_INFINITY_US INT64_C(-9223372036832400000)

enum { PG_ZONED_TEXT_BYTES = 48, PG_INTERVAL_TEXT_BYTES = 192 };

/* Days since 1970-01-01 in the proleptic Gregorian calendar; infinity is INT32_MAX, -infinity INT32_MIN. */
bool pg_date_parse(struct slice text, int32_t *ret_days);
/* Microseconds of the day; 24:00:00 is a time. */
bool pg_time_parse(struct slice text, int64_t *ret_us);
/* Microseconds since 1970, no zone; infinity as above. */
bool pg_timestamp_parse(struct slice text, int64_t *ret_us);
/* Milliseconds, rounded down: they reach to the server's last year, microseconds only to 294246. */
bool pg_timestamp_parse_ms(struct slice text, int64_t *ret_ms);
/* Microseconds: a month counts 30.4375 days (365.25 / 12), as in Debezium's MicroDuration. */
bool pg_interval_parse(struct slice text, int64_t *ret_us);

/* Texts: their length, 0 when malformed. */
/* "1 year -2 mons 03:04:05.6" to "P1Y-2M0DT3H4M5.6S", as Debezium's Interval has it. */
size_t pg_interval_format(struct slice text, char out[PG_INTERVAL_TEXT_BYTES]);
/* "2017-06-29 12:00:00.12+00" to "2017-06-29T12:00:00.120000Z": `digits` digits of a second, 0: as many as needed.
 * Infinity stays the word. */
size_t pg_timestamptz_format(struct slice text, int digits, char out[PG_ZONED_TEXT_BYTES]);
/* "12:00:00.12+02" to "10:00:00.12Z". */
size_t pg_timetz_format(struct slice text, char out[PG_ZONED_TEXT_BYTES]);
/* The same for what has no zone: "2017-06-29Z", "12:00:00.12Z", "2017-06-29T12:00:00.12Z". */
size_t pg_date_format(struct slice text, char out[PG_ZONED_TEXT_BYTES]);
size_t pg_time_format(struct slice text, char out[PG_ZONED_TEXT_BYTES]);
size_t pg_timestamp_format(struct slice text, char out[PG_ZONED_TEXT_BYTES]);

/* The same from the binary forms: days and microseconds from 2000-01-01 on, the greatest and least number infinity. false:
 * a number that the type has not, or no place for it. */
bool pg_date_of_number(int32_t number, int32_t *ret_days);
bool pg_timestamp_of_number(int64_t number, int64_t *ret_us);
bool pg_timestamp_ms_of_number(int64_t number, int64_t *ret_ms);
size_t pg_timestamptz_format_number(int64_t number, int digits, char out[PG_ZONED_TEXT_BYTES]);
bool pg_time_is_valid(int64_t us);

/* The server's texts of the binary forms. Zones are seconds west of Greenwich; `zone` is "" or "+00". */
size_t pg_date_put_text(int32_t number, char out[PG_ZONED_TEXT_BYTES]);
size_t pg_time_put_text(int64_t us, char out[PG_ZONED_TEXT_BYTES]);
size_t pg_timetz_put_text(int64_t us, int32_t seconds_west, char out[PG_ZONED_TEXT_BYTES]);
size_t pg_timestamp_put_text(int64_t number, const char *zone, char out[PG_ZONED_TEXT_BYTES]);
size_t pg_interval_put_text(int64_t clock_us, int32_t days, int32_t months, char out[PG_INTERVAL_TEXT_BYTES]);

#endif
