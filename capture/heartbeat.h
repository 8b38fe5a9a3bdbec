/* Debezium's heartbeat topic, __debezium-heartbeat.<prefix>: a record with the wall clock once in a while, so that a
 * reader can tell a quiet source from a capture that is gone. */
#ifndef LEAT_CAPTURE_HEARTBEAT_H
#define LEAT_CAPTURE_HEARTBEAT_H

#include "capture/batch.h"
#include "capture/source.h"

struct heartbeat {
    bool on;
    const char *prefix;
    uint32_t topic, key_schema_id, value_schema_id;
    int64_t interval_us, last_mono_us;
};

/* Registers its schemas and makes its topic. */
MUST_CHECK enum rc heartbeat_open(const struct source_context *context, struct heartbeat *ret_heartbeat,
                                  struct err *err);
/* Adds a record when one is due and the batch has room. Does nothing when it is not on (zeroed). */
void heartbeat_put(struct heartbeat *heartbeat, struct batch *batch, struct position pos);

#endif
