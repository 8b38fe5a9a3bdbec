/* One table of a batch, inside the batch's transaction. */
#ifndef LEAT_SINK_REDSHIFT_APPLY_H
#define LEAT_SINK_REDSHIFT_APPLY_H

#include "sink/redshift/session.h"
#include "sink/redshift/warehouse.h"

struct apply {
    struct session *session;
    const struct config_sink *config;
    struct s3 *s3; /* may be NULL when there is a role */
    struct rejects *rejects;
    const struct load_table *load_failed; /* its COPY failed on data: the reason can be read after ROLLBACK */
};

struct applied {
    uint64_t merged, deleted;
    uint64_t missing; /* partial rows whose row is not there: put to the rejects, not flushed */
};

MUST_CHECK enum rc apply_table(struct apply *apply, const struct load_table *table, struct applied *ret_applied,
                               struct err *err);
/* After ROLLBACK: what the load error views say of the failed COPY, in err. RC_FATAL, or what reading them
 * failed with. */
MUST_CHECK enum rc apply_explain_load(struct apply *apply, struct err *err);

#endif
