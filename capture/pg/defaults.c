#include "capture/pg/defaults.h"

#include <strings.h>

enum {
    OID_FIRST_OF_USERS = 16384, /* FirstNormalObjectId */
    NUMERIC_HEADER_BYTES = 4,   /* a modifier below says nothing */
};

/* Types of which Debezium takes the default over (PostgresDefaultValueConverter), and what it puts for a call. */
static const struct rule {
    const char *type;
    const char *of_call;
    bool is_text;
} rules[] = {
    {"bit", "0", false},
    {"varbit", "0", false},
    {"bool", "f", false},
    {"int2", "0", false},
    {"int4", "0", false},
    {"int8", "0", false},
    {"float4", "0", false},
    {"float8", "0", false},
    {"numeric", "0", false},
    {"bpchar", "", true},
    {"varchar", "", true},
    {"text", "", true},
    {"json", "{}", true},
    {"jsonb", "{}", true},
    {"xml", "", true},
    {"uuid", "00000000-0000-0000-0000-000000000000", true},
    {"date", "1970-01-01", false},
    {"time", "00:00:00", false},
    {"timestamp", "1970-01-01 00:00:00", false},
    {"timestamptz", "1970-01-01 00:00:00+00", false},
    {"interval", "00:00:00", false},
};

static const struct rule enum_rule = {"", NULL, true};

static const struct rule *find_rule(const struct pg_type *type)
{
    if (type->is_domain || type->is_array || type->name == NULL)
        return NULL;
    if (type->enum_labels != NULL)
        return &enum_rule;
    for (size_t i = 0; type->oid < OID_FIRST_OF_USERS && i < ARRAY_LEN(rules); i++)
        if (strcmp(rules[i].type, type->name) == 0)
            return &rules[i];
    return NULL;
}

/* ---- what the expression is ---- */

/* A call stands in front, perhaps with more behind it: (now() + '1 day'::interval). */
static bool begins_with_call(const char *sql)
{
    static const char *const keywords[] = {"current_timestamp", "current_time", "current_date", "localtime",
                                           "localtimestamp"};
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (strcasecmp(sql, keywords[i]) == 0)
            return true;
    sql += *sql == '(';
    size_t name = strspn(sql, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.");
    return name > 0 && sql[name] == '(' && strchr(sql + name, ')') != NULL;
}

/* Nothing but names of types, from the end of a literal on: '5'::text)::integer. */
static bool is_casts(const char *at)
{
    for (;;) {
        at += strspn(at, ")");
        if (*at == '\0')
            return true;
        size_t colons = strspn(at, ":");
        at += colons;
        size_t name = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_. \"(,[]");
        if (colons != 2 || name == 0)
            return false;
        at += name;
    }
}

/* The text of a literal, of which casts may be around; of an enum's, which Debezium wants bare, only behind. */
static bool put_literal(const char *sql, bool bare, struct buf *text)
{
    sql += bare ? 0 : strspn(sql, "(");
    sql += *sql == 'B';
    if (*sql++ != '\'')
        return false;
    for (; *sql != '\0'; sql++) {
        if (*sql == '\'' && *++sql != '\'')
            return is_casts(sql);
        buf_put_u8(text, (uint8_t)*sql);
    }
    return false;
}

static bool put_unquoted(const char *sql, struct buf *text)
{
    bool is_number = *sql != '\0' && strspn(sql, "0123456789+-.eE") == strlen(sql);
    buf_put_str(text, sql);
    return is_number || strcmp(sql, "true") == 0 || strcmp(sql, "false") == 0;
}

static bool put_text(const struct rule *rule, const char *sql, struct buf *text)
{
    bool is_enum = rule == &enum_rule;
    if (!is_enum && begins_with_call(sql)) {
        buf_put_str(text, rule->of_call);
        return true;
    }
    return put_literal(sql, is_enum, text) || (!is_enum && put_unquoted(sql, text));
}

/* ---- as a value of the type would be written ---- */

/* Digits behind the point as the column keeps them. False: it would have to round. */
static bool fit_scale(struct buf *text, size_t scale)
{
    const uint8_t *point = memchr(text->ptr, '.', text->len);
    size_t digits = point == NULL ? 0 : text->len - (size_t)(point - text->ptr) - 1;
    for (; digits > scale; digits--)
        if (text->ptr[--text->len] != '0')
            return false;
    if (point != NULL && scale == 0)
        text->len--;
    if (point == NULL && scale > 0)
        buf_put_u8(text, '.');
    for (; digits < scale; digits++)
        buf_put_u8(text, '0');
    return true;
}

static bool fit_moment(const struct pg_type *type, struct buf *text)
{
    bool has_time = memchr(text->ptr, ':', text->len) != NULL;
    const uint8_t *blank = memchr(text->ptr, ' ', text->len);
    if (strcmp(type->name, "timestamp") == 0 && !has_time)
        buf_put_str(text, " 00:00:00");
    if (strcmp(type->name, "date") == 0 && has_time && blank != NULL)
        text->len = (size_t)(blank - text->ptr);
    return true;
}

/* Avro has no default that is none of a number, and a date or time has no infinity. */
static bool is_finite(const struct buf *text)
{
    static const char *const others[] = {"nan", "infinity", "-infinity"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (text->len == strlen(others[i]) && strncasecmp((const char *)text->ptr, others[i], text->len) == 0)
            return false;
    return true;
}

static bool fit(const struct pg_type *type, const struct pg_encoder *encoder, struct buf *text)
{
    if (text->failed || text->len == 0 || !is_finite(text))
        return false;
    if (strcmp(type->name, "bool") == 0)
        text->len = 1; /* the type's output is t or f, its constants are true and false */
    if (strcmp(type->name, "numeric") == 0 && type->typmod >= NUMERIC_HEADER_BYTES)
        return fit_scale(text, (size_t)encoder->scale);
    return fit_moment(type, text);
}

bool pg_default_put(const struct pg_type *type, const struct column *column, const struct pg_encoder *encoder,
                    const char *sql, struct buf *out)
{
    const struct rule *rule = find_rule(type);
    if (rule == NULL || column->type == COLUMN_VARIABLE_DECIMAL) /* a record has none: KAFKA-12694 */
        return false;
    SCOPED(buf_done) struct buf text = buf_new(2 * strlen(sql) + 2048);
    return put_text(rule, sql, &text) && (rule->is_text || fit(type, encoder, &text)) &&
           pg_encoder_put(encoder, buf_slice(&text), out) && !out->failed;
}
