/* An append-only log of row images: in memory up to a budget, then in an unlinked file.
 *
 * The memory is one window: when it is full it is written to the file in one piece and used again, so the
 * file holds everything before the window. An image is known by its offset, which never changes. */
#ifndef LEAT_SINK_IMAGE_LOG_H
#define LEAT_SINK_IMAGE_LOG_H

#include "base/buf.h"
#include "base/err.h"
#include "proto/position.h"
#include "sink/key_index.h"

/* What stands before an image's bytes. */
struct image {
    uint32_t length;       /* of header and body */
    uint32_t fields_bytes; /* of the body: the CSV fields of the row; what follows them depends on the kind */
    uint8_t is_delete;
    uint8_t is_partial;
    uint8_t unused[6];
    struct position pos;
    struct key_hash key;
};

enum { IMAGE_MAX_BYTES = 24 << 20 };

struct image_log;

/* memory_bytes: size of the window (a single image may be larger). spill_dir: where the file is made when
 * needed. */
struct image_log *image_log_new(size_t memory_bytes, const char *spill_dir);
void image_log_free(struct image_log *log);
DEFINE_SCOPED(struct image_log *, image_log_free)

void image_log_clear(struct image_log *log);
uint64_t image_log_bytes(const struct image_log *log);
uint64_t image_log_spilled_bytes(const struct image_log *log);

/* Room for appends of `bytes` together, at most IMAGE_MAX_BYTES; may write to the file. After RC_OK those
 * appends cannot fail; on ERR_DISK_FULL (RC_RETRY) nothing changed. */
MUST_CHECK enum rc image_log_reserve(struct image_log *log, size_t bytes, struct err *err);
/* header.length is filled in. Returns the image's offset. */
uint64_t image_log_append(struct image_log *log, struct image header, struct slice body);

/* The image at an offset that append gave. The body points into the log, or into scratch, and lives until the
 * next call on either. */
MUST_CHECK enum rc image_log_read(struct image_log *log, uint64_t offset, struct buf *scratch, struct image *ret_image,
                                  struct slice *ret_body, struct err *err);

/* A walk over all images in the order they came; nothing may be appended meanwhile. */
struct image_cursor {
    struct image_log *log;
    struct buf chunk; /* of the file */
    uint64_t chunk_offset;
    uint64_t offset; /* of the next image */
};
struct image_cursor image_cursor_over(struct image_log *log);
void image_cursor_done(struct image_cursor *cursor);
static inline void scoped_image_cursor_done(struct image_cursor *cursor)
{
    image_cursor_done(cursor);
}
/* RC_AGAIN at the end. The body lives until the next call. */
MUST_CHECK enum rc image_cursor_next(struct image_cursor *cursor, uint64_t *ret_offset, struct image *ret_image,
                                     struct slice *ret_body, struct err *err);

#endif
