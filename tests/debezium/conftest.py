"""One stack and one Kafka Connect worker a session; for every test a database that both sides read.

    python -m pytest tests/debezium                     (the venv of deploy/local/install --paths)

LEAT_STACK_DIR: a running stack to use; without it one is started under build/ and stopped at the end.
LEAT_BIN: the program to test, build/release/leat without it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "deploy/local"))

from bank import connect, ports, processes  # noqa: E402
from bank.servers import STACK, Servers  # noqa: E402
from comparison import Ledger  # noqa: E402
from records import Reader  # noqa: E402
from twin import Twin  # noqa: E402

FIRST_PORT = 25400
OWN_STACK = CHECKOUT / "build/debezium-stack"
SEEDS = (1, 2)


def pytest_addoption(parser):
    group = parser.getgroup("leat")
    group.addoption("--seeds", type=int, default=len(SEEDS), help="how many random workloads (default 2)")
    group.addoption("--seed", type=int, help="only the random workload of this seed")
    group.addoption("--pgbench-transactions", type=int, default=500, help="of each of two clients (default 500)")


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        options = metafunc.config.option
        only = options.seed
        metafunc.parametrize("seed", range(1, options.seeds + 1) if only is None else [only])


@pytest.fixture(scope="session")
def servers():
    if running := os.environ.get("LEAT_STACK_DIR"):
        yield Servers(running)
        return

    def stack(*words):
        subprocess.run([STACK, *words, "--dir", OWN_STACK, "--quiet"], stdin=subprocess.DEVNULL, check=True)

    stack("reset")
    try:
        stack("up", "--port-base", str(ports.free_base(FIRST_PORT)))
        yield Servers(OWN_STACK)
    finally:
        stack("down")


@pytest.fixture(scope="session")
def binary():
    found = Path(os.environ.get("LEAT_BIN") or processes.BINARY)
    assert found.exists(), f"{found} is missing: cmake --preset release && cmake --build --preset release"
    return found


@pytest.fixture(scope="session")
def worker(servers):
    with connect.Worker(servers, CHECKOUT / "build/debezium") as made:
        yield made


@pytest.fixture(scope="session")
def ledger():
    """Which of the intended differences were seen."""
    return Ledger()


@pytest.fixture(scope="session")
def reader(servers):
    made = Reader(servers)
    yield made
    made.close()


@pytest.fixture
def twin(request, servers, reader, binary, worker, ledger):
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_")).strip("_").lower()[:36]
    made = Twin(servers, reader, binary, worker, ledger, name, CHECKOUT / "build/debezium" / name)
    try:
        yield made
    finally:
        made.close()


def pytest_collection_modifyitems(config, items):
    """What asks about all tests runs after them, and not when only some of them are run."""
    last = [item for item in items if item.get_closest_marker("last")]
    items[:] = [item for item in items if item not in last]
    some = config.option.keyword or config.option.seed is not None or any(".py" in word for word in config.args)
    if some:
        config.hook.pytest_deselected(items=last)
    else:
        items += last


def pytest_configure(config):
    config.addinivalue_line("markers", "last: asks what the tests before it found")
