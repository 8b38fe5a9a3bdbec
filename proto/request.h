/* What a person asks of a capture (`leat snapshot`), as one record of the topic of requests: a JSON object,
 *
 * {"v":1,"kind":"snapshot","id":"5f2c...","requested_us":n,"all":false,"tables":["public.accounts"],"where":"id > 7"} */
#ifndef LEAT_PROTO_REQUEST_H
#define LEAT_PROTO_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum request_kind {
    REQUEST_SNAPSHOT, /* copy these tables again, beside the stream */
    REQUEST_CANCEL,   /* copy them no more */
};

struct request {
    enum request_kind kind;
    const char *id; /* drawn by the one who asks; for the log */
    int64_t requested_us;
    bool all;                  /* of the tables; `tables` is empty then, and only then */
    const char *const *tables; /* "schema.table", as the server has the names */
    size_t n_tables;
    const char *where; /* SQL: only rows for which it is true; NULL: all rows. Never with `all` or a cancel */
};

const char *request_kind_name(enum request_kind kind);
void request_encode(const struct request *request, struct buf *out);
/* Everything the request points at lives in the arena. ERR_REQUEST_REFUSED says what is wrong. */
MUST_CHECK enum rc request_decode(struct slice json, struct arena *arena, struct request *ret_request, struct err *err);

#endif
