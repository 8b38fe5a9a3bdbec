"""Where things are: the checkout, the cache of downloads, one stack's folder, its ports."""

import hashlib
import os
import re
from pathlib import Path

from .errors import StackError

LOCAL = Path(__file__).resolve().parents[2]
CHECKOUT = LOCAL.parents[1]
PINS = LOCAL / "stack.d"
PORTS_FILE = LOCAL / "ports.env"
POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")  # Debian's
REDSHIFT_STANDIN = LOCAL / "redshift"
HOST = "127.0.0.1"


def read_env_file(path):
    pairs = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*", key):
            raise StackError(f"{path}:{number}: not KEY=VALUE: {line}")
        pairs[key] = value
    return pairs


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _extension_of(major, versions):
    return f"-pgvector-{versions['PGVECTOR_VERSION']}" if major == versions["PGVECTOR_POSTGRES"] else ""


class Cache:
    """What deploy/local/install made; the names are the ones it gives (see its --paths)."""

    def __init__(self):
        versions = read_env_file(PINS / "versions.env")
        root = Path(os.environ.get("LEAT_CACHE") or Path.home() / ".cache" / "leat")
        self.venv = root / f"venv-{_digest(PINS / 'requirements.txt')}"
        self.python = self.venv / "bin/python"
        self.docdb = self.venv / "bin/secantusd-py"
        self.kafka = root / f"kafka-{_digest(PINS / 'kafka/pom.xml')}"
        self.apicurio = root / f"apicurio-{versions['APICURIO_VERSION']}"
        self.apicurio_jar = (
            self.apicurio / f"apicurio-registry-app-{versions['APICURIO_VERSION']}-runner.jar"
        )
        self.versitygw = root / f"versitygw-{versions['VERSITYGW_VERSION']}" / "versitygw"
        self.toxiproxy = root / f"toxiproxy-{versions['TOXIPROXY_VERSION']}" / "toxiproxy"
        self.postgres_bins = {
            match[1]: root / f"postgres-{version}{_extension_of(match[1], versions)}" / "bin"
            for key, version in versions.items()
            if (match := re.fullmatch(r"POSTGRES_(\d+)_VERSION", key))
        }

    def postgres_bin(self, major):
        """The programs of one major version, as text; Debian's for ""."""
        if major == "":
            return POSTGRES_BIN
        if major not in self.postgres_bins:
            raise StackError(f"PostgreSQL \"{major}\" is not one of {', '.join(self.postgres_bins)}")
        return self.postgres_bins[major]


class Ports:
    def __init__(self, base):
        offsets = read_env_file(PORTS_FILE)
        for name, offset in offsets.items():
            if not offset.isdigit():
                raise StackError(f"{PORTS_FILE}: {name}={offset} is not a number")
        offsets.pop("LEAT_PORT_BASE", None)
        self.base = base
        self._ports = {name: base + int(offset) for name, offset in offsets.items()}
        if base < 1 or max(self._ports.values()) > 65535:
            raise StackError(f"port base {base} leaves the range of ports: choose 1024 to 65000")

    def __getattr__(self, name):
        return self._ports[name.upper()]


class Layout:
    """One stack's folder. Every service keeps its data in a folder of its own name."""

    MARKER = ".leat-stack"

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.run = self.folder / "run"
        self.log = self.folder / "log"
        self.tls = self.folder / "tls"
        self.env_file = self.folder / "stack.env"
        self.base_file = self.folder / "port-base"
        self.postgres_file = self.folder / "postgres-version"
        self.marker = self.folder / self.MARKER

    def make(self):
        if not self.marker.exists() and self.folder.is_dir() and any(self.folder.iterdir()):
            raise StackError(f"{self.folder} is not empty and not a stack's folder: give another --dir")
        for folder in (self.folder, self.run, self.log):
            folder.mkdir(parents=True, exist_ok=True)
        self.marker.touch()

    def data(self, service_name):
        return self.folder / service_name

    def saved_base(self):
        return int(self.base_file.read_text()) if self.base_file.exists() else None

    def saved_postgres(self):
        return self.postgres_file.read_text().strip() if self.postgres_file.exists() else None


def choose_base(from_option, layout):
    """Option, then environment, then what this stack was started with, then the file's."""
    text = from_option or os.environ.get("LEAT_PORT_BASE")
    if text is None:
        saved = layout.saved_base()
        text = saved if saved is not None else read_env_file(PORTS_FILE).get("LEAT_PORT_BASE")
    if not str(text).isdigit():
        raise StackError(f"port base \"{text}\" is not a number")
    return int(text)


def choose_postgres(from_option, layout):
    """The source's major version: option, environment, what this stack's data was made with, Debian's ("")."""
    saved = layout.saved_postgres()
    chosen = from_option or os.environ.get("LEAT_POSTGRES") or saved or ""
    if saved is not None and chosen != saved:
        raise StackError(
            f"the source's data in {layout.folder} are of version {saved or 'Debian has'}: run `reset` before using {chosen}"
        )
    return chosen
