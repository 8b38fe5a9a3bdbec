/* Values as their types' send functions write them (pgoutput's option binary): to the same Avro bytes as their texts.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html; the forms are those of the send
 * functions in src/backend/utils/adt.
 *
 * Bytes of a wrong length or form are refused like a value that has no place in Avro: false. Which of the two it was,
 * the text tells: what has none is malformed. */
#ifndef LEAT_CAPTURE_PG_WIRE_H
#define LEAT_CAPTURE_PG_WIRE_H

#include "capture/pg/array.h"
#include "capture/pg/pgoutput.h"
#include "capture/pg/types.h"

/* pg_encoder_put() of the value's text. */
MUST_CHECK bool pg_wire_put(const struct pg_encoder *encoder, struct slice bytes, struct buf *out);
/* The text that the server would have sent, arrays included. false: the bytes are no value of the type. */
MUST_CHECK bool pg_wire_put_text(const struct pg_encoder *encoder, struct slice bytes, struct buf *out);
/* The same for one that is no array, or for an element of one. */
MUST_CHECK bool pg_wire_put_text_one(enum pg_wire wire, struct slice bytes, struct buf *out);

/* Of a value that travelled, in either form: pg_encoder_put(), and its text. */
MUST_CHECK static inline bool pg_value_put(const struct pg_encoder *encoder, const struct pgoutput_value *value,
                                           struct buf *out)
{
    return value->kind == PGOUTPUT_TUPLE_BINARY ? pg_wire_put(encoder, value->bytes, out)
                                                : pg_encoder_put(encoder, value->bytes, out);
}
MUST_CHECK bool pg_value_put_text(const struct pg_encoder *encoder, const struct pgoutput_value *value,
                                  struct buf *out);

/* How many dimensions an array that travelled seems to have, before it is read whole; 0: it is none. */
int pg_value_dimensions(const struct pgoutput_value *value);

/* An array's elements, as array_send() writes them. */
struct pg_wire_array {
    struct slice rest;
    size_t n; /* elements of all dimensions that are not taken yet */
    uint32_t n_dimensions;
    uint32_t sizes[PG_ARRAY_MAX_DIMENSIONS];
    int32_t lower_bounds[PG_ARRAY_MAX_DIMENSIONS];
};
MUST_CHECK bool pg_wire_array_open(struct slice bytes, struct pg_wire_array *ret);
/* ptr NULL: the element is null. There has to be one; behind the last nothing may follow. */
MUST_CHECK bool pg_wire_array_take(struct pg_wire_array *array, struct slice *ret_element);

#endif
