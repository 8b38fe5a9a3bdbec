/* The topic of requests: what people ask of a source's capture, written by `leat snapshot`, read from the ledger's next
 * one on. One partition, and no transactions: each offset is a request. */
#ifndef LEAT_CAPTURE_REQUESTS_H
#define LEAT_CAPTURE_REQUESTS_H

#include "base/config.h"
#include "proto/request.h"

struct requests;

/* A reader that waits for nothing: it connects behind the caller's back. Requests that Kafka has no more are passed
 * over. */
MUST_CHECK enum rc requests_open(const struct config *config, const struct config_source *source, int64_t next,
                                 struct requests **ret_requests, struct err *err);
void requests_close(struct requests *requests);
/* The next record, without waiting: RC_AGAIN when there is none, or no broker answers. With ERR_REQUEST_REFUSED the
 * record is none of ours; *ret_offset is set then, too. Anything else: the topic cannot be read. What the request
 * points at lives in the arena. */
MUST_CHECK enum rc requests_next(struct requests *requests, struct arena *arena, struct request *ret_request,
                                 int64_t *ret_offset, struct err *err);

/* The three below wait for the broker. */

/* Offset behind the last request; 0 when there is no topic. ret_low: the first one that Kafka still has; may be NULL. */
MUST_CHECK enum rc requests_end(const struct config *config, const struct config_source *source, int64_t *ret_low,
                                int64_t *ret_end, struct err *err);
/* The last request from `next` on that asks for a copy of all tables; *ret_offset -1: there is none. */
MUST_CHECK enum rc requests_find_all(const struct config *config, const struct config_source *source, int64_t next,
                                     int64_t *ret_offset, struct err *err);
/* Makes the topic when it is missing. */
MUST_CHECK enum rc requests_write(const struct config *config, const struct config_source *source,
                                  const struct request *request, int64_t *ret_offset, struct err *err);

#endif
