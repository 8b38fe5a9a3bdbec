#include "capture/pg/copy_reader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/reader.h"
#include "capture/pg/copy_text.h"

enum {
    SQL_MAX_BYTES = 1 << 20,
    RECEIVE_BYTES = 1 << 20,    /* first size of the buffer; only what is received in it is touched */
    LOW_WATER_BYTES = 64 << 10, /* with less room than this, what is left moves to the front */
    MESSAGE_HEAD_BYTES = 5,     /* type, length */
    LIBPQ_READS = 3,            /* a TLS record can be larger than what one read takes */
};

struct pg_copy_reader {
    PGconn *conn;
    bool own_framing, in_transaction;
    size_t max_row_bytes;
    struct buf sql;
    uint16_t n_columns;
    struct pg_copy_files files;
    uint64_t bytes;

    uint8_t *buf; /* own framing: [start, end) is received and not yet read */
    size_t cap, start, end;
    struct err failure; /* own framing: what the server said before it was ready again */
    bool failed;

    char *line; /* libpq: the row handed out */
    bool copying;
};

struct pg_copy_reader *pg_copy_reader_new(PGconn *conn, size_t max_row_bytes)
{
    struct pg_copy_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        abort();
    reader->conn = conn;
    reader->own_framing = PQsslInUse(conn) == 0 && PQgssEncInUse(conn) == 0;
    reader->max_row_bytes = max_row_bytes;
    reader->sql = buf_new(SQL_MAX_BYTES);
    if (!reader->own_framing)
        return reader;
    reader->cap = RECEIVE_BYTES;
    reader->buf = malloc(reader->cap);
    if (reader->buf == NULL)
        abort();
    return reader;
}

void pg_copy_reader_free(struct pg_copy_reader *reader)
{
    if (reader == NULL)
        return;
    PQfreemem(reader->line);
    PQfinish(reader->conn);
    buf_done(&reader->sql);
    free(reader->buf);
    free(reader);
}

PGconn *pg_copy_reader_connection(struct pg_copy_reader *reader)
{
    return reader->conn;
}

int pg_copy_reader_fd(const struct pg_copy_reader *reader)
{
    return PQsocket(reader->conn);
}

struct pg_copy_files pg_copy_reader_files(const struct pg_copy_reader *reader)
{
    return reader->files;
}

uint64_t pg_copy_reader_bytes(const struct pg_copy_reader *reader)
{
    return reader->bytes;
}

/* ---- the transaction ---- */

static enum rc execute(struct pg_copy_reader *reader, const char *what, struct err *err)
{
    SCOPED(PQclear) PGresult *res = PQexec(reader->conn, buf_cstr(&reader->sql));
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        return err_pg(err, PG_ROLE_SOURCE, reader->conn, res, "could not %s", what);
    return RC_OK;
}

enum rc pg_copy_reader_leave(struct pg_copy_reader *reader, struct err *err)
{
    if (!reader->in_transaction)
        return RC_OK;
    reader->in_transaction = false;
    buf_clear(&reader->sql);
    buf_put_str(&reader->sql, "rollback");
    return execute(reader, "end a copying transaction", err);
}

enum rc pg_copy_reader_join(struct pg_copy_reader *reader, const char *exported, int64_t lock_timeout_ms,
                            struct err *err)
{
    TRY(pg_copy_reader_leave(reader, err));
    buf_clear(&reader->sql);
    buf_printf(&reader->sql,
               "begin isolation level repeatable read read only; set transaction snapshot '%s';"
               " set local lock_timeout = %lld",
               exported, (long long)lock_timeout_ms);
    reader->in_transaction = true;
    return execute(reader, "take the exported snapshot", err);
}

/* ---- own framing ---- */

static enum rc connection_ended(struct err *err)
{
    return err_set(err, ERR_PG_UNREACHABLE, "the source closed a copying connection");
}

static enum rc send_all(struct pg_copy_reader *reader, struct slice bytes, struct err *err)
{
    int fd = PQsocket(reader->conn);
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            struct pollfd writable = {.fd = fd, .events = POLLOUT};
            poll(&writable, 1, -1);
            continue;
        }
        if (n < 0)
            return err_set(err, ERR_PG_UNREACHABLE, "could not send to the source: %s", strerror(errno));
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
    return RC_OK;
}

/* Sent past libpq, which is idle and holds no byte of the socket: every byte that follows is ours until the
 * server is ready again. */
static enum rc own_begin(struct pg_copy_reader *reader, struct err *err)
{
    uint8_t storage[MESSAGE_HEAD_BYTES];
    struct buf head = buf_over(storage, sizeof(storage));
    buf_put_u8(&reader->sql, 0);
    buf_put_u8(&head, 'Q');
    buf_put_u32(&head, (uint32_t)(4 + reader->sql.len));
    TRY(send_all(reader, buf_slice(&head), err));
    return send_all(reader, buf_slice(&reader->sql), err);
}

/* One read of all there is room for; RC_AGAIN when the socket is dry. */
static enum rc receive(struct pg_copy_reader *reader, struct err *err)
{
    if (reader->start == reader->end)
        reader->start = reader->end = 0;
    if (reader->start > 0 && reader->cap - reader->end < LOW_WATER_BYTES) {
        memmove(reader->buf, reader->buf + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    for (;;) {
        ssize_t n = recv(PQsocket(reader->conn), reader->buf + reader->end, reader->cap - reader->end, MSG_DONTWAIT);
        if (n > 0) {
            reader->end += (size_t)n;
            return RC_OK;
        }
        if (n == 0)
            return connection_ended(err);
        if (errno == EAGAIN)
            return RC_AGAIN;
        if (errno != EINTR)
            return err_set(err, ERR_PG_UNREACHABLE, "could not read copied rows: %s", strerror(errno));
    }
}

static enum rc make_room(struct pg_copy_reader *reader, size_t len, struct err *err)
{
    if (reader->cap - reader->start >= len)
        return RC_OK;
    memmove(reader->buf, reader->buf + reader->start, reader->end - reader->start);
    reader->end -= reader->start;
    reader->start = 0;
    if (reader->cap >= len)
        return RC_OK;
    uint8_t *larger = realloc(reader->buf, len);
    if (larger == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not take in a row of %zu bytes", len);
    reader->buf = larger;
    reader->cap = len;
    return RC_OK;
}

/* The next whole message; RC_AGAIN when it is not there yet. Its body may be changed in place. */
static inline enum rc own_message(struct pg_copy_reader *reader, uint8_t *ret_type, uint8_t **ret_body, size_t *ret_len,
                                  struct err *err)
{
    for (;;) {
        size_t have = reader->end - reader->start;
        if (LIKELY(have >= MESSAGE_HEAD_BYTES)) {
            struct reader r = reader_of(slice_of(reader->buf + reader->start, have));
            *ret_type = reader_u8(&r);
            size_t len = reader_u32(&r); /* counts itself */
            if (UNLIKELY(len < 4 || len > reader->max_row_bytes))
                return err_set(err, ERR_MEMORY_LIMIT,
                               "the source sent a row of %zu bytes, more than %zu are not taken in", len,
                               reader->max_row_bytes);
            if (LIKELY(have >= 1 + len)) {
                *ret_body = reader->buf + reader->start + MESSAGE_HEAD_BYTES;
                *ret_len = len - 4;
                reader->start += 1 + len;
                return RC_OK;
            }
            TRY(make_room(reader, 1 + len, err));
        }
        TRY(receive(reader, err));
    }
}

/* Fields S, C, M of an error: https://www.postgresql.org/docs/current/protocol-error-fields.html */
static void take_error(struct pg_copy_reader *reader, struct slice body)
{
    struct reader r = reader_of(body);
    const char *state = "", *message = "";
    for (uint8_t field = reader_u8(&r); field != 0; field = reader_u8(&r)) {
        struct slice text = reader_cstr(&r);
        if (text.ptr != NULL && field == 'C')
            state = (const char *)text.ptr;
        else if (text.ptr != NULL && field == 'M')
            message = (const char *)text.ptr;
    }
    enum rc rc = err_pg_state(&reader->failure, PG_ROLE_SOURCE, state, message, "could not copy rows");
    (void)rc; /* kept until the server is ready */
    reader->failed = true;
}

static uint32_t number_of(struct reader *r)
{
    char text[16] = "";
    uint32_t len = reader_u32(r);
    struct slice value = len == UINT32_MAX ? (struct slice){0} : reader_bytes(r, len);
    memcpy(text, value.len == 0 ? (const void *)"" : value.ptr, MIN(value.len, sizeof(text) - 1));
    return (uint32_t)strtoul(text, NULL, 10);
}

static void take_files(struct pg_copy_reader *reader, struct slice body)
{
    struct reader r = reader_of(body);
    reader_u16(&r); /* two columns */
    reader->files.seen = number_of(&r);
    reader->files.now = number_of(&r);
}

static enum rc own_next(struct pg_copy_reader *reader, enum pg_copy_event *ret_event, struct pgoutput_tuple *ret_row,
                        struct err *err)
{
    for (;;) {
        uint8_t type, *body = NULL;
        size_t len = 0;
        TRY(own_message(reader, &type, &body, &len, err));
        switch (type) {
        case 'd':
            reader->bytes += len;
            *ret_event = PG_COPY_ROW;
            return pg_copy_parse((char *)body, len, reader->n_columns, ret_row, err);
        case 'D': take_files(reader, slice_of(body, len)); break;
        case 'H': *ret_event = PG_COPY_FILES; return RC_OK;
        case 'E': take_error(reader, slice_of(body, len)); break;
        case 'Z':
            *err = reader->failure;
            *ret_event = PG_COPY_END;
            return reader->failed ? err_class(reader->failure.code) : RC_OK;
        case 'c':
        case 'C':
        case 'T':
        case 'N':
        case 'S':
        case 'A': break; /* ends of commands, the shape of the one row, notices and settings */
        default: return err_set(err, ERR_MALFORMED, "the source sent a message of type '%c' in a copy", type);
        }
    }
}

/* ---- libpq ---- */

static uint32_t result_number(const PGresult *res, int column)
{
    return PQntuples(res) == 0 ? 0 : (uint32_t)strtoul(PQgetvalue(res, 0, column), NULL, 10);
}

static enum rc libpq_result(struct pg_copy_reader *reader, enum pg_copy_event *ret_event, struct err *err)
{
    for (;;) {
        if (PQisBusy(reader->conn)) {
            if (PQconsumeInput(reader->conn) == 0)
                return err_pg(err, PG_ROLE_SOURCE, reader->conn, NULL, "could not copy rows");
            if (PQisBusy(reader->conn))
                return RC_AGAIN;
        }
        SCOPED(PQclear) PGresult *res = PQgetResult(reader->conn);
        ExecStatusType status = PQresultStatus(res);
        if (res == NULL) {
            *err = reader->failure;
            *ret_event = PG_COPY_END;
            return reader->failed ? err_class(reader->failure.code) : RC_OK;
        }
        if (status == PGRES_TUPLES_OK) {
            reader->files = (struct pg_copy_files){result_number(res, 0), result_number(res, 1)};
        } else if (status == PGRES_COPY_OUT) {
            reader->copying = true;
            *ret_event = PG_COPY_FILES;
            return RC_OK;
        } else if (status != PGRES_COMMAND_OK && !reader->failed) {
            enum rc rc = err_pg(&reader->failure, PG_ROLE_SOURCE, reader->conn, res, "could not copy rows");
            reader->failed = rc != RC_OK;
        }
    }
}

static enum rc libpq_next(struct pg_copy_reader *reader, enum pg_copy_event *ret_event, struct pgoutput_tuple *ret_row,
                          struct err *err)
{
    if (!reader->copying)
        return libpq_result(reader, ret_event, err);
    for (int reads = 0;; reads++) {
        PQfreemem(reader->line);
        reader->line = NULL;
        int n = PQgetCopyData(reader->conn, &reader->line, 1);
        if (n > 0) {
            reader->bytes += (uint64_t)n;
            *ret_event = PG_COPY_ROW;
            return pg_copy_parse(reader->line, (size_t)n, reader->n_columns, ret_row, err);
        }
        if (n < 0) { /* the end, or an error that is the next result */
            reader->copying = false;
            return libpq_result(reader, ret_event, err);
        }
        if (reads == LIBPQ_READS)
            return RC_AGAIN;
        if (PQconsumeInput(reader->conn) == 0)
            return err_pg(err, PG_ROLE_SOURCE, reader->conn, NULL, "could not copy rows");
    }
}

/* ---- chunks ---- */

enum rc pg_copy_reader_begin(struct pg_copy_reader *reader, const struct pg_copy_statement *statement, struct err *err)
{
    buf_clear(&reader->sql);
    pg_copy_sql_chunk(statement, &reader->sql);
    if (buf_cstr(&reader->sql)[0] == '\0')
        return err_set(err, ERR_MEMORY_LIMIT, "the statement that copies table %s.%s is too long", statement->schema,
                       statement->name);
    reader->n_columns = statement->relation->n_columns;
    reader->files = (struct pg_copy_files){0};
    reader->failure = (struct err){0};
    reader->failed = reader->copying = false;
    if (reader->own_framing)
        return own_begin(reader, err);
    if (PQsendQuery(reader->conn, buf_cstr(&reader->sql)) == 0)
        return err_pg(err, PG_ROLE_SOURCE, reader->conn, NULL, "could not begin to copy rows");
    return RC_OK;
}

enum rc pg_copy_reader_next(struct pg_copy_reader *reader, enum pg_copy_event *ret_event,
                            struct pgoutput_tuple *ret_row, struct err *err)
{
    return reader->own_framing ? own_next(reader, ret_event, ret_row, err)
                               : libpq_next(reader, ret_event, ret_row, err);
}
