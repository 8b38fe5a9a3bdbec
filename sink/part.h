/* One staged object: CSV lines, compressed as they come, handed to a store as they are compressed. */
#ifndef LEAT_SINK_PART_H
#define LEAT_SINK_PART_H

#include "base/buf.h"
#include "base/err.h"
#include "sink/s3/put.h"

/* Where objects go: S3, or a test's memory. One object is open at a time. */
struct part_store {
    void *context;
    enum rc (*open)(void *context, const char *key, struct err *err);
    enum rc (*put)(void *context, struct slice bytes, struct err *err);
    enum rc (*finish)(void *context, uint64_t *ret_bytes, struct err *err);
    void (*abort)(void *context); /* of what is open, if anything is */
};

/* S3 as a store. */
struct part_s3 {
    struct s3 *s3;
    struct s3_writer *writer;
};
struct part_store part_store_s3(struct part_s3 *part_s3);

struct part_writer;

struct part_writer *part_writer_new(const struct part_store *store);
void part_writer_free(struct part_writer *writer); /* aborts what is open */
DEFINE_SCOPED(struct part_writer *, part_writer_free)

/* part_writer_begin, put the lines, part_writer_end. After a failure the writer is only good for
 * part_writer_free. */
MUST_CHECK enum rc part_writer_begin(struct part_writer *writer, const char *key, struct err *err);
MUST_CHECK enum rc part_writer_put(struct part_writer *writer, struct slice lines, struct err *err);
MUST_CHECK enum rc part_writer_end(struct part_writer *writer, uint64_t *ret_object_bytes, struct err *err);
/* Uncompressed bytes of the open part; 0 when none is. */
uint64_t part_writer_bytes(const struct part_writer *writer);

#endif
