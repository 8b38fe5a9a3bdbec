"""The scan over queries and expressions: an allow-list of words and operators, and the edits that make it PostgreSQL."""
from .errors import Refusal, leader_only, syntax_error, unsupported
from .lexer import Reader
from .vocabulary import (BEFORE_PARENTHESIS, CATALOGS, COPY_FUNCTIONS, FUNCTIONS, INFORMATION_SCHEMA, LEADER_ONLY,
                         PG_NAME_BYTES, PROVISIONED_ONLY, SCHEMA, SYSTEM_VIEWS, UNIT_FUNCTIONS, read_type)

OPERATORS = set("+ - * / % ^ = < > <= >= <> != || :: ~ ~* !~ !~* & | # << >> |/ ||/ @".split())
FROM_INSIDE_FUNCTION = {"extract", "trim", "substring", "overlay", "position"}
END_OF_FROM = {"where", "group", "having", "order", "limit", "union", "intersect", "except", "minus", "select", "set",
               "window", "offset"}
JOIN_WORDS = {"inner", "left", "right", "full", "cross", "natural", "outer", "join", "on", "using", "as"}
COMPARISONS = {"=", "<>", "!=", "<", ">", "<=", ">="}
NOT_A_RELATION = {"only", "select", "with", "lateral", "values"}
NOT_IN_REDSHIFT = ("returning", "lateral", "tablesample", "fetch", "materialized", "only")


def apply_edits(sql, start, end, edits):
    """sql[start:end] with the (start, end, text) replacements that fall inside it."""
    out, pos = [], start
    for edit_start, edit_end, text in sorted(edits, key=lambda edit: (edit[0], edit[1])):
        if edit_start < pos or edit_end > end:
            continue
        out.append(sql[pos:edit_start])
        out.append(text)
        pos = edit_end
    out.append(sql[pos:end])
    return "".join(out)


class Scan:
    """One pass over some tokens of a statement. Fills edits, relations (of users), catalogs, leader (functions)."""

    def __init__(self, tokens, sql, context, clause=None, values_allowed=False):
        self.tokens = tokens
        self.sql = sql
        self.context = context
        self.edits = []
        self.relations = []
        self.catalogs = []
        self.leader = []
        self.ctes = self._cte_names()
        self.clause = [clause]
        self.function = [None]
        self.expect_relation = clause == "from"
        self.joins = 0
        self.values_allowed = values_allowed
        self.skip = {}
        self._run()

    def _word(self, at):
        if 0 <= at < len(self.tokens) and self.tokens[at].kind not in ("qid", "str"):
            return self.tokens[at].value
        return None

    def _cte_names(self):
        names, tokens = set(), self.tokens
        for at in range(len(tokens) - 2):
            if tokens[at].is_name() and self._word(at - 1) in ("with", "recursive", ","):
                after = at + 1
                if self._word(after) == "(":
                    while after < len(tokens) and self._word(after) != ")":
                        after += 1
                    after += 1
                if self._word(after) == "as" and self._word(after + 1) == "(":
                    names.add(tokens[at].value)
        return names

    def _run(self):
        at = 0
        while at < len(self.tokens):
            at = self._token(at)
        if self.leader and self.relations:
            raise leader_only()
        if self.relations and self.catalogs:
            raise leader_only()

    def _refuse_at(self, at):
        token = self.tokens[at]
        return syntax_error(token.text, self.sql[max(0, token.start - 30):token.end])

    def _token(self, at):
        if at in self.skip:
            return self.skip[at]
        token = self.tokens[at]
        kind = token.kind
        if self.expect_relation and (token.is_name()) and self._word(at) not in NOT_A_RELATION:
            return self._relation(at)
        if kind == "(":
            self._open(at)
        elif kind == ")":
            if len(self.clause) == 1:
                raise self._refuse_at(at)
            self.clause.pop()
            self.function.pop()
            self.expect_relation = False
        elif kind == ",":
            if self.clause[-1] in ("from", "on") and self.function[-1] is None:
                self.expect_relation = True
                self.joins += 1
        elif kind == "id":
            return self._identifier(at)
        elif kind == "qid":
            self._name(token)
        elif kind == "op":
            if token.text == "::":
                return self._cast(at + 1)
            if token.text not in OPERATORS:
                raise self._refuse_at(at)
        elif kind in "[]":
            raise unsupported("the stand-in does not navigate into SUPER values or arrays with [ ]")
        return at + 1

    def _open(self, at):
        before = self._word(at - 1)
        if self.expect_relation and self._word(at + 1) == "values":
            raise self._refuse_at(at + 1)
        if before in ("any", "some", "all") and self._word(at + 1) not in ("select", "with") \
                and self._word(at - 2) not in ("union", "select"):
            raise unsupported(f"{before.upper()} over an array is not supported")
        inside_from = self.clause[-1] == "from" and self.expect_relation
        self.clause.append("from" if inside_from else None)
        self.function.append(None)
        if not inside_from:
            self.expect_relation = False
        if before is None or before in COMPARISONS or before in ("where", "and", "or", "not", "("):
            self._refuse_row(at)

    def _refuse_row(self, at):
        """(a, b) = (c, d): a row constructor as a value."""
        depth, comma = 0, False
        for end in range(at, len(self.tokens)):
            kind = self.tokens[end].kind
            depth += (kind == "(") - (kind == ")")
            comma = comma or (kind == "," and depth == 1)
            if depth == 0:
                if comma and (self._word(end + 1) in COMPARISONS or self._word(at - 1) in COMPARISONS):
                    raise unsupported("row constructors are not supported")
                return

    def _cast(self, at):
        reader = Reader(self.tokens, self.sql)
        reader.pos = at
        kind = read_type(reader)
        self.edits.append((self.tokens[at].start, self.tokens[reader.pos - 1].end, kind.upstream))
        return reader.pos

    def _name(self, token):
        """An identifier as PostgreSQL has to see it."""
        name = self.context.names.upstream(token.value)
        if token.kind == "qid":
            text = '"' + name.replace('"', '""') + '"'
            if text != token.text:
                self.edits.append((token.start, token.end, text))
        elif name != token.value or token.value.startswith("#"):
            self.edits.append((token.start, token.end, '"' + name + '"'))

    def _relation(self, at):
        """A table or view after FROM, JOIN, INTO, UPDATE or a comma."""
        self.expect_relation = False
        parts, end = [self.tokens[at]], at + 1
        while self._word(end) == "." and end + 1 < len(self.tokens) and self.tokens[end + 1].is_name():
            parts.append(self.tokens[end + 1])
            end += 2
        if self._word(end) == "(" and self.clause[-1] == "from" and self._word(at - 1) not in ("into",):
            raise Refusal("0A000", f'function "{parts[-1].value}" is not supported as a table on Redshift')
        schema = parts[-2].value if len(parts) > 1 else None
        name = parts[-1].value
        if schema == SCHEMA:
            raise Refusal("3F000", f'schema "{schema}" does not exist')
        if schema is None and name in self.ctes:
            return end
        view = self._view(schema, name)
        if view is not None:
            self.catalogs.append(name)
            self.context.views.add(name)
            text = f"{SCHEMA}.{view}" if view != name or name in SYSTEM_VIEWS else f"pg_catalog.{name}"
            alias_follows = end < len(self.tokens) and (self._word(end) == "as" or (
                self.tokens[end].is_name() and self._word(end) not in END_OF_FROM | JOIN_WORDS))
            if view != name and not alias_follows:
                text += f' AS "{name}"'
            self.edits.append((parts[0].start, parts[-1].end, text))
            return end
        self.relations.append((schema, name))
        for part in parts:
            self._name(part)
        return end

    def _view(self, schema, name):
        if schema == "information_schema":
            if name not in INFORMATION_SCHEMA:
                raise Refusal("42P01", f'relation "information_schema.{name}" does not exist')
            return INFORMATION_SCHEMA[name]
        if schema not in (None, "pg_catalog"):
            return None
        if name in SYSTEM_VIEWS or name in CATALOGS:
            if name.startswith(PROVISIONED_ONLY) and self.context.switches["profile"] == "serverless":
                raise Refusal("42P01", f'relation "{name}" does not exist')
            return name
        if name.startswith(("stl_", "stv_", "svv_", "svl_", "sys_", "svcs_", "pg_")) or schema == "pg_catalog":
            raise Refusal("42P01", f'relation "{name}" does not exist (the stand-in does not have it)')
        return None

    def _identifier(self, at):
        token = self.tokens[at]
        word = token.value
        if self._word(at - 1) == "." and word not in FUNCTIONS:
            self._name(token)
            if self._word(at + 1) == "(":
                raise Refusal("42883", f"function {word} does not exist")
            return at + 1
        handler = HANDLERS.get(word)
        if handler is not None:
            moved = handler(self, at)
            if moved is not None:
                return moved
        if self._word(at + 1) == "(" and word not in BEFORE_PARENTHESIS:
            return self._call(at)
        if self._word(at + 1) == "(" and word in ("left", "right") and self.clause[-1] not in ("from", "on"):
            return self._call(at)
        if len(word) * 4 > PG_NAME_BYTES or word[0] == "#":
            self._name(token)
        return at + 1

    def _call(self, at):
        token = self.tokens[at]
        name = token.value
        if name in self.ctes or (self._word(at - 1) == ")" and self.clause[-1] in ("from", "on")) \
                or (self._word(at - 1) == "as"):
            return at + 1
        if name in ("varchar", "char", "numeric", "decimal", "character", "float"):
            raise self._refuse_at(at + 1)
        if name not in FUNCTIONS:
            raise Refusal("42883", f"function {name} does not exist", hint="The stand-in knows only the functions on "
                          "its list (vocabulary.py); add it there when Redshift has it.")
        start = token.start
        if self._word(at - 1) == ".":
            if self._word(at - 2) != "pg_catalog":
                raise Refusal("42883", f"function {self._word(at - 2)}.{name} does not exist")
            start = self.tokens[at - 2].start
        if name in LEADER_ONLY:
            self.leader.append(name)
        if name == "cast":
            self._cast_call(at)
        elif name == "listagg":
            self._listagg(at)
        else:
            self._rename(at, start, name)
        self.clause.append(None)
        self.function.append(name)
        self.expect_relation = False
        return at + 2

    def _rename(self, at, start, name):
        target = FUNCTIONS[name]
        if target is not None:
            text = target if target != SCHEMA else f"{SCHEMA}.{name}"
            if target in ("datediff", "dateadd"):
                text = f"{SCHEMA}.{target}"
            self.edits.append((start, self.tokens[at].end, text))
        if name in UNIT_FUNCTIONS and name not in ("extract",) and at + 2 < len(self.tokens):
            unit = self.tokens[at + 2]
            if unit.kind == "id" and self._word(at + 3) == ",":
                self.edits.append((unit.start, unit.end, f"'{unit.value}'"))
        if name in COPY_FUNCTIONS:
            value = getattr(self.context, name[3:])
            self.edits.append((self.tokens[at + 1].end, self.tokens[at + 1].end, str(value)))

    def _cast_call(self, at):
        """CAST(x AS type): the type is rewritten here, x by the ordinary scan."""
        end = Reader(self.tokens, self.sql).closing(at + 1)
        depth = 0
        for pos in range(end - 1, at + 1, -1):
            depth += (self.tokens[pos].kind == ")") - (self.tokens[pos].kind == "(")
            if depth == 0 and self._word(pos) == "as":
                self.skip[pos + 1] = self._cast(pos + 1)
                return

    def _listagg(self, at):
        """LISTAGG([DISTINCT] x [, sep]) [WITHIN GROUP (ORDER BY y)] becomes string_agg(x::text, sep ORDER BY y)."""
        reader = Reader(self.tokens, self.sql)
        end = reader.closing(at + 1)
        self.edits.append((self.tokens[at].start, self.tokens[at].end, f"{SCHEMA}.listagg"))
        depth, comma = 0, None
        for pos in range(at + 2, end):
            depth += (self.tokens[pos].kind == "(") - (self.tokens[pos].kind == ")")
            if self.tokens[pos].kind == "," and depth == 0:
                comma = pos
                break
        first = at + 3 if self._word(at + 2) == "distinct" else at + 2
        if first >= end:
            raise self._refuse_at(end)
        self.edits.append((self.tokens[first].start, self.tokens[first].start, "("))
        stop = self.tokens[(comma or end) - 1].end
        self.edits.append((stop, stop, ")::text" + ("" if comma else ", ''")))
        if self._word(end + 1) == "within" and self._word(end + 2) == "group" and self._word(end + 3) == "(":
            reader.closing(end + 3)
            self.edits.append((self.tokens[end].start, self.tokens[end + 3].end, " "))

    # key words -------------------------------------------------------------------------------------------------
    def _on_from(self, at):
        if self.function[-1] in FROM_INSIDE_FUNCTION:
            return at + 1
        self.clause[-1] = "from"
        self.expect_relation = True
        return at + 1

    def _on_join(self, at):
        self.expect_relation = True
        self.clause[-1] = "from"
        self.joins += 1
        return at + 1

    def _on_end_of_from(self, at):
        if self._word(at) == "select" and self._word(at + 1) == "top" and at + 2 < len(self.tokens) \
                and self.tokens[at + 2].kind == "num":
            self._top(at)
        if self.function[-1] is None or self._word(at) != "order":
            self.clause[-1] = None
        self.expect_relation = False
        return at + 1

    def _top(self, at):
        depth, end = 0, len(self.tokens)
        for pos in range(at + 1, len(self.tokens)):
            kind = self.tokens[pos].kind
            depth += (kind == "(") - (kind == ")")
            if depth < 0 or (depth == 0 and self._word(pos) in ("union", "intersect", "except", "minus")):
                end = pos
                break
        self.edits.append((self.tokens[at + 1].start, self.tokens[at + 2].end, ""))
        stop = self.tokens[end - 1].end
        self.edits.append((stop, stop, f" LIMIT {self.tokens[at + 2].text}"))

    def _on_clause_on(self, at):
        if self._word(at + 1) == "conflict":
            raise self._refuse_at(at + 1)
        if self.clause[-1] == "from":
            self.clause[-1] = "on"
        return at + 1

    def _on_refused(self, at):
        if self._word(at + 1) in ("(", ".", ",", None, ")") and self._word(at) in ("fetch", "materialized"):
            return None
        raise self._refuse_at(at)

    def _on_distinct(self, at):
        if self._word(at + 1) == "on":
            raise self._refuse_at(at + 1)
        if self._word(at + 1) == "from" and self._word(at - 1) in ("is", "not"):
            raise self._refuse_at(at)
        return at + 1

    def _on_filter(self, at):
        if self._word(at + 1) == "(":
            raise self._refuse_at(at + 1)
        return None

    def _on_for(self, at):
        if self._word(at + 1) in ("update", "share", "no", "key"):
            raise unsupported("SELECT FOR UPDATE/SHARE is not supported")
        return at + 1

    def _on_array(self, at):
        if self._word(at + 1) == "[":
            raise unsupported("arrays are not supported on Redshift tables")
        return None

    def _on_values(self, at):
        if not self.values_allowed and self._word(at + 1) == "(":
            raise self._refuse_at(at)
        return at + 1

    def _on_row(self, at):
        if self._word(at + 1) == "(":
            raise self._refuse_at(at + 1)
        return None

    def _on_unknown(self, at):
        if self._word(at + 1) in ("(",) or (self._word(at) == "qualify" and self.tokens[at - 1].kind != "."):
            raise unsupported(f"{self._word(at).upper()} is not known to the stand-in")
        return None

    def _on_all(self, at):
        if self._word(at - 1) in ("except", "intersect", "minus"):
            raise self._refuse_at(at)
        return None

    def _on_minus(self, at):
        self.edits.append((self.tokens[at].start, self.tokens[at].end, "EXCEPT"))
        return self._on_end_of_from(at)

    def _on_into(self, at):
        raise unsupported("SELECT INTO is not known to the stand-in; use CREATE TABLE AS")

    def _on_sysdate(self, at):
        token = self.tokens[at]
        if self._word(at - 1) == "." or self._word(at + 1) == "(":
            return None
        self.edits.append((token.start, token.end, f"{SCHEMA}.sysdate()"))
        return at + 1

    def _on_leader_word(self, at):
        self.leader.append(self._word(at))
        return at + 1

    def _on_insert(self, at):
        raise self._refuse_at(at)


HANDLERS = {
    "from": Scan._on_from, "join": Scan._on_join, "on": Scan._on_clause_on, "distinct": Scan._on_distinct,
    "filter": Scan._on_filter, "for": Scan._on_for, "array": Scan._on_array, "values": Scan._on_values,
    "row": Scan._on_row, "all": Scan._on_all, "into": Scan._on_into, "sysdate": Scan._on_sysdate,
    "current_timestamp": Scan._on_leader_word, "current_time": Scan._on_leader_word,
    "localtime": Scan._on_leader_word, "localtimestamp": Scan._on_leader_word,
    "qualify": Scan._on_unknown, "pivot": Scan._on_unknown, "unpivot": Scan._on_unknown,
}
HANDLERS.update({word: Scan._on_refused for word in NOT_IN_REDSHIFT})
HANDLERS.update({word: Scan._on_end_of_from for word in END_OF_FROM})
HANDLERS["minus"] = Scan._on_minus
HANDLERS.update({word: Scan._on_insert for word in ("insert", "update", "delete", "merge", "truncate", "copy", "do")})
