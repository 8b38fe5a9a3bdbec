"""The stack once a session, and for every test a road of its own through it.

    python -m pytest tests/e2e                     (the venv of deploy/local/install --paths)

LEAT_STACK_DIR: a running stack to use; without it one is started under build/ and stopped at the end.
LEAT_BIN: the program to test, build/release/leat without it."""

import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "deploy/local"))

from bank import ports, processes  # noqa: E402
from bank.servers import STACK, Servers  # noqa: E402
from cluster import Cluster, Template  # noqa: E402
from road import Road  # noqa: E402

FIRST_PORT = 25000
OWN_STACK = CHECKOUT / "build/test-stack"
LOGS = CHECKOUT / "build/e2e"


def pytest_addoption(parser):
    group = parser.getgroup("leat")
    group.addoption("--crash-rounds", type=int, default=60, help="how many kill -9 the crash test does (default 60)")
    group.addoption("--long", action="store_true", help="transactions of the size that the documents promise")
    group.addoption("--crash-seed", type=int, help="replay the crash test with this seed (default: drawn anew)")


def pytest_collection_modifyitems(config, items):
    """What has the mark "long" is not there without the option."""
    left_out = [] if config.getoption("long") else [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


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


def name_of(request):
    """Of the test and no other: words to read, and a number where they are cut."""
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_")).strip("_").lower()
    return name if len(name) <= 36 else f"{name[:29]}_{zlib.crc32(request.node.nodeid.encode()) & 0xFFFFFF:06x}"


@pytest.fixture(scope="session")
def logs(servers):
    """Runs beside this one have other stacks."""
    return LOGS / servers.folder.name


@pytest.fixture
def road(request, servers, binary, logs):
    """Databases, topics, schema and S3 prefix that no other test uses. Everything is gone afterwards but the topics
    and the logs, which lie under build/e2e/."""
    name = name_of(request)
    made = Road(servers, binary, name, logs / name)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def templates():
    return Template(LOGS / "templates")


@pytest.fixture
def clusters(request, templates, logs):
    """clusters(major, **settings): a PostgreSQL server of the test's own, started. All of a test's end with it."""
    folder = logs / name_of(request)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = []

    def make(major, name="server", same_identity=True, **settings):
        """All servers of one version have one system identifier, unless they shall not."""
        cluster = Cluster(major, folder, name, made)
        templates.copy(major, cluster.data) if same_identity else templates.init(major, cluster.data)
        return cluster.set(**settings).start()

    try:
        yield make
    finally:
        for cluster in made:
            cluster.kill()
            shutil.rmtree(cluster.data, ignore_errors=True)


@pytest.fixture
def road_on(request, clusters, servers, binary, logs):
    """road_on(cluster): a road whose source is that server."""
    made = []

    def make(cluster):
        name = name_of(request)
        made.append(Road(servers, binary, name, logs / name, cluster))
        return made[-1]

    try:
        yield make
    finally:
        for road in made:
            road.close()


@pytest.fixture(autouse=True)
def stand_in_without_faults(servers):
    yield
    servers.control("DELETE", "/faults")
