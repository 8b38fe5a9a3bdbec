#include "proto/envelope.h"

#include <stdlib.h>

#include "base/clock.h"
#include "proto/avro_schema.h"

/* --- schemas --- */

static enum rc schema_done(const struct buf *out, const char *topic, struct err *err)
{
    if (out->failed)
        return err_set(err, ERR_MEMORY_LIMIT, "the schema of %s does not fit %zu bytes", topic,
                       out->max > 0 ? out->max : out->cap);
    return RC_OK;
}

static void put_record_head(struct buf *out, const char *name, const char *topic)
{
    buf_printf(out, "{\"type\":\"record\",\"name\":\"%s\"", name);
    if (topic != NULL) {
        buf_put_str(out, ",\"namespace\":\"");
        avro_schema_put_namespace(out, topic);
        buf_put_u8(out, '"');
    }
    buf_put_str(out, ",\"fields\":[");
}

static void put_record_tail(struct buf *out, const char *topic, const char *name, int version)
{
    buf_put_u8(out, ']');
    if (version > 0)
        buf_printf(out, ",\"connect.version\":%d", version);
    buf_put_str(out, ",\"connect.name\":\"");
    avro_schema_put_namespace(out, topic);
    buf_printf(out, ".%s\"}", name);
}

static void put_column_field(struct buf *out, const struct column *column, struct avro_known_names *known_names)
{
    buf_put_str(out, "{\"name\":\"");
    column_put_avro_name(out, column->name);
    buf_put_str(out, "\",\"type\":");
    avro_schema_put_column_type(out, column, known_names);
    size_t end = out->len;
    buf_put_str(out, ",\"default\":");
    if (!column_put_avro_default(out, column))
        out->len = end;
    buf_put_u8(out, '}');
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Readers find fields by name: two columns that become one name cannot both be read. */
static enum rc check_names_differ(const struct table_shape *shape, struct err *err)
{
    enum { NAMES_MAX_BYTES = 1 << 20 };
    SCOPED(buf_done) struct buf text = buf_new(NAMES_MAX_BYTES);
    size_t *offsets = calloc(shape->n_columns + 1, sizeof(*offsets));
    const char **names = calloc(shape->n_columns + 1, sizeof(*names));
    const char *twice = NULL;
    bool out_of_memory = offsets == NULL || names == NULL;
    for (size_t i = 0; !out_of_memory && i < shape->n_columns; i++) {
        offsets[i] = text.len;
        column_put_avro_name(&text, shape->columns[i].name);
        buf_put_u8(&text, 0);
    }
    if (!out_of_memory && !text.failed) {
        for (size_t i = 0; i < shape->n_columns; i++)
            names[i] = (const char *)text.ptr + offsets[i];
        qsort(names, shape->n_columns, sizeof(*names), compare_names);
        for (size_t i = 1; i < shape->n_columns && twice == NULL; i++)
            if (strcmp(names[i - 1], names[i]) == 0)
                twice = names[i];
    }
    free(offsets);
    free(names);
    if (out_of_memory || text.failed)
        return err_set(err, ERR_NO_MEMORY, "could not compare the column names of %s", shape->topic);
    if (twice != NULL)
        return err_set(err, ERR_COLUMN_NAMES, "two columns of %s become one name in Avro, \"%s\"", shape->topic, twice);
    return RC_OK;
}

static void put_value_record(struct buf *out, const struct table_shape *shape)
{
    struct avro_known_names known_names = {0};
    put_record_head(out, "Value", NULL);
    for (size_t i = 0; i < shape->n_columns; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_column_field(out, &shape->columns[i], &known_names);
    }
    put_record_tail(out, shape->topic, "Value", 0);
}

// clang-format off
#define REQUIRED(name, type) "{\"name\":\"" name "\",\"type\":\"" type "\"}"
#define NULLABLE(name, type) "{\"name\":\"" name "\",\"type\":[\"null\",\"" type "\"],\"default\":null}"

static const char SOURCE_COMMON_FIELDS[] =
    "\"fields\":["
    REQUIRED("version", "string") ","
    REQUIRED("connector", "string") ","
    REQUIRED("name", "string") ","
    REQUIRED("ts_ms", "long") ","
    "{\"name\":\"snapshot\",\"type\":[{\"type\":\"string\",\"connect.version\":1,\"connect.parameters\":{\"allowed\":"
    "\"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental\"},"
    "\"connect.default\":\"false\",\"connect.name\":\"io.debezium.data.Enum\"},\"null\"],\"default\":\"false\"},"
    REQUIRED("db", "string") ","
    NULLABLE("sequence", "string") ","
    NULLABLE("ts_us", "long") ","
    NULLABLE("ts_ns", "long") ",";

/* Record names and fields as the classes of Debezium 3.6 (PostgreSQL) and 3.5 (MongoDB) build them. */
static const struct {
    const char *namespace, *connector, *fields;
} sources[] = {
    [CONNECTOR_POSTGRESQL] = {"io.debezium.connector.postgresql", "postgresql",
        REQUIRED("schema", "string") ","
        REQUIRED("table", "string") ","
        NULLABLE("txId", "long") ","
        NULLABLE("lsn", "long") ","
        NULLABLE("xmin", "long") ","
        NULLABLE("origin", "string") ","
        NULLABLE("origin_lsn", "long")},
    [CONNECTOR_DOCUMENTDB] = {"io.debezium.connector.mongo", "mongodb",
        REQUIRED("collection", "string") ","
        REQUIRED("ord", "int") ","
        NULLABLE("lsid", "string") ","
        NULLABLE("txnNumber", "long") ","
        NULLABLE("wallTime", "long")},
};

#define TRANSACTION_FIELD \
    ",{\"name\":\"transaction\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"block\",\"namespace\":\"event\"," \
    "\"fields\":[" \
    REQUIRED("id", "string") "," \
    REQUIRED("total_order", "long") "," \
    REQUIRED("data_collection_order", "long") \
    "],\"connect.version\":1,\"connect.name\":\"event.block\"}],\"default\":null}"

static const char ENVELOPE_LAST_FIELDS[] =
    TRANSACTION_FIELD ","
    REQUIRED("op", "string") ","
    NULLABLE("ts_ms", "long") ","
    NULLABLE("ts_us", "long") ","
    NULLABLE("ts_ns", "long");

/* A logical message; the source stands between the two. */
#define MESSAGE_NAMESPACE "io.debezium.connector.postgresql"
static const char MESSAGE_FIRST_FIELDS[] = REQUIRED("op", "string") "," NULLABLE("ts_ms", "long");
static const char MESSAGE_LAST_FIELDS[] =
    TRANSACTION_FIELD
    ",{\"name\":\"message\",\"type\":{\"type\":\"record\",\"name\":\"Message\",\"namespace\":\"" MESSAGE_NAMESPACE "\","
    "\"fields\":[" NULLABLE("prefix", "string") "," NULLABLE("content", "%s") "],\"connect.version\":1,"
    "\"connect.name\":\"" MESSAGE_NAMESPACE ".Message\"}}";
static const char MESSAGE_KEY_SCHEMA[] =
    "{\"type\":\"record\",\"name\":\"MessageKey\",\"namespace\":\"" MESSAGE_NAMESPACE "\","
    "\"fields\":[" NULLABLE("prefix", "string") "],\"connect.version\":1,"
    "\"connect.name\":\"" MESSAGE_NAMESPACE ".MessageKey\"}";
// clang-format on

static void put_source_field(struct buf *out, enum connector connector)
{
    const char *namespace = sources[connector].namespace;
    buf_printf(out, ",{\"name\":\"source\",\"type\":{\"type\":\"record\",\"name\":\"Source\",\"namespace\":\"%s\",",
               namespace);
    buf_put_str(out, SOURCE_COMMON_FIELDS);
    buf_put_str(out, sources[connector].fields);
    buf_printf(out, "],\"connect.version\":1,\"connect.name\":\"%s.Source\"}}", namespace);
}

enum rc envelope_schema(struct buf *out, const struct table_shape *shape, enum connector connector, struct err *err)
{
    TRY(check_names_differ(shape, err));
    put_record_head(out, "Envelope", shape->topic);
    buf_put_str(out, "{\"name\":\"before\",\"type\":[\"null\",");
    put_value_record(out, shape);
    buf_put_str(out, "],\"default\":null},{\"name\":\"after\",\"type\":[\"null\",\"Value\"],\"default\":null}");
    put_source_field(out, connector);
    buf_put_str(out, ENVELOPE_LAST_FIELDS);
    put_record_tail(out, shape->topic, "Envelope", 2);
    return schema_done(out, shape->topic, err);
}

enum rc envelope_key_schema(struct buf *out, const struct table_shape *shape, struct err *err)
{
    struct avro_known_names known_names = {0};
    put_record_head(out, "Key", shape->topic);
    for (size_t i = 0; i < shape->n_key_columns; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_column_field(out, &shape->columns[shape->key_columns[i]], &known_names);
    }
    put_record_tail(out, shape->topic, "Key", 0);
    return schema_done(out, shape->topic, err);
}

void envelope_message_schema(struct buf *out, bool content_is_text)
{
    buf_put_str(out,
                "{\"type\":\"record\",\"name\":\"MessageValue\",\"namespace\":\"" MESSAGE_NAMESPACE "\",\"fields\":[");
    buf_put_str(out, MESSAGE_FIRST_FIELDS);
    put_source_field(out, CONNECTOR_POSTGRESQL);
    buf_printf(out, MESSAGE_LAST_FIELDS, content_is_text ? "string" : "bytes");
    buf_put_str(out, "],\"connect.version\":1,\"connect.name\":\"" MESSAGE_NAMESPACE ".MessageValue\"}");
}

void envelope_message_key_schema(struct buf *out)
{
    buf_put_str(out, MESSAGE_KEY_SCHEMA);
}

/* --- events --- */

/* The constant stretches of an event, in their order; what varies stands between them. */
enum stretch {
    STRETCH_FRAME,  /* magic, schema id */
    STRETCH_SERVER, /* source: version, connector, name                                      then ts_ms */
    STRETCH_STREAM, /* snapshot "false", db                                                  then sequence, ts_us, ts_ns */
    STRETCH_SNAPSHOT, /* the same with "true" */
    STRETCH_TABLE,    /* schema, table | collection              then txId, lsn, xmin, origin, origin_lsn | ord */
    STRETCH_TAIL,     /* lsid, txnNumber, wallTime of documents, transaction null, length of op then op */
    STRETCH_COUNT,
};

struct envelope {
    enum connector connector;
    struct slice stretches[STRETCH_COUNT];
    size_t max_bytes; /* of what envelope_end puts */
    uint8_t bytes[];
};

enum {
    DIGITS_BYTES = 20,                                  /* of a 64-bit number */
    SEQUENCE_BYTES = 2 + 2 * DIGITS_BYTES + 7,          /* branch, length, ["1","2"] */
    ENVELOPE_VARIABLE_BYTES = 14 * 11 + SEQUENCE_BYTES, /* the numbers: a branch and ten bytes each */
};

static void put_snapshot_and_database(struct buf *out, const char *snapshot, const char *database)
{
    avro_put_long(out, 0); /* branch 0 is the string here: its default is not null */
    avro_put_str(out, snapshot);
    avro_put_str(out, database);
}

static void put_stretch(struct buf *out, enum stretch stretch, const struct envelope_source *source, uint32_t schema_id)
{
    bool postgresql = source->connector == CONNECTOR_POSTGRESQL;
    switch (stretch) {
    case STRETCH_FRAME: avro_put_frame(out, schema_id); break;
    case STRETCH_SERVER:
        avro_put_str(out, LEAT_VERSION);
        avro_put_str(out, sources[source->connector].connector);
        avro_put_str(out, source->name);
        break;
    case STRETCH_STREAM: put_snapshot_and_database(out, "false", source->database); break;
    case STRETCH_SNAPSHOT: put_snapshot_and_database(out, "true", source->database); break;
    case STRETCH_TABLE:
        if (postgresql)
            avro_put_str(out, source->schema);
        avro_put_str(out, source->table);
        break;
    case STRETCH_TAIL:
        for (int i = 0; i < 3 && !postgresql; i++) /* lsid, txnNumber, wallTime */
            avro_put_null(out);
        avro_put_null(out);    /* transaction */
        avro_put_long(out, 1); /* op's length */
        break;
    case STRETCH_COUNT: break;
    }
}

struct envelope *envelope_new(const struct envelope_source *constant_part, uint32_t value_schema_id)
{
    enum { STRETCHES_MAX_BYTES = 1 << 16 };
    SCOPED(buf_done) struct buf text = buf_new(STRETCHES_MAX_BYTES);
    size_t ends[STRETCH_COUNT];
    for (enum stretch i = 0; i < STRETCH_COUNT; i++) {
        put_stretch(&text, i, constant_part, value_schema_id);
        ends[i] = text.len;
    }
    struct envelope *envelope = text.failed ? NULL : malloc(sizeof(*envelope) + text.len);
    if (envelope == NULL)
        return NULL;
    envelope->connector = constant_part->connector;
    envelope->max_bytes = text.len + ENVELOPE_VARIABLE_BYTES;
    memcpy(envelope->bytes, text.ptr, text.len);
    for (size_t i = 0; i < STRETCH_COUNT; i++) {
        size_t start = i == 0 ? 0 : ends[i - 1];
        envelope->stretches[i] = slice_of(envelope->bytes + start, ends[i] - start);
    }
    return envelope;
}

void envelope_free(struct envelope *envelope)
{
    free(envelope);
}

void envelope_begin(const struct envelope *envelope, struct buf *out)
{
    buf_put_slice(out, envelope->stretches[STRETCH_FRAME]);
}

/* Writers into room that was reserved once for the whole end of the event. */
static inline uint8_t *write_stretch(uint8_t *at, const struct envelope *envelope, enum stretch stretch)
{
    memcpy(at, envelope->stretches[stretch].ptr, envelope->stretches[stretch].len);
    return at + envelope->stretches[stretch].len;
}

static inline uint8_t *write_long(uint8_t *at, int64_t value)
{
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    while (zigzag >= 0x80) {
        *at++ = (uint8_t)(zigzag | 0x80);
        zigzag >>= 7;
    }
    *at++ = (uint8_t)zigzag;
    return at;
}

static inline uint8_t *write_some_long(uint8_t *at, int64_t value)
{
    *at++ = 2;
    return write_long(at, value);
}

static inline uint8_t *write_optional(uint8_t *at, uint64_t value)
{
    if (value != 0)
        return write_some_long(at, (int64_t)value);
    *at++ = 0;
    return at;
}

static inline int64_t floor_ms(int64_t us)
{
    return us / US_PER_MS - (us % US_PER_MS < 0);
}

/* Beyond the year 2262 nanoseconds do not fit: null. */
static inline uint8_t *write_optional_ns(uint8_t *at, int64_t us)
{
    enum { NS_PER_US = 1000 };
    int64_t ns;
    if (LIKELY(!__builtin_mul_overflow(us, (int64_t)NS_PER_US, &ns)))
        return write_some_long(at, ns);
    *at++ = 0;
    return at;
}

static inline uint8_t *write_bytes(uint8_t *at, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(at, bytes, len);
    return at + len;
}

static inline uint8_t *write_digits(uint8_t *at, uint64_t value)
{
    uint8_t digits[DIGITS_BYTES];
    size_t first = DIGITS_BYTES;
    do {
        digits[--first] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return write_bytes(at, digits + first, DIGITS_BYTES - first);
}

/* Debezium's: the last commit and the change itself, as texts in a JSON array. Its readers order events by it. */
static uint8_t *write_sequence(uint8_t *at, const struct envelope_source *source)
{
    if (source->lsn == 0) {
        *at++ = 0;
        return at;
    }
    *at++ = 2;
    uint8_t *length = at++, *text = at;
    *at++ = '[';
    if (source->previous_end == 0) {
        at = write_bytes(at, "null", 4);
    } else {
        *at++ = '"';
        at = write_digits(at, source->previous_end);
        *at++ = '"';
    }
    at = write_bytes(at, ",\"", 2);
    at = write_digits(at, source->lsn);
    at = write_bytes(at, "\"]", 2);
    *length = (uint8_t)((at - text) << 1); /* below 64: one byte */
    return at;
}

static uint8_t *write_origin(uint8_t *at, const struct envelope_source *source)
{
    if (LIKELY(source->origin.len == 0))
        return write_bytes(at, "\0\0", 2);
    at = write_some_long(at, (int64_t)source->origin.len); /* a text's length is written as a long is */
    at = write_bytes(at, source->origin.ptr, source->origin.len);
    return write_some_long(at, (int64_t)source->origin_lsn);
}

/* The record `source`; of documents without its last fields, which are constant. */
static inline uint8_t *write_source(uint8_t *at, const struct envelope *envelope, const struct envelope_source *source)
{
    at = write_stretch(at, envelope, STRETCH_SERVER);
    at = write_long(at, floor_ms(source->commit_time_us));
    at = write_stretch(at, envelope, source->snapshot ? STRETCH_SNAPSHOT : STRETCH_STREAM);
    at = write_sequence(at, source);
    at = write_some_long(at, source->commit_time_us);
    at = write_optional_ns(at, source->commit_time_us);
    at = write_stretch(at, envelope, STRETCH_TABLE);
    if (envelope->connector != CONNECTOR_POSTGRESQL)
        return write_long(at, (int32_t)(source->ordinal > INT32_MAX ? INT32_MAX : source->ordinal));
    at = write_optional(at, source->transaction_id);
    at = write_optional(at, source->lsn);
    *at++ = 0; /* xmin: Debezium's too is null unless it is asked to fetch it */
    return write_origin(at, source);
}

void envelope_end(const struct envelope *envelope, struct buf *out, enum envelope_op op,
                  const struct envelope_source *source, int64_t now_us)
{
    uint8_t *start = buf_reserve(out, envelope->max_bytes + source->origin.len);
    if (UNLIKELY(start == NULL))
        return;
    uint8_t *at = write_source(start, envelope, source);
    at = write_stretch(at, envelope, STRETCH_TAIL);
    *at++ = (uint8_t)op;
    at = write_some_long(at, floor_ms(now_us));
    at = write_some_long(at, now_us);
    at = write_optional_ns(at, now_us);
    out->len += (size_t)(at - start);
}

void envelope_put_message_key(struct buf *out, uint32_t key_schema_id, struct slice prefix)
{
    avro_put_frame(out, key_schema_id);
    avro_put_some(out);
    avro_put_bytes(out, prefix);
}

void envelope_put_message(const struct envelope *envelope, struct buf *out, const struct envelope_source *source,
                          int64_t now_us, struct slice prefix, struct slice content)
{
    buf_put_slice(out, envelope->stretches[STRETCH_FRAME]);
    avro_put_str(out, "m");
    avro_put_some(out);
    avro_put_long(out, floor_ms(now_us));
    uint8_t *start = buf_reserve(out, envelope->max_bytes + source->origin.len);
    if (start == NULL)
        return;
    out->len += (size_t)(write_source(start, envelope, source) - start);
    avro_put_null(out); /* transaction */
    avro_put_some(out);
    avro_put_bytes(out, prefix);
    avro_put_some(out);
    avro_put_bytes(out, content);
}
