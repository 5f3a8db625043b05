"""The Jobs that options make, each family of them kept as a manifest: ``make manifests`` writes them anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fairing.api.start import workload
from fairing.config.options import options
from fairing.spec import BuiltImage, Bundle, Captured, Entry, Report
from fairing_deployers.job import objects

FOLDER = Path(__file__).parent / "manifests"
NAME = "train-0f1e2d3c"
ENTRY = Entry("function", "entry.pkl", "00" * 32, "train")
CAPTURED = Captured(Bundle(ENTRY, (), (), (), "3.11.7"), (), Report("train", "function"))
REGISTRY = "registry.example.com/team/runs@sha256:" + "00" * 32


@dataclass(frozen=True)
class Family:
    """Options that belong together.

    Attributes:
        options: As a person gives them.
        level: The strictest Pod Security Standard that admits such a pod.
        unproven: What has to be there for it to run, and is not in the cluster of the tests.
        platforms: What the image was made for.
    """

    options: dict[str, Any]
    level: str = "restricted"
    unproven: str = ""
    platforms: tuple[str, ...] = field(default=("linux/amd64",))


def security(template: dict[str, Any]) -> dict[str, Any]:
    """Give the pod a folder for what it keeps between containers, as somebody's own function would."""
    template["spec"]["volumes"].append({"name": "models", "emptyDir": {}})
    return template


FAMILIES = {
    "plain": Family({}),
    "resources": Family({"cpu": 2, "memory": "4Gi", "storage": "20Gi"}),
    "job": Family(
        {
            "retries": 3,
            "timeout": 3600,
            "start_timeout": 900,
            "grace": 30,
            "ttl": 86400,
            "suspend": True,
            "labels": {"team": "vision", "example.com/cost": "7"},
            "annotations": {"example.com/why": "a test"},
            "env": {"DEPTH": "8", "DOLLAR": "$(HOME)"},
        }
    ),
    "workers": Family({"workers": 4, "cpu": 1}),
    "gpus": Family({"gpus": 2}, unproven="NVIDIA's device plugin"),
    "gpus-of-a-kind": Family({"gpus": "a100-80gb:2"}, unproven="GPUs, and the labels of their nodes"),
    "gpus-of-amd": Family({"gpus": "mi300x:8"}, unproven="AMD's device plugin and node labeller"),
    "gpus-of-intel": Family({"gpus": "gpu.intel.com/xe:1"}, unproven="Intel's device plugin"),
    "gpu-part": Family({"resources": {"nvidia.com/mig-1g.5gb": 1}}, unproven="NVIDIA's device plugin"),
    "tpu-of-one-host": Family({"tpu": "v5e:2x4"}, unproven="TPUs of GKE"),
    "tpu-of-several-hosts": Family({"tpu": "v5p:2x2x4"}, unproven="TPUs of GKE"),
    "placement": Family(
        {
            "node_selector": {"disk": "ssd"},
            "tolerations": [
                "gpu=yes:NoSchedule",
                "spot",
                {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": 30},
            ],
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
                        ]
                    }
                },
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "weight": 10,
                            "podAffinityTerm": {
                                "topologyKey": "kubernetes.io/hostname",
                                "labelSelector": {"matchLabels": {"team": "vision"}},
                            },
                        }
                    ]
                },
            },
            "priority_class": "vision-high",
        },
        platforms=("linux/amd64", "linux/arm64"),
    ),
    "queue": Family({"queue": "vision"}, unproven="Kueue"),
    "identity": Family({"service_account": "trainer", "pull_secrets": ["registry", "mirror"]}),
    "volumes": Family(
        {
            "volumes": {
                "/data": "pvc:data",
                "/models": "pvc:shared/models:ro",
                "/scratch": "emptydir:10Gi",
                "/dev/shm": "memory:1Gi",
                "/etc/train": "configmap:train",
                "/etc/one.yaml": "configmap:train/one.yaml",
                "/etc/keys": "secret:keys",
                "/cache": {
                    "ephemeral": {
                        "volumeClaimTemplate": {
                            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
                        }
                    }
                },
            }
        }
    ),
    "volumes-of-the-node": Family({"volumes": {"/data": "host:/mnt/data:ro"}}, level="privileged"),
    "volumes-of-nfs": Family(
        {"volumes": {"/data": "nfs:files.example.com:/export"}}, level="baseline", unproven="an NFS server"
    ),
    "volumes-of-csi": Family(
        {
            "volumes": {
                "/bucket": {
                    "csi": {"driver": "gcsfuse.csi.storage.gke.io", "volumeAttributes": {"bucketName": "runs"}},
                    "readOnly": True,
                }
            }
        },
        unproven="a driver of CSI",
    ),
    "secrets": Family(
        {
            "secrets": {
                "API_KEY": "API_KEY",
                "/run/keys/api": "API_KEY",
                "TOKEN": "secret:service/token",
                "/run/keys/token": "secret:service/token",
            }
        }
    ),
    "secrets-whole": Family({"secrets": ["secret:service"]}),
    "pod-patch": Family(
        {
            "pod": {
                "metadata": {"annotations": {"example.com/patched": "yes"}},
                "spec": {
                    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["store"]}],
                    "containers": [
                        {
                            "name": "fairing",
                            "env": [{"name": "ADDED", "value": "1"}],
                            "volumeMounts": [{"name": "kept", "mountPath": "/kept"}],
                            "securityContext": {"readOnlyRootFilesystem": True},
                        }
                    ],
                    "volumes": [{"name": "kept", "emptyDir": {}}],
                },
            }
        }
    ),
    "pod-function": Family({"pod": security}),
}


def made(name: str) -> dict[str, Any]:
    """Return a family's Job."""
    family = FAMILIES[name]
    image = BuiltImage("sha256:" + "00" * 32, ENTRY, "3.11.7", ref=REGISTRY, platforms=family.platforms)
    return objects.manifest(NAME, image, workload(CAPTURED, options(family.options)), [NAME], [])


def written(name: str) -> str:
    """Return a family's manifest, with what it is proven by."""
    family = FAMILIES[name]
    proof = f"a server-side dry run in a namespace that enforces {family.level}"
    proof += f", and by nothing else: the cluster of the tests has not {family.unproven}" if family.unproven else ""
    said = "\n".join(f"#   {key}={getattr(value, '__name__', repr(value))}" for key, value in family.options.items())
    return f"# Proven by {proof}.\n# Options:\n{said or '#   none'}\n" + yaml.safe_dump(made(name), sort_keys=False)


def main() -> None:
    """Write every manifest; those of families that are gone are removed."""
    for path in FOLDER.glob("*.yaml"):
        path.unlink()
    FOLDER.mkdir(exist_ok=True)
    for name in FAMILIES:
        (FOLDER / f"{name}.yaml").write_text(written(name))


if __name__ == "__main__":
    import os

    os.environ.setdefault("API_KEY", "any")
    main()
