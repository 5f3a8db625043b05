"""What a builder promises, each promise as a function of the name under which a builder is installed.

In a plug-in's own tests:

    @pytest.mark.parametrize("promise", builders.PROMISES, ids=lambda promise: promise.__name__)
    def test_my_builder(promise):
        promise("mine")

A promise that is not kept raises ``AssertionError``. Each works in a home of its own, with real processes. A builder
that leaves images in a registry as well keeps them there too: ``promise("mine", "registry")``; the environment names a
repository that may be pushed to (``FAIRING_TEST_REPOSITORY``), and a base (``FAIRING_TEST_BASE``).
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from typing import get_args

import fairing
from fairing import plugins, state
from fairing.errors import BuildError
from fairing.events import Event
from fairing.oci.layer import PLACES
from fairing.oci.layout import blob
from fairing.spec import Destination, File, Recipe
from fairing.testing.builds import Building, alone, build, described, home, sample, target, where, within, written
from fairing.testing.layouts import members, problems

_ELSEWHERE = {"LC_ALL": "C", "TZ": "Asia/Kolkata", "PYTHONHASHSEED": "7"}


def makes_what_it_says(name: str, to: Destination | None = None) -> None:
    """Leave an image in each destination that it says it can."""
    makes = plugins.builder(name).makes
    assert makes, "makes is empty"
    assert makes <= set(get_args(Destination)), f"makes {set(makes)}, which is not among {get_args(Destination)}"
    for each in sorted(makes) if to is None else [to]:
        with home() as folder:
            image = build(name, sample(folder, to=each), each)
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", image.digest), f"{image.digest!r} is no digest"
        assert image.ref or (each == "layers" and image.layers), f"an image for {each} says not where it is"


def same_input_same_digest(name: str, to: Destination | None = None) -> None:
    """Give the same digest for the same recipe in another home, folder, zone, language and process too."""
    here, _ = alone(name, to)
    with home() as other, tempfile.TemporaryDirectory() as folder:
        there = Building(name, other, env={**_ELSEWHERE, "TMPDIR": folder}, umask=0o077, to=to).image()
    assert here == there, f"{here} here, {there} there"


def same_recipe_makes_nothing(name: str, to: Destination | None = None) -> None:
    """Write nothing when everything is there."""
    with home() as folder:
        first = build(name, sample(folder, to=where(name, to)), to)
        before = written()
        second = build(name, sample(folder, to=where(name, to)), to)
        after = written()
    assert second.digest == first.digest, "a second build gives another digest"
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    assert not changed, f"a second build wrote {changed[:5]}"


def changed_code_changes_code_alone(name: str, to: Destination | None = None) -> None:
    """Give another digest for other code, on the same dependencies."""
    with home() as folder:
        one = build(name, sample(folder, to=where(name, to)), to)
        two = build(name, sample(folder, b"print('other')\n", where(name, to)), to)
    assert one.digest != two.digest, "other code has the same digest"
    below = [[(each.kind, each.key) for each in image.layers if each.kind != "code"] for image in (one, two)]
    assert below[0] == below[1], "other code has other layers below it"


def holds_the_recipes_files(name: str, to: Destination | None = None) -> None:
    """Hold exactly the recipe's files, as they are, with their modes."""
    with home() as folder:
        recipe = sample(folder, to=where(name, to))
        image = build(name, recipe, to)
        found: dict[str, tuple[int, bytes]] = {}
        for layer in image.layers:
            if layer.kind in {"files", "code"} and layer.digest:
                found.update(members(blob(state.store(), layer.digest)))
        wanted = {f"{PLACES['code']}/{file.path}": (file.mode, file.read()) for file in recipe.files}
    wrong = sorted(path for path in {*wanted, *found} if wanted.get(path) != found.get(path)) if image.layers else []
    assert not wrong, f"missing, too many, or not what they were: {wrong[:5]}"


def is_there_by_its_digest(name: str, to: Destination | None = None) -> None:
    """Leave layers in a store that every tool for images can read, and that has the image under its digest."""
    with home() as folder:
        image = build(name, sample(folder, to=where(name, to)), to)
        wrong = problems(state.store()) if image.layers else ()
        there = not image.layers or blob(state.store(), image.digest).is_file()
    assert not wrong, "; ".join(wrong)
    assert there, f"no manifest has the digest {image.digest}"


def says_what_it_does(name: str, to: Destination | None = None) -> None:
    """Report what it does, in its own name."""
    said: list[Event] = []
    with home() as folder:
        build(name, sample(folder, to=where(name, to)), to, said=said)
    assert said, "it says nothing"
    assert {event.at.source.role for event in said} == {"build"}, "it speaks in another's name"


def refuses_what_it_cannot(name: str, to: Destination | None = None) -> None:
    """Refuse Debian packages on this machine's own interpreter by name, before anything is made, and say who can."""
    with home() as folder:
        recipe = replace(sample(folder, to=where(name, to)), apt=("libexample7",))
        before = written()
        refused = _refusal(name, recipe)
        after = written()
    assert refused is not None, "it accepts Debian packages that nothing will install"
    assert "libexample7" in str(refused), f"the package is not named: {refused}"
    others = [other for other in plugins.installed(plugins.BUILDERS) if other != name]
    able = [other for other in others if _refusal(other, recipe) is None]
    said = any(repr(other) in str(refused) for other in able) if able else "No installed builder can" in str(refused)
    assert said, f"it does not say who can ({able or 'nobody'}): {refused}"
    assert before == after, "its check made something"


def refuses_a_missing_file(name: str, to: Destination | None = None) -> None:
    """Say in words which file cannot be read."""
    with home() as folder:
        recipe = sample(folder, to=where(name, to))
        recipe = replace(recipe, files=(*recipe.files, File("gone.csv", folder / "gone.csv")))
        try:
            build(name, recipe, to)
        except BuildError as said:
            assert "gone.csv" in str(said), f"the file is not named: {said}"
        else:
            raise AssertionError("it builds an image without a file of the recipe")


def survives_being_killed(name: str, to: Destination | None = None) -> None:
    """Leave a store that works when a build is killed, wherever it is; the next one cleans up."""
    wanted, changes = alone(name, to)
    for part in range(1, 5 if changes else 1):  # who changes nothing here leaves nothing half done
        step = max(1, changes * part // 5)
        with home() as folder:
            code, _ = Building(name, folder, kill_at=step, to=to).ended()
            found = described(build(name, sample(folder, to=where(name, to)), to))
            wrong = problems(state.store()) if wanted["layers"] else ()
            left = [path for path in written() if "/parts/" in path or "/.part" in path]
        assert code < 0, f"it has no change {step} of {changes}"
        assert found == wanted, f"{found} after it was killed at change {step}, {wanted} without"
        assert not wrong, "; ".join(wrong)
        assert not left, f"what a killed build left is still there: {left[:5]}"


def two_builds_at_once(name: str, to: Destination | None = None) -> None:
    """Build the same image from two processes at once: both get it, and it is whole."""
    wanted, _ = alone(name, to)
    with home() as folder:
        one = Building(name, folder, held=True, to=to)
        one.reached("inside")
        two = Building(name, folder, to=to)
        two.reached("started")
        one.go()
        ends = [one.ended(), two.ended()]
        with within(folder):
            wrong = problems(state.store()) if wanted["layers"] else ()
    for _, image in ends:
        image.pop("changes", None)
    assert ends == [(0, wanted), (0, wanted)], f"{wanted} alone, {ends} at once"
    assert not wrong, "; ".join(wrong)


def can_be_run(name: str, to: Destination | None = None) -> None:
    """Make images that a deployer runs; on this machine, from layers."""
    if where(name, to) == "layers":
        with home():
            job = fairing.submit(pow, (2, 5), builder=name, target="local")
            try:
                value = job.result()
            finally:
                job.delete()
        assert value == 32, f"pow(2, 5) is {value} in its image"


PROMISES = (
    makes_what_it_says,
    same_input_same_digest,
    same_recipe_makes_nothing,
    changed_code_changes_code_alone,
    holds_the_recipes_files,
    is_there_by_its_digest,
    says_what_it_does,
    refuses_what_it_cannot,
    refuses_a_missing_file,
    survives_being_killed,
    two_builds_at_once,
    can_be_run,
)


def _refusal(name: str, recipe: Recipe) -> BuildError | None:
    try:
        plugins.builder(name).check(recipe, target(name))
    except BuildError as refused:
        return refused
    return None
