#include "test.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/aws/credentials.h"
#include "base/clock.h"
#include "http_script.h"

static const char *const all_names[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_EC2_METADATA_DISABLED",
};

static char folder[64];

/* Nothing set, no file there, and no instance asked. */
static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all_names); i++)
        unsetenv(all_names[i]);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    snprintf(folder, sizeof(folder), "/tmp/leat-credentials-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    setenv("HOME", folder, 1);
    return 0;
}

static const char *write_file(const char *name, const char *text)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(strlen(text), fwrite(text, 1, strlen(text), file));
    assert_int_equal(0, fclose(file));
    return path;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"credentials", "token", ".aws/credentials", ".aws"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        remove(path);
    }
    return remove(folder);
}

static struct aws_credentials_provider *chain(void)
{
    return aws_credentials_provider_new(NULL, "", NULL, "eu-west-1");
}

/* One get of a fresh chain. */
static enum rc get_once(struct aws_credentials *ret_credentials, struct err *err)
{
    struct aws_credentials_provider *provider = chain();
    enum rc rc = aws_credentials_get(provider, ret_credentials, err);
    aws_credentials_provider_free(provider);
    return rc;
}

static void assert_refused(const char *want, const char *behaviour)
{
    struct err err = {0};
    struct aws_credentials got;
    CHECK_EQ(RC_RETRY, get_once(&got, &err), behaviour);
    CHECK_EQ(ERR_AWS_CREDENTIALS, err.code, behaviour);
    if (strstr(err.msg, want) == NULL || strstr(err.msg, "hidden") != NULL)
        fail_msg("%s: %s", behaviour, err.msg);
}

static void assert_got(const char *key_id, const char *secret, const char *token)
{
    struct err err = {0};
    struct aws_credentials got;
    ASSERT_OK(get_once(&got, &err), &err);
    assert_string_equal(key_id, got.access_key_id);
    assert_string_equal(secret, got.secret_access_key);
    assert_string_equal(token, got.session_token);
}

/* As container and instance endpoints give it. */
static void json_answer(char *out, size_t size, int64_t expires_in_s)
{
    char when[32];
    clock_format_utc(clock_wall_us() + expires_in_s * US_PER_S, when);
    snprintf(out, size,
             "{\"Code\": \"Success\", \"AccessKeyId\": \"ASIA\", \"SecretAccessKey\": \"hidden\", "
             "\"Token\": \"tok\", \"Expiration\": \"%.19sZ\"}",
             when);
}

static void fixed_keys_come_before_everything(void **state)
{
    (void)state;
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "envsecret", 1);
    struct aws_credentials_provider *provider = aws_credentials_provider_new("KEY", "secret", NULL, "r");
    struct err err = {0};
    struct aws_credentials got;
    aws_credentials_expire(provider); /* nothing else to get */
    ASSERT_OK(aws_credentials_get(provider, &got, &err), &err);
    assert_string_equal("KEY", got.access_key_id);
    assert_string_equal("secret", got.secret_access_key);
    assert_string_equal("", got.session_token);
    assert_int_equal(0, got.expires_at_us);
    aws_credentials_provider_free(provider);
}

static void the_environment_is_read(void **state)
{
    (void)state;
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    assert_refused("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not", "half a pair is named");
    setenv("AWS_SECRET_ACCESS_KEY", "envsecret", 1);
    assert_got("ENV", "envsecret", "");
    setenv("AWS_SESSION_TOKEN", "token", 1);
    assert_got("ENV", "envsecret", "token");
}

static void nothing_anywhere_says_where_was_looked(void **state)
{
    (void)state;
    assert_refused("none in the environment, no web identity, no profile, no container role", "nothing is set");
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1", 1);
    assert_refused("from the instance: could not reach http://127.0.0.1:1/latest/api/token", "no instance answers");
}

static void profiles_are_read(void **state)
{
    (void)state;
    setenv("AWS_SHARED_CREDENTIALS_FILE",
           write_file("credentials", "# comment\n[default]\naws_access_key_id = DEF\n  aws_secret_access_key=hidden= \n"
                                     "[ other ]\r\nAWS_ACCESS_KEY_ID = OTH\r\naws_secret_access_key = hidden2\r\n"
                                     "aws_session_token = tok\r\nregion = x\n;aws_access_key_id = NO\n"
                                     "[half]\naws_access_key_id = HALF\n"),
           1);
    assert_got("DEF", "hidden=", "");
    setenv("AWS_PROFILE", "other", 1);
    assert_got("OTH", "hidden2", "tok");
    setenv("AWS_PROFILE", "half", 1);
    assert_refused("profile \"half\" in ", "a profile without a secret is named");
    setenv("AWS_PROFILE", "none", 1);
    assert_refused("has no profile \"none\"", "a profile that is not there is named");
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials", 1);
    assert_refused("could not read /nonexistent/credentials: No such file", "a file that is not there is named");
}

static void the_profile_of_the_home_folder_is_the_default(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof(path), "%s/.aws", folder);
    assert_int_equal(0, mkdir(path, 0700));
    write_file(".aws/credentials", "[default]\naws_access_key_id=HOMEKEY\naws_secret_access_key=s\n");
    assert_got("HOMEKEY", "s", "");
}

#define STS_ANSWER                                                                                                     \
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"                          \
    "<AssumeRoleWithWebIdentityResult><Credentials><SessionToken>tok&amp;en==</SessionToken>"                          \
    "<SecretAccessKey>hidden</SecretAccessKey><Expiration>2099-01-01T00:00:00Z</Expiration>"                           \
    "<AccessKeyId>ASIA</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>"                                  \
    "</AssumeRoleWithWebIdentityResponse>"

static void a_web_identity_is_exchanged_at_sts(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {
        {.status = 200, .body = STS_ANSWER},
        {.status = 403,
         .body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform "
                 "sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>"},
        {.status = 200, .body = "<html>hidden</html>"},
    };
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    char url[64];
    setenv("AWS_ENDPOINT_URL_STS", http_script_url(script, "/", url, sizeof(url)), 1);
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write_file("token", "eyJ.a+b/c=\n"), 1);
    setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/leat", 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/", 1); /* comes later: not asked */
    assert_got("ASIA", "hidden", "tok&en==");
    assert_refused("STS answered 403 AccessDenied: Not authorized to perform", "a refusal is told");
    assert_refused("there is no access key id", "an answer of something else is told");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token", 1);
    assert_refused("could not read /nonexistent/token", "a token that is not there is told");
    http_script_stop(script);
    assert_int_equal(3, script->n_seen);
    assert_string_equal("POST", script->seen[0].method);
    assert_null(strcasestr(script->seen[0].head, "authorization"));
    char body[512];
    snprintf(body, sizeof(body), "%.*s", (int)script->seen[0].body_len, (const char *)script->seen[0].body);
    assert_string_equal("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012"
                        "%3Arole%2Fleat&RoleSessionName=leat&WebIdentityToken=eyJ.a%2Bb%2Fc%3D&DurationSeconds=3600",
                        body);
    http_script_free(script);
}

static void a_container_is_asked_with_its_token(void **state)
{
    (void)state;
    char answer[512], url[64];
    json_answer(answer, sizeof(answer), 3600);
    const struct http_script_reply replies[] = {
        {.status = 200, .body = answer},
        {.status = 200, .body = answer},
        {.status = 200, .body = answer},
        {.status = 401, .body = "hidden"},
        {.status = 200, .body = "hidden, not JSON"},
        {.status = 200, .body = "[1]"},
    };
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", http_script_url(script, "/v1/credentials?x=1", url, sizeof(url)), 1);
    assert_got("ASIA", "hidden", "tok");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc", 1);
    assert_got("ASIA", "hidden", "tok");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write_file("token", "from-file\n"), 1);
    assert_got("ASIA", "hidden", "tok");
    assert_refused("the container endpoint answered 401", "a refusal is told without its body");
    assert_refused("it is not JSON", "an answer of something else is told without its body");
    assert_refused("there is no access key id", "JSON of another shape is told");
    write_file("token", "two\r\nlines: yes");
    assert_refused("it has line breaks", "a token cannot add headers");
    http_script_stop(script);
    assert_int_equal(6, script->n_seen);
    assert_null(strcasestr(script->seen[0].head, "authorization"));
    assert_non_null(strstr(script->seen[1].head, "Authorization: Basic abc\r\n"));
    assert_non_null(strstr(script->seen[2].head, "Authorization: from-file\r\n"));
    assert_string_equal("/v1/credentials?x=1", script->seen[0].target);
    http_script_free(script);
}

static void a_container_uri_in_the_clear_must_be_near(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *uri;
    } cases[] = {
        {"another machine", "http://192.0.2.1/v1"},
        {"a name", "http://example.com/v1"},
        {"a name that begins like an allowed one", "http://169.254.170.2.example.com/v1"},
        {"an allowed address as user name", "http://127.0.0.1@example.com/v1"},
        {"another link-local address", "http://169.254.169.254/v1"},
        {"another scheme", "file:///etc/passwd"},
        {"no scheme", "127.0.0.1/v1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", cases[i].uri, 1);
        assert_refused("only https, loopback and the agents' own addresses are allowed", cases[i].behaviour);
    }
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:1/v1", 1);
    assert_refused("could not reach http://localhost:1/v1", "loopback is allowed");
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[::1]:1/v1", 1);
    assert_refused("could not reach http://[::1]:1/v1", "IPv6 loopback is allowed");
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://127.0.0.1:1/v1", 1);
    assert_refused("could not reach https://127.0.0.1:1/v1", "https is allowed");
}

static void an_instance_is_asked_by_session(void **state)
{
    (void)state;
    char answer[512], url[64];
    json_answer(answer, sizeof(answer), 3600);
    const struct http_script_reply replies[] = {
        {.status = 200, .body = "session", .keep_open = true},
        {.status = 200, .body = "my role\n", .keep_open = true},
        {.status = 200, .body = answer},
        {.status = 200, .body = "session", .keep_open = true},
        {.status = 404, .body = "hidden"},
        {.status = 403},
    };
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", http_script_url(script, "/", url, sizeof(url)), 1);
    assert_got("ASIA", "hidden", "tok");
    assert_refused("(has it a role?) of the instance answered 404", "an instance without a role");
    assert_refused("/latest/api/token of the instance answered 403", "metadata that are switched off");
    http_script_stop(script);
    assert_string_equal("PUT", script->seen[0].method);
    assert_string_equal("/latest/api/token", script->seen[0].target);
    assert_non_null(strstr(script->seen[0].head, "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
    assert_string_equal("/latest/meta-data/iam/security-credentials/", script->seen[1].target);
    assert_string_equal("/latest/meta-data/iam/security-credentials/my%20role", script->seen[2].target);
    assert_non_null(strstr(script->seen[2].head, "X-aws-ec2-metadata-token: session\r\n"));
    http_script_free(script);
}

static void renewal_comes_before_the_end_and_keeps_what_holds(void **state)
{
    (void)state;
    char far[512], near[512], past[512], url[64];
    json_answer(far, sizeof(far), 3600);
    json_answer(near, sizeof(near), 120);
    json_answer(past, sizeof(past), -10);
    const struct {
        const char *behaviour;
        struct http_script_reply replies[2];
        bool expire; /* between two gets */
        size_t want_asked;
        enum rc want_second;
    } cases[] = {
        {"what holds for an hour is not asked for again", {{.status = 200, .body = far}}, false, 1, RC_OK},
        {"what ends soon is kept while renewal fails",
         {{.status = 200, .body = near}, {.status = 500}},
         false,
         2,
         RC_OK},
        {"what the server refused is asked for again",
         {{.status = 200, .body = far}, {.status = 200, .body = far}},
         true,
         2,
         RC_OK},
        {"what the server refused is not kept", {{.status = 200, .body = far}, {.status = 500}}, true, 2, RC_RETRY},
        {"what came too late is not used", {{.status = 500}, {.status = 200, .body = past}}, false, 2, RC_RETRY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_script *script = http_script_start(cases[i].replies, 2);
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", http_script_url(script, "/", url, sizeof(url)), 1);
        struct aws_credentials_provider *provider = chain();
        struct err err = {0};
        struct aws_credentials got;
        CHECK_EQ(cases[i].replies[0].status == 200 ? RC_OK : RC_RETRY, aws_credentials_get(provider, &got, &err),
                 cases[i].behaviour);
        if (cases[i].expire)
            aws_credentials_expire(provider);
        CHECK_EQ(cases[i].want_second, aws_credentials_get(provider, &got, &err), cases[i].behaviour);
        http_script_stop(script);
        CHECK_EQ(cases[i].want_asked, script->n_seen, cases[i].behaviour);
        http_script_free(script);
        aws_credentials_provider_free(provider);
    }
}

static void a_token_that_does_not_fit_is_refused_whole(void **state)
{
    (void)state;
    static char token[5000];
    memset(token, 't', sizeof(token) - 1);
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hidden", 1);
    setenv("AWS_SESSION_TOKEN", token, 1);
    assert_refused("the session token is longer than 4095 bytes", "a cut token would be a wrong one");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(fixed_keys_come_before_everything),
        CASE(the_environment_is_read),
        CASE(nothing_anywhere_says_where_was_looked),
        CASE(profiles_are_read),
        CASE(the_profile_of_the_home_folder_is_the_default),
        CASE(a_web_identity_is_exchanged_at_sts),
        CASE(a_container_is_asked_with_its_token),
        CASE(a_container_uri_in_the_clear_must_be_near),
        CASE(an_instance_is_asked_by_session),
        CASE(renewal_comes_before_the_end_and_keeps_what_holds),
        CASE(a_token_that_does_not_fit_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
