/* Headers that leat adds to an event; a reader of Debezium's topics can do without them. */
#ifndef LEAT_PROTO_HEADERS_H
#define LEAT_PROTO_HEADERS_H

/* struct position, 16 bytes big-endian. */
#define HEADER_POSITION "leat.pos"
/* Bitmap over the columns of `after`, in schema order, bit i at byte i/8, bit i%8 (least significant first): the value
 * did not travel (an unchanged TOAST value); `after` then holds a placeholder that is never to be read. Absent: all did. */
#define HEADER_UNCHANGED "leat.unchanged"
/* The key (framed Avro) that the row had before this event, when the key changed. */
#define HEADER_MOVED_FROM "leat.moved_from"

/* Debezium's own, at a key change: the delete and its tombstone say the key that the row has now, the create which one
 * it had, both as proto/key_text.h writes it. */
#define HEADER_NEW_KEY "__debezium.newkey"
#define HEADER_OLD_KEY "__debezium.oldkey"

#endif
