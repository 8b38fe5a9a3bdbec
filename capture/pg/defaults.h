/* A column's default as Debezium has it in its schemas: docs/debezium.md. */
#ifndef LEAT_CAPTURE_PG_DEFAULTS_H
#define LEAT_CAPTURE_PG_DEFAULTS_H

#include "capture/pg/types.h"

/* Appends the Avro bytes of what `sql`, the expression of pg_get_expr(), says: the value of a constant; of a call of a
 * function (now(), nextval(...)) the type's zero, which stands for "some value". False: the schema gets no default,
 * because the type's are not taken over, or because the expression is neither; what was put is to be dropped. The
 * session's settings are those of slot.c. */
MUST_CHECK bool pg_default_put(const struct pg_type *type, const struct column *column,
                               const struct pg_encoder *encoder, const char *sql, struct buf *out);

#endif
