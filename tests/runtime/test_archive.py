"""What the client packs is what a pod unpacks."""

import io
import os
import subprocess
import sys
import tarfile

import pytest

from fairing.oci.layer import Link, order, write
from fairing.runtime.archive import unpack
from fairing.spec import File


def packed(*entries, place=""):
    out = io.BytesIO()
    write(sorted(entries, key=order), out, place)
    return out.getvalue()


def found(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FILES = {
    "main.py": b"print()",
    "empty": b"",
    "näme with spaces/größe.txt": b"x" * 511,
    "exact": b"y" * 512,
    f"{'deep/' * 40}{'n' * 150}": b"long",
    "data.bin": os.urandom(100_000),
}


@pytest.mark.parametrize("names", [list(FILES), ["main.py", "empty", "exact", "data.bin"], []])
def test_files_come_out_as_they_went_in(names, tmp_path):
    unpack(packed(*(File(name, FILES[name]) for name in names), place="opt/code"), str(tmp_path))
    assert found(tmp_path) == {f"opt/code/{name}": FILES[name] for name in names}


def test_links_and_programs_stay_what_they_are(tmp_path):
    program = tmp_path / "run.sh"
    program.write_text("#!/bin/sh")
    (tmp_path / "out").mkdir()
    unpack(packed(File("run.sh", program, 0o755), Link("link", "run.sh")), str(tmp_path / "out"))
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK) and (tmp_path / "out" / "link").readlink().name == "run.sh"
    unpack(packed(File("run.sh", program, 0o755)), str(tmp_path / "alone"))
    assert os.access(tmp_path / "alone" / "run.sh", os.X_OK)


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="this Python's tarfile takes any path")
@pytest.mark.parametrize("name", ["../out", "a/../../out"])
def test_nothing_comes_out_beside_the_folder(name, tmp_path):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(tarfile.FilterError):
        unpack(data.getvalue(), str(tmp_path / "in"))


def test_a_run_loads_no_tarfile_before_its_code_begins():
    program = "import fairing.runtime.pod, fairing.runtime.child, fairing.runtime.function, cloudpickle, sys"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path = {sys.path!r}; {program}; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert not {"tarfile", "shutil", "gzip", "bz2", "lzma", "zipfile"} & set(done.stdout.split())
