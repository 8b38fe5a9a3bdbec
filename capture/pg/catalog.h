/* What the catalog says of tables and types: what pgoutput does not carry. It may be ahead of the stream. */
#ifndef LEAT_CAPTURE_PG_CATALOG_H
#define LEAT_CAPTURE_PG_CATALOG_H

#include "base/arena.h"
#include "base/config.h"
#include "base/wrap/pg.h"
#include "capture/pg/pgoutput.h"
#include "capture/pg/types.h"

/* A table that a publication carries, or that would be in the publication. Strings live in the caller's
 * arena. */
struct pg_table {
    uint32_t oid;
    const char *schema, *name;
    char kind;             /* pg_class.relkind: 'r', 'p' */
    char replica_identity; /* 'd', 'n', 'f', 'i' */
    bool has_primary_key, has_identity_index, can_select;
    const char *row_filter; /* SQL; NULL: none */
    const char *columns;    /* published columns as a name[] literal; NULL: all */
};

/* config->tables when given, else all of the publication; sorted by name. publication_exists false: the
 * tables as they stand in the catalog, which leat is about to publish.
 *
 * ERR_PG_TABLE_MISSING, ERR_PG_NO_KEY, ERR_PG_PERMISSION name the table; so do ERR_PG_TOPIC_TAKEN and
 * ERR_COLUMN_NAMES, unless `resumes`: once the source has a position, such a table stops alone, when the stream
 * comes to it, and a table of the configuration that was dropped is only left out. */
MUST_CHECK enum rc pg_catalog_tables(PGconn *conn, const struct config_postgresql *config, const char *publication,
                                     bool publication_exists, bool resumes, struct arena *arena,
                                     struct pg_table **ret_tables, size_t *ret_n, struct err *err);
/* Whether this oid is a table of that name right now. */
MUST_CHECK enum rc pg_catalog_has(PGconn *conn, uint32_t oid, const char *schema, const char *name, bool *ret_has,
                                  struct err *err);

struct pg_column_facts {
    const char *name; /* NULL: dropped */
    bool not_null;
    int primary_position;  /* in the primary key, from 1; 0: not in it, or it is checked at the commit only */
    int identity_position; /* in the index of `replica identity using index`, from 1; 0: not in it, or there is none */
    int unique_position;   /* in the unique index that is the key where there is no primary one; 0: not in it */
    const char *default_sql; /* pg_get_expr(); NULL: none, or a generated column's */
};

/* The position in the key that a table with this replica identity goes by. */
static inline int pg_column_key_position(const struct pg_column_facts *column, uint8_t replica_identity)
{
    return replica_identity == 'i' ? column->identity_position : column->primary_position;
}

struct pg_type_facts {
    uint32_t oid;        /* as the column has it */
    struct pg_type base; /* domains taken off, then an array's elements; name and labels in the arena */
};

struct pg_table_facts {
    const struct pg_column_facts *columns; /* in the table's order, dropped ones among them */
    size_t n_columns;                      /* 0: the table is gone by now */
    const struct pg_type_facts *types;
    size_t n_types;
};

/* Of each type that the publication's tables have, whether they are captured or not. */
MUST_CHECK enum rc pg_catalog_published_types(PGconn *conn, const char *publication, struct arena *arena,
                                              const struct pg_type_facts **ret_types, size_t *ret_n, struct err *err);

/* Facts about a relation's columns, types included. What is no longer in the catalog is not in the facts. */
MUST_CHECK enum rc pg_catalog_facts(PGconn *conn, const struct pgoutput_relation *relation, struct arena *arena,
                                    struct pg_table_facts *ret_facts, struct err *err);

/* The table as pgoutput would announce it: for the first copy. Names live in the arena. */
MUST_CHECK enum rc pg_catalog_relation(PGconn *conn, const struct pg_table *table, struct arena *arena,
                                       struct pgoutput_relation *ret_relation, struct err *err);

#endif
