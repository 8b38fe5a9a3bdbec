/* The net effect of a batch, written as parts and a manifest. */
#include "sink/table_batch_state.h"

#include <stdio.h>

#include "base/metrics.h"

enum { LINES_BYTES = 256 << 10, POS_CHARS = 33, KEY_BYTES = 1024 };

/* One run over the log. */
struct parts {
    struct table_batch *batch;
    struct part_writer *writer;
    const char *bucket;
    struct slice marker;
    bool with_keep;
    struct buf lines, manifest;
    char key[KEY_BYTES]; /* of the open part */
};

static enum rc object_key(char out[KEY_BYTES], const char *prefix, const char *name, struct err *err)
{
    int n = snprintf(out, KEY_BYTES, "%s/%s", prefix, name);
    if (n < 0 || n >= KEY_BYTES)
        return err_set(err, ERR_S3_REQUEST, "the staging key \"%.100s...\" is longer than S3 allows", prefix);
    return RC_OK;
}

static void part_name(char out[32], size_t number)
{
    snprintf(out, 32, "part-%05zu.csv.zst", number);
}

static void put_pos(struct buf *out, struct position pos)
{
    static const char digits[] = "0123456789abcdef";
    char text[POS_CHARS];
    for (int i = 0; i < 16; i++) {
        text[i] = digits[pos.major >> (60 - 4 * i) & 15];
        text[17 + i] = digits[pos.minor >> (60 - 4 * i) & 15];
    }
    text[16] = '.';
    buf_put(out, text, sizeof(text));
}

static void put_null(struct parts *parts)
{
    buf_put_u8(&parts->lines, ',');
    buf_put_slice(&parts->lines, parts->marker);
}

/* _leat_keep and _leat_from_<n>. */
static void put_keep(struct parts *parts, const struct image *image, struct slice body)
{
    const struct table_batch *batch = parts->batch;
    if (!image->is_partial) {
        for (size_t i = 0; i < 1 + batch->target->n_key_columns; i++)
            put_null(parts);
        return;
    }
    const uint8_t *keep = body.ptr + image->fields_bytes;
    buf_put_u8(&parts->lines, ',');
    for (size_t i = 0; i < batch->n_columns; i++)
        buf_put_u8(&parts->lines, bitmap_has(keep, i) ? '1' : '0');
    size_t from = image->fields_bytes + bitmap_bytes(batch->n_columns);
    buf_put_u8(&parts->lines, ',');
    buf_put(&parts->lines, body.ptr + from, body.len - from);
}

static void put_line(struct parts *parts, const struct image *image, struct slice body)
{
    csv_put_nulls(&parts->lines, slice_of(body.ptr, image->fields_bytes), parts->marker);
    buf_put_u8(&parts->lines, ',');
    put_pos(&parts->lines, image->pos);
    buf_put(&parts->lines, image->is_delete ? ",d" : ",u", 2);
    if (parts->with_keep)
        put_keep(parts, image, body);
    buf_put_u8(&parts->lines, '\n');
}

static enum rc flush_lines(struct parts *parts, struct err *err)
{
    if (parts->lines.failed)
        return err_set(err, ERR_NO_MEMORY, "could not hold the CSV lines of table \"%s\"", parts->batch->target->table);
    TRY(part_writer_put(parts->writer, buf_slice(&parts->lines), err));
    buf_clear(&parts->lines);
    return RC_OK;
}

static enum rc open_part(struct parts *parts, size_t number, struct err *err)
{
    char name[32];
    part_name(name, number);
    TRY(object_key(parts->key, parts->batch->key_prefix, name, err));
    parts->batch->n_parts = MAX(parts->batch->n_parts, number + 1);
    return part_writer_begin(parts->writer, parts->key, err);
}

static enum rc close_part(struct parts *parts, size_t number, struct err *err)
{
    uint64_t bytes;
    TRY(flush_lines(parts, err));
    TRY(part_writer_end(parts->writer, &bytes, err));
    SCOPED(buf_done) struct buf url = buf_new(4096);
    buf_printf(&url, "s3://%s/%s", parts->bucket, parts->key);
    buf_put_str(&parts->manifest, number == 0 ? "{\"entries\":[" : ",");
    buf_put_str(&parts->manifest, "{\"url\":");
    buf_put_json_string(&parts->manifest, buf_slice(&url));
    buf_printf(&parts->manifest, ",\"mandatory\":true,\"meta\":{\"content_length\":%llu}}", (unsigned long long)bytes);
    return RC_OK;
}

static bool is_last_of_key(const struct table_batch *batch, const struct image *image, uint64_t offset)
{
    uint64_t value = key_index_get(batch->index, image->key);
    return value != 0 && value_offset(value) == offset;
}

/* All parts; how many. */
static enum rc write_parts(struct parts *parts, size_t *ret_n, struct err *err)
{
    struct table_batch *batch = parts->batch;
    SCOPED(image_cursor_done) struct image_cursor cursor = image_cursor_over(batch->log);
    struct image image;
    struct slice body;
    uint64_t offset;
    size_t number = 0;
    bool open = false;
    enum rc rc;
    while ((rc = image_cursor_next(&cursor, &offset, &image, &body, err)) == RC_OK) {
        if (!is_last_of_key(batch, &image, offset))
            continue;
        if (!open)
            TRY(open_part(parts, number, err));
        open = true;
        put_line(parts, &image, body);
        if (parts->lines.len >= LINES_BYTES)
            TRY(flush_lines(parts, err));
        if (part_writer_bytes(parts->writer) + parts->lines.len >= batch->part_bytes) {
            TRY(close_part(parts, number++, err));
            open = false;
        }
    }
    if (rc != RC_AGAIN)
        return rc;
    if (open)
        TRY(close_part(parts, number++, err));
    *ret_n = number;
    return RC_OK;
}

static enum rc write_manifest(struct parts *parts, const struct part_store *store, const char *key, struct err *err)
{
    uint64_t bytes;
    buf_put_str(&parts->manifest, "]}\n");
    if (parts->manifest.failed)
        return err_set(err, ERR_NO_MEMORY, "could not hold the manifest of table \"%s\"", parts->batch->target->table);
    TRY(store->open(store->context, key, err));
    TRY(store->put(store->context, buf_slice(&parts->manifest), err));
    return store->finish(store->context, &bytes, err);
}

static void parts_done(struct parts *parts)
{
    part_writer_free(parts->writer);
    buf_done(&parts->lines);
    buf_done(&parts->manifest);
}

enum rc table_batch_store(struct table_batch *batch, const struct part_store *store, const char *bucket,
                          const char *key_prefix, char ret_manifest_key[1024], struct err *err)
{
    char manifest_key[KEY_BYTES];
    if (batch->stats.upserts + batch->stats.deletes == 0) {
        ret_manifest_key[0] = '\0';
        return RC_OK;
    }
    TRY(object_key(manifest_key, key_prefix, "manifest.json", err));
    snprintf(batch->key_prefix, sizeof(batch->key_prefix), "%s", key_prefix);

    struct parts parts = {
        .batch = batch,
        .writer = part_writer_new(store),
        .bucket = bucket,
        .marker = slice_of_str(table_batch_null_marker(batch)),
        .with_keep = batch->stats.partial > 0,
        .lines = buf_new((size_t)LINES_BYTES + 4 * (size_t)IMAGE_MAX_BYTES),
        .manifest = buf_new((size_t)64 << 20),
    };
    size_t n_parts = 0;
    enum rc rc = write_parts(&parts, &n_parts, err);
    if (rc == RC_OK)
        rc = write_manifest(&parts, store, manifest_key, err);
    parts_done(&parts);
    if (rc == RC_OK)
        memcpy(ret_manifest_key, manifest_key, sizeof(manifest_key));
    return rc;
}

enum rc table_batch_upload(struct table_batch *batch, struct s3 *s3, const char *bucket, const char *key_prefix,
                           char ret_manifest_key[1024], struct err *err)
{
    struct part_s3 part_s3 = {.s3 = s3};
    struct part_store store = part_store_s3(&part_s3);
    return table_batch_store(batch, &store, bucket, key_prefix, ret_manifest_key, err);
}

static void unstage_one(const struct table_batch *batch, struct s3 *s3, const char *name)
{
    char key[KEY_BYTES];
    struct err err = {0};
    if (object_key(key, batch->key_prefix, name, &err) != RC_OK || s3_delete(s3, key, &err) != RC_OK)
        metric_add(METRIC_errors_total, 1, err_name(err.code), NULL);
}

void table_batch_unstage(struct table_batch *batch, struct s3 *s3)
{
    if (batch->key_prefix[0] == '\0')
        return;
    unstage_one(batch, s3, "manifest.json");
    for (size_t i = 0; i < batch->n_parts; i++) {
        char name[32];
        part_name(name, i);
        unstage_one(batch, s3, name);
    }
    batch->key_prefix[0] = '\0';
    batch->n_parts = 0;
}
