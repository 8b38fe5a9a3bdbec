"""Faults and switches that tests set through the control port; SQL can never reach them."""
import asyncio
import re

ACTIONS = ("error", "drop_before", "drop_after", "stall", "delay", "s3_slowdown")
FATAL_STATES = ("57P01", "57P02", "57P03")
DEFAULT_MESSAGES = {
    "1023": ("XX000", "1023", "Serializable isolation violation on table - 100100, transactions forming the cycle "
                              "are: 1001, 1002 (pid:1)"),
    "1018": ("XX000", "1018", "Relation does not exist."),
}
SWITCHES = {
    "quoted_null": ("match", "literal"),
    "json_null_in_super": ("sqlnull", "jsonnull"),
    "copy_error_view": ("stl", "sys"),
    "merge_tag_count": ("yes", "no"),
    "truncate_in_block": ("autocommit", "new_block"),
    "super_64k_fails": ("off", "on"),
    "profile": ("provisioned", "serverless"),
    "max_connections": None,
}
DEFAULT_MAX_CONNECTIONS = 500


class Switches:
    """Each starts with the first value of its list."""

    def __init__(self):
        self.values = {name: values[0] if values else DEFAULT_MAX_CONNECTIONS for name, values in SWITCHES.items()}

    def __getitem__(self, name):
        return self.values[name]

    def set(self, changes):
        """Checks everything before it changes anything."""
        checked = {}
        for name, value in changes.items():
            if name not in SWITCHES:
                raise ValueError(f'unknown switch "{name}"; known: {", ".join(SWITCHES)}')
            if name == "max_connections":
                if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                    raise ValueError("max_connections is a whole number")
            elif name in ("merge_tag_count",) and isinstance(value, bool):
                value = "yes" if value else "no"
            elif name == "super_64k_fails" and isinstance(value, bool):
                value = "on" if value else "off"
            if SWITCHES[name] and value not in SWITCHES[name]:
                raise ValueError(f'switch "{name}" is one of {", ".join(SWITCHES[name])}')
            checked[name] = value
        self.values.update(checked)


class Fault:
    """Acts on the n-th statement that matches, and on the following ones until it has acted `times` times."""

    def __init__(self, number, rule):
        unknown = set(rule) - {"match", "nth", "action", "sqlstate", "message", "detail", "ms", "times"}
        if unknown:
            raise ValueError(f"unknown field {', '.join(sorted(unknown))} in a fault")
        self.number = number
        self.rule = rule
        self.action = rule.get("action", "error")
        if self.action not in ACTIONS:
            raise ValueError(f'unknown action "{self.action}"; known: {", ".join(ACTIONS)}')
        try:
            self.pattern = re.compile(rule.get("match", ""), re.I | re.S)
        except re.error as error:
            raise ValueError(f"match is not a regular expression: {error}") from error
        self.nth = int(rule.get("nth", 1))
        self.times = int(rule.get("times", 1))
        self.milliseconds = float(rule.get("ms", 0))
        message = rule.get("message")
        known = DEFAULT_MESSAGES.get(message, (None, message, None))
        self.sqlstate = rule.get("sqlstate") or known[0] or "XX000"
        self.message = known[1] or "fault injected by the control port"
        self.detail = rule.get("detail") or known[2]
        self.seen = 0
        self.fired = 0
        self.cleared = asyncio.Event()

    def takes(self, sql):
        if self.fired >= self.times > 0 or not self.pattern.search(sql):
            return False
        self.seen += 1
        if self.seen < self.nth:
            return False
        self.fired += 1
        return True

    def is_fatal(self):
        return self.sqlstate in FATAL_STATES

    def describe(self):
        return {"id": self.number, **self.rule, "seen": self.seen, "fired": self.fired}


class Faults:
    def __init__(self):
        self.list = []
        self.count = 0

    def add(self, rule):
        self.count += 1
        fault = Fault(self.count, rule)
        self.list.append(fault)
        return fault

    def clear(self):
        for fault in self.list:
            fault.cleared.set()
        self.list = []

    def matching(self, sql):
        """Every fault that acts on this statement now."""
        return [fault for fault in self.list if fault.takes(sql)] if self.list else ()
