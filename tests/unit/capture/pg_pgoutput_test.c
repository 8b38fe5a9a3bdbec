#include "test.h"

#include <stdlib.h>

#include "capture/pg/pgoutput.h"

static struct pgoutput_msg msg; /* large */

/* Hex with blanks, and 'text' for bytes as they are. */
static size_t bytes_of(const char *hex, uint8_t *out)
{
    size_t n = 0;
    while (*hex != '\0') {
        if (*hex == ' ') {
            hex++;
        } else if (*hex == '\'') {
            for (hex++; *hex != '\''; hex++)
                out[n++] = (uint8_t)*hex;
            hex++;
        } else {
            char pair[3] = {hex[0], hex[1], 0};
            out[n++] = (uint8_t)strtoul(pair, NULL, 16);
            hex += 2;
        }
    }
    return n;
}

static enum rc decode(const char *hex)
{
    static uint8_t bytes[4096];
    struct err err = {0};
    size_t len = bytes_of(hex, bytes);
    uint8_t *exact = malloc(len + 1); /* so that the sanitizer sees a read past the end */
    static uint8_t *before;
    free(before);
    before = exact;
    memcpy(exact, bytes, len);
    return pgoutput_decode(slice_of(exact, len), &msg, &err);
}

static const struct {
    const char *behaviour, *hex;
    enum rc want;
} cases[] = {
    {"an empty message is refused", "", RC_FATAL},
    {"an unknown type is refused", "'Q' 00", RC_FATAL},
    {"a stream start", "'S' 00000001 01", RC_OK},
    {"a stream start without its flag is refused", "'S' 00000001", RC_FATAL},
    {"a stream stop", "'E'", RC_OK},
    {"a stream stop says nothing more", "'E' 00", RC_FATAL},
    {"a stream commit", "'c' 00000007 00 0000000000000010 0000000000000020 0000000000000000", RC_OK},
    {"a stream commit without a transaction's number is refused",
     "'c' 00 0000000000000010 0000000000000020 0000000000000000", RC_FATAL},
    {"a stream abort of versions 2 and 3", "'A' 00000007 00000008", RC_OK},
    {"a stream abort of version 4 says where and when", "'A' 00000007 00000008 0000000000000010 0000000000000000",
     RC_OK},
    {"a stream abort with half of that is refused", "'A' 00000007 00000008 0000000000000010", RC_FATAL},
    {"a begin prepare", "'b' 0000000000000010 0000000000000020 0000000000000000 00000007 'gid' 00", RC_OK},
    {"a prepare", "'P' 00 0000000000000010 0000000000000020 0000000000000000 00000007 'gid' 00", RC_OK},
    {"a prepare whose name has no end is refused",
     "'P' 00 0000000000000010 0000000000000020 0000000000000000 00000007 'gid'", RC_FATAL},
    {"a commit prepared", "'K' 00 0000000000000010 0000000000000020 0000000000000000 00000007 'gid' 00", RC_OK},
    {"a stream prepare", "'p' 00 0000000000000010 0000000000000020 0000000000000000 00000007 'gid' 00", RC_OK},
    {"a rollback prepared",
     "'r' 00 0000000000000010 0000000000000020 0000000000000000 0000000000000001 00000007 'gid' 00", RC_OK},
    {"a rollback prepared with one position only is refused", "'r' 00 0000000000000010 00000007 'gid' 00", RC_FATAL},
    {"a begin", "'B' 0000000000000010 0000000000000000 00000007", RC_OK},
    {"a begin that is cut is refused", "'B' 0000000000000010 0000000000000000 000000", RC_FATAL},
    {"a begin with a byte too many is refused", "'B' 0000000000000010 0000000000000000 00000007 00", RC_FATAL},
    {"a commit", "'C' 00 0000000000000010 0000000000000020 0000000000000000", RC_OK},
    {"an origin", "'O' 0000000000000010 'here' 00", RC_OK},
    {"an origin without an end of its name is refused", "'O' 0000000000000010 'here'", RC_FATAL},
    {"a type", "'Y' 00004000 'public' 00 'mood' 00", RC_OK},
    {"a relation without columns", "'R' 00004000 'public' 00 't' 00 'd' 0000", RC_OK},
    {"a relation whose columns are missing is refused", "'R' 00004000 'public' 00 't' 00 'd' 0002 01 'id' 00",
     RC_FATAL},
    {"a relation with too many columns is refused", "'R' 00004000 'public' 00 't' 00 'd' ffff", RC_FATAL},
    {"an insert", "'I' 00004000 'N' 0002 't' 00000001 '7' 'n'", RC_OK},
    {"an insert with an old row is refused", "'I' 00004000 'O' 0001 'n' 'N' 0001 'n'", RC_FATAL},
    {"an insert with another part is refused", "'I' 00004000 'X' 0001 'n'", RC_FATAL},
    {"a value longer than the message is refused", "'I' 00004000 'N' 0001 't' 7fffffff '7'", RC_FATAL},
    {"a value of negative length is refused", "'I' 00004000 'N' 0001 't' ffffffff", RC_FATAL},
    {"a value of unknown kind is refused", "'I' 00004000 'N' 0001 'x'", RC_FATAL},
    {"a binary value", "'I' 00004000 'N' 0001 'b' 00000001 '7'", RC_OK},
    {"a binary value longer than the message is refused", "'I' 00004000 'N' 0001 'b' 00000002 '7'", RC_FATAL},
    {"a tuple with too many columns is refused", "'I' 00004000 'N' ffff", RC_FATAL},
    {"an update without an old row", "'U' 00004000 'N' 0002 't' 00000001 '7' 'u'", RC_OK},
    {"an update with an old key", "'U' 00004000 'K' 0002 't' 00000001 '6' 'n' 'N' 0002 't' 00000001 '7' 'u'", RC_OK},
    {"an update with an old row only is refused", "'U' 00004000 'O' 0001 'n'", RC_FATAL},
    {"a delete by key", "'D' 00004000 'K' 0001 't' 00000001 '7'", RC_OK},
    {"a delete without an old row is refused", "'D' 00004000 'N' 0001 'n'", RC_FATAL},
    {"a truncate of two tables", "'T' 00000002 03 00004000 00004001", RC_OK},
    {"a truncate's count larger than the message is refused", "'T' 00000003 00 00004000 00004001", RC_FATAL},
    {"a truncate's count that no server sends is refused", "'T' ffffffff 00 00004000", RC_FATAL},
    {"a logical message", "'M' 01 0000000000000010 'leat' 00 00000002 'hi'", RC_OK},
    {"a logical message that is cut is refused", "'M' 01 0000000000000010 'leat' 00 00000003 'hi'", RC_FATAL},
};

static void messages_are_accepted_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_EQ(cases[i].want, decode(cases[i].hex), cases[i].behaviour);
}

static void begin_and_commit_say_where_and_when(void **state)
{
    (void)state;
    CHECK_EQ(RC_OK, decode("'B' 0000001600000010 0000000000000001 ffffffff"), "begin");
    assert_true(msg.begin.final_lsn == UINT64_C(0x1600000010));
    assert_true(msg.begin.commit_time_us == INT64_C(946684800000001));
    assert_true(msg.begin.xid == UINT32_MAX);
    CHECK_EQ(RC_OK, decode("'C' 00 0000001600000010 0000001600000040 fffca2fec4c82000"), "commit");
    assert_true(msg.commit.commit_lsn == UINT64_C(0x1600000010));
    assert_true(msg.commit.end_lsn == UINT64_C(0x1600000040));
    CHECK_EQ(0, msg.commit.commit_time_us, "1970 is zero, before the server's epoch");
}

static const struct {
    const char *behaviour, *hex;
    uint32_t xid;
    enum rc want;
} streamed_cases[] = {
    {"an insert in a stream has its transaction's number", "'I' 00000009 00004000 'N' 0001 'n'", 9, RC_OK},
    {"a relation too", "'R' 00000009 00004000 'public' 00 't' 00 'd' 0000", 9, RC_OK},
    {"a logical message too", "'M' 00000009 01 0000000000000010 'leat' 00 00000002 'hi'", 9, RC_OK},
    {"an origin has none", "'O' 0000000000000010 'here' 00", 0, RC_OK},
    {"a number that is cut is refused", "'I' 000000", 0, RC_FATAL},
    {"an empty message is refused", "", 0, RC_FATAL},
    {"a begin has no place in a stream", "'B' 0000000000000010 0000000000000000 00000007", 0, RC_FATAL},
    {"nor has a second stream start", "'S' 00000001 01", 0, RC_FATAL},
};

static void messages_of_a_stream_are_split_from_their_transaction(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(streamed_cases); i++) {
        uint8_t bytes[256], plain[256];
        struct err err = {0};
        struct pgoutput_streamed streamed = {0};
        size_t len = bytes_of(streamed_cases[i].hex, bytes);
        CHECK_EQ(streamed_cases[i].want, pgoutput_split_streamed(slice_of(bytes, len), &streamed, &err),
                 streamed_cases[i].behaviour);
        if (streamed_cases[i].want != RC_OK)
            continue;
        CHECK_EQ(streamed_cases[i].xid, streamed.xid, streamed_cases[i].behaviour);
        plain[0] = streamed.type;
        memcpy(plain + 1, streamed.body.ptr, streamed.body.len);
        CHECK_EQ(RC_OK, pgoutput_decode(slice_of(plain, 1 + streamed.body.len), &msg, &err),
                 streamed_cases[i].behaviour);
    }
}

static void relation_columns_are_read_in_order(void **state)
{
    (void)state;
    CHECK_EQ(RC_OK,
             decode("'R' 00004001 'sch' 00 'tab' 00 'f' 0002 01 'id' 00 00000014 ffffffff 00 'n' 00 000006a4 000c0006"),
             "relation");
    CHECK_EQ(0x4001, msg.relation.id, "id");
    CHECK_STR("sch", msg.relation.schema, "schema");
    CHECK_STR("tab", msg.relation.name, "name");
    CHECK_EQ('f', msg.relation.replica_identity, "identity");
    CHECK_EQ(2, msg.relation.n_columns, "columns");
    CHECK_EQ(PGOUTPUT_COLUMN_KEY, msg.relation.columns[0].flags, "key");
    CHECK_STR("n", msg.relation.columns[1].name, "second name");
    CHECK_EQ(1700, msg.relation.columns[1].type_oid, "second type");
    CHECK_EQ(0xc0006, msg.relation.columns[1].typmod, "second typmod");
    CHECK_EQ(-1, msg.relation.columns[0].typmod, "no typmod");
}

static void update_gives_both_rows(void **state)
{
    (void)state;
    CHECK_EQ(RC_OK, decode("'U' 00004000 'O' 0002 't' 00000001 '6' 't' 00000000 'N' 0002 't' 00000002 '77' 'u'"),
             "update");
    CHECK_EQ(PGOUTPUT_OLD_ROW, msg.row.old, "old row");
    assert_true(slice_eq_str(msg.old_tuple.values[0].bytes, "6"));
    CHECK_EQ(0, msg.old_tuple.values[1].bytes.len, "empty text is not null");
    CHECK_EQ(PGOUTPUT_TUPLE_TEXT, msg.old_tuple.values[1].kind, "empty text is text");
    assert_true(slice_eq_str(msg.new_tuple.values[0].bytes, "77"));
    CHECK_EQ(PGOUTPUT_TUPLE_UNCHANGED_TOAST, msg.new_tuple.values[1].kind, "toast");
}

static void truncate_names_every_table(void **state)
{
    (void)state;
    CHECK_EQ(RC_OK, decode("'T' 00000002 01 00004000 00004001"), "truncate");
    CHECK_EQ(PGOUTPUT_TRUNCATE_CASCADE, msg.truncate.options, "options");
    CHECK_EQ(2, msg.truncate.n_relations, "count");
    CHECK_EQ(0x4001, msg.truncate.relation_ids[1], "second");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_accepted_or_refused),
        cmocka_unit_test(messages_of_a_stream_are_split_from_their_transaction),
        cmocka_unit_test(begin_and_commit_say_where_and_when),
        cmocka_unit_test(relation_columns_are_read_in_order),
        cmocka_unit_test(update_gives_both_rows),
        cmocka_unit_test(truncate_names_every_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
