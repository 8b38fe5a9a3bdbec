/* The way into the reject topic: what cannot be loaded is kept there, whole, before the batch goes on without
 * it. docs/rejects.md.
 *
 * Each `struct rejects` is one thread's, with a producer of its own (deliveries are told to the thread that
 * flushes); nothing is shared between two of them. The reading and the applying thread of a sink have one
 * each. */
#ifndef LEAT_SINK_REJECTS_H
#define LEAT_SINK_REJECTS_H

#include "base/config.h"
#include "proto/event.h"
#include "proto/reject.h"
#include "sink/log.h"

struct rejects;

/* Does not connect before the first reject. */
struct rejects *rejects_new(const struct config *config, const char *sink);
void rejects_free(struct rejects *rejects);
DEFINE_SCOPED(struct rejects *, rejects_free)

struct rejected {
    const char *source, *topic, *table;
    const struct log_record *record;
    struct position pos;
    uint32_t schema_id;
    const struct avro_value *key_values; /* n_key_values 0: the key could not be read */
    size_t n_key_values;
    const struct err *why;
};

/* Hands one record over to Kafka, and counts it. */
MUST_CHECK enum rc rejects_put(struct rejects *rejects, const struct rejected *rejected, struct err *err);

/* A row whose event is not at hand any more. */
struct rejected_row {
    const char *source, *topic;
    struct position pos;
    struct slice key;    /* text */
    struct slice record; /* a JSON object; len 0: larger than anything that Kafka takes */
    struct slice brief;  /* the same with fewer members, for a record that Kafka would not take */
    const struct err *why;
};

/* The same for a row. Not counted: it may be put again before its batch is in the warehouse. */
MUST_CHECK enum rc rejects_put_row(struct rejects *rejects, const struct rejected_row *rejected, struct err *err);
/* Waits until Kafka has all of them. RC_RETRY: not within timeout_ms, call again. */
MUST_CHECK enum rc rejects_flush(struct rejects *rejects, int timeout_ms, struct err *err);

/* The record of the reject topic; max_bytes: a larger one is put without the event's bytes, which then are
 * only in their own topic. */
void rejected_encode(const struct rejected *rejected, size_t max_bytes, int64_t now_us, struct buf *ret_key,
                     struct buf *ret_value);
void rejected_row_encode(const struct rejected_row *rejected, size_t max_bytes, int64_t now_us, struct buf *ret_key,
                         struct buf *ret_value);

#endif
