/* Reads big-endian fields from bytes. Sticky: after the first short read every later read yields zero, and one
 * check at the end (reader_end, or reader_failed) decides. */
#ifndef LEAT_BASE_READER_H
#define LEAT_BASE_READER_H

#include "base/err.h"
#include "base/slice.h"

struct reader {
    const uint8_t *ptr;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_of(struct slice bytes)
{
    return (struct reader){bytes.ptr, bytes.ptr + bytes.len, false};
}

static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->ptr);
}

static inline bool reader_failed(const struct reader *r)
{
    return r->failed;
}

/* NULL, and failed, when fewer than n bytes are left. */
static inline const uint8_t *reader_take(struct reader *r, size_t n)
{
    if (UNLIKELY(r->failed || n > reader_left(r))) {
        r->failed = true;
        r->ptr = r->end;
        return NULL;
    }
    const uint8_t *at = r->ptr;
    r->ptr += n;
    return at;
}

static inline uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);
    return p == NULL ? 0 : p[0];
}

static inline uint16_t reader_u16(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);
    return p == NULL ? 0 : (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t reader_u32(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);
    return p == NULL ? 0 : (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t reader_u64(struct reader *r)
{
    uint64_t high = reader_u32(r);
    return high << 32 | reader_u32(r);
}

static inline struct slice reader_bytes(struct reader *r, size_t n)
{
    const uint8_t *p = reader_take(r, n);
    return p == NULL ? (struct slice){0} : slice_of(p, n);
}

/* Text up to a zero byte, which is consumed and not counted. */
static inline struct slice reader_cstr(struct reader *r)
{
    const uint8_t *zero = reader_left(r) == 0 ? NULL : memchr(r->ptr, 0, reader_left(r));
    if (zero == NULL) {
        r->failed = true;
        r->ptr = r->end;
        return (struct slice){0};
    }
    struct slice text = slice_of(r->ptr, (size_t)(zero - r->ptr));
    r->ptr = zero + 1;
    return text;
}

/* RC_OK when everything was read and nothing was short; else `code` is set. */
static inline enum rc reader_end(const struct reader *r, enum err_code code, struct err *err)
{
    if (LIKELY(!r->failed && r->ptr == r->end))
        return RC_OK;
    if (r->failed)
        return err_set(err, code, "the message ends too early");
    return err_set(err, code, "the message has %zu bytes too many", reader_left(r));
}

#endif
