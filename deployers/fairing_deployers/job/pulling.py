"""With which Secrets of its namespace a run's pods pull their image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fairing.errors import FairingError
from fairing.image import Image
from fairing.kube import pull_secrets
from fairing.kube.connection import Connection
from fairing.pod import Pod
from fairing.spec import BuiltImage, Finding, Target, Workload


def fitted(reached: Connection, image: BuiltImage, workload: Workload) -> Workload:
    """Return a workload whose pods may pull its image: with what is said, else with what the namespace has for it."""
    if workload.pod.pull_secrets or not image.ref:
        return workload
    names = pull_secrets.to_name(reached, image.ref, workload.pod.service_account or pull_secrets.ACCOUNT)
    return replace(workload, pod=replace(workload.pod, pull_secrets=names)) if names else workload


def said(pod: Pod) -> str:
    """Say with what a run's pods pull; nothing, where they pull as anybody or as their account."""
    return f"its image is pulled with {_named(pod.pull_secrets)} of the namespace" if pod.pull_secrets else ""


def findings(reached: Connection, target: Target) -> Iterator[Finding]:
    """Say with what pods would pull from the registries that a target names."""
    try:
        secrets = pull_secrets.found(reached)
    except FairingError:
        return  # the cluster cannot be reached, which is told already
    image = target.option("image")
    base = image.base if isinstance(image, Image) else image
    for name in dict.fromkeys(
        pull_secrets.registry(f"{each}/") for each in (target.option("repository"), base) if each
    ):
        fitting = [each.name for each in pull_secrets.for_registry(secrets, name)]
        who = f"with {_named(fitting)}" if fitting else "as anybody: no Secret of the namespace is for it"
        yield Finding("pull", f"pods pull from {name} {who}")


def _named(names: list[str] | tuple[str, ...]) -> str:
    return f"the Secret{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"
