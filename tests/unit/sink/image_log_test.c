#include "test.h"

#include <signal.h>
#include <sys/resource.h>

#include "sink/image_log.h"

enum { TINY_BYTES = 4096 };

static struct slice body_of(uint64_t n, uint8_t storage[4096])
{
    size_t len = n * 37 % 600;
    for (size_t i = 0; i < len; i++)
        storage[i] = (uint8_t)(n + i);
    return slice_of(storage, len);
}

static uint64_t append(struct image_log *log, uint64_t n, struct slice body)
{
    struct err err = {0};
    ASSERT_OK(image_log_reserve(log, sizeof(struct image) + body.len, &err), &err);
    return image_log_append(log, (struct image){.pos = {n, 0}}, body);
}

static void check_image(uint64_t n, const struct image *image, struct slice body)
{
    uint8_t storage[4096];
    CHECK_EQ(n, image->pos.major, "the image is the one that was asked for");
    if (!slice_eq(body_of(n, storage), body))
        fail_msg("the body of image %llu is another", (unsigned long long)n);
}

static void test_spilled_images_read_back(void **state)
{
    (void)state;
    enum { N = 5000 };
    static uint64_t offsets[N];
    uint8_t storage[4096];
    struct err err = {0};
    SCOPED(image_log_free) struct image_log *log = image_log_new(TINY_BYTES, "/tmp");
    SCOPED(buf_done) struct buf scratch = buf_new(IMAGE_MAX_BYTES);
    for (uint64_t n = 0; n < N; n++)
        offsets[n] = append(log, n, body_of(n, storage));
    assert_true(image_log_spilled_bytes(log) > image_log_bytes(log) - TINY_BYTES - 4096);

    struct image image;
    struct slice body;
    for (uint64_t i = 0; i < N; i++) {
        uint64_t n = i * 7919 % N;
        ASSERT_OK(image_log_read(log, offsets[n], &scratch, &image, &body, &err), &err);
        check_image(n, &image, body);
    }

    SCOPED(image_cursor_done) struct image_cursor cursor = image_cursor_over(log);
    uint64_t offset, n = 0;
    enum rc rc;
    for (; (rc = image_cursor_next(&cursor, &offset, &image, &body, &err)) == RC_OK; n++) {
        CHECK_EQ(offsets[n], offset, "the walk goes in the order of the appends");
        check_image(n, &image, body);
    }
    CHECK_EQ(RC_AGAIN, rc, "the walk ends");
    CHECK_EQ(N, n, "after all images");
}

static void test_images_larger_than_the_budget(void **state)
{
    (void)state;
    enum { BIG_BYTES = 3 << 20, N = 5 };
    static uint8_t big[BIG_BYTES];
    uint64_t offsets[N];
    struct err err = {0};
    SCOPED(image_log_free) struct image_log *log = image_log_new(TINY_BYTES, "/tmp");
    SCOPED(buf_done) struct buf scratch = buf_new(IMAGE_MAX_BYTES);
    for (uint64_t n = 0; n < N; n++) {
        memset(big, (int)n, sizeof(big));
        offsets[n] = append(log, n, slice_of(big, sizeof(big)));
    }
    struct image image;
    struct slice body;
    for (uint64_t n = 0; n < N; n++) {
        ASSERT_OK(image_log_read(log, offsets[n], &scratch, &image, &body, &err), &err);
        CHECK_EQ(BIG_BYTES, body.len, "the whole body is there");
        CHECK_EQ(n, body.ptr[BIG_BYTES - 1], "and it is its own");
    }
    SCOPED(image_cursor_done) struct image_cursor cursor = image_cursor_over(log);
    uint64_t offset, n = 0;
    while (image_cursor_next(&cursor, &offset, &image, &body, &err) == RC_OK)
        CHECK_EQ(n++, body.ptr[0], "the walk gives them too");
    CHECK_EQ(N, n, "all of them");
}

static void test_clear_starts_anew(void **state)
{
    (void)state;
    uint8_t storage[4096];
    struct err err = {0};
    SCOPED(image_log_free) struct image_log *log = image_log_new(TINY_BYTES, "/tmp");
    for (uint64_t n = 0; n < 100; n++)
        append(log, n, body_of(n, storage));
    image_log_clear(log);
    CHECK_EQ(0, image_log_bytes(log), "nothing is left");
    CHECK_EQ(0, append(log, 1, body_of(1, storage)), "offsets begin again");
    SCOPED(image_cursor_done) struct image_cursor cursor = image_cursor_over(log);
    struct image image;
    struct slice body;
    uint64_t offset;
    ASSERT_OK(image_cursor_next(&cursor, &offset, &image, &body, &err), &err);
    check_image(1, &image, body);
    CHECK_EQ(RC_AGAIN, image_cursor_next(&cursor, &offset, &image, &body, &err), "one image is all");
}

static void test_a_folder_that_is_not_there(void **state)
{
    (void)state;
    uint8_t storage[4096] = {0};
    struct err err = {0};
    SCOPED(image_log_free) struct image_log *log = image_log_new(TINY_BYTES, "/nowhere/at/all");
    append(log, 1, slice_of(storage, sizeof(storage)));
    CHECK_EQ(RC_FATAL, image_log_reserve(log, TINY_BYTES, &err), "is fatal");
    CHECK_EQ(ERR_IO, err.code, "with the code for it");
    if (strstr(err.msg, "/nowhere/at/all") == NULL)
        fail_msg("the message does not name the folder: %s", err.msg);
}

/* A disk without room: /dev/full is no folder, so the limit on the size of files stands in. */
static void test_a_full_disk_changes_nothing(void **state)
{
    (void)state;
    uint8_t storage[4096] = {0};
    struct err err = {0};
    struct rlimit before, none;
    SCOPED(image_log_free) struct image_log *log = image_log_new(TINY_BYTES, "/tmp");
    SCOPED(buf_done) struct buf scratch = buf_new(IMAGE_MAX_BYTES);
    uint64_t offset = append(log, 42, body_of(42, storage));

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    none = (struct rlimit){100, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &none);
    enum rc rc = image_log_reserve(log, TINY_BYTES, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    CHECK_EQ(RC_RETRY, rc, "a full disk is waited for");
    CHECK_EQ(ERR_DISK_FULL, err.code, "with the code for it");

    struct image image;
    struct slice body;
    ASSERT_OK(image_log_read(log, offset, &scratch, &image, &body, &err), &err);
    check_image(42, &image, body);
    ASSERT_OK(image_log_reserve(log, TINY_BYTES, &err), &err);
    ASSERT_OK(image_log_read(log, offset, &scratch, &image, &body, &err), &err);
    check_image(42, &image, body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spilled_images_read_back),    cmocka_unit_test(test_images_larger_than_the_budget),
        cmocka_unit_test(test_clear_starts_anew),           cmocka_unit_test(test_a_folder_that_is_not_there),
        cmocka_unit_test(test_a_full_disk_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
