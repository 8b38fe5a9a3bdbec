/* What every unit test includes: cmocka and a few checks that say what was wrong. */
#ifndef LEAT_TEST_H
#define LEAT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

/* Fails with the err's message unless the call answered RC_OK. */
#define ASSERT_OK(call, err_ptr)                                                                                       \
    do {                                                                                                               \
        enum rc rc_ = (call);                                                                                          \
        if (rc_ != RC_OK)                                                                                              \
            fail_msg("%s: %s: %s", #call, rc_name(rc_), (err_ptr)->msg);                                               \
    } while (0)

/* Fails with the row's sentence. */
#define CHECK_EQ(want, got, behaviour)                                                                                 \
    do {                                                                                                               \
        long long want_ = (long long)(want), got_ = (long long)(got);                                                  \
        if (want_ != got_)                                                                                             \
            fail_msg("%s: want %lld, got %lld", (behaviour), want_, got_);                                             \
    } while (0)

#define CHECK_STR(want, got, behaviour)                                                                                \
    do {                                                                                                               \
        const char *want_ = (want), *got_ = (got);                                                                     \
        if (strcmp(want_, got_) != 0)                                                                                  \
            fail_msg("%s: want \"%s\", got \"%s\"", (behaviour), want_, got_);                                         \
    } while (0)

#endif
