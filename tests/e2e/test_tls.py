"""Ways to be let in: TLS verified to the end, SCRAM, client certificates, tokens of RDS."""

import os
import shutil
import subprocess

import pytest
from bank import wait
from rds_front import Front
from test_identity import insert, insert_and_await, prepare
from test_snapshot import RowsWriter, catches_up, copy_is_over, fill
from topic_replay import assert_replays

REGION = "eu-west-1"
SECRETS = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
SESSION_TOKEN = "a/session+token="
ACCESS = """
hostssl all certain  127.0.0.1/32 cert
hostssl all scrammer 127.0.0.1/32 scram-sha-256
hostssl all empty    127.0.0.1/32 scram-sha-256
host    all trusted  127.0.0.1/32 trust
host    all postgres 127.0.0.1/32 scram-sha-256
"""


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, stdin=subprocess.DEVNULL)


class Authority:
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate = folder / f"{name}.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", folder / f"{name}.key", "-out", self.certificate)  # fmt: skip

    def sign(self, common_name, names):
        """(certificate, key)"""
        stem = self.folder / f"{self.name}-{common_name}"
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={common_name}", "-keyout", f"{stem}.key", "-out", f"{stem}.csr")
        (self.folder / "names").write_text(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-days", "2", "-in", f"{stem}.csr", "-CA", self.certificate, "-CAkey", self.folder / f"{self.name}.key",
                "-CAcreateserial", "-extfile", self.folder / "names", "-out", f"{stem}.pem")  # fmt: skip
        os.chmod(f"{stem}.key", 0o600)
        return f"{stem}.pem", f"{stem}.key"


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authorities")
    ours, other = Authority(folder, "ours"), Authority(folder, "other")
    bundle = folder / "bundle.pem"
    bundle.write_text(other.certificate.read_text() + ours.certificate.read_text())
    ours.bundle = bundle
    return ours, other


@pytest.fixture
def secured(clusters, road_on, authorities):
    """A server with TLS whose name is localhost and not 127.0.0.1, and a road that prepare()d it."""
    ours, _ = authorities
    cluster = clusters("17")
    cluster.stop()
    certificate, key = ours.sign("localhost", "DNS:localhost")
    for source, name in ((certificate, "server.crt"), (key, "server.key"), (ours.certificate, "root.crt")):
        shutil.copy(source, cluster.data / name)
        os.chmod(cluster.data / name, 0o600)
        shutil.chown(cluster.data / name, cluster.data.owner(), cluster.data.group())
    (cluster.data / "pg_hba.conf").write_text(ACCESS)
    cluster.set(ssl="on", ssl_ca_file="root.crt", password_encryption="scram-sha-256").start()
    with cluster.connect() as connection:
        for role, password in (("certain", None), ("scrammer", "s3cret ünd 'quoted'"), ("empty", ""), ("trusted", None)):
            given = "" if password is None else f" password '{password.replace(chr(39), chr(39) * 2)}'"
            connection.execute(f"create role {role} superuser login{given}")
    return prepare(road_on(cluster))


def connect_with(road, **settings):
    road.configure(core={"postgresql": {"host": "localhost", "password": "", "sslmode": "verify-full"} | settings})


def works(road, key):
    insert_and_await(road, key)
    assert road.sql("select bool_and(ssl) from pg_stat_ssl s join pg_stat_replication r using (pid)").fetchone() == (True,)


def test_tls_is_verified_to_the_end_with_scram(secured, authorities):
    ours, other = authorities
    login = {"user": "scrammer", "password": "s3cret ünd 'quoted'"}
    connect_with(secured, sslrootcert=str(ours.bundle), **login)
    capture = secured.capture().wait_ready()
    works(secured, 2)
    assert capture.stop() == 0
    for settings, words in (
        ({"sslrootcert": str(other.certificate)}, "certificate"),
        ({"sslrootcert": str(ours.bundle), "host": "127.0.0.1"}, "does not match host"),
        ({"sslrootcert": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
        ({"sslrootcert": str(ours.bundle), "password": "wrong"}, "password authentication failed"),
        ({"sslrootcert": str(ours.bundle), "user": "empty", "password": ""}, "password"),
        ({"sslrootcert": "", "sslmode": "disable"}, "no pg_hba.conf entry"),
    ):
        connect_with(secured, **login | settings)
        failure = secured.fails("capture", "core")
        assert failure.code == "PG_AUTH", failure
        assert words in failure.message, failure
        assert "s3cret" not in failure.message


def test_the_copy_goes_over_tls_with_all_its_connections(secured, authorities):
    """In many windows, while everything is written to; with rows larger than a TLS record."""
    ours, _ = authorities
    fill(secured, "public.rows", 1000)
    secured.sql("update public.rows set big = repeat(md5(id::text), 2000) where id % 100 = 0")
    tiny = {"snapshot_chunk": "16KiB", "snapshot_window": "1ms", "snapshot_connections": 3, "snapshot_max_bytes_per_s": "1MiB"}
    connect_with(secured, user="scrammer", password="s3cret ünd 'quoted'", sslrootcert=str(ours.bundle), **tiny)
    rows = RowsWriter(secured, "public.rows")
    rows.start()
    found = []

    def copying():
        query = "select ssl, version from pg_stat_ssl join pg_stat_activity using (pid) where application_name like 'leat:%'"
        found.extend(secured.sql(query).fetchall())
        return len(found) > 100 and copy_is_over(capture)

    try:
        capture = secured.capture()
        wait.until(copying, 60, lambda: f"the copy's end\n{capture.tail()}", poll_s=0.02)
    finally:
        rows.stop()
    assert all(ssl for ssl, _ in found)
    catches_up(secured, "public.rows")
    assert_replays(secured, "public.rows")


def test_a_client_certificate_lets_in(secured, authorities):
    ours, _ = authorities
    certificate, key = ours.sign("certain", "DNS:certain")
    login = {"user": "certain", "sslrootcert": str(ours.bundle)}
    connect_with(secured, sslcert=certificate, sslkey=key, **login)
    capture = secured.capture().wait_ready()
    works(secured, 2)
    assert capture.stop() == 0
    for settings, words in (
        ({}, "certificate"),
        ({"sslcert": certificate, "sslkey": str(ours.folder / "names")}, "private key"),
    ):
        connect_with(secured, **login | settings)
        failure = secured.fails("capture", "core")
        assert failure.code == "PG_AUTH", failure
        assert words in failure.message, failure


def test_rds_tokens_let_in_and_each_connection_has_its_own(secured, authorities, monkeypatch):
    ours, _ = authorities
    front = Front(secured.cluster.port, *ours.sign("front", "DNS:localhost"), SECRETS, REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRETS["AKIDEXAMPLE"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION_TOKEN)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    login = {"user": "trusted", "port": front.port, "auth": "rds_iam", "region": REGION, "sslrootcert": str(ours.bundle)}
    connect_with(secured, **login)
    capture = secured.capture().wait_ready()
    insert_and_await(secured, 2)
    used = len(front.tokens)
    secured.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s", (secured.slot,))
    wait.until(lambda: len(front.tokens) >= used + 2, 20, "new connections with new tokens")
    insert_and_await(secured, 3)
    assert capture.stop() == 0
    assert not front.refused
    for settings, code, words in (
        ({"region": "us-east-1"}, "PG_AUTH", "authentication failed"),
        ({"region": ""}, "CONFIG_VALUE", "region"),
        ({"sslmode": "prefer"}, "CONFIG_VALUE", "sslmode"),
    ):
        connect_with(secured, **login | settings)
        failure = secured.fails("capture", "core")
        assert failure.code == code, failure
        assert words in failure.message, failure
    assert front.refused == [f"region is us-east-1, not {REGION}"]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another secret")
    connect_with(secured, **login)
    assert secured.fails("capture", "core").code == "PG_AUTH"
    assert front.refused[1:] == ["another signature"]
    insert(secured, 4)
    front.close()
