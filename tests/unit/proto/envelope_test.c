#include "test.h"

#include <stdlib.h>

#include "proto/avro_oracle.h"
#include "proto/envelope.h"
#include "proto/row.h"
#include "proto/shapes.h"

enum { SCHEMA_MAX_BYTES = 1 << 20 };

static const struct envelope_source pg_source = {
    .connector = CONNECTOR_POSTGRESQL,
    .name = "bank",
    .database = "stori",
    .schema = "public",
    .table = "all_types",
    .commit_time_us = 1795459547123456,
    .transaction_id = 4294967295,
    .lsn = 0x16B374848,
};

static const struct envelope_source docdb_source = {
    .connector = CONNECTOR_DOCUMENTDB,
    .name = "bank",
    .database = "stori-docdb-2023",
    .table = "trades",
    .commit_time_us = 1795459547000000,
    .ordinal = 7,
};

static void read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("could not open %s", path);
    uint8_t *at;
    size_t n;
    while ((at = buf_reserve(out, 4096)) != NULL && (n = fread(at, 1, 4096, file)) > 0)
        out->len += n;
    fclose(file);
    while (out->len > 0 && out->ptr[out->len - 1] == '\n')
        out->len--;
}

/* tests/unit/proto/debezium: made by Debezium's own classes through Apicurio's Avro converter; see its
 * README. */
static void schemas_are_debeziums_byte_for_byte(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf want = buf_new(SCHEMA_MAX_BYTES);
    SCOPED(buf_done) struct buf got = buf_new(SCHEMA_MAX_BYTES);
    struct err err;
    read_file("unit/proto/debezium/postgresql_all_types.avsc", &want);
    ASSERT_OK(envelope_schema(&got, &all_shape, CONNECTOR_POSTGRESQL, &err), &err);
    CHECK_STR(buf_cstr(&want), buf_cstr(&got), "value schema");
    buf_clear(&want);
    buf_clear(&got);
    read_file("unit/proto/debezium/postgresql_key.avsc", &want);
    ASSERT_OK(envelope_key_schema(&got, &all_shape, &err), &err);
    CHECK_STR(buf_cstr(&want), buf_cstr(&got), "key schema");
}

static void the_rarer_types_are_debeziums_too(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf want = buf_new(SCHEMA_MAX_BYTES);
    SCOPED(buf_done) struct buf got = buf_new(SCHEMA_MAX_BYTES);
    uint16_t all[MORE_COLUMNS];
    for (uint16_t i = 0; i < MORE_COLUMNS; i++)
        all[i] = i;
    struct table_shape shape = more_shape;
    shape.key_columns = all;
    shape.n_key_columns = MORE_COLUMNS;
    struct err err;
    read_file("unit/proto/debezium/postgresql_more_types_key.avsc", &want);
    ASSERT_OK(envelope_key_schema(&got, &shape, &err), &err);
    CHECK_STR(buf_cstr(&want), buf_cstr(&got), "key schema");
}

static void the_source_block_of_documents_is_debeziums(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf want = buf_new(SCHEMA_MAX_BYTES);
    SCOPED(buf_done) struct buf got = buf_new(SCHEMA_MAX_BYTES);
    struct err err;
    read_file("unit/proto/debezium/mongodb_source.avsc", &want);
    ASSERT_OK(envelope_schema(&got, &bank_shape, CONNECTOR_DOCUMENTDB, &err), &err);
    assert_non_null(strstr(buf_cstr(&got), buf_cstr(&want)));
}

static void names_become_avro_names(void **state)
{
    (void)state;
    struct column columns[] = {{.name = "_id", .type = COLUMN_STRING},
                               {.name = "2nd caf\xc3\xa9", .type = COLUMN_INT32}};
    const struct table_shape shape = {"bank.stori-docdb-2023.3d", columns, 2, (uint16_t[]){0}, 1};
    SCOPED(buf_done) struct buf out = buf_new(SCHEMA_MAX_BYTES);
    struct err err;
    struct oracle oracle;
    ASSERT_OK(envelope_schema(&out, &shape, CONNECTOR_DOCUMENTDB, &err), &err);
    oracle_open(&oracle, buf_slice(&out));
    oracle_close(&oracle);
    assert_non_null(strstr(buf_cstr(&out), "\"namespace\":\"bank.stori_docdb_2023._3d\""));
    assert_non_null(strstr(buf_cstr(&out), "\"connect.name\":\"bank.stori_docdb_2023._3d.Envelope\""));
    assert_non_null(strstr(buf_cstr(&out), "{\"name\":\"_2nd_caf_\",\"type\":\"int\"}"));
}

static void two_columns_of_one_avro_name_are_refused(void **state)
{
    (void)state;
    struct column columns[] = {{.name = "a b"}, {.name = "c"}, {.name = "a-b"}};
    const struct table_shape shape = {"bank.public.t", columns, 3, NULL, 0};
    SCOPED(buf_done) struct buf out = buf_new(SCHEMA_MAX_BYTES);
    struct err err;
    CHECK_EQ(RC_FATAL, envelope_schema(&out, &shape, CONNECTOR_POSTGRESQL, &err), "rc");
    CHECK_EQ(ERR_COLUMN_NAMES, err.code, "code");
    assert_non_null(strstr(err.msg, "\"a_b\""));
}

static void a_schema_that_does_not_fit_is_an_error(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = buf_new(300);
    struct err err;
    CHECK_EQ(RC_FATAL, envelope_schema(&out, &all_shape, CONNECTOR_POSTGRESQL, &err), "rc");
    CHECK_EQ(ERR_MEMORY_LIMIT, err.code, "code");
}

static void check_slice(const char *want, struct slice got, const char *what)
{
    if (!slice_eq_str(got, want))
        fail_msg("%s: want \"%s\", got \"%.*s\"", what, want, SLICE_ARG(got));
}

static void check_value(const struct oracle *oracle, const char *path, const struct column *column)
{
    switch (column->type) {
    case COLUMN_BOOL: CHECK_EQ(1, oracle_long(oracle, path), path); break;
    case COLUMN_INT16: CHECK_EQ(-32768, oracle_long(oracle, path), path); break;
    case COLUMN_INT32: CHECK_EQ(INT32_MIN, oracle_long(oracle, path), path); break;
    case COLUMN_INT64: CHECK_EQ(INT64_MIN, oracle_long(oracle, path), path); break;
    case COLUMN_FLOAT: assert_true(oracle_double(oracle, path) == 1.25); break;
    case COLUMN_DOUBLE: assert_true(oracle_double(oracle, path) == -2.5e300); break;
    case COLUMN_DECIMAL: check_slice("\xb6\x69\xfd\x2e", oracle_bytes(oracle, path), path); break;
    case COLUMN_VARIABLE_DECIMAL: {
        char inner[128];
        snprintf(inner, sizeof(inner), "%s.scale", path);
        CHECK_EQ(1, oracle_long(oracle, inner), inner);
        snprintf(inner, sizeof(inner), "%s.value", path);
        CHECK_EQ(true, slice_eq(slice_of("\x0a\0\0\0\0\0\0\0\5", 9), oracle_bytes(oracle, inner)), inner);
        break;
    }
    case COLUMN_BYTES: CHECK_EQ(true, slice_eq(slice_of("\0\xff", 2), oracle_bytes(oracle, path)), path); break;
    case COLUMN_DATE: CHECK_EQ(-719162, oracle_long(oracle, path), path); break;
    case COLUMN_TIME_US: CHECK_EQ(INT64_C(86399999999), oracle_long(oracle, path), path); break;
    case COLUMN_TIMESTAMP_US: CHECK_EQ(INT64_C(-62135596800000000), oracle_long(oracle, path), path); break;
    case COLUMN_TIMESTAMP_MS: CHECK_EQ(INT64_C(1795459547123), oracle_long(oracle, path), path); break;
    case COLUMN_INTERVAL_US: CHECK_EQ(-1, oracle_long(oracle, path), path); break;
    case COLUMN_STRING:
    case COLUMN_UUID:
    case COLUMN_JSON:
    case COLUMN_XML:
    case COLUMN_ENUM:
    case COLUMN_ZONED_TIME:
    case COLUMN_ZONED_TIMESTAMP: check_slice("caf\xc3\xa9", oracle_bytes(oracle, path), path); break;
    default: fail_msg("%s is of a type that all_shape does not have", path);
    }
}

static void check_row(const struct oracle *oracle, const char *side, const struct table_shape *shape, bool with_nulls)
{
    for (size_t i = 0; i < shape->n_columns; i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s.%s", side, shape->columns[i].name);
        if (shape->columns[i].optional && with_nulls)
            CHECK_EQ(true, oracle_is_null(oracle, path), path);
        else
            check_value(oracle, path, &shape->columns[i]);
    }
}

static void check_common(const struct oracle *oracle, const struct envelope_source *source, char op, int64_t now_us)
{
    char want_op[] = {op, '\0'};
    check_slice("bank", oracle_bytes(oracle, "source.name"), "name");
    check_slice(LEAT_VERSION, oracle_bytes(oracle, "source.version"), "version");
    check_slice(source->snapshot ? "true" : "false", oracle_bytes(oracle, "source.snapshot"), "snapshot");
    check_slice(source->database, oracle_bytes(oracle, "source.db"), "db");
    if (source->lsn == 0)
        CHECK_EQ(true, oracle_is_null(oracle, "source.sequence"), "sequence");
    CHECK_EQ(source->commit_time_us, oracle_long(oracle, "source.ts_us"), "ts_us");
    CHECK_EQ(true, oracle_is_null(oracle, "transaction"), "transaction");
    check_slice(want_op, oracle_bytes(oracle, "op"), "op");
    CHECK_EQ(now_us / 1000, oracle_long(oracle, "ts_ms"), "ts_ms");
    CHECK_EQ(now_us, oracle_long(oracle, "ts_us"), "ts_us");
    CHECK_EQ(now_us * 1000, oracle_long(oracle, "ts_ns"), "ts_ns");
}

struct fixture {
    struct buf schema, event;
    struct oracle oracle;
    struct envelope *envelope;
};

static void open_fixture(struct fixture *f, const struct table_shape *shape, const struct envelope_source *source)
{
    struct err err;
    f->schema = buf_new(SCHEMA_MAX_BYTES);
    f->event = buf_new(1 << 16);
    ASSERT_OK(envelope_schema(&f->schema, shape, source->connector, &err), &err);
    oracle_open(&f->oracle, buf_slice(&f->schema));
    f->envelope = envelope_new(source, 0x01020304);
    assert_non_null(f->envelope);
}

static void close_fixture(struct fixture *f)
{
    envelope_free(f->envelope);
    oracle_close(&f->oracle);
    buf_done(&f->schema);
    buf_done(&f->event);
}

static void an_update_of_every_type_is_read_back_by_avro_c(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, &all_shape, &pg_source);
    for (int nulls = 0; nulls < 2; nulls++) {
        buf_clear(&f.event);
        envelope_begin(f.envelope, &f.event);
        row_put(&f.event, &all_shape, !nulls);
        row_put(&f.event, &all_shape, nulls);
        envelope_end(f.envelope, &f.event, OP_UPDATE, &pg_source, 1795459547999999);
        assert_memory_equal("\0\1\2\3\4", f.event.ptr, 5);
        oracle_read(&f.oracle, buf_slice(&f.event));
        check_row(&f.oracle, "before", &all_shape, !nulls);
        check_row(&f.oracle, "after", &all_shape, nulls);
        check_common(&f.oracle, &pg_source, 'u', 1795459547999999);
        check_slice("postgresql", oracle_bytes(&f.oracle, "source.connector"), "connector");
        check_slice("public", oracle_bytes(&f.oracle, "source.schema"), "schema");
        check_slice("all_types", oracle_bytes(&f.oracle, "source.table"), "table");
        CHECK_EQ(1795459547123, oracle_long(&f.oracle, "source.ts_ms"), "source.ts_ms");
        CHECK_EQ(1795459547123456000, oracle_long(&f.oracle, "source.ts_ns"), "source.ts_ns");
        CHECK_EQ(4294967295, oracle_long(&f.oracle, "source.txId"), "txId");
        CHECK_EQ(0x16B374848, oracle_long(&f.oracle, "source.lsn"), "lsn");
        CHECK_EQ(true, oracle_is_null(&f.oracle, "source.xmin"), "xmin");
        CHECK_EQ(true, oracle_is_null(&f.oracle, "source.origin"), "origin");
        CHECK_EQ(true, oracle_is_null(&f.oracle, "source.origin_lsn"), "origin_lsn");
    }
    close_fixture(&f);
}

static void a_document_event_is_read_back_by_avro_c(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, &bank_shape, &docdb_source);
    envelope_begin(f.envelope, &f.event);
    avro_put_null(&f.event);
    row_put(&f.event, &bank_shape, false);
    envelope_end(f.envelope, &f.event, OP_CREATE, &docdb_source, 1795459547999999);
    oracle_read(&f.oracle, buf_slice(&f.event));
    CHECK_EQ(true, oracle_is_null(&f.oracle, "before"), "before");
    check_row(&f.oracle, "after", &bank_shape, false);
    check_common(&f.oracle, &docdb_source, 'c', 1795459547999999);
    check_slice("mongodb", oracle_bytes(&f.oracle, "source.connector"), "connector");
    check_slice("trades", oracle_bytes(&f.oracle, "source.collection"), "collection");
    CHECK_EQ(7, oracle_long(&f.oracle, "source.ord"), "ord");
    CHECK_EQ(true, oracle_is_null(&f.oracle, "source.lsid"), "lsid");
    CHECK_EQ(true, oracle_is_null(&f.oracle, "source.txnNumber"), "txnNumber");
    CHECK_EQ(true, oracle_is_null(&f.oracle, "source.wallTime"), "wallTime");
    close_fixture(&f);
}

static void a_delete_and_a_truncate_are_read_back_by_avro_c(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, &bank_shape, &pg_source);
    envelope_begin(f.envelope, &f.event);
    row_put(&f.event, &bank_shape, true);
    avro_put_null(&f.event);
    envelope_end(f.envelope, &f.event, OP_DELETE, &pg_source, 1);
    oracle_read(&f.oracle, buf_slice(&f.event));
    check_row(&f.oracle, "before", &bank_shape, true);
    CHECK_EQ(true, oracle_is_null(&f.oracle, "after"), "after");
    check_slice("d", oracle_bytes(&f.oracle, "op"), "op");
    buf_clear(&f.event);
    envelope_begin(f.envelope, &f.event);
    avro_put_null(&f.event);
    avro_put_null(&f.event);
    envelope_end(f.envelope, &f.event, OP_TRUNCATE, &pg_source, 1);
    oracle_read(&f.oracle, buf_slice(&f.event));
    check_slice("t", oracle_bytes(&f.oracle, "op"), "op");
    close_fixture(&f);
}

static void a_snapshot_row_says_so_and_has_no_transaction(void **state)
{
    (void)state;
    struct fixture f;
    struct envelope_source source = pg_source;
    source.snapshot = true;
    source.transaction_id = 0;
    source.lsn = 0;
    open_fixture(&f, &bank_shape, &pg_source);
    envelope_begin(f.envelope, &f.event);
    avro_put_null(&f.event);
    row_put(&f.event, &bank_shape, false);
    envelope_end(f.envelope, &f.event, OP_READ, &source, 1795459547999999);
    oracle_read(&f.oracle, buf_slice(&f.event));
    check_common(&f.oracle, &source, 'r', 1795459547999999);
    CHECK_EQ(true, oracle_is_null(&f.oracle, "source.txId"), "txId");
    CHECK_EQ(true, oracle_is_null(&f.oracle, "source.lsn"), "lsn");
    close_fixture(&f);
}

static const struct {
    const char *behaviour;
    uint64_t previous_end, lsn;
    const char *want;
} sequences[] = {
    {"the first transaction has none before it", 0, 7, "[null,\"7\"]"},
    {"last commit and change", 31204192, 31204296, "[\"31204192\",\"31204296\"]"},
    {"the largest numbers", UINT64_MAX, UINT64_MAX, "[\"18446744073709551615\",\"18446744073709551615\"]"},
};

static void sequence_names_the_last_commit_and_the_change(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, &bank_shape, &pg_source);
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
        struct envelope_source source = pg_source;
        source.previous_end = sequences[i].previous_end;
        source.lsn = sequences[i].lsn;
        buf_clear(&f.event);
        envelope_begin(f.envelope, &f.event);
        avro_put_null(&f.event);
        avro_put_null(&f.event);
        envelope_end(f.envelope, &f.event, OP_TRUNCATE, &source, 1);
        oracle_read(&f.oracle, buf_slice(&f.event));
        check_slice(sequences[i].want, oracle_bytes(&f.oracle, "source.sequence"), sequences[i].behaviour);
    }
    close_fixture(&f);
}

static void origin_says_where_the_change_was_made(void **state)
{
    (void)state;
    struct fixture f;
    struct envelope_source source = pg_source;
    open_fixture(&f, &bank_shape, &pg_source);
    for (size_t i = 0; i < 2; i++) {
        source.origin = i == 0 ? (struct slice){0} : slice_of_str("other_side");
        source.origin_lsn = 99;
        buf_clear(&f.event);
        envelope_begin(f.envelope, &f.event);
        avro_put_null(&f.event);
        avro_put_null(&f.event);
        envelope_end(f.envelope, &f.event, OP_TRUNCATE, &source, 1);
        oracle_read(&f.oracle, buf_slice(&f.event));
        CHECK_EQ(i == 0, oracle_is_null(&f.oracle, "source.origin"), "origin");
        CHECK_EQ(i == 0, oracle_is_null(&f.oracle, "source.origin_lsn"), "its position");
    }
    check_slice("other_side", oracle_bytes(&f.oracle, "source.origin"), "origin");
    CHECK_EQ(99, oracle_long(&f.oracle, "source.origin_lsn"), "its position");
    close_fixture(&f);
}

// clang-format off
static const struct {
    const char *behaviour;
    int64_t us, ms;
    bool has_ns;
} instants[] = {
    {"the epoch",                                        0,                    0,                 true},
    {"before the epoch, milliseconds round down",        -1,                   -1,                true},
    {"a whole millisecond before the epoch",             -2000,                -2,                true},
    {"beyond 2262 there are no nanoseconds",             9300000000000000,     9300000000000,     false},
    {"the largest instant",                              INT64_MAX,            INT64_MAX / 1000,  false},
    {"the smallest instant",                             INT64_MIN,            INT64_MIN / 1000 - 1, false},
};
// clang-format on

static void instants_are_exact_in_each_unit(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, &bank_shape, &pg_source);
    for (size_t i = 0; i < ARRAY_LEN(instants); i++) {
        struct envelope_source source = pg_source;
        source.commit_time_us = instants[i].us;
        source.lsn = UINT64_MAX;
        buf_clear(&f.event);
        envelope_begin(f.envelope, &f.event);
        avro_put_null(&f.event);
        avro_put_null(&f.event);
        envelope_end(f.envelope, &f.event, OP_TRUNCATE, &source, instants[i].us);
        oracle_read(&f.oracle, buf_slice(&f.event));
        CHECK_EQ(instants[i].ms, oracle_long(&f.oracle, "source.ts_ms"), instants[i].behaviour);
        CHECK_EQ(instants[i].us, oracle_long(&f.oracle, "source.ts_us"), instants[i].behaviour);
        CHECK_EQ(!instants[i].has_ns, oracle_is_null(&f.oracle, "source.ts_ns"), instants[i].behaviour);
        CHECK_EQ(instants[i].ms, oracle_long(&f.oracle, "ts_ms"), instants[i].behaviour);
        CHECK_EQ(!instants[i].has_ns, oracle_is_null(&f.oracle, "ts_ns"), instants[i].behaviour);
    }
    close_fixture(&f);
}

static void a_full_buffer_fails_and_nothing_is_torn(void **state)
{
    (void)state;
    struct envelope *envelope = envelope_new(&pg_source, 1);
    uint8_t storage[64];
    struct buf out = buf_over(storage, sizeof(storage));
    envelope_begin(envelope, &out);
    envelope_end(envelope, &out, OP_TRUNCATE, &pg_source, 1);
    CHECK_EQ(true, out.failed, "failed");
    CHECK_EQ(5, out.len, "only the frame");
    envelope_free(envelope);
    envelope_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_are_debeziums_byte_for_byte),
        cmocka_unit_test(the_rarer_types_are_debeziums_too),
        cmocka_unit_test(the_source_block_of_documents_is_debeziums),
        cmocka_unit_test(names_become_avro_names),
        cmocka_unit_test(two_columns_of_one_avro_name_are_refused),
        cmocka_unit_test(a_schema_that_does_not_fit_is_an_error),
        cmocka_unit_test(an_update_of_every_type_is_read_back_by_avro_c),
        cmocka_unit_test(a_document_event_is_read_back_by_avro_c),
        cmocka_unit_test(a_delete_and_a_truncate_are_read_back_by_avro_c),
        cmocka_unit_test(a_snapshot_row_says_so_and_has_no_transaction),
        cmocka_unit_test(sequence_names_the_last_commit_and_the_change),
        cmocka_unit_test(origin_says_where_the_change_was_made),
        cmocka_unit_test(instants_are_exact_in_each_unit),
        cmocka_unit_test(a_full_buffer_fails_and_nothing_is_torn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
