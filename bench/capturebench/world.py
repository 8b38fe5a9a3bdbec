"""What every part of the capture bench works with: the stack, its clients, the folder for logs."""

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import benchlib
from bank import servers

from . import peers, source, topics

UNNEEDED = ("s3", "docdb", "redshift", "redshift-db")  # of the stack; they would take memory and wake-ups
FREE_GIB_AT_START = 20.0  # at scale 1: a backlog's log and its spill, and the topics of one run
FREE_GIB_ALWAYS = 2.0


def interrupted(number, _frame):
    raise KeyboardInterrupt(f"signal {number}")


class World:
    """A stack of its own; whatever happens, it is stopped, and with it everything that the bench made."""

    def __init__(self, directory, port_base, scale):
        self.stack = benchlib.Stack(directory, port_base)
        self.http_port = port_base + 50
        self.scale = scale
        self.least_bytes = round(FREE_GIB_ALWAYS * peers.GIB)
        self.folder = None
        self.began = time.monotonic()

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, interrupted)
        self.folder = Path(tempfile.mkdtemp(prefix="leat-bench-"))
        try:
            self._start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _start(self):
        Path(self.stack.directory).parent.mkdir(parents=True, exist_ok=True)
        wanted = FREE_GIB_ALWAYS + (FREE_GIB_AT_START - FREE_GIB_ALWAYS) * min(1.0, self.scale)
        peers.check_disk(Path(self.stack.directory).parent, round(wanted * peers.GIB))
        self.stack.__enter__()
        self.servers = servers.Servers(self.stack.directory)
        self.servers.stack("stop", *UNNEEDED)
        self.source = source.Source(self.servers)
        self.topics = topics.Topics(self.servers.env["KAFKA_BROKERS"], peers.program("bench_count"))

    def __exit__(self, kind, *_):
        """The stack's data go too: slots, topics and logs were in it. Our logs stay when something failed."""
        self.stack.remove()
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.say(f"logs: {self.folder}")

    def say(self, text):
        """With the seconds since the start: a bench of hours is looked at now and then."""
        print(f"[{time.monotonic() - self.began:6.0f} s] {text}", flush=True)
