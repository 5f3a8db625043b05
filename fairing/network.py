"""The way out of this machine: proxies and trusted certificates, alike for registries, clusters and package indexes.

``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` say which way, also in small letters; ``SSL_CERT_FILE``,
or else ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE``, names certificates to trust.
"""

from __future__ import annotations

import ipaddress
import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from fairing.errors import ConfigError

if TYPE_CHECKING:
    import socket
    import ssl

    from urllib3 import PoolManager


def proxy_for(url: str) -> str | None:
    """Return the proxy for an address: as the environment says, and none for this machine."""
    from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

    parts = urlsplit(url)
    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or _here(parts.hostname or "") or proxy_bypass_environment(parts.netloc, proxies):
        return None
    if _in_networks(parts.hostname or "", proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def bundle() -> str | None:
    """Return the file or the folder of certificates that the environment names for every program, if it does."""
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return next((value for name in names if (value := os.environ.get(name))), None)


def trusting(ca: str | None = None, *, fresh: bool = False) -> ssl.SSLContext:
    """Return what trusts the system's certificates, those that the environment names, and those of a file.

    Args:
        ca: The file.
        fresh: Make one that nobody else has, and that may be changed.

    Raises:
        OSError: A file cannot be read, or has no certificates.
    """
    files = tuple(each for each in (bundle(), ca) if each)
    changed = tuple(Path(each).stat().st_mtime_ns for each in files)
    make = _trusting.__wrapped__ if fresh else _trusting
    return make(files, changed, os.environ.get("SSL_CERT_DIR"))


def manager(proxy: str | None, context: ssl.SSLContext | None, **settings: Any) -> PoolManager:
    """Return pools of connections that go through a proxy, or straight.

    Args:
        proxy: The proxy's address, with a login where it wants one.
        context: What is trusted, at both ends.
        settings: Of the pools.

    Raises:
        ConfigError: It is a proxy of a kind that cannot be spoken to.
    """
    import urllib3

    settings["ssl_context"] = context
    if proxy is None:
        return urllib3.PoolManager(**settings)
    parts = urlsplit(proxy)
    if parts.scheme.startswith("socks"):
        return _through_socks(proxy, settings)
    headers = None
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=login)
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return urllib3.ProxyManager(address, proxy_headers=headers, proxy_ssl_context=context, **settings)


def connected(pools: PoolManager, url: str) -> socket.socket:
    """Return a new connection of pools, through their proxy and with TLS, for what is no request and answer.

    Args:
        pools: The pools.
        url: Where it is to lead.

    Raises:
        OSError: There is none.
    """
    from urllib3.exceptions import HTTPError

    pool = pools.connection_from_url(url)
    connection: Any = pool._new_conn()
    try:
        if pool.proxy is not None and pool.scheme == "https":
            pool._prepare_proxy(connection)
        else:
            connection.connect()
    except HTTPError as wrong:
        raise OSError(str(wrong)) from wrong
    way: socket.socket = connection.sock
    way.settimeout(None)
    return way


@lru_cache(maxsize=8)
def _trusting(files: tuple[str, ...], *_: object) -> ssl.SSLContext:
    """Made once for all that was there then: reading the system's certificates takes longer than a small request."""
    import ssl

    context = ssl.create_default_context()
    for each in files:
        context.load_verify_locations(**{"capath" if Path(each).is_dir() else "cafile": each})
    return context


def _through_socks(proxy: str, settings: dict[str, Any]) -> PoolManager:
    try:
        from urllib3.contrib.socks import SOCKSProxyManager
    except ImportError:
        raise ConfigError(
            f"The proxy {re.sub('//.*@', '//', proxy)} cannot be used.",
            why="Proxies of that kind need a package that is not installed here.",
            fix="Install it: pip install pysocks.",
        ) from None
    return SOCKSProxyManager(proxy, **settings)


def _here(host: str) -> bool:
    """Say whether a host is this machine, to which no proxy leads."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _in_networks(name: str, listed: str) -> bool:
    """Return whether an address is in one of the networks (10.0.0.0/8) that Go programs take in ``NO_PROXY``."""
    with suppress(ValueError):
        address = ipaddress.ip_address(name)
        for each in listed.split(","):
            with suppress(ValueError):
                if address in ipaddress.ip_network(each.strip(), strict=False):
                    return True
    return False
