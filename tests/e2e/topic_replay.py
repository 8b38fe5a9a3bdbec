"""A topic as any consumer sees it: records in order, the last one of a key wins, deletes remove, truncates clear."""

import io
import json
import urllib.request

import fastavro
from bank import compare


class Topic:
    """Events of one table's topic, decoded."""

    def __init__(self, road, table):
        self.road = road
        self.records = road.topic(table)
        self.schemas = {}

    def schema(self, number):
        if number not in self.schemas:
            url = f"{self.road.servers.env['REGISTRY_URL']}/schemas/ids/{number}"
            with urllib.request.urlopen(url, timeout=30) as response:
                self.schemas[number] = fastavro.parse_schema(json.loads(json.load(response)["schema"]))
        return self.schemas[number]

    def decode(self, framed):
        if framed is None:
            return None
        return fastavro.schemaless_reader(io.BytesIO(framed[5:]), self.schema(int.from_bytes(framed[1:5], "big")))

    def events(self):
        """(key, envelope, headers) without tombstones, in order of partition and offset."""
        for record in self.records:
            if record.value() is not None:
                yield self.decode(record.key()), self.decode(record.value()), dict(record.headers())

    def state(self, key):
        """{key: row} after all of it; `key` names the key's columns. A truncate clears the partition it is in: all of
        them get one."""
        rows, removed = {}, {}
        for _, event, headers in self.events():
            if event["op"] == "t":
                rows.clear()
            elif event["op"] == "d":
                found = self._key(event["before"], key)
                removed[found] = rows.pop(found, {})
            else:
                row = dict(event["after"])
                found = self._key(row, key)
                if unchanged := headers.get("leat.unchanged"):
                    base = rows.get(found, {})
                    if moved_from := headers.get("leat.moved_from"):
                        base = removed[self._key(self.decode(moved_from), key)]
                    for i, column in enumerate(row):
                        if unchanged[i // 8] >> (i % 8) & 1:
                            row[column] = base.get(column, "never travelled")
                rows[found] = row
        return rows

    def count(self, op):
        return sum(event["op"] == op for _, event, _ in self.events())

    def history(self, found, key):
        """What the topic says of one key."""
        for _, event, headers in self.events():
            image = event["after"] or event["before"]
            if image is not None and self._key(image, key) == found:
                major, minor = (int.from_bytes(headers["leat.pos"][i : i + 8], "big") for i in (0, 8))
                yield f"{event['op']} at {major:x}.{minor} {brief(image)} {headers.get('leat.unchanged')}"

    @staticmethod
    def _key(row, key):
        return tuple(row[column] for column in key)


def source_state(road, table, key):
    """The same of the source. Only for columns whose Avro value is the driver's."""
    schema, name = table.split(".", 1)
    with road.servers.postgres(road.database) as connection:
        rows = compare.fetch(connection.execute(f'select * from "{schema}"."{name}"'))
    return {tuple(row[column] for column in key): row for row in rows}


def assert_replays(road, table, key=("id",)):
    topic = Topic(road, table)
    replayed, source = topic.state(key), source_state(road, table, key)
    wrong = [found for found in replayed.keys() | source.keys() if replayed.get(found) != source.get(found)]
    assert not wrong, f"{table}: {len(wrong)} of {len(source)} rows differ, such as {wrong[0]}:\n" + "\n".join(
        [f"replayed {brief(replayed.get(wrong[0]))}", f"source   {brief(source.get(wrong[0]))}", *topic.history(wrong[0], key)]
    )
    return topic


def brief(row):
    return None if row is None else {name: str(value)[:12] for name, value in row.items()}
