/* The identity and the total order of a change within its source.
 * PostgreSQL: major = commit LSN (the commit record's, as BEGIN announces it), minor = number of the event in its
 * transaction, from 0. Documents: major = cluster time (seconds << 32 | increment), minor = number of the event among
 * those of that time. A bare LSN is not an identity: many rows can share one. */
#ifndef LEAT_PROTO_POSITION_H
#define LEAT_PROTO_POSITION_H

#include "base/buf.h"
#include "base/err.h"
#include "base/reader.h"

struct position {
    uint64_t major, minor;
};

enum { POSITION_BYTES = 16 };

static inline int position_compare(struct position a, struct position b)
{
    if (a.major != b.major)
        return a.major < b.major ? -1 : 1;
    return a.minor < b.minor ? -1 : a.minor > b.minor;
}

static inline void position_encode(struct position position,
                                   uint8_t out[POSITION_BYTES]) /* big-endian: sorts as bytes */
{
    struct buf buf = buf_over(out, POSITION_BYTES);
    buf_put_u64(&buf, position.major);
    buf_put_u64(&buf, position.minor);
}

MUST_CHECK static inline enum rc position_decode(struct slice bytes, struct position *ret_position, struct err *err)
{
    if (bytes.len != POSITION_BYTES)
        return err_set(err, ERR_MALFORMED, "a position has %zu bytes instead of %d", bytes.len, POSITION_BYTES);
    struct reader r = reader_of(bytes);
    ret_position->major = reader_u64(&r);
    ret_position->minor = reader_u64(&r);
    return RC_OK;
}

#endif
