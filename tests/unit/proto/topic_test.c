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
    topic_of_requests(name, "bank", "core");
    CHECK_STR("bank.leat.requests.core", name, "requests");
}

static void topics_that_kafka_takes_for_one_collide(void **state)
{
    static const struct {
        const char *a, *b;
        bool want;
    } pairs[] = {
        {"bank.public.t", "bank.public.t", true},      {"bank.public.a_b", "bank.public.a.b", true},
        {"bank.public.t", "bank.public.T", false},     {"bank.public.t", "bank.public.t2", false},
        {"bank.public.a-b", "bank.public.a_b", false}, {"bank.public.t.", "bank.public.t", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        CHECK_EQ(pairs[i].want, topic_collides(pairs[i].a, pairs[i].b), pairs[i].b);
        CHECK_EQ(pairs[i].want, topic_collides(pairs[i].b, pairs[i].a), pairs[i].a);
    }
}

static void topics_of_leats_own_are_reserved(void **state)
{
    static const struct {
        const char *schema, *table;
        bool want;
    } tables_of[] = {
        {"leat", "rejects", true},    {"leat", "ledger.core", true}, {"leat", "ledger_core", true},
        {"leat", "requests.x", true}, {"leat", "requests", false},   {"leat", "rejects_old", false},
        {"leat", "ledger", false},    {"public", "rejects", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tables_of); i++) {
        char topic[TOPIC_NAME_BYTES];
        topic_of_table(topic, "bank", tables_of[i].schema, tables_of[i].table);
        CHECK_EQ(tables_of[i].want, topic_is_reserved(topic, "bank"), tables_of[i].table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topic_of_table_follows_kafkas_rules),
        cmocka_unit_test(topic_name_is_cut_at_kafkas_limit),
        cmocka_unit_test(topics_of_leats_own),
        cmocka_unit_test(topics_that_kafka_takes_for_one_collide),
        cmocka_unit_test(topics_of_leats_own_are_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
