#include "sink/ledger_reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LEDGER_RECORD_MAX_BYTES = 32 << 20 }; /* address space: one decoded record, its partitions and its state */

struct ledger_reader {
    struct log *log;
    char *source, *topic;
    const char *ignored_topics[LEDGER_READER_MAX_IGNORED];
    size_t n_ignored;
    bool skips_events;
    struct arena *arena, *spare; /* of the current record; of the one behind it, to see whether it replaces it */
    struct ledger_record record;
    bool has_record, in_record; /* in_record implies has_record */
    bool is_open;               /* the current record is decoded, and not yet completed */
    int64_t offset;             /* of the current record */
    struct log_chunk chunk;     /* of the ledger: [0, chunk_at) were looked at */
    size_t chunk_at;
    int64_t next;
    size_t partition_at; /* in the current record */
    int64_t event_position, last_event;
};

struct ledger_reader *ledger_reader_new(struct log *log, const char *source, const char *ledger_topic)
{
    struct ledger_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        abort();
    *reader = (struct ledger_reader){.log = log,
                                     .source = strdup(source),
                                     .topic = strdup(ledger_topic),
                                     .arena = arena_new(LEDGER_RECORD_MAX_BYTES),
                                     .spare = arena_new(LEDGER_RECORD_MAX_BYTES)};
    return reader;
}

void ledger_reader_free(struct ledger_reader *reader)
{
    if (reader == NULL)
        return;
    free(reader->source);
    free(reader->topic);
    arena_free(reader->arena);
    arena_free(reader->spare);
    free(reader);
}

void ledger_reader_ignore(struct ledger_reader *reader, const char *topic)
{
    assert(reader->n_ignored < LEDGER_READER_MAX_IGNORED);
    reader->ignored_topics[reader->n_ignored++] = topic;
}

void ledger_reader_skip_events(struct ledger_reader *reader)
{
    reader->skips_events = true;
}

static bool is_ignored(const struct ledger_reader *reader, const char *topic)
{
    if (reader->skips_events)
        return true;
    for (size_t i = 0; i < reader->n_ignored; i++)
        if (strcmp(reader->ignored_topics[i], topic) == 0)
            return true;
    return false;
}

enum rc ledger_reader_seek(struct ledger_reader *reader, int64_t next, struct err *err)
{
    int64_t low = 0, end = 0;
    enum rc rc = log_bounds(reader->log, reader->topic, 0, &low, &end, err);
    if (rc == RC_AGAIN && next >= 0)
        return err_set(err, ERR_KAFKA_RETENTION,
                       "the ledger %s of source \"%s\" does not exist, but the warehouse has everything up to its "
                       "offset %lld",
                       reader->topic, reader->source, (long long)next);
    TRY(rc);
    if (next > end || (next >= 0 && next < low))
        return err_set(err, ERR_KAFKA_RETENTION,
                       "the ledger %s of source \"%s\" holds offsets %lld to %lld, but offset %lld is the next one to "
                       "read",
                       reader->topic, reader->source, (long long)low, (long long)end, (long long)next);
    reader->next = next < 0 ? low : next;
    reader->chunk = (struct log_chunk){.position = reader->next};
    reader->chunk_at = 0;
    reader->has_record = reader->in_record = reader->is_open = false;
    return RC_OK;
}

const struct ledger_record *ledger_reader_record(const struct ledger_reader *reader)
{
    return reader->has_record ? &reader->record : NULL;
}

int64_t ledger_reader_next(const struct ledger_reader *reader)
{
    return reader->next;
}

int64_t ledger_reader_position(const struct ledger_reader *reader)
{
    bool all_seen = !reader->is_open && reader->chunk_at == reader->chunk.n;
    return all_seen ? MAX(reader->next, reader->chunk.position) : reader->next;
}

static void partition_begin(struct ledger_reader *reader)
{
    if (reader->partition_at < reader->record.n_partitions)
        reader->event_position = reader->record.partitions[reader->partition_at].first;
    reader->last_event = -1;
}

/* The next record of the ledger is at chunk_at. RC_AGAIN: there is none yet; the chunk's position may have gone on. */
static enum rc chunk_fill(struct ledger_reader *reader, int timeout_ms, struct err *err)
{
    if (reader->chunk_at < reader->chunk.n)
        return RC_OK;
    int64_t from = reader->chunk.position;
    reader->chunk = (struct log_chunk){.position = from};
    reader->chunk_at = 0;
    TRY(log_read(reader->log, reader->topic, 0, from, LOG_NO_BOUND, timeout_ms, &reader->chunk, err));
    return reader->chunk.n > 0 ? RC_OK : RC_AGAIN;
}

static enum rc record_decode(const struct ledger_reader *reader, const struct log_record *raw, struct arena *arena,
                             struct ledger_record *ret_record, struct err *err)
{
    arena_reset(arena);
    if (ledger_decode(raw->value, arena, ret_record, err) != RC_OK)
        return err_wrap(err, "record %lld of %s", (long long)raw->offset, reader->topic);
    if (strcmp(ret_record->source, reader->source) != 0)
        return err_set(err, ERR_LEDGER_MALFORMED, "record %lld of %s is of source \"%s\" instead of \"%s\"",
                       (long long)raw->offset, reader->topic, ret_record->source, reader->source);
    return RC_OK;
}

static enum rc record_open(struct ledger_reader *reader, int timeout_ms, struct err *err)
{
    TRY(chunk_fill(reader, timeout_ms, err));
    const struct log_record *raw = &reader->chunk.records[reader->chunk_at];
    reader->has_record = false;
    TRY(record_decode(reader, raw, reader->arena, &reader->record, err));
    reader->offset = raw->offset;
    reader->chunk_at++;
    reader->is_open = true;
    return RC_OK;
}

/* The open record counts unless the next offset has one that replaces it. Both are of one transaction and became
 * readable at once, so there is nothing to wait for but the log's word on what is behind the first. */
static enum rc record_settle(struct ledger_reader *reader, int timeout_ms, struct err *err)
{
    while (reader->chunk_at < reader->chunk.n || reader->chunk.position <= reader->offset + 1) {
        enum rc rc = chunk_fill(reader, timeout_ms, err);
        if (rc == RC_AGAIN && reader->chunk.position > reader->offset + 1)
            return RC_OK;
        TRY(rc);
        const struct log_record *raw = &reader->chunk.records[reader->chunk_at];
        if (raw->offset > reader->offset + 1)
            return RC_OK;
        struct ledger_record behind;
        TRY(record_decode(reader, raw, reader->spare, &behind, err));
        if (!behind.replaces)
            return RC_OK;
        struct arena *replaced = reader->arena;
        reader->arena = reader->spare;
        reader->spare = replaced;
        reader->record = behind;
        reader->offset = raw->offset;
        reader->chunk_at++;
    }
    return RC_OK;
}

static enum rc record_begin(struct ledger_reader *reader, int timeout_ms, struct err *err)
{
    if (!reader->is_open)
        TRY(record_open(reader, timeout_ms, err));
    TRY(record_settle(reader, timeout_ms, err));
    reader->has_record = reader->in_record = true;
    reader->partition_at = 0;
    partition_begin(reader);
    return RC_OK;
}

static void record_end(struct ledger_reader *reader)
{
    reader->next = reader->offset + 1;
    reader->in_record = reader->is_open = false;
}

static enum rc missing_event(const struct ledger_reader *reader, const struct ledger_partition *range, int64_t wanted,
                             struct err *err)
{
    return err_set(err, ERR_KAFKA_RETENTION,
                   "topic %s, partition %d, has no record at offset %lld, which record %lld of the ledger of source "
                   "\"%s\" lists (offsets %lld to %lld)",
                   range->topic, range->partition, (long long)wanted, (long long)reader->offset, reader->source,
                   (long long)range->first, (long long)range->next);
}

static enum rc check_range(const struct ledger_reader *reader, const struct ledger_partition *range,
                           const struct log_chunk *chunk, struct err *err)
{
    bool at_first = reader->last_event < 0;
    if (at_first && (chunk->n > 0 ? chunk->records[0].offset : chunk->position) != range->first)
        return missing_event(reader, range, range->first, err);
    int64_t last = chunk->n > 0 ? chunk->records[chunk->n - 1].offset : reader->last_event;
    if (chunk->position >= range->next && last != range->next - 1)
        return missing_event(reader, range, range->next - 1, err);
    return RC_OK;
}

/* Some events of the current range. RC_AGAIN also when only the position moved. */
static enum rc read_range(struct ledger_reader *reader, const struct ledger_partition *range, int timeout_ms,
                          struct ledger_events *ret_events, struct err *err)
{
    struct log_chunk chunk = {0};
    enum rc rc = log_read(reader->log, range->topic, range->partition, reader->event_position, range->next, timeout_ms,
                          &chunk, err);
    if (rc != RC_OK && rc != RC_AGAIN)
        return err_wrap(err, "record %lld of the ledger of source \"%s\" lists offsets %lld to %lld",
                        (long long)reader->offset, reader->source, (long long)range->first, (long long)range->next);
    TRY(rc);
    TRY(check_range(reader, range, &chunk, err));
    reader->event_position = chunk.position;
    if (chunk.n == 0)
        return RC_AGAIN;
    reader->last_event = chunk.records[chunk.n - 1].offset;
    *ret_events = (struct ledger_events){range->topic, range->partition, chunk.records, chunk.n};
    return RC_OK;
}

enum rc ledger_reader_step(struct ledger_reader *reader, int timeout_ms, enum ledger_step *ret_step,
                           struct ledger_events *ret_events, struct err *err)
{
    if (!reader->in_record)
        TRY(record_begin(reader, timeout_ms, err));
    while (reader->partition_at < reader->record.n_partitions) {
        const struct ledger_partition *range = &reader->record.partitions[reader->partition_at];
        if (reader->event_position < range->next && !is_ignored(reader, range->topic)) {
            TRY(read_range(reader, range, timeout_ms, ret_events, err));
            *ret_step = LEDGER_STEP_EVENTS;
            return RC_OK;
        }
        reader->partition_at++;
        partition_begin(reader);
    }
    record_end(reader);
    *ret_step = LEDGER_STEP_RECORD;
    return RC_OK;
}
