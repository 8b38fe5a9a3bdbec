/* "Did you mean": the word that a mistyped one is nearest to. */
#ifndef LEAT_BASE_CONFIG_SUGGEST_H
#define LEAT_BASE_CONFIG_SUGGEST_H

#include <stddef.h>

/* Letters to insert, delete, replace or swap with their neighbour to make b of a (each swap counts one). */
size_t config_suggest_distance(const char *a, const char *b);

/* Collects the nearest of many candidates: begin with {.word = word}, offer each, then read `best` (NULL:
 * nothing is near enough to be a slip of the keyboard). */
struct config_suggest {
    const char *word;
    const char *best;
    size_t best_distance;
};
void config_suggest_offer(struct config_suggest *suggest, const char *candidate);

/* " (did you mean \"brokers\"?)", or "" when nothing is near. */
const char *config_suggest_format(const struct config_suggest *suggest, char out[96]);

#endif
