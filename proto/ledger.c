#include "proto/ledger.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

enum { LEDGER_VERSION = 1 };

static const char *const kind_names[] = {
    [LEDGER_START] = "start", [LEDGER_SNAPSHOT] = "snapshot", [LEDGER_STREAM] = "stream",
    [LEDGER_IDLE] = "idle",   [LEDGER_GAP] = "gap",
};

const char *ledger_kind_name(enum ledger_kind kind)
{
    return kind_names[kind];
}

/* --- encode --- */

static void put_string(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, ",\"%s\":", key);
    buf_put_json_string(out, slice_of_str(value));
}

/* JSON readers commonly hold a number in an int64: what is larger (cluster times after 2038) travels as text.
 */
static void put_u64(struct buf *out, uint64_t value)
{
    buf_printf(out, value <= INT64_MAX ? "%" PRIu64 : "\"%" PRIu64 "\"", value);
}

static void put_partition(struct buf *out, const struct ledger_partition *partition)
{
    buf_put_u8(out, '[');
    buf_put_json_string(out, slice_of_str(partition->topic));
    buf_printf(out, ",%" PRId32 ",%" PRId64 ",%" PRId64 "]", partition->partition, partition->first, partition->next);
}

void ledger_encode(const struct ledger_record *record, struct buf *out)
{
    buf_printf(out, "{\"v\":%d,\"kind\":\"%s\"", LEDGER_VERSION, kind_names[record->kind]);
    put_string(out, "source", record->source);
    put_string(out, "writer", record->writer);
    buf_printf(out, ",\"cut\":%s,\"pos\":[", record->cut ? "true" : "false");
    put_u64(out, record->pos.major);
    buf_put_u8(out, ',');
    put_u64(out, record->pos.minor);
    buf_printf(out, "],\"commit_time_us\":%" PRId64 ",\"written_us\":%" PRId64 ",\"partitions\":[",
               record->commit_time_us, record->written_us);
    for (size_t i = 0; i < record->n_partitions; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_partition(out, &record->partitions[i]);
    }
    buf_put_str(out, "],\"state\":");
    if (record->state.len == 0)
        buf_put_str(out, "{}");
    else
        buf_put_slice(out, record->state);
    buf_put_str(out, record->replaces ? ",\"replaces\":true}" : "}");
}

/* --- decode --- */

DEFINE_SCOPED(json_t *, json_decref)

static enum rc field(const json_t *object, const char *name, json_type type, const char *type_name,
                     const json_t **ret_value, struct err *err)
{
    const json_t *value = json_object_get(object, name);
    if (value == NULL)
        return err_set(err, ERR_LEDGER_MALFORMED, "a ledger record has no \"%s\"", name);
    if (json_typeof(value) != type)
        return err_set(err, ERR_LEDGER_MALFORMED, "\"%s\" of a ledger record is not %s", name, type_name);
    *ret_value = value;
    return RC_OK;
}

static enum rc arena_full(struct err *err)
{
    return err_set(err, ERR_MEMORY_LIMIT, "a ledger record does not fit the memory kept for it");
}

static enum rc copy_string(const json_t *value, struct arena *arena, const char **ret_text, struct err *err)
{
    *ret_text = arena_strdup(arena, slice_of(json_string_value(value), json_string_length(value)));
    return *ret_text == NULL ? arena_full(err) : RC_OK;
}

static enum rc string_field(const json_t *object, const char *name, struct arena *arena, const char **ret_text,
                            struct err *err)
{
    const json_t *value;
    TRY(field(object, name, JSON_STRING, "text", &value, err));
    return copy_string(value, arena, ret_text, err);
}

static enum rc integer_field(const json_t *object, const char *name, int64_t *ret_value, struct err *err)
{
    const json_t *value;
    TRY(field(object, name, JSON_INTEGER, "an integer", &value, err));
    *ret_value = json_integer_value(value);
    return RC_OK;
}

static enum rc bool_field(const json_t *object, const char *name, bool *ret_value, struct err *err)
{
    const json_t *value = json_object_get(object, name);
    if (value == NULL || !json_is_boolean(value))
        return err_set(
            err, ERR_LEDGER_MALFORMED,
            value == NULL ? "a ledger record has no \"%s\"" : "\"%s\" of a ledger record is not true or false", name);
    *ret_value = json_is_true(value);
    return RC_OK;
}

static bool read_u64(const json_t *value, uint64_t *ret_value)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret_value = (uint64_t)json_integer_value(value);
        return true;
    }
    if (!json_is_string(value) || json_string_length(value) == 0)
        return false;
    uint64_t number = 0;
    for (const char *p = json_string_value(value); *p != '\0'; p++)
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(number, (uint64_t)10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number))
            return false;
    *ret_value = number;
    return true;
}

static enum rc read_kind(const json_t *object, enum ledger_kind *ret_kind, struct err *err)
{
    const json_t *value;
    TRY(field(object, "kind", JSON_STRING, "text", &value, err));
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++)
        if (strcmp(json_string_value(value), kind_names[i]) == 0) {
            *ret_kind = (enum ledger_kind)i;
            return RC_OK;
        }
    return err_set(err, ERR_LEDGER_MALFORMED, "a ledger record is of the unknown kind \"%.40s\"",
                   json_string_value(value));
}

static enum rc read_position(const json_t *object, struct position *ret_pos, struct err *err)
{
    const json_t *value;
    TRY(field(object, "pos", JSON_ARRAY, "an array", &value, err));
    if (json_array_size(value) != 2 || !read_u64(json_array_get(value, 0), &ret_pos->major) ||
        !read_u64(json_array_get(value, 1), &ret_pos->minor))
        return err_set(err, ERR_LEDGER_MALFORMED, "\"pos\" of a ledger record is not two numbers");
    return RC_OK;
}

static enum rc read_partition(const json_t *value, size_t i, struct arena *arena, struct ledger_partition *ret,
                              struct err *err)
{
    const json_t *topic = json_array_get(value, 0), *number = json_array_get(value, 1);
    const json_t *first = json_array_get(value, 2), *next = json_array_get(value, 3);
    if (json_array_size(value) != 4 || !json_is_string(topic) || !json_is_integer(number) || !json_is_integer(first) ||
        !json_is_integer(next))
        return err_set(err, ERR_LEDGER_MALFORMED,
                       "partition %zu of a ledger record is not [topic, partition, first, next]", i);
    json_int_t partition = json_integer_value(number);
    ret->first = json_integer_value(first);
    ret->next = json_integer_value(next);
    if (partition < 0 || partition > INT32_MAX || ret->first < 0 || ret->next < ret->first)
        return err_set(err, ERR_LEDGER_MALFORMED,
                       "partition %zu of a ledger record has numbers that cannot be: partition %lld, offsets %" PRId64
                       " to %" PRId64,
                       i, (long long)partition, ret->first, ret->next);
    ret->partition = (int32_t)partition;
    return copy_string(topic, arena, &ret->topic, err);
}

static enum rc read_partitions(const json_t *object, struct arena *arena, struct ledger_record *record, struct err *err)
{
    const json_t *list;
    TRY(field(object, "partitions", JSON_ARRAY, "an array", &list, err));
    record->n_partitions = json_array_size(list);
    record->partitions = arena_array(arena, struct ledger_partition, MAX(record->n_partitions, (size_t)1));
    if (record->partitions == NULL)
        return arena_full(err);
    for (size_t i = 0; i < record->n_partitions; i++)
        TRY(read_partition(json_array_get(list, i), i, arena, &record->partitions[i], err));
    return RC_OK;
}

static enum rc read_state(const json_t *object, struct arena *arena, struct slice *ret_state, struct err *err)
{
    const json_t *state;
    TRY(field(object, "state", JSON_OBJECT, "an object", &state, err));
    size_t len = json_dumpb(state, NULL, 0, JSON_COMPACT);
    char *text = len == 0 ? NULL : arena_alloc(arena, len);
    if (text == NULL)
        return arena_full(err);
    *ret_state = slice_of(text, json_dumpb(state, text, len, JSON_COMPACT));
    return RC_OK;
}

static enum rc check_version(const json_t *object, struct err *err)
{
    int64_t version;
    TRY(integer_field(object, "v", &version, err));
    if (version != LEDGER_VERSION)
        return err_set(err, ERR_LEDGER_MALFORMED, "a ledger record has version %" PRId64 ", this leat reads version %d",
                       version, LEDGER_VERSION);
    return RC_OK;
}

enum rc ledger_decode(struct slice json, struct arena *arena, struct ledger_record *ret_record, struct err *err)
{
    json_error_t reason;
    SCOPED(json_decref)
    json_t *object = json_loadb((const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, &reason);
    if (object == NULL)
        return err_set(err, ERR_LEDGER_MALFORMED, "a ledger record is not JSON: %s at byte %d", reason.text,
                       reason.position);
    if (!json_is_object(object))
        return err_set(err, ERR_LEDGER_MALFORMED, "a ledger record is not a JSON object");
    struct ledger_record record = {0};
    TRY(check_version(object, err));
    TRY(read_kind(object, &record.kind, err));
    TRY(string_field(object, "source", arena, &record.source, err));
    TRY(string_field(object, "writer", arena, &record.writer, err));
    TRY(bool_field(object, "cut", &record.cut, err));
    if (json_object_get(object, "replaces") != NULL)
        TRY(bool_field(object, "replaces", &record.replaces, err));
    TRY(read_position(object, &record.pos, err));
    TRY(integer_field(object, "commit_time_us", &record.commit_time_us, err));
    TRY(integer_field(object, "written_us", &record.written_us, err));
    TRY(read_partitions(object, arena, &record, err));
    TRY(read_state(object, arena, &record.state, err));
    *ret_record = record;
    return RC_OK;
}
