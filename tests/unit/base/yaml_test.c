#include "test.h"

#include "base/yaml.h"

static const struct {
    const char *behaviour, *yaml, *message; /* message NULL: accepted */
} cases[] = {
    {"a map is read", "a: 1\nb: [x, y]\n", NULL},
    {"an empty value is null", "a:\n", NULL},
    {"a list of maps is read", "- a: 1\n  b: 2\n- a: 3\n", NULL},
    {"an empty file is refused", "", "t.yaml:1:1: the file is empty"},
    {"a file of comments is refused", "# nothing\n", "t.yaml:2:1: the file is empty"},
    {"a duplicate key is refused", "a: 1\nb: 2\na: 3\n", "t.yaml:3:1: the key \"a\" is there already, at line 1"},
    {"a duplicate key deep inside is refused", "a: {b: {c: 1, c: 2}}\n",
     "t.yaml:1:15: the key \"c\" is there already, at line 1"},
    {"an anchor is refused", "a: &x 1\n", "t.yaml:1:4: anchors (&name) are not supported: write the value out"},
    {"an anchor on a map is refused", "a: &x {b: 1}\n",
     "t.yaml:1:4: anchors (&name) are not supported: write the value out"},
    {"an alias is refused", "a: *x\n", "t.yaml:1:4: aliases (*name) are not supported: write the value out"},
    {"an alias as a key is refused", "*x : 1\n", "t.yaml:1:1: aliases (*name) are not supported: write the value out"},
    {"a tag is refused", "a: !!str 1\n", "t.yaml:1:4: tags (!name) are not supported: remove it"},
    {"a tag on a list is refused", "a: !x [1]\n", "t.yaml:1:4: tags (!name) are not supported: remove it"},
    {"a second document is refused", "a: 1\n---\nb: 2\n",
     "t.yaml:2:1: a second document (---) is not supported: use one file for each"},
    {"a list as a key is refused", "? [a, b]\n: 1\n", "t.yaml:1:3: a key must be text, not a list or a map"},
    {"a zero byte in a text is refused", "a: \"x\\0y\"\n", "t.yaml:1:4: the text holds a zero byte (\\0)"},
    {"deep nesting is refused", "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]",
     "t.yaml:1:17: lists and maps are nested too deeply"},
    {"a missing colon is refused", "a: 1\nb\nc: 2\n",
     "t.yaml:3:1: could not find expected ':', while scanning a simple key that begins at line 2"},
    {"a value after a value is refused", "a: b: c\n", "t.yaml:1:5: mapping values are not allowed in this context"},
    {"an open bracket is refused", "a: [1, 2\n",
     "t.yaml:2:1: did not find expected ',' or ']', while parsing a flow sequence that begins at line 1"},
    {"a tab as indentation is refused", "a:\n\tb: 1\n",
     "t.yaml:2:1: found character that cannot start any token, while scanning for the next token that begins at line 2"},
    {"bytes that are not UTF-8 are refused", "a: \xff\n", "t.yaml: invalid leading UTF-8 octet (byte 3)"},
};

static void refusals_name_the_place(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct yaml_node *root;
        struct err err = {0};
        enum rc rc = yaml_parse(slice_of_str(cases[i].yaml), "t.yaml", arena, &root, &err);
        CHECK_EQ(cases[i].message == NULL ? RC_OK : RC_FATAL, rc, cases[i].behaviour);
        CHECK_STR(cases[i].message == NULL ? "" : cases[i].message, err.msg, cases[i].behaviour);
        arena_reset(arena);
    }
    arena_free(arena);
}

static void the_tree_knows_where_everything_stands(void **state)
{
    (void)state;
    static const char text[] = "# comment\nkafka:\n  brokers: \"a\"\n  list:\n    - x\n    - 'null'\nnone: ~\n";
    struct arena *arena = arena_new(1 << 20);
    struct err err;
    const struct yaml_node *root;
    ASSERT_OK(yaml_parse(slice_of_str(text), "t.yaml", arena, &root, &err), &err);
    CHECK_EQ(YAML_MAP, root->kind, "the root is a map");
    CHECK_EQ(2, root->n_children, "with two keys");
    const struct yaml_node *kafka = yaml_find(root, "kafka");
    CHECK_EQ(2, kafka->key_mark.line, "line of the key");
    CHECK_EQ(1, kafka->key_mark.column, "column of the key");
    const struct yaml_node *brokers = yaml_find(kafka, "brokers");
    CHECK_STR("a", brokers->text, "text without its quotes");
    CHECK_EQ(3, brokers->mark.line, "line of the value");
    CHECK_EQ(12, brokers->mark.column, "column of the value");
    const struct yaml_node *list = yaml_find(kafka, "list");
    CHECK_EQ(2, list->n_children, "items of the list");
    CHECK_EQ(6, list->first->next->mark.line, "line of the second item");
    CHECK_EQ(false, yaml_is_null(list->first->next), "a quoted null is text");
    CHECK_EQ(true, yaml_is_null(yaml_find(root, "none")), "~ is null");
    assert_null(yaml_find(root, "absent"));
    assert_null(yaml_find(list, "absent"));
    arena_free(arena);
}

static void a_full_arena_is_an_error_and_no_crash(void **state)
{
    (void)state;
    static const char text[] = "a: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]\nb: {c: d, e: f, g: h}\n";
    const struct yaml_node *root;
    struct err err;
    struct arena *arena = arena_new(4096);
    ASSERT_OK(yaml_parse(slice_of_str(text), "t.yaml", arena, &root, &err), &err);
    size_t need = arena_used(arena);
    for (size_t left = 0; left < need; left += 16) {
        arena_reset(arena);
        assert_non_null(arena_alloc(arena, arena_max(arena) - left));
        CHECK_EQ(RC_FATAL, yaml_parse(slice_of_str(text), "t.yaml", arena, &root, &err), "too little memory");
        CHECK_STR("t.yaml: the file is too large for a configuration", err.msg, "too little memory");
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_name_the_place),
        cmocka_unit_test(the_tree_knows_where_everything_stands),
        cmocka_unit_test(a_full_arena_is_an_error_and_no_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
