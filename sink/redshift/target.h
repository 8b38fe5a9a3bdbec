/* A target table: what its columns are in the warehouse, and how the staging table and the CSV are laid out.
 *
 * Target columns: the event's columns, then _leat_pos VARCHAR(33) ("%016x.%016x" of the position; sorts as text).
 * Staging layout (temp table, and CSV field order): the target's columns in target order, _leat_pos among them, then
 * _leat_op CHAR(1) ('u' upsert, 'd' delete: all but key and _leat_pos are NULL), then, only when the batch has partial
 * rows, _leat_keep VARCHAR (one '0' or '1' a column, '1': take it from the warehouse's row) and one
 * _leat_from_<n> a key column (the key under which that row stands there). */
#ifndef LEAT_SINK_REDSHIFT_TARGET_H
#define LEAT_SINK_REDSHIFT_TARGET_H

#include "base/buf.h"
#include "base/config.h"
#include "proto/column.h"

enum target_type {
    TARGET_BOOLEAN,
    TARGET_SMALLINT,
    TARGET_INTEGER,
    TARGET_BIGINT,
    TARGET_REAL,
    TARGET_DOUBLE,
    TARGET_DECIMAL,
    TARGET_VARCHAR,
    TARGET_VARBYTE,
    TARGET_DATE,
    TARGET_TIME,
    TARGET_TIMESTAMP,
    TARGET_TIMESTAMPTZ,
    TARGET_SUPER,
};

struct target_column {
    const char *name; /* folded to lower case, at most 127 bytes */
    enum target_type type;
    int precision, scale; /* DECIMAL */
    int bytes;            /* VARCHAR, VARBYTE: declared width */
    bool is_key;
    enum column_type source; /* how the event carries it */
};

struct target {
    const char *schema, *table; /* as they stand in the warehouse */
    struct target_column *columns;
    size_t n_columns; /* without _leat_pos */
    uint16_t *key_columns;
    size_t n_key_columns;
    unsigned generation; /* grows with each change of shape */
};

/* The warehouse type that a column of an event gets; docs/types.md. */
struct target_column target_column_of(const struct column *column, bool is_key);
/* A target for an event's shape (heap; target_free). ERR_REDSHIFT_SCHEMA for names that collide after folding, tables
 * without a key, key columns of a type that cannot be one. */
MUST_CHECK enum rc target_new(const char *schema, const struct table_shape *shape, const uint16_t *key_columns,
                              size_t n_key_columns, struct target **ret_target, struct err *err);
void target_free(struct target *target);
/* Columns of `shape` that `target` does not have yet, appended to it, and texts that `shape` allows to be longer than the
 * target's column, widened in it; how many of both. ERR_REDSHIFT_SCHEMA when a column's type became one that the
 * target's cannot hold. */
MUST_CHECK enum rc target_extend(struct target *target, const struct table_shape *shape, size_t *ret_added,
                                 struct err *err);

enum { TARGET_NAME_BYTES = 128 }; /* with the zero */
#define TARGET_POS_COLUMN "_leat_pos"

/* A name as the warehouse keeps it: ASCII letters in lower case (quoted or not), 127 bytes at most, cut at a character. */
void target_fold_name(const char *name, char out[TARGET_NAME_BYTES]);
/* By folded name; -1 when there is none. */
int target_find(const struct target *target, const char *folded_name);
/* "VARCHAR(1020)", "DECIMAL(18,2)": as DDL has it. */
void target_put_type(struct buf *out, const struct target_column *column);
/* Every value of `wanted` fits into `held` (a text may be too narrow: that is for widening). */
bool target_column_holds(const struct target_column *held, const struct target_column *wanted);

#endif
