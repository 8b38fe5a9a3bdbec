/* One record of the ledger: what one Kafka transaction of a capture holds, and where its source stood at the end.
 *
 * The capture writes it as the last record of each transaction, so it is committed with the events or not at all. The
 * last one is the capture's restart point; the sequence of them is the sink's list of what to read, and each with
 * `cut` is a state that the source really had.
 *
 * It names the events' offsets, and is written before the broker has told them, with those that must come when nobody
 * else writes there. Where they come otherwise, a second record of the same transaction, at the next offset, says the
 * right ones: it has `replaces`, and the first one must not be used. As JSON, one object:
 *
 * {"v":1,"kind":"stream","source":"core","writer":"5f2c...","cut":true,"pos":[major,minor],"commit_time_us":n,
 *  "written_us":n,"partitions":[["topic",partition,first,next],...],"state":{...},"replaces":true}
 *
 * `replaces` may be absent, which means false. */
#ifndef LEAT_PROTO_LEDGER_H
#define LEAT_PROTO_LEDGER_H

#include "base/arena.h"
#include "proto/position.h"

enum ledger_kind {
    LEDGER_START,    /* a writer took over: no events */
    LEDGER_SNAPSHOT, /* rows of the first copy */
    LEDGER_STREAM,   /* changes */
    LEDGER_IDLE,     /* only the position moved: no events */
    LEDGER_GAP,      /* a person accepted that changes before this are missing; the state says which: no events */
};

struct ledger_partition {
    const char *topic;
    int32_t partition;
    int64_t first, next; /* offsets of the first event, and after the last, of this transaction */
};

struct ledger_record {
    enum ledger_kind kind;
    const char *source;
    const char *writer;     /* drawn anew by each process: who wrote this */
    bool cut;               /* a sink may commit here */
    bool replaces;          /* stands for the record at the offset before it */
    struct position pos;    /* of the last event, or of the last commit seen */
    int64_t commit_time_us; /* of the newest source commit that is in; 0 when not known */
    int64_t written_us;
    struct ledger_partition *partitions;
    size_t n_partitions;
    struct slice state; /* JSON object of the source's own: how to go on from here */
};

void ledger_encode(const struct ledger_record *record, struct buf *out);
/* Everything the record points at lives in the arena. */
MUST_CHECK enum rc ledger_decode(struct slice json, struct arena *arena, struct ledger_record *ret_record,
                                 struct err *err);
const char *ledger_kind_name(enum ledger_kind kind);

#endif
