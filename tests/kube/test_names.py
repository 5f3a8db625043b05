"""Names that come from notebooks, files and options are data everywhere: in objects, labels, shells and paths."""

import json
import os
import re
import stat
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import fairing
from fairing import plugins
from fairing.api import start
from fairing.config.options import options
from fairing.errors import ConfigError
from fairing.kube.connection import connect
from fairing.spec import BuiltImage, Captured, Entry, File, Report, Target
from tests.kube.planted import forms

NASTY = (
    "a\nb: {c: d}\n---\nkind: Pod",
    "'\"`$(touch /tmp/x)`; rm -rf / #",
    "{{ .Values.x }} ${HOME} $(HOME) $$ $é $",
    "../../etc/passwd",
    "-rf --help",
    "x" * 300,
    "Größe 模型 \N{SNOWMAN}",
    "\0",
    "\udce9",
    "...",
    "",
)
"""What has broken out of templates, shells, labels and paths."""
LABEL = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
FILES = (*(each for each in NASTY[:7] if "/" not in each and len(each) < 256), "-n", "~", "*", "a b/c\td", "y" * 200)
PRINTED = st.text(min_size=1).filter(str.isprintable)
VALUES = (*(each for each in NASTY if each.isprintable()), "two\nlines", "tab\t", "\\n")


@pytest.fixture
def podless(there):
    """A namespace in which Jobs are made, and no pod of theirs."""
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/pods": "0"}}}
    reached = connect(namespace=there)
    reached.post(f"/api/v1/namespaces/{there}/resourcequotas", quota)
    return reached


def nasty(name):
    def decorated(test):
        for each in NASTY:
            test = example(**{**dict.fromkeys(("name", "called", "value"), "x"), "output": "x", name: each})(test)
        return test

    return decorated


@nasty("name")
@nasty("called")
@nasty("value")
@nasty("output")
@settings(max_examples=40, database=None)
@given(name=PRINTED, called=st.text(), value=st.text(), output=PRINTED)
def test_whatever_a_run_is_called_its_objects_are_taken_and_say_what_was_meant(podless, name, called, value, output):
    entry = Entry("notebook", "x", "00", called)
    captured = Captured(None, (File("arguments.pkl", b"x"),), Report(called, "notebook"))
    try:
        settled = options({"name": name, "env": {"GIVEN": value}, "outputs": [output]})
    except ConfigError as refused:
        assert "is not possible" in str(refused)
        return
    image = BuiltImage("sha256:00", entry, "3.11", ref="registry.test/x@sha256:" + "0" * 64)
    deployer, target = plugins.deployer("job"), Target("there", "job", namespace=podless.namespace)
    handle = deployer.deploy(image, start.workload(captured, settled), target, lambda event: None)
    job = podless.get(f"/apis/batch/v1/namespaces/{podless.namespace}/jobs/{handle.parts[-1]}")
    pod = job["spec"]["template"]
    labels = [*job["metadata"]["labels"].values(), *pod["metadata"]["labels"].values()]
    assert all(LABEL.fullmatch(each) for each in labels)
    assert json.loads(job["metadata"]["annotations"]["fairing/outputs"]) == [output]
    (said,) = [each.get("value", "") for each in pod["spec"]["containers"][0]["env"] if each["name"] == "GIVEN"]
    assert expanded(said) == value
    described = podless.get(f"/api/v1/namespaces/{podless.namespace}/configmaps/{handle.parts[-1]}")
    assert json.loads(described["data"]["run.json"])["entry"]["name"] == called


def expanded(text):
    """Return what Kubernetes makes of a value; it says so in its reference, of ``env``."""
    return re.sub(r"\$\$|\$\(\w+\)", lambda match: "$" if match[0] == "$$" else "expanded", text)


@pytest.mark.parametrize("builder", ["inline", "append"])
def test_names_of_files_functions_and_values_come_out_of_a_pod_as_they_went_in(
    there, tmp_path, monkeypatch, builder, cluster
):
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)

    def work(values):
        found = {os.path.relpath(Path(folder, name), "data"): Path(folder, name).read_text()
                 for folder, _, names in os.walk("data") for name in names}  # fmt: skip
        Path("out").mkdir()
        for name in found:
            Path("out", name.replace("/", "_")).write_text(name)
        return found, {name: os.environ[name] for name in values}

    work.__name__ = work.__qualname__ = NASTY[1] + NASTY[2]
    values = {f"VALUE_{number}": value for number, value in enumerate(VALUES)}
    options = {"name": NASTY[1], "env": values, "include": ["data"], "outputs": ["out/-*", "out/*$(*"]}
    job = fairing.submit(work, (list(values),), builder=builder, **options)
    found, said = job.result()
    assert found == {name: name for name in FILES}
    assert said == values
    assert {each.path for each in job.files()} >= {f"out/{name.replace('/', '_')}" for name in FILES}
    to = tmp_path / "brought"
    job.download("out/*", to=to)
    assert {path.name: path.read_text() for path in (to / "out").iterdir()} == {
        name.replace("/", "_"): name for name in FILES
    }


def test_a_notebook_of_any_name_runs_and_its_image_has_a_tag(there, tmp_path, monkeypatch):
    import nbformat

    monkeypatch.chdir(tmp_path)
    name = "'$(x)' {{y}} -- Größe.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("6 * 7")]), tmp_path / name)
    executed = fairing.run_notebook(name, output=f"out {name}", builder="append")
    assert executed.path.name == f"out {name}"
    assert "42" in (tmp_path / f"out {name}").read_text()


@pytest.mark.parametrize(
    ("name", "value"), [("A=B", ""), ("Ü", ""), ("A\nB", ""), ("", ""), ("\0", ""), ("A", "\0"), ("A", "\udce9")]
)
def test_what_no_variable_may_be_is_refused_before_anything_is_made(name, value):
    with pytest.raises(ConfigError, match="is not possible"):
        options({"env": {name: value}})
    with pytest.raises(ConfigError, match="cannot be an environment variable"):
        fairing.Image().env({name: value})


def test_the_key_of_a_run_lies_in_its_secret_alone_and_is_mounted_for_its_own_user_to_read(there):
    def work():
        mounted = Path("/fairing/given/key").stat()
        held = [Path(f"/proc/{each}/environ").read_bytes() for each in ("self", "1")]
        mode = stat.S_IMODE(mounted.st_mode)
        return mode, mounted.st_gid in os.getgroups(), [each.decode("latin-1") for each in held], dict(os.environ)

    job = fairing.submit(work)
    mode, ours, environments, environment = job.result()
    assert ours
    assert mode & 0o337 == 0, oct(mode)  # none but the user and the pod's own group may read, and nobody may write
    reached, name = connect(namespace=there), job.handle.parts[-1]
    key = b64decode(reached.get(f"/api/v1/namespaces/{there}/secrets/{name}")["data"]["key"]).decode("latin-1")
    made = reached.get(f"/apis/batch/v1/namespaces/{there}/jobs/{name}")
    seen = json.dumps([environments, environment, made])
    assert not [form for form in forms(key) if form.decode("latin-1") in seen]
    volumes = made["spec"]["template"]["spec"]["volumes"]
    secrets = [each["secret"] for each in volumes[0]["projected"]["sources"] if "secret" in each]
    assert [item["mode"] for secret in secrets for item in secret["items"]] == [0o400] * 2
