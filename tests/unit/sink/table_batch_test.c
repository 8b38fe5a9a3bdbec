#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <zstd.h>

#include "sink/csv.h"
#include "sink/table_batch.h"

/* ---- a store in memory ---- */

enum { MAX_OBJECTS = 4096 };

struct object {
    char key[256];
    struct buf bytes;
};

struct memory {
    struct object objects[MAX_OBJECTS];
    size_t n;
    bool open;
    int fail_after_puts; /* -1: never */
};

static enum rc memory_open(void *context, const char *key, struct err *err)
{
    struct memory *memory = context;
    (void)err;
    assert_false(memory->open);
    size_t at = 0;
    while (at < memory->n && strcmp(memory->objects[at].key, key) != 0)
        at++;
    assert_true(at < MAX_OBJECTS);
    struct object *object = &memory->objects[at];
    if (at == memory->n)
        object->bytes = buf_new((size_t)1 << 30);
    buf_clear(&object->bytes);
    snprintf(object->key, sizeof(object->key), "%s", key);
    /* The open object is the last one. */
    if (at == memory->n) {
        memory->n++;
    } else {
        struct object moved = *object;
        memory->objects[at] = memory->objects[memory->n - 1];
        memory->objects[memory->n - 1] = moved;
    }
    memory->open = true;
    return RC_OK;
}

static enum rc memory_put(void *context, struct slice bytes, struct err *err)
{
    struct memory *memory = context;
    if (memory->fail_after_puts == 0)
        return err_set(err, ERR_S3_TRANSIENT, "the store is asked to fail");
    if (memory->fail_after_puts > 0)
        memory->fail_after_puts--;
    buf_put_slice(&memory->objects[memory->n - 1].bytes, bytes);
    return RC_OK;
}

static enum rc memory_finish(void *context, uint64_t *ret_bytes, struct err *err)
{
    struct memory *memory = context;
    (void)err;
    memory->open = false;
    *ret_bytes = memory->objects[memory->n - 1].bytes.len;
    return RC_OK;
}

static void memory_abort(void *context)
{
    struct memory *memory = context;
    if (memory->open)
        buf_done(&memory->objects[--memory->n].bytes);
    memory->open = false;
}

static void memory_clear(struct memory *memory)
{
    for (size_t i = 0; i < memory->n; i++)
        buf_done(&memory->objects[i].bytes);
    *memory = (struct memory){.fail_after_puts = -1};
}

static struct part_store store_of(struct memory *memory)
{
    return (struct part_store){memory, memory_open, memory_put, memory_finish, memory_abort};
}

static const struct object *object_of(const struct memory *memory, const char *key)
{
    for (size_t i = 0; i < memory->n; i++)
        if (strcmp(memory->objects[i].key, key) == 0)
            return &memory->objects[i];
    return NULL;
}

/* All parts that the manifest names, decompressed, one behind the other. */
static struct buf loaded_csv(const struct memory *memory, const char *manifest_key, size_t *ret_n_parts)
{
    struct buf csv = buf_new((size_t)1 << 30);
    const struct object *manifest = object_of(memory, manifest_key);
    assert_non_null(manifest);
    struct buf copy = buf_new(1 << 24);
    buf_put_slice(&copy, buf_slice(&manifest->bytes));
    size_t n_parts = 0;
    for (const char *at = strstr(buf_cstr(&copy), "s3://bucket/"); at != NULL; at = strstr(at, "s3://bucket/")) {
        char key[256];
        unsigned long long bytes = 0;
        at += strlen("s3://bucket/");
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(at, "\""), at);
        assert_int_equal(1,
                         sscanf(at + strlen(key), "\",\"mandatory\":true,\"meta\":{\"content_length\":%llu}}", &bytes));
        const struct object *part = object_of(memory, key);
        assert_non_null(part);
        CHECK_EQ(part->bytes.len, bytes, "the manifest tells each part's length");
        unsigned long long size = 0;
        ZSTD_DStream *zstd = ZSTD_createDStream();
        ZSTD_inBuffer in = {part->bytes.ptr, part->bytes.len, 0};
        while (in.pos < in.size) {
            uint8_t chunk[65536];
            ZSTD_outBuffer out = {chunk, sizeof(chunk), 0};
            assert_false(ZSTD_isError(ZSTD_decompressStream(zstd, &out, &in)));
            buf_put(&csv, chunk, out.pos);
            size += out.pos;
        }
        ZSTD_freeDStream(zstd);
        assert_true(size > 0);
        n_parts++;
    }
    buf_done(&copy);
    *ret_n_parts = n_parts;
    return csv;
}

/* ---- a table: id BIGINT key, small INTEGER, note VARCHAR, doc VARCHAR ---- */

enum { N_COLUMNS = 4, COL_ID = 0, COL_SMALL, COL_NOTE, COL_DOC };
static struct column columns[] = {
    {.name = "id", .type = COLUMN_INT64},
    {.name = "Small", .type = COLUMN_INT32, .optional = true},
    {.name = "note", .type = COLUMN_STRING, .optional = true},
    {.name = "doc", .type = COLUMN_STRING, .optional = true},
};
static const uint16_t keys[] = {COL_ID};
static const struct table_shape shape = {.topic = "bank.public.Rows", .columns = columns, .n_columns = N_COLUMNS};

static struct target *new_target(void)
{
    struct target *target = NULL;
    struct err err = {0};
    ASSERT_OK(target_new("dwh", &shape, keys, 1, &target, &err), &err);
    return target;
}

/* A value of the model: NULL, or text. */
struct cell {
    bool is_null;
    char text[48];
};

struct model_row {
    bool in_batch, deleted, partial; /* what the batch says of the key */
    struct cell cells[N_COLUMNS];
    bool keep[N_COLUMNS];
    int64_t from;
    uint64_t pos;
};

static struct avro_value long_value(int64_t n)
{
    return (struct avro_value){.kind = AVRO_VALUE_LONG, .i = n};
}

static struct avro_value value_of(const struct cell *cell, size_t column)
{
    if (cell->is_null)
        return (struct avro_value){.kind = AVRO_VALUE_NULL};
    if (column <= COL_SMALL)
        return long_value(strtoll(cell->text, NULL, 10));
    return (struct avro_value){.kind = AVRO_VALUE_BYTES, .bytes = slice_of_str(cell->text)};
}

/* What one event needs to live while it is added. */
struct event_storage {
    uint8_t key[8], from[8], unchanged[1];
    struct avro_value key_values[1], from_values[1], row[N_COLUMNS];
};

static struct change change_of(struct event_storage *s, enum envelope_op op, int64_t id, const struct cell *cells,
                               uint8_t unchanged, int64_t moved_from, uint64_t pos)
{
    memcpy(s->key, &id, 8);
    memcpy(s->from, &moved_from, 8);
    s->key_values[0] = long_value(id);
    s->from_values[0] = long_value(moved_from);
    s->unchanged[0] = unchanged;
    for (size_t i = 0; cells != NULL && i < N_COLUMNS; i++)
        s->row[i] = i == COL_ID ? long_value(id) : value_of(&cells[i], i);
    /* A placeholder stands where a value did not travel; whoever reads it is found out. */
    for (size_t i = 0; i < N_COLUMNS; i++)
        if ((unchanged >> i & 1) != 0)
            s->row[i] = (struct avro_value){.kind = AVRO_VALUE_BYTES, .bytes = slice_of_str("__placeholder__")};
    return (struct change){
        .op = op,
        .key = slice_of(s->key, 8),
        .key_values = s->key_values,
        .row = cells == NULL ? NULL : s->row,
        .unchanged = unchanged == 0 ? (struct slice){0} : slice_of(s->unchanged, 1),
        .moved_from = moved_from < 0 ? (struct slice){0} : slice_of(s->from, 8),
        .moved_from_values = s->from_values,
        .pos = {pos, 3},
    };
}

static struct table_batch_budget budget_of(size_t memory_bytes, size_t part_bytes)
{
    return (struct table_batch_budget){memory_bytes, part_bytes, "/tmp"};
}

/* ---- named cases: a short script of events, and the lines that must be staged ---- */

/* op id [note doc]; '=' did not travel, '-' NULL; m<from> a key change. */
struct step {
    enum envelope_op op;
    int64_t id;
    const char *note, *doc;
    int64_t moved_from; /* 0: none (ids begin with 1) */
    enum rc want;
};

#define DELETED(id)                                                                                                    \
    {                                                                                                                  \
        OP_DELETE, id, NULL, NULL, 0, RC_OK                                                                            \
    }
#define TRUNCATED                                                                                                      \
    {                                                                                                                  \
        OP_TRUNCATE, 0, NULL, NULL, 0, RC_OK                                                                           \
    }

static const struct {
    const char *behaviour;
    struct step steps[6];
    const char *want; /* sorted by id, without _leat_pos */
} net_effects[] = {
    {"an insert is an upsert", {{OP_CREATE, 1, "a", "d", 0, RC_OK}}, "1,7,\"a\",\"d\",u\n"},
    {"a snapshot row is an upsert", {{OP_READ, 1, "a", "d", 0, RC_OK}}, "1,7,\"a\",\"d\",u\n"},
    {"the last image wins",
     {{OP_CREATE, 1, "a", "d", 0, RC_OK}, {OP_UPDATE, 1, "b", "e", 0, RC_OK}},
     "1,7,\"b\",\"e\",u\n"},
    {"a delete is staged with its key alone", {DELETED(1)}, "1,@NULL@,@NULL@,@NULL@,d\n"},
    {"a row made and deleted in the batch is still deleted",
     {{OP_CREATE, 1, "a", "d", 0, RC_OK}, DELETED(1)},
     "1,@NULL@,@NULL@,@NULL@,d\n"},
    {"delete and insert is an upsert", {DELETED(1), {OP_CREATE, 1, "a", "d", 0, RC_OK}}, "1,7,\"a\",\"d\",u\n"},
    {"a key change deletes the old key",
     {{OP_CREATE, 2, "a", "d", 1, RC_OK}},
     "1,@NULL@,@NULL@,@NULL@,d\n2,7,\"a\",\"d\",u\n"},
    {"also when its delete came as an event",
     {DELETED(1), {OP_CREATE, 2, "a", "d", 1, RC_OK}},
     "1,@NULL@,@NULL@,@NULL@,d\n2,7,\"a\",\"d\",u\n"},
    {"two keys that change places",
     {{OP_CREATE, 9, "a", "d", 1, RC_OK}, {OP_CREATE, 1, "b", "e", 2, RC_OK}, {OP_CREATE, 2, "a", "d", 9, RC_OK}},
     "1,7,\"b\",\"e\",u\n2,7,\"a\",\"d\",u\n9,@NULL@,@NULL@,@NULL@,d\n"},
    {"a key change to itself is none", {{OP_UPDATE, 1, "a", "d", 1, RC_OK}}, "1,7,\"a\",\"d\",u\n"},

    {"what did not travel comes from the earlier image",
     {{OP_CREATE, 1, "a", "d,\"x\"", 0, RC_OK}, {OP_UPDATE, 1, "b", "=", 0, RC_OK}},
     "1,7,\"b\",\"d,\"\"x\"\"\",u\n"},
    {"a NULL that did not travel stays NULL",
     {{OP_CREATE, 1, "a", "-", 0, RC_OK}, {OP_UPDATE, 1, "b", "=", 0, RC_OK}},
     "1,7,\"b\",@NULL@,u\n"},
    {"or from the warehouse", {{OP_UPDATE, 1, "b", "=", 0, RC_OK}}, "1,7,\"b\",@NULL@,u,0001,1\n"},
    {"rows beside a partial one say that they are whole",
     {{OP_UPDATE, 1, "b", "=", 0, RC_OK}, {OP_CREATE, 2, "a", "d", 0, RC_OK}, DELETED(3)},
     "1,7,\"b\",@NULL@,u,0001,1\n2,7,\"a\",\"d\",u,@NULL@,@NULL@\n3,@NULL@,@NULL@,@NULL@,d,@NULL@,@NULL@\n"},
    {"two partial images keep what neither has",
     {{OP_UPDATE, 1, "=", "=", 0, RC_OK}, {OP_UPDATE, 1, "b", "=", 0, RC_OK}},
     "1,7,\"b\",@NULL@,u,0001,1\n"},
    {"and take what one has",
     {{OP_UPDATE, 1, "=", "d", 0, RC_OK}, {OP_UPDATE, 1, "b", "=", 0, RC_OK}},
     "1,7,\"b\",\"d\",u\n"},
    {"a whole image ends a partial one",
     {{OP_UPDATE, 1, "=", "=", 0, RC_OK}, {OP_UPDATE, 1, "b", "d", 0, RC_OK}},
     "1,7,\"b\",\"d\",u\n"},
    {"a partial key change takes from the old key's image",
     {{OP_CREATE, 1, "a", "d", 0, RC_OK}, {OP_CREATE, 2, "b", "=", 1, RC_OK}},
     "1,@NULL@,@NULL@,@NULL@,d\n2,7,\"b\",\"d\",u\n"},
    {"also behind the delete that belongs to it",
     {{OP_CREATE, 1, "a", "d", 0, RC_OK}, DELETED(1), {OP_CREATE, 2, "b", "=", 1, RC_OK}},
     "1,@NULL@,@NULL@,@NULL@,d\n2,7,\"b\",\"d\",u\n"},
    {"or from the old key's row in the warehouse",
     {DELETED(1), {OP_CREATE, 2, "b", "=", 1, RC_OK}},
     "1,@NULL@,@NULL@,@NULL@,d,@NULL@,@NULL@\n2,7,\"b\",@NULL@,u,0001,1\n"},
    {"along a chain of key changes the first one counts",
     {{OP_CREATE, 2, "b", "=", 1, RC_OK}, {OP_CREATE, 3, "=", "=", 2, RC_OK}},
     "1,@NULL@,@NULL@,@NULL@,d,@NULL@,@NULL@\n2,@NULL@,@NULL@,@NULL@,d,@NULL@,@NULL@\n3,7,\"b\",@NULL@,u,0001,1\n"},
    {"a key that comes back completes from itself",
     {{OP_CREATE, 2, "b", "=", 1, RC_OK}, {OP_CREATE, 1, "c", "=", 2, RC_OK}},
     "1,7,\"c\",@NULL@,u,0001,1\n2,@NULL@,@NULL@,@NULL@,d,@NULL@,@NULL@\n"},
    {"a partial image after a delete cannot be completed",
     {DELETED(1), {OP_UPDATE, 1, "b", "=", 0, RC_REJECT}},
     "1,@NULL@,@NULL@,@NULL@,d\n"},
    {"nor from an old key that was deleted for good",
     {DELETED(1), DELETED(1), {OP_CREATE, 2, "b", "=", 1, RC_REJECT}},
     "1,@NULL@,@NULL@,@NULL@,d\n"},

    {"a truncate forgets what came before",
     {{OP_CREATE, 1, "a", "d", 0, RC_OK}, TRUNCATED, {OP_CREATE, 2, "b", "e", 0, RC_OK}},
     "2,7,\"b\",\"e\",u\n"},
    {"after a truncate nothing can be completed",
     {TRUNCATED, {OP_UPDATE, 1, "b", "=", 0, RC_REJECT}, {OP_CREATE, 2, "b", "=", 1, RC_REJECT}},
     ""},
    {"but from an image that came after it",
     {TRUNCATED, {OP_CREATE, 1, "a", "d", 0, RC_OK}, {OP_UPDATE, 1, "b", "=", 0, RC_OK}},
     "1,7,\"b\",\"d\",u\n"},
    {"a rejected change leaves the batch as it was",
     {{OP_CREATE, 1, "a", "d", 0, RC_OK}, {OP_UPDATE, 1, "\xff", "e", 0, RC_REJECT}},
     "1,7,\"a\",\"d\",u\n"},
    {"a rejected key change too",
     {{OP_CREATE, 1, "a", "d", 0, RC_OK}, {OP_CREATE, 2, "\xff", "e", 1, RC_REJECT}},
     "1,7,\"a\",\"d\",u\n"},
    {"a value like the marker gets another marker",
     {{OP_CREATE, 1, "@NULL@", "-", 0, RC_OK}},
     "1,7,\"@NULL@\",@NULL1@,u\n"},
};

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines in order, the second-to-last-known field _leat_pos cut out. */
static void sorted_without_pos(struct buf *csv, struct buf *out)
{
    char *lines[64];
    size_t n = 0;
    (void)buf_cstr(csv);
    for (char *line = strtok((char *)csv->ptr, "\n"); line != NULL; line = strtok(NULL, "\n"))
        lines[n++] = line;
    qsort(lines, n, sizeof(lines[0]), compare_lines);
    for (size_t i = 0; i < n; i++) {
        struct slice rest = slice_of_str(lines[i]);
        for (int field = 0; rest.len > 0; field++) {
            struct slice text = csv_next_field(&rest);
            if (field == N_COLUMNS) {
                CHECK_EQ(33, text.len, "_leat_pos has 33 characters");
                continue;
            }
            buf_put(out, ",", field > 0);
            buf_put_slice(out, text);
        }
        buf_put_u8(out, '\n');
    }
}

static struct cell cell_of(const char *text)
{
    struct cell cell = {.is_null = text == NULL || strcmp(text, "-") == 0};
    snprintf(cell.text, sizeof(cell.text), "%s", text == NULL ? "" : text);
    return cell;
}

static void run_step(struct table_batch *batch, const struct step *step, uint64_t pos, const char *behaviour)
{
    struct event_storage storage = {0};
    struct err err = {0};
    struct cell cells[N_COLUMNS] = {{0}, {.text = "7"}, cell_of(step->note), cell_of(step->doc)};
    bool has_row = step->op != OP_DELETE && step->op != OP_TRUNCATE;
    uint8_t unchanged = 0;
    if (has_row && strcmp(step->note, "=") == 0)
        unchanged |= 1 << COL_NOTE;
    if (has_row && strcmp(step->doc, "=") == 0)
        unchanged |= 1 << COL_DOC;
    struct change change = change_of(&storage, step->op, step->id, has_row ? cells : NULL, unchanged,
                                     step->moved_from == 0 ? -1 : step->moved_from, pos);
    enum rc rc = table_batch_add(batch, &shape, &change, &err);
    if (rc != step->want)
        fail_msg("%s: step %llu gives %s: %s", behaviour, (unsigned long long)pos, rc_name(rc), err.msg);
}

static void test_net_effects(void **state)
{
    (void)state;
    static struct memory memory;
    struct target *target = new_target();
    struct table_batch_budget budget = budget_of(1 << 20, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(net_effects); i++) {
        const char *behaviour = net_effects[i].behaviour;
        memory_clear(&memory);
        struct table_batch *batch = table_batch_new(target, &budget);
        for (size_t step = 0; step < ARRAY_LEN(net_effects[i].steps) && net_effects[i].steps[step].op != 0; step++)
            run_step(batch, &net_effects[i].steps[step], step, behaviour);
        char manifest_key[1024] = "?";
        struct err err = {0};
        struct part_store store = store_of(&memory);
        ASSERT_OK(table_batch_store(batch, &store, "bucket", "p/t", manifest_key, &err), &err);
        SCOPED(buf_done) struct buf out = buf_new(1 << 16);
        if (manifest_key[0] != '\0') {
            size_t n_parts;
            SCOPED(buf_done) struct buf csv = loaded_csv(&memory, manifest_key, &n_parts);
            sorted_without_pos(&csv, &out);
        }
        CHECK_STR(net_effects[i].want, buf_cstr(&out), behaviour);
        table_batch_free(batch);
    }
    memory_clear(&memory);
    target_free(target);
}

/* ---- random histories against a plain model ---- */

enum { MODEL_KEYS = 40 };

static uint64_t random_state;
static uint64_t random_below(uint64_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % n;
}

/* Two worlds: `source` is what the source database holds; `warehouse` what was there before the batch. The
 * batch, applied to the warehouse the way the transaction does it, must give the source. */
struct world {
    bool exists;
    struct cell cells[N_COLUMNS];
};

static struct cell random_cell(size_t column)
{
    static const char *const texts[] = {"", "a", "@NULL@", "x,\"y\"\nz", "\xc3\xb6", "\\N", " b "};
    struct cell cell = {.is_null = random_below(5) == 0};
    if (column == COL_SMALL)
        snprintf(cell.text, sizeof(cell.text), "%d", (int)random_below(1000) - 500);
    else
        snprintf(cell.text, sizeof(cell.text), "%s%llu", texts[random_below(ARRAY_LEN(texts))],
                 (unsigned long long)random_below(3) == 0 ? 0ull : (unsigned long long)random_below(100));
    if (column != COL_SMALL && random_below(4) == 0)
        snprintf(cell.text, sizeof(cell.text), "%s", texts[random_below(ARRAY_LEN(texts))]);
    return cell;
}

static void add_checked(struct table_batch *batch, const struct change *change)
{
    struct err err = {0};
    ASSERT_OK(table_batch_add(batch, &shape, change, &err), &err);
}

/* A change that the source could really have made, in both the source and the batch. */
static void random_change(struct world source[MODEL_KEYS], struct table_batch *batch, uint64_t pos)
{
    struct event_storage s = {0}, s2 = {0};
    size_t id = random_below(MODEL_KEYS), to = random_below(MODEL_KEYS);
    if (random_below(150) == 0) {
        struct change change = change_of(&s, OP_TRUNCATE, 0, NULL, 0, -1, pos);
        add_checked(batch, &change);
        for (size_t i = 0; i < MODEL_KEYS; i++)
            source[i].exists = false;
        return;
    }
    if (!source[id].exists) {
        for (size_t c = 1; c < N_COLUMNS; c++)
            source[id].cells[c] = random_cell(c);
        source[id].exists = true;
        struct change change = change_of(&s, random_below(2) ? OP_CREATE : OP_READ, (int64_t)id, source[id].cells, 0,
                                         -1, pos);
        add_checked(batch, &change);
        return;
    }
    if (random_below(4) == 0) {
        struct change change = change_of(&s, OP_DELETE, (int64_t)id, NULL, 0, -1, pos);
        add_checked(batch, &change);
        source[id].exists = false;
        return;
    }
    /* An update; large columns may not travel, and then they are as they were. */
    struct world row = source[id];
    uint8_t unchanged = 0;
    for (size_t c = 1; c < N_COLUMNS; c++) {
        if (c >= COL_NOTE && random_below(2) == 0)
            unchanged |= (uint8_t)(1u << c);
        else
            row.cells[c] = random_cell(c);
    }
    bool moves = random_below(3) == 0 && to != id && !source[to].exists;
    if (!moves) {
        struct change change = change_of(&s, OP_UPDATE, (int64_t)id, row.cells, unchanged, -1, pos);
        add_checked(batch, &change);
        source[id] = row;
        return;
    }
    if (random_below(2) == 0) { /* the delete of the old key as an event of its own, as Debezium has it */
        struct change gone = change_of(&s2, OP_DELETE, (int64_t)id, NULL, 0, -1, pos);
        add_checked(batch, &gone);
    }
    struct change change = change_of(&s, OP_CREATE, (int64_t)to, row.cells, unchanged, (int64_t)id, pos);
    add_checked(batch, &change);
    source[id].exists = false;
    source[to] = row;
}

static struct cell parsed_cell(struct slice field, const char *marker)
{
    struct cell cell = {.is_null = slice_eq_str(field, marker)};
    if (cell.is_null)
        return cell;
    size_t n = 0;
    bool quoted = field.len > 0 && field.ptr[0] == '"';
    for (size_t i = quoted; i < field.len - quoted; i++) {
        cell.text[n++] = (char)field.ptr[i];
        i += quoted && field.ptr[i] == '"';
    }
    cell.text[n] = '\0';
    return cell;
}

/* One staged line into the model of the staging table; how many bytes it took. */
static size_t parse_line(struct slice csv, const char *marker, bool with_keep, struct model_row *row, int64_t *ret_id)
{
    size_t end = 0;
    for (bool quoted = false; quoted || csv.ptr[end] != '\n'; end++)
        quoted ^= csv.ptr[end] == '"';
    struct slice rest = slice_of(csv.ptr, end);
    *row = (struct model_row){.in_batch = true};
    for (size_t c = 0; c < N_COLUMNS; c++)
        row->cells[c] = parsed_cell(csv_next_field(&rest), marker);
    *ret_id = strtoll(row->cells[COL_ID].text, NULL, 10);
    struct cell pos = parsed_cell(csv_next_field(&rest), marker);
    row->pos = strtoull(pos.text, NULL, 16);
    row->deleted = slice_eq_str(csv_next_field(&rest), "d");
    if (with_keep) {
        struct cell keep = parsed_cell(csv_next_field(&rest), marker),
                    from = parsed_cell(csv_next_field(&rest), marker);
        row->partial = !keep.is_null;
        CHECK_EQ(keep.is_null, from.is_null, "a partial row says where it stands");
        for (size_t c = 0; row->partial && c < N_COLUMNS; c++)
            row->keep[c] = keep.text[c] == '1';
        row->from = strtoll(from.text, NULL, 10);
    }
    CHECK_EQ(0, rest.len, "a line has no more fields");
    return end + 1;
}

static void apply_like_the_transaction(struct world warehouse[MODEL_KEYS], struct table_batch *batch,
                                       const struct memory *memory, const char *manifest_key)
{
    static struct model_row stage[MODEL_KEYS];
    struct table_batch_stats stats;
    size_t n_parts, n_upserts = 0, n_deletes = 0, n_partial = 0;
    memset(stage, 0, sizeof(stage));
    table_batch_stats(batch, &stats);
    if (manifest_key[0] != '\0') {
        SCOPED(buf_done) struct buf csv = loaded_csv(memory, manifest_key, &n_parts);
        for (size_t at = 0; at < csv.len;) {
            struct model_row row;
            int64_t id;
            at += parse_line(slice_of(csv.ptr + at, csv.len - at), table_batch_null_marker(batch), stats.partial > 0,
                             &row, &id);
            CHECK_EQ(false, stage[id].in_batch, "each key is staged once");
            stage[id] = row;
            n_upserts += !row.deleted;
            n_deletes += row.deleted;
            n_partial += row.partial;
        }
    }
    CHECK_EQ(stats.upserts, n_upserts, "the upserts are counted");
    CHECK_EQ(stats.deletes, n_deletes, "the deletes are counted");
    CHECK_EQ(stats.partial, n_partial, "the partial rows are counted");

    for (size_t i = 0; i < MODEL_KEYS; i++)
        for (size_t c = 0; stage[i].partial && c < N_COLUMNS; c++)
            if (stage[i].keep[c]) {
                CHECK_EQ(true, warehouse[stage[i].from].exists, "a partial row's row is in the warehouse");
                CHECK_EQ(true, table_batch_keeps(batch, c), "the batch knows that the column is kept");
                stage[i].cells[c] = warehouse[stage[i].from].cells[c];
            }
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        if (stats.truncated)
            warehouse[i].exists = false;
        if (!stage[i].in_batch)
            continue;
        warehouse[i].exists = !stage[i].deleted;
        memcpy(warehouse[i].cells, stage[i].cells, sizeof(stage[i].cells));
    }
}

static void check_worlds(const struct world *want, const struct world *got, uint64_t seed)
{
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        if (want[i].exists != got[i].exists)
            fail_msg("seed %llu: row %zu %s", (unsigned long long)seed, i,
                     want[i].exists ? "is missing" : "is too many");
        for (size_t c = 1; want[i].exists && c < N_COLUMNS; c++)
            if (want[i].cells[c].is_null != got[i].cells[c].is_null ||
                (!want[i].cells[c].is_null && strcmp(want[i].cells[c].text, got[i].cells[c].text) != 0))
                fail_msg("seed %llu: row %zu column %zu is \"%s\" instead of \"%s\"", (unsigned long long)seed, i, c,
                         got[i].cells[c].text, want[i].cells[c].text);
    }
}

static void test_random_histories_give_the_source(void **state)
{
    (void)state;
    enum { ROUNDS = 150, BATCHES = 4 };
    static struct memory memory;
    const char *given = getenv("LEAT_SEED");
    uint64_t first = given == NULL ? 1 : strtoull(given, NULL, 10);
    struct target *target = new_target();
    memory_clear(&memory);
    for (uint64_t seed = first; seed < first + ROUNDS; seed++) {
        struct world source[MODEL_KEYS] = {0}, warehouse[MODEL_KEYS] = {0};
        uint64_t pos = 1;
        random_state = seed;
        /* Every other round spills all the time, and makes many parts. */
        struct table_batch_budget budget = seed % 2 ? budget_of(1 << 20, 1 << 20) : budget_of(600, 200);
        for (int n = 0; n < BATCHES; n++) {
            struct table_batch *batch = table_batch_new(target, &budget);
            for (size_t changes = random_below(300); changes > 0; changes--)
                random_change(source, batch, pos++);
            char manifest_key[1024];
            struct err err = {0};
            struct part_store store = store_of(&memory);
            ASSERT_OK(table_batch_store(batch, &store, "bucket", "p/t", manifest_key, &err), &err);
            apply_like_the_transaction(warehouse, batch, &memory, manifest_key);
            check_worlds(source, warehouse, seed);
            table_batch_free(batch);
            memory_clear(&memory);
        }
    }
    target_free(target);
}

/* ---- storing ---- */

static struct table_batch *batch_of_rows(const struct target *target, size_t n, struct table_batch_budget budget)
{
    struct table_batch *batch = table_batch_new(target, &budget);
    for (size_t i = 0; i < n; i++) {
        struct step step = {OP_CREATE, (int64_t)i + 1, "some note", "some document", 0, RC_OK};
        run_step(batch, &step, i, "a row");
    }
    return batch;
}

static void test_parts_close_at_their_size(void **state)
{
    (void)state;
    static struct memory memory;
    memory_clear(&memory);
    struct target *target = new_target();
    struct table_batch *batch = batch_of_rows(target, 1000, budget_of(1 << 20, 10000));
    struct part_store store = store_of(&memory);
    char manifest_key[1024];
    struct err err = {0};
    ASSERT_OK(table_batch_store(batch, &store, "bucket", "leat/wh/7/rows", manifest_key, &err), &err);
    CHECK_STR("leat/wh/7/rows/manifest.json", manifest_key, "the manifest stands beside the parts");
    size_t n_parts, lines = 0;
    SCOPED(buf_done) struct buf csv = loaded_csv(&memory, manifest_key, &n_parts);
    for (size_t i = 0; i < csv.len; i++)
        lines += csv.ptr[i] == '\n';
    CHECK_EQ(1000, lines, "no row is lost between parts");
    CHECK_EQ(csv.len / 10000 + 1, n_parts, "a part ends when it has its bytes");
    CHECK_EQ(n_parts + 1, memory.n, "nothing else is written");
    assert_non_null(object_of(&memory, "leat/wh/7/rows/part-00000.csv.zst"));
    table_batch_free(batch);
    memory_clear(&memory);
    target_free(target);
}

static void test_a_failed_upload_is_done_again(void **state)
{
    (void)state;
    static struct memory memory, again;
    memory_clear(&memory);
    memory_clear(&again);
    struct target *target = new_target();
    struct table_batch *batch = batch_of_rows(target, 1000, budget_of(1000, 10000));
    struct part_store store = store_of(&memory), second = store_of(&again);
    char manifest_key[1024];
    struct err err = {0};
    for (int puts = 0; puts < 6; puts++) {
        memory.fail_after_puts = puts;
        CHECK_EQ(RC_RETRY, table_batch_store(batch, &store, "bucket", "p", manifest_key, &err),
                 "the store's error is passed on");
        CHECK_EQ(false, memory.open, "and nothing stays open");
    }
    memory.fail_after_puts = -1;
    ASSERT_OK(table_batch_store(batch, &store, "bucket", "p", manifest_key, &err), &err);
    ASSERT_OK(table_batch_store(batch, &second, "bucket", "p", manifest_key, &err), &err);
    CHECK_EQ(again.n, memory.n, "the same objects");
    for (size_t i = 0; i < again.n; i++) {
        const struct object *other = object_of(&memory, again.objects[i].key);
        assert_non_null(other);
        CHECK_EQ(1, slice_eq(buf_slice(&again.objects[i].bytes), buf_slice(&other->bytes)), "with the same bytes");
    }
    table_batch_free(batch);
    memory_clear(&memory);
    memory_clear(&again);
    target_free(target);
}

static void test_a_batch_of_nothing(void **state)
{
    (void)state;
    static struct memory memory;
    memory_clear(&memory);
    struct target *target = new_target();
    struct table_batch_budget budget = budget_of(1 << 20, 1 << 20);
    struct table_batch *batch = table_batch_new(target, &budget);
    struct step truncate = {.op = OP_TRUNCATE};
    run_step(batch, &truncate, 5, "a truncate");
    struct part_store store = store_of(&memory);
    struct table_batch_stats stats;
    char manifest_key[1024] = "?";
    struct err err = {0};
    ASSERT_OK(table_batch_store(batch, &store, "bucket", "p", manifest_key, &err), &err);
    table_batch_stats(batch, &stats);
    CHECK_STR("", manifest_key, "a truncate alone stages nothing");
    CHECK_EQ(0, memory.n, "no object is written");
    CHECK_EQ(1, stats.truncated, "but the batch says that the table is emptied");
    CHECK_EQ(5, stats.truncate_pos.major, "and when");
    CHECK_EQ(1, stats.events, "it is an event");
    table_batch_free(batch);
    target_free(target);
}

static void test_an_older_shape_of_the_events(void **state)
{
    (void)state;
    static struct memory memory;
    memory_clear(&memory);
    static struct column older_columns[] = {{.name = "note", .type = COLUMN_STRING},
                                            {.name = "ID", .type = COLUMN_INT64}};
    static const struct table_shape older = {.topic = "bank.public.Rows", .columns = older_columns, .n_columns = 2};
    struct target *target = new_target();
    struct table_batch *batch = batch_of_rows(target, 1, budget_of(1 << 20, 1 << 20));
    struct event_storage s = {0};
    struct err err = {0};
    struct change change = change_of(&s, OP_CREATE, 2, NULL, 0, -1, 9);
    const struct avro_value row[] = {{.kind = AVRO_VALUE_BYTES, .bytes = slice_of_str("old")}, long_value(2)};
    change.row = row;
    ASSERT_OK(table_batch_add(batch, &older, &change, &err), &err);
    struct part_store store = store_of(&memory);
    char manifest_key[1024];
    ASSERT_OK(table_batch_store(batch, &store, "bucket", "p", manifest_key, &err), &err);
    size_t n_parts;
    SCOPED(buf_done) struct buf csv = loaded_csv(&memory, manifest_key, &n_parts), out = buf_new(1 << 16);
    sorted_without_pos(&csv, &out);
    CHECK_STR("1,7,\"some note\",\"some document\",u\n2,@NULL@,\"old\",@NULL@,u\n", buf_cstr(&out),
              "columns are found by name, and what is not there is NULL");
    table_batch_free(batch);
    memory_clear(&memory);
    target_free(target);
}

static void test_a_row_that_copy_cannot_take(void **state)
{
    (void)state;
    enum { WIDE = 70, TEXT_BYTES = 65000 };
    static struct column wide_columns[WIDE];
    static char names[WIDE][8], text[TEXT_BYTES];
    static struct avro_value row[WIDE];
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < WIDE; i++) {
        snprintf(names[i], sizeof(names[i]), "c%d", i);
        wide_columns[i] = (struct column){.name = names[i], .type = i == 0 ? COLUMN_INT64 : COLUMN_STRING};
        row[i] = i == 0 ? long_value(1)
                        : (struct avro_value){.kind = AVRO_VALUE_BYTES, .bytes = slice_of(text, TEXT_BYTES)};
    }
    const struct table_shape wide = {.topic = "t", .columns = wide_columns, .n_columns = WIDE};
    struct target *target = NULL;
    struct err err = {0};
    ASSERT_OK(target_new("dwh", &wide, keys, 1, &target, &err), &err);
    struct table_batch_budget budget = budget_of(1 << 20, 1 << 20);
    struct table_batch *batch = table_batch_new(target, &budget);
    struct event_storage s = {0};
    struct change change = change_of(&s, OP_CREATE, 1, NULL, 0, -1, 1);
    change.row = row;
    CHECK_EQ(RC_REJECT, table_batch_add(batch, &wide, &change, &err), "a row over 4 MiB is rejected");
    CHECK_EQ(ERR_VALUE_TOO_LONG, err.code, "with the code for it");
    row[WIDE - 1].bytes.len = row[WIDE - 2].bytes.len = row[WIDE - 3].bytes.len = row[WIDE - 4].bytes.len =
        row[WIDE - 5].bytes.len = row[WIDE - 6].bytes.len = 1;
    ASSERT_OK(table_batch_add(batch, &wide, &change, &err), &err);
    table_batch_free(batch);
    target_free(target);
}

/* The limit on the size of files stands in for a disk without room. */
static enum rc add_on_full_disk(struct table_batch *batch, const struct change *change, struct err *err)
{
    struct rlimit before;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, before.rlim_max});
    enum rc rc = table_batch_add(batch, &shape, change, err);
    setrlimit(RLIMIT_FSIZE, &before);
    return rc;
}

static void test_a_full_disk_takes_nothing_in(void **state)
{
    (void)state;
    static struct memory memory;
    memory_clear(&memory);
    struct target *target = new_target();
    struct table_batch *batch = batch_of_rows(target, 2, budget_of(1, 1 << 20));
    struct cell cells[N_COLUMNS] = {{0}, {.text = "7"}, {.text = "moved"}, {0}};
    struct event_storage s = {0};
    struct err err = {0};
    struct change change = change_of(&s, OP_CREATE, 9, cells, 1 << COL_DOC, 1, 50); /* a delete and a row at once */
    struct table_batch_stats before, after;
    table_batch_stats(batch, &before);
    CHECK_EQ(RC_RETRY, add_on_full_disk(batch, &change, &err), "a full disk is waited for");
    CHECK_EQ(ERR_DISK_FULL, err.code, "with the code for it");
    table_batch_stats(batch, &after);
    CHECK_EQ(0, memcmp(&before, &after, sizeof(before)), "neither half of the key change was taken in");
    ASSERT_OK(table_batch_add(batch, &shape, &change, &err), &err);

    struct part_store store = store_of(&memory);
    char manifest_key[1024];
    ASSERT_OK(table_batch_store(batch, &store, "bucket", "p", manifest_key, &err), &err);
    size_t n_parts;
    SCOPED(buf_done) struct buf csv = loaded_csv(&memory, manifest_key, &n_parts), out = buf_new(1 << 16);
    sorted_without_pos(&csv, &out);
    CHECK_STR("1,@NULL@,@NULL@,@NULL@,d\n2,7,\"some note\",\"some document\",u\n9,7,\"moved\",\"some document\",u\n",
              buf_cstr(&out), "and the second try takes both in, with what did not travel read back from the disk");
    table_batch_free(batch);
    memory_clear(&memory);
    target_free(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_net_effects),
        cmocka_unit_test(test_random_histories_give_the_source),
        cmocka_unit_test(test_parts_close_at_their_size),
        cmocka_unit_test(test_a_failed_upload_is_done_again),
        cmocka_unit_test(test_a_batch_of_nothing),
        cmocka_unit_test(test_an_older_shape_of_the_events),
        cmocka_unit_test(test_a_row_that_copy_cannot_take),
        cmocka_unit_test(test_a_full_disk_takes_nothing_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
