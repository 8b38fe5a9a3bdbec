#include "test.h"

#include "proto/topic.h"

static const struct {
    const char *behaviour, *prefix, *schema, *table, *want;
} tables[] = {
    {"the three parts are joined by dots", "bank", "public", "transactions", "bank.public.transactions"},
    {"what Kafka allows stays", "b-1_x", "s.t", "A-z_0.9", "b-1_x.s.t.A-z_0.9"},
    {"blanks and quotes become underscores", "bank", "my schema", "a\"b$c", "bank.my_schema.a_b_c"},
    {"a letter outside ASCII becomes one underscore", "bank", "public", "caf\xc3\xa9\xe2\x82\xac", "bank.public.caf__"},
    {"a character beyond the basic plane becomes two", "bank", "public", "\xf0\x9f\x99\x82", "bank.public.__"},
    {"a database's name with a hyphen stays", "bank", "stori-docdb-2023", "trades", "bank.stori-docdb-2023.trades"},
};

static void topic_of_table_follows_kafkas_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        char name[TOPIC_NAME_BYTES];
        topic_of_table(name, tables[i].prefix, tables[i].schema, tables[i].table);
        CHECK_STR(tables[i].want, name, tables[i].behaviour);
    }
}

static void topic_name_is_cut_at_kafkas_limit(void **state)
{
    (void)state;
    char longest[400], name[TOPIC_NAME_BYTES];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    topic_of_table(name, "bank", longest, "t");
    CHECK_EQ(249, strlen(name), "a name has at most 249 characters");
}

static void topics_of_leats_own(void **state)
{
    (void)state;
    char name[TOPIC_NAME_BYTES];
    topic_of_ledger(name, "bank", "core");
    CHECK_STR("bank.leat.ledger.core", name, "ledger");
    topic_of_rejects(name, "bank");
    CHECK_STR("bank.leat.rejects", name, "rejects");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topic_of_table_follows_kafkas_rules),
        cmocka_unit_test(topic_name_is_cut_at_kafkas_limit),
        cmocka_unit_test(topics_of_leats_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
