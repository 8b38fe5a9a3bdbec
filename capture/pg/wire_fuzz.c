/* Input: one byte that chooses a type, then a value as its send function would write it. What is refused has no text, or a
 * text that is refused; what is accepted becomes what its text becomes: in every mode. */
#include <stdlib.h>

#include "capture/pg/numeric.h"
#include "capture/pg/wire.h"

enum { DEEP_DIMENSIONS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

// clang-format off
#define PLAIN(type) {.oid = type, .typmod = -1}
#define ARRAY(type) {.oid = type, .typmod = -1, .is_array = true, .delimiter = ','}
#define NAMED(text) {.oid = 20000, .name = text, .typmod = -1}
/* New rows go to the end: the corpus (tests/fuzz/record.py) counts them. */
static const struct pg_type kinds[] = {
    PLAIN(16), PLAIN(21), PLAIN(23), PLAIN(20), PLAIN(26), PLAIN(700), PLAIN(701), PLAIN(1700),
    {.oid = 1700, .typmod = ((10 << 16) | 2) + 4},
    PLAIN(25), PLAIN(18), PLAIN(17), PLAIN(2950), PLAIN(3802),
    PLAIN(1082), PLAIN(1083), PLAIN(1266), PLAIN(1114), PLAIN(1184), PLAIN(1186),
    {.oid = 1114, .typmod = 3},
    {.oid = 1184, .typmod = 3},
    {.oid = 1560, .typmod = 1},
    PLAIN(1562), NAMED("hstore"), NAMED("ltree"),
    ARRAY(23), ARRAY(25), ARRAY(1700), ARRAY(17), ARRAY(1184), ARRAY(701),
    {.oid = 20000, .name = "hstore", .typmod = -1, .is_array = true, .delimiter = ','},
};
// clang-format on

static const struct pg_type_modes modes[] = {
    {.time = PG_TIME_ADAPTIVE},
    {.time = PG_TIME_ADAPTIVE_TIME_MICROSECONDS, .decimal = PG_DECIMAL_DOUBLE, .binary = PG_BINARY_BASE64},
    {.time = PG_TIME_CONNECT, .decimal = PG_DECIMAL_STRING, .binary = PG_BINARY_BASE64_URL_SAFE},
    {.time = PG_TIME_ISOSTRING, .interval = PG_INTERVAL_STRING, .binary = PG_BINARY_HEX},
    {.time = PG_TIME_MICROSECONDS, .hstore = PG_HSTORE_MAP},
    {.time = PG_TIME_NANOSECONDS},
};

static void compare(const struct pg_encoder *encoder, struct slice bytes)
{
    size_t room = 16 * bytes.len + 2 * PG_NUMERIC_TEXT_BYTES;
    SCOPED(buf_done) struct buf text = buf_new(room);
    SCOPED(buf_done) struct buf of_bytes = buf_new(room);
    SCOPED(buf_done) struct buf of_text = buf_new(room);
    bool accepted = pg_wire_put(encoder, bytes, &of_bytes);
    bool has_text = pg_wire_put_text(encoder, bytes, &text);
    bool text_accepted = has_text && pg_encoder_put(encoder, buf_slice(&text), &of_text);
    must(accepted == text_accepted);
    must(!of_bytes.failed && !text.failed && !of_text.failed);
    must(!accepted || slice_eq(buf_slice(&of_bytes), buf_slice(&of_text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct column column = {0};
        struct pg_encoder encoder = {.check_utf8 = true};
        pg_type_describe(&kinds[data[0] % ARRAY_LEN(kinds)], &modes[i], &column, &encoder);
        compare(&encoder, slice_of(data + 1, size - 1));
        encoder.dimensions *= DEEP_DIMENSIONS;
        if (encoder.is_array)
            compare(&encoder, slice_of(data + 1, size - 1));
    }
    return 0;
}
