"""S3, the document server and the Redshift stand-in."""

import os
from pathlib import Path

from . import postgres, probe
from .errors import StackError
from .layout import HOST, REDSHIFT_STANDIN
from .service import Service

S3_REGION = "us-east-1"
S3_KEY_ID = "leat-local"
S3_SECRET = "leat-local-secret"
S3_BUCKET = "leat-staging"
REDSHIFT_DATABASE = "dev"


class S3(Service):
    name = "s3"
    ports = ("s3",)

    def programs(self):
        return (self.cache.versitygw,)

    @property
    def _objects(self):
        return self.data / "objects"

    def prepare(self):
        super().prepare()
        for folder in (self._objects, self.data / "iam"):
            folder.mkdir(exist_ok=True)

    def command(self):
        gateway = [self.cache.versitygw, "--port", f"{HOST}:{self.port('s3')}", "--region", S3_REGION]
        gateway += ["--iam-dir", self.data / "iam", "--quiet", "posix"]
        if not self._has_extended_attributes():
            sidecar = self.data / "sidecar"
            sidecar.mkdir(exist_ok=True)
            gateway += ["--sidecar", sidecar]
        return [*gateway, self._objects]

    def _has_extended_attributes(self):
        """An object's metadata: in its file's attributes, or in files beside where there are none."""
        try:
            os.setxattr(self._objects, "user.leat", b"1")
        except OSError:
            return False
        return True

    def environment(self):
        return {"ROOT_ACCESS_KEY": S3_KEY_ID, "ROOT_SECRET_KEY": S3_SECRET}

    def is_ready(self):
        return probe.http_status(self.port("s3"), "/") is not None

    def finish(self):
        status = probe.s3_put_bucket(self.port("s3"), S3_REGION, S3_KEY_ID, S3_SECRET, S3_BUCKET)
        if status not in (200, 409):
            raise StackError(f"s3: could not make the bucket {S3_BUCKET}: status {status}, log: {self.log}")


class DocumentServer(Service):
    """Its history survives kill -9 only when each commit is written, and is kept only as long as
    its bounds say: a cursor that falls off the end is not told."""

    name = "docdb"
    ports = ("docdb",)

    def programs(self):
        return (self.cache.docdb,)

    def prepare(self):
        super().prepare()
        (self.data / "secantusd.toml").touch()  # named below, so that nobody else's is found

    def command(self):
        return [
            self.cache.python,
            self.cache.docdb,
            *("--config", self.data / "secantusd.toml"),
            *("--host", HOST),
            *("--port", self.port("docdb")),
            *("--storage-path", self.data / "data"),
            *("--cache-size", "512M"),
            "--sync-on-commit",
            "--enable-test-commands",
            *("--oplog-max-entries", 5_000_000),
            *("--oplog-retention-seconds", 7 * 24 * 3600),
            *("--noop-heartbeat-seconds", 10),
            *("--log-level", "WARNING"),
        ]

    def environment(self):
        return {"PYTHONUNBUFFERED": "1"}

    def is_ready(self):
        return probe.docdb_is_primary(self.port("docdb"))


class Redshift(Service):
    name = "redshift"
    ports = ("redshift", "redshift_control")
    after = ("redshift-db",)

    def programs(self):
        return self.cache.python, Path("/usr/bin/openssl")

    @property
    def ca_file(self):
        return self.layout.tls / "ca.pem"

    def prepare(self):
        super().prepare()
        self.layout.tls.mkdir(exist_ok=True)

    def command(self):
        return [
            *(self.cache.python, REDSHIFT_STANDIN),
            *("--port", self.port("redshift")),
            *("--control-port", self.port("redshift_control")),
            *("--upstream-port", self.port("redshift_db")),
            *("--upstream-user", postgres.USER),
            *("--upstream-password", postgres.PASSWORD),
            *("--upstream-database", REDSHIFT_DATABASE),
            *("--s3-endpoint", f"http://{HOST}:{self.port('s3')}"),
            *("--s3-region", S3_REGION),
            *("--s3-access-key", S3_KEY_ID),
            *("--s3-secret-key", S3_SECRET),
            *("--tls-dir", self.layout.tls),
            *("--journal", self.data / "journal.jsonl"),
        ]

    def environment(self):
        return {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def is_ready(self):
        return probe.http_status(self.port("redshift_control"), "/healthz") == 200
