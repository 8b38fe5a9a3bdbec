/* Tables as the stream announces them, and the logical messages, made known to the registry and to Kafka.
 *
 * No bytes are written before the registry has their schema, so the source waits here as long as it takes, whatever
 * the registry answers. The calls run on a thread of their own: the server hears from us meanwhile, however slow the
 * registry is, and closes the connection only when it is the network that is gone. */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/retry.h"
#include "base/stop.h"
#include "capture/pg/session.h"
#include "capture/publisher.h"

enum {
    FEEDBACK_MS = 500, /* nothing is read here, so the server's wish to be answered is not seen: it is foreseen */
    REGISTRY_FIRST_RETRY_MS = 250,
    REGISTRY_MAX_RETRY_MS = 10000,
};

/* ---- one attempt, on its thread ---- */

/* What is announced. */
struct subject {
    struct pg_relation *relation; /* NULL: the logical messages */
    char name[2 * PG_NAME_BYTES + 2];
};

struct attempt {
    struct source *source;
    const struct subject *subject;
    int done_fd;
    enum rc rc;
    struct err err;
};

static void qualified_name(const struct pg_relation *relation, char out[2 * PG_NAME_BYTES + 2])
{
    snprintf(out, 2 * PG_NAME_BYTES + 2, "%s.%s", relation->schema, relation->name);
}

static enum rc announce(struct source *source, struct pg_relation *relation, struct err *err)
{
    const struct source_context *context = &source->context;
    if (relation == NULL)
        return pg_outbox_announce(&source->outbox, err);
    return pg_relation_announce(relation, context->config->prefix, source->config->database, context->registry,
                                context->publisher, err);
}

static void *attempt_run(void *attempt_)
{
    struct attempt *attempt = attempt_;
    uint64_t done = 1;
    attempt->rc = announce(attempt->source, attempt->subject->relation, &attempt->err);
    ssize_t n = write(attempt->done_fd, &done, sizeof(done));
    (void)n; /* an eventfd takes one */
    return NULL;
}

/* Until the attempt is done, or the time has passed. The first failure to speak to the server counts. */
static enum rc speak_until(struct source *source, int fd, int64_t until_ms, struct err *err)
{
    for (;;) {
        int64_t left_ms = until_ms - clock_mono_ms();
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&pollfd, 1, (int)MIN(left_ms, FEEDBACK_MS)) > 0)
            return RC_OK;
        if (source->stream == NULL)
            continue;
        pg_stream_confirm(source->stream, publisher_committed(source->context.publisher));
        TRY(pg_stream_flush(source->stream, err));
    }
}

/* The attempt is always seen to its end: what it works on is ours. A stop ends it within the time of http_client. */
static enum rc attempt(struct source *source, const struct subject *subject, struct err *err)
{
    struct err lost;
    pthread_t thread;
    struct attempt attempt = {.source = source, .subject = subject, .done_fd = eventfd(0, EFD_CLOEXEC)};
    if (attempt.done_fd < 0 || pthread_create(&thread, NULL, attempt_run, &attempt) != 0) {
        if (attempt.done_fd >= 0)
            close(attempt.done_fd);
        return err_set(err, ERR_NO_MEMORY, "could not start a thread to announce %s", subject->name);
    }
    enum rc rc = speak_until(source, attempt.done_fd, INT64_MAX, &lost);
    pthread_join(thread, NULL);
    close(attempt.done_fd);
    if (attempt.rc == RC_OK && rc != RC_OK)
        attempt.err = lost;
    *err = attempt.err;
    return attempt.rc == RC_OK ? rc : attempt.rc;
}

/* ---- until it succeeds ---- */

static bool is_registrys(enum err_code code)
{
    return code == ERR_REGISTRY_UNREACHABLE || code == ERR_REGISTRY_REFUSED || code == ERR_REGISTRY_INCOMPATIBLE ||
           code == ERR_REGISTRY_UNKNOWN_ID;
}

static void set_waiting(const struct source *source, bool waiting)
{
    metric_set(METRIC_capture_registry_waiting, waiting, source->context.source->name, NULL);
}

static void tell_waiting(const struct source *source, const struct subject *subject, const struct err *err,
                         int64_t wait_ms)
{
    set_waiting(source, true);
    metric_add(METRIC_errors_total, 1, err_name(err->code), NULL);
    log_warn("registry_waiting", LOG_STR("table", subject->name), LOG_ERR(err), LOG_I64("retry_in_ms", wait_ms));
    health_set(HEALTH_WAITING, err->msg);
}

static void tell_answered(const struct source *source, const struct subject *subject)
{
    set_waiting(source, false);
    log_info("registry_answered", LOG_STR("table", subject->name));
    health_set(HEALTH_RUNNING, "");
}

/* RC_AGAIN: a stop was asked for, or what is whole already should not wait with us. */
static enum rc announce_patiently(struct source *source, const struct subject *subject, bool may_let_go,
                                  struct err *err)
{
    struct retry retry = retry_of(REGISTRY_FIRST_RETRY_MS, REGISTRY_MAX_RETRY_MS);
    for (;;) {
        enum rc rc = attempt(source, subject, err);
        if (stop_requested())
            return RC_AGAIN;
        if (rc == RC_OK && retry.attempts > 0)
            tell_answered(source, subject);
        if (rc == RC_OK || !is_registrys(err->code))
            return rc;
        source->let_go = may_let_go;
        if (may_let_go)
            return RC_AGAIN;
        int64_t wait_ms = retry_next_ms(&retry);
        tell_waiting(source, subject, err, wait_ms);
        TRY(speak_until(source, stop_fd(), clock_mono_ms() + wait_ms, err));
        if (stop_requested())
            return RC_AGAIN;
    }
}

static enum rc announce_table(struct source *source, struct pg_relation *relation, bool may_let_go, struct err *err)
{
    struct subject subject = {.relation = relation};
    qualified_name(relation, subject.name);
    return announce_patiently(source, &subject, may_let_go, err);
}

enum rc pg_session_announce_messages(struct source *source, struct err *err)
{
    static const struct subject messages = {.name = "logical messages"};
    return announce_patiently(source, &messages, source->holds_whole, err);
}

/* ---- one table, and it alone ---- */

static bool is_the_tables(enum err_code code)
{
    return code == ERR_COLUMN_NAMES || code == ERR_PG_TOPIC_TAKEN;
}

static void tell_state(const struct pg_relation *older, const struct pg_relation *relation)
{
    char table[2 * PG_NAME_BYTES + 2];
    bool stopped = relation->stop_code != ERR_NONE, was_stopped = older != NULL && older->stop_code != ERR_NONE;
    bool keyless = relation->shape.n_key_columns == 0;
    bool was_keyless = older != NULL && older->captured && older->shape.n_key_columns == 0;
    qualified_name(relation, table);
    if (stopped && !was_stopped)
        log_warn("table_stopped", LOG_STR("table", table), LOG_STR("code", err_name(relation->stop_code)),
                 LOG_STR("error", relation->stop_why), LOG_STR("hint", err_hint(relation->stop_code)));
    if (!stopped && was_stopped)
        log_info("table_resumed", LOG_STR("table", table));
    if (keyless && !was_keyless)
        log_warn("table_keyless", LOG_STR("table", table),
                 LOG_STR("replica_identity", relation->replica_identity == 'f' ? "full" : "none"));
    if (!keyless && was_keyless)
        log_info("table_keyed", LOG_STR("table", table));
    if (stopped || was_stopped)
        metric_set(METRIC_capture_table_stopped, stopped, relation->topic, NULL);
    if (keyless || was_keyless)
        metric_set(METRIC_capture_table_keyless, keyless, relation->topic, NULL);
}

static enum rc taken_by(const struct pg_relation *relation, const char *schema, const char *name, struct err *err)
{
    return err_set(err, ERR_PG_TOPIC_TAKEN, "table %s.%s would share its topic with table %s.%s", relation->schema,
                   relation->name, schema, name);
}

/* A table that was announced before keeps its topic, and of those that the session found the older one: unless the
 * other one is gone, or has another name by now. */
static enum rc check_topic(struct source *source, PGconn *conn, const struct pg_relation *relation, struct err *err)
{
    const char *prefix = source->context.config->prefix;
    const struct pg_relation *rival = NULL;
    bool lives;
    if (topic_is_reserved(relation->topic, prefix))
        return err_set(err, ERR_PG_TOPIC_TAKEN, "the topic of table %s.%s would be one that leat keeps for itself",
                       relation->schema, relation->name);
    while ((rival = pg_relcache_rival(source->relcache, relation, rival)) != NULL) {
        TRY(pg_catalog_has(conn, rival->id, rival->schema, rival->name, &lives, err));
        if (lives)
            return taken_by(relation, rival->schema, rival->name, err);
    }
    for (size_t i = 0; i < source->n_tables; i++) {
        const struct pg_table *table = &source->tables[i];
        char topic[TOPIC_NAME_BYTES];
        topic_of_table(topic, prefix, table->schema, table->name);
        if (table->oid >= relation->id || !topic_collides(topic, relation->topic) ||
            (strcmp(table->schema, relation->schema) == 0 && strcmp(table->name, relation->name) == 0))
            continue;
        TRY(pg_catalog_has(conn, table->oid, table->schema, table->name, &lives, err));
        if (lives)
            return taken_by(relation, table->schema, table->name, err);
    }
    return RC_OK;
}

static enum rc announce_or_stop(struct source *source, PGconn *conn, struct pg_relation *relation, struct err *err)
{
    enum rc rc = check_topic(source, conn, relation, err);
    if (rc == RC_OK)
        rc = announce_table(source, relation, source->holds_whole, err);
    if (rc == RC_OK || !is_the_tables(err->code) || source->stream == NULL)
        return rc;
    pg_relation_stop(relation, err);
    return RC_OK;
}

enum rc pg_session_take_relation(struct source *source, PGconn *conn, const struct pgoutput_relation *announced,
                                 struct pg_relation **ret_relation, struct err *err)
{
    struct pg_table_facts facts;
    struct pg_relation *relation;
    const char *encoding = PQparameterStatus(source->conn, "server_encoding");
    const struct pg_relation_options options = {.prefix = source->context.config->prefix,
                                                .tables = &source->config->tables,
                                                .keys = &source->config->message_key_columns,
                                                .check_utf8 = encoding != NULL && strcmp(encoding, "SQL_ASCII") == 0,
                                                .modes = pg_type_modes_of(source->config)};
    TRY(pg_catalog_facts(conn, announced, source->facts_arena, &facts, err));
    TRY(pg_relation_compile(announced, &facts, &options, &relation, err));
    pg_relation_keep_dimensions(relation, pg_relcache_find(source->relcache, announced->id));
    enum rc rc = relation->captured ? announce_or_stop(source, conn, relation, err) : RC_OK;
    if (rc != RC_OK) {
        pg_relation_free(relation);
        return rc;
    }
    if (relation->captured)
        tell_state(pg_relcache_find(source->relcache, relation->id), relation);
    pg_relcache_put(source->relcache, relation);
    *ret_relation = relation;
    return RC_OK;
}

static void tell_wider(const struct pg_relation *relation, size_t column, int dimensions)
{
    char table[2 * PG_NAME_BYTES + 2];
    qualified_name(relation, table);
    log_info("schema_widened", LOG_STR("table", table), LOG_STR("column", relation->shape.columns[column].name),
             LOG_I64("dimensions", dimensions));
}

enum rc pg_session_relax(struct source *source, struct pg_relation *relation, struct err *err)
{
    uint32_t column = source->emitter.narrow_column;
    int dimensions = source->emitter.dimensions;
    if (dimensions == 0 && relation->is_key[column] && relation->key_is_the_catalogs) {
        pg_relation_drop_key(relation);
        tell_state(NULL, relation);
    }
    if (dimensions == 0 && relation->is_key[column])
        return err_set(err, ERR_PGOUTPUT_MALFORMED, "key column \"%s\" of table %s.%s is null",
                       relation->shape.columns[column].name, relation->schema, relation->name);
    if (dimensions == 0)
        relation->shape.columns[column].optional = true;
    else
        pg_relation_set_dimensions(relation, column, dimensions);
    tell_wider(relation, column, dimensions);
    return announce_table(source, relation, false, err);
}
