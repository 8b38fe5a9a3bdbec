"""Commits that hang while tables are copied: they wait for a synchronous standby that nobody has, so they are in the log,
and decoded, and not visible to anybody yet."""

import threading

import pytest
from bank import wait
from test_snapshot import BODY, N_ROWS, TINY, RowsWriter, catches_up, copy_is_over, fill, rows_copied
from topic_replay import assert_replays

SLOW = TINY | {"snapshot_max_bytes_per_s": "1MiB", "snapshot_window": "50ms"}


class EvenRowsWriter(RowsWriter):
    """Leaves the odd rows to the transaction that hangs: its locks would hold this one up."""

    def pick(self):
        return self.rng.randrange(N_ROWS // 2) * 2


class Hanging:
    """Sessions whose commits do not end before release(). All others of the road's database commit at once."""

    def __init__(self, road):
        self.road = road
        self.sessions = []
        road.sql(f'alter database "{road.database}" set synchronous_commit = local')
        road.sql("set synchronous_commit = local")
        road.sql("alter system set synchronous_standby_names = 'nobody'")
        self.reload("nobody")

    def reload(self, expected):
        self.road.sql("select pg_reload_conf()")
        shown = lambda: self.road.sql("show synchronous_standby_names").fetchone()[0]  # noqa: E731
        wait.until(lambda: shown() == expected, 10, "the setting", poll_s=0.05)

    def commit(self, *statements):
        """One transaction; comes back when it is in the log and hangs."""
        connection = self.road.servers.postgres(self.road.database)
        connection.execute("set synchronous_commit = on")
        for statement in statements:
            connection.execute(statement)
        thread = threading.Thread(target=connection.commit)
        thread.start()
        self.sessions.append((thread, connection))
        wait.until(lambda: self.n_waiting() == len(self.sessions), 10, "a commit that waits", poll_s=0.05)

    def n_waiting(self):
        return self.road.sql("select count(*) from pg_stat_activity where wait_event = 'SyncRep'").fetchone()[0]

    def release(self):
        """Who waits goes on when nobody has to be waited for any more."""
        self.road.sql("alter system reset synchronous_standby_names")
        self.reload("")
        for thread, connection in self.sessions:
            thread.join()
            connection.close()
        self.sessions.clear()


@pytest.fixture
def hanging(road):
    made = Hanging(road)
    try:
        yield made
    finally:
        made.release()


def holds_at_a_row(worker):
    """The stream does, at a partial update, until its transaction is visible."""
    return "row" in [line["what"] for line in worker.log_events("snapshot_waits_for_transactions")]


def waits_for(road, xid):
    """Somebody does who makes a slot: for the end of a transaction."""
    query = "select 1 from pg_locks where locktype = 'transactionid' and transactionid = %s::text::xid and not granted"
    return road.sql(query, (str(xid),)).fetchone()


def ends_whole(road, worker):
    wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    catches_up(road, "public.rows")
    topic = assert_replays(road, "public.rows")
    road.check("public.rows")
    return topic


def n_moved_to_the_front(road):
    query = "select count(*) from public.rows where n > 0 and id % 2 = 1 and big <> '' and (ctid::text::point)[0] < 20"
    return road.sql(query).fetchone()[0]


@pytest.mark.chunks
def test_a_hanging_commit_in_the_middle_of_the_copy_arrives_whole(road, hanging):
    """Partial updates, changes of keys and deletes; rows move from blocks that are not copied to the room in the first
    ones, which are. The capture is killed while it waits for the values that did not travel."""
    fill(road, "public.rows")
    road.sql("delete from public.rows where id < 1000 and id % 4 <> 0")
    road.sql("vacuum public.rows")
    road.configure(core={"postgresql": SLOW}, top={"log_level": "debug"})
    rows = EvenRowsWriter(road, "public.rows", per_second=100)
    worker = road.capture()
    road.sink()
    rows.start()
    try:
        wait.until(lambda: rows_copied(worker, road, "public.rows") > 600, 60, "a part of the copy", poll_s=0.05)
        assert not copy_is_over(worker)
        road.sql("update public.rows set n = n + 1 where id % 2 = 1 and id % 5 = 0")
        hanging.commit(
            "update public.rows set n = n + 1 where id % 2 = 1 and id % 3 = 0 and id > 2000",
            "update public.rows set id = id + 1000000 where id % 14 = 1",
            "update public.rows set n = n + 1 where id > 1000000",
            "update public.rows set id = id + 1000000 where id % 10 = 7 and id > 1000000",
            "delete from public.rows where id % 22 = 3 or id = 1000015",
            "update public.rows set big = repeat('w', 3000) where id % 26 = 5",
            "update public.rows set n = -1 where id % 26 = 5",
            "insert into public.rows select g, 0, 'new', repeat('i', 4000) from generate_series(3000001, 3000050) g",
            "update public.rows set n = -2 where id between 3000001 and 3000050",
        )
        wait.until(lambda: holds_at_a_row(worker), 30, worker.tail)
        assert road.sql("select count(*) from public.rows where id >= 3000001").fetchone()[0] == 0, "nobody sees it"
        assert not copy_is_over(worker)
        worker.kill()
        worker.start().wait_ready()
        hanging.release()
    finally:
        rows.stop()
    assert n_moved_to_the_front(road) > 10
    ends_whole(road, worker)


@pytest.mark.parametrize("window", [pytest.param("later", marks=pytest.mark.chunks), "first"])
def test_a_commit_that_hangs_while_a_window_opens_is_not_lost(road, hanging, window):
    """It begins and commits after the server has counted who is to be waited for, and before the window's point: the
    exported snapshot sees it, nobody else does."""
    fill(road, "public.rows", 300)
    road.configure(core={"postgresql": SLOW | {"snapshot_max_bytes_per_s": "100KiB"}})
    early, late = (road.servers.postgres(road.database) for _ in range(2))
    (early_xid,) = early.execute("select pg_current_xact_id()").fetchone()
    road.sink()
    if window == "first":
        worker = road.capture()
    else:
        early.rollback()
        worker = road.capture()
        wait.until(lambda: rows_copied(worker, road, "public.rows") > 0, 60, "a part of the copy", poll_s=0.02)
        (early_xid,) = early.execute("select pg_current_xact_id()").fetchone()
    wait.until(lambda: waits_for(road, early_xid), 30, worker.tail, poll_s=0.02)
    (late_xid,) = late.execute("select pg_current_xact_id()").fetchone()
    early.rollback()
    wait.until(lambda: waits_for(road, late_xid), 30, worker.tail, poll_s=0.02)
    copied_before = rows_copied(worker, road, "public.rows")
    hanging.commit(
        "insert into public.rows values (1000, 0, 'hung', repeat('b', 5000))",
        "update public.rows set n = 9 where id % 3 = 0",
        "delete from public.rows where id % 7 = 0",
    )
    late.rollback()
    query = "select 1 from pg_replication_slots where temporary = %s and database = %s and confirmed_flush_lsn is not null"
    wait.until(
        lambda: road.sql(query, (window == "later", road.database)).fetchone(), 30, lambda: f"the point\n{worker.tail()}",
        poll_s=0.02,
    )  # fmt: skip
    assert rows_copied(worker, road, "public.rows") == copied_before, "no window is open"
    hanging.release()
    ends_whole(road, worker)
    early.close()
    late.close()
