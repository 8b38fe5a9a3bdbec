"""Two workers of one name: the older one stops with a clear message, and the data stays right."""

import pytest
from test_snapshot import RowsWriter, fill

FENCED = 3


@pytest.fixture
def accounts(road):
    road.table("public.accounts", "id int primary key, v text")
    road.sql("insert into public.accounts select n, 'first' from generate_series(1, 100) n")
    road.configure()
    return road


def assert_fenced(worker, code):
    assert worker.wait_exit(60) == FENCED, worker.tail()
    (failure,) = worker.log_events("worker_failed")
    assert failure["code"] == code
    assert "took over" in failure["hint"]


def test_the_older_of_two_captures_stops(accounts):
    """The younger one waits for the slot and fences by Kafka, so the older one is out before it can write again."""
    older, _ = accounts.start()
    accounts.settle()
    younger = accounts.capture(name="capture-younger")
    accounts.sql("update public.accounts set v = 'while both run'")
    assert_fenced(older, "KAFKA_FENCED")
    younger.wait_ready()
    accounts.sql("delete from public.accounts where id < 10")
    accounts.check()


def test_the_older_of_two_document_captures_stops(road):
    collection = road.collection("items", [{"column": "name", "path": "name", "type": "string"}])
    road.configure()
    older, _ = road.start()
    road.settle()
    younger = road.capture("docs", name="capture-younger")
    younger.wait_ready()
    collection.insert_many({"_id": f"i{n}", "name": "while both run"} for n in range(20))
    assert_fenced(older, "KAFKA_FENCED")
    road.check()


def test_the_older_of_two_sinks_stops(accounts):
    _, older = accounts.start()
    accounts.settle()
    younger = accounts.sink(name="sink-younger").wait_ready()
    accounts.sql("update public.accounts set v = 'while both run'")
    accounts.settle()
    accounts.sql("update public.accounts set id = id + 1000 where id <= 5")
    assert_fenced(older, "SINK_FENCED")
    assert younger.is_alive()
    accounts.check()


def test_what_looks_beside_a_busy_capture_sees_nothing_wrong(road):
    """The slot moves between two looks, at the ledger and at the server: nobody but the capture moved it."""
    fill(road, "public.rows", 500)
    capture, _ = road.start()
    rows = RowsWriter(road, "public.rows")
    rows.start()
    try:
        for _ in range(10):
            looked = road.run("check")
            assert looked.returncode == 0, looked.stdout + looked.stderr
    finally:
        rows.stop()
    assert capture.is_alive()
    road.check()
