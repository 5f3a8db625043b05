"""How a file is put in its place."""

import pytest

from fairing import state


def test_a_file_that_was_not_written_whole_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "value.bin"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="full"), state.replacing(path) as part:
        part.write_bytes(b"ne")
        raise OSError("the disk is full")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_that_another_user_left_in_a_shared_folder_is_not_written_through(tmp_path):
    path, theirs = tmp_path / "value.bin", tmp_path / "theirs"
    theirs.write_bytes(b"theirs")
    path.symlink_to(theirs)
    with state.replacing(path) as part:
        part.write_bytes(b"mine")
    assert path.read_bytes() == b"mine"
    assert theirs.read_bytes() == b"theirs"


def test_a_folder_is_removed_whatever_it_forbids_and_nothing_that_a_link_in_it_names(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").write_bytes(b"kept")
    folder = tmp_path / "run"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "deep" / "deeper" / "file").write_bytes(b"")
    (folder / "link").symlink_to(other)
    for mode, path in ((0o000, "deep/deeper"), (0o500, "deep"), (0o500, ".")):
        (folder / path).chmod(mode)
    state.remove(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert (other / "kept").read_bytes() == b"kept"
