"""Pushes files to a registry as an OCI artifact, by the standard library alone: blobs, and a manifest of them.

Who asks is what is found in the pod: ``DOCKER_AUTH_CONFIG`` (the text of a ``config.json``), the folder that
``DOCKER_CONFIG`` names, or ``~/.docker``. https://github.com/opencontainers/distribution-spec/blob/main/spec.md
https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

ARTIFACT = "application/vnd.fairing.run.v1"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TITLE = "org.opencontainers.image.title"
_EMPTY = b"{}"
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_READ = 120.0


def push(place: str, tag: str, items: Sequence[tuple[str, str]], *, insecure: bool, ca: str) -> None:
    """Push files, under names, beside those that the tag has already.

    Args:
        place: The registry and the repository in it: ``registry.example.com/team/runs``.
        tag: What the manifest is called.
        items: The files, and their names.
        insecure: Whether the registry is spoken to over plain HTTP.
        ca: Certificates that are trusted besides the system's, as PEM.

    Raises:
        OSError: The registry refuses, or cannot be reached.
    """
    asked = _Asked(place, insecure, ca)
    layers = {each["annotations"][TITLE]: each for each in asked.layers(tag)}
    for file, name in items:
        layers[name] = {"mediaType": "application/octet-stream", **asked.blob(Path(file)), "annotations": {TITLE: name}}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", **asked.small(_EMPTY)},
        "layers": list(layers.values()),
    }
    asked.send("PUT", f"manifests/{tag}", json.dumps(document).encode(), {"Content-Type": MANIFEST}).close()


class _Asked:
    """One repository, and the header that says who asks."""

    def __init__(self, place: str, insecure: bool, ca: str) -> None:
        self._host, _, self._repository = place.partition("/")
        self._base = f"http{'' if insecure else 's'}://{self._host}/v2/{self._repository}/"
        self._header = ""
        context = ssl.create_default_context()
        if ca:
            context.load_verify_locations(cadata=ca)
        self._open = urllib.request.build_opener(_Straight(), urllib.request.HTTPSHandler(context=context)).open

    def layers(self, tag: str) -> list[dict[str, Any]]:
        """Return what a tag's manifest names; nothing, where there is no such tag."""
        try:
            with self.send("GET", f"manifests/{tag}", None, {"Accept": MANIFEST}) as answer:
                return list(json.load(answer)["layers"])
        except urllib.error.HTTPError as wrong:
            if wrong.code == 404:
                return []
            raise

    def blob(self, file: Path) -> dict[str, Any]:
        """Send a file, if it is not there, and return what describes it."""
        digest = hashlib.sha256()
        with file.open("rb") as content:
            while piece := content.read(1 << 20):
                digest.update(piece)
            size = content.tell()
            described = {"digest": f"sha256:{digest.hexdigest()}", "size": size}
            content.seek(0)
            self._upload(described, content)
        return described

    def small(self, data: bytes) -> dict[str, Any]:
        """Send bytes, if they are not there, and return what describes them."""
        described = {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
        self._upload(described, data)
        return described

    def _upload(self, described: dict[str, Any], content: IO[bytes] | bytes) -> None:
        try:
            self.send("HEAD", f"blobs/{described['digest']}", None, {}).close()
        except urllib.error.HTTPError as wrong:
            if wrong.code != 404:
                raise
        else:
            return
        with self.send("POST", "blobs/uploads/", b"", {}) as begun:
            location = urljoin(begun.url, begun.headers["Location"])
        location += ("&" if urlsplit(location).query else "?") + f"digest={quote(described['digest'])}"
        kind = {"Content-Type": "application/octet-stream", "Content-Length": str(described["size"])}
        self.send("PUT", location, content, kind).close()

    def send(self, method: str, path: str, content: IO[bytes] | bytes | None, headers: dict[str, str]) -> HTTPResponse:
        """Send a request, and say who asks where the registry wants to know."""
        url = urljoin(self._base, path)
        own = urlsplit(url).netloc == self._host
        try:
            return self._once(method, url, content, {**headers, **self._who(own)})
        except urllib.error.HTTPError as wrong:
            if wrong.code != 401 or not own:
                raise
            self._header = self._challenged(wrong.headers.get("WWW-Authenticate", ""))
            if not self._header:
                raise
        if content is not None and not isinstance(content, bytes):
            content.seek(0)
        return self._once(method, url, content, {**headers, **self._who(own)})

    def _who(self, own: bool) -> dict[str, str]:
        return {"Authorization": self._header} if own and self._header else {}

    def _once(self, method: str, url: str, content: Any, headers: dict[str, str]) -> HTTPResponse:
        request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 - http or https, as the rule says
        try:
            answer: HTTPResponse = self._open(request, timeout=_READ)
        except urllib.error.HTTPError as refused:
            refused.close()  # its status and its headers are all that is read
            raise
        return answer

    def _challenged(self, challenge: str) -> str:
        scheme, _, rest = challenge.partition(" ")
        known = credentials(self._host)
        basic = f"Basic {base64.b64encode(known.encode()).decode()}" if known else ""
        if scheme.lower() != "bearer":
            return basic
        asked = dict(_PARAMETER.findall(rest))
        realm = asked.pop("realm", "")
        if not realm.startswith("https://" if self._base.startswith("https") else "http"):
            return ""  # a password goes nowhere where anybody on the way could read it
        asked["scope"] = f"repository:{self._repository}:pull,push"
        with self._once(
            "GET", f"{realm}?{urlencode(asked)}", None, {"Authorization": basic} if basic else {}
        ) as answer:
            told = json.load(answer)
        return f"Bearer {told.get('token') or told['access_token']}"


def credentials(host: str) -> str:
    """Return a name and a password for a registry, as ``name:password``; nothing, where the pod has none."""
    text = os.environ.get("DOCKER_AUTH_CONFIG", "")
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path(os.environ.get("HOME", "/"), ".docker"))
    for name in ("config.json", ".dockerconfigjson"):  # the second is a pull secret's, as it is mounted
        if not text and (folder / name).is_file():
            text = (folder / name).read_text()
    for key, entry in (json.loads(text).get("auths", {}) if text else {}).items():
        if key.split("://")[-1].partition("/")[0] == host:
            if entry.get("auth"):
                return base64.b64decode(entry["auth"]).decode()
            return f"{entry.get('username', '')}:{entry.get('password', '')}"
    return ""


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: it would take the password along."""

    def redirect_request(self, *_: Any) -> None:
        return None
