"""Every error is one family, says what, why and what next, and survives a pickle."""

import inspect
import pickle
import traceback

import pytest

from fairing import errors
from fairing.edge import edge

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
