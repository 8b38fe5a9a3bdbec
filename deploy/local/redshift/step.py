"""One statement of a client, ready to run."""


class Step:
    """kind: plain (forwarded), control (BEGIN, COMMIT, ROLLBACK), alone (never in a block), truncate, copy.

    lock and before run hidden ahead of text, after runs hidden behind it.
    """

    def __init__(self, sql, verb, text, kind="plain", relations=(), payload=None, what=None):
        self.sql = sql
        self.verb = verb
        self.text = text
        self.kind = kind
        self.relations = list(relations)
        self.payload = payload
        self.what = what
        self.lock = None
        self.before = []
        self.after = []
        self.setting = None
        self.tag = None
        self.hide_rows = False

    def statements(self):
        """(text, visible) of everything that goes upstream, in order."""
        hidden = ([self.lock] if self.lock else []) + self.before
        return [(text, False) for text in hidden] + [(self.text, True)] + [(text, False) for text in self.after]

    def is_simple(self):
        """True when the extended protocol can carry it: one statement, a lock at most."""
        return self.kind in ("plain", "control") and not self.before and not self.after
