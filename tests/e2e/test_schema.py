"""Tables change while they are captured, and the schema registry has its own mind about it. An event has the shape
that its row had, whatever the catalog says by now; nothing is written that cannot be read; what stops, stops alone."""

import io
import json
import urllib.request

import confluent_kafka.admin
import fastavro
import psycopg
import pytest
from bank import compare, wait
from scripted_registry import ScriptedRegistry

SECONDS = 40
UNAVAILABLE = "__debezium_unavailable_value"


# ---- reading what was captured ----


class Reader:
    """Events of a road's topics, decoded by the schemas that the registry has."""

    def __init__(self, road):
        self.road = road
        self.url = road.servers.env["REGISTRY_URL"].rstrip("/")
        self.parsed = {}

    def schema(self, number):
        if number not in self.parsed:
            with urllib.request.urlopen(f"{self.url}/schemas/ids/{number}", timeout=20) as answer:
                self.parsed[number] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
        return self.parsed[number]

    def decode(self, framed):
        assert framed[0] == 0
        return fastavro.schemaless_reader(io.BytesIO(framed[5:]), self.schema(int.from_bytes(framed[1:5], "big")))

    def events(self, table):
        """[(op, key, row)]: the row is `after`, of a delete `before`. Without tombstones."""
        found = []
        for record in compare.read_committed(self.road.servers, f"{self.road.prefix}.{table}"):
            if record.value() is None:
                continue
            value = self.decode(record.value())
            key = None if record.key() is None else self.decode(record.key())
            found.append((value["op"], key, value["before"] if value["op"] == "d" else value["after"]))
        return found

    def rows(self, table):
        return [row for _, _, row in self.events(table)]


@pytest.fixture
def reader(road):
    return Reader(road)


@pytest.fixture
def registry(servers):
    made = ScriptedRegistry(servers)
    yield made
    made.close()


def caught_up(road, worker):
    """All that was written before is in Kafka: the slot has passed it."""
    end = road.sql("select pg_current_wal_flush_lsn() - '0/0'").fetchone()[0]

    def passed():
        assert worker.is_alive(), worker.tail()
        return (road.slot_position() or -1) >= end

    wait.until(passed, SECONDS, lambda: f"the slot passes {end}; it is at {road.slot_position()}\n{worker.tail()}")


def publish_all(road, what="for all tables", **settings):
    """Everything that the publication has is captured; a table fence is there, so that it has one."""
    road.table("public.fence", "id bigint primary key")
    road.sql(f"create publication leat_core {what}")
    road.configure(core={"postgresql": {"tables": [], "snapshot_added_tables": False}}, **settings)
    return copied(road.capture())


def copied(worker):
    """The first copy is done: what comes now is the stream's."""
    wait.until(lambda: worker.log_events("snapshot_done"), SECONDS, worker.tail)
    worker.wait_ready()
    return worker


# ---- the shape of a row is the one that it had ----

SHAPES = [
    ("insert into t values (1, 'a')", "public.t", {"id": 1, "v": "a"}),
    ("alter table t add column n int not null default 5", None, None),
    ("insert into t values (2, 'b')", "public.t", {"id": 2, "v": "b", "n": 5}),
    ("alter table t rename column v to w", None, None),
    ("insert into t values (3, 'c', 6)", "public.t", {"id": 3, "w": "c", "n": 6}),
    ("alter table t drop column n", None, None),
    ("insert into t values (4, 'd')", "public.t", {"id": 4, "w": "d"}),
    ("alter table t add column n text", None, None),
    ("insert into t values (5, 'e', 'text now')", "public.t", {"id": 5, "w": "e", "n": "text now"}),
    ("alter table t alter column id type bigint", None, None),
    ("insert into t values (5000000000, 'f')", "public.t", {"id": 5000000000, "w": "f", "n": None}),
    ("alter table t alter column w set not null", None, None),
    ("insert into t values (7, 'g')", "public.t", {"id": 7, "w": "g", "n": None}),
    ("alter table t rename column id to ident", None, None),
    ("insert into t values (8, 'h')", "public.t", {"ident": 8, "w": "h", "n": None}),
    ("alter table t rename to renamed", None, None),
    ("insert into renamed values (9, 'i')", "public.renamed", {"ident": 9, "w": "i", "n": None}),
    ("alter table renamed set schema other", None, None),
    ("insert into other.renamed values (10, 'j')", "other.renamed", {"ident": 10, "w": "j", "n": None}),
    ("create table t (id int primary key, remade bool)", None, None),
    ("insert into t values (1, true)", "public.t", {"id": 1, "remade": True}),
    ("drop table t", None, None),
    ("create table t (remade_again text, id int primary key)", None, None),
    ("insert into t values ('x', 1)", "public.t", {"remade_again": "x", "id": 1}),
    ('create table other."T" (id int primary key, a text, "A" text, "a b" text, "1st" text, "größe" text)', None, None),
    (
        """insert into other."T" values (1, 'lower', 'upper', 'blank', 'digit', 'umlaut')""",
        "other.T",
        {"id": 1, "a": "lower", "A": "upper", "a_b": "blank", "_1st": "digit", "gr__e": "umlaut"},
    ),
    ("create table other.t (id int primary key, elsewhere text)", None, None),
    ("insert into other.t values (1, 'x')", "other.t", {"id": 1, "elsewhere": "x"}),
    ("create type mood as enum ('good', 'bad')", None, None),
    ("create domain points as int not null", None, None),
    ("create table other.typed (id int primary key, m mood, p points)", None, None),
    ("insert into other.typed values (1, 'bad', 5)", "other.typed", {"id": 1, "m": "bad", "p": 5}),
    ("alter type mood rename value 'bad' to 'worse'", None, None),
    ("insert into other.typed values (2, 'worse', 6)", "other.typed", {"id": 2, "m": "worse", "p": 6}),
    ("alter type mood add value 'in between, so' before 'worse'", None, None),
    ("insert into other.typed values (3, 'in between, so', 7)", "other.typed", {"id": 3, "m": "in between, so", "p": 7}),
    ("create type other.mood as enum ('good', 'elsewhere')", None, None),
    ("alter table other.typed add column its other.mood default 'elsewhere'", None, None),
    ("insert into other.typed values (4, 'good', 8)", "other.typed", {"id": 4, "m": "good", "p": 8, "its": "elsewhere"}),
    ("create table other.dropped (id int primary key, m mood)", None, None),
    ("insert into other.dropped values (1, 'good')", "other.dropped", {"id": 1, "m": "good"}),
    ("drop table other.dropped", None, None),
    ("""create table "we""ird\\" (id int primary key, "q""uote" text)""", None, None),
    ("""insert into "we""ird\\" values (1, 'x')""", "public.we_ird_", {"id": 1, "q_uote": "x"}),
    ('create table "схема таблиц" (id int primary key, "имя" text)', None, None),
    ("""insert into "схема таблиц" values (1, 'x')""", "public.____________", {"id": 1, "___": "x"}),
]


@pytest.mark.parametrize("catalog", ["at the stream", "ahead of the stream"])
def test_a_row_has_the_shape_that_it_had(road, reader, catalog):
    road.sql("create schema other")
    road.sql("create table t (id int primary key, v text)")
    worker = publish_all(road)
    if catalog == "ahead of the stream":
        worker.stop()
    wanted = {}
    for statement, table, row in SHAPES:
        road.sql(statement)
        if table is not None:
            wanted.setdefault(table, []).append(row)
    worker.start() if not worker.is_alive() else None
    caught_up(road, worker)
    for table, rows in wanted.items():
        assert reader.rows(table) == rows, table
    assert road.reject_records() == []


def test_transactions_that_overlap_have_the_shape_of_their_rows(road, reader):
    """One transaction writes before and after another one commits a change of the table's shape."""
    road.sql("create table a (id int primary key)")
    road.sql("create table b (id int primary key)")
    worker = publish_all(road)
    with road.servers.postgres(road.database) as slow:
        slow.execute("insert into a values (1)")
        road.sql("alter table b add column x int")
        road.sql("insert into b values (1, 1)")
        slow.execute("insert into b values (2, 2)")
        slow.execute("alter table a add column y int")
        slow.execute("insert into a values (2, 2)")
        slow.execute("alter table a drop column y")
        slow.execute("insert into a values (3)")
        slow.commit()
    caught_up(road, worker)
    assert reader.rows("public.a") == [{"id": 1}, {"id": 2, "y": 2}, {"id": 3}]
    assert reader.rows("public.b") == [{"id": 1, "x": 1}, {"id": 2, "x": 2}]


# ---- what is published ----


def test_tables_come_and_go_with_the_publication(road, reader):
    road.sql("create schema shop")
    for table in ("public.a", "public.b", "shop.c"):
        road.sql(f"create table {table} (id int primary key)")
    version = road.pg.info.server_version
    worker = publish_all(road, "for table public.fence, public.a")
    road.sql("insert into b values (1)")
    road.sql("alter publication leat_core add table b")
    road.sql("insert into b values (2)")
    road.sql("alter publication leat_core drop table a")
    road.sql("insert into a values (1)")
    road.sql("alter publication leat_core add table a")
    road.sql("insert into a values (2)")
    if version >= 150000:
        road.sql("alter publication leat_core add tables in schema shop")
        road.sql("insert into shop.c values (1)")
        road.sql("create table shop.d (id int primary key)")
        road.sql("insert into shop.d values (1)")
        road.sql("alter publication leat_core set table public.fence, a (id), b where (id > 10)")
        road.sql("alter table a add column v text")
        road.sql("insert into a values (3, 'not in the list')")
        road.sql("insert into b values (10), (11)")
    caught_up(road, worker)
    assert reader.rows("public.a") == [{"id": 2}] + ([{"id": 3}] if version >= 150000 else [])
    assert reader.rows("public.b") == [{"id": 2}] + ([{"id": 11}] if version >= 150000 else [])
    if version >= 150000:
        assert reader.rows("shop.c") == [{"id": 1}]
        assert reader.rows("shop.d") == [{"id": 1}]


def test_tables_are_configured_by_the_names_that_they_have(road, reader):
    for number, table in enumerate(("Mixed", "with blank", "do.t", "größe"), 1):
        road.sql(f'create table "{table}" (id int primary key)')
        road.sql(f'insert into "{table}" values ({number})')
        road.tables[f"public.{table}"] = ("id",)
    road.configure()
    worker = copied(road.capture())
    road.sql('insert into "Mixed" values (10)')
    caught_up(road, worker)
    rows = {table: reader.rows(f"public.{table}") for table in ("Mixed", "with_blank", "do.t", "gr__e")}
    assert rows == {
        "Mixed": [{"id": 1}, {"id": 10}],
        "with_blank": [{"id": 2}],
        "do.t": [{"id": 3}],
        "gr__e": [{"id": 4}],
    }


def test_truncate_of_several_tables_is_an_event_for_each_that_is_captured(road, reader):
    for table in ("a", "uncaptured"):
        road.sql(f"create table {table} (id int primary key)")
    road.table("public.a2", "id int primary key references a")
    road.tables["public.a"] = ("id",)
    road.configure()
    worker = copied(road.capture())
    road.sql("insert into a values (1)")
    road.sql("insert into a2 values (1)")
    road.sql("truncate a, uncaptured cascade")
    road.sql("truncate uncaptured")
    road.sql("insert into a values (2)")
    caught_up(road, worker)
    assert [op for op, _, _ in reader.events("public.a")] == ["c", "t", "c"]
    assert [(op, key) for op, key, _ in reader.events("public.a2")] == [("c", {"id": 1}), ("t", None)]
    assert f"{road.prefix}.public.uncaptured" not in road.servers.topics(road.prefix)


def test_a_table_of_1600_columns(road, reader):
    columns = ", ".join(f"c{n} int" for n in range(1, 1600))
    worker = publish_all(road)
    road.sql(f"create table wide (id int primary key, {columns})")
    road.sql("insert into wide (id, c1, c1599) values (1, 7, 8)")
    caught_up(road, worker)
    (row,) = reader.rows("public.wide")
    assert len(row) == 1600
    assert {name: value for name, value in row.items() if value is not None} == {"id": 1, "c1": 7, "c1599": 8}


def test_a_row_larger_than_a_record_may_be_stops_with_its_table_and_the_setting(road, reader):
    """It is kept: the slot stays before it, and with a larger limit the work goes on."""
    road.table("public.large", "id int primary key, v text")
    road.configure(top={"kafka": {"message_max_bytes": 100000}})
    worker = copied(road.capture())
    road.sql("insert into large values (1, 'small')")
    caught_up(road, worker)
    road.sql("insert into large select 2, string_agg(md5(n::text), '') from generate_series(1, 10000) n")
    assert worker.wait_exit(SECONDS) == 1
    (failure,) = worker.log_events("worker_failed")
    assert failure["code"] == "KAFKA_TOO_LARGE", failure
    assert "public.large" in failure["error"], failure
    assert "message_max_bytes" in failure["hint"], failure
    road.configure()
    topic = confluent_kafka.admin.ConfigResource(
        confluent_kafka.admin.ConfigResource.Type.TOPIC,
        f"{road.prefix}.public.large",
        incremental_configs=[
            confluent_kafka.admin.ConfigEntry(
                "max.message.bytes", "8388608", incremental_operation=confluent_kafka.admin.AlterConfigOpType.SET
            )
        ],
    )
    admin = road.servers.kafka_admin()
    for done in admin.incremental_alter_configs([topic]).values():
        done.result(20)
    worker.start()
    caught_up(road, worker)
    assert [len(row["v"]) for row in reader.rows("public.large")] == [5, 320000]


# ---- keys ----


def test_a_table_with_no_key_is_captured_without_one(road, reader):
    road.sql("create table full_rows (a int, b text)")
    road.sql("alter table full_rows replica identity full")
    road.sql("create table inserts (a int, b text)")
    road.sql("insert into inserts values (0, 'copied'), (0, 'copied')")
    worker = publish_all(road)
    road.sql("insert into full_rows values (1, 'x'), (1, 'x')")
    road.sql("update full_rows set b = 'y' where a = 1")
    road.sql("delete from full_rows")
    road.sql("insert into inserts values (1, 'x')")
    caught_up(road, worker)
    x, y = {"a": 1, "b": "x"}, {"a": 1, "b": "y"}
    assert reader.events("public.full_rows") == [("c", None, x)] * 2 + [("u", None, y)] * 2 + [("d", None, y)] * 2
    assert reader.events("public.inserts") == [("r", None, {"a": 0, "b": "copied"})] * 2 + [("c", None, x)]
    records = compare.read_committed(road.servers, f"{road.prefix}.public.full_rows")
    assert all(record.value() is not None for record in records), "without a key a tombstone says nothing"
    keyless = {event["table"] for event in worker.log_events("table_keyless")}
    assert keyless == {"public.full_rows", "public.inserts"}
    assert worker.metric("leat_capture_table_keyless", f"{road.prefix}.public.inserts") == 1


def test_replica_identity_changes_in_the_stream(road, reader):
    """default -> full -> an index -> nothing -> a unique index -> no key at all -> a key again. Everything else goes on."""
    road.sql("create table t (id int primary key, k int not null unique, v text)")
    worker = publish_all(road)
    topic = f"{road.prefix}.public.t"
    road.sql("insert into t values (1, 10, 'a')")
    road.sql("alter table t replica identity full")
    road.sql("update t set v = 'b'")
    road.sql("alter table t replica identity using index t_k_key")
    road.sql("update t set v = 'c'")
    road.sql("alter table t replica identity nothing")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        road.sql("update t set v = 'refused by the server'")
    road.sql("insert into t values (2, 20, 'd')")
    caught_up(road, worker)  # the log does not say which key a table had that has no identity: the catalog does
    road.sql("alter table t drop constraint t_pkey")
    road.sql("alter table t replica identity default")
    road.sql("insert into t values (3, 30, 'e')")
    caught_up(road, worker)
    road.sql("alter table t drop constraint t_k_key")
    road.sql("insert into t values (4, 40, 'g')")
    wait.until(lambda: worker.metric("leat_capture_table_keyless", topic) == 1, SECONDS, worker.tail)
    road.sql("alter table t add primary key (id)")
    road.sql("update t set v = 'f' where id = 3")
    road.sql("insert into fence values (1)")
    caught_up(road, worker)
    assert [(op, key, row["v"]) for op, key, row in reader.events("public.t")] == [
        ("c", {"id": 1}, "a"),
        ("u", {"id": 1}, "b"),
        ("u", {"k": 10}, "c"),
        ("c", {"id": 2}, "d"),
        ("c", {"k": 30}, "e"),
        ("c", None, "g"),
        ("u", {"id": 3}, "f"),
    ]
    assert [event["table"] for event in worker.log_events("table_keyed")] == ["public.t"]
    assert worker.metric("leat_capture_table_keyless", topic) == 0
    assert reader.rows("public.fence") == [{"id": 1}]


def test_a_key_that_was_made_since_is_not_the_rows(road, reader):
    """With replica identity full only the catalog knows the key, and it can be ahead: a row that has none says so."""
    road.sql("create table t (a int, v text)")
    road.sql("alter table t replica identity full")
    worker = publish_all(road)
    worker.stop()
    road.sql("insert into t values (1, 'x'), (null, 'y')")
    road.sql("update t set a = 2 where a is null")
    road.sql("alter table t alter a set not null")
    road.sql("create unique index on t (a)")
    road.sql("insert into t values (3, 'z')")
    worker.start()
    caught_up(road, worker)
    assert reader.events("public.t") == [
        ("c", {"a": 1}, {"a": 1, "v": "x"}),
        ("c", None, {"a": None, "v": "y"}),
        ("u", None, {"a": 2, "v": "y"}),
        ("c", {"a": 3}, {"a": 3, "v": "z"}),
    ]
    assert [len(worker.log_events(event)) for event in ("table_keyless", "table_keyed")] == [1, 1]


def allowed(reader, road, table, column):
    """Labels that the schema of each event has for a column."""
    found = []
    for record in compare.read_committed(road.servers, f"{road.prefix}.{table}"):
        number = int.from_bytes(record.value()[1:5], "big")
        with urllib.request.urlopen(f"{reader.url}/schemas/ids/{number}", timeout=20) as answer:
            row = json.loads(json.load(answer)["schema"])["fields"][0]["type"][1]
        (kind,) = [field["type"] for field in row["fields"] if field["name"] == column]
        found.append(kind["connect.parameters"]["allowed"])
    return found


def test_an_enum_gains_labels_in_the_middle_of_the_stream(road, reader):
    """A label is a text: it arrives whether the schema names it or not. The server announces a table, not a type, so
    the schema follows when the table is announced."""
    road.sql("create type mood as enum ('good', 'bad')")
    road.sql("create table t (id int primary key, m mood not null)")
    worker = publish_all(road)
    road.sql("insert into t values (1, 'good')")
    road.sql("alter type mood add value 'new, odd'")
    road.sql("insert into t values (2, 'new, odd')")
    with road.pg.transaction():
        road.sql("alter type mood rename value 'bad' to 'awful'")
        road.sql("insert into t values (3, 'awful')")
    road.sql("insert into t values (4, 'awful')")
    caught_up(road, worker)
    with road.pg.transaction():
        road.sql("alter type mood add value 'last'")
        road.sql("alter table t add n int")
    road.sql("insert into t values (5, 'last')")
    road.sql("update t set m = 'last' where id = 1")
    caught_up(road, worker)
    assert [(op, row["id"], row["m"]) for op, _, row in reader.events("public.t")] == [
        ("c", 1, "good"),
        ("c", 2, "new, odd"),
        ("c", 3, "awful"),
        ("c", 4, "awful"),
        ("c", 5, "last"),
        ("u", 1, "last"),
    ]
    assert road.reject_records() == []
    assert allowed(reader, road, "public.t", "m")[-2:] == ["good,awful,new, odd,last"] * 2


def test_a_table_that_goes_by_a_unique_index_is_loaded(road):
    """The warehouse holds its rows by that key; and NULL is NULL where a column has a default."""
    road.table("public.uniques", "a int not null unique, v text default 'x', n numeric(8, 2) default 1.5", key=("a",))
    road.sql("alter table uniques replica identity full")
    road.sql("insert into uniques values (1, null, null), (2, 'y', 2)")
    road.configure()
    road.start()
    road.check("public.uniques")
    road.sql("insert into uniques (a) values (3), (4)")
    road.sql("update uniques set v = null, n = null where a = 3")
    road.sql("update uniques set a = 5 where a = 2")
    road.sql("delete from uniques where a = 4")
    road.check("public.uniques")
    assert {row["a"]: row["v"] for row in road.rows("uniques")} == {1: None, 3: None, 5: "y"}


def test_the_sink_keeps_what_has_no_key_and_loads_the_rest(road):
    """Until a table without a key can be loaded, its events go to the reject topic, and say why."""
    road.table("public.keyed", "id int primary key, v text")
    road.table("public.keyless", "v text")
    road.sql("create table public.fence (id bigint primary key)")
    road.tables["public.fence"] = ("id",)
    road.sql("create publication leat_core for table keyed, keyless, fence")
    road.configure()
    road.start()
    road.sql("insert into keyed values (1, 'x')")
    road.sql("insert into keyless values ('x')")
    road.check("public.keyed")
    (reject,) = road.reject_records()
    assert (reject["stage"], reject["topic"]) == ("sink", f"{road.prefix}.public.keyless")
    assert "key" in reject["message"], reject


# ---- what cannot be captured ----

REFUSED = {
    "two tables, one topic": (['"a b"', "a_b"], "id int primary key", "PG_TOPIC_TAKEN", ["public.a b", "public.a_b"]),
    "two tables that Kafka takes for one": (['"a.b"', "a_b"], "id int primary key", "PG_TOPIC_TAKEN", ["public.a.b"]),
    "a topic of leat's own": (["leat.rejects"], "id int primary key", "PG_TOPIC_TAKEN", ["leat.rejects"]),
    "two columns, one name": (
        ["t"], 'id int primary key, "a-b" int, a_b int', "COLUMN_NAMES", ["public.t", '"a-b"', '"a_b"'],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_names_that_become_one_are_refused_before_anything_is_written(road, case):
    tables, columns, code, words = REFUSED[case]
    road.sql("create schema leat")
    for table in tables:
        road.sql(f"create table {table} ({columns})")
    road.table("public.fence", "id bigint primary key")
    road.sql("create publication tables for all tables")
    road.configure(core={"postgresql": {"tables": [], "publication": "tables"}})
    failure = road.fails("capture", "core")
    assert (failure.exit_code, failure.code) == (1, code), failure
    for word in words:
        assert word in failure.message, failure
    assert road.traces() == set()


def test_a_table_that_cannot_be_captured_stops_alone_and_comes_back(road, reader):
    """Its changes go to the reject topic, whole, until its shape fits again."""
    road.sql("create table t (id int primary key, a_b text)")
    worker = publish_all(road)
    topic = f"{road.prefix}.public.t"
    road.sql("insert into t values (1, 'x')")
    road.sql('alter table t add column "a-b" text')
    road.sql("insert into t values (2, 'y', 'z')")
    road.sql("update t set a_b = 'yy' where id = 2")
    road.sql("insert into fence values (1)")
    wait.until(lambda: worker.metric("leat_capture_table_stopped", topic) == 1, SECONDS, worker.tail)
    caught_up(road, worker)
    assert reader.rows("public.fence") == [{"id": 1}], "the others go on"
    worker.stop()
    worker.start()
    road.sql("delete from t where id = 2")
    caught_up(road, worker)
    assert worker.metric("leat_capture_table_stopped", topic) == 1, "also after a restart"
    (stopped,) = worker.log_events("table_stopped")
    assert (stopped["table"], stopped["code"]) == ("public.t", "COLUMN_NAMES")
    road.sql('alter table t rename column "a-b" to c')
    road.sql("insert into t values (3, 'v', 'w')")
    caught_up(road, worker)
    assert worker.metric("leat_capture_table_stopped", topic) == 0
    assert reader.rows("public.t") == [{"id": 1, "a_b": "x"}, {"id": 3, "a_b": "v", "c": "w"}]
    kept = [(reject["code"], reject["record"]) for reject in road.reject_records()]
    assert kept == [
        ("COLUMN_NAMES", {"op": "c", "before": None, "after": {"id": "2", "a_b": "y", "a-b": "z"}}),
        ("COLUMN_NAMES", {"op": "u", "before": None, "after": {"id": "2", "a_b": "yy", "a-b": "z"}}),
        ("COLUMN_NAMES", {"op": "d", "before": {"id": "2", "a_b": None, "a-b": None}, "after": None}),
    ]


def test_a_new_table_does_not_write_into_the_topic_of_another(road, reader):
    road.sql("create table a_b (id int primary key)")
    worker = publish_all(road)
    road.sql('create table "a b" (id int primary key)')
    road.sql('insert into "a b" values (1)')
    road.sql("insert into a_b values (2)")
    caught_up(road, worker)
    road.sql("drop table a_b")
    road.sql('insert into "a b" values (3)')
    road.sql('create table "a-b" (id int primary key)')
    road.sql('insert into "a-b" values (4)')
    caught_up(road, worker)
    assert reader.rows("public.a_b") == [{"id": 2}]
    assert reader.rows("public.a-b") == [{"id": 4}]
    assert [(r["code"], r["record"]["after"]) for r in road.reject_records()] == [
        ("PG_TOPIC_TAKEN", {"id": "1"}),
        ("PG_TOPIC_TAKEN", {"id": "3"}),
    ], "until the server announces it anew"


def test_a_table_that_was_dropped_does_not_stop_the_next_start(road, reader):
    """What it had before is in the log, and is captured."""
    road.table("public.gone", "id int primary key")
    road.table("public.stays", "id int primary key")
    road.configure()
    worker = copied(road.capture())
    worker.stop()
    road.sql("insert into gone values (1)")
    road.sql("drop table gone")
    road.sql("insert into stays values (1)")
    worker.start()
    caught_up(road, worker)
    assert reader.rows("public.gone") == [{"id": 1}]
    assert reader.rows("public.stays") == [{"id": 1}]


# ---- the registry ----


@pytest.fixture
def registered(road, registry):
    """A table that is captured over the scripted registry, which knows nothing of it."""
    for subject in json.loads(registry.hand_on("GET", "/subjects")[1]):
        if subject.startswith(f"{road.prefix}."):
            registry.hand_on("DELETE", f"/subjects/{subject}")
    road.sql("create table t (id int primary key, v text)")
    worker = publish_all(road, top={"registry": {"url": registry.url}})
    road.sql("insert into t values (0, 'first')")
    caught_up(road, worker)
    return worker


VERSIONS = "POST /subjects/[^/]*t-value/versions"


def change_id(answer):
    """The id of some other schema: bytes written under it could not be read."""
    return json.dumps({"id": json.loads(answer)["id"] - 1}).encode()


FAULTS = {
    "500": {"status": 500, "body": b'{"error_code": 50001, "message": "store"}'},
    "503 and no JSON": {"status": 503, "body": b"<html>"},
    "401": {"status": 401, "body": b'{"error_code": 401, "message": "Unauthorized"}'},
    "422": {"status": 422, "body": b'{"error_code": 42201, "message": "Invalid"}'},
    "not JSON": {"status": 200, "body": b"welcome"},
    "no id": {"status": 200, "body": b"{}"},
    "409": {"status": 409, "body": b'{"error_code": 409, "message": "incompatible"}'},
    "the id of another schema": {"change": change_id},
}


def test_whatever_the_registry_answers_the_capture_waits_and_goes_on(road, reader, registry, registered):
    """Ready again without a new session, and every row is there."""
    worker = registered
    wanted = [{"id": 0, "v": "first"}]
    for number, (name, fault) in enumerate(FAULTS.items(), 1):
        registry.on(VERSIONS, **fault)
        road.sql(f"alter table t add column c{number} int")
        road.sql(f"insert into t (id, c{number}) values ({number}, {number})")
        wait.until(lambda: worker.state() == "waiting", SECONDS, lambda: f"{name}: waiting\n{worker.tail()}")
        assert worker.metric("leat_capture_registry_waiting", "core") == 1, name
        assert worker.log_events("registry_waiting")[-1]["table"] == "public.t"
        registry.clear()
        caught_up(road, worker)
        wanted.append({"id": number, "v": None} | {f"c{n}": n if n == number else None for n in range(1, number + 1)})
        assert (worker.state(), worker.metric("leat_capture_registry_waiting", "core")) == ("running", 0), name
    assert reader.rows("public.t") == wanted
    assert worker.log_events("session_failed") == []


@pytest.mark.messages
def test_the_first_logical_message_waits_for_the_registry_too(road, reader, registry, registered):
    """What was committed before it goes first; both of its schemas are asked for again in the same session."""
    worker = registered
    for subject in ("key", "value"):
        registry.on(f"POST /subjects/[^/]*message-{subject}/versions", status=500, body=b'{"error_code": 50001, "message": "store"}')
        with road.servers.postgres(road.database) as connection:
            connection.execute("insert into t values (%s, 'before')", (len(subject),))
            connection.commit()
            connection.execute("select pg_logical_emit_message(true, 'outbox', %s)", (subject,))
            connection.execute("insert into t values (%s, 'with it')", (-len(subject),))
        wait.until(lambda: worker.state() == "waiting", SECONDS, worker.tail)
        assert worker.log_events("registry_waiting")[-1]["table"] == "logical messages"
        wait.until(lambda: {"id": len(subject), "v": "before"} in reader.rows("public.t"), SECONDS, worker.tail)
        assert {"id": -len(subject), "v": "with it"} not in reader.rows("public.t")
        registry.clear()
        caught_up(road, worker)
        assert {"id": -len(subject), "v": "with it"} in reader.rows("public.t")
        assert len(compare.read_committed(road.servers, f"{road.prefix}.message")) == (1 if subject == "key" else 2)
        if subject == "key":
            worker.stop()
            worker.start().wait_ready()
    assert worker.state() == "running"
    assert worker.log_events("session_failed") == []


def test_a_slow_registry_does_not_cost_the_connection(road, reader, registry, registered):
    """Feedback goes on: the server would end a walsender that is silent for two seconds."""
    worker = registered
    road.sql(f"""alter database "{road.database}" set wal_sender_timeout = '2s'""")
    worker.stop()
    worker.start()
    worker.wait_ready()
    registry.on(VERSIONS, delay_s=6)
    road.sql("alter table t add column slow int")
    road.sql("insert into t values (1, 'x', 1)")
    caught_up(road, worker)
    assert reader.rows("public.t")[1:] == [{"id": 1, "v": "x", "slow": 1}]
    assert worker.log_events("session_failed") == []


def test_a_registry_that_is_away_is_waited_for_and_a_stop_is_quick(road, reader, registry, registered):
    worker = registered
    registry.on(VERSIONS, status=500)
    road.sql("alter table t add column away int")
    road.sql("insert into t values (1, 'x', 1)")
    wait.until(lambda: worker.state() == "waiting", SECONDS, worker.tail)
    assert worker.stop() == 0
    registry.clear()
    worker.start()
    caught_up(road, worker)
    assert reader.rows("public.t")[1:] == [{"id": 1, "v": "x", "away": 1}]


def test_what_was_committed_before_does_not_wait_with_the_table(road, reader, registry, registered):
    """All of it comes in one burst after a restart; the first transaction is whole before the registry is needed."""
    worker = registered
    worker.stop()
    road.sql("insert into fence values (1)")
    road.sql("alter table t add column later int")
    road.sql("insert into t values (1, 'x', 1)")
    road.sql("insert into fence values (2)")
    registry.on(VERSIONS, status=500)
    worker.start()
    wait.until(lambda: worker.state() == "waiting", SECONDS, worker.tail)
    wait.until(lambda: reader.rows("public.fence") == [{"id": 1}], SECONDS, worker.tail)
    assert reader.rows("public.t") == [{"id": 0, "v": "first"}]
    registry.clear()
    caught_up(road, worker)
    assert reader.rows("public.fence") == [{"id": 1}, {"id": 2}]
    assert reader.rows("public.t")[1:] == [{"id": 1, "v": "x", "later": 1}]


def test_compatibility_is_decided_by_a_person_and_only_where_it_must(road, reader, registry, registered):
    """BACKWARD: not null is no reason to wait, another type is. The source waits until somebody says so."""
    worker = registered
    subject = f"{road.prefix}.public.t-value"

    def set_compatibility(level):
        body = json.dumps({"compatibility": level}).encode()
        assert registry.hand_on("PUT", f"/config/{subject}", body)[0] == 200

    set_compatibility("BACKWARD")
    road.sql("alter table t add column n int not null default 5")
    road.sql("insert into t values (1, 'x')")
    road.sql("alter table t alter column v set not null")
    road.sql("insert into t values (2, 'y')")
    caught_up(road, worker)
    assert reader.rows("public.t")[1:] == [{"id": 1, "v": "x", "n": 5}, {"id": 2, "v": "y", "n": 5}]
    road.sql("alter table t alter column n type text")
    road.sql("insert into t values (3, 'z', 'five')")
    waiting = wait.until(lambda: worker.log_events("registry_waiting"), SECONDS, worker.tail)[0]
    assert (waiting["code"], waiting["table"]) == ("REGISTRY_INCOMPATIBLE", "public.t")
    assert subject in waiting["error"] and "NONE" in waiting["hint"]
    set_compatibility("NONE")
    caught_up(road, worker)
    assert reader.rows("public.t")[3:] == [{"id": 3, "v": "z", "n": "five"}]
    assert worker.log_events("session_failed") == []


def test_an_array_gets_more_dimensions_when_a_value_has_them(road, reader, registry, registered):
    """BACKWARD allows it, also after a start that knows nothing of them. No row waits, none is rejected."""
    worker = registered
    body = json.dumps({"compatibility": "BACKWARD"}).encode()
    assert registry.hand_on("PUT", f"/config/{road.prefix}.public.t-value", body)[0] == 200
    road.sql("alter table t add column grid int[], add column words text[] not null default '{}'")
    values = [[1, None], [], [[1, 2], [3, None]], [4], None, [[[5]], [[6]]], [7, 8]]
    for number, value in enumerate(values, 1):
        road.sql("insert into t (id, grid, words) values (%s, %s, %s)", (number, value, [["a", "{b}"]]))
    road.sql("insert into t (id, grid) values (8, '[0:1][5:5]={{9},{10}}')")
    caught_up(road, worker)
    wanted = [{"id": n, "v": None, "grid": value, "words": [["a", "{b}"]]} for n, value in enumerate(values, 1)]
    wanted.append({"id": 8, "v": None, "grid": [[9], [10]], "words": []})
    assert reader.rows("public.t")[1:] == wanted
    widened = [(event["column"], event["dimensions"]) for event in worker.log_events("schema_widened")]
    assert widened == [("words", 2), ("grid", 2), ("grid", 3)]

    worker.stop()
    road.sql("alter table t add column later int")
    road.sql("insert into t (id, grid, later) values (9, '{11}', 1)")
    worker.start()
    caught_up(road, worker)
    assert reader.rows("public.t")[9:] == [{"id": 9, "v": None, "grid": [11], "words": [], "later": 1}]
    assert worker.log_events("registry_waiting") == []
    assert road.reject_records() == []


def test_a_schema_is_registered_once_however_often_it_comes_back(road, reader, registry, registered):
    """Two shapes in turn, and three sessions: one registration each."""
    worker = registered
    for number in range(1, 4):
        road.sql("alter table t add column flip int")
        road.sql(f"insert into t values ({number}, 'with', 1)")
        road.sql("alter table t drop column flip")
        road.sql(f"insert into t values ({number + 10}, 'without')")
        road.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s", (road.slot,))
    road.sql("insert into t values (20, 'end')")
    caught_up(road, worker)
    assert len(reader.rows("public.t")) == 8
    registered_values = [path for path in registry.registrations() if path.endswith("t-value/versions")]
    assert len(registered_values) == 2, registered_values
