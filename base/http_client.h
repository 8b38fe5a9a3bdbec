/* HTTP requests over libcurl: one handle, kept alive, for one thread. */
#ifndef LEAT_BASE_HTTP_CLIENT_H
#define LEAT_BASE_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

struct http_client;

struct http_client_options {
    int64_t connect_timeout_ms;      /* 0: 10 s */
    int64_t timeout_ms;              /* of one whole request; 0: 60 s */
    const char *ca_file;             /* NULL: the system's */
    const char *username, *password; /* basic authentication; NULL: none */
    size_t max_response_bytes;       /* 0: 16 MiB */
    bool no_proxy;                   /* addresses that only this machine has: the environment's proxy is left aside */
};

/* Process-wide set-up of libcurl happens inside, once, thread-safe. */
struct http_client *http_client_new(const struct http_client_options *options);
void http_client_free(struct http_client *client);
DEFINE_SCOPED(struct http_client *, http_client_free)

struct http_header {
    const char *name, *value;
};

struct http_request {
    const char *method; /* "GET", "PUT", "POST", "DELETE", "HEAD" */
    const char *url;
    const struct http_header *headers;
    size_t n_headers;
    struct slice body; /* sent with Content-Length; ptr NULL: none */
};

struct http_response {
    long status;
    struct slice body; /* the client's, valid until its next request; zero-terminated */
    char etag[128];    /* "" when there was none */
    char header_date[64];
    char aws_region[64];    /* x-amz-bucket-region */
    int64_t content_length; /* as the server said it, also for HEAD; -1 when it did not */
};

/* RC_OK whatever the status: the caller judges it. Failing to reach the server is `unreachable` (an ERR_..._UNREACHABLE
 * of the caller's domain), with curl's reason in the message and without query strings or credentials. An answer that
 * is larger than allowed is ERR_MALFORMED. Redirects are answers like any other. A transfer that is still under way
 * 25 s after a stop was asked for ends with RC_AGAIN and ERR_STOPPED. */
MUST_CHECK enum rc http_client_send(struct http_client *client, const struct http_request *request,
                                    enum err_code unreachable, struct http_response *ret_response, struct err *err);

#endif
