"""PostgreSQL twice: the source (any version), and the private database behind the Redshift stand-in (Debian's)."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from . import probe, process
from .errors import StackError
from .layout import HOST, POSTGRES_BIN
from .service import Service

USER = "postgres"
PASSWORD = "leat-local"

# In the data folder, not on the command line, so that a test may change them with ALTER SYSTEM.
COMMON_SETTINGS = """
# --- the local stack ---
unix_socket_directories = ''
fsync = off
jit = off
max_connections = 200
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d %a '
"""
SOURCE_SETTINGS = """\
wal_level = logical
max_replication_slots = 20
max_wal_senders = 20
max_wal_size = 2GB
"""


def as_database_user():
    """PostgreSQL refuses root. As user postgres it still has to reach a folder below a private one,
    so it keeps root's right to pass closed folders and no other."""
    if os.geteuid() != 0:
        return []
    return [
        "/usr/bin/setpriv",
        "--reuid=postgres",
        "--regid=postgres",
        "--init-groups",
        "--securebits=+no_setuid_fixup",  # access() too has that right then
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
    ]


def init_cluster(bin, folder, settings, name):
    """initdb into a new folder, which belongs to the user that runs the server."""
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    command = [*as_database_user(), bin / "initdb", "-D", folder, "-U", USER]
    command += ["--no-sync", "--auth=scram-sha-256", "--pwfile=/dev/stdin"]
    command += ["--encoding=UTF8", "--locale=C.UTF-8"]
    done = subprocess.run(
        command, input=f"{PASSWORD}\n", capture_output=True, text=True, timeout=60, cwd=folder.parent
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise StackError(f"{name}: initdb failed: {said[0] if said else done.returncode}")
    with open(folder / "postgresql.conf", "a") as configuration:
        configuration.write(settings)


class Postgres(Service):
    name = "postgres"
    ports = ("postgres",)
    database = "stori"
    settings = COMMON_SETTINGS + SOURCE_SETTINGS
    stop_steps = ((signal.SIGINT, 15), (signal.SIGQUIT, 5))

    bin = POSTGRES_BIN

    def programs(self):
        return self.bin / "postgres", self.bin / "initdb", Path("/usr/bin/psql")

    @property
    def _cluster(self):
        return self.data / "cluster"

    def prepare(self):
        super().prepare()
        if not self._cluster.exists():
            self._init()
        # Nothing of the last life is left (see leftovers), but PostgreSQL takes a zombie for alive.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _init(self):
        """Made aside and renamed, so that an interrupted initdb is not taken for a cluster."""
        aside = self.data / "cluster.new"
        if aside.exists():
            shutil.rmtree(aside)
        init_cluster(self.bin, aside, self.settings, self.name)
        aside.rename(self._cluster)

    def command(self):
        return [
            *as_database_user(),
            self.bin / "postgres",
            *("-D", self._cluster),
            *("-c", f"listen_addresses={HOST}"),
            *("-c", f"port={self.port(self.ports[0])}"),
        ]

    def is_ready(self):
        return probe.postgres_accepts(self.port(self.ports[0]))

    def finish(self):
        if self._sql(f"select 1 from pg_database where datname = '{self.database}'") == "":
            self._sql(f"create database {self.database}")

    def leftovers(self):
        return process.working_in(self._cluster)

    def _sql(self, statement):
        done = subprocess.run(
            ["/usr/bin/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement],
            env={
                "PATH": "/usr/bin:/bin",
                "PGHOST": HOST,
                "PGPORT": str(self.port(self.ports[0])),
                "PGUSER": USER,
                "PGPASSWORD": PASSWORD,
                "PGDATABASE": "postgres",
                "PGCONNECT_TIMEOUT": "10",
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            raise StackError(f"{self.name}: {done.stderr.strip().splitlines()[-1]} ({statement})")
        return done.stdout.strip()


class RedshiftDatabase(Postgres):
    """Keeps the stand-in's data; only the stand-in talks to it."""

    name = "redshift-db"
    ports = ("redshift_db",)
    database = "dev"
    settings = COMMON_SETTINGS
