#include "base/config_settings.h"

#include <string.h>

#include "base/compiler.h"

#define STRUCT_TOP        struct config
#define STRUCT_KAFKA      struct config_kafka
#define STRUCT_REGISTRY   struct config_registry
#define STRUCT_HTTP       struct config_http
#define STRUCT_SOURCE     struct config_source
#define STRUCT_POSTGRESQL struct config_postgresql
#define STRUCT_DOCUMENTDB struct config_documentdb
#define STRUCT_COLLECTION struct config_collection
#define STRUCT_COLUMN     struct config_column
#define STRUCT_SINK       struct config_sink
#define STRUCT_REDSHIFT   struct config_redshift
#define STRUCT_S3         struct config_s3

/* TYPE -> its tag and words, and how the key becomes the member's name. */
#define TYPE_STRING         SETTING_STRING, NULL
#define TYPE_STRING_OR_NONE SETTING_STRING_OR_NONE, NULL
#define TYPE_SECRET         SETTING_SECRET, NULL
#define TYPE_ENUM(words)    SETTING_ENUM, words
#define TYPE_INT            SETTING_INT, NULL
#define TYPE_BOOL           SETTING_BOOL, NULL
#define TYPE_DURATION_MS    SETTING_DURATION, NULL
#define TYPE_BYTES          SETTING_BYTES, NULL
#define TYPE_SIZE_BYTES     SETTING_BYTES, NULL
#define TYPE_STRING_LIST    SETTING_STRING_LIST, NULL
#define TYPE_SOURCE_TYPE    SETTING_SOURCE_TYPE, NULL
#define TYPE_COLUMN_TYPE    SETTING_COLUMN_TYPE, NULL

#define AS_IS(key)      key
#define WITH_MS(key)    key##_ms
#define WITH_BYTES(key) key##_bytes

#define MEMBER_STRING         AS_IS
#define MEMBER_STRING_OR_NONE AS_IS
#define MEMBER_SECRET         AS_IS
#define MEMBER_ENUM(words)    AS_IS
#define MEMBER_INT            AS_IS
#define MEMBER_BOOL           AS_IS
#define MEMBER_DURATION_MS    WITH_MS
#define MEMBER_BYTES          AS_IS
#define MEMBER_SIZE_BYTES     WITH_BYTES
#define MEMBER_STRING_LIST    AS_IS
#define MEMBER_SOURCE_TYPE    AS_IS
#define MEMBER_COLUMN_TYPE    AS_IS

// clang-format off
const struct config_setting config_settings[] = {
#define CONFIG(section, key, type, fallback, min, max, help)                                                 \
    {SECTION_##section, #key, TYPE_##type, offsetof(STRUCT_##section, MEMBER_##type(key)),                   \
     fallback, min, max, help},
#include "base/config.def"
#undef CONFIG
};
// clang-format on
const size_t config_n_settings = ARRAY_LEN(config_settings);

#define ONE(parent, key, section, presence)                                                                            \
    {                                                                                                                  \
        SECTION_##parent, #key, SECTION_##section, CHILD_##presence, false, offsetof(STRUCT_##parent, key), 0,         \
            sizeof(STRUCT_##section)                                                                                   \
    }
#define MANY(parent, key, section, presence)                                                                           \
    {                                                                                                                  \
        SECTION_##parent, #key, SECTION_##section, CHILD_##presence, true, offsetof(STRUCT_##parent, key),             \
            offsetof(STRUCT_##parent, n_##key), sizeof(STRUCT_##section)                                               \
    }

const struct config_child config_children[] = {
    ONE(TOP, kafka, KAFKA, REQUIRED),
    ONE(TOP, registry, REGISTRY, REQUIRED),
    ONE(TOP, http, HTTP, DEFAULTS),
    MANY(TOP, sources, SOURCE, REQUIRED),
    MANY(TOP, sinks, SINK, OPTIONAL),
    ONE(SOURCE, postgresql, POSTGRESQL, OPTIONAL),
    ONE(SOURCE, documentdb, DOCUMENTDB, OPTIONAL),
    MANY(DOCUMENTDB, collections, COLLECTION, REQUIRED),
    MANY(COLLECTION, columns, COLUMN, REQUIRED),
    ONE(SINK, redshift, REDSHIFT, REQUIRED),
    ONE(SINK, s3, S3, REQUIRED),
};
const size_t config_n_children = ARRAY_LEN(config_children);

static const struct {
    const char *path, *help;
} sections[SECTION_COUNT] = {
    [SECTION_TOP] = {"the top level", "what all workers share"},
    [SECTION_KAFKA] = {"kafka", "the cluster between captures and sinks"},
    [SECTION_REGISTRY] = {"registry", "where the schemas of the events are kept"},
    [SECTION_HTTP] = {"http", "the worker's own pages; may be left out"},
    [SECTION_SOURCE] = {"sources[]", "one entry for each database that is captured; at least one"},
    [SECTION_POSTGRESQL] = {"sources[].postgresql", "for sources of type postgresql, and only there"},
    [SECTION_DOCUMENTDB] = {"sources[].documentdb", "for sources of type documentdb, and only there"},
    [SECTION_COLLECTION] = {"sources[].documentdb.collections[]", "one entry for each collection; at least one"},
    [SECTION_COLUMN] = {"sources[].documentdb.collections[].columns[]", "how a document becomes a row; at least one"},
    [SECTION_SINK] = {"sinks[]", "one entry for each warehouse that is loaded; may be left out"},
    [SECTION_REDSHIFT] = {"sinks[].redshift", "the warehouse"},
    [SECTION_S3] = {"sinks[].s3", "where the parts of a batch are staged for COPY"},
};

const char *config_section_path(enum config_section section)
{
    return sections[section].path;
}

const char *config_section_help(enum config_section section)
{
    return sections[section].help;
}

const struct config_setting *config_setting_find(enum config_section section, const char *key)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        if (config_settings[i].section == section && strcmp(config_settings[i].key, key) == 0)
            return &config_settings[i];
    }
    return NULL;
}

const struct config_child *config_child_find(enum config_section section, const char *key)
{
    for (size_t i = 0; i < config_n_children; i++) {
        if (config_children[i].parent == section && strcmp(config_children[i].key, key) == 0)
            return &config_children[i];
    }
    return NULL;
}
