"""What is kept on this machine is shown, freed and handed out, and never taken from a run."""

import json
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

import fairing
from fairing import state
from fairing.api import storage
from fairing.errors import BuildError
from fairing.oci import layout, store
from fairing.oci.complete import complete
from fairing.oci.layer import PLACES
from fairing.spec import File
from fairing.testing import builds, layouts
from tests.conftest import needs


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def small(tmp_path):
    """Return a recipe without a large file."""
    recipe = builds.sample(tmp_path)
    return replace(recipe, files=tuple(file for file in recipe.files if isinstance(file.content, bytes)))


def _build(recipe, code=b"", days=0.0):
    """Build a recipe with more code, as if some days ago."""
    image = builds.build("append", replace(recipe, files=(*recipe.files, File("more.py", code))))
    then = time.time() - days * storage.DAY
    for path in (state.store() / "used" / image.digest[7:], layout.blob(state.store(), image.digest)):
        os.utime(path, (then, then))
    return image


def _blobs():
    return {path.name for path in (state.store() / "blobs" / "sha256").iterdir()}


def test_images_are_listed_last_used_first(small):
    old, new = _build(small, b"1", days=3), _build(small, b"2", days=1)
    rows = storage.images()
    assert [row.digest for row in rows] == [new.digest, old.digest]
    assert [row.name for row in rows] == [f"main-py-{image.digest[7:19]}" for image in (new, old)]
    row = rows[0]
    assert row.size == sum(layer.size for layer in new.layers)
    assert row.trees == tuple(layer.key for layer in new.layers if layer.folder)
    assert row.tree_size > 100_000
    assert not row.running
    assert time.time() - row.used == pytest.approx(storage.DAY, abs=60)


def test_nothing_is_listed_where_nothing_was_built():
    assert storage.images() == ()
    assert storage.prune(0, 0) == storage.Pruned((), 0, 0)


def test_building_again_is_a_use(small):
    image = _build(small, b"1", days=3)
    builds.build("append", replace(small, files=(*small.files, File("more.py", b"1"))))
    (row,) = storage.images()
    assert row.digest == image.digest
    assert row.used > time.time() - 60


def test_prune_removes_what_was_not_used_lately_and_what_only_that_needed(small):
    kept, gone = _build(small, b"1", days=1), _build(small, b"2", days=9)
    code = [image.layers[-1].digest[7:] for image in (kept, gone)]
    before = sum(path.stat().st_size for path in (state.store() / "blobs" / "sha256").iterdir())
    pruned = storage.prune(keep=0, older_than=7 * storage.DAY)
    after = sum(path.stat().st_size for path in (state.store() / "blobs" / "sha256").iterdir())
    assert [row.digest for row in storage.images()] == [kept.digest]
    assert code[0] in _blobs()
    assert code[1] not in _blobs()
    assert (pruned.images, pruned.trees) == ((f"main-py-{gone.digest[7:19]}",), 0)
    assert pruned.freed == before - after > 0
    assert kept.layers[0].folder.is_dir()
    assert layouts.problems(state.store()) == ()


def test_prune_keeps_as_many_as_it_is_told(small):
    images = [_build(small, str(n).encode(), days=10 + n) for n in range(5)]
    storage.prune(keep=2, older_than=0)
    assert [row.digest for row in storage.images()] == [image.digest for image in images[:2]]


def test_prune_of_everything_frees_the_trees_and_a_next_build_makes_them_again(small):
    image = _build(small, b"1", days=1)
    pruned = storage.prune(keep=0, older_than=0)
    assert pruned.trees == 2
    assert list((state.store() / "trees").iterdir()) == []
    assert _blobs() == set()
    assert str(pruned).startswith("Removed 1 image, 2 trees: ")
    assert _build(small, b"1").digest == image.digest
    assert layouts.problems(state.store()) == ()


def test_a_dry_run_of_prune_removes_nothing(small):
    _build(small, b"1", days=9)
    before = builds.written()
    pruned = storage.prune(keep=0, older_than=0, dry_run=True)
    assert len(pruned.images) == 1
    assert pruned.freed > 0
    assert builds.written() == before


def test_an_image_that_was_just_built_stays_for_it_may_be_on_its_way_into_a_run(small):
    image = _build(small, b"1")
    storage.prune(keep=0, older_than=0)
    assert [row.digest for row in storage.images()] == [image.digest]


def test_prune_leaves_what_a_run_uses():
    def wait():
        import signal

        print("going on", flush=True)
        signal.pause()

    job = fairing.submit(wait, target="local")
    try:
        next(event for event in job.events() if getattr(event, "text", "") == "going on\n")
        (row,) = storage.images()
        assert row.running
        long_ago = time.time() - 30 * storage.DAY
        os.utime(state.store() / "used" / row.digest[7:], (long_ago, long_ago))
        os.utime(state.runs() / job.handle.parts[0] / "run.json", (long_ago, long_ago))
        storage.prune(keep=0, older_than=0)
        assert [each.digest for each in storage.images()] == [row.digest]
        assert all((state.store() / "trees" / key).is_dir() for key in row.trees)
        job.cancel()
        assert storage.prune(keep=0, older_than=0).trees == 2
    finally:
        job.delete()


def test_prune_waits_for_a_build_and_says_so(tmp_path):
    (tmp_path / "home").mkdir()
    building = builds.Building("append", tmp_path / "home", held=True)
    building.reached("inside")
    said = []

    def say(what):
        said.append(what)
        building.go()

    storage.prune(keep=0, older_than=0, say=say)
    assert said == ["waiting for an image that is being built"]
    image = building.image()
    assert [row.digest for row in storage.images()] == [image["digest"]]
    assert layouts.problems(state.store()) == ()


PRUNE = """
import sys
from fairing import state
from fairing.api import storage
from fairing.testing import builds
builds._counted(int(sys.argv[1]), str(state.home()))
storage.prune(keep=0, older_than=0)
"""


def test_wherever_a_prune_is_killed_the_store_still_works(small):
    for step in (1, 2, 3, 5, 8, 13):
        _build(small, b"1", days=9)
        kept = _build(small, b"2")
        subprocess.run([sys.executable, "-c", PRUNE, str(step)], check=False)
        assert layouts.problems(state.store()) == ()
        assert kept.digest in {row.digest for row in storage.images()}
        again = _build(small, b"1", days=9)
        assert all(layer.folder is None or any(layer.folder.iterdir()) for layer in again.layers)
    storage.prune(keep=0, older_than=0)
    assert list((state.store() / "parts").iterdir()) == []


def test_an_exported_image_is_whole(small, tmp_path):
    image = _build(small, b"1")
    digest = storage.export(image, tmp_path / "out")
    assert layouts.problems(tmp_path / "out") == ()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["blobs", "index.json", "oci-layout"]
    manifest = layout.read(tmp_path / "out", digest)
    kinds = [layer["annotations"]["dev.fairing.kind"] for layer in manifest["layers"]]
    assert kinds == ["dependencies", "fairing", "code"]
    assert [name for name in manifest["annotations"] if "tree" in name] == []
    config = layout.read(tmp_path / "out", manifest["config"]["digest"])
    assert config["config"]["Entrypoint"] == ["python", "-m", "fairing.runtime"]
    assert "DEPTH=8" in config["config"]["Env"]


def test_an_export_is_the_same_to_the_byte_from_another_store(small, tmp_path, monkeypatch):
    one = storage.export(_build(small, b"1"), tmp_path / "one")
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "other"))
    two = storage.export(_build(small, b"1"), tmp_path / "two")
    assert one == two
    for blob in (tmp_path / "one" / "blobs" / "sha256").iterdir():
        assert blob.read_bytes() == (tmp_path / "two" / "blobs" / "sha256" / blob.name).read_bytes()


def _unpacked(folder, digest, into):
    for each in layout.read(folder, digest)["layers"]:
        with tarfile.open(layout.blob(folder, each["digest"])) as tar:
            tar.extractall(into, **({"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}))


def test_the_code_of_an_exported_image_runs_from_its_layers_alone_with_their_bytecode(small, tmp_path):
    digest = storage.export(_build(small, b"1"), tmp_path / "out")
    root = tmp_path / "root"
    _unpacked(tmp_path / "out", digest, root)
    minor = ".".join(map(str, sys.version_info[:2]))
    site = root / PLACES["dependencies"] / "lib" / f"python{minor}" / "site-packages"
    program = "import cloudpickle, fairing.runtime.frames as f; print(cloudpickle.__file__, f.__file__, sep='\\n')"
    done = subprocess.run(
        [sys._base_executable, "-S", "-s", "-v", "-c", program],
        env={"PYTHONPATH": f"{root / PLACES['fairing']}:{site}", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        str(site / "cloudpickle" / "__init__.py"),
        str(root / PLACES["fairing"] / "fairing" / "runtime" / "frames.py"),
    ]
    tag = sys.implementation.cache_tag
    assert f"code object from '{site}/cloudpickle/__pycache__/cloudpickle.{tag}.pyc'" in done.stderr
    assert f"code object from '{root}" in done.stderr
    assert (root / PLACES["code"] / "main.py").read_bytes() == b"print('hello')\n"
    assert not (root / PLACES["dependencies"] / "bin" / "python").exists()


def test_bytecode_of_layers_is_never_checked_and_names_its_place_in_the_image(small, tmp_path):
    import importlib.util
    import marshal

    digest = storage.export(_build(small, b"1"), tmp_path / "out")
    _unpacked(tmp_path / "out", digest, tmp_path / "root")
    found = sorted((tmp_path / "root").rglob("*.pyc"))
    assert len(found) > 20
    for path in found:
        data = path.read_bytes()
        source = Path(importlib.util.source_from_cache(str(path)))
        assert data[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(data[4:8], "little") == 1  # by hash, unchecked
        assert data[8:16] == importlib.util.source_hash(source.read_bytes())
        shown = f"/{source.relative_to(tmp_path / 'root').as_posix()}"
        assert marshal.loads(data[16:]).co_filename == shown


def test_an_image_for_another_python_has_no_bytecode(small, tmp_path):
    built = _build(replace(small, python="3.99.0", lock=""), b"1")
    store_folder = tmp_path / "out"
    _unpacked(store_folder, storage.export(built, store_folder), tmp_path / "root")
    assert list((tmp_path / "root").rglob("*.py"))
    assert not list((tmp_path / "root").rglob("*.pyc"))


def test_completing_twice_packs_once(small):
    image = _build(small, b"1")
    first = complete(image.digest)
    before = builds.written()
    assert complete(image.digest) == first != image.digest
    assert builds.written() == before


def test_an_export_adds_to_a_layout_that_is_there(small, tmp_path):
    one, two = _build(small, b"1"), _build(small, b"2")
    storage.export(one, tmp_path / "out")
    storage.export(two, tmp_path / "out")
    names = [each["annotations"][layout.NAME] for each in layout.index(tmp_path / "out")]
    assert names == [f"main-py-{image.digest[7:19]}" for image in (one, two)]
    assert layouts.problems(tmp_path / "out") == ()


def test_an_export_leaves_a_folder_with_other_things_alone(small, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(BuildError, match="is not empty, and not an OCI image layout"):
        storage.export(_build(small, b"1"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_an_image_is_found_by_name_digest_or_beginning(small, tmp_path):
    old, new = _build(small, b"1"), _build(small, b"2")
    whole = [complete(image.digest) for image in (old, new)]
    for n, text in enumerate((new.digest, new.digest[7:], new.digest[:20], f"main-py-{new.digest[7:19]}", "main-py")):
        assert storage.export(text, tmp_path / str(n)) == whole[1]
    assert storage.export(old.digest[7:19], tmp_path / "old") == whole[0]


def test_an_image_that_is_not_there_is_refused_with_those_that_are(small, tmp_path):
    image = _build(small, b"1")
    with pytest.raises(BuildError, match=f"There is no image 'nothing'.*main-py-{image.digest[7:19]}"):
        storage.export("nothing", tmp_path / "out")
    with pytest.raises(BuildError, match="There is no image ''"):
        storage.export("", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tree_that_was_pruned_is_said_in_words(small, tmp_path):
    image = _build(small, b"1")
    state.remove(image.layers[0].folder)
    with pytest.raises(
        BuildError, match=r"The dependencies of this image are not on this machine any more\. .*Build it again"
    ):
        storage.export(image, tmp_path / "out")


def test_skopeo_takes_the_store_and_what_is_exported(tmp_path):
    skopeo = needs("skopeo")
    image = builds.build("append", builds.sample(tmp_path))
    name = store.name("main.py", image.digest)
    whole = storage.export(image, tmp_path / "out")
    for folder, digest in ((state.store(), image.digest), (tmp_path / "out", whole)):
        source = f"oci:{folder}:{name}"
        done = subprocess.run([skopeo, "inspect", source], stdout=subprocess.PIPE, check=True)
        said = json.loads(done.stdout)
        assert said["Digest"] == digest
        assert said["Layers"] == [each["digest"] for each in layout.read(folder, digest)["layers"]]
        copied = tmp_path / f"copy of {digest[7:19]}"
        policy = ["--insecure-policy", "copy", "--quiet", source]
        subprocess.run([skopeo, *policy, f"oci:{copied}:{name}"], stdout=subprocess.DEVNULL, check=True)
        assert layouts.problems(copied) == ()
        # Only what is copied to another format is unpacked, and held against its diff_ids.
        subprocess.run([skopeo, *policy, f"docker-archive:{copied}.tar:main:1"], stdout=subprocess.DEVNULL, check=True)
