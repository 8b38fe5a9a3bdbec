#include "capture/pg/copy_text.h"

static char unescape(char c)
{
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: return c;
    }
}

static inline char *plain_end(char *at, const char *end)
{
    while (at < end && *at != '\t' && *at != '\\')
        at++;
    return at;
}

/* The value that begins at `start` and has its first backslash at `at`; the end of it in the line. */
static char *take_escaped(char *start, char *at, char *end, struct pgoutput_value *ret)
{
    if (at == start && end - at >= 2 && at[1] == 'N' && (at + 2 == end || at[2] == '\t')) {
        *ret = (struct pgoutput_value){.kind = PGOUTPUT_TUPLE_NULL};
        return at + 2;
    }
    char *to = at;
    while (at < end && *at != '\t') {
        if (*at == '\\' && at + 1 < end) {
            *to++ = unescape(at[1]);
            at += 2;
        } else {
            *to++ = *at++;
        }
    }
    *ret = (struct pgoutput_value){.kind = PGOUTPUT_TUPLE_TEXT, .bytes = slice_of(start, (size_t)(to - start))};
    return at;
}

enum rc pg_copy_parse(char *line, size_t len, uint16_t n, struct pgoutput_tuple *ret_row, struct err *err)
{
    char *at = line, *end = line + len;
    uint16_t columns = 0;
    if (len > 0 && end[-1] == '\n')
        end--;
    ret_row->n = n;
    if (n == 0)
        return at == end ? RC_OK : err_set(err, ERR_MALFORMED, "a copied row has values and the table no columns");
    for (;;) {
        char *start = at;
        if (UNLIKELY(columns == n))
            return err_set(err, ERR_MALFORMED, "a copied row has more than %u columns", n);
        struct pgoutput_value *value = &ret_row->values[columns++];
        at = plain_end(at, end);
        if (UNLIKELY(at < end && *at == '\\'))
            at = take_escaped(start, at, end, value);
        else
            *value = (struct pgoutput_value){.kind = PGOUTPUT_TUPLE_TEXT,
                                             .bytes = slice_of(start, (size_t)(at - start))};
        if (at == end)
            break;
        at++;
    }
    if (UNLIKELY(columns != n))
        return err_set(err, ERR_MALFORMED, "a copied row has %u columns instead of %u", columns, n);
    return RC_OK;
}
