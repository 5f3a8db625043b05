"""Where a value comes from: the call, the decorator, fairing.use, the environment, files, the target."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import fairing
from fairing.config import settings
from fairing.config.options import NAMES, Options, options
from fairing.errors import CaptureError, ConfigError, PluginError

SOURCES = ["the call", "fairing.use", "FAIRING_MEMORY", "project", "person", "target small"]


@pytest.mark.parametrize("strongest", range(len(SOURCES)))
def test_the_strongest_source_holds(strongest, project, own, monkeypatch):
    """Every source says something; each in turn is the strongest that does."""
    (project / "fairing.toml").write_text(
        ('memory = "4Gi"\n' if strongest <= 3 else "") + 'target = "small"\n[targets.small]\nmemory = "6Gi"\n'
    )
    own.write_text('memory = "5Gi"\n' if strongest <= 4 else "")
    if strongest <= 2:
        monkeypatch.setenv("FAIRING_MEMORY", "3Gi")
    if strongest <= 1:
        fairing.use(memory="2Gi")
    call = {"memory": "1Gi"} if strongest == 0 else {}
    _, settled = settings.settle(options(call))
    assert settled.memory == f"{strongest + 1}Gi"
    shown = {each.name: each for each in fairing.settings(**call)}["memory"]
    files = {"project": f"{project / 'fairing.toml'}, line 1", "person": f"{own}, line 1"}
    source = SOURCES[strongest]
    assert (shown.value, shown.source) == (f"{strongest + 1}Gi", files.get(source, source))


def test_a_call_is_stronger_than_a_decorator_and_a_decorator_than_use():
    @fairing.remote(name="decorator", cpu=1)
    def train():
        return 1

    from fairing.api.start import take

    fairing.use(name="use", cpu=2, retries=3)
    _, _, settled = take(train, (), None, {"name": "call"})
    assert (settled.name, settled.cpu, settled.retries) == ("call", 1.0, 3)


def test_use_adds_up_and_forgets():
    fairing.use(workers=2)
    fairing.use(cpu=1)
    assert settings.settle(Options())[1].workers == 2
    fairing.use()
    assert settings.settle(Options())[1].workers is None


def test_every_option_can_be_set_in_the_environment(monkeypatch):
    monkeypatch.setenv("FAIRING_INCLUDE", "data/*, notes.txt")
    monkeypatch.setenv("FAIRING_ENV", "A=1,B=2")
    monkeypatch.setenv("FAIRING_TRUST_HTML", "true")
    _, settled = settings.settle(Options())
    assert settled.include == ("data/*", "notes.txt")
    assert settled.env == (("A", "1"), ("B", "2"))
    assert settled.trust_html is True


def test_a_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("FAIRING_WORKERS", "many")
    with pytest.raises(ConfigError, match="FAIRING_WORKERS"):
        settings.settle(Options())


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("FAIRING_TARGTE", "FAIRING_TARGET"),
        ("FAIRING_GPU", "FAIRING_GPUS"),
        ("FAIRING_MEM", "FAIRING_MEMORY"),
        ("FAIRING_Target", "FAIRING_TARGET"),
        ("FAIRING_HOEM", "FAIRING_HOME"),
    ],
)
def test_a_mistyped_variable_is_refused_with_the_nearest_name(variable, meant, monkeypatch):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigError) as refused:
        settings.settle(Options())
    assert str(refused.value) == f"There is no variable {variable}. Did you mean {meant}?"


@pytest.mark.parametrize(
    "variable",
    [
        *("FAIRING_HOME", "FAIRING_RUN", "FAIRING_NOTEBOOK", "FAIRING_CAPTURED"),
        *("FAIRING_REPLICAS", "FAIRING_COORDINATOR", "FAIRING_TEST_TARGETS", "FAIRING_"),
        *("FAIRING_PORT", "FAIRING_PORT_8080_TCP_ADDR", "FAIRING_SERVICE_HOST", "FAIRING_SERVICE_PORT_HTTP"),
    ],
)
def test_variables_of_a_run_of_tests_and_of_a_kubernetes_service_are_left_alone(variable, monkeypatch):
    monkeypatch.setenv(variable, "1")
    assert settings.settle(Options())[1] == Options()


def test_the_project_is_found_upwards(project, monkeypatch):
    (project / "fairing.toml").write_text("retries = 3")
    inner = project / "notebooks" / "deep"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert settings.settle(Options())[1].retries == 3


def test_pyproject_holds_settings_too_and_one_without_them_is_passed_over(project, monkeypatch):
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.fairing]\nretries = 4\n")
    inner = project / "part"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[project]\nname = 'y'\n")
    monkeypatch.chdir(inner)
    assert settings.settle(Options())[1].retries == 4
    shown = {each.name: each.source for each in fairing.settings()}
    assert shown["retries"] == f"{project / 'pyproject.toml'}, line 4"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("gpus = 1\nworkerz = 2", 2, "Did you mean 'workers'"),
        ("[targets.a]\n\nmemry = '1Gi'", 3, "Did you mean 'memory'"),
        ("retries = 1\ntargets = {a = {gpuz = 1}}", 2, "Did you mean 'gpus'"),
        ("include = [\n  'a',\n]\ntargets.a.cpus = 1", 4, "Did you mean 'cpu'"),
        ("gpus = 0\nworkers = 'many'", 2, "workers='many' is not possible"),
        ("memory = [\n1,\n2]\n", 1, "memory=.* is not possible"),
        ("\n\ntargets = 3", 3, "targets is not a table"),
        ("targets.a = 3", 1, "targets.a is not a table"),
        ("[targets.a]\ntarget = 'b'", 2, "cannot name another"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_file_line_and_nearest_key(project, text, line, says):
    file = project / "fairing.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=says) as refused:
        fairing.settings()
    assert f"{file}, line {line})" in str(refused.value)


@pytest.mark.parametrize("data", [b"gpus = ", b"\xff\xfe", b"a = [" * 5000, b"x" * (1 << 20 | 1)])
def test_a_file_that_is_not_toml_is_named(project, data):
    (project / "fairing.toml").write_bytes(data)
    with pytest.raises(ConfigError, match=r"fairing\.toml"):
        fairing.settings()


def test_local_exists_without_settings_and_files_add_and_replace_targets(project, own):
    assert set(settings.targets()) == {"local", "docker", "cluster"}
    own.write_text("[targets.big]\nmemory = '8Gi'\n[targets.other]\n")
    (project / "fairing.toml").write_text("[targets.big]\nmemory = '16Gi'\nname = 'run'\n")
    assert set(settings.targets()) == {"local", "docker", "cluster", "big", "other"}
    target, settled = settings.settle(Options(target="big"))
    assert (target.name, target.deployer, target.builder) == ("big", "local", "append")
    assert (settled.memory, settled.name) == ("16Gi", "run")


def test_a_target_is_made_in_code_too():
    target = fairing.Target("small", memory="2Gi", retries=1)
    found, settled = settings.settle(Options(target=target))
    assert (found.name, settled.memory, settled.retries) == ("small", "2Gi", 1)
    with pytest.raises(ConfigError, match="target small"):
        settings.settle(Options(target=fairing.Target("small", memry="2Gi")))


def test_an_unknown_target_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'cluster'"):
        fairing.train(print, target="clusters")
    with pytest.raises(ConfigError, match="Did you mean 'local'"):
        fairing.use(target="locl")


def test_a_target_that_nothing_installed_serves_is_refused_before_anything_is_taken():
    with pytest.raises(PluginError, match="no installed deployer 'docker'"):
        fairing.train("not a function", target="docker")
    with pytest.raises(CaptureError):
        fairing.train("not a function")


def test_settings_read_as_a_table():
    fairing.use(env={"A": "3"}, workers=2)
    lines = [line.split("  ") for line in repr(fairing.settings()).splitlines()]
    rows = {line[0].strip(): [part.strip() for part in line if part.strip()][1:] for line in lines}
    assert rows["workers"] == ["2", "fairing.use"]
    assert rows["env"] == ["A=3", "fairing.use"]
    assert rows["target"] == ["local", "default"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), values, max_size=4))
def test_any_value_of_an_option_is_taken_or_refused_in_a_sentence(given_options):
    try:
        settled = options(given_options)
    except ConfigError as refused:
        assert refused.what.endswith(".")
    else:
        hash(settled)


lines = st.sampled_from(
    [
        *(f"{name} = {value}" for name in NAMES for value in ("1", "'x'", "['a']", "true", "nan", "-1", "{A = '1'}")),
        "[targets.a]",
        "[targets]",
        "[[targets]]",
        "[targets.'']",
        "a.b.c = 1",
        "include = [",
        "]",
        '"""',
        "[env]",
        "A = '3'",
        "# gpus",
        "target = 'a'",
        "when = 1979-05-27T07:32:00Z",
    ]
)


@given(st.lists(lines, max_size=6).map("\n".join).map(str.encode) | st.binary(max_size=40))
@hypothesis_settings(max_examples=200)
def test_any_file_of_settings_is_read_or_refused_in_a_sentence(project, data):
    (project / "fairing.toml").write_bytes(data)
    try:
        fairing.settings()
    except ConfigError as refused:
        assert refused.what.endswith((".", "?"))


def test_an_unknown_kind_of_workload_is_refused():
    with pytest.raises(ConfigError, match=r"kind='TFJob' is not possible\. Use auto or job\."):
        fairing.submit(pow, args=(2, 5), kind="TFJob")


PLACES = """
import os, sys
os.environ.pop("HOME", None)
import fairing, pathlib
from fairing.errors import FairingError
if sys.argv[1] == "homeless":
    del os.environ["FAIRING_HOME"]
    os.environ.pop("XDG_DATA_HOME", None)
    import pwd
    def nobody(uid): raise KeyError(uid)
    pwd.getpwuid = nobody
else:
    gone = pathlib.Path(sys.argv[1])
    os.chdir(gone)
    gone.rmdir()
try:
    fairing.jobs()
except FairingError as refused:
    print(refused)
"""


def test_a_person_without_a_home_and_a_folder_that_is_gone_are_told_in_words(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    said = [
        subprocess.run(
            [sys.executable, "-c", PLACES, each], check=True, capture_output=True, text=True, cwd=tmp_path
        ).stdout
        for each in ("homeless", str(gone))
    ]
    assert said[0].startswith("There is no folder to keep things in. This user has no home folder. Set FAIRING_HOME to")
    assert said[1].startswith("The folder that this program works in is gone.")
