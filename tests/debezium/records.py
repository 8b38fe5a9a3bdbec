"""What stands in a topic: keys, values and headers, decoded with the schemas that the registry has for them."""

import io
import json
import urllib.request
from typing import NamedTuple

import fastavro

from bank import compare

FRAME_BYTES = 5


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


def read(servers, registry, topic):
    """All committed records of a topic."""
    found = []
    for message in compare.read_committed(servers, topic):
        key, key_schema = registry.decode(message.key())
        value, value_schema = registry.decode(message.value())
        found.append(Record(key, value, dict(message.headers() or ()), key_schema, value_schema))
    return found
