#include "capture/pg/emit.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "capture/pg/wire.h"
#include "proto/avro_put.h"
#include "proto/key_text.h"
#include "proto/reject.h"

enum { KEY_TEXT_MAX_BYTES = 1 << 20 };

/* How a row, or an image of it, came out. */
enum outcome {
    PUT_OK,
    PUT_BAD_VALUE, /* a value that its type, or Avro, has no place for */
    PUT_NULL,      /* a null where the schema has none, or in a key that was not the row's */
    PUT_DEEP,      /* an array of more dimensions than the schema has */
    PUT_NO_KEY,    /* the key did not travel */
};

/* One event while it is being encoded, in the rest of the batch's arena. Nothing stays unless it is added. */
struct draft {
    struct buf buf;
    size_t key_end, value_end, moved_end, other_end;
    uint32_t column; /* where it went wrong */
    int dimensions;  /* PUT_DEEP */
    bool has_unchanged;
    uint8_t unchanged[(PGOUTPUT_MAX_COLUMNS + 7) / 8];
};

/* A key change: borrowed from the emitter's scratch. old_key.len 0: the key is the same. */
struct move {
    struct slice old_key;            /* framed */
    struct slice old_text, new_text; /* proto/key_text.h */
};

/* ---- images ---- */

static void put_missing(const struct pg_relation *relation, size_t i, struct buf *out)
{
    const struct column *column = &relation->shape.columns[i];
    if (column->optional)
        column_put_null(column, out);
    else if (column->default_value.ptr != NULL)
        buf_put_slice(out, column->default_value);
    else
        pg_encoder_put_zero(&relation->encoders[i], out);
}

static void put_unchanged(const struct pg_relation *relation, size_t i, struct draft *draft)
{
    const struct column *column = &relation->shape.columns[i];
    size_t start = draft->buf.len;
    if (!draft->has_unchanged)
        memset(draft->unchanged, 0, sizeof(draft->unchanged));
    draft->has_unchanged = true;
    draft->unchanged[i / 8] |= (uint8_t)(1 << (i % 8));
    if (column->optional)
        column_put_some(column, &draft->buf);
    if (pg_encoder_put_unavailable(&relation->encoders[i], &draft->buf))
        return;
    draft->buf.len = start;
    put_missing(relation, i, &draft->buf);
}

/* Why a value could not be put. */
static enum outcome fault_of(const struct pg_relation *relation, size_t i, const struct pgoutput_value *value,
                             struct draft *draft)
{
    const struct pg_encoder *encoder = &relation->encoders[i];
    draft->dimensions = encoder->is_array ? pg_value_dimensions(value) : 0;
    bool can_grow = column_can_nest(&relation->shape.columns[i]) && draft->dimensions <= PG_ARRAY_MAX_DIMENSIONS;
    return can_grow && draft->dimensions > encoder->dimensions ? PUT_DEEP : PUT_BAD_VALUE;
}

static inline enum outcome put_value(const struct pg_relation *relation, size_t i, const struct pgoutput_value *value,
                                     struct draft *draft)
{
    const struct column *column = &relation->shape.columns[i];
    draft->column = (uint32_t)i;
    if (value->kind == PGOUTPUT_TUPLE_NULL) {
        if (!column->optional)
            return PUT_NULL;
        column_put_null(column, &draft->buf);
        return PUT_OK;
    }
    if (column->optional)
        column_put_some(column, &draft->buf);
    if (LIKELY(pg_value_put(&relation->encoders[i], value, &draft->buf)))
        return PUT_OK;
    return fault_of(relation, i, value, draft);
}

/* A whole row. `old`, when it is a whole one too, has what an unchanged TOAST value was. */
static enum outcome put_row(const struct pg_relation *relation, const struct pgoutput_tuple *row,
                            const struct pgoutput_tuple *old, struct draft *draft)
{
    for (size_t i = 0; i < relation->shape.n_columns; i++) {
        const struct pgoutput_value *value = &row->values[i];
        if (UNLIKELY(value->kind == PGOUTPUT_TUPLE_UNCHANGED_TOAST) && old != NULL &&
            (old->values[i].kind != PGOUTPUT_TUPLE_NULL || relation->shape.columns[i].optional))
            value = &old->values[i];
        if (UNLIKELY(value->kind == PGOUTPUT_TUPLE_UNCHANGED_TOAST)) {
            put_unchanged(relation, i, draft);
            continue;
        }
        enum outcome outcome = put_value(relation, i, value, draft);
        if (UNLIKELY(outcome != PUT_OK))
            return outcome;
    }
    return PUT_OK;
}

static void put_beside_key(const struct pg_relation *relation, size_t i, struct buf *out)
{
    if (relation->shape.columns[i].optional && relation->encoders[i].zero_beside_key) {
        column_put_some(&relation->shape.columns[i], out);
        pg_encoder_put_zero(&relation->encoders[i], out);
    } else {
        put_missing(relation, i, out);
    }
}

/* The image of which only the key travelled; the rest is null, or where null cannot be its default, or its type's zero. */
static enum outcome put_key_image(const struct pg_relation *relation, const struct pgoutput_tuple *key,
                                  struct draft *draft)
{
    for (size_t i = 0; i < relation->shape.n_columns; i++) {
        if (!relation->is_key[i]) {
            put_beside_key(relation, i, &draft->buf);
            continue;
        }
        enum outcome outcome = put_value(relation, i, &key->values[i], draft);
        if (outcome != PUT_OK)
            return outcome == PUT_NULL ? PUT_NO_KEY : outcome;
    }
    return PUT_OK;
}

/* The framed key; nothing for a table without one. `old` lends values that the new row says are unchanged. */
static enum outcome put_key(const struct pg_relation *relation, const struct pgoutput_tuple *row,
                            const struct pgoutput_tuple *old, struct draft *draft)
{
    if (relation->shape.n_key_columns == 0)
        return PUT_OK;
    avro_put_frame(&draft->buf, relation->key_schema_id);
    for (size_t k = 0; k < relation->shape.n_key_columns; k++) {
        uint16_t i = relation->shape.key_columns[k];
        const struct pgoutput_value *value = &row->values[i];
        if (value->kind == PGOUTPUT_TUPLE_UNCHANGED_TOAST && old != NULL)
            value = &old->values[i];
        draft->column = i;
        if (UNLIKELY(value->kind == PGOUTPUT_TUPLE_NULL && relation->key_is_the_catalogs))
            return PUT_NULL;
        if (!pgoutput_value_travelled(value))
            return PUT_NO_KEY;
        if (!pg_value_put(&relation->encoders[i], value, &draft->buf))
            return fault_of(relation, i, value, draft);
    }
    return PUT_OK;
}

/* ---- drafts become records ---- */

static struct draft *draft_open(struct draft *draft, struct batch *batch)
{
    draft->buf = arena_open(batch->arena);
    draft->key_end = draft->value_end = draft->moved_end = draft->other_end = 0;
    draft->has_unchanged = false;
    return draft;
}

static struct envelope_source source_of(const struct pg_emitter *emitter)
{
    return (struct envelope_source){.connector = CONNECTOR_POSTGRESQL,
                                    .snapshot = emitter->snapshot,
                                    .commit_time_us = emitter->commit_time_us,
                                    .transaction_id = emitter->xid,
                                    .lsn = emitter->lsn,
                                    .previous_end = emitter->previous_end,
                                    .origin = buf_slice(&emitter->origin),
                                    .origin_lsn = emitter->origin_lsn};
}

static enum rc too_large(struct err *err, const struct pg_relation *relation, const struct batch *batch)
{
    return err_set(err, ERR_MEMORY_LIMIT, "a row of table %s.%s does not fit a batch of %zu bytes", relation->schema,
                   relation->name, arena_max(batch->arena));
}

/* Adds the draft as the next event, or only counts it when Kafka has it. */
static enum rc draft_add(struct pg_emitter *emitter, const struct pg_relation *relation, struct draft *draft,
                         bool tombstone, struct batch *batch, struct err *err)
{
    struct position pos = {emitter->major, emitter->ordinal};
    if (emitter->ordinal < emitter->skip_below) {
        emitter->ordinal++;
        return RC_OK;
    }
    if (draft->has_unchanged)
        buf_put(&draft->buf, draft->unchanged, (relation->shape.n_columns + 7) / 8);
    struct slice all = arena_close(batch->arena, &draft->buf);
    if (all.ptr == NULL)
        return too_large(err, relation, batch);
    struct batch_record *record = batch_add(batch);
    if (record == NULL)
        return err_set(err, ERR_BUG, "a batch is full before its room was counted");
    emitter->ordinal++;
    record->topic = relation->topic_index;
    record->pos = pos;
    record->tombstone_follows = tombstone && emitter->tombstones && draft->key_end > 0;
    if (draft->key_end > 0)
        record->key = slice_of(all.ptr, draft->key_end);
    record->value = slice_of(all.ptr + draft->key_end, draft->value_end - draft->key_end);
    if (draft->moved_end > draft->value_end)
        record->moved_from = slice_of(all.ptr + draft->value_end, draft->moved_end - draft->value_end);
    record->other_key = slice_of(all.ptr + draft->moved_end, draft->other_end - draft->moved_end);
    if (draft->has_unchanged)
        record->unchanged = slice_of(all.ptr + draft->other_end, all.len - draft->other_end);
    return RC_OK;
}

static void draft_end_value(const struct pg_emitter *emitter, const struct pg_relation *relation, struct draft *draft,
                            enum envelope_op op)
{
    struct envelope_source source = source_of(emitter);
    envelope_end(relation->envelope, &draft->buf, op, &source, emitter->now_us);
    draft->value_end = draft->moved_end = draft->other_end = draft->buf.len;
}

/* What the event says of the key that the row had, or will have. */
static void draft_put_move(struct draft *draft, struct slice moved_from, struct slice other_key)
{
    buf_put_slice(&draft->buf, moved_from);
    draft->moved_end = draft->buf.len;
    buf_put_slice(&draft->buf, other_key);
    draft->other_end = draft->buf.len;
}

/* ---- rejects ---- */

/* False, with `column`: its bytes are no value of its type; nobody but the server's protocol is wrong then. */
static bool put_json_value(const struct pg_relation *relation, size_t i, const struct pgoutput_value *value,
                           struct buf *out, uint32_t *column)
{
    *column = (uint32_t)i;
    if (value->kind == PGOUTPUT_TUPLE_TEXT) {
        buf_put_json_string(out, value->bytes);
        return true;
    }
    SCOPED(buf_done) struct buf text = buf_new(out->max);
    if (!pg_value_put_text(&relation->encoders[i], value, &text))
        return false;
    buf_put_json_string(out, buf_slice(&text));
    out->failed = out->failed || text.failed;
    return true;
}

static bool put_json_row(const struct pg_relation *relation, const struct pgoutput_tuple *row, struct buf *out,
                         uint32_t *column)
{
    bool first = true;
    buf_put_u8(out, '{');
    for (size_t i = 0; i < relation->shape.n_columns; i++) {
        const struct pgoutput_value *value = &row->values[i];
        if (value->kind == PGOUTPUT_TUPLE_UNCHANGED_TOAST)
            continue; /* not there is "did not travel", null is null */
        if (!first)
            buf_put_u8(out, ',');
        first = false;
        buf_put_json_string(out, slice_of_str(relation->shape.columns[i].name));
        buf_put_u8(out, ':');
        if (value->kind == PGOUTPUT_TUPLE_NULL)
            buf_put_str(out, "null");
        else if (!put_json_value(relation, i, value, out, column))
            return false;
    }
    buf_put_u8(out, '}');
    return true;
}

static bool put_json_image(const struct pg_relation *relation, const char *name, const struct pgoutput_tuple *row,
                           struct buf *out, uint32_t *column)
{
    buf_printf(out, ",\"%s\":", name);
    if (row != NULL)
        return put_json_row(relation, row, out, column);
    buf_put_str(out, "null");
    return true;
}

static bool put_json_record(const struct pg_relation *relation, char op, const struct pgoutput_tuple *before,
                            const struct pgoutput_tuple *after, struct buf *out, uint32_t *column)
{
    buf_printf(out, "{\"op\":\"%c\"", op);
    if (!put_json_image(relation, "before", before, out, column) ||
        !put_json_image(relation, "after", after, out, column))
        return false;
    buf_put_u8(out, '}');
    return true;
}

static bool put_key_text(const struct pg_relation *relation, const struct pgoutput_tuple *row, struct buf *out,
                         uint32_t *column)
{
    for (size_t k = 0; k < relation->shape.n_key_columns; k++) {
        uint16_t i = relation->shape.key_columns[k];
        *column = i;
        buf_printf(out, "%s%s=", k == 0 ? "" : ",", relation->shape.columns[i].name);
        if (!pg_value_put_text(&relation->encoders[i], &row->values[i], out))
            return false;
    }
    return true;
}

static enum rc malformed(struct err *err, const struct pg_relation *relation, uint32_t column)
{
    return err_set(err, ERR_PGOUTPUT_MALFORMED,
                   "column \"%s\" of table %s.%s came with bytes that are no value of its type",
                   relation->shape.columns[column].name, relation->schema, relation->name);
}

/* Why a row does not become an event. */
struct reason {
    enum err_code code;
    const char *path, *message;
};

/* The whole row as text goes to the reject topic in the event's place; its ordinal is used up. */
static enum rc emit_reject(struct pg_emitter *emitter, const struct pg_relation *relation, const struct reason *reason,
                           char op, const struct pgoutput_tuple *before, const struct pgoutput_tuple *after,
                           struct batch *batch, struct err *err)
{
    struct position pos = {emitter->major, emitter->ordinal++};
    if (pos.minor < emitter->skip_below)
        return RC_OK;
    uint32_t column;
    buf_clear(&emitter->scratch);
    if ((after != NULL || before != NULL) &&
        !put_key_text(relation, after != NULL ? after : before, &emitter->scratch, &column))
        return malformed(err, relation, column);
    size_t key_end = emitter->scratch.len;
    if (!put_json_record(relation, op, before, after, &emitter->scratch, &column))
        return malformed(err, relation, column);
    if (emitter->scratch.failed)
        return too_large(err, relation, batch);
    struct slice scratch = buf_slice(&emitter->scratch);
    const struct reject reject = {.stage = "capture",
                                  .source = emitter->source,
                                  .topic = relation->topic,
                                  .path = reason->path,
                                  .message = reason->message,
                                  .code = reason->code,
                                  .key = slice_of(scratch.ptr, key_end),
                                  .pos = pos,
                                  .offset = -1,
                                  .record = slice_of(scratch.ptr + key_end, scratch.len - key_end)};
    struct buf out = arena_open(batch->arena);
    reject_encode_key(&reject, &out);
    key_end = out.len;
    reject_encode(&reject, emitter->now_us, &out);
    struct slice all = arena_close(batch->arena, &out);
    struct batch_record *record = all.ptr == NULL ? NULL : batch_add(batch);
    if (record == NULL)
        return too_large(err, relation, batch);
    record->topic = emitter->rejects_topic;
    record->pos = pos;
    record->key = slice_of(all.ptr, key_end);
    record->value = slice_of(all.ptr + key_end, all.len - key_end);
    metric_add(METRIC_capture_rejects_total, 1, relation->topic, err_name(reason->code));
    return RC_OK;
}

static enum rc reject_value(struct pg_emitter *emitter, const struct pg_relation *relation, uint32_t column, char op,
                            const struct pgoutput_tuple *before, const struct pgoutput_tuple *after,
                            struct batch *batch, struct err *err)
{
    char message[256];
    const struct column *bad = &relation->shape.columns[column];
    snprintf(message, sizeof(message), "column \"%s\" of type %s holds a value that the event cannot carry", bad->name,
             bad->source_type == NULL ? "unknown" : bad->source_type);
    const struct reason reason = {ERR_PG_VALUE, bad->name, message};
    return emit_reject(emitter, relation, &reason, op, before, after, batch, err);
}

/* Of a stopped table: whole, as it came. A changed key is one reject. */
static enum rc reject_stopped(struct pg_emitter *emitter, const struct pg_relation *relation, char op,
                              const struct pgoutput_tuple *before, const struct pgoutput_tuple *after,
                              struct batch *batch, struct err *err)
{
    const struct reason reason = {relation->stop_code, NULL, relation->stop_why};
    return emit_reject(emitter, relation, &reason, op, before, after, batch, err);
}

/* ---- transactions ---- */

void pg_emit_begin(struct pg_emitter *emitter)
{
    buf_clear(&emitter->origin);
    emitter->origin_lsn = 0;
}

enum rc pg_emit_origin(struct pg_emitter *emitter, const struct pgoutput_origin *origin, struct err *err)
{
    buf_clear(&emitter->origin);
    buf_put_str(&emitter->origin, origin->name);
    emitter->origin_lsn = origin->lsn;
    if (emitter->origin.failed)
        return err_set(err, ERR_MEMORY_LIMIT, "the name of a replication origin has %zu bytes", strlen(origin->name));
    return RC_OK;
}

/* ---- events ---- */

static enum rc misfit(struct err *err, const struct pg_relation *relation, uint16_t n)
{
    return err_set(err, ERR_PGOUTPUT_MALFORMED, "a row of table %s.%s has %u columns, the table was announced with %zu",
                   relation->schema, relation->name, n, relation->shape.n_columns);
}

/* What an outcome other than PUT_OK means for the caller of the module. */
static enum rc settle(struct pg_emitter *emitter, const struct pg_relation *relation, enum outcome outcome,
                      const struct draft *draft, char op, const struct pgoutput_tuple *before,
                      const struct pgoutput_tuple *after, struct batch *batch, struct err *err)
{
    switch (outcome) {
    case PUT_OK: return RC_OK;
    case PUT_BAD_VALUE: return reject_value(emitter, relation, draft->column, op, before, after, batch, err);
    case PUT_NULL:
    case PUT_DEEP:
        emitter->narrow_column = draft->column;
        emitter->dimensions = outcome == PUT_DEEP ? draft->dimensions : 0;
        return RC_AGAIN;
    case PUT_NO_KEY: break;
    }
    return err_set(err, ERR_PGOUTPUT_MALFORMED, "a change of table %s.%s came without key column \"%s\"",
                   relation->schema, relation->name, relation->shape.columns[draft->column].name);
}

/* key, null, after: create, read. */
static enum outcome draft_after(const struct pg_emitter *emitter, const struct pg_relation *relation,
                                enum envelope_op op, const struct pgoutput_tuple *row, struct draft *draft)
{
    enum outcome outcome = put_key(relation, row, NULL, draft);
    if (UNLIKELY(outcome != PUT_OK))
        return outcome;
    draft->key_end = draft->buf.len;
    envelope_begin(relation->envelope, &draft->buf);
    avro_put_null(&draft->buf);
    avro_put_some(&draft->buf);
    outcome = put_row(relation, row, NULL, draft);
    if (LIKELY(outcome == PUT_OK))
        draft_end_value(emitter, relation, draft, op);
    return outcome;
}

static enum rc emit_after(struct pg_emitter *emitter, const struct pg_relation *relation, enum envelope_op op,
                          const struct pgoutput_tuple *row, struct batch *batch, struct err *err)
{
    struct draft draft;
    if (UNLIKELY(row->n != relation->shape.n_columns))
        return misfit(err, relation, row->n);
    enum outcome outcome = draft_after(emitter, relation, op, row, draft_open(&draft, batch));
    if (UNLIKELY(outcome != PUT_OK))
        return settle(emitter, relation, outcome, &draft, (char)op, NULL, row, batch, err);
    return draft_add(emitter, relation, &draft, false, batch, err);
}

static enum outcome draft_delete(const struct pg_emitter *emitter, const struct pg_relation *relation,
                                 const struct pgoutput_tuple *old, bool whole, struct slice new_key,
                                 struct draft *draft)
{
    enum outcome outcome = put_key(relation, old, NULL, draft);
    if (outcome != PUT_OK)
        return outcome;
    draft->key_end = draft->buf.len;
    envelope_begin(relation->envelope, &draft->buf);
    avro_put_some(&draft->buf);
    outcome = whole ? put_row(relation, old, NULL, draft) : put_key_image(relation, old, draft);
    if (outcome != PUT_OK)
        return outcome;
    avro_put_null(&draft->buf);
    draft_end_value(emitter, relation, draft, OP_DELETE);
    draft_put_move(draft, (struct slice){0}, new_key);
    return PUT_OK;
}

static enum rc emit_delete(struct pg_emitter *emitter, const struct pg_relation *relation,
                           const struct pgoutput_tuple *old, bool whole, struct batch *batch, struct err *err)
{
    struct draft draft;
    if (old->n != relation->shape.n_columns)
        return misfit(err, relation, old->n);
    enum outcome outcome = draft_delete(emitter, relation, old, whole, (struct slice){0}, draft_open(&draft, batch));
    if (outcome != PUT_OK)
        return settle(emitter, relation, outcome, &draft, OP_DELETE, old, NULL, batch, err);
    return draft_add(emitter, relation, &draft, true, batch, err);
}

/* The row under its new key: before is null, the old key travels in a header. */
static enum outcome draft_update(const struct pg_emitter *emitter, const struct pg_relation *relation,
                                 const struct pgoutput_msg *msg, const struct move *move, struct draft *draft)
{
    const struct pgoutput_tuple *old = msg->row.old == PGOUTPUT_OLD_NONE ? NULL : &msg->old_tuple;
    const struct pgoutput_tuple *whole_old = msg->row.old == PGOUTPUT_OLD_ROW ? &msg->old_tuple : NULL;
    enum outcome outcome = put_key(relation, &msg->new_tuple, old, draft);
    if (outcome != PUT_OK)
        return outcome;
    draft->key_end = draft->buf.len;
    envelope_begin(relation->envelope, &draft->buf);
    if (old == NULL || move->old_key.len > 0) {
        avro_put_null(&draft->buf);
    } else {
        avro_put_some(&draft->buf);
        outcome = whole_old != NULL ? put_row(relation, old, NULL, draft) : put_key_image(relation, old, draft);
    }
    if (outcome != PUT_OK)
        return outcome;
    draft->has_unchanged = false; /* the bitmap is about `after` */
    avro_put_some(&draft->buf);
    outcome = put_row(relation, &msg->new_tuple, whole_old, draft);
    if (outcome != PUT_OK)
        return outcome;
    draft_end_value(emitter, relation, draft, move->old_key.len > 0 ? OP_CREATE : OP_UPDATE);
    draft_put_move(draft, move->old_key, move->old_text);
    return PUT_OK;
}

/* Both keys as texts behind the framed old one, which scratch holds. A key without a text has none. */
static struct move put_key_texts(const struct pg_relation *relation, struct slice new_key, struct buf *scratch)
{
    size_t ends[3] = {scratch->len};
    SCOPED(buf_done) struct buf text = buf_new(KEY_TEXT_MAX_BYTES);
    for (size_t i = 0; i < 2; i++) {
        struct slice key = i == 0 ? slice_of(scratch->ptr, ends[0]) : new_key;
        buf_clear(&text);
        if (key_text_put(&text, &relation->shape, key))
            buf_put_slice(scratch, buf_slice(&text));
        ends[i + 1] = scratch->len;
    }
    return (struct move){.old_key = slice_of(scratch->ptr, ends[0]),
                         .old_text = slice_of(scratch->ptr + ends[0], ends[1] - ends[0]),
                         .new_text = slice_of(scratch->ptr + ends[1], ends[2] - ends[1])};
}

/* The old key into scratch and *ret_move when it differs from the new one. */
static enum outcome changed_key(struct pg_emitter *emitter, const struct pg_relation *relation,
                                const struct pgoutput_msg *msg, struct draft *draft, struct move *ret_move)
{
    *ret_move = (struct move){0};
    buf_clear(&emitter->scratch);
    if (msg->row.old == PGOUTPUT_OLD_NONE)
        return PUT_OK;
    enum outcome outcome = put_key(relation, &msg->old_tuple, NULL, draft);
    size_t old_end = draft->buf.len;
    if (outcome == PUT_OK)
        outcome = put_key(relation, &msg->new_tuple, &msg->old_tuple, draft);
    if (outcome != PUT_OK || draft->buf.failed)
        return outcome;
    struct slice old_key = slice_of(draft->buf.ptr, old_end);
    struct slice new_key = slice_of(draft->buf.ptr + old_end, draft->buf.len - old_end);
    if (slice_eq(old_key, new_key))
        return PUT_OK;
    buf_put_slice(&emitter->scratch, old_key);
    *ret_move = put_key_texts(relation, new_key, &emitter->scratch);
    return PUT_OK;
}

static enum rc emit_update(struct pg_emitter *emitter, const struct pg_relation *relation,
                           const struct pgoutput_msg *msg, struct batch *batch, struct err *err)
{
    struct draft draft;
    bool has_old = msg->row.old != PGOUTPUT_OLD_NONE, old_is_whole = msg->row.old == PGOUTPUT_OLD_ROW;
    const struct pgoutput_tuple *old = has_old ? &msg->old_tuple : NULL;
    if (msg->new_tuple.n != relation->shape.n_columns || (has_old && old->n != relation->shape.n_columns))
        return misfit(err, relation, msg->new_tuple.n);
    struct move move;
    enum outcome outcome = changed_key(emitter, relation, msg, draft_open(&draft, batch), &move);
    if (outcome == PUT_OK && move.old_key.len == 0) {
        outcome = draft_update(emitter, relation, msg, &move, draft_open(&draft, batch));
        if (LIKELY(outcome == PUT_OK))
            return draft_add(emitter, relation, &draft, false, batch, err);
    }
    if (outcome != PUT_OK)
        return settle(emitter, relation, outcome, &draft, OP_UPDATE, old, &msg->new_tuple, batch, err);

    /* A dry run of the second event first: both or none, whatever the values are. */
    outcome = draft_update(emitter, relation, msg, &move, draft_open(&draft, batch));
    if (outcome == PUT_OK)
        outcome = draft_delete(emitter, relation, old, old_is_whole, move.new_text, draft_open(&draft, batch));
    if (outcome != PUT_OK)
        return settle(emitter, relation, outcome, &draft, OP_UPDATE, old, &msg->new_tuple, batch, err);
    TRY(draft_add(emitter, relation, &draft, true, batch, err));
    outcome = draft_update(emitter, relation, msg, &move, draft_open(&draft, batch));
    if (outcome != PUT_OK)
        return err_set(err, ERR_BUG, "an event was encoded once and not twice");
    return draft_add(emitter, relation, &draft, false, batch, err);
}

static enum rc emit_stopped(struct pg_emitter *emitter, const struct pg_relation *relation,
                            const struct pgoutput_msg *msg, struct batch *batch, struct err *err)
{
    bool has_old = msg->type == PGOUTPUT_DELETE || (msg->type == PGOUTPUT_UPDATE && msg->row.old != PGOUTPUT_OLD_NONE);
    const struct pgoutput_tuple *old = has_old ? &msg->old_tuple : NULL;
    const struct pgoutput_tuple *row = msg->type == PGOUTPUT_DELETE ? NULL : &msg->new_tuple;
    char op = msg->type == PGOUTPUT_INSERT ? OP_CREATE : msg->type == PGOUTPUT_UPDATE ? OP_UPDATE : OP_DELETE;
    if ((old != NULL && old->n != relation->shape.n_columns) || (row != NULL && row->n != relation->shape.n_columns))
        return misfit(err, relation, old != NULL ? old->n : row->n);
    return reject_stopped(emitter, relation, op, old, row, batch, err);
}

enum rc pg_emit_row(struct pg_emitter *emitter, struct pg_relation *relation, const struct pgoutput_msg *msg,
                    struct batch *batch, struct err *err)
{
    if (UNLIKELY(relation->stop_code != ERR_NONE))
        return emit_stopped(emitter, relation, msg, batch, err);
    switch (msg->type) {
    case PGOUTPUT_INSERT: return emit_after(emitter, relation, OP_CREATE, &msg->new_tuple, batch, err);
    case PGOUTPUT_UPDATE: return emit_update(emitter, relation, msg, batch, err);
    case PGOUTPUT_DELETE:
        return emit_delete(emitter, relation, &msg->old_tuple, msg->row.old == PGOUTPUT_OLD_ROW, batch, err);
    default: return err_set(err, ERR_BUG, "a message of type '%c' is not a row", (int)msg->type);
    }
}

enum rc pg_emit_read(struct pg_emitter *emitter, struct pg_relation *relation, const struct pgoutput_tuple *row,
                     struct batch *batch, struct err *err)
{
    if (UNLIKELY(relation->stop_code != ERR_NONE))
        return err_set(err, relation->stop_code, "%s", relation->stop_why);
    return emit_after(emitter, relation, OP_READ, row, batch, err);
}

enum rc pg_emit_truncate(struct pg_emitter *emitter, struct pg_relation *relation, struct batch *batch, struct err *err)
{
    struct draft draft;
    if (UNLIKELY(relation->stop_code != ERR_NONE))
        return reject_stopped(emitter, relation, OP_TRUNCATE, NULL, NULL, batch, err);
    draft_open(&draft, batch);
    envelope_begin(relation->envelope, &draft.buf);
    avro_put_null(&draft.buf);
    avro_put_null(&draft.buf);
    draft_end_value(emitter, relation, &draft, OP_TRUNCATE);
    return draft_add(emitter, relation, &draft, false, batch, err);
}
