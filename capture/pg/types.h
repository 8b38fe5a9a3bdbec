/* PostgreSQL's types: what column each becomes, and from a value's text to its Avro bytes. */
#ifndef LEAT_CAPTURE_PG_TYPES_H
#define LEAT_CAPTURE_PG_TYPES_H

#include "base/buf.h"
#include "proto/column.h"

/* A type with its domains taken off. */
struct pg_type {
    uint32_t oid;
    int32_t typmod;          /* -1: none */
    const char *name;        /* pg_type.typname; NULL: not known */
    const char *enum_labels; /* "a,b,c"; NULL: not an enum */
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
    PG_ENCODE_MONEY,
    PG_ENCODE_BYTEA,
    PG_ENCODE_DATE,
    PG_ENCODE_TIME,
    PG_ENCODE_TIMETZ,
    PG_ENCODE_TIMESTAMP_US,
    PG_ENCODE_TIMESTAMP_MS,
    PG_ENCODE_TIMESTAMPTZ,
    PG_ENCODE_INTERVAL,
};

struct pg_encoder {
    enum pg_encoding encoding;
    int scale;       /* NUMERIC */
    bool check_utf8; /* the server does not promise it */
};

/* Fills type, precision, scale, length and enum_labels of the column (not name, optional, source_type). A
 * type that is not known is a string: its text. */
void pg_type_describe(const struct pg_type *type, struct column *ret_column, struct pg_encoder *ret_encoder);

/* One value, without a union branch. false: the text is not one that the type allows, or the type on the wire
 * has no place for it (numeric NaN); what was put is to be dropped. */
MUST_CHECK bool pg_encoder_put(const struct pg_encoder *encoder, struct slice text, struct buf *out);
/* What stands for a NOT NULL column whose value did not travel: Debezium's choice for the type (0, "", 1970).
 */
void pg_encoder_put_zero(const struct pg_encoder *encoder, const struct column *column, struct buf *out);
/* Debezium's placeholder for an unchanged TOAST value. false: the type has none, nothing was put. */
bool pg_encoder_put_unavailable(const struct pg_encoder *encoder, struct buf *out);

#endif
