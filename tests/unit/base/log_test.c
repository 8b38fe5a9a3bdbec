#include "test.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/log.h"
#include "capture_stderr.h"

enum { SAID_BYTES = 1 << 20 };

static char *said;

static int set_up(void **state)
{
    (void)state;
    log_init(LOG_LEVEL_INFO, NULL);
    said = malloc(SAID_BYTES);
    return said == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(said);
    return 0;
}

/* The line as JSON; it must be one. */
static json_t *line_of(const char *text)
{
    json_error_t error;
    json_t *line = json_loads(text, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error);
    if (line == NULL)
        fail_msg("not JSON: %s: %s", error.text, text);
    return line;
}

static void a_line_is_json_with_the_keys_it_was_given(void **state)
{
    (void)state;
    log_init(LOG_LEVEL_INFO, "capture core");
    struct capture_stderr capture = capture_stderr_begin();
    log_warn("some_event", LOG_STR("text", "a \"b\"\n\x01\xff"), LOG_STR("none", NULL), LOG_I64("less", INT64_MIN),
             LOG_U64("more", INT64_MAX), LOG_F64("part", 0.25), LOG_F64("not", NAN), LOG_BOOL("yes", true));
    capture_stderr_end(&capture, said, SAID_BYTES);
    json_t *line = line_of(said);
    assert_string_equal("warn", json_string_value(json_object_get(line, "level")));
    assert_string_equal("capture core", json_string_value(json_object_get(line, "worker")));
    assert_string_equal("some_event", json_string_value(json_object_get(line, "event")));
    assert_string_equal("a \"b\"\n\x01\xef\xbf\xbd", json_string_value(json_object_get(line, "text")));
    assert_true(json_is_null(json_object_get(line, "none")));
    assert_true(json_integer_value(json_object_get(line, "less")) == INT64_MIN);
    assert_non_null(strstr(said, "\"more\":9223372036854775807,"));
    assert_true(json_real_value(json_object_get(line, "part")) == 0.25);
    assert_true(json_is_null(json_object_get(line, "not")));
    assert_true(json_is_true(json_object_get(line, "yes")));
    assert_int_equal(27, strlen(json_string_value(json_object_get(line, "time"))));
    json_decref(line);
    assert_string_equal("}\n", said + strlen(said) - 2);
}

static void the_largest_number_keeps_its_digits(void **state)
{
    (void)state;
    struct capture_stderr capture = capture_stderr_begin();
    log_info("event", LOG_U64("n", UINT64_MAX)); /* more than some readers of JSON take */
    capture_stderr_end(&capture, said, SAID_BYTES);
    assert_non_null(strstr(said, ",\"n\":18446744073709551615}\n"));
}

static void an_error_brings_its_code_and_advice(void **state)
{
    (void)state;
    struct err err;
    (void)!err_set(&err, ERR_S3_AUTH, "could not put it");
    struct capture_stderr capture = capture_stderr_begin();
    log_error("worker_stopped", LOG_ERR(&err));
    capture_stderr_end(&capture, said, SAID_BYTES);
    assert_non_null(
        strstr(said, "\"code\":\"S3_AUTH\",\"error\":\"could not put it\",\"hint\":\"check the credentials"));
}

static void lines_below_the_level_are_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        enum log_level lowest;
        const char *want;
    } cases[] = {
        {"debug says everything", LOG_LEVEL_DEBUG, "diwe"},
        {"info", LOG_LEVEL_INFO, "iwe"},
        {"warn", LOG_LEVEL_WARN, "we"},
        {"error", LOG_LEVEL_ERROR, "e"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char got[8] = "";
        size_t n = 0;
        log_init(cases[i].lowest, NULL);
        struct capture_stderr capture = capture_stderr_begin();
        log_debug("d");
        log_info("i");
        log_warn("w");
        log_error("e");
        capture_stderr_end(&capture, said, SAID_BYTES);
        for (const char *at = strstr(said, "\"event\":\""); at != NULL; at = strstr(at + 1, "\"event\":\""))
            got[n++] = at[strlen("\"event\":\"")];
        CHECK_STR(cases[i].want, got, cases[i].behaviour);
        CHECK_EQ(false, strstr(said, "worker") != NULL, "no worker, no key");
    }
}

static void a_line_that_is_too_long_loses_whole_fields(void **state)
{
    (void)state;
    static char lengthy[9000];
    memset(lengthy, '"', sizeof(lengthy) - 1);
    struct capture_stderr capture = capture_stderr_begin();
    log_info("event", LOG_STR("lost", lengthy), LOG_U64("kept", 7));
    capture_stderr_end(&capture, said, SAID_BYTES);
    json_t *line = line_of(said);
    assert_null(json_object_get(line, "lost"));
    assert_true(json_integer_value(json_object_get(line, "kept")) == 7);
    json_decref(line);
}

static void levels_have_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool want;
        enum log_level want_level;
    } cases[] = {
        {"debug", true, LOG_LEVEL_DEBUG}, {"INFO", true, LOG_LEVEL_INFO}, {"Warn", true, LOG_LEVEL_WARN},
        {"error", true, LOG_LEVEL_ERROR}, {"", false, LOG_LEVEL_DEBUG},   {"warning", false, LOG_LEVEL_DEBUG},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum log_level level = LOG_LEVEL_DEBUG;
        CHECK_EQ(cases[i].want, log_level_parse(cases[i].text, &level), cases[i].text);
        CHECK_EQ(cases[i].want_level, level, cases[i].text);
    }
}

static void *write_lines(void *name)
{
    for (int i = 0; i < 200; i++)
        log_info("line", LOG_STR("from", name), LOG_I64("i", i));
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    static char names[3][2] = {"a", "b", "c"};
    pthread_t threads[3];
    struct capture_stderr capture = capture_stderr_begin();
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(0, pthread_create(&threads[i], NULL, write_lines, names[i]));
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    capture_stderr_end(&capture, said, SAID_BYTES);
    size_t n_lines = 0;
    char *rest = NULL;
    for (char *text = strtok_r(said, "\n", &rest); text != NULL; text = strtok_r(NULL, "\n", &rest), n_lines++)
        json_decref(line_of(text));
    assert_int_equal(600, n_lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_is_json_with_the_keys_it_was_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_largest_number_keeps_its_digits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_brings_its_code_and_advice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_that_is_too_long_loses_whole_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(levels_have_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_of_threads_do_not_mix, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
