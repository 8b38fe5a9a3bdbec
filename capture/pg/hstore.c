#include "capture/pg/hstore.h"

#include <stdio.h>

#include "proto/avro_put.h"

/* A quoted string in its place, without its quotes; escapes are still in it. */
struct quoted {
    struct slice raw;
    size_t n_escapes;
};

static bool take_quoted(struct slice *rest, struct quoted *ret)
{
    size_t i = 1;
    *ret = (struct quoted){0};
    if (rest->len < 2 || rest->ptr[0] != '"')
        return false;
    for (; i < rest->len && rest->ptr[i] != '"'; i++) {
        if (rest->ptr[i] == '\\') {
            ret->n_escapes++;
            i++;
        }
    }
    if (i >= rest->len)
        return false;
    ret->raw = slice_of(rest->ptr + 1, i - 1);
    *rest = slice_of(rest->ptr + i + 1, rest->len - i - 1);
    return true;
}

static bool take_word(struct slice *rest, const char *word)
{
    size_t len = strlen(word);
    if (rest->len < len || memcmp(rest->ptr, word, len) != 0)
        return false;
    *rest = slice_of(rest->ptr + len, rest->len - len);
    return true;
}

struct pair {
    struct quoted key, value;
    bool is_null;
};

/* The pair in front, and the comma behind it; there has to be one more after a comma. */
static bool take_pair(struct slice *rest, struct pair *ret)
{
    if (!take_quoted(rest, &ret->key) || !take_word(rest, "=>"))
        return false;
    ret->is_null = take_word(rest, "NULL");
    if (!ret->is_null && !take_quoted(rest, &ret->value))
        return false;
    return rest->len == 0 || (take_word(rest, ", ") && rest->len > 0);
}

static void put_json_byte(struct buf *out, uint8_t byte)
{
    static const char short_names[] = "\b\f\n\r\t";
    const char *name = byte == 0 ? NULL : strchr(short_names, byte);
    if (byte == '"' || byte == '\\') {
        buf_put_u8(out, '\\');
        buf_put_u8(out, byte);
    } else if (name != NULL) {
        buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t) "bfnrt"[name - short_names]);
    } else if (byte < 0x20) {
        buf_printf(out, "\\u%04X", byte);
    } else {
        buf_put_u8(out, byte);
    }
}

static void put_json_string(struct buf *out, const struct quoted *quoted)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < quoted->raw.len; i++) {
        i += quoted->raw.ptr[i] == '\\'; /* take_quoted saw that one more follows */
        put_json_byte(out, quoted->raw.ptr[i]);
    }
    buf_put_u8(out, '"');
}

static bool put_json_object(struct slice text, struct buf *out)
{
    buf_put_u8(out, '{');
    for (bool first = true; text.len > 0; first = false) {
        struct pair pair;
        if (!take_pair(&text, &pair))
            return false;
        if (!first)
            buf_put_u8(out, ',');
        put_json_string(out, &pair.key);
        buf_put_u8(out, ':');
        if (pair.is_null)
            buf_put_str(out, "null");
        else
            put_json_string(out, &pair.value);
    }
    buf_put_u8(out, '}');
    return true;
}

bool pg_hstore_put_json(struct slice text, struct buf *out)
{
    size_t start = out->len;
    if (!put_json_object(text, out))
        return false;
    avro_put_length_before(out, start);
    return true;
}

static void put_avro_string(struct buf *out, const struct quoted *quoted)
{
    avro_put_long(out, (int64_t)(quoted->raw.len - quoted->n_escapes));
    uint8_t *at = buf_reserve(out, quoted->raw.len);
    if (at == NULL)
        return;
    for (size_t i = 0; i < quoted->raw.len; i++) {
        i += quoted->raw.ptr[i] == '\\';
        *at++ = quoted->raw.ptr[i];
    }
    out->len += quoted->raw.len - quoted->n_escapes;
}

bool pg_hstore_put_map(struct slice text, struct buf *out)
{
    struct slice rest = text;
    struct pair pair;
    int64_t n = 0;
    for (; rest.len > 0; n++)
        if (!take_pair(&rest, &pair))
            return false;
    if (n > 0)
        avro_put_long(out, n);
    while (text.len > 0 && take_pair(&text, &pair)) {
        put_avro_string(out, &pair.key);
        if (pair.is_null) {
            avro_put_null(out);
            continue;
        }
        avro_put_some(out);
        put_avro_string(out, &pair.value);
    }
    avro_put_long(out, 0);
    return true;
}
