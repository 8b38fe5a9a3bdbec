/* Input: a ledger record. What is accepted must survive a round trip. */
#include <stdlib.h>

#include "proto/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 16 << 20, TEXT_MAX_BYTES = 16 << 20 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_same(const struct ledger_record *a, const struct ledger_record *b)
{
    must(a->kind == b->kind && a->cut == b->cut && position_compare(a->pos, b->pos) == 0);
    must(strcmp(a->source, b->source) == 0 && strcmp(a->writer, b->writer) == 0);
    must(a->commit_time_us == b->commit_time_us && a->written_us == b->written_us);
    must(a->n_partitions == b->n_partitions && slice_eq(a->state, b->state));
    for (size_t i = 0; i < a->n_partitions; i++) {
        must(strcmp(a->partitions[i].topic, b->partitions[i].topic) == 0);
        must(a->partitions[i].partition == b->partitions[i].partition);
        must(a->partitions[i].first == b->partitions[i].first && a->partitions[i].next == b->partitions[i].next);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
    SCOPED(buf_done) struct buf text = buf_new(TEXT_MAX_BYTES);
    struct ledger_record record, again;
    struct err err;
    enum rc rc = ledger_decode(slice_of(data, size), arena, &record, &err);
    must(rc == RC_OK || err.code == ERR_LEDGER_MALFORMED || err.code == ERR_MEMORY_LIMIT);
    if (rc != RC_OK)
        return 0;
    ledger_encode(&record, &text);
    must(!text.failed);
    must(ledger_decode(buf_slice(&text), arena, &again, &err) == RC_OK);
    check_same(&record, &again);
    return 0;
}
