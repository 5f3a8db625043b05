"""How registries are spoken to is a rule of somebody's, and never a guess: plain HTTP, certificates, mirrors."""

import pytest

import fairing
from fairing.api import checkup
from fairing.config import settings
from fairing.config.options import Options, options
from fairing.errors import RegistryError
from fairing.oci import pinned
from fairing.oci.reference import parse
from fairing.oci.rules import places
from fairing.oci.rules import settings as connections
from fairing.oci.transfer import Transfer
from fairing.spec import RegistryRule
from tests.registry import bases, servers
from tests.registry.pushes import build, recipe

pytestmark = pytest.mark.usefixtures("nobody", "home")
ELSEWHERE = "127.0.0.2"
"""This machine by a name that nothing takes for it."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    return folder


def pushed(project, host, base, rules):
    """Build and push by what a project's file says."""
    (project / "fairing.toml").write_text(f'repository = "{host}/team/rules"\n{rules}')
    target, _ = settings.settle(options({"target": "cluster"}))
    return build(recipe(base), target)


def test_plain_http_is_spoken_where_a_file_says_so_and_nowhere_else(plain, project, tmp_path):
    base = bases.push(f"{plain}/python:any")
    with servers.registry(tmp_path, address=ELSEWHERE) as host:
        with pytest.raises(RegistryError, match=rf'does not speak HTTPS.*\[registries."{host}"\] insecure = true'):
            pushed(project, host, base, "")
        image = pushed(project, host, base, f'[registries."{host}"]\ninsecure = true\n')
        assert image.ref.startswith(f"{host}/team/rules@sha256:")


def test_an_authority_is_trusted_for_the_registry_that_names_it_and_for_no_other(plain, project, tmp_path, authority):
    base = bases.push(f"{plain}/python:any")
    (project / "tls").mkdir()
    (project / "tls" / "ca.pem").write_bytes((authority / "ca.pem").read_bytes())
    with servers.registry(tmp_path, address=ELSEWHERE, tls=authority) as host:
        other = '[registries."other.test"]\nca = "tls/ca.pem"\n'
        with pytest.raises(RegistryError, match=rf'not trusted.*\[registries."{host}"\] ca = '):
            pushed(project, host, base, other)
        image = pushed(project, host, base, f'[registries."{host}"]\nca = "tls/ca.pem"\n')
        assert image.ref.startswith(f"{host}/team/rules@sha256:")


def test_a_registry_of_this_machine_that_has_certificates_is_spoken_to_over_tls(plain, project, tmp_path, authority):
    base = bases.push(f"{plain}/python:any")
    with servers.registry(tmp_path, tls=authority) as host:
        image = pushed(project, host, base, f'[registries."{host}"]\nca = "{authority}/ca.pem"\n')
        assert image.ref.startswith(f"{host}/team/rules@sha256:")


def test_a_file_of_certificates_that_is_not_there_is_named(plain, project, tmp_path, authority):
    base = bases.push(f"{plain}/python:any")
    with (
        servers.registry(tmp_path, address=ELSEWHERE, tls=authority) as host,
        pytest.raises(RegistryError, match=rf"no certificates to trust in {project}/gone\.pem"),
    ):
        pushed(project, host, base, f'[registries."{host}"]\nca = "gone.pem"\n')


def test_a_base_is_taken_from_a_mirror_first(plain, project):
    bases.push(f"{plain}/hub/library/python:any")
    image = pushed(project, plain, "python:any", f'[registries."docker.io"]\nmirror = "{plain}/hub"\n')
    assert image.ref
    kept = pinned.find("python:any", "linux/amd64")
    assert (kept.base.reference.registry, kept.base.reference.repository) == (plain, "hub/library/python")


def test_what_a_mirror_has_not_comes_from_the_registry_itself(plain):
    base = bases.push(f"{plain}/only/here:1")
    rules = [RegistryRule(plain, mirror=f"{plain}/mirror")]
    with Transfer(connections(rules)) as transfer:
        kept = pinned.pin(base, "linux/amd64", transfer, rules)
    assert kept.base.reference.repository == "only/here"


def test_mirrors_are_of_one_registry():
    rules = [RegistryRule("docker.io", mirror="mirror.test"), RegistryRule("ghcr.io", mirror="other.test/x/")]
    where = {
        name: [str(place) for place in places(parse(name), rules)] for name in ("python:3", "ghcr.io/a/b:1", "q.io/c:1")
    }
    assert where == {
        "python:3": ["mirror.test/library/python:3", "docker.io/library/python:3"],
        "ghcr.io/a/b:1": ["other.test/x/a/b:1", "ghcr.io/a/b:1"],
        "q.io/c:1": ["q.io/c:1"],
    }


def test_without_a_rule_there_is_none(project):
    assert settings.settle(Options())[0].registries == ()
    assert connections(()).plain == ()


def test_a_function_is_built_for_a_registry_by_what_the_projects_file_says(plain, project):
    """Without a cluster: nothing is run."""
    base = bases.push(f"{plain}/python:any")
    where = f'repository = "{plain}/team/whole"\nimage = "{base}"\n'
    (project / "fairing.toml").write_text(f'target = "far"\n[targets.far]\ndeployer = "job"\n{where}')

    def train(depth):
        return depth * 2

    before = fairing.preview(train)
    image = fairing.build(train)
    after = fairing.preview(train)
    assert image.ref == f"{plain}/team/whole@{image.digest}"
    assert dict(before.new)["dependencies"].endswith("to be made")
    assert dict(after.new)["dependencies"].endswith("ready")


def test_the_doctor_says_whether_a_registry_and_a_base_will_do_and_makes_nothing(plain, project, tmp_path):
    base = bases.push(f"{plain}/python:any")
    old = bases.push(f"{plain}/python:old", settings=bases.official("3.9.1"))
    target = f'[targets.far]\ndeployer = "job"\nrepository = "{plain}/team/examined"\n'

    def found(text):
        (project / "fairing.toml").write_text(text)
        chosen, _ = settings.settle(Options(target="far"))
        return {each.name: each for each in checkup._there(chosen) if each.name in {"registry", "image"}}

    well = found(f'image = "{base}"\n{target}')
    assert well["registry"].found == f"images may be pushed to {plain}/team/examined"
    assert well["image"].found.startswith(f"{base} (linux/amd64, Python {bases.HERE}, glibc 2.36)")
    assert all(each.good for each in well.values())
    assert "has Python 3.9.1" in found(f'image = "{old}"\n{target}')["image"].found
    assert "not made for linux/s390x" in found(f'image = "{base}"\nplatform = "linux/s390x"\n{target}')["image"].found
    with servers.with_tokens(tmp_path) as (host, _):
        refused = found(f'image = "{base}"\n{target.replace(plain, host)}')["registry"]
    assert not refused.good
    assert "docker login" in refused.fix
    nowhere = found(f'image = "{base}"\n[targets.far]\ndeployer = "job"\n')
    assert [(each.good, each.name) for each in nowhere.values()] == [(False, "registry")]
    assert not (tmp_path / "home" / "store" / "bases").exists()
