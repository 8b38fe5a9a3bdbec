"""The stand-in's own connection to PostgreSQL: what it writes here survives the client's ROLLBACK."""
import asyncio
import base64
import hashlib
import hmac
import os
import struct

from . import wire


class UpstreamError(Exception):
    def __init__(self, fields):
        super().__init__(fields.get("M", "unknown error"))
        self.fields = fields


def quote_literal(value):
    """A literal that reads the same whatever standard_conforming_strings says."""
    if value is None:
        return "NULL"
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value).replace("\0", "")
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def quote_name(name):
    return '"' + name.replace('"', '""') + '"'


async def collect(channel):
    """Reads answers up to ReadyForQuery: (rows of the last result, tags, status); an error is raised at the end."""
    rows, tags, error = [], [], None
    while True:
        kind, raw = await channel.message()
        if kind == 84:  # T
            rows = []
        elif kind == 68:  # D
            rows.append([None if v is None else v.decode("utf-8", "replace") for v in wire.row_values(raw[5:])])
        elif kind == 67:  # C
            tags.append(raw[5:-1].decode())
        elif kind == 69:  # E
            error = UpstreamError(wire.error_fields(raw[5:]))
            if error.fields.get("S") in ("FATAL", "PANIC"):
                raise error
        elif kind == 90:  # Z
            return rows, tags, raw[5:6], error


class Scram:
    """SCRAM-SHA-256 from the client's side (RFC 7677)."""

    def __init__(self, password):
        self.password = password
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.first = f"n=,r={self.nonce}"

    def first_message(self):
        body = ("n,," + self.first).encode()
        return wire.message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(body)) + body)

    def final_message(self, server_first):
        parts = dict(item.split("=", 1) for item in server_first.decode().split(","))
        if not parts["r"].startswith(self.nonce):
            raise wire.Closed
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        bare = f"c=biws,r={parts['r']}"
        signed = f"{self.first},{server_first.decode()},{bare}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        return wire.message(b"p", f"{bare},p={proof}".encode())


async def login(channel, user, password, database):
    channel.write(wire.startup({"user": user, "database": database, "client_encoding": "UTF8",
                                "application_name": "standin", "standard_conforming_strings": "on"}))
    scram = None
    while True:
        kind, raw = await channel.message()
        if kind == 69:
            raise UpstreamError(wire.error_fields(raw[5:]))
        if kind == 90:
            return
        if kind != 82:
            continue
        code = struct.unpack_from("!I", raw, 5)[0]
        if code == 3:
            channel.write(wire.message(b"p", wire.cstring(password)))
        elif code == 5:
            inner = hashlib.md5(password.encode() + user.encode()).hexdigest().encode()
            channel.write(wire.message(b"p", b"md5" + hashlib.md5(inner + raw[9:13]).hexdigest().encode() + b"\0"))
        elif code == 10:
            scram = Scram(password)
            channel.write(scram.first_message())
        elif code == 11:
            channel.write(scram.final_message(raw[9:]))


class Helper:
    """A shared connection that opens itself again when PostgreSQL was restarted."""

    def __init__(self, options):
        self.options = options
        self.channel = None
        self.lock = asyncio.Lock()

    async def _open(self):
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_connection(wire.Channel, "127.0.0.1", self.options.upstream_port)
        try:
            await login(channel, self.options.upstream_user, self.options.upstream_password,
                        self.options.upstream_database)
        except BaseException:
            channel.abort()
            raise
        self.channel = channel

    async def query(self, sql):
        """Rows of the last statement; one retry on a fresh connection when the old one was dead."""
        async with self.lock:
            for attempt in (0, 1):
                fresh = self.channel is None or self.channel.closed
                if fresh:
                    await self._open()
                try:
                    self.channel.write(wire.query(sql))
                    rows, _, _, error = await collect(self.channel)
                except (wire.Closed, UpstreamError):
                    self.close()
                    if fresh or attempt:
                        raise
                    continue
                except BaseException:
                    self.close()
                    raise
                if error is not None:
                    raise error
                return rows

    def close(self):
        if self.channel is not None:
            self.channel.abort()
            self.channel = None
