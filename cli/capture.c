#include "capture/capture_worker.h"
#include "command.h"
#include "worker.h"

static enum rc begin(const struct cli_args *args, const struct config *config, const struct config_source **ret_source,
                     struct worker **ret_worker, struct err *err)
{
    char name[64];
    TRY(config_find_source(config, args->operand, ret_source, err));
    if (args->accept_gap && (*ret_source)->type != CONFIG_SOURCE_POSTGRESQL)
        return err_set(err, ERR_USAGE, "--accept-gap is for sources of type postgresql, %s is not one",
                       (*ret_source)->name);
    snprintf(name, sizeof(name), "capture %s", (*ret_source)->name);
    return worker_begin(args, config, name, ret_worker, err);
}

int command_capture(const struct cli_args *args)
{
    struct config *config;
    const struct config_source *source;
    struct worker *worker;
    struct err err = {0};
    if (cli_load_config(args, &config, &err) != RC_OK)
        return cli_fail(&err);
    if (begin(args, config, &source, &worker, &err) == RC_OK)
        worker_end(worker, capture_run(config, source, args->accept_gap, &err), &err);
    config_free(config);
    return cli_fail(&err);
}
