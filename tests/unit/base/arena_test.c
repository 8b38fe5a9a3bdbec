#include "test.h"

#include "base/arena.h"

enum { PAGE = 4096, MIB = 1 << 20 };

static void what_is_handed_out_is_aligned_and_does_not_overlap(void **state)
{
    (void)state;
    SCOPED(arena_free) struct arena *arena = arena_new(PAGE);
    uint8_t *last = NULL;
    for (size_t size = 1; size <= 40; size++) {
        uint8_t *at = arena_alloc(arena, size);
        assert_non_null(at);
        assert_int_equal(0, (uintptr_t)at % 16);
        assert_true(last == NULL || at >= last);
        memset(at, (int)size, size);
        last = at + size;
    }
}

static void a_full_arena_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        size_t bytes;
        bool want;
    } cases[] = {
        {"nothing fits always", 0, true},
        {"the whole arena", PAGE, true},
        {"one byte more", PAGE + 1, false},
        {"a size that overflows", SIZE_MAX, false},
        {"a size that overflows when rounded", SIZE_MAX - 8, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED(arena_free) struct arena *arena = arena_new(PAGE - 10); /* rounded up to pages */
        CHECK_EQ(PAGE, arena_max(arena), "its size is whole pages");
        CHECK_EQ(cases[i].want, arena_alloc(arena, cases[i].bytes) != NULL, cases[i].behaviour);
        CHECK_EQ(cases[i].want ? cases[i].bytes : 0, arena_used(arena), cases[i].behaviour);
    }
    SCOPED(arena_free) struct arena *full = arena_new(PAGE);
    assert_non_null(arena_alloc(full, PAGE));
    assert_null(arena_strdup(full, slice_of_str("x")));
    assert_null(arena_copy(full, slice_of_str("x")).ptr);
    assert_null(arena_copy(full, (struct slice){0}).ptr);
    assert_null(arena_zalloc(full, 1));
}

static void copies_live_until_the_reset(void **state)
{
    (void)state;
    SCOPED(arena_free) struct arena *arena = arena_new(MIB);
    char source[] = "abc";
    struct slice copied = arena_copy(arena, slice_of_str(source));
    const char *text = arena_strdup(arena, slice_of(source, 2));
    struct slice empty = arena_copy(arena, (struct slice){0});
    uint32_t *numbers = arena_array(arena, uint32_t, 3);
    numbers[2] = 7;
    source[0] = 'x';
    assert_true(slice_eq_str(copied, "abc"));
    assert_string_equal("ab", text);
    assert_true(empty.ptr != NULL && empty.len == 0);
    arena_reset(arena);
    assert_int_equal(0, arena_used(arena));
    assert_ptr_equal(copied.ptr, arena_alloc(arena, 3)); /* the same place again */
}

static void zeroed_memory_is_zero_after_use_too(void **state)
{
    (void)state;
    SCOPED(arena_free) struct arena *arena = arena_new(4 * MIB);
    for (int round = 0; round < 2; round++) {
        uint8_t *at = arena_zalloc(arena, 3 * MIB);
        assert_non_null(at);
        for (size_t i = 0; i < 3 * MIB; i += 511)
            assert_int_equal(0, at[i]);
        memset(at, 0xaa, 3 * MIB);
        arena_reset(arena);
    }
}

static void a_reset_gives_pages_back(void **state)
{
    (void)state;
    SCOPED(arena_free) struct arena *arena = arena_new(8 * MIB);
    uint8_t *at = arena_alloc(arena, 8 * MIB);
    memset(at, 0xaa, 8 * MIB);
    arena_reset(arena);
    uint8_t *again = arena_alloc(arena, 8 * MIB);
    assert_ptr_equal(at, again);
    assert_int_equal(0xaa, again[0]);        /* the first MiB stays warm */
    assert_int_equal(0, again[8 * MIB - 1]); /* the rest came back as fresh pages */
}

static void an_open_buffer_is_kept_when_it_is_closed(void **state)
{
    (void)state;
    SCOPED(arena_free) struct arena *arena = arena_new(PAGE);
    struct buf buf = arena_open(arena);
    buf_put_str(&buf, "hello");
    struct slice kept = arena_close(arena, &buf);
    assert_true(slice_eq_str(kept, "hello"));
    assert_null(buf.ptr);
    uint8_t *next = arena_alloc(arena, 1);
    assert_true(next >= kept.ptr + kept.len);

    size_t used = arena_used(arena);
    buf = arena_open(arena);
    buf_put_str(&buf, "begun");
    assert_null(buf_reserve(&buf, PAGE));
    kept = arena_close(arena, &buf);
    assert_null(kept.ptr); /* a failed buffer keeps nothing */
    assert_int_equal(used, arena_used(arena));

    buf = arena_open(arena);
    memset(buf_reserve(&buf, PAGE - used), 'x', PAGE - used);
    buf.len = PAGE - used;
    kept = arena_close(arena, &buf);
    assert_int_equal(PAGE - used, kept.len); /* to the last byte */
    assert_int_equal(PAGE, arena_used(arena));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_handed_out_is_aligned_and_does_not_overlap),
        cmocka_unit_test(a_full_arena_says_so),
        cmocka_unit_test(copies_live_until_the_reset),
        cmocka_unit_test(zeroed_memory_is_zero_after_use_too),
        cmocka_unit_test(a_reset_gives_pages_back),
        cmocka_unit_test(an_open_buffer_is_kept_when_it_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
