#include "sink/redshift/target.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

enum {
    VARCHAR_MAX_BYTES = 65535,
    VARBYTE_BYTES = 65535,
    DECIMAL_MAX_PRECISION = 38,
    DECIMAL_MAX_SCALE = 37,
    EXACT_DECIMAL_BYTES = 256,
    UTF8_MAX_BYTES = 4,
};

/* What each type of an event becomes; docs/types.md says it to people, and a test holds the two together.
 * bytes 0: the column's own length decides, or the type has none. */
static const struct {
    enum target_type type;
    int bytes;
} type_map[] = {
    [COLUMN_BOOL] = {TARGET_BOOLEAN, 0},
    [COLUMN_INT16] = {TARGET_SMALLINT, 0},
    [COLUMN_INT32] = {TARGET_INTEGER, 0},
    [COLUMN_INT64] = {TARGET_BIGINT, 0},
    [COLUMN_FLOAT] = {TARGET_REAL, 0},
    [COLUMN_DOUBLE] = {TARGET_DOUBLE, 0},
    [COLUMN_DECIMAL] = {TARGET_DECIMAL, 0},
    [COLUMN_VARIABLE_DECIMAL] = {TARGET_VARCHAR, EXACT_DECIMAL_BYTES},
    [COLUMN_STRING] = {TARGET_VARCHAR, 0},
    [COLUMN_BYTES] = {TARGET_VARBYTE, VARBYTE_BYTES},
    [COLUMN_UUID] = {TARGET_VARCHAR, 36},
    [COLUMN_JSON] = {TARGET_SUPER, 0},
    [COLUMN_XML] = {TARGET_VARCHAR, VARCHAR_MAX_BYTES},
    [COLUMN_ENUM] = {TARGET_VARCHAR, 63 * UTF8_MAX_BYTES},
    [COLUMN_DATE] = {TARGET_DATE, 0},
    [COLUMN_TIME_MS] = {TARGET_TIME, 0},
    [COLUMN_TIME_US] = {TARGET_TIME, 0},
    [COLUMN_TIME_NS] = {TARGET_TIME, 0},
    [COLUMN_TIMESTAMP_MS] = {TARGET_TIMESTAMP, 0},
    [COLUMN_TIMESTAMP_US] = {TARGET_TIMESTAMP, 0},
    [COLUMN_TIMESTAMP_NS] = {TARGET_TIMESTAMP, 0},
    [COLUMN_CONNECT_DATE] = {TARGET_DATE, 0},
    [COLUMN_CONNECT_TIME] = {TARGET_TIME, 0},
    [COLUMN_CONNECT_TIMESTAMP] = {TARGET_TIMESTAMP, 0},
    [COLUMN_ISO_DATE] = {TARGET_VARCHAR, 24},
    [COLUMN_ISO_TIME] = {TARGET_VARCHAR, 24},
    [COLUMN_ISO_TIMESTAMP] = {TARGET_VARCHAR, 48},
    [COLUMN_ZONED_TIME] = {TARGET_VARCHAR, 24},
    [COLUMN_ZONED_TIMESTAMP] = {TARGET_TIMESTAMPTZ, 0},
    [COLUMN_INTERVAL_US] = {TARGET_BIGINT, 0},
    [COLUMN_INTERVAL_TEXT] = {TARGET_VARCHAR, 128},
    [COLUMN_BITS] = {TARGET_VARCHAR, 0},
    [COLUMN_TSVECTOR] = {TARGET_VARCHAR, VARCHAR_MAX_BYTES},
    [COLUMN_LTREE] = {TARGET_VARCHAR, VARCHAR_MAX_BYTES},
    [COLUMN_POINT] = {TARGET_SUPER, 0},
    [COLUMN_GEOMETRY] = {TARGET_SUPER, 0},
    [COLUMN_GEOGRAPHY] = {TARGET_SUPER, 0},
    [COLUMN_DOUBLE_VECTOR] = {TARGET_SUPER, 0},
    [COLUMN_FLOAT_VECTOR] = {TARGET_SUPER, 0},
    [COLUMN_SPARSE_VECTOR] = {TARGET_SUPER, 0},
    [COLUMN_MAP] = {TARGET_SUPER, 0},
    [COLUMN_NESTED] = {TARGET_SUPER, 0},
};

static const char *const type_names[] = {
    [TARGET_BOOLEAN] = "BOOLEAN",
    [TARGET_SMALLINT] = "SMALLINT",
    [TARGET_INTEGER] = "INTEGER",
    [TARGET_BIGINT] = "BIGINT",
    [TARGET_REAL] = "REAL",
    [TARGET_DOUBLE] = "DOUBLE PRECISION",
    [TARGET_DECIMAL] = "DECIMAL",
    [TARGET_VARCHAR] = "VARCHAR",
    [TARGET_VARBYTE] = "VARBYTE",
    [TARGET_DATE] = "DATE",
    [TARGET_TIME] = "TIME",
    [TARGET_TIMESTAMP] = "TIMESTAMP",
    [TARGET_TIMESTAMPTZ] = "TIMESTAMPTZ",
    [TARGET_SUPER] = "SUPER",
};

static const char *const system_columns[] = {"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"};

static void decimal_type(const struct column *column, struct target_column *ret)
{
    /* PostgreSQL 15 allows a scale below 0 and above the precision: the same values under ordinary ones. */
    int scale = MAX(column->scale, 0);
    int precision = MAX(column->scale < 0 ? column->precision - column->scale : column->precision, scale);
    if (column->precision == 0) /* money: Debezium does not say how many digits */
        precision = DECIMAL_MAX_PRECISION;
    if (precision > DECIMAL_MAX_PRECISION || scale > DECIMAL_MAX_SCALE) {
        ret->type = TARGET_VARCHAR;
        ret->bytes = MAX(EXACT_DECIMAL_BYTES, precision + (int)strlen("-0."));
        return;
    }
    /* DECIMAL(19,s) is kept in 64 bits and ends before 19 nines. */
    ret->precision = precision == 19 ? 20 : precision;
    ret->scale = scale;
}

/* Bits are one digit each. */
static int text_bytes(const struct column *column)
{
    int bytes_each = column->type == COLUMN_BITS ? 1 : UTF8_MAX_BYTES;
    if (column->length <= 0 || column->length > VARCHAR_MAX_BYTES / bytes_each)
        return VARCHAR_MAX_BYTES;
    return column->length * bytes_each;
}

struct target_column target_column_of(const struct column *column, bool is_key)
{
    enum column_type source = column_is_nested(column) ? COLUMN_NESTED : column->type;
    struct target_column ret = {
        .name = column->name,
        .type = type_map[source].type,
        .bytes = type_map[source].bytes,
        .is_key = is_key,
        .source = source,
    };
    if (ret.type == TARGET_DECIMAL)
        decimal_type(column, &ret);
    else if (ret.type == TARGET_VARCHAR && ret.bytes == 0)
        ret.bytes = text_bytes(column);
    return ret;
}

void target_put_type(struct buf *out, const struct target_column *column)
{
    buf_put_str(out, type_names[column->type]);
    if (column->type == TARGET_DECIMAL)
        buf_printf(out, "(%d,%d)", column->precision, column->scale);
    else if (column->type == TARGET_VARCHAR || column->type == TARGET_VARBYTE)
        buf_printf(out, "(%d)", column->bytes);
}

bool target_column_holds(const struct target_column *held, const struct target_column *wanted)
{
    if (held->type == wanted->type) {
        if (held->type == TARGET_VARBYTE)
            return held->bytes >= wanted->bytes;
        if (held->type == TARGET_DECIMAL)
            return held->scale >= wanted->scale && held->precision - held->scale >= wanted->precision - wanted->scale;
        return true;
    }
    if (held->type == TARGET_BIGINT)
        return wanted->type == TARGET_SMALLINT || wanted->type == TARGET_INTEGER;
    if (held->type == TARGET_INTEGER)
        return wanted->type == TARGET_SMALLINT;
    return held->type == TARGET_DOUBLE && wanted->type == TARGET_REAL;
}

void target_fold_name(const char *name, char out[TARGET_NAME_BYTES])
{
    size_t left = strlen(name), n = 0;
    while (left > 0) {
        size_t len = MAX(utf8_sequence_len((const uint8_t *)name, left), (size_t)1);
        if (n + len >= TARGET_NAME_BYTES)
            break;
        memcpy(out + n, name, len);
        if (out[n] >= 'A' && out[n] <= 'Z')
            out[n] = (char)(out[n] - 'A' + 'a');
        n += len;
        name += len;
        left -= len;
    }
    out[n] = '\0';
}

int target_find(const struct target *target, const char *folded_name)
{
    for (size_t i = 0; i < target->n_columns; i++)
        if (strcmp(target->columns[i].name, folded_name) == 0)
            return (int)i;
    return -1;
}

static char *copy_of(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return copy;
}

static enum rc check_name(const char *table, const char *name, struct err *err)
{
    if (name[0] == '\0')
        return err_set(err, ERR_REDSHIFT_SCHEMA, "table \"%s\": a column has no name", table);
    if (strncmp(name, "_leat_", strlen("_leat_")) == 0)
        return err_set(err, ERR_REDSHIFT_SCHEMA, "table \"%s\": column \"%s\" has a name that leat keeps for itself",
                       table, name);
    for (size_t i = 0; i < ARRAY_LEN(system_columns); i++)
        if (strcmp(name, system_columns[i]) == 0)
            return err_set(err, ERR_REDSHIFT_SCHEMA,
                           "table \"%s\": redshift has a system column \"%s\", a column cannot have that name", table,
                           name);
    return RC_OK;
}

static bool can_be_key(enum target_type type)
{
    return type != TARGET_REAL && type != TARGET_DOUBLE && type != TARGET_SUPER && type != TARGET_VARBYTE;
}

/* Two names of one shape that the warehouse cannot tell apart. */
static enum rc check_collisions(const char *table, const struct table_shape *shape, struct err *err)
{
    char a[TARGET_NAME_BYTES], b[TARGET_NAME_BYTES];
    for (size_t i = 1; i < shape->n_columns; i++) {
        target_fold_name(shape->columns[i].name, a);
        for (size_t j = 0; j < i; j++) {
            target_fold_name(shape->columns[j].name, b);
            if (strcmp(a, b) == 0)
                return err_set(err, ERR_REDSHIFT_SCHEMA,
                               "table \"%s\": columns \"%s\" and \"%s\" both become \"%s\" in redshift", table,
                               shape->columns[j].name, shape->columns[i].name, a);
        }
    }
    return RC_OK;
}

static void target_append(struct target *target, struct target_column column, const char *folded_name)
{
    size_t room = (target->n_columns + 1) * sizeof(*target->columns);
    struct target_column *columns = realloc(target->columns, room);
    if (columns == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    column.name = copy_of(folded_name);
    columns[target->n_columns++] = column;
    target->columns = columns;
}

static bool is_key_column(const uint16_t *key_columns, size_t n_key_columns, size_t column)
{
    for (size_t i = 0; i < n_key_columns; i++)
        if (key_columns[i] == column)
            return true;
    return false;
}

static enum rc target_fill(struct target *target, const struct table_shape *shape, struct err *err)
{
    TRY(check_collisions(target->table, shape, err));
    for (size_t i = 0; i < shape->n_columns; i++) {
        char name[TARGET_NAME_BYTES];
        target_fold_name(shape->columns[i].name, name);
        TRY(check_name(target->table, name, err));
        bool is_key = is_key_column(target->key_columns, target->n_key_columns, i);
        struct target_column column = target_column_of(&shape->columns[i], is_key);
        if (is_key && !can_be_key(column.type))
            return err_set(err, ERR_REDSHIFT_SCHEMA,
                           "table \"%s\": key column \"%s\" is a %s, which cannot be a key in redshift", target->table,
                           name, type_names[column.type]);
        target_append(target, column, name);
    }
    return RC_OK;
}

enum rc target_new(const char *schema, const struct table_shape *shape, const uint16_t *key_columns,
                   size_t n_key_columns, struct target **ret_target, struct err *err)
{
    const char *dot = strrchr(shape->topic, '.');
    char folded[TARGET_NAME_BYTES];
    struct target *target = calloc(1, sizeof(*target));
    uint16_t *keys = calloc(MAX(n_key_columns, (size_t)1), sizeof(*keys));
    if (target == NULL || keys == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    target_fold_name(schema, folded);
    target->schema = copy_of(folded);
    target_fold_name(dot == NULL ? shape->topic : dot + 1, folded);
    target->table = copy_of(folded);
    target->key_columns = keys;
    target->n_key_columns = n_key_columns;
    if (n_key_columns > 0)
        memcpy(keys, key_columns, n_key_columns * sizeof(*keys));

    enum rc rc = RC_OK;
    if (n_key_columns == 0)
        rc = err_set(err, ERR_REDSHIFT_SCHEMA, "table \"%s\" has no key: its rows cannot be told apart", target->table);
    for (size_t i = 0; i < n_key_columns && rc == RC_OK; i++)
        if (keys[i] >= shape->n_columns)
            rc = err_set(err, ERR_REDSHIFT_SCHEMA, "table \"%s\": the key names a column that the rows do not have",
                         target->table);
    if (rc == RC_OK)
        rc = target_fill(target, shape, err);
    if (rc != RC_OK) {
        target_free(target);
        return rc;
    }
    *ret_target = target;
    return RC_OK;
}

void target_free(struct target *target)
{
    if (target == NULL)
        return;
    for (size_t i = 0; i < target->n_columns; i++)
        free((void *)(uintptr_t)target->columns[i].name);
    free((void *)(uintptr_t)target->schema);
    free((void *)(uintptr_t)target->table);
    free(target->columns);
    free(target->key_columns);
    free(target);
}

/* Nothing is changed before the whole shape is known to fit. */
static enum rc check_extension(const struct target *target, const struct table_shape *shape, struct err *err)
{
    TRY(check_collisions(target->table, shape, err));
    for (size_t i = 0; i < shape->n_columns; i++) {
        char name[TARGET_NAME_BYTES];
        target_fold_name(shape->columns[i].name, name);
        TRY(check_name(target->table, name, err));
        int at = target_find(target, name);
        struct target_column wanted = target_column_of(&shape->columns[i], false);
        if (at < 0 || target_column_holds(&target->columns[at], &wanted))
            continue;
        char text[128];
        struct buf buf = buf_over(text, sizeof(text));
        target_put_type(&buf, &target->columns[at]);
        buf_put_str(&buf, " and cannot hold ");
        target_put_type(&buf, &wanted);
        return err_set(err, ERR_REDSHIFT_SCHEMA, "table \"%s\": column \"%s\" is %s", target->table, name,
                       buf_cstr(&buf));
    }
    return RC_OK;
}

enum rc target_extend(struct target *target, const struct table_shape *shape, size_t *ret_added, struct err *err)
{
    TRY(check_extension(target, shape, err));
    size_t changed = 0;
    for (size_t i = 0; i < shape->n_columns; i++) {
        char name[TARGET_NAME_BYTES];
        target_fold_name(shape->columns[i].name, name);
        int at = target_find(target, name);
        struct target_column wanted = target_column_of(&shape->columns[i], false);
        if (at < 0) {
            target_append(target, wanted, name);
            changed++;
        } else if (wanted.type == TARGET_VARCHAR && target->columns[at].bytes < wanted.bytes) {
            target->columns[at].bytes = wanted.bytes;
            changed++;
        }
    }
    if (changed > 0)
        target->generation++;
    *ret_added = changed;
    return RC_OK;
}
