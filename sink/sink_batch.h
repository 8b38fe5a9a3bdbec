/* One batch of a sink: the events between two cuts of all its sources, one table_batch for each table
 * touched. The reading thread fills it and hands it over whole; then it is the applying thread's. */
#ifndef LEAT_SINK_SINK_BATCH_H
#define LEAT_SINK_SINK_BATCH_H

#include "sink/ledger_reader.h"
#include "sink/plans.h"
#include "sink/redshift/warehouse.h"
#include "sink/rejects.h"
#include "sink/tables.h"

/* When a batch is full, old, or neither, what is to be done next. */
enum batch_verdict {
    BATCH_FILL,       /* read on from every source */
    BATCH_FINISH_RUN, /* read on only from sources that are between two cuts */
    BATCH_HOLD,       /* full, and the one before it is still being applied: read nothing */
    BATCH_SEAL,       /* hand over */
};

struct batch_status {
    uint64_t events, bytes;
    int64_t age_ms; /* since its first event */
    bool at_cuts;   /* every source stands right behind a cut */
    bool applier_idle;
    bool nothing_more; /* until-caught-up: all sources are at their end */
};

enum batch_verdict batch_judge(const struct config_sink *limits, const struct batch_status *status);

struct sink_batch_source {
    const char *name;
    int64_t from, next;     /* of the ledger; from as the warehouse has it (-1: never) */
    int64_t commit_time_us; /* of the newest commit in it; 0: not known */
    struct position high;
};

struct sink_batch_table {
    struct sink_table *table;
    struct table_batch *batch; /* NULL: nothing taken in so far */
    size_t source;
    struct value_plan *value; /* of the last event */
    struct record_key_plan *key;
};

struct sink_batch {
    struct sink_batch_source *sources;
    size_t n_sources;
    struct sink_batch_table *tables;
    size_t n_tables, max_tables;
    uint64_t events, bytes; /* rejects included */
    int64_t opened_ms;      /* monotonic, when its first event came */
    size_t memory_granted;

    const struct config_sink *config;
    struct tables *all_tables;
    struct plans *plans;
    struct rejects *rejects;
    struct sink_batch_lack {
        struct sink_table *table;
        const struct value_plan *value;
        const struct record_key_plan *key;
        bool in_batch; /* the batch holds rows encoded for the table as it was: it has to begin again */
    } lack;
};

/* The pointers must outlive the batch. */
struct sink_batch *sink_batch_new(const struct config_sink *config, struct tables *tables, struct plans *plans,
                                  struct rejects *rejects);
void sink_batch_free(struct sink_batch *batch);

/* Takes events[*at, n) in; *at says how far it came. RC_AGAIN: the table of event *at has to be brought into
 * shape first, see batch->lack. RC_RETRY: the registry, or Kafka for a reject, is away; call again. Events
 * that cannot be loaded go to the reject topic. */
MUST_CHECK enum rc sink_batch_add(struct sink_batch *batch, size_t source, const struct ledger_events *events,
                                  size_t *at, struct err *err);

/* What the warehouse gets: only sources that moved and tables with something in them. Heap arrays,
 * sink_load_done(). progress: one a source, in order. */
void sink_batch_load(const struct sink_batch *batch, const struct progress *progress, struct load *ret_load);
void sink_load_done(struct load *load);

#endif
