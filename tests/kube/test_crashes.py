"""What a client leaves that dies while it makes a run: nothing for long, and nothing that another one misses."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import fairing
from fairing.kube.beside import EXPIRES, UNOWNED
from fairing.kube.connection import connect
from fairing.kube.pods import RUN
from tests.kube import places
from tests.kube.relays import Gateway
from tests.kube.test_job import KINDS, await_gone, objects


class Submits:
    """Runs that are submitted by processes of their own, each killed at its nth request that changes something."""

    def __init__(self, process, gateway):
        self._process = process
        self._gateway = gateway
        self._child = None
        self._left = 0

    def killed(self, at, **variables):
        """Submit a run; return whether its client was killed, right after the server had done what it asked."""
        said = {"KUBECONFIG": str(self._gateway.kubeconfig), **variables}
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()
        self._child, self._left = int(self._process.stdout.readline()), at
        os.kill(self._child, signal.SIGCONT)
        code = int(self._process.stdout.readline())
        assert code in {0, -signal.SIGKILL}
        return code != 0

    def answered(self, request):
        self._left -= request.changes
        if request.changes and self._left == 0:
            os.kill(self._child, signal.SIGKILL)


@contextmanager
def submitting(api, editor, folder):
    program = [sys.executable, Path(__file__).with_name("submits.py")]
    with (
        subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
        Gateway(
            api.configuration.host, api.configuration.ssl_ca_cert, lambda request: made.answered(request)
        ) as gateway,
    ):
        gateway.kubeconfig = places.kubeconfig(editor, folder / "gateway", server=gateway.url)
        made = Submits(process, gateway)
        yield made
        process.stdin.close()
        process.wait()


def unowned(namespace):
    """Return what is there that belongs to nobody, by kind and name."""
    return {
        (kind, each["metadata"]["name"]): each["metadata"]
        for kind in ("secrets", "configmaps", "pods")
        for each in objects(namespace, kind)
        if not each["metadata"].get("ownerReferences")
    }


def test_what_a_client_leaves_that_is_killed_at_any_step_expires_and_is_swept_by_the_next_run(
    there, api, default_editor, tmp_path
):
    reached = connect(namespace=there)
    fairing.submit(print)  # the image is known from here on
    with submitting(api, default_editor, tmp_path) as submits:
        assert submits.killed(1, FAIRING_HOME=str(tmp_path / "home"))  # while it asks the image what it has
        at = 1
        while submits.killed(at):
            at += 1
    left = unowned(there)
    assert {kind for kind, _ in left} == {"secrets", "configmaps", "pods"} and at > 6
    for metadata in left.values():
        assert metadata["labels"][RUN] and metadata["labels"][UNOWNED]
        assert metadata["annotations"][EXPIRES] > metadata["creationTimestamp"]

    fairing.submit(print)  # another client's run may be in the making: what has not expired is left alone
    assert unowned(there).keys() == left.keys()

    past = {"metadata": {"annotations": {EXPIRES: "2020-01-01T00:00:00Z"}}}
    for kind, name in left:
        reached.patch(f"{KINDS[kind].format(there)}/{name}", past)
    fairing.submit(print)
    going = {key for key, metadata in unowned(there).items() if "deletionTimestamp" not in metadata}
    assert going == set()  # what had been made for a Job was given to it, and the rest is gone

    for job in objects(there, "jobs"):
        reached.delete(f"{KINDS['jobs'].format(there)}/{job['metadata']['name']}", propagationPolicy="Background")
    await_gone(there)


def test_code_that_runs_have_alike_is_there_once_and_for_as_long_as_the_last_of_them(there):
    first, second = fairing.submit(print), fairing.submit(print)
    shared = [each for each in objects(there, "configmaps") if each["metadata"]["name"].startswith("fairing-")]
    assert shared and all(len(each["metadata"]["ownerReferences"]) == 2 for each in shared)
    first.wait()
    first.delete()
    third = fairing.submit(print)  # what has an owner is used as it is
    kept = {each["metadata"]["name"]: each["metadata"] for each in objects(there, "configmaps")}
    assert {kept[each["metadata"]["name"]]["uid"] for each in shared} == {each["metadata"]["uid"] for each in shared}
    for job in (second, third):
        assert job.wait().phase == "succeeded"
        job.delete()
    await_gone(there)
