"""The control port: JSON over HTTP on the loopback, for tests and for the stack script."""
import asyncio
import json
import urllib.parse

MAX_BODY_BYTES = 1 << 20
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Control:
    def __init__(self, server):
        self.server = server

    async def serve(self, reader, writer):
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            writer.close()

    async def _one(self, reader, writer):
        line = await reader.readline()
        if not line.strip():
            return False
        method, target, _ = line.decode("latin-1").split(None, 2)
        headers = {}
        while True:
            header = await reader.readline()
            if header in (b"\r\n", b"\n", b""):
                break
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        size = int(headers.get("content-length", 0))
        body = await reader.readexactly(size) if 0 < size <= MAX_BODY_BYTES else b""
        url = urllib.parse.urlsplit(target)
        try:
            code, kind, answer = await self._answer(method, url.path, dict(urllib.parse.parse_qsl(url.query)), body)
        except (ValueError, TypeError, AttributeError) as error:
            code, kind, answer = 400, "application/json", json.dumps({"error": str(error)})
        data = answer.encode("utf-8")
        writer.write(f"HTTP/1.1 {code} {REASONS[code]}\r\nContent-Type: {kind}\r\n"
                     f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()
        return headers.get("connection", "").lower() != "close"

    async def _answer(self, method, path, query, body):
        server = self.server
        if path == "/healthz" and method == "GET":
            problem = await server.health()
            answer = {"status": "ok"} if problem is None else {"status": "unhealthy", "reason": problem}
            return (200 if problem is None else 503), "application/json", json.dumps(answer)
        if path == "/journal" and method == "GET":
            lines = server.journal.since(int(query.get("since", 0)))
            return 200, "application/x-ndjson", "".join(line + "\n" for line in lines)
        if path == "/faults":
            if method == "POST":
                rules = json.loads(body)
                added = [server.faults.add(rule) for rule in (rules if isinstance(rules, list) else [rules])]
                return 200, "application/json", json.dumps([fault.describe() for fault in added])
            if method == "DELETE":
                server.faults.clear()
            elif method != "GET":
                return 405, "application/json", "{}"
            return 200, "application/json", json.dumps([fault.describe() for fault in server.faults.list])
        if path == "/switches":
            if method == "POST":
                server.switches.set(json.loads(body))
            elif method != "GET":
                return 405, "application/json", "{}"
            return 200, "application/json", json.dumps(server.switches.values)
        return 404, "application/json", json.dumps({"error": f"no such path {path}"})
