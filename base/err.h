/* The return value says what to do, struct err says what happened.
 *
 * A function that can fail returns enum rc and takes a struct err * as its last parameter. The caller owns the
 * struct err (usually on its stack); nothing is allocated. Outputs are written only on RC_OK. */
#ifndef LEAT_BASE_ERR_H
#define LEAT_BASE_ERR_H

#include "base/compiler.h"

enum rc {
    RC_OK = 0,
    RC_AGAIN,  /* no data yet, or asked to stop: not a failure */
    RC_RETRY,  /* transient: wait and try again */
    RC_REJECT, /* this record only: keep it in the reject topic, go on */
    RC_FATAL,  /* a person must act */
    RC_BUG,    /* ours */
};

enum err_code {
#define ERROR(name, class, hint) ERR_##name,
#include "base/errors.def"
#undef ERROR
    ERR_COUNT
};

struct err {
    enum err_code code;
    char msg[768]; /* lower case, "could not ...", no full stop, no secrets, no row values */
};

/* Fills err and returns the class of the code. err may not be NULL. */
enum rc err_set(struct err *err, enum err_code code, const char *format, ...) PRINTF_LIKE(3, 4);
/* Puts "context: " before the message; returns the class of the code that err already has. */
enum rc err_wrap(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

enum rc err_class(enum err_code code);
const char *err_name(enum err_code code); /* "PG_SLOT_MISSING" */
const char *err_hint(enum err_code code); /* what to do; "" when there is nothing to say */
const char *rc_name(enum rc rc);

/* Passes anything but RC_OK up unchanged. */
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        enum rc try_rc_ = (call);                                                                                      \
        if (UNLIKELY(try_rc_ != RC_OK))                                                                                \
            return try_rc_;                                                                                            \
    } while (0)

/* What the process answers to its caller; docs/exit-codes.md. */
enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FATAL = 1,  /* a person must act: the log's last line says what */
    EXIT_CODE_USAGE = 2,  /* command line or configuration */
    EXIT_CODE_FENCED = 3, /* another worker took over: do not restart beside it */
    EXIT_CODE_BUG = 70,
};
enum exit_code err_exit_code(const struct err *err);

#endif
