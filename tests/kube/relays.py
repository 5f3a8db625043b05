"""Servers of the tests' own that stand between a client and where it goes: they pass on, note, cut, and tell.

``Gateway`` stands before the API server and sees each request; ``ConnectProxy`` is a proxy as companies have them: it
sees who wants to go where, and nothing of what is said.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

PIECE = 1 << 16


class Relay:
    """A server on this machine, in a thread of its own, from ``with`` to its end."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)
        self.port = 0

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def cut(self) -> None:
        """End every connection that there is now; from any thread."""
        self._loop.call_soon_threadsafe(self._cut)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        raise NotImplementedError

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._served())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _served(self) -> None:
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        while self._tasks:
            self._cut()
            await asyncio.wait(self._tasks)
        await server.wait_closed()

    def _cut(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._kept(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())  # also of one that was cut before it began

    async def _kept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self.serve(reader, writer)
                writer.close()
                await writer.wait_closed()
        except asyncio.CancelledError:
            pass  # cut
        finally:
            await ended(writer)


@dataclass
class Request:
    """What was asked of the API server, and which status it answered."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int = 0

    @property
    def changes(self) -> bool:
        """Whether it makes or changes something, and does not merely ask."""
        return self.method != "GET" and "/selfsubject" not in self.path


class Gateway(Relay):
    """Stands before an API server, without TLS; who asks is said by a token, which is passed on.

    Args:
        server: The address of the API server.
        authority: The file of its certificate authority.
        answered: Called with each request when its answer has come, before that is passed on.
    """

    def __init__(self, server: str, authority: str, answered: Callable[[Request], object] = lambda _: None) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self._server = urlsplit(server)
        self._tls = ssl.create_default_context(cafile=authority)
        self._answered = answered

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass requests on one by one, and answers as they come; what was upgraded, as it comes."""
        server = self._server
        back, on = await asyncio.open_connection(server.hostname, server.port, ssl=self._tls)
        waiting: list[Request] = []
        answers = asyncio.create_task(self._answers(back, writer, waiting))
        asking = asyncio.create_task(self._questions(reader, on, waiting))
        await both(asking, answers, on)

    async def _questions(self, reader, on, waiting: list[Request]) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            first, *rest = head.decode("latin-1").split("\r\n")
            method, path, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
            waiting.append(Request(method, path, headers))
            self.requests.append(waiting[-1])
            on.write(head + await reader.readexactly(int(headers.get("content-length", 0))))
            await on.drain()
            if "upgrade" in headers:
                await copied(reader, on)
                return

    async def _answers(self, back, writer, waiting: list[Request]) -> None:
        while data := await back.read(PIECE):
            if waiting:
                request = waiting.pop()
                request.status = int(data.split(b" ", 2)[1])
                self._answered(request)
            writer.write(data)
            await writer.drain()


@dataclass
class Tunnel:
    """A way through the proxy."""

    target: str
    carried: int = 0


class ConnectProxy(Relay):
    """A proxy that does CONNECT and nothing else.

    Args:
        names: Where names lead that nobody else knows: ``{"api.test:443": ("127.0.0.1", 6443)}``.
        login: ``user:password`` that it wants to be told.
    """

    def __init__(self, names: Mapping[str, tuple[str, int]] | None = None, login: str = "") -> None:
        super().__init__()
        self.tunnels: list[Tunnel] = []
        self.refused: list[str] = []
        self._names = dict(names or {})
        self._login = login

    @property
    def url(self) -> str:
        """Its address, with the login."""
        return f"http://{self._login}{'@' if self._login else ''}127.0.0.1:{self.port}"

    def targets(self) -> set[str]:
        """Return where there were tunnels to."""
        return {tunnel.target for tunnel in self.tunnels}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Make a tunnel."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split("\r\n")[0].split(" ")
        basic = base64.b64encode(self._login.encode()).decode()
        if method != "CONNECT" or (self._login and f"proxy-authorization: basic {basic}".lower() not in head.lower()):
            self.refused.append(f"{method} {target}")
            answer = "405 Method Not Allowed" if method != "CONNECT" else "407 Proxy Authentication Required"
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            return
        host, _, port = target.rpartition(":")
        tunnel = Tunnel(target)
        self.tunnels.append(tunnel)
        back, on = await asyncio.open_connection(*self._names.get(target, (host, int(port))))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await both(asyncio.create_task(copied(reader, on)), asyncio.create_task(copied(back, writer, tunnel)), on)


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tunnel: Tunnel | None = None) -> None:
    """Copy what comes until nothing more does."""
    while data := await reader.read(PIECE):
        if tunnel is not None:
            tunnel.carried += len(data)
        writer.write(data)
        await writer.drain()


async def both(one: asyncio.Task[None], other: asyncio.Task[None], on: asyncio.StreamWriter) -> None:
    """Wait until one direction has ended, and end the other."""
    try:
        await asyncio.wait({one, other}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        on.transport.abort()
        for task in (one, other):
            task.cancel()
        await asyncio.gather(one, other, return_exceptions=True)
        await ended(on)


async def ended(writer: asyncio.StreamWriter) -> None:
    """Close a connection at once."""
    writer.transport.abort()
    with suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()
