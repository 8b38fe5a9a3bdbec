/* Partial rows whose row is not in the warehouse, because an earlier event of it was rejected or somebody
 * deleted it: each becomes a reject. */
#ifndef LEAT_SINK_REDSHIFT_MISSING_H
#define LEAT_SINK_REDSHIFT_MISSING_H

#include "sink/redshift/session.h"
#include "sink/redshift/warehouse.h"

/* Runs sql_read_incomplete, held by sql, and puts a reject for each row, as it comes; how many. They are in
 * Kafka after rejects_flush. After anything but RC_OK the transaction must be abandoned. */
MUST_CHECK enum rc missing_reject(struct session *session, struct buf *sql, const struct load_table *table,
                                  struct rejects *rejects, uint64_t *ret_rows, struct err *err);

/* One row, as a reject shows it: the columns that travelled, as the warehouse writes them, and of those the
 * key's. */
struct missing_row {
    struct position pos;
    struct buf key;    /* 17,abc */
    struct buf record; /* {"id":"17","state":null} */
    struct buf brief;  /* {"id":"17"} */
};
void missing_row_init(struct missing_row *row);
void missing_row_done(struct missing_row *row);
static inline void scoped_missing_row_done(struct missing_row *row)
{
    missing_row_done(row);
}
/* Pure: from row 0 of what sql_read_incomplete answers. A column that the buffers cannot take makes them
 * `failed`. */
MUST_CHECK enum rc missing_row_read(struct missing_row *row, const PGresult *res, const struct target *target,
                                    struct err *err);

#endif
