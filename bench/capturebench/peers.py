"""Who drains the slot. Every peer gets the same backlog on a fresh copy of the same slot, and answers one run:
rate, first_event_s, wall_s, cpu_s_per_million, walsender_s_per_million, peak_mib, and what it has besides."""

import contextlib
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import benchlib
from bank import connect, leatconfig, wait

from . import figures, processes
from .source import PUBLICATION, SLOT, Walsender

LOOK_S = 0.005  # between looks at a run that has not begun
FOLLOW_S = 0.02  # and at one that is under way
STALL_S = 300  # without any progress: the run has failed
DISK_LOOK_S = 5.0
SLOWEST_EVENTS_PER_S = 5_000  # of a peer whose progress cannot be seen
GIB = 1 << 30


def build_folder():
    binary = os.environ.get("LEAT_BIN", str(benchlib.ROOT / "build/release/leat"))
    return Path(binary).resolve().parent


def program(name):
    return build_folder() / "bench" / name


def check_disk(folder, least_bytes):
    free = shutil.disk_usage(folder).free
    if free < least_bytes:
        raise RuntimeError(f"{free / GIB:.1f} GiB are free below {folder}, {least_bytes / GIB:.1f} GiB are needed")


class Peer:
    name = ""
    prefix = None  # of its topics; None: it writes none

    def __init__(self, world):
        self.world = world

    def drain(self, backlog):
        """One run; the slot is a fresh copy. Raises when not everything was drained."""
        raise NotImplementedError


# ---- peers without topics ----


class Floor(Peer):
    name = "floor"

    def drain(self, backlog):
        world, env = self.world, self.world.servers.env
        words = [program("bench_floor"), env["PG_HOST"], env["PG_PORT"], env["PG_DATABASE"], env["PG_USER"], SLOT,
                 PUBLICATION, backlog.events]  # fmt: skip
        walsender = Walsender(world.source)
        began = time.monotonic()
        with processes.Child(words, world.folder / "floor.log", world.source.environment(), subprocess.PIPE) as child:
            with deadline_of(child, backlog):
                tally = figures.runs_of_json(child.line())[0]
            cost = {"cpu": processes.cpu_seconds(child.pid), "peak": processes.peak_mib(child.pid),
                    "walsender": walsender.final()}  # fmt: skip
            child.close_input()
            child.wait()
        seconds = (tally["last_us"] - tally["first_us"]) / 1e6
        return {
            "rate": (backlog.events - 1) / seconds,
            "first_event_s": tally["first_us"] / 1e6 - began,
            "wall_s": tally["last_us"] / 1e6 - began,
            "cpu_s_per_million": cost["cpu"] * 1e6 / backlog.events,
            "walsender_s_per_million": cost["walsender"] * 1e6 / backlog.events,
            "peak_mib": cost["peak"],
            "bytes_per_event": tally["bytes"] / backlog.events,
        }


@contextlib.contextmanager
def deadline_of(child, backlog):
    """Ends a child that says nothing for longer than the slowest peer would need."""
    import threading

    timer = threading.Timer(STALL_S + backlog.events / SLOWEST_EVENTS_PER_S, child.process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Recvlogical(Peer):
    """It ends by itself at a position between the two fences, and the costs of both processes are looked up until
    then. --endpos acts on the next message only, which is why a fence follows it; that the first fence was confirmed
    proves that everything before was received."""

    name = "recvlogical"

    def drain(self, backlog):
        world = self.world
        words = ["/usr/bin/pg_recvlogical", "-d", world.servers.env["PG_DATABASE"], "-S", SLOT, "--start", "-f", "/dev/null", "-o", "proto_version=1", "-o",
                 f"publication_names={PUBLICATION}", "--endpos", backlog.end_lsn, "--no-loop"]  # fmt: skip
        walsender = Walsender(world.source)
        cpu_s = peak = 0.0
        opened = None
        began = time.monotonic()
        give_up = began + STALL_S + backlog.events / SLOWEST_EVENTS_PER_S
        with processes.Child(words, world.folder / "recvlogical.log", world.source.environment()) as child:
            while child.process.poll() is None:
                walsender.look()
                if walsender.pid and opened is None:
                    opened = time.monotonic()
                cpu_s = processes.cpu_seconds(child.pid) or cpu_s
                peak = processes.peak_mib(child.pid) or peak
                if time.monotonic() > give_up:
                    raise RuntimeError(f"pg_recvlogical did not reach {backlog.end_lsn}")
                time.sleep(LOOK_S)
            ended = time.monotonic()
            child.wait()
        wait.until(lambda: world.source.confirmed_beyond(backlog.load_lsn), 10, "pg_recvlogical confirmed the backlog")
        walsender.final()
        events = backlog.events - 1
        return {
            "rate": events / (ended - opened),
            "first_event_s": figures.NAN,
            "wall_s": ended - began,
            "cpu_s_per_million": cpu_s * 1e6 / events,
            "walsender_s_per_million": walsender.cpu_s * 1e6 / events,
            "peak_mib": peak,
        }


# ---- peers that write to Kafka ----


class TopicPeer(Peer):
    """started() yields an object with pid, check() and is_done()."""

    def topics(self, tables):
        return [f"{self.prefix}.{table}" for table in tables]

    def own_topics(self):
        """Besides the tables'."""
        return []

    def prepare_topics(self, tables):
        self.world.topics.recreate(self.topics(tables) + self.own_topics())

    def started(self, backlog):
        raise NotImplementedError

    def drain(self, backlog):
        self.prepare_topics(backlog.tables)
        with self.started(backlog) as running:
            run = self.follow(running, backlog)
        return run

    def follow(self, running, backlog):
        """From outside: what a reader of committed records may read, over and over, and in the end what is there."""
        names = self.topics(backlog.tables)
        walsender = Walsender(self.world.source)
        samples = self.sample_until_done(running, backlog, names, walsender)
        cpu_s = samples[-1].cpu_s
        walsender_s = walsender.final() if backlog.has_walsender else 0.0
        peak, threads = processes.peak_mib(running.pid), running.threads()
        counts = self.world.topics.count(names)
        events = sum(count["events"] for count in counts)
        if events != backlog.events:
            raise RuntimeError(f"{self.name} made {events:,} events of {backlog.events:,} changes ({backlog.name})")
        drained = figures.drain_of(samples, running.began, [count["last_offset"] for count in counts], events)
        return {
            "rate": drained.rate,
            "first_event_s": drained.first_event_s,
            "wall_s": samples[-1].at - running.began,
            "cpu_s_per_million": self.cpu_s_per_million(cpu_s, drained, events),
            "cpu_total_s": cpu_s,
            "walsender_s_per_million": walsender_s * 1e6 / events,
            "peak_mib": peak,
            "bytes_per_event": sum(count["bytes"] for count in counts) / events,
            "threads": {name: seconds * 1e6 / events for name, seconds in threads.items()},
        }

    def cpu_s_per_million(self, total_s, drained, events):
        return total_s * 1e6 / events

    def sample_until_done(self, running, backlog, names, walsender):
        world = self.world
        samples, moved_at, disk_at = [], time.monotonic(), 0.0
        while True:
            ends = world.topics.ends(names)
            sample = figures.Sample(time.monotonic(), ends, processes.cpu_seconds(running.pid) or 0.0)
            if not samples or samples[-1].ends != ends:
                moved_at = sample.at
            samples.append(sample)
            if backlog.has_walsender:
                walsender.look()
            if sum(ends) >= backlog.events and running.is_done() and ends == world.topics.ends(names, committed=False):
                return samples
            running.check()
            if sample.at - moved_at > STALL_S:
                raise RuntimeError(f"{self.name} stands still at {sum(ends):,} of {backlog.events:,} ({backlog.name})")
            if sample.at - disk_at > DISK_LOOK_S:
                check_disk(world.folder, world.least_bytes)
                disk_at = sample.at
            time.sleep(FOLLOW_S if any(ends) else LOOK_S)


class RunningLeat:
    def __init__(self, child, port, began):
        self.child, self.port, self.began = child, port, began
        self.pid, self.check = child.pid, child.check
        self.wanted = 0

    def threads(self):
        return processes.cpu_of_threads(self.pid, "leat")

    def metric(self, name):
        """The sum over all labels; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            self.check()
            return 0.0
        rows = [line for line in lines if line.startswith(name) and line[len(name)] in " {"]
        return sum(float(row.rsplit(" ", 1)[1]) for row in rows)

    def is_done(self):
        return self.metric("leat_capture_events_total") >= self.wanted


class Leat(TopicPeer):
    """As it is configured when nothing is said: exactly once, Avro, lz4. Its ledger says that it has drained everything
    before the master slot's position."""

    name, prefix, source_name = "leat", "bench", "core"
    ledger_topic = f"{prefix}.leat.ledger.{source_name}"

    def own_topics(self):
        return [self.ledger_topic]

    def config(self, tables):
        servers, path = self.world.servers, self.world.folder / "leat.yaml"
        source = leatconfig.postgresql_source(
            servers, self.source_name, list(tables), postgresql={"slot": SLOT, "publication": PUBLICATION}
        )
        path.unlink(missing_ok=True)
        return leatconfig.write(path, leatconfig.config(servers, self.prefix, [source], []))

    @contextlib.contextmanager
    def running(self, tables, wanted=0):
        """A worker that finds the topics, ledger and slot as they are; asked to stop at the end."""
        port = self.world.http_port
        words = [build_folder() / "leat", "--config", self.config(tables), "--http", f"127.0.0.1:{port}", "capture",
                 self.source_name]  # fmt: skip
        began = time.monotonic()
        with processes.Child(words, self.world.folder / "leat.log") as child:
            running = RunningLeat(child, port, began)
            running.wanted = wanted
            yield running
            child.stop()

    @contextlib.contextmanager
    def started(self, backlog):
        if backlog.ledger is not None:
            self.world.topics.put(self.ledger_topic, self.source_name.encode(), backlog.ledger)
        with self.running(backlog.tables, backlog.events) as running:
            yield running


class RunningConnect:
    def __init__(self, worker, connector):
        self.worker, self.connector = worker, connector
        self.began, self.pid = time.monotonic(), worker.process.pid

    def check(self):
        if self.worker.process.poll() is not None:
            raise RuntimeError(f"Kafka Connect ended with {self.worker.process.returncode}\n{self.worker.tail()}")

    def is_done(self):
        return True  # no transactions: the topics' ends say it

    def threads(self):
        return {}


DEFAULT_SETTINGS = {}
TUNED_CONNECTOR = {
    "max.batch.size": "16384", "max.queue.size": "65536", "poll.interval.ms": "10", "snapshot.fetch.size": "20000",
}  # fmt: skip
TUNED_WORKER = {
    "producer.compression.type": "lz4", "producer.linger.ms": "20", "producer.batch.size": "262144",
    "producer.max.in.flight.requests.per.connection": "5", "producer.enable.idempotence": "true",
    "producer.acks": "all",
}  # fmt: skip
JAVA_OPTIONS = ("-Xmx1g",)  # and the JVM's own choice of everything else


class Debezium(TopicPeer):
    """Its process takes seconds to start and to warm up; its CPU is counted from the first event on, leat's from the
    start of the process."""

    connector = "bench"

    def __init__(self, world, encoding, tuned):
        super().__init__(world)
        self.encoding, self.tuned = encoding, tuned
        self.name = f"debezium {encoding} {'tuned' if tuned else 'default'}"
        self.prefix = self.name.replace(" ", "_")

    def settings(self, snapshot_mode):
        servers = self.world.servers
        converters = connect.avro(servers) if self.encoding == "avro" else connect.json_converters()
        return (
            connect.postgresql(servers, self.prefix, slot=SLOT, publication=PUBLICATION)
            | converters
            | {"snapshot.mode": snapshot_mode, "publication.autocreate.mode": "disabled"}
            | (TUNED_CONNECTOR if self.tuned else DEFAULT_SETTINGS)
        )

    @contextlib.contextmanager
    def running(self, snapshot_mode="no_data"):
        """no_data: from where the slot stands."""
        worker = connect.Worker(
            self.world.servers, self.world.folder, TUNED_WORKER if self.tuned else DEFAULT_SETTINGS, JAVA_OPTIONS
        )
        worker.start()
        try:
            running = RunningConnect(worker, self.connector)
            worker.wait_ready()
            worker.add(self.connector, self.settings(snapshot_mode))
            yield running
        finally:
            worker.stop()

    @contextlib.contextmanager
    def started(self, backlog):
        with self.running(backlog.snapshot_mode) as running:
            yield running

    def cpu_s_per_million(self, total_s, drained, events):
        return drained.steady_cpu_s_per_million
