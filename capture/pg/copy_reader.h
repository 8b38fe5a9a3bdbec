/* One connection that copies chunks inside an exported snapshot.
 *
 * Without TLS the rows are read from the socket into one large buffer and taken apart where they are; with it
 * through libpq, one allocation a row. */
#ifndef LEAT_CAPTURE_PG_COPY_READER_H
#define LEAT_CAPTURE_PG_COPY_READER_H

#include "base/wrap/pg.h"
#include "capture/pg/copy_sql.h"

struct pg_copy_reader;

/* Takes the connection over. No row larger than max_row_bytes is taken in. */
struct pg_copy_reader *pg_copy_reader_new(PGconn *conn, size_t max_row_bytes);
void pg_copy_reader_free(struct pg_copy_reader *reader);

/* A transaction that sees what the exported snapshot sees; the one before is rolled back. Locks that are not
 * given within lock_timeout_ms are an error of their chunk. */
MUST_CHECK enum rc pg_copy_reader_join(struct pg_copy_reader *reader, const char *exported, int64_t lock_timeout_ms,
                                       struct err *err);
/* Ends the transaction, and gives its locks back. */
MUST_CHECK enum rc pg_copy_reader_leave(struct pg_copy_reader *reader, struct err *err);
/* For questions as the snapshot sees the world; not between begin and end of a chunk. */
PGconn *pg_copy_reader_connection(struct pg_copy_reader *reader);
int pg_copy_reader_fd(const struct pg_copy_reader *reader);

MUST_CHECK enum rc pg_copy_reader_begin(struct pg_copy_reader *reader, const struct pg_copy_statement *statement,
                                        struct err *err);

enum pg_copy_event {
    PG_COPY_FILES, /* comes first: whether the heap is what the plan knows */
    PG_COPY_ROW,
    PG_COPY_END,
};

struct pg_copy_files {
    uint32_t seen, now; /* as the snapshot sees it, and as it is; 0: no such table */
};

/* What came next. RC_AGAIN: nothing yet, wait for the socket. The row is valid until the next call, the files
 * until the next chunk. After another error join again, unless the connection is what failed
 * (ERR_PG_UNREACHABLE). */
MUST_CHECK enum rc pg_copy_reader_next(struct pg_copy_reader *reader, enum pg_copy_event *ret_event,
                                       struct pgoutput_tuple *ret_row, struct err *err);
struct pg_copy_files pg_copy_reader_files(const struct pg_copy_reader *reader);
/* Of COPY data since the reader was made. */
uint64_t pg_copy_reader_bytes(const struct pg_copy_reader *reader);

#endif
