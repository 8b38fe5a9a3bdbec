#include "capture/pg/guard.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "capture/pg/lsn.h"

enum { MISSING_BYTES = 160, SECONDS_A_DAY = 86400, SECONDS_AN_HOUR = 3600 };

/* ", missing: 0/1A22FD0 to 0/3000000 (19 MiB of log, 3 h)" */
static const char *missing(char out[MISSING_BYTES], const struct pg_found *found, uint64_t from, uint64_t to)
{
    char first[LSN_TEXT_BYTES], last[LSN_TEXT_BYTES], age[32] = "";
    int64_t age_s = (found->now_us - found->ledger_written_us) / US_PER_S;
    if (found->ledger_written_us > 0 && age_s >= 2 * SECONDS_A_DAY)
        snprintf(age, sizeof(age), ", %" PRId64 " days", age_s / SECONDS_A_DAY);
    else if (found->ledger_written_us > 0 && age_s >= 2 * SECONDS_AN_HOUR)
        snprintf(age, sizeof(age), ", %" PRId64 " h", age_s / SECONDS_AN_HOUR);
    else if (found->ledger_written_us > 0)
        snprintf(age, sizeof(age), ", %" PRId64 " s", MAX(age_s, 0));
    if (to <= from)
        snprintf(out, MISSING_BYTES, ", missing: what was committed after %s%s", lsn_format(from, first), age);
    else
        snprintf(out, MISSING_BYTES, ", missing: %s to %s (%" PRIu64 " KiB of log%s)", lsn_format(from, first),
                 lsn_format(to, last), (to - from + 1023) / 1024, age);
    return out;
}

/* ---- which server ---- */

/* ERR_LEDGER_IDENTITY, saying what differs, unless both are of one slot of one database of one server. */
static enum rc compare_identity(const struct pg_state *ledger, const struct pg_state *server, struct err *err)
{
    if (strcmp(ledger->system_id, server->system_id) != 0)
        return err_set(err, ERR_LEDGER_IDENTITY,
                       "the ledger knows the server with system identifier %s, this one has %s", ledger->system_id,
                       server->system_id);
    if (ledger->database_oid != server->database_oid)
        return err_set(err, ERR_LEDGER_IDENTITY, "the ledger knows the database with oid %u, this one has %u",
                       ledger->database_oid, server->database_oid);
    if (strcmp(ledger->slot, server->slot) != 0)
        return err_set(err, ERR_LEDGER_IDENTITY, "the ledger knows slot \"%s\", the configuration says \"%s\"",
                       ledger->slot, server->slot);
    if (strcmp(ledger->publication, server->publication) != 0)
        return err_set(err, ERR_LEDGER_IDENTITY, "the ledger knows publication \"%s\", the configuration says \"%s\"",
                       ledger->publication, server->publication);
    return RC_OK;
}

/* Another timeline is legal when it forked after all that Kafka has: nothing of Kafka is undone, and what was committed
 * on the old one after the fork is gone from the source as well. */
static enum rc compare_timeline(const struct pg_state *ledger, const struct pg_found *found, struct err *err)
{
    char fork[LSN_TEXT_BYTES], commit[LSN_TEXT_BYTES];
    if (found->fork_lsn == 0)
        return err_set(err, ERR_LEDGER_IDENTITY,
                       "the ledger knows timeline %u of the server, now it is %u, which did not come out of it: a "
                       "backup was restored",
                       ledger->timeline, found->server.timeline);
    if (found->fork_lsn <= ledger->commit_lsn)
        return err_set(err, ERR_LEDGER_IDENTITY,
                       "the server's timeline %u forked from %u at %s, but Kafka has changes up to %s: they were lost "
                       "in the failover, or a backup was restored",
                       found->server.timeline, ledger->timeline, lsn_format(found->fork_lsn, fork),
                       lsn_format(ledger->commit_lsn, commit));
    return RC_OK;
}

/* On one timeline the log only grows, and a slot's restart position with it. */
static enum rc compare_log(const struct pg_state *ledger, const struct pg_found *found, struct err *err)
{
    char end[LSN_TEXT_BYTES], reached[LSN_TEXT_BYTES];
    if (found->wal_end < ledger->end_lsn)
        return err_set(err, ERR_LEDGER_IDENTITY,
                       "the server's log ends at %s, but the ledger has it up to %s: a backup or a copy was restored",
                       lsn_format(found->wal_end, end), lsn_format(ledger->end_lsn, reached));
    if (found->slot.exists && found->slot.restart != 0 && found->slot.restart < ledger->restart_lsn)
        return err_set(err, ERR_LEDGER_IDENTITY,
                       "replication slot \"%s\" would restart at %s, but it was seen at %s before: the server is a "
                       "restored copy, or the slot is one of another slot",
                       ledger->slot, lsn_format(found->slot.restart, end), lsn_format(ledger->restart_lsn, reached));
    return RC_OK;
}

/* ---- which slot ---- */

static enum rc compare_slot(const struct pg_state *ledger, const struct pg_found *found, uint64_t resume,
                            struct err *err)
{
    char reached[LSN_TEXT_BYTES], confirmed[LSN_TEXT_BYTES], rest[MISSING_BYTES];
    const struct pg_slot *slot = &found->slot;
    missing(rest, found, resume, found->wal_end);
    lsn_format(resume, reached);
    if (!slot->exists)
        return err_set(err, ERR_PG_SLOT_MISSING,
                       "replication slot \"%s\" does not exist: the ledger has everything up to %s%s", ledger->slot,
                       reached, rest);
    if (slot->lost_why[0] != '\0')
        return err_set(err, ERR_PG_SLOT_LOST,
                       "replication slot \"%s\" is lost (%s): the ledger has everything up to %s%s", ledger->slot,
                       slot->lost_why, reached, rest);
    if (slot->confirmed == 0)
        return err_set(err, ERR_PG_SLOT_LOST,
                       "replication slot \"%s\" was never confirmed, although the ledger has everything up to %s: "
                       "somebody made it anew%s",
                       ledger->slot, reached, rest);
    if (slot->confirmed > resume)
        return err_set(
            err, ERR_PG_SLOT_LOST,
            "replication slot \"%s\" is confirmed up to %s, but the ledger ends at %s: somebody moved it, or "
            "made it anew%s",
            ledger->slot, lsn_format(slot->confirmed, confirmed), reached,
            missing(rest, found, resume, slot->confirmed));
    return RC_OK;
}

/* ---- all of it ---- */

static enum rc foreign(const struct pg_found *found, const char *why, struct err *err)
{
    return err_set(err, ERR_PG_SLOT_FOREIGN, "replication slot \"%s\" %s", found->server.slot, why);
}

static enum rc judge_before_stream(const struct pg_state *ledger, const struct pg_found *found, struct err *err)
{
    if (ledger->snapshot == PG_SNAPSHOT_NONE)
        return found->slot.exists ? foreign(found, "exists, but the ledger knows nothing of this source", err) : RC_OK;
    TRY(compare_identity(ledger, &found->server, err));
    if (ledger->timeline != found->server.timeline)
        return err_set(err, ERR_LEDGER_IDENTITY,
                       "the ledger knows timeline %u of the server, now it is %u, and the first copy is not finished",
                       ledger->timeline, found->server.timeline);
    return RC_OK;
}

static enum rc wait_for_replay(const struct pg_state *ledger, const struct pg_found *found, struct err *err)
{
    char end[LSN_TEXT_BYTES], reached[LSN_TEXT_BYTES];
    return err_set(err, ERR_PG_TRANSIENT, "the standby has replayed its log up to %s, the ledger has it up to %s",
                   lsn_format(found->wal_end, end), lsn_format(ledger->end_lsn, reached));
}

enum rc pg_guard_judge(const struct pg_state *ledger, const struct pg_found *found, struct pg_judgement *ret_judgement,
                       struct err *err)
{
    struct pg_judgement judgement = {.resume_lsn = ledger->end_lsn};
    bool forked = ledger->timeline != found->server.timeline;
    if (found->slot.exists && !found->slot.is_ours_by_kind)
        return foreign(found, "is not one of pgoutput in this database", err);
    if (found->slot.is_copy)
        return err_set(err, ERR_PG_TRANSIENT,
                       "the server is a standby that keeps a copy of replication slot \"%s\": it can be read once the "
                       "standby is promoted",
                       ledger->slot);
    *ret_judgement = judgement;
    if (ledger->snapshot != PG_SNAPSHOT_DONE)
        return judge_before_stream(ledger, found, err);
    enum rc rc = compare_identity(ledger, &found->server, &judgement.gap);
    judgement.is_other_server = judgement.makes_slot = rc != RC_OK;
    if (rc == RC_OK && forked)
        rc = compare_timeline(ledger, found, &judgement.gap);
    if (rc == RC_OK && forked)
        judgement.resume_lsn = MIN(ledger->end_lsn, found->fork_lsn);
    if (rc == RC_OK && found->is_standby && found->wal_end < judgement.resume_lsn)
        return wait_for_replay(ledger, found, err);
    if (rc == RC_OK && !forked)
        rc = compare_log(ledger, found, &judgement.gap);
    if (rc == RC_OK)
        rc = compare_slot(ledger, found, judgement.resume_lsn, &judgement.gap);
    if (!found->slot.exists || found->slot.lost_why[0] != '\0' || found->slot.confirmed == 0)
        judgement.makes_slot = true;
    *ret_judgement = judgement;
    return RC_OK;
}

enum rc pg_guard_check_acceptable(const struct pg_state *ledger, const struct pg_found *found,
                                  const struct pg_judgement *judgement, struct err *err)
{
    char end[LSN_TEXT_BYTES], reached[LSN_TEXT_BYTES];
    uint64_t highest = MAX(ledger->end_lsn, ledger->commit_lsn); /* of a transaction that is half in Kafka */
    if (judgement->is_other_server && found->slot.exists)
        return foreign(found, "is on another server than the ledger's, or has another name: drop it first", err);
    if (found->wal_end < highest)
        return err_set(err, ERR_LEDGER_IDENTITY,
                       "there is no way on yet: the server's log ends at %s, the ledger's positions at %s, and "
                       "positions never go back; select pg_switch_wal() moves it on by up to 16 MB",
                       lsn_format(found->wal_end, end), lsn_format(highest, reached));
    return RC_OK;
}
