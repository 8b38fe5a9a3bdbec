"""The judge of all other tests here: it must see what is wrong."""

import datetime
import decimal

import pytest
from bank import compare

SOURCE = {n: {"id": n, "v": f"v{n}", "n": decimal.Decimal("1.50")} for n in range(5)}
CASES = {
    "equal": (lambda rows: None, [0, 0, 0, 0]),
    "a row is missing": (lambda rows: rows.pop(), [1, 0, 0, 0]),
    "a row is extra": (lambda rows: rows.append({"id": 9, "v": "v9", "n": decimal.Decimal(1)}), [0, 1, 0, 0]),
    "a row is there twice": (lambda rows: rows.append(dict(rows[0])), [0, 0, 1, 0]),
    "a value differs": (lambda rows: rows[1].update(v="other"), [0, 0, 0, 1]),
    "a value is nothing": (lambda rows: rows[1].update(v=None), [0, 0, 0, 1]),
    "an empty text is not nothing": (lambda rows: rows[1].update(v=""), [0, 0, 0, 1]),
    "a column is lacking": (lambda rows: rows[1].pop("v"), [0, 0, 0, 1]),
    "a column is extra": (lambda rows: rows[1].update(w=None), [0, 0, 0, 1]),
    "a number differs in the last place": (lambda rows: rows[1].update(n=decimal.Decimal("1.51")), [0, 0, 0, 1]),
    "a number has other trailing zeros": (lambda rows: rows[1].update(n=decimal.Decimal("1.5")), [0, 0, 0, 0]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_comparison_sees(case):
    change, expected = CASES[case]
    rows = [dict(row) for row in SOURCE.values()]
    change(rows)
    found = compare.Comparison("t", SOURCE, rows, lambda row: row["id"])
    assert [len(found.missing), len(found.extra), len(found.duplicates), len(found.differing)] == expected
    assert found.is_equal() == (not any(expected))


def test_instants_are_compared_not_their_zones():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    there = datetime.datetime(2024, 1, 1, 2, tzinfo=zone)
    here = datetime.datetime(2024, 1, 1, 0, tzinfo=datetime.timezone.utc)
    assert compare.canonical(there) == compare.canonical(here)


def test_rows_spoilt_in_the_warehouse_are_seen(road):
    road.table("public.accounts", "id int primary key, v text")
    road.sql("insert into public.accounts select n, 'v' from generate_series(1, 5) n")
    road.start()
    road.check()
    with road.servers.warehouse() as connection:
        table = f'"{road.schema}".accounts'
        connection.execute(f"update {table} set v = 'spoilt' where id = 1")
        connection.execute(f"delete from {table} where id = 2")
        connection.execute(f"insert into {table} select id, v, _leat_pos from {table} where id = 3")
        connection.execute(f"update {table} set id = 50 where id = 4")
    found = road.compare("public.accounts")
    assert [difference.key for difference in found.differing] == [1]
    assert (found.missing, found.extra, found.duplicates) == ([2, 4], [50], [3])
