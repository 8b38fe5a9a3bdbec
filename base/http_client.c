#include "base/http_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/stop.h"

enum {
    DEFAULT_CONNECT_TIMEOUT_MS = 10000,
    DEFAULT_TIMEOUT_MS = 60000,
    DEFAULT_RESPONSE_BYTES = 16 << 20,
    STOP_GRACE_MS = 25000, /* of the 30 s that a drain may take */
    KEEPALIVE_IDLE_S = 30,
};

struct http_client {
    CURL *curl;
    struct http_client_options options;
    char *ca_file, *username, *password;
    struct buf body;
    struct http_response *response; /* being received */
    char reason[CURL_ERROR_SIZE];
};

DEFINE_SCOPED(struct curl_slist *, curl_slist_free_all)

static void init_once(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        abort();
}

static char *copy_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : strdup(text);
}

struct http_client *http_client_new(const struct http_client_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
    struct http_client *client = calloc(1, sizeof(*client));
    CURL *curl = curl_easy_init();
    if (client == NULL || curl == NULL)
        abort(); /* a few hundred bytes, at start */
    client->curl = curl;
    client->options = *options;
    client->ca_file = copy_or_null(options->ca_file);
    client->username = copy_or_null(options->username);
    client->password = copy_or_null(options->password);
    size_t max_bytes = options->max_response_bytes == 0 ? DEFAULT_RESPONSE_BYTES : options->max_response_bytes;
    client->body = buf_new(max_bytes + 1); /* the terminating zero has its place too */
    return client;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    buf_done(&client->body);
    free(client->ca_file);
    free(client->username);
    if (client->password != NULL)
        explicit_bzero(client->password, strlen(client->password));
    free(client->password);
    free(client);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *client_)
{
    struct http_client *client = client_;
    if (size * n >= client->body.max - client->body.len)
        return 0;
    buf_put(&client->body, bytes, size * n);
    return client->body.failed ? 0 : size * n;
}

static void take_header(struct slice line, const char *name, char *out, size_t out_size)
{
    size_t name_len = strlen(name);
    if (line.len <= name_len || strncasecmp((const char *)line.ptr, name, name_len) != 0 || line.ptr[name_len] != ':')
        return;
    struct slice value = slice_of(line.ptr + name_len + 1, line.len - name_len - 1);
    while (value.len > 0 && strchr(" \t", value.ptr[0]) != NULL)
        value = slice_of(value.ptr + 1, value.len - 1);
    while (value.len > 0 && strchr(" \t\r\n", value.ptr[value.len - 1]) != NULL)
        value.len--;
    snprintf(out, out_size, "%.*s", SLICE_ARG(value));
}

static size_t on_header(char *bytes, size_t size, size_t n, void *client_)
{
    struct http_response *response = ((struct http_client *)client_)->response;
    struct slice line = slice_of(bytes, size * n);
    if (line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0) /* another answer follows a 100 Continue */
        response->etag[0] = response->header_date[0] = response->aws_region[0] = '\0';
    take_header(line, "etag", response->etag, sizeof(response->etag));
    take_header(line, "date", response->header_date, sizeof(response->header_date));
    take_header(line, "x-amz-bucket-region", response->aws_region, sizeof(response->aws_region));
    return line.len;
}

static int on_progress(void *client, curl_off_t to_get, curl_off_t got, curl_off_t to_put, curl_off_t put)
{
    (void)client, (void)to_get, (void)got, (void)to_put, (void)put;
    return stop_requested() && stop_age_ms() > STOP_GRACE_MS;
}

static void set_connection(struct http_client *client)
{
    const struct http_client_options *options = &client->options;
    CURL *curl = client->curl;
    int64_t connect_ms = options->connect_timeout_ms == 0 ? DEFAULT_CONNECT_TIMEOUT_MS : options->connect_timeout_ms;
    int64_t whole_ms = options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* a key may hold "..", and it is signed as it stands */
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "leat/" LEAT_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)whole_ms);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    if (options->no_proxy)
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    if (client->ca_file != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
    if (client->username != NULL) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, client->username);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, client->password == NULL ? "" : client->password);
    }
}

static void set_callbacks(struct http_client *client)
{
    CURL *curl = client->curl;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->reason);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, client);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

static bool has_body(const struct http_request *request)
{
    return request->body.ptr != NULL || strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0;
}

/* The body is given in one piece, so that curl can send it again when a kept connection turns out to be dead.
 */
static void set_request(struct http_client *client, const struct http_request *request, struct curl_slist *headers)
{
    CURL *curl = client->curl;
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    if (has_body(request)) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.len == 0 ? "" : (const char *)request->body.ptr);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

/* NULL without memory. "Name:" tells curl not to send what it would have sent by itself. */
static struct curl_slist *make_headers(const struct http_request *request)
{
    SCOPED(curl_slist_free_all) struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    bool has_type = false;
    SCOPED(buf_done) struct buf line = buf_new(64 * 1024);
    for (size_t i = 0; list != NULL && i < request->n_headers; i++) {
        const struct http_header *header = &request->headers[i];
        has_type = has_type || strcasecmp(header->name, "content-type") == 0;
        buf_clear(&line);
        buf_printf(&line, header->value[0] == '\0' ? "%s;" : "%s: %s", header->name, header->value);
        const char *text = buf_cstr(&line);
        struct curl_slist *longer = line.failed ? NULL : curl_slist_append(list, text);
        if (longer == NULL)
            return NULL;
        list = longer;
    }
    struct curl_slist *whole = list;
    if (!has_type && list != NULL)
        whole = curl_slist_append(list, "Content-Type:");
    if (whole != NULL)
        list = NULL; /* the caller's */
    return whole;
}

/* The address without user, password, query and fragment. */
static void redact_url(const char *url, char *out, size_t size)
{
    const char *scheme_end = strstr(url, "://");
    const char *host = scheme_end == NULL ? url : scheme_end + 3;
    size_t authority_len = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority_len);
    const char *shown = at == NULL ? host : at + 1;
    snprintf(out, size, "%.*s%.*s", (int)(host - url), url, (int)strcspn(shown, "?#"), shown);
}

static enum rc fail(struct http_client *client, const struct http_request *request, CURLcode code,
                    enum err_code unreachable, struct err *err)
{
    char where[256];
    redact_url(request->url, where, sizeof(where));
    const char *reason = client->reason[0] == '\0' ? curl_easy_strerror(code) : client->reason;
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK: err_set(err, ERR_STOPPED, "stopped while %s was under way", where); return RC_AGAIN;
    case CURLE_WRITE_ERROR:
        return err_set(err, ERR_MALFORMED, "could not read the answer of %s: it is larger than %zu bytes", where,
                       client->body.max - 1);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(err, ERR_CONFIG_VALUE, "could not use the address %s: it is not an http or https address",
                       where);
    case CURLE_SSL_CACERT_BADFILE:
        return err_set(err, ERR_CONFIG_VALUE, "could not read the certificates in %s for %s",
                       client->ca_file == NULL ? "the system's store" : client->ca_file, where);
    default: return err_set(err, unreachable, "could not reach %s: %s", where, reason);
    }
}

enum rc http_client_send(struct http_client *client, const struct http_request *request, enum err_code unreachable,
                         struct http_response *ret_response, struct err *err)
{
    struct http_response response = {0};
    SCOPED(curl_slist_free_all) struct curl_slist *headers = make_headers(request);
    if (headers == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not hold the headers of a request");
    curl_easy_reset(client->curl); /* options only: connections stay */
    buf_clear(&client->body);
    client->response = &response;
    client->reason[0] = '\0';
    set_connection(client);
    set_callbacks(client);
    set_request(client, request, headers);
    CURLcode code = curl_easy_perform(client->curl);
    client->response = NULL;
    if (code != CURLE_OK)
        return fail(client, request, code, unreachable, err);

    curl_off_t length = -1;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &response.status);
    curl_easy_getinfo(client->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    response.content_length = length;
    buf_cstr(&client->body);
    response.body = buf_slice(&client->body);
    *ret_response = response;
    return RC_OK;
}
