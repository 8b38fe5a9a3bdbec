/* What the server has to have for us: settings, publication, replication slot; and who the server is. Each
 * question has a name; nothing here changes the server unless its name says so. */
#ifndef LEAT_CAPTURE_PG_SLOT_H
#define LEAT_CAPTURE_PG_SLOT_H

#include "base/config.h"
#include "base/wrap/pg.h"
#include "capture/pg/catalog.h"
#include "capture/pg/state.h"

enum { PG_SNAPSHOT_NAME_BYTES = 128 };

/* Connections: the same session settings for queries, first copy and stream, so that one value has one text.
 * application_name is how a later process of this source knows an older one's walsender. */
MUST_CHECK enum rc pg_source_connect(const struct config_postgresql *config, const char *application_name,
                                     bool replication, PGconn **ret_conn, struct err *err);
/* "leat:<prefix>.<source>", cut as the server cuts it. */
void pg_application_name(char out[PG_NAME_BYTES], const char *prefix, const char *source);

/* Fills system_id, timeline, database_oid; slot and publication as configured. */
MUST_CHECK enum rc pg_server_identity(PGconn *replication, PGconn *conn, const char *slot, const char *publication,
                                      struct pg_state *ret_state, struct err *err);
/* wal_level, version (of a standby: 16), role's rights, free walsenders; a free slot when one has to be made. */
MUST_CHECK enum rc pg_server_check(PGconn *conn, bool slot_is_made, struct err *err);
/* Where the server's log ends; of a standby: where it is replayed to. And its wal_sender_timeout, 0: none. */
MUST_CHECK enum rc pg_server_log_end(PGconn *conn, bool *ret_is_standby, uint64_t *ret_lsn,
                                     int64_t *ret_sender_timeout_ms, struct err *err);
/* Where `timeline` ends in the history of the server's `own` one; 0: it is not in it. */
MUST_CHECK enum rc pg_server_fork(PGconn *replication, uint32_t own, uint32_t timeline, uint64_t *ret_lsn,
                                  struct err *err);

MUST_CHECK enum rc pg_publication_exists(PGconn *conn, const char *publication, bool *ret_exists, struct err *err);
MUST_CHECK enum rc pg_publication_create(PGconn *conn, const char *publication, const struct pg_table *tables, size_t n,
                                         struct err *err);

struct pg_slot {
    bool exists;
    bool is_ours_by_kind;                                        /* logical, pgoutput, this database */
    char lost_why[PG_NAME_BYTES];                                /* "": it can be read */
    bool has_failover;                                           /* standbys keep a copy of it (17) */
    bool is_copy;                                                /* ... and this is one: readable once promoted */
    uint64_t confirmed, restart;                                 /* 0: not yet */
    int active_pid;                                              /* 0: nobody */
    char application_name[PG_NAME_BYTES], client[PG_NAME_BYTES]; /* of the active one */
};
MUST_CHECK enum rc pg_slot_read(PGconn *conn, const char *name, struct pg_slot *ret_slot, struct err *err);

/* Ends the walsender of an older process of this source (its application name says so, and it has been fenced
 * in Kafka before) and waits until the slot is free. Anybody else's: ERR_PG_SLOT_ACTIVE. */
MUST_CHECK enum rc pg_slot_release(PGconn *conn, const char *name, const char *application_name, struct err *err);
MUST_CHECK enum rc pg_slot_drop(PGconn *conn, const char *name, struct err *err);
/* What is called each second while the server lets us wait. */
struct pg_slot_patience {
    void (*tick)(void *context); /* NULL: nothing is */
    void *context;
};
/* Makes the slot and a snapshot of exactly its consistent point, which lives until the next command on
 * `replication`. Waits for transactions that are running (and on a standby for the primary to log which ones do);
 * RC_AGAIN when a stop was asked for meanwhile. failover: standbys that synchronise slots shall have it (17, not on a
 * standby). */
MUST_CHECK enum rc pg_slot_create(PGconn *replication, const char *name, bool failover,
                                  struct pg_slot_patience patience, uint64_t *ret_consistent_point,
                                  char ret_snapshot[PG_SNAPSHOT_NAME_BYTES], struct err *err);
/* Can slots of this server be made with failover? */
bool pg_slot_can_failover(PGconn *conn, bool is_standby);
/* Nobody may be reading it. */
MUST_CHECK enum rc pg_slot_set_failover(PGconn *replication, const char *name, struct err *err);

#endif
