"""leat snapshot and leat status: tables are copied again beside the stream, some rows of them, or no more; and a source
whose slot is gone is copied anew as a whole."""

import json

import confluent_kafka
import pytest
from bank import compare, wait
from test_snapshot import RowsWriter, capture_tiny, catches_up, fill
from topic_replay import Topic, assert_replays

USAGE = 2
FATAL = 1
N_ROWS = 3000
SLOW = {"postgresql": {"snapshot_max_bytes_per_s": "100KiB", "snapshot_window": "50ms"}}


def last_state(road):
    last = compare.read_committed(road.servers, f"{road.prefix}.leat.ledger.core")[-1]
    return json.loads(last.value())["state"]


def copy_state(road):
    """What the ledger says of the copy."""
    return last_state(road).get("copy", {})


def copy_is_over(road):
    state = copy_state(road)
    return "next_request" in state and not state.get("queue") and not state.get("tables")


def copied(road, **settings):
    """A capture that streams, its first copy done."""
    worker = capture_tiny(road, **settings).wait_ready()
    wait.until(lambda: copy_is_over(road), 60, lambda: f"the first copy\n{worker.tail()}", poll_s=0.2)
    return worker


def ask(road, *words):
    answer = road.run("snapshot", "core", *words)
    assert answer.returncode == 0, answer.stderr
    assert "leat status core" in answer.stdout
    return answer


def await_requests(road, worker, n):
    """Until so many were taken, and what they asked for is copied. The ledger hears of it before the heartbeat."""
    wait.until(
        lambda: copy_state(road)["next_request"] == n and copy_is_over(road), 60,
        lambda: f"request {n} done\n{worker.tail()}", poll_s=0.2,
    )  # fmt: skip


def status(road, *words):
    answer = road.run("status", *words, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)["sources"]


def ids(topic, op):
    return [event["after"]["id"] for _, event, _ in topic.events() if event["op"] == op]


def test_a_table_is_copied_again_while_it_is_written_to(road):
    fill(road, "public.rows")
    road.table("public.other", "id int primary key")
    road.sql("insert into public.other select generate_series(1, 10)")
    worker = copied(road)
    before = Topic(road, "public.rows").count("r")
    rows = RowsWriter(road, "public.rows")
    rows.start()
    try:
        ask(road, "public.rows")
        await_requests(road, worker, 1)
    finally:
        rows.stop()
    catches_up(road, "public.rows")
    topic = assert_replays(road, "public.rows")
    assert topic.count("r") - before > N_ROWS // 2, "every row that was not deleted"
    assert Topic(road, "public.other").count("r") == 10, "nobody asked for it again"
    (taken,) = worker.log_events("request_taken")
    assert taken["kind"] == "snapshot"


def test_some_rows_no_rows_and_what_cannot_be(road):
    fill(road, "public.rows")
    road.table("public.quiet", "id int primary key")
    worker = copied(road, heartbeat_interval="10m")
    before = Topic(road, "public.rows").count("r")
    ask(road, "public.rows", "--where", "id % 100 = 7 -- a comment")
    await_requests(road, worker, 1)
    again = ids(Topic(road, "public.rows"), "r")[before:]
    assert sorted(again) == list(range(7, N_ROWS, 100))

    ask(road, "public.rows", "--where", "nothing = 1")
    ask(road, "public.rows", "--where", "true); delete from public.rows; --")
    await_requests(road, worker, 3)
    refused = worker.log_events("request_refused")
    assert [line["code"] for line in refused] == ["REQUEST_REFUSED"] * 2
    assert '"nothing" does not exist' in refused[0]["error"]

    answer = road.run("snapshot", "core", "public.nobody")
    assert answer.returncode == USAGE
    assert 'table public.nobody is not captured by source "core"' in answer.stderr
    write_request(road, {"v": 1, "kind": "snapshot", "id": "x", "requested_us": 0, "all": False, "tables": ["public.nobody"]})
    write_request(road, "not a request")
    await_requests(road, worker, 5)
    assert "public.nobody is not captured" in worker.log_events("request_refused")[2]["error"]
    assert worker.log_events("request_refused")[3]["offset"] == 4
    catches_up(road, "public.rows")
    assert_replays(road, "public.rows")


def write_request(road, request):
    """As somebody else would."""
    producer = confluent_kafka.Producer({"bootstrap.servers": road.servers.env["KAFKA_BROKERS"]})
    producer.produce(f"{road.prefix}.leat.requests.core", json.dumps(request).encode())
    assert producer.flush(30) == 0


@pytest.mark.chunks
def test_a_copy_is_shown_and_cancelled(road):
    fill(road, "public.rows")
    road.table("public.more", "id int primary key")
    road.configure()
    worker = capture_tiny(road, **SLOW).wait_ready()
    wait.until(lambda: Topic(road, "public.rows").count("r") > 100, 60, "a part of the copy", poll_s=0.2)

    (core,) = status(road, "core")
    assert core["slot"]["active"] and core["slot"]["wal_status"] == "reserved" and core["away"] is None
    assert core["snapshot"] == "done" and core["requests_unread"] == 0
    tables = {table["table"]: table for table in core["copy"]["tables"]}
    assert tables["public.rows"]["state"] == "under_way"
    assert 0 < tables["public.rows"]["chunks_done"] < tables["public.rows"]["chunks"]
    assert 0 < core["copy"]["rows"] < N_ROWS
    assert core["copy"]["left_s"] > 0
    text = road.run("status").stdout
    assert text.startswith("core (postgresql)\n  ledger    snapshot, cut, position ")
    assert f"  slot      {road.slot}, active, confirmed " in text
    assert "public.rows " in text and " under_way " in text
    assert "  time left about " in text

    ask(road, "--cancel", "public.rows")
    await_requests(road, worker, 1)
    assert Topic(road, "public.rows").count("r") < N_ROWS
    assert worker.stop() == 0
    worker.start().wait_ready()
    road.sql("insert into public.rows values (-1, 0)")
    wait.until(lambda: -1 in ids(Topic(road, "public.rows"), "c"), 60, "the row in its topic", poll_s=0.3)
    assert copy_is_over(road), "a cancelled copy is not taken up again"
    assert "copy      nothing to copy" in road.run("status", "core").stdout


def test_a_condition_that_fails_parks_its_table_and_nothing_else(road):
    fill(road, "public.rows", 100)
    road.table("public.other", "id int primary key")
    road.sql("insert into public.other select generate_series(1, 10)")
    worker = copied(road)
    ask(road, "public.rows", "--where", "1 / (id - 50) > 7")
    ask(road, "public.other")
    wait.until(lambda: Topic(road, "public.other").count("r") == 20, 30, "the other table", poll_s=0.2)
    catches_up(road, "public.rows")
    wait.until(lambda: status(road)[0]["copy"]["tables_parked"] == 1, 30, lambda: f"a parked table\n{worker.tail()}")
    (parked,) = status(road)[0]["copy"]["tables"]
    assert (parked["table"], parked["state"]) == ("public.rows", "parked")
    assert "division by zero" in parked["error"]
    assert "division by zero" in road.run("status").stdout
    worker.kill()
    worker.start().wait_ready()
    catches_up(road, "public.rows")
    wait.until(lambda: worker.log_events("snapshot_table_parked"), 30, lambda: f"parked again\n{worker.tail()}")
    ask(road, "--cancel")
    await_requests(road, worker, 3)
    assert status(road)[0]["copy"]["tables"] == []


def test_a_table_that_joined_the_publication_is_copied_when_it_is_named(road):
    road.sql("create table public.late (id int primary key)")
    road.sql("insert into public.late values (1), (2)")
    road.table("public.fence", "id bigint primary key")
    road.sql(f"create publication {road.slot} for table public.fence")
    road.tables["public.late"] = ("id",)
    road.configure(core={"postgresql": {"tables": [], "publication": road.slot}})
    worker = road.capture().wait_ready()
    wait.until(lambda: copy_is_over(road), 60, lambda: f"the first copy\n{worker.tail()}", poll_s=0.2)
    assert road.run("snapshot", "core", "public.late").returncode == USAGE
    road.sql(f"alter publication {road.slot} add table public.late")
    ask(road, "public.late")
    await_requests(road, worker, 1)
    catches_up(road, "public.late")
    assert ids(Topic(road, "public.late"), "r") == [1, 2]


def test_a_request_waits_for_the_capture(road):
    fill(road, "public.rows", 100)
    worker = copied(road)
    assert worker.stop() == 0
    ask(road, "public.rows")
    (core,) = status(road)
    assert core["requests_unread"] == 1 and not core["slot"]["active"]
    assert core["requests_wait_for"].startswith("a capture that runs")
    assert "requests  1 not read yet, they wait for a capture that runs" in road.run("status").stdout
    worker.start().wait_ready()
    await_requests(road, worker, 1)
    assert Topic(road, "public.rows").count("r") == 200
    assert status(road)[0]["requests_unread"] == 0 and status(road)[0]["requests_wait_for"] is None


def test_a_request_is_taken_while_a_window_is_open(road):
    """What is cancelled ends in the middle of its chunk; what is asked for is copied in the next window."""
    fill(road, "public.rows")
    road.table("public.other", "id int primary key")
    road.sql("insert into public.other select generate_series(1, 10)")
    worker = copied(road)
    assert worker.stop() == 0
    one_chunk = {"snapshot_max_bytes_per_s": "20KiB", "snapshot_window": "1h", "snapshot_chunk": "64MiB"}
    road.configure(core={"postgresql": one_chunk}, top={"log_level": "debug"})
    worker.start().wait_ready()
    before = Topic(road, "public.rows").count("r")
    ask(road, "public.rows")
    wait.until(lambda: Topic(road, "public.rows").count("r") > before, 60, lambda: f"some rows\n{worker.tail()}", poll_s=0.2)
    ask(road, "public.other")
    ask(road, "--cancel", "public.rows")
    await_requests(road, worker, 3)
    assert Topic(road, "public.rows").count("r") < before + N_ROWS
    assert Topic(road, "public.other").count("r") == 20
    assert not worker.log_events("session_failed")
    road.sql("update public.rows set n = 1")
    catches_up(road, "public.rows")
    assert_replays(road, "public.rows")


LOSSES = {
    "PG_SLOT_MISSING": "select pg_drop_replication_slot(%s)",
    "PG_SLOT_LOST": "select pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())",
    "PG_PUBLICATION_MISSING": "drop publication leat_core",
}


@pytest.mark.parametrize(
    "code", ["PG_SLOT_MISSING", "PG_SLOT_LOST", pytest.param("PG_PUBLICATION_MISSING", marks=pytest.mark.long)]
)
def test_what_is_lost_has_two_exits_and_a_copy_of_all_is_one(road, code):
    fill(road, "public.rows", 300)
    road.table("public.empty", "id int primary key")
    road.configure()
    road.sql("insert into public.empty values (1)")
    worker, _ = road.start()
    road.check()
    assert worker.stop() == 0
    road.sql("delete from public.rows where id % 3 = 0")
    road.sql("update public.rows set n = 7, id = -id where id % 3 = 1 and id > 100")
    road.sql("truncate public.empty")
    road.sql(LOSSES[code], (road.slot,) if "%s" in LOSSES[code] else None)
    failure = road.fails("capture", "core")
    assert (failure.exit_code, failure.code) == (FATAL, code)
    for way in ("leat snapshot SOURCE --all", "leat capture SOURCE --accept-gap"):
        assert way in failure.hint
    road.workers.pop()
    slot = status(road)[0]["slot"]
    assert slot["exists"] == (code != "PG_SLOT_MISSING") and not slot.get("active")

    ask(road, "--all")
    worker = road.capture(name="capture-again").wait_ready()
    road.check()
    assert worker.log_events("starts_over")[0]["code"] == code
    assert Topic(road, "public.rows").count("t") == 1 and Topic(road, "public.empty").count("t") == 1
    assert_replays(road, "public.rows")
    assert copy_state(road)["next_request"] == 1, "it is not taken a second time"
    assert worker.stop() == 0
    worker.start().wait_ready()
    road.sql("insert into public.rows values (9999, 0)")
    road.check()
    assert Topic(road, "public.rows").count("t") == 1


def test_what_a_copy_of_all_began_with_survives_a_kill_before_its_slot(road):
    """The ledger promised it: the truncates come, also when the copy goes on under another slot's name."""
    fill(road, "public.rows", 100)
    worker = copied(road)
    assert worker.stop() == 0
    road.sql("select pg_drop_replication_slot(%s)", (road.slot,))
    road.sql("delete from public.rows where id < 50")
    ask(road, "--all")
    with road.servers.postgres(road.database) as busy:
        busy.execute("insert into public.fence values (-1)")  # a slot is made when this has ended
        worker.start()
        wait.until(
            lambda: last_state(road).get("snapshot") == "copying", 30, lambda: f"the announcement\n{worker.tail()}"
        )
        worker.kill()
    other = f"{road.slot[:50]}_other"
    road.configure(core={"postgresql": {"slot": other}})
    assert road.fails("capture", "core").code == "LEDGER_IDENTITY"
    assert road.fails("capture", "core", "--accept-gap").code == "LEDGER_IDENTITY"
    road.workers.clear()
    ask(road, "--all")
    again = road.capture(name="capture-other").wait_ready()
    try:
        await_requests(road, again, 2)
        assert_replays(road, "public.rows")
        assert Topic(road, "public.rows").count("t") == 1
    finally:
        assert again.stop() == 0
        road.sql("select pg_drop_replication_slot(%s)", (other,))


def test_a_source_that_is_away_is_said_to_be(road):
    fill(road, "public.rows", 10)
    road.configure(core={"postgresql": {"port": 1}}, file="away.yaml")
    answer = road.run("status", config=road.folder / "away.yaml")
    assert answer.returncode == 0, answer.stderr
    assert "ledger    empty" in answer.stdout and "server    away: " in answer.stdout
    road.collection("papers", [{"column": "n", "path": "n", "type": "int"}])
    road.configure()
    answer = road.run("snapshot", "docs", "--all")
    assert answer.returncode == USAGE
    assert answer.stderr.startswith("leat: snapshot is for sources of type postgresql, docs is not one\n")
    assert status(road, "docs") == [{"source": "docs", "type": "documentdb", "ledger": None}]
