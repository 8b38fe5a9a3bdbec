"""Extensions that one server of deploy/local/install has each: PostGIS and pgvector themselves."""

import shutil
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "zoo"), str(TESTS / "e2e")]

import zoo  # noqa: E402
from cluster import Cluster, Template  # noqa: E402
from test_zoo import compare  # noqa: E402
from twin import FENCE, Twin  # noqa: E402

PUBLISHED = f"for tables in schema zoo, table public.{FENCE}"  # spatial_ref_sys is left out: Debezium sends nothing of it


@pytest.fixture
def twin_with(servers, reader, binary, worker, ledger):
    """twin_with(extension): both read from a server that has it."""
    made, clusters = [], []

    def make(extension):
        major = zoo.INSTALLED[extension]
        folder = TESTS.parent / "build/debezium" / extension
        folder.mkdir(parents=True, exist_ok=True)
        cluster = Cluster(major, folder, "server", clusters)
        Template(TESTS.parent / "build/e2e/templates").copy(major, cluster.data)
        cluster.start()
        made.append(Twin(servers.beside(**cluster.env()), reader, binary, worker, ledger, extension, folder))
        return made[-1]

    try:
        yield make
    finally:
        for twin in made:
            twin.close()
        for cluster in clusters:
            cluster.kill()
            shutil.rmtree(cluster.data, ignore_errors=True)


@pytest.mark.parametrize("extension", zoo.INSTALLED)
def test_zoo(twin_with, extension):
    compare(twin_with(extension), zoo.read(zoo.FOLDER / f"installed/{extension}.sql"), publish=PUBLISHED)
