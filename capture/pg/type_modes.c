#include "capture/pg/type_modes.h"

#include <string.h>

/* In the enums' order. */
static const char *const decimal_words[] = {"precise", "double", "string", NULL};
static const char *const time_words[] = {
    "adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds", NULL};
static const char *const interval_words[] = {"numeric", "string", NULL};
static const char *const hstore_words[] = {"json", "map", NULL};
static const char *const binary_words[] = {"bytes", "base64", "base64-url-safe", "hex", NULL};

static int word_number(const char *const *words, const char *word)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return 0;
}

struct pg_type_modes pg_type_modes_of(const struct config_postgresql *config)
{
    return (struct pg_type_modes){
        .decimal = (enum pg_decimal_mode)word_number(decimal_words, config->decimal_handling_mode),
        .time = (enum pg_time_mode)word_number(time_words, config->time_precision_mode),
        .interval = (enum pg_interval_mode)word_number(interval_words, config->interval_handling_mode),
        .hstore = (enum pg_hstore_mode)word_number(hstore_words, config->hstore_handling_mode),
        .binary = (enum pg_binary_mode)word_number(binary_words, config->binary_handling_mode),
        .money_fraction_digits = (int)config->money_fraction_digits,
        .unavailable_value = config->unavailable_value_placeholder,
    };
}
