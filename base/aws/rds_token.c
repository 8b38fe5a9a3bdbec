#include "base/aws/rds_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/aws/sigv4.h"
#include "base/clock.h"

enum { VALID_S = 900, HOST_BYTES = 320 };

static const char EMPTY_SHA256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

enum rc rds_token_put(struct buf *out, const char *host, int port, const char *user, const char *region,
                      const struct aws_credentials *credentials, int64_t now_us, struct err *err)
{
    char host_and_port[HOST_BYTES];
    snprintf(host_and_port, sizeof(host_and_port), "%s:%d", host, port);
    const struct sigv4_param query[] = {{"Action", "connect"}, {"DBUser", user}};
    const struct sigv4_request request = {.method = "GET",
                                          .host = host_and_port,
                                          .path = "/",
                                          .query = query,
                                          .n_query = ARRAY_LEN(query),
                                          .payload_sha256 = EMPTY_SHA256,
                                          .region = region,
                                          .service = "rds-db",
                                          .now_us = now_us};
    return sigv4_presign(&request, credentials, VALID_S, out, err);
}

static const char *region_of(const char *given)
{
    static const char *const variables[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    for (size_t i = 0; i < ARRAY_LEN(variables) && (given == NULL || given[0] == '\0'); i++)
        given = getenv(variables[i]);
    return given;
}

enum rc rds_token_make(struct buf *out, const char *host, int port, const char *user, const char *region,
                       struct err *err)
{
    struct aws_credentials credentials;
    region = region_of(region);
    if (region == NULL || region[0] == '\0')
        return err_set(err, ERR_CONFIG_VALUE, "auth is rds_iam, but there is no region: set `region` or AWS_REGION");
    struct aws_credentials_provider *provider = aws_credentials_provider_new(NULL, NULL, NULL, region);
    enum rc rc = aws_credentials_get(provider, &credentials, err);
    aws_credentials_provider_free(provider);
    if (rc == RC_OK)
        rc = rds_token_put(out, host, port, user, region, &credentials, clock_wall_us(), err);
    explicit_bzero(&credentials, sizeof(credentials));
    return rc;
}
