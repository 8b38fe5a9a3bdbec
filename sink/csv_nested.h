/* Values that Redshift has no scalar for: nested ones as JSON for SUPER, bits as text. docs/types.md has the forms. */
#ifndef LEAT_SINK_CSV_NESTED_H
#define LEAT_SINK_CSV_NESTED_H

#include "base/buf.h"
#include "proto/event.h"

/* Appends JSON. NULL, or why the warehouse cannot hold the value: what was put is to be dropped. */
const char *csv_put_nested(struct buf *out, const struct avro_value *value);
/* "00101", quoted: `bits` digits, the most significant first; as many as there are when `bits` is 0 or unlimited. */
void csv_put_bits(struct buf *out, struct slice bytes, int bits);

#endif
