#include "command.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/config_suggest.h"
#include "base/log.h"

#define MEMBER(name) offsetof(struct cli_args, name)

// clang-format off
const struct cli_option cli_options[OPTION_COUNT] = {
    [OPTION_CONFIG]          = {"config", "FILE", MEMBER(config), "the configuration; when absent: LEAT_CONFIG_YAML (its text), LEAT_CONFIG (its path)"},
    [OPTION_LOG_LEVEL]       = {"log-level", "LEVEL", MEMBER(log_level), "debug, info, warn or error, instead of the configuration's"},
    [OPTION_HTTP]            = {"http", "LISTEN", MEMBER(http), "host:port for metrics and probes, instead of http.listen; \"\": none"},
    [OPTION_SOURCE]          = {"source", "NAME", MEMBER(source), "name of a source in the configuration"},
    [OPTION_SINK]            = {"sink", "NAME", MEMBER(sink), "name of a sink in the configuration; may be left out when there is one"},
    [OPTION_UNTIL_CAUGHT_UP] = {"until-caught-up", NULL, MEMBER(until_caught_up), "end with 0 when all that was in Kafka at the start is loaded"},
    [OPTION_EARLIEST]        = {"earliest", NULL, MEMBER(earliest), "to the first ledger record that Kafka still has"},
    [OPTION_OFFSET]          = {"offset", "N", MEMBER(offset), "to this offset of the ledger"},
    [OPTION_TIME]            = {"time", "ISO8601", MEMBER(time), "to the last state of the source at or before this time, such as 2026-11-23T18:45:00Z"},
    [OPTION_EXECUTE]         = {"execute", NULL, MEMBER(execute), "do it; without this nothing is changed"},
    [OPTION_ACCEPT_GAP]      = {"accept-gap", NULL, MEMBER(accept_gap), "changes are missing and a person knows: say so in the ledger and go on without them, once"},
    [OPTION_WHERE]           = {"where", "EXPR", MEMBER(where), "only rows for which this SQL condition is true"},
    [OPTION_ALL]             = {"all", NULL, MEMBER(all), "all tables of the source"},
    [OPTION_CANCEL]          = {"cancel", NULL, MEMBER(cancel), "copy the tables no more; without a name: none of them"},
    [OPTION_JSON]            = {"json", NULL, MEMBER(json), "for programs: one JSON object"},
    [OPTION_HELP]            = {"help", NULL, MEMBER(help), "this text"},
    [OPTION_VERSION]         = {"version", NULL, MEMBER(version), "the version"},
};

#define BIT(option) (1u << OPTION_##option)

enum {
    OPTIONS_OF_ALL = BIT(CONFIG) | BIT(LOG_LEVEL) | BIT(HELP),
    OPTIONS_OF_PROGRAM = OPTIONS_OF_ALL | BIT(VERSION),
};

const struct cli_command cli_commands[] = {
    {"capture", "NAME", BIT(HTTP) | BIT(ACCEPT_GAP), false, command_capture, NULL,
     "carry every change of one source into Kafka, until stopped",
     "NAME is a source of the configuration. The first start takes a snapshot; every later one goes on where the ledger "
     "in Kafka says. Run one worker for each source: a second one fences the first, which then ends with 3. SIGTERM "
     "commits what is under way and ends with 0 within 30 s. When it has ended because changes are missing (the message "
     "says which), --accept-gap makes what is missing on the server, writes a record of the gap and goes on."},
    {"sink", "[NAME]", BIT(HTTP) | BIT(UNTIL_CAUGHT_UP), false, command_sink, NULL,
     "load what is in Kafka into the warehouse, until stopped",
     "NAME is a sink of the configuration and may be left out when there is one. Run one worker for each sink: a second "
     "one fences the first, which then ends with 3. SIGTERM lets a batch that is being applied finish, leaves the "
     "others to the next start, and ends with 0 within 30 s. With --until-caught-up it suits a scheduler."},
    {"snapshot", "NAME [TABLE...]", BIT(WHERE) | BIT(ALL) | BIT(CANCEL), false, command_snapshot,
     "(TABLE... [--where EXPR] | --all | --cancel [TABLE...])",
     "copy tables of a source again, beside the stream",
     "NAME is a source of type postgresql, TABLE is schema.table as the server has it, without quotes. Writes a request "
     "to the topic <prefix>.leat.requests.<source>; the capture takes it within seconds, or at its next start. Copied "
     "rows stand in the topics where their snapshot stands in the log, so nothing later is overwritten. A capture that "
     "refuses to start because changes are missing starts over with --all: it makes its slot anew, truncates the "
     "tables in the topics and copies everything."},
    {"status", "[NAME]", BIT(JSON), false, command_status, NULL,
     "where each source's capture stands: ledger, slot, copies, requests",
     "NAME is a source of the configuration; all of them when it is left out. Reads the ledger and, for sources of "
     "type postgresql, the server; changes nothing. A server that does not answer is said to be away, and ends nothing."},
    {"check", NULL, BIT(SOURCE) | BIT(SINK), false, command_check, NULL,
     "look at every server, right and setting that the workers need; changes nothing",
     "Prints a line for each thing, and under those that failed what to do. With --source or --sink only that one; "
     "otherwise all of the configuration. Ends with 1 when anything failed."},
    {"offsets show", NULL, BIT(SINK), false, command_offsets_show, NULL,
     "where the warehouse stands in each source's ledger",
     "A line for each source of the sink: next ledger offset, end of the ledger, how many records lie between, position "
     "and time of the source."},
    {"offsets reset", NULL, BIT(SOURCE) | BIT(EARLIEST) | BIT(OFFSET) | BIT(TIME) | BIT(SINK) | BIT(EXECUTE), false,
     command_offsets_reset, "--source NAME (--earliest | --offset N | --time ISO8601) [--sink NAME] [--execute]",
     "move where the warehouse stands in one source's ledger",
     "Says what would be loaded again, or left out; only --execute changes anything. The place is moved to the next one "
     "at which the source had a consistent state. A running worker of the sink is fenced and ends with 3."},
    {"docs", "PAGE", 0, true, command_docs, NULL,
     "print a generated page of the documentation: config, errors, metrics, exit-codes or commands",
     "docs/<page>.md is the output of this command; a test compares them."},
};
// clang-format on
const size_t cli_n_commands = ARRAY_LEN(cli_commands);

static const struct cli_option *find_option(const char *name, size_t len)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strlen(cli_options[i].name) == len && memcmp(cli_options[i].name, name, len) == 0)
            return &cli_options[i];
    }
    return NULL;
}

static enum rc refuse_option(const char *text, struct err *err)
{
    struct config_suggest suggest = {.word = text + strspn(text, "-")};
    for (size_t i = 0; i < OPTION_COUNT; i++)
        config_suggest_offer(&suggest, cli_options[i].name);
    if (suggest.best != NULL)
        return err_set(err, ERR_USAGE, "unknown option \"%s\" (did you mean \"--%s\"?)", text, suggest.best);
    return err_set(err, ERR_USAGE, "unknown option \"%s\"", text);
}

/* What the words and options of argv are, before any meaning. */
struct cli_words {
    char **words; /* in argv, moved to its front as getopt does */
    size_t n;
    unsigned seen; /* options */
};

/* argv[*at] begins with a dash; *at is left at the last word that belongs to it. */
static enum rc parse_option(int argc, char **argv, int *at, struct cli_args *args, struct cli_words *words,
                            struct err *err)
{
    const char *text = argv[*at];
    if (strcmp(text, "-h") == 0)
        text = "--help";
    if (strncmp(text, "--", 2) != 0)
        return refuse_option(text, err);
    const char *name = text + 2;
    size_t name_len = strcspn(name, "=");
    const struct cli_option *option = find_option(name, name_len);
    if (option == NULL)
        return refuse_option(text, err);
    unsigned bit = 1u << (option - cli_options);
    if ((words->seen & bit) != 0)
        return err_set(err, ERR_USAGE, "--%s is given twice", option->name);
    words->seen |= bit;
    char *member = (char *)args + option->offset;
    if (option->value == NULL) {
        if (name[name_len] == '=')
            return err_set(err, ERR_USAGE, "--%s takes no value", option->name);
        *(bool *)(void *)member = true;
        return RC_OK;
    }
    const char *value = name[name_len] == '=' ? name + name_len + 1 : *at + 1 < argc ? argv[++*at] : NULL;
    if (value == NULL || (name[name_len] != '=' && strncmp(value, "--", 2) == 0))
        return err_set(err, ERR_USAGE, "--%s needs its value: --%s %s", option->name, option->name, option->value);
    *(const char **)(void *)member = value;
    return RC_OK;
}

static enum rc split(int argc, char **argv, struct cli_args *args, struct cli_words *words, struct err *err)
{
    for (int at = 1; at < argc; at++) {
        if (argv[at][0] == '-' && argv[at][1] != '\0') {
            TRY(parse_option(argc, argv, &at, args, words, err));
            continue;
        }
        words->words[words->n++] = argv[at];
    }
    return RC_OK;
}

/* How many of the words are the command's name: 0 when they are not. */
static size_t name_words(const struct cli_command *command, const struct cli_words *words)
{
    const char *space = strchr(command->name, ' ');
    size_t first_len = space == NULL ? strlen(command->name) : (size_t)(space - command->name);
    if (words->n == 0 || strlen(words->words[0]) != first_len || memcmp(words->words[0], command->name, first_len) != 0)
        return 0;
    if (space == NULL)
        return 1;
    return words->n >= 2 && strcmp(words->words[1], space + 1) == 0 ? 2 : 0;
}

/* What may follow the first of two words: "show or reset"; "" when no command begins like this. */
static const char *second_words(const char *first, char out[64])
{
    size_t len = strlen(first);
    out[0] = '\0';
    for (size_t i = 0; i < cli_n_commands; i++) {
        const char *name = cli_commands[i].name;
        if (strncmp(name, first, len) == 0 && name[len] == ' ')
            snprintf(out + strlen(out), 64 - strlen(out), "%s%s", out[0] == '\0' ? "" : " or ", name + len + 1);
    }
    return out;
}

static enum rc refuse_command(const struct cli_words *words, struct err *err)
{
    char seconds[64], did_you_mean[96];
    if (second_words(words->words[0], seconds)[0] != '\0')
        return err_set(err, ERR_USAGE, "%s needs %s", words->words[0], seconds);
    struct config_suggest suggest = {.word = words->words[0]};
    for (size_t i = 0; i < cli_n_commands; i++) {
        if (!cli_commands[i].hidden)
            config_suggest_offer(&suggest, cli_commands[i].name);
    }
    return err_set(err, ERR_USAGE, "unknown command \"%s\"%s", words->words[0],
                   config_suggest_format(&suggest, did_you_mean));
}

static enum rc check_options(const struct cli_command *command, unsigned seen, struct err *err)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if ((seen & 1u << i) != 0 && ((command->options | OPTIONS_OF_ALL) & 1u << i) == 0)
            return err_set(err, ERR_USAGE, "%s does not take --%s", command->name, cli_options[i].name);
    }
    return RC_OK;
}

static enum rc take_operand(const struct cli_command *command, char *const *words, size_t n, struct cli_args *args,
                            struct err *err)
{
    bool takes_more = command->operand != NULL && strstr(command->operand, "...") != NULL;
    size_t most = takes_more ? SIZE_MAX : command->operand != NULL;
    if (n > most)
        return err_set(err, ERR_USAGE, "%s does not take \"%s\"", command->name, words[most]);
    if (n == 0 && most >= 1 && command->operand[0] != '[' && !args->help)
        return err_set(err, ERR_USAGE, "%s needs %.*s", command->name, (int)strcspn(command->operand, " "),
                       command->operand);
    args->operand = n >= 1 ? words[0] : NULL;
    args->more = n > 1 ? words + 1 : NULL;
    args->n_more = n > 1 ? n - 1 : 0;
    return RC_OK;
}

static enum rc find_command(const struct cli_words *words, struct cli_args *args,
                            const struct cli_command **ret_command, struct err *err)
{
    for (size_t i = 0; i < cli_n_commands; i++) {
        const struct cli_command *command = &cli_commands[i];
        size_t n_words = name_words(command, words);
        if (n_words == 0)
            continue;
        TRY(check_options(command, words->seen, err));
        TRY(take_operand(command, words->words + n_words, words->n - n_words, args, err));
        *ret_command = command;
        return RC_OK;
    }
    char seconds[64];
    if (args->help && second_words(words->words[0], seconds)[0] != '\0')
        return RC_OK; /* leat offsets --help: the program's own */
    return refuse_command(words, err);
}

enum rc cli_parse(int argc, char **argv, struct cli_args *ret_args, const struct cli_command **ret_command,
                  struct err *err)
{
    struct cli_args args = {0};
    struct cli_words words = {.words = argv + 1};
    const struct cli_command *command = NULL;
    TRY(split(argc, argv, &args, &words, err));
    if (words.n > 0)
        TRY(find_command(&words, &args, &command, err));
    else if (!args.help && !args.version)
        return err_set(err, ERR_USAGE, "a command is missing");
    *ret_args = args;
    *ret_command = command;
    return RC_OK;
}

void cli_put_usage(const struct cli_command *command, FILE *out)
{
    fprintf(out, "leat %s", command->name);
    if (command->operand != NULL && command->usage != NULL)
        fprintf(out, " %.*s", (int)strcspn(command->operand, " "), command->operand);
    else if (command->operand != NULL)
        fprintf(out, " %s", command->operand);
    if (command->usage != NULL) {
        fprintf(out, " %s", command->usage);
        return;
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if ((command->options & 1u << i) == 0)
            continue;
        const struct cli_option *option = &cli_options[i];
        fprintf(out, option->value == NULL ? " [--%s]" : " [--%s %s]", option->name, option->value);
    }
}

static void put_options(unsigned options, FILE *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if ((options & 1u << i) == 0)
            continue;
        char text[64];
        const struct cli_option *option = &cli_options[i];
        snprintf(text, sizeof(text), "--%s %s", option->name, option->value == NULL ? "" : option->value);
        fprintf(out, "  %-20s %s\n", text, option->help);
    }
}

/* Breaks sentences at spaces into lines of a terminal's width. */
static void put_wrapped(const char *text, FILE *out)
{
    enum { WIDTH = 78 };
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        bool first = column == 0;
        if (!first && column + 1 + len > WIDTH) {
            fputc('\n', out);
            column = 0;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)len, text);
        column += len + !first;
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void cli_put_command_help(const struct cli_command *command, FILE *out)
{
    fprintf(out, "usage: ");
    cli_put_usage(command, out);
    fprintf(out, "\n\n%s\n\n", command->summary);
    put_wrapped(command->details, out);
    fprintf(out, "\noptions:\n");
    put_options(command->options | OPTIONS_OF_ALL, out);
}

void cli_put_program_help(FILE *out)
{
    fprintf(out, "usage: leat [--config FILE] COMMAND ...\n\n"
                 "Carries every change of PostgreSQL and DocumentDB databases into Redshift, through Kafka, exactly "
                 "once.\n\ncommands:\n");
    for (size_t i = 0; i < cli_n_commands; i++) {
        const struct cli_command *command = &cli_commands[i];
        char text[64];
        snprintf(text, sizeof(text), "%s %s", command->name, command->operand == NULL ? "" : command->operand);
        if (!command->hidden)
            fprintf(out, "  %-20s %s\n", text, command->summary);
    }
    fprintf(out, "\noptions:\n");
    put_options(OPTIONS_OF_PROGRAM, out);
    fprintf(out, "\nleat COMMAND --help says more about one of them.\n");
}

enum rc cli_load_config(const struct cli_args *args, struct config **ret_config, struct err *err)
{
    static const char text_variable[] = "LEAT_CONFIG_YAML";
    const char *text = getenv(text_variable), *path = getenv("LEAT_CONFIG");
    if (args->config != NULL)
        return config_load(args->config, ret_config, err);
    if (text != NULL && *text != '\0')
        return config_parse(text, strlen(text), text_variable, ret_config, err);
    if (path != NULL && *path != '\0')
        return config_load(path, ret_config, err);
    return err_set(err, ERR_CONFIG_READ, "no configuration was given");
}

int cli_fail(const struct err *err)
{
    fflush(stdout);
    fprintf(stderr, "leat: %s\n", err->msg);
    if (err_hint(err->code)[0] != '\0')
        fprintf(stderr, "hint: %s\n", err_hint(err->code));
    return err_exit_code(err);
}

enum rc cli_begin_interactive(const struct cli_args *args, struct err *err)
{
    enum log_level level = LOG_LEVEL_ERROR;
    if (args->log_level != NULL && !log_level_parse(args->log_level, &level))
        return err_set(err, ERR_USAGE, "--log-level is \"%s\": must be debug, info, warn or error", args->log_level);
    log_init(level, NULL);
    signal(SIGPIPE, SIG_IGN);
    return RC_OK;
}
