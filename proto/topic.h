/* Names of topics. Kafka allows [A-Za-z0-9._-], at most 249 characters; anything else becomes '_' (Debezium's rule). */
#ifndef LEAT_PROTO_TOPIC_H
#define LEAT_PROTO_TOPIC_H

#include <stddef.h>

enum { TOPIC_NAME_BYTES = 250 };

/* <prefix>.<schema or database>.<table or collection> */
void topic_of_table(char out[TOPIC_NAME_BYTES], const char *prefix, const char *schema, const char *table);
/* <prefix>.leat.ledger.<source>: one partition */
void topic_of_ledger(char out[TOPIC_NAME_BYTES], const char *prefix, const char *source);
/* <prefix>.leat.rejects: JSON records, see docs/rejects.md */
void topic_of_rejects(char out[TOPIC_NAME_BYTES], const char *prefix);

#endif
