#include "sink/sink_batch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { MIN_TABLE_MEMORY = 1 << 20 };

enum batch_verdict batch_judge(const struct config_sink *limits, const struct batch_status *status)
{
    bool full = status->events >= (uint64_t)limits->batch_max_rows ||
                status->bytes >= (uint64_t)limits->batch_max_bytes;
    bool old = status->age_ms >= limits->batch_max_age_ms || status->nothing_more;
    if (status->events == 0 || (!full && !old))
        return BATCH_FILL;
    if (status->at_cuts && status->applier_idle)
        return BATCH_SEAL;
    /* While the one before is being applied, an old batch may as well grow: fewer, larger ones are cheaper.
     */
    if (!full && !status->applier_idle)
        return BATCH_FILL;
    return status->at_cuts ? BATCH_HOLD : BATCH_FINISH_RUN;
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

struct sink_batch *sink_batch_new(const struct config_sink *config, struct tables *tables, struct plans *plans,
                                  struct rejects *rejects)
{
    struct sink_batch *batch = must(calloc(1, sizeof(*batch)));
    batch->config = config;
    batch->all_tables = tables;
    batch->plans = plans;
    batch->rejects = rejects;
    batch->n_sources = config->sources.n;
    batch->sources = must(calloc(MAX(batch->n_sources, (size_t)1), sizeof(struct sink_batch_source)));
    for (size_t i = 0; i < batch->n_sources; i++)
        batch->sources[i].name = config->sources.items[i];
    return batch;
}

void sink_batch_free(struct sink_batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->n_tables; i++)
        table_batch_free(batch->tables[i].batch);
    free(batch->tables);
    free(batch->sources);
    free(batch);
}

/* ---- tables ---- */

static enum rc table_of(struct sink_batch *batch, size_t source, const char *topic, struct sink_batch_table **ret_table,
                        struct err *err)
{
    for (size_t i = 0; i < batch->n_tables; i++) {
        if (strcmp(batch->tables[i].table->topic, topic) == 0) {
            *ret_table = &batch->tables[i];
            return RC_OK;
        }
    }
    struct sink_table *table;
    TRY(tables_find(batch->all_tables, topic, &table, err));
    if (batch->n_tables == batch->max_tables) {
        batch->max_tables = batch->max_tables == 0 ? 16 : 2 * batch->max_tables;
        batch->tables = must(realloc(batch->tables, batch->max_tables * sizeof(struct sink_batch_table)));
    }
    batch->tables[batch->n_tables] = (struct sink_batch_table){.table = table, .source = source};
    *ret_table = &batch->tables[batch->n_tables++];
    return RC_OK;
}

/* Two batches are in memory at a time, so one may have half of the budget. How many tables will come is not
 * known: each gets half of what is left, and what does not fit into that lies in the spill folder. */
static struct table_batch *table_batch_open(struct sink_batch *batch, const struct target *target)
{
    size_t left = (size_t)batch->config->memory_bytes / 2;
    left -= MIN(batch->memory_granted, left);
    struct table_batch_budget budget = {.memory_bytes = MAX(left / 2, (size_t)MIN_TABLE_MEMORY),
                                        .part_bytes = (size_t)batch->config->part_bytes,
                                        .spill_dir = batch->config->spill_dir};
    batch->memory_granted += budget.memory_bytes;
    return table_batch_new(target, &budget);
}

/* ---- one event ---- */

struct incoming {
    const struct log_record *record;
    uint32_t schema_id;
    struct slice value, key; /* payloads */
    bool has_key;
    struct change change;
    struct event event;
    bool key_is_read;
};

static enum rc find_plans(struct sink_batch *batch, struct sink_batch_table *table, struct incoming *in,
                          struct err *err)
{
    uint32_t key_id;
    TRY(avro_unframe(in->record->value, &in->schema_id, &in->value, err));
    if (table->value == NULL || table->value->id != in->schema_id)
        TRY(plans_value(batch->plans, in->schema_id, &table->value, err));
    in->has_key = in->record->key.len > 0;
    if (!in->has_key && table->key != NULL)
        return RC_OK;
    if (!in->has_key) {
        enum rc rc = plans_key_of_topic(batch->plans, table->table->topic, &table->key, err);
        if (rc == RC_AGAIN)
            return err_set(err, ERR_VALUE_UNLOADABLE,
                           "the record has no key, and the registry knows no key schema of topic %s",
                           table->table->topic);
        return rc;
    }
    TRY(avro_unframe(in->record->key, &key_id, &in->key, err));
    if (table->key == NULL || table->key->id != key_id)
        TRY(plans_key(batch->plans, key_id, &table->key, err));
    return RC_OK;
}

/* RC_AGAIN: not yet. */
static enum rc check_fits(struct sink_batch *batch, struct sink_batch_table *table, struct err *err)
{
    bool fits;
    TRY(sink_table_fits(table->table, table->value, table->key, &fits, err));
    if (fits)
        return RC_OK;
    batch->lack = (struct sink_batch_lack){table->table, table->value, table->key, table->batch != NULL};
    return RC_AGAIN;
}

static enum rc decode_moved_from(struct sink_batch *batch, struct incoming *in, struct err *err)
{
    struct record_key_plan *plan;
    uint32_t id;
    TRY(avro_unframe(in->record->moved_from, &id, &in->change.moved_from, err));
    TRY(plans_key(batch->plans, id, &plan, err));
    TRY(key_decode(plan->plan, in->change.moved_from, plan->moved, err));
    in->change.moved_from_values = plan->moved;
    return RC_OK;
}

static enum rc decode(struct sink_batch *batch, struct sink_batch_table *table, struct incoming *in, struct err *err)
{
    struct change *change = &in->change;
    change->offset = in->record->offset;
    change->unchanged = in->record->unchanged;
    if (in->has_key) {
        TRY(key_decode(table->key->plan, in->key, table->key->values, err));
        in->key_is_read = true;
        change->key = in->key;
        change->key_values = table->key->values;
    }
    if (in->record->pos.len == 0)
        return err_set(err, ERR_AVRO_MALFORMED, "the record has no header leat.pos");
    if (position_decode(in->record->pos, &change->pos, err) != RC_OK)
        return err_set(err, ERR_AVRO_MALFORMED, "the header leat.pos has %zu bytes", in->record->pos.len);
    in->event = (struct event){.before = table->value->before, .after = table->value->after};
    TRY(event_decode(table->value->plan, in->value, &in->event, err));
    change->op = in->event.op;
    if (change->op != OP_TRUNCATE && !in->has_key)
        return err_set(err, ERR_VALUE_UNLOADABLE, "the event of a row has no key");
    if (change->op == OP_TRUNCATE || change->op == OP_DELETE)
        return RC_OK;
    if (!in->event.has_after)
        return err_set(err, ERR_AVRO_MALFORMED, "the event has no row in `after`");
    change->row = in->event.after;
    return in->record->moved_from.len == 0 ? RC_OK : decode_moved_from(batch, in, err);
}

static enum rc take_in(struct sink_batch *batch, struct sink_batch_table *table, struct incoming *in, struct err *err)
{
    TRY(find_plans(batch, table, in, err));
    TRY(check_fits(batch, table, err));
    TRY(decode(batch, table, in, err));
    if (table->batch == NULL)
        table->batch = table_batch_open(batch, table->table->target);
    return table_batch_add(table->batch, table->value->shape, &in->change, err);
}

static enum rc reject(struct sink_batch *batch, struct sink_batch_table *table, struct incoming *in,
                      const struct err *why, struct err *err)
{
    if (in->record->pos.len != POSITION_BYTES || position_decode(in->record->pos, &in->change.pos, err) != RC_OK)
        in->change.pos = (struct position){0, (uint64_t)in->record->offset}; /* still an identity in its topic */
    const struct rejected rejected = {
        .source = batch->sources[table->source].name,
        .topic = table->table->topic,
        .table = table->table->name,
        .record = in->record,
        .pos = in->change.pos,
        .schema_id = in->schema_id,
        .key_values = in->key_is_read ? table->key->values : NULL,
        .n_key_values = in->key_is_read ? table->key->shape->n_columns : 0,
        .why = why,
    };
    return rejects_put(batch->rejects, &rejected, err);
}

static enum rc add_one(struct sink_batch *batch, struct sink_batch_table *table, const struct log_record *record,
                       struct err *err)
{
    if (record->value.len == 0)
        return RC_OK; /* a tombstone: the delete before it says all */
    struct incoming in = {.record = record};
    struct err why = {0};
    enum rc rc = take_in(batch, table, &in, &why);
    if (rc == RC_REJECT)
        rc = reject(batch, table, &in, &why, err);
    else if (rc != RC_OK)
        *err = why;
    if (rc != RC_OK)
        return rc;
    if (batch->events++ == 0)
        batch->opened_ms = clock_mono_ms();
    batch->bytes += record->key.len + record->value.len;
    struct position *high = &batch->sources[table->source].high;
    if (position_compare(in.change.pos, *high) > 0)
        *high = in.change.pos;
    return RC_OK;
}

enum rc sink_batch_add(struct sink_batch *batch, size_t source, const struct ledger_events *events, size_t *at,
                       struct err *err)
{
    struct sink_batch_table *table;
    TRY(table_of(batch, source, events->topic, &table, err));
    for (; *at < events->n; ++*at) {
        enum rc rc = add_one(batch, table, &events->records[*at], err);
        if (rc == RC_OK || rc == RC_AGAIN || rc == RC_RETRY)
            TRY(rc);
        else
            return err_wrap(err, "topic %s, offset %lld", events->topic, (long long)events->records[*at].offset);
    }
    return RC_OK;
}

/* ---- handing over ---- */

void sink_batch_load(const struct sink_batch *batch, const struct progress *progress, struct load *ret_load)
{
    struct load load = {.sources = must(calloc(MAX(batch->n_sources, (size_t)1), sizeof(struct load_source))),
                        .tables = must(calloc(MAX(batch->n_tables, (size_t)1), sizeof(struct load_table)))};
    for (size_t i = 0; i < batch->n_sources; i++) {
        const struct sink_batch_source *source = &batch->sources[i];
        if (source->next > source->from)
            load.sources[load.n_sources++] = (struct load_source){
                .source = source->name, .ledger_from = source->from, .ledger_next = source->next, .high = source->high};
    }
    for (size_t i = 0; i < batch->n_tables; i++) {
        const struct sink_batch_table *table = &batch->tables[i];
        struct table_batch_stats stats;
        if (table->batch == NULL)
            continue;
        table_batch_stats(table->batch, &stats);
        if (stats.events == 0)
            continue;
        load.tables[load.n_tables++] = (struct load_table){
            .target = table->table->target,
            .batch = table->batch,
            .source = batch->sources[table->source].name,
            .topic = table->table->topic,
            .applied = progress[table->source].high,
            .replay = position_compare(stats.min_pos, progress[table->source].high) <= 0,
        };
    }
    *ret_load = load;
}

void sink_load_done(struct load *load)
{
    free(load->sources);
    free(load->tables);
    *load = (struct load){0};
}
