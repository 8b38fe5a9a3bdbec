#include "capture/pg/datetime.h"

#include <stdio.h>

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

/* The fraction without its trailing zeros; nothing when it is zero. */
static size_t put_fraction(char *out, size_t size, int64_t fraction_us)
{
    if (fraction_us == 0)
        return 0;
    int len = snprintf(out, size, ".%06d", (int)fraction_us);
    while (out[len - 1] == '0')
        len--;
    return (size_t)len;
}

/* digits 0: as many of a second as are needed. */
static size_t put_clock(char *out, size_t size, int64_t us, int digits)
{
    int64_t seconds = us / SECOND_US;
    size_t len = (size_t)snprintf(out, size, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                                  (int)(seconds % 60));
    if (digits > 0) {
        snprintf(out + len, size - len, ".%06d", (int)(us % SECOND_US));
        len += 1 + (size_t)digits;
    } else {
        len += put_fraction(out + len, size - len, us % SECOND_US);
    }
    len += (size_t)snprintf(out + len, size - len, "Z");
    return len;
}

/* ISO 8601 years: four digits, a sign beyond that; 1 BC is 0000. */
static size_t put_civil(char *out, size_t size, struct civil civil)
{
    long long year = civil.year < 0 ? -civil.year : civil.year;
    const char *sign = civil.year > 9999 ? "+" : civil.year < 0 ? "-" : "";
    return (size_t)snprintf(out, size, "%s%04lld-%02d-%02d", sign, year, (int)civil.month, (int)civil.day);
}

static size_t put_infinity(struct slice text, char *out)
{
    if (!slice_eq_str(text, "infinity") && !slice_eq_str(text, "-infinity"))
        return 0;
    memcpy(out, text.ptr, text.len);
    return text.len;
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
    len = put_civil(out, PG_ZONED_TEXT_BYTES, civil);
    out[len++] = 'T';
    return len + put_clock(out + len, PG_ZONED_TEXT_BYTES - len, clock_us, digits);
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
    len = put_civil(out, PG_ZONED_TEXT_BYTES, civil);
    out[len++] = 'Z';
    return len;
}

size_t pg_time_format(struct slice text, char out[PG_ZONED_TEXT_BYTES])
{
    int64_t us;
    return pg_time_parse(text, &us) ? put_clock(out, PG_ZONED_TEXT_BYTES, us, 0) : 0;
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
    size_t end = (size_t)len + put_fraction(out + len, PG_INTERVAL_TEXT_BYTES - (size_t)len, seconds_us % SECOND_US);
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
        return put_clock(out, PG_ZONED_TEXT_BYTES, us, 0);
    return put_clock(out, PG_ZONED_TEXT_BYTES, ((us - offset_us) % DAY_US + DAY_US) % DAY_US, 0);
}
