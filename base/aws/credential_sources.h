/* The places where AWS's own tools look for credentials. Only credentials.c asks here. */
#ifndef LEAT_BASE_AWS_CREDENTIAL_SOURCES_H
#define LEAT_BASE_AWS_CREDENTIAL_SOURCES_H

#include "base/aws/credentials.h"

/* The first place that is set up decides: when it fails, the later ones are not asked, for they would be another
 * identity. Takes up to a few seconds. region may be NULL: AWS_REGION is used. */
MUST_CHECK enum rc aws_credential_sources_fetch(const char *region, struct aws_credentials *ret_credentials,
                                                struct err *err);

#endif
