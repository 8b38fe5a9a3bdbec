#include "sink/redshift/progress.h"

#include <stdlib.h>

int progress_row(const PGresult *rows, const char *source)
{
    for (int row = 0; row < PQntuples(rows); row++)
        if (strcmp(PQgetvalue(rows, row, PROGRESS_SOURCE), source) == 0)
            return row;
    return -1;
}

struct progress progress_of(const PGresult *rows, const char *source)
{
    int row = progress_row(rows, source);
    if (row < 0)
        return (struct progress){.source = source, .ledger_next = -1};
    return (struct progress){
        .source = source,
        .ledger_next = strtoll(PQgetvalue(rows, row, PROGRESS_NEXT), NULL, 10),
        .high = {strtoull(PQgetvalue(rows, row, PROGRESS_HIGH_MAJOR), NULL, 10),
                 strtoull(PQgetvalue(rows, row, PROGRESS_HIGH_MINOR), NULL, 10)},
    };
}

static enum rc err_progress(struct err *err, const struct load_source *source, int64_t found)
{
    return err_set(
        err, ERR_SINK_FENCED,
        "the progress of source \"%s\" was moved to ledger offset %lld, this batch begins at %lld: restart the sink "
        "to go on from there",
        source->source, (long long)found, (long long)source->ledger_from);
}

enum rc progress_check(const PGresult *rows, const struct load *load, const char *sink, const char *writer,
                       bool *ret_is_in, struct err *err)
{
    bool moves = false, arrived = true;
    for (size_t i = 0; i < load->n_sources; i++) {
        const struct load_source *source = &load->sources[i];
        moves = moves || source->ledger_next != source->ledger_from;
        arrived = arrived && progress_of(rows, source->source).ledger_next == source->ledger_next;
    }
    *ret_is_in = moves && arrived;
    if (*ret_is_in)
        return RC_OK;
    for (size_t i = 0; i < load->n_sources; i++) {
        const struct load_source *source = &load->sources[i];
        int row = progress_row(rows, source->source);
        if (row < 0)
            return err_set(err, ERR_SINK_FENCED,
                           "the progress of source \"%s\" is no longer in the progress table of sink \"%s\"",
                           source->source, sink);
        const char *owner = PQgetvalue(rows, row, PROGRESS_WRITER);
        if (strcmp(owner, writer) != 0)
            return err_set(err, ERR_SINK_FENCED, "sink \"%s\" of worker %s was taken over by %s at %s UTC", sink,
                           writer, owner[0] == '\0' ? "leat offsets reset" : owner,
                           PQgetvalue(rows, row, PROGRESS_UPDATED));
        int64_t found = progress_of(rows, source->source).ledger_next;
        if (found != source->ledger_from)
            return err_progress(err, source, found);
    }
    return RC_OK;
}
