"""What is installed here goes into an image where it runs there; else uv finds what does, or says there is none."""

import json

import pytest

from fairing.recipe import python
from tests.dependencies.places import MAKE

HERE = python.libc()
NEWER = "glibc 2.99"
FITTED = """
from fairing.recipe import fit
from fairing.errors import DependencyError
def fitted(libc, **more):
    made, wrong = fit.fitted(recipe("tool", **more), libc)
    return [made.source, made.libc, list(wrong)]
"""

pytestmark = pytest.mark.skipif(not HERE.startswith("glibc"), reason="the libraries named here are glibc's neighbours")


@pytest.fixture
def offline(place):
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(place.folder / "wheels"), "PIP_CONFIG_FILE": "/dev/null"}


def tagged(place, *tags):
    """Make the installed tool say that it was built for these."""
    place.install(place.wheel("tool"))
    said = place.site / "tool-1.0.dist-info" / "WHEEL"
    lines = [line for line in said.read_text().splitlines() if not line.startswith("Tag:")]
    said.write_text("\n".join([*lines, *(f"Tag: cp311-cp311-{tag}" for tag in tags), ""]))


def test_each_wheels_tags_are_held_against_the_images_library(place):
    fits = {
        "any": ["glibc 2.17", "musl 1.2"],
        "manylinux2014_x86_64": ["glibc 2.17", "glibc 2.36"],
        "manylinux1_x86_64": ["glibc 2.5"],
        "manylinux_2_28_x86_64": ["glibc 2.28", "glibc 2.36"],
        "musllinux_1_1_x86_64": ["musl 1.2"],
    }
    libraries = ["glibc 2.5", "glibc 2.17", "glibc 2.28", "glibc 2.36", "musl 1.2"]
    first = {tag: allowed[0] for tag, allowed in fits.items() if tag != "any"}
    tagged(place, "any")
    code = f"""
import pathlib
from fairing.environment.index import distributions
from fairing.recipe import fit
each = distributions()["tool"]
answer = {{}}
for tag in {list(fits)!r}:
    pathlib.Path(each.info, "WHEEL").write_text(f"Tag: cp311-cp311-{{tag}}\\n")
    answer[tag] = fit._needs(each)
"""
    needs = place.run(code)
    assert needs.pop("any") == []
    for tag, (library,) in needs.items():
        assert python.runs(library, first[tag])
        runs = [each for each in libraries if python.runs(library, each)]
        assert set(fits[tag]) <= set(runs)
        assert {each.partition(" ")[0] for each in runs} == {library.partition(" ")[0]}


def test_what_is_installed_is_taken_where_it_runs(place):
    tagged(place, "manylinux_2_17_x86_64", "manylinux2014_x86_64")
    answer = place.run(
        MAKE + FITTED + f"answer = [fitted({HERE!r}), fitted({NEWER!r}), fitted('glibc 2.17'), fitted('')]"
    )
    assert answer == [["installed", "", []]] * 4


@pytest.mark.parametrize("libc", ["musl 1.2", "glibc 2.28"])
def test_what_does_not_run_there_is_resolved_for_there_at_the_same_version(place, offline, libc):
    tagged(place, "manylinux_2_39_x86_64")
    tag = "musllinux_1_2" if libc.startswith("musl") else "manylinux_2_28"
    place.wheel("tool", version="2.0")
    (place.folder / "wheels" / "tool-1.0-py3-none-any.whl").unlink()
    place.wheel("tool", files={"tool.py": "FOR = 'there'\n"}, tag=f"py3-none-{tag}_x86_64")
    code = MAKE + FITTED + f"""
made, wrong = fit.fitted(recipe("tool"), {libc!r})
folder = make(made)
answer = [made.source, made.libc, list(wrong), next(folder.rglob("tool.py")).read_text(), made.lock.split()[0]]
"""  # fmt: skip
    assert place.run(code, **offline) == [
        "resolved", libc, ["tool 1.0 (glibc 2.39)"], "FOR = 'there'\n", "tool==1.0"
    ]  # fmt: skip


def test_a_package_without_a_wheel_for_there_is_refused_by_name(place, offline):
    tagged(place, "manylinux_2_39_x86_64")
    (place.folder / "wheels" / "tool-1.0-py3-none-any.whl").unlink()
    place.wheel("tool", tag="py3-none-manylinux_2_39_x86_64")
    code = (
        MAKE
        + FITTED
        + """
try:
    fit.fitted(recipe("tool"), "musl 1.2")
except DependencyError as wrong:
    answer = [str(wrong), str(wrong)]
"""
    )
    said = place.run(code, **offline)[0]
    assert "tool==1.0" in said
    assert "musl" in said or "wheel" in said


def test_what_was_built_here_needs_what_is_here(place):
    place.install(place.wheel("tool", files={"tool/__init__.py": "", "tool/_fast.so": "elf"}))
    said = place.site / "tool-1.0.dist-info" / "WHEEL"
    said.write_text("Tag: cp311-cp311-linux_x86_64\n")
    code = """
from fairing.environment.index import distributions
from fairing.recipe import fit
answer = fit._needs(distributions()["tool"])
"""
    assert place.run(code) == [HERE]
    said.unlink()
    assert place.run(code) == [HERE]


def test_a_resolved_lock_stays_as_it_was_asked_for_and_is_seen_to_have_wheels_there(place, offline):
    place.install(place.wheel("tool"))
    code = MAKE + FITTED + f"""
before = recipe("tool", dependencies="resolved")
answer = []
for libc in ({NEWER!r}, "musl 1.2", "glibc 2.17"):
    made, wrong = fit.fitted(before, libc)
    answer.append([made.lock == before.lock, made.libc, list(wrong)])
"""  # fmt: skip
    assert place.run(code, **offline) == [[True, "", []], [True, "musl 1.2", []], [True, "glibc 2.17", []]]


def test_an_image_without_a_known_library_is_believed(place):
    tagged(place, "manylinux_2_39_x86_64")
    assert json.dumps(place.run(MAKE + FITTED + "answer = fitted('')")) == '["installed", "", []]'
