/* Pieces of Avro schema text that columns and envelopes share. Internal to proto/. */
#ifndef LEAT_PROTO_AVRO_SCHEMA_H
#define LEAT_PROTO_AVRO_SCHEMA_H

#include "proto/column.h"

/* As column_put_avro_type. A named type may be defined once in a schema: `known_names` says which were, and
 * is updated. */
struct avro_known_names {
    uint64_t types; /* bit n: column type n */
};
void avro_schema_put_column_type(struct buf *out, const struct column *column, struct avro_known_names *known_names);
/* A topic as the namespace of its records: Avro names joined by dots. */
void avro_schema_put_namespace(struct buf *out, const char *topic);

#endif
