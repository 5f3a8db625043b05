"""A wire between a client and an API server that a test can cut, or hold still as a laptop does that sleeps."""

import contextlib
import random
import socket
import struct
import threading
from pathlib import Path
from urllib.parse import urlsplit

import yaml


class Wire:
    """Passes bytes from a port of this machine to an address."""

    def __init__(self, host, port):
        self._to = (host, port)
        self._lock = threading.Lock()
        self._pairs = []
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts = 0
        self.knocked = threading.Event()
        """Somebody came while nothing passed."""
        self._threads = []
        self._start(self._accept)

    def cut(self):
        """Reset all connections."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)
        self.cuts += bool(pairs)

    def hold(self):
        """Let nothing pass, and nobody know."""
        self._flows.clear()

    def release(self):
        """Let bytes pass again."""
        self._flows.set()

    def close(self):
        """End it, and all that goes through it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self.release()
        self._threads[0].join()
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._to)
            except OSError:
                near.close()
                continue
            if not self._flows.is_set():
                self.knocked.set()
            with self._lock:
                self._pairs.append((near, far))
            open_ = [near, far]
            self._start(self._pass, near, far, open_)
            self._start(self._pass, far, near, open_)

    def _pass(self, source, target, open_):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._flows.wait()
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            open_.pop()
            if not open_:
                self._pairs[:] = [pair for pair in self._pairs if source not in pair]
                source.close()
                target.close()


def wired(kubeconfig, folder):
    """Return a wire to the API server of a kubeconfig's current context, and a kubeconfig that goes through it."""
    config = yaml.safe_load(Path(kubeconfig).read_text())
    name = next(each for each in config["contexts"] if each["name"] == config["current-context"])["context"]["cluster"]
    cluster = next(each for each in config["clusters"] if each["name"] == name)["cluster"]
    server = urlsplit(cluster["server"])
    wire = Wire(server.hostname, server.port or 443)
    cluster["server"] = f"https://127.0.0.1:{wire.port}"
    if server.hostname != "127.0.0.1":
        cluster["tls-server-name"] = server.hostname
    file = folder / "wired"
    file.write_text(yaml.safe_dump(config))
    return wire, str(file)


@contextlib.contextmanager
def cut(wire, seed, least, most):
    """Cut a wire again and again, after so many seconds each time, until what is done meanwhile has ended."""

    def cutting():
        while not over.wait(moments.uniform(least, most)):
            wire.cut()

    moments, over = random.Random(seed), threading.Event()
    thread = threading.Thread(target=cutting)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
