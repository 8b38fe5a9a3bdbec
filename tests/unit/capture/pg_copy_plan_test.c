#include "test.h"

#include "base/clock.h"
#include "capture/pg/copy_plan.h"

static struct pg_copy_found heap_of(uint32_t table, uint32_t oid, uint32_t file, uint32_t blocks)
{
    return (struct pg_copy_found){
        .table_oid = table, .oid = oid, .filenode = file, .n_blocks = blocks, .schema = "public", .name = "t"};
}

/* Three tables; the second one is partitioned. Chunks of ten blocks. */
static void make(struct pg_copy_plan *plan)
{
    const struct pg_copy_found found[] = {heap_of(1, 1, 11, 35), heap_of(2, 21, 12, 5), heap_of(2, 22, 13, 20),
                                          heap_of(3, 3, 14, 0)};
    *plan = (struct pg_copy_plan){0};
    pg_copy_plan_add(plan, 1, "public.a", NULL);
    pg_copy_plan_add(plan, 2, "public.b", NULL);
    pg_copy_plan_add(plan, 3, "public.c", "x > 1");
    pg_copy_plan_found(plan, found, ARRAY_LEN(found), 10);
}

static void encoded_is(const struct pg_copy_plan *plan, const char *want, const char *behaviour)
{
    struct buf out = buf_new(1 << 16);
    pg_copy_plan_encode(plan, &out);
    CHECK_STR(want, buf_cstr(&out), behaviour);
    buf_done(&out);
}

static void finish(struct pg_copy_plan *plan, uint32_t heap, uint32_t n)
{
    struct pg_chunk chunk;
    bool found = pg_copy_plan_take(plan, 0, false, &chunk);
    CHECK_EQ(true, found, "there is a chunk");
    CHECK_EQ(heap, chunk.heap->oid, "its heap");
    CHECK_EQ(n, chunk.n, "its number");
    pg_copy_plan_finish(&chunk, 5, 50);
}

static void chunks_cover_a_heap_and_the_last_one_is_open_ended(void **state)
{
    (void)state;
    struct pg_copy_plan plan;
    struct pg_chunk chunk;
    uint32_t first, end, want_first = 0;
    make(&plan);
    for (int i = 0; i < 4; i++, want_first += 10) {
        CHECK_EQ(true, pg_copy_plan_take(&plan, 0, false, &chunk), "four chunks of 35 blocks");
        pg_chunk_blocks(&chunk, &first, &end);
        CHECK_EQ(want_first, first, "where it begins");
        CHECK_EQ(i == 3 ? UINT32_MAX : want_first + 10, end, "where it ends");
        CHECK_EQ(1, chunk.table->oid, "in the order of the plan");
    }
    CHECK_EQ(true, pg_copy_plan_take(&plan, 0, false, &chunk), "the next table");
    CHECK_EQ(21, chunk.heap->oid, "its first leaf");
    pg_chunk_blocks(&chunk, &first, &end);
    CHECK_EQ(0, first, "all of it");
    CHECK_EQ(UINT32_MAX, end, "all of it");
    pg_copy_plan_done(&plan);
}

static void what_was_given_back_is_taken_again(void **state)
{
    (void)state;
    struct pg_copy_plan plan;
    struct pg_chunk a, b, again;
    make(&plan);
    CHECK_EQ(true, pg_copy_plan_take(&plan, 0, false, &a) && pg_copy_plan_take(&plan, 0, false, &b), "two");
    pg_copy_plan_give_back(&a);
    CHECK_EQ(true, pg_copy_plan_take(&plan, 0, false, &again), "again");
    CHECK_EQ(a.n, again.n, "the same one");
    pg_copy_plan_done(&plan);
}

static void a_table_that_is_parked_does_not_hold_back_the_others(void **state)
{
    (void)state;
    struct pg_copy_plan plan;
    struct pg_chunk chunk;
    make(&plan);
    pg_copy_table_park(plan.tables[0], "permission denied", 1000);
    CHECK_EQ(true, pg_copy_plan_take(&plan, 999, false, &chunk), "another table's chunk");
    CHECK_EQ(2, chunk.table->oid, "the second table's");
    CHECK_EQ(true, pg_copy_plan_take(&plan, 1000, false, &chunk), "the parked one is tried again");
    CHECK_EQ(1, chunk.table->oid, "the first table's");
    pg_copy_plan_finish(&chunk, 0, 0);
    CHECK_EQ(true, plan.tables[0]->error == NULL, "and is not parked when that went well");
    pg_copy_plan_done(&plan);
}

static void due_is_when_the_first_table_may_be_copied(void **state)
{
    (void)state;
    struct pg_copy_plan plan = {0};
    CHECK_EQ(-1, pg_copy_plan_due_ms(&plan, 5), "nothing is to be copied");
    pg_copy_plan_add(&plan, 1, "public.a", NULL);
    CHECK_EQ(0, pg_copy_plan_due_ms(&plan, 5), "now");
    pg_copy_table_park(plan.tables[0], "x", 105);
    CHECK_EQ(100, pg_copy_plan_due_ms(&plan, 5), "later");
    pg_copy_plan_done(&plan);
}

static void a_rewritten_heap_begins_again_and_a_grown_one_does_not(void **state)
{
    (void)state;
    struct pg_copy_plan plan;
    const struct pg_copy_found found[] = {heap_of(1, 1, 11, 90), heap_of(2, 22, 99, 7), heap_of(3, 3, 14, 0)};
    make(&plan);
    finish(&plan, 1, 0);
    finish(&plan, 1, 1);
    pg_copy_plan_found(&plan, found, ARRAY_LEN(found), 10);
    CHECK_EQ(2, plan.tables[0]->heaps[0].n_done, "the same file: what is done is done");
    CHECK_EQ(4, plan.tables[0]->heaps[0].n_chunks, "and the plan is the one it had");
    CHECK_EQ(1, plan.tables[1]->n_heaps, "a dropped partition is gone");
    CHECK_EQ(1, plan.tables[1]->heaps[0].n_chunks, "another file is cut anew");
    finish(&plan, 1, 2);
    pg_copy_plan_found(&plan, found + 1, 2, 10);
    CHECK_EQ(2, plan.n_tables, "a dropped table is copied no more");
    CHECK_EQ(true, pg_copy_plan_is_copied(&plan, 1), "and nobody waits for it");
    pg_copy_plan_done(&plan);
}

static void a_table_is_queued_once_for_the_same_rows(void **state)
{
    (void)state;
    struct pg_copy_plan plan = {0};
    pg_copy_plan_add(&plan, 1, "public.a", NULL);
    pg_copy_plan_add(&plan, 1, "public.a", NULL);
    CHECK_EQ(1, plan.n_tables, "twice the same");
    pg_copy_plan_add(&plan, 1, "public.a", "id < 5");
    CHECK_EQ(2, plan.n_tables, "other rows");
    pg_copy_plan_done(&plan);
}

static void the_ledger_keeps_what_was_done(void **state)
{
    (void)state;
    struct pg_copy_plan plan, read;
    struct err err = {0};
    struct pg_chunk chunk;
    bool known;
    make(&plan);
    finish(&plan, 1, 0);
    finish(&plan, 1, 1);
    CHECK_EQ(true, pg_copy_plan_take(&plan, 0, false, &chunk), "the third is under way");
    finish(&plan, 1, 3);
    for (uint32_t oid = 16384; oid < 16384 + 5 * 1000; oid += 5)
        pg_copy_plan_set_copied(&plan, oid, true);
    plan.fill_until = 0x100000010;
    plan.next_request = 7;
    static const char want[] =
        "{\"next_request\":7,\"fill_until\":\"1/10\",\"truncate\":false,\"copied\":\"16384,5*999\",\"queue\":\"2\","
        "\"tables\":[{\"oid\":1,\"name\":\"public.a\",\"rows\":15,\"bytes\":150,\"heaps\":[{\"oid\":1,\"file\":11,"
        "\"blocks\":35,\"chunk\":10,\"done\":\"0-1,3\"}]},{\"oid\":3,\"name\":\"public.c\",\"where\":\"x > 1\","
        "\"rows\":0,\"bytes\":0,\"heaps\":[]}],\"chunks\":[3,8],\"blocks\":[26,60]}";
    encoded_is(&plan, want, "encoded");
    struct buf whole = buf_new(1 << 16);
    buf_printf(&whole, "{\"copy\":%s}", want);
    ASSERT_OK(pg_copy_plan_decode(buf_slice(&whole), &read, &known, &err), &err);
    CHECK_EQ(true, known, "there is a plan");
    CHECK_EQ(1000, read.n_copied, "tables that were copied");
    CHECK_EQ(true, pg_copy_plan_is_copied(&read, 16389), "one of them");
    CHECK_EQ(false, pg_copy_plan_is_copied(&read, 16390), "not one of them");
    CHECK_EQ(3, read.n_tables, "tables to copy");
    CHECK_EQ(1, read.tables[0]->oid, "the one that was begun comes first");
    CHECK_EQ(3, read.tables[0]->heaps[0].n_done, "its chunks");
    const struct pg_copy_found found = heap_of(1, 1, 11, 35);
    pg_copy_plan_found(&read, &found, 1, 10);
    finish(&read, 1, 2);
    CHECK_EQ(true, pg_copy_table_is_done(read.tables[0]), "the chunk that was under way was the only one left");
    pg_copy_plan_done(&plan);
    pg_copy_plan_done(&read);
    buf_done(&whole);
}

#define COPY(fields) "{\"copy\":{\"next_request\":0,\"fill_until\":\"0/0\",\"truncate\":false," fields "}}"

static const struct {
    const char *behaviour, *json;
    enum rc want;
    bool known;
} cases[] = {
    {"nothing is an empty plan", "", RC_OK, false},
    {"a state of a version without a plan", "{\"slot\":\"x\"}", RC_OK, false},
    {"an empty plan", COPY("\"copied\":\"\""), RC_OK, true},
    {"a plan that is no object is refused", "{\"copy\":1}", RC_FATAL, false},
    {"a list with letters is refused", COPY("\"copied\":\"1,x\""), RC_FATAL, false},
    {"a list that goes below zero is refused", COPY("\"copied\":\"1,-2\""), RC_FATAL, false},
    {"a list that is too long is refused", COPY("\"copied\":\"1,0*999999999\""), RC_FATAL, false},
    {"a list beyond 32 bits is refused", COPY("\"copied\":\"1,4294967295\""), RC_FATAL, false},
    {"a chunk that the heap does not have is refused",
     COPY(
         "\"copied\":\"\",\"tables\":[{\"oid\":1,\"rows\":0,\"bytes\":0,\"heaps\":[{\"oid\":1,\"file\":1,\"blocks\":10,"
         "\"chunk\":10,\"done\":\"0-1\"}]}]"),
     RC_FATAL, false},
    {"a heap of more chunks than we count is cut into larger ones",
     COPY("\"copied\":\"\",\"tables\":[{\"oid\":1,\"rows\":0,\"bytes\":0,\"heaps\":[{\"oid\":1,\"file\":1,"
          "\"blocks\":4294967295,\"chunk\":1,\"done\":\"0\"}]}]"),
     RC_OK, true},
};

static void plans_are_accepted_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct pg_copy_plan plan = {0};
        bool known = false;
        CHECK_EQ(cases[i].want, pg_copy_plan_decode(slice_of_str(cases[i].json), &plan, &known, &err),
                 cases[i].behaviour);
        CHECK_EQ(cases[i].known, known, cases[i].behaviour);
        pg_copy_plan_done(&plan);
    }
}

static void a_table_without_a_key_is_finished_by_the_window_that_began_it(void **state)
{
    (void)state;
    struct pg_copy_plan plan;
    struct pg_chunk chunk;
    make(&plan);
    finish(&plan, 1, 0);
    CHECK_EQ(false, pg_copy_plan_take(&plan, 0, true, &chunk), "a window that ends begins nothing");
    plan.tables[0]->whole = plan.tables[0]->announced = true;
    CHECK_EQ(true, pg_copy_plan_take(&plan, 0, true, &chunk), "but the rest of what has to be whole");
    CHECK_EQ(1, chunk.table->oid, "that table's");
    pg_copy_table_restart(plan.tables[0]);
    finish(&plan, 1, 0);
    CHECK_EQ(1, plan.tables[0]->heaps[0].n_under_way, "a restart leaves what is under way");
    pg_copy_plan_done(&plan);
}

static double left_s(const struct pg_copy_plan *plan, int64_t now_s)
{
    struct pg_copy_totals totals;
    pg_copy_plan_totals(plan, &totals);
    return pg_copy_plan_seconds_left(plan, &totals, now_s * US_PER_S);
}

static void the_time_left_goes_by_all_that_was_done(void **state)
{
    (void)state;
    bool known;
    struct err err;
    struct pg_copy_plan plan, read;
    SCOPED(buf_done) struct buf out = buf_new(1 << 16);
    make(&plan);
    CHECK_EQ(true, left_s(&plan, 1000) < 0, "nothing was begun");
    plan.began_us = 1000 * US_PER_S;
    CHECK_EQ(true, left_s(&plan, 1010) < 0, "nothing is done");
    plan.gone_chunks = 5; /* of a table that is over */
    struct pg_copy_totals totals;
    pg_copy_plan_totals(&plan, &totals);
    CHECK_EQ(2 * (int)totals.chunks, (int)left_s(&plan, 1010), "two seconds for each chunk so far");
    pg_copy_plan_encode(&plan, &out);
    SCOPED(buf_done) struct buf ledger = buf_new(1 << 16);
    buf_printf(&ledger, "{\"copy\":%s}", buf_cstr(&out));
    CHECK_EQ(RC_OK, pg_copy_plan_decode(buf_slice(&ledger), &read, &known, &err), "read back");
    CHECK_EQ(true, read.began_us == plan.began_us && read.gone_chunks == 5, "the ledger keeps it");
    while (plan.n_tables > 0)
        pg_copy_plan_remove(&plan, plan.tables[0], true);
    CHECK_EQ(true, plan.began_us == 0 && plan.gone_chunks == 0, "the next copy is another one");
    pg_copy_plan_done(&plan);
    pg_copy_plan_done(&read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_left_goes_by_all_that_was_done),
        cmocka_unit_test(chunks_cover_a_heap_and_the_last_one_is_open_ended),
        cmocka_unit_test(what_was_given_back_is_taken_again),
        cmocka_unit_test(a_table_that_is_parked_does_not_hold_back_the_others),
        cmocka_unit_test(due_is_when_the_first_table_may_be_copied),
        cmocka_unit_test(a_rewritten_heap_begins_again_and_a_grown_one_does_not),
        cmocka_unit_test(a_table_is_queued_once_for_the_same_rows),
        cmocka_unit_test(the_ledger_keeps_what_was_done),
        cmocka_unit_test(a_table_without_a_key_is_finished_by_the_window_that_began_it),
        cmocka_unit_test(plans_are_accepted_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
