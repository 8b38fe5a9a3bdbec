"""What the stand-in says when it refuses: one exception that carries every field of an ErrorResponse."""


class Refusal(Exception):
    """An error for the client. A fatal one ends the connection."""

    def __init__(self, sqlstate, message, detail=None, hint=None, fatal=False):
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint
        self.fatal = fatal


class ConnectionDropped(Exception):
    """The client's connection has to go at once, without an answer."""


def syntax_error(near, context=None):
    text = f'syntax error at or near "{near}"' if near else "syntax error at end of input"
    if context:
        text += f' in context "{context}"'
    return Refusal("42601", text)


def unsupported(message):
    return Refusal("0A000", message)


def leader_only():
    return Refusal("0A000", "Specified types or functions (one per INFO message) not supported on Redshift tables.")


def in_block(what):
    return Refusal("25001", f"{what} cannot run inside a transaction block")


def internal(message, code=8001, context="", query_id=0, location="copy.cpp:1"):
    """Redshift's own failures are all XX000; the DETAIL block says which one it is."""
    line = "-" * 47
    detail = (f"\n  {line}\n  error:  {message}\n  code:      {code}\n  context:   {context}\n"
              f"  query:     {query_id}\n  location:  {location}\n  process:   padbmaster [pid=1]\n  {line}\n")
    return Refusal("XX000", message, detail=detail)
