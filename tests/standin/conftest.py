"""Fixtures: the servers once a session, a schema of its own for every test."""
import json
import os
import shutil
import tempfile

import pytest
from standin_world import Db, World, http


@pytest.fixture(scope="session")
def world():
    folder = tempfile.mkdtemp(prefix="leat-standin-")
    os.chmod(folder, 0o755)
    made = World(folder)
    try:
        if os.environ.get("STACK_ENV"):
            made.attach(os.environ["STACK_ENV"])
        else:
            made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_world(world):
    """Tests that kill servers need servers of their own, not those of a stack."""
    assert world.postgres is not None, "this test kills servers: run it without STACK_ENV"
    return world


@pytest.fixture
def db(world):
    before = json.loads(http(world.control + "/switches")[1])
    made = Db(world)
    yield made
    world.clear_faults()
    world.switch(**before)
    made.close()
    with world.connect() as cleaner:
        cleaner.execute(f"DROP SCHEMA IF EXISTS {made.schema} CASCADE")
