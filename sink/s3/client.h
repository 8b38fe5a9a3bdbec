/* One bucket, one signed request at a time: addressing, signing, judging the answer, trying again. */
#ifndef LEAT_SINK_S3_CLIENT_H
#define LEAT_SINK_S3_CLIENT_H

#include "base/aws/credentials.h"
#include "base/aws/sigv4.h"
#include "base/config.h"
#include "base/http_client.h"

struct s3_client;
struct s3_client *s3_client_new(const struct config_s3 *config, const char *label);
void s3_client_free(struct s3_client *client);

struct s3_request {
    const char *method;
    const char *key; /* NULL: the bucket */
    const struct sigv4_param *query;
    size_t n_query;
    struct slice body;
    const char *expect;   /* element that a good answer has in its body; NULL: none */
    const char *tolerate; /* error code that is an answer too; NULL: none */
    bool only_once;       /* no second try for what is transient */
};

struct s3_answer {
    struct http_response http; /* body valid until the next request */
    char code[64];             /* "" or what was tolerated */
    unsigned n_unsure;         /* tries before this one whose outcome is unknown: it may have been carried out */
};

/* RC_OK for 2xx with what was expected, and for what is tolerated. Transient failures are tried again for
 * about 30 s, not after a stop was asked for; expired credentials and a wrong clock are mended once. */
MUST_CHECK enum rc s3_client_send(struct s3_client *client, const struct s3_request *request,
                                  struct s3_answer *ret_answer, struct err *err);
MUST_CHECK enum rc s3_client_credentials(struct s3_client *client, struct aws_credentials *ret_credentials,
                                         struct err *err);

#endif
