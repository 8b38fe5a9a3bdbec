#include "test.h"

#include <stdlib.h>
#include <time.h>

#include "base/aws/sigv4.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/stop.h"
#include "http_script.h"
#include "sink/s3/put.h"

enum { MIB = 1 << 20, MAX_REPLIES = 8 };

#define ERROR_BODY(code) "<?xml version=\"1.0\"?>\n<Error><Code>" code "</Code><Message>said so</Message></Error>"
#define UPLOAD_BODY      "<InitiateMultipartUploadResult><UploadId>id+1</UploadId></InitiateMultipartUploadResult>"
#define COMPLETED_BODY   "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"
#define OK_PART                                                                                                        \
    {                                                                                                                  \
        .status = 200, .headers = "ETag: \"part\"\r\n"                                                                 \
    }
#define OK_UPLOAD                                                                                                      \
    {                                                                                                                  \
        .status = 200, .body = UPLOAD_BODY                                                                             \
    }
#define REFUSED(status_, c)                                                                                            \
    {                                                                                                                  \
        .status = (status_), .body = ERROR_BODY(c)                                                                     \
    }

static uint8_t *big_body;

static int set_up(void **state)
{
    (void)state;
    big_body = malloc(25 * MIB);
    if (big_body == NULL)
        return -1;
    for (size_t i = 0; i < 25 * (size_t)MIB; i++)
        big_body[i] = (uint8_t)(i * 2654435761u >> 13);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(big_body);
    return 0;
}

static struct s3 *s3_at(const struct http_script *script)
{
    char url[64];
    const struct config_s3 config = {.bucket = "bucket",
                                     .prefix = "leat",
                                     .region = "us-east-1",
                                     .endpoint = http_script_url(script, "/", url, sizeof(url)),
                                     .access_key_id = "KEY",
                                     .secret_access_key = "hidden",
                                     .session_token = ""};
    return s3_new(&config, "warehouse");
}

static enum rc do_put(struct s3 *s3, struct err *err)
{
    return s3_put(s3, "a key", slice_of_str("hello"), err);
}

static enum rc do_put_nothing(struct s3 *s3, struct err *err)
{
    return s3_put(s3, "empty", (struct slice){0}, err);
}

static enum rc do_put_big(struct s3 *s3, struct err *err)
{
    return s3_put(s3, "big", slice_of(big_body, 17 * (size_t)MIB), err);
}

static enum rc do_delete(struct s3 *s3, struct err *err)
{
    return s3_delete(s3, "a key", err);
}

static enum rc do_check(struct s3 *s3, struct err *err)
{
    return s3_check(s3, err);
}

/* Pieces that do not fit the parts. */
static enum rc write_pieces(struct s3 *s3, size_t bytes, uint64_t *ret_bytes, struct err *err)
{
    struct s3_writer *writer = NULL;
    enum rc rc = s3_writer_open(s3, "written", &writer, err);
    for (size_t at = 0; rc == RC_OK && at < bytes; at += 700001)
        rc = s3_writer_put(writer, slice_of(big_body + at, MIN(700001, bytes - at)), err);
    if (rc == RC_OK)
        rc = s3_writer_finish(writer, ret_bytes, err);
    s3_writer_free(writer);
    return rc;
}

static enum rc do_write_small(struct s3 *s3, struct err *err)
{
    uint64_t bytes = 0;
    enum rc rc = write_pieces(s3, 3 * (size_t)MIB, &bytes, err);
    assert_true(rc != RC_OK || bytes == 3 * (uint64_t)MIB);
    return rc;
}

static enum rc do_write_one_part(struct s3 *s3, struct err *err)
{
    uint64_t bytes = 0;
    return write_pieces(s3, 8 * (size_t)MIB, &bytes, err);
}

static enum rc do_write_big(struct s3 *s3, struct err *err)
{
    uint64_t bytes = 0;
    enum rc rc = write_pieces(s3, 20 * (size_t)MIB, &bytes, err);
    assert_true(rc != RC_OK || bytes == 20 * (uint64_t)MIB);
    return rc;
}

/* `want_asked` is every request in order: the method's first letter. */
static const struct answer_case {
    const char *behaviour;
    enum rc (*act)(struct s3 *s3, struct err *err);
    struct http_script_reply replies[MAX_REPLIES];
    const char *want_asked;
    enum rc want;
    enum err_code want_code;
    const char *want_text;
} cases[] = {
    // clang-format off
    {"an object is put", do_put, {{.status = 200}}, "P", RC_OK, ERR_NONE, ""},
    {"an empty object is put", do_put_nothing, {{.status = 200}}, "P", RC_OK, ERR_NONE, ""},
    {"503 is tried again", do_put, {REFUSED(503, "SlowDown"), {.status = 200}}, "PP", RC_OK, ERR_NONE, ""},
    {"500 without a reason is tried again", do_put, {{.status = 500}, {.status = 200}}, "PP", RC_OK, ERR_NONE, ""},
    {"429 is tried again", do_put, {{.status = 429}, {.status = 200}}, "PP", RC_OK, ERR_NONE, ""},
    {"a request that came too slowly is tried again", do_put, {REFUSED(400, "RequestTimeout"), {.status = 200}}, "PP",
     RC_OK, ERR_NONE, ""},
    {"a body that changed on the way is tried again", do_put, {REFUSED(400, "XAmzContentSHA256Mismatch"), {.status = 200}},
     "PP", RC_OK, ERR_NONE, ""},
    {"a cut connection is tried again", do_put, {{.fault = HTTP_SCRIPT_CUT}, {.status = 200}}, "PP", RC_OK, ERR_NONE, ""},
    {"an answer cut in its body is tried again", do_put,
     {{.status = 200, .body = "x", .fault = HTTP_SCRIPT_CUT_BODY}, {.status = 200}}, "PP", RC_OK, ERR_NONE, ""},
    {"a wrong signature is for a person", do_put, {REFUSED(403, "SignatureDoesNotMatch")}, "P", RC_FATAL, ERR_S3_AUTH,
     "could not PUT s3://bucket/a key: 127.0.0.1:"},
    {"an unknown key is for a person", do_put, {REFUSED(403, "InvalidAccessKeyId")}, "P", RC_FATAL, ERR_S3_AUTH,
     " answered 403 InvalidAccessKeyId: said so"},
    {"a missing right is for a person", do_put, {REFUSED(403, "AccessDenied")}, "P", RC_FATAL, ERR_S3_PERMISSION,
     "AccessDenied: said so"},
    {"a missing bucket is for a person", do_put, {REFUSED(404, "NoSuchBucket")}, "P", RC_FATAL, ERR_S3_BUCKET_MISSING,
     "NoSuchBucket"},
    {"what S3 does not like is for a person", do_put, {REFUSED(400, "InvalidRequest")}, "P", RC_FATAL, ERR_S3_REQUEST,
     "400 InvalidRequest: said so"},
    {"another region is named by the header", do_put,
     {{.status = 301, .headers = "x-amz-bucket-region: eu-west-1\r\n", .body = ERROR_BODY("PermanentRedirect")}}, "P",
     RC_FATAL, ERR_S3_REQUEST, "the bucket is in region eu-west-1, not us-east-1: correct s3.region"},
    {"another region is named by the body", do_put,
     {{.status = 400, .body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>"}},
     "P", RC_FATAL, ERR_S3_REQUEST, "the bucket is in region eu-north-1, not us-east-1"},
    {"expired keys are fetched anew once", do_put, {REFUSED(400, "ExpiredToken"), {.status = 200}}, "PP", RC_OK, ERR_NONE,
     ""},
    {"keys that stay expired are for a person", do_put, {REFUSED(400, "ExpiredToken"), REFUSED(400, "ExpiredToken")}, "PP",
     RC_FATAL, ERR_S3_AUTH, "ExpiredToken"},
    {"deleting what is not there is fine", do_delete, {REFUSED(404, "NoSuchKey")}, "D", RC_OK, ERR_NONE, ""},
    {"deleting is tried again", do_delete, {{.status = 503}, {.status = 204}}, "DD", RC_OK, ERR_NONE, ""},

    {"a large object goes up in parts", do_put_big,
     {OK_UPLOAD, OK_PART, OK_PART, OK_PART, {.status = 200, .body = COMPLETED_BODY}}, "PPPPP", RC_OK, ERR_NONE, ""},
    {"a part is tried again", do_put_big,
     {OK_UPLOAD, OK_PART, {.status = 503}, OK_PART, OK_PART, {.status = 200, .body = COMPLETED_BODY}}, "PPPPPP", RC_OK,
     ERR_NONE, ""},
    {"an upload that failed is given up", do_put_big, {OK_UPLOAD, OK_PART, REFUSED(403, "AccessDenied"), {.status = 204}},
     "PPPD", RC_FATAL, ERR_S3_PERMISSION, "could not PUT s3://bucket/big"},
    {"giving up is tried once", do_put_big, {OK_UPLOAD, REFUSED(403, "AccessDenied"), {.status = 503}}, "PPD", RC_FATAL,
     ERR_S3_PERMISSION, ""},
    {"an upload without an id is tried again", do_put_big, {{.status = 200, .body = "<x/>"}, REFUSED(403, "AccessDenied")},
     "PP", RC_FATAL, ERR_S3_PERMISSION, ""},
    {"a part without an ETag is for a person", do_put_big, {OK_UPLOAD, {.status = 200}, {.status = 204}}, "PPD", RC_FATAL,
     ERR_S3_REQUEST, "S3 gave no ETag"},
    {"200 with a transient error in it is tried again", do_put_big,
     {OK_UPLOAD, OK_PART, OK_PART, OK_PART, REFUSED(200, "InternalError"), {.status = 200, .body = COMPLETED_BODY}},
     "PPPPPP", RC_OK, ERR_NONE, ""},
    {"200 with an error in it is an error", do_put_big,
     {OK_UPLOAD, OK_PART, OK_PART, OK_PART, REFUSED(200, "InvalidPart"), {.status = 204}}, "PPPPPD", RC_FATAL,
     ERR_S3_REQUEST, "answered 200 InvalidPart: said so"},
    {"200 with nothing in it is tried again", do_put_big,
     {OK_UPLOAD, OK_PART, OK_PART, OK_PART, {.status = 200}, {.status = 200, .body = COMPLETED_BODY}}, "PPPPPP", RC_OK,
     ERR_NONE, ""},
    {"a lost answer to Complete is settled by the object", do_put_big,
     {OK_UPLOAD, OK_PART, OK_PART, OK_PART, {.fault = HTTP_SCRIPT_CUT}, REFUSED(404, "NoSuchUpload"),
      {.status = 200, .content_length = 17 * (size_t)MIB}}, "PPPPPPH", RC_OK, ERR_NONE, ""},
    {"an object of another size is not ours", do_put_big,
     {OK_UPLOAD, OK_PART, OK_PART, OK_PART, {.fault = HTTP_SCRIPT_CUT}, REFUSED(404, "NoSuchUpload"),
      {.status = 200, .content_length = 17}}, "PPPPPPH", RC_RETRY, ERR_S3_TRANSIENT, "the object there has another size"},
    {"no object after a lost answer", do_put_big,
     {OK_UPLOAD, OK_PART, OK_PART, OK_PART, {.fault = HTTP_SCRIPT_CUT}, REFUSED(404, "NoSuchUpload"), {.status = 404}},
     "PPPPPPH", RC_RETRY, ERR_S3_TRANSIENT, "there is no object"},
    {"an upload that vanished before Complete is not taken for done", do_put_big,
     {OK_UPLOAD, OK_PART, OK_PART, OK_PART, REFUSED(404, "NoSuchUpload"), {.status = 204}}, "PPPPPD", RC_RETRY,
     ERR_S3_TRANSIENT, "S3 no longer knows it"},

    {"a small written object is one PUT", do_write_small, {{.status = 200}}, "P", RC_OK, ERR_NONE, ""},
    {"one part exactly is one PUT", do_write_one_part, {{.status = 200}}, "P", RC_OK, ERR_NONE, ""},
    {"a large written object goes up in parts", do_write_big,
     {OK_UPLOAD, OK_PART, OK_PART, OK_PART, {.status = 200, .body = COMPLETED_BODY}}, "PPPPP", RC_OK, ERR_NONE, ""},
    {"a writer that fails gives its upload up at once", do_write_big, {OK_UPLOAD, REFUSED(403, "AccessDenied"), {.status = 204}},
     "PPD", RC_FATAL, ERR_S3_PERMISSION, ""},

    {"a bucket that may be written is good, and nothing stays", do_check,
     {{.status = 200}, OK_UPLOAD, {.status = 204}}, "HPD", RC_OK, ERR_NONE, ""},
    {"a bucket that is not there", do_check, {{.status = 404}, REFUSED(404, "NoSuchBucket")}, "HG", RC_FATAL,
     ERR_S3_BUCKET_MISSING, "could not GET s3://bucket/: 127.0.0.1:"},
    {"a refused signature has its reason from GET", do_check, {{.status = 403}, REFUSED(403, "SignatureDoesNotMatch")},
     "HG", RC_FATAL, ERR_S3_AUTH, "SignatureDoesNotMatch"},
    {"a role that may write but not list is good", do_check,
     {{.status = 403}, REFUSED(403, "AccessDenied"), OK_UPLOAD, {.status = 204}}, "HGPD", RC_OK, ERR_NONE, ""},
    {"a role that may not write", do_check, {{.status = 200}, REFUSED(403, "AccessDenied")}, "HP", RC_FATAL,
     ERR_S3_PERMISSION, "could not POST s3://bucket/leat/leat-check"},
    {"a bucket of another region", do_check,
     {{.status = 301, .headers = "x-amz-bucket-region: eu-west-1\r\n"},
      {.status = 301, .headers = "x-amz-bucket-region: eu-west-1\r\n"}}, "HG", RC_FATAL, ERR_S3_REQUEST,
     "the bucket is in region eu-west-1"},
    {"a check does not wait for what is away", do_check, {{.fault = HTTP_SCRIPT_CUT}}, "H", RC_RETRY, ERR_S3_UNREACHABLE,
     "could not HEAD s3://bucket/: could not reach http://127.0.0.1:"},
    // clang-format on
};

static void check_answers(const struct answer_case *row)
{
    size_t n_replies = strlen(row->want_asked);
    struct http_script *script = http_script_start(row->replies, n_replies);
    struct s3 *s3 = s3_at(script);
    struct err err = {0};
    enum rc rc = row->act(s3, &err);
    s3_free(s3);
    http_script_stop(script);
    char asked[HTTP_SCRIPT_MAX_SEEN + 1] = "";
    for (size_t i = 0; i < script->n_seen; i++)
        asked[i] = script->seen[i].method[0];
    if (rc != row->want)
        fail_msg("%s: %s: %s", row->behaviour, rc_name(rc), err.msg);
    CHECK_STR(row->want_asked, asked, row->behaviour);
    CHECK_EQ(row->want_code, rc == RC_OK ? ERR_NONE : err.code, row->behaviour);
    if (strstr(err.msg, row->want_text) == NULL || strstr(err.msg, "hidden") != NULL)
        fail_msg("%s: %s", row->behaviour, err.msg);
    http_script_free(script);
}

static void each_answer_has_its_consequence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_answers(&cases[i]);
}

static const char *header_of(const struct http_script_seen *seen, const char *name, char *out, size_t size)
{
    const char *at = strcasestr(seen->head, name);
    snprintf(out, size, "%.*s", at == NULL ? 0 : (int)strcspn(at + strlen(name), "\r"),
             at == NULL ? "" : at + strlen(name));
    return out;
}

/* What was received, signed again from what it says of itself. */
static void assert_signed(const struct http_script *script, const struct http_script_seen *seen, const char *path,
                          const struct sigv4_param *query, size_t n_query)
{
    char host[64], date[32], sha256[80], sent_sha256[80], authorization[1024];
    snprintf(host, sizeof(host), "127.0.0.1:%u", script->port);
    sha256_hex(slice_of(seen->body, seen->body_len), sha256);
    assert_string_equal(sha256, header_of(seen, "x-amz-content-sha256: ", sent_sha256, sizeof(sent_sha256)));
    struct tm tm = {0};
    assert_non_null(strptime(header_of(seen, "x-amz-date: ", date, sizeof(date)), "%Y%m%dT%H%M%SZ", &tm));
    const struct aws_credentials credentials = {.access_key_id = "KEY", .secret_access_key = "hidden"};
    const struct sigv4_request request = {.method = seen->method,
                                          .host = host,
                                          .path = path,
                                          .query = query,
                                          .n_query = n_query,
                                          .payload_sha256 = sha256,
                                          .region = "us-east-1",
                                          .service = "s3",
                                          .now_us = (int64_t)timegm(&tm) * US_PER_S,
                                          .sign_content_sha256_header = true};
    struct sigv4_signed want;
    struct err err = {0};
    ASSERT_OK(sigv4_sign(&request, &credentials, &want, &err), &err);
    assert_string_equal(want.authorization, header_of(seen, "Authorization: ", authorization, sizeof(authorization)));
}

static void keys_are_encoded_and_signed_as_they_are_sent(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *key, *want_target;
    } keys[] = {
        {"plain", "leat/w/1.csv.zst", "/bucket/leat/w/1.csv.zst"},
        {"blanks, plus, equals", "a b+c=d", "/bucket/a%20b%2Bc%3Dd"},
        {"what shells dislike", "*'()!$&,;:@", "/bucket/%2A%27%28%29%21%24%26%2C%3B%3A%40"},
        {"unicode", "\xc3\xa9/\xe6\x97\xa5", "/bucket/%C3%A9/%E6%97%A5"},
        {"dots and slashes stay", "a//b/../c/.", "/bucket/a//b/../c/."},
        {"a question mark is no query", "a?b#c%d", "/bucket/a%3Fb%23c%25d"},
    };
    struct http_script_reply replies[ARRAY_LEN(keys)];
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        replies[i] = (struct http_script_reply){.status = 200, .keep_open = true};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    struct s3 *s3 = s3_at(script);
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        ASSERT_OK(s3_put(s3, keys[i].key, slice_of_str("body"), &err), &err);
    s3_free(s3);
    http_script_stop(script);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char path[128];
        snprintf(path, sizeof(path), "/bucket/%s", keys[i].key);
        CHECK_STR(keys[i].want_target, script->seen[i].target, keys[i].behaviour);
        assert_signed(script, &script->seen[i], path, NULL, 0);
    }
    http_script_free(script);
}

static void parts_make_up_the_object(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {OK_UPLOAD,
                                                       {.status = 200, .headers = "ETag: \"one\"\r\n"},
                                                       {.status = 200, .headers = "ETag: \"two\"\r\n"},
                                                       {.status = 200, .headers = "ETag: <&>\r\n"},
                                                       {.status = 200, .body = COMPLETED_BODY}};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    struct s3 *s3 = s3_at(script);
    struct err err = {0};
    ASSERT_OK(do_write_big(s3, &err), &err);
    s3_free(s3);
    http_script_stop(script);
    assert_string_equal("/bucket/written?uploads=", script->seen[0].target);
    assert_string_equal("/bucket/written?partNumber=1&uploadId=id%2B1", script->seen[1].target);
    assert_string_equal("/bucket/written?uploadId=id%2B1", script->seen[4].target);
    size_t at = 0;
    for (size_t i = 1; i <= 3; i++) {
        assert_int_equal(i < 3 ? 8 * MIB : 4 * MIB, script->seen[i].body_len);
        assert_memory_equal(big_body + at, script->seen[i].body, script->seen[i].body_len);
        at += script->seen[i].body_len;
    }
    const struct sigv4_param query[] = {{"uploadId", "id+1"}, {"partNumber", "2"}};
    assert_signed(script, &script->seen[2], "/bucket/written", query, ARRAY_LEN(query));
    const char want[] = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                        "<Part><PartNumber>1</PartNumber><ETag>&quot;one&quot;</ETag></Part>"
                        "<Part><PartNumber>2</PartNumber><ETag>&quot;two&quot;</ETag></Part>"
                        "<Part><PartNumber>3</PartNumber><ETag>&lt;&amp;&gt;</ETag></Part></CompleteMultipartUpload>";
    assert_int_equal(sizeof(want) - 1, script->seen[4].body_len);
    assert_memory_equal(want, script->seen[4].body, sizeof(want) - 1);
    http_script_free(script);
}

static void a_wrong_clock_is_set_by_the_server_once(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {
        {.status = 403,
         .headers = "Date: Tue, 01 Jan 2030 10:00:00 GMT\r\n",
         .body = ERROR_BODY("RequestTimeTooSkewed")},
        {.status = 200},
        {.status = 200},
        {.status = 403, .headers = "Date: nonsense\r\n", .body = ERROR_BODY("RequestTimeTooSkewed")}};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    struct s3 *s3 = s3_at(script);
    struct err err = {0};
    ASSERT_OK(do_put(s3, &err), &err);
    ASSERT_OK(do_put(s3, &err), &err);
    assert_int_equal(RC_FATAL, do_put(s3, &err));
    assert_int_equal(ERR_S3_AUTH, err.code);
    s3_free(s3);
    http_script_stop(script);
    assert_int_equal(4, script->n_seen);
    for (size_t i = 1; i < 3; i++) {
        char date[32];
        header_of(&script->seen[i], "x-amz-date: ", date, sizeof(date));
        assert_memory_equal("20300101T100", date, 12);
        assert_signed(script, &script->seen[i], "/bucket/a key", NULL, 0);
    }
    http_script_free(script);
}

static void requests_and_bytes_are_counted(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {{.status = 503}, {.status = 200}, {.status = 204}};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    struct s3 *s3 = s3_at(script);
    struct err err = {0};
    double puts = metric_get(METRIC_sink_s3_requests_total, "warehouse", "PUT");
    double deletes = metric_get(METRIC_sink_s3_requests_total, "warehouse", "DELETE");
    double bytes = metric_get(METRIC_sink_s3_bytes_total, "warehouse", NULL);
    ASSERT_OK(do_put(s3, &err), &err);
    ASSERT_OK(do_delete(s3, &err), &err);
    assert_true(metric_get(METRIC_sink_s3_requests_total, "warehouse", "PUT") == puts + 2);
    assert_true(metric_get(METRIC_sink_s3_requests_total, "warehouse", "DELETE") == deletes + 1);
    assert_true(metric_get(METRIC_sink_s3_bytes_total, "warehouse", NULL) == bytes + 5);
    s3_free(s3);
    http_script_free(script);
}

static void keys_for_copy_are_the_ones_in_use(void **state)
{
    (void)state;
    const struct config_s3 config = {
        .bucket = "b", .region = "r", .access_key_id = "KEY", .secret_access_key = "hidden", .session_token = "token"};
    struct s3 *s3 = s3_new(&config, "w");
    const char *key_id, *secret, *token;
    struct err err = {0};
    ASSERT_OK(s3_copy_credentials(s3, &key_id, &secret, &token, &err), &err);
    assert_string_equal("KEY", key_id);
    assert_string_equal("hidden", secret);
    assert_string_equal("token", token);
    s3_free(s3);
}

static void after_a_stop_nothing_is_waited_for(void **state)
{
    (void)state;
    static const struct http_script_reply replies[] = {{.status = 503, .body = ERROR_BODY("SlowDown")}};
    struct http_script *script = http_script_start(replies, ARRAY_LEN(replies));
    struct s3 *s3 = s3_at(script);
    struct err err = {0};
    stop_request(); /* for the rest of this program: the last test */
    assert_int_equal(RC_RETRY, do_put(s3, &err));
    assert_int_equal(ERR_S3_TRANSIENT, err.code);
    s3_free(s3);
    http_script_stop(script);
    assert_int_equal(1, script->n_seen);
    http_script_free(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_has_its_consequence),
        cmocka_unit_test(keys_are_encoded_and_signed_as_they_are_sent),
        cmocka_unit_test(parts_make_up_the_object),
        cmocka_unit_test(a_wrong_clock_is_set_by_the_server_once),
        cmocka_unit_test(requests_and_bytes_are_counted),
        cmocka_unit_test(keys_for_copy_are_the_ones_in_use),
        cmocka_unit_test(after_a_stop_nothing_is_waited_for),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
