"""A function of a script is the same code wherever the script's project lies."""

import re
import subprocess
import sys

import pytest

PROGRAM = """\
import fairing

class Model:
    kinds = ("tree", "forest")

    def knows(self, kind):
        return kind in {"tree", "forest", "ridge", "lasso"}

def fit(depth):
    raise KeyError(depth)

def train(depth=8):
    Model().knows("tree")
    return [fit(each) for each in (depth, depth + 1)]

if __name__ == "__main__":
    print("code", fairing.build(train).digest)
    fairing.train(train)
"""


@pytest.fixture
def script(tmp_path):
    def write(project):
        path = tmp_path / project / "scripts" / "train.py"
        path.parent.mkdir(parents=True)
        path.write_text(PROGRAM)
        (tmp_path / project / "pyproject.toml").touch()
        return path

    return write


def run(path, folder):
    return subprocess.run([sys.executable, path], cwd=folder, capture_output=True, text=True)


def test_the_same_script_in_two_folders_is_the_same_image(script, tmp_path):
    one, other = script("one"), script("deeper/other")
    ran = (run(one, one.parent), run(one, tmp_path), run(other, other.parent.parent))
    digests = {digest for each in ran for digest in re.findall(r"^code (sha256:\w{64})$", each.stdout, re.MULTILINE)}
    assert len(digests) == 1, [each.stderr for each in ran]


def test_a_traceback_shows_the_lines_of_a_script_by_their_place_in_its_project(script):
    path = script("one")
    shown = run(path, path.parent).stderr
    assert 'File "scripts/train.py", line 10, in fit\n    raise KeyError(depth)\n' in shown
    assert f'File "{path}", line 18, in <module>\n    fairing.train(train)\n' in shown
