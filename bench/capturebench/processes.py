"""Child processes of the capture bench, and what they cost. A process that is gone costs None."""

import os
import signal
import subprocess
from pathlib import Path

from . import figures

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 30
# Ends with the bench, however that ends.
TIED = ("/usr/bin/setpriv", "--pdeathsig", "KILL", "--")


def _read(path):
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None


def cpu_seconds(pid):
    text = _read(f"/proc/{pid}/stat")
    return None if text is None else figures.cpu_of_stat(text, TICKS_PER_S)


def peak_mib(pid):
    text = _read(f"/proc/{pid}/status")
    if text is None or "VmHWM:" not in text:  # a zombie has none
        return None
    return figures.peak_mib_of_status(text)


def cpu_of_threads(pid, program):
    """{group: seconds}; a thread that has ended is in the process's sum only."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        text = _read(task / "stat")
        if text is None:
            continue
        name = figures.name_of_stat(text)
        group = figures.group_of_thread(name, task.name == str(pid), program)
        found[group] = found.get(group, 0.0) + figures.cpu_of_stat(text, TICKS_PER_S)
    return found


class Child:
    """A program whose standard error goes to a file; its standard input stays open until close_input()."""

    def __init__(self, words, log, environment=None, stdout=None):
        self.log = Path(log)
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*TIED, *map(str, words)], stdin=subprocess.PIPE, stdout=output if stdout is None else stdout,
                stderr=output, env=environment, text=True,
            )  # fmt: skip

    @property
    def pid(self):
        return self.process.pid

    def check(self):
        code = self.process.poll()
        if code is not None:
            raise RuntimeError(f"{self.log.stem} ended with {code}\n{self.tail()}")

    def tail(self, lines=8):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def line(self):
        """The next line of its output, or the reason why it has none."""
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(STOP_SECONDS)
            self.check()
        return line.strip()

    def close_input(self):
        self.process.stdin.close()

    def wait(self, seconds=STOP_SECONDS):
        if self.process.wait(seconds) != 0:
            self.check()

    def stop(self):
        """SIGTERM; it has to end well."""
        self.check()
        self.process.send_signal(signal.SIGTERM)
        self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
