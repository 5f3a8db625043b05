"""Speaks to a cluster: plain dicts over HTTP, with whatever a kubeconfig or a pod's service account says.

The ``kubernetes`` package reads the configuration; its generated models, which changed shape twice, are not used.
https://kubernetes.io/docs/reference/using-api/
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from fairing.errors import AccessError, ConfigError, DeployError, FairingError
from fairing.kube import recent
from fairing.kube.login import Identity, Login, in_kubeconfig, in_pod
from fairing.kube.recent import Way
from fairing.spec import Target

if TYPE_CHECKING:
    from urllib3 import HTTPResponse

IN_CLUSTER = "in-cluster"
"""What the context is called where a pod's own service account is used."""

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CONNECT = 5.0
_READ = 60.0
_PATIENCE = 60.0
"""Seconds that a cluster is waited for that answered before; requests that change something are not sent again."""

_PAUSE = 0.5
_BUSY = frozenset({429, 502, 503, 504})
_WHOLE = "application/json"
_BARE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_BARE_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_NOT_RIGHTS = re.compile(r"exceeded quota|violates PodSecurity|denied (the )?request")
"""What an API server refuses with 403 although the user has the right."""

_TYPES = {
    "POST": "application/json",
    "PUT": "application/json",
    "DELETE": "application/json",
    "PATCH": "application/strategic-merge-patch+json",
}


class Refused(DeployError):
    """The API server refused a request.

    Args:
        what: What was refused.
        why: The server's own words.
        fix: What to do next.
        status: The HTTP status.
    """

    def __init__(self, what: str, why: str = "", fix: str = "", status: int = 0) -> None:
        super().__init__(what, why, fix)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.why, self.fix, self.status)


class Unreachable(AccessError):
    """The cluster does not answer: it may again in a moment."""


class _Question(NamedTuple):
    """What is asked; without ``accept`` the answer is read by whoever asks."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, Any] = {}
    accept: str = ""
    read: float | None = _READ
    total: float | None = None


class Connection:
    """A way to one cluster, as one user.

    A cluster that has answered once is waited for when it does not: its API server may be starting again.

    Args:
        login: How it is reached, and as whom.
        context: What the cluster is called here.
        namespace: The namespace to use unless another is said.
    """

    def __init__(self, login: Login, context: str, namespace: str) -> None:
        self.login = login
        self.context = context
        self.namespace = namespace
        self._answered = False
        self._told: tuple[str, float] | None = None

    @property
    def host(self) -> str:
        """The address of the API server."""
        return self.login.host

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read an object or a list."""
        return self._request(_Question("GET", path, query=query, accept=_WHOLE))

    def get_soon(self, path: str, seconds: float) -> dict[str, Any]:
        """Read an object, once, and wait for the answer for so many seconds at most."""
        return self._request(_Question("GET", path, accept=_WHOLE, total=seconds))

    def metadata(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """List objects, each with its metadata alone."""
        items: list[dict[str, Any]] = (
            self._request(_Question("GET", path, query=query, accept=_BARE_LIST))["items"] or []
        )
        return items

    def post(self, path: str, body: dict[str, Any], *, bare: bool = False) -> dict[str, Any]:
        """Create an object, and return it: what is ``bare`` comes back with its metadata alone."""
        return self._request(_Question("POST", path, body, accept=_BARE if bare else _WHOLE))

    def admit(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return an object as it would be created; nothing is. A field that is not known there is refused."""
        return self._request(_Question("POST", path, body, {"dryRun": "All", "fieldValidation": "Strict"}, _WHOLE))

    def patch(self, path: str, body: dict[str, Any], *, bare: bool = False) -> dict[str, Any]:
        """Change an object, and return it; lists are merged by their keys."""
        return self._request(_Question("PATCH", path, body, accept=_BARE if bare else _WHOLE))

    def delete(self, path: str, only: dict[str, str] | None = None, **options: Any) -> None:
        """Delete an object; one that is not there is as good as deleted.

        Args:
            path: Its path.
            only: What it must be like still: its ``uid``, its ``resourceVersion``.
            options: As Kubernetes calls them: ``propagationPolicy``, ``gracePeriodSeconds``.

        Raises:
            Refused: It is another by now; or for another reason.
        """
        # A body, even an empty one, is read instead of the address's parameters.
        body = {**options, **({"preconditions": only} if only else {})}
        try:
            self._request(_Question("DELETE", path, body, accept=_WHOLE))
        except Refused as refused:
            if refused.status != 404:
                raise

    def stream(self, path: str, read: float | None = None, **query: Any) -> HTTPResponse:
        """Open an answer that has no end of its own: a log, a watch.

        Args:
            path: Of what is read.
            read: Seconds without a byte after which it counts as cut.
            query: Parameters of the request.
        """
        return self._send(_Question("GET", path, query=query, read=read))

    def now(self) -> float:
        """Return the seconds since 1970 by the cluster's clock, to its second, as its last answer has told them."""
        from email.utils import parsedate_to_datetime

        if self._told is None:
            return time.time()
        date, then = self._told
        return parsedate_to_datetime(date).timestamp() + time.monotonic() - then

    def _request(self, asked: _Question) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises:
            Unreachable: The cluster cannot be reached.
            AccessError: It does not let this user do it.
            Refused: It refuses for another reason.
        """
        waits = self._answered and asked.method == "GET" and asked.total is None
        until = time.monotonic() + (_PATIENCE if waits else 0.0)
        while True:
            try:
                answer = self._send(asked)
            except Unreachable:
                if time.monotonic() >= until:
                    raise
                time.sleep(_PAUSE)
            else:
                return dict(json.loads(answer.data))

    def _send(self, asked: _Question) -> HTTPResponse:
        who = self.login.now()
        answer = self._sent(asked, who)
        if answer.status == 401:  # it knew us once: what was given to us may have been taken back
            answer.close()
            answer = self._sent(asked, self.login.renewed(who))
        if answer.status in _BUSY and self._answered:
            raise Unreachable(f"The cluster {self.context!r} is busy.", why=f"It answers {answer.status}.")
        self._answered = True
        if date := answer.headers.get("Date"):
            self._told = (date, time.monotonic())
        if answer.status >= 400:
            raise self._refusal(asked.method, asked.path, answer)
        return answer

    def _sent(self, asked: _Question, who: Identity) -> HTTPResponse:
        import urllib3

        headers = {"Accept": asked.accept or _WHOLE, "Content-Type": _TYPES.get(asked.method, _WHOLE)}
        if who.found.token:
            headers["Authorization"] = who.found.token
        try:
            return who.pools.request(  # type: ignore[return-value]
                asked.method,
                f"{who.found.host}{asked.path}" + (f"?{urlencode(_query(asked.query))}" if asked.query else ""),
                body=None if asked.body is None else json.dumps(asked.body).encode(),
                headers=headers,
                preload_content=bool(asked.accept),
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(total=asked.total, connect=_CONNECT, read=asked.read),
            )
        except urllib3.exceptions.HTTPError as wrong:
            recent.forget(self.login)
            raise Unreachable(
                f"The cluster {self.context!r} cannot be reached.",
                why=f"{_reason(wrong)}.",
                fix=f"Check that {self.host} can be reached from here, or choose another context=.",
            ) from wrong

    def _refusal(self, method: str, path: str, answer: HTTPResponse) -> FairingError:
        text = answer.data.decode("utf-8", "replace") if answer.data else ""
        try:
            said = str(json.loads(text).get("message") or text)
        except (ValueError, AttributeError):
            said = text
        why = f"{said.strip().rstrip('.')[:2000]}."
        if answer.status == 401:
            recent.forget(self.login)
            return AccessError(
                f"The cluster {self.context!r} does not know who you are.",
                why=why,
                fix="Log in again, as you do for kubectl, or choose another context=.",
            )
        if answer.status == 403 and not _NOT_RIGHTS.search(said):
            return AccessError(
                f"You may not do this on the cluster {self.context!r}.",
                why=why,
                fix="fairing doctor shows what you may; choose another namespace=, or ask whoever runs the cluster.",
            )
        if answer.status == 404 and method == "POST" and said.startswith("namespaces "):
            return Refused(
                f"The cluster {self.context!r} has no namespace {self.namespace!r}.",
                fix="Name one that is there with namespace=, or ask whoever runs the cluster for one.",
                status=answer.status,
            )
        return Refused(f"The cluster {self.context!r} refused {_words(method, path)}.", why, status=answer.status)


def connect(context: str | None = None, namespace: str | None = None) -> Connection:
    """Return a connection: to a context of the kubeconfig, or from inside a pod to its own cluster.

    Args:
        context: The kubeconfig's name for it; else its current one.
        namespace: The namespace; else the context's, or the pod's own.

    Raises:
        AccessError: The kubeconfig's credential plugin fails.
        ConfigError: There is no such context, or no kubeconfig at all.
    """
    # the client reads the variable once, when it is imported; a notebook may set it later
    files = os.environ.get("KUBECONFIG") or "~/.kube/config"
    key = recent.key(context, files)
    way = recent.find(key) or recent.keep(key, _way(context, files))
    return Connection(way.login, way.context, namespace or way.namespace)


def to(target: Target) -> Connection:
    """Return a connection to where a target's options point."""
    return connect(target.option("context"), target.option("namespace"))


def own_namespace() -> str:
    """Return the namespace of the pod that this process runs in."""
    return _NAMESPACE.read_text().strip() if _NAMESPACE.exists() else "default"


def _way(context: str | None, files: str) -> Way:
    namespaces, current = _contexts(files)
    nowhere = not namespaces and context in {None, IN_CLUSTER}
    if nowhere or (context == IN_CLUSTER and os.environ.get("KUBERNETES_SERVICE_HOST")):
        return _inside()
    name = context or current
    if name not in namespaces:
        raise _no_context(name, tuple(namespaces))
    return Way(Login(lambda: in_kubeconfig(files, name)), name, namespaces[name] or "default")


def _inside() -> Way:
    return Way(Login(in_pod), IN_CLUSTER, own_namespace())


def _contexts(files: str) -> tuple[dict[str, str | None], str]:
    """Return the contexts of a kubeconfig, each with its namespace, and which is the current one, if any is."""
    from kubernetes import config

    try:
        with suppress(config.ConfigException, OSError):
            if merged := config.kube_config.KubeConfigMerger(files).config:
                known = [each.value for each in merged.value["contexts"]]
                found = {each["name"]: (each.get("context") or {}).get("namespace") for each in known}
                return found, str(merged.value.get("current-context") or "")
    except (TypeError, AttributeError, KeyError):  # what is read is YAML, and not a kubeconfig
        raise ConfigError(
            f"{files} is not a kubeconfig.", fix="Set KUBECONFIG to the path of one, such as ~/.kube/config."
        ) from None
    return {}, ""


def _no_context(name: str, known: tuple[str, ...]) -> ConfigError:
    what = f"Your kubeconfig has no context {name!r}." if name else "Your kubeconfig has no current context."
    return ConfigError(
        what,
        why=f"It has: {', '.join(known)}." if known else "There is no kubeconfig here.",
        fix="Name one of them with context=, or choose one with kubectl config use-context."
        if known
        else "Set KUBECONFIG to the path of one.",
    )


def _query(query: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in query.items()}


def _reason(wrong: Exception) -> str:
    inner = getattr(wrong, "reason", None) or wrong
    return str(inner).rpartition(": ")[2] or type(inner).__name__


def _words(method: str, path: str) -> str:
    kind, _, name = path.partition("?")[0].rstrip("/").rpartition("/")
    doing = {"GET": "to read", "POST": "to create", "PATCH": "to change", "DELETE": "to delete"}.get(method, method)
    return f"{doing} {name if method == 'POST' else kind.rpartition('/')[2] + '/' + name}"
