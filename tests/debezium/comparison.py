"""Record against record and schema against schema. Whatever differs and is not in differences.py is found here."""

import collections
import json
import re
import time
from typing import NamedTuple

from differences import DIFFERENCES, NORMALISED, WRONG_DEFAULTS, Seen

EXAMPLES = 3  # of one path in one topic
SOURCE_TYPE = {"__debezium.source.column.type", "__debezium.source.column.length"}


class Side(NamedTuple):
    prefix: str
    records: list


class Ledger:
    """Which of the intended differences were seen, and how often."""

    def __init__(self):
        self.began = time.time()
        self.seen = dict.fromkeys([difference.name for difference in (*DIFFERENCES, *NORMALISED)], 0)

    def count(self, name):
        self.seen[name] += 1

    def is_intended(self, seen):
        for difference in DIFFERENCES:
            if difference.covers(seen, self.began):
                self.count(difference.name)
                return True
        return False


class Absent:
    """In the place of a field, a header or a part of a schema that one side has not."""

    def __repr__(self):
        return "absent"


ABSENT = Absent()


def flatten(node, path="", lists=False):
    """{dotted path: leaf}. Empty collections are leaves, and lists if they are not to be flattened too."""
    if isinstance(node, dict) and node:
        parts = node.items()
    elif isinstance(node, list) and node and lists:
        parts = enumerate(node)
    else:
        return {path: node}
    found = {}
    for name, child in parts:
        found |= flatten(child, f"{path}.{name}" if path else str(name), lists)
    return found


def same(one, other):
    """NaN is itself; 1 is not 1.0 and not True."""
    return repr(one) == repr(other)


def differing(theirs, ours):
    """(path, Debezium's, leat's) of two flattened trees, in the order of their fields."""
    for path in dict.fromkeys([*theirs, *ours]):
        pair = theirs.get(path, ABSENT), ours.get(path, ABSENT)
        if not same(*pair):
            yield path, *pair


# ---- schemas ----


def schema_tree(schema, prefix, namespace=None):
    """The schema with the topic prefix taken out of its names, and fields under their names; the order of the fields
    is a list beside them. A namespace that is the one around it need not be written."""
    if isinstance(schema, list):
        return [schema_tree(item, prefix, namespace) for item in schema]
    if not isinstance(schema, dict):
        return schema.replace(f"{prefix}.", "<prefix>.") if isinstance(schema, str) else schema
    own = schema.get("namespace", namespace)
    tree = {key: schema_tree(item, prefix, own) for key, item in schema.items()}
    if "namespace" in schema and own == namespace:
        del tree["namespace"]
    if "fields" in schema:
        tree["fields"] = {field["name"]: field for field in tree["fields"]}
        tree["order"] = " ".join(tree["fields"])
    return tree


def without_wrong_default(field, ledger):
    """A field as it is without a default: the zoo's columns of which Debezium's schema has a wrong or illegal one."""
    name = next((name for name, columns in WRONG_DEFAULTS.items() if re.fullmatch(columns, field["name"])), None)
    if name is None or field["default"] is None:
        return field
    ledger.count(name)
    inner, _null = field["type"]
    bare = plain({key: part for key, part in inner.items() if key != "connect.default"})
    return field | {"type": ["null", bare], "default": None}


def with_optional_elements(field, ledger):
    """A field whose array's elements may be NULL: those of Debezium's arrays of enums may not."""
    kind = field["type"]
    nullable = isinstance(kind, list)
    array = kind[-1] if nullable else kind
    items = array.get("items") if isinstance(array, dict) else None
    if not isinstance(items, dict) or items.get("connect.name") != "io.debezium.data.Enum":
        return field
    ledger.count("NULL in an array of enums")
    array = array | {"items": ["null", items]}
    return field | {"type": [kind[0], array] if nullable else array}


def without_source_type(field, ledger):
    """A field without what leat says of the length of a text."""
    branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
    bare = [without_length(branch) for branch in branches]
    if bare == branches:
        return field
    ledger.count("lengths of texts")
    return field | {"type": bare if isinstance(field["type"], list) else bare[0]}


def without_length(inner):
    if not isinstance(inner, dict) or inner["type"] != "string" or set(inner.get("connect.parameters", {})) != SOURCE_TYPE:
        return inner
    return plain({key: part for key, part in inner.items() if key != "connect.parameters"})


def plain(inner):
    """{"type": "string"} is "string"."""
    return inner["type"] if set(inner) == {"type"} else inner


def columns_adjusted(schema, adjust):
    """A Key, or an Envelope with the fields of its Value passed through `adjust`; another schema as it is."""
    if schema is None or schema["name"] not in ("Key", "Envelope") or schema["namespace"].endswith(".message"):
        return schema
    if schema["name"] == "Key":
        return schema | {"fields": [adjust(field) for field in schema["fields"]]}
    before, *others = schema["fields"]
    value = before["type"][1]
    value = value | {"fields": [adjust(field) for field in value["fields"]]}
    return schema | {"fields": [before | {"type": ["null", value]}, *others]}


class Schemas:
    """Each pair of schemas is compared once."""

    def __init__(self, theirs, ours, ledger):
        self.prefixes = theirs, ours
        self.ledger = ledger
        self.compared = set()

    def compare(self, theirs, ours):
        pair = json.dumps(theirs), json.dumps(ours)
        if pair in self.compared:
            return
        self.compared.add(pair)
        if theirs is not None and theirs["namespace"].endswith(".zoo.default_defects"):
            theirs = columns_adjusted(theirs, lambda field: without_wrong_default(field, self.ledger))
        theirs = columns_adjusted(theirs, lambda field: with_optional_elements(field, self.ledger))
        ours = columns_adjusted(ours, lambda field: without_source_type(field, self.ledger))
        trees = [flatten(schema_tree(schema, prefix), lists=True) for schema, prefix in zip((theirs, ours), self.prefixes)]
        yield from differing(*trees)


# ---- topics ----


def short(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:150]}... ({len(text)} characters)"


def describe(record):
    if record.value is None or "source" not in record.value:
        return f"{record.key} {record.value}"
    source = record.value["source"]
    return f"{record.value['op']} {record.key} lsn {source['lsn']} {record.value['after'] or record.value['before']}"


def compare_topic(topic, theirs, ours, ledger):
    """One line for each difference that nobody intended."""
    found = []
    times = collections.Counter()
    schemas = Schemas(theirs.prefix, ours.prefix, ledger)
    if len(theirs.records) != len(ours.records):
        found.append(f"{topic}: Debezium {len(theirs.records)} records, leat {len(ours.records)}")
        found += [f"    Debezium {describe(record)}" for record in theirs.records[:30]]
        found += [f"    leat     {describe(record)}" for record in ours.records[:30]]
    for i, (one, other) in enumerate(zip(theirs.records, ours.records)):
        op = "tombstone" if one.value is None else one.value["op"]
        parts = [
            *(("value", *found) for found in differing(flatten(one.value), flatten(other.value))),
            *(("key", *found) for found in differing(flatten(one.key), flatten(other.key))),
            *(("header", *found) for found in differing(one.headers, other.headers)),
            *(("key schema", *found) for found in schemas.compare(one.key_schema, other.key_schema)),
            *(("value schema", *found) for found in schemas.compare(one.value_schema, other.value_schema)),
        ]
        for part, path, debezium, leat in parts:
            if ledger.is_intended(Seen(topic, op, part, path, debezium, leat, one, other)):
                continue
            times[part, path] += 1
            if times[part, path] <= EXAMPLES:
                found.append(f"{topic} #{i} {op} {part} {path}: Debezium {short(debezium)}, leat {short(leat)}")
    return found + [f"{topic} {part} {path}: {n} times" for (part, path), n in times.items() if n > EXAMPLES]
