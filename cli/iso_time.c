#include "iso_time.h"

#include <ctype.h>
#include <stddef.h>
#include <time.h>

#include "base/clock.h"

/* Exactly n digits between low and high; *text moves behind them. NULL in *text: an earlier field failed. */
static int read_field(const char **text, int n, int low, int high)
{
    int value = 0;
    for (int i = 0; i < n && *text != NULL; i++) {
        if (!isdigit((unsigned char)(*text)[i])) {
            *text = NULL;
            return low;
        }
        value = value * 10 + ((*text)[i] - '0');
    }
    if (*text == NULL || value < low || value > high) {
        *text = NULL;
        return low;
    }
    *text += n;
    return value;
}

static void read_char(const char **text, char a, char b)
{
    if (*text == NULL)
        return;
    if (**text == a || **text == b)
        ++*text;
    else
        *text = NULL;
}

/* ".25" is 250,000 us; digits beyond the sixth are dropped. */
static int64_t read_fraction_us(const char **text)
{
    if (*text == NULL || **text != '.')
        return 0;
    int64_t us = 0, weight = US_PER_S / 10;
    if (!isdigit((unsigned char)*++*text))
        *text = NULL;
    for (; *text != NULL && isdigit((unsigned char)**text); ++*text, weight /= 10)
        us += (**text - '0') * weight;
    return us;
}

/* Z, +01:00 or -0330. */
static int64_t read_zone_s(const char **text)
{
    if (*text == NULL)
        return 0;
    if (**text == 'Z' || **text == 'z') {
        ++*text;
        return 0;
    }
    int sign = **text == '-' ? -1 : 1;
    read_char(text, '+', '-');
    int hours = read_field(text, 2, 0, 14);
    if (*text != NULL && **text == ':')
        ++*text;
    int minutes = read_field(text, 2, 0, 59);
    return sign * (hours * 3600 + minutes * 60);
}

bool iso_time_parse(const char *text, int64_t *ret_us)
{
    struct tm tm = {0};
    tm.tm_year = read_field(&text, 4, 1970, 9999) - 1900;
    read_char(&text, '-', '-');
    tm.tm_mon = read_field(&text, 2, 1, 12) - 1;
    read_char(&text, '-', '-');
    tm.tm_mday = read_field(&text, 2, 1, 31);
    read_char(&text, 'T', ' ');
    tm.tm_hour = read_field(&text, 2, 0, 23);
    read_char(&text, ':', ':');
    tm.tm_min = read_field(&text, 2, 0, 59);
    read_char(&text, ':', ':');
    tm.tm_sec = read_field(&text, 2, 0, 59);
    int64_t us = read_fraction_us(&text);
    int64_t zone_s = read_zone_s(&text);
    if (text == NULL || *text != '\0')
        return false;
    int day = tm.tm_mday;
    int64_t s = timegm(&tm); /* makes 3 March of 31 February */
    if (tm.tm_mday != day)
        return false;
    *ret_us = (s - zone_s) * US_PER_S + us;
    return true;
}
