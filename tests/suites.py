"""The suites behind tests/run and their counts. What builds runs alone; what waits for servers runs side by side, in lanes
that have a stack each."""

import argparse
import collections
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
BUILD = CHECKOUT / "build"
RESULTS = BUILD / "test-results"
STACK = CHECKOUT / "deploy/local/stack"
BIN = Path(sys.executable).parent  # the venv's: hadolint, cfn-lint
FIRST_PORT = 25200
CRASH_ROUNDS = 60
LONG_CRASH_ROUNDS = 500
POSTGRES_MAJORS = ("13", "14", "15", "16", "17", "18")
GRACE_SECONDS = 60
LANES = 3
BESIDE_OTHERS = {  # limits are for what has the machine for itself
    "LEAT_PATIENCE": "3",  # times those of bank.wait
    "LEAT_STACK_TIMEOUT_S": "300",  # a server's start
}
LONGEST = (
    "crash", "transactions", "debezium", "snapshot", "outages", "rejects", "road", "schema", "identity", "stack",
    "standin", "snapshot_requests", "start_errors", "pipeline", "connection", "versions", "offsets",
)  # fmt: skip
C_FOLDERS = ("base", "proto", "capture", "sink", "cli", "bench", "tests")
# Tests of the road that take every stage's way: copy, stream, parts of a transaction, documents, restart, many tables.
PIPELINE = "copied_first or inserts or larger or restart or documents_come or both_sources or more_tables"
# Unit tests in which more than one thread works on one thing.
THREADED = "batch_test|publisher|health|metrics|http|log|credentials|applier|stop|watchdog"

sys.path.insert(0, str(CHECKOUT / "deploy/local"))


class Interrupted(Exception):
    """In a lane: the whole run is being ended."""


class Runner:
    """Runs commands as process groups of their own, so that an interruption leaves none behind. run() is for any
    thread; interrupt() is the main thread's."""

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()  # of the two below
        self.children = set()
        self.is_interrupted = False

    def run(self, *words, log=None, is_cleanup=False, **environment):
        """Exit code. Output goes to the log, or to where ours goes."""
        sys.stdout.flush()
        output = open(log, "ab") if log else None
        child = None
        try:
            with self.lock:
                if self.is_interrupted and not is_cleanup:
                    raise Interrupted
                child = subprocess.Popen(
                    [str(word) for word in words], cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=output,
                    stderr=output, env=os.environ | environment, start_new_session=True,
                )  # fmt: skip
                if not is_cleanup:
                    self.children.add(child)
            code = child.wait()
            if self.is_interrupted and not is_cleanup:
                raise Interrupted
            return code
        finally:
            self._end(child)
            if output:
                output.close()

    def _end(self, child):
        """Asks what still runs to end as if Ctrl-C was pressed: pytest then cleans up; whatever is left is killed."""
        if child is None:
            return
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
            try:
                child.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"{child.args[0]} (pid {child.pid}) does not end: killed", flush=True)
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
        with self.lock:
            self.children.discard(child)

    def interrupt(self):
        """Ends what the lanes run; they clean up and end themselves."""
        with self.lock:
            self.is_interrupted = True
            children = list(self.children)
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
        deadline = time.monotonic() + GRACE_SECONDS
        for child in children:
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._end_now(child)

    def _end_now(self, child):
        print(f"{child.args[0]} (pid {child.pid}) does not end: killed", flush=True)
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Counts:
    def __init__(self, passed=0, failed=0, notes=()):
        self.passed, self.failed, self.notes = passed, failed, list(notes)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.notes += other.notes


def counts_of(file, exit_code):
    """From a JUnit file. What did not run counts as failed: nothing here is meant to be skipped."""
    if not file.exists():
        return Counts(0, 1, ["no results were written"])
    cases = list(xml.etree.ElementTree.parse(file).iter("testcase"))
    failed = [
        case for case in cases
        if case.get("status") in ("fail", "notrun", "disabled") or any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
    ]  # fmt: skip
    counts = Counts(len(cases) - len(failed), len(failed))
    counts.notes = [f"{case.get('classname')} {case.get('name')}" for case in failed]
    if exit_code != 0 and not failed:
        counts.failed += 1
        counts.notes.append(f"ended with {exit_code}")
    return counts


# ---- suites that run alone: each answers Counts ----


def build(runner, preset):
    """None, or why not."""
    log = RESULTS / f"build-{preset}.log"
    for words in (["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset]):
        if runner.run(*words, log=log) != 0:
            tail = log.read_text(errors="replace").splitlines()[-30:]
            print("\n".join(tail))
            return Counts(0, 1, [f"{' '.join(words)} failed, see {log}"])
    return None


def ctest(runner, preset, *selection):
    failed = build(runner, preset)
    if failed:
        return failed
    results = RESULTS / f"ctest-{preset}.xml"
    code = runner.run("ctest", "--preset", preset, "--output-junit", results, "-j", "2", *selection)
    return counts_of(results, code)


def asan(runner):
    """Unit tests and replay of the fuzz targets' corpora, with the address and undefined behaviour sanitizers."""
    return ctest(runner, "asan")


def tsan(runner):
    """Unit tests of what threads share, with the thread sanitizer."""
    return ctest(runner, "tsan", *([] if runner.options.long else ["-R", THREADED]))


def release(runner):
    """The program that the tests below run."""
    return build(runner, "release") or Counts(1)


def lint(runner):
    """hadolint, cfn-lint, clang-format; one count a tool."""
    sources = sorted(file for folder in C_FOLDERS for file in (CHECKOUT / folder).rglob("*.[ch]"))
    commands = {
        "hadolint": [BIN / "hadolint", "deploy/Dockerfile"],
        "cfn-lint": [BIN / "cfn-lint", *sorted(CHECKOUT.glob("deploy/ecs/*.yaml"))],
        "clang-format": ["clang-format", "--dry-run", "-Werror", *sources],
    }
    counts = Counts()
    for name, words in commands.items():
        if runner.run(*words) == 0:
            counts.passed += 1
        else:
            counts.failed += 1
            counts.notes.append(name)
    return counts


# ---- suites that run side by side: each answers its jobs ----


class Job(NamedTuple):
    """One pytest."""

    name: str  # of its results and its log
    words: list  # for pytest
    environment: dict
    stack: list | None  # words for `stack up`; None: it needs none


RELEASE = {"LEAT_BIN": str(BUILD / "release/leat")}


def stack(_options):
    """deploy/local/stack."""
    return [Job("stack", ["tests/stack"], {}, None)]


def standin(_options):
    """The Redshift stand-in, rule by rule."""
    return [Job("standin", ["tests/standin"], {}, None)]


def cli(_options):
    """Commands, options and messages of the program."""
    return [Job("cli", ["tests/cli"], RELEASE, None)]


def e2e(options):
    """The road over real servers, the crash test included; with --long on every version of PostgreSQL."""
    jobs = e2e_on(options, "e2e", options.crash_rounds, [])
    for major in POSTGRES_MAJORS if options.long else ():
        jobs += e2e_on(options, f"e2e-{major}", min(options.crash_rounds, CRASH_ROUNDS), ["--postgres", major])
    return jobs


def e2e_on(options, name, rounds, stack_words):
    words = [f"--crash-rounds={rounds}"]
    if options.long and name == "e2e":
        words.append("--long")
    if options.crash_seed is not None:
        words.append(f"--crash-seed={options.crash_seed}")
    if stack_words[1:] == ["13"]:
        words += ["-m", "not chunks and not messages"]
    files = sorted((CHECKOUT / "tests/e2e").glob("test_*.py"))
    return [Job(f"{name}-{file.stem.removeprefix('test_')}", [file, *words], RELEASE, stack_words) for file in files]


def debezium(options):
    """The same database through Debezium's connector and through leat, compared record by record."""
    words = ["--seeds=40", "--pgbench-transactions=20000"] if options.long else []
    return [Job("debezium", ["tests/debezium", *words], RELEASE, [])]


def pipeline(options):
    """The road with every stage under the thread sanitizer: a race ends the worker."""
    environment = {
        "LEAT_BIN": str(BUILD / "tsan/leat"),
        "TSAN_OPTIONS": f"halt_on_error=1 suppressions={CHECKOUT}/tests/tsan/suppressions",
    }
    words = [] if options.long else ["-k", PIPELINE]
    return [Job("pipeline", ["tests/e2e/test_road.py", *words], environment, [])]


class Lane:
    """Takes one job after the other. Its stack stays up between jobs that need the same one."""

    def __init__(self, runner, number):
        self.runner = runner
        self.folder = BUILD / f"test-stack-{number}"
        self.stack = None  # the words that it was started with

    def work(self, jobs, done):
        """jobs: a deque of (suite, Job) that all lanes share. done(suite, job, Counts, began)."""
        try:
            while True:
                try:
                    suite, job = jobs.popleft()
                except IndexError:
                    return
                began = time.monotonic()
                done(suite, job, self.run(job), began)
        except Interrupted:
            pass
        finally:
            self.stack_down()

    def run(self, job):
        if job.stack is not None and not self.stack_up(job.stack):
            return Counts(0, 1, [f"{job.name}: the stack did not start"])
        results = RESULTS / f"pytest-{job.name}.xml"
        environment = job.environment | BESIDE_OTHERS
        if job.stack is not None:
            environment["LEAT_STACK_DIR"] = str(self.folder)
        words = [sys.executable, "-m", "pytest", "-q", *job.words, f"--junitxml={results}"]
        return counts_of(results, self.runner.run(*words, log=log_of(job), **environment))

    def stack_up(self, words):
        """A stack that is up is looked after: a test that failed may have left a server down."""
        from bank import ports

        if self.stack == words:
            return self.call_stack("up")
        self.stack_down()
        self.stack = words
        base = str(ports.free_base(FIRST_PORT))
        if self.call_stack("reset") and self.call_stack("up", "--port-base", base, *words):
            return True
        self.stack_down()
        return False

    def call_stack(self, *words, is_cleanup=False):
        words = [STACK, *words, "--dir", self.folder, "--quiet"]
        return self.runner.run(*words, is_cleanup=is_cleanup, **BESIDE_OTHERS) == 0

    def stack_down(self):
        if self.stack is not None:
            self.stack = None
            self.call_stack("down", is_cleanup=True)


def log_of(job):
    return RESULTS / f"pytest-{job.name}.log"


class Board:
    """What the lanes have done so far."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.defaultdict(Counts)
        self.began, self.ended = {}, {}

    def done(self, suite, job, counts, began):
        ended = time.monotonic()
        with self.lock:
            self.counts[suite].add(counts)
            self.began[suite] = min(began, self.began.get(suite, began))
            self.ended[suite] = ended
            print(f"{job.name:32} {counts.passed:5} passed {counts.failed:5} failed {ended - began:7.0f} s", flush=True)
            if counts.failed and log_of(job).exists():
                print(log_of(job).read_text(errors="replace"), flush=True)

    def found(self, suite):
        return self.counts[suite], self.ended[suite] - self.began[suite]


def place(job):
    """In the queue: one kind of stack after the other; what lasts long first, so that no lane is alone at the end."""
    name = re.sub(r"^e2e(-\d+)?-", "", job.name)
    return job.stack or [], LONGEST.index(name) if name in LONGEST else len(LONGEST)


def run_beside(runner, suites):
    """{suite's name: (Counts, seconds from its first job's start to its last one's end)}"""
    jobs = [(suite, job) for suite, made in suites.items() for job in made]
    queue = collections.deque(sorted(jobs, key=lambda pair: place(pair[1])))
    board = Board()
    with concurrent.futures.ThreadPoolExecutor(runner.options.lanes) as pool:
        lanes = [pool.submit(Lane(runner, number).work, queue, board.done) for number in range(1, runner.options.lanes + 1)]
        try:
            for lane in lanes:
                lane.result()
        except BaseException:
            runner.interrupt()
            raise
    return {name: board.found(name) for name in suites}


ALONE = (asan, tsan, release, lint)
BESIDE = (stack, standin, cli, e2e, debezium, pipeline)
SUITES = ALONE + BESIDE


def parse():
    suites = "\n".join(f"  {suite.__name__:10} {suite.__doc__}" for suite in SUITES)
    parser = argparse.ArgumentParser(
        prog="tests/run",
        description="Installs what is missing, builds, and runs every test.",
        epilog=f"suites:\n{suites}\n\nexit status: 0 all passed; 1 something failed, or a suite ran nothing",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [suite.__name__ for suite in SUITES]
    parser.add_argument("--only", action="append", choices=names, metavar="SUITE", help="one suite; may be repeated")
    parser.add_argument("--crash-rounds", type=int, help=f"how many kill -9 the crash test does (default {CRASH_ROUNDS})")
    parser.add_argument("--crash-seed", type=int, help="replay the crash test with this seed")
    parser.add_argument("--long", action="store_true", help=f"{LONG_CRASH_ROUNDS} kills, every unit test under tsan, every version of PostgreSQL, 40 random workloads beside Debezium, transactions of 10,000,000 rows")
    parser.add_argument("--lanes", type=int, default=LANES, help=f"how many of the suites' parts run side by side (default {LANES})")
    options = parser.parse_args()
    if options.crash_rounds is None:
        options.crash_rounds = LONG_CRASH_ROUNDS if options.long else CRASH_ROUNDS
    return options


def interrupted(_number, _frame):
    raise KeyboardInterrupt


def run_all(runner):
    """{suite's name: (Counts, seconds)}"""
    found = {}
    asked = [suite for suite in SUITES if not runner.options.only or suite.__name__ in runner.options.only]
    for suite in asked:
        if suite in ALONE:
            print(f"==== {suite.__name__}: {suite.__doc__}", flush=True)
            began = time.monotonic()
            counts = suite(runner)
            found[suite.__name__] = (counts, time.monotonic() - began)
    beside = {}
    for suite in asked:
        if suite in BESIDE:
            print(f"==== {suite.__name__}: {suite.__doc__}", flush=True)
            failed = build(runner, "tsan") if suite is pipeline else None
            if failed:
                found[suite.__name__] = (failed, 0)
            else:
                beside[suite.__name__] = suite(runner.options)
    found |= run_beside(runner, beside)
    for counts, _ in found.values():
        if counts.passed + counts.failed == 0:
            counts.add(Counts(0, 1, ["it ran nothing"]))
    return {suite.__name__: found[suite.__name__] for suite in asked}


def main():
    options = parse()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for old in RESULTS.iterdir():
        old.unlink()
    runner = Runner(options)
    try:
        found = run_all(runner)
    except KeyboardInterrupt:
        print("tests/run: interrupted", file=sys.stderr)
        return 130
    print("\n====")
    for name, (counts, seconds) in found.items():
        print(f"{name:10} {counts.passed:5} passed {counts.failed:5} failed {seconds:7.0f} s")
        for note in counts.notes:
            print(f"           failed: {note}")
    passed = sum(counts.passed for counts, _ in found.values())
    failed = sum(counts.failed for counts, _ in found.values())
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
