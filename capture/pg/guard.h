/* The identity guard: is this the server, the database and the slot that the ledger knows, and will everything after
 * the ledger's end come? Pure: it compares what the ledger says with what was found. docs/postgresql.md has the table
 * of what it can prove. */
#ifndef LEAT_CAPTURE_PG_GUARD_H
#define LEAT_CAPTURE_PG_GUARD_H

#include "capture/pg/slot.h"
#include "capture/pg/state.h"

struct pg_found {
    struct pg_state server; /* identity only */
    struct pg_slot slot;
    bool is_standby;
    uint64_t wal_end;  /* of a standby: replayed up to here */
    uint64_t fork_lsn; /* where the ledger's timeline ends in this server's history; UINT64_MAX: it is the server's own;
                          0: it is not in the history */
    int64_t now_us, ledger_written_us; /* wall clock; for the age in messages */
};

struct pg_judgement {
    struct err gap;       /* code ERR_NONE: everything after resume_lsn will come */
    uint64_t resume_lsn;  /* start here; behind the ledger's end only after a failover, with no commit between */
    bool makes_slot;      /* to go on in spite of the gap takes a new slot */
    bool is_other_server; /* the slot, if there is one, is not the one in the ledger */
};

/* What nobody can accept is an error: ERR_PG_SLOT_FOREIGN; ERR_PG_TRANSIENT while a standby has not replayed enough or is not promoted;
 * and without a finished first copy another identity, ERR_LEDGER_IDENTITY. */
MUST_CHECK enum rc pg_guard_judge(const struct pg_state *ledger, const struct pg_found *found,
                                  struct pg_judgement *ret_judgement, struct err *err);

/* Going on in spite of the gap: positions never go back, so the server's log has to have passed the ledger's. */
MUST_CHECK enum rc pg_guard_check_acceptable(const struct pg_state *ledger, const struct pg_found *found,
                                             const struct pg_judgement *judgement, struct err *err);

#endif
