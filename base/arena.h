/* Memory that is given back in one stroke. An arena reserves its largest size as address space at birth and
 * touches pages only as they are used, so it never moves: what it handed out stays where it is until the reset. */
#ifndef LEAT_BASE_ARENA_H
#define LEAT_BASE_ARENA_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

struct arena;

/* Never NULL: a process that cannot reserve address space at start ends with a message. */
struct arena *arena_new(size_t max_bytes);
void arena_free(struct arena *arena);
DEFINE_SCOPED(struct arena *, arena_free)

/* Forgets everything handed out; touched pages beyond the first MiB go back to the system. */
void arena_reset(struct arena *arena);
/* The same for an arena that fills again and again: the first keep_bytes stay touched. */
void arena_reset_keeping(struct arena *arena, size_t keep_bytes);

/* 16-byte aligned, not zeroed. NULL when the arena is full: the caller turns that into ERR_MEMORY_LIMIT. */
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_zalloc(struct arena *arena, size_t bytes);
#define arena_array(arena, type, n) ((type *)arena_alloc((arena), sizeof(type) * (size_t)(n)))

struct slice arena_copy(struct arena *arena, struct slice bytes);  /* ptr NULL when full */
const char *arena_strdup(struct arena *arena, struct slice bytes); /* zero-terminated copy, NULL when full */

/* The rest of the arena as a buffer to encode into without a copy: open, put, then close to keep what was put.
 * Between open and close nothing else may be allocated. A failed buffer is closed with nothing kept. */
struct buf arena_open(struct arena *arena);
struct slice arena_close(struct arena *arena, struct buf *buf);

size_t arena_used(const struct arena *arena);
size_t arena_max(const struct arena *arena);

#endif
