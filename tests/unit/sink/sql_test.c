/* Each statement as the server will receive it, held by tests/golden/. LEAT_GOLDEN_WRITE=1 writes the files
 * anew. */
#include "test.h"

#include <stdlib.h>

#include "sink/redshift/sql.h"

static struct column account_columns[] = {
    {.name = "Account No", .type = COLUMN_STRING, .length = 14},
    {.name = "ORDER", .type = COLUMN_INT64},
    {.name = "weird \"name\"", .type = COLUMN_DECIMAL, .precision = 18, .scale = 2},
    {.name = "doc", .type = COLUMN_JSON},
    {.name = "at", .type = COLUMN_ZONED_TIMESTAMP},
};
static const uint16_t account_keys[] = {1, 0};
static const struct table_shape accounts = {
    .topic = "bank.public.Accounts", .columns = account_columns, .n_columns = 5};

static struct column key_columns[] = {{.name = "a", .type = COLUMN_INT32}, {.name = "b", .type = COLUMN_UUID}};
static const uint16_t all_keys[] = {0, 1};
static const struct table_shape only_keys = {.topic = "bank.public.links", .columns = key_columns, .n_columns = 2};

static struct target *new_target(const struct table_shape *shape, const uint16_t *keys)
{
    struct target *target = NULL;
    struct err err = {0};
    ASSERT_OK(target_new("DWH", shape, keys, 2, &target, &err), &err);
    return target;
}

static void check_golden(const char *name, struct buf *sql)
{
    char path[256], want[1 << 16];
    snprintf(path, sizeof(path), "golden/%s.sql", name);
    assert_false(sql->failed);
    if (getenv("LEAT_GOLDEN_WRITE") != NULL) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "%s\n", buf_cstr(sql));
        fclose(file);
    }
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s is not there", path);
    size_t n = fread(want, 1, sizeof(want) - 1, file);
    fclose(file);
    want[n] = '\0';
    buf_put_u8(sql, '\n');
    CHECK_STR(want, buf_cstr(sql), name);
    buf_clear(sql);
}

/* A batch with a row that keeps `doc` and `at`. */
static struct table_batch *partial_batch(const struct target *target)
{
    static const uint8_t unchanged[] = {1 << 3 | 1 << 4};
    static const struct avro_value keys[] = {{.kind = AVRO_VALUE_LONG, .i = 7},
                                             {.kind = AVRO_VALUE_BYTES, .bytes = {(const uint8_t *)"x", 1}}};
    static const struct avro_value row[5] = {{0}, {0}, {.kind = AVRO_VALUE_NULL}, {0}, {0}};
    struct table_batch_budget budget = {1 << 20, 1 << 20, "/tmp"};
    struct table_batch *batch = table_batch_new(target, &budget);
    struct change change = {
        .op = OP_UPDATE, .key = {(const uint8_t *)"k", 1}, .key_values = keys, .row = row, .unchanged = {unchanged, 1}};
    struct err err = {0};
    ASSERT_OK(table_batch_add(batch, &accounts, &change, &err), &err);
    return batch;
}

static void test_ddl(void **state)
{
    (void)state;
    struct target *target = new_target(&accounts, account_keys), *links = new_target(&only_keys, all_keys);
    SCOPED(buf_done) struct buf sql = buf_new(1 << 20);
    sql_create_table(&sql, target);
    check_golden("create_table", &sql);
    sql_create_table(&sql, links);
    check_golden("create_table_only_keys", &sql);
    sql_add_column(&sql, target, &target->columns[2]);
    check_golden("add_column", &sql);
    sql_add_pos_column(&sql, target);
    check_golden("add_pos_column", &sql);
    sql_widen_column(&sql, target, &target->columns[0]);
    check_golden("widen_column", &sql);
    target_free(target);
    target_free(links);
}

static void test_staging(void **state)
{
    (void)state;
    struct target *target = new_target(&accounts, account_keys), *links = new_target(&only_keys, all_keys);
    const struct target *both[] = {target, links};
    SCOPED(buf_done) struct buf sql = buf_new(1 << 20);
    sql_create_stage(&sql, target, false);
    check_golden("create_stage", &sql);
    sql_create_stage(&sql, target, true);
    check_golden("create_stage_partial", &sql);
    sql_drop_stages(&sql, both, 2);
    check_golden("drop_stages", &sql);

    struct sql_copy copy = {.bucket = "bucket",
                            .manifest_key = "leat/wh/7/accounts/manifest.json",
                            .null_marker = "@NULL@",
                            .iam_role = "arn:aws:iam::123456789012:role/load",
                            .region = "eu-west-1"};
    sql_copy(&sql, target, &copy);
    check_golden("copy_role", &sql);
    copy.iam_role = "default";
    copy.with_partial = true;
    sql_copy(&sql, target, &copy);
    check_golden("copy_default_role_partial", &sql);
    copy = (struct sql_copy){.bucket = "bucket",
                             .manifest_key = "m'\\n",
                             .null_marker = "@NULL1@",
                             .access_key_id = "AKIDEXAMPLE",
                             .secret_access_key = "wJalr/XUtn+EXAMPLE=",
                             .session_token = "token"};
    sql_copy(&sql, target, &copy);
    check_golden("copy_keys_endpoint", &sql);
    copy.session_token = NULL;
    copy.manifest_key = "m";
    sql_copy(&sql, links, &copy);
    check_golden("copy_keys_without_token", &sql);
    target_free(target);
    target_free(links);
}

static void test_applying(void **state)
{
    (void)state;
    struct target *target = new_target(&accounts, account_keys), *links = new_target(&only_keys, all_keys);
    struct table_batch *batch = partial_batch(target);
    SCOPED(buf_done) struct buf sql = buf_new(1 << 20);
    sql_drop_stale(&sql, target);
    check_golden("drop_stale", &sql);
    sql_complete(&sql, target, batch, false);
    check_golden("complete", &sql);
    sql_complete(&sql, target, batch, true);
    check_golden("complete_replay", &sql);
    sql_read_incomplete(&sql, target, NULL);
    check_golden("read_incomplete", &sql);
    sql_read_incomplete(&sql, target, &(struct position){0x16b3748, 12});
    check_golden("read_incomplete_replay", &sql);
    sql_delete_incomplete(&sql, target, NULL);
    check_golden("delete_incomplete", &sql);
    sql_delete_incomplete(&sql, target, &(struct position){0x16b3748, 12});
    check_golden("delete_incomplete_replay", &sql);
    sql_drop_incomplete(&sql, target);
    check_golden("drop_incomplete", &sql);
    sql_empty_target(&sql, target, NULL);
    check_golden("empty_target", &sql);
    sql_empty_target(&sql, target, &(struct position){0x16b3748, 12});
    check_golden("empty_target_replay", &sql);
    sql_delete(&sql, target);
    check_golden("delete", &sql);
    sql_drop_deletes(&sql, target);
    check_golden("drop_deletes", &sql);
    sql_merge(&sql, target);
    check_golden("merge", &sql);
    sql_merge(&sql, links);
    check_golden("merge_only_keys", &sql);
    table_batch_free(batch);
    target_free(target);
    target_free(links);
}

static void test_progress(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*build)(struct buf *out, const struct sql_progress *progress);
    } statements[] = {
        {"progress_create", sql_progress_create}, {"progress_lock", sql_progress_lock},
        {"progress_read", sql_progress_read},     {"progress_insert", sql_progress_insert},
        {"progress_claim", sql_progress_claim},   {"progress_advance", sql_progress_advance},
        {"progress_reset", sql_progress_reset},
    };
    struct sql_progress progress = {"dwh", "_leat_progress_warehouse"};
    SCOPED(buf_done) struct buf sql = buf_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        statements[i].build(&sql, &progress);
        check_golden(statements[i].name, &sql);
    }
}

/* 1,600 columns of the longest names: still a statement that redshift takes. */
static void test_the_widest_table(void **state)
{
    (void)state;
    enum { N = 1600 };
    static struct column columns[N];
    static char names[N][TARGET_NAME_BYTES];
    for (int i = 0; i < N; i++) {
        memset(names[i], 'x', TARGET_NAME_BYTES - 1);
        snprintf(names[i] + 120, 8, "%07d", i);
        columns[i] = (struct column){.name = names[i], .type = i == 0 ? COLUMN_INT64 : COLUMN_STRING};
    }
    const struct table_shape wide = {.topic = "t", .columns = columns, .n_columns = N};
    struct target *target = NULL;
    struct err err = {0};
    ASSERT_OK(target_new("dwh", &wide, (const uint16_t[]){0}, 1, &target, &err), &err);
    SCOPED(buf_done) struct buf sql = buf_new(16 << 20);
    sql_merge(&sql, target);
    CHECK_EQ(false, sql.failed, "the MERGE fits into 16 MB");
    target_free(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ddl),      cmocka_unit_test(test_staging),          cmocka_unit_test(test_applying),
        cmocka_unit_test(test_progress), cmocka_unit_test(test_the_widest_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
