#include "proto/registry.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/http_client.h"
#include "proto/avro_type.h"

enum {
    REGISTRY_BUCKETS = 256,
    REGISTRY_URL_MAX_BYTES = 4096,
    REGISTRY_BODY_MAX_BYTES = 32 << 20,
    REGISTRY_TYPES_MAX_BYTES = 64 << 20,
    HTTP_BAD_REQUEST = 400,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_REQUEST_TIMEOUT = 408,
    HTTP_CONFLICT = 409,
    HTTP_TOO_MANY_REQUESTS = 429,
    HTTP_SERVER_ERRORS = 500,
};

/* Both caches are chains of these: by subject and text to the id, by id to the text. */
struct cached {
    struct cached *next;
    uint32_t id;
    char *subject; /* NULL where only the id is the key */
    size_t schema_len;
    char *schema;
};

struct registry {
    struct http_client *http;
    char *url;
    const char *shown; /* the address for messages: without user and password */
    struct cached *ids[REGISTRY_BUCKETS];
    struct cached *schemas[REGISTRY_BUCKETS];
};

DEFINE_SCOPED(json_t *, json_decref)

struct registry *registry_new(const struct config_registry *config)
{
    const struct http_client_options options = {
        .username = config->username,
        .password = config->password,
        .ca_file = config->ca_file,
    };
    struct registry *registry = calloc(1, sizeof(*registry));
    char *url = strdup(config->url);
    if (registry == NULL || url == NULL)
        abort(); /* a few kilobytes, at start */
    for (size_t len = strlen(url); len > 0 && url[len - 1] == '/'; len--)
        url[len - 1] = '\0';
    char *authority = strstr(url, "://");
    char *at = authority == NULL ? NULL : strchr(authority, '@');
    registry->url = url;
    registry->shown = at == NULL ? url : at + 1;
    registry->http = http_client_new(&options);
    return registry;
}

/* --- caches --- */

static void cached_free(struct cached *entry)
{
    if (entry == NULL)
        return;
    free(entry->subject);
    free(entry->schema);
    free(entry);
}

static void chain_free(struct cached *entry)
{
    while (entry != NULL) {
        struct cached *next = entry->next;
        cached_free(entry);
        entry = next;
    }
}

void registry_free(struct registry *registry)
{
    if (registry == NULL)
        return;
    for (size_t i = 0; i < REGISTRY_BUCKETS; i++) {
        chain_free(registry->ids[i]);
        chain_free(registry->schemas[i]);
    }
    http_client_free(registry->http);
    free(registry->url);
    free(registry);
}

/* FNV-1a: the keys are ours, nobody chooses them to collide. */
static size_t bucket_of(const char *subject, struct slice schema)
{
    uint32_t hash = 2166136261u;
    for (const char *p = subject; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    for (size_t i = 0; i < schema.len; i++)
        hash = (hash ^ schema.ptr[i]) * 16777619u;
    return hash % REGISTRY_BUCKETS;
}

/* NULL when there is no memory: the answer is then only not kept. */
static struct cached *cached_new(const char *subject, uint32_t id, struct slice schema)
{
    struct cached *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    entry->id = id;
    entry->subject = subject == NULL ? NULL : strdup(subject);
    entry->schema = malloc(schema.len + 1);
    entry->schema_len = schema.len;
    if (entry->schema == NULL || (subject != NULL && entry->subject == NULL)) {
        cached_free(entry);
        return NULL;
    }
    memcpy(entry->schema, schema.ptr, schema.len);
    entry->schema[schema.len] = '\0';
    return entry;
}

static const struct cached *find_id(const struct registry *registry, const char *subject, struct slice schema)
{
    for (const struct cached *at = registry->ids[bucket_of(subject, schema)]; at != NULL; at = at->next)
        if (strcmp(at->subject, subject) == 0 && slice_eq(slice_of(at->schema, at->schema_len), schema))
            return at;
    return NULL;
}

static const struct cached *find_schema(const struct registry *registry, uint32_t id)
{
    for (const struct cached *at = registry->schemas[id % REGISTRY_BUCKETS]; at != NULL; at = at->next)
        if (at->id == id)
            return at;
    return NULL;
}

static void chain_put(struct cached **chain, struct cached *entry)
{
    if (entry == NULL)
        return;
    entry->next = *chain;
    *chain = entry;
}

/* --- requests --- */

static enum rc send_request(struct registry *registry, const char *method, const char *path, struct slice body,
                            struct http_response *ret, struct err *err)
{
    static const struct http_header headers[] = {
        {"Accept", "application/vnd.schemaregistry.v1+json, application/json"},
        {"Content-Type", "application/vnd.schemaregistry.v1+json"},
    };
    SCOPED(buf_done) struct buf url = buf_new(REGISTRY_URL_MAX_BYTES);
    buf_put_str(&url, registry->url);
    buf_put_str(&url, path);
    const struct http_request request = {
        .method = method,
        .url = buf_cstr(&url),
        .headers = headers,
        .n_headers = body.ptr == NULL ? 1 : ARRAY_LEN(headers),
        .body = body,
    };
    if (url.failed)
        return err_set(err, ERR_BUG, "the registry's address for %s does not fit %d bytes", path,
                       REGISTRY_URL_MAX_BYTES);
    return http_client_send(registry->http, &request, ERR_REGISTRY_UNREACHABLE, ret, err);
}

static bool is_transient(long status)
{
    return status >= HTTP_SERVER_ERRORS || status == HTTP_REQUEST_TIMEOUT || status == HTTP_TOO_MANY_REQUESTS ||
           status < HTTP_BAD_REQUEST; /* a redirect or another answer that is no registry's */
}

/* Any status but 2xx. `what` begins the message: "could not register a schema under x". */
static enum rc refuse(const struct registry *registry, const char *what, long status, const json_t *json,
                      enum err_code not_found, struct err *err)
{
    json_int_t error_code = json_integer_value(json_object_get(json, "error_code"));
    const char *words = json_string_value(json_object_get(json, "message"));
    if (status == HTTP_UNAUTHORIZED || status == HTTP_FORBIDDEN)
        return err_set(err, ERR_REGISTRY_REFUSED,
                       "%s: %s answers HTTP %ld: check registry.username and registry.password, and the user's rights",
                       what, registry->shown, status);
    if (json == NULL || is_transient(status))
        return err_set(err, ERR_REGISTRY_UNREACHABLE, "%s: %s answers HTTP %ld%s%.200s%s", what, registry->shown,
                       status, words == NULL ? "" : ": ", words == NULL ? "" : words,
                       json == NULL ? " and no JSON: is something else there than a schema registry?" : "");
    enum err_code code = status == HTTP_NOT_FOUND  ? not_found
                         : status == HTTP_CONFLICT ? ERR_REGISTRY_INCOMPATIBLE
                                                   : ERR_REGISTRY_REFUSED;
    return err_set(err, code, "%s: HTTP %ld, error_code %lld: %.400s", what, status, (long long)error_code,
                   words == NULL ? "the registry gives no reason" : words);
}

/* Sends and reads the answer as JSON; RC_OK only for 2xx. The caller frees *ret_json. */
static enum rc ask(struct registry *registry, const char *what, const char *method, const char *path, struct slice body,
                   enum err_code not_found, json_t **ret_json, struct err *err)
{
    struct http_response response;
    enum rc rc = send_request(registry, method, path, body, &response, err);
    if (rc != RC_OK) {
        err_wrap(err, "%s", what);
        return rc; /* not the wrap's: a stop is no failure, but no answer either */
    }
    json_t *json = json_loadb((const char *)response.body.ptr, response.body.len, JSON_ALLOW_NUL, NULL);
    if (response.status / 100 == 2 && json != NULL) {
        *ret_json = json;
        return RC_OK;
    }
    rc = refuse(registry, what, response.status, json, not_found, err);
    json_decref(json);
    return rc;
}

enum rc registry_ping(struct registry *registry, struct err *err)
{
    SCOPED(json_decref) json_t *json = NULL;
    return ask(registry, "could not list the registry's subjects", "GET", "/subjects", (struct slice){0},
               ERR_REGISTRY_REFUSED, &json, err);
}

/* RFC 3986: unreserved characters stay. */
static void put_url_segment(struct buf *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const char *p = text; *p != '\0'; p++) {
        uint8_t byte = (uint8_t)*p;
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                     byte == '-' || byte == '.' || byte == '_' || byte == '~';
        if (plain) {
            buf_put_u8(out, byte);
        } else {
            const uint8_t escape[] = {'%', (uint8_t)hex[byte >> 4], (uint8_t)hex[byte & 15]};
            buf_put(out, escape, sizeof(escape));
        }
    }
}

static enum rc post_schema(struct registry *registry, const char *subject, struct slice schema, json_t **ret_json,
                           struct err *err)
{
    SCOPED(buf_done) struct buf path = buf_new(REGISTRY_URL_MAX_BYTES);
    SCOPED(buf_done) struct buf body = buf_new(REGISTRY_BODY_MAX_BYTES);
    char what[400];
    buf_put_str(&path, "/subjects/");
    put_url_segment(&path, subject);
    buf_put_str(&path, "/versions");
    buf_put_str(&body, "{\"schema\":");
    buf_put_json_string(&body, schema);
    buf_put_u8(&body, '}');
    snprintf(what, sizeof(what), "could not register a schema under \"%s\"", subject);
    const char *path_text = buf_cstr(&path);
    if (path.failed || body.failed)
        return err_set(err, ERR_MEMORY_LIMIT, "%s: the request does not fit", what);
    return ask(registry, what, "POST", path_text, buf_slice(&body), ERR_REGISTRY_REFUSED, ret_json, err);
}

static enum rc not_an_answer(const struct registry *registry, const char *what, struct err *err)
{
    return err_set(err, ERR_REGISTRY_UNREACHABLE,
                   "%s answers %s without what a schema registry puts in: is registry.url right?", registry->shown,
                   what);
}

/* Protobuf, JSON Schema, and schemas in several pieces are not what our topics carry. */
static enum rc check_is_whole_avro(const json_t *json, uint32_t id, struct err *err)
{
    const char *type = json_string_value(json_object_get(json, "schemaType"));
    if (type != NULL && strcmp(type, "AVRO") != 0)
        return err_set(err, ERR_SCHEMA_UNSUPPORTED, "schema %u is of type %.40s, not AVRO", id, type);
    if (json_array_size(json_object_get(json, "references")) > 0)
        return err_set(err, ERR_SCHEMA_UNSUPPORTED, "schema %u refers to other schemas", id);
    return RC_OK;
}

static enum rc fetch_schema(struct registry *registry, uint32_t id, enum err_code not_found, const struct cached **ret,
                            struct err *err)
{
    SCOPED(json_decref) json_t *json = NULL;
    char path[64], what[64];
    snprintf(path, sizeof(path), "/schemas/ids/%u", id);
    snprintf(what, sizeof(what), "could not get schema %u", id);
    TRY(ask(registry, what, "GET", path, (struct slice){0}, not_found, &json, err));
    const json_t *schema = json_object_get(json, "schema");
    if (!json_is_string(schema))
        return not_an_answer(registry, "a request for a schema", err);
    TRY(check_is_whole_avro(json, id, err));
    struct cached *entry = cached_new(NULL, id, slice_of(json_string_value(schema), json_string_length(schema)));
    if (entry == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not keep schema %u", id);
    chain_put(&registry->schemas[id % REGISTRY_BUCKETS], entry);
    *ret = entry;
    return RC_OK;
}

enum rc registry_schema(struct registry *registry, uint32_t id, struct slice *ret_schema_json, struct err *err)
{
    const struct cached *known = find_schema(registry, id);
    if (known == NULL)
        TRY(fetch_schema(registry, id, ERR_REGISTRY_UNKNOWN_ID, &known, err));
    *ret_schema_json = slice_of(known->schema, known->schema_len);
    return RC_OK;
}

static enum rc compare(struct slice schema_json, const struct cached *held, bool *ret_same, struct err *err)
{
    SCOPED(arena_free) struct arena *arena = arena_new(REGISTRY_TYPES_MAX_BYTES);
    const struct avro_type *ours, *theirs;
    TRY(avro_type_parse((const char *)schema_json.ptr, schema_json.len, arena, &ours, err));
    TRY(avro_type_parse(held->schema, held->schema_len, arena, &theirs, err));
    *ret_same = avro_type_same(ours, theirs);
    return RC_OK;
}

/* Under this id readers will find the schema that was registered: what is written with a wrong one cannot be read. It
 * happens behind a proxy, with a registry that was restored, and with ids of another kind than the ones in the API. */
static enum rc check_id(struct registry *registry, const char *subject, struct slice schema_json, uint32_t id,
                        struct err *err)
{
    const struct cached *held = find_schema(registry, id);
    bool same = false;
    if (held != NULL)
        TRY(compare(schema_json, held, &same, err));
    if (same)
        return RC_OK;
    TRY(fetch_schema(registry, id, ERR_REGISTRY_UNREACHABLE, &held, err));
    TRY(compare(schema_json, held, &same, err));
    if (!same)
        return err_set(err, ERR_REGISTRY_UNREACHABLE,
                       "%s answers that \"%s\" has id %u, and keeps another schema there", registry->shown, subject,
                       id);
    return RC_OK;
}

enum rc registry_register(struct registry *registry, const char *subject, struct slice schema_json, uint32_t *ret_id,
                          struct err *err)
{
    const struct cached *known = find_id(registry, subject, schema_json);
    if (known != NULL) {
        *ret_id = known->id;
        return RC_OK;
    }
    SCOPED(json_decref) json_t *json = NULL;
    TRY(post_schema(registry, subject, schema_json, &json, err));
    const json_t *id = json_object_get(json, "id");
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > UINT32_MAX)
        return not_an_answer(registry, "a registration", err);
    TRY(check_id(registry, subject, schema_json, (uint32_t)json_integer_value(id), err));
    *ret_id = (uint32_t)json_integer_value(id);
    chain_put(&registry->ids[bucket_of(subject, schema_json)], cached_new(subject, *ret_id, schema_json));
    return RC_OK;
}
