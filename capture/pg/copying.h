/* The copy of tables as a part of the stream (docs/adr/0008). A window holds the stream at a point of the log, and
 * several connections copy chunks as they were at that point; their rows stand in the topics exactly there. After a
 * while the window closes, the stream goes on, and another window opens at a later point, until no chunk is left. */
#ifndef LEAT_CAPTURE_PG_COPYING_H
#define LEAT_CAPTURE_PG_COPYING_H

#include "capture/batch.h"
#include "capture/pg/copy_plan.h"

struct pg_relation;
struct source;
struct pg_copying;

/* Makes source->copying from the ledger's state, which may be empty. resumes false: the copy of all tables begins; kept
 * of an earlier beginning is only what was promised with it. */
MUST_CHECK enum rc pg_copying_open(struct source *source, struct slice state, bool resumes, struct err *err);
void pg_copying_free(struct pg_copying *copying);
struct pg_copy_plan *pg_copying_plan(struct pg_copying *copying);

/* The next rows; after the last ones of a window source->phase is PG_PHASE_STREAM. */
MUST_CHECK enum rc pg_copying_fill(struct source *source, struct batch *batch, struct err *err);
/* While the stream flows: opens the next window when it is due. Cheap. A window that cannot be opened is tried
 * again later, and does not stop the stream. */
MUST_CHECK enum rc pg_copying_tend(struct source *source, struct err *err);
/* Before an update of the stream is emitted: while the copy of its table is not over, source->msg is given the
 * values that did not travel. Waits for a transaction that is not visible yet; RC_RETRY when a stop was asked for
 * meanwhile. Cheap when nothing is copied. */
MUST_CHECK enum rc pg_copying_complete(struct source *source, const struct pg_relation *relation, struct err *err);
/* Nothing of the table is under way any more, also while a window is open: then it may leave the plan. */
MUST_CHECK enum rc pg_copying_abandon(struct source *source, const struct pg_copy_table *table, struct err *err);
/* Milliseconds after which pg_copying_tend has something to do. */
int64_t pg_copying_due_ms(const struct source *source);

#endif
