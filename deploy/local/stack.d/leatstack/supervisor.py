"""The stack as a whole: starting in parallel, stopping in order, the file that tells others where."""

import concurrent.futures
import fcntl
import shutil
import threading
import time

from . import jvm, postgres, servers
from .errors import StackError
from .layout import HOST, Cache, Layout, Ports, choose_base, choose_postgres

# Those that need the longest to start come first.
SERVICES = (
    jvm.Kafka,
    jvm.Registry,
    postgres.RedshiftDatabase,
    postgres.Postgres,
    servers.DocumentServer,
    servers.S3,
    servers.Redshift,
)
LOCK_TIMEOUT_S = 300


class Stack:
    def __init__(self, folder, base=None, say=print, postgres=None):
        self.layout = Layout(folder)
        self.say = say
        self.base = choose_base(base, self.layout)
        ports, cache = Ports(self.base), Cache()
        self.ports, self.cache = ports, cache
        self.services = {service.name: service(self.layout, ports, cache) for service in SERVICES}
        self.asked_postgres = postgres

    # ---- commands ----

    def up(self):
        self.start(list(self.services))

    def start(self, names):
        self.layout.make()
        with self._locked():
            self._check_base()
            postgres_major = choose_postgres(self.asked_postgres, self.layout)
            self.services["postgres"].bin = self.cache.postgres_bin(postgres_major)
            live = {name: self.services[name].live() for name in names}
            missing = [self.services[name] for name in names if not live[name]]
            for service in missing:
                service.check_programs()
            for service in missing:
                service.check_ports()
            self.layout.base_file.write_text(f"{self.base}\n")
            self.layout.postgres_file.write_text(f"{postgres_major}\n")
            self._start_all(missing)
            for name, identity in live.items():
                if identity:
                    self.services[name].await_ready(identity)
            self._write_env_file()

    def stop(self, names, kill=False):
        if not self.layout.marker.exists():
            return
        with self._locked():
            self._stop(names, kill)

    def restart(self, names, kill=False):
        self.stop(names, kill)
        self.start(names)

    def reset(self):
        """Stops everything and removes what this program made in the folder, nothing else."""
        if not self.layout.marker.exists():
            return
        with self._locked():
            self._stop(list(self.services), kill=False)
            for service in self.services.values():
                if service.data.exists():
                    shutil.rmtree(service.data)
            for folder in (self.layout.log, self.layout.tls, self.layout.run):
                if folder.exists():
                    shutil.rmtree(folder)
            self.layout.env_file.unlink(missing_ok=True)
            self.layout.base_file.unlink(missing_ok=True)
            self.layout.postgres_file.unlink(missing_ok=True)

    # ---- parts ----

    def _check_base(self):
        saved = self.layout.saved_base()
        if saved in (None, self.base):
            return
        if running := [name for name, service in self.services.items() if service.live()]:
            raise StackError(
                f"the stack in {self.layout.folder} runs with port base {saved} ({', '.join(running)}): "
                f"run `down` before starting it with {self.base}"
            )

    def _start_all(self, services):
        began = time.monotonic()
        cancelled = threading.Event()
        ready = {service.name: threading.Event() for service in services}
        pool = concurrent.futures.ThreadPoolExecutor(max_workers=len(SERVICES))

        def start(service):
            for earlier in service.after:
                while earlier in ready and not ready[earlier].wait(0.2):
                    if cancelled.is_set():
                        raise StackError(f"{service.name}: not started, {earlier} did not come up")
            seconds = service.start(cancelled)
            ready[service.name].set()
            self.say(f"{service.name}: ready after {seconds:.1f} s on port {service.port(service.ports[0])}")

        futures = [pool.submit(start, service) for service in services]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except BaseException:
            cancelled.set()
            concurrent.futures.wait(futures)
            self._stop([service.name for service in services], kill=False)
            raise
        finally:
            pool.shutdown()
        if services:
            self.say(f"up after {time.monotonic() - began:.1f} s: {self.layout.env_file}")
        else:
            self.say(f"already up: {self.layout.env_file}")

    def _stop(self, names, kill):
        """What others are built on goes last; the rest goes at once."""
        chosen = [self.services[name] for name in names]
        first = [service for service in chosen if service.after]
        for group in (first, [service for service in chosen if service not in first]):
            with concurrent.futures.ThreadPoolExecutor(max_workers=len(SERVICES)) as pool:
                stopped = list(pool.map(lambda service: service.stop(kill), group))
            for service, was_running in zip(group, stopped):
                if was_running:
                    self.say(f"{service.name}: {'killed' if kill else 'stopped'}")

    def _locked(self):
        return _FolderLock(self.layout.folder / "lock")

    def _write_env_file(self):
        ports = self.ports
        pairs = {
            "LEAT_STACK_DIR": self.layout.folder,
            "LEAT_PORT_BASE": self.base,
            "LEAT_PYTHON": self.cache.python,
            "KAFKA_BROKERS": f"{HOST}:{ports.kafka}",
            "REGISTRY_URL": f"http://{HOST}:{ports.registry}{jvm.Registry.PATH}",
            "S3_ENDPOINT": f"http://{HOST}:{ports.s3}",
            "S3_REGION": servers.S3_REGION,
            "S3_ACCESS_KEY_ID": servers.S3_KEY_ID,
            "S3_SECRET_ACCESS_KEY": servers.S3_SECRET,
            "S3_BUCKET": servers.S3_BUCKET,
            "PG_HOST": HOST,
            "PG_PORT": ports.postgres,
            "PG_USER": postgres.USER,
            "PG_PASSWORD": postgres.PASSWORD,
            "PG_DATABASE": postgres.Postgres.database,
            "MONGO_URI": f"mongodb://{HOST}:{ports.docdb}/?replicaSet=secantus",
            "LEAT_TOXIPROXY": self.cache.toxiproxy,
            "REDSHIFT_HOST": HOST,
            "REDSHIFT_PORT": ports.redshift,
            "REDSHIFT_USER": postgres.USER,
            "REDSHIFT_PASSWORD": postgres.PASSWORD,
            "REDSHIFT_DATABASE": servers.REDSHIFT_DATABASE,
            "REDSHIFT_CA_FILE": self.services["redshift"].ca_file,
            "REDSHIFT_CONTROL_URL": f"http://{HOST}:{ports.redshift_control}",
            "REDSHIFT_UPSTREAM_PORT": ports.redshift_db,
        }
        aside = self.layout.env_file.with_suffix(".tmp")
        aside.write_text("".join(f"{key}={_shell_word(value)}\n" for key, value in pairs.items()))
        aside.rename(self.layout.env_file)


def _shell_word(value):
    """Bare where a shell reads it as it stands in an assignment, so that simple readers need no quoting."""
    text = str(value)
    if all(c.isalnum() or c in "_-./:,@%+=?" for c in text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


class _FolderLock:
    """One command at a time in one folder. Children do not inherit it."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.file = open(self.path, "w")
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self.file.close()
                    raise StackError(f"another stack command has held {self.path} for {LOCK_TIMEOUT_S} s")
                time.sleep(0.1)

    def __exit__(self, *_):
        self.file.close()
