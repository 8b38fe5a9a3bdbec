#include "capture/batch.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    BATCH_BYTES_A_RECORD = 64,     /* the fewest bytes a record is taken to have, to size the table of records */
    BATCH_SLACK_BYTES = 256 << 20, /* address space beyond max_bytes: the record that passes the bound */
};

struct batch *batch_new(size_t max_bytes)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        abort();
    batch->max_bytes = max_bytes;
    batch->max_records = max_bytes / BATCH_BYTES_A_RECORD;
    batch->arena = arena_new(max_bytes + BATCH_SLACK_BYTES);
    batch->records = malloc(batch->max_records * sizeof(*batch->records));
    if (batch->records == NULL)
        abort();
    return batch;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    arena_free(batch->arena);
    free(batch->records);
    free(batch);
}

void batch_reset(struct batch *batch)
{
    arena_reset_keeping(batch->arena, batch->max_bytes);
    batch->n_records = 0;
    batch->opened_mono_us = 0;
    batch->mark = (struct batch_mark){0};
}

bool batch_is_full(const struct batch *batch)
{
    return batch->n_records == batch->max_records || arena_used(batch->arena) >= batch->max_bytes;
}

struct batch_record *batch_add(struct batch *batch)
{
    if (batch->n_records == batch->max_records)
        return NULL;
    if (batch->n_records == 0)
        batch->opened_mono_us = clock_mono_us();
    struct batch_record *record = &batch->records[batch->n_records++];
    *record = (struct batch_record){0};
    return record;
}

/* A lane is a ring that can hold every batch there is, so putting never waits. */
struct lane {
    struct batch **slots;
    size_t n, head;
};

struct batch_queue {
    pthread_mutex_t mutex;
    pthread_cond_t free_came, full_came;
    struct batch **all;
    size_t n_batches;
    struct lane free, full;
    size_t in_flight; /* handed over and not yet given back */
    bool failed;
    int fd;
};

static void lane_put(struct lane *lane, size_t capacity, struct batch *batch)
{
    lane->slots[(lane->head + lane->n) % capacity] = batch;
    lane->n++;
}

static struct batch *lane_take(struct lane *lane, size_t capacity)
{
    struct batch *batch = lane->slots[lane->head];
    lane->head = (lane->head + 1) % capacity;
    lane->n--;
    return batch;
}

struct batch_queue *batch_queue_new(size_t n_batches, size_t max_bytes)
{
    struct batch_queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL)
        abort();
    queue->n_batches = n_batches;
    queue->all = calloc(n_batches, sizeof(struct batch *));
    queue->free.slots = calloc(n_batches, sizeof(struct batch *));
    queue->full.slots = calloc(n_batches, sizeof(struct batch *));
    queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (queue->all == NULL || queue->free.slots == NULL || queue->full.slots == NULL || queue->fd < 0)
        abort();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->free_came, &monotonic);
    pthread_cond_init(&queue->full_came, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < n_batches; i++) {
        queue->all[i] = batch_new(max_bytes);
        lane_put(&queue->free, n_batches, queue->all[i]);
    }
    return queue;
}

void batch_queue_free(struct batch_queue *queue)
{
    if (queue == NULL)
        return;
    for (size_t i = 0; i < queue->n_batches; i++)
        batch_free(queue->all[i]);
    close(queue->fd);
    pthread_mutex_destroy(&queue->mutex);
    pthread_cond_destroy(&queue->free_came);
    pthread_cond_destroy(&queue->full_came);
    free(queue->all);
    free(queue->free.slots);
    free(queue->full.slots);
    free(queue);
}

/* Waits until the lane has a batch, the queue failed, or the time is over. */
static enum rc lane_wait(struct batch_queue *queue, struct lane *lane, pthread_cond_t *came, int timeout_ms,
                         struct batch **ret_batch)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout_ms / MS_PER_S;
    deadline.tv_nsec += (long)(timeout_ms % MS_PER_S) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_nsec -= 1000000000;
        deadline.tv_sec++;
    }
    enum rc rc = RC_AGAIN;
    pthread_mutex_lock(&queue->mutex);
    while (lane->n == 0 && !queue->failed && pthread_cond_timedwait(came, &queue->mutex, &deadline) == 0)
        ;
    if (queue->failed) {
        rc = RC_RETRY;
    } else if (lane->n > 0) {
        *ret_batch = lane_take(lane, queue->n_batches);
        rc = RC_OK;
    }
    pthread_mutex_unlock(&queue->mutex);
    return rc;
}

enum rc batch_queue_take_free(struct batch_queue *queue, int timeout_ms, struct batch **ret_batch)
{
    TRY(lane_wait(queue, &queue->free, &queue->free_came, timeout_ms, ret_batch));
    batch_reset(*ret_batch);
    return RC_OK;
}

void batch_queue_hand_over(struct batch_queue *queue, struct batch **batch)
{
    pthread_mutex_lock(&queue->mutex);
    lane_put(&queue->full, queue->n_batches, *batch);
    queue->in_flight++;
    pthread_cond_signal(&queue->full_came);
    pthread_mutex_unlock(&queue->mutex);
    *batch = NULL;
}

enum rc batch_queue_take_full(struct batch_queue *queue, int timeout_ms, struct batch **ret_batch)
{
    return lane_wait(queue, &queue->full, &queue->full_came, timeout_ms, ret_batch);
}

static void batch_queue_wake(struct batch_queue *queue)
{
    uint64_t one = 1;
    ssize_t n = write(queue->fd, &one, sizeof(one)); /* full only when it is readable anyway */
    (void)n;
}

void batch_queue_give_back(struct batch_queue *queue, struct batch **batch)
{
    pthread_mutex_lock(&queue->mutex);
    lane_put(&queue->free, queue->n_batches, *batch);
    queue->in_flight--;
    pthread_cond_signal(&queue->free_came);
    pthread_mutex_unlock(&queue->mutex);
    batch_queue_wake(queue);
    *batch = NULL;
}

void batch_queue_fail(struct batch_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->failed = true;
    pthread_cond_broadcast(&queue->free_came);
    pthread_cond_broadcast(&queue->full_came);
    pthread_mutex_unlock(&queue->mutex);
    batch_queue_wake(queue);
}

bool batch_queue_is_idle(const struct batch_queue *queue)
{
    pthread_mutex_t *mutex = &((struct batch_queue *)(uintptr_t)queue)->mutex;
    pthread_mutex_lock(mutex);
    bool idle = queue->in_flight == 0 || queue->failed;
    pthread_mutex_unlock(mutex);
    return idle;
}

int batch_queue_fd(const struct batch_queue *queue)
{
    return queue->fd;
}
