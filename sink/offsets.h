/* Where the warehouse stands in each source's ledger, and moving it: leat offsets show, leat offsets reset. */
#ifndef LEAT_SINK_OFFSETS_H
#define LEAT_SINK_OFFSETS_H

#include <stdio.h>

#include "base/config.h"
#include "base/err.h"

/* A table on `out`: source, next ledger offset, end of the ledger, lag in records, position, commit time. */
MUST_CHECK enum rc sink_offsets_show(const struct config *config, const struct config_sink *sink, FILE *out,
                                     struct err *err);

struct offsets_target {
    enum { OFFSETS_EARLIEST, OFFSETS_OFFSET, OFFSETS_TIME } kind;
    int64_t offset;  /* OFFSETS_OFFSET: of the ledger */
    int64_t time_us; /* OFFSETS_TIME: the last cut whose commit time is not after this; wall clock */
};

/* Says what would be replayed (ledger records, events by topic); changes the progress only when `execute`. The target is
 * moved to the next cut boundary (a sink may only start right behind a cut). */
MUST_CHECK enum rc sink_offsets_reset(const struct config *config, const struct config_sink *sink, const char *source,
                                      const struct offsets_target *target, bool execute, FILE *out, struct err *err);

#endif
