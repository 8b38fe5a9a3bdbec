#include "test.h"

#include <pthread.h>

#include "capture/batch.h"

static void a_batch_is_full_at_its_bytes(void **state)
{
    (void)state;
    struct batch *batch = batch_new(64 << 10);
    while (!batch_is_full(batch)) {
        struct batch_record *record = batch_add(batch);
        assert_non_null(record);
        uint8_t row[1000] = {0};
        record->value = arena_copy(batch->arena, slice_of(row, sizeof(row)));
        assert_non_null(record->value.ptr);
    }
    assert_true(arena_used(batch->arena) >= 64 << 10);
    uint8_t *large = arena_alloc(batch->arena, 16 << 20); /* the record that passes the bound still fits */
    assert_non_null(large);
    batch_reset(batch);
    assert_int_equal(0, batch->n_records);
    assert_false(batch_is_full(batch));
    batch_free(batch);
}

static void a_batch_of_tiny_records_is_full_at_its_table(void **state)
{
    (void)state;
    struct batch *batch = batch_new(64 << 10);
    size_t n = 0;
    while (batch_add(batch) != NULL)
        n++;
    assert_true(batch_is_full(batch));
    assert_int_equal(batch->max_records, n);
    batch_free(batch);
}

static void without_a_free_batch_the_source_waits(void **state)
{
    (void)state;
    struct batch *first, *second, *third;
    struct batch_queue *queue = batch_queue_new(2, 64 << 10);
    assert_int_equal(RC_OK, batch_queue_take_free(queue, 0, &first));
    assert_int_equal(RC_OK, batch_queue_take_free(queue, 0, &second));
    assert_int_equal(RC_AGAIN, batch_queue_take_free(queue, 1, &third));
    assert_true(batch_queue_is_idle(queue));
    batch_queue_hand_over(queue, &first);
    assert_null(first);
    assert_false(batch_queue_is_idle(queue));
    assert_int_equal(RC_OK, batch_queue_take_full(queue, 0, &first));
    assert_false(batch_queue_is_idle(queue)); /* it is being published */
    batch_queue_give_back(queue, &first);
    assert_true(batch_queue_is_idle(queue));
    assert_int_equal(RC_OK, batch_queue_take_free(queue, 0, &third));
    batch_queue_free(queue);
}

static void a_failure_wakes_both_stages(void **state)
{
    (void)state;
    struct batch *batch;
    struct batch_queue *queue = batch_queue_new(2, 64 << 10);
    assert_int_equal(RC_OK, batch_queue_take_free(queue, 0, &batch));
    batch_queue_hand_over(queue, &batch);
    batch_queue_fail(queue);
    assert_true(batch_queue_is_idle(queue));
    assert_int_equal(RC_RETRY, batch_queue_take_free(queue, 1000, &batch));
    assert_int_equal(RC_RETRY, batch_queue_take_full(queue, 1000, &batch));
    batch_queue_free(queue);
}

enum { ROUNDS = 20000 };

static void *publish(void *argument)
{
    struct batch_queue *queue = argument;
    uintptr_t seen = 0;
    struct batch *batch;
    while (seen < ROUNDS) {
        if (batch_queue_take_full(queue, 1000, &batch) != RC_OK)
            break;
        if (batch->n_records == 1 && batch->mark.confirm == seen)
            seen++;
        batch_queue_give_back(queue, &batch);
    }
    return (void *)seen;
}

static void batches_arrive_once_and_in_order(void **state)
{
    (void)state;
    pthread_t thread;
    struct batch_queue *queue = batch_queue_new(3, 64 << 10);
    assert_int_equal(0, pthread_create(&thread, NULL, publish, queue));
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct batch *batch;
        assert_int_equal(RC_OK, batch_queue_take_free(queue, 10000, &batch));
        assert_non_null(batch_add(batch));
        batch->mark.confirm = i;
        batch_queue_hand_over(queue, &batch);
    }
    void *seen;
    pthread_join(thread, &seen);
    assert_int_equal(ROUNDS, (uintptr_t)seen);
    batch_queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_full_at_its_bytes),
        cmocka_unit_test(a_batch_of_tiny_records_is_full_at_its_table),
        cmocka_unit_test(without_a_free_batch_the_source_waits),
        cmocka_unit_test(a_failure_wakes_both_stages),
        cmocka_unit_test(batches_arrive_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
