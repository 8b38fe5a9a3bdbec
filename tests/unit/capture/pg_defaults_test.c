/* What the catalog says of a default, and what stands in the schema. The differential test compares the rest. */
#include "test.h"

#include "capture/pg/defaults.h"

enum { NUMERIC_8_2 = ((8 << 16) | 2) + 4, NUMERIC_5 = (5 << 16) + 4 };

#define TYPE(id, type, modifier)                                                                                       \
    {                                                                                                                  \
        .oid = id, .name = type, .typmod = modifier                                                                    \
    }
#define TEXT      TYPE(25, "text", -1)
#define INT4      TYPE(23, "int4", -1)
#define BOOL      TYPE(16, "bool", -1)
#define FLOAT4    TYPE(700, "float4", -1)
#define FLOAT8    TYPE(701, "float8", -1)
#define DATE      TYPE(1082, "date", -1)
#define TIMESTAMP TYPE(1114, "timestamp", -1)
#define BITS      TYPE(1560, "bit", 9)
#define NUMERIC   TYPE(1700, "numeric", NUMERIC_8_2)
#define MOOD                                                                                                           \
    {                                                                                                                  \
        .oid = 20000, .name = "mood", .typmod = -1, .enum_labels = "sad,it's"                                          \
    }

/* want: the field's default as JSON; NULL: none. */
// clang-format off
static const struct {
    const char *behaviour;
    struct pg_type type;
    const char *sql, *want;
} cases[] = {
    {"a number",                                INT4, "5", "5"},
    {"a negative number is a literal",          INT4, "'-5'::integer", "-5"},
    {"casts of casts",                          INT4, "('-1'::integer)::bigint", "-1"},
    {"a number that would be rounded",          INT4, "5.6", NULL},
    {"a sequence's",                            INT4, "nextval('t_id_seq'::regclass)", "0"},
    {"a call of a function",                    TEXT, "upper('x'::text)", "\"\""},
    {"a call in parentheses, with more behind", TIMESTAMP, "(now() AT TIME ZONE 'utc'::text)", "0"},
    {"a keyword that is a call",                DATE, "CURRENT_DATE", "0"},
    {"another keyword is none",                 TEXT, "CURRENT_USER", NULL},
    {"an expression of numbers",                INT4, "(1 + 1)", NULL},
    {"an expression of literals",               TEXT, "('a'::text || 'b'::text)", NULL},
    {"an expression behind a literal",          TIMESTAMP, "('2024-01-02 00:00:00'::timestamp without time zone + '1 day'::interval)", NULL},
    {"a comparison",                            BOOL, "(1 = 2)", NULL},
    {"true",                                    BOOL, "true", "true"},
    {"false as a literal",                      BOOL, "'false'::boolean", "false"},
    {"a text",                                  TEXT, "'plain'::text", "\"plain\""},
    {"an empty text",                           TEXT, "''::text", "\"\""},
    {"a quote",                                 TEXT, "'it''s'::text", "\"it's\""},
    {"a backslash, a double quote, a newline",  TEXT, "'a\\b\"c\nd'::text", "\"a\\\\b\\\"c\\nd\""},
    {"a text that looks like a cast",           TEXT, "'a::b'::text", "\"a::b\""},
    {"a text that looks like a call",           TEXT, "'now()'::text", "\"now()\""},
    {"a text that looks like infinity",         TEXT, "'infinity'::text", "\"infinity\""},
    {"a literal that does not end",             TEXT, "'a", NULL},
    {"a quote at the end",                      TEXT, "'a''", NULL},
    {"a number in a text",                      TEXT, "5", "\"5\""},
    {"a cast number in a text",                 TEXT, "(5)::text", NULL},
    {"a type's name in quotes",                 TEXT, "'x'::\"Some, type\"", "\"x\""},
    {"no value",                                TEXT, "NULL::text", NULL},
    {"nothing",                                 TEXT, "", NULL},
    {"a float has the digits that it needs",    FLOAT4, "0.1", "0.1"},
    {"a whole float is no integer",             FLOAT8, "3", "3.0"},
    {"a large one",                             FLOAT8, "'1e+300'::double precision", "1e+300"},
    {"not a number",                            FLOAT4, "'NaN'::real", NULL},
    {"infinity",                                FLOAT8, "'-Infinity'::double precision", NULL},
    {"infinity of dates",                       DATE, "'infinity'::date", NULL},
    {"a decimal's bytes",                       NUMERIC, "12.5", "\"\\u0004\xc3\xa2\""},
    {"a decimal gets its scale",                NUMERIC, "3", "\"\\u0001,\""},
    {"zeros too many",                          NUMERIC, "1.500", "\"\\u0000\xc2\x96\""},
    {"a digit too many",                        NUMERIC, "1.005", NULL},
    {"not a number as a decimal",               NUMERIC, "'NaN'::numeric", NULL},
    {"a decimal of no digits behind the point", TYPE(1700, "numeric", NUMERIC_5), "7.0", "\"\\u0007\""},
    {"a decimal without bounds is a record",    TYPE(1700, "numeric", -1), "7", NULL},
    {"bits",                                    BITS, "B'100000001'::\"bit\"", "\"\\u0001\\u0001\""},
    {"bits without a B",                        BITS, "'101'::\"bit\"", "\"\\u0005\""},
    {"one bit",                                 TYPE(1560, "bit", 1), "B'1'::\"bit\"", "true"},
    {"a date",                                  DATE, "'2024-02-29'::date", "19782"},
    {"a date of a timestamp",                   DATE, "'2024-02-29 03:04:05'::timestamp without time zone", "19782"},
    {"a timestamp of a date",                   TIMESTAMP, "'2024-01-02'::date", "1704153600000000"},
    {"a text that is no date",                  DATE, "('now'::text)::date", NULL},
    {"a label",                                 MOOD, "'sad'::public.mood", "\"sad\""},
    {"a label with a quote",                    MOOD, "'it''s'::mood", "\"it's\""},
    {"a label that was a text",                 MOOD, "('sad'::text)::mood", NULL},
    {"a label from a call",                     MOOD, "lower('SAD'::text)::mood", NULL},
    {"a type without defaults in Debezium",     TYPE(17, "bytea", -1), "'\\x01'::bytea", NULL},
    {"a type that is only named as one",        TYPE(20001, "text", -1), "'a'::text", NULL},
    {"a type that is gone",                     {.oid = 20002, .typmod = -1}, "'a'::text", NULL},
    {"a domain",                                {.oid = 23, .name = "int4", .typmod = -1, .is_domain = true}, "5", NULL},
    {"an array",                                {.oid = 25, .name = "text", .typmod = -1, .is_array = true, .delimiter = ','}, "'{a}'::text[]", NULL},
};
// clang-format on

static void defaults_of_the_catalog(void **state)
{
    (void)state;
    static const struct pg_type_modes modes = PG_TYPE_MODES_DEFAULT;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SCOPED(buf_done) struct buf value = buf_new(4096);
        SCOPED(buf_done) struct buf json = buf_new(4096);
        struct column column = {.name = "c"};
        struct pg_encoder encoder = {0};
        pg_type_describe(&cases[i].type, &modes, &column, &encoder);
        bool has_one = pg_default_put(&cases[i].type, &column, &encoder, cases[i].sql, &value);
        CHECK_EQ(cases[i].want != NULL, has_one, cases[i].behaviour);
        if (!has_one)
            continue;
        column.default_value = buf_slice(&value);
        CHECK_EQ(true, column_put_avro_default(&json, &column), cases[i].behaviour);
        CHECK_STR(cases[i].want, buf_cstr(&json), cases[i].behaviour);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_of_the_catalog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
