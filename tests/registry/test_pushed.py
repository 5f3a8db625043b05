"""What an image in a registry says, and what is in it."""

import base64
import gzip
import hashlib
import json
import os
import platform
import subprocess

import pytest

import fairing_builders.append as append
from fairing import state
from fairing.oci import known, layout, pinned
from fairing.oci.registry import Registry
from fairing.spec import File
from fairing.testing.layouts import members
from tests.conftest import needs
from tests.registry import bases, servers
from tests.registry.pushes import asked, build, read, recipe, to

pytestmark = pytest.mark.usefixtures("nobody", "home")


def test_what_the_base_says_of_itself_is_kept_as_its_rules_say(plain):
    settings = bases.official(
        User="1000:1000",
        WorkingDir="/srv",
        Entrypoint=["/entry"],
        OnBuild=["RUN x"],
        Labels={"maintainer": "somebody", "dev.fairing.entry": "old"},
        ExposedPorts={"8080/tcp": {}},
        Volumes={"/data": {}},
        StopSignal="SIGINT",
    )
    settings["Env"] += ["PYTHONPATH=/srv/lib", "DEPTH=1"]
    base = bases.push(f"{plain}/rich:1", settings=settings, author="somebody", container_config={"Cmd": ["x"]})
    image = build(recipe(base, env=(("DEPTH", "8"),)), to(f"{plain}/team/rich"))
    manifest, config = read(image.ref)
    kept = config["config"]
    env = dict(each.split("=", 1) for each in kept["Env"])
    site = f"/opt/fairing/dependencies/lib/python{bases.MINOR}/site-packages"
    assert env["PYTHONPATH"] == f"/opt/fairing/runtime:{site}:/srv/lib"
    assert env["PATH"].startswith("/opt/fairing/dependencies/bin:/usr/local/bin:")
    assert (env["DEPTH"], env["LANG"], env["PYTHON_VERSION"]) == ("8", "C.UTF-8", bases.HERE)
    assert kept["Entrypoint"] == ["python", "-m", "fairing.runtime"]
    assert not {"Cmd", "OnBuild"} & set(kept)
    assert [kept[name] for name in ("User", "WorkingDir", "StopSignal")] == ["1000:1000", "/srv", "SIGINT"]
    assert (kept["ExposedPorts"], kept["Volumes"]) == ({"8080/tcp": {}}, {"/data": {}})
    assert kept["Labels"]["maintainer"] == "somebody"
    assert kept["Labels"]["dev.fairing.entry"] == "main.py"
    assert config["author"] == "somebody"
    assert "container_config" not in config
    assert manifest["annotations"]["org.opencontainers.image.base.name"] == base


@pytest.mark.parametrize(
    ("history", "below"),
    [
        (None, ["base"]),
        ([{"created_by": "FROM"}, {"created_by": "ENV", "empty_layer": True}], ["FROM", "ENV"]),
        ([{"created_by": "one"}, {"created_by": "two"}], ["base"]),
    ],
    ids=["none", "with empty layers", "of more layers than there are"],
)
def test_the_history_has_an_entry_for_each_layer(plain, history, below):
    base = bases.push(f"{plain}/history:1", history=history)
    _, config = read(build(recipe(base), to(f"{plain}/team/history")).ref)
    ours = ["fairing: dependencies", "fairing: fairing", "fairing: code"]
    assert [each["created_by"] for each in config["history"]] == [*below, *ours]
    layers = [each for each in config["history"] if not each.get("empty_layer")]
    assert len(layers) == len(config["rootfs"]["diff_ids"]) == 4


@pytest.mark.parametrize("kind", [bases.OCI, bases.DOCKER])
def test_an_image_is_of_its_bases_kind_and_skopeo_agrees(plain, kind, tmp_path):
    skopeo = needs("skopeo")
    name = "docker" if kind == bases.DOCKER else "oci"
    base = bases.push(f"{plain}/{name}:1", kind=kind)
    image = build(recipe(base, files=(File("big.bin", os.urandom(9 << 20)),)), to(f"{plain}/team/{name}"))
    manifest, config = read(image.ref)
    assert manifest["mediaType"].startswith(kind)
    assert len({each["mediaType"] for each in manifest["layers"]}) == 1
    assert manifest["config"]["mediaType"].startswith(kind)
    out = tmp_path / "out"
    copied = [skopeo, "copy", "--preserve-digests", "--src-tls-verify=false", f"docker://{image.ref}", f"dir:{out}"]
    subprocess.run(copied, check=True, capture_output=True)
    assert f"sha256:{hashlib.sha256((out / 'manifest.json').read_bytes()).hexdigest()}" == image.digest
    for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        blob = (out / layer["digest"].removeprefix("sha256:")).read_bytes()
        assert len(blob) == layer["size"]
        assert f"sha256:{hashlib.sha256(gzip.decompress(blob)).hexdigest()}" == diff_id


@pytest.mark.parametrize("kind", [bases.OCI, bases.DOCKER])
def test_the_platform_is_chosen_from_an_index(plain, kind):
    base = bases.index(f"{plain}/many:{kind.rpartition('.')[2]}", "arm64", "amd64", kind=kind)
    manifest, config = read(build(recipe(base), to(f"{plain}/team/many")).ref)
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert manifest["mediaType"].startswith(kind)


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An index of packages with cloudpickle in it, and no other."""
    from tests.dependencies.places import installed

    (tmp_path / "wheels").mkdir()
    installed(tmp_path / "wheels", "cloudpickle")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def test_an_image_for_another_platform_has_its_packages_by_uv(plain, offline):
    base = bases.index(f"{plain}/both:1", "amd64", "arm64")
    made = recipe(base, platforms=["linux/arm64"])
    image = build(made, to(f"{plain}/team/arm"))
    _, config = read(image.ref)
    assert (made.source, config["architecture"]) == ("resolved", "arm64")


def test_the_platform_is_not_guessed_from_the_machine_that_asks(plain, offline, monkeypatch):
    base = bases.index(f"{plain}/both:3", "arm64", "amd64")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    made = recipe(base)
    assert (made.platform, made.source) == ("linux/amd64", "resolved")
    _, config = read(build(made, to(f"{plain}/team/asked")).ref)
    assert config["architecture"] == "amd64"


def test_an_image_for_several_platforms_is_an_index_from_which_each_is_taken(plain, offline, tmp_path):
    skopeo = needs("skopeo")
    base = bases.index(f"{plain}/both:2", "amd64", "arm64")
    with servers.faulty(plain) as proxy:
        target = to(f"127.0.0.1:{proxy.server_port}/team/both")
        image = build(recipe(base, platforms=["linux/amd64", "linux/arm64"]), target)
        proxy.seen.clear()
        assert build(recipe(base, platforms=["linux/amd64", "linux/arm64"]), target) == image
        assert asked(proxy) == []
        build(recipe(base, b"print(2)", platforms=["linux/amd64", "linux/arm64"]), target)
        # one layer for both, and for each a configuration and a manifest; the index stands above them
        assert asked(proxy) == ["POST"] * 3 + ["PUT"] * 6
    registry = Registry(plain)
    document = registry.manifest("team/both", image.digest)
    registry.close()
    assert document.media_type.endswith("index.v1+json")
    found = [each["platform"]["architecture"] for each in document.content["manifests"]]
    assert found == ["amd64", "arm64"]
    for machine in found:
        out = f"dir:{tmp_path / machine}"
        source = f"docker://{plain}/team/both@{image.digest}"
        command = [skopeo, f"--override-arch={machine}", "--override-os=linux", "copy", "--src-tls-verify=false"]
        subprocess.run([*command, source, out], check=True, capture_output=True)
        manifest = json.loads((tmp_path / machine / "manifest.json").read_bytes())
        config = json.loads((tmp_path / machine / manifest["config"]["digest"][7:]).read_bytes())
        assert config["architecture"] == machine


def test_the_name_has_the_digest_and_there_is_a_tag_that_keeps_it(plain):
    image = build(recipe(bases.push(f"{plain}/python:any")), to(f"{plain}/team/named"))
    assert image.ref == f"{plain}/team/named@{image.digest}"
    assert Registry(plain).tags("team/named") == [f"main-py-{image.digest[7:19]}"]


def test_scripts_start_with_the_images_python(plain, tmp_path, monkeypatch):
    from tests.dependencies.places import Place, wheel

    place = Place(tmp_path / "place")
    wheel(place.folder / "wheels", "tool", scripts={"tool-run": "tool:main"})
    place.install("tool")
    base = bases.push(f"{plain}/named:1", settings=bases.official(""), layers=(
        bases.layer(("usr/bin/python3", f"python{bases.MINOR}"), (f"usr/bin/python{bases.MINOR}", b"")),))  # fmt: skip
    place.run(f"""
import platform
from fairing import plugins
from fairing.recipe.resolve import resolve
from fairing.image import Image
from fairing.spec import Bundle, Entry, File, Target
bundle = Bundle(Entry("script", "main.py", "0", "main.py"), (File("main.py", b""),), ("tool",), (), "{bases.HERE}")
made = resolve(bundle, Image({base!r}), "registry")
plugins.builder("append").build(made, Target("x", "job", repository="{plain}/team/scripts"), "registry", print)
""")
    monkeypatch.setenv("FAIRING_HOME", str(place.home))
    ((_, mark),) = known.images(state.store())
    found = {}
    for digest in mark["blobs"]:
        path = layout.blob(state.store(), digest)
        if path.exists() and path.read_bytes()[:2] == b"\x1f\x8b":
            found.update(members(path))
    _, script = found["opt/fairing/dependencies/bin/tool-run"]
    assert script.startswith(b"#!/usr/bin/env python3\n")
    assert not [path for path in found if "/bin/python" in path or path.endswith("pyvenv.cfg")]


def test_it_says_what_it_stands_on_and_what_it_does(plain):
    base = bases.push(f"{plain}/python:any")
    said = []
    image = build(recipe(base), to(f"{plain}/team/said"), said)
    again = []
    build(recipe(base, b"print(2)\n"), to(f"{plain}/team/said"), again)
    assert "dependencies: being packed" in said
    assert "dependencies: being packed" not in again
    digest = pinned.find(base, "linux/amd64").base.manifest.digest
    assert said[0] == f"base: {base} (linux/amd64, Python {bases.HERE}, glibc 2.36), {digest[:19]}…"
    assert said[-2:] == [
        f"image: {plain}/team/said:main-py-{image.digest[7:19]}, new",
        f"travels: inside an image, in {plain}/team/said: repository= names it",
    ]


def test_no_secret_of_the_persons_is_in_an_image_or_in_what_is_kept(plain, tmp_path, monkeypatch):
    """Those of docker's configuration, of the environment and of a token server are in no layer and in no file."""
    mark = f"planted-{os.urandom(8).hex()}"
    base = bases.push(f"{plain}/python:any")
    with servers.with_tokens(tmp_path) as (host, tokens):
        tokens.RequestHandlerClass = type("Marked", (servers.TokenServer,), {"password": mark})
        auth = base64.b64encode(f"me:{mark}".encode()).decode()
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
        monkeypatch.setenv("PLANTED", mark)
        said = []
        image = build(recipe(base), to(f"{host}/team/secret"), said)
        manifest, config = read(image.ref)
        registry = Registry(host)
        layers = [b"".join(registry.blob("team/secret", each["digest"], each["size"])) for each in manifest["layers"]]
        registry.close()
    kept = [path.read_bytes() for path in state.home().rglob("*") if path.is_file()]
    assert len(kept) > 10
    for secret in (mark.encode(), auth.encode()):
        assert not [data for data in (*kept, *map(gzip.decompress, layers)) if secret in data]
        assert secret not in json.dumps([manifest, config, said, repr(image), repr(to(host))]).encode()


def test_an_image_of_ours_as_a_base_stands_for_what_is_below_it(plain):
    base = bases.push(f"{plain}/python:any")
    first = build(recipe(base, b"print(1)\n", files=(File("old.py", b"1"),)), to(f"{plain}/team/first"))
    second = build(recipe(first.ref), to(f"{plain}/team/second"))
    direct = build(recipe(base), to(f"{plain}/team/second"))
    (manifest, config), (other, plainly) = read(second.ref), read(direct.ref)
    assert manifest["layers"] == other["layers"]
    assert config == plainly
    assert manifest["annotations"]["org.opencontainers.image.base.digest"] == first.digest


def test_an_image_has_no_more_layers_than_can_be_stacked(plain, monkeypatch):
    monkeypatch.setattr(append, "LARGE", 1000)
    deep = [bases.layer((f"etc/{number}", b"")) for number in range(100)]
    base = bases.push(f"{plain}/deep:1", layers=deep, history=None)
    files = [File(f"data/{number}.bin", bytes([number]) * 1000) for number in range(40)]
    manifest, config = read(build(recipe(base, files=files), to(f"{plain}/team/deep")).ref)
    assert len(manifest["layers"]) == len(config["rootfs"]["diff_ids"]) == append.LIMIT
