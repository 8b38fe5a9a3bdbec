/* Values that an update did not send (unchanged TOAST) while the table's copy is under way: the row may have moved
 * from a block that is not copied yet into one that is, so that nobody else would ever send them. They are read from
 * the table itself. A later change of such a value travels by itself, so what is read may be early, never wrong. */
#ifndef LEAT_CAPTURE_PG_FILL_H
#define LEAT_CAPTURE_PG_FILL_H

#include "base/wrap/pg.h"
#include "capture/pg/pgoutput.h"
#include "capture/pg/relation.h"

struct pg_fill {
    PGresult *row; /* owns the values that were put into a tuple, until the next one */
};
void pg_fill_done(struct pg_fill *fill);

enum pg_fill_outcome {
    PG_FILL_FOUND,
    PG_FILL_GONE,  /* deleted, or under another key, later on: there an event says so */
    PG_FILL_LATER, /* the transaction is in the log and not yet visible (it waits for a synchronous standby) */
};

/* Puts the missing values of a row that transaction xid wrote into the tuple; only PG_FILL_FOUND changes it.
 * `only`: not those that inherit from the table. */
MUST_CHECK enum rc pg_fill_row(struct pg_fill *fill, PGconn *conn, const struct pg_relation *relation, bool only,
                               uint32_t xid, struct pgoutput_tuple *row, enum pg_fill_outcome *ret_outcome,
                               struct err *err);

/* The statement: the snapshot it was made in, whether there is such a row, its missing values. Parameters are
 * the values of the identity's columns, in order. */
void pg_fill_sql(const struct pg_relation *relation, bool only, const struct pgoutput_tuple *row, struct buf *out);
/* Whether a snapshot as the server writes it (xmin:xmax:xip,...) sees a transaction of the last 2^31. */
/* A snapshot made from the log sees a transaction whose commit record is written; until the committing process has
 * also said so in memory, which may take as long as a synchronous standby does, others still see it running. false:
 * `now` has such a one; a reader in `exported` would take it for aborted. Both as the server writes them. */
bool pg_snapshot_is_settled(const char *exported, const char *now);
bool pg_fill_sees(const char *snapshot, uint32_t xid);

#endif
