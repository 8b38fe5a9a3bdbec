"""The copy of tables as a part of the stream: many small windows while everything is written to, and kills.

A window and a chunk are made so small that each copy has dozens of them; the source keeps changing all the time."""

import json

import pytest
from bank import compare, wait, writer
from topic_replay import Topic, assert_replays

TINY = {"snapshot_chunk": "16KiB", "snapshot_window": "1ms"}  # two blocks a chunk, a window for every two chunks
N_ROWS = 3000
ROWS_UNDER_WAY = 400  # at most, in the chunks that two connections have under way
BODY = "id bigint primary key, n bigint not null default 0, pad text, big text"


class RowsWriter(writer.Writer):
    """Updates that leave the large column alone, changes of keys, deletes, inserts: rows move over all blocks."""

    def __init__(self, road, table, seed=1, per_second=300):
        super().__init__(f"writer of {table}", seed, per_second)
        self.road = road
        self.table = table
        self.connection = None

    def connect(self):
        self.connection = self.road.servers.postgres(self.road.database, autocommit=True)

    def disconnect(self):
        if self.connection:
            self.connection.close()

    def operations(self):
        return [(50, self.touch), (10, self.rekey), (10, self.remove), (10, self.add), (5, self.rewrite)]

    def pick(self):
        return self.rng.randrange(N_ROWS)

    def execute(self, statement, *parameters):
        self.connection.execute(statement.format(table=self.table), parameters)

    def touch(self):
        self.execute("update {table} set n = n + 1, pad = repeat('y', %s) where id = %s", self.rng.randrange(400), self.pick())

    def rekey(self):
        self.execute("update {table} set id = (select max(id) + 1 from {table}) where id = %s", self.pick())

    def remove(self):
        self.execute("delete from {table} where id = %s", self.pick())

    def add(self):
        self.execute("insert into {table} select max(id) + 1, 0, 'new', repeat(md5(max(id)::text), 200) from {table}")

    def rewrite(self):
        self.execute("update {table} set big = repeat(md5(n::text), 150 + (n %% 99)::int) where id = %s", self.pick())


def fill(road, table, n=N_ROWS):
    """Every third row has a large value outside of its row, which an update of other columns does not send."""
    road.table(table, BODY)
    road.sql(f"alter table {table} alter column big set storage external")
    road.sql(
        f"insert into {table} select g, 0, repeat('x', 200),"
        f" case when g %% 3 = 0 then repeat(md5(g::text), 100) end from generate_series(0, {n - 1}) g".replace("%%", "%")
    )


def capture_tiny(road, **settings):
    road.configure(core={"postgresql": TINY | settings.pop("postgresql", {})} | settings, top={"log_level": "debug"})
    worker = road.capture()
    worker.wait_ready()
    return worker


def copy_state(road):
    """What the ledger says of the copy."""
    last = compare.read_committed(road.servers, f"{road.prefix}.leat.ledger.core")[-1]
    return json.loads(last.value())["state"]["copy"]


def copy_is_over(road):
    state = copy_state(road)
    return not state.get("queue") and not state.get("tables")


def catches_up(road, table):
    """Until a row that is written now is in the topic."""
    road.fence()

    def arrived():
        return any(event["after"]["id"] == road.n_fences for _, event, _ in Topic(road, "public.fence").events())

    wait.until(arrived, 60, "the fence in its topic", poll_s=0.3)


def test_rows_that_move_between_windows_arrive_once_and_whole(road):
    fill(road, "public.rows")
    road.configure()
    rows = RowsWriter(road, "public.rows")
    rows.start()
    try:
        worker = capture_tiny(road)
        wait.until(lambda: copy_is_over(road), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    finally:
        rows.stop()
    catches_up(road, "public.rows")
    assert len(worker.log_events("snapshot_window_closed")) > 20
    assert_replays(road, "public.rows")


@pytest.mark.parametrize("victim", ["capture", "postgres", "kafka"])
def test_chunks_done_before_a_kill_are_not_copied_again(road, victim):
    """The throttle makes the copy last; the ledger says which chunks are in Kafka."""
    fill(road, "public.rows")
    road.configure()
    rows = RowsWriter(road, "public.rows")
    worker = capture_tiny(road, postgresql={"snapshot_max_bytes_per_s": "500KiB", "snapshot_window": "50ms"})
    rows.start()
    try:
        wait.until(lambda: Topic(road, "public.rows").count("r") > N_ROWS // 4, 60, "a part of the copy", poll_s=0.2)
        if victim == "capture":
            worker.kill()
        else:
            road.servers.stack("restart", victim, kill=True)
            if not worker.is_alive():
                worker.wait_exit(5)
        assert not copy_is_over(road)
        if not worker.is_alive():
            worker.start()
        wait.until(lambda: copy_is_over(road), 90, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    finally:
        rows.stop()
    road.reconnect()
    catches_up(road, "public.rows")
    topic = assert_replays(road, "public.rows")
    assert topic.count("t") == 0
    n_added = rows.counts["add"]
    assert N_ROWS // 2 < topic.count("r") < N_ROWS + n_added + 2 * ROWS_UNDER_WAY
