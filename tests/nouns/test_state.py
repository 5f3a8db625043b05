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
