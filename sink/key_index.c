#include "sink/key_index.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <xxhash.h>

#include "base/clock.h"

/* Beyond the home slots lie some that only take what does not find room before the end. */
enum { FIRST_SLOTS = 170, TAIL_SLOTS = 86 };

struct slot {
    struct key_hash hash;
    uint64_t value; /* 0: empty */
};

struct key_index {
    struct slot *slots;
    size_t n_homes; /* without the tail */
    size_t n_tail;
    size_t count;
};

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static uint64_t seed;

static void draw_seed(void)
{
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        seed = (uint64_t)clock_wall_us() * 0x9e3779b97f4a7c15u;
}

struct key_hash key_hash_of(struct slice key)
{
    pthread_once(&seed_once, draw_seed);
    XXH128_hash_t hash = XXH3_128bits_withSeed(key.ptr, key.len, seed);
    return (struct key_hash){hash.high64, hash.low64};
}

static size_t slots_bytes(size_t n_homes, size_t n_tail)
{
    return (n_homes + n_tail) * sizeof(struct slot);
}

static struct slot *slots_map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

struct key_index *key_index_new(void)
{
    struct key_index *index = calloc(1, sizeof(*index));
    if (index != NULL)
        index->slots = slots_map(slots_bytes(FIRST_SLOTS, TAIL_SLOTS));
    if (index == NULL || index->slots == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    index->n_homes = FIRST_SLOTS;
    index->n_tail = TAIL_SLOTS;
    return index;
}

void key_index_free(struct key_index *index)
{
    if (index == NULL)
        return;
    munmap(index->slots, slots_bytes(index->n_homes, index->n_tail));
    free(index);
}

size_t key_index_count(const struct key_index *index)
{
    return index->count;
}

void key_index_clear(struct key_index *index)
{
    madvise(index->slots, slots_bytes(index->n_homes, index->n_tail), MADV_DONTNEED);
    index->count = 0;
}

/* Grows with the hash, so neighbours in the table are neighbours in hash order at every size. */
static size_t home_of(const struct key_index *index, struct key_hash hash)
{
    return (size_t)(((unsigned __int128)hash.high * index->n_homes) >> 64);
}

static int hash_compare(struct key_hash a, struct key_hash b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return a.low < b.low ? -1 : a.low > b.low;
}

/* Where the hash is, or where it would have to go. */
static size_t find_slot(const struct key_index *index, struct key_hash hash)
{
    size_t at = home_of(index, hash);
    while (at < index->n_homes + index->n_tail && index->slots[at].value != 0 &&
           hash_compare(index->slots[at].hash, hash) < 0)
        at++;
    return at;
}

uint64_t key_index_get(const struct key_index *index, struct key_hash hash)
{
    size_t at = find_slot(index, hash);
    if (at == index->n_homes + index->n_tail)
        return 0;
    const struct slot *slot = &index->slots[at];
    return slot->value != 0 && hash_compare(slot->hash, hash) == 0 ? slot->value : 0;
}

/* Two passes over the enlarged table: all entries to its far end, in order; then each to its place from the
 * left. The second never overtakes the first: an entry's place is at most as far from the end as entries
 * follow it. */
static void spread(struct key_index *index, size_t old_slots)
{
    size_t n_slots = index->n_homes + index->n_tail, packed = n_slots;
    for (size_t from = old_slots; from-- > 0;)
        if (index->slots[from].value != 0) {
            struct slot entry = index->slots[from];
            index->slots[from].value = 0;
            index->slots[--packed] = entry;
        }
    size_t next = 0;
    for (size_t from = packed; from < n_slots; from++) {
        struct slot entry = index->slots[from];
        index->slots[from].value = 0;
        size_t to = MAX(home_of(index, entry.hash), next);
        assert(to <= from);
        index->slots[to] = entry;
        next = to + 1;
    }
}

static bool grow(struct key_index *index, size_t n_homes)
{
    size_t n_tail = TAIL_SLOTS + n_homes / 256;
    size_t old_slots = index->n_homes + index->n_tail;
    void *at = mremap(index->slots, slots_bytes(index->n_homes, index->n_tail), slots_bytes(n_homes, n_tail),
                      MREMAP_MAYMOVE);
    if (at == MAP_FAILED)
        return false;
    index->slots = at;
    index->n_homes = n_homes;
    index->n_tail = n_tail;
    spread(index, old_slots);
    return true;
}

bool key_index_reserve(struct key_index *index, size_t n)
{
    size_t need = index->count + n, n_homes = index->n_homes;
    while (need > n_homes / 5 * 4)
        n_homes += n_homes / 4;
    return n_homes == index->n_homes || grow(index, n_homes);
}

void key_index_put(struct key_index *index, struct key_hash hash, uint64_t value)
{
    size_t n_slots = index->n_homes + index->n_tail, at = find_slot(index, hash);
    assert(value != 0);
    if (at < n_slots && index->slots[at].value != 0 && hash_compare(index->slots[at].hash, hash) == 0) {
        index->slots[at].value = value;
        return;
    }
    size_t hole = at;
    while (hole < n_slots && index->slots[hole].value != 0)
        hole++;
    assert(hole < n_slots);
    memmove(&index->slots[at + 1], &index->slots[at], (hole - at) * sizeof(struct slot));
    index->slots[at] = (struct slot){hash, value};
    index->count++;
}
