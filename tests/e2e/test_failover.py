"""A standby takes over, or is the source. tests/e2e/test_identity.py has the helpers' story."""

import pytest
from bank import wait
from test_identity import KEYS, assert_gap, captured, insert, insert_and_await, ledger, prepare

STANDBY_SLOT = "standby_1"


def pair(clusters, major, **settings):
    """A primary and a standby that follows it."""
    primary = clusters(major, **settings)
    primary.stop()
    standby = primary.standby(slot=STANDBY_SLOT)
    primary.start()
    with primary.connect() as connection:
        connection.execute("select pg_create_physical_replication_slot(%s, true)", (STANDBY_SLOT,))
    if int(major) >= 17:
        standby.set(sync_replication_slots="on")
    standby.start()
    return primary, standby


def current(cluster):
    with cluster.connect() as connection:
        return connection.execute("select pg_current_wal_flush_lsn() - '0/0'::pg_lsn").fetchone()[0]


def await_replayed(standby, lsn):
    def replayed():
        with standby.connect() as connection:
            return (connection.execute("select pg_last_wal_replay_lsn() - '0/0'::pg_lsn").fetchone()[0] or 0) >= lsn

    wait.until(replayed, 30, "the standby to have replayed that")


def await_synced(road, standby):
    """The standby takes the slot once it has moved on the primary, and looks more often while slots move."""
    slot, lsn = road.slot, road.slot_position()

    def synced():
        road.sql("select pg_log_standby_snapshot()")
        insert_and_await(road, next(KEYS))
        with standby.connect() as connection:
            row = connection.execute(
                "select confirmed_flush_lsn - '0/0'::pg_lsn from pg_replication_slots"
                " where slot_name = %s and synced and not temporary and invalidation_reason is null", (slot,)
            ).fetchone()  # fmt: skip
            return row is not None and row[0] >= lsn

    wait.until(synced, 60, lambda: f"the slot on the standby\n{standby.log.read_text()[-2000:]}")


def take_over(primary, standby):
    """The standby under the primary's address; the primary is gone without a word."""
    port = primary.port
    primary.kill()
    standby.stop()
    standby.port = port
    standby.start().promote()


@pytest.mark.parametrize("major", ["18"])
def test_a_failover_slot_goes_on_after_a_promotion(clusters, road_on, major):
    primary, standby = pair(clusters, major)
    road = prepare(road_on(primary))
    capture = road.capture().wait_ready()
    slot = road.sql("select failover from pg_replication_slots where slot_name = %s", (road.slot,)).fetchone()
    assert slot == (True,)
    insert_and_await(road, 2)
    primary.set(synchronized_standby_slots=STANDBY_SLOT).reload()
    sink = road.sink().wait_ready()
    await_synced(road, standby)
    for key in range(3, 20):
        insert(road, key)
    await_replayed(standby, current(primary))
    take_over(primary, standby)
    road.reconnect()
    insert(road, 50)
    road.check()
    assert capture.is_alive() and sink.is_alive()
    (event,) = capture.log_events("failed_over")
    assert (event["from_timeline"], event["to_timeline"]) == (1, 2)
    assert ledger(road)[-1]["state"]["timeline"] == 2
    assert capture.stop() == 0
    assert captured(road), "the new timeline is the ledger's now"


def test_a_failover_that_lost_commits_of_kafka_is_noticed(clusters, road_on):
    primary, standby = pair(clusters, "17")
    road = prepare(road_on(primary))
    capture = road.capture().wait_ready()
    insert_and_await(road, 2)
    await_synced(road, standby)
    standby.stop()
    insert_and_await(road, 3)
    assert capture.stop() == 0
    standby.set(primary_conninfo="")
    take_over(primary, standby)
    road.reconnect()
    assert_gap(road, "LEDGER_IDENTITY", "forked from 1 at", "Kafka has changes up to")


def test_a_promoted_standby_without_the_slot_is_noticed(clusters, road_on):
    primary, standby = pair(clusters, "15")
    road = prepare(road_on(primary))
    captured(road)
    insert(road, 2)
    await_replayed(standby, current(primary))
    take_over(primary, standby)
    road.reconnect()
    assert_gap(road, "PG_SLOT_MISSING", "KiB of log")


@pytest.mark.parametrize("major", ["16"])
def test_a_standby_can_be_the_source(clusters, road_on, major):
    primary, standby = pair(clusters, major)
    road = prepare(road_on(primary))
    road.sql("create publication leat_core for table public.accounts, public.fence")
    road.configure(core={"postgresql": {"port": standby.port}})
    await_replayed(standby, current(primary))
    capture = road.capture().wait_ready()

    def copied():
        road.sql("select pg_log_standby_snapshot()")
        return ledger(road)[-1]["state"].get("snapshot") == "done"

    wait.until(copied, 60, lambda: f"the first copy\n{capture.tail()}")
    road.sink().wait_ready()
    insert(road, 2)
    road.check()
    capture.kill()
    insert(road, 3)
    capture.start().wait_ready()
    road.check()
    standby.stop()
    insert(road, 4)
    standby.start()
    road.check()
    primary.stop()
    standby.promote()
    with standby.connect(road.database) as connection:
        connection.execute("insert into public.accounts values (5, 'after the promotion')")
    wait.until(lambda: 5 in {row["id"] for row in road.rows("accounts")}, 60, road.why_not_settled)
    assert capture.is_alive()


def test_a_standby_without_the_publication_says_where_to_make_it(clusters, road_on):
    primary, standby = pair(clusters, "16")
    road = prepare(road_on(primary))
    road.configure(core={"postgresql": {"port": standby.port}})
    await_replayed(standby, current(primary))
    failure = road.fails("capture", "core")
    assert failure.code == "PG_PUBLICATION_MISSING"
    assert "create it on the primary" in failure.message


def test_a_standby_of_an_old_version_is_refused(clusters, road_on):
    primary, standby = pair(clusters, "15")
    road = prepare(road_on(primary))
    road.configure(core={"postgresql": {"port": standby.port}})
    await_replayed(standby, current(primary))
    failure = road.fails("capture", "core")
    assert failure.code == "PG_CONFIG"
    assert "standby" in failure.message
