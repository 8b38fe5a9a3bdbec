"""Processes that outlive this program: started detached, known by pid and start time."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

POLL_S = 0.05


class Identity(NamedTuple):
    """A pid alone may be recycled; with the start time (clock ticks since boot) it is one process."""

    pid: int
    started: int


class _Stat(NamedTuple):
    state: str
    parent: int
    n_threads: int
    started: int


def _stat(pid):
    """None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(fields[0], int(fields[1]), int(fields[17]), int(fields[19]))


def identify(pid):
    stat = _stat(pid)
    return Identity(pid, stat.started) if stat else None


def is_alive(identity):
    """A zombie is dead, whoever should reap it may never do so; but one whose other threads are
    still on their way out holds its ports and memory."""
    stat = _stat(identity.pid)
    if stat is None or stat.started != identity.started:
        return False
    return stat.state not in "ZX" or stat.n_threads > 1


def descendants(root):
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(int(entry))):
            children.setdefault(stat.parent, []).append(Identity(int(entry), stat.started))
    found, queue = [], [root.pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += [child.pid for child in below]
    return found


def working_in(folder):
    """Live processes whose working directory is this folder (PostgreSQL's children live in its data)."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                where = os.readlink(f"/proc/{entry}/cwd")
            except OSError:
                continue
            if where == str(folder) and (identity := identify(int(entry))) and is_alive(identity):
                found.append(identity)
    return found


def send(identity, signal_number):
    if is_alive(identity):
        try:
            os.kill(identity.pid, signal_number)
        except ProcessLookupError:
            pass


def wait_gone(identities, seconds):
    deadline = time.monotonic() + seconds
    while True:
        identities = [identity for identity in identities if is_alive(identity)]
        if not identities or time.monotonic() > deadline:
            return not identities
        time.sleep(POLL_S)


def kill_all(identities):
    for identity in identities:
        send(identity, signal.SIGKILL)
    return wait_gone(identities, 10)


def kill_tree(root):
    """SIGKILL to a process and all below it. Stopped first, so that it cannot start another child."""
    send(root, signal.SIGSTOP)
    return kill_all([root, *descendants(root)])


def stop_tree(root, steps):
    """Each step is (signal, seconds to wait for the end); what is left then is killed."""
    below = descendants(root)
    for signal_number, seconds in steps:
        send(root, signal_number)
        if wait_gone([root], seconds):
            break
    else:
        below = descendants(root) or below
        kill_tree(root)
    return wait_gone(below, 5) or kill_all(below)


def spawn(command, log, environment, folder):
    """A detached child in its own session, its output appended to the log."""
    with open(log, "ab") as output:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )


class PidFile:
    def __init__(self, path):
        self.path = path

    def write(self, identity):
        aside = self.path.with_suffix(".tmp")
        aside.write_text(f"{identity.pid} {identity.started}\n")
        aside.rename(self.path)

    def live(self):
        """The process it names, if that very process is still alive."""
        try:
            words = self.path.read_text().split()
        except FileNotFoundError:
            return None
        if len(words) != 2 or not all(word.isdigit() for word in words):
            return None
        identity = Identity(int(words[0]), int(words[1]))
        return identity if is_alive(identity) else None

    def remove(self):
        self.path.unlink(missing_ok=True)
