/* The target tables of a sink: one for each topic, named after the topic's last part.
 *
 * The reading thread finds tables and encodes rows for their targets; a target changes only in tables_shape,
 * which the applying thread runs while the reading thread waits for it. */
#ifndef LEAT_SINK_TABLES_H
#define LEAT_SINK_TABLES_H

#include "sink/plans.h"
#include "sink/redshift/target.h"

struct tables;
struct tables *tables_new(const char *schema);
void tables_free(struct tables *tables);
DEFINE_SCOPED(struct tables *, tables_free)

struct sink_table {
    char *topic;
    char name[TARGET_NAME_BYTES];
    struct target *target; /* NULL until it was shaped */
    struct {
        uint32_t value_id, key_id;
    } * fitting; /* schemas whose events the target can take */
    size_t n_fitting;
};

/* Made when it is new. ERR_REDSHIFT_SCHEMA: another topic has the same table. */
MUST_CHECK enum rc tables_find(struct tables *tables, const char *topic, struct sink_table **ret_table,
                               struct err *err);

/* Can events of these schemas be encoded for the target as it is? ERR_REDSHIFT_SCHEMA: the key became another
 * one. */
MUST_CHECK enum rc sink_table_fits(struct sink_table *table, const struct value_plan *value,
                                   const struct record_key_plan *key, bool *ret_fits, struct err *err);
/* Makes the target, or extends it. */
MUST_CHECK enum rc sink_table_shape(struct sink_table *table, const char *schema, const struct value_plan *value,
                                    const struct record_key_plan *key, struct err *err);
/* Remembers that they fit, also when the warehouse kept a narrower column. */
void sink_table_set_fitting(struct sink_table *table, const struct value_plan *value,
                            const struct record_key_plan *key);

#endif
