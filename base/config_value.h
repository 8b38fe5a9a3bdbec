/* What the text of one setting means. Pure: no positions, no names of settings; the binder adds those. */
#ifndef LEAT_BASE_CONFIG_VALUE_H
#define LEAT_BASE_CONFIG_VALUE_H

#include "base/arena.h"
#include "base/config.h"

/* false: not written in that form. A number too large for the type becomes INT64_MAX, for the range check to
 * refuse. */
bool config_value_int(const char *text, int64_t *ret);
bool config_value_bool(const char *text, bool *ret);
bool config_value_duration_ms(const char *text, int64_t *ret_ms); /* 500ms 15s 10m 2h 7d */
bool config_value_bytes(const char *text, int64_t *ret_bytes);    /* 4096 64KiB 64MiB 1GiB 1TiB */
/* Sets type, precision and scale of the column. */
bool config_value_column_type(const char *text, struct config_column *ret_column);
/* Whether it is one of the words of "a b c". */
bool config_value_is_choice(const char *choices, const char *text);

/* In the largest unit that divides it: what the parser reads back. */
void config_value_format_duration(int64_t ms, char out[32]);
void config_value_format_bytes(int64_t bytes, char out[32]);

/* Replaces ${NAME} by the environment's variable and $${ by a literal ${; a $ anywhere else stays. The text
 * is in the arena, or raw itself when there is nothing to replace. Errors name the variable, never its value.
 */
MUST_CHECK enum rc config_value_expand(const char *raw, struct arena *arena, const char **ret_text, struct err *err);

#endif
