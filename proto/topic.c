#include "proto/topic.h"

#include <string.h>

/* A name being put together; always zero-terminated, cut at Kafka's limit. */
struct topic_name {
    char *text;
    size_t len;
};

static bool topic_allows(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

static void topic_put_char(struct topic_name *name, char c)
{
    if (name->len + 1 < TOPIC_NAME_BYTES)
        name->text[name->len++] = c;
    name->text[name->len] = '\0';
}

/* One '_' for one character of Debezium's, which counts in UTF-16: continuation bytes of UTF-8 add nothing,
 * and a character beyond the basic plane adds two. */
static void topic_put_part(struct topic_name *name, const char *part)
{
    if (name->len > 0)
        topic_put_char(name, '.');
    for (const char *p = part; *p != '\0'; p++) {
        unsigned char byte = (unsigned char)*p;
        if (topic_allows(*p)) {
            topic_put_char(name, *p);
            continue;
        }
        if ((byte & 0xC0) != 0x80)
            topic_put_char(name, '_');
        if (byte >= 0xF0)
            topic_put_char(name, '_');
    }
}

void topic_of_table(char out[TOPIC_NAME_BYTES], const char *prefix, const char *schema, const char *table)
{
    struct topic_name name = {out, 0};
    topic_put_part(&name, prefix);
    topic_put_part(&name, schema);
    topic_put_part(&name, table);
}

void topic_of_ledger(char out[TOPIC_NAME_BYTES], const char *prefix, const char *source)
{
    struct topic_name name = {out, 0};
    topic_put_part(&name, prefix);
    topic_put_part(&name, "leat.ledger");
    topic_put_part(&name, source);
}

void topic_of_requests(char out[TOPIC_NAME_BYTES], const char *prefix, const char *source)
{
    struct topic_name name = {out, 0};
    topic_put_part(&name, prefix);
    topic_put_part(&name, "leat.requests");
    topic_put_part(&name, source);
}

void topic_of_rejects(char out[TOPIC_NAME_BYTES], const char *prefix)
{
    struct topic_name name = {out, 0};
    topic_put_part(&name, prefix);
    topic_put_part(&name, "leat.rejects");
}

void topic_of_heartbeats(char out[TOPIC_NAME_BYTES], const char *prefix)
{
    struct topic_name name = {out, 0};
    topic_put_part(&name, "__debezium-heartbeat");
    topic_put_part(&name, prefix);
}

void topic_of_messages(char out[TOPIC_NAME_BYTES], const char *prefix)
{
    struct topic_name name = {out, 0};
    topic_put_part(&name, prefix);
    topic_put_part(&name, "message");
}

static char topic_fold(char c)
{
    return c == '.' ? '_' : c;
}

/* How much of the two is alike. */
static size_t topic_common(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] != '\0' && topic_fold(a[n]) == topic_fold(b[n]))
        n++;
    return n;
}

bool topic_collides(const char *a, const char *b)
{
    size_t n = topic_common(a, b);
    return a[n] == b[n];
}

bool topic_is_reserved(const char *topic, const char *prefix)
{
    char rejects[TOPIC_NAME_BYTES], ledgers[TOPIC_NAME_BYTES], requests[TOPIC_NAME_BYTES];
    topic_of_rejects(rejects, prefix);
    topic_of_ledger(ledgers, prefix, "");
    topic_of_requests(requests, prefix, "");
    return topic_collides(topic, rejects) || ledgers[topic_common(topic, ledgers)] == '\0' ||
           requests[topic_common(topic, requests)] == '\0';
}
