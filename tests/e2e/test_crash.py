"""kill -9 at random moments, of every worker and server, while both sources are written to: at the end source and
warehouse are equal row by row, and no event is in Kafka twice. While it runs, every look into the warehouse shows a
state that the source really had.

    python -m pytest tests/e2e/test_crash.py --crash-rounds 500 --crash-seed 7

The seed decides who is killed in which order, the pauses, and what the writers write; the machine decides the rest."""

import collections
import concurrent.futures
import random
import threading
import time

import psycopg
import pytest
from bank import compare, mapping, wait, writer

N_ACCOUNTS = 200
OPENING_BALANCE = 1000
PER_SECOND = 25
LONGEST_PAUSE_S = 2.5
RESTART_S = 0.5  # a worker that ended by itself is not started more often than this
SETTLE_SECONDS = 180
# Who is killed, in twenty rounds.
DECK = (
    ["capture-core"] * 6 + ["capture-docs"] * 4 + ["sink"] * 5 + ["kafka", "registry", "redshift"] + ["postgres"] * 2
)
# A worker that finds a server missing at its start ends; whoever runs it starts it again.
MISSING_AT_START = {
    "KAFKA_UNREACHABLE", "KAFKA_TRANSIENT", "REGISTRY_UNREACHABLE", "PG_UNREACHABLE", "PG_TRANSIENT", "S3_UNREACHABLE",
    "REDSHIFT_UNREACHABLE", "REDSHIFT_TRANSIENT",
}  # fmt: skip


class TransfersWriter(writer.Writer):
    """Moves money between accounts; the sum of all balances never changes, and each transfer touches two accounts."""

    def __init__(self, road, seed):
        super().__init__("transfers writer", seed, PER_SECOND)
        self.road = road
        self.connection = None

    def connect(self):
        self.connection = self.road.servers.postgres(self.road.database)

    def disconnect(self):
        if self.connection:
            self.connection.close()

    def operations(self):
        return [(60, self.transfer), (10, self.many_transfers), (8, self.rolled_back), (4, self.renumber), (4, self.replace)]

    def move(self):
        source, target = self.rng.sample(range(N_ACCOUNTS), 2)
        amount = self.rng.randrange(1, 200)
        self.connection.execute(
            "update public.accounts set balance = balance + case place when %(source)s then -%(amount)s else %(amount)s"
            " end, n_transfers = n_transfers + 1 where place in (%(source)s, %(target)s)",
            {"source": source, "target": target, "amount": amount},
        )
        self.connection.execute(
            "insert into public.transfers (source, target, amount, note) values (%s, %s, %s, %s)",
            (source, target, amount, self.rng.choice(("", "é 🏦", 'a "quoted", note', None))),
        )

    def transfer(self):
        with self.connection.transaction():
            self.move()

    def many_transfers(self):
        with self.connection.transaction():
            for _ in range(self.rng.choice((5, 20, 60))):
                self.move()

    def rolled_back(self):
        with self.connection.transaction(force_rollback=True):
            self.move()
            self.connection.execute("delete from public.accounts where place < 5")

    def renumber(self):
        """The key changes, the account stays."""
        with self.connection.transaction():
            self.connection.execute(
                "update public.accounts set id = nextval('account_ids') where place = %s", (self.rng.randrange(N_ACCOUNTS),)
            )

    def replace(self):
        """Deleted and opened anew in one transaction."""
        with self.connection.transaction():
            self.connection.execute(
                "with gone as (delete from public.accounts where place = %s returning *)"
                " insert into public.accounts select id, place, balance, n_transfers, 'reopened' from gone",
                (self.rng.randrange(N_ACCOUNTS),),
            )


SUMS = """\
    select (select count(*) from "{schema}".accounts), (select sum(balance) from "{schema}".accounts),
        (select sum(n_transfers) from "{schema}".accounts), (select count(*) from "{schema}".transfers)"""


def is_possible(sums):
    """Every committed state of the source has these sums."""
    n_accounts, balance, n_touched, n_transfers = sums
    return (n_accounts, balance, n_touched) == (N_ACCOUNTS, N_ACCOUNTS * OPENING_BALANCE, 2 * n_transfers)


class Watcher(threading.Thread):
    """Looks into the warehouse all the time: each look must show a sum and a count that the source can have had."""

    def __init__(self, road):
        super().__init__(daemon=True)
        self.road = road
        self.stopping = threading.Event()
        self.began = time.monotonic()
        self.n_looks = 0
        self.wrong = []

    def run(self):
        while not self.stopping.is_set():
            try:
                with self.road.servers.warehouse() as connection:
                    while not self.stopping.wait(0.3):
                        self.look(connection)
            except psycopg.OperationalError:
                self.stopping.wait(0.3)  # the stand-in is being restarted

    def look(self, connection):
        try:
            seen = connection.execute(SUMS.format(schema=self.road.schema)).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return  # not made yet
        if seen[0] == seen[3] == 0:
            return
        self.n_looks += 1
        if not is_possible(seen):
            self.wrong.append((round(time.monotonic() - self.began, 1), *map(str, seen)))

    def stop(self):
        self.stopping.set()
        self.join()


class Supervisor:
    """Kills, and starts again what was killed or ended; knows which ends are in order."""

    def __init__(self, servers, workers):
        self.servers = servers
        self.workers = {worker.name: worker for worker in workers}
        self.ends = collections.Counter()
        self.not_before = dict.fromkeys(self.workers, 0.0)
        self.restarting = None  # a thread: one server at a time, while the killing of workers goes on

    def kill(self, name):
        if name in self.workers:
            self.workers[name].kill()
            self.workers[name].start()
            return
        self.wait_for_server()
        self.restarting = concurrent.futures.ThreadPoolExecutor(1).submit(
            self.servers.stack, "restart", name, kill=True
        )

    def wait_for_server(self):
        if self.restarting:
            self.restarting.result()

    def look_after(self):
        for worker in self.workers.values():
            if worker.is_alive() or time.monotonic() < self.not_before[worker.name]:
                continue
            failures = worker.log_events("worker_failed")
            code = failures[-1]["code"] if failures else f"exit {worker.process.returncode}"
            assert code in MISSING_AT_START, f"{worker.name} ended by itself: {code}\n{worker.tail()}"
            self.ends[code] += 1
            self.not_before[worker.name] = time.monotonic() + RESTART_S
            worker.start()


@pytest.fixture
def seed(request):
    given = request.config.getoption("--crash-seed")
    return random.randrange(1 << 32) if given is None else given


def test_nothing_is_lost_or_twice_whoever_is_killed(road, seed, request, capsys):
    rounds = request.config.getoption("--crash-rounds")
    replay = f"--crash-rounds {rounds} --crash-seed {seed}"
    with capsys.disabled():
        print(f"\ncrash test: {rounds} kills; to replay: python -m pytest tests/e2e/test_crash.py {replay}", flush=True)
    prepare(road)
    workers = road.start()
    transfers = TransfersWriter(road, seed)
    trades = writer.TradesWriter(road.servers, seed, PER_SECOND, road.documents_name, "trades")
    watcher = Watcher(road)
    supervisor = Supervisor(road.servers, workers)
    for thread in (transfers, trades, watcher):
        thread.start()
    began = time.monotonic()
    try:
        killed = kill_at_random(supervisor, random.Random(seed), rounds)
    finally:
        for thread in (transfers, trades):
            thread.stop()
    road.reconnect()
    road.fence()

    def settled():
        supervisor.look_after()
        return road.fence_is_visible()

    wait.until(settled, SETTLE_SECONDS, road.why_not_settled, poll_s=0.2)
    watcher.stop()
    with capsys.disabled():
        print(
            f"crash test: {sum(killed.values())} kills in {time.monotonic() - began:.0f} s ({dict(killed)}); "
            f"{sum(transfers.counts.values())} and {sum(trades.counts.values())} operations, "
            f"{transfers.n_lost + trades.n_lost} lost connections, restarts after {dict(supervisor.ends)}, "
            f"{watcher.n_looks} looks",
            flush=True,
        )
    judge(road, watcher, trades, replay)


def prepare(road):
    road.sql("create sequence account_ids start 100000")
    road.table(
        "public.accounts", "id bigint primary key, place int unique, balance bigint, n_transfers bigint, note text"
    )
    road.table(
        "public.transfers",
        "id bigint generated by default as identity primary key, source int, target int, amount bigint, note text",
    )
    road.sql(
        f"insert into public.accounts select n, n, {OPENING_BALANCE}, 0, null from generate_series(0, {N_ACCOUNTS - 1}) n"
    )
    road.collection("trades", mapping.TRADE_COLUMNS)
    road.configure(core={"batch_max_bytes": "64KiB"})


def kill_at_random(supervisor, rng, rounds):
    """How often each was killed."""
    killed = collections.Counter()
    order = []
    while len(order) < rounds:
        deck = DECK.copy()
        rng.shuffle(deck)
        order += deck
    for name in order[:rounds]:
        pause_ends = time.monotonic() + rng.uniform(0.05, LONGEST_PAUSE_S)
        while time.monotonic() < pause_ends:
            supervisor.look_after()
            time.sleep(0.05)
        supervisor.kill(name)
        killed[name] += 1
    supervisor.wait_for_server()
    return killed


def judge(road, watcher, trades, replay):
    problems = [f"a look into the warehouse showed {seen}" for seen in watcher.wrong[:5]]
    if problems:
        problems.append(f"... {len(watcher.wrong)} of {watcher.n_looks} looks were wrong")
    source = road.sql(SUMS.format(schema="public")).fetchone()
    assert is_possible(source), f"the writer itself is wrong: {source}"
    for table in ("public.accounts", "public.transfers"):
        problems += road.compare(table).lines()
        problems += events_twice(road, table)
    documents = compare.compare_collection(
        road.servers, road.documents_name, "trades", road.schema, mapping.TRADE_COLUMNS
    )
    problems += documents.comparison.lines()
    problems += events_twice(road, "trades")
    rejects = compare.Rejects(road.rejects("trades"), documents.unfit, mapping.TRADE_COLUMNS)
    problems += rejects.problems[:5]
    problems += [f"{found} was rejected and nobody wrote it" for found in rejects.strangers(trades.unfit)]
    assert not problems, "\n".join([*problems, f"replay with {replay}"])
    assert watcher.n_looks > 0


def events_twice(road, table):
    """The position is the identity of a change: a topic has each once. A tombstone has the position of its delete."""
    seen = collections.Counter(
        (dict(record.headers())["leat.pos"], record.key(), record.value() is None) for record in road.topic(table)
    )
    twice = [key for key, n in seen.items() if n > 1]
    if twice:
        yield f"{table}: {len(twice)} events are in Kafka twice, such as {twice[:3]}"
