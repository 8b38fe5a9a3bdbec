#include "sink/offsets.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "proto/topic.h"
#include "sink/consumer.h"
#include "sink/cut_search.h"
#include "sink/ledger_reader.h"
#include "sink/redshift/warehouse.h"

enum {
    READ_TIMEOUT_MS = 500,
    SILENCE_MS = 30000, /* the broker says nothing for so long: give up */
    LOOK_BACK = 64,     /* offsets before the next one in which the last applied record is looked for */
};

/* What both commands need, and the ledger of one source. */
struct desk {
    struct consumer *consumer;
    struct warehouse *warehouse;
};

DEFINE_SCOPED(struct ledger_reader *, ledger_reader_free)

struct ledger {
    const char *source;
    char topic[TOPIC_NAME_BYTES];
    bool exists;
    int64_t low, end;
};

static enum rc desk_open(const struct config *config, const struct config_sink *sink, struct desk *desk,
                         struct err *err)
{
    *desk = (struct desk){0};
    TRY(consumer_new(&config->kafka, "leat-offsets", &desk->consumer, err));
    desk->warehouse = warehouse_new(sink, "offsets");
    return RC_OK;
}

static void desk_close(struct desk *desk)
{
    warehouse_free(desk->warehouse);
    consumer_free(desk->consumer);
}

static enum rc ledger_look(struct desk *desk, const struct config *config, const char *source,
                           struct ledger *ret_ledger, struct err *err)
{
    struct ledger ledger = {.source = source};
    topic_of_ledger(ledger.topic, config->prefix, source);
    enum rc rc = log_bounds(consumer_log(desk->consumer), ledger.topic, 0, &ledger.low, &ledger.end, err);
    if (rc != RC_OK && rc != RC_AGAIN)
        return rc;
    ledger.exists = rc == RC_OK;
    *ret_ledger = ledger;
    return RC_OK;
}

/* false: enough. */
typedef bool each_record(void *context, int64_t offset, const struct ledger_record *record);

/* Tells the records of [from, to). */
static enum rc ledger_scan(struct desk *desk, const struct ledger *ledger, int64_t from, int64_t to, each_record *each,
                           void *context, struct err *err)
{
    SCOPED(ledger_reader_free)
    struct ledger_reader *reader = ledger_reader_new(consumer_log(desk->consumer), ledger->source, ledger->topic);
    ledger_reader_skip_events(reader);
    TRY(ledger_reader_seek(reader, MAX(from, ledger->low), err));
    int64_t heard_ms = clock_mono_ms();
    bool more = true;
    while (more && ledger_reader_position(reader) < to) {
        enum ledger_step step;
        struct ledger_events events;
        enum rc rc = ledger_reader_step(reader, READ_TIMEOUT_MS, &step, &events, err);
        if (rc == RC_AGAIN && clock_mono_ms() - heard_ms > SILENCE_MS)
            return err_set(err, ERR_KAFKA_UNREACHABLE, "could not read %s from offset %" PRId64 " within %d s",
                           ledger->topic, ledger_reader_position(reader), SILENCE_MS / MS_PER_S);
        if (rc == RC_AGAIN)
            continue;
        TRY(rc);
        heard_ms = clock_mono_ms();
        int64_t offset = ledger_reader_next(reader) - 1;
        more = offset < to && each(context, offset, ledger_reader_record(reader));
    }
    return RC_OK;
}

static bool count_record(void *context, int64_t offset, const struct ledger_record *record)
{
    (void)offset;
    ledger_count_take(context, record);
    return true;
}

/* ---- show ---- */

struct last_applied {
    bool found;
    struct position pos;
    int64_t commit_time_us;
};

static bool keep_last(void *context, int64_t offset, const struct ledger_record *record)
{
    (void)offset;
    *(struct last_applied *)context = (struct last_applied){true, record->pos, record->commit_time_us};
    return true;
}

static void put_number(FILE *out, int width, bool known, int64_t number)
{
    char text[24] = "-";
    if (known)
        snprintf(text, sizeof(text), "%" PRId64, number);
    fprintf(out, "  %*s", width, text);
}

static enum rc show_source(struct desk *desk, const struct config *config, const struct progress *progress, FILE *out,
                           struct err *err)
{
    struct ledger ledger;
    struct last_applied last = {0};
    struct ledger_count behind = {0};
    char commit[32] = "-", position[40] = "-";
    int64_t next = progress->ledger_next;
    TRY(ledger_look(desk, config, progress->source, &ledger, err));
    if (ledger.exists && next > ledger.low)
        TRY(ledger_scan(desk, &ledger, next - LOOK_BACK, MIN(next, ledger.end), keep_last, &last, err));
    enum rc rc = RC_OK;
    if (ledger.exists)
        rc = ledger_scan(desk, &ledger, MAX(next, ledger.low), ledger.end, count_record, &behind, err);
    if (last.found)
        snprintf(position, sizeof(position), "%" PRIx64 ".%" PRIu64, last.pos.major, last.pos.minor);
    if (last.found && last.commit_time_us != 0)
        clock_format_utc(last.commit_time_us, commit);
    if (rc == RC_OK) {
        fprintf(out, "%-20s", progress->source);
        put_number(out, 12, next >= 0, next);
        put_number(out, 12, ledger.exists, ledger.end);
        put_number(out, 12, ledger.exists, (int64_t)behind.records);
        fprintf(out, "  %-28s  %s\n", position, commit);
        if (next >= 0 && ledger.exists && next < ledger.low)
            fprintf(out, "  records %" PRId64 " to %" PRId64 " of %s are gone and were never read\n", next, ledger.low,
                    ledger.topic);
    }
    ledger_count_done(&behind);
    return rc;
}

static enum rc show_all(struct desk *desk, const struct config *config, const struct config_sink *sink,
                        struct progress *progress, FILE *out, struct err *err)
{
    TRY(warehouse_read_progress(desk->warehouse, sink->sources.items, sink->sources.n, progress, err));
    fprintf(out, "%-20s  %12s  %12s  %12s  %-28s  %s\n", "source", "next", "end", "records left", "position",
            "commit time");
    for (size_t i = 0; i < sink->sources.n; i++)
        TRY(show_source(desk, config, &progress[i], out, err));
    return RC_OK;
}

enum rc sink_offsets_show(const struct config *config, const struct config_sink *sink, FILE *out, struct err *err)
{
    struct desk desk;
    struct progress *progress = calloc(MAX(sink->sources.n, (size_t)1), sizeof(struct progress));
    if (progress == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not read the progress");
    enum rc rc = desk_open(config, sink, &desk, err);
    if (rc == RC_OK)
        rc = show_all(&desk, config, sink, progress, out, err);
    desk_close(&desk);
    free(progress);
    return rc;
}

/* ---- reset ---- */

static bool search_record(void *context, int64_t offset, const struct ledger_record *record)
{
    return cut_search_take(context, offset, record);
}

static enum rc find_target(struct desk *desk, const struct ledger *ledger, const struct offsets_target *target,
                           struct cut_search *ret_search, struct err *err)
{
    if (!ledger->exists)
        return err_set(err, ERR_USAGE, "source \"%s\" has no ledger yet: %s does not exist", ledger->source,
                       ledger->topic);
    if (target->kind == OFFSETS_OFFSET && (target->offset < ledger->low || target->offset > ledger->end))
        return err_set(err, ERR_USAGE, "offset %" PRId64 " is not in %s, which holds %" PRId64 " to %" PRId64,
                       target->offset, ledger->topic, ledger->low, ledger->end);
    struct cut_search search = cut_search_of(target, ledger->low);
    TRY(ledger_scan(desk, ledger, ledger->low, ledger->end, search_record, &search, err));
    *ret_search = search;
    return RC_OK;
}

static void put_target(const struct ledger *ledger, const struct offsets_target *target,
                       const struct cut_search *search, FILE *out)
{
    fprintf(out, "  new   %" PRId64, search->next);
    if (search->commit_time_us != 0) {
        char text[32];
        clock_format_utc(search->commit_time_us, text);
        fprintf(out, "  (right behind the commit of %s)", text);
    } else if (search->next == ledger->low) {
        fprintf(out, "  (the first record of the ledger)");
    }
    if (target->kind == OFFSETS_OFFSET && target->offset != search->next)
        fprintf(out, "  (%" PRId64 " is not right behind a cut: moved back to the one before)", target->offset);
    fputc('\n', out);
}

static void put_count(const struct ledger_count *count, bool forward, FILE *out)
{
    if (forward)
        fprintf(out, "  SKIPPED, never to be loaded: %" PRIu64 " records of the ledger\n", count->records);
    else
        fprintf(out, "  replayed: %" PRIu64 " records of the ledger\n", count->records);
    for (size_t i = 0; i < count->n_topics; i++)
        fprintf(out, "    %-50s %12" PRIu64 " events\n", count->topics[i].topic, count->topics[i].events);
}

/* Says what would happen. */
static enum rc plan_reset(struct desk *desk, const struct ledger *ledger, const struct progress *progress,
                          const struct offsets_target *target, const struct cut_search *search, FILE *out,
                          struct err *err)
{
    int64_t now = progress->ledger_next;
    bool forward = now >= 0 && search->next > now;
    struct ledger_count count = {0};
    fprintf(out, "source %s, %s (offsets %" PRId64 " to %" PRId64 ")\n", ledger->source, ledger->topic, ledger->low,
            ledger->end);
    if (now < 0)
        fprintf(out, "  now   nothing was loaded yet\n");
    else
        fprintf(out, "  now   %" PRId64 "\n", now);
    put_target(ledger, target, search, out);
    int64_t from = now < 0 ? ledger->low : MIN(now, search->next), to = MAX(MIN(now, ledger->end), search->next);
    enum rc rc = ledger_scan(desk, ledger, from, to, count_record, &count, err);
    if (rc == RC_OK) {
        put_count(&count, forward || (now < 0 && search->next > ledger->low), out);
        if (now >= 0 && now < ledger->low)
            fprintf(out, "  records %" PRId64 " to %" PRId64 " of the ledger are gone: what they list is a gap\n", now,
                    ledger->low);
    }
    ledger_count_done(&count);
    return rc;
}

static enum rc reset(struct desk *desk, const struct config *config, const char *source,
                     const struct offsets_target *target, bool execute, FILE *out, struct err *err)
{
    struct ledger ledger;
    struct progress progress;
    struct cut_search search = {0};
    TRY(warehouse_read_progress(desk->warehouse, &source, 1, &progress, err));
    TRY(ledger_look(desk, config, source, &ledger, err));
    TRY(find_target(desk, &ledger, target, &search, err));
    TRY(plan_reset(desk, &ledger, &progress, target, &search, out, err));
    if (!execute) {
        fprintf(out, "dry run: nothing changed (--execute changes it)\n");
        return RC_OK;
    }
    TRY(warehouse_set_progress(desk->warehouse, source, search.next, err));
    log_warn("offsets_reset", LOG_STR("source", source), LOG_I64("from", progress.ledger_next),
             LOG_I64("to", search.next));
    fprintf(out, "done: a sink that runs stops at its next batch; start it again to go on from %" PRId64 "\n",
            search.next);
    return RC_OK;
}

enum rc sink_offsets_reset(const struct config *config, const struct config_sink *sink, const char *source,
                           const struct offsets_target *target, bool execute, FILE *out, struct err *err)
{
    struct desk desk;
    enum rc rc = desk_open(config, sink, &desk, err);
    if (rc == RC_OK)
        rc = reset(&desk, config, source, target, execute, out, err);
    desk_close(&desk);
    return rc;
}
