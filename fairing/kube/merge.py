"""A strategic merge patch, applied here as the API server applies it: lists of a pod are merged by their keys.

https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/,
https://github.com/kubernetes/apimachinery/blob/master/pkg/util/strategicpatch/patch.go
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from fairing.errors import ConfigError

_CONTAINER = {"env": "name", "ports": "containerPort", "volumeDevices": "devicePath", "volumeMounts": "mountPath"}
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_SPEC = {
    **dict.fromkeys((*_CONTAINERS, "volumes", "imagePullSecrets", "resourceClaims"), "name"),
    **dict.fromkeys(("schedulingGates", "evictionResponders"), "name"),
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
KEYS: Mapping[tuple[str, ...], str] = {
    ("metadata", "ownerReferences"): "uid",
    ("metadata", "finalizers"): "",
    **{("spec", field): key for field, key in _SPEC.items()},
    **{("spec", each, field): key for each in _CONTAINERS for field, key in _CONTAINER.items()},
}
"""The lists of a template that are merged, each with what its items are told apart by; any other is replaced."""

_PATCH, _RETAIN, _WITHOUT, _ORDER = "$patch", "$retainKeys", "$deleteFromPrimitiveList/", "$setElementOrder/"


def merged(original: Mapping[str, Any], patch: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a template of pods as a patch changes it.

    Args:
        original: The template; it is left as it is.
        patch: The patch, which may say ``$patch: delete`` or ``replace``, ``$retainKeys``,
            ``$deleteFromPrimitiveList/…`` and ``$setElementOrder/…``; ``null`` removes a field.
        path: Where in the template this is.

    Raises:
        ConfigError: It is not a patch.

    Example:
        >>> merged({"spec": {"hostAliases": [{"ip": "10.0.0.1"}]}}, {"spec": {"hostAliases": [{"ip": "10.0.0.2"}]}})
        {'spec': {'hostAliases': [{'ip': '10.0.0.2'}, {'ip': '10.0.0.1'}]}}
    """
    if _PATCH in patch:
        if patch[_PATCH] not in {"replace", "delete"}:
            raise _wrong(path, f"$patch is replace or delete, and not {patch[_PATCH]!r}")
        rest = {name: value for name, value in patch.items() if name != _PATCH}
        return copy.deepcopy(rest) if patch[_PATCH] == "replace" else {}
    found = _retained(original, patch, path)
    orders = {name.removeprefix(_ORDER): value for name, value in patch.items() if name.startswith(_ORDER)}
    for name, value in patch.items():
        if name.startswith(_WITHOUT):
            field = name.removeprefix(_WITHOUT)
            if field in found:
                found[field] = [each for each in found[field] if each not in value]
        elif value is None:
            found.pop(name, None)
        elif name != _RETAIN and not name.startswith(_ORDER):
            found[name] = _value(found.get(name), value, (*path, name), orders.get(name))
    for name, order in orders.items():
        if name in found and name not in patch:
            key = KEYS.get((*path, name), "")
            found[name] = _ordered(found[name], order, found[name], key)
    return found


def _value(was: Any, value: Any, path: tuple[str, ...], order: Sequence[Any] | None) -> Any:
    if isinstance(value, Mapping) and isinstance(was, Mapping):
        return merged(was, value, path)
    if isinstance(value, list) and isinstance(was, list) and path in KEYS:
        return _list(was, value, path, order)
    return copy.deepcopy(value)


def _retained(original: Mapping[str, Any], patch: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    found = copy.deepcopy(dict(original))
    if _RETAIN not in patch:
        return found
    kept = patch[_RETAIN]
    said = {name for name, value in patch.items() if value is not None and not name.startswith("$")}
    if not isinstance(kept, list) or not said <= set(kept):
        raise _wrong(path, "$retainKeys names every field that the patch sets beside it")
    return {name: value for name, value in found.items() if name in kept}


def _list(was: list[Any], patch: list[Any], path: tuple[str, ...], order: Sequence[Any] | None) -> list[Any]:
    key = KEYS[path]
    if not was and not patch:
        return was
    if not key:
        both = list(dict.fromkeys([*was, *patch]))
        return _ordered(both, order or patch, was, key)
    for each in (*was, *patch):
        if not isinstance(each, Mapping) or (key not in each and each.get(_PATCH) != "replace"):
            raise _wrong(path, f"Each item of it is told apart by its {key!r}")
    plain = [each for each in patch if _PATCH not in each]
    special = [each for each in patch if _PATCH in each]
    for each in special:
        if each[_PATCH] not in {"delete", "replace"}:
            raise _wrong(path, f"$patch is replace or delete, and not {each[_PATCH]!r}")
    if any(each[_PATCH] == "replace" for each in special):
        return copy.deepcopy(plain)
    gone = [each[key] for each in special]
    left = [each for each in was if each[key] not in gone]
    items = {each[key]: copy.deepcopy(each) for each in left}
    for each in plain:
        items[each[key]] = merged(items[each[key]], each, path) if each[key] in items else copy.deepcopy(each)
    return _ordered(list(items.values()), order or plain, left, key)


def _ordered(items: Sequence[Any], first: Sequence[Any], was: Sequence[Any], key: str) -> list[Any]:
    """Put what the patch names in its order, and the rest in its old one; what is new stands before what is old."""

    def at(each: Any) -> Any:
        return each[key] if key else each

    names, places = [at(each) for each in first], {at(each): number for number, each in enumerate(was)}
    mine = sorted((each for each in items if at(each) in names), key=lambda each: names.index(at(each)))
    rest = [each for each in items if at(each) not in names]
    found: list[Any] = []
    while mine and rest:
        one, other = places.get(at(rest[0])), places.get(at(mine[0]))
        before = one is not None and other is not None and one < other
        found.append(rest.pop(0) if before else mine.pop(0))
    return [*found, *rest, *mine]


def _wrong(path: tuple[str, ...], why: str) -> ConfigError:
    return ConfigError(
        f"pod= cannot change {'.'.join(path) or 'the template'}.",
        why=f"{why}.",
        fix="Write it as for kubectl patch --type=strategic.",
    )
