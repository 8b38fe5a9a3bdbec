/* A record of the reject topic: what did not fit, why, and where it came from. JSON, so that a person can read it.
 *
 * {"v":1,"stage":"capture"|"sink","source":"docs","topic":"bank.db.trades","key":"...","pos":[major,minor],
 *  "offset":n (sink), "code":"DOC_MISSING_FIELD","path":"details.lag","message":"...","rejected_us":n,"record":...}
 *
 * record: documents as canonical extended JSON, an Avro event as {"avro": base64 of the framed value, "key": base64}.
 * The Kafka key is "<topic>/<major>/<minor>": the same reject written twice is one. */
#ifndef LEAT_PROTO_REJECT_H
#define LEAT_PROTO_REJECT_H

#include "base/arena.h"
#include "proto/position.h"

struct reject {
    const char *stage, *source, *topic, *path, *message;
    enum err_code code;
    struct slice key; /* text that a person can search for */
    struct position pos;
    int64_t offset;      /* -1: none */
    struct slice record; /* JSON, put in as it is */
};

void reject_encode_key(const struct reject *reject, struct buf *out);
void reject_encode(const struct reject *reject, int64_t now_us, struct buf *out);
void base64_put(struct buf *out, struct slice bytes);

#endif
