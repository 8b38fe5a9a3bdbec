#include "capture/pg/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/reader.h"
#include "capture/pg/pgoutput.h"

enum {
    BLOCK_BYTES = 64 << 10,
    BUFFER_BYTES = 256 << 10, /* of one transaction, before it goes to the file */
    WINDOW_BYTES = 256 << 10, /* of one transaction, read at once */
    HEAD_BYTES = 16,
    TAIL_BYTES = 4,
    MESSAGE_MAX_BYTES = 1 << 30,
};

struct pg_spool_txn {
    uint32_t xid;
    uint64_t bytes;   /* all of it */
    uint64_t written; /* of them, in the file; the rest is in the spool's buffer */
    uint64_t prepare_lsn;
    uint32_t *blocks;
    size_t n_blocks, cap_blocks;
};

struct pg_spool {
    char *folder;
    int fd; /* -1: not made yet */
    uint64_t max_blocks, n_used;
    uint32_t n_in_file;
    uint32_t *free_blocks; /* in the file, nobody's */
    size_t n_free, cap_free;
    struct pg_spool_txn **txns;
    size_t n_txns, cap_txns;

    struct buf buffer; /* of `writing` */
    struct pg_spool_txn *writing;

    uint8_t *window; /* [window_at, window_at + window_len) of `reading` */
    size_t window_cap, window_len;
    uint64_t window_at, offset;
    struct pg_spool_txn *reading;
};

static void *grown(void *array, size_t *cap, size_t item_bytes)
{
    *cap = *cap == 0 ? 16 : *cap * 2;
    void *larger = realloc(array, *cap * item_bytes);
    if (larger == NULL)
        abort();
    return larger;
}

struct pg_spool *pg_spool_new(const char *folder, uint64_t max_bytes)
{
    struct pg_spool *spool = calloc(1, sizeof(*spool));
    char *copy = strdup(folder);
    if (spool == NULL || copy == NULL)
        abort();
    *spool = (struct pg_spool){.folder = copy,
                               .fd = -1,
                               .max_blocks = MIN(max_bytes / BLOCK_BYTES, (uint64_t)UINT32_MAX),
                               .buffer = buf_new(BUFFER_BYTES)};
    return spool;
}

void pg_spool_free(struct pg_spool *spool)
{
    if (spool == NULL)
        return;
    while (spool->n_txns > 0)
        pg_spool_drop(spool, spool->txns[spool->n_txns - 1]);
    if (spool->fd >= 0)
        close(spool->fd);
    buf_done(&spool->buffer);
    free(spool->window);
    free(spool->free_blocks);
    free(spool->txns);
    free(spool->folder);
    free(spool);
}

/* ---- transactions ---- */

struct pg_spool_txn *pg_spool_find(struct pg_spool *spool, uint32_t xid)
{
    for (size_t i = 0; i < spool->n_txns; i++)
        if (spool->txns[i]->xid == xid)
            return spool->txns[i];
    return NULL;
}

struct pg_spool_txn *pg_spool_add(struct pg_spool *spool, uint32_t xid)
{
    struct pg_spool_txn *older = pg_spool_find(spool, xid);
    if (older != NULL)
        pg_spool_drop(spool, older);
    struct pg_spool_txn *txn = calloc(1, sizeof(*txn));
    if (txn == NULL)
        abort();
    txn->xid = xid;
    if (spool->n_txns == spool->cap_txns)
        spool->txns = grown(spool->txns, &spool->cap_txns, sizeof(struct pg_spool_txn *));
    spool->txns[spool->n_txns++] = txn;
    return txn;
}

/* Blocks behind the transaction's end are nobody's any more. */
static void give_back_blocks(struct pg_spool *spool, struct pg_spool_txn *txn)
{
    size_t keep = (size_t)((txn->bytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
    while (txn->n_blocks > keep) {
        if (spool->n_free == spool->cap_free)
            spool->free_blocks = grown(spool->free_blocks, &spool->cap_free, sizeof(*spool->free_blocks));
        spool->free_blocks[spool->n_free++] = txn->blocks[--txn->n_blocks];
        spool->n_used--;
    }
    if (spool->n_used == 0 && spool->n_in_file > 0 && ftruncate(spool->fd, 0) == 0) {
        spool->n_in_file = 0;
        spool->n_free = 0;
    }
}

void pg_spool_drop(struct pg_spool *spool, struct pg_spool_txn *txn)
{
    size_t at = 0;
    while (spool->txns[at] != txn)
        at++;
    spool->txns[at] = spool->txns[--spool->n_txns];
    if (spool->writing == txn) {
        spool->writing = NULL;
        buf_clear(&spool->buffer);
    }
    if (spool->reading == txn) {
        spool->reading = NULL;
        free(spool->window); /* it may have grown with a large message */
        spool->window = NULL;
        spool->window_cap = 0;
    }
    txn->bytes = 0;
    give_back_blocks(spool, txn);
    free(txn->blocks);
    free(txn);
}

void pg_spool_set_prepared(struct pg_spool_txn *txn, uint64_t prepare_lsn)
{
    txn->prepare_lsn = prepare_lsn;
}

uint64_t pg_spool_oldest_prepared(const struct pg_spool *spool)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < spool->n_txns; i++)
        if (spool->txns[i]->prepare_lsn != 0)
            oldest = MIN(oldest, spool->txns[i]->prepare_lsn);
    return oldest;
}

size_t pg_spool_n_open(const struct pg_spool *spool)
{
    return spool->n_txns;
}

uint64_t pg_spool_bytes(const struct pg_spool *spool)
{
    return spool->n_used * BLOCK_BYTES;
}

/* ---- the file ---- */

static enum rc err_disk(struct err *err, const struct pg_spool *spool, int error, const char *what)
{
    bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return err_set(err, full ? ERR_PG_SPOOL_FULL : ERR_IO, "could not %s in %s: %s", what, spool->folder,
                   strerror(error));
}

static enum rc open_file(struct pg_spool *spool, struct err *err)
{
    int fd = open(spool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/leat-XXXXXX", spool->folder);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            unlink(path);
    }
    if (fd < 0)
        return err_disk(err, spool, errno, "make a spool file");
    spool->fd = fd;
    return RC_OK;
}

/* Blocks up to this many bytes of the transaction. */
static enum rc take_blocks(struct pg_spool *spool, struct pg_spool_txn *txn, uint64_t bytes, struct err *err)
{
    while (txn->n_blocks * (uint64_t)BLOCK_BYTES < bytes) {
        if (spool->n_used >= spool->max_blocks)
            return err_set(err, ERR_PG_SPOOL_FULL,
                           "%zu open transactions take more than the %llu bytes that the spool may have", spool->n_txns,
                           (unsigned long long)spool->max_blocks * BLOCK_BYTES);
        if (txn->n_blocks == txn->cap_blocks)
            txn->blocks = grown(txn->blocks, &txn->cap_blocks, sizeof(*txn->blocks));
        txn->blocks[txn->n_blocks++] = spool->n_free > 0 ? spool->free_blocks[--spool->n_free] : spool->n_in_file++;
        spool->n_used++;
    }
    return RC_OK;
}

/* Where the transaction's bytes from `at` on are in the file, and how many of them stand there in a row. */
static off_t place_of(const struct pg_spool_txn *txn, uint64_t at, size_t *ret_bytes)
{
    size_t block = (size_t)(at / BLOCK_BYTES), within = (size_t)(at % BLOCK_BYTES), last = block;
    while (last + 1 < txn->n_blocks && txn->blocks[last + 1] == txn->blocks[last] + 1 &&
           (last - block + 1) * BLOCK_BYTES < *ret_bytes + within)
        last++;
    *ret_bytes = MIN(*ret_bytes, (last - block + 1) * BLOCK_BYTES - within);
    return (off_t)txn->blocks[block] * BLOCK_BYTES + (off_t)within;
}

static enum rc write_out(struct pg_spool *spool, struct pg_spool_txn *txn, struct slice bytes, struct err *err)
{
    if (spool->fd < 0)
        TRY(open_file(spool, err));
    TRY(take_blocks(spool, txn, txn->written + bytes.len, err));
    while (bytes.len > 0) {
        size_t n = bytes.len;
        off_t at = place_of(txn, txn->written, &n);
        ssize_t done = pwrite(spool->fd, bytes.ptr, n, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return err_disk(err, spool, done == 0 ? EIO : errno, "spool a transaction");
        bytes.ptr += done;
        bytes.len -= (size_t)done;
        txn->written += (uint64_t)done;
    }
    return RC_OK;
}

static enum rc read_in(const struct pg_spool *spool, const struct pg_spool_txn *txn, uint64_t at, uint8_t *to,
                       size_t bytes, struct err *err)
{
    while (bytes > 0) {
        size_t n = bytes;
        off_t place = place_of(txn, at, &n);
        ssize_t done = pread(spool->fd, to, n, place);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return err_disk(err, spool, done == 0 ? EIO : errno, "read a spooled transaction");
        to += done;
        at += (uint64_t)done;
        bytes -= (size_t)done;
    }
    return RC_OK;
}

/* ---- writing ---- */

enum rc pg_spool_flush(struct pg_spool *spool, struct err *err)
{
    if (spool->writing != NULL)
        TRY(write_out(spool, spool->writing, buf_slice(&spool->buffer), err));
    spool->writing = NULL;
    buf_clear(&spool->buffer);
    return RC_OK;
}

/* Into the buffer, or past it when it is larger. */
static enum rc put(struct pg_spool *spool, struct slice bytes, struct err *err)
{
    struct pg_spool_txn *txn = spool->writing;
    if (UNLIKELY(spool->buffer.len + bytes.len > BUFFER_BYTES)) {
        TRY(write_out(spool, txn, buf_slice(&spool->buffer), err));
        buf_clear(&spool->buffer);
        if (bytes.len > BUFFER_BYTES) {
            txn->bytes += bytes.len;
            return write_out(spool, txn, bytes, err);
        }
    }
    buf_put_slice(&spool->buffer, bytes);
    txn->bytes += bytes.len;
    return RC_OK;
}

enum rc pg_spool_append(struct pg_spool *spool, struct pg_spool_txn *txn, uint32_t subxid, uint64_t lsn, uint8_t type,
                        struct slice body, struct err *err)
{
    uint8_t head_bytes[HEAD_BYTES + 1], tail_bytes[TAIL_BYTES];
    struct buf head = buf_over(head_bytes, sizeof(head_bytes)), tail = buf_over(tail_bytes, sizeof(tail_bytes));
    if (body.len >= MESSAGE_MAX_BYTES)
        return err_set(err, ERR_MEMORY_LIMIT, "a change of %zu bytes is not taken in", body.len);
    if (spool->writing != txn) {
        TRY(pg_spool_flush(spool, err));
        spool->writing = txn;
    }
    buf_put_u32(&head, (uint32_t)body.len + 1);
    buf_put_u64(&head, lsn);
    buf_put_u32(&head, subxid);
    buf_put_u8(&head, type);
    buf_put_u32(&tail, (uint32_t)body.len + 1);
    TRY(put(spool, buf_slice(&head), err));
    TRY(put(spool, body, err));
    return put(spool, buf_slice(&tail), err);
}

/* ---- reading ---- */

static enum rc corrupt(struct err *err)
{
    return err_set(err, ERR_IO, "the spool file does not hold what was written to it");
}

enum rc pg_spooled_decode(struct slice bytes, struct pg_spooled *ret, size_t *ret_bytes, struct err *err)
{
    struct reader r = reader_of(bytes);
    *ret_bytes = HEAD_BYTES;
    if (bytes.len < HEAD_BYTES)
        return RC_AGAIN;
    size_t len = reader_u32(&r);
    struct pg_spooled spooled = {.lsn = reader_u64(&r), .xid = reader_u32(&r)};
    if (len == 0 || len > MESSAGE_MAX_BYTES)
        return corrupt(err);
    *ret_bytes = HEAD_BYTES + len + TAIL_BYTES;
    if (bytes.len < *ret_bytes)
        return RC_AGAIN;
    spooled.message = reader_bytes(&r, len);
    if (reader_u32(&r) != len)
        return corrupt(err);
    *ret = spooled;
    return RC_OK;
}

static enum rc window_reserve(struct pg_spool *spool, size_t bytes, struct err *err)
{
    size_t cap = MAX(bytes, (size_t)WINDOW_BYTES);
    if (spool->window_cap >= cap)
        return RC_OK;
    uint8_t *larger = realloc(spool->window, cap);
    if (larger == NULL)
        return err_set(err, ERR_NO_MEMORY, "could not take in a change of %zu bytes", bytes);
    spool->window = larger;
    spool->window_cap = cap;
    return RC_OK;
}

/* [from, from + bytes) of what is being read stands in the window, and as much behind it as there is room for. */
static enum rc window_at(struct pg_spool *spool, uint64_t from, size_t bytes, struct err *err)
{
    struct pg_spool_txn *txn = spool->reading;
    if (LIKELY(from >= spool->window_at && from + bytes <= spool->window_at + spool->window_len))
        return RC_OK;
    if (from + bytes > txn->written)
        return corrupt(err);
    TRY(window_reserve(spool, bytes, err));
    spool->window_len = 0;
    size_t n = (size_t)MIN((uint64_t)spool->window_cap, txn->written - from);
    TRY(read_in(spool, txn, from, spool->window, n, err));
    spool->window_at = from;
    spool->window_len = n;
    return RC_OK;
}

void pg_spool_rewind(struct pg_spool *spool, struct pg_spool_txn *txn)
{
    spool->reading = txn;
    spool->offset = 0;
    spool->window_at = 0;
    spool->window_len = 0;
}

static struct slice window_from(const struct pg_spool *spool, uint64_t offset)
{
    size_t skipped = (size_t)(offset - spool->window_at);
    return slice_of(spool->window + skipped, spool->window_len - skipped);
}

enum rc pg_spool_next(struct pg_spool *spool, struct slice *ret_message, uint64_t *ret_lsn, struct err *err)
{
    struct pg_spooled spooled;
    size_t bytes = HEAD_BYTES;
    enum rc rc;
    if (spool->offset == spool->reading->written)
        return RC_AGAIN;
    do {
        TRY(window_at(spool, spool->offset, bytes, err));
        rc = pg_spooled_decode(window_from(spool, spool->offset), &spooled, &bytes, err);
    } while (rc == RC_AGAIN);
    if (rc != RC_OK)
        return rc;
    spool->offset += bytes;
    *ret_message = spooled.message;
    *ret_lsn = spooled.lsn;
    return RC_OK;
}

/* ---- taking subtransactions off ---- */

/* xids wrap around; two that are alive at once are less than half the circle apart. */
static bool xid_precedes(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* The window ends at `end` and holds at least `bytes` before it. */
static enum rc window_before(struct pg_spool *spool, uint64_t end, size_t bytes, struct err *err)
{
    if (bytes > end)
        return corrupt(err);
    uint64_t from = end - bytes;
    if (from >= spool->window_at && end <= spool->window_at + spool->window_len)
        return RC_OK;
    size_t wanted = (size_t)MIN(end, (uint64_t)MAX(bytes, (size_t)WINDOW_BYTES));
    return window_at(spool, end - wanted, wanted, err);
}

struct spooled_head {
    uint64_t start, lsn;
    uint32_t xid; /* of its subtransaction; 0: not known, or of none */
    uint8_t type;
};

/* Of the message that ends at `end`. */
static enum rc head_before(struct pg_spool *spool, uint64_t end, struct spooled_head *ret_head, struct err *err)
{
    TRY(window_before(spool, end, TAIL_BYTES, err));
    struct reader tail = reader_of(window_from(spool, end - TAIL_BYTES));
    uint64_t bytes = HEAD_BYTES + (uint64_t)reader_u32(&tail) + TAIL_BYTES;
    if (bytes > end)
        return corrupt(err);
    TRY(window_at(spool, end - bytes, HEAD_BYTES + 1, err));
    struct reader head = reader_of(window_from(spool, end - bytes));
    reader_u32(&head);
    ret_head->lsn = reader_u64(&head);
    ret_head->xid = reader_u32(&head);
    ret_head->type = reader_u8(&head);
    ret_head->start = end - bytes;
    return RC_OK;
}

/* A logical message comes without its subtransaction, and its LSN is the end of its record, which the row behind it has
 * as LSN, too. The server sorts by LSN what the subtransactions of a transaction did: such a row may come before the
 * message that was written before it. */
enum rc pg_spool_cut(struct pg_spool *spool, struct pg_spool_txn *txn, uint32_t subxid, struct err *err)
{
    TRY(pg_spool_flush(spool, err));
    pg_spool_rewind(spool, txn);
    uint64_t end = txn->written, at = end, cut_lsn = 0, message_lsn = UINT64_MAX;
    bool unclear = false;
    while (at > 0) {
        struct spooled_head head = {0};
        TRY(head_before(spool, at, &head, err));
        at = head.start;
        if (head.type == PGOUTPUT_MESSAGE)
            message_lsn = head.lsn; /* of the first one so far: they come in the order of their LSNs */
        if (head.xid == 0) {        /* goes when something before it goes */
            unclear = unclear || head.type == PGOUTPUT_MESSAGE;
            continue;
        }
        if (xid_precedes(head.xid, subxid))
            break;
        end = at;
        cut_lsn = head.lsn;
        unclear = message_lsn <= cut_lsn;
    }
    if (unclear)
        return err_set(err, ERR_PG_MESSAGE_UNCLEAR,
                       "a savepoint was rolled back in streamed transaction %u, and a logical message before it may be "
                       "part of it",
                       txn->xid);
    txn->bytes = txn->written = end;
    spool->window_len = 0;
    give_back_blocks(spool, txn);
    return RC_OK;
}
