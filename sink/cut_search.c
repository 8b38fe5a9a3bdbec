#include "sink/cut_search.h"

#include <stdio.h>
#include <stdlib.h>

struct cut_search cut_search_of(const struct offsets_target *target, int64_t low)
{
    return (struct cut_search){.target = *target, .next = low};
}

bool cut_search_take(struct cut_search *search, int64_t offset, const struct ledger_record *record)
{
    if (search->target.kind == OFFSETS_EARLIEST)
        return false;
    if (search->target.kind == OFFSETS_OFFSET && offset >= search->target.offset)
        return false;
    if (!record->cut)
        return true;
    /* The first later commit ends the search, although clocks may have gone back after it: replaying too much
     * does no harm, replaying too little would. A commit time of 0 says nothing. */
    if (search->target.kind == OFFSETS_TIME && record->commit_time_us > search->target.time_us)
        return false;
    if (search->target.kind == OFFSETS_TIME && record->commit_time_us == 0)
        return true;
    search->next = offset + 1;
    search->commit_time_us = record->commit_time_us;
    return true;
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

static struct ledger_count_topic *topic_of(struct ledger_count *count, const char *topic)
{
    for (size_t i = 0; i < count->n_topics; i++)
        if (strcmp(count->topics[i].topic, topic) == 0)
            return &count->topics[i];
    count->topics = must(realloc(count->topics, (count->n_topics + 1) * sizeof(struct ledger_count_topic)));
    count->topics[count->n_topics] = (struct ledger_count_topic){.topic = must(strdup(topic))};
    return &count->topics[count->n_topics++];
}

void ledger_count_take(struct ledger_count *count, const struct ledger_record *record)
{
    count->records++;
    for (size_t i = 0; i < record->n_partitions; i++)
        topic_of(count, record->partitions[i].topic)->events += (uint64_t)MAX(
            record->partitions[i].next - record->partitions[i].first, (int64_t)0);
}

void ledger_count_done(struct ledger_count *count)
{
    for (size_t i = 0; i < count->n_topics; i++)
        free(count->topics[i].topic);
    free(count->topics);
    *count = (struct ledger_count){0};
}
