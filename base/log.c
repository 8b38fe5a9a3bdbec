#include "base/log.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum { LOG_LINE_BYTES = 8192 };

static enum log_level log_lowest = LOG_LEVEL_INFO;
static char log_worker[128];
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(enum log_level lowest, const char *worker)
{
    log_lowest = lowest;
    snprintf(log_worker, sizeof(log_worker), "%s", worker == NULL ? "" : worker);
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcasecmp(text, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void put_field(struct buf *line, const struct log_field *field)
{
    buf_put_str(line, ",");
    buf_put_json_string(line, slice_of_str(field->key));
    buf_put_str(line, ":");
    switch (field->type) {
    case LOG_FIELD_STR:
        if (field->value.str == NULL)
            buf_put_str(line, "null");
        else
            buf_put_json_string(line, slice_of_str(field->value.str));
        break;
    case LOG_FIELD_I64: buf_printf(line, "%lld", (long long)field->value.i64); break;
    case LOG_FIELD_U64: buf_printf(line, "%llu", (unsigned long long)field->value.u64); break;
    case LOG_FIELD_F64:
        if (isfinite(field->value.f64))
            buf_printf(line, "%.6g", field->value.f64);
        else
            buf_put_str(line, "null");
        break;
    case LOG_FIELD_BOOL: buf_put_str(line, field->value.flag ? "true" : "false"); break;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n_fields)
{
    if (level < log_lowest)
        return;
    uint8_t storage[LOG_LINE_BYTES];
    struct buf line = buf_over(storage, sizeof(storage) - 2); /* always room for the closing brace and the newline */
    char when[32];
    clock_format_utc(clock_wall_us(), when);
    buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\"", when, level_names[level]);
    if (log_worker[0] != '\0')
        put_field(&line, &LOG_STR("worker", log_worker));
    put_field(&line, &LOG_STR("event", event));
    for (size_t i = 0; i < n_fields; i++) {
        size_t before = line.len;
        put_field(&line, &fields[i]);
        if (line.failed) { /* a field too many for the line is left out whole */
            line.len = before;
            line.failed = false;
        }
    }
    storage[line.len++] = '}';
    storage[line.len++] = '\n';
    pthread_mutex_lock(&log_mutex);
    size_t done = 0;
    while (done < line.len) {
        ssize_t n = write(STDERR_FILENO, storage + done, line.len - done);
        if (n <= 0)
            break; /* nobody to tell */
        done += (size_t)n;
    }
    pthread_mutex_unlock(&log_mutex);
}
