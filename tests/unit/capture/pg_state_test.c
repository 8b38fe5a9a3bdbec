#include "test.h"

#include "capture/pg/slot.h"
#include "capture/pg/state.h"

enum { ARENA_BYTES = 65536 };

static const struct pg_state done = {.system_id = "7711447632789561142",
                                     .timeline = 1,
                                     .database_oid = 16384,
                                     .slot = "leat_core",
                                     .publication = "leat_\"core\"",
                                     .snapshot = PG_SNAPSHOT_DONE,
                                     .end_lsn = UINT64_C(0x16B374D848),
                                     .commit_lsn = UINT64_C(0x16B374D800),
                                     .next_ordinal = 70000,
                                     .attempt = 2,
                                     .restart_lsn = UINT64_C(0x16B374D000),
                                     .published = "16412 741 iudt root none; 16385:16413"};

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf out = buf_new(4096);
    struct pg_state read, written = done;
    const struct pg_gap gap = {.from = 1, .to = 2, .why = "PG_SLOT_LOST"};
    SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
    written.gap = &gap;
    pg_state_encode(&written, NULL, &out);
    CHECK_EQ(true, strstr(buf_cstr(&out), "\"gap\":{\"from\":\"0/1\",\"to\":\"0/2\",\"why\":\"PG_SLOT_LOST\"}") != NULL,
             "gap");
    ASSERT_OK(pg_state_decode(buf_slice(&out), arena, &read, &err), &err);
    CHECK_EQ(true, read.gap == NULL, "a gap is not read back");
    CHECK_EQ(done.restart_lsn, read.restart_lsn, "restart_lsn");
    CHECK_STR(done.published, read.published, "published");
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
    {"a publication's line that is no text is refused",
     "{\"published\":1,"
     "\"system_id\":\"1\",\"timeline\":1,\"database_oid\":5,"
     "\"slot\":\"s\",\"publication\":\"p\",\"snapshot\":\"copying\",\"end_lsn\":\"0/0\",\"commit_lsn\":\"0/0\","
     "\"next_ordinal\":0,\"attempt\":1}",
     RC_FATAL},
    {"what is cut is refused", "{\"system_id\":", RC_FATAL},
};

static void states_are_accepted_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct pg_state read;
        SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
        CHECK_EQ(cases[i].want, pg_state_decode(slice_of_str(cases[i].json), arena, &read, &err), cases[i].behaviour);
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
        cmocka_unit_test(application_name_is_what_the_server_will_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
