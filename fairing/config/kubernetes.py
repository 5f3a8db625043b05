"""Reads the options that are Kubernetes' own: each has a short form of text, and takes what the API itself takes.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ (names, labels),
https://kubernetes.io/docs/concepts/storage/volumes/ (volumes),
https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ (tolerations)
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fairing.config.values import nearest, pairs, texts, wrong
from fairing.image import is_variable
from fairing.pod import Patch, Secret, Toleration

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")
_OURS = ("app.kubernetes.io/managed-by", "job-name", "controller-uid")
_OURS_UNDER = ("fairing/", "batch.kubernetes.io/")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS = ("Exists", "Equal", "Lt", "Gt")
_TOLERATION = ("key", "operator", "value", "effect", "tolerationSeconds")
_AFFINITY = ("nodeAffinity", "podAffinity", "podAntiAffinity")


def name(option: str, value: Any, where: str) -> str:
    """Read the name of an object."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        fix = f"{option} is the name of an object of Kubernetes: small letters, digits, - and '.'."
        raise wrong(option, value, where, fix=fix)
    return value


def names(option: str, value: Any, where: str) -> tuple[str, ...]:
    """Read names of objects."""
    return tuple(name(option, each, where) for each in texts(option, value, where))


def labels(option: str, value: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Read labels, or what selects them."""
    found = _marks(option, value, where)
    for key, text in found:
        if not _LABEL.fullmatch(text):
            why = (
                "A label's value has at most 63 letters, digits, '-', '_' and '.', and none of these three at its ends."
            )
            fix = "Put longer text into annotations=." if option == "labels" else "Look at the labels of the nodes."
            raise wrong(option, f"{key}={text}", where, why=why, fix=fix)
    return found


def notes(option: str, value: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Read annotations."""
    found = _marks(option, value, where)
    if sum(len(key.encode()) + len(text.encode()) for key, text in found) > 256 << 10:
        raise wrong(option, "…", where, why="Annotations have 256 KiB together.", fix="Put it into a file of the run.")
    return found


def resources(option: str, value: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Read resources that have no option of their own."""
    own = {"cpu": "cpu=", "memory": "memory=", "ephemeral-storage": "storage=", "google.com/tpu": "tpu="}
    own |= dict.fromkeys(("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915"), "gpus=")
    found = []
    for key, given in pairs(option, value, where, "Write NAME=NUMBER, such as nvidia.com/mig-1g.5gb=1."):
        text = str(given)
        if key in own:
            raise wrong(option, f"{key}={text}", where, fix=f"Use {own[key]}, which has an option of its own.")
        pages = re.fullmatch(r"hugepages-[0-9]+[KMG]i", key)
        if not pages and ("/" not in key or not _mark(key)):
            why = "Other resources than cpu, memory and storage have a name with a '/'."
            raise wrong(option, f"{key}={text}", where, why=why, fix="Write it like nvidia.com/mig-1g.5gb=1.")
        if not re.fullmatch(r"[0-9]+([KMGT]i?)?" if pages else r"[0-9]+", text) or isinstance(given, bool):
            raise wrong(option, f"{key}={text}", where, fix=f"{key} is a whole number.")
        found.append((key, text))
    return tuple(found)


def tolerations(option: str, value: Any, where: str) -> tuple[Toleration, ...]:
    """Read tolerations: as a taint is written, ``key=value:Effect``, ``key:Effect``, ``key``, or as the API has them.

    Example:
        >>> tolerations("tolerations", "gpu=yes:NoSchedule", "")[0].operator
        'Equal'
    """
    given = structured(option, value, where) if isinstance(value, str) else value
    if isinstance(given, str | Mapping | Toleration):
        given = [given]
    if not isinstance(given, list | tuple):
        raise wrong(option, value, where, fix="Write it like gpu=yes:NoSchedule.")
    if given and all(isinstance(each, tuple) and len(each) == 2 for each in given):
        given = [dict(given)]  # the line of a magic gives a table as its items
    return tuple(_toleration(option, each, where) for each in given)


def secrets(option: str, value: Any, where: str) -> tuple[Secret, ...]:
    """Read what is handed over out of sight.

    Example:
        >>> [str(each) for each in secrets("secrets", ["TOKEN", "/run/key=KEY", "secret:mine"], "")]
        ['TOKEN', '/run/key=KEY', 'secret:mine']
    """
    if isinstance(value, Mapping):
        given: Sequence[Any] = list(value.items())
    else:
        given = [value] if isinstance(value, str | Secret) else sorted(value) if isinstance(value, set) else value
    if not isinstance(given, list | tuple):
        raise wrong(option, value, where, fix="secrets is a list of texts.")
    return tuple(each if isinstance(each, Secret) else _secret(option, each, where) for each in given)


def affinity(option: str, value: Any, where: str) -> str:
    """Read an affinity, as the API has it."""
    found = _table(option, value, where)
    for key, each in found.items():
        if key not in _AFFINITY or not isinstance(each, Mapping):
            raise wrong(option, key, where, fix=nearest(key, _AFFINITY))
    return compact(option, found, where)


def patch(option: str, value: Any, where: str) -> Patch:
    """Read what changes a pod's template: a function, a table, YAML, or a file of YAML."""
    if callable(value):
        given: Callable[[dict[str, Any]], dict[str, Any]] = value
        return given
    found = _table(option, value, where, file=True)
    found = {key: each for key, each in found.items() if key not in {"apiVersion", "kind"}}
    for key, each in found.items():
        if key not in {"metadata", "spec"} or not isinstance(each, Mapping):
            why = "It changes the template of a pod, which has metadata and spec."
            raise wrong(option, key, where, why=why, fix=f"{nearest(key, ('metadata', 'spec'))}")
    return compact(option, found, where)


def structured(option: str, value: str, where: str, *, whole: bool = False) -> Any:
    """Return what a text of YAML or JSON says; text that is no table and no list stays itself, unless ``whole``."""
    if not whole and not value.lstrip().startswith(("{", "[")) and "\n" not in value.strip():
        return value
    import yaml  # 20 ms, for those who write it

    try:
        return yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError) as refused:
        line = str(refused).replace("\n", " ")
        raise wrong(option, "…", where, why=f"It is not YAML: {line[:300]}.", fix="kubectl explain pod.spec.") from None


def compact(option: str, value: Any, where: str) -> str:
    """Return a table as JSON, which is the same for the same table."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as refused:
        raise wrong(option, "…", where, why=f"{refused}.", fix="Use texts, numbers, lists and tables alone.") from None


def _table(option: str, value: Any, where: str, *, file: bool = False) -> dict[str, Any]:
    given = value
    if isinstance(value, str) and value.strip():
        given = structured(option, value, where)
    if file and isinstance(given, str | os.PathLike) and os.fspath(given):
        given = structured(option, _file(option, os.fspath(given), where), where, whole=True)
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        fix = f"{option} is a table, as in a manifest of Kubernetes{', or a file with one' if file else ''}."
        raise wrong(option, value, where, fix=fix)
    return dict(given)


def _file(option: str, path: str, where: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as refused:
        reason = getattr(refused, "strerror", None) or "it is no text"
        raise wrong(option, path, where, why=f"{reason}.", fix="Name a file of YAML, or give the table.") from None


def _marks(option: str, value: Any, where: str) -> tuple[tuple[str, str], ...]:
    found = []
    for key, given in pairs(option, value, where, "Write NAME=VALUE."):
        text = str(given).lower() if isinstance(given, bool) else str(given)
        if not isinstance(given, str | int | float) or "\0" in text:
            raise wrong(option, (key, given), where, fix="Write NAME=VALUE.")
        if not _mark(key):
            why = "A name has at most 63 letters, digits, '-', '_' and '.', and may have a domain and a '/' before it."
            raise wrong(option, f"{key}={text}", where, why=why, fix="Write it like example.com/team=vision.")
        if option != "node_selector" and (key in _OURS or key.startswith(_OURS_UNDER)):
            raise wrong(option, key, where, why="Runs are found by it.", fix="Choose another name.")
        found.append((key, text))
    return tuple(found)


def _mark(key: str) -> bool:
    domain, slash, last = key.rpartition("/")
    return bool(last and _LABEL.fullmatch(last) and (not slash or _NAME.fullmatch(domain)))


def _toleration(option: str, value: Any, where: str) -> Toleration:
    if isinstance(value, Toleration):
        return value
    table = value if isinstance(value, Mapping) else _taint(option, value, where)
    for key in table:
        if key not in _TOLERATION:
            raise wrong(option, value, where, fix=nearest(str(key), _TOLERATION))
    key, text, effect = (str(table.get(each) or "") for each in ("key", "value", "effect"))
    operator = str(table.get("operator") or ("Equal" if key and "value" in table else "Exists"))
    seconds = table.get("tolerationSeconds")
    if operator not in _OPERATORS:
        raise wrong(option, value, where, fix=nearest(operator, _OPERATORS))
    if effect and effect not in EFFECTS:
        raise wrong(option, value, where, fix=nearest(effect, EFFECTS))
    if (key and not _mark(key)) or not _LABEL.fullmatch(text):
        raise wrong(option, value, where, fix="Write it like the taint: example.com/gpu=yes:NoSchedule.")
    if (operator == "Exists" and text) or (operator != "Exists" and not key):
        why = "With Exists the value is not compared." if text else "Without a key every taint is tolerated."
        raise wrong(
            option, value, where, why=why, fix="Use operator='Equal' with a key and a value, or leave value out."
        )
    if seconds is not None and (effect != "NoExecute" or not str(seconds).lstrip("-").isdecimal()):
        raise wrong(option, value, where, why="Seconds are for NoExecute.", fix="Write it like KEY:NoExecute:30.")
    return Toleration(key, operator, text, effect, None if seconds is None else int(seconds))


def _taint(option: str, value: Any, where: str) -> dict[str, Any]:
    fix = "Write it like gpu=yes:NoSchedule, spot:NoExecute:30, spot, or * for any."
    given = structured(option, value, where) if isinstance(value, str) else value
    if isinstance(given, Mapping):
        return dict(given)
    taint, *rest = given.strip().split(":") if isinstance(given, str) else [""]
    key, separator, text = taint.partition("=")
    if not key or len(rest) > 2 or (len(rest) > 1 and not rest[1].isdecimal()):
        raise wrong(option, value, where, fix=fix)
    table: dict[str, Any] = {} if key == "*" else {"key": key}
    table |= {"operator": "Equal", "value": text} if separator else {"operator": "Exists"}
    return table | dict(zip(("effect", "tolerationSeconds"), rest, strict=False))


def _secret(option: str, value: Any, where: str) -> Secret:
    fix = "Write API_KEY, /path=API_KEY, API_KEY=secret:NAME/KEY, or secret:NAME."
    parts = (*value,) if isinstance(value, tuple | list) else value.split("=", 1) if isinstance(value, str) else ()
    if not parts or not all(isinstance(each, str) and each for each in parts) or len(parts) > 2:
        raise wrong(option, value, where, fix=fix)
    to, source = (
        (parts[0], parts[-1]) if len(parts) == 2 else ("" if parts[0].startswith("secret:") else parts[0], parts[0])
    )
    file = to.startswith("/")
    if to and not file and not is_variable(to):
        raise wrong(option, value, where, fix=fix)
    if not source.startswith("secret:"):
        if not is_variable(source):
            raise wrong(option, value, where, why=f"{source!r} is not the name of a variable.", fix=fix)
        return Secret(mounted(option, to, where) if file else to, source)
    called, _, key = source.removeprefix("secret:").partition("/")
    if not _NAME.fullmatch(called) or (file and not key) or (key and (not to or not _KEY.fullmatch(key))):
        raise wrong(option, value, where, fix=fix)
    return Secret(mounted(option, to, where) if file else to, "", called, key or to)


_TAKEN = ("/fairing", "/opt/fairing", "/proc", "/sys")


def mounted(option: str, path: str, where: str) -> str:
    """Read a place for something that is mounted."""
    plain = path.rstrip("/")
    if not plain.startswith("/") or ":" in plain or not plain.isprintable() or re.search(r"//|/\.\.?(/|$)", plain):
        raise wrong(option, path, where, fix="A place is a whole path, such as /data.")
    if plain == "/dev" or any(plain == each or plain.startswith(f"{each}/") for each in _TAKEN):
        raise wrong(
            option, path, where, why="fairing, or the system, has it.", fix="Choose another place, such as /data."
        )
    return plain
