#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/stop.h"
#include "capture/docdb/bson_json.h"
#include "capture/docdb/docdb_state.h"
#include "capture/docdb/mapping.h"
#include "capture/docdb/mongo.h"
#include "capture/publisher.h"
#include "capture/source.h"
#include "proto/envelope.h"
#include "proto/reject.h"
#include "proto/topic.h"

enum {
    STREAM_AWAIT_MS = 100, /* how long the server holds an empty answer; a stop waits that long too */
    STREAM_BATCH_SIZE = 1000,
    COPY_BATCH_SIZE = 2000,
    STATE_BYTES = 64 << 10,
};

/* What a collection needs to become events. */
struct collection {
    const struct config_collection *config;
    char topic_name[TOPIC_NAME_BYTES];
    struct mapping *mapping;
    struct envelope *envelope;
    struct envelope_source source_block;
    uint32_t key_schema_id;
    uint32_t topic;
};

struct source {
    const struct source_context *context;
    const struct config_documentdb *config;
    mongoc_client_t *client;
    mongoc_change_stream_t *stream; /* NULL while copying */
    struct docdb_state state;
    struct collection *collections;
    uint32_t rejects_topic;

    bool announced;               /* "copying" stands in the ledger */
    mongoc_cursor_t *copy_cursor; /* of collection state.n_copied */
    uint64_t copy_ordinal;

    const bson_t *pending; /* an event that belongs to the next batch; the stream's */
    int64_t last_commit_us;
    int64_t last_mark_ms; /* for the heartbeat */
};

/* ---- opening ---- */

static enum rc collection_open(struct source *source, const struct config_collection *config,
                               struct collection *ret_collection, struct err *err)
{
    const struct source_context *context = source->context;
    struct collection *collection = ret_collection;
    char subject[TOPIC_NAME_BYTES + 8];
    uint32_t value_schema_id;
    SCOPED(buf_done) struct buf schema = buf_new(4 << 20);
    collection->config = config;
    topic_of_table(collection->topic_name, context->config->prefix, source->config->database, config->name);
    collection->mapping = mapping_new(config, collection->topic_name);
    const struct table_shape *shape = mapping_shape(collection->mapping);

    TRY(envelope_key_schema(&schema, shape, err));
    snprintf(subject, sizeof(subject), "%s-key", collection->topic_name);
    TRY(registry_register(context->registry, subject, buf_slice(&schema), &collection->key_schema_id, err));
    buf_clear(&schema);
    TRY(envelope_schema(&schema, shape, CONNECTOR_DOCUMENTDB, err));
    snprintf(subject, sizeof(subject), "%s-value", collection->topic_name);
    TRY(registry_register(context->registry, subject, buf_slice(&schema), &value_schema_id, err));

    collection->source_block = (struct envelope_source){.connector = CONNECTOR_DOCUMENTDB,
                                                        .name = context->config->prefix,
                                                        .database = source->config->database,
                                                        .table = config->name};
    collection->envelope = envelope_new(&collection->source_block, value_schema_id);
    return publisher_topic(context->publisher, collection->topic_name, &collection->topic, err);
}

static enum rc compare_identity(const struct config_documentdb *config, const struct mongo_server *server,
                                const struct docdb_state *state, struct err *err)
{
    if (server->set[0] == '\0')
        return err_set(err, ERR_MONGO_CONFIG, "the server is not a replica set: it has no change streams");
    if (!state->known)
        return RC_OK;
    if (strcmp(server->set, state->set) != 0)
        return err_set(err, ERR_LEDGER_IDENTITY, "the server's replica set is \"%s\", the ledger knows \"%s\"",
                       server->set, state->set);
    if (strcmp(config->database, state->database) != 0)
        return err_set(err, ERR_LEDGER_IDENTITY, "documentdb.database is \"%s\", the ledger knows \"%s\"",
                       config->database, state->database);
    if (server->operation_time != 0 && state->last.major > server->operation_time)
        return err_set(err, ERR_LEDGER_IDENTITY,
                       "the ledger's position (second %" PRIu64 ") lies in the server's future (second %" PRIu64
                       "): was the cluster restored from a backup?",
                       state->last.major >> 32, server->operation_time >> 32);
    return RC_OK;
}

static enum rc stream_error(struct source *source, const char *what, struct err *err)
{
    bson_error_t error;
    const bson_t *reply;
    if (mongoc_change_stream_error_document(source->stream, &error, &reply))
        return err_mongo(err, &error, !bson_empty(&source->state.token), "%s", what);
    return RC_OK;
}

static enum rc stream_open(struct source *source, struct err *err)
{
    SCOPED(mongoc_database_destroy)
    mongoc_database_t *database = mongoc_client_get_database(source->client, source->config->database);
    bson_t pipeline = BSON_INITIALIZER, options = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&options, "fullDocument", "updateLookup");
    BSON_APPEND_INT64(&options, "maxAwaitTimeMS", STREAM_AWAIT_MS);
    BSON_APPEND_INT32(&options, "batchSize", STREAM_BATCH_SIZE);
    if (!bson_empty(&source->state.token))
        BSON_APPEND_DOCUMENT(&options, "resumeAfter", &source->state.token);
    else
        BSON_APPEND_TIMESTAMP(&options, "startAtOperationTime", (uint32_t)(source->state.start >> 32),
                              (uint32_t)source->state.start);
    source->stream = mongoc_database_watch(database, &pipeline, &options);
    bson_destroy(&pipeline);
    bson_destroy(&options);
    return stream_error(source, "could not open the change stream", err);
}

static enum rc open_steps(struct source *source, const struct ledger_record *last, struct err *err)
{
    struct mongo_server server;
    char rejects[TOPIC_NAME_BYTES];
    if (last != NULL)
        TRY(docdb_state_decode(last->state, &source->state, err));
    TRY(mongo_client_new(source->config, &source->client, err));
    TRY(mongo_hello(source->client, source->config->database, &server, err));
    TRY(compare_identity(source->config, &server, &source->state, err));
    TRY(mongo_check_enabled(source->client, source->config, err));
    for (size_t i = 0; i < source->config->n_collections; i++)
        TRY(collection_open(source, &source->config->collections[i], &source->collections[i], err));
    topic_of_rejects(rejects, source->context->config->prefix);
    TRY(publisher_topic(source->context->publisher, rejects, &source->rejects_topic, err));
    if (!source->state.known) {
        if (server.operation_time == 0)
            return err_set(err, ERR_MONGO_CONFIG, "the server tells no operationTime: a first copy has no start");
        snprintf(source->state.set, sizeof(source->state.set), "%s", server.set);
        snprintf(source->state.database, sizeof(source->state.database), "%s", source->config->database);
        source->state.start = server.operation_time;
    }
    source->announced = source->state.known;
    return source->state.snapshot_done ? stream_open(source, err) : RC_OK;
}

static void docdb_close(struct source *source)
{
    if (source->copy_cursor != NULL)
        mongoc_cursor_destroy(source->copy_cursor);
    if (source->stream != NULL)
        mongoc_change_stream_destroy(source->stream);
    for (size_t i = 0; i < source->config->n_collections; i++) {
        envelope_free(source->collections[i].envelope);
        mapping_free(source->collections[i].mapping);
    }
    if (source->client != NULL)
        mongoc_client_destroy(source->client);
    docdb_state_done(&source->state);
    free(source->collections);
    free(source);
}

static enum rc docdb_open(const struct source_context *context, const struct ledger_record *last,
                          struct source **ret_source, struct err *err)
{
    struct source *source = aligned_alloc(_Alignof(struct source), sizeof(*source));
    if (source == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not open a document source");
    *source = (struct source){
        .context = context, .config = &context->source->documentdb, .last_mark_ms = clock_mono_ms()};
    docdb_state_init(&source->state);
    source->collections = calloc(source->config->n_collections, sizeof(*source->collections));
    enum rc rc = source->collections == NULL ? err_set(err, ERR_NO_MEMORY, "could not open a document source")
                                             : open_steps(source, last, err);
    if (rc != RC_OK) {
        docdb_close(source);
        return rc;
    }
    *ret_source = source;
    return RC_OK;
}

static enum rc check_stream(mongoc_client_t *client, const struct config_documentdb *config, struct err *err)
{
    SCOPED(mongoc_database_destroy) mongoc_database_t *database = mongoc_client_get_database(client, config->database);
    bson_t empty = BSON_INITIALIZER;
    bson_error_t error;
    const bson_t *reply;
    mongoc_change_stream_t *stream = mongoc_database_watch(database, &empty, NULL);
    bool failed = mongoc_change_stream_error_document(stream, &error, &reply);
    mongoc_change_stream_destroy(stream);
    return failed ? err_mongo(err, &error, false, "could not open a change stream on database \"%s\"", config->database)
                  : RC_OK;
}

static enum rc docdb_check(const struct source_context *context, const struct ledger_record *last, struct err *err)
{
    const struct config_documentdb *config = &context->source->documentdb;
    struct mongo_server server;
    struct docdb_state state;
    docdb_state_init(&state);
    SCOPED(mongoc_client_destroy) mongoc_client_t *client = NULL;
    enum rc rc = last == NULL ? RC_OK : docdb_state_decode(last->state, &state, err);
    if (rc == RC_OK)
        rc = mongo_client_new(config, &client, err);
    if (rc == RC_OK)
        rc = mongo_hello(client, config->database, &server, err);
    if (rc == RC_OK)
        rc = compare_identity(config, &server, &state, err);
    docdb_state_done(&state);
    TRY(rc);
    TRY(mongo_check_enabled(client, config, err));
    return check_stream(client, config, err);
}

/* ---- events ---- */

static enum rc too_large(const struct collection *collection, struct err *err)
{
    return err_set(err, ERR_MEMORY_LIMIT, "a document of %s does not fit into one batch", collection->topic_name);
}

static struct slice put_key(const struct collection *collection, const bson_iter_t *id, struct batch *batch)
{
    struct buf out = arena_open(batch->arena);
    avro_put_frame(&out, collection->key_schema_id);
    mapping_put_key(id, &out);
    return arena_close(batch->arena, &out);
}

/* The document does not fit its columns: kept whole, counted, and the rest goes on. */
static enum rc add_reject(struct source *source, struct collection *collection, struct batch *batch,
                          const bson_iter_t *id, const bson_t *document, struct position pos, const char *path,
                          const struct err *why, struct err *err)
{
    SCOPED(buf_done) struct buf id_text = buf_new(1 << 20);
    SCOPED(buf_done) struct buf record_json = buf_new(256 << 20);
    mapping_put_id_text(id, &id_text);
    bson_json_put_canonical(&record_json, document);
    const struct reject reject = {.stage = "capture",
                                  .source = source->context->source->name,
                                  .topic = collection->topic_name,
                                  .path = path,
                                  .message = why->msg,
                                  .code = why->code,
                                  .key = buf_slice(&id_text),
                                  .pos = pos,
                                  .offset = -1,
                                  .record = buf_slice(&record_json)};
    struct batch_record *record = batch_add(batch);
    if (record == NULL)
        return too_large(collection, err);
    struct buf out = arena_open(batch->arena);
    reject_encode_key(&reject, &out);
    record->key = arena_close(batch->arena, &out);
    out = arena_open(batch->arena);
    reject_encode(&reject, clock_wall_us(), &out);
    record->value = arena_close(batch->arena, &out);
    record->topic = source->rejects_topic;
    record->pos = pos;
    metric_add(METRIC_capture_rejects_total, 1, collection->topic_name, err_name(why->code));
    return record->value.ptr == NULL ? too_large(collection, err) : RC_OK;
}

static enum rc add_row(struct source *source, struct collection *collection, struct batch *batch, enum envelope_op op,
                       const bson_iter_t *id, const bson_t *document, struct position pos, int64_t commit_us,
                       struct err *err)
{
    struct err why;
    struct mapping_refusal refusal;
    collection->source_block.snapshot = op == OP_READ;
    collection->source_block.commit_time_us = commit_us;
    collection->source_block.ordinal = pos.minor;
    struct slice key = put_key(collection, id, batch);
    struct buf out = arena_open(batch->arena);
    envelope_begin(collection->envelope, &out);
    avro_put_null(&out);
    avro_put_some(&out);
    enum rc rc = mapping_put_row(collection->mapping, document, &out, &refusal, &why);
    if (rc == RC_REJECT) {
        out.failed = true; /* nothing of it is kept */
        arena_close(batch->arena, &out);
        return add_reject(source, collection, batch, id, document, pos, refusal.path, &why, err);
    }
    envelope_end(collection->envelope, &out, op, &collection->source_block, clock_wall_us());
    struct slice value = arena_close(batch->arena, &out);
    struct batch_record *record = value.ptr == NULL || key.ptr == NULL ? NULL : batch_add(batch);
    if (record == NULL)
        return too_large(collection, err);
    record->key = key;
    record->value = value;
    record->topic = collection->topic;
    record->pos = pos;
    return RC_OK;
}

/* A delete, or (id NULL) the end of a whole collection. */
static enum rc add_gone(struct collection *collection, struct batch *batch, enum envelope_op op, const bson_iter_t *id,
                        struct position pos, int64_t commit_us, struct err *err)
{
    collection->source_block.snapshot = false;
    collection->source_block.commit_time_us = commit_us;
    collection->source_block.ordinal = pos.minor;
    struct slice key = id == NULL ? (struct slice){0} : put_key(collection, id, batch);
    struct buf out = arena_open(batch->arena);
    envelope_begin(collection->envelope, &out);
    avro_put_null(&out);
    avro_put_null(&out);
    envelope_end(collection->envelope, &out, op, &collection->source_block, clock_wall_us());
    struct slice value = arena_close(batch->arena, &out);
    struct batch_record *record = value.ptr == NULL ? NULL : batch_add(batch);
    if (record == NULL)
        return too_large(collection, err);
    record->key = key;
    record->value = value;
    record->topic = collection->topic;
    record->pos = pos;
    record->tombstone_follows = op == OP_DELETE;
    return RC_OK;
}

/* The parts of a change stream's event that we use; docs/documentdb.md. */
struct event_parts {
    const char *operation;
    const char *collection; /* NULL: of the whole database */
    uint64_t cluster_time;
    int64_t wall_us; /* 0: the server does not tell */
    bson_iter_t id;
    bool has_id;
    bson_t full_document;
    bool has_full_document;
};

static void read_full_document(const bson_iter_t *iter, struct event_parts *parts)
{
    uint32_t len;
    const uint8_t *bytes;
    if (!BSON_ITER_HOLDS_DOCUMENT(iter))
        return; /* null: the document is gone by now, its delete follows */
    bson_iter_document(iter, &len, &bytes);
    parts->has_full_document = bson_init_static(&parts->full_document, bytes, len);
}

static void read_event(const bson_t *event, struct event_parts *parts)
{
    bson_iter_t iter, inner;
    uint32_t seconds, increment;
    *parts = (struct event_parts){.operation = ""};
    if (!bson_iter_init(&iter, event))
        return;
    while (bson_iter_next(&iter)) {
        const char *name = bson_iter_key(&iter);
        if (strcmp(name, "operationType") == 0 && BSON_ITER_HOLDS_UTF8(&iter)) {
            parts->operation = bson_iter_utf8(&iter, NULL);
        } else if (strcmp(name, "clusterTime") == 0 && BSON_ITER_HOLDS_TIMESTAMP(&iter)) {
            bson_iter_timestamp(&iter, &seconds, &increment);
            parts->cluster_time = (uint64_t)seconds << 32 | increment;
        } else if (strcmp(name, "wallTime") == 0 && BSON_ITER_HOLDS_DATE_TIME(&iter)) {
            parts->wall_us = bson_iter_date_time(&iter) * US_PER_MS;
        } else if (strcmp(name, "ns") == 0 && bson_iter_recurse(&iter, &inner) && bson_iter_find(&inner, "coll") &&
                   BSON_ITER_HOLDS_UTF8(&inner)) {
            parts->collection = bson_iter_utf8(&inner, NULL);
        } else if (strcmp(name, "documentKey") == 0 && bson_iter_recurse(&iter, &inner)) {
            parts->has_id = bson_iter_find(&inner, "_id");
            parts->id = inner;
        } else if (strcmp(name, "fullDocument") == 0) {
            read_full_document(&iter, parts);
        }
    }
}

static struct collection *find_collection(struct source *source, const char *name)
{
    for (size_t i = 0; name != NULL && i < source->config->n_collections; i++)
        if (strcmp(source->collections[i].config->name, name) == 0)
            return &source->collections[i];
    return NULL;
}

static enum rc add_change(struct source *source, struct collection *collection, struct batch *batch,
                          const struct event_parts *parts, struct position pos, int64_t commit_us, struct err *err)
{
    const char *operation = parts->operation;
    bool is_insert = strcmp(operation, "insert") == 0;
    if (strcmp(operation, "drop") == 0)
        return add_gone(collection, batch, OP_TRUNCATE, NULL, pos, commit_us, err);
    if (strcmp(operation, "rename") == 0)
        return err_set(err, ERR_MONGO_CONFIG, "collection %s was renamed: its documents are no longer captured",
                       collection->topic_name);
    if (!parts->has_id)
        return err_set(err, ERR_MALFORMED, "a change of %s names no _id", collection->topic_name);
    if (strcmp(operation, "delete") == 0)
        return add_gone(collection, batch, OP_DELETE, &parts->id, pos, commit_us, err);
    if (!is_insert && strcmp(operation, "update") != 0 && strcmp(operation, "replace") != 0)
        return RC_OK; /* an event about indexes and the like carries no row */
    if (!parts->has_full_document)
        return RC_OK;
    return add_row(source, collection, batch, is_insert ? OP_CREATE : OP_UPDATE, &parts->id, &parts->full_document, pos,
                   commit_us, err);
}

static enum rc add_event(struct source *source, struct batch *batch, const struct event_parts *parts, struct err *err)
{
    struct docdb_state *state = &source->state;
    struct position pos = {parts->cluster_time, 0};
    if (parts->cluster_time == state->last.major)
        pos.minor = state->last.minor + 1;
    else if (parts->cluster_time < state->last.major)
        return err_set(err, ERR_MONGO_TOKEN, "an event of second %" PRIu64 " came after one of second %" PRIu64,
                       parts->cluster_time >> 32, state->last.major >> 32);
    int64_t commit_us = parts->wall_us != 0 ? parts->wall_us : (int64_t)(parts->cluster_time >> 32) * US_PER_S;
    if (strcmp(parts->operation, "invalidate") == 0)
        return err_set(err, ERR_MONGO_TOKEN, "the change stream of database \"%s\" was invalidated",
                       source->config->database);
    if (strcmp(parts->operation, "dropDatabase") == 0) {
        for (size_t i = 0; i < source->config->n_collections; i++)
            TRY(add_gone(&source->collections[i], batch, OP_TRUNCATE, NULL, pos, commit_us, err));
    } else {
        struct collection *collection = find_collection(source, parts->collection);
        if (collection != NULL)
            TRY(add_change(source, collection, batch, parts, pos, commit_us, err));
    }
    state->last = pos;
    source->last_commit_us = commit_us;
    return RC_OK;
}

/* ---- batches ---- */

static enum rc seal(struct source *source, struct batch *batch, enum ledger_kind kind, bool cut, struct err *err)
{
    struct buf out = arena_open(batch->arena);
    docdb_state_encode(&source->state, &out);
    struct slice state = arena_close(batch->arena, &out);
    if (state.ptr == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "the ledger's state does not fit into the batch");
    batch->mark = (struct batch_mark){
        .kind = kind, .cut = cut, .pos = source->state.last, .commit_time_us = source->last_commit_us, .state = state};
    if (kind == LEDGER_SNAPSHOT)
        batch->mark.pos = (struct position){source->state.start, source->copy_ordinal};
    source->state.known = true;
    source->last_mark_ms = clock_mono_ms();
    return RC_OK;
}

static enum rc copy_open(struct source *source, struct err *err)
{
    const struct collection *collection = &source->collections[source->state.n_copied];
    SCOPED(mongoc_collection_destroy)
    mongoc_collection_t *handle = mongoc_client_get_collection(source->client, source->config->database,
                                                               collection->config->name);
    bson_t filter = BSON_INITIALIZER;
    bson_t *options = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "hint", "{", "_id", BCON_INT32(1), "}",
                               "batchSize", BCON_INT32(COPY_BATCH_SIZE));
    source->copy_cursor = mongoc_collection_find_with_opts(handle, &filter, options, NULL);
    bson_destroy(options);
    bson_destroy(&filter);
    if (source->copy_cursor == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not open a cursor on %s", collection->topic_name);
    log_info("snapshot_collection", LOG_STR("topic", collection->topic_name));
    return RC_OK;
}

static enum rc copy_document(struct source *source, struct batch *batch, const bson_t *document, struct err *err)
{
    struct collection *collection = &source->collections[source->state.n_copied];
    bson_iter_t id;
    if (!bson_iter_init_find(&id, document, "_id"))
        return err_set(err, ERR_MALFORMED, "a document of %s has no _id", collection->topic_name);
    struct position pos = {source->state.start, source->copy_ordinal++};
    metric_add(METRIC_capture_snapshot_rows_total, 1, collection->topic_name, NULL);
    return add_row(source, collection, batch, OP_READ, &id, document, pos, clock_wall_us(), err);
}

/* Every document as it is now, stamped with the time before the copy began: any event of the stream wins over it. */
static enum rc fill_copy(struct source *source, struct batch *batch, struct err *err)
{
    source->last_commit_us = (int64_t)(source->state.start >> 32) * US_PER_S;
    if (!source->announced) {
        source->announced = true;
        return seal(source, batch, LEDGER_SNAPSHOT, false, err);
    }
    while (source->state.n_copied < source->config->n_collections) {
        const bson_t *document;
        bson_error_t error;
        if (source->copy_cursor == NULL)
            TRY(copy_open(source, err));
        while (!batch_is_full(batch) && mongoc_cursor_next(source->copy_cursor, &document)) {
            TRY(copy_document(source, batch, document, err));
            if (stop_requested())
                return RC_AGAIN; /* the copy of this collection begins again */
        }
        if (mongoc_cursor_error(source->copy_cursor, &error))
            return err_mongo(err, &error, false, "could not copy %s",
                             source->collections[source->state.n_copied].topic_name);
        if (batch_is_full(batch))
            return seal(source, batch, LEDGER_SNAPSHOT, true, err);
        mongoc_cursor_destroy(source->copy_cursor);
        source->copy_cursor = NULL;
        source->state.n_copied++;
    }
    source->state.snapshot_done = true;
    log_info("snapshot_done", LOG_U64("rows", source->copy_ordinal));
    return seal(source, batch, LEDGER_SNAPSHOT, true, err);
}

static void adopt_token(struct source *source)
{
    const bson_t *token = mongoc_change_stream_get_resume_token(source->stream);
    if (token != NULL)
        docdb_state_set_token(&source->state, token);
}

/* True when the batch should go before an event of a later cluster time is added: it ends at a cut. */
static bool should_go(const struct source *source, const struct batch *batch)
{
    int64_t age_us = clock_mono_us() - batch->opened_mono_us;
    return batch->n_records > 0 && (batch_queue_is_idle(source->context->queue) ||
                                    age_us >= source->context->source->batch_max_age_ms * US_PER_MS);
}

/* One event, pending or new. RC_AGAIN: nothing within the await time. */
static enum rc next_event(struct source *source, const bson_t **ret_event, struct err *err)
{
    *ret_event = source->pending;
    source->pending = NULL;
    if (*ret_event != NULL || mongoc_change_stream_next(source->stream, ret_event))
        return RC_OK;
    TRY(stream_error(source, "the change stream ended", err));
    return RC_AGAIN;
}

static enum rc fill_stream(struct source *source, struct batch *batch, struct err *err)
{
    for (;;) {
        const bson_t *event;
        struct event_parts parts;
        enum rc rc = next_event(source, &event, err);
        if (rc == RC_AGAIN) {
            adopt_token(source); /* an idle stream's token ages too */
            if (batch->n_records > 0)
                return seal(source, batch, LEDGER_STREAM, true, err);
            if (clock_mono_ms() - source->last_mark_ms >= source->context->source->heartbeat_interval_ms)
                return seal(source, batch, LEDGER_IDLE, true, err);
            if (stop_requested())
                return RC_AGAIN;
            continue;
        }
        TRY(rc);
        read_event(event, &parts);
        if (parts.cluster_time > source->state.last.major && should_go(source, batch)) {
            source->pending = event;
            return seal(source, batch, LEDGER_STREAM, true, err);
        }
        TRY(add_event(source, batch, &parts, err));
        adopt_token(source);
        if (batch_is_full(batch))
            return seal(source, batch, LEDGER_STREAM, false, err);
    }
}

static enum rc docdb_fill(struct source *source, struct batch *batch, struct err *err)
{
    if (source->state.snapshot_done && source->stream == NULL)
        TRY(stream_open(source, err));
    return source->state.snapshot_done ? fill_stream(source, batch, err) : fill_copy(source, batch, err);
}

static enum rc docdb_idle(struct source *source, struct err *err)
{
    (void)source;
    (void)err;
    return RC_OK; /* nothing to keep alive: the server waits for our next getMore */
}

/* The cluster keeps its change stream by itself: `start` was drawn when the session was opened. */
static bool docdb_is_placed(const struct source *source)
{
    (void)source;
    return true;
}

const struct source_ops docdb_source_ops = {
    .check = docdb_check,
    .open = docdb_open,
    .fill = docdb_fill,
    .is_placed = docdb_is_placed,
    .idle = docdb_idle,
    .close = docdb_close,
};
