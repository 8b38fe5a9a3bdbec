#include "capture/docdb/mongo.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/slice.h"

DEFINE_SCOPED(bool *, free)

/* Server codes: facts of MongoDB's error_codes.yml and of the change stream specification. */
static const struct {
    uint32_t code;
    enum err_code ours;
} server_codes[] = {
    {6, ERR_MONGO_TRANSIENT},      {7, ERR_MONGO_TRANSIENT},      {43, ERR_MONGO_TRANSIENT},
    {50, ERR_MONGO_TRANSIENT},     {63, ERR_MONGO_TRANSIENT},     {89, ERR_MONGO_TRANSIENT},
    {91, ERR_MONGO_TRANSIENT},     {133, ERR_MONGO_TRANSIENT},    {150, ERR_MONGO_TRANSIENT},
    {189, ERR_MONGO_TRANSIENT},    {234, ERR_MONGO_TRANSIENT},    {237, ERR_MONGO_TRANSIENT},
    {262, ERR_MONGO_TRANSIENT},    {9001, ERR_MONGO_TRANSIENT},   {10107, ERR_MONGO_TRANSIENT},
    {11600, ERR_MONGO_TRANSIENT},  {11601, ERR_MONGO_TRANSIENT},  {11602, ERR_MONGO_TRANSIENT},
    {13388, ERR_MONGO_TRANSIENT},  {13435, ERR_MONGO_TRANSIENT},  {13436, ERR_MONGO_TRANSIENT},
    {136, ERR_MONGO_HISTORY_LOST}, {286, ERR_MONGO_HISTORY_LOST}, {260, ERR_MONGO_TOKEN},
    {280, ERR_MONGO_TOKEN},        {40647, ERR_MONGO_TOKEN},      {13, ERR_MONGO_AUTH},
    {18, ERR_MONGO_AUTH},          {8000, ERR_MONGO_AUTH},        {40415, ERR_MONGO_CONFIG},
    {40324, ERR_MONGO_CONFIG},     {115, ERR_MONGO_CONFIG},       {303, ERR_MONGO_CONFIG},
    {40573, ERR_MONGO_CONFIG},
};

static void on_log(mongoc_log_level_t level, const char *domain, const char *message, void *user_data)
{
    (void)user_data;
    enum log_level ours = level <= MONGOC_LOG_LEVEL_WARNING ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG;
    log_at(ours, "mongo_client", LOG_STR("domain", domain), LOG_STR("text", message));
}

static void init_library(void)
{
    mongoc_log_set_handler(on_log, NULL);
    mongoc_init();
}

static enum err_code code_of(const bson_error_t *error, bool with_token)
{
    if (error->domain == MONGOC_ERROR_CLIENT && error->code == MONGOC_ERROR_CLIENT_AUTHENTICATE)
        return ERR_MONGO_AUTH;
    if (error->domain == MONGOC_ERROR_SERVER_SELECTION)
        return ERR_MONGO_UNREACHABLE;
    if (error->domain != MONGOC_ERROR_SERVER)
        return error->domain == MONGOC_ERROR_STREAM ? ERR_MONGO_UNREACHABLE : ERR_MONGO_TRANSIENT;
    for (size_t i = 0; i < ARRAY_LEN(server_codes); i++)
        if (server_codes[i].code == error->code)
            return server_codes[i].ours;
    return with_token ? ERR_MONGO_TOKEN : ERR_MONGO_QUERY;
}

enum rc err_mongo(struct err *err, const bson_error_t *error, bool with_token, const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return err_set(err, code_of(error, with_token), "%s: %s (code %u)", what, error->message, error->code);
}

static void default_timeout(mongoc_uri_t *uri, const char *option, int32_t value)
{
    if (!mongoc_uri_has_option(uri, option))
        mongoc_uri_set_option_as_int32(uri, option, value);
}

enum rc mongo_client_new(const struct config_documentdb *config, mongoc_client_t **ret_client, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bson_error_t error;
    pthread_once(&once, init_library);
    SCOPED(mongoc_uri_destroy) mongoc_uri_t *uri = mongoc_uri_new_with_error(config->uri, &error);
    if (uri == NULL) /* the library's message may quote the URI, and so a password */
        return err_set(err, ERR_MONGO_CONFIG, "documentdb.uri is not a valid mongodb:// address");
    default_timeout(uri, MONGOC_URI_CONNECTTIMEOUTMS, 10000);
    default_timeout(uri, MONGOC_URI_SOCKETTIMEOUTMS, 60000); /* above maxAwaitTimeMS, else an idle stream never ends */
    default_timeout(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 10000);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, false);
    mongoc_client_t *client = mongoc_client_new_from_uri_with_error(uri, &error);
    if (client == NULL)
        return err_set(err, ERR_MONGO_CONFIG, "could not use documentdb.uri: %s", error.message);
    mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
    mongoc_client_set_appname(client, "leat");
    *ret_client = client;
    return RC_OK;
}

static uint64_t timestamp_of(const bson_t *reply, const char *path)
{
    bson_iter_t iter, found;
    uint32_t seconds = 0, increment = 0;
    if (!bson_iter_init(&iter, reply) || !bson_iter_find_descendant(&iter, path, &found) ||
        !BSON_ITER_HOLDS_TIMESTAMP(&found))
        return 0;
    bson_iter_timestamp(&found, &seconds, &increment);
    return (uint64_t)seconds << 32 | increment;
}

enum rc mongo_hello(mongoc_client_t *client, const char *database, struct mongo_server *ret_server, struct err *err)
{
    bson_t reply;
    bson_error_t error;
    bson_t *command = BCON_NEW("hello", BCON_INT32(1));
    bool ok = mongoc_client_command_simple(client, database, command, NULL, &reply, &error);
    bson_destroy(command);
    *ret_server = (struct mongo_server){0};
    bson_iter_t iter;
    if (ok && bson_iter_init_find(&iter, &reply, "setName") && BSON_ITER_HOLDS_UTF8(&iter))
        snprintf(ret_server->set, sizeof(ret_server->set), "%s", bson_iter_utf8(&iter, NULL));
    if (ok)
        ret_server->operation_time = timestamp_of(&reply, "operationTime");
    bson_destroy(&reply);
    return ok ? RC_OK : err_mongo(err, &error, false, "could not reach the document database");
}

struct coverage {
    const struct config_documentdb *config;
    bool *covered;
};

static void coverage_include(struct coverage *coverage, const char *database, const char *collection)
{
    if (database[0] != '\0' && strcmp(database, coverage->config->database) != 0)
        return;
    for (size_t i = 0; i < coverage->config->n_collections; i++)
        if (collection[0] == '\0' || strcmp(collection, coverage->config->collections[i].name) == 0)
            coverage->covered[i] = true;
}

static const char *text_of(const bson_t *document, const char *name)
{
    bson_iter_t iter;
    bool found = bson_iter_init_find(&iter, document, name) && BSON_ITER_HOLDS_UTF8(&iter);
    return found ? bson_iter_utf8(&iter, NULL) : "";
}

/* true: the list was read; false with ret_error otherwise. */
static bool read_coverage(mongoc_client_t *client, struct coverage *coverage, bson_error_t *ret_error)
{
    SCOPED(mongoc_database_destroy) mongoc_database_t *admin = mongoc_client_get_database(client, "admin");
    bson_t *pipeline = BCON_NEW("pipeline", "[", "{", "$listChangeStreams", BCON_INT32(1), "}", "]");
    SCOPED(mongoc_cursor_destroy)
    mongoc_cursor_t *cursor = mongoc_database_aggregate(admin, pipeline, NULL, NULL);
    bson_destroy(pipeline);
    const bson_t *row;
    while (mongoc_cursor_next(cursor, &row))
        coverage_include(coverage, text_of(row, "database"), text_of(row, "collection"));
    return !mongoc_cursor_error(cursor, ret_error);
}

enum rc mongo_check_enabled(mongoc_client_t *client, const struct config_documentdb *config, struct err *err)
{
    bson_error_t error;
    SCOPED(free) bool *covered = calloc(config->n_collections + 1, sizeof(*covered));
    if (covered == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not check %zu collections", config->n_collections);
    struct coverage coverage = {config, covered};
    if (!read_coverage(client, &coverage, &error)) {
        if (error.domain != MONGOC_ERROR_SERVER)
            return err_mongo(err, &error, false, "could not list the enabled change streams");
        if (error.code == 13)
            log_warn("change_streams_unproven", LOG_STR("hint", "without the right listChangeStreams nobody can tell "
                                                                "whether change streams are enabled"));
        return RC_OK; /* not DocumentDB: streams are always on */
    }
    for (size_t i = 0; i < config->n_collections; i++)
        if (!covered[i])
            return err_set(err, ERR_MONGO_NOT_ENABLED, "change streams are not enabled for %s.%s", config->database,
                           config->collections[i].name);
    return RC_OK;
}
