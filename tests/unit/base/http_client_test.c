#include "test.h"

#include "base/clock.h"
#include "base/http_client.h"
#include "base/stop.h"
#include "http_script.h"

static struct http_client *new_client(void)
{
    return http_client_new(&(struct http_client_options){.connect_timeout_ms = 2000, .timeout_ms = 5000});
}

static enum rc send_to(struct http_client *client, const struct http_script *script, const char *method,
                       struct slice body, struct http_response *ret_response, struct err *err)
{
    char url[256];
    struct http_request request = {.method = method, .body = body};
    request.url = http_script_url(script, "/a%20b/../c?x=1", url, sizeof(url));
    return http_client_send(client, &request, ERR_S3_UNREACHABLE, ret_response, err);
}

static bool asked_with(const struct http_script *script, size_t i, const char *header)
{
    return strcasestr(script->seen[i].head, header) != NULL;
}

static void each_method_arrives_as_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *method, *body, *want_header, *unwanted_header;
    } cases[] = {
        {"GET has no body", "GET", NULL, "\r\nUser-Agent: leat/", "Content-Length"},
        {"PUT sends its body without asking first", "PUT", "hello", "\r\nContent-Length: 5\r\n", "Expect:"},
        {"a type that nobody gave is not sent", "PUT", "hello", "\r\nHost: 127.0.0.1:", "Content-Type"},
        {"PUT without a body says so", "PUT", NULL, "\r\nContent-Length: 0\r\n", "Transfer-Encoding"},
        {"POST without a body says so", "POST", NULL, "\r\nContent-Length: 0\r\n", "Content-Type"},
        {"DELETE has no body", "DELETE", NULL, "\r\nHost: ", "Content-Length"},
        {"HEAD has no body", "HEAD", NULL, "\r\nHost: ", "Content-Length"},
    };
    struct http_script_reply replies[ARRAY_LEN(cases)];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        replies[i] = (struct http_script_reply){.status = 200, .body = "yes", .keep_open = true, .content_length = 3};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    SCOPED(http_client_free) struct http_client *client = new_client();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct http_response response;
        struct slice body = cases[i].body == NULL ? (struct slice){0} : slice_of_str(cases[i].body);
        ASSERT_OK(send_to(client, script, cases[i].method, body, &response, &err), &err);
        CHECK_EQ(200, response.status, cases[i].behaviour);
        CHECK_EQ(3, response.content_length, cases[i].behaviour);
        CHECK_STR(strcmp(cases[i].method, "HEAD") == 0 ? "" : "yes", (const char *)response.body.ptr,
                  cases[i].behaviour);
    }
    http_script_stop(script);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CHECK_STR(cases[i].method, script->seen[i].method, cases[i].behaviour);
        CHECK_STR("/a%20b/../c?x=1", script->seen[i].target, cases[i].behaviour);
        CHECK_EQ(true, asked_with(script, i, cases[i].want_header), cases[i].behaviour);
        CHECK_EQ(false, asked_with(script, i, cases[i].unwanted_header), cases[i].behaviour);
        CHECK_EQ(1, script->seen[i].connection, "one connection is kept for all");
    }
    assert_memory_equal(script->seen[1].body, "hello", 5);
    http_script_free(script);
}

static void answers_are_given_whatever_their_status(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {
        {.status = 404, .body = "<Error/>"},
        {.status = 301, .headers = "Location: http://127.0.0.1:1/\r\nx-amz-bucket-region: eu-west-1\r\n"},
        {.status = 200, .headers = "ETag: \"abc\"\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\n"},
        {.status = 500},
    };
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    SCOPED(http_client_free) struct http_client *client = new_client();
    struct err err = {0};
    struct http_response response;
    ASSERT_OK(send_to(client, script, "GET", (struct slice){0}, &response, &err), &err);
    assert_int_equal(404, response.status);
    assert_string_equal("<Error/>", (const char *)response.body.ptr);
    ASSERT_OK(send_to(client, script, "GET", (struct slice){0}, &response, &err), &err);
    assert_int_equal(301, response.status); /* not followed */
    assert_string_equal("eu-west-1", response.aws_region);
    ASSERT_OK(send_to(client, script, "PUT", slice_of("x", 1), &response, &err), &err);
    assert_string_equal("\"abc\"", response.etag);
    assert_string_equal("Mon, 23 Nov 2026 10:00:00 GMT", response.header_date);
    ASSERT_OK(send_to(client, script, "GET", (struct slice){0}, &response, &err), &err);
    assert_string_equal("", response.etag); /* nothing is left of the answer before */
    assert_string_equal("", (const char *)response.body.ptr);
    http_script_free(script);
}

static void headers_and_basic_authentication_are_sent(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {{.status = 200}};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    SCOPED(http_client_free) struct http_client *client = http_client_new(
        &(struct http_client_options){.username = "user", .password = "pass"});
    const struct http_header headers[] = {
        {"Content-Type", "application/json"}, {"X-Empty", ""}, {"x-amz-meta-a", "%s"}};
    char url[128];
    struct http_request request = {.method = "POST", .headers = headers, .n_headers = ARRAY_LEN(headers)};
    request.url = http_script_url(script, "/", url, sizeof(url));
    struct err err = {0};
    struct http_response response;
    ASSERT_OK(http_client_send(client, &request, ERR_REGISTRY_UNREACHABLE, &response, &err), &err);
    assert_true(asked_with(script, 0, "\r\nContent-Type: application/json\r\n"));
    assert_true(asked_with(script, 0, "\r\nX-Empty:\r\n"));
    assert_true(asked_with(script, 0, "\r\nx-amz-meta-a: %s\r\n"));
    assert_true(asked_with(script, 0, "\r\nAuthorization: Basic dXNlcjpwYXNz\r\n"));
    http_script_free(script);
}

static void failures_name_the_server_and_no_secret(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {{.fault = HTTP_SCRIPT_CUT},
                                                       {.status = 200, .body = "part", .fault = HTTP_SCRIPT_CUT_BODY}};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    char refused[128], cut[128];
    http_script_url(script, "/k?X-Amz-Signature=hidden", cut, sizeof(cut));
    struct http_script *gone = http_script_start(NULL, 0);
    snprintf(refused, sizeof(refused), "http://user:hidden@127.0.0.1:%u/k?token=hidden#hidden", gone->port);
    http_script_free(gone);
    const struct {
        const char *behaviour, *url;
        enum rc want;
        enum err_code want_code;
        const char *want_text;
    } cases[] = {
        {"nobody listens", refused, RC_RETRY, ERR_S3_UNREACHABLE, "/k: Failed to connect to 127.0.0.1 port "},
        {"the connection is cut before an answer", cut, RC_RETRY, ERR_S3_UNREACHABLE, "/k: Empty reply from server"},
        {"the connection is cut in the answer", cut, RC_RETRY, ERR_S3_UNREACHABLE, "/k: transfer closed with"},
        {"another scheme", "ftp://127.0.0.1/hidden?hidden", RC_FATAL, ERR_CONFIG_VALUE, "ftp://127.0.0.1/"},
        {"no address", "http://", RC_FATAL, ERR_CONFIG_VALUE, "not an http or https address"},
    };
    SCOPED(http_client_free) struct http_client *client = new_client();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct http_response response;
        struct http_request request = {.method = "GET", .url = cases[i].url};
        CHECK_EQ(cases[i].want, http_client_send(client, &request, ERR_S3_UNREACHABLE, &response, &err),
                 cases[i].behaviour);
        CHECK_EQ(cases[i].want_code, err.code, cases[i].behaviour);
        if (strstr(err.msg, cases[i].want_text) == NULL || (i < 3 && strstr(err.msg, "hidden") != NULL))
            fail_msg("%s: %s", cases[i].behaviour, err.msg);
    }
    http_script_free(script);
}

static void a_certificate_file_that_is_missing_is_named(void **state)
{
    (void)state;
    struct http_script *script = http_script_start(NULL, 0);
    SCOPED(http_client_free) struct http_client *client = http_client_new(
        &(struct http_client_options){.ca_file = "/nonexistent/ca.pem", .timeout_ms = 5000});
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/", script->port);
    struct err err = {0};
    struct http_response response;
    struct http_request request = {.method = "GET", .url = url};
    assert_int_equal(RC_FATAL, http_client_send(client, &request, ERR_S3_UNREACHABLE, &response, &err));
    assert_int_equal(ERR_CONFIG_VALUE, err.code);
    assert_non_null(strstr(err.msg, "/nonexistent/ca.pem"));
    http_script_free(script);
}

static void a_proxy_is_left_aside_when_asked(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {{.status = 200}};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    SCOPED(http_client_free) struct http_client *client = http_client_new(
        &(struct http_client_options){.no_proxy = true});
    SCOPED(http_client_free) struct http_client *proxied = new_client();
    struct err err = {0};
    struct http_response response;
    assert_int_equal(RC_RETRY, send_to(proxied, script, "GET", (struct slice){0}, &response, &err));
    ASSERT_OK(send_to(client, script, "GET", (struct slice){0}, &response, &err), &err);
    unsetenv("http_proxy");
    http_script_free(script);
}

static void an_answer_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {{.status = 200, .body = "0123456789"},
                                                       {.status = 200, .body = "0123456789x"}};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    SCOPED(http_client_free) struct http_client *client = http_client_new(
        &(struct http_client_options){.max_response_bytes = 10});
    struct err err = {0};
    struct http_response response;
    ASSERT_OK(send_to(client, script, "GET", (struct slice){0}, &response, &err), &err);
    assert_string_equal("0123456789", (const char *)response.body.ptr);
    assert_int_equal(RC_FATAL, send_to(client, script, "GET", (struct slice){0}, &response, &err));
    assert_int_equal(ERR_MALFORMED, err.code);
    http_script_free(script);
}

static void a_server_that_says_nothing_is_given_up(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {{.fault = HTTP_SCRIPT_HANG}};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    SCOPED(http_client_free) struct http_client *client = http_client_new(
        &(struct http_client_options){.timeout_ms = 200});
    struct err err = {0};
    struct http_response response;
    assert_int_equal(RC_RETRY, send_to(client, script, "GET", (struct slice){0}, &response, &err));
    assert_non_null(strstr(err.msg, "timed out"));
    http_script_free(script);
}

static void a_fresh_stop_lets_a_transfer_finish(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {{.status = 200, .body = "done"}};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    SCOPED(http_client_free) struct http_client *client = new_client();
    struct err err = {0};
    struct http_response response;
    stop_request(); /* for the rest of this program: the last test */
    ASSERT_OK(send_to(client, script, "PUT", slice_of("x", 1), &response, &err), &err);
    assert_string_equal("done", (const char *)response.body.ptr);
    http_script_free(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_method_arrives_as_it_is),
        cmocka_unit_test(answers_are_given_whatever_their_status),
        cmocka_unit_test(headers_and_basic_authentication_are_sent),
        cmocka_unit_test(failures_name_the_server_and_no_secret),
        cmocka_unit_test(a_certificate_file_that_is_missing_is_named),
        cmocka_unit_test(a_proxy_is_left_aside_when_asked),
        cmocka_unit_test(an_answer_beyond_the_limit_is_refused),
        cmocka_unit_test(a_server_that_says_nothing_is_given_up),
        cmocka_unit_test(a_fresh_stop_lets_a_transfer_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
