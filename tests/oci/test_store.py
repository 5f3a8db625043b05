"""The store stays whole, whoever builds in it at once, is killed in it, or fills its disk."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fairing import state
from fairing.errors import BuildError
from fairing.oci import digests, layout, store
from fairing.spec import File
from fairing.testing import builds, layouts
from tests.conftest import missing, small_disk


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _parts():
    return list((state.store() / "parts").iterdir())


def test_the_store_is_an_image_layout(tmp_path):
    builds.build("append", builds.sample(tmp_path))
    assert layouts.problems(state.store()) == ()


def test_equal_files_are_packed_once(home):
    files = [File("b.py", b"2"), File("a.py", b"1", 0o755)]
    first = store.put_layer("code", files)
    before = builds.written()
    second = store.put_layer("code", reversed(files))
    assert (first.new, second.new) == (True, False)
    assert second.layer == first.layer
    assert builds.written() == before


@pytest.mark.parametrize("other", [File("a.py", b"2"), File("b.py", b"1"), File("a.py", b"1", 0o755)])
def test_another_name_mode_or_content_is_another_layer(other):
    assert store.put_layer("code", [other]).layer.digest != store.put_layer("code", [File("a.py", b"1")]).layer.digest


def test_a_blob_that_was_cut_short_is_written_again():
    made = store.put_layer("code", [File("a.py", b"1")])
    blob = layout.blob(state.store(), made.layer.digest)
    whole = blob.read_bytes()
    blob.write_bytes(whole[:10])
    assert store.put_layer("code", [File("a.py", b"1")]).new
    assert blob.read_bytes() == whole


def test_an_index_that_was_cut_short_is_written_again(tmp_path):
    image = builds.build("append", builds.sample(tmp_path))
    (state.store() / "index.json").write_bytes(b"")
    other = builds.build("append", builds.sample(tmp_path, b"print(2)\n"))
    assert [each["digest"] for each in layout.index(state.store())] == [other.digest]
    assert layouts.problems(state.store()) == ()
    assert builds.build("append", builds.sample(tmp_path)).digest == image.digest


def _bytes_read():
    return int(Path("/proc/self/io").read_text().split()[1])


def _packed_twice(large):
    """Pack a layer of one file twice, and return how much the second time reads."""
    if not Path("/proc/self/io").exists():
        missing("this system does not count what a process reads")
    store.put_layer("files", [File("large.bin", large)])
    before = _bytes_read()
    assert not store.put_layer("files", [File("large.bin", large)]).new
    return _bytes_read() - before


def test_a_large_file_that_has_not_changed_is_not_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "_SETTLED", -60.0)  # as if it had been left alone for long
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(20 << 20))
    assert _packed_twice(large) < 1 << 20


def test_a_large_file_that_has_just_changed_is_read_again_for_it_may_change_unseen(tmp_path):
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(20 << 20))
    assert _packed_twice(large) >= 20 << 20


def test_a_file_that_was_changed_behind_its_times_is_read_again(tmp_path):
    large = tmp_path / "large.bin"
    large.write_bytes(b"a" * (2 << 20))
    seen = large.stat()
    first = store.put_layer("files", [File("large.bin", large)])
    large.write_bytes(b"b" * (2 << 20))
    os.utime(large, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    second = store.put_layer("files", [File("large.bin", large)])
    blob = layout.blob(state.store(), second.layer.digest)
    assert first.layer.digest != second.layer.digest
    assert b"b" * 1000 in gzip.decompress(blob.read_bytes())


def test_a_tree_is_whole_or_not_there():
    def fail(folder):
        (folder / "half").write_text("1")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        store.tree("k1", fail)
    assert not store.has_tree("k1")
    assert _parts() == []
    folder = store.tree("k1", lambda folder: (folder / "whole").write_text("1"))
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_a_tree_that_is_there_is_not_made_again():
    def never(folder):
        raise AssertionError

    folder = store.tree("k2", lambda folder: (folder / "a").write_text("1"))
    assert store.tree("k2", never) == folder


def test_of_two_threads_that_want_a_tree_one_makes_it():
    made, inside, go = [], threading.Event(), threading.Event()

    def make(folder):
        made.append(threading.get_ident())
        inside.set()
        go.wait()
        (folder / "a").write_text("1")

    found = []
    threads = [threading.Thread(target=lambda: found.append(store.tree("k3", make))) for _ in range(2)]
    threads[0].start()
    inside.wait()
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == [state.store() / "trees" / "k3"] * 2


TREE = """
import sys
from fairing.oci import store
def make(folder):
    print("making", flush=True)
    sys.stdin.readline()
    (folder / "a").write_text("1")
print("asking", flush=True)
print(store.tree("k4", make), flush=True)
"""


def _process(program):
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_of_two_processes_that_want_a_tree_one_makes_it_and_the_other_waits():
    one, two = _process(TREE), _process(TREE)
    assert (one.stdout.readline(), two.stdout.readline()) == ("asking\n", "asking\n")
    outs = []
    # Whichever makes it waits for a line; the other says nothing before the tree is there.
    for each in (one, two):
        each.stdin.write("\n")
        each.stdin.flush()
    for each in (one, two):
        with each:
            outs.append(each.stdout.read().splitlines())
        assert each.returncode == 0
    folder = str(state.store() / "trees" / "k4")
    assert sorted(outs) == sorted([["making", folder], [folder]])


def test_a_maker_that_is_killed_lets_the_next_one_make_it():
    one = _process(TREE)
    assert (one.stdout.readline(), one.stdout.readline()) == ("asking\n", "making\n")
    assert len(_parts()) == 1
    one.kill()
    one.communicate()
    store.tree("k4", lambda folder: (folder / "a").write_text("2"))
    assert (state.store() / "trees" / "k4" / "a").read_text() == "2"
    assert _parts() == []


def test_what_is_being_written_is_not_swept():
    one = _process(TREE)
    assert (one.stdout.readline(), one.stdout.readline()) == ("asking\n", "making\n")
    store.put_layer("code", [File("a.py", b"1")])
    assert len(_parts()) == 1
    one.communicate("\n")
    assert one.returncode == 0
    assert store.has_tree("k4")


def test_wherever_a_build_is_killed_the_next_one_gives_the_same_image(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "home").mkdir()
    whole = builds.Building("append", tmp_path / "other")
    wanted = whole.image()
    for step in range(1, whole.changes + 1, 2):  # each goes on from where the one before was killed
        code, _ = builds.Building("append", tmp_path / "home", kill_at=step).ended()
        if code == 0:
            break
        if (state.store() / "index.json").exists():
            assert layouts.problems(state.store()) == ()
    assert step > 5
    assert builds.Building("append", tmp_path / "home").image() == wanted
    assert layouts.problems(state.store()) == ()
    assert _parts() == []


def test_a_build_that_is_killed_while_it_writes_leaves_nothing_behind(tmp_path):
    program = (
        "from fairing.oci import layout, store\n"
        "with store.using() as root, layout.writing(root) as (out, done):\n"
        "    out.write(b'x' * 5_000_000); out.flush(); print('writing', flush=True); input()\n"
    )
    child = _process(program)
    assert child.stdout.readline() == "writing\n"
    (part,) = (state.store() / "parts").iterdir()
    assert part.stat().st_size == 5_000_000
    child.kill()
    child.communicate()
    store.put_layer("code", [File("a.py", b"1")])
    assert _parts() == []
    assert layouts.problems(state.store()) == ()


FILL = """
import sys
from pathlib import Path
from fairing.errors import BuildError
from fairing.testing import builds
try:
    builds.build("append", builds.sample(Path(sys.argv[1])))
except BuildError as said:
    print(said)
"""


def _built_within(tmp_path, **limit):
    done = subprocess.run(
        [sys.executable, "-c", FILL, tmp_path], stdout=subprocess.PIPE, text=True, check=True, **limit
    )
    return done.stdout


def test_a_file_that_may_not_grow_is_said_in_words_and_the_store_still_works(tmp_path):
    def limited():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    builds.sample(tmp_path)  # its large file is there already
    said = _built_within(tmp_path, preexec_fn=limited)
    assert f"There is no room for the image on the disk of {state.store()}" in said
    assert "ulimit -f" in said
    assert _parts() == []
    _works_again(tmp_path)


def test_a_full_disk_is_said_in_words_and_the_store_still_works(tmp_path, monkeypatch):
    builds.sample(tmp_path)
    with small_disk(tmp_path / "disk", "6m"):
        monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "disk"))
        said = _built_within(tmp_path)
        assert f"There is no room for the image on the disk of {state.store()}, which has " in said
        assert "FAIRING_HOME" in said
        assert _parts() == []
        assert layouts.problems(state.store()) == ()
        subprocess.run(["mount", "-o", "remount,size=60m", tmp_path / "disk"], check=True)
        _works_again(tmp_path)


def _works_again(tmp_path):
    image = builds.build("append", builds.sample(tmp_path))
    assert layout.blob(state.store(), image.digest).is_file()
    assert layouts.problems(state.store()) == ()


def test_many_processes_name_their_images_and_none_is_lost(tmp_path):
    program = (
        "import sys; from pathlib import Path; from fairing.testing import builds\n"
        "folder = Path(sys.argv[1]); builds.sample(folder); print('ready', flush=True); sys.stdin.readline()\n"
        "for n in range(8):\n"
        "    print(builds.build('append', builds.sample(folder, sys.argv[2].encode() * (n + 1))).digest)\n"
    )
    builds.sample(tmp_path)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(3)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    digests = set()
    for child in children:
        with child:
            digests.update(child.stdout.read().split())
    assert {each["digest"] for each in layout.index(state.store())} == digests
    assert len(digests) == 24
    assert layouts.problems(state.store()) == ()


def test_a_digest_is_never_a_path_elsewhere():
    for digest in ("sha256:../../x", "md5:1", "", "sha256:" + "A" * 64, "sha256:" + "0" * 65):
        with pytest.raises(BuildError, match="is not the digest of an image"):
            layout.blob(state.store(), digest)


@pytest.mark.parametrize(
    ("entry", "called"),
    [("train", "train"), ("<lambda>", "lambda"), ("main.py", "main-py"), ("\u8a13\u7df4", ""), ("a" * 300, "a" * 87)],
)
def test_a_name_in_the_index_is_one_that_other_tools_take(entry, called):
    digest = "sha256:" + hashlib.sha256(entry.encode()).hexdigest()
    assert store.name(entry, digest) == "-".join(filter(None, [called, digest[7:19]]))


def test_the_index_is_canonical(tmp_path):
    builds.build("append", builds.sample(tmp_path))
    data = (state.store() / "index.json").read_bytes()
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()
