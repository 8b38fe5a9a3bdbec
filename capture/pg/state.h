/* What the ledger keeps for a PostgreSQL source: which server it was, and how to go on from there.
 * docs/postgresql.md describes the JSON. */
#ifndef LEAT_CAPTURE_PG_STATE_H
#define LEAT_CAPTURE_PG_STATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "capture/pg/copy_plan.h"

enum { PG_NAME_BYTES = 64, PG_SYSTEM_ID_BYTES = 24 };

enum pg_snapshot_state {
    PG_SNAPSHOT_NONE,    /* never begun */
    PG_SNAPSHOT_COPYING, /* announced: the slot is ours, if it is there, and is made anew */
    PG_SNAPSHOT_DONE,    /* the slot's position is here; what is still to be copied is in the plan */
};

/* What a person accepted to be without: written once, in the record of kind "gap". */
struct pg_gap {
    uint64_t from, to; /* log positions; equal: no part of the log, but changes of some tables */
    const char *why;   /* the error that was accepted */
};

struct pg_state {
    char system_id[PG_SYSTEM_ID_BYTES];
    uint32_t timeline, database_oid;
    char slot[PG_NAME_BYTES], publication[PG_NAME_BYTES];
    enum pg_snapshot_state snapshot;
    uint64_t end_lsn;         /* start the stream here */
    uint64_t commit_lsn;      /* transactions and plain messages up to this one are in Kafka ... */
    uint64_t next_ordinal;    /* ... this one only up to here; 0: all of it */
    uint32_t attempt;         /* of the first copy */
    uint64_t restart_lsn;     /* of the slot when it was last looked at: it never goes back; 0: not known */
    const char *published;    /* what the publication carries (published.h); NULL: not known. Borrowed */
    const struct pg_gap *gap; /* NULL but in a record of kind "gap"; not read back */
};

/* With member "copy" when there is a plan. */
void pg_state_encode(const struct pg_state *state, const struct pg_copy_plan *plan, struct buf *out);
/* "{}" and nothing are a state without a snapshot. ERR_LEDGER_MALFORMED names the field. What the state points at
 * lives in the arena. */
MUST_CHECK enum rc pg_state_decode(struct slice json, struct arena *arena, struct pg_state *ret_state, struct err *err);

#endif
