#include "base/aws/credential_sources.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <jansson.h>

#include "base/aws/sigv4.h"
#include "base/aws/xml.h"
#include "base/clock.h"
#include "base/http_client.h"

/* Answers of a source that is not set up here: the next one is asked. */
static const enum rc NOT_SET_UP = RC_AGAIN;

enum {
    NEAR_TIMEOUT_MS = 1000, /* link-local: answers at once, or is not there */
    CONTAINER_TIMEOUT_MS = 5000,
    STS_TIMEOUT_MS = 20000,
    STS_DURATION_S = 3600,
    SMALL_FILE_BYTES = 64 * 1024,
    ANSWER_BYTES = 256 * 1024,
};

DEFINE_SCOPED(json_t *, json_decref)
DEFINE_SCOPED(FILE *, fclose)

/* NULL when unset or empty. */
static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* Whole or not at all: a cut token is a wrong one. */
static enum rc take(char *out, size_t size, const char *value, const char *what, struct err *err)
{
    if (value == NULL || value[0] == '\0')
        return err_set(err, ERR_AWS_CREDENTIALS, "could not get AWS credentials: there is no %s", what);
    if (strlen(value) >= size)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not get AWS credentials: the %s is longer than %zu bytes", what,
                       size - 1);
    memcpy(out, value, strlen(value) + 1);
    return RC_OK;
}

/* token and expiration may be NULL. "2026-11-23T18:45:47Z", with or without a fraction. */
static enum rc take_all(const char *key_id, const char *secret, const char *token, const char *expiration,
                        struct aws_credentials *ret_credentials, struct err *err)
{
    struct aws_credentials made = {0};
    TRY(take(made.access_key_id, sizeof(made.access_key_id), key_id, "access key id", err));
    TRY(take(made.secret_access_key, sizeof(made.secret_access_key), secret, "secret access key", err));
    if (token != NULL && token[0] != '\0')
        TRY(take(made.session_token, sizeof(made.session_token), token, "session token", err));
    if (expiration != NULL && expiration[0] != '\0') {
        struct tm tm = {0};
        const char *rest = strptime(expiration, "%Y-%m-%dT%H:%M:%S", &tm);
        if (rest == NULL || (rest[0] != 'Z' && rest[0] != '.'))
            return err_set(err, ERR_AWS_CREDENTIALS, "could not get AWS credentials: their expiration is not a time");
        made.expires_at_us = (int64_t)timegm(&tm) * US_PER_S;
    }
    *ret_credentials = made;
    return RC_OK;
}

static enum rc read_file(const char *path, struct buf *out, struct err *err)
{
    SCOPED(fclose) FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not read %s: %s", path, strerror(errno));
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_put(out, chunk, n);
    if (ferror(file) || out->failed)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not read %s: %s", path,
                       out->failed ? "it is too large" : strerror(errno));
    return RC_OK;
}

static const char *trimmed(struct buf *text)
{
    while (text->len > 0 && strchr(" \t\r\n", text->ptr[text->len - 1]) != NULL)
        text->len--;
    return buf_cstr(text);
}

/* ---- environment ---- */

static enum rc from_environment(const char *region, struct aws_credentials *ret_credentials, struct err *err)
{
    (void)region;
    const char *key_id = env("AWS_ACCESS_KEY_ID"), *secret = env("AWS_SECRET_ACCESS_KEY");
    if (key_id == NULL && secret == NULL)
        return NOT_SET_UP;
    if (key_id == NULL || secret == NULL)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not get AWS credentials: %s is set, but %s is not",
                       key_id == NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID",
                       key_id == NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
    return take_all(key_id, secret, env("AWS_SESSION_TOKEN"), NULL, ret_credentials, err);
}

/* ---- web identity: a token from Kubernetes or another identity provider, exchanged at STS ---- */

static void put_form(struct buf *form, const char *name, const char *value)
{
    buf_put_str(form, form->len == 0 ? "" : "&");
    buf_put_str(form, name);
    buf_put_u8(form, '=');
    sigv4_uri_encode(form, slice_of_str(value), false);
}

static void sts_url(const char *region, char *out, size_t size)
{
    const char *given = env("AWS_ENDPOINT_URL_STS");
    if (given != NULL)
        snprintf(out, size, "%s", given);
    else if (region == NULL || region[0] == '\0')
        snprintf(out, size, "https://sts.amazonaws.com/");
    else
        snprintf(out, size, "https://sts.%s.amazonaws.com%s/", region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

static enum rc read_sts_answer(const struct http_response *response, struct aws_credentials *ret_credentials,
                               struct err *err)
{
    struct {
        char key_id[256], secret[512], token[8192], expiration[64], code[128], message[256];
    } text;
    aws_xml_text(response->body, "Code", text.code, sizeof(text.code));
    aws_xml_text(response->body, "Message", text.message, sizeof(text.message));
    if (response->status != 200)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not assume the role of AWS_ROLE_ARN: STS answered %ld %s: %s",
                       response->status, text.code, text.message);
    aws_xml_text(response->body, "AccessKeyId", text.key_id, sizeof(text.key_id));
    aws_xml_text(response->body, "SecretAccessKey", text.secret, sizeof(text.secret));
    aws_xml_text(response->body, "SessionToken", text.token, sizeof(text.token));
    aws_xml_text(response->body, "Expiration", text.expiration, sizeof(text.expiration));
    enum rc rc = take_all(text.key_id, text.secret, text.token, text.expiration, ret_credentials, err);
    explicit_bzero(&text, sizeof(text));
    return rc == RC_OK ? RC_OK : err_wrap(err, "in the answer of STS");
}

static enum rc from_web_identity(const char *region, struct aws_credentials *ret_credentials, struct err *err)
{
    const char *token_file = env("AWS_WEB_IDENTITY_TOKEN_FILE"), *role_arn = env("AWS_ROLE_ARN");
    if (token_file == NULL || role_arn == NULL)
        return NOT_SET_UP;
    SCOPED(buf_done) struct buf token = buf_new(SMALL_FILE_BYTES); /* read each time: the file is renewed */
    TRY(read_file(token_file, &token, err));
    char url[512], duration[16];
    const char *session = env("AWS_ROLE_SESSION_NAME");
    snprintf(duration, sizeof(duration), "%d", STS_DURATION_S);
    sts_url(region, url, sizeof(url));
    SCOPED(buf_done) struct buf form = buf_new(4 * SMALL_FILE_BYTES);
    put_form(&form, "Action", "AssumeRoleWithWebIdentity");
    put_form(&form, "Version", "2011-06-15");
    put_form(&form, "RoleArn", role_arn);
    put_form(&form, "RoleSessionName", session == NULL ? "leat" : session);
    put_form(&form, "WebIdentityToken", trimmed(&token));
    put_form(&form, "DurationSeconds", duration);
    if (form.failed || token.failed)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not use the token in %s: it is too large", token_file);
    const struct http_header headers[] = {{"Content-Type", "application/x-www-form-urlencoded"}};
    struct http_request request = {
        .method = "POST", .url = url, .headers = headers, .n_headers = ARRAY_LEN(headers), .body = buf_slice(&form)};
    SCOPED(http_client_free) struct http_client *client = http_client_new(
        &(struct http_client_options){.timeout_ms = STS_TIMEOUT_MS, .max_response_bytes = ANSWER_BYTES});
    struct http_response response;
    TRY(http_client_send(client, &request, ERR_AWS_CREDENTIALS, &response, err));
    return read_sts_answer(&response, ret_credentials, err);
}

/* ---- shared profile: ~/.aws/credentials ---- */

struct profile {
    char key_id[256], secret[512], token[8192];
    bool found;
};

static char *trim(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        text[--len] = '\0';
    return text;
}

static void profile_take(struct profile *profile, const char *name, const char *value)
{
    const struct {
        const char *name;
        char *out;
        size_t size;
    } settings[] = {
        {"aws_access_key_id", profile->key_id, sizeof(profile->key_id)},
        {"aws_secret_access_key", profile->secret, sizeof(profile->secret)},
        {"aws_session_token", profile->token, sizeof(profile->token)},
    };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (strcasecmp(name, settings[i].name) == 0)
            snprintf(settings[i].out, settings[i].size, "%s", value);
    }
}

/* [name] begins a profile, then name = value; lines that begin with # or ; are comments. Changes the text. */
static void profile_read(struct profile *profile, char *text, const char *wanted)
{
    bool is_inside = false;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        line = trim(line);
        char *equals = strchr(line, '=');
        if (line[0] == '[') {
            line[strcspn(line, "]")] = '\0';
            is_inside = strcmp(trim(line + 1), wanted) == 0;
            profile->found = profile->found || is_inside;
        } else if (is_inside && equals != NULL && line[0] != '#' && line[0] != ';') {
            *equals = '\0';
            profile_take(profile, trim(line), trim(equals + 1));
        }
    }
}

static enum rc from_profile(const char *region, struct aws_credentials *ret_credentials, struct err *err)
{
    (void)region;
    const char *given_path = env("AWS_SHARED_CREDENTIALS_FILE"), *given_name = env("AWS_PROFILE"), *home = env("HOME");
    const char *name = given_name == NULL ? "default" : given_name;
    char path[1024];
    snprintf(path, sizeof(path), "%s%s",
             given_path != NULL ? given_path
             : home != NULL     ? home
                                : "",
             given_path != NULL ? "" : "/.aws/credentials");
    SCOPED(buf_done) struct buf text = buf_new(SMALL_FILE_BYTES * 4);
    struct profile profile = {0};
    enum rc rc = read_file(path, &text, err);
    if (rc == RC_OK) {
        buf_cstr(&text);
        if (text.len > 0)
            profile_read(&profile, (char *)text.ptr, name);
        explicit_bzero(text.ptr, text.len);
    }
    if (given_name == NULL && (rc != RC_OK || profile.key_id[0] == '\0'))
        return NOT_SET_UP; /* nobody asked for this place by name */
    TRY(rc);
    if (!profile.found)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not get AWS credentials: %s has no profile \"%s\"", path, name);
    rc = take_all(profile.key_id, profile.secret, profile.token, NULL, ret_credentials, err);
    explicit_bzero(&profile, sizeof(profile));
    return rc == RC_OK ? RC_OK : err_wrap(err, "profile \"%s\" in %s", name, path);
}

/* ---- JSON, as container and instance endpoints give it ---- */

static enum rc read_json_answer(struct slice body, const char *who, struct aws_credentials *ret_credentials,
                                struct err *err)
{
    json_error_t reason;
    SCOPED(json_decref) json_t *root = json_loadb((const char *)body.ptr, body.len, 0, &reason);
    if (root == NULL)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not read the answer of %s: it is not JSON", who);
    enum rc rc = take_all(json_string_value(json_object_get(root, "AccessKeyId")),
                          json_string_value(json_object_get(root, "SecretAccessKey")),
                          json_string_value(json_object_get(root, "Token")),
                          json_string_value(json_object_get(root, "Expiration")), ret_credentials, err);
    return rc == RC_OK ? RC_OK : err_wrap(err, "in the answer of %s", who);
}

/* ---- container: ECS task role, EKS pod identity ---- */

static bool is_loopback_or_agent(const char *host)
{
    static const char *const agents[] = {"localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23", "::1"};
    struct in_addr v4;
    for (size_t i = 0; i < ARRAY_LEN(agents); i++) {
        if (strcasecmp(host, agents[i]) == 0)
            return true;
    }
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

/* The token that goes with the request must not travel in the clear beyond this machine and its agents. */
static bool is_allowed_container_uri(const char *uri)
{
    if (strncmp(uri, "https://", 8) == 0)
        return true;
    if (strncmp(uri, "http://", 7) != 0)
        return false;
    const char *authority = uri + 7;
    size_t len = strcspn(authority, "/?#");
    char host[128];
    if (len >= sizeof(host) || memchr(authority, '@', len) != NULL)
        return false;
    bool is_bracketed = authority[0] == '[';
    size_t host_len = strcspn(authority + is_bracketed, is_bracketed ? "]" : ":/?#");
    snprintf(host, sizeof(host), "%.*s", (int)MIN(host_len, len), authority + is_bracketed);
    return is_loopback_or_agent(host);
}

/* The authorization to send, "" for none. */
static enum rc container_token(struct buf *token, const char **ret_token, struct err *err)
{
    const char *file = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), *given = env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (file != NULL)
        TRY(read_file(file, token, err)); /* read each time: the agent renews it */
    else if (given != NULL)
        buf_put_str(token, given);
    const char *text = trimmed(token);
    if (strpbrk(text, "\r\n") != NULL)
        return err_set(err, ERR_AWS_CREDENTIALS,
                       "could not use the container's authorization token: it has line breaks");
    *ret_token = text;
    return RC_OK;
}

static enum rc from_container(const char *region, struct aws_credentials *ret_credentials, struct err *err)
{
    (void)region;
    const char *relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative == NULL && full == NULL)
        return NOT_SET_UP;
    char url[1024];
    snprintf(url, sizeof(url), "%s%s", relative != NULL ? "http://169.254.170.2" : "",
             relative != NULL ? relative : full);
    if (!is_allowed_container_uri(url))
        return err_set(err, ERR_AWS_CREDENTIALS,
                       "could not use AWS_CONTAINER_CREDENTIALS_FULL_URI: only https, loopback and the agents' own "
                       "addresses are allowed");
    SCOPED(buf_done) struct buf token = buf_new(SMALL_FILE_BYTES);
    const char *authorization = "";
    TRY(container_token(&token, &authorization, err));
    const struct http_header headers[] = {{"Authorization", authorization}};
    struct http_request request = {.method = "GET",
                                   .url = url,
                                   .headers = headers,
                                   .n_headers = authorization[0] == '\0' ? 0 : ARRAY_LEN(headers)};
    SCOPED(http_client_free) struct http_client *client = http_client_new(
        &(struct http_client_options){.timeout_ms = CONTAINER_TIMEOUT_MS,
                                      .max_response_bytes = ANSWER_BYTES,
                                      .no_proxy = strncmp(url, "http:", 5) == 0});
    struct http_response response;
    TRY(http_client_send(client, &request, ERR_AWS_CREDENTIALS, &response, err));
    if (response.status != 200)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not get AWS credentials: the container endpoint answered %ld",
                       response.status);
    return read_json_answer(response.body, "the container endpoint", ret_credentials, err);
}

/* ---- instance: IMDSv2 ---- */

static void imds_url(const char *path, const char *name, char *out, size_t size)
{
    const char *given = env("AWS_EC2_METADATA_SERVICE_ENDPOINT"), *mode = env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    const char *base = mode != NULL && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]"
                                                                     : "http://169.254.169.254";
    base = given != NULL ? given : base;
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    snprintf(out, size, "%.*s%s%s", (int)len, base, path, name);
}

static enum rc imds_ask(struct http_client *client, const char *method, const char *path, const char *name,
                        const struct http_header *header, struct http_response *ret_response, struct err *err)
{
    char url[1024];
    imds_url(path, name, url, sizeof(url));
    struct http_request request = {.method = method, .url = url, .headers = header, .n_headers = 1};
    TRY(http_client_send(client, &request, ERR_AWS_CREDENTIALS, ret_response, err));
    if (ret_response->status != 200)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not get AWS credentials: %s%s%s of the instance answered %ld",
                       path, name, ret_response->status == 404 ? " (has it a role?)" : "", ret_response->status);
    return RC_OK;
}

static enum rc from_instance(const char *region, struct aws_credentials *ret_credentials, struct err *err)
{
    (void)region;
    static const char role_path[] = "/latest/meta-data/iam/security-credentials/";
    const char *disabled = env("AWS_EC2_METADATA_DISABLED");
    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return NOT_SET_UP;
    SCOPED(http_client_free) struct http_client *client = http_client_new(
        &(struct http_client_options){.connect_timeout_ms = NEAR_TIMEOUT_MS,
                                      .timeout_ms = NEAR_TIMEOUT_MS,
                                      .max_response_bytes = ANSWER_BYTES,
                                      .no_proxy = true});
    struct http_response response;
    char token[1024], role[256];
    TRY(imds_ask(client, "PUT", "/latest/api/token", "",
                 &(struct http_header){"X-aws-ec2-metadata-token-ttl-seconds", "21600"}, &response, err));
    snprintf(token, sizeof(token), "%.*s", SLICE_ARG(response.body));
    const struct http_header with_token = {"X-aws-ec2-metadata-token", token};
    TRY(imds_ask(client, "GET", role_path, "", &with_token, &response, err));
    struct buf name = buf_over(role, sizeof(role)); /* the first line */
    sigv4_uri_encode(&name, slice_of(response.body.ptr, strcspn((const char *)response.body.ptr, "\r\n")), false);
    buf_cstr(&name);
    if (name.failed || name.len == 0)
        return err_set(err, ERR_AWS_CREDENTIALS, "could not get AWS credentials: the instance names no role");
    TRY(imds_ask(client, "GET", role_path, role, &with_token, &response, err));
    return read_json_answer(response.body, "the instance's metadata", ret_credentials, err);
}

/* ---- the chain ---- */

static const struct {
    const char *name;
    enum rc (*fetch)(const char *region, struct aws_credentials *ret_credentials, struct err *err);
} sources[] = {
    {"from the environment", from_environment},
    {"from the web identity", from_web_identity},
    {"from the shared profile", from_profile},
    {"from the container", from_container},
    /* Every machine may be an instance: the last to be asked speaks for all. */
    {"no AWS credentials in the environment, by web identity, profile or container; from the instance", from_instance},
};

enum rc aws_credential_sources_fetch(const char *region, struct aws_credentials *ret_credentials, struct err *err)
{
    const char *where = region != NULL && region[0] != '\0' ? region : env("AWS_REGION");
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        err->code = ERR_NONE;
        enum rc rc = sources[i].fetch(where, ret_credentials, err);
        if (rc == RC_OK || err->code == ERR_STOPPED)
            return rc;
        if (rc != NOT_SET_UP)
            return err_wrap(err, "%s", sources[i].name);
    }
    return err_set(err, ERR_AWS_CREDENTIALS,
                   "could not find AWS credentials: none in the environment, no web identity, no profile, no container "
                   "role, and the instance's metadata are switched off");
}
