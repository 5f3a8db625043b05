"""Why a run does not go on is said in words, and what no waiting helps fails at once."""

import http.client
import re

import pytest

import fairing
from fairing.errors import OutOfMemory, RunKilled, RunNotStarted
from fairing.kube.connection import connect
from tests.kube import scenarios
from tests.kube.obstacles import claim, hooked, preempted, refusing, volume, webhook
from tests.kube.scenarios import ended, seen

GOES_ON = {}
FAILS = {}


def goes_on(words, elsewhere=None):
    """A scenario in which a run waits, and goes on waiting, with such a reason shown; another process may know less."""

    def take(scenario):
        GOES_ON[scenario.__name__] = (scenario, words, elsewhere or words)
        return scenario

    return take


def fails(words, error=RunNotStarted):
    """A scenario in which a run fails by itself, with such a reason."""

    def take(scenario):
        FAILS[scenario.__name__] = (scenario, words, error)
        return scenario

    return take


@goes_on(r"no node can take it: it asks for 1,000 CPUs and the largest node \([\w-]+\) has \d+. Ask for less with cpu=")
def more_processors_than_any_node_has(place):
    return seen(place.submit(cpu=1000), "no node can take it")


@goes_on(r"no node can take it: it asks for 64 GPUs and (no node has any|the largest node .* Ask for gpus=)")
def gpus_where_there_are_too_few(place):
    return seen(place.submit(gpus=64), "no node can take it")


@goes_on(
    r"cannot be pulled: the node does not reach the registry localhost:1 \(.*connection refused\); it is tried again"
)
def a_registry_that_is_not_there(place):
    return seen(place.deploy("localhost:1/none:1"), "does not reach")


@fails(r"cannot be pulled: the registry \S+ does not have it. Check the name of image=")
def an_image_that_is_not_there(place):
    return ended(place.deploy(f"{place.cluster.registry}/none:1"))


@fails(r"does not let the cluster have it, or has none of that name \(.*\). Check the name, or .* pull_secrets=")
def an_image_that_may_not_be_had(place):
    return ended(place.deploy("localhost:5443/private/image:1"))


@fails(
    r"image's name localhost:5000/Upper:1 is wrong: repository name \(Upper\) must be lowercase. Write another image="
)
def an_image_whose_name_is_none(place):
    return ended(place.deploy("localhost:5000/Upper:1"))


@fails(r"not made for the node's platform .*platform=")
def an_image_for_another_platform(place):
    return ended(place.deploy(place.images["foreign"]))


@fails(r"(made for another platform than the node's|exit code \d+ before .*)(.|\n)*exec format error")
def a_program_for_another_processor(place):
    return ended(place.deploy(place.images["alien"]))


@fails(r"its image has no program 'python'. Name an image= with Python in it")
def an_image_without_python(place):
    return ended(place.deploy(f"{place.cluster.registry}/busybox:1.35"))


@fails(r"ended with exit code 127 before the runner in it said anything(.|\n)*python: cannot load libpython")
def a_crash_before_anything_was_said(place):
    return ended(place.deploy(place.images["said"]))


@fails(r"it asks for 4 CPUs, and the namespace may have 2 CPUs in all \(quota few\). Ask for less with cpu=")
def a_quota_that_it_can_never_fit(place):
    place.make("resourcequotas", {"metadata": {"name": "few"}, "spec": {"hard": {"requests.cpu": "2"}}})
    return ended(place.submit(cpu=4))


@fails(r"quota few of the namespace admits only pods that say how much they need. Say memory=")
def a_quota_on_what_it_does_not_say(place):
    place.make("resourcequotas", {"metadata": {"name": "few"}, "spec": {"hard": {"limits.memory": "2Gi"}}})
    return ended(place.submit())


@fails(r"it asks for 2 CPUs, and the namespace allows a pod at most 1 CPU. Ask for that much")
def a_limit_of_the_namespace(place):
    limits = [{"type": "Container", "max": {"cpu": "1"}}]
    place.make("limitranges", {"metadata": {"name": "small"}, "spec": {"limits": limits}})
    return ended(place.submit(cpu=2))


@goes_on(r"it asks for 210 MB of memory, and the namespace may have 315 MB of memory, of which 210 MB are taken")
def a_quota_that_others_have_taken(place):
    place.make("resourcequotas", {"metadata": {"name": "few"}, "spec": {"hard": {"limits.memory": "300Mi"}}})
    first = place.submit("forever", memory="200Mi")
    seen(first, "running")
    second = place.submit(memory="200Mi")
    told = seen(second, "are taken (quota few). It starts when others end")
    first.delete()
    assert ended(second).phases[-1] == "succeeded"
    return told


@fails(r"the admission policy policy-test-\w+ refuses its pods: none of these")
def a_policy_that_refuses_its_pods(place):
    with refusing(place, "none of these"):
        return ended(place.submit())


@goes_on(r"the admission webhook silent.example.com does not answer \(.*\); it is tried again")
def a_webhook_that_does_not_answer(place):
    with hooked(place, "silent.example.com", "https://127.0.0.1:1/"):
        return seen(place.submit(), "does not answer")


@fails(r"the admission webhook strict.example.com refuses its pods: no pods on Tuesdays")
def a_webhook_that_refuses_its_pods(place):
    with webhook(place.programs, "no pods on Tuesdays") as served, hooked(place, "strict.example.com", *served):
        return ended(place.submit())


@fails(
    r"it used more than its limit of 105 MB of memory. The most that it was seen to hold is \d\d(\.\d)? MB",
    OutOfMemory,
)
def more_memory_than_its_limit(place):
    return ended(place.submit("memory", memory="100Mi"))


@fails(r"it wrote more to its disk than its limit of 21 MB", RunKilled)
def more_on_its_disk_than_its_limit(place):
    limits = [{"type": "Container", "default": {"ephemeral-storage": "20Mi"}}]
    place.make("limitranges", {"metadata": {"name": "small"}, "spec": {"limits": limits}})
    return ended(place.submit("disk"))


@goes_on(
    r"a pod of a higher priority took its place; it starts again: no node can take it: it asks for 1 of example",
    elsewhere="no node can take it",  # the pod that was ended is gone
)
def a_pod_of_a_higher_priority(place):
    return preempted(place)


@fails(r"did not start within its start_timeout of 6 s: no node can take it: it asks for 1,000 CPUs")
def no_start_in_time(place):
    return ended(place.submit(cpu=1000, start_timeout=6))


@fails(r"there is no Secret 'gone' in its namespace. Create it first")
def a_secret_that_is_not_there(place):
    return ended(place.submit(volumes={"/given": "secret:gone"}))


@fails(r"there is no Secret 'gone' in its namespace. Create it first")
def a_secret_of_variables_that_is_not_there(place):
    return ended(place.submit(secrets=["secret:gone"]))


@fails(r"the Secret 'there' has no key 'token'. Add it")
def a_key_that_its_secret_has_not(place):
    place.make("secrets", {"metadata": {"name": "there"}})
    variable = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "there", "key": "token"}}}
    return ended(place.submit(pod={"spec": {"containers": [{"name": "fairing", "env": [variable]}]}}))


@fails(r"there is no ConfigMap 'gone' in its namespace. Create it first")
def a_configmap_that_is_not_there(place):
    return ended(place.submit(volumes={"/given": "configmap:gone"}))


@fails(r"there is no volume claim 'gone' in its namespace. Create it first")
def a_volume_claim_that_is_not_there(place):
    return ended(place.submit(volumes={"/data": "pvc:gone"}))


@fails(r"there is no service account 'nobody' in its namespace. Create it first, or name another")
def a_service_account_that_is_not_there(place):
    return ended(place.submit(service_account="nobody"))


@fails(r"there is no priority class 'none-such' in the cluster. Name another")
def a_priority_class_that_is_not_there(place):
    return ended(place.submit(priority_class="none-such"))


@fails(r"Pod Security level 'restricted' does not admit its pods: host namespaces \(hostNetwork=true\)")
def a_pod_that_the_namespace_does_not_admit(place):
    return ended(place.submit(pod={"spec": {"hostNetwork": True}}))


@goes_on(r"its volume claim \(slow\) has no volume yet: its storage class makes none")
def a_volume_claim_without_a_volume(place):
    claim(place, "slow", storageClassName="none")
    return seen(place.submit(volumes={"/data": "pvc:slow"}), "has no volume yet")


@goes_on(r"its volume '[\w-]+' cannot be mounted: .*/not/there.* does not exist; it is tried again")
def a_volume_that_cannot_be_mounted(place):
    with volume(place, "/not/there") as name:
        claim(place, "bound", storageClassName="", volumeName=name)
        return seen(place.submit(volumes={"/data": "pvc:bound"}), "cannot be mounted")


@goes_on(r"its volume '[\w-]+' cannot be mounted: its node has no driver none.example.com; it is tried again")
def a_volume_whose_driver_is_not_on_the_node(place):
    return seen(place.submit(volumes={"/data": {"csi": {"driver": "none.example.com"}}}), "cannot be mounted")


@goes_on(r"no node can take it: \d+ nodes? (is|are) not what it asks of its node \(node_selector=, affinity=\)")
def a_label_that_no_node_has(place):
    return seen(place.submit(node_selector={"disk": "none"}), "no node can take it")


@goes_on("whoever queues runs has not let it start yet")
def a_queue_that_does_not_let_it_start(place):
    return seen(place.submit(suspend=True), "has not let it start")


@pytest.fixture(scope="module")
def outcomes(request, cluster, tmp_path_factory):
    """What becomes of each scenario that a test of this module asks for: all of them happen at once."""
    asked = {item.callspec.params["scenario"] for item in request.session.items if "outcomes" in item.fixturenames}
    made = {name: scenario for name, (scenario, *_) in {**GOES_ON, **FAILS}.items() if name in asked}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", cluster.kubeconfig)
        yield scenarios.side_by_side(made, cluster, tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize("scenario", GOES_ON)
def test_a_run_that_may_still_go_on_says_what_it_waits_for(outcomes, scenario):
    told = outcomes[scenario].result()
    _, words, elsewhere = GOES_ON[scenario]
    assert any(re.search(words, reason) for reason in told.reasons), told.reasons
    assert told.elsewhere.phase == "pending"
    assert re.search(elsewhere, told.elsewhere.reason), told.elsewhere.reason


@pytest.mark.parametrize("scenario", FAILS)
def test_a_run_that_no_waiting_helps_fails_with_the_reason_for_everybody(outcomes, scenario):
    told = outcomes[scenario].result()
    _, words, error = FAILS[scenario]
    assert type(told.error) is error
    assert re.search(words, str(told.error), re.IGNORECASE), str(told.error)
    assert (told.phases[-1], told.elsewhere.phase) == ("failed", "failed")
    assert told.failure is not None


def test_who_may_not_list_nodes_is_told_what_was_asked(there, default_editor, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", default_editor)
    monkeypatch.delenv("FAIRING_CONTEXT")
    job = fairing.submit(print, cpu=1000)
    told = seen(job, "no node can take it: it asks for 1,000 CPUs, and no node has as much free.")
    assert told.elsewhere.phase == "pending"
    job.delete()


def test_a_worker_that_waits_while_another_runs_is_named(there):
    def wait():
        import signal

        signal.pause()

    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
    scenarios.quota(connect(namespace=there), quota)
    job = fairing.submit(wait, workers=2)
    words = "it asks for 1 pod, and the namespace may have 1 pod, of which 1 are taken (quota few)"
    told = seen(job, words, "running")
    assert told.elsewhere.phase == "running"
    assert re.fullmatch(r"worker-[01]: it asks for 1 pod, .* It starts when others end.", told.elsewhere.reason)
    job.delete()


def test_an_image_that_went_from_its_registry_is_pushed_again_by_the_next_run(there, cluster, monkeypatch):
    def work():
        return 32

    monkeypatch.setenv("FAIRING_BUILDER", "append")
    name, _, digest = fairing.build(work).ref.partition("@")
    registry, _, repository = name.partition("/")
    connection = http.client.HTTPConnection(registry)
    connection.request("DELETE", f"/v2/{repository}/manifests/{digest}")
    assert connection.getresponse().status == 202
    connection.close()
    with pytest.raises(RunNotStarted, match=f"the registry {registry} does not have it"):
        fairing.train(work)
    assert fairing.train(work) == 32
