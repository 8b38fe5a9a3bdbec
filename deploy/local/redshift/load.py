"""One COPY: a thread fetches, unpacks and checks the objects; what passes goes through a queue to PostgreSQL."""
import asyncio
import bz2
import re
import threading
import zlib

import zstandard

from . import manifest
from .errors import Refusal, internal, unsupported
from .rows import Format, JsonReader, RowError, RowReader
from .s3 import S3, Credentials, S3Error

READ_BYTES = 1 << 18
QUEUE_CHUNKS = 4
UPSTREAM_WHERE = re.compile(r"^COPY .*?, line (\d+)(?:, column ([^:]+?)(?:: (.*))?)?$", re.M)
SUPPORTED_FORMATS = ("csv", "text", "json")


class TooManyErrors(Exception):
    """The row errors have reached MAXERROR."""


class Cancelled(Exception):
    """Nobody wants the rows any more."""


def _unpack(response, compression, url):
    """Decompressed chunks of an object; several members or frames in one file are fine."""
    if compression is None:
        while chunk := response.read(READ_BYTES * 4):
            yield chunk
        return
    make = {"gzip": lambda: zlib.decompressobj(31), "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
            "bzip2": bz2.BZ2Decompressor}[compression]
    engine = None
    try:
        while chunk := response.read(READ_BYTES):
            while chunk:
                engine = engine or make()
                yield engine.decompress(chunk)
                if not engine.eof:
                    break
                chunk, engine = engine.unused_data, None
    except (zlib.error, zstandard.ZstdError, OSError) as error:
        raise internal(f"Invalid {compression.upper()} file: {error}", context=url) from error
    if engine is not None:
        raise internal(f"Invalid {compression.upper()} file: it ends too early", context=url)


class FileReport:
    def __init__(self, url, lines_before):
        self.url = url
        self.lines_before = lines_before
        self.lines = 0
        self.rows = 0
        self.bytes = 0
        self.errors = 0


class Load:
    """Created on the event loop; run() is the thread's side, chunks() the loop's."""

    def __init__(self, spec, columns, options, switches, slow_down=False):
        self.spec = spec
        self.form = Format(spec, columns, switches)
        self.loop = asyncio.get_running_loop()
        self.queue = asyncio.Queue(QUEUE_CHUNKS)
        self.cancelled = threading.Event()
        self.begun = False
        self.dry = spec.has("noload")
        self.failure = None
        self.errors = []
        self.files = []
        self.max_errors = float("inf") if spec.has("ignoreallerrors") else max(1, spec.get("maxerror", 0))
        kind, values = spec.get("authorization")
        if kind == "keys":
            credentials = Credentials(values["access_key_id"], values["secret_access_key"], values.get("session_token"))
        else:
            credentials = Credentials(options.s3_access_key, options.s3_secret_key)
        self.s3 = S3(options.s3_endpoint, spec.get("region") or options.s3_region, credentials)
        self.s3.slow_downs = slow_down

    def start(self):
        threading.Thread(target=self.run, name="copy", daemon=True).start()

    def run(self):
        try:
            self._run()
        except (Cancelled, TooManyErrors):
            pass
        except Refusal as error:
            self.failure = error
        except S3Error as error:
            self.failure = internal(str(error), context="S3 read")
        except Exception as error:  # the client must get an answer whatever went wrong here
            self.failure = internal(f"unexpected {type(error).__name__} in COPY: {error}")
        finally:
            self.s3.close()
            self._put(None, last=True)

    def _put(self, chunk, last=False):
        if self.cancelled.is_set() and not last:
            raise Cancelled
        try:
            asyncio.run_coroutine_threadsafe(self.queue.put(chunk), self.loop).result()
        except RuntimeError as error:
            raise Cancelled from error

    def _run(self):
        spec = self.spec
        if spec.format not in SUPPORTED_FORMATS:
            raise unsupported(f"COPY from {spec.format.upper()} is not known to the stand-in")
        if spec.format == "json" and spec.get("format")[1].lower() not in ("auto", "auto ignorecase", "noshred"):
            raise unsupported("COPY JSON with a jsonpaths file is not known to the stand-in")
        if spec.compression == "lzop":
            raise unsupported("COPY LZOP is not known to the stand-in")
        found = 0
        for source in manifest.sources(self.s3, spec):
            try:
                response = self.s3.get(source.bucket, source.key)
            except S3Error as error:
                if error.code == "NoSuchKey" and not source.mandatory:
                    continue
                raise internal(str(error), context=source.url) from error
            found += 1
            self.begun = True
            self._file(source, response)
        if not found:
            raise internal(f"The specified S3 prefix '{manifest.parse_url(spec.source)[1]}' does not exist",
                           context="no file of the manifest was found")

    def _file(self, source, response):
        report = FileReport(source.url, sum(before.lines for before in self.files))
        self.files.append(report)

        def bad(error):
            error.url = source.url
            self.errors.append(error)
            report.errors += 1
            if len(self.errors) >= self.max_errors:
                raise TooManyErrors

        reader = (JsonReader if self.spec.format == "json" else RowReader)(self.form, bad)
        try:
            for chunk in _unpack(response, self.spec.compression, source.url):
                report.bytes += len(chunk)
                out = reader.feed(chunk, False)
                report.rows = reader.rows
                if out and not self.dry:
                    self._put(out)
            out = reader.feed(b"", True)
            report.rows = reader.rows
            if out and not self.dry:
                self._put(out)
        finally:
            report.rows = reader.rows
            report.lines = reader.line - 1 - self.spec.get("ignoreheader", 0)

    async def chunks(self):
        while (chunk := await self.queue.get()) is not None:
            yield chunk

    async def stop(self):
        """Makes the thread end and waits until it has."""
        self.cancelled.set()
        while await self.queue.get() is not None:
            pass

    def failed(self):
        return self.failure is not None or len(self.errors) >= self.max_errors

    def locate(self, line):
        """(url, line) of a line that PostgreSQL counted."""
        for report in reversed(self.files):
            if line > report.lines_before:
                return report.url, line - report.lines_before + self.spec.get("ignoreheader", 0)
        return self.spec.source, line

    async def look_again(self, options, switches):
        """After PostgreSQL refused a row of a fast run: checks every row by itself, to name the field and the reason."""
        second = Load(self.spec, self.form.columns, options, switches)
        second.form.fast = None
        second.dry = True
        second.start()
        await second.queue.get()
        return second.errors


def error_from_upstream(load, fields):
    """An error that only PostgreSQL saw, as a row error."""
    match = UPSTREAM_WHERE.search(fields.get("W", ""))
    line = int(match.group(1)) if match else 0
    column = next((c for c in load.form.columns if match and c.name == match.group(2)), None)
    state = fields.get("C", "")
    code = {"23502": 1213, "22003": 1222, "22001": 1204, "22021": 1220, "22P02": 1207}.get(state, 1200)
    if column is not None and column.kind == "super":
        code = 1224
    elif column is not None and state in ("22007", "22008"):
        code = 1205 if column.kind == "date" else 1206
    url, at = load.locate(line)
    error = RowError(code, fields.get("M", "")[:100], at, b"", column, (match.group(3) or "") if match else "")
    error.url = url
    return error
