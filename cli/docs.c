/* leat docs PAGE: the pages of docs/ that are made from tables. */
#include <string.h>

#include "base/compiler.h"
#include "base/config_settings.h"
#include "base/config_value.h"
#include "command.h"

#define GENERATED "<!-- Made by `leat docs %s`: change the rows it is made from, not this page. -->\n"

/* Text of a table's cell: what Markdown would take for a column, or for HTML, is escaped. */
static void put_cell(const char *text)
{
    bool code = false;
    for (; *text != '\0'; text++) {
        code ^= *text == '`';
        if (*text == '|' || (*text == '<' && !code))
            putchar('\\');
        putchar(*text);
    }
}

static void put_type(const struct config_setting *setting)
{
    static const char *const names[] = {
        [SETTING_STRING] = "text",      [SETTING_STRING_OR_NONE] = "text",      [SETTING_SECRET] = "text, secret",
        [SETTING_INT] = "number",       [SETTING_BOOL] = "`true`, `false`",     [SETTING_DURATION] = "duration",
        [SETTING_BYTES] = "size",       [SETTING_STRING_LIST] = "list of text", [SETTING_SOURCE_TYPE] = "word",
        [SETTING_COLUMN_TYPE] = "word",
    };
    if (setting->type != SETTING_ENUM) {
        fputs(names[setting->type], stdout);
        return;
    }
    for (const char *word = setting->choices; *word != '\0';) {
        size_t len = strcspn(word, " ");
        printf("%s`%.*s`", word == setting->choices ? "" : ", ", (int)len, word);
        word += len;
        word += strspn(word, " ");
    }
}

static void put_range(const struct config_setting *setting)
{
    char min[32], max[32];
    switch (setting->type) {
    case SETTING_INT: printf("%lld to %lld", (long long)setting->min, (long long)setting->max); return;
    case SETTING_DURATION:
        config_value_format_duration(setting->min, min);
        config_value_format_duration(setting->max, max);
        break;
    case SETTING_BYTES:
        config_value_format_bytes(setting->min, min);
        config_value_format_bytes(setting->max, max);
        break;
    default: return;
    }
    printf("%s to %s", min, max);
}

static void put_setting(const struct config_setting *setting)
{
    printf("| `%s` | ", setting->key);
    put_type(setting);
    if (setting->fallback == NULL)
        printf(" | **required** | ");
    else
        printf(*setting->fallback == '\0' ? " | %s| " : " | `%s` | ", setting->fallback);
    put_range(setting);
    printf(" | ");
    put_cell(setting->help);
    printf(" |\n");
}

static void put_child(const struct config_child *child)
{
    static const char *const presence[] = {
        [CHILD_REQUIRED] = "**required**", [CHILD_OPTIONAL] = "", [CHILD_DEFAULTS] = "its defaults"};
    printf("| `%s` | %s | %s | | see `%s` below |\n", child->key, child->is_list ? "list of sections" : "section",
           presence[child->presence], config_section_path(child->section));
}

static void put_config(void)
{
    printf(
        "# Configuration\n" GENERATED "\n"
        "One YAML file serves all workers: `leat --config FILE ...`. Without `--config` the environment is looked at: "
        "`LEAT_CONFIG_YAML` holds the text itself (for containers without a volume), `LEAT_CONFIG` the file's path. A "
        "complete one with comments: [examples/leat.yaml](examples/leat.yaml).\n\n"
        "It is read and checked whole before anything is touched. A mistake ends the program with 2 and one line that "
        "names file, line and column, and for a mistyped key the one that was probably meant. No message shows the "
        "value of a secret, or what came from the environment.\n\n"
        "- `${NAME}` inside a value is replaced by that environment variable, which must be set; `$${` is a literal "
        "`${`. What comes from the environment is text, never YAML.\n"
        "- Durations are whole numbers with `ms`, `s`, `m`, `h` or `d`: `500ms`, `15s`, `7d`. Sizes are whole numbers "
        "with `KiB`, `MiB`, `GiB` or `TiB`, or plain bytes.\n"
        "- Anchors, aliases, tags, a second document and duplicate keys are refused.\n"
        "- A key without a value (or `null`, or `~`) is as if it were left out, and so is an empty text where the "
        "default is none.\n",
        "config");
    for (enum config_section section = 0; section < SECTION_COUNT; section++) {
        const char *quote = section == SECTION_TOP ? "" : "`";
        printf("\n## %s%s%s\n%s.\n\n| key | type | default | range | |\n|--|--|--|--|--|\n", quote,
               config_section_path(section), quote, config_section_help(section));
        for (size_t i = 0; i < config_n_settings; i++) {
            if (config_settings[i].section == section)
                put_setting(&config_settings[i]);
        }
        for (size_t i = 0; i < config_n_children; i++) {
            if (config_children[i].parent == section)
                put_child(&config_children[i]);
        }
    }
}

static void put_errors(void)
{
    printf("# Errors\n" GENERATED "\n"
           "Each error has a code, in the log's key `code` and in the metric `leat_errors_total`. Its class says what "
           "leat does:\n\n"
           "- `retry`: waits and tries again by itself; at the start of a worker it ends the worker all the same.\n"
           "- `reject`: keeps the record in the reject topic and goes on with the others.\n"
           "- `fatal`: stops; a person must act. The last column says how the process ends "
           "([exit codes](exit-codes.md)).\n"
           "- `bug`: stops; it is a defect of leat.\n\n"
           "| code | class | what to do | exit |\n|--|--|--|--|\n",
           "errors");
    for (enum err_code code = 0; code < ERR_COUNT; code++) {
        enum rc class = err_class(code);
        if (class == RC_OK)
            continue;
        printf("| `%s` | %s | ", err_name(code), rc_name(class));
        put_cell(err_hint(code));
        if (class == RC_REJECT)
            printf(" | |\n");
        else
            printf(" | %d |\n", err_exit_code(&(struct err){.code = code}));
    }
}

static const struct {
    const char *type, *name, *label1, *label2, *help;
} metric_rows[] = {
#define METRIC(type, name, label1, label2, help) {#type, #name, label1, label2, help},
#include "base/metrics.def"
#undef METRIC
};

static void put_metrics(void)
{
    printf("# Metrics\n" GENERATED "\n"
           "Every worker serves them at `/metrics` of its `http.listen`, in Prometheus' text form. Counters end in "
           "`_total`; durations are seconds.\n\n"
           "| metric | type | labels | |\n|--|--|--|--|\n",
           "metrics");
    for (size_t i = 0; i < ARRAY_LEN(metric_rows); i++) {
        const char *label1 = metric_rows[i].label1, *label2 = metric_rows[i].label2;
        const char *type = metric_rows[i].type[0] == 'C'   ? "counter"
                           : metric_rows[i].type[0] == 'G' ? "gauge"
                                                           : "histogram";
        printf("| `leat_%s` | %s | %s%s%s | ", metric_rows[i].name, type, label1 == NULL ? "" : label1,
               label2 == NULL ? "" : ", ", label2 == NULL ? "" : label2);
        put_cell(metric_rows[i].help);
        printf(" |\n");
    }
}

static const struct {
    enum exit_code code;
    const char *meaning, *restart;
} exit_rows[] = {
    {EXIT_CODE_OK, "the work is done, or a stop was asked for (SIGTERM, SIGINT) and everything under way was settled",
     "as you like"},
    {EXIT_CODE_FATAL,
     "a person must act: a worker's last log line, or the last lines of a command, say what happened and what to do. Also "
     "`leat check` when anything failed, and a worker that did not drain within 28 s",
     "with back-off: it does no harm, and mends what mends by itself"},
    {EXIT_CODE_USAGE, "the command line or the configuration is wrong; nothing was touched", "no: correct it first"},
    {EXIT_CODE_FENCED, "another worker of the same source or sink took over",
     "no: the other one has the work. If there should be none, find it"},
    {EXIT_CODE_BUG, "a defect of leat", "with back-off; report it with the log"},
};

static void put_exit_codes(void)
{
    printf("# Exit codes\n" GENERATED "\n| code | meaning | start it again? |\n|--|--|--|\n", "exit-codes");
    for (size_t i = 0; i < ARRAY_LEN(exit_rows); i++)
        printf("| %d | %s | %s |\n", exit_rows[i].code, exit_rows[i].meaning, exit_rows[i].restart);
    printf("\nWhich error ends with which code: [errors](errors.md).\n");
}

static void put_commands(void)
{
    printf(
        "# Commands\n" GENERATED "\n"
        "A worker logs JSON lines on stderr. Commands for people print text on stdout, and what went wrong on stderr "
        "as `leat: ...` and `hint: ...`. How they end: [exit codes](exit-codes.md).\n\n```\n",
        "commands");
    cli_put_program_help(stdout);
    printf("```\n");
    for (size_t i = 0; i < cli_n_commands; i++) {
        if (cli_commands[i].hidden)
            continue;
        printf("\n## leat %s\n```\n", cli_commands[i].name);
        cli_put_command_help(&cli_commands[i], stdout);
        printf("```\n");
    }
}

int command_docs(const struct cli_args *args)
{
    static const struct {
        const char *page;
        void (*put)(void);
    } pages[] = {{"config", put_config},
                 {"errors", put_errors},
                 {"metrics", put_metrics},
                 {"exit-codes", put_exit_codes},
                 {"commands", put_commands}};
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (strcmp(pages[i].page, args->operand) == 0) {
            pages[i].put();
            return EXIT_CODE_OK;
        }
    }
    struct err err;
    err_set(&err, ERR_USAGE, "there is no page \"%s\": config, errors, metrics, exit-codes or commands", args->operand);
    return cli_fail(&err);
}
