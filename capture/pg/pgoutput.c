#include "capture/pg/pgoutput.h"

#include "base/reader.h"

/* PostgreSQL counts from 2000-01-01. */
static const int64_t PG_EPOCH_US = INT64_C(946684800000000);

static int64_t read_time(struct reader *r)
{
    return (int64_t)(reader_u64(r) + (uint64_t)PG_EPOCH_US);
}

static const char *read_text(struct reader *r)
{
    struct slice text = reader_cstr(r);
    return text.ptr == NULL ? "" : (const char *)text.ptr;
}

static enum rc malformed(struct err *err, const char *what, unsigned long long got)
{
    return err_set(err, ERR_PGOUTPUT_MALFORMED, "pgoutput message with %s %#llx", what, got);
}

static void read_begin(struct reader *r, struct pgoutput_begin *ret)
{
    ret->final_lsn = reader_u64(r);
    ret->commit_time_us = read_time(r);
    ret->xid = reader_u32(r);
}

static void read_commit(struct reader *r, struct pgoutput_commit *ret)
{
    ret->flags = reader_u8(r);
    ret->commit_lsn = reader_u64(r);
    ret->end_lsn = reader_u64(r);
    ret->commit_time_us = read_time(r);
}

static void read_stream_start(struct reader *r, struct pgoutput_stream_start *ret)
{
    ret->xid = reader_u32(r);
    ret->is_first = reader_u8(r);
}

static void read_stream_abort(struct reader *r, struct pgoutput_stream_abort *ret)
{
    ret->xid = reader_u32(r);
    ret->subxid = reader_u32(r);
    ret->has_lsn = reader_left(r) > 0;
    ret->abort_lsn = ret->has_lsn ? reader_u64(r) : 0;
    ret->abort_time_us = ret->has_lsn ? read_time(r) : 0;
}

static void read_prepare(struct reader *r, uint8_t type, struct pgoutput_prepare *ret)
{
    ret->flags = type == PGOUTPUT_BEGIN_PREPARE ? 0 : reader_u8(r);
    ret->lsn = reader_u64(r);
    ret->end_lsn = reader_u64(r);
    ret->time_us = read_time(r);
    ret->xid = reader_u32(r);
    ret->gid = read_text(r);
}

static void read_rollback_prepared(struct reader *r, struct pgoutput_rollback_prepared *ret)
{
    ret->flags = reader_u8(r);
    ret->prepare_end_lsn = reader_u64(r);
    ret->rollback_end_lsn = reader_u64(r);
    ret->prepare_time_us = read_time(r);
    ret->rollback_time_us = read_time(r);
    ret->xid = reader_u32(r);
    ret->gid = read_text(r);
}

static void read_origin(struct reader *r, struct pgoutput_origin *ret)
{
    ret->lsn = reader_u64(r);
    ret->name = read_text(r);
}

static void read_type_name(struct reader *r, struct pgoutput_type_name *ret)
{
    ret->oid = reader_u32(r);
    ret->schema = read_text(r);
    ret->name = read_text(r);
}

static void read_logical(struct reader *r, struct pgoutput_logical *ret)
{
    ret->flags = reader_u8(r);
    ret->lsn = reader_u64(r);
    ret->prefix = read_text(r);
    ret->content = reader_bytes(r, reader_u32(r));
}

static enum rc read_relation(struct reader *r, struct pgoutput_relation *ret, struct err *err)
{
    ret->id = reader_u32(r);
    ret->schema = read_text(r);
    ret->name = read_text(r);
    ret->replica_identity = reader_u8(r);
    ret->n_columns = reader_u16(r);
    if (ret->n_columns > PGOUTPUT_MAX_COLUMNS)
        return malformed(err, "a relation's column count", ret->n_columns);
    for (uint16_t i = 0; i < ret->n_columns && !reader_failed(r); i++) {
        struct pgoutput_column *column = &ret->columns[i];
        column->flags = reader_u8(r);
        column->name = read_text(r);
        column->type_oid = reader_u32(r);
        column->typmod = (int32_t)reader_u32(r);
    }
    return RC_OK;
}

static enum rc read_tuple(struct reader *r, struct pgoutput_tuple *ret, struct err *err)
{
    uint16_t n = reader_u16(r);
    if (n > PGOUTPUT_MAX_COLUMNS)
        return malformed(err, "a tuple's column count", n);
    ret->n = n;
    for (uint16_t i = 0; i < n; i++) {
        struct pgoutput_value *value = &ret->values[i];
        value->kind = reader_u8(r);
        value->bytes = (struct slice){0};
        if (value->kind == PGOUTPUT_TUPLE_TEXT || value->kind == PGOUTPUT_TUPLE_BINARY)
            value->bytes = reader_bytes(r, reader_u32(r));
        else if (value->kind != PGOUTPUT_TUPLE_NULL && value->kind != PGOUTPUT_TUPLE_UNCHANGED_TOAST)
            return reader_failed(r) ? RC_OK : malformed(err, "a value of kind", value->kind);
    }
    return RC_OK;
}

/* [K tuple | O tuple] N tuple; a delete has the first part only, an insert the last. */
static enum rc read_row(struct reader *r, struct pgoutput_msg *ret, struct err *err)
{
    ret->row.relation_id = reader_u32(r);
    ret->row.old = PGOUTPUT_OLD_NONE;
    uint8_t part = reader_u8(r);
    if (part == PGOUTPUT_OLD_KEY || part == PGOUTPUT_OLD_ROW) {
        if (ret->type == PGOUTPUT_INSERT)
            return malformed(err, "an old row in an insert:", part);
        ret->row.old = part;
        TRY(read_tuple(r, &ret->old_tuple, err));
        if (ret->type == PGOUTPUT_DELETE)
            return RC_OK;
        part = reader_u8(r);
    }
    if (reader_failed(r))
        return RC_OK; /* the end check says it */
    if (part != 'N' || ret->type == PGOUTPUT_DELETE)
        return malformed(err, "a row's part", part);
    return read_tuple(r, &ret->new_tuple, err);
}

static enum rc read_truncate(struct reader *r, struct pgoutput_truncate *ret, struct err *err)
{
    ret->n_relations = reader_u32(r);
    ret->options = reader_u8(r);
    if (ret->n_relations > PGOUTPUT_MAX_TRUNCATED)
        return malformed(err, "a truncate's relation count", ret->n_relations);
    for (uint32_t i = 0; i < ret->n_relations && !reader_failed(r); i++)
        ret->relation_ids[i] = reader_u32(r);
    return RC_OK;
}

enum rc pgoutput_decode(struct slice bytes, struct pgoutput_msg *ret_msg, struct err *err)
{
    struct reader r = reader_of(bytes);
    uint8_t type = reader_u8(&r);
    ret_msg->type = (enum pgoutput_type)type;
    switch (type) {
    case PGOUTPUT_BEGIN: read_begin(&r, &ret_msg->begin); break;
    case PGOUTPUT_STREAM_COMMIT:
    case PGOUTPUT_COMMIT:
        ret_msg->commit.xid = type == PGOUTPUT_STREAM_COMMIT ? reader_u32(&r) : 0;
        read_commit(&r, &ret_msg->commit);
        break;
    case PGOUTPUT_STREAM_START: read_stream_start(&r, &ret_msg->stream_start); break;
    case PGOUTPUT_STREAM_STOP: break;
    case PGOUTPUT_STREAM_ABORT: read_stream_abort(&r, &ret_msg->stream_abort); break;
    case PGOUTPUT_BEGIN_PREPARE:
    case PGOUTPUT_PREPARE:
    case PGOUTPUT_COMMIT_PREPARED:
    case PGOUTPUT_STREAM_PREPARE: read_prepare(&r, type, &ret_msg->prepare); break;
    case PGOUTPUT_ROLLBACK_PREPARED: read_rollback_prepared(&r, &ret_msg->rollback_prepared); break;
    case PGOUTPUT_ORIGIN: read_origin(&r, &ret_msg->origin); break;
    case PGOUTPUT_TYPE: read_type_name(&r, &ret_msg->type_name); break;
    case PGOUTPUT_MESSAGE: read_logical(&r, &ret_msg->logical); break;
    case PGOUTPUT_RELATION: TRY(read_relation(&r, &ret_msg->relation, err)); break;
    case PGOUTPUT_TRUNCATE: TRY(read_truncate(&r, &ret_msg->truncate, err)); break;
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE: TRY(read_row(&r, ret_msg, err)); break;
    default: return bytes.len == 0 ? reader_end(&r, ERR_PGOUTPUT_MALFORMED, err) : malformed(err, "type", type);
    }
    return reader_end(&r, ERR_PGOUTPUT_MALFORMED, err);
}

uint64_t pgoutput_starting_lsn(const struct pgoutput_msg *msg)
{
    switch ((int)msg->type) {
    case PGOUTPUT_BEGIN: return msg->begin.final_lsn;
    case PGOUTPUT_STREAM_COMMIT: return msg->commit.commit_lsn;
    case PGOUTPUT_COMMIT_PREPARED: return msg->prepare.lsn;
    case PGOUTPUT_MESSAGE: return (msg->logical.flags & PGOUTPUT_MESSAGE_TRANSACTIONAL) != 0 ? 0 : msg->logical.lsn;
    default: return 0;
    }
}

enum rc pgoutput_split_streamed(struct slice bytes, struct pgoutput_streamed *ret, struct err *err)
{
    struct reader r = reader_of(bytes);
    struct pgoutput_streamed streamed = {.type = reader_u8(&r)};
    switch (streamed.type) {
    case PGOUTPUT_ORIGIN: break;
    case PGOUTPUT_RELATION:
    case PGOUTPUT_TYPE:
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
    case PGOUTPUT_TRUNCATE:
    case PGOUTPUT_MESSAGE: streamed.xid = reader_u32(&r); break;
    default:
        return bytes.len == 0 ? reader_end(&r, ERR_PGOUTPUT_MALFORMED, err)
                              : malformed(err, "a type that has no place in a streamed transaction:", streamed.type);
    }
    if (reader_failed(&r))
        return reader_end(&r, ERR_PGOUTPUT_MALFORMED, err);
    streamed.body = slice_of(r.ptr, reader_left(&r));
    *ret = streamed;
    return RC_OK;
}
