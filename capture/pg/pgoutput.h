/* Decoder of pgoutput, protocol version 1, text values.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
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
};

enum { PGOUTPUT_TUPLE_NULL = 'n', PGOUTPUT_TUPLE_UNCHANGED_TOAST = 'u', PGOUTPUT_TUPLE_TEXT = 't' };
enum { PGOUTPUT_TRUNCATE_CASCADE = 1, PGOUTPUT_TRUNCATE_RESTART_IDENTITY = 2 };
enum { PGOUTPUT_COLUMN_KEY = 1 };
enum { PGOUTPUT_MESSAGE_TRANSACTIONAL = 1 };

/* What stands before the new row of an update, or is all of a delete. */
enum pgoutput_old { PGOUTPUT_OLD_NONE = 0, PGOUTPUT_OLD_KEY = 'K', PGOUTPUT_OLD_ROW = 'O' };

struct pgoutput_value {
    uint8_t kind; /* PGOUTPUT_TUPLE_... */
    struct slice text;
};

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
        struct pgoutput_commit commit;
        struct pgoutput_origin origin;
        struct pgoutput_relation relation;
        struct pgoutput_type_name type_name;
        struct pgoutput_row row; /* insert, update, delete */
        struct pgoutput_truncate truncate;
        struct pgoutput_logical logical;
    };
    struct pgoutput_tuple old_tuple, new_tuple; /* of a row */
};

/* ERR_PGOUTPUT_MALFORMED for anything that the protocol does not define, bytes too many included. */
MUST_CHECK enum rc pgoutput_decode(struct slice bytes, struct pgoutput_msg *ret_msg, struct err *err);

#endif
