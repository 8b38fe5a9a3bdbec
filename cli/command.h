/* The command line: one row a command, one row an option. Parsing, --help and docs/commands.md are made from
 * them. */
#ifndef LEAT_CLI_COMMAND_H
#define LEAT_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/config.h"
#include "base/err.h"

/* What was given; NULL or false: it was not. Text is argv's. */
struct cli_args {
    const char *config, *log_level, *http, *source, *sink, *offset, *time, *where;
    bool until_caught_up, earliest, execute, accept_gap, all, cancel, json, help, version;
    const char *operand;
    char *const *more; /* operands after the first one */
    size_t n_more;
};

enum cli_option_id {
    OPTION_CONFIG,
    OPTION_LOG_LEVEL,
    OPTION_HTTP,
    OPTION_SOURCE,
    OPTION_SINK,
    OPTION_UNTIL_CAUGHT_UP,
    OPTION_EARLIEST,
    OPTION_OFFSET,
    OPTION_TIME,
    OPTION_EXECUTE,
    OPTION_ACCEPT_GAP,
    OPTION_WHERE,
    OPTION_ALL,
    OPTION_CANCEL,
    OPTION_JSON,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_COUNT
};

struct cli_option {
    const char *name;  /* without its dashes */
    const char *value; /* what --help calls it; NULL: a flag */
    size_t offset;     /* in struct cli_args */
    const char *help;
};

struct cli_command {
    const char *name;    /* one word or two */
    const char *operand; /* "NAME" or "[NAME]"; "NAME [TABLE...]": any number; NULL: none */
    unsigned options;    /* 1u << enum cli_option_id, those of every command left out */
    bool hidden;
    int (*run)(const struct cli_args *args); /* answers an enum exit_code */
    const char *usage;                       /* how the options go together; NULL: each as it likes */
    const char *summary;
    const char *details; /* sentences for its own --help and docs/commands.md */
};

extern const struct cli_option cli_options[OPTION_COUNT];
extern const struct cli_command cli_commands[];
extern const size_t cli_n_commands;

/* ret_command NULL: --help or --version of the program itself. */
MUST_CHECK enum rc cli_parse(int argc, char **argv, struct cli_args *ret_args, const struct cli_command **ret_command,
                             struct err *err);

/* "leat offsets reset --source NAME (--earliest | ...)": without the options of every command. */
void cli_put_usage(const struct cli_command *command, FILE *out);
void cli_put_command_help(const struct cli_command *command, FILE *out);
void cli_put_program_help(FILE *out);

/* --config; else the text in LEAT_CONFIG_YAML, for containers without a volume; else the file that
 * LEAT_CONFIG names. */
MUST_CHECK enum rc cli_load_config(const struct cli_args *args, struct config **ret_config, struct err *err);
/* "leat: <message>" and "hint: ..." on stderr; answers the exit code. */
int cli_fail(const struct err *err);
/* Logging of a command that a person waits for: only what is wrong with leat itself, unless --log-level asks
 * for more. A broken pipe is an error of write(), not the end. */
MUST_CHECK enum rc cli_begin_interactive(const struct cli_args *args, struct err *err);

int command_capture(const struct cli_args *args);
int command_sink(const struct cli_args *args);
int command_check(const struct cli_args *args);
int command_offsets_show(const struct cli_args *args);
int command_offsets_reset(const struct cli_args *args);
int command_snapshot(const struct cli_args *args);
int command_status(const struct cli_args *args);
int command_docs(const struct cli_args *args);

#endif
