/* What table_batch.c (taking changes in) and table_batch_parts.c (writing the net effect out) share. */
#ifndef LEAT_SINK_TABLE_BATCH_STATE_H
#define LEAT_SINK_TABLE_BATCH_STATE_H

#include "sink/csv.h"
#include "sink/image_log.h"
#include "sink/key_index.h"
#include "sink/table_batch.h"

/* What the index keeps for a key: the offset of its last image, plus one, and the image's kind. */
#define VALUE_DELETE  ((uint64_t)1 << 62)
#define VALUE_PARTIAL ((uint64_t)1 << 63)
static inline uint64_t value_offset(uint64_t value)
{
    return (value & ~(VALUE_DELETE | VALUE_PARTIAL)) - 1;
}

/* Bodies of images:
 *   complete row   fields
 *   partial row    fields, bitmap of the kept columns, the CSV fields of the key under which the warehouse
 * has the row delete         fields (NULL but for the key), uint64_t: what the row was before, as an index
 * value, or one of these */
#define BEFORE_IN_WAREHOUSE ((uint64_t)0)
#define BEFORE_GONE         UINT64_MAX

struct table_batch {
    const struct target *target;
    size_t n_columns;
    size_t part_bytes;
    struct image_log *log;
    struct key_index *index;
    struct table_batch_stats stats;
    struct csv_seen seen;
    char marker[CSV_MARKER_BYTES];
    uint8_t *kept; /* bitmap: columns that some partial row keeps */

    const struct table_shape *mapped; /* the shape that `columns` and `row_of` are for */
    struct csv_column *columns;       /* by target column */
    int *row_of;                      /* by target column: where the event's row has it, -1: nowhere */

    struct buf body, moved_body, read; /* an image being made, the delete beside it, an image read back */
    struct slice *earlier_fields;      /* by target column */
    uint8_t *keep;                     /* bitmap, of the row being made */

    char key_prefix[1024]; /* of what was uploaded; "" when nothing was */
    size_t n_parts;
};

static inline size_t bitmap_bytes(size_t n)
{
    return (n + 7) / 8;
}

static inline bool bitmap_has(const uint8_t *bitmap, size_t i)
{
    return (bitmap[i / 8] >> (i % 8) & 1) != 0;
}

static inline void bitmap_set(uint8_t *bitmap, size_t i)
{
    bitmap[i / 8] |= (uint8_t)(1u << (i % 8));
}

#endif
