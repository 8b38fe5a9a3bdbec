#include "sink/offsets.h"

#include <string.h>

#include "base/config_value.h"
#include "command.h"
#include "iso_time.h"

static enum rc parse_target(const struct cli_args *args, struct offsets_target *ret_target, struct err *err)
{
    int n_targets = args->earliest + (args->offset != NULL) + (args->time != NULL);
    if (args->source == NULL)
        return err_set(err, ERR_USAGE, "offsets reset needs --source NAME");
    if (n_targets != 1)
        return err_set(err, ERR_USAGE, "offsets reset needs one of --earliest, --offset N and --time ISO8601");
    struct offsets_target target = {.kind = OFFSETS_EARLIEST};
    if (args->offset != NULL) {
        target.kind = OFFSETS_OFFSET;
        if (!config_value_int(args->offset, &target.offset) || target.offset < 0)
            return err_set(err, ERR_USAGE, "--offset is \"%s\": must be a whole number, 0 or more", args->offset);
    } else if (args->time != NULL) {
        target.kind = OFFSETS_TIME;
        if (!iso_time_parse(args->time, &target.time_us))
            return err_set(err, ERR_USAGE,
                           "--time is \"%s\": must be date, time and zone, such as 2026-11-23T18:45:00Z or "
                           "2026-11-23T19:45:00+01:00",
                           args->time);
    }
    *ret_target = target;
    return RC_OK;
}

static enum rc show(const struct cli_args *args, const struct config *config, struct err *err)
{
    const struct config_sink *sink;
    TRY(config_find_sink(config, args->sink, &sink, err));
    return sink_offsets_show(config, sink, stdout, err);
}

static enum rc reset(const struct cli_args *args, const struct config *config, struct err *err)
{
    const struct config_source *source;
    const struct config_sink *sink;
    struct offsets_target target;
    TRY(parse_target(args, &target, err));
    TRY(config_find_source(config, args->source, &source, err));
    TRY(config_find_sink(config, args->sink, &sink, err));
    for (size_t i = 0; i < sink->sources.n; i++) {
        if (strcmp(sink->sources.items[i], source->name) == 0)
            return sink_offsets_reset(config, sink, source->name, &target, args->execute, stdout, err);
    }
    return err_set(err, ERR_USAGE, "sink \"%s\" does not load source \"%s\"", sink->name, source->name);
}

static int run(const struct cli_args *args,
               enum rc (*work)(const struct cli_args *args, const struct config *config, struct err *err))
{
    struct config *config;
    struct err err = {0};
    if (cli_begin_interactive(args, &err) != RC_OK || cli_load_config(args, &config, &err) != RC_OK)
        return cli_fail(&err);
    enum rc rc = work(args, config, &err);
    int exit_code = rc == RC_OK ? EXIT_CODE_OK : cli_fail(&err);
    config_free(config);
    return exit_code;
}

int command_offsets_show(const struct cli_args *args)
{
    return run(args, show);
}

int command_offsets_reset(const struct cli_args *args)
{
    struct offsets_target target;
    struct err err = {0};
    if (parse_target(args, &target, &err) != RC_OK) /* before the configuration: it is the nearer mistake */
        return cli_fail(&err);
    return run(args, reset);
}
