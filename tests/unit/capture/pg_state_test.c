#include "test.h"

#include "capture/pg/slot.h"
#include "capture/pg/state.h"

static const struct pg_state done = {.system_id = "7711447632789561142",
                                     .timeline = 1,
                                     .database_oid = 16384,
                                     .slot = "leat_core",
                                     .publication = "leat_\"core\"",
                                     .snapshot = PG_SNAPSHOT_DONE,
                                     .end_lsn = UINT64_C(0x16B374D848),
                                     .commit_lsn = UINT64_C(0x16B374D800),
                                     .next_ordinal = 70000,
                                     .attempt = 2};

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf out = buf_new(4096);
    struct pg_state read;
    pg_state_encode(&done, &out);
    ASSERT_OK(pg_state_decode(buf_slice(&out), &read, &err), &err);
    CHECK_STR(done.system_id, read.system_id, "system_id");
    CHECK_STR(done.slot, read.slot, "slot");
    CHECK_STR(done.publication, read.publication, "publication");
    CHECK_EQ(done.timeline, read.timeline, "timeline");
    CHECK_EQ(done.database_oid, read.database_oid, "database_oid");
    CHECK_EQ(done.snapshot, read.snapshot, "snapshot");
    CHECK_EQ(done.end_lsn, read.end_lsn, "end_lsn");
    CHECK_EQ(done.commit_lsn, read.commit_lsn, "commit_lsn");
    CHECK_EQ(done.next_ordinal, read.next_ordinal, "next_ordinal");
    CHECK_EQ(done.attempt, read.attempt, "attempt");
    buf_done(&out);
}

#define STATE(snapshot, end, ordinal)                                                                                  \
    "{\"system_id\":\"1\",\"timeline\":1,\"database_oid\":5,\"slot\":\"s\",\"publication\":\"p\","                     \
    "\"snapshot\":\"" snapshot "\",\"end_lsn\":\"" end "\",\"commit_lsn\":\"0/1\",\"next_ordinal\":" ordinal           \
    ",\"attempt\":1}"

static const struct {
    const char *behaviour, *json;
    enum rc want;
} cases[] = {
    {"an empty object is a state without a position", "{}", RC_OK},
    {"nothing is a state without a position", "", RC_OK},
    {"a whole state", STATE("done", "0/2", "0"), RC_OK},
    {"a state may say more than we know",
     "{\"new\":1,"
     "\"system_id\":\"1\",\"timeline\":1,\"database_oid\":5,"
     "\"slot\":\"s\",\"publication\":\"p\",\"snapshot\":\"copying\",\"end_lsn\":\"0/0\",\"commit_lsn\":\"0/0\","
     "\"next_ordinal\":0,\"attempt\":1}",
     RC_OK},
    {"another snapshot word is refused", STATE("half", "0/2", "0"), RC_FATAL},
    {"a position that is none is refused", STATE("done", "2", "0"), RC_FATAL},
    {"a negative ordinal is refused", STATE("done", "0/2", "-1"), RC_FATAL},
    {"a missing field is refused", "{\"system_id\":\"1\"}", RC_FATAL},
    {"an array is refused", "[]", RC_FATAL},
    {"what is cut is refused", "{\"system_id\":", RC_FATAL},
};

static void states_are_accepted_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct pg_state read;
        CHECK_EQ(cases[i].want, pg_state_decode(slice_of_str(cases[i].json), &read, &err), cases[i].behaviour);
    }
}

static void another_server_database_slot_or_publication_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    struct pg_state server = done;
    server.end_lsn = 0;
    ASSERT_OK(pg_state_check_identity(&done, &server, &err), &err);
    server.timeline = 2;
    CHECK_EQ(RC_FATAL, pg_state_check_identity(&done, &server, &err), "a promoted standby");
    CHECK_EQ(ERR_LEDGER_IDENTITY, err.code, "a promoted standby");
    server = done;
    server.system_id[0] = '1';
    CHECK_EQ(RC_FATAL, pg_state_check_identity(&done, &server, &err), "another server");
    server = done;
    server.database_oid++;
    CHECK_EQ(RC_FATAL, pg_state_check_identity(&done, &server, &err), "another database");
    server = done;
    server.slot[0] = 'x';
    CHECK_EQ(RC_FATAL, pg_state_check_identity(&done, &server, &err), "another slot");
    server = done;
    server.publication[0] = 'x';
    CHECK_EQ(RC_FATAL, pg_state_check_identity(&done, &server, &err), "another publication");
}

static const struct {
    const char *behaviour;
    enum pg_snapshot_state ledger;
    struct pg_slot slot;
    enum err_code want;
} slots[] = {
    {"the first start finds no slot", PG_SNAPSHOT_NONE, {0}, ERR_NONE},
    {"a slot that the ledger does not know is not ours",
     PG_SNAPSHOT_NONE,
     {.exists = true, .is_ours_by_kind = true},
     ERR_PG_SLOT_FOREIGN},
    {"a copy that died before it made its slot", PG_SNAPSHOT_COPYING, {0}, ERR_NONE},
    {"a copy that died after it made its slot",
     PG_SNAPSHOT_COPYING,
     {.exists = true, .is_ours_by_kind = true},
     ERR_NONE},
    {"a slot of another plugin is not ours", PG_SNAPSHOT_COPYING, {.exists = true}, ERR_PG_SLOT_FOREIGN},
    {"a slot behind the ledger",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true, .confirmed = 10},
     ERR_NONE},
    {"a slot at the ledger's position",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true, .confirmed = UINT64_C(0x16B374D848)},
     ERR_NONE},
    {"a slot beyond the ledger was moved",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true, .confirmed = UINT64_C(0x16B374D849)},
     ERR_PG_SLOT_LOST},
    {"a slot that was never confirmed was made anew",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true},
     ERR_PG_SLOT_LOST},
    {"a lost slot",
     PG_SNAPSHOT_DONE,
     {.exists = true, .is_ours_by_kind = true, .is_lost = true, .confirmed = 10},
     ERR_PG_SLOT_LOST},
    {"a dropped slot", PG_SNAPSHOT_DONE, {0}, ERR_PG_SLOT_MISSING},
};

static void slot_is_held_against_the_ledger(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
        struct err err = {0};
        struct pg_state ledger = done;
        ledger.snapshot = slots[i].ledger;
        enum rc rc = pg_slot_check(&slots[i].slot, &ledger, "leat_core", &err);
        CHECK_EQ(slots[i].want == ERR_NONE ? RC_OK : err_class(slots[i].want), rc, slots[i].behaviour);
        CHECK_EQ(slots[i].want, err.code, slots[i].behaviour);
    }
}

static void application_name_is_what_the_server_will_show(void **state)
{
    (void)state;
    char name[PG_NAME_BYTES];
    pg_application_name(name, "bank", "core");
    CHECK_STR("leat:bank.core", name, "plain");
    pg_application_name(name, "b\xc3\xa4nk", "core");
    CHECK_STR("leat:b??nk.core", name, "what is not ASCII");
    pg_application_name(name, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff", "core");
    CHECK_EQ(63, strlen(name), "cut at the server's length");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(states_are_accepted_or_refused),
        cmocka_unit_test(another_server_database_slot_or_publication_is_refused),
        cmocka_unit_test(slot_is_held_against_the_ledger),
        cmocka_unit_test(application_name_is_what_the_server_will_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
