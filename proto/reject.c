#include "proto/reject.h"

#include <inttypes.h>

enum { REJECT_VERSION = 1 };

void reject_encode_key(const struct reject *reject, struct buf *out)
{
    buf_printf(out, "%s/%" PRIu64 "/%" PRIu64, reject->topic, reject->pos.major, reject->pos.minor);
}

static void put_text(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, ",\"%s\":", key);
    buf_put_json_string(out, slice_of_str(value == NULL ? "" : value));
}

void reject_encode(const struct reject *reject, int64_t now_us, struct buf *out)
{
    buf_printf(out, "{\"v\":%d", REJECT_VERSION);
    put_text(out, "stage", reject->stage);
    put_text(out, "source", reject->source);
    put_text(out, "topic", reject->topic);
    buf_put_str(out, ",\"key\":");
    buf_put_json_string(out, reject->key);
    buf_printf(out, ",\"pos\":[%" PRIu64 ",%" PRIu64 "]", reject->pos.major, reject->pos.minor);
    if (reject->offset >= 0)
        buf_printf(out, ",\"offset\":%" PRId64, reject->offset);
    put_text(out, "code", err_name(reject->code));
    if (reject->path != NULL)
        put_text(out, "path", reject->path);
    put_text(out, "message", reject->message);
    buf_printf(out, ",\"rejected_us\":%" PRId64 ",\"record\":", now_us);
    if (reject->record.len == 0)
        buf_put_str(out, "null");
    else
        buf_put_slice(out, reject->record);
    buf_put_u8(out, '}');
}

/* RFC 4648, with padding. */
void base64_put(struct buf *out, struct slice bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *at = buf_reserve(out, (bytes.len + 2) / 3 * 4);
    if (at == NULL)
        return;
    uint8_t *start = at;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.ptr[i] << 16 | (left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0) |
                         (left > 2 ? bytes.ptr[i + 2] : 0);
        *at++ = (uint8_t)alphabet[group >> 18];
        *at++ = (uint8_t)alphabet[group >> 12 & 63];
        *at++ = left > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=';
        *at++ = left > 2 ? (uint8_t)alphabet[group & 63] : '=';
    }
    out->len += (size_t)(at - start);
}
