#include "test.h"

#include "capture/pg/copy_sql.h"
#include "capture/pg/fill.h"

#define LOCK(table)                                                                                                    \
    "lock table only " table " in access share mode;"                                                                  \
    " select relfilenode, pg_catalog.pg_relation_filenode(oid) from pg_catalog.pg_class where oid = 5;"
#define FILES                                                                                                          \
    " where (select relfilenode from pg_catalog.pg_class where oid = 5) = 9"                                           \
    " and pg_catalog.pg_relation_filenode(5) = 9"

static struct pgoutput_relation relation = {.n_columns = 2, .columns = {{.name = "id"}, {.name = "a\"b"}}};

static const struct {
    const char *behaviour;
    struct pg_copy_statement statement;
    const char *want;
} cases[] = {
    {"a whole heap",
     {.schema = "public", .name = "t", .end_block = UINT32_MAX},
     LOCK("\"public\".\"t\"") " copy (select \"id\", \"a\"\"b\" from only \"public\".\"t\"" FILES ") to stdout"},
    {"the first chunk",
     {.schema = "S x", .name = "T", .end_block = 8},
     LOCK("\"S x\".\"T\"") " copy (select \"id\", \"a\"\"b\" from only \"S x\".\"T\"" FILES " and ctid < '(8,0)')"
                           " to stdout"},
    {"the last chunk ends where the heap does, and conditions stand alone",
     {.schema = "public",
      .name = "t",
      .first_block = 8,
      .end_block = UINT32_MAX,
      .row_filter = "a > 1 -- x",
      .where = "b or c"},
     LOCK("\"public\".\"t\"") " copy (select \"id\", \"a\"\"b\" from only \"public\".\"t\"" FILES
                              " and ctid >= '(8,0)'\nand (a > 1 -- x\n)\nand (b or c\n)) to stdout"},
};

static void chunks_are_copied_under_a_lock_while_their_file_is_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = buf_new(4096);
        struct pg_copy_statement statement = cases[i].statement;
        statement.relation = &relation;
        statement.oid = 5;
        statement.filenode = 9;
        pg_copy_sql_chunk(&statement, &out);
        CHECK_STR(cases[i].want, buf_cstr(&out), cases[i].behaviour);
        buf_done(&out);
    }
}

static const struct {
    const char *behaviour, *snapshot;
    uint32_t xid;
    bool sees;
} snapshots[] = {
    {"older than all that runs", "100:100:", 99, true},
    {"not begun", "100:100:", 100, false},
    {"running", "100:110:100,105", 105, false},
    {"ended while an older one runs", "100:110:100,105", 104, true},
    {"the newest that ended", "100:110:100,105", 109, true},
    {"in a later epoch", "8589934692:8589934702:8589934692", 92, true},
    {"in a later epoch, running", "8589934692:8589934702:8589934692", 100, false},
    {"just before the numbers wrapped", "4294967300:4294967300:", 4294967290, true},
};

static void a_snapshot_sees_what_had_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(snapshots); i++)
        CHECK_EQ(snapshots[i].sees, pg_fill_sees(snapshots[i].snapshot, snapshots[i].xid), snapshots[i].behaviour);
}

static const struct {
    const char *behaviour, *exported, *now;
    bool settled;
} settled[] = {
    {"nothing runs", "100:110:", "112:112:", true},
    {"what runs began later", "100:110:", "111:115:111,113", true},
    {"what runs is not in the snapshot either", "100:110:101,105", "101:115:101,105,112", true},
    {"committed in the log, running in memory", "100:110:101", "101:115:101,105", false},
    {"older than all that ran, running in memory", "100:110:", "99:115:99", false},
};

static void a_snapshot_is_settled_when_nothing_that_it_sees_still_runs(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(settled); i++)
        CHECK_EQ(settled[i].settled, pg_snapshot_is_settled(settled[i].exported, settled[i].now), settled[i].behaviour);
}

static void missing_values_are_asked_for_by_key(void **state)
{
    (void)state;
    static struct pgoutput_tuple row = {.n = 3,
                                        .values = {{.kind = PGOUTPUT_TUPLE_TEXT},
                                                   {.kind = PGOUTPUT_TUPLE_UNCHANGED_TOAST},
                                                   {.kind = PGOUTPUT_TUPLE_TEXT}}};
    struct column columns[] = {{.name = "id"}, {.name = "Big"}, {.name = "part"}};
    bool is_key[] = {true, false, true};
    struct pg_relation table = {.schema = "public", .name = "t"};
    struct buf out = buf_new(4096);
    table.shape.columns = columns;
    table.shape.n_columns = 3;
    table.is_key = is_key;
    pg_fill_sql(&table, true, &row, &out);
    CHECK_STR(
        "select s.snapshot, t.* from (select pg_catalog.pg_current_snapshot() as snapshot) s left join lateral"
        " (select true, \"Big\" from only \"public\".\"t\" where \"id\" = $1 and \"part\" = $2 limit 1) t on true",
        buf_cstr(&out), "two key columns");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_copied_under_a_lock_while_their_file_is_the_same),
        cmocka_unit_test(a_snapshot_sees_what_had_ended),
        cmocka_unit_test(a_snapshot_is_settled_when_nothing_that_it_sees_still_runs),
        cmocka_unit_test(missing_values_are_asked_for_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
