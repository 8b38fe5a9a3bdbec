/* What people ask of the copy (`leat snapshot`): taken into the plan while the stream flows, never inside a window. What
 * was taken is in the ledger with the next mark, together with the place to read on from. */
#ifndef LEAT_CAPTURE_PG_COPY_REQUESTS_H
#define LEAT_CAPTURE_PG_COPY_REQUESTS_H

#include "capture/requests.h"

struct source;

struct pg_copy_requests {
    struct requests *requests; /* NULL: not read yet in this session */
    struct arena *arena;
    int64_t look_us;      /* the next look at the topic */
    bool said_unreadable; /* once a session is enough */
};

void pg_copy_requests_done(struct pg_copy_requests *reader);
/* Looks once a second; cheap. A request that cannot be taken is logged (`request_refused`) and passed over; only a
 * connection that broke is an error. *ret_changed: the plan is another one. */
MUST_CHECK enum rc pg_copy_requests_tend(struct source *source, struct pg_copy_requests *reader, bool *ret_changed,
                                         struct err *err);

#endif
