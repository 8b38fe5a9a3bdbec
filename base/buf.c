#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

enum { BUF_FIRST_BYTES = 256 };

struct buf buf_new(size_t max_bytes)
{
    return (struct buf){.max = max_bytes};
}

struct buf buf_over(void *storage, size_t bytes)
{
    return (struct buf){.ptr = storage, .cap = bytes};
}

void buf_done(struct buf *buf)
{
    if (buf->max > 0)
        free(buf->ptr);
    *buf = (struct buf){0};
}

bool buf_grow(struct buf *buf, size_t extra)
{
    size_t need;
    if (buf->failed || buf->max == 0 || __builtin_add_overflow(buf->len, extra, &need) || need > buf->max) {
        buf->failed = true;
        return false;
    }
    size_t cap = MIN(MAX(buf->cap, (size_t)BUF_FIRST_BYTES), buf->max);
    while (cap < need)
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    uint8_t *ptr = realloc(buf->ptr, cap);
    if (ptr == NULL) {
        buf->failed = true;
        return false;
    }
    buf->ptr = ptr;
    buf->cap = cap;
    return true;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *at = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
    if (at != NULL) {
        vsnprintf((char *)at, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

void buf_put_json_string(struct buf *buf, struct slice str)
{
    static const char hex[] = "0123456789abcdef";
    buf_put_u8(buf, '"');
    size_t i = 0;
    while (i < str.len) {
        size_t run = i;
        while (run < str.len && str.ptr[run] >= 0x20 && str.ptr[run] < 0x80 && str.ptr[run] != '"' &&
               str.ptr[run] != '\\')
            run++;
        buf_put(buf, str.ptr + i, run - i);
        i = run;
        if (i == str.len)
            break;
        uint8_t byte = str.ptr[i];
        if (byte >= 0x80) {
            size_t len = utf8_sequence_len(str.ptr + i, str.len - i);
            if (len == 0)
                buf_put(buf, "\xef\xbf\xbd", 3);
            else
                buf_put(buf, str.ptr + i, len);
            i += len == 0 ? 1 : len;
            continue;
        }
        switch (byte) {
        case '"': buf_put(buf, "\\\"", 2); break;
        case '\\': buf_put(buf, "\\\\", 2); break;
        case '\n': buf_put(buf, "\\n", 2); break;
        case '\r': buf_put(buf, "\\r", 2); break;
        case '\t': buf_put(buf, "\\t", 2); break;
        default: {
            char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
            buf_put(buf, escape, sizeof(escape));
        }
        }
        i++;
    }
    buf_put_u8(buf, '"');
}

const char *buf_cstr(struct buf *buf)
{
    uint8_t *at = buf_reserve(buf, 1);
    if (at == NULL)
        return "";
    *at = 0;
    return (const char *)buf->ptr;
}
