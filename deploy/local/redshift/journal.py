"""The statement journal: one JSON line a statement, in a file and in memory, with credentials masked."""
import collections
import datetime
import json
import os
import re

KEEP_LINES = 100_000
KEEP_STATEMENT_CHARS = 10_000
SECRET = re.compile(
    r"((?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PASSWORD)\s+(?:AS\s+)?)[eE]?'(?:[^'\\]|\\.|'')*'", re.I | re.S)
CREDENTIALS = re.compile(r"(CREDENTIALS\s+(?:AS\s+)?)[eE]?'(?!aws_iam_role=)(?:[^'\\]|\\.|'')*'", re.I | re.S)


def mask(sql):
    """The statement without the secrets that COPY and CREATE USER may hold."""
    if len(sql) > KEEP_STATEMENT_CHARS:
        sql = sql[:KEEP_STATEMENT_CHARS] + "..."
    if "'" in sql:
        sql = CREDENTIALS.sub(r"\1'***'", SECRET.sub(r"\1'***'", sql))
    return sql


class Journal:
    def __init__(self, path):
        self.lines = collections.deque(maxlen=KEEP_LINES)
        self.seq = 0
        self.exported = 0
        if path and os.path.exists(path):
            self._load(path)
        self.file = open(path, "a", encoding="utf-8", buffering=1) if path else None

    def _load(self, path):
        """Goes on counting after a restart; a line that was cut off by a kill is ended and ignored."""
        with open(path, "rb+") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    self.seq = entry["seq"]
                except (ValueError, KeyError):
                    continue
                self.lines.append(line.decode().rstrip("\n"))
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
        self.exported = self.seq

    def add(self, session, sql, status, milliseconds, tag=None, sqlstate=None, message=None, fault=None):
        self.seq += 1
        entry = {"seq": self.seq, "time": datetime.datetime.now(datetime.timezone.utc).isoformat(),
                 "session": session.number, "pid": session.pid, "user": session.user, "statement": mask(sql),
                 "status": status, "ms": round(milliseconds, 3), "block": session.status != b"I"}
        for key, value in (("tag", tag), ("sqlstate", sqlstate), ("message", message), ("fault", fault)):
            if value is not None:
                entry[key] = value
        line = json.dumps(entry, ensure_ascii=False)
        self.lines.append(line)
        if self.file is not None:
            self.file.write(line + "\n")

    def since(self, seq):
        """Lines with a number above seq."""
        skip = max(0, len(self.lines) - (self.seq - seq))
        return [line for at, line in enumerate(self.lines) if at >= skip]

    def unexported(self):
        """Entries that the query-history views do not hold yet."""
        entries = [json.loads(line) for line in self.since(self.exported)]
        self.exported = self.seq
        return entries
