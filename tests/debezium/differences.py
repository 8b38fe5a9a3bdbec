"""Where leat's events are meant to differ from Debezium's, and why. docs/debezium.md says the same to its readers;
test_documented.py holds the two against each other."""

import re
from typing import NamedTuple


class Seen(NamedTuple):
    """One difference between two records."""

    topic: str  # without the prefix
    op: str  # of Debezium's record; "tombstone"
    part: str  # key, value, header, key schema, value schema
    path: str  # dotted
    debezium: object
    leat: object
    theirs: object  # the records
    ours: object


class Difference(NamedTuple):
    name: str  # the heading in docs/debezium.md
    reason: str
    part: str
    path: str  # regular expression, of the whole path
    debezium: object  # the value, or a function that says whether it may be this one: (value, Seen, seconds of the start)
    leat: object
    ops: str = ""  # only in events with one of these; "": in all

    def covers(self, seen, began):
        return (
            seen.part == self.part
            and (not self.ops or seen.op in self.ops)
            and re.fullmatch(self.path, seen.path) is not None
            and fits(self.debezium, seen.debezium, seen, began)
            and fits(self.leat, seen.leat, seen, began)
        )


class Normalised(NamedTuple):
    """What is taken out before topics and schemas are compared: twin.py, comparison.py."""

    name: str
    reason: str


# ---- what a value may be ----


def fits(want, value, seen, began):
    return want(value, seen, began) if callable(want) else want == value


def absent(value, _seen, _began):
    return repr(value) == "absent"


def anything(_value, _seen, _began):
    return True


def number(value, _seen, _began):
    return isinstance(value, int)


def clock(unit):
    """The wall clock while the tests ran."""
    return lambda value, _seen, began: isinstance(value, int) and began - 1 <= value / unit <= began + 7200


def sequence_of_copy(value, seen, _began):
    source = (seen.theirs if value == seen.debezium else seen.ours).value["source"]
    return value == f'[null,"{source["lsn"]}"]'


def ends_of_copy(value, _seen, _began):
    return value in ("first", "first_in_data_collection", "last_in_data_collection", "last")


def default_of_column(value, seen, _began):
    """The default that Debezium's schema has for the column that the path is about."""
    if seen.theirs.value_schema is None:
        return False
    column = seen.path.split(".")[1]
    row = seen.theirs.value_schema["fields"][0]["type"][1]
    defaults = {field["name"]: field.get("default") for field in row["fields"]}
    return value is not None and defaults.get(column) == value


def zero(value, _seen, _began):
    return value in ("", b"", b"\0", 0) and value is not None


PROCESSING = "when each of them handled the event"
COPY = "each has made its copy at a point of its own"

# fmt: off
DIFFERENCES = [
    Difference("processing time", PROCESSING, "value", r"ts_ms", clock(1e3), clock(1e3)),
    Difference("processing time", PROCESSING, "value", r"ts_us", clock(1e6), clock(1e6)),
    Difference("processing time", PROCESSING, "value", r"ts_ns", clock(1e9), clock(1e9)),
    Difference("version", "each names its own", "value", r"source\.version", "3.6.3.Final", anything),
    Difference("topic prefix", "the test gives each its own", "value", r"source\.name", anything, anything),
    Difference("leat's headers", "a reader of Debezium's events ignores them", "header",
               r"leat\.(pos|unchanged|moved_from)", absent, anything),
    Difference("Debezium's context headers", "they name a Connect task", "header",
               r"__debezium\.context\.(connectorLogicalName|taskId|connectorName|runId)", anything, absent),
    Difference("positions of a copy", COPY, "value", r"source\.(lsn|ts_ms|ts_us|ts_ns)", number, number, "r"),
    Difference("positions of a copy", COPY, "value", r"source\.sequence", sequence_of_copy, sequence_of_copy, "r"),
    Difference("transaction of a copy", "Debezium gives the number of its own reading transaction, which changed nothing",
               "value", r"source\.txId", number, None, "r"),
    Difference("ends of a copy", "leat copies tables in parallel: no row is the first or the last",
               "value", r"source\.snapshot", ends_of_copy, "true", "r"),
    Difference("NULL where a column has a default", "a Connect converter writes the default in its place",
               "value", r"(before|after)\.[^.]+", default_of_column, None),
    Difference("NULL where a column has a default", "the same, for a required column of which only the key travelled",
               "value", r"before\.[^.]+", default_of_column, zero),
]
# fmt: on

NORMALISED = [
    Normalised("column defaults", "the stream does not say when a default changes, and a Connect converter writes the "
               "default where a column holds NULL"),
    Normalised("lengths of texts", "the sink makes its columns as long"),
    Normalised("topics of empty tables", "leat makes a topic when it learns of the table, Debezium with the first event"),
]  # fmt: skip
