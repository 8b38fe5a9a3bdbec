"""Rows of a COPY: raw bytes in, checked CSV for PostgreSQL out. Runs of rows that a pattern accepts pass unchanged."""
import json
import re

from .column import FieldError

MAX_ROW_BYTES = 4 << 20


class RowError(Exception):
    """One row that does not load: goes to the load-error views."""

    def __init__(self, code, reason, line, raw, column=None, value="", position=0):
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.line = line
        self.raw = raw
        self.column = column
        self.value = value
        self.position = position


class Incomplete(Exception):
    """The rest of the record has not been read yet."""


class Format:
    """What all files of one COPY share. marker is the NULL text that PostgreSQL is told."""

    def __init__(self, spec, columns, switches):
        self.spec = spec
        self.columns = columns
        self.options = dict(spec.options)
        self.options["json_null_in_super"] = switches["json_null_in_super"]
        self.quoted_null = switches["quoted_null"]
        self.null = spec.get("null", "\\N")
        csv = spec.format == "csv"
        self.delimiter = spec.get("delimiter", "," if csv else "|")
        self.quote = spec.get("quote", '"')
        self.same = csv and not any(c in self.null for c in (self.delimiter, self.quote, "\n", "\r", '"')) \
            and self.delimiter not in "\r\n" and self.null != ""
        self.out_delimiter = self.delimiter if self.same else ","
        self.out_quote = self.quote if self.same else '"'
        self.marker = self.null if self.same else "\\N"
        self.fast = self._fast_pattern() if self.same else None

    def copy_sql(self, target, quoted_names):
        def literal(text):
            return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
        force = f", FORCE_NULL ({', '.join(quoted_names)})" if self.quoted_null == "match" and self.same else ""
        return (f"COPY {target} ({', '.join(quoted_names)}) FROM STDIN WITH (FORMAT csv, "
                f"DELIMITER {literal(self.out_delimiter)}, QUOTE {literal(self.out_quote)}, "
                f"ESCAPE {literal(self.out_quote)}, NULL {literal(self.marker)}{force})")

    def _fast_pattern(self):
        for name in ("emptyasnull", "blanksasnull", "trimblanks", "ignoreblanklines", "dateformat"):
            if self.spec.has(name) and not (name == "dateformat" and self.spec.get(name) == "auto"):
                return None
        if self.spec.get("timeformat", "auto") != "auto":
            return None
        auto = self.spec.get("timeformat") == "auto"
        delimiter, quote = self.delimiter.encode(), self.quote.encode()
        marker = re.escape(self.null.encode())
        parts = []
        for column in self.columns:
            pattern = column.pattern(delimiter, quote, auto)
            if pattern is None:
                return None
            parts.append(pattern if column.not_null else b"(?:" + marker + b"|" + pattern + b")")
        if len(parts) == 1:
            return None
        if sum(column.size or 40 for column in self.columns) > MAX_ROW_BYTES:
            return None
        not_null = b""
        if any(column.not_null and column.is_text for column in self.columns):
            not_null = self._not_null_text(marker, re.escape(delimiter), re.escape(quote))
        row = b"(?>" + not_null + re.escape(delimiter).join(parts) + b"\\n)"
        return re.compile(b"(?:" + row + b")*+", re.S)

    def _not_null_text(self, marker, delimiter, quote):
        """A look-ahead that leaves rows with the marker in them to the slow path."""
        return b"(?![^\\n]*" + marker + b")"

    def encode(self, values):
        """One CSV line for PostgreSQL: a value is quoted unless it is plainly harmless."""
        out = []
        quote = self.out_quote
        for value in values:
            if value is None:
                out.append(self.marker)
            else:
                out.append(quote + value.replace(quote, quote + quote) + quote)
        return (self.out_delimiter.join(out) + "\n").encode("utf-8")

    def convert(self, fields, line, raw):
        """Fields as [(text, quoted)] to values for PostgreSQL."""
        columns = self.columns
        if len(fields) > len(columns):
            raise RowError(1202, "Extra column(s) found", line, raw)
        if len(fields) < len(columns):
            if not self.spec.has("fillrecord"):
                missing = columns[len(fields)]
                raise RowError(1203 if len(fields) > 1 else 1201, "Delimiter not found", line, raw, missing)
            for column in columns[len(fields):]:
                fields.append(("", True) if column.is_text else (None, False))
        values = []
        for column, (text, quoted) in zip(columns, fields):
            try:
                values.append(self._value(column, text, quoted))
            except FieldError as error:
                raise RowError(error.code, error.reason, line, raw, column, text or "",
                               error.position) from error
        return values

    def _value(self, column, text, quoted):
        options = self.options
        if text is None:
            if column.not_null:
                raise FieldError(1213, "Missing data for not-null field")
            return None
        if "\0" in text:
            raise FieldError(1218, "Invalid null byte - field longer than 1 byte")
        if text == self.null and self.spec.format != "json" and (not quoted or self.quoted_null == "match"):
            value = None
        elif column.is_text:
            value = self._text(column, text, options)
        else:
            value = column.load(text, quoted, options)
        if value is None and column.not_null:
            raise FieldError(1213, "Missing data for not-null field")
        return value

    @staticmethod
    def _text(column, text, options):
        if options.get("trimblanks"):
            text = text.rstrip(" ")
        if text == "" and options.get("emptyasnull"):
            return None
        if text.strip(" ") == "" and text != "" and options.get("blanksasnull"):
            return None
        if options.get("truncatecolumns"):
            text = column.truncate(text)
        return column.load(text, True, options)


class CsvParser:
    """Cuts one record out of a buffer: blanks before a quote are ignored, quotes double, newlines may be data."""

    def __init__(self, form):
        delimiter, quote = re.escape(form.delimiter.encode()), re.escape(form.quote.encode())
        self.quote = form.quote.encode()
        self.field = re.compile(
            b"[ \\t]*" + quote + b"([^" + quote + b"]*+(?:" + quote * 2 + b"[^" + quote + b"]*+)*+)" + quote + b"[ \\t]*(" + delimiter
            + b"|\\r?\\n|\\Z)|([^" + delimiter + b"\\n]*+)(" + delimiter + b"|\\n|\\Z)", re.S)

    def record(self, data, pos, final):
        """([(bytes, quoted)], end)"""
        fields = []
        doubled = self.quote * 2
        while True:
            match = self.field.match(data, pos)
            if match is None:
                raise Incomplete
            end = match.end()
            if match.group(2) is not None:
                text, stop, quoted = match.group(1).replace(doubled, self.quote), match.group(2), True
            else:
                text, stop, quoted = match.group(3), match.group(4), False
                if text.lstrip(b" \t").startswith(self.quote):
                    if final:
                        raise FieldError(1214, "Delimiter not found: a quoted field is not closed, or is followed "
                                               "by data")
                    raise Incomplete
                if text.endswith(b"\r") and stop in (b"\n", b""):
                    text = text[:-1]
            if stop == b"" and not final:
                raise Incomplete
            fields.append((text, quoted))
            pos = end
            if stop in (b"\n", b"\r\n", b""):
                return fields, end


class TextParser:
    """Delimited text without quoting; ESCAPE makes the backslash an escape, REMOVEQUOTES drops outer quotes."""

    def __init__(self, form):
        self.delimiter = form.delimiter.encode()
        self.escape = form.spec.has("escape")
        self.remove = form.spec.has("removequotes")

    def record(self, data, pos, final):
        end = data.find(b"\n", pos)
        while self.escape and end > pos and data[end - 1:end] == b"\\":
            end = data.find(b"\n", end + 1)
        if end < 0:
            if not final:
                raise Incomplete
            end = len(data)
        line = data[pos:end]
        fields = self._split(line[:-1] if line.endswith(b"\r") else line)
        return fields, min(end + 1, len(data))

    def _split(self, line):
        if not self.escape:
            parts = line.split(self.delimiter)
        else:
            parts = [re.sub(rb"\\([^N])", rb"\1", part, flags=re.S) for part in
                     re.findall(rb"((?:[^\\" + re.escape(self.delimiter) + rb"]|\\.)*)(?:" + re.escape(self.delimiter)
                                + rb"|\Z)", line, re.S)]
            if len(parts) > 1 and parts[-1] == b"" and not line.endswith(self.delimiter):
                parts.pop()
        fields = []
        for part in parts:
            if self.remove and len(part) > 1 and part[:1] in b"'\"" and part[-1:] == part[:1]:
                fields.append((part[1:-1], True))
            else:
                fields.append((part, False))
        return fields


class RowReader:
    """Feeds on the bytes of one file and yields CSV for PostgreSQL; `bad` is called with a row that does not load."""

    def __init__(self, form, bad):
        self.form = form
        self.bad = bad
        self.parser = CsvParser(form) if form.spec.format == "csv" else TextParser(form)
        self.rest = b""
        self.line = 1
        self.rows = 0
        self.skip = form.spec.get("ignoreheader", 0)

    def feed(self, data, final):
        """Checked bytes for what is whole in the buffer."""
        data = self.rest + data if self.rest else data
        pos = 0
        while self.skip:
            end = data.find(b"\n", pos)
            if end < 0:
                if final:
                    return b""
                self.rest = data[pos:]
                return b""
            pos = end + 1
            self.line += 1
            self.skip -= 1
        if final and data and not data.endswith(b"\n"):
            data += b"\n"
        out = []
        fast = self.form.fast if self._valid(data, final) else None
        size = len(data)
        while pos < size:
            if fast is not None:
                end = fast.match(data, pos).end()
                if end > pos:
                    out.append(data[pos:end] if pos or end < size else data)
                    count = data.count(b"\n", pos, end)
                    self.line += count
                    self.rows += count
                    pos = end
                    continue
            try:
                pos = self._slow(data, pos, final, out)
            except Incomplete:
                break
        self.rest = data[pos:]
        if len(self.rest) > MAX_ROW_BYTES:
            self.bad(RowError(1216, "Invalid input line: a row is longer than 4 MB", self.line, self.rest[:1024]))
            self.rest = b""
        return b"".join(out)

    @staticmethod
    def _valid(data, final):
        if data.isascii():
            return True
        end = len(data) if final else data.rfind(b"\n") + 1
        try:
            str(memoryview(data)[:end], "utf-8")
        except UnicodeDecodeError:
            return False
        return True

    def _slow(self, data, pos, final, out):
        form = self.form
        try:
            fields, end = self.parser.record(data, pos, final)
        except FieldError as error:
            end = data.find(b"\n", pos) + 1 or len(data)
            self.bad(RowError(error.code, error.reason, self.line, data[pos:end]))
            self.line += 1
            return end
        line, self.line = self.line, self.line + data.count(b"\n", pos, end)
        raw = data[pos:end]
        try:
            if len(raw) > MAX_ROW_BYTES:
                raise RowError(1216, "Invalid input line: a row is longer than 4 MB", line, raw[:1024])
            if len(fields) == 1 and not fields[0][1] and fields[0][0].strip() == b"" \
                    and form.spec.has("ignoreblanklines"):
                return end
            out.append(form.encode(form.convert(self._decode(fields, line, raw), line, raw)))
            self.rows += 1
        except RowError as error:
            self.bad(error)
        return end

    def _decode(self, fields, line, raw):
        replace = self.form.options.get("acceptinvchars")
        decoded = []
        for at, (text, quoted) in enumerate(fields):
            try:
                decoded.append((text.decode("utf-8"), quoted))
            except UnicodeDecodeError as error:
                column = self.form.columns[at] if at < len(self.form.columns) else None
                if replace and column is not None and column.kind == "character varying":
                    decoded.append((_replace_invalid(text, replace), quoted))
                    continue
                bad = " ".join(f"{b:02x}" for b in text[error.start:error.end])
                raise RowError(1220, f"String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: "
                                     f"{bad} (error 4)", line, raw, column, text.decode("utf-8", "replace"),
                               error.start) from error
        return decoded


def _replace_invalid(text, character):
    out = []
    while text:
        try:
            out.append(text.decode("utf-8"))
            break
        except UnicodeDecodeError as error:
            out.append(text[:error.start].decode("utf-8") + character * (error.end - error.start))
            text = text[error.end:]
    return "".join(out)


class JsonReader:
    """FORMAT JSON 'auto', 'auto ignorecase' and 'noshred': one object a row, any white space between."""

    def __init__(self, form, bad):
        self.form = form
        self.bad = bad
        self.mode = form.spec.get("format")[1]
        self.rest = ""
        self.bytes = b""
        self.line = 1
        self.rows = 0
        self.decoder = json.JSONDecoder(parse_float=str, parse_int=str)

    def feed(self, data, final):
        self.bytes += data
        cut = len(self.bytes) if final else self.bytes.rfind(b"\n") + 1
        try:
            text = self.rest + self.bytes[:cut].decode("utf-8")
        except UnicodeDecodeError:
            self.bad(RowError(1220, "String contains invalid or unsupported UTF8 codepoints", self.line, self.bytes[:1024]))
            self.bytes = b""
            return b""
        self.bytes = self.bytes[cut:]
        out, pos, size = [], 0, len(text)
        while True:
            while pos < size and text[pos].isspace():
                self.line += text[pos] == "\n"
                pos += 1
            if pos >= size:
                break
            try:
                row, end = self.decoder.raw_decode(text, pos)
            except ValueError:
                if final:
                    self.bad(RowError(1216, "Invalid JSON object", self.line, text[pos:pos + 1024].encode()))
                    pos = size
                break
            raw = text[pos:end]
            try:
                if not isinstance(row, dict) or len(raw.encode()) > MAX_ROW_BYTES:
                    raise RowError(1216, "Invalid JSON object: not an object, or longer than 4 MB", self.line,
                                   raw[:1024].encode())
                out.append(self.form.encode(self._values(row, raw)))
                self.rows += 1
            except RowError as error:
                self.bad(error)
            self.line += raw.count("\n")
            pos = end
        self.rest = text[pos:]
        return b"".join(out)

    def _values(self, row, raw):
        if self.mode == "noshred":
            return self.form.convert([(raw, True)], self.line, raw.encode())
        if self.mode == "auto ignorecase":
            row = {key.lower(): value for key, value in row.items()}
        fields = []
        parsed = None
        for column in self.form.columns:
            value = row.get(column.name)
            if column.kind == "super" and column.name in row:
                parsed = parsed if parsed is not None else json.loads(raw)
                fields.append((json.dumps(parsed.get(column.name), ensure_ascii=False, separators=(",", ":")), True))
            elif value is None:
                fields.append((None, False))
            elif isinstance(value, bool):
                fields.append(("t" if value else "f", True))
            elif isinstance(value, str):
                fields.append((value, True))
            else:
                fields.append((json.dumps(json.loads(json.dumps(value)), separators=(",", ":")), True))
        return self.form.convert(fields, self.line, raw.encode())
