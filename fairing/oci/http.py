"""What goes to a registry and what comes back, and an answer's refusal in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fairing.errors import RegistryError

PIECE = 1 << 20
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

_MOST = 8 << 20
"""Manifests are to be expected up to 4 MB; what is longer is not read."""
_AGES = 1e9
_MEANS = {
    401: ("It does not accept who you are", "Log in again: docker login {host}."),
    403: ("You may not do that there", "Ask whoever runs the registry, or push to a repository of your own."),
    404: ("It is not there, or you may not see it", "Check the name; for a private one, log in: docker login {host}."),
    413: ("It is larger than the registry, or a proxy before it, takes", "Ask whoever runs it to raise the limit."),
    429: ("It takes no more requests from you for now", "Try again later, or log in for a higher limit."),
    507: ("It has no room left", "Ask whoever runs it."),
}


class Body(NamedTuple):
    """What a request carries: how long it is, and a way to read it from its start, as often as it has to be sent."""

    size: int
    open: Callable[[], Iterable[bytes]]

    @classmethod
    def of(cls, data: bytes) -> Body:
        """Return a body of these bytes."""
        return cls(len(data), lambda: [data])


@dataclass(frozen=True)
class Request:
    """What is asked of a host."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None

    def having(self, **headers: str) -> Request:
        """Return it with these headers as well."""
        return replace(self, headers={**self.headers, **headers})

    def __repr__(self) -> str:
        return f"<{self.method} {urlsplit(self.url)._replace(query='').geturl()}>"  # no tokens, no signatures


@dataclass(frozen=True, repr=False)
class Answer:
    """What came back; its body is still to be read, or to be let go."""

    status: int
    headers: Mapping[str, str]
    url: str
    raw: Any

    def read(self) -> bytes:
        """Return the body, and give the connection back.

        Raises:
            RegistryError: It is longer than any document of a registry.
        """
        data = b"".join(self.pieces(_MOST))
        self.discard()
        return data

    def pieces(self, most: int | None = None) -> Iterator[bytes]:
        """Yield the body, as it is on the wire: what says it is gzip may be a layer."""
        from urllib3.exceptions import HTTPError

        read = 0
        try:
            for piece in self.raw.stream(PIECE, decode_content=False):
                read += len(piece)
                if most is not None and read > most:
                    raise RegistryError(
                        f"{host(self.url)} answers with more than {most >> 20} MB, which is no document.",
                        why="No manifest, token or list of tags is that long.",
                        fix="Check that the name is a registry's, and not that of a page or a download.",
                    )
                yield piece
        except (HTTPError, OSError) as wrong:
            raise unreachable(self.url, wrong, f"What {host(self.url)} answered was cut off.") from wrong
        finally:
            if most is None or read > most:
                self.close()

    def discard(self) -> None:
        """Give the connection back; what is left of a short body is read first, so that it can be used again."""
        with suppress(Exception):
            if int(self.headers.get("Content-Length") or 0) <= PIECE:
                self.raw.drain_conn()
            else:
                self.raw.close()
        self.raw.release_conn()

    def close(self) -> None:
        """Close the connection."""
        self.raw.close()
        self.raw.release_conn()


class Refusal(RegistryError):
    """A registry's refusal, or its silence, for those who know what to do about it."""

    status: int = 0
    codes: tuple[str, ...] = ()
    transient: bool = False
    wait: float | None = None
    """How long to wait before asking again, in seconds, where the registry said so."""


def origin(url: str) -> tuple[str, str, int]:
    """Return whom an address speaks to: credentials for one are not for another."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def host(url: str) -> str:
    """Return the host that an address names, with its port."""
    return urlsplit(url).netloc.rpartition("@")[2]


def refusal(answer: Answer, what: str) -> Refusal:
    """Return an error for an answer that is not what was hoped for, and let the answer go.

    Args:
        answer: The answer.
        what: What did not come about, as a sentence.
    """
    told = _told(answer)
    name = host(answer.url)
    otherwise = f"The registry {name} answers with HTTP status {answer.status}"
    later = "Try again later; if it stays, show this to whoever runs the registry."
    why, fix = _MEANS.get(answer.status, (otherwise, later))
    words = "; ".join(f"{code}: {message}".strip(": ") for code, message in told)
    error = Refusal(what, why=f"{why} ({words})." if words else f"{why}.", fix=fix.format(host=name))
    error.status = answer.status
    error.codes = tuple(code for code, _ in told)
    error.transient = answer.status in TRANSIENT
    error.wait = retry_after(answer)
    return error


def unreachable(url: str, wrong: Exception, what: str) -> Refusal:
    """Return an error for no answer at all, in words, with what to do where a later attempt would change nothing."""
    name = host(url)
    text = str(wrong)
    kind = type(wrong).__name__
    hopeless = True
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate" in text.lower():
        said = re.search(r"verify failed: ([^(\]]+)", text)
        why = f"The certificate of {name} is not trusted ({(said[1] if said else kind).strip()})."
        fix = f'If you trust it, name a file with its authority\'s certificate: {rule(name)} ca = "…" in fairing.toml.'
    elif "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
        why = f"{name} does not speak HTTPS."
        fix = f"If it is to be spoken to over plain HTTP, say so: {rule(name)} insecure = true in fairing.toml."
    elif kind == "NameResolutionError" or "Name or service not known" in text or "getaddrinfo failed" in text:
        why, fix = f"No host is called {name}.", "Check the registry's name, and the network."
    else:
        hopeless = False
        why, fix = f"{name} {_silence(kind, text)}.", "Check that it runs and can be reached from here, then try again."
    error = Refusal(what, why=why, fix=fix)
    error.transient = not hopeless
    return error


def rule(name: str) -> str:
    """Return the header under which a file of settings says how a registry is spoken to."""
    return f'[registries."{name}"]'


def _silence(kind: str, text: str) -> str:
    if "timed out" in text.lower() or "Timeout" in kind:
        return "does not answer in time"
    if kind == "ProxyError" or "Tunnel connection failed" in text:
        return "cannot be reached through the proxy"
    if "refused" in text:
        return "refuses connections"
    return "closes the connection before it has answered"


def retry_after(answer: Answer) -> float | None:
    """Return how long an answer asks to wait, in seconds: it says so in seconds or as a date.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    said = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(?:\.[0-9]*)?", said):
        return min(float(said), _AGES)
    with suppress(ValueError, TypeError, OverflowError):
        return _until(said)
    return None


def _until(date: str) -> float:
    return max(0.0, parsedate_to_datetime(date).timestamp() - time())


def _told(answer: Answer) -> list[tuple[str, str]]:
    """Return the codes and messages of a registry's errors, shortened: they are shown as they are."""
    try:
        document = json.loads(answer.read())
        errors = document.get("errors") or [{"code": document.get("error", ""), "message": document.get("details", "")}]
        told = [(str(each.get("code", ""))[:60], str(each.get("message", ""))[:200]) for each in errors[:3]]
    except Exception:  # noqa: BLE001 - a proxy's page, a cut body: the status says enough
        return []
    return [each for each in told if any(each)]
