"""A short road from every version of PostgreSQL: first copy, stream, restarts, kill -9, and what only some of them have."""

import pytest
from bank import wait
from cluster import MAJORS

ROWS_COLUMNS = "id int primary key, n numeric(12, 4), t timestamptz default now(), big text"


def write(road, first, count=200):
    road.sql(
        "insert into public.rows (id, n, big) select i, i / 7.0,"
        " (select string_agg(md5((i * k)::text), '') from generate_series(1, 150) k)"
        " from generate_series(%s::int, %s::int) i",
        (first, first + count - 1),
    )
    road.sql("update public.rows set n = -n where id %% 10 = 3", ())
    road.sql("delete from public.rows where id %% 25 = 7", ())


@pytest.mark.parametrize("major", MAJORS)
def test_the_road_works_from_version(clusters, road_on, major):
    cluster = clusters(major)
    road = road_on(cluster)
    road.table("public.rows", ROWS_COLUMNS)
    road.sql("create table public.parts (id int primary key, v text) partition by range (id)")
    road.sql("create table public.parts_low partition of public.parts for values from (0) to (1000)")
    road.tables["public.parts"] = ("id",)
    write(road, 0)
    road.sql("insert into public.parts select i, 'copied' from generate_series(0, 9) i")
    road.configure()
    capture, _ = road.start()
    write(road, 1000)
    capture.kill()
    road.sql("insert into public.parts select i, 'streamed' from generate_series(10, 19) i")
    write(road, 2000)
    capture.start().wait_ready()
    cluster.stop()
    cluster.start()
    road.reconnect()
    write(road, 3000)
    road.settle()
    assert capture.is_alive(), capture.tail()
    road.check()
    wait.until(lambda: road.slot_position() > 0, 10, "the slot to be confirmed")


@pytest.mark.parametrize("major", ["15", "18"])
def test_row_filters_and_column_lists_are_honoured_from_version(clusters, road_on, major):
    road = road_on(clusters(major))
    road.table("public.accounts", "id int primary key, v text, secret text")
    road.sql("create publication p for table public.accounts (id, v) where (id < 100)")
    road.sql("create table public.fence (id bigint primary key)")
    road.tables["public.fence"] = ("id",)
    road.sql("alter publication p add table public.fence")
    road.sql("insert into public.accounts values (1, 'copied', 'x'), (200, 'not published', 'x')")
    road.configure(core={"postgresql": {"publication": "p"}})
    road.start()
    road.sql("insert into public.accounts values (2, 'streamed', 'x'), (201, 'not published', 'x')")
    road.settle()
    assert sorted((row["id"], row["v"]) for row in road.rows("accounts")) == [(1, "copied"), (2, "streamed")]
    assert "secret" not in road.rows("accounts")[0]


@pytest.mark.parametrize("major", ["15", "18"])
def test_tables_in_a_schema_are_honoured_from_version(clusters, road_on, major):
    road = road_on(clusters(major))
    road.sql("create schema other")
    road.table("other.whole", "id int primary key, v text")
    road.sql("create table public.fence (id bigint primary key)")
    road.tables["public.fence"] = ("id",)
    road.sql("create publication p for tables in schema other, table public.fence")
    road.sql("insert into other.whole values (1, 'copied')")
    road.configure(core={"postgresql": {"publication": "p"}})
    road.start()
    road.sql("insert into other.whole values (2, 'streamed')")
    road.check()


@pytest.mark.parametrize("major", ["13", "17", "18"])
def test_generated_columns_are_left_out_or_published_from_version(clusters, road_on, major):
    """Before 18 they never travel. From 18 on, a publication can ask for them."""
    published = int(major) >= 18
    road = road_on(clusters(major))
    road.table("public.made", "id int primary key, twice int generated always as (id * 2) stored")
    road.sql("create table public.fence (id bigint primary key)")
    road.tables["public.fence"] = ("id",)
    options = " with (publish_generated_columns = stored)" if published else ""
    road.sql(f"create publication p for table public.made, public.fence{options}")
    road.sql("insert into public.made values (1)")
    road.configure(core={"postgresql": {"publication": "p"}})
    road.start()
    road.sql("insert into public.made values (2)")
    road.settle()
    expected = [{"id": 1, "twice": 2}, {"id": 2, "twice": 4}] if published else [{"id": 1}, {"id": 2}]
    found = [{key: row[key] for key in row if not key.startswith("_leat")} for row in road.rows("made")]
    assert sorted(found, key=lambda row: row["id"]) == expected
