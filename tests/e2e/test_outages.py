"""A server goes away while leat runs: it says so, waits, and goes on by itself. Nothing is lost or twice."""

import pytest
from bank import wait

OUTAGE_SECONDS = 60


@pytest.fixture
def flowing(road):
    """Both captures and the sink, everything caught up."""
    road.table("public.accounts", "id int primary key, v text")
    road.collection("items", [{"column": "name", "path": "name", "type": "string", "required": True}])
    road.configure()
    road.start()
    write(road, 0)
    road.check()
    return road


def write(road, first):
    road.sql("insert into public.accounts select n, 'x' from generate_series(%s::int, %s::int) n", (first, first + 99))
    road.sql("update public.accounts set v = 'y' where id % 7 = 0")
    road.docs["items"].insert_many({"_id": f"i{n}", "name": f"n{n}"} for n in range(first, first + 100))


def waits(worker):
    """Not ready, and the state says so."""
    return wait.until(
        lambda: worker.state() == "waiting" and worker.get("/readyz")[0] == 503,
        OUTAGE_SECONDS,
        lambda: f"{worker.name} waiting; it is {worker.state()}, {worker.get('/readyz')}\n{worker.tail()}",
    )


def recovers(road, first):
    """New work arrives, everybody lives and is ready."""
    write(road, first)
    road.check()
    for worker in road.workers:
        assert worker.is_alive(), worker.tail()
        worker.wait_ready(OUTAGE_SECONDS)


def stop_and_return(road, name, waiting, kill=False):
    """Stops a server, writes meanwhile, sees who waits, and brings it back."""
    road.servers.stack("stop", name, kill=kill)
    try:
        if name not in ("postgres", "docdb"):
            write(road, 1000)
        for worker in waiting:
            waits(worker)
    finally:
        road.servers.stack("start", name)
    if name == "postgres":
        road.reconnect()


def test_kafka_goes_away(flowing):
    core, docs, _ = flowing.workers
    stop_and_return(flowing, "kafka", [core, docs])
    recovers(flowing, 2000)


def test_kafka_is_killed(flowing):
    core, docs, _ = flowing.workers
    stop_and_return(flowing, "kafka", [core, docs], kill=True)
    recovers(flowing, 2000)


def test_the_registry_goes_away(flowing):
    """Known schemas need no registry; a new one is waited for."""
    flowing.servers.stack("stop", "registry", kill=True)
    try:
        write(flowing, 1000)
        flowing.check()
        flowing.sql("alter table public.accounts add column extra text")
        flowing.sql("insert into public.accounts values (5000, 'new shape', 'extra')")
        waits(flowing.workers[0])
    finally:
        flowing.servers.stack("start", "registry")
    recovers(flowing, 2000)


def test_s3_goes_away(flowing):
    stop_and_return(flowing, "s3", [flowing.workers[2]], kill=True)
    recovers(flowing, 2000)


def test_postgresql_is_restarted(flowing):
    stop_and_return(flowing, "postgres", [flowing.workers[0]])
    recovers(flowing, 2000)


def test_postgresql_is_killed(flowing):
    stop_and_return(flowing, "postgres", [flowing.workers[0]], kill=True)
    recovers(flowing, 2000)


def test_the_document_server_goes_away(flowing):
    stop_and_return(flowing, "docdb", [flowing.workers[1]])
    recovers(flowing, 2000)


def test_the_warehouse_goes_away(flowing):
    stop_and_return(flowing, "redshift", [flowing.workers[2]])
    recovers(flowing, 2000)


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "^COMMIT", "action": "drop_before"},
        {"match": "^COMMIT", "action": "drop_after"},
        {"match": "^COPY", "action": "error", "message": "1023"},
        {"match": "^MERGE", "action": "error", "message": "1023"},
        {"match": "^COPY", "action": "s3_slowdown"},
        {"match": "^DELETE", "action": "drop_after"},
    ],
    ids=["lost before commit", "lost after commit", "1023 in COPY", "1023 in MERGE", "SlowDown", "lost in DELETE"],
)
def test_a_warehouse_transaction_that_fails_is_done_again(flowing, fault):
    (rule,) = flowing.servers.control("POST", "/faults", fault)
    flowing.sql("delete from public.accounts where id < 10")
    recovers(flowing, 3000)
    fired = {known["id"]: known["fired"] for known in flowing.servers.control("GET", "/faults")}
    assert fired[rule["id"]] == 1
