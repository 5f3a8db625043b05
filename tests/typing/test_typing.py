"""What an editor and a type checker see of the public names."""

import inspect
import subprocess
import sys
from pathlib import Path

import jedi
import pytest

import fairing
from fairing.config.options import ABOUT, NAMES, Given
from fairing.verbs import VERBS

VERBS_OF_THE_API = ["train", "submit", "run_notebook", "run_script", "run_cell", "preview", "build", "remote", "use"]


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """Run mypy over the file of examples; an ignore that is not needed is an error too."""
    root = Path(fairing.__file__).parents[1]
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent"]
    command += ["--config-file", root / "pyproject.toml", "--cache-dir", tmp_path_factory.mktemp("mypy")]
    return subprocess.run([*command, root / "tests/typing/surface.py"], capture_output=True, text=True, cwd=root)


def test_a_type_checker_sees_what_each_verb_returns_and_which_options_it_takes(checked):
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr


@pytest.mark.parametrize("name", VERBS_OF_THE_API)
def test_every_verb_spells_out_every_option(name):
    """In the order of the list, by keyword only, and saying nothing unless something is given."""
    parameters = inspect.signature(getattr(fairing, name)).parameters
    spelled = [each for each in parameters.values() if each.name in NAMES]
    assert [each.name for each in spelled] == list(NAMES)
    assert {each.kind for each in spelled} == {inspect.Parameter.KEYWORD_ONLY}
    assert {each.default for each in spelled} == {None}


def test_an_option_has_one_type_in_every_verb():
    def types(name):
        return {key: each.annotation for key, each in inspect.signature(getattr(fairing, name)).parameters.items()}

    for name in VERBS_OF_THE_API:
        assert {key: kind for key, kind in types(name).items() if key in NAMES} == {
            key: kind for key, kind in types("train").items() if key in NAMES
        }


@pytest.mark.parametrize("name", VERBS_OF_THE_API)
def test_the_help_of_a_verb_says_what_each_option_means(name):
    text = inspect.getdoc(getattr(fairing, name))
    assert all(f"{option}: {about}" in text for option, about in ABOUT.items())


def test_an_editor_sees_every_public_name():
    seen = {each.name for each in jedi.Script("import fairing\nfairing.").complete(2, 8)}
    assert set(fairing.__all__) <= seen
    assert set(fairing.__all__) <= set(dir(fairing))


@pytest.mark.parametrize("name", VERBS_OF_THE_API)
def test_an_editor_shows_the_options_of_a_verb(name):
    text = f"import fairing\nfairing.{name}("
    signatures = jedi.Script(text).get_signatures(2, len(text.split("\n")[1]))
    assert any(set(NAMES) <= {each.name for each in signature.params} for signature in signatures)


def test_public_names_are_sorted_and_each_has_a_home():
    assert fairing.__all__ == sorted(fairing.__all__)
    for name in fairing.__all__:
        assert getattr(fairing, name).__module__.startswith("fairing.")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fairing.nothing


def test_no_public_name_is_hidden_by_a_module_of_the_same_name():
    modules = {path.stem for path in Path(fairing.__file__).parent.iterdir()}
    assert not modules & set(fairing.__all__)


def test_the_verbs_of_the_magics_take_the_options_of_the_api():
    for verb in VERBS.values():
        if verb.options and verb.api != "settings":
            assert set(NAMES) <= set(inspect.signature(getattr(fairing, verb.api)).parameters)


def test_options_as_keywords_are_the_options():
    assert tuple(Given.__annotations__) == NAMES
    parameters = inspect.signature(fairing.train).parameters
    for name, kind in Given.__annotations__.items():
        assert f"{kind.__forward_arg__.removesuffix(' | None')}" == parameters[name].annotation.removesuffix(" | None")
