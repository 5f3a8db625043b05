"""What a user may do on a cluster, and what is there: asked, never assumed.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fairing.errors import AccessError, FairingError
from fairing.kube import quantity
from fairing.kube.connection import Connection, Refused
from fairing.spec import Finding

Right = tuple[str, str, str]
"""A verb, an API group and a resource: ``("create", "batch", "jobs")``, ``("create", "", "pods/exec")``."""

_OPERATORS = {
    "kubeflow.org": (
        "Kubeflow Training Operator",
        {"TFJob", "PyTorchJob", "MPIJob", "XGBoostJob", "PaddleJob", "JAXJob"},
    ),
    "trainer.kubeflow.org": ("Kubeflow Trainer", {"TrainJob"}),
    "jobset.x-k8s.io": ("JobSet", {"JobSet"}),
    "serving.kserve.io": ("KServe", {"InferenceService"}),
    "kueue.x-k8s.io": ("Kueue", {"LocalQueue"}),
    "batch.volcano.sh": ("Volcano", {"Job"}),
}
"""Operators by their API group, with the kinds that make one: others have kinds in these groups too."""

_HELPFUL: tuple[tuple[Right, str], ...] = (
    (("watch", "", "events"), "why a run waits is told less exactly"),
    (("list", "", "nodes"), "how large the largest node is, is not told"),
)
"""What a user need not be allowed, and what is missed without it."""


def lacking(reached: Connection, rights: Iterable[Right]) -> Iterator[tuple[Right, str]]:
    """Give the rights that the user does not have in the connection's namespace, each with the cluster's reason."""
    for verb, group, resource in rights:
        kind, _, sub = resource.partition("/")
        asked = {"namespace": reached.namespace, "verb": verb, "group": group, "resource": kind, "subresource": sub}
        status = reached.post(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": asked},
            },
        )["status"]
        if not status["allowed"]:
            yield (verb, group, resource), status.get("reason", "")


def refuse(reached: Connection, rights: Iterable[Right]) -> None:
    """Refuse what the user may not do, before anything is made; what they might a moment ago is not asked again.

    Raises:
        AccessError: They lack a right.
    """
    for (verb, _, resource), reason in _lacking_now(reached, rights):
        raise AccessError(
            f"You may not {verb} {resource} in the namespace {reached.namespace!r} of {reached.context!r}.",
            why=f"{reason.rstrip('.')}." if reason else "",
            fix="Choose a namespace= in which you may, or ask whoever runs the cluster.",
        )


def may(reached: Connection, rights: Iterable[Right]) -> bool:
    """Say whether the user may do all of it; if they might a moment ago, that is not asked again."""
    return not any(True for _ in _lacking_now(reached, rights))


def findings(reached: Connection, rights: Iterable[Right]) -> Iterator[Finding]:
    """Say what a person wants to know of a cluster who cannot run anything on it."""
    try:
        version = reached.get("/version")["gitVersion"]
    except FairingError as wrong:
        yield Finding("cluster", str(wrong), good=False)
        return
    yield Finding("cluster", f"{reached.context}: Kubernetes {version} at {reached.host}")
    yield Finding("user", f"{_user(reached)}, in the namespace {reached.namespace}")
    yield from _rights(reached, rights)
    yield Finding("operators", ", ".join(_operators(reached)) or "none: runs are plain Jobs")
    yield from _quotas(reached)


def _rights(reached: Connection, rights: Iterable[Right]) -> Iterator[Finding]:
    """Say what the user may do with each kind of things."""
    asked: dict[str, list[Right]] = {}
    for right in rights:
        asked.setdefault(right[2], []).append(right)
    for kind, each in asked.items():
        missing = {right for right, _ in lacking(reached, each)}
        verbs = {may: ", ".join(right[0] for right in each if (right not in missing) is may) for may in (False, True)}
        told = [f"you may {'' if may else 'not '}{named} {kind}" for may, named in verbs.items() if named]
        fix = "Choose a namespace= in which you may, or ask whoever runs the cluster." if missing else ""
        yield Finding("rights", "; ".join(told), not missing, fix)
    for right, without in _HELPFUL:
        if any(True for _ in lacking(reached, [right])):
            yield Finding("rights", f"you may not {right[0]} {right[2]}: {without}")


def _lacking_now(reached: Connection, rights: Iterable[Right]) -> Iterator[tuple[Right, str]]:
    known = reached.login.known
    for right in rights:
        if (reached.namespace, right) not in known:
            found = tuple(lacking(reached, [right]))
            yield from found
            if not found:
                known[reached.namespace, right] = True


def _user(reached: Connection) -> str:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = reached.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    except Refused:  # before Kubernetes 1.28
        return "somebody that this cluster does not name"
    return str(answer["status"]["userInfo"].get("username", ""))


def _operators(reached: Connection) -> Iterator[str]:
    """Name what is there by the API's own list of what it serves: no right is needed to read it."""
    served = {each["name"]: each for each in reached.get("/apis")["groups"]}
    for group, (called, kinds) in _OPERATORS.items():
        for version in served.get(group, {}).get("versions", ()):
            listed = reached.get(f"/apis/{version['groupVersion']}")["resources"]
            found = sorted(kinds & {each["kind"] for each in listed})
            if found:
                yield f"{called} ({version['groupVersion']}: {', '.join(found)})"


def _quotas(reached: Connection) -> Iterator[Finding]:
    try:
        found = reached.get(f"/api/v1/namespaces/{reached.namespace}/resourcequotas")["items"]
    except AccessError:
        yield Finding("quota", "you may not see it")
        return
    for each in found:
        status: dict[str, Any] = each.get("status", {})
        hard, used = status.get("hard", {}), status.get("used", {})
        full = [name for name, most in hard.items() if quantity.number(used.get(name, 0)) >= quantity.number(most)]
        told = ", ".join(f"{name} {used.get(name, 0)} of {most}" for name, most in hard.items())
        fix = (
            f"No {' and no '.join(full)} is left: wait until others end, or choose another namespace=." if full else ""
        )
        yield Finding("quota", f"{each['metadata']['name']}: {told}", not full, fix)
