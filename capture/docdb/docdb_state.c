#include "capture/docdb/docdb_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

void docdb_state_init(struct docdb_state *state)
{
    *state = (struct docdb_state){0};
    bson_init(&state->token);
}

void docdb_state_done(struct docdb_state *state)
{
    bson_destroy(&state->token);
}

void docdb_state_set_token(struct docdb_state *state, const bson_t *token)
{
    bson_destroy(&state->token);
    bson_copy_to(token, &state->token);
}

static void put_time(struct buf *out, uint64_t time)
{
    buf_printf(out, "[%" PRIu64 ",%" PRIu64 "]", time >> 32, time & UINT32_MAX);
}

void docdb_state_encode(const struct docdb_state *state, struct buf *out)
{
    buf_put_str(out, "{\"set\":");
    buf_put_json_string(out, slice_of_str(state->set));
    buf_put_str(out, ",\"database\":");
    buf_put_json_string(out, slice_of_str(state->database));
    buf_printf(out, ",\"snapshot\":\"%s\",\"start\":", state->snapshot_done ? "done" : "copying");
    put_time(out, state->start);
    buf_printf(out, ",\"copied\":%zu,\"token\":", state->n_copied);
    if (bson_empty(&state->token)) {
        buf_put_str(out, "null");
    } else {
        size_t len = 0;
        char *json = bson_as_canonical_extended_json(&state->token, &len);
        buf_put(out, json, len);
        bson_free(json);
    }
    buf_put_str(out, ",\"time\":");
    put_time(out, state->last.major);
    buf_printf(out, ",\"ordinal\":%" PRIu64 "}", state->last.minor);
}

static bool is_number(const json_t *value, int64_t max, uint64_t *ret)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
        return false;
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

static enum rc read_time(const json_t *object, const char *name, uint64_t *ret_time, struct err *err)
{
    const json_t *pair = json_object_get(object, name);
    uint64_t seconds, increment;
    if (json_array_size(pair) != 2 || !is_number(json_array_get(pair, 0), UINT32_MAX, &seconds) ||
        !is_number(json_array_get(pair, 1), UINT32_MAX, &increment))
        return err_set(err, ERR_LEDGER_MALFORMED, "the document source's state has no time \"%s\"", name);
    *ret_time = seconds << 32 | increment;
    return RC_OK;
}

static enum rc read_token(const json_t *object, struct docdb_state *state, struct err *err)
{
    const json_t *token = json_object_get(object, "token");
    if (!json_is_object(token))
        return RC_OK;
    char *text = json_dumps(token, JSON_COMPACT);
    bson_error_t error;
    bson_t *parsed = text == NULL ? NULL : bson_new_from_json((const uint8_t *)text, -1, &error);
    free(text);
    if (parsed == NULL)
        return err_set(err, ERR_LEDGER_MALFORMED, "the document source's resume token cannot be read");
    docdb_state_set_token(state, parsed);
    bson_destroy(parsed);
    return RC_OK;
}

static enum rc read_state(const json_t *object, struct docdb_state *state, struct err *err)
{
    const char *set = json_string_value(json_object_get(object, "set"));
    const char *database = json_string_value(json_object_get(object, "database"));
    const char *snapshot = json_string_value(json_object_get(object, "snapshot"));
    uint64_t n_copied;
    if (!json_is_object(object))
        return err_set(err, ERR_LEDGER_MALFORMED, "the document source's state is not a JSON object");
    if (json_object_size(object) == 0)
        return RC_OK;
    if (set == NULL || database == NULL || snapshot == NULL)
        return err_set(err, ERR_LEDGER_MALFORMED, "the document source's state lacks set, database or snapshot");
    if (strlen(set) >= sizeof(state->set) || strlen(database) >= sizeof(state->database))
        return err_set(err, ERR_LEDGER_MALFORMED, "the document source's state has a longer name than there can be");
    if (!is_number(json_object_get(object, "copied"), INT32_MAX, &n_copied) ||
        !is_number(json_object_get(object, "ordinal"), INT64_MAX, &state->last.minor))
        return err_set(err, ERR_LEDGER_MALFORMED, "the document source's state lacks copied or ordinal");
    snprintf(state->set, sizeof(state->set), "%s", set);
    snprintf(state->database, sizeof(state->database), "%s", database);
    state->snapshot_done = strcmp(snapshot, "done") == 0;
    state->n_copied = (size_t)n_copied;
    TRY(read_time(object, "start", &state->start, err));
    TRY(read_time(object, "time", &state->last.major, err));
    TRY(read_token(object, state, err));
    state->known = true;
    return RC_OK;
}

enum rc docdb_state_decode(struct slice json, struct docdb_state *ret_state, struct err *err)
{
    json_error_t error;
    if (json.len == 0)
        return RC_OK;
    json_t *object = json_loadb((const char *)json.ptr, json.len, 0, &error);
    enum rc rc = read_state(object, ret_state, err);
    json_decref(object);
    return rc;
}
