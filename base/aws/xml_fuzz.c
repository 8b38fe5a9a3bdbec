/* Input: an answer of S3 or STS. Whatever it holds, texts are cut to their room and end there. */
#include <stdlib.h>

#include "base/aws/xml.h"
#include "base/compiler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST_ROOM = 64 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check(struct slice xml, const char *tag, size_t room)
{
    char *out = malloc(room); /* of this size: one byte more would be seen */
    must(out != NULL);
    memset(out, '?', room);
    bool found = aws_xml_text(xml, tag, out, room);
    must(memchr(out, '\0', room) != NULL);
    must(found ? aws_xml_has(xml, tag) : out[0] == '\0');
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const tags[] = {"Code", "Message", "Region", "UploadId", "Error", "a"};
    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        for (size_t room = 1; room <= LARGEST_ROOM; room *= 4)
            check(slice_of(data, size), tags[i], room);
    return 0;
}
