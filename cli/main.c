#include <stdio.h>

#include "capture/capture_worker.h"
#include "command.h"

static int run(const struct cli_args *args, const struct cli_command *command)
{
    if (args->version) {
        printf("leat %s\n", LEAT_VERSION);
        return EXIT_CODE_OK;
    }
    if (args->help && command == NULL) {
        cli_put_program_help(stdout);
        return EXIT_CODE_OK;
    }
    if (args->help) {
        cli_put_command_help(command, stdout);
        return EXIT_CODE_OK;
    }
    return command->run(args);
}

int main(int argc, char **argv)
{
    struct cli_args args;
    const struct cli_command *command;
    struct err err = {0};
    capture_process_init();
    if (cli_parse(argc, argv, &args, &command, &err) != RC_OK)
        return cli_fail(&err);
    return run(&args, command);
}
