/* hstore from its text: "key"=>"value", "other"=>NULL. false: the text is not one. */
#ifndef LEAT_CAPTURE_PG_HSTORE_H
#define LEAT_CAPTURE_PG_HSTORE_H

#include "base/buf.h"

/* A JSON object's text, in the order of the hstore's text. */
bool pg_hstore_put_json(struct slice text, struct buf *out);
/* An Avro map of string or null. */
bool pg_hstore_put_map(struct slice text, struct buf *out);

#endif
