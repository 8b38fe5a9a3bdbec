/* BSON as the plain JSON that a SUPER column holds: numbers and strings bare, dates as ISO 8601, ObjectIds as hex text,
 * binary as base64, decimals as text; docs/documentdb.md has the table. */
#ifndef LEAT_CAPTURE_DOCDB_BSON_JSON_H
#define LEAT_CAPTURE_DOCDB_BSON_JSON_H

#include <bson/bson.h>

#include "base/buf.h"

/* One value; invalid UTF-8 becomes U+FFFD. Sets out->failed when the nesting is deeper than a document can be. */
void bson_json_put(struct buf *out, const bson_iter_t *value);
/* Canonical extended JSON of one value, without blanks: {"$numberInt":"0"}. */
void bson_json_put_canonical_value(struct buf *out, const bson_iter_t *value);
/* Canonical extended JSON of a whole document (for reject records). */
void bson_json_put_canonical(struct buf *out, const bson_t *document);

#endif
