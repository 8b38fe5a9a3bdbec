#include "sink/csv_time.h"

#include "base/clock.h"

static const int64_t US_PER_DAY = (int64_t)86400 * US_PER_S;
/* 0001-01-01 and 294276-12-31 in the proleptic Gregorian calendar. Microseconds since 1970 end within
 * the year 294247, and Debezium's infinity stands there: no later day than 294246-12-31 is one of an instant.
 */
enum { FIRST_DAY = -719162, LAST_DAY = 106762939, LAST_INSTANT_DAY = 106751981 };
static const char OUT_OF_RANGE[] = "the date lies outside the years 1 to 294276, or is infinite";

struct civil {
    int64_t year; /* astronomical: 0 is 1 BC */
    int month, day;
};

/* Howard Hinnant's days algorithms (chrono-Compatible Low-Level Date Algorithms): eras of 400 years from
 * March on. */
static struct civil civil_of_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct civil civil = {
        .year = year_of_era + era * 400,
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(of_year - (153 * month + 2) / 5 + 1),
    };
    civil.year += civil.month <= 2;
    return civil;
}

static int64_t days_of_civil(struct civil civil)
{
    int64_t year = civil.year - (civil.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t of_year = (153 * (civil.month + (civil.month > 2 ? -3 : 9)) + 2) / 5 + civil.day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719468;
}

static void put_number(struct buf *out, int64_t value, int width)
{
    char digits[20];
    int n = 0;
    for (; value > 0 || n < width; value /= 10)
        digits[sizeof(digits) - (size_t)++n] = (char)('0' + value % 10);
    buf_put(out, digits + sizeof(digits) - (size_t)n, (size_t)n);
}

static void put_day(struct buf *out, struct civil civil)
{
    put_number(out, civil.year, 4);
    buf_put_u8(out, '-');
    put_number(out, civil.month, 2);
    buf_put_u8(out, '-');
    put_number(out, civil.day, 2);
}

static void put_clock(struct buf *out, int64_t us)
{
    int64_t seconds = us / US_PER_S;
    put_number(out, seconds / 3600, 2);
    buf_put_u8(out, ':');
    put_number(out, seconds / 60 % 60, 2);
    buf_put_u8(out, ':');
    put_number(out, seconds % 60, 2);
    buf_put_u8(out, '.');
    put_number(out, us % US_PER_S, 6);
}

const char *csv_put_date(struct buf *out, int64_t days)
{
    if (days < FIRST_DAY || days > LAST_DAY)
        return OUT_OF_RANGE;
    struct civil civil = civil_of_days(days);
    put_day(out, civil);
    return NULL;
}

const char *csv_put_time(struct buf *out, int64_t us)
{
    if (us < 0 || us > US_PER_DAY)
        return "the time of day lies outside 00:00 to 24:00";
    put_clock(out, us);
    return NULL;
}

static const char *put_instant(struct buf *out, int64_t us, const char *zone)
{
    int64_t days = us / US_PER_DAY - (us % US_PER_DAY < 0);
    if (days < FIRST_DAY || days > LAST_INSTANT_DAY)
        return OUT_OF_RANGE;
    struct civil civil = civil_of_days(days);
    put_day(out, civil);
    buf_put_u8(out, ' ');
    put_clock(out, us - days * US_PER_DAY);
    buf_put_str(out, zone);
    return NULL;
}

const char *csv_put_timestamp(struct buf *out, int64_t us)
{
    return put_instant(out, us, "");
}

/* Reads digits; -1 when there are fewer than `min` or more than `max`. */
static int64_t take_number(struct slice *text, size_t min, size_t max)
{
    size_t n = 0;
    int64_t value = 0;
    while (n < text->len && n < max && text->ptr[n] >= '0' && text->ptr[n] <= '9')
        value = value * 10 + (text->ptr[n++] - '0');
    if (n < min)
        return -1;
    *text = slice_of(text->ptr + n, text->len - n);
    return value;
}

static bool take(struct slice *text, char byte)
{
    if (text->len == 0 || text->ptr[0] != (uint8_t)byte)
        return false;
    *text = slice_of(text->ptr + 1, text->len - 1);
    return true;
}

/* ".123456789": what is finer than a microsecond is cut, redshift has no place for it. */
static int64_t take_fraction_us(struct slice *text)
{
    int64_t us = 0, unit = US_PER_S / 10;
    if (!take(text, '.'))
        return 0;
    for (; text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9'; unit /= 10) {
        us += (text->ptr[0] - '0') * unit;
        *text = slice_of(text->ptr + 1, text->len - 1);
    }
    return us;
}

/* "Z", "+02", "+02:00", "+0200" or "-00:00:15"; false when it is none. */
static bool take_zone(struct slice *text, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (take(text, 'Z') || take(text, 'z'))
        return true;
    bool west = text->len > 0 && text->ptr[0] == '-';
    if (!take(text, '+') && !take(text, '-'))
        return false;
    int64_t hours = take_number(text, 2, 2), minutes = 0, seconds = 0;
    if (text->len > 0) {
        take(text, ':');
        minutes = take_number(text, 2, 2);
    }
    if (take(text, ':'))
        seconds = take_number(text, 2, 2);
    *ret_seconds = (hours * 3600 + minutes * 60 + seconds) * (west ? -1 : 1);
    return hours >= 0 && hours <= 18 && minutes >= 0 && minutes < 60 && seconds >= 0 && seconds < 60;
}

static bool take_day(struct slice *text, struct civil *ret_civil)
{
    bool before_zero = text->len > 0 && text->ptr[0] == '-';
    if (!before_zero || !take(text, '-'))
        take(text, '+');
    int64_t year = take_number(text, 4, 9);
    bool dash = take(text, '-');
    int64_t month = take_number(text, 2, 2);
    dash = take(text, '-') && dash;
    int64_t day = take_number(text, 2, 2);
    *ret_civil = (struct civil){before_zero ? -year : year, (int)month, (int)day};
    return year >= 0 && dash && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static bool take_clock(struct slice *text, int64_t *ret_us)
{
    int64_t hour = take_number(text, 2, 2);
    bool colon = take(text, ':');
    int64_t minute = take_number(text, 2, 2), second = 0;
    if (take(text, ':'))
        second = take_number(text, 2, 2);
    *ret_us = ((hour * 60 + minute) * 60 + second) * US_PER_S + take_fraction_us(text);
    return hour >= 0 && hour <= 24 && colon && minute >= 0 && minute < 60 && second >= 0 && second <= 60;
}

const char *csv_put_zoned_timestamp(struct buf *out, struct slice iso)
{
    struct civil civil;
    int64_t us, zone_s;
    if (!take_day(&iso, &civil) || !(take(&iso, 'T') || take(&iso, ' ')) || !take_clock(&iso, &us) ||
        !take_zone(&iso, &zone_s) || iso.len != 0)
        return "the time is infinite, or not ISO 8601 with a zone";
    int64_t days = days_of_civil(civil);
    if (days < FIRST_DAY - 1 || days > LAST_INSTANT_DAY + 1)
        return OUT_OF_RANGE;
    return put_instant(out, days * US_PER_DAY + us - zone_s * US_PER_S, "+00");
}
