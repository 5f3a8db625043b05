"""Nothing of a person's credentials is in what runs leave behind, wherever one looks: marked secrets are looked for."""

import base64
import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
import yaml

from fairing.kube.connection import connect
from fairing.oci.connection import Settings
from fairing.oci.credentials import Credentials
from fairing.oci.reference import parse
from fairing.oci.registry import Registry
from tests.cluster.fixtures import STATE, made_namespace
from tests.kube import planted

NAMES = (
    "GLOBAL",
    "LOCAL",
    "ARGUMENT",
    "VARIABLE",
    "SECRET",
    "AWS",
    "DATABASE",
    "ENVIRONMENT",
    "DOTENV",
    "SSH",
    "NETRC",
)
MORE = ("PIP", "INDEX", "GIT", "CLOUD", "PASSWORD", "PODMAN")
AT_REST = {"ARGUMENT", "SECRET"}
"""What a run is given: it may lie in its Secrets, and nowhere else."""


@dataclass(frozen=True)
class Lived:
    """What a person's runs left behind.

    Args:
        folder: Everything of that person on this machine: its home, its project, its state.
        secrets: What was planted, by what it is.
        said: All that was said to the person.
        namespace: Where the runs were.
        registry: The client of the registry that the images are in, as who may read them.
        objects: All objects of the namespace.
    """

    folder: Path
    secrets: dict
    said: list
    namespace: str
    registry: Registry
    objects: list


@pytest.fixture(scope="module")
def lived(cluster, api, secure_registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("person")
    secrets = {name: planted.secret() for name in (*NAMES, *MORE)}
    registry = secure_registry.name.replace("localhost", "registry.test")
    who = Credentials(secure_registry.user, secure_registry.password)
    read = Registry(registry, Settings(ca=str(secure_registry.authority), credentials={registry: who}))
    with made_namespace(api) as namespace, pytest.MonkeyPatch.context() as patch, closing(read):
        patch.setenv("KUBECONFIG", cluster.kubeconfig)
        reached = connect(cluster.context, namespace)
        pull_secret(reached, registry, who)
        at_home(folder, secrets, registry, who)
        in_the_project(folder / "project", secrets, registry, secure_registry.authority)
        said = acted(folder, secrets, cluster, namespace, registry)
        kept = Path(cluster.kubeconfig).read_text()
        secrets["KUBECONFIG"] = key_of(yaml.safe_load(kept), cluster.context)
        secrets["REGISTRY"] = f"{who.username}:{who.password}"
        yield Lived(folder, secrets, said, namespace, read, list(everything(reached)))


def pull_secret(reached, registry, who):
    """Let the namespace's pods be pulled from a registry that wants a password: this Secret alone holds it."""
    auth = base64.b64encode(f"{who.username}:{who.password}".encode()).decode()
    config = json.dumps({"auths": {registry: {"auth": auth}}})
    path = f"/api/v1/namespaces/{reached.namespace}"
    kind = "kubernetes.io/dockerconfigjson"
    body = {"metadata": {"name": "pull"}, "type": kind, "stringData": {".dockerconfigjson": config}}
    reached.post(f"{path}/secrets", body)
    reached.patch(f"{path}/serviceaccounts/default", {"imagePullSecrets": [{"name": "pull"}]})


def at_home(folder, secrets, registry, who):
    auth = base64.b64encode(f"{who.username}:{who.password}".encode()).decode()
    wrong = base64.b64encode(f"me:{secrets['PASSWORD']}".encode()).decode()
    files = {
        ".docker/config.json": json.dumps({"auths": {registry: {"auth": auth}}}),
        "wrong/config.json": json.dumps({"auths": {registry: {"auth": wrong}}}),
        ".config/containers/auth.json": json.dumps({"auths": {"other.test": {"auth": secrets["PODMAN"]}}}),
        ".netrc": f"machine packages.test login me password {secrets['NETRC']}\n",
        ".config/pip/pip.conf": f"[global]\nindex-url = http://me:{secrets['PIP']}@localhost:1/simple\n",
        ".aws/credentials": f"[default]\naws_secret_access_key = {secrets['CLOUD']}\n",
        ".ssh/id_ed25519": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{secrets['SSH']}\n",
    }
    for name, text in files.items():
        written(folder / "home" / name, text)


def in_the_project(project, secrets, registry, authority):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os\nprint(dict(os.environ))\n6 * 7")])
    files = {
        ".env": f"DATABASE_PASSWORD={secrets['DOTENV']}\n",
        "conf/.env.production": f"DATABASE_PASSWORD={secrets['DOTENV']}\n",
        "id_rsa": f"-----BEGIN RSA PRIVATE KEY-----\n{secrets['SSH']}\n",
        ".git/config": f'[remote "origin"]\nurl = https://me:{secrets["GIT"]}@git.test/x.git\n',
        "data/table.csv": "a,b\n1,2\n",
        "fairing.toml": f'[registries."{registry}"]\nca = "{authority}"\n',
        "analysis.ipynb": nbformat.writes(notebook),
    }
    for name, text in files.items():
        written(project / name, text)


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def acted(folder, secrets, cluster, namespace, registry):
    """Run the person's program; return what it was told."""
    env = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        **{f"PLANT_{name}": value for name, value in secrets.items()},
        "HOME": str(folder / "home"),
        "WRONG_DOCKER_CONFIG": str(folder / "home" / "wrong"),
        "AWS_SECRET_ACCESS_KEY": secrets["AWS"],
        "DATABASE_URL": f"postgresql://me:{secrets['DATABASE']}@db.test/sales",
        "XQ7": secrets["ENVIRONMENT"],
        "PIP_EXTRA_INDEX_URL": f"http://me:{secrets['INDEX']}@localhost:1/simple",
        "PLANTED_FOR_THE_RUN": secrets["SECRET"],
        "KUBECONFIG": cluster.kubeconfig,
        "FAIRING_HOME": str(folder / "state"),
        "FAIRING_TARGET": "cluster",
        "FAIRING_CONTEXT": cluster.context,
        "FAIRING_NAMESPACE": namespace,
        "FAIRING_IMAGE": cluster.image,
        "FAIRING_REPOSITORY": f"{registry}/tests/secrets",
    }
    program = Path(__file__).parent / "person.py"
    told = folder / "said.json"
    command = [sys.executable, str(program), str(told)]
    ran = subprocess.run(command, env=env, cwd=folder / "project", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    said = json.loads(told.read_text())
    assert "letters" in ran.stdout + "".join(said)
    return [*said, ran.stdout, ran.stderr]


def key_of(kubeconfig, context):
    """Return a line of the key that a kubeconfig's user proves itself with, or its token."""
    named = {each["name"]: each for kind in ("contexts", "users") for each in kubeconfig[kind]}
    user = named[named[context]["context"]["user"]]["user"]
    if "token" in user:
        return user["token"]
    return base64.b64decode(user["client-key-data"]).decode().splitlines()[2]


def everything(reached):
    """Yield the objects of a namespace, of every kind that may be listed."""
    groups = [f"/apis/{each['preferredVersion']['groupVersion']}" for each in reached.get("/apis")["groups"]]
    for group in ("/api/v1", *groups):
        for kind in reached.get(group)["resources"]:
            if kind["namespaced"] and "list" in kind["verbs"]:
                listed = reached.get(f"{group}/namespaces/{reached.namespace}/{kind['name']}")
                yield from ({**each, "kind": kind["kind"]} for each in listed["items"])


def test_a_planted_secret_is_found_in_whatever_it_is_packed():
    import gzip
    import io
    import tarfile

    secrets = {"it": planted.secret()}
    for before in ("", "x", "xy", "xyz"):
        said = f"{before}{secrets['it']}:more".encode()
        for data in (said, said.hex().encode(), base64.b64encode(said), base64.urlsafe_b64encode(said)):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w:gz") as packed:
                entry = tarfile.TarInfo("inner.gz")
                inner = gzip.compress(data)
                entry.size = len(inner)
                packed.addfile(entry, io.BytesIO(inner))
            assert planted.held(data, secrets) == planted.held(out.getvalue(), secrets) == {"it"}
    assert planted.held(b"nothing", secrets) == set()


def test_only_the_secrets_of_a_run_hold_what_it_was_given_and_nothing_holds_more(lived):
    kinds = {each["kind"] for each in lived.objects}
    assert {"Job", "Pod", "ConfigMap", "Secret", "Event", "ServiceAccount"} <= kinds
    found = {}
    for each in lived.objects:
        for text in planted.inside(each):
            for name in planted.held(text, lived.secrets):
                found.setdefault((each["kind"], name), set()).add(each["metadata"]["name"])
    assert set(found) == {("Secret", name) for name in (*AT_REST, "REGISTRY")}, found
    assert found["Secret", "REGISTRY"] == {"pull"}
    ours = {each["metadata"]["name"] for each in lived.objects if "fairing/run" in each["metadata"].get("labels", {})}
    assert found["Secret", "ARGUMENT"] | found["Secret", "SECRET"] <= ours


def test_no_layer_that_was_pushed_holds_any_of_them(lived, cluster):
    base = parse(cluster.image)
    with closing(Registry(base.registry)) as registry:
        below = {each["digest"] for each in registry.manifest(base.repository, base.version).content["layers"]}
    repository, read = "tests/secrets", 0
    pods = [each for each in lived.objects if each["kind"] == "Pod"]
    images = {pod["spec"]["containers"][0]["image"] for pod in pods}
    pushed = [parse(image) for image in images if parse(image).registry == lived.registry.name]
    assert len(pushed) >= 3, images
    for name in pushed:
        document = lived.registry.manifest(repository, name.version)
        content = document.content
        blobs = [each["digest"] for each in (*content["layers"], content["config"]) if each["digest"] not in below]
        for data in (document.data, *(b"".join(lived.registry.blob(repository, each)) for each in blobs)):
            assert planted.held(data, lived.secrets) == set()
            read += 1
    assert read >= 12


def test_no_log_holds_any_of_them_neither_the_api_s_nor_the_node_s(lived):
    logs = [path for path in (STATE / "pod-logs").glob(f"{lived.namespace}_*/**/*") if path.is_file()]
    assert len(logs) >= 5
    for path in logs:
        assert planted.held(path.read_bytes(), lived.secrets) == set(), path
    environments = [text for path in logs if "environment {" in (text := path.read_text("utf-8", "replace"))]
    assert len(environments) == 2
    for text in environments:
        for key in keys(lived):
            assert not [form for form in planted.forms(key) if form in text.encode()]


def keys(lived):
    """Return the keys that the runs' messages are signed with, as text."""
    secrets = [each for each in lived.objects if each["kind"] == "Secret" and "key" in each.get("data", {})]
    assert secrets
    return [base64.b64decode(each["data"]["key"]).decode("latin-1") for each in secrets]


def test_nothing_that_is_said_to_the_person_holds_any_of_them(lived):
    text = "\n".join(lived.said)
    for expected in ("does not accept who you are", "ValueError", "absent-from-everywhere", "images may be pushed"):
        assert expected in text, text[-5000:]
    assert planted.held(text.encode(), lived.secrets) == set()


def test_nothing_that_is_kept_on_this_machine_holds_any_of_them(lived):
    kept = [path for path in (lived.folder / "state").rglob("*") if path.is_file()]
    assert len(kept) > 20
    for path in (*kept, lived.folder / "project" / "executed.ipynb"):
        assert planted.held(path.read_bytes(), lived.secrets) == set(), path
