"""A script runs elsewhere as ``python script.py`` runs here."""

import pytest

import fairing
from fairing.errors import CaptureError, RunFailed


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)

    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write


def test_a_script_is_main_with_its_arguments(project, capsys):
    project("train.py", "import sys\nif __name__ == '__main__':\n    print('main', sys.argv[1:])\n")
    assert fairing.run_script("train.py", ["--depth", "8"]) is None
    assert "main ['--depth', '8']" in capsys.readouterr().out


def test_modules_beside_a_script_and_of_its_project_are_there(project, capsys):
    project(
        "scripts/train.py",
        "import beside_of_scripts\nfrom package_of_scripts.inner import two\nprint(beside_of_scripts.one + two)\n",
    )
    project("scripts/beside_of_scripts.py", "one = 40\n")
    project("package_of_scripts/__init__.py", "")
    project("package_of_scripts/inner.py", "two = 2\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(project("x", "").parent))
        fairing.run_script("scripts/train.py")
    assert "42" in capsys.readouterr().out.split()


def test_the_exit_code_is_honoured(project, capsys):
    project("ends.py", "import sys\nsys.exit({'0': 0, '3': 3, 'none': None, 'text': 'no data'}[sys.argv[1]])\n")
    fairing.run_script("ends.py", ["0"])
    fairing.run_script("ends.py", ["none"])
    with pytest.raises(RunFailed):
        fairing.run_script("ends.py", ["3"])
    with pytest.raises(RunFailed):
        fairing.run_script("ends.py", ["text"])
    assert "no data" in "".join(capsys.readouterr())


def test_an_exception_of_a_script_is_raised_as_itself_with_its_lines(project):
    project("fails.py", "def fail():\n    raise LookupError('depth')\nfail()\n")
    with pytest.raises(LookupError, match="depth") as raised:
        fairing.run_script("fails.py")
    shown = "\n".join(raised.value._render_traceback_())
    assert "fails.py" in shown and "raise LookupError('depth')" in shown
    assert "runtime/script.py" not in shown


def test_processes_that_a_script_starts_find_it(project, capsys):
    project(
        "pool.py",
        "from concurrent.futures import ProcessPoolExecutor\nfrom multiprocessing import get_context\n"
        "def double(n):\n    return n * 2\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:\n"
        "        print('sum', sum(pool.map(double, [1, 2])))\n",
    )
    fairing.run_script("pool.py")
    assert "sum 6" in capsys.readouterr().out


def test_files_are_found_where_the_script_looks(project, capsys):
    project("data/numbers.txt", "17")
    project(
        "tool.py",
        "from pathlib import Path\nhere = Path(__file__).parent / 'data/numbers.txt'\n"
        "print(open('data/numbers.txt').read(), here.read_text())\n",
    )
    fairing.run_script("tool.py", include=["data/*.txt"])
    assert "17 17" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "arguments", "says"),
    [
        ("absent.py", [], "There is no file 'absent.py'. There: broken.py, works.py"),
        ("broken.py", [], "broken.py is not Python"),
        ("works.py", [3], "3 cannot stand on a command line"),
        ("works.txt", [], "not a function, a notebook or a script"),
    ],
)
def test_a_script_that_cannot_run_is_refused_in_a_sentence(project, path, arguments, says):
    project("works.py", "")
    project("broken.py", "x = (\n")
    with pytest.raises(CaptureError, match=says):
        fairing.run_script(path, arguments)


def test_a_script_is_submitted_previewed_and_built_like_a_function(project):
    project("train.py", "import json\nprint('x')\n")
    assert fairing.preview("train.py").kind == "script"
    assert fairing.build("train.py").digest.startswith("sha256:")
    job = fairing.submit("train.py", args=["--depth", "8"])
    assert job.wait().phase == "succeeded"
