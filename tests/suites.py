"""The suites behind tests/run, one after the other, and their counts."""

import argparse
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
BUILD = CHECKOUT / "build"
RESULTS = BUILD / "test-results"
STACK_FOLDER = BUILD / "test-stack"
STACK = CHECKOUT / "deploy/local/stack"
BIN = Path(sys.executable).parent  # the venv's: hadolint, cfn-lint
FIRST_PORT = 25200
CRASH_ROUNDS = 60
LONG_CRASH_ROUNDS = 500
POSTGRES_MAJORS = ("13", "14", "15", "16", "17", "18")
GRACE_SECONDS = 60
C_FOLDERS = ("base", "proto", "capture", "sink", "cli", "bench", "tests")
# Unit tests in which more than one thread works on one thing.
# Tests of the road that take every stage's way: copy, stream, parts of a transaction, documents, restart, many tables.
PIPELINE = "copied_first or inserts or larger or restart or documents_come or both_sources or more_tables"
THREADED = "batch_test|publisher|health|metrics|http|log|credentials|applier|stop|watchdog"

sys.path.insert(0, str(CHECKOUT / "deploy/local"))


class Runner:
    """Runs commands as process groups of their own, so that an interruption leaves none behind."""

    def __init__(self, options):
        self.options = options
        self.child = None
        self.stack_is_ours = False

    def run(self, *words, log=None, **environment):
        """Exit code. Output goes to the log, or to where ours goes."""
        sys.stdout.flush()
        output = open(log, "ab") if log else None
        try:
            self.child = subprocess.Popen(
                [str(word) for word in words], cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, env=os.environ | environment, start_new_session=True,
            )  # fmt: skip
            return self.child.wait()
        finally:
            self.end_child()
            if output:
                output.close()

    def end_child(self):
        """Asks what still runs to end as if Ctrl-C was pressed: pytest then cleans up; whatever is left is killed."""
        child, self.child = self.child, None
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

    # ---- the stack of the end-to-end tests ----

    def stack_up(self, *words):
        from bank import ports

        self.stack_is_ours = True
        base = str(ports.free_base(FIRST_PORT))
        for words in (["reset"], ["up", "--port-base", base, *words]):
            if self.run(STACK, *words, "--dir", STACK_FOLDER, "--quiet") != 0:
                return False
        return True

    def stack_down(self):
        if self.stack_is_ours:
            self.run(STACK, "down", "--dir", STACK_FOLDER, "--quiet")


class Counts:
    def __init__(self, passed=0, failed=0, notes=()):
        self.passed, self.failed, self.notes = passed, failed, list(notes)


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


# ---- suites: each answers Counts ----


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


def pytest(runner, folder, *words, name=None, **environment):
    results = RESULTS / f"pytest-{name or folder}.xml"
    code = runner.run(
        sys.executable, "-m", "pytest", "-q", f"tests/{folder}", f"--junitxml={results}", *words, **environment
    )
    return counts_of(results, code)


def stack(runner):
    """deploy/local/stack."""
    return pytest(runner, "stack")


def standin(runner):
    """The Redshift stand-in, rule by rule."""
    return pytest(runner, "standin")


def cli(runner):
    """Commands, options and messages of the program."""
    return pytest(runner, "cli", LEAT_BIN=str(BUILD / "release/leat"))


def e2e(runner):
    """The road over real servers, the crash test included; with --long on every version of PostgreSQL."""
    rounds = runner.options.crash_rounds
    counts = e2e_on(runner, "e2e", rounds)
    for major in POSTGRES_MAJORS if runner.options.long else ():
        more = e2e_on(runner, f"e2e-{major}", min(rounds, CRASH_ROUNDS), "--postgres", major)
        counts.passed += more.passed
        counts.failed += more.failed
        counts.notes += [f"PostgreSQL {major}: {note}" for note in more.notes]
    return counts


def e2e_on(runner, name, rounds, *stack_words):
    if not runner.stack_up(*stack_words):
        return Counts(0, 1, ["the stack did not start"])
    words = [f"--crash-rounds={rounds}"]
    if runner.options.long and name == "e2e":
        words.append("--long")
    if runner.options.crash_seed is not None:
        words.append(f"--crash-seed={runner.options.crash_seed}")
    try:
        environment = {"LEAT_STACK_DIR": str(STACK_FOLDER), "LEAT_BIN": str(BUILD / "release/leat")}
        return pytest(runner, "e2e", *words, name=name, **environment)
    finally:
        runner.stack_down()


def debezium(runner):
    """The same database through Debezium's connector and through leat, compared record by record."""
    words = ["--seeds=40", "--pgbench-transactions=20000"] if runner.options.long else []
    if not runner.stack_up():
        return Counts(0, 1, ["the stack did not start"])
    try:
        environment = {"LEAT_STACK_DIR": str(STACK_FOLDER), "LEAT_BIN": str(BUILD / "release/leat")}
        return pytest(runner, "debezium", *words, **environment)
    finally:
        runner.stack_down()


def pipeline(runner):
    """The road with every stage under the thread sanitizer: a race ends the worker."""
    failed = build(runner, "tsan")
    if failed:
        return failed
    if not runner.stack_up():
        return Counts(0, 1, ["the stack did not start"])
    options = f"halt_on_error=1 suppressions={CHECKOUT}/tests/tsan/suppressions"
    environment = {"LEAT_STACK_DIR": str(STACK_FOLDER), "LEAT_BIN": str(BUILD / "tsan/leat"), "TSAN_OPTIONS": options}
    try:
        words = [] if runner.options.long else ["-k", PIPELINE]
        return pytest(runner, "e2e/test_road.py", *words, name="pipeline", **environment)
    finally:
        runner.stack_down()


SUITES = (asan, tsan, release, lint, stack, standin, cli, e2e, debezium, pipeline)


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
    options = parser.parse_args()
    if options.crash_rounds is None:
        options.crash_rounds = LONG_CRASH_ROUNDS if options.long else CRASH_ROUNDS
    return options


def interrupted(_number, _frame):
    raise KeyboardInterrupt


def run_all(runner):
    """{suite's name: (Counts, seconds)}"""
    found = {}
    for suite in SUITES:
        name = suite.__name__
        if runner.options.only and name not in runner.options.only:
            continue
        print(f"==== {name}: {suite.__doc__}", flush=True)
        began = time.monotonic()
        counts = suite(runner)
        if counts.passed + counts.failed == 0:
            counts = Counts(0, 1, ["it ran nothing"])
        found[name] = (counts, time.monotonic() - began)
    return found


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
