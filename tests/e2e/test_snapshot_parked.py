"""A table that cannot be copied waits with its error; the others, and the stream, go on without it."""

import json

import pytest
from bank import wait
from test_snapshot import capture_tiny, catches_up, copy_is_over, fill
from topic_replay import assert_replays

N_ROWS = 90
WORDS = {
    "public.forbidden": "permission denied",
    "public.hidden": "row-level security",
    "public.torn": "invalid internal value",
    "public.locked": "lock timeout",
}


@pytest.fixture
def restricted(clusters, road_on):
    """A road whose capture logs in as a role that is no superuser, and tables that it cannot read, each in its way."""
    road = road_on(clusters("17"))
    road.sql("create role reader login replication password 'r'")
    for table in ("public.good", *WORDS):
        fill(road, table, N_ROWS)
        road.sql(f"grant select on {table} to reader")
    road.sql("create type public.mood as enum ('whole', 'torn')")
    road.sql("alter table public.torn add mood public.mood default 'whole'")
    road.sql("update public.torn set mood = 'torn' where id = %s", (N_ROWS - 1,))
    road.sql("create table public.fence (id bigint primary key)")
    road.tables["public.fence"] = ("id",)
    road.sql("grant select on public.fence to reader")
    road.sql(f"create publication leat_core for table {', '.join(road.tables)}")
    road.configure(core={"postgresql": {"user": "reader", "password": "r"}})
    return road


def spoil(road):
    road.sql("alter table public.hidden enable row level security")
    road.sql("create policy even on public.hidden to reader using (id % 2 = 0)")
    road.sql("create table public.saved as select * from pg_enum where enumlabel = 'torn'")
    road.sql("delete from pg_enum where enumlabel = 'torn'")


def mend(road):
    road.sql("grant select on public.forbidden to reader")
    road.sql("alter role reader bypassrls")
    road.sql("insert into pg_enum select * from public.saved")


def parked(road):
    answer = road.run("status", "--json")
    assert answer.returncode == 0, answer.stderr
    tables = json.loads(answer.stdout)["sources"][0]["copy"]["tables"]
    return {table["table"]: table["error"] for table in tables if table["state"] == "parked"}


@pytest.mark.long
def test_what_keeps_one_table_from_being_copied_keeps_no_other(restricted):
    """Updates of those tables go on, and what they do not carry is not to be had either. The lock comes while a window is
    open: the next one waits for who holds it."""
    road = restricted
    spoil(road)
    slow = {"snapshot_window": "20s", "snapshot_max_bytes_per_s": "100KiB", "snapshot_connections": 1}
    worker = capture_tiny(road, postgresql=slow | {"user": "reader", "password": "r"})
    wait.until(lambda: worker.log_events("snapshot_started"), 60, worker.tail, poll_s=0.02)
    with road.servers.postgres(road.database) as holder:
        road.sql("revoke select on public.forbidden from reader")  # at the start it would be refused
        holder.execute("lock table public.locked in access exclusive mode")
        wait.until(lambda: parked(road).keys() == WORDS.keys(), 60, lambda: f"all of them parked\n{worker.tail()}")
        for table in WORDS.keys() - {"public.locked"}:
            road.sql(f"update {table} set n = n + 1 where id < 30")
        catches_up(road, "public.good")
        assert assert_replays(road, "public.good").count("r") == N_ROWS
        for table, error in parked(road).items():
            assert WORDS[table] in error, (table, error)
        assert worker.metric("leat_capture_snapshot_tables", "core", "parked") == len(WORDS)
    mend(road)
    wait.until(lambda: copy_is_over(worker), 90, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.3)
    catches_up(road, "public.good")
    for table in road.tables:
        assert_replays(road, table)
    assert not worker.log_events("session_failed")


def test_a_value_that_cannot_be_read_begins_its_tables_copy_again(restricted):
    """Half of the table was copied when the right was taken away; updates move rows there that are not read any more."""
    road = restricted
    fill(road, "public.rows", 600)
    road.sql("delete from public.rows where id < 200 and id % 4 <> 0")
    road.sql("vacuum public.rows")
    road.sql("grant select on public.rows to reader")
    road.sql("alter publication leat_core add table public.rows")
    settings = {"user": "reader", "password": "r", "snapshot_max_bytes_per_s": "200KiB", "snapshot_window": "50ms"}
    worker = capture_tiny(road, postgresql=settings)
    wait.until(lambda: worker.metric("leat_capture_snapshot_rows_total", f"{road.prefix}.public.rows") > 60, 60, worker.tail, poll_s=0.02)
    assert not copy_is_over(worker)
    road.sql("begin")
    road.sql("revoke select on public.rows from reader")
    road.sql("update public.rows set n = n + 1, pad = repeat('y', 220) where id > 300")
    road.sql("commit")
    wait.until(lambda: "public.rows" in parked(road), 60, worker.tail)
    catches_up(road, "public.good")
    road.sql("grant select on public.rows to reader")
    wait.until(lambda: copy_is_over(worker), 90, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.3)
    catches_up(road, "public.rows")
    assert_replays(road, "public.rows")
    assert not worker.log_events("session_failed")
