#include "test.h"

#include "sink/ledger_reader.h"

#include <stdlib.h>

#include "base/buf.h"

/* A log told in advance: each row is a record with its offset; between them are the holes that control
 * records and aborted transactions leave. `end` is where each partition ends; `low` where it begins. */
struct scripted_record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    const char *value;
};

struct scripted_log {
    struct log log;
    const struct scripted_record *records;
    size_t n;
    int64_t ledger_low, ledger_end;
    size_t chunk;                                    /* at most so many records a read */
    const char *missing_topic;                       /* bounds: no such topic */
    size_t dry_reads;                                /* answer RC_AGAIN so many times first */
    struct log_record ledger_out[16], event_out[16]; /* borrowed until the next read of the same partition */
};

static enum rc scripted_read(struct log *log, const char *topic, int32_t partition, int64_t from, int64_t below,
                             int timeout_ms, struct log_chunk *ret, struct err *err)
{
    (void)timeout_ms;
    struct scripted_log *self = (struct scripted_log *)log;
    if (self->dry_reads > 0) {
        self->dry_reads--;
        return RC_AGAIN;
    }
    struct log_record *out = strcmp(topic, "p.leat.ledger.core") == 0 ? self->ledger_out : self->event_out;
    size_t n = 0;
    int64_t position = from;
    for (size_t i = 0; i < self->n; i++) {
        const struct scripted_record *record = &self->records[i];
        if (strcmp(record->topic, topic) != 0 || record->partition != partition || record->offset < from)
            continue;
        if (record->offset >= below) {
            position = below;
            break;
        }
        if (n == self->chunk)
            break;
        if (record->value == NULL)
            return err_set(err, ERR_KAFKA_RETENTION, "offset %lld of topic %s is not there", (long long)from, topic);
        out[n++] = (struct log_record){.offset = record->offset, .value = slice_of_str(record->value)};
        position = record->offset + 1;
    }
    if (n == 0 && strcmp(topic, "p.leat.ledger.core") == 0)
        position = MAX(position, self->ledger_end);
    *ret = (struct log_chunk){out, n, position};
    return n > 0 || position > from ? RC_OK : RC_AGAIN;
}

static enum rc scripted_bounds(struct log *log, const char *topic, int32_t partition, int64_t *ret_low,
                               int64_t *ret_end, struct err *err)
{
    (void)partition, (void)err;
    struct scripted_log *self = (struct scripted_log *)log;
    if (self->missing_topic != NULL && strcmp(topic, self->missing_topic) == 0)
        return RC_AGAIN;
    *ret_low = self->ledger_low;
    *ret_end = self->ledger_end;
    return RC_OK;
}

static const struct log_ops scripted_ops = {.read = scripted_read, .bounds = scripted_bounds};

#define LEDGER "p.leat.ledger.core"
#define RECORD(cut, partitions)                                                                                        \
    "{\"v\":1,\"kind\":\"stream\",\"source\":\"core\",\"writer\":\"w\",\"cut\":" cut                                   \
    ",\"pos\":[7,1],\"commit_time_us\":5,\"written_us\":6,\"partitions\":[" partitions "],\"state\":{}}"

/* Each step as text: the values of events joined, "|" between chunks, ";" at the end of a record ("!" when it
 * is no cut). */
static enum rc play(struct scripted_log *log, int64_t from, char *out, size_t size, struct err *err)
{
    struct ledger_reader *reader = ledger_reader_new(&log->log, "core", LEDGER);
    struct buf text = buf_over(out, size);
    enum rc rc = ledger_reader_seek(reader, from, err);
    int again = 0;
    while (rc == RC_OK || (rc == RC_AGAIN && again < 4)) {
        enum ledger_step step;
        struct ledger_events events;
        rc = ledger_reader_step(reader, 0, &step, &events, err);
        again = rc == RC_AGAIN ? again + 1 : 0;
        if (rc != RC_OK)
            continue;
        for (size_t i = 0; step == LEDGER_STEP_EVENTS && i < events.n; i++)
            buf_put_slice(&text, events.records[i].value);
        buf_put_str(&text, step == LEDGER_STEP_EVENTS ? "|" : ledger_reader_record(reader)->cut ? ";" : "!");
    }
    buf_printf(&text, " next %lld", (long long)ledger_reader_next(reader));
    buf_cstr(&text);
    ledger_reader_free(reader);
    return rc;
}

static void play_and_check(struct scripted_log *log, int64_t from, enum rc want_rc, const char *want,
                           const char *behaviour)
{
    char out[512];
    struct err err = {0};
    log->log.ops = &scripted_ops;
    enum rc rc = play(log, from, out, sizeof(out), &err);
    if (rc != want_rc)
        fail_msg("%s: want %s, got %s: %s", behaviour, rc_name(want_rc), rc_name(rc), err.msg);
    CHECK_STR(want, out, behaviour);
}

static const struct scripted_record two_tables[] = {
    {LEDGER, 0, 0, RECORD("true", "")},
    {LEDGER, 0, 2, RECORD("false", "[\"p.a\",0,0,3],[\"p.b\",0,10,12]")},
    {LEDGER, 0, 4, RECORD("true", "[\"p.a\",0,4,6]")},
    {"p.a", 0, 0, "a0"},
    {"p.a", 0, 1, "a1"},
    {"p.a", 0, 2, "a2"},
    {"p.a", 0, 4, "a4"},
    {"p.a", 0, 5, "a5"},
    {"p.a", 0, 7, "a7"},
    {"p.b", 0, 10, "b10"},
    {"p.b", 0, 11, "b11"},
};

static void reads_what_the_ledger_lists(void **state)
{
    (void)state;
    const struct {
        const char *behaviour;
        int64_t from;
        size_t chunk, dry_reads;
        const char *want;
    } cases[] = {
        {"events come range by range, control records between ranges are passed", -1, 16, 0,
         ";a0a1a2|b10b11|!a4a5|; next 5"},
        {"one record a read gives the same events", -1, 1, 0, ";a0|a1|a2|b10|b11|!a4|a5|; next 5"},
        {"a dry log is asked again", -1, 16, 3, ";a0a1a2|b10b11|!a4a5|; next 5"},
        {"a start inside the ledger reads from there", 2, 16, 0, "a0a1a2|b10b11|!a4a5|; next 5"},
        {"what no record of the ledger lists is never read", 4, 16, 0, "a4a5|; next 5"},
        {"the end of the ledger is a place to start", 6, 16, 0, " next 6"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scripted_log log = {.records = two_tables,
                                   .n = ARRAY_LEN(two_tables),
                                   .ledger_end = 6,
                                   .chunk = cases[i].chunk,
                                   .dry_reads = cases[i].dry_reads};
        play_and_check(&log, cases[i].from, RC_AGAIN, cases[i].want, cases[i].behaviour);
    }
}

#define REPLACING(partitions)                                                                                            \
    "{\"v\":1,\"kind\":\"stream\",\"source\":\"core\",\"writer\":\"w\",\"cut\":true,\"pos\":[7,1],\"commit_time_us\":5," \
    "\"written_us\":6,\"partitions\":[" partitions "],\"state\":{},\"replaces\":true}"

static void a_replaced_record_is_passed_over(void **state)
{
    (void)state;
    static const struct scripted_record replaced[] = {
        {LEDGER, 0, 0, RECORD("true", "[\"p.a\",0,0,1]")},
        {LEDGER, 0, 2, RECORD("true", "[\"p.a\",0,2,3]")},
        {LEDGER, 0, 3, REPLACING("[\"p.a\",0,4,5]")},
        {"p.a", 0, 0, "a0"},
        {"p.a", 0, 2, "not ours"},
        {"p.a", 0, 4, "a4"},
    };
    static const struct scripted_record neighbours[] = {
        {LEDGER, 0, 0, RECORD("true", "[\"p.a\",0,0,1]")},
        {LEDGER, 0, 1, RECORD("true", "[\"p.a\",0,1,2]")},
        {"p.a", 0, 0, "a0"},
        {"p.a", 0, 1, "a1"},
    };
    const struct {
        const char *behaviour;
        const struct scripted_record *records;
        size_t n, chunk, dry_reads;
        int64_t from, end;
        const char *want;
    } cases[] = {
        {"both in one read", replaced, ARRAY_LEN(replaced), 16, 0, -1, 5, "a0|;a4|; next 4"},
        {"each in a read of its own", replaced, ARRAY_LEN(replaced), 1, 0, -1, 5, "a0|;a4|; next 4"},
        {"after a wait for what is behind", replaced, ARRAY_LEN(replaced), 1, 3, -1, 5, "a0|;a4|; next 4"},
        {"a start at the replacing one", replaced, ARRAY_LEN(replaced), 16, 0, 3, 5, "a4|; next 4"},
        {"neighbours of which none replaces count both", neighbours, ARRAY_LEN(neighbours), 16, 0, -1, 3,
         "a0|;a1|; next 2"},
        {"neighbours in reads of their own", neighbours, ARRAY_LEN(neighbours), 1, 0, -1, 3, "a0|;a1|; next 2"},
        {"what is behind is not known yet: not used", replaced, 2, 16, 0, 2, 3, " next 2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scripted_log log = {.records = cases[i].records,
                                   .n = cases[i].n,
                                   .ledger_end = cases[i].end,
                                   .chunk = cases[i].chunk,
                                   .dry_reads = cases[i].dry_reads};
        play_and_check(&log, cases[i].from, RC_AGAIN, cases[i].want, cases[i].behaviour);
    }
}

static void events_can_be_skipped(void **state)
{
    (void)state;
    struct scripted_log log = {
        .log.ops = &scripted_ops, .records = two_tables, .n = ARRAY_LEN(two_tables), .ledger_end = 6, .chunk = 2};
    struct err err = {0};
    struct ledger_reader *reader = ledger_reader_new(&log.log, "core", LEDGER);
    ledger_reader_skip_events(reader);
    ASSERT_OK(ledger_reader_seek(reader, -1, &err), &err);
    const int64_t want_next[] = {1, 3, 5};
    for (size_t i = 0; i < ARRAY_LEN(want_next); i++) {
        enum ledger_step step;
        struct ledger_events events;
        ASSERT_OK(ledger_reader_step(reader, 0, &step, &events, &err), &err);
        CHECK_EQ(LEDGER_STEP_RECORD, step, "only records");
        CHECK_EQ(want_next[i], ledger_reader_next(reader), "next");
    }
    CHECK_EQ(6, ledger_reader_position(reader), "the end of the log was seen");
    ledger_reader_free(reader);
}

static void holes_inside_a_range_are_passed(void **state)
{
    (void)state;
    static const struct scripted_record records[] = {
        {LEDGER, 0, 3, RECORD("true", "[\"p.a\",0,100,110],[\"p.a\",1,5,6],[\"p.a\",2,9,9]")},
        {"p.a", 0, 100, "x"},
        {"p.a", 0, 104, "y"},
        {"p.a", 0, 109, "z"},
        {"p.a", 0, 110, "later"},
        {"p.a", 1, 5, "q"},
    };
    struct scripted_log log = {.records = records, .n = ARRAY_LEN(records), .ledger_end = 5, .chunk = 1};
    play_and_check(&log, -1, RC_AGAIN, "x|y|z|q|; next 4", "aborted records between events are passed");
}

static void what_was_deleted_is_never_skipped(void **state)
{
    (void)state;
    static const struct scripted_record first_gone[] = {
        {LEDGER, 0, 0, RECORD("true", "[\"p.a\",0,0,3]")}, {"p.a", 0, 1, "a1"}, {"p.a", 0, 2, "a2"}};
    static const struct scripted_record last_gone[] = {
        {LEDGER, 0, 0, RECORD("true", "[\"p.a\",0,0,3]")}, {"p.a", 0, 0, "a0"}, {"p.a", 0, 5, "a5"}};
    static const struct scripted_record all_gone[] = {{LEDGER, 0, 0, RECORD("true", "[\"p.a\",0,0,3]")},
                                                      {"p.a", 0, 8, "a8"}};
    static const struct scripted_record refused[] = {{LEDGER, 0, 0, RECORD("true", "[\"p.a\",0,0,3]")},
                                                     {"p.a", 0, 0, NULL}};
    const struct {
        const char *behaviour;
        const struct scripted_record *records;
        size_t n;
        const char *want;
    } cases[] = {
        {"the first event of a range must be there", first_gone, ARRAY_LEN(first_gone), " next 0"},
        {"the last event of a range must be there", last_gone, ARRAY_LEN(last_gone), " next 0"},
        {"a range whose events are all gone is not an empty range", all_gone, ARRAY_LEN(all_gone), " next 0"},
        {"an offset that the broker refuses ends the reading", refused, ARRAY_LEN(refused), " next 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scripted_log log = {.records = cases[i].records, .n = cases[i].n, .ledger_end = 2, .chunk = 16};
        play_and_check(&log, -1, RC_FATAL, cases[i].want, cases[i].behaviour);
    }
}

static void a_start_outside_the_ledger_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *behaviour;
        int64_t from;
        bool missing;
        enum rc want;
    } cases[] = {
        {"a next record below the ledger's first one was deleted before it was read", 9, false, RC_FATAL},
        {"a next record behind the ledger's end means another ledger", 31, false, RC_FATAL},
        {"a ledger that does not exist yet is waited for", -1, true, RC_AGAIN},
        {"a ledger that existed and is gone is an error", 10, true, RC_FATAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scripted_log log = {.log.ops = &scripted_ops,
                                   .ledger_low = 10,
                                   .ledger_end = 30,
                                   .missing_topic = cases[i].missing ? LEDGER : NULL};
        struct err err = {0};
        struct ledger_reader *reader = ledger_reader_new(&log.log, "core", LEDGER);
        CHECK_EQ(cases[i].want, ledger_reader_seek(reader, cases[i].from, &err), cases[i].behaviour);
        if (cases[i].want == RC_FATAL)
            CHECK_EQ(ERR_KAFKA_RETENTION, err.code, cases[i].behaviour);
        ledger_reader_free(reader);
    }
}

static void a_seek_back_reads_the_same_again(void **state)
{
    (void)state;
    struct scripted_log log = {
        .log.ops = &scripted_ops, .records = two_tables, .n = ARRAY_LEN(two_tables), .ledger_end = 6, .chunk = 2};
    struct err err = {0};
    struct ledger_reader *reader = ledger_reader_new(&log.log, "core", LEDGER);
    enum ledger_step step;
    struct ledger_events events;
    ASSERT_OK(ledger_reader_seek(reader, 2, &err), &err);
    ASSERT_OK(ledger_reader_step(reader, 0, &step, &events, &err), &err);
    CHECK_EQ(0, events.records[0].offset, "first events");
    ASSERT_OK(ledger_reader_step(reader, 0, &step, &events, &err), &err);
    ASSERT_OK(ledger_reader_seek(reader, 2, &err), &err);
    assert_null(ledger_reader_record(reader));
    ASSERT_OK(ledger_reader_step(reader, 0, &step, &events, &err), &err);
    CHECK_EQ(LEDGER_STEP_EVENTS, step, "events again");
    CHECK_EQ(0, events.records[0].offset, "the same events again");
    CHECK_EQ(2, ledger_reader_next(reader), "nothing is complete");
    ledger_reader_free(reader);
}

static void an_ignored_topic_is_not_read(void **state)
{
    (void)state;
    static const struct scripted_record records[] = {
        {LEDGER, 0, 0, RECORD("true", "[\"p.leat.rejects\",0,4,9],[\"p.a\",0,0,1]")}, {"p.a", 0, 0, "a0"}};
    struct scripted_log log = {
        .log.ops = &scripted_ops, .records = records, .n = ARRAY_LEN(records), .ledger_end = 2, .chunk = 16};
    struct err err = {0};
    struct ledger_reader *reader = ledger_reader_new(&log.log, "core", LEDGER);
    ledger_reader_ignore(reader, "p.leat.rejects");
    enum ledger_step step;
    struct ledger_events events;
    ASSERT_OK(ledger_reader_seek(reader, -1, &err), &err);
    ASSERT_OK(ledger_reader_step(reader, 0, &step, &events, &err), &err);
    CHECK_STR("p.a", events.topic, "the other topic's events");
    ASSERT_OK(ledger_reader_step(reader, 0, &step, &events, &err), &err);
    CHECK_EQ(LEDGER_STEP_RECORD, step, "the record is complete");
    ledger_reader_free(reader);
}

static void foreign_records_are_refused(void **state)
{
    (void)state;
    static const struct scripted_record other[] = {
        {LEDGER, 0, 0,
         "{\"v\":1,\"kind\":\"stream\",\"source\":\"docs\",\"writer\":\"w\",\"cut\":true,\"pos\":[7,1],"
         "\"commit_time_us\":5,\"written_us\":6,\"partitions\":[],\"state\":{}}"}};
    static const struct scripted_record garbage[] = {{LEDGER, 0, 0, "{\"v\":1}"}};
    struct scripted_log log = {.records = other, .n = 1, .ledger_end = 2, .chunk = 1};
    play_and_check(&log, -1, RC_FATAL, " next 0", "a record of another source");
    log = (struct scripted_log){.records = garbage, .n = 1, .ledger_end = 2, .chunk = 1};
    play_and_check(&log, -1, RC_FATAL, " next 0", "a record that is not the ledger's");
}

static void the_position_passes_the_last_control_record(void **state)
{
    (void)state;
    struct scripted_log log = {
        .log.ops = &scripted_ops, .records = two_tables, .n = ARRAY_LEN(two_tables), .ledger_end = 6, .chunk = 16};
    struct err err = {0};
    struct ledger_reader *reader = ledger_reader_new(&log.log, "core", LEDGER);
    enum ledger_step step;
    struct ledger_events events;
    ASSERT_OK(ledger_reader_seek(reader, -1, &err), &err);
    while (ledger_reader_step(reader, 0, &step, &events, &err) == RC_OK)
        ;
    CHECK_EQ(5, ledger_reader_next(reader), "behind the last record");
    CHECK_EQ(6, ledger_reader_position(reader), "at the end of the log");
    ledger_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_ledger_lists),
        cmocka_unit_test(a_replaced_record_is_passed_over),
        cmocka_unit_test(events_can_be_skipped),
        cmocka_unit_test(holes_inside_a_range_are_passed),
        cmocka_unit_test(what_was_deleted_is_never_skipped),
        cmocka_unit_test(a_start_outside_the_ledger_is_refused),
        cmocka_unit_test(a_seek_back_reads_the_same_again),
        cmocka_unit_test(an_ignored_topic_is_not_read),
        cmocka_unit_test(foreign_records_are_refused),
        cmocka_unit_test(the_position_passes_the_last_control_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
