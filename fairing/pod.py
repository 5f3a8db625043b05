"""The nouns of what a replica is given: resources, and on a cluster its place, its volumes and what it is called.

Words are those of Kubernetes; whatever has no noun here reaches a pod as a patch.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

NVIDIA = "nvidia.com/gpu"

Patch: TypeAlias = "str | Callable[[dict[str, Any]], dict[str, Any]]"
"""A strategic merge patch as JSON, or a function that is given the template and returns it changed."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """GPUs that are more than a number.

    Args:
        resource: What the cluster counts them as.
        labels: Where a node says which kind it has: any of these labels, with any of the kinds.
        kinds: The kinds that will do; none is any.
    """

    resource: str = NVIDIA
    labels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tpu:
    """A slice of TPUs.

    Args:
        accelerator: What nodes call the kind, such as ``"tpu-v5-lite-podslice"``.
        topology: How its chips are laid out, such as ``"2x4"``.
        chips: How many each worker has.
    """

    accelerator: str
    topology: str
    chips: int


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica may use; ``None`` is no limit.

    Args:
        cpu: Processors.
        memory: Bytes.
        gpus: Whole GPUs.
        gpu: Which GPUs, where that was said.
        tpu: Its part of a slice of TPUs.
        storage: Bytes of the node's own disk: what it writes, and its output.
        others: Any other resources by name, each with its quantity.
    """

    cpu: float | None = None
    memory: int | None = None
    gpus: int = 0
    gpu: Gpus | None = None
    tpu: Tpu | None = None
    storage: int | None = None
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Replicas that are alike: ``worker`` 0 to ``count - 1``."""

    role: str = "worker"
    count: int = 1
    resources: Resources = Resources()


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that does not keep a pod away.

    Args:
        key: The taint's key; none is any.
        operator: ``"Exists"``, ``"Equal"``, and on clusters that compare numbers ``"Lt"`` and ``"Gt"``.
        value: The taint's value, where that is compared.
        effect: ``"NoSchedule"``, ``"PreferNoSchedule"`` or ``"NoExecute"``; none is any.
        seconds: For ``"NoExecute"``, how long a pod stays all the same; none is for ever.
    """

    key: str = ""
    operator: str = "Exists"
    value: str = ""
    effect: str = ""
    seconds: int | None = None

    def __str__(self) -> str:
        value = f"={self.value}" if self.operator != "Exists" else ""
        parts = [f"{self.key or '*'}{value}", self.effect, "" if self.seconds is None else str(self.seconds)]
        return ":".join(parts).rstrip(":")


@dataclass(frozen=True, slots=True)
class Volume:
    """Something that is mounted.

    Args:
        path: Where, an absolute POSIX path.
        source: What, as Kubernetes writes it: ``{"persistentVolumeClaim": {"claimName": "data"}}``, as JSON.
        mount: How, the same: ``{"readOnly": true}``.
    """

    path: str
    source: str
    mount: str = "{}"

    def __str__(self) -> str:
        return f"{self.path}={json.dumps({**json.loads(self.source), **json.loads(self.mount)})}"


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is handed over out of sight, to a variable or as a file that its owner alone reads.

    Args:
        to: The variable's name, or the file's path; none takes all keys of a Secret as variables.
        variable: The variable of this process that has the value, or else:
        secret: The Secret of the cluster that has it.
        key: Under which key.
    """

    to: str
    variable: str = ""
    secret: str = ""
    key: str = ""

    def __str__(self) -> str:
        if self.variable:
            return self.to if self.to == self.variable else f"{self.to}={self.variable}"
        return f"{self.to}=secret:{self.secret}/{self.key}" if self.to else f"secret:{self.secret}"


@dataclass(frozen=True, slots=True)
class Pod:
    """What only a cluster keeps: where a run's pods may be, what they mount, and what they are called.

    Args:
        volumes: What they mount.
        node_selector: Labels that their node must have.
        tolerations: Taints that do not keep them away.
        affinity: Which nodes and neighbours they want, as Kubernetes writes it, as JSON.
        priority_class: The name of their priority.
        queue: The queue of Kueue that admits the run.
        suspend: Whether the run waits until somebody resumes it.
        service_account: Whose token they have; without one they have none.
        pull_secrets: Secrets of the cluster with which their image is pulled.
        labels: Labels of the run and its pods.
        annotations: The same, for what is no label.
        ttl: Seconds that the run is kept after its end.
        pod: What changes their template last.
    """

    volumes: tuple[Volume, ...] = ()
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    affinity: str = ""
    priority_class: str = ""
    queue: str = ""
    suspend: bool = False
    service_account: str = ""
    pull_secrets: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    ttl: int | None = None
    pod: Patch = field(default="", repr=False)

    def said(self) -> tuple[str, ...]:
        """Return the names of what is asked for: each is an option's name."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) not in (each.default, None))
