/* How to read what carries a schema id: asked of the registry once, compiled once, kept for ever. One thread.
 */
#ifndef LEAT_SINK_PLANS_H
#define LEAT_SINK_PLANS_H

#include "proto/event.h"
#include "proto/registry.h"

struct plans;

/* Both must outlive the plans. */
struct plans *plans_new(const struct config_registry *config, struct registry *registry);
void plans_free(struct plans *plans);
DEFINE_SCOPED(struct plans *, plans_free)

/* A plan and room for one decoded record. Stays where it is. */
struct value_plan {
    uint32_t id;
    struct event_plan *plan;
    const struct table_shape *shape;
    struct avro_value *before, *after;
};

struct record_key_plan {
    uint32_t id;
    struct key_plan *plan;
    const struct table_shape *shape;
    struct avro_value *values, *moved; /* `moved`: for the key that a row had before */
};

/* RC_RETRY while the registry is away. */
MUST_CHECK enum rc plans_value(struct plans *plans, uint32_t id, struct value_plan **ret_plan, struct err *err);
MUST_CHECK enum rc plans_key(struct plans *plans, uint32_t id, struct record_key_plan **ret_plan, struct err *err);
/* The newest key schema of a topic, for events that carry no key (truncates). RC_AGAIN: the topic has none.
 */
MUST_CHECK enum rc plans_key_of_topic(struct plans *plans, const char *topic, struct record_key_plan **ret_plan,
                                      struct err *err);

#endif
