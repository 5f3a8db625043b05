"""What nouns say of themselves, in logs and in tracebacks."""

import fairing
from fairing.config.options import options
from fairing.image import Image
from fairing.recipe.text import text
from fairing.spec import BuiltImage, Entry, Recipe, Target, Workload

ENV = (("DATABASE", "hunter2"),)
ENTRY = Entry("script", "main.py", "00", "main.py")


def test_values_of_environment_variables_are_in_no_repr_and_in_no_dry_run():
    recipe = Recipe("host", "linux/amd64", "3.11.7", "", "installed", (), ENV, ENTRY, ())
    nouns = (
        Image(variables=ENV),
        recipe,
        BuiltImage("sha256:00", ENTRY, "3.11.7", env=ENV),
        Workload("train", env=ENV),
        options({"env": dict(ENV)}),
        Target("there", env=dict(ENV)),
        fairing.remote(env=dict(ENV))(print),
    )
    assert not [noun for noun in nouns if "hunter2" in repr(noun)]
    assert "DATABASE" in text(recipe)
    assert "hunter2" not in text(recipe)
