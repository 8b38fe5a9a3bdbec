"""SIGTERM, whatever a capture is doing: it ends soon and in order, and the next start goes on there."""

import pytest
from bank import wait
from test_connection import KafkaHeld
from test_snapshot import TINY, capture_tiny, catches_up, copy_is_over, fill, rows_copied
from test_transactions import ROWS, WORK_MEM, await_events, check_once_and_in_order, events, insert, spool_bytes
from topic_replay import assert_replays


def ends_and_goes_on(road, capture):
    assert capture.stop() == 0, capture.tail()
    assert capture.log_events("worker_ended"), capture.tail()
    return capture.start()


def test_a_stop_while_the_slot_is_made(road):
    """Which waits for every transaction that is open."""
    fill(road, "public.rows", 100)
    road.configure()
    query = "select 1 from pg_replication_slots where slot_name = %s and confirmed_flush_lsn is null"
    with road.servers.postgres(road.database) as busy:
        busy.execute("insert into public.rows values (1000, 0)")
        capture = road.capture()
        wait.until(lambda: road.sql(query, (road.slot,)).fetchone(), 30, lambda: f"a slot\n{capture.tail()}")
        ends_and_goes_on(road, capture)
    catches_up(road, "public.rows")
    assert assert_replays(road, "public.rows").count("r") == 101


def test_a_stop_in_the_middle_of_a_copy(road):
    fill(road, "public.rows")
    capture = capture_tiny(road, postgresql={"snapshot_max_bytes_per_s": "500KiB", "snapshot_window": "50ms"})
    wait.until(lambda: rows_copied(capture, road, "public.rows") > 300, 60, lambda: f"a part of the copy\n{capture.tail()}")
    assert capture.stop() == 0 and not capture.log_events("snapshot_done"), capture.tail()
    road.configure(core={"postgresql": TINY})
    capture.start()
    wait.until(lambda: copy_is_over(capture), 60, lambda: f"the copy's end\n{capture.tail()}", poll_s=0.2)
    catches_up(road, "public.rows")
    assert assert_replays(road, "public.rows").count("r") < 3000 + 400, "what was copied is not copied again"


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
def test_a_stop_inside_a_large_transaction(clusters, road_on, streaming):
    n_rows = 40000
    road = road_on(clusters("16", **WORK_MEM))
    road.table("public.rows", ROWS)
    road.configure(core={"batch_max_bytes": "64KiB", "postgresql": {"streaming": streaming}})
    capture, _ = road.start()
    with road.servers.postgres(road.database) as connection:
        insert(connection, 0, n_rows, 50)
    for _ in range(3):
        await_events(road, capture, 1)
        capture = ends_and_goes_on(road, capture).wait_ready()
    road.check()
    positions = check_once_and_in_order(events(road, "public.rows"))
    assert [minor for _, minor in positions] == list(range(n_rows))


def test_a_stop_while_transactions_are_open(clusters, road_on):
    """What was spooled of them comes again."""
    road = road_on(clusters("16", **WORK_MEM))
    road.table("public.rows", ROWS)
    capture, _ = road.start()
    with road.servers.postgres(road.database) as connection:
        insert(connection, 0, 2000)
        wait.until(lambda: spool_bytes(capture) > 0, 30, lambda: f"a streamed transaction\n{capture.tail()}")
        ends_and_goes_on(road, capture)
        insert(connection, 2000, 2000)
    road.check()
    assert len(check_once_and_in_order(events(road, "public.rows"))) == 4000


def test_a_stop_while_kafka_does_not_answer(clusters, road_on):
    road = road_on(clusters("16"))
    road.table("public.rows", ROWS)
    capture, _ = road.start()
    road.settle()
    with KafkaHeld(road.servers):
        insert(road.pg, 0, 100)
        capture.stop()  # in the time that a stop may take; what Kafka did not take is not confirmed
    capture.start()
    road.check()
    assert len(check_once_and_in_order(events(road, "public.rows"))) == 100


def test_a_stop_while_the_server_is_away(clusters, road_on):
    cluster = clusters("16")
    road = road_on(cluster)
    road.table("public.rows", ROWS)
    capture, _ = road.start()
    road.settle()
    road.pg.close()
    cluster.stop()
    wait.until(lambda: capture.state() == "waiting", 30, capture.tail)
    assert capture.stop() == 0
    cluster.start()
    road.reconnect()
    insert(road.pg, 0, 100)
    capture.start()
    road.check()
