/* One event as the sink works with it: decoded, borrowed from the Kafka message. */
#ifndef LEAT_SINK_CHANGE_H
#define LEAT_SINK_CHANGE_H

#include "proto/event.h"
#include "proto/position.h"

struct change {
    enum envelope_op op;
    struct slice key;                    /* the key's Avro payload, without the frame: the identity of the row */
    const struct avro_value *key_values; /* in key order */
    const struct avro_value *row;        /* `after`, in shape order; NULL for deletes and truncates */
    struct slice unchanged;              /* bitmap over the columns; len 0: every column travelled */
    struct slice moved_from;             /* key payload (no frame) of the row's key before; len 0: it did not move */
    const struct avro_value *moved_from_values;
    struct position pos;
    int64_t offset; /* in its partition */
};

#endif
