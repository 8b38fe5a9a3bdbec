#include "test.h"

#include "capture/pg/guard.h"
#include "capture/pg/published.h"

enum { COMMIT = 0x5000, END = 0x6000, RESTART = 0x4000, LOG_END = 0x9000 };

static const struct pg_state ledger = {.system_id = "7711447632789561142",
                                       .timeline = 2,
                                       .database_oid = 16384,
                                       .slot = "leat_core",
                                       .publication = "leat_\"core\"",
                                       .snapshot = PG_SNAPSHOT_DONE,
                                       .end_lsn = END,
                                       .commit_lsn = COMMIT,
                                       .restart_lsn = RESTART};

/* The server as it should be. */
static struct pg_found found_well(void)
{
    return (struct pg_found){
        .server = ledger,
        .slot = {.exists = true, .is_ours_by_kind = true, .confirmed = END, .restart = RESTART},
        .wal_end = LOG_END,
        .fork_lsn = UINT64_MAX,
        .now_us = 8000000,
        .ledger_written_us = 1000000,
    };
}

static const struct {
    const char *behaviour;
    enum pg_snapshot_state ledger;
    struct pg_slot slot;
    enum err_code want_error, want_gap;
    bool makes_slot;
} slots[] = {
    {"the first start finds no slot", PG_SNAPSHOT_NONE, {0}, ERR_NONE, ERR_NONE, false},
    {"a slot that the ledger does not know is not ours",
     PG_SNAPSHOT_NONE,
     {.exists = true, .is_ours_by_kind = true},
     ERR_PG_SLOT_FOREIGN,
     ERR_NONE,
     false},
    {"a copy that died before it made its slot", PG_SNAPSHOT_COPYING, {0}, ERR_NONE, ERR_NONE, false},
    {"a copy that died after it made its slot",
     PG_SNAPSHOT_COPYING,
     {.exists = true, .is_ours_by_kind = true},
     ERR_NONE,
     ERR_NONE,
     false},
    {"a slot of another plugin is not ours",
     PG_SNAPSHOT_COPYING,
     {.exists = true},
     ERR_PG_SLOT_FOREIGN,
     ERR_NONE,
     false},
    {"a slot behind the ledger",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true, .confirmed = END - 1, .restart = RESTART},
     ERR_NONE,
     ERR_NONE,
     false},
    {"a slot at the ledger's position",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true, .confirmed = END, .restart = RESTART},
     ERR_NONE,
     ERR_NONE,
     false},
    {"a slot beyond the ledger was moved, and still works",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true, .confirmed = END + 1, .restart = RESTART},
     ERR_NONE,
     ERR_PG_SLOT_LOST,
     false},
    {"a slot that was never confirmed was made anew",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true},
     ERR_NONE,
     ERR_PG_SLOT_LOST,
     true},
    {"a slot whose restart position went back is of a restored copy",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true, .confirmed = END, .restart = RESTART - 1},
     ERR_NONE,
     ERR_LEDGER_IDENTITY,
     false},
    {"a standby's copy of the slot can be read after the promotion",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true, .is_copy = true, .confirmed = END, .restart = RESTART},
     ERR_PG_TRANSIENT,
     ERR_NONE,
     false},
    {"a lost slot",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true, .lost_why = "wal_removed", .confirmed = END},
     ERR_NONE,
     ERR_PG_SLOT_LOST,
     true},
    {"a dropped slot", PG_SNAPSHOT_DONE, {0}, ERR_NONE, ERR_PG_SLOT_MISSING, true},
};

static void slot_is_held_against_the_ledger(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
        struct err err = {0};
        struct pg_judgement judgement = {0};
        struct pg_state known = ledger;
        struct pg_found found = found_well();
        known.snapshot = slots[i].ledger;
        found.slot = slots[i].slot;
        enum rc rc = pg_guard_judge(&known, &found, &judgement, &err);
        CHECK_EQ(slots[i].want_error == ERR_NONE ? RC_OK : err_class(slots[i].want_error), rc, slots[i].behaviour);
        CHECK_EQ(slots[i].want_error, err.code, slots[i].behaviour);
        CHECK_EQ(slots[i].want_gap, judgement.gap.code, slots[i].behaviour);
        if (slots[i].ledger == PG_SNAPSHOT_DONE)
            CHECK_EQ(slots[i].makes_slot, judgement.makes_slot, slots[i].behaviour);
    }
}

static const struct {
    const char *behaviour;
    char system_id;
    uint32_t timeline, database_oid;
    const char *slot, *publication;
    uint64_t fork_lsn, wal_end;
    bool is_standby;
    enum rc want;
    enum err_code want_gap;
    uint64_t want_resume;
} servers[] = {
    {"the same server", '7', 2, 16384, "leat_core", "leat_\"core\"", UINT64_MAX, LOG_END, false, RC_OK, ERR_NONE, END},
    {"another server", '1', 2, 16384, "leat_core", "leat_\"core\"", UINT64_MAX, LOG_END, false, RC_OK,
     ERR_LEDGER_IDENTITY, END},
    {"another database", '7', 2, 16385, "leat_core", "leat_\"core\"", UINT64_MAX, LOG_END, false, RC_OK,
     ERR_LEDGER_IDENTITY, END},
    {"another slot name", '7', 2, 16384, "leat", "leat_\"core\"", UINT64_MAX, LOG_END, false, RC_OK,
     ERR_LEDGER_IDENTITY, END},
    {"another publication name", '7', 2, 16384, "leat_core", "leat_core", UINT64_MAX, LOG_END, false, RC_OK,
     ERR_LEDGER_IDENTITY, END},
    {"a standby promoted after all that the ledger has", '7', 3, 16384, "leat_core", "leat_\"core\"", END, LOG_END,
     false, RC_OK, ERR_NONE, END},
    {"a standby promoted after the last commit in Kafka: what came after it is read from the new timeline", '7', 3,
     16384, "leat_core", "leat_\"core\"", END - 8, LOG_END, false, RC_OK, ERR_NONE, END - 8},
    {"a standby promoted without a commit that Kafka has", '7', 3, 16384, "leat_core", "leat_\"core\"", COMMIT, LOG_END,
     false, RC_OK, ERR_LEDGER_IDENTITY, END},
    {"a timeline that did not come out of the ledger's", '7', 3, 16384, "leat_core", "leat_\"core\"", 0, LOG_END, false,
     RC_OK, ERR_LEDGER_IDENTITY, END},
    {"a restored copy whose log has not come so far", '7', 2, 16384, "leat_core", "leat_\"core\"", UINT64_MAX, END - 1,
     false, RC_OK, ERR_LEDGER_IDENTITY, END},
    {"a standby that replays is waited for", '7', 2, 16384, "leat_core", "leat_\"core\"", UINT64_MAX, END - 1, true,
     RC_RETRY, ERR_NONE, END},
};

static void server_is_held_against_the_ledger(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct err err = {0};
        struct pg_judgement judgement;
        struct pg_found found = found_well();
        found.server.system_id[0] = servers[i].system_id;
        found.server.timeline = servers[i].timeline;
        found.server.database_oid = servers[i].database_oid;
        snprintf(found.server.slot, sizeof(found.server.slot), "%s", servers[i].slot);
        snprintf(found.server.publication, sizeof(found.server.publication), "%s", servers[i].publication);
        found.fork_lsn = servers[i].fork_lsn;
        found.wal_end = servers[i].wal_end;
        found.is_standby = servers[i].is_standby;
        found.slot.confirmed = END - 8;
        CHECK_EQ(servers[i].want, pg_guard_judge(&ledger, &found, &judgement, &err), servers[i].behaviour);
        CHECK_EQ(servers[i].want_gap, judgement.gap.code, servers[i].behaviour);
        CHECK_EQ(servers[i].want_resume, judgement.resume_lsn, servers[i].behaviour);
    }
}

static void an_unfinished_copy_is_not_continued_elsewhere(void **state)
{
    (void)state;
    struct err err = {0};
    struct pg_judgement judgement;
    struct pg_state copying = ledger;
    struct pg_found found = found_well();
    copying.snapshot = PG_SNAPSHOT_COPYING;
    ASSERT_OK(pg_guard_judge(&copying, &found, &judgement, &err), &err);
    found.server.timeline++;
    CHECK_EQ(RC_FATAL, pg_guard_judge(&copying, &found, &judgement, &err), "another timeline");
    found = found_well();
    found.server.database_oid++;
    CHECK_EQ(RC_FATAL, pg_guard_judge(&copying, &found, &judgement, &err), "another database");
    CHECK_EQ(ERR_LEDGER_IDENTITY, err.code, "another database");
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    struct err err = {0};
    struct pg_judgement judgement;
    struct pg_found found = found_well();
    found.slot = (struct pg_slot){0};
    ASSERT_OK(pg_guard_judge(&ledger, &found, &judgement, &err), &err);
    CHECK_STR(
        "replication slot \"leat_core\" does not exist: the ledger has everything up to 0/6000, missing: 0/6000 to "
        "0/9000 (12 KiB of log, 7 s)",
        judgement.gap.msg, "a dropped slot");
    found.now_us += INT64_C(3) * 86400 * 1000000;
    ASSERT_OK(pg_guard_judge(&ledger, &found, &judgement, &err), &err);
    CHECK_EQ(true, strstr(judgement.gap.msg, "12 KiB of log, 3 days") != NULL, "the age in days");
}

static void positions_never_go_back(void **state)
{
    (void)state;
    struct err err = {0};
    struct pg_judgement judgement;
    struct pg_found found = found_well();
    found.slot = (struct pg_slot){0};
    ASSERT_OK(pg_guard_judge(&ledger, &found, &judgement, &err), &err);
    ASSERT_OK(pg_guard_check_acceptable(&ledger, &found, &judgement, &err), &err);
    found.wal_end = END - 1;
    ASSERT_OK(pg_guard_judge(&ledger, &found, &judgement, &err), &err);
    CHECK_EQ(RC_FATAL, pg_guard_check_acceptable(&ledger, &found, &judgement, &err), "a log that ends before");
    struct pg_state inside = ledger;
    inside.commit_lsn = LOG_END + 1;
    inside.next_ordinal = 5;
    found.wal_end = LOG_END;
    CHECK_EQ(RC_FATAL, pg_guard_check_acceptable(&inside, &found, &judgement, &err),
             "one that ends before a commit of which Kafka has a part");
    found = found_well();
    found.server.system_id[0] = '1';
    ASSERT_OK(pg_guard_judge(&ledger, &found, &judgement, &err), &err);
    CHECK_EQ(RC_FATAL, pg_guard_check_acceptable(&ledger, &found, &judgement, &err), "a slot there that is not ours");
    CHECK_EQ(ERR_PG_SLOT_FOREIGN, err.code, "a slot there that is not ours");
}

/* ---- publication ---- */

#define BEFORE "100 7 iudt root none; 11:21 12:22+30 13:0"

static const struct {
    const char *behaviour, *now;
    enum err_code want;
    const char *word;
} publications[] = {
    {"nothing changed", BEFORE, ERR_NONE, ""},
    {"a table is new", "100 7 iudt root none; 11:21 12:22+30 13:0 14:23", ERR_NONE, ""},
    {"a table is gone", "100 7 iudt root none; 12:22+30 13:0", ERR_NONE, ""},
    {"a table went and came back", "100 7 iudt root none; 11:24 12:22+30 13:0", ERR_PG_PUBLICATION_CHANGED, "public.a"},
    {"two tables went and came back", "100 7 iudt root none; 11:24 12:25 13:0", ERR_PG_PUBLICATION_CHANGED,
     "2, such as public.a, other.b"},
    {"the publication was made anew", "101 9 iudt root none; 11:21 12:22+30 13:0", ERR_PG_PUBLICATION_CHANGED,
     "made again"},
    {"an operation more", "100 9 iudt root none; 11:21 12:22+30 13:0", ERR_PG_PUBLICATION_CHANGED, "reads as before"},
    {"an operation less", "100 9 iud root none; 11:21 12:22+30 13:0", ERR_NONE, ""},
    {"partitions by another name", "100 9 iudt leaf none; 11:21 12:22+30 13:0", ERR_PG_PUBLICATION_CHANGED,
     "partition"},
    {"generated columns come too", "100 9 iudt root stored; 11:21", ERR_PG_PUBLICATION_CHANGED, "generated"},
    {"a line that is none", "100 iudt", ERR_LEDGER_MALFORMED, ""},
};

static void publication_is_held_against_the_ledger(void **state)
{
    (void)state;
    const struct pg_table tables[] = {
        {.oid = 11, .schema = "public", .name = "a"},
        {.oid = 12, .schema = "other", .name = "b"},
        {.oid = 13, .schema = "public", .name = "c"},
        {.oid = 14, .schema = "public", .name = "d"},
    };
    for (size_t i = 0; i < ARRAY_LEN(publications); i++) {
        struct err err = {0};
        size_t n = strstr(publications[i].now, " 14:") == NULL ? 3 : 4;
        size_t skip = strstr(publications[i].now, " 11:") == NULL;
        enum rc rc = pg_published_compare(BEFORE, publications[i].now, tables + skip, n - skip, &err);
        CHECK_EQ(publications[i].want == ERR_NONE ? RC_OK : RC_FATAL, rc, publications[i].behaviour);
        CHECK_EQ(publications[i].want, err.code, publications[i].behaviour);
        CHECK_EQ(true, strstr(err.msg, publications[i].word) != NULL, publications[i].behaviour);
    }
    struct err err = {0};
    ASSERT_OK(pg_published_compare(NULL, BEFORE, tables, 3, &err), &err);
    CHECK_EQ(RC_FATAL,
             pg_published_compare("100 7 iud root none; 11:21", "100 8 iudt root none; 11:21", tables, 1, &err),
             "deletes are published again");
    CHECK_EQ(PG_PUBLISHED_NEW, pg_published_table(BEFORE, "100 7 iudt root none; 1:21", 1),
             "a prefix is another table");
    CHECK_EQ(PG_PUBLISHED_UNKNOWN, pg_published_table(NULL, BEFORE, 11), "an older ledger");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slot_is_held_against_the_ledger),
        cmocka_unit_test(server_is_held_against_the_ledger),
        cmocka_unit_test(an_unfinished_copy_is_not_continued_elsewhere),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(positions_never_go_back),
        cmocka_unit_test(publication_is_held_against_the_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
