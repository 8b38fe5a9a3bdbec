/* How to go on with a document source: the `state` of its ledger records, a JSON object.
 *
 * {"set":"rs0","database":"...","snapshot":"copying"|"done","start":[seconds,increment],"copied":n,
 *  "token":{...}|null,"time":[seconds,increment],"ordinal":n}
 *
 * start: the server's operationTime before the first copy; the stream begins there. token: where to resume (opaque).
 * time, ordinal: the last event's position, which the first event after a resume must pass. */
#ifndef LEAT_CAPTURE_DOCDB_STATE_H
#define LEAT_CAPTURE_DOCDB_STATE_H

#include <bson/bson.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/position.h"

enum { DOCDB_STATE_TOKEN_BYTES = 4096, DOCDB_STATE_NAME_BYTES = 256 };

struct docdb_state {
    char set[DOCDB_STATE_NAME_BYTES], database[DOCDB_STATE_NAME_BYTES];
    bool known; /* false: the ledger has nothing of this source yet */
    bool snapshot_done;
    uint64_t start;       /* seconds << 32 | increment */
    size_t n_copied;      /* collections copied, in the configuration's order */
    bson_t token;         /* empty: none yet, begin at `start`; initialised always */
    struct position last; /* of the last event; major 0: none */
};

void docdb_state_init(struct docdb_state *state);
void docdb_state_done(struct docdb_state *state);
void docdb_state_encode(const struct docdb_state *state, struct buf *out);
/* json "{}" or empty: known stays false. */
MUST_CHECK enum rc docdb_state_decode(struct slice json, struct docdb_state *ret_state, struct err *err);
void docdb_state_set_token(struct docdb_state *state, const bson_t *token);

#endif
