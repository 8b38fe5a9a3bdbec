/* Client of a schema registry with Confluent's API; https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 * One thread. Answers are kept for ever: an id never changes its meaning. */
#ifndef LEAT_PROTO_REGISTRY_H
#define LEAT_PROTO_REGISTRY_H

#include "base/config.h"
#include "base/err.h"
#include "base/slice.h"

struct registry;
struct registry *registry_new(const struct config_registry *config);
void registry_free(struct registry *registry);

/* The registry answers (GET /subjects). */
MUST_CHECK enum rc registry_ping(struct registry *registry, struct err *err);
/* Registers (or finds) the schema under "<topic>-key" / "<topic>-value", and sees that readers get it by its id. Each
 * once: writers that alternate between schemas ask the registry only the first time. 409: ERR_REGISTRY_INCOMPATIBLE
 * with the registry's words; 5xx, timeouts, refused connections, an id that cannot be: ERR_REGISTRY_UNREACHABLE. */
MUST_CHECK enum rc registry_register(struct registry *registry, const char *subject, struct slice schema_json,
                                     uint32_t *ret_id, struct err *err);
/* The schema's text; the registry's, for ever. */
MUST_CHECK enum rc registry_schema(struct registry *registry, uint32_t id, struct slice *ret_schema_json,
                                   struct err *err);

#endif
