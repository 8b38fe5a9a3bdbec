#include "sink/tables.h"

#include <stdio.h>
#include <stdlib.h>

struct tables {
    char *schema;
    struct sink_table **tables;
    size_t n;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

struct tables *tables_new(const char *schema)
{
    struct tables *tables = must(calloc(1, sizeof(*tables)));
    tables->schema = must(strdup(schema));
    return tables;
}

void tables_free(struct tables *tables)
{
    if (tables == NULL)
        return;
    for (size_t i = 0; i < tables->n; i++) {
        target_free(tables->tables[i]->target);
        free(tables->tables[i]->fitting);
        free(tables->tables[i]->topic);
        free(tables->tables[i]);
    }
    free(tables->tables);
    free(tables->schema);
    free(tables);
}

enum rc tables_find(struct tables *tables, const char *topic, struct sink_table **ret_table, struct err *err)
{
    char name[TARGET_NAME_BYTES];
    const char *last_dot = strrchr(topic, '.');
    target_fold_name(last_dot == NULL ? topic : last_dot + 1, name);
    for (size_t i = 0; i < tables->n; i++) {
        if (strcmp(tables->tables[i]->topic, topic) == 0) {
            *ret_table = tables->tables[i];
            return RC_OK;
        }
        if (strcmp(tables->tables[i]->name, name) == 0)
            return err_set(err, ERR_REDSHIFT_SCHEMA,
                           "topics %s and %s both belong to table \"%s\".\"%s\": load them with two sinks of "
                           "different redshift.schema",
                           tables->tables[i]->topic, topic, tables->schema, name);
    }
    struct sink_table *table = must(calloc(1, sizeof(*table)));
    table->topic = must(strdup(topic));
    memcpy(table->name, name, sizeof(name));
    tables->tables = must(realloc(tables->tables, (tables->n + 1) * sizeof(struct sink_table *)));
    tables->tables[tables->n++] = table;
    *ret_table = table;
    return RC_OK;
}

/* The record's key names the columns; their indexes among the event's columns are what a target is made from.
 */
static enum rc key_indexes(const struct sink_table *table, const struct table_shape *shape,
                           const struct table_shape *key, uint16_t *ret_indexes, struct err *err)
{
    for (size_t i = 0; i < key->n_columns; i++) {
        size_t at = 0;
        while (at < shape->n_columns && strcmp(shape->columns[at].name, key->columns[i].name) != 0)
            at++;
        if (at == shape->n_columns)
            return err_set(err, ERR_REDSHIFT_SCHEMA, "topic %s: the key has a field \"%s\" that the row does not have",
                           table->topic, key->columns[i].name);
        ret_indexes[i] = (uint16_t)at;
    }
    return RC_OK;
}

static enum rc target_of(const struct sink_table *table, const char *schema, const struct value_plan *value,
                         const struct record_key_plan *key, struct target **ret_target, struct err *err)
{
    struct table_shape shape = *value->shape;
    shape.topic = table->topic; /* the schema has it in Avro's spelling */
    uint16_t *indexes = must(calloc(MAX(key->shape->n_columns, (size_t)1), sizeof(uint16_t)));
    enum rc rc = key_indexes(table, value->shape, key->shape, indexes, err);
    if (rc == RC_OK)
        rc = target_new(schema, &shape, indexes, key->shape->n_columns, ret_target, err);
    free(indexes);
    return rc;
}

static enum rc check_same_key(const struct sink_table *table, const struct target *wanted, struct err *err)
{
    const struct target *held = table->target;
    bool same = held->n_key_columns == wanted->n_key_columns;
    for (size_t i = 0; same && i < held->n_key_columns; i++)
        same = strcmp(held->columns[held->key_columns[i]].name, wanted->columns[wanted->key_columns[i]].name) == 0;
    if (!same)
        return err_set(err, ERR_REDSHIFT_SCHEMA,
                       "topic %s: the key changed; rows that are in \"%s\" cannot be found by the new one",
                       table->topic, table->name);
    return RC_OK;
}

static bool holds_all(const struct target *held, const struct target *wanted)
{
    for (size_t i = 0; i < wanted->n_columns; i++) {
        const struct target_column *column = &wanted->columns[i];
        int at = target_find(held, column->name);
        if (at < 0 || !target_column_holds(&held->columns[at], column))
            return false;
        if (column->type == TARGET_VARCHAR && held->columns[at].bytes < column->bytes)
            return false;
    }
    return true;
}

static bool is_fitting(const struct sink_table *table, uint32_t value_id, uint32_t key_id)
{
    for (size_t i = 0; i < table->n_fitting; i++)
        if (table->fitting[i].value_id == value_id && table->fitting[i].key_id == key_id)
            return true;
    return false;
}

void sink_table_set_fitting(struct sink_table *table, const struct value_plan *value, const struct record_key_plan *key)
{
    if (is_fitting(table, value->id, key->id))
        return;
    table->fitting = must(realloc(table->fitting, (table->n_fitting + 1) * sizeof(table->fitting[0])));
    table->fitting[table->n_fitting].value_id = value->id;
    table->fitting[table->n_fitting++].key_id = key->id;
}

enum rc sink_table_fits(struct sink_table *table, const struct value_plan *value, const struct record_key_plan *key,
                        bool *ret_fits, struct err *err)
{
    *ret_fits = is_fitting(table, value->id, key->id);
    if (*ret_fits || table->target == NULL)
        return RC_OK;
    struct target *wanted = NULL;
    TRY(target_of(table, table->target->schema, value, key, &wanted, err));
    enum rc rc = check_same_key(table, wanted, err);
    *ret_fits = rc == RC_OK && holds_all(table->target, wanted);
    target_free(wanted);
    if (*ret_fits)
        sink_table_set_fitting(table, value, key);
    return rc;
}

enum rc sink_table_shape(struct sink_table *table, const char *schema, const struct value_plan *value,
                         const struct record_key_plan *key, struct err *err)
{
    if (table->target == NULL)
        return target_of(table, schema, value, key, &table->target, err);
    size_t changed;
    return target_extend(table->target, value->shape, &changed, err);
}
