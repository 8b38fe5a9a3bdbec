"""A server that is old: its object ids are beyond the middle of 32 bits, and its transaction ids begin again at 3."""

import subprocess

from bank import wait
from cluster import postgres
from test_snapshot import RowsWriter, capture_tiny, catches_up, copy_is_over, fill
from topic_replay import assert_replays

LAST_XID = 2**32 - 1
XIDS_LEFT = 150
FIRST_OID = 3_000_000_000
PG_RESETWAL = postgres.POSTGRES_BIN / "pg_resetwal"  # of 15


def freeze(cluster):
    """Nothing keeps a transaction id of its own: those of now will look as if they were still to come."""
    with cluster.connect() as connection:
        names = [row[0] for row in connection.execute("select datname from pg_database order by datname = 'postgres'")]
        connection.execute("update pg_database set datallowconn = true")
        for name in names:
            with cluster.connect(name) as other:
                other.execute("vacuum freeze")
        connection.execute("vacuum freeze pg_database")


def grow_old(cluster):
    freeze(cluster)
    cluster.stop()
    next_xid = LAST_XID - XIDS_LEFT
    segment = cluster.data / f"pg_xact/{next_xid >> 20:04X}"  # the status of a million transactions
    segment.write_bytes(bytes(1 << 18))
    owner = cluster.data / "PG_VERSION"
    subprocess.run(["chown", f"--reference={owner}", segment], check=True)
    words = [*postgres.as_database_user(), PG_RESETWAL, "-x", str(next_xid), "-o", str(FIRST_OID), "-D", cluster.data]
    words += ["-u", str(next_xid - 1000)]  # the oldest one: else the server takes what it would soon write for long over
    subprocess.run(words, check=True, capture_output=True, cwd=cluster.data)
    cluster.start()


def xid(road):
    return road.sql("select pg_current_xact_id()::text::bigint").fetchone()[0]


def test_object_ids_are_large_and_transaction_ids_begin_again(clusters, road_on):
    """Inside of many windows of a copy, of streamed transactions, and of one that is open meanwhile."""
    cluster = clusters("15", autovacuum="off", logical_decoding_work_mem="64kB")
    grow_old(cluster)
    road = road_on(cluster)
    road.sql("create type public.mood as enum ('sad', 'ok')")
    fill(road, "public.rows")
    road.table("public.moods", "id bigint primary key, m public.mood")
    road.sql("insert into public.moods values (1, 'sad')")
    (oid,) = road.sql("select 'public.mood'::regtype::oid::bigint").fetchone()
    assert oid >= FIRST_OID and xid(road) < LAST_XID
    worker = capture_tiny(road).wait_ready()
    rows = RowsWriter(road, "public.rows")
    with road.servers.postgres(road.database) as slow:
        slow.execute("insert into public.moods select g, 'ok' from generate_series(10, 2009) g")
        assert xid(road) < LAST_XID, "it begins before"
        rows.start()
        try:
            wait.until(lambda: xid(road) > 2**32 + 10, 60, "the transaction ids to begin again", poll_s=0.05)
            slow.execute("insert into public.moods values (2, 'ok')")
            slow.commit()
            wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
        finally:
            rows.stop()
    worker.kill()
    road.sql("update public.moods set m = 'ok'")
    worker.start().wait_ready()
    catches_up(road, "public.rows")
    assert len(worker.log_events("session_failed")) == 0, worker.tail()
    assert_replays(road, "public.rows")
    found = assert_replays(road, "public.moods")
    assert found.count("c") == 2001 and found.count("u") == 2002
