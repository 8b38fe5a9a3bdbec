/* pgvector's types from their text. false: the text is not one. */
#ifndef LEAT_CAPTURE_PG_VECTOR_H
#define LEAT_CAPTURE_PG_VECTOR_H

#include "base/buf.h"

/* "[1,2.5]" to an array of doubles, or of floats (halfvec). */
bool pg_vector_put(struct slice text, bool as_float, struct buf *out);
/* "{1:0.5,3:2}/5" to {dimensions, vector [{key, value}]}. Debezium counts in 16 bits: false beyond. */
bool pg_sparse_vector_put(struct slice text, struct buf *out);

#endif
