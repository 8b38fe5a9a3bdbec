/* What the server sent of transactions that have not ended yet: on disk, inside a budget.
 *
 * All of them share one file without a name (whatever ends the process, the disk gets its space back), cut into blocks
 * that belong to one transaction each; so their number costs neither descriptors nor memory worth speaking of. Nothing
 * here outlives the session: what was not committed, the server sends again from the transaction's start.
 *
 * A message is kept as [u32 length][u64 lsn][u32 xid][message][u32 length]: from the end backwards it is read as well,
 * which is how a subtransaction is taken off again. */
#ifndef LEAT_CAPTURE_PG_SPOOL_H
#define LEAT_CAPTURE_PG_SPOOL_H

#include "base/err.h"
#include "base/slice.h"

struct pg_spool;
struct pg_spool_txn;

/* Makes no file until the first byte has to go there. max_bytes is what all transactions together may take. */
struct pg_spool *pg_spool_new(const char *folder, uint64_t max_bytes);
void pg_spool_free(struct pg_spool *spool);

/* NULL when nothing of it is there. */
struct pg_spool_txn *pg_spool_find(struct pg_spool *spool, uint32_t xid);
/* A new and empty one; an older one of that number is dropped. The spool's, until pg_spool_drop(). */
struct pg_spool_txn *pg_spool_add(struct pg_spool *spool, uint32_t xid);
void pg_spool_drop(struct pg_spool *spool, struct pg_spool_txn *txn);

/* At the end of the transaction: type and body of a pgoutput message, done by (sub)transaction subxid; 0: it is about
 * all of it.
 * ERR_PG_SPOOL_FULL beyond the budget, or when the disk is full: the spool is of no use any more. */
MUST_CHECK enum rc pg_spool_append(struct pg_spool *spool, struct pg_spool_txn *txn, uint32_t subxid, uint64_t lsn,
                                   uint8_t type, struct slice body, struct err *err);
/* After the last append to one transaction, before any other call. */
MUST_CHECK enum rc pg_spool_flush(struct pg_spool *spool, struct err *err);

/* Subtransaction subxid was rolled back: what it did, and what was done inside it, is taken off the end.
 *
 * A subtransaction's number is higher than all that were drawn before it, and while it runs everything is done inside
 * it. So all messages with its number or a higher one are its own or of subtransactions in it, unless it was released
 * into one that is rolled back too, whose turn comes next: the server names inner ones first.
 *
 * A logical message has no such number (the server writes the whole transaction's), so of one that stands right before
 * what is taken off nobody can say whether it goes too: ERR_PG_MESSAGE_UNCLEAR. */
MUST_CHECK enum rc pg_spool_cut(struct pg_spool *spool, struct pg_spool_txn *txn, uint32_t subxid, struct err *err);

/* A prepared transaction: the log from this position on is needed until it is dropped, for it does not come again. */
void pg_spool_set_prepared(struct pg_spool_txn *txn, uint64_t prepare_lsn);
/* The lowest of them; UINT64_MAX when there are none. */
uint64_t pg_spool_oldest_prepared(const struct pg_spool *spool);

/* Reads one transaction from its start. RC_AGAIN: that was all. The message is valid until the next call. */
void pg_spool_rewind(struct pg_spool *spool, struct pg_spool_txn *txn);
MUST_CHECK enum rc pg_spool_next(struct pg_spool *spool, struct slice *ret_message, uint64_t *ret_lsn, struct err *err);

size_t pg_spool_n_open(const struct pg_spool *spool);
/* Taken from the budget: whole blocks. */
uint64_t pg_spool_bytes(const struct pg_spool *spool);

/* One message of the file, from its start; pure. RC_AGAIN: *ret_bytes are needed, at least; RC_OK: they were read. */
struct pg_spooled {
    uint64_t lsn;
    uint32_t xid;
    struct slice message;
};
MUST_CHECK enum rc pg_spooled_decode(struct slice bytes, struct pg_spooled *ret, size_t *ret_bytes, struct err *err);

#endif
