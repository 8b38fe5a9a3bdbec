/* AWS Signature Version 4, pure: no I/O, no clock. Held by AWS's published test vectors.
 * Rules: "Create a signed AWS API request" in the IAM User Guide; for S3 the canonical path is encoded once and not
 * normalised, for every other service it is normalised and encoded twice. */
#ifndef LEAT_BASE_AWS_SIGV4_H
#define LEAT_BASE_AWS_SIGV4_H

#include "base/aws/credentials.h"
#include "base/buf.h"
#include "base/err.h"

struct sigv4_param {
    const char *name, *value; /* not encoded */
};

struct sigv4_request {
    const char *method;
    const char *host;                /* with :port when it is not the scheme's default */
    const char *path;                /* not encoded, begins with "/" */
    const struct sigv4_param *query; /* any order */
    size_t n_query;
    const struct sigv4_param *headers; /* beyond host, x-amz-date, x-amz-security-token; all are signed */
    size_t n_headers;
    const char *payload_sha256; /* lower-case hex of the body's SHA-256, or "UNSIGNED-PAYLOAD" */
    const char *region, *service;
    int64_t now_us;                  /* wall clock */
    bool sign_content_sha256_header; /* S3: x-amz-content-sha256 is sent and signed */
    bool path_is_as_sent;            /* path stands so in the request line: one encoding fewer */
};

struct sigv4_signed {
    char amz_date[20];
    char authorization[1024];
};

MUST_CHECK enum rc sigv4_sign(const struct sigv4_request *request, const struct aws_credentials *credentials,
                              struct sigv4_signed *ret_signed, struct err *err);
/* The same in the query: appends "host/path?query" without a scheme. Only the host is a signed header; request->headers
 * are not looked at. Valid for expires_s seconds. */
MUST_CHECK enum rc sigv4_presign(const struct sigv4_request *request, const struct aws_credentials *credentials,
                                 int expires_s, struct buf *out, struct err *err);
/* For tests and for reading a refusal: the two intermediate texts. */
void sigv4_canonical_request(const struct sigv4_request *request, const struct aws_credentials *credentials,
                             struct buf *out);
/* RFC 3986: unreserved characters stay, upper-case hex; '/' stays when keep_slash. */
void sigv4_uri_encode(struct buf *out, struct slice text, bool keep_slash);
void sha256_hex(struct slice bytes, char out[65]);

#endif
