#include "sink/image_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20, PEEK_BYTES = 4096, KEEP_BYTES = 64 << 10 };

struct image_log {
    uint8_t *window; /* address space; pages are touched as they are used */
    size_t window_bytes;
    size_t budget;
    size_t used;      /* of the window */
    uint64_t spilled; /* offset of the window's first byte */
    int fd;           /* -1: nothing was spilled yet */
    char *spill_dir;
};

struct image_log *image_log_new(size_t memory_bytes, const char *spill_dir)
{
    struct image_log *log = calloc(1, sizeof(*log));
    size_t window_bytes = MAX(memory_bytes, (size_t)IMAGE_MAX_BYTES);
    void *window = mmap(NULL, window_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *dir = strdup(spill_dir);
    if (log == NULL || dir == NULL || window == MAP_FAILED) {
        fprintf(stderr, "could not reserve %zu bytes of address space\n", window_bytes);
        abort();
    }
    *log = (struct image_log){
        .window = window, .window_bytes = window_bytes, .budget = memory_bytes, .fd = -1, .spill_dir = dir};
    return log;
}

void image_log_free(struct image_log *log)
{
    if (log == NULL)
        return;
    if (log->fd >= 0)
        close(log->fd);
    munmap(log->window, log->window_bytes);
    free(log->spill_dir);
    free(log);
}

void image_log_clear(struct image_log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
    if (log->used > KEEP_BYTES || log->spilled > 0)
        madvise(log->window + KEEP_BYTES, log->window_bytes - KEEP_BYTES, MADV_DONTNEED);
    log->spilled = 0;
    log->used = 0;
}

uint64_t image_log_bytes(const struct image_log *log)
{
    return log->spilled + log->used;
}

uint64_t image_log_spilled_bytes(const struct image_log *log)
{
    return log->spilled;
}

static enum rc err_disk(struct err *err, const struct image_log *log, int error, const char *what)
{
    /* A limit on the size of files is as good as a full disk. */
    bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return err_set(err, full ? ERR_DISK_FULL : ERR_IO, "could not %s in %s: %s", what, log->spill_dir, strerror(error));
}

/* The file has no name: whatever ends the process, the disk gets its space back. */
static enum rc spill_open(struct image_log *log, struct err *err)
{
    int fd = open(log->spill_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/leat-XXXXXX", log->spill_dir);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            unlink(path);
    }
    if (fd < 0)
        return err_disk(err, log, errno, "make a spill file");
    log->fd = fd;
    return RC_OK;
}

/* A write that fails half way leaves bytes that nobody looks at; the next try writes over them. */
static enum rc spill(struct image_log *log, struct err *err)
{
    if (log->fd < 0)
        TRY(spill_open(log, err));
    size_t done = 0;
    while (done < log->used) {
        ssize_t n = pwrite(log->fd, log->window + done, log->used - done, (off_t)(log->spilled + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_disk(err, log, n == 0 ? EIO : errno, "spill row images");
        done += (size_t)n;
    }
    log->spilled += log->used;
    log->used = 0;
    return RC_OK;
}

enum rc image_log_reserve(struct image_log *log, size_t bytes, struct err *err)
{
    if (bytes > IMAGE_MAX_BYTES)
        return err_set(err, ERR_BUG, "row images of %zu bytes at once", bytes);
    if (log->used > 0 && log->used + bytes > log->budget)
        return spill(log, err);
    return RC_OK;
}

uint64_t image_log_append(struct image_log *log, struct image header, struct slice body)
{
    header.length = (uint32_t)(sizeof(header) + body.len);
    assert(log->used + header.length <= log->window_bytes);
    uint64_t offset = log->spilled + log->used;
    memcpy(log->window + log->used, &header, sizeof(header));
    if (body.len > 0)
        memcpy(log->window + log->used + sizeof(header), body.ptr, body.len);
    log->used += header.length;
    return offset;
}

static enum rc spill_read(struct image_log *log, uint8_t *to, size_t bytes, uint64_t offset, struct err *err)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = pread(log->fd, to + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_disk(err, log, n == 0 ? EIO : errno, "read spilled row images");
        done += (size_t)n;
    }
    return RC_OK;
}

static void image_at(const uint8_t *at, struct image *ret_image, struct slice *ret_body)
{
    memcpy(ret_image, at, sizeof(*ret_image));
    *ret_body = slice_of(at + sizeof(*ret_image), ret_image->length - sizeof(*ret_image));
}

enum rc image_log_read(struct image_log *log, uint64_t offset, struct buf *scratch, struct image *ret_image,
                       struct slice *ret_body, struct err *err)
{
    if (offset >= log->spilled) {
        image_at(log->window + (offset - log->spilled), ret_image, ret_body);
        return RC_OK;
    }
    buf_clear(scratch);
    size_t got = (size_t)MIN(log->spilled - offset, (uint64_t)PEEK_BYTES);
    uint8_t *at = buf_reserve(scratch, got);
    if (at == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not hold a spilled row image");
    TRY(spill_read(log, at, got, offset, err));
    struct image header;
    memcpy(&header, at, sizeof(header));
    if (header.length > got) {
        at = buf_reserve(scratch, header.length);
        if (at == NULL)
            return err_set(err, ERR_NO_MEMORY, "could not hold a spilled row image of %u bytes", header.length);
        TRY(spill_read(log, at, header.length, offset, err));
    }
    image_at(at, ret_image, ret_body);
    return RC_OK;
}

struct image_cursor image_cursor_over(struct image_log *log)
{
    return (struct image_cursor){.log = log, .chunk = buf_new(IMAGE_MAX_BYTES + (size_t)READ_BYTES)};
}

void image_cursor_done(struct image_cursor *cursor)
{
    buf_done(&cursor->chunk);
}

/* At least `bytes` of the file from the cursor on stand in the chunk. */
static enum rc cursor_fill(struct image_cursor *cursor, size_t bytes, struct err *err)
{
    uint64_t skipped = cursor->offset - cursor->chunk_offset;
    if (cursor->chunk.len >= skipped + bytes)
        return RC_OK;
    size_t kept = cursor->chunk.len > skipped ? cursor->chunk.len - (size_t)skipped : 0;
    if (kept > 0)
        memmove(cursor->chunk.ptr, cursor->chunk.ptr + skipped, kept);
    cursor->chunk.len = kept;
    cursor->chunk_offset = cursor->offset;
    uint64_t from = cursor->offset + kept;
    size_t more = (size_t)MIN(cursor->log->spilled - from, (uint64_t)MAX(bytes, (size_t)READ_BYTES));
    uint8_t *at = buf_reserve(&cursor->chunk, more);
    if (at == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not hold %zu bytes of spilled row images", kept + more);
    TRY(spill_read(cursor->log, at, more, from, err));
    cursor->chunk.len += more;
    return RC_OK;
}

enum rc image_cursor_next(struct image_cursor *cursor, uint64_t *ret_offset, struct image *ret_image,
                          struct slice *ret_body, struct err *err)
{
    struct image_log *log = cursor->log;
    if (cursor->offset == log->spilled + log->used)
        return RC_AGAIN;
    const uint8_t *at;
    if (cursor->offset >= log->spilled) {
        at = log->window + (cursor->offset - log->spilled);
    } else {
        uint32_t length;
        TRY(cursor_fill(cursor, sizeof(struct image), err));
        memcpy(&length, cursor->chunk.ptr + (cursor->offset - cursor->chunk_offset), sizeof(length));
        TRY(cursor_fill(cursor, length, err));
        at = cursor->chunk.ptr + (cursor->offset - cursor->chunk_offset);
    }
    image_at(at, ret_image, ret_body);
    *ret_offset = cursor->offset;
    cursor->offset += ret_image->length;
    return RC_OK;
}
