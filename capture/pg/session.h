/* One session of a PostgreSQL source: what its parts share. The opening is in pg_source.c, the copy in
 * copying.c, the stream in streaming.c. */
#ifndef LEAT_CAPTURE_PG_SESSION_H
#define LEAT_CAPTURE_PG_SESSION_H

#include "capture/heartbeat.h"
#include "capture/pg/copying.h"
#include "capture/pg/emit.h"
#include "capture/pg/outbox.h"
#include "capture/pg/relation.h"
#include "capture/pg/slot.h"
#include "capture/pg/spool.h"
#include "capture/pg/state.h"
#include "capture/pg/stream.h"
#include "capture/source.h"

/* confirm of the marks before there is a position: no log position is this small. */
enum { PG_CONFIRM_ANNOUNCED = 1 };

enum pg_phase {
    PG_PHASE_ANNOUNCE, /* the ledger has to know of the slot before it is made */
    PG_PHASE_PREPARE,  /* announced: make the slot, join its snapshot */
    PG_PHASE_COPY,     /* a window of the copy is open, the stream holds */
    PG_PHASE_GAP,      /* accepted: the ledger hears of it before the stream goes on */
    PG_PHASE_STREAM,
};

struct source {
    struct source_context context;
    const struct config_postgresql *config;
    char application_name[PG_NAME_BYTES];
    enum pg_phase phase;
    bool is_standby;
    int64_t sender_timeout_ms; /* of the server */
    int64_t looked_mono_ms;    /* at conn */
    PGconn *conn;              /* questions */
    PGconn *replication;       /* until the stream takes it over */

    struct pg_gap gap;     /* why NULL: none was accepted in this session */
    struct pg_state state; /* as of the last mark; the ledger's at first */
    struct position pos;   /* of the last event that was marked, or is in the batch */
    int64_t commit_time_us;
    uint64_t handed_confirm; /* of the last mark */
    int64_t marked_mono_us;  /* when that was */
    bool marks_soon;         /* the state changed without an event: the ledger should hear of it */

    struct arena *tables_arena;
    struct pg_table *tables;
    size_t n_tables;
    struct pg_relcache *relcache;
    struct arena *facts_arena; /* while a relation is compiled */
    struct pgoutput_msg *msg;
    struct pg_emitter emitter;
    struct heartbeat heartbeat;
    struct pg_outbox outbox;

    struct pg_copying *copying;
    uint64_t join_lsn; /* a window waits for all that was committed before this; UINT64_MAX: none does */
    bool joined;       /* all of it has been taken */

    /* stream */
    struct pg_stream *stream;
    bool binary;         /* ... with values in binary */
    bool is_first_batch; /* of the stream of this session */
    bool in_transaction, skips_transaction;
    struct pg_spool *spool;          /* transactions that have not ended */
    struct pg_spool_txn *spooling;   /* what comes is of this one */
    bool spools_prepared;            /* ... between begin prepare and prepare: messages have no number */
    struct pg_spool_txn *replaying;  /* committed: its messages are what comes, until they end */
    struct pgoutput_commit replayed; /* ... with this commit */
    struct slice pending;            /* a message that has no room in the batch before; ptr NULL: none */
    uint64_t pending_lsn;
    int64_t watched_mono_us; /* when the publication was looked at */
    unsigned since_look;     /* messages since clocks and queue were looked at */
    bool holds_whole;        /* the batch has whole transactions only: it can go before a table is waited for */
    bool let_go;             /* after RC_AGAIN of a relation: let the batch go, then the same message again */
};

/* Compiles what was announced, from the catalog as `conn` sees it; topic and schemas for a captured one. Waits for the
 * registry as long as it takes. RC_AGAIN: a stop was asked for, or source->let_go. */
MUST_CHECK enum rc pg_session_take_relation(struct source *source, PGconn *conn,
                                            const struct pgoutput_relation *announced,
                                            struct pg_relation **ret_relation, struct err *err);
/* The topic of logical messages and its schemas, waited for in the same way. */
MUST_CHECK enum rc pg_session_announce_messages(struct source *source, struct err *err);
/* Once in a while: ERR_PG_PUBLICATION_WIDENED when a table joined the publication since the session began, which the
 * next session then copies. */
MUST_CHECK enum rc pg_session_watch_publication(struct source *source, struct err *err);
/* After RC_AGAIN of pg_emit_*: the column that held an unexpected null becomes optional, or its arrays get more
 * dimensions, in a new schema version. */
MUST_CHECK enum rc pg_session_relax(struct source *source, struct pg_relation *relation, struct err *err);
/* The mark of the batch's end from source->state, pos and commit_time_us. */
MUST_CHECK enum rc pg_session_mark(struct source *source, struct batch *batch, enum ledger_kind kind, bool cut,
                                   uint64_t confirm, struct err *err);
/* A server that shuts down ends ordinary connections at once, but waits for its walsender until we have confirmed all of
 * its log; that may take long while a batch is being published. So the end of our connection for questions is the end
 * of the session. Looks every half second; cheap. */
MUST_CHECK enum rc pg_session_check_server(struct source *source, struct err *err);
/* The publishing stage ended although the last mark was not committed. */
MUST_CHECK enum rc pg_session_check_publisher(const struct source *source, struct err *err);
bool pg_session_is_full(const struct batch *batch);
/* Room for n more records, and below the batch's size. */
bool pg_session_has_room(const struct batch *batch, size_t n);

MUST_CHECK enum rc pg_streaming_start(struct source *source, struct err *err);
void pg_streaming_end(struct source *source);
/* With source->joined and no record in the batch, the batch has no mark: a window of the copy comes next. */
MUST_CHECK enum rc pg_streaming_fill(struct source *source, struct batch *batch, struct err *err);
/* Confirms what was committed; feedback when it is due. */
MUST_CHECK enum rc pg_streaming_tend(struct source *source, struct err *err);

#endif
