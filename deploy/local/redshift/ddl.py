"""CREATE, ALTER, DROP, GRANT, COMMENT: parsed whole, so that what Redshift lacks is refused and keys are only noted."""
import json

from .errors import Refusal, unsupported
from .expression import Scan, apply_edits
from .lexer import Reader, split_commas
from .step import Step
from .vocabulary import SCHEMA, literal, quote, read_type

ENCODINGS = set("""raw az64 bytedict delta delta32k lzo mostly8 mostly16 mostly32 runlength text255 text32k zstd auto
""".split())
SYSTEM_COLUMNS = {"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
ATTRIBUTE_WORDS = {"not", "null", "encode", "distkey", "sortkey", "identity", "primary", "unique", "references", "check",
                   "collate", "generated", "default"}
NO_KEY_TYPES = {"super", "binary varying"}
NOT_ON_TABLES = {"index": "INDEX", "trigger": "TRIGGER", "rule": "RULE", "sequence": "SEQUENCE",
                 "extension": "EXTENSION", "domain": "DOMAIN", "operator": "OPERATOR", "aggregate": "AGGREGATE"}
MAX_COLUMNS = 1600


def table_name(schema, name, context):
    if schema == SCHEMA:
        raise Refusal("3F000", f'schema "{schema}" does not exist')
    return (quote(schema) + "." if schema else "") + context.names.quoted(name)


def step_of(tokens, sql, text, **more):
    return Step(sql[tokens[0].start:tokens[-1].end], tokens[0].value, text, **more)


def read_names(inside, reader):
    names = []
    for part in split_commas(inside):
        if len(part) != 1 or not part[0].is_name():
            raise reader.error(part[0] if part else None)
        names.append(part[0].value)
    return names


def _expression(tokens, sql, context):
    scan = Scan(tokens, sql, context)
    if scan.relations or scan.catalogs:
        raise unsupported("subqueries are not supported in a DEFAULT expression")
    return apply_edits(sql, tokens[0].start, tokens[-1].end, scan.edits)


def _default_tokens(reader):
    start, depth = reader.pos, 0
    while not reader.done():
        token = reader.peek()
        if depth == 0 and reader.pos > start and token.kind == "id" and token.value in ATTRIBUTE_WORDS:
            break
        depth += (token.kind == "(") - (token.kind == ")")
        reader.next()
    if reader.pos == start:
        raise reader.error()
    return reader.tokens[start:reader.pos]


class Column:
    def __init__(self, name, kind):
        self.name = name
        self.kind = kind
        self.not_null = False
        self.default = None
        self.identity = None

    def sql(self, context):
        text = f"{context.names.quoted(self.name)} {self.kind.upstream}"
        if self.kind.name in ("character varying", "character"):
            text += ' COLLATE "C"'
        if self.identity:
            text += self.identity
        if self.default:
            text += f" DEFAULT {self.default}"
        if self.not_null:
            text += " NOT NULL"
        if self.kind.upstream.startswith("numeric") and self.kind.size == 19:
            limit = 10 ** self.kind.scale
            text += (f" CHECK (abs({context.names.quoted(self.name)}) * {limit} <= 9223372036854775807)")
        return text


class TableDefinition:
    def __init__(self):
        self.columns = []
        self.like = None
        self.notes = {"encode": {}}
        self.attributes = False

    def set_distkey(self, name):
        if "distkey" in self.notes:
            raise Refusal("42601", "DISTKEY cannot be specified more than once")
        self.notes["distkey"] = name

    def add_sortkey(self, names, style="COMPOUND"):
        self.notes.setdefault("sortkey", []).extend(names)
        self.notes["sortstyle"] = style

    def check(self):
        kinds = {column.name: column.kind.name for column in self.columns}
        keys = self.notes.get("sortkey", []) + ([self.notes["distkey"]] if "distkey" in self.notes else [])
        for name in keys:
            if self.like is None and name not in kinds:
                raise Refusal("42703", f'column "{name}" named in key does not exist')
            if kinds.get(name) in NO_KEY_TYPES:
                raise unsupported(f'column "{name}" of type {kinds[name]} cannot be a distribution or sort key')
        style = self.notes.get("diststyle")
        if style == "KEY" and "distkey" not in self.notes:
            raise unsupported("DISTSTYLE KEY needs a DISTKEY column")
        if style in ("EVEN", "ALL", "AUTO") and "distkey" in self.notes:
            raise unsupported(f"DISTSTYLE {style} cannot have a DISTKEY column")
        if self.notes.get("sortstyle") == "INTERLEAVED" and len(self.notes["sortkey"]) > 8:
            raise unsupported("an interleaved sort key has at most 8 columns")
        if len(self.notes.get("sortkey", [])) > 400:
            raise unsupported("a sort key has at most 400 columns")
        if self.like is not None and self.attributes:
            raise unsupported("CREATE TABLE LIKE cannot set DISTSTYLE, DISTKEY or SORTKEY: they are inherited")
        if len(self.columns) > MAX_COLUMNS:
            raise Refusal("54011", f"tables can have at most {MAX_COLUMNS} columns")


def read_encoding(reader):
    name = reader.name()
    if name not in ENCODINGS:
        raise unsupported(f'encoding type "{name}" is not supported')
    return name


def read_column(part, sql, context, table):
    reader = Reader(part, sql)
    name = reader.name()
    if name in SYSTEM_COLUMNS:
        raise Refusal("42701", f'column name "{name}" conflicts with a system column name')
    if reader.peek() is None:
        raise reader.error()
    if reader.peek().value in ("serial", "bigserial", "smallserial"):
        raise unsupported(f'Column "{name}" has unsupported type "{reader.peek().value}".')
    column = Column(name, read_type(reader, name))
    while not reader.done():
        if reader.accept("not", "null"):
            column.not_null = True
        elif reader.accept("null"):
            column.not_null = False
        elif reader.accept("default"):
            column.default = _expression(_default_tokens(reader), sql, context)
        elif reader.accept("encode"):
            table.notes["encode"][name] = read_encoding(reader)
        elif reader.accept("distkey"):
            table.set_distkey(name)
            table.attributes = True
        elif reader.accept("sortkey"):
            table.add_sortkey([name])
            table.attributes = True
        elif reader.accept("primary", "key"):
            table.notes["primary_key"] = [name]
            column.not_null = True
        elif reader.accept("unique"):
            table.notes.setdefault("unique", []).append([name])
        elif reader.at("identity") or reader.at("generated"):
            column.identity = _identity(reader)
            column.not_null = True
        elif reader.accept("references"):
            _references(reader, table, [name], context)
        elif reader.accept("collate"):
            if not reader.accept_any("case_sensitive", "case_insensitive"):
                raise reader.error()
        elif reader.at("check") or reader.at("constraint"):
            if reader.at("constraint"):
                reader.next()
                reader.name()
            if reader.at("check"):
                raise unsupported("CREATE TABLE CHECK constraint is not supported")
        else:
            raise reader.error()
    return column


def _identity(reader):
    mode = "ALWAYS"
    if reader.accept("generated"):
        reader.expect("by", "default", "as")
        mode = "BY DEFAULT"
    reader.expect("identity")
    inside = [token for token in reader.parenthesised()]
    numbers = ["".join(token.text for token in part) for part in split_commas(inside)]
    if len(numbers) != 2:
        raise reader.error()
    return f" GENERATED {mode} AS IDENTITY (START WITH {numbers[0]} INCREMENT BY {numbers[1]} MINVALUE -2147483648)"


def _references(reader, table, columns, context):
    target = reader.qualified()
    if reader.at("("):
        reader.parenthesised()
    if reader.at("on"):
        raise reader.error()
    table.notes.setdefault("foreign_key", []).append({"columns": columns, "table": list(target)})


def read_element(part, sql, context, table):
    reader = Reader(part, sql)
    if reader.accept("like"):
        if table.like is not None:
            raise reader.error()
        table.like = (reader.qualified(), False)
        if reader.accept("including", "defaults"):
            table.like = (table.like[0], True)
        else:
            reader.accept("excluding", "defaults")
        reader.expect_end()
        return
    if reader.accept("constraint"):
        reader.name()
    if reader.at("primary", "key"):
        reader.accept("primary", "key")
        table.notes["primary_key"] = read_names(reader.parenthesised(), reader)
    elif reader.at("unique", "("):
        reader.next()
        table.notes.setdefault("unique", []).append(read_names(reader.parenthesised(), reader))
    elif reader.at("foreign", "key"):
        reader.accept("foreign", "key")
        columns = read_names(reader.parenthesised(), reader)
        reader.expect("references")
        _references(reader, table, columns, context)
    elif reader.at("check", "("):
        raise unsupported("CREATE TABLE CHECK constraint is not supported")
    elif reader.at("exclude"):
        raise reader.error()
    else:
        table.columns.append(read_column(part, sql, context, table))
        return
    reader.expect_end()


def _attributes(reader, table):
    """DISTSTYLE, DISTKEY, SORTKEY, ENCODE AUTO, BACKUP behind the column list."""
    while not reader.done() and not reader.at("as"):
        if reader.accept("diststyle"):
            table.notes["diststyle"] = one_of(reader, "auto", "even", "key", "all").upper()
        elif reader.accept("distkey"):
            names = read_names(reader.parenthesised(), reader)
            if len(names) != 1:
                raise reader.error()
            table.set_distkey(names[0])
        elif reader.accept("sortkey", "auto"):
            table.notes["sortstyle"] = "AUTO"
        elif reader.at("compound") or reader.at("interleaved") or reader.at("sortkey"):
            style = (reader.accept_any("compound", "interleaved") or "compound").upper()
            reader.expect("sortkey")
            table.add_sortkey(read_names(reader.parenthesised(), reader), style)
        elif reader.accept("backup"):
            if not reader.accept_any("yes", "no"):
                raise reader.error()
            continue
        elif reader.accept("encode", "auto"):
            continue
        else:
            raise reader.error()
        table.attributes = True


def one_of(reader, *words):
    word = reader.accept_any(*words)
    if word is None:
        raise reader.error()
    return word


def create(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("create")
    replace = reader.accept("or", "replace")
    if reader.at("view") or reader.at("materialized"):
        return _create_view(reader, tokens, sql, context, replace)
    if replace:
        raise reader.error()
    if reader.accept("schema"):
        text = "CREATE SCHEMA "
        if reader.accept("if", "not", "exists"):
            text += "IF NOT EXISTS "
        name = reader.name()
        if name == SCHEMA:
            raise Refusal("42939", f'unacceptable schema name "{name}"')
        text += quote(name)
        if reader.accept("authorization"):
            text += " AUTHORIZATION " + quote(reader.name())
        if reader.accept("quota"):
            reader.next()
            reader.accept_any("mb", "gb", "tb")
        reader.expect_end()
        return step_of(tokens, sql, text)
    if reader.at("user") or reader.at("group"):
        return _create_user(reader, tokens, sql)
    if reader.accept("database"):
        raise unsupported("CREATE DATABASE is not known to the stand-in: it has the one database") \
            if context.status != b"T" else Refusal("25001", "CREATE DATABASE cannot run inside a transaction block")
    reader.accept("unique")
    word = reader.peek().value if reader.peek() else ""
    if word in NOT_ON_TABLES:
        raise unsupported(f'SQL command "{" ".join(token.text for token in tokens[:3])} ..." '
                          "not supported on Redshift tables.")
    reader.accept("local")
    temporary = bool(reader.accept_any("temp", "temporary"))
    if not reader.at("table"):
        raise reader.error()
    reader.next()
    return _create_table(reader, tokens, sql, context, temporary)


def _create_table(reader, tokens, sql, context, temporary):
    exists = reader.accept("if", "not", "exists")
    schema, name = reader.qualified()
    temporary = temporary or name.startswith("#")
    if temporary and schema is not None:
        raise Refusal("42P16", "cannot create temporary relation in non-temporary schema")
    table = TableDefinition()
    target = table_name(schema, name, context)
    head = f"CREATE {'TEMP ' if temporary else ''}TABLE {'IF NOT EXISTS ' if exists else ''}{target}"
    relations = [(schema, name)]
    column_names = ""
    if reader.at("("):
        inside = reader.parenthesised()
        parts = split_commas(inside)
        if all(len(part) == 1 and part[0].is_name() for part in parts) and inside:
            column_names = " (" + ", ".join(context.names.quoted(part[0].value) for part in parts) + ")"
        else:
            for part in parts:
                if not part:
                    raise reader.error()
                read_element(part, sql, context, table)
    _attributes(reader, table)
    if reader.accept("as"):
        rest = tokens[reader.pos:]
        if not rest or table.columns:
            raise reader.error()
        scan = Scan(rest, sql, context)
        text = f"{head}{column_names} AS {apply_edits(sql, rest[0].start, rest[-1].end, scan.edits)}"
        step = step_of(tokens, sql, text, relations=relations + scan.relations)
        step.tag = "SELECT"
        step.after = [f"SELECT {SCHEMA}.note_table({literal(target)}, {literal(json.dumps(table.notes))})"]
        return step
    reader.expect_end()
    if column_names or not (table.columns or table.like):
        raise reader.error(tokens[-1])
    table.check()
    for column in table.columns:
        if column.name in table.notes.get("primary_key", ()):
            column.not_null = True
    parts = [column.sql(context) for column in table.columns]
    if table.like is not None:
        source, defaults = table.like
        including = " INCLUDING DEFAULTS" if defaults else ""
        parts.insert(0, f"LIKE {table_name(*source, context)} INCLUDING CONSTRAINTS{including}")
        relations.append(source)
    step = step_of(tokens, sql, f"{head} ({', '.join(parts)})", relations=relations)
    notes = literal(json.dumps(table.notes))
    if table.like is not None:
        step.after = [f"SELECT {SCHEMA}.note_like({literal(target)}, {literal(table_name(*table.like[0], context))}, {notes})"]
    elif table.notes != {"encode": {}}:
        step.after = [f"SELECT {SCHEMA}.note_table({literal(target)}, {notes})"]
    return step


def _create_view(reader, tokens, sql, context, replace):
    if reader.at("materialized"):
        raise unsupported("materialized views are not known to the stand-in")
    reader.expect("view")
    schema, name = reader.qualified()
    columns = ""
    if reader.at("("):
        columns = " (" + ", ".join(context.names.quoted(n) for n in read_names(reader.parenthesised(), reader)) + ")"
    reader.expect("as")
    rest = tokens[reader.pos:]
    if len(rest) > 4 and [token.value for token in rest[-4:]] == ["with", "no", "schema", "binding"]:
        rest = rest[:-4]
    if not rest or rest[0].value not in ("select", "with", "("):
        raise reader.error()
    scan = Scan(rest, sql, context)
    text = (f"CREATE {'OR REPLACE ' if replace else ''}VIEW {table_name(schema, name, context)}{columns} AS "
            + apply_edits(sql, rest[0].start, rest[-1].end, scan.edits))
    return step_of(tokens, sql, text, relations=[(schema, name)])


def _create_user(reader, tokens, sql):
    kind = reader.next().value
    name = quote(reader.name())
    if kind == "group":
        reader.expect_end()
        return step_of(tokens, sql, f"CREATE GROUP {name}")
    text = f"CREATE USER {name}"
    reader.accept("with")
    while not reader.done():
        if reader.accept("password"):
            text += " PASSWORD NULL" if reader.accept("disable") else f" PASSWORD {literal(reader.string())}"
        elif reader.accept("createuser"):
            text += " SUPERUSER"
        elif reader.accept_any("nocreateuser", "createdb", "nocreatedb"):
            continue
        else:
            raise reader.error()
    return step_of(tokens, sql, text)


def drop(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("drop")
    kind = reader.accept_any("table", "view", "schema", "user", "group")
    if kind is None:
        word = reader.peek().value if reader.peek() else ""
        if word in NOT_ON_TABLES:
            raise unsupported(f'SQL command "{" ".join(token.text for token in tokens[:3])} ..." '
                              "not supported on Redshift tables.")
        raise reader.error()
    text = f"DROP {kind.upper()} "
    if reader.accept("if", "exists"):
        text += "IF EXISTS "
    names, relations = [], []
    while True:
        if kind in ("table", "view"):
            relations.append(reader.qualified())
            names.append(table_name(*relations[-1], context))
        else:
            name = reader.name()
            if name == SCHEMA:
                raise Refusal("3F000", f'schema "{name}" does not exist')
            names.append(quote(name))
        if not reader.accept(","):
            break
    text += ", ".join(names)
    behaviour = reader.accept_any("cascade", "restrict")
    reader.expect_end()
    return step_of(tokens, sql, text + (f" {behaviour.upper()}" if behaviour else ""), relations=relations)


def grant(tokens, sql, context):
    """Passed on after its words were checked; GROUP and ROLE are PostgreSQL's own."""
    reader = Reader(tokens, sql)
    reader.next()
    edits = []
    allowed = set("""select insert update delete references usage create temp temporary all privileges on table schema
        database to from group public with grant option for drop truncate alter in tables connect user role""".split())
    after_on = False
    for token in tokens[1:]:
        if token.value == "on" and token.kind == "id":
            after_on = True
        if token.kind == "id" and not after_on and token.value not in allowed and token.value != ",":
            raise reader.error(token)
        if token.kind not in ("id", "qid", ",", "."):
            raise reader.error(token)
        if token.kind == "qid" or len(token.value) > 15 and token.value not in allowed:
            edits.append((token.start, token.end, context.names.quoted(token.value)))
    if not after_on:
        raise reader.error()
    return step_of(tokens, sql, apply_edits(sql, tokens[0].start, tokens[-1].end, edits))


def comment(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("comment", "on")
    kind = reader.accept_any("table", "column", "schema", "view", "database")
    if kind is None:
        raise reader.error()
    parts = [context.names.quoted(reader.name())]
    while reader.accept("."):
        parts.append(context.names.quoted(reader.name()))
    reader.expect("is")
    value = "NULL" if reader.accept("null") else literal(reader.string())
    reader.expect_end()
    return step_of(tokens, sql, f"COMMENT ON {kind.upper()} {'.'.join(parts)} IS {value}")
