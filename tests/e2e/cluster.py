"""A PostgreSQL server of a test's own, of any version ("": Debian's): to restart, copy, promote and break at will."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys

import psycopg
from bank import wait
from bank.ports import free_port
from bank.servers import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "deploy/local/stack.d"))
from leatstack import postgres  # noqa: E402
from leatstack.layout import HOST, Cache  # noqa: E402

MAJORS = tuple(Cache().postgres_bins)
START_SECONDS = 60
SETTINGS = postgres.COMMON_SETTINGS + postgres.SOURCE_SETTINGS + "max_connections = 50\nshared_buffers = 32MB\n"


class Template:
    """initdb once a version; clusters are copies. Its folder may be shared: what is there is whole."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def copy(self, major, target):
        program = Cache().postgres_bin(major)
        made = self.folder / f"{major or 'debian'}-{hashlib.sha256(f'{program} {SETTINGS}'.encode()).hexdigest()[:8]}"
        if not made.exists():
            aside = self.folder / f"{made.name}.{os.getpid()}"
            shutil.rmtree(aside, ignore_errors=True)
            self.init(major, aside)
            try:
                aside.rename(made)
            except OSError:  # somebody else was first
                shutil.rmtree(aside)
        copy_folder(made, target)

    def init(self, major, target):
        postgres.init_cluster(Cache().postgres_bin(major), target, SETTINGS, f"postgresql {major}")


def copy_folder(source, target):
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", source, target], check=True)


class Cluster:
    def __init__(self, major, folder, name, made):
        """made: the list of a test's clusters; this one joins it."""
        made.append(self)
        self.made = made
        self.major = major
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self.name = name
        self.port = free_port()
        self.process = None

    # ---- its data, while it is down ----

    def set(self, **settings):
        """At the end of postgresql.conf, where the last one counts. reload() or a start applies it."""
        with open(self.data / "postgresql.conf", "a") as configuration:
            for key, value in settings.items():
                configuration.write(f"{key} = '{value}'\n")
        return self

    def copy(self, name):
        """Another server from this one's data, which has to be down: a clone, or (standby()) a standby."""
        assert self.process is None, "only a server at rest is copied"
        made = Cluster(self.major, self.data.parent, name, self.made)
        copy_folder(self.data, made.data)
        return made

    def standby(self, name="standby", slot=None):
        made = self.copy(name)
        conninfo = f"host={HOST} port={self.port} user={postgres.USER} password={postgres.PASSWORD} dbname=postgres"
        made.set(primary_conninfo=conninfo, hot_standby_feedback="on", wal_receiver_status_interval="1s")
        if slot:
            made.set(primary_slot_name=slot)
        (made.data / "standby.signal").touch()
        return made

    # ---- its life ----

    def start(self):
        command = [*postgres.as_database_user(), Cache().postgres_bin(self.major) / "postgres", "-D", self.data]
        command += ["-c", f"listen_addresses={HOST}", "-c", f"port={self.port}"]
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        wait.until(self._answers, START_SECONDS, lambda: f"{self.name} accepting\n{self.log.read_text()[-2000:]}")
        return self

    def _answers(self):
        assert self.process.poll() is None, f"{self.name} ended\n{self.log.read_text()[-2000:]}"
        try:
            self.connect().close()
            return True
        except psycopg.OperationalError:
            return False

    def ask_to_stop(self, number):
        self.process.send_signal(number)

    def wait_stopped(self, seconds):
        try:
            self.process.wait(seconds * wait.PATIENCE)
        except subprocess.TimeoutExpired as late:
            raise wait.WaitedTooLong(f"{self.name} did not stop within {seconds} s\n{self.log.read_text()[-2000:]}") from late
        self.process = None

    def stop(self, number=signal.SIGINT, seconds=30):
        """SIGTERM: smart, SIGINT: fast, SIGQUIT: immediate; as pg_ctl's modes."""
        if self.process is not None:
            self.ask_to_stop(number)
            self.wait_stopped(seconds)

    def kill(self):
        """kill -9 of the whole server: its children are in its session."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGSTOP)  # or a child could outlive the kill by a moment
            for pid in self._pids():
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            wait.until(lambda: not self._pids(), 10, f"{self.name}'s processes to end")

    def _pids(self):
        """Those that work in the data folder: backends have sessions of their own."""
        found = []
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd") == str(self.data.resolve()):
                    if open(f"/proc/{entry}/stat").read().rpartition(")")[2].split()[0] != "Z":
                        found.append(int(entry))
            except OSError:
                continue
        return found

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def promote(self):
        with self.connect() as connection:
            assert connection.execute("select pg_promote(true, 60)").fetchone()[0]

    # ---- connections ----

    def connect(self, database="postgres", **options):
        return psycopg.connect(
            host=HOST, port=self.port, user=postgres.USER, password=postgres.PASSWORD, dbname=database,
            connect_timeout=5, autocommit=True, **options,
        )  # fmt: skip

    def env(self):
        return {"PG_HOST": HOST, "PG_PORT": str(self.port), "PG_USER": postgres.USER, "PG_PASSWORD": postgres.PASSWORD,
                "PG_DATABASE": "postgres"}  # fmt: skip
