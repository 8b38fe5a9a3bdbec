#include "sink/s3/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/aws/xml.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "base/stop.h"

enum {
    RETRY_FIRST_MS = 200,
    RETRY_MAX_MS = 5000,
    RETRY_BUDGET_MS = 30000,
    CONNECT_TIMEOUT_MS = 5000,
    URL_MAX_BYTES = 16 * 1024, /* a key is at most 1 KiB before it is encoded */
};

struct s3_client {
    struct http_client *http;
    struct aws_credentials_provider *provider;
    char *bucket, *region, *label;
    char *origin;      /* "https://bucket.s3.eu-west-1.amazonaws.com" */
    char *host;        /* as curl sends it */
    char *path_prefix; /* before "/key", not encoded: "" or "/bucket" */
    int64_t clock_offset_us;
    struct buf url;
};

static char *copy(const char *text)
{
    char *made = strdup(text == NULL ? "" : text);
    if (made == NULL)
        abort(); /* a few bytes, at start */
    return made;
}

/* curl leaves out the port that the scheme has anyway; what is signed must be what is sent. */
static void drop_default_port(const char *origin, char *host)
{
    const char *port = strncasecmp(origin, "https://", 8) == 0 ? ":443" : ":80";
    size_t len = strlen(host), port_len = strlen(port);
    if (len > port_len && strcmp(host + len - port_len, port) == 0)
        host[len - port_len] = '\0';
}

/* Another server: path style under its address, which may have a path of its own. */
static void address_endpoint(struct s3_client *client, const char *endpoint)
{
    char origin[512], prefix[512];
    snprintf(origin, sizeof(origin), "%s%s", strstr(endpoint, "://") == NULL ? "https://" : "", endpoint);
    char *authority = strstr(origin, "://") + 3, *path = strchr(authority, '/');
    char own_path[256] = "";
    if (path != NULL) {
        snprintf(own_path, sizeof(own_path), "%s", path);
        *path = '\0';
    }
    for (size_t len = strlen(own_path); len > 0 && own_path[len - 1] == '/'; len--)
        own_path[len - 1] = '\0';
    snprintf(prefix, sizeof(prefix), "%s/%s", own_path, client->bucket);
    client->host = copy(authority);
    drop_default_port(origin, client->host);
    client->origin = copy(origin);
    client->path_prefix = copy(prefix);
}

/* AWS: the bucket is part of the host, unless a dot in its name would break the certificate's wildcard. */
static void address_aws(struct s3_client *client)
{
    bool has_dot = strchr(client->bucket, '.') != NULL;
    const char *country = strncmp(client->region, "cn-", 3) == 0 ? ".cn" : "";
    char host[512], origin[520], prefix[256] = "";
    snprintf(host, sizeof(host), "%s%ss3.%s.amazonaws.com%s", has_dot ? "" : client->bucket, has_dot ? "" : ".",
             client->region, country);
    snprintf(origin, sizeof(origin), "https://%s", host);
    if (has_dot)
        snprintf(prefix, sizeof(prefix), "/%s", client->bucket);
    client->host = copy(host);
    client->origin = copy(origin);
    client->path_prefix = copy(prefix);
}

struct s3_client *s3_client_new(const struct config_s3 *config, const char *label)
{
    struct s3_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        abort(); /* a few bytes, at start */
    client->bucket = copy(config->bucket);
    client->region = copy(config->region);
    client->label = copy(label);
    if (config->endpoint != NULL && config->endpoint[0] != '\0')
        address_endpoint(client, config->endpoint);
    else
        address_aws(client);
    client->provider = aws_credentials_provider_new(config->access_key_id, config->secret_access_key,
                                                    config->session_token, config->region);
    client->http = http_client_new(&(struct http_client_options){.connect_timeout_ms = CONNECT_TIMEOUT_MS});
    client->url = buf_new(URL_MAX_BYTES);
    return client;
}

void s3_client_free(struct s3_client *client)
{
    if (client == NULL)
        return;
    http_client_free(client->http);
    aws_credentials_provider_free(client->provider);
    char *const texts[] = {client->bucket, client->region, client->label,
                           client->origin, client->host,   client->path_prefix};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    buf_done(&client->url);
    free(client);
}

enum rc s3_client_credentials(struct s3_client *client, struct aws_credentials *ret_credentials, struct err *err)
{
    return aws_credentials_get(client->provider, ret_credentials, err);
}

/* ---- one try ---- */

static void put_url(struct buf *url, const struct s3_client *client, const char *path, const struct s3_request *request)
{
    buf_clear(url);
    buf_put_str(url, client->origin);
    sigv4_uri_encode(url, slice_of_str(path), true);
    for (size_t i = 0; i < request->n_query; i++) {
        buf_put_str(url, i == 0 ? "?" : "&");
        sigv4_uri_encode(url, slice_of_str(request->query[i].name), false);
        buf_put_u8(url, '=');
        sigv4_uri_encode(url, slice_of_str(request->query[i].value), false);
    }
}

static enum rc try_once(struct s3_client *client, const struct s3_request *request, const char *body_sha256,
                        struct http_response *ret_response, struct err *err)
{
    struct aws_credentials credentials;
    TRY(aws_credentials_get(client->provider, &credentials, err));
    char path[2048];
    snprintf(path, sizeof(path), "%s/%s", client->path_prefix, request->key == NULL ? "" : request->key);
    const struct sigv4_request to_sign = {
        .method = request->method,
        .host = client->host,
        .path = path,
        .query = request->query,
        .n_query = request->n_query,
        .payload_sha256 = body_sha256,
        .region = client->region,
        .service = "s3",
        .now_us = clock_wall_us() + client->clock_offset_us,
        .sign_content_sha256_header = true,
    };
    struct sigv4_signed signature;
    enum rc rc = sigv4_sign(&to_sign, &credentials, &signature, err);
    const struct http_header headers[] = {
        {"Authorization", signature.authorization},
        {"x-amz-date", signature.amz_date},
        {"x-amz-content-sha256", body_sha256},
        {"x-amz-security-token", credentials.session_token}, /* last: left out when there is none */
    };
    put_url(&client->url, client, path, request);
    struct http_request http = {
        .method = request->method,
        .url = buf_cstr(&client->url),
        .headers = headers,
        .n_headers = ARRAY_LEN(headers) - (credentials.session_token[0] == '\0'),
        .body = request->body,
    };
    if (rc == RC_OK && (client->url.failed || strlen(path) + 1 >= sizeof(path)))
        rc = err_set(err, ERR_S3_REQUEST, "the key is longer than S3 allows");
    if (rc == RC_OK) {
        metric_add(METRIC_sink_s3_requests_total, 1, client->label, request->method);
        rc = http_client_send(client->http, &http, ERR_S3_UNREACHABLE, ret_response, err);
    }
    explicit_bzero(&credentials, sizeof(credentials));
    return rc;
}

/* ---- judging the answer ---- */

enum verdict {
    GOOD,
    TRANSIENT, /* the same again, later */
    NEW_KEYS,  /* the same again, with fresh credentials */
    NEW_CLOCK, /* the same again, with the server's time */
    AUTH,
    PERMISSION,
    NO_BUCKET,
    OTHER_REGION,
    REFUSED,
};

static const struct {
    const char *code;
    enum verdict verdict;
} codes[] = {
    {"ExpiredToken", NEW_KEYS},
    {"ExpiredTokenException", NEW_KEYS},
    {"TokenRefreshRequired", NEW_KEYS},
    {"RequestTimeTooSkewed", NEW_CLOCK},
    {"SlowDown", TRANSIENT},
    {"InternalError", TRANSIENT},
    {"ServiceUnavailable", TRANSIENT},
    {"RequestTimeout", TRANSIENT},
    {"OperationAborted", TRANSIENT},
    {"KMS.ThrottlingException", TRANSIENT},
    {"IncompleteBody", TRANSIENT},            /* what arrived is not what was sent: */
    {"BadDigest", TRANSIENT},                 /* something between us and S3 */
    {"XAmzContentSHA256Mismatch", TRANSIENT}, /* changed it */
    {"SignatureDoesNotMatch", AUTH},
    {"InvalidAccessKeyId", AUTH},
    {"InvalidToken", AUTH},
    {"InvalidSecurity", AUTH},
    {"NotSignedUp", AUTH},
    {"AccessDenied", PERMISSION},
    {"AllAccessDisabled", PERMISSION},
    {"AccountProblem", PERMISSION},
    {"NoSuchBucket", NO_BUCKET},
    {"PermanentRedirect", OTHER_REGION},
    {"AuthorizationHeaderMalformed", OTHER_REGION},
};

/* What the server said in full; HEAD says nothing but the status. */
struct complaint {
    enum verdict verdict;
    char code[64], message[256], region[64];
};

static enum verdict judge_status(long status, bool is_bucket)
{
    if (status >= 500 || status == 429 || status == 408)
        return TRANSIENT;
    if (status == 403)
        return PERMISSION;
    return status == 404 && is_bucket ? NO_BUCKET : REFUSED;
}

static struct complaint judge(const struct s3_client *client, const struct s3_request *request,
                              const struct http_response *response)
{
    struct complaint complaint = {.verdict = GOOD};
    bool is_good_status = response->status >= 200 && response->status < 300;
    if (is_good_status && (request->expect == NULL || aws_xml_has(response->body, request->expect)))
        return complaint;
    aws_xml_text(response->body, "Code", complaint.code, sizeof(complaint.code));
    aws_xml_text(response->body, "Message", complaint.message, sizeof(complaint.message));
    snprintf(complaint.region, sizeof(complaint.region), "%s", response->aws_region);
    if (complaint.region[0] == '\0')
        aws_xml_text(response->body, "Region", complaint.region, sizeof(complaint.region));
    if (strcmp(request->method, "HEAD") == 0 && response->status == 404 && request->key != NULL)
        snprintf(complaint.code, sizeof(complaint.code), "NoSuchKey");

    /* A good status without the body that belongs to it: cut on the way, or an error that S3 met after it had
     * begun to answer (CompleteMultipartUpload). */
    complaint.verdict = is_good_status ? TRANSIENT : judge_status(response->status, request->key == NULL);
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(codes) && !is_known; i++) {
        is_known = strcmp(complaint.code, codes[i].code) == 0;
        if (is_known)
            complaint.verdict = codes[i].verdict;
    }
    if (is_good_status && complaint.code[0] != '\0' && !is_known)
        complaint.verdict = REFUSED;
    bool may_be_region = response->status == 301 || response->status == 307 || response->status == 400;
    if (may_be_region && complaint.region[0] != '\0' && strcmp(complaint.region, client->region) != 0 &&
        (complaint.verdict == REFUSED || complaint.verdict == OTHER_REGION))
        complaint.verdict = OTHER_REGION;
    else if (complaint.verdict == OTHER_REGION)
        complaint.verdict = REFUSED; /* nobody says which */
    return complaint;
}

static enum rc complain(const struct s3_client *client, const struct http_response *response,
                        const struct complaint *complaint, struct err *err)
{
    static const enum err_code codes_of[] = {
        [TRANSIENT] = ERR_S3_TRANSIENT,   [NEW_KEYS] = ERR_S3_AUTH,
        [NEW_CLOCK] = ERR_S3_AUTH,        [AUTH] = ERR_S3_AUTH,
        [PERMISSION] = ERR_S3_PERMISSION, [NO_BUCKET] = ERR_S3_BUCKET_MISSING,
        [OTHER_REGION] = ERR_S3_REQUEST,  [REFUSED] = ERR_S3_REQUEST,
    };
    enum err_code code = codes_of[complaint->verdict];
    if (complaint->verdict == OTHER_REGION)
        return err_set(err, code, "the bucket is in region %s, not %s: correct s3.region", complaint->region,
                       client->region);
    if (complaint->code[0] == '\0' && response->status < 300)
        return err_set(err, code, "%s answered %ld, but not with what belongs to it", client->host, response->status);
    bool has_message = complaint->message[0] != '\0';
    return err_set(err, code, "%s answered %ld%s%s%s%s", client->host, response->status,
                   complaint->code[0] == '\0' ? "" : " ", complaint->code, has_message ? ": " : "", complaint->message);
}

/* False when the answer does not say what time it is. */
static bool adopt_server_clock(struct s3_client *client, const char *date)
{
    struct tm tm = {0};
    if (strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) == NULL)
        return false;
    client->clock_offset_us = (int64_t)timegm(&tm) * US_PER_S - clock_wall_us();
    return true;
}

/* ---- trying again ---- */

/* What one request has used up of its chances. */
struct chances {
    struct retry retry;
    int64_t end_ms;
    bool had_new_keys, had_new_clock;
};

/* Waits; false when there is no other try. */
static bool wait_for_next_try(struct chances *chances, const struct s3_request *request)
{
    int64_t wait_ms = retry_next_ms(&chances->retry);
    return !request->only_once && clock_mono_ms() + wait_ms < chances->end_ms && stop_wait_ms(wait_ms);
}

static bool may_try_again(struct s3_client *client, const struct s3_request *request, struct chances *chances,
                          enum verdict verdict, const struct http_response *response)
{
    switch (verdict) {
    case TRANSIENT: return wait_for_next_try(chances, request);
    case NEW_KEYS:
        aws_credentials_expire(client->provider);
        return !chances->had_new_keys && (chances->had_new_keys = true);
    case NEW_CLOCK:
        return !chances->had_new_clock && (chances->had_new_clock = true) &&
               adopt_server_clock(client, response->header_date);
    default: return false;
    }
}

static enum rc name_the_request(const struct s3_client *client, const struct s3_request *request, struct err *err)
{
    return err_wrap(err, "could not %s s3://%s/%s", request->method, client->bucket,
                    request->key == NULL ? "" : request->key);
}

enum rc s3_client_send(struct s3_client *client, const struct s3_request *request, struct s3_answer *ret_answer,
                       struct err *err)
{
    struct chances chances = {.retry = retry_of(RETRY_FIRST_MS, RETRY_MAX_MS),
                              .end_ms = clock_mono_ms() + RETRY_BUDGET_MS};
    struct s3_answer answer = {0};
    char body_sha256[65];
    sha256_hex(request->body, body_sha256);
    for (;; answer.n_unsure++) {
        enum rc rc = try_once(client, request, body_sha256, &answer.http, err);
        if (rc != RC_OK) {
            if (rc == RC_RETRY && wait_for_next_try(&chances, request))
                continue;
            return rc == RC_AGAIN ? RC_AGAIN : name_the_request(client, request, err);
        }
        struct complaint complaint = judge(client, request, &answer.http);
        bool is_tolerated = request->tolerate != NULL && strcmp(complaint.code, request->tolerate) == 0;
        if (complaint.verdict == GOOD || is_tolerated) {
            if (complaint.verdict == GOOD && strcmp(request->method, "PUT") == 0)
                metric_add(METRIC_sink_s3_bytes_total, (double)request->body.len, client->label, NULL);
            memcpy(answer.code, complaint.code, sizeof(answer.code));
            *ret_answer = answer;
            return RC_OK;
        }
        if (!may_try_again(client, request, &chances, complaint.verdict, &answer.http)) {
            complain(client, &answer.http, &complaint, err);
            return name_the_request(client, request, err);
        }
    }
}
