/* From a decoded row to the records of a batch: key, envelope, headers, and the reject of a row that does not
 * fit. */
#ifndef LEAT_CAPTURE_PG_EMIT_H
#define LEAT_CAPTURE_PG_EMIT_H

#include "capture/batch.h"
#include "capture/pg/pgoutput.h"
#include "capture/pg/relation.h"

/* What the events of one transaction (or of the first copy) have in common, and where in it we are. */
struct pg_emitter {
    const char *source; /* configured name, for rejects */
    const char *prefix;
    uint32_t rejects_topic; /* publisher_topic() of topic_of_rejects() */
    struct buf scratch;     /* JSON of rejects, an old key */
    struct buf origin;      /* name of the transaction's replication origin */
    uint64_t origin_lsn;    /* there; 0 and no name: the change was made here */
    uint64_t previous_end;  /* end of the transaction that came before in the stream; 0: none is known */
    uint64_t major;         /* commit LSN */
    uint64_t ordinal;       /* of the next event */
    uint64_t skip_below;    /* events with a smaller ordinal are in Kafka already: counted, not added */
    uint64_t xid, lsn;
    int64_t commit_time_us;
    int64_t now_us; /* wall clock, refreshed once in a while */
    bool snapshot;
    bool tombstones;        /* a delete is followed by one */
    uint32_t narrow_column; /* set with RC_AGAIN */
    int dimensions;         /* that its array has to have room for; 0: it has to become optional */
};

/* At a transaction's begin: it has no origin until one is announced. */
void pg_emit_begin(struct pg_emitter *emitter);
MUST_CHECK enum rc pg_emit_origin(struct pg_emitter *emitter, const struct pgoutput_origin *origin, struct err *err);

enum { PG_EMIT_MAX_RECORDS_A_ROW = 2 }; /* a changed key: delete and create */

/* One row's change; of a stopped table, a reject. RC_AGAIN: the row holds a null, or an array of more dimensions, that the
 * schema has no room for; relation->shape.columns[narrow_column] has to become wider, then the same call again: nothing
 * was added. */
MUST_CHECK enum rc pg_emit_row(struct pg_emitter *emitter, struct pg_relation *relation, const struct pgoutput_msg *msg,
                               struct batch *batch, struct err *err);
/* A row of the first copy. A stopped table cannot be copied: its stop_code. */
MUST_CHECK enum rc pg_emit_read(struct pg_emitter *emitter, struct pg_relation *relation,
                                const struct pgoutput_tuple *row, struct batch *batch, struct err *err);
MUST_CHECK enum rc pg_emit_truncate(struct pg_emitter *emitter, struct pg_relation *relation, struct batch *batch,
                                    struct err *err);

#endif
