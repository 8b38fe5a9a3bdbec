#include "base/config_form.h"

#include <ctype.h>
#include <string.h>

#include "base/compiler.h"
#include "base/config_value.h"

enum {
    NAME_MAX_CHARS = 40, /* with "leat_" before it, it is a replication slot (63) and part of a topic (249) */
    PREFIX_MAX_CHARS = 100,
    PG_NAME_MAX_CHARS = 63,  /* NAMEDATALEN - 1 */
    RS_NAME_MAX_CHARS = 127, /* of Redshift's identifiers */
};

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool is_made_of(const char *text, const char *letters, size_t max_chars)
{
    size_t len = strlen(text);
    return len >= 1 && len <= max_chars && strspn(text, letters) == len;
}

static bool is_prefix(const char *text)
{
    return is_made_of(text, UPPER LOWER DIGITS "._-", PREFIX_MAX_CHARS);
}

static bool is_name(const char *text)
{
    return is_made_of(text, LOWER DIGITS "_", NAME_MAX_CHARS);
}

static bool is_slot(const char *text)
{
    return is_made_of(text, LOWER DIGITS "_", PG_NAME_MAX_CHARS);
}

static bool is_pg_name(const char *text)
{
    return strlen(text) <= PG_NAME_MAX_CHARS;
}

static bool is_port(const char *text, size_t len, int64_t min_port)
{
    enum { MAX_PORT_DIGITS = 5, MAX_PORT = 65535 };
    char digits[MAX_PORT_DIGITS + 1] = "";
    if (len > MAX_PORT_DIGITS)
        return false;
    memcpy(digits, text, len);
    int64_t port;
    return config_value_int(digits, &port) && port >= min_port && port <= MAX_PORT;
}

/* An IPv6 address stands in brackets, or its end could not be told from the port. */
static bool is_host_port(const char *text, size_t len, int64_t min_port)
{
    const char *colon = memrchr(text, ':', len);
    if (colon == NULL || colon == text || memchr(text, ' ', len) != NULL || memchr(text, '/', len) != NULL)
        return false;
    if (memchr(text, ':', (size_t)(colon - text)) != NULL && (*text != '[' || colon[-1] != ']'))
        return false;
    return is_port(colon + 1, len - (size_t)(colon + 1 - text), min_port);
}

static bool is_broker_list(const char *text)
{
    for (;;) {
        text += strspn(text, " ");
        size_t len = strcspn(text, ",");
        size_t trimmed = len;
        while (trimmed > 0 && text[trimmed - 1] == ' ')
            trimmed--;
        if (!is_host_port(text, trimmed, 1))
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

static bool is_listen(const char *text)
{
    return *text == ':' ? is_port(text + 1, strlen(text + 1), 0) : is_host_port(text, strlen(text), 0);
}

/* Credentials in an address would stand in every message that names it. */
static bool is_http_url(const char *text)
{
    const char *rest = strncmp(text, "http://", 7) == 0 ? text + 7 : strncmp(text, "https://", 8) == 0 ? text + 8 : "";
    return *rest != '\0' && *rest != '/' && strpbrk(rest, "@ ?#") == NULL;
}

static bool is_mongodb_uri(const char *text)
{
    return strncmp(text, "mongodb://", 10) == 0 || strncmp(text, "mongodb+srv://", 14) == 0;
}

/* https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions, the strictest platform's */
static bool is_document_database(const char *text)
{
    return strlen(text) < 64 && strpbrk(text, "/\\. \"$*<>:|?") == NULL;
}

/* Names as the server has them: a blank or another dot may be in them, the quotes of SQL are not. */
static bool is_schema_table(const char *text)
{
    const char *dot = strchr(text, '.');
    return dot != NULL && dot != text && dot[1] != '\0' && dot[-1] != ' ' && dot[1] != ' ' && *text != ' ' &&
           text[strlen(text) - 1] != ' ' && strchr(text, '"') == NULL;
}

/* Avro's rule for names (https://avro.apache.org/docs/1.11.1/specification/#names); _leat... columns are
 * ours. */
static bool is_column(const char *text)
{
    return is_made_of(text, UPPER LOWER DIGITS "_", RS_NAME_MAX_CHARS) && !isdigit((unsigned char)*text) &&
           strncasecmp(text, "_leat", 5) != 0 && strcmp(text, "_id") != 0;
}

static bool is_path(const char *text)
{
    return *text != '.' && text[strlen(text) - 1] != '.' && strstr(text, "..") == NULL;
}

/* https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, as far as a typo goes */
static bool is_bucket(const char *text)
{
    return strlen(text) >= 3 && is_made_of(text, LOWER DIGITS ".-", 63);
}

static bool is_iam_role(const char *text)
{
    return strcmp(text, "default") == 0 || strncmp(text, "arn:", 4) == 0;
}

static bool is_key_prefix(const char *text)
{
    return *text != '/' && text[strlen(text) - 1] != '/';
}

static const struct config_form forms[] = {
    {SECTION_TOP, "prefix", is_prefix, "must be 1 to 100 of A-Z a-z 0-9 . _ -"},
    {SECTION_KAFKA, "brokers", is_broker_list, "must be host:port[,host:port...]"},
    {SECTION_REGISTRY, "url", is_http_url, "must be http://... or https://..., without user, password or query in it"},
    {SECTION_HTTP, "listen", is_listen, "must be host:port, such as 127.0.0.1:9102, [::]:9102 or :9102"},
    {SECTION_SOURCE, "name", is_name, "must be 1 to 40 of a-z 0-9 _"},
    {SECTION_POSTGRESQL, "slot", is_slot, "must be 1 to 63 of a-z 0-9 _"},
    {SECTION_POSTGRESQL, "publication", is_pg_name, "must have at most 63 characters"},
    {SECTION_POSTGRESQL, "tables", is_schema_table, "must be schema.table, without quotes"},
    {SECTION_DOCUMENTDB, "uri", is_mongodb_uri, "must begin with mongodb:// or mongodb+srv://"},
    {SECTION_DOCUMENTDB, "database", is_document_database, "must be the name of a database"},
    {SECTION_COLUMN, "column", is_column,
     "must be letters, digits and _ (not beginning with a digit or with _leat; _id is always there by itself)"},
    {SECTION_COLUMN, "path", is_path, "must be names with single dots between, such as details.lag"},
    {SECTION_SINK, "name", is_name, "must be 1 to 40 of a-z 0-9 _"},
    {SECTION_REDSHIFT, "iam_role", is_iam_role, "must be default or begin with arn:"},
    {SECTION_S3, "bucket", is_bucket, "must be 3 to 63 of a-z 0-9 . -"},
    {SECTION_S3, "prefix", is_key_prefix, "must not begin or end with /"},
    {SECTION_S3, "endpoint", is_http_url, "must be http://... or https://..., without user, password or query in it"},
};

const struct config_form *config_form_find(enum config_section section, const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (forms[i].section == section && strcmp(forms[i].key, key) == 0)
            return &forms[i];
    }
    return NULL;
}
