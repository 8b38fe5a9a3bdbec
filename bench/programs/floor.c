/* The floor of bench/capture: the capture's own connection and receive, and nothing behind them but a count.
 *
 *     bench_floor HOST PORT DATABASE USER SLOT PUBLICATION CHANGES        (PGPASSWORD in the environment)
 *
 * After that many row changes it prints one line of JSON (instants of the monotonic clock) and keeps its connection until
 * its standard input ends, so that what the walsender has cost can still be read. It confirms nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stop.h"
#include "capture/pg/slot.h"
#include "capture/pg/stream.h"

enum { WAIT_MS = 1000, MESSAGE_MAX_BYTES = 1 << 30 };

struct tally {
    uint64_t changes, messages, bytes;
    int64_t first_us; /* when the first change had been received */
};

static void tally_message(struct tally *tally, struct slice message)
{
    tally->messages++;
    tally->bytes += message.len;
    switch (message.len > 0 ? message.ptr[0] : 0) {
    case 'I':
    case 'U':
    case 'D':
        if (tally->changes++ == 0)
            tally->first_us = clock_mono_us();
        break;
    default: break; /* begin, commit, relation, stream start and stop */
    }
}

static enum rc drain(struct pg_stream *stream, uint64_t changes, struct tally *tally, struct err *err)
{
    while (tally->changes < changes && !stop_requested()) {
        struct slice message;
        uint64_t lsn;
        enum rc rc = pg_stream_next(stream, &message, &lsn, err);
        if (rc == RC_AGAIN) {
            TRY(pg_stream_wait(stream, -1, WAIT_MS, err));
            continue;
        }
        if (rc != RC_OK)
            return rc;
        tally_message(tally, message);
    }
    return RC_OK;
}

static enum rc run(const struct config_postgresql *config, uint64_t changes, struct err *err)
{
    PGconn *replication;
    struct pg_stream *stream;
    struct tally tally = {0};
    /* As the capture asks when nothing is configured. */
    const struct pg_stream_options options = {.slot = config->slot,
                                              .publication = config->publication,
                                              .max_message_bytes = MESSAGE_MAX_BYTES,
                                              .streaming = true,
                                              .origin = "any"};
    TRY(pg_source_connect(config, "bench_floor", true, &replication, err));
    TRY(pg_stream_start(replication, &options, &stream, err));
    enum rc rc = drain(stream, changes, &tally, err);
    int64_t last_us = clock_mono_us();
    if (rc == RC_OK && tally.changes == changes) {
        char byte;
        printf("{\"changes\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"first_us\":%" PRId64
               ",\"last_us\":%" PRId64 "}\n",
               tally.changes, tally.messages, tally.bytes, tally.first_us, last_us);
        fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0 && !stop_requested()) {
        }
    }
    pg_stream_free(stream);
    return rc;
}

int main(int argc, char **argv)
{
    struct err err;
    if (argc != 8) {
        fprintf(stderr, "usage: bench_floor HOST PORT DATABASE USER SLOT PUBLICATION CHANGES\n");
        return EXIT_CODE_USAGE;
    }
    const struct config_postgresql config = {.host = argv[1],
                                             .port = strtol(argv[2], NULL, 10),
                                             .database = argv[3],
                                             .user = argv[4],
                                             .password = getenv("PGPASSWORD"),
                                             .auth = "password",
                                             .sslmode = "prefer",
                                             .slot = argv[5],
                                             .publication = argv[6]};
    stop_init();
    if (run(&config, strtoull(argv[7], NULL, 10), &err) != RC_OK) {
        fprintf(stderr, "bench_floor: %s\n", err.msg);
        return EXIT_CODE_FATAL;
    }
    return EXIT_CODE_OK;
}
