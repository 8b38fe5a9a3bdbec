"""The comparison finds what differs: it would be worth nothing if it let something pass."""

import copy

import pytest

from comparison import Ledger, Side, compare_topic
from records import Record

KEY_SCHEMA = {"type": "record", "name": "Key", "namespace": "theirs.public.t",
              "fields": [{"name": "id", "type": "int"}], "connect.name": "theirs.public.t.Key"}  # fmt: skip
ROW = {"type": "record", "name": "Value", "connect.name": "theirs.public.t.Value",
       "fields": [{"name": "id", "type": "int"}, {"name": "v", "type": ["null", "string"], "default": None}]}  # fmt: skip
VALUE_SCHEMA = {"type": "record", "name": "Envelope", "namespace": "theirs.public.t", "connect.version": 2,
                "fields": [{"name": "before", "type": ["null", ROW], "default": None},
                           {"name": "after", "type": ["null", "Value"], "default": None}]}  # fmt: skip
SOURCE = {"name": "theirs", "lsn": 7, "snapshot": "false", "sequence": '["5","7"]', "ts_ms": 1, "version": "3.6.3.Final"}


def record():
    value = {"before": None, "after": {"id": 1, "v": "a"}, "source": dict(SOURCE), "op": "c", "ts_ms": 10**12}
    schemas = copy.deepcopy(KEY_SCHEMA), copy.deepcopy(VALUE_SCHEMA)
    return Record({"id": 1}, value, {"__debezium.oldkey": b"{}"}, *schemas)


def changed(*path, value):
    """A record in which one place is another."""
    made = record()
    node = made
    for step in path[:-1]:
        node = getattr(node, step) if isinstance(node, Record) else node[step]
    node[path[-1]] = value
    return made


ROW_FIELDS = ("value_schema", "fields", 0, "type", 1, "fields")
CHANGES = {
    "a value": changed("value", "after", "v", value="b"),
    "null": changed("value", "after", "v", value=None),
    "another type of the same number": changed("value", "after", "id", value=1.0),
    "an image that is not there": changed("value", "before", value={"id": 1, "v": "a"}),
    "the operation": changed("value", "op", value="u"),
    "a position in the stream": changed("value", "source", "lsn", value=8),
    "the commit before": changed("value", "source", "sequence", value='["6","7"]'),
    "the time of a commit": changed("value", "source", "ts_ms", value=2),
    "a row of a copy": changed("value", "source", "snapshot", value="true"),
    "a key": changed("key", "id", value=2),
    "a header": changed("headers", "__debezium.oldkey", value=b"{1}"),
    "a header more": changed("headers", "other", value=b""),
    "a name of a schema": changed("value_schema", "name", value="Event"),
    "a namespace": changed("value_schema", "namespace", value="theirs.public.u"),
    "a connect.name": changed("key_schema", "connect.name", value="theirs.public.t.Value"),
    "a version": changed("value_schema", "connect.version", value=1),
    "a field's type": changed(*ROW_FIELDS, 0, "type", value="long"),
    "optionality": changed(*ROW_FIELDS, 1, "type", value="string"),
    "a default of ours": changed(*ROW_FIELDS, 1, "default", value="x"),
    "the order of fields": changed(*ROW_FIELDS, value=list(reversed(ROW["fields"]))),
}


def compare(ours, n=1):
    theirs = Side("theirs", [record()])
    return compare_topic("public.t", theirs, Side("theirs", [ours] * n), Ledger())


def test_equal_records_are_equal():
    assert compare(record()) == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_difference_is_found(change):
    assert compare(CHANGES[change]) != []


@pytest.mark.parametrize("n", [0, 2])
def test_a_record_too_few_or_too_many_is_found(n):
    assert compare(record(), n) != []


def test_a_missing_schema_is_found():
    assert compare(record()._replace(key_schema=None)) != []
