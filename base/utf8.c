#include "base/utf8.h"

static bool is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t utf8_sequence_len(const uint8_t *ptr, size_t left)
{
    if (left == 0)
        return 0;
    uint8_t lead = ptr[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2)
        return 0;
    if (lead < 0xe0)
        return left >= 2 && is_tail(ptr[1]) ? 2 : 0;
    if (lead < 0xf0) {
        if (left < 3 || !is_tail(ptr[1]) || !is_tail(ptr[2]))
            return 0;
        if ((lead == 0xe0 && ptr[1] < 0xa0) || (lead == 0xed && ptr[1] >= 0xa0))
            return 0;
        return 3;
    }
    if (lead < 0xf5) {
        if (left < 4 || !is_tail(ptr[1]) || !is_tail(ptr[2]) || !is_tail(ptr[3]))
            return 0;
        if ((lead == 0xf0 && ptr[1] < 0x90) || (lead == 0xf4 && ptr[1] >= 0x90))
            return 0;
        return 4;
    }
    return 0;
}

bool utf8_is_valid(struct slice text)
{
    size_t i = 0;
    while (i < text.len) {
        uint64_t word;
        if (text.len - i >= sizeof(word)) {
            memcpy(&word, text.ptr + i, sizeof(word));
            if ((word & 0x8080808080808080u) == 0) {
                i += sizeof(word);
                continue;
            }
        }
        size_t len = utf8_sequence_len(text.ptr + i, text.len - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}
