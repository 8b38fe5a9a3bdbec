"""The gate: every statement is classified and rewritten into steps, or refused. What it does not know, it refuses."""
from . import alter, copyspec, ddl, merge
from .errors import Refusal, leader_only, syntax_error, unsupported
from .expression import Scan, apply_edits
from .lexer import Reader, split, split_commas, tokenize
from .step import Step
from .vocabulary import BOOLEAN_WORDS, SCHEMA, SETTINGS, SHOW_ONLY, literal, quote, read_type
from .wire import MAX_STATEMENT_BYTES


def plan(sql, context):
    """The steps of one query string."""
    if len(sql) * 4 > MAX_STATEMENT_BYTES and len(sql.encode("utf-8")) > MAX_STATEMENT_BYTES:
        raise Refusal("54000", f"Statement is too large. Statement Size: {len(sql.encode('utf-8'))} bytes. "
                               f"Maximum Allowed: {MAX_STATEMENT_BYTES} bytes")
    return [classify(tokens, sql, context) for tokens in split(tokenize(sql, context.keep_case))]


def as_refusal(error):
    """What the client is told when a statement could not be planned, our own mistakes included."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, UnicodeDecodeError):
        return Refusal("22021", 'invalid byte sequence for encoding "UTF8"')
    if isinstance(error, RecursionError):
        return Refusal("54001", "stack depth limit exceeded")
    return Refusal("XX000", f"the stand-in could not read this statement: {type(error).__name__}: {error}")


def classify(tokens, sql, context):
    first = tokens[0]
    if first.kind == "(":
        return query(tokens, sql, context)
    handler = STATEMENTS.get(first.value) if first.kind == "id" else None
    if handler is None:
        raise Refusal("42601", f'syntax error at or near "{first.text}"',
                      hint="The stand-in does not know this statement.")
    return handler(tokens, sql, context)


def text_of(tokens, sql):
    return sql[tokens[0].start:tokens[-1].end]


def check_parameters(tokens):
    for token in tokens:
        if token.kind == "param":
            raise syntax_error(token.text)


def plain(tokens, sql, context, text=None, **more):
    return Step(text_of(tokens, sql), tokens[0].value, text or text_of(tokens, sql), **more)


def query(tokens, sql, context):
    """SELECT, WITH and what else yields rows; WITH may also lead an INSERT, UPDATE or DELETE."""
    if tokens[0].value == "with":
        depth = 0
        for at, token in enumerate(tokens):
            depth += (token.kind == "(") - (token.kind == ")")
            if depth == 0 and token.kind == "id" and token.value in ("insert", "update", "delete", "merge", "select"):
                if token.value == "select":
                    break
                if token.value in ("merge", "insert"):
                    raise syntax_error(token.text)
                return STATEMENTS[token.value](tokens[at:], sql, context, tokens[:at])
    scan = Scan(tokens, sql, context)
    step = plain(tokens, sql, context, apply_edits(sql, tokens[0].start, tokens[-1].end, scan.edits),
                 relations=scan.relations)
    step.verb = "select"
    words = {token.value for token in tokens if token.kind == "id"}
    if context.switches["super_64k_fails"] == "on" and (scan.joins or "over" in words):
        step.before = [merge.super_check(relation, context) for relation in scan.relations]
    return step


def relation_text(schema, name, context):
    if schema == SCHEMA:
        raise Refusal("3F000", f'schema "{schema}" does not exist')
    if schema is None:
        return context.names.quoted(name)
    return quote(schema) + "." + context.names.quoted(name)


def lock_text(schema, name, context):
    return f"LOCK TABLE {relation_text(schema, name, context)} IN SHARE ROW EXCLUSIVE MODE"


def dml(tokens, sql, context, scans, target, prefix=(), verb=None):
    edits = [edit for scan in scans for edit in scan.edits]
    start = (prefix[0] if prefix else tokens[0]).start
    relations = [relation for scan in scans for relation in scan.relations]
    step = Step(sql[start:tokens[-1].end], verb or tokens[0].value,
                apply_edits(sql, start, tokens[-1].end, edits), relations=[target, *relations])
    step.lock = lock_text(*target, context)
    return step


def check_catalogs(scans):
    if any(scan.catalogs or scan.leader for scan in scans):
        raise leader_only()


def insert(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("insert", "into")
    start = reader.pos
    target = reader.qualified()
    if reader.at("as") or (reader.peek() and reader.peek().is_name()
                           and reader.peek().value not in ("values", "select", "with", "default")):
        raise reader.error()
    if reader.at("(") and reader.peek(1) is not None and reader.peek(1).value not in ("select", "with", "("):
        reader.parenthesised()
    head = TargetNames(tokens[start:reader.pos], sql, context)
    rest = tokens[reader.pos:]
    if not rest:
        raise reader.error()
    if reader.at("default", "values"):
        return dml(tokens, sql, context, [head], target)
    if reader.accept("values"):
        _check_values(reader)
    scan = Scan(rest, sql, context, values_allowed=rest[0].value == "values")
    check_catalogs([scan]) if rest[0].value != "values" or scan.relations else None
    step = dml(tokens, sql, context, [head, scan], target)
    if context.switches["super_64k_fails"] == "on" and rest[0].value != "values":
        step.before = [merge.super_check(relation, context) for relation in scan.relations]
    return step


class TargetNames:
    """Edits for a target table and its column list: names only."""

    def __init__(self, tokens, sql, context):
        self.edits, self.relations, self.catalogs, self.leader = [], [], [], []
        for token in tokens:
            if token.is_name():
                text = context.names.quoted(token.value)
                if text != token.text:
                    self.edits.append((token.start, token.end, text))


def _check_values(reader):
    rows = split_commas(reader.tokens[reader.pos:])
    for row in rows:
        if not row or row[0].kind != "(":
            raise reader.error(row[0] if row else None)
        if len(rows) > 1 and any(token.value == "select" and token.kind == "id" for token in row):
            raise unsupported("INSERT VALUES of several rows does not support subqueries")


def update(tokens, sql, context, prefix=()):
    reader = Reader(tokens, sql)
    reader.expect("update")
    start = reader.pos
    target = reader.qualified()
    alias = None
    if reader.accept("as"):
        alias = reader.name()
    elif not reader.at("set"):
        alias = reader.name()
    reader.expect("set")
    head = TargetNames([t for t in tokens[start:reader.pos - 1] if t.value != "as"], sql, context)
    rest = tokens[reader.pos:]
    if not rest:
        raise reader.error()
    body, tail, where = _cut(rest, "from"), [], []
    body, tail = body
    for part in split_commas(body):
        if len(part) > 1 and part[1].kind == "." or (part and part[0].kind == "("):
            raise Reader(part, sql).error(part[1] if len(part) > 1 else None)
    tail, where = _cut(tail, "where") if tail else (tail, [])
    if not tail:
        body, where = _cut(rest, "where")
    depth = 0
    for token in tail:
        depth += (token.kind == "(") - (token.kind == ")")
        if depth == 0 and token.kind == "id" and token.value in ("left", "right", "full", "outer"):
            raise unsupported("Target table must be part of an equijoin predicate")
    scans = [head, Scan(body, sql, context)]
    if prefix:
        scans.append(Scan(prefix, sql, context))
    if tail:
        scans.append(Scan(tail[1:], sql, context, clause="from"))
    if where:
        scans.append(Scan(where, sql, context))
    check_catalogs(scans)
    step = dml(tokens, sql, context, scans, target, prefix)
    if tail and context.settings.get("error_on_nondeterministic_update") == "on" and not prefix:
        step.before = [_update_check(target, alias, tail, where, scans, sql, context)]
    return step


def _update_check(target, alias, tail, where, scans, sql, context):
    edits = [edit for scan in scans for edit in scan.edits]
    name = relation_text(*target, context)
    label, named = (quote(alias), f"{name} AS {quote(alias)}") if alias else (name, name)
    sources = apply_edits(sql, tail[1].start, tail[-1].end, edits)
    condition = apply_edits(sql, where[0].start, where[-1].end, edits) if where else ""
    return (f"SELECT {SCHEMA}.fail_when(count(*) > 0, 'XX000', 'Found multiple matches to update the same tuple.') "
            f"FROM (SELECT 1 FROM {named}, {sources} {condition} "
            f"GROUP BY {label}.ctid HAVING count(*) > 1 LIMIT 1) AS matches")


def _cut(tokens, word):
    """Splits before the first top-level occurrence of a word."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.kind == "(") - (token.kind == ")")
        if depth == 0 and token.kind == "id" and token.value == word:
            return tokens[:at], tokens[at:]
    return tokens, []


def delete(tokens, sql, context, prefix=()):
    reader = Reader(tokens, sql)
    reader.expect("delete")
    reader.accept("from")
    start = reader.pos
    target = reader.qualified()
    head = TargetNames(tokens[start:reader.pos], sql, context)
    if not reader.done() and not reader.at("using") and not reader.at("where"):
        raise reader.error()
    rest = tokens[reader.pos:]
    using, where = _cut(rest, "where")
    scans = [head]
    if prefix:
        scans.append(Scan(prefix, sql, context))
    if using:
        scans.append(Scan(using[1:], sql, context, clause="from"))
    if where:
        scans.append(Scan(where, sql, context))
    check_catalogs(scans)
    step = dml(tokens, sql, context, scans, target, prefix)
    if tokens[1].value != "from":
        step.text = step.text.replace(tokens[0].text, "DELETE FROM", 1)
    return step


def transaction(tokens, sql, context):
    """BEGIN takes isolation levels and access modes and ignores the former."""
    reader = Reader(tokens, sql)
    word = reader.next().value
    if word == "start":
        reader.expect("transaction")
    else:
        reader.accept_any("work", "transaction")
    read_only = False
    if word in ("begin", "start"):
        while not reader.done():
            if reader.accept("isolation", "level"):
                if not (reader.accept("serializable") or reader.accept("repeatable", "read")
                        or reader.accept("read", "committed") or reader.accept("read", "uncommitted")):
                    raise reader.error()
            elif reader.accept("read", "only"):
                read_only = True
            elif not reader.accept("read", "write"):
                raise reader.error()
            reader.accept(",")
        return plain(tokens, sql, context, "BEGIN READ ONLY" if read_only else "BEGIN", kind="control")
    reader.expect_end()
    return plain(tokens, sql, context, "COMMIT" if word in ("commit", "end") else "ROLLBACK", kind="control")


def set_statement(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("set")
    scope = reader.accept_any("session", "local")
    if reader.accept("time", "zone"):
        name = "timezone"
    else:
        name = reader.name()
        if reader.at("."):
            raise Refusal("42704", f'unrecognized configuration parameter "{text_of(tokens[1:], sql)}"')
        if not reader.accept("to"):
            reader.expect("=")
    values = tokens[reader.pos:]
    if not values or any(token.kind not in ("id", "qid", "str", "num", ",", "op") for token in values):
        raise reader.error()
    if name not in SETTINGS:
        raise Refusal("42704", f'unrecognized configuration parameter "{name}"')
    local = "LOCAL " if scope == "local" else ""
    if SETTINGS[name] is None:
        if name == "client_encoding" and values[0].value.lower().strip("'") in ("unicode", "utf8", "utf-8"):
            value = "UTF8"
        else:
            value = apply_edits(sql, values[0].start, values[-1].end, [])
        return plain(tokens, sql, context, f"SET {local}{name} TO {value}")
    value = "" if values[0].value == "default" else ", ".join(token.value for token in values if token.kind != ",")
    if SETTINGS[name] in ("on", "off") and value:
        if value.lower() not in BOOLEAN_WORDS:
            raise Refusal("22023", f'parameter "{name}" requires a Boolean value')
        value = BOOLEAN_WORDS[value.lower()]
    step = plain(tokens, sql, context, f"SET {local}{SCHEMA}.{name} TO {literal(value)}")
    step.setting = (name, value or SETTINGS[name])
    return step


def reset(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("reset")
    name = reader.name()
    reader.expect_end()
    if name == "all":
        return plain(tokens, sql, context)
    if name not in SETTINGS:
        raise Refusal("42704", f'unrecognized configuration parameter "{name}"')
    if SETTINGS[name] is None:
        return plain(tokens, sql, context)
    step = plain(tokens, sql, context, f"SET {SCHEMA}.{name} TO ''")
    step.setting = (name, SETTINGS[name])
    return step


def show(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("show")
    name = " ".join(token.value for token in tokens[1:])
    if name in SHOW_ONLY and SHOW_ONLY[name] is not None:
        return plain(tokens, sql, context, f"SELECT {literal(SHOW_ONLY[name])} AS {quote(name)}")
    if name not in SETTINGS and name not in SHOW_ONLY:
        raise Refusal("42704", f'unrecognized configuration parameter "{name}"')
    if SETTINGS.get(name) is None:
        return plain(tokens, sql, context)
    return plain(tokens, sql, context, f"SELECT coalesce(nullif(current_setting('{SCHEMA}.{name}', true), ''), "
                                       f"{literal(SETTINGS[name])}) AS {quote(name)}")


def lock(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("lock")
    reader.accept("table")
    names = [relation_text(*reader.qualified(), context)]
    while reader.accept(","):
        names.append(relation_text(*reader.qualified(), context))
    reader.expect_end()
    return plain(tokens, sql, context, f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")


def truncate(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("truncate")
    reader.accept("table")
    target = reader.qualified()
    reader.expect_end()
    return plain(tokens, sql, context, f"TRUNCATE TABLE {relation_text(*target, context)}", kind="truncate",
                 relations=[target])


def vacuum(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("vacuum")
    reader.accept("full") or reader.accept("sort", "only") or reader.accept("delete", "only") \
        or reader.accept("reindex") or reader.accept("recluster")
    text = "VACUUM"
    if not reader.done():
        text += " " + relation_text(*reader.qualified(), context)
        if reader.accept("to"):
            reader.number()
            reader.expect("percent")
        reader.accept("boost")
    reader.expect_end()
    return plain(tokens, sql, context, text, kind="alone", what="VACUUM")


def analyze(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.next()
    if reader.accept("compression"):
        raise unsupported("ANALYZE COMPRESSION is not known to the stand-in")
    reader.accept("verbose")
    text = "ANALYZE"
    if not reader.done() and not reader.at("predicate") and not reader.at("all"):
        text += " " + relation_text(*reader.qualified(), context)
        if reader.at("("):
            reader.parenthesised()
    reader.accept("predicate", "columns") or reader.accept("all", "columns")
    reader.expect_end()
    return plain(tokens, sql, context, text)


def copy(tokens, sql, context):
    check_parameters(tokens)
    spec = copyspec.read(tokens, sql)
    return plain(tokens, sql, context, kind="copy", payload=spec, relations=[spec.table])


def merge_statement(tokens, sql, context):
    return merge.read(tokens, sql, context)


def explain(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.next()
    reader.accept("verbose")
    if reader.done():
        raise reader.error()
    inner = classify(tokens[reader.pos:], sql, context)
    if inner.verb not in ("select", "with", "insert", "update", "delete"):
        raise reader.error()
    return plain(tokens, sql, context, f"EXPLAIN {inner.text}", relations=inner.relations)


def cursor(tokens, sql, context):
    reader = Reader(tokens, sql)
    word = reader.next().value
    if word == "declare":
        name = reader.name()
        reader.accept("no", "scroll")
        reader.expect("cursor", "for")
        inner = query(tokens[reader.pos:], sql, context)
        return plain(tokens, sql, context, f"DECLARE {quote(name)} NO SCROLL CURSOR FOR {inner.text}",
                     relations=inner.relations)
    if word == "close":
        reader.name()
    else:
        reader.accept_any("next", "all", "forward")
        reader.accept("all") or (reader.peek() and reader.peek().kind == "num" and reader.number())
        reader.accept_any("from", "in")
        reader.name()
    reader.expect_end()
    return plain(tokens, sql, context)


def prepare(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("prepare")
    if reader.at("transaction"):
        raise reader.error()
    name, types = reader.name(), ""
    if reader.at("("):
        inside = split_commas(reader.parenthesised())
        types = "(" + ", ".join(read_type(Reader(part, sql)).upstream for part in inside) + ")"
    reader.expect("as")
    inner = classify(tokens[reader.pos:], sql, context)
    if inner.verb not in ("select", "with", "insert", "update", "delete"):
        raise reader.error()
    return plain(tokens, sql, context, f"PREPARE {quote(name)}{types} AS {inner.text}", relations=inner.relations)


def execute(tokens, sql, context):
    reader = Reader(tokens, sql)
    word = reader.next().value
    if word == "deallocate":
        reader.accept("prepare")
        reader.name()
    else:
        reader.name()
        if reader.at("("):
            Scan(reader.parenthesised(), sql, context)
    reader.expect_end()
    return plain(tokens, sql, context)


def refused_command(name):
    def refuse(tokens, sql, context):
        raise Refusal("42601", f'syntax error at or near "{tokens[0].text}"',
                      hint=f"Redshift has no {name}.")
    return refuse


STATEMENTS = {
    "select": query, "with": query, "insert": insert, "update": update, "delete": delete, "merge": merge_statement,
    "begin": transaction, "start": transaction, "commit": transaction, "end": transaction, "rollback": transaction,
    "abort": transaction, "set": set_statement, "reset": reset, "show": show, "lock": lock, "truncate": truncate,
    "vacuum": vacuum, "analyze": analyze, "analyse": analyze, "copy": copy, "explain": explain, "declare": cursor,
    "fetch": cursor, "close": cursor, "prepare": prepare, "execute": execute, "deallocate": execute,
    "create": ddl.create, "drop": ddl.drop, "alter": alter.alter, "grant": ddl.grant, "revoke": ddl.grant,
    "comment": ddl.comment,
    "savepoint": refused_command("SAVEPOINT"), "release": refused_command("SAVEPOINT"), "do": refused_command("DO"),
    "listen": refused_command("LISTEN"), "notify": refused_command("NOTIFY"),
}
