"""Where leat's events are meant to differ from Debezium's, and why. docs/debezium.md says the same to its readers;
test_documented.py holds the two against each other."""

import json
import re
import struct
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
    topic: str = ".*"  # regular expression, of the name without the prefix

    def covers(self, seen, began):
        return (
            seen.part == self.part
            and (not self.ops or seen.op in self.ops)
            and re.fullmatch(self.path, seen.path) is not None
            and re.fullmatch(self.topic, seen.topic) is not None
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


def no_values(value, _seen, _began):
    return value is None or value == []


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


def field_of(seen):
    """Debezium's field of the column that a path into a row is about; {}: it has none."""
    if seen.theirs.value_schema is None:
        return {}
    column = seen.path.split(".")[1]
    row = seen.theirs.value_schema["fields"][0]["type"][1]
    return next((field for field in row["fields"] if field["name"] == column), {})


def name_of_type(seen):
    kind = field_of(seen).get("type")
    kind = kind[-1] if isinstance(kind, list) else kind
    return kind.get("connect.name") if isinstance(kind, dict) else kind


def default_of_column(value, seen, _began):
    """As it stands in the schema: bytes are characters there, a float has the digits that it needs."""
    default = field_of(seen).get("default")
    if isinstance(value, bytes):
        return value == default.encode("latin-1")
    if isinstance(value, float):
        rounded = struct.unpack("f", struct.pack("f", float(default)))[0]
        return repr(value) in (repr(float(default)), repr(rounded))
    return value is not None and default == value


def day_before_gregory(value, seen, _began):
    """A day before 1582-10-15, counted as if the Gregorian calendar had been there."""
    name = name_of_type(seen)
    if value is None:
        return False
    if name == "io.debezium.time.IsoDate":
        return value.startswith("-") or value < "1582-10-15"
    return name in ("io.debezium.time.Date", "org.apache.kafka.connect.data.Date") and value < -141427


def same_json(value, seen, _began):
    """The members of an object stand in another order."""
    return name_of_type(seen) == "io.debezium.data.Json" and json.loads(value) == json.loads(seen.leat)


def text(value, _seen, _began):
    return isinstance(value, str)


def order_without_left_out(value, seen, _began):
    return " ".join(name for name in value.split() if not re.fullmatch(LEFT_OUT, name)) == seen.debezium


def last_nanosecond(value, _seen, _began):
    return value in (86399999, 86399999999, 86399999999999, "23:59:59.999999999Z")


def midnight(value, _seen, _began):
    return value in (86400000, 86400000000, 86400000000000, "24:00:00Z")


# Columns of the zoo that are not in Debezium's events.
LEFT_OUT = (
    "c_(box|circle|line|lseg|path|polygon|tsquery|pg_lsn|txid_snapshot|composite|regclass|tid|xid)"
    "|a_(money|interval|xml|point|box|name|varbit|composite)"
)
LOST = "c_int2vector|a_bit"
# Columns of zoo.default_defects by the name of their difference.
WRONG_DEFAULTS = {"defaults that are expressions": "e_.*", "infinity and NaN as defaults": "i_.*"}
OTHER_TYPES = "Debezium leaves out columns of types that it does not know, unless include.unknown.datatypes is set"
DEFAULTED = "a defect of Kafka Connect (KAFKA-8713): it writes the default in the place of NULL"
LOST_VALUES = "a defect of Debezium: its values are empty or NULL"
PROCESSING = "when each of them handled the event"
COPY = "each has made its copy at a point of its own"
ENDS = (
    "leat copies chunks side by side, some of them again after a kill: "
    "which row is the last is not known when it is written"
)

# fmt: off
DIFFERENCES = [
    Difference("processing time", PROCESSING, "value", r"ts_ms", clock(1e3), clock(1e3)),
    Difference("processing time", PROCESSING, "value", r"ts_us", clock(1e6), clock(1e6)),
    Difference("processing time", PROCESSING, "value", r"ts_ns", clock(1e9), clock(1e9)),
    Difference("time of a message of no transaction", "a defect of Debezium: that of the last transaction", "value",
               r"source\.ts_us", clock(1e6), clock(1e6), "m", "message"),
    Difference("time of a message of no transaction", "a defect of Debezium: that of the last transaction", "value",
               r"source\.ts_ms", clock(1e3), clock(1e3), "m", "message"),
    Difference("time of a message of no transaction", "a defect of Debezium: that of the last transaction", "value",
               r"source\.ts_ns", clock(1e9), clock(1e9), "m", "message"),
    Difference("version", "each names its own", "value", r"source\.version", "3.6.3.Final", anything),
    Difference("topic prefix", "the test gives each its own", "value", r"source\.name", anything, anything),
    Difference("leat's headers", "a reader of Debezium's events ignores them", "header",
               r"leat\.(pos|unchanged|moved_from)", absent, anything),
    Difference("Debezium's context headers", "they name a task of Kafka Connect", "header",
               r"__debezium\.context\.(connectorLogicalName|taskId|connectorName|runId)", anything, absent),
    Difference("positions of a copy", COPY, "value", r"source\.(lsn|ts_ms|ts_us|ts_ns)", number, number, "r"),
    Difference("positions of a copy", COPY, "value", r"source\.sequence", sequence_of_copy, sequence_of_copy, "r"),
    Difference("transaction of a copy", "Debezium gives the number of its own reading transaction, which changed nothing",
               "value", r"source\.txId", number, None, "r"),
    Difference("ends of a copy", ENDS,
               "value", r"source\.snapshot", ends_of_copy, "true", "r"),
    Difference("NULL where a column has a default", DEFAULTED,
               "value", r"(before|after)\.[^.]+", default_of_column, None),
    Difference("24:00 as a default", "a defect of Debezium: it is read as the end of the last nanosecond", "value schema",
               r"fields\.before\.type\.1\.fields\.c_midnight\.(default|type\.0\.connect\.default)", last_nanosecond, midnight),
    Difference("a quote in the default of an enum", "a defect of Debezium: it stays doubled, which is no label of the enum",
               "value schema", r"fields\.before\.type\.1\.fields\.c_mood\.(default|type\.0\.connect\.default)", "it''s", "it's"),
    *(
        Difference("identity by another index",
                   "a defect of Debezium: deletes do not carry its key, it writes zeros for it",
                   part, r".+", anything, anything, topic=r"no_keys\.beside.*")
        for part in ("key", "key schema")
    ),
    *(
        Difference("unique indexes that are no keys", "a defect of Debezium: different rows, or one row twice, have one key",
                   part, r".+", anything, anything, topic=r"no_keys\.(partial|nullable|included|late)")
        for part in ("key", "key schema")
    ),
    Difference("labels that an enum gains", "a defect of Debezium (mended in 3.7): it reads the labels of a type once",
               "value schema", r"fields\.before\.type\.1\.fields\.ms?\.type\.1\.(items\.1\.)?connect\.parameters\.allowed",
               "good,bad", "good,awful,new", topic=r"public\.altered_enum"),
    Difference("order of an hstore's keys", "Debezium's is that of a Java hash table, leat's is PostgreSQL's",
               "value", r"(before|after)\.[^.]+", same_json, text, topic=r"zoo\.extensions"),
    Difference("dates before 1582-10-15", "a defect of Debezium: it reads them in the Julian calendar, and only in a copy",
               "value", r"(before|after)\.[^.]+", anything, day_before_gregory, "r"),
    Difference("24:00 in mode isostring", "a defect of Debezium: a day has an end", "value", r"(before|after)\.[^.]+",
               "00:00:00Z", "24:00:00Z"),
    Difference("columns of type name", "a defect of Debezium: NULL in the stream, whatever the value",
               "value", r"(before|after)\.c_name", None, text, "cud", r"zoo\.text"),
    Difference("types that Debezium leaves out", OTHER_TYPES,
               "value", rf"(before|after)\.({LEFT_OUT})(\..+)?", absent, anything, topic=r"zoo\.left_out"),
    Difference("types that Debezium leaves out", OTHER_TYPES,
               "value schema", rf"fields\.before\.type\.1\.fields\.({LEFT_OUT})\..+", absent, anything,
               topic=r"zoo\.left_out"),
    Difference("types that Debezium leaves out", OTHER_TYPES, "value schema", r"fields\.before\.type\.1\.order",
               text, order_without_left_out, topic=r"zoo\.left_out"),
    Difference("int2vector and arrays of bit", LOST_VALUES,
               "value", rf"(before|after)\.({LOST})", no_values, anything, topic=r"zoo\.left_out"),
    Difference("int2vector and arrays of bit", LOST_VALUES, "value schema",
               rf"fields\.before\.type\.1\.fields\.({LOST})\.type\.1(\..+)?", anything, anything,
               topic=r"zoo\.left_out"),
]
# fmt: on

NORMALISED = [
    Normalised("defaults that are expressions", "a defect of Debezium: a part of the expression is not its value"),
    Normalised("infinity and NaN as defaults", "a defect of Debezium: Avro allows neither, and the date is another one"),
    Normalised("NULL in an array of enums", "Debezium's schema does not allow it"),
    Normalised("lengths of texts", "the sink makes its columns as long"),
    Normalised("topics of empty tables", "leat makes a topic when it learns of the table, Debezium with the first event"),
]  # fmt: skip
