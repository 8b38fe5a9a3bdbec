/* What one column of a table is on the wire: the meeting point of source types, Avro types and warehouse types.
 * Schema names and encodings are Debezium's, so that its readers read us; which of them a source's type gets is its
 * type modes' choice (capture/pg/types.h). */
#ifndef LEAT_PROTO_COLUMN_H
#define LEAT_PROTO_COLUMN_H

#include "base/buf.h"
#include "base/err.h"

enum column_type {
    COLUMN_BOOL,              /* boolean */
    COLUMN_INT16,             /* int, connect.type int16 */
    COLUMN_INT32,             /* int */
    COLUMN_INT64,             /* long */
    COLUMN_FLOAT,             /* float */
    COLUMN_DOUBLE,            /* double */
    COLUMN_DECIMAL,           /* bytes, logicalType decimal, connect.name org.apache.kafka.connect.data.Decimal */
    COLUMN_VARIABLE_DECIMAL,  /* record io.debezium.data.VariableScaleDecimal {scale int, value bytes} */
    COLUMN_STRING,            /* string */
    COLUMN_BYTES,             /* bytes */
    COLUMN_UUID,              /* string, io.debezium.data.Uuid */
    COLUMN_JSON,              /* string, io.debezium.data.Json */
    COLUMN_XML,               /* string, io.debezium.data.Xml */
    COLUMN_ENUM,              /* string, io.debezium.data.Enum */
    COLUMN_DATE,              /* int days, io.debezium.time.Date */
    COLUMN_TIME_MS,           /* int, io.debezium.time.Time */
    COLUMN_TIME_US,           /* long, io.debezium.time.MicroTime */
    COLUMN_TIME_NS,           /* long, io.debezium.time.NanoTime */
    COLUMN_TIMESTAMP_MS,      /* long, io.debezium.time.Timestamp */
    COLUMN_TIMESTAMP_US,      /* long, io.debezium.time.MicroTimestamp */
    COLUMN_TIMESTAMP_NS,      /* long, io.debezium.time.NanoTimestamp */
    COLUMN_CONNECT_DATE,      /* int days, org.apache.kafka.connect.data.Date, logicalType date */
    COLUMN_CONNECT_TIME,      /* int ms, org.apache.kafka.connect.data.Time, logicalType time-millis */
    COLUMN_CONNECT_TIMESTAMP, /* long ms, org.apache.kafka.connect.data.Timestamp, logicalType timestamp-millis */
    COLUMN_ISO_DATE,          /* string "2024-02-29Z", io.debezium.time.IsoDate */
    COLUMN_ISO_TIME,          /* string "01:02:03.5Z", io.debezium.time.IsoTime */
    COLUMN_ISO_TIMESTAMP,     /* string "2024-02-29T01:02:03.5Z", io.debezium.time.IsoTimestamp */
    COLUMN_ZONED_TIME,        /* string, io.debezium.time.ZonedTime */
    COLUMN_ZONED_TIMESTAMP,   /* string ISO 8601 UTC, io.debezium.time.ZonedTimestamp */
    COLUMN_INTERVAL_US,       /* long, io.debezium.time.MicroDuration */
    COLUMN_INTERVAL_TEXT,     /* string "P1Y2M3DT4H5M6.7S", io.debezium.time.Interval */
    COLUMN_BITS,              /* bytes, least significant first, io.debezium.data.Bits; length in bits */
    COLUMN_TSVECTOR,          /* string, io.debezium.data.Tsvector */
    COLUMN_LTREE,             /* string, io.debezium.data.Ltree */
    COLUMN_POINT,             /* record io.debezium.data.geometry.Point {x, y, wkb, srid} */
    COLUMN_GEOMETRY,          /* record io.debezium.data.geometry.Geometry {wkb, srid} */
    COLUMN_GEOGRAPHY,         /* record io.debezium.data.geometry.Geography {wkb, srid} */
    COLUMN_DOUBLE_VECTOR,     /* array of double, io.debezium.data.DoubleVector */
    COLUMN_FLOAT_VECTOR,      /* array of float, io.debezium.data.FloatVector */
    COLUMN_SPARSE_VECTOR,     /* record io.debezium.data.SparseDoubleVector {dimensions, vector} */
    COLUMN_MAP,               /* map of string or null */
    COLUMN_NESTED,            /* any other array, map or record: read, never written */
};

struct column {
    const char *name; /* as the source has it */
    enum column_type type;
    bool optional;           /* Avro ["null", T], default null; with a default value [T, "null"] */
    bool is_array;           /* of elements that are this type or null */
    int dimensions;          /* of an array: an element may be an array too, so many levels in all; 0 is 1 */
    int precision, scale;    /* DECIMAL; precision 0: not known */
    int length;              /* characters a text can have, bits that BITS have; 0: not known */
    const char *source_type; /* "VARCHAR", travels as __debezium.source.column.type; NULL: does not travel */
    const char *enum_labels; /* ENUM: "a,b,c" */
    struct slice
        default_value; /* its Avro bytes, of a primitive type only; ptr NULL: none. In the schema, nowhere else */
};

/* Branches of an optional column's union: a default is of the first one. */
static inline void column_put_null(const struct column *column, struct buf *out)
{
    buf_put_u8(out, column->default_value.ptr == NULL ? 0 : 2);
}

static inline void column_put_some(const struct column *column, struct buf *out)
{
    buf_put_u8(out, column->default_value.ptr == NULL ? 2 : 0);
}

/* A table as its events describe it. Plain data; whoever made it owns what it points at. */
struct table_shape {
    const char *topic; /* <prefix>.<schema>.<table>; also the Avro namespace */
    struct column *columns;
    size_t n_columns;
    const uint16_t *key_columns; /* indexes, in key order */
    size_t n_key_columns;        /* 0: no key (the record's key is null) */
};

/* An Avro array, map or record: in the warehouse it is one value with parts. */
bool column_is_nested(const struct column *column);
/* Whether an array of these can have elements that are arrays: a union has one array at most. */
bool column_can_nest(const struct column *column);
/* Appends a column's Avro type (with the null union when optional). */
void column_put_avro_type(struct buf *out, const struct column *column);
/* Appends the default of a column's field as JSON. False: it has none, nothing was put. */
bool column_put_avro_default(struct buf *out, const struct column *column);
/* Avro names allow [A-Za-z_][A-Za-z0-9_]*: anything else becomes '_', a leading digit gets one in front (Debezium's
 * rule). Two columns that become one name are refused where the shape is made. */
void column_put_avro_name(struct buf *out, const char *name);

#endif
