#include "test.h"

#include "base/err.h"

static void a_code_has_its_class(void **state)
{
    (void)state;
    static const struct {
        enum err_code code;
        enum rc want;
        const char *want_name;
    } cases[] = {
        {ERR_NONE, RC_OK, "NONE"},
        {ERR_BUG, RC_BUG, "BUG"},
        {ERR_S3_TRANSIENT, RC_RETRY, "S3_TRANSIENT"},
        {ERR_S3_AUTH, RC_FATAL, "S3_AUTH"},
        {ERR_DOC_WRONG_TYPE, RC_REJECT, "DOC_WRONG_TYPE"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        CHECK_EQ(cases[i].want, err_set(&err, cases[i].code, "x"), cases[i].want_name);
        CHECK_EQ(cases[i].want, err_class(cases[i].code), cases[i].want_name);
        CHECK_EQ(cases[i].code, err.code, cases[i].want_name);
        CHECK_STR(cases[i].want_name, err_name(cases[i].code), cases[i].want_name);
    }
}

static void every_error_that_stops_says_what_to_do(void **state)
{
    (void)state;
    for (int code = 0; code < ERR_COUNT; code++) {
        const char *name = err_name((enum err_code)code), *hint = err_hint((enum err_code)code);
        assert_non_null(name);
        assert_non_null(hint);
        enum rc class = err_class((enum err_code)code);
        if (class != RC_OK && class != RC_AGAIN && hint[0] == '\0')
            fail_msg("%s has no advice", name);
        if (hint[0] != '\0' && hint[strlen(hint) - 1] == '.')
            fail_msg("%s: no full stop", name);
    }
}

static void context_goes_before_the_message(void **state)
{
    (void)state;
    struct err err = {0};
    (void)!err_set(&err, ERR_PG_AUTH, "no entry for %s", "me");
    assert_int_equal(RC_FATAL, err_wrap(&err, "source \"%s\"", "core"));
    assert_string_equal("source \"core\": no entry for me", err.msg);
    assert_int_equal(ERR_PG_AUTH, err.code);
}

static void long_messages_are_cut_and_end(void **state)
{
    (void)state;
    static char lengthy[2000];
    memset(lengthy, 'x', sizeof(lengthy) - 1);
    struct err err = {0};
    (void)!err_set(&err, ERR_BUG, "%s", lengthy);
    assert_int_equal(sizeof(err.msg) - 1, strlen(err.msg));
    (void)!err_wrap(&err, "before");
    assert_int_equal(sizeof(err.msg) - 1, strlen(err.msg));
    assert_memory_equal("before: xxx", err.msg, 11);
    (void)!err_wrap(&err, "%s", lengthy);
    assert_int_equal(sizeof(err.msg) - 1, strlen(err.msg));
}

static enum rc two_steps(enum rc first, int *ret_steps)
{
    *ret_steps = 1;
    TRY(first);
    *ret_steps = 2;
    return RC_OK;
}

static void try_passes_up_what_is_not_ok(void **state)
{
    (void)state;
    int steps = 0;
    assert_int_equal(RC_OK, two_steps(RC_OK, &steps));
    assert_int_equal(2, steps);
    for (int rc = RC_AGAIN; rc <= RC_BUG; rc++) {
        assert_int_equal(rc, two_steps((enum rc)rc, &steps));
        assert_int_equal(1, steps);
        assert_true(rc_name((enum rc)rc)[0] != '\0');
    }
}

static void errors_have_exit_codes(void **state)
{
    (void)state;
    static const struct {
        enum err_code code;
        enum exit_code want;
    } cases[] = {
        {ERR_NONE, EXIT_CODE_OK},
        {ERR_STOPPED, EXIT_CODE_OK},
        {ERR_USAGE, EXIT_CODE_USAGE},
        {ERR_CONFIG_SYNTAX, EXIT_CODE_USAGE},
        {ERR_CONFIG_ENV, EXIT_CODE_USAGE},
        {ERR_KAFKA_FENCED, EXIT_CODE_FENCED},
        {ERR_SINK_FENCED, EXIT_CODE_FENCED},
        {ERR_BUG, EXIT_CODE_BUG},
        {ERR_PG_AUTH, EXIT_CODE_FATAL},
        {ERR_HTTP_LISTEN, EXIT_CODE_FATAL},
        {ERR_S3_UNREACHABLE, EXIT_CODE_FATAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_EQ(cases[i].want, err_exit_code(&(struct err){.code = cases[i].code}), err_name(cases[i].code));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_has_its_class),
        cmocka_unit_test(every_error_that_stops_says_what_to_do),
        cmocka_unit_test(context_goes_before_the_message),
        cmocka_unit_test(long_messages_are_cut_and_end),
        cmocka_unit_test(try_passes_up_what_is_not_ok),
        cmocka_unit_test(errors_have_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
