#include "base/yaml.h"

#include <yaml.h>

enum {
    YAML_MAX_DEPTH = 16,      /* the configuration has 6 levels */
    YAML_MAX_MAP_KEYS = 1000, /* keeps the search for duplicates cheap on any input */
};

static void scoped_yaml_event_delete(yaml_event_t *event)
{
    yaml_event_delete(event);
}

struct yaml_reader {
    yaml_parser_t parser;
    const char *name;
    struct arena *arena;
};

static struct yaml_mark mark_of(yaml_mark_t mark)
{
    return (struct yaml_mark){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static enum rc refuse(const struct yaml_reader *reader, yaml_mark_t at, const char *why, struct err *err)
{
    struct yaml_mark mark = mark_of(at);
    return err_set(err, ERR_CONFIG_SYNTAX, "%s:%u:%u: %s", reader->name, mark.line, mark.column, why);
}

static enum rc refuse_full(const struct yaml_reader *reader, struct err *err)
{
    return err_set(err, ERR_CONFIG_SYNTAX, "%s: the file is too large for a configuration", reader->name);
}

/* libyaml's words: fixed sentences that quote nothing of the file. */
static enum rc refuse_syntax(const struct yaml_reader *reader, struct err *err)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return err_set(err, ERR_NO_MEMORY, "%s: could not read: out of memory", reader->name);
    const char *problem = parser->problem == NULL ? "this is not YAML" : parser->problem;
    if (parser->error == YAML_READER_ERROR)
        return err_set(err, ERR_CONFIG_SYNTAX, "%s: %s (byte %zu)", reader->name, problem, parser->problem_offset);
    struct yaml_mark mark = mark_of(parser->problem_mark);
    if (parser->context == NULL)
        return err_set(err, ERR_CONFIG_SYNTAX, "%s:%u:%u: %s", reader->name, mark.line, mark.column, problem);
    return err_set(err, ERR_CONFIG_SYNTAX, "%s:%u:%u: %s, %s that begins at line %u", reader->name, mark.line,
                   mark.column, problem, parser->context, mark_of(parser->context_mark).line);
}

static enum rc next_event(struct yaml_reader *reader, yaml_event_t *ret_event, struct err *err)
{
    if (yaml_parser_parse(&reader->parser, ret_event) == 0)
        return refuse_syntax(reader, err);
    return RC_OK;
}

/* What begins a node carries nothing but its content. */
static enum rc check_bare(const struct yaml_reader *reader, const yaml_event_t *event, const yaml_char_t *anchor,
                          const yaml_char_t *tag, struct err *err)
{
    if (anchor != NULL)
        return refuse(reader, event->start_mark, "anchors (&name) are not supported: write the value out", err);
    if (tag != NULL)
        return refuse(reader, event->start_mark, "tags (!name) are not supported: remove it", err);
    return RC_OK;
}

static enum rc copy_text(const struct yaml_reader *reader, const yaml_event_t *event, const char **ret_text,
                         struct err *err)
{
    struct slice text = slice_of(event->data.scalar.value, event->data.scalar.length);
    if (memchr(text.ptr, 0, text.len) != NULL)
        return refuse(reader, event->start_mark, "the text holds a zero byte (\\0)", err);
    const char *copy = arena_strdup(reader->arena, text);
    if (copy == NULL)
        return refuse_full(reader, err);
    *ret_text = copy;
    return RC_OK;
}

static enum rc read_node(struct yaml_reader *reader, const yaml_event_t *event, unsigned depth,
                         struct yaml_node **ret_node, struct err *err);

static enum rc read_list(struct yaml_reader *reader, unsigned depth, struct yaml_node *list, struct err *err)
{
    struct yaml_node **tail = &list->first;
    for (;;) {
        SCOPED(yaml_event_delete) yaml_event_t event = {0};
        TRY(next_event(reader, &event, err));
        if (event.type == YAML_SEQUENCE_END_EVENT)
            return RC_OK;
        TRY(read_node(reader, &event, depth, tail, err));
        tail = &(*tail)->next;
        list->n_children++;
    }
}

static enum rc read_key(struct yaml_reader *reader, const struct yaml_node *map, const yaml_event_t *event,
                        const char **ret_key, struct err *err)
{
    if (event->type == YAML_ALIAS_EVENT)
        return refuse(reader, event->start_mark, "aliases (*name) are not supported: write the value out", err);
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(reader, event->start_mark, "a key must be text, not a list or a map", err);
    TRY(check_bare(reader, event, event->data.scalar.anchor, event->data.scalar.tag, err));
    const char *key;
    TRY(copy_text(reader, event, &key, err));
    const struct yaml_node *twin = yaml_find(map, key);
    struct yaml_mark mark = mark_of(event->start_mark);
    if (twin != NULL)
        return err_set(err, ERR_CONFIG_SYNTAX, "%s:%u:%u: the key \"%s\" is there already, at line %u", reader->name,
                       mark.line, mark.column, key, twin->key_mark.line);
    if (map->n_children == YAML_MAX_MAP_KEYS)
        return refuse(reader, event->start_mark, "too many keys in one map", err);
    *ret_key = key;
    return RC_OK;
}

static enum rc read_map(struct yaml_reader *reader, unsigned depth, struct yaml_node *map, struct err *err)
{
    struct yaml_node **tail = &map->first;
    for (;;) {
        SCOPED(yaml_event_delete) yaml_event_t key_event = {0}, value_event = {0};
        TRY(next_event(reader, &key_event, err));
        if (key_event.type == YAML_MAPPING_END_EVENT)
            return RC_OK;
        const char *key = NULL;
        TRY(read_key(reader, map, &key_event, &key, err));
        TRY(next_event(reader, &value_event, err));
        struct yaml_node *value;
        TRY(read_node(reader, &value_event, depth, &value, err));
        value->key = key;
        value->key_mark = mark_of(key_event.start_mark);
        *tail = value;
        tail = &value->next;
        map->n_children++;
    }
}

static enum rc read_node(struct yaml_reader *reader, const yaml_event_t *event, unsigned depth,
                         struct yaml_node **ret_node, struct err *err)
{
    if (depth == YAML_MAX_DEPTH)
        return refuse(reader, event->start_mark, "lists and maps are nested too deeply", err);
    struct yaml_node *node = arena_zalloc(reader->arena, sizeof(*node));
    if (node == NULL)
        return refuse_full(reader, err);
    node->mark = mark_of(event->start_mark);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        node->kind = YAML_TEXT;
        node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        TRY(check_bare(reader, event, event->data.scalar.anchor, event->data.scalar.tag, err));
        TRY(copy_text(reader, event, &node->text, err));
        break;
    case YAML_SEQUENCE_START_EVENT:
        node->kind = YAML_LIST;
        TRY(check_bare(reader, event, event->data.sequence_start.anchor, event->data.sequence_start.tag, err));
        TRY(read_list(reader, depth + 1, node, err));
        break;
    case YAML_MAPPING_START_EVENT:
        node->kind = YAML_MAP;
        TRY(check_bare(reader, event, event->data.mapping_start.anchor, event->data.mapping_start.tag, err));
        TRY(read_map(reader, depth + 1, node, err));
        break;
    default: /* what else can stand where a value is expected */
        return refuse(reader, event->start_mark, "aliases (*name) are not supported: write the value out", err);
    }
    *ret_node = node;
    return RC_OK;
}

static enum rc expect(struct yaml_reader *reader, yaml_event_type_t type, const char *otherwise, struct err *err)
{
    SCOPED(yaml_event_delete) yaml_event_t event = {0};
    TRY(next_event(reader, &event, err));
    return event.type == type ? RC_OK : refuse(reader, event.start_mark, otherwise, err);
}

static enum rc read_stream(struct yaml_reader *reader, const struct yaml_node **ret_root, struct err *err)
{
    TRY(expect(reader, YAML_STREAM_START_EVENT, "this is not YAML", err));
    TRY(expect(reader, YAML_DOCUMENT_START_EVENT, "the file is empty", err));
    struct yaml_node *root;
    {
        SCOPED(yaml_event_delete) yaml_event_t event = {0};
        TRY(next_event(reader, &event, err));
        TRY(read_node(reader, &event, 0, &root, err));
    }
    TRY(expect(reader, YAML_DOCUMENT_END_EVENT, "this is not YAML", err));
    TRY(expect(reader, YAML_STREAM_END_EVENT, "a second document (---) is not supported: use one file for each", err));
    *ret_root = root;
    return RC_OK;
}

enum rc yaml_parse(struct slice text, const char *name, struct arena *arena, const struct yaml_node **ret_root,
                   struct err *err)
{
    struct yaml_reader reader = {.name = name, .arena = arena};
    if (yaml_parser_initialize(&reader.parser) == 0)
        return err_set(err, ERR_NO_MEMORY, "%s: could not read: out of memory", name);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, text.ptr, text.len);
    enum rc rc = read_stream(&reader, ret_root, err);
    yaml_parser_delete(&reader.parser);
    return rc;
}

const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key)
{
    if (map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml_node *child = map->first; child != NULL; child = child->next) {
        if (strcmp(child->key, key) == 0)
            return child;
    }
    return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
    return node->kind == YAML_TEXT && node->plain &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

const char *yaml_kind_name(enum yaml_kind kind)
{
    static const char *const names[] = {[YAML_TEXT] = "text", [YAML_LIST] = "a list", [YAML_MAP] = "a map"};
    return names[kind];
}
