/* Input: a record of the topic of requests, which anybody with rights to it can write. What is accepted must survive a
 * round trip, and hold together: tables or all of them, a filter only where one can be. */
#include <stdlib.h>

#include "proto/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 16 << 20, TEXT_MAX_BYTES = 16 << 20 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_whole(const struct request *request)
{
    must(request->kind == REQUEST_SNAPSHOT || request->kind == REQUEST_CANCEL);
    must(request->all == (request->n_tables == 0));
    must(request->where == NULL || (request->kind == REQUEST_SNAPSHOT && !request->all));
}

static void check_same(const struct request *a, const struct request *b)
{
    must(a->kind == b->kind && a->all == b->all && a->requested_us == b->requested_us && a->n_tables == b->n_tables);
    must(strcmp(a->id, b->id) == 0);
    for (size_t i = 0; i < a->n_tables; i++)
        must(strcmp(a->tables[i], b->tables[i]) == 0);
    must((a->where == NULL) == (b->where == NULL));
    must(a->where == NULL || strcmp(a->where, b->where) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
    SCOPED(buf_done) struct buf text = buf_new(TEXT_MAX_BYTES);
    struct request request, again;
    struct err err;
    enum rc rc = request_decode(slice_of(data, size), arena, &request, &err);
    must(rc == RC_OK || err.code == ERR_REQUEST_REFUSED);
    if (rc != RC_OK)
        return 0;
    check_whole(&request);
    request_encode(&request, &text);
    must(!text.failed);
    must(request_decode(buf_slice(&text), arena, &again, &err) == RC_OK);
    check_same(&request, &again);
    return 0;
}
