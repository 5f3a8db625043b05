"""Layers: any file with any name, the same bytes every time, and nothing that leads out."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fairing.errors import BuildError
from fairing.oci import layer
from fairing.oci.layer import Link
from fairing.spec import File
from tests.conftest import needs

FILES = [
    File("main.py", b"print('hello')\n"),
    File("bin/run.sh", b"#!/bin/sh\n", 0o755),
    File("d\u00e4ta/\u2603 1.csv", b"a,b\n" * 40_000),
    File(f"{'deep/' * 60}{'n' * 120}.txt", b"far\n"),
]


def _write(entries, place=""):
    out = io.BytesIO()
    written = layer.write(sorted(entries, key=layer.order), out, place)
    return written, out.getvalue()


def test_a_layers_bytes_are_known_in_advance():
    """The digests hold for every machine, Python and release; a change of one means that every image is pushed anew."""
    written, data = _write(FILES, "opt/fairing/code")
    assert written.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert written.diff_id == "sha256:dd519d50a87070378d474aa14c510fe03974b1b75da5e2b45737ae8b48bfa0c7"
    assert written.digest == "sha256:9c418b288c13df0ad66d3efbfe41f68a8834fa81357246f5b3c78ed253fc9f17"


@pytest.mark.parametrize("cut", [7, 4096, 100_000])
def test_a_layers_bytes_do_not_depend_on_how_its_files_are_read(monkeypatch, cut):
    class Dripping(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, cut))

    whole = _write(FILES)
    monkeypatch.setattr(layer, "BytesIO", Dripping)
    assert _write(FILES) == whole


def test_a_layer_says_neither_who_packed_it_nor_when(tmp_path):
    there = tmp_path / "a.txt"
    there.write_bytes(b"a")
    os.utime(there, (1, time.time()))
    _, one = _write([File("a.txt", there)])
    os.utime(there, (2, 2))
    _, two = _write([File("a.txt", there)])
    assert one == two
    assert one[4:8] == bytes(4)
    with tarfile.open(fileobj=io.BytesIO(one)) as tar:
        (entry,) = tar.getmembers()
    assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.mode) == (0, 0, 0, "", "", 0o644)


def test_every_parent_folder_is_in_the_layer_directly_before_what_it_holds():
    _, data = _write([File("a/b/c.txt", b""), File("a-b.txt", b""), File("a/b.txt", b"")], "opt/app")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = [(entry.name, entry.isdir()) for entry in tar]
    assert names == [
        ("opt", True),
        ("opt/app", True),
        ("opt/app/a", True),
        ("opt/app/a/b", True),
        ("opt/app/a/b/c.txt", False),
        ("opt/app/a/b.txt", False),
        ("opt/app/a-b.txt", False),
    ]


def test_extended_headers_stand_only_where_they_are_needed():
    _, plain = _write([File("short.txt", b"1"), File(f"{'d' * 50}/{'f' * 49}", b"1")])
    _, extended = _write([File("\u00fc.txt", b"1")])
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert [entry.pax_headers for entry in tar] == [{}, {}, {}]
    with tarfile.open(fileobj=io.BytesIO(extended)) as tar:
        assert [list(entry.pax_headers) for entry in tar] == [["path"]]


def test_setuid_and_setgid_are_dropped():
    _, data = _write([File("su", b"", 0o6755)])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getmember("su").mode == 0o755


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "a/.", "a\0b"])
def test_a_path_that_leads_out_of_the_layer_is_refused(path):
    with pytest.raises(BuildError, match="cannot be a file of the image"):
        _write([File(path, b"")])


@pytest.mark.parametrize("path", [".wh.model.pkl", "data/.wh..wh..opq", ".wh.data/x"])
def test_a_name_that_would_remove_another_file_of_the_image_is_refused(path):
    with pytest.raises(BuildError, match=r"begins with \.wh\. removes another file\. Give it another name"):
        _write([File(path, b"")])


@pytest.mark.parametrize(
    "entries",
    [[File("a", b"1"), File("a", b"2")], [File("a", b""), File("a/b", b"")], [Link("a", "b"), File("a/c", b"")]],
)
def test_two_files_for_one_name_are_refused(entries):
    with pytest.raises(BuildError, match="another file has, or needs, that name"):
        _write(entries)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BuildError, match=r"gone\.csv cannot be read\. No such file"):
        _write([File("gone.csv", tmp_path / "gone.csv")])


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    there = tmp_path / "a.txt"
    there.write_bytes(b"after")
    with pytest.raises(BuildError, match=r"a\.txt changed while the image was built"):
        layer.write([File("a.txt", there)], io.BytesIO(), "", {"a.txt": hashlib.sha256(b"before").hexdigest()})


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    there = tmp_path / "log.txt"
    there.write_bytes(b"x" * 300_000)

    class Out(io.BytesIO):
        def write(self, data):
            os.truncate(there, 70_000)
            return super().write(data)

    with pytest.raises(BuildError, match="changed while the image was built"):
        layer.write([File("log.txt", there)], Out())


def test_a_large_file_is_never_in_memory(tmp_path):
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(400 << 20)
    program = (
        "import resource, sys; from pathlib import Path; from fairing.oci import layer; from fairing.spec import File\n"
        "small = lambda: layer.write([File('a', b'1')], open('/dev/null', 'wb'))\n"
        "small(); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "layer.write([File('a', Path(sys.argv[1]))], open('/dev/null', 'wb'))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, large], stdout=subprocess.PIPE, text=True, check=True)
    assert int(done.stdout) < 20_000  # KiB


_PART = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda part: part not in {".", ".."} and len(part.encode()) <= 255
)
_PATHS = st.lists(_PART, min_size=1, max_size=8).map("/".join)
_CONTENTS = st.binary(max_size=2000)
_MODES = st.integers(0, 0o777)


@settings(max_examples=100)
@given(st.dictionaries(_PATHS, st.tuples(_CONTENTS, _MODES), max_size=8), st.randoms(use_true_random=False))
def test_any_files_come_back_as_they_were(files, shuffled):
    entries = [File(path, content, mode) for path, (content, mode) in files.items()]
    shuffled.shuffle(entries)
    try:
        _, data = _write(entries, "opt/fairing/code")
    except BuildError as refused:
        assert "needs, that name" in str(refused)
        assert any(f"{path}/" == other[: len(path) + 1] for path in files for other in files)
        return
    shuffled.shuffle(entries)
    assert _write(entries, "opt/fairing/code")[1] == data
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {
            entry.name.removeprefix("opt/fairing/code/"): (tar.extractfile(entry).read(), entry.mode)
            for entry in tar
            if entry.isreg()
        }
    assert found == files


@settings(max_examples=25)
@given(st.dictionaries(_PATHS, _CONTENTS, min_size=1, max_size=5))
def test_any_layer_is_unpacked_by_tar(tmp_path_factory, files):
    tar = needs("tar")
    folder = tmp_path_factory.mktemp("unpacked")
    try:
        _, data = _write([File(path, content) for path, content in files.items()])
    except BuildError:
        return
    done = subprocess.run([tar, "-xzf", "-", "-C", folder], input=data, stderr=subprocess.PIPE, check=True)
    assert done.stderr == b""
    for path, content in files.items():
        assert (folder / path).read_bytes() == content


def test_a_name_that_is_no_text_comes_back_as_it_was(tmp_path):
    name = os.fsdecode(b"caf\xe9.txt")
    _, data = _write([File(name, b"1")])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == [name]


def test_links_are_kept():
    _, data = _write([Link("lib64", "lib"), File("lib/a", b"")])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getmember("lib64").linkname == "lib"


NAMES = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), min_size=1, max_size=120)
PLAIN = st.from_regex(r"[a-z_./-]{1,110}", fullmatch=True)


# A file's name never ends with a slash: there versions of Python differ.
@given(
    (PLAIN | NAMES).filter(lambda name: not name.endswith("/")),
    st.integers(0, 0o777),
    st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE]),
    st.integers(0, 8**12),
)
@example("a" * 99, 0o755, tarfile.DIRTYPE, 0)
@example("a" * 100, 0o755, tarfile.DIRTYPE, 0)
@example("a" * 100, 0o644, tarfile.REGTYPE, 8**11 - 1)
def test_what_stands_before_a_file_is_what_tarfile_writes(name, mode, kind, size):
    assert layer._header(name, mode, kind, size) == layer._entry(name, mode, kind, size, "")
