"""With no registry: the first result of a person who has a kubeconfig alone, and packages that the image lacks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fairing
from fairing.errors import BuildError, RunFailed
from fairing.events import Status
from tests.kube.test_job import objects

PROXY = "http://10.97.0.1:3128"

FIRST = """
import fairing

def fn():
    print("from a pod")
    return 6 * 7

print("value", fairing.train(fn, target="cluster", builder="inline", image={image!r}))
"""


def test_a_person_with_a_kubeconfig_alone_has_a_result_within_a_minute(cluster, namespace, tmp_path, capsys):
    home = tmp_path / "home"
    folder = tmp_path / "empty"
    for each in (home, folder):
        each.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": cluster.kubeconfig}
    environment |= {"FAIRING_NAMESPACE": namespace, "FAIRING_CONTEXT": cluster.context}
    command = [sys.executable, "-c", FIRST.format(image=cluster.image)]
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    with capsys.disabled():
        print(f"\nfirst result after {time.monotonic() - began:.1f} s", end=" ")
    assert done.stdout == "from a pod\nvalue 42\n", done.stderr
    assert "travels: 1 file, " in done.stderr
    assert f"in a ConfigMap beside {cluster.image}: builder='inline' pushes nothing" in done.stderr
    assert list(folder.iterdir()) == []


def test_what_the_image_lacks_is_installed_when_the_pod_starts_and_the_cell_sees_it(there):
    def work():
        import subprocess
        import sys

        import tqdm

        there = subprocess.run([sys.executable, "-m", "tqdm", "--version"], capture_output=True, text=True, check=True)
        return tqdm.__version__, tqdm.__file__, there.stdout.strip()

    import tqdm

    proxies = {"http_proxy": PROXY, "https_proxy": PROXY}
    job = fairing.submit(work, dependencies="start", env=proxies)
    said = [each.reason for each in job.events() if isinstance(each, Status) and "installing" in each.reason]
    version, place, asked = job.result()
    assert version == asked == tqdm.__version__
    assert place.startswith("/fairing/own/packages/")
    assert said[0] == "installing packages: 1"
    assert any("Successfully installed tqdm" in each for each in said)
    assert job.logs() == ""


def test_an_installation_that_fails_is_said_in_words_and_the_code_does_not_run(there):
    def work():
        import tqdm

        print("runs", tqdm)

    job = fairing.submit(work, dependencies="start", env={"PIP_INDEX_URL": f"{PROXY}/simple", "PIP_RETRIES": "0"})
    with pytest.raises(RunFailed, match=r"could not be installed when its pod started\. .*tqdm.*PIP_INDEX_URL"):
        job.result()
    assert job.logs() == ""
    (pod,) = objects(there, "pods")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 1


def test_a_builder_that_makes_images_says_that_it_installs_nothing_at_the_start(there):
    with pytest.raises(BuildError, match=r"'append' does not install packages when a pod starts.*builder='inline'"):
        fairing.train(print, dependencies="start", builder="append")
    with pytest.raises(BuildError, match=r"'append' does not install packages when a pod starts"):
        fairing.train(print, dependencies="start", target="local", builder="append", image="host")


def test_an_image_without_an_installer_has_none(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    program = "from fairing.runtime import installing; print(installing.installer())"
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [tmp_path / "bare" / "bin" / "python", "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "[]\n", done.stderr
