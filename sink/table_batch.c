#include "sink/table_batch_state.h"

#include <stdio.h>
#include <stdlib.h>

enum { BODY_MAX_BYTES = 16 << 20 };

static void *zalloc(size_t n, size_t size)
{
    void *ptr = calloc(MAX(n, (size_t)1), size);
    if (ptr == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return ptr;
}

struct table_batch *table_batch_new(const struct target *target, const struct table_batch_budget *budget)
{
    struct table_batch *batch = zalloc(1, sizeof(*batch));
    size_t n = target->n_columns;
    batch->target = target;
    batch->n_columns = n;
    batch->part_bytes = budget->part_bytes;
    batch->log = image_log_new(budget->memory_bytes, budget->spill_dir);
    batch->index = key_index_new();
    batch->kept = zalloc(bitmap_bytes(n), 1);
    batch->keep = zalloc(bitmap_bytes(n), 1);
    batch->columns = zalloc(n, sizeof(*batch->columns));
    batch->row_of = zalloc(n, sizeof(*batch->row_of));
    batch->earlier_fields = zalloc(n, sizeof(*batch->earlier_fields));
    batch->body = buf_new(BODY_MAX_BYTES);
    batch->moved_body = buf_new(BODY_MAX_BYTES);
    batch->read = buf_new(IMAGE_MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        batch->columns[i] = (struct csv_column){.target = &target->columns[i], .source = target->columns[i].source};
        batch->row_of[i] = -1;
    }
    return batch;
}

void table_batch_free(struct table_batch *batch)
{
    if (batch == NULL)
        return;
    image_log_free(batch->log);
    key_index_free(batch->index);
    buf_done(&batch->body);
    buf_done(&batch->moved_body);
    buf_done(&batch->read);
    free(batch->kept);
    free(batch->keep);
    free(batch->columns);
    free(batch->row_of);
    free(batch->earlier_fields);
    free(batch);
}

void table_batch_stats(const struct table_batch *batch, struct table_batch_stats *ret_stats)
{
    *ret_stats = batch->stats;
    ret_stats->max_bytes_seen = batch->seen.max_bytes;
    ret_stats->log_bytes = image_log_bytes(batch->log);
    ret_stats->spilled_bytes = image_log_spilled_bytes(batch->log);
}

const char *table_batch_null_marker(const struct table_batch *batch)
{
    struct table_batch *self = (struct table_batch *)(uintptr_t)batch;
    csv_marker(&batch->seen, self->marker);
    return batch->marker;
}

bool table_batch_keeps(const struct table_batch *batch, size_t column)
{
    return bitmap_has(batch->kept, column);
}

/* ---- an event's columns, found in the target ---- */

static enum rc map_shape(struct table_batch *batch, const struct table_shape *shape, struct err *err)
{
    if (shape == NULL || shape == batch->mapped)
        return RC_OK;
    batch->mapped = NULL;
    for (size_t i = 0; i < batch->n_columns; i++)
        batch->row_of[i] = -1;
    for (size_t i = 0; i < shape->n_columns; i++) {
        char name[TARGET_NAME_BYTES];
        target_fold_name(shape->columns[i].name, name);
        int at = target_find(batch->target, name);
        if (at < 0)
            return err_set(err, ERR_BUG, "column \"%s\" of the events of \"%s\" is not in its target", name,
                           batch->target->table);
        batch->row_of[at] = (int)i;
        batch->columns[at] = csv_column_of(&batch->target->columns[at], &shape->columns[i]);
    }
    batch->mapped = shape;
    return RC_OK;
}

static bool did_not_travel(const struct table_batch *batch, const struct change *change, size_t column)
{
    int at = batch->row_of[column];
    return at >= 0 && !batch->target->columns[column].is_key && (size_t)at / 8 < change->unchanged.len &&
           bitmap_has(change->unchanged.ptr, (size_t)at);
}

static bool is_partial(const struct table_batch *batch, const struct change *change)
{
    for (size_t i = 0; i < batch->n_columns && change->unchanged.len > 0; i++)
        if (did_not_travel(batch, change, i))
            return true;
    return false;
}

/* ---- images ---- */

static enum rc check_row_bytes(const struct table_batch *batch, const struct buf *body, struct err *err)
{
    if (body->failed || body->len > CSV_ROW_MAX_BYTES)
        return err_set(err, ERR_VALUE_TOO_LONG, "table \"%s\": the row is longer than the %d bytes that COPY takes",
                       batch->target->table, CSV_ROW_MAX_BYTES);
    return RC_OK;
}

/* The key alone, as fields with commas between them: 12,"abc". */
static enum rc put_key_fields(struct table_batch *batch, struct buf *out, const struct avro_value *values,
                              struct err *err)
{
    for (size_t i = 0; i < batch->target->n_key_columns; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        TRY(csv_put(out, &batch->columns[batch->target->key_columns[i]], &values[i], &batch->seen, err));
    }
    return RC_OK;
}

static const struct avro_value *key_value(const struct target *target, const struct avro_value *values, size_t column)
{
    for (size_t i = 0; i < target->n_key_columns; i++)
        if (target->key_columns[i] == column)
            return &values[i];
    return NULL;
}

static enum rc encode_delete(struct table_batch *batch, struct buf *body, const struct avro_value *key_values,
                             struct err *err)
{
    buf_clear(body);
    for (size_t i = 0; i < batch->n_columns; i++) {
        if (i > 0)
            buf_put_u8(body, ',');
        if (batch->target->columns[i].is_key)
            TRY(csv_put(body, &batch->columns[i], key_value(batch->target, key_values, i), &batch->seen, err));
        else
            buf_put_u8(body, CSV_NULL);
    }
    return check_row_bytes(batch, body, err);
}

/* What a partial row is completed from. */
struct earlier {
    enum { EARLIER_IN_WAREHOUSE, EARLIER_IMAGE, EARLIER_GONE } where;
    struct image image;
    struct slice body;
};

static enum rc earlier_read(struct table_batch *batch, uint64_t value, struct earlier *ret, struct err *err)
{
    ret->where = EARLIER_IMAGE;
    return image_log_read(batch->log, value_offset(value), &batch->read, &ret->image, &ret->body, err);
}

/* The row before this change. When it moved, its old key may already be deleted in this batch (the delete
 * that belongs to the move): then what that delete found is meant. */
static enum rc earlier_find(struct table_batch *batch, uint64_t value, bool moved, struct earlier *ret, struct err *err)
{
    ret->where = batch->stats.truncated ? EARLIER_GONE : EARLIER_IN_WAREHOUSE;
    if (value == 0)
        return RC_OK;
    TRY(earlier_read(batch, value, ret, err));
    if (!ret->image.is_delete)
        return RC_OK;
    uint64_t before = BEFORE_GONE;
    if (moved)
        memcpy(&before, ret->body.ptr + ret->image.fields_bytes, sizeof(before));
    if (before != BEFORE_GONE && before != BEFORE_IN_WAREHOUSE)
        return earlier_read(batch, before, ret, err);
    ret->where = before == BEFORE_GONE ? EARLIER_GONE : EARLIER_IN_WAREHOUSE;
    return RC_OK;
}

static void split_fields(struct table_batch *batch, const struct earlier *earlier)
{
    struct slice fields = slice_of(earlier->body.ptr, earlier->image.fields_bytes);
    for (size_t i = 0; i < batch->n_columns; i++)
        batch->earlier_fields[i] = csv_next_field(&fields);
}

static bool earlier_has(const struct earlier *earlier, size_t column)
{
    return earlier->where == EARLIER_IMAGE &&
           (!earlier->image.is_partial || !bitmap_has(earlier->body.ptr + earlier->image.fields_bytes, column));
}

/* One column's field. Keys are taken from the record's key: a long key may itself not have travelled in the
 * row. */
static enum rc put_field(struct table_batch *batch, const struct change *change, const struct earlier *earlier,
                         size_t column, bool *ret_kept, struct err *err)
{
    if (batch->target->columns[column].is_key)
        return csv_put(&batch->body, &batch->columns[column], key_value(batch->target, change->key_values, column),
                       &batch->seen, err);
    if (!did_not_travel(batch, change, column)) {
        static const struct avro_value absent = {.kind = AVRO_VALUE_NULL};
        int at = batch->row_of[column];
        return csv_put(&batch->body, &batch->columns[column], at < 0 ? &absent : &change->row[at], &batch->seen, err);
    }
    if (earlier_has(earlier, column)) {
        buf_put_slice(&batch->body, batch->earlier_fields[column]);
        return RC_OK;
    }
    buf_put_u8(&batch->body, CSV_NULL);
    bitmap_set(batch->keep, column);
    *ret_kept = true;
    return RC_OK;
}

/* The row's image into batch->body; what did not travel comes from `earlier`. */
static enum rc encode_row(struct table_batch *batch, const struct change *change, const struct earlier *earlier,
                          struct image *ret_image, struct err *err)
{
    bool kept = false;
    buf_clear(&batch->body);
    memset(batch->keep, 0, bitmap_bytes(batch->n_columns));
    if (earlier->where == EARLIER_IMAGE)
        split_fields(batch, earlier);
    for (size_t i = 0; i < batch->n_columns; i++) {
        if (i > 0)
            buf_put_u8(&batch->body, ',');
        TRY(put_field(batch, change, earlier, i, &kept, err));
        TRY(check_row_bytes(batch, &batch->body, err));
    }
    ret_image->fields_bytes = (uint32_t)batch->body.len;
    ret_image->is_partial = kept;
    if (!kept)
        return RC_OK;

    size_t bitmap = bitmap_bytes(batch->n_columns);
    buf_put(&batch->body, batch->keep, bitmap);
    if (earlier->where == EARLIER_IMAGE) {
        size_t from = earlier->image.fields_bytes + bitmap;
        buf_put(&batch->body, earlier->body.ptr + from, earlier->body.len - from);
        return RC_OK;
    }
    return put_key_fields(batch, &batch->body,
                          change->moved_from.len > 0 ? change->moved_from_values : change->key_values, err);
}

/* ---- taking an image in ---- */

static void count_value(struct table_batch *batch, uint64_t value, int64_t by)
{
    if (value == 0)
        return;
    uint64_t *count = (value & VALUE_DELETE) != 0 ? &batch->stats.deletes : &batch->stats.upserts;
    *count += (uint64_t)by;
    if ((value & VALUE_PARTIAL) != 0)
        batch->stats.partial += (uint64_t)by;
}

/* Cannot fail: room was reserved. */
static void take_in(struct table_batch *batch, const struct image *image, struct slice body, uint64_t old_value)
{
    uint64_t value = image_log_append(batch->log, *image, body) + 1;
    value |= image->is_delete ? VALUE_DELETE : 0;
    value |= image->is_partial ? VALUE_PARTIAL : 0;
    count_value(batch, old_value, -1);
    count_value(batch, value, 1);
    key_index_put(batch->index, image->key, value);
}

static enum rc reserve(struct table_batch *batch, size_t bytes, struct err *err)
{
    if (!key_index_reserve(batch->index, 2))
        return err_set(err, ERR_NO_MEMORY, "could not grow the key index of table \"%s\"", batch->target->table);
    return image_log_reserve(batch->log, bytes + 2 * sizeof(struct image), err);
}

static void count_event(struct table_batch *batch, struct position pos)
{
    struct table_batch_stats *stats = &batch->stats;
    if (stats->events == 0 || position_compare(pos, stats->min_pos) < 0)
        stats->min_pos = pos;
    if (stats->events == 0 || position_compare(pos, stats->max_pos) > 0)
        stats->max_pos = pos;
    stats->events++;
}

/* The link that a delete keeps to what the row was before; a delete after a delete has nothing before it. */
static uint64_t before_of(const struct table_batch *batch, uint64_t value)
{
    if (value == 0)
        return batch->stats.truncated ? BEFORE_GONE : BEFORE_IN_WAREHOUSE;
    return (value & VALUE_DELETE) != 0 ? BEFORE_GONE : value;
}

static struct image finish_delete(const struct table_batch *batch, struct buf *body, struct key_hash key,
                                  struct position pos, uint64_t value)
{
    struct image image = {.fields_bytes = (uint32_t)body->len, .is_delete = 1, .pos = pos, .key = key};
    uint64_t before = before_of(batch, value);
    buf_put(body, &before, sizeof(before));
    return image;
}

static enum rc add_delete(struct table_batch *batch, const struct change *change, struct err *err)
{
    struct key_hash key = key_hash_of(change->key);
    uint64_t value = key_index_get(batch->index, key);
    TRY(encode_delete(batch, &batch->body, change->key_values, err));
    struct image image = finish_delete(batch, &batch->body, key, change->pos, value);
    TRY(reserve(batch, batch->body.len, err));
    take_in(batch, &image, buf_slice(&batch->body), value);
    return RC_OK;
}

/* The other end of a key change. */
struct move {
    struct key_hash from;
    uint64_t value;     /* of the old key */
    bool removes;       /* the old key's row ends with this change, and nothing in the batch says so yet */
    bool from_is_known; /* what stood under the old key can still be told */
};

static enum rc move_find(struct table_batch *batch, const struct change *change, struct move *ret, struct err *err)
{
    ret->from = key_hash_of(change->moved_from);
    ret->value = key_index_get(batch->index, ret->from);
    ret->from_is_known = true;
    ret->removes = (ret->value & VALUE_DELETE) == 0;
    if (ret->value != 0 && ret->removes) {
        /* Partitions are read side by side: the old key may have been made anew after this change. */
        struct earlier old;
        TRY(earlier_read(batch, ret->value, &old, err));
        if (position_compare(old.image.pos, change->pos) > 0)
            ret->removes = ret->from_is_known = false;
    }
    if (!ret->removes)
        return RC_OK;
    enum rc rc = encode_delete(batch, &batch->moved_body, change->moved_from_values, err);
    if (rc == RC_REJECT) { /* a key that cannot be loaded never was */
        ret->removes = ret->from_is_known = false;
        return RC_OK;
    }
    return rc;
}

static enum rc add_row(struct table_batch *batch, const struct change *change, struct err *err)
{
    if (change->row == NULL)
        return err_set(err, ERR_BUG, "a change of table \"%s\" has no row", batch->target->table);
    bool moved = change->moved_from.len > 0 && !slice_eq(change->moved_from, change->key);
    struct image image = {.pos = change->pos, .key = key_hash_of(change->key)}, removed = {0};
    uint64_t value = key_index_get(batch->index, image.key);
    struct move move = {.from = image.key, .value = value, .from_is_known = true};
    if (moved)
        TRY(move_find(batch, change, &move, err));

    struct earlier earlier = {.where = EARLIER_GONE};
    if (is_partial(batch, change)) {
        if (move.from_is_known)
            TRY(earlier_find(batch, move.value, moved, &earlier, err));
        if (earlier.where == EARLIER_GONE)
            return err_set(err, ERR_VALUE_UNLOADABLE,
                           "table \"%s\": columns did not travel, and the row that has them is not there",
                           batch->target->table);
    }
    TRY(encode_row(batch, change, &earlier, &image, err));
    if (move.removes)
        removed = finish_delete(batch, &batch->moved_body, move.from, change->pos, move.value);
    TRY(reserve(batch, batch->body.len + (move.removes ? batch->moved_body.len : 0), err));

    if (move.removes)
        take_in(batch, &removed, buf_slice(&batch->moved_body), move.value);
    take_in(batch, &image, buf_slice(&batch->body), value);
    for (size_t i = 0; image.is_partial && i < bitmap_bytes(batch->n_columns); i++)
        batch->kept[i] |= batch->keep[i];
    return RC_OK;
}

static void add_truncate(struct table_batch *batch, struct position pos)
{
    image_log_clear(batch->log);
    key_index_clear(batch->index);
    memset(batch->kept, 0, bitmap_bytes(batch->n_columns));
    batch->stats.upserts = batch->stats.deletes = batch->stats.partial = 0;
    batch->stats.truncated = true;
    batch->stats.truncate_pos = pos;
}

enum rc table_batch_add(struct table_batch *batch, const struct table_shape *plan_shape, const struct change *change,
                        struct err *err)
{
    if (change->op == OP_TRUNCATE) {
        add_truncate(batch, change->pos);
    } else {
        TRY(map_shape(batch, plan_shape, err));
        TRY(change->op == OP_DELETE ? add_delete(batch, change, err) : add_row(batch, change, err));
    }
    count_event(batch, change->pos);
    return RC_OK;
}
