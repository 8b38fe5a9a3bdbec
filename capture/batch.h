/* What the source stage hands to the publishing stage: one future Kafka transaction, whole, in an arena. */
#ifndef LEAT_CAPTURE_BATCH_H
#define LEAT_CAPTURE_BATCH_H

#include "base/arena.h"
#include "proto/ledger.h"

struct batch_record {
    struct slice key, value; /* framed Avro (or JSON for rejects), in the batch's arena; key.ptr NULL: no key */
    struct slice unchanged;  /* HEADER_UNCHANGED; len 0: none */
    struct slice moved_from; /* HEADER_MOVED_FROM; len 0: none */
    struct slice other_key;  /* HEADER_OLD_KEY beside moved_from, else HEADER_NEW_KEY; len 0: none */
    struct position pos;
    uint32_t topic;         /* from publisher_topic() */
    bool tombstone_follows; /* a delete: the same key with a null value comes after it */
};

/* What the ledger says about the batch's end. */
struct batch_mark {
    enum ledger_kind kind;
    bool cut;
    struct position pos;
    int64_t commit_time_us;
    uint64_t confirm;   /* the source's own number; source_committed() answers the last committed batch's */
    bool is_placed;     /* source_ops.is_placed(), set by the worker */
    struct slice state; /* JSON object, in the batch's arena */
};

struct batch {
    struct arena *arena;
    struct batch_record *records;
    size_t n_records, max_records;
    size_t max_bytes;       /* the batch is full when the arena holds this much */
    int64_t opened_mono_us; /* when the first record came in */
    struct batch_mark mark;
};

struct batch *batch_new(
    size_t max_bytes); /* the arena is larger: one record may pass the bound by kafka.message_max_bytes */
void batch_free(struct batch *batch);
void batch_reset(struct batch *batch);
bool batch_is_full(const struct batch *batch);
/* NULL when the batch cannot take another one. Zeroed. */
struct batch_record *batch_add(struct batch *batch);

/* Two lanes between the stages: free batches one way, filled ones the other. Safe from both threads. */
struct batch_queue;
struct batch_queue *batch_queue_new(size_t n_batches, size_t max_bytes);
void batch_queue_free(struct batch_queue *queue);
/* Source stage: a free batch, RC_AGAIN when none became free within timeout_ms, RC_RETRY after batch_queue_fail(). */
MUST_CHECK enum rc batch_queue_take_free(struct batch_queue *queue, int timeout_ms, struct batch **ret_batch);
void batch_queue_hand_over(struct batch_queue *queue, struct batch **batch);
/* Publishing stage: the next filled batch; RC_AGAIN on timeout. */
MUST_CHECK enum rc batch_queue_take_full(struct batch_queue *queue, int timeout_ms, struct batch **ret_batch);
void batch_queue_give_back(struct batch_queue *queue, struct batch **batch);
/* The publishing stage ended: what waits is dropped, the source stage is woken. */
void batch_queue_fail(struct batch_queue *queue);
/* Nothing waits and nothing is being published: a batch handed over now is committed at once. Also true after a
 * failure, so that the source stage comes back and learns of it. */
bool batch_queue_is_idle(const struct batch_queue *queue);
/* An eventfd that becomes readable each time a batch is given back; read it to clear it. */
int batch_queue_fd(const struct batch_queue *queue);

#endif
