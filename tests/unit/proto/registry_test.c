#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/registry.h"

/* A registry that answers from a script: one thread, one connection a request. */
struct script {
    int listener;
    unsigned short port;
    pthread_t thread;
    const struct answer *answers;
    size_t n_answers;
    size_t n_served;
    char requests[8][4096];
};

struct answer {
    int status;
    const char *body;
};

static void read_request(int connection, char *out, size_t size)
{
    size_t len = 0, want = 0;
    while (len + 1 < size && (want == 0 || len < want)) {
        ssize_t n = read(connection, out + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
        out[len] = '\0';
        const char *head_end = strstr(out, "\r\n\r\n"), *length = strstr(out, "Content-Length: ");
        if (head_end == NULL)
            continue;
        want = (size_t)(head_end + 4 - out);
        if (length != NULL && length < head_end)
            want += strtoul(length + strlen("Content-Length: "), NULL, 10);
    }
    out[len] = '\0';
}

static void *serve(void *script_)
{
    struct script *script = script_;
    for (size_t i = 0; i < script->n_answers; i++) {
        int connection = accept(script->listener, NULL, NULL);
        if (connection < 0)
            return NULL;
        const struct answer *answer = &script->answers[i];
        char text[4096];
        read_request(connection, script->requests[i], sizeof(script->requests[i]));
        int len = snprintf(text, sizeof(text),
                           "HTTP/1.1 %d Scripted\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", answer->status,
                           strlen(answer->body), answer->body);
        if (write(connection, text, (size_t)len) == len)
            script->n_served++;
        close(connection);
    }
    return NULL;
}

static void script_start(struct script *script, const struct answer *answers, size_t n_answers)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    *script = (struct script){.answers = answers, .n_answers = n_answers};
    script->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(script->listener, (struct sockaddr *)&address, sizeof(address)));
    assert_int_equal(0, listen(script->listener, 8));
    assert_int_equal(0, getsockname(script->listener, (struct sockaddr *)&address, &size));
    script->port = ntohs(address.sin_port);
    assert_int_equal(0, pthread_create(&script->thread, NULL, serve, script));
}

/* Every scripted answer must have been asked for. */
static void script_end(struct script *script)
{
    shutdown(script->listener, SHUT_RDWR);
    pthread_join(script->thread, NULL);
    close(script->listener);
    CHECK_EQ(script->n_answers, script->n_served, "answers that were asked for");
}

static struct registry *registry_at(const struct script *script, const char *path, const char *username)
{
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", script->port, path);
    const struct config_registry config = {
        .url = url, .username = username, .password = username == NULL ? NULL : "s3cret"};
    return registry_new(&config);
}

static void a_schema_is_registered_once(void **state)
{
    (void)state;
    static const struct answer answers[] = {{200, "{\"id\":7}"},
                                            {200, "{\"schema\":\"{\\\"type\\\":\\\"string\\\"}\"}"},
                                            {200, "{\"id\":8}"},
                                            {200, "{\"schema\":\"\\\"int\\\"\"}"},
                                            {200, "{\"id\":7}"}};
    struct script script;
    script_start(&script, answers, ARRAY_LEN(answers));
    struct registry *registry = registry_at(&script, "/apis/ccompat/v7//", NULL);
    const struct slice schema = slice_of_str("{\"type\":\"string\",\"doc\":\"a\\nb\"}");
    uint32_t id = 0;
    struct err err;
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(registry_register(registry, "bank.public.a/b \xc3\xa9-value", schema, &id, &err), &err);
        CHECK_EQ(7, id, "the registry's id, then the kept one");
    }
    ASSERT_OK(registry_register(registry, "bank.public.a/b \xc3\xa9-value", slice_of_str("\"int\""), &id, &err), &err);
    CHECK_EQ(8, id, "another schema is another id");
    ASSERT_OK(registry_register(registry, "other-value", schema, &id, &err), &err);
    CHECK_EQ(7, id, "another subject is asked for by itself");
    registry_free(registry);
    script_end(&script);
    const char *request = script.requests[0];
    static const char line[] = "POST /apis/ccompat/v7/subjects/bank.public.a%2Fb%20%C3%A9-value/versions HTTP/1.1\r\n";
    assert_memory_equal(line, request, sizeof(line) - 1);
    assert_non_null(strstr(request, "Content-Type: application/vnd.schemaregistry.v1+json\r\n"));
    CHECK_STR("{\"schema\":\"{\\\"type\\\":\\\"string\\\",\\\"doc\\\":\\\"a\\\\nb\\\"}\"}",
              strstr(request, "\r\n\r\n") + 4, "body");
    assert_null(strstr(request, "Authorization"));
}

static void a_schema_is_fetched_once_and_stays_where_it_is(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {200, "{\"schema\":\"{\\\"type\\\":\\\"string\\\"}\",\"references\":[]}"},
        {200, "{\"schema\":\"\\\"int\\\"\",\"schemaType\":\"AVRO\"}"},
    };
    struct script script;
    script_start(&script, answers, ARRAY_LEN(answers));
    struct registry *registry = registry_at(&script, "", "me");
    struct slice first, second, again;
    struct err err;
    ASSERT_OK(registry_schema(registry, UINT32_MAX, &first, &err), &err);
    ASSERT_OK(registry_schema(registry, UINT32_MAX - 256, &second, &err), &err); /* the same bucket */
    ASSERT_OK(registry_schema(registry, UINT32_MAX, &again, &err), &err);
    CHECK_EQ(true, slice_eq_str(first, "{\"type\":\"string\"}"), "schema");
    CHECK_EQ(true, slice_eq_str(second, "\"int\""), "schema");
    assert_ptr_equal(first.ptr, again.ptr);
    registry_free(registry);
    script_end(&script);
    static const char line[] = "GET /schemas/ids/4294967295 HTTP/1.1\r\n";
    assert_memory_equal(line, script.requests[0], sizeof(line) - 1);
    assert_non_null(strstr(script.requests[0], "Authorization: Basic bWU6czNjcmV0\r\n"));
}

enum call { CALL_REGISTER, CALL_SCHEMA, CALL_PING };

// clang-format off
static const struct {
    const char *behaviour;
    enum call call;
    struct answer answer;
    enum rc want;
    enum err_code code;
    const char *says;
} answers_table[] = {
    {"an answer to a ping is enough",           CALL_PING,     {200, "[]"}, RC_OK, ERR_NONE, ""},
    {"an incompatible schema is refused",       CALL_REGISTER, {409, "{\"error_code\":409,\"message\":\"incompatible with an earlier schema\"}"}, RC_FATAL, ERR_REGISTRY_INCOMPATIBLE, "error_code 409: incompatible with an earlier schema"},
    {"an invalid schema is refused",            CALL_REGISTER, {422, "{\"error_code\":42201,\"message\":\"Input schema is an invalid Avro schema\"}"}, RC_FATAL, ERR_REGISTRY_REFUSED, "error_code 42201"},
    {"the subject is named",                    CALL_REGISTER, {422, "{}"}, RC_FATAL, ERR_REGISTRY_REFUSED, "under \"t-value\": HTTP 422, error_code 0: the registry gives no reason"},
    {"a wrong password is said",                CALL_REGISTER, {401, "{\"error_code\":401,\"message\":\"Unauthorized\"}"}, RC_FATAL, ERR_REGISTRY_REFUSED, "check registry.username and registry.password"},
    {"a missing right is said, JSON or not",    CALL_PING,     {403, "<html>"}, RC_FATAL, ERR_REGISTRY_REFUSED, "HTTP 403"},
    {"an unknown id is unknown",                CALL_SCHEMA,   {404, "{\"error_code\":40403,\"message\":\"Schema not found\"}"}, RC_FATAL, ERR_REGISTRY_UNKNOWN_ID, "could not get schema 5: HTTP 404, error_code 40403"},
    {"an address without a registry is refused",CALL_REGISTER, {404, "{\"error_code\":404,\"message\":\"HTTP 404 Not Found\"}"}, RC_FATAL, ERR_REGISTRY_REFUSED, "HTTP 404"},
    {"a proxy's 404 is no unknown id",          CALL_SCHEMA,   {404, "<html>not here</html>"}, RC_RETRY, ERR_REGISTRY_UNREACHABLE, "is something else there"},
    {"a server error passes",                   CALL_REGISTER, {500, "{\"error_code\":50001,\"message\":\"Error in the backend data store\"}"}, RC_RETRY, ERR_REGISTRY_UNREACHABLE, "HTTP 500: Error in the backend"},
    {"a proxy's error passes",                  CALL_SCHEMA,   {503, "busy"}, RC_RETRY, ERR_REGISTRY_UNREACHABLE, "HTTP 503"},
    {"too many requests passes",                CALL_REGISTER, {429, "{\"error_code\":429}"}, RC_RETRY, ERR_REGISTRY_UNREACHABLE, "HTTP 429"},
    {"a redirect is not followed",              CALL_PING,     {302, "{}"}, RC_RETRY, ERR_REGISTRY_UNREACHABLE, "HTTP 302"},
    {"a success that is no JSON",               CALL_REGISTER, {200, "<html>log in</html>"}, RC_RETRY, ERR_REGISTRY_UNREACHABLE, "HTTP 200 and no JSON"},
    {"a success without an id",                 CALL_REGISTER, {200, "{\"ID\":1}"}, RC_RETRY, ERR_REGISTRY_UNREACHABLE, "is registry.url right"},
    {"an id beyond 32 bits",                    CALL_REGISTER, {200, "{\"id\":4294967296}"}, RC_RETRY, ERR_REGISTRY_UNREACHABLE, "is registry.url right"},
    {"a negative id",                           CALL_REGISTER, {200, "{\"id\":-1}"}, RC_RETRY, ERR_REGISTRY_UNREACHABLE, "is registry.url right"},
    {"a success without a schema",              CALL_SCHEMA,   {200, "[]"}, RC_RETRY, ERR_REGISTRY_UNREACHABLE, "is registry.url right"},
    {"a schema of another kind",                CALL_SCHEMA,   {200, "{\"schemaType\":\"PROTOBUF\",\"schema\":\"x\"}"}, RC_FATAL, ERR_SCHEMA_UNSUPPORTED, "of type PROTOBUF"},
    {"a schema in pieces",                      CALL_SCHEMA,   {200, "{\"schema\":\"x\",\"references\":[{\"name\":\"a\"}]}"}, RC_FATAL, ERR_SCHEMA_UNSUPPORTED, "refers to other schemas"},
};
// clang-format on

static enum rc make_call(struct registry *registry, enum call call, struct err *err)
{
    uint32_t id;
    struct slice schema;
    switch (call) {
    case CALL_REGISTER: return registry_register(registry, "t-value", slice_of_str("\"int\""), &id, err);
    case CALL_SCHEMA: return registry_schema(registry, 5, &schema, err);
    case CALL_PING: return registry_ping(registry, err);
    }
    return RC_BUG;
}

static void every_answer_has_its_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers_table); i++) {
        struct script script;
        struct err err = {0};
        script_start(&script, &answers_table[i].answer, 1);
        struct registry *registry = registry_at(&script, "", NULL);
        enum rc rc = make_call(registry, answers_table[i].call, &err);
        registry_free(registry);
        script_end(&script);
        CHECK_EQ(answers_table[i].want, rc, answers_table[i].behaviour);
        CHECK_EQ(answers_table[i].code, err.code, answers_table[i].behaviour);
        if (strstr(err.msg, answers_table[i].says) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", answers_table[i].behaviour, err.msg, answers_table[i].says);
    }
}

static enum rc register_text(struct registry *registry, const char *text, uint32_t *ret_id, struct err *err)
{
    return registry_register(registry, "t-value", slice_of_str(text), ret_id, err);
}

static void writers_that_alternate_ask_once(void **state)
{
    (void)state;
    static const struct answer answers[] = {{200, "{\"id\":1}"},
                                            {200, "{\"schema\":\"\\\"int\\\"\"}"},
                                            {200, "{\"id\":2}"},
                                            {200, "{\"schema\":\"\\\"long\\\"\"}"}};
    struct script script;
    script_start(&script, answers, ARRAY_LEN(answers));
    struct registry *registry = registry_at(&script, "", NULL);
    for (int i = 0; i < 10; i++) {
        struct err err;
        uint32_t id = 0;
        ASSERT_OK(register_text(registry, i % 2 == 0 ? "\"int\"" : "\"long\"", &id, &err), &err);
        CHECK_EQ(i % 2 + 1, id, "each has its id");
    }
    registry_free(registry);
    script_end(&script);
}

/* {id, then what the registry keeps there} until it is right. */
static void an_id_that_readers_could_not_use_is_not_taken(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {200, "{\"id\":1}"}, {200, "{\"schema\":\"\\\"long\\\"\"}"}, /* another schema's */
        {200, "{\"id\":1}"}, {404, "{\"error_code\":40403}"},        /* not there yet */
        {200, "{\"id\":1}"}, {200, "{\"schema\":\"\\\"int\\\"\"}"},  /* the same id means something else now */
    };
    struct script script;
    script_start(&script, answers, ARRAY_LEN(answers));
    struct registry *registry = registry_at(&script, "", NULL);
    struct err err = {0};
    uint32_t id = 0;
    CHECK_EQ(RC_RETRY, register_text(registry, "\"int\"", &id, &err), "another schema's id");
    assert_non_null(strstr(err.msg, "\"t-value\" has id 1, and keeps another schema there"));
    CHECK_EQ(RC_RETRY, register_text(registry, "\"int\"", &id, &err), "an id that is not known");
    CHECK_EQ(0, id, "nothing was returned");
    ASSERT_OK(register_text(registry, "\"int\"", &id, &err), &err);
    CHECK_EQ(1, id, "and then it is right");
    registry_free(registry);
    script_end(&script);
}

static void a_failure_is_not_kept(void **state)
{
    (void)state;
    static const struct answer answers[] = {{503, "busy"}, {200, "{\"id\":9}"}, {200, "{\"schema\":\"\\\"int\\\"\"}"}};
    struct script script;
    script_start(&script, answers, ARRAY_LEN(answers));
    struct registry *registry = registry_at(&script, "", NULL);
    uint32_t id = 0;
    struct err err;
    CHECK_EQ(RC_RETRY, registry_register(registry, "t", slice_of_str("\"int\""), &id, &err), "first");
    ASSERT_OK(registry_register(registry, "t", slice_of_str("\"int\""), &id, &err), &err);
    CHECK_EQ(9, id, "then it answers");
    registry_free(registry);
    script_end(&script);
}

static void a_registry_that_is_away_is_unreachable_and_no_secret_is_told(void **state)
{
    (void)state;
    struct script script;
    script_start(&script, NULL, 0);
    script_end(&script); /* nobody listens there any more */
    char url[128];
    snprintf(url, sizeof(url), "http://me:hunter2@127.0.0.1:%u", script.port);
    const struct config_registry config = {.url = url};
    struct registry *registry = registry_new(&config);
    struct err err;
    CHECK_EQ(RC_RETRY, registry_ping(registry, &err), "rc");
    CHECK_EQ(ERR_REGISTRY_UNREACHABLE, err.code, "code");
    assert_non_null(strstr(err.msg, "could not list the registry's subjects: "));
    assert_null(strstr(err.msg, "hunter2"));
    registry_free(registry);
    registry_free(NULL);
}

static void a_password_in_the_address_is_not_told(void **state)
{
    (void)state;
    static const struct answer answers[] = {{500, "{}"}};
    struct script script;
    script_start(&script, answers, 1);
    char url[128];
    snprintf(url, sizeof(url), "http://me:hunter2@127.0.0.1:%u", script.port);
    const struct config_registry config = {.url = url};
    struct registry *registry = registry_new(&config);
    struct err err;
    CHECK_EQ(RC_RETRY, registry_ping(registry, &err), "rc");
    assert_null(strstr(err.msg, "hunter2"));
    registry_free(registry);
    script_end(&script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_is_registered_once),
        cmocka_unit_test(a_schema_is_fetched_once_and_stays_where_it_is),
        cmocka_unit_test(every_answer_has_its_class),
        cmocka_unit_test(writers_that_alternate_ask_once),
        cmocka_unit_test(an_id_that_readers_could_not_use_is_not_taken),
        cmocka_unit_test(a_failure_is_not_kept),
        cmocka_unit_test(a_registry_that_is_away_is_unreachable_and_no_secret_is_told),
        cmocka_unit_test(a_password_in_the_address_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
