#include "capture/pg/lsn.h"

#include <ctype.h>
#include <stdio.h>

enum { LSN_HALF_DIGITS = 8 };

/* One to eight hex digits; NULL when there are none, or too many. */
static const char *parse_half(const char *text, uint32_t *ret_half)
{
    uint32_t half = 0;
    int digits = 0;
    for (; isxdigit((unsigned char)*text); text++) {
        if (++digits > LSN_HALF_DIGITS)
            return NULL;
        int digit = *text <= '9' ? *text - '0' : (*text | 0x20) - 'a' + 10;
        half = half << 4 | (uint32_t)digit;
    }
    *ret_half = half;
    return digits == 0 ? NULL : text;
}

enum rc lsn_parse(const char *text, uint64_t *ret_lsn, struct err *err)
{
    uint32_t high, low;
    const char *at = parse_half(text, &high);
    if (at == NULL || *at != '/' || (at = parse_half(at + 1, &low)) == NULL || *at != '\0')
        return err_set(err, ERR_MALFORMED, "\"%.40s\" is not a log position", text);
    *ret_lsn = (uint64_t)high << 32 | low;
    return RC_OK;
}

const char *lsn_format(uint64_t lsn, char out[LSN_TEXT_BYTES])
{
    snprintf(out, LSN_TEXT_BYTES, "%X/%X", (uint32_t)(lsn >> 32), (uint32_t)lsn);
    return out;
}
