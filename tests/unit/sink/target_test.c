#include "test.h"

#include <stdlib.h>

#include "sink/redshift/target.h"

/* ---- types: docs/types.md says the same ---- */

static const struct {
    const char *name; /* in the first column of docs/types.md */
    struct column column;
    const char *want;
} types[] = {
    {"BOOL", {.type = COLUMN_BOOL}, "BOOLEAN"},
    {"INT16", {.type = COLUMN_INT16}, "SMALLINT"},
    {"INT32", {.type = COLUMN_INT32}, "INTEGER"},
    {"INT64", {.type = COLUMN_INT64}, "BIGINT"},
    {"FLOAT", {.type = COLUMN_FLOAT}, "REAL"},
    {"DOUBLE", {.type = COLUMN_DOUBLE}, "DOUBLE PRECISION"},
    {"DECIMAL(18,2)", {.type = COLUMN_DECIMAL, .precision = 18, .scale = 2}, "DECIMAL(18,2)"},
    {"DECIMAL(19,4)", {.type = COLUMN_DECIMAL, .precision = 19, .scale = 4}, "DECIMAL(20,4)"},
    {"DECIMAL(38,37)", {.type = COLUMN_DECIMAL, .precision = 38, .scale = 37}, "DECIMAL(38,37)"},
    {"DECIMAL(38,38)", {.type = COLUMN_DECIMAL, .precision = 38, .scale = 38}, "VARCHAR(256)"},
    {"DECIMAL(39,0)", {.type = COLUMN_DECIMAL, .precision = 39, .scale = 0}, "VARCHAR(256)"},
    {"DECIMAL(1000,500)", {.type = COLUMN_DECIMAL, .precision = 1000, .scale = 500}, "VARCHAR(1003)"},
    {"DECIMAL(4,-2)", {.type = COLUMN_DECIMAL, .precision = 4, .scale = -2}, "DECIMAL(6,0)"},
    {"DECIMAL(2,5)", {.type = COLUMN_DECIMAL, .precision = 2, .scale = 5}, "DECIMAL(5,5)"},
    {"VARIABLE_DECIMAL", {.type = COLUMN_VARIABLE_DECIMAL}, "VARCHAR(256)"},
    {"STRING", {.type = COLUMN_STRING}, "VARCHAR(65535)"},
    {"STRING of 14", {.type = COLUMN_STRING, .length = 14}, "VARCHAR(56)"},
    {"STRING of 20000", {.type = COLUMN_STRING, .length = 20000}, "VARCHAR(65535)"},
    {"BYTES", {.type = COLUMN_BYTES}, "VARBYTE(65535)"},
    {"UUID", {.type = COLUMN_UUID}, "VARCHAR(36)"},
    {"JSON", {.type = COLUMN_JSON}, "SUPER"},
    {"XML", {.type = COLUMN_XML}, "VARCHAR(65535)"},
    {"ENUM", {.type = COLUMN_ENUM}, "VARCHAR(252)"},
    {"DATE", {.type = COLUMN_DATE}, "DATE"},
    {"TIME_MS", {.type = COLUMN_TIME_MS}, "TIME"},
    {"TIME_US", {.type = COLUMN_TIME_US}, "TIME"},
    {"TIME_NS", {.type = COLUMN_TIME_NS}, "TIME"},
    {"TIMESTAMP_MS", {.type = COLUMN_TIMESTAMP_MS}, "TIMESTAMP"},
    {"TIMESTAMP_US", {.type = COLUMN_TIMESTAMP_US}, "TIMESTAMP"},
    {"TIMESTAMP_NS", {.type = COLUMN_TIMESTAMP_NS}, "TIMESTAMP"},
    {"CONNECT_DATE", {.type = COLUMN_CONNECT_DATE}, "DATE"},
    {"CONNECT_TIME", {.type = COLUMN_CONNECT_TIME}, "TIME"},
    {"CONNECT_TIMESTAMP", {.type = COLUMN_CONNECT_TIMESTAMP}, "TIMESTAMP"},
    {"ISO_DATE", {.type = COLUMN_ISO_DATE}, "VARCHAR(24)"},
    {"ISO_TIME", {.type = COLUMN_ISO_TIME}, "VARCHAR(24)"},
    {"ISO_TIMESTAMP", {.type = COLUMN_ISO_TIMESTAMP}, "VARCHAR(48)"},
    {"ZONED_TIME", {.type = COLUMN_ZONED_TIME}, "VARCHAR(24)"},
    {"ZONED_TIMESTAMP", {.type = COLUMN_ZONED_TIMESTAMP}, "TIMESTAMPTZ"},
    {"INTERVAL_US", {.type = COLUMN_INTERVAL_US}, "BIGINT"},
    {"INTERVAL_TEXT", {.type = COLUMN_INTERVAL_TEXT}, "VARCHAR(128)"},
    {"DECIMAL(?,2)", {.type = COLUMN_DECIMAL, .scale = 2}, "DECIMAL(38,2)"},
    {"BITS of 9", {.type = COLUMN_BITS, .length = 9}, "VARCHAR(9)"},
    {"BITS without a limit", {.type = COLUMN_BITS, .length = INT32_MAX}, "VARCHAR(65535)"},
    {"TSVECTOR", {.type = COLUMN_TSVECTOR}, "VARCHAR(65535)"},
    {"LTREE", {.type = COLUMN_LTREE}, "VARCHAR(65535)"},
    {"POINT", {.type = COLUMN_POINT}, "SUPER"},
    {"GEOMETRY", {.type = COLUMN_GEOMETRY}, "SUPER"},
    {"GEOGRAPHY", {.type = COLUMN_GEOGRAPHY}, "SUPER"},
    {"DOUBLE_VECTOR", {.type = COLUMN_DOUBLE_VECTOR}, "SUPER"},
    {"FLOAT_VECTOR", {.type = COLUMN_FLOAT_VECTOR}, "SUPER"},
    {"SPARSE_VECTOR", {.type = COLUMN_SPARSE_VECTOR}, "SUPER"},
    {"MAP", {.type = COLUMN_MAP}, "SUPER"},
    {"arrays", {.type = COLUMN_INT32, .is_array = true}, "SUPER"},
    {"NESTED", {.type = COLUMN_NESTED}, "SUPER"},
};

static void test_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct target_column column = target_column_of(&types[i].column, false);
        char text[64];
        struct buf out = buf_over(text, sizeof(text));
        target_put_type(&out, &column);
        CHECK_STR(types[i].want, buf_cstr(&out), types[i].name);
    }
}

/* The column-type words of a row of the table in docs/types.md: | `INT64` | ... | ... | `BIGINT` | ... | */
static void test_the_documentation_says_the_same(void **state)
{
    (void)state;
    char line[2048];
    bool documented[ARRAY_LEN(types)] = {false};
    FILE *file = fopen("../docs/types.md", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        char name[64], type[64];
        if (sscanf(line, "| `%63[^`]` | %*[^|] | %*[^|] | `%63[^`]` |", name, type) != 2)
            continue;
        size_t at = 0;
        while (at < ARRAY_LEN(types) && strcmp(types[at].name, name) != 0)
            at++;
        if (at == ARRAY_LEN(types))
            fail_msg("docs/types.md has a row \"%s\" that no type is tested for", name);
        CHECK_STR(types[at].want, type, name);
        documented[at] = true;
    }
    fclose(file);
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (!documented[i])
            fail_msg("docs/types.md lacks a row for \"%s\"", types[i].name);
}

/* ---- targets ---- */

static struct target *target_of(struct column *columns, size_t n, const uint16_t *keys, size_t n_keys, struct err *err)
{
    const struct table_shape shape = {.topic = "bank.public.Some_Table", .columns = columns, .n_columns = n};
    struct target *target = NULL;
    return target_new("DWH", &shape, keys, n_keys, &target, err) == RC_OK ? target : NULL;
}

static void test_names_fold(void **state)
{
    (void)state;
    struct column columns[] = {{.name = "ID", .type = COLUMN_INT64}, {.name = "\xc3\x84pfel", .type = COLUMN_STRING}};
    struct err err = {0};
    struct target *target = target_of(columns, 2, (const uint16_t[]){0}, 1, &err);
    assert_non_null(target);
    CHECK_STR("dwh", target->schema, "the schema");
    CHECK_STR("some_table", target->table, "the table is the topic's last part");
    CHECK_STR("id", target->columns[0].name, "columns");
    CHECK_STR("\xc3\x84pfel", target->columns[1].name, "only ASCII letters fold");
    CHECK_EQ(true, target->columns[0].is_key, "the key is marked");
    CHECK_EQ(1, target_find(target, "\xc3\x84pfel"), "a column is found by its folded name");
    CHECK_EQ(-1, target_find(target, "ID"), "and only by that");
    target_free(target);
}

static void test_long_names_are_cut_at_a_character(void **state)
{
    (void)state;
    char name[200] = {0}, folded[TARGET_NAME_BYTES];
    memset(name, 'A', 126);
    memcpy(name + 126, "\xc3\xb6rest", 6);
    target_fold_name(name, folded);
    CHECK_EQ(126, strlen(folded), "a character that does not fit whole is left out");
    memcpy(name + 126, "bcd", 4);
    target_fold_name(name, folded);
    CHECK_EQ(127, strlen(folded), "127 bytes are kept");
}

static void test_shapes_that_are_refused(void **state)
{
    (void)state;
    static char long_a[140], long_b[140];
    memset(long_a, 'x', 130);
    memset(long_b, 'x', 130);
    long_b[129] = 'y';
    static const struct {
        const char *behaviour;
        struct column columns[2];
        size_t n_keys;
        const char *names;
    } cases[] = {
        {"two names that differ in case only",
         {{.name = "Id", .type = COLUMN_INT64}, {.name = "iD", .type = COLUMN_INT64}},
         1,
         "iD"},
        {"two long names that are cut to one",
         {{.name = long_a, .type = COLUMN_INT64}, {.name = long_b, .type = COLUMN_INT64}},
         1,
         "xxx"},
        {"a system column's name",
         {{.name = "id", .type = COLUMN_INT64}, {.name = "CTID", .type = COLUMN_INT64}},
         1,
         "ctid"},
        {"a name that leat needs",
         {{.name = "id", .type = COLUMN_INT64}, {.name = "_leat_pos", .type = COLUMN_STRING}},
         1,
         "_leat_pos"},
        {"no key", {{.name = "id", .type = COLUMN_INT64}, {.name = "a", .type = COLUMN_INT64}}, 0, "some_table"},
        {"a floating key", {{.name = "id", .type = COLUMN_DOUBLE}, {.name = "a", .type = COLUMN_INT64}}, 1, "id"},
        {"a real key", {{.name = "id", .type = COLUMN_FLOAT}, {.name = "a", .type = COLUMN_INT64}}, 1, "id"},
        {"a JSON key", {{.name = "id", .type = COLUMN_JSON}, {.name = "a", .type = COLUMN_INT64}}, 1, "id"},
        {"a key of bytes", {{.name = "id", .type = COLUMN_BYTES}, {.name = "a", .type = COLUMN_INT64}}, 1, "id"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct column columns[2] = {cases[i].columns[0], cases[i].columns[1]};
        struct err err = {0};
        if (target_of(columns, 2, (const uint16_t[]){0}, cases[i].n_keys, &err) != NULL)
            fail_msg("%s: accepted", cases[i].behaviour);
        CHECK_EQ(ERR_REDSHIFT_SCHEMA, err.code, cases[i].behaviour);
        if (strstr(err.msg, cases[i].names) == NULL)
            fail_msg("%s: the message does not name it: %s", cases[i].behaviour, err.msg);
    }
}

static void test_shapes_grow(void **state)
{
    (void)state;
    struct column before[] = {{.name = "id", .type = COLUMN_INT64}, {.name = "t", .type = COLUMN_STRING, .length = 10}};
    struct column after[] = {{.name = "NEW", .type = COLUMN_DATE},
                             {.name = "id", .type = COLUMN_INT32},
                             {.name = "t", .type = COLUMN_STRING, .length = 20}};
    const struct table_shape wider = {.topic = "t", .columns = after, .n_columns = 3};
    struct err err = {0};
    size_t changed = 99;
    struct target *target = target_of(before, 2, (const uint16_t[]){0}, 1, &err);
    assert_non_null(target);
    ASSERT_OK(target_extend(target, &wider, &changed, &err), &err);
    CHECK_EQ(2, changed, "a new column and a wider text");
    CHECK_EQ(3, target->n_columns, "the new one is appended");
    CHECK_STR("new", target->columns[2].name, "at the end, folded");
    CHECK_EQ(80, target->columns[1].bytes, "the text is wider");
    CHECK_EQ(TARGET_BIGINT, target->columns[0].type, "a narrower integer changes nothing");
    CHECK_EQ(1, target->generation, "the shape's generation grows");
    ASSERT_OK(target_extend(target, &wider, &changed, &err), &err);
    CHECK_EQ(0, changed, "the same shape changes nothing");
    CHECK_EQ(1, target->generation, "nor does the generation grow");

    static const struct {
        const char *behaviour;
        struct column column;
    } refused[] = {
        {"a number that becomes text", {.name = "id", .type = COLUMN_STRING}},
        {"a text that becomes a date", {.name = "t", .type = COLUMN_DATE}},
        {"a date that becomes a timestamp", {.name = "new", .type = COLUMN_TIMESTAMP_US}},
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct column column = refused[i].column;
        const struct table_shape shape = {.topic = "t", .columns = &column, .n_columns = 1};
        CHECK_EQ(RC_FATAL, target_extend(target, &shape, &changed, &err), refused[i].behaviour);
        CHECK_EQ(ERR_REDSHIFT_SCHEMA, err.code, refused[i].behaviour);
        CHECK_EQ(1, target->generation, "and nothing changed");
    }
    target_free(target);
}

static void test_what_holds_what(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        struct target_column held, wanted;
        bool want;
    } cases[] = {
        {"bigint holds integer", {.type = TARGET_BIGINT}, {.type = TARGET_INTEGER}, true},
        {"integer does not hold bigint", {.type = TARGET_INTEGER}, {.type = TARGET_BIGINT}, false},
        {"integer holds smallint", {.type = TARGET_INTEGER}, {.type = TARGET_SMALLINT}, true},
        {"double holds real", {.type = TARGET_DOUBLE}, {.type = TARGET_REAL}, true},
        {"real does not hold double", {.type = TARGET_REAL}, {.type = TARGET_DOUBLE}, false},
        {"a decimal holds a smaller one",
         {.type = TARGET_DECIMAL, .precision = 20, .scale = 4},
         {.type = TARGET_DECIMAL, .precision = 18, .scale = 2},
         true},
        {"but not one with more digits before the point",
         {.type = TARGET_DECIMAL, .precision = 18, .scale = 4},
         {.type = TARGET_DECIMAL, .precision = 18, .scale = 2},
         false},
        {"nor one with more behind it",
         {.type = TARGET_DECIMAL, .precision = 38, .scale = 1},
         {.type = TARGET_DECIMAL, .precision = 4, .scale = 2},
         false},
        {"a narrow text can be widened",
         {.type = TARGET_VARCHAR, .bytes = 4},
         {.type = TARGET_VARCHAR, .bytes = 8},
         true},
        {"narrow bytes cannot", {.type = TARGET_VARBYTE, .bytes = 4}, {.type = TARGET_VARBYTE, .bytes = 8}, false},
        {"text does not hold JSON", {.type = TARGET_VARCHAR, .bytes = 65535}, {.type = TARGET_SUPER}, false},
        {"timestamp does not hold timestamptz", {.type = TARGET_TIMESTAMP}, {.type = TARGET_TIMESTAMPTZ}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_EQ(cases[i].want, target_column_holds(&cases[i].held, &cases[i].wanted), cases[i].behaviour);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_the_documentation_says_the_same),
        cmocka_unit_test(test_names_fold),
        cmocka_unit_test(test_long_names_are_cut_at_a_character),
        cmocka_unit_test(test_shapes_that_are_refused),
        cmocka_unit_test(test_shapes_grow),
        cmocka_unit_test(test_what_holds_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
