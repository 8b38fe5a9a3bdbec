#include "base/aws/sigv4.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"

enum {
    SHA256_BYTES = 32,
    SCOPE_BYTES = 160,
    MAX_PARAMS = 64,       /* headers or query parameters of one request */
    TEXT_MAX = 256 * 1024, /* of the canonical request: keys are at most 1 KiB, tokens 4 KiB */
};

static const char HEX_LOWER[] = "0123456789abcdef", HEX_UPPER[] = "0123456789ABCDEF";

static void put_hex(const uint8_t *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = HEX_LOWER[bytes[i] >> 4];
        out[2 * i + 1] = HEX_LOWER[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

void sha256_hex(struct slice bytes, char out[65])
{
    uint8_t digest[SHA256_BYTES];
    EVP_Digest(bytes.len == 0 ? "" : (const char *)bytes.ptr, bytes.len, digest, NULL, EVP_sha256(), NULL);
    put_hex(digest, sizeof(digest), out);
}

static void hmac(const void *key, size_t key_len, const char *text, uint8_t out[SHA256_BYTES])
{
    HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), out, NULL);
}

static bool is_unreserved(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
           byte == '-' || byte == '_' || byte == '.' || byte == '~';
}

void sigv4_uri_encode(struct buf *out, struct slice text, bool keep_slash)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        if (is_unreserved(byte) || (byte == '/' && keep_slash)) {
            buf_put_u8(out, byte);
        } else {
            char escape[3] = {'%', HEX_UPPER[byte >> 4], HEX_UPPER[byte & 15]};
            buf_put(out, escape, sizeof(escape));
        }
    }
}

/* Drops empty and "." segments, and with ".." the one before; a slash at the end stays (RFC 3986, 5.2.4). */
static void put_normalised_path(struct buf *out, const char *path)
{
    size_t begin = out->len;
    bool ends_in_slash = false;
    buf_put_u8(out, '/');
    for (const char *at = path; *at != '\0' && !out->failed;) {
        size_t len = strcspn(at, "/");
        bool is_parent = len == 2 && memcmp(at, "..", 2) == 0;
        bool is_named = len > 0 && !is_parent && !(len == 1 && at[0] == '.');
        if (is_parent) {
            while (out->len > begin + 1 && out->ptr[--out->len - 1] != '/')
                ;
        } else if (is_named) {
            buf_put(out, at, len);
            buf_put_u8(out, '/');
        }
        at += len;
        ends_in_slash = *at == '/' || !is_named;
        if (*at == '/')
            at++;
    }
    if (!out->failed && !ends_in_slash && out->len > begin + 1)
        out->len--;
}

/* S3 signs the path as it is sent; the others normalise that and encode it once more. */
static void put_canonical_path(struct buf *out, const struct sigv4_request *request)
{
    SCOPED(buf_done) struct buf sent = buf_new(TEXT_MAX);
    if (request->path_is_as_sent)
        buf_put_str(&sent, request->path);
    else
        sigv4_uri_encode(&sent, slice_of_str(request->path), true);
    if (strcmp(request->service, "s3") == 0) {
        buf_put_slice(out, buf_slice(&sent));
    } else {
        SCOPED(buf_done) struct buf normal = buf_new(TEXT_MAX);
        put_normalised_path(&normal, buf_cstr(&sent));
        sigv4_uri_encode(out, buf_slice(&normal), true);
        out->failed = out->failed || normal.failed;
    }
    out->failed = out->failed || sent.failed;
}

/* A name and a value as they are signed, in a scratch buffer. */
struct pair {
    struct slice name, value;
};

static int slice_order(struct slice a, struct slice b)
{
    size_t len = MIN(a.len, b.len);
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Stable, for headers of one name keep their order; n is small. */
static void sort_pairs(struct pair *pairs, size_t n, bool by_value)
{
    for (size_t i = 1; i < n; i++) {
        struct pair moving = pairs[i];
        size_t at = i;
        for (; at > 0; at--) {
            int order = slice_order(pairs[at - 1].name, moving.name);
            if (order == 0 && by_value)
                order = slice_order(pairs[at - 1].value, moving.value);
            if (order <= 0)
                break;
            pairs[at] = pairs[at - 1];
        }
        pairs[at] = moving;
    }
}

static void put_canonical_query(struct buf *out, const struct sigv4_request *request)
{
    /* Reserved in one piece, so that the pairs' pointers stay. */
    size_t bytes = 1;
    for (size_t i = 0; i < request->n_query; i++)
        bytes += 3 * (strlen(request->query[i].name) + strlen(request->query[i].value));
    SCOPED(buf_done) struct buf scratch = buf_new(TEXT_MAX);
    struct pair pairs[MAX_PARAMS];
    if (request->n_query > MAX_PARAMS || buf_reserve(&scratch, bytes) == NULL) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < request->n_query; i++) {
        size_t name_at = scratch.len;
        sigv4_uri_encode(&scratch, slice_of_str(request->query[i].name), false);
        size_t value_at = scratch.len;
        sigv4_uri_encode(&scratch, slice_of_str(request->query[i].value), false);
        pairs[i] = (struct pair){slice_of(scratch.ptr + name_at, value_at - name_at),
                                 slice_of(scratch.ptr + value_at, scratch.len - value_at)};
    }
    sort_pairs(pairs, request->n_query, true);
    for (size_t i = 0; i < request->n_query; i++) {
        if (i > 0)
            buf_put_u8(out, '&');
        buf_put_slice(out, pairs[i].name);
        buf_put_u8(out, '=');
        buf_put_slice(out, pairs[i].value);
    }
}

/* Lower case in the name; blanks at the ends of the value go, runs of them become one. */
static struct pair put_header(struct buf *scratch, const char *name, const char *value)
{
    size_t name_at = scratch->len;
    for (; *name != '\0'; name++)
        buf_put_u8(scratch, (uint8_t)(*name >= 'A' && *name <= 'Z' ? *name + ('a' - 'A') : *name));
    size_t value_at = scratch->len;
    for (; *value != '\0'; value++) {
        bool is_blank = strchr(" \t\r\n", *value) != NULL;
        if (!is_blank)
            buf_put_u8(scratch, (uint8_t)*value);
        else if (scratch->len > value_at && scratch->ptr[scratch->len - 1] != ' ')
            buf_put_u8(scratch, ' ');
    }
    if (scratch->len > value_at && scratch->ptr[scratch->len - 1] == ' ')
        scratch->len--;
    return (struct pair){slice_of(scratch->ptr + name_at, value_at - name_at),
                         slice_of(scratch->ptr + value_at, scratch->len - value_at)};
}

/* Everything that is signed, sorted by name. */
struct signed_headers {
    struct buf scratch;
    struct pair pairs[MAX_PARAMS];
    size_t n;
};

static void signed_headers_init(struct signed_headers *headers, const struct sigv4_request *request,
                                const struct aws_credentials *credentials, const char *amz_date)
{
    const struct sigv4_param own[] = {
        {"host", request->host},
        {"x-amz-date", amz_date},
        {"x-amz-content-sha256", request->sign_content_sha256_header ? request->payload_sha256 : NULL},
        {"x-amz-security-token", credentials->session_token[0] == '\0' ? NULL : credentials->session_token},
    };
    size_t bytes = 1;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        bytes += own[i].value == NULL ? 0 : strlen(own[i].name) + strlen(own[i].value);
    for (size_t i = 0; i < request->n_headers; i++)
        bytes += strlen(request->headers[i].name) + strlen(request->headers[i].value);
    headers->n = 0;
    headers->scratch = buf_new(TEXT_MAX);
    if (request->n_headers + ARRAY_LEN(own) > MAX_PARAMS || buf_reserve(&headers->scratch, bytes) == NULL) {
        headers->scratch.failed = true;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        if (own[i].value != NULL)
            headers->pairs[headers->n++] = put_header(&headers->scratch, own[i].name, own[i].value);
    }
    for (size_t i = 0; i < request->n_headers; i++)
        headers->pairs[headers->n++] = put_header(&headers->scratch, request->headers[i].name,
                                                  request->headers[i].value);
    sort_pairs(headers->pairs, headers->n, false);
}

static void scoped_signed_headers_done(struct signed_headers *headers)
{
    buf_done(&headers->scratch);
}

static bool repeats(const struct signed_headers *headers, size_t i)
{
    return i > 0 && slice_eq(headers->pairs[i].name, headers->pairs[i - 1].name);
}

static void put_header_lines(struct buf *out, const struct signed_headers *headers)
{
    for (size_t i = 0; i < headers->n; i++) {
        if (repeats(headers, i)) {
            buf_put_u8(out, ',');
        } else {
            buf_put_str(out, i == 0 ? "" : "\n");
            buf_put_slice(out, headers->pairs[i].name);
            buf_put_u8(out, ':');
        }
        buf_put_slice(out, headers->pairs[i].value);
    }
    buf_put_u8(out, '\n');
    out->failed = out->failed || headers->scratch.failed;
}

static void put_header_names(struct buf *out, const struct signed_headers *headers)
{
    for (size_t i = 0; i < headers->n; i++) {
        if (repeats(headers, i))
            continue;
        buf_put_str(out, i == 0 ? "" : ";");
        buf_put_slice(out, headers->pairs[i].name);
    }
}

static void format_amz_date(int64_t now_us, char out[20])
{
    time_t seconds = (time_t)(now_us / US_PER_S);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(out, 20, "%Y%m%dT%H%M%SZ", &tm);
}

static void put_canonical_request(struct buf *out, const struct sigv4_request *request,
                                  const struct signed_headers *headers)
{
    buf_put_str(out, request->method);
    buf_put_u8(out, '\n');
    put_canonical_path(out, request);
    buf_put_u8(out, '\n');
    put_canonical_query(out, request);
    buf_put_u8(out, '\n');
    put_header_lines(out, headers);
    buf_put_u8(out, '\n');
    put_header_names(out, headers);
    buf_put_u8(out, '\n');
    buf_put_str(out, request->payload_sha256);
}

void sigv4_canonical_request(const struct sigv4_request *request, const struct aws_credentials *credentials,
                             struct buf *out)
{
    char amz_date[20];
    format_amz_date(request->now_us, amz_date);
    SCOPED(signed_headers_done) struct signed_headers headers;
    signed_headers_init(&headers, request, credentials, amz_date);
    put_canonical_request(out, request, &headers);
}

static void derive_key(const char *secret, const char *date, const char *region, const char *service,
                       uint8_t out[SHA256_BYTES])
{
    char first[sizeof(((struct aws_credentials *)0)->secret_access_key) + 4];
    int len = snprintf(first, sizeof(first), "AWS4%s", secret);
    uint8_t key[SHA256_BYTES];
    hmac(first, (size_t)len, date, key);
    hmac(key, sizeof(key), region, key);
    hmac(key, sizeof(key), service, key);
    hmac(key, sizeof(key), "aws4_request", out);
    explicit_bzero(first, sizeof(first));
    explicit_bzero(key, sizeof(key));
}

/* "20150830/us-east-1/service/aws4_request"; false when the region is too long. */
static bool format_scope(const struct sigv4_request *request, const char *amz_date, char out[SCOPE_BYTES])
{
    int len = snprintf(out, SCOPE_BYTES, "%.8s/%s/%s/aws4_request", amz_date, request->region, request->service);
    return len < SCOPE_BYTES;
}

static void sign_canonical(const struct buf *canonical, const struct sigv4_request *request,
                           const struct aws_credentials *credentials, const char *amz_date, const char *scope,
                           char ret_signature[65])
{
    char date[9], digest[65], to_sign[320];
    uint8_t key[SHA256_BYTES], code[SHA256_BYTES];
    snprintf(date, sizeof(date), "%.8s", amz_date);
    sha256_hex(buf_slice(canonical), digest);
    snprintf(to_sign, sizeof(to_sign), "AWS4-HMAC-SHA256\n%s\n%s\n%s", amz_date, scope, digest);
    derive_key(credentials->secret_access_key, date, request->region, request->service, key);
    hmac(key, sizeof(key), to_sign, code);
    explicit_bzero(key, sizeof(key));
    put_hex(code, sizeof(code), ret_signature);
}

enum rc sigv4_sign(const struct sigv4_request *request, const struct aws_credentials *credentials,
                   struct sigv4_signed *ret_signed, struct err *err)
{
    char scope[SCOPE_BYTES], signature[65];
    struct sigv4_signed made;
    format_amz_date(request->now_us, made.amz_date);
    SCOPED(signed_headers_done) struct signed_headers headers;
    signed_headers_init(&headers, request, credentials, made.amz_date);
    SCOPED(buf_done) struct buf canonical = buf_new(TEXT_MAX);
    put_canonical_request(&canonical, request, &headers);
    if (canonical.failed)
        return err_set(err, ERR_BUG, "could not sign a request: its path, query or headers are larger than %d bytes",
                       TEXT_MAX);
    bool fits = format_scope(request, made.amz_date, scope);
    sign_canonical(&canonical, request, credentials, made.amz_date, scope, signature);

    struct buf out = buf_over(made.authorization, sizeof(made.authorization));
    buf_printf(&out, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=", credentials->access_key_id, scope);
    put_header_names(&out, &headers);
    buf_printf(&out, ", Signature=%s", signature);
    buf_cstr(&out);
    if (out.failed || !fits)
        return err_set(err, ERR_BUG, "could not sign a request: its header names or its region are too long");
    *ret_signed = made;
    return RC_OK;
}

enum rc sigv4_presign(const struct sigv4_request *request, const struct aws_credentials *credentials, int expires_s,
                      struct buf *out, struct err *err)
{
    char amz_date[20], scope[SCOPE_BYTES], credential[SCOPE_BYTES + sizeof(credentials->access_key_id)], expires[16];
    char signature[65];
    format_amz_date(request->now_us, amz_date);
    bool fits = format_scope(request, amz_date, scope);
    snprintf(credential, sizeof(credential), "%s/%s", credentials->access_key_id, scope);
    snprintf(expires, sizeof(expires), "%d", expires_s);
    struct sigv4_param query[MAX_PARAMS] = {{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
                                            {"X-Amz-Credential", credential},
                                            {"X-Amz-Date", amz_date},
                                            {"X-Amz-Expires", expires},
                                            {"X-Amz-SignedHeaders", "host"},
                                            {"X-Amz-Security-Token", credentials->session_token}};
    size_t n = credentials->session_token[0] == '\0' ? 5 : 6;
    if (!fits || request->n_query > MAX_PARAMS - n)
        return err_set(err, ERR_BUG, "could not presign a request: its region is too long, or its query");
    for (size_t i = 0; i < request->n_query; i++)
        query[n++] = request->query[i];
    struct sigv4_request presigned = *request;
    presigned.query = query;
    presigned.n_query = n;
    SCOPED(buf_done) struct buf canonical = buf_new(TEXT_MAX);
    buf_printf(&canonical, "%s\n", request->method);
    put_canonical_path(&canonical, request);
    buf_put_u8(&canonical, '\n');
    size_t query_at = canonical.len;
    put_canonical_query(&canonical, &presigned);
    size_t query_end = canonical.len;
    buf_printf(&canonical, "\nhost:%s\n\nhost\n%s", request->host, request->payload_sha256);
    if (canonical.failed)
        return err_set(err, ERR_BUG, "could not presign a request: it is larger than %d bytes", TEXT_MAX);
    sign_canonical(&canonical, request, credentials, amz_date, scope, signature);
    struct slice signed_query = slice_of(canonical.ptr + query_at, query_end - query_at);
    buf_printf(out, "%s", request->host);
    put_canonical_path(out, request);
    buf_put_u8(out, '?');
    buf_put_slice(out, signed_query);
    buf_printf(out, "&X-Amz-Signature=%s", signature);
    return RC_OK;
}
