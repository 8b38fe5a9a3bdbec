#include "base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/config_check.h"
#include "base/config_form.h"
#include "base/config_settings.h"
#include "base/config_suggest.h"
#include "base/config_value.h"
#include "base/yaml.h"

enum {
    CONFIG_FILE_MAX_BYTES = 1 << 20,
    CONFIG_ARENA_BYTES = 64 << 20, /* address space; touched as used */
    CONFIG_MAX_ITEMS = 10000,      /* of one list */
};

/* What config_free() needs beside the config itself. */
struct config_owned {
    struct config config;
    struct arena *arena;
};

struct binder {
    const char *file;
    struct arena *arena;
    struct err *err;
};

static struct config_place place_of(const struct binder *binder, const struct yaml_node *node, struct yaml_mark mark)
{
    return (struct config_place){.file = binder->file, .node = node, .mark = mark};
}

#define REFUSE(binder, mark, code, ...)                                                                                \
    config_refuse(&(struct config_place){.file = (binder)->file}, (mark), (code), (binder)->err, __VA_ARGS__)

static enum rc alloc(const struct binder *binder, size_t bytes, void **ret)
{
    *ret = arena_zalloc(binder->arena, bytes);
    if (*ret == NULL)
        return err_set(binder->err, ERR_CONFIG_SYNTAX, "%s: the file is too large for a configuration", binder->file);
    return RC_OK;
}

/* "kafka.brokers", "sources[].name", "prefix" */
static const char *setting_path(const struct config_setting *setting, char out[96])
{
    bool top = setting->section == SECTION_TOP;
    snprintf(out, 96, "%s%s%s", top ? "" : config_section_path(setting->section), top ? "" : ".", setting->key);
    return out;
}

/* The value as it stands in the file: what came from the environment is not shown, nor is a secret, nor an
 * address that somebody wrote user and password into. */
static enum rc refuse_value(const struct binder *binder, const struct config_setting *setting,
                            const struct yaml_node *node, const char *must)
{
    char path[96];
    setting_path(setting, path);
    if (setting->type == SETTING_SECRET || strchr(node->text, '@') != NULL)
        return REFUSE(binder, node->mark, ERR_CONFIG_VALUE, "%s %s", path, must);
    return REFUSE(binder, node->mark, ERR_CONFIG_VALUE, "%s is \"%.120s\": %s", path, node->text, must);
}

static enum rc check_range(const struct binder *binder, const struct config_setting *setting,
                           const struct yaml_node *node, int64_t value)
{
    if (value >= setting->min && value <= setting->max)
        return RC_OK;
    char min[32], max[32], must[128];
    if (setting->type == SETTING_DURATION) {
        config_value_format_duration(setting->min, min);
        config_value_format_duration(setting->max, max);
    } else if (setting->type == SETTING_BYTES) {
        config_value_format_bytes(setting->min, min);
        config_value_format_bytes(setting->max, max);
    } else {
        snprintf(min, sizeof(min), "%lld", (long long)setting->min);
        snprintf(max, sizeof(max), "%lld", (long long)setting->max);
    }
    snprintf(must, sizeof(must), "must be between %s and %s", min, max);
    return refuse_value(binder, setting, node, must);
}

static const char *number_form(enum config_setting_type type)
{
    switch (type) {
    case SETTING_DURATION: return "must be a duration: a whole number with ms, s, m, h or d, such as 500ms or 7d";
    case SETTING_BYTES: return "must be a size: a whole number with KiB, MiB, GiB or TiB, such as 64MiB";
    default: return "must be a whole number";
    }
}

static bool parse_number(enum config_setting_type type, const char *text, int64_t *ret)
{
    switch (type) {
    case SETTING_DURATION: return config_value_duration_ms(text, ret);
    case SETTING_BYTES: return config_value_bytes(text, ret);
    default: return config_value_int(text, ret);
    }
}

static enum rc bind_number(const struct binder *binder, const struct config_setting *setting,
                           const struct yaml_node *node, const char *text, int64_t *member)
{
    if (!parse_number(setting->type, text, member))
        return refuse_value(binder, setting, node, number_form(setting->type));
    return check_range(binder, setting, node, *member);
}

static enum rc bind_string(const struct binder *binder, const struct config_setting *setting,
                           const struct yaml_node *node, const char *text, const char **member)
{
    bool may_be_empty = setting->type == SETTING_STRING_OR_NONE ||
                        (setting->fallback != NULL && *setting->fallback == 0);
    if (*text == '\0' && !may_be_empty)
        return refuse_value(binder, setting, node, "must not be empty");
    const struct config_form *form = config_form_find(setting->section, setting->key);
    if (*text != '\0' && form != NULL && !form->is_valid(text))
        return refuse_value(binder, setting, node, form->must);
    *member = *text == '\0' ? NULL : text;
    return RC_OK;
}

static enum rc bind_enum(const struct binder *binder, const struct config_setting *setting,
                         const struct yaml_node *node, const char *text, const char **member)
{
    char must[160];
    if (!config_value_is_choice(setting->choices, text)) {
        snprintf(must, sizeof(must), "must be one of %s", setting->choices);
        return refuse_value(binder, setting, node, must);
    }
    *member = text;
    return RC_OK;
}

static enum rc bind_source_type(const struct binder *binder, const struct config_setting *setting,
                                const struct yaml_node *node, const char *text, enum config_source_type *member)
{
    if (strcmp(text, "postgresql") == 0)
        *member = CONFIG_SOURCE_POSTGRESQL;
    else if (strcmp(text, "documentdb") == 0)
        *member = CONFIG_SOURCE_DOCUMENTDB;
    else
        return refuse_value(binder, setting, node, "must be one of postgresql documentdb");
    return RC_OK;
}

/* A text that is not a list: out is the section's struct. */
static enum rc bind_text(const struct binder *binder, const struct config_setting *setting,
                         const struct yaml_node *node, const char *text, char *out)
{
    char *member = out + setting->offset;
    switch (setting->type) {
    case SETTING_STRING:
    case SETTING_STRING_OR_NONE:
    case SETTING_SECRET: return bind_string(binder, setting, node, text, (const char **)(void *)member);
    case SETTING_ENUM: return bind_enum(binder, setting, node, text, (const char **)(void *)member);
    case SETTING_INT:
    case SETTING_DURATION:
    case SETTING_BYTES: return bind_number(binder, setting, node, text, (int64_t *)(void *)member);
    case SETTING_BOOL:
        if (!config_value_bool(text, (bool *)(void *)member))
            return refuse_value(binder, setting, node, "must be true or false");
        return RC_OK;
    case SETTING_SOURCE_TYPE:
        return bind_source_type(binder, setting, node, text, (enum config_source_type *)(void *)member);
    case SETTING_COLUMN_TYPE:
        if (!config_value_column_type(text, (struct config_column *)(void *)out))
            return refuse_value(binder, setting, node,
                                "must be string, int, long, double, bool, timestamp, json, objectid or decimal(p,s) "
                                "with p from 1 to 38 and s from 0 to p");
        return RC_OK;
    case SETTING_STRING_LIST: break; /* bind_list() */
    }
    return err_set(binder->err, ERR_BUG, "setting %s has no binding", setting->key);
}

/* The text with ${NAME} replaced; a list or a map is refused here. */
static enum rc expand(const struct binder *binder, const struct config_setting *setting, const struct yaml_node *node,
                      const char **ret_text)
{
    char path[96];
    if (node->kind != YAML_TEXT)
        return REFUSE(binder, node->mark, ERR_CONFIG_VALUE, "%s must be text, not %s", setting_path(setting, path),
                      yaml_kind_name(node->kind));
    enum rc rc = config_value_expand(node->text, binder->arena, ret_text, binder->err);
    if (rc != RC_OK)
        return err_wrap(binder->err, "%s:%u:%u: %s", binder->file, node->mark.line, node->mark.column,
                        setting_path(setting, path));
    return RC_OK;
}

static enum rc bind_list_item(const struct binder *binder, const struct config_setting *setting,
                              const struct yaml_node *node, struct config_string_list *list)
{
    const char *text;
    TRY(expand(binder, setting, node, &text));
    const struct config_form *form = config_form_find(setting->section, setting->key);
    if (*text == '\0' || (form != NULL && !form->is_valid(text)))
        return refuse_value(binder, setting, node, *text == '\0' ? "must not be empty" : form->must);
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], text) == 0)
            return refuse_value(binder, setting, node, "this is in the list already");
    }
    list->items[list->n++] = text;
    return RC_OK;
}

static enum rc bind_list(const struct binder *binder, const struct config_setting *setting,
                         const struct yaml_node *node, struct config_string_list *list)
{
    char path[96];
    setting_path(setting, path);
    if (node->kind != YAML_LIST)
        return REFUSE(binder, node->mark, ERR_CONFIG_VALUE, "%s must be a list, such as [a, b], not %s", path,
                      yaml_kind_name(node->kind));
    if (node->n_children == 0 && setting->fallback == NULL)
        return REFUSE(binder, node->mark, ERR_CONFIG_VALUE, "%s must have at least one entry", path);
    if (node->n_children > CONFIG_MAX_ITEMS)
        return REFUSE(binder, node->mark, ERR_CONFIG_VALUE, "%s may have at most %d entries", path, CONFIG_MAX_ITEMS);
    void *items;
    TRY(alloc(binder, node->n_children * sizeof(*list->items), &items));
    list->items = items;
    for (const struct yaml_node *item = node->first; item != NULL; item = item->next)
        TRY(bind_list_item(binder, setting, item, list));
    return RC_OK;
}

/* The default, read as if it stood in the file: a default that is out of its own range fails the unit test.
 */
static enum rc bind_default(const struct binder *binder, const struct config_setting *setting,
                            const struct config_place *place, char *out)
{
    if (setting->fallback == NULL)
        return REFUSE(binder, place->mark, ERR_CONFIG_VALUE, "missing key \"%s\" in %s", setting->key,
                      config_section_path(setting->section));
    if (*setting->fallback == '\0')
        return RC_OK; /* the struct is zero already */
    struct yaml_node node = {.kind = YAML_TEXT, .mark = place->mark, .text = setting->fallback};
    return bind_text(binder, setting, &node, setting->fallback, out);
}

static enum rc bind_setting(const struct binder *binder, const struct config_setting *setting,
                            const struct config_place *place, char *out)
{
    const struct yaml_node *node = place->node == NULL ? NULL : yaml_find(place->node, setting->key);
    if (node == NULL || yaml_is_null(node))
        return bind_default(binder, setting, place, out);
    if (setting->type == SETTING_STRING_LIST)
        return bind_list(binder, setting, node, (struct config_string_list *)(void *)(out + setting->offset));
    const char *text;
    TRY(expand(binder, setting, node, &text));
    bool absent = *text == '\0' && setting->fallback != NULL && *setting->fallback == '\0';
    return absent ? RC_OK : bind_text(binder, setting, node, text, out);
}

/* The one other section where the key would be right; NULL when there is none, or more than one. */
static const char *section_that_has(const char *key)
{
    const char *path = NULL;
    for (enum config_section section = 0; section < SECTION_COUNT; section++) {
        if (config_setting_find(section, key) == NULL && config_child_find(section, key) == NULL)
            continue;
        if (path != NULL)
            return NULL;
        path = config_section_path(section);
    }
    return path;
}

static enum rc refuse_unknown_key(const struct binder *binder, enum config_section section,
                                  const struct yaml_node *node)
{
    struct config_suggest suggest = {.word = node->key};
    for (size_t i = 0; i < config_n_settings; i++) {
        if (config_settings[i].section == section)
            config_suggest_offer(&suggest, config_settings[i].key);
    }
    for (size_t i = 0; i < config_n_children; i++) {
        if (config_children[i].parent == section)
            config_suggest_offer(&suggest, config_children[i].key);
    }
    char advice[96];
    config_suggest_format(&suggest, advice);
    const char *elsewhere = suggest.best == NULL ? section_that_has(node->key) : NULL;
    if (elsewhere != NULL)
        snprintf(advice, sizeof(advice), " (it belongs in %s)", elsewhere);
    return REFUSE(binder, node->key_mark, ERR_CONFIG_UNKNOWN_KEY, "unknown key \"%.80s\" in %s%s", node->key,
                  config_section_path(section), advice);
}

static enum rc bind_section(const struct binder *binder, enum config_section section, const struct yaml_node *node,
                            struct yaml_mark mark, char *out);

static enum rc bind_items(const struct binder *binder, const struct config_child *child, const struct yaml_node *list,
                          char *out)
{
    const char *path = config_section_path(child->section);
    if (list->kind != YAML_LIST)
        return REFUSE(binder, list->mark, ERR_CONFIG_VALUE, "%s must be a list (- ...), not %s", child->key,
                      yaml_kind_name(list->kind));
    if (list->n_children == 0 && child->presence == CHILD_REQUIRED)
        return REFUSE(binder, list->mark, ERR_CONFIG_VALUE, "%s must have at least one entry", path);
    if (list->n_children > CONFIG_MAX_ITEMS)
        return REFUSE(binder, list->mark, ERR_CONFIG_VALUE, "%s may have at most %d entries", path, CONFIG_MAX_ITEMS);
    void *items;
    TRY(alloc(binder, list->n_children * child->item_bytes, &items));
    char *at = items;
    for (const struct yaml_node *item = list->first; item != NULL; item = item->next, at += child->item_bytes)
        TRY(bind_section(binder, child->section, item, item->mark, at));
    *(void **)(void *)(out + child->offset) = items;
    *(size_t *)(void *)(out + child->n_offset) = list->n_children;
    return RC_OK;
}

static enum rc bind_child(const struct binder *binder, const struct config_child *child,
                          const struct config_place *place, char *out)
{
    const struct yaml_node *node = place->node == NULL ? NULL : yaml_find(place->node, child->key);
    bool absent = node == NULL || (child->is_list && yaml_is_null(node));
    if (absent && child->presence == CHILD_REQUIRED)
        return REFUSE(binder, place->mark, ERR_CONFIG_VALUE, "missing section \"%s\" in %s", child->key,
                      config_section_path(child->parent));
    if (absent && child->presence == CHILD_OPTIONAL)
        return RC_OK;
    if (child->is_list)
        return bind_items(binder, child, node, out);
    return bind_section(binder, child->section, node, absent ? place->mark : node->key_mark, out + child->offset);
}

/* node NULL: the section was left out and has defaults only. */
static enum rc bind_section(const struct binder *binder, enum config_section section, const struct yaml_node *node,
                            struct yaml_mark mark, char *out)
{
    if (node != NULL && node->kind != YAML_MAP && !yaml_is_null(node))
        return REFUSE(binder, node->mark, ERR_CONFIG_VALUE, "%s must be a map (key: value), not %s",
                      config_section_path(section), yaml_kind_name(node->kind));
    const struct yaml_node *first = node == NULL ? NULL : node->first;
    for (const struct yaml_node *child = first; child != NULL; child = child->next) {
        if (config_setting_find(section, child->key) == NULL && config_child_find(section, child->key) == NULL)
            return refuse_unknown_key(binder, section, child);
    }
    struct config_place place = place_of(binder, node, mark);
    for (size_t i = 0; i < config_n_settings; i++) {
        if (config_settings[i].section == section)
            TRY(bind_setting(binder, &config_settings[i], &place, out));
    }
    TRY(config_check_settings(section, &place, out, binder->err));
    for (size_t i = 0; i < config_n_children; i++) {
        if (config_children[i].parent == section)
            TRY(bind_child(binder, &config_children[i], &place, out));
    }
    return config_check_whole(section, &place, out, binder->err);
}

static enum rc fill_name(const struct binder *binder, const char *source_name, const char **member)
{
    static const char head[] = "leat_";
    void *name;
    if (*member != NULL)
        return RC_OK;
    size_t bytes = sizeof(head) + strlen(source_name);
    TRY(alloc(binder, bytes, &name));
    snprintf(name, bytes, "%s%s", head, source_name);
    *member = name;
    return RC_OK;
}

/* Slot and publication take the source's name. */
static enum rc fill_names(const struct binder *binder, struct config *config)
{
    for (size_t i = 0; i < config->n_sources; i++) {
        struct config_source *source = &config->sources[i];
        if (source->type != CONFIG_SOURCE_POSTGRESQL)
            continue;
        TRY(fill_name(binder, source->name, &source->postgresql.slot));
        TRY(fill_name(binder, source->name, &source->postgresql.publication));
    }
    return RC_OK;
}

static enum rc parse(struct slice text, const char *name, struct config_owned *owned, struct err *err)
{
    struct binder binder = {.file = name, .arena = owned->arena, .err = err};
    const struct yaml_node *root;
    TRY(yaml_parse(text, name, owned->arena, &root, err));
    if (yaml_is_null(root))
        return err_set(err, ERR_CONFIG_SYNTAX, "%s: the file is empty", name);
    TRY(bind_section(&binder, SECTION_TOP, root, (struct yaml_mark){1, 1}, (char *)&owned->config));
    return fill_names(&binder, &owned->config);
}

enum rc config_parse(const char *text, size_t len, const char *name, struct config **ret_config, struct err *err)
{
    struct arena *arena = arena_new(CONFIG_ARENA_BYTES);
    struct config_owned *owned = arena_zalloc(arena, sizeof(*owned));
    owned->arena = arena;
    enum rc rc = parse(slice_of(text, len), name, owned, err);
    if (rc != RC_OK) {
        arena_free(arena);
        return rc;
    }
    *ret_config = &owned->config;
    return RC_OK;
}

static enum rc read_file(const char *path, struct buf *text, struct err *err)
{
    enum { CHUNK_BYTES = 1 << 16 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_CONFIG_READ, "could not open configuration file \"%s\": %s", path, strerror(errno));
    ssize_t n = 0;
    do {
        uint8_t *at = buf_reserve(text, CHUNK_BYTES);
        n = at == NULL ? 0 : read(fd, at, CHUNK_BYTES);
        text->len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    int saved_errno = errno;
    close(fd);
    if (n < 0)
        return err_set(err, ERR_CONFIG_READ, "could not read configuration file \"%s\": %s", path,
                       strerror(saved_errno));
    if (text->failed || text->len > CONFIG_FILE_MAX_BYTES)
        return err_set(err, ERR_CONFIG_READ, "configuration file \"%s\" is larger than 1 MiB", path);
    return RC_OK;
}

enum rc config_load(const char *path, struct config **ret_config, struct err *err)
{
    SCOPED(buf_done) struct buf text = buf_new(CONFIG_FILE_MAX_BYTES * 2);
    TRY(read_file(path, &text, err));
    return config_parse((const char *)text.ptr, text.len, path, ret_config, err);
}

void config_free(struct config *config)
{
    if (config != NULL)
        arena_free(((struct config_owned *)(void *)config)->arena);
}

enum rc config_find_source(const struct config *config, const char *name, const struct config_source **ret_source,
                           struct err *err)
{
    struct config_suggest suggest = {.word = name};
    for (size_t i = 0; i < config->n_sources; i++) {
        if (strcmp(config->sources[i].name, name) == 0) {
            *ret_source = &config->sources[i];
            return RC_OK;
        }
        config_suggest_offer(&suggest, config->sources[i].name);
    }
    char did_you_mean[96];
    return err_set(err, ERR_USAGE, "the configuration has no source \"%s\"%s", name,
                   config_suggest_format(&suggest, did_you_mean));
}

enum rc config_find_sink(const struct config *config, const char *name, const struct config_sink **ret_sink,
                         struct err *err)
{
    if (name == NULL && config->n_sinks == 1) {
        *ret_sink = &config->sinks[0];
        return RC_OK;
    }
    if (name == NULL)
        return err_set(err, ERR_USAGE,
                       config->n_sinks == 0 ? "the configuration has no sink"
                                            : "the configuration has several sinks: say which one");
    struct config_suggest suggest = {.word = name};
    for (size_t i = 0; i < config->n_sinks; i++) {
        if (strcmp(config->sinks[i].name, name) == 0) {
            *ret_sink = &config->sinks[i];
            return RC_OK;
        }
        config_suggest_offer(&suggest, config->sinks[i].name);
    }
    char did_you_mean[96];
    return err_set(err, ERR_USAGE, "the configuration has no sink \"%s\"%s", name,
                   config_suggest_format(&suggest, did_you_mean));
}
