/* The rows of config.def and the sections they stand in, as tables: for the binder and for the documentation.
 */
#ifndef LEAT_BASE_CONFIG_SETTINGS_H
#define LEAT_BASE_CONFIG_SETTINGS_H

#include "base/config.h"

enum config_section {
    SECTION_TOP,
    SECTION_KAFKA,
    SECTION_REGISTRY,
    SECTION_HTTP,
    SECTION_SOURCE,
    SECTION_POSTGRESQL,
    SECTION_DOCUMENTDB,
    SECTION_COLLECTION,
    SECTION_COLUMN,
    SECTION_SINK,
    SECTION_REDSHIFT,
    SECTION_S3,
    SECTION_COUNT
};

enum config_setting_type {
    SETTING_STRING,
    SETTING_STRING_OR_NONE,
    SETTING_SECRET,
    SETTING_ENUM,
    SETTING_INT,
    SETTING_BOOL,
    SETTING_DURATION,
    SETTING_BYTES,
    SETTING_STRING_LIST,
    SETTING_SOURCE_TYPE,
    SETTING_COLUMN_TYPE,
};

struct config_setting {
    enum config_section section;
    const char *key;
    enum config_setting_type type;
    const char *choices;  /* SETTING_ENUM: words with spaces between */
    size_t offset;        /* in the section's struct */
    const char *fallback; /* NULL: required; "": may be absent */
    int64_t min, max;
    const char *help;
};

extern const struct config_setting config_settings[];
extern const size_t config_n_settings;

/* What stands under a key of a section: one section, or a list of them. */
enum config_presence {
    CHILD_REQUIRED,
    CHILD_OPTIONAL, /* absent: its struct stays zero, its list empty */
    CHILD_DEFAULTS, /* absent: its settings have their defaults */
};

struct config_child {
    enum config_section parent;
    const char *key;
    enum config_section section;
    enum config_presence presence;
    bool is_list;
    size_t offset;   /* of the struct, or of the pointer to the items */
    size_t n_offset; /* of the list's count */
    size_t item_bytes;
};

extern const struct config_child config_children[];
extern const size_t config_n_children;

/* "kafka", "sources[].postgresql"; "the top level" */
const char *config_section_path(enum config_section section);
const char *config_section_help(enum config_section section);

const struct config_setting *config_setting_find(enum config_section section, const char *key);
const struct config_child *config_child_find(enum config_section section, const char *key);

#endif
