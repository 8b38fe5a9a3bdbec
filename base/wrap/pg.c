#include "base/wrap/pg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"

/* One row a kind of failure: the code for a source, the code for a warehouse. */
enum pg_failure { PG_FAIL_UNREACHABLE, PG_FAIL_TRANSIENT, PG_FAIL_AUTH, PG_FAIL_PERMISSION, PG_FAIL_QUERY };

static const enum err_code failure_codes[][2] = {
    [PG_FAIL_UNREACHABLE] = {ERR_PG_UNREACHABLE, ERR_REDSHIFT_UNREACHABLE},
    [PG_FAIL_TRANSIENT] = {ERR_PG_TRANSIENT, ERR_REDSHIFT_TRANSIENT},
    [PG_FAIL_AUTH] = {ERR_PG_AUTH, ERR_REDSHIFT_AUTH},
    [PG_FAIL_PERMISSION] = {ERR_PG_PERMISSION, ERR_REDSHIFT_PERMISSION},
    [PG_FAIL_QUERY] = {ERR_PG_QUERY, ERR_REDSHIFT_QUERY},
};

/* SQLSTATE prefixes: Appendix A of PostgreSQL's manual; the warehouse uses the same ones. */
static const struct {
    const char *prefix;
    enum pg_failure failure;
} sqlstates[] = {
    {"08", PG_FAIL_UNREACHABLE},   {"57P", PG_FAIL_UNREACHABLE}, {"53", PG_FAIL_TRANSIENT},
    {"40", PG_FAIL_TRANSIENT},     {"55P03", PG_FAIL_TRANSIENT}, {"55006", PG_FAIL_TRANSIENT},
    {"57014", PG_FAIL_TRANSIENT},  {"28", PG_FAIL_AUTH},         {"3D000", PG_FAIL_AUTH},
    {"42501", PG_FAIL_PERMISSION},
};

/* The warehouse says XX000 for many things; only the text tells them apart (docs/redshift.md). Some messages are nothing
 * but a number: those have to be the whole of it, or a table's name could look like one. */
static const char *const internal_numbers[] = {"1023", "1018", "1016"};

static const struct {
    const char *text;
    enum pg_failure failure;
} internal_errors[] = {
    {"Serializable isolation violation", PG_FAIL_TRANSIENT},
    {"Out of Memory", PG_FAIL_TRANSIENT},
    {"Disk Full", PG_FAIL_TRANSIENT},
    {"Status 503", PG_FAIL_TRANSIENT},
    {"Status 500", PG_FAIL_TRANSIENT},
    {"SlowDown", PG_FAIL_TRANSIENT},
    {"Spectrum Scan Error", PG_FAIL_TRANSIENT},
    {"S3 request timed out", PG_FAIL_TRANSIENT},
};

/* libpq gives no SQLSTATE when connecting fails. */
static const struct {
    const char *text;
    enum pg_failure failure;
} connect_errors[] = {
    {"password authentication failed", PG_FAIL_AUTH},
    {"no password supplied", PG_FAIL_AUTH},
    {"no pg_hba.conf entry", PG_FAIL_AUTH},
    {"authentication", PG_FAIL_AUTH},
    {"does not exist", PG_FAIL_AUTH},
    {"certificate", PG_FAIL_AUTH},
    {"private key", PG_FAIL_AUTH},
    {"does not support SSL", PG_FAIL_AUTH},
    {"permission denied", PG_FAIL_PERMISSION},
    {"must be superuser or replication role", PG_FAIL_PERMISSION},
};

static enum pg_failure failure_of_internal_error(const char *message)
{
    size_t len = strlen(message);
    while (len > 0 && (message[len - 1] == ' ' || message[len - 1] == '\n'))
        len--;
    for (size_t i = 0; i < ARRAY_LEN(internal_numbers); i++)
        if (slice_eq_str(slice_of(message, len), internal_numbers[i]))
            return PG_FAIL_TRANSIENT;
    for (size_t i = 0; i < ARRAY_LEN(internal_errors); i++)
        if (strstr(message, internal_errors[i].text) != NULL)
            return internal_errors[i].failure;
    return PG_FAIL_QUERY;
}

static enum pg_failure failure_of_state(enum pg_role role, const char *sqlstate, const char *message)
{
    for (size_t i = 0; i < ARRAY_LEN(sqlstates); i++)
        if (strncmp(sqlstate, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) == 0)
            return sqlstates[i].failure;
    if (role == PG_ROLE_WAREHOUSE && strcmp(sqlstate, "XX000") == 0 && message != NULL)
        return failure_of_internal_error(message);
    return PG_FAIL_QUERY;
}

static enum pg_failure failure_of_result(enum pg_role role, const PGresult *res)
{
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    if (sqlstate == NULL)
        return PG_FAIL_QUERY;
    return failure_of_state(role, sqlstate, PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
}

static void first_line(const char *text, char *out, size_t size)
{
    while (*text == '\n' || *text == ' ')
        text++;
    size_t len = strcspn(text, "\n");
    snprintf(out, size, "%.*s", (int)len, text);
}

/* A refused connection is told over several lines, one or more an address: those of the last address, as one. */
static void last_attempt(const char *text, char *out, size_t size)
{
    size_t len = 0;
    for (const char *at = text; (at = strstr(at, "connection to server")) != NULL; at++)
        text = at;
    for (; *text != '\0' && len + 1 < size; text++) {
        bool is_blank = strchr(" \t\n", *text) != NULL;
        if (!is_blank)
            out[len++] = *text;
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
}

enum rc err_pg(struct err *err, enum pg_role role, PGconn *conn, const PGresult *res, const char *format, ...)
{
    char what[256], reason[448] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);

    bool has_result = res != NULL && PQresultErrorField(res, PG_DIAG_SQLSTATE) != NULL;
    enum pg_failure failure = has_result ? failure_of_result(role, res) : PG_FAIL_QUERY;
    if (has_result) {
        const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
        first_line(message == NULL ? "" : message, reason, sizeof(reason));
        size_t len = strlen(reason);
        snprintf(reason + len, sizeof(reason) - len, " (SQLSTATE %s)", PQresultErrorField(res, PG_DIAG_SQLSTATE));
    } else if (conn == NULL || PQstatus(conn) == CONNECTION_BAD) {
        failure = PG_FAIL_UNREACHABLE;
        first_line(conn == NULL ? "not connected" : PQerrorMessage(conn), reason, sizeof(reason));
    } else {
        first_line(res != NULL ? PQresultErrorMessage(res) : PQerrorMessage(conn), reason, sizeof(reason));
    }
    return err_set(err, failure_codes[failure][role], "%s: %s", what, reason[0] == '\0' ? "no reason given" : reason);
}

enum rc err_pg_state(struct err *err, enum pg_role role, const char *sqlstate, const char *message, const char *what)
{
    char reason[448];
    first_line(message, reason, sizeof(reason));
    return err_set(err, failure_codes[failure_of_state(role, sqlstate, message)][role], "%s: %s (SQLSTATE %s)", what,
                   reason, sqlstate);
}

static enum rc err_connect(struct err *err, const struct pg_target *target, PGconn *conn)
{
    const char *text = conn == NULL ? "out of memory" : PQerrorMessage(conn);
    enum pg_failure failure = PG_FAIL_UNREACHABLE;
    for (size_t i = 0; i < ARRAY_LEN(connect_errors) && failure == PG_FAIL_UNREACHABLE; i++)
        if (strstr(text, connect_errors[i].text) != NULL)
            failure = connect_errors[i].failure;
    char reason[448];
    last_attempt(text, reason, sizeof(reason));
    return err_set(err, failure_codes[failure][target->role],
                   "could not connect to %s %s:%s, database \"%s\", as \"%s\": %s",
                   target->role == PG_ROLE_SOURCE ? "postgresql" : "redshift", target->host, target->port,
                   target->database, target->user, reason);
}

/* libpq would print them to stderr, between the log's lines. */
static void ignore_notice(void *unused, const char *message)
{
    (void)unused;
    (void)message;
}

enum rc pg_connect(const struct pg_target *target, PGconn **ret_conn, struct err *err)
{
    char timeout[16];
    snprintf(timeout, sizeof(timeout), "%d", target->connect_timeout_s == 0 ? 10 : target->connect_timeout_s);
    const struct {
        const char *keyword, *value;
    } given[] = {
        {"host", target->host},
        {"port", target->port},
        {"dbname", target->database},
        {"user", target->user},
        {"password", target->password},
        {"sslmode", target->sslmode},
        {"sslrootcert", target->sslrootcert},
        {"sslcert", target->sslcert},
        {"sslkey", target->sslkey},
        {"application_name", target->application_name},
        {"options", target->options},
        {"replication", target->replication ? "database" : NULL},
        {"connect_timeout", timeout},
        {"client_encoding", "UTF8"},
        {"keepalives", "1"},
        {"keepalives_idle", "60"},
        {"keepalives_interval", "10"},
        {"keepalives_count", "6"},
        {"tcp_user_timeout", "60000"},
    };
    const char *keywords[ARRAY_LEN(given) + 1], *values[ARRAY_LEN(given) + 1];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        if (given[i].value == NULL)
            continue;
        keywords[n] = given[i].keyword;
        values[n++] = given[i].value;
    }
    keywords[n] = values[n] = NULL;
    PGconn *conn = PQconnectdbParams(keywords, values, 0);
    PQsetNoticeProcessor(conn, ignore_notice, NULL);
    if (conn == NULL || PQstatus(conn) != CONNECTION_OK) {
        enum rc rc = err_connect(err, target, conn);
        PQfinish(conn);
        return rc;
    }
    *ret_conn = conn;
    return RC_OK;
}
