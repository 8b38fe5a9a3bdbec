"""The zoo of types (tests/zoo): a value is encoded alike wherever it comes from, and the warehouse holds it."""

import collections
import decimal
import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "zoo"))

import zoo  # noqa: E402

ZOO_TABLES = """
    select n.nspname || '.' || c.relname, array_agg(a.attname::text order by array_position(i.indkey::int2[], a.attnum))
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indrelid = c.oid and i.indisprimary
    join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey::int2[])
    where n.nspname = 'zoo' and c.relkind = 'r' group by 1 order by 1"""
REJECTED = {  # by the capture, or by the sink: docs/types.md says why
    "zoo.arrays: special numbers",
    "zoo.beyond_numbers: in an array",
    "zoo.beyond_numbers: not a number",
    "zoo.beyond_numbers: not a number, bounded",
    "zoo.beyond_times: infinity",
    "zoo.beyond_times: minus infinity",
    "zoo.beyond_times: old, in arrays",
    "zoo.beyond_times: the first",
    "zoo.beyond_times: the last",
    "zoo.numbers: a huge exponent",
    "zoo.numbers: greatest",
    "zoo.numbers: infinity",
    "zoo.numbers: least",
    "zoo.numbers: minus infinity",
    "zoo.numbers: not a number",
    "zoo.text: empty",
    "zoo.times: before our era",
}
SOURCE_BLOCK = b"\x14postgresql"  # behind the row in each event, after the version


def move_in(road, animals):
    """All of them in one database, rows and all."""
    road.sql("set timezone = 'UTC'")
    for animal in animals:
        road.sql(animal.tables)
        road.sql(animal.rows)
    for table, key in road.sql(ZOO_TABLES).fetchall():
        road.tables[table] = tuple(key)
    road.configure()


def images(road, table):
    """Of each key, the rows of its events as they were encoded; deletes and tombstones left out."""
    found = {}
    for record in road.topic(table):
        if record.value() is not None and record.value()[5] == 0:  # no `before`: read or created
            found.setdefault(record.key(), []).append(record.value()[5 : record.value().index(SOURCE_BLOCK)])
    return found


def check_images(road, table):
    """Copied and streamed, each row has the same bytes. How many rows there were."""
    found = images(road, table)
    for key, encoded in found.items():
        assert len(encoded) == 2, f"{table} {key}: {len(encoded)} events"
        assert encoded[0] == encoded[1], f"{table} {key}: copied as {encoded[0]}, streamed as {encoded[1]}"
    return len(found)


# ---- the warehouse ----

INTERVAL_US = """((extract(year from {0}) * 12 + extract(month from {0})) * 2629800 + extract(day from {0}) * 86400
    + extract(hour from {0}) * 3600 + extract(minute from {0}) * 60 + extract(second from {0}))::numeric(40, 6) * 1000000"""
WELL_KNOWN_BYTES = """case when {0} is not null
    then json_build_object('wkb', lower({0}::text), 'srid', nullif(st_srid({0}::geometry), 0)) end"""
SPARSE_VECTOR = """(select json_build_object('dimensions', split_part({0}::text, '/', 2)::int, 'vector',
    coalesce(json_agg(json_build_object('key', split_part(e, ':', 1)::int, 'value', split_part(e, ':', 2)::numeric)), '[]'))
    from unnest(string_to_array(trim('{{}}' from split_part({0}::text, '/', 1)), ',')) e having {0} is not null)"""
SOURCE_TEXT = {  # how a type's text is asked for, so that it can be compared
    "interval": INTERVAL_US,
    "money": "{0}::numeric",
    "point": "case when {0} is not null then json_build_object('x', {0}[0], 'y', {0}[1]) end",
    "hstore": "hstore_to_json({0})",
    "bytea": "encode({0}, 'hex')",
    "json": "nullif({0}::jsonb, 'null')",
    "jsonb": "nullif({0}, 'null')",
    "bit varying": "case {0}::text when '' then '0' else {0}::text end",  # the event does not say how many there were
    "money[]": "to_jsonb({0}::numeric[])",
    "geometry": WELL_KNOWN_BYTES,
    "geography": WELL_KNOWN_BYTES,
    "vector": "to_jsonb({0}::real[])",
    "halfvec": "to_jsonb({0}::real[])",
    "sparsevec": SPARSE_VECTOR,
}
AS_WRITTEN = "case when num_nulls({0}) = 0 then format('%s', {0}) end"  # a cast would trim char(n) and add /32 to inet
OWN_FORM = {"a_interval", "a_point", "a_varbit", "a_composite"}  # not JSON's of PostgreSQL; the unit tests have them


def source_rows(road, table):
    """Columns as texts that the warehouse's can be compared with."""
    types = dict(
        road.sql(
            "select attname::text, format_type(atttypid, null) from pg_attribute where attrelid = %s::regclass and attnum > 0",
            (table,),
        ).fetchall()
    )
    expressions = []
    for name, kind in types.items():
        is_array = kind.endswith("[]") or "_list" in kind
        text = SOURCE_TEXT.get(kind, "to_jsonb({0})" if is_array else AS_WRITTEN)
        expressions.append(f"({text.format(name)})::text")
    return list(types), road.sql(f"select {', '.join(expressions)} from {table}").fetchall()


def warehouse_rows(road, table, columns):
    with road.servers.warehouse() as connection:
        connection.execute("set timezone = 'UTC'")
        names = ", ".join(f'"{name}"::varchar(65535)' for name in columns)  # a bare ::text is cut at 256
        return connection.execute(f'select {names} from "{road.schema}"."{table.split(".")[1]}"').fetchall()


def seconds_of_zone(text):
    sign = -1 if text.startswith("-") else 1
    parts = [int(part) for part in text[1:].split(":")] + [0, 0]
    return sign * (parts[0] * 3600 + parts[1] * 60 + parts[2])


BOOLEANS = {word: decimal.Decimal(word[0] == "t") for word in ("true", "t", "false", "f")}


def plain(value):
    """One form for what both sides write in their own ways: numbers, moments, bytes, and JSON of them."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        left_out = ("wkb", "srid") if "x" in value else ()
        return {name: item if name == "wkb" else plain(item) for name, item in value.items() if name not in left_out}
    if not isinstance(value, str):
        return value if value is None else decimal.Decimal(int(value) if isinstance(value, bool) else str(value))
    value = value.removeprefix("\\x")
    moment = re.fullmatch(r"(\d{4,}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00(:00)?)?", value)
    if moment:
        return f"{moment[1]} {moment[2]}{(moment[3] or '').rstrip('0').rstrip('.')}"
    time = re.fullmatch(r"(\d\d):(\d\d):(\d\d(?:\.\d+)?)(Z|[+-]\d\d(?::\d\d){0,2})?", value)
    if time:
        zone = 0 if time[4] in (None, "Z") else seconds_of_zone(time[4])
        at = int(time[1]) * 3600 + int(time[2]) * 60 + decimal.Decimal(time[3]) - zone
        return ("time", at if at == 86400 else (at + 86400) % 86400)
    if re.fullmatch(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", value):
        return decimal.Decimal(value)
    return BOOLEANS.get(value, value)


def comparable(text):
    if text is not None and text[:1] in "[{":
        try:
            return plain(json.loads(text, parse_float=decimal.Decimal))
        except ValueError:
            pass
    return plain(text)


def check_warehouse(road, table):
    """Every row that is there has the source's values. What the missing ones are called."""
    columns, source = source_rows(road, table)

    def name_of(row):
        return row[columns.index("what")], comparable(row[0])

    wanted = {name_of(row): row for row in source}
    different = []
    for row in warehouse_rows(road, table, columns):
        assert name_of(row) in wanted, f"{table}: {name_of(row)} is there twice, or not at the source: {row}"
        source_row = wanted.pop(name_of(row))
        for name, want, got in zip(columns, source_row, row):
            is_flushed = row[columns.index("what")] == "denormal" and got == "0"
            if name not in OWN_FORM and not is_flushed and comparable(want) != comparable(got):
                different.append(f"{table} {name_of(row)} {name}: {want!r} became {got!r}")
    assert not different, "\n".join(different)
    return {f"{table}: {what}" for what, _ in wanted}


def copy_and_stream(road, animals):
    """Each row twice: copied, then deleted and streamed. What the warehouse does not have, and who rejected it."""
    move_in(road, animals)
    tables = [table for table in road.tables if table != "public.fence"]
    n_rows = sum(road.sql(f"select count(*) from {table}").fetchone()[0] for table in tables)
    road.start()
    road.settle()
    for table in tables:
        road.sql(f"delete from {table}")
    for animal in animals:
        road.sql(animal.rows)
    road.settle()
    stages = collections.Counter(reject["stage"] for reject in road.reject_records())
    assert sum(check_images(road, table) for table in tables) == n_rows - stages["capture"] / 2
    return set().union(*(check_warehouse(road, table) for table in tables)), stages.keys()


def test_the_zoo_is_copied_streamed_and_loaded(road):
    version = road.pg.info.server_version // 10000
    animals = zoo.animals(version=version) + zoo.animals(zoo.FOLDER / "beyond", version)
    assert copy_and_stream(road, animals) == (REJECTED, {"capture", "sink"})


@pytest.mark.parametrize("extension", zoo.INSTALLED)
def test_extensions_are_copied_streamed_and_loaded(clusters, road_on, extension):
    road = road_on(clusters(zoo.INSTALLED[extension]))
    assert copy_and_stream(road, [zoo.read(zoo.FOLDER / f"installed/{extension}.sql")]) == (set(), set())
