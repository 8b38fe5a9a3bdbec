/* One JSON object a line on stderr: time, level, event, then keys. No row values, no secrets. Workers and commands
 * log; libraries return err and stay quiet, so a failure is logged once. Safe from any thread. */
#ifndef LEAT_BASE_LOG_H
#define LEAT_BASE_LOG_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_field {
    const char *key;
    enum { LOG_FIELD_STR, LOG_FIELD_I64, LOG_FIELD_U64, LOG_FIELD_BOOL, LOG_FIELD_F64 } type;
    union {
        const char *str;
        int64_t i64;
        uint64_t u64;
        double f64;
        bool flag;
    } value;
};

#define LOG_STR(k, v)  ((struct log_field){.key = (k), .type = LOG_FIELD_STR, .value.str = (v)})
#define LOG_I64(k, v)  ((struct log_field){.key = (k), .type = LOG_FIELD_I64, .value.i64 = (v)})
#define LOG_U64(k, v)  ((struct log_field){.key = (k), .type = LOG_FIELD_U64, .value.u64 = (v)})
#define LOG_F64(k, v)  ((struct log_field){.key = (k), .type = LOG_FIELD_F64, .value.f64 = (v)})
#define LOG_BOOL(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_BOOL, .value.flag = (v)})

/* Once at start. `worker` stands in every line ("capture core"); may be NULL. */
void log_init(enum log_level lowest, const char *worker);
bool log_level_parse(const char *text, enum log_level *ret_level);
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n_fields);

#define log_at(level, event, ...)                                                                                      \
    log_write((level), (event), (struct log_field[]){{0}, ##__VA_ARGS__} + 1,                                          \
              sizeof((struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field) - 1)
#define log_debug(event, ...) log_at(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)  log_at(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...)  log_at(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) log_at(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)
/* The error's code, message and hint as keys of a line. */
#define LOG_ERR(err)                                                                                                   \
    LOG_STR("code", err_name((err)->code)), LOG_STR("error", (err)->msg), LOG_STR("hint", err_hint((err)->code))

#endif
