"""Options that are Kubernetes' own: each has a short form, takes the API's words, and is refused in a sentence."""

import json

import pytest

import fairing
from fairing.api.start import workload
from fairing.config import settings
from fairing.config.options import NAMES, Options, options
from fairing.errors import CapacityError, ConfigError
from fairing.pod import Pod
from fairing.spec import Bundle, Captured, Entry, Report

ENTRY = Entry("function", "entry.pkl", "00", "train")
CAPTURED = Captured(Bundle(ENTRY, (), (), (), "3.11.7"), (), Report("train", "function"))


def asked(**given):
    return workload(CAPTURED, options(given))


def sources(*volumes):
    return [{**json.loads(each.source), **json.loads(each.mount)} for each in asked(volumes=list(volumes)).pod.volumes]


def test_each_kind_of_volume_has_a_short_form():
    assert sources(
        "/a=pvc:data",
        "/b=pvc:data/sub:ro",
        "/c=emptydir",
        "/d=emptydir:1Gi",
        "/e=memory:1Gi",
        "/f=host:/mnt",
        "/g=configmap:train",
        "/h=secret:keys/token",
        "/i=csi:csi.example.com:ro",
        "/j=nfs:files.example.com:/export",
    ) == [
        {"persistentVolumeClaim": {"claimName": "data"}},
        {"persistentVolumeClaim": {"claimName": "data"}, "subPath": "sub", "readOnly": True},
        {"emptyDir": {}},
        {"emptyDir": {"sizeLimit": str(1 << 30)}},
        {"emptyDir": {"medium": "Memory", "sizeLimit": str(1 << 30)}},
        {"hostPath": {"path": "/mnt"}},
        {"configMap": {"name": "train"}},
        {"secret": {"secretName": "keys", "defaultMode": 0o400}, "subPath": "token"},
        {"csi": {"driver": "csi.example.com"}, "readOnly": True},
        {"nfs": {"server": "files.example.com", "path": "/export"}},
    ]


def test_a_volume_in_the_words_of_the_api_is_taken_as_it_is_from_python_yaml_and_toml(project):
    api = {"csi": {"driver": "d.example.com", "volumeAttributes": {"bucket": "b"}}, "readOnly": True}
    given = {"/data": api}
    (project / "fairing.toml").write_text(
        '[volumes."/data"]\nreadOnly = true\ncsi = {driver = "d.example.com", volumeAttributes = {bucket = "b"}}\n'
    )
    told = {"volumes": settings.settle(Options())[1].volumes}
    for each in (given, json.dumps(given), [f"/data={json.dumps(api)}"]):
        assert options({"volumes": each}) == options(told)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("gpu=yes:NoSchedule", {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}),
        ("example.com/gpu:NoExecute:30", {"key": "example.com/gpu", "effect": "NoExecute", "seconds": 30}),
        ("spot", {"key": "spot", "operator": "Exists"}),
        ("*", {"key": "", "operator": "Exists"}),
        ("{key: a, operator: Gt, value: '3'}", {"key": "a", "operator": "Gt", "value": "3"}),
    ],
)
def test_a_toleration_is_written_as_the_taint_is(text, fields):
    (one,) = asked(tolerations=text).pod.tolerations
    assert {name: getattr(one, name) for name in fields} == fields
    assert options({"tolerations": [str(one)]}).tolerations == (one,) or "Gt" in text


@pytest.mark.parametrize(
    ("text", "count", "resource", "kind"),
    [
        ("2", 2, None, None),
        ("A100:2", 2, "nvidia.com/gpu", "NVIDIA-A100-SXM4-80GB"),
        ("amd:1", 1, "amd.com/gpu", None),
        ("mi300x:8", 8, "amd.com/gpu", "AMD_Instinct_MI300X_OAM"),
        ("intel/Max_1550:1", 1, "gpu.intel.com/i915", "Max_1550"),
        ("gpu.intel.com/xe:1", 1, "gpu.intel.com/xe", None),
        ("NVIDIA-RTX-A6000:4", 4, "nvidia.com/gpu", "NVIDIA-RTX-A6000"),
    ],
)
def test_gpus_are_a_number_and_if_one_likes_which(text, count, resource, kind):
    asks = asked(gpus=text).groups[0].resources
    assert (asks.gpus, asks.gpu and asks.gpu.resource) == (count, resource)
    assert kind is None or kind in asks.gpu.kinds


@pytest.mark.parametrize(
    ("tpu", "workers", "count", "chips"),
    [
        ("v5e:1x1", None, 1, 1),
        ("v5e:2x2", None, 1, 4),
        ("v6e:2x4", None, 1, 8),
        ("v6e:2x4", 2, 2, 4),
        ("v5e:4x8", None, 8, 4),
        ("v5p:2x2x1", None, 1, 4),
        ("v4:2x2x4", 4, 4, 4),
        ("tpu7x:2x2x2", None, 2, 4),
    ],
)
def test_a_slice_of_tpus_has_a_worker_on_each_of_its_machines(tpu, workers, count, chips):
    (group,) = asked(tpu=tpu, workers=workers).groups
    assert (group.count, group.resources.tpu.chips) == (count, chips)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"volumes": "/data=pcv:data"}, "Did you mean 'pvc'"),
        ({"volumes": "/data=pvc:Data"}, "name of an object"),
        ({"volumes": "data=pvc:data"}, "whole path"),
        ({"volumes": "/fairing/own=emptydir"}, "Choose another place"),
        ({"volumes": "/a/../b=emptydir"}, "whole path"),
        ({"volumes": "/data=emptydir:much"}, "Write it like 500M"),
        ({"volumes": "/data=host:mnt"}, "whole path"),
        ({"volumes": "/data=nfs:server"}, "a server and a path"),
        ({"volumes": ["/a=emptydir", "/a/=memory"]}, "there twice"),
        ({"volumes": {"/a": {"persistentVolumeclaim": {}}}}, "Did you mean 'persistentVolumeClaim'"),
        ({"volumes": {"/a": {"nfs": {}, "csi": {}}}}, "Name one of"),
        ({"volumes": {"/a": {"emptyDir": {1, 2}}}}, "texts, numbers, lists and tables"),
        ({"tolerations": "gpu:NoSchedul"}, "Did you mean 'NoSchedule'"),
        ({"tolerations": "gpu:NoSchedule:30"}, "Seconds are for NoExecute"),
        ({"tolerations": {"key": "a", "operator": "Exists", "value": "b"}}, "not compared"),
        ({"tolerations": {"operator": "Equal"}}, "Without a key"),
        ({"tolerations": {"kye": "a"}}, "Did you mean 'key'"),
        ({"tolerations": "{key: [a"}, "It is not YAML"),
        ({"node_selector": "disk=a b"}, "Look at the labels"),
        ({"labels": "te am=a"}, "Write it like"),
        ({"labels": {"team": "x" * 64}}, "annotations="),
        ({"labels": "fairing/run=mine"}, "Runs are found by it"),
        ({"annotations": {"a": "x" * (1 << 19)}}, "256 KiB"),
        ({"affinity": {"nodeAfinity": {}}}, "Did you mean 'nodeAffinity'"),
        ({"priority_class": "High"}, "name of an object"),
        ({"pull_secrets": ["a", "B"]}, "name of an object"),
        ({"resources": "nvidia.com/gpu=1"}, "Use gpus="),
        ({"resources": "memory=1Gi"}, "Use memory="),
        ({"resources": "gpu=1"}, "a '/'"),
        ({"resources": "example.com/card=half"}, "whole number"),
        ({"gpus": "h10:2"}, "Did you mean 'h100'"),
        ({"gpus": "a100"}, "Write gpus=2"),
        ({"gpus": "amd/:2"}, "Write gpus=2"),
        ({"gpus": "a100:0"}, "at least 1"),
        ({"tpu": "v5:2x4"}, "Did you mean 'v5"),
        ({"tpu": "v5p:2x4"}, "3 sides"),
        ({"tpu": "v5e:3x1"}, "3 chips"),
        ({"tpu": "v5e:2x4", "workers": 3}, "one worker a machine"),
        ({"storage": "20"}, None),
        ({"ttl": -1}, "at least 0"),
        ({"secrets": "/key="}, "Write API_KEY"),
        ({"secrets": "/run/key=secret:mine"}, "Write API_KEY"),
        ({"secrets": "/fairing/key=KEY"}, "Choose another place"),
        ({"pod": "nothing.yaml"}, "No such file"),
        ({"pod": {"sepc": {}}}, "Did you mean 'spec'"),
        ({"pod": {"spec": [1]}}, "spec"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_captured(given, says):
    if says is None:
        asked(**given)
        return
    with pytest.raises(ConfigError, match=says) as refused:
        asked(**given)
    assert refused.value.what.endswith(".") and refused.value.fix


def test_options_are_read_the_same_a_second_time():
    """As those of a target are, which a file has read already."""
    given = {
        "volumes": {"/a": "pvc:a"},
        "tolerations": ["a=b:NoExecute:3", "*"],
        "secrets": {"/k": "K"},
        "affinity": {"nodeAffinity": {}},
        "pod": {"spec": {}},
        "gpus": "l4:2",
        "labels": {"a": "1"},
        "tpu": "v4:2x2x1",
    }
    once = options(given)
    assert options({name: getattr(once, name) for name in given}) == once


def test_what_only_a_cluster_keeps_has_the_names_of_its_options():
    assert set(Pod.__dataclass_fields__) <= set(NAMES)


@pytest.mark.parametrize(
    "given",
    [
        {"volumes": "/data=pvc:data"},
        {"secrets": "secret:keys"},
        {"gpus": "a100:1"},
        {"tpu": "v5e:1x1"},
        {"storage": "1Gi"},
        {"resources": "a.com/b=1"},
    ],
)
def test_what_the_code_would_miss_on_this_machine_is_refused(given):
    with pytest.raises(CapacityError, match=f"{next(iter(given))}= cannot be kept on this machine"):
        fairing.train(print, **given)


def test_what_holds_for_nothing_on_this_machine_is_said_and_a_run_that_goes_without_runs(capfd):
    given = {"tolerations": "spot", "labels": "team=a", "volumes": "/data=pvc:data", "limits": "best-effort"}
    assert fairing.train(pow, (2, 5), **given) == 32
    assert "without volumes=, tolerations=, labels=, which a cluster keeps" in "".join(capfd.readouterr())


def test_a_secret_may_have_another_name_in_the_run(monkeypatch):
    monkeypatch.setenv("MINE", "s3cret")

    def read():
        import os

        return os.environ["API_KEY"]

    assert fairing.train(read, secrets={"API_KEY": "MINE"}) == "s3cret"


def test_variables_take_tables_and_lists(monkeypatch):
    monkeypatch.setenv("FAIRING_TOLERATIONS", "[{key: a, operator: Exists}, {key: b, operator: Exists}]")
    monkeypatch.setenv("FAIRING_VOLUMES", "/a=pvc:a, /b=emptydir")
    settled = settings.settle(Options())[1]
    assert [each.key for each in settled.tolerations] == ["a", "b"]
    assert [each.path for each in settled.volumes] == ["/a", "/b"]


def test_settings_show_what_was_asked_for():
    lines = repr(fairing.settings(tolerations="a=b:NoSchedule", secrets={"/k": "K"}, volumes={"/a": "pvc:a"}))
    assert "a=b:NoSchedule" in lines and "/k=K" in lines
    assert '/a={"persistentVolumeClaim": {"claimName": "a"}}' in lines
