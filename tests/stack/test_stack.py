"""deploy/local/stack: what its users rely on. Runs stacks of its own, beside any other."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.config
import botocore.exceptions
import confluent_kafka
import confluent_kafka.admin
import psycopg
import pymongo
import pytest
import requests

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "deploy/local"))

from bank import ports  # noqa: E402

STACK = CHECKOUT / "deploy/local/stack"
NAMES = ["kafka", "registry", "redshift-db", "postgres", "docdb", "s3", "redshift"]


PORT_BASE = ports.free_base(26000)
OTHER_PORT_BASE = ports.free_base(PORT_BASE + ports.N_PORTS)


class Stack:
    def __init__(self, folder, port_base):
        self.folder = folder
        self.port_base = port_base

    def run(self, command, *arguments, **environment):
        words = [STACK, command, *arguments, "--dir", self.folder, "--port-base", str(self.port_base)]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LEAT_STACK")}
        return subprocess.run(
            words, env=inherited | environment, capture_output=True, text=True, timeout=150
        )

    def ok(self, command, *arguments):
        done = self.run(command, *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def fails(self, command, *arguments, **environment):
        """Exit status 1 and a message; returns its lines."""
        done = self.run(command, *arguments, **environment)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()

    def pid(self, name):
        return int((self.folder / "run" / f"{name}.pid").read_text().split()[0])

    def pids(self):
        """Every process of every service, PostgreSQL's children included."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (fields := stat_fields(int(entry))):
                parents[int(entry)] = int(fields[1])
        found = {self.pid(name) for name in NAMES}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def env(self):
        lines = (self.folder / "stack.env").read_text().splitlines()
        pairs = dict(line.split("=", 1) for line in lines)
        return {key: value.strip("'") for key, value in pairs.items()}


def stat_fields(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def is_running(pid):
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in "ZX"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """All of it, in a folder that only its owner may enter, as a checkout under /root is."""
    private = tmp_path_factory.mktemp("private")
    private.chmod(0o700)
    one = Stack(private / "stack", PORT_BASE)
    one.ok("up")
    yield one
    one.ok("reset")


@pytest.fixture
def other(tmp_path):
    """A second stack, nothing of it started."""
    one = Stack(tmp_path / "the other one", OTHER_PORT_BASE)
    yield one
    one.ok("reset")


# ---- something to find again in each server ----------------------------------------------------


class KafkaRecord:
    def __init__(self, env):
        self.brokers = env["KAFKA_BROKERS"]

    def put(self):
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.brokers})
        topic = confluent_kafka.admin.NewTopic("kept", num_partitions=1, replication_factor=1)
        admin.create_topics([topic])["kept"].result(30)
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": self.brokers, "transactional.id": "stack-test"}
        )
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce("kept", b"still here")
        producer.commit_transaction(30)

    def get(self):
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.brokers, "group.id": "stack-test", "isolation.level": "read_committed"}
        )
        try:
            consumer.assign([confluent_kafka.TopicPartition("kept", 0, confluent_kafka.OFFSET_BEGINNING)])
            return consumer.poll(30).value()
        finally:
            consumer.close()


class RegisteredSchema:
    SCHEMAS = ['{"type":"record","name":"%s","fields":[]}' % name for name in ("First", "Second")]

    def __init__(self, env):
        self.url = env["REGISTRY_URL"]

    def put(self):
        self.ids = [self._register(schema) for schema in self.SCHEMAS]
        assert len(set(self.ids)) == 2

    def get(self):
        """What the ids stand for, and whether a schema that was there before gets its id again."""
        found = [requests.get(f"{self.url}/schemas/ids/{n}", timeout=10).json()["schema"] for n in self.ids]
        return found, self._register(self.SCHEMAS[0]) == self.ids[0]

    def _register(self, schema):
        where = f"{self.url}/subjects/kept/versions"
        return requests.post(where, json={"schema": schema}, timeout=10).json()["id"]


def s3_client(env, secret):
    return boto3.client(
        "s3",
        endpoint_url=env["S3_ENDPOINT"],
        region_name=env["S3_REGION"],
        aws_access_key_id=env["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=secret,
        config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


class StoredObject:
    def __init__(self, env):
        self.bucket = env["S3_BUCKET"]
        self.client = s3_client(env, env["S3_SECRET_ACCESS_KEY"])

    def put(self):
        self.client.put_object(
            Bucket=self.bucket, Key="a folder/kept.csv", Body=b"still here", Metadata={"mark": "1"}
        )

    def get(self):
        found = self.client.get_object(Bucket=self.bucket, Key="a folder/kept.csv")
        return found["Body"].read(), found["Metadata"]


class PostgresRow:
    def __init__(self, conninfo):
        self.conninfo = conninfo

    def _ask(self, statement):
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            return connection.execute(statement)

    def put(self):
        self._ask("create table kept (word varchar(20))")
        self._ask("insert into kept values ('still here')")

    def get(self):
        return self._ask("select word from kept").fetchall()


class Document:
    """With its place in the history: a change stream resumes behind an insert and sees the next."""

    def __init__(self, env):
        self.uri = env["MONGO_URI"]

    def put(self):
        with pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=10000) as client:
            with client.bank.kept.watch() as stream:
                client.bank.kept.insert_one({"_id": 1})
                stream.next()
                self.token = stream.resume_token
            client.bank.kept.insert_one({"_id": 2})

    def get(self):
        with pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=10000) as client:
            with client.bank.kept.watch(resume_after=self.token) as stream:
                next_event = stream.next()["documentKey"]
            return list(client.bank.kept.find(sort=[("_id", 1)])), next_event


def source_conninfo(env):
    return psycopg.conninfo.make_conninfo(
        host=env["PG_HOST"],
        port=env["PG_PORT"],
        user=env["PG_USER"],
        password=env["PG_PASSWORD"],
        dbname=env["PG_DATABASE"],
    )


def redshift_conninfo(env):
    return psycopg.conninfo.make_conninfo(
        host=env["REDSHIFT_HOST"],
        port=env["REDSHIFT_PORT"],
        user=env["REDSHIFT_USER"],
        password=env["REDSHIFT_PASSWORD"],
        dbname=env["REDSHIFT_DATABASE"],
        connect_timeout=10,
        sslmode="verify-ca",
        sslrootcert=env["REDSHIFT_CA_FILE"],
    )


@pytest.fixture(scope="module")
def kept(stack):
    """Something put into each server once; name -> (the thing, what was read back at first).

    What the stand-in is given lies in the database behind it, so both have it."""
    env = stack.env()
    things = {
        "kafka": KafkaRecord(env),
        "registry": RegisteredSchema(env),
        "s3": StoredObject(env),
        "postgres": PostgresRow(source_conninfo(env)),
        "docdb": Document(env),
        "redshift": PostgresRow(redshift_conninfo(env)),
    }
    for thing in things.values():
        thing.put()
    things["redshift-db"] = things["redshift"]
    return {name: (thing, thing.get()) for name, thing in things.items()}


# ---- up -------------------------------------------------------------------------------------------


def test_up_twice_changes_nothing(stack):
    before = stack.pids()
    assert stack.ok("up").splitlines()[-1].startswith("already up")
    assert stack.pids() == before


def test_quiet_says_nothing(stack):
    assert stack.ok("up", "--quiet") == ""


def test_status_is_ready_for_each_service(stack):
    lines = stack.ok("status").splitlines()
    assert [line.split()[:2] for line in lines] == [[name, "ready"] for name in NAMES]


def test_the_env_file_means_the_same_to_a_shell_and_to_a_simple_reader(stack):
    path = stack.folder / "stack.env"
    sourced = subprocess.run(
        ["bash", "-c", f"set -a; . {shlex.quote(str(path))}; env -0"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    seen = dict(pair.split("=", 1) for pair in sourced.split("\0") if pair)
    assert {key: seen[key] for key in stack.env()} == stack.env()


def test_every_listening_socket_is_on_loopback(stack):
    inodes = set()
    for pid in stack.pids():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                inodes.add(target[len("socket:[") : -1])
    loopback = {"0100007F", "0000000000000000FFFF00000100007F"}
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                listening.append(fields[1].split(":")[0])
    assert len(listening) >= len(NAMES)
    assert set(listening) <= loopback


def test_postgres_is_a_logical_source_that_wants_a_password(stack):
    conninfo = source_conninfo(stack.env())
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("show wal_level").fetchone() == ("logical",)
        assert connection.execute("show max_replication_slots").fetchone() == ("20",)
        assert connection.execute("show max_wal_senders").fetchone() == ("20",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(conninfo, password="wrong")


def test_s3_verifies_signatures(stack):
    env = stack.env()
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        s3_client(env, "wrong").list_objects_v2(Bucket=env["S3_BUCKET"])


def test_kafka_makes_no_topic_by_itself(stack):
    producer = confluent_kafka.Producer({"bootstrap.servers": stack.env()["KAFKA_BROKERS"]})
    asked = producer.list_topics("never_made", timeout=30).topics["never_made"]
    assert asked.error.name() == "UNKNOWN_TOPIC_OR_PART"
    assert "never_made" not in producer.list_topics(timeout=30).topics


# ---- killed, restarted, stopped -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kafka", "registry", "s3", "postgres", "docdb", "redshift-db", "redshift"])
def test_a_killed_server_comes_back_with_its_data(stack, kept, name):
    thing, at_first = kept[name]
    pid = stack.pid(name)
    stack.ok("stop", name, "--kill")
    assert not is_running(pid)
    stack.ok("start", name)
    assert stack.pid(name) != pid
    assert thing.get() == at_first


def test_postgres_killed_behind_our_back_is_started_again(stack, kept):
    """Only the first process dies; its children live on for a moment and hold the data folder."""
    os.kill(stack.pid("postgres"), signal.SIGKILL)
    stack.ok("start", "postgres")
    thing, at_first = kept["postgres"]
    assert thing.get() == at_first


def test_down_leaves_no_process_and_up_brings_all_data_back(stack, kept):
    pids = stack.pids()
    stack.ok("down")
    assert [pid for pid in pids if is_running(pid)] == []
    assert stack.run("status").returncode == 3
    stack.ok("up")
    for thing, at_first in kept.values():
        assert thing.get() == at_first


def test_a_server_that_hangs_is_named(stack):
    os.kill(stack.pid("s3"), signal.SIGSTOP)
    try:
        [line] = stack.fails("up", LEAT_STACK_TIMEOUT_S="1")
        assert "s3 was started before" in line and "stack restart s3 --kill" in line
    finally:
        stack.ok("restart", "s3", "--kill")


# ---- what goes wrong is said in one message ------------------------------------------------------------


def test_a_port_in_use_names_service_and_port_and_starts_nothing(other):
    with socket.create_server(("127.0.0.1", OTHER_PORT_BASE + 3)):
        [line] = other.fails("up")
    assert f"s3: port {OTHER_PORT_BASE + 3} (s3) is in use by pid {os.getpid()} " in line
    assert list((other.folder / "run").iterdir()) == []


def test_a_server_that_dies_at_start_is_told_with_its_last_words(other):
    other.ok("start", "postgres")
    other.ok("stop", "postgres")
    with open(other.folder / "postgres/cluster/postgresql.conf", "a") as configuration:
        configuration.write("no_such_setting = 1\n")
    first, *said = other.fails("start", "postgres")
    assert "postgres ended at start with exit status 1" in first
    assert str(other.folder / "log/postgres.log") in first
    assert any("no_such_setting" in line for line in said)


def test_one_failure_stops_what_was_started_with_it(other):
    other.ok("start", "postgres")
    other.ok("stop", "postgres")
    (other.folder / "postgres/cluster/PG_VERSION").unlink()
    first, *_ = other.fails("start", "s3", "postgres")
    assert "postgres ended at start" in first
    assert list((other.folder / "run").iterdir()) == []


def test_a_server_that_is_not_ready_in_time_is_stopped(other):
    first, *_ = other.fails("start", "registry", LEAT_STACK_TIMEOUT_S="0.3")
    assert "registry is not ready after" in first
    assert list((other.folder / "run").iterdir()) == []


def test_a_missing_program_says_what_to_run(other, tmp_path):
    [line] = other.fails("up", LEAT_CACHE=str(tmp_path / "empty"))
    assert "is missing: run deploy/local/install" in line


def test_a_folder_with_other_things_in_it_is_refused(other):
    other.folder.mkdir()
    (other.folder / "mine.txt").write_text("keep me")
    [line] = other.fails("up")
    assert "not a stack's folder" in line
    other.ok("reset")
    assert (other.folder / "mine.txt").read_text() == "keep me"


def test_a_running_stack_cannot_move_to_other_ports(stack):
    [line] = Stack(stack.folder, OTHER_PORT_BASE).fails("up")
    assert f"runs with port base {PORT_BASE}" in line and "run `down`" in line


# ---- only our own ---------------------------------------------------------------------------------------


def test_a_recycled_pid_is_left_alone(other):
    bystander = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        other.ok("start", "s3")
        other.ok("stop", "s3")
        (other.folder / "run/s3.pid").write_text(f"{bystander.pid} 1\n")
        other.ok("stop", "s3", "--kill")
        other.ok("down")
        assert bystander.poll() is None
    finally:
        bystander.communicate()


def test_the_source_is_of_the_version_that_was_asked_for(other):
    other.ok("start", "postgres", "--postgres", "17")
    with psycopg.connect(source_conninfo(other.env())) as source:
        assert source.info.server_version // 10000 == 17
    other.ok("stop", "postgres")
    (line,) = other.fails("start", "postgres", "--postgres", "16")
    assert "are of version 17" in line and "reset" in line
    other.ok("start", "postgres")


def test_two_stacks_run_side_by_side(stack, other):
    other.ok("start", "s3", "postgres")
    assert other.env()["PG_PORT"] != stack.env()["PG_PORT"]
    with psycopg.connect(source_conninfo(other.env())) as connection:
        assert connection.execute("select to_regclass('kept')").fetchone() == (None,)
    before = stack.pids()
    other.ok("down")
    assert stack.pids() == before


def test_reset_deletes_its_data_and_nothing_else(other):
    other.ok("start", "postgres", "s3")
    (other.folder / "notes.txt").write_text("keep me")
    other.ok("reset")
    left = sorted(path.name for path in other.folder.iterdir())
    assert left == [".leat-stack", "lock", "notes.txt"]
