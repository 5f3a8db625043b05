"""The cluster that other tests run on is a real one: what it runs, refuses and kills, and that it comes back."""

import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest
import yaml

from tests.cluster import pods, rights
from tests.cluster.fixtures import await_event, connected

ROOT = Path(__file__).parents[2]
RESTARTS = pytest.mark.restarts_cluster


@pytest.fixture
def core(api):
    from kubernetes import client

    return client.CoreV1Api(api)


@pytest.fixture
def editor(default_editor, cluster):
    """A client with the rights of a notebook on Kubeflow."""
    with connected(cluster, default_editor) as client:
        yield client


def refused(call, *arguments):
    """The message of the API server's refusal."""
    from kubernetes.client import ApiException

    with pytest.raises(ApiException) as caught:
        call(*arguments)
    assert caught.value.status == 403, caught.value.body
    return json.loads(caught.value.body)["message"]


def log(core, namespace, name="pod"):
    return core.read_namespaced_pod_log(name, namespace)


def test_a_pod_runs_the_registrys_python_under_the_restricted_profile(api, core, namespace, cluster):
    script = "import os, sys; print(os.getuid(), *sys.version_info[:2])"
    found = pods.finished(api, namespace, pods.pod(cluster.image, "python3", "-c", script))
    assert found.status.phase == "Succeeded"
    user, major, _ = log(core, namespace).split()
    assert (user, major) == ("1000", "3")


def test_a_pod_that_may_become_root_is_refused(core, namespace, cluster):
    body = pods.pod(cluster.image, "true")
    body["spec"]["containers"][0]["securityContext"] = {}
    assert 'violates PodSecurity "restricted' in refused(core.create_namespaced_pod, namespace, body)


def test_a_memory_limit_kills(api, namespace, cluster):
    body = pods.pod(cluster.image, "python3", "-c", "bytearray(300 << 20)", limits={"memory": "32Mi"})
    (container,) = pods.finished(api, namespace, body).status.container_statuses
    assert (container.state.terminated.reason, container.state.terminated.exit_code) == ("OOMKilled", 137)


def test_a_user_without_a_role_is_refused(api, namespace, cluster, tmp_path):
    from kubernetes import client

    rights.account(api, namespace, "nobody")
    file = rights.kubeconfig(cluster, api, namespace, "nobody", tmp_path)
    with connected(cluster, file) as nobody:
        told = refused(client.CoreV1Api(nobody).list_namespaced_pod, namespace)
    assert f"system:serviceaccount:{namespace}:nobody" in told


def test_a_default_editor_runs_a_job(editor, namespace, cluster):
    from kubernetes import client

    batch = client.BatchV1Api(editor)
    template = pods.pod(cluster.image, "python3", "-c", "print('done')")
    batch.create_namespaced_job(
        namespace, {"metadata": {"name": "job"}, "spec": {"template": {"spec": template["spec"]}, "backoffLimit": 0}}
    )
    job = await_event(lambda job: job.status.succeeded, batch.list_namespaced_job, namespace)
    assert job.metadata.name == "job"


def test_a_default_editor_keeps_secrets_and_executes_in_pods(editor, namespace, cluster):
    from kubernetes import client

    core = client.CoreV1Api(editor)
    core.create_namespaced_secret(namespace, {"metadata": {"name": "key"}, "stringData": {"key": "value"}})
    assert core.read_namespaced_secret("key", namespace).data == {"key": b64encode(b"value").decode()}
    pods.started(editor, namespace, pods.pod(cluster.image, "sleep", "600"))
    assert pods.execute(editor, namespace, "python3", "-c", "print(6 * 7)") == "42\n"


def test_a_default_editor_lists_no_nodes_and_makes_no_jobset(editor, namespace):
    from kubernetes import client

    assert "nodes" in refused(client.CoreV1Api(editor).list_node)
    jobset = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": "set"}}
    make = client.CustomObjectsApi(editor).create_namespaced_custom_object
    assert "jobsets" in refused(make, "jobset.x-k8s.io", "v1alpha2", namespace, "jobsets", jobset)


@pytest.mark.parametrize(
    ("verb", "group", "resource", "allowed"),
    [
        ("patch", "batch", "jobs", True),
        ("get", "", "pods/log", True),
        ("list", "", "resourcequotas", True),
        ("create", "", "persistentvolumeclaims", True),
        ("create", "kubeflow.org", "pytorchjobs", True),
        ("patch", "trainer.kubeflow.org", "trainjobs", True),
        ("update", "trainer.kubeflow.org", "trainjobs", False),
        ("create", "trainer.kubeflow.org", "trainingruntimes", False),
        ("update", "serving.kserve.io", "inferenceservices", True),
        ("create", "", "events", False),
        ("create", "", "serviceaccounts/token", False),
        ("get", "coordination.k8s.io", "leases", False),
        ("create", "rbac.authorization.k8s.io", "rolebindings", False),
        ("list", "kueue.x-k8s.io", "localqueues", False),
    ],
)
def test_a_default_editor_may_do_what_a_profile_of_kubeflow_lets_it(editor, namespace, verb, group, resource, allowed):
    from kubernetes import client

    kind, _, part = resource.partition("/")
    asked = {"namespace": namespace, "verb": verb, "group": group, "resource": kind, "subresource": part}
    review = client.AuthorizationV1Api(editor).create_self_subject_access_review(
        {"spec": {"resourceAttributes": asked}}
    )
    assert bool(review.status.allowed) is allowed


def test_the_secure_registry_wants_a_password_and_shows_its_authoritys_certificate(secure_registry):
    context = ssl.create_default_context(cafile=str(secure_registry.authority))
    request = urllib.request.Request(f"https://{secure_registry.name}/v2/")
    with pytest.raises(urllib.error.HTTPError, match="401") as caught:
        urllib.request.urlopen(request, context=context)
    caught.value.close()
    password = f"{secure_registry.user}:{secure_registry.password}"
    request.add_header("Authorization", f"Basic {b64encode(password.encode()).decode()}")
    with urllib.request.urlopen(request, context=context) as answer:
        assert answer.status == 200


def test_up_on_a_running_cluster_changes_nothing(script, core, namespace):
    def seen():
        everything = {found.metadata.name: found.metadata.uid for found in core.list_namespace().items}
        return everything["kube-system"], everything[namespace], running(script)

    before = seen()
    script("up", "--secure-registry")
    assert seen() == before


def running(script):
    """The process of each program of the cluster."""
    words = [line.split() for line in script("status").splitlines()]
    return {line[0]: line[2] for line in words if line[1:2] == ["pid"]}


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_what_restarts_the_cluster_runs_last_in_whatever_order_the_rest_does(tmp_path, seed):
    for name in ("early", "late"):
        (tmp_path / f"test_{name}.py").write_text(
            "import pytest\n"
            "@pytest.mark.restarts_cluster\n"
            f"def test_{name}_restart(): pass\n"
            f"def test_{name}_one(): pass\n"
            f"def test_{name}_two(): pass\n"
        )
    options = ["-p", "tests.cluster.fixtures", "-p", "no:cacheprovider", f"--randomly-seed={seed}"]
    command = [sys.executable, "-m", "pytest", *options, "--rootdir", tmp_path, "--collect-only", "-q", tmp_path]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    names = [line.rpartition("::")[2] for line in ran.stdout.splitlines() if "::" in line]
    assert len(names) == 6, ran.stdout + ran.stderr
    assert all("restart" in name for name in names[4:])


def test_what_uses_the_cluster_through_whatever_fixture_is_marked_by_itself(tmp_path):
    (tmp_path / "test_marks.py").write_text(
        "import pytest\n"
        "@pytest.fixture\n"
        "def through(namespace): pass\n"
        "def test_direct(cluster): pass\n"
        "def test_indirect(through): pass\n"
        "def test_neither(tmp_path): pass\n"
    )
    options = ["-p", "tests.cluster.fixtures", "-p", "no:cacheprovider", "-m", "cluster"]
    command = [sys.executable, "-m", "pytest", *options, "--rootdir", tmp_path, "--collect-only", "-q", tmp_path]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    names = {line.rpartition("::")[2] for line in ran.stdout.splitlines() if "::" in line}
    assert names == {"test_direct", "test_indirect"}, ran.stdout + ran.stderr


def test_a_context_that_is_named_sends_the_same_tests_to_its_cluster(script, cluster, tmp_path):
    """To this one, by another name of it, and by that of its registry that is true in pods as well."""
    config = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    config["contexts"] = [{**each, "name": "elsewhere"} for each in config["contexts"]]
    config["current-context"] = "nowhere"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    rules = tmp_path / "fairing" / "config.toml"
    rules.parent.mkdir()
    rules.write_text(f'[registries."{cluster.registry_in_pods}"]\ninsecure = true\n')
    env = {
        **os.environ,
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "XDG_CONFIG_HOME": str(tmp_path),
        "FAIRING_TEST_CONTEXT": "elsewhere",
        "FAIRING_TEST_REGISTRY": cluster.registry_in_pods,
        "FAIRING_TEST_IMAGE": cluster.image.replace(cluster.registry, cluster.registry_in_pods),
        "CI": "true",  # nothing is skipped
    }
    walks = "tests/walks/test_walks.py::test_a_function_goes_out_and_its_output_value_and_files_come_back"
    doctor = "tests/kube/test_doctor.py::test_a_cluster_that_will_do_says_which_it_is_and_who_is_asking"
    own = "test_up_on_a_running_cluster_changes_nothing"  # needs a script of this machine's
    chosen = [walks, doctor, f"tests/cluster/test_cluster.py::{own}"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env)
    assert "3 passed, 1 deselected" in ran.stdout, ran.stdout[-3000:]


@RESTARTS
def test_the_api_server_comes_back_with_what_it_knew(script, core, namespace):
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "kept"}, "data": {"a": "b"}})
    before = running(script)
    script("program", "kill", "kube-apiserver")
    script("program", "start", "kube-apiserver")
    assert core.read_namespaced_config_map("kept", namespace).data == {"a": "b"}
    after = running(script)
    assert {name for name in after if after[name] != before[name]} == {"kube-apiserver"}


@RESTARTS
def test_a_pod_outlives_the_kubelet(script, api, core, namespace, cluster):
    body = pods.pod(cluster.image, "sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done; echo went on")
    pods.started(api, namespace, body)
    script("program", "kill", "kubelet")
    script("program", "start", "kubelet")
    assert pods.execute(api, namespace, "touch", "/tmp/go") == ""
    found = await_event(lambda pod: pod.status.phase == "Succeeded", core.list_namespaced_pod, namespace)
    assert found.status.container_statuses[0].restart_count == 0
    assert log(core, namespace) == "went on\n"


@RESTARTS
def test_half_a_cluster_is_cleared_away_and_made_anew(script, api, core, namespace, cluster):
    script("program", "kill", "etcd", "kube-scheduler")
    script("up", "--secure-registry")
    names = [found.metadata.name for found in core.list_namespace().items]
    assert "kube-system" in names and namespace not in names


@RESTARTS
def test_down_and_up_make_a_new_cluster_that_works(script, api, core, namespace, cluster):
    def identity():
        return core.read_namespace("kube-system").metadata.uid

    before = identity()
    script("down")
    assert not [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "fairing-cluster/" in line]
    script("up", "--secure-registry")
    assert identity() != before
    core.create_namespace({"metadata": {"name": namespace}})
    found = pods.finished(api, namespace, pods.pod(cluster.image, "python3", "-c", "print('again')"))
    assert found.status.phase == "Succeeded"
