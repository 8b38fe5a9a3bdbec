/* The net effect of one batch on one table, and the files that carry it.
 *
 * add: each change is encoded once, as the CSV line of its row, into an append-only log (memory up to a budget, then an
 * unlinked spill file); an index of 128-bit key hashes points at the last image of each key. seal: walks the log once
 * and writes the images that are still the last of their key into CSV + zstd parts, so that the parts hold each key
 * once. A partial image (unchanged TOAST columns) takes them from the earlier image of the batch, or, when there is
 * none, stays partial and is completed in the warehouse. */
#ifndef LEAT_SINK_TABLE_BATCH_H
#define LEAT_SINK_TABLE_BATCH_H

#include "base/config.h"
#include "sink/change.h"
#include "sink/part.h"
#include "sink/redshift/target.h"
#include "sink/s3/put.h"

struct table_batch;

struct table_batch_budget {
    size_t memory_bytes; /* of the log, before it spills */
    size_t part_bytes;   /* uncompressed size at which a part is closed */
    const char *spill_dir;
};

/* target: the shape that rows are encoded for (column order, types); it must outlive the batch and not change under it. */
struct table_batch *table_batch_new(const struct target *target, const struct table_batch_budget *budget);
void table_batch_free(struct table_batch *batch);

/* RC_REJECT (VALUE_TOO_LONG, VALUE_UNLOADABLE, with the column in the message): nothing was taken in, the batch is as
 * before. plan_shape: the shape of the event's writer schema; its columns are matched to the target's by name (the map
 * is kept while the same shape pointer comes). */
MUST_CHECK enum rc table_batch_add(struct table_batch *batch, const struct table_shape *plan_shape,
                                   const struct change *change, struct err *err);

struct table_batch_stats {
    uint64_t events;           /* added */
    uint64_t upserts, deletes; /* after coalescing: what the parts hold */
    uint64_t partial;          /* upserts that the warehouse has to complete */
    bool truncated;            /* the table is emptied first */
    struct position min_pos, max_pos;
    int64_t max_bytes_seen;            /* reserved for widening: longest text, in bytes */
    struct position truncate_pos;      /* of the last truncate; when truncated */
    uint64_t log_bytes, spilled_bytes; /* what the images take, and how much of it is on disk */
};
void table_batch_stats(const struct table_batch *batch, struct table_batch_stats *ret_stats);

/* Uploads parts and the manifest under key_prefix ("leat/warehouse/batch/table"): upserts and deletes in one staging
 * layout (see target.h). Can be called again after a failure: it writes the same objects. ret_manifest_key is empty when
 * there is nothing to load (only a truncate). */
MUST_CHECK enum rc table_batch_upload(struct table_batch *batch, struct s3 *s3, const char *bucket,
                                      const char *key_prefix, char ret_manifest_key[1024], struct err *err);
/* The same into any store: what table_batch_upload does. */
MUST_CHECK enum rc table_batch_store(struct table_batch *batch, const struct part_store *store, const char *bucket,
                                     const char *key_prefix, char ret_manifest_key[1024], struct err *err);
/* Deletes what upload wrote; failures are only counted. */
void table_batch_unstage(struct table_batch *batch, struct s3 *s3);

/* The marker that stands for NULL in this batch's CSV: no value equals it. */
const char *table_batch_null_marker(const struct table_batch *batch);

/* Some partial row of the batch takes this column of the target from the warehouse. */
bool table_batch_keeps(const struct table_batch *batch, size_t column);

#endif
