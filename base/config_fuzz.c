/* Any bytes: refused with one message that names the file and shows no secret, or a configuration in which
 * everything holds that the rest of the program relies on. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char SECRET[] = "s3cr3t-from-the-environment";

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void check_source(const struct config_source *source)
{
    check(source->name != NULL && strlen(source->name) <= 40, "a source without a fitting name");
    check(source->batch_max_bytes >= 65536 && source->heartbeat_interval_ms >= 100, "a setting out of range");
    if (source->type == CONFIG_SOURCE_POSTGRESQL) {
        check(source->postgresql.host != NULL && source->postgresql.slot != NULL, "a source without host or slot");
        return;
    }
    check(source->documentdb.uri != NULL && source->documentdb.n_collections > 0, "a source without collections");
    for (size_t i = 0; i < source->documentdb.n_collections; i++)
        check(source->documentdb.collections[i].n_columns > 0, "a collection without columns");
}

static void check_sink(const struct config *config, const struct config_sink *sink)
{
    struct err err;
    check(sink->name != NULL && sink->sources.n > 0 && sink->memory_bytes > 0, "a sink without name, sources, memory");
    check(sink->redshift.host != NULL && sink->s3.bucket != NULL, "a sink without warehouse or bucket");
    for (size_t i = 0; i < sink->sources.n; i++) {
        const struct config_source *source;
        check(config_find_source(config, sink->sources.items[i], &source, &err) == RC_OK, "a sink without its source");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config;
    struct err err = {0};
    setenv("SECRET", SECRET, 1);
    if (config_parse((const char *)data, size, "fuzz.yaml", &config, &err) != RC_OK) {
        check(strncmp(err.msg, "fuzz.yaml:", 10) == 0, "a refusal does not name the file");
        bool in_file = memmem(data, size, SECRET, sizeof(SECRET) - 1) != NULL;
        check(in_file || strstr(err.msg, SECRET) == NULL, "a refusal shows what came from the environment");
        check(err_exit_code(&err) == EXIT_CODE_USAGE, "a refusal is not one of the configuration");
        return 0;
    }
    check(config->n_sources > 0 && config->prefix != NULL && config->kafka.brokers != NULL, "a hollow configuration");
    for (size_t i = 0; i < config->n_sources; i++)
        check_source(&config->sources[i]);
    for (size_t i = 0; i < config->n_sinks; i++)
        check_sink(config, &config->sinks[i]);
    config_free(config);
    return 0;
}
