/* Reads one source by its ledger: record after record, and for each record exactly the events it lists.
 *
 * The ledger says which offsets of which partitions one Kafka transaction of the capture filled, so the sink
 * needs no progress but "the next record of the ledger". Between the offsets of a range there may be holes
 * (control records, aborted transactions), its first and its last offset are events: when one of them is not
 * there, records were deleted before they were read, and that is an error, never a skip. A record that the one
 * behind it replaces (proto/ledger.h) is passed over. */
#ifndef LEAT_SINK_LEDGER_READER_H
#define LEAT_SINK_LEDGER_READER_H

#include "proto/ledger.h"
#include "sink/log.h"

struct ledger_reader;

/* The log must outlive the reader; the names are copied. */
struct ledger_reader *ledger_reader_new(struct log *log, const char *source, const char *ledger_topic);
void ledger_reader_free(struct ledger_reader *reader);
enum { LEDGER_READER_MAX_IGNORED = 4 };
/* Passes over what records list of this topic (rejects, heartbeats, logical messages). Borrowed; at most so many. */
void ledger_reader_ignore(struct ledger_reader *reader, const char *topic);
/* Passes over everything that records list: there is no LEDGER_STEP_EVENTS. */
void ledger_reader_skip_events(struct ledger_reader *reader);

/* Goes to a record of the ledger, -1: its first. RC_AGAIN: the ledger does not exist yet (only for -1).
 * ERR_KAFKA_RETENTION: next lies before the ledger's first record, or behind its end. */
MUST_CHECK enum rc ledger_reader_seek(struct ledger_reader *reader, int64_t next, struct err *err);

enum ledger_step {
    LEDGER_STEP_EVENTS, /* some events of the current record */
    LEDGER_STEP_RECORD, /* the current record is complete */
};

struct ledger_events {
    const char *topic;
    int32_t partition;
    const struct log_record *records;
    size_t n;
};

/* RC_AGAIN: nothing more within timeout_ms. ret_events is filled for LEDGER_STEP_EVENTS only; what it points
 * at, and the current record, stay valid until the next step or seek. */
MUST_CHECK enum rc ledger_reader_step(struct ledger_reader *reader, int timeout_ms, enum ledger_step *ret_step,
                                      struct ledger_events *ret_events, struct err *err);
/* The record whose events come, or that was just completed. NULL before the first one. */
const struct ledger_record *ledger_reader_record(const struct ledger_reader *reader);

/* Offset behind the last completed record; after a seek: where it went. */
int64_t ledger_reader_next(const struct ledger_reader *reader);
/* Everything of the ledger below this offset has been read: also passes what holds no record at the end of
 * the log. */
int64_t ledger_reader_position(const struct ledger_reader *reader);

#endif
