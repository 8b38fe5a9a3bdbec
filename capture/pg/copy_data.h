/* What stands around pgoutput's messages on the wire: the protocol's own frame, and in a CopyData the head of the
 * replication stream. https://www.postgresql.org/docs/current/protocol-replication.html
 *
 * Pure, and inline: each runs once a message. */
#ifndef LEAT_CAPTURE_PG_COPY_DATA_H
#define LEAT_CAPTURE_PG_COPY_DATA_H

#include "base/reader.h"

enum {
    PG_FRAME_HEAD_BYTES = 5,  /* type, length */
    PG_XLOG_DATA_BYTES = 25,  /* 'w', start, end, time */
    PG_KEEPALIVE_BYTES = 18,  /* 'k', end, time, answer at once */
    PG_FRAME_LENGTH_BYTES = 4 /* a length counts itself */
};

/* One message of the protocol, from its first byte. RC_AGAIN: *ret_bytes are needed, at least; RC_OK: so many it has.
 * ERR_MEMORY_LIMIT: it has more than max_bytes, or less than a length takes. */
MUST_CHECK static inline enum rc pg_frame_decode(struct slice bytes, size_t max_bytes, uint8_t *ret_type,
                                                 struct slice *ret_body, size_t *ret_bytes, struct err *err)
{
    *ret_bytes = PG_FRAME_HEAD_BYTES;
    if (bytes.len < PG_FRAME_HEAD_BYTES)
        return RC_AGAIN;
    struct reader r = reader_of(bytes);
    *ret_type = reader_u8(&r);
    size_t len = reader_u32(&r);
    if (len < PG_FRAME_LENGTH_BYTES || len > max_bytes)
        return err_set(err, ERR_MEMORY_LIMIT, "the source sent a message of %zu bytes, more than %zu are not taken in",
                       len, max_bytes);
    *ret_bytes = 1 + len;
    if (bytes.len < 1 + len)
        return RC_AGAIN;
    *ret_body = slice_of(bytes.ptr + PG_FRAME_HEAD_BYTES, len - PG_FRAME_LENGTH_BYTES);
    return RC_OK;
}

struct pg_copy_data {
    bool is_keepalive;
    uint64_t lsn; /* of the change; of a keepalive: up to where the server has read its log */
    struct slice message;
    bool asks; /* a keepalive that wants an answer at once */
};

/* The content of a CopyData. ERR_MALFORMED for anything else than data and keepalives. */
MUST_CHECK static inline enum rc pg_copy_data_decode(struct slice bytes, struct pg_copy_data *ret, struct err *err)
{
    struct reader r = reader_of(bytes);
    uint8_t type = reader_u8(&r);
    if (LIKELY(type == 'w' && bytes.len >= PG_XLOG_DATA_BYTES)) {
        ret->is_keepalive = false;
        ret->lsn = reader_u64(&r);
        ret->message = slice_of(bytes.ptr + PG_XLOG_DATA_BYTES, bytes.len - PG_XLOG_DATA_BYTES);
        return RC_OK;
    }
    if (type != 'k' || bytes.len != PG_KEEPALIVE_BYTES)
        return err_set(err, ERR_MALFORMED, "the source sent a replication message of type %#x with %zu bytes", type,
                       bytes.len);
    *ret = (struct pg_copy_data){.is_keepalive = true, .lsn = reader_u64(&r)};
    reader_u64(&r); /* the server's clock */
    ret->asks = reader_u8(&r) != 0;
    return RC_OK;
}

#endif
