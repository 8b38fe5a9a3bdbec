/* What the ledger keeps for a PostgreSQL source: which server it was, and how to go on from there.
 * docs/postgresql.md describes the JSON. */
#ifndef LEAT_CAPTURE_PG_STATE_H
#define LEAT_CAPTURE_PG_STATE_H

#include "base/buf.h"
#include "base/err.h"

enum { PG_NAME_BYTES = 64, PG_SYSTEM_ID_BYTES = 24 };

enum pg_snapshot_state {
    PG_SNAPSHOT_NONE,    /* never begun */
    PG_SNAPSHOT_COPYING, /* the slot is ours, if it is there; the copy has to begin again */
    PG_SNAPSHOT_DONE,
};

struct pg_state {
    char system_id[PG_SYSTEM_ID_BYTES];
    uint32_t timeline, database_oid;
    char slot[PG_NAME_BYTES], publication[PG_NAME_BYTES];
    enum pg_snapshot_state snapshot;
    uint64_t end_lsn;      /* start the stream here */
    uint64_t commit_lsn;   /* transactions up to this one are in Kafka ... */
    uint64_t next_ordinal; /* ... this one only up to here; 0: all of it */
    uint32_t attempt;      /* of the first copy */
};

void pg_state_encode(const struct pg_state *state, struct buf *out);
/* "{}" and nothing are a state without a snapshot. ERR_LEDGER_MALFORMED names the field. */
MUST_CHECK enum rc pg_state_decode(struct slice json, struct pg_state *ret_state, struct err *err);

/* ERR_LEDGER_IDENTITY, saying what differs, unless both are of one slot of one database of one server. */
MUST_CHECK enum rc pg_state_check_identity(const struct pg_state *ledger, const struct pg_state *server,
                                           struct err *err);

#endif
