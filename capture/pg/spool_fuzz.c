/* Bytes as if they had come from the spool's file: message after message, inside the bytes, always further. */
#include "capture/pg/spool.h"

#include <stdio.h>
#include <stdlib.h>

#include "capture/pg/pgoutput.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pgoutput_msg msg;
    struct slice left = slice_of(data, size);
    struct pg_spooled spooled;
    struct err err;
    size_t bytes;
    while (pg_spooled_decode(left, &spooled, &bytes, &err) == RC_OK) {
        if (bytes > left.len || spooled.message.ptr < left.ptr ||
            spooled.message.ptr + spooled.message.len > left.ptr + bytes) {
            fprintf(stderr, "a spooled message lies outside of the file\n");
            abort();
        }
        enum rc rc = pgoutput_decode(spooled.message, &msg, &err);
        (void)rc; /* pgoutput_fuzz.c asks more of it */
        left = slice_of(left.ptr + bytes, left.len - bytes);
    }
    return 0;
}
