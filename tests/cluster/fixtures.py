"""The cluster that tests run on, as fixtures of pytest: this machine's own, or any other that the user can reach.

``FAIRING_TEST_CONTEXT`` names a context of the user's kubeconfig, ``FAIRING_TEST_REGISTRY`` a registry that machine and
cluster reach by one name, ``FAIRING_TEST_IMAGE`` a Python image there. Tests that end programs of the cluster, or need
what only this machine's has, are then left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import pytest

HERE = Path(__file__).parent
# As it was before a test's home of its own took fairing's variables away: the scripts have some of these names too.
ENVIRONMENT = dict(os.environ)
CONTEXT = ENVIRONMENT.get("FAIRING_TEST_CONTEXT")
STATE = Path(ENVIRONMENT.get("FAIRING_CLUSTER_STATE", "/var/lib/fairing-cluster"))
MARK = "restarts_cluster"


@dataclass(frozen=True)
class Cluster:
    """A cluster, a registry that it pulls from, and Python images that are there.

    Attributes:
        context: The name of its context.
        kubeconfig: A file, or several with the system's separator, as in ``KUBECONFIG``. Its user may do everything.
        registry: The registry's name for this machine and the node, such as ``localhost:5000``. No credentials.
        registry_in_pods: Its name inside of pods.
        image: A Python image of that registry, with its name for the node.
        images: All the Python images there are, ``image`` first.
    """

    context: str
    kubeconfig: str
    registry: str
    registry_in_pods: str
    image: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class SecureRegistry:
    """A registry with TLS of an authority of its own, and a password."""

    name: str
    user: str
    password: str
    authority: Path


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "cluster: runs on the cluster, whose images have Pythons of their own")
    config.addinivalue_line("markers", f"{MARK}: ends or starts programs of the cluster; runs last, and alone")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what uses the cluster, directly or through other fixtures: nobody has to think of it."""
    if "cluster" in getattr(item, "fixturenames", ()) or item.get_closest_marker(MARK):
        item.add_marker(pytest.mark.cluster)


@pytest.hookimpl(trylast=True)  # whoever shuffles has done so
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what restarts the cluster last; leave out what only this machine's own can be asked for."""
    for item in items:
        if item.get_closest_marker(MARK) and "alone" not in item.fixturenames:  # type: ignore[attr-defined]
            item.fixturenames.insert(0, "alone")  # type: ignore[attr-defined]
    items.sort(key=lambda item: item.get_closest_marker(MARK) is not None)
    if CONTEXT:
        own = [item for item in items if {"script", "alone"} & set(item.fixturenames)]  # type: ignore[attr-defined]
        items[:] = [item for item in items if item not in own]
        config.hook.pytest_deselected(items=own)


@pytest.fixture(scope="session")
def cluster(users_of_the_cluster) -> Cluster:
    """The cluster of ``FAIRING_TEST_CONTEXT``, else this machine's, which is brought up where that takes seconds."""
    return _another() if CONTEXT else _this_machines()


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Any]:
    """A ``kubernetes.client.ApiClient`` that may do everything."""
    with connected(cluster, cluster.kubeconfig) as client:
        yield client


@pytest.fixture
def namespace(api) -> Iterator[str]:
    """A namespace of the test's own, which enforces the restricted Pod Security profile."""
    with made_namespace(api) as name:
        yield name


@pytest.fixture(scope="session")
def shared_namespace(api) -> Iterator[str]:
    """Such a namespace for tests that look at the same runs."""
    with made_namespace(api) as name:
        yield name


@pytest.fixture
def default_editor(cluster: Cluster, api, namespace: str, tmp_path: Path) -> str:
    """A kubeconfig of the service account ``default-editor``, with the rights that it has in a profile of Kubeflow."""
    from tests.cluster import rights

    rights.have_kubeflow_roles(api)
    rights.account(api, namespace, "default-editor", role="kubeflow-edit")
    rights.await_right(api, namespace, "default-editor", "create", "batch", "jobs")
    return rights.kubeconfig(cluster, api, namespace, "default-editor", tmp_path)


@pytest.fixture(scope="session")
def script(cluster: Cluster) -> Callable[..., str]:
    """Run a script of this folder, as in ``script("program", "kill", "kubelet")``; this machine's cluster only."""
    return _script


@pytest.fixture
def alone(script, users_of_the_cluster: IO[str]) -> Iterator[None]:
    """Wait until no other test run on this machine uses the cluster, and leave one that works."""
    import fcntl

    fcntl.flock(users_of_the_cluster, fcntl.LOCK_EX)
    yield
    script("up", "--secure-registry")
    fcntl.flock(users_of_the_cluster, fcntl.LOCK_SH)


@pytest.fixture(scope="session")
def secure_registry(script) -> SecureRegistry:
    """The registry that wants a password, from here and from the node."""
    return SecureRegistry("localhost:5443", "fairing", "fairing", STATE / "pki" / "ca.crt")


@pytest.fixture(scope="session")
def users_of_the_cluster(tmp_path_factory) -> Iterator[IO[str]]:
    """A file that every test run on this machine has a shared lock of, as long as it may use the cluster."""
    if CONTEXT or sys.platform != "linux" or os.geteuid():
        with (tmp_path_factory.mktemp("cluster") / "users").open("w") as file:
            yield file
        return
    import fcntl

    with Path("/run/fairing-cluster.users").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield file


@contextmanager
def made_namespace(api: Any) -> Iterator[str]:
    """A namespace that enforces the restricted Pod Security profile, for as long as it takes."""
    from kubernetes import client

    core = client.CoreV1Api(api)
    name = f"test-{uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    core.create_namespace({"metadata": {"name": name, "labels": labels}})
    # until then pods are refused
    await_event(
        lambda account: True, core.list_namespaced_service_account, name, field_selector="metadata.name=default"
    )
    try:
        yield name
    finally:
        try:
            core.delete_namespace(name)
        except client.ApiException as error:
            if error.status != 404:  # the test made a new cluster, or deleted it
                raise


@contextmanager
def connected(cluster: Cluster, kubeconfig: str) -> Iterator[Any]:
    """A ``kubernetes.client.ApiClient`` of one of the cluster's users, which leaves no connection behind."""
    from kubernetes import config

    with config.new_client_from_config(kubeconfig, cluster.context) as client:
        yield client
        client.rest_client.pool_manager.clear()  # its own close() leaves that to chance


def await_event(right: Callable[[Any], object], listing: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Watch a list until one of its objects is right, and return that object; a minute at most."""
    from kubernetes import watch

    watching = watch.Watch()
    end = time.monotonic() + 60
    while time.monotonic() < end:  # a server ends a watch when it likes
        left = int(end - time.monotonic()) + 1
        with closing(watching.stream(listing, *arguments, timeout_seconds=left, **options)) as events:
            for event in events:
                if right(event["object"]):
                    return event["object"]
    pytest.fail(f"{listing.__name__} {options.get('field_selector', '')}: nothing right in a minute")


def _another() -> Cluster:
    from tests.conftest import missing

    for name in ("FAIRING_TEST_REGISTRY", "FAIRING_TEST_IMAGE"):
        if not ENVIRONMENT.get(name):
            missing(f"FAIRING_TEST_CONTEXT is set, and {name} is not")
    registry, image = ENVIRONMENT["FAIRING_TEST_REGISTRY"], ENVIRONMENT["FAIRING_TEST_IMAGE"]
    kubeconfig = ENVIRONMENT.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    return Cluster(str(CONTEXT), kubeconfig, registry, registry, image, (image,))


def _this_machines() -> Cluster:
    from tests.conftest import missing

    if sys.platform != "linux" or os.geteuid():
        missing("a cluster on this machine needs Linux and root; FAIRING_TEST_CONTEXT names another one")
    if subprocess.run([HERE / "build", "--cached"], env=ENVIRONMENT, capture_output=True).returncode:
        missing("there is no cluster, and its programs are not compiled yet: make cluster")
    _script("up", "--secure-registry")
    registry = "localhost:5000"
    here = f"python:{sys.version_info.major}.{sys.version_info.minor}-"
    named = [f"{registry}/python:{tag}" for tag in _tags(registry, "python")]
    images = tuple(
        sorted(named, key=lambda image: here not in image)
    )  # what this Python captures runs in its own first
    return Cluster("fairing", str(STATE / "kubeconfig"), registry, "registry.test:5000", images[0], images)


def _script(name: str, *words: str) -> str:
    done = subprocess.run([HERE / name, *words], env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{name} {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def _tags(registry: str, name: str) -> list[str]:
    import json
    from urllib.request import urlopen

    with urlopen(f"http://{registry}/v2/{name}/tags/list") as answer:
        return sorted(json.load(answer)["tags"])
