/* How the types that can travel in several forms do travel: Debezium's options of the same names. */
#ifndef LEAT_CAPTURE_PG_TYPE_MODES_H
#define LEAT_CAPTURE_PG_TYPE_MODES_H

#include "base/config.h"

enum pg_decimal_mode { PG_DECIMAL_PRECISE, PG_DECIMAL_DOUBLE, PG_DECIMAL_STRING };
enum pg_time_mode {
    PG_TIME_ADAPTIVE,
    PG_TIME_ADAPTIVE_TIME_MICROSECONDS,
    PG_TIME_CONNECT,
    PG_TIME_ISOSTRING,
    PG_TIME_MICROSECONDS,
    PG_TIME_NANOSECONDS,
};
enum pg_interval_mode { PG_INTERVAL_NUMERIC, PG_INTERVAL_STRING };
enum pg_hstore_mode { PG_HSTORE_JSON, PG_HSTORE_MAP };
enum pg_binary_mode { PG_BINARY_BYTES, PG_BINARY_BASE64, PG_BINARY_BASE64_URL_SAFE, PG_BINARY_HEX };

struct pg_type_modes {
    enum pg_decimal_mode decimal;
    enum pg_time_mode time;
    enum pg_interval_mode interval;
    enum pg_hstore_mode hstore;
    enum pg_binary_mode binary;
    int money_fraction_digits;
    const char *unavailable_value; /* what stands for a TOAST value that did not travel */
};

/* What the settings say when they say nothing. */
#define PG_TYPE_MODES_DEFAULT                                                                                          \
    {                                                                                                                  \
        .money_fraction_digits = 2, .unavailable_value = "__debezium_unavailable_value"                                \
    }

/* The settings' words are checked already. unavailable_value is the configuration's. */
struct pg_type_modes pg_type_modes_of(const struct config_postgresql *config);

#endif
