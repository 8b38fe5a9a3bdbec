"""A schema registry that does what a test tells it: everything else it hands on to the stack's."""

import http.server
import re
import threading
import time
import urllib.error
import urllib.request
from typing import NamedTuple

TIMEOUT_S = 30


class Rule(NamedTuple):
    match: re.Pattern  # of "POST /subjects/..."
    status: int | None  # None: handed on, after the delay
    body: bytes
    delay_s: float
    change: object  # None, or what makes another answer of the registry's: bytes -> bytes


class ScriptedRegistry:
    def __init__(self, servers):
        self.behind = servers.env["REGISTRY_URL"].rstrip("/")
        self.rule = None
        self.requests = []  # (method, path, status)
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                status, body = script.answer(self.command, self.path, self.rfile.read(length) if length else None)
                script.requests.append((self.command, self.path, status))
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # whoever asked has gone

            do_GET = do_POST = do_PUT = do_DELETE = serve

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def on(self, match, status=None, body=b"", delay_s=0.0, change=None):
        self.rule = Rule(re.compile(match), status, body, delay_s, change)

    def clear(self):
        self.rule = None

    def answer(self, method, path, body):
        rule = self.rule
        if rule is not None and rule.match.match(f"{method} {path}"):
            time.sleep(rule.delay_s)
            if rule.status is not None:
                return rule.status, rule.body
            status, answer = self.hand_on(method, path, body)
            return status, answer if rule.change is None else rule.change(answer)
        return self.hand_on(method, path, body)

    def hand_on(self, method, path, body=None):
        headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        request = urllib.request.Request(self.behind + path, method=method, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def registrations(self):
        return [path for method, path, status in self.requests if method == "POST" and status == 200]
