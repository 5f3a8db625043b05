"""Dependency trees: the installed files themselves, laid out to be used in place, and nobody's but the run's."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.dependencies.places import MAKE, Place


def site(place, tree):
    (found,) = (place.work / tree).glob("lib/python*/site-packages")
    return found


def test_a_file_that_was_changed_is_reported_and_shipped_as_it_is(place):
    place.install(place.wheel("tool", files={"tool/__init__.py": "N = 1\n", "tool/other.py": ""}))
    before = place.run(MAKE + "answer = recipe('tool').lock, texts()")
    (place.site / "tool" / "__init__.py").write_text("N = 2\n")
    after = place.run(MAKE + "answer = recipe('tool').lock, texts()")
    assert before[1] == []
    assert after[1] == ["tool/__init__.py of tool 1.0 is not as installed; the run gets what is there.\n"]
    assert after[0] != before[0]
    assert place.run("import fairing, tool\nanswer = fairing.train(lambda: tool.N)") == 2


def test_a_change_is_reported_in_the_cell(place):
    place.install(place.wheel("tool", files={"tool.py": "N = 1\n"}))
    (place.site / "tool.py").write_text("N = 20\n")
    place.run("import fairing, tool\nanswer = fairing.train(lambda: tool.N)")
    assert "tool.py of tool 1.0 is not as installed" in place.output + place.errors


def test_files_that_were_removed_are_reported(place):
    place.install(
        place.wheel("tool", files={"tool/__init__.py": "", "tool/tests/test_a.py": "", "tool/tests/b.py": ""})
    )
    shutil.rmtree(place.site / "tool" / "tests")
    assert place.run(MAKE + "make(recipe('tool'))\nanswer = texts()") == ["2 files of tool 1.0 are no longer there.\n"]


def test_touching_a_file_changes_nothing(place):
    place.install(place.wheel("tool"))
    before = place.run(MAKE + "answer = recipe('tool').lock, texts()")
    os.utime(place.site / "tool" / "__init__.py")
    assert place.run(MAKE + "answer = recipe('tool').lock, texts()") == before


def test_the_lock_has_names_versions_and_hashes_and_nothing_of_this_machine(place):
    place.wheel("below")
    wheel = place.wheel("tool", "1.0+local.3", requires=["below"], scripts={"tool-run": "tool:main"})
    place.install(f"tool @ file://{wheel}")
    assert list(place.site.glob("tool-*/direct_url.json"))
    lock = place.run(MAKE + "answer = recipe('tool').lock")
    lines = lock.splitlines()
    assert [line.partition(" --hash=record:")[0] for line in lines] == ["below==1.0", "tool==1.0+local.3"]
    assert all(len(line.partition(" --hash=record:")[2]) == 64 for line in lines)
    assert not any(mark in lock for mark in ("#", "://", "/", "@"))
    place.run(MAKE + "make(recipe('tool'))")
    assert not list((place.work / "tree").rglob("direct_url.json"))


def test_the_same_packages_in_another_environment_give_the_same_lock(place, tmp_path_factory):
    place.install(place.wheel("tool", scripts={"tool-run": "tool:main"}))
    other = Place(tmp_path_factory.mktemp("other"))
    other.install(str(place.folder / "wheels" / "tool-1.0-py3-none-any.whl"))
    code = MAKE + "answer = recipe('tool').lock"
    assert place.run(code) == other.run(code)


def test_a_tree_shares_the_installed_files_and_writes_into_none(place):
    place.install(place.wheel("tool", files={"tool/__init__.py": "N = 1\n", "tool/data/table.csv": "1\n"}))
    content = {path: path.read_bytes() for path in sorted(place.site.rglob("*")) if path.is_file()}
    place.run(MAKE + "make(recipe('tool'))")
    made = site(place, "tree")
    assert (made / "tool/data/table.csv").stat().st_ino == (place.site / "tool/data/table.csv").stat().st_ino
    assert (made / "tool/__init__.py").stat().st_ino == (place.site / "tool/__init__.py").stat().st_ino
    (place.work / "tree/bin/python").resolve(strict=True)
    subprocess.run([place.work / "tree/bin/python", "-c", "import tool"], check=True, cwd="/", env={})
    assert (made / "tool/__pycache__").is_dir()
    after = {path: path.read_bytes() for path in sorted(place.site.rglob("*")) if path.is_file()}
    assert {path: data for path, data in after.items() if "__pycache__" not in path.parts} == {
        path: data for path, data in content.items() if "__pycache__" not in path.parts
    }


def test_bytecode_that_is_there_is_taken_along_and_still_valid(place):
    place.install(place.wheel("tool", files={"tool/__init__.py": "N = 1\n", "single.py": "M = 2\n"}))
    subprocess.run([place.python, "-c", "import tool, single"], check=True, env={"PATH": os.defpath})
    place.run(MAKE + "make(recipe('tool'))")
    made = site(place, "tree")
    assert len(list(made.rglob("*.pyc"))) == 2
    ran = subprocess.run(
        [place.work / "tree/bin/python", "-v", "-c", "import tool, single"], capture_output=True, text=True, env={}
    )
    for name in ("tool/__pycache__/__init__", "__pycache__/single"):
        assert f"# code object from '{made}/{name}" in ran.stderr


def test_scripts_start_with_the_trees_own_python_wherever_it_lies(place):
    files = {"tool/__init__.py": "import sys\ndef main(): print(sys.prefix)\n"}
    place.install(place.wheel("tool", files=files, scripts={"tool-run": "tool:main"}))
    place.run(MAKE + "make(recipe('tool'))")
    moved = place.work / "a folder"
    (place.work / "tree").rename(moved)
    ran = subprocess.run([moved / "bin" / "tool-run"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(moved)


def test_data_files_beside_the_packages_are_taken_along(place):
    place.install(place.wheel("tool", data={"share/jupyter/kernels/tool.json": "{}", "etc/tool.conf": "on"}))
    place.run(MAKE + "make(recipe('tool'))")
    assert (place.work / "tree/share/jupyter/kernels/tool.json").read_text() == "{}"
    assert (place.work / "tree/etc/tool.conf").read_text() == "on"


def test_path_files_of_distributions_work_in_the_run(place):
    files = {"hook.pth": "import hook_of_tool\n", "hook_of_tool.py": "import sys\nsys.hooked = True\n", "tool.py": ""}
    place.install(place.wheel("tool", files=files))
    answer = place.run("""
import fairing, tool
def f():
    import sys, tool
    return getattr(sys, "hooked", False)
answer = fairing.train(f)
""")
    assert answer is True


def test_folders_without_rights_to_write_are_taken(place):
    place.install(place.wheel("tool", files={"tool/__init__.py": "", "tool/deep/__init__.py": "N = 4\n"}))
    (place.site / "tool/deep/__init__.py").chmod(0o444)
    (place.site / "tool/deep").chmod(0o555)
    answer = place.run("import fairing, tool.deep\nanswer = fairing.train(lambda: tool.deep.N)")
    (place.site / "tool/deep").chmod(0o755)
    assert answer == 4


def test_a_distribution_without_a_record_is_taken_from_its_folders(place):
    place.install(place.wheel("tool", files={"tool/__init__.py": "N = 6\n", "tool/deep/more.txt": "x"}))
    (info,) = place.site.glob("tool-*.dist-info")
    (info / "RECORD").unlink()
    (info / "top_level.txt").write_text("tool\n")
    answer = place.run("""
import fairing, tool
def f():
    from importlib.metadata import version
    from pathlib import Path
    return tool.N, version("tool"), Path(tool.__file__).with_name("deep").joinpath("more.txt").read_text()
answer = fairing.train(f)
""")
    assert answer == [6, "1.0", "x"]


def test_a_distribution_of_old_setuptools_is_taken_with_what_it_requires(place):
    place.install(place.wheel("below", files={"below.py": "N = 6\n"}))
    (place.site / "old").mkdir()
    (place.site / "old" / "__init__.py").write_text("from below import N\n")
    info = place.site / "Old_Tool-0.3-py3.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 1.1\nName: Old.Tool\nVersion: 0.3\n")
    (info / "top_level.txt").write_text("old\n")
    (info / "requires.txt").write_text("below\n\n[x]\nnothing\n\n[:sys_platform == 'win32']\nnothing-else\n")
    answer = place.run("""
import fairing, old
def f():
    from importlib.metadata import version
    return old.N, version("old-tool")
job = fairing.submit(f)
answer = job.result(), job.report.left_out
""")
    assert answer == [[6, "0.3"], []]


def test_a_package_of_conda_with_libraries_is_linked_by_folder_and_said(place):
    place.install(
        place.wheel("tool", files={"tool/__init__.py": "N = 7\n", "tool/fast.so": "", "tool/n.py": "N = 8\n"})
    )
    (info,) = place.site.glob("tool-*.dist-info")
    (info / "INSTALLER").write_text("conda\n")
    lib = place.folder / "env" / "lib"
    (lib / "libfast.so.1").write_text("library")
    answer = place.run(MAKE + "make(recipe('tool'))\nanswer = texts()")
    made = site(place, "tree")
    assert (made / "tool").is_symlink()
    assert (made / "tool" / ".." / ".." / ".." / "libfast.so.1").read_text() == "library"
    assert (place.work / "tree" / "lib" / "libfast.so.1").read_text() == "library"
    assert [text for text in answer if "conda" in text] == [
        "tool: installed by conda, used where they are; upgrading them changes runs that go on.\n"
    ]
    assert place.run("import fairing, tool.n\nanswer = fairing.train(lambda: tool.n.N)") == 8


def test_a_file_written_into_is_made_good_in_the_tree_when_the_package_is_installed_anew(place):
    place.install(place.wheel("tool", files={"tool/__init__.py": "N = 1\n"}))
    code = "import fairing, tool\njob = fairing.submit(lambda: tool.N)\nanswer = job.result()"
    assert place.run(code) == 1
    (place.site / "tool/__init__.py").write_text("N = 3\n")
    place.install("--reinstall", "tool")
    assert place.run(code) == 1


def test_a_tree_is_made_once_a_lock(place):
    place.install(place.wheel("tool"))
    code = """
import fairing, tool
def f(): return tool.__file__
answer = fairing.train(f)
"""
    assert place.run(code) == place.run(code.replace("return", "0; return"))


def test_whether_a_tree_is_new_is_known_before_it_is_made(place):
    place.install(place.wheel("tool"))
    code = "import fairing, tool\nanswer = dict(fairing.preview(lambda: tool.VERSION).new)['dependencies']"
    assert place.run(code).endswith(" to be made")
    place.run("import fairing, tool\nfairing.train(lambda: tool.VERSION)")
    assert place.run(code).endswith(" ready")


def test_files_are_copied_where_they_cannot_be_linked(place, tmp_path):
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        missing("there is no second file system")
    home = f"{shm}/fairing-test-{os.getpid()}"
    place.install(place.wheel("tool", files={"tool/__init__.py": "N = 9\n"}))
    try:
        answer = place.run("import fairing, tool\nanswer = fairing.train(lambda: tool.N)", FAIRING_HOME=home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    assert answer == 9


@pytest.mark.parametrize(
    ("image", "says"),
    [("python:3.7", "It has Python 3.7, and this kernel has"), ("ubuntu:24.04", "cannot be started from here")],
)
def test_an_image_that_cannot_be_started_from_is_refused_before_anything_is_made(image, says, place):
    ran = place.run(f"import fairing\nfairing.train(pow, args=(2, 3), image={image!r})", check=False)
    assert says in ran.stderr
    assert not (place.home / "store" / "trees").exists()
    assert not list((place.home / "runs").glob("pow-*"))
