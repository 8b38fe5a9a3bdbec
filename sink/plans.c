#include "sink/plans.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/http_client.h"
#include "proto/topic.h"

enum { HTTP_NOT_FOUND = 404, HTTP_OK = 200, URL_BYTES = 2048 };

/* A table has a handful of schema ids in its life: looking through all of them happens once a chunk at most.
 */
struct plans {
    struct registry *registry;
    const struct config_registry *config;
    struct http_client *http;
    struct value_plan **values;
    struct record_key_plan **keys;
    size_t n_values, n_keys;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

struct plans *plans_new(const struct config_registry *config, struct registry *registry)
{
    struct plans *plans = must(calloc(1, sizeof(*plans)));
    plans->registry = registry;
    plans->config = config;
    return plans;
}

void plans_free(struct plans *plans)
{
    if (plans == NULL)
        return;
    for (size_t i = 0; i < plans->n_values; i++) {
        event_plan_free(plans->values[i]->plan);
        free(plans->values[i]->before);
        free(plans->values[i]->after);
        free(plans->values[i]);
    }
    for (size_t i = 0; i < plans->n_keys; i++) {
        key_plan_free(plans->keys[i]->plan);
        free(plans->keys[i]->values);
        free(plans->keys[i]->moved);
        free(plans->keys[i]);
    }
    free(plans->values);
    free(plans->keys);
    http_client_free(plans->http);
    free(plans);
}

static struct avro_value *values_new(size_t n)
{
    return must(calloc(MAX(n, (size_t)1), sizeof(struct avro_value)));
}

enum rc plans_value(struct plans *plans, uint32_t id, struct value_plan **ret_plan, struct err *err)
{
    for (size_t i = 0; i < plans->n_values; i++) {
        if (plans->values[i]->id == id) {
            *ret_plan = plans->values[i];
            return RC_OK;
        }
    }
    struct slice schema;
    struct event_plan *plan = NULL;
    TRY(registry_schema(plans->registry, id, &schema, err));
    if (event_plan_new((const char *)schema.ptr, schema.len, &plan, err) != RC_OK)
        return err_wrap(err, "schema id %u", id);
    const struct table_shape *shape = event_plan_shape(plan);
    struct value_plan *value = must(calloc(1, sizeof(*value)));
    *value = (struct value_plan){id, plan, shape, values_new(shape->n_columns), values_new(shape->n_columns)};
    plans->values = must(realloc(plans->values, (plans->n_values + 1) * sizeof(struct value_plan *)));
    plans->values[plans->n_values++] = value;
    *ret_plan = value;
    return RC_OK;
}

enum rc plans_key(struct plans *plans, uint32_t id, struct record_key_plan **ret_plan, struct err *err)
{
    for (size_t i = 0; i < plans->n_keys; i++) {
        if (plans->keys[i]->id == id) {
            *ret_plan = plans->keys[i];
            return RC_OK;
        }
    }
    struct slice schema;
    struct key_plan *plan = NULL;
    TRY(registry_schema(plans->registry, id, &schema, err));
    if (key_plan_new((const char *)schema.ptr, schema.len, &plan, err) != RC_OK)
        return err_wrap(err, "schema id %u", id);
    const struct table_shape *shape = key_plan_shape(plan);
    struct record_key_plan *key = must(calloc(1, sizeof(*key)));
    *key = (struct record_key_plan){id, plan, shape, values_new(shape->n_columns), values_new(shape->n_columns)};
    plans->keys = must(realloc(plans->keys, (plans->n_keys + 1) * sizeof(struct record_key_plan *)));
    plans->keys[plans->n_keys++] = key;
    *ret_plan = key;
    return RC_OK;
}

static enum rc read_id(struct slice body, const char *subject, uint32_t *ret_id, struct err *err)
{
    json_error_t why;
    json_t *json = json_loadb((const char *)body.ptr, body.len, 0, &why);
    const json_t *id = json_object_get(json, "id");
    bool good = json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) <= UINT32_MAX;
    if (good)
        *ret_id = (uint32_t)json_integer_value(id);
    json_decref(json);
    if (!good)
        return err_set(err, ERR_REGISTRY_UNREACHABLE, "the registry's answer for subject %s has no id", subject);
    return RC_OK;
}

static enum rc ask_latest(struct plans *plans, const char *subject, uint32_t *ret_id, struct err *err)
{
    if (plans->http == NULL) {
        const struct http_client_options options = {.ca_file = plans->config->ca_file,
                                                    .username = plans->config->username,
                                                    .password = plans->config->password};
        plans->http = http_client_new(&options);
    }
    char url[URL_BYTES];
    size_t base = strlen(plans->config->url);
    while (base > 0 && plans->config->url[base - 1] == '/')
        base--;
    /* A topic's name needs no escaping in a path: [A-Za-z0-9._-]. */
    if (snprintf(url, sizeof(url), "%.*s/subjects/%s/versions/latest", (int)base, plans->config->url, subject) >=
        (int)sizeof(url))
        return err_set(err, ERR_BUG, "the address of subject %s is too long", subject);
    const struct http_request request = {.method = "GET", .url = url};
    struct http_response response;
    TRY(http_client_send(plans->http, &request, ERR_REGISTRY_UNREACHABLE, &response, err));
    if (response.status == HTTP_NOT_FOUND)
        return RC_AGAIN;
    if (response.status != HTTP_OK)
        return err_set(err, ERR_REGISTRY_UNREACHABLE, "the registry answered %ld for subject %s", response.status,
                       subject);
    return read_id(response.body, subject, ret_id, err);
}

enum rc plans_key_of_topic(struct plans *plans, const char *topic, struct record_key_plan **ret_plan, struct err *err)
{
    char subject[TOPIC_NAME_BYTES + 8];
    uint32_t id = 0;
    snprintf(subject, sizeof(subject), "%s-key", topic);
    TRY(ask_latest(plans, subject, &id, err));
    return plans_key(plans, id, ret_plan, err);
}
