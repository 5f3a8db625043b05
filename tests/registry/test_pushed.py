"""Images on a base, in a registry: what is refused before anything is made, what they say, what is sent for them."""

import base64
import gzip
import hashlib
import json
import os
import subprocess
import time
from dataclasses import replace

import pytest

from fairing import plugins, state
from fairing.errors import BuildError, ConfigError, RegistryError
from fairing.oci import known, layout, pinned
from fairing.oci.reference import parse
from fairing.oci.registry import Registry
from fairing.recipe.resolve import resolve
from fairing.spec import Bundle, Entry, File, Image, Target
from fairing.testing.layouts import members
from tests.conftest import needs
from tests.registry import bases, servers

pytestmark = pytest.mark.usefixtures("nobody")
CODE = b"print('hello')\n"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def recipe(base, code=CODE, files=(), requires=(), env=(), platforms=()):
    entry = Entry("script", "main.py", hashlib.sha256(code).hexdigest(), "main.py")
    bundle = Bundle(entry, (File("main.py", code), *files), ("cloudpickle", *requires), (), bases.HERE)
    return resolve(bundle, Image(base).env(dict(env)).platform(*platforms), "registry")


def to(repository, **more):
    return Target("there", "job", "append", repository=repository, **more)


def build(made, target, said=None):
    heard = [] if said is None else said
    builder = plugins.builder("append")
    builder.check(made, target)
    return builder.build(made, target, "registry", lambda event: heard.append(getattr(event, "reason", event)))


def read(ref):
    """Return an image's manifest and configuration as the registry has them, each blob held against its digest."""
    name = parse(ref)
    registry = Registry(name.registry)
    document = registry.manifest(name.repository, name.version)
    content = document.content
    for each in [*content["layers"], content["config"]]:
        data = b"".join(registry.blob(name.repository, each["digest"], each["size"]))
        assert len(data) == each["size"]
    registry.close()
    return content, json.loads(data)


def nothing_made():
    return not [path for path in (state.store() / "trees", state.store() / "layers") if path.exists()]


# What is refused, before anything is made


def test_without_a_repository_it_says_what_to_set(plain):
    with pytest.raises(
        ConfigError,
        match=r"'there' has no repository .* Set repository='registry\.example.*without a registry, builder='inline'",
    ):
        build(recipe(bases.push(f"{plain}/python:any")), Target("there", "job", "append"))
    assert nothing_made()


@pytest.mark.parametrize("given", ["team/x:1", "team/x@sha256:" + "0" * 64])
def test_a_repository_with_a_tag_is_refused(plain, given):
    with pytest.raises(ConfigError, match=rf"has a tag or a digest.*Write repository='{plain}/team/x'"):
        build(recipe(f"{plain}/python:any"), to(f"{plain}/{given}"))


def test_a_base_for_another_platform_is_refused(plain):
    base = bases.index(f"{plain}/other:arm", "arm64", "s390x")
    with pytest.raises(RegistryError, match=r"not made for linux/amd64.*linux/arm64, linux/s390x"):
        build(recipe(base), to(f"{plain}/team/x"))
    assert nothing_made()


def test_a_base_with_another_python_is_refused(plain):
    base = bases.push(f"{plain}/snake:1", settings=bases.official("3.9.18"))
    with pytest.raises(BuildError, match=rf"has Python 3\.9\.18, and this kernel has .*python:{bases.MINOR}-slim"):
        build(recipe(base), to(f"{plain}/team/x"))
    assert nothing_made()


def test_a_base_that_is_not_there_is_refused(plain):
    with pytest.raises(RegistryError, match=r"cannot be read.*not there"):
        build(recipe(f"{plain}/absent:1"), to(f"{plain}/team/x"))
    assert nothing_made()


def test_a_registry_that_cannot_be_reached_is_said_before_anything_is_made(plain):
    base = bases.push(f"{plain}/python:any")
    with pytest.raises(RegistryError, match=r"cannot be pushed to .*refuses connections"):
        build(recipe(base), to(f"127.0.0.1:{servers.free_port()}/team/x"))
    assert nothing_made()


def test_who_may_not_push_is_told_before_anything_is_made(plain, tmp_path):
    base = bases.push(f"{plain}/python:any")
    with servers.with_tokens(tmp_path) as (host, _), pytest.raises(RegistryError, match=r"who you are.*Log in"):
        build(recipe(base), to(f"{host}/team/x"))
    assert nothing_made()


def test_a_base_that_is_broken_is_refused(plain):
    base = bases.push(f"{plain}/broken:1", rootfs={"type": "layers", "diff_ids": []})
    with pytest.raises(RegistryError, match="cannot be built upon"):
        build(recipe(base), to(f"{plain}/team/x"))
    assert nothing_made()


# What an image says


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


def test_the_platform_is_chosen_from_an_index(plain):
    base = bases.index(f"{plain}/many:1", "arm64", "amd64")
    _, config = read(build(recipe(base), to(f"{plain}/team/many")).ref)
    assert (config["os"], config["architecture"]) == ("linux", "amd64")


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
from fairing.spec import Bundle, Entry, File, Image, Target
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


# What is sent


@pytest.fixture
def watched(plain):
    """A registry whose requests are counted, with an image in it that was built just now."""
    with servers.faulty(plain) as proxy:
        base = bases.push(f"{plain}/python:any")
        host = f"127.0.0.1:{proxy.server_port}"
        target = to(f"{host}/watched/{os.urandom(4).hex()}")
        build(recipe(base), target)
        proxy.seen.clear()
        yield proxy, target, base


def asked(proxy):
    found = sorted(command for command, _ in proxy.seen)
    proxy.seen.clear()
    return found


def test_for_a_changed_cell_a_layer_a_configuration_and_a_manifest_are_sent(watched):
    proxy, target, base = watched
    for number in range(3):
        image = build(recipe(base, f"print({number})\n".encode()), target)
        assert asked(proxy) == ["POST", "POST", "PUT", "PUT", "PUT"]
        read(image.ref)
        proxy.seen.clear()


def test_nothing_is_asked_when_nothing_changed(watched):
    proxy, target, base = watched
    first = build(recipe(base), target)
    second = build(recipe(base), target)
    assert first == second
    assert asked(proxy) == []


def test_a_base_is_pinned_and_not_asked_for_again(plain, tmp_path):
    with servers.faulty(plain) as proxy:
        base = f"127.0.0.1:{proxy.server_port}/moving:1"
        bases.push(f"{plain}/moving:1")
        first = build(recipe(base), to(f"{plain}/team/moving"))
        bases.push(f"{plain}/moving:1", layers=(bases.ETC, bases.layer(("new", b"er"))))
        proxy.seen.clear()
        second = build(recipe(base, b"print(2)\n"), to(f"{plain}/team/moving"))
        assert proxy.seen == []
    assert len(read(first.ref)[0]["layers"]) == len(read(second.ref)[0]["layers"]) == 4


def test_a_base_of_the_same_registry_is_mounted_and_never_read(plain):
    big = bases.layer(("big", os.urandom(1 << 20)))
    bases.push(f"{plain}/near:1", layers=(big,))
    with servers.faulty(plain) as proxy:
        host = f"127.0.0.1:{proxy.server_port}"
        build(recipe(f"{host}/near:1"), to(f"{host}/team/near"))
        digest = f"sha256:{hashlib.sha256(big).hexdigest()}"
        moved = [
            (command, path) for command, path in proxy.seen if digest in path or digest.replace(":", "%3A") in path
        ]
    assert [command for command, _ in moved] == ["HEAD", "POST"]
    assert "mount=" in moved[1][1]


def test_a_base_of_another_registry_is_streamed_and_never_on_the_disk(plain, tmp_path):
    big = bases.layer(("big", os.urandom(1 << 20)))
    base = bases.push(f"{plain}/far:1", layers=(big,))
    (tmp_path / "other").mkdir()
    with servers.registry(tmp_path / "other") as other:
        image = build(recipe(base), to(f"{other}/team/far"))
        manifest, _ = read(image.ref)
    assert manifest["layers"][0]["digest"] == f"sha256:{hashlib.sha256(big).hexdigest()}"
    assert not layout.blob(state.store(), manifest["layers"][0]["digest"]).exists()


def test_a_registry_that_lost_its_blobs_gets_them_again(plain, tmp_path):
    base = bases.push(f"{plain}/python:any")
    port = servers.free_port()
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        with servers.registry(tmp_path / str(number), port=port) as host:
            image = build(recipe(base, f"print({number})\n".encode()), to(f"{host}/team/lost"))
            read(image.ref)


def test_an_image_that_is_gone_is_pushed_again_after_a_while_or_when_somebody_says_so(plain, tmp_path):
    base = bases.push(f"{plain}/python:any")
    port = servers.free_port()
    target = to(f"127.0.0.1:{port}/team/gone")
    ref = ""
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        with servers.registry(tmp_path / str(number), port=port):
            if number == 1:
                mark = known._mark(parse(ref), parse(ref).digest)
                then = time.time() - known.BELIEVED - 1
                os.utime(mark, (then, then))
            if number == 2:
                known.forget(ref)
            ref = build(recipe(base), target).ref
            read(ref)


def test_what_another_machine_pushed_is_not_sent_again(watched, tmp_path, monkeypatch):
    proxy, target, base = watched
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "another"))
    build(recipe(base, b"print('of another')\n"), target)
    sent = [path for command, path in proxy.seen if command == "PUT" and "/blobs/" in path]
    assert len(sent) == 2  # the code and the configuration


def test_a_large_file_has_a_layer_of_its_own_which_is_sent_once(watched):
    proxy, target, base = watched
    big = File("data/big.bin", os.urandom(9 << 20))
    build(recipe(base, files=(big,)), target)
    proxy.seen.clear()
    image = build(recipe(base, b"print(2)\n", files=(big,)), target)
    assert asked(proxy) == ["POST", "POST", "PUT", "PUT", "PUT"]
    assert [layer.kind for layer in image.layers] == ["dependencies", "fairing", "files", "code"]


def test_it_says_what_it_stands_on_and_what_it_does(plain):
    base = bases.push(f"{plain}/python:any")
    said = []
    image = build(recipe(base), to(f"{plain}/team/said"), said)
    digest = pinned.find(base, "linux/amd64").base.manifest.digest
    assert said[0] == f"base: {base} (linux/amd64, Python {bases.HERE}, glibc 2.36), {digest[:19]}…"
    assert said[-1] == f"image: {plain}/team/said:main-py-{image.digest[7:19]}, new"


def test_debian_packages_are_refused_by_name(plain):
    made = replace(recipe(f"{plain}/python:any"), apt=("git",))
    with pytest.raises(BuildError, match=r"cannot install Debian packages \(git\)"):
        build(made, to(f"{plain}/team/x"))


def test_pruning_keeps_what_an_image_in_a_registry_is_made_of(plain):
    from fairing.api import storage

    base = bases.push(f"{plain}/python:any")
    image = build(recipe(base), to(f"{plain}/team/pruned"))
    storage.prune(0, 0)
    assert all(layout.has(state.store(), layer.digest, layer.size) for layer in image.layers)
    then = time.time() - 8 * storage.DAY
    for mark in (state.store() / "pushed").glob("*/*"):
        os.utime(mark, (then, then))
    for pin in (state.store() / "bases").iterdir():
        os.utime(pin, (then, then))
    storage.prune(0)
    folders = [state.store() / name for name in ("pushed", "bases", "blobs/sha256", "trees")]
    assert [path for folder in folders for path in folder.rglob("*") if path.is_file()] == []


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
