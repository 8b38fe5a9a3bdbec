/* UTF-8 as RFC 3629 has it: no surrogates, nothing above U+10FFFF, no overlong forms. */
#ifndef LEAT_BASE_UTF8_H
#define LEAT_BASE_UTF8_H

#include "base/slice.h"

/* Bytes of the valid sequence at ptr (1 to 4); 0 when it is not one, or is cut. */
size_t utf8_sequence_len(const uint8_t *ptr, size_t left);
bool utf8_is_valid(struct slice text);

#endif
