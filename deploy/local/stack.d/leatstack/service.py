"""One server of the stack: what every one of them has in common."""

import os
import signal
import threading
import time

from . import probe, process
from .errors import StackError

READY_TIMEOUT_S = float(os.environ.get("LEAT_STACK_TIMEOUT_S") or 90)
TAIL_LINES = 8


class Service:
    """A subclass says how to prepare the data, what to run and when it is ready."""

    name = ""
    after = ()  # services that must be ready before this one may start
    ports = ()  # names in ports.env
    stop_steps = ((signal.SIGTERM, 15),)

    def __init__(self, layout, ports, cache):
        self.layout = layout
        self.all_ports = ports
        self.cache = cache
        self.data = layout.data(self.name)
        self.log = layout.log / f"{self.name}.log"
        self.pid_file = process.PidFile(layout.run / f"{self.name}.pid")

    # ---- what a subclass defines ----

    def programs(self):
        """Files that must exist before anything is started."""
        return ()

    def prepare(self):
        """Makes the data folder; called before every start, must do nothing the second time."""
        self.data.mkdir(exist_ok=True)

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def is_ready(self):
        raise NotImplementedError

    def finish(self):
        """What has to exist inside the server, once it is ready."""

    def leftovers(self):
        """Processes of an earlier life that are not below the recorded one."""
        return []

    # ---- life ----

    def port(self, name):
        return getattr(self.all_ports, name)

    def check_programs(self):
        for program in self.programs():
            if not program.exists():
                raise StackError(f"{self.name}: {program} is missing: run deploy/local/install")

    def check_ports(self):
        for name in self.ports:
            port = self.port(name)
            if not probe.port_is_free(port):
                raise StackError(
                    f"{self.name}: port {port} ({name}) is in use by {probe.port_holder(port)}: "
                    "stop that, or choose other ports with --port-base"
                )

    def live(self):
        return self.pid_file.live()

    def start(self, cancelled: threading.Event):
        """Starts and waits until it is ready. Seconds it took."""
        began = time.monotonic()
        process.kill_all(self.leftovers())
        self.prepare()
        log_start = self.log.stat().st_size if self.log.exists() else 0
        child = process.spawn(self.command(), self.log, self.full_environment(), self.data)
        identity = process.identify(child.pid)
        self.pid_file.write(identity)
        self._wait_ready(began + READY_TIMEOUT_S, log_start, cancelled, child)
        self.finish()
        return time.monotonic() - began

    def await_ready(self, identity):
        """For one that runs already: it may still be starting, or hang."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.is_ready():
            if time.monotonic() > deadline or not process.is_alive(identity):
                raise StackError(
                    f"{self.name} was started before (pid {identity.pid}) but does not answer: "
                    f"try `stack restart {self.name} --kill`; log: {self.log}"
                )
            time.sleep(process.POLL_S)

    def stop(self, kill=False):
        identity = self.live()
        if identity:
            gone = process.kill_tree(identity) if kill else process.stop_tree(identity, self.stop_steps)
            if not gone:
                raise StackError(f"{self.name}: pid {identity.pid} does not end, not even when killed")
        if not process.kill_all(self.leftovers()):
            raise StackError(f"{self.name}: some of its processes do not end, not even when killed")
        self.pid_file.remove()
        return identity is not None

    def full_environment(self):
        inherited = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        return inherited | {"LANG": "C.UTF-8", "TZ": "UTC"} | self.environment()

    def _wait_ready(self, deadline, log_start, cancelled, child):
        while not self.is_ready():
            if child.poll() is not None:
                self.pid_file.remove()
                raise StackError(f"{self.name} ended at start with {self._how(child)}{self._tail(log_start)}")
            if cancelled.is_set():
                raise StackError(f"{self.name}: start given up")
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.name} is not ready after {READY_TIMEOUT_S:.0f} s{self._tail(log_start)}"
                )
            time.sleep(process.POLL_S)
        # Somebody else's server may have taken the port between the check and our start.
        if child.poll() is not None:
            self.pid_file.remove()
            raise StackError(f"{self.name} ended at start with {self._how(child)}{self._tail(log_start)}")

    @staticmethod
    def _how(child):
        if child.returncode < 0:
            return f"signal {signal.Signals(-child.returncode).name}"
        return f"exit status {child.returncode}"

    def _tail(self, log_start):
        with open(self.log, "rb") as log:
            log.seek(log_start)
            lines = log.read().decode(errors="replace").splitlines()
        said = "".join(f"\n    {line[:300]}" for line in lines[-TAIL_LINES:])
        return f"; log: {self.log}{said}"
