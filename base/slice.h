/* Borrowed bytes: never freed, valid as long as what they point into. */
#ifndef LEAT_BASE_SLICE_H
#define LEAT_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *ptr;
    size_t len;
};

static inline struct slice slice_of(const void *ptr, size_t len)
{
    return (struct slice){ptr, len};
}

static inline struct slice slice_of_str(const char *str)
{
    return (struct slice){(const uint8_t *)str, strlen(str)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *str)
{
    return slice_eq(a, slice_of_str(str));
}

/* For printf: "%.*s", SLICE_ARG(s) */
#define SLICE_ARG(s) (int)(s).len, (const char *)(s).ptr

#endif
