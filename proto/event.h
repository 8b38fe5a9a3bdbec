/* Reading change events: a plan compiled once per schema id, then one pass over each record, nothing allocated.
 * Reads any Avro envelope of Debezium's shape by field names, ours and Debezium's own. */
#ifndef LEAT_PROTO_EVENT_H
#define LEAT_PROTO_EVENT_H

#include "proto/column.h"
#include "proto/envelope.h"

enum avro_value_kind {
    AVRO_VALUE_NULL,
    AVRO_VALUE_BOOL,
    AVRO_VALUE_LONG,
    AVRO_VALUE_DOUBLE,
    AVRO_VALUE_BYTES,
    AVRO_VALUE_DECIMAL,
    AVRO_VALUE_NESTED,
};

struct avro_field;

struct avro_value {
    enum avro_value_kind kind;
    int32_t scale;                  /* DECIMAL: bytes hold the unscaled two's complement */
    bool is_float;                  /* DOUBLE that was an Avro float */
    const struct avro_field *field; /* NESTED: how to read its bytes; the plan's */
    union {
        int64_t i;          /* BOOL, LONG */
        double d;           /* DOUBLE */
        struct slice bytes; /* BYTES (string, bytes, fixed), DECIMAL, NESTED (its Avro): borrowed from the record */
    };
};

/* Is told the parts of a nested value in their order. */
struct avro_visitor {
    void (*open)(void *context, bool is_array); /* an array, or else a record or a map */
    void (*close)(void *context, bool is_array);
    void (*name)(void *context, struct slice name); /* of what comes next, in a record or a map */
    void (*value)(void *context, const struct column *column, const struct avro_value *value); /* not NESTED */
};
/* False when the bytes do not match the schema. */
MUST_CHECK bool avro_value_visit(const struct avro_value *value, const struct avro_visitor *visitor, void *context);

struct event_plan;
/* Value schema: an envelope with `before`, `after` and `op`. Fails with ERR_SCHEMA_UNSUPPORTED and the place. */
MUST_CHECK enum rc event_plan_new(const char *schema_json, size_t len, struct event_plan **ret_plan, struct err *err);
void event_plan_free(struct event_plan *plan);
/* The columns of `after`; key columns empty. The plan's. */
const struct table_shape *event_plan_shape(const struct event_plan *plan);

struct event {
    enum envelope_op op;
    bool has_before, has_after;
    struct avro_value *before, *after; /* storage given by the caller: n_columns each */
    int64_t source_ts_us;              /* commit time in the source block; 0 when it has none */
};

/* payload: the bytes after the frame. The caller points ret_event->before and ->after at room for n_columns values.
 * ERR_AVRO_MALFORMED (RC_REJECT) when the bytes do not match the schema. */
MUST_CHECK enum rc event_decode(const struct event_plan *plan, struct slice payload, struct event *ret_event,
                                struct err *err);

/* Key records: a flat record of scalar fields. */
struct key_plan;
MUST_CHECK enum rc key_plan_new(const char *schema_json, size_t len, struct key_plan **ret_plan, struct err *err);
void key_plan_free(struct key_plan *plan);
const struct table_shape *key_plan_shape(const struct key_plan *plan);
MUST_CHECK enum rc key_decode(const struct key_plan *plan, struct slice payload, struct avro_value *ret_values,
                              struct err *err);

/* Splits Confluent framing. */
MUST_CHECK enum rc avro_unframe(struct slice record, uint32_t *ret_schema_id, struct slice *ret_payload,
                                struct err *err);

#endif
