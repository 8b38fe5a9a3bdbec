#include "test.h"

#include "proto/request.h"

enum { ARENA_BYTES = 1 << 20 };

static const char *const tables[] = {"public.accounts", "Odd \"schema\".ta.ble"};

static const struct {
    const char *behaviour;
    struct request request;
    const char *json;
} requests[] = {
    {"a copy of two tables",
     {.kind = REQUEST_SNAPSHOT, .id = "5f", .requested_us = 1795459547123456, .tables = tables, .n_tables = 2},
     "{\"v\":1,\"kind\":\"snapshot\",\"id\":\"5f\",\"requested_us\":1795459547123456,\"all\":false,"
     "\"tables\":[\"public.accounts\",\"Odd \\\"schema\\\".ta.ble\"]}"},
    {"a copy of some rows",
     {.kind = REQUEST_SNAPSHOT, .id = "", .tables = tables, .n_tables = 1, .where = "name = 'a\"b' -- c"},
     "{\"v\":1,\"kind\":\"snapshot\",\"id\":\"\",\"requested_us\":0,\"all\":false,\"tables\":[\"public.accounts\"],"
     "\"where\":\"name = 'a\\\"b' -- c\"}"},
    {"a copy of all tables",
     {.kind = REQUEST_SNAPSHOT, .id = "x", .all = true},
     "{\"v\":1,\"kind\":\"snapshot\",\"id\":\"x\",\"requested_us\":0,\"all\":true,\"tables\":[]}"},
    {"the end of all copies",
     {.kind = REQUEST_CANCEL, .id = "x", .all = true},
     "{\"v\":1,\"kind\":\"cancel\",\"id\":\"x\",\"requested_us\":0,\"all\":true,\"tables\":[]}"},
};

static void a_request_survives_the_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const struct request *want = &requests[i].request;
        SCOPED(buf_done) struct buf out = buf_new(1 << 16);
        SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
        struct request got;
        struct err err;
        request_encode(want, &out);
        CHECK_STR(requests[i].json, buf_cstr(&out), requests[i].behaviour);
        ASSERT_OK(request_decode(buf_slice(&out), arena, &got, &err), &err);
        CHECK_EQ(want->kind, got.kind, requests[i].behaviour);
        CHECK_STR(want->id, got.id, requests[i].behaviour);
        CHECK_EQ(want->requested_us, got.requested_us, requests[i].behaviour);
        CHECK_EQ(want->all, got.all, requests[i].behaviour);
        CHECK_EQ(want->n_tables, got.n_tables, requests[i].behaviour);
        for (size_t k = 0; k < want->n_tables; k++)
            CHECK_STR(want->tables[k], got.tables[k], requests[i].behaviour);
        CHECK_EQ(want->where == NULL, got.where == NULL, requests[i].behaviour);
        if (want->where != NULL)
            CHECK_STR(want->where, got.where, requests[i].behaviour);
    }
}

static const struct {
    const char *behaviour, *json, *message;
} refused[] = {
    {"nothing", "", "a request is not a JSON object"},
    {"no object", "[]", "a request is not a JSON object"},
    {"half of one", "{\"v\":1", "a request is not a JSON object"},
    {"of a newer leat", "{\"v\":2,\"kind\":\"snapshot\",\"id\":\"\",\"requested_us\":0,\"all\":true,\"tables\":[]}",
     "a request has no valid \"v\""},
    {"of an unknown kind", "{\"v\":1,\"kind\":\"drop\",\"id\":\"\",\"requested_us\":0,\"all\":true,\"tables\":[]}",
     "a request has no valid \"kind\""},
    {"without an id", "{\"v\":1,\"kind\":\"cancel\",\"requested_us\":0,\"all\":true,\"tables\":[]}",
     "a request has no valid \"id\""},
    {"without its time", "{\"v\":1,\"kind\":\"cancel\",\"id\":\"\",\"all\":true,\"tables\":[]}",
     "a request has no valid \"requested_us\""},
    {"all as a number", "{\"v\":1,\"kind\":\"cancel\",\"id\":\"\",\"requested_us\":0,\"all\":1,\"tables\":[]}",
     "a request has no valid \"all\""},
    {"of no table", "{\"v\":1,\"kind\":\"snapshot\",\"id\":\"\",\"requested_us\":0,\"all\":false,\"tables\":[]}",
     "a request has no valid \"tables\""},
    {"of all tables and one",
     "{\"v\":1,\"kind\":\"snapshot\",\"id\":\"\",\"requested_us\":0,\"all\":true,\"tables\":[\"a.b\"]}",
     "a request has no valid \"tables\""},
    {"of a table that is no text",
     "{\"v\":1,\"kind\":\"snapshot\",\"id\":\"\",\"requested_us\":0,\"all\":false,\"tables\":[1]}",
     "a request has no valid \"tables\""},
    {"a condition for all tables",
     "{\"v\":1,\"kind\":\"snapshot\",\"id\":\"\",\"requested_us\":0,\"all\":true,\"tables\":[],\"where\":\"true\"}",
     "a request has no valid \"where\""},
    {"a condition for a cancel",
     "{\"v\":1,\"kind\":\"cancel\",\"id\":\"\",\"requested_us\":0,\"all\":false,\"tables\":[\"a.b\"],\"where\":\"1\"}",
     "a request has no valid \"where\""},
    {"a zero byte in a condition",
     "{\"v\":1,\"kind\":\"snapshot\",\"id\":\"\",\"requested_us\":0,\"all\":false,\"tables\":[\"a.b\"],"
     "\"where\":\"a\\u0000b\"}",
     "a request is not a JSON object"},
};

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        SCOPED(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
        struct request got;
        struct err err = {0};
        CHECK_EQ(RC_REJECT, request_decode(slice_of_str(refused[i].json), arena, &got, &err), refused[i].behaviour);
        CHECK_EQ(ERR_REQUEST_REFUSED, err.code, refused[i].behaviour);
        CHECK_STR(refused[i].message, err.msg, refused[i].behaviour);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_survives_the_round_trip),
        cmocka_unit_test(what_is_no_request_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
