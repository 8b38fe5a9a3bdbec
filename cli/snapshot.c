/* leat snapshot: writes a request for the capture, which may be running or not. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "capture/pg/session.h"
#include "capture/requests.h"
#include "command.h"
#include "proto/topic.h"

enum { TABLES_ARENA_BYTES = 64 << 20, ID_BYTES = 8 };

/* What can be said of the words alone. */
static enum rc check_words(const struct cli_args *args, struct err *err)
{
    if (args->n_more == 0 && !args->all && !args->cancel)
        return err_set(err, ERR_USAGE, "snapshot needs TABLE..., --all or --cancel");
    if (args->n_more > 0 && args->all)
        return err_set(err, ERR_USAGE, "--all stands for every table: name none");
    if (args->where != NULL && args->cancel)
        return err_set(err, ERR_USAGE, "--where does not go with --cancel");
    if (args->where != NULL && args->n_more == 0)
        return err_set(err, ERR_USAGE, "--where needs TABLE...");
    if (args->where != NULL && args->where[strspn(args->where, " \t\r\n")] == '\0')
        return err_set(err, ERR_USAGE, "--where is empty");
    for (size_t i = 0; i < args->n_more; i++)
        if (strchr(args->more[i], '.') == NULL)
            return err_set(err, ERR_USAGE, "table \"%s\" has no schema: name it as schema.table", args->more[i]);
    return RC_OK;
}

/* ---- names ---- */

static bool is_captured(const struct pg_table *tables, size_t n, const char *name)
{
    char full[4 * PG_NAME_BYTES];
    for (size_t i = 0; i < n; i++) {
        snprintf(full, sizeof(full), "%s.%s", tables[i].schema, tables[i].name);
        if (strcmp(full, name) == 0)
            return true;
    }
    return false;
}

/* As the server has them now; *ret_known false: there is no publication yet, which the capture will make. */
static enum rc read_tables(const struct config *config, const struct config_source *source, struct arena *arena,
                           struct pg_table **ret_tables, size_t *ret_n, bool *ret_known, struct err *err)
{
    char name[PG_NAME_BYTES];
    SCOPED(PQfinish) PGconn *conn = NULL;
    const struct config_postgresql *pg = &source->postgresql;
    pg_application_name(name, config->prefix, source->name);
    TRY(pg_source_connect(pg, name, false, &conn, err));
    TRY(pg_publication_exists(conn, pg->publication, ret_known, err));
    if (!*ret_known)
        return RC_OK;
    return pg_catalog_tables(conn, pg, pg->publication, true, true, arena, ret_tables, ret_n, err);
}

static enum rc refuse_table(const char *name, const char *source, struct err *err)
{
    return err_set(err, ERR_USAGE, "table %s is not captured by source \"%s\"", name, source);
}

static bool is_configured(const struct config_postgresql *pg, const char *name)
{
    for (size_t i = 0; i < pg->tables.n; i++)
        if (strcmp(pg->tables.items[i], name) == 0)
            return true;
    return pg->tables.n == 0;
}

/* A server that does not answer checks nothing: the capture looks again when it takes the request. */
static enum rc check_tables(const struct cli_args *args, const struct config *config,
                            const struct config_source *source, struct err *err)
{
    struct pg_table *tables;
    size_t n;
    bool known;
    for (size_t i = 0; i < args->n_more; i++)
        if (!is_configured(&source->postgresql, args->more[i]))
            return refuse_table(args->more[i], source->name, err);
    if (args->n_more == 0)
        return RC_OK;
    SCOPED(arena_free) struct arena *arena = arena_new(TABLES_ARENA_BYTES);
    if (read_tables(config, source, arena, &tables, &n, &known, err) != RC_OK) {
        fprintf(stderr, "leat: the names were not checked: %s\n", err->msg);
        return RC_OK;
    }
    for (size_t i = 0; known && i < args->n_more; i++)
        if (!is_captured(tables, n, args->more[i]))
            return refuse_table(args->more[i], source->name, err);
    return RC_OK;
}

/* ---- the request ---- */

static void draw_id(char out[2 * ID_BYTES + 1])
{
    uint8_t bytes[ID_BYTES] = {0};
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) {
        int64_t now_us = clock_wall_us();
        memcpy(bytes, &now_us, sizeof(bytes));
    }
    for (size_t i = 0; i < ID_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void say_what(const struct request *request, const struct config *config, const struct config_source *source,
                     int64_t offset)
{
    char topic[TOPIC_NAME_BYTES];
    topic_of_requests(topic, config->prefix, source->name);
    printf("request %s: %s of ", request->id, request_kind_name(request->kind));
    if (request->all)
        printf("all tables");
    for (size_t i = 0; i < request->n_tables; i++)
        printf("%s%s", i == 0 ? "" : ", ", request->tables[i]);
    if (request->where != NULL)
        printf(", rows where %s", request->where);
    printf("\nwritten to topic %s at offset %" PRId64 "; the capture takes it within seconds, or at its next start\n"
           "leat status %s shows how it goes on\n",
           topic, offset, source->name);
}

static enum rc write_request(const struct cli_args *args, const struct config *config, struct err *err)
{
    const struct config_source *source;
    char id[2 * ID_BYTES + 1];
    int64_t offset;
    TRY(config_find_source(config, args->operand, &source, err));
    if (source->type != CONFIG_SOURCE_POSTGRESQL)
        return err_set(err, ERR_USAGE, "snapshot is for sources of type postgresql, %s is not one", source->name);
    TRY(check_tables(args, config, source, err));
    draw_id(id);
    const struct request request = {.kind = args->cancel ? REQUEST_CANCEL : REQUEST_SNAPSHOT,
                                    .id = id,
                                    .requested_us = clock_wall_us(),
                                    .all = args->n_more == 0,
                                    .tables = (const char *const *)args->more,
                                    .n_tables = args->n_more,
                                    .where = args->where};
    TRY(requests_write(config, source, &request, &offset, err));
    say_what(&request, config, source, offset);
    return RC_OK;
}

int command_snapshot(const struct cli_args *args)
{
    struct config *config;
    struct err err = {0};
    if (check_words(args, &err) != RC_OK) /* before the configuration: it is the nearer mistake */
        return cli_fail(&err);
    if (cli_begin_interactive(args, &err) != RC_OK || cli_load_config(args, &config, &err) != RC_OK)
        return cli_fail(&err);
    enum rc rc = write_request(args, config, &err);
    config_free(config);
    return rc == RC_OK ? EXIT_CODE_OK : cli_fail(&err);
}
