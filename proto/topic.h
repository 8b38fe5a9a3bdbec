/* Names of topics. Kafka allows [A-Za-z0-9._-], at most 249 characters; anything else becomes '_' (Debezium's rule). */
#ifndef LEAT_PROTO_TOPIC_H
#define LEAT_PROTO_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

enum { TOPIC_NAME_BYTES = 250 };

/* <prefix>.<schema or database>.<table or collection> */
void topic_of_table(char out[TOPIC_NAME_BYTES], const char *prefix, const char *schema, const char *table);
/* <prefix>.leat.ledger.<source>: one partition */
void topic_of_ledger(char out[TOPIC_NAME_BYTES], const char *prefix, const char *source);
/* <prefix>.leat.rejects: JSON records, see docs/rejects.md */
void topic_of_rejects(char out[TOPIC_NAME_BYTES], const char *prefix);
/* <prefix>.leat.requests.<source>: one partition, see proto/request.h */
void topic_of_requests(char out[TOPIC_NAME_BYTES], const char *prefix, const char *source);
/* Kafka refuses two topics of which one has '.' where the other has '_': they are one here too. */
bool topic_collides(const char *a, const char *b);
/* A table's topic that is one of leat's own: of the rejects, a ledger, or requests. */
bool topic_is_reserved(const char *topic, const char *prefix);
/* __debezium-heartbeat.<prefix> */
void topic_of_heartbeats(char out[TOPIC_NAME_BYTES], const char *prefix);
/* <prefix>.message: PostgreSQL's logical messages, Debezium's name */
void topic_of_messages(char out[TOPIC_NAME_BYTES], const char *prefix);

#endif
