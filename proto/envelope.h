/* Debezium's change event envelope in Avro: its schemas, and writing one event.
 *
 * An event's value is  {before: Value?, after: Value?, source: Source, transaction: null|block, op: string,
 * ts_ms: long?, ts_us: long?, ts_ns: long?}; its key is the record Key of the key columns. Names:
 * <topic>.Envelope, <topic>.Value, <topic>.Key; Source is io.debezium.connector.postgresql.Source or
 * io.debezium.connector.mongo.Source.
 *
 * Writing one event:  envelope_begin -> (branch, row values in column order)* -> envelope_end. */
#ifndef LEAT_PROTO_ENVELOPE_H
#define LEAT_PROTO_ENVELOPE_H

#include "base/arena.h"
#include "proto/avro_put.h"
#include "proto/column.h"

enum connector { CONNECTOR_POSTGRESQL, CONNECTOR_DOCUMENTDB };

enum rc envelope_schema(struct buf *out, const struct table_shape *shape, enum connector connector, struct err *err);
enum rc envelope_key_schema(struct buf *out, const struct table_shape *shape, struct err *err);

enum envelope_op { OP_CREATE = 'c', OP_UPDATE = 'u', OP_DELETE = 'd', OP_READ = 'r', OP_TRUNCATE = 't' };

/* What the source block says, without what is constant for a source. */
struct envelope_source {
    enum connector connector;
    const char *name; /* the topic prefix */
    const char *database;
    const char *schema; /* PostgreSQL; NULL for documents */
    const char *table;  /* or collection */
    bool snapshot;
    int64_t commit_time_us;  /* wall clock of the source */
    uint64_t transaction_id; /* PostgreSQL xid; 0: none */
    uint64_t lsn;            /* PostgreSQL: LSN of the change */
    uint64_t previous_end;   /* PostgreSQL: end of the transaction before it in the stream; 0: none is known */
    struct slice origin;     /* PostgreSQL: name of the replication origin; empty: none */
    uint64_t origin_lsn;     /* goes with origin */
    uint64_t ordinal;        /* documents: `ord` */
};

/* Everything of a row's envelope that does not change from event to event, encoded once per table and connector. */
struct envelope;
struct envelope *envelope_new(const struct envelope_source *constant_part, uint32_t value_schema_id);
void envelope_free(struct envelope *envelope);

/* Frame + nothing else: the caller then puts `before` and `after`, each as avro_put_null() or avro_put_some() and the
 * row's values in column order (optional ones with their own branch), and closes with envelope_end. */
void envelope_begin(const struct envelope *envelope, struct buf *out);
void envelope_end(const struct envelope *envelope, struct buf *out, enum envelope_op op,
                  const struct envelope_source *source, int64_t now_us);

/* Logical messages of PostgreSQL (pg_logical_emit_message), as Debezium has them: {op: "m", ts_ms, source, transaction,
 * message: {prefix, content}}, key {prefix}; records MessageValue and MessageKey of io.debezium.connector.postgresql.
 * Here the envelope is one made with an empty schema and table. */
void envelope_message_schema(struct buf *out, bool content_is_text);
void envelope_message_key_schema(struct buf *out);
void envelope_put_message_key(struct buf *out, uint32_t key_schema_id, struct slice prefix);
void envelope_put_message(const struct envelope *envelope, struct buf *out, const struct envelope_source *source,
                          int64_t now_us, struct slice prefix, struct slice content);

#endif
