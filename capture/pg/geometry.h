/* Points, and PostGIS' shapes from the hex text of their EWKB, as Debezium's structs. false: the text is not one. */
#ifndef LEAT_CAPTURE_PG_GEOMETRY_H
#define LEAT_CAPTURE_PG_GEOMETRY_H

#include "base/buf.h"

/* "(1.5,-2)" to {x, y, wkb, srid null}. */
bool pg_point_put(struct slice text, struct buf *out);
/* Hex EWKB to {wkb, srid}; srid is null when the EWKB has none. */
bool pg_geometry_put(struct slice text, struct buf *out);
/* An empty collection: what stands for a shape that did not travel where null cannot. */
void pg_geometry_put_empty(struct buf *out);

#endif
