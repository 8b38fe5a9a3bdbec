#include "test.h"

#include "capture/pg/lsn.h"

static const struct {
    const char *behaviour, *text;
    enum rc want;
    uint64_t lsn;
} cases[] = {
    {"a small position", "0/15E6F48", RC_OK, 0x15E6F48},
    {"the high word counts more than the low one", "1/0", RC_OK, UINT64_C(1) << 32},
    {"lower case is read too", "16/b374d848", RC_OK, UINT64_C(0x16B374D848)},
    {"the largest position", "FFFFFFFF/FFFFFFFF", RC_OK, UINT64_MAX},
    {"nothing is refused", "", RC_FATAL, 0},
    {"one half is refused", "15E6F48", RC_FATAL, 0},
    {"an empty half is refused", "0/", RC_FATAL, 0},
    {"nine digits are refused", "0/123456789", RC_FATAL, 0},
    {"what follows is refused", "0/15E6F48 ", RC_FATAL, 0},
    {"other digits are refused", "0/15G6F48", RC_FATAL, 0},
};

static void lsn_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        uint64_t lsn = 0;
        CHECK_EQ(cases[i].want, lsn_parse(cases[i].text, &lsn, &err), cases[i].behaviour);
        CHECK_EQ(cases[i].lsn, lsn, cases[i].behaviour);
    }
}

static void lsn_is_written_as_the_server_does(void **state)
{
    (void)state;
    char text[LSN_TEXT_BYTES];
    CHECK_STR("0/0", lsn_format(0, text), "zero");
    CHECK_STR("16/B374D848", lsn_format(UINT64_C(0x16B374D848), text), "upper case, no padding");
    CHECK_STR("FFFFFFFF/FFFFFFFF", lsn_format(UINT64_MAX, text), "the largest fits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lsn_is_read),
        cmocka_unit_test(lsn_is_written_as_the_server_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
