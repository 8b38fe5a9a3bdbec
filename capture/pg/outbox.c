#include "capture/pg/outbox.h"

#include "capture/publisher.h"
#include "proto/reject.h"

enum { SCHEMA_MAX_BYTES = 64 << 10, SUBJECT_BYTES = TOPIC_NAME_BYTES + 8 };

static const char OWN_PREFIX[] = "leat.";

struct pg_outbox pg_outbox_of(const struct config *config, const struct config_postgresql *section,
                              struct registry *registry, struct publisher *publisher)
{
    return (struct pg_outbox){.included = &section->message_prefixes,
                              .excluded = &section->message_prefixes_excluded,
                              .prefix = config->prefix,
                              .database = section->database,
                              .mode = pg_type_modes_of(section).binary,
                              .registry = registry,
                              .publisher = publisher};
}

void pg_outbox_done(struct pg_outbox *outbox)
{
    if (outbox->envelope != NULL)
        envelope_free(outbox->envelope);
    outbox->envelope = NULL;
}

/* ---- which ones ---- */

static bool matches(const char *pattern, const char *text)
{
    size_t len = strlen(pattern);
    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(pattern, text, len - 1) == 0;
    return strcmp(pattern, text) == 0;
}

static bool list_has(const struct config_string_list *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (matches(list->items[i], text))
            return true;
    return false;
}

bool pg_outbox_is_wanted(const struct pg_outbox *outbox)
{
    for (size_t i = 0; i < outbox->excluded->n; i++)
        if (strcmp(outbox->excluded->items[i], "*") == 0)
            return false;
    return true;
}

bool pg_outbox_takes(const struct pg_outbox *outbox, const char *message_prefix)
{
    return strncmp(message_prefix, OWN_PREFIX, sizeof(OWN_PREFIX) - 1) != 0 &&
           (outbox->included->n == 0 || list_has(outbox->included, message_prefix)) &&
           !list_has(outbox->excluded, message_prefix);
}

/* ---- topic and schemas ---- */

bool pg_outbox_is_announced(const struct pg_outbox *outbox)
{
    return outbox->envelope != NULL;
}

enum rc pg_outbox_announce(struct pg_outbox *outbox, struct err *err)
{
    char topic[TOPIC_NAME_BYTES], subject[SUBJECT_BYTES];
    uint32_t value_schema_id;
    SCOPED(buf_done) struct buf schema = buf_new(SCHEMA_MAX_BYTES);
    topic_of_messages(topic, outbox->prefix);
    envelope_message_key_schema(&schema);
    snprintf(subject, sizeof(subject), "%s-key", topic);
    TRY(registry_register(outbox->registry, subject, buf_slice(&schema), &outbox->key_schema_id, err));
    buf_clear(&schema);
    envelope_message_schema(&schema, outbox->mode != PG_BINARY_BYTES);
    snprintf(subject, sizeof(subject), "%s-value", topic);
    TRY(registry_register(outbox->registry, subject, buf_slice(&schema), &value_schema_id, err));
    TRY(publisher_topic(outbox->publisher, topic, &outbox->topic_index, err));
    const struct envelope_source source = {.connector = CONNECTOR_POSTGRESQL,
                                           .name = outbox->prefix,
                                           .database = outbox->database,
                                           .schema = "",
                                           .table = ""};
    outbox->envelope = envelope_new(&source, value_schema_id);
    if (outbox->envelope == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not make the events of logical messages");
    return RC_OK;
}

/* ---- events ---- */

/* As the setting binary_handling_mode says; in scratch, unless it travels as it is. */
static struct slice content_of(const struct pg_outbox *outbox, struct slice content, struct buf *scratch)
{
    buf_clear(scratch);
    switch (outbox->mode) {
    case PG_BINARY_BYTES: return content;
    case PG_BINARY_HEX:
        for (size_t i = 0; i < content.len; i++)
            buf_printf(scratch, "%02x", content.ptr[i]);
        break;
    case PG_BINARY_BASE64:
    case PG_BINARY_BASE64_URL_SAFE: base64_put(scratch, content); break;
    }
    for (size_t i = 0; outbox->mode == PG_BINARY_BASE64_URL_SAFE && i < scratch->len; i++)
        scratch->ptr[i] = scratch->ptr[i] == '+' ? '-' : scratch->ptr[i] == '/' ? '_' : scratch->ptr[i];
    return buf_slice(scratch);
}

enum rc pg_outbox_emit(struct pg_outbox *outbox, struct pg_emitter *emitter, const struct pgoutput_logical *message,
                       struct batch *batch, struct err *err)
{
    struct position pos = {emitter->major, emitter->ordinal};
    if (pos.minor < emitter->skip_below) {
        emitter->ordinal++;
        return RC_OK;
    }
    const struct envelope_source source = {.connector = CONNECTOR_POSTGRESQL,
                                           .commit_time_us = emitter->commit_time_us,
                                           .transaction_id = emitter->xid,
                                           .lsn = emitter->lsn,
                                           .previous_end = emitter->previous_end,
                                           .origin = buf_slice(&emitter->origin),
                                           .origin_lsn = emitter->origin_lsn};
    struct slice prefix = slice_of_str(message->prefix);
    struct slice content = content_of(outbox, message->content, &emitter->scratch);
    struct buf out = arena_open(batch->arena);
    envelope_put_message_key(&out, outbox->key_schema_id, prefix);
    size_t key_end = out.len;
    envelope_put_message(outbox->envelope, &out, &source, emitter->now_us, prefix, content);
    struct slice all = arena_close(batch->arena, &out);
    struct batch_record *record = all.ptr == NULL || emitter->scratch.failed ? NULL : batch_add(batch);
    if (record == NULL)
        return err_set(err, ERR_MEMORY_LIMIT, "a logical message of %zu bytes does not fit a batch",
                       message->content.len);
    emitter->ordinal++;
    record->topic = outbox->topic_index;
    record->pos = pos;
    record->key = slice_of(all.ptr, key_end);
    record->value = slice_of(all.ptr + key_end, all.len - key_end);
    return RC_OK;
}
