"""Cells as they are read: what they import, what they install."""

from pathlib import Path

import pytest

from fairing.capture import cells
from fairing.capture.installs import Installs


@pytest.mark.parametrize(
    ("cell", "modules"),
    [
        ("import a.b as c", {"a.b"}),
        ("from a import b", {"a", "a.b"}),
        ("%matplotlib inline\nimport a", {"matplotlib", "a"}),
        ("%load_ext line_profiler", {"line_profiler"}),
        ("%%time\nimport a", {"a"}),
        ("%%capture out\n!ls\nimport a", {"a"}),
        ("%%bash\nimport a", set()),
        ("%%html\n<b>import a</b>", set()),
        ("x = !ls\nimport a", {"a"}),
        ("a?\nimport b", {"b"}),
        ("await f()\nimport a", {"a"}),
        ("  import a", {"a"}),
        ("import a = 1", set()),
    ],
)
def test_what_a_cell_imports_is_found(cell, modules):
    assert cells.imported(cell) == modules


@pytest.mark.parametrize(
    ("line", "requirements"),
    [
        ("!pip install rich", ["rich"]),
        ("%pip install rich", ["rich"]),
        ("! pip3 install -q --upgrade 'rich>=13,<15' tqdm", ["rich>=13,<15", "tqdm"]),
        ("!python -m pip install rich[jupyter]==13.0", ["rich[jupyter]==13.0"]),
        ("!{sys.executable} -m pip install rich", ["rich"]),
        ("!uv pip install rich", ["rich"]),
        ("%conda install -y -c conda-forge numpy=1.26 scipy", ["numpy==1.26", "scipy"]),
        ("!mamba install conda-forge::polars", ["polars"]),
        ("!pip install rich > /dev/null 2>&1", ["rich"]),
        ("!pip install rich && echo done", ["rich"]),
        ("!pip install rich  # a comment", ["rich"]),
        ("!pip install --index-url https://a.example/simple rich", ["rich"]),
        ("!pip install -r more.txt", ["polars>=1", "attrs"]),
        ("!pip install \\\n    rich \\\n    tqdm", ["rich", "tqdm"]),
        ("!pip install git+https://a.example/b.git", []),
        ("!pip install -e .", []),
        ("!pip install -U pip", []),
    ],
)
def test_what_a_cell_installs_becomes_requirements(tmp_path, line, requirements):
    (tmp_path / "more.txt").write_text("# more\npolars>=1  # fast\n--no-binary :all:\nattrs\n")
    installs = Installs()
    left = installs.take(f"a = 1\n{line}\nb = 2", tmp_path)
    assert installs.requirements == requirements
    lines = left.split("\n")
    assert lines[0] == "a = 1" and lines[-1] == "b = 2"
    assert lines[1].startswith("pass  # a requirement of the run: ")
    assert len(lines) == 2 + len(line.split("\n"))


@pytest.mark.parametrize(
    "cell",
    [
        "!ls",
        "!pip list",
        "%pip freeze",
        "pip = 1",
        "# !pip install rich",
        "!pipx install rich",
        "%%html\n!pip install rich",
        "%%writefile setup.sh\n!pip install rich",
        "text = 'pip install rich'",
    ],
)
def test_other_cells_stay_as_they_are(cell):
    installs = Installs()
    assert installs.take(cell, Path()) == cell
    assert installs.requirements == []


def test_what_cannot_be_a_requirement_is_said():
    installs = Installs()
    installs.take("!pip install -e ./lib git+https://a.example/b -r nowhere.txt", Path())
    assert [text for text, _ in installs.left_out] == ["./lib", "git+https://a.example/b", "nowhere.txt"]


def test_an_indented_install_and_a_shell_cell_go_on_without_it():
    installs = Installs()
    assert compile(installs.take("if True:\n    %pip install rich\nelse:\n    !pip install tqdm", Path()), "", "exec")
    shell = installs.take("%%bash\npip install polars\necho on", Path())
    assert shell == "%%bash\n:  # a requirement of the run: pip install polars\necho on"
    assert installs.requirements == ["rich", "tqdm", "polars"]
