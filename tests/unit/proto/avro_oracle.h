/* avro-c as the oracle: what our encoder wrote, it must read back. */
#ifndef LEAT_TEST_AVRO_ORACLE_H
#define LEAT_TEST_AVRO_ORACLE_H

#include "test.h"

/* avro-c and event.h both have a struct avro_value */
#define avro_value avro_c_value
#include <avro.h>
#undef avro_value

#include "base/buf.h"

struct oracle {
    avro_schema_t schema;
    avro_value_iface_t *class;
    avro_value_t value;
};

static inline void oracle_open(struct oracle *oracle, struct slice schema_json)
{
    if (avro_schema_from_json_length((const char *)schema_json.ptr, schema_json.len, &oracle->schema) != 0)
        fail_msg("avro-c refuses the schema: %s", avro_strerror());
    oracle->class = avro_generic_class_from_schema(oracle->schema);
    assert_int_equal(0, avro_generic_value_new(oracle->class, &oracle->value));
}

static inline void oracle_close(struct oracle *oracle)
{
    avro_value_decref(&oracle->value);
    avro_value_iface_decref(oracle->class);
    avro_schema_decref(oracle->schema);
}

/* Reads one framed record to its last byte. */
static inline void oracle_read(struct oracle *oracle, struct slice record)
{
    assert_true(record.len > 5);
    avro_reader_t reader = avro_reader_memory((const char *)record.ptr + 5, (int64_t)record.len - 5);
    avro_value_reset(&oracle->value);
    if (avro_value_read(reader, &oracle->value) != 0)
        fail_msg("avro-c could not read the record: %s", avro_strerror());
    char one;
    if (avro_read(reader, &one, 1) == 0)
        fail_msg("avro-c left bytes of the record over");
    avro_reader_free(reader);
}

/* "source.ts_ms", unions looked through. False when a union on the way is null. */
static inline bool oracle_at(const struct oracle *oracle, const char *path, avro_value_t *ret_value)
{
    avro_value_t at = oracle->value;
    for (;;) {
        if (avro_value_get_type(&at) == AVRO_UNION) {
            avro_value_t branch;
            assert_int_equal(0, avro_value_get_current_branch(&at, &branch));
            at = branch;
        }
        if (avro_value_get_type(&at) == AVRO_NULL)
            return false;
        if (*path == '\0')
            break;
        char name[128];
        size_t len = strcspn(path, ".");
        snprintf(name, sizeof(name), "%.*s", (int)len, path);
        avro_value_t field;
        if (avro_value_get_by_name(&at, name, &field, NULL) != 0)
            fail_msg("the record has no field %s", name);
        at = field;
        path += len + (path[len] == '.');
    }
    *ret_value = at;
    return true;
}

static inline bool oracle_is_null(const struct oracle *oracle, const char *path)
{
    avro_value_t value;
    return !oracle_at(oracle, path, &value);
}

static inline int64_t oracle_long(const struct oracle *oracle, const char *path)
{
    avro_value_t value;
    int64_t number = 0;
    int32_t small = 0;
    int flag = 0;
    if (!oracle_at(oracle, path, &value))
        fail_msg("%s is null", path);
    if (avro_value_get_type(&value) == AVRO_BOOLEAN)
        return avro_value_get_boolean(&value, &flag), flag;
    if (avro_value_get_type(&value) == AVRO_INT32)
        return avro_value_get_int(&value, &small), small;
    assert_int_equal(0, avro_value_get_long(&value, &number));
    return number;
}

static inline double oracle_double(const struct oracle *oracle, const char *path)
{
    avro_value_t value;
    double number = 0;
    float small = 0;
    if (!oracle_at(oracle, path, &value))
        fail_msg("%s is null", path);
    if (avro_value_get_type(&value) == AVRO_FLOAT)
        return avro_value_get_float(&value, &small), (double)small;
    assert_int_equal(0, avro_value_get_double(&value, &number));
    return number;
}

/* string or bytes; the oracle's until the next read */
static inline struct slice oracle_bytes(const struct oracle *oracle, const char *path)
{
    avro_value_t value;
    const void *bytes = NULL;
    const char *text = NULL;
    size_t size = 0;
    if (!oracle_at(oracle, path, &value))
        fail_msg("%s is null", path);
    if (avro_value_get_type(&value) == AVRO_BYTES) {
        assert_int_equal(0, avro_value_get_bytes(&value, &bytes, &size));
        return slice_of(bytes, size);
    }
    assert_int_equal(0, avro_value_get_string(&value, &text, &size));
    return slice_of(text, size - 1);
}

#endif
