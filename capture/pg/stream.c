#include "capture/pg/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/reader.h"
#include "base/stop.h"
#include "capture/pg/copy_data.h"
#include "capture/pg/lsn.h"

enum {
    RECEIVE_BYTES = 1 << 20,     /* first size of the buffer; only what data gathers in it is touched */
    GATHER_US = 200,             /* how long data may gather before the next read, while it flows */
    GATHER_MAX_US = 16000,       /* and while there is much of it */
    MUCH_BYTES_PER_US = 8,       /* a backlog, not the work of the moment */
    PIECE_BYTES = 16 << 10,      /* after a read of this much there may be more at once */
    NEAR_RTT_US = 1000,          /* the source is near enough for a receive window of our choice */
    WINDOW_BYTES = 64 << 10,     /* that window, */
    WINDOW_BYTES_PER_US = 64,    /* and more of it for each microsecond of the way there and back */
    FLOWING_US = 1000,           /* data that came within this time of waiting for it: the stream flows */
    FEEDBACK_INTERVAL_MS = 5000, /* at least this often */
    FEEDBACK_ADVANCED_MS = 200,  /* and at most this often for progress alone */
    SETTLE_US = 100,             /* a transaction comes in a segment for each message: they are read together */
    SEND_TIMEOUT_MS = 30000,
    TIMER_SLACK_NS = 1000,
    LIBPQ_READS = 3,     /* a TLS record can be larger than what one read takes */
    LIBPQ_WAIT_MS = 100, /* what TLS holds back, poll() does not see */
};

static const int64_t PG_EPOCH_US = INT64_C(946684800000000);

struct pg_stream {
    PGconn *conn;
    bool own_framing;
    size_t max_bytes;

    uint8_t *buf; /* own framing: [start, end) is received and not yet read */
    size_t cap, start, end;
    char *libpq_message; /* libpq: the one handed out */

    bool flows;                     /* data followed at once the last time we waited */
    int64_t gather_us;              /* of the last wait while it flowed */
    size_t gathered;                /* bytes since it */
    int64_t gathered_from_us, rate; /* its time; bytes per second of what came up to it */
    bool drained; /* the last read took all there was: while data flows the next one waits until more has
                     gathered */
    uint64_t wal_end, confirmed, sent;
    bool asked, must_answer;
    int64_t sent_mono_ms;
    int64_t feedback_ms, silence_max_ms, heard_mono_ms;
    bool heard; /* something since heard_mono_ms was set */
};

/* ---- sending ---- */

static enum rc send_all(struct pg_stream *stream, struct slice bytes, struct err *err)
{
    int fd = PQsocket(stream->conn);
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            struct pollfd writable = {.fd = fd, .events = POLLOUT};
            if (poll(&writable, 1, SEND_TIMEOUT_MS) == 0)
                return err_set(err, ERR_PG_UNREACHABLE, "the source took no feedback for %d s",
                               SEND_TIMEOUT_MS / MS_PER_S);
            continue;
        }
        if (n < 0)
            return err_set(err, ERR_PG_UNREACHABLE, "could not send to the source: %s", strerror(errno));
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
    return RC_OK;
}

static void put_status(struct buf *out, uint64_t lsn)
{
    buf_put_u8(out, 'r');
    buf_put_u64(out, lsn); /* written */
    buf_put_u64(out, lsn); /* flushed */
    buf_put_u64(out, lsn); /* applied */
    buf_put_u64(out, (uint64_t)(clock_wall_us() - PG_EPOCH_US));
    buf_put_u8(out, 1); /* answer: its keepalive tells where the log's end is, also when nothing is for us */
}

enum rc pg_stream_flush(struct pg_stream *stream, struct err *err)
{
    uint8_t storage[64];
    struct buf out = buf_over(storage, sizeof(storage));
    stream->must_answer = false;
    stream->sent = stream->confirmed;
    stream->sent_mono_ms = clock_mono_ms();
    if (stream->own_framing) {
        buf_put_u8(&out, 'd');
        buf_put_u32(&out, 4 + 34);
        put_status(&out, stream->confirmed);
        return send_all(stream, buf_slice(&out), err);
    }
    put_status(&out, stream->confirmed);
    if (PQputCopyData(stream->conn, (const char *)out.ptr, (int)out.len) != 1 || PQflush(stream->conn) < 0)
        return err_pg(err, PG_ROLE_SOURCE, stream->conn, NULL, "could not send feedback");
    return RC_OK;
}

/* Milliseconds until feedback is due. */
static int64_t feedback_due_ms(const struct pg_stream *stream)
{
    if (stream->must_answer)
        return 0;
    int64_t interval = stream->confirmed > stream->sent ? FEEDBACK_ADVANCED_MS : stream->feedback_ms;
    int64_t due = stream->sent_mono_ms + interval - clock_mono_ms();
    return due < 0 ? 0 : due;
}

enum rc pg_stream_tend(struct pg_stream *stream, struct err *err)
{
    return feedback_due_ms(stream) > 0 ? RC_OK : pg_stream_flush(stream, err);
}

void pg_stream_confirm(struct pg_stream *stream, uint64_t lsn)
{
    if (lsn > stream->confirmed)
        stream->confirmed = lsn;
}

bool pg_stream_flows(const struct pg_stream *stream)
{
    return stream->flows;
}

uint64_t pg_stream_wal_end(const struct pg_stream *stream)
{
    return stream->wal_end;
}

bool pg_stream_take_asked(struct pg_stream *stream)
{
    bool asked = stream->asked;
    stream->asked = false;
    return asked;
}

uint64_t pg_stream_confirmed(const struct pg_stream *stream)
{
    return stream->confirmed;
}

/* ---- what the server says besides data ---- */

/* The stream's errors come as a message that libpq never sees when we read the socket: fields S, C, M. */
static enum rc server_error(struct slice body, struct err *err)
{
    static const struct {
        const char *prefix;
        enum err_code code;
    } states[] = {
        {"57P", ERR_PG_UNREACHABLE},  {"08", ERR_PG_UNREACHABLE},  {"55006", ERR_PG_SLOT_ACTIVE},
        {"58P01", ERR_PG_SLOT_LOST},  {"55000", ERR_PG_TRANSIENT}, {"53", ERR_PG_TRANSIENT},
        {"42501", ERR_PG_PERMISSION},
    };
    struct reader r = reader_of(body);
    const char *state = "", *message = "no reason given";
    for (uint8_t field = reader_u8(&r); field != 0; field = reader_u8(&r)) {
        struct slice text = reader_cstr(&r);
        if (text.ptr != NULL && field == 'C')
            state = (const char *)text.ptr;
        else if (text.ptr != NULL && field == 'M')
            message = (const char *)text.ptr;
    }
    enum err_code code = ERR_PG_QUERY;
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (strncmp(state, states[i].prefix, strlen(states[i].prefix)) == 0)
            code = states[i].code;
    if (strcmp(state, "42704") == 0)
        code = strstr(message, "publication") != NULL ? ERR_PG_PUBLICATION_MISSING : ERR_PG_SLOT_MISSING;
    return err_set(err, code, "the replication stream ended: %.400s (SQLSTATE %s)", message, state);
}

static enum rc stream_ended(struct err *err)
{
    return err_set(err, ERR_PG_UNREACHABLE, "the source closed the replication stream");
}

/* One message of the copy stream: RC_OK data, RC_AGAIN a keepalive that is dealt with. */
static enum rc read_copy_data(struct pg_stream *stream, struct slice bytes, struct slice *ret_message,
                              uint64_t *ret_lsn, struct err *err)
{
    stream->heard = true;
    struct pg_copy_data data = {0};
    TRY(pg_copy_data_decode(bytes, &data, err));
    if (LIKELY(!data.is_keepalive)) {
        *ret_lsn = data.lsn;
        *ret_message = data.message;
        return RC_OK;
    }
    stream->wal_end = MAX(stream->wal_end, data.lsn);
    stream->asked = stream->asked || data.asks;
    stream->must_answer = stream->must_answer || data.asks;
    return RC_AGAIN;
}

/* ---- own framing ---- */

/* The next whole message, RC_AGAIN when it is not there yet. */
static enum rc frame_next(struct pg_stream *stream, uint8_t *ret_type, struct slice *ret_body, struct err *err)
{
    size_t bytes;
    struct slice received = slice_of(stream->buf + stream->start, stream->end - stream->start);
    enum rc rc = pg_frame_decode(received, stream->max_bytes, ret_type, ret_body, &bytes, err);
    if (LIKELY(rc == RC_OK))
        stream->start += bytes;
    if (rc != RC_AGAIN || stream->cap >= bytes)
        return rc;
    uint8_t *larger = realloc(stream->buf, bytes);
    if (larger == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not take in a message of %zu bytes", bytes);
    stream->buf = larger;
    stream->cap = bytes;
    return RC_AGAIN;
}

/* One read of all there is room for; RC_AGAIN when the socket is dry. */
static enum rc frame_receive(struct pg_stream *stream, struct err *err)
{
    if (stream->start > 0) {
        memmove(stream->buf, stream->buf + stream->start, stream->end - stream->start);
        stream->end -= stream->start;
        stream->start = 0;
    }
    if (stream->flows && stream->drained)
        return RC_AGAIN;
    for (;;) {
        size_t room = stream->cap - stream->end;
        ssize_t n = recv(PQsocket(stream->conn), stream->buf + stream->end, room, MSG_DONTWAIT);
        if (n > 0) {
            stream->end += (size_t)n;
            stream->gathered += (size_t)n;
            stream->drained = (size_t)n < MIN(room, (size_t)PIECE_BYTES);
            return RC_OK;
        }
        if (n == 0)
            return stream_ended(err);
        if (errno == EAGAIN) {
            stream->flows = stream->flows && stream->gathered > 0;
            return RC_AGAIN;
        }
        if (errno != EINTR)
            return err_set(err, ERR_PG_UNREACHABLE, "could not read the replication stream: %s", strerror(errno));
    }
}

static enum rc own_next(struct pg_stream *stream, struct slice *ret_message, uint64_t *ret_lsn, struct err *err)
{
    for (;;) {
        uint8_t type;
        struct slice body;
        enum rc rc = frame_next(stream, &type, &body, err);
        if (rc == RC_AGAIN) {
            TRY(frame_receive(stream, err));
            continue;
        }
        if (rc != RC_OK)
            return rc;
        switch (type) {
        case 'd':
            rc = read_copy_data(stream, body, ret_message, ret_lsn, err);
            if (rc != RC_AGAIN)
                return rc;
            if (stream->must_answer)
                TRY(pg_stream_flush(stream, err));
            break;
        case 'E': return server_error(body, err);
        case 'c':
        case 'C':
        case 'Z': return stream_ended(err);
        case 'N':
        case 'S':
        case 'A': break; /* notices and settings */
        default: return err_set(err, ERR_MALFORMED, "the source sent a message of type '%c' in the stream", type);
        }
    }
}

/* ---- libpq ---- */

static enum rc libpq_next(struct pg_stream *stream, struct slice *ret_message, uint64_t *ret_lsn, struct err *err)
{
    int reads = 0;
    for (;;) {
        PQfreemem(stream->libpq_message);
        stream->libpq_message = NULL;
        int n = PQgetCopyData(stream->conn, &stream->libpq_message, 1);
        if (n > 0) {
            enum rc rc = read_copy_data(stream, slice_of(stream->libpq_message, (size_t)n), ret_message, ret_lsn, err);
            if (rc != RC_AGAIN)
                return rc;
            if (stream->must_answer)
                TRY(pg_stream_flush(stream, err));
            continue;
        }
        if (n == 0 && reads == LIBPQ_READS)
            return RC_AGAIN;
        if (n == 0 && PQconsumeInput(stream->conn) == 1) {
            reads++;
            continue;
        }
        if (n == -1) {
            SCOPED(PQclear) PGresult *res = PQgetResult(stream->conn);
            if (PQresultStatus(res) != PGRES_FATAL_ERROR)
                return stream_ended(err);
            return err_pg(err, PG_ROLE_SOURCE, stream->conn, res, "the replication stream ended");
        }
        return err_pg(err, PG_ROLE_SOURCE, stream->conn, NULL, "could not read the replication stream");
    }
}

enum rc pg_stream_next(struct pg_stream *stream, struct slice *ret_message, uint64_t *ret_lsn, struct err *err)
{
    return stream->own_framing ? own_next(stream, ret_message, ret_lsn, err)
                               : libpq_next(stream, ret_message, ret_lsn, err);
}

/* ---- waiting ---- */

static void nap_us(int64_t us)
{
    struct timespec time = {.tv_nsec = us * 1000};
    nanosleep(&time, NULL);
}

/* How long to gather now, by what came since the last time. In a backlog the window fills, the server gathers in its
 * own socket what it would otherwise send message by message, and both sides have less to do: so the time grows as
 * long as the rate does not fall, and shrinks when it does (the server's socket was full too, and it waited). */
static int64_t next_gather_us(struct pg_stream *stream)
{
    int64_t now_us = clock_mono_us(), us = MAX(now_us - stream->gathered_from_us, INT64_C(1));
    int64_t before = stream->rate, rate = (int64_t)stream->gathered * US_PER_S / us;
    stream->rate += (rate - before) / 8;
    stream->gathered = 0;
    stream->gathered_from_us = now_us;
    if (stream->rate < (int64_t)MUCH_BYTES_PER_US * US_PER_S)
        return GATHER_US;
    if (rate < before / 2)
        return MAX(stream->gather_us / 4 * 3, (int64_t)GATHER_US);
    return MIN(stream->gather_us / 2 * 3, (int64_t)GATHER_MAX_US);
}

/* A half-open connection: something between takes what we send and answers nothing. */
static enum rc check_silence(struct pg_stream *stream, struct err *err)
{
    int64_t now_ms = clock_mono_ms();
    if (stream->heard)
        stream->heard_mono_ms = now_ms;
    stream->heard = false;
    if (stream->silence_max_ms == 0 || now_ms - stream->heard_mono_ms <= stream->silence_max_ms)
        return RC_OK;
    return err_set(err, ERR_PG_UNREACHABLE, "the source has been silent for %" PRId64 " s, although it was asked",
                   (now_ms - stream->heard_mono_ms) / MS_PER_S);
}

enum rc pg_stream_wait(struct pg_stream *stream, int other_fd, int timeout_ms, struct err *err)
{
    TRY(pg_stream_tend(stream, err));
    if (stream->flows) { /* when nothing gathered in the nap, the next read says so, and the next wait is a
                            poll */
        stream->gather_us = next_gather_us(stream);
        nap_us(stream->gather_us);
        stream->drained = false;
        stream->flows = stream->own_framing;
        return RC_OK;
    }
    int64_t due_ms = feedback_due_ms(stream);
    if (timeout_ms > due_ms)
        timeout_ms = (int)due_ms;
    if (!stream->own_framing)
        timeout_ms = MIN(timeout_ms, LIBPQ_WAIT_MS);
    struct pollfd fds[] = {{.fd = PQsocket(stream->conn), .events = POLLIN},
                           {.fd = stop_fd(), .events = POLLIN},
                           {.fd = other_fd, .events = POLLIN}}; /* a negative one is left out */
    int64_t began_us = clock_mono_us();
    if (poll(fds, ARRAY_LEN(fds), timeout_ms) < 0 && errno != EINTR)
        return err_set(err, ERR_PG_UNREACHABLE, "could not wait for the source: %s", strerror(errno));
    stream->flows = (fds[0].revents & POLLIN) != 0 && clock_mono_us() - began_us < FLOWING_US;
    if (fds[0].revents == 0)
        TRY(check_silence(stream, err));
    else if (!stream->flows)
        nap_us(SETTLE_US);
    return pg_stream_tend(stream, err);
}

/* ---- starting ---- */

static void put_quoted(struct buf *out, const char *text, char quote)
{
    for (; *text != '\0'; text++) {
        if (*text == quote)
            buf_put_u8(out, (uint8_t)quote);
        buf_put_u8(out, (uint8_t)*text);
    }
}

int pg_stream_protocol(int server_version)
{
    int major = server_version / 10000;
    return major >= 16 ? 4 : major >= 15 ? 3 : major >= 14 ? 2 : 1;
}

/* publication_names is a literal that holds an identifier: two layers of quotes. two_phase is never asked for: without
 * it the server sends a prepared transaction at its COMMIT PREPARED, as any other (docs/adr/0006). */
void pg_stream_put_command(struct buf *out, const struct pg_stream_options *options, int server_version)
{
    char lsn[LSN_TEXT_BYTES], identifier_text[256];
    struct buf identifier = buf_over(identifier_text, sizeof(identifier_text));
    int protocol = pg_stream_protocol(server_version);
    buf_put_u8(&identifier, '"');
    put_quoted(&identifier, options->publication, '"');
    buf_put_u8(&identifier, '"');
    buf_put_str(out, "START_REPLICATION SLOT \"");
    put_quoted(out, options->slot, '"');
    buf_printf(out, "\" LOGICAL %s (proto_version '%d', publication_names '", lsn_format(options->start_lsn, lsn),
               protocol);
    put_quoted(out, buf_cstr(&identifier), '\'');
    buf_put_u8(out, '\'');
    if (options->streaming && protocol >= 2)
        buf_put_str(out, ", streaming 'on'");
    if (options->messages && protocol >= 2)
        buf_put_str(out, ", messages 'true'");
    if (options->binary && protocol >= 2)
        buf_put_str(out, ", binary 'true'");
    if (options->origin != NULL && protocol >= 4)
        buf_printf(out, ", origin '%s'", options->origin);
    buf_put_u8(out, ')');
}

/* Sends the command past libpq, which is idle and holds no byte of the socket; so every byte that follows is
 * ours. */
static enum rc own_start(struct pg_stream *stream, const struct buf *command, struct err *err)
{
    uint8_t storage[1536];
    struct buf out = buf_over(storage, sizeof(storage));
    buf_put_u8(&out, 'Q');
    buf_put_u32(&out, (uint32_t)(4 + command->len + 1));
    buf_put_slice(&out, buf_slice(command));
    buf_put_u8(&out, 0);
    TRY(send_all(stream, buf_slice(&out), err));
    for (;;) {
        uint8_t type;
        struct slice body;
        enum rc rc = frame_next(stream, &type, &body, err);
        if (rc == RC_AGAIN)
            rc = frame_receive(stream, err);
        else if (rc == RC_OK && type == 'W')
            return RC_OK;
        else if (rc == RC_OK && type == 'E')
            return server_error(body, err);
        if (rc == RC_AGAIN) {
            struct pollfd readable = {.fd = PQsocket(stream->conn), .events = POLLIN};
            if (poll(&readable, 1, SEND_TIMEOUT_MS) == 0)
                return err_set(err, ERR_PG_UNREACHABLE, "the source did not start the stream within %d s",
                               SEND_TIMEOUT_MS / MS_PER_S);
        } else if (rc != RC_OK) {
            return rc;
        }
    }
}

static enum rc libpq_start(struct pg_stream *stream, struct buf *command, struct err *err)
{
    SCOPED(PQclear) PGresult *res = PQexec(stream->conn, buf_cstr(command));
    if (PQresultStatus(res) != PGRES_COPY_BOTH)
        return err_pg(err, PG_ROLE_SOURCE, stream->conn, res, "could not start replication");
    return RC_OK;
}

/* The kernel would let the receive window grow to megabytes, and the server would fill it with a segment for each row.
 * A small one is full soon; what gathers behind it travels in large segments. On a longer way a small window would
 * bound the rate: there the kernel decides. */
static void choose_window(PGconn *conn)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    if (getsockopt(PQsocket(conn), IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || info.tcpi_min_rtt > NEAR_RTT_US)
        return;
    int bytes = WINDOW_BYTES + WINDOW_BYTES_PER_US * (int)info.tcpi_min_rtt;
    setsockopt(PQsocket(conn), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int64_t feedback_interval_ms(int64_t sender_timeout_ms)
{
    int64_t third_ms = sender_timeout_ms / 3;
    return third_ms == 0 || third_ms > FEEDBACK_INTERVAL_MS ? FEEDBACK_INTERVAL_MS
                                                            : MAX(third_ms, (int64_t)FEEDBACK_ADVANCED_MS);
}

enum rc pg_stream_start(PGconn *replication, const struct pg_stream_options *options, struct pg_stream **ret_stream,
                        struct err *err)
{
    char storage[1024];
    uint64_t start_lsn = options->start_lsn;
    struct buf command = buf_over(storage, sizeof(storage));
    pg_stream_put_command(&command, options, PQserverVersion(replication));
    struct pg_stream *stream = calloc(1, sizeof(*stream));
    uint8_t *receive = malloc(RECEIVE_BYTES);
    if (stream == NULL || receive == NULL)
        abort();
    *stream = (struct pg_stream){.conn = replication,
                                 .own_framing = PQsslInUse(replication) == 0 && PQgssEncInUse(replication) == 0,
                                 .max_bytes = options->max_message_bytes,
                                 .feedback_ms = feedback_interval_ms(options->sender_timeout_ms),
                                 .silence_max_ms = options->silence_max_ms,
                                 .heard_mono_ms = clock_mono_ms(),
                                 .gather_us = GATHER_US,
                                 .buf = receive,
                                 .cap = RECEIVE_BYTES,
                                 .wal_end = start_lsn,
                                 .confirmed = start_lsn,
                                 .sent = start_lsn};
    if (stream->own_framing)
        choose_window(replication);
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0); /* of this thread: naps are shorter than the usual slack */
    enum rc rc = stream->own_framing ? own_start(stream, &command, err) : libpq_start(stream, &command, err);
    if (rc != RC_OK) {
        pg_stream_free(stream);
        return rc;
    }
    *ret_stream = stream;
    return RC_OK;
}

void pg_stream_free(struct pg_stream *stream)
{
    if (stream == NULL)
        return;
    PQfreemem(stream->libpq_message);
    PQfinish(stream->conn);
    free(stream->buf);
    free(stream);
}
