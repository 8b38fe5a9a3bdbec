/* An HTTP server that answers what a test tells it to, in order, and remembers what it was asked. One
 * connection at a time, which it closes after each answer unless keep_open. */
#ifndef LEAT_TEST_HTTP_SCRIPT_H
#define LEAT_TEST_HTTP_SCRIPT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum http_script_fault {
    HTTP_SCRIPT_ANSWER,
    HTTP_SCRIPT_CUT,      /* reads the request, then closes without a word */
    HTTP_SCRIPT_CUT_BODY, /* promises more than it sends */
    HTTP_SCRIPT_HANG,     /* says nothing until the test ends */
};

struct http_script_reply {
    int status;
    const char *headers; /* each with its \r\n; NULL: none */
    const char *body;    /* NULL: none */
    enum http_script_fault fault;
    bool keep_open;
    size_t content_length; /* of an answer to HEAD */
};

enum { HTTP_SCRIPT_MAX_SEEN = 64, HTTP_SCRIPT_HEAD_BYTES = 16 * 1024 };

struct http_script_seen {
    char method[16], target[2048];
    char head[HTTP_SCRIPT_HEAD_BYTES]; /* the request line and the headers */
    uint8_t *body;
    size_t body_len;
    int connection; /* the first is 1 */
};

struct http_script {
    int listen_fd, stop_pipe[2];
    unsigned short port;
    pthread_t thread;
    const struct http_script_reply *replies;
    size_t n_replies;
    int n_connections;
    size_t n_seen; /* read it when the client has its answer, or after http_script_stop */
    struct http_script_seen seen[HTTP_SCRIPT_MAX_SEEN];
};

/* Waits for bytes; false when the other side has closed or the test ends. */
static inline bool http_script_read(struct http_script *script, int fd, void *into, size_t size, size_t *ret_n)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = script->stop_pipe[0], .events = POLLIN}};
    if (poll(fds, 2, -1) <= 0 || fds[1].revents != 0)
        return false;
    ssize_t n = read(fd, into, size);
    *ret_n = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static inline void http_script_send(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

static inline size_t http_script_length(const char *head)
{
    for (const char *line = head; line != NULL && line[0] != '\0'; line = strstr(line, "\r\n")) {
        line += line == head ? 0 : 2;
        if (strncasecmp(line, "content-length:", 15) == 0)
            return strtoull(line + 15, NULL, 10);
        if (line[0] == '\r')
            break;
    }
    return 0;
}

static inline bool http_script_read_request(struct http_script *script, int fd, struct http_script_seen *seen)
{
    size_t have = 0, n = 0;
    char *end = NULL;
    seen->head[0] = '\0';
    while (end == NULL) {
        if (have + 1 >= sizeof(seen->head) ||
            !http_script_read(script, fd, seen->head + have, sizeof(seen->head) - have - 1, &n))
            return false;
        have += n;
        seen->head[have] = '\0';
        end = strstr(seen->head, "\r\n\r\n");
    }
    size_t early = have - (size_t)(end + 4 - seen->head);
    seen->body_len = http_script_length(seen->head);
    seen->body = malloc(seen->body_len + early + 1);
    memcpy(seen->body, end + 4, early);
    end[4] = '\0';
    for (size_t got = early; got < seen->body_len; got += n) {
        if (!http_script_read(script, fd, seen->body + got, seen->body_len - got, &n)) {
            free(seen->body);
            return false;
        }
    }
    return sscanf(seen->head, "%15s %2047s", seen->method, seen->target) == 2;
}

static inline void http_script_answer(int fd, const struct http_script_reply *reply, bool is_head)
{
    char head[4096];
    size_t body_len = reply->body == NULL ? 0 : strlen(reply->body);
    size_t promised = is_head ? reply->content_length : body_len + (reply->fault == HTTP_SCRIPT_CUT_BODY ? 100 : 0);
    int head_len = snprintf(head, sizeof(head), "HTTP/1.1 %d Scripted\r\n%sContent-Length: %zu\r\n%s\r\n",
                            reply->status, reply->headers == NULL ? "" : reply->headers, promised,
                            reply->keep_open ? "" : "Connection: close\r\n");
    http_script_send(fd, head, (size_t)head_len);
    if (!is_head && body_len > 0)
        http_script_send(fd, reply->body, body_len);
}

/* False: the connection is done. */
static inline bool http_script_serve_one(struct http_script *script, int fd)
{
    static const struct http_script_reply over = {.status = 500, .body = "the script is over"};
    if (script->n_seen == HTTP_SCRIPT_MAX_SEEN)
        return false;
    struct http_script_seen *seen = &script->seen[script->n_seen];
    if (!http_script_read_request(script, fd, seen))
        return false;
    seen->connection = script->n_connections;
    size_t i = script->n_seen++;
    const struct http_script_reply *reply = i < script->n_replies ? &script->replies[i] : &over;
    struct pollfd stop = {.fd = script->stop_pipe[0], .events = POLLIN};
    switch (reply->fault) {
    case HTTP_SCRIPT_CUT: return false;
    case HTTP_SCRIPT_HANG: poll(&stop, 1, -1); return false;
    default: http_script_answer(fd, reply, strcmp(seen->method, "HEAD") == 0);
    }
    return reply->keep_open;
}

static inline void *http_script_run(void *script_)
{
    struct http_script *script = script_;
    for (;;) {
        struct pollfd fds[] = {{.fd = script->listen_fd, .events = POLLIN},
                               {.fd = script->stop_pipe[0], .events = POLLIN}};
        if (poll(fds, 2, -1) <= 0 || fds[1].revents != 0)
            return NULL;
        int fd = accept(script->listen_fd, NULL, NULL);
        if (fd < 0)
            continue;
        script->n_connections++;
        while (http_script_serve_one(script, fd))
            ;
        shutdown(fd, SHUT_RDWR);
        close(fd);
    }
}

static inline struct http_script *http_script_start(const struct http_script_reply *replies, size_t n_replies)
{
    struct http_script *script = calloc(1, sizeof(*script));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    script->replies = replies;
    script->n_replies = n_replies;
    script->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (script->listen_fd < 0 || bind(script->listen_fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(script->listen_fd, 16) != 0 || getsockname(script->listen_fd, (struct sockaddr *)&address, &len) != 0 ||
        pipe(script->stop_pipe) != 0 || pthread_create(&script->thread, NULL, http_script_run, script) != 0)
        abort();
    script->port = ntohs(address.sin_port);
    return script;
}

/* Ends the thread; what was seen can still be read until http_script_free. */
static inline void http_script_stop(struct http_script *script)
{
    if (script->listen_fd < 0)
        return;
    if (write(script->stop_pipe[1], "", 1) != 1)
        abort();
    pthread_join(script->thread, NULL);
    close(script->listen_fd);
    close(script->stop_pipe[0]);
    close(script->stop_pipe[1]);
    script->listen_fd = -1;
}

static inline void http_script_free(struct http_script *script)
{
    http_script_stop(script);
    for (size_t i = 0; i < script->n_seen; i++)
        free(script->seen[i].body);
    free(script);
}

/* The address of a path on the server, in a buffer of the caller. */
static inline const char *http_script_url(const struct http_script *script, const char *path, char *out, size_t size)
{
    snprintf(out, size, "http://127.0.0.1:%u%s", script->port, path);
    return out;
}

#endif
