#include "sink/s3/put.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/aws/xml.h"
#include "base/buf.h"
#include "sink/s3/client.h"

enum {
    PART_BYTES = 8 << 20, /* S3 wants at least 5 MiB of all parts but the last */
    SINGLE_PUT_MAX_BYTES = 16 << 20,
    MAX_PARTS = 10000,
    PARTS_PER_DOUBLING = 1000, /* a writer does not know its size: 10,000 parts that double so hold 8 TiB */
    PARTS_XML_MAX_BYTES = 4 << 20,
};

struct s3 {
    struct s3_client *client;
    char check_key[1100];
    struct aws_credentials for_copy;
};

struct s3 *s3_new(const struct config_s3 *config, const char *label)
{
    struct s3 *s3 = calloc(1, sizeof(*s3));
    if (s3 == NULL)
        abort(); /* a few KiB, at start */
    bool has_prefix = config->prefix != NULL && config->prefix[0] != '\0';
    snprintf(s3->check_key, sizeof(s3->check_key), "%s%sleat-check", has_prefix ? config->prefix : "",
             has_prefix ? "/" : "");
    s3->client = s3_client_new(config, label);
    return s3;
}

void s3_free(struct s3 *s3)
{
    if (s3 == NULL)
        return;
    s3_client_free(s3->client);
    explicit_bzero(s3, sizeof(*s3));
    free(s3);
}

enum rc s3_delete(struct s3 *s3, const char *key, struct err *err)
{
    struct s3_answer answer;
    return s3_client_send(s3->client, &(struct s3_request){.method = "DELETE", .key = key, .tolerate = "NoSuchKey"},
                          &answer, err);
}

enum rc s3_copy_credentials(struct s3 *s3, const char **ret_access_key_id, const char **ret_secret,
                            const char **ret_token, struct err *err)
{
    TRY(s3_client_credentials(s3->client, &s3->for_copy, err));
    *ret_access_key_id = s3->for_copy.access_key_id;
    *ret_secret = s3->for_copy.secret_access_key;
    *ret_token = s3->for_copy.session_token;
    return RC_OK;
}

/* ---- multipart ---- */

struct upload {
    struct s3 *s3;
    const char *key;      /* the owner's */
    char id[1024];        /* "": not begun, or over */
    struct buf parts_xml; /* what Complete sends */
    int n_parts;
    uint64_t bytes;
};

static void upload_init(struct upload *upload, struct s3 *s3, const char *key)
{
    *upload = (struct upload){.s3 = s3, .key = key, .parts_xml = buf_new(PARTS_XML_MAX_BYTES)};
}

/* Forgets what was sent, if it was not completed. One try: what stays behind is for the bucket's lifecycle
 * rule. */
static void upload_done(struct upload *upload)
{
    if (upload->id[0] != '\0') {
        const struct sigv4_param query[] = {{"uploadId", upload->id}};
        struct s3_answer answer;
        struct err ignored = {0};
        (void)!s3_client_send(
            upload->s3->client,
            &(struct s3_request){
                .method = "DELETE", .key = upload->key, .query = query, .n_query = ARRAY_LEN(query), .only_once = true},
            &answer, &ignored);
        upload->id[0] = '\0';
    }
    buf_done(&upload->parts_xml);
}

static enum rc upload_begin(struct upload *upload, bool only_once, struct err *err)
{
    const struct sigv4_param query[] = {{"uploads", ""}};
    const struct s3_request request = {.method = "POST",
                                       .key = upload->key,
                                       .query = query,
                                       .n_query = ARRAY_LEN(query),
                                       .expect = "UploadId",
                                       .only_once = only_once};
    struct s3_answer answer;
    TRY(s3_client_send(upload->s3->client, &request, &answer, err));
    if (!aws_xml_text(answer.http.body, "UploadId", upload->id, sizeof(upload->id)) || upload->id[0] == '\0' ||
        strlen(upload->id) + 1 == sizeof(upload->id)) {
        upload->id[0] = '\0';
        return err_set(err, ERR_S3_REQUEST, "could not begin an upload to %s: S3 gave no id that can be used",
                       upload->key);
    }
    buf_put_str(&upload->parts_xml, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    return RC_OK;
}

static void put_xml_text(struct buf *xml, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&': buf_put_str(xml, "&amp;"); break;
        case '<': buf_put_str(xml, "&lt;"); break;
        case '>': buf_put_str(xml, "&gt;"); break;
        case '"': buf_put_str(xml, "&quot;"); break;
        default: buf_put_u8(xml, (uint8_t)*text);
        }
    }
}

static enum rc upload_part(struct upload *upload, struct slice body, struct err *err)
{
    char number[16];
    snprintf(number, sizeof(number), "%d", upload->n_parts + 1);
    const struct sigv4_param query[] = {{"partNumber", number}, {"uploadId", upload->id}};
    const struct s3_request request = {
        .method = "PUT", .key = upload->key, .query = query, .n_query = ARRAY_LEN(query), .body = body};
    struct s3_answer answer;
    if (upload->n_parts == MAX_PARTS)
        return err_set(err, ERR_S3_REQUEST, "could not upload %s: it is larger than S3 allows", upload->key);
    TRY(s3_client_send(upload->s3->client, &request, &answer, err));
    if (answer.http.etag[0] == '\0')
        return err_set(err, ERR_S3_REQUEST, "could not upload part %s of %s: S3 gave no ETag", number, upload->key);
    buf_printf(&upload->parts_xml, "<Part><PartNumber>%s</PartNumber><ETag>", number);
    put_xml_text(&upload->parts_xml, answer.http.etag);
    buf_put_str(&upload->parts_xml, "</ETag></Part>");
    upload->n_parts++;
    upload->bytes += body.len;
    return RC_OK;
}

/* The answer to a Complete was lost, and now there is no such upload: done when the object is there, whole.
 */
static enum rc upload_find_result(struct upload *upload, struct err *err)
{
    struct s3_answer answer;
    TRY(s3_client_send(upload->s3->client,
                       &(struct s3_request){.method = "HEAD", .key = upload->key, .tolerate = "NoSuchKey"}, &answer,
                       err));
    if (answer.code[0] == '\0' && answer.http.content_length == (int64_t)upload->bytes)
        return RC_OK;
    return err_set(err, ERR_S3_TRANSIENT, "could not complete the upload of %s: S3 no longer knows the upload, and %s",
                   upload->key, answer.code[0] == '\0' ? "the object there has another size" : "there is no object");
}

static enum rc upload_complete(struct upload *upload, struct err *err)
{
    buf_put_str(&upload->parts_xml, "</CompleteMultipartUpload>");
    if (upload->parts_xml.failed)
        return err_set(err, ERR_MEMORY_LIMIT, "could not hold the list of parts of %s", upload->key);
    const struct sigv4_param query[] = {{"uploadId", upload->id}};
    const struct s3_request request = {.method = "POST",
                                       .key = upload->key,
                                       .query = query,
                                       .n_query = ARRAY_LEN(query),
                                       .body = buf_slice(&upload->parts_xml),
                                       .expect = "CompleteMultipartUploadResult",
                                       .tolerate = "NoSuchUpload"};
    struct s3_answer answer;
    TRY(s3_client_send(upload->s3->client, &request, &answer, err));
    if (answer.code[0] != '\0' && answer.n_unsure == 0)
        return err_set(err, ERR_S3_TRANSIENT, "could not complete the upload of %s: S3 no longer knows it",
                       upload->key);
    upload->id[0] = '\0'; /* nothing left to abort */
    return answer.code[0] == '\0' ? RC_OK : upload_find_result(upload, err);
}

/* ---- whole objects ---- */

static enum rc put_single(struct s3 *s3, const char *key, struct slice body, struct err *err)
{
    struct s3_answer answer;
    return s3_client_send(s3->client, &(struct s3_request){.method = "PUT", .key = key, .body = body}, &answer, err);
}

static enum rc upload_all(struct upload *upload, struct slice body, struct err *err)
{
    size_t part_bytes = MAX((size_t)PART_BYTES, (body.len + MAX_PARTS - 1) / MAX_PARTS);
    TRY(upload_begin(upload, false, err));
    for (size_t at = 0; at < body.len; at += part_bytes)
        TRY(upload_part(upload, slice_of(body.ptr + at, MIN(part_bytes, body.len - at)), err));
    return upload_complete(upload, err);
}

enum rc s3_put(struct s3 *s3, const char *key, struct slice body, struct err *err)
{
    if (body.len <= SINGLE_PUT_MAX_BYTES)
        return put_single(s3, key, body, err);
    struct upload upload;
    upload_init(&upload, s3, key);
    enum rc rc = upload_all(&upload, body, err);
    upload_done(&upload);
    return rc;
}

/* ---- writers ---- */

struct s3_writer {
    char *key;
    struct upload upload;
    struct buf part;
    bool has_failed;
};

static size_t part_bytes_now(const struct s3_writer *writer)
{
    return (size_t)PART_BYTES << (writer->upload.n_parts / PARTS_PER_DOUBLING);
}

enum rc s3_writer_open(struct s3 *s3, const char *key, struct s3_writer **ret_writer, struct err *err)
{
    struct s3_writer *writer = calloc(1, sizeof(*writer));
    char *own_key = strdup(key);
    if (writer == NULL || own_key == NULL) {
        free(writer);
        free(own_key);
        return err_set(err, ERR_NO_MEMORY, "could not open %s for writing", key);
    }
    writer->key = own_key;
    upload_init(&writer->upload, s3, own_key);
    writer->part = buf_new((size_t)PART_BYTES << (MAX_PARTS / PARTS_PER_DOUBLING));
    *ret_writer = writer;
    return RC_OK;
}

static enum rc send_part(struct s3_writer *writer, struct err *err)
{
    if (writer->upload.id[0] == '\0')
        TRY(upload_begin(&writer->upload, false, err));
    TRY(upload_part(&writer->upload, buf_slice(&writer->part), err));
    buf_clear(&writer->part);
    return RC_OK;
}

/* A full part goes up when there is more to come: so a small object is never an upload, and no part is empty.
 */
static enum rc writer_take(struct s3_writer *writer, struct slice bytes, struct err *err)
{
    while (bytes.len > 0) {
        if (writer->part.len >= part_bytes_now(writer))
            TRY(send_part(writer, err));
        size_t n = MIN(bytes.len, part_bytes_now(writer) - writer->part.len);
        buf_put(&writer->part, bytes.ptr, n);
        if (writer->part.failed)
            return err_set(err, ERR_NO_MEMORY, "could not hold a part of %s", writer->key);
        bytes = slice_of(bytes.ptr + n, bytes.len - n);
    }
    return RC_OK;
}

static enum rc writer_complete(struct s3_writer *writer, uint64_t *ret_bytes, struct err *err)
{
    uint64_t bytes = writer->upload.bytes + writer->part.len;
    if (writer->upload.id[0] == '\0') {
        TRY(put_single(writer->upload.s3, writer->key, buf_slice(&writer->part), err));
    } else {
        TRY(send_part(writer, err));
        TRY(upload_complete(&writer->upload, err));
    }
    *ret_bytes = bytes;
    return RC_OK;
}

/* The upload is given up at once: its parts cost money as long as they lie there. */
static enum rc writer_settle(struct s3_writer *writer, enum rc rc)
{
    if (rc != RC_OK) {
        writer->has_failed = true;
        upload_done(&writer->upload);
    }
    return rc;
}

static enum rc refuse_failed(const struct s3_writer *writer, struct err *err)
{
    if (!writer->has_failed)
        return RC_OK;
    return err_set(err, ERR_BUG, "could not go on writing %s: it has failed before", writer->key);
}

enum rc s3_writer_put(struct s3_writer *writer, struct slice bytes, struct err *err)
{
    TRY(refuse_failed(writer, err));
    return writer_settle(writer, writer_take(writer, bytes, err));
}

enum rc s3_writer_finish(struct s3_writer *writer, uint64_t *ret_bytes, struct err *err)
{
    TRY(refuse_failed(writer, err));
    return writer_settle(writer, writer_complete(writer, ret_bytes, err));
}

void s3_writer_free(struct s3_writer *writer)
{
    if (writer == NULL)
        return;
    upload_done(&writer->upload);
    buf_done(&writer->part);
    free(writer->key);
    free(writer);
}

/* ---- check ---- */

/* An answer to HEAD has no reason in it: the same question as GET has. */
static enum rc check_bucket(struct s3 *s3, struct err *err)
{
    struct s3_answer answer;
    const struct sigv4_param query[] = {{"list-type", "2"}, {"max-keys", "1"}};
    enum rc rc = s3_client_send(s3->client, &(struct s3_request){.method = "HEAD", .only_once = true}, &answer, err);
    if (rc == RC_OK || rc == RC_AGAIN || err->code == ERR_S3_UNREACHABLE || err->code == ERR_AWS_CREDENTIALS)
        return rc;
    return s3_client_send(
        s3->client,
        &(struct s3_request){.method = "GET", .query = query, .n_query = ARRAY_LEN(query), .only_once = true}, &answer,
        err);
}

enum rc s3_check(struct s3 *s3, struct err *err)
{
    enum rc rc = check_bucket(s3, err);
    if (rc != RC_OK && err->code != ERR_S3_PERMISSION)
        return rc;
    /* Listing the bucket may be denied to a role that may well write. An upload that is begun and given up
     * shows it, and leaves nothing behind. */
    struct upload upload;
    upload_init(&upload, s3, s3->check_key);
    rc = upload_begin(&upload, true, err);
    upload_done(&upload);
    return rc;
}
