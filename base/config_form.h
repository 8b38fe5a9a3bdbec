/* The form that the text of some settings must have, one row a setting. */
#ifndef LEAT_BASE_CONFIG_FORM_H
#define LEAT_BASE_CONFIG_FORM_H

#include "base/config_settings.h"

struct config_form {
    enum config_section section;
    const char *key;
    bool (*is_valid)(const char *text);
    const char *must; /* "must be host:port" */
};

/* NULL: any text will do. Of a STRING_LIST it is the form of each item. */
const struct config_form *config_form_find(enum config_section section, const char *key);

#endif
