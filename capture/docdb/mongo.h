/* libmongoc: one client, its errors as ours, and what a server says of itself. */
#ifndef LEAT_CAPTURE_DOCDB_MONGO_H
#define LEAT_CAPTURE_DOCDB_MONGO_H

#include <mongoc/mongoc.h>

#include "base/config.h"
#include "base/err.h"

DEFINE_SCOPED(mongoc_client_t *, mongoc_client_destroy)
DEFINE_SCOPED(mongoc_collection_t *, mongoc_collection_destroy)
DEFINE_SCOPED(mongoc_cursor_t *, mongoc_cursor_destroy)
DEFINE_SCOPED(mongoc_database_t *, mongoc_database_destroy)
DEFINE_SCOPED(mongoc_uri_t *, mongoc_uri_destroy)

/* A client for one thread. Timeouts that the URI does not set get ours. Does not connect yet. */
MUST_CHECK enum rc mongo_client_new(const struct config_documentdb *config, mongoc_client_t **ret_client,
                                    struct err *err);

/* Our class of a failure (docs/documentdb.md has the table). with_token: the command carried a resume token, so that an
 * unknown refusal may be a gap. */
enum rc err_mongo(struct err *err, const bson_error_t *error, bool with_token, const char *format, ...)
    PRINTF_LIKE(4, 5);

struct mongo_server {
    char set[256];           /* replica set's name, "" for a standalone */
    uint64_t operation_time; /* seconds << 32 | increment; 0: none told */
};
MUST_CHECK enum rc mongo_hello(mongoc_client_t *client, const char *database, struct mongo_server *ret_server,
                               struct err *err);
/* DocumentDB is silent, for ever, where change streams are not enabled: refuses such collections. Does nothing on servers
 * that do not know $listChangeStreams. */
MUST_CHECK enum rc mongo_check_enabled(mongoc_client_t *client, const struct config_documentdb *config,
                                       struct err *err);

#endif
