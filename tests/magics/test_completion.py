"""The Tab key, in the line of a magic."""

import warnings

import pytest

from fairing.jupyter.completion import complete
from fairing.jupyter.line import tokens


@pytest.fixture
def typed(shell):
    """What the Tab key offers at the end of a text, or at a mark in it."""

    def typed(text):
        at = text.index("|") if "|" in text else len(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [each.text for each in shell.Completer.completions(text.replace("|", ""), at)]

    return typed


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("%fairing subm", ["submit"]),
        ("job = %fairing subm", ["submit"]),
        ("x = 1\n%fairing subm", ["submit"]),
        ("%fairing submit --gp", ["--gpus"]),
        ("%fairing submit train --limits ", ["best-effort", "enforce"]),
        ("%fairing submit train --target clu", ["cluster"]),
        ("%%fairing --gp|\npass", ["--gpus"]),
        ("%%fairing -o mo|\npass", ["model"]),
        ("%fairing submit tr", ["train"]),
        ("%fairing run sc", ["script.py"]),
        ("%fairing use gp", ["gpus="]),
    ],
)
def test_verbs_options_values_and_names_are_offered(typed, run, tmp_path, text, offered):
    (tmp_path / "script.py").write_text("")
    run("def train():\n    return 1\nmodel = 3")
    assert sorted(typed(text)) == offered


def test_a_file_with_spaces_in_its_name_is_offered_as_one_word(typed, tmp_path):
    (tmp_path / "my 'own' report.ipynb").write_text("")
    (offered,) = typed("%fairing run my")
    assert tokens(f"run {offered}", {}) == ["run", "my 'own' report.ipynb"]


def test_runs_are_offered_by_their_handles(typed, run, shell):
    run("def train():\n    return 1")
    run("job = %fairing submit train")
    handle = str(shell.user_ns["job"].handle)
    assert typed("%fairing logs ")[0] == handle
    assert typed(f"%fairing cancel {handle[:-3]}") == [handle]


@pytest.mark.parametrize("text", ["fairing.tra", "x = subm", "%timeit subm", "'%%fairing' --gp"])
def test_other_lines_are_left_to_others(text):
    assert complete(text, 0, {}) is None


def test_what_python_knows_is_not_mixed_in(typed, run):
    assert not set(typed("%fairing ")) & {"get_ipython", "getattr", "print"}
