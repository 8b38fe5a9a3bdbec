#include "test.h"

#include "base/aws/sigv4.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define UNRESERVED   "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define STS_TOKEN                                                                                                      \
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD"       \
    "8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q"      \
    "6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabI"      \
    "Qwj2ICCR/oLxBA=="

enum { MAX_GIVEN = 4 };

struct vector {
    const char *behaviour; /* the vector's name in AWS's suite, and what it holds */
    const char *method, *path;
    struct sigv4_param query[MAX_GIVEN], headers[MAX_GIVEN];
    const char *token, *body, *signed_headers, *signature;
    bool with_content_sha256;
};

static size_t n_given(const struct sigv4_param *params)
{
    size_t n = 0;
    while (n < MAX_GIVEN && params[n].name != NULL)
        n++;
    return n;
}

// clang-format off
/* AWS Signature Version 4 test suite, as in awslabs/aws-c-auth, tests/aws-signing-test-suite/v4: key AKIDEXAMPLE,
 * 2015-08-30T12:36:00Z, us-east-1, service "service", host example.amazonaws.com. Its paths are as sent. */
static const struct vector suite[] = {
    {"get-vanilla", "GET", "/", .signed_headers = "host;x-amz-date",
     .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-empty-query-key", "GET", "/", {{"Param1", "value1"}}, .signed_headers = "host;x-amz-date",
     .signature = "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-order-key-case", "GET", "/", {{"Param2", "value2"}, {"Param1", "value1"}},
     .signed_headers = "host;x-amz-date",
     .signature = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-order-encoded", "GET", "/",
     {{"Param-3", "Value3"}, {"Param", "Value2"}, {"\xe1\x88\xb4", "Value1"}}, .signed_headers = "host;x-amz-date",
     .signature = "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
    {"get-vanilla-query-unreserved", "GET", "/", {{UNRESERVED, UNRESERVED}}, .signed_headers = "host;x-amz-date",
     .signature = "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-utf8-query", "GET", "/", {{"\xe1\x88\xb4", "bar"}}, .signed_headers = "host;x-amz-date",
     .signature = "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-vanilla-with-session-token", "GET", "/",
     .token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
     .signed_headers = "host;x-amz-date;x-amz-security-token",
     .signature = "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
    {"get-unreserved", "GET", "/" UNRESERVED, .signed_headers = "host;x-amz-date",
     .signature = "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8", "GET", "/\xe1\x88\xb4", .signed_headers = "host;x-amz-date",
     .signature = "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-space", "GET", "/example space/", .signed_headers = "host;x-amz-date",
     .signature = "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"get-relative", "GET", "/example/..", .signed_headers = "host;x-amz-date",
     .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-relative-relative", "GET", "/example1/example2/../..", .signed_headers = "host;x-amz-date",
     .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash", "GET", "//", .signed_headers = "host;x-amz-date",
     .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-dot-slash", "GET", "/./", .signed_headers = "host;x-amz-date",
     .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-pointless-dot", "GET", "/./example", .signed_headers = "host;x-amz-date",
     .signature = "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
    {"get-slashes", "GET", "//example//", .signed_headers = "host;x-amz-date",
     .signature = "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
    {"get-header-key-duplicate", "GET", "/",
     .headers = {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-order", "GET", "/",
     .headers = {{"My-Header1", "value4"}, {"My-Header1", "value1"}, {"My-Header1", "value3"}, {"My-Header1", "value2"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get-header-value-trim", "GET", "/",
     .headers = {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
     .signed_headers = "host;my-header1;my-header2;x-amz-date",
     .signature = "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"get-header-value-multiline", "GET", "/", .headers = {{"My-Header1", "value1\n  value2\n     value3"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd"},
    {"post-vanilla", "POST", "/", .signed_headers = "host;x-amz-date",
     .signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-vanilla-query", "POST", "/", {{"Param1", "value1"}}, .signed_headers = "host;x-amz-date",
     .signature = "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    {"post-header-key-sort", "POST", "/", .headers = {{"My-Header1", "value1"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-header-value-case", "POST", "/", .headers = {{"My-Header1", "VALUE1"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-sts-header-before", "POST", "/", .token = STS_TOKEN,
     .signed_headers = "host;x-amz-date;x-amz-security-token",
     .signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
    {"post-x-www-form-urlencoded", "POST", "/",
     .headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Length", "13"}},
     .body = "Param1=value1", .with_content_sha256 = true,
     .signed_headers = "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
     .signature = "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
    {"post-x-www-form-urlencoded-parameters", "POST", "/",
     .headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}, {"Content-Length", "13"}},
     .body = "Param1=value1", .with_content_sha256 = true,
     .signed_headers = "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
     .signature = "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"},
};

/* Amazon S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in a Single
 * Chunk", its four examples: key AKIAIOSFODNN7EXAMPLE, 2013-05-24T00:00:00Z, us-east-1. */
static const struct vector s3_examples[] = {
    {"GET object", "GET", "/test.txt", .headers = {{"Range", "bytes=0-9"}}, .with_content_sha256 = true,
     .signed_headers = "host;range;x-amz-content-sha256;x-amz-date",
     .signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PUT object", "PUT", "/test$file.text",
     .headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
     .body = "Welcome to Amazon S3.", .with_content_sha256 = true,
     .signed_headers = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     .signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GET bucket lifecycle", "GET", "/", {{"lifecycle", ""}}, .with_content_sha256 = true,
     .signed_headers = "host;x-amz-content-sha256;x-amz-date",
     .signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"GET bucket (list objects)", "GET", "/", {{"max-keys", "2"}, {"prefix", "J"}}, .with_content_sha256 = true,
     .signed_headers = "host;x-amz-content-sha256;x-amz-date",
     .signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

// clang-format on
static void check_vector(const struct vector *vector, const struct sigv4_request *where, const char *scope,
                         struct aws_credentials *credentials)
{
    char body_sha256[65], want[512];
    struct sigv4_signed got;
    struct err err = {0};
    sha256_hex(slice_of_str(vector->body == NULL ? "" : vector->body), body_sha256);
    struct sigv4_request request = *where;
    request.method = vector->method;
    request.path = vector->path;
    request.query = vector->query;
    request.n_query = n_given(vector->query);
    request.headers = vector->headers;
    request.n_headers = n_given(vector->headers);
    request.payload_sha256 = body_sha256;
    request.sign_content_sha256_header = vector->with_content_sha256;
    snprintf(credentials->session_token, sizeof(credentials->session_token), "%s",
             vector->token == NULL ? "" : vector->token);
    ASSERT_OK(sigv4_sign(&request, credentials, &got, &err), &err);
    snprintf(want, sizeof(want), "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
             credentials->access_key_id, scope, vector->signed_headers, vector->signature);
    CHECK_STR(want, got.authorization, vector->behaviour);
}

static void aws_test_suite_signatures_are_ours(void **state)
{
    (void)state;
    struct aws_credentials credentials = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", 0};
    const struct sigv4_request where = {.host = "example.amazonaws.com",
                                        .region = "us-east-1",
                                        .service = "service",
                                        .now_us = 1440938160000000,
                                        .path_is_as_sent = true};
    for (size_t i = 0; i < ARRAY_LEN(suite); i++)
        check_vector(&suite[i], &where, "20150830/us-east-1/service/aws4_request", &credentials);
}

static void s3_reference_signatures_are_ours(void **state)
{
    (void)state;
    struct aws_credentials credentials = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", 0};
    const struct sigv4_request where = {
        .host = "examplebucket.s3.amazonaws.com", .region = "us-east-1", .service = "s3", .now_us = 1369353600000000};
    for (size_t i = 0; i < ARRAY_LEN(s3_examples); i++)
        check_vector(&s3_examples[i], &where, "20130524/us-east-1/s3/aws4_request", &credentials);
}

/* The second line of the canonical request. */
static void canonical_path(const char *service, const char *path, char *out, size_t size)
{
    SCOPED(buf_done) struct buf text = buf_new(1 << 16);
    const struct aws_credentials credentials = {0};
    sigv4_canonical_request(&(struct sigv4_request){.method = "GET",
                                                    .host = "h",
                                                    .path = path,
                                                    .service = service,
                                                    .region = "r",
                                                    .payload_sha256 = EMPTY_SHA256},
                            &credentials, &text);
    const char *line = strchr(buf_cstr(&text), '\n') + 1;
    snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
}

static void paths_are_canonical_by_service(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *service, *path, *want;
    } cases[] = {
        {"S3 encodes once", "s3", "/b/a key+=*'()!\xc3\xa9", "/b/a%20key%2B%3D%2A%27%28%29%21%C3%A9"},
        {"S3 keeps slashes and dots of a key", "s3", "/b//a/../c/.", "/b//a/../c/."},
        {"others encode twice", "sts", "/a b", "/a%2520b"},
        {"others normalise", "sts", "/a/./b//../c", "/a/c"},
        {"a parent of the root is the root", "sts", "/../..", "/"},
        {"a slash at the end stays", "sts", "/a/", "/a/"},
        {"no slash at the end, none made", "sts", "/a/b", "/a/b"},
        {"an empty path is the root", "sts", "", "/"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char got[128];
        canonical_path(cases[i].service, cases[i].path, got, sizeof(got));
        CHECK_STR(cases[i].want, got, cases[i].behaviour);
    }
}

static void presigned_signatures_are_aws_own(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *host, *path, *service;
        struct aws_credentials credentials;
        struct sigv4_param query[2];
        size_t n_query;
        const char *payload;
        int64_t now_s;
        int expires_s;
        const char *want;
    } cases[] = {
        {"aws-c-auth, get-vanilla-query-order-key-case",
         "example.amazonaws.com",
         "/",
         "service",
         {.access_key_id = "AKIDEXAMPLE", .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
         {{"Param2", "value2"}, {"Param1", "value1"}},
         2,
         EMPTY_SHA256,
         1440938160,
         3600,
         "example.amazonaws.com/?Param1=value1&Param2=value2&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
         "AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600"
         "&X-Amz-SignedHeaders=host"
         "&X-Amz-Signature=86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5"},
        {"aws-c-auth, get-vanilla-with-session-token",
         "example.amazonaws.com",
         "/",
         "service",
         {.access_key_id = "AKIDEXAMPLE",
          .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
          .session_token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"},
         {{0}},
         0,
         EMPTY_SHA256,
         1440938160,
         3600,
         "example.amazonaws.com/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
         "AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600"
         "&X-Amz-Security-Token=6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
         "&X-Amz-SignedHeaders=host"
         "&X-Amz-Signature=7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c"},
        {"S3 API reference, authenticating requests by query",
         "examplebucket.s3.amazonaws.com",
         "/test.txt",
         "s3",
         {.access_key_id = "AKIAIOSFODNN7EXAMPLE", .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
         {{0}},
         0,
         "UNSIGNED-PAYLOAD",
         1369353600,
         86400,
         "examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
         "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
         "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
         "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        SCOPED(buf_done) struct buf got = buf_new(4096);
        const struct sigv4_request request = {.method = "GET",
                                              .host = cases[i].host,
                                              .path = cases[i].path,
                                              .query = cases[i].query,
                                              .n_query = cases[i].n_query,
                                              .payload_sha256 = cases[i].payload,
                                              .region = "us-east-1",
                                              .service = cases[i].service,
                                              .now_us = cases[i].now_s * 1000000};
        ASSERT_OK(sigv4_presign(&request, &cases[i].credentials, cases[i].expires_s, &got, &err), &err);
        CHECK_STR(cases[i].want, buf_cstr(&got), cases[i].behaviour);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static struct sigv4_param many[80];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct sigv4_param){"x-amz-meta-a-name-that-is-rather-long", "v"};
    static char long_region[200];
    memset(long_region, 'r', sizeof(long_region) - 1);
    const struct aws_credentials credentials = {.access_key_id = "A", .secret_access_key = "S"};
    const struct sigv4_request fits = {
        .method = "GET", .host = "h", .path = "/", .region = "r", .service = "s3", .payload_sha256 = EMPTY_SHA256};
    struct sigv4_request headers = fits, query = fits, region = fits;
    headers.headers = many;
    headers.n_headers = ARRAY_LEN(many);
    query.query = many;
    query.n_query = ARRAY_LEN(many);
    region.region = long_region;
    const struct {
        const char *behaviour;
        const struct sigv4_request *request;
        enum rc want;
    } cases[] = {
        {"a plain request is signed", &fits, RC_OK},
        {"too many headers", &headers, RC_BUG},
        {"too many parameters", &query, RC_BUG},
        {"too long a region", &region, RC_BUG},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sigv4_signed got;
        struct err err = {0};
        CHECK_EQ(cases[i].want, sigv4_sign(cases[i].request, &credentials, &got, &err), cases[i].behaviour);
        if (cases[i].request == &headers)
            continue; /* a presigned request has none */
        SCOPED(buf_done) struct buf url = buf_new(4096);
        CHECK_EQ(cases[i].want, sigv4_presign(cases[i].request, &credentials, 900, &url, &err), cases[i].behaviour);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aws_test_suite_signatures_are_ours), cmocka_unit_test(s3_reference_signatures_are_ours),
        cmocka_unit_test(paths_are_canonical_by_service),     cmocka_unit_test(presigned_signatures_are_aws_own),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
