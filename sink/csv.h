/* One value of an event as the CSV field that COPY reads (docs/types.md has the forms).
 *
 * Text is always quoted, so that '' stays ''. NULL is written as one CSV_NULL byte, which no field can hold,
 * because the text that stands for NULL is known only when all values are: csv_put_nulls puts it in. Values
 * that the warehouse cannot hold are refused with the column's name and never the value. */
#ifndef LEAT_SINK_CSV_H
#define LEAT_SINK_CSV_H

#include "base/buf.h"
#include "base/err.h"
#include "proto/event.h"
#include "sink/redshift/target.h"

enum {
    CSV_NULL = 0x00,
    CSV_ROW_MAX_BYTES = 4 << 20, /* of one row for COPY */
    CSV_MARKER_BYTES = 16,
};

struct csv_column {
    const struct target_column *target;
    enum column_type source; /* how this event carries it; COLUMN_NESTED for all that has parts */
    bool blank_padded;       /* CHAR(n) at the source: blanks at the end mean nothing there either */
    int bits;                /* COLUMN_BITS: how many this event's column has */
};

struct csv_column csv_column_of(const struct target_column *target, const struct column *source);

/* What was seen of all text values of a batch. */
struct csv_seen {
    uint64_t markers;  /* bit i: a value equals the i-th candidate */
    int64_t max_bytes; /* longest text */
};

/* RC_REJECT: ERR_VALUE_TOO_LONG, ERR_VALUE_UNLOADABLE. A failed field may leave bytes behind: cut the buffer
 * back. */
MUST_CHECK enum rc csv_put(struct buf *out, const struct csv_column *column, const struct avro_value *value,
                           struct csv_seen *seen, struct err *err);

/* The text for NULL: "@NULL@", or the first of "@NULL1@" ... that no value equals. */
void csv_marker(const struct csv_seen *seen, char out[CSV_MARKER_BYTES]);
/* fields, with each CSV_NULL replaced by the marker. */
void csv_put_nulls(struct buf *out, struct slice fields, struct slice marker);
/* Cuts the first field off fields that csv_put wrote with commas between them. */
struct slice csv_next_field(struct slice *fields);

#endif
