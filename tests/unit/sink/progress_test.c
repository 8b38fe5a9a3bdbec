#include "test.h"

#include "sink/redshift/progress.h"

struct row {
    const char *source, *next, *major, *minor, *writer;
};

/* Rows as the server would have sent them. */
static PGresult *rows_of(const struct row *rows, int n)
{
    static char names[][12] = {"source", "ledger_next", "high_major", "high_minor", "writer", "updated_at"};
    PGresAttDesc columns[ARRAY_LEN(names)] = {0};
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        columns[i].name = names[i];
    assert_int_equal(1, PQsetResultAttrs(res, ARRAY_LEN(names), columns));
    for (int row = 0; row < n; row++) {
        const char *values[] = {rows[row].source, rows[row].next,   rows[row].major,
                                rows[row].minor,  rows[row].writer, "2026-11-23 19:00:00"};
        for (int i = 0; i < (int)ARRAY_LEN(values); i++) {
            char copy[64];
            snprintf(copy, sizeof(copy), "%s", values[i]);
            assert_int_equal(1, PQsetvalue(res, row, i, copy, (int)strlen(copy)));
        }
    }
    return res;
}

static void test_progress_is_read(void **state)
{
    (void)state;
    static const struct row rows[] = {{"core", "42", "18446744073709551615", "7", "w"}};
    PGresult *res = rows_of(rows, 1);
    struct progress core = progress_of(res, "core"), docs = progress_of(res, "docs");
    CHECK_EQ(42, core.ledger_next, "the next ledger offset");
    assert_true(core.high.major == UINT64_MAX && core.high.minor == 7);
    CHECK_EQ(-1, docs.ledger_next, "a source without a row never loaded anything");
    PQclear(res);
}

enum answer { MAY_GO_IN, IS_IN, FENCED };

/* core [from, next) and docs [from, next) against what the table holds; our writer is "w1". */
static const struct {
    const char *behaviour;
    struct row core, docs;
    int64_t core_from, core_next, docs_from, docs_next;
    enum answer want;
    const char *says; /* in the message */
} cases[] = {
    {"a batch that begins where the warehouse stands",
     {"core", "10", "0", "0", "w1"},
     {"docs", "5", "0", "0", "w1"},
     10,
     20,
     5,
     6,
     MAY_GO_IN,
     ""},
    {"the first batch of all",
     {"core", "-1", "0", "0", "w1"},
     {"docs", "-1", "0", "0", "w1"},
     -1,
     20,
     -1,
     6,
     MAY_GO_IN,
     ""},
    {"a batch that is in", {"core", "20", "0", "0", "w1"}, {"docs", "6", "0", "0", "w1"}, 10, 20, 5, 6, IS_IN, ""},
    {"a batch that is in, with a source that does not move",
     {"core", "20", "0", "0", "w1"},
     {"docs", "5", "0", "0", "w1"},
     10,
     20,
     5,
     5,
     IS_IN,
     ""},
    {"a batch that the next worker put in",
     {"core", "20", "0", "0", "w2"},
     {"docs", "6", "0", "0", "w2"},
     10,
     20,
     5,
     6,
     IS_IN,
     ""},
    {"a batch of nothing is not taken for one that is in",
     {"core", "10", "0", "0", "w1"},
     {"docs", "5", "0", "0", "w1"},
     10,
     10,
     5,
     5,
     MAY_GO_IN,
     ""},
    {"another worker took over and has not moved anything yet",
     {"core", "10", "0", "0", "w2"},
     {"docs", "5", "0", "0", "w2"},
     10,
     20,
     5,
     6,
     FENCED,
     "worker w1 was taken over by w2 at 2026-11-23 19:00:00"},
    {"a batch of nothing of a worker that is not the writer",
     {"core", "10", "0", "0", "w2"},
     {"docs", "5", "0", "0", "w2"},
     10,
     10,
     5,
     5,
     FENCED,
     "taken over by w2"},
    {"another worker took over one source",
     {"core", "10", "0", "0", "w1"},
     {"docs", "5", "0", "0", "w2"},
     10,
     20,
     5,
     6,
     FENCED,
     "taken over by w2"},
    {"somebody reset the offsets",
     {"core", "10", "0", "0", ""},
     {"docs", "5", "0", "0", ""},
     10,
     20,
     5,
     6,
     FENCED,
     "leat offsets reset"},
    {"the progress was moved back",
     {"core", "3", "0", "0", "w1"},
     {"docs", "5", "0", "0", "w1"},
     10,
     20,
     5,
     6,
     FENCED,
     "moved to ledger offset 3, this batch begins at 10"},
    {"one source is in and the other is not",
     {"core", "20", "0", "0", "w1"},
     {"docs", "5", "0", "0", "w1"},
     10,
     20,
     5,
     6,
     FENCED,
     "moved to ledger offset 20"},
    {"a row was removed",
     {"core", "10", "0", "0", "w1"},
     {"other", "5", "0", "0", "w1"},
     10,
     20,
     5,
     6,
     FENCED,
     "source \"docs\" is no longer"},
};

static void test_which_batches_may_go_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct row rows[] = {cases[i].core, cases[i].docs};
        struct load_source sources[] = {{"core", cases[i].core_from, cases[i].core_next, {0}},
                                        {"docs", cases[i].docs_from, cases[i].docs_next, {0}}};
        struct load load = {.sources = sources, .n_sources = 2};
        PGresult *res = rows_of(rows, 2);
        struct err err = {0};
        bool is_in = false;
        enum rc rc = progress_check(res, &load, "warehouse", "w1", &is_in, &err);
        PQclear(res);
        CHECK_EQ(cases[i].want == FENCED ? RC_FATAL : RC_OK, rc, cases[i].behaviour);
        CHECK_EQ(cases[i].want == IS_IN, is_in, cases[i].behaviour);
        CHECK_EQ(cases[i].want == FENCED ? ERR_SINK_FENCED : ERR_NONE, err.code, cases[i].behaviour);
        if (strstr(err.msg, cases[i].says) == NULL)
            fail_msg("%s: the message is \"%s\"", cases[i].behaviour, err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress_is_read),
        cmocka_unit_test(test_which_batches_may_go_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
