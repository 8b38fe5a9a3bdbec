#include "capture/pg/geometry.h"

#include "capture/pg/bytes.h"
#include "capture/pg/number.h"
#include "proto/avro_put.h"

enum {
    WKB_POINT_BYTES = 1 + 4 + 8 + 8, /* byte order, type, x, y */
    WKB_LITTLE_ENDIAN = 1,
    WKB_POINT = 1,
    EWKB_HEAD_BYTES = 1 + 4 + 4,
};
static const uint32_t EWKB_HAS_SRID = 0x20000000; /* https://trac.osgeo.org/postgis: doc/ZMSgeoms.txt */

bool pg_point_put(struct slice text, struct buf *out)
{
    double x, y;
    if (text.len < 5 || text.ptr[0] != '(' || text.ptr[text.len - 1] != ')')
        return false;
    const uint8_t *comma = memchr(text.ptr, ',', text.len), *end = text.ptr + text.len - 1;
    if (comma == NULL || !pg_float8_parse(slice_of(text.ptr + 1, (size_t)(comma - text.ptr) - 1), &x) ||
        !pg_float8_parse(slice_of(comma + 1, (size_t)(end - comma) - 1), &y))
        return false;
    avro_put_double(out, x);
    avro_put_double(out, y);
    avro_put_some(out);
    avro_put_long(out, WKB_POINT_BYTES);
    buf_put_u8(out, WKB_LITTLE_ENDIAN);
    buf_put(out, (const uint8_t[]){WKB_POINT, 0, 0, 0}, 4);
    avro_put_double(out, x); /* Avro's doubles are WKB's: little-endian */
    avro_put_double(out, y);
    avro_put_null(out);
    return true;
}

static uint32_t wkb_u32(const uint8_t *at, bool little_endian)
{
    uint32_t big = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    return little_endian ? __builtin_bswap32(big) : big;
}

bool pg_geometry_put(struct slice text, struct buf *out)
{
    size_t n = text.len / 2;
    if (text.len % 2 != 0 || n < EWKB_HEAD_BYTES)
        return false;
    avro_put_long(out, (int64_t)n);
    uint8_t *at = buf_reserve(out, n);
    if (at == NULL)
        return true; /* out is failed: the caller sees that */
    for (size_t i = 0; i < n; i++) {
        int byte = pg_hex_byte(text.ptr + 2 * i);
        if (byte < 0)
            return false;
        at[i] = (uint8_t)byte;
    }
    bool little_endian = at[0] != 0;
    bool has_srid = (wkb_u32(at + 1, little_endian) & EWKB_HAS_SRID) != 0;
    int32_t srid = (int32_t)wkb_u32(at + 5, little_endian);
    out->len += n;
    if (!has_srid) {
        avro_put_null(out);
        return true;
    }
    avro_put_some(out);
    avro_put_long(out, srid);
    return true;
}

void pg_geometry_put_empty(struct buf *out)
{
    (void)!pg_geometry_put(slice_of_str("010700000000000000"), out);
}
