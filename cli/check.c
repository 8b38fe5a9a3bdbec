/* leat check: each thing is looked at on its own, so that one run names everything that is wrong. */
#include <inttypes.h>

#include "base/wrap/kafka.h"
#include "capture/capture_worker.h"
#include "command.h"
#include "proto/registry.h"
#include "sink/redshift/warehouse.h"
#include "sink/s3/put.h"
#include "sink/sink_worker.h"

enum { KAFKA_PING_MS = 10000 };

struct check {
    const struct config *config;
    unsigned n_ok, n_failed, n_skipped;
};

/* Answers whether it was ok. */
static bool put_row(struct check *check, const char *kind, const char *what, enum rc rc, const struct err *err)
{
    if (rc == RC_OK) {
        check->n_ok++;
        printf("ok    %-9s %s\n", kind, what);
    } else {
        check->n_failed++;
        printf("FAIL  %-9s %s: %s\n", kind, what, err->msg);
        if (err_hint(err->code)[0] != '\0')
            printf("      hint: %s\n", err_hint(err->code));
    }
    fflush(stdout);
    return rc == RC_OK;
}

static void put_skipped(struct check *check, const char *kind, const char *what)
{
    check->n_skipped++;
    printf("skip  %-9s %s: needs what failed above\n", kind, what);
    fflush(stdout);
}

static enum rc ping_kafka(const struct config_kafka *kafka, struct err *err)
{
    rd_kafka_conf_t *conf;
    SCOPED(rd_kafka_destroy) rd_kafka_t *client = NULL;
    TRY(kafka_conf_new(kafka, "leat-check", &conf, err));
    TRY(kafka_new(RD_KAFKA_PRODUCER, conf, &client, err));
    return kafka_ping(client, kafka, KAFKA_PING_MS, err);
}

static bool check_kafka(struct check *check)
{
    struct err err;
    return put_row(check, "kafka", check->config->kafka.brokers, ping_kafka(&check->config->kafka, &err), &err);
}

static bool check_registry(struct check *check)
{
    struct err err;
    struct registry *registry = registry_new(&check->config->registry);
    enum rc rc = registry_ping(registry, &err);
    registry_free(registry);
    return put_row(check, "registry", check->config->registry.url, rc, &err);
}

static void check_source(struct check *check, const struct config_source *source, bool can)
{
    struct err err;
    char what[512];
    const struct config_postgresql *pg = &source->postgresql;
    if (source->type == CONFIG_SOURCE_POSTGRESQL)
        snprintf(what, sizeof(what), "%s (postgresql at %s:%" PRId64 "/%s)", source->name, pg->host, pg->port,
                 pg->database);
    else /* the uri is a secret */
        snprintf(what, sizeof(what), "%s (documentdb, database %s)", source->name, source->documentdb.database);
    if (can)
        put_row(check, "source", what, capture_check(check->config, source, &err), &err);
    else
        put_skipped(check, "source", what);
}

static bool check_s3(struct check *check, const struct config_sink *sink)
{
    struct err err;
    char what[512];
    snprintf(what, sizeof(what), "%s (%s)", sink->s3.bucket,
             sink->s3.endpoint != NULL ? sink->s3.endpoint : sink->s3.region);
    struct s3 *s3 = s3_new(&sink->s3, sink->name);
    enum rc rc = s3_check(s3, &err);
    s3_free(s3);
    return put_row(check, "s3", what, rc, &err);
}

static bool check_redshift(struct check *check, const struct config_sink *sink)
{
    struct err err;
    char what[512];
    snprintf(what, sizeof(what), "%s:%" PRId64 "/%s, schema %s", sink->redshift.host, sink->redshift.port,
             sink->redshift.database, sink->redshift.schema);
    struct warehouse *warehouse = warehouse_new(sink, "check");
    enum rc rc = warehouse_check(warehouse, &err);
    warehouse_free(warehouse);
    return put_row(check, "redshift", what, rc, &err);
}

static void check_sink(struct check *check, const struct config_sink *sink, bool can)
{
    struct err err;
    can &= check_s3(check, sink);
    can &= check_redshift(check, sink);
    if (can)
        put_row(check, "sink", sink->name, sink_check(check->config, sink, &err), &err);
    else
        put_skipped(check, "sink", sink->name);
}

/* One that was named; all when none was named of either kind. */
struct selection {
    const struct config_source *source;
    const struct config_sink *sink;
    bool all;
};

static enum rc select_named(const struct cli_args *args, const struct config *config, struct selection *ret,
                            struct err *err)
{
    struct selection selection = {.all = args->source == NULL && args->sink == NULL};
    if (args->source != NULL)
        TRY(config_find_source(config, args->source, &selection.source, err));
    if (args->sink != NULL)
        TRY(config_find_sink(config, args->sink, &selection.sink, err));
    *ret = selection;
    return RC_OK;
}

static int check_selected(const struct config *config, const struct selection *selection)
{
    struct check check = {.config = config};
    bool can = check_kafka(&check);
    can &= check_registry(&check);
    for (size_t i = 0; i < config->n_sources; i++) {
        if (selection->all || selection->source == &config->sources[i])
            check_source(&check, &config->sources[i], can);
    }
    for (size_t i = 0; i < config->n_sinks; i++) {
        if (selection->all || selection->sink == &config->sinks[i])
            check_sink(&check, &config->sinks[i], can);
    }
    printf("%u ok, %u failed, %u skipped\n", check.n_ok, check.n_failed, check.n_skipped);
    return check.n_failed == 0 ? EXIT_CODE_OK : EXIT_CODE_FATAL;
}

int command_check(const struct cli_args *args)
{
    struct config *config;
    struct selection selection;
    struct err err = {0};
    if (cli_begin_interactive(args, &err) != RC_OK || cli_load_config(args, &config, &err) != RC_OK)
        return cli_fail(&err);
    enum rc rc = select_named(args, config, &selection, &err);
    int exit_code = rc == RC_OK ? check_selected(config, &selection) : cli_fail(&err);
    config_free(config);
    return exit_code;
}
