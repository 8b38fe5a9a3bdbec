/* The SQL of copying: pure text. tests/unit/capture/pg_copy_sql_test.c holds each as the server receives it. */
#ifndef LEAT_CAPTURE_PG_COPY_SQL_H
#define LEAT_CAPTURE_PG_COPY_SQL_H

#include "base/buf.h"
#include "capture/pg/pgoutput.h"

struct pg_copy_statement {
    const char *schema, *name; /* of the heap */
    uint32_t oid, filenode;    /* rows come only while this is its file, for the snapshot and now */
    const struct pgoutput_relation *relation;
    const char *row_filter, *where;  /* SQL; NULL: none */
    uint32_t first_block, end_block; /* 0 and UINT32_MAX: all; UINT32_MAX as the end: to the heap's end */
};

/* lock; one row: the file as the snapshot sees it, the file now; copy. One message for all three. */
void pg_copy_sql_chunk(const struct pg_copy_statement *statement, struct buf *out);

/* "weird ""name""" */
void pg_copy_sql_identifier(const char *name, struct buf *out);

#endif
