"""An image is a value: each method gives another, and what cannot be is refused where it is written."""

import pickle

import pytest

import fairing
from fairing.errors import BuildError, ConfigError
from fairing.image import Image
from fairing.spec import Bundle, Entry

SLIM = Image("python:3.11-slim")


def test_each_method_gives_another_image_and_leaves_the_first_as_it_is():
    image = SLIM.pip("torch", "pandas >= 2").apt("git", "curl").env({"A": "1"}, B=2).pip("torch", "tqdm").apt("git")
    assert image == Image("python:3.11-slim", ("torch", "pandas>=2", "tqdm"), ("curl", "git"), (("A", "1"), ("B", "2")))
    assert Image("python:3.11-slim") == SLIM
    assert pickle.loads(pickle.dumps(image)) == image
    with pytest.raises(AttributeError):
        image.base = "other"


def test_a_variable_that_is_set_again_has_the_new_value():
    assert SLIM.env(A=1).env(A=2, B=3).variables == (("A", "2"), ("B", "3"))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: SLIM.pip("torch>="),
        lambda: SLIM.pip("-r requirements.txt"),
        lambda: SLIM.pip(["torch"]),
        lambda: SLIM.apt("git; rm -rf /"),
        lambda: SLIM.apt("--allow-downgrades"),
        lambda: SLIM.platform("arm64"),
        lambda: SLIM.platform("linux/arm64,linux/amd64"),
        lambda: SLIM.env({"": "1"}),
        lambda: SLIM.env({"A=B": "1"}),
        lambda: SLIM.env(A="\0"),
    ],
)
def test_what_cannot_be_in_an_image_is_refused_where_it_is_written(wrong):
    with pytest.raises(ConfigError, match="Write"):
        wrong()


def test_the_packages_of_an_image_are_those_of_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path))

    def versions(name):
        from importlib.metadata import version

        return version(name)

    image = Image().pip("tqdm").env(DEPTH=8)
    report = fairing.preview(versions, image=image)
    assert ("tqdm", "stated") in [(name, why.partition(" ")[0]) for name, why in report.requirements]
    assert fairing.train(versions, args=["tqdm"], image=image)


def test_an_images_packages_are_in_its_recipe_whoever_asks():
    from fairing.recipe import text
    from fairing.recipe.resolve import resolve
    from tests.registry.bases import HERE

    bundle = Bundle(Entry("script", "main.py", "0", "main.py"), (), (), ("tqdm",), HERE)
    recipe = resolve(bundle, Image().pip("tqdm", "cloudpickle").apt("git").env(A=1), "layers")
    assert {each.partition("==")[0] for each in text.packages(recipe)} >= {"tqdm", "cloudpickle"}
    assert (recipe.apt, recipe.env, recipe.source) == (("git",), (("A", "1"),), "installed")


def test_a_run_on_this_machine_is_for_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))
    with pytest.raises(BuildError, match=r"cannot be for linux/s390x\. This machine is"):
        fairing.train(pow, (2, 5), platform="linux/s390x")


def test_what_no_builder_can_is_said_by_name_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))
    with pytest.raises(BuildError, match=r"cannot install Debian packages \(git\)\..* No installed builder can"):
        fairing.train(pow, (2, 5), image=Image().apt("git"))
    assert not (tmp_path / "home" / "store" / "trees").exists()
