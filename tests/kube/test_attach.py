"""A handle works from another kernel, and from another machine that calls the cluster otherwise."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import fairing
from fairing.errors import AccessError, DeployError
from fairing.events import Status, Text
from tests.kube import places

ELSEWHERE = """
import json, os, sys
import fairing
from fairing.errors import ResultRefused
ended, going, deleted = (fairing.attach(each) for each in sys.argv[1:])
told = {}
told["listed"] = [str(job.handle).partition("?")[2] for job in fairing.jobs(target="cluster")]
told["status"] = ended.status.phase
told["logs"] = ended.logs()
told["files"] = [file.path for file in ended.files()]
told["events"] = sorted({type(event).__name__ for event in ended.events()})
try:
    ended.result()
except ResultRefused as refused:
    told["refused"] = str(refused)
told["value"] = str(ended.result(trust=True))
for event in going.events():
    if getattr(event, "text", "") == "waiting\\n":
        break
going.cancel()
told["cancelled"] = going.status.phase
deleted.delete()
print(json.dumps(told))
"""


def elsewhere(kubeconfig, home, namespace, *handles):
    """Ask for runs in another process with a state folder and a kubeconfig of its own; return what it saw."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("FAIRING_")}
    env |= {"KUBECONFIG": kubeconfig, "FAIRING_HOME": str(home), "FAIRING_NAMESPACE": namespace}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *map(str, handles)], env=env, capture_output=True, text=True, cwd=home
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_everything_can_be_asked_of_a_run_from_another_machine_that_calls_its_cluster_otherwise(
    there, cluster, tmp_path
):
    def makes():
        from fractions import Fraction

        print("made")
        Path("model.txt").write_text("leaf")
        return Fraction(1, 3)

    def waits():
        import signal

        print("waiting", flush=True)
        signal.pause()

    ended, going, deleted = fairing.submit(makes), fairing.submit(waits), fairing.submit(print)
    ended.wait()  # this kernel is its reader, and fetches what it left
    deleted.wait()
    handles = [job.handle for job in (ended, going, deleted)]
    told = elsewhere(
        places.kubeconfig(cluster.kubeconfig, tmp_path / "config", context="theirs"), tmp_path, there, *handles
    )
    assert set(told["listed"]) >= {f"uid={handle.uid}" for handle in handles}
    assert (told["status"], told["logs"], told["value"]) == ("succeeded", "made\n", "1/3")
    assert "was not submitted from here" in told["refused"] and "trust=True" in told["refused"]
    assert {"Text", "Result", "Status", "Files"} <= set(told["events"])
    assert told["cancelled"] == going.status.phase == "cancelled"
    with pytest.raises(DeployError, match="There is no run"):
        fairing.attach(handles[2]).status


@pytest.fixture
def run(there):
    job = fairing.submit(print, ("here",))
    job.wait()
    return job.handle


def test_a_context_of_the_same_name_that_leads_elsewhere_gives_way_to_the_current_one(
    run, cluster, tmp_path, monkeypatch
):
    config = yaml.safe_load(Path(places.kubeconfig(cluster.kubeconfig, tmp_path / "one", context="right")).read_text())
    (server,), (context,) = config["clusters"], config["contexts"]
    config["clusters"].append({"name": "gone", "cluster": {**server["cluster"], "server": "https://127.0.0.1:1"}})
    config["contexts"].append({"name": cluster.context, "context": {**context["context"], "cluster": "gone"}})
    (tmp_path / "two").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "two"))
    assert run.parts[0] == cluster.context
    assert fairing.attach(run).status.phase == "succeeded"
    assert fairing.attach(run).result() is None  # it is the same run: that it was submitted from here is known
    with pytest.raises(DeployError, match="Another run has its name now"):
        fairing.attach(replace(run, uid="0"), context="right").status


def test_where_no_context_leads_to_a_run_its_own_is_asked_for(run, cluster, tmp_path, monkeypatch):
    nowhere = places.kubeconfig(cluster.kubeconfig, tmp_path / "nowhere", context="work", server="https://127.0.0.1:1")
    monkeypatch.setenv("KUBECONFIG", nowhere)
    with pytest.raises(AccessError, match=r"is not found from here.*work: .*cannot be reached.*context='…'"):
        fairing.attach(run).status


def test_whoever_follows_a_run_that_another_deletes_has_read_all_of_it_and_how_it_ended(there):
    def waits():
        import signal

        try:
            print("waiting", flush=True)
            signal.pause()
        finally:
            print("tidied")

    job = fairing.submit(waits)
    texts, phases, deleting = [], [], None
    for event in job.events():
        texts += [event.text] if isinstance(event, Text) else []
        phases += [event.phase] if isinstance(event, Status) else []
        if isinstance(event, Text) and deleting is None:
            deleting = threading.Thread(target=fairing.attach(job.handle).delete)
            deleting.start()
    deleting.join()
    assert ("".join(texts), phases[-1]) == ("waiting\ntidied\n", "cancelled")
