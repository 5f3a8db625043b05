"""How a cluster is reached, and as whom: read from a kubeconfig or a pod's service account, and again when it expires.

Tokens of credential plugins and of pods last for minutes, and a run is followed for days. So files are read again, and
plugins asked again, when what they gave has expired, and when the server does not know it any more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fairing import network
from fairing.errors import ConfigError
from fairing.kube import plugin

if TYPE_CHECKING:
    import ssl

    from urllib3 import PoolManager

_AT_ONCE = 64
"""Connections that are kept: one a follower."""

_FRESH = 60.0
"""Seconds after which a file with a token is read again: whoever writes it does so long before the old one expires."""


@dataclass(frozen=True, repr=False)
class Found:
    """What is said of a server and of who asks.

    Args:
        host: The server's address.
        token: The ``Authorization`` header, if there is one.
        certificate: The files of a client's certificate and of its key.
        authority: The file with the certificate of the server's authority; else what this machine trusts.
        verify: Whether the server has to prove who it is.
        name: The name that its certificate has, where that is not its host's.
        proxy: The proxy that leads there, with its login.
        until: When it is to be read again, in seconds since 1970.
    """

    host: str
    token: str | None = None
    certificate: tuple[str, str] | None = None
    authority: str | None = None
    verify: bool = True
    name: str | None = None
    proxy: str | None = None
    until: float | None = None

    def way(self) -> tuple[object, ...]:
        """Return what connections depend on."""
        return self.host, self.certificate, self.authority, self.verify, self.name, self.proxy


@dataclass(frozen=True, repr=False)
class Identity:
    """Who asks from now on, and the connections to ask over."""

    found: Found
    pools: PoolManager


class Login:
    """Who asks, for as many threads as like.

    Args:
        find: Reads how the cluster is reached, and as whom.

    Raises:
        AccessError: A credential plugin fails.
        ConfigError: What is said cannot be used.
    """

    def __init__(self, find: Callable[[], Found]) -> None:
        self._find = find
        self._lock = threading.Lock()
        found = find()
        self._now = Identity(found, _pools(found))
        self.known: dict[object, Any] = {}
        """What whoever asks now has found there, and need not ask again until a run cannot start."""

    @property
    def host(self) -> str:
        """The server's address."""
        return self._now.found.host

    def now(self) -> Identity:
        """Return who asks; what has expired is read again."""
        with self._lock:
            until = self._now.found.until
            if until is not None and until <= time.time():
                self._read()
            return self._now

    def renewed(self, refused: Identity) -> Identity:
        """Return who asks, when the server has not known somebody: read again, unless another thread has done so."""
        with self._lock:
            if self._now is refused:
                self._read()
            return self._now

    def _read(self) -> None:
        self.known.clear()
        found = self._find()
        same = found.way() == self._now.found.way()
        self._now = Identity(found, self._now.pools if same else _pools(found))


def in_kubeconfig(files: str, context: str) -> Found:
    """Return what a kubeconfig says of a context.

    Args:
        files: The file, or several with the system's separator.
        context: The context's name.

    Raises:
        AccessError: Its credential plugin fails.
        ConfigError: It cannot be used.
    """
    from kubernetes import config
    from kubernetes.client import Configuration
    from kubernetes.config.kube_config import KubeConfigMerger

    settings = Configuration()
    try:
        loader = _loader()(KubeConfigMerger(files).config, context, config_base_path=None)
        loader.load_and_set(settings)
    except (config.ConfigException, OSError) as wrong:
        raise ConfigError(
            f"The context {context!r} of your kubeconfig cannot be used.",
            why=f"{wrong}.",
            fix="kubectl config view shows what it says.",
        ) from wrong
    proxy = loader._cluster.value.get("proxy-url") or network.proxy_for(settings.host)
    return _found(settings, proxy, loader.until())


def in_pod() -> Found:
    """Return what a pod is told of its own cluster.

    Raises:
        ConfigError: This is no pod with a service account.
    """
    from kubernetes import config
    from kubernetes.client import Configuration

    settings = Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)
    except (config.ConfigException, OSError) as missing:
        raise ConfigError(
            "There is no cluster that is known here.",
            why="There is no kubeconfig, and this is no pod with a service account.",
            fix="Put one at ~/.kube/config, or name it: os.environ['KUBECONFIG'] = 'path'.",
        ) from missing
    return _found(settings, network.proxy_for(settings.host), time.time() + _FRESH)


def _found(settings: Any, proxy: str | None, until: float | None) -> Found:
    token = settings.api_key.get("BearerToken", settings.api_key.get("authorization"))
    return Found(
        host=str(settings.host),
        token=None if token is None else str(token),
        certificate=(settings.cert_file, settings.key_file) if settings.cert_file else None,
        authority=settings.ssl_ca_cert,
        verify=bool(settings.verify_ssl),
        name=settings.tls_server_name,
        proxy=proxy,
        until=until,
    )


def _loader() -> Any:
    """Return the package's reader of kubeconfigs, with a way of our own to ask credential plugins.

    Its own says nothing when a plugin fails, and asks again before each request in the last five minutes of a token.
    """
    from kubernetes.config.kube_config import FileOrData, KubeConfigLoader

    class Loader(KubeConfigLoader):  # type: ignore[misc]
        ends: float | None = None

        def until(self) -> float | None:
            if self._user is not None and "tokenFile" in self._user and "token" not in self._user:
                return time.time() + _FRESH
            expiry = getattr(self, "expiry", None)  # of the providers that the package knows itself
            return expiry.timestamp() if expiry else self.ends

        def _load_from_exec_plugin(self) -> bool | None:
            if "exec" not in self._user:
                return None
            base = self._get_base_path(self._cluster.path)
            given = plugin.ask(self._user["exec"].value, base, self._cluster.value)
            if "token" in given:
                self.token = f"Bearer {given['token']}"
            for key, name in (("clientCertificateData", "cert_file"), ("clientKeyData", "key_file")):
                if key in given:
                    data = FileOrData(given, None, data_key_name=key, base64_file_content=False)
                    setattr(self, name, data.as_file())
            if "expirationTimestamp" in given:
                self.ends = datetime.fromisoformat(given["expirationTimestamp"].replace("Z", "+00:00")).timestamp()
            return True

    return Loader


def _pools(found: Found) -> PoolManager:
    import socket

    # urllib3 leaves its own option out where there are others; then each request with a body waits 40 ms for Nagle
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    settings: dict[str, Any] = {"maxsize": _AT_ONCE, "socket_options": options}
    for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), seconds))
    if found.name:
        settings["server_hostname"] = found.name
    return network.manager(found.proxy, _trusted(found), **settings)


def _trusted(found: Found) -> ssl.SSLContext:
    import ssl

    try:
        if not found.verify:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif found.authority:
            context = ssl.create_default_context(cafile=found.authority)
            # authorities of clusters have often no key identifiers, which Python 3.13 would insist on
            context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        else:
            context = network.trusting(fresh=True)
        if found.certificate:
            context.load_cert_chain(*found.certificate)
    except OSError as wrong:
        raise ConfigError(
            f"The certificates for {found.host} cannot be used.",
            why=f"{wrong.strerror or wrong}: {wrong.filename or found.authority or network.bundle()}.",
            fix="kubectl config view shows which files your kubeconfig names.",
        ) from wrong
    return context
