"""What a user may do on a cluster, and what is there: asked, never assumed.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fairing.errors import AccessError, FairingError
from fairing.kube.connection import Connection, Refused
from fairing.spec import Finding

Right = tuple[str, str, str]
"""A verb, an API group and a resource: ``("create", "batch", "jobs")``, ``("create", "", "pods/exec")``."""

_OPERATORS = {
    "kubeflow.org": "Kubeflow Training Operator",
    "trainer.kubeflow.org": "Kubeflow Trainer",
    "jobset.x-k8s.io": "JobSet",
    "serving.kserve.io": "KServe",
    "kueue.x-k8s.io": "Kueue",
    "scheduling.volcano.sh": "Volcano",
}


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
    missing = [f"{verb} {resource}" for (verb, _, resource), _ in lacking(reached, rights)]
    fix = "Choose a namespace= in which you may, or ask whoever runs the cluster." if missing else ""
    yield Finding("rights", f"you may not {', '.join(missing)}" if missing else "all that runs need", not missing, fix)
    yield Finding("operators", ", ".join(_operators(reached)) or "none: runs are plain Jobs")
    yield from _quotas(reached)


def _lacking_now(reached: Connection, rights: Iterable[Right]) -> Iterator[tuple[Right, str]]:
    granted = reached.login.granted
    for right in rights:
        if (reached.namespace, right) not in granted:
            found = tuple(lacking(reached, [right]))
            yield from found
            if not found:
                granted.add((reached.namespace, right))


def _user(reached: Connection) -> str:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = reached.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    except Refused:  # before Kubernetes 1.28
        return "somebody that this cluster does not name"
    return str(answer["status"]["userInfo"].get("username", ""))


def _operators(reached: Connection) -> list[str]:
    groups = {each["name"]: each["preferredVersion"]["version"] for each in reached.get("/apis")["groups"]}
    return [f"{called} ({group}/{groups[group]})" for group, called in _OPERATORS.items() if group in groups]


def _quotas(reached: Connection) -> Iterator[Finding]:
    try:
        found = reached.get(f"/api/v1/namespaces/{reached.namespace}/resourcequotas")["items"]
    except AccessError:
        yield Finding("quota", "you may not see it")
        return
    for each in found:
        status: dict[str, Any] = each.get("status", {})
        hard, used = status.get("hard", {}), status.get("used", {})
        yield Finding("quota", ", ".join(f"{name} {used.get(name, 0)} of {most}" for name, most in hard.items()))
