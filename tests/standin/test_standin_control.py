"""The control port: faults, switches, journal; and servers that go away and come back."""
import json
import select
import signal
import subprocess
import sys
import time

import psycopg
import pytest
from standin_world import COPY_AUTH, STANDIN, free_port, http, in_thread, wait_for


@pytest.fixture
def table(db):
    db.run("CREATE TABLE t (id int)")
    return db


def count(db):
    other = db.again()
    try:
        return other.one("SELECT COUNT(*) FROM t")
    finally:
        other.close()


# faults -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rule, sqlstate, message", [
    ({"message": "1023"}, "XX000", "1023"), ({"message": "1018"}, "XX000", "1018"),
    ({"sqlstate": "40P01", "message": "deadlock detected"}, "40P01", "deadlock detected"),
    ({"sqlstate": "57014", "message": "canceled"}, "57014", "canceled")])
def test_error_fault(table, rule, sqlstate, message):
    table.world.fault(match="^INSERT INTO t", action="error", nth=2, times=1, **rule)
    table.run("BEGIN")
    table.run("INSERT INTO t VALUES (1)")
    assert table.error("INSERT INTO t VALUES (2)") == (sqlstate, message)
    assert table.error("SELECT 1")[0] == "25P02"
    table.run("ROLLBACK")
    table.run("INSERT INTO t VALUES (3)")
    assert table.run("SELECT id FROM t") == [(3,)]


def test_error_fault_in_the_extended_protocol(table):
    table.world.fault(match="^INSERT", action="error", message="1023")
    assert table.error("INSERT INTO t VALUES (%s)", [1]) == ("XX000", "1023")
    table.run("INSERT INTO t VALUES (%s)", [2])
    assert table.run("SELECT id FROM t") == [(2,)]


def test_fatal_fault_ends_the_connection(table):
    table.world.fault(match="^SELECT 1$", action="error", sqlstate="57P01", message="terminating connection")
    with pytest.raises(psycopg.OperationalError):
        table.run("SELECT 1")
    assert table.connection.closed
    assert count(table) == 0


@pytest.mark.parametrize("params", [None, []], ids=["simple", "extended"])
@pytest.mark.parametrize("action, rows", [("drop_before", 0), ("drop_after", 1)])
def test_connection_dropped_around_commit(table, action, rows, params):
    table.world.fault(match="^COMMIT", action=action)
    table.run("BEGIN", params)
    table.run("INSERT INTO t VALUES (1)", params)
    with pytest.raises(psycopg.OperationalError):
        table.run("COMMIT", params)
    wait_for("the end of the dropped session", lambda: count(table) == rows)


def test_drop_after_of_a_copy(table):
    url = table.world.put(f"{table.schema}/x", "1\n2\n")
    table.world.fault(match="^COPY", action="drop_after")
    with pytest.raises(psycopg.OperationalError):
        table.run(f"COPY t FROM '{url}' {COPY_AUTH} CSV")
    assert count(table) == 2


def test_delay_fault(table):
    table.world.fault(match="^COMMIT", action="delay", ms=300, times=0)
    table.run("BEGIN")
    started = time.monotonic()
    table.run("COMMIT")
    assert time.monotonic() - started >= 0.3
    table.world.clear_faults()


def test_stall_fault_ends_with_the_fault(table):
    table.world.fault(match="needle", action="stall")
    thread, result = in_thread(lambda: table.one("SELECT 'needle'"))
    wait_for("the stall", lambda: json.loads(http(table.world.control + "/faults")[1])[0]["fired"] == 1)
    assert thread.is_alive()
    table.world.clear_faults()
    thread.join(20)
    assert result == {"value": "needle"}


def test_s3_slowdown_fault(table):
    url = table.world.put(f"{table.schema}/x", "1\n")
    table.world.fault(match="^COPY", action="s3_slowdown")
    code, message = table.error(f"COPY t FROM '{url}' {COPY_AUTH} CSV")
    assert code == "XX000" and "Status 503,Error SlowDown" in message
    table.run(f"COPY t FROM '{url}' {COPY_AUTH} CSV")


def test_connection_limit(db):
    db.world.switch(max_connections=0)
    with pytest.raises(psycopg.OperationalError, match="connection limit"):
        db.world.connect()
    db.world.switch(max_connections=500)
    db.world.connect().close()


@pytest.mark.parametrize("path, body", [("/switches", {"nope": 1}), ("/switches", {"quoted_null": "maybe"}),
                                        ("/switches", {"max_connections": "many"}), ("/faults", {"action": "explode"}),
                                        ("/faults", {"match": "("}), ("/faults", {"unknown": 1}), ("/faults", [1])])
def test_control_refuses_what_it_does_not_know(world, path, body):
    status, text = http(world.control + path, "POST", body)
    assert status == 400 and "error" in json.loads(text)


def test_control_paths(world):
    assert http(world.control + "/nope")[0] == 404
    assert http(world.control + "/faults", "PUT", {})[0] == 405
    assert http(world.control + "/healthz")[0] == 200


def test_merge_tag(db):
    db.run("CREATE TABLE t (id int)")
    db.run("CREATE TABLE s (id int)")
    db.run("INSERT INTO s VALUES (1)")
    merge = "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id)"
    assert db.run(merge) == "MERGE 1"
    db.world.switch(merge_tag_count="no")
    assert db.run(merge) == "MERGE"
    assert db.run(merge, []) == "MERGE"


# journal ----------------------------------------------------------------------------------------------------------
def test_journal(table):
    since = table.world.journal()[-1]["seq"]
    table.run("BEGIN")
    table.run("INSERT INTO t VALUES (%s)", [1])
    table.run("COMMIT")
    table.error("SELECT nope FROM t")
    table.error("BROKEN")
    lines = [line for line in table.world.journal(since) if line["pid"] == table.connection.info.backend_pid]
    assert [line["statement"] for line in lines] == [
        "BEGIN", "INSERT INTO t VALUES ($1)", "COMMIT", "SELECT nope FROM t", "BROKEN"]
    assert [line["status"] for line in lines] == ["ok", "ok", "ok", "error", "error"]
    assert [line.get("sqlstate") for line in lines] == [None, None, None, "42703", "42601"]
    assert [line.get("tag") for line in lines[:3]] == ["BEGIN", "INSERT 0 1", "COMMIT"]
    assert len({line["session"] for line in lines}) == 1 and all(line["ms"] >= 0 for line in lines)
    assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)


def test_journal_has_one_line_a_statement_of_a_batch(table):
    url = table.world.put(f"{table.schema}/x", "1\n")
    since = table.world.journal()[-1]["seq"]
    table.run("BEGIN; LOCK t")
    table.run("CREATE TEMP TABLE s (LIKE t)")
    table.run(f"COPY s FROM '{url}' {COPY_AUTH} CSV")
    table.run("DELETE FROM t USING s WHERE t.id = s.id; INSERT INTO t SELECT * FROM s")
    table.run("COMMIT")
    verbs = [line["statement"].split()[0] for line in table.world.journal(since)]
    assert verbs == ["BEGIN", "LOCK", "CREATE", "COPY", "DELETE", "INSERT", "COMMIT"]


# servers that go away ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_large_answer_waits_for_a_slow_reader(own_world, db, protocol):
    """What PostgreSQL says while the client does not read is passed on when it does."""
    n_rows = 16000
    db.run("CREATE TABLE large (v varchar(1000))")
    db.load("large", f"{'x' * 1000}\n" * n_rows)
    slow = db.again()
    pid, reader = slow.one("SELECT pg_backend_pid()"), slow.connection.pgconn
    if protocol == "simple":
        reader.send_query(b"SELECT v FROM large")
    else:
        reader.send_query_params(b"SELECT v FROM large", None)
    with psycopg.connect(own_world.postgres.dsn(), autocommit=True) as upstream:
        looks = []

        def nothing_moves():
            query = "select state, wait_event, state_change from pg_stat_activity where pid = %s and query like '%%large%%'"
            looks.append(upstream.execute(query, (pid,)).fetchone())
            return looks[-1] and looks[-1][1] in ("ClientRead", "ClientWrite") and len(set(looks[-10:])) == 1 and len(looks) > 10
        wait_for("an answer that nobody reads", nothing_moves)
    while reader.is_busy():
        assert select.select([reader.socket], [], [], 20)[0], "the answer ends in the middle"
        reader.consume_input()
    assert reader.get_result().ntuples == n_rows
    slow.close()


def test_upstream_restart(own_world, db):
    db.run("CREATE TABLE t (id int)")
    db.run("BEGIN")
    db.run("INSERT INTO t VALUES (1)")
    own_world.postgres.stop()
    assert not own_world.healthy()
    with pytest.raises(psycopg.OperationalError):
        db.run("COMMIT")
    with pytest.raises(psycopg.OperationalError):
        own_world.connect()
    own_world.postgres.start()
    wait_for("the stand-in", own_world.healthy)
    other = db.again()
    assert other.one("SELECT COUNT(*) FROM t") == 0
    other.load("t", "1\n")
    other.close()


def test_upstream_crash(own_world, db):
    db.run("CREATE TABLE t (id int)")
    db.run("INSERT INTO t VALUES (1)")
    own_world.postgres.stop(signal.SIGQUIT)
    own_world.postgres.start()
    wait_for("the stand-in", own_world.healthy)
    assert count(db) in (0, 1)


def test_killed_stand_in_remembers(own_world, db):
    long = "t_" + "l" * 100
    db.run(f"CREATE TABLE {long} (id int PRIMARY KEY DISTKEY, {long} varchar(9) ENCODE zstd) SORTKEY(id)")
    db.load(long, "1,a\n")
    last = db.one("SELECT pg_last_copy_id()")
    seq = own_world.journal()[-1]["seq"]
    db.run("BEGIN")
    db.run(f"INSERT INTO {long} VALUES (2, 'b')")
    own_world.standin.kill()
    own_world.standin.wait()
    own_world.start_standin()
    with pytest.raises(psycopg.OperationalError):
        db.run("COMMIT")
    other = db.again()
    cursor = other.connection.execute(f"SELECT * FROM {long}")
    assert [column.name for column in cursor.description] == ["id", long] and cursor.fetchall() == [(1, "a")]
    assert other.run(f"SELECT \"column\", encoding, distkey, sortkey FROM pg_table_def WHERE tablename = '{long}'") == [
        ("id", "none", True, 1), (long, "zstd", False, 0)]
    assert other.error(f"ALTER TABLE {long} DROP COLUMN id")[0] == "0A000"
    other.load(long, "3,c\n")
    assert other.one("SELECT pg_last_copy_id()") > last
    assert own_world.journal()[-1]["seq"] > seq
    other.close()


def test_stop_tells_clients(own_world, db):
    own_world.standin.terminate()
    assert own_world.standin.wait(20) == 0
    own_world.start_standin()
    with pytest.raises(psycopg.OperationalError):
        db.run("SELECT 1")


def test_start_without_upstream_says_so(own_world, tmp_path):
    done = subprocess.run(
        [sys.executable, STANDIN, "--port", str(free_port()), "--control-port", str(free_port()), "--upstream-port",
         str(own_world.postgres.port), "--upstream-user", "nobody", "--s3-endpoint", own_world.s3_url, "--tls-dir",
         str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "could not log in to PostgreSQL" in done.stderr and len(done.stderr.strip().splitlines()) == 1
