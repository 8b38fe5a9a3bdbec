"""What both benches share: the stack, processes with their costs, medians and the closing lines."""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def in_project_python():
    """Runs this program again under the project's own Python when it was started with another one."""
    wanted = subprocess.run([ROOT / "deploy/local/install", "--paths"], check=True, capture_output=True, text=True)
    paths = dict(line.split("=", 1) for line in wanted.stdout.splitlines())
    if Path(sys.executable) != Path(paths["LEAT_PYTHON"]) and os.environ.get("LEAT_BENCH_REEXEC") is None:
        os.environ["LEAT_BENCH_REEXEC"] = "1"
        os.execv(paths["LEAT_PYTHON"], [paths["LEAT_PYTHON"], *sys.argv])


class Stack:
    """A stack of the bench's own; stopped at the end."""

    def __init__(self, directory, port_base):
        self.directory, self.port_base = Path(directory), port_base
        self.program = ROOT / "deploy/local/stack"
        self.env = {}

    def __enter__(self):
        self._call("reset", "--dir", self.directory)
        self._call("up", "--dir", self.directory, "--port-base", str(self.port_base))
        for line in (self.directory / "stack.env").read_text().splitlines():
            key, _, value = line.partition("=")
            self.env[key] = value.strip("'\"")
        return self

    def __exit__(self, *_):
        self._call("down", "--dir", self.directory)

    def remove(self):
        """Stops it and deletes its data."""
        self._call("reset", "--dir", self.directory)

    def _call(self, *arguments):
        subprocess.run([self.program, *map(str, arguments), "--quiet"], check=True)

    def postgres(self, database="stori"):
        import psycopg  # the project's Python has it; the one that starts a bench may not

        return psycopg.connect(host=self.env["PG_HOST"], port=self.env["PG_PORT"], user=self.env["PG_USER"],
                               password=self.env["PG_PASSWORD"], dbname=database, autocommit=True)

    def warehouse(self):
        import psycopg

        return psycopg.connect(host=self.env["REDSHIFT_HOST"], port=self.env["REDSHIFT_PORT"],
                               user=self.env["REDSHIFT_USER"], password=self.env["REDSHIFT_PASSWORD"],
                               dbname=self.env["REDSHIFT_DATABASE"], sslmode="verify-full",
                               sslrootcert=self.env["REDSHIFT_CA_FILE"], autocommit=True)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} tells no VmHWM")


class Leat:
    """One worker; its log goes to a file."""

    def __init__(self, config, log, *command, port=0):
        self.log = Path(log)
        self.port = port
        binary = os.environ.get("LEAT_BIN", str(ROOT / "build/release/leat"))
        listen = [f"--http=127.0.0.1:{port}"] if port else []
        with self.log.open("wb") as out:
            self.process = subprocess.Popen([binary, "--config", str(config), *command, *listen], stdout=out,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    @property
    def pid(self):
        return self.process.pid

    def metric(self, name):
        """The sum over all label values; 0 before the first."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            self.check()
            return 0.0
        rows = [line for line in text.splitlines() if line.startswith(name) and not line.startswith("#")]
        return sum(float(row.rsplit(" ", 1)[1]) for row in rows if row[len(name)] in " {")

    def check(self):
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace").splitlines()[-5:]
            raise RuntimeError(f"leat ended with {self.process.returncode}:\n" + "\n".join(tail))

    def await_metric(self, name, at_least, deadline_s):
        end = time.monotonic() + deadline_s
        while self.metric(name) < at_least:
            self.check()
            if time.monotonic() > end:
                raise RuntimeError(f"{name} is {self.metric(name)} after {deadline_s} s, {at_least} was expected")
            time.sleep(0.05)

    def stop(self):
        """SIGTERM; what it cost in all."""
        cost = {"cpu_s": cpu_seconds(self.pid), "peak_mib": peak_mib(self.pid)}
        self.process.terminate()
        code = self.process.wait(timeout=40)
        if code != 0:
            raise RuntimeError(f"leat answered {code} to SIGTERM, see {self.log}")
        return cost


def spread(values, digits=0):
    """min / median / max"""
    return " / ".join(f"{v:,.{digits}f}" for v in (min(values), statistics.median(values), max(values)))


def close(results, figures, json_path):
    """Writes the JSON and prints the last line, key=value pairs."""
    if json_path:
        Path(json_path).write_text(json.dumps({"figures": figures, "runs": results}, indent=1) + "\n")
    print(" ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
                   for key, value in figures.items()))
