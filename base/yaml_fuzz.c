/* Any bytes: refused with a position, or a tree that, written out with every text quoted, is read back the
 * same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "base/yaml.h"

enum { FUZZ_ARENA_BYTES = 64 << 20, FUZZ_TEXT_BYTES = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static uint32_t code_point(const uint8_t *bytes, size_t len)
{
    uint32_t value = len == 1 ? bytes[0] : bytes[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        value = value << 6 | (bytes[i] & 0x3fu);
    return value;
}

static void put_text(struct buf *out, const char *text)
{
    size_t left = strlen(text);
    buf_put_u8(out, '"');
    for (const uint8_t *at = (const uint8_t *)text; left > 0;) {
        size_t len = utf8_sequence_len(at, left);
        check(len > 0, "a text is not UTF-8");
        buf_printf(out, "\\U%08x", code_point(at, len));
        at += len;
        left -= len;
    }
    buf_put_u8(out, '"');
}

static void put_node(struct buf *out, const struct yaml_node *node)
{
    if (node->kind == YAML_TEXT) {
        put_text(out, node->text);
        return;
    }
    buf_put_str(out, node->kind == YAML_LIST ? "[" : "{");
    for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
        if (node->kind == YAML_MAP) {
            buf_put_str(out, "? "); /* an explicit key may have any length */
            put_text(out, child->key);
            buf_put_str(out, " : ");
        }
        put_node(out, child);
        buf_put_str(out, ",\n");
    }
    buf_put_str(out, node->kind == YAML_LIST ? "]" : "}");
}

static void check_same(const struct yaml_node *a, const struct yaml_node *b)
{
    check(a->kind == b->kind && a->n_children == b->n_children, "the tree changed its shape");
    if (a->kind == YAML_TEXT)
        check(strcmp(a->text, b->text) == 0, "a text changed");
    const struct yaml_node *other = b->first;
    for (const struct yaml_node *child = a->first; child != NULL; child = child->next, other = other->next) {
        if (a->kind == YAML_MAP)
            check(strcmp(child->key, other->key) == 0, "a key changed");
        check_same(child, other);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_free) struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
    struct err err = {0};
    const struct yaml_node *root, *again;
    if (yaml_parse(slice_of(data, size), "fuzz.yaml", arena, &root, &err) != RC_OK) {
        check(strncmp(err.msg, "fuzz.yaml:", 10) == 0, "a refusal does not name the file");
        return 0;
    }
    SCOPED(buf_done) struct buf text = buf_new(FUZZ_TEXT_BYTES);
    put_node(&text, root);
    if (text.failed)
        return 0;
    check(yaml_parse(buf_slice(&text), "again.yaml", arena, &again, &err) == RC_OK, err.msg);
    check_same(root, again);
    return 0;
}
