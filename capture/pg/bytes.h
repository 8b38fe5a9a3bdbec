/* bytea and bit strings as PostgreSQL writes them to their Avro bytes. false: the text is not one. */
#ifndef LEAT_CAPTURE_PG_BYTES_H
#define LEAT_CAPTURE_PG_BYTES_H

#include "base/buf.h"

/* text is \x and hex digits; bytea_output hex. */
bool pg_bytea_put(struct slice text, struct buf *out);
bool pg_bytea_put_hex(struct slice text, struct buf *out);
bool pg_bytea_put_base64(struct slice text, bool url_safe, struct buf *out);
/* "00101" as Debezium's Bits: least significant byte first, without the zero bytes at its end. */
bool pg_bits_put(struct slice text, struct buf *out);
/* One bit as a boolean. */
bool pg_bit_put(struct slice text, struct buf *out);
/* Two hex digits a byte, either case; -1 where there is none. */
int pg_hex_byte(const uint8_t *digits);

#endif
