/* Whatever pgoutput_decode accepts must say all that the bytes said: written back, it is the same bytes. The same for
 * the bytes as a message of a streamed transaction, which are tried too. */
#include "capture/pg/pgoutput.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t PG_EPOCH_US = INT64_C(946684800000000);

static void put_u16(struct buf *out, uint16_t value)
{
    buf_put_u8(out, (uint8_t)(value >> 8));
    buf_put_u8(out, (uint8_t)value);
}

static void put_time(struct buf *out, int64_t time_us)
{
    buf_put_u64(out, (uint64_t)time_us - (uint64_t)PG_EPOCH_US);
}

static void put_text(struct buf *out, const char *text)
{
    buf_put(out, text, strlen(text) + 1);
}

static void put_tuple(struct buf *out, const struct pgoutput_tuple *tuple)
{
    put_u16(out, tuple->n);
    for (uint16_t i = 0; i < tuple->n; i++) {
        buf_put_u8(out, tuple->values[i].kind);
        if (tuple->values[i].kind == PGOUTPUT_TUPLE_TEXT || tuple->values[i].kind == PGOUTPUT_TUPLE_BINARY) {
            buf_put_u32(out, (uint32_t)tuple->values[i].bytes.len);
            buf_put_slice(out, tuple->values[i].bytes);
        }
    }
}

static void put_relation(struct buf *out, const struct pgoutput_relation *relation)
{
    buf_put_u32(out, relation->id);
    put_text(out, relation->schema);
    put_text(out, relation->name);
    buf_put_u8(out, relation->replica_identity);
    put_u16(out, relation->n_columns);
    for (uint16_t i = 0; i < relation->n_columns; i++) {
        buf_put_u8(out, relation->columns[i].flags);
        put_text(out, relation->columns[i].name);
        buf_put_u32(out, relation->columns[i].type_oid);
        buf_put_u32(out, (uint32_t)relation->columns[i].typmod);
    }
}

static void put_row(struct buf *out, const struct pgoutput_msg *msg)
{
    buf_put_u32(out, msg->row.relation_id);
    if (msg->row.old != PGOUTPUT_OLD_NONE) {
        buf_put_u8(out, (uint8_t)msg->row.old);
        put_tuple(out, &msg->old_tuple);
    }
    if (msg->type != PGOUTPUT_DELETE) {
        buf_put_u8(out, 'N');
        put_tuple(out, &msg->new_tuple);
    }
}

static void put_truncate(struct buf *out, const struct pgoutput_truncate *truncate)
{
    buf_put_u32(out, truncate->n_relations);
    buf_put_u8(out, truncate->options);
    for (uint32_t i = 0; i < truncate->n_relations; i++)
        buf_put_u32(out, truncate->relation_ids[i]);
}

static void put_prepare(struct buf *out, const struct pgoutput_msg *msg)
{
    if (msg->type != PGOUTPUT_BEGIN_PREPARE)
        buf_put_u8(out, msg->prepare.flags);
    buf_put_u64(out, msg->prepare.lsn);
    buf_put_u64(out, msg->prepare.end_lsn);
    put_time(out, msg->prepare.time_us);
    buf_put_u32(out, msg->prepare.xid);
    put_text(out, msg->prepare.gid);
}

static void put_rollback_prepared(struct buf *out, const struct pgoutput_rollback_prepared *rollback)
{
    buf_put_u8(out, rollback->flags);
    buf_put_u64(out, rollback->prepare_end_lsn);
    buf_put_u64(out, rollback->rollback_end_lsn);
    put_time(out, rollback->prepare_time_us);
    put_time(out, rollback->rollback_time_us);
    buf_put_u32(out, rollback->xid);
    put_text(out, rollback->gid);
}

static void put_stream_abort(struct buf *out, const struct pgoutput_stream_abort *aborted)
{
    buf_put_u32(out, aborted->xid);
    buf_put_u32(out, aborted->subxid);
    if (aborted->has_lsn) {
        buf_put_u64(out, aborted->abort_lsn);
        put_time(out, aborted->abort_time_us);
    }
}

static void put_msg(struct buf *out, const struct pgoutput_msg *msg)
{
    buf_put_u8(out, (uint8_t)msg->type);
    switch (msg->type) {
    case PGOUTPUT_BEGIN:
        buf_put_u64(out, msg->begin.final_lsn);
        put_time(out, msg->begin.commit_time_us);
        buf_put_u32(out, msg->begin.xid);
        break;
    case PGOUTPUT_STREAM_START:
        buf_put_u32(out, msg->stream_start.xid);
        buf_put_u8(out, msg->stream_start.is_first);
        break;
    case PGOUTPUT_STREAM_STOP: break;
    case PGOUTPUT_STREAM_ABORT: put_stream_abort(out, &msg->stream_abort); break;
    case PGOUTPUT_BEGIN_PREPARE:
    case PGOUTPUT_PREPARE:
    case PGOUTPUT_COMMIT_PREPARED:
    case PGOUTPUT_STREAM_PREPARE: put_prepare(out, msg); break;
    case PGOUTPUT_ROLLBACK_PREPARED: put_rollback_prepared(out, &msg->rollback_prepared); break;
    case PGOUTPUT_STREAM_COMMIT: buf_put_u32(out, msg->commit.xid); /* fall through */
    case PGOUTPUT_COMMIT:
        buf_put_u8(out, msg->commit.flags);
        buf_put_u64(out, msg->commit.commit_lsn);
        buf_put_u64(out, msg->commit.end_lsn);
        put_time(out, msg->commit.commit_time_us);
        break;
    case PGOUTPUT_ORIGIN:
        buf_put_u64(out, msg->origin.lsn);
        put_text(out, msg->origin.name);
        break;
    case PGOUTPUT_TYPE:
        buf_put_u32(out, msg->type_name.oid);
        put_text(out, msg->type_name.schema);
        put_text(out, msg->type_name.name);
        break;
    case PGOUTPUT_MESSAGE:
        buf_put_u8(out, msg->logical.flags);
        buf_put_u64(out, msg->logical.lsn);
        put_text(out, msg->logical.prefix);
        buf_put_u32(out, (uint32_t)msg->logical.content.len);
        buf_put_slice(out, msg->logical.content);
        break;
    case PGOUTPUT_RELATION: put_relation(out, &msg->relation); break;
    case PGOUTPUT_TRUNCATE: put_truncate(out, &msg->truncate); break;
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE: put_row(out, msg); break;
    }
}

static void must_be_equal(const struct buf *again, const uint8_t *data, size_t size, int type)
{
    if (slice_eq(buf_slice(again), slice_of(data, size)))
        return;
    fprintf(stderr, "a message of type '%c' does not survive the round trip\n", type);
    abort();
}

static void try_ordinary(const uint8_t *data, size_t size)
{
    static struct pgoutput_msg msg;
    struct err err = {0};
    if (pgoutput_decode(slice_of(data, size), &msg, &err) != RC_OK)
        return;
    SCOPED(buf_done) struct buf again = buf_new(size + 1);
    put_msg(&again, &msg);
    must_be_equal(&again, data, size, (int)msg.type);
}

/* What is left without the transaction's number is decoded as the replay of the spool does it. */
static void try_streamed(const uint8_t *data, size_t size)
{
    struct pgoutput_streamed streamed;
    struct err err = {0};
    if (pgoutput_split_streamed(slice_of(data, size), &streamed, &err) != RC_OK)
        return;
    SCOPED(buf_done) struct buf again = buf_new(size + 1);
    buf_put_u8(&again, streamed.type);
    buf_put_slice(&again, streamed.body);
    try_ordinary(again.ptr, again.len);
    buf_clear(&again);
    buf_put_u8(&again, streamed.type);
    if (streamed.type != PGOUTPUT_ORIGIN)
        buf_put_u32(&again, streamed.xid);
    buf_put_slice(&again, streamed.body);
    must_be_equal(&again, data, size, streamed.type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_ordinary(data, size);
    try_streamed(data, size);
    return 0;
}
