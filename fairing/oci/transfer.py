"""Moves whole images: pushes blobs and a manifest, several at once; reads a base; streams from registry to registry."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any

from fairing.errors import RegistryError
from fairing.oci import config
from fairing.oci.blob import Blob
from fairing.oci.connection import Clock, Settings
from fairing.oci.credentials import Beside
from fairing.oci.http import Refusal
from fairing.oci.reference import Reference
from fairing.oci.registry import INDEXES, Document, Registry
from fairing.oci.rules import settings
from fairing.spec import RegistryRule

_UNKNOWN = {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"}


_KEPT = 60.0
"""Seconds for which a transfer that is done is kept for the next."""
_idle: deque[tuple[object, float, Transfer]] = deque(maxlen=1)
"""The last transfer: a changed cell is pushed without another greeting, and without asking for another token."""


@contextmanager
def opened(rules: Sequence[RegistryRule] = (), beside: Beside | None = None) -> Iterator[Transfer]:
    """Give a transfer by rules: the last one, where that was just now; after an error it is another.

    Args:
        rules: How registries are spoken to.
        beside: Says who to be to them where this machine does not say; equal ones say the same.

    Example:
        with opened(target.registries) as transfer:
            base = transfer.pull(parse("python:3.11-slim"), "linux/amd64")
    """
    made = (tuple(rules), beside)
    transfer = _taken(made) or Transfer(settings(rules, beside))
    try:
        yield transfer
    except BaseException:
        transfer.close()
        raise
    for _, _, other in _emptied():
        other.close()
    _idle.append((made, time.monotonic(), transfer))


def _taken(wanted: tuple[object, ...]) -> Transfer | None:
    for made, when, transfer in _emptied():
        if made == wanted and time.monotonic() - when < _KEPT:
            return transfer
        transfer.close()
    return None


def _emptied() -> Iterator[tuple[object, float, Transfer]]:
    """Take out what is kept: nobody else has it then."""
    with suppress(IndexError):
        yield _idle.pop()


if hasattr(os, "register_at_fork"):  # its connections are the parent's, and are not to be closed from here
    os.register_at_fork(after_in_child=_idle.clear)


@dataclass(frozen=True)
class Base:
    """An image in a registry, for one platform.

    Args:
        reference: Its name, with the digest of the platform's manifest.
        manifest: Its manifest.
        config: Its configuration's bytes, as they were stored.
    """

    reference: Reference
    manifest: Document
    config: bytes


class Transfer:
    """What moves images, with its threads and connections; close it when done.

    Args:
        settings: How registries are spoken to.
        clock: The time.
        at_once: How many blobs move at once.

    Example:
        with Transfer() as transfer:
            base = transfer.pull(parse("python:3.11-slim"), "linux/amd64")
            transfer.copy(base.reference, parse("registry.test:5000/team/python:3.11"))
    """

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None, at_once: int = 4) -> None:
        self._settings = settings
        self._clock = clock
        self._registries: dict[str, Registry] = {}
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="fairing-transfer")
        self._closed = False

    def registry(self, name: str) -> Registry:
        """Return the client of a registry; its connections and tokens serve all that is moved."""
        if name not in self._registries:
            self._registries[name] = Registry(name, self._settings, self._clock)
        return self._registries[name]

    def push(
        self,
        target: Reference,
        blobs: Sequence[Blob],
        manifest: bytes,
        media_type: str,
        watch: Callable[[int], None] | None = None,
    ) -> str:
        """Store an image: its blobs, then its manifest.

        A blob that was believed to be there and is not is sent when the registry misses it.

        Args:
            target: What it is to be called; its tag, or without one its digest.
            blobs: Its layers and its configuration.
            manifest: Its manifest's bytes: they are stored as they are.
            media_type: The manifest's media type.
            watch: Is called twice a second while blobs move, by whoever waits for them, with the bytes read so far.

        Returns:
            The manifest's digest.

        Raises:
            RegistryError: It cannot be stored.
        """
        registry = self.registry(target.registry)
        count = _Count(watch)
        unique = list({blob.digest: count.counted(blob) for blob in blobs}.values())
        version = target.tag or target.digest or f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        store = partial(self._store, registry, target.repository)
        self._all((partial(store, blob) for blob in unique if blob.known is not True), count)
        try:
            return registry.put_manifest(target.repository, version, manifest, media_type)
        except Refusal as wrong:
            believed = any(blob.known for blob in unique)  # registries have many words for a blob that is missing
            if not _UNKNOWN & set(wrong.codes) and not (believed and wrong.status in {400, 404}):
                raise
        doubted = [replace(blob, known=None) for blob in unique]
        self._all((partial(store, blob) for blob in doubted), count)
        return registry.put_manifest(target.repository, version, manifest, media_type)

    def pull(self, reference: Reference, platform: str) -> Base:
        """Return an image's manifest and configuration for a platform; no layer is read.

        Args:
            reference: Its name.
            platform: Such as ``"linux/amd64"``.

        Raises:
            RegistryError: It is not there, or not for that platform.
        """
        registry = self.registry(reference.registry)
        document = registry.manifest(reference.repository, reference.version)
        if document.media_type in INDEXES:
            chosen = choose(document, platform, str(reference))
            document = registry.manifest(reference.repository, chosen)
        told = document.content["config"]
        settings = self._small(registry, reference.repository, told["digest"], told["size"])
        _check_platform(settings, platform, str(reference))
        return Base(replace(reference, digest=document.digest), document, settings)

    def copy(self, source: Reference, target: Reference, mounts: Sequence[str] = ()) -> str:
        """Copy an image, or all images of an index; layers are taken over where they can be, else streamed.

        Args:
            source: What is copied.
            target: What the copy is to be called.
            mounts: Repositories of the target's registry that may have layers already.

        Returns:
            The digest, which is that of the source.

        Raises:
            RegistryError: It cannot be read or stored.
        """
        document = self.registry(source.registry).manifest(source.repository, source.version)
        return self._copy(source, target, document, mounts)

    def blobs(self, base: Base, target: Reference, mounts: Sequence[str] = ()) -> list[Blob]:
        """Return a base's layers as blobs to be pushed to a target beside others."""
        return self._layers(base.reference, target, base.manifest.content, mounts)

    def close(self) -> None:
        """End what is under way, with an error for who waits for it, and its threads."""
        self._closed = True
        for registry in tuple(self._registries.values()):
            registry.close()
        self._threads.shutdown(cancel_futures=True)

    def __enter__(self) -> Transfer:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _copy(self, source: Reference, target: Reference, document: Document, mounts: Sequence[str]) -> str:
        content = document.content
        blobs: list[Blob] = []
        if document.media_type in INDEXES:
            for each in content["manifests"]:
                child = replace(source, tag=None, digest=each["digest"])
                read = self.registry(source.registry).manifest(source.repository, each["digest"])
                self._copy(child, replace(target, tag=None, digest=read.digest), read, mounts)
        else:
            told = content["config"]
            blobs = self._layers(source, target, {"layers": [*content["layers"], told]}, mounts)
        return self.push(target, blobs, document.data, document.media_type)

    def _layers(
        self, source: Reference, target: Reference, content: dict[str, Any], mounts: Sequence[str]
    ) -> list[Blob]:
        """Return layers as blobs that are read where they are; those that no registry keeps are left out."""
        read = self.registry(source.registry).blob
        near = (source.repository,) if source.registry == target.registry else ()
        sources = tuple(dict.fromkeys(each for each in (*near, *mounts) if each != target.repository))
        return [
            Blob(
                layer["digest"],
                layer["size"],
                partial(read, source.repository, layer["digest"], layer["size"]),
                sources,
            )
            for layer in content["layers"]
            if not layer.get("urls")
        ]

    def _store(self, registry: Registry, repository: str, blob: Blob) -> None:
        if blob.known is None and registry.has_blob(repository, blob.digest):
            return
        if not any(registry.mount(repository, blob.digest, source) for source in blob.sources):
            registry.upload(repository, blob)

    def _small(self, registry: Registry, repository: str, digest: str, size: int) -> bytes:
        def read() -> bytes:
            return b"".join(registry.blob(repository, digest, size))

        data: bytes = registry.again(read)
        return data

    def _all(self, tasks: Iterable[Callable[[], None]], count: _Count) -> None:
        """Do all, several at once; the first that fails stops those not begun."""
        if self._closed:
            raise RegistryError(
                "This transfer is closed.",
                why="It was interrupted, or its work was done.",
                fix="Start what was under way again.",
            )
        futures = [self._threads.submit(task) for task in tasks]
        try:
            left = set(futures)
            while left:
                done, left = wait(left, 0.5 if count.watch else None, FIRST_EXCEPTION)
                if any(_failed(each) for each in done):
                    break
                if left and count.watch:
                    count.watch(count.read)
        except BaseException:  # an interrupt of the cell
            self.close()
            raise
        failed = [each for each in futures if each.done() and _failed(each)]
        if failed:
            for each in futures:
                each.cancel()
            wait(futures)  # nothing of this push goes on when its error is told
            failed[0].result()


class _Count:
    """How much of blobs was read, for who watches; what is read twice is sent twice."""

    def __init__(self, watch: Callable[[int], None] | None) -> None:
        self.watch = watch
        self.read = 0

    def counted(self, blob: Blob) -> Blob:
        def read(offset: int) -> Iterator[bytes]:
            for piece in blob.open(offset):
                self.read += len(piece)  # of threads that count at once one may be lost: it is shown and no more
                yield piece

        return replace(blob, open=read) if self.watch else blob


def _failed(task: Future[None]) -> bool:
    return not task.cancelled() and task.exception() is not None


def choose(index: Document, platform: str, name: str) -> str:
    """Return the digest of an index's first manifest for a platform.

    Args:
        index: The index.
        platform: Such as ``"linux/arm64"``, or with a variant: ``"linux/arm/v7"``.
        name: What the image is called, for the error.

    Raises:
        RegistryError: There is none.
    """
    asked = config.platform(platform)
    offered = [each for each in index.content["manifests"] if each.get("platform")]
    for each in offered:
        if _fits(asked, each["platform"]):
            return str(each["digest"])
    names = dict.fromkeys(_named(each["platform"]) for each in offered if each["platform"].get("os") != "unknown")
    raise RegistryError(
        f"The image {name} is not made for {_named(asked)}.",
        why=f"It is made for {', '.join(names) or 'no platform that it names'}.",
        fix="Choose another image, or one of these platforms.",
    )


def _fits(asked: dict[str, str], offered: dict[str, Any]) -> bool:
    same = all(asked[part] == offered.get(part) for part in ("os", "architecture"))
    usual = "v8" if asked["architecture"] == "arm64" else ""  # written by some, left out by others
    wanted = asked.get("variant")
    return same and (wanted is None or wanted == (offered.get("variant") or usual))


def _named(platform: dict[str, Any]) -> str:
    return "/".join(str(platform[part]) for part in ("os", "architecture", "variant") if platform.get(part))


def _check_platform(settings: bytes, platform: str, name: str) -> None:
    """Refuse an image that says it is for another platform; one that says nothing is believed."""
    try:
        told = json.loads(settings)
        known = bool(told.get("os") and told.get("architecture"))
    except (ValueError, AttributeError):
        raise RegistryError(
            f"The image {name} has no configuration that can be read.",
            why="It was broken when it was pushed, or is none that can be run.",
            fix="Choose another image, or push it anew.",
        ) from None
    if known and not _fits(config.platform(platform), told):
        raise RegistryError(
            f"The image {name} is not made for {_named(config.platform(platform))}.",
            why=f"It is made for {_named(told)}.",
            fix="Choose another image, or its platform.",
        )
