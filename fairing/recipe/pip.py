"""What this machine's pip has been told, said to uv: indexes, folders of wheels, certificates, proxies.

It goes from pip's files and variables into the environment of uv's process and nowhere else, since addresses may hold
passwords: not into arguments, which every user of the machine can read, nor into a lock, a log or an error.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from fairing import network


def settings() -> dict[str, str]:
    """Return pip's settings that tell where packages are: its files, least specific first, then its variables."""
    found: dict[str, str] = {}
    for file in () if os.environ.get("PIP_CONFIG_FILE") == os.devnull else _files():
        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error, OSError, UnicodeDecodeError):
            parser.read(file, encoding="utf-8")
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    for name, value in os.environ.items():
        if name.startswith("PIP_") and value:
            found[name[4:].lower().replace("_", "-")] = value
    return {name: value for name, value in found.items() if name in _KNOWN}


def environment(options: Iterable[str] = ()) -> dict[str, str]:
    """Return the environment for a uv process: this one's, and what pip has been told where uv was told nothing.

    Args:
        options: Options of requirements files, such as ``"--extra-index-url https://…"``; they come first.
    """
    told = settings()
    for option in options:
        name, _, value = option.lstrip("-").replace("=", " ", 1).partition(" ")
        if name in {"extra-index-url", "find-links"} and told.get(name):
            value = f"{value.strip()} {told[name]}"
        told[name] = value.strip() or "1"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for name, value in _for_uv(told).items():
        environment.setdefault(name, value)
    # Where pip has several indexes it takes the best version of them all; without this uv stops at the first.
    if "extra-index-url" in told and "UV_EXTRA_INDEX_URL" in environment:
        environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return environment


def redact(text: str, environment: Mapping[str, str]) -> str:
    """Return a text without the user names and passwords of addresses, wherever they are in it.

    Example:
        >>> redact("cannot reach https://ann:secret@host/simple", {})
        'cannot reach https://***@host/simple'
    """
    text = _LOGIN.sub(r"\1***@", text)
    for name, value in environment.items():
        if name.startswith(("UV_", "PIP_")) or name.lower().endswith("_proxy"):
            for login in _LOGIN.finditer(value):
                for secret in (login[2], *login[2].split(":")[1:]):
                    text = text.replace(secret, "***") if len(secret) > 3 else text
    return text


_LOGIN = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)([^/@\s]+)@")
_KNOWN = frozenset(
    {"index-url", "extra-index-url", "find-links", "no-index", "cert", "client-cert", "trusted-host", "proxy", "pre"}
    | {"default-timeout", "timeout"}
)


def _for_uv(told: Mapping[str, str]) -> dict[str, str]:
    """Translate; of pip's lists, divided by white space, uv wants some divided by commas."""
    found = {
        "UV_DEFAULT_INDEX": told.get("index-url", ""),
        "UV_EXTRA_INDEX_URL": " ".join(told.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(told.get("find-links", "").split()),
        "UV_NO_INDEX": "1" if _true(told.get("no-index", "")) else "",
        "UV_PRERELEASE": "allow" if _true(told.get("pre", "")) else "",
        "UV_INSECURE_HOST": " ".join(told.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": told.get("timeout", "") or told.get("default-timeout", ""),
        **_certificates(told.get("cert") or network.bundle() or ""),
        "SSL_CLIENT_CERT": told.get("client-cert", ""),
    }
    if told.get("proxy"):
        proxy = told["proxy"] if "://" in told["proxy"] else f"http://{told['proxy']}"
        found |= {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
    if os.environ.get("UV_INDEX_URL"):
        found.pop("UV_DEFAULT_INDEX")  # the older name of the same setting, which loses against the newer
    return {name: value for name, value in found.items() if value}


def _certificates(named: str) -> dict[str, str]:
    return {"SSL_CERT_DIR" if Path(named).is_dir() else "SSL_CERT_FILE": named} if named else {}


def _true(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on"}


def _files() -> list[Path]:
    """Return pip's files, in the order in which it reads them: of the machine, of the user, of the environment."""
    home = Path.home()
    named = os.environ.get("PIP_CONFIG_FILE")
    if sys.platform == "win32":
        data, roaming = os.environ.get("PROGRAMDATA", "C:\\ProgramData"), os.environ.get("APPDATA", str(home))
        files = [Path(data, "pip", "pip.ini"), home / "pip" / "pip.ini", Path(roaming, "pip", "pip.ini")]
        return [*files, Path(sys.prefix, "pip.ini"), *([Path(named)] if named else [])]
    shared = [Path(each, "pip", "pip.conf") for each in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")]
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    if sys.platform == "darwin":
        library = Path("Library", "Application Support", "pip")
        shared = [Path("/") / library / "pip.conf"]
        user = home / library / "pip.conf" if (home / library).is_dir() else user
    files = [*shared, Path("/etc/pip.conf"), home / ".pip" / "pip.conf", user, Path(sys.prefix, "pip.conf")]
    return [*files, *([Path(named)] if named else [])]
