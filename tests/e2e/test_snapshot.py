"""The copy of tables as a part of the stream: many small windows while everything is written to, and kills.

A window and a chunk are made so small that each copy has dozens of them; the source keeps changing all the time."""

import collections
import contextlib
import threading

import pytest
from bank import wait, writer
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
    return road.capture()


def copy_is_over(worker):
    """Its gauges are there from its start on."""
    queued = worker.metrics("leat_capture_snapshot_tables")
    return bool(queued) and not any(queued.values())


def rows_copied(worker, road, table):
    """In chunks that are done."""
    return worker.metric("leat_capture_snapshot_rows_total", f"{road.prefix}.{table}")


def catches_up(road, table):
    """Until a row that is written now is in the topic."""
    road.fence()

    def arrived():
        return any(event["after"]["id"] == road.n_fences for _, event, _ in Topic(road, "public.fence").events())

    wait.until(arrived, 60, "the fence in its topic", poll_s=0.3)


@pytest.mark.chunks
def test_rows_that_move_between_windows_arrive_once_and_whole(road):
    fill(road, "public.rows")
    road.configure()
    rows = RowsWriter(road, "public.rows")
    rows.start()
    try:
        worker = capture_tiny(road)
        wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    finally:
        rows.stop()
    catches_up(road, "public.rows")
    assert len(worker.log_events("snapshot_window_closed")) > 20
    assert_replays(road, "public.rows")


@pytest.mark.chunks
@pytest.mark.parametrize("victim", ["capture", "postgres", "kafka"])
def test_chunks_done_before_a_kill_are_not_copied_again(road, victim):
    """The throttle makes the copy last; the ledger says which chunks are in Kafka."""
    fill(road, "public.rows")
    road.configure()
    rows = RowsWriter(road, "public.rows")
    worker = capture_tiny(road, postgresql={"snapshot_max_bytes_per_s": "500KiB", "snapshot_window": "50ms"})
    rows.start()
    try:
        wait.until(lambda: rows_copied(worker, road, "public.rows") > N_ROWS // 4, 60, "a part of the copy", poll_s=0.2)
        assert not copy_is_over(worker)
        if victim == "capture":
            worker.kill()
        else:
            road.servers.stack("restart", victim, kill=True)
        if not worker.is_alive():
            worker.start()
        wait.until(lambda: copy_is_over(worker), 90, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    finally:
        rows.stop()
    road.reconnect()
    catches_up(road, "public.rows")
    topic = assert_replays(road, "public.rows")
    assert topic.count("t") == 0
    n_added = rows.counts["add"]
    assert N_ROWS // 2 < topic.count("r") < N_ROWS + n_added + 2 * ROWS_UNDER_WAY


@contextlib.contextmanager
def always_one_open(road):
    """Write transactions of 0.4 s, each begun before the last one ends: whoever makes a slot waits for one and the next."""
    over = threading.Event()

    def follow():
        with road.servers.postgres(road.database) as last, road.servers.postgres(road.database) as next_one:
            last.execute("select pg_current_xact_id()")
            while not over.wait(0.2):
                next_one.execute("select pg_current_xact_id()")
                over.wait(0.2)
                last.rollback()
                last, next_one = next_one, last

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.chunks
@pytest.mark.long
def test_windows_that_the_stream_has_passed_are_counted_and_said(road):
    """The source's transactions are longer than the stream may be held: somebody has to give it more, or wait."""
    fill(road, "public.rows", 1000)
    road.configure()
    rows = RowsWriter(road, "public.rows", per_second=1000)
    worker = capture_tiny(road, postgresql={"snapshot_max_bytes_per_s": "700KiB"})
    wait.until(lambda: rows_copied(worker, road, "public.rows") > 0, 60, worker.tail, poll_s=0.05)
    rows.start()
    try:
        with always_one_open(road):
            wait.until(lambda: worker.log_events("snapshot_window_missed"), 60, worker.tail)
            assert worker.metric("leat_capture_snapshot_windows_missed_total", "core") >= 1
            assert "snapshot_window should be longer" in worker.log_events("snapshot_window_missed")[0]["hint"]
            assert not copy_is_over(worker)
        wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    finally:
        rows.stop()
    catches_up(road, "public.rows")
    assert_replays(road, "public.rows")


@pytest.mark.chunks
@pytest.mark.parametrize("rewrite", ["vacuum full public.rows", "cluster public.rows using rows_pkey", "truncate public.rows"])
def test_a_table_that_is_rewritten_between_windows_is_copied_whole(road, rewrite):
    fill(road, "public.rows")
    worker = capture_tiny(road, postgresql={"snapshot_max_bytes_per_s": "300KiB", "snapshot_window": "50ms"})
    wait.until(lambda: rows_copied(worker, road, "public.rows") > N_ROWS // 10, 60, "a part of the copy", poll_s=0.2)
    assert not copy_is_over(worker)
    road.sql("delete from public.rows where id %% 7 = 0".replace("%%", "%"))
    road.sql(rewrite)
    road.sql("update public.rows set n = n + 1 where id < 500")
    road.sql("insert into public.rows select g, 0, 'late', repeat('z', 3000) from generate_series(10001, 10100) g")
    wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    catches_up(road, "public.rows")
    assert_replays(road, "public.rows")


def test_partitions_and_empty_tables_are_copied(road):
    """The topic of a partitioned table is the parent's."""
    road.table("public.parent", "id bigint not null, n int, pad text, primary key (id)) partition by range (id")
    for i in range(3):
        road.sql(f"create table public.\"Leaf é {i}\" partition of public.parent for values from ({i * 1000}) to ({i * 1000 + 1000})")
    road.table("public.empty", "id bigint primary key")
    road.sql("insert into public.parent select g, g, repeat('p', 300) from generate_series(0, 2999) g")
    worker = capture_tiny(road)
    wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    catches_up(road, "public.parent")
    assert assert_replays(road, "public.parent").count("r") == 3000
    assert assert_replays(road, "public.empty").count("r") == 0


def test_a_table_without_a_key_is_copied_at_one_point(road):
    """Nobody could tell a row that was copied twice: neither windows nor a kill may do that."""
    road.table("public.keyless", "n int, pad text", key=())
    road.sql("alter table public.keyless replica identity full")
    road.sql("insert into public.keyless select g, repeat('k', 400) from generate_series(1, 2000) g")
    worker = capture_tiny(road, postgresql={"snapshot_max_bytes_per_s": "80KiB"})
    wait.until(lambda: rows_copied(worker, road, "public.keyless") > 200, 60, "a part of the copy", poll_s=0.1)
    road.sql("update public.keyless set pad = repeat('u', 450) where n > 1900")
    assert not copy_is_over(worker)
    worker.kill()
    worker.start()
    wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    road.sql("delete from public.keyless where n <= 10")
    catches_up(road, "public.keyless")
    found = collections.Counter()
    for _, event, _ in Topic(road, "public.keyless").events():
        if event["op"] == "t":
            found.clear()
            continue
        for image, sign in ((event["before"], -1), (event["after"], 1)):
            if image is not None:
                found[tuple(image.values())] += sign
    source = collections.Counter(tuple(row) for row in road.sql("select n, pad from public.keyless").fetchall())
    assert +found == source


def test_a_table_that_joins_the_running_publication_is_copied(road):
    """Nothing is written to it after it joined: the publication itself is watched."""
    road.table("public.first", "id bigint primary key")
    road.sql("create table public.second (id bigint primary key, pad text)")
    road.sql("insert into public.second select g, 'before' from generate_series(1, 500) g")
    road.sql("create table public.fence (id bigint primary key)")
    road.tables["public.fence"] = ("id",)
    road.sql("create publication leat_core for table public.first, public.fence")
    road.configure(core={"postgresql": {"tables": []}})
    worker = road.capture()
    wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}")
    road.sql("alter publication leat_core add table public.second")
    road.tables["public.second"] = ("id",)
    wait.until(lambda: worker.metric("leat_capture_events_total", f"{road.prefix}.public.second") == 500, 60, worker.tail)
    catches_up(road, "public.second")
    assert assert_replays(road, "public.second").count("r") == 500


@pytest.mark.chunks
def test_a_row_filter_and_a_column_list_hold_for_chunks_and_for_the_stream(road):
    """Both came with PostgreSQL 15; before it everything travels."""
    filters = road.pg.info.server_version >= 150000
    step, columns = (2, ("id", "n", "big")) if filters else (1, ("id", "n", "pad", "big"))
    fill(road, "public.rows")
    road.sql("create table public.fence (id bigint primary key)")
    road.tables["public.fence"] = ("id",)
    published = "public.rows (id, n, big) where (id % 2 = 0)" if filters else "public.rows"
    road.sql(f"create publication leat_core for table {published}, public.fence")
    worker = capture_tiny(road)
    wait.until(lambda: copy_is_over(worker), 60, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    road.sql("insert into public.rows select g, 1, 'streamed', 'x' from generate_series(10000, 10009) g")
    catches_up(road, "public.rows")
    events = [event for _, event, _ in Topic(road, "public.rows").events()]
    assert len(worker.log_events("snapshot_window_closed")) > 5
    assert {tuple(event["after"]) for event in events} == {columns}
    copied = [event["after"] for event in events if event["op"] == "r"]
    assert {row["id"]: row["big"] for row in copied} == dict(
        road.sql(f"select id, big from public.rows where id % {step} = 0 and id < 10000").fetchall()
    )
    assert [event["after"]["id"] for event in events if event["op"] == "c"] == [*range(10000, 10010, step)]


def test_many_tables_are_copied_in_one_go(road, request):
    n = 1000 if request.config.getoption("long") else 60
    road.sql(f"""do $$ begin for i in 1..{n} loop
        execute format('create table public.many_%s (id bigint primary key, v text)', i);
        execute format('insert into public.many_%s values (1, ''a''), (2, ''b'')', i);
    end loop; end $$""")
    for number in range(1, n + 1):
        road.tables[f"public.many_{number}"] = ("id",)
    road.configure()
    worker = road.capture()
    wait.until(lambda: copy_is_over(worker), 300, lambda: f"the copy's end\n{worker.tail()}", poll_s=0.5)
    copied = worker.metrics("leat_capture_snapshot_rows_total")
    assert {topic: rows for (topic,), rows in copied.items() if rows} == {
        f"{road.prefix}.public.many_{number}": 2 for number in range(1, n + 1)
    }
    for number in (1, n):
        assert assert_replays(road, f"public.many_{number}").count("r") == 2
