/* Commit to readable: one connection inserts rows, a transaction each, at a steady rate; one consumer (read_committed)
 * reads the table's topic. Both are threads of this process, so that one clock tells the difference.
 *
 *     bench_latency BROKERS TOPIC FIRST_ID RATE SECONDS FILE        (the database as libpq's environment says)
 *
 * A row's time runs from just before its INSERT is sent to the moment that a consumer has its event: the commit itself
 * is in it. The rate is kept by the clock, not by pauses: an insert that was held up is followed by the next one at
 * once. Events come in commit order, so the n-th belongs to the n-th insert; a number that differs is a failure.
 * Prints "begin" after the first row has gone through, "end" when all have, then one line of JSON; FILE gets the times,
 * microseconds, one a line. */
#include <inttypes.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum { ERROR_TEXT_BYTES = 512, METADATA_MS = 10000, SILENCE_MS = 30000, US_PER_S = 1000000, TIMER_SLACK_NS = 1000 };

static const char SQL_INSERT[] =
    "insert into transactions values ($1::bigint, '409000611074''', '2015-01-01', 'TRF FROM Indiaforensic SERVICES', "
    "null, 1000.00, 123456.78)";

struct run {
    const char *topic;
    rd_kafka_t *consumer;
    PGconn *conn;
    long first_id, rate, n_rows; /* n_rows: one more for the warm-up */
    int64_t *sent_us, *read_us;
    _Atomic long n_read;
    pthread_mutex_t lock; /* of the condition only */
    pthread_cond_t read_one;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_latency: could not %s: %s\n", what, why);
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * US_PER_S + time.tv_nsec / 1000;
}

static void sleep_until_us(int64_t us)
{
    struct timespec until = {.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    }
}

/* ---- the reader ---- */

static rd_kafka_t *consumer_new(const char *brokers)
{
    char text[ERROR_TEXT_BYTES];
    const char *const settings[][2] = {{"bootstrap.servers", brokers},
                                       {"group.id", "bench_latency"},
                                       {"isolation.level", "read_committed"},
                                       {"enable.auto.commit", "false"},
                                       {"socket.nagle.disable", "true"}};
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

static void start_at_end(struct run *run)
{
    int64_t low, high;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(run->consumer, run->topic, 0, &low, &high, METADATA_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("find the topic's end", rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, run->topic, 0)->offset = high;
    code = rd_kafka_assign(run->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("assign the topic", rd_kafka_err2str(code));
}

static void *read_events(void *argument)
{
    struct run *run = argument;
    for (long n = 0; n < run->n_rows; n++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(run->consumer, SILENCE_MS);
        run->read_us[n] = now_us();
        if (message == NULL)
            fail("read the next event", "none came within 30 s");
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            fail("read the next event", rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
        run->n_read = n + 1;
        if (n == 0) {
            pthread_mutex_lock(&run->lock);
            pthread_cond_signal(&run->read_one);
            pthread_mutex_unlock(&run->lock);
        }
    }
    return NULL;
}

/* ---- the writer ---- */

static void prepare(struct run *run)
{
    run->conn = PQconnectdb("application_name=bench_latency");
    if (PQstatus(run->conn) != CONNECTION_OK)
        fail("connect to the database", PQerrorMessage(run->conn));
    PGresult *res = PQprepare(run->conn, "insert", SQL_INSERT, 1, NULL);
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        fail("prepare the insert", PQerrorMessage(run->conn));
    PQclear(res);
}

static void insert(struct run *run, long n)
{
    char id[24];
    const char *parameters[] = {id};
    snprintf(id, sizeof(id), "%ld", run->first_id + n);
    run->sent_us[n] = now_us();
    PGresult *res = PQexecPrepared(run->conn, "insert", 1, parameters, NULL, NULL, 0);
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        fail("insert a row", PQerrorMessage(run->conn));
    PQclear(res);
}

static void warm_up(struct run *run)
{
    insert(run, 0);
    pthread_mutex_lock(&run->lock);
    while (run->n_read == 0)
        pthread_cond_wait(&run->read_one, &run->lock);
    pthread_mutex_unlock(&run->lock);
}

/* Seconds that it took. */
static double write_rows(struct run *run)
{
    int64_t began_us = now_us();
    for (long n = 1; n < run->n_rows; n++) {
        int64_t due_us = began_us + (int64_t)(n - 1) * US_PER_S / run->rate;
        if (due_us > now_us())
            sleep_until_us(due_us);
        insert(run, n);
    }
    return (double)(now_us() - began_us) / US_PER_S;
}

/* ---- */

static void check_nothing_more(struct run *run)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(run->consumer, 500);
    if (message != NULL)
        fail("match events to rows", "there are more events than rows");
}

static void write_times(const struct run *run, const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        fail("write the times", path);
    for (long n = 1; n < run->n_rows; n++)
        fprintf(file, "%" PRId64 "\n", run->read_us[n] - run->sent_us[n]);
    if (fclose(file) != 0)
        fail("write the times", path);
}

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: bench_latency BROKERS TOPIC FIRST_ID RATE SECONDS FILE\n");
        return 2;
    }
    struct run run = {.topic = argv[2],
                      .first_id = strtol(argv[3], NULL, 10),
                      .rate = strtol(argv[4], NULL, 10),
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .read_one = PTHREAD_COND_INITIALIZER};
    run.n_rows = 1 + (long)((double)run.rate * strtod(argv[5], NULL));
    run.sent_us = calloc((size_t)run.n_rows, sizeof(*run.sent_us));
    run.read_us = calloc((size_t)run.n_rows, sizeof(*run.read_us));
    if (run.rate < 1 || run.n_rows < 2 || run.sent_us == NULL || run.read_us == NULL)
        fail("begin", "rate and seconds have to be positive");
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
    run.consumer = consumer_new(argv[1]);
    start_at_end(&run);
    prepare(&run);
    pthread_t reader;
    if (pthread_create(&reader, NULL, read_events, &run) != 0)
        fail("begin", "no thread");
    warm_up(&run);
    say("begin");
    double seconds = write_rows(&run);
    pthread_join(reader, NULL);
    say("end");
    check_nothing_more(&run);
    write_times(&run, argv[6]);
    printf("{\"rows\":%ld,\"seconds\":%.6f}\n", run.n_rows - 1, seconds);
    PQfinish(run.conn);
    rd_kafka_consumer_close(run.consumer);
    rd_kafka_destroy(run.consumer);
    free(run.sent_us);
    free(run.read_us);
    return 0;
}
