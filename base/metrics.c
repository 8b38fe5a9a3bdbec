#include "base/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/utf8.h"

enum metric_type { COUNTER, GAUGE, HISTOGRAM };

static const char *const type_names[] = {"counter", "gauge", "histogram"};

/* From one quick commit to a batch that took ten minutes. */
static const double bucket_bounds[] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};
enum { N_BUCKETS = sizeof(bucket_bounds) / sizeof(bucket_bounds[0]) };

static const struct metric_row {
    enum metric_type type;
    const char *name, *label1, *label2, *help;
} rows[METRIC_COUNT] = {
#define METRIC(type, name, label1, label2, help) [METRIC_##name] = {type, #name, label1, label2, help},
#include "base/metrics.def"
#undef METRIC
};

/* One combination of label values. */
struct series {
    char *value1, *value2; /* "" where the metric has no such label */
    double value;          /* of a histogram: the sum */
    uint64_t *buckets;     /* N_BUCKETS and one for what is above; NULL unless a histogram */
};

/* Sorted by label values: found by bisection, and shown in an order that does not move. */
struct family {
    struct series *series;
    size_t n, cap;
};

static struct family families[METRIC_COUNT];
static pthread_mutex_t metrics_mutex = PTHREAD_MUTEX_INITIALIZER;

static int series_order(const struct series *series, const char *value1, const char *value2)
{
    int order = strcmp(series->value1, value1);
    return order != 0 ? order : strcmp(series->value2, value2);
}

/* Where the series is, or where it belongs. */
static size_t family_place(const struct family *family, const char *value1, const char *value2, bool *ret_found)
{
    size_t low = 0, high = family->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = series_order(&family->series[middle], value1, value2);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = false;
    return low;
}

static bool family_grow(struct family *family)
{
    size_t cap = family->cap == 0 ? 4 : family->cap * 2;
    struct series *series = realloc(family->series, cap * sizeof(*series));
    if (series == NULL)
        return false;
    family->series = series;
    family->cap = cap;
    return true;
}

/* NULL when there is no memory: a figure is not worth the process. */
static struct series *family_touch(enum metric metric, const char *label1, const char *label2)
{
    struct family *family = &families[metric];
    const char *value1 = label1 == NULL ? "" : label1, *value2 = label2 == NULL ? "" : label2;
    bool found;
    size_t place = family_place(family, value1, value2, &found);
    if (found)
        return &family->series[place];
    if (family->n == family->cap && !family_grow(family))
        return NULL;
    struct series made = {.value1 = strdup(value1), .value2 = strdup(value2)};
    if (rows[metric].type == HISTOGRAM)
        made.buckets = calloc(N_BUCKETS + 1, sizeof(*made.buckets));
    if (made.value1 == NULL || made.value2 == NULL || (rows[metric].type == HISTOGRAM && made.buckets == NULL)) {
        free(made.value1);
        free(made.value2);
        free(made.buckets);
        return NULL;
    }
    memmove(&family->series[place + 1], &family->series[place], (family->n - place) * sizeof(made));
    family->series[place] = made;
    family->n++;
    return &family->series[place];
}

void metric_add(enum metric metric, double value, const char *label1, const char *label2)
{
    pthread_mutex_lock(&metrics_mutex);
    struct series *series = family_touch(metric, label1, label2);
    if (series != NULL)
        series->value += value;
    pthread_mutex_unlock(&metrics_mutex);
}

void metric_set(enum metric metric, double value, const char *label1, const char *label2)
{
    pthread_mutex_lock(&metrics_mutex);
    struct series *series = family_touch(metric, label1, label2);
    if (series != NULL)
        series->value = value;
    pthread_mutex_unlock(&metrics_mutex);
}

void metric_observe(enum metric metric, double value, const char *label1, const char *label2)
{
    size_t bucket = 0;
    while (bucket < N_BUCKETS && value > bucket_bounds[bucket])
        bucket++;
    pthread_mutex_lock(&metrics_mutex);
    struct series *series = family_touch(metric, label1, label2);
    if (series != NULL && series->buckets != NULL) {
        series->buckets[bucket]++;
        series->value += value;
    }
    pthread_mutex_unlock(&metrics_mutex);
}

double metric_get(enum metric metric, const char *label1, const char *label2)
{
    bool found;
    pthread_mutex_lock(&metrics_mutex);
    size_t place = family_place(&families[metric], label1 == NULL ? "" : label1, label2 == NULL ? "" : label2, &found);
    double value = found ? families[metric].series[place].value : 0;
    pthread_mutex_unlock(&metrics_mutex);
    return value;
}

static void put_number(struct buf *out, double value)
{
    if (isnan(value))
        buf_put_str(out, "NaN");
    else if (isinf(value))
        buf_put_str(out, value > 0 ? "+Inf" : "-Inf");
    else {
        char text[32]; /* as short as reads back the same */
        snprintf(text, sizeof(text), "%.15g", value);
        if (strtod(text, NULL) != value)
            snprintf(text, sizeof(text), "%.17g", value);
        buf_put_str(out, text);
    }
}

/* Prometheus refuses a whole page for one byte that is not UTF-8: topics and messages come from outside. */
static void put_label_value(struct buf *out, const char *text)
{
    struct slice left = slice_of_str(text);
    while (left.len > 0) {
        size_t len = utf8_sequence_len(left.ptr, left.len);
        switch (left.ptr[0]) {
        case '\\': buf_put_str(out, "\\\\"); break;
        case '"': buf_put_str(out, "\\\""); break;
        case '\n': buf_put_str(out, "\\n"); break;
        default:
            if (len == 0)
                buf_put_str(out, "\xef\xbf\xbd");
            else
                buf_put(out, left.ptr, len);
        }
        size_t step = len == 0 ? 1 : len;
        left = slice_of(left.ptr + step, left.len - step);
    }
}

static void put_label(struct buf *out, const char *name, const char *value, bool *is_first)
{
    if (name == NULL)
        return;
    buf_put_str(out, *is_first ? "{" : ",");
    *is_first = false;
    buf_printf(out, "%s=\"", name);
    put_label_value(out, value);
    buf_put_str(out, "\"");
}

/* leat_<name><suffix>{labels} value; `le` NULL but in a histogram's buckets. */
static void put_sample(struct buf *out, const struct metric_row *row, const char *suffix, const struct series *series,
                       const char *le, double value)
{
    bool is_first = true;
    buf_printf(out, "leat_%s%s", row->name, suffix);
    put_label(out, row->label1, series->value1, &is_first);
    put_label(out, row->label2, series->value2, &is_first);
    put_label(out, le == NULL ? NULL : "le", le, &is_first);
    if (!is_first)
        buf_put_str(out, "}");
    buf_put_str(out, " ");
    put_number(out, value);
    buf_put_str(out, "\n");
}

static void put_histogram(struct buf *out, const struct metric_row *row, const struct series *series)
{
    uint64_t count = 0;
    for (size_t i = 0; i < N_BUCKETS; i++) {
        char le[32];
        snprintf(le, sizeof(le), "%g", bucket_bounds[i]);
        count += series->buckets[i];
        put_sample(out, row, "_bucket", series, le, (double)count);
    }
    count += series->buckets[N_BUCKETS];
    put_sample(out, row, "_bucket", series, "+Inf", (double)count);
    put_sample(out, row, "_sum", series, NULL, series->value);
    put_sample(out, row, "_count", series, NULL, (double)count);
}

static void put_family(struct buf *out, enum metric metric)
{
    const struct metric_row *row = &rows[metric];
    const struct family *family = &families[metric];
    buf_printf(out, "# HELP leat_%s %s\n# TYPE leat_%s %s\n", row->name, row->help, row->name, type_names[row->type]);
    if (family->n == 0 && row->label1 == NULL && row->type != HISTOGRAM) {
        static const struct series untouched;
        put_sample(out, row, "", &untouched, NULL, 0);
    }
    for (size_t i = 0; i < family->n; i++) {
        if (row->type == HISTOGRAM)
            put_histogram(out, row, &family->series[i]);
        else
            put_sample(out, row, "", &family->series[i], NULL, family->series[i].value);
    }
}

/* The second figure of /proc/self/statm, in pages; 0 where there is no /proc. */
static double resident_bytes(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL)
        return 0;
    unsigned long long pages = 0;
    if (fscanf(statm, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(statm);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

void metrics_render(struct buf *out)
{
    metric_set(METRIC_build_info, 1, LEAT_VERSION, NULL);
    metric_set(METRIC_resident_bytes, resident_bytes(), NULL, NULL);
    pthread_mutex_lock(&metrics_mutex);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        put_family(out, (enum metric)i);
    pthread_mutex_unlock(&metrics_mutex);
}
