/* What is to be copied, in chunks of a heap's blocks, and what has been. Pure: no I/O, no clock.
 *
 * A table is a name of the publication; its heaps are what holds its rows: itself, or the leaves of a partitioned
 * one. A heap is cut into chunks of chunk_blocks blocks; the last one is open ended. The plan goes into the
 * ledger with every mark, so that a chunk is done there in the transaction that holds its last row. */
#ifndef LEAT_CAPTURE_PG_COPY_PLAN_H
#define LEAT_CAPTURE_PG_COPY_PLAN_H

#include "base/buf.h"
#include "base/err.h"

struct pg_copy_heap {
    uint32_t oid, filenode; /* the blocks are those of this file */
    char *schema, *name;    /* by pg_copy_table_put_heap */
    uint32_t n_blocks, chunk_blocks;
    uint32_t n_chunks, n_done, n_under_way;
    uint32_t first_todo; /* no chunk before this one is to do */
    uint8_t *chunks;     /* enum pg_copy_chunk_state */
};

enum pg_copy_chunk_state { PG_CHUNK_TODO, PG_CHUNK_UNDER_WAY, PG_CHUNK_DONE };

struct pg_copy_table {
    uint32_t oid;
    char *name;  /* "schema.table" for people; NULL: never planned */
    char *where; /* SQL; NULL: all rows */
    struct pg_copy_heap *heaps;
    size_t n_heaps;
    uint64_t rows, bytes; /* copied so far, in chunks that are done */
    char *error;          /* why it is parked; NULL: it is not */
    unsigned attempts;    /* failures in a row */
    int64_t retry_mono_ms;
    bool waits;     /* not in this window */
    bool announced; /* in this window: its relation is as the snapshot sees it */
    bool whole;     /* it has no key: all of it is copied in one window, or none */
};

struct pg_copy_plan {
    struct pg_copy_table **tables; /* in the order of copying */
    size_t n_tables, max_tables;
    uint32_t *copied; /* oids of the tables whose copy is over, sorted */
    size_t n_copied, max_copied;
    bool truncate;        /* consumers may hold rows of an earlier life: truncate events go first */
    uint64_t fill_until;  /* partial updates before this position are filled, also after the copy */
    int64_t next_request; /* offset in the topic of requests */
    int64_t began_us;     /* wall clock, when the first of these tables was begun; 0: none was */
    uint64_t gone_chunks; /* done since then, of tables that are no longer in the plan */
};

/* One chunk, borrowed from the plan until it is done or given back. */
struct pg_chunk {
    struct pg_copy_table *table;
    struct pg_copy_heap *heap;
    uint32_t n;
};

void pg_copy_plan_done(struct pg_copy_plan *plan); /* frees what it holds; the plan is empty after */

/* Queues a table; a second time only when the rows asked for are others. Its heaps are not known yet. */
void pg_copy_plan_add(struct pg_copy_plan *plan, uint32_t table_oid, const char *name, const char *where);
/* The table is copied no more; `copied` says whether it counts as copied. No chunk of it may be under way. */
void pg_copy_plan_remove(struct pg_copy_plan *plan, struct pg_copy_table *table, bool copied);
struct pg_copy_table *pg_copy_plan_find(const struct pg_copy_plan *plan, uint32_t table_oid);
bool pg_copy_plan_is_copied(const struct pg_copy_plan *plan, uint32_t table_oid);
/* Counts as copied without having been: its rows were there before. */
void pg_copy_plan_set_copied(struct pg_copy_plan *plan, uint32_t table_oid, bool copied);

/* The heap as the catalog has it now: an unknown one is added; one whose file is another begins again, and one of which
 * nothing is done is cut anew; else what was done stays done. chunk_blocks 0: one chunk. */
struct pg_copy_found {
    uint32_t table_oid, oid, filenode, n_blocks;
    const char *schema, *name;
};
struct pg_copy_heap *pg_copy_table_put_heap(struct pg_copy_table *table, const struct pg_copy_found *found,
                                            uint32_t chunk_blocks);
/* All that the catalog has: heaps that are not among it are gone, and tables without a heap too. */
void pg_copy_plan_found(struct pg_copy_plan *plan, const struct pg_copy_found *found, size_t n, uint32_t chunk_blocks);
void pg_copy_heap_restart(struct pg_copy_heap *heap, uint32_t filenode, uint32_t n_blocks, uint32_t chunk_blocks);
bool pg_copy_table_is_begun(const struct pg_copy_table *table); /* a chunk of it is done */
bool pg_copy_table_is_done(const struct pg_copy_table *table);  /* it has heaps, and nothing of them is left */
void pg_copy_table_park(struct pg_copy_table *table, const char *error, int64_t retry_mono_ms);

/* The next chunk to copy; false: none that may begin now. ends: the window takes nothing more but the rest of tables
 * that it has begun and that have to be whole. */
bool pg_copy_plan_take(struct pg_copy_plan *plan, int64_t now_mono_ms, bool ends, struct pg_chunk *ret_chunk);
/* All but the chunks under way is to do again. */
void pg_copy_table_restart(struct pg_copy_table *table);
void pg_copy_plan_finish(const struct pg_chunk *chunk, uint64_t rows, uint64_t bytes);
void pg_copy_plan_give_back(const struct pg_chunk *chunk);
/* Milliseconds until a table can be copied: 0 now, -1 there is none. */
int64_t pg_copy_plan_due_ms(const struct pg_copy_plan *plan, int64_t now_mono_ms);

/* Blocks [*ret_first, *ret_end) of the chunk; end UINT32_MAX: to the heap's end, whatever it is. */
void pg_chunk_blocks(const struct pg_chunk *chunk, uint32_t *ret_first, uint32_t *ret_end);

struct pg_copy_totals {
    size_t tables, parked;
    uint64_t chunks, chunks_done, blocks, blocks_done, rows, bytes;
};
/* Of the tables that are in the plan. */
void pg_copy_plan_totals(const struct pg_copy_plan *plan, struct pg_copy_totals *ret);

/* By what was done since the copy began, times without a process included; below 0: nobody can tell yet. */
double pg_copy_plan_seconds_left(const struct pg_copy_plan *plan, const struct pg_copy_totals *totals, int64_t now_us);

/* A JSON object. */
void pg_copy_plan_encode(const struct pg_copy_plan *plan, struct buf *out);
/* From member "copy" of the ledger's state, which is a JSON object or nothing. *ret_known false: it has none, the
 * plan is empty. ERR_LEDGER_MALFORMED names the field. */
MUST_CHECK enum rc pg_copy_plan_decode(struct slice state, struct pg_copy_plan *ret_plan, bool *ret_known,
                                       struct err *err);

#endif
