/* AWS credentials from where AWS's own tools look, in this order: environment, web identity, shared profile,
 * container (ECS task role), IMDSv2. Renewed five minutes before they expire; kept until then if renewal fails. */
#ifndef LEAT_BASE_AWS_CREDENTIALS_H
#define LEAT_BASE_AWS_CREDENTIALS_H

#include "base/err.h"

#include <stdint.h>

struct aws_credentials {
    char access_key_id[128];
    char secret_access_key[256];
    char session_token[4096]; /* "" when there is none */
    int64_t expires_at_us;    /* wall clock; 0: never */
};

struct aws_credentials_provider;
/* Fixed keys when both are given (from the configuration), else the chain. session_token may be NULL. */
struct aws_credentials_provider *aws_credentials_provider_new(const char *access_key_id, const char *secret_access_key,
                                                              const char *session_token, const char *region);
void aws_credentials_provider_free(struct aws_credentials_provider *provider);
/* Thread-safe; copies out what is valid now. */
MUST_CHECK enum rc aws_credentials_get(struct aws_credentials_provider *provider,
                                       struct aws_credentials *ret_credentials, struct err *err);
/* The server said that they are expired: fetch anew at the next get. */
void aws_credentials_expire(struct aws_credentials_provider *provider);

#endif
