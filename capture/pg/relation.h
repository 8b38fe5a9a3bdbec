/* What each relation id in the replication stream means right now: its columns compiled into encoders, its
 * topic and its schemas. One version of a table; a table that changes gets another one.
 *
 * A table of which no events can be made is stopped, and it alone: its changes go to the reject topic, whole,
 * until the server announces a version of it that fits. */
#ifndef LEAT_CAPTURE_PG_RELATION_H
#define LEAT_CAPTURE_PG_RELATION_H

#include "capture/pg/catalog.h"
#include "capture/pg/pgoutput.h"
#include "capture/pg/types.h"
#include "proto/column.h"
#include "proto/envelope.h"
#include "proto/topic.h"

struct pg_relation {
    uint32_t id;
    const char *schema, *name;
    bool captured; /* false: published, but not configured: nothing below is set */
    uint8_t replica_identity;
    struct table_shape shape;
    struct pg_encoder *encoders; /* one a column */
    bool *is_key;                /* one a column: in the key, or beside it in the old row of which the key travels */
    bool key_is_the_catalogs;    /* the announcement does not say which columns it has: it may be a later one */
    char topic[TOPIC_NAME_BYTES];
    enum err_code stop_code; /* ERR_NONE: not stopped */
    const char *stop_why;

    /* by pg_relation_announce */
    uint32_t topic_index, key_schema_id, value_schema_id;
    struct envelope *envelope;

    struct arena *arena; /* everything above */
};

struct pg_relation_options {
    const char *prefix;
    const struct config_string_list *tables; /* none: all are captured */
    const struct config_string_list *keys;   /* schema.table:column,column; NULL: none */
    bool check_utf8;
    struct pg_type_modes modes;
};

/* The plan of one version; no I/O. ERR_PG_NO_KEY: a table's key among the options cannot be one. The catalog may be ahead of the announcement, which wins; a column that was
 * renamed since is found by its place. Without a key (shape.n_key_columns 0) events have none either: the server
 * then sends inserts only, or whole rows (replica identity full). */
MUST_CHECK enum rc pg_relation_compile(const struct pgoutput_relation *announced, const struct pg_table_facts *facts,
                                       const struct pg_relation_options *options, struct pg_relation **ret_relation,
                                       struct err *err);
void pg_relation_free(struct pg_relation *relation);

/* A null in the key (PG_EMIT_RELAX) proves that the catalog's is a later one: from here on this version has none. */
void pg_relation_drop_key(struct pg_relation *relation);
/* The first column whose binary form leat does not read; n_columns: every one is read. */
size_t pg_relation_text_column(const struct pg_relation *relation);

/* No events can be made of this version: why is copied in. */
void pg_relation_stop(struct pg_relation *relation, const struct err *why);

/* The column is an array; from its next announcement on it has room for so many dimensions. */
void pg_relation_set_dimensions(struct pg_relation *relation, size_t column, int dimensions);
/* Arrays keep the dimensions that they had in an older version of the table; NULL: there is none. */
void pg_relation_keep_dimensions(struct pg_relation *relation, const struct pg_relation *older);

struct publisher;
struct registry;
/* Topic made, schemas registered; again after a column became wider. A registry that refuses the schemas as
 * incompatible is asked again with every column optional that is not in the key, and then with ever more dimensions of
 * arrays: not null added or set later, and what we no longer know of arrays after a start, are no other encoding that
 * a reader could stumble over. ERR_SCHEMA_UNSUPPORTED: no events can be made of this table. */
MUST_CHECK enum rc pg_relation_announce(struct pg_relation *relation, const char *prefix, const char *database,
                                        struct registry *registry, struct publisher *publisher, struct err *err);

struct pg_relcache;
struct pg_relcache *pg_relcache_new(void);
void pg_relcache_free(struct pg_relcache *cache);
/* Takes the relation over and replaces an older version of the same id. */
void pg_relcache_put(struct pg_relcache *cache, struct pg_relation *relation);
/* Borrowed, valid until the next put for this id. NULL when the id was never announced. */
struct pg_relation *pg_relcache_find(struct pg_relcache *cache, uint32_t id);
/* Another captured relation than `relation`, of another name, whose topic collides with its: the first after
 * `after` in the order of ids. NULL: none (left). */
const struct pg_relation *pg_relcache_rival(const struct pg_relcache *cache, const struct pg_relation *relation,
                                            const struct pg_relation *after);

#endif
