/* Reads topics of one partition from beginning to end, read_committed, and says what is in them: the proof that a peer
 * wrote everything, and once.
 *
 *     bench_count BROKERS TOPIC...
 *
 * One line of JSON a topic, in the order of the arguments: events (records with a value), tombstones, bytes of keys and
 * values, and the offset of the last record, -1 when there is none. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A batch is waited for until it is full or its time is over. */
enum { ERROR_TEXT_BYTES = 512, BATCH = 1000, BATCH_MS = 50, SILENT_BATCHES = 600 };

struct tally {
    uint64_t events, tombstones, bytes;
    int64_t last_offset;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_count: could not %s: %s\n", what, why);
    exit(1);
}

static rd_kafka_t *consumer_new(const char *brokers)
{
    char text[ERROR_TEXT_BYTES];
    const char *const settings[][2] = {
        {"bootstrap.servers", brokers},   {"group.id", "bench_count"},     {"isolation.level", "read_committed"},
        {"enable.partition.eof", "true"}, {"enable.auto.commit", "false"}, {"queued.max.messages.kbytes", "16384"},
        {"check.crcs", "false"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof(text)) != RD_KAFKA_CONF_OK)
            fail("configure the consumer", text);
    }
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (consumer == NULL)
        fail("make a consumer", text);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

static void assign(rd_kafka_t *consumer, const char *topic)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t code = rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("assign a topic", rd_kafka_err2str(code));
}

/* False at the partition's end. */
static int tally_message(struct tally *tally, const rd_kafka_message_t *message, const char *topic)
{
    if (strcmp(rd_kafka_topic_name(message->rkt), topic) != 0)
        return 1; /* still of the topic before */
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return 0;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("read a topic", rd_kafka_message_errstr(message));
    if (message->payload == NULL)
        tally->tombstones++;
    else
        tally->events++;
    tally->bytes += message->len + message->key_len;
    tally->last_offset = message->offset;
    return 1;
}

static void count(rd_kafka_t *consumer, const char *topic)
{
    struct tally tally = {.last_offset = -1};
    rd_kafka_message_t *messages[BATCH];
    assign(consumer, topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    int silent = 0;
    for (int more = 1; more;) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, BATCH_MS, messages, BATCH);
        silent = n > 0 ? 0 : silent + 1;
        if (silent == SILENT_BATCHES)
            fail("read a topic to its end", topic);
        for (ssize_t i = 0; i < n; i++) {
            more = tally_message(&tally, messages[i], topic) && more;
            rd_kafka_message_destroy(messages[i]);
        }
    }
    rd_kafka_queue_destroy(queue);
    printf("{\"topic\":\"%s\",\"events\":%" PRIu64 ",\"tombstones\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"last_offset\":%" PRId64 "}\n",
           topic, tally.events, tally.tombstones, tally.bytes, tally.last_offset);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_count BROKERS TOPIC...\n");
        return 2;
    }
    rd_kafka_t *consumer = consumer_new(argv[1]);
    for (int i = 2; i < argc; i++)
        count(consumer, argv[i]);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return 0;
}
