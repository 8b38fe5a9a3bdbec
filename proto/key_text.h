/* A key as Kafka Connect writes it into a header: {"id":7,"name":"x"}, the encoded values under their Avro names. What
 * Debezium's __debezium.newkey and __debezium.oldkey hold when nothing else is configured. */
#ifndef LEAT_PROTO_KEY_TEXT_H
#define LEAT_PROTO_KEY_TEXT_H

#include "base/buf.h"
#include "proto/column.h"

/* framed: as the record's key. False when it is not one of this shape, or a value has no text here. */
MUST_CHECK bool key_text_put(struct buf *out, const struct table_shape *shape, struct slice framed);

#endif
