"""Where the servers of one local stack are (its stack.env), and connections to them."""

import copy
import json
import shlex
import subprocess
import urllib.request
from pathlib import Path

import boto3
import botocore.config
import confluent_kafka
import confluent_kafka.admin
import psycopg
import pymongo

CHECKOUT = Path(__file__).resolve().parents[3]
STACK = CHECKOUT / "deploy/local/stack"
SUPER_OID = 4000


class Servers:
    """The addresses are attributes of `env`; every method makes a new connection that the caller closes."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        lines = (self.folder / "stack.env").read_text().splitlines()
        self.env = {key: "".join(shlex.split(value)) for key, _, value in (line.partition("=") for line in lines)}

    def beside(self, **env):
        """The same servers, but some of them elsewhere."""
        other = copy.copy(self)
        other.env = self.env | env
        return other

    # ---- the stack itself ----

    def stack(self, command, *names, kill=False):
        """`stack start|stop|restart NAME...`; a test that fails here has lost its servers."""
        words = [STACK, command, *names, "--dir", self.folder, "--quiet", *(["--kill"] if kill else [])]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"stack {command} {' '.join(names)}: {done.stderr.strip()}")

    def log(self, name):
        return self.folder / "log" / f"{name}.log"

    # ---- connections ----

    def postgres(self, database=None, **options):
        env = self.env
        return psycopg.connect(
            host=env["PG_HOST"], port=env["PG_PORT"], user=env["PG_USER"], password=env["PG_PASSWORD"],
            dbname=database or env["PG_DATABASE"], connect_timeout=5, **options,
        )  # fmt: skip

    def warehouse(self):
        env = self.env
        return psycopg.connect(
            host=env["REDSHIFT_HOST"], port=env["REDSHIFT_PORT"], user=env["REDSHIFT_USER"],
            password=env["REDSHIFT_PASSWORD"], dbname=env["REDSHIFT_DATABASE"], sslmode="verify-full",
            sslrootcert=env["REDSHIFT_CA_FILE"], connect_timeout=5, autocommit=True,
        )  # fmt: skip

    def documents(self):
        return pymongo.MongoClient(self.env["MONGO_URI"], serverSelectionTimeoutMS=5000, tz_aware=False)

    def s3(self):
        env = self.env
        return boto3.client(
            "s3",
            endpoint_url=env["S3_ENDPOINT"],
            region_name=env["S3_REGION"],
            aws_access_key_id=env["S3_ACCESS_KEY_ID"],
            aws_secret_access_key=env["S3_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 8}),
        )

    def kafka_admin(self):
        return confluent_kafka.admin.AdminClient(
            {"bootstrap.servers": self.env["KAFKA_BROKERS"], "log_level": 0}
        )

    def topics(self, prefix=""):
        names = self.kafka_admin().list_topics(timeout=20).topics
        return {name for name in names if name.startswith(prefix)}

    # ---- the stand-in's control port ----

    def control(self, method, path, body=None):
        request = urllib.request.Request(
            self.env["REDSHIFT_CONTROL_URL"] + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")
