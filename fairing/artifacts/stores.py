"""Which store a run has, what it needs there, and what it put into it.

A store is a table, as it stands in the run's objects: its ``url``, the ``run`` below which everything lies, and for a
registry whether it is ``insecure`` and whose ``ca`` is trusted. It holds no credentials: those are the reader's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fairing.artifacts import elsewhere
from fairing.errors import AccessError, ConfigError, DependencyError, FairingError
from fairing.spec import Target, Workload

Store = dict[str, Any]

_OURS = frozenset({"file", "oci"})
"""Schemes that need no package."""


def requirements(url: str) -> tuple[str, ...]:
    """Return the packages that a run needs for its store: fsspec, and what fsspec needs for that kind of address.

    Raises:
        ConfigError: fsspec knows no such kind.
        DependencyError: A package is not installed here, where the store is read.

    Example:
        >>> requirements("s3://bucket/runs")
        ('fsspec', 's3fs')
    """
    scheme = url.partition("://")[0]
    if url == "oci" or scheme in _OURS:
        return ()
    _installed("fsspec", url)
    from fsspec.registry import known_implementations

    if scheme not in known_implementations:
        raise ConfigError(
            f"artifacts={url!r} is no place to keep things.",
            why=f"fsspec knows no {scheme}://.",
            fix="Write it like s3://bucket/prefix, file:///mnt/volume, or oci for the registry of repository=.",
        )
    package = known_implementations[scheme]["class"].partition(".")[0]
    if package == "fsspec":
        return ("fsspec",)
    _installed(package, url)
    return ("fsspec", package)


def settled(workload: Workload, target: Target) -> Store | None:
    """Return the store of a run that is to be made, which has no name yet; none, where none is asked for.

    Args:
        workload: How it is run.
        target: Where.

    Raises:
        ConfigError: The address leads nowhere: no volume is mounted there, or no repository is named.
    """
    url, group = workload.artifacts, workload.groups[0]
    if not url:
        return None
    if url == "oci":
        if not target.option("repository"):
            raise ConfigError(
                "artifacts='oci' has no registry.",
                fix="Set repository='registry.example.com/team/runs', or write artifacts='oci://…' with its name.",
            )
        url = f"oci://{target.option('repository')}"
    if url.startswith("file://"):
        mounted = tuple(volume.path for volume in workload.pod.volumes)
        path = Path(url.removeprefix("file://"))
        if not workload.pod.pod and not any(path.is_relative_to(each) for each in mounted):
            raise ConfigError(
                f"artifacts={url!r} would go with its pod.",
                why=f"No volume is mounted there; {', '.join(mounted) or 'none at all'} is.",
                fix=f"Mount one: volumes={{{str(path)!r}: 'pvc:NAME'}}.",
            )
    spoken = _registry().rule(url, target) if url.startswith("oci://") else {}
    return {"url": url, "role": group.role, "count": group.count, **spoken}


def names(store: Store) -> dict[str, int]:
    """Return what a run put into its store: names and sizes.

    Raises:
        FairingError: It cannot be read from here.
    """
    with _said(store, "read"):
        return _registry().names(store) if _is_registry(store) else elsewhere.names(store)


def read(store: Store, name: str) -> Iterator[bytes]:
    """Give one of the things that a run put into its store, in pieces.

    Raises:
        FairingError: It is not there, or cannot be read from here.
    """
    with _said(store, "read"):
        yield from _registry().read(store, name) if _is_registry(store) else elsewhere.read(store, name)


def remove(store: Store) -> None:
    """Remove all that a run put into its store; what is not there is as good as removed.

    Raises:
        FairingError: It cannot be removed from here.
    """
    with _said(store, "changed"):
        if _is_registry(store):
            _registry().remove(store)
        else:
            elsewhere.remove(store)


def here(store: Store) -> bool:
    """Say whether this process reaches a store by itself: a volume may be mounted in pods alone."""
    return not store["url"].startswith("file://") or Path(store["url"].removeprefix("file://")).is_dir()


def _is_registry(store: Store) -> bool:
    return str(store["url"]).startswith("oci://")


def _registry() -> Any:
    from fairing.artifacts import registry  # here, since few runs have their store there

    return registry


def _installed(package: str, url: str) -> None:
    if find_spec(package) is None:
        raise DependencyError(
            f"artifacts={url!r} needs the package {package}, which is not installed here.",
            why="What the run puts there is read from here.",
            fix=f"pip install {package}, and restart the kernel.",
        )


class _said:  # noqa: N801 - a verb of a with statement
    """Says in one sentence what a library raises."""

    def __init__(self, store: Store, doing: str) -> None:
        self._store = store
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, _: object) -> None:
        if isinstance(wrong, Exception) and not isinstance(wrong, FairingError):
            raise AccessError(
                f"The store {self._store['url']} cannot be {self._doing} from here.",
                why=f"{type(wrong).__name__}: {' '.join(str(wrong).split())[:300].rstrip('.')}.",
                fix="This process needs credentials for it as well: those that you handed over with secrets=[…].",
            ) from wrong
