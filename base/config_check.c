#include "base/config_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/config_suggest.h"

enum rc config_refuse(const struct config_place *place, struct yaml_mark mark, enum err_code code, struct err *err,
                      const char *format, ...)
{
    char what[sizeof(err->msg)];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return err_set(err, code, "%s:%u:%u: %s", place->file, mark.line, mark.column, what);
}

/* Where a key of the section stands, or the section when the key was left out. */
static struct yaml_mark mark_of_key(const struct config_place *place, const char *key)
{
    const struct yaml_node *node = place->node == NULL ? NULL : yaml_find(place->node, key);
    return node == NULL ? place->mark : node->key_mark;
}

static enum rc check_kafka(const struct config_place *place, const struct config_kafka *kafka, struct err *err)
{
    bool sasl = strncmp(kafka->security_protocol, "sasl_", 5) == 0;
    const struct {
        const char *key, *value;
    } needed[] = {{"sasl_mechanism", kafka->sasl_mechanism},
                  {"sasl_username", kafka->sasl_username},
                  {"sasl_password", kafka->sasl_password}};
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        if (sasl && needed[i].value == NULL)
            return config_refuse(place, mark_of_key(place, "security_protocol"), ERR_CONFIG_VALUE, err,
                                 "kafka.security_protocol %s needs %s", kafka->security_protocol, needed[i].key);
        if (!sasl && needed[i].value != NULL)
            return config_refuse(place, mark_of_key(place, needed[i].key), ERR_CONFIG_VALUE, err,
                                 "kafka.%s needs security_protocol sasl_ssl or sasl_plaintext", needed[i].key);
    }
    return RC_OK;
}

/* The section of its own type, and not the other's. */
static enum rc check_source(const struct config_place *place, const struct config_source *source, struct err *err)
{
    bool pg = source->type == CONFIG_SOURCE_POSTGRESQL;
    const char *own = pg ? "postgresql" : "documentdb", *other = pg ? "documentdb" : "postgresql";
    if (place->node == NULL || yaml_find(place->node, own) == NULL)
        return config_refuse(place, place->mark, ERR_CONFIG_VALUE, err,
                             "source \"%s\" is of type %s: missing section \"%s\" in sources[]", source->name, own,
                             own);
    if (yaml_find(place->node, other) != NULL)
        return config_refuse(place, mark_of_key(place, other), ERR_CONFIG_VALUE, err,
                             "source \"%s\" is of type %s: the section \"%s\" does not belong to it", source->name, own,
                             other);
    return RC_OK;
}

static enum rc check_s3(const struct config_place *place, const struct config_s3 *s3, struct err *err)
{
    if (s3->access_key_id != NULL && s3->secret_access_key == NULL)
        return config_refuse(place, mark_of_key(place, "access_key_id"), ERR_CONFIG_VALUE, err,
                             "s3.access_key_id needs secret_access_key, which is absent or empty");
    if (s3->access_key_id == NULL && (s3->secret_access_key != NULL || s3->session_token != NULL))
        return config_refuse(place,
                             mark_of_key(place, s3->secret_access_key != NULL ? "secret_access_key" : "session_token"),
                             ERR_CONFIG_VALUE, err,
                             "s3.secret_access_key and s3.session_token need access_key_id, which is absent or empty");
    return RC_OK;
}

enum rc config_check_settings(enum config_section section, const struct config_place *place, const void *section_struct,
                              struct err *err)
{
    switch (section) {
    case SECTION_KAFKA: return check_kafka(place, section_struct, err);
    case SECTION_SOURCE: return check_source(place, section_struct, err);
    case SECTION_S3: return check_s3(place, section_struct, err);
    default: return RC_OK;
    }
}

/* `items` are maps, each with `key`; no two may have the same name. Names are the warehouse's: case does not
 * count. */
static enum rc check_unique(const struct config_place *place, const char *list_key, const char *key,
                            const char *(*name_of)(const void *section_struct, size_t i), const void *section_struct,
                            struct err *err)
{
    const struct yaml_node *list = yaml_find(place->node, list_key);
    size_t i = 0;
    for (const struct yaml_node *item = list->first; item != NULL; item = item->next, i++) {
        const struct yaml_node *earlier = list->first;
        for (size_t j = 0; j < i; j++, earlier = earlier->next) {
            if (strcasecmp(name_of(section_struct, i), name_of(section_struct, j)) != 0)
                continue;
            return config_refuse(place, yaml_find(item, key)->mark, ERR_CONFIG_VALUE, err,
                                 "%s[].%s \"%s\" is there already, at line %u", list_key, key,
                                 name_of(section_struct, i), yaml_find(earlier, key)->mark.line);
        }
    }
    return RC_OK;
}

static const char *source_name(const void *config, size_t i)
{
    return ((const struct config *)config)->sources[i].name;
}

static const char *sink_name(const void *config, size_t i)
{
    return ((const struct config *)config)->sinks[i].name;
}

static const char *collection_name(const void *documentdb, size_t i)
{
    return ((const struct config_documentdb *)documentdb)->collections[i].name;
}

static const char *column_name(const void *collection, size_t i)
{
    return ((const struct config_collection *)collection)->columns[i].column;
}

static enum rc check_sink_sources(const struct config_place *place, const struct config *config,
                                  const struct config_sink *sink, const struct yaml_node *list, struct err *err)
{
    const struct yaml_node *item = list->first;
    for (size_t i = 0; i < sink->sources.n; i++, item = item->next) {
        struct config_suggest suggest = {.word = sink->sources.items[i]};
        bool found = false;
        for (size_t j = 0; j < config->n_sources && !found; j++) {
            found = strcmp(suggest.word, config->sources[j].name) == 0;
            config_suggest_offer(&suggest, config->sources[j].name);
        }
        char did_you_mean[96];
        if (!found)
            return config_refuse(place, item->mark, ERR_CONFIG_VALUE, err,
                                 "sink \"%s\" loads from \"%s\", but there is no source of that name%s", sink->name,
                                 item->text, config_suggest_format(&suggest, did_you_mean));
    }
    return RC_OK;
}

static enum rc check_top(const struct config_place *place, const struct config *config, struct err *err)
{
    TRY(check_unique(place, "sources", "name", source_name, config, err));
    const struct yaml_node *sinks = yaml_find(place->node, "sinks");
    if (config->n_sinks == 0)
        return RC_OK;
    TRY(check_unique(place, "sinks", "name", sink_name, config, err));
    const struct yaml_node *sink = sinks->first;
    for (size_t i = 0; i < config->n_sinks; i++, sink = sink->next)
        TRY(check_sink_sources(place, config, &config->sinks[i], yaml_find(sink, "sources"), err));
    return RC_OK;
}

enum rc config_check_whole(enum config_section section, const struct config_place *place, const void *section_struct,
                           struct err *err)
{
    switch (section) {
    case SECTION_TOP: return check_top(place, section_struct, err);
    case SECTION_DOCUMENTDB: return check_unique(place, "collections", "name", collection_name, section_struct, err);
    case SECTION_COLLECTION: return check_unique(place, "columns", "column", column_name, section_struct, err);
    default: return RC_OK;
    }
}
