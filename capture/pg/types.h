/* PostgreSQL's types: what column each becomes, and from a value's text to its Avro bytes (wire.h: from its binary
 * form). docs/types.md. */
#ifndef LEAT_CAPTURE_PG_TYPES_H
#define LEAT_CAPTURE_PG_TYPES_H

#include "base/buf.h"
#include "capture/pg/type_modes.h"
#include "proto/column.h"

/* A type with its domains taken off, and, of an array, its elements' type. */
struct pg_type {
    uint32_t oid;
    int32_t typmod;          /* -1: none */
    const char *name;        /* pg_type.typname; NULL: not known */
    const char *enum_labels; /* "a,b,c"; NULL: not an enum */
    bool is_domain;          /* the modifier is the domain's, not the column's */
    bool is_array;           /* of one dimension or more: the type does not say */
    char delimiter;          /* between an array's elements */
};

enum pg_encoding {
    PG_ENCODE_TEXT,
    PG_ENCODE_BOOL,
    PG_ENCODE_INT16,
    PG_ENCODE_INT32,
    PG_ENCODE_INT64,
    PG_ENCODE_FLOAT4,
    PG_ENCODE_FLOAT8,
    PG_ENCODE_NUMERIC,
    PG_ENCODE_VARIABLE_NUMERIC,
    PG_ENCODE_NUMERIC_DOUBLE,
    PG_ENCODE_NUMERIC_TEXT,
    PG_ENCODE_MONEY,
    PG_ENCODE_MONEY_DOUBLE,
    PG_ENCODE_MONEY_TEXT,
    PG_ENCODE_BYTEA,
    PG_ENCODE_BYTEA_BASE64,
    PG_ENCODE_BYTEA_BASE64_URL_SAFE,
    PG_ENCODE_BYTEA_HEX,
    PG_ENCODE_BIT,
    PG_ENCODE_BITS,
    PG_ENCODE_DATE,
    PG_ENCODE_DATE_ISO,
    PG_ENCODE_TIME_MS,
    PG_ENCODE_TIME_US,
    PG_ENCODE_TIME_NS,
    PG_ENCODE_TIME_ISO,
    PG_ENCODE_TIMETZ,
    PG_ENCODE_TIMESTAMP_MS,
    PG_ENCODE_TIMESTAMP_US,
    PG_ENCODE_TIMESTAMP_NS,
    PG_ENCODE_TIMESTAMP_ISO,
    PG_ENCODE_TIMESTAMPTZ,
    PG_ENCODE_INTERVAL,
    PG_ENCODE_INTERVAL_TEXT,
    PG_ENCODE_POINT,
    PG_ENCODE_GEOMETRY,
    PG_ENCODE_VECTOR,
    PG_ENCODE_HALF_VECTOR,
    PG_ENCODE_SPARSE_VECTOR,
    PG_ENCODE_HSTORE_JSON,
    PG_ENCODE_HSTORE_MAP,
};

/* What a type's send function writes: wire.h. */
enum pg_wire {
    PG_WIRE_NONE, /* leat does not read it: the type travels as text */
    PG_WIRE_TEXT,
    PG_WIRE_VERSIONED_TEXT, /* behind a byte 1 */
    PG_WIRE_CHAR,
    PG_WIRE_BOOL,
    PG_WIRE_INT2,
    PG_WIRE_INT4,
    PG_WIRE_INT8,
    PG_WIRE_UINT4, /* oid, xid, cid */
    PG_WIRE_FLOAT4,
    PG_WIRE_FLOAT8,
    PG_WIRE_NUMERIC,
    PG_WIRE_BYTEA,
    PG_WIRE_BITS,
    PG_WIRE_UUID,
    PG_WIRE_DATE,
    PG_WIRE_TIME,
    PG_WIRE_TIMETZ,
    PG_WIRE_TIMESTAMP,
    PG_WIRE_TIMESTAMPTZ,
    PG_WIRE_INTERVAL,
    PG_WIRE_HSTORE,
};

struct pg_encoder {
    enum pg_encoding encoding;
    enum pg_wire wire;
    int scale;       /* NUMERIC*, MONEY: digits after the point; TIMESTAMPTZ: of a second, 0: as many as needed */
    bool check_utf8; /* the server does not promise it */
    bool is_uuid;
    bool is_array;  /* all above is about the elements */
    int dimensions; /* of an array: the most that the schema has room for */
    char delimiter;
    bool zero_beside_key; /* where only the key travelled its zero stands for it, although the schema allows null */
    const char *unavailable_value; /* NULL: Debezium has none for this type */
};

/* Fills type, is_array, precision, scale, length and enum_labels of the column (not name, optional, source_type). A
 * type that is not known is a string: its text. The encoder borrows from the modes. */
void pg_type_describe(const struct pg_type *type, const struct pg_type_modes *modes, struct column *ret_column,
                      struct pg_encoder *ret_encoder);

/* One value, without a union branch. false: the text is not one that the type allows, or the type on the wire
 * has no place for it (numeric NaN, an array of more dimensions than the schema has); what was put is to be dropped. */
MUST_CHECK bool pg_encoder_put(const struct pg_encoder *encoder, struct slice text, struct buf *out);
/* The same for one that is no array, or for an element of one. */
MUST_CHECK bool pg_encoder_put_one(const struct pg_encoder *encoder, struct slice text, struct buf *out);
/* What stands for a NOT NULL column whose value did not travel: Debezium's choice for the type (0, "", 1970). */
void pg_encoder_put_zero(const struct pg_encoder *encoder, struct buf *out);
/* Debezium's placeholder for an unchanged TOAST value. false: the type has none, nothing was put. */
bool pg_encoder_put_unavailable(const struct pg_encoder *encoder, struct buf *out);

#endif
