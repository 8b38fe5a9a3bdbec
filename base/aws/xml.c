#include "base/aws/xml.h"

#include <stdlib.h>

#include "base/compiler.h"

static struct slice from(struct slice text, const uint8_t *at)
{
    return slice_of(at, (size_t)(text.ptr + text.len - at));
}

/* What follows the opening tag's '>', ptr NULL when there is no such tag. */
static struct slice after_tag(struct slice xml, const char *tag)
{
    size_t tag_len = strlen(tag);
    for (struct slice left = xml; left.len > 0;) {
        const uint8_t *open = memchr(left.ptr, '<', left.len);
        if (open == NULL)
            break;
        left = from(left, open + 1);
        if (left.len <= tag_len || memcmp(left.ptr, tag, tag_len) != 0 || strchr("> \t\r\n", left.ptr[tag_len]) == NULL)
            continue;
        const uint8_t *close = memchr(left.ptr, '>', left.len);
        if (close == NULL)
            break;
        return from(left, close + 1);
    }
    return (struct slice){0};
}

bool aws_xml_has(struct slice xml, const char *tag)
{
    return after_tag(xml, tag).ptr != NULL;
}

/* One character from the front of `left`; 0 when it is none that we can show. */
static char decode_entity(struct slice *left)
{
    static const struct {
        const char *text;
        char means;
    } entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < ARRAY_LEN(entities); i++) {
        size_t len = strlen(entities[i].text);
        if (left->len >= len && memcmp(left->ptr, entities[i].text, len) == 0) {
            *left = slice_of(left->ptr + len, left->len - len);
            return entities[i].means;
        }
    }
    const uint8_t *end = memchr(left->ptr, ';', MIN(left->len, (size_t)10));
    char digits[12] = "";
    unsigned long code = 0;
    if (end != NULL && left->len > 2 && left->ptr[1] == '#') {
        memcpy(digits, left->ptr + 2, (size_t)(end - left->ptr) - 2);
        code = digits[0] == 'x' ? strtoul(digits + 1, NULL, 16) : strtoul(digits, NULL, 10);
    }
    size_t step = code == 0 ? 1 : (size_t)(end - left->ptr) + 1;
    char means = code == 0 ? '&' : code < 0x80 ? (char)code : '?';
    *left = slice_of(left->ptr + step, left->len - step);
    return means;
}

bool aws_xml_text(struct slice xml, const char *tag, char *out, size_t out_size)
{
    out[0] = '\0';
    struct slice left = after_tag(xml, tag);
    const uint8_t *end = left.ptr == NULL ? NULL : memchr(left.ptr, '<', left.len);
    if (end == NULL)
        return false;
    left.len = (size_t)(end - left.ptr);
    size_t n = 0;
    while (left.len > 0 && n + 1 < out_size) {
        if (left.ptr[0] == '&') {
            out[n++] = decode_entity(&left);
        } else {
            out[n++] = (char)left.ptr[0];
            left = slice_of(left.ptr + 1, left.len - 1);
        }
    }
    out[n] = '\0';
    return true;
}
