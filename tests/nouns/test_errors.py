"""Every error is one family, says what, why and what next, and survives a pickle."""

import ast
import inspect
import pickle
import traceback
from pathlib import Path

import pytest

from fairing import errors
from fairing.edge import edge

ROOT = Path(__file__).parents[2]
FAMILY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.FairingError)]


@pytest.mark.parametrize("kind", FAMILY)
def test_an_error_survives_a_pickle(kind):
    error = pickle.loads(pickle.dumps(kind("What.", "Why.", "Fix.")))
    assert (type(error), str(error)) == (kind, "What. Why. Fix.")


@pytest.mark.parametrize("kind", FAMILY)
def test_an_error_shows_in_jupyter_as_its_sentence_alone(kind):
    assert kind("What.")._render_traceback_() == [f"{kind.__name__}: What."]


def test_the_family_drawn_in_the_docstring_is_the_family():
    assert [kind.__name__ for kind in FAMILY if kind.__name__ not in errors.__doc__] == []


def test_a_fault_that_has_no_words_of_its_own_keeps_the_frames_that_say_where():
    @edge
    def broken():
        return 1 // 0

    with pytest.raises(ZeroDivisionError) as raised:
        broken()
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "broken"


def test_whatever_is_raised_of_images_and_registries_says_what_why_and_what_to_do():
    raised = ("RegistryError", "BuildError", "ConfigError", "Refusal")
    short = []
    for path in (*ROOT.glob("fairing/oci/*.py"), *ROOT.glob("builders/**/*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in raised:
                said = ["what", "why", "fix"][: len(call.args)] + [each.arg for each in call.keywords]
                if not {"what", "why", "fix"} <= set(said):
                    short.append(f"{path.name}, line {call.lineno}")
    assert short == []
