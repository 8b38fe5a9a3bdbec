/* Decoder of pgoutput, protocol versions 1 to 4, values in text or binary.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 *
 * From version 2 on a large transaction can come in pieces before it ends, each between a stream start and a
 * stream stop; the messages between them carry the number of their (sub)transaction: pgoutput_split_streamed()
 * takes it off, what is left is a message as version 1 has it.
 *
 * Pure: bytes in, struct out. Everything the message points at is borrowed from the bytes. */
#ifndef LEAT_CAPTURE_PG_PGOUTPUT_H
#define LEAT_CAPTURE_PG_PGOUTPUT_H

#include "base/err.h"
#include "base/slice.h"

enum {
    PGOUTPUT_MAX_COLUMNS = 1664,   /* MaxTupleAttributeNumber */
    PGOUTPUT_MAX_TRUNCATED = 4096, /* relations of one truncate that we take in */
};

enum pgoutput_type {
    PGOUTPUT_BEGIN = 'B',
    PGOUTPUT_COMMIT = 'C',
    PGOUTPUT_ORIGIN = 'O',
    PGOUTPUT_RELATION = 'R',
    PGOUTPUT_TYPE = 'Y',
    PGOUTPUT_INSERT = 'I',
    PGOUTPUT_UPDATE = 'U',
    PGOUTPUT_DELETE = 'D',
    PGOUTPUT_TRUNCATE = 'T',
    PGOUTPUT_MESSAGE = 'M',
    /* version 2 */
    PGOUTPUT_STREAM_START = 'S',
    PGOUTPUT_STREAM_STOP = 'E',
    PGOUTPUT_STREAM_COMMIT = 'c',
    PGOUTPUT_STREAM_ABORT = 'A',
    /* version 3, of a slot with two_phase */
    PGOUTPUT_BEGIN_PREPARE = 'b',
    PGOUTPUT_PREPARE = 'P',
    PGOUTPUT_COMMIT_PREPARED = 'K',
    PGOUTPUT_ROLLBACK_PREPARED = 'r',
    PGOUTPUT_STREAM_PREPARE = 'p',
};

enum {
    PGOUTPUT_TUPLE_NULL = 'n',
    PGOUTPUT_TUPLE_UNCHANGED_TOAST = 'u',
    PGOUTPUT_TUPLE_TEXT = 't',
    PGOUTPUT_TUPLE_BINARY = 'b', /* as the type's send function wrote it: with option binary, from 14 on */
};
enum { PGOUTPUT_TRUNCATE_CASCADE = 1, PGOUTPUT_TRUNCATE_RESTART_IDENTITY = 2 };
enum { PGOUTPUT_COLUMN_KEY = 1 };
enum { PGOUTPUT_MESSAGE_TRANSACTIONAL = 1 };

/* What stands before the new row of an update, or is all of a delete. */
enum pgoutput_old { PGOUTPUT_OLD_NONE = 0, PGOUTPUT_OLD_KEY = 'K', PGOUTPUT_OLD_ROW = 'O' };

struct pgoutput_value {
    uint8_t kind;       /* PGOUTPUT_TUPLE_... */
    struct slice bytes; /* of a text or binary value */
};

static inline bool pgoutput_value_travelled(const struct pgoutput_value *value)
{
    return value->kind == PGOUTPUT_TUPLE_TEXT || value->kind == PGOUTPUT_TUPLE_BINARY;
}

struct pgoutput_tuple {
    uint16_t n;
    struct pgoutput_value values[PGOUTPUT_MAX_COLUMNS];
};

struct pgoutput_column {
    uint8_t flags;
    const char *name;
    uint32_t type_oid;
    int32_t typmod;
};

struct pgoutput_relation {
    uint32_t id;
    const char *schema; /* "" is pg_catalog */
    const char *name;
    uint8_t replica_identity; /* 'd', 'n', 'f', 'i' */
    uint16_t n_columns;
    struct pgoutput_column columns[PGOUTPUT_MAX_COLUMNS];
};

struct pgoutput_begin {
    uint64_t final_lsn;     /* of the commit record: the transaction's major position */
    int64_t commit_time_us; /* since 1970 */
    uint32_t xid;
};

struct pgoutput_commit {
    uint8_t flags;
    uint64_t commit_lsn, end_lsn; /* confirm the end */
    int64_t commit_time_us;
    uint32_t xid; /* of a stream commit; else 0 */
};

struct pgoutput_stream_start {
    uint32_t xid;     /* of the transaction, not of a part of it */
    uint8_t is_first; /* 1: nothing of this transaction was sent before in this session */
};

struct pgoutput_stream_abort {
    uint32_t xid, subxid; /* the same: the whole transaction */
    bool has_lsn;         /* with streaming 'parallel' only */
    uint64_t abort_lsn;
    int64_t abort_time_us;
};

/* Begin prepare, prepare, commit prepared, stream prepare. */
struct pgoutput_prepare {
    uint8_t flags; /* none in a begin prepare */
    uint64_t lsn;  /* of the prepare record; of a commit prepared: of that record */
    uint64_t end_lsn;
    int64_t time_us;
    uint32_t xid;
    const char *gid;
};

struct pgoutput_rollback_prepared {
    uint8_t flags;
    uint64_t prepare_end_lsn, rollback_end_lsn;
    int64_t prepare_time_us, rollback_time_us;
    uint32_t xid;
    const char *gid;
};

struct pgoutput_origin {
    uint64_t lsn;
    const char *name;
};

struct pgoutput_type_name {
    uint32_t oid;
    const char *schema, *name;
};

struct pgoutput_row {
    uint32_t relation_id;
    enum pgoutput_old old; /* PGOUTPUT_OLD_NONE: old_tuple holds nothing */
};

struct pgoutput_truncate {
    uint8_t options;
    uint32_t n_relations;
    uint32_t relation_ids[PGOUTPUT_MAX_TRUNCATED];
};

struct pgoutput_logical {
    uint8_t flags;
    uint64_t lsn;
    const char *prefix;
    struct slice content;
};

/* Large: one for a session, used again for every message. */
struct pgoutput_msg {
    enum pgoutput_type type;
    union {
        struct pgoutput_begin begin;
        struct pgoutput_commit commit; /* commit, stream commit */
        struct pgoutput_origin origin;
        struct pgoutput_relation relation;
        struct pgoutput_type_name type_name;
        struct pgoutput_row row; /* insert, update, delete */
        struct pgoutput_truncate truncate;
        struct pgoutput_logical logical;
        struct pgoutput_stream_start stream_start;
        struct pgoutput_stream_abort stream_abort;
        struct pgoutput_prepare prepare;
        struct pgoutput_rollback_prepared rollback_prepared;
    };
    struct pgoutput_tuple old_tuple, new_tuple; /* of a row */
};

/* ERR_PGOUTPUT_MALFORMED for anything that the protocol does not define, bytes too many included. */
MUST_CHECK enum rc pgoutput_decode(struct slice bytes, struct pgoutput_msg *ret_msg, struct err *err);

/* Commit LSN of the transaction whose events come with, or behind, this message: of a begin, stream commit, commit
 * prepared; the place of a logical message of no transaction. 0: events of no new transaction come. */
uint64_t pgoutput_starting_lsn(const struct pgoutput_msg *msg);

/* A message between stream start and stream stop: the byte `type` followed by `body` is what pgoutput_decode() takes.
 * ERR_PGOUTPUT_MALFORMED for a type that has no place there. */
struct pgoutput_streamed {
    uint8_t type;
    uint32_t xid; /* of the subtransaction that did it; 0 for an origin, which is the whole transaction's */
    struct slice body;
};
MUST_CHECK enum rc pgoutput_split_streamed(struct slice bytes, struct pgoutput_streamed *ret, struct err *err);

#endif
