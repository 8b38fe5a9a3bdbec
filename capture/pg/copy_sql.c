#include "capture/pg/copy_sql.h"

void pg_copy_sql_identifier(const char *name, struct buf *out)
{
    buf_put_u8(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, (uint8_t)*name);
    }
    buf_put_u8(out, '"');
}

/* A heap alone, without the tables that inherit from it: those are published by themselves. */
static void put_heap(const struct pg_copy_statement *statement, struct buf *out)
{
    buf_put_str(out, "only ");
    pg_copy_sql_identifier(statement->schema, out);
    buf_put_u8(out, '.');
    pg_copy_sql_identifier(statement->name, out);
}

/* The condition stands on lines of its own: it may end in a comment. */
static void put_condition(const char *condition, struct buf *out)
{
    if (condition != NULL)
        buf_printf(out, "\nand (%s\n)", condition);
}

static void put_blocks(const struct pg_copy_statement *statement, struct buf *out)
{
    if (statement->first_block > 0)
        buf_printf(out, " and ctid >= '(%u,0)'", statement->first_block);
    if (statement->end_block != UINT32_MAX)
        buf_printf(out, " and ctid < '(%u,0)'", statement->end_block);
}

void pg_copy_sql_chunk(const struct pg_copy_statement *statement, struct buf *out)
{
    uint32_t oid = statement->oid, file = statement->filenode;
    buf_put_str(out, "lock table ");
    put_heap(statement, out);
    buf_printf(out,
               " in access share mode;"
               " select relfilenode, pg_catalog.pg_relation_filenode(oid) from pg_catalog.pg_class where oid = %u;"
               " copy (select ",
               oid);
    for (uint16_t i = 0; i < statement->relation->n_columns; i++) {
        buf_put_str(out, i == 0 ? "" : ", ");
        pg_copy_sql_identifier(statement->relation->columns[i].name, out);
    }
    buf_put_str(out, " from ");
    put_heap(statement, out);
    buf_printf(out,
               " where (select relfilenode from pg_catalog.pg_class where oid = %u) = %u"
               " and pg_catalog.pg_relation_filenode(%u) = %u",
               oid, file, oid, file);
    put_blocks(statement, out);
    put_condition(statement->row_filter, out);
    put_condition(statement->where, out);
    buf_put_str(out, ") to stdout");
}
