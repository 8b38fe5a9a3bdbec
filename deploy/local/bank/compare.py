"""Source against warehouse, row by row: what is missing, extra, different or there twice. And rejects against the
documents that do not fit.

    python -m bank.compare STACK_DIR [--schema bank] [--prefix bank]        (in deploy/local)

Known limit of this version: a document that fitted and is updated so that it no longer does keeps its older row in the
warehouse. Here such a row counts as extra."""

import argparse
import collections
import datetime
import decimal
import json
import sys
from typing import NamedTuple

import bson.json_util
import confluent_kafka

from . import mapping, wait
from .load import COLLECTION, DOCUMENT_DATABASE
from .servers import SUPER_OID, Servers

KAFKA_TIMEOUT_S = 60
NO_LEADER = (
    confluent_kafka.KafkaError.LEADER_NOT_AVAILABLE, confluent_kafka.KafkaError.NOT_LEADER_FOR_PARTITION,
    confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART, confluent_kafka.KafkaError._UNKNOWN_PARTITION,
)  # fmt: skip
EXAMPLES = 5


class Difference(NamedTuple):
    key: object
    column: str
    source: object
    warehouse: object


class Comparison:
    """Of one table."""

    def __init__(self, name, source, warehouse_rows, key):
        """source: {key: row}, warehouse_rows: rows in any order; a row is {column: value}."""
        self.name = name
        self.source_rows = len(source)
        self.warehouse_rows = len(warehouse_rows)
        counts = collections.Counter(key(row) for row in warehouse_rows)
        self.duplicates = sorted((found for found, n in counts.items() if n > 1), key=str)
        self.missing = sorted(source.keys() - counts.keys(), key=str)
        self.extra = sorted(counts.keys() - source.keys(), key=str)
        self.differing = [
            difference
            for row in sorted(warehouse_rows, key=lambda row: str(key(row)))
            if key(row) in source
            for difference in differences(key(row), source[key(row)], row)
        ]

    def is_equal(self):
        return not (self.duplicates or self.missing or self.extra or self.differing)

    def lines(self):
        """What is wrong, with examples."""
        for what in ("missing", "extra", "duplicates", "differing"):
            found = getattr(self, what)
            if found:
                yield f"{self.name}: {len(found)} {what}, such as {', '.join(map(str, found[:EXAMPLES]))}"

    def __str__(self):
        return "\n".join(self.lines()) or f"{self.name}: {self.source_rows} rows, equal"


def differences(key, source, warehouse):
    columns = source.keys() | warehouse.keys()
    return [
        Difference(key, column, source.get(column, "no such column"), warehouse.get(column, "no such column"))
        for column in sorted(columns)
        if column not in source or column not in warehouse or source[column] != warehouse[column]
    ]


# ---- rows ----


def canonical(value):
    """Equal in source and warehouse, whatever driver read it; never two kinds of value taken for one."""
    if isinstance(value, decimal.Decimal) and value.is_nan():
        return "NaN"
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.timezone.utc)
    if isinstance(value, (dict, list)):
        return "json " + mapping.canonical(value)
    if isinstance(value, (bytes, memoryview)):
        return bytes(value)
    return value


def fetch(cursor):
    """Rows of a query as {column: canonical value}, without leat's own columns."""
    columns = [(column.name, column.type_code) for column in cursor.description]
    rows = []
    for row in cursor:
        values = {}
        for (name, oid), value in zip(columns, row):
            if name.startswith("_leat"):
                continue
            if oid == SUPER_OID and value is not None:
                value = "json " + mapping.canonical(json.loads(value))
            values[name] = canonical(value)
        rows.append(values)
    return rows


def warehouse_rows(servers, schema, table):
    with servers.warehouse() as connection:
        return fetch(connection.execute(f'select * from "{schema}"."{table}"'))


def compare_table(servers, database, source_table, schema, key=("id",)):
    """One table of PostgreSQL, given as "schema.table"."""

    def key_of(row):
        found = tuple(row[column] for column in key)
        return found[0] if len(found) == 1 else found

    source_schema, table = source_table.split(".")
    with servers.postgres(database) as connection:
        rows = fetch(connection.execute(f'select * from "{source_schema}"."{table}"'))
    source = {key_of(row): row for row in rows}
    return Comparison(source_table, source, warehouse_rows(servers, schema, table), key_of)


# ---- documents and rejects ----


class Documents(NamedTuple):
    comparison: Comparison
    unfit: dict  # _id as text -> Unfit, of those in the collection now


def compare_collection(servers, database, collection, schema, columns):
    source, bad = {}, {}
    with servers.documents() as client:
        for document in client[database][collection].find():
            unfit = mapping.unfit(document, columns)
            if unfit:
                bad[mapping.key_text(document["_id"])] = unfit
            else:
                row = mapping.row_of(document, columns)
                for column in columns:
                    if column["type"] == "json" and row[column["column"]] is not None:
                        row[column["column"]] = "json " + mapping.canonical(row[column["column"]])
                source[row["_id"]] = {name: canonical(value) for name, value in row.items()}
    rows = warehouse_rows(servers, schema, collection)
    for row in rows:
        row["_id"] = mapping.canonical_key(row["_id"])
    return Documents(Comparison(f"{database}.{collection}", source, rows, lambda row: row["_id"]), bad)


def end_of(consumer, topic, number):
    """Of a partition, also one that was made a moment ago and has no leader yet."""
    partition = confluent_kafka.TopicPartition(topic, number)

    def ask():
        try:
            return consumer.get_watermark_offsets(partition, KAFKA_TIMEOUT_S)
        except confluent_kafka.KafkaException as failed:
            if not failed.args[0].retriable() and failed.args[0].code() not in NO_LEADER:
                raise
            return None

    return wait.until(ask, KAFKA_TIMEOUT_S, f"a leader of {topic} {number}")[1]


def read_committed(servers, topic):
    """All records that a topic has now, in order of partition and offset: one that grows all the time has no end."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": servers.env["KAFKA_BROKERS"],
            "group.id": "bank-compare",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
        }
    )
    try:
        known = consumer.list_topics(timeout=KAFKA_TIMEOUT_S).topics
        if topic not in known:
            return []
        unread = set(known[topic].partitions)
        ends = {number: end_of(consumer, topic, number) for number in unread}
        consumer.assign(
            [confluent_kafka.TopicPartition(topic, number, confluent_kafka.OFFSET_BEGINNING) for number in unread]
        )
        records = []
        while unread:
            record = consumer.poll(KAFKA_TIMEOUT_S)
            if record is None:
                raise TimeoutError(f"Kafka did not deliver the end of {topic} in {KAFKA_TIMEOUT_S} s")
            if record.error() is None:
                if record.offset() < ends[record.partition()]:
                    records.append(record)
                if record.offset() >= ends[record.partition()] - 1:
                    unread.discard(record.partition())
            elif record.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                unread.discard(record.partition())
            else:
                raise confluent_kafka.KafkaException(record.error())
        return sorted(records, key=lambda record: (record.partition(), record.offset()))
    finally:
        consumer.close()


def read_rejects(servers, prefix, topic):
    """Rejects of one topic; the same reject written twice (same Kafka key) is one."""
    by_key = {}
    for record in read_committed(servers, f"{prefix}.leat.rejects"):
        by_key[record.key()] = json.loads(record.value())
    return [reject for reject in by_key.values() if reject["topic"] == topic]


class Rejects:
    """Rejects of a collection against the documents that do not fit it."""

    def __init__(self, rejects, unfit, columns):
        self.by_reason = collections.Counter()
        self.problems = []
        self.documents = set()
        for reject in rejects:
            self._judge(reject, columns)
        for identity in sorted(unfit.keys() - self.documents):
            self.problems.append(f"document {identity} does not fit ({unfit[identity]}) and has no reject")

    def _judge(self, reject, columns):
        """A reject has to carry a document that does not fit, for exactly the reason that it gives."""
        document = bson.json_util.loads(
            json.dumps(reject["record"]), json_options=bson.json_util.JSONOptions(tz_aware=False)
        )
        identity = mapping.key_text(document["_id"])
        why = mapping.unfit(document, columns)
        if identity != mapping.canonical_key(reject["key"]):
            self.problems.append(f"the reject of {reject['key']} carries document {identity}")
        if why is None:
            self.problems.append(f"document {identity} fits and was rejected: {reject['code']} {reject['message']}")
        elif why != (reject["code"], reject["path"]):
            self.problems.append(f"document {identity}: {why}, rejected as {reject['code']} {reject['path']}")
        if identity not in self.documents:
            self.by_reason[reject["code"]] += 1
        self.documents.add(identity)

    def strangers(self, known):
        """Rejected documents that are in none of the given sets of identities."""
        return sorted(self.documents - set(known))


def compare_rejects(servers, prefix, topic, unfit, columns):
    return Rejects(read_rejects(servers, prefix, topic), unfit, columns)


def main():
    options = argparse.ArgumentParser(description="source against warehouse, row by row")
    options.add_argument("stack_dir")
    options.add_argument("--schema", default="bank")
    options.add_argument("--prefix", default="bank")
    options = options.parse_args()
    servers = Servers(options.stack_dir)
    table = compare_table(servers, None, "public.transactions", options.schema)
    documents = compare_collection(servers, DOCUMENT_DATABASE, COLLECTION, options.schema, mapping.TRADE_COLUMNS)
    topic = f"{options.prefix}.{DOCUMENT_DATABASE}.{COLLECTION}"
    rejects = compare_rejects(servers, options.prefix, topic, documents.unfit, mapping.TRADE_COLUMNS)
    print(table, documents.comparison, *rejects.problems, sep="\n")
    print(f"rejected: {dict(rejects.by_reason)}")
    return 0 if table.is_equal() and documents.comparison.is_equal() and not rejects.problems else 1


if __name__ == "__main__":
    sys.exit(main())
