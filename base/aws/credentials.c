#include "base/aws/credentials.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/aws/credential_sources.h"
#include "base/clock.h"

enum {
    RENEW_BEFORE_S = 300,
    TRY_AGAIN_AFTER_MS = 30 * MS_PER_S, /* while the old ones still hold */
};

struct aws_credentials_provider {
    pthread_mutex_t mutex; /* also held while fetching: others wait for the same answer */
    struct aws_credentials current;
    bool is_fixed, is_refused;
    int64_t next_renewal_at_ms; /* monotonic */
    char region[64];
};

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

struct aws_credentials_provider *aws_credentials_provider_new(const char *access_key_id, const char *secret_access_key,
                                                              const char *session_token, const char *region)
{
    struct aws_credentials_provider *provider = calloc(1, sizeof(*provider));
    if (provider == NULL)
        abort(); /* a few KiB, at start */
    pthread_mutex_init(&provider->mutex, NULL);
    snprintf(provider->region, sizeof(provider->region), "%s", region == NULL ? "" : region);
    provider->is_fixed = is_given(access_key_id) && is_given(secret_access_key);
    if (provider->is_fixed) {
        struct aws_credentials *fixed = &provider->current;
        snprintf(fixed->access_key_id, sizeof(fixed->access_key_id), "%s", access_key_id);
        snprintf(fixed->secret_access_key, sizeof(fixed->secret_access_key), "%s", secret_access_key);
        snprintf(fixed->session_token, sizeof(fixed->session_token), "%s", session_token == NULL ? "" : session_token);
    }
    return provider;
}

void aws_credentials_provider_free(struct aws_credentials_provider *provider)
{
    if (provider == NULL)
        return;
    pthread_mutex_destroy(&provider->mutex);
    explicit_bzero(provider, sizeof(*provider));
    free(provider);
}

static bool holds_for(const struct aws_credentials *credentials, int64_t seconds)
{
    return credentials->expires_at_us == 0 || clock_wall_us() + seconds * US_PER_S < credentials->expires_at_us;
}

static enum rc renew(struct aws_credentials_provider *provider, struct err *err)
{
    struct aws_credentials fetched;
    TRY(aws_credential_sources_fetch(provider->region, &fetched, err));
    if (!holds_for(&fetched, 0)) {
        explicit_bzero(&fetched, sizeof(fetched));
        return err_set(err, ERR_AWS_CREDENTIALS, "could not use the AWS credentials: they have expired already");
    }
    provider->current = fetched;
    provider->is_refused = false;
    explicit_bzero(&fetched, sizeof(fetched));
    return RC_OK;
}

static enum rc get_locked(struct aws_credentials_provider *provider, struct aws_credentials *ret_credentials,
                          struct err *err)
{
    const struct aws_credentials *current = &provider->current;
    bool is_usable = current->access_key_id[0] != '\0' && !provider->is_refused && holds_for(current, 0);
    bool is_due = !holds_for(current, RENEW_BEFORE_S) && clock_mono_ms() >= provider->next_renewal_at_ms;
    if (!provider->is_fixed && (!is_usable || is_due)) {
        struct err failure = {0};
        if (is_usable)
            provider->next_renewal_at_ms = clock_mono_ms() + TRY_AGAIN_AFTER_MS;
        enum rc rc = renew(provider, is_usable ? &failure : err); /* what still holds is kept */
        if (!is_usable)
            TRY(rc);
    }
    *ret_credentials = provider->current;
    return RC_OK;
}

enum rc aws_credentials_get(struct aws_credentials_provider *provider, struct aws_credentials *ret_credentials,
                            struct err *err)
{
    pthread_mutex_lock(&provider->mutex);
    enum rc rc = get_locked(provider, ret_credentials, err);
    pthread_mutex_unlock(&provider->mutex);
    return rc;
}

void aws_credentials_expire(struct aws_credentials_provider *provider)
{
    pthread_mutex_lock(&provider->mutex);
    provider->is_refused = true;
    pthread_mutex_unlock(&provider->mutex);
}
