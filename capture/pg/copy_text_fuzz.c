/* A line of COPY's text format: the first byte says how many columns it should have. What is accepted lies inside of
 * the line, and no column holds a tab or a newline that was not escaped before. */
#include "capture/pg/copy_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pgoutput_tuple row;
    struct err err;
    if (size == 0)
        return 0;
    uint16_t n = data[0];
    size_t len = size - 1;
    char *line = malloc(len + 1); /* of its own size, so that a look beyond it is seen */
    if (line == NULL)
        abort();
    memcpy(line, data + 1, len);
    if (pg_copy_parse(line, len, n, &row, &err) == RC_OK) {
        const uint8_t *start = (const uint8_t *)line, *end = start + len;
        for (uint16_t i = 0; i < row.n; i++) {
            const struct pgoutput_value *value = &row.values[i];
            if (value->kind == PGOUTPUT_TUPLE_NULL)
                continue;
            if (value->kind != PGOUTPUT_TUPLE_TEXT || value->bytes.ptr < start ||
                value->bytes.ptr + value->bytes.len > end) {
                fprintf(stderr, "column %u lies outside of its line\n", i);
                abort();
            }
        }
    }
    free(line);
    return 0;
}
