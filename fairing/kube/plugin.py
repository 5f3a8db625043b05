"""Asks a credential plugin of a kubeconfig who the user is.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairing.errors import AccessError


def ask(said: Mapping[str, Any], folder: str, cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a credential plugin who the user is.

    Args:
        said: What a kubeconfig says of it.
        folder: The folder of that file.
        cluster: What it says of the cluster.

    Returns:
        What it gives: ``token``, ``clientCertificateData`` and ``clientKeyData``, ``expirationTimestamp``.

    Raises:
        AccessError: It is not there, or fails, or gives nothing.
    """
    version, command = said["apiVersion"], str(said["command"])
    spec: dict[str, Any] = {"interactive": False}
    if said.get("provideClusterInfo"):
        spec["cluster"] = _told(cluster)
    asked = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    variables = {each["name"]: str(each["value"]) for each in said.get("env") or ()}
    # with a separator it is a path beside the kubeconfig, as kubectl has it; without, a program of the PATH
    program = str(Path(folder, command)) if os.sep in command else command
    try:
        done = subprocess.run(
            [program, *map(str, said.get("args") or ())],
            env={**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as missing:
        raise _failed(command, f"{missing.strerror or missing}.", str(said.get("installHint") or "")) from missing
    if done.returncode:
        told = done.stderr.strip().splitlines()
        raise _failed(command, told[-1] if told else f"It ended with code {done.returncode}.")
    try:
        given = json.loads(done.stdout)["status"]
        if not given.keys() & {"token", "clientCertificateData"}:
            raise KeyError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _failed(command, "It gives no credentials.") from None
    return dict(given)


def _told(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plugin is told of a cluster."""
    names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
    told = {name: cluster[name] for name in names if name in cluster}
    for each in cluster.get("extensions") or ():
        if each["name"] == "client.authentication.k8s.io/exec":
            told["config"] = each["extension"]
    return told


def _failed(command: str, why: str, hint: str = "") -> AccessError:
    return AccessError(
        f"Your kubeconfig's credential plugin {command.rpartition(os.sep)[2]} fails.",
        why=why if why.endswith(".") else f"{why}.",
        fix=" ".join(hint.split()) or "Log in again, as you do for kubectl, or choose another context=.",
    )
