#include "capture/pg/array.h"

#include <stdlib.h>

#include "proto/avro_put.h"

enum {
    ELEMENT_STACK_BYTES = 1024,
    BRANCH_ARRAY = 2, /* of an element's union, behind null and the element's type */
};

/* What stands between two delimiters, without its quotes; escapes are still in it. */
struct element {
    struct slice raw;
    size_t n_escapes;
    bool is_quoted;
};

/* Bounds that are not 1 stand in front, [2:3]=, and are dropped as Debezium drops them. Then the braces. */
static bool strip(struct slice text, struct slice *ret_elements)
{
    if (text.len > 0 && text.ptr[0] == '[') {
        const uint8_t *equals = memchr(text.ptr, '=', text.len);
        if (equals == NULL)
            return false;
        text = slice_of(equals + 1, text.len - (size_t)(equals + 1 - text.ptr));
    }
    if (text.len < 2 || text.ptr[0] != '{' || text.ptr[text.len - 1] != '}')
        return false;
    *ret_elements = slice_of(text.ptr + 1, text.len - 2);
    return true;
}

static bool take_quoted(struct slice rest, struct element *ret, size_t *ret_taken)
{
    size_t i = 1;
    for (; i < rest.len && rest.ptr[i] != '"'; i++) {
        if (rest.ptr[i] == '\\') {
            ret->n_escapes++;
            i++;
        }
    }
    if (i >= rest.len)
        return false;
    ret->is_quoted = true;
    ret->raw = slice_of(rest.ptr + 1, i - 1);
    *ret_taken = i + 1;
    return true;
}

/* Bare elements hold no braces: one that does is an array itself. */
static bool take_bare(struct slice rest, char delimiter, struct element *ret, size_t *ret_taken)
{
    size_t i = 0;
    for (; i < rest.len && rest.ptr[i] != (uint8_t)delimiter; i++)
        if (rest.ptr[i] == '{' || rest.ptr[i] == '}' || rest.ptr[i] == '"' || rest.ptr[i] == '\\')
            return false;
    ret->raw = slice_of(rest.ptr, i);
    *ret_taken = i;
    return i > 0;
}

/* The element in front, and the delimiter behind it; there has to be one more after a delimiter. */
static bool take_element(struct slice *rest, char delimiter, struct element *ret)
{
    size_t taken = 0;
    *ret = (struct element){0};
    if (!(rest->ptr[0] == '"' ? take_quoted(*rest, ret, &taken) : take_bare(*rest, delimiter, ret, &taken)))
        return false;
    if (taken < rest->len && (rest->ptr[taken++] != (uint8_t)delimiter || taken == rest->len))
        return false;
    *rest = slice_of(rest->ptr + taken, rest->len - taken);
    return true;
}

/* Into room for as many bytes as the raw form has; how many it took. */
static size_t unescape(struct slice raw, uint8_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        i += raw.ptr[i] == '\\'; /* take_quoted saw that one more follows */
        out[n++] = raw.ptr[i];
    }
    return n;
}

static bool put_unescaped(const struct pg_encoder *encoder, const struct element *element, struct buf *out)
{
    uint8_t on_stack[ELEMENT_STACK_BYTES], *plain = on_stack;
    if (element->raw.len > sizeof(on_stack)) {
        plain = malloc(element->raw.len);
        if (plain == NULL) {
            out->failed = true;
            return true; /* out is failed: the caller sees that */
        }
    }
    bool ok = pg_encoder_put_one(encoder, slice_of(plain, unescape(element->raw, plain)), out);
    if (plain != on_stack)
        free(plain);
    return ok;
}

static bool put_element(const struct pg_encoder *encoder, const struct element *element, struct buf *out)
{
    if (!element->is_quoted && slice_eq_str(element->raw, "NULL")) {
        avro_put_null(out);
        return true;
    }
    avro_put_some(out);
    if (element->n_escapes == 0)
        return pg_encoder_put_one(encoder, element->raw, out);
    return put_unescaped(encoder, element, out);
}

static bool put_elements(const struct pg_encoder *encoder, struct slice elements, struct buf *out)
{
    struct slice rest;
    struct element element;
    int64_t n = 0;
    for (rest = elements; rest.len > 0; n++)
        if (!take_element(&rest, encoder->delimiter, &element))
            return false;
    if (n > 0)
        avro_put_long(out, n);
    for (rest = elements; rest.len > 0;)
        if (!take_element(&rest, encoder->delimiter, &element) || !put_element(encoder, &element, out))
            return false;
    avro_put_long(out, 0);
    return true;
}

/* How many bytes the array in front has, its braces too; 0: it does not end. */
static size_t array_len(struct slice text)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '{')
            depth++;
        else if (!quoted && c == '}' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* What stands between the braces of the array in front, and the delimiter behind it, as with elements. */
static bool take_array(struct slice *rest, char delimiter, struct slice *ret_elements)
{
    size_t len = rest->ptr[0] == '{' ? array_len(*rest) : 0;
    if (len <= 2) /* only a whole array is empty */
        return false;
    *ret_elements = slice_of(rest->ptr + 1, len - 2);
    if (len < rest->len && (rest->ptr[len++] != (uint8_t)delimiter || len == rest->len))
        return false;
    *rest = slice_of(rest->ptr + len, rest->len - len);
    return true;
}

/* All elements stand on the innermost level: arrays have the same number of dimensions everywhere. */
static bool put_dimension(const struct pg_encoder *encoder, struct slice elements, int dimensions, struct buf *out)
{
    struct slice rest, inner;
    int64_t n = 0;
    if (dimensions == 1)
        return put_elements(encoder, elements, out);
    for (rest = elements; rest.len > 0; n++)
        if (!take_array(&rest, encoder->delimiter, &inner))
            return false;
    avro_put_long(out, n);
    for (rest = elements; rest.len > 0;) {
        avro_put_long(out, BRANCH_ARRAY);
        if (!take_array(&rest, encoder->delimiter, &inner) || !put_dimension(encoder, inner, dimensions - 1, out))
            return false;
    }
    avro_put_long(out, 0);
    return true;
}

int pg_array_dimensions(struct slice text)
{
    struct slice elements;
    int dimensions = 1;
    if (!strip(text, &elements))
        return 0;
    while ((size_t)dimensions <= elements.len && elements.ptr[dimensions - 1] == '{')
        dimensions++;
    return dimensions;
}

bool pg_array_put(const struct pg_encoder *encoder, struct slice text, struct buf *out)
{
    struct slice elements;
    int dimensions = pg_array_dimensions(text);
    return dimensions > 0 && dimensions <= encoder->dimensions && strip(text, &elements) &&
           put_dimension(encoder, elements, dimensions, out);
}
