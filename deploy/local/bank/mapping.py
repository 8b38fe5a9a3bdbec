"""The declared columns of a collection, read independently of the C program: which row a document becomes, or why it
does not fit (docs/documentdb.md)."""

import datetime
import json
import math
import uuid
from typing import NamedTuple

import bson
import bson.json_util

TRADE_COLUMNS = [
    {"column": "id", "path": "id", "type": "string", "required": True},
    {"column": "asks", "path": "details.asks", "type": "json", "required": True},
    {"column": "bids", "path": "details.bids", "type": "json", "required": True},
    {"column": "lag", "path": "details.lag", "type": "int", "required": True},
    {"column": "system", "path": "details.system", "type": "string", "required": True},
    {"column": "price", "path": "price", "type": "int", "required": True},
    {"column": "shares", "path": "shares", "type": "int", "required": True},
    {"column": "ticker", "path": "ticker", "type": "string", "required": True},
    {"column": "ticket", "path": "ticket", "type": "string", "required": True},
    {"column": "time_date", "path": "time.date", "type": "timestamp", "required": True},
]
INT_MIN, INT_MAX = -(1 << 31), (1 << 31) - 1
ABSENT = object()


class Unfit(NamedTuple):
    code: str
    path: str


class Misfit(ValueError):
    """Carries an Unfit."""

    def __init__(self, code, path):
        super().__init__(code, path)
        self.unfit = Unfit(code, path)


def value_at(document, path):
    for name in path.split("."):
        if not isinstance(document, dict) or name not in document:
            return ABSENT
        document = document[name]
    return document


def plain_json(value):
    """A BSON value as the JSON that SUPER shows, parsed."""
    if isinstance(value, dict):
        return {name: plain_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain_json(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, float) and value.is_integer():  # JSON has one kind of number
        return int(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, (bson.ObjectId, bson.Decimal128, uuid.UUID)):
        return str(value)
    return value


def _integer(value, path):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != math.floor(value):
        raise Misfit("DOC_WRONG_TYPE", path)
    if not INT_MIN <= value <= INT_MAX:
        raise Misfit("DOC_OUT_OF_RANGE", path)
    return int(value)


def _instance_of(kind, convert=lambda value: value):
    def check(value, path):
        if not isinstance(value, kind):
            raise Misfit("DOC_WRONG_TYPE", path)
        return convert(value)

    return check


CONVERTERS = {
    "string": _instance_of(str),
    "int": _integer,
    "bool": _instance_of(bool),
    "timestamp": _instance_of(datetime.datetime),
    "json": lambda value, _path: plain_json(value),
}


def key_text(identity):
    """An _id as the key column and reject records have it; one that is JSON in the form of canonical_key()."""
    if isinstance(identity, (str, bson.ObjectId)):
        return str(identity)
    extended = bson.json_util.dumps(identity, json_options=bson.json_util.CANONICAL_JSON_OPTIONS)
    return canonical_key(extended)


def canonical_key(text):
    """Blanks in a key that is JSON do not matter."""
    return json.dumps(json.loads(text)) if text.startswith("{") else text


def row_of(document, columns):
    """{column: value}; raises Misfit."""
    row = {"_id": key_text(document["_id"])}
    for column in columns:
        value = value_at(document, column["path"])
        if value is ABSENT or value is None:
            if column.get("required"):
                raise Misfit("DOC_MISSING_FIELD", column["path"])
            row[column["column"]] = None
        else:
            row[column["column"]] = CONVERTERS[column["type"]](value, column["path"])
    return row


def unfit(document, columns):
    """None when the document fits."""
    try:
        row_of(document, columns)
    except Misfit as misfit:
        return misfit.unfit
    return None


def canonical(value):
    """For comparing JSON whose members may stand in another order, and whose numbers may be written 1 or 1.0."""
    return json.dumps(plain_json(value), sort_keys=True, ensure_ascii=False)
