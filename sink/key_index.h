/* Which image is the last of each key: 128-bit hashes of keys, each with one number.
 *
 * The slots are kept in the order of the hashes (linear probing that inserts in order), so that the table
 * grows in place: the peak is the new size, never old plus new. 24 bytes a slot, four fifths full at most. A
 * key is known by its hash alone: 128 bits under a seed drawn at start, so nobody can choose two keys that
 * meet. */
#ifndef LEAT_SINK_KEY_INDEX_H
#define LEAT_SINK_KEY_INDEX_H

#include "base/compiler.h"
#include "base/slice.h"

struct key_index;

struct key_hash {
    uint64_t high, low;
};

struct key_hash key_hash_of(struct slice key);

struct key_index *key_index_new(void);
void key_index_free(struct key_index *index);
DEFINE_SCOPED(struct key_index *, key_index_free)

size_t key_index_count(const struct key_index *index);
void key_index_clear(struct key_index *index); /* gives its memory back */

/* 0 when the key is not there. */
uint64_t key_index_get(const struct key_index *index, struct key_hash hash);
/* Room for n more keys: after this many puts of new keys cannot fail. False: no memory, nothing changed. */
MUST_CHECK bool key_index_reserve(struct key_index *index, size_t n);
/* value must not be 0. Room for a new key must have been reserved. */
void key_index_put(struct key_index *index, struct key_hash hash, uint64_t value);

#endif
