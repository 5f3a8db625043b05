"""Users with limited rights: service accounts, bound to a role, with a kubeconfig each."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from tests.cluster.fixtures import Cluster, await_event

ROLES = Path(__file__).parent / "config" / "kubeflow-roles.yaml"


def have_kubeflow_roles(api: Any) -> None:
    """Make Kubeflow's roles, unless the cluster has them: one with Kubeflow has its own, and keeps them as they are."""
    rbac = client.RbacAuthorizationV1Api(api)
    if rbac.list_cluster_role(field_selector="metadata.name=kubeflow-edit").items:
        return
    documents = list(yaml.safe_load_all(ROLES.read_text()))
    for role in documents:
        try:
            rbac.create_cluster_role(role)
        except client.ApiException as error:
            if error.status != 409:  # another test run was first
                raise
    # the sum is made by a controller, a moment later
    wanted = {group for role in documents for rule in role.get("rules", ()) for group in rule["apiGroups"]}
    await_event(
        lambda role: wanted <= {group for rule in role.rules or () for group in rule.api_groups},
        rbac.list_cluster_role,
        field_selector="metadata.name=kubeflow-edit",
    )


def account(api: Any, namespace: str, name: str, role: str | None = None) -> None:
    """Make a service account; with a ClusterRole it has those rights in its namespace, else none."""
    client.CoreV1Api(api).create_namespaced_service_account(namespace, {"metadata": {"name": name}})
    if role is None:
        return
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    client.RbacAuthorizationV1Api(api).create_namespaced_role_binding(namespace, binding)


def await_right(api: Any, namespace: str, name: str, verb: str, group: str, resource: str) -> None:
    """Wait until a service account may do something: the API server notices a new binding a moment after it is made."""
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": resource}
    review = {"spec": {"user": f"system:serviceaccount:{namespace}:{name}", "resourceAttributes": attributes}}
    end = time.monotonic() + 60
    while not client.AuthorizationV1Api(api).create_subject_access_review(review).status.allowed:
        assert time.monotonic() < end, f"{name} may still not {verb} {resource}"


def kubeconfig(cluster: Cluster, api: Any, namespace: str, name: str, folder: Path) -> str:
    """Write the kubeconfig of a service account, with a token for an hour; its context has the cluster's name."""
    asked = {"spec": {"expirationSeconds": 3600, "audiences": None}}
    answer = client.CoreV1Api(api).create_namespaced_service_account_token(name, namespace, asked)
    server = {"server": api.configuration.host}
    if api.configuration.ssl_ca_cert:
        authority = Path(api.configuration.ssl_ca_cert).read_bytes()
        server["certificate-authority-data"] = base64.b64encode(authority).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster.context,
        "clusters": [{"name": "cluster", "cluster": server}],
        "users": [{"name": name, "user": {"token": answer.status.token}}],
        "contexts": [
            {"name": cluster.context, "context": {"cluster": "cluster", "user": name, "namespace": namespace}}
        ],
    }
    file = folder / f"{name}.kubeconfig"
    file.touch(0o600)
    file.write_text(json.dumps(document))
    return str(file)
