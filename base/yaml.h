/* A YAML file as a tree that knows where everything stands, over libyaml. One document of maps, lists and
 * text; anchors, aliases, tags, a second document and duplicate keys are refused. What a text means (number,
 * duration) is the reader's business: here all scalars are text. */
#ifndef LEAT_BASE_YAML_H
#define LEAT_BASE_YAML_H

#include "base/arena.h"
#include "base/err.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_mark {
    unsigned line, column; /* from 1 */
};

struct yaml_node {
    enum yaml_kind kind;
    struct yaml_mark mark;
    const char *text; /* YAML_TEXT: valid UTF-8, without a zero byte inside */
    bool plain;       /* YAML_TEXT: written without quotes */
    const char *key;  /* of a child of a map */
    struct yaml_mark key_mark;
    struct yaml_node *first, *next; /* children in the file's order */
    size_t n_children;
};

/* `name` stands in messages: "leat.yaml:3:7: ...". The tree lives in the arena. */
MUST_CHECK enum rc yaml_parse(struct slice text, const char *name, struct arena *arena,
                              const struct yaml_node **ret_root, struct err *err);
/* The child of a map, NULL when there is none, or when `map` is not a map. */
const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key);
/* Nothing was written, or null or ~ without quotes. */
bool yaml_is_null(const struct yaml_node *node);
const char *yaml_kind_name(enum yaml_kind kind); /* "a list" */

#endif
