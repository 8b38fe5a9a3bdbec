"""A row that the warehouse cannot hold is rejected, and so is every later change of it that needs the row there; all
others go on."""

import random

import pytest
from bank import compare, wait

TOO_LONG = 100_000  # bytes; a column of the warehouse takes 65,535
TABLE = "public.papers"


def text(size, seed):
    """Random, so that compression does not bring it back into the row."""
    return "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size))


@pytest.fixture
def papers(road):
    """public.papers with row 1, which never reached the warehouse: its body is too long. Row 2 is there."""
    road.table(TABLE, "id int primary key, body text, notes text, state text")
    for column in ("body", "notes"):
        road.sql(f"alter table {TABLE} alter column {column} set storage external")
    road.configure()
    road.start()
    road.settle()
    write(road, 1, TOO_LONG)
    write(road, 2, 50_000)
    road.settle()
    (reject,) = rejects(road)
    assert (reject["code"], reject["key"]) == ("VALUE_TOO_LONG", "1")
    assert missing(road) == [1]
    return road


def write(road, number, size):
    road.sql(f"insert into {TABLE} values (%s, %s, %s, 'first')", (number, text(size, number), text(10_000, -number)))


def rejects(road):
    """By position, the same reject written twice once."""
    topic = f"{road.prefix}.{TABLE}"
    return sorted(compare.read_rejects(road.servers, road.prefix, topic), key=lambda reject: reject["pos"])


def missing(road):
    """Keys that the warehouse lacks; all else must be equal."""
    found = road.compare(TABLE)
    assert not (found.extra or found.duplicates or found.differing), str(found)
    return found.missing


def lives(road):
    capture, sink = road.workers
    assert capture.is_alive() and sink.is_alive(), road.why_not_settled()
    assert len(sink.log_events("sink_started")) == 1
    return sink


def test_an_update_of_a_rejected_row_is_rejected_and_the_rest_goes_on(papers):
    papers.sql(f"update {TABLE} set state = 'second'")  # body and notes do not travel, of row 2 neither
    write(papers, 3, 1_000)
    papers.settle()
    assert missing(papers) == [1]
    _, reject = rejects(papers)
    assert (reject["code"], reject["key"], reject["stage"], reject["source"]) == ("ROW_MISSING", "1", "sink", "core")
    assert "papers" in reject["message"]
    assert reject["record"] == {"id": "1", "state": "second"}
    sink = lives(papers)
    assert sink.metric("leat_sink_rejects_total", "papers", "ROW_MISSING") == 1
    assert sink.metrics("leat_sink_retries_total") == {}

    papers.sql(f"update {TABLE} set state = null")
    papers.settle()
    assert rejects(papers)[2]["record"] == {"id": "1", "state": None}
    papers.sql(f"update {TABLE} set body = 'short', notes = 'short' where id = 1")  # now all of it travels
    papers.check()
    papers.sql(f"update {TABLE} set state = 'third'")
    papers.check()
    assert len(rejects(papers)) == 3
    lives(papers)


def test_a_rejected_row_in_the_batch_of_its_update(papers):
    with papers.pg.transaction():
        write(papers, 4, TOO_LONG)
        papers.sql(f"update {TABLE} set state = 'a \"quoted\"\n\\ state ñ' where id = 4")
        write(papers, 5, 60_000)
        papers.sql(f"update {TABLE} set state = 'second' where id = 5")
    papers.settle()
    assert missing(papers) == [1, 4]
    _, inserted, updated = rejects(papers)
    assert (inserted["code"], updated["code"]) == ("VALUE_TOO_LONG", "ROW_MISSING")
    assert updated["record"] == {"id": "4", "state": 'a "quoted"\n\\ state ñ'}
    assert updated["pos"] > inserted["pos"]
    lives(papers)


def test_a_rejected_row_that_takes_the_key_of_a_deleted_one(papers):
    """The deleted row goes, although what stands in its place now is not there."""
    with papers.pg.transaction():
        papers.sql(f"delete from {TABLE} where id = 2")
        papers.sql(f"update {TABLE} set id = 2 where id = 1")
    papers.settle()
    assert missing(papers) == [2]
    assert [reject["key"] for reject in rejects(papers)] == ["1", "2"]
    papers.sql(f"delete from {TABLE} where id = 2")
    papers.check()
    lives(papers)


def test_many_rejected_rows_are_updated_at_once(papers):
    n = 3_000
    with papers.pg.transaction():
        papers.sql(
            f"insert into {TABLE} select n, repeat('x', {TOO_LONG}), 'n', 'first' from generate_series(10, {9 + n}) n"
        )
    papers.settle(120)
    papers.sql(f"update {TABLE} set state = 'second'")
    papers.settle(120)
    updated = [reject for reject in rejects(papers) if reject["code"] == "ROW_MISSING"]
    assert {int(reject["key"]) for reject in updated} == {1, *range(10, 10 + n)}
    assert len(missing(papers)) == 1 + n
    lives(papers)


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "^COMMIT", "action": "drop_before"},
        {"match": "^COMMIT", "action": "drop_after"},
        {"match": "^SELECT .*_leat_keep", "action": "error", "message": "1023"},
        {"match": "^SELECT .*_leat_keep", "action": "drop_after"},
        {"match": "^UPDATE .*_leat_op", "action": "drop_after"},
    ],
    ids=["lost before commit", "lost after commit", "1023 when read", "lost when read", "lost when left out"],
)
def test_a_transaction_that_fails_does_not_double_rejects(papers, fault):
    (rule,) = papers.servers.control("POST", "/faults", fault)
    papers.sql(f"update {TABLE} set state = 'second'")
    papers.settle()
    assert rule["id"] in {known["id"] for known in papers.servers.control("GET", "/faults") if known["fired"] == 1}
    assert missing(papers) == [1]
    assert [reject["code"] for reject in rejects(papers)] == ["VALUE_TOO_LONG", "ROW_MISSING"]
    lives(papers)


def test_kafka_is_away_when_an_update_is_rejected(papers):
    """What cannot be kept is not passed: the batch waits for Kafka."""
    sink = papers.workers[1]
    papers.servers.control("POST", "/faults", {"match": "^UPDATE \"_leat_stage", "action": "stall"})
    papers.sql(f"update {TABLE} set state = 'second'")
    wait.until(
        lambda: any(fault["fired"] for fault in papers.servers.control("GET", "/faults")), 60, papers.why_not_settled
    )
    papers.servers.stack("stop", "kafka", kill=True)
    try:
        papers.servers.control("DELETE", "/faults")
        wait.until(lambda: sink.metrics("leat_sink_retries_total"), 120, papers.why_not_settled)
        assert [row["state"] for row in papers.rows("papers")] == ["first"], "nothing of the batch is committed"
    finally:
        papers.servers.stack("start", "kafka")
    papers.settle(120)
    assert missing(papers) == [1]
    assert [reject["code"] for reject in rejects(papers)] == ["VALUE_TOO_LONG", "ROW_MISSING"]
    lives(papers)


def test_a_replay_rejects_what_never_was_in_the_warehouse(papers):
    """A batch with changes that were applied before and changes that never were."""
    capture, sink = papers.workers
    papers.sql(f"update {TABLE} set state = 'second'")
    papers.settle()
    assert sink.stop() == 0
    papers.sql(f"update {TABLE} set state = 'third'")
    papers.fence()
    wait.until(lambda: len(papers.topic("public.fence")) == papers.n_fences, 60, "the last change is in Kafka")
    done = papers.run("offsets", "reset", "--source", "core", "--earliest", "--execute")
    assert done.returncode == 0, done.stdout + done.stderr
    sink.start().wait_ready()
    wait.until(papers.fence_is_visible, 60, papers.why_not_settled)
    assert missing(papers) == [1]
    states = [reject["record"].get("state") for reject in rejects(papers) if reject["code"] == "ROW_MISSING"]
    assert states == ["second", "third"]
    lives(papers)
