"""How a registry is told who asks: the answers to its challenges, as a generator of requests.

    401, Bearer   a token is fetched from where the challenge says, with name and password or an identity token
    401, Basic    name and password go with the request itself

The generator yields requests and is sent their answers, the last being the answer to the request it was made for: so it
knows nothing of connections, and whoever drives it nothing of tokens.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import threading
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from fairing.errors import RegistryError
from fairing.oci.credentials import Credentials
from fairing.oci.http import Answer, Body, Request, origin, refusal

_VALUE = r'[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s,"]+)'
_CHALLENGE = re.compile(rf"(?:^|,)\s*([A-Za-z][\w-]*)(?:\s+({_VALUE}(?:\s*,\s*{_VALUE})*)|(?=\s*(?:,|$)))")
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SHORTEST = 60.0
"""How long a token holds that does not say so, in seconds: the specification's word."""


class _Token(NamedTuple):
    header: str
    until: float


class Authorization:
    """What one registry needs to know of who asks, and the tokens it gave."""

    def __init__(
        self,
        registry: str,
        who: Callable[[str], Credentials | None],
        now: Callable[[], float],
        secure: Callable[[str], bool],
    ) -> None:
        self._registry = registry
        self._who = who
        self._now = now
        self._secure = secure
        self._tokens: dict[frozenset[str], _Token] = {}
        self._fetching = threading.Lock()

    def flow(self, request: Request, scopes: Sequence[str]) -> Generator[Request, Answer, None]:
        """Yield what is to be sent until the request is answered.

        Args:
            request: What is asked.
            scopes: What it needs, in the words of token servers: ``repository:team/name:pull,push``.

        Raises:
            RegistryError: The registry's challenge cannot be answered, or the token server refuses.
        """
        key = frozenset(scopes)
        known = self._known(key)
        answer = yield request.having(Authorization=known) if known else request
        if answer.status != 401 or origin(answer.url) != origin(request.url):
            return
        asked = challenges(answer.headers.get("WWW-Authenticate", ""))
        with self._fetching:  # of several that wait for a token, one fetches it
            header = self._known(key)
            if header in {None, known}:
                if "bearer" in asked:
                    header = yield from self._fetch(asked["bearer"], key, scopes)
                elif "basic" in asked and known is None:
                    header = self._basic(key, scopes)
                else:
                    return
        yield request.having(Authorization=str(header))

    def _known(self, key: frozenset[str]) -> str | None:
        token = self._tokens.get(key)
        return token.header if token and self._now() < token.until else None

    def _basic(self, key: frozenset[str], scopes: Sequence[str]) -> str:
        who = self._who(_repository(scopes))
        if who is None or not who.username:
            raise self._nobody()
        header = _basic(who)
        self._tokens[key] = _Token(header, float("inf"))
        return header

    def _fetch(
        self, asked: dict[str, str], key: frozenset[str], scopes: Sequence[str]
    ) -> Generator[Request, Answer, str]:
        who = self._who(_repository(scopes))
        realm = self._realm(asked.get("realm", ""))
        # What is needed comes first: some servers look at the first scope alone. The challenge may hold more.
        named: dict[tuple[str, ...], str] = {}
        for scope in (*scopes, *asked.get("scope", "").split()):
            named.setdefault(_sorted(scope), scope)
        fields = [("service", asked["service"])] if asked.get("service") else []
        fields += [("scope", scope) for scope in named.values()]
        if who and who.identity:
            answer = yield _refresh(realm, who, fields, tuple(named.values()))
        else:
            mark = "&" if urlsplit(realm).query else "?"
            request = Request("GET", f"{realm}{mark}{urlencode(fields)}")
            answer = yield request.having(Authorization=_basic(who)) if who else request
        if answer.status in {401, 403} and who is None:
            raise self._nobody()
        if answer.status != 200:
            raise refusal(answer, f"{urlsplit(realm).netloc} gives no token for {self._registry}.")
        token, lasts = _read(answer, self._registry)
        header = f"Bearer {token}"
        self._tokens[key] = _Token(header, self._now() + 0.9 * lasts)
        return header

    def _realm(self, realm: str) -> str:
        """Return where tokens are fetched, if a password may go there: whoever answers for a registry names it."""
        parts = urlsplit(realm)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise self._untrusted(realm, "It is not an address")
        if parts.scheme == "http" and self._secure(parts.netloc):
            raise self._untrusted(realm, "It is plain HTTP, and anybody on the way could read a password")
        here = (urlsplit(f"//{self._registry}").hostname or "").lower()
        if parts.hostname.lower() != here and _inside(parts.hostname) and not _inside(here) and here != "localhost":
            raise self._untrusted(realm, "It is an address inside a private network, and the registry is not")
        return realm

    def _untrusted(self, realm: str, why: str) -> RegistryError:
        return RegistryError(
            f"{self._registry} sends for a token to {realm!r}, where nothing is sent.",
            why=f"{why}.",
            fix="Ask whoever runs the registry.",
        )

    def _nobody(self) -> RegistryError:
        return RegistryError(
            f"{self._registry} wants to know who you are.",
            why="No credentials for it were given or found.",
            fix=f"Log in: docker login {self._registry}.",
        )


def challenges(header: str) -> dict[str, dict[str, str]]:
    """Return the parameters of each challenge in a ``WWW-Authenticate`` header, by its scheme in small letters.

    Example:
        >>> challenges('Bearer realm="https://auth.test/token",service="r", Basic realm="x"')
        {'bearer': {'realm': 'https://auth.test/token', 'service': 'r'}, 'basic': {'realm': 'x'}}
    """
    return {
        scheme.lower(): {
            name.lower(): re.sub(r"\\(.)", r"\1", quoted) or bare for name, quoted, bare in _PARAMETER.findall(values)
        }
        for scheme, values in _CHALLENGE.findall(header)
    }


def _refresh(realm: str, who: Credentials, fields: list[tuple[str, str]], scopes: Sequence[str]) -> Request:
    service = [(name, value) for name, value in fields if name == "service"]
    oauth = [("grant_type", "refresh_token"), ("refresh_token", who.identity), ("client_id", "fairing")]
    form = urlencode([*oauth, *service, ("scope", " ".join(scopes))]).encode()
    return Request("POST", realm, {"Content-Type": "application/x-www-form-urlencoded"}, Body.of(form))


def _read(answer: Answer, registry: str) -> tuple[str, float]:
    try:
        told = json.loads(answer.read())
        token = told.get("token") or told.get("access_token")
        lasts = float(told.get("expires_in") or _SHORTEST)
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ValueError
    except (ValueError, TypeError, AttributeError):
        raise RegistryError(
            f"{urlsplit(answer.url).netloc} answers for {registry}, but with no token.",
            why="What it answers is not a token server's.",
            fix="Check the registry's name, or ask whoever runs it.",
        ) from None
    return token, lasts


def _basic(who: Credentials) -> str:
    return "Basic " + base64.b64encode(f"{who.username}:{who.password}".encode()).decode()


def _sorted(scope: str) -> tuple[str, ...]:
    """Return a scope in an order of its own: servers write ``push,pull`` as well as ``pull,push``."""
    what, _, actions = scope.rpartition(":")
    return what, *sorted(actions.split(","))


def _repository(scopes: Sequence[str]) -> str:
    return scopes[0].split(":")[1] if scopes else ""


def _inside(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_link_local
