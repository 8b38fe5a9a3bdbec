#include "capture/pg/types.h"

/* Type OIDs never change: src/include/catalog/pg_type.dat. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_CHAR = 18,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_XID = 28,
    OID_CID = 29,
    OID_JSON = 114,
    OID_XML = 142,
    OID_POINT = 600,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_MONEY = 790,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_DATE = 1082,
    OID_TIME = 1083,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
    OID_INTERVAL = 1186,
    OID_TIMETZ = 1266,
    OID_BIT = 1560,
    OID_VARBIT = 1562,
    OID_NUMERIC = 1700,
    OID_UUID = 2950,
    OID_TSVECTOR = 3614,
    OID_JSONB = 3802,
    OID_FIRST_OF_USERS = 16384, /* FirstNormalObjectId: extensions' types have names only */
};

enum {
    VARHDRSZ = 4,
    TIME_DIGITS = 6, /* where a type does not say how many digits its seconds have */
    MS_DIGITS = 3,
    UNLIMITED_BITS = INT32_MAX,
};

struct form {
    enum column_type type;
    enum pg_encoding encoding;
};

static const struct {
    uint32_t oid;
    struct form form;
} types[] = {
    {OID_BOOL, {COLUMN_BOOL, PG_ENCODE_BOOL}},
    {OID_INT8, {COLUMN_INT64, PG_ENCODE_INT64}},
    {OID_INT2, {COLUMN_INT16, PG_ENCODE_INT16}},
    {OID_INT4, {COLUMN_INT32, PG_ENCODE_INT32}},
    {OID_OID, {COLUMN_INT64, PG_ENCODE_INT64}},
    {OID_JSON, {COLUMN_JSON, PG_ENCODE_TEXT}},
    {OID_JSONB, {COLUMN_JSON, PG_ENCODE_TEXT}},
    {OID_XML, {COLUMN_XML, PG_ENCODE_TEXT}},
    {OID_FLOAT4, {COLUMN_FLOAT, PG_ENCODE_FLOAT4}},
    {OID_FLOAT8, {COLUMN_DOUBLE, PG_ENCODE_FLOAT8}},
    {OID_TIMETZ, {COLUMN_ZONED_TIME, PG_ENCODE_TIMETZ}},
    {OID_TIMESTAMPTZ, {COLUMN_ZONED_TIMESTAMP, PG_ENCODE_TIMESTAMPTZ}},
    {OID_UUID, {COLUMN_UUID, PG_ENCODE_TEXT}},
    {OID_TSVECTOR, {COLUMN_TSVECTOR, PG_ENCODE_TEXT}},
    {OID_POINT, {COLUMN_POINT, PG_ENCODE_POINT}},
};

static const struct {
    const char *name;
    struct form form;
} extension_types[] = {
    {"ltree", {COLUMN_LTREE, PG_ENCODE_TEXT}},
    {"geometry", {COLUMN_GEOMETRY, PG_ENCODE_GEOMETRY}},
    {"geography", {COLUMN_GEOGRAPHY, PG_ENCODE_GEOMETRY}},
    {"vector", {COLUMN_DOUBLE_VECTOR, PG_ENCODE_VECTOR}},
    {"halfvec", {COLUMN_FLOAT_VECTOR, PG_ENCODE_HALF_VECTOR}},
    {"sparsevec", {COLUMN_SPARSE_VECTOR, PG_ENCODE_SPARSE_VECTOR}},
};

static const struct form decimal_forms[] =
    {
        [PG_DECIMAL_PRECISE] = {COLUMN_DECIMAL, PG_ENCODE_NUMERIC},
        [PG_DECIMAL_DOUBLE] = {COLUMN_DOUBLE, PG_ENCODE_NUMERIC_DOUBLE},
        [PG_DECIMAL_STRING] = {COLUMN_STRING, PG_ENCODE_NUMERIC_TEXT},
},
                         money_forms[] =
                             {
                                 [PG_DECIMAL_PRECISE] = {COLUMN_DECIMAL, PG_ENCODE_MONEY},
                                 [PG_DECIMAL_DOUBLE] = {COLUMN_DOUBLE, PG_ENCODE_MONEY_DOUBLE},
                                 [PG_DECIMAL_STRING] = {COLUMN_STRING, PG_ENCODE_MONEY_TEXT},
},
                         interval_forms[] =
                             {
                                 [PG_INTERVAL_NUMERIC] = {COLUMN_INTERVAL_US, PG_ENCODE_INTERVAL},
                                 [PG_INTERVAL_STRING] = {COLUMN_INTERVAL_TEXT, PG_ENCODE_INTERVAL_TEXT},
},
                         hstore_forms[] =
                             {
                                 [PG_HSTORE_JSON] = {COLUMN_JSON, PG_ENCODE_HSTORE_JSON},
                                 [PG_HSTORE_MAP] = {COLUMN_MAP, PG_ENCODE_HSTORE_MAP},
},
                         binary_forms[] = {
                             [PG_BINARY_BYTES] = {COLUMN_BYTES, PG_ENCODE_BYTEA},
                             [PG_BINARY_BASE64] = {COLUMN_STRING, PG_ENCODE_BYTEA_BASE64},
                             [PG_BINARY_BASE64_URL_SAFE] = {COLUMN_STRING, PG_ENCODE_BYTEA_BASE64_URL_SAFE},
                             [PG_BINARY_HEX] = {COLUMN_STRING, PG_ENCODE_BYTEA_HEX},
};

/* What the time modes make of each; `coarse` is for columns of at most three digits of a second. */
static const struct {
    struct form date, time, coarse_time, timestamp, coarse_timestamp;
} time_forms[] = {
    [PG_TIME_ADAPTIVE] = {{COLUMN_DATE, PG_ENCODE_DATE},
                          {COLUMN_TIME_US, PG_ENCODE_TIME_US},
                          {COLUMN_TIME_MS, PG_ENCODE_TIME_MS},
                          {COLUMN_TIMESTAMP_US, PG_ENCODE_TIMESTAMP_US},
                          {COLUMN_TIMESTAMP_MS, PG_ENCODE_TIMESTAMP_MS}},
    [PG_TIME_ADAPTIVE_TIME_MICROSECONDS] = {{COLUMN_DATE, PG_ENCODE_DATE},
                                            {COLUMN_TIME_US, PG_ENCODE_TIME_US},
                                            {COLUMN_TIME_US, PG_ENCODE_TIME_US},
                                            {COLUMN_TIMESTAMP_US, PG_ENCODE_TIMESTAMP_US},
                                            {COLUMN_TIMESTAMP_MS, PG_ENCODE_TIMESTAMP_MS}},
    [PG_TIME_CONNECT] = {{COLUMN_CONNECT_DATE, PG_ENCODE_DATE},
                         {COLUMN_CONNECT_TIME, PG_ENCODE_TIME_MS},
                         {COLUMN_CONNECT_TIME, PG_ENCODE_TIME_MS},
                         {COLUMN_CONNECT_TIMESTAMP, PG_ENCODE_TIMESTAMP_MS},
                         {COLUMN_CONNECT_TIMESTAMP, PG_ENCODE_TIMESTAMP_MS}},
    [PG_TIME_ISOSTRING] = {{COLUMN_ISO_DATE, PG_ENCODE_DATE_ISO},
                           {COLUMN_ISO_TIME, PG_ENCODE_TIME_ISO},
                           {COLUMN_ISO_TIME, PG_ENCODE_TIME_ISO},
                           {COLUMN_ISO_TIMESTAMP, PG_ENCODE_TIMESTAMP_ISO},
                           {COLUMN_ISO_TIMESTAMP, PG_ENCODE_TIMESTAMP_ISO}},
    [PG_TIME_MICROSECONDS] = {{COLUMN_DATE, PG_ENCODE_DATE},
                              {COLUMN_TIME_US, PG_ENCODE_TIME_US},
                              {COLUMN_TIME_US, PG_ENCODE_TIME_US},
                              {COLUMN_TIMESTAMP_US, PG_ENCODE_TIMESTAMP_US},
                              {COLUMN_TIMESTAMP_US, PG_ENCODE_TIMESTAMP_US}},
    [PG_TIME_NANOSECONDS] = {{COLUMN_DATE, PG_ENCODE_DATE},
                             {COLUMN_TIME_NS, PG_ENCODE_TIME_NS},
                             {COLUMN_TIME_NS, PG_ENCODE_TIME_NS},
                             {COLUMN_TIMESTAMP_NS, PG_ENCODE_TIMESTAMP_NS},
                             {COLUMN_TIMESTAMP_NS, PG_ENCODE_TIMESTAMP_NS}},
};

static struct form numeric_form(const struct pg_type *type, const struct pg_type_modes *modes, struct column *column,
                                struct pg_encoder *encoder)
{
    /* numeric_typmod_scale(): eleven bits, signed since 15. Avro has no negative scale: each value carries its own. */
    int modifier = type->typmod - VARHDRSZ;
    int precision = modifier >> 16 & 0xffff, scale = ((modifier & 0x7ff) ^ 1024) - 1024;
    bool is_bounded = type->typmod >= VARHDRSZ && scale >= 0;
    encoder->scale = is_bounded ? scale : 0;
    if (modes->decimal != PG_DECIMAL_PRECISE)
        return decimal_forms[modes->decimal];
    if (!is_bounded)
        return (struct form){COLUMN_VARIABLE_DECIMAL, PG_ENCODE_VARIABLE_NUMERIC};
    column->precision = MAX(precision, scale);
    column->scale = scale;
    return decimal_forms[PG_DECIMAL_PRECISE];
}

static struct form bit_form(const struct pg_type *type, struct column *column)
{
    if (type->typmod == 1)
        return (struct form){COLUMN_BOOL, PG_ENCODE_BIT};
    column->length = type->typmod > 1 ? type->typmod : UNLIMITED_BITS;
    return (struct form){COLUMN_BITS, PG_ENCODE_BITS};
}

static struct form moment_form(const struct pg_type *type, const struct pg_type_modes *modes)
{
    bool coarse = type->typmod >= 0 && type->typmod <= MS_DIGITS;
    switch (type->oid) {
    case OID_DATE: return time_forms[modes->time].date;
    case OID_TIME: return coarse ? time_forms[modes->time].coarse_time : time_forms[modes->time].time;
    default: return coarse ? time_forms[modes->time].coarse_timestamp : time_forms[modes->time].timestamp;
    }
}

static struct form money_form(const struct pg_type_modes *modes, struct column *column, struct pg_encoder *encoder)
{
    encoder->scale = modes->money_fraction_digits;
    if (modes->decimal == PG_DECIMAL_PRECISE)
        column->scale = modes->money_fraction_digits;
    return money_forms[modes->decimal];
}

static struct form extension_form(const struct pg_type *type, const struct pg_type_modes *modes)
{
    if (type->name != NULL && type->oid >= OID_FIRST_OF_USERS) {
        if (strcmp(type->name, "hstore") == 0)
            return hstore_forms[modes->hstore];
        for (size_t i = 0; i < ARRAY_LEN(extension_types); i++)
            if (strcmp(type->name, extension_types[i].name) == 0)
                return extension_types[i].form;
    }
    return (struct form){COLUMN_STRING, PG_ENCODE_TEXT};
}

static struct form form_of(const struct pg_type *type, const struct pg_type_modes *modes, struct column *column,
                           struct pg_encoder *encoder)
{
    if (type->enum_labels != NULL) {
        column->enum_labels = type->enum_labels;
        return (struct form){COLUMN_ENUM, PG_ENCODE_TEXT};
    }
    switch (type->oid) {
    case OID_NUMERIC: return numeric_form(type, modes, column, encoder);
    case OID_MONEY: return money_form(modes, column, encoder);
    case OID_BYTEA: return binary_forms[modes->binary];
    case OID_BIT:
    case OID_VARBIT: return bit_form(type, column);
    case OID_INTERVAL: return interval_forms[modes->interval];
    case OID_DATE:
    case OID_TIME:
    case OID_TIMESTAMP: return moment_form(type, modes);
    case OID_TIMESTAMPTZ: encoder->scale = type->typmod < 0 ? TIME_DIGITS : MIN(type->typmod, (int)TIME_DIGITS); break;
    case OID_BPCHAR:
    case OID_VARCHAR:
        if (!type->is_array) /* the parameter would be the array's, and nobody asks it */
            column->length = type->typmod < VARHDRSZ ? 0 : type->typmod - VARHDRSZ;
        break;
    default: break;
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].oid == type->oid)
            return types[i].form;
    return extension_form(type, modes);
}

/* UnchangedToastedReplicationMessageColumn and the converters behind it: whatever is put as text, and some arrays. */
static bool array_has_placeholder(const struct pg_type *type, struct form form)
{
    static const uint32_t oids[] = {OID_TEXT,  OID_VARCHAR, OID_BPCHAR, OID_JSON,
                                    OID_JSONB, OID_INT4,    OID_INT8,   OID_UUID};
    for (size_t i = 0; i < ARRAY_LEN(oids); i++)
        if (oids[i] == type->oid)
            return true;
    return form.encoding == PG_ENCODE_BYTEA || form.type == COLUMN_DATE; /* in the other modes it does not fit */
}

static bool has_placeholder(const struct pg_type *type, struct form form)
{
    if (type->is_array)
        return array_has_placeholder(type, form);
    switch (form.encoding) {
    case PG_ENCODE_TEXT:
    case PG_ENCODE_NUMERIC_TEXT:
    case PG_ENCODE_BYTEA:
    case PG_ENCODE_BYTEA_HEX:
    case PG_ENCODE_HSTORE_JSON:
    case PG_ENCODE_HSTORE_MAP: return true;
    default: return false;
    }
}

/* The types whose binary form leat reads. Not money: how many digits it has behind its point is the server's
 * lc_monetary, which only its text tells. */
static const struct {
    uint32_t oid;
    enum pg_wire wire;
} wires[] = {
    {OID_BOOL, PG_WIRE_BOOL},
    {OID_BYTEA, PG_WIRE_BYTEA},
    {OID_CHAR, PG_WIRE_CHAR},
    {OID_NAME, PG_WIRE_TEXT},
    {OID_INT8, PG_WIRE_INT8},
    {OID_INT2, PG_WIRE_INT2},
    {OID_INT4, PG_WIRE_INT4},
    {OID_TEXT, PG_WIRE_TEXT},
    {OID_OID, PG_WIRE_UINT4},
    {OID_XID, PG_WIRE_UINT4},
    {OID_CID, PG_WIRE_UINT4},
    {OID_JSON, PG_WIRE_TEXT},
    {OID_XML, PG_WIRE_TEXT},
    {OID_FLOAT4, PG_WIRE_FLOAT4},
    {OID_FLOAT8, PG_WIRE_FLOAT8},
    {OID_BPCHAR, PG_WIRE_TEXT},
    {OID_VARCHAR, PG_WIRE_TEXT},
    {OID_DATE, PG_WIRE_DATE},
    {OID_TIME, PG_WIRE_TIME},
    {OID_TIMESTAMP, PG_WIRE_TIMESTAMP},
    {OID_TIMESTAMPTZ, PG_WIRE_TIMESTAMPTZ},
    {OID_INTERVAL, PG_WIRE_INTERVAL},
    {OID_TIMETZ, PG_WIRE_TIMETZ},
    {OID_BIT, PG_WIRE_BITS},
    {OID_VARBIT, PG_WIRE_BITS},
    {OID_NUMERIC, PG_WIRE_NUMERIC},
    {OID_UUID, PG_WIRE_UUID},
    {OID_JSONB, PG_WIRE_VERSIONED_TEXT},
};

static const struct {
    const char *name;
    enum pg_wire wire;
} extension_wires[] = {
    {"citext", PG_WIRE_TEXT},
    {"ltree", PG_WIRE_VERSIONED_TEXT},
    {"hstore", PG_WIRE_HSTORE},
};

static enum pg_wire wire_of(const struct pg_type *type)
{
    if (type->enum_labels != NULL)
        return PG_WIRE_TEXT;
    for (size_t i = 0; i < ARRAY_LEN(wires); i++)
        if (wires[i].oid == type->oid)
            return wires[i].wire;
    for (size_t i = 0; type->name != NULL && type->oid >= OID_FIRST_OF_USERS && i < ARRAY_LEN(extension_wires); i++)
        if (strcmp(extension_wires[i].name, type->name) == 0)
            return extension_wires[i].wire;
    return PG_WIRE_NONE;
}

void pg_type_describe(const struct pg_type *type, const struct pg_type_modes *modes, struct column *ret_column,
                      struct pg_encoder *ret_encoder)
{
    struct form form = form_of(type, modes, ret_column, ret_encoder);
    ret_column->type = form.type;
    ret_column->is_array = type->is_array;
    ret_column->dimensions = type->is_array;
    ret_encoder->encoding = form.encoding;
    ret_encoder->wire = wire_of(type);
    ret_encoder->is_uuid = type->oid == OID_UUID;
    ret_encoder->is_array = type->is_array;
    ret_encoder->dimensions = type->is_array;
    ret_encoder->delimiter = type->delimiter;
    ret_encoder->unavailable_value = has_placeholder(type, form) ? modes->unavailable_value : NULL;
}
