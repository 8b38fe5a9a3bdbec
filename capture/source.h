/* What the capture worker asks of a kind of source. Both kinds share worker, batches and publisher.
 *
 * One session of a source: open (connect, check, compare with the ledger), then fill batch after batch, then close.
 * Any failure ends the session; the worker backs off and opens the next one from the ledger, exactly as a new process
 * would: there is one way to recover, and every restart takes it. */
#ifndef LEAT_CAPTURE_SOURCE_H
#define LEAT_CAPTURE_SOURCE_H

#include "base/config.h"
#include "capture/batch.h"
#include "proto/registry.h"

struct publisher;

/* What one session of a source leaves for the next ones of the same process. */
struct source_notes {
    bool binary_off; /* PostgreSQL: a type came that has no binary form, or none that leat reads */
    struct {
        bool is_off;           /* PostgreSQL: the spool was too small for what was open */
        int64_t pause_ms;      /* how long at least; longer each time */
        int64_t until_mono_us; /* not before */
        uint64_t xid;          /* ... and not before all older transactions have ended; 0: not asked yet */
        uint64_t lsn;          /* ... and Kafka has all up to here; 0: they have not ended */
    } streaming;
};

/* What the worker lends to a source for its session. */
struct source_context {
    const struct config *config;
    const struct config_source *source;
    struct registry *registry;
    struct publisher *publisher; /* publisher_topic() */
    struct batch_queue *queue;   /* batch_queue_is_idle(), batch_queue_fd() */
    struct source_notes *notes;
    bool *accept_gap; /* a person accepts that changes are missing, once; NULL or false: nobody does */
};

struct source;

struct source_ops {
    /* Reads and checks, changes nothing: all that `leat check` asks. `last` is the ledger's last record, NULL when the
     * ledger is empty. */
    enum rc (*check)(const struct source_context *context, const struct ledger_record *last, struct err *err);
    /* Opens the session. Runs after this process has proven itself the only writer (the START record is committed).
     * May create slot and publication when the ledger has no position yet. */
    enum rc (*open)(const struct source_context *context, const struct ledger_record *last, struct source **ret_source,
                    struct err *err);
    /* Fills the batch until it should be committed: it is full, or it ends at a source commit and the publisher is idle
     * or its age passed, or a heartbeat is due (no records, kind LEDGER_IDLE). Sets batch->mark. Meanwhile it answers
     * the server's keepalives, confirming publisher_committed(). RC_AGAIN: stop was requested, nothing to hand over. */
    enum rc (*fill)(struct source *source, struct batch *batch, struct err *err);
    /* The source's log is held (a slot) where this session reads it: what is written there from now on will be in
     * events, whatever is killed. False in a first session until the slot is made. Source stage. */
    bool (*is_placed)(const struct source *source);
    /* While no batch is free: keep the connection alive and confirm. Returns soon. */
    enum rc (*idle)(struct source *source, struct err *err);
    /* Ends the session; confirms what was committed, when the connection still works. */
    void (*close)(struct source *source);
};

extern const struct source_ops pg_source_ops;
extern const struct source_ops docdb_source_ops;

#endif
