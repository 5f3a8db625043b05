"""Unpacking trusts no archive: what leads out is refused, and nothing is left of what was refused."""

import errno
import gzip
import io
import os
import stat
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairing.errors import BuildError
from fairing.oci.unpack import unpack


def archive(path, *entries):
    """Write a tar of ``(name, fields, content)``."""
    with tarfile.open(path, "w:gz") as tar:
        for name, fields, content in entries:
            entry = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(entry, field, value)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def link(target):
    return {"type": tarfile.SYMTYPE, "linkname": target}


def hard(target):
    return {"type": tarfile.LNKTYPE, "linkname": target}


FOLDER = {"type": tarfile.DIRTYPE, "mode": 0o755}

HOSTILE = {
    "an absolute path": [("/tmp/x", {}, b"x")],
    "a path upward": [("a/../../x", {}, b"x")],
    "a path upward at its end": [("a/..", FOLDER, b"")],
    "a link to an absolute path": [("a", link("/etc/passwd"), b"")],
    "a link upward": [("a/b", link("../../x"), b"")],
    "a link upward through another": [("d", link("."), b""), ("e", link("d/../.."), b"")],
    "a link upward through one that comes later": [("e", link("d/../x"), b""), ("d", link("."), b"")],
    "a file through a link": [("d", link("e"), b""), ("d/x", {}, b"x")],
    "a folder over a link": [("e", FOLDER, b""), ("d", link("e"), b""), ("d", FOLDER, b""), ("d/x", {}, b"x")],
    "a hard link out": [("a", hard("/etc/passwd"), b"")],
    "a hard link upward": [("a", hard("../x"), b"")],
    "a hard link to a link": [("l", link("x"), b""), ("a", hard("l"), b"")],
    "a hard link to nothing": [("a", hard("b"), b"")],
    "a device": [("a", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, b"")],
    "a block device": [("a", {"type": tarfile.BLKTYPE}, b"")],
    "a pipe": [("a", {"type": tarfile.FIFOTYPE}, b"")],
    "a setuid bit": [("a", {"mode": 0o4755}, b"x")],
    "a setgid bit": [("a", {"mode": 0o2755}, b"x")],
    "a setgid folder": [("a", {**FOLDER, "mode": 0o2755}, b"")],
    "a file below a file": [("a", {}, b"x"), ("a/b", {}, b"x")],
    "a file over a folder": [("a", FOLDER, b""), ("a", {}, b"x")],
    "the folder itself as a file": [(".", {}, b"x")],
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_what_leads_out_or_runs_as_another_is_refused_and_leaves_nothing(tmp_path, what, there):
    into = tmp_path / "into"
    if there:
        into.mkdir()
        (into / "kept").write_bytes(b"kept")
    blob = archive(tmp_path / "blob", ("good", {}, b"good"), *HOSTILE[what])
    with pytest.raises(BuildError, match=r"refused|cannot be unpacked"):
        unpack(blob, into)
    assert sorted(each.name for each in tmp_path.iterdir()) == (["blob", "into"] if there else ["blob"])
    assert not there or [each.name for each in into.iterdir()] == ["kept"]


def test_the_files_of_a_layer_arrive_with_their_content_and_their_executable_bit(tmp_path):
    blob = archive(
        tmp_path / "blob",
        ("bin", FOLDER, b""),
        ("bin/tool", {"mode": 0o755}, b"#!"),
        ("bin/same", hard("bin/tool"), b""),
        ("lib/a.py", {"mode": 0o600}, b"a"),
        ("bin/link", link("../lib/a.py"), b""),
        ("a folder/Ω", {}, "Ω".encode()),
    )
    unpack(blob, tmp_path / "into")
    into = tmp_path / "into"
    assert (into / "bin" / "tool").read_bytes() == b"#!"
    assert stat.S_IMODE((into / "bin" / "tool").stat().st_mode) & 0o111 == 0o111 & ~_umask()
    assert stat.S_IMODE((into / "lib" / "a.py").stat().st_mode) & 0o111 == 0
    assert (into / "bin" / "same").read_bytes() == b"#!"
    assert (into / "bin" / "link").read_bytes() == b"a"
    assert (into / "a folder" / "Ω").read_text() == "Ω"


def test_a_later_layer_lies_over_an_earlier_one(tmp_path):
    into = tmp_path / "into"
    unpack(archive(tmp_path / "one", ("d/a", {}, b"1"), ("d/b", {}, b"1")), into)
    unpack(archive(tmp_path / "two", ("d/b", {}, b"2"), ("d/c", {}, b"2")), into)
    assert {path.name: path.read_bytes() for path in (into / "d").iterdir()} == {"a": b"1", "b": b"2", "c": b"2"}


def test_a_link_of_an_earlier_layer_leads_a_later_one_nowhere(tmp_path):
    into = tmp_path / "into"
    unpack(archive(tmp_path / "one", ("e/x", {}, b"1"), ("d", link("e"), b"")), into)
    with pytest.raises(BuildError, match="no folder"):
        unpack(archive(tmp_path / "two", ("d/x", {}, b"2"), ("a", {}, b"2")), into)
    assert (into / "e" / "x").read_bytes() == b"1"
    assert not (into / "a").exists()


@pytest.mark.parametrize("keep", [0, 1, 100, 600, 1500])
def test_an_archive_that_is_cut_off_leaves_nothing(tmp_path, keep):
    whole = archive(tmp_path / "whole", ("a", {}, os.urandom(2000))).read_bytes()
    (tmp_path / "blob").write_bytes(whole[:keep])
    (tmp_path / "whole").unlink()
    with pytest.raises(BuildError):
        unpack(tmp_path / "blob", tmp_path / "into")
    assert [each.name for each in tmp_path.iterdir()] == ["blob"]


def test_a_blob_that_is_not_there_is_told_in_words(tmp_path):
    with pytest.raises(BuildError, match="cannot be unpacked"):
        unpack(tmp_path / "nothing", tmp_path / "into")


NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "", "c\\d"]), min_size=1, max_size=4).map("/".join)
ENTRIES = st.tuples(
    NAMES,
    st.fixed_dictionaries(
        {
            "type": st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
            "linkname": NAMES,
            "mode": st.sampled_from([0o644, 0o755, 0o4755, 0]),
        }
    ),
    st.just(b""),
)


def turns(path):
    """Whether a link leads back to itself, so nowhere; ``realpath`` may follow such a one out (``a`` → ``a//a``)."""
    try:
        path.stat()
    except OSError as wrong:
        return wrong.errno == errno.ELOOP
    return False


@settings(max_examples=150)
@given(st.lists(st.lists(ENTRIES, max_size=6), min_size=1, max_size=2), st.data())
def test_no_archive_writes_or_points_outside(tmp_path_factory, layers, data):
    place = tmp_path_factory.mktemp("unpack")
    into = place / "deep" / "into"
    for number, entries in enumerate(layers):
        blob = archive(place / f"blob-{number}", *entries)
        if data.draw(st.booleans(), "damaged"):
            content = bytearray(gzip.decompress(blob.read_bytes()))
            for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4), "where"):
                content[at] ^= data.draw(st.integers(1, 255), "how")
            blob.write_bytes(bytes(content))
        try:
            unpack(blob, into)
        except BuildError:
            continue
    assert {each.name for each in place.iterdir()} <= {"deep", "blob-0", "blob-1"}
    assert {each.name for each in (place / "deep").iterdir()} <= {"into"}
    for path in into.rglob("*"):
        assert turns(path) or os.path.realpath(path).startswith(str(into)), path


@settings(max_examples=100)
@given(st.binary(max_size=2000))
def test_whatever_the_bytes_are_the_error_is_ours(tmp_path_factory, content):
    place = tmp_path_factory.mktemp("bytes")
    (place / "blob").write_bytes(content)
    try:
        unpack(place / "blob", place / "into")
    except BuildError:
        assert [each.name for each in place.iterdir()] == ["blob"]


def _umask():
    before = os.umask(0)
    os.umask(before)
    return before
