/* Input: the state of a document source's ledger record. What is accepted is written the same again. */
#include <stdlib.h>

#include "capture/docdb/docdb_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX_BYTES = 16 << 20 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* False: refused. */
static bool rewrite(struct slice json, struct buf *out)
{
    struct docdb_state state;
    struct err err;
    docdb_state_init(&state);
    bool ok = docdb_state_decode(json, &state, &err) == RC_OK;
    must(ok || err.code == ERR_LEDGER_MALFORMED);
    if (ok)
        docdb_state_encode(&state, out);
    must(!out->failed);
    docdb_state_done(&state);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(buf_done) struct buf first = buf_new(TEXT_MAX_BYTES);
    SCOPED(buf_done) struct buf second = buf_new(TEXT_MAX_BYTES);
    if (!rewrite(slice_of(data, size), &first))
        return 0;
    must(rewrite(buf_slice(&first), &second));
    must(slice_eq(buf_slice(&first), buf_slice(&second)));
    return 0;
}
