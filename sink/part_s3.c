#include "sink/part.h"

static enum rc s3_open(void *context, const char *key, struct err *err)
{
    struct part_s3 *self = context;
    return s3_writer_open(self->s3, key, &self->writer, err);
}

static enum rc s3_object_put(void *context, struct slice bytes, struct err *err)
{
    struct part_s3 *self = context;
    return s3_writer_put(self->writer, bytes, err);
}

static void s3_abort(void *context)
{
    struct part_s3 *self = context;
    s3_writer_free(self->writer);
    self->writer = NULL;
}

static enum rc s3_finish(void *context, uint64_t *ret_bytes, struct err *err)
{
    struct part_s3 *self = context;
    TRY(s3_writer_finish(self->writer, ret_bytes, err));
    s3_abort(self);
    return RC_OK;
}

struct part_store part_store_s3(struct part_s3 *part_s3)
{
    return (struct part_store){part_s3, s3_open, s3_object_put, s3_finish, s3_abort};
}
