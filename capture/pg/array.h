/* One-dimensional arrays as PostgreSQL writes them, {a,"b c",NULL}, to Avro arrays of the element's type or null. */
#ifndef LEAT_CAPTURE_PG_ARRAY_H
#define LEAT_CAPTURE_PG_ARRAY_H

#include "capture/pg/types.h"

/* false: the text is no array, it has more than one dimension, or an element is none of its type. */
bool pg_array_put(const struct pg_encoder *element, struct slice text, struct buf *out);

#endif
