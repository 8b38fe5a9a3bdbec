"""What COPY may put into a column: a pattern for the fields that pass as they are, and the check for all others."""
import datetime
import json
import re
from decimal import Decimal, InvalidOperation

MAX_FAST_SUPER = 1900
MAX_SUPER_STRING, MAX_SUPER_DEPTH, MAX_SUPER_BYTES = 65535, 1000, 16 << 20
DATE = (rb"(?!0000)\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
        rb"|(?:0[13578]|1[02])-31)")
TIME = rb"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
ZONE = rb"(?:[+-](?:0\d|1[0-4])(?::?[0-5]\d)?|Z)"
DATE_TEXT = re.compile(r"(\d{4,6})-(\d{1,2})-(\d{1,2})$")
TIME_TEXT = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d+))?$")
ZONE_TEXT = re.compile(r"\s*(?:([+-])(\d{1,2})(?::?(\d{2}))?|Z|UTC|GMT)$", re.I)
JSON_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|\s+', re.S)
FLOAT_TEXT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$")
INTEGER_RANGE = {"smallint": (-2**15, 2**15 - 1), "integer": (-2**31, 2**31 - 1), "bigint": (-2**63, 2**63 - 1)}
INTEGER_NAME = {"smallint": "Short", "integer": "Integer", "bigint": "Long"}
TRUE, FALSE = {"t", "true", "y", "yes", "1"}, {"f", "false", "n", "no", "0"}


class FieldError(Exception):
    def __init__(self, code, reason, position=0):
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.position = position


class Column:
    """kind is Redshift's name of the type, size its length or precision."""

    def __init__(self, name, kind, size=None, scale=None, not_null=False, has_default=False, identity=""):
        self.name = name
        self.kind = kind
        self.size = size
        self.scale = scale
        self.not_null = not_null
        self.has_default = has_default
        self.identity = identity
        self.is_text = kind in ("character varying", "character")

    def pattern(self, delimiter, quote, auto_time):
        """Bytes that PostgreSQL may read as they stand; None when every field has to be looked at."""
        kind = self.kind
        if self.is_text:
            stop = re.escape(delimiter + quote)
            size = min(self.size, 65535)
            wide = b"\x80-\xff" if kind == "character varying" else b""
            plain = b"[^" + stop + b"\\x00-\\x1f" + (b"" if wide else b"\\x80-\\xff") + b" \\\\]"
            inner = b"[^" + stop + b"\\x00-\\x1f" + (b"" if wide else b"\\x80-\\xff") + b"]"
            bare = b"(?:" + plain + inner + b"{0,%d}+)?" % max(0, size - 1)
            quoted = (re.escape(quote) + b"[^" + re.escape(quote) + b"\\x00\\n" + (b"" if wide else b"\\x80-\\xff")
                      + b"]{0,%d}+" % size + re.escape(quote) + b"(?!" + re.escape(quote) + b")")
            return b"(?:" + quoted + b"|" + bare + b"|" + _doubled(quote, size, wide) + b")"
        if kind in INTEGER_RANGE:
            return b"-?\\d{1,%d}+" % {"smallint": 4, "integer": 9, "bigint": 18}[kind]
        if kind == "numeric":
            whole = min(self.size, 18 if self.size <= 19 else 38) - self.scale
            if whole < 1:
                return None
            return b"-?\\d{1,%d}+" % whole + (b"(?:\\.\\d{0,%d}+)?+" % self.scale if self.scale else b"")
        if kind == "double precision":
            return rb"-?\d{1,15}+(?:\.\d{0,17}+)?+(?:[eE][+-]?\d{1,2})?+"
        if kind == "real":
            return rb"-?\d{1,15}+(?:\.\d{0,17}+)?+(?:[eE][+-]?\d)?+"
        if kind == "boolean":
            return rb"(?:true|false|t|f|1|0|yes|no|y|n)"
        if kind == "date":
            return DATE
        if kind == "timestamp without time zone":
            return DATE + (b"[ T]" if auto_time else b" ") + TIME
        if kind == "super":
            return _compact_json(quote)
        if kind == "timestamp with time zone":
            return DATE + (b"[ T]" if auto_time else b" ") + TIME + ZONE + b"?"
        return None

    def load(self, text, quoted, options):
        """The text for PostgreSQL, or None for NULL; FieldError when Redshift would not load it."""
        if self.is_text:
            return self._load_text(text)
        if text == "" and not quoted or text.strip() == "":
            return None
        return LOADERS[self.kind](self, text, options)

    def _load_text(self, text):
        size = len(text.encode("utf-8"))
        if self.kind == "character" and size != len(text):
            raise FieldError(1220, "Multibyte character not supported for CHAR "
                                   "(Hint: try using VARCHAR). Invalid char: "
                                   + " ".join(f"{b:02x}" for b in next(c for c in text if ord(c) > 127).encode()))
        if size > self.size:
            cut = text.rstrip(" ")
            if len(cut.encode("utf-8")) > self.size:
                raise FieldError(1204, "String length exceeds DDL length", self.size)
            text = cut + " " * (self.size - len(cut.encode("utf-8")))
        return text

    def truncate(self, text):
        return text.encode("utf-8")[:self.size].decode("utf-8", "ignore")


def _doubled(quote, size, wide):
    """A quoted field with doubled quotes inside; it fits for certain when the rest of the line does."""
    mark = re.escape(quote)
    inner = b"[^" + mark + b"\\x00\\n" + (b"" if wide else b"\\x80-\\xff") + b"]*+"
    return mark + b"(?![^\\n]{%d})" % (size + 1) + inner + b"(?:" + mark * 2 + inner + b")*+" + mark


def _compact_json(quote):
    """Numbers, true, false, and quoted arrays and objects that are short and hold neither blanks nor backslashes:
    no limit of SUPER can be exceeded, and PostgreSQL's own JSON parser judges the rest."""
    mark = re.escape(quote)
    inner = b"[^" + mark + b"\\x00-\\x20\\\\]*+"
    return (b"(?:" + mark + b"(?=[\\[{])(?![^\\n]{%d})" % MAX_FAST_SUPER + inner + b"(?:" + mark * 2 + inner + b")*+"
            + mark + rb"|-?(?:0|[1-9]\d{0,17}+)(?:\.\d{1,17}+)?+|true|false)")


def _integer(column, text, options):
    digits = text.strip()
    body = digits[1:] if digits[:1] in "+-" else digits
    name = INTEGER_NAME[column.kind]
    if not body.isdecimal() or not body.isascii():
        for at, c in enumerate(digits):
            if not (c.isdecimal() and c.isascii()) and not (at == 0 and c in "+-"):
                raise FieldError(1207, f"Invalid digit, Value '{c}', Pos {at}, Type: {name}", at)
        raise FieldError(1207, f"Invalid digit, Value '', Pos 0, Type: {name}")
    low, high = INTEGER_RANGE[column.kind]
    if not low <= int(digits) <= high:
        raise FieldError(1222, f"Overflow for {name}: {digits}"[:100])
    return digits


def _numeric(column, text, options):
    digits = text.strip()
    if digits.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise FieldError(1209, f"Invalid digit, Value '{digits[0]}', Pos 0, Type: Decimal")
    for at, c in enumerate(digits):
        if not (c in "0123456789." or at == 0 and c in "+-"):
            raise FieldError(1207, f"Invalid digit, Value '{c}', Pos {at}, Type: Decimal", at)
    try:
        value = Decimal(digits)
    except InvalidOperation as error:
        raise FieldError(1209, f"Invalid decimal format: {digits}"[:100]) from error
    whole, _, fraction = digits.partition(".")
    if len(fraction) > column.scale:
        if options.get("roundec"):
            step = Decimal(1).scaleb(-column.scale)
            value = (abs(value) + step / 2) // step * step * (-1 if value < 0 else 1)
            digits = format(value, "f")
        else:
            digits = whole + ("." + fraction[:column.scale] if column.scale else "")
    shifted = int(abs(Decimal(digits or "0")).scaleb(column.scale)) if digits not in ("", "-", "+") else 0
    if shifted >= 10 ** column.size or (column.size <= 19 and shifted > 2**63 - 1):
        raise FieldError(1207, f"Overflow, Value '{whole}', Type: Decimal"[:100])
    return digits if digits not in ("-", "+", "") else "0"


def _float(column, text, options):
    digits = text.strip()
    if not FLOAT_TEXT.match(digits):
        raise FieldError(1208, f"Invalid float format: {digits}"[:100])
    value = abs(float(digits))
    limit = 3.4028235e38 if column.kind == "real" else 1.7976931348623157e308
    if value > limit:
        raise FieldError(1204, f"Float out of range: {digits}"[:100])
    if value and value < (1.1754944e-38 if column.kind == "real" else 2.2250738585072014e-308):
        return "0"
    return digits


def _boolean(column, text, options):
    word = text.strip().lower()
    if word not in TRUE and word not in FALSE:
        raise FieldError(1210, "Unknown boolean format")
    return "t" if word in TRUE else "f"


def _check_date(text, code, reason):
    match = DATE_TEXT.match(text)
    if match is None:
        raise FieldError(code, reason)
    year, month, day = (int(part) for part in match.groups())
    leap_year = 2000 + year % 400
    try:
        datetime.date(leap_year, month, day)
    except ValueError as error:
        raise FieldError(code, reason) from error
    if not 1 <= year <= 294276:
        raise FieldError(code, reason)


def _check_time(text, code, reason):
    match = TIME_TEXT.match(text)
    if match is None or len(match.group(4) or "") > 6:
        raise FieldError(code, reason)
    hour, minute, second = (int(part) for part in match.groups()[:3])
    if not (hour < 24 and minute < 60 and second < 60) and not (hour == 24 and minute == second == 0):
        raise FieldError(code, reason)


def _date(column, text, options):
    reason = "Invalid Date Format - length must be 10 or more"
    value = text.strip()
    if options.get("dateformat", "").lower() == "auto" and len(value) > 10 and value[10] in " T":
        value = value[:10]
    _check_date(value, 1205, reason)
    return value


def _timestamp(column, text, options):
    reason = "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"
    value = text.strip()
    timeformat = options.get("timeformat", "")
    if timeformat in ("epochsecs", "epochmillisecs"):
        try:
            seconds = Decimal(value) / (1000 if timeformat == "epochmillisecs" else 1)
            moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=int(seconds * 1000000))
        except (InvalidOperation, OverflowError) as error:
            raise FieldError(1206, reason) from error
        return moment.isoformat(" ") + "+00"
    if "T" in value.upper() and timeformat != "auto":
        raise FieldError(1206, reason)
    separator = "T" if "T" in value[:11] else " "
    day, _, rest = value.partition(separator)
    if not rest and timeformat == "auto":
        _check_date(day, 1206, reason)
        return value
    zone = ZONE_TEXT.search(rest)
    clock = rest[:zone.start()] if zone else rest
    _check_date(day, 1206, reason)
    _check_time(clock, 1206, reason)
    return f"{day} {clock}" + (zone.group().strip() if zone and column.kind.endswith("with time zone") else "")


def _time(column, text, options):
    reason = "Invalid time format or value"
    value = text.strip()
    zone = ZONE_TEXT.search(value)
    _check_time(value[:zone.start()] if zone else value, 1206, reason)
    return value


def _varbyte(column, text, options):
    value = text.strip()
    try:
        raw = bytes.fromhex(value)
    except ValueError as error:
        raise FieldError(1207, "Invalid hexadecimal digit in a VARBYTE value") from error
    if any(c.isspace() for c in value):
        raise FieldError(1207, "Invalid hexadecimal digit in a VARBYTE value")
    if len(raw) > column.size:
        raise FieldError(1204, "String length exceeds DDL length")
    return "\\x" + value


def _refuse_constant(text):
    raise ValueError(text)


def _walk(value):
    """Longest string in bytes, keys included."""
    stack, longest = [value], 0
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            longest = max(longest, len(item.encode("utf-8", "surrogatepass")))
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
    return longest


def depth_of(text):
    depth = deepest = 0
    inside = False
    skip = False
    for c in text:
        if skip:
            skip = False
        elif inside:
            if c == "\\":
                skip = True
            elif c == '"':
                inside = False
        elif c == '"':
            inside = True
        elif c in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in "]}":
            depth -= 1
    return deepest


def check_super(text):
    """Compact JSON text of a SUPER value."""
    size = len(text) if text.isascii() else len(text.encode("utf-8"))
    if size > MAX_SUPER_BYTES:
        raise FieldError(1224, "SUPER value exceeds the maximum size of 16 MB")
    if text.count("[") + text.count("{") > MAX_SUPER_DEPTH and depth_of(text) > MAX_SUPER_DEPTH:
        raise FieldError(1224, "SUPER value exceeds the maximum nesting depth of 1000")
    if "\\u0000" in text:
        raise FieldError(1224, "SUPER value contains a NUL character")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FieldError(1224, f"JSON parsing error, {error}"[:100]) from error
    if size > MAX_SUPER_STRING and _walk(value) > MAX_SUPER_STRING:
        raise FieldError(1224, "String value exceeds the max size of 65535 bytes")
    if " " in text or "\n" in text or "\t" in text or "\r" in text:
        text = JSON_SPACE.sub(r"\1", text)
    return text


def _super(column, text, options):
    value = check_super(text)
    if value == "null" and options["json_null_in_super"] == "sqlnull":
        return None
    return value


LOADERS = {
    "smallint": _integer, "integer": _integer, "bigint": _integer, "numeric": _numeric, "real": _float,
    "double precision": _float, "boolean": _boolean, "date": _date, "timestamp without time zone": _timestamp,
    "timestamp with time zone": _timestamp, "time without time zone": _time, "time with time zone": _time,
    "binary varying": _varbyte, "super": _super,
}
