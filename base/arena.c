#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ARENA_ALIGN = 16, ARENA_KEEP_BYTES = 1 << 20 };

struct arena {
    uint8_t *base;
    size_t used;
    size_t max;
    size_t peak; /* highest use since the last reset: what may hold touched pages */
};

struct arena *arena_new(size_t max_bytes)
{
    struct arena *arena = calloc(1, sizeof(*arena));
    size_t page = 4096;
    max_bytes = (max_bytes + page - 1) / page * page;
    void *base = mmap(NULL, max_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena == NULL || base == MAP_FAILED) {
        fprintf(stderr, "could not reserve %zu bytes of address space\n", max_bytes);
        abort();
    }
    arena->base = base;
    arena->max = max_bytes;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    munmap(arena->base, arena->max);
    free(arena);
}

void arena_reset(struct arena *arena)
{
    arena_reset_keeping(arena, ARENA_KEEP_BYTES);
}

void arena_reset_keeping(struct arena *arena, size_t keep_bytes)
{
    size_t page = 4096;
    size_t keep = MIN((keep_bytes + page - 1) / page * page, arena->max);
    if (MAX(arena->peak, arena->used) > keep)
        madvise(arena->base + keep, arena->max - keep, MADV_DONTNEED);
    arena->used = 0;
    arena->peak = 0;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t rounded = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (rounded < bytes || rounded > arena->max - arena->used)
        return NULL;
    void *ptr = arena->base + arena->used;
    arena->used += rounded;
    return ptr;
}

void *arena_zalloc(struct arena *arena, size_t bytes)
{
    void *ptr = arena_alloc(arena, bytes);
    if (ptr != NULL)
        memset(ptr, 0, bytes);
    return ptr;
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    uint8_t *ptr = arena_alloc(arena, bytes.len == 0 ? 1 : bytes.len);
    if (ptr == NULL)
        return (struct slice){0};
    if (bytes.len > 0)
        memcpy(ptr, bytes.ptr, bytes.len);
    return slice_of(ptr, bytes.len);
}

const char *arena_strdup(struct arena *arena, struct slice bytes)
{
    char *ptr = arena_alloc(arena, bytes.len + 1);
    if (ptr == NULL)
        return NULL;
    if (bytes.len > 0)
        memcpy(ptr, bytes.ptr, bytes.len);
    ptr[bytes.len] = '\0';
    return ptr;
}

struct buf arena_open(struct arena *arena)
{
    return buf_over(arena->base + arena->used, arena->max - arena->used);
}

struct slice arena_close(struct arena *arena, struct buf *buf)
{
    struct slice kept = buf->failed ? (struct slice){0} : slice_of(buf->ptr, buf->len);
    size_t rounded = (buf->len + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (!buf->failed)
        arena->used += MIN(rounded, arena->max - arena->used);
    else if (arena->used + buf->len > arena->peak)
        arena->peak = arena->used + buf->len;
    *buf = (struct buf){0};
    return kept;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}

size_t arena_max(const struct arena *arena)
{
    return arena->max;
}
