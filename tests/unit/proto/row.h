/* One value for each column type, as the capture would put it. */
#ifndef LEAT_TEST_ROW_H
#define LEAT_TEST_ROW_H

#include "proto/avro_put.h"
#include "proto/column.h"

static inline void row_put_point(struct buf *out)
{
    avro_put_double(out, 1.5);
    avro_put_double(out, -2);
    avro_put_null(out); /* wkb */
    avro_put_null(out); /* srid */
}

static inline void row_put_geometry(struct buf *out)
{
    avro_put_bytes(out, slice_of("\x01\x02\xff", 3));
    avro_put_some(out);
    avro_put_long(out, 4326);
}

static inline void row_put_sparse_vector(struct buf *out)
{
    avro_put_long(out, 5); /* dimensions */
    avro_put_long(out, 1); /* entries */
    avro_put_long(out, 3);
    avro_put_double(out, 0.5);
    avro_put_long(out, 0);
}

static inline void row_put_map(struct buf *out)
{
    avro_put_long(out, 2);
    avro_put_str(out, "a\"b");
    avro_put_some(out);
    avro_put_str(out, "c\nd");
    avro_put_str(out, "e");
    avro_put_null(out);
    avro_put_long(out, 0);
}

static inline void row_put_value(struct buf *out, enum column_type type)
{
    switch (type) {
    case COLUMN_BOOL: avro_put_bool(out, true); break;
    case COLUMN_INT16: avro_put_long(out, -32768); break;
    case COLUMN_INT32: avro_put_long(out, INT32_MIN); break;
    case COLUMN_INT64: avro_put_long(out, INT64_MIN); break;
    case COLUMN_FLOAT: avro_put_float(out, 1.25f); break;
    case COLUMN_DOUBLE: avro_put_double(out, -2.5e300); break;
    case COLUMN_DECIMAL: avro_put_decimal(out, slice_of_str("-12345678.90"), 2); break;
    case COLUMN_VARIABLE_DECIMAL: avro_put_variable_decimal(out, slice_of_str("18446744073709551616.5")); break;
    case COLUMN_BYTES: avro_put_bytes(out, slice_of("\0\xff", 2)); break;
    case COLUMN_DATE:
    case COLUMN_CONNECT_DATE: avro_put_long(out, -719162); break;
    case COLUMN_TIME_MS:
    case COLUMN_CONNECT_TIME: avro_put_long(out, 86399999); break;
    case COLUMN_TIME_US: avro_put_long(out, INT64_C(86399999999)); break;
    case COLUMN_TIME_NS: avro_put_long(out, INT64_C(86399999999000)); break;
    case COLUMN_TIMESTAMP_US: avro_put_long(out, INT64_C(-62135596800000000)); break;
    case COLUMN_TIMESTAMP_MS:
    case COLUMN_CONNECT_TIMESTAMP: avro_put_long(out, INT64_C(1795459547123)); break;
    case COLUMN_TIMESTAMP_NS: avro_put_long(out, INT64_C(1795459547123456000)); break;
    case COLUMN_INTERVAL_US: avro_put_long(out, -1); break;
    case COLUMN_BITS: avro_put_bytes(out, slice_of("\x05\x01", 2)); break;
    case COLUMN_POINT: row_put_point(out); break;
    case COLUMN_GEOMETRY:
    case COLUMN_GEOGRAPHY: row_put_geometry(out); break;
    case COLUMN_DOUBLE_VECTOR:
        avro_put_long(out, 1);
        avro_put_double(out, 0.1);
        avro_put_long(out, 0);
        break;
    case COLUMN_FLOAT_VECTOR:
        avro_put_long(out, 1);
        avro_put_float(out, 0.1f);
        avro_put_long(out, 0);
        break;
    case COLUMN_SPARSE_VECTOR: row_put_sparse_vector(out); break;
    case COLUMN_MAP: row_put_map(out); break;
    case COLUMN_STRING:
    case COLUMN_UUID:
    case COLUMN_JSON:
    case COLUMN_XML:
    case COLUMN_ENUM:
    case COLUMN_TSVECTOR:
    case COLUMN_LTREE:
    case COLUMN_ISO_DATE:
    case COLUMN_ISO_TIME:
    case COLUMN_ISO_TIMESTAMP:
    case COLUMN_INTERVAL_TEXT:
    case COLUMN_ZONED_TIME:
    case COLUMN_ZONED_TIMESTAMP: avro_put_str(out, "caf\xc3\xa9"); break;
    case COLUMN_NESTED: break; /* never written */
    }
}

/* An array holds the value, and a null. */
static inline void row_put_column(struct buf *out, const struct column *column)
{
    if (!column->is_array) {
        row_put_value(out, column->type);
        return;
    }
    avro_put_long(out, 2);
    avro_put_some(out);
    row_put_value(out, column->type);
    avro_put_null(out);
    avro_put_long(out, 0);
}

/* Every optional column null, or none. */
static inline void row_put(struct buf *out, const struct table_shape *shape, bool with_nulls)
{
    avro_put_some(out);
    for (size_t i = 0; i < shape->n_columns; i++) {
        if (shape->columns[i].optional && with_nulls) {
            avro_put_null(out);
            continue;
        }
        if (shape->columns[i].optional)
            avro_put_some(out);
        row_put_column(out, &shape->columns[i]);
    }
}

#endif
