#include "sink/part.h"

#include <stdio.h>
#include <stdlib.h>

#include <zstd.h>

/* Level 1: the warehouse is in the same region, so the processor costs more than the bytes. */
enum { ZSTD_LEVEL = 1 };

struct part_writer {
    struct part_store store;
    ZSTD_CCtx *zstd;
    uint8_t *out;
    size_t out_bytes;
    uint64_t bytes;
};

struct part_writer *part_writer_new(const struct part_store *store)
{
    struct part_writer *writer = calloc(1, sizeof(*writer));
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    uint8_t *out = malloc(ZSTD_CStreamOutSize());
    if (writer == NULL || zstd == NULL || out == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    *writer = (struct part_writer){.store = *store, .zstd = zstd, .out = out, .out_bytes = ZSTD_CStreamOutSize()};
    return writer;
}

void part_writer_free(struct part_writer *writer)
{
    if (writer == NULL)
        return;
    writer->store.abort(writer->store.context);
    ZSTD_freeCCtx(writer->zstd);
    free(writer->out);
    free(writer);
}

uint64_t part_writer_bytes(const struct part_writer *writer)
{
    return writer->bytes;
}

static enum rc compress(struct part_writer *writer, struct slice lines, ZSTD_EndDirective directive, struct err *err)
{
    ZSTD_inBuffer in = {lines.ptr, lines.len, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {writer->out, writer->out_bytes, 0};
        left = ZSTD_compressStream2(writer->zstd, &out, &in, directive);
        if (ZSTD_isError(left))
            return err_set(err, ERR_BUG, "zstd could not compress: %s", ZSTD_getErrorName(left));
        if (out.pos > 0)
            TRY(writer->store.put(writer->store.context, slice_of(writer->out, out.pos), err));
    } while (directive == ZSTD_e_end ? left > 0 : in.pos < in.size);
    return RC_OK;
}

enum rc part_writer_begin(struct part_writer *writer, const char *key, struct err *err)
{
    ZSTD_CCtx_reset(writer->zstd, ZSTD_reset_session_only);
    writer->bytes = 0;
    return writer->store.open(writer->store.context, key, err);
}

enum rc part_writer_put(struct part_writer *writer, struct slice lines, struct err *err)
{
    writer->bytes += lines.len;
    return compress(writer, lines, ZSTD_e_continue, err);
}

enum rc part_writer_end(struct part_writer *writer, uint64_t *ret_object_bytes, struct err *err)
{
    TRY(compress(writer, (struct slice){0}, ZSTD_e_end, err));
    writer->bytes = 0;
    return writer->store.finish(writer->store.context, ret_object_bytes, err);
}
