/* From a document to a row: the declared columns of one collection, compiled once.
 *
 * The first column is always _id: the document's identity as text (ObjectId as hex, strings as they are, anything else as
 * canonical extended JSON). It is the key. All other columns can be NULL in the warehouse; `required` says which of
 * them a document must have to be let through. Values are converted only without loss (docs/documentdb.md). */
#ifndef LEAT_CAPTURE_DOCDB_MAPPING_H
#define LEAT_CAPTURE_DOCDB_MAPPING_H

#include <bson/bson.h>

#include "base/config.h"
#include "proto/column.h"

struct mapping;
struct mapping *mapping_new(const struct config_collection *collection, const char *topic);
void mapping_free(struct mapping *mapping);
const struct table_shape *mapping_shape(const struct mapping *mapping);

/* Why a document was rejected: the path stands in the reject record. Borrowed from the mapping. */
struct mapping_refusal {
    const char *path;
};

/* Appends the row's Avro values in column order. RC_REJECT with DOC_... and ret_refusal->path set when the document does
 * not fit; out is then as it was. */
MUST_CHECK enum rc mapping_put_row(const struct mapping *mapping, const bson_t *document, struct buf *out,
                                   struct mapping_refusal *ret_refusal, struct err *err);
/* Appends the Avro payload of the key record: the _id under the iterator. */
void mapping_put_key(const bson_iter_t *id, struct buf *out);
/* The key as text, for reject records and logs of positions. */
void mapping_put_id_text(const bson_iter_t *id, struct buf *out);

#endif
