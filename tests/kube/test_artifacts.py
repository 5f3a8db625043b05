"""What a run leaves is kept in a store, for whoever comes when its pods are long gone."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

import fairing
from fairing.errors import ConfigError
from fairing.kube.connection import connect
from fairing.kube.watch import Watch
from tests.kube.test_job import objects
from tests.kube.test_results import FIGURE, LARGE, MODEL, drawn, figure_of, lost, octets, without_exec  # noqa: F401

NODE = "10.97.0.1"
LATER = """
import hashlib, sys, fairing
job = fairing.attach(sys.argv[1])
print(hashlib.sha256(job.result(trust=True)).hexdigest(), [file.path for file in job.files()])
"""


@pytest.fixture(scope="module")
def s3(cluster, tmp_path_factory):
    """Give the address, for this machine and for pods, of a server that speaks S3 and has a bucket."""
    with socket.socket() as free:
        free.bind((NODE, 0))
        port = free.getsockname()[1]
    with (tmp_path_factory.mktemp("s3") / "log").open("w") as log:
        command = [sys.executable, "-m", "moto.server", "-H", NODE, "-p", str(port)]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _await(NODE, port)
            yield f"http://{NODE}:{port}"
        finally:
            server.terminate()
            server.wait()


@pytest.fixture
def bucket(s3, there, monkeypatch):
    """Let runs keep what they leave in a bucket; give its file system."""
    import s3fs

    for name, value in {"AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_ENDPOINT_URL": s3}.items():
        monkeypatch.setenv(name, value)
    system = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    system.mkdir(there)
    monkeypatch.setenv("FAIRING_ARTIFACTS", f"s3://{there}/runs")
    monkeypatch.setenv("FAIRING_SECRETS", "AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("FAIRING_ENV", f"AWS_ENDPOINT_URL={s3}")
    monkeypatch.setenv("FAIRING_BUILDER", "append")
    return system


@pytest.fixture
def volume(there):
    """Give the name of a claim of the namespace."""
    claim = {
        "metadata": {"name": "kept"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    connect(namespace=there).post(f"/api/v1/namespaces/{there}/persistentvolumeclaims", claim)
    return "kept"


def _await(host, port):
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < until, "the server does not answer"


def later(job, home, program=LATER):
    """Ask for a run in another process, of somebody who has fetched nothing."""
    command = [sys.executable, "-c", program, str(job.handle)]
    done = subprocess.run(command, env={**os.environ, "FAIRING_HOME": str(home)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


READ = """
import sys, zlib, fairing
from fairing.events import Lost, Text
count = crc = 0
for event in (job := fairing.attach(sys.argv[1])).events():
    if isinstance(event, Text):
        count, crc = count + event.text.count("\\n"), zlib.crc32(event.text.encode(), crc)
    elif isinstance(event, Lost):
        print("lost", event.what)
print(count, crc, job.result(trust=True))
"""


def sha(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()


def leaving(size):
    """Return what leaves files of which one is asked for, and a large value."""

    def work():
        import random

        Path("model.bin").write_bytes(bytes(size))
        Path("note.txt").write_text("small")
        return random.Random(2).randbytes(size)

    return work


def test_a_value_of_any_size_and_files_come_back_from_s3_long_after_the_pod_and_go_with_the_run(
    bucket,
    without_exec,  # noqa: F811
    tmp_path,
):
    job, shown = fairing.submit(leaving(LARGE), outputs=["model.bin"]), fairing.submit(drawn(), (2 * MODEL, 3))
    events = list(shown.events())
    assert figure_of(events) == octets(2 * MODEL, 1) and lost(events) == []
    assert job.result() == octets(LARGE, 2)
    assert lost(job.events()) == []
    assert later(job, tmp_path / "home") == f"{sha(octets(LARGE, 2))} ['model.bin', 'note.txt']"
    (model,) = job.download("model.bin", to=tmp_path)
    assert model.read_bytes() == bytes(LARGE)
    assert len(bucket.ls(f"{without_exec}/runs")) == 2
    job.delete(), shown.delete()
    assert bucket.find(without_exec) == []


def test_what_was_written_while_nobody_listened_is_in_the_store_when_the_pod_is_gone(bucket, there, api, tmp_path):
    from kubernetes import client

    lines, width = 200_000, 270  # 50 MiB and more

    def work():
        for number in range(lines):
            print(f"{number:{width}}")
        return lines

    job = fairing.submit(work)
    reached = connect(namespace=there)
    for _, each in Watch(reached, f"/apis/batch/v1/namespaces/{there}/jobs"):
        if each.get("status", {}).get("succeeded"):
            break
    crc = zlib.crc32("".join(f"{number:{width}}\n" for number in range(lines)).encode())
    whole = f"{lines} {crc} {lines}"
    assert later(job, tmp_path / "while", READ) == whole
    core, pods = client.CoreV1Api(api), objects(there, "pods")
    core.delete_collection_namespaced_pod(there, grace_period_seconds=0)
    for gone, _ in Watch(reached, f"/api/v1/namespaces/{there}/pods", pods):
        if gone:
            break
    assert later(job, tmp_path / "after", READ) == whole
    job.delete()
    assert bucket.find(there) == []


def test_a_volume_keeps_what_a_run_leaves_whoever_may_read_it(there, volume, tmp_path):
    kept = {"artifacts": "file:///kept/runs", "volumes": {"/kept": f"pvc:{volume}"}}
    job = fairing.submit(leaving(LARGE), outputs=["model.bin"], **kept)
    assert job.result() == octets(LARGE, 2)
    assert later(job, tmp_path / "home") == f"{sha(octets(LARGE, 2))} ['model.bin', 'note.txt']"
    job.delete()
    assert fairing.train(lambda: list(Path("/kept/runs").iterdir()), volumes=kept["volumes"]) == []


def test_a_volume_is_read_where_nobody_may_execute_in_pods(volume, without_exec):  # noqa: F811
    job = fairing.submit(leaving(LARGE), artifacts="file:///kept/runs", volumes={"/kept": f"pvc:{volume}"})
    assert job.result() == octets(LARGE, 2)
    job.delete()


def test_a_registry_keeps_what_a_run_leaves_as_an_artifact(there, cluster, secure_registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    secure = secure_registry.name.replace("localhost", "registry.test")
    rules = f'[registries."{cluster.registry_in_pods}"]\ninsecure = true\n'
    Path("fairing.toml").write_text(f'{rules}[registries."{secure}"]\nca = "{secure_registry.authority}"\n')
    who = base64.b64encode(f"{secure_registry.user}:{secure_registry.password}".encode()).decode()
    config = json.dumps({"auths": {secure: {"auth": who}}})
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(config)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", config)
    repository = f"{cluster.registry_in_pods}/{there}/runs"
    job = fairing.submit(leaving(LARGE), artifacts="oci", repository=repository, outputs=["model.bin"])
    other = fairing.submit(leaving(LARGE), artifacts=f"oci://{secure}/{there}/runs", secrets=["DOCKER_AUTH_CONFIG"])
    assert job.result() == octets(LARGE, 2)
    assert later(job, tmp_path / "home") == f"{sha(octets(LARGE, 2))} ['model.bin', 'note.txt']"
    assert other.result() == octets(LARGE, 2)
    assert lost([*job.events(), *other.events()]) == []
    job.delete(), other.delete()
    assert later_refused(other)


def later_refused(job):
    with pytest.raises(fairing.errors.DeployError):
        job.files()
    return True


def test_what_could_not_be_put_into_a_store_waits_in_the_pod_and_is_fetched(there):
    job = fairing.submit(drawn(), (FIGURE, LARGE), artifacts=f"oci://{NODE}:1/nothing/there")
    events = list(job.events())
    assert job.result() == octets(LARGE, 2)
    (what,) = lost(events)
    assert "could not be put into oci://" in what


def test_a_store_that_leads_nowhere_is_refused_before_anything_is_made(there, monkeypatch):
    with pytest.raises(ConfigError, match=r"No volume is mounted there"):
        fairing.train(print, artifacts="file:///kept")
    monkeypatch.delenv("FAIRING_REPOSITORY")
    with pytest.raises(ConfigError, match=r"repository="):
        fairing.train(print, artifacts="oci")
    assert objects(there) == []
