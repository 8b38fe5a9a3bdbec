#include "test.h"

#include "sink/cut_search.h"

/* A ledger from offset 10 on; odd offsets are control records. Commit times in seconds. */
static const struct {
    int64_t offset;
    bool cut;
    int64_t commit_s;
} ledger[] = {
    {10, true, 0}, {12, true, 100}, {14, false, 110}, {16, true, 110}, {18, true, 0}, {20, true, 130}, {22, true, 120},
};

static const struct {
    const char *behaviour;
    struct offsets_target target;
    int64_t want;
} cases[] = {
    {"earliest is the ledger's first record", {.kind = OFFSETS_EARLIEST}, 10},
    {"an offset right behind a cut is taken as it is", {OFFSETS_OFFSET, .offset = 13}, 13},
    {"the first offset is a place to start", {OFFSETS_OFFSET, .offset = 10}, 10},
    {"an offset inside a transaction goes back to the cut before", {OFFSETS_OFFSET, .offset = 15}, 13},
    {"a record's own offset goes back behind the cut before", {OFFSETS_OFFSET, .offset = 16}, 13},
    {"the end goes behind the last cut", {OFFSETS_OFFSET, .offset = 24}, 23},
    {"a time finds the last cut that is not after it", {OFFSETS_TIME, .time_us = 115 * INT64_C(1000000)}, 17},
    {"a commit at that very time is in", {OFFSETS_TIME, .time_us = 100 * INT64_C(1000000)}, 13},
    {"a time before the first commit is the first record", {OFFSETS_TIME, .time_us = 99 * INT64_C(1000000)}, 10},
    {"a time after the last commit is behind the last cut", {OFFSETS_TIME, .time_us = 999 * INT64_C(1000000)}, 23},
    {"a later commit ends the search, although clocks went back after it",
     {OFFSETS_TIME, .time_us = 125 * INT64_C(1000000)},
     17},
};

static void resets_go_to_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cut_search search = cut_search_of(&cases[i].target, ledger[0].offset);
        bool more = true;
        for (size_t j = 0; j < ARRAY_LEN(ledger) && more; j++) {
            struct ledger_record record = {.cut = ledger[j].cut,
                                           .commit_time_us = ledger[j].commit_s * INT64_C(1000000)};
            more = cut_search_take(&search, ledger[j].offset, &record);
        }
        CHECK_EQ(cases[i].want, search.next, cases[i].behaviour);
    }
}

static void counts_what_lies_between(void **state)
{
    (void)state;
    struct ledger_partition first[] = {{"p.a", 0, 10, 15}, {"p.b", 0, 3, 4}};
    struct ledger_partition second[] = {{"p.a", 0, 16, 18}, {"p.a", 1, 0, 1}};
    struct ledger_count count = {0};
    ledger_count_take(&count, &(struct ledger_record){.partitions = first, .n_partitions = 2});
    ledger_count_take(&count, &(struct ledger_record){.n_partitions = 0});
    ledger_count_take(&count, &(struct ledger_record){.partitions = second, .n_partitions = 2});
    CHECK_EQ(3, count.records, "records");
    CHECK_EQ(2, count.n_topics, "topics");
    CHECK_STR("p.a", count.topics[0].topic, "first topic");
    CHECK_EQ(8, count.topics[0].events, "events of all its partitions");
    CHECK_EQ(1, count.topics[1].events, "events of the other");
    ledger_count_done(&count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(resets_go_to_cuts), cmocka_unit_test(counts_what_lies_between)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
