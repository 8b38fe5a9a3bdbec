#include "proto/request.h"

#include <inttypes.h>
#include <jansson.h>

enum { REQUEST_VERSION = 1, REQUEST_MAX_TABLES = 1 << 20 };

static const char *const kind_names[] = {
    [REQUEST_SNAPSHOT] = "snapshot",
    [REQUEST_CANCEL] = "cancel",
};

const char *request_kind_name(enum request_kind kind)
{
    return kind_names[kind];
}

void request_encode(const struct request *request, struct buf *out)
{
    buf_printf(out, "{\"v\":%d,\"kind\":\"%s\",\"id\":", REQUEST_VERSION, kind_names[request->kind]);
    buf_put_json_string(out, slice_of_str(request->id));
    buf_printf(out, ",\"requested_us\":%" PRId64 ",\"all\":%s,\"tables\":[", request->requested_us,
               request->all ? "true" : "false");
    for (size_t i = 0; i < request->n_tables; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        buf_put_json_string(out, slice_of_str(request->tables[i]));
    }
    buf_put_u8(out, ']');
    if (request->where != NULL) {
        buf_put_str(out, ",\"where\":");
        buf_put_json_string(out, slice_of_str(request->where));
    }
    buf_put_u8(out, '}');
}

/* ---- decode ---- */

DEFINE_SCOPED(json_t *, json_decref)

static enum rc refuse(struct err *err, const char *name)
{
    return err_set(err, ERR_REQUEST_REFUSED, "a request has no valid \"%s\"", name);
}

static enum rc keep_text(const json_t *value, const char *name, struct arena *arena, const char **ret, struct err *err)
{
    const char *text = json_string_value(value);
    if (text == NULL || strlen(text) != json_string_length(value))
        return refuse(err, name);
    *ret = arena_strdup(arena, slice_of_str(text));
    return *ret != NULL ? RC_OK : err_set(err, ERR_REQUEST_REFUSED, "a request is too large");
}

static enum rc read_kind(const json_t *object, enum request_kind *ret, struct err *err)
{
    const char *name = json_string_value(json_object_get(object, "kind"));
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(kind_names); i++)
        if (strcmp(name, kind_names[i]) == 0) {
            *ret = (enum request_kind)i;
            return RC_OK;
        }
    return refuse(err, "kind");
}

static enum rc read_tables(const json_t *object, struct arena *arena, struct request *request, struct err *err)
{
    const json_t *list = json_object_get(object, "tables");
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > REQUEST_MAX_TABLES || (n == 0) != request->all)
        return refuse(err, "tables");
    const char **tables = arena_array(arena, const char *, MAX(n, (size_t)1));
    if (tables == NULL)
        return err_set(err, ERR_REQUEST_REFUSED, "a request is too large");
    for (size_t i = 0; i < n; i++)
        TRY(keep_text(json_array_get(list, i), "tables", arena, &tables[i], err));
    request->tables = tables;
    request->n_tables = n;
    return RC_OK;
}

static enum rc read_request(const json_t *object, struct arena *arena, struct request *request, struct err *err)
{
    const json_t *version = json_object_get(object, "v"), *all = json_object_get(object, "all");
    const json_t *requested = json_object_get(object, "requested_us"), *where = json_object_get(object, "where");
    if (json_integer_value(version) != REQUEST_VERSION)
        return refuse(err, "v");
    TRY(read_kind(object, &request->kind, err));
    TRY(keep_text(json_object_get(object, "id"), "id", arena, &request->id, err));
    if (!json_is_integer(requested))
        return refuse(err, "requested_us");
    request->requested_us = json_integer_value(requested);
    if (!json_is_boolean(all))
        return refuse(err, "all");
    request->all = json_is_true(all);
    TRY(read_tables(object, arena, request, err));
    if (where == NULL)
        return RC_OK;
    if (request->all || request->kind != REQUEST_SNAPSHOT)
        return refuse(err, "where");
    return keep_text(where, "where", arena, &request->where, err);
}

enum rc request_decode(struct slice json, struct arena *arena, struct request *ret_request, struct err *err)
{
    struct request request = {0};
    json_error_t reason;
    SCOPED(json_decref)
    json_t *object = json_loadb((const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, &reason);
    if (!json_is_object(object))
        return err_set(err, ERR_REQUEST_REFUSED, "a request is not a JSON object");
    TRY(read_request(object, arena, &request, err));
    *ret_request = request;
    return RC_OK;
}
