#include "test.h"

#include "sink/key_index.h"

static struct key_hash hash_of_number(uint64_t n)
{
    return key_hash_of(slice_of(&n, sizeof(n)));
}

static void put(struct key_index *index, struct key_hash hash, uint64_t value)
{
    assert_true(key_index_reserve(index, 1));
    key_index_put(index, hash, value);
}

static void test_finds_what_was_put_through_every_growth(void **state)
{
    (void)state;
    enum { N = 300000 };
    SCOPED(key_index_free) struct key_index *index = key_index_new();
    for (uint64_t n = 1; n <= N; n++) {
        CHECK_EQ(0, key_index_get(index, hash_of_number(n)), "a key that was not put is not there");
        put(index, hash_of_number(n), n);
        /* A key from each region of the past, so that a growth that loses one is seen at once. */
        uint64_t older = 1 + n * 2654435761u % n;
        CHECK_EQ(older, key_index_get(index, hash_of_number(older)), "an older key is still there");
    }
    CHECK_EQ(N, key_index_count(index), "each key counts once");
    for (uint64_t n = 1; n <= N; n++)
        CHECK_EQ(n, key_index_get(index, hash_of_number(n)), "every key is there at the end");
}

static void test_a_second_put_replaces(void **state)
{
    (void)state;
    SCOPED(key_index_free) struct key_index *index = key_index_new();
    put(index, hash_of_number(7), 1);
    put(index, hash_of_number(7), 2);
    CHECK_EQ(1, key_index_count(index), "one key");
    CHECK_EQ(2, key_index_get(index, hash_of_number(7)), "its last value");
}

static void test_hashes_that_share_a_place(void **state)
{
    (void)state;
    SCOPED(key_index_free) struct key_index *index = key_index_new();
    static const struct key_hash hashes[] = {
        {UINT64_MAX, UINT64_MAX}, {UINT64_MAX, 0}, {0, 0}, {0, 1}, {0, UINT64_MAX}, {1, 0}, {UINT64_MAX - 1, 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
        put(index, hashes[i], i + 1);
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
        CHECK_EQ(i + 1, key_index_get(index, hashes[i]), "neighbours are told apart by all 128 bits");
    CHECK_EQ(0, key_index_get(index, (struct key_hash){UINT64_MAX, 1}), "a hash between two that are there is not");
}

static void test_clear_forgets(void **state)
{
    (void)state;
    SCOPED(key_index_free) struct key_index *index = key_index_new();
    for (uint64_t n = 1; n <= 10000; n++)
        put(index, hash_of_number(n), n);
    key_index_clear(index);
    CHECK_EQ(0, key_index_count(index), "nothing is left");
    CHECK_EQ(0, key_index_get(index, hash_of_number(5)), "no key is found");
    put(index, hash_of_number(5), 9);
    CHECK_EQ(9, key_index_get(index, hash_of_number(5)), "and it can be used again");
}

static void test_one_key_one_hash(void **state)
{
    (void)state;
    struct key_hash a = key_hash_of(slice_of_str("a")), again = key_hash_of(slice_of_str("a")),
                    b = key_hash_of(slice_of_str("b"));
    CHECK_EQ(0, memcmp(&a, &again, sizeof(a)), "the same bytes give the same hash");
    CHECK_EQ(1, memcmp(&a, &b, sizeof(a)) != 0, "others give another");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_put_through_every_growth),
        cmocka_unit_test(test_a_second_put_replaces),
        cmocka_unit_test(test_hashes_that_share_a_place),
        cmocka_unit_test(test_clear_forgets),
        cmocka_unit_test(test_one_key_one_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
