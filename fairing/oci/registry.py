"""One registry, by the OCI distribution specification: blobs, manifests, tags; with OCI's media types and Docker's."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from urllib.parse import quote, urlencode, urljoin, urlsplit

from fairing.errors import RegistryError
from fairing.oci.blob import Blob, part
from fairing.oci.config import DOCKER_MANIFEST, INDEX, MANIFEST
from fairing.oci.connection import Clock, Connection, Settings
from fairing.oci.http import Answer, Body, Refusal, Request, host, refusal
from fairing.oci.reference import check_digest

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEXES = frozenset({INDEX, DOCKER_LIST})

_ACCEPT = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST))
_OCTETS = {"Content-Type": "application/octet-stream"}
_STALE = {"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "DIGEST_INVALID", "SIZE_INVALID", "RANGE_INVALID"}


@dataclass(frozen=True)
class Document:
    """A manifest or an index: its media type, its bytes as they were stored, and their digest."""

    media_type: str
    data: bytes
    digest: str

    @property
    def content(self) -> dict[str, Any]:
        """What it says."""
        content: dict[str, Any] = json.loads(self.data)
        return content


class Registry:
    """A registry; its methods may be called from several threads at once.

    Args:
        name: As in an image's name.
        settings: How it is spoken to.
        clock: The time.

    Example:
        with closing(Registry("registry.test:5000")) as registry:
            print(registry.tags("team/name"))
    """

    def __init__(self, name: str, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.name = name
        self.settings = settings or Settings()
        self._connection = Connection(name, self.settings, clock or Clock())

    def has_blob(self, repository: str, digest: str) -> bool:
        """Return whether a repository has a blob; one that may not be looked at counts as absent."""
        return self._has(repository, f"blobs/{check_digest(digest)}")

    def has_manifest(self, repository: str, version: str) -> bool:
        """Return whether a repository has a manifest or an index of this tag or digest."""
        return self._has(repository, f"manifests/{version}")

    def manifest(self, repository: str, version: str) -> Document:
        """Return a manifest or an index, as it was stored.

        Args:
            repository: Where it is.
            version: Its tag or its digest.

        Raises:
            RegistryError: It is not there, or its bytes are not those of its digest.
        """
        what = f"The image {self._image(repository, version)} cannot be read."

        def ask() -> Document:
            request = Request("GET", self._url(repository, f"manifests/{version}"), {"Accept": _ACCEPT})
            answer = self._connection.once(request, _pull(repository), what)
            if answer.status != 200:
                raise refusal(answer, what)
            data = answer.read()
            asked = version if ":" in version else answer.headers.get("Docker-Content-Digest") or _digest(data)
            if _digest(data, asked) != asked:
                raise _altered(what, host(answer.url))
            return Document(_media_type(answer, data, what), data, asked)

        document: Document = self._connection.again(ask)
        return document

    def put_manifest(self, repository: str, version: str, data: bytes, media_type: str) -> str:
        """Store a manifest or an index under a tag, or under its digest; return the digest.

        Raises:
            Refusal: The registry has not all its blobs, or refuses it for another reason.
        """
        what = f"The image {self._image(repository, version)} cannot be stored."
        digest = _digest(data)

        def ask() -> str:
            url = self._url(repository, f"manifests/{version}")
            request = Request("PUT", url, {"Content-Type": media_type}, Body.of(data))
            answer = self._connection.once(request, _push(repository), what)
            if answer.status not in {200, 201, 202}:
                raise refusal(answer, what)
            stored = answer.headers.get("Docker-Content-Digest") or digest
            answer.discard()
            if stored.startswith("sha256:") and stored != digest:
                raise _altered(what, host(answer.url))
            return digest

        stored: str = self._connection.again(ask)
        return stored

    def delete_manifest(self, repository: str, digest: str) -> None:
        """Delete a manifest or an index, and the tags that name it.

        Raises:
            Refusal: It is not there, or the registry lets nobody delete.
        """
        what = f"The image {self._image(repository, check_digest(digest))} cannot be deleted."
        request = Request("DELETE", self._url(repository, f"manifests/{digest}"))
        answer = self._connection.once(request, [f"repository:{repository}:pull,push,delete"], what)
        if answer.status not in {200, 202}:
            raise refusal(answer, what)
        answer.discard()

    def blob(self, repository: str, digest: str, size: int | None = None, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes, going on where a connection breaks; the last ones only if all have the digest.

        Args:
            repository: Where it is.
            digest: Its digest.
            size: How long it is, where that is known; more is refused.
            offset: Where to begin; from elsewhere than the start, nothing is checked.

        Raises:
            RegistryError: It is not there, cannot be read to its end, or has another digest.
        """
        what = f"The layer {digest[:19]}… of {self.name}/{repository} cannot be read."
        content = hashlib.new(check_digest(digest).partition(":")[0])
        at, failed, held = offset, 0, b""
        while True:
            before = at
            try:
                for piece in self._pieces(repository, digest, at, what):
                    content.update(piece)
                    at += len(piece)
                    if size is not None and at > size:
                        raise _altered(what, self.name)
                    if held:
                        yield held
                    held = piece
                if size is not None and at < size:
                    raise _altered(what, self.name)
                break
            except Refusal as wrong:
                failed = 1 if at > before else failed + 1
                if not wrong.transient or failed >= self.settings.attempts or (size is not None and at > size):
                    raise
                self._connection.pause(failed, wrong)
        if offset == 0 and f"{content.name}:{content.hexdigest()}" != digest:
            raise _altered(what, self.name)
        yield held

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Take a blob over from another repository of the registry; return whether it did."""
        what = f"The layer {digest[:19]}… cannot be taken over from {self.name}/{source}."
        query = urlencode({"mount": check_digest(digest), "from": source})
        url = self._url(repository, f"blobs/uploads/?{query}")
        try:
            answer = self._connection.send(Request("POST", url), [*_push(repository), *_pull(source)], what)
        except Refusal:
            return False  # a registry that cannot, or may not, says so in many ways: then the blob is sent
        location = answer.headers.get("Location")
        answer.discard()
        if answer.status == 202 and location:
            self._cancel(repository, self._connection.resolve(answer.url, location))
        return answer.status == 201

    def upload(self, repository: str, blob: Blob) -> None:
        """Store a blob: in one request where it is short, else in parts, going on where one is lost.

        Raises:
            RegistryError: It cannot be stored.
        """
        what = f"The layer {blob.digest[:19]}… cannot be stored in {self.name}/{repository}."

        def ask() -> None:
            location = self._begin(repository, what)
            if blob.size > self.settings.chunk:
                location = self._send_parts(repository, blob, location, what)
                self._finish(repository, blob, location, None, what)
            else:
                self._finish(repository, blob, location, Body(blob.size, partial(part, blob, 0, blob.size)), what)

        self._connection.again(ask)

    def check_push(self, repository: str) -> None:
        """See that something may be stored in a repository: an upload is begun, and let go.

        Raises:
            RegistryError: It may not, or the registry cannot be reached.
        """
        what = f"Images cannot be pushed to {self.name}/{repository}."

        def ask() -> str:
            return self._begin(repository, what)

        self._cancel(repository, self._connection.again(ask))

    def tags(self, repository: str) -> list[str]:
        """Return a repository's tags.

        Raises:
            RegistryError: There is no such repository, or you may not see it.
        """
        what = f"The tags of {self.name}/{repository} cannot be read."
        url: str | None = self._url(repository, "tags/list")
        found: list[str] = []
        while url:
            answer = self._connection.send(Request("GET", url), _pull(repository), what)
            if answer.status != 200:
                raise refusal(answer, what)
            following = re.search(r'<([^>]+)>\s*;\s*rel="?next"?', answer.headers.get("Link", ""))
            try:
                found += json.loads(answer.read())["tags"] or []
            except (ValueError, KeyError, TypeError):
                raise RegistryError(
                    what, why=f"{self.name} does not answer as a registry does.", fix="Check the registry's name."
                ) from None
            url = self._connection.resolve(url, following[1]) if following else None
        return found

    def again(self, ask: Callable[[], Any]) -> Any:
        """Return what a function returns, called until it raises nothing that another attempt may change.

        Raises:
            RegistryError: The last attempt's.
        """
        return self._connection.again(ask)

    def close(self) -> None:
        """Close its connections; what is under way ends with an error."""
        self._connection.close()

    def _has(self, repository: str, path: str) -> bool:
        what = f"Whether {self.name}/{repository} has {path.rpartition('/')[2][:19]} cannot be seen."
        request = Request("HEAD", self._url(repository, path), {"Accept": _ACCEPT})
        answer = self._connection.send(request, _pull(repository), what)
        if answer.status not in {200, 403, 404}:
            raise refusal(answer, what)
        answer.discard()
        return answer.status == 200

    def _pieces(self, repository: str, digest: str, offset: int, what: str) -> Iterator[bytes]:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        request = Request("GET", self._url(repository, f"blobs/{digest}"), headers)
        answer = self._connection.once(request, _pull(repository), what)
        if answer.status not in {200, 206}:
            error = refusal(answer, what)
            error.transient = error.transient or answer.status == 416
            raise error
        skip = offset if answer.status == 200 else 0
        if answer.status == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            answer.close()
            raise _altered(what, host(answer.url))
        with closing(answer.pieces()) as pieces:  # type: ignore[type-var]
            for piece in pieces:
                self._connection.check_open()
                if len(piece) > skip:
                    yield piece[skip:]
                skip = max(0, skip - len(piece))

    def _begin(self, repository: str, what: str) -> str:
        url = self._url(repository, "blobs/uploads/")
        answer = self._connection.once(Request("POST", url), _push(repository), what)
        if answer.status != 202:
            raise refusal(answer, what)
        answer.discard()
        return self._location(answer, url, what)

    def _finish(self, repository: str, blob: Blob, location: str, body: Body | None, what: str) -> None:
        mark = "&" if urlsplit(location).query else "?"
        url = f"{location}{mark}digest={quote(blob.digest, safe='')}"
        request = Request("PUT", url, _OCTETS, body or Body.of(b""))
        answer = self._connection.once(request, _push(repository), what)
        if answer.status in {200, 201, 204}:
            answer.discard()
            return
        raise _stale(refusal(answer, what))

    def _send_parts(self, repository: str, blob: Blob, location: str, what: str) -> str:
        """Send a blob part by part; return where it is to be finished."""
        at, failed = 0, 0
        while at < blob.size:
            end = min(at + self.settings.chunk, blob.size)
            span = {"Content-Range": f"{at}-{end - 1}", **_OCTETS}
            request = Request("PATCH", location, span, Body(end - at, partial(part, blob, at, end)))
            try:
                answer = self._connection.once(request, _push(repository), what)
                if answer.status not in {202, 204}:
                    error = refusal(answer, what)
                    error.transient = error.transient or answer.status == 416
                    raise error if error.transient else _stale(error)
                answer.discard()
                location, at, failed = self._location(answer, location, what), end, 0
            except Refusal as wrong:
                failed += 1
                if not wrong.transient or wrong.status == 404 or failed >= self.settings.attempts:
                    raise
                self._connection.pause(failed, wrong)
                location, at = self._resume(repository, location, what)
        return location

    def _resume(self, repository: str, location: str, what: str) -> tuple[str, int]:
        """Return where an upload goes on, and from which byte.

        Raises:
            Refusal: The registry has forgotten it, or what it says is of no use: then it begins anew.
        """
        answer = self._connection.once(Request("GET", location), _push(repository), what)
        stored = re.fullmatch(r"(?:bytes=)?0-(\d+)", answer.headers.get("Range", ""))
        if answer.status not in {200, 202, 204} or not stored or stored[1] == "0":  # 0-0 is said of no byte, and of one
            error = refusal(answer, what)
            error.transient = True
            raise error
        answer.discard()
        return self._location(answer, location, what), int(stored[1]) + 1

    def _location(self, answer: Answer, before: str, what: str) -> str:
        """Return where the next request of an upload goes: as the registry says, with whatever it put into it."""
        location = answer.headers.get("Location")
        if location:
            return self._connection.resolve(answer.url, location)
        if answer.status == 202 and "/uploads/" in urlsplit(before).path and not before.endswith("/uploads/"):
            return before
        raise RegistryError(
            what,
            why=f"{self.name} does not say where to send it, as registries do.",
            fix="Check the registry's name, and that it takes images and not only serves them.",
        )

    def _cancel(self, repository: str, location: str) -> None:
        """Let the registry forget an upload that a refused mount began."""
        with suppress(Refusal):  # it forgets by itself, later
            self._connection.once(Request("DELETE", location), _push(repository), "").discard()

    def _url(self, repository: str, path: str) -> str:
        return urljoin(self._connection.base, f"/v2/{repository}/{path}")

    def _image(self, repository: str, version: str) -> str:
        return f"{self.name}/{repository}{'@' if ':' in version else ':'}{version}"


def _pull(repository: str) -> list[str]:
    return [f"repository:{repository}:pull"]


def _push(repository: str) -> list[str]:
    return [f"repository:{repository}:pull,push"]


def _digest(data: bytes, like: str = "sha256:") -> str:
    kind: Literal["sha256", "sha512"] = "sha512" if like.startswith("sha512:") else "sha256"
    return f"{kind}:{hashlib.new(kind, data).hexdigest()}"


def _media_type(answer: Answer, data: bytes, what: str) -> str:
    """Return what a document says it is, or else what the registry says."""
    try:
        content = json.loads(data)
        named = content.get("mediaType") or answer.headers.get("Content-Type", "").partition(";")[0]
        if content["schemaVersion"] == 2 and named in {MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST}:
            return str(named)
    except (ValueError, KeyError, TypeError, AttributeError):
        named = "something else"
    raise RegistryError(
        what, why=f"It is {named or 'of no kind'}, not an image's manifest.", fix="Name an image, or push it anew."
    )


def _altered(what: str, name: str) -> Refusal:
    error = Refusal(
        what,
        why=f"What comes from {name} is not what was stored: its digest or its length is another.",
        fix="Try again; if it stays, something on the way changes it, or the registry's disk is broken.",
    )
    error.transient = True
    return error


def _stale(error: Refusal) -> Refusal:
    """An upload that the registry lost, or whose bytes came otherwise than they were sent, may be sent anew."""
    error.transient = error.transient or error.status in {404, 416} or bool(_STALE & set(error.codes))
    return error
