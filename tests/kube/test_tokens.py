"""Tokens that last for a shorter time than what they are used for."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

import fairing
from fairing.errors import AccessError
from fairing.events import Lost, Text
from fairing.kube import recent
from fairing.kube.connection import connect
from fairing.kube.execute import Output
from fairing.kube.pods import CONTAINER
from fairing.runtime.pod import WORK
from tests.conftest import missing
from tests.kube import places
from tests.kube.relays import Gateway

PLUGIN = Path(__file__).with_name("plugin.py")
ACCOUNT = "default-editor"


@contextmanager
def asked(cluster, api, editor, namespace, folder, monkeypatch, seconds=0):
    """Go to the cluster as whom a plugin says, by a gateway that sees it."""
    said = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(PLUGIN), str(folder), namespace, ACCOUNT, str(seconds)],
        "env": [{"name": "KUBECONFIG", "value": cluster.kubeconfig}],
        "interactiveMode": "Never",
    }
    with Gateway(api.configuration.host, api.configuration.ssl_ca_cert) as gateway:
        file = places.kubeconfig(editor, folder / "plugin", user={"exec": said}, server=gateway.url)
        monkeypatch.setenv("KUBECONFIG", file)
        yield gateway


def revoke(cluster, api, namespace, folder):
    """Take back the tokens that were given, and wait until the API server has noticed."""
    admin = connect(cluster.context, namespace)
    given = list(folder.glob("*.token"))
    for each in given:
        admin.delete(f"/api/v1/namespaces/{namespace}/secrets/{each.stem}")
    for each in given:
        await_refused(api, each.read_text())
        each.rename(each.with_suffix(".revoked"))


def await_refused(api, token):
    """Wait until a token is worth nothing: the API server remembers for some seconds what one is worth."""
    settings = api.configuration
    with urllib3.PoolManager(ca_certs=settings.ssl_ca_cert) as pool:
        end = time.monotonic() + 60
        while pool.request("GET", f"{settings.host}/api", headers={"Authorization": f"Bearer {token}"}).status != 401:
            assert time.monotonic() < end, "the token is still worth something"


def test_a_run_is_followed_through_the_expiry_of_many_tokens_of_a_credential_plugin(
    there, cluster, api, default_editor, tmp_path, monkeypatch
):
    with asked(cluster, api, default_editor, there, tmp_path, monkeypatch, seconds=5) as gateway:

        def numbered():
            number = 0
            while not Path("stop").exists():
                print("line", number, flush=True)
                number += 1
                time.sleep(0.2)

        job = fairing.submit(numbered)
        began, lines, losses, cut, stopped = len(gateway.requests), [], [], 0, False
        for event in job.events():
            losses += [event] if isinstance(event, Lost) else []
            lines += event.text.splitlines() if isinstance(event, Text) else []
            used = {request.headers["authorization"] for request in gateway.requests[began:]}
            if len(lines) >= cut + 10:
                cut = len(lines)
                if len(used) > 2 and not stopped:
                    reached = connect(cluster.context, there)
                    stop(reached, only_pod(reached))
                    stopped = True
                gateway.cut()  # what is open already is not asked again who it is
    assert lines == [f"line {number}" for number in range(len(lines))] and losses == []
    assert len(list(tmp_path.glob("*.revoked"))) >= 2


def only_pod(reached):
    (pod,) = reached.get(f"/api/v1/namespaces/{reached.namespace}/pods")["items"]
    return f"/api/v1/namespaces/{reached.namespace}/pods/{pod['metadata']['name']}"


def stop(reached, pod):
    """Tell a run to come to its end."""
    for _ in Output(reached, pod, CONTAINER, ["touch", f"{WORK}/stop"]):
        pass


def test_a_token_that_is_taken_back_before_its_time_is_replaced_while_a_run_is_followed(
    there, cluster, api, default_editor, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch, asked(cluster, api, default_editor, there, tmp_path, patch) as gateway:

        def waits():
            while not Path("stop").exists():
                print("waiting", flush=True)
                time.sleep(0.2)
            print("stopped")

        job = fairing.submit(waits)
        recent.forget(connect(cluster.context, there).login)  # who follows would renew the same one first
        reached = connect(cluster.context, there)
        recent.forget(reached.login)
        events = job.events()
        while not isinstance(next(events), Text):
            pass
        pod = only_pod(reached)
        with monkeypatch.context() as again:
            again.setenv("KUBECONFIG", cluster.kubeconfig)
            revoke(cluster, api, there, tmp_path)
        before = len(gateway.requests)
        gateway.cut()
        stop(reached, pod)
        text = "".join(event.text for event in events if isinstance(event, Text))
        statuses = {request.path.rpartition("/")[2][:4]: request.status for request in gateway.requests[before:][::-1]}
    assert text.endswith("waiting\nstopped\n")
    assert statuses["exec"] == 401 and 401 in statuses.values()  # the first of each kind


def test_a_credential_plugin_that_fails_says_why(there, default_editor, tmp_path, monkeypatch):
    said = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", "import sys; sys.exit('your session has expired: run sso login')"],
    }
    monkeypatch.setenv("KUBECONFIG", places.kubeconfig(default_editor, tmp_path / "config", user={"exec": said}))
    with pytest.raises(
        AccessError, match=r"credential plugin python\S* fails\. your session has expired: run sso login"
    ):
        fairing.jobs(target="cluster")


IN_POD = """
mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount &&
mount --bind "$1" /run/secrets/kubernetes.io/serviceaccount && exec "$2" -c "$3"
"""
ASKS = """
import sys
from fairing.kube import recent
from fairing.kube.connection import connect
reached = connect()
for line in sys.stdin:
    reached.get(f"/api/v1/namespaces/{reached.namespace}/pods")
    print(reached.context, reached.namespace, flush=True)
"""


def test_the_token_of_a_pod_is_read_again_when_it_has_been_rotated(there, cluster, api, default_editor, tmp_path):
    private = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*private, "mount", "-t", "tmpfs", "none", "/run"], capture_output=True).returncode:
        missing("no mount namespace can be made")
    given, issued = tmp_path / "given", tmp_path / "issued"
    issued.mkdir()
    given.mkdir()
    (given / "namespace").write_text(there)
    (given / "ca.crt").write_bytes(Path(api.configuration.ssl_ca_cert).read_bytes())
    issue = [sys.executable, PLUGIN, issued, there, ACCOUNT, "600"]
    server = urlsplit(api.configuration.host)
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    env |= {
        "HOME": str(tmp_path),
        "KUBERNETES_SERVICE_HOST": server.hostname,
        "KUBERNETES_SERVICE_PORT": str(server.port),
    }

    def rotate():
        subprocess.run(issue, check=True, capture_output=True)
        (token,) = issued.glob("*.token")
        (given / "token").write_text(token.read_text())
        return token.read_text()

    first = rotate()
    command = [*private, "sh", "-c", IN_POD, "sh", given, sys.executable, ASKS]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for turn in range(2):
            process.stdin.write("ask\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"in-cluster {there}\n"
            if not turn:
                rotate()
                await_refused(api, first)
        process.stdin.close()
        assert process.wait() == 0
