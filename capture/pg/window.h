/* A point in the log, and a snapshot of exactly that point: what was committed before it is in the snapshot,
 * nothing else is. The point of the first window is the main slot's own; each later one is of a temporary slot that
 * lives only as long as its window. */
#ifndef LEAT_CAPTURE_PG_WINDOW_H
#define LEAT_CAPTURE_PG_WINDOW_H

#include "capture/pg/slot.h"

struct pg_window;
struct pg_window *pg_window_new(const struct config_postgresql *config, const char *application_name);
void pg_window_free(struct pg_window *window);

/* Asks for a temporary slot; the answer comes through pg_window_poll. */
MUST_CHECK enum rc pg_window_begin(struct pg_window *window, struct err *err);
/* RC_AGAIN: not yet; the server waits for the write transactions that were open, also for one whose commit waits
 * for a synchronous standby. */
MUST_CHECK enum rc pg_window_poll(struct pg_window *window, struct err *err);
/* The main slot's point and snapshot instead. */
void pg_window_adopt(struct pg_window *window, uint64_t point, const char *exported);
/* Drops the temporary slot; its connection is kept for the next one. After a failure the connection is closed. */
MUST_CHECK enum rc pg_window_end(struct pg_window *window, struct err *err);

uint64_t pg_window_point(const struct pg_window *window);
const char *pg_window_exported(const struct pg_window *window);

#endif
