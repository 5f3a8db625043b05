"""The way to a cluster that was gone just now: its connections are open, and what is allowed there is known.

A run asks for it several times, and the next cell soon after. It is kept for a minute after it was last asked for, as
long as what it was made from is the same: the files, and the variables that say how to leave this machine. One that has
failed is not kept.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from fairing.kube.login import Login

_KEPT = 60.0
_VARIABLES = (
    *("HOME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)


@dataclass(frozen=True, slots=True)
class Way:
    """How a context is reached.

    Args:
        login: The connections, and who asks.
        context: What the cluster is called here.
        namespace: The context's own.
    """

    login: Login
    context: str
    namespace: str


_ways: dict[object, tuple[float, Way]] = {}
if hasattr(os, "register_at_fork"):  # its connections are the parent's
    os.register_at_fork(after_in_child=_ways.clear)


def key(context: str | None, files: str) -> object:
    """Return what a way is made from.

    Args:
        context: The context that is asked for.
        files: The kubeconfig, or several with the system's separator.
    """
    proxies = tuple((name, value) for name, value in sorted(os.environ.items()) if name.lower().endswith("_proxy"))
    seen = tuple(_seen(Path(file).expanduser()) for file in files.split(os.pathsep))
    return context, files, seen, proxies, tuple(os.environ.get(name) for name in _VARIABLES)


def find(made_from: object) -> Way | None:
    """Return a way that was asked for in the last minute."""
    used, way = _ways.get(made_from, (0.0, None))
    if way is None or time.monotonic() - used > _KEPT:
        return None
    return keep(made_from, way)


def keep(made_from: object, way: Way) -> Way:
    """Keep a way for the next minute, and return it; what nobody asked for in the last one is left."""
    now = time.monotonic()
    for other, (used, _) in tuple(_ways.items()):
        if now - used > _KEPT:
            _ways.pop(other, None)
    _ways[made_from] = (now, way)
    return way


def forget(login: Login) -> None:
    """Keep a login no longer: it has failed."""
    for made_from, (_, way) in tuple(_ways.items()):
        if way.login is login:
            _ways.pop(made_from, None)


def _seen(file: Path) -> tuple[int, ...]:
    try:
        there = file.stat()
    except OSError:
        return ()
    return there.st_ino, there.st_mtime_ns, there.st_size
