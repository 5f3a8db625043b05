"""Sends requests to a registry, and to where it sends on: again where that helps, and closed from outside."""

from __future__ import annotations

import socket
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from fairing.errors import RegistryError
from fairing.network import bundle, manager, proxy_for, trusting
from fairing.oci.authorization import Authorization
from fairing.oci.credentials import Beside, Credentials, find
from fairing.oci.http import TRANSIENT, Answer, Refusal, Request, host, origin, refusal, rule, unreachable
from fairing.oci.reference import host as api_host
from fairing.oci.reference import plain
from fairing.words import duration

if TYPE_CHECKING:
    import ssl

    from urllib3 import PoolManager

_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class Clock:
    """The time, in seconds from anywhere, and how it is waited for: tests have their own."""

    now: Callable[[], float] = time.monotonic
    wait: Callable[[float, threading.Event], object] = lambda seconds, closed: closed.wait(seconds)


@dataclass(frozen=True)
class Settings:
    """How registries are spoken to.

    Args:
        plain: Hosts spoken to over plain HTTP, besides this machine.
        ca: A file of certificates to trust, besides the system's.
        authorities: Such a file by registry, where one has its own.
        credentials: Who to be, by registry, before what is found on this machine.
        beside: Says who to be where nothing is found on this machine.
        attempts: How often something is asked at most.
        patience: The longest wait that a registry may ask for, in seconds.
        timeout: How long an answer, or a part of it, may take, in seconds.
        chunk: The longest upload in one request, in bytes; proxies have limits.
    """

    plain: tuple[str, ...] = ()
    ca: str | None = None
    authorities: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, Credentials] = field(default_factory=dict, repr=False)
    beside: Beside | None = None
    attempts: int = 5
    patience: float = 120.0
    timeout: float = 60.0
    chunk: int = 64 << 20

    def plainly(self, host: str) -> bool:
        """Return whether a host is spoken to over plain HTTP; one with certificates of its own never is."""
        return host.lower() not in self.authorities and plain(host, self.plain)


class Connection:
    """The connections to one registry, of as many threads as like."""

    def __init__(self, registry: str, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.closed = threading.Event()
        self._clock = clock
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._managers: dict[tuple[str | None, bool], PoolManager] = {}
        self._lock = threading.Lock()
        self.host = api_host(registry)
        self._ca = settings.authorities.get(registry, settings.ca)
        self.base = f"{'http' if settings.plainly(self.host) else 'https'}://{self.host}"
        # Docker Hub's name is asked for as people write it; its API's host has no credentials of its own.
        who = lambda repository: find(registry, repository, settings.credentials, beside=settings.beside)  # noqa: E731
        secure = lambda host: not settings.plainly(host)  # noqa: E731
        self._authorization = Authorization(registry, who, clock.now, secure)

    def send(self, request: Request, scopes: Sequence[str], what: str) -> Answer:
        """Send what may be sent more than once, as often as it takes; an answer of any other kind is the caller's.

        Args:
            request: What is asked.
            scopes: What it needs.
            what: What did not come about if nothing helps, as a sentence.

        Raises:
            RegistryError: Nothing helps.
        """

        def ask() -> Answer:
            return self.once(request, scopes, what)

        answer: Answer = self.again(ask)
        return answer

    def once(self, request: Request, scopes: Sequence[str], what: str) -> Answer:
        """Send it once, with whatever tokens that takes; elsewhere than to the registry itself, with none.

        Raises:
            Refusal: There is no answer, or one that a later attempt may change.
        """
        ours = origin(request.url) == origin(self.base)
        answer = self._allowed(request, scopes, what) if ours else self._follow(request, what)
        if answer.status in TRANSIENT:
            raise refusal(answer, what)
        return answer

    def again(self, ask: Callable[[], Any]) -> Any:
        """Return what a function returns, called until it raises nothing that another attempt may change.

        Raises:
            RegistryError: The last attempt's, or that of a wait that is too long.
        """
        for attempt in range(1, self.settings.attempts + 1):
            try:
                return ask()
            except Refusal as wrong:
                if not wrong.transient or attempt == self.settings.attempts:
                    raise
                self.pause(attempt, wrong)
        raise AssertionError

    def pause(self, attempt: int, wrong: Refusal) -> None:
        """Wait before another attempt: as long as the registry asks, or longer each time.

        Raises:
            RegistryError: The registry asks for more patience than there is.
        """
        seconds = 0.25 * 2**attempt if wrong.wait is None else wrong.wait
        if seconds > self.settings.patience:
            fix = f"It asks to wait {duration(seconds)}: try again then, or log in for a higher limit."
            raise RegistryError(wrong.what, wrong.why, fix) from wrong
        self._clock.wait(seconds, self.closed)
        self.check_open()

    def check_open(self) -> None:
        """See that nobody closed it.

        Raises:
            RegistryError: Somebody did.
        """
        if self.closed.is_set():
            raise RegistryError(
                f"What was under way with {self.host} was stopped.",
                why="It was interrupted, or another part of it failed.",
                fix="Start it again; what has arrived is not sent twice.",
            )

    def resolve(self, url: str, location: str) -> str:
        """Return where an answer sends on to.

        Raises:
            RegistryError: From HTTPS to plain HTTP of a host that nobody named for it.
        """
        target = urljoin(url, location)
        parts = urlsplit(target)
        if parts.scheme == "http" and not self.settings.plainly(parts.netloc):
            if parts.netloc.lower() == host(url).lower():  # a registry that does not know of the proxy before it
                return parts._replace(scheme="https").geturl()
            raise RegistryError(
                f"{host(url)} sends on to {parts.netloc} over plain HTTP.",
                why="Anybody on the way could change what is read there.",
                fix=f"If that is meant, say so: {rule(parts.netloc)} insecure = true in fairing.toml.",
            )
        if parts.scheme not in {"http", "https"}:
            raise RegistryError(
                f"{host(url)} sends on to an address that is none: {target[:80]!r}.",
                why="Layers are at addresses of HTTP alone.",
                fix="Check the registry's name, or ask whoever runs it.",
            )
        return target

    def close(self) -> None:
        """Close everything; who is sending or reading gets an error."""
        self.closed.set()
        for sock in tuple(self._sockets):
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's own: another thread is inside it
        with self._lock:
            for manager in self._managers.values():
                manager.clear()

    def _allowed(self, request: Request, scopes: Sequence[str], what: str) -> Answer:
        """Send it as who one is to the registry."""
        flow = self._authorization.flow(request, scopes)
        answer: Answer | None = None
        try:
            answer = self._follow(next(flow), what)
            while True:
                try:
                    following = flow.send(answer)
                except StopIteration:
                    break
                answer.discard()
                answer = self._follow(following, what)
        except BaseException:
            if answer is not None:
                answer.close()
            raise
        finally:
            flow.close()
        return answer

    def _follow(self, request: Request, what: str) -> Answer:
        """Send it, and after it where its answers send on to; credentials go to nobody else."""
        for _ in range(6):
            answer = self._ask(request, what)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            if request.method not in {"GET", "HEAD"} and answer.status not in {307, 308}:
                return answer
            target = self.resolve(request.url, location)
            kept = {
                name: value
                for name, value in request.headers.items()
                if name != "Authorization" or origin(target) == origin(request.url)
            }
            answer.discard()
            request = Request(request.method, target, kept, request.body)
        raise RegistryError(
            what,
            why=f"{self.host} sends from one address to the next without end.",
            fix="Check the registry's name, and the proxy before it.",
        )

    def _ask(self, request: Request, what: str) -> Answer:
        import urllib3

        self.check_open()
        headers = {"User-Agent": "fairing", **request.headers}
        body: Any = None
        if request.body is not None:
            headers["Content-Length"] = str(request.body.size)
            body = request.body.open()
        try:
            raw = self._manager(request.url).urlopen(
                request.method,
                request.url,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as wrong:
            self.check_open()
            raise unreachable(request.url, wrong, what) from wrong
        finally:
            if hasattr(body, "close"):
                body.close()
        return Answer(raw.status, raw.headers, request.url, raw)

    def _manager(self, url: str) -> PoolManager:
        import urllib3

        proxy = proxy_for(url)
        secure = "https" in {urlsplit(url).scheme, urlsplit(proxy or "").scheme}
        with self._lock:
            if (proxy, secure) not in self._managers:
                made = manager(
                    proxy,
                    # Reading the system's certificates takes longer than a push that needs none.
                    self._tls() if secure else None,
                    num_pools=8,
                    maxsize=8,
                    timeout=urllib3.Timeout(connect=10, read=self.settings.timeout),
                )
                if not (proxy or "").startswith("socks"):
                    made.pool_classes_by_scheme = _tracked(self._sockets)
                self._managers[proxy, secure] = made
        return self._managers[proxy, secure]

    def _tls(self) -> ssl.SSLContext:
        try:
            return trusting(self._ca)
        except OSError as wrong:
            raise RegistryError(
                f"There are no certificates to trust in {wrong.filename or self._ca or bundle()}.",
                why=f"{wrong.strerror or wrong}.",
                fix="Name a file of certificates in PEM form.",
            ) from wrong


def _tracked(sockets: weakref.WeakSet[socket.socket]) -> dict[str, Any]:
    """Return pools whose sockets are known, so that a thread that waits for one can be freed from outside."""
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    def noting(pool: Any, kind: Any) -> Any:
        class Noting(kind):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        return type(pool.__name__, (pool,), {"ConnectionCls": Noting})

    return {
        "http": noting(HTTPConnectionPool, HTTPConnection),
        "https": noting(HTTPSConnectionPool, HTTPSConnection),
    }
