/* Arrays as PostgreSQL writes them, {a,"b c",NULL} or [0:1][1:2]={{1,2},{3,4}}, to Avro arrays. An element is null, one
 * of its type, or, where the array has more than one dimension, an array again: that order of branches. */
#ifndef LEAT_CAPTURE_PG_ARRAY_H
#define LEAT_CAPTURE_PG_ARRAY_H

#include "capture/pg/types.h"

enum { PG_ARRAY_MAX_DIMENSIONS = 6 }; /* MAXDIM, src/include/utils/array.h */

/* false: the text is no array, it has more dimensions than the encoder, or an element is none of its type. */
bool pg_array_put(const struct pg_encoder *element, struct slice text, struct buf *out);
/* How many dimensions the text seems to have, before it is read whole; 0: it is no array. */
int pg_array_dimensions(struct slice text);

#endif
