"""Is a server ready? Each probe asks the server a real question and answers yes or no at once."""

import hashlib
import hmac
import http.client
import os
import socket
import struct
import time
from pathlib import Path

from .layout import HOST

TIMEOUT_S = 2.0
TCP_LISTEN = "0A"  # its state in /proc/net/tcp


def port_is_free(port):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
        return True


def port_holder(port):
    """"pid 123 (java)" for the process that listens there; vague when that is not ours to know."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == TCP_LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            if inodes.intersection(os.readlink(descriptor) for descriptor in descriptors.iterdir()):
                name = (descriptors.parent / "comm").read_text().strip()
                return f"pid {descriptors.parent.name} ({name})"
        except OSError:
            continue
    return "another program"


def _exactly(connection, n_bytes):
    data = b""
    while len(data) < n_bytes:
        part = connection.recv(n_bytes - len(data))
        if not part:
            raise ConnectionError("closed in the middle of an answer")
        data += part
    return data


def http_status(port, path, method="GET", headers=None):
    """The status, or None when nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, headers=headers or {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def kafka_has_broker(port):
    """Metadata v1 for no topics: at least one broker is registered."""
    request = struct.pack(">hhih4si", 3, 1, 1, 4, b"leat", 0)
    try:
        with socket.create_connection((HOST, port), TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            size = struct.unpack(">i", _exactly(connection, 4))[0]
            n_brokers = struct.unpack(">ii", _exactly(connection, size)[:8])[1]
    except OSError:
        return False
    return n_brokers > 0


def postgres_accepts(port):
    """A start-up message is answered by an authentication request, not by an error."""
    body = struct.pack(">i", 3 << 16) + b"user\0postgres\0database\0postgres\0\0"
    try:
        with socket.create_connection((HOST, port), TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(body) + 4) + body)
            return _exactly(connection, 1) == b"R"
    except OSError:
        return False


def docdb_is_primary(port):
    """OP_MSG {hello: 1, $db: "admin"} is answered by a writable primary."""
    fields = b"\x10hello\0\x01\0\0\0" + b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0"
    document = struct.pack("<i", len(fields) + 5) + fields + b"\0"
    body = struct.pack("<i", 0) + b"\0" + document
    try:
        with socket.create_connection((HOST, port), TIMEOUT_S) as connection:
            connection.sendall(struct.pack("<iiii", len(body) + 16, 1, 0, 2013) + body)
            size = struct.unpack("<i", _exactly(connection, 4))[0]
            return b"\x08isWritablePrimary\0\x01" in _exactly(connection, size - 4)
    except OSError:
        return False


def s3_put_bucket(port, region, key_id, secret, bucket):
    """Signature version 4 of a PUT without body. 200: made, 409: it was there; None: no answer."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    empty = hashlib.sha256(b"").hexdigest()
    headers = {"host": f"{HOST}:{port}", "x-amz-content-sha256": empty, "x-amz-date": now}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"PUT\n/{bucket}\n\n{lines}\n{names}\n{empty}"
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signing_key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    signature = hmac.digest(signing_key, to_sign.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return http_status(port, f"/{bucket}", "PUT", headers)
