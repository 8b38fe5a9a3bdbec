/* The applying thread of a sink: uploads a batch and applies it, again and again until the warehouse has it,
 * while the reading thread fills the next one. One batch at a time; nothing is shared but the batch that is
 * handed over. All functions are for the reading thread. */
#ifndef LEAT_SINK_APPLIER_H
#define LEAT_SINK_APPLIER_H

#include "sink/sink_batch.h"

struct applier;

struct applier_context {
    const struct config_sink *config;
    const char *writer; /* stands in the staging keys */
    struct s3 *s3;      /* the applying thread's from here on */
    struct warehouse *warehouse;
    struct rejects *rejects; /* like s3: not the reading thread's */
};

/* progress: as claimed, one a source; copied. */
MUST_CHECK enum rc applier_start(const struct applier_context *context, const struct progress *progress,
                                 struct applier **ret_applier, struct err *err);

/* Nothing is being applied: a batch may be handed over. */
bool applier_is_idle(struct applier *applier);
/* Waits for that at most timeout_ms. */
bool applier_await_idle(struct applier *applier, int timeout_ms);
/* RC_OK while it works, else what ended it. */
MUST_CHECK enum rc applier_state(struct applier *applier, struct err *err);
/* Takes the batch over; only when idle. *batch is NULL afterwards. */
void applier_take(struct applier *applier, struct sink_batch **batch);
/* Brings a table into shape on the applying thread, waiting for it. RC_AGAIN: a stop was requested. */
MUST_CHECK enum rc applier_shape(struct applier *applier, const struct sink_batch_lack *lack, struct err *err);
/* Newest commit of a source that the warehouse shows; 0: not known. */
int64_t applier_shown_us(struct applier *applier, size_t source);

/* Lets what is under way end, for at most timeout_ms, and frees it. false: it did not end; the thread goes on
 * with what it was given, so nothing of that may be freed, and the process should end. */
bool applier_stop(struct applier *applier, int64_t timeout_ms);

#endif
