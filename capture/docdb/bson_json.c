#include "capture/docdb/bson_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/clock.h"
#include "proto/reject.h"

enum { BSON_JSON_MAX_DEPTH = 250 /* documents nest to 200 */ };

static void put_value(struct buf *out, const bson_iter_t *value, int depth);

static void put_members(struct buf *out, bson_iter_t *member, bool is_array, int depth)
{
    bool first = true;
    buf_put_u8(out, is_array ? '[' : '{');
    while (bson_iter_next(member)) {
        if (!first)
            buf_put_u8(out, ',');
        first = false;
        if (!is_array) {
            buf_put_json_string(out, slice_of(bson_iter_key(member), bson_iter_key_len(member)));
            buf_put_u8(out, ':');
        }
        put_value(out, member, depth + 1);
    }
    buf_put_u8(out, is_array ? ']' : '}');
}

/* The shortest digits that read back as the same number. */
static void put_double(struct buf *out, double value)
{
    char text[32];
    if (!isfinite(value)) { /* JSON has no word for these */
        buf_put_str(out, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_put_str(out, text);
}

static void put_date(struct buf *out, int64_t ms)
{
    static const int64_t first_ms = -62135596800000, last_ms = 253402300799999; /* years 1 to 9999 */
    if (ms < first_ms || ms > last_ms) {
        buf_printf(out, "%" PRId64, ms);
        return;
    }
    char text[32];
    clock_format_utc(ms * US_PER_MS, text);
    text[23] = 'Z'; /* milliseconds are all a BSON date has */
    text[24] = '\0';
    buf_printf(out, "\"%s\"", text);
}

static void put_binary(struct buf *out, const bson_iter_t *value)
{
    bson_subtype_t subtype;
    uint32_t len;
    const uint8_t *bytes;
    bson_iter_binary(value, &subtype, &len, &bytes);
    buf_put_u8(out, '"');
    if (subtype == BSON_SUBTYPE_UUID && len == 16) {
        for (uint32_t i = 0; i < len; i++)
            buf_printf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
    } else {
        base64_put(out, slice_of(bytes, len));
    }
    buf_put_u8(out, '"');
}

static void put_regex(struct buf *out, const bson_iter_t *value)
{
    const char *options = NULL;
    const char *pattern = bson_iter_regex(value, &options);
    SCOPED(buf_done) struct buf text = buf_new(64 << 20);
    buf_printf(&text, "/%s/%s", pattern, options == NULL ? "" : options);
    buf_put_json_string(out, buf_slice(&text));
}

static void put_text(struct buf *out, const char *text, uint32_t len)
{
    buf_put_json_string(out, slice_of(text, len));
}

static void put_value(struct buf *out, const bson_iter_t *value, int depth)
{
    if (depth > BSON_JSON_MAX_DEPTH) {
        out->failed = true;
        return;
    }
    bson_iter_t members;
    uint32_t len = 0, increment = 0, seconds = 0;
    switch (bson_iter_type(value)) {
    case BSON_TYPE_DOUBLE: put_double(out, bson_iter_double(value)); break;
    case BSON_TYPE_UTF8: {
        const char *text = bson_iter_utf8(value, &len);
        put_text(out, text, len);
        break;
    }
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        if (bson_iter_recurse(value, &members))
            put_members(out, &members, bson_iter_type(value) == BSON_TYPE_ARRAY, depth);
        else
            out->failed = true;
        break;
    case BSON_TYPE_BINARY: put_binary(out, value); break;
    case BSON_TYPE_OID: {
        char hex[25];
        bson_oid_to_string(bson_iter_oid(value), hex);
        buf_printf(out, "\"%s\"", hex);
        break;
    }
    case BSON_TYPE_BOOL: buf_put_str(out, bson_iter_bool(value) ? "true" : "false"); break;
    case BSON_TYPE_DATE_TIME: put_date(out, bson_iter_date_time(value)); break;
    case BSON_TYPE_REGEX: put_regex(out, value); break;
    case BSON_TYPE_INT32: buf_printf(out, "%" PRId32, bson_iter_int32(value)); break;
    case BSON_TYPE_INT64: buf_printf(out, "%" PRId64, bson_iter_int64(value)); break;
    case BSON_TYPE_TIMESTAMP:
        bson_iter_timestamp(value, &seconds, &increment);
        buf_printf(out, "{\"t\":%" PRIu32 ",\"i\":%" PRIu32 "}", seconds, increment);
        break;
    case BSON_TYPE_DECIMAL128: {
        bson_decimal128_t decimal;
        char text[BSON_DECIMAL128_STRING];
        bson_iter_decimal128(value, &decimal);
        bson_decimal128_to_string(&decimal, text);
        buf_printf(out, "\"%s\"", text);
        break;
    }
    case BSON_TYPE_CODE: {
        const char *text = bson_iter_code(value, &len);
        put_text(out, text, len);
        break;
    }
    case BSON_TYPE_SYMBOL: {
        const char *text = bson_iter_symbol(value, &len);
        put_text(out, text, len);
        break;
    }
    case BSON_TYPE_MINKEY: buf_put_str(out, "\"MinKey\""); break;
    case BSON_TYPE_MAXKEY: buf_put_str(out, "\"MaxKey\""); break;
    case BSON_TYPE_EOD:
    case BSON_TYPE_NULL:
    case BSON_TYPE_UNDEFINED:
    case BSON_TYPE_DBPOINTER:
    case BSON_TYPE_CODEWSCOPE: buf_put_str(out, "null"); break;
    }
}

void bson_json_put(struct buf *out, const bson_iter_t *value)
{
    put_value(out, value, 0);
}

/* libbson writes documents only, with blanks of its own: wrap the value, take it out again. */
void bson_json_put_canonical_value(struct buf *out, const bson_iter_t *value)
{
    bson_t wrapped = BSON_INITIALIZER;
    bson_append_iter(&wrapped, "v", 1, value);
    char *spaced = bson_as_canonical_extended_json(&wrapped, NULL);
    json_t *object = spaced == NULL ? NULL : json_loads(spaced, 0, NULL);
    char *compact = json_dumps(json_object_get(object, "v"), JSON_COMPACT | JSON_ENCODE_ANY);
    buf_put_str(out, compact == NULL ? "null" : compact);
    free(compact);
    json_decref(object);
    bson_free(spaced);
    bson_destroy(&wrapped);
}

void bson_json_put_canonical(struct buf *out, const bson_t *document)
{
    size_t len = 0;
    char *json = bson_as_canonical_extended_json(document, &len);
    if (json == NULL) {
        buf_put_str(out, "null");
        return;
    }
    buf_put(out, json, len);
    bson_free(json);
}
