"""The demo's play; deploy/local/demo installs what is needed and calls it."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from . import compare, generate, latency, leatconfig, load, mapping, ports, processes, writer
from .servers import CHECKOUT, STACK, Servers

SCHEMA = PREFIX = "bank"
TOPIC = f"{PREFIX}.{load.DOCUMENT_DATABASE}.{load.COLLECTION}"
CATCH_UP_SECONDS = 180
READY_SECONDS = 60
FIRST_PORT = 24800
DESCRIPTION = """\
Takes a Debian 12 machine to a finished run: installs what is missing, builds leat, starts Kafka, a schema registry, S3,
PostgreSQL, a document server and a Redshift stand-in on 127.0.0.1, loads a bank's data, replicates it while a writer goes
on writing, and compares source and warehouse row by row.

exit status: 0 nothing missing, extra or differing, and the rejects are exactly the trades that do not fit; 1 otherwise"""


class Failed(Exception):
    """Something that the person at the screen should read as one message."""


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="demo", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dir", type=Path, default=CHECKOUT / "build/demo", help="folder of everything it makes, emptied first (default build/demo)")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=60, help="how long the writer goes on (default 60)")
    parser.add_argument("--per-second", type=float, default=40, help="transactions a second and source (default 40)")
    parser.add_argument("--seed", type=int, default=1, help="of the writer (default 1)")
    parser.add_argument("--port-base", type=int, help="first port of the servers (default: free ones from 24800 on)")
    parser.add_argument("--keep", action="store_true", help="leave servers and workers running at the end")
    return parser.parse_args(arguments)


class Progress:
    """One line at the begin of a step, and one when it took longer than a moment."""

    def __init__(self):
        self.began = time.monotonic()

    def say(self, text):
        print(f"[{time.monotonic() - self.began:6.1f} s] {text}", flush=True)

    @contextlib.contextmanager
    def step(self, text):
        began = time.monotonic()
        self.say(text)
        yield
        self.say(f"  took {time.monotonic() - began:.1f} s")


def command(words, log):
    """Output goes to the log; its end is shown when the command fails."""
    with open(log, "ab") as output:
        done = subprocess.run(words, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise Failed(f"{' '.join(map(str, words))} failed; the end of {log}:\n{tail}")


class Demo:
    def __init__(self, options):
        self.options = options
        self.folder = options.dir.resolve()
        self.stack_folder = self.folder / "stack"
        self.config_file = self.folder / "leat.yaml"
        self.pids_file = self.folder / "kept.pids"
        self.progress = Progress()
        self.servers = None
        self.workers = []

    # ---- the steps ----

    def prepare(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.end_kept_workers()
        log = self.folder / "build.log"
        log.write_text("")
        with self.progress.step("building leat"):
            command(["cmake", "--preset", "release"], log)
            command(["cmake", "--build", "--preset", "release"], log)
        with self.progress.step("starting Kafka, registry, S3, PostgreSQL, document server and Redshift stand-in"):
            command([STACK, "reset", "--dir", self.stack_folder, "--quiet"], log)
            base = self.options.port_base or ports.free_base(FIRST_PORT)
            command([STACK, "up", "--dir", self.stack_folder, "--port-base", str(base)], log)
        self.servers = Servers(self.stack_folder)

    def end_kept_workers(self):
        """Those that an earlier run left with --keep: they would wait for servers that are about to be emptied."""
        if not self.pids_file.exists():
            return
        for pid in self.pids_file.read_text().split():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except FileNotFoundError:
                continue
            if str(self.config_file).encode() in words:  # ours, not a stranger that got the number
                os.kill(int(pid), signal.SIGKILL)
        self.pids_file.unlink()

    def load(self):
        with self.progress.step(f"generating {generate.N_TRANSACTIONS:,} transactions and {generate.N_TRADES:,} trades"):
            generate.main(self.folder / "data")
            load.upload(self.servers, self.folder / "data")
        with self.progress.step("loading them from S3 into PostgreSQL and the document database"):
            n_loaded, unreadable = load.load_transactions(self.servers)
            load.load_trades(self.servers)
        for line, why in unreadable:
            self.progress.say(f"{load.TRANSACTIONS_KEY}:{line} could not be read: {why}")
        if unreadable or n_loaded != generate.N_TRANSACTIONS:
            raise Failed(f"{n_loaded:,} of {generate.N_TRANSACTIONS:,} transactions could be loaded")

    def start_workers(self):
        config = leatconfig.write(self.config_file, leatconfig.bank(self.servers, PREFIX, SCHEMA))
        for name, words in (("capture-core", "capture core"), ("capture-docs", "capture docs"), ("sink", "sink")):
            worker = processes.Worker(name, config, words.split(), self.folder, detached=True)
            worker.log.unlink(missing_ok=True)
            self.workers.append(worker)
        for worker in self.workers:
            worker.start()
        for worker in self.workers:
            worker.wait_ready(READY_SECONDS)

    def check_workers(self):
        for worker in self.workers:
            if not worker.is_alive():
                raise Failed(f"{worker.name} ended with {worker.process.returncode}\n{worker.tail()}")

    def play(self):
        """Workers and writers side by side. The measured latencies and the trades writer."""
        options, servers = self.options, self.servers
        writers = [
            writer.TransactionsWriter(servers, options.seed, options.per_second),
            writer.TradesWriter(servers, options.seed, options.per_second),
        ]
        latencies = [
            latency.Latency(markers(servers), servers, SCHEMA)
            for markers in (latency.TransactionMarkers, latency.TradeMarkers)
        ]
        with self.progress.step("starting leat capture core, leat capture docs, leat sink"):
            for thread in (*writers, *latencies):
                thread.start()
            self.start_workers()
        with self.progress.step(f"writing for {options.seconds:g} s while they replicate"):
            ends = time.monotonic() + options.seconds
            while any(thread.is_alive() for thread in writers) and time.monotonic() < ends:
                self.check_workers()
                writers[0].join(min(1.0, max(0.0, ends - time.monotonic())))
            for thread in writers:
                thread.stop()
        for thread in writers:
            n = sum(thread.counts.values())
            self.progress.say(f"  {thread.name}: {n:,} operations, " + counts(thread.counts))
        with self.progress.step("waiting for the last commits to be queryable"):
            for thread in latencies:
                thread.finish(CATCH_UP_SECONDS)
        return latencies, writers[1]

    def stop_workers(self):
        with self.progress.step("stopping the workers (SIGTERM)"):
            ended = processes.stop_all(self.workers)
        for name, (code, seconds) in ended.items():
            if code != 0:
                how = "did not end and was killed" if code is None else f"ended with {code}"
                raise Failed(f"{name} {how} after {seconds:.1f} s; log: {self.folder / name}.log")

    def compare(self, trades_writer):
        with self.progress.step("comparing source and warehouse row by row"):
            table = compare.compare_table(self.servers, None, "public.transactions", SCHEMA)
            documents = compare.compare_collection(
                self.servers, load.DOCUMENT_DATABASE, load.COLLECTION, SCHEMA, mapping.TRADE_COLUMNS
            )
            rejects = compare.compare_rejects(self.servers, PREFIX, TOPIC, documents.unfit, mapping.TRADE_COLUMNS)
            for identity in rejects.strangers(documents.unfit.keys() | trades_writer.unfit):
                rejects.problems.append(f"nobody wrote an unfit document {identity}, but it was rejected")
        return [table, documents.comparison], documents.unfit, rejects

    # ---- what the reader gets ----

    def report(self, comparisons, unfit, rejects, latencies):
        header = ("table", "source rows", "warehouse rows", "missing", "extra", "differing", "duplicates", "rejected")
        lines = [header]
        for comparison in comparisons:
            rejected = len(rejects.documents) if comparison.name.endswith(load.COLLECTION) else 0
            numbers = (
                comparison.source_rows, comparison.warehouse_rows, len(comparison.missing), len(comparison.extra),
                len(comparison.differing), len(comparison.duplicates), rejected,
            )  # fmt: skip
            lines.append((comparison.name, *(f"{number:,}" for number in numbers)))
        widths = [max(map(len, column)) for column in zip(*lines)]
        print()
        for line in lines:
            print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))))
        print(f"\nrejected trades by reason: {counts(rejects.by_reason)} ({len(unfit):,} do not fit)")
        for thread in latencies:
            print(
                f"{thread.markers.table}: first copy queryable {thread.first_copy_seconds():.1f} s after the start; "
                f"from commit to queryable p50 {thread.percentile(50):.2f} s, p99 {thread.percentile(99):.2f} s "
                f"({thread.n_measured()} markers)"
            )
        for comparison in comparisons:
            for line in comparison.lines():
                print(line)
        for problem in rejects.problems[: compare.EXAMPLES]:
            print(problem)
        if len(rejects.problems) > compare.EXAMPLES:
            print(f"... and {len(rejects.problems) - compare.EXAMPLES} more problems with rejects")
        return all(comparison.is_equal() for comparison in comparisons) and not rejects.problems

    def where_next(self):
        env = self.servers.env
        print(f"\nlogs of the workers: {self.folder}/*.log; of the servers: {self.stack_folder}/log")
        if not self.options.keep:
            print("everything is stopped; --keep leaves it running, to look around")
            return
        for worker in self.workers:
            print(f"{worker.name}: pid {worker.process.pid}, {worker.url('/')} {worker.url('/metrics')}")
        print(
            f"warehouse: PGPASSWORD={env['REDSHIFT_PASSWORD']} psql 'host={env['REDSHIFT_HOST']} "
            f"port={env['REDSHIFT_PORT']} dbname={env['REDSHIFT_DATABASE']} user={env['REDSHIFT_USER']} "
            f"sslmode=verify-full sslrootcert={env['REDSHIFT_CA_FILE']}' -c 'select count(*) from {SCHEMA}.trades'"
        )
        print(
            f"source: PGPASSWORD={env['PG_PASSWORD']} psql -h {env['PG_HOST']} -p {env['PG_PORT']} -U {env['PG_USER']} "
            f"{env['PG_DATABASE']}"
        )
        pids = " ".join(str(worker.process.pid) for worker in self.workers)
        print(f"to stop it all: kill {pids}; {STACK} down --dir {self.stack_folder}")

    def clean_up(self):
        for worker in self.workers:
            worker.end()
        if (self.stack_folder / "stack.env").exists() or self.servers:
            subprocess.run([STACK, "down", "--dir", self.stack_folder, "--quiet"], stdin=subprocess.DEVNULL)

    def run(self):
        """True when source and warehouse agree."""
        keep = False
        try:
            self.prepare()
            self.load()
            latencies, trades_writer = self.play()
            self.stop_workers()
            comparisons, unfit, rejects = self.compare(trades_writer)
            is_right = self.report(comparisons, unfit, rejects, latencies)
            if self.options.keep:
                for worker in self.workers:
                    worker.start()
                self.pids_file.write_text("".join(f"{worker.process.pid}\n" for worker in self.workers))
                keep = True
            self.where_next()
            return is_right
        finally:
            if not keep:
                self.clean_up()


def counts(found):
    return ", ".join(f"{n:,} {name}" for name, n in sorted(found.items(), key=lambda pair: -pair[1])) or "none"


def terminated(_number, _frame):
    raise KeyboardInterrupt


def main(arguments=None):
    options = parse(arguments)
    signal.signal(signal.SIGTERM, terminated)
    try:
        is_right = Demo(options).run()
    except (Failed, AssertionError, OSError, RuntimeError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    print("\nsource and warehouse agree" if is_right else "\nsource and warehouse DISAGREE")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
