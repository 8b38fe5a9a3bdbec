/* A byte buffer with a largest size. Sticky: after the first put that does not fit, `failed` is set, later puts do
 * nothing, and one check at the end decides. Heap buffers grow; fixed ones (buf_over) never move. */
#ifndef LEAT_BASE_BUF_H
#define LEAT_BASE_BUF_H

#include "base/compiler.h"
#include "base/slice.h"

struct buf {
    uint8_t *ptr;
    size_t len;
    size_t cap;
    size_t max; /* 0: fixed storage, cap is the limit */
    bool failed;
};

struct buf buf_new(size_t max_bytes);             /* heap; yours, buf_done() it */
struct buf buf_over(void *storage, size_t bytes); /* fixed; nothing to free */
void buf_done(struct buf *buf);                   /* frees heap storage; the buffer is empty after */
static inline void scoped_buf_done(struct buf *buf)
{
    buf_done(buf);
} /* SCOPED(buf_done) struct buf b = ... */

bool buf_grow(struct buf *buf, size_t extra); /* slow path of buf_reserve */

/* Room for `bytes` at the end, NULL when that would pass the limit. Commit with buf->len += n. */
static inline uint8_t *buf_reserve(struct buf *buf, size_t bytes)
{
    if (UNLIKELY(buf->failed))
        return NULL;
    if (UNLIKELY(buf->cap - buf->len < bytes) && !buf_grow(buf, bytes))
        return NULL;
    return buf->ptr + buf->len;
}

static inline void buf_put_u8(struct buf *buf, uint8_t byte)
{
    uint8_t *at = buf_reserve(buf, 1);
    if (LIKELY(at != NULL)) {
        *at = byte;
        buf->len += 1;
    }
}

static inline void buf_put(struct buf *buf, const void *bytes, size_t len)
{
    uint8_t *at = buf_reserve(buf, len);
    if (LIKELY(at != NULL)) {
        if (len > 0)
            memcpy(at, bytes, len);
        buf->len += len;
    }
}

static inline void buf_put_slice(struct buf *buf, struct slice bytes)
{
    buf_put(buf, bytes.ptr, bytes.len);
}

static inline void buf_put_str(struct buf *buf, const char *str)
{
    buf_put(buf, str, strlen(str));
}

static inline void buf_put_u32(struct buf *buf, uint32_t value) /* big-endian */
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    buf_put(buf, bytes, sizeof(bytes));
}

static inline void buf_put_u64(struct buf *buf, uint64_t value) /* big-endian */
{
    buf_put_u32(buf, (uint32_t)(value >> 32));
    buf_put_u32(buf, (uint32_t)value);
}

void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Appends str as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void buf_put_json_string(struct buf *buf, struct slice str);
/* Zero-terminates (the zero is not counted) and gives the text; "" when the buffer failed or is empty. */
const char *buf_cstr(struct buf *buf);

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_of(buf->ptr, buf->len);
}

static inline void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

#endif
