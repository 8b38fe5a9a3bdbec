#include "base/http_server.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/health.h"
#include "base/metrics.h"

enum {
    READY_MAX_AGE_MS = 120 * MS_PER_S, /* a large batch may keep the warehouse busy for a while */
    PAGE_MAX_BYTES = 64 << 20,
    MAX_CONNECTIONS = 32,
    IDLE_TIMEOUT_S = 15,
    BACKLOG = 64,
};

struct http_server {
    struct MHD_Daemon *daemon;
    unsigned short port;
};

static unsigned answer_metrics(struct buf *out)
{
    metrics_render(out);
    return MHD_HTTP_OK;
}

static unsigned answer_healthz(struct buf *out)
{
    buf_put_str(out, "ok\n");
    return MHD_HTTP_OK;
}

static unsigned answer_readyz(struct buf *out)
{
    char why[640];
    bool is_ready = health_is_ready(READY_MAX_AGE_MS, why, sizeof(why));
    buf_printf(out, "%s\n", why);
    return is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static void put_html(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<': buf_put_str(out, "&lt;"); break;
        case '>': buf_put_str(out, "&gt;"); break;
        case '&': buf_put_str(out, "&amp;"); break;
        case '"': buf_put_str(out, "&quot;"); break;
        default: buf_put_u8(out, (uint8_t)*text);
        }
    }
}

static void put_row(struct buf *out, const char *name, const char *value)
{
    buf_put_str(out, "<tr><th>");
    put_html(out, name);
    buf_put_str(out, "</th><td>");
    put_html(out, value);
    buf_put_str(out, "</td></tr>\n");
}

/* What has a value, as it stands in the exposition; buckets are for machines. */
static void put_metrics_list(struct buf *out)
{
    SCOPED(buf_done) struct buf text = buf_new(PAGE_MAX_BYTES);
    metrics_render(&text);
    buf_cstr(&text);
    char *rest = NULL, *line = text.failed ? NULL : strtok_r((char *)text.ptr, "\n", &rest);
    buf_put_str(out, "<pre>\n");
    for (; line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#' || strstr(line, "_bucket{") != NULL)
            continue;
        put_html(out, line);
        buf_put_u8(out, '\n');
    }
    buf_put_str(out, "</pre>\n");
}

static unsigned answer_status(struct buf *out)
{
    struct health_report report;
    char text[96], why[640];
    health_report(&report);
    bool is_ready = health_is_ready(READY_MAX_AGE_MS, why, sizeof(why));
    buf_put_str(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>leat ");
    put_html(out, report.worker);
    buf_put_str(out, "</title><style>body{font-family:sans-serif;margin:2em}th{text-align:left;padding-right:2em}"
                     "</style></head><body>\n<h1>leat ");
    put_html(out, report.worker);
    buf_put_str(out, "</h1>\n<table>\n");
    put_row(out, "state", health_state_name(report.state));
    put_row(out, "why", report.why);
    put_row(out, "ready", is_ready ? "yes" : why);
    snprintf(text, sizeof(text), "%lld s", (long long)(report.in_state_ms / MS_PER_S));
    put_row(out, "in this state for", text);
    snprintf(text, sizeof(text), "%lld s ago", (long long)(report.touch_age_ms / MS_PER_S));
    put_row(out, "target last reached", report.touch_age_ms < 0 ? "not yet" : text);
    put_row(out, "version", LEAT_VERSION);
    buf_put_str(out, "</table>\n<p><a href=\"/metrics\">/metrics</a> <a href=\"/healthz\">/healthz</a> "
                     "<a href=\"/readyz\">/readyz</a></p>\n");
    put_metrics_list(out);
    buf_put_str(out, "</body></html>\n");
    return MHD_HTTP_OK;
}

static const struct page {
    const char *path, *content_type;
    unsigned (*answer)(struct buf *out);
} pages[] = {
    {"/", "text/html; charset=utf-8", answer_status},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", answer_metrics},
    {"/healthz", "text/plain; charset=utf-8", answer_healthz},
    {"/readyz", "text/plain; charset=utf-8", answer_readyz},
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *content_type,
                               struct slice body)
{
    union {
        const void *given;
        void *taken;
    } bytes = {.given = body.ptr}; /* copied, not changed: MHD_RESPMEM_MUST_COPY */
    struct MHD_Response *response = MHD_create_response_from_buffer(body.len, bytes.taken, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
    return respond(connection, status, "text/plain; charset=utf-8", slice_of_str(text));
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **per_request)
{
    (void)context, (void)version, (void)upload, (void)upload_size, (void)per_request;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return respond_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET is answered here\n");
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (strcmp(url, pages[i].path) != 0)
            continue;
        SCOPED(buf_done) struct buf body = buf_new(PAGE_MAX_BYTES);
        unsigned status = pages[i].answer(&body);
        if (body.failed)
            return respond_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "the page is too large\n");
        return respond(connection, status, pages[i].content_type, buf_slice(&body));
    }
    return respond_text(connection, MHD_HTTP_NOT_FOUND, "there is /, /metrics, /healthz and /readyz\n");
}

/* "host:port", "[v6]:port" or ":port". False when it is none of these. */
static bool split_listen(const char *listen_on, char *host, size_t host_size, char *port, size_t port_size)
{
    const char *colon = strrchr(listen_on, ':');
    if (colon == NULL || strspn(colon + 1, "0123456789") != strlen(colon + 1) || colon[1] == '\0' ||
        strtoul(colon + 1, NULL, 10) > 65535)
        return false;
    const char *begin = listen_on, *end = colon;
    bool in_brackets = begin[0] == '[' && end > begin + 1 && end[-1] == ']';
    if (in_brackets) {
        begin++;
        end--;
    } else if (memchr(begin, ':', (size_t)(end - begin)) != NULL || strpbrk(listen_on, "[]") != NULL) {
        return false; /* an IPv6 address without brackets has no end */
    }
    if ((size_t)(end - begin) >= host_size || strlen(colon + 1) >= port_size)
        return false;
    snprintf(host, host_size, "%.*s", (int)(end - begin), begin);
    snprintf(port, port_size, "%s", colon + 1);
    return true;
}

/* -1, with errno, when it cannot be had. */
static int open_listener(const struct addrinfo *address)
{
    int on = 1, off = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* a restart does not wait for old connections */
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

DEFINE_SCOPED(struct addrinfo *, freeaddrinfo)

static enum rc listen_at(const char *listen_on, int *ret_fd, struct err *err)
{
    char host[256], port[8];
    if (!split_listen(listen_on, host, sizeof(host), port, sizeof(port)))
        return err_set(err, ERR_HTTP_LISTEN, "could not listen on \"%s\": it is not host:port, [address]:port or :port",
                       listen_on);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    SCOPED(freeaddrinfo) struct addrinfo *found = NULL;
    int failure = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &found);
    if (failure != 0)
        return err_set(err, ERR_HTTP_LISTEN, "could not listen on \"%s\": %s", listen_on, gai_strerror(failure));
    /* Without a host, "::" answers for both families where there is IPv6: ask for it first. */
    int fd = -1, why = 0;
    for (int pass = 0; fd < 0 && pass < 2; pass++) {
        for (const struct addrinfo *at = found; fd < 0 && at != NULL; at = at->ai_next) {
            if ((pass == 0) != (at->ai_family == AF_INET6))
                continue;
            fd = open_listener(at);
            why = fd < 0 ? errno : 0;
        }
    }
    if (fd < 0)
        return err_set(err, ERR_HTTP_LISTEN, "could not listen on \"%s\": %s", listen_on, strerror(why));
    *ret_fd = fd;
    return RC_OK;
}

static unsigned short port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    char port[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
    return (unsigned short)strtoul(port, NULL, 10);
}

enum rc http_server_start(const char *listen_on, struct http_server **ret_server, struct err *err)
{
    int fd;
    TRY(listen_at(listen_on, &fd, err));
    struct http_server *server = calloc(1, sizeof(*server));
    if (server != NULL) {
        server->port = port_of(fd);
        server->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO, 0, NULL, NULL, on_request,
                                          NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                          (unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                                          (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_END);
    }
    if (server == NULL || server->daemon == NULL) {
        close(fd);
        free(server);
        return err_set(err, ERR_HTTP_LISTEN, "could not listen on \"%s\": the server's thread did not start",
                       listen_on);
    }
    *ret_server = server;
    return RC_OK;
}

unsigned short http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_stop(struct http_server *server)
{
    if (server == NULL)
        return;
    MHD_stop_daemon(server->daemon); /* closes the listening socket */
    free(server);
}
