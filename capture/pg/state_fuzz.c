/* Input: the state of a ledger record, which another version of leat may have written. What is accepted can be
 * written and read again, with the plan of a copy in it, and does not drift from start to start: the second writing is
 * the third's. The first may have totals of heaps of which nothing was done, which are not kept. */
#include <stdlib.h>

#include "capture/pg/published.h"
#include "capture/pg/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 16 << 20, TEXT_MAX_BYTES = 16 << 20 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* With itself and with another, as at the next start. */
static void compare_published(const char *line)
{
    static const char other[] = "16412 741 iudt root none; 16385:16413 16390:16414+16420";
    static const struct pg_table table = {.oid = 16385, .schema = "public", .name = "t"};
    struct err err;
    enum rc same = pg_published_compare(line, line, &table, 1, &err);
    must(same == RC_OK || err.code == ERR_LEDGER_MALFORMED);
    enum rc changed = pg_published_compare(line, other, &table, 1, &err);
    must(changed == RC_OK || err.code == ERR_LEDGER_MALFORMED || err.code == ERR_PG_PUBLICATION_CHANGED);
}

/* False: refused, for one of the two reasons that there are. */
static bool rewrite(struct slice json, struct arena *arena, struct buf *out)
{
    struct pg_copy_plan plan = {0};
    struct pg_state state;
    struct err err;
    bool known = false;
    bool ok = pg_state_decode(json, arena, &state, &err) == RC_OK &&
              pg_copy_plan_decode(json, &plan, &known, &err) == RC_OK;
    must(ok || err.code == ERR_LEDGER_MALFORMED || err.code == ERR_MEMORY_LIMIT);
    if (ok)
        pg_state_encode(&state, known ? &plan : NULL, out);
    must(!out->failed);
    if (ok && state.published != NULL)
        compare_published(state.published);
    pg_copy_plan_done(&plan);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
    SCOPED(buf_done) struct buf first = buf_new(TEXT_MAX_BYTES);
    SCOPED(buf_done) struct buf second = buf_new(TEXT_MAX_BYTES);
    SCOPED(buf_done) struct buf third = buf_new(TEXT_MAX_BYTES);
    if (!rewrite(slice_of(data, size), arena, &first))
        return 0;
    must(rewrite(buf_slice(&first), arena, &second));
    must(rewrite(buf_slice(&second), arena, &third));
    must(slice_eq(buf_slice(&second), buf_slice(&third)));
    return 0;
}
