"""What RDS puts before PostgreSQL: TLS, a token instead of a password, and then the server, which trusts the front."""

import datetime
import hashlib
import hmac
import select
import socket
import ssl
import struct
import threading
import urllib.parse

SSL_REQUEST = 80877103
CLEARTEXT_PASSWORD = b"R" + struct.pack("!ii", 8, 3)
MAX_SECONDS = 900


class Front:
    """Listens on a port of its own; every accepted token is in `tokens`, every refusal's reason in `refused`."""

    def __init__(self, server_port, certificate, key, keys, region):
        self.server_port, self.keys, self.region = server_port, keys, region
        self.tokens, self.refused = [], []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            length, code = struct.unpack("!ii", exactly(client, 8))
            assert (length, code) == (8, SSL_REQUEST), "a client that does not ask for TLS"
            client.sendall(b"S")
            client = self.context.wrap_socket(client, server_side=True)
            (length,) = struct.unpack("!i", exactly(client, 4))
            startup = struct.pack("!i", length) + exactly(client, length - 4)
            client.sendall(CLEARTEXT_PASSWORD)
            kind, length = struct.unpack("!ci", exactly(client, 5))
            token = exactly(client, length - 4).rstrip(b"\0").decode()
            user = dict(zip(*[iter(startup[8:].decode().split("\0"))] * 2))["user"]
            reason = self.why_not(token, user)
            if kind != b"p" or reason:
                self.refused.append(reason)
                said = b"SFATAL\0C28000\0MPAM authentication failed for user\0\0"
                client.sendall(b"E" + struct.pack("!i", 4 + len(said)) + said)
                return
            self.tokens.append(token)
            server = socket.create_connection(("127.0.0.1", self.server_port))
            server.sendall(startup)
            relay(client, server)
        except (OSError, EOFError):
            pass
        finally:
            client.close()

    def why_not(self, token, user):
        """None, or what is wrong with it: the signature is made again from what the token says."""
        address, _, query = token.partition("/?")
        given = dict(urllib.parse.parse_qsl(query, strict_parsing=True))
        signature = given.pop("X-Amz-Signature")
        key_id, day, region, service, end = given["X-Amz-Credential"].split("/")
        began = datetime.datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        age = (datetime.datetime.now(datetime.UTC) - began).total_seconds()
        expected = {"address": (address, f"localhost:{self.port}"), "region": (region, self.region),
                    "service": (service, "rds-db"), "end": (end, "aws4_request"), "action": (given["Action"], "connect"),
                    "user": (given["DBUser"], user), "headers": (given["X-Amz-SignedHeaders"], "host")}  # fmt: skip
        for what, (found, wanted) in expected.items():
            if found != wanted:
                return f"{what} is {found}, not {wanted}"
        if not -60 <= age <= int(given["X-Amz-Expires"]) <= MAX_SECONDS:
            return f"{age} s old"
        if key_id not in self.keys:
            return f"unknown key {key_id}"
        canonical = "&".join(f"{quote(key)}={quote(given[key])}" for key in sorted(given))
        request = f"GET\n/\n{canonical}\nhost:{address}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
        scope = f"{day}/{region}/{service}/{end}"
        to_sign = f"AWS4-HMAC-SHA256\n{given['X-Amz-Date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self.keys[key_id]}".encode()
        for word in (day, region, service, end):
            key = hmac.digest(key, word.encode(), "sha256")
        return None if hmac.digest(key, to_sign.encode(), "sha256").hex() == signature else "another signature"


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def exactly(connection, n):
    found = b""
    while len(found) < n:
        more = connection.recv(n - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def relay(client, server):
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for source in ready:
            data = source.recv(65536)
            if not data:
                server.close()
                return
            (server if source is client else client).sendall(data)
