"""Answers on their way back to the client."""
import time

from . import wire
from .wire import Closed


class Silent:
    """Takes the place of a client whose answer is to be lost."""

    closed = False

    def write(self, data):
        pass

    async def drain(self):
        pass


class Relay:
    """Passes answers to the client: hidden statements vanish, types, names and errors become Redshift's."""

    def __init__(self, session, parts):
        self.session = session
        self.parts = parts
        self.at = 0
        self.varbytes = ()
        self.failed = False
        self.started = time.perf_counter()

    async def until_ready(self):
        session, upstream = self.session, self.session.upstream
        while True:
            got = upstream.take()
            if got is None:
                if upstream.closed:
                    raise Closed
                await session.stir()
                continue
            kind, raw = got
            if kind == 90:
                session.status = raw[5:6]
                return not self.failed
            out = self.message(kind, raw)
            if out:
                session.client.write(out)

    def message(self, kind, raw):
        session = self.session
        if kind == 69:
            return self._error(raw)
        if kind == 83:
            session.forward_parameter(raw)
            return None
        if self.at >= len(self.parts):
            return raw if kind in (78, 65) else None
        _, visible, step = self.parts[self.at]
        if kind in (67, 73):
            return self._complete(raw, visible, step, kind)
        if not visible or (step.hide_rows and kind in (84, 68)):
            return None
        if kind == 84:
            return self.description(raw)
        if kind == 68 and self.varbytes:
            return self.hex(raw)
        if kind == 78 and "standin." in raw.decode("utf-8", "replace"):
            return None
        return raw

    def _complete(self, raw, visible, step, kind):
        self.at += 1
        self.varbytes = ()
        session = self.session
        if not visible:
            return None
        now = time.perf_counter()
        tag = raw[5:-1].decode() if kind == 67 else ""
        if step.tag is not None:
            tag = step.tag
        elif tag.startswith("MERGE") and session.server.switches["merge_tag_count"] == "no":
            tag = "MERGE"
        session.server.journal.add(session, step.sql, "ok", (now - self.started) * 1000, tag=tag)
        self.started = now
        if step.setting is not None:
            session.context.settings[step.setting[0]] = step.setting[1]
        return wire.command_complete(tag) if kind == 67 else raw

    def _error(self, raw):
        session = self.session
        self.failed = True
        fields = wire.error_fields(raw[5:])
        if fields.get("S") in ("FATAL", "PANIC"):
            session.client.write(raw)
            raise Closed
        fields = session.map_error(fields)
        step = self.parts[min(self.at, len(self.parts) - 1)][2] if self.parts else None
        if step is not None:
            session.server.journal.add(session, step.sql, "error", (time.perf_counter() - self.started) * 1000,
                                       sqlstate=fields["C"], message=fields["M"])
        return wire.error_message(fields)

    def description(self, raw):
        """RowDescription with Redshift's type numbers and the long names."""
        oids, names = self.session.server.oids, self.session.server.names
        fields = wire.row_fields(raw[5:])
        changed, varbytes = False, []
        for at, field in enumerate(fields):
            if field[3] in oids:
                field[3] = oids[field[3]]
                changed = True
                if field[3] == 6551 and field[6] == 0:
                    varbytes.append(at)
            if "~" in field[0]:
                field[0] = names.original(field[0])
                changed = True
        self.varbytes = varbytes
        return wire.row_description(fields) if changed else raw

    def hex(self, raw):
        values = wire.row_values(raw[5:])
        for at in self.varbytes:
            if values[at] is not None:
                values[at] = values[at][2:]
        return wire.data_row(values)
