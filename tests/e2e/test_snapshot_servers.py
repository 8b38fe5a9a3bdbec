"""The copy from servers that are not like the stack's: versions without scans of a range of blocks, standbys."""

import contextlib
import threading

import pytest
from bank import wait
from test_failover import await_replayed, current, pair
from test_snapshot import TINY, RowsWriter, capture_tiny, catches_up, copy_is_over, fill
from topic_replay import assert_replays

CALLS_S = 3  # between two pg_log_standby_snapshot(), which a primary does by itself every 15 s


def rows_read(road, table):
    """By scans of the whole table and of ranges of its blocks."""
    return road.sql("select seq_tup_read from pg_stat_user_tables where relid = %s::regclass", (table,)).fetchone()[0]


@pytest.mark.parametrize("major", ["13", pytest.param("14", marks=pytest.mark.long), pytest.param("18", marks=pytest.mark.long)])
def test_a_copy_reads_each_row_once_from_version(clusters, road_on, major):
    """Before 14 a table is one chunk: no scan of the whole table for each of its parts."""
    road = road_on(clusters(major))
    fill(road, "public.rows")
    road.table("public.still", "id bigint primary key, pad text")
    road.sql("insert into public.still select g, repeat('s', 500) from generate_series(1, 2000) g")
    before = rows_read(road, "public.still")
    road.configure()
    rows = RowsWriter(road, "public.rows")
    rows.start()
    try:
        worker = capture_tiny(road, postgresql={"snapshot_max_bytes_per_s": "3MiB"})
        wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.3)
    finally:
        rows.stop()
    (started,) = worker.log_events("snapshot_started")
    assert started["chunks"] == 3 if major == "13" else started["chunks"] > 50
    assert worker.stop() == 0
    wait.until(lambda: rows_read(road, "public.still") - before >= 2000, 20, "the server's statistics")
    assert rows_read(road, "public.still") - before == 2000
    worker.start()
    catches_up(road, "public.rows")
    assert_replays(road, "public.rows")
    assert assert_replays(road, "public.still").count("r") == 2000


@contextlib.contextmanager
def called_every(seconds, cluster):
    """pg_log_standby_snapshot() on the primary, again and again."""
    over = threading.Event()

    def call():
        with cluster.connect() as connection:
            while not over.wait(seconds):
                connection.execute("select pg_log_standby_snapshot()")

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def from_standby(clusters, road_on, major="16"):
    """(primary, road whose capture reads the standby), with rows in public.rows."""
    primary, standby = pair(clusters, major)
    road = road_on(primary)
    fill(road, "public.rows")
    road.sql("create table public.fence (id bigint primary key)")
    road.tables["public.fence"] = ("id",)
    road.sql("create publication leat_core for table public.rows, public.fence")
    await_replayed(standby, current(primary))
    settings = TINY | {"port": standby.port, "snapshot_chunk": "400KiB", "snapshot_window": "1s", "snapshot_connections": 1}
    road.configure(core={"postgresql": settings | {"snapshot_max_bytes_per_s": "1MiB"}}, top={"log_level": "debug"})
    return primary, road


@pytest.mark.long
def test_a_copy_from_a_standby_ends_while_its_primary_is_written_to(clusters, road_on):
    """A window's point is where the primary says which transactions run: seldom, and long before it the stream has been
    held for as long as snapshot_window allows."""
    primary, road = from_standby(clusters, road_on)
    rows = RowsWriter(road, "public.rows")
    rows.start()
    try:
        with called_every(CALLS_S, primary):
            worker = road.capture()
            wait.until(lambda: copy_is_over(worker), 90, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.3)
    finally:
        rows.stop()
    assert len(worker.log_events("snapshot_window_closed")) >= 2
    assert not worker.metrics("leat_capture_snapshot_windows_missed_total")
    catches_up(road, "public.rows")
    assert_replays(road, "public.rows")


@pytest.mark.long
def test_a_copy_from_a_standby_says_what_it_waits_for(clusters, road_on):
    """A primary at rest logs nothing by itself: with one word from somebody each window opens, after a kill, too."""
    primary, road = from_standby(clusters, road_on)
    worker = road.capture()

    def says():
        return worker.log_events("snapshot_waits_for_primary")

    wait.until(says, 60, worker.tail)
    assert "pg_log_standby_snapshot()" in says()[0]["hint"]
    worker.kill()
    worker.start()
    with called_every(0.2, primary):
        wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.3)
    catches_up(road, "public.rows")
    assert_replays(road, "public.rows")
