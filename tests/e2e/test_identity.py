"""The identity guard: a server, slot or publication that is not what the ledger knows ends the capture with what is
missing; --accept-gap goes on and says so in the ledger."""

import itertools
import json
import signal

import pytest
from bank import compare, wait

FATAL = 1
KEYS = itertools.count(100)
EXITS = ("leat snapshot SOURCE --all", "leat capture SOURCE --accept-gap")


@pytest.fixture
def accounts(road):
    return prepare(road)


def prepare(road):
    road.table("public.accounts", "id int primary key, v text")
    road.sql("insert into public.accounts values (1, 'copied')")
    road.configure()
    return road


def ledger(road):
    records = compare.read_committed(road.servers, f"{road.prefix}.leat.ledger.core")
    return [json.loads(record.value()) for record in records]


def n_events(road):
    return len(road.topic("public.accounts"))


def insert(road, key):
    road.sql("insert into public.accounts values (%s, 'x')", (key,))


def insert_and_await(road, key):
    """Until Kafka has it: the slot is confirmed only then."""
    insert(road, key)
    end = road.sql("select pg_current_wal_flush_lsn() - '0/0'::pg_lsn").fetchone()[0]
    wait.until(lambda: (road.slot_position() or 0) >= end, 30, lambda: f"row {key} in Kafka\n{road.workers[-1].tail()}")


def captured(road):
    """A capture that has everything, stopped; rows written afterwards are in nobody's topic."""
    capture = road.capture().wait_ready()
    insert_and_await(road, next(KEYS))
    assert capture.stop() == 0
    return capture


def assert_gap(road, code, *words):
    failure = road.fails("capture", "core")
    assert failure.exit_code == FATAL, failure
    assert failure.code == code, failure
    for word in words:
        assert word in failure.message, failure
    for way in EXITS:
        assert way in failure.hint, failure
    return failure


def accept(road, key):
    """Goes on with --accept-gap; the ledger's record of the gap."""
    worker = road.worker(f"capture-accepts-{key}", "capture", "core", "--accept-gap").wait_ready()
    insert_and_await(road, key)
    assert worker.log_events("gap_accepted"), worker.tail()
    assert worker.metric("leat_capture_gaps_total", "core") == 1
    (record,) = [record for record in ledger(road) if record["kind"] == "gap"][-1:]
    return record["state"]["gap"]


def test_a_dropped_slot_can_be_done_without(accounts):
    captured(accounts)
    accounts.sql("select pg_drop_replication_slot(%s)", (accounts.slot,))
    insert(accounts, 2)
    assert_gap(accounts, "PG_SLOT_MISSING", accounts.slot, "does not exist", "KiB of log", " s)")
    before = n_events(accounts)
    sink = accounts.sink().wait_ready()
    gap = accept(accounts, 3)
    assert gap["why"] == "PG_SLOT_MISSING" and gap["from"] != gap["to"]
    assert n_events(accounts) == before + 1, "row 2 is missing, nothing else"
    accounts.fence()
    wait.until(accounts.fence_is_visible, 30, accounts.why_not_settled)
    assert {2, 3} & {row["id"] for row in accounts.rows("accounts")} == {3}
    assert sink.metric("leat_sink_gaps_total", "core") >= 1
    assert sink.log_events("gap_passed")


def test_an_accepted_gap_does_not_stand_for_the_next_one(accounts):
    """The next session of the same process finds another gap: it was not accepted."""
    captured(accounts)
    accounts.sql("select pg_drop_replication_slot(%s)", (accounts.slot,))
    accept(accounts, 2)
    worker = accounts.workers[-1]
    worker.process.send_signal(signal.SIGSTOP)
    accounts.end_walsender()
    accounts.sql("select pg_drop_replication_slot(%s)", (accounts.slot,))
    insert(accounts, 4)
    worker.process.send_signal(signal.SIGCONT)
    assert worker.wait_exit(30) == FATAL
    (failure,) = worker.log_events("worker_failed")
    assert failure["code"] == "PG_SLOT_MISSING"


def test_accepting_where_nothing_is_missing_writes_no_gap(accounts):
    captured(accounts)
    worker = accounts.worker("capture-accepts", "capture", "core", "--accept-gap").wait_ready()
    insert_and_await(accounts, 2)
    assert not worker.log_events("gap_accepted")
    assert "gap" not in {record["kind"] for record in ledger(accounts)}


def test_a_slot_made_anew_under_its_name_is_noticed(accounts):
    captured(accounts)
    accounts.sql("select pg_drop_replication_slot(%s)", (accounts.slot,))
    insert(accounts, 2)
    accounts.sql("select pg_create_logical_replication_slot(%s, 'pgoutput')", (accounts.slot,))
    assert_gap(accounts, "PG_SLOT_LOST", "made it anew", "KiB of log")
    gap = accept(accounts, 3)
    assert gap["why"] == "PG_SLOT_LOST"


def test_a_slot_made_anew_at_rest_is_noticed(accounts):
    """Nothing was written meanwhile: nothing is missing, but nothing proves it either."""
    captured(accounts)
    accounts.sql("select pg_drop_replication_slot(%s)", (accounts.slot,))
    accounts.sql("select pg_create_logical_replication_slot(%s, 'pgoutput')", (accounts.slot,))
    assert_gap(accounts, "PG_SLOT_LOST", "made it anew")


def test_a_slot_moved_by_hand_is_noticed(accounts):
    captured(accounts)
    insert(accounts, 2)
    accounts.sql("select pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", (accounts.slot,))
    assert_gap(accounts, "PG_SLOT_LOST", "somebody moved it", "missing")
    moved_to = accounts.sql("select confirmed_flush_lsn::text from pg_replication_slots where slot_name = %s", (accounts.slot,)).fetchone()[0]
    insert(accounts, 3)
    before = n_events(accounts)
    gap = accept(accounts, 4)
    assert gap["to"] == moved_to
    assert n_events(accounts) == before + 2, "row 3 came after the gap"


def test_a_gap_takes_nothing_from_the_transaction_that_it_ends_in(road):
    """Half of it is in Kafka when somebody moves the slot to a place before its commit: the server sends it again, and
    the other half comes, although the gap is behind the ledger's position."""
    prepare(road)
    road.configure(core={"batch_max_bytes": "64KiB", "heartbeat_interval": "60s"})
    capture = road.capture().wait_ready()
    capture.kill()
    with road.servers.postgres(road.database) as connection:
        connection.execute("insert into public.accounts select i, 'x' from generate_series(1000, 30999) i")
        inside = connection.execute("select pg_current_wal_insert_lsn()::text").fetchone()[0]
    capture.start()
    wait.until(lambda: n_committed(capture) >= 2000, 60, lambda: capture.tail(), poll_s=0.02)
    capture.kill()
    assert ledger(road)[-1]["state"]["next_ordinal"] > 0, "all of it was published before the kill"
    road.sql("select pg_replication_slot_advance(%s, %s::pg_lsn)", (road.slot, inside))
    assert_gap(road, "PG_SLOT_LOST", "somebody moved it")
    accept(road, 2)
    assert n_events(road) == 1 + 30000 + 1


def n_committed(capture):
    return sum(capture.metrics("leat_capture_events_total").values())


def test_a_slot_without_a_confirmed_position_is_not_taken_for_ours(accounts):
    """confirmed_flush_lsn is null while a slot is being made: here by somebody who waits for an open transaction."""
    captured(accounts)
    accounts.sql("select pg_drop_replication_slot(%s)", (accounts.slot,))
    blocker, maker = accounts.servers.postgres(accounts.database), accounts.servers.postgres(accounts.database)
    try:
        blocker.execute("insert into public.accounts values (50, 'open')")
        maker.pgconn.send_query(f"select pg_create_logical_replication_slot('{accounts.slot}', 'pgoutput')".encode())
        wait.until(lambda: slot_is_being_made(accounts), 10, "the slot to be there")
        failure = accounts.fails("capture", "core")
        assert failure.code == "PG_SLOT_LOST", failure
        assert "was never confirmed" in failure.message
    finally:
        blocker.close()
        maker.close()


def slot_is_being_made(road):
    query = "select restart_lsn is not null and confirmed_flush_lsn is null from pg_replication_slots where slot_name = %s"
    return road.sql(query, (road.slot,)).fetchone() == (True,)


@pytest.mark.parametrize("major", ["13", "16", "17"])
def test_a_slot_that_lost_its_log_ends_the_capture_at_once(clusters, road_on, major):
    cluster = clusters(major, max_slot_wal_keep_size="1MB", min_wal_size="32MB", max_wal_size="32MB")
    road = prepare(road_on(cluster))
    captured(road)
    road.sql("create table filler (t text)")

    def lose():
        road.sql("insert into filler select repeat('x', 1000) from generate_series(1, 2000)")
        road.sql("select pg_switch_wal()")
        road.sql("checkpoint")
        return road.sql("select wal_status from pg_replication_slots where slot_name = %s", (road.slot,)).fetchone()[0] == "lost"

    wait.until(lose, 30, "the slot to be lost")
    failure = assert_gap(road, "PG_SLOT_LOST", "is lost", "KiB of log")
    assert ("wal_removed" if major == "17" else "max_slot_wal_keep_size") in failure.message
    assert accept(road, 3)["why"] == "PG_SLOT_LOST"


def test_an_idle_slot_that_timed_out_is_lost(clusters, road_on):
    cluster = clusters("18", idle_replication_slot_timeout="1s")
    road = prepare(road_on(cluster))
    captured(road)

    def is_invalid():
        road.sql("checkpoint")
        return road.sql("select invalidation_reason from pg_replication_slots where slot_name = %s", (road.slot,)).fetchone()[0]

    assert wait.until(is_invalid, 30, "the slot to be invalidated") == "idle_timeout"
    assert_gap(road, "PG_SLOT_LOST", "idle_timeout")


def test_a_table_that_left_the_publication_and_came_back_is_noticed(accounts):
    """The publication reads as before; what was written meanwhile is decoded by nobody."""
    captured(accounts)
    accounts.sql("alter publication leat_core drop table public.accounts")
    insert(accounts, 2)
    accounts.sql("alter publication leat_core add table public.accounts")
    failure = assert_gap(accounts, "PG_PUBLICATION_CHANGED", "public.accounts")
    assert "public.fence" not in failure.message
    before = n_events(accounts)
    gap = accept(accounts, 3)
    assert gap["from"] == gap["to"]
    assert n_events(accounts) == before + 1


def test_the_publication_is_compared_at_every_reconnect(accounts):
    capture = accounts.capture().wait_ready()
    insert_and_await(accounts, 2)
    accounts.sql("alter publication leat_core drop table public.accounts")
    accounts.sql("alter publication leat_core add table public.accounts")
    accounts.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s", (accounts.slot,))
    assert capture.wait_exit(30) == FATAL
    (failure,) = capture.log_events("worker_failed")
    assert failure["code"] == "PG_PUBLICATION_CHANGED"


ALTERED = {
    "made anew": (["drop publication leat_core", "create publication leat_core for table public.accounts, public.fence with (publish_via_partition_root)"], "made again"),
    "deletes left out for a while": (["alter publication leat_core set (publish = 'insert')", "alter publication leat_core set (publish = 'insert, update, delete, truncate')"], "reads as before"),
    "partitions by their own names": (["alter publication leat_core set (publish_via_partition_root = false)"], "partitions"),
}  # fmt: skip


@pytest.mark.parametrize("case", ALTERED)
def test_a_publication_that_left_something_out_is_noticed(accounts, case):
    statements, words = ALTERED[case]
    captured(accounts)
    for statement in statements:
        accounts.sql(statement)
    assert_gap(accounts, "PG_PUBLICATION_CHANGED", words)


def test_a_dropped_publication_can_be_made_anew(accounts):
    captured(accounts)
    accounts.sql("drop publication leat_core")
    insert(accounts, 2)
    assert_gap(accounts, "PG_PUBLICATION_MISSING", "what it left out meanwhile cannot be known")
    assert accept(accounts, 3)["why"] == "PG_PUBLICATION_MISSING"


def test_a_publication_may_grow(road):
    road.table("public.accounts", "id int primary key, v text")
    road.sql("create publication p for table public.accounts")
    path = road.configure(core={"postgresql": {"publication": "p"}})
    path.write_text(path.read_text().replace(json.dumps(["public.accounts", "public.fence"]), "[]"))
    captured(road)
    road.sql("create table public.later (id int primary key)")
    road.sql("alter publication p add table public.later")
    capture = road.capture(name="capture-again").wait_ready()
    (event,) = wait.until(lambda: capture.log_events("publication_widened"), 10, "the new table to be noticed")
    assert event["table"] == "later"
    insert_and_await(road, 5)


def test_a_restored_copy_of_the_server_is_not_taken_for_it(clusters, road_on):
    """Same identifier, same timeline, slot and publication; but its log ends before the ledger's."""
    cluster = clusters("16")
    road = prepare(road_on(cluster))
    captured(road)
    cluster.stop()
    copy = cluster.copy("copy")
    cluster.start()
    road.reconnect()
    capture = road.capture().wait_ready()
    first = road.slot_position("restart_lsn")

    def slot_moved():
        road.sql("checkpoint")
        insert_and_await(road, next(KEYS))
        return road.slot_position("restart_lsn") > first

    wait.until(slot_moved, 30, "the slot's restart position to move")
    assert capture.stop() == 0
    assert captured(road)
    cluster.stop()
    copy.port = cluster.port
    copy.start()
    road.reconnect()
    failure = assert_gap(road, "LEDGER_IDENTITY", "log ends at", "copy")
    assert road.worker("too-early", "capture", "core", "--accept-gap").wait_exit(30) == FATAL
    assert "pg_switch_wal" in road.workers[-1].log_events("worker_failed")[0]["error"], failure
    road.sql("create table filler (t text)")
    road.sql("select pg_switch_wal()")
    assert_gap(road, "LEDGER_IDENTITY", "would restart at", "restored copy")  # its log has passed the ledger's
    assert accept(road, 200)["why"] == "LEDGER_IDENTITY"


def test_another_server_is_not_taken_for_it(clusters, road_on):
    road = prepare(road_on(clusters("15")))
    captured(road)
    other = clusters("15", name="other", same_identity=False)
    with other.connect() as connection:
        connection.execute(f'create database "{road.database}"')
    with other.connect(road.database) as connection:
        connection.execute("create table public.accounts (id int primary key, v text)")
        connection.execute("create table public.fence (id bigint primary key)")
    road.configure(core={"postgresql": {"port": other.port}})
    assert_gap(road, "LEDGER_IDENTITY", "system identifier")
