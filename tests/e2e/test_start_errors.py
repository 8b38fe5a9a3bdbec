"""What is wrong at the start ends in one message that says what, where and what to do; nothing is touched."""

import confluent_kafka
import pytest
from bank import ports

FATAL, USAGE = 1, 2
NOWHERE = ports.free_port()


@pytest.fixture
def bank(road):
    """A table and a collection that could be captured; nothing of leat's exists."""
    road.table("public.accounts", "id int primary key, v text")
    road.sql("insert into public.accounts values (1, 'one')")
    road.collection("items", [{"column": "name", "path": "name", "type": "string"}])
    road.docs["items"].insert_one({"_id": "1", "name": "one"})
    road.configure()
    return road


def assert_refused(failure, code, *words):
    """One message with these words in it, and advice."""
    assert failure.exit_code == FATAL, failure
    assert failure.code == code, failure
    for word in words:
        assert word in failure.message, failure
    assert failure.hint, failure


def assert_untouched(road, before=frozenset()):
    assert road.traces() == set(before)


CAPTURE_CASES = {
    "wrong password of PostgreSQL": (
        {"core": {"postgresql": {"password": "not it"}}}, "core", "PG_AUTH", ["password"],
    ),
    "PostgreSQL is not there": (
        {"core": {"postgresql": {"port": NOWHERE}}}, "core", "PG_UNREACHABLE", [str(NOWHERE)],
    ),
    "database missing": (
        {"core": {"postgresql": {"database": "nowhere"}}}, "core", "PG_", ["nowhere"],
    ),
    "no broker": (
        {"top": {"kafka": {"brokers": f"127.0.0.1:{NOWHERE}"}}}, "core", "KAFKA_UNREACHABLE", [str(NOWHERE)],
    ),
    "no broker, for documents": (
        {"top": {"kafka": {"brokers": f"127.0.0.1:{NOWHERE}"}}}, "docs", "KAFKA_UNREACHABLE", [str(NOWHERE)],
    ),
    "no registry": (
        {"top": {"registry": {"url": f"http://127.0.0.1:{NOWHERE}"}}}, "core", "REGISTRY_UNREACHABLE", [str(NOWHERE)],
    ),
    "no registry, for documents": (
        {"top": {"registry": {"url": f"http://127.0.0.1:{NOWHERE}"}}}, "docs", "REGISTRY_UNREACHABLE", [str(NOWHERE)],
    ),
    "table missing": (
        {"core": {"postgresql": {"tables": ["public.accounts", "public.typo"]}}}, "core", "PG_TABLE_MISSING",
        ["public.typo"],
    ),
    "publication missing": (
        {"core": {"postgresql": {"publication_create": False}}}, "core", "PG_PUBLICATION_MISSING", ["leat_core"],
    ),
    "document server not there": (
        {"docs": {"documentdb": {"uri": f"mongodb://127.0.0.1:{NOWHERE}/?serverSelectionTimeoutMS=2000"}}}, "docs",
        "MONGO_UNREACHABLE", [str(NOWHERE)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CAPTURE_CASES)
def test_a_capture_says_what_is_wrong(bank, case):
    settings, source, code, words = CAPTURE_CASES[case]
    bank.configure(**settings)
    failure = bank.fails("capture", source)
    if code.endswith("_"):
        assert failure.code.startswith(code), failure
        failure = failure._replace(code=code)
    assert_refused(failure, code, *words)
    assert_untouched(bank)


def test_a_table_without_a_key_is_refused(bank):
    bank.table("public.keyless", "id int, v text")
    bank.configure()
    assert_refused(bank.fails("capture", "core"), "PG_NO_KEY", "public.keyless")
    assert_untouched(bank)


def test_a_server_without_logical_decoding_is_refused(bank):
    """The private database behind the stand-in is a PostgreSQL with wal_level = replica."""
    port = int(bank.servers.env["REDSHIFT_UPSTREAM_PORT"])
    bank.configure(core={"postgresql": {"port": port, "database": "postgres"}})
    failure = bank.fails("capture", "core")
    assert_refused(failure, "PG_CONFIG", "wal_level")
    assert "replica" in failure.message
    assert_untouched(bank)


def test_a_slot_that_vanished_is_not_made_again(bank):
    """The ledger has a position: what lay between is lost, and leat must not hide it."""
    capture = bank.capture().wait_ready()
    bank.sink().wait_ready()
    bank.collections.clear()
    bank.settle()
    assert capture.stop() == 0
    bank.sql("select pg_drop_replication_slot(%s)", (bank.slot,))
    bank.sql("insert into public.accounts values (2, 'lost')")
    before = bank.traces()
    ends = {name: topic_end(bank, name) for name in bank.servers.topics(f"{bank.prefix}.")}
    failure = bank.fails("capture", "core")
    assert_refused(failure, "PG_SLOT_MISSING", bank.slot)
    assert bank.slot_position() is None
    assert_untouched(bank, before)
    assert ends == {name: topic_end(bank, name) for name in ends}, "records were written"


def topic_end(road, topic):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": road.servers.env["KAFKA_BROKERS"], "group.id": "ends"})
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), timeout=20)[1]
    finally:
        consumer.close()


SINK_CASES = {
    "wrong password of the warehouse": ({"redshift": {"password": "not it"}}, "REDSHIFT_AUTH", []),
    "warehouse not there": ({"redshift": {"port": NOWHERE}}, "REDSHIFT_UNREACHABLE", [str(NOWHERE)]),
    "bucket missing": ({"s3": {"bucket": "no-such-bucket"}}, "S3_BUCKET_MISSING", ["no-such-bucket"]),
    "signature refused": ({"s3": {"secret_access_key": "not-the-secret"}}, "S3_AUTH", []),
    "S3 not there": ({"s3": {"endpoint": f"http://127.0.0.1:{NOWHERE}"}}, "S3_UNREACHABLE", [str(NOWHERE)]),
}


@pytest.mark.parametrize("case", SINK_CASES)
def test_a_sink_says_what_is_wrong(bank, case):
    settings, code, words = SINK_CASES[case]
    bank.configure(sink=settings)
    assert_refused(bank.fails("sink"), code, *words)
    assert_untouched(bank)


@pytest.mark.parametrize("section, code", [("kafka", "KAFKA_UNREACHABLE"), ("registry", "REGISTRY_UNREACHABLE")])
def test_a_sink_without_kafka_or_registry_says_so(bank, section, code):
    keys = {"kafka": {"brokers": f"127.0.0.1:{NOWHERE}"}, "registry": {"url": f"http://127.0.0.1:{NOWHERE}"}}[section]
    bank.configure(top={section: keys})
    assert_refused(bank.fails("sink"), code, str(NOWHERE))
    assert_untouched(bank)


def test_the_wrong_password_of_the_document_server_is_said(bank):
    """The stack's document server asks for none; one with users, of its own, does."""
    uri = bank.servers.env["MONGO_URI"].replace("mongodb://", "mongodb://leat:wrong@")
    bank.configure(docs={"documentdb": {"uri": uri}})
    assert_refused(bank.fails("capture", "docs"), "MONGO_AUTH")
    assert_untouched(bank)


CONFIG_CASES = {
    "unknown key": ("kafka:", "kafkaa:", ["kafkaa", "kafka"]),
    "unknown key deep inside": ("publication_create", "publikation_create", ["publikation_create"]),
    "not a number": ("replication_factor: 1", "replication_factor: many", ["replication_factor"]),
    "not YAML": ("sources:", "sources: [", []),
    "variable not set": ('prefix: "', 'prefix: "${LEAT_NOT_SET}', ["LEAT_NOT_SET"]),
}


@pytest.mark.parametrize("case", CONFIG_CASES)
def test_a_typo_in_the_configuration_is_named_with_its_place(bank, case):
    right, wrong, words = CONFIG_CASES[case]
    path = bank.configure(core={"postgresql": {"publication_create": True}})
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong, 1))
    for command in (["capture", "core"], ["sink"], ["check"]):
        done = bank.run(*command)
        assert done.returncode == USAGE, done.stderr
        assert f"{path}:" in done.stderr
        for word in words:
            assert word in done.stderr
        assert "hint:" in done.stderr
    assert_untouched(bank)


def test_check_says_everything_is_right_and_touches_nothing(bank):
    done = bank.run("check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert_untouched(bank)


def test_check_names_each_thing_that_is_wrong(bank):
    bank.configure(
        core={"postgresql": {"password": "not it"}}, sink={"s3": {"bucket": "no-such-bucket"}},
    )  # fmt: skip
    done = bank.run("check")
    assert done.returncode == FATAL
    said = done.stdout + done.stderr
    assert "password" in said and "no-such-bucket" in said
    assert_untouched(bank)


def test_an_unknown_source_is_refused_with_the_nearest_one(bank):
    done = bank.run("capture", "cor")
    assert done.returncode in (FATAL, USAGE)
    assert "core" in done.stderr


def test_no_password_is_ever_logged(bank):
    secret = "very-secret-word"
    bank.configure(core={"postgresql": {"password": secret}}, sink={"redshift": {"password": secret}, "s3": {"secret_access_key": secret}})
    for words in (("capture", "core"), ("sink",), ("check",)):
        done = bank.run("--log-level", "debug", *words)
        assert done.returncode != 0
        assert secret not in done.stdout + done.stderr
