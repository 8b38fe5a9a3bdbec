"""ALTER: only the forms that Redshift has."""
import json

from .ddl import (TableDefinition, one_of, read_column, read_element, read_encoding, read_names, step_of,
                  table_name)
from .errors import unsupported
from .lexer import Reader, split_commas
from .vocabulary import SCHEMA, literal, quote, read_type


def alter(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("alter")
    if reader.at("user"):
        reader.next()
        name = quote(reader.name())
        reader.accept("with")
        reader.expect("password")
        return step_of(tokens, sql, f"ALTER USER {name} PASSWORD {literal(reader.string())}")
    reader.expect("table")
    schema, name = reader.qualified()
    target = table_name(schema, name, context)
    step = _alter_table(reader, tokens, sql, context, target, (schema, name))
    step.relations = [(schema, name)] + step.relations
    return step


def _alter_table(reader, tokens, sql, context, target, relation):
    head = f"ALTER TABLE {target} "
    if reader.accept("append"):
        return _append(reader, tokens, sql, context, target)
    if reader.accept("rename"):
        if reader.accept("to"):
            text = head + f"RENAME TO {context.names.quoted(reader.name())}"
        else:
            reader.accept("column")
            old = context.names.quoted(reader.name())
            reader.expect("to")
            text = head + f"RENAME COLUMN {old} TO {context.names.quoted(reader.name())}"
        reader.expect_end()
        return step_of(tokens, sql, text)
    if reader.accept("owner", "to"):
        text = head + f"OWNER TO {quote(reader.name())}"
        reader.expect_end()
        return step_of(tokens, sql, text)
    if reader.accept("drop"):
        return _drop_column(reader, tokens, sql, context, target, head)
    if reader.accept("add"):
        return _add(reader, tokens, sql, context, target, head)
    reader.expect("alter")
    return _alter_column(reader, tokens, sql, context, target, head)


def _append(reader, tokens, sql, context, target):
    reader.expect("from")
    source = reader.qualified()
    mode = reader.accept_any("ignoreextra", "filltarget") or ""
    reader.expect_end()
    step = step_of(tokens, sql, f"SELECT {SCHEMA}.append_table({literal(target)}, "
                              f"{literal(table_name(*source, context))}, '{mode}')",
                 kind="alone", what="ALTER TABLE APPEND", relations=[source])
    step.tag, step.hide_rows = "ALTER TABLE APPEND", True
    return step


def _drop_column(reader, tokens, sql, context, target, head):
    if reader.accept("constraint"):
        reader.name()
        reader.accept_any("cascade", "restrict")
        reader.expect_end()
        return _noted(tokens, sql, f"{SCHEMA}.note_drop_keys({literal(target)})")
    reader.accept("column")
    if reader.at("if", "exists"):
        raise reader.error()
    column = reader.name()
    behaviour = reader.accept_any("cascade", "restrict")
    reader.expect_end()
    step = step_of(tokens, sql, head + f"DROP COLUMN {context.names.quoted(column)}"
                 + (f" {behaviour.upper()}" if behaviour else ""))
    step.before = [f"SELECT {SCHEMA}.check_drop_column({literal(target)}, {literal(column)})"]
    return step


def _noted(tokens, sql, call):
    """A change that only the catalog views show."""
    step = step_of(tokens, sql, f"SELECT {call}")
    step.tag, step.hide_rows = "ALTER TABLE", True
    return step


def _add(reader, tokens, sql, context, target, head):
    if reader.at("constraint") or reader.at("primary", "key") or reader.at("unique", "(") or reader.at("foreign", "key"):
        table = TableDefinition()
        read_element(tokens[reader.pos:], sql, context, table)
        table.notes.pop("encode")
        return _noted(tokens, sql, f"{SCHEMA}.note_table({literal(target)}, {literal(json.dumps(table.notes))}, true)")
    reader.accept("column")
    if reader.at("if", "not", "exists") or reader.at("("):
        raise reader.error()
    rest = tokens[reader.pos:]
    parts = split_commas(rest)
    if len(parts) > 1:
        raise reader.error(next(token for token in rest if token.kind == "," and token.start >= parts[0][-1].end))
    if not rest:
        raise reader.error()
    table = TableDefinition()
    column = read_column(rest, sql, context, table)
    for word in ("primary_key", "unique", "foreign_key", "distkey", "sortkey"):
        if word in table.notes:
            raise unsupported(f"ALTER TABLE ADD COLUMN does not support {word.replace('_', ' ').upper()}")
    if column.identity:
        raise unsupported("ALTER TABLE ADD COLUMN does not support IDENTITY")
    if column.not_null and (column.default is None or column.default.lower() == "null"):
        raise unsupported("ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression")
    step = step_of(tokens, sql, head + "ADD COLUMN " + column.sql(context))
    if table.notes["encode"]:
        step.after = [f"SELECT {SCHEMA}.note_table({literal(target)}, {literal(json.dumps(table.notes))}, true)"]
    return step


def _alter_column(reader, tokens, sql, context, target, head):
    if reader.accept("diststyle"):
        style = one_of(reader, "all", "even", "auto", "key").upper()
        notes = {"diststyle": style, "distkey": None}
        if style == "KEY":
            reader.expect("distkey")
            notes["distkey"] = reader.name()
        reader.expect_end()
        return _noted(tokens, sql, f"{SCHEMA}.note_table({literal(target)}, {literal(json.dumps(notes))}, true)")
    if reader.accept("distkey"):
        notes = {"diststyle": "KEY", "distkey": reader.name()}
        reader.expect_end()
        return _noted(tokens, sql, f"{SCHEMA}.note_table({literal(target)}, {literal(json.dumps(notes))}, true)")
    if reader.at("sortkey") or reader.at("compound"):
        reader.accept("compound")
        reader.expect("sortkey")
        word = reader.accept_any("auto", "none")
        names = [] if word else read_names(reader.parenthesised(), reader)
        reader.expect_end()
        notes = {"sortkey": names, "sortstyle": "AUTO" if word == "auto" else "COMPOUND"}
        return _noted(tokens, sql, f"{SCHEMA}.note_table({literal(target)}, {literal(json.dumps(notes))}, true)")
    if reader.accept("encode", "auto"):
        reader.expect_end()
        return _noted(tokens, sql, f"{SCHEMA}.note_table({literal(target)}, '{{}}', true)")
    if not reader.at("column"):
        raise reader.error()
    reader.next()
    column = reader.name()
    if reader.accept("encode"):
        notes = {"encode": {column: read_encoding(reader)}}
        reader.expect_end()
        return _noted(tokens, sql, f"{SCHEMA}.note_table({literal(target)}, {literal(json.dumps(notes))}, true)")
    reader.expect("type")
    kind = read_type(reader, column)
    reader.expect_end()
    step = step_of(tokens, sql, head + f"ALTER COLUMN {context.names.quoted(column)} TYPE {kind.upstream}",
                 kind="alone", what="ALTER TABLE ALTER COLUMN")
    size = kind.size if kind.name == "character varying" else 0
    step.before = [f"SELECT {SCHEMA}.check_alter_type({literal(target)}, {literal(context.names.upstream(column))}, "
                   f"{literal(column)}, {size})"]
    return step
