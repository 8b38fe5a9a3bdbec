#include "proto/column.h"

#include <stdio.h>

#include "proto/avro_schema.h"

/* Avro's primitive and the schema name of each column type; version 1 of every schema that has a name. */
// clang-format off
static const struct column_form {
    const char *avro;
    const char *connect_name; /* NULL: the primitive itself */
} forms[] = {
    [COLUMN_BOOL]             = {"boolean", NULL},
    [COLUMN_INT16]            = {"int",     NULL},
    [COLUMN_INT32]            = {"int",     NULL},
    [COLUMN_INT64]            = {"long",    NULL},
    [COLUMN_FLOAT]            = {"float",   NULL},
    [COLUMN_DOUBLE]           = {"double",  NULL},
    [COLUMN_DECIMAL]          = {"bytes",   "org.apache.kafka.connect.data.Decimal"},
    [COLUMN_VARIABLE_DECIMAL] = {"record",  "io.debezium.data.VariableScaleDecimal"},
    [COLUMN_STRING]           = {"string",  NULL},
    [COLUMN_BYTES]            = {"bytes",   NULL},
    [COLUMN_UUID]             = {"string",  "io.debezium.data.Uuid"},
    [COLUMN_JSON]             = {"string",  "io.debezium.data.Json"},
    [COLUMN_XML]              = {"string",  "io.debezium.data.Xml"},
    [COLUMN_ENUM]             = {"string",  "io.debezium.data.Enum"},
    [COLUMN_DATE]             = {"int",     "io.debezium.time.Date"},
    [COLUMN_TIME_US]          = {"long",    "io.debezium.time.MicroTime"},
    [COLUMN_TIMESTAMP_US]     = {"long",    "io.debezium.time.MicroTimestamp"},
    [COLUMN_TIMESTAMP_MS]     = {"long",    "io.debezium.time.Timestamp"},
    [COLUMN_ZONED_TIME]       = {"string",  "io.debezium.time.ZonedTime"},
    [COLUMN_ZONED_TIMESTAMP]  = {"string",  "io.debezium.time.ZonedTimestamp"},
    [COLUMN_INTERVAL_US]      = {"long",    "io.debezium.time.MicroDuration"},
};
// clang-format on

/* Kafka Connect's converters write this precision where none is known: Avro's decimal must have one. */
enum { DECIMAL_UNKNOWN_PRECISION = 64 };

static bool column_is_text(const struct column *column)
{
    return strcmp(forms[column->type].avro, "string") == 0;
}

static void put_variable_decimal(struct buf *out, struct avro_known_names *known_names)
{
    if (known_names->variable_decimal) {
        buf_put_str(out, "\"io.debezium.data.VariableScaleDecimal\"");
        return;
    }
    known_names->variable_decimal = true;
    buf_put_str(out, "{\"type\":\"record\",\"name\":\"VariableScaleDecimal\",\"namespace\":\"io.debezium.data\","
                     "\"fields\":[{\"name\":\"scale\",\"type\":\"int\"},{\"name\":\"value\",\"type\":\"bytes\"}],"
                     "\"connect.doc\":\"Variable scaled decimal\",\"connect.version\":1,"
                     "\"connect.name\":\"io.debezium.data.VariableScaleDecimal\"}");
}

static void put_decimal(struct buf *out, const struct column *column)
{
    buf_printf(out, "{\"type\":\"bytes\",\"scale\":%d,\"precision\":%d,\"connect.version\":1,", column->scale,
               column->precision > 0 ? column->precision : DECIMAL_UNKNOWN_PRECISION);
    buf_printf(out, "\"connect.parameters\":{\"scale\":\"%d\"", column->scale);
    if (column->precision > 0)
        buf_printf(out, ",\"connect.decimal.precision\":\"%d\"", column->precision);
    buf_printf(out, "},\"connect.name\":\"%s\",\"logicalType\":\"decimal\"}", forms[COLUMN_DECIMAL].connect_name);
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
    if (form->connect_name != NULL)
        buf_printf(out, ",\"connect.name\":\"%s\"", form->connect_name);
    buf_put_u8(out, '}');
}

static void put_type(struct buf *out, const struct column *column, struct avro_known_names *known_names)
{
    const struct column_form *form = &forms[column->type];
    if (column->type == COLUMN_VARIABLE_DECIMAL)
        put_variable_decimal(out, known_names);
    else if (column->type == COLUMN_DECIMAL)
        put_decimal(out, column);
    else if (column->type == COLUMN_INT16)
        buf_put_str(out, "{\"type\":\"int\",\"connect.type\":\"int16\"}");
    else if (column_is_text(column) &&
             (form->connect_name != NULL || (column->source_type != NULL && column->length > 0)))
        put_text(out, column);
    else if (form->connect_name != NULL)
        buf_printf(out, "{\"type\":\"%s\",\"connect.version\":1,\"connect.name\":\"%s\"}", form->avro,
                   form->connect_name);
    else
        buf_printf(out, "\"%s\"", form->avro);
}

void avro_schema_put_column_type(struct buf *out, const struct column *column, struct avro_known_names *known_names)
{
    if (column->optional)
        buf_put_str(out, "[\"null\",");
    put_type(out, column, known_names);
    if (column->optional)
        buf_put_u8(out, ']');
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
