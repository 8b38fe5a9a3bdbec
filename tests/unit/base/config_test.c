#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/config_settings.h"
#include "base/config_suggest.h"
#include "base/config_value.h"

/* The smallest file that is accepted; a case replaces one of its lines (by what the line begins with), so
 * that each message can be traced to a line number: prefix is line 1. */
static const char *const base_lines[] = {
    "prefix: bank",
    "kafka:",
    "  brokers: b1:9092,b2:9092",
    "registry:",
    "  url: http://127.0.0.1:8081",
    "sources:",
    "  - name: core",
    "    type: postgresql",
    "    postgresql:",
    "      host: pg",
    "      database: stori",
    "      user: leat",
    "  - name: docs",
    "    type: documentdb",
    "    documentdb:",
    "      uri: mongodb://u:hunter2@h/",
    "      database: stori-docdb-2023",
    "      collections:",
    "        - name: trades",
    "          columns:",
    "            - {column: a, path: a.b, type: string}",
    "sinks:",
    "  - name: warehouse",
    "    sources: [core, docs]",
    "    redshift:",
    "      host: rs",
    "      database: dwh",
    "      user: leat",
    "    s3:",
    "      bucket: staging",
    "      region: us-east-1",
};

/* The base file with line `line` (from 1) replaced; NULL takes it out. line 0: as it is. */
static enum rc parse_with(unsigned line, const char *replacement, struct config **ret_config, struct err *err)
{
    struct buf text = buf_new(1 << 20);
    for (unsigned i = 0; i < ARRAY_LEN(base_lines); i++) {
        const char *one = i + 1 == line ? replacement : base_lines[i];
        if (one == NULL)
            continue;
        buf_put_str(&text, one);
        buf_put_str(&text, "\n");
    }
    enum rc rc = config_parse((const char *)text.ptr, text.len, "leat.yaml", ret_config, err);
    buf_done(&text);
    return rc;
}

static const struct {
    const char *behaviour;
    unsigned line;
    const char *replacement;
    enum err_code code;
    const char *message;
} refusals[] = {
    /* keys */
    {"a mistyped key names its neighbour", 3, "  brokrs: b1:9092", ERR_CONFIG_UNKNOWN_KEY,
     "leat.yaml:3:3: unknown key \"brokrs\" in kafka (did you mean \"brokers\"?)"},
    {"a mistyped section names its neighbour", 22, "sink:", ERR_CONFIG_UNKNOWN_KEY,
     "leat.yaml:22:1: unknown key \"sink\" in the top level (did you mean \"sinks\"?)"},
    {"a key of another section says where it belongs", 1, "prefix: bank\nbrokers: b:1", ERR_CONFIG_UNKNOWN_KEY,
     "leat.yaml:2:1: unknown key \"brokers\" in the top level (it belongs in kafka)"},
    {"a key that nothing resembles is refused plainly", 1, "prefix: bank\nzzzzzz: 1", ERR_CONFIG_UNKNOWN_KEY,
     "leat.yaml:2:1: unknown key \"zzzzzz\" in the top level"},
    {"a duplicate key is refused", 3, "  brokers: b1:9092\n  brokers: b2:9092", ERR_CONFIG_SYNTAX,
     "leat.yaml:4:3: the key \"brokers\" is there already, at line 3"},
    {"a missing key names the section and where it starts", 3, "  compression: lz4", ERR_CONFIG_VALUE,
     "leat.yaml:2:1: missing key \"brokers\" in kafka"},
    {"a missing key of a list entry names the entry's line", 12, NULL, ERR_CONFIG_VALUE,
     "leat.yaml:9:5: missing key \"user\" in sources[].postgresql"},
    {"a missing key of the top level is at its start", 1, "log_level: info", ERR_CONFIG_VALUE,
     "leat.yaml:1:1: missing key \"prefix\" in the top level"},
    {"a null value is a missing one", 1, "prefix:", ERR_CONFIG_VALUE,
     "leat.yaml:1:1: missing key \"prefix\" in the top level"},
    /* types and ranges */
    {"a list where text belongs is refused", 1, "prefix: [a]", ERR_CONFIG_VALUE,
     "leat.yaml:1:9: prefix must be text, not a list"},
    {"text where a map belongs is refused", 5, "  url: http://r\nhttp: yes", ERR_CONFIG_VALUE,
     "leat.yaml:6:7: http must be a map (key: value), not text"},
    {"text where a list belongs is refused", 24, "    sources: core", ERR_CONFIG_VALUE,
     "leat.yaml:24:14: sinks[].sources must be a list, such as [a, b], not text"},
    {"an empty list is refused where one entry is needed", 24, "    sources: []", ERR_CONFIG_VALUE,
     "leat.yaml:24:14: sinks[].sources must have at least one entry"},
    {"a list of sources with nothing in it is refused", 20, "          columns: []\n          # 21", ERR_CONFIG_SYNTAX,
     "leat.yaml:22:13: did not find expected key, while parsing a block mapping that begins at line 19"},
    {"a number out of range says the range", 3, "  brokers: b:1\n  replication_factor: 99", ERR_CONFIG_VALUE,
     "leat.yaml:4:23: kafka.replication_factor is \"99\": must be between 1 and 15"},
    {"a number too large for any type is out of range", 3, "  brokers: b:1\n  replication_factor: 99999999999999999999",
     ERR_CONFIG_VALUE,
     "leat.yaml:4:23: kafka.replication_factor is \"99999999999999999999\": must be between 1 and 15"},
    {"a number with letters is refused", 3, "  brokers: b:1\n  replication_factor: 3x", ERR_CONFIG_VALUE,
     "leat.yaml:4:23: kafka.replication_factor is \"3x\": must be a whole number"},
    {"a duration out of range says the range in its units", 3, "  brokers: b:1\n  topic_retention: 5s",
     ERR_CONFIG_VALUE, "leat.yaml:4:20: kafka.topic_retention is \"5s\": must be between 1m and 3650d"},
    {"a duration without a unit is refused", 3, "  brokers: b:1\n  topic_retention: 500", ERR_CONFIG_VALUE,
     "leat.yaml:4:20: kafka.topic_retention is \"500\": must be a duration: a whole number with ms, s, m, h or d, such "
     "as 500ms or 7d"},
    {"a size in another unit is refused", 3, "  brokers: b:1\n  message_max_bytes: 8MB", ERR_CONFIG_VALUE,
     "leat.yaml:4:22: kafka.message_max_bytes is \"8MB\": must be a size: a whole number with KiB, MiB, GiB or TiB, such "
     "as 64MiB"},
    {"a size out of range says the range", 3, "  brokers: b:1\n  message_max_bytes: 1KiB", ERR_CONFIG_VALUE,
     "leat.yaml:4:22: kafka.message_max_bytes is \"1KiB\": must be between 64KiB and 1GiB"},
    {"a word that is not one of the choices is refused", 3, "  brokers: b:1\n  compression: lzo", ERR_CONFIG_VALUE,
     "leat.yaml:4:16: kafka.compression is \"lzo\": must be one of none gzip snappy lz4 zstd"},
    {"yes is not true", 12, "      user: leat\n      publication_create: yes", ERR_CONFIG_VALUE,
     "leat.yaml:13:27: sources[].postgresql.publication_create is \"yes\": must be true or false"},
    {"an unknown type of source is refused", 8, "    type: postgres", ERR_CONFIG_VALUE,
     "leat.yaml:8:11: sources[].type is \"postgres\": must be one of postgresql documentdb"},
    /* forms */
    {"an empty required text is refused", 1, "prefix: ''", ERR_CONFIG_VALUE,
     "leat.yaml:1:9: prefix is \"\": must not be empty"},
    {"a prefix with a slash is refused", 1, "prefix: a/b", ERR_CONFIG_VALUE,
     "leat.yaml:1:9: prefix is \"a/b\": must be 1 to 100 of A-Z a-z 0-9 . _ -"},
    {"a broker without a port is refused", 3, "  brokers: b1:9092,b2", ERR_CONFIG_VALUE,
     "leat.yaml:3:12: kafka.brokers is \"b1:9092,b2\": must be host:port[,host:port...]"},
    {"credentials in an address are refused without showing them", 5, "  url: http://u:hunter2@r:1", ERR_CONFIG_VALUE,
     "leat.yaml:5:8: registry.url must be http://... or https://..., without user, password or query in it"},
    {"a source name in capitals is refused", 7, "  - name: Core", ERR_CONFIG_VALUE,
     "leat.yaml:7:11: sources[].name is \"Core\": must be 1 to 40 of a-z 0-9 _"},
    {"a source name of 41 letters is refused", 7, "  - name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     ERR_CONFIG_VALUE,
     "leat.yaml:7:11: sources[].name is \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": must be 1 to 40 of a-z 0-9 _"},
    {"a table without its schema is refused", 12, "      user: leat\n      tables: [transactions]", ERR_CONFIG_VALUE,
     "leat.yaml:13:16: sources[].postgresql.tables is \"transactions\": must be schema.table, without quotes"},
    {"a table named twice is refused", 12, "      user: leat\n      tables: [p.t, p.t]", ERR_CONFIG_VALUE,
     "leat.yaml:13:21: sources[].postgresql.tables is \"p.t\": this is in the list already"},
    {"a uri of another kind is refused without showing it", 16, "      uri: http://u:hunter2@h/", ERR_CONFIG_VALUE,
     "leat.yaml:16:12: sources[].documentdb.uri must begin with mongodb:// or mongodb+srv://"},
    {"a secret that is a map is refused without showing it", 12, "      user: leat\n      password: {hunter2: 1}",
     ERR_CONFIG_VALUE, "leat.yaml:13:17: sources[].postgresql.password must be text, not a map"},
    {"an empty uri is refused", 16, "      uri: ''", ERR_CONFIG_VALUE,
     "leat.yaml:16:12: sources[].documentdb.uri must not be empty"},
    {"a column that looks like ours is refused", 21, "            - {column: _leat_pos, path: a, type: string}",
     ERR_CONFIG_VALUE,
     "leat.yaml:21:24: sources[].documentdb.collections[].columns[].column is \"_leat_pos\": must be letters, digits and _ "
     "(not beginning with a digit or with _leat; _id is always there by itself)"},
    {"a column _id is refused: it is always there", 21, "            - {column: _id, path: _id, type: string}",
     ERR_CONFIG_VALUE,
     "leat.yaml:21:24: sources[].documentdb.collections[].columns[].column is \"_id\": must be letters, digits and _ "
     "(not beginning with a digit or with _leat; _id is always there by itself)"},
    {"a path with an empty part is refused", 21, "            - {column: a, path: a..b, type: string}",
     ERR_CONFIG_VALUE,
     "leat.yaml:21:33: sources[].documentdb.collections[].columns[].path is \"a..b\": must be names with single dots "
     "between, such as details.lag"},
    {"a decimal of 39 digits is refused", 21, "            - {column: a, path: a, type: \"decimal(39,2)\"}",
     ERR_CONFIG_VALUE,
     "leat.yaml:21:42: sources[].documentdb.collections[].columns[].type is \"decimal(39,2)\": must be string, int, long, "
     "double, bool, timestamp, json, objectid or decimal(p,s) with p from 1 to 38 and s from 0 to p"},
    {"a role that is no arn is refused", 28, "      user: leat\n      iam_role: copy-role", ERR_CONFIG_VALUE,
     "leat.yaml:29:17: sinks[].redshift.iam_role is \"copy-role\": must be default or begin with arn:"},
    /* between settings */
    {"two sources of one name are refused", 13, "  - name: core", ERR_CONFIG_VALUE,
     "leat.yaml:13:11: sources[].name \"core\" is there already, at line 7"},
    {"two columns of one name are refused, whatever their case", 21,
     "            - {column: a, path: a, type: int}\n            - {column: A, path: b, type: int}", ERR_CONFIG_VALUE,
     "leat.yaml:22:24: columns[].column \"A\" is there already, at line 21"},
    {"a sink of a source that does not exist is refused", 24, "    sources: [core, dcs]", ERR_CONFIG_VALUE,
     "leat.yaml:24:21: sink \"warehouse\" loads from \"dcs\", but there is no source of that name (did you mean \"docs\"?)"},
    {"a source without the section of its type is refused", 14, "    type: postgresql", ERR_CONFIG_VALUE,
     "leat.yaml:13:5: source \"docs\" is of type postgresql: missing section \"postgresql\" in sources[]"},
    {"a source with the section of another type is refused", 12, "      user: leat\n    documentdb: {}",
     ERR_CONFIG_VALUE,
     "leat.yaml:13:5: source \"core\" is of type postgresql: the section \"documentdb\" does not belong to it"},
    {"sasl without a user is refused", 3, "  brokers: b:1\n  security_protocol: sasl_ssl\n  sasl_mechanism: PLAIN",
     ERR_CONFIG_VALUE, "leat.yaml:4:3: kafka.security_protocol sasl_ssl needs sasl_username"},
    {"a sasl password that would not be used is refused", 3, "  brokers: b:1\n  sasl_password: hunter2",
     ERR_CONFIG_VALUE, "leat.yaml:4:3: kafka.sasl_password needs security_protocol sasl_ssl or sasl_plaintext"},
    {"half of a key pair is refused", 31, "      region: r\n      access_key_id: AK", ERR_CONFIG_VALUE,
     "leat.yaml:32:7: s3.access_key_id needs secret_access_key, which is absent or empty"},
    {"the other half of a key pair is refused", 31, "      region: r\n      secret_access_key: hunter2",
     ERR_CONFIG_VALUE,
     "leat.yaml:32:7: s3.secret_access_key and s3.session_token need access_key_id, which is absent or empty"},
    /* the environment */
    {"a missing variable is refused with its place", 10, "      host: ${LEAT_TEST_ABSENT}", ERR_CONFIG_ENV,
     "leat.yaml:10:13: sources[].postgresql.host: the environment variable \"LEAT_TEST_ABSENT\" is not set"},
    {"a variable without an end is refused", 10, "      host: ${LEAT_TEST_SET", ERR_CONFIG_ENV,
     "leat.yaml:10:13: sources[].postgresql.host: a ${ is not followed by the name of an environment variable and a }"},
    {"a default inside ${} is not known", 10, "      host: ${LEAT_TEST_ABSENT:-x}", ERR_CONFIG_ENV,
     "leat.yaml:10:13: sources[].postgresql.host: a ${ is not followed by the name of an environment variable and a }"},
    {"a wrong value from the environment is not shown", 10, "      host: pg\n      port: ${LEAT_TEST_SET}",
     ERR_CONFIG_VALUE, "leat.yaml:11:13: sources[].postgresql.port is \"${LEAT_TEST_SET}\": must be a whole number"},
    {"a required text that is empty in the environment is refused", 10, "      host: ${LEAT_TEST_EMPTY}",
     ERR_CONFIG_VALUE, "leat.yaml:10:13: sources[].postgresql.host is \"${LEAT_TEST_EMPTY}\": must not be empty"},
};

static void each_mistake_is_refused_in_one_clear_line(void **state)
{
    (void)state;
    setenv("LEAT_TEST_SET", "hunter2", 1);
    setenv("LEAT_TEST_EMPTY", "", 1);
    unsetenv("LEAT_TEST_ABSENT");
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct config *config = NULL;
        struct err err = {0};
        enum rc rc = parse_with(refusals[i].line, refusals[i].replacement, &config, &err);
        CHECK_EQ(RC_FATAL, rc, refusals[i].behaviour);
        CHECK_STR(refusals[i].message, err.msg, refusals[i].behaviour);
        CHECK_STR(err_name(refusals[i].code), err_name(err.code), refusals[i].behaviour);
        CHECK_EQ(EXIT_CODE_USAGE, err_exit_code(&err), refusals[i].behaviour);
        assert_null(config);
        if (strstr(err.msg, "hunter2") != NULL)
            fail_msg("%s: shows a secret", refusals[i].behaviour);
    }
}

static void the_smallest_file_gets_every_default(void **state)
{
    (void)state;
    struct config *config;
    struct err err;
    ASSERT_OK(parse_with(0, NULL, &config, &err), &err);
    CHECK_STR("info", config->log_level, "log_level");
    CHECK_STR("127.0.0.1:9102", config->http.listen, "http.listen of a section that was left out");
    CHECK_STR("lz4", config->kafka.compression, "kafka.compression");
    CHECK_EQ(604800000, config->kafka.topic_retention_ms, "kafka.topic_retention");
    CHECK_EQ(8388608, config->kafka.message_max_bytes, "kafka.message_max_bytes");
    CHECK_EQ(60000, config->kafka.transaction_timeout_ms, "kafka.transaction_timeout");
    assert_null(config->kafka.sasl_mechanism);
    CHECK_EQ(2, config->n_sources, "sources");
    const struct config_source *core = &config->sources[0], *docs = &config->sources[1];
    CHECK_EQ(CONFIG_SOURCE_POSTGRESQL, core->type, "type of core");
    CHECK_STR("leat_core", core->postgresql.slot, "slot");
    CHECK_STR("leat_core", core->postgresql.publication, "publication");
    CHECK_EQ(true, core->postgresql.publication_create, "publication_create");
    CHECK_EQ(0, core->postgresql.tables.n, "tables");
    assert_null(core->postgresql.password);
    CHECK_EQ(500, core->batch_max_age_ms, "batch_max_age");
    CHECK_EQ(CONFIG_SOURCE_DOCUMENTDB, docs->type, "type of docs");
    assert_null(docs->postgresql.slot);
    CHECK_STR("a.b", docs->documentdb.collections[0].columns[0].path, "path");
    CHECK_EQ(1, config->n_sinks, "sinks");
    CHECK_EQ(96 << 20, config->sinks[0].memory_bytes, "memory");
    CHECK_EQ(15000, config->sinks[0].batch_max_age_ms, "batch_max_age of a sink");
    CHECK_STR("verify-full", config->sinks[0].redshift.sslmode, "sslmode of the warehouse");
    CHECK_STR("leat", config->sinks[0].s3.prefix, "s3.prefix");
    config_free(config);
    config_free(NULL);
}

static void text_comes_from_the_environment_where_it_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *yaml, *want;
    } rows[] = {
        {"a variable is replaced", "      host: ${LEAT_TEST_SET}", "hunter2"},
        {"inside quotes too", "      host: \"${LEAT_TEST_SET}\"", "hunter2"},
        {"in the middle, and twice", "      host: a-${LEAT_TEST_SET}.${LEAT_TEST_SET}-z", "a-hunter2.hunter2-z"},
        {"$${ is a literal ${", "      host: a$${LEAT_TEST_SET}", "a${LEAT_TEST_SET}"},
        {"a lone $ stays", "      host: a$b$", "a$b$"},
        {"what comes from the environment is not YAML", "      host: ${LEAT_TEST_YAML}", "x: [1, ${LEAT_TEST_SET}]"},
        {"a comment is not looked at", "      host: a # ${LEAT_TEST_ABSENT}", "a"},
    };
    setenv("LEAT_TEST_SET", "hunter2", 1);
    setenv("LEAT_TEST_YAML", "x: [1, ${LEAT_TEST_SET}]", 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config *config;
        struct err err;
        ASSERT_OK(parse_with(10, rows[i].yaml, &config, &err), &err);
        CHECK_STR(rows[i].want, config->sources[0].postgresql.host, rows[i].behaviour);
        config_free(config);
    }
}

static void an_empty_text_is_an_absent_one_where_it_may_be(void **state)
{
    (void)state;
    struct config *config;
    struct err err;
    setenv("LEAT_TEST_EMPTY", "", 1);
    ASSERT_OK(parse_with(5, "  url: http://r\n  password: ${LEAT_TEST_EMPTY}\nhttp: {listen: \"\"}", &config, &err),
              &err);
    assert_null(config->registry.password);
    assert_null(config->http.listen);
    config_free(config);
}

static void values_are_read_and_written_in_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool duration;
        int64_t want; /* -1: refused */
        const char *back;
    } rows[] = {
        {"500ms", true, 500, "500ms"},
        {"15s", true, 15000, "15s"},
        {"10m", true, 600000, "10m"},
        {"2h", true, 7200000, "2h"},
        {"7d", true, 604800000, "7d"},
        {"60s", true, 60000, "1m"},
        {"1500ms", true, 1500, "1500ms"},
        {"0ms", true, 0, "0ms"},
        {"5", true, -1, ""},
        {"-5s", true, -1, ""},
        {"5 s", true, -1, ""},
        {"1.5h", true, -1, ""},
        {"", true, -1, ""},
        {"s", true, -1, ""},
        {"64KiB", false, 65536, "64KiB"},
        {"64MiB", false, 67108864, "64MiB"},
        {"1GiB", false, 1073741824, "1GiB"},
        {"1TiB", false, 1099511627776, "1TiB"},
        {"1024", false, 1024, "1KiB"},
        {"1000", false, 1000, "1000"},
        {"1kb", false, -1, ""},
        {"99999999999GiB", false, INT64_MAX, "9223372036854775807"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t got = -1;
        bool ok = rows[i].duration ? config_value_duration_ms(rows[i].text, &got)
                                   : config_value_bytes(rows[i].text, &got);
        CHECK_EQ(rows[i].want >= 0, ok, rows[i].text);
        CHECK_EQ(rows[i].want, got, rows[i].text);
        char back[32] = "";
        if (ok && rows[i].duration)
            config_value_format_duration(got, back);
        else if (ok)
            config_value_format_bytes(got, back);
        CHECK_STR(rows[i].back, back, rows[i].text);
    }
}

static void column_types_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want, precision, scale; /* want -1: refused */
    } rows[] = {
        {"string", CONFIG_COLUMN_STRING, 0, 0},
        {"int", CONFIG_COLUMN_INT, 0, 0},
        {"long", CONFIG_COLUMN_LONG, 0, 0},
        {"double", CONFIG_COLUMN_DOUBLE, 0, 0},
        {"bool", CONFIG_COLUMN_BOOL, 0, 0},
        {"timestamp", CONFIG_COLUMN_TIMESTAMP, 0, 0},
        {"json", CONFIG_COLUMN_JSON, 0, 0},
        {"objectid", CONFIG_COLUMN_OBJECTID, 0, 0},
        {"decimal(38,38)", CONFIG_COLUMN_DECIMAL, 38, 38},
        {"decimal( 12 , 2 )", CONFIG_COLUMN_DECIMAL, 12, 2},
        {"decimal(1,0)", CONFIG_COLUMN_DECIMAL, 1, 0},
        {"decimal(0,0)", -1, 0, 0},
        {"decimal(39,0)", -1, 0, 0},
        {"decimal(4,5)", -1, 0, 0},
        {"decimal(4)", -1, 0, 0},
        {"decimal(4,2) x", -1, 0, 0},
        {"decimal", -1, 0, 0},
        {"String", -1, 0, 0},
        {"", -1, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config_column column = {0};
        bool ok = config_value_column_type(rows[i].text, &column);
        CHECK_EQ(rows[i].want >= 0, ok, rows[i].text);
        CHECK_EQ(rows[i].precision, column.precision, rows[i].text);
        CHECK_EQ(rows[i].scale, column.scale, rows[i].text);
        if (ok)
            CHECK_EQ(rows[i].want, column.type, rows[i].text);
    }
}

static void every_row_is_documented_and_has_a_good_default(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct config_setting *row = &config_settings[i];
        if (row->help[0] == '\0')
            fail_msg("%s.%s has no help", config_section_path(row->section), row->key);
        int64_t value = 0;
        if (row->type == SETTING_INT)
            CHECK_EQ(true, config_value_int(row->fallback, &value), row->key);
        else if (row->type == SETTING_DURATION)
            CHECK_EQ(true, config_value_duration_ms(row->fallback, &value), row->key);
        else if (row->type == SETTING_BYTES)
            CHECK_EQ(true, config_value_bytes(row->fallback, &value), row->key);
        else
            continue;
        if (value < row->min || value > row->max)
            fail_msg("%s.%s: the default is out of range", config_section_path(row->section), row->key);
    }
}

static void a_slip_of_the_keyboard_is_near(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t want;
    } rows[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"brokers", "brokers", 0},
        {"brokrs", "brokers", 1},
        {"borkers", "brokers", 1},
        {"brokersx", "brokers", 1},
        {"abc", "xyz", 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CHECK_EQ(rows[i].want, config_suggest_distance(rows[i].a, rows[i].b), rows[i].a);
        CHECK_EQ(rows[i].want, config_suggest_distance(rows[i].b, rows[i].a), rows[i].a);
    }
    char long_word[200];
    memset(long_word, 'a', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    CHECK_EQ(199, config_suggest_distance(long_word, "a"), "a long word is near nothing");
}

static void sources_and_sinks_are_found_by_name(void **state)
{
    (void)state;
    struct config *config;
    struct err err;
    const struct config_source *source;
    const struct config_sink *sink;
    ASSERT_OK(parse_with(0, NULL, &config, &err), &err);
    ASSERT_OK(config_find_source(config, "docs", &source, &err), &err);
    CHECK_STR("docs", source->name, "by name");
    CHECK_EQ(RC_FATAL, config_find_source(config, "dosc", &source, &err), "an unknown source");
    CHECK_STR("the configuration has no source \"dosc\" (did you mean \"docs\"?)", err.msg, "an unknown source");
    ASSERT_OK(config_find_sink(config, NULL, &sink, &err), &err);
    CHECK_STR("warehouse", sink->name, "the only one");
    CHECK_EQ(RC_FATAL, config_find_sink(config, "x", &sink, &err), "an unknown sink");
    CHECK_EQ(EXIT_CODE_USAGE, err_exit_code(&err), "an unknown sink");
    config->n_sinks = 0;
    CHECK_EQ(RC_FATAL, config_find_sink(config, NULL, &sink, &err), "no sink");
    CHECK_STR("the configuration has no sink", err.msg, "no sink");
    config->n_sinks = 2;
    CHECK_EQ(RC_FATAL, config_find_sink(config, NULL, &sink, &err), "two sinks");
    CHECK_STR("the configuration has several sinks: say which one", err.msg, "two sinks");
    config_free(config);
}

static void the_example_for_the_bank_is_accepted(void **state)
{
    (void)state;
    setenv("KAFKA_BROKERS", "b-1:9092,b-2:9092", 1);
    setenv("REGISTRY_URL", "https://registry:8081", 1);
    setenv("MONGO_URI", "mongodb://u:p@h:27017/?replicaSet=rs0", 1);
    setenv("PG_HOST", "pg", 1);
    setenv("REDSHIFT_HOST", "rs", 1);
    setenv("REDSHIFT_COPY_ROLE", "default", 1);
    setenv("STAGING_BUCKET", "staging", 1);
    setenv("PG_PASSWORD", "a", 1);
    setenv("REDSHIFT_PASSWORD", "a", 1);
    struct config *config;
    struct err err;
    ASSERT_OK(config_load("../docs/examples/leat.yaml", &config, &err), &err);
    const struct config_collection *trades = &config->sources[1].documentdb.collections[0];
    CHECK_EQ(10, trades->n_columns, "columns of trades");
    CHECK_STR("time_date", trades->columns[9].column, "the last column");
    CHECK_STR("time.date", trades->columns[9].path, "the last path");
    CHECK_EQ(CONFIG_COLUMN_TIMESTAMP, trades->columns[9].type, "the last type");
    CHECK_EQ(true, trades->columns[9].required, "the last is required");
    CHECK_STR("public.transactions", config->sources[0].postgresql.tables.items[0], "the table");
    config_free(config);
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    struct config *config;
    struct err err;
    CHECK_EQ(RC_FATAL, config_load("/nonexistent/leat.yaml", &config, &err), "a missing file");
    CHECK_STR("could not open configuration file \"/nonexistent/leat.yaml\": No such file or directory", err.msg,
              "a missing file");
    CHECK_EQ(RC_FATAL, config_load("/tmp", &config, &err), "a folder");
    CHECK_STR("could not read configuration file \"/tmp\": Is a directory", err.msg, "a folder");
    CHECK_EQ(RC_FATAL, config_load("/dev/null", &config, &err), "an empty file");
    CHECK_STR("/dev/null:1:1: the file is empty", err.msg, "an empty file");
    CHECK_EQ(RC_FATAL, config_load("/dev/zero", &config, &err), "a file without end");
    CHECK_STR("configuration file \"/dev/zero\" is larger than 1 MiB", err.msg, "a file without end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_is_refused_in_one_clear_line),
        cmocka_unit_test(the_smallest_file_gets_every_default),
        cmocka_unit_test(text_comes_from_the_environment_where_it_is_asked_for),
        cmocka_unit_test(an_empty_text_is_an_absent_one_where_it_may_be),
        cmocka_unit_test(values_are_read_and_written_in_units),
        cmocka_unit_test(column_types_are_read),
        cmocka_unit_test(every_row_is_documented_and_has_a_good_default),
        cmocka_unit_test(a_slip_of_the_keyboard_is_near),
        cmocka_unit_test(sources_and_sinks_are_found_by_name),
        cmocka_unit_test(the_example_for_the_bank_is_accepted),
        cmocka_unit_test(a_file_that_cannot_be_read_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
