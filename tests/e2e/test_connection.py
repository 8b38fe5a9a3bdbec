"""The connection to PostgreSQL in real life: restarts, cuts, half-open connections, a server that wants to stop."""

import json
import os
import signal
import subprocess
import urllib.request

import pytest
from bank import ports, wait
from test_identity import insert, insert_and_await, n_events, prepare

SHORT_MS = 2000


class Faults:
    """toxiproxy with one proxy, to one server."""

    def __init__(self, program, upstream_port, log):
        self.api, self.port = ports.free_port(), ports.free_port()
        self.log = open(log, "ab")
        self.process = subprocess.Popen([program, "-host", "127.0.0.1", "-port", str(self.api)], stdout=self.log, stderr=self.log)
        wait.until(lambda: self.answers(), 20, "toxiproxy")
        self.call("/proxies", {"name": "pg", "listen": f"127.0.0.1:{self.port}", "upstream": f"127.0.0.1:{upstream_port}"})

    def answers(self):
        try:
            return self.call("/version", None) is not None
        except OSError:
            return False

    def call(self, path, body, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.api}{path}", data, method=method or ("POST" if data else "GET"))
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read()

    def cut(self, is_cut):
        self.call("/proxies/pg", {"enabled": not is_cut})

    def silence(self):
        """Connections stay open and nothing passes any more."""
        self.call("/proxies/pg/toxics", {"name": "down", "type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}})
        self.call("/proxies/pg/toxics", {"name": "up", "type": "timeout", "stream": "upstream", "attributes": {"timeout": 0}})

    def pass_again(self):
        for name in ("down", "up"):
            self.call(f"/proxies/pg/toxics/{name}", None, "DELETE")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture
def proxied(clusters, road_on, servers):
    """A road through toxiproxy."""
    cluster = clusters("17", wal_sender_timeout="60s")
    road = prepare(road_on(cluster))
    faults = Faults(servers.env["LEAT_TOXIPROXY"], cluster.port, road.folder / "toxiproxy.log")
    road.configure(core={"postgresql": {"port": faults.port, "silence_max": "3s"}})
    road.faults = faults
    try:
        yield road
    finally:
        faults.close()


def walsender(road):
    return road.sql("select active_pid from pg_replication_slots where slot_name = %s", (road.slot,)).fetchone()[0]


def failures(capture):
    return [event["code"] for event in capture.log_events("session_failed")]


def test_a_cut_network_is_waited_for(proxied):
    capture = proxied.capture().wait_ready()
    proxied.faults.cut(True)
    insert(proxied, 2)
    wait.until(lambda: len(failures(capture)) >= 3, 20, capture.tail)
    waits = [event["retry_in_ms"] for event in capture.log_events("session_failed")]
    assert max(waits[1:]) > waits[0] and len(set(waits)) > 1, "longer each time, and not all the same"
    proxied.faults.cut(False)
    insert_and_await(proxied, 3)
    assert set(failures(capture)) == {"PG_UNREACHABLE"}


def test_a_half_open_connection_is_given_up(proxied):
    """By silence_max, long before the server's wal_sender_timeout."""
    capture = proxied.capture().wait_ready()
    insert_and_await(proxied, 2)
    proxied.faults.silence()
    insert(proxied, 3)
    wait.until(lambda: failures(capture), 20, capture.tail)
    assert "silent" in capture.log_events("session_failed")[0]["error"]
    proxied.faults.pass_again()
    insert_and_await(proxied, 4)
    assert capture.is_alive()


@pytest.fixture
def direct(clusters, road_on):
    road = prepare(road_on(clusters("17", wal_sender_timeout=f"{SHORT_MS}ms")))
    return road


STOPS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill -9": None}


def test_every_way_to_restart_the_server_is_survived(direct):
    capture = direct.capture().wait_ready()
    for key, number in enumerate(STOPS.values(), 2):
        insert(direct, key)
        direct.pg.close()
        if number is None:
            direct.cluster.kill()
        elif number == signal.SIGTERM:  # it waits for clients: somebody has to end ours
            direct.cluster.ask_to_stop(number)
            direct.cluster.ask_to_stop(signal.SIGINT)
            direct.cluster.wait_stopped(20)
        else:
            direct.cluster.stop(number, seconds=20)
        direct.cluster.start()
        direct.reconnect()
        insert_and_await(direct, 100 + key)
    assert capture.is_alive()
    assert n_events(direct) == 1 + 2 * len(STOPS), "each row once"


@pytest.mark.parametrize("which", ["walsender", "client backend"])
def test_a_terminated_backend_is_replaced(direct, which):
    capture = direct.capture().wait_ready()
    direct.sql(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where backend_type = %s and application_name like 'leat:%%'",
        (which,),
    )
    wait.until(lambda: failures(capture), 20, capture.tail)
    insert_and_await(direct, 2)
    assert failures(capture) == ["PG_UNREACHABLE"]


class KafkaHeld:
    """Kafka does not answer, and does not go away."""

    def __init__(self, servers):
        self.pid = int((servers.folder / "run/kafka.pid").read_text().split()[0])

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def test_the_server_hears_from_us_while_kafka_does_not_answer(direct):
    capture = direct.capture().wait_ready()
    insert_and_await(direct, 2)
    before = walsender(direct)
    with KafkaHeld(direct.servers):
        for key in range(3, 9):
            insert(direct, key)
            until = direct.sql("select clock_timestamp() + interval '700 ms'").fetchone()[0]
            wait.until(lambda: direct.sql("select clock_timestamp() > %s", (until,)).fetchone()[0], 10, "time")
    insert_and_await(direct, 12)
    assert walsender(direct) == before
    assert not failures(capture)


def test_a_server_that_stops_does_not_wait_for_a_batch_in_kafka(direct):
    """A walsender ends when we confirmed all of its log, which a Kafka that does not answer puts off."""
    direct.cluster.set(wal_sender_timeout="10min").reload()
    capture = direct.capture().wait_ready()
    with KafkaHeld(direct.servers):
        for key in range(2, 6):
            insert(direct, key)
        direct.pg.close()
        direct.cluster.stop(signal.SIGINT, seconds=30)
    direct.cluster.start()
    direct.reconnect()
    insert_and_await(direct, 7)
    assert capture.is_alive()
    assert n_events(direct) == 6


def test_a_server_that_stops_does_not_wait_for_a_large_transaction(direct):
    direct.cluster.set(wal_sender_timeout="10min", logical_decoding_work_mem="64MB").reload()
    capture = direct.capture().wait_ready()
    direct.sql("insert into public.accounts select n, repeat('x', 500) from generate_series(1000, 200000) n")
    wait.until(lambda: capture.metrics("leat_capture_events_total") and n_committed(capture) > 1, 30, capture.tail)
    direct.pg.close()
    direct.cluster.stop(signal.SIGINT, seconds=30)
    direct.cluster.start()
    direct.reconnect()
    insert_and_await(direct, 7)
    assert n_events(direct) == 1 + 199001 + 1


def n_committed(capture):
    return sum(capture.metrics("leat_capture_events_total").values())


def test_a_walsender_of_somebody_else_is_left_alone(direct):
    capture = direct.capture().wait_ready()
    assert capture.stop() == 0
    with direct.cluster.connect(direct.database) as connection:
        connection.execute("select 1")
    other = subprocess.Popen(
        ["/usr/bin/pg_recvlogical", "-h", "127.0.0.1", "-p", str(direct.cluster.port), "-U", "postgres", "-d", direct.database,
         "--slot", direct.slot, "--start", "-f", "/dev/null", "-o", "proto_version=1", "-o", "publication_names=leat_core"],
        env=os.environ | {"PGPASSWORD": direct.servers.env["PG_PASSWORD"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        pid = wait.until(lambda: walsender(direct), 20, "the other reader")
        capture = direct.capture(name="capture-second")
        assert capture.wait_exit(30) == 1
        (failure,) = capture.log_events("worker_failed")
        assert failure["code"] == "PG_SLOT_ACTIVE" and str(pid) in failure["error"] and "pg_recvlogical" in failure["error"]
        assert walsender(direct) == pid
    finally:
        other.kill()
        other.wait()


def test_an_idle_database_beside_a_busy_one_lets_the_log_go(direct):
    capture = direct.capture().wait_ready()
    with direct.cluster.connect() as connection:
        connection.execute("create table busy (t text)")
        connection.execute("insert into busy select repeat('x', 1000) from generate_series(1, 2000)")
    end = direct.sql("select pg_current_wal_flush_lsn() - '0/0'::pg_lsn").fetchone()[0]
    wait.until(lambda: direct.slot_position() >= end, 20, capture.tail)


def test_odd_names_are_quoted(clusters, road_on):
    """A slot named by a number, publication, schema, table and column names with quotes, blanks and other letters."""
    road = road_on(clusters("17"))
    road.slot = "4711"
    road.sql('create schema "od""d schéma"')
    road.sql('create table "od""d schéma"."a ""table""" (id int primary key, "col ""umn" text)')
    road.sql("""create publication "pub'li ""cation" for table "od""d schéma"."a ""table\"\"\" """)
    road.table("public.fence", "id bigint primary key")
    path = road.configure(core={"postgresql": {"publication": "pub'li \"cation"}})
    path.write_text(path.read_text().replace(json.dumps(["public.fence"]), "[]"))
    road.sql("""insert into "od""d schéma"."a ""table\"\"\" values (1, 'copied')""")
    capture = road.capture().wait_ready()
    road.sql("""insert into "od""d schéma"."a ""table\"\"\" values (2, 'streamed')""")
    wait.until(lambda: n_committed(capture) == 2, 20, capture.tail)
    capture.kill()
    capture.start().wait_ready()
    road.sql("""insert into "od""d schéma"."a ""table\"\"\" values (3, 'after a restart')""")
    wait.until(lambda: n_committed(capture) == 1, 20, capture.tail)


def test_a_lock_on_a_table_is_said_by_a_start_and_waited_for_later(direct):
    """From 15 on the server opens a publication's tables when it is asked for them."""
    capture = direct.capture().wait_ready()
    insert_and_await(direct, 2)
    with direct.servers.postgres(direct.database) as holder:
        holder.execute("lock table public.accounts in access exclusive mode")
        direct.end_walsender()
        wait.until(lambda: "PG_TRANSIENT" in failures(capture), 30, capture.tail)
        assert "lock timeout" in capture.log_events("session_failed")[-1]["error"]
    insert_and_await(direct, 3)
    assert capture.stop() == 0
    with direct.servers.postgres(direct.database) as holder:
        holder.execute("lock table public.accounts in access exclusive mode")
        failure = direct.fails("capture", "core")
        assert failure.exit_code != 0 and failure.code == "PG_TRANSIENT" and "lock timeout" in failure.message
    capture.start().wait_ready()
    insert_and_await(direct, 4)
    assert n_events(direct) == 4
