"""A Kafka Connect worker with the real Debezium PostgreSQL connector in it: what leat is compared with.

    with connect.Worker(servers, folder) as worker:
        worker.add("core", connect.postgresql(servers, prefix="dbz", database="bank") | connect.avro(servers))
        worker.wait_streaming("core")

The worker is a standalone one: its offsets lie in a file of its folder, and its connectors are gone when it ends.
Slots and publications that a connector made are the caller's to drop."""

import http.client
import json
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from . import ports, wait
from .servers import CHECKOUT

INSTALL = CHECKOUT / "deploy/local/install"
LOGGING = CHECKOUT / "deploy/local/stack.d/connect/log4j2.properties"
JAVA_OPTIONS = ("-Xms256m", "-Xmx1g", "-XX:+UseSerialGC")
STOP_SECONDS = 30

WORKER = {
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "offset.flush.interval.ms": "1000",
    "topic.creation.enable": "true",
}


def paths():
    """What `install --paths` says, as a dictionary."""
    lines = subprocess.run([INSTALL, "--paths"], check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)


# ---- settings of a connector ----


def postgresql(servers, prefix, database=None, slot="debezium", publication="debezium"):
    """What a connector needs to run at all; everything else is as Debezium has it when nothing is said."""
    env = servers.env
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "plugin.name": "pgoutput",
        "database.hostname": env["PG_HOST"],
        "database.port": env["PG_PORT"],
        "database.user": env["PG_USER"],
        "database.password": env["PG_PASSWORD"],
        "database.dbname": database or env["PG_DATABASE"],
        "topic.prefix": prefix,
        "slot.name": slot,
        "publication.name": publication,
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.partitions": "1",
    }


def avro(servers):
    """Avro in Confluent's wire format, with the ids that the registry's Confluent API knows. Names that Avro does not
    allow are adjusted by Debezium, as its users have to set it with this converter."""
    registry = servers.env["REGISTRY_URL"].split("/apis/")[0] + "/apis/registry/v2"
    settings = {"schema.name.adjustment.mode": "avro", "field.name.adjustment.mode": "avro"}
    for side in ("key", "value"):
        settings |= {
            f"{side}.converter": "io.apicurio.registry.utils.converter.AvroConverter",
            f"{side}.converter.apicurio.registry.url": registry,
            f"{side}.converter.apicurio.registry.auto-register": "true",
            f"{side}.converter.apicurio.registry.find-latest": "true",
            f"{side}.converter.apicurio.registry.headers.enabled": "false",
            f"{side}.converter.apicurio.registry.as-confluent": "true",
            f"{side}.converter.apicurio.registry.use-id": "contentId",
        }
    return settings


def json_converters(with_schemas=False):
    """JSON, by default without the schema in each record."""
    settings = {}
    for side in ("key", "value"):
        settings |= {
            f"{side}.converter": "org.apache.kafka.connect.json.JsonConverter",
            f"{side}.converter.schemas.enable": str(with_schemas).lower(),
        }
    return settings


# ---- the worker ----


class Worker:
    """`settings` are the worker's (worker.properties) and win over ours. `process.pid` is the JVM's."""

    def __init__(self, servers, folder, settings=None, java_options=JAVA_OPTIONS, name="connect"):
        self.servers = servers
        self.folder = Path(folder) / name
        self.settings = settings or {}
        self.java_options = java_options
        self.port = ports.free_port()
        self.process = None
        self.log = self.folder / "connect.log"

    def __enter__(self):
        self.start()
        return self.wait_ready()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Without the offsets of an earlier worker: its connectors begin anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self.start_again()

    def start_again(self):
        """With the offsets that the last one left."""
        (self.folder / "plugins").mkdir(exist_ok=True)
        found = paths()
        properties = self.folder / "worker.properties"
        properties.touch(mode=0o600)
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
        command = [
            found["LEAT_JAVA"], *self.java_options, f"-Dlog4j2.configurationFile={LOGGING}",
            "-cp", f"{found['LEAT_CONNECT']}/*", "org.apache.kafka.connect.cli.ConnectStandalone", properties,
        ]  # fmt: skip
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        return self

    def _properties(self):
        return WORKER | {
            "bootstrap.servers": self.servers.env["KAFKA_BROKERS"],
            "listeners": f"http://127.0.0.1:{self.port}",
            "offset.storage.file.filename": self.folder / "offsets",
            "plugin.path": self.folder / "plugins",  # empty, but Connect wants one; everything is on the class path
            "plugin.discovery": "service_load",
        } | self.settings

    def stop(self):
        """SIGTERM, which ends connectors in order; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def tail(self, lines=12):
        return f"{self.log}:\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_ready(self, seconds=90):
        """Until its REST interface answers."""
        wait.until(lambda: self._alive() and self._call("GET", "/connectors")[0] == 200, seconds, self.tail)
        return self

    def _alive(self):
        assert self.process.poll() is None, f"Kafka Connect ended with {self.process.returncode}\n{self.tail()}"
        return True

    # ---- connectors ----

    def _call(self, method, path, body=None):
        """(status, answer); status 0 while nobody answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)

    def add(self, name, settings):
        """A connector with these settings; they are not checked by anyone but Connect."""
        config = {key: str(value) for key, value in settings.items()}
        status, answer = self._call("PUT", f"/connectors/{name}/config", config | {"name": name})
        assert status in (200, 201), f"Kafka Connect refused connector {name} ({status}): {answer}"

    def remove(self, name):
        """Ends it: its slot is free once wait_idle() says so, and stays."""
        status, answer = self._call("DELETE", f"/connectors/{name}")
        assert status == 204, f"could not remove connector {name} ({status}): {answer}"

    def forget(self, name):
        """remove(), when there is such a connector."""
        if self._call("GET", f"/connectors/{name}")[0] == 200:
            self.remove(name)

    def state(self, name):
        """RUNNING when connector and task are; else the word of the one that is not, with its trace."""
        status, answer = self._call("GET", f"/connectors/{name}/status")
        if status != 200:
            return f"UNKNOWN ({status})"
        for part in (answer["connector"], *answer["tasks"]):
            if part["state"] != "RUNNING":
                return f"{part['state']} {part.get('trace', '')}"
        return "RUNNING" if answer["tasks"] else "NO TASK"

    def wait_streaming(self, name, slot="debezium", seconds=120, servers=None):
        """Until the connector has made its first copy and reads from its slot, whatever backlog it finds there.
        servers: where its source is, when that is not the worker's."""

        def streams():
            self._alive()
            state = self.state(name)
            assert not state.startswith("FAILED"), f"{name}: {state}\n{self.tail()}"
            return state == "RUNNING" and self._reads(slot, servers)

        wait.until(streams, seconds, lambda: f"{name} streams ({self.state(name)})\n{self.tail()}")

    def wait_idle(self, slot="debezium", seconds=30, servers=None):
        """Until nobody holds the slot, so that it can be dropped or copied."""
        wait.until(lambda: not self._holder(slot, servers), seconds, f"slot {slot} is free")

    def _holder(self, slot, servers):
        """The state of the walsender that has the slot."""
        with (servers or self.servers).postgres("postgres", autocommit=True) as connection:
            return connection.execute(
                "select coalesce(r.state, 'unknown') from pg_replication_slots s left join pg_stat_replication r"
                " on r.pid = s.active_pid where s.slot_name = %s and s.active",
                (slot,),
            ).fetchone()

    def _reads(self, slot, servers):
        """A slot that is being made has a walsender too, in state startup."""
        holder = self._holder(slot, servers)
        return holder is not None and holder[0] in ("catchup", "streaming")
