"""The command line of deploy/local/stack."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from .errors import StackError
from .layout import CHECKOUT
from .supervisor import SERVICES, Stack

NAMES = [service.name for service in SERVICES]

DESCRIPTION = """\
The servers that leat talks to, on this machine, on 127.0.0.1 only:
Kafka, a schema registry, S3, PostgreSQL, a document server and the Redshift stand-in.

After `up`, DIR/stack.env says where everything is (KEY=VALUE, can be sourced).
Data, logs and pid files lie under DIR. Ports come from deploy/local/ports.env."""

EPILOG = """\
exit status: 0 done; 1 could not (one message on stderr says what, where and what to do);
2 wrong arguments; 3 `status`: something is not running or not ready

LEAT_CACHE is where deploy/local/install put the servers (default ~/.cache/leat);
LEAT_STACK_TIMEOUT_S is how long a server may take until it is ready (default 90)."""


def parser():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--dir",
        default=os.environ.get("LEAT_STACK_DIR") or CHECKOUT / "build/stack",
        help="the stack's folder (LEAT_STACK_DIR; default build/stack of the checkout)",
    )
    common.add_argument(
        "--port-base", help="first port (LEAT_PORT_BASE; default: as started before, else ports.env)"
    )
    common.add_argument(
        "--postgres",
        metavar="MAJOR",
        help="version of the source database, 13 to 18 (LEAT_POSTGRES; default: as its data were made, else Debian's)",
    )
    common.add_argument("--quiet", action="store_true", help="print nothing but errors")
    top = argparse.ArgumentParser(
        prog="stack",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, text):
        return commands.add_parser(name, parents=[common], help=text, description=text)

    add("up", "start what is not running and wait until all of it is ready")
    add("down", "stop everything, keep the data")
    add("status", "say what runs, and whether it is ready")
    add("reset", "stop everything and delete its data, logs and stack.env; leaves it down")
    for name, text in (
        ("start", "start single services, with the data they had"),
        ("stop", "stop single services"),
        ("restart", "stop and start single services"),
    ):
        command = add(name, text)
        command.add_argument("names", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
        if name != "start":
            command.add_argument(
                "--kill", action="store_true", help="SIGKILL to the whole service, children included"
            )
    return top


def resident_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


def uptime_s(identity):
    since_boot = float(Path("/proc/uptime").read_text().split()[0])
    return since_boot - identity.started / os.sysconf("SC_CLK_TCK")


def status(stack):
    """One line a service. True when all of it is ready."""
    all_ready = True
    for name, service in stack.services.items():
        identity = service.live()
        ready = identity is not None and service.is_ready()
        all_ready = all_ready and ready
        line = f"{name:12} {'ready' if ready else 'not ready' if identity else 'down':10}"
        if identity:
            ports = ",".join(str(service.port(port)) for port in service.ports)
            line += f" port {ports:12} pid {identity.pid:<8} {resident_mib(identity.pid):5} MiB"
            line += f" {uptime_s(identity):8.0f} s"
        stack.say(line)
    return all_ready


def interrupted(signal_number, _frame):
    raise KeyboardInterrupt


def main(arguments=None):
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupted)

    def say(line):
        if not options.quiet:
            print(line, flush=True)

    try:
        stack = Stack(options.dir, options.port_base, say, options.postgres)
        if options.command == "status":
            return 0 if status(stack) else 3
        began = time.monotonic()
        if options.command in ("start", "stop", "restart"):
            names = list(dict.fromkeys(options.names))
            extra = {} if options.command == "start" else {"kill": options.kill}
            getattr(stack, options.command)(names, **extra)
        elif options.command == "down":
            stack.stop(NAMES)
            say(f"down after {time.monotonic() - began:.1f} s")
        else:
            getattr(stack, options.command)()
        return 0
    except (StackError, OSError) as error:
        print(f"stack: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stack: interrupted", file=sys.stderr)
        return 130
    return 1
