"""Puts files of a run into an artifact store: ``python -m fairing.runtime.upload``, which reads what to put as JSON.

    {"store": {"url": "s3://bucket/runs", "run": "train-1f3a9c2e", …}, "source": "worker-0", "items": [[file, name], …]}

A process of its own: what it imports is the user's, and the runner has the run's key. Each thing lies under the
address, the run's name and its own (``spool/worker-0/result.pkl``); in a registry, each replica has a manifest whose
layers have these names as titles.

    file://     a volume that is mounted: written here
    oci://      a registry: ``registry``
    any other   whatever fsspec knows: it, and what it needs, lie in the layer of dependencies
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_TRIES = 3
_PAUSE = 1.0

Item = tuple[str, str]
"""A file, and its name in the store."""


def main() -> int:
    """Put what is asked for, and say on stderr why it could not be."""
    asked = json.load(sys.stdin)
    try:
        _again(lambda: put(asked["store"], asked["source"], [(file, name) for file, name in asked["items"]]))
    except Exception as wrong:  # noqa: BLE001 - whatever a library raises is said in one line
        said = " ".join(str(wrong).split())[:500]
        print(f"{type(wrong).__name__}: {said}".rstrip(": "), file=sys.stderr)  # noqa: T201 - who started it reads that
        return 1
    return 0


def put(store: dict[str, Any], source: str, items: Sequence[Item]) -> None:
    """Put files into a store.

    Args:
        store: Where: its ``url`` and the ``run``; for a registry also, whether it is ``insecure``, and whose ``ca`` is
            trusted.
        source: The replica that puts them.
        items: The files, and their names.
    """
    scheme, _, rest = store["url"].partition("://")
    if scheme == "oci":
        from fairing.runtime import registry

        registry.push(rest, f"{store['run']}.{source}", items, insecure=store["insecure"], ca=store["ca"])
    elif scheme == "file":
        for file, name in items:
            _copied(file, Path(rest, store["run"], name))
    else:
        _sent(f"{store['url'].rstrip('/')}/{store['run']}", items)


def _copied(file: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(file, part)
    part.replace(target)


def _sent(url: str, items: Sequence[Item]) -> None:
    import fsspec

    system, root = fsspec.core.url_to_fs(url)
    for file, name in items:
        target = f"{root}/{name}"
        try:
            system.put_file(file, target)
        except FileNotFoundError:  # where folders are things of their own
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(file, target)


def _again(call: Callable[[], None]) -> None:
    """Call once more after a moment what failed: another try costs less than a lost value."""
    for _ in range(_TRIES - 1):
        try:
            return call()
        except ImportError:
            raise
        except Exception:  # noqa: BLE001 - any library may raise anything
            time.sleep(_PAUSE)
    return call()


if __name__ == "__main__":
    sys.exit(main())
