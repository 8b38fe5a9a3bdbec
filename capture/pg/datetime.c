#include "capture/pg/datetime.h"

#include <stdio.h>

#include "base/compiler.h"

static const int64_t SECOND_US = 1000000;
static const int64_t DAY_US = INT64_C(86400000000);
static const int64_t MONTH_US = INT64_C(2629800000000); /* 30.4375 days */

/* Text that is read from the front. */
struct scan {
    const uint8_t *at, *end;
};

static struct scan scan_of(struct slice text)
{
    return (struct scan){text.ptr, text.ptr + text.len};
}

static bool scan_char(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != (uint8_t)c)
        return false;
    s->at++;
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return false;
    s->at += len;
    return true;
}

/* min to max digits. */
static bool scan_number(struct scan *s, int min, int max, int64_t *ret)
{
    int64_t value = 0;
    int digits = 0;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9' && digits < max; s->at++, digits++)
        value = value * 10 + (*s->at - '0');
    *ret = value;
    return digits >= min;
}

/* ".123456" to microseconds; nothing is zero. */
static bool scan_fraction(struct scan *s, int64_t *ret_us)
{
    *ret_us = 0;
    if (!scan_char(s, '.'))
        return true;
    const uint8_t *start = s->at;
    if (!scan_number(s, 1, 6, ret_us))
        return false;
    for (int64_t digits = s->at - start; digits < 6; digits++)
        *ret_us *= 10;
    return true;
}

/* hh:mm:ss[.ffffff], hours as wide as max_hour_digits. */
static bool scan_clock(struct scan *s, int max_hour_digits, int64_t *ret_us)
{
    int64_t hours, minutes, seconds, fraction;
    if (!scan_number(s, 2, max_hour_digits, &hours) || !scan_char(s, ':') || !scan_number(s, 2, 2, &minutes) ||
        !scan_char(s, ':') || !scan_number(s, 2, 2, &seconds) || !scan_fraction(s, &fraction))
        return false;
    return minutes < 60 && seconds <= 60 &&
           !__builtin_mul_overflow((hours * 60 + minutes) * 60 + seconds, SECOND_US, ret_us) &&
           !__builtin_add_overflow(*ret_us, fraction, ret_us);
}

static bool scan_time_of_day(struct scan *s, int64_t *ret_us)
{
    return scan_clock(s, 2, ret_us) && *ret_us <= DAY_US;
}

struct civil {
    int64_t year; /* as written: 44 BC is year 44 until scan_era */
    int64_t month, day;
};

static bool scan_civil(struct scan *s, struct civil *ret)
{
    return scan_number(s, 4, 7, &ret->year) && scan_char(s, '-') && scan_number(s, 2, 2, &ret->month) &&
           scan_char(s, '-') && scan_number(s, 2, 2, &ret->day) && ret->month >= 1 && ret->month <= 12 &&
           ret->day >= 1 && ret->day <= 31 && ret->year >= 1;
}

/* " BC" at the very end; there is no year 0, so 1 BC is the astronomers' year 0. */
static bool scan_era_and_end(struct scan *s, struct civil *civil)
{
    if (scan_word(s, " BC"))
        civil->year = 1 - civil->year;
    return s->at == s->end;
}

/* Counts years from March, so that the leap day is a year's last: each 400 years have 146097 days. */
static int64_t days_of_civil(struct civil civil)
{
    int64_t year = civil.month <= 2 ? civil.year - 1 : civil.year;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = (civil.month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + civil.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

bool pg_date_parse(struct slice text, int32_t *ret_days)
{
    if (slice_eq_str(text, "infinity") || slice_eq_str(text, "-infinity")) {
        *ret_days = text.ptr[0] == '-' ? INT32_MIN : INT32_MAX;
        return true;
    }
    struct scan s = scan_of(text);
    struct civil civil;
    if (!scan_civil(&s, &civil) || !scan_era_and_end(&s, &civil))
        return false;
    int64_t days = days_of_civil(civil);
    *ret_days = (int32_t)days;
    return days > INT32_MIN && days < INT32_MAX;
}

bool pg_time_parse(struct slice text, int64_t *ret_us)
{
    struct scan s = scan_of(text);
    return scan_time_of_day(&s, ret_us) && s.at == s.end;
}

static bool scan_timestamp(struct slice text, int64_t *ret_days, int64_t *ret_clock_us)
{
    struct scan s = scan_of(text);
    struct civil civil;
    if (!scan_civil(&s, &civil) || !scan_char(&s, ' ') || !scan_time_of_day(&s, ret_clock_us) ||
        !scan_era_and_end(&s, &civil))
        return false;
    *ret_days = days_of_civil(civil);
    return true;
}

static bool is_infinite(struct slice text, int64_t *ret_us)
{
    bool is_minus = slice_eq_str(text, "-infinity");
    *ret_us = is_minus ? PG_TIMESTAMP_MINUS_INFINITY_US : PG_TIMESTAMP_INFINITY_US;
    return is_minus || slice_eq_str(text, "infinity");
}

bool pg_timestamp_parse(struct slice text, int64_t *ret_us)
{
    int64_t days, clock_us, day_us;
    if (is_infinite(text, ret_us))
        return true;
    return scan_timestamp(text, &days, &clock_us) && !__builtin_mul_overflow(days, DAY_US, &day_us) &&
           !__builtin_add_overflow(day_us, clock_us, ret_us);
}

bool pg_timestamp_parse_ms(struct slice text, int64_t *ret_ms)
{
    enum { MS_US = 1000 };
    int64_t days, clock_us;
    if (is_infinite(text, ret_ms)) {
        *ret_ms /= MS_US; /* whole milliseconds */
        return true;
    }
    if (!scan_timestamp(text, &days, &clock_us))
        return false;
    *ret_ms = days * (DAY_US / MS_US) + clock_us / MS_US;
    return true;
}

/* As it is written: each part has its own sign. */
struct interval {
    int64_t years, months, days, clock_us;
};

/* The unit after a number; NULL when it is none. */
static int64_t *scan_unit(struct scan *s, struct interval *interval)
{
    int64_t *unit = scan_word(s, " year")  ? &interval->years
                    : scan_word(s, " mon") ? &interval->months
                    : scan_word(s, " day") ? &interval->days
                                           : NULL;
    if (unit != NULL)
        scan_char(s, 's');
    return unit;
}

/* "1 year -2 mons +3 days -04:05:06.789" */
static bool scan_interval(struct slice text, struct interval *ret)
{
    struct scan s = scan_of(text);
    *ret = (struct interval){0};
    if (text.len == 0)
        return false;
    for (bool first = true; s.at < s.end; first = false) {
        int64_t n;
        if (!first && !scan_char(&s, ' '))
            return false;
        int64_t sign = scan_char(&s, '-') ? -1 : 1;
        if (sign == 1)
            scan_char(&s, '+');
        struct scan part = s;
        int64_t *unit = scan_number(&s, 1, 12, &n) ? scan_unit(&s, ret) : NULL;
        if (unit != NULL) {
            *unit = sign * n;
            continue;
        }
        s = part;
        if (!scan_clock(&s, 12, &n) || s.at != s.end)
            return false;
        ret->clock_us = sign * n;
    }
    return true;
}

static bool add_scaled(int64_t *sum, int64_t n, int64_t unit_us)
{
    int64_t us;
    return !__builtin_mul_overflow(n, unit_us, &us) && !__builtin_add_overflow(*sum, us, sum);
}

bool pg_interval_parse(struct slice text, int64_t *ret_us)
{
    struct interval interval;
    int64_t sum = 0;
    if (!scan_interval(text, &interval) || !add_scaled(&sum, interval.years * 12 + interval.months, MONTH_US) ||
        !add_scaled(&sum, interval.days, DAY_US) || !add_scaled(&sum, interval.clock_us, 1))
        return false;
    *ret_us = sum;
    return true;
}

/* ---- writing ---- */

/* Two digits. */
static char *put_two(char *at, int64_t value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
    return at + 2;
}

/* Six digits of a second, or as many of them as `digits` says. */
static size_t put_fraction_digits(char *out, int64_t fraction_us, size_t digits)
{
    char six[6], *at = put_two(six, fraction_us / 10000);
    at = put_two(at, fraction_us / 100 % 100);
    put_two(at, fraction_us % 100);
    out[0] = '.';
    memcpy(out + 1, six, digits);
    return 1 + digits;
}

/* The fraction without its trailing zeros; nothing when it is zero. */
static size_t put_fraction(char *out, int64_t fraction_us)
{
    if (fraction_us == 0)
        return 0;
    size_t len = put_fraction_digits(out, fraction_us, 6);
    while (out[len - 1] == '0')
        len--;
    return len;
}

/* digits 0: as many of a second as are needed. */
static size_t put_clock(char *out, int64_t us, int digits)
{
    int64_t seconds = us / SECOND_US, fraction_us = us % SECOND_US;
    char *at = put_two(out, seconds / 3600);
    *at++ = ':';
    at = put_two(at, seconds / 60 % 60);
    *at++ = ':';
    at = put_two(at, seconds % 60);
    at += digits > 0 ? put_fraction_digits(at, fraction_us, (size_t)digits) : put_fraction(at, fraction_us);
    return (size_t)(at - out);
}

static size_t put_zulu_clock(char *out, int64_t us, int digits)
{
    size_t len = put_clock(out, us, digits);
    out[len++] = 'Z';
    return len;
}

/* At least four digits of a year that is not negative. */
static char *put_year(char *at, int64_t year)
{
    if (year <= 9999)
        return put_two(put_two(at, year / 100), year % 100);
    return at + sprintf(at, "%lld", (long long)year);
}

static char *put_month_and_day(char *at, struct civil civil)
{
    *at++ = '-';
    at = put_two(at, civil.month);
    *at++ = '-';
    return put_two(at, civil.day);
}

/* ISO 8601 years: four digits, a sign beyond that; 1 BC is 0000. */
static size_t put_civil(char *out, struct civil civil)
{
    char *at = out;
    if (civil.year < 0 || civil.year > 9999)
        *at++ = civil.year < 0 ? '-' : '+';
    at = put_month_and_day(put_year(at, civil.year < 0 ? -civil.year : civil.year), civil);
    return (size_t)(at - out);
}

static size_t put_infinity(struct slice text, char *out)
{
    if (!slice_eq_str(text, "infinity") && !slice_eq_str(text, "-infinity"))
        return 0;
    memcpy(out, text.ptr, text.len);
    return text.len;
}

static size_t put_instant(char *out, struct civil civil, int64_t clock_us, int digits)
{
    size_t len = put_civil(out, civil);
    out[len++] = 'T';
    return len + put_zulu_clock(out + len, clock_us, digits);
}

/* A day and a time with `zone` behind it. */
static size_t format_instant(struct slice text, const char *zone, int digits, char *out)
{
    struct scan s = scan_of(text);
    struct civil civil;
    int64_t clock_us;
    size_t len = put_infinity(text, out);
    if (len > 0)
        return len;
    if (!scan_civil(&s, &civil) || !scan_char(&s, ' ') || !scan_time_of_day(&s, &clock_us) || !scan_word(&s, zone) ||
        !scan_era_and_end(&s, &civil))
        return 0;
    return put_instant(out, civil, clock_us, digits);
}

size_t pg_timestamptz_format(struct slice text, int digits, char out[PG_ZONED_TEXT_BYTES])
{
    return format_instant(text, "+00", digits, out);
}

size_t pg_timestamp_format(struct slice text, char out[PG_ZONED_TEXT_BYTES])
{
    return format_instant(text, "", 0, out);
}

size_t pg_date_format(struct slice text, char out[PG_ZONED_TEXT_BYTES])
{
    struct scan s = scan_of(text);
    struct civil civil;
    size_t len = put_infinity(text, out);
    if (len > 0)
        return len;
    if (!scan_civil(&s, &civil) || !scan_era_and_end(&s, &civil))
        return 0;
    len = put_civil(out, civil);
    out[len++] = 'Z';
    return len;
}

size_t pg_time_format(struct slice text, char out[PG_ZONED_TEXT_BYTES])
{
    int64_t us;
    return pg_time_parse(text, &us) ? put_zulu_clock(out, us, 0) : 0;
}

size_t pg_interval_format(struct slice text, char out[PG_INTERVAL_TEXT_BYTES])
{
    struct interval interval;
    if (!scan_interval(text, &interval))
        return 0;
    int64_t us = interval.clock_us < 0 ? -interval.clock_us : interval.clock_us;
    int64_t sign = interval.clock_us < 0 ? -1 : 1, minutes = us / (60 * SECOND_US), seconds_us = us % (60 * SECOND_US);
    int len = snprintf(out, PG_INTERVAL_TEXT_BYTES, "P%lldY%lldM%lldDT%lldH%lldM%s%d", (long long)interval.years,
                       (long long)interval.months, (long long)interval.days, (long long)(sign * (minutes / 60)),
                       (long long)(sign * (minutes % 60)), sign < 0 && seconds_us != 0 ? "-" : "",
                       (int)(seconds_us / SECOND_US));
    size_t end = (size_t)len + put_fraction(out + len, seconds_us % SECOND_US);
    out[end++] = 'S';
    return end;
}

/* "+05:30:15", minutes and seconds only when they are not zero. */
static bool scan_offset(struct scan *s, int64_t *ret_us)
{
    int64_t sign, hours, minutes = 0, seconds = 0;
    if (scan_char(s, '+'))
        sign = 1;
    else if (scan_char(s, '-'))
        sign = -1;
    else
        return false;
    if (!scan_number(s, 2, 2, &hours) || (scan_char(s, ':') && !scan_number(s, 2, 2, &minutes)) ||
        (scan_char(s, ':') && !scan_number(s, 2, 2, &seconds)))
        return false;
    *ret_us = sign * ((hours * 60 + minutes) * 60 + seconds) * SECOND_US;
    return s->at == s->end;
}

size_t pg_timetz_format(struct slice text, char out[PG_ZONED_TEXT_BYTES])
{
    struct scan s = scan_of(text);
    int64_t us, offset_us;
    if (!scan_time_of_day(&s, &us) || !scan_offset(&s, &offset_us))
        return 0;
    if (us == DAY_US && offset_us == 0) /* the end of the day is not its beginning */
        return put_zulu_clock(out, us, 0);
    return put_zulu_clock(out, ((us - offset_us) % DAY_US + DAY_US) % DAY_US, 0);
}

/* ---- the binary forms: from 2000-01-01 on ---- */

enum {
    EPOCH_DAYS = 10957,   /* 2000-01-01 */
    FIRST_DAY = -2451545, /* 4714-11-24 BC */
    END_DAY = 2145031949, /* 5874898-01-01 */
    MAX_ZONE_S = 15 * 3600 + 59 * 60 + 59,
};
static const int64_t FIRST_TIMESTAMP_US = INT64_C(-211813488000000000); /* 4714-11-24 00:00:00 BC */
static const int64_t END_TIMESTAMP_US = INT64_C(9223371331200000000);   /* 294277-01-01 00:00:00 */

static bool is_timestamp(int64_t us)
{
    return us >= FIRST_TIMESTAMP_US && us < END_TIMESTAMP_US;
}

static bool is_infinite_number(int64_t number, int64_t *ret_us)
{
    *ret_us = number > 0 ? PG_TIMESTAMP_INFINITY_US : PG_TIMESTAMP_MINUS_INFINITY_US;
    return number == INT64_MAX || number == INT64_MIN;
}

bool pg_date_of_number(int32_t number, int32_t *ret_days)
{
    bool is_day = number >= FIRST_DAY && number < END_DAY;
    *ret_days = is_day ? number + EPOCH_DAYS : number;
    return is_day || number == INT32_MAX || number == INT32_MIN;
}

bool pg_timestamp_of_number(int64_t number, int64_t *ret_us)
{
    if (UNLIKELY(!is_timestamp(number)))
        return is_infinite_number(number, ret_us);
    return !__builtin_add_overflow(number, EPOCH_DAYS * DAY_US, ret_us);
}

bool pg_timestamp_ms_of_number(int64_t number, int64_t *ret_ms)
{
    enum { MS_US = 1000 };
    if (UNLIKELY(!is_timestamp(number))) {
        bool is_infinite = is_infinite_number(number, ret_ms);
        *ret_ms /= MS_US;
        return is_infinite;
    }
    *ret_ms = number / MS_US - (number % MS_US < 0) + EPOCH_DAYS * (DAY_US / MS_US);
    return true;
}

bool pg_time_is_valid(int64_t us)
{
    return us >= 0 && us <= DAY_US;
}

/* The other way of days_of_civil(). */
static struct civil civil_of_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    uint32_t day_of_era = (uint32_t)(days - era * 146097);
    uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    struct civil civil = {.month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9,
                          .day = day_of_year - (153 * month_from_march + 2) / 5 + 1};
    civil.year = era * 400 + year_of_era + (civil.month <= 2);
    return civil;
}

static int64_t split_timestamp(int64_t number, struct civil *ret_civil)
{
    int64_t days = number / DAY_US, clock_us = number % DAY_US;
    if (clock_us < 0) {
        days--;
        clock_us += DAY_US;
    }
    *ret_civil = civil_of_days(days + EPOCH_DAYS);
    return clock_us;
}

static size_t put_infinity_of(bool minus, char *out)
{
    const char *word = minus ? "-infinity" : "infinity";
    memcpy(out, word, strlen(word));
    return strlen(word);
}

size_t pg_timestamptz_format_number(int64_t number, int digits, char out[PG_ZONED_TEXT_BYTES])
{
    struct civil civil;
    if (UNLIKELY(number == INT64_MAX || number == INT64_MIN))
        return put_infinity_of(number < 0, out);
    if (UNLIKELY(!is_timestamp(number)))
        return 0;
    int64_t clock_us = split_timestamp(number, &civil);
    return put_instant(out, civil, clock_us, digits);
}

/* ---- the server's texts of the binary forms ---- */

/* Years as the server counts them: 44 BC is 44. */
static size_t put_server_civil(char *out, struct civil civil)
{
    char *at = put_month_and_day(put_year(out, civil.year > 0 ? civil.year : 1 - civil.year), civil);
    return (size_t)(at - out);
}

static size_t put_era(char *out, struct civil civil)
{
    memcpy(out, " BC", 3);
    return civil.year > 0 ? 0 : 3;
}

size_t pg_date_put_text(int32_t number, char out[PG_ZONED_TEXT_BYTES])
{
    int32_t days;
    if (!pg_date_of_number(number, &days))
        return 0;
    if (number == INT32_MAX || number == INT32_MIN)
        return put_infinity_of(number < 0, out);
    struct civil civil = civil_of_days(days);
    size_t len = put_server_civil(out, civil);
    return len + put_era(out + len, civil);
}

size_t pg_time_put_text(int64_t us, char out[PG_ZONED_TEXT_BYTES])
{
    return pg_time_is_valid(us) ? put_clock(out, us, 0) : 0;
}

size_t pg_timetz_put_text(int64_t us, int32_t seconds_west, char out[PG_ZONED_TEXT_BYTES])
{
    if (!pg_time_is_valid(us) || seconds_west > MAX_ZONE_S || seconds_west < -MAX_ZONE_S)
        return 0;
    int32_t zone = seconds_west > 0 ? seconds_west : -seconds_west;
    char *at = out + put_clock(out, us, 0);
    *at++ = seconds_west > 0 ? '-' : '+';
    at = put_two(at, zone / 3600);
    if (zone % 3600 != 0) {
        *at++ = ':';
        at = put_two(at, zone / 60 % 60);
    }
    if (zone % 60 != 0) {
        *at++ = ':';
        at = put_two(at, zone % 60);
    }
    return (size_t)(at - out);
}

size_t pg_timestamp_put_text(int64_t number, const char *zone, char out[PG_ZONED_TEXT_BYTES])
{
    struct civil civil;
    if (number == INT64_MAX || number == INT64_MIN)
        return put_infinity_of(number < 0, out);
    if (!is_timestamp(number))
        return 0;
    int64_t clock_us = split_timestamp(number, &civil);
    size_t len = put_server_civil(out, civil);
    out[len++] = ' ';
    len += put_clock(out + len, clock_us, 0);
    memcpy(out + len, zone, strlen(zone));
    len += strlen(zone);
    return len + put_era(out + len, civil);
}

/* "2 days": what comes behind a negative part has a sign. */
static char *put_interval_part(char *at, const char *start, int value, const char *unit, bool *after_negative)
{
    if (value == 0)
        return at;
    at += sprintf(at, "%s%s%d %s%s", at > start ? " " : "", *after_negative && value > 0 ? "+" : "", value, unit,
                  value != 1 ? "s" : "");
    *after_negative = value < 0;
    return at;
}

size_t pg_interval_put_text(int64_t clock_us, int32_t days, int32_t months, char out[PG_INTERVAL_TEXT_BYTES])
{
    char *at = out;
    bool after_negative = false;
    if ((clock_us == INT64_MAX && days == INT32_MAX && months == INT32_MAX) ||
        (clock_us == INT64_MIN && days == INT32_MIN && months == INT32_MIN)) /* from 17 on */
        return put_infinity_of(clock_us < 0, out);
    at = put_interval_part(at, out, months / 12, "year", &after_negative);
    at = put_interval_part(at, out, months % 12, "mon", &after_negative);
    at = put_interval_part(at, out, days, "day", &after_negative);
    if (at > out && clock_us == 0)
        return (size_t)(at - out);
    uint64_t us = clock_us < 0 ? 0 - (uint64_t)clock_us : (uint64_t)clock_us, seconds = us / (uint64_t)SECOND_US;
    at += sprintf(at, "%s%s%02llu:", at > out ? " " : "",
                  clock_us < 0     ? "-"
                  : after_negative ? "+"
                                   : "",
                  (unsigned long long)(seconds / 3600));
    at = put_two(at, (int64_t)(seconds / 60 % 60));
    *at++ = ':';
    at = put_two(at, (int64_t)(seconds % 60));
    at += put_fraction(at, (int64_t)(us % (uint64_t)SECOND_US));
    return (size_t)(at - out);
}
