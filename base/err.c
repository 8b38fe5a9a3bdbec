#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum rc class;
    const char *hint;
} errors[ERR_COUNT] = {
#define ERROR(name, class, hint) [ERR_##name] = {#name, RC_##class, hint},
#include "base/errors.def"
#undef ERROR
};

static enum rc err_vset(struct err *err, enum err_code code, const char *format, va_list args)
{
    err->code = code;
    vsnprintf(err->msg, sizeof(err->msg), format, args);
    return errors[code].class;
}

enum rc err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    enum rc rc = err_vset(err, code, format, args);
    va_end(args);
    return rc;
}

enum rc err_wrap(struct err *err, const char *format, ...)
{
    char inner[sizeof(err->msg)];
    memcpy(inner, err->msg, sizeof(inner));
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->msg, sizeof(err->msg), format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(err->msg))
        snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s", inner);
    return errors[err->code].class;
}

enum rc err_class(enum err_code code)
{
    return errors[code].class;
}

const char *err_name(enum err_code code)
{
    return errors[code].name;
}

const char *err_hint(enum err_code code)
{
    return errors[code].hint;
}

const char *rc_name(enum rc rc)
{
    static const char *const names[] = {"ok", "again", "retry", "reject", "fatal", "bug"};
    return names[rc];
}

enum exit_code err_exit_code(const struct err *err)
{
    switch (err->code) {
    case ERR_NONE:
    case ERR_STOPPED: return EXIT_CODE_OK;
    case ERR_USAGE:
    case ERR_CONFIG_READ:
    case ERR_CONFIG_SYNTAX:
    case ERR_CONFIG_UNKNOWN_KEY:
    case ERR_CONFIG_VALUE:
    case ERR_CONFIG_ENV: return EXIT_CODE_USAGE;
    case ERR_KAFKA_FENCED:
    case ERR_SINK_FENCED: return EXIT_CODE_FENCED;
    case ERR_BUG: return EXIT_CODE_BUG;
    default: return EXIT_CODE_FATAL;
    }
}
