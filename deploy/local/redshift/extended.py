"""The extended protocol: Parse is rewritten, locks are slipped in, and what one statement cannot carry is run here."""
import struct
import time

from . import gate, wire
from .errors import Refusal

LOCK_HEAD, LOCK_TAIL = "LOCK TABLE ", " IN SHARE ROW EXCLUSIVE MODE"
READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
HIDDEN_ANSWERS = [51, 49, 50, 67, 51]  # CloseComplete, ParseComplete, BindComplete, CommandComplete, CloseComplete
PARSE_DONE, BIND_DONE, CLOSE_DONE = wire.message(b"1"), wire.message(b"2"), wire.message(b"3")
NO_DATA, NO_PARAMETERS = wire.message(b"n"), wire.message(b"t", b"\0\0")


class Prepared:
    def __init__(self, step):
        self.step = step
        self.virtual = step is not None and not step.is_simple()
        self.varbytes = ()


class Extended:
    def __init__(self, session):
        self.session = session
        self.statements = {}
        self.portals = {}
        self._new_batch()

    def _new_batch(self):
        self.pending = bytearray()
        self.expected = []
        self.skipping = False
        self.started = False
        self.block = False
        self.locked = set()
        self.clock = time.perf_counter()

    async def message(self, kind, raw):
        if kind == 83:  # Sync
            await self._sync(raw)
            return
        if self.skipping:
            return
        try:
            await HANDLERS[kind](self, raw)
        except Refusal as refusal:
            await self._refuse(refusal)
        except UnicodeDecodeError:
            await self._refuse(Refusal("22021", 'invalid byte sequence for encoding "UTF8"'))

    # messages -----------------------------------------------------------------------------------------------------
    async def _parse(self, raw):
        session = self.session
        end = raw.index(b"\0", 5)
        sql_end = raw.index(b"\0", end + 1)
        name, sql = raw[5:end].decode(), raw[end + 1:sql_end].decode("utf-8")
        count = struct.unpack_from("!H", raw, sql_end + 1)[0]
        numbers = struct.unpack_from(f"!{count}I", raw, sql_end + 3)
        try:
            steps = gate.plan(sql, session.context)
        except Exception as raised:
            error = gate.as_refusal(raised)
            session.server.journal.add(session, sql, "error", 0, sqlstate=error.sqlstate, message=error.message)
            raise error from raised
        if len(steps) > 1:
            raise Refusal("42601", "cannot insert multiple commands into a prepared statement")
        prepared = Prepared(steps[0] if steps else None)
        self.statements[name] = prepared
        if prepared.virtual:
            if count:
                raise Refusal("42601", "this statement takes no parameters")
            self._local(PARSE_DONE)
            return
        if steps:
            await session.prepare_for(steps)
        self._lock(prepared)
        back = {redshift: upstream for upstream, redshift in session.server.oids.items() if redshift != 1043}
        text = steps[0].text if steps else ""
        self._send(wire.parse(name, text, [back.get(number, number) for number in numbers]), (49,))

    def _lock(self, prepared):
        """The table lock of a writer, before PostgreSQL's parser takes a weaker one."""
        step = prepared.step
        if step is None or not step.lock or step.lock in self.locked:
            return
        self.locked.add(step.lock)
        target = step.lock[len(LOCK_HEAD):-len(LOCK_TAIL)].replace("'", "''").replace("\\", "\\\\")
        if self.session.status == b"T" or self.block:
            self._hidden(step.lock)
            return
        if not self.started:
            self._hidden(READ_COMMITTED)
        self._hidden(f"SELECT standin.lock_writer(E'{target}')")

    async def _bind(self, raw):
        end = raw.index(b"\0", 5)
        name_end = raw.index(b"\0", end + 1)
        portal, name = raw[5:end].decode(), raw[end + 1:name_end].decode()
        prepared = self.statements.get(name)
        if prepared is not None:
            self.portals[portal] = prepared
            if prepared.virtual:
                self._local(BIND_DONE)
                return
            self._lock(prepared)
        self._send(raw, (50,))

    async def _describe(self, raw):
        kind, name = raw[5:6], raw[6:-1].decode()
        prepared = (self.statements if kind == b"S" else self.portals).get(name)
        if prepared is not None and prepared.virtual:
            self._local((NO_PARAMETERS if kind == b"S" else b"") + NO_DATA)
            return
        self._send(raw, (84, 110), prepared)

    async def _execute(self, raw):
        session = self.session
        end = raw.index(b"\0", 5)
        prepared = self.portals.get(raw[5:end].decode())
        step = prepared.step if prepared is not None else None
        if step is not None and (prepared.virtual or session.server.faults.list):
            await self._alone(prepared, raw)
            return
        if step is not None and step.kind == "control":
            self.block = step.text.startswith("BEGIN")
        self._send(raw, (67, 115, 73), prepared, executes=True)

    async def _alone(self, prepared, raw):
        """An Execute on which a fault may act, or one that the stand-in runs itself."""
        await self._flush()
        if self.skipping:
            return
        session, step = self.session, prepared.step
        if prepared.virtual:
            if not await session.run_step(step):
                self.skipping = True
            return
        run_group = session.run_group

        async def forward(steps):
            self._send(raw, (67, 115, 73), prepared, executes=True)
            await self._flush()
            return not self.skipping

        session.run_group = forward
        try:
            await session.run_step(step)
        finally:
            session.run_group = run_group
        if step.kind == "control":
            self.block = step.text.startswith("BEGIN")

    async def _close(self, raw):
        kind, name = raw[5:6], raw[6:-1].decode()
        prepared = (self.statements if kind == b"S" else self.portals).pop(name, None)
        if prepared is not None and prepared.virtual:
            self._local(CLOSE_DONE)
            return
        self._send(raw, (51,))

    async def _on_flush(self, raw):
        await self._flush()

    async def _sync(self, raw):
        session = self.session
        if not self.skipping:
            await self._flush()
        session.upstream.write(raw)
        while True:
            kind, answer = await session.upstream.message()
            if kind == 90:
                session.status = answer[5:6]
                session.client.write(answer)
                break
            if kind == 69:
                self._error(answer, None)
            elif kind == 78:
                session.client.write(answer)
            elif kind == 83:
                session.forward_parameter(answer)
        self.portals.clear()
        self._new_batch()

    # answers ------------------------------------------------------------------------------------------------------
    def _send(self, raw, terminals, prepared=None, executes=False):
        self.pending += raw
        self.started = True
        self.expected.append((terminals, prepared, executes))

    def _hidden(self, sql):
        self.pending += wire.run_unnamed(sql)
        self.started = True
        self.expected.append((None, list(HIDDEN_ANSWERS), False))

    def _local(self, data):
        self.expected.append((data, None, False))

    async def _flush(self):
        """Sends what is pending and relays every answer that is due for it."""
        session = self.session
        if self.pending:
            self.pending += wire.message(b"H")
            session.upstream.write(bytes(self.pending))
            self.pending.clear()
        self.clock = time.perf_counter()
        expected, self.expected = self.expected, []
        for terminals, prepared, executes in expected:
            if isinstance(terminals, bytes):
                session.client.write(terminals)
            elif terminals is None:
                await self._swallow(prepared)
            else:
                await self._relay(terminals, prepared, executes)
            if self.skipping:
                return

    async def _swallow(self, answers):
        while answers:
            kind, raw = await self.session.upstream.message()
            if kind == 69:
                self._error(raw, None)
                return
            if kind == answers[0]:
                answers.pop(0)

    async def _relay(self, terminals, prepared, executes):
        session = self.session
        upstream = session.upstream
        while True:
            got = upstream.take()
            if got is None:
                if upstream.closed:
                    raise wire.Closed
                await session.stir()
                continue
            kind, raw = got
            if kind == 69:
                self._error(raw, prepared if executes else None)
                return
            if kind == 83:
                session.forward_parameter(raw)
                continue
            if kind == 84:
                relay = session.relay()
                raw = relay.description(raw)
                if prepared is not None:
                    prepared.varbytes = relay.varbytes
            elif kind == 116:
                raw = self._parameters(raw)
            elif kind == 68 and prepared is not None and prepared.varbytes:
                relay = session.relay()
                relay.varbytes = prepared.varbytes
                raw = relay.hex(raw)
            elif kind == 67 and executes:
                raw = self._complete(raw, prepared)
            session.client.write(raw)
            if kind in terminals:
                return

    def _parameters(self, raw):
        oids = self.session.server.oids
        count = struct.unpack_from("!H", raw, 5)[0]
        numbers = struct.unpack_from(f"!{count}I", raw, 7)
        return wire.message(b"t", struct.pack(f"!H{count}I", count, *[oids.get(n, n) for n in numbers]))

    def _complete(self, raw, prepared):
        session = self.session
        tag = raw[5:-1].decode()
        if prepared is None or prepared.step is None:
            return raw
        step = prepared.step
        if step.tag is not None:
            tag = step.tag
        elif tag.startswith("MERGE") and session.server.switches["merge_tag_count"] == "no":
            tag = "MERGE"
        now = time.perf_counter()
        session.server.journal.add(session, step.sql, "ok", (now - self.clock) * 1000, tag=tag)
        self.clock = now
        if step.setting is not None:
            session.context.settings[step.setting[0]] = step.setting[1]
        return wire.command_complete(tag)

    def _error(self, raw, prepared):
        session = self.session
        self.skipping = True
        fields = wire.error_fields(raw[5:])
        if fields.get("S") in ("FATAL", "PANIC"):
            session.client.write(raw)
            raise wire.Closed
        fields = session.map_error(fields)
        if prepared is not None and prepared.step is not None:
            session.server.journal.add(session, prepared.step.sql, "error", (time.perf_counter() - self.clock) * 1000,
                                       sqlstate=fields["C"], message=fields["M"])
        session.client.write(wire.error_message(fields))

    async def _refuse(self, refusal):
        """An error of our own: the upstream gets a statement that fails, so that both skip to the Sync."""
        session = self.session
        if not self.skipping:
            await self._flush()
        if not self.skipping and not refusal.fatal:
            session.upstream.write(wire.parse("", "refused by the stand-in"))
            while (await session.upstream.message())[0] != 69:
                pass
        self.skipping = True
        session.client.write(wire.refusal_message(refusal))
        if refusal.fatal:
            raise wire.Closed


HANDLERS = {80: Extended._parse, 66: Extended._bind, 68: Extended._describe, 69: Extended._execute,
            67: Extended._close, 72: Extended._on_flush}
