"""The append builder: what it says, how it cuts layers, what it refuses, and that it writes only what is new."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import fairing_builders.append as append
from fairing import state
from fairing.errors import BuildError
from fairing.oci import layout
from fairing.oci.layer import PLACES
from fairing.spec import File
from fairing.testing import builds, layouts


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def recipe(tmp_path):
    return builds.sample(tmp_path)


def _said(recipe):
    said = []
    image = builds.build("append", recipe, said=said)
    return image, [event.reason for event in said]


def test_it_says_what_is_new_and_what_is_there(recipe):
    image, first = _said(recipe)
    _, second = _said(recipe)
    name = f"main-py-{image.digest[7:19]}"
    assert first == [
        "dependencies: 1 package, being made",
        "fairing: new",
        "data/large.bin: 9.44 MB, new",
        "code: 6 files, 49 bytes, new",
        f"image: {name}, new",
    ]
    assert second == [
        "dependencies: 1 package, ready",
        "fairing: ready",
        "data/large.bin: 9.44 MB, ready",
        "code: 6 files, 49 bytes, ready",
        f"image: {name}, ready",
    ]


def test_layers_stand_in_the_order_in_which_they_change(recipe):
    image, _ = _said(recipe)
    assert [layer.kind for layer in image.layers] == ["dependencies", "fairing", "files", "code"]
    manifest = layout.read(state.store(), image.digest)
    assert [each["annotations"]["dev.fairing.kind"] for each in manifest["layers"]] == ["files", "code"]
    for layer in image.layers[:2]:
        assert manifest["annotations"][f"dev.fairing.tree.{layer.kind}"] == layer.key


def test_the_digest_is_the_local_manifests(recipe):
    image, _ = _said(recipe)
    assert [each["digest"] for each in layout.index(state.store())] == [image.digest]


def test_changed_code_leaves_a_large_file_as_it_is(recipe):
    before, _ = _said(recipe)
    after, said = _said(replace(recipe, files=(*recipe.files, File("new.py", b"1"))))
    assert before.layers[:3] == after.layers[:3]
    assert said[2:4] == ["data/large.bin: 9.44 MB, ready", "code: 7 files, 50 bytes, new"]


def test_large_files_beyond_what_an_image_can_hold_share_a_layer(recipe, monkeypatch):
    monkeypatch.setattr(append, "LARGE", 1000)
    many = [File(f"data/{n}.bin", bytes([n]) * (1000 + n)) for n in range(70)]
    image, said = _said(replace(recipe, files=(recipe.files[0], *many)))
    assert [layer.kind for layer in image.layers].count("files") == append.MOST + 1
    assert said[-3].startswith("10 large files: ")
    found = {}
    for layer in image.layers[2:]:
        found.update(layouts.members(layout.blob(state.store(), layer.digest)))
    assert found == {f"{PLACES['code']}/{file.path}": (file.mode, file.read()) for file in (recipe.files[0], *many)}
    assert layouts.problems(state.store()) == ()


def test_two_large_files_of_one_content_are_two_files(recipe, monkeypatch):
    monkeypatch.setattr(append, "LARGE", 1000)
    twins = (File("a.bin", b"1" * 2000), File("b.bin", b"1" * 2000))
    image, _ = _said(replace(recipe, files=(recipe.files[0], *twins)))
    assert len({layer.digest for layer in image.layers if layer.kind == "files"}) == 2


def test_debian_packages_are_refused_by_name(recipe):
    with pytest.raises(
        BuildError, match=r"cannot install Debian packages \(libgomp1, graphviz\).*No installed builder"
    ):
        _said(replace(recipe, apt=("libgomp1", "graphviz")))
    assert not (state.home() / "store" / "blobs").exists()


CAN = """
class Debian:
    makes = frozenset({"layers"})
    def check(self, recipe, target):
        if "unheard-of" in recipe.apt:
            raise ValueError("not even this one")
"""
ASKED = """
import sys
from dataclasses import replace
from pathlib import Path
from fairing import plugins
from fairing.errors import BuildError
from fairing.spec import Target
from fairing.testing import builds
recipe = builds.sample(Path(sys.argv[1]))
for packages in (("git",), ("unheard-of",)):
    try:
        plugins.builder("append").check(replace(recipe, apt=packages), Target("local"))
    except BuildError as refused:
        print(refused.what, refused.fix)
"""


def test_the_installed_builder_that_can_is_named(tmp_path):
    described = tmp_path / "debian-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: debian\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[fairing.builders]\ndebian = debian_builder:Debian\n")
    (tmp_path / "debian_builder.py").write_text(CAN)
    done = subprocess.run(
        [sys.executable, "-c", ASKED, tmp_path],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "The builder 'append' cannot install Debian packages (git). Use builder='debian', which can.",
        "The builder 'append' cannot install Debian packages (unheard-of). No installed builder can.",
    ], done.stderr


def test_everything_that_a_run_depends_on_is_in_the_digest(recipe):
    variants = [
        recipe,
        replace(recipe, env=(("DEPTH", "9"),)),
        replace(recipe, roots=("src",)),
        replace(recipe, data=("data/large.bin",)),
        replace(recipe, entry=replace(recipe.entry, arguments=("--fast",))),
        replace(recipe, entry=replace(recipe.entry, kind="notebook")),
    ]
    assert len({_said(each)[0].digest for each in variants}) == len(variants)


def test_a_build_that_finds_everything_changes_nothing(recipe):
    _said(recipe)
    changes = []

    def heard(event, args):
        if not listening:
            return
        if event == "os.mkdir" and not Path(args[0]).exists():  # else it is only asked for
            changes.append((event, args))
        if event in {"os.rename", "os.link", "os.remove", "os.rmdir", "os.utime", "os.truncate"}:
            changes.append((event, args))
        written = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if written and not str(args[0]).endswith("lock"):
            changes.append((event, args))

    listening = True
    sys.addaudithook(heard)
    try:
        _said(recipe)
    finally:
        listening = False
    assert [str(change)[:200] for change in changes] == []


def test_an_edited_fairing_is_another_layer(recipe, tmp_path):
    """Whoever works on fairing itself runs what they wrote."""
    import shutil
    import subprocess

    import fairing

    copy = tmp_path / "src" / "fairing"
    shutil.copytree(Path(fairing.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    program = "import fairing.oci.runner as r; made = r.layer(); print(made.layer.key, made.new, made.layer.folder)"

    def layer():
        env = {**os.environ, "PYTHONPATH": str(copy.parent)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout.split()

    key, new, folder = layer()
    assert (new, layer()[:2]) == ("True", [key, "False"])
    (copy / "errors.py").write_text((copy / "errors.py").read_text() + "\n# edited\n")
    other, new, folder = layer()
    assert (new, other != key) == ("True", True)
    assert Path(folder, "fairing", "errors.py").read_text().endswith("# edited\n")


def test_the_runners_bytecode_is_valid_and_never_checked(recipe):
    import importlib.util
    import marshal

    from fairing.runtime import frames

    image, _ = _said(recipe)
    runtime = image.layers[1].folder / "fairing" / "runtime"
    tag = sys.implementation.cache_tag
    assert {f"{path.stem}.{tag}.pyc" for path in runtime.glob("*.py")} <= {
        path.name for path in (runtime / "__pycache__").iterdir()
    }
    data = (runtime / "__pycache__" / f"frames.{tag}.pyc").read_bytes()
    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert data[4:16] == b"\1\0\0\0" + importlib.util.source_hash(Path(frames.__file__).read_bytes())
    assert "Decoder" in marshal.loads(data[16:]).co_names
