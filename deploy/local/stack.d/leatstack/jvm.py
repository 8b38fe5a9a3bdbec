"""Kafka and the schema registry."""

import os
import subprocess
from pathlib import Path

from . import probe
from .errors import StackError
from .layout import HOST, PINS
from .service import Service

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
JAVA = Path(f"/usr/lib/jvm/java-17-openjdk-{ARCHITECTURE}/bin/java")

# Coordinator topics are small and single: a first group join or transaction takes a second, not ten.
KAFKA_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=4194304
"""


class Kafka(Service):
    name = "kafka"
    ports = ("kafka", "kafka_controller")

    CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"

    def programs(self):
        return JAVA, self.cache.kafka

    @property
    def _properties(self):
        return self.data / "server.properties"

    def prepare(self):
        super().prepare()
        logs = self.data / "logs"
        self._properties.write_text(
            KAFKA_PROPERTIES.format(
                host=HOST,
                port=self.port("kafka"),
                controller_port=self.port("kafka_controller"),
                data=logs,
            )
        )
        if not (logs / "meta.properties").exists():
            self._format()

    def _format(self):
        words = ["kafka.tools.StorageTool", "format", "--cluster-id", self.CLUSTER_ID]
        command = [*self._java("-Xmx128m", "-XX:TieredStopAtLevel=1"), *words, "-c", self._properties]
        done = subprocess.run(
            command,
            env=self.full_environment(),
            cwd=self.data,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            said = (done.stderr + done.stdout).strip().splitlines()
            raise StackError(f"kafka: could not format {self.data}: {said[-1] if said else 'no output'}")

    def _java(self, *flags):
        return [
            JAVA,
            "-XX:+UseSerialGC",
            "-Xshare:auto",
            f"-Dlog4j2.configurationFile={PINS / 'kafka/log4j2.properties'}",
            *flags,
            "-cp",
            f"{self.cache.kafka}/*",
        ]

    def command(self):
        return [*self._java("-Xms128m", "-Xmx512m"), "kafka.Kafka", self._properties]

    def is_ready(self):
        return probe.kafka_has_broker(self.port("kafka"))


class Registry(Service):
    """Its default storage is in memory; a file with a write at every commit outlives kill -9."""

    name = "registry"
    ports = ("registry",)

    PATH = "/apis/ccompat/v7"

    def programs(self):
        return JAVA, self.cache.apicurio_jar

    def command(self):
        settings = {
            "quarkus.http.host": HOST,
            "quarkus.http.port": self.port("registry"),
            "%prod.quarkus.datasource.jdbc.url": (
                f"jdbc:h2:file:{self.data}/schemas;WRITE_DELAY=0;DB_CLOSE_ON_EXIT=FALSE"
            ),
            "%prod.quarkus.datasource.jdbc.initial-size": 2,
            "%prod.quarkus.datasource.jdbc.min-size": 2,
            "%prod.quarkus.datasource.jdbc.max-size": 20,
            # 5 s by default: after a kill, on a machine with other work, it ends at its start.
            "%prod.quarkus.datasource.jdbc.acquisition-timeout": "60S",
        }
        definitions = [f"-D{key}={value}" for key, value in settings.items()]
        flags = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return [JAVA, *flags, *definitions, "-jar", self.cache.apicurio_jar]

    def is_ready(self):
        return probe.http_status(self.port("registry"), f"{self.PATH}/subjects") == 200
