#include "sink/redshift/missing.h"

enum {
    HEX_CHARS = 16,
    POS_CHARS = 2 * HEX_CHARS + 1,
    KEY_MAX_BYTES = 1 << 20,
    RECORD_MAX_BYTES = 64 << 20,
    FLUSH_MS = 5000,
};

void missing_row_init(struct missing_row *row)
{
    *row = (struct missing_row){
        .key = buf_new(KEY_MAX_BYTES), .record = buf_new(RECORD_MAX_BYTES), .brief = buf_new(KEY_MAX_BYTES)};
}

void missing_row_done(struct missing_row *row)
{
    buf_done(&row->key);
    buf_done(&row->record);
    buf_done(&row->brief);
}

/* ---- one row ---- */

static bool read_hex(const char *text, uint64_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    *ret = 0;
    for (int i = 0; i < HEX_CHARS; i++) {
        const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);
        if (digit == NULL)
            return false;
        *ret = *ret << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

static bool read_pos(const PGresult *res, int column, struct position *ret)
{
    const char *text = PQgetvalue(res, 0, column);
    return PQgetlength(res, 0, column) == POS_CHARS && text[HEX_CHARS] == '.' && read_hex(text, &ret->major) &&
           read_hex(text + HEX_CHARS + 1, &ret->minor);
}

static struct slice value_of(const PGresult *res, size_t column)
{
    return slice_of(PQgetvalue(res, 0, (int)column), (size_t)PQgetlength(res, 0, (int)column));
}

static void put_member(struct buf *out, const struct target *target, const PGresult *res, size_t column)
{
    buf_put_u8(out, out->len == 0 ? '{' : ',');
    buf_put_json_string(out, slice_of_str(target->columns[column].name));
    buf_put_u8(out, ':');
    if (PQgetisnull(res, 0, (int)column))
        buf_put_str(out, "null");
    else
        buf_put_json_string(out, value_of(res, column));
}

enum rc missing_row_read(struct missing_row *row, const PGresult *res, const struct target *target, struct err *err)
{
    int pos = (int)target->n_columns, keep = pos + 1;
    if (PQntuples(res) != 1 || PQnfields(res) != keep + 1 || !read_pos(res, pos, &row->pos) ||
        PQgetlength(res, 0, keep) != (int)target->n_columns)
        return err_set(err, ERR_MALFORMED, "redshift gave a staged row of \"%s\" back in another form", target->table);
    buf_clear(&row->key);
    buf_clear(&row->record);
    buf_clear(&row->brief);
    for (size_t i = 0; i < target->n_key_columns; i++) {
        if (i > 0)
            buf_put_u8(&row->key, ',');
        buf_put_slice(&row->key, value_of(res, target->key_columns[i]));
        put_member(&row->brief, target, res, target->key_columns[i]);
    }
    for (size_t i = 0; i < target->n_columns; i++)
        if (PQgetvalue(res, 0, keep)[i] == '0')
            put_member(&row->record, target, res, i);
    buf_put_u8(&row->record, '}');
    buf_put_u8(&row->brief, '}');
    return RC_OK;
}

/* ---- all of a table ---- */

struct missing {
    const struct load_table *table;
    struct rejects *rejects;
    struct missing_row row;
    struct err why;
    uint64_t rows;
};

static enum rc put(struct missing *self, struct err *err)
{
    const struct rejected_row rejected = {
        .source = self->table->source,
        .topic = self->table->topic,
        .pos = self->row.pos,
        .key = buf_slice(&self->row.key),
        .record = self->row.record.failed ? slice_of(NULL, 0) : buf_slice(&self->row.record),
        .brief = buf_slice(&self->row.brief),
        .why = &self->why,
    };
    enum rc rc = rejects_put_row(self->rejects, &rejected, err);
    if (rc != RC_RETRY)
        return rc;
    /* A queue full of rejects empties as long as Kafka answers. */
    TRY(rejects_flush(self->rejects, FLUSH_MS, err));
    return rejects_put_row(self->rejects, &rejected, err);
}

static enum rc reject_one(void *context, const PGresult *res, struct err *err)
{
    struct missing *self = context;
    TRY(missing_row_read(&self->row, res, self->table->target, err));
    TRY(put(self, err));
    self->rows++;
    return RC_OK;
}

enum rc missing_reject(struct session *session, struct buf *sql, const struct load_table *table,
                       struct rejects *rejects, uint64_t *ret_rows, struct err *err)
{
    struct missing self = {.table = table, .rejects = rejects};
    (void)err_set(&self.why, ERR_ROW_MISSING,
                  "table \"%s\": columns did not travel, and the row that has them is not in the warehouse",
                  table->target->table);
    missing_row_init(&self.row);
    enum rc rc = session_each(session, sql, "read incomplete rows of", table->target->table, reject_one, &self, err);
    missing_row_done(&self.row);
    if (rc == RC_OK)
        *ret_rows = self.rows;
    return rc;
}
