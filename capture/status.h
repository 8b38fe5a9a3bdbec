/* Where a capture stands, seen from outside: what its ledger says, what was asked of it, and what the server keeps for
 * it. Reads only; the capture may run or not. */
#ifndef LEAT_CAPTURE_STATUS_H
#define LEAT_CAPTURE_STATUS_H

#include "base/config.h"
#include "capture/pg/state.h"
#include "proto/ledger.h"

struct capture_slot_status {
    bool exists, active;
    int pid;                     /* of the walsender; 0: nobody reads */
    uint64_t confirmed, restart; /* 0: not yet */
    uint64_t log_end;            /* of a standby: replayed up to here */
    char wal_status[16];         /* "reserved", "extended", "unreserved", "lost"; "": not known */
    int64_t safe_wal_bytes;      /* may be written before the slot is lost; below 0: there is no such limit */
};

struct capture_status {
    const struct config_source *source;
    struct arena *arena;
    int64_t now_us;

    bool has_ledger; /* false: the capture never ran; what follows is empty */
    struct ledger_record last;

    /* sources of type postgresql */
    struct pg_state state;
    struct pg_copy_plan plan;
    struct pg_copy_totals totals; /* also of what is only queued */
    int64_t requests_unread;
    bool is_away; /* the server does not answer: `away` says why, the slot is not known */
    struct err away;
    struct capture_slot_status slot;
};

/* Waits for Kafka, and for the server up to its connect timeout. On RC_OK capture_status_done() follows. */
MUST_CHECK enum rc capture_status_read(const struct config *config, const struct config_source *source,
                                       struct capture_status *ret_status, struct err *err);
void capture_status_done(struct capture_status *status);

#endif
