/* Logical messages (pg_logical_emit_message) to the topic <prefix>.message, as Debezium writes them. Topic and schemas
 * are made before the first message that is taken. */
#ifndef LEAT_CAPTURE_PG_OUTBOX_H
#define LEAT_CAPTURE_PG_OUTBOX_H

#include "base/config.h"
#include "capture/pg/emit.h"
#include "capture/pg/type_modes.h"
#include "proto/registry.h"

struct publisher;

struct pg_outbox {
    const struct config_string_list *included, *excluded;
    const char *prefix, *database;
    enum pg_binary_mode mode; /* how the content travels */
    struct registry *registry;
    struct publisher *publisher;

    struct envelope *envelope; /* NULL: not announced yet */
    uint32_t topic_index, key_schema_id;
};

/* Borrows all it is given. */
struct pg_outbox pg_outbox_of(const struct config *config, const struct config_postgresql *section,
                              struct registry *registry, struct publisher *publisher);
void pg_outbox_done(struct pg_outbox *outbox);

/* Some prefix may be taken. */
bool pg_outbox_is_wanted(const struct pg_outbox *outbox);
/* Included and not excluded. Prefixes beginning with "leat." are our own: never. */
bool pg_outbox_takes(const struct pg_outbox *outbox, const char *message_prefix);
bool pg_outbox_is_announced(const struct pg_outbox *outbox);
/* Topic and schemas. Waits for the registry's answer, and not longer. */
MUST_CHECK enum rc pg_outbox_announce(struct pg_outbox *outbox, struct err *err);
/* The next event of the emitter's transaction; only for what pg_outbox_takes(): it has an ordinal. Announced before. */
MUST_CHECK enum rc pg_outbox_emit(struct pg_outbox *outbox, struct pg_emitter *emitter,
                                  const struct pgoutput_logical *message, struct batch *batch, struct err *err);

#endif
