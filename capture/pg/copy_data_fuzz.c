/* Bytes as the server would send them in the replication stream: frame after frame, what is in a CopyData, what is in
 * that. Nothing outside of the bytes is ever pointed at, and every frame makes headway. */
#include "capture/pg/copy_data.h"

#include <stdio.h>
#include <stdlib.h>

#include "capture/pg/pgoutput.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 1 << 20 };

static void must_lie_in(struct slice inner, struct slice outer, const char *what)
{
    if (inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len)
        return;
    fprintf(stderr, "%s lies outside of its message\n", what);
    abort();
}

static void try_copy_data(struct slice body)
{
    static struct pgoutput_msg msg;
    struct pgoutput_streamed streamed;
    struct pg_copy_data copy_data = {0};
    struct err err;
    if (pg_copy_data_decode(body, &copy_data, &err) != RC_OK || copy_data.is_keepalive)
        return;
    must_lie_in(copy_data.message, body, "the data");
    if (pgoutput_split_streamed(copy_data.message, &streamed, &err) == RC_OK)
        must_lie_in(streamed.body, copy_data.message, "a streamed message's body");
    enum rc rc = pgoutput_decode(copy_data.message, &msg, &err);
    (void)rc; /* pgoutput_fuzz.c asks more of it */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice left = slice_of(data, size), body;
    struct err err;
    uint8_t type;
    size_t bytes;
    try_copy_data(left);
    while (pg_frame_decode(left, MAX_BYTES, &type, &body, &bytes, &err) == RC_OK) {
        must_lie_in(body, left, "a message's body");
        if (type == 'd')
            try_copy_data(body);
        left = slice_of(left.ptr + bytes, left.len - bytes);
    }
    return 0;
}
