/* In which form a session's values travel. The server sends all of a session in one: binary is asked for when leat reads
 * that form of every type there is in the publication. docs/adr/0010. */
#ifndef LEAT_CAPTURE_PG_TRANSFER_H
#define LEAT_CAPTURE_PG_TRANSFER_H

#include "capture/pg/session.h"

/* Sets source->binary, and says so in the log. */
MUST_CHECK enum rc pg_transfer_choose(struct source *source, struct err *err);
/* A table that the stream announced: ERR_PG_BINARY_TRANSFER when values of it would not be read. The next session is in
 * text, and so are all of this process. */
MUST_CHECK enum rc pg_transfer_check(struct source *source, const struct pg_relation *relation, struct err *err);
/* What the end of the stream means: a server that cannot write a type in binary says so with an error. */
MUST_CHECK enum rc pg_transfer_failed(struct source *source, enum rc rc, struct err *err);

#endif
