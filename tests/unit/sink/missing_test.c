#include "test.h"

#include "sink/redshift/missing.h"

enum { N_COLUMNS = 3, N_FIELDS = N_COLUMNS + 2 };

static struct target_column columns[N_COLUMNS] = {
    {.name = "no", .is_key = true}, {.name = "note \"x\""}, {.name = "owner", .is_key = true}};
static uint16_t keys[] = {2, 0};
static const struct target papers = {.schema = "dwh",
                                     .table = "papers",
                                     .columns = columns,
                                     .n_columns = N_COLUMNS,
                                     .key_columns = keys,
                                     .n_key_columns = 2};

/* A row as the server sends it; NULL is NULL. */
static PGresult *row_of(const char *const *values, int n)
{
    static char names[][8] = {"no", "note", "owner", "pos", "keep"};
    PGresAttDesc fields[N_FIELDS] = {0};
    PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_SINGLE_TUPLE);
    for (int i = 0; i < n; i++)
        fields[i].name = names[i];
    assert_int_equal(1, PQsetResultAttrs(res, n, fields));
    for (int i = 0; i < n; i++) {
        char copy[64];
        snprintf(copy, sizeof(copy), "%s", values[i] == NULL ? "" : values[i]);
        assert_int_equal(1, PQsetvalue(res, 0, i, copy, values[i] == NULL ? -1 : (int)strlen(copy)));
    }
    return res;
}

#define POS "00000000016b3748.000000000000000c"

static const struct {
    const char *behaviour;
    const char *values[N_FIELDS];
    const char *key, *record, *brief;
} rows[] = {
    {"a column that did not travel is left out",
     {"17", NULL, "ann", POS, "010"},
     "ann,17",
     "{\"no\":\"17\",\"owner\":\"ann\"}",
     "{\"owner\":\"ann\",\"no\":\"17\"}"},
    {"a NULL that travelled is null",
     {"17", NULL, "ann", POS, "000"},
     "ann,17",
     "{\"no\":\"17\",\"note \\\"x\\\"\":null,\"owner\":\"ann\"}",
     "{\"owner\":\"ann\",\"no\":\"17\"}"},
    {"text is JSON text",
     {"-1", "a \"b\"\n", "", POS, "000"},
     ",-1",
     "{\"no\":\"-1\",\"note \\\"x\\\"\":\"a \\\"b\\\"\\n\",\"owner\":\"\"}",
     "{\"owner\":\"\",\"no\":\"-1\"}"},
};

static void a_missing_row_is_shown_by_what_travelled(void **state)
{
    (void)state;
    SCOPED(missing_row_done) struct missing_row row;
    struct err err = {0};
    missing_row_init(&row);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        PGresult *res = row_of(rows[i].values, N_FIELDS);
        ASSERT_OK(missing_row_read(&row, res, &papers, &err), &err);
        CHECK_STR(rows[i].key, buf_cstr(&row.key), rows[i].behaviour);
        CHECK_STR(rows[i].record, buf_cstr(&row.record), rows[i].behaviour);
        CHECK_STR(rows[i].brief, buf_cstr(&row.brief), rows[i].behaviour);
        CHECK_EQ(0x16b3748, row.pos.major, rows[i].behaviour);
        CHECK_EQ(12, row.pos.minor, rows[i].behaviour);
        PQclear(res);
    }
}

static const struct {
    const char *behaviour;
    const char *values[N_FIELDS];
    int n;
} malformed[] = {
    {"a position that is no number", {"1", "n", "o", "00000000016b374x.000000000000000c", "000"}, N_FIELDS},
    {"a position that is cut off", {"1", "n", "o", "00000000016b3748.", "000"}, N_FIELDS},
    {"no position", {"1", "n", "o", NULL, "000"}, N_FIELDS},
    {"marks of fewer columns", {"1", "n", "o", POS, "00"}, N_FIELDS},
    {"fewer fields", {"1", "n", "o", POS}, N_FIELDS - 1},
};

static void a_row_in_another_form_is_refused(void **state)
{
    (void)state;
    SCOPED(missing_row_done) struct missing_row row;
    missing_row_init(&row);
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        PGresult *res = row_of(malformed[i].values, malformed[i].n);
        struct err err = {0};
        CHECK_EQ(RC_FATAL, missing_row_read(&row, res, &papers, &err), malformed[i].behaviour);
        CHECK_EQ(ERR_MALFORMED, err.code, malformed[i].behaviour);
        PQclear(res);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_row_is_shown_by_what_travelled),
        cmocka_unit_test(a_row_in_another_form_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
