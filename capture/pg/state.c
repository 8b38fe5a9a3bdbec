#include "capture/pg/state.h"

#include <inttypes.h>
#include <jansson.h>

#include "capture/pg/lsn.h"

static const char *const snapshot_names[] = {
    [PG_SNAPSHOT_NONE] = "none",
    [PG_SNAPSHOT_COPYING] = "copying",
    [PG_SNAPSHOT_DONE] = "done",
};

static void put_text(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "\"%s\":", name);
    buf_put_json_string(out, slice_of_str(value));
    buf_put_u8(out, ',');
}

static void put_gap(struct buf *out, const struct pg_gap *gap)
{
    char lsn[LSN_TEXT_BYTES];
    buf_printf(out, ",\"gap\":{\"from\":\"%s\",", lsn_format(gap->from, lsn));
    buf_printf(out, "\"to\":\"%s\",\"why\":", lsn_format(gap->to, lsn));
    buf_put_json_string(out, slice_of_str(gap->why));
    buf_put_u8(out, '}');
}

void pg_state_encode(const struct pg_state *state, const struct pg_copy_plan *plan, struct buf *out)
{
    char lsn[LSN_TEXT_BYTES];
    buf_put_u8(out, '{');
    put_text(out, "system_id", state->system_id);
    buf_printf(out, "\"timeline\":%u,\"database_oid\":%u,", state->timeline, state->database_oid);
    put_text(out, "slot", state->slot);
    put_text(out, "publication", state->publication);
    put_text(out, "snapshot", snapshot_names[state->snapshot]);
    put_text(out, "end_lsn", lsn_format(state->end_lsn, lsn));
    put_text(out, "commit_lsn", lsn_format(state->commit_lsn, lsn));
    buf_printf(out, "\"next_ordinal\":%" PRIu64 ",\"attempt\":%u", state->next_ordinal, state->attempt);
    if (state->restart_lsn != 0)
        buf_printf(out, ",\"restart_lsn\":\"%s\"", lsn_format(state->restart_lsn, lsn));
    if (state->published != NULL) {
        buf_put_str(out, ",\"published\":");
        buf_put_json_string(out, slice_of_str(state->published));
    }
    if (state->gap != NULL)
        put_gap(out, state->gap);
    if (plan != NULL) {
        buf_put_str(out, ",\"copy\":");
        pg_copy_plan_encode(plan, out);
    }
    buf_put_u8(out, '}');
}

static void scoped_json_decref(json_t **json)
{
    json_decref(*json);
}

static enum rc malformed(struct err *err, const char *name)
{
    return err_set(err, ERR_LEDGER_MALFORMED, "the ledger's state has no valid \"%s\"", name);
}

static enum rc get_text(const json_t *object, const char *name, char *out, size_t size, struct err *err)
{
    const char *value = json_string_value(json_object_get(object, name));
    if (value == NULL || strlen(value) >= size)
        return malformed(err, name);
    memcpy(out, value, strlen(value) + 1);
    return RC_OK;
}

static enum rc get_number(const json_t *object, const char *name, int64_t max, int64_t *ret, struct err *err)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
        return malformed(err, name);
    *ret = json_integer_value(value);
    return RC_OK;
}

static enum rc get_lsn(const json_t *object, const char *name, uint64_t *ret, struct err *err)
{
    const char *value = json_string_value(json_object_get(object, name));
    if (value == NULL || lsn_parse(value, ret, err) != RC_OK)
        return malformed(err, name);
    return RC_OK;
}

static enum rc get_snapshot(const json_t *object, enum pg_snapshot_state *ret, struct err *err)
{
    const char *value = json_string_value(json_object_get(object, "snapshot"));
    for (size_t i = 0; value != NULL && i < ARRAY_LEN(snapshot_names); i++) {
        if (strcmp(value, snapshot_names[i]) == 0) {
            *ret = (enum pg_snapshot_state)i;
            return RC_OK;
        }
    }
    return malformed(err, "snapshot");
}

/* Keys that older ledgers do not have. */
static enum rc get_newer(const json_t *object, struct arena *arena, struct pg_state *state, struct err *err)
{
    const json_t *published = json_object_get(object, "published");
    if (json_object_get(object, "restart_lsn") != NULL)
        TRY(get_lsn(object, "restart_lsn", &state->restart_lsn, err));
    if (published == NULL)
        return RC_OK;
    if (!json_is_string(published))
        return malformed(err, "published");
    state->published = arena_strdup(arena, slice_of_str(json_string_value(published)));
    if (state->published == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "the ledger's state is too large");
    return RC_OK;
}

enum rc pg_state_decode(struct slice text, struct arena *arena, struct pg_state *ret_state, struct err *err)
{
    struct pg_state state = {0};
    int64_t timeline, database_oid, ordinal, attempt;
    json_error_t error;
    SCOPED(json_decref) json_t *json = text.len == 0 ? json_object()
                                                     : json_loadb((const char *)text.ptr, text.len, 0, &error);
    if (!json_is_object(json))
        return err_set(err, ERR_LEDGER_MALFORMED, "the ledger's state is not a JSON object");
    if (json_object_size(json) > 0) {
        TRY(get_text(json, "system_id", state.system_id, sizeof(state.system_id), err));
        TRY(get_number(json, "timeline", UINT32_MAX, &timeline, err));
        TRY(get_number(json, "database_oid", UINT32_MAX, &database_oid, err));
        TRY(get_text(json, "slot", state.slot, sizeof(state.slot), err));
        TRY(get_text(json, "publication", state.publication, sizeof(state.publication), err));
        TRY(get_snapshot(json, &state.snapshot, err));
        TRY(get_lsn(json, "end_lsn", &state.end_lsn, err));
        TRY(get_lsn(json, "commit_lsn", &state.commit_lsn, err));
        TRY(get_number(json, "next_ordinal", INT64_MAX, &ordinal, err));
        TRY(get_number(json, "attempt", UINT32_MAX, &attempt, err));
        state.timeline = (uint32_t)timeline;
        state.database_oid = (uint32_t)database_oid;
        state.next_ordinal = (uint64_t)ordinal;
        state.attempt = (uint32_t)attempt;
        TRY(get_newer(json, arena, &state, err));
    }
    *ret_state = state;
    return RC_OK;
}
