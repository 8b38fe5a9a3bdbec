/* The connections of a window, and which chunk each of them copies. */
#ifndef LEAT_CAPTURE_PG_COPIERS_H
#define LEAT_CAPTURE_PG_COPIERS_H

#include "capture/batch.h"
#include "capture/pg/copy_plan.h"
#include "capture/pg/copy_reader.h"

struct source;
struct pg_copiers;

struct pg_copiers *pg_copiers_new(size_t n);
void pg_copiers_free(struct pg_copiers *copiers);

/* Connects those that are not, all of them into the exported snapshot. */
MUST_CHECK enum rc pg_copiers_join(struct pg_copiers *copiers, struct source *source, const char *exported,
                                   struct err *err);
/* Gives all locks back. No chunk is under way. */
MUST_CHECK enum rc pg_copiers_leave(struct pg_copiers *copiers, struct err *err);
/* Ends the chunks of a table that are under way; what they sent stays sent. */
MUST_CHECK enum rc pg_copiers_abandon(struct pg_copiers *copiers, struct source *source,
                                      const struct pg_copy_table *table, struct err *err);
/* For questions as the snapshot sees the world, while no chunk is under way. */
PGconn *pg_copiers_connection(struct pg_copiers *copiers);

struct pg_copiers_turn {
    bool may_begin; /* new chunks, too; false: only the rest of tables that have to be whole */
    bool moved;     /* out: something came */
    size_t n_busy;  /* out: chunks under way */
};
/* Whether an error is one table's own: rights, locks, its rows. */
bool pg_copiers_is_of_one_table(enum err_code code);
/* The table waits, longer each time, and the log says why. */
void pg_copiers_park(const struct source *source, struct pg_copy_table *table, const struct err *err);
/* What has come so far into the batch, until it is full. A table that cannot be copied is parked, and its error
 * logged; only what concerns all of them is an error here. */
MUST_CHECK enum rc pg_copiers_turn(struct pg_copiers *copiers, struct source *source, struct batch *batch,
                                   struct pg_copiers_turn *turn, struct err *err);
/* Until something comes on one of the connections, a stop, or the time is over. */
void pg_copiers_wait(struct pg_copiers *copiers, int timeout_ms);
/* Of COPY data since the start. */
uint64_t pg_copiers_bytes(const struct pg_copiers *copiers);

#endif
