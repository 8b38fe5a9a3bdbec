/* One value for each column type, as the capture would put it. */
#ifndef LEAT_TEST_ROW_H
#define LEAT_TEST_ROW_H

#include "proto/avro_put.h"
#include "proto/column.h"

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
    case COLUMN_DATE: avro_put_long(out, -719162); break;
    case COLUMN_TIME_US: avro_put_long(out, INT64_C(86399999999)); break;
    case COLUMN_TIMESTAMP_US: avro_put_long(out, INT64_C(-62135596800000000)); break;
    case COLUMN_TIMESTAMP_MS: avro_put_long(out, INT64_C(1795459547123)); break;
    case COLUMN_INTERVAL_US: avro_put_long(out, -1); break;
    case COLUMN_STRING:
    case COLUMN_UUID:
    case COLUMN_JSON:
    case COLUMN_XML:
    case COLUMN_ENUM:
    case COLUMN_ZONED_TIME:
    case COLUMN_ZONED_TIMESTAMP: avro_put_str(out, "caf\xc3\xa9"); break;
    }
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
        row_put_value(out, shape->columns[i].type);
    }
}

#endif
