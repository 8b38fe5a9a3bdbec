/* leat status: columns for people, JSON for programs. */
#include "capture/status.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "capture/pg/lsn.h"
#include "command.h"

enum { AGE_BYTES = 48 };

static bool is_postgresql(const struct capture_status *status)
{
    return status->source->type == CONFIG_SOURCE_POSTGRESQL;
}

static uint64_t distance(uint64_t from, uint64_t to)
{
    return to > from ? to - from : 0;
}

struct chunk_counts {
    uint64_t done, all; /* all 0: not planned yet */
};

static struct chunk_counts chunks_of(const struct pg_copy_table *table)
{
    struct chunk_counts counts = {0};
    for (size_t i = 0; i < table->n_heaps; i++) {
        counts.done += table->heaps[i].n_done;
        counts.all += table->heaps[i].n_chunks;
    }
    return counts;
}

static const char *state_of(const struct pg_copy_table *table)
{
    return table->error != NULL ? "parked" : chunks_of(table).done > 0 ? "under_way" : "queued";
}

static const char *name_of(const struct pg_copy_table *table, char out[24])
{
    snprintf(out, 24, "oid %u", table->oid);
    return table->name != NULL ? table->name : out;
}

/* NULL: no request waits. */
static const char *requests_wait_for(const struct capture_status *status)
{
    if (status->requests_unread == 0)
        return NULL;
    if (status->is_away)
        return "the server, which does not answer";
    if (!status->slot.exists || !status->slot.active)
        return "a capture that runs, or the end of its first window";
    return "the capture's next look, within a second, or what its stream waits for";
}

/* ---- JSON ---- */

static json_t *lsn_json(uint64_t lsn)
{
    char text[LSN_TEXT_BYTES];
    return json_string(lsn_format(lsn, text));
}

static json_t *time_json(int64_t wall_us)
{
    char text[32];
    clock_format_utc(wall_us, text);
    return wall_us == 0 ? json_null() : json_string(text);
}

/* What does not fit a signed number is text, as in the ledger. */
static json_t *u64_json(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return value <= INT64_MAX ? json_integer((json_int_t)value) : json_string(text);
}

static json_t *ledger_json(const struct capture_status *status)
{
    const struct ledger_record *last = &status->last;
    if (!status->has_ledger)
        return json_null();
    return json_pack("{s:s, s:b, s:[o,o], s:o, s:o, s:s}", "kind", ledger_kind_name(last->kind), "cut", last->cut,
                     "position", u64_json(last->pos.major), u64_json(last->pos.minor), "commit_time",
                     time_json(last->commit_time_us), "written", time_json(last->written_us), "writer", last->writer);
}

static json_t *slot_json(const struct capture_status *status)
{
    const struct capture_slot_status *slot = &status->slot;
    if (status->is_away)
        return json_null();
    json_t *json = json_pack("{s:s, s:b}", "name", status->source->postgresql.slot, "exists", slot->exists);
    if (!slot->exists)
        return json;
    json_object_set_new(json, "active", json_boolean(slot->active));
    json_object_set_new(json, "pid", json_integer(slot->pid));
    json_object_set_new(json, "confirmed_lsn", lsn_json(slot->confirmed));
    json_object_set_new(json, "restart_lsn", lsn_json(slot->restart));
    json_object_set_new(json, "lag_bytes", u64_json(distance(slot->confirmed, slot->log_end)));
    json_object_set_new(json, "retained_bytes", u64_json(distance(slot->restart, slot->log_end)));
    json_object_set_new(json, "wal_status", json_string(slot->wal_status));
    json_object_set_new(json, "safe_wal_bytes",
                        slot->safe_wal_bytes < 0 ? json_null() : json_integer(slot->safe_wal_bytes));
    return json;
}

static json_t *table_json(const struct pg_copy_table *table)
{
    struct chunk_counts chunks = chunks_of(table);
    return json_pack("{s:s?, s:I, s:s, s:s?, s:s?, s:I, s:I, s:I, s:I}", "table", table->name, "oid",
                     (json_int_t)table->oid, "state", state_of(table), "error", table->error, "where", table->where,
                     "chunks_done", (json_int_t)chunks.done, "chunks", (json_int_t)chunks.all, "rows",
                     (json_int_t)table->rows, "bytes", (json_int_t)table->bytes);
}

static json_t *copy_json(const struct capture_status *status)
{
    const struct pg_copy_totals *totals = &status->totals;
    json_t *tables = json_array();
    for (size_t i = 0; i < status->plan.n_tables; i++)
        json_array_append_new(tables, table_json(status->plan.tables[i]));
    double left_s = pg_copy_plan_seconds_left(&status->plan, totals, status->now_us);
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "left_s", left_s < 0 ? json_null() : json_real(left_s),
                     "tables_parked", (json_int_t)totals->parked, "chunks_done", (json_int_t)totals->chunks_done,
                     "chunks", (json_int_t)totals->chunks, "rows", (json_int_t)totals->rows, "bytes",
                     (json_int_t)totals->bytes, "tables", tables);
}

static json_t *source_json(const struct capture_status *status)
{
    static const char *const snapshots[] = {
        [PG_SNAPSHOT_NONE] = "none", [PG_SNAPSHOT_COPYING] = "copying", [PG_SNAPSHOT_DONE] = "done"};
    json_t *json = json_pack("{s:s, s:s, s:o}", "source", status->source->name, "type",
                             is_postgresql(status) ? "postgresql" : "documentdb", "ledger", ledger_json(status));
    if (!is_postgresql(status))
        return json;
    json_object_set_new(json, "snapshot", json_string(snapshots[status->state.snapshot]));
    json_object_set_new(json, "end_lsn", lsn_json(status->state.end_lsn));
    json_object_set_new(json, "requests_unread", json_integer(status->requests_unread));
    const char *wait_for = requests_wait_for(status);
    json_object_set_new(json, "requests_wait_for", wait_for == NULL ? json_null() : json_string(wait_for));
    json_object_set_new(json, "away", status->is_away ? json_string(status->away.msg) : json_null());
    json_object_set_new(json, "slot", slot_json(status));
    json_object_set_new(json, "copy", copy_json(status));
    return json;
}

/* ---- text ---- */

static const char *age(char out[AGE_BYTES], int64_t then_us, int64_t now_us)
{
    char when[32];
    clock_format_utc(then_us, when);
    snprintf(out, AGE_BYTES, "%.19sZ, %" PRId64 " s ago", when, MAX(now_us - then_us, (int64_t)0) / US_PER_S);
    return out;
}

static void put_ledger(const struct capture_status *status)
{
    char when[AGE_BYTES], lsn[LSN_TEXT_BYTES];
    const struct ledger_record *last = &status->last;
    if (!status->has_ledger) {
        printf("  ledger    empty: the capture has not run yet\n");
        return;
    }
    printf("  ledger    %s, %s, ", ledger_kind_name(last->kind), last->cut ? "cut" : "inside a transaction");
    if (is_postgresql(status))
        printf("position %s event %" PRIu64, lsn_format(last->pos.major, lsn), last->pos.minor);
    else
        printf("position %" PRIu64 ".%" PRIu64, last->pos.major, last->pos.minor);
    printf(", written %s\n", age(when, last->written_us, status->now_us));
}

static void put_slot(const struct capture_status *status)
{
    char confirmed[LSN_TEXT_BYTES], end[LSN_TEXT_BYTES];
    const struct capture_slot_status *slot = &status->slot;
    const char *name = status->source->postgresql.slot;
    if (status->is_away) {
        printf("  server    away: %s\n", status->away.msg);
        return;
    }
    printf("  server    log ends at %s\n", lsn_format(slot->log_end, end));
    if (!slot->exists) {
        printf("  slot      %s does not exist\n", name);
        return;
    }
    printf("  slot      %s, %s, confirmed %s, %" PRIu64 " bytes behind\n", name, slot->active ? "active" : "not active",
           lsn_format(slot->confirmed, confirmed), distance(slot->confirmed, slot->log_end));
    printf("  log kept  %" PRIu64 " bytes, wal_status %s", distance(slot->restart, slot->log_end), slot->wal_status);
    if (slot->safe_wal_bytes >= 0)
        printf(", lost after %" PRId64 " bytes more", slot->safe_wal_bytes);
    printf("\n");
}

static void put_table(const struct pg_copy_table *table)
{
    char oid[24], chunks[48] = "-";
    struct chunk_counts counts = chunks_of(table);
    if (counts.all > 0)
        snprintf(chunks, sizeof(chunks), "%" PRIu64 "/%" PRIu64, counts.done, counts.all);
    printf("    %-40s %-10s %12s %14" PRIu64 " %16" PRIu64 "\n", name_of(table, oid), state_of(table), chunks,
           table->rows, table->bytes);
    if (table->where != NULL)
        printf("      where %s\n", table->where);
    if (table->error != NULL)
        printf("      %s\n", table->error);
}

static void put_copy(const struct capture_status *status)
{
    const struct pg_copy_totals *totals = &status->totals;
    if (status->state.snapshot == PG_SNAPSHOT_COPYING)
        printf("  copy      announced: it begins when the slot is made\n");
    else if (totals->tables == 0)
        printf("  copy      nothing to copy\n");
    else
        printf("  copy      %zu tables left, %zu parked, %" PRIu64 " of %" PRIu64 " chunks, %" PRIu64 " rows, %" PRIu64
               " bytes\n",
               totals->tables, totals->parked, totals->chunks_done, totals->chunks, totals->rows, totals->bytes);
    double left_s = pg_copy_plan_seconds_left(&status->plan, totals, status->now_us);
    if (left_s >= 0)
        printf("  time left about %.0f s, going by the last %.0f s\n", left_s,
               (double)(status->now_us - status->plan.began_us) / US_PER_S);
    if (totals->tables > 0)
        printf("    %-40s %-10s %12s %14s %16s\n", "table", "state", "chunks", "rows", "bytes");
    for (size_t i = 0; i < status->plan.n_tables; i++)
        put_table(status->plan.tables[i]);
}

static void put_source(const struct capture_status *status)
{
    printf("%s (%s)\n", status->source->name, is_postgresql(status) ? "postgresql" : "documentdb");
    put_ledger(status);
    if (!is_postgresql(status))
        return;
    put_slot(status);
    const char *wait_for = requests_wait_for(status);
    printf("  requests  %" PRId64 " not read yet%s%s\n", status->requests_unread,
           wait_for == NULL ? "" : ", they wait for ", wait_for == NULL ? "" : wait_for);
    put_copy(status);
}

/* ---- all of them ---- */

static enum rc show_source(const struct config *config, const struct config_source *source, json_t *sources,
                           struct err *err)
{
    struct capture_status status;
    TRY(capture_status_read(config, source, &status, err));
    if (sources != NULL)
        json_array_append_new(sources, source_json(&status));
    else
        put_source(&status);
    capture_status_done(&status);
    return RC_OK;
}

static enum rc show(const struct cli_args *args, const struct config *config, json_t *sources, struct err *err)
{
    const struct config_source *named = NULL;
    if (args->operand != NULL)
        TRY(config_find_source(config, args->operand, &named, err));
    for (size_t i = 0; i < config->n_sources; i++)
        if (named == NULL || named == &config->sources[i])
            TRY(show_source(config, &config->sources[i], sources, err));
    return RC_OK;
}

int command_status(const struct cli_args *args)
{
    struct config *config;
    struct err err = {0};
    if (cli_begin_interactive(args, &err) != RC_OK || cli_load_config(args, &config, &err) != RC_OK)
        return cli_fail(&err);
    json_t *sources = args->json ? json_array() : NULL;
    enum rc rc = show(args, config, sources, &err);
    if (sources != NULL) {
        json_t *json = json_pack("{s:o}", "sources", sources);
        if (rc == RC_OK && json_dumpf(json, stdout, JSON_INDENT(1)) == 0)
            printf("\n");
        json_decref(json);
    }
    config_free(config);
    return rc == RC_OK ? EXIT_CODE_OK : cli_fail(&err);
}
