/* The replication stream of one slot: START_REPLICATION, receiving, feedback.
 * https://www.postgresql.org/docs/current/protocol-replication.html
 *
 * Without TLS the bytes are read from the socket itself into one large buffer; with it through libpq. The
 * walsender sends every message by itself while the socket takes it, and each is a segment of its own that both kernels
 * handle; a reader that also wakes for each makes everybody pay. So while data flows the reader lets it gather before
 * it reads again, and in a backlog it does so with a small receive window: that is full after a few hundred rows, and
 * what the server writes from then on gathers in its socket and travels in segments of up to 32 KiB. It costs the
 * walsender about half. When the stream is quiet the reader waits in poll(). */
#ifndef LEAT_CAPTURE_PG_STREAM_H
#define LEAT_CAPTURE_PG_STREAM_H

#include "base/buf.h"
#include "base/wrap/pg.h"

struct pg_stream;

struct pg_stream_options {
    const char *slot, *publication;
    uint64_t start_lsn;
    size_t max_message_bytes;  /* bounds what one row may have */
    bool streaming;            /* large transactions come while they run; from 14 on */
    bool messages;             /* logical messages come too; from 14 on */
    bool binary;               /* values in their types' binary form; from 14 on */
    const char *origin;        /* "any", "none"; from 16 on */
    int64_t sender_timeout_ms; /* the server's wal_sender_timeout: we say something three times as often; 0: none */
    int64_t silence_max_ms; /* we ask for an answer every few seconds: a server silent for longer is gone; 0: never */
};

/* Takes the replication connection over, also on failure. What the server's version does not know is not asked for:
 * pg_stream_protocol() says what it speaks. */
MUST_CHECK enum rc pg_stream_start(PGconn *replication, const struct pg_stream_options *options,
                                   struct pg_stream **ret_stream, struct err *err);
void pg_stream_free(struct pg_stream *stream);

/* START_REPLICATION for a server of this version (150004). */
void pg_stream_put_command(struct buf *out, const struct pg_stream_options *options, int server_version);
/* proto_version that a server of this version speaks: 1 to 4. */
int pg_stream_protocol(int server_version);

/* The next pgoutput message, valid until the next call. RC_AGAIN: the socket is dry. Keepalives are taken in
 * here and answered when the server asks. */
MUST_CHECK enum rc pg_stream_next(struct pg_stream *stream, struct slice *ret_message, uint64_t *ret_lsn,
                                  struct err *err);
/* After RC_AGAIN: waits for data, for other_fd, for a stop, for a due feedback, or for the time to pass. */
MUST_CHECK enum rc pg_stream_wait(struct pg_stream *stream, int other_fd, int timeout_ms, struct err *err);

/* Data keeps coming: what RC_AGAIN means then is "not gathered yet". */
bool pg_stream_flows(const struct pg_stream *stream);

/* How far the server may forget. Never moves back. Sent soon; at once with pg_stream_flush. */
void pg_stream_confirm(struct pg_stream *stream, uint64_t lsn);
/* Sends feedback when it is due: asked for, advanced, or five seconds old. Cheap. */
MUST_CHECK enum rc pg_stream_tend(struct pg_stream *stream, struct err *err);
MUST_CHECK enum rc pg_stream_flush(struct pg_stream *stream, struct err *err);

/* Where the server has read its log to, by its last keepalive: everything committed before has been received.
 */
uint64_t pg_stream_wal_end(const struct pg_stream *stream);
/* The server asked to be answered since the last call: it waits for us (it may want to shut down). */
bool pg_stream_take_asked(struct pg_stream *stream);
uint64_t pg_stream_confirmed(const struct pg_stream *stream);

#endif
