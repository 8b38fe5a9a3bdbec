"""A certificate authority and a server certificate for localhost, made once with the openssl command."""
import os
import ssl
import subprocess

EXTENSIONS = """subjectAltName=DNS:localhost,IP:127.0.0.1
basicConstraints=CA:FALSE
extendedKeyUsage=serverAuth
"""


def _openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"could not make the TLS certificate: openssl {args[0]}: {done.stderr.strip()}")


def make_certificates(folder):
    """Fills folder with ca.pem, server.crt and server.key unless they are there already."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = {name: os.path.join(folder, name)
            for name in ("ca.pem", "ca.key", "server.crt", "server.key", "server.csr", "server.ext")}
    if all(os.path.exists(path[name]) for name in ("ca.pem", "server.crt", "server.key")):
        return path
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
             "-subj", "/CN=leat local stand-in CA", "-keyout", path["ca.key"], "-out", path["ca.pem"])
    _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", "/CN=localhost", "-keyout", path["server.key"], "-out", path["server.csr"])
    with open(path["server.ext"], "w", encoding="ascii") as out:
        out.write(EXTENSIONS)
    _openssl("x509", "-req", "-in", path["server.csr"], "-CA", path["ca.pem"], "-CAkey", path["ca.key"],
             "-CAcreateserial", "-days", "3650", "-extfile", path["server.ext"], "-out", path["server.crt"])
    os.chmod(path["server.key"], 0o600)
    os.chmod(path["ca.key"], 0o600)
    return path


def server_context(folder):
    path = make_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(path["server.crt"], path["server.key"])
    return context
