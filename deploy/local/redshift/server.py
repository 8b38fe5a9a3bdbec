"""The process: listeners, sessions, the helper connection, and what they share."""
import argparse
import asyncio
import collections
import signal
import struct
import sys

from . import schema, tls, wire
from .control import Control
from .faults import Faults, Switches
from .journal import Journal
from .session import Session
from .upstream import Helper, UpstreamError, quote_literal
from .vocabulary import SCHEMA, Names

QUERY_IDS_A_BLOCK = 1000
UPSTREAM_WAIT_SECONDS = 30
SWITCH_INTERVAL_SECONDS = 0.001


class Server:
    def __init__(self, options):
        self.options = options
        self.helper = Helper(options)
        self.journal = Journal(options.journal)
        self.faults = Faults()
        self.switches = Switches()
        self.names = Names()
        self.sessions = {}
        self.oids = {}
        self.query_ids = collections.deque()
        self.count = 0
        self.tasks = set()
        self.tls = tls.server_context(options.tls_dir)
        self.installed = False

    async def install(self):
        """Waits for the upstream, then makes or checks the helper schema and loads what it remembers."""
        deadline = asyncio.get_running_loop().time() + UPSTREAM_WAIT_SECONDS
        while True:
            try:
                await self.helper.query("SELECT 1")
                break
            except (OSError, wire.Closed, UpstreamError) as error:
                if isinstance(error, UpstreamError) and error.fields.get("C") != "57P03":
                    raise SystemExit(f"could not log in to PostgreSQL at port {self.options.upstream_port}: "
                                     f"{error}") from error
                if asyncio.get_running_loop().time() > deadline:
                    raise SystemExit(f"could not reach PostgreSQL at 127.0.0.1:{self.options.upstream_port}: "
                                     f"{error}") from error
                await asyncio.sleep(0.1)
        await schema.install(self.helper)
        self.oids = await schema.type_oids(self.helper)
        for short, name in await self.helper.query(f"SELECT short, name FROM {SCHEMA}.long_name"):
            self.names.long_of[short] = name
        await self._more_ids()

    async def _more_ids(self):
        first = int((await self.helper.query(f"SELECT nextval('{SCHEMA}.query_id')"))[0][0])
        self.query_ids.extend(range(first, first + QUERY_IDS_A_BLOCK))

    def next_query_id(self):
        """Numbers come in blocks from a sequence upstream, so that they go on growing after a kill."""
        if len(self.query_ids) == QUERY_IDS_A_BLOCK // 2:
            self.spawn(self._more_ids())
        return self.query_ids.popleft()

    def spawn(self, work):
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            print(f"stand-in: unexpected error: {task.exception()!r}", file=sys.stderr, flush=True)

    async def save_names(self):
        """New long names go to their table before a statement uses them."""
        unsaved, self.names.unsaved = self.names.unsaved, {}
        values = ", ".join(f"({quote_literal(short)}, {quote_literal(name)})" for short, name in unsaved.items())
        try:
            await self.helper.query(f"INSERT INTO {SCHEMA}.long_name VALUES {values} ON CONFLICT DO NOTHING")
        except BaseException:
            self.names.unsaved.update(unsaved)
            raise

    async def export_history(self):
        """The journal's new entries become rows of the query-history views."""
        entries = self.journal.unexported()
        rows = []
        for entry in entries:
            end = quote_literal(entry["time"].replace("+00:00", ""))
            bad = entry["status"] != "ok"
            rows.append(f"(100, {entry['seq']}, {entry['pid']}, {end}::timestamp - {entry['ms']} * interval '1 ms', "
                        f"{end}::timestamp, {int(bad)}, {quote_literal(entry['statement'])}, "
                        f"'{'failed' if bad else 'success'}', {quote_literal(entry.get('tag'))}, "
                        f"{quote_literal(entry.get('message') if bad else None)})")
        for at in range(0, len(rows), 1000):
            await self.helper.query(f"INSERT INTO {SCHEMA}.query_log VALUES {', '.join(rows[at:at + 1000])}")

    async def cancel(self, body):
        """A CancelRequest goes on to PostgreSQL; a COPY that is still reading S3 is told as well."""
        pid, key = struct.unpack("!II", body[:8])
        session = self.sessions.get(pid)
        if session is None or session.key != key:
            return
        session.cancelled = True
        _, writer = await asyncio.open_connection("127.0.0.1", self.options.upstream_port)
        writer.write(struct.pack("!IIII", 16, wire.CANCEL_REQUEST, pid, key))
        await writer.drain()
        writer.close()

    async def health(self):
        """None when all is well, else what is wrong."""
        if not self.installed:
            return "the helper schema is not installed yet"
        try:
            await asyncio.wait_for(self.helper.query("SELECT 1"), 5)
        except (OSError, wire.Closed, UpstreamError, asyncio.TimeoutError) as error:
            return f"PostgreSQL at port {self.options.upstream_port} does not answer: {error}"
        return None

    def accept(self):
        self.count += 1
        session = Session(self, self.count)
        session.client.on_connect = lambda channel: self.spawn(session.run())
        return session.client

    async def serve(self):
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            control = await asyncio.start_server(Control(self).serve, "127.0.0.1", self.options.control_port)
            await self.install()
            server = await loop.create_server(self.accept, "127.0.0.1", self.options.port, backlog=512)
            self.installed = True
        except OSError as error:
            raise SystemExit(f"could not listen: {error}") from error
        print(f"stand-in: ready on 127.0.0.1:{self.options.port}, control port {self.options.control_port}",
              file=sys.stderr, flush=True)
        await stop.wait()
        server.close()
        control.close()
        for session in list(self.sessions.values()):
            session.client.write(wire.error_message({"S": "FATAL", "C": "57P01", "M": "terminating connection due to "
                                                     "administrator command"}))
            session.client.close()
            session.upstream.close()
        self.helper.close()


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="redshift", description="A local stand-in for Amazon Redshift.")
    parser.add_argument("--port", type=int, required=True, help="port for clients")
    parser.add_argument("--control-port", type=int, required=True, help="HTTP port for faults, switches and the journal")
    parser.add_argument("--upstream-port", type=int, required=True, help="port of the PostgreSQL 15 behind it")
    parser.add_argument("--upstream-user", default="postgres", help="a superuser there")
    parser.add_argument("--upstream-password", default="", help="the superuser's password")
    parser.add_argument("--upstream-database", default="dev", help="the one database that clients may use")
    parser.add_argument("--s3-endpoint", required=True, help="http://127.0.0.1:PORT of the S3 server")
    parser.add_argument("--s3-region", default="us-east-1")
    parser.add_argument("--s3-access-key", default="", help="what IAM_ROLE stands for")
    parser.add_argument("--s3-secret-key", default="")
    parser.add_argument("--tls-dir", required=True, help="folder for ca.pem, server.crt, server.key")
    parser.add_argument("--journal", help="file for the statement journal")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    asyncio.run(Server(options).serve())
