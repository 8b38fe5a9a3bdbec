"""Ports for servers of one's own: those that the kernel does not hand out to clients, that nobody listens on, and that
no other process was given here. What a process was given is its own until it ends, whether somebody listens or not.

    python -m bank.ports START        (in deploy/local): prints a base from START on whose ports are all free"""

import fcntl
import itertools
import os
import random
import socket
import sys
import tempfile
import threading

N_PORTS = 20  # more than a stack has
FIRST, LAST = 28000, 32000  # of single ones; above, the kernel hands out ports to clients
NEXT = itertools.count(random.randrange(LAST - FIRST))


class Ledger:
    """A file in which the byte of a port is locked by the process that was given it. Never closed: a lock would go."""

    def __init__(self):
        self.file = None
        self.ours = set()
        self.lock = threading.Lock()  # the file's locks do not keep threads apart

    def take(self, first, n=1):
        """All of them, or none."""
        wanted = range(first, first + n)
        with self.lock:
            if not self.ours.isdisjoint(wanted) or not self._lock(first, n):
                return False
            if all(map(is_silent, wanted)):
                self.ours.update(wanted)
                return True
            fcntl.lockf(self.file, fcntl.LOCK_UN, n, first)
            return False

    def _lock(self, first, n):
        if self.file is None:
            name = os.path.join(tempfile.gettempdir(), f"leat-ports-{os.getuid()}")
            self.file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, n, first)
        except OSError:
            return False
        return True


LEDGER = Ledger()


def is_silent(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def free_base(start):
    """The first of N_PORTS ports in a row."""
    for base in range(start, LAST - N_PORTS, N_PORTS):
        if LEDGER.take(base, N_PORTS):
            return base
    raise RuntimeError(f"no {N_PORTS} free ports in a row from {start} to {LAST}")


def free_port():
    """Each is given once a process, from a random start on: what just ended may have left connections."""
    for _ in range(LAST - FIRST):
        port = FIRST + next(NEXT) % (LAST - FIRST)
        if LEDGER.take(port):
            return port
    raise RuntimeError(f"no free port from {FIRST} to {LAST}")


if __name__ == "__main__":
    print(free_base(int(sys.argv[1])))
