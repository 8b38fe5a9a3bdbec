/* One value of a record: what column its Avro type makes, and how it is read. Internal to proto/. */
#ifndef LEAT_PROTO_AVRO_FIELD_H
#define LEAT_PROTO_AVRO_FIELD_H

#include "proto/avro_get.h"
#include "proto/avro_type.h"
#include "proto/event.h"

enum { AVRO_NO_NULL = 255 }; /* not a union of null and a value: there is no branch to read */

enum avro_field_op {
    FIELD_OP_BOOL,
    FIELD_OP_INT,
    FIELD_OP_LONG,
    FIELD_OP_FLOAT,
    FIELD_OP_DOUBLE,
    FIELD_OP_BYTES,
    FIELD_OP_FIXED,
    FIELD_OP_ENUM,
    FIELD_OP_DECIMAL_BYTES,
    FIELD_OP_DECIMAL_FIXED,
    FIELD_OP_DECIMAL_VARIABLE, /* record {scale, value} */
    FIELD_OP_DECIMAL_VARIABLE_SWAPPED,
    FIELD_OP_NESTED, /* array, map, record: passed over, taken apart by avro_value_visit */
    FIELD_OP_UNION,  /* of several types, among an array's elements only: avro_value_visit takes the branch */
};

struct avro_field {
    uint8_t op;
    uint8_t null_branch; /* 0 or 1; AVRO_NO_NULL */
    int32_t scale;
    int32_t multiply, divide; /* LONG, INT: brings the source's unit to the column's; 0: as it is */
    const struct avro_type *type;
    const struct avro_field *parts; /* NESTED: an array's and a map's one, a record's fields; UNION: its branches */
    const struct column *part_columns;
};

/* In the arena, as are the parts. ERR_SCHEMA_UNSUPPORTED names the column. */
MUST_CHECK enum rc avro_field_plan(struct arena *arena, const char *name, const struct avro_type *type,
                                   struct avro_field *ret_field, struct column *ret_column, struct err *err);
/* Looks through a union of null and one other type. NULL for any other union. */
const struct avro_type *avro_nullable_type(const struct avro_type *type, uint8_t *ret_null_branch);

/* False when the value is null. A branch that the union does not have fails the reader. */
static inline bool avro_read_branch(struct reader *r, uint8_t null_branch)
{
    if (null_branch == AVRO_NO_NULL)
        return true;
    int64_t branch = avro_get_long(r);
    if (UNLIKELY(branch != 0 && branch != 1)) {
        avro_get_fail(r);
        return false;
    }
    return branch != null_branch;
}

/* The ends of 64 bits stand for infinity in every unit. */
static inline int64_t avro_field_convert(int64_t value, const struct avro_field *field, struct reader *r)
{
    if (value == INT64_MAX || value == INT64_MIN)
        return value;
    if (field->multiply != 0 && __builtin_mul_overflow(value, (int64_t)field->multiply, &value))
        return avro_get_fail(r);
    if (field->divide != 0)
        value = value / field->divide - (value % field->divide < 0); /* down, also before the epoch */
    return value;
}

static inline struct slice avro_read_enum(struct reader *r, const struct avro_type *type)
{
    uint64_t symbol = (uint64_t)avro_get_int(r);
    if (symbol < type->n_labels)
        return slice_of_str(type->labels[symbol]);
    avro_get_fail(r);
    return (struct slice){0};
}

/* Even zero has one byte: a decimal without any is not a number. */
static inline void avro_read_decimal(struct reader *r, struct slice bytes, int64_t scale, struct avro_value *ret)
{
    if (UNLIKELY(bytes.len == 0 || scale != (int32_t)scale))
        avro_get_fail(r);
    ret->kind = AVRO_VALUE_DECIMAL;
    ret->scale = (int32_t)scale;
    ret->bytes = bytes;
}

static inline void avro_read_variable_decimal(struct reader *r, bool swapped, struct avro_value *ret)
{
    struct slice bytes = {0};
    if (swapped)
        bytes = avro_get_bytes(r);
    int64_t scale = avro_get_int(r);
    if (!swapped)
        bytes = avro_get_bytes(r);
    avro_read_decimal(r, bytes, scale, ret);
}

/* What is nested stays in its bytes: they are checked, and borrowed. */
static inline void avro_read_nested(const struct avro_field *field, struct reader *r, struct avro_value *ret)
{
    const uint8_t *start = r->ptr;
    avro_type_skip(field->type, r);
    ret->kind = AVRO_VALUE_NESTED;
    ret->field = field;
    ret->bytes = reader_failed(r) ? (struct slice){0} : slice_of(start, (size_t)(r->ptr - start));
}

/* Inline: once for each value of each record. The reader fails when the bytes do not match. */
static inline void avro_field_read(const struct avro_field *field, struct reader *r, struct avro_value *ret)
{
    if (!avro_read_branch(r, field->null_branch)) {
        ret->kind = AVRO_VALUE_NULL;
        return;
    }
    switch ((enum avro_field_op)field->op) {
    case FIELD_OP_BOOL:
        ret->kind = AVRO_VALUE_BOOL;
        ret->i = avro_get_bool(r);
        break;
    case FIELD_OP_INT:
    case FIELD_OP_LONG:
        ret->kind = AVRO_VALUE_LONG;
        ret->i = field->op == FIELD_OP_INT ? avro_get_int(r) : avro_get_long(r);
        if (UNLIKELY((field->multiply | field->divide) != 0))
            ret->i = avro_field_convert(ret->i, field, r);
        break;
    case FIELD_OP_FLOAT:
        ret->kind = AVRO_VALUE_DOUBLE;
        ret->is_float = true;
        ret->d = (double)avro_get_float(r);
        break;
    case FIELD_OP_DOUBLE:
        ret->kind = AVRO_VALUE_DOUBLE;
        ret->is_float = false;
        ret->d = avro_get_double(r);
        break;
    case FIELD_OP_BYTES:
        ret->kind = AVRO_VALUE_BYTES;
        ret->bytes = avro_get_bytes(r);
        break;
    case FIELD_OP_FIXED:
        ret->kind = AVRO_VALUE_BYTES;
        ret->bytes = reader_bytes(r, field->type->size);
        break;
    case FIELD_OP_ENUM:
        ret->kind = AVRO_VALUE_BYTES;
        ret->bytes = avro_read_enum(r, field->type);
        break;
    case FIELD_OP_DECIMAL_BYTES: avro_read_decimal(r, avro_get_bytes(r), field->scale, ret); break;
    case FIELD_OP_DECIMAL_FIXED: avro_read_decimal(r, reader_bytes(r, field->type->size), field->scale, ret); break;
    case FIELD_OP_DECIMAL_VARIABLE: avro_read_variable_decimal(r, false, ret); break;
    case FIELD_OP_DECIMAL_VARIABLE_SWAPPED: avro_read_variable_decimal(r, true, ret); break;
    case FIELD_OP_NESTED: avro_read_nested(field, r, ret); break;
    case FIELD_OP_UNION: avro_get_fail(r); break; /* never a column's */
    }
}

#endif
