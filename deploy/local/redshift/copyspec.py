"""COPY's own grammar: source, authorization, format, options, and which of them exclude one another."""
from .errors import Refusal, syntax_error, unsupported
from .lexer import Reader

COMPRESSION = ("gzip", "zstd", "bzip2", "lzop")
TEXT_COLUMNAR = ("parquet", "orc")
FORMATS = ("csv", "json", "avro", "parquet", "orc", "fixedwidth", "shapefile")
MAX_ERRORS = 100000
COLUMNAR_ALLOWED = {"format", "manifest", "authorization", "fillrecord", "acceptinvchars", "statupdate",
                    "explicit_ids", "serializetojson"}
JSON_REFUSED = ("null", "delimiter", "escape", "fillrecord", "ignoreblanklines", "removequotes", "csv", "fixedwidth")
FLAGS = ("manifest", "escape", "removequotes", "fillrecord", "ignoreblanklines", "blanksasnull", "emptyasnull",
         "explicit_ids", "roundec", "truncatecolumns", "trimblanks", "noload", "ignoreallerrors", "encrypted",
         "serializetojson") + COMPRESSION


class CopySpec:
    def __init__(self, table, columns, source):
        self.table = table
        self.columns = columns
        self.source = source
        self.options = {}

    def has(self, name):
        return name in self.options

    def get(self, name, default=None):
        return self.options.get(name, default)

    @property
    def format(self):
        return self.options.get("format", ("text", None))[0]

    @property
    def compression(self):
        return next((name for name in COMPRESSION if name in self.options), None)


def _put(spec, name, value, reader):
    if name in spec.options:
        raise Refusal("42601", f"conflicting or redundant options: {name.upper()}")
    spec.options[name] = value


def _authorization(reader, spec, word):
    if spec.has("authorization") and not (word in ("secret_access_key", "session_token", "access_key_id")
                                          and spec.get("authorization")[0] == "keys"):
        raise Refusal("42601", "COPY takes one kind of authorization: IAM_ROLE, CREDENTIALS, "
                               "or ACCESS_KEY_ID with SECRET_ACCESS_KEY")
    if word == "iam_role":
        role = "default" if reader.accept("default") else reader.string()
        if role != "default" and not role.startswith("arn:"):
            raise Refusal("42601", f'Invalid IAM_ROLE "{role}"')
        spec.options["authorization"] = ("role", {"role": role})
    elif word == "credentials":
        reader.accept("as")
        spec.options["authorization"] = _credentials(reader.string())
    else:
        keys = spec.options.setdefault("authorization", ("keys", {}))[1]
        reader.accept("as")
        if word in keys:
            raise Refusal("42601", f"conflicting or redundant options: {word.upper()}")
        keys[word] = reader.string()


def _credentials(text):
    if any(c.isspace() for c in text):
        raise Refusal("XX000", "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or "
                               "'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'")
    pairs = dict(item.split("=", 1) for item in text.split(";") if "=" in item)
    if set(pairs) == {"aws_iam_role"}:
        return "role", {"role": pairs["aws_iam_role"]}
    if {"aws_access_key_id", "aws_secret_access_key"} <= set(pairs) <= {"aws_access_key_id", "aws_secret_access_key",
                                                                        "token"}:
        keys = {"access_key_id": pairs["aws_access_key_id"], "secret_access_key": pairs["aws_secret_access_key"]}
        if "token" in pairs:
            keys["session_token"] = pairs["token"]
        return "keys", keys
    raise Refusal("XX000", "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...' or "
                           "'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'")


def _on_off(reader, words=("on", "off", "true", "false")):
    return reader.accept_any(*words) or "on"


def _character(reader, name):
    value = reader.string()
    if len(value) != 1 or ord(value) > 127:
        raise Refusal("22023", f"COPY {name} must be a single ASCII character")
    return value


def _format(reader, spec, word):
    if word == "format":
        reader.accept("as")
        word = reader.accept_any(*FORMATS)
        if word is None:
            raise reader.error()
    argument = None
    reader.accept("as")
    if word in ("json", "avro"):
        argument = reader.string() if reader.peek() is not None and reader.peek().kind == "str" else "auto"
    elif word == "fixedwidth":
        argument = reader.string()
    elif word == "csv":
        if reader.accept("quote"):
            reader.accept("as")
            spec.options["quote"] = _character(reader, "QUOTE")
    if "format" in spec.options:
        raise Refusal("42601", f"conflicting or redundant options: {word.upper()}")
    spec.options["format"] = (word, argument)


def _option(reader, spec):
    token = reader.next()
    word = token.value if token.kind == "id" else None
    if word in ("iam_role", "credentials", "access_key_id", "secret_access_key", "session_token"):
        _authorization(reader, spec, word)
    elif word == "with":
        if reader.at("("):
            raise reader.error()
        if reader.at("credentials"):
            reader.next()
            _authorization(reader, spec, "credentials")
    elif word == "format" or word in FORMATS:
        _format(reader, spec, word)
    elif word in FLAGS:
        _put(spec, word, True, reader)
    elif word == "null":
        reader.accept("as")
        _put(spec, "null", _null(reader), reader)
    elif word == "delimiter":
        reader.accept("as")
        _put(spec, "delimiter", _character(reader, "DELIMITER"), reader)
    elif word == "quote":
        reader.accept("as")
        _put(spec, "quote", _character(reader, "QUOTE"), reader)
    elif word in ("region", "encoding", "dateformat", "timeformat", "readratio"):
        reader.accept("as")
        after = reader.next()
        _put(spec, word, after.value, reader)
    elif word in ("ignoreheader", "maxerror", "comprows"):
        reader.accept("as")
        _put(spec, word, reader.number(), reader)
    elif word == "acceptinvchars":
        reader.accept("as")
        value = reader.string() if reader.peek() is not None and reader.peek().kind == "str" else "?"
        _put(spec, word, value, reader)
    elif word == "compupdate":
        _put(spec, word, _on_off(reader, ("on", "off", "true", "false", "preset")), reader)
    elif word == "statupdate":
        _put(spec, word, _on_off(reader), reader)
    else:
        raise reader.error(token)


def _null(reader):
    """NULL AS keeps the backslash of '\\N', however it is written."""
    token = reader.next()
    if token.kind != "str":
        raise reader.error(token)
    if token.text in ("'\\N'", "'\\\\N'"):
        return "\\N"
    if "\n" in token.value or "\r" in token.value:
        raise Refusal("22023", "COPY null representation cannot use newline or carriage return")
    return token.value


def read(tokens, sql):
    reader = Reader(tokens, sql)
    reader.expect("copy")
    if reader.at("("):
        raise reader.error()
    table = reader.qualified()
    columns = None
    if reader.at("("):
        columns = []
        inside = Reader(reader.parenthesised(), sql)
        while True:
            columns.append(inside.name())
            if not inside.accept(","):
                break
        inside.expect_end()
    if reader.at("to"):
        raise syntax_error("to")
    reader.expect("from")
    token = reader.next()
    if token.kind != "str":
        if token.value in ("stdin", "program"):
            raise unsupported("COPY FROM STDIN is not supported on Redshift: load from Amazon S3")
        raise reader.error(token)
    source = token.value
    if not source.startswith("s3://"):
        raise unsupported(f"COPY from \"{source.split(':')[0]}\" is not supported; the stand-in loads from s3:// only")
    spec = CopySpec(table, columns, source)
    while not reader.done():
        _option(reader, spec)
    _check(spec)
    return spec


def _check(spec):
    options = spec.options
    authorization = options.get("authorization")
    if authorization is None:
        raise Refusal("42601", "COPY needs authorization: IAM_ROLE, CREDENTIALS, or ACCESS_KEY_ID with "
                               "SECRET_ACCESS_KEY")
    if authorization[0] == "keys" and not {"access_key_id", "secret_access_key"} <= set(authorization[1]):
        raise Refusal("42601", "ACCESS_KEY_ID and SECRET_ACCESS_KEY must be given together")
    if sum(name in options for name in COMPRESSION) > 1:
        raise Refusal("42601", "conflicting or redundant options: more than one compression")
    if options.get("maxerror", 0) > MAX_ERRORS:
        raise Refusal("22023", f"MAXERROR must be between 0 and {MAX_ERRORS}")
    if "ignoreallerrors" in options and "maxerror" in options:
        raise Refusal("42601", "IGNOREALLERRORS cannot be used with MAXERROR")
    if spec.format == "csv":
        for name in ("escape", "removequotes"):
            if name in options:
                raise Refusal("42601", f"CSV is not compatible with {name.upper()}")
        if options.get("delimiter") == options.get("quote", '"'):
            raise Refusal("22023", "COPY delimiter and quote must be different")
    elif "quote" in options:
        raise Refusal("42601", "QUOTE requires CSV")
    if spec.format == "json":
        for name in JSON_REFUSED:
            if name in options:
                raise Refusal("42601", f"JSON is not compatible with {name.upper()}")
    if spec.format in TEXT_COLUMNAR:
        for name in options:
            if name not in COLUMNAR_ALLOWED:
                raise Refusal("0A000", f"COPY from {spec.format.upper()} does not support {name.upper()}")
    elif "serializetojson" in options:
        raise Refusal("42601", "SERIALIZETOJSON requires PARQUET or ORC")
