/* What must hold between settings; forms and ranges of single ones are the binder's. */
#ifndef LEAT_BASE_CONFIG_CHECK_H
#define LEAT_BASE_CONFIG_CHECK_H

#include "base/config_settings.h"
#include "base/yaml.h"

/* Where a section stands in the file: for messages. */
struct config_place {
    const char *file;
    const struct yaml_node *node; /* the section's map; NULL when it was left out */
    struct yaml_mark mark;        /* of the section's start */
};

/* "leat.yaml:12:5: " and the message. */
enum rc config_refuse(const struct config_place *place, struct yaml_mark mark, enum err_code code, struct err *err,
                      const char *format, ...) PRINTF_LIKE(5, 6);

/* After the settings of a section are bound, before the sections below it are. `section_struct` is its
 * struct. */
MUST_CHECK enum rc config_check_settings(enum config_section section, const struct config_place *place,
                                         const void *section_struct, struct err *err);
/* After the sections below it are bound, too. */
MUST_CHECK enum rc config_check_whole(enum config_section section, const struct config_place *place,
                                      const void *section_struct, struct err *err);

#endif
