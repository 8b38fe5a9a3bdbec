/* A token that RDS and Aurora take instead of a password, for one connection: a presigned "rds-db:connect" request.
 * "IAM database authentication" in the RDS User Guide. It holds for 15 minutes, and only while connecting; the server
 * wants TLS. */
#ifndef LEAT_BASE_AWS_RDS_TOKEN_H
#define LEAT_BASE_AWS_RDS_TOKEN_H

#include "base/aws/credentials.h"
#include "base/buf.h"
#include "base/err.h"

enum { RDS_TOKEN_MAX_BYTES = 16384 };

/* Pure. Appends the token: a secret. */
MUST_CHECK enum rc rds_token_put(struct buf *out, const char *host, int port, const char *user, const char *region,
                                 const struct aws_credentials *credentials, int64_t now_us, struct err *err);
/* With credentials from where AWS's own tools look (credentials.h), fetched anew: connecting is rare. region NULL
 * or "": AWS_REGION, AWS_DEFAULT_REGION. */
MUST_CHECK enum rc rds_token_make(struct buf *out, const char *host, int port, const char *user, const char *region,
                                  struct err *err);

#endif
