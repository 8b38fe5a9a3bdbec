#include "test.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/health.h"
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/metrics.h"

static struct http_server *started(const char *listen_on)
{
    struct http_server *server = NULL;
    struct err err = {0};
    ASSERT_OK(http_server_start(listen_on, &server, &err), &err);
    assert_true(http_server_port(server) != 0);
    return server;
}

static enum rc ask(struct http_client *client, const char *host, unsigned short port, const char *method,
                   const char *path, struct http_response *ret_response, struct err *err)
{
    char url[128];
    snprintf(url, sizeof(url), "http://%s:%u%s", host, port, path);
    struct http_request request = {.method = method, .url = url};
    return http_client_send(client, &request, ERR_IO, ret_response, err);
}

static void each_page_answers(void **state)
{
    (void)state;
    health_init("capture <core>");
    health_set(HEALTH_WAITING, "no \"broker\" & <nothing>");
    metric_add(METRIC_capture_events_total, 12, "bank.public.t", NULL);
    static const struct {
        const char *behaviour, *method, *path;
        long want;
        const char *want_text;
    } cases[] = {
        {"liveness is always green", "GET", "/healthz", 200, "ok"},
        {"readiness is red with the reason", "GET", "/readyz", 503, "waiting: no \"broker\" & <nothing>\n"},
        {"metrics are shown", "GET", "/metrics", 200, "\nleat_capture_events_total{topic=\"bank.public.t\"} 12\n"},
        {"a scraper's parameters are left aside", "GET", "/metrics?x=1", 200, "# HELP leat_build_info"},
        {"the status page names the worker", "GET", "/", 200, "<h1>leat capture &lt;core&gt;</h1>"},
        {"the status page has the state", "GET", "/", 200, "<td>waiting</td>"},
        {"the status page has the reason", "GET", "/", 200, "no &quot;broker&quot; &amp; &lt;nothing&gt;"},
        {"the status page has the version", "GET", "/", 200, "<td>" LEAT_VERSION "</td>"},
        {"the status page has metrics", "GET", "/", 200, "bank.public.t&quot;} 12"},
        {"another page is not found", "GET", "/metrics/", 404, "/healthz"},
        {"nothing leads out of the pages", "GET", "/../etc/passwd", 404, "/healthz"},
        {"HEAD has no body", "HEAD", "/healthz", 200, ""},
        {"POST is not allowed", "POST", "/metrics", 405, "only GET"},
        {"PUT is not allowed", "PUT", "/", 405, "only GET"},
        {"DELETE is not allowed", "DELETE", "/healthz", 405, "only GET"},
    };
    struct http_server *server = started("127.0.0.1:0");
    SCOPED(http_client_free) struct http_client *client = http_client_new(&(struct http_client_options){0});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct http_response response;
        ASSERT_OK(ask(client, "127.0.0.1", http_server_port(server), cases[i].method, cases[i].path, &response, &err),
                  &err);
        CHECK_EQ(cases[i].want, response.status, cases[i].behaviour);
        if (strstr((const char *)response.body.ptr, cases[i].want_text) == NULL)
            fail_msg("%s: %s", cases[i].behaviour, (const char *)response.body.ptr);
    }
    http_server_stop(server);
}

static void readiness_is_green_when_rows_move(void **state)
{
    (void)state;
    health_init("sink w");
    health_set(HEALTH_RUNNING, "");
    health_touch();
    struct http_server *server = started("127.0.0.1:0");
    SCOPED(http_client_free) struct http_client *client = http_client_new(&(struct http_client_options){0});
    struct err err = {0};
    struct http_response response;
    ASSERT_OK(ask(client, "127.0.0.1", http_server_port(server), "GET", "/readyz", &response, &err), &err);
    assert_int_equal(200, response.status);
    assert_string_equal("running\n", (const char *)response.body.ptr);
    http_server_stop(server);
}

static bool has_ipv6_loopback(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

static void addresses_are_listened_on(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *listen_on, *host;
        bool needs_ipv6;
    } cases[] = {
        {"an IPv4 address", "127.0.0.1:0", "127.0.0.1", false},
        {"every IPv4 address", "0.0.0.0:0", "127.0.0.1", false},
        {"an IPv6 address", "[::1]:0", "[::1]", true},
        {"every address, by IPv6", "[::]:0", "[::1]", true},
        {"every address, by IPv4", "[::]:0", "127.0.0.1", true},
        {"no address means every one", ":0", "127.0.0.1", false},
        {"a name", "localhost:0", "localhost", false},
    };
    SCOPED(http_client_free) struct http_client *client = http_client_new(&(struct http_client_options){0});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (cases[i].needs_ipv6 && !has_ipv6_loopback())
            continue; /* this machine has only IPv4 */
        struct http_server *server = started(cases[i].listen_on);
        struct err err = {0};
        struct http_response response;
        ASSERT_OK(ask(client, cases[i].host, http_server_port(server), "GET", "/healthz", &response, &err), &err);
        CHECK_EQ(200, response.status, cases[i].behaviour);
        http_server_stop(server);
    }
}

static void what_cannot_be_listened_on_is_named(void **state)
{
    (void)state;
    struct http_server *taken = started("127.0.0.1:0"), *server = NULL;
    char same[64], want_same[128];
    snprintf(same, sizeof(same), "127.0.0.1:%u", http_server_port(taken));
    snprintf(want_same, sizeof(want_same), "could not listen on \"%s\": Address already in use", same);
    const struct {
        const char *behaviour, *listen_on, *want;
    } cases[] = {
        {"a port that is taken", same, want_same},
        {"an address of another machine", "192.0.2.1:0",
         "could not listen on \"192.0.2.1:0\": Cannot assign requested address"},
        {"no port", "127.0.0.1", "it is not host:port"},
        {"an empty port", "127.0.0.1:", "it is not host:port"},
        {"a port that is not a number", "127.0.0.1:http", "it is not host:port"},
        {"a port that is too large", "127.0.0.1:65536", "it is not host:port"},
        {"IPv6 without brackets", "::1:9102", "it is not host:port"},
        {"brackets that do not close", "[::1:9102", "it is not host:port"},
        {"nothing", "", "it is not host:port"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        CHECK_EQ(RC_FATAL, http_server_start(cases[i].listen_on, &server, &err), cases[i].behaviour);
        CHECK_EQ(ERR_HTTP_LISTEN, err.code, cases[i].behaviour);
        if (strstr(err.msg, cases[i].want) == NULL)
            fail_msg("%s: %s", cases[i].behaviour, err.msg);
    }
    http_server_stop(taken);
}

static void a_stopped_server_frees_its_port(void **state)
{
    (void)state;
    struct http_server *server = started("127.0.0.1:0");
    char again[64];
    snprintf(again, sizeof(again), "127.0.0.1:%u", http_server_port(server));
    http_server_stop(server);
    http_server_stop(started(again));
    http_server_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_page_answers),
        cmocka_unit_test(readiness_is_green_when_rows_move),
        cmocka_unit_test(addresses_are_listened_on),
        cmocka_unit_test(what_cannot_be_listened_on_is_named),
        cmocka_unit_test(a_stopped_server_frees_its_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
