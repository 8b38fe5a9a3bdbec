/* The one YAML file for all workers, checked once at start, then constant. Text lives as long as the config.
 *
 *   prefix: bank
 *   kafka: {brokers: "127.0.0.1:9092", replication_factor: 1}
 *   registry: {url: "http://127.0.0.1:8081"}
 *   http: {listen: "127.0.0.1:9102"}
 *   sources:
 *     - name: core
 *       type: postgresql
 *       postgresql: {host: ..., database: stori, user: leat, password: "${PG_PASSWORD}", tables: [public.transactions]}
 *     - name: docs
 *       type: documentdb
 *       documentdb:
 *         uri: "${MONGO_URI}"
 *         database: stori-docdb-2023
 *         collections:
 *           - name: trades
 *             columns: [{column: id, path: id, type: string, required: true}, ...]
 *   sinks:
 *     - name: warehouse
 *       sources: [core, docs]
 *       redshift: {...}
 *       s3: {...}
 */
#ifndef LEAT_BASE_CONFIG_H
#define LEAT_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct config_string_list {
    const char **items;
    size_t n;
};

struct config_kafka {
    const char *brokers, *security_protocol, *sasl_mechanism, *sasl_username, *sasl_password, *ssl_ca_file;
    const char *compression;
    int64_t replication_factor, topic_retention_ms, message_max_bytes, transaction_timeout_ms;
};

struct config_registry {
    const char *url, *username, *password, *ca_file;
};

struct config_http {
    const char *listen; /* NULL: no server */
};

struct config_postgresql {
    const char *host, *database, *user, *password, *sslmode, *sslrootcert, *sslcert, *sslkey, *slot, *publication;
    const char *auth, *region; /* "password", "rds_iam" */
    int64_t port, silence_max_ms;
    bool publication_create, tombstones_on_delete, heartbeat_topic;
    struct config_string_list message_key_columns;
    struct config_string_list tables, message_prefixes, message_prefixes_excluded;
    bool streaming, binary_transfer;
    const char *spool_dir;
    int64_t spool_max_bytes;
    const char *origin; /* "any", "none" */
    const char *decimal_handling_mode, *time_precision_mode, *interval_handling_mode, *hstore_handling_mode,
        *binary_handling_mode, *unavailable_value_placeholder;
    int64_t money_fraction_digits;
    int64_t snapshot_connections, snapshot_chunk, snapshot_window_ms, snapshot_max_bytes_per_s;
    bool snapshot_added_tables;
};

enum config_column_type {
    CONFIG_COLUMN_STRING,
    CONFIG_COLUMN_INT,
    CONFIG_COLUMN_LONG,
    CONFIG_COLUMN_DOUBLE,
    CONFIG_COLUMN_BOOL,
    CONFIG_COLUMN_TIMESTAMP,
    CONFIG_COLUMN_JSON,
    CONFIG_COLUMN_DECIMAL,
    CONFIG_COLUMN_OBJECTID,
};

struct config_column {
    const char *column, *path;
    enum config_column_type type;
    int precision, scale; /* decimal */
    bool required;
};

struct config_collection {
    const char *name;
    struct config_column *columns;
    size_t n_columns;
};

struct config_documentdb {
    const char *uri, *database;
    struct config_collection *collections;
    size_t n_collections;
};

enum config_source_type { CONFIG_SOURCE_POSTGRESQL, CONFIG_SOURCE_DOCUMENTDB };

struct config_source {
    const char *name;
    enum config_source_type type;
    int64_t batch_max_bytes, batch_max_age_ms, heartbeat_interval_ms;
    struct config_postgresql postgresql; /* filled for its type only */
    struct config_documentdb documentdb;
};

struct config_redshift {
    const char *host, *database, *user, *password, *sslmode, *sslrootcert, *schema, *iam_role;
    int64_t port;
};

struct config_s3 {
    const char *bucket, *prefix, *region, *endpoint, *access_key_id, *secret_access_key, *session_token;
    bool keep_staged;
};

struct config_sink {
    const char *name;
    struct config_string_list sources;
    int64_t batch_max_age_ms, batch_max_rows, batch_max_bytes, memory_bytes, part_bytes;
    const char *spill_dir;
    struct config_redshift redshift;
    struct config_s3 s3;
};

struct config {
    const char *prefix, *log_level;
    struct config_kafka kafka;
    struct config_registry registry;
    struct config_http http;
    struct config_source *sources;
    size_t n_sources;
    struct config_sink *sinks;
    size_t n_sinks;
};

/* Reads and checks the whole file. Errors name file, line and column: "leat.yaml:12:5: unknown key \"brokrs\" in
 * kafka (did you mean \"brokers\"?)". ${NAME} is replaced in scalars, $${ is a literal ${. */
MUST_CHECK enum rc config_load(const char *path, struct config **ret_config, struct err *err);
/* The same from text; `name` stands in messages. */
MUST_CHECK enum rc config_parse(const char *text, size_t len, const char *name, struct config **ret_config,
                                struct err *err);
void config_free(struct config *config);

MUST_CHECK enum rc config_find_source(const struct config *config, const char *name,
                                      const struct config_source **ret_source, struct err *err);
/* name NULL: the only sink there is. */
MUST_CHECK enum rc config_find_sink(const struct config *config, const char *name, const struct config_sink **ret_sink,
                                    struct err *err);

#endif
