/* As much XML as the answers of S3 and STS need: the text of the first element of a name. */
#ifndef LEAT_BASE_AWS_XML_H
#define LEAT_BASE_AWS_XML_H

#include "base/slice.h"

/* Decoded text of the first <tag>...</tag>, cut to fit, zero-terminated. False, and "", when there is none; elements
 * inside it are not expected. Attributes are allowed, prefixes and CDATA are not. */
bool aws_xml_text(struct slice xml, const char *tag, char *out, size_t out_size);
bool aws_xml_has(struct slice xml, const char *tag);

#endif
