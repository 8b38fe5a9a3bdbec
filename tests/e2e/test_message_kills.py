"""Logical messages of every kind from several connections, while the capture is killed, its session ended, or left alone:
each that was committed arrives once, at its place, and so does each row."""

import random
import threading
import time

import psycopg
import pytest
from bank import wait
from test_transactions import ROWS, WORK_MEM, check_once_and_in_order, events, insert, read_messages

WRITERS = 3
ROWS_A_STEP = (1, 20, 800)  # the last ones are streamed


class Writer(threading.Thread):
    """Until told to stop; what it committed is in `plain` ({text: LSN}), `inside` (texts) and `n_rows`."""

    def __init__(self, road, number, seed):
        super().__init__()
        self.connection = road.servers.postgres(road.database, autocommit=True)
        self.rng = random.Random(seed * 100 + number)
        self.number = number
        self.n_texts = 0
        self.next_key = number * 10**9
        self.stopping = threading.Event()
        self.plain, self.inside, self.n_rows = {}, [], 0
        self.open_inside, self.open_rows = [], 0  # of the transaction
        self.error = None

    def run(self):
        try:
            while not self.stopping.is_set():
                self.rng.choice((self.emit_plain, self.emit_plain, self.transaction))()
                self.stopping.wait(self.rng.choice((0, 0, 0.01, 0.1)))
        except psycopg.Error as error:
            self.error = error
        self.connection.close()

    def text(self):
        self.n_texts += 1
        return f"{self.number}.{self.n_texts}"

    def emit(self, transactional, text):
        query = "select pg_logical_emit_message(%s, 'outbox', %s) - '0/0'"
        return self.connection.execute(query, (transactional, text)).fetchone()[0]

    def emit_plain(self):
        text = self.text()
        self.plain[text] = int(self.emit(False, text))

    def transaction(self):
        self.open_inside, self.open_rows = [], 0
        self.connection.execute("begin")
        for _ in range(self.rng.randint(1, 4)):
            steps = ((3, self.insert), (3, self.emit_inside), (1, self.emit_plain), (2, self.roll_back_a_savepoint))
            self.rng.choices([step for _, step in steps], [weight for weight, _ in steps])[0]()
        if self.rng.random() < 0.2:
            self.connection.execute("rollback")
            return
        if self.rng.random() < 0.5:
            self.emit_plain()  # its record may end where the commit's begins
        self.connection.execute("commit")
        self.inside += self.open_inside
        self.n_rows += self.open_rows

    def insert(self):
        count = self.rng.choice(ROWS_A_STEP)
        insert(self.connection, self.next_key, count)
        self.open_rows += count
        self.next_key += count

    def emit_inside(self):
        text = self.text()
        self.emit(True, text)
        self.open_inside.append(text)

    def roll_back_a_savepoint(self):
        """A message right before it makes leat give up streaming."""
        kept = list(self.open_inside), self.open_rows
        self.connection.execute("savepoint a")
        self.insert()
        self.emit_inside()
        self.connection.execute("rollback to savepoint a")
        self.open_inside, self.open_rows = kept


def disturb(road, capture, rng):
    time.sleep(rng.random() * 1.5)  # when it happens is what is tried here
    event = rng.choice(("kill", "kill", "kill early", "end session", "nothing"))
    if event == "end session":
        query = "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s and active"
        road.sql(query, (road.slot,))
    elif event != "nothing":
        capture.kill()
        capture.start()
        if event == "kill":
            capture.wait_ready()


MAJORS = ["16", *(pytest.param(major, marks=pytest.mark.long) for major in ("14", "15", "17", "18"))]


@pytest.mark.parametrize("major", MAJORS)
def test_messages_arrive_once_whenever_the_capture_dies(clusters, road_on, request, major):
    road = road_on(clusters(major, **WORK_MEM))
    road.table("public.rows", ROWS)
    road.configure()
    capture = road.capture().wait_ready()
    seed = request.config.getoption("crash_seed") or random.randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    writers = [Writer(road, number, seed) for number in range(1, 1 + WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(40 if request.config.getoption("long") else 5):
        disturb(road, capture, rng)
    for writer in writers:
        writer.stopping.set()
        writer.join()
        assert writer.error is None
    road.fence()
    wait.until(lambda: len(events(road, "public.fence")) == road.n_fences, 120, lambda: capture.tail())
    check_messages(road, writers)
    rows = check_once_and_in_order(events(road, "public.rows"))
    assert len(rows) == sum(writer.n_rows for writer in writers)


def check_messages(road, writers):
    found = read_messages(road)
    texts = [value["message"]["content"].decode() for _, _, (_, value) in found]
    plain = {text: lsn for writer in writers for text, lsn in writer.plain.items()}
    wanted = [*plain, *(text for writer in writers for text in writer.inside)]
    missing = sorted(set(wanted) - set(texts))
    assert not missing, f"missing: {[(text, hex(plain[text]) if text in plain else 'transactional') for text in missing]}"
    assert sorted(texts) == sorted(wanted)
    positions = [position for position, _, _ in found]
    assert positions == sorted(set(positions))
    assert {text: value["source"]["lsn"] for text, (_, _, (_, value)) in zip(texts, found) if text in plain} == plain
