/* Every statement that the warehouse gets, as text made from a table's shape. Pure; tests/golden/ holds one
 * of each. Only what docs/redshift.md lists as allowed: no aliases on targets, no ON CONFLICT, no RETURNING,
 * no savepoints. In DELETE, UPDATE and MERGE columns are named with the bare table name: schema.table.column
 * would read as a part of a SUPER value when the schema and the table have one name. */
#ifndef LEAT_SINK_REDSHIFT_SQL_H
#define LEAT_SINK_REDSHIFT_SQL_H

#include "base/buf.h"
#include "sink/redshift/target.h"
#include "sink/table_batch.h"

void sql_put_identifier(struct buf *out, const char *name); /* "weird ""name""" */
void sql_put_literal(struct buf *out,
                     const char *text); /* 'it''s'; backslashes doubled, redshift reads them as escapes */

/* DDL */
void sql_create_table(struct buf *out, const struct target *target);
void sql_add_column(struct buf *out, const struct target *target, const struct target_column *column);
void sql_add_pos_column(struct buf *out, const struct target *target);
void sql_widen_column(struct buf *out, const struct target *target, const struct target_column *column);

/* The staging table. */
enum { SQL_STAGE_NAME_BYTES = 32 };
void sql_stage_name(const struct target *target, char out[SQL_STAGE_NAME_BYTES]);
void sql_create_stage(struct buf *out, const struct target *target, bool with_partial);
void sql_drop_stages(struct buf *out, const struct target *const *targets, size_t n);

struct sql_copy {
    const char *bucket, *manifest_key;
    const char *null_marker;
    const char *iam_role;                                          /* NULL: the keys; "default" */
    const char *access_key_id, *secret_access_key, *session_token; /* token may be NULL */
    const char *region;                                            /* NULL: not said */
    bool with_partial;
};
void sql_copy(struct buf *out, const struct target *target, const struct sql_copy *copy);

/* Replay: staged rows that are not newer than the target's. */
void sql_drop_stale(struct buf *out, const struct target *target);
/* Partial rows take the columns that did not travel from the row that stands under _leat_from_<n>. kept:
 * columns that occur at all. replay: only from rows that are older. */
void sql_complete(struct buf *out, const struct target *target, const struct table_batch *batch, bool replay);
/* After sql_complete: partial rows whose row is not in the target. All columns in target order, then _leat_pos and
 * _leat_keep. above NULL: all of them; else only those that are newer than it. */
void sql_read_incomplete(struct buf *out, const struct target *target, const struct position *above);
/* The same rows become deletes of their keys: what may stand there was there before another row took the key. */
void sql_delete_incomplete(struct buf *out, const struct target *target, const struct position *above);
/* Replay: partial rows whose row is gone: what made it go comes later in the replay. */
void sql_drop_incomplete(struct buf *out, const struct target *target);
/* before NULL: all rows; else only rows that are not newer than it. */
void sql_empty_target(struct buf *out, const struct target *target, const struct position *before);
void sql_delete(struct buf *out, const struct target *target);
void sql_drop_deletes(struct buf *out, const struct target *target);
void sql_merge(struct buf *out, const struct target *target);

/* The progress table. schema and name are as they stand in the warehouse. */
struct sql_progress {
    const char *schema, *table;
};
void sql_progress_create(struct buf *out, const struct sql_progress *progress);
void sql_progress_lock(struct buf *out, const struct sql_progress *progress);
void sql_progress_read(struct buf *out, const struct sql_progress *progress);
void sql_progress_insert(struct buf *out, const struct sql_progress *progress); /* $1 source, $2 writer */
void sql_progress_claim(struct buf *out, const struct sql_progress *progress);  /* $1 writer */
/* $1 source, $2 ledger_next, $3 high_major, $4 high_minor */
void sql_progress_advance(struct buf *out, const struct sql_progress *progress);
/* $1 source, $2 ledger_next; takes the writer away */
void sql_progress_reset(struct buf *out, const struct sql_progress *progress);

#endif
