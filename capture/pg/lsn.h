/* A place in PostgreSQL's log, as the server writes it ("16/B374D848") and as a number. 0 is no place. */
#ifndef LEAT_CAPTURE_PG_LSN_H
#define LEAT_CAPTURE_PG_LSN_H

#include <stdint.h>

#include "base/err.h"

enum { LSN_TEXT_BYTES = 18 };

/* ERR_MALFORMED unless the text is exactly one LSN. */
MUST_CHECK enum rc lsn_parse(const char *text, uint64_t *ret_lsn, struct err *err);
/* Writes into out and gives it back, so that it can stand in an argument list. */
const char *lsn_format(uint64_t lsn, char out[LSN_TEXT_BYTES]);

#endif
