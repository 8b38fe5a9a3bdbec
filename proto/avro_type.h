/* An Avro schema as a graph of types, with the annotations that Kafka Connect's converters add. Internal to
 * proto/. */
#ifndef LEAT_PROTO_AVRO_TYPE_H
#define LEAT_PROTO_AVRO_TYPE_H

#include "base/arena.h"
#include "base/reader.h"

enum avro_kind {
    AVRO_KIND_NULL,
    AVRO_KIND_BOOL,
    AVRO_KIND_INT,
    AVRO_KIND_LONG,
    AVRO_KIND_FLOAT,
    AVRO_KIND_DOUBLE,
    AVRO_KIND_BYTES,
    AVRO_KIND_STRING,
    AVRO_KIND_FIXED,
    AVRO_KIND_ENUM,
    AVRO_KIND_ARRAY,
    AVRO_KIND_MAP,
    AVRO_KIND_UNION,
    AVRO_KIND_RECORD,
};

/* "" and 0 where the schema says nothing. */
struct avro_notes {
    const char *connect_name, *connect_type, *logical_type;
    int precision, scale;
    const char *allowed;     /* labels of io.debezium.data.Enum */
    const char *source_type; /* __debezium.source.column.type */
    int source_length;       /* __debezium.source.column.length */
    int length;              /* of io.debezium.data.Bits */
};

struct avro_type {
    enum avro_kind kind;
    bool defined;                      /* false while its fields are being read */
    bool zero_bytes;                   /* takes no room: null, and what is made of nulls only */
    size_t size;                       /* fixed */
    const char *name, *namespace;      /* of a named type: its full name, and the part before the last dot */
    const struct avro_type **children; /* union: branches; record: fields; array, map: one */
    const char **labels;               /* record: names of fields; enum: symbols */
    size_t n_children, n_labels;
    struct avro_notes notes;
};

/* The graph lives in the arena. ERR_SCHEMA_UNSUPPORTED names the place. */
MUST_CHECK enum rc avro_type_parse(const char *schema_json, size_t len, struct arena *arena,
                                   const struct avro_type **ret_type, struct err *err);
/* Moves past one value of this type; the reader fails when the bytes do not match. Time is linear in the
 * bytes. */
void avro_type_skip(const struct avro_type *type, struct reader *r);
/* Bytes of the one are bytes of the other, and mean the same; annotations may differ. Not for types that hold
 * themselves: false. */
bool avro_type_same(const struct avro_type *a, const struct avro_type *b);
const char *avro_kind_name(enum avro_kind kind);

#endif
