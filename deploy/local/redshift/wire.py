"""The PostgreSQL wire protocol: one buffered channel per socket, and builders for the messages we write ourselves."""
import asyncio
import struct

HIGH_WATER = 4 << 20
PROTOCOL_3 = 196608
CANCEL_REQUEST = 80877102
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
MAX_STATEMENT_BYTES = 16 << 20
MAX_MESSAGE_BYTES = 64 << 20


class Closed(Exception):
    """The other side has gone."""


class Waker:
    """Lets one coroutine wait for whichever of several channels stirs first."""

    def __init__(self):
        self.future = None

    def wake(self):
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    async def wait(self):
        future = self.future = asyncio.get_running_loop().create_future()
        try:
            await future
        finally:
            if self.future is future:
                self.future = None


class Channel(asyncio.Protocol):
    """A socket as a stream of protocol messages, with back-pressure in both directions."""

    def __init__(self, waker=None, on_connect=None):
        self.waker = waker or Waker()
        self.on_connect = on_connect
        self.buf = bytearray()
        self.pos = 0
        self.closed = False
        self.paused = False
        self.transport = None
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport):
        self.transport = transport
        if self.on_connect is not None:
            on_connect, self.on_connect = self.on_connect, None
            on_connect(self)

    def data_received(self, data):
        self.buf += data
        if len(self.buf) - self.pos > HIGH_WATER and not self.paused:
            self.paused = True
            self.transport.pause_reading()
        self.waker.wake()

    def connection_lost(self, exc):
        self.closed = True
        self.writable.set()
        self.waker.wake()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def write(self, data):
        if not self.closed:
            self.transport.write(data)

    async def drain(self):
        if not self.writable.is_set():
            await self.writable.wait()

    def close(self):
        if self.transport is not None:
            self.transport.close()

    def abort(self):
        if self.transport is not None:
            self.transport.abort()

    def _compact(self):
        if self.pos:
            del self.buf[:self.pos]
            self.pos = 0
        if self.paused and len(self.buf) < HIGH_WATER:
            self.paused = False
            self.transport.resume_reading()

    def take(self):
        """The next whole message as (type, raw bytes with header), or None when it is not here yet."""
        have = len(self.buf) - self.pos
        if have >= 5:
            size = int.from_bytes(self.buf[self.pos + 1:self.pos + 5], "big") + 1
            if size > MAX_MESSAGE_BYTES or size < 5:
                raise Closed
            if have >= size:
                kind = self.buf[self.pos]
                raw = bytes(self.buf[self.pos:self.pos + size])
                self.pos += size
                if self.pos == len(self.buf) or self.pos > 1 << 20:
                    self._compact()
                return kind, raw
            if self.paused:
                self.paused = False
                self.transport.resume_reading()
        if self.pos:
            self._compact()
        return None

    async def message(self):
        while True:
            got = self.take()
            if got is not None:
                return got
            if self.closed:
                raise Closed
            await self.waker.wait()

    async def startup_packet(self):
        while True:
            if len(self.buf) >= 8:
                size = int.from_bytes(self.buf[:4], "big")
                if size < 8 or size > 10000:
                    raise Closed
                if len(self.buf) >= size:
                    raw = bytes(self.buf[4:size])
                    del self.buf[:size]
                    return int.from_bytes(raw[:4], "big"), raw[4:]
            if self.closed:
                raise Closed
            await self.waker.wait()


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def cstring(text):
    return text.encode("utf-8") + b"\0"


def query(sql):
    return message(b"Q", cstring(sql))


def parse(name, sql, oids=()):
    body = cstring(name) + cstring(sql) + struct.pack("!H", len(oids)) + b"".join(struct.pack("!I", o) for o in oids)
    return message(b"P", body)


def run_unnamed(portal_sql):
    """Parse, Bind and Execute of one statement under a name of our own, for use inside a client's pipeline."""
    name = cstring("standin")
    return (message(b"C", b"S" + name) + parse("standin", portal_sql)
            + message(b"B", name + name + struct.pack("!HHH", 0, 0, 0))
            + message(b"E", name + struct.pack("!I", 0)) + message(b"C", b"P" + name))


def startup(parameters):
    body = struct.pack("!I", PROTOCOL_3)
    for key, value in parameters.items():
        body += cstring(key) + cstring(value)
    body += b"\0"
    return struct.pack("!I", len(body) + 4) + body


def startup_parameters(body):
    parts = body.split(b"\0")
    pairs = {}
    for at in range(0, len(parts) - 1, 2):
        if not parts[at]:
            break
        pairs[parts[at].decode("utf-8", "replace")] = parts[at + 1].decode("utf-8", "replace")
    return pairs


def error_fields(body):
    """A message body of ErrorResponse or NoticeResponse as {field letter: text}."""
    fields = {}
    for part in body.split(b"\0"):
        if part:
            fields[chr(part[0])] = part[1:].decode("utf-8", "replace")
    return fields


def error_message(fields, kind=b"E"):
    body = b"".join(key.encode() + cstring(value) for key, value in fields.items() if value is not None) + b"\0"
    return message(kind, body)


def refusal_message(refusal):
    severity = "FATAL" if refusal.fatal else "ERROR"
    return error_message({"S": severity, "C": refusal.sqlstate, "M": refusal.message,
                          "D": refusal.detail, "H": refusal.hint})


def notice(text, severity="INFO"):
    return error_message({"S": severity, "C": "00000", "M": text}, b"N")


def command_complete(tag):
    return message(b"C", cstring(tag))


def ready(status):
    return message(b"Z", status)


def parameter_status(name, value):
    return message(b"S", cstring(name) + cstring(value))


def row_fields(body):
    """RowDescription as a list of [name, table oid, attnum, type oid, typlen, typmod, format]."""
    count = struct.unpack_from("!H", body)[0]
    fields, pos = [], 2
    for _ in range(count):
        end = body.index(b"\0", pos)
        name = body[pos:end].decode("utf-8", "replace")
        fields.append([name, *struct.unpack_from("!IhIhih", body, end + 1)])
        pos = end + 19
    return fields


def row_description(fields):
    body = struct.pack("!H", len(fields))
    for name, *rest in fields:
        body += cstring(name) + struct.pack("!IhIhih", *rest)
    return message(b"T", body)


def row_values(body):
    """DataRow as a list of bytes or None."""
    count = struct.unpack_from("!H", body)[0]
    values, pos = [], 2
    for _ in range(count):
        size = struct.unpack_from("!i", body, pos)[0]
        pos += 4
        if size < 0:
            values.append(None)
        else:
            values.append(body[pos:pos + size])
            pos += size
    return values


def data_row(values):
    body = struct.pack("!H", len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!I", len(value)) + value
    return message(b"D", body)
