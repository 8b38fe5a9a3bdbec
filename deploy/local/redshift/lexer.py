"""The tokenizer: splits SQL text as Redshift reads it (backslash escapes in plain literals, #temp names)."""
import re

from .errors import Refusal, syntax_error

MAX_IDENTIFIER_BYTES = 127

TOKEN = re.compile(r"""
    (?P<space>\s+|--[^\n]*|/\*.*?\*/)
  | (?P<str>[eE]?'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+')
  | (?P<dollar>\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?P=tag)?\$)
  | (?P<num>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
  | (?P<param>\$\d+)
  | (?P<id>\#?[A-Za-z_\u0080-\U0010ffff][\w$\u0080-\U0010ffff]*)
  | (?P<qid>"(?:[^"]++|"")++")
  | (?P<op>::|<=|>=|<>|!=|\|\|/|\|\||\|/|->>|->|\#>>|\#>|@>|<@|&&|!~\*|!~|~\*|<<|>>|:=|[-+*/%^=<>~&|\#@!?:])
  | (?P<punct>[(),;.\[\]])
""", re.X | re.S)

ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)|''", re.S)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class Token:
    """kind is id, qid, str, num, param, op or the punctuation itself; value is what the text means."""

    __slots__ = ("kind", "text", "value", "start", "end")

    def __init__(self, kind, text, value, start, end):
        self.kind = kind
        self.text = text
        self.value = value
        self.start = start
        self.end = end

    def is_name(self):
        return self.kind in ("id", "qid")

    def __repr__(self):
        return f"Token({self.kind}, {self.text!r})"


def _unescape(match):
    body = match.group(1)
    if body is None:
        return "'"
    if body[0] in "01234567":
        return chr(int(body, 8))
    if body[0] == "x" and len(body) > 1:
        return chr(int(body[1:], 16))
    return ESCAPED.get(body, body)


def literal_value(text):
    """The string that a quoted literal stands for."""
    body = text[text.index("'") + 1:-1]
    if "\\" not in body and "'" not in body:
        return body
    return ESCAPE.sub(_unescape, body)


def fold(name, keep_case=False):
    """Lower case for ASCII letters, quoted or not, and cut to 127 bytes at a character boundary."""
    if not keep_case:
        name = "".join(c.lower() if "A" <= c <= "Z" else c for c in name)
    raw = name.encode("utf-8")
    if len(raw) > MAX_IDENTIFIER_BYTES:
        name = raw[:MAX_IDENTIFIER_BYTES].decode("utf-8", "ignore")
    return name


def tokenize(sql, keep_case=False):
    tokens = []
    pos = 0
    length = len(sql)
    scan = TOKEN.match
    while pos < length:
        match = scan(sql, pos)
        if match is None:
            if sql[pos] in "'\"":
                what = "string" if sql[pos] == "'" else "identifier"
                raise Refusal("42601", f'unterminated quoted {what} at or near "{sql[pos:pos + 20]}"')
            raise syntax_error(sql[pos])
        kind = match.lastgroup
        end = match.end()
        text = match.group()
        if kind == "space":
            pos = end
            continue
        if kind == "id":
            value = fold(text, keep_case=False)
        elif kind == "qid":
            value = fold(text[1:-1].replace('""', '"'), keep_case)
        elif kind == "str":
            value = literal_value(text)
        elif kind == "dollar" or kind == "tag":
            kind = "str"
            value = text[text.index("$", 1) + 1:text.rindex("$", 0, -1)]
        else:
            value = text
            if kind == "punct":
                kind = text
        tokens.append(Token(kind, text, value, pos, end))
        pos = end
    return tokens


def split(tokens):
    """Statements of one query string, as lists of tokens; empty ones are left out."""
    statements = [[]]
    for token in tokens:
        if token.kind == ";":
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


class Reader:
    """Walks a statement's tokens; everything unexpected is a syntax error that names the token."""

    def __init__(self, tokens, sql):
        self.tokens = tokens
        self.sql = sql
        self.pos = 0

    def peek(self, ahead=0):
        at = self.pos + ahead
        return self.tokens[at] if at < len(self.tokens) else None

    def done(self):
        return self.pos >= len(self.tokens)

    def next(self):
        token = self.peek()
        if token is None:
            raise self.error()
        self.pos += 1
        return token

    def error(self, token=None):
        token = token or self.peek()
        if token is None:
            return syntax_error("")
        return syntax_error(token.text, self.sql[max(0, token.start - 30):token.end][:60])

    def at(self, *words):
        """True when the next tokens are these key words or punctuation."""
        for ahead, word in enumerate(words):
            token = self.peek(ahead)
            if token is None or token.kind in ("qid", "str") or token.value != word:
                return False
        return True

    def accept(self, *words):
        if self.at(*words):
            self.pos += len(words)
            return True
        return False

    def accept_any(self, *words):
        token = self.peek()
        if token is not None and token.kind not in ("qid", "str") and token.value in words:
            self.pos += 1
            return token.value
        return None

    def expect(self, *words):
        if not self.accept(*words):
            raise self.error()

    def expect_end(self):
        if not self.done():
            raise self.error()

    def name(self):
        token = self.next()
        if not token.is_name():
            raise self.error(token)
        return token.value

    def qualified(self):
        """(schema or None, name)"""
        first = self.name()
        if self.accept("."):
            second = self.name()
            if self.accept("."):
                return second, self.name()
            return first, second
        return None, first

    def string(self):
        token = self.next()
        if token.kind != "str":
            raise self.error(token)
        return token.value

    def number(self):
        token = self.next()
        if token.kind != "num" or not token.text.isdigit():
            raise self.error(token)
        return int(token.text)

    def closing(self, start):
        """Index of the parenthesis that closes the one at index start."""
        depth = 0
        for at in range(start, len(self.tokens)):
            kind = self.tokens[at].kind
            if kind == "(":
                depth += 1
            elif kind == ")":
                depth -= 1
                if depth == 0:
                    return at
        raise syntax_error("")

    def parenthesised(self):
        """The tokens between a pair of parentheses, which are passed over."""
        if not self.at("("):
            raise self.error()
        end = self.closing(self.pos)
        inside = self.tokens[self.pos + 1:end]
        self.pos = end + 1
        return inside


def split_commas(tokens):
    """Cuts a token list at its top-level commas."""
    parts, depth = [[]], 0
    for token in tokens:
        if token.kind in "([":
            depth += 1
        elif token.kind in ")]":
            depth -= 1
        if token.kind == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
