/* Counters, gauges and histograms of this process, as rows of metrics.def. Safe from any thread; meant to be called
 * once a batch, not once a row. */
#ifndef LEAT_BASE_METRICS_H
#define LEAT_BASE_METRICS_H

#include "base/buf.h"

enum metric {
#define METRIC(type, name, label1, label2, help) METRIC_##name,
#include "base/metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* Label values are copied; NULL where the metric has no such label. */
void metric_add(enum metric metric, double value, const char *label1, const char *label2);     /* counter */
void metric_set(enum metric metric, double value, const char *label1, const char *label2);     /* gauge */
void metric_observe(enum metric metric, double value, const char *label1, const char *label2); /* histogram */
double metric_get(enum metric metric, const char *label1, const char *label2); /* 0 when never touched */

/* The Prometheus text exposition of everything (format 0.0.4). Refreshes resident_bytes itself. */
void metrics_render(struct buf *out);

#endif
