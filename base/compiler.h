/* The few compiler features that the code leans on. */
#ifndef LEAT_BASE_COMPILER_H
#define LEAT_BASE_COMPILER_H

#include <stddef.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define LIKELY(x)         __builtin_expect(!!(x), 1)
#define UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define ARRAY_LEN(a)      (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)         ((a) < (b) ? (a) : (b))
#define MAX(a, b)         ((a) > (b) ? (a) : (b))

/* SCOPED(PQclear) PGresult *res = ...; is freed when the scope ends, also when it is NULL.
 * Each function so used is declared once with DEFINE_SCOPED(pointer type, function). */
#define SCOPED(free_fn) __attribute__((cleanup(scoped_##free_fn)))
#define DEFINE_SCOPED(type, free_fn)                                                                                   \
    static inline void scoped_##free_fn(type *ptr)                                                                     \
    {                                                                                                                  \
        if (*ptr != NULL)                                                                                              \
            free_fn(*ptr);                                                                                             \
    }

#endif
