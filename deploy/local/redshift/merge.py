"""MERGE with Redshift's restrictions, rewritten into PostgreSQL 15's MERGE or, for REMOVE DUPLICATES, DELETE and INSERT."""
from .errors import Refusal, leader_only, unsupported
from .expression import Scan, apply_edits
from .lexer import Reader, split_commas
from .step import Step
from .vocabulary import SCHEMA, literal, quote

PARTIAL_SUPER = "Partial reference of SUPER column is not supported in MERGE statement."
SAME_TABLE = "Source view/subquery in Merge statement cannot reference target table."
MULTIPLE = "Found multiple matches to update the same tuple."


def _table(schema, name, context):
    return (quote(schema) + "." if schema else "") + context.names.quoted(name)


def super_check(relation, context):
    """A hidden statement that fails when a SUPER value of the table is longer than 65,535 bytes as text."""
    return f"SELECT {SCHEMA}.check_super_size({literal(_table(*relation, context))})"


def _same(one, other):
    return one[1] == other[1] and (one[0] or "public") == (other[0] or "public")


def _conjuncts(tokens):
    parts, depth = [[]], 0
    for token in tokens:
        depth += (token.kind == "(") - (token.kind == ")")
        if depth == 0 and token.kind == "id" and token.value == "and":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _strip(tokens):
    while len(tokens) > 2 and tokens[0].kind == "(" and tokens[-1].kind == ")":
        depth = 0
        for at, token in enumerate(tokens):
            depth += (token.kind == "(") - (token.kind == ")")
            if depth == 0:
                break
        if at != len(tokens) - 1:
            return tokens
        tokens = tokens[1:-1]
    return tokens


def _check_condition(tokens, reader):
    """Only equalities joined by AND."""
    for part in _conjuncts(_strip(tokens)):
        part = _strip(part)
        if any(token.value == "and" and token.kind == "id" for token in part):
            _check_condition(part, reader)
            continue
        if sum(token.kind == "op" and token.text == "=" for token in part) != 1 \
                or any(token.kind == "op" and token.text in ("<", ">", "<=", ">=", "<>", "!=") for token in part) \
                or any(token.kind == "id" and token.value in ("or", "not", "in", "like", "between", "is") for token in part):
            raise unsupported("MERGE supports only equality predicates in its ON condition")


def _check_partial(tokens, labels, relations=()):
    """x.y.z where x is the source or target itself, or x.y[...]: a part of a SUPER value."""
    for at, token in enumerate(tokens):
        if token.kind == "[":
            raise unsupported(PARTIAL_SUPER)
        if token.is_name() and (at == 0 or tokens[at - 1].kind != ".") and at + 4 < len(tokens) \
                and tokens[at + 1].kind == "." and tokens[at + 3].kind == "." and token.value in labels \
                and (token.value, tokens[at + 2].value) not in relations:
            raise unsupported(PARTIAL_SUPER)


def _source(reader, target, context, sql):
    """(scan of the source's tokens, labels that may stand before a dot, relation or None)"""
    start = reader.pos
    if reader.at("("):
        inside = reader.parenthesised()
        scan = Scan(inside, sql, context)
        if any(_same(relation, target) for relation in scan.relations):
            raise Refusal("0A000", SAME_TABLE)
        relation = None
        labels = set()
    else:
        relation = reader.qualified()
        if _same(relation, target):
            raise Refusal("0A000", SAME_TABLE)
        scan = Scan(reader.tokens[start:reader.pos], sql, context, clause="from")
        labels = {relation[1]}
    if reader.accept("as") or (reader.peek() is not None and reader.peek().is_name() and not reader.at("on")):
        labels = {reader.name()}
    elif relation is None:
        raise reader.error()
    if scan.catalogs or scan.leader:
        raise leader_only()
    return scan, labels, relation


def read(tokens, sql, context):
    reader = Reader(tokens, sql)
    reader.expect("merge", "into")
    target = reader.qualified()
    if not reader.at("using"):
        raise reader.error()
    target_end = tokens[reader.pos - 1].end
    target_start = tokens[2].start
    reader.expect("using")
    source_start = reader.peek().start if reader.peek() else target_end
    scan, labels, relation = _source(reader, target, context, sql)
    source_end = tokens[reader.pos - 1].end
    reader.expect("on")
    start = reader.pos
    while not reader.done() and not reader.at("when") and not reader.at("remove", "duplicates"):
        if reader.at("("):
            reader.parenthesised()
        elif reader.at("case"):
            raise reader.error()
        else:
            reader.next()
    condition = tokens[start:reader.pos]
    if not condition:
        raise reader.error()
    _check_condition(condition, reader)
    checked = labels | {target[1]}
    tables = {target, relation}
    _check_partial(condition, checked, tables)
    condition_scan = Scan(condition, sql, context)
    edits = scan.edits + condition_scan.edits
    name = _table(*target, context)
    edits.append((target_start, target_end, name))
    relations = [target] + ([relation] if relation else scan.relations)
    if reader.accept("remove", "duplicates"):
        reader.expect_end()
        return _remove_duplicates(tokens, sql, context, edits, target, relations,
                                  (source_start, source_end), condition, relation)
    edits += _clauses(reader, sql, context, checked, tables)
    step = Step(sql[tokens[0].start:tokens[-1].end], "merge",
                apply_edits(sql, tokens[0].start, tokens[-1].end, edits), relations=relations)
    step.lock = f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE"
    if context.switches["super_64k_fails"] == "on":
        step.before = [super_check(item, context) for item in relations[1:]]
    return step


def _clauses(reader, sql, context, labels, tables):
    """WHEN MATCHED THEN …, then WHEN NOT MATCHED THEN INSERT, each once and without a condition."""
    reader.expect("when", "matched")
    reader.expect("then")
    edits = []
    if not reader.accept("delete"):
        reader.expect("update", "set")
        start = reader.pos
        while not reader.done() and not reader.at("when", "not"):
            if reader.at("("):
                reader.parenthesised()
            else:
                reader.next()
        edits += _assignments(reader.tokens[start:reader.pos], reader, sql, context, labels, tables)
    if reader.done():
        raise reader.error()
    reader.expect("when", "not", "matched", "then", "insert")
    if reader.at("("):
        for part in split_commas(reader.parenthesised()):
            if len(part) != 1 or not part[0].is_name():
                raise reader.error(part[1] if len(part) > 1 else None)
            edits.append((part[0].start, part[0].end, context.names.quoted(part[0].value)))
    reader.expect("values")
    values = reader.parenthesised()
    reader.expect_end()
    _check_partial(values, labels, tables)
    scan = Scan(values, sql, context)
    if scan.relations or scan.catalogs or scan.leader:
        raise unsupported("subqueries are not supported in the values of MERGE")
    return edits + scan.edits


def _assignments(tokens, reader, sql, context, labels, tables):
    edits = []
    for part in split_commas(tokens):
        if len(part) < 3 or not part[0].is_name() or part[1].text != "=":
            raise reader.error(part[1] if len(part) > 1 else (part[0] if part else None))
        edits.append((part[0].start, part[0].end, context.names.quoted(part[0].value)))
        _check_partial(part[2:], labels, tables)
        scan = Scan(part[2:], sql, context)
        if scan.relations or scan.catalogs or scan.leader:
            raise unsupported("subqueries are not supported in the values of MERGE")
        edits += scan.edits
    return edits


def _remove_duplicates(tokens, sql, context, edits, target, relations, source, condition, relation):
    name = _table(*target, context)
    source_text = apply_edits(sql, *source, edits)
    condition_text = apply_edits(sql, condition[0].start, condition[-1].end, edits)
    step = Step(sql[tokens[0].start:tokens[-1].end], "merge", f"INSERT INTO {name} SELECT * FROM {source_text}",
                relations=relations)
    step.lock = f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE"
    if relation is not None:
        step.before.append(f"SELECT {SCHEMA}.check_same_columns({literal(name)}, "
                           f"{literal(_table(*relation, context))})")
    if context.switches["super_64k_fails"] == "on":
        step.before += [super_check(item, context) for item in relations[1:]]
    step.before.append(f"DELETE FROM {name} USING {source_text} WHERE {condition_text}")
    step.tag = "MERGE"
    return step


def map_error(fields):
    """PostgreSQL's words for a doubly matched row, in Redshift's."""
    if fields.get("C") == "21000" and "MERGE command cannot affect row" in fields.get("M", ""):
        return {"S": "ERROR", "C": "XX000", "M": MULTIPLE}
    return None
