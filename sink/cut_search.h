/* Which cut of a ledger a person means: by offset, by time, or the first. Pure: the records are told one by
 * one. */
#ifndef LEAT_SINK_CUT_SEARCH_H
#define LEAT_SINK_CUT_SEARCH_H

#include "proto/ledger.h"
#include "sink/offsets.h"

struct cut_search {
    struct offsets_target target;
    int64_t next; /* found so far: the offset to go on from; the ledger's first record, or right behind a cut */
    int64_t commit_time_us; /* of that cut; 0: not known, or before the first cut */
};

/* low: the ledger's first offset. */
struct cut_search cut_search_of(const struct offsets_target *target, int64_t low);
/* In offset order; false: what is found stays, no more records are needed. */
bool cut_search_take(struct cut_search *search, int64_t offset, const struct ledger_record *record);

/* What lies between two offsets of the ledger: records, and events by topic. */
struct ledger_count {
    uint64_t records;
    struct ledger_count_topic {
        char *topic;
        uint64_t events; /* offsets, so control records and aborted ones inside a range count, too */
    } * topics;
    size_t n_topics;
};
void ledger_count_take(struct ledger_count *count, const struct ledger_record *record);
void ledger_count_done(struct ledger_count *count);

#endif
