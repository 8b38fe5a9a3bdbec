"""Servers for the stand-in's tests: a PostgreSQL 15 and an S3 of their own, or those of a running stack (STACK_ENV)."""
import contextlib
import glob
import gzip
import itertools
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import boto3
import botocore.client
import psycopg
import zstandard

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "local"))

from bank.ports import free_port  # noqa: E402

STANDIN = os.path.join(ROOT, "deploy", "local", "redshift")
PG_BIN = "/usr/lib/postgresql/15/bin"
BUCKET = "standin-tests"
KEY, SECRET = "tester", "tester-secret"
START_SECONDS = 60
COPY_AUTH = "IAM_ROLE default"


def wait_for(what, check, process=None):
    """Polls until check() is true; a process that ends meanwhile is an error at once."""
    deadline = time.monotonic() + START_SECONDS
    while not check():
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what} ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come up within {START_SECONDS} s")
        time.sleep(0.05)


def port_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def http(url, method="GET", body=None):
    """(status, text)"""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def versitygw():
    named = os.environ.get("LEAT_VERSITYGW")
    cache = os.environ.get("LEAT_CACHE") or os.path.expanduser("~/.cache/leat")
    found = [named] if named else sorted(glob.glob(os.path.join(cache, "versitygw-*", "versitygw")))
    if not found or not os.path.exists(found[-1]):
        raise RuntimeError("versitygw was not found: run deploy/local/install, or set LEAT_VERSITYGW to the program")
    return found[-1]


class Postgres:
    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.data = os.path.join(folder, "pg")
        os.makedirs(self.data)
        self.as_owner = []
        if os.geteuid() == 0:
            shutil.chown(self.data, "postgres")
            self.as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._run("initdb", "-D", self.data, "--no-sync", "-U", "postgres", "--locale=C.UTF-8", "-A", "trust")
        self.process = None
        self.start()
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE dev")

    def _run(self, program, *args):
        subprocess.run([*self.as_owner, os.path.join(PG_BIN, program), *args], check=True, cwd="/",
                       stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def dsn(self, database="dev"):
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"

    def start(self):
        with open(os.path.join(self.folder, "pg.log"), "ab") as log:
            self.process = subprocess.Popen(
                [*self.as_owner, os.path.join(PG_BIN, "postgres"), "-D", self.data, "-p", str(self.port),
                 "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
                 "-c", "max_connections=100"], cwd="/", stdout=log, stderr=log)

        def answers():
            try:
                psycopg.connect(self.dsn("postgres")).close()
                return True
            except psycopg.OperationalError:
                return False
        wait_for("PostgreSQL", answers, self.process)

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.wait()


class World:
    """Everything a test talks to."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.standin = None
        self.postgres = None
        self.port, self.control_port = free_port(), free_port()
        self.user, self.password, self.database = "postgres", "", "dev"
        self.s3_key, self.s3_secret = KEY, SECRET
        self.tls = os.path.join(folder, "tls")
        self.ca = os.path.join(self.tls, "ca.pem")
        self.journal_file = os.path.join(folder, "journal.jsonl")

    def start(self):
        self.postgres = Postgres(self.folder)
        self._start_s3()
        self.start_standin()

    def attach(self, path):
        """A running stack, by the file of variables that it writes."""
        with open(path, encoding="utf-8") as file:
            env = dict(shlex.split(line)[-1].split("=", 1) for line in file if "=" in line)
        self.port, self.control = int(env["REDSHIFT_PORT"]), env["REDSHIFT_CONTROL_URL"]
        self.user, self.password = env["REDSHIFT_USER"], env["REDSHIFT_PASSWORD"]
        self.database, self.ca = env["REDSHIFT_DATABASE"], env["REDSHIFT_CA_FILE"]
        self.s3_url, self.s3_key, self.s3_secret = env["S3_ENDPOINT"], env["S3_ACCESS_KEY_ID"], env["S3_SECRET_ACCESS_KEY"]
        self._connect_s3()

    def _start_s3(self):
        port = free_port()
        folders = [os.path.join(self.folder, name) for name in ("s3-data", "s3-meta", "s3-iam")]
        for folder in folders:
            os.makedirs(folder)
        with open(os.path.join(self.folder, "s3.log"), "ab") as log:
            process = subprocess.Popen(
                [versitygw(), "--port", f"127.0.0.1:{port}", "--region", "us-east-1", "--iam-dir", folders[2], "--quiet",
                 "posix", "--sidecar", folders[1], folders[0]], stdout=log, stderr=log,
                env=dict(os.environ, ROOT_ACCESS_KEY=KEY, ROOT_SECRET_KEY=SECRET))
        self.processes.append(process)
        wait_for("versitygw", lambda: port_open(port), process)
        self.s3_url = f"http://127.0.0.1:{port}"
        self._connect_s3()

    def _connect_s3(self):
        self.s3 = boto3.client("s3", endpoint_url=self.s3_url, region_name="us-east-1", aws_access_key_id=self.s3_key,
                               aws_secret_access_key=self.s3_secret,
                               config=botocore.client.Config(s3={"addressing_style": "path"}))
        if BUCKET not in [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]]:
            self.s3.create_bucket(Bucket=BUCKET)

    def start_standin(self):
        self.control = f"http://127.0.0.1:{self.control_port}"
        with open(os.path.join(self.folder, "standin.log"), "ab") as log:
            self.standin = subprocess.Popen(
                [sys.executable, STANDIN, "--port", str(self.port), "--control-port", str(self.control_port),
                 "--upstream-port", str(self.postgres.port), "--upstream-user", "postgres",
                 "--upstream-password", "", "--upstream-database", "dev", "--s3-endpoint", self.s3_url,
                 "--s3-region", "us-east-1", "--s3-access-key", KEY, "--s3-secret-key", SECRET,
                 "--tls-dir", self.tls, "--journal", self.journal_file], stdout=log, stderr=log,
                env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        wait_for("the stand-in", self.healthy, self.standin)

    def healthy(self):
        return http(self.control + "/healthz")[0] == 200

    def stop(self):
        for process in ([self.standin] if self.standin else []) + self.processes:
            process.terminate()
            process.wait()
        if self.postgres is not None:
            self.postgres.stop()

    # control port -------------------------------------------------------------------------------------------------
    def switch(self, **values):
        status, text = http(self.control + "/switches", "POST", values)
        assert status == 200, text

    def fault(self, **rule):
        status, text = http(self.control + "/faults", "POST", rule)
        assert status == 200, text

    def clear_faults(self):
        http(self.control + "/faults", "DELETE")

    def journal(self, since=0):
        return [json.loads(line) for line in http(f"{self.control}/journal?since={since}")[1].splitlines()]

    def connect(self, **more):
        return psycopg.connect(host="127.0.0.1", port=self.port, user=self.user, password=self.password,
                               dbname=self.database, autocommit=True, **more)

    # S3 -----------------------------------------------------------------------------------------------------------
    def put(self, key, body):
        """Stores bytes or text and answers the s3:// url."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode() if isinstance(body, str) else body)
        return f"s3://{BUCKET}/{key}"

    def manifest(self, key, urls, **meta):
        entries = [{"url": url, "mandatory": True, **meta} for url in urls]
        return self.put(key, json.dumps({"entries": entries}))


class Db:
    """A connection in a schema of the test's own, with short ways to run a statement and to expect its error."""

    numbers = itertools.count(int(time.time()))

    def __init__(self, world, schema=None):
        self.world = world
        self.schema = schema or f"test_{next(self.numbers)}"
        self.connection = world.connect()
        if schema is None:
            self.connection.execute(f"CREATE SCHEMA {self.schema}")
        self.connection.execute(f"SET search_path TO {self.schema}")

    def run(self, sql, params=None):
        """Rows of a query, else the command tag."""
        cursor = self.connection.execute(sql, params)
        return cursor.fetchall() if cursor.description else cursor.statusmessage

    def one(self, sql, params=None):
        return self.run(sql, params)[0][0]

    def error(self, sql, params=None):
        """(SQLSTATE, message) of a statement that has to fail."""
        try:
            done = self.run(sql, params)
        except psycopg.Error as error:
            return error.sqlstate, error.diag.message_primary or str(error)
        raise AssertionError(f"was accepted: {sql[:200]} -> {done}")

    def again(self):
        """Another session in the same schema."""
        return Db(self.world, self.schema)

    def close(self):
        self.connection.close()

    def load(self, table, body, options="CSV", key=None, columns="", compress=None):
        """COPY of a body that is put to S3 first."""
        key = key or f"{self.schema}/{next(self.numbers)}.csv"
        if isinstance(body, str):
            body = body.encode()
        if compress == "zstd":
            body, options = zstandard.compress(body), options + " ZSTD"
        elif compress == "gzip":
            body, options = gzip.compress(body), options + " GZIP"
        url = self.world.put(key, body)
        return self.run(f"COPY {table} {columns} FROM '{url}' {COPY_AUTH} {options}")

    def load_error(self, table, body, options="CSV", **more):
        """(code, column, line) of the row that a COPY could not load."""
        with contextlib.suppress(psycopg.errors.InternalError_):
            self.load(table, body, options, **more)
            raise AssertionError("the load was accepted")
        rows = self.run("SELECT err_code, TRIM(colname), line_number FROM stl_load_errors "
                        "WHERE query = pg_last_copy_id() ORDER BY line_number")
        assert rows, "no row in stl_load_errors"
        return rows[0]


def in_thread(work):
    """(thread, result): result gets "value" or "error" when the work is done."""
    result = {}

    def run():
        try:
            result["value"] = work()
        except psycopg.Error as error:
            result["error"] = error
    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def wait_for_a_waiter(watcher):
    """Until some session of the database waits for a lock."""
    wait_for("the other session", lambda: watcher.one("SELECT COUNT(*) FROM svv_transactions WHERE granted = false") > 0)
