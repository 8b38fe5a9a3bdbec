"""Ports for a stack of one's own.

    python -m bank.ports START        (in deploy/local): prints a base from START on whose ports are all free"""

import socket
import sys

N_PORTS = 20  # more than a stack has
LAST = 32000  # above, the kernel hands out ports to clients


def free_base(start):
    for base in range(start, LAST - N_PORTS, N_PORTS):
        try:
            for port in range(base, base + N_PORTS):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return base
    raise RuntimeError(f"no {N_PORTS} free ports in a row from {start} to {LAST}")


if __name__ == "__main__":
    print(free_base(int(sys.argv[1])))
