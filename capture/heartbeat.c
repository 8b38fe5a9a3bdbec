#include "capture/heartbeat.h"

#include <stdio.h>

#include "base/clock.h"
#include "capture/publisher.h"
#include "proto/avro_put.h"
#include "proto/topic.h"

enum { SUBJECT_BYTES = TOPIC_NAME_BYTES + 8 };

#define SCHEMA(name, field, type)                                                                                      \
    "{\"type\":\"record\",\"name\":\"" name "\",\"namespace\":\"io.debezium.connector.common\",\"fields\":["           \
    "{\"name\":\"" field "\",\"type\":\"" type "\"}],\"connect.version\":1,"                                           \
    "\"connect.name\":\"io.debezium.connector.common." name "\"}"

static enum rc register_schema(struct registry *registry, const char *topic, const char *part, const char *schema,
                               uint32_t *ret_id, struct err *err)
{
    char subject[SUBJECT_BYTES];
    snprintf(subject, sizeof(subject), "%s-%s", topic, part);
    return registry_register(registry, subject, slice_of_str(schema), ret_id, err);
}

enum rc heartbeat_open(const struct source_context *context, struct heartbeat *ret_heartbeat, struct err *err)
{
    char topic[TOPIC_NAME_BYTES];
    struct heartbeat made = {.on = true,
                             .prefix = context->config->prefix,
                             .interval_us = context->source->heartbeat_interval_ms * US_PER_MS};
    topic_of_heartbeats(topic, made.prefix);
    TRY(publisher_topic(context->publisher, topic, &made.topic, err));
    TRY(register_schema(context->registry, topic, "key", SCHEMA("ServerNameKey", "serverName", "string"),
                        &made.key_schema_id, err));
    TRY(register_schema(context->registry, topic, "value", SCHEMA("Heartbeat", "ts_ms", "long"), &made.value_schema_id,
                        err));
    *ret_heartbeat = made;
    return RC_OK;
}

void heartbeat_put(struct heartbeat *heartbeat, struct batch *batch, struct position pos)
{
    int64_t now_us = clock_mono_us();
    if (!heartbeat->on || (heartbeat->last_mono_us > 0 && now_us - heartbeat->last_mono_us < heartbeat->interval_us))
        return;
    struct buf out = arena_open(batch->arena);
    avro_put_frame(&out, heartbeat->key_schema_id);
    avro_put_str(&out, heartbeat->prefix);
    size_t key_end = out.len;
    avro_put_frame(&out, heartbeat->value_schema_id);
    avro_put_long(&out, clock_wall_ms());
    struct slice all = arena_close(batch->arena, &out);
    struct batch_record *record = all.ptr == NULL ? NULL : batch_add(batch);
    if (record == NULL)
        return; /* the next batch has room */
    record->topic = heartbeat->topic;
    record->pos = pos;
    record->key = slice_of(all.ptr, key_end);
    record->value = slice_of(all.ptr + key_end, all.len - key_end);
    heartbeat->last_mono_us = now_us;
}
