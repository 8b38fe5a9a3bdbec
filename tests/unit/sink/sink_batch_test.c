#include "test.h"

#include "sink/sink_batch.h"

static const struct config_sink limits = {.batch_max_age_ms = 1000, .batch_max_rows = 100, .batch_max_bytes = 5000};

static const struct {
    const char *behaviour;
    struct batch_status status;
    enum batch_verdict want;
} cases[] = {
    {"an empty batch fills, however long nothing came", {0, 0, 9000, true, true, false}, BATCH_FILL},
    {"an empty batch is not sealed at the end either", {0, 0, 0, true, true, true}, BATCH_FILL},
    {"a young, small batch fills", {99, 4999, 999, true, true, false}, BATCH_FILL},
    {"age seals at a cut", {1, 10, 1000, true, true, false}, BATCH_SEAL},
    {"rows seal at a cut", {100, 10, 0, true, true, false}, BATCH_SEAL},
    {"bytes seal at a cut", {1, 5000, 0, true, true, false}, BATCH_SEAL},
    {"the end seals at once", {1, 10, 0, true, true, true}, BATCH_SEAL},
    {"between two cuts an old batch reads to the next one only", {1, 10, 1000, false, true, false}, BATCH_FINISH_RUN},
    {"between two cuts a full batch reads to the next one only", {100, 10, 0, false, true, false}, BATCH_FINISH_RUN},
    {"also while the one before is being applied", {100, 10, 0, false, false, false}, BATCH_FINISH_RUN},
    {"an old batch grows while the one before is being applied", {1, 10, 1000, true, false, false}, BATCH_FILL},
    {"between two cuts, too", {1, 10, 1000, false, false, false}, BATCH_FILL},
    {"a full batch waits at its cut for the one before", {100, 10, 0, true, false, false}, BATCH_HOLD},
    {"a full batch waits, old or not", {100, 10, 2000, true, false, false}, BATCH_HOLD},
};

static void batches_close_at_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_EQ(cases[i].want, batch_judge(&limits, &cases[i].status), cases[i].behaviour);
}

static void only_what_moved_is_loaded(void **state)
{
    (void)state;
    const char *names[] = {"core", "docs", "never"};
    const struct config_sink config = {.sources = {names, 3}, .memory_bytes = 1 << 24};
    const struct progress progress[3] = {{"core", 5, {9, 0}}, {"docs", 7, {9, 0}}, {"never", -1, {0, 0}}};
    struct sink_batch *batch = sink_batch_new(&config, NULL, NULL, NULL);
    batch->sources[0].from = 5;
    batch->sources[0].next = 8;
    batch->sources[0].high = (struct position){12, 3};
    batch->sources[1].from = batch->sources[1].next = 7;
    batch->sources[2].from = batch->sources[2].next = -1;
    struct load load;
    sink_batch_load(batch, progress, &load);
    CHECK_EQ(1, load.n_sources, "sources that did not move are left out");
    CHECK_STR("core", load.sources[0].source, "the one that moved");
    CHECK_EQ(5, load.sources[0].ledger_from, "from where the warehouse stands");
    CHECK_EQ(8, load.sources[0].ledger_next, "to the cut");
    CHECK_EQ(12, load.sources[0].high.major, "the highest position");
    CHECK_EQ(0, load.n_tables, "no tables without events");
    sink_load_done(&load);
    sink_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(batches_close_at_cuts),
                                       cmocka_unit_test(only_what_moved_is_loaded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
