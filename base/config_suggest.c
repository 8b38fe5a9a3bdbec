#include "base/config_suggest.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"

enum { SUGGEST_MAX_LEN = 40 }; /* longer than any key; anything longer is no slip */

/* Optimal string alignment, three rows of the table at a time. */
size_t config_suggest_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > SUGGEST_MAX_LEN || b_len > SUGGEST_MAX_LEN)
        return MAX(a_len, b_len);
    size_t rows[3][SUGGEST_MAX_LEN + 1];
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above_that = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = MIN(replaced, MIN(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], above_that[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

void config_suggest_offer(struct config_suggest *suggest, const char *candidate)
{
    size_t distance = config_suggest_distance(suggest->word, candidate);
    size_t near_enough = 1 + strlen(candidate) / 4;
    if (distance > near_enough || (suggest->best != NULL && distance >= suggest->best_distance))
        return;
    suggest->best = candidate;
    suggest->best_distance = distance;
}

const char *config_suggest_format(const struct config_suggest *suggest, char out[96])
{
    out[0] = '\0';
    if (suggest->best != NULL)
        snprintf(out, 96, " (did you mean \"%s\"?)", suggest->best);
    return out;
}
