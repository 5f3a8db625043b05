"""Starts Debian's registry, a token server, a proxy for CONNECT, and a proxy that makes faults by a schedule."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import select
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.conftest import needs

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@contextmanager
def registry(folder, tls=None, auth=None, port=None, address="127.0.0.1", relative=False):
    """Run a registry, on a port of its own where none is named; yield its host and port.

    Args:
        folder: Where it keeps what it has.
        tls: A folder of certificates.
        auth: How it asks who somebody is.
        port: Its port.
        address: The address that it listens at.
        relative: Whether it says where uploads go by paths alone.
    """
    program = needs("docker-registry")
    port = port or free_port()
    http = {"addr": f"{address}:{port}", "secret": "x" * 16, "host": "", "relativeurls": relative}
    if tls:
        http["tls"] = {"certificate": str(tls / "server.pem"), "key": str(tls / "server.key")}
    document = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": http,
    }
    if auth:
        document["auth"] = auth
    (folder / "config.yml").write_text(json.dumps(document))  # JSON is YAML
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=subprocess.PIPE)
        said = []
        listening = threading.Event()

        def read():
            for line in process.stderr:
                said.append(line)
                if b"listening on" in line:
                    listening.set()
            listening.set()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            assert listening.wait(30), said
            assert process.poll() is None, b"".join(said)
            yield f"{address}:{port}"
        finally:
            process.terminate()
            process.wait(30)
            reader.join()
            process.stderr.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def certificates(folder):
    """Make an authority, and a certificate by it for registry.test and this machine."""
    openssl = needs("openssl")

    def run(*arguments):
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    (folder / "names").write_text("subjectAltName=DNS:registry.test,DNS:localhost,IP:127.0.0.1,IP:127.0.0.2\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    usage = ("-addext", "keyUsage=critical,keyCertSign,digitalSignature")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2", *usage)
    run("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=registry.test")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    run("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signed)
    return folder


@contextmanager
def serving(kind, **attributes):
    """Run a small server of this kind of handler on a port of its own."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # closing waits for them

        def process_request(self, request, address):
            accepted.append(request)
            super().process_request(request, address)

        def handle_error(self, request, address):
            """Clients that go away are what is tested."""

    accepted = []
    server = Server(("127.0.0.1", 0), kind)
    for name, value in attributes.items():
        setattr(server, name, value)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        for request in accepted:  # whoever keeps a connection for later finds it closed, as with any server
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
        server.server_close()


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class TokenServer(Quiet):
    """Gives real, signed tokens to ``me`` with ``secret``, or with the identity token ``refresh``."""

    password = "secret"

    def do_GET(self):
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        self.server.asked.append(("GET", asked))
        expected = "Basic " + base64.b64encode(f"me:{self.password}".encode()).decode()
        self.give(asked, asked.get("scope", []), self.headers.get("Authorization") == expected)

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked.append(("POST", form))
        self.give(form, form["scope"][0].split(), form.get("refresh_token") == ["refresh"])

    def give(self, asked, scopes, allowed):
        if not allowed:
            return self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}')
        access = [
            dict(zip(("type", "name", "actions"), (kind, name, actions.split(",")), strict=True))
            for kind, name, actions in (scope.split(":") for scope in scopes)
        ]
        token = sign(self.server.folder, asked["service"][0], access)
        return self.answer(200, json.dumps({"token": token, "access_token": token, "expires_in": 300}).encode())


def sign(folder, service, access):
    """Return a JSON Web Token as the registry takes them, with the certificate it trusts inside."""
    der = ssl.PEM_cert_to_DER_cert((folder / "token.pem").read_text())
    header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
    now = int(time.time())
    claims = {"iss": "issuer", "sub": "me", "aud": service, "exp": now + 300, "nbf": now - 60, "iat": now, "jti": "1"}
    signed = b".".join(_encoded(json.dumps(part).encode()) for part in (header, {**claims, "access": access}))
    command = ["openssl", "dgst", "-sha256", "-sign", str(folder / "token.key")]
    signature = subprocess.run(command, input=signed, capture_output=True, check=True).stdout
    return (signed + b"." + _encoded(signature)).decode()


def _encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@contextmanager
def with_tokens(folder):
    """Run a registry that takes tokens, and the server that gives them; yield both."""
    openssl = needs("openssl")
    command = "req -x509 -newkey rsa:2048 -nodes -keyout token.key -out token.pem -subj /CN=tokens -days 2"
    subprocess.run([openssl, *command.split()], cwd=folder, check=True, capture_output=True)
    with serving(TokenServer, folder=folder, asked=[]) as tokens:
        auth = {
            "token": {
                "realm": f"http://127.0.0.1:{tokens.server_port}/token",
                "service": "registry",
                "issuer": "issuer",
                "rootcertbundle": str(folder / "token.pem"),
            }
        }
        with registry(folder, auth=auth) as host:
            yield host, tokens


class Tunnel(Quiet):
    """A proxy for CONNECT, to a port of this machine whatever the name."""

    def do_CONNECT(self):
        self.server.asked.append(self.path)
        with socket.create_connection(("127.0.0.1", self.server.to)) as there:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: there, there: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(1 << 16)
                    if not data:
                        self.close_connection = True
                        return
                    ends[end].sendall(data)


class Faulty(Quiet):
    """Stands before a registry, and makes the next fault of a schedule at each request.

    The schedule is the server's ``faults``: names from ``FAULTS``, or None for a request that goes well.
    """

    def go(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        if self.path.startswith("/token?"):
            return self.answer(200, b'{"token": "taken-as-it-is"}')
        with server.lock:
            server.seen.append((self.command, self.path))
            fault = server.faults.pop(0) if server.faults else None
            server.made.append(fault)
        if fault in STATUSES and (fault != "416" or self.command == "PATCH" or self.headers.get("Range")):
            headers = {"Retry_After": "7"} if fault == "429" else {}
            return self.answer(int(fault), b"", **headers)
        if fault == "unauthorized":
            token = f'Bearer realm="http://127.0.0.1:{server.server_port}/token",service="any"'
            return self.answer(401, b"", WWW_Authenticate=server.challenge or token)
        if fault == "silence":
            return self.cut()
        if fault == "flipped request" and body:
            body = flipped(body)
        if fault == "cut request" and body:
            self.send_cut(body)
            return self.cut()
        status, headers, data = self.ask(body)
        server.told += [value for name, value in headers if name == "Location"]
        if fault == "lost answer":
            return self.cut()
        if fault == "flipped answer" and data:
            data = flipped(data)
        if fault == "wrong digest":
            headers = [(name, flipped_digest(value) if "Digest" in name else value) for name, value in headers]
        return self.give(status, headers, data, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = go  # noqa: N815 - http.server's names

    def ask(self, body):
        there = http.client.HTTPConnection(self.server.to)
        try:
            there.request(self.command, self.path, body, dict(self.headers))
            answer = there.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            there.close()

    def send_cut(self, body):
        with socket.create_connection(self.server.to.split(":")) as there:
            lines = [
                f"{self.command} {self.path} HTTP/1.1",
                *(f"{name}: {value}" for name, value in self.headers.items()),
            ]
            there.sendall("\r\n".join([*lines, "", ""]).encode() + body[: len(body) // 2])

    def give(self, status, headers, data, fault):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "connection", "date"}:
                self.send_header(name, value)
        self.end_headers()
        if fault == "slow answer":
            for at in range(0, len(data), len(data) // 5 + 1):
                self.wfile.write(data[at : at + len(data) // 5 + 1])
                self.wfile.flush()
                time.sleep(0.002)  # it is the link that is slow
            return
        half = len(data) // 2 if fault in {"cut answer", "stalled answer"} else len(data)
        self.wfile.write(data[:half])
        if fault == "stalled answer":
            self.wfile.flush()
            self.rfile.read(1)  # until the client goes away
        if fault in {"cut answer", "stalled answer"}:
            self.cut()

    def cut(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


STATUSES = ("429", "500", "502", "503", "416")
FAULTS = (
    *STATUSES,
    "unauthorized",
    "silence",
    "flipped request",
    "cut request",
    "lost answer",
    "flipped answer",
    "wrong digest",
    "cut answer",
    "slow answer",
)
STALLED = "stalled answer"
"""It takes as long as the client has patience, so it is in no schedule that is drawn."""


def flipped(data):
    """Return the data with one bit another."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def flipped_digest(digest):
    """Return another digest."""
    return digest[:-1] + ("0" if digest[-1] != "0" else "1")


@contextmanager
def faulty(to):
    """Run a proxy that makes faults before a registry."""
    attributes = {
        "to": to,
        "faults": [],
        "seen": [],
        "told": [],
        "made": [],
        "lock": threading.Lock(),
        "challenge": None,
    }
    with serving(Faulty, **attributes) as server:
        yield server


def image(*contents, **config):
    """Return the layers, the configuration and the manifest of an image of these layers' bytes."""
    from fairing.oci.blob import Blob

    layers = [Blob.of(content) for content in contents]
    document = {
        "os": "linux",
        "architecture": "amd64",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        **config,
    }
    settings = Blob.of(json.dumps(document).encode())

    def described(blob, kind):
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": blob.digest, "size": blob.size}

    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(settings, "config.v1+json"),
        "layers": [described(layer, "layer.v1.tar+gzip") for layer in layers],
    }
    return [*layers, settings], json.dumps(manifest).encode()


def push(transfer, name, *contents, **config):
    """Push an image of these layers' bytes; return its reference, its layers and its manifest."""
    from fairing.oci.reference import parse

    blobs, manifest = image(*contents, **config)
    target = parse(name)
    assert transfer.push(target, blobs, manifest, MANIFEST).startswith("sha256:")
    return target, blobs, manifest


def stored(host, repository, version):
    """Return an image as the registry has it: read by other means than ours, each digest checked."""

    def get(path):
        there = http.client.HTTPConnection(host)
        try:
            there.request("GET", f"/v2/{repository}/{path}", headers={"Accept": MANIFEST})
            answer = there.getresponse()
            data = answer.read()
            return data if answer.status == 200 else None
        finally:
            there.close()

    manifest = get(f"manifests/{version}")
    if manifest is None:
        return None
    content = json.loads(manifest)
    for each in [*content["layers"], content["config"]]:
        data = get(f"blobs/{each['digest']}")
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == each["digest"]
        assert len(data) == each["size"]
    return manifest
