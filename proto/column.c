#include "proto/column.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/avro_get.h"
#include "proto/avro_schema.h"

/* Avro's type and the schema name of each column type; version 1 of every schema that has a name. */
// clang-format off
static const struct column_form {
    const char *avro;
    const char *connect_name; /* NULL: the primitive itself */
    const char *logical_type; /* NULL: none */
} forms[] = {
    [COLUMN_BOOL]              = {"boolean", NULL, NULL},
    [COLUMN_INT16]             = {"int",     NULL, NULL},
    [COLUMN_INT32]             = {"int",     NULL, NULL},
    [COLUMN_INT64]             = {"long",    NULL, NULL},
    [COLUMN_FLOAT]             = {"float",   NULL, NULL},
    [COLUMN_DOUBLE]            = {"double",  NULL, NULL},
    [COLUMN_DECIMAL]           = {"bytes",   "org.apache.kafka.connect.data.Decimal", "decimal"},
    [COLUMN_VARIABLE_DECIMAL]  = {"record",  "io.debezium.data.VariableScaleDecimal", NULL},
    [COLUMN_STRING]            = {"string",  NULL, NULL},
    [COLUMN_BYTES]             = {"bytes",   NULL, NULL},
    [COLUMN_UUID]              = {"string",  "io.debezium.data.Uuid", NULL},
    [COLUMN_JSON]              = {"string",  "io.debezium.data.Json", NULL},
    [COLUMN_XML]               = {"string",  "io.debezium.data.Xml", NULL},
    [COLUMN_ENUM]              = {"string",  "io.debezium.data.Enum", NULL},
    [COLUMN_DATE]              = {"int",     "io.debezium.time.Date", NULL},
    [COLUMN_TIME_MS]           = {"int",     "io.debezium.time.Time", NULL},
    [COLUMN_TIME_US]           = {"long",    "io.debezium.time.MicroTime", NULL},
    [COLUMN_TIME_NS]           = {"long",    "io.debezium.time.NanoTime", NULL},
    [COLUMN_TIMESTAMP_MS]      = {"long",    "io.debezium.time.Timestamp", NULL},
    [COLUMN_TIMESTAMP_US]      = {"long",    "io.debezium.time.MicroTimestamp", NULL},
    [COLUMN_TIMESTAMP_NS]      = {"long",    "io.debezium.time.NanoTimestamp", NULL},
    [COLUMN_CONNECT_DATE]      = {"int",     "org.apache.kafka.connect.data.Date", "date"},
    [COLUMN_CONNECT_TIME]      = {"int",     "org.apache.kafka.connect.data.Time", "time-millis"},
    [COLUMN_CONNECT_TIMESTAMP] = {"long",    "org.apache.kafka.connect.data.Timestamp", "timestamp-millis"},
    [COLUMN_ISO_DATE]          = {"string",  "io.debezium.time.IsoDate", NULL},
    [COLUMN_ISO_TIME]          = {"string",  "io.debezium.time.IsoTime", NULL},
    [COLUMN_ISO_TIMESTAMP]     = {"string",  "io.debezium.time.IsoTimestamp", NULL},
    [COLUMN_ZONED_TIME]        = {"string",  "io.debezium.time.ZonedTime", NULL},
    [COLUMN_ZONED_TIMESTAMP]   = {"string",  "io.debezium.time.ZonedTimestamp", NULL},
    [COLUMN_INTERVAL_US]       = {"long",    "io.debezium.time.MicroDuration", NULL},
    [COLUMN_INTERVAL_TEXT]     = {"string",  "io.debezium.time.Interval", NULL},
    [COLUMN_BITS]              = {"bytes",   "io.debezium.data.Bits", NULL},
    [COLUMN_TSVECTOR]          = {"string",  "io.debezium.data.Tsvector", NULL},
    [COLUMN_LTREE]             = {"string",  "io.debezium.data.Ltree", NULL},
    [COLUMN_POINT]             = {"record",  "io.debezium.data.geometry.Point", NULL},
    [COLUMN_GEOMETRY]          = {"record",  "io.debezium.data.geometry.Geometry", NULL},
    [COLUMN_GEOGRAPHY]         = {"record",  "io.debezium.data.geometry.Geography", NULL},
    [COLUMN_DOUBLE_VECTOR]     = {"double",  "io.debezium.data.DoubleVector", NULL},
    [COLUMN_FLOAT_VECTOR]      = {"float",   "io.debezium.data.FloatVector", NULL},
    [COLUMN_SPARSE_VECTOR]     = {"record",  "io.debezium.data.SparseDoubleVector", NULL},
    [COLUMN_MAP]               = {"map",     NULL, NULL},
    [COLUMN_NESTED]            = {"null",    NULL, NULL},
};

#define WKB_FIELDS(wkb) \
    "{\"name\":\"wkb\",\"type\":" wkb "},{\"name\":\"srid\",\"type\":[\"null\",\"int\"],\"default\":null}"

/* Records: the name's parts, the fields, the doc. */
static const struct {
    const char *name, *namespace, *fields, *doc;
} records[] = {
    [COLUMN_VARIABLE_DECIMAL] = {"VariableScaleDecimal", "io.debezium.data",
        "{\"name\":\"scale\",\"type\":\"int\"},{\"name\":\"value\",\"type\":\"bytes\"}", "Variable scaled decimal"},
    [COLUMN_POINT] = {"Point", "io.debezium.data.geometry",
        "{\"name\":\"x\",\"type\":\"double\"},{\"name\":\"y\",\"type\":\"double\"},"
        WKB_FIELDS("[\"null\",\"bytes\"],\"default\":null"), "Geometry (POINT)"},
    [COLUMN_GEOMETRY] = {"Geometry", "io.debezium.data.geometry", WKB_FIELDS("\"bytes\""), "Geometry"},
    [COLUMN_GEOGRAPHY] = {"Geography", "io.debezium.data.geometry", WKB_FIELDS("\"bytes\""), "Geography"},
    /* A map whose keys are no text is an array of entries to Connect's converters. */
    [COLUMN_SPARSE_VECTOR] = {"SparseDoubleVector", "io.debezium.data",
        "{\"name\":\"dimensions\",\"type\":{\"type\":\"int\",\"connect.type\":\"int16\"}},"
        "{\"name\":\"vector\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"MapEntry\","
        "\"namespace\":\"io.confluent.connect.avro\",\"fields\":["
        "{\"name\":\"key\",\"type\":{\"type\":\"int\",\"connect.type\":\"int16\"}},"
        "{\"name\":\"value\",\"type\":\"double\"}]}}}", "Sparse double vector"},
};
// clang-format on

/* ---- defaults ---- */

static bool has_default(const struct column *column)
{
    return column->default_value.ptr != NULL;
}

/* As short as it can be, and told from an integer: Connect's converter writes a float's digits as a float. */
static void put_json_double(struct buf *out, double value, bool is_float)
{
    char text[40];
    for (int digits = is_float ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    buf_put_str(out, text);
    if (strpbrk(text, ".e") == NULL)
        buf_put_str(out, ".0");
}

/* Avro's way: a character for each byte. */
static void put_json_bytes(struct buf *out, struct slice bytes)
{
    SCOPED(buf_done) struct buf text = buf_new(2 * bytes.len + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = bytes.ptr[i];
        if (byte >= 0x80)
            buf_put_u8(&text, (uint8_t)(0xC0 | byte >> 6));
        buf_put_u8(&text, byte < 0x80 ? byte : (uint8_t)(0x80 | (byte & 0x3F)));
    }
    buf_put_json_string(out, buf_slice(&text));
}

static void put_default(struct buf *out, const struct column *column)
{
    struct reader r = reader_of(column->default_value);
    const char *avro = forms[column->type].avro;
    if (strcmp(avro, "boolean") == 0)
        buf_put_str(out, avro_get_bool(&r) ? "true" : "false");
    else if (strcmp(avro, "int") == 0 || strcmp(avro, "long") == 0)
        buf_printf(out, "%lld", (long long)avro_get_long(&r));
    else if (strcmp(avro, "float") == 0)
        put_json_double(out, (double)avro_get_float(&r), true);
    else if (strcmp(avro, "double") == 0)
        put_json_double(out, avro_get_double(&r), false);
    else if (strcmp(avro, "bytes") == 0)
        put_json_bytes(out, avro_get_bytes(&r));
    else
        buf_put_json_string(out, avro_get_bytes(&r));
}

bool column_put_avro_default(struct buf *out, const struct column *column)
{
    if (has_default(column))
        put_default(out, column);
    else if (column->optional)
        buf_put_str(out, "null");
    return has_default(column) || column->optional;
}

/* Connect's own note of it, inside of the type. */
static void put_connect_default(struct buf *out, const struct column *column)
{
    if (!has_default(column))
        return;
    buf_put_str(out, ",\"connect.default\":");
    put_default(out, column);
}

/* Kafka Connect's converters write this precision where none is known: Avro's decimal must have one. */
enum { DECIMAL_UNKNOWN_PRECISION = 64 };

static bool column_is_text(const struct column *column)
{
    return strcmp(forms[column->type].avro, "string") == 0;
}

static void put_record(struct buf *out, const struct column *column, struct avro_known_names *known_names)
{
    const char *full_name = forms[column->type].connect_name;
    uint64_t bit = UINT64_C(1) << column->type;
    if ((known_names->types & bit) != 0) {
        buf_printf(out, "\"%s\"", full_name);
        return;
    }
    known_names->types |= bit;
    buf_printf(out, "{\"type\":\"record\",\"name\":\"%s\",\"namespace\":\"%s\",\"fields\":[",
               records[column->type].name, records[column->type].namespace);
    buf_put_str(out, records[column->type].fields);
    buf_printf(out, "],\"connect.doc\":\"%s\",\"connect.version\":1,\"connect.name\":\"%s\"}",
               records[column->type].doc, full_name);
}

static void put_decimal(struct buf *out, const struct column *column)
{
    buf_printf(out, "{\"type\":\"bytes\",\"scale\":%d,\"precision\":%d,\"connect.version\":1,", column->scale,
               column->precision > 0 ? column->precision : DECIMAL_UNKNOWN_PRECISION);
    buf_printf(out, "\"connect.parameters\":{\"scale\":\"%d\"", column->scale);
    if (column->precision > 0)
        buf_printf(out, ",\"connect.decimal.precision\":\"%d\"", column->precision);
    buf_put_u8(out, '}');
    put_connect_default(out, column);
    buf_printf(out, ",\"connect.name\":\"%s\",\"logicalType\":\"decimal\"}", forms[COLUMN_DECIMAL].connect_name);
}

static void put_parameter(struct buf *out, bool *first, const char *name, const char *value)
{
    buf_put_str(out, *first ? ",\"connect.parameters\":{" : ",");
    *first = false;
    buf_put_json_string(out, slice_of_str(name));
    buf_put_u8(out, ':');
    buf_put_json_string(out, slice_of_str(value));
}

static void put_text(struct buf *out, const struct column *column)
{
    const struct column_form *form = &forms[column->type];
    bool first = true;
    buf_put_str(out, "{\"type\":\"string\"");
    if (form->connect_name != NULL)
        buf_put_str(out, ",\"connect.version\":1");
    if (column->type == COLUMN_ENUM)
        put_parameter(out, &first, "allowed", column->enum_labels == NULL ? "" : column->enum_labels);
    if (column->source_type != NULL && column->length > 0) {
        char length[16];
        snprintf(length, sizeof(length), "%d", column->length);
        put_parameter(out, &first, "__debezium.source.column.type", column->source_type);
        put_parameter(out, &first, "__debezium.source.column.length", length);
    }
    if (!first)
        buf_put_u8(out, '}');
    put_connect_default(out, column);
    if (form->connect_name != NULL)
        buf_printf(out, ",\"connect.name\":\"%s\"", form->connect_name);
    buf_put_u8(out, '}');
}

static void put_bits(struct buf *out, const struct column *column)
{
    buf_printf(out, "{\"type\":\"bytes\",\"connect.version\":1,\"connect.parameters\":{\"length\":\"%d\"}",
               column->length);
    put_connect_default(out, column);
    buf_printf(out, ",\"connect.name\":\"%s\"}", forms[COLUMN_BITS].connect_name);
}

/* A primitive with a name of Connect's. */
static void put_named(struct buf *out, const struct column *column)
{
    const struct column_form *form = &forms[column->type];
    buf_printf(out, "{\"type\":\"%s\",\"connect.version\":1", form->avro);
    put_connect_default(out, column);
    buf_printf(out, ",\"connect.name\":\"%s\"", form->connect_name);
    if (form->logical_type != NULL)
        buf_printf(out, ",\"logicalType\":\"%s\"", form->logical_type);
    buf_put_u8(out, '}');
}

static void put_plain_text(struct buf *out, const struct column *column)
{
    bool has_length = column->source_type != NULL && column->length > 0;
    if (forms[column->type].connect_name != NULL || has_length || has_default(column))
        put_text(out, column);
    else
        buf_put_str(out, "\"string\"");
}

static void put_plain(struct buf *out, const struct column *column)
{
    const char *avro = forms[column->type].avro;
    buf_printf(out, has_default(column) ? "{\"type\":\"%s\"" : "\"%s\"", avro);
    put_connect_default(out, column);
    if (has_default(column))
        buf_put_u8(out, '}');
}

static void put_int16(struct buf *out, const struct column *column)
{
    buf_put_str(out, "{\"type\":\"int\"");
    put_connect_default(out, column);
    buf_put_str(out, ",\"connect.type\":\"int16\"}");
}

static void put_type(struct buf *out, const struct column *column, struct avro_known_names *known_names)
{
    const struct column_form *form = &forms[column->type];
    switch (column->type) {
    case COLUMN_VARIABLE_DECIMAL:
    case COLUMN_POINT:
    case COLUMN_GEOMETRY:
    case COLUMN_GEOGRAPHY:
    case COLUMN_SPARSE_VECTOR: put_record(out, column, known_names); return;
    case COLUMN_DECIMAL: put_decimal(out, column); return;
    case COLUMN_BITS: put_bits(out, column); return;
    case COLUMN_INT16: put_int16(out, column); return;
    case COLUMN_MAP: buf_put_str(out, "{\"type\":\"map\",\"values\":[\"null\",\"string\"]}"); return;
    case COLUMN_DOUBLE_VECTOR:
    case COLUMN_FLOAT_VECTOR:
        buf_printf(out, "{\"type\":\"array\",\"items\":\"%s\",\"connect.version\":1,\"connect.name\":\"%s\"}",
                   form->avro, form->connect_name);
        return;
    default: break;
    }
    if (column_is_text(column))
        put_plain_text(out, column);
    else if (form->connect_name != NULL)
        put_named(out, column);
    else
        put_plain(out, column);
}

static void put_array(struct buf *out, const struct column *column, int dimensions,
                      struct avro_known_names *known_names)
{
    buf_put_str(out, "{\"type\":\"array\",\"items\":[\"null\",");
    put_type(out, column, known_names);
    if (dimensions > 1) {
        buf_put_u8(out, ',');
        put_array(out, column, dimensions - 1, known_names);
    }
    buf_put_str(out, "]}");
}

void avro_schema_put_column_type(struct buf *out, const struct column *column, struct avro_known_names *known_names)
{
    if (column->optional)
        buf_put_str(out, has_default(column) ? "[" : "[\"null\",");
    if (column->is_array)
        put_array(out, column, MAX(column->dimensions, 1), known_names);
    else
        put_type(out, column, known_names);
    if (column->optional)
        buf_put_str(out, has_default(column) ? ",\"null\"]" : "]");
}

bool column_can_nest(const struct column *column)
{
    return column->type != COLUMN_DOUBLE_VECTOR && column->type != COLUMN_FLOAT_VECTOR;
}

bool column_is_nested(const struct column *column)
{
    switch (column->type) {
    case COLUMN_POINT:
    case COLUMN_GEOMETRY:
    case COLUMN_GEOGRAPHY:
    case COLUMN_DOUBLE_VECTOR:
    case COLUMN_FLOAT_VECTOR:
    case COLUMN_SPARSE_VECTOR:
    case COLUMN_MAP:
    case COLUMN_NESTED: return true;
    default: return column->is_array;
    }
}

void column_put_avro_type(struct buf *out, const struct column *column)
{
    struct avro_known_names known_names = {0};
    avro_schema_put_column_type(out, column, &known_names);
}

static bool avro_name_allows(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Debezium's characters are UTF-16's: one '_' for each, so two for a character beyond the basic plane. */
static void put_avro_name(struct buf *out, const char *name, size_t len)
{
    if (len == 0 || (name[0] >= '0' && name[0] <= '9'))
        buf_put_u8(out, '_');
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (avro_name_allows(name[i]))
            buf_put_u8(out, byte);
        else if ((byte & 0xC0) != 0x80)
            buf_put(out, "__", byte >= 0xF0 ? 2 : 1);
    }
}

void column_put_avro_name(struct buf *out, const char *name)
{
    put_avro_name(out, name, strlen(name));
}

void avro_schema_put_namespace(struct buf *out, const char *topic)
{
    for (;;) {
        size_t len = strcspn(topic, ".");
        put_avro_name(out, topic, len);
        if (topic[len] == '\0')
            return;
        buf_put_u8(out, '.');
        topic += len + 1;
    }
}
