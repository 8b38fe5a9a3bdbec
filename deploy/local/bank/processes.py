"""leat's workers as child processes, each with its log and its probes."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from . import ports, wait
from .servers import CHECKOUT

BINARY = CHECKOUT / "build/release/leat"
STOP_SECONDS = 30  # what the workers promise
METRIC = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Worker:
    """`leat --config FILE WORDS...`. Its log grows over restarts; log_events() reads the current life only."""

    def __init__(self, name, config, words, folder, binary=BINARY, detached=False):
        self.name = name
        self.config = config
        self.words = list(words)
        self.log = folder / f"{name}.log"
        self.binary = binary
        self.detached = detached
        self.port = ports.free_port()
        self.process = None
        self.log_start = 0

    def start(self):
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        command = [self.binary, "--config", self.config, "--http", f"127.0.0.1:{self.port}", *self.words]
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=self.detached,
            )
        return self

    # ---- its life ----

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.is_alive():
            self.process.kill()
        return self.process.wait()

    def ask_to_stop(self):
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)

    def wait_exit(self, seconds):
        """Its exit code; the process must end by itself."""
        try:
            return self.process.wait(seconds * wait.PATIENCE)
        except subprocess.TimeoutExpired as late:
            raise wait.WaitedTooLong(f"{self.name} did not end within {seconds} s\n{self.tail()}") from late

    def stop(self):
        """SIGTERM, and its exit code."""
        self.ask_to_stop()
        return self.wait_exit(STOP_SECONDS)

    def end(self):
        """Whatever it takes; for cleaning up."""
        if self.process is not None:
            self.kill()

    # ---- what it says ----

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path):
        """(status, body); status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(self.url(path), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def is_ready(self):
        return self.get("/readyz")[0] == 200

    def metrics(self, name):
        """{(label, ...): value} of one metric, labels' values in the order in which they stand."""
        status, text = self.get("/metrics")
        found = {}
        for line in text.splitlines() if status == 200 else ():
            match = METRIC.match(line)
            if match and match[1] == name:
                found[tuple(value for _, value in LABEL.findall(match[2] or ""))] = float(match[3])
        return found

    def metric(self, name, *labels):
        return self.metrics(name).get(labels, 0.0)

    def state(self):
        for (_, state), value in self.metrics("leat_worker_state").items():
            if value == 1:
                return state
        return None

    def log_text(self):
        with open(self.log, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def log_events(self, event=None):
        """The log's objects since the last start; a line that is cut off by a kill is left out."""
        found = []
        for line in self.log_text().splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return [item for item in found if event in (None, item.get("event"))]

    def tail(self, lines=12):
        return f"{self.log}:\n" + "\n".join(self.log_text().splitlines()[-lines:])

    # ---- waiting ----

    def wait_ready(self, seconds=60):
        def ready():
            if not self.is_alive():
                raise AssertionError(f"{self.name} ended with {self.process.returncode}\n{self.tail()}")
            return self.is_ready()

        wait.until(ready, seconds, lambda: f"{self.name} ready ({self.get('/readyz')[1].strip()})\n{self.tail()}")
        return self


def run(config, *words, binary=BINARY, seconds=60, environment=None):
    """A command that ends by itself. Without --http it listens where the configuration says: nowhere, in ours."""
    return subprocess.run(
        [binary, "--config", config, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds * wait.PATIENCE,
        env=None if environment is None else os.environ | environment,
    )


def stop_all(workers):
    """SIGTERM to all at once. {name: (exit code or None, seconds)}; what does not end in time is killed."""
    began = time.monotonic()
    for worker in workers:
        worker.ask_to_stop()
    ended = {}
    for worker in workers:
        try:
            code = worker.wait_exit(max(0.1, STOP_SECONDS - (time.monotonic() - began)))
        except wait.WaitedTooLong:
            worker.kill()
            code = None
        ended[worker.name] = (code, time.monotonic() - began)
    return ended
