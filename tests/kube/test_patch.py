"""``pod=``: a patch changes a template here as it would there."""

import json

import pytest

from fairing.config.options import options
from fairing.errors import ConfigError
from fairing.kube.connection import connect
from fairing.kube.merge import KEYS, merged
from tests.kube import golden

TEMPLATES = "/api/v1/namespaces/{}/podtemplates"
MINE = {"name": "fairing"}

CASES = {
    "a field of a container, by its name": {"spec": {"containers": [{**MINE, "image": "other:1", "tty": True}]}},
    "a container beside it": {"spec": {"containers": [{"name": "side", "image": "side"}]}},
    "an init container where there is none": {"spec": {"initContainers": [{"name": "first", "image": "first"}]}},
    "a variable that is there, and a new one": {
        "spec": {"containers": [{**MINE, "env": [{"name": "NEW", "value": "1"}, {"name": "HOME", "value": "/x"}]}]}
    },
    "a variable without which it goes": {
        "spec": {"containers": [{**MINE, "env": [{"name": "FAIRING_RUN", "$patch": "delete"}]}]}
    },
    "variables all replaced": {
        "spec": {"containers": [{**MINE, "env": [{"$patch": "replace"}, {"name": "ONLY", "value": "1"}]}]}
    },
    "the command, which is one list": {"spec": {"containers": [{**MINE, "command": ["sh"], "args": ["-c", "true"]}]}},
    "a mount, by its place": {
        "spec": {
            "containers": [{**MINE, "volumeMounts": [{"mountPath": "/fairing/own", "name": "own", "subPath": "a"}]}]
        }
    },
    "another volume and its mount": {
        "spec": {
            "volumes": [{"name": "kept", "emptyDir": {"medium": "Memory"}}],
            "containers": [{**MINE, "volumeMounts": [{"name": "kept", "mountPath": "/kept"}]}],
        }
    },
    "a volume of another kind": {
        "spec": {"volumes": [{"name": "own", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}
    },
    "a volume that goes, and its mount": {
        "spec": {
            "volumes": [{"name": "own", "$patch": "delete"}],
            "containers": [{**MINE, "volumeMounts": [{"mountPath": "/fairing/own", "$patch": "delete"}]}],
        }
    },
    "a field that goes": {"spec": {"securityContext": None, "enableServiceLinks": None}},
    "a table replaced whole": {"spec": {"securityContext": {"$patch": "replace", "runAsUser": 7}}},
    "a table emptied": {"spec": {"securityContext": {"$patch": "delete"}}},
    "labels, which are a table": {"metadata": {"labels": {"team": "a", "sidecar.istio.io/inject": None}}},
    "tolerations, which are one list": {"spec": {"tolerations": [{"key": "new", "operator": "Exists"}]}},
    "node labels added": {"spec": {"nodeSelector": {"disk": "ssd"}}},
    "a secret to pull with": {"spec": {"imagePullSecrets": [{"name": "other"}]}},
    "aliases of hosts": {"spec": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["b"]}, {"ip": "10.0.0.3"}]}},
    "a spread, by its topology": {
        "spec": {
            "topologySpreadConstraints": [
                {"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"},
                {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"},
            ]
        }
    },
    "a port, by its number": {"spec": {"containers": [{**MINE, "ports": [{"containerPort": 80, "name": "web"}]}]}},
    "finalizers, which are added up": {"metadata": {"finalizers": ["example.com/b", "example.com/a"]}},
    "a finalizer that goes": {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}},
    "variables in another order": {
        "spec": {
            "containers": [
                {**MINE, "$setElementOrder/env": [{"name": "FAIRING_RUN"}, {"name": "HOME"}]},
            ]
        }
    },
    "variables changed and put in order": {
        "spec": {
            "containers": [
                {
                    **MINE,
                    "$setElementOrder/env": [{"name": "NEW"}, {"name": "FAIRING_RUN"}, {"name": "HOME"}],
                    "env": [{"name": "NEW", "value": "1"}],
                }
            ]
        }
    },
    "affinity, one part of which is a list": {
        "spec": {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}}
    },
}


@pytest.fixture(scope="module")
def template():
    """A template that has a little of everything that is merged."""
    made = golden.made("placement")["spec"]["template"]
    spec = made["spec"]
    spec |= {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}, {"ip": "10.0.0.2", "hostnames": ["c"]}]}
    spec |= {"imagePullSecrets": [{"name": "one"}]}
    spread = {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    spec |= {"topologySpreadConstraints": [spread]}
    spec["containers"][0]["ports"] = [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81}]
    made["metadata"]["finalizers"] = ["example.com/a"]
    return made


@pytest.fixture(scope="module")
def kept(cluster, api, template):
    """The template as an object of the cluster, and the way to it."""
    from uuid import uuid4

    from kubernetes import client

    core, name = client.CoreV1Api(api), f"test-{uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KUBECONFIG", cluster.kubeconfig)
        reached = connect(cluster.context, name)
        reached.post(TEMPLATES.format(name), {"metadata": {"name": "one"}, "template": template})
        yield reached
    core.delete_namespace(name)


@pytest.mark.parametrize("case", CASES)
def test_a_patch_does_here_what_it_does_on_the_api_server(case, kept, template):
    path = TEMPLATES.format(kept.namespace)
    there = kept.patch(f"{path}/one?dryRun=All", {"template": CASES[case]})["template"]
    here = {"metadata": {"name": "two"}, "template": merged(template, CASES[case])}
    assert kept.admit(path, here)["template"] == there


def test_the_lists_that_are_merged_are_those_of_the_api(kept):
    known = kept.get("/openapi/v2")["definitions"]

    def lists(kind, path):
        for name, field in known[kind].get("properties", {}).items():
            inner = field.get("$ref") or field.get("items", {}).get("$ref")
            if "merge" in field.get("x-kubernetes-patch-strategy", ""):
                yield (*path, name), field.get("x-kubernetes-patch-merge-key", "")
            if inner and len(path) < 4:
                yield from lists(inner.removeprefix("#/definitions/"), (*path, name))

    assert dict(lists("io.k8s.api.core.v1.PodTemplateSpec", ())) == dict(KEYS)


def test_a_template_is_left_as_it_is():
    made = golden.made("plain")["spec"]["template"]
    before = json.dumps(made)
    merged(made, {"spec": {"containers": [{**MINE, "env": [{"name": "A", "value": "1"}]}], "volumes": None}})
    assert json.dumps(made) == before


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"spec": {"containers": [{"image": "nameless"}]}}, r"spec\.containers.*told apart by its 'name'"),
        ({"spec": {"$patch": "merge"}}, "replace or delete"),
        ({"spec": {"containers": [{"name": "fairing", "$patch": "delete"}]}}, "leaves no container 'fairing'"),
        (lambda template: None, "returns it"),
        (lambda template: 1 / 0, "ZeroDivisionError"),
        (lambda template: {**template, "spec": {1, 2}}, "TypeError"),
    ],
)
def test_a_patch_that_cannot_be_is_refused_in_a_sentence(patch, says, monkeypatch):
    monkeypatch.setitem(golden.FAMILIES, "wrong", golden.Family({"pod": patch}))
    with pytest.raises(ConfigError, match=says):
        golden.made("wrong")


def test_a_patch_may_be_a_table_yaml_a_file_or_a_function(tmp_path):
    table = {"spec": {"hostNetwork": True}}
    file = tmp_path / "patch.yaml"
    file.write_text("# as kubectl takes it\napiVersion: v1\nkind: Pod\nspec:\n  hostNetwork: true\n")
    texts = ("spec:\n  hostNetwork: true", "{spec: {hostNetwork: true}}", str(file), file)
    assert {options({"pod": each}).pod for each in (table, *texts)} == {json.dumps(table)}
    assert options({"pod": golden.security}).pod is golden.security
