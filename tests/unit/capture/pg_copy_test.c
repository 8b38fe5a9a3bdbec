#include "test.h"

#include <stdlib.h>

#include "capture/pg/copy_text.h"

static struct pgoutput_tuple row; /* large */

static const struct {
    const char *behaviour, *line;
    uint16_t n;
    enum rc want;
    const char *values; /* joined by '|', null as ~ */
} cases[] = {
    {"values between tabs", "1\tabc\n", 2, RC_OK, "1|abc"},
    {"the newline may be missing", "1\tabc", 2, RC_OK, "1|abc"},
    {"empty texts are not null", "\t\n", 2, RC_OK, "|"},
    {"nulls at the start, in the middle, at the end", "\\N\t\\N\tx\t\\N\n", 4, RC_OK, "~|~|x|~"},
    {"a text that reads like null is escaped", "\\\\N\n", 1, RC_OK, "\\N"},
    {"escapes", "\\b\\f\\n\\r\\t\\v\\\\\n", 1, RC_OK, "\b\f\n\r\t\v\\"},
    {"a text that begins like null is not null", "\\Nx\n", 1, RC_OK, "Nx"},
    {"a backslash before another character goes", "\\a\n", 1, RC_OK, "a"},
    {"multi-byte characters", "h\xc3\xa9\n", 1, RC_OK, "h\xc3\xa9"},
    {"a column too many is refused", "1\t2\n", 1, RC_FATAL, NULL},
    {"a column too few is refused", "1\n", 2, RC_FATAL, NULL},
    {"one empty column", "\n", 1, RC_OK, ""},
};

static const char *joined(void)
{
    static char text[256];
    size_t n = 0;
    for (uint16_t i = 0; i < row.n; i++) {
        if (i > 0)
            text[n++] = '|';
        if (row.values[i].kind == PGOUTPUT_TUPLE_NULL) {
            text[n++] = '~';
        } else if (row.values[i].bytes.len > 0) {
            memcpy(text + n, row.values[i].bytes.ptr, row.values[i].bytes.len);
            n += row.values[i].bytes.len;
        }
    }
    text[n] = '\0';
    return text;
}

static void copied_lines_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        size_t len = strlen(cases[i].line);
        char *line = malloc(len); /* no zero at its end: the sanitizer sees a read past it */
        memcpy(line, cases[i].line, len);
        CHECK_EQ(cases[i].want, pg_copy_parse(line, len, cases[i].n, &row, &err), cases[i].behaviour);
        if (cases[i].want == RC_OK)
            CHECK_STR(cases[i].values, joined(), cases[i].behaviour);
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(copied_lines_are_taken_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
