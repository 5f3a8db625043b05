#!/usr/bin/env python3
"""The one way out for pods: an HTTP proxy that lets only the package registries of this host's clients through.

    package_proxy.py ADDRESS PORT

The hosts come from the clients' own configuration (pip's and apt's) when it starts; nothing else is reachable.
"""

import os
import re
import select
import socket
import socketserver
import subprocess
import sys
import urllib.parse
from pathlib import Path


def pip_urls():
    """What pip would use: its configuration, else its built-in index and that index's file store."""
    builtin = "from pip._internal.models.index import PyPI; print(PyPI.url, 'https://' + PyPI.file_storage_domain)"
    for python in [sys.executable, "/usr/bin/python3"] + [f"{folder}/python3" for folder in os.get_exec_path()]:
        commands = [[python, "-c", builtin], [python, "-m", "pip", "config", "list"]]
        try:
            found = [subprocess.run(command, capture_output=True, text=True) for command in commands]
        except OSError:
            continue
        if not any(run.returncode for run in found):  # this one has pip
            return re.findall(r"https?://[^\s'\"]+", " ".join(run.stdout for run in found))
    print("no pip found: pods reach no Python package index", flush=True)
    return []


def allowed_hosts():
    urls = pip_urls()
    urls += [value for key, value in os.environ.items() if key.startswith(("PIP_", "UV_")) and "://" in value]
    apt = Path("/etc/apt")
    for file in [*apt.glob("sources.list"), *apt.glob("sources.list.d/*.list"), *apt.glob("sources.list.d/*.sources")]:
        lines = file.read_text().splitlines()
        urls += [url for line in lines if not line.startswith("#") for url in re.findall(r"https?://\S+", line)]
    return {urllib.parse.urlsplit(url).hostname for url in urls} - {None}


ALLOWED = allowed_hosts()
print(len(ALLOWED), "hosts allowed", flush=True)


class Tunnel(socketserver.StreamRequestHandler):
    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(65536)
            if not line:
                return
            head += line
        first, _, rest = head.partition(b"\r\n")
        method, target, version = first.decode("latin-1").split(" ", 2)
        url = urllib.parse.urlsplit("//" + target if method == "CONNECT" else target)
        port = url.port or (443 if method == "CONNECT" else 80)
        if url.hostname not in ALLOWED or port not in (80, 443):
            print("refused", method, url.hostname, port, flush=True)
            self.wfile.write(b"HTTP/1.1 403 Not a package registry\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with socket.create_connection((url.hostname, port), 30) as upstream:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:  # one request a connection: plain HTTP is apt's, which copes
                path = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
                rest = re.sub(rb"(?im)^(proxy-)?connection:.*\r\n", b"", rest)
                upstream.sendall(f"{method} {path} {version}\r\nConnection: close\r\n".encode() + rest)
            self.pump(upstream)

    def pump(self, upstream):
        pairs = {self.connection: upstream, upstream: self.connection}
        while True:
            for source in select.select(list(pairs), [], [], 300)[0] or [None]:
                data = source.recv(65536) if source else b""
                if not data:
                    return
                pairs[source].sendall(data)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64


Server((sys.argv[1], int(sys.argv[2])), Tunnel).serve_forever()
