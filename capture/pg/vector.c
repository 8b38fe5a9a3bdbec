#include "capture/pg/vector.h"

#include "capture/pg/number.h"
#include "proto/avro_put.h"

static int64_t count_parts(struct slice text)
{
    int64_t n = text.len > 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == ',';
    return n;
}

/* Cuts off what stands before the next comma. */
static struct slice next_part(struct slice *rest)
{
    const uint8_t *comma = memchr(rest->ptr, ',', rest->len);
    size_t len = comma == NULL ? rest->len : (size_t)(comma - rest->ptr);
    struct slice part = slice_of(rest->ptr, len);
    size_t taken = comma == NULL ? len : len + 1;
    *rest = slice_of(rest->ptr + taken, rest->len - taken);
    return part;
}

bool pg_vector_put(struct slice text, bool as_float, struct buf *out)
{
    if (text.len < 2 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    struct slice rest = slice_of(text.ptr + 1, text.len - 2);
    int64_t n = count_parts(rest);
    if (n > 0)
        avro_put_long(out, n);
    for (int64_t i = 0; i < n; i++) {
        struct slice part = next_part(&rest);
        if (!(as_float ? pg_float4_put(part, out) : pg_float8_put(part, out)))
            return false;
    }
    avro_put_long(out, 0);
    return true;
}

static bool put_entry(struct slice part, struct buf *out)
{
    const uint8_t *colon = memchr(part.ptr, ':', part.len);
    if (colon == NULL)
        return false;
    size_t at = (size_t)(colon - part.ptr);
    return pg_integer_put(slice_of(part.ptr, at), 0, INT16_MAX, out) &&
           pg_float8_put(slice_of(colon + 1, part.len - at - 1), out);
}

bool pg_sparse_vector_put(struct slice text, struct buf *out)
{
    const uint8_t *brace = memrchr(text.ptr, '}', text.len);
    if (brace == NULL || text.ptr[0] != '{' || brace + 1 == text.ptr + text.len || brace[1] != '/')
        return false;
    struct slice rest = slice_of(text.ptr + 1, (size_t)(brace - text.ptr) - 1);
    struct slice dimensions = slice_of(brace + 2, (size_t)(text.ptr + text.len - brace) - 2);
    if (!pg_integer_put(dimensions, 0, INT16_MAX, out))
        return false;
    int64_t n = count_parts(rest);
    if (n > 0)
        avro_put_long(out, n);
    for (int64_t i = 0; i < n; i++)
        if (!put_entry(next_part(&rest), out))
            return false;
    avro_put_long(out, 0);
    return true;
}
