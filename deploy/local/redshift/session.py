"""One client: its messages go through the gate to an upstream connection of its own, and the answers come back."""
import asyncio
import struct
import time

from . import gate, wire
from .copy_session import run_copy
from .errors import ConnectionDropped, Refusal
from .extended import Extended
from .merge import map_error
from .relay import Relay, Silent
from .vocabulary import SETTINGS
from .wire import Channel, Closed, Waker

SESSION_SETTINGS = {
    "default_transaction_isolation": "repeatable read", "standard_conforming_strings": "off",
    "escape_string_warning": "off", "TimeZone": "UTC", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres",
    "bytea_output": "hex", "client_encoding": "UTF8", "backslash_quote": "on", "search_path": '"$user", public',
}
HIDDEN_PARAMETERS = {"standard_conforming_strings", "default_transaction_read_only", "in_hot_standby", "scram_iterations"}
PARAMETER_VALUES = {"server_version": "8.0.2", "client_encoding": "UNICODE", "server_encoding": "UNICODE"}
STARTUP_SETTINGS = {"application_name", "extra_float_digits", "datestyle", "timezone", "statement_timeout"}
POISON = "SELECT standin.fail_when(true, '25P02', 'poisoned')"
SERIALIZATION_DETAIL = "Serializable isolation violation on table - {}, transactions forming the cycle are: {}, {} (pid:{})"
BACKEND_TYPES = ("standin.varchar", "standin.super", "standin.varbyte")


class Context:
    """What the gate has to know about a session."""

    def __init__(self, session):
        self.session = session
        self.names = session.server.names
        self.switches = session.server.switches
        self.settings = {name: value for name, value in SETTINGS.items() if value is not None}
        self.views = set()

    @property
    def keep_case(self):
        return self.settings["enable_case_sensitive_identifier"] == "on"

    @property
    def status(self):
        return self.session.status

    @property
    def last_copy_count(self):
        return self.session.last_copy_count

    @property
    def last_copy_id(self):
        return self.session.last_copy_id

    @property
    def last_query_id(self):
        return self.session.last_copy_id


class Session:
    def __init__(self, server, number):
        self.server = server
        self.number = number
        self.waker = Waker()
        self.client = Channel(self.waker)
        self.upstream = None
        self.user = ""
        self.pid = 0
        self.key = 0
        self.status = b"I"
        self.last_copy_count = 0
        self.last_copy_id = -1
        self.cancelled = False
        self.context = Context(self)
        self.extended = Extended(self)

    # start --------------------------------------------------------------------------------------------------------
    async def run(self):
        try:
            if await self._start():
                await self._loop()
        except (Closed, ConnectionError, ConnectionDropped):
            pass
        except Exception as error:
            # whatever state the upstream is in, the client must not wait for an answer that never comes
            self.client.write(wire.refusal_message(
                Refusal("XX000", f"the stand-in failed: {type(error).__name__}: {error}", fatal=True)))
            raise
        finally:
            self.server.sessions.pop(self.pid, None)
            for channel in (self.upstream, self.client):
                if channel is not None:
                    channel.close()

    async def _start(self):
        while True:
            code, body = await self.client.startup_packet()
            if code == wire.GSSENC_REQUEST:
                self.client.write(b"N")
            elif code == wire.SSL_REQUEST:
                self.client.write(b"S")
                loop = asyncio.get_running_loop()
                self.client.transport = await loop.start_tls(self.client.transport, self.client, self.server.tls,
                                                             server_side=True)
            elif code == wire.CANCEL_REQUEST:
                await self.server.cancel(body)
                return False
            elif code == wire.PROTOCOL_3:
                break
            else:
                raise Closed
        parameters = wire.startup_parameters(body)
        self.user = parameters.get("user", "")
        try:
            await self._connect(parameters)
        except Refusal as refusal:
            self.client.write(wire.refusal_message(refusal))
            return False
        return True

    async def _connect(self, parameters):
        options = self.server.options
        database = parameters.get("database") or self.user
        if len(self.server.sessions) >= self.server.switches["max_connections"]:
            raise Refusal("53300", "connection limit exceeded for non-bootstrap users", fatal=True)
        if database != options.upstream_database:
            raise Refusal("3D000", f'database "{database}" does not exist', fatal=True)
        if parameters.get("replication", "false") not in ("false", "0", "off", "no"):
            raise Refusal("0A000", "replication connections are not supported", fatal=True)
        forward = dict(SESSION_SETTINGS, user=self.user, database=database)
        for name, value in self._startup_settings(parameters):
            if name.lower() in STARTUP_SETTINGS:
                forward[{"datestyle": "DateStyle", "timezone": "TimeZone"}.get(name.lower(), name)] = value
            elif name in self.context.settings:
                self.context.settings[name] = value
                forward[f"standin.{name}"] = value
        loop = asyncio.get_running_loop()
        try:
            _, self.upstream = await loop.create_connection(lambda: Channel(self.waker), "127.0.0.1",
                                                            options.upstream_port)
        except OSError as error:
            raise Refusal("57P03", "the cluster is not available, try again later", fatal=True) from error
        self.upstream.write(wire.startup(forward))
        await self._authenticate()

    @staticmethod
    def _startup_settings(parameters):
        pairs = [(name, value) for name, value in parameters.items() if name not in ("options", "user", "database")]
        words = parameters.get("options", "").replace("-c ", "-c").split()
        for word in words:
            if word.startswith("-c") and "=" in word:
                name, _, value = word[2:].partition("=")
                pairs.append((name, value))
            elif word.startswith("--") and "=" in word:
                name, _, value = word[2:].partition("=")
                pairs.append((name.replace("-", "_"), value))
        return pairs

    async def _authenticate(self):
        while True:
            kind, raw = await self.upstream.message()
            if kind == 83:  # S
                self.forward_parameter(raw)
                continue
            if kind == 75:  # K
                self.pid, self.key = struct.unpack_from("!II", raw, 5)
                self.server.sessions[self.pid] = self
            self.client.write(raw)
            if kind == 90:
                return
            if kind == 69:
                raise Closed
            if kind == 82 and struct.unpack_from("!I", raw, 5)[0] in (3, 5, 10, 11):
                _, answer = await self.client.message()
                self.upstream.write(answer)

    def forward_parameter(self, raw):
        name, value = raw[5:-1].decode().split("\0")[:2]
        if name not in HIDDEN_PARAMETERS:
            self.client.write(wire.parameter_status(name, PARAMETER_VALUES.get(name, value)))

    # main loop ----------------------------------------------------------------------------------------------------
    async def _next(self):
        """The client's next message; meanwhile, whatever the upstream says by itself is passed on."""
        while True:
            got = self.client.take()
            if got is not None:
                return got
            if self.client.closed:
                raise Closed
            while (said := self.upstream.take()) is not None:
                if said[0] in (69, 78):
                    self.client.write(said[1])
                elif said[0] == 83:
                    self.forward_parameter(said[1])
            if self.upstream.closed:
                raise Closed
            await self.waker.wait()

    async def stir(self):
        """Until there may be more to relay. What comes while the client is waited for wakes nobody: it is looked for
        again before anything else is waited for."""
        if self.client.writable.is_set():
            await self.waker.wait()
        else:
            await self.client.drain()

    async def _loop(self):
        while True:
            kind, raw = await self._next()
            if kind == 81:  # Q
                await self._simple(raw[5:-1])
            elif kind == 88:  # X
                return
            elif kind in (80, 66, 68, 69, 67, 72, 83):  # P B D E C H S
                await self.extended.message(kind, raw)
            else:
                raise Closed
            await self.client.drain()

    async def _simple(self, body):
        try:
            sql = body.decode("utf-8")
            steps = gate.plan(sql, self.context)
        except Exception as error:
            error = gate.as_refusal(error)
            self.server.journal.add(self, body.decode("utf-8", "replace"), "error", 0, sqlstate=error.sqlstate,
                                    message=error.message)
            await self.fail(error)
            self.client.write(wire.ready(self.status))
            return
        if not steps:
            self.client.write(wire.message(b"I") + wire.ready(self.status))
            return
        try:
            await self._steps(steps)
        except Refusal as refusal:
            await self.fail(refusal)
            if refusal.fatal:
                raise Closed from refusal
        self.client.write(wire.ready(self.status))

    async def _steps(self, steps):
        """Plain steps travel together; anything else runs alone, inside one transaction with its neighbours."""
        special = any(step.kind in ("copy", "truncate", "alone") for step in steps)
        wrapped = special and len(steps) > 1 and self.status == b"I" and all(step.kind != "control" for step in steps)
        if wrapped:
            await self.hidden("BEGIN")
        try:
            group = []
            for step in steps:
                if step.kind in ("plain", "control") and not self.server.faults.list:
                    group.append(step)
                    continue
                if group and not await self.run_group(group):
                    return
                group = []
                if not await self.run_step(step):
                    return
            if group:
                await self.run_group(group)
        except Refusal as refusal:
            if wrapped:
                await self.fail(refusal)
                return
            raise
        finally:
            if wrapped and not self.upstream.closed and self.status != b"I":
                await self.hidden("COMMIT" if self.status == b"T" else "ROLLBACK")

    async def run_step(self, step):
        """One step with the faults that match it. False when it failed and the rest must not run."""
        faults = self.server.faults.matching(step.sql)
        started = time.perf_counter()
        drop_after, slow_down = None, False
        for fault in faults:
            if fault.action == "delay":
                await asyncio.sleep(fault.milliseconds / 1000)
            elif fault.action == "stall":
                await self._stall(fault)
            elif fault.action == "drop_before":
                self._drop(step, started, fault)
            elif fault.action == "error":
                self.server.journal.add(self, step.sql, "error", (time.perf_counter() - started) * 1000,
                                        sqlstate=fault.sqlstate, message=fault.message, fault=fault.number)
                raise Refusal(fault.sqlstate, fault.message, detail=fault.detail, fatal=fault.is_fatal())
            elif fault.action == "drop_after":
                drop_after = fault
            elif fault.action == "s3_slowdown":
                slow_down = True
        client = self.client
        if drop_after is not None:
            self.client = Silent()
        try:
            if step.kind in ("plain", "control"):
                return await self.run_group([step])
            return await SPECIAL[step.kind](self, step, slow_down)
        finally:
            if drop_after is not None:
                self.client = client
                self._drop(step, started, drop_after)

    def _drop(self, step, started, fault):
        self.server.journal.add(self, step.sql, "dropped", (time.perf_counter() - started) * 1000, fault=fault.number)
        self.client.abort()
        self.upstream.abort()
        raise ConnectionDropped

    async def _stall(self, fault):
        """Until its time is over, the fault is deleted, or the client has gone."""
        limit = fault.milliseconds / 1000 if fault.milliseconds else None
        cleared = asyncio.ensure_future(fault.cleared.wait())
        deadline = time.monotonic() + limit if limit else None
        try:
            while not cleared.done() and not self.client.closed:
                left = deadline - time.monotonic() if deadline else None
                if left is not None and left <= 0:
                    return
                waiting = asyncio.ensure_future(self.waker.wait())
                await asyncio.wait({cleared, waiting}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
            if self.client.closed:
                raise Closed
        finally:
            cleared.cancel()

    # upstream -----------------------------------------------------------------------------------------------------
    async def prepare_for(self, steps):
        """What has to be stored before steps can run: long names, query history for its views."""
        if self.server.names.unsaved:
            await self.server.save_names()
        if self.context.views:
            if self.context.views & {"stl_query", "sys_query_history"}:
                await self.server.export_history()
            self.context.views.clear()

    async def hidden(self, sql, check=True):
        """Runs SQL for ourselves: (rows, error fields or None)."""
        self.upstream.write(wire.query(sql))
        rows, error = [], None
        while True:
            kind, raw = await self.upstream.message()
            if kind == 68:
                rows.append([None if v is None else v.decode("utf-8", "replace") for v in wire.row_values(raw[5:])])
            elif kind == 69:
                error = wire.error_fields(raw[5:])
                if error.get("S") == "FATAL":
                    self.client.write(raw)
                    raise Closed
            elif kind == 83:
                self.forward_parameter(raw)
            elif kind == 90:
                self.status = raw[5:6]
                if error is not None and check:
                    raise self.as_refusal(error)
                return rows, error

    def as_refusal(self, fields):
        fields = self.map_error(fields)
        return Refusal(fields["C"], fields["M"], fields.get("D"), fields.get("H"))

    async def fail(self, refusal):
        """An error of our own: an open transaction has to fail with it."""
        if self.status == b"T" and not refusal.fatal and not self.upstream.closed:
            await self.hidden(POISON, check=False)
        self.client.write(wire.refusal_message(refusal))

    def map_error(self, fields):
        """PostgreSQL's error as Redshift would word it."""
        fields = {key: value for key, value in fields.items() if key in "SVCMDHW"}
        code = fields.get("C")
        if code == "40001":
            detail = SERIALIZATION_DETAIL.format(100100, self.pid, self.pid + 1, self.pid)
            return {"S": "ERROR", "C": "XX000", "M": "1023", "D": detail}
        fields = map_error(fields) or fields
        fields.pop("W", None)
        message = fields["M"]
        for name, plain in zip(BACKEND_TYPES, ("character varying", "super", "binary varying")):
            message = message.replace(name, plain)
        fields["M"] = self.server.names.restore(message)
        return fields

    async def run_group(self, steps):
        """Forwards some steps in one query and relays the visible part of the answer. False when one failed."""
        await self.prepare_for(steps)
        parts = [(text, visible, step) for step in steps for text, visible in step.statements()]
        self.upstream.write(wire.query("; ".join(text for text, _, _ in parts)))
        return await Relay(self, parts).until_ready()

    async def run_truncate(self, step, slow_down):
        block = self.status == b"T"
        if not await self.run_group([step]):
            return False
        if block:
            await self.hidden("COMMIT")
            if self.server.switches["truncate_in_block"] == "new_block":
                await self.hidden("BEGIN")
        return True

    async def run_alone(self, step, slow_down):
        if self.status != b"I":
            error = Refusal("25001", f"{step.what} cannot run inside a transaction block")
            self.server.journal.add(self, step.sql, "error", 0, sqlstate=error.sqlstate, message=error.message)
            raise error
        return await self.run_group([step])

    def relay(self, parts=()):
        return Relay(self, parts)


SPECIAL = {"copy": run_copy, "truncate": Session.run_truncate, "alone": Session.run_alone}
