/* What a server of each version is asked for. */
#include "test.h"

#include "capture/pg/stream.h"

static const struct {
    const char *behaviour;
    int version;
    struct pg_stream_options options;
    const char *want;
} cases[] = {
    {"version 13 knows neither streaming nor messages nor binary",
     130011,
     {.slot = "s",
      .publication = "p",
      .start_lsn = 0x1600000010,
      .streaming = true,
      .messages = true,
      .binary = true,
      .origin = "any"},
     "START_REPLICATION SLOT \"s\" LOGICAL 16/10 (proto_version '1', publication_names '\"p\"')"},
    {"version 14 streams",
     140004,
     {.slot = "s", .publication = "p", .streaming = true, .messages = true, .origin = "none"},
     "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (proto_version '2', publication_names '\"p\"', streaming 'on', messages "
     "'true')"},
    {"version 14 sends values in binary",
     140004,
     {.slot = "s", .publication = "p", .binary = true},
     "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (proto_version '2', publication_names '\"p\"', binary 'true')"},
    {"version 15 is not asked for two_phase",
     150000,
     {.slot = "s", .publication = "p", .streaming = true},
     "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (proto_version '3', publication_names '\"p\"', streaming 'on')"},
    {"version 16 leaves origins out",
     160000,
     {.slot = "s", .publication = "p", .origin = "none"},
     "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (proto_version '4', publication_names '\"p\"', origin 'none')"},
    {"later ones speak version 4",
     180004,
     {.slot = "s", .publication = "p", .streaming = true, .messages = true, .origin = "any"},
     "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (proto_version '4', publication_names '\"p\"', streaming 'on', messages "
     "'true', origin 'any')"},
    {"odd names are quoted",
     130000,
     {.slot = "s", .publication = "it's \"p\""},
     "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (proto_version '1', publication_names '\"it''s \"\"p\"\"\"')"},
};

static void each_version_is_asked_for_what_it_knows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[1024];
        struct buf out = buf_over(text, sizeof(text));
        pg_stream_put_command(&out, &cases[i].options, cases[i].version);
        CHECK_STR(cases[i].want, buf_cstr(&out), cases[i].behaviour);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_is_asked_for_what_it_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
