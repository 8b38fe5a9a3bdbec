"""What stands in a topic: keys, values and headers, decoded with the schemas that the registry has for them."""

import io
import json
import urllib.request
from typing import NamedTuple

import confluent_kafka
import fastavro

FRAME_BYTES = 5
KAFKA_SECONDS = 30


class Record(NamedTuple):
    key: object  # decoded; None: no key
    value: object  # decoded; None: a tombstone
    headers: dict  # name -> bytes
    key_schema: object  # as the registry has it, parsed JSON
    value_schema: object


class Registry:
    def __init__(self, servers):
        self.url = servers.env["REGISTRY_URL"]
        self.schemas = {}  # id -> (JSON, what fastavro reads with)

    def schema(self, number):
        if number not in self.schemas:
            with urllib.request.urlopen(f"{self.url}/schemas/ids/{number}", timeout=20) as answer:
                schema = json.loads(json.loads(answer.read())["schema"])
            self.schemas[number] = (schema, fastavro.parse_schema(without_logical_types(schema)))
        return self.schemas[number]

    def decode(self, framed):
        """(value, schema) of Confluent's framing; every byte has to be used."""
        if framed is None:
            return None, None
        assert framed[0] == 0, f"not framed: {framed[:FRAME_BYTES].hex()}"
        schema, parsed = self.schema(int.from_bytes(framed[1:FRAME_BYTES], "big"))
        body = io.BytesIO(framed[FRAME_BYTES:])
        value = fastavro.schemaless_reader(body, parsed)
        left = body.read()
        assert not left, f"{len(left)} bytes too many: {framed.hex()}"
        return value, schema


def without_logical_types(schema):
    """The values as they travel: bytes of a decimal, not a number."""
    if isinstance(schema, list):
        return [without_logical_types(item) for item in schema]
    if isinstance(schema, dict):
        return {key: without_logical_types(item) for key, item in schema.items() if key != "logicalType"}
    return schema


class Reader:
    """One consumer for all topics; each has one partition."""

    def __init__(self, servers):
        self.registry = Registry(servers)
        self.consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": servers.env["KAFKA_BROKERS"],
                "group.id": "debezium-tests",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 20,  # how long the broker may wait for more before it says that there is none
            }
        )

    def close(self):
        self.consumer.close()

    def messages(self, topics):
        """{topic: its committed messages}. A topic that does not exist has none."""
        known = self.consumer.list_topics(timeout=KAFKA_SECONDS).topics
        found = {topic: [] for topic in topics}
        unread = {topic for topic in topics if topic in known}
        beginning = confluent_kafka.OFFSET_BEGINNING
        self.consumer.assign([confluent_kafka.TopicPartition(topic, 0, beginning) for topic in unread])
        while unread:
            message = self.consumer.poll(KAFKA_SECONDS)
            assert message is not None, f"nothing from {unread} for {KAFKA_SECONDS} s"
            error = message.error()
            if error is None:
                found[message.topic()].append(message)
            elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                unread.discard(message.topic())
            else:
                raise confluent_kafka.KafkaException(error)
        self.consumer.unassign()
        return found

    def records(self, topics):
        return {topic: [self._record(message) for message in found] for topic, found in self.messages(topics).items()}

    def _record(self, message):
        key, key_schema = self.registry.decode(message.key())
        value, value_schema = self.registry.decode(message.value())
        return Record(key, value, dict(message.headers() or ()), key_schema, value_schema)
