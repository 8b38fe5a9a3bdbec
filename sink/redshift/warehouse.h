/* The warehouse as the sink uses it: claim the progress, bring tables into shape, apply one batch in one transaction.
 *
 * Progress table <schema>._leat_progress_<sink>: one row a source (source, ledger_next, high_major, high_minor, writer,
 * updated_at). Whoever starts claims it by writing its own `writer` under LOCK; each batch's transaction begins with
 * LOCK and checks that the writer is still itself and that ledger_next is where the batch begins. */
#ifndef LEAT_SINK_REDSHIFT_WAREHOUSE_H
#define LEAT_SINK_REDSHIFT_WAREHOUSE_H

#include "base/config.h"
#include "proto/position.h"
#include "sink/redshift/target.h"
#include "sink/rejects.h"
#include "sink/s3/put.h"
#include "sink/table_batch.h"

struct warehouse;

struct progress {
    const char *source;
    int64_t ledger_next;  /* offset of the first ledger record that is not in the warehouse; -1: none ever loaded */
    struct position high; /* the highest position ever applied: at or below it, a batch is a replay */
};

/* Does not connect yet. writer: this process's, drawn anew at each start. */
struct warehouse *warehouse_new(const struct config_sink *config, const char *writer);
void warehouse_free(struct warehouse *warehouse);

/* Connects and disconnects; rights on the schema. */
MUST_CHECK enum rc warehouse_check(struct warehouse *warehouse, struct err *err);
/* Creates schema and progress table when missing, takes the progress over (fencing an older worker), reads it: one
 * entry for each of sources[], in order, `source` pointing at sources[i]. */
MUST_CHECK enum rc warehouse_claim(struct warehouse *warehouse, const char *const *sources, size_t n_sources,
                                   struct progress *ret_progress, struct err *err);
/* Reads without claiming (leat offsets show). */
MUST_CHECK enum rc warehouse_read_progress(struct warehouse *warehouse, const char *const *sources, size_t n_sources,
                                           struct progress *ret_progress, struct err *err);
/* Sets ledger_next of one source, keeping `high`; takes the writer away so that a running worker stops (leat offsets
 * reset --execute). */
MUST_CHECK enum rc warehouse_set_progress(struct warehouse *warehouse, const char *source, int64_t ledger_next,
                                          struct err *err);

/* Makes the table exist with at least the columns of `target` (CREATE TABLE, ALTER TABLE ADD COLUMN, each committed on
 * its own before the batch), and takes over from the catalog what stands there (widths of varchars, order). */
MUST_CHECK enum rc warehouse_ensure_table(struct warehouse *warehouse, struct target *target, struct err *err);

struct load_source {
    const char *source;
    int64_t ledger_from, ledger_next; /* the batch holds exactly the ledger records of [from, next) */
    struct position high;             /* highest position in the batch */
};

struct load_table {
    struct target *target;
    struct table_batch *batch;
    const char *source, *topic; /* where its rows come from; for rejects */
    char manifest_key[1024];    /* "" : nothing staged */
    bool replay;                /* holds positions at or below `applied`: older rows must not win */
    struct position applied;    /* the progress's high: nothing above it was ever applied */
};

struct load {
    struct load_source *sources;
    size_t n_sources;
    struct load_table *tables;
    size_t n_tables;
    struct rejects *rejects; /* the calling thread's: for rows that cannot be completed */
};

/* BEGIN; LOCK progress; check; per table: COPY into a temp staging table, count, drop what is older than the target
 * (replay only), complete partial rows, DELETE, MERGE, count; progress; COMMIT. Partial rows whose row is not in the
 * warehouse become rejects (ERR_ROW_MISSING), which Kafka has before COMMIT. On RC_RETRY nothing of it is in the
 * warehouse, or all of it is: call again with the same load, which first reads the progress and answers RC_OK when the
 * load is in. ERR_SINK_FENCED when the writer is somebody else. */
MUST_CHECK enum rc warehouse_apply(struct warehouse *warehouse, struct s3 *s3, const struct load *load,
                                   struct err *err);

#endif
