#include "command.h"
#include "sink/sink_worker.h"
#include "worker.h"

static enum rc begin(const struct cli_args *args, const struct config *config, const struct config_sink **ret_sink,
                     struct worker **ret_worker, struct err *err)
{
    char name[64];
    TRY(config_find_sink(config, args->operand, ret_sink, err));
    snprintf(name, sizeof(name), "sink %s", (*ret_sink)->name);
    return worker_begin(args, config, name, ret_worker, err);
}

int command_sink(const struct cli_args *args)
{
    struct config *config;
    const struct config_sink *sink;
    struct worker *worker;
    struct err err = {0};
    if (cli_load_config(args, &config, &err) != RC_OK)
        return cli_fail(&err);
    if (begin(args, config, &sink, &worker, &err) == RC_OK)
        worker_end(worker, sink_run(config, sink, args->until_caught_up, &err), &err);
    config_free(config);
    return cli_fail(&err);
}
