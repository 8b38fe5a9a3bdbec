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
    const char *topic;
    const rd_kafka_topic_t *handle; /* of its first message: the same for all of them */
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
        {"check.crcs", "false"},          {"fetch.wait.max.ms", "10"}}; /* an end is told after that long */
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

static void assign(rd_kafka_t *consumer, const struct tally *tallies, int n)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
    for (int i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, tallies[i].topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t code = rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("assign the topics", rd_kafka_err2str(code));
}

static struct tally *tally_of(struct tally *tallies, int n, const rd_kafka_message_t *message)
{
    for (int i = 0; i < n; i++) {
        if (tallies[i].handle == message->rkt)
            return &tallies[i];
    }
    for (int i = 0; i < n; i++) {
        if (strcmp(tallies[i].topic, rd_kafka_topic_name(message->rkt)) == 0) {
            tallies[i].handle = message->rkt;
            return &tallies[i];
        }
    }
    fail("match a record to its topic", rd_kafka_topic_name(message->rkt));
    return NULL;
}

static void tally_message(struct tally *tally, const rd_kafka_message_t *message)
{
    if (message->payload == NULL)
        tally->tombstones++;
    else
        tally->events++;
    tally->bytes += message->len + message->key_len;
    tally->last_offset = message->offset;
}

/* Until every topic has said that this was its end. */
static void count(rd_kafka_t *consumer, struct tally *tallies, int n)
{
    rd_kafka_message_t *messages[BATCH];
    int silent = 0, ended = 0;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    while (ended < n) {
        ssize_t n_messages = rd_kafka_consume_batch_queue(queue, BATCH_MS, messages, BATCH);
        silent = n_messages > 0 ? 0 : silent + 1;
        if (silent == SILENT_BATCHES)
            fail("read the topics to their ends", "nothing came for 30 s");
        for (ssize_t i = 0; i < n_messages; i++) {
            if (messages[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
                ended++;
            else if (messages[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR)
                fail("read a topic", rd_kafka_message_errstr(messages[i]));
            else
                tally_message(tally_of(tallies, n, messages[i]), messages[i]);
            rd_kafka_message_destroy(messages[i]);
        }
    }
    rd_kafka_queue_destroy(queue);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_count BROKERS TOPIC...\n");
        return 2;
    }
    int n = argc - 2;
    rd_kafka_t *consumer = consumer_new(argv[1]);
    struct tally *tallies = calloc((size_t)n, sizeof(*tallies));
    if (tallies == NULL)
        fail("begin", "no memory");
    for (int i = 0; i < n; i++)
        tallies[i] = (struct tally){.topic = argv[2 + i], .last_offset = -1};
    assign(consumer, tallies, n);
    count(consumer, tallies, n);
    for (int i = 0; i < n; i++)
        printf("{\"topic\":\"%s\",\"events\":%" PRIu64 ",\"tombstones\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"last_offset\":%" PRId64 "}\n",
               tallies[i].topic, tallies[i].events, tallies[i].tombstones, tallies[i].bytes, tallies[i].last_offset);
    free(tallies);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return 0;
}
