/* Transactions on disk: what comes back, what an abort takes away, what it costs. */
#include "test.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "capture/pg/spool.h"

enum { LARGE = 64 << 20 };

static struct err err;

/* "10:a 11:b 10:c": by subtransaction 10 message "a", ... Flushed, as at a stream stop. */
static void append(struct pg_spool *spool, struct pg_spool_txn *txn, const char *text)
{
    while (*text != '\0') {
        char *end;
        unsigned long long xid = strtoull(text, &end, 10);
        size_t len = strcspn(end + 1, " ");
        ASSERT_OK(
            pg_spool_append(spool, txn, (uint32_t)xid, xid * 100, (uint8_t)end[1], slice_of(end + 2, len - 1), &err),
            &err);
        text = end + 1 + len;
        text += *text == ' ';
    }
    ASSERT_OK(pg_spool_flush(spool, &err), &err);
}

static const char *content(struct pg_spool *spool, struct pg_spool_txn *txn)
{
    static char text[4096];
    struct buf out = buf_over(text, sizeof(text));
    struct slice message;
    uint64_t lsn;
    enum rc rc;
    pg_spool_rewind(spool, txn);
    while ((rc = pg_spool_next(spool, &message, &lsn, &err)) == RC_OK) {
        if (out.len > 0)
            buf_put_u8(&out, ' ');
        buf_put_slice(&out, message);
    }
    CHECK_EQ(RC_AGAIN, rc, "at the end");
    return buf_cstr(&out);
}

static const struct {
    const char *behaviour, *appended;
    uint32_t aborted[4];
    const char *want;
} aborts[] = {
    {"a rolled back savepoint leaves nothing", "10:a 11:b 11:c", {11}, "a"},
    {"what was there before it stays", "10:a 11:b 10:c 12:d", {12}, "a b c"},
    {"one that did nothing takes nothing along", "10:a 11:b", {12}, "a b"},
    {"all of it can go", "11:a 11:b", {11}, ""},
    {"nested: inner one first, then outer one", "10:a 11:b 12:c 11:d", {12, 11}, "a"},
    {"nested: only the inner one", "10:a 11:b 12:c", {12}, "a b"},
    {"nested: the outer one did nothing itself", "10:a 12:b 13:c", {12, 13}, "a"},
    {"the outer one wrote first after the inner one", "10:a 12:b 11:c", {12, 11}, "a"},
    {"a released one goes with the one around it", "10:a 11:b 12:c 11:d 13:e", {12, 13, 11}, "a"},
    {"what is about the whole transaction does not hide what is before it", "0:o 11:a 0:o 11:b", {11}, "o"},
    {"numbers that wrapped around", "4294967295:a 3:b 4:c", {4, 3}, "a"},
    {"numbers that wrapped around, half of it", "4294967294:a 4294967295:b 3:c", {3}, "a b"},
};

static void aborted_subtransactions_leave_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(aborts); i++) {
        struct pg_spool *spool = pg_spool_new("/tmp", LARGE);
        struct pg_spool_txn *txn = pg_spool_add(spool, 10);
        append(spool, txn, aborts[i].appended);
        for (size_t k = 0; k < ARRAY_LEN(aborts[i].aborted) && aborts[i].aborted[k] != 0; k++)
            ASSERT_OK(pg_spool_cut(spool, txn, aborts[i].aborted[k], &err), &err);
        CHECK_STR(aborts[i].want, content(spool, txn), aborts[i].behaviour);
        append(spool, txn, "99:next");
        assert_non_null(strstr(content(spool, txn), "next"));
        pg_spool_free(spool);
    }
}

static const struct {
    const char *behaviour;
    struct {
        uint32_t xid;
        uint64_t lsn;
        char type;
    } appended[6];
    uint32_t aborted;
    bool is_clear;
    size_t n_left;
} message_cuts[] = {
    {"of what is rolled back", {{10, 100, 'I'}, {11, 200, 'I'}, {0, 300, 'M'}}, 11, true, 1},
    {"before it, after a row that stays", {{10, 100, 'I'}, {0, 200, 'M'}, {11, 300, 'I'}}, 11, false, 0},
    {"before a row that stays", {{0, 100, 'M'}, {10, 200, 'I'}, {11, 300, 'I'}}, 11, true, 2},
    {"written before the first row and sent after it: where it ends the row begins",
     {{10, 100, 'I'}, {11, 300, 'I'}, {0, 300, 'M'}, {11, 400, 'I'}},
     11,
     false,
     0},
    {"the same with another one of what is rolled back",
     {{10, 100, 'I'}, {11, 300, 'I'}, {0, 300, 'M'}, {11, 400, 'I'}, {0, 500, 'M'}},
     11,
     false,
     0},
    {"written before a later row of what is rolled back",
     {{10, 100, 'I'}, {11, 300, 'I'}, {11, 400, 'I'}, {0, 400, 'M'}},
     11,
     true,
     1},
};

static void a_logical_message_is_never_taken_along_by_mistake(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(message_cuts); i++) {
        struct pg_spool *spool = pg_spool_new("/tmp", LARGE);
        struct pg_spool_txn *txn = pg_spool_add(spool, 10);
        for (size_t k = 0; k < ARRAY_LEN(message_cuts[i].appended) && message_cuts[i].appended[k].type != 0; k++)
            ASSERT_OK(pg_spool_append(spool, txn, message_cuts[i].appended[k].xid, message_cuts[i].appended[k].lsn,
                                      (uint8_t)message_cuts[i].appended[k].type, slice_of_str("x"), &err),
                      &err);
        enum rc rc = pg_spool_cut(spool, txn, message_cuts[i].aborted, &err);
        CHECK_EQ(message_cuts[i].is_clear, rc == RC_OK, message_cuts[i].behaviour);
        if (rc != RC_OK)
            CHECK_EQ(ERR_PG_MESSAGE_UNCLEAR, err.code, message_cuts[i].behaviour);
        else
            CHECK_EQ(message_cuts[i].n_left, (strlen(content(spool, txn)) + 1) / 3, message_cuts[i].behaviour);
        pg_spool_free(spool);
    }
}

/* Deterministic, different for each message; up to three blocks long. */
static size_t long_message(uint32_t n, uint8_t *out)
{
    size_t len = n % 7 == 0 ? 150000 + n : n % 300;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 31 + n);
    return len;
}

static void check_message(struct slice message, uint32_t n)
{
    static uint8_t want[1 << 20];
    size_t len = long_message(n, want);
    assert_int_equal(message.ptr[0], 'I');
    assert_true(slice_eq(slice_of(message.ptr + 1, message.len - 1), slice_of(want, len)));
}

/* Transactions take turns, as they do when the server evicts the largest one each time. */
static void interleaved_transactions_come_back_whole(void **state)
{
    (void)state;
    enum { TXNS = 20, ROUNDS = 10, EACH = 10 };
    static uint8_t bytes[1 << 20];
    struct pg_spool *spool = pg_spool_new("/tmp", (uint64_t)LARGE * 4);
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (uint32_t xid = 1; xid <= TXNS; xid++) {
            struct pg_spool_txn *txn = round == 0 ? pg_spool_add(spool, xid) : pg_spool_find(spool, xid);
            for (uint32_t n = 0; n < EACH; n++) {
                uint32_t number = (round * EACH + n) * 100 + xid;
                size_t len = long_message(number, bytes);
                ASSERT_OK(pg_spool_append(spool, txn, xid, number, 'I', slice_of(bytes, len), &err), &err);
            }
            ASSERT_OK(pg_spool_flush(spool, &err), &err);
        }
    CHECK_EQ(TXNS, pg_spool_n_open(spool), "open");
    for (uint32_t xid = TXNS; xid >= 1; xid--) {
        struct slice message;
        uint64_t lsn;
        pg_spool_rewind(spool, pg_spool_find(spool, xid));
        for (uint32_t k = 0; k < ROUNDS * EACH; k++) {
            ASSERT_OK(pg_spool_next(spool, &message, &lsn, &err), &err);
            CHECK_EQ(k * 100 + xid, lsn, "in order");
            check_message(message, k * 100 + xid);
        }
        CHECK_EQ(RC_AGAIN, pg_spool_next(spool, &message, &lsn, &err), "the end");
        pg_spool_drop(spool, pg_spool_find(spool, xid));
    }
    CHECK_EQ(0, pg_spool_bytes(spool), "all of the disk is given back");
    pg_spool_free(spool);
}

static void a_cut_through_many_blocks_gives_them_back(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 20];
    struct pg_spool *spool = pg_spool_new("/tmp", LARGE);
    struct pg_spool_txn *txn = pg_spool_add(spool, 10);
    append(spool, txn, "10:first");
    uint64_t before = pg_spool_bytes(spool);
    for (uint32_t n = 0; n < 300; n++) {
        size_t len = long_message(n, bytes);
        ASSERT_OK(pg_spool_append(spool, txn, 11 + n % 3, n, 'I', slice_of(bytes, len), &err), &err);
    }
    ASSERT_OK(pg_spool_flush(spool, &err), &err);
    assert_true(pg_spool_bytes(spool) > 40 * before);
    ASSERT_OK(pg_spool_cut(spool, txn, 11, &err), &err);
    CHECK_STR("first", content(spool, txn), "what is left");
    assert_true(pg_spool_bytes(spool) == before);
    pg_spool_free(spool);
}

static void the_budget_is_kept(void **state)
{
    (void)state;
    enum { BUDGET = 1 << 20 };
    static uint8_t bytes[10000];
    struct pg_spool *spool = pg_spool_new("/tmp", BUDGET);
    enum rc rc = RC_OK;
    for (uint32_t n = 0; n < 1000 && rc == RC_OK; n++) {
        struct pg_spool_txn *txn = pg_spool_add(spool, n + 3);
        rc = pg_spool_append(spool, txn, n + 3, n, 'I', slice_of(bytes, sizeof(bytes)), &err);
        if (rc == RC_OK)
            rc = pg_spool_flush(spool, &err);
        assert_true(pg_spool_bytes(spool) <= BUDGET);
    }
    CHECK_EQ(RC_RETRY, rc, "over the budget");
    CHECK_EQ(ERR_PG_SPOOL_FULL, err.code, "over the budget");
    pg_spool_free(spool);
}

static void blocks_are_used_again(void **state)
{
    (void)state;
    static uint8_t bytes[200000];
    struct pg_spool *spool = pg_spool_new("/tmp", 1 << 20);
    for (uint32_t n = 0; n < 100; n++) {
        struct pg_spool_txn *txn = pg_spool_add(spool, n + 3);
        ASSERT_OK(pg_spool_append(spool, txn, n + 3, n, 'I', slice_of(bytes, sizeof(bytes)), &err), &err);
        ASSERT_OK(pg_spool_flush(spool, &err), &err);
        if (n >= 3)
            pg_spool_drop(spool, pg_spool_find(spool, n));
    }
    pg_spool_free(spool);
}

static void the_file_has_no_name(void **state)
{
    (void)state;
    char folder[] = "/tmp/leat-spool-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct pg_spool *spool = pg_spool_new(folder, LARGE);
    append(spool, pg_spool_add(spool, 10), "10:a");
    DIR *dir = opendir(folder);
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(dir);
    CHECK_EQ(0, n, "names in the folder");
    pg_spool_free(spool);
    rmdir(folder);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct pg_spool *spool = pg_spool_new("/nowhere/at/all", LARGE);
    struct pg_spool_txn *txn = pg_spool_add(spool, 10);
    ASSERT_OK(pg_spool_append(spool, txn, 10, 1, 'I', slice_of_str("x"), &err), &err);
    CHECK_EQ(RC_FATAL, pg_spool_flush(spool, &err), "no such folder");
    assert_non_null(strstr(err.msg, "/nowhere/at/all"));
    pg_spool_free(spool);
}

/* As of a disk that is full: the kernel lets the file grow no further. */
static void a_disk_that_is_full_is_said(void **state)
{
    (void)state;
    static uint8_t bytes[100000];
    struct rlimit before;
    struct pg_spool *spool = pg_spool_new("/tmp", LARGE);
    struct pg_spool_txn *txn = pg_spool_add(spool, 10);
    enum rc rc = RC_OK;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(0, getrlimit(RLIMIT_FSIZE, &before));
    assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, before.rlim_max}));
    for (uint32_t n = 0; n < 100 && rc == RC_OK; n++) {
        rc = pg_spool_append(spool, txn, 10, n, 'I', slice_of(bytes, sizeof(bytes)), &err);
        if (rc == RC_OK)
            rc = pg_spool_flush(spool, &err);
    }
    assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &before));
    CHECK_EQ(RC_RETRY, rc, "full");
    CHECK_EQ(ERR_PG_SPOOL_FULL, err.code, "full");
    assert_non_null(strstr(err.msg, "/tmp"));
    pg_spool_free(spool);
}

static void the_oldest_prepare_holds(void **state)
{
    (void)state;
    struct pg_spool *spool = pg_spool_new("/tmp", LARGE);
    struct pg_spool_txn *a = pg_spool_add(spool, 10), *b = pg_spool_add(spool, 11);
    pg_spool_add(spool, 12);
    assert_true(pg_spool_oldest_prepared(spool) == UINT64_MAX);
    pg_spool_set_prepared(a, 500);
    pg_spool_set_prepared(b, 400);
    assert_true(pg_spool_oldest_prepared(spool) == 400);
    pg_spool_drop(spool, b);
    assert_true(pg_spool_oldest_prepared(spool) == 500);
    pg_spool_free(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aborted_subtransactions_leave_nothing),
        cmocka_unit_test(interleaved_transactions_come_back_whole),
        cmocka_unit_test(a_cut_through_many_blocks_gives_them_back),
        cmocka_unit_test(a_logical_message_is_never_taken_along_by_mistake),
        cmocka_unit_test(the_budget_is_kept),
        cmocka_unit_test(blocks_are_used_again),
        cmocka_unit_test(the_file_has_no_name),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
        cmocka_unit_test(a_disk_that_is_full_is_said),
        cmocka_unit_test(the_oldest_prepare_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
