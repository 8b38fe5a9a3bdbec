#include "capture/pg/transfer.h"

#include "base/log.h"

enum { TYPES_ARENA_BYTES = 16 << 20 };

/* The first type that leat reads as text only; NULL: there is none. */
static const char *text_only_type(const struct source *source, const struct pg_type_facts *types, size_t n)
{
    const struct pg_type_modes modes = pg_type_modes_of(source->config);
    for (size_t i = 0; i < n; i++) {
        struct column column = {0};
        struct pg_encoder encoder = {0};
        pg_type_describe(&types[i].base, &modes, &column, &encoder);
        if (encoder.wire == PG_WIRE_NONE)
            return types[i].base.name == NULL ? "unknown" : types[i].base.name;
    }
    return NULL;
}

static void tell(const struct source *source, const char *text_type)
{
    if (source->binary)
        log_info("binary_transfer", LOG_STR("source", source->context.source->name));
    else
        log_info("text_transfer", LOG_STR("source", source->context.source->name), LOG_STR("type", text_type));
}

enum rc pg_transfer_choose(struct source *source, struct err *err)
{
    SCOPED(arena_free) struct arena *arena = arena_new(TYPES_ARENA_BYTES);
    const struct pg_type_facts *types;
    size_t n;
    source->binary = false;
    if (!source->config->binary_transfer || source->context.notes->binary_off ||
        pg_stream_protocol(PQserverVersion(source->conn)) < 2)
        return RC_OK;
    enum rc rc = pg_catalog_published_types(source->conn, source->state.publication, arena, &types, &n, err);
    if (rc != RC_OK && err->code == ERR_PG_TRANSIENT && PQstatus(source->conn) == CONNECTION_OK) {
        /* From 15 on the server opens the tables for this: somebody has one of them locked. */
        log_warn("text_transfer", LOG_STR("source", source->context.source->name), LOG_ERR(err));
        return RC_OK;
    }
    TRY(rc);
    const char *text_type = text_only_type(source, types, n);
    source->binary = text_type == NULL;
    tell(source, text_type);
    return RC_OK;
}

static enum rc give_up(struct source *source, struct err *err)
{
    source->context.notes->binary_off = true;
    return err_class(err->code);
}

enum rc pg_transfer_check(struct source *source, const struct pg_relation *relation, struct err *err)
{
    if (!source->binary || !relation->captured)
        return RC_OK;
    size_t i = pg_relation_text_column(relation);
    if (LIKELY(i == relation->shape.n_columns))
        return RC_OK;
    (void)err_set(err, ERR_PG_BINARY_TRANSFER, "column \"%s\" of table %s.%s has a type that is read as text only",
                  relation->shape.columns[i].name, relation->schema, relation->name);
    return give_up(source, err);
}

enum rc pg_transfer_failed(struct source *source, enum rc rc, struct err *err)
{
    if (!source->binary || err->code != ERR_PG_QUERY)
        return rc;
    struct err refused = *err;
    (void)err_set(err, ERR_PG_BINARY_TRANSFER, "with values in binary, %s", refused.msg);
    return give_up(source, err);
}
