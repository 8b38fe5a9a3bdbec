"""What a source does arrives in the warehouse: row by row, nothing missing, nothing extra, nothing twice."""

import datetime
import json
import random

import bson
import bson.json_util
import confluent_kafka
import pytest
from bank import compare, mapping, wait
from bank.generate import SPOILERS, spoiled, trade
from bank.load import as_document

LEDGER = "id bigint primary key, owner text, balance numeric(18,2), opened date, seen timestamptz, note text"
ITEM_COLUMNS = [
    {"column": "name", "path": "name", "type": "string", "required": True},
    {"column": "n", "path": "deep.n", "type": "int"},
    {"column": "tags", "path": "tags", "type": "json"},
    {"column": "at", "path": "at", "type": "timestamp"},
]


@pytest.fixture
def accounts(road):
    """public.accounts with ten rows, captured."""
    road.table("public.accounts", LEDGER)
    road.sql(
        "insert into public.accounts select n, 'owner ' || n, n * 100.25, '2020-01-01'::date + n::int, now(), 'ñ→🏦' "
        "from generate_series(1, 10) n"
    )
    road.configure()
    return road


def random_text(size, seed):
    """Random, so that compression does not bring it back into the row."""
    return "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size))


def test_rows_that_were_there_before_are_copied_first(accounts):
    accounts.start()
    accounts.check()
    assert len(accounts.rows("accounts")) == 10


def test_inserts_updates_and_deletes_arrive(accounts):
    accounts.start()
    accounts.sql("insert into public.accounts (id, owner) values (11, ''), (12, null)")
    accounts.sql("update public.accounts set balance = balance - 1.01, owner = 'renamed, \"quoted\"\n\\' where id <= 3")
    accounts.sql("delete from public.accounts where id in (4, 5)")
    accounts.sql("insert into public.accounts (id, owner) values (4, 'again')")
    accounts.check()
    assert {row["id"] for row in accounts.rows("accounts")} == {1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12}


def test_many_changes_of_one_row_end_in_its_last_state(accounts):
    accounts.start()
    for n in range(50):
        accounts.sql("update public.accounts set note = %s where id = 1", (f"state {n}",))
        if n % 10 == 9:
            accounts.sql("delete from public.accounts where id = 2")
            accounts.sql("insert into public.accounts (id, note) values (2, %s)", (f"life {n}",))
    accounts.check()


def test_a_changed_key_moves_the_row(accounts):
    accounts.start()
    accounts.sql("update public.accounts set id = id + 100 where id <= 3")
    accounts.check()
    with accounts.pg.transaction():  # a ring: each row takes the key of another
        accounts.sql("update public.accounts set id = -id where id in (4, 5)")
        accounts.sql("update public.accounts set id = 9 - (-id) where id < 0")
    accounts.check()


def test_a_key_of_two_columns_decides(road):
    road.table("public.lines", "invoice int, line smallint, amount numeric(10,2), primary key (invoice, line)", key=("invoice", "line"))
    road.configure()
    road.start()
    road.sql("insert into public.lines select i, l, i * l from generate_series(1, 5) i, generate_series(1, 5) l")
    road.sql("delete from public.lines where line = 2 and invoice > 2")
    road.sql("update public.lines set amount = -1 where invoice = 1 and line = 1")
    road.check()


def test_a_large_value_that_did_not_travel_is_kept(road):
    """An update that leaves a TOASTed value alone does not carry it."""
    road.table("public.papers", "id int primary key, body text, state text")
    road.sql("insert into public.papers values (1, %s, 'first')", (random_text(60_000, 1),))
    road.configure()
    road.start()
    road.sql("insert into public.papers values (2, %s, 'first')", (random_text(60_000, 2),))
    road.check()
    road.sql("update public.papers set state = 'second'")
    road.check()
    road.sql("update public.papers set state = 'third', id = id + 10")  # with a new key
    road.check()
    with road.pg.transaction():  # written and touched in one batch
        road.sql("insert into public.papers values (3, %s, 'first')", (random_text(60_000, 3),))
        road.sql("update public.papers set state = 'second' where id = 3")
    road.check()


KINDS = {  # a column's type, and a value of it that is kept outside of the row
    "text": "repeat(md5(i::text), 200)",
    "varchar(9000)": "repeat(md5(i::text), 201)::varchar(9000)",
    "json": "json_build_object('k', repeat(md5(i::text), 202))",
    "jsonb": "jsonb_build_object('k', repeat(md5(i::text), 203))",
    "xml": "('<x>' || repeat(md5(i::text), 204) || '</x>')::xml",
    "bytea": "decode(repeat(md5(i::text), 205), 'hex')",
    "hstore": "hstore('k', repeat(md5(i::text), 206))",
    "text[]": "array_fill(md5(i::text), array[207])",
    "uuid[]": "array_fill(md5(i::text)::uuid, array[208])",
    "date[]": "array_fill('2024-02-29'::date, array[1209])",
    "bigint[]": "array_fill(i::bigint, array[1210])",
}
PLACEHOLDER = "__debezium_unavailable_value"


@pytest.mark.parametrize("identity", ["default", "full"])
def test_large_values_of_every_kind_that_did_not_travel_are_kept(road, identity):
    """Also beside a value that is, letter by letter, what stands for one that did not travel."""
    road.sql("create extension hstore")
    columns = {f"c{number}": kind for number, kind in enumerate(KINDS)}
    road.table("public.papers", "id int primary key, state text, " + ", ".join(f"{n} {k}" for n, k in columns.items()))
    for name in columns:
        road.sql(f"alter table public.papers alter column {name} set storage external")
    road.sql(f"alter table public.papers replica identity {identity}")
    road.configure()
    road.start()
    road.sql(f"insert into public.papers select i, 'first', {', '.join(KINDS.values())} from generate_series(1, 5) i")
    road.sql("insert into public.papers (id, state, c0) values (6, %s, %s)", (PLACEHOLDER, PLACEHOLDER))
    road.settle()
    first = {row["id"]: row for row in road.rows("papers")}
    assert all(first[1].values()) and first[6]["c0"] == PLACEHOLDER
    road.sql("update public.papers set state = 'second' where id <> 6")
    road.sql("update public.papers set id = id + 10 where id in (2, 6)")
    road.sql("update public.papers set c0 = %s where id = 3", (PLACEHOLDER,))
    road.settle()
    wanted = {}
    for number, row in first.items():
        now = number + 10 if number in (2, 6) else number
        wanted[now] = row | {"id": now} | ({} if number == 6 else {"state": "second"})
    wanted[3]["c0"] = PLACEHOLDER
    assert {row["id"]: row for row in road.rows("papers")} == wanted


def test_a_truncate_empties_the_table(accounts):
    accounts.start()
    accounts.sql("insert into public.accounts (id) values (50)")
    accounts.sql("truncate public.accounts")
    accounts.sql("insert into public.accounts (id, owner) values (1, 'after'), (51, 'after')")
    accounts.check()
    assert {row["id"] for row in accounts.rows("accounts")} == {1, 51}
    accounts.sql("truncate public.accounts")
    accounts.check()
    assert accounts.rows("accounts") == []


def test_an_added_column_is_added_to_the_warehouse(accounts):
    accounts.start()
    accounts.sql("insert into public.accounts (id) values (20)")
    accounts.sql("alter table public.accounts add column colour text, add column size int")
    accounts.sql("insert into public.accounts (id, colour, size) values (21, 'red', 5)")
    accounts.sql("update public.accounts set colour = 'blue' where id = 1")
    accounts.check()


def test_what_was_rolled_back_never_arrives(accounts):
    accounts.start()
    with accounts.pg.transaction(force_rollback=True):
        accounts.sql("insert into public.accounts (id) values (99)")
        accounts.sql("delete from public.accounts where id = 1")
    with accounts.pg.transaction():
        accounts.sql("insert into public.accounts (id) values (30)")
        with accounts.pg.transaction(force_rollback=True):  # a savepoint
            accounts.sql("insert into public.accounts (id) values (31)")
    accounts.check()
    assert {row["id"] for row in accounts.rows("accounts")} == {*range(1, 11), 30}


def test_a_transaction_larger_than_a_batch_is_one(road):
    """Several Kafka transactions, one cut: the warehouse never shows a part of it."""
    road.table("public.rows", "id int primary key, filler text")
    road.configure(core={"batch_max_bytes": "128KiB"})
    road.start()
    road.settle()
    with road.pg.transaction():
        road.sql("insert into public.rows select n, repeat('x', 200) from generate_series(1, 20000) n")
    seen = set()

    def all_there():
        with road.servers.warehouse() as connection:
            seen.add(connection.execute(f'select count(*) from "{road.schema}"."rows"').fetchone()[0])
        return 20_000 in seen

    with road.servers.warehouse() as connection:
        has_table = "select count(*) from pg_tables where schemaname = %s and tablename = 'rows'"
        wait.until(lambda: connection.execute(has_table, (road.schema,)).fetchone()[0], 60, road.why_not_settled)
    wait.until(all_there, 60, lambda: f"rows seen: {sorted(seen)}")
    assert seen <= {0, 20_000}
    road.check()


def test_values_of_all_common_types_arrive(road):
    road.table(
        "public.kinds",
        "id int primary key, b bool, s smallint, l bigint, r real, d double precision, n numeric(38,10), t text, "
        "v varchar(40), c char(4), dt date, ts timestamp, tz timestamptz, j jsonb, u uuid",
    )
    road.configure()
    road.start()
    road.sql(
        """insert into public.kinds values
        (1, true, -32768, 9223372036854775807, 1.5, 1e-300, 1234567890123456789012345678.0123456789, 'x', 'ÿ', 'ab',
         '0001-01-01', '2262-04-11 23:47:16.854775', '2024-02-29 23:59:59.999999+02', '{"a": [1, null, "é"]}',
         'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
        (2, false, 32767, -9223372036854775808, -0.25, 1.7976931348623157e308, -0.0000000001, '', '', '', '9999-12-31',
         '1970-01-01', '1969-12-31 23:59:59.5+00', '[]', null),
        (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null)"""
    )
    road.settle()
    source = {row[0]: row for row in road.sql("select id, b, s, l, r, d, n, t, v, dt, ts, tz from public.kinds")}
    for row in road.rows("kinds"):
        for name, expected in zip(("id", "b", "s", "l", "r", "d", "n", "t", "v", "dt", "ts", "tz"), source[row["id"]]):
            assert row[name] == expected, name
    by_id = {row["id"]: row for row in road.rows("kinds")}
    assert by_id[1]["c"].rstrip() == "ab"
    assert by_id[1]["u"] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    assert by_id[1]["j"] == 'json {"a": [1, null, "é"]}'
    assert len(by_id) == 3


def test_a_topic_that_others_write_to_is_read_where_the_ledger_says(accounts):
    """The ledger record is written before the broker tells the offsets it names: they are compared, not believed."""
    capture, _ = accounts.start()
    accounts.settle()
    other = confluent_kafka.Producer({"bootstrap.servers": accounts.servers.env["KAFKA_BROKERS"]})
    for turn in range(3):
        other.produce(f"{accounts.prefix}.public.accounts", b"not ours", b"not ours")
        assert other.flush(30) == 0
        accounts.sql("update public.accounts set balance = %s", (turn,))
        accounts.sql("delete from public.accounts where id = %s", (turn + 1,))
        accounts.check()
    ledger = {
        record.offset(): json.loads(record.value())
        for record in compare.read_committed(accounts.servers, f"{accounts.prefix}.leat.ledger.core")
    }
    replaced = {offset - 1 for offset, record in ledger.items() if record.get("replaces")}
    assert replaced, "no surprise: this test shows nothing"
    ranges = [
        range(*part[2:4])
        for offset, record in ledger.items()
        if offset not in replaced
        for part in record["partitions"]
        if part[0] == f"{accounts.prefix}.public.accounts"
    ]
    ours = [record.offset() for record in accounts.topic("public.accounts") if record.value() != b"not ours"]
    assert [offset for span in ranges for offset in span if offset in ours] == ours
    assert sum(map(len, ranges)) == len(ours), "a range holds a record that is not ours"
    assert not [line for line in capture.tail().splitlines() if "session_failed" in line]


def test_tables_of_two_schemas_keep_apart(road):
    road.sql("create schema other")
    road.table("public.one", "id int primary key, v text")
    road.table("other.two", "id int primary key, v text")
    road.configure()
    road.start()
    road.sql("insert into public.one values (1, 'one')")
    road.sql("insert into other.two values (1, 'two')")
    road.check()


def test_a_schedulers_run_ends_when_caught_up(accounts):
    accounts.capture().wait_ready()
    accounts.fence()  # it must be in Kafka before the run starts: only that is promised
    wait.until(lambda: accounts.topic("public.fence"), 30, "the fence in Kafka")
    done = accounts.run("sink", "--until-caught-up")
    assert done.returncode == 0, done.stderr
    assert accounts.fence_is_visible()
    comparison = accounts.compare("public.accounts")
    assert comparison.is_equal(), str(comparison)
    again = accounts.run("sink", "--until-caught-up")
    assert again.returncode == 0, again.stderr


def test_an_idle_database_keeps_the_slot_moving(accounts):
    """Only a table that is not captured changes: the server must be allowed to forget all the same."""
    accounts.sql("create table public.elsewhere (id int primary key, filler text)")
    accounts.start()
    accounts.settle()
    before = accounts.slot_position()
    accounts.sql("insert into public.elsewhere select n, repeat('y', 500) from generate_series(1, 2000) n")
    target = accounts.sql("select pg_current_wal_flush_lsn() - '0/0'::pg_lsn").fetchone()[0]
    assert target > before
    wait.until(lambda: accounts.slot_position() >= target, 30, lambda: f"slot at {accounts.slot_position()}, not {target}")


def test_a_restart_goes_on_where_it_stopped(accounts):
    capture, sink = accounts.start()
    accounts.settle()
    assert capture.stop() == 0
    assert sink.stop() == 0
    accounts.sql("update public.accounts set owner = 'while nobody looked'")
    accounts.sql("delete from public.accounts where id = 7")
    capture.start().wait_ready()
    sink.start().wait_ready()
    accounts.check()
    keys = [record.key() for record in accounts.topic("public.accounts")]
    n_events = 10 + 10 + 1 + 1  # first copy, updates, delete and its tombstone: nothing was copied or sent twice
    assert len(keys) == n_events


# ---- documents ----


@pytest.fixture
def items(road):
    """Collection items with five documents, captured."""
    collection = road.collection("items", ITEM_COLUMNS)
    collection.insert_many({"_id": f"i{n}", "name": f"item {n}", "deep": {"n": n}, "tags": ["a", n]} for n in range(5))
    road.configure()
    return road


def test_documents_that_were_there_before_are_copied_first(items):
    items.start()
    items.check()
    assert len(items.rows("items")) == 5


def test_documents_come_change_and_go(items):
    items.start()
    collection = items.docs["items"]
    collection.insert_one({"name": "an ObjectId", "at": datetime.datetime(2024, 2, 29, 23, 59, 59, 999000)})
    collection.insert_one({"_id": "text é 🏦", "name": 'quotes "," and\nlines', "tags": {"b": None, "a": [1.5, True]}})
    collection.insert_one({"_id": bson.Int64(1 << 40), "name": "", "deep": {"n": 7.0}, "tags": []})
    collection.insert_one({"_id": 12, "name": "a number"})
    collection.insert_one({"_id": {"b": 1, "a": "text"}, "name": "two parts"})
    collection.update_one({"_id": "i1"}, {"$set": {"name": "updated", "deep.n": -5}, "$unset": {"tags": ""}})
    collection.replace_one({"_id": "i2"}, {"name": "replaced"})
    collection.delete_one({"_id": "i3"})
    collection.delete_one({"_id": "i4"})
    collection.insert_one({"_id": "i4", "name": "again"})
    items.check()
    assert len(items.rows("items")) == 9


def test_a_transaction_of_documents_arrives_and_an_aborted_one_does_not(items):
    items.start()
    collection = items.docs["items"]
    with items.client.start_session() as session:
        with session.start_transaction():
            collection.insert_many([{"_id": f"t{n}", "name": "together"} for n in range(20)], session=session)
            collection.delete_one({"_id": "i0"}, session=session)
        session.start_transaction()
        collection.insert_one({"_id": "never", "name": "never"}, session=session)
        session.abort_transaction()
    items.check()
    assert "never" not in {row["_id"] for row in items.rows("items")}


def test_documents_that_do_not_fit_are_kept_aside_whole(road):
    """Before and after the start; the others go on."""
    rng = random.Random(7)
    collection = road.collection("trades", mapping.TRADE_COLUMNS)
    road.configure()

    def write(first):
        documents = [as_document(trade(rng, first + n)) for n in range(len(SPOILERS))]
        collection.insert_many(documents)
        bad = [spoiled(document, n) for n, document in enumerate(documents)]
        for document in bad:
            document["_id"] = bson.ObjectId()
        collection.insert_many(bad)
        return {str(document["_id"]): document for document in bad}

    bad = write(0)
    capture, _ = road.start()
    bad |= write(1000)
    road.check("trades")
    rejects = road.rejects("trades")
    assert {reject["key"] for reject in rejects} == bad.keys()
    for reject in rejects:
        document = bad[reject["key"]]
        assert mapping.unfit(document, mapping.TRADE_COLUMNS) == (reject["code"], reject["path"])
        assert bson.json_util.loads(bson.json_util.dumps(reject["record"])) == bson.json_util.loads(
            bson.json_util.dumps(document, json_options=bson.json_util.CANONICAL_JSON_OPTIONS)
        )
        assert reject["stage"] == "capture" and reject["source"] == "docs"
    assert sum(capture.metrics("leat_capture_rejects_total").values()) == len(rejects)


def test_a_document_that_fits_after_a_repair_arrives(items):
    items.start()
    collection = items.docs["items"]
    collection.insert_one({"_id": "a", "deep": {"n": 1}})  # no name
    collection.insert_one({"_id": "b", "name": "fits"})
    items.check()
    collection.update_one({"_id": "a"}, {"$set": {"name": "repaired"}})
    items.check()
    assert [reject["key"] for reject in items.rejects("items")] == ["a"]


def test_both_sources_share_one_sink(road):
    road.table("public.accounts", LEDGER)
    collection = road.collection("items", ITEM_COLUMNS)
    road.configure()
    road.start()
    for n in range(20):
        road.sql("insert into public.accounts (id, owner) values (%s, %s)", (n, f"o{n}"))
        collection.insert_one({"_id": f"i{n}", "name": f"n{n}"})
    road.check()


def test_more_tables_than_are_read_at_once_arrive(road, monkeypatch):
    """The sink stops reading the partition that it used least, which may be the ledger's while its records are at hand.
    Memory that was given back is overwritten, so that a look at it is seen."""
    for number in range(30):
        road.table(f"public.many_{number}", "id bigint primary key, n bigint")
    road.configure()
    capture = road.capture()
    capture.wait_ready()
    for turn in range(20):  # a record of the ledger for each
        with road.pg.transaction():
            for number in range(30):
                road.sql(f"insert into public.many_{number} values (%s, %s)", (turn, number))
        events = (turn + 1) * 30
        wait.until(lambda: sum(capture.metrics("leat_capture_events_total").values()) >= events, 30, f"{events} events")
    monkeypatch.setenv("MALLOC_PERTURB_", "165")
    road.sink()
    road.check()
