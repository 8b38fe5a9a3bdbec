/* Puts objects into the staging bucket over signed requests: single PUT up to the multipart threshold, multipart
 * beyond it, aborted on failure. One client for one thread. */
#ifndef LEAT_SINK_S3_PUT_H
#define LEAT_SINK_S3_PUT_H

#include "base/config.h"
#include "base/err.h"
#include "base/slice.h"

struct s3;
/* `label` is the sink's name, for metrics. Credentials: the fixed keys of the config, else AWS's chain. */
struct s3 *s3_new(const struct config_s3 *config, const char *label);
void s3_free(struct s3 *s3);

/* The bucket exists and our signature and rights are good (HEAD bucket; the reason from a signed GET when it is not). */
MUST_CHECK enum rc s3_check(struct s3 *s3, struct err *err);
/* Whole object; overwrites. Retries transient failures inside, within a budget of about 30 s, then ERR_S3_TRANSIENT or
 * ERR_S3_UNREACHABLE (both RC_RETRY). */
MUST_CHECK enum rc s3_put(struct s3 *s3, const char *key, struct slice body, struct err *err);
MUST_CHECK enum rc s3_delete(struct s3 *s3, const char *key, struct err *err); /* missing is fine */
/* What COPY needs when there is no role: valid now. Pointers live until the next call. */
MUST_CHECK enum rc s3_copy_credentials(struct s3 *s3, const char **ret_access_key_id, const char **ret_secret,
                                       const char **ret_token, struct err *err);

/* An object sent while it is made: parts of at least 5 MiB go up as they fill; memory stays at one part. A small object
 * becomes a single PUT at finish. On any failure the upload is aborted and the writer only good for s3_writer_free. */
struct s3_writer;
MUST_CHECK enum rc s3_writer_open(struct s3 *s3, const char *key, struct s3_writer **ret_writer, struct err *err);
MUST_CHECK enum rc s3_writer_put(struct s3_writer *writer, struct slice bytes, struct err *err);
/* Completes; ret_bytes is the object's size. CompleteMultipartUpload's 200 with an <Error> body is an error. */
MUST_CHECK enum rc s3_writer_finish(struct s3_writer *writer, uint64_t *ret_bytes, struct err *err);
void s3_writer_free(struct s3_writer *writer); /* aborts what was not finished */

#endif
