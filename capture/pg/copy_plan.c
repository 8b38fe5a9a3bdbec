#include "capture/pg/copy_plan.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "capture/pg/lsn.h"

enum {
    COPY_MAX_TABLES = 1 << 20, /* believed of a ledger */
    COPY_MAX_CHUNKS = 1 << 24, /* of one heap; the largest heap has 2^32 blocks */
    COPY_MAX_COPIED = 1 << 24,
};

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : must(strdup(text));
}

/* ---- heaps ---- */

void pg_copy_heap_restart(struct pg_copy_heap *heap, uint32_t filenode, uint32_t n_blocks, uint32_t chunk_blocks)
{
    uint64_t n_chunks = chunk_blocks == 0 ? 1
                                          : MAX(((uint64_t)n_blocks + chunk_blocks - 1) / chunk_blocks, (uint64_t)1);
    if (n_chunks > COPY_MAX_CHUNKS) {
        chunk_blocks = (uint32_t)(((uint64_t)n_blocks + COPY_MAX_CHUNKS - 1) / COPY_MAX_CHUNKS);
        n_chunks = ((uint64_t)n_blocks + chunk_blocks - 1) / chunk_blocks;
    }
    uint8_t *chunks = must(realloc(heap->chunks, n_chunks));
    memset(chunks, PG_CHUNK_TODO, n_chunks);
    *heap = (struct pg_copy_heap){.oid = heap->oid,
                                  .schema = heap->schema,
                                  .name = heap->name,
                                  .filenode = filenode,
                                  .n_blocks = n_blocks,
                                  .chunk_blocks = chunk_blocks,
                                  .n_chunks = (uint32_t)n_chunks,
                                  .chunks = chunks};
}

static struct pg_copy_heap *find_heap(struct pg_copy_table *table, uint32_t oid)
{
    for (size_t i = 0; i < table->n_heaps; i++)
        if (table->heaps[i].oid == oid)
            return &table->heaps[i];
    return NULL;
}

static struct pg_copy_heap *add_heap(struct pg_copy_table *table, uint32_t oid, uint32_t filenode, uint32_t n_blocks,
                                     uint32_t chunk_blocks)
{
    table->heaps = must(realloc(table->heaps, (table->n_heaps + 1) * sizeof(*table->heaps)));
    struct pg_copy_heap *heap = &table->heaps[table->n_heaps++];
    *heap = (struct pg_copy_heap){.oid = oid};
    pg_copy_heap_restart(heap, filenode, n_blocks, chunk_blocks);
    return heap;
}

struct pg_copy_heap *pg_copy_table_put_heap(struct pg_copy_table *table, const struct pg_copy_found *found,
                                            uint32_t chunk_blocks)
{
    struct pg_copy_heap *heap = find_heap(table, found->oid);
    if (heap == NULL)
        heap = add_heap(table, found->oid, found->filenode, found->n_blocks, chunk_blocks);
    else if (heap->filenode != found->filenode || (heap->n_done == 0 && heap->n_under_way == 0))
        pg_copy_heap_restart(heap, found->filenode, found->n_blocks, chunk_blocks);
    free(heap->schema);
    free(heap->name);
    heap->schema = copy_text(found->schema);
    heap->name = copy_text(found->name);
    return heap;
}

static void heap_done(struct pg_copy_heap *heap)
{
    free(heap->schema);
    free(heap->name);
    free(heap->chunks);
}

static void keep_heaps(struct pg_copy_table *table, const struct pg_copy_found *found, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->n_heaps; i++) {
        bool is_there = false;
        for (size_t k = 0; k < n && !is_there; k++)
            is_there = found[k].oid == table->heaps[i].oid;
        if (is_there)
            table->heaps[kept++] = table->heaps[i];
        else
            heap_done(&table->heaps[i]);
    }
    table->n_heaps = kept;
}

/* ---- tables ---- */

static void table_free(struct pg_copy_table *table)
{
    for (size_t i = 0; i < table->n_heaps; i++)
        heap_done(&table->heaps[i]);
    free(table->heaps);
    free(table->name);
    free(table->where);
    free(table->error);
    free(table);
}

void pg_copy_plan_done(struct pg_copy_plan *plan)
{
    for (size_t i = 0; i < plan->n_tables; i++)
        table_free(plan->tables[i]);
    free(plan->tables);
    free(plan->copied);
    *plan = (struct pg_copy_plan){0};
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

struct pg_copy_table *pg_copy_plan_find(const struct pg_copy_plan *plan, uint32_t table_oid)
{
    for (size_t i = 0; i < plan->n_tables; i++)
        if (plan->tables[i]->oid == table_oid)
            return plan->tables[i];
    return NULL;
}

static struct pg_copy_table *append_table(struct pg_copy_plan *plan, uint32_t table_oid)
{
    if (plan->n_tables == plan->max_tables) {
        plan->max_tables = MAX(plan->max_tables * 2, (size_t)16);
        plan->tables = must(realloc(plan->tables, plan->max_tables * sizeof(struct pg_copy_table *)));
    }
    struct pg_copy_table *table = must(calloc(1, sizeof(*table)));
    table->oid = table_oid;
    plan->tables[plan->n_tables++] = table;
    return table;
}

void pg_copy_plan_add(struct pg_copy_plan *plan, uint32_t table_oid, const char *name, const char *where)
{
    for (size_t i = 0; i < plan->n_tables; i++)
        if (plan->tables[i]->oid == table_oid && same_text(plan->tables[i]->where, where))
            return;
    struct pg_copy_table *table = append_table(plan, table_oid);
    table->name = copy_text(name);
    table->where = copy_text(where);
}

void pg_copy_plan_remove(struct pg_copy_plan *plan, struct pg_copy_table *table, bool copied)
{
    size_t at = 0;
    while (plan->tables[at] != table)
        at++;
    for (size_t i = 0; i < table->n_heaps; i++)
        plan->gone_chunks += table->heaps[i].n_done;
    memmove(&plan->tables[at], &plan->tables[at + 1], (plan->n_tables - at - 1) * sizeof(struct pg_copy_table *));
    plan->n_tables--;
    if (plan->n_tables == 0) {
        plan->began_us = 0;
        plan->gone_chunks = 0;
    }
    if (copied)
        pg_copy_plan_set_copied(plan, table->oid, true);
    table_free(table);
}

void pg_copy_table_park(struct pg_copy_table *table, const char *error, int64_t retry_mono_ms)
{
    free(table->error);
    table->error = copy_text(error);
    table->attempts++;
    table->retry_mono_ms = retry_mono_ms;
}

bool pg_copy_table_is_begun(const struct pg_copy_table *table)
{
    for (size_t i = 0; i < table->n_heaps; i++)
        if (table->heaps[i].n_done > 0)
            return true;
    return false;
}

bool pg_copy_table_is_done(const struct pg_copy_table *table)
{
    for (size_t i = 0; i < table->n_heaps; i++)
        if (table->heaps[i].n_done < table->heaps[i].n_chunks)
            return false;
    return table->n_heaps > 0;
}

/* ---- what has been copied ---- */

static size_t lower_bound(const struct pg_copy_plan *plan, uint32_t oid)
{
    size_t low = 0, high = plan->n_copied;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (plan->copied[middle] < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool pg_copy_plan_is_copied(const struct pg_copy_plan *plan, uint32_t table_oid)
{
    size_t at = lower_bound(plan, table_oid);
    return at < plan->n_copied && plan->copied[at] == table_oid;
}

void pg_copy_plan_set_copied(struct pg_copy_plan *plan, uint32_t table_oid, bool copied)
{
    size_t at = lower_bound(plan, table_oid);
    bool is_in = at < plan->n_copied && plan->copied[at] == table_oid;
    if (copied == is_in)
        return;
    if (copied && plan->n_copied == plan->max_copied) {
        plan->max_copied = MAX(plan->max_copied * 2, (size_t)16);
        plan->copied = must(realloc(plan->copied, plan->max_copied * sizeof(uint32_t)));
    }
    uint32_t *from = plan->copied + at;
    size_t after = plan->n_copied - at;
    if (copied) {
        memmove(from + 1, from, after * sizeof(uint32_t));
        *from = table_oid;
        plan->n_copied++;
    } else {
        memmove(from, from + 1, (after - 1) * sizeof(uint32_t));
        plan->n_copied--;
    }
}

/* The heaps of one table stand together, tables in the plan's order; one table may be in the plan twice. */
void pg_copy_plan_found(struct pg_copy_plan *plan, const struct pg_copy_found *found, size_t n, uint32_t chunk_blocks)
{
    for (size_t i = plan->n_tables; i-- > 0;) {
        struct pg_copy_table *table = plan->tables[i];
        size_t first = 0, end;
        while (first < n && found[first].table_oid != table->oid)
            first++;
        for (end = first; end < n && found[end].table_oid == table->oid; end++)
            pg_copy_table_put_heap(table, &found[end], chunk_blocks);
        keep_heaps(table, found + first, end - first);
        if (end == first)
            pg_copy_plan_remove(plan, table, true);
    }
}

/* ---- chunks ---- */

static bool take_of_heap(struct pg_copy_heap *heap, uint32_t *ret_n)
{
    while (heap->first_todo < heap->n_chunks && heap->chunks[heap->first_todo] != PG_CHUNK_TODO)
        heap->first_todo++;
    if (heap->first_todo == heap->n_chunks)
        return false;
    *ret_n = heap->first_todo++;
    heap->chunks[*ret_n] = PG_CHUNK_UNDER_WAY;
    heap->n_under_way++;
    return true;
}

bool pg_copy_plan_take(struct pg_copy_plan *plan, int64_t now_mono_ms, bool ends, struct pg_chunk *ret_chunk)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        struct pg_copy_table *table = plan->tables[i];
        if (ends && !(table->whole && table->announced))
            continue;
        if (table->waits || (table->error != NULL && table->retry_mono_ms > now_mono_ms))
            continue;
        for (size_t h = 0; h < table->n_heaps; h++) {
            if (!take_of_heap(&table->heaps[h], &ret_chunk->n))
                continue;
            ret_chunk->table = table;
            ret_chunk->heap = &table->heaps[h];
            return true;
        }
    }
    return false;
}

void pg_copy_plan_finish(const struct pg_chunk *chunk, uint64_t rows, uint64_t bytes)
{
    chunk->heap->chunks[chunk->n] = PG_CHUNK_DONE;
    chunk->heap->n_under_way--;
    chunk->heap->n_done++;
    chunk->table->rows += rows;
    chunk->table->bytes += bytes;
    chunk->table->attempts = 0;
    free(chunk->table->error);
    chunk->table->error = NULL;
}

void pg_copy_plan_give_back(const struct pg_chunk *chunk)
{
    chunk->heap->chunks[chunk->n] = PG_CHUNK_TODO;
    chunk->heap->n_under_way--;
    chunk->heap->first_todo = MIN(chunk->heap->first_todo, chunk->n);
}

void pg_copy_table_restart(struct pg_copy_table *table)
{
    table->rows = table->bytes = 0;
    for (size_t i = 0; i < table->n_heaps; i++) {
        struct pg_copy_heap *heap = &table->heaps[i];
        for (uint32_t n = 0; n < heap->n_chunks; n++)
            if (heap->chunks[n] == PG_CHUNK_DONE)
                heap->chunks[n] = PG_CHUNK_TODO;
        heap->n_done = heap->first_todo = 0;
    }
}

int64_t pg_copy_plan_due_ms(const struct pg_copy_plan *plan, int64_t now_mono_ms)
{
    int64_t least = -1;
    for (size_t i = 0; i < plan->n_tables; i++) {
        const struct pg_copy_table *table = plan->tables[i];
        int64_t left = table->error == NULL ? 0 : MAX(table->retry_mono_ms - now_mono_ms, 0);
        least = least < 0 ? left : MIN(least, left);
    }
    return least;
}

void pg_chunk_blocks(const struct pg_chunk *chunk, uint32_t *ret_first, uint32_t *ret_end)
{
    const struct pg_copy_heap *heap = chunk->heap;
    *ret_first = chunk->n * heap->chunk_blocks;
    *ret_end = chunk->n + 1 == heap->n_chunks ? UINT32_MAX : (chunk->n + 1) * heap->chunk_blocks;
}

static void count_heap(const struct pg_copy_heap *heap, struct pg_copy_totals *totals)
{
    totals->chunks += heap->n_chunks;
    totals->chunks_done += heap->n_done;
    totals->blocks += heap->n_blocks;
    totals->blocks_done += (uint64_t)heap->n_blocks * heap->n_done / heap->n_chunks;
}

void pg_copy_plan_totals(const struct pg_copy_plan *plan, struct pg_copy_totals *ret)
{
    struct pg_copy_totals totals = {.tables = plan->n_tables};
    for (size_t i = 0; i < plan->n_tables; i++) {
        const struct pg_copy_table *table = plan->tables[i];
        totals.parked += table->error != NULL;
        totals.rows += table->rows;
        totals.bytes += table->bytes;
        for (size_t h = 0; h < table->n_heaps; h++)
            count_heap(&table->heaps[h], &totals);
    }
    *ret = totals;
}

/* ---- lists of numbers: "16384,5*999,-3" is 16384, then 999 numbers each 5 above the one before, then one 3 below ---- */

struct list_writer {
    struct buf *out;
    int64_t last, step;
    uint64_t run; /* steps not yet written */
    bool empty;
};

static void list_flush(struct list_writer *writer)
{
    if (writer->run == 0)
        return;
    buf_printf(writer->out, "%s%" PRId64, writer->empty ? "" : ",", writer->step);
    if (writer->run > 1)
        buf_printf(writer->out, "*%" PRIu64, writer->run);
    writer->empty = false;
    writer->run = 0;
}

static void list_put(struct list_writer *writer, uint32_t number)
{
    int64_t step = (int64_t)number - writer->last;
    if (writer->run > 0 && step != writer->step)
        list_flush(writer);
    writer->step = step;
    writer->run++;
    writer->last = number;
}

/* Calls `put` for each number; false: the text is not such a list. */
static bool list_read(const char *text, size_t most, void (*put)(struct pg_copy_plan *plan, uint32_t number),
                      struct pg_copy_plan *plan)
{
    int64_t last = 0;
    size_t n = 0;
    while (*text != '\0') {
        char *end;
        int64_t step = strtoll(text, &end, 10), run = 1;
        if (end == text)
            return false;
        if (*end == '*')
            run = strtoll(text = end + 1, &end, 10);
        if (end == text || run < 1 || (*end != ',' && *end != '\0') || step > UINT32_MAX || step < -(int64_t)UINT32_MAX)
            return false;
        for (; run > 0; run--) {
            last += step;
            if (last < 0 || last > UINT32_MAX || ++n > most)
                return false;
            put(plan, (uint32_t)last);
        }
        if (*end == '\0')
            return true;
        text = end + 1;
    }
    return true;
}

static void put_queued(struct pg_copy_plan *plan, uint32_t oid)
{
    append_table(plan, oid);
}

static void put_copied(struct pg_copy_plan *plan, uint32_t oid)
{
    pg_copy_plan_set_copied(plan, oid, true);
}

/* ---- encode ---- */

static void put_text(struct buf *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(out, ",\"%s\":", name);
    buf_put_json_string(out, slice_of_str(value));
}

/* "0-17,19" */
static void put_done(const struct pg_copy_heap *heap, struct buf *out)
{
    const char *comma = "";
    for (uint32_t n = 0; n < heap->n_chunks; n++) {
        uint32_t first = n;
        if (heap->chunks[n] != PG_CHUNK_DONE)
            continue;
        while (n + 1 < heap->n_chunks && heap->chunks[n + 1] == PG_CHUNK_DONE)
            n++;
        buf_printf(out, "%s%u", comma, first);
        if (n > first)
            buf_printf(out, "-%u", n);
        comma = ",";
    }
}

/* Nothing but its number is worth keeping. */
static bool is_only_queued(const struct pg_copy_table *table)
{
    return table->where == NULL && table->error == NULL && !pg_copy_table_is_begun(table);
}

static void put_table(const struct pg_copy_table *table, struct buf *out)
{
    const char *comma = "";
    buf_printf(out, "{\"oid\":%u", table->oid);
    put_text(out, "name", table->name);
    put_text(out, "where", table->where);
    put_text(out, "error", table->error);
    buf_printf(out, ",\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"heaps\":[", table->rows, table->bytes);
    for (size_t i = 0; i < table->n_heaps; i++) {
        const struct pg_copy_heap *heap = &table->heaps[i];
        if (heap->n_done == 0)
            continue;
        buf_printf(out, "%s{\"oid\":%u,\"file\":%u,\"blocks\":%u,\"chunk\":%u,\"done\":\"", comma, heap->oid,
                   heap->filenode, heap->n_blocks, heap->chunk_blocks);
        put_done(heap, out);
        buf_put_str(out, "\"}");
        comma = ",";
    }
    buf_put_str(out, "]}");
}

static void put_tables(const struct pg_copy_plan *plan, struct buf *out)
{
    const char *comma = "";
    buf_put_str(out, ",\"tables\":[");
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (is_only_queued(plan->tables[i]))
            continue;
        buf_put_str(out, comma);
        put_table(plan->tables[i], out);
        comma = ",";
    }
    buf_put_u8(out, ']');
}

static void put_totals(const struct pg_copy_plan *plan, struct buf *out)
{
    struct pg_copy_totals totals;
    pg_copy_plan_totals(plan, &totals);
    buf_printf(out, ",\"chunks\":[%" PRIu64 ",%" PRIu64 "],\"blocks\":[%" PRIu64 ",%" PRIu64 "]", totals.chunks_done,
               totals.chunks, totals.blocks_done, totals.blocks);
    if (plan->began_us != 0)
        buf_printf(out, ",\"began_us\":%" PRId64 ",\"gone_chunks\":%" PRIu64, plan->began_us, plan->gone_chunks);
}

void pg_copy_plan_encode(const struct pg_copy_plan *plan, struct buf *out)
{
    char lsn[LSN_TEXT_BYTES];
    struct list_writer queue = {.out = out, .empty = true}, copied = {.out = out, .empty = true};
    buf_printf(out, "{\"next_request\":%" PRId64 ",\"fill_until\":\"%s\",\"truncate\":%s,\"copied\":\"",
               plan->next_request, lsn_format(plan->fill_until, lsn), plan->truncate ? "true" : "false");
    for (size_t i = 0; i < plan->n_copied; i++)
        list_put(&copied, plan->copied[i]);
    list_flush(&copied);
    buf_put_u8(out, '"');
    if (plan->n_tables > 0) {
        buf_put_str(out, ",\"queue\":\"");
        for (size_t i = 0; i < plan->n_tables; i++)
            if (is_only_queued(plan->tables[i]))
                list_put(&queue, plan->tables[i]->oid);
        list_flush(&queue);
        buf_put_u8(out, '"');
        put_tables(plan, out);
        put_totals(plan, out);
    }
    buf_put_u8(out, '}');
}

double pg_copy_plan_seconds_left(const struct pg_copy_plan *plan, const struct pg_copy_totals *totals, int64_t now_us)
{
    uint64_t done = totals->chunks_done + plan->gone_chunks;
    if (plan->began_us == 0 || done == 0 || totals->chunks == 0)
        return -1;
    double taken_s = (double)(now_us - plan->began_us) / US_PER_S;
    return taken_s / (double)done * (double)(totals->chunks - totals->chunks_done);
}

/* ---- decode ---- */

DEFINE_SCOPED(json_t *, json_decref)

static enum rc malformed(struct err *err, const char *name)
{
    return err_set(err, ERR_LEDGER_MALFORMED, "the ledger's state of the copy has no valid \"%s\"", name);
}

static enum rc get_number(const json_t *object, const char *name, int64_t max, int64_t *ret, struct err *err)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
        return malformed(err, name);
    *ret = json_integer_value(value);
    return RC_OK;
}

/* NULL when it is absent, which `required` forbids. */
static enum rc get_text(const json_t *object, const char *name, bool required, const char **ret, struct err *err)
{
    const json_t *value = json_object_get(object, name);
    if ((value == NULL && required) || (value != NULL && !json_is_string(value)))
        return malformed(err, name);
    *ret = json_string_value(value);
    return RC_OK;
}

static enum rc read_done(struct pg_copy_heap *heap, const char *text, struct err *err)
{
    while (*text != '\0') {
        char *end;
        unsigned long first = strtoul(text, &end, 10), last = first;
        if (end == text)
            return malformed(err, "done");
        if (*end == '-')
            last = strtoul(text = end + 1, &end, 10);
        if (end == text || last < first || last >= heap->n_chunks || (*end != ',' && *end != '\0'))
            return malformed(err, "done");
        for (unsigned long n = first; n <= last; n++) {
            heap->n_done += heap->chunks[n] == PG_CHUNK_TODO;
            heap->chunks[n] = PG_CHUNK_DONE;
        }
        text = *end == '\0' ? end : end + 1;
    }
    return RC_OK;
}

static enum rc read_heap(const json_t *json, struct pg_copy_table *table, struct err *err)
{
    int64_t oid, file, blocks, chunk;
    const char *done;
    TRY(get_number(json, "oid", UINT32_MAX, &oid, err));
    TRY(get_number(json, "file", UINT32_MAX, &file, err));
    TRY(get_number(json, "blocks", UINT32_MAX, &blocks, err));
    TRY(get_number(json, "chunk", UINT32_MAX, &chunk, err));
    TRY(get_text(json, "done", true, &done, err));
    return read_done(add_heap(table, (uint32_t)oid, (uint32_t)file, (uint32_t)blocks, (uint32_t)chunk), done, err);
}

static enum rc read_table(const json_t *json, struct pg_copy_plan *plan, struct err *err)
{
    int64_t oid, rows, bytes;
    const char *name, *where, *error;
    const json_t *heaps = json_object_get(json, "heaps");
    TRY(get_number(json, "oid", UINT32_MAX, &oid, err));
    TRY(get_number(json, "rows", INT64_MAX, &rows, err));
    TRY(get_number(json, "bytes", INT64_MAX, &bytes, err));
    TRY(get_text(json, "name", false, &name, err));
    TRY(get_text(json, "where", false, &where, err));
    TRY(get_text(json, "error", false, &error, err));
    if (!json_is_array(heaps))
        return malformed(err, "heaps");
    struct pg_copy_table *table = append_table(plan, (uint32_t)oid);
    table->name = copy_text(name);
    table->where = copy_text(where);
    table->error = copy_text(error);
    table->rows = (uint64_t)rows;
    table->bytes = (uint64_t)bytes;
    for (size_t i = 0; i < json_array_size(heaps); i++)
        TRY(read_heap(json_array_get(heaps, i), table, err));
    return RC_OK;
}

/* Tables that were begun come first: they are the ones at the front. */
static enum rc read_plan(const json_t *json, struct pg_copy_plan *plan, struct err *err)
{
    const char *text;
    const json_t *tables = json_object_get(json, "tables");
    TRY(get_number(json, "next_request", INT64_MAX, &plan->next_request, err));
    TRY(get_text(json, "fill_until", true, &text, err));
    if (lsn_parse(text, &plan->fill_until, err) != RC_OK)
        return malformed(err, "fill_until");
    if (json_object_get(json, "began_us") != NULL) {
        int64_t gone;
        TRY(get_number(json, "began_us", INT64_MAX, &plan->began_us, err));
        TRY(get_number(json, "gone_chunks", INT64_MAX, &gone, err));
        plan->gone_chunks = (uint64_t)gone;
    }
    if (!json_is_boolean(json_object_get(json, "truncate")))
        return malformed(err, "truncate");
    plan->truncate = json_is_true(json_object_get(json, "truncate"));
    TRY(get_text(json, "copied", true, &text, err));
    if (!list_read(text, COPY_MAX_COPIED, put_copied, plan))
        return malformed(err, "copied");
    if (tables != NULL && !json_is_array(tables))
        return malformed(err, "tables");
    for (size_t i = 0; i < json_array_size(tables); i++)
        TRY(read_table(json_array_get(tables, i), plan, err));
    TRY(get_text(json, "queue", false, &text, err));
    if (text != NULL && !list_read(text, COPY_MAX_TABLES, put_queued, plan))
        return malformed(err, "queue");
    return RC_OK;
}

enum rc pg_copy_plan_decode(struct slice state, struct pg_copy_plan *ret_plan, bool *ret_known, struct err *err)
{
    struct pg_copy_plan plan = {0};
    json_error_t error;
    SCOPED(json_decref) json_t *json = state.len == 0 ? NULL
                                                      : json_loadb((const char *)state.ptr, state.len, 0, &error);
    const json_t *copy = json_object_get(json, "copy");
    if (copy != NULL && !json_is_object(copy))
        return malformed(err, "copy");
    enum rc rc = copy == NULL ? RC_OK : read_plan(copy, &plan, err);
    if (rc != RC_OK) {
        pg_copy_plan_done(&plan);
        return rc;
    }
    *ret_plan = plan;
    *ret_known = copy != NULL;
    return RC_OK;
}
