"""Values in binary: the events are those of the same changes as text, whatever the type, the version and the modes."""

import re
import sys
from pathlib import Path

import pytest
from bank import compare, wait

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "zoo"))

import zoo  # noqa: E402

TYPES_PAGE = Path(__file__).resolve().parents[2] / "docs/types.md"
SOURCE_BLOCK = b"\x14postgresql"  # behind the row in each event, after the version
FRAME_BYTES = 5  # in front of key and value: the schema's number
OTHER_MODES = {
    "decimal_handling_mode": "string",
    "time_precision_mode": "nanoseconds",
    "interval_handling_mode": "string",
    "hstore_handling_mode": "map",
    "binary_handling_mode": "base64",
}
BASE_TYPES = """
    with recursive base(root, oid) as (
        select oid, oid from pg_type
        union all
        select b.root, case t.typtype when 'd' then t.typbasetype else t.typelem end from base b join pg_type t on t.oid = b.oid
        where t.typtype = 'd' or (t.typinput = 'array_in'::regproc and t.typelem <> 0))
    select b.root, t.typname, format_type(t.oid, null), t.typtype = 'e' from base b join pg_type t on t.oid = b.oid
    where t.typtype <> 'd' and not (t.typinput = 'array_in'::regproc and t.typelem <> 0)"""
COLUMNS = """
    select c.relname, array_agg(a.attname::text order by a.attnum), array_agg(a.atttypid::int8 order by a.attnum)
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
    where c.relnamespace = 'zoo'::regnamespace and c.relkind = 'r' group by 1 order by 1"""


def documented():
    """The types of which docs/types.md says that they are read in binary."""
    rows = [line for line in TYPES_PAGE.read_text().splitlines() if re.match(r"\| .* \| yes \|", line)]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def read_in_binary(road):
    """Oids of the types that docs/types.md has, as the server has them."""
    names = documented()
    return {oid for oid, name, title, is_enum in road.sql(BASE_TYPES).fetchall() if is_enum or names & {name, title}}


def make_zoo(road, version):
    """{table in the schema `seen`: its columns}: the zoo's tables with those columns that can travel in binary."""
    road.sql("set timezone = 'UTC'")
    for animal in zoo.animals(version=version) + zoo.animals(zoo.FOLDER / "beyond", version):
        road.sql(animal.tables)
        road.sql(animal.rows)
    road.sql("create schema seen")
    good = read_in_binary(road)
    made = {}
    for table, columns, types in road.sql(COLUMNS).fetchall():
        road.sql(f"create table seen.{table} (like zoo.{table} including all)")
        for column, oid in zip(columns, types):
            if oid not in good:
                road.sql(f'alter table seen.{table} drop column "{column}"')
        kept = [column for column, oid in zip(columns, types) if oid in good]
        if len(kept) > 2:
            made[table] = kept
            road.tables[f"seen.{table}"] = ("id",)
    return made


def change(road, made):
    """Inserts, updates and deletes of every row, by its key and with whole old rows."""
    for table, columns in made.items():
        names = ", ".join(f'"{column}"' for column in columns)
        road.sql(f"insert into seen.{table} ({names}) select {names} from zoo.{table}")
        road.sql(f"update seen.{table} set what = what || ', again'")
        road.sql(f"alter table seen.{table} replica identity full")
        road.sql(f"update seen.{table} set what = what || ', and again'")
        road.sql(f"delete from seen.{table}")


def committed(road, prefix, table):
    return compare.read_committed(road.servers, f"{prefix}.{table}")


def wait_for_fence(road, prefix):
    wait.until(
        lambda: len(committed(road, prefix, "public.fence")) >= road.n_fences, 60,
        lambda: "\n".join(worker.tail() for worker in road.workers), poll_s=0.3,
    )  # fmt: skip


def events(road, prefix, table):
    """Key, row and headers of each event: all that does not say when it was captured, or by whom."""
    found = []
    for record in committed(road, prefix, table):
        headers = dict(record.headers() or ())
        value = record.value()
        row = value and value[FRAME_BYTES : value.index(SOURCE_BLOCK)]
        found.append((record.key() and record.key()[FRAME_BYTES:], row, headers.get("leat.pos"), headers.get("leat.unchanged")))
    return found


def rejects(road, prefix):
    records = compare.read_committed(road.servers, f"{prefix}.leat.rejects")
    volatile = rb'"(rejected_us":\d+|topic":"[^"]*"),'
    return [re.sub(volatile, b"", record.value()) for record in records]


@pytest.mark.parametrize(("major", "modes"), [("14", {}), ("18", OTHER_MODES)], ids=["14", "18"])
def test_the_zoo_is_the_same_as_text(clusters, road_on, major, modes):
    road = road_on(clusters(major))
    made = make_zoo(road, int(major))
    text_prefix = f"{road.prefix}.text"
    road.configure(core={"postgresql": modes})
    other = road.configure(
        core={"postgresql": modes | {"binary_transfer": False, "slot": f"{road.slot}_text"}},
        top={"prefix": text_prefix}, file="text.yaml",
    )  # fmt: skip
    binary = road.capture().wait_ready()
    text = road.capture(name="capture-text", config=other).wait_ready()
    for capture in (binary, text):  # tables are copied in windows: one of the two could still copy what the other streams
        wait.until(lambda capture=capture: capture.log_events("snapshot_done"), 60, capture.tail)
    change(road, made)
    road.fence()
    for prefix in (road.prefix, text_prefix):
        wait_for_fence(road, prefix)
    n_events = 0
    for table in made:
        in_binary, as_text = (events(road, prefix, f"seen.{table}") for prefix in (road.prefix, text_prefix))
        for got, want in zip(in_binary, as_text):
            assert got == want, table
        assert len(in_binary) == len(as_text) > 0, table
        n_events += len(in_binary)
    assert n_events > 500
    assert rejects(road, road.prefix) == rejects(road, text_prefix) != []
    assert binary.log_events("binary_transfer") and not text.log_events("binary_transfer")
    assert not binary.log_events("session_failed"), binary.tail()


def failed_for_text(capture):
    return [event for event in capture.log_events("session_failed") if event["code"] == "PG_BINARY_TRANSFER"]


def test_a_type_that_is_read_as_text_only_may_join(road):
    road.table("public.things", "id int primary key, v text")
    capture, _ = road.start()
    road.sql("insert into public.things values (1, 'in binary')")
    road.settle()
    assert capture.log_events("binary_transfer") and not failed_for_text(capture)
    road.sql("alter table public.things add column r int4range")
    road.sql("insert into public.things values (2, 'as text', '[1,5)')")
    road.settle()
    assert len(failed_for_text(capture)) == 1
    road.sql("alter table public.things drop column r")
    road.sql("insert into public.things values (3, 'still as text')")
    road.settle()
    assert [(row["id"], row["v"], row["r"]) for row in sorted(road.rows("things"), key=lambda row: row["id"])] == [
        (1, "in binary", None), (2, "as text", "[1,5)"), (3, "still as text", None),
    ]  # fmt: skip
    assert len(failed_for_text(capture)) == 1


def test_a_type_that_the_server_cannot_write_in_binary_may_join(road):
    road.table("public.things", "id int primary key, v text")
    capture, _ = road.start()
    road.settle()
    assert capture.log_events("binary_transfer")
    road.sql("create table public.others (id int primary key, rights aclitem[])")
    road.sql("alter publication leat_core add table public.others")
    road.sql("insert into public.others values (1, '{postgres=r/postgres}')")
    road.sql("insert into public.things values (1, 'behind it')")
    road.check()
    assert len(failed_for_text(capture)) == 1


def test_one_column_keeps_a_source_in_text(road):
    road.table("public.things", "id int primary key, price money")
    capture, _ = road.start()
    road.sql("insert into public.things values (1, '1.50')")
    road.settle()
    assert not capture.log_events("binary_transfer")
    assert [event["type"] for event in capture.log_events("text_transfer")] == ["money"]
