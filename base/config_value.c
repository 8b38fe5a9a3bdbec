#include "base/config_value.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* from the largest: the order in which formatting tries them */
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit size_units[] = {{"TiB", INT64_C(1) << 40},
                                         {"GiB", INT64_C(1) << 30},
                                         {"MiB", INT64_C(1) << 20},
                                         {"KiB", INT64_C(1) << 10},
                                         {"", 1}};

/* Digits only; what follows them is at *ret_end. */
static bool read_digits(const char *text, int64_t *ret, const char **ret_end)
{
    if (!isdigit((unsigned char)*text))
        return false;
    int64_t value = 0;
    for (; isdigit((unsigned char)*text); text++) {
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *text - '0', &value))
            value = INT64_MAX;
    }
    *ret = value;
    *ret_end = text;
    return true;
}

bool config_value_int(const char *text, int64_t *ret)
{
    bool negative = *text == '-';
    const char *end;
    int64_t value;
    if (!read_digits(text + negative, &value, &end) || *end != '\0')
        return false;
    *ret = negative ? -value : value;
    return true;
}

bool config_value_bool(const char *text, bool *ret)
{
    bool is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0)
        return false;
    *ret = is_true;
    return true;
}

static bool read_with_unit(const char *text, const struct unit *units, size_t n_units, int64_t *ret)
{
    const char *unit;
    int64_t value;
    if (!read_digits(text, &value, &unit))
        return false;
    for (size_t i = 0; i < n_units; i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(value, units[i].factor, ret))
            *ret = INT64_MAX;
        return true;
    }
    return false;
}

bool config_value_duration_ms(const char *text, int64_t *ret_ms)
{
    return read_with_unit(text, duration_units, ARRAY_LEN(duration_units), ret_ms);
}

bool config_value_bytes(const char *text, int64_t *ret_bytes)
{
    return read_with_unit(text, size_units, ARRAY_LEN(size_units), ret_bytes);
}

static void format_with_unit(int64_t value, const struct unit *units, size_t n_units, char out[32])
{
    size_t i = 0;
    while (i + 1 < n_units && (value == 0 || value % units[i].factor != 0))
        i++;
    snprintf(out, 32, "%lld%s", (long long)(value / units[i].factor), units[i].name);
}

void config_value_format_duration(int64_t ms, char out[32])
{
    format_with_unit(ms, duration_units, ARRAY_LEN(duration_units), out);
}

void config_value_format_bytes(int64_t bytes, char out[32])
{
    format_with_unit(bytes, size_units, ARRAY_LEN(size_units), out);
}

static const struct {
    const char *name;
    enum config_column_type type;
} column_types[] = {
    {"string", CONFIG_COLUMN_STRING}, {"int", CONFIG_COLUMN_INT},           {"long", CONFIG_COLUMN_LONG},
    {"double", CONFIG_COLUMN_DOUBLE}, {"bool", CONFIG_COLUMN_BOOL},         {"timestamp", CONFIG_COLUMN_TIMESTAMP},
    {"json", CONFIG_COLUMN_JSON},     {"objectid", CONFIG_COLUMN_OBJECTID},
};

/* decimal(p,s), spaces allowed inside the brackets; 38 digits are what the warehouse's NUMERIC holds. */
static bool read_decimal(const char *text, struct config_column *ret_column)
{
    static const char head[] = "decimal(";
    enum { MAX_PRECISION = 38 };
    int64_t precision, scale;
    if (strncmp(text, head, sizeof(head) - 1) != 0)
        return false;
    text += sizeof(head) - 1;
    text += strspn(text, " ");
    if (!read_digits(text, &precision, &text))
        return false;
    text += strspn(text, " ");
    if (*text++ != ',')
        return false;
    text += strspn(text, " ");
    if (!read_digits(text, &scale, &text))
        return false;
    text += strspn(text, " ");
    if (strcmp(text, ")") != 0 || precision < 1 || precision > MAX_PRECISION || scale > precision)
        return false;
    ret_column->type = CONFIG_COLUMN_DECIMAL;
    ret_column->precision = (int)precision;
    ret_column->scale = (int)scale;
    return true;
}

bool config_value_column_type(const char *text, struct config_column *ret_column)
{
    for (size_t i = 0; i < ARRAY_LEN(column_types); i++) {
        if (strcmp(text, column_types[i].name) == 0) {
            ret_column->type = column_types[i].type;
            return true;
        }
    }
    return read_decimal(text, ret_column);
}

bool config_value_is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || strchr(text, ' ') != NULL)
        return false;
    for (const char *at = strstr(choices, text); at != NULL; at = strstr(at + 1, text)) {
        bool begins = at == choices || at[-1] == ' ';
        bool ends = at[len] == '\0' || at[len] == ' ';
        if (begins && ends)
            return true;
    }
    return false;
}

/* Letters, digits, _; not beginning with a digit: POSIX's form. 0 when there is no name. */
static size_t variable_name_len(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '_')
        return 0;
    size_t len = 1;
    while (isalnum((unsigned char)text[len]) || text[len] == '_')
        len++;
    return len;
}

/* text points behind "${"; ret_value is the environment's, *ret_end behind the "}". */
static enum rc lookup_variable(const char *text, const char **ret_value, const char **ret_end, struct err *err)
{
    enum { MAX_NAME = 255 };
    char name[MAX_NAME + 1];
    size_t len = variable_name_len(text);
    if (len == 0 || len > MAX_NAME || text[len] != '}')
        return err_set(err, ERR_CONFIG_ENV, "a ${ is not followed by the name of an environment variable and a }");
    memcpy(name, text, len);
    name[len] = '\0';
    const char *value = getenv(name);
    if (value == NULL)
        return err_set(err, ERR_CONFIG_ENV, "the environment variable \"%s\" is not set", name);
    *ret_value = value;
    *ret_end = text + len + 1;
    return RC_OK;
}

enum rc config_value_expand(const char *raw, struct arena *arena, const char **ret_text, struct err *err)
{
    if (strstr(raw, "${") == NULL) {
        *ret_text = raw;
        return RC_OK;
    }
    struct buf out = arena_open(arena);
    enum rc rc = RC_OK;
    while (*raw != '\0' && rc == RC_OK) {
        const char *value = "";
        if (strncmp(raw, "$${", 3) == 0) {
            buf_put_str(&out, "${");
            raw += 3;
        } else if (strncmp(raw, "${", 2) == 0) {
            rc = lookup_variable(raw + 2, &value, &raw, err);
            if (rc == RC_OK)
                buf_put_str(&out, value);
        } else {
            buf_put_u8(&out, (uint8_t)*raw++);
        }
    }
    buf_put_u8(&out, '\0');
    struct slice text = arena_close(arena, &out);
    TRY(rc);
    if (text.ptr == NULL)
        return err_set(err, ERR_CONFIG_VALUE, "the value is too long");
    *ret_text = (const char *)text.ptr;
    return RC_OK;
}
