"""leat offsets: where a sink stands, and moving it. Loading again what was loaded changes nothing."""

import datetime
import re

import pytest
from bank import wait


@pytest.fixture
def loaded(road):
    """Rows that were inserted, changed and deleted, all of it in the warehouse; nothing runs any more."""
    road.table("public.accounts", "id int primary key, v text")
    road.sql("insert into public.accounts select n, 'first' from generate_series(1, 50) n")
    road.configure()
    capture, sink = road.start()
    road.sql("update public.accounts set v = 'second' where id <= 20")
    road.settle()
    road.moment = datetime.datetime.now(datetime.timezone.utc)
    road.sql("delete from public.accounts where id between 5 and 9")
    road.sql("update public.accounts set id = id + 1000 where id = 30")
    road.sql("update public.accounts set v = 'third' where id > 40")
    road.check()
    assert capture.stop() == 0 and sink.stop() == 0
    return road


def ledger_next(road):
    with road.servers.warehouse() as connection:
        query = f"select ledger_next from \"{road.schema}\"._leat_progress_warehouse where source = 'core'"
        return connection.execute(query).fetchone()[0]


def reset(road, *words):
    return road.run("offsets", "reset", "--source", "core", *words)


def test_show_says_where_the_sink_stands(loaded):
    done = loaded.run("offsets", "show")
    assert done.returncode == 0, done.stderr
    assert "core" in done.stdout
    assert re.search(rf"\b{ledger_next(loaded)}\b", done.stdout), done.stdout


@pytest.mark.parametrize("way", ["earliest", "offset", "time"])
def test_reset_loads_again_and_nothing_is_there_twice(loaded, way):
    words = {"earliest": ["--earliest"], "offset": ["--offset", "2"], "time": ["--time", loaded.moment.isoformat()]}[way]
    before = ledger_next(loaded)
    dry = reset(loaded, *words)
    assert dry.returncode == 0, dry.stderr
    assert "--execute" in dry.stdout + dry.stderr
    assert ledger_next(loaded) == before, "a dry run moves nothing"

    done = reset(loaded, *words, "--execute")
    assert done.returncode == 0, done.stderr
    assert ledger_next(loaded) < before
    done = loaded.run("sink", "--until-caught-up")
    assert done.returncode == 0, done.stderr
    assert ledger_next(loaded) >= before
    comparison = loaded.compare("public.accounts")
    assert comparison.is_equal(), str(comparison)


def test_reset_stops_a_sink_that_runs(loaded):
    sink = loaded.sink().wait_ready()
    done = reset(loaded, "--earliest", "--execute")
    assert done.returncode == 0, done.stderr
    loaded.capture().wait_ready()
    loaded.fence()
    assert sink.wait_exit(60) == 3
    sink.start().wait_ready()
    wait.until(loaded.fence_is_visible, 60, loaded.why_not_settled)
    loaded.check()


@pytest.mark.parametrize(
    "words",
    [[], ["--earliest", "--offset", "1"], ["--offset", "minus one"], ["--time", "yesterday"], ["--offset", "999999999"]],
    ids=["none", "two", "no number", "no time", "beyond the end"],
)
def test_a_reset_that_makes_no_sense_is_refused(loaded, words):
    before = ledger_next(loaded)
    done = reset(loaded, *words, "--execute")
    assert done.returncode != 0
    assert done.stderr.strip()
    assert ledger_next(loaded) == before
