"""Transactions of every size and end: streamed while they run or sent at their end, the events are the same, once each.

logical_decoding_work_mem is 64 kB here, so that nearly every transaction is streamed; with --long the large ones have
the size that the documents promise."""

import io
import itertools
import json
import random
import struct
import urllib.request
from typing import NamedTuple

import fastavro
import pytest
from bank import compare, wait

WORK_MEM = {"logical_decoding_work_mem": "64kB", "max_prepared_transactions": "10"}
ROWS = "id bigint primary key, n int not null, v text"
RSS_MAX_BYTES = 128 << 20


class Event(NamedTuple):
    position: tuple  # commit LSN, ordinal
    key: bytes  # without the frame, which has the schema's number
    is_tombstone: bool


def events(road, table, prefix=None):
    """Of a topic, in its order."""
    found = []
    for record in compare.read_committed(road.servers, f"{prefix or road.prefix}.{table}"):
        position = struct.unpack(">QQ", dict(record.headers())["leat.pos"])
        found.append(Event(position, (record.key() or b"")[5:], record.value() is None))
    return found


def check_once_and_in_order(found):
    """Commits in their order, in each the events from 0 on without a hole; a delete's tombstone has its position."""
    positions = [event.position for event in found if not event.is_tombstone]
    assert positions == sorted(set(positions))
    return positions


def slot_reaches(road, lsn, slot=None):
    query = "select 1 from pg_replication_slots where confirmed_flush_lsn >= %s::pg_lsn and slot_name = %s"
    wait.until(lambda: road.sql(query, (lsn, slot or road.slot)).fetchone(), 60, f"the slot to reach {lsn}")


def lsn(road):
    """The end of the last commit, or something behind it. What is inserted behind it and not flushed, nobody sends."""
    return road.sql("select pg_current_wal_flush_lsn()::text").fetchone()[0]


def insert(connection, first, count, width=200):
    connection.execute(
        "insert into public.rows select i, 0, repeat(chr(97 + (i %% 26)::int), %s) from generate_series(%s::bigint, %s::bigint) i",
        (width, first, first + count - 1),
    )


# ---- the same either way ----


class Session:
    """One connection that does what a seed says inside one transaction: statements, savepoints, shapes."""

    def __init__(self, road, rng, ids):
        self.connection = road.servers.postgres(road.database, autocommit=True)
        self.rng = rng
        self.ids = ids
        self.mine = []
        self.depth = 0
        self.connection.execute("begin")

    def insert(self):
        first = next(self.ids) * 10000
        insert(self.connection, first, self.rng.choice((1, 50, 600)))
        self.mine.append(first)

    def update(self):
        if self.mine:
            first = self.rng.choice(self.mine)
            self.connection.execute(
                "update public.rows set n = n + 1 where id between %s and %s", (first, first + self.rng.choice((0, 300)))
            )

    def change_keys(self):
        if self.mine:
            first = self.mine[-1]
            self.connection.execute("update public.rows set id = id + 5000 where id between %s and %s", (first, first + 20))

    def delete(self):
        if self.mine:
            first = self.rng.choice(self.mine)
            self.connection.execute("delete from public.rows where id between %s and %s", (first + 10, first + 40))

    def savepoint(self):
        self.depth += 1
        self.connection.execute(f"savepoint s{self.depth}")

    def roll_back(self):
        if self.depth > 0:
            depth = self.rng.randint(1, self.depth)
            self.connection.execute(f"rollback to savepoint s{depth}")
            self.depth = depth

    def release(self):
        if self.depth > 0:
            self.connection.execute(f"release savepoint s{self.depth}")
            self.depth -= 1

    def step(self):
        steps = ((8, self.insert), (4, self.update), (2, self.change_keys), (2, self.delete), (4, self.savepoint),
                 (3, self.roll_back), (2, self.release))  # fmt: skip
        self.rng.choices([step for _, step in steps], [weight for weight, _ in steps])[0]()

    def end(self, number):
        ends = ["commit"] * 6 + ["rollback"] * 2 + [f"prepare transaction 'p{number}'"] * 2
        end = self.rng.choice(ends)
        self.connection.execute(end)
        self.connection.close()
        return f"p{number}" if end.startswith("prepare") else None


def random_transactions(road, rng, count):
    """Up to six at once, in turns; prepared ones end some time later."""
    ids = itertools.count(1)
    numbers = itertools.count()
    sessions, prepared = [], []
    for started in range(10**6):
        if started < count and len(sessions) < 6:
            sessions.append(Session(road, rng, ids))
        elif not sessions:
            break
        session = rng.choice(sessions)
        for _ in range(rng.randint(1, 8)):
            session.step()
        if rng.random() < 0.3:
            sessions.remove(session)
            gid = session.end(next(numbers))
            if gid:
                prepared.append(gid)
        if prepared and rng.random() < 0.3:
            road.sql(f"{rng.choice(('commit', 'commit', 'rollback'))} prepared '{prepared.pop(0)}'")
    for gid in prepared:
        road.sql(f"commit prepared '{gid}'")


def alter_and_roll_back(road):
    """A shape that only a rolled back savepoint had, and one that stays; before and after rows of the other ones."""
    with road.servers.postgres(road.database) as connection:
        insert(connection, 1, 1000)
        connection.execute("savepoint a")
        connection.execute("alter table public.rows add column gone int default 7")
        connection.execute("update public.rows set n = n + 1 where id <= 1000")
        connection.execute("rollback to savepoint a")
        connection.execute("update public.rows set n = n + 1 where id <= 1000")
        connection.execute("savepoint b")
        connection.execute("alter table public.rows add column stays int default 8")
        connection.execute("update public.rows set n = n + 1 where id <= 1000")
        connection.execute("release savepoint b")
        connection.execute("update public.rows set n = n + 1, stays = stays + 1 where id < 500")
    road.sql("update public.rows set n = n + 1, stays = 100 where id < 5")


@pytest.mark.parametrize("major", ["13", "14", "15", "16", "18"])
def test_streamed_or_whole_the_events_are_equal(clusters, road_on, request, major):
    road = road_on(clusters(major, **WORK_MEM))
    road.table("public.rows", ROWS)
    road.configure()
    plain = road.configure(
        core={"postgresql": {"slot": f"{road.slot}_plain", "streaming": False}}, top={"prefix": f"{road.prefix}.plain"},
        file="plain.yaml",
    )  # fmt: skip
    streamed, _ = road.start()
    whole = road.capture(name="capture-whole", config=plain).wait_ready()
    seed = request.config.getoption("crash_seed") or random.randrange(10**6)
    print(f"seed {seed}")
    random_transactions(road, random.Random(seed), 25)
    road.sql("delete from public.rows")
    alter_and_roll_back(road)
    end = lsn(road)
    road.check()
    slot_reaches(road, end)
    slot_reaches(road, end, f"{road.slot}_plain")
    found = events(road, "public.rows")
    check_once_and_in_order(found)
    assert found == events(road, "public.rows", f"{road.prefix}.plain")
    if major != "13":
        assert was_streamed(road, road.slot)
        assert not was_streamed(road, f"{road.slot}_plain")
    whole.stop()
    drop_slot(road, f"{road.slot}_plain")


def was_streamed(road, slot):
    query = "select stream_txns > 0 from pg_stat_replication_slots where slot_name = %s"
    return road.sql(query, (slot,)).fetchone()[0]


def drop_slot(road, slot):
    wait.until(
        lambda: not road.sql("select active from pg_replication_slots where slot_name = %s", (slot,)).fetchone()[0],
        10, f"slot {slot} to be free",
    )  # fmt: skip
    road.sql("select pg_drop_replication_slot(%s)", (slot,))


# ---- kills and restarts ----


def test_killed_inside_a_streamed_transaction_it_goes_on_at_the_next_event(clusters, road_on):
    """Killed again and again while the commit is replayed in small batches; and in turns the transaction is decoded
    the other way, streamed or whole, which must number its events alike."""
    n_rows = 60000
    road = road_on(clusters("15", **WORK_MEM))
    road.table("public.rows", ROWS)
    settings = {"batch_max_bytes": "64KiB"}
    configs = [
        road.configure(core=settings),
        road.configure(core=settings | {"postgresql": {"streaming": False}}, file="whole.yaml"),
    ]
    capture, _ = road.start()
    with road.servers.postgres(road.database) as connection:
        insert(connection, 0, n_rows, 50)
        connection.execute("savepoint a")
        insert(connection, n_rows, 1000)
        connection.execute("rollback to savepoint a")
    for turn in range(1, 7):
        await_events(road, capture, 3000)
        capture.kill()
        capture.config = configs[turn % 2]
        capture.start().wait_ready()
    road.check()
    positions = check_once_and_in_order(events(road, "public.rows"))
    assert len({major for major, _ in positions}) == 1
    assert [minor for _, minor in positions] == list(range(n_rows))


def await_events(road, capture, n):
    """So many in this life of the capture, unless it has all: on a busy machine a look may come late."""
    end = road.sql("select pg_current_wal_flush_lsn() - '0/0'::pg_lsn").fetchone()[0]
    wait.until(
        lambda: capture_events(capture) >= n or (road.slot_position() or 0) >= end, 60, lambda: capture.tail(), poll_s=0.02
    )  # fmt: skip


def capture_events(capture):
    return sum(capture.metrics("leat_capture_events_total").values())


def test_open_transactions_come_again_after_a_kill_although_the_slot_moved_on(clusters, road_on):
    """What was streamed of an open transaction is confirmed with everything else, and is resent from its start."""
    road = road_on(clusters("16", **WORK_MEM))
    road.table("public.rows", ROWS)
    capture, _ = road.start()
    early, late = (road.servers.postgres(road.database) for _ in range(2))
    for connection, first in ((early, 0), (late, 10000)):
        insert(connection, first, 2000)
    wait.until(lambda: spool_bytes(capture) > 0, 30, lambda: f"streamed transactions\n{capture.tail()}")
    insert(road.pg, 20000, 10)  # ends between the parts of the others
    slot_reaches(road, lsn(road))
    capture.kill()
    insert(early, 5000, 1000)
    late.commit()  # began second, ends first, and while nobody reads
    capture.start().wait_ready()
    wait.until(lambda: spool_bytes(capture) > 0, 30, lambda: f"streamed transactions\n{capture.tail()}")
    early.commit()
    road.check()
    found = check_once_and_in_order(events(road, "public.rows"))
    assert len(found) == 2000 + 2000 + 1000 + 10
    wait.until(lambda: spool_bytes(capture) == 0, 10, "an empty spool")
    early.close()
    late.close()


def spool_bytes(capture):
    return capture.metric("leat_capture_spool_bytes", "core")


def test_beyond_its_budget_the_spool_is_given_up_and_nothing_is_lost(clusters, road_on):
    road = road_on(clusters("16", **WORK_MEM))
    road.table("public.rows", ROWS)
    road.configure(core={"postgresql": {"spool_max_bytes": "1MiB"}})
    capture, _ = road.start()
    with road.servers.postgres(road.database) as connection:
        insert(connection, 0, 20000)
    road.check()
    check_once_and_in_order(events(road, "public.rows"))
    assert capture.log_events("session_failed")[0]["code"] == "PG_SPOOL_FULL"
    assert spool_bytes(capture) == 0


def test_streaming_comes_back_when_what_had_no_room_has_ended(clusters, road_on):
    """Not before: the server would send it in parts once more."""
    road = road_on(clusters("16", **WORK_MEM))
    road.table("public.rows", ROWS)
    road.configure(core={"postgresql": {"spool_max_bytes": "1MiB"}})
    capture = road.capture()
    wait.until(lambda: capture.log_events("snapshot_done"), 60, capture.tail)

    def n_captured():
        return capture.metric("leat_capture_events_total", f"{road.prefix}.public.rows") or 0

    def failures():
        codes = (failure["code"] for failure in capture.log_events("session_failed"))
        return [code for code in codes if code in ("PG_SPOOL_FULL", "PG_STREAMING_AGAIN")]

    with road.servers.postgres(road.database) as large:
        insert(large, 0, 20000)
        wait.until(lambda: failures() == ["PG_SPOOL_FULL"], 30, capture.tail)
        with road.servers.postgres(road.database) as other:
            insert(other, 30000, 1000)
        wait.until(lambda: n_captured() == 1000, 60, capture.tail)
        looked = set()

        def looked_three_times():
            query = "select query_start from pg_stat_activity where query like 'select pg_catalog.pg_current_snapshot%%' and datname = %s"
            looked.update(road.sql(query, (road.database,)).fetchall())
            return len(looked) >= 3

        wait.until(looked_three_times, 30, capture.tail, poll_s=0.2)
        assert failures() == ["PG_SPOOL_FULL"]
    wait.until(lambda: failures() == ["PG_SPOOL_FULL", "PG_STREAMING_AGAIN"], 60, capture.tail)
    with road.servers.postgres(road.database) as small:
        insert(small, 40000, 1000)
        wait.until(lambda: spool_bytes(capture) > 0, 30, capture.tail)
    wait.until(lambda: n_captured() == 22000, 60, capture.tail)
    assert len(check_once_and_in_order(events(road, "public.rows"))) == 22000
    assert failures() == ["PG_SPOOL_FULL", "PG_STREAMING_AGAIN"]


# ---- positions ----


def test_the_slot_moves_when_only_tables_outside_the_publication_change(clusters, road_on):
    road = road_on(clusters("16", **WORK_MEM))
    road.table("public.rows", ROWS)
    road.sql("create table public.elsewhere (id bigint, v text)")
    road.start()
    road.settle()
    road.sql("insert into public.elsewhere select i, repeat('x', 100) from generate_series(1, 20000) i")
    slot_reaches(road, lsn(road))


def test_prepared_transactions_come_at_their_commit(clusters, road_on):
    road = road_on(clusters("16", **WORK_MEM))
    road.table("public.rows", ROWS)
    insert(road.pg, 30000, 1)
    capture, _ = road.start()
    for gid, first in (("kept", 0), ("dropped", 10000)):
        with road.servers.postgres(road.database, autocommit=True) as connection:
            connection.execute("begin")
            insert(connection, first, 2000)
            connection.execute(f"prepare transaction '{gid}'")
    road.settle()
    assert [row["id"] for row in road.rows("rows")] == [30000]
    capture.kill()
    capture.start().wait_ready()
    insert(road.pg, 20000, 1)
    road.sql("rollback prepared 'dropped'")
    road.sql("commit prepared 'kept'")
    road.check()
    positions = check_once_and_in_order(events(road, "public.rows"))
    assert [minor for _, minor in positions][-2001:] == [0, *range(2000)]


def test_changes_of_other_origins_are_left_out_when_asked(clusters, road_on):
    road = road_on(clusters("16", **WORK_MEM))
    road.table("public.rows", ROWS)
    road.configure(core={"postgresql": {"origin": "none"}})
    road.start()
    with road.servers.postgres(road.database, autocommit=True) as connection:
        connection.execute("select pg_replication_origin_create('elsewhere')")
        connection.execute("select pg_replication_origin_session_setup('elsewhere')")
        insert(connection, 0, 1000)
    insert(road.pg, 5000, 3)
    road.settle()
    assert sorted(row["id"] for row in road.rows("rows")) == [5000, 5001, 5002]


# ---- logical messages ----


def read_messages(road):
    """Of the topic <prefix>.message: (position, key, value), read with the registry's schemas as they are written."""
    schemas = {}

    def read(framed):
        number = int.from_bytes(framed[1:5], "big")
        if number not in schemas:
            with urllib.request.urlopen(f"{road.servers.env['REGISTRY_URL']}/schemas/ids/{number}") as answer:
                schemas[number] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
        return schemas[number]["name"], fastavro.schemaless_reader(io.BytesIO(framed[5:]), schemas[number])

    return [
        (struct.unpack(">QQ", dict(record.headers())["leat.pos"]), read(record.key()), read(record.value()))
        for record in compare.read_committed(road.servers, f"{road.prefix}.message")
    ]


def test_logical_messages_have_a_topic_of_their_own(clusters, road_on):
    """Neither lost nor doubled by kills, between the transactions and inside streamed ones, without any table."""
    road = road_on(clusters("16", **WORK_MEM))
    road.table("public.rows", ROWS)
    road.configure(core={"postgresql": {"message_prefixes_excluded": ["noise*"]}})
    capture, _ = road.start()
    wanted = []

    def emit(connection, transactional, text):
        connection.execute("select pg_logical_emit_message(%s, 'outbox', %s)", (transactional, text))
        connection.execute("select pg_logical_emit_message(%s, 'noise.a', %s)", (transactional, text))
        wanted.append(text)

    for turn in range(4):
        emit(road.pg, False, f"plain {turn}")
        with road.servers.postgres(road.database) as connection:
            connection.execute("select pg_logical_emit_message(true, 'outbox', 'never')")
            connection.rollback()
            emit(connection, True, f"before {turn}")
            insert(connection, turn * 10000, 3000)
            connection.execute("savepoint a")
            connection.execute("select pg_logical_emit_message(true, 'outbox', 'never')")
            insert(connection, turn * 10000 + 5000, 1000)
            connection.execute("rollback to savepoint a")
            emit(connection, True, f"after {turn}")
        emit(road.pg, False, f"also plain {turn}")
        wait.until(lambda: len(read_messages(road)) >= turn * 4 + 1, 30, lambda: capture.tail())
        capture.kill()
        capture.start().wait_ready()
    road.check()
    wait.until(lambda: len(read_messages(road)) >= len(wanted), 30, lambda: capture.tail())
    slot_reaches(road, lsn(road))
    found = read_messages(road)
    assert [value["message"] for _, _, (_, value) in found] == [
        {"prefix": "outbox", "content": text.encode()} for text in wanted
    ]
    assert [position for position, _, _ in found] == sorted({position for position, _, _ in found})
    assert {key for _, (key, _), _ in found} == {"io.debezium.connector.postgresql.MessageKey"}
    assert {value for _, _, (value, _) in found} == {"io.debezium.connector.postgresql.MessageValue"}
    for (major, minor), (_, key), (_, value) in found:
        assert key == {"prefix": "outbox"} and value["op"] == "m"
        source = value["source"]
        in_transaction = "plain" not in value["message"]["content"].decode()
        assert (source["schema"], source["table"], source["db"]) == ("", "", road.database)
        assert (source["txId"] is not None) == in_transaction
        assert (source["lsn"] < major) if in_transaction else (source["lsn"] - 1, minor) == (major, 0)


def test_a_commit_right_behind_a_plain_message_is_not_taken_for_it(clusters, road_on):
    """The commit record begins at the LSN that the message has: both are there, whole or streamed, also when the capture
    is killed between the two. The rows of such a transaction were once passed over."""
    road = road_on(clusters("18", **WORK_MEM))
    road.table("public.rows", ROWS)
    capture, _ = road.start()
    lsns = []
    for turn in range(4):
        with road.servers.postgres(road.database) as connection:
            insert(connection, turn * 10000, 2000 if turn % 2 else 2)
            lsns.append(road.sql("select pg_logical_emit_message(false, 'outbox', 'm') - '0/0'").fetchone()[0])
            if turn > 1:
                wait.until(lambda: len(read_messages(road)) == len(lsns), 30, lambda: capture.tail())
                capture.kill()
                capture.start().wait_ready()
    road.check()
    found = read_messages(road)
    assert [value["source"]["lsn"] for _, _, (_, value) in found] == lsns
    assert [position for position, _, _ in found] == [(lsn - 1, 0) for lsn in lsns]
    commits = {major for major, _ in check_once_and_in_order(events(road, "public.rows"))}
    assert commits & set(lsns), "no commit record directly behind a message: nothing was tested"


@pytest.mark.parametrize("major", ["14", "17"])
def test_a_message_right_before_a_savepoint_that_is_rolled_back_is_kept(clusters, road_on, major):
    """It ends where the first row of the savepoint begins: the server sorts by that, and may send the row first."""
    road = road_on(clusters(major, **WORK_MEM))
    road.table("public.rows", ROWS)
    road.configure()
    capture = road.capture().wait_ready()
    wanted = []
    for number in range(30):
        first, text = 10_000 * number, f"kept {number}"
        rows = "insert into public.rows select g, 0, repeat('x', 200) from generate_series"
        road.sql(
            f"begin; {rows}({first}, {first + number}) g;"
            f" savepoint a; select pg_logical_emit_message(true, 'outbox', '{text}'); savepoint b; {rows}({first + 1000}, {first + 2000}) g;"
            f" select pg_logical_emit_message(true, 'outbox', 'not {text}'); rollback to savepoint b; commit"
        )
        wanted.append(text)
    road.fence()
    wait.until(lambda: len(events(road, "public.fence")) == road.n_fences, 60, lambda: capture.tail())
    assert [value["message"]["content"].decode() for _, _, (_, value) in read_messages(road)] == wanted
    assert len(events(road, "public.rows")) == sum(number + 1 for number in range(30))


def test_messages_that_nobody_wants_only_move_the_slot(clusters, road_on):
    road = road_on(clusters("16", **WORK_MEM))
    road.table("public.rows", ROWS)
    road.configure(core={"postgresql": {"message_prefixes_excluded": ["*"]}})
    capture, _ = road.start()
    road.sql("select pg_logical_emit_message(false, 'any', repeat('x', 100000))")
    road.sql("insert into public.rows values (1, 0, 'a commit, which flushes what is before it')")
    slot_reaches(road, lsn(road))
    assert capture.metric("leat_capture_events_total", f"{road.prefix}.message") == 0


# ---- size ----


def peak_bytes(capture):
    with open(f"/proc/{capture.process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
def test_memory_stays_under_its_ceiling(clusters, road_on, request, streaming):
    """One very large transaction while many others are open."""
    n_rows, n_open = (10_000_000, 500) if request.config.getoption("long") else (1_000_000, 100)
    road = road_on(clusters("16", logical_decoding_work_mem="1MB", max_connections=str(n_open + 20)))
    road.table("public.rows", ROWS)
    road.configure(core={"postgresql": {"streaming": streaming, "spool_dir": "/var/tmp", "spool_max_bytes": "8GiB"}})
    capture = road.capture().wait_ready()
    connections = [road.servers.postgres(road.database) for _ in range(n_open)]
    for number, connection in enumerate(connections):
        insert(connection, -1000 * (number + 1), 100)
    with road.servers.postgres(road.database) as connection:
        insert(connection, 0, n_rows, 20)
    for connection in connections:
        insert(connection, 10**9 + 1000 * connections.index(connection), 10)
        connection.commit()
        connection.close()
    wait.until(
        lambda: capture.metric("leat_capture_events_total", f"{road.prefix}.public.rows") == n_rows + 110 * n_open,
        60 + n_rows / 10000, lambda: f"{capture_events(capture)} events\n{capture.tail()}",
    )  # fmt: skip
    assert spool_bytes(capture) == 0
    assert peak_bytes(capture) < RSS_MAX_BYTES
    print(f"peak {peak_bytes(capture) >> 20} MiB")


def test_memory_stays_under_its_ceiling_at_a_start_with_a_full_backlog(clusters, road_on):
    """Everything that was written meanwhile comes as fast as it can be read."""
    n_transactions, n_rows = 100, 1000
    road = road_on(clusters("16"))
    road.table("public.rows", ROWS)
    capture, sink = road.start()
    road.settle()
    assert capture.stop() == 0 and sink.stop() == 0
    road.sql(f"""do $$ begin for i in 0..{n_transactions - 1} loop
        insert into public.rows select i * {n_rows} + n, 0, repeat('x', 300) from generate_series(1, {n_rows}) n;
        commit;
    end loop; end $$""")
    insert(road.pg, n_transactions * n_rows + 1, 50 * n_rows)
    end = lsn(road)
    capture.start()
    slot_reaches(road, end)
    assert capture.metric("leat_capture_events_total", f"{road.prefix}.public.rows") == (n_transactions + 50) * n_rows
    assert peak_bytes(capture) < RSS_MAX_BYTES
